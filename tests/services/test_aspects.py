"""The multi-aspect index of the simulated shop in every store: the lists of the index in memory, and the same terms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.datasets import DAY_MS, Shop, as_events, load_shop
from recsys_lab.filters import field
from recsys_lab.item2vec.behaviour import WithBehaviour
from recsys_lab.preferences import ShopperVectors
from recsys_lab.recommender import Context
from recsys_lab.spaces import BEST, RecencySpace, SpaceIndex
from recsys_lab.spaces.aspects import APPEAL, POPULARITY
from recsys_lab.stores import BaseStore, StoredIndex, open_store, versions

AFFORDABLE = (field("price") < 60) & (field("in_stock") == True)  # noqa: E712
FIELDS = ["item_id", "category", "department", "price", "in_stock", "launched_at", "material", POPULARITY]


@pytest.fixture(scope="session")
def shop() -> Shop:
    return load_shop(impressions=False)


@pytest.fixture(scope="session")
def model(shop: Shop) -> WithBehaviour:
    """Content and behaviour in one index: eleven aspects, and item2vec's vectors as the twelfth."""
    return WithBehaviour(dim=32, epochs=3, negative=5).fit(shop)


@pytest.fixture(scope="session")
def shoppers(shop: Shop, model: WithBehaviour) -> ShopperVectors:
    """Sixteen shoppers, moved by all of their events."""
    made = ShopperVectors(model.index_, model.rules)
    choices = dict(zip(shop.shoppers["user_id"], shop.shoppers["registration_choice"], strict=True))
    for user in people(shop):
        if isinstance(choices[user], str):
            made.register(user, choices[user])
        for event in as_events(shop.events[shop.events["user_id"] == user]):
            made.update(event)
    return made


def people(shop: Shop) -> list[str]:
    return sorted(shop.events["user_id"].unique())[::250][:16]


@pytest.fixture(params=["memory", "qdrant", "postgres", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[BaseStore]:
    url = f"{request.param}://"
    if request.param in ("postgres", "redis"):
        url = request.getfixturevalue(f"{request.param}_server").url
    with open_store(url) as opened:
        yield opened
        opened.alias("products").remove()
        for name in versions(opened, "products"):
            opened.drop(name)


def same(found: Any, wanted: Any) -> None:
    assert found.item_ids == wanted.item_ids
    assert found.scores == pytest.approx(wanted.scores, abs=1e-6)
    pd.testing.assert_frame_equal(found.explain(), wanted.explain(), rtol=0, atol=1e-6)


def weights_of(model: WithBehaviour) -> dict[str, float]:
    return {name: weight for name, weight in model.weights.items() if name in model.index_.spaces}


def questions(model: WithBehaviour) -> list[dict[str, Any]]:
    every = weights_of(model)
    asked: list[dict[str, Any]] = [
        {"ask": {"category": "dresses"}, "weights": APPEAL},
        {"ask": {"department": "women"}},  # hundreds of products with one score
        {"ask": {"description": "something warm for winter"}, "where": AFFORDABLE},
        {"ask": {"colour": ["red", "blue"], "price": BEST}, "weights": {"colour": 2.0, "brand": 1.0}, "k": 50},
        {"ask": {"category": "dresses"}, "weights": {"category": -1.0, POPULARITY: 3.0}, "where": ~AFFORDABLE},
        {"like": "P0001", "weights": every, "exclude": ["P0001"]},
        {"like": ["P0003", "P0700", "P0003"], "weights": {"behaviour": 2.0, "description": 0.1}},
        {"like": "P0004", "weights": {"style: like": 5.0}, "where": field("material") == "linen"},
    ]
    rng = np.random.default_rng(0)
    for number in range(12):
        drawn = {name: float(rng.choice([-1.0, 0.0, 0.3, 1.0, 4.0])) for name in every} | {"description": 1.0}
        out = model.index_.ids[number :: 3 + number]
        asked.append({"like": f"P{number + 10:04d}", "weights": drawn, "exclude": out})
    return asked


def test_weights_when_asking_give_the_list_of_the_index_in_memory(store: BaseStore, model: WithBehaviour) -> None:
    stored = StoredIndex.export(model.index_, store, "products", columns=FIELDS)
    for question in questions(model):
        same(stored.search(**question), model.index_.search(**question))


def test_the_live_shopper_gets_the_list_of_the_recommender(
    store: BaseStore, shop: Shop, model: WithBehaviour, shoppers: ShopperVectors
) -> None:
    stored = StoredIndex.export(model.index_, store, "products", columns=FIELDS)
    weights, now = weights_of(model), model.fitted_until_ + 1
    there = field("launched_at") <= now
    for user in people(shop):
        profile = shoppers.profile(user)
        found = stored.search(weights=weights, shopper=profile, where=there)
        same(found, model.index_.search(weights=weights, shopper=profile, where=there))
        assert found.item_ids == model.recommend(Context(user, now), 10).item_ids
        seen = found.item_ids[:4]
        asked: dict[str, Any] = {"shopper": profile, "where": AFFORDABLE, "exclude": seen, "k": 25, "like": seen[0]}
        same(stored.search(weights=weights, **asked), model.index_.search(weights=weights, **asked))
    row = stored.question_row(weights=weights, shopper=shoppers.profile(people(shop)[0]))
    assert len(store.alias("products").search(row, 10)) == 10


def test_products_come_and_go_and_it_is_opened_again(store: BaseStore, model: WithBehaviour) -> None:
    whole = model.index_.products.infer_objects().sort_values("item_id", ignore_index=True)
    now = int(whole["launched_at"].max())
    spaces = model.index_.spaces | {"new": RecencySpace("launched_at", {30 * DAY_MS: 1.0, 365 * DAY_MS: 1.0})}
    made = SpaceIndex(spaces, popularity=POPULARITY).add(whole.iloc[:300])
    StoredIndex.export(made, store, "products", now_ms=now, columns=FIELDS)
    bare = SpaceIndex(spaces, popularity=POPULARITY)
    stored = StoredIndex(bare, store.alias("products"), columns=FIELDS)
    asked: dict[str, Any] = {"like": "P0007", "weights": {"new": 1.0, "price": 0.5}, "now_ms": now, "k": 20}
    same(stored.search(**asked), made.search(**asked))

    new = whole.iloc[[400]].assign(launched_at=now, price=1.0, category=whole.loc[6, "category"])
    stored.upsert(new)
    made.add(new)
    same(stored.search(**asked), made.search(**asked))
    assert stored.search({"new": BEST, "price": BEST}, k=1, now_ms=now).item_ids == tuple(new["item_id"])
    gone = [stored.search(**asked).item_ids[1], new["item_id"].iloc[0]]
    stored.delete(gone)
    made.remove(gone)
    same(stored.search(**asked), made.search(**asked))
    assert not set(gone) & set(stored.search(**asked | {"k": 300}).item_ids)
    with pytest.raises(ValueError, match="ask with that time, or refresh it"):
        stored.search(**asked | {"now_ms": now + 1})
    with pytest.raises(KeyError, match="there is no product"):
        stored.search(like=gone[0])


def test_many_ties_fall_to_the_more_popular_then_by_label(store: BaseStore, model: WithBehaviour) -> None:
    stored = StoredIndex.export(model.index_, store, "products", columns=FIELDS)
    for ask in ({"department": "women"}, {"colour": "blue"}, {"review_rating": BEST}, {"price": BEST}):
        found, wanted = stored.search(ask, k=120), model.index_.search(ask, k=120)
        same(found, wanted)
        assert max(wanted.scores.count(score) for score in set(wanted.scores)) > 2
