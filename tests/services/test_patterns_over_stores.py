"""The patterns over every store: the same ids and scores as over memory, through refresh, purchases and rollback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from recsys_lab.datasets import Event, Shop, load_shop
from recsys_lab.factors import Factors
from recsys_lab.filters import field
from recsys_lab.patterns import AlsoBought, ForYou, Patterns, TheyBought, complements, rollback_shop, take_purchases
from recsys_lab.patterns import refresh_shop as refresh
from recsys_lab.patterns.nightly import ALIASES, ITEMS, LIKENESS, PRODUCTS, SHOPPERS
from recsys_lab.recommender import Context, Recommendations
from recsys_lab.spaces import SpaceIndex
from recsys_lab.spaces.aspects import aspects_of
from recsys_lab.stores import BaseStore, open_store, versions
from recsys_lab.stores.aspects import StoredIndex

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
SETTINGS = {"factors": 32, "regularization": 1.0, "iterations": 5}


@pytest.fixture(scope="module")
def shop() -> Shop:
    """The simulated shop with a part of its shoppers, so that a refresh takes seconds on every store."""
    whole = load_shop().split().train
    some = sorted(whole.shoppers["user_id"])[:600]
    return whole.only(whole.events[whole.events["user_id"].isin(some)])


@pytest.fixture(scope="module")
def models(shop: Shop) -> list[Factors]:
    return [Factors(**SETTINGS, random_state=seed).fit(shop) for seed in range(2)]


@pytest.fixture(scope="module", params=["qdrant", "postgres", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[BaseStore]:
    url = "qdrant://" if request.param == "qdrant" else request.getfixturevalue(f"{request.param}_server").url
    with open_store(url) as opened:
        yield opened
        for name in ALIASES:
            opened.alias(name).remove()
            for version in versions(opened, name):
                opened.drop(version)


def ask_of(store: BaseStore, shop: Shop, most_per: tuple[str, int] | None = None) -> Patterns:
    popular = shop.products["item_id"].map(shop.popularity).astype("int64")
    products = shop.products.assign(popularity=popular)
    index = SpaceIndex(aspects_of(products), popularity="popularity").add(products)
    looks = StoredIndex(index, store.alias(PRODUCTS))
    pairs = complements(shop, least=3)
    people, likeness = store.alias(SHOPPERS), store.alias(LIKENESS)
    return Patterns(store.alias(ITEMS), people, likeness=likeness, looks=looks, complements=pairs, most_per=most_per)


def answers(ask: Patterns, shop: Shop, model: Factors) -> dict[str, Recommendations]:
    """Every pattern, with filters, exclusions and deep lists."""
    buys = shop.events[shop.events["event_type"] == "buy"]
    users = [user for user in buys["user_id"].value_counts().index if user in model.user_vectors_][:3]
    items = list(model.item_vectors_.ids[:4])
    now = int(shop.events["timestamp"].max()) + 1
    stock = (field("in_stock") == True) & (field("price") <= 60)  # noqa: E712
    boots = shop.products.loc[shop.products["category"] == "boots", "item_id"].iloc[0]
    made = {
        "similar": ask.similar(items[0]),
        "similar women": ask.similar(items[1], 20, field("department") == "women"),
        "also bought": ask.also_bought(items[:3], 15, exclude=items[3:]),
        "also bought in stock": ask.also_bought(items[:2], where=stock),
        "lookalikes of a group": ask.lookalikes(users, 25),
        "lively lookalikes": ask.lookalikes(users[0], where=field("n_events") >= 50),
        "who bought it": ask.lookalikes(users[0], where=field("owned").contains(buys["item_id"].iloc[0])),
        "they bought, group": ask.they_bought(users[:2], 10, 30),
        "look": ask.complete_the_look(boots),
        "look, two of each": ask.complete_the_look(boots, 20, 2, where=stock),
        "most popular": ask.popular(12),
        "popular in stock": ask.popular(30, stock, items),
        "popular": ask.for_you(np.zeros(SETTINGS["factors"]), 12),  # type: ignore[arg-type]
    }
    for user in users:
        made |= {
            f"for {user}": ask.for_you(user),
            f"new for {user}": ask.for_you(user, 40, stock, owned=False),
            f"they bought, {user}": ask.they_bought(user),
            f"they bought in stock, {user}": ask.they_bought(user, where=stock),
            f"again {user}": ask.buy_again(user, now),
            f"cheap again {user}": ask.buy_again(user, now, where=field("price") < 30),
        }
    return made


def same(found: dict[str, Recommendations], wanted: dict[str, Recommendations]) -> None:
    for name, one in wanted.items():
        assert len(one) > 0 and found[name].item_ids == one.item_ids, name
        assert found[name].scores == pytest.approx(one.scores, abs=2e-6), name


def test_refresh_questions_purchases_and_rollback(store: BaseStore, shop: Shop, models: list[Factors]) -> None:
    with open_store("memory://") as memory:
        for opened in (memory, store):
            done = refresh(opened, shop, models[0])
            assert tuple(done) == ALIASES
            assert [opened.alias(name).target for name in ALIASES] == [done[name].collection for name in ALIASES]
        first = answers(ask_of(memory, shop), shop, models[0])
        same(answers(ask_of(store, shop), shop, models[0]), first)
        spread = [answers(ask_of(one, shop, ("category", 2)), shop, models[0]) for one in (memory, store)]
        same(spread[1], spread[0])
        assert spread[0]["similar"] != first["similar"]

        user, stranger = models[0].user_vectors_.ids[0], "somebody new"
        bought = [
            Event(who, item, "buy", models[0].fitted_until_ + at, "today")
            for at, (who, item) in enumerate([(user, "P0010"), (stranger, "P0011"), (user, "P0012")], 1)
        ]
        others = [other for other in models[0].user_vectors_.ids[1:50]]
        for opened in (memory, store):
            people = opened.alias(SHOPPERS)
            before = people.get(others)
            assert set(take_purchases(models[0], people, bought)) == {user, stranger}
            assert take_purchases(models[0], people, bought) == ()
            after = people.get([user, stranger])
            assert after[user].payload["since"] == ["P0010", "P0012"] and after[stranger].payload["owned"] == ["P0011"]
            for label, point in people.get(others).items():
                assert point.payload == before[label].payload and np.array_equal(point.vector, before[label].vector)
        asks = [ask_of(one, shop) for one in (memory, store)]
        found = [{who: ask.for_you(who, owned=False) for who in (user, stranger)} for ask in asks]
        same(found[1], found[0])
        assert found[0][user] != first.get(f"for {user}")

        for opened in (memory, store):
            refresh(opened, shop, models[1])
        second = answers(ask_of(memory, shop), shop, models[1])
        same(answers(ask_of(store, shop), shop, models[1]), second)
        assert second["similar"] != first["similar"]
        rollback_shop(store)
        same(answers(ask_of(store, shop), shop, models[0]), first)


@pytest.mark.parametrize("make", [ForYou, AlsoBought, TheyBought])
@pytest.mark.parametrize("kind", ["qdrant", "postgres", "redis"])
def test_recommenders_over_a_server(kind: str, make: Any, shop: Shop, request: pytest.FixtureRequest) -> None:
    url = "qdrant://" if kind == "qdrant" else request.getfixturevalue(f"{kind}_server").url
    now = int(shop.events["timestamp"].max()) + 1
    users = shop.events["user_id"].unique()[:6].tolist()
    contexts = [Context(user, now) for user in users] + [Context(None, now), Context(None, now, cart=("P0001",))]
    here, there = make(settings=SETTINGS).fit(shop), make(url, settings=SETTINGS).fit(shop)
    ids, scores = here.recommend_many(contexts)
    others, values = there.recommend_many(contexts)
    assert values == pytest.approx(scores, abs=5e-6) and (ids == others).mean() > 0.95
    there.close()
    with open_store(url) as opened:
        for name in (f"{make.__name__.lower()}_{what}" for what in ("items", "shoppers")):
            opened.alias(name).remove()
            for version in versions(opened, name):
                opened.drop(version)
