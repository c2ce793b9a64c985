"""A multi-aspect index in the store in memory: the lists of the index itself, changes, restarts, what is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_lab.datasets import Event, as_events, load_shop
from recsys_lab.filters import FilterError, field
from recsys_lab.preferences import EventWeighted, ShopperVectors
from recsys_lab.recommender import Context
from recsys_lab.spaces import (
    BEST,
    CategorySpace,
    ClippedWarning,
    CustomSpace,
    NumberSpace,
    RecencySpace,
    SpaceError,
    SpaceIndex,
)
from recsys_lab.spaces.index import levelled
from recsys_lab.stores import BaseStore, StoredIndex, StoreError, open_store, rollback
from recsys_lab.stores.aspects import layout_of, longest_row

KINDS = ["boots", "coats", "hats", "socks"]
DAY = 86_400_000
NOW = 1_770_000_000_000
ASK: dict[str, Any] = {
    "price": BEST,
    "kind": ["boots", "hats"],
    "look": np.array([1.0, 0, 0, 1.0, 0]),
    "rating": BEST,
    "new": BEST,
}


def spaces(**changed: Any) -> dict[str, Any]:
    return {
        "price": NumberSpace("price", 0, 100, mode="minimum", negative_filter=-2.0),
        "kind": CategorySpace("kind"),
        "look": CustomSpace("look", dim=5),
        "rating": NumberSpace("rating", 0, 5, mode="maximum"),
        "new": RecencySpace("at", {30 * DAY: 1.0, 90 * DAY: 1.0}),
    } | changed


def goods(n: int, seed: int = 0, first: int = 0) -> pd.DataFrame:
    """Few prices, ratings and looks, so that there are many ties."""
    rng = np.random.default_rng(seed)
    looks = np.random.default_rng(5).normal(size=(4, 5))
    kinds = [rng.choice(KINDS) if row % 3 else list(rng.choice(KINDS, 2, replace=False)) for row in range(n)]
    return pd.DataFrame(
        {
            "sku": [f"p{first + row:05d}" for row in range(n)],
            "kind": kinds,
            "price": rng.choice([10.0, 50.0, 99.0], n),
            "rating": rng.choice([np.nan, 3.0, 5.0], n),
            "look": [looks[at] for at in rng.integers(0, 4, n)],
            "at": NOW - rng.integers(0, 4, n) * 20 * DAY,
            "clicks": rng.integers(0, 4, n),
            "name": [f"thing {row % 7}" for row in range(n)],
        }
    )


def index(n: int = 200, seed: int = 0) -> SpaceIndex:
    return SpaceIndex(spaces(), id="sku", popularity="clicks").add(goods(n, seed))


@pytest.fixture
def store() -> Iterator[BaseStore]:
    with open_store("memory://") as opened:
        yield opened


def same(found: Any, wanted: Any) -> None:
    assert found.item_ids == wanted.item_ids
    assert found.scores == pytest.approx(wanted.scores, abs=1e-9)
    pd.testing.assert_frame_equal(found.explain(), wanted.explain(), rtol=0, atol=1e-9)


WEIGHTS = st.fixed_dictionaries({name: st.sampled_from([-2.0, 0.0, 0.3, 1.0, 5.0]) for name in ASK}).filter(
    lambda weights: any(weights.values())
)


@settings(max_examples=40, deadline=None)
@given(
    weights=WEIGHTS,
    seed=st.integers(0, 3),
    like=st.sampled_from([(), "p00003", ["p00003", "p00004", "p00003"]]),
    where=st.sampled_from([None, field("price") < 60, ~(field("rating") >= 4), field("kind").contains("boots")]),
    k=st.sampled_from([1, 10, 60, 500]),
)
def test_it_is_the_index_in_memory(weights: Any, seed: int, like: Any, where: Any, k: int) -> None:
    made = index(seed=seed)
    out = [f"p{number:05d}" for number in range(0, 200, 3)] + ["nobody"]
    if where is not None and "kind" in set(where.fields()):  # a filter asks one kind of value
        lists = goods(200, seed).assign(kind=lambda t: [[k] if isinstance(k, str) else k for k in t["kind"]])
        made = SpaceIndex(spaces(), id="sku", popularity="clicks").add(lists)
    with open_store("memory://") as store:
        stored = StoredIndex.export(made, store, "products", now_ms=NOW)
        for exclude in ((), out):
            asked: dict[str, Any] = {"like": like, "k": k, "where": where, "exclude": exclude, "now_ms": NOW}
            same(stored.search(ASK, weights, **asked), made.search(ASK, weights, **asked))


def test_many_products_of_one_score_fall_as_in_memory(store: BaseStore) -> None:
    made = index(1000)
    stored = StoredIndex.export(made, store, "products", now_ms=NOW)
    for ask in ({"kind": "boots"}, {"rating": BEST}, {"price": BEST}):
        same(stored.search(ask), made.search(ask))
        assert len(set(made.search(ask).scores)) == 1


def test_the_live_shopper_of_the_simulated_shop(store: BaseStore) -> None:
    """Eleven aspects, moved by each shopper's events, give the list of the recommender that works in memory."""
    shop = load_shop(impressions=False)
    model = EventWeighted().fit(shop)
    stored = StoredIndex.export(model.index_, store, "products")
    weights = {name: weight for name, weight in model.weights.items() if name in model.index_.spaces}
    shoppers = ShopperVectors(model.index_, model.rules)
    choices = dict(zip(shop.shoppers["user_id"], shop.shoppers["registration_choice"], strict=True))
    for user in sorted(shop.events["user_id"].unique())[::400]:
        if isinstance(choices[user], str):
            shoppers.register(user, choices[user])
        for event in as_events(shop.events[shop.events["user_id"] == user]):
            shoppers.update(event)
        now = model.fitted_until_ + 1
        there = field("launched_at") <= now
        found = stored.search(weights=weights, shopper=shoppers.profile(user), where=there)
        same(found, model.index_.search(weights=weights, shopper=shoppers.profile(user), where=there))
        assert found.item_ids == model.recommend(Context(user, now), 10).item_ids


def test_an_event_changes_the_next_answer(store: BaseStore) -> None:
    made = index()
    stored = StoredIndex.export(made, store, "products", now_ms=NOW)
    shoppers = ShopperVectors(made)
    lists = []
    for at, item in enumerate(["p00000", "p00001", "p00002"]):
        shoppers.update(Event("u", item, "buy", NOW + at, "s", id=str(at)))
        lists.append(stored.search(shopper=shoppers.profile("u"), exclude=[item]).item_ids)
        assert lists[-1] == made.search(shopper=shoppers.profile("u"), exclude=[item]).item_ids
    assert len(set(lists)) == 3


def test_the_question_is_one_row_for_any_client(store: BaseStore) -> None:
    made = index()
    stored = StoredIndex.export(made, store, "products", now_ms=NOW)
    row = stored.question_row(ASK, {"look": 2.0}, like="p00003")
    assert row.dtype == np.float32
    assert row.shape == (made.dim,)
    asked = store.alias("products").search(row, 10)
    assert asked.scores == pytest.approx(stored.search(ASK, {"look": 2.0}, like="p00003", now_ms=NOW).scores, abs=1e-5)


def test_products_come_change_and_go(store: BaseStore) -> None:
    made = index(30)
    stored = StoredIndex.export(made, store, "products", now_ms=NOW)
    new = goods(5, seed=9, first=28)  # two of them replace some
    stored.upsert(new)
    made.add(new)
    same(stored.search(ASK, k=50, now_ms=NOW), made.search(ASK, k=50, now_ms=NOW))
    assert "p00032" in stored.search(like="p00032", where=field("name") == "thing 4").item_ids
    stored.delete(["p00032", "p00001", "nobody"])
    made.remove(["p00032", "p00001"])
    same(stored.search(ASK, k=50, now_ms=NOW), made.search(ASK, k=50, now_ms=NOW))
    with pytest.raises(KeyError, match="no product 'p00032'"):
        stored.search(like="p00032")
    stored.upsert(new.iloc[:0])
    assert len(stored.index) == len(made)
    stored.delete([f"p{number:05d}" for number in range(40)])
    assert len(stored.search(ASK, now_ms=NOW)) == 0
    with pytest.raises(SpaceError, match="no product that tells the time of recency"):
        stored.upsert(new)


def test_it_is_opened_again_with_spaces_alone(store: BaseStore) -> None:
    made = index()
    StoredIndex.export(made, store, "products", now_ms=NOW)
    kept = pickle.loads(pickle.dumps(made.spaces))
    again = StoredIndex(SpaceIndex(kept, id="sku", popularity="clicks"), store.alias("products"))
    assert len(again.index) == 0
    asked: dict[str, Any] = {"like": "p00007", "exclude": ["p00007"], "where": field("price") < 60, "now_ms": NOW}
    same(again.search(ASK, **asked), made.search(ASK, **asked))
    again.upsert(goods(3, seed=4, first=900))
    made.add(goods(3, seed=4, first=900))
    same(again.search(ASK, **asked), made.search(ASK, **asked))
    written = json.loads(json.dumps(again.layout))
    assert written["kind"]["categories"] == KINDS
    by_hand = spaces(kind=CategorySpace("kind", written["kind"]["categories"]))
    StoredIndex(
        SpaceIndex(by_hand, id="sku"), store.collection("products__000001", made.dim, "dot", max_norm=longest_row(made))
    )


def test_spaces_that_did_not_make_the_rows_are_refused(store: BaseStore) -> None:
    StoredIndex.export(index(), store, "products", now_ms=NOW)
    alias = store.alias("products")
    for changed, words in (
        ({"kind": CategorySpace("kind", ["boots", "coats"])}, "has 16 components .* these spaces make 14"),
        ({"kind": CategorySpace("kind", KINDS[::-1])}, "made by other spaces than these"),
        ({"rating": NumberSpace("rating", 0, 6, mode="maximum")}, "made by other spaces than these"),
        ({"kind": CategorySpace("kind")}, None),
    ):
        other = SpaceIndex(spaces(**{"kind": CategorySpace("kind", KINDS)} | changed), id="sku", popularity="clicks")
        with pytest.raises(StoreError if words else SpaceError, match=words or "space 'kind': the categories are not"):
            StoredIndex(other, alias)
    flat = store.collection("flat", 16, "cosine")
    with pytest.raises(StoreError, match="16 components and the metric 'cosine', but these spaces make 16 for 'dot'"):
        StoredIndex(index(), flat)
    with pytest.raises(StoreError, match="stands for nothing yet"):
        StoredIndex(index(), store.alias("nothing"))


def test_a_new_layout_behind_the_alias_is_seen_at_the_next_question(store: BaseStore) -> None:
    old = StoredIndex.export(index(), store, "products", now_ms=NOW)
    wider = goods(100).assign(kind="gloves")
    other = SpaceIndex(spaces(kind=CategorySpace("kind", [*KINDS[:3], "gloves"])), id="sku", popularity="clicks")
    new = StoredIndex.export(other.add(wider), store, "products", now_ms=NOW)
    assert len(new.search({"kind": "gloves"})) == 10
    with pytest.raises(StoreError, match=r"'products__000002': the row of 'p000.*' was made by other spaces"):
        old.search({"price": BEST})
    with pytest.raises(StoreError, match="other spaces"):
        old.upsert(goods(1))
    rollback(store, "products")
    assert len(old.search({"price": BEST})) == 10


def test_recency_is_as_of_the_export(store: BaseStore) -> None:
    made = index()
    with pytest.raises(SpaceError, match="space 'new' needs the time of the question: give now_ms"):
        StoredIndex.export(made, store, "products")
    stored = StoredIndex.export(made, store, "products", now_ms=NOW)
    same(
        stored.search({"new": BEST, "kind": "hats"}, now_ms=NOW), made.search({"new": BEST, "kind": "hats"}, now_ms=NOW)
    )
    assert stored.search({"kind": "hats"}, now_ms=NOW + DAY) == stored.search({"kind": "hats"})
    with pytest.raises(SpaceError, match="space 'new' needs the time of the question"):
        stored.search({"new": BEST})
    with pytest.raises(SpaceError, match=f"asked as of {NOW + DAY}, but the store holds it as of {NOW}; .*export"):
        stored.search(weights={"new": 1.0}, now_ms=NOW + DAY)
    StoredIndex.export(made, store, "products", now_ms=NOW + DAY)  # the alias is switched: no one opens anything anew
    same(stored.search({"new": BEST}, now_ms=NOW + DAY), made.search({"new": BEST}, now_ms=NOW + DAY))


def test_which_columns_are_kept(store: BaseStore) -> None:
    table = goods(20).assign(
        when=pd.Timestamp("2026-01-01"), mixed=[1, "a"] * 10, kind=[KINDS] * 20, note=["", None] * 10
    )
    made = SpaceIndex(spaces(), id="sku", popularity="clicks").add(table)
    every = StoredIndex.export(made, store, "every", now_ms=NOW)
    kept = store.alias("every").get(["p00000"])["p00000"].payload
    assert set(kept) == {"sku", "kind", "price", "rating", "at", "clicks", "name", "note", "_layout", "_as_of"} - (
        {"rating"} if np.isnan(table["rating"][0]) else set()
    )
    with pytest.raises(FilterError, match="filter on 'mixed': there is no such field"):
        every.search({"price": BEST}, where=field("mixed") == 1)
    few = StoredIndex.export(made, store, "few", now_ms=NOW, columns=["price"])
    few.upsert(table.iloc[:3])
    kept = store.alias("few").get(["p00001", "p00007"])
    assert all(set(point.payload) == {"price", "clicks", "_layout", "_as_of"} for point in kept.values())
    same(few.search(ASK, now_ms=NOW), made.search(ASK, now_ms=NOW))
    for columns, words in ((["colour"], "have no column 'colour'"), (["when"], "'when' of 'p00000'")):
        with pytest.raises(ValueError, match=words):
            StoredIndex.export(made, store, "few", now_ms=NOW, columns=columns)
    with pytest.raises(SpaceError, match="'_layout' has a name that the store needs"):
        renamed = SpaceIndex(spaces(), id="sku").add(table.assign(_layout="x"))
        StoredIndex.export(renamed, store, "few", now_ms=NOW)
    assert store.alias("few").target == "few__000001"


def test_a_refused_export_leaves_the_one_in_use(store: BaseStore) -> None:
    stored = StoredIndex.export(index(), store, "products", now_ms=NOW)
    with pytest.raises(StoreError, match="fewer than"):
        StoredIndex.export(index(20), store, "products", now_ms=NOW)
    assert store.collections() == ["products__000001"]
    assert len(stored.search({"kind": "hats"}, k=300)) == 200


values = st.one_of(st.none(), st.floats(-1e3, 1e3), st.just(float("nan")))


@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore::recsys_lab.spaces.space.ClippedWarning")
@given(
    kinds=st.lists(st.sampled_from([*KINDS, "unknown", "other"]), unique=True, max_size=6),
    price=values,
    rating=values,
    age=st.one_of(st.none(), st.integers(-200, 200)),
    look=st.one_of(st.none(), st.lists(st.floats(-1e3, 1e3), min_size=5, max_size=5)),
)
def test_no_product_has_a_longer_row_than_the_spaces_promise(
    kinds: list[str], price: Any, rating: Any, age: Any, look: Any
) -> None:
    made = SpaceIndex(spaces(kind=CategorySpace("kind", KINDS, other=True)))
    at = None if age is None else NOW - age * DAY
    cells = {"kind": kinds, "price": price, "rating": rating, "at": at, "look": look}
    table = pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in cells.items()}).assign(item_id="a")
    row = made.rows_of(table, NOW)[0].astype(np.float64)
    assert np.linalg.norm(row) <= longest_row(made)
    for name, columns in made.columns.items():
        bound = longest_row(SpaceIndex({name: made.spaces[name]}))
        assert np.linalg.norm(row[columns]) <= bound
    assert len(made) == 0


def test_the_bound_is_reached() -> None:
    made = SpaceIndex(spaces(kind=CategorySpace("kind", KINDS)))
    best = goods(1).assign(item_id="a", kind=[KINDS], price=0.0, rating=5.0, at=NOW)
    assert np.linalg.norm(made.rows_of(best, NOW)) == pytest.approx(longest_row(made), rel=1e-4)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda s: s.search(), "nothing is asked"),
        (lambda s: s.search({"colour": "red"}), "there is no space 'colour'"),
        (lambda s: s.search({"kind": "umbrellas"}), "space 'kind': there is no category 'umbrellas'"),
        (lambda s: s.search({"kind": "boots"}, k=0), "k: 0 is no length of a list"),
        (lambda s: s.search({"kind": "boots"}, k="ten"), "k: 'ten' is no length of a list"),
        (lambda s: s.search({"kind": "boots"}, exclude="p00001"), "put it in a list"),
        (lambda s: s.search({"kind": "boots"}, where="price < 3"), "is no filter"),
        (lambda s: s.search({"kind": "boots"}, where=field("colour") == "red"), "there is no such field"),
        (lambda s: s.search({"kind": "boots"}, {"kind": float("nan")}), "is no finite number"),
        (lambda s: s.question_row({"kind": "boots"}, {"kind": 0.0}), "nothing is asked"),
        (lambda s: s.upsert(goods(2).drop(columns="look")), "look: the products have no column 'look'"),
        (lambda s: s.upsert(goods(2).drop(columns="clicks")), "have no column 'clicks'"),
        (lambda s: s.upsert(goods(2).assign(kind="umbrellas")), "space 'kind': there is no category 'umbrellas'"),
        (lambda s: s.upsert(pd.concat([goods(1), goods(1)])), "given twice"),
        (lambda s: s.upsert(goods(2).assign(price=["a", "b"])), "space 'price': row 0 has 'a'; give a number"),
        (lambda s: s.upsert(goods(2).assign(name=[1, 2])), "'name' holds text in this collection"),
    ],
)
def test_bad_input_gets_one_clear_error(store: BaseStore, ask: Any, words: str) -> None:
    stored = StoredIndex.export(index(20), store, "products", now_ms=NOW)
    before = stored.search(ASK, k=30, now_ms=NOW)
    with pytest.raises(ValueError, match=words):
        ask(stored)
    assert stored.search(ASK, k=30, now_ms=NOW) == before


def test_rows_put_in_by_somebody_else_are_refused(store: BaseStore) -> None:
    made = index(5)
    bare = store.collection("bare", made.dim, "dot")
    assert len(StoredIndex(made, bare).search({"price": BEST})) == 0  # nothing is there yet
    bare.upsert(["x"], np.ones((1, made.dim)))
    with pytest.raises(StoreError, match="the row of 'x' was made by other spaces"):
        StoredIndex(made, bare)


def test_a_collection_without_alias_and_recency(store: BaseStore) -> None:
    timeless = {name: space for name, space in spaces(kind=CategorySpace("kind", KINDS)).items() if name != "new"}
    made = SpaceIndex(timeless, id="sku", popularity="clicks")
    stored = StoredIndex(made, store.collection("plain", made.dim, "dot", max_norm=longest_row(made)))
    stored.upsert(goods(40))
    ask = {name: what for name, what in ASK.items() if name != "new"}
    same(stored.search(ask), SpaceIndex(timeless, id="sku", popularity="clicks").add(goods(40)).search(ask))
    assert len(made.search(ask)) == 0  # the products are in the store alone


def test_a_layout_is_plain_json() -> None:
    made = layout_of(index())
    assert json.loads(json.dumps(made)) == made
    assert made["new"]["periods"] == [[30 * DAY, 1.0], [90 * DAY, 1.0]]
    assert made["price"]["negative_filter"] == -2.0


def test_equal_rows_that_come_back_a_digit_off_stay_equal() -> None:
    """What Redis does: the order falls by popularity and label, not by the lost digit."""
    made = SpaceIndex({"look": CustomSpace("look", dim=2)}, popularity="clicks")
    rows = np.array([[1, 0], [1 - 6e-8, 0], [1 - 1.2e-7, 0], [0.999, 0]], dtype=np.float32)
    question = made.question({"look": np.array([1.0, 0.0])})
    assert made.holding(list("abcd"), rows, [1, 1, 5, 9]).answer(question).item_ids == tuple("abcd")
    found = made.holding(list("abcd"), rows, [1, 1, 5, 9], noise=3e-7).answer(question)
    assert found.item_ids == tuple("cabd")
    assert found.scores[0] == found.scores[1] == found.scores[2] > found.scores[3]
    assert levelled(np.array([]), 1e-6).tolist() == []


def test_the_clipped_are_told_when_products_come(store: BaseStore) -> None:
    stored = StoredIndex.export(index(5), store, "products", now_ms=NOW)
    with pytest.warns(ClippedWarning, match="number 'price': 1 of 1 products lie beyond"):
        stored.upsert(goods(1, first=77).assign(price=900.0))
    assert stored.search({"price": BEST}, k=10).scores[-1] == -2.0
