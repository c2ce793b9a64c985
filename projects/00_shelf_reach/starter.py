"""How much of the shelf do m shoppers see together? Your half: README.md says what each function owes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from numpy.typing import NDArray

from recsys_lab.evaluation import Interval
from recsys_lab.recommender import NOTHING, Labels  # noqa: F401 - NOTHING fills short lists up

Shown = Sequence[frozenset[str]]
"""For each shopper, all products that any of their lists showed."""


def shown_to(lists: Labels, units: NDArray[Any]) -> list[frozenset[str]]:
    """The products that each shopper was shown, shoppers in the order of np.unique; lists [n, k], units [n]."""
    raise NotImplementedError("shown_to: gather the products of each shopper's lists; NOTHING is no product")


def reach(shown: Shown, catalogue: Collection[str], m: int) -> float:
    """The share of the catalogue that `m` shoppers, drawn without replacement, see together: its mean over all draws.

    Raises `ValueError` for `m` below 1 or above the number of shoppers, and for a product that is not in the catalogue.
    """
    raise NotImplementedError("reach: for each product, the chance that none of m shoppers saw it, as a formula")


def reach_interval(shown: Shown, catalogue: Collection[str], m: int, draws: int = 400, seed: int = 0) -> Interval:
    """`reach` with its 95 % interval, from random halves of the shoppers."""
    raise NotImplementedError("reach_interval: reach in many random halves; what is between 2.5 and 97.5 %?")


def reach_difference(
    shown: Shown, other: Shown, catalogue: Collection[str], m: int, draws: int = 400, seed: int = 0
) -> Interval:
    """`reach` of one method minus another's, the same shoppers in both, with its interval from the same halves."""
    raise NotImplementedError("reach_difference: one half after the other, both methods on the very same shoppers")
