"""Two vectors of a product made one, so that a single index weighs both."""

from __future__ import annotations

from typing import Literal

import numpy as np

from recsys_lab.item2vec import Vectors
from recsys_lab.item2vec.vectors import unit_rows
from recsys_lab.recommender import Floats


def fuse(a: Vectors, b: Vectors, alpha: float, missing: Literal["zeros", "drop"] = "zeros") -> Vectors:
    """√α·a beside √(1−α)·b, each at length 1: the cosine of two fused vectors is α·cos_a + (1−α)·cos_b.

    (With α and 1−α in place of the roots the cosine would weigh them α² to (1−α)²: .6 would be 69 : 31.)

    A product that only one of them knows has zeros in the place of the other: it is compared by what it has, and its
    cosine with a product that has both is √α·cos_a (or √(1−α)·cos_b). `missing="drop"` leaves such products out. A
    vector of zeros counts as missing. Products stand in the order of `a`, then those of `b` alone. Shape [n, a + b].

    Raises `ValueError` for an `alpha` outside [0, 1], and when nothing is left.

    >>> a = Vectors(("x", "y"), np.array([[2.0, 0.0], [3.0, 4.0]]))
    >>> b = Vectors(("y", "x"), np.array([[1.0, 0.0], [0.0, 5.0]]))
    >>> fused = fuse(a, b, alpha=0.6)
    >>> round(float(fused["x"] @ fused["y"]), 9)  # .6 · cos_a of .6 + .4 · cos_b of 0
    0.36
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha: {alpha} is no share of the first vectors; give a number from 0 to 1")
    if missing not in ("zeros", "drop"):
        raise ValueError(f"missing: {missing!r} is neither 'zeros' nor 'drop'; use one of these")
    ids = [*a.ids, *(item for item in b.ids if item not in a)]
    left, right = _placed(a, ids), _placed(b, ids)
    has_left, has_right = left.any(axis=1), right.any(axis=1)
    kept = np.asarray(has_left & has_right if missing == "drop" else has_left | has_right)
    if not kept.any():
        raise ValueError(
            f"fuse: none of {len(a)} and {len(b)} products is left (missing={missing!r}); do the two share their ids?"
        )
    rows = np.concatenate([np.sqrt(alpha) * left, np.sqrt(1 - alpha) * right], axis=1)
    return Vectors(tuple(item for item, keep in zip(ids, kept.tolist(), strict=True) if keep), rows[kept])


def _placed(vectors: Vectors, ids: list[str]) -> Floats:
    """The vectors of `ids` at length 1, zeros where there is none; shape [ids, dim]."""
    rows: Floats = np.zeros((len(ids), vectors.dim))
    for at, vector in enumerate(vectors.column(ids)):
        if vector is not None:
            rows[at] = vector
    return unit_rows(rows)
