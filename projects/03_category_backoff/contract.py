"""What project 03 has to keep, and the measurement on the simulated shop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.baselines import SessionKNN
from recsys_lab.datasets import Event, Shop
from recsys_lab.evaluation import Board, evaluate, metrics, next_board, paired
from recsys_lab.evaluation.board import guard_alone, guard_lists
from recsys_lab.recommender import Context

SIDES = (0.0, 1.0, 10.0, 100.0)
_CATEGORY = {"s1": "shoes", "s2": "shoes", "s3": "shoes", "h1": "hats", "h2": "hats", "new": "hats", "odd": None}


def _shop() -> Shop:
    visits = [["s1", "s2"], ["s1", "h1"], ["s1", "h1", "h2"], ["s2", "h1"], ["s3", "s2", "h1"]]
    plain = Shop.from_sessions(visits)
    products = pd.DataFrame({"item_id": list(_CATEGORY), "category": list(_CATEGORY.values())})
    return Shop.from_frames(products, plain.events)


def _asked(*items: str, now: int = 10**12) -> Context:
    events = [Event("u", item, "clicked_on", now + at, "now", id=str(at)) for at, item in enumerate(items)]
    return Context("u", now + len(items), session=tuple(events), history=(), viewed=items[-1])


def check_steps_by_hand(mine: Any) -> None:
    """category_steps counts steps inside visits, one added to each."""
    got = np.asarray(mine.category_steps([["a", "a", "b"], ["b"], ["a", "b"]], ["a", "b", "c"]))
    due = np.array([[2 / 6, 3 / 6, 1 / 6], [1 / 3, 1 / 3, 1 / 3], [1 / 3, 1 / 3, 1 / 3]])
    assert got.shape == (3, 3), f"three categories: shape (3, 3), not {got.shape}"
    assert np.allclose(got, due), f"a→a once, a→b twice, nothing from b or c, no step from visit to visit: {got}"


def check_shares_by_hand(mine: Any) -> None:
    """shares are of the category's clicks; a new product has one, one without a category none."""
    clicks = pd.Series([3, 0, 5, 9], index=["x", "y", "z", "w"])
    category = pd.Series(["a", "a", "b", None], index=clicks.index)
    got = np.asarray(mine.shares(clicks, category, ["a", "b"]))
    assert np.allclose(got, [[0.8, 0.2, 0, 0], [0, 0, 1, 0]]), f"(3+1)/5, (0+1)/5 in a; 1 in b; w nowhere: {got}"


def check_no_side_is_the_plain_method(mine: Any) -> None:
    """with side=0 the lists are those of SessionKNN."""
    shop, asked = _shop(), [_asked("s1"), _asked("s1", "h2"), _asked("s3")]
    got, _ = mine.CategoryBackOff(side=0).fit(shop).recommend_many(asked, 3)
    due, _ = SessionKNN().fit(shop).recommend_many(asked, 3)
    assert np.array_equal(got, due), f"side=0: {got.tolist()}, and SessionKNN has {due.tolist()}"


def check_the_score_by_hand(mine: Any) -> None:
    """the score is the scaled vote plus side times what the category leads to."""
    shop, asked = _shop(), _asked("h2", "s3")
    made = mine.CategoryBackOff(side=2.0).fit(shop)
    votes = SessionKNN().fit(shop).recommend(asked, k=7)
    plain = dict(zip(votes.item_ids, votes.scores, strict=True))
    got = made.recommend(asked, k=7)
    scores = dict(zip(got.item_ids, got.scores, strict=True))
    # steps from shoes: to shoes 2, to hats 4, one added to each: 3/8 and 5/8
    # clicks + 1: s1 4, s2 4, s3 2 of 10; h1 5, h2 2, new 1 of 8
    due = {"s1": 3 / 8 * 4 / 10, "s2": 3 / 8 * 4 / 10, "h1": 5 / 8 * 5 / 8, "h2": 5 / 8 * 2 / 8, "new": 5 / 8 / 8}
    for item, value in due.items():
        right = plain[item] / max(plain.values()) + 2 * value
        assert np.isclose(scores[item], right), f"{item} behind s3: {right:.4f} is right, yours is {scores[item]:.4f}"
    assert "s3" not in scores, "the open product is never listed"


def check_new_products_have_a_chance(mine: Any) -> None:
    """a product that nobody has clicked stands above one without a category, and can be asked from."""
    made = mine.CategoryBackOff(side=1.0).fit(_shop())
    listed = made.recommend(_asked("s1"), k=7).item_ids
    assert listed.index("new") < listed.index("odd"), f"'new' is a hat, 'odd' is nothing: {listed}"
    behind = made.recommend(_asked("new"), k=7)
    assert behind.scores[0] > 0, "from a hat that nobody has clicked, hats' next steps are known"


def check_nothing_known_is_no_error(mine: Any) -> None:
    """an empty visit, a product without a category and an unknown one get a list all the same."""
    made = mine.CategoryBackOff().fit(_shop())
    for context in (Context(None, 10**12), _asked("odd"), _asked("nobody knows this")):
        got = made.recommend(context, k=3)
        assert len(got) == 3, f"{context.viewed}: a list of 3 is due, {len(got)} came"
        assert np.isfinite(got.scores).all(), f"{context.viewed}: a score is {got.scores}"


def check_questions_are_answered_alone(mine: Any) -> None:
    """an answer does not depend on which others are asked, and on the time neither."""
    past = _shop()
    later = Shop.from_frames(past.products, past.events.assign(timestamp=past.events["timestamp"] + 10**12))
    ahead = later.events.assign(session_id="t" + later.events["session_id"], user_id="t" + later.events["user_id"])
    board = next_board(past, Shop.from_frames(past.products, ahead), k=3)
    made = mine.CategoryBackOff().fit(board.train)
    ids, _ = made.recommend_many(board.contexts, board.k)
    guard_lists(ids, board)
    guard_alone(made, ids, board)
    one, other = _asked("s1"), _asked("s1", "h1", "s3")
    _, together = made.recommend_many([one, other], 5)
    for row, context in enumerate((one, other)):
        _, alone = made.recommend_many([context], 5)
        assert np.allclose(alone[0], together[row]), f"asked alone {alone[0]}, beside another {together[row]}"


def _part(board: Board, every: int) -> Board:
    """One of so many questions, whole visits: enough to choose by, and sooner done."""
    kept = np.flatnonzero(np.unique(board.units, return_inverse=True)[1] % every == 0).tolist()
    truth = [(board.truth or ())[row] for row in kept]
    contexts, measures = [board.contexts[row] for row in kept], {"HR@20": metrics.hit_rate}
    return replace(board, contexts=contexts, truth=truth, units=board.units[kept], measures=measures)


def measure(mine: Any) -> None:
    """`side` by the tuning week, one look at the test weeks; and where it helps."""
    from recsys_lab.datasets import load_shop

    split = load_shop(impressions=False).split()
    tune = _part(next_board(split.train, split.tune), 4)
    tuned = {side: evaluate(mine.CategoryBackOff(side), tune).summary()["HR@20"].mean for side in SIDES}
    print("\ntuning week, HR@20 by side:", {side: round(value, 4) for side, value in tuned.items()})
    side = max(SIDES, key=lambda one: tuned[one])
    test = _part(next_board(split.before_test, split.test), 2)
    plain = evaluate(SessionKNN(), test, "session-knn")
    mixed = evaluate(mine.CategoryBackOff(side), test, f"side {side:g}")
    print(f"test weeks, HR@20: session-knn {plain.summary()['HR@20']}; with side {side:g} {mixed.summary()['HR@20']}")
    print(f"  difference:                              {mixed.against(plain, 'HR@20')}")
    clicks = test.train.popularity
    wanted = np.array([clicks.get(next(iter(truth)), 0) for truth in test.truth or ()])
    few = wanted <= np.quantile(wanted, 0.2)
    there = paired(np.where(few, mixed.cases["HR@20"], np.nan), plain.cases["HR@20"], test.units)
    print(f"  where the wanted one has few clicks (a fifth): {there}")
