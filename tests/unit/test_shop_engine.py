"""The engine of the live shop, without a server: lists, carts, products, refreshes, and a state that goes away."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_lab.datasets import DataError, Event, Shop, load_shop
from recsys_lab.filters import field
from recsys_lab.ranking.sources import INTENT, INTENT_WEIGHTS, TASTE
from recsys_lab.realtime import Live, SessionVector
from recsys_lab.shop import Answer, Away, Busy, ConfigError, Engine, Sent, Settings
from recsys_lab.shop.backend import READ
from recsys_lab.shop.memo import IDLE_MS, LOOK, RECENT
from recsys_lab.spaces import SpaceError, SpaceIndex
from recsys_lab.spaces.aspects import APPEAL, LIKENESS, POPULARITY, aspects_of

NOW = 1_780_000_000_000
QUICK = Settings(switch=("live", "popular"), encoder=False)


class Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture(scope="module")
def shop() -> Shop:
    """Some 260 products of six categories, and what a few hundred shoppers did with them."""
    whole = load_shop(impressions=False)
    kinds = ["jackets", "coats", "skirts", "trousers", "socks", "boots"]
    products = whole.products[whole.products["category"].isin(kinds)].reset_index(drop=True)
    people = sorted(whole.shoppers["user_id"])[:200]
    rows = whole.events["item_id"].isin(products["item_id"]) & whole.events["user_id"].isin(people)
    shoppers = whole.shoppers[whole.shoppers["user_id"].isin(people)].reset_index(drop=True)
    return Shop("small", products, shoppers, whole.events[rows].reset_index(drop=True))


@pytest.fixture
def engine(shop: Shop) -> Iterator[Engine]:
    with Engine(shop, QUICK, Clock()) as made:
        yield made


def on_disk(folder: Path, **more: object) -> Settings:
    return Settings.load(folder=folder, switch=("live",), encoder=False, **more)


def of_category(engine: Engine, category: str, n: int = 100) -> list[str]:
    return engine.products(field("category") == category, limit=n)[0]


def share(engine: Engine, answer: Answer, category: str) -> float:
    return float(np.mean([engine.product(item)["category"] == category for item in answer.item_ids]))


def until(done: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def cut_off(engine: Engine) -> None:
    """Shut the live state under the engine's hands."""
    held = engine._backend.state.held
    assert held is not None
    held.close()


# -- for you ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["memory", "sqlite"])
def test_three_jackets_change_the_row(shop: Shop, tmp_path: Path, state: str) -> None:
    with Engine(shop, QUICK if state == "memory" else on_disk(tmp_path), Clock()) as engine:
        before = engine.for_you("ada")
        jackets = of_category(engine, "jackets")[:3]
        for item in jackets:
            engine.take("ada", "clicked_on", item)
        after = engine.for_you("ada")
        assert after.item_ids != before.item_ids
        assert share(engine, after, "jackets") > share(engine, before, "jackets")
        assert not set(jackets) & set(after.item_ids)  # they were opened in this visit
        assert engine.for_you("bob").item_ids == before.item_ids
        assert before.by == after.by == "live" and before.degraded is after.degraded is None


def test_parts_add_up_to_scores(engine: Engine) -> None:
    jackets = of_category(engine, "jackets")
    for item in jackets[:3]:
        engine.take("ada", "clicked_on", item)
    answers = [
        engine.for_you("ada"), engine.for_you("nobody"), engine.for_you("ada", weights={"style": 2.0, "price": 0.0}),
        engine.similar(jackets[0]), engine.popular(), engine.search("a black jacket with good reviews"),
    ]  # fmt: skip
    for answer in answers:
        assert len(answer) > 0
        assert np.allclose(np.sum(list(answer.parts.values()), axis=0), answer.scores, atol=1e-8)
    assert "style: shopper" in answers[0].parts and "style: shopper" not in answers[1].parts


def index_of(shop: Shop, engine: Engine) -> SpaceIndex:
    counts = shop.popularity.reindex(pd.Index(shop.products["item_id"])).to_numpy(dtype=float)
    products = shop.products.assign(**{POPULARITY: counts})
    return SpaceIndex(aspects_of(products), popularity=POPULARITY).add(products)


@pytest.mark.parametrize("weights", [None, {"style": 3.0}, {"price": 4.0, "description": 0.0}, {"colour": -1.0}])
def test_lists_are_those_of_the_index(shop: Shop, engine: Engine, weights: dict[str, float] | None) -> None:
    index, mine = index_of(shop, engine), of_category(engine, "skirts")[:4]
    for item in mine:
        engine.take("ada", "clicked_on", item)
    engine.take("ada", "put_to_cart", mine[0])
    events = engine._inbox.visit("ada").events
    in_stock, cheap = field("in_stock") == True, field("price") < 60  # noqa: E712
    # Inside the visit its intent counts; at the door of the next one the taste, and what was opened may be listed.
    for rules, usual, out in ((INTENT, INTENT_WEIGHTS, mine), (TASTE, {**LIKENESS, **APPEAL}, mine[:1])):
        profile = SessionVector(index, rules).profile("ada", events)
        asked = {**usual, **(weights or {})}
        wanted = index.search(weights=asked, shopper=profile, k=12, where=in_stock & cheap, exclude=out)
        found = engine.for_you("ada", 12, where=cheap, weights=weights)
        assert found.item_ids == wanted.item_ids and np.allclose(found.scores, wanted.scores)
        engine.clock.now += 3_600_000  # type: ignore[attr-defined]
    likeness = {**LIKENESS, **(weights or {})}
    wanted = index.search(weights=likeness, like=mine[0], k=12, where=in_stock, exclude=[mine[0]])
    found = engine.similar(mine[0], 12, weights=weights)
    assert found.item_ids == wanted.item_ids and np.allclose(found.scores, wanted.scores)


def test_weights_that_are_none_are_refused(engine: Engine) -> None:
    with pytest.raises(SpaceError, match="there is no space 'smell'"):
        engine.for_you("ada", weights={"smell": 1.0})
    with pytest.raises(SpaceError, match="finite"):
        engine.similar(engine.popular(1).item_ids[0], weights={"style": float("nan")})
    answer = engine.for_you("ada", weights=dict.fromkeys(APPEAL, 0.0))  # likeness alone, of somebody unknown
    assert answer.by == "popular" and "nothing is known" in answer.notes


def test_filters_and_stock(shop: Shop, engine: Engine) -> None:
    where = (field("department") == "women") & (field("price") <= 50)
    some = engine.popular(1).item_ids[0]
    gone = set(shop.products.loc[~shop.products["in_stock"], "item_id"])
    assert gone
    for answer in (
        engine.for_you("ada", 30, where=where), engine.similar(some, 30, where=where), engine.popular(30, where=where),
        engine.also_bought([some], 30, where=where), engine.search("black", 30, where=where),
        engine.for_you("ada", 30, where=where, by="popular"),
    ):  # fmt: skip
        rows = [engine.product(item) for item in answer.item_ids]
        assert rows and all(row["department"] == "women" and row["price"] <= 50 for row in rows)
        assert not gone & set(answer.item_ids)
    assert set(engine.products(limit=1000)[0]) == set(shop.products["item_id"])


def test_who_serves_can_be_chosen(shop: Shop) -> None:
    settings = replace(QUICK, surfaces={"for-you": "popular", "similar": "markov", "also-bought": "item-knn bought"})
    with Engine(shop, settings, Clock()) as engine:
        item = engine.popular(1).item_ids[0]
        assert engine.for_you("ada").item_ids == engine.popular().item_ids
        assert engine.for_you("ada", by="live").by == "live"
        assert engine.similar(item).by == "markov" and item not in engine.similar(item).item_ids
        assert engine.also_bought([item]).by == "item-knn bought"
        with pytest.raises(ValueError, match="was not fitted"):
            engine.for_you("ada", by="random")
        with pytest.raises(ConfigError, match="no recommender 'magic'"):
            engine.for_you("ada", by="magic")


# -- carts and purchases ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["memory", "sqlite"])
def test_the_cart(shop: Shop, tmp_path: Path, state: str) -> None:
    with Engine(shop, QUICK if state == "memory" else on_disk(tmp_path), Clock()) as engine:
        a, b, c = of_category(engine, "socks")[:3]
        for item in (b, a, c):
            engine.take("ada", "put_to_cart", item)
        engine.take("ada", "removed_from_cart", a)
        for _ in range(60):  # more than the events that are kept at hand
            engine.take("ada", "clicked_on", a)
        assert engine.cart("ada") == [b, c]
        assert not {b, c} & set(engine.for_you("ada", 100).item_ids)
        engine.take("ada", "buy", b)
        assert engine.cart("ada") == [c]
        assert engine.cart("bob") == []


def test_buy_again_after_a_purchase(engine: Engine, shop: Shop) -> None:
    sock, boot = of_category(engine, "socks")[0], of_category(engine, "boots")[0]
    assert engine.buy_again("ada").item_ids == ()
    engine.take("ada", "buy", sock)
    assert engine.buy_again("ada").item_ids == (sock,)
    engine.take("ada", "buy", boot)
    engine.take("ada", "buy", sock)
    assert set(engine.buy_again("ada").item_ids) == {sock, boot}
    one = engine.buy_again("ada").scores[engine.buy_again("ada").item_ids.index(sock)]
    engine.refresh()  # now the training knows these purchases: they may not count twice
    again = engine.buy_again("ada")
    assert set(again.item_ids) == {sock, boot}
    assert one * 0.5 < again.scores[again.item_ids.index(sock)] < one * 1.6
    buys = shop.events[shop.events["event_type"] == "buy"]
    known = buys["user_id"].value_counts().index[0]
    theirs = set(buys.loc[buys["user_id"] == known, "item_id"])
    assert engine.buy_again(known).item_ids and set(engine.buy_again(known, 100).item_ids) <= theirs


def test_session_says_what_is_believed(engine: Engine) -> None:
    jackets = of_category(engine, "jackets")[:3]
    for item in jackets:
        engine.take("ada", "clicked_on", item, {"position": 2})
    engine.take("ada", "put_to_cart", jackets[0])
    told = engine.session("ada")
    assert [one["item_id"] for one in told["events"]] == [jackets[0], *jackets[::-1]]
    assert told["cart"] == [jackets[0]] and told["counts"] == {"jackets": 4}
    assert dict((one["space"], one["says"][0][0]) for one in told["taste"])["category"] == "jackets"
    assert any("jackets" in sentence for sentence in told["because"])
    assert engine.session("nobody")["events"] == []


def test_visits_end_after_a_pause(shop: Shop) -> None:
    clock = Clock()
    with Engine(shop, QUICK, clock) as engine:
        a, b, c = of_category(engine, "jackets")[:3]
        engine.take("ada", "clicked_on", a)
        engine.take("ada", "clicked_on", b)
        clock.now += 31 * 60_000
        assert {a, b} & set(engine.for_you("ada", 300).item_ids)  # a new visit may show them
        engine.take("ada", "clicked_on", c)
        sessions = [event.session_id for event in engine._inbox.visit("ada").events]
        assert sessions[0] == sessions[1] != sessions[2]


# -- events -----------------------------------------------------------------------------------------------------------


def test_each_event_counts_once_and_each_mistake_alone(engine: Engine) -> None:
    item = engine.popular(1).item_ids[0]
    assert engine.take("ada", "clicked_on", item, id="x") == {"id": "x", "new": True, "waiting": False}
    assert engine.take("ada", "clicked_on", item, id="x")["new"] is False
    assert engine.take("bob", "clicked_on", item, id="x")["new"] is True  # an id is its sender's own
    made = engine.take_many(
        [
            ("ada", "clicked_on", item),
            {"shopper": "ada", "event_type": "sold", "item_id": item},
            Sent("ada", "clicked_on", "no such product"),
            Sent("ada", "clicked_on", item, {"position": [1]}),
            Sent("ada", "clicked_on", item, timestamp=NOW * 2),
            Sent("ada", "buy", item, id="y"),
        ]
    )
    assert [isinstance(one, DataError) for one in made] == [False, True, True, True, True, False]
    assert made[-1] == {"id": "y", "new": True, "waiting": False}
    assert len(engine._inbox.visit("ada").events) == 3
    with pytest.raises(DataError, match="not among the shop's products"):
        engine.take("ada", "clicked_on", "no such product")


# -- the other lists --------------------------------------------------------------------------------------------------


def test_patterns(engine: Engine, shop: Shop) -> None:
    jacket = of_category(engine, "jackets")[0]
    also = engine.also_bought([jacket])
    assert also.by == "patterns" and len(also) == 10 and jacket not in also.item_ids
    assert engine.also_bought([]).by == "popular"
    look = engine.complete_the_look(jacket)
    assert "jackets" not in {engine.product(item)["category"] for item in look.item_ids}
    people = engine.lookalikes(shop.events["user_id"].iloc[0])
    assert len(people) == 10 and set(people.item_ids) <= set(shop.shoppers["user_id"])
    engine.take("ada", "clicked_on", jacket)
    assert len(engine.lookalikes("ada")) == 10
    with pytest.raises(KeyError):
        engine.lookalikes("nobody")
    for ask in (engine.similar, engine.complete_the_look, engine.product, engine.card, engine.delete_product):
        with pytest.raises(KeyError):
            ask("no such product")


def test_the_look_is_that_of_the_patterns() -> None:
    with Engine(load_shop(impressions=False), Settings(switch=("live",), encoder=False), Clock()) as engine:
        now = engine._backend.now
        some = [of_category(engine, kind)[at] for kind in ("jackets", "skirts", "trousers", "socks") for at in (0, 9)]
        assert max(len(engine.complete_the_look(item)) for item in some) >= 3
        for item in some:
            everything = engine._backend.asked(now, lambda ask, item=item: ask.complete_the_look(item, 1000))
            wanted = {one: score for one, score in zip(everything.item_ids, everything.scores, strict=True)}
            found = engine.complete_the_look(item, 1000)
            assert list(found.scores) == sorted(found.scores, reverse=True)
            for one, score in zip(found.item_ids, found.scores, strict=True):  # others only where theirs is sold out
                assert wanted.get(one, score) == pytest.approx(score, abs=1e-5)
            assert all(one in found.item_ids for one in wanted if engine.product(one)["in_stock"])


def test_search_by_words(engine: Engine) -> None:
    found = engine.search("a women's jacket under 90")
    assert found.item_ids and "category == 'jackets'" in found.notes
    for item in found.item_ids:
        row = engine.product(item)
        assert (row["category"], row["department"]) == ("jackets", "women") and row["price"] < 90
    word = next(word for word in engine.product(found.item_ids[0])["description"].lower().split() if len(word) > 6)
    word = word.strip(".,;!?")
    by_word = engine.search(word)
    assert "matched by its words" in by_word.notes
    assert all(word[:-1] in str(engine.product(item)).lower() for item in by_word.item_ids)
    with pytest.raises(ValueError, match="empty"):
        engine.search(" ")


def test_a_ranker_orders_the_live_list(shop: Shop) -> None:
    plain = Settings(switch=("live",), encoder=False)
    with (
        Engine(shop, replace(plain, ranker="ranker logistic"), Clock()) as engine,
        Engine(shop, plain, Clock()) as usual,
    ):
        assert not engine.local and engine._backend.ranking.wait()
        for one in (engine, usual):
            for item in of_category(one, "jackets")[:3]:
                one.take("ada", "clicked_on", item)
            one.put_product("N1", {"category": "jackets", "price": 1.0, "review_rating": 5.0})
        answer = engine.for_you("ada", 20, weights={"price": 50.0})
        assert answer.by == "live, ranker logistic" and len(answer) == 20
        assert np.allclose(np.sum(list(answer.parts.values()), axis=0), answer.scores)
        whole = engine.for_you("ada", 50, weights={"price": 50.0})
        deep = usual.for_you("ada", 50, weights={"price": 50.0})
        assert set(whole.item_ids) == set(deep.item_ids) and whole.item_ids != deep.item_ids
        assert whole.item_ids[-1] == "N1" != deep.item_ids[-1]  # the ranker has not heard of it yet


# -- products ---------------------------------------------------------------------------------------------------------


def test_a_new_product_is_listed_and_stays(shop: Shop, tmp_path: Path) -> None:
    fields = {
        "name": "Bright Jacket", "category": "jackets", "department": "women", "style": "casual", "colour": "red",
        "brand": "A New Brand", "price": 1.0, "review_count": 900.0, "review_rating": 5.0,
    }  # fmt: skip
    with Engine(shop, on_disk(tmp_path), Clock()) as engine:
        assert engine.put_product("N1", fields) is True
        assert engine.put_product("N1", {"price": 2.0}) is False
        assert engine.product("N1")["price"] == 2.0 and engine.product("N1")["name"] == "Bright Jacket"
        for item in of_category(engine, "jackets")[:2]:
            engine.take("ada", "clicked_on", item)
        assert engine.for_you("ada", 1, weights={"price": 50.0}).item_ids == ("N1",)
        assert "N1" in engine.for_you("ada", 1000).item_ids
        assert "N1" in engine.search("women's jacket under 3").item_ids
        engine.take("ada", "clicked_on", "N1")
        engine.take("ada", "put_to_cart", "N1")
        assert b'"Bright Jacket"' in engine.card("N1") and engine.picture("N1").startswith("<svg")
        similar = engine.similar("N1")
    with Engine(shop, on_disk(tmp_path), Clock()) as engine:
        assert engine.product("N1")["brand"] == "A New Brand" and engine.cart("ada") == ["N1"]
        assert engine.similar("N1").item_ids == similar.item_ids
        assert "N1" in engine.products(field("price") < 3)[0]
        assert engine.put_product("N1", {"in_stock": False}) is False
        assert "N1" not in engine.popular(1000).item_ids and "N1" in engine.products(limit=1000)[0]
        engine.delete_product("N1")
    with Engine(shop, on_disk(tmp_path), Clock()) as engine:
        assert "N1" not in engine.products(limit=1000)[0]


def test_a_deleted_product_is_gone_everywhere(shop: Shop, tmp_path: Path) -> None:
    settings = replace(on_disk(tmp_path), switch=("live", "popular", "item-knn"))
    with Engine(shop, settings, Clock()) as engine:
        jackets = of_category(engine, "jackets")
        gone, other = jackets[0], jackets[1]
        engine.take("ada", "put_to_cart", gone)
        engine.take("ada", "clicked_on", other)
        engine.delete_product(gone)

        def lists(k: int = 1000) -> list[Answer]:
            return [
                engine.for_you("ada", k), engine.for_you("ada", k, by="item-knn"),
                engine.for_you("ada", k, by="popular"),
                engine.similar(other, k), engine.also_bought([other, gone], k), engine.popular(k),
                engine.search("jackets", k), engine.complete_the_look(of_category(engine, "socks")[0], k),
            ]  # fmt: skip

        assert all(gone not in answer.item_ids for answer in lists())
        assert gone not in engine.cart("ada") and gone not in engine.products(limit=1000)[0]
        with pytest.raises(DataError):
            engine.take("ada", "clicked_on", gone)
        engine.refresh()
        assert all(gone not in answer.item_ids for answer in lists())
        with pytest.raises(KeyError):
            engine.delete_product(gone)
    with Engine(shop, settings, Clock()) as engine:
        assert all(gone not in answer.item_ids for answer in [engine.popular(1000), engine.similar(other, 1000)])


@pytest.mark.parametrize(
    ("item", "fields", "rule"),
    [
        ("N1", {"price": -1.0}, "price"), ("N1", {"price": "cheap"}, "price"),
        ("N1", {"smell": "rose"}, "no such field"),
        ("N1", {"picture": "<svg onload='alert(1)'>"}, "drawn"), ("", {}, "label"), ("a\nb", {}, "label"),
        ("N1", {"review_rating": 9}, "review_rating"), ("N1", {"in_stock": "yes"}, "in_stock"),
    ],
)  # fmt: skip
def test_what_is_no_product_is_refused(engine: Engine, item: str, fields: dict[str, object], rule: str) -> None:
    before = engine.products(limit=1000)
    with pytest.raises(DataError, match=rule):
        engine.put_product(item, fields)
    assert engine.products(limit=1000) == before


def test_pages_of_the_shelf(engine: Engine) -> None:
    ids, total = engine.products(field("category") == "socks", offset=2, limit=3)
    whole, _ = engine.products(field("category") == "socks", limit=1000)
    assert len(whole) == total and ids == whole[2:5]
    prices = [engine.product(item)["price"] for item in engine.products(order="price", limit=1000)[0]]
    assert prices == sorted(prices)
    with pytest.raises(ValueError, match="order"):
        engine.products(order="smell")


# -- when the state is away -------------------------------------------------------------------------------------------


def test_while_the_state_is_away_nothing_is_lost(shop: Shop, tmp_path: Path) -> None:
    with Engine(shop, on_disk(tmp_path), Clock()) as engine:
        a, b = of_category(engine, "jackets")[:2]
        engine.take("ada", "clicked_on", a)
        engine._inbox.handing_on.acquire()  # so that what waits can be looked at
        cut_off(engine)
        answer = engine.for_you("ada")
        assert answer.degraded == "state" and answer.by == "popular"
        assert answer.item_ids == engine.popular().item_ids and engine.popular().degraded is None
        took = engine.take("ada", "put_to_cart", b, id="x")
        assert took == {"id": "x", "new": True, "waiting": True}
        rows = sqlite3.connect(tmp_path / "waiting.db").execute("SELECT shopper FROM waiting").fetchall()
        assert rows == [("ada",)]  # on the disk before it was acknowledged
        assert engine.cart("ada") == [b]
        assert engine.failures["state"] >= 1 and engine.health()["waiting"] == 1
        engine._inbox.handing_on.release()
        until(lambda: engine.health()["status"] == "ok")
        assert engine.cart("ada") == [b] and engine.for_you("ada").degraded is None
        assert [event.item_id for event in engine._inbox.visit("ada").events] == [a, b]
        assert len({event.session_id for event in engine._inbox.visit("ada").events}) == 1


def test_waiting_events_survive_a_restart_and_count_once(shop: Shop, tmp_path: Path) -> None:
    with Engine(shop, on_disk(tmp_path), Clock()) as engine:
        item = of_category(engine, "jackets")[0]
        engine.take("ada", "clicked_on", item, id="1")
        engine._inbox.handing_on.acquire()
        cut_off(engine)
        for number in ("1", "2", "3"):  # "1" is in the state already
            assert engine.take("ada", "clicked_on", item, id=number)["waiting"]
        engine._inbox._closed = True
        engine._inbox.handing_on.release()
    with Engine(shop, on_disk(tmp_path), Clock()) as engine:
        until(lambda: len(engine._inbox.waiting) == 0)
        events = engine._inbox.visit("ada").events
        assert [event.id for event in events] == ["ada/1", "ada/2", "ada/3"]
        held = engine._backend.state.held
        assert held is not None and [event.item_id for event in held.log()] == [item] * 3


# -- refresh and forget -----------------------------------------------------------------------------------------------


def test_refresh_under_readers(shop: Shop, tmp_path: Path) -> None:
    with Engine(shop, on_disk(tmp_path), Clock()) as engine:
        jackets = of_category(engine, "jackets")
        for number in range(30):
            engine.take(f"s{number}", "clicked_on", jackets[-1])
        problems: list[object] = []
        asked = 0
        done = threading.Event()

        def read() -> None:
            nonlocal asked
            while not done.is_set():
                try:
                    answers = [
                        engine.for_you("s1"), engine.similar(jackets[0]), engine.also_bought(jackets[:2]),
                        engine.popular(), engine.buy_again("s1"), engine.complete_the_look(jackets[0]),
                    ]  # fmt: skip
                    problems.extend(one for one in answers if one.degraded)
                    problems.extend(one for one in answers[:4] if len(one) != 10)
                    asked += len(answers)
                except Exception as error:
                    problems.append(error)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        before = engine.popular(1000)
        refreshing = threading.Thread(target=engine.refresh)
        refreshing.start()
        until(engine._backend._refreshing.locked)
        with pytest.raises(Busy):
            engine.refresh()
        engine.put_product("N1", {"category": "jackets", "price": 5.0})  # while it trains
        engine.delete_product(jackets[3])
        refreshing.join()
        done.set()
        for reader in readers:
            reader.join()
        assert not problems and asked > 0
        after = dict(zip(engine.popular(1000).item_ids, engine.popular(1000).scores, strict=True))
        was = dict(zip(before.item_ids, before.scores, strict=True))
        assert after[jackets[-1]] == was[jackets[-1]] + 30  # the live events are in the training log
        assert "N1" in after and jackets[3] not in after


def test_forget_leaves_nothing(shop: Shop, tmp_path: Path) -> None:
    with Engine(shop, on_disk(tmp_path), Clock()) as engine:
        item = of_category(engine, "jackets")[0]
        for kind in ("clicked_on", "put_to_cart", "buy"):
            engine.take("private-ada", kind, item)
        engine.take("bob", "clicked_on", item)
        engine.refresh()
        assert len(engine.lookalikes("private-ada")) == 10
        assert engine.forget("private-ada") == 3
        assert engine.session("private-ada")["events"] == [] and engine.cart("private-ada") == []
        assert engine.buy_again("private-ada").item_ids == ()
        assert "private-ada" not in engine.lookalikes("bob", 1000).item_ids
        engine._inbox.handing_on.acquire()
        cut_off(engine)
        engine.take("private-ada", "clicked_on", item)
        with pytest.raises(Away):
            engine.forget("private-ada")
        engine._inbox.handing_on.release()
        until(lambda: engine.health()["state"] == "ok")
        engine.forget("private-ada")
        engine.refresh()
    for file in tmp_path.iterdir():
        assert b"private-ada" not in file.read_bytes(), file.name


# -- other shops ------------------------------------------------------------------------------------------------------


def few(events: list[tuple[str, str, str]], ids: list[str]) -> Shop:
    rows = pd.DataFrame(events, columns=["user_id", "item_id", "event_type"])
    rows["timestamp"] = NOW - 10_000_000 + np.arange(len(rows)) * 1000
    return Shop.from_frames(pd.DataFrame({"item_id": ids}), rows)


CLICKS = [(f"u{n % 12}", f"p{(n * 5 + n % 3) % 20}", "clicked_on") for n in range(240)]


@pytest.mark.parametrize("bought", [False, True])
def test_a_shop_of_ids_alone(bought: bool) -> None:
    events = [*CLICKS, *((user, item, "buy") for user, item, _ in CLICKS[::9])] if bought else CLICKS
    with Engine(few(events, [f"p{n}" for n in range(20)]), Settings(encoder=False), Clock()) as engine:
        assert len(engine.for_you("new", 5)) == len(engine.popular(5)) == len(engine.similar("p1", 5)) == 5
        engine.take("ada", "clicked_on", "p1")
        engine.take("ada", "put_to_cart", "p2")
        after = engine.for_you("ada", 5)
        assert len(after) == 5 and not {"p1", "p2"} & set(after.item_ids)
        assert len(engine.also_bought(["p2"], 5)) == 5 and engine.cart("ada") == ["p2"]
        assert engine.complete_the_look("p1").item_ids == () and engine.session("ada")["taste"] == []
        for by in ("popular", "item-knn", "event-weighted"):
            assert len(engine.for_you("ada", 5, by=by)) == 5
        assert engine.put_product("new", {}) is True and "new" in engine.popular(100).item_ids
        engine.delete_product("p3")
        engine.refresh()
        assert "p3" not in engine.popular(100).item_ids and b'"name":"p1"' in engine.card("p1")


def test_a_shop_where_nothing_has_happened() -> None:
    shop = few([], ["b", "a"])
    with Engine(shop, Settings(switch=("live", "popular"), encoder=False), Clock()) as engine:
        assert engine.for_you("ada").item_ids == engine.popular().item_ids == ("a", "b")
        engine.take("ada", "clicked_on", "a")
        assert engine.for_you("ada").item_ids == ("b",)
        assert engine.similar("a").item_ids == ("b",) and engine.also_bought(["a"]).item_ids == ("b",)
        assert engine.buy_again("ada").item_ids == ()
        engine.refresh()
        assert engine.health()["status"] == "ok"


# -- what is remembered of shoppers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["memory", "sqlite"])
def test_what_is_remembered_is_what_the_state_says(
    shop: Shop, tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recsys_lab.shop.memo.LOOK", 0.0)  # another process's events count at once
    clock, rng, turns = Clock(), np.random.default_rng(4), 250
    kinds = ["clicked_on", "clicked_on", "put_to_cart", "removed_from_cart", "buy", "impression"]
    with ExitStack() as held:
        engine = held.enter_context(Engine(shop, QUICK if state == "memory" else on_disk(tmp_path), clock))
        memo, visit, reads = engine._backend.memo, engine._inbox.visit, []
        engine._inbox.visit = lambda shopper: reads.append(shopper) or visit(shopper)  # type: ignore[method-assign]
        other = None  # process
        if state == "sqlite":
            made = [*READ]
            other = held.enter_context(Live(engine.settings.state, shop, made, idle_ms=IDLE_MS, recent=RECENT))
        items, people, kept = engine.products(limit=40)[0], ["ada", "bob", "cleo"], 0
        for turn in range(turns):
            who, item, what = people[rng.integers(3)], items[rng.integers(40)], rng.integers(20)
            clock.now += int(rng.integers(30))
            if what == 0:
                engine.put_product(item, {"price": float(rng.integers(5, 90)), "in_stock": bool(rng.random() < 0.8)})
            elif what == 1 and other is not None:
                other.take(Event(who, item, "clicked_on", clock() - turn % 50, "-", id=f"{who}/other {turn}"))
            elif what == 2:
                engine.take(who, "clicked_on", item, timestamp=clock() - 500)  # late
            elif what == 3:
                engine.take(who, "put_to_cart", item, id="again")
            elif what == 4 and turn % 3 == 0:
                engine.forget(who)
            elif what == 5:
                engine.take_many([(who, "clicked_on", item), ("bob", "buy", item), (who, "put_to_cart", items[0])])
            elif what == 6 and turn % 4 == 0:
                engine.refresh()
            elif what < 16:
                engine.take(who, kinds[rng.integers(len(kinds))], item)
            for one in people:
                asked, where = len(reads), [None, field("price") < 60][turn % 2]
                found = engine.for_you(one, 15, where=where)
                kept += len(reads) == asked
                assert memo.known(one, clock.now, lambda one=one: visit(one)).visit == visit(one), (turn, what)
                memo._keeps = False
                assert found == engine.for_you(one, 15, where=where), (turn, what)
                memo._keeps = True
        assert kept > 2 * turns and engine.failures == {}  # of the three lists of each turn


def test_another_process_is_seen(shop: Shop, tmp_path: Path) -> None:
    def agree(shopper: str) -> bool:
        return engine.for_you(shopper).item_ids == other.for_you(shopper).item_ids != nobody.item_ids

    with Engine(shop, on_disk(tmp_path), clock := Clock()) as engine, Engine(shop, on_disk(tmp_path), clock) as other:
        jackets = of_category(engine, "jackets")
        nobody = engine.for_you("nobody")
        for item in jackets[:3]:
            other.take("ada", "clicked_on", item)
            until(lambda: agree("ada"), 0.5)
        engine.for_you("bob")
        other.forget("ada")
        other.take("bob", "clicked_on", jackets[0])  # its number in the log has been given before
        until(lambda: agree("bob"), 0.5)
        clock.now += 1001
        assert engine.for_you("ada").item_ids == nobody.item_ids


def test_what_cannot_be_asked_is_not_remembered(shop: Shop, tmp_path: Path) -> None:
    with Engine(shop, on_disk(tmp_path), Clock()) as engine:
        engine.take("ada", "clicked_on", of_category(engine, "jackets")[0])
        before, memo = engine.for_you("ada"), engine._backend.memo
        assert memo._held and memo._log is not None
        memo._log._db.close()
        time.sleep(LOOK)
        assert engine.for_you("ada") == before and engine.failures == {"memo": 1}
        assert engine.for_you("ada") == before and "ada" in memo._held and engine.failures == {"memo": 1}
