"""How much of the shelf do m shoppers see together? One way to write it.

A plain coverage grows with the number of lists, so that two logs of different length cannot be compared, and drawing
shoppers with replacement always finds less of it. What m shoppers see together is a mean over all draws of m (the
rarefaction curve of ecology: Hurlbert 1971), so it has neither fault, and half of the shoppers estimate the same thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from recsys_lab.evaluation import Interval
from recsys_lab.recommender import NOTHING, Floats, Labels

Shown = Sequence[frozenset[str]]


def shown_to(lists: Labels, units: NDArray[Any]) -> list[frozenset[str]]:
    """The products that each shopper was shown, shoppers in the order of np.unique; lists [n, k], units [n]."""
    held: dict[Any, set[str]] = {}
    for unit, listed in zip(units.tolist(), lists.tolist(), strict=True):
        held.setdefault(unit, set()).update(listed)
    return [frozenset(held[unit] - {NOTHING}) for unit in sorted(held)]


def reach(shown: Shown, catalogue: Collection[str], m: int) -> float:
    """The share of the catalogue that `m` shoppers, drawn without replacement, see together: its mean over all draws.

    A product that c of n shoppers saw is missed by C(n − c, m) of the C(n, m) draws.
    """
    counts = Counter(item for mine in shown for item in mine)
    strange = counts.keys() - set(catalogue)
    if strange:
        raise ValueError(f"shown: {min(strange)!r} is not in the catalogue; give the whole table of products")
    return float(_share(np.array(list(counts.values())), len(shown), m) / len(catalogue))


def reach_interval(shown: Shown, catalogue: Collection[str], m: int, draws: int = 400, seed: int = 0) -> Interval:
    """`reach` with its 95 % interval, from random halves of the shoppers.

    The mean of a random half strays from the mean of all as far as that strays from the truth: (σ²/(n/2))·(1 − 1/2) is
    σ²/n. So the spread of the halves is the spread that is wanted, and nothing has to be scaled.
    """
    values = _halves(shown, catalogue, m, draws, seed)
    return _around(reach(shown, catalogue, m), values)


def reach_difference(
    shown: Shown, other: Shown, catalogue: Collection[str], m: int, draws: int = 400, seed: int = 0
) -> Interval:
    """`reach` of one method minus another's, the same shoppers in both, with its interval from the same halves."""
    if len(shown) != len(other):
        raise ValueError(f"shown: {len(shown)} shoppers against {len(other)}; ask both methods for the same ones")
    values = _halves(shown, catalogue, m, draws, seed) - _halves(other, catalogue, m, draws, seed)
    return _around(reach(shown, catalogue, m) - reach(other, catalogue, m), values)


def _share(counts: NDArray[Any], n: int, m: int) -> float:
    """How many products m of n shoppers see, in the mean; counts of shoppers a product."""
    if not 1 <= m <= n:
        raise ValueError(f"m: {m} of {n} shoppers; give at least 1, and no more than there are (half, for intervals)")
    missed = np.where(n - counts >= m, n - counts, m)  # else no draw misses it; written so that gammaln is defined
    log_chance = gammaln(missed + 1) - gammaln(missed - m + 1) - gammaln(n + 1) + gammaln(n - m + 1)
    return float(np.where(n - counts >= m, 1 - np.exp(log_chance), 1.0).sum())


def _halves(shown: Shown, catalogue: Collection[str], m: int, draws: int, seed: int) -> Floats:
    """`reach` in random halves of the shoppers; [draws]. The same seed draws the same halves."""
    column = {item: at for at, item in enumerate(sorted({item for mine in shown for item in mine}))}
    seen = np.zeros((len(shown), len(column)), dtype=np.float32)
    for row, mine in enumerate(shown):
        seen[row, [column[item] for item in mine]] = 1
    half, rng = len(shown) // 2, np.random.default_rng(seed)
    chosen = np.zeros((draws, len(shown)), dtype=np.float32)
    for one in chosen:
        one[rng.permutation(len(shown))[:half]] = 1
    return np.array([_share(counts, half, m) for counts in np.rint(chosen @ seen)]) / len(catalogue)


def _around(mean: float, values: Floats) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(mean, float(low), float(high))
