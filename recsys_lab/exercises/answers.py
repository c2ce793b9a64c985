"""What a learner's answer is, whatever type it came in: for the checks that want one number or a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def as_list(answer: Any) -> list[Any] | None:
    """An answer as a list of plain values; None for what is none.

    >>> as_list(np.array([1, 2])), as_list(("a",)), as_list("ab"), as_list(5)
    ([1, 2], ['a'], None, None)
    """
    if isinstance(answer, str | bytes | Mapping | set) or not hasattr(answer, "__iter__"):
        return None
    return [one.item() if isinstance(one, np.generic) else one for one in answer]


def as_number(answer: Any) -> float | None:
    """An answer as one number; None for what is none.

    >>> as_number(2), as_number(np.array([2.5])), as_number([1, 2]), as_number("2"), as_number(True)
    (2.0, 2.5, None, None, None)
    """
    if isinstance(answer, str | bytes | bool):
        return None
    try:
        values = np.asarray(answer, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        return None
    return float(values[0]) if values.shape == (1,) else None
