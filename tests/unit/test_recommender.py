"""The recommender: one way to cut a list, one way ties fall, and what no list may hold."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_lab import recommender
from recsys_lab.datasets import Event, Shop
from recsys_lab.filters import Filter, FilterError, field
from recsys_lab.recommender import (
    NOTHING,
    Context,
    Floats,
    NotFittedError,
    Recommendations,
    Recommender,
    ScoringRecommender,
    name_of,
    top_k,
)

T = 1_700_000_000_000
NEVER = -np.inf

# -- top_k


def slow_top_k(scores: Floats, k: int) -> tuple[list[list[int]], list[list[float]]]:
    columns, best = [], []
    for row in scores.tolist():
        order = sorted((-score, column) for column, score in enumerate(row) if score > NEVER)[:k]
        columns.append([column for _, column in order] + [-1] * (k - len(order)))
        best.append([-score for score, _ in order] + [NEVER] * (k - len(order)))
    return columns, best


@st.composite
def score_tables(draw: st.DrawFn) -> Floats:
    width = draw(st.integers(0, 7))
    # Few different values make many ties; some rows are all equal or all -inf.
    score = st.sampled_from([NEVER, -2.0, -1.0, -0.0, 0.0, 1.0, 1.0 + 1e-12, np.inf])
    cells = st.lists(score, min_size=width, max_size=width)
    rows = st.one_of(cells, score.map(lambda value: [value] * width))
    table = draw(st.lists(rows, max_size=4))
    return np.array(table, dtype=np.float64).reshape(len(table), width)


@given(score_tables(), st.integers(1, 9))
def test_top_k_against_sorting(scores: Floats, k: int) -> None:
    before = scores.copy()
    columns, best = top_k(scores, k)
    assert (columns.tolist(), best.tolist()) == slow_top_k(scores, k)
    assert columns.shape == best.shape == (len(scores), k)
    assert columns.dtype == np.int64 and best.dtype == np.float64
    np.testing.assert_array_equal(scores, before)


def test_top_k_on_a_wide_table() -> None:
    scores = np.random.default_rng(0).integers(-30, 30, size=(50, 400)).astype(np.float64)
    for k in (1, 10, 400, 450):
        columns, best = top_k(scores, k)
        assert (columns.tolist(), best.tolist()) == slow_top_k(scores, k)


@pytest.mark.parametrize("scores", [[[np.nan]], [[1.0, 2.0], [NEVER, np.nan]]])
def test_nan_is_no_score(scores: Any) -> None:
    with pytest.raises(ValueError, match="a score is NaN"):
        top_k(np.array(scores), 1)


@pytest.mark.parametrize("k", [0, -1])
def test_k_is_at_least_one(k: int) -> None:
    with pytest.raises(ValueError, match=f"k: {k} "):
        top_k(np.zeros((1, 2)), k)


# -- a recommender that scores what it is told


class Told(ScoringRecommender):
    """Gives each product the score that it is told, 0 to the others; says that all contexts of a shopper are equal."""

    def __init__(self, told: dict[str, float] | None = None, shared: bool = True) -> None:
        self.told = told or {}
        self.shared = shared
        self._chunks: list[int] = []

    def _learn(self, shop: Shop) -> None:
        self.scores_ = np.array([self.told.get(item, 0.0) for item in self.items_], dtype=np.float64)

    def _question(self, context: Context) -> Hashable:
        return (context.shopper_id,) if self.shared else None

    def _score(self, contexts: Sequence[Context]) -> Floats:
        self._chunks.append(len(contexts))
        scores = np.tile(self.scores_, (len(contexts), 1))
        for row, context in enumerate(contexts):  # a shopper likes what has the same name
            scores[row] += [context.shopper_id == item for item in self.items_]
        return scores


def shop(**columns: Any) -> Shop:
    """Products a to e; b has two clicks, d and a have one each: the tie order is b, a, d, c, e."""
    products = pd.DataFrame({"item_id": ["e", "d", "c", "b", "a"], **columns})
    events = pd.DataFrame(
        {
            "user_id": "u",
            "item_id": ["b", "d", "a", "b"],
            "event_type": "clicked_on",
            "timestamp": [T, T + 1, T + 2, T + 3],
        }
    )
    return Shop.from_frames(products, events)


def asked(**changes: Any) -> Context:
    return Context(**{"shopper_id": None, "now_ms": T + 10, **changes})


def test_ties_fall_by_popularity_then_id() -> None:
    model = Told().fit(shop())
    assert model.items_.tolist() == ["b", "a", "d", "c", "e"]
    assert model.recommend(asked()).item_ids == ("b", "a", "d", "c", "e")
    assert model.recommend(asked(), k=2).item_ids == ("b", "a")
    higher = Told({"e": 2.0, "c": 2.0, "d": -1.0}).fit(shop())
    assert higher.recommend(asked()) == Recommendations(("c", "e", "b", "a", "d"), (2.0, 2.0, 0.0, 0.0, -1.0))


def test_learned_state() -> None:
    model = Told()
    assert model.fit(shop()) is model
    assert model.fitted_until_ == T + 3
    assert model.columns(["a", "zzz", "b"]).tolist() == [1, -1, 0]
    assert name_of(model) == ("Told", {"told": {}, "shared": True})
    assert Told().fit(Shop.from_frames(shop().products, shop().events.iloc[:0])).fitted_until_ == -1


def test_not_fitted() -> None:
    for call in (lambda: Told().recommend(asked()), lambda: Told().recommend_many([asked()])):
        with pytest.raises(NotFittedError, match=r"Told has not learned anything yet: call \.fit\(shop\)"):
            call()


def test_it_is_a_recommender() -> None:
    assert isinstance(Told(), Recommender)
    assert not isinstance(object(), Recommender)


# -- what no list may hold


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"viewed": "b"}, "adce"),
        ({"cart": ("a", "e")}, "bdc"),
        ({"cart": ("a",), "viewed": "b"}, "dce"),
        ({"where": field("colour") == "red"}, "ade"),
        ({"where": ~(field("colour") == "red")}, "bc"),
        ({"where": field("colour") == "red", "viewed": "a", "cart": ("e",)}, "d"),
        ({"viewed": "unknown", "cart": ("strange",)}, "badce"),
        ({"where": field("colour") == "green"}, ""),
        ({"cart": tuple("abcde")}, ""),
    ],
)
def test_not_listed(changes: dict[str, Any], left: str, shared: bool) -> None:
    colours = shop(colour=["red", "red", "blue", None, "red"])
    model = Told(shared=shared).fit(colours)
    assert model.recommend(asked(**changes)).item_ids == tuple(left)
    ids, scores = model.recommend_many([asked(), asked(**changes), asked()], k=6)
    assert ids[1].tolist() == [*left, *[NOTHING] * (6 - len(left))]
    assert scores[1].tolist() == [0.0] * len(left) + [NEVER] * (6 - len(left))
    assert ids[0].tolist() == ids[2].tolist() == [*"badce", NOTHING]


def test_excluded() -> None:
    model = Told().fit(shop())
    assert model.recommend(asked(), exclude=["b", "unknown"]).item_ids == ("a", "d", "c", "e")
    assert model.recommend(asked(), exclude={"b", "a"}, k=1).item_ids == ("d",)
    ids, _ = model.recommend_many([asked(), asked(), asked()], k=1, exclude=[["b"], (), {"b", "a"}])
    assert ids.tolist() == [["a"], ["b"], ["d"]]
    with pytest.raises(ValueError, match="exclude: 1 collections for 2 contexts"):
        model.recommend_many([asked(), asked()], exclude=[[]])


def test_unknown_field_in_where() -> None:
    with pytest.raises(FilterError, match="'colour'"):
        Told().fit(shop()).recommend(asked(where=field("colour") == "red"))


def test_launched_later() -> None:
    model = Told().fit(shop(launched_at=[T, T + 100, T, T + 101, T]))  # of e, d, c, b, a
    lists = {now: "".join(model.recommend(asked(now_ms=now)).item_ids) for now in (T - 1, T, T + 99, T + 100, T + 101)}
    assert lists == {T - 1: "", T: "ace", T + 99: "ace", T + 100: "adce", T + 101: "badce"}
    # In one call too, where equal questions are answered once.
    ids, _ = model.recommend_many([asked(now_ms=now) for now in lists], k=5)
    assert ["".join(row) for row in ids.tolist()] == list(lists.values())


def test_a_list_that_is_too_short_is_filled_up() -> None:
    ids, scores = Told().fit(shop()).recommend_many([asked()], k=7)
    assert ids.tolist() == [["b", "a", "d", "c", "e", NOTHING, NOTHING]]
    assert scores[0, 5:].tolist() == [NEVER, NEVER]
    assert len(Told().fit(shop()).recommend(asked(), k=7)) == 5


def test_a_score_that_is_nan() -> None:
    with pytest.raises(ValueError, match="NaN"):
        Told({"a": float("nan")}).fit(shop()).recommend(asked())


def test_no_contexts() -> None:
    ids, scores = Told().fit(shop()).recommend_many([], k=3)
    assert ids.shape == scores.shape == (0, 3)
    assert Told().fit(shop()).recommend_many([], k=3, exclude=[])[0].shape == (0, 3)


# -- many at once is one by one

FILTERS: list[Filter | None] = [None, None, field("price") < 3, field("price") >= 3, field("price") < 4]
CONTEXTS = st.builds(
    Context,
    shopper_id=st.sampled_from([None, "a", "e"]),
    now_ms=st.sampled_from([T - 1, T, T + 1, T + 2]),
    cart=st.sampled_from([(), ("a",), ("a", "b")]),
    viewed=st.sampled_from([None, "a", "b", "unknown"]),
    where=st.sampled_from(FILTERS),
)
EXCLUDED = st.sampled_from([(), ("c",), ("b", "d")])


@given(st.lists(st.tuples(CONTEXTS, EXCLUDED), max_size=12), st.integers(1, 7), st.booleans(), st.integers(1, 30))
def test_many_at_once_is_one_by_one(
    questions: list[tuple[Context, tuple[str, ...]]], k: int, shared: bool, cells: int
) -> None:
    model = Told({"c": 0.5, "d": -1.0}, shared=shared).fit(
        shop(price=[1.0, 2.0, 3.0, 4.0, np.nan], launched_at=[T, T, T + 1, T + 1, T + 2])
    )
    contexts, exclude = [context for context, _ in questions], [out for _, out in questions]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recommender, "_CHUNK_CELLS", cells)
        ids, scores = model.recommend_many(contexts, k, exclude)
        plain, _ = model.recommend_many(contexts, k)
    for row, (context, out) in enumerate(questions):
        one = model.recommend(context, k, out)
        kept = len(one)
        assert ids[row].tolist() == [*one.item_ids, *[NOTHING] * (k - kept)]
        assert scores[row].tolist() == [*one.scores, *[NEVER] * (k - kept)]
        assert plain[row][plain[row] != NOTHING].tolist() == list(model.recommend(context, k).item_ids)


def test_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Told(shared=False).fit(shop())
    monkeypatch.setattr(recommender, "_CHUNK_CELLS", 10)  # two rows of five products
    model.recommend_many([asked()] * 5)
    assert model._chunks == [2, 2, 1]
    monkeypatch.setattr(recommender, "_CHUNK_CELLS", 1)  # less than a row: one at a time
    model.recommend_many([asked()] * 2)
    assert model._chunks[3:] == [1, 1]


def test_equal_questions_are_answered_once() -> None:
    model = Told().fit(shop(price=[1.0, 2.0, 3.0, 4.0, 5.0]))
    model.recommend_many(
        [asked(), asked(now_ms=T + 11), asked(shopper_id="a"), asked(), asked(viewed="a"), asked(cart=("a",))]
    )
    assert model._chunks == [4]
    alone = Told(shared=False).fit(shop())
    alone.recommend_many([asked(), asked()])
    assert alone._chunks == [2]


def test_different_filters_share_nothing() -> None:
    model = Told().fit(shop(price=[1.0, 2.0, 3.0, 4.0, 5.0], new=[True, False, True, False, True]))
    filters = [field("price") < 3, field("price") >= 3, None, field("new") == True, field("price") == 1]  # noqa: E712
    ids, _ = model.recommend_many([asked(where=where) for where in filters], k=5)
    assert ["".join(row) for row in ids.tolist()] == ["de", "bac", "badce", "ace", "e"]


def test_callers_own_their_answers() -> None:
    model = Told().fit(shop())
    ids, scores = model.recommend_many([asked(), asked()], k=2)
    ids[0, 0], scores[0, 0] = "changed", 99.0
    assert (ids[1, 0], scores[1, 0]) == ("b", 0.0)
    assert model.recommend(asked(), k=1).item_ids == ("b",)


# -- recommendations and contexts


def test_to_frame() -> None:
    made = Recommendations(("b", "zzz", "a"), (2.0, 1.0, 0.5))
    assert made.to_frame().to_dict("list") == {"item_id": ["b", "zzz", "a"], "score": [2.0, 1.0, 0.5]}
    products = pd.DataFrame({"item_id": ["a", "b"], "price": [1.0, 2.0], "score": [7, 8]})
    frame = made.to_frame(products)
    assert frame.columns.tolist() == ["item_id", "score", "price", "score_product"]
    assert frame["item_id"].tolist() == ["b", "zzz", "a"]
    assert frame["score"].tolist() == [2.0, 1.0, 0.5]
    assert frame["price"].fillna(-1).tolist() == [2.0, -1.0, 1.0]


def test_an_empty_list() -> None:
    empty = Recommendations((), ())
    assert len(empty) == 0
    assert empty.to_frame().columns.tolist() == ["item_id", "score"]
    assert empty.to_frame(shop(price=1.0).products).columns.tolist() == ["item_id", "score", "price"]


def test_explain() -> None:
    made = Recommendations(("a", "b"), (2.0, 0.5), {"price": (1.5, 0.5), "text": (0.5, 0.0)})
    frame = made.explain()
    assert frame.columns.tolist() == ["item_id", "score", "price", "text"]
    assert (frame["price"] + frame["text"]).tolist() == frame["score"].tolist()
    with pytest.raises(ValueError, match=r"nothing to explain; use \.to_frame"):
        Recommendations(("a",), (1.0,)).explain()


def test_a_context_can_be_compared_and_kept() -> None:
    click = Event("u", "a", "clicked_on", T, "s", {"position": 1})
    one, other = asked(session=(click,), where=field("price") < 3), asked(session=(click,), where=field("price") < 3)
    assert one == other and hash(one) == hash(other)
    assert one != asked(session=(click,), where=field("price") < 4)
