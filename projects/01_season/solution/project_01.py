"""A space for what goes round: months, hours, hues. One way to write it.

A number space puts December and January at the two ends of a quarter circle. Here the circle is whole, so the ends
meet; the inner product of two places on it is the cosine of the angle between them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys_lab.recommender import Floats
from recsys_lab.spaces.space import Space, SpaceError


class CircleSpace(Space):
    """A number that comes back after a `period`: 12 for months, 24 for hours, 360 for hues.

    The similarity of two values is cos(2π·distance / period): 1 for the same, −1 for opposite ones. Events move a
    shopper in it (`moves`), which `like=` needs too; who clicked on January and July alike stands in the middle of the
    circle, near no season at all.

    >>> year = CircleSpace("month", 12)
    >>> (year.parts([12, 1, 7]) @ year.question(1)).round(3).tolist()
    [0.866, 1.0, -1.0]
    """

    def __init__(self, field: str, period: float) -> None:
        super().__init__(field)
        if not (isinstance(period, int | float) and math.isfinite(period) and period > 0):
            raise SpaceError(f"circle {field!r}: the period is {period!r}; give a number above 0, 12 for months")
        self.period = period

    @property
    def dim(self) -> int:
        """The number of components of a part."""
        return 2

    def parts(self, values: Sequence[Any], now_ms: int | None = None) -> Floats:
        """Product parts [len(values), 2]; zeros where a value is missing (None or NaN)."""
        given = np.array([self._number(value, f"row {row}") for row, value in enumerate(values)], dtype=np.float64)
        there = ~np.isnan(given)
        made = np.zeros((len(given), 2))
        made[there] = self._place(given[there])
        return made

    def question(self, asked: Any) -> Floats:
        """The question part [2] for a number."""
        value = self._number(asked, "asked")
        if math.isnan(value):
            raise SpaceError(f"circle {self.field!r}: asked for {asked!r}; leave the space out of the question instead")
        place: Floats = self._place(np.array([value]))[0]
        return place

    def _place(self, values: Floats) -> Floats:
        angle = 2 * np.pi * np.mod(values, self.period) / self.period
        return np.column_stack([np.cos(angle), np.sin(angle)])

    def _number(self, value: Any, where: str) -> float:
        """A value as a float, NaN where it is missing."""
        if value is None:
            return math.nan
        if isinstance(value, bool | str) or not isinstance(value, int | float | np.integer | np.floating):
            raise SpaceError(f"circle {self.field!r}: {where} has {value!r}, which is no number; convert it first")
        if math.isinf(value):
            raise SpaceError(f"circle {self.field!r}: {where} is infinite; leave an unknown value out")
        return float(value)
