"""Weights of events that are learned instead of chosen. One way to write it.

A visit is a choice among the products that the shopper has met before: with evidence x for each, the chance that one
is taken is softmax(x·w) (a conditional logit: McFadden 1974). The loss has one smallest
value, so there is nothing to seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from recsys_lab.datasets import DAY_MS, Event
from recsys_lab.recommender import Floats

KINDS = ("clicked_on", "put_to_cart", "removed_from_cart", "buy")
Case = tuple[Floats, int]
"""One choice: evidence of every candidate [candidates, kinds], and the row of the one that was chosen."""


def evidence(history: Sequence[Event], now_ms: int, half_life_days: float) -> tuple[list[str], Floats]:
    """The products of a history, by id, and for each log(1 + its faded count of every kind), [products, kinds]."""
    if not half_life_days > 0:
        raise ValueError(f"half_life_days: {half_life_days} is no span of time; give more than 0")
    told = [event for event in history if event.event_type in KINDS and event.timestamp <= now_ms]
    items = sorted({event.item_id for event in told})
    row = {item: at for at, item in enumerate(items)}
    counts = np.zeros((len(items), len(KINDS)))
    for event in told:
        age = (now_ms - event.timestamp) / DAY_MS
        counts[row[event.item_id], KINDS.index(event.event_type)] += 0.5 ** (age / half_life_days)
    return items, np.log1p(counts)


def loss(weights: Floats, cases: Sequence[Case], strength: float) -> tuple[float, Floats]:
    """Mean of −log softmax(x·w)[chosen] over the cases, plus strength/2·|w|²; and its slope by w, [kinds]."""
    total, slope = 0.0, np.zeros(len(weights))
    for x, chosen in cases:
        score = x @ weights
        chance = np.exp(score - score.max())
        chance /= chance.sum()
        total -= float(np.log(chance[chosen]))
        slope += chance @ x - x[chosen]  # what was expected, minus what came
    n = len(cases)
    return total / n + strength / 2 * float(weights @ weights), slope / n + strength * weights


def learn(cases: Sequence[Case], strength: float = 0.01) -> Floats:
    """The weights with the smallest loss, [kinds]. Raises `ValueError` where there is no case."""
    if not cases:
        raise ValueError("cases: there is none; take visits of shoppers who come back to a product")
    width = cases[0][0].shape[1]
    found = minimize(loss, np.zeros(width), args=(cases, strength), jac=True, method="L-BFGS-B")
    return np.asarray(found.x)
