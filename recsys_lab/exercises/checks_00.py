"""How the answers to the exercises of chapter 00 are checked: what is wrong with one, in words; None: nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import Shop
from recsys_lab.exercises.exercise import ask, shown
from recsys_lab.recommender import Floats


def click_rate(rate: Any, shop: Shop) -> str | None:
    """A share of all products that the home page showed."""
    if isinstance(rate, bool) or not isinstance(rate, Real):
        return f"click_rate should be one number, and it is of the type {type(rate).__name__}."
    if shop.impressions is None:
        return "this shop has no impressions: the exercise is about the shop of load_shop()."
    clicked, at_home = shop.events["event_type"] == "clicked_on", shop.events["surface"] == "home"
    clicks, products = int((clicked & at_home).sum()), len(shop.impressions)
    lists = shop.impressions["list_id"].nunique()
    known = (
        (products / clicks, "this is upside down: products shown per click. Divide the clicks by what was shown."),
        (
            clicked.sum() / products,
            "this counts the clicks of the whole shop. Most are made on category pages; count those of the home page"
            " alone.",
        ),
        (
            at_home.sum() / products,
            "this counts everything that began on the home page, purchases too. Count clicks alone.",
        ),
        (
            clicks / lists,
            "these are clicks per list of ten. The question is about one product: divide by the products shown, one row"
            " of shop.impressions each.",
        ),
        (100 * clicks / products, "this is in percent. A share lies between 0 and 1: leave out the times 100."),
        (
            clicks / len(shop.events),
            "this is divided by all events. Divide by what the home page showed: shop.impressions.",
        ),
    )
    # 1e-9: one click or one impression too many makes a difference of 1e-6 and more.
    if np.isclose(float(rate), clicks / products, rtol=1e-9, atol=0):
        return None
    for value, diagnosis in known:
        if np.isclose(float(rate), value, rtol=1e-6, atol=0):
            return diagnosis
    if np.isclose(float(rate), clicks / products, rtol=0.01):
        return f"{shown(rate)} is very close. Is something rounded, or one too many?"
    return f"{shown(rate)} is not the share. Which clicks does it count, and what are they divided by?"


_LISTS = (
    ([0.0, 1.0, 0.5], [1.0, 0.5, 0.2]),
    ([0.0, 1.0, 0.0], [1.0, 0.0, 0.0]),
    ([0.2, 0.5, 0.0, 0.0, 1.0], [1.0, 0.5, 0.2, 0.2, 0.0]),
    ([0.0, 0.0], [0.5, 0.2]),
    ([1.0], [1.0]),
)
"""Gains of a list, and the best possible ones, with something to find."""


def _places(count: int) -> Floats:
    return np.arange(1.0, count + 1)


def _by_log(count: int) -> Floats:
    return 1 / np.log2(_places(count) + 1)


def _ndcg(gains: Floats, ideal: Floats, discount: Callable[[int], Floats] = _by_log) -> float:
    # Nothing among the list's own gains to divide by: no answer, and no reason for a warning.
    best = float((ideal * discount(len(ideal))).sum())
    return float((gains * discount(len(gains))).sum()) / best if best else np.nan


_WRONG_FORMULAS: tuple[tuple[Callable[[Floats, Floats], float], str], ...] = (
    (
        lambda gains, ideal: float((gains * _by_log(len(gains))).sum()),
        "this is DCG, not yet NDCG. Divide it by what the best possible list earns.",
    ),
    (
        lambda gains, ideal: _ndcg(gains, np.sort(gains)[::-1]),
        "this divides by the list's own gains in their best order. A list that misses nearly everything would be"
        " perfect: divide by what `ideal` earns.",
    ),
    (
        lambda gains, ideal: _ndcg(2**gains - 1, 2**ideal - 1),
        "this takes 2**gain - 1. Some do, but here the gain itself counts: a purchase is worth five clicks.",
    ),
    (
        lambda gains, ideal: _ndcg(gains, ideal, np.ones),
        "all places count the same here: the discount is missing.",
    ),
    (
        lambda gains, ideal: _ndcg(gains, ideal, lambda count: 1 / _places(count)),
        "this divides by the place. That falls too fast: divide by log2(place + 1).",
    ),
    (
        lambda gains, ideal: _ndcg(gains, ideal, lambda count: 1 / _by_log(count)),
        "this multiplies by log2(place + 1), so later places count for more. Divide by it.",
    ),
)


def ndcg(function: Any) -> str | None:
    """NDCG of a few lists, worked out beside it, and of a visit with nothing to find."""
    cases = [(np.array(gains), np.array(ideal)) for gains, ideal in _LISTS]
    answers = [ask(function, gains, ideal) for gains, ideal in cases]
    for answer in answers:
        if not isinstance(answer, Real):
            return f"ndcg should answer with one number, not with {shown(answer)}. Is a .sum() missing?"
    wanted = [_ndcg(gains, ideal) for gains, ideal in cases]
    if not np.allclose(answers, wanted):
        return _diagnose_ndcg(cases, answers, wanted)
    nothing = ask(function, np.zeros(3), np.zeros(3))
    if not isinstance(nothing, Real) or not np.isnan(float(nothing)):
        return (
            f"where there was nothing to find (ideal is all zeros), it answers {shown(nothing)}. A list cannot be wrong"
            " about such a visit: answer np.nan, so that it does not count."
        )
    return None


def _diagnose_ndcg(cases: list[tuple[Floats, Floats]], answers: list[Any], wanted: list[float]) -> str:
    found = [at for at, (gains, _) in enumerate(cases) if gains.any()]
    for formula, diagnosis in _WRONG_FORMULAS:
        if np.allclose([answers[at] for at in found], [formula(*cases[at]) for at in found]):
            return diagnosis
    if not np.isfinite([float(answers[at]) for at in found]).all():
        return (
            "it answers NaN where there is something to find. Is the first place divided by log2(1) = 0? Places count"
            " from 1, and the discount is 1 / log2(place + 1)."
        )
    at = int(np.argmin(np.isclose(answers, wanted)))
    gains, ideal = cases[at]
    return f"ndcg({shown(gains)}, {shown(ideal)}) should be {wanted[at]:.4f}, and it is {float(answers[at]):.4f}."


@cache
def _logs() -> tuple[tuple[pd.DataFrame, int], ...]:
    """Events of made-up products and a k: one log to read in a message, and one with many ties."""
    clicks = ["sock", *["hat"] * 2, *["bag"] * 2, *["coat"] * 3]
    small = [(item, "clicked_on") for item in clicks] + [("sock", "put_to_cart")] * 4 + [("sock", "buy")] * 2
    rng = np.random.default_rng(0)
    # Hundreds of equal ones: a sort that is not stable keeps the order of a handful by luck.
    large = [(f"T{item:03d}", "clicked_on") for item in range(400) for _ in range(1 + item % 3)]
    large += [(f"T{item:03d}", "buy") for item in rng.integers(0, 400, 300)]
    frames = []
    for rows in (small, [large[at] for at in rng.permutation(len(large))]):
        frames.append(pd.DataFrame(rows, columns=["item_id", "event_type"], index=rng.permutation(len(rows))))
    return ((frames[0], 3), (frames[0], 1), (frames[1], 50), (frames[1], 200))


def _top(counts: Counter[str], k: int) -> list[str]:
    return sorted(counts, key=lambda item: (-counts[item], item))[:k]


def popular_ids(function: Any) -> str | None:
    """The most clicked products of two made-up logs."""
    for events, k in _logs():
        diagnosis = _diagnose_ids(ask(function, events, k), events, k)
        if diagnosis is not None:
            return diagnosis
    return None


def _diagnose_ids(found: Any, events: pd.DataFrame, k: int) -> str | None:
    clicks = Counter[str](events.loc[events["event_type"] == "clicked_on", "item_id"])
    wanted = _top(clicks, k)
    if isinstance(found, pd.Series) or (isinstance(found, list) and any(isinstance(item, Real) for item in found)):
        return "these are counts. The ids of the products are wanted: they are the index of the counts."
    if not isinstance(found, list):
        mend = "it has no order, so sort first" if isinstance(found, set) else "make it one with .tolist()"
        return f"a list of ids is wanted, and this is of the type {type(found).__name__}: {mend}."
    if found == wanted:
        return None
    if len(found) != len(wanted):
        return f"for k = {k} there should be {len(wanted)} products in the list, and there are {len(found)}."
    strange = [item for item in found if item not in set(events["item_id"])]
    if strange:
        return (
            f"{shown(strange[0])} is not in the events that the function was given. Does it use a variable from"
            " outside, such as past or counts?"
        )
    return _diagnose_order(found, wanted, clicks, Counter[str](events["item_id"]), k)


def _diagnose_order(found: list[str], wanted: list[str], clicks: Counter[str], every: Counter[str], k: int) -> str:
    counts = [clicks[item] for item in found]
    if counts == [clicks[item] for item in wanted]:
        place = next(at for at, item in enumerate(found) if item != wanted[at])
        return (
            f"the counts are right, the order of ties is not: {found[place]} and {wanted[place]} have {counts[place]}"
            f" clicks each, and {wanted[place]} comes first by its id."
        )
    if [every[item] for item in found] == [every[item] for item in _top(every, k)]:
        return "this counts events of all types. Only clicks count: event_type is clicked_on."
    if counts == sorted(clicks.values())[:k]:
        return "these are the least clicked products. The most clicked come first."
    place = next(at for at, item in enumerate(found) if item != wanted[at])
    return (
        f"at place {place + 1} stands {found[place]} with {counts[place]} clicks; {wanted[place]} has"
        f" {clicks[wanted[place]]}."
    )
