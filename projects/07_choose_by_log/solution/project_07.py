"""The best of many policies by one log, and what it is really worth. One way to write it.

The largest of many estimates is too large: it was chosen for its luck too (the winner's curse). So one half of the
shoppers chooses and the other half, whose luck is its own, says what the choice is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_lab.bandit import BanditError, Logged, snips
from recsys_lab.evaluation import Interval
from recsys_lab.recommender import Floats


@dataclass(frozen=True)
class Chosen:
    """The policy that was chosen; `promised` is its estimate where it was chosen, `value` where it was judged."""

    name: str
    promised: float
    value: Interval


def part(logged: Logged, rows: NDArray[np.bool_]) -> Logged:
    """Some rows of a log, as a log; rows [n] True or False."""
    shown, rewards = logged.shown[rows], logged.rewards[rows]
    return Logged(logged.arms, shown, rewards, logged.propensities[rows], logged.units[rows])


def halves(units: NDArray[Any], seed: int = 0) -> NDArray[np.bool_]:
    """For each row whether its unit (shopper) chooses (True) or judges; half of the units each, drawn by `seed`."""
    names, place = np.unique(units, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"units: {len(names)} of them cannot be halved; a log of at least two shoppers is needed")
    return np.asarray((np.random.default_rng(seed).permutation(len(names)) < len(names) // 2)[place])


def choose(logged: Logged, targets: Mapping[str, Floats], seed: int = 0) -> Chosen:
    """The policy with the largest SNIPS among one half of the shoppers, and its value by the other half."""
    choosing = halves(logged.units, seed)
    one, other = part(logged, choosing), part(logged, ~choosing)
    promised: dict[str, float] = {}
    for name in sorted(targets):
        try:
            promised[name] = snips(one, targets[name][choosing]).mean
        except BanditError as error:
            if "never shows" not in str(error):  # anything else is wrong with what was given
                raise
    if not promised:
        raise ValueError("targets: this log shows nothing of what any of these policies would show")
    best = max(promised, key=lambda name: promised[name])  # the first of equal ones
    try:
        value = snips(other, targets[best][~choosing]).interval()
    except BanditError as error:
        raise ValueError(f"{best!r} was chosen, but the judging half cannot tell: {error}") from error
    return Chosen(best, promised[best], value)
