"""Erasing a shopper from servers: PostgreSQL and Redis, down to the bytes of their files."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_lab.datasets import Event, Shop
from recsys_lab.factors import Factors
from recsys_lab.own import erase
from recsys_lab.patterns import Patterns, refresh_shop, rollback_shop
from recsys_lab.patterns.nightly import ALIASES, SHOPPERS
from recsys_lab.realtime import Live, Visit
from recsys_lab.shop import Engine, Settings
from recsys_lab.shop.backend import READ
from recsys_lab.shop.memo import IDLE_MS, RECENT
from recsys_lab.stores import BaseStore, open_store, versions
from tests.erasing import ADA, PEOPLE, START, private_shop, traces

SMALL = {"factors": 4, "iterations": 3}
END = START + 50 * 86_400_000


@pytest.fixture(scope="module")
def shop() -> Shop:
    return private_shop()


@pytest.fixture(scope="module")
def models(shop: Shop) -> list[Factors]:
    return [Factors(**SMALL, random_state=seed).fit(shop) for seed in range(2)]


@pytest.fixture(params=["postgres", "redis"])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server that other tests use as well: what they left in it is theirs."""
    held = request.getfixturevalue(f"{request.param}_server")
    with open_store(held.url) as store:
        theirs = set(store.collections())
    yield held
    with open_store(held.url) as store:
        for name in ALIASES:
            store.alias(name).remove()
        for name in set(store.collections()) - theirs:
            store.drop(name)


def answers(store: BaseStore, people: list[str]) -> list[object]:
    ask = Patterns(store.alias("items"), store.alias(SHOPPERS), likeness=store.alias("likeness"))
    told: list[object] = [[ask.for_you(user), ask.buy_again(user, END)] for user in people]
    return [*told, *([one for one in ask.lookalikes(user, 40).item_ids if one != ADA] for user in people)]


def soon(done: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_every_generation_on_a_server(shop: Shop, models: list[Factors], server: Any) -> None:
    with open_store(server.url) as store:
        for model in models:
            refresh_shop(store, shop, model, keep=1)
        people = PEOPLE[1:6]
        before = answers(store, people)
        dry = erase(ADA, store=server.url, dry_run=True)
        assert dry.total == 2 == len(versions(store, SHOPPERS)) and ADA in store.alias(SHOPPERS).get([ADA])
        done = erase(ADA, store=server.url)
        assert done.removed == dry.removed
        assert answers(store, people) == before
        rollback_shop(store)
        assert store.alias(SHOPPERS).get([ADA, "u1"]).keys() == {"u1"}
        assert erase(ADA, store=store).total == 0 and erase("nobody", store=server.url).total == 0


@pytest.mark.parametrize("crashing_server", ["redis"], indirect=True)
def test_redis_keeps_no_byte(shop: Shop, models: list[Factors], crashing_server: Any) -> None:
    """Log, state and vectors on one server, its append-only file, and a picture of its memory."""
    import redis

    folder, url = Path(crashing_server.folder), crashing_server.url
    with redis.Redis.from_url(url) as client, open_store(url) as store:
        client.config_set("slowlog-log-slower-than", 0)  # every command is kept, with what it says
        for model in models:
            refresh_shop(store, shop, model, keep=1)
        more = store.collection("our_shoppers", dim=2)
        payloads = [{"name": f"name of {ADA}", "city": "Ghent"}, {"name": "Bob", "city": "Ghent"}]
        more.upsert([ADA, "u1"], np.eye(2), payloads)
        for way in ({"accumulators": [*READ], "idle_ms": IDLE_MS, "recent": RECENT}, {}):
            with Live(url, **way) as live:
                live.take_many(events())
                before = live.visit("u1", START)
            assert traces(folder, but=("log",))
            done = erase(ADA, live=url, store=url)
            assert not any(ADA.encode() in one["command"] for one in client.slowlog_get(1000))
            assert done.removed["log: events"] == 20 and done.removed["live state: records"] == 1
            with Live(url, **way) as live:
                assert live.visit("u1", START) == before and live.visit(ADA, START) == Visit(ADA)
                assert live.replay().state() == live.state() and not any(one.user_id == ADA for one in live.log())
            soon(lambda: not traces(folder, but=("log",)))
            assert erase(ADA, live=url, store=url).total == 0
            client.delete(*client.keys("live:shop:*"))
        client.save()  # a picture of the memory itself
        assert traces(folder, but=("log",)) == [] and (folder / "dump.rdb").is_file()
        assert more.get(["u1"])["u1"].payload == payloads[1]
        assert more.search([0, 1], where=None).item_ids == ("u1",)
        assert erase("u1", store=url).removed["store: points of our_shoppers"] == 1
        assert not any(b"Ghent".hex().encode() in key for key in client.smembers("recsys:texts:our_shoppers:city"))
    crashing_server.restart()
    with open_store(url) as store:
        assert store.alias(SHOPPERS).get([ADA]) == {}


def events() -> list[Event]:
    return [
        Event(user, f"p{at % 5}", "clicked_on", START + at, f"{user}/1", id=f"{user}/{at}")
        for at in range(20)
        for user in (ADA, "u1", "u2")
    ]


def test_the_embedded_postgres_keeps_no_byte(shop: Shop, models: list[Factors], server_folder: Path) -> None:
    """Neither in tables and their statistics, nor in the write-ahead log."""
    folder = Path(tempfile.mkdtemp(dir=server_folder)) / "own"
    url = f"postgresql+embedded://{folder}"
    with open_store(url) as store:
        for model in models:
            refresh_shop(store, shop, model, keep=1)
        for name in versions(store, SHOPPERS):  # written last, so that nobody's row moves over hers in a vacuum
            mine = store._reopen(name).get([ADA])[ADA]
            store._reopen(name).upsert([ADA], [mine.vector], [mine.payload])
        with store.guard() as connection:  # type: ignore[attr-defined]
            for name in versions(store, SHOPPERS):
                connection.execute(f"ANALYZE recsys_points_{name}")  # as the database does from time to time
            bounds = str(connection.execute("SELECT histogram_bounds FROM pg_stats WHERE attname = 'id'").fetchall())
            connection.execute("CHECKPOINT")
        assert ADA in bounds  # the statistics know her too
        where = " ".join(traces(folder))
        assert "base/" in where and "pg_wal/" in where
        before = answers(store, PEOPLE[1:4])
        done = erase(ADA, store=store)
        assert done.total == 2 and not any("PostgreSQL" in one for one in done.remains)
        assert traces(folder) == []
        assert answers(store, PEOPLE[1:4]) == before
        with store.guard() as connection:  # type: ignore[attr-defined]
            assert connection.execute("SHOW wal_recycle").fetchone() == ("on",)
    with open_store(url) as store:
        assert store.alias(SHOPPERS).get([ADA, "u1"]).keys() == {"u1"}
    assert traces(folder) == []


def test_an_old_transaction_keeps_rows_and_is_told(shop: Shop, models: list[Factors], postgres_server: Any) -> None:
    import psycopg

    base = Path(postgres_server.folder) / "base"
    with open_store(postgres_server.url) as store, psycopg.connect(postgres_server.url) as old:
        theirs = set(store.collections())
        refresh_shop(store, shop, models[0], keep=0)
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM recsys_collections")
        told = " ".join(erase(ADA, store=store).remains)
        assert "a transaction that began before still sees 1 deleted rows" in told and "write-ahead log" in told
        old.rollback()
        again = erase(ADA, store=store)  # nothing is there any more, and its bytes are looked after all the same
        assert again.total == 0 and "began before" not in " ".join(again.remains)
        with store.guard() as connection:  # type: ignore[attr-defined]
            connection.execute("VACUUM FULL pg_catalog.pg_statistic")
            connection.execute("CHECKPOINT")
        assert traces(base) == []
        for name in ALIASES:
            store.alias(name).remove()
        for name in set(store.collections()) - theirs:
            store.drop(name)


@pytest.mark.parametrize("crashing_server", ["redis"], indirect=True)
def test_a_live_shop_on_servers(shop: Shop, crashing_server: Any, tmp_path: Path) -> None:
    """Events that wait while the state is away are erased too, and the shop that comes back does not bring them."""
    url = crashing_server.url
    settings = Settings(state=url, store=url, folder=tmp_path, switch=("live", "repeat"), encoder=False)
    with Engine(shop, settings, lambda: END) as engine:
        engine.take(ADA, "buy", "p1")
        engine.take("u1", "buy", "p1")
        with contextlib.suppress(Exception):
            crashing_server.kill()
        assert engine.take(ADA, "buy", "p2")["waiting"]
    crashing_server.start()
    done = erase(ADA, live=url, store=url, waiting=tmp_path)
    assert done.removed["waiting: events"] == 1 and done.removed["log: events"] == 1
    assert done.removed["store: points of shoppers__000001"] == 1
    assert traces(tmp_path) == []
    fresh = Shop(
        "without", shop.products, shop.shoppers[shop.shoppers["user_id"] != ADA],
        shop.events[shop.events["user_id"] != ADA].reset_index(drop=True),
    )  # fmt: skip
    with Engine(fresh, settings, lambda: END) as engine:
        assert engine.session(ADA)["events"] == [] and engine.buy_again(ADA).item_ids == ()
        assert engine.for_you(ADA, by="repeat") == engine.for_you("nobody", by="repeat")
        assert [event.user_id for event in engine._backend.state.get().log()] == ["u1"]
    soon(lambda: not traces(Path(crashing_server.folder), but=("log",)))
