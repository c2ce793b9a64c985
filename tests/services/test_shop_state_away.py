"""The live shop while its servers go away and come back: answers stay fast, and no event is lost or counted twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_lab.datasets import Shop, load_shop
from recsys_lab.filters import field
from recsys_lab.shop import Engine, Settings


@pytest.fixture(scope="module")
def shop() -> Shop:
    whole = load_shop(impressions=False)
    kinds = ["jackets", "coats", "skirts", "socks"]
    products = whole.products[whole.products["category"].isin(kinds)].reset_index(drop=True)
    people = sorted(whole.shoppers["user_id"])[:150]
    rows = whole.events["item_id"].isin(products["item_id"]) & whole.events["user_id"].isin(people)
    shoppers = whole.shoppers[whole.shoppers["user_id"].isin(people)].reset_index(drop=True)
    return Shop("small", products, shoppers, whole.events[rows].reset_index(drop=True))


def until(done: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def jackets(engine: Engine) -> list[str]:
    return engine.products(field("category") == "jackets", limit=100)[0]


def events_of(engine: Engine, shopper: str) -> list[str]:
    return [event.id for event in engine._inbox.visit(shopper).events]


@pytest.mark.parametrize("crashing_server", ["redis"], indirect=True)
def test_a_state_that_goes_away(shop: Shop, crashing_server: Any, tmp_path: Path) -> None:
    settings = Settings(state=crashing_server.url, folder=tmp_path, switch=("live",), encoder=False)
    with Engine(shop, settings) as engine:
        assert not engine.local
        a, b = jackets(engine)[:2]
        engine.take("ada", "clicked_on", a, id="1")
        usual = engine.for_you("ada")
        assert usual.degraded is None and usual.by == "live"
        crashing_server.kill()
        asked = []
        for number in range(50):
            begun = time.perf_counter()
            answer = engine.for_you("ada")
            asked.append(time.perf_counter() - begun)
            assert answer.degraded == "state" and answer.item_ids == engine.popular().item_ids
            took = engine.take("ada", "clicked_on", b, id=str(2 + number))
            assert took == {"id": str(2 + number), "new": True, "waiting": True}
        assert np.median(asked) < 0.02 and max(asked) < 2
        assert engine.health()["state"] == "away" and engine.health()["waiting"] == 50
        crashing_server.start()
        until(lambda: engine.health()["status"] == "ok")
        assert engine.take("ada", "clicked_on", b, id="2")["new"] is False
        assert sorted(events_of(engine, "ada")) == sorted(f"ada/{n}" for n in range(2, 52))  # the last 50 of 51
        held = engine._backend.state.held
        assert held is not None and Counter(event.item_id for event in held.log()) == {a: 1, b: 50}
        assert [event.id for event in held.log()] == [f"ada/{n}" for n in range(1, 52)]  # in order of arrival
        assert engine.for_you("ada").degraded is None


@pytest.mark.parametrize("crashing_server", ["redis"], indirect=True)
def test_a_shop_that_is_closed_while_its_state_is_away(shop: Shop, crashing_server: Any, tmp_path: Path) -> None:
    settings = Settings(state=crashing_server.url, folder=tmp_path, switch=("live",), encoder=False)
    with Engine(shop, settings) as engine:
        item = jackets(engine)[0]
        engine.take("ada", "clicked_on", item, id="1")
        crashing_server.kill()
        engine.take("ada", "put_to_cart", item, id="2")
        engine.take("ada", "clicked_on", item, id="1")  # sent again, since nobody knows
    with Engine(shop, settings) as engine:  # begins while the server is away
        assert engine.health() | {"failures": 0} == engine.health() | {"failures": 0, "state": "away", "waiting": 2}
        assert engine.for_you("ada").degraded == "state"
        engine.take("ada", "clicked_on", item, id="3")
        crashing_server.start()
        until(lambda: engine.health()["status"] == "ok")
        assert events_of(engine, "ada") == ["ada/1", "ada/2", "ada/3"]
        held = engine._backend.state.held
        assert held is not None and Counter(event.item_id for event in held.log()) == {item: 3}
        assert engine.cart("ada") == [item]


@pytest.mark.parametrize("crashing_server", ["redis"], indirect=True)
def test_a_state_that_hangs(shop: Shop, crashing_server: Any, tmp_path: Path) -> None:
    import signal

    settings = Settings(state=crashing_server.url, folder=tmp_path, switch=("live",), encoder=False)
    with Engine(shop, settings) as engine:
        item = jackets(engine)[0]
        engine.take("ada", "clicked_on", item, id="1")
        crashing_server.process.send_signal(signal.SIGSTOP)
        begun = time.perf_counter()
        assert engine.take("ada", "clicked_on", item, id="2")["waiting"] is True
        assert time.perf_counter() - begun < 10
        begun = time.perf_counter()
        assert engine.for_you("ada").degraded == "state"
        assert time.perf_counter() - begun < 0.5  # it is known by now
        crashing_server.process.send_signal(signal.SIGCONT)
        until(lambda: engine.health()["status"] == "ok")
        assert events_of(engine, "ada") == ["ada/1", "ada/2"]


# -- the store --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["qdrant", "postgres", "redis"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "qdrant":
        pytest.importorskip("qdrant_client")
        return f"qdrant://{tmp_path / 'qdrant'}"
    server = request.getfixturevalue(f"{request.param}_server")
    return str(server.url)


def test_a_store_answers_as_memory_does(shop: Shop, store_url: str, tmp_path: Path) -> None:
    here = Settings(switch=("live",), encoder=False)
    there = Settings(store=store_url, switch=("live",), encoder=False)
    with Engine(shop, here) as one, Engine(shop, there) as other:
        assert one.local and not other.local
        some = jackets(one)
        for engine in (one, other):
            for item in some[:3]:
                engine.take("ada", "clicked_on", item)
        cheap = field("price") < 80
        for ask in (
            lambda engine: engine.for_you("ada"),
            lambda engine: engine.for_you("ada", 5, where=cheap, weights={"style": 2.0}),
            lambda engine: engine.similar(some[0]),
            lambda engine: engine.also_bought(some[:2]),
            lambda engine: engine.complete_the_look(some[0]),
            lambda engine: engine.lookalikes("ada"),
        ):
            mine, theirs = ask(one), ask(other)
            assert mine.item_ids == theirs.item_ids and theirs.degraded is None
            assert np.allclose(mine.scores, theirs.scores, atol=1e-4)
        for engine in (one, other):
            engine.put_product("N1", {"category": "jackets", "brand": "A New Brand", "price": 1.0, "style": "casual"})
            assert engine.for_you("ada", 1, weights={"price": 500.0}).item_ids == ("N1",)
            assert len(engine.similar("N1")) == 10
            engine.delete_product(some[0])
            assert some[0] not in engine.similar("N1", 500).item_ids
            told = engine.refresh()
            assert told["products"] == len(shop.products)
            assert some[0] not in engine.for_you("bob", 500).item_ids
            assert "N1" in engine.similar(some[1], 500).item_ids
            engine.forget("ada")
            assert "ada" not in engine.lookalikes("U0001", 500).item_ids
        assert one.for_you("bob").item_ids == other.for_you("bob").item_ids


@pytest.mark.parametrize("crashing_server", ["redis", "postgres"], indirect=True)
def test_a_store_that_goes_away(shop: Shop, crashing_server: Any, tmp_path: Path) -> None:
    settings = Settings(store=crashing_server.url, switch=("live",), encoder=False)
    with Engine(shop, settings) as engine:
        item = jackets(engine)[0]
        usual = engine.similar(jackets(engine)[1])
        assert usual.by == "live"
        crashing_server.kill()
        for answer in (engine.for_you("ada"), engine.similar(item), engine.also_bought([item])):
            assert answer.degraded == "store" and answer.by == "popular" and len(answer) == 10
        assert engine.health()["store"] == "away" and engine.take("ada", "clicked_on", item)["waiting"] is False
        engine.put_product("N1", {"category": "jackets", "price": 1.0})
        engine.delete_product(jackets(engine)[-1])
        assert "N1" in engine.popular(500).item_ids
        crashing_server.start()
        until(lambda: engine.health()["status"] == "ok")
        assert engine.similar(jackets(engine)[1], 500).degraded is None
        assert "N1" in engine.similar(item, 500).item_ids  # it went in when the store was back


@pytest.mark.parametrize("crashing_server", ["redis"], indirect=True)
def test_a_shop_that_begins_while_its_store_is_away(shop: Shop, crashing_server: Any, tmp_path: Path) -> None:
    settings = Settings(store=crashing_server.url, switch=("live",), encoder=False)
    crashing_server.kill()
    with Engine(shop, settings) as engine:
        item = jackets(engine)[0]
        assert engine.similar(item).degraded == engine.also_bought([item]).degraded == "store"
        crashing_server.start()
        until(lambda: engine.health()["status"] == "ok")
        assert engine.similar(item).degraded is None and engine.also_bought([item]).degraded is None
