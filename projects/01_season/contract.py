"""What project 01 has to keep, and the measurement on the simulated shop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import Shop
from recsys_lab.evaluation import Board, Result, evaluate, next_board
from recsys_lab.recommender import Context, Floats, ScoringRecommender
from recsys_lab.spaces import CategorySpace, NumberSpace, SpaceError, SpaceIndex


def _likeness(space: Any, values: Sequence[Any], asked: Any) -> Any:
    return np.asarray(space.parts(values), dtype=np.float64) @ np.asarray(space.question(asked), dtype=np.float64)


def _refused(call: Any, what: str) -> None:
    try:
        call()
    except SpaceError as error:
        assert len(str(error)) > 20, f"the error for {what} should say the value and the rule; it says {error}"
        return
    raise AssertionError(f"{what} has to be refused with a SpaceError")


def check_the_ends_meet(mine: Any) -> None:
    """December is as near to January as February is."""
    year = mine.CircleSpace("month", 12)
    december, february, july = _likeness(year, [12, 2, 7], 1)
    assert np.isclose(december, february), f"December {december:.3f}, February {february:.3f}: these have to be equal"
    assert july < december, f"July ({july:.3f}) is further from January than December ({december:.3f})"


def check_the_similarity_is_the_cosine(mine: Any) -> None:
    """the similarity is cos(2π·distance / period), whatever the period."""
    for period in (7, 12, 24, 360.0):
        space = mine.CircleSpace("x", period)
        values = np.linspace(-period, 2 * period, 25).tolist()
        for asked in (0, period / 3, period - 0.5):
            got, due = _likeness(space, values, asked), np.cos(2 * np.pi * (np.array(values) - asked) / period)
            assert np.allclose(got, due, atol=1e-6), (
                f"period {period}, asked {asked}: off by {abs(got - due).max():.3g}"
            )


def check_the_shape(mine: Any) -> None:
    """parts are [n, dim], and a product that says nothing is all zeros."""
    year = mine.CircleSpace("month", 12)
    parts = np.asarray(year.parts([3, None, float("nan"), np.int64(4)]))
    assert parts.shape == (4, year.dim), f"four values gave shape {parts.shape}; dim is {year.dim}"
    assert not parts[1:3].any(), "None and NaN are missing: zeros, which are like nothing"
    assert np.allclose(np.linalg.norm(parts[[0, 3]], axis=1), 1), "a part that is there has length 1"
    assert np.asarray(year.parts([])).shape == (0, year.dim), "no products: shape (0, dim)"


def check_what_is_refused(mine: Any) -> None:
    """no circle without a period, no text for a month, nothing that is asked for."""
    for period in (0, -12, float("inf"), float("nan")):
        _refused(lambda period=period: mine.CircleSpace("month", period), f"the period {period}")
    year = mine.CircleSpace("month", 12)
    _refused(lambda: year.parts([1, "May"]), "the text 'May' as a month")
    _refused(lambda: year.parts([float("inf")]), "an infinite month")
    for asked in (None, float("nan"), "May"):
        _refused(lambda asked=asked: year.question(asked), f"the question {asked!r}")


def check_it_ranks_in_an_index(mine: Any) -> None:
    """in a SpaceIndex products come in the order of their distance on the circle, and like= works."""
    months = [1, 2, 3, 5, 7, 8, 10, 12]
    products = pd.DataFrame({"item_id": [f"p{month:02d}" for month in months], "month": months})
    index = SpaceIndex({"month": mine.CircleSpace("month", 12)}).add(products)
    got = index.search({"month": 12}, k=8).item_ids
    assert got == ("p12", "p01", "p02", "p10", "p03", "p08", "p05", "p07"), f"asked for December: {got}"
    near = index.search(like="p12", weights={"month": 1}, exclude=["p12"], k=2).item_ids
    assert near[0] == "p01", f"what is like a product of December begins with January; yours with {near}"


def check_it_stands_beside_others(mine: Any) -> None:
    """beside another space its terms add up to the score."""
    products = pd.DataFrame({"item_id": ["a", "b"], "month": [1.0, np.nan], "category": ["coats", "coats"]})
    spaces = {"month": mine.CircleSpace("month", 12), "category": CategorySpace("category")}
    made = SpaceIndex(spaces).add(products).search({"month": 2, "category": "coats"}, k=2)
    table = made.explain()
    assert np.allclose(table["score"], table["month"] + table["category"]), "the terms do not add up to the scores"
    assert table.set_index("item_id").loc["b", "month"] == 0, "a product without a month gets nothing for it"


class _LikeTheOpenOne(ScoringRecommender):
    """What is like the open product, by aspects that are given with their weights."""

    def __init__(self, spaces: Mapping[str, Any], weights: Mapping[str, float], by_lot: bool = False) -> None:
        self.spaces, self.weights, self.by_lot = spaces, weights, by_lot

    def _learn(self, shop: Shop) -> None:
        goods = self._products.reset_index(drop=True)
        when = pd.to_datetime(goods["launched_at"], unit="ms")
        goods = goods.assign(month=when.dt.month + when.dt.day / 31 - 1)
        parts = {}
        for name, space in self.spaces.items():
            space.learn(values := goods[space.field].tolist())
            parts[name] = space.parts(values)
        terms = [weight * parts[name] @ parts[name].T for name, weight in self.weights.items()]
        self.alike_ = np.round(np.sum(terms, axis=0), 6)
        if self.by_lot:  # one small number a product, the same for every question: it decides nothing but ties
            self.alike_ += np.random.default_rng(0).random(len(goods)) * 1e-7

    def _score(self, contexts: Sequence[Context]) -> Floats:
        return np.asarray(self.alike_[self.columns([context.viewed or "" for context in contexts])])


def measure(mine: Any) -> None:
    """Does the season of launch help to find the next click? Weights by the tuning week, one look at the test weeks."""
    from recsys_lab.datasets import load_shop

    split = load_shop(impressions=False).split()
    tune, test = next_board(split.train, split.tune), next_board(split.before_test, split.test)

    def asked(board: Board, weight: float, kind: str = "circle", by_lot: bool = False) -> Result:
        month = mine.CircleSpace("month", 12) if kind == "circle" else NumberSpace("month", 0, 12, mode="similar")
        spaces = {"category": CategorySpace("category"), "month": month}
        return evaluate(_LikeTheOpenOne(spaces, {"category": 1, "month": weight}, by_lot), board, f"{kind} {weight}")

    grid = (0.0, 0.01, 0.1, 0.3)
    tuned = {weight: asked(tune, weight).summary()["HR@20"].mean for weight in grid}
    print("\ntuning week, HR@20 by the weight of the season:", {key: round(value, 4) for key, value in tuned.items()})
    best = max(grid[1:], key=lambda weight: tuned[weight])
    alone, circle, line = asked(test, 0.0), asked(test, best), asked(test, best, "number")
    print(f"test weeks, HR@20: category alone {alone.summary()['HR@20']} (popularity orders the category)")
    print(f"  with the season at {best}: {circle.summary()['HR@20']}")
    print(f"  circle − category alone:  {circle.against(alone, 'HR@20')}")
    print(f"  circle − number space:    {circle.against(line, 'HR@20')}")
    lot = asked(test, 0.0, by_lot=True)
    print(f"  category alone, ties by lot: {lot.summary()['HR@20']}")
    print(f"  circle − ties by lot:     {circle.against(lot, 'HR@20')}")
