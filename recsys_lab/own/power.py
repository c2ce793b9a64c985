"""How large an A/B test has to be: two shares, compared visit by visit, where a shopper may come more than once.

The formula is the usual one for two proportions (Fleiss, Levin and Paik 2003, chapter 4, without the correction for
continuity; R's `power.prop.test` is the same). Where visits of a shopper are alike, each visit says less, and all
numbers grow by the design effect (Kish 1965).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

NORMAL = NormalDist()


def sample_size(p: float, uplift: float, power: float = 0.8, alpha: float = 0.05, design_effect: float = 1.0) -> int:
    """Visits that each of the two sides needs.

    `p` is the share of visits with a purchase today, `uplift` the change to be seen, as a share of `p` (0.05: five per
    cent more; -0.05: fewer), `power` the chance to see it if it is there, `alpha` the chance of an alarm (two-sided) if
    nothing has changed. Raises `ValueError` for what is no share, and for an uplift of 0.

    >>> sample_size(0.05, 0.10)  # from 5 % to 5.5 % of visits
    31234
    >>> sample_size(0.50, 0.50, power=0.9)  # R: power.prop.test(p1 = .50, p2 = .75, power = .90) has n = 76.7
    77
    """
    other = _other_share(p, uplift)
    _share("power", power)
    _share("alpha", alpha)
    if uplift == 0:
        raise ValueError("uplift: 0 cannot be seen in a test of any size; give the smallest change that would matter")
    if power <= alpha / 2:
        raise ValueError(f"power: {power:g} is not above alpha / 2 = {alpha / 2:g}; give the chance to see it, as 0.8")
    seen, wanted = NORMAL.inv_cdf(1 - alpha / 2), NORMAL.inv_cdf(power)
    wide = seen * _spread_alike(p, other) + wanted * _spread(p, other)
    return math.ceil(_effect(design_effect) * (wide / (other - p)) ** 2)


def power(p: float, uplift: float, n: float, alpha: float = 0.05, design_effect: float = 1.0) -> float:
    """The chance that a test with `n` visits on each side sees the uplift; the rest as in `sample_size`.

    An alarm in the wrong direction is not counted.

    >>> round(power(0.50, 0.50, 50), 3)  # R: power.prop.test(n = 50, p1 = .50, p2 = .75) has power = 0.740
    0.74
    """
    other = _other_share(p, uplift)
    _share("alpha", alpha)
    if not n > 0 or not math.isfinite(n):
        raise ValueError(f"n: {n:g} visits on each side; give a number above 0")
    seen = NORMAL.inv_cdf(1 - alpha / 2)
    free = n / _effect(design_effect)
    return NORMAL.cdf((math.sqrt(free) * abs(other - p) - seen * _spread_alike(p, other)) / _spread(p, other))


def smallest_uplift(p: float, n: float, power: float = 0.8, alpha: float = 0.05, design_effect: float = 1.0) -> float:
    """The smallest uplift (upwards) that `n` visits on each side are enough for; NaN where none that is possible is.

    >>> round(smallest_uplift(0.05, 31_234), 4)
    0.1
    """
    low, high = 0.0, (1 - p) / p * (1 - 1e-9)
    _other_share(p, 0.0)
    if sample_size(p, high, power, alpha, design_effect) > n:
        return math.nan
    for _ in range(60):
        middle = (low + high) / 2
        enough = sample_size(p, middle, power, alpha, design_effect) <= n
        low, high = (low, middle) if enough else (middle, high)
    return high


def design_effect(values: NDArray[Any], units: NDArray[Any]) -> float:
    """How many times the variance of a mean is what it would be if all `values` [n] were independent.

    `units` [n] says whose they are: shoppers are drawn (or sent to one side of a test), and their visits come along.
    From the residuals summed by unit (Kish 1965; Cochran 1977 for the ratio); 1 where all have one visit.

    >>> design_effect(np.array([1, 1, 0, 0]), np.array(["a", "a", "b", "b"]))
    2.0
    """
    held = np.asarray(values, dtype=np.float64)
    if len(held) != len(units):
        raise ValueError(f"units: {len(units)} of them for {len(held)} values; give one for each")
    if len(held) == 0 or np.ptp(held) == 0:
        raise ValueError("values: all are the same (or there are none), so nothing varies; take a longer log")
    _, place = np.unique(units, return_inverse=True)
    left = held - held.mean()
    return float((np.bincount(place, weights=left) ** 2).sum() / (left**2).sum())


def _share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name}: {value:g} is no share between 0 and 1; give 0.05 for five per cent")


def _other_share(p: float, uplift: float) -> float:
    """The share with the uplift."""
    _share("p", p)
    other = p * (1 + uplift)
    if not 0 < other < 1:
        raise ValueError(
            f"uplift: {uplift:+g} makes {other:g} of {p:g}, which is no share; it is relative: 0.05 is 5 %"
        )
    return other


def _effect(value: float) -> float:
    if not value > 0 or not math.isfinite(value):
        raise ValueError(f"design_effect: {value:g} has to be above 0; it is 1 where each shopper has one visit")
    return value


def _spread(p: float, other: float) -> float:
    """The standard deviation of the difference, times the root of n."""
    return math.sqrt(p * (1 - p) + other * (1 - other))


def _spread_alike(p: float, other: float) -> float:
    """The same if both sides had the share in the middle: what a test assumes until it has seen otherwise."""
    middle = (p + other) / 2
    return math.sqrt(2 * middle * (1 - middle))
