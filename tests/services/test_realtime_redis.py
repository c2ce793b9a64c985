"""The live state in Redis: the same as in memory, one round trip an event, exact under eight writers, bounded."""

from __future__ import annotations

import multiprocessing
import random
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_lab.datasets import Event
from recsys_lab.realtime import Live, LiveError, Popularity, Visit
from tests.realtime_streams import IDLE, SHOP, live, once, streams


@pytest.fixture
def client(redis_server: Any) -> Any:
    with redis.Redis.from_url(redis_server.url) as made:
        yield made


def click(shopper: str, item: str, at: int, id: str = "") -> Event:
    return Event(shopper, item, "clicked_on", at, f"{shopper}/1", {"position": 1}, id)


def fresh(server: Any, **more: Any) -> Live:
    """A `Live` under a name that nobody has used."""
    return live(server.url, name=uuid.uuid4().hex, **more)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(streams(20), st.booleans())
def test_redis_holds_what_memory_holds_and_so_does_its_replay(
    redis_server: Any, stream: list[Event], together: bool
) -> None:
    name = uuid.uuid4().hex
    with live() as memory, live(redis_server.url, name=name) as server:
        if together:
            assert memory.take_many(stream) == server.take_many(stream)
        else:
            assert [memory.take(event) for event in stream] == [server.take(event) for event in stream]
        state = memory.state()
        assert server.state() == state
        assert server.replay().state() == state
        assert [event.id for event in server.log()] == once(stream)
        now = max((event.timestamp for event in stream), default=0)
        for shopper in ("u", "v", "w:*/", "nobody"):
            assert server.visit(shopper, now) == memory.visit(shopper, now)
            assert server.features(shopper, ["a", "d"], now).equals(memory.features(shopper, ["a", "d"], now))
    with live(redis_server.url, name=name, rebuild=True) as anew:
        assert anew.state() == state


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(streams(15), st.sampled_from(["u", "w:*/"]))
def test_who_is_forgotten_was_never_there(redis_server: Any, stream: list[Event], gone: str) -> None:
    with fresh(redis_server) as server, live() as memory:
        server.take_many(stream)
        memory.take_many(stream)
        assert server.forget(gone) == memory.forget(gone)
        assert server.state() == server.replay().state() == memory.state()
        assert [event.id for event in server.log()] == [event.id for event in memory.log()]
        assert server.visit(gone, 0) == Visit(gone)


@pytest.mark.parametrize("crashing_server", ["redis"], indirect=True)
def test_forgetting_leaves_no_byte_in_memory_or_in_the_file(crashing_server: Any) -> None:
    def holds() -> bool:
        files = [file for file in Path(crashing_server.folder).rglob("*") if file.is_file() and file.name != "log"]
        return any(b"secret-" in file.read_bytes() for file in files)

    with fresh(crashing_server) as server, redis.Redis.from_url(crashing_server.url) as client:
        server.take_many([click("v", "abc"[at % 3], at) for at in range(60)])
        server.take_many([click("u", "abc"[at % 3], at, id=f"secret-{at}") for at in range(60)])
        assert holds()
        assert server.forget("u") == 60
        while client.info("persistence")["aof_rewrite_in_progress"]:
            pass
        assert not holds()
        client.config_set("save", "")
        client.execute_command("SAVE")  # a picture of the memory itself
        assert not holds()
        assert server.state() == server.replay().state()


def test_one_round_trip_an_event_whatever_the_number_of_accumulators(redis_server: Any, client: Any) -> None:
    """By the server's own count: calls of the function, and how often it read from a socket."""
    few = Live(redis_server.url, SHOP, [Popularity()], name=uuid.uuid4().hex)
    for shop in (few, fresh(redis_server)):
        events = [click("u", "abc"[at % 3], at) for at in range(200)]
        shop.take(events[0])
        client.config_resetstat()
        before = client.info("stats")["total_reads_processed"]
        for event in events[1:]:
            shop.take(event)
        reads = client.info("stats")["total_reads_processed"] - before
        calls = {name: held["calls"] for name, held in client.info("commandstats").items()}
        assert calls["cmdstat_fcall"] == len(events) - 1
        assert "cmdstat_fcall_ro" not in calls and "cmdstat_eval" not in calls
        assert calls["cmdstat_xadd"] == len(events) - 1  # one line each, and inside of the function
        assert len(events) - 1 <= reads <= len(events) + 2  # ours, and those of the three that look
        shop.close()


def _write(url: str, name: str, events: Sequence[Event]) -> None:
    with Live(url, SHOP, name=name) as shop:
        for event in events:
            shop.take(event)


def eight_writers(url: str, each: int, shoppers: int) -> None:
    rng = random.Random(0)
    parts = [
        [
            click(
                f"s{rng.randrange(shoppers)}", rng.choice("abcd"), 1_000 * at + rng.randrange(3_000), f"{writer}/{at}"
            )
            for at in range(each)
        ]
        for writer in range(8)
    ]
    parts = [part + parts[writer - 1][: each // 20] for writer, part in enumerate(parts)]  # a neighbour's, sent again
    name = uuid.uuid4().hex
    with Live(url, SHOP, name=name):  # the functions are there before the eight come
        pass
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=_write, args=(url, name, part)) for part in parts]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert [one.exitcode for one in writers] == [0] * 8
    events = {event.id: event for part in parts for event in part}
    with Live(url, SHOP, name=name) as shop:
        logged = [event.id for event in shop.log()]
        assert len(logged) == len(set(logged)) == len(events) == 8 * each
        assert shop.table("popularity") == Counter(event.item_id for event in events.values())
        assert sum(shop.table("ctr/clicked").values()) == 8 * each
        assert shop.state() == shop.replay().state()


def test_eight_processes_lose_no_event(redis_server: Any) -> None:
    eight_writers(redis_server.url, 500, shoppers=200)


def test_eight_processes_share_one_sqlite_file(tmp_path: Path) -> None:
    eight_writers(f"sqlite://{tmp_path}/live.db", 40, shoppers=5)


@pytest.mark.slow
def test_eight_processes_write_fifty_thousand_events(redis_server: Any) -> None:
    eight_writers(redis_server.url, 6_250, shoppers=2_000)


def test_idle_shoppers_are_deleted_as_events_come(redis_server: Any, client: Any) -> None:
    with fresh(redis_server) as shop:
        shop.take_many([click(f"shopper {at}", "a", at * 10) for at in range(500)])
        prefix = shop._store._prefix  # type: ignore[attr-defined]
        assert len(shop.state().shoppers) == IDLE // 10 + 1
        assert client.zcard(prefix + "alive") < 40
        assert len(list(client.scan_iter(prefix + "n:shopper/*"))) == IDLE // 10 + 1
        assert len(list(client.scan_iter(prefix + "recent:*"))) == IDLE // 10 + 1
        shop.take(click("shopper 3", "b", 10 * 3 + IDLE))  # back after the record was deleted, in time by its own clock
        assert [event.item_id for event in shop.visit("shopper 3", 0).events] == ["a", "b"]
        assert shop.state() == shop.replay().state()
        assert shop.expire(10**7) > 0
        assert client.zcard(prefix + "alive") == 0


def test_a_record_that_a_killed_writer_left_torn_is_mended(redis_server: Any, client: Any) -> None:
    with fresh(redis_server) as shop:
        store: Any = shop._store
        shop.take_many([click("u", "a", 5, "1"), click("u", "b", 9, "2")])
        late = click("u", "c", 7, "3")
        mended = store._mend
        store._mend = lambda shopper: None  # the writer is gone before it makes the record anew
        shop.take(late)
        store._mend = mended
        assert [event.item_id for event in shop.visit("u", 9).events] == ["a", "c", "b"]  # nobody reads a wrong one
        assert client.smembers(store._prefix + "torn") == {b"u"}
        store._mend_torn()  # as the next that opens it does
        assert client.smembers(store._prefix + "torn") == set()
        assert shop.state() == shop.replay().state()


def test_functions_that_the_server_has_lost_are_loaded_again(redis_server: Any, client: Any) -> None:
    with fresh(redis_server) as shop:
        shop.take(click("u", "a", 5))
        client.function_flush()
        assert shop.take(click("u", "b", 6)).new
        client.function_flush()
        assert [one.new for one in shop.take_many([click("u", "b", 7), click("u", "c", 8)])] == [True, True]
        assert len(list(shop.log())) == 4


@pytest.mark.parametrize("crashing_server", ["redis"], indirect=True)
def test_a_server_that_could_lose_events_is_refused(crashing_server: Any) -> None:
    with redis.Redis.from_url(crashing_server.url) as client:
        client.config_set("appendfsync", "everysec")
    with pytest.raises(LiveError, match="appendfsync always"):
        fresh(crashing_server)
    with fresh(crashing_server, durable=False) as shop:
        assert shop.take(click("u", "a", 5)).new
        crashing_server.stop()
        with pytest.raises(LiveError, match="send it again"):
            shop.take(click("u", "b", 6))
        crashing_server.start()
        assert shop.take(click("u", "b", 6)).new


def test_no_server_is_a_clear_error() -> None:
    with pytest.raises(LiveError, match="does not answer"):
        Live("redis://127.0.0.1:1/0")
