"""Weights of events that are learned instead of chosen. Your half: README.md says what each function owes."""

from __future__ import annotations

from collections.abc import Sequence

from recsys_lab.datasets import Event
from recsys_lab.recommender import Floats

KINDS = ("clicked_on", "put_to_cart", "removed_from_cart", "buy")
Case = tuple[Floats, int]
"""One choice: evidence of every candidate [candidates, kinds], and the row of the one that was chosen."""


def evidence(history: Sequence[Event], now_ms: int, half_life_days: float) -> tuple[list[str], Floats]:
    """The products of a history, by id, and for each log(1 + its faded count of every kind), [products, kinds].

    An event that is one half-life old counts half. Impressions count nothing, and what is later than `now_ms` neither.
    """
    raise NotImplementedError("evidence: add 0.5 ** (age / half-life) for each event, then log(1 + sum)")


def loss(weights: Floats, cases: Sequence[Case], strength: float) -> tuple[float, Floats]:
    """Mean of −log softmax(x·w)[chosen] over the cases, plus strength/2·|w|²; and its slope by w, [kinds]."""
    raise NotImplementedError("loss: chapter 07's loss of a list, with its slope; subtract the maximum before exp")


def learn(cases: Sequence[Case], strength: float = 0.01) -> Floats:
    """The weights with the smallest loss, [kinds]. Raises `ValueError` where there is no case."""
    raise NotImplementedError("learn: scipy.optimize.minimize with jac=True finds the smallest loss")
