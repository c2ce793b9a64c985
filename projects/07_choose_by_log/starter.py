"""The best of many policies by one log, and what it is really worth. Your half: README.md says what is owed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_lab.bandit import Logged, snips  # noqa: F401 - snips estimates; Logged is a log
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
    raise NotImplementedError("part: a Logged with the same arms, and of everything else the rows asked for")


def halves(units: NDArray[Any], seed: int = 0) -> NDArray[np.bool_]:
    """For each row whether its unit (shopper) chooses (True) or judges; half of the units each, drawn by `seed`."""
    raise NotImplementedError("halves: draw units, not rows: a shopper's rows stay together")


def choose(logged: Logged, targets: Mapping[str, Floats], seed: int = 0) -> Chosen:
    """The policy with the largest SNIPS among one half of the shoppers, and its value by the other half.

    `targets` has for each policy its probabilities [n, arms]. A policy that the choosing half never shows is no
    candidate; equal ones fall to the name that comes first. Raises `ValueError` where no policy is a candidate, and
    where the judging half never shows what was chosen.
    """
    raise NotImplementedError("choose: SNIPS of each policy on one side, mean and interval of the best on the other")
