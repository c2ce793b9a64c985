"""Intervals by bootstrap over shoppers or sessions, not over cases: one shopper's cases rise and fall together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_lab.recommender import Floats

RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A mean and the 95 % interval around it."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"

    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def interval(values: Floats, units: NDArray[Any], resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Mean of `values` [n] (NaN left out) with its 95 % percentile interval, resampling whole `units` [n].

    Units (shoppers or sessions) are drawn with replacement; a unit's cases stay together. All NaN gives NaN.

    >>> str(interval(np.array([1.0, 1.0, 1.0]), np.array(["a", "b", "b"])))
    '1.0000 [1.0000, 1.0000]'
    """
    if len(values) != len(units):
        raise ValueError(f"units: {len(units)} of them for {len(values)} values; give one for each")
    counted = ~np.isnan(values)
    if not counted.any():
        return Interval(float("nan"), float("nan"), float("nan"))
    _, place = np.unique(units, return_inverse=True)
    total = np.bincount(place, weights=np.where(counted, values, 0.0))
    count = np.bincount(place, weights=counted.astype(np.float64))
    total, count = total[count > 0], count[count > 0]
    drawn = np.random.default_rng(seed).multinomial(len(total), np.full(len(total), 1 / len(total)), size=resamples)
    means = (drawn @ total) / (drawn @ count)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(total.sum() / count.sum()), float(low), float(high))


def paired(
    values: Floats, reference: Floats, units: NDArray[Any], resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """`values` minus `reference` on the same cases, with the interval of the difference.

    Narrower than two separate intervals suggest: both methods met the same easy and hard cases.
    """
    return interval(values - reference, units, resamples, seed)
