"""The baselines on logs small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recsys_lab.baselines import ItemKNN, Markov, Popular, Random, Recent, RepeatPurchase, SequentialRules
from recsys_lab.datasets import DAY_MS, Event, Shop
from recsys_lab.recommender import Context

SESSIONS = [["a", "b", "c"], ["a", "c", "d"], ["b", "c"], ["a", "b", "a"], ["e"]]


def clicks(*items: str) -> tuple[Event, ...]:
    return tuple(Event("u", item, "clicked_on", at, "s") for at, item in enumerate(items))


def weight(model: SequentialRules | ItemKNN, one: str, other: str) -> float:
    row, column = model.columns([one, other])
    return float(model.weights_[row, column])


def test_markov_counts_what_came_next() -> None:
    model = Markov().fit(Shop.from_sessions(SESSIONS))
    counted = {("a", "b"): 2, ("a", "c"): 1, ("b", "c"): 2, ("b", "a"): 1, ("c", "d"): 1, ("b", "d"): 0}
    assert {pair: weight(model, *pair) for pair in counted} == counted


def test_sequential_rules_count_one_over_the_gap() -> None:
    model = SequentialRules().fit(Shop.from_sessions(SESSIONS))
    counted = {("a", "b"): 2, ("a", "c"): 1 + 1 / 2, ("a", "d"): 1 / 2, ("a", "a"): 1 / 2, ("c", "a"): 0}
    assert {pair: weight(model, *pair) for pair in counted} == counted
    assert weight(SequentialRules(power=2).fit(Shop.from_sessions(SESSIONS)), "a", "d") == 1 / 4
    assert weight(SequentialRules(max_gap=1).fit(Shop.from_sessions(SESSIONS)), "a", "d") == 0


def test_item_knn_shares_sessions() -> None:
    """a is in 3 sessions, b in 3, both in 2; twice in one session counts once."""
    model = ItemKNN(shrink=20).fit(Shop.from_sessions(SESSIONS))
    assert weight(model, "a", "b") == pytest.approx(2 / np.sqrt(23 * 23))
    assert weight(model, "c", "d") == pytest.approx(1 / np.sqrt(23 * 21))
    assert weight(model, "a", "a") == 0
    assert weight(model, "a", "b") == weight(model, "b", "a")


def test_asked_from_the_visit_else_the_cart_else_the_last_visit() -> None:
    model = Markov().fit(Shop.from_sessions(SESSIONS))
    now = 10 * DAY_MS
    assert model.recommend(Context("u", now, clicks("b", "c")), 1).item_ids == ("d",)
    assert model.recommend(Context("u", now, history=clicks("b", "c")), 1).item_ids == ("d",)
    # from a and b together: c scores 1 + 2; a and b are in the cart
    assert model.recommend(Context("u", now, cart=("a", "b")), 1).item_ids == ("c",)
    # nothing to go by: what is popular
    assert (
        model.recommend(Context("u", now), 2).item_ids
        == Popular().fit(Shop.from_sessions(SESSIONS)).recommend(Context("u", now), 2).item_ids
    )


def purchases() -> Shop:
    rows = [("u", "b", 0), ("u", "b", 2), ("u", "a", 3), ("v", "c", 4), ("v", "c", 9), ("w", "c", 9), ("w", "a", 10)]
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    events["timestamp"] *= DAY_MS
    products = pd.DataFrame({"item_id": list("abcd")})
    return Shop.from_frames(products, events.assign(event_type="buy"))


def test_popular_counts_distinct_buyers_where_nobody_clicks() -> None:
    listed = Popular().fit(purchases()).recommend(Context(None, 11 * DAY_MS), 4)
    assert (listed.item_ids, listed.scores) == (("a", "c", "b", "d"), (2, 2, 1, 0))


def test_recent_counts_the_last_days() -> None:
    listed = Recent(days=2).fit(purchases()).recommend(Context(None, 11 * DAY_MS), 2)
    assert (listed.item_ids, listed.scores) == (("c", "a"), (2, 1))


def test_repeat_purchase_from_fit_and_from_history() -> None:
    model, now = RepeatPurchase().fit(purchases()), 11 * DAY_MS
    assert model.recommend(Context("u", now), 2).item_ids == ("b", "a")
    bought = (Event("u", "d", "buy", 0, "s"),)
    assert model.recommend(Context("u", now, history=bought), 2).item_ids == ("d", "a")
    assert model.recommend(Context("stranger", now), 2).item_ids == ("a", "c")


def test_random_is_even_and_the_same_each_time() -> None:
    shop = Shop.from_sessions([[f"p{number}" for number in range(40)]])
    contexts = [Context(f"u{number}", DAY_MS) for number in range(4000)]
    first, _ = Random().fit(shop).recommend_many(contexts, 4)
    again, _ = Random().fit(shop).recommend_many(contexts, 4)
    np.testing.assert_array_equal(first, again)
    counts = pd.Series(first.ravel()).value_counts()
    assert len(counts) == 40
    # 400 expected of each, standard deviation 19
    assert 320 < counts.min() <= counts.max() < 480
    other, _ = Random(random_state=1).fit(shop).recommend_many(contexts, 4)
    assert (first != other).mean() > 0.8


@pytest.mark.parametrize(
    ("model", "said"),
    [(Recent(days=0), "days: 0"), (SequentialRules(max_gap=0), "max_gap: 0"), (ItemKNN(shrink=-1), "shrink: -1")],
)
def test_parameters_are_checked(model: Recent, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        model.fit(purchases())


@pytest.mark.parametrize("make", [Popular, Recent, RepeatPurchase, Markov, SequentialRules, ItemKNN, Random])
def test_a_shop_without_events_is_no_crash(make: type[Popular]) -> None:
    empty = purchases().between(0, 0)
    assert make().fit(empty).recommend(Context("u", DAY_MS), 2).item_ids[0] in set("abcd")


def test_sr_over_the_whole_prefix_lets_each_step_back_count_less() -> None:
    """From a comes x, from b comes y: asked after a, b with decay .5, y earns 1 and x one half."""
    past = Shop.from_sessions([["a", "x"], ["b", "y"]])
    visit = Context(
        None, 10**12, session=tuple(Event("u", item, "clicked_on", at, "s") for at, item in enumerate("ab"))
    )
    found = SequentialRules(decay=0.5).fit(past).recommend(visit, 2)
    assert (found.item_ids, found.scores) == (("y", "x"), (1.0, 0.5))
    assert SequentialRules().fit(past).recommend(visit, 1).item_ids == ("y",)
    with pytest.raises(ValueError, match="decay: 2 is not from 0"):
        SequentialRules(decay=2).fit(past)
