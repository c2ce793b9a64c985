"""The live state in memory and SQLite: any stream, its replay, deletion, expiry, threads and clear errors."""

from __future__ import annotations

import random
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_lab.datasets import DAY_MS, DataError, Event
from recsys_lab.realtime import Live, LiveError, Popularity, SessionVector, Taken, Visit
from recsys_lab.realtime.state import record
from recsys_lab.spaces import CategorySpace, SpaceIndex
from tests.realtime_streams import IDLE, RECENT, SHOP, accumulators, expected, live, once, streams


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


INDEX = SpaceIndex({"category": CategorySpace("category")}).add(SHOP.products)


def click(shopper: str, item: str, at: int, id: str = "", session: str = "s") -> Event:
    return Event(shopper, item, "clicked_on", at, f"{shopper}/{session}", {}, id)


@settings(max_examples=150, deadline=None)
@given(streams())
def test_any_stream_leads_to_the_state_that_the_definition_says(stream: list[Event]) -> None:
    with live() as shop:
        taken = [shop.take(event) for event in stream]
        state = shop.state()
        assert state == expected(stream, shop)
        assert state == shop.replay().state()
        assert [event.id for event in shop.log()] == once(stream)
        assert sum(one.new for one in taken) == len(once(stream))


@settings(max_examples=25, deadline=None)
@given(streams(15), st.booleans())
def test_sqlite_holds_the_same_and_so_does_its_replay(folder: Path, stream: list[Event], together: bool) -> None:
    path = folder / "live.db"
    for old in folder.glob("live.db*"):
        old.unlink()
    with live() as memory, live(f"sqlite://{path}") as embedded:
        if together:
            assert memory.take_many(stream) == embedded.take_many(stream)
        else:
            assert [memory.take(event) for event in stream] == [embedded.take(event) for event in stream]
        state = embedded.state()
        assert state == memory.state() == embedded.replay().state()
    with live(f"sqlite://{path}") as again:
        assert again.state() == state
        assert [event.id for event in again.log()] == once(stream)
    with live(f"sqlite://{path}", rebuild=True) as anew:
        assert anew.state() == state


@settings(max_examples=60, deadline=None)
@given(streams(), st.sampled_from(["u", "w:*/"]))
def test_who_is_forgotten_was_never_there(stream: list[Event], gone: str) -> None:
    with live() as shop:
        shop.take_many(stream)
        many = shop.forget(gone)
        assert many == len({event.id for event in shop.replay().log()} ^ set(once(stream)))
        assert all(event.user_id != gone for event in shop.log())
        assert shop.state() == shop.replay().state()
        assert shop.visit(gone, 0) == Visit(gone)


def test_forgetting_leaves_no_byte_in_the_file(tmp_path: Path) -> None:
    with live(f"sqlite://{tmp_path}/live.db") as shop:
        shop.take_many([click("v", "abc"[at % 3], at) for at in range(60)])
        shop.take_many([click("u", "abc"[at % 3], at, id=f"secret-{at}") for at in range(60)])
        assert any(b"secret-" in file.read_bytes() for file in tmp_path.iterdir())
        assert shop.forget("u") == 60
        assert not any(b"secret-" in file.read_bytes() for file in tmp_path.iterdir())
        assert shop.state() == shop.replay().state()
        assert len(list(shop.log())) == 60


@pytest.mark.parametrize("seed", [8, 9])  # with these, deleting rows alone leaves some behind
def test_forgetting_leaves_no_byte_between_split_pages_either(seed: int, tmp_path: Path) -> None:
    rng, late = random.Random(seed), random.Random(seed)
    times = sorted(rng.randrange(6000) for _ in range(2000))
    stream = [
        click(
            f"shopper-{rng.randrange(40)}!",
            rng.choice("abc"),
            at if rng.random() > 0.1 else max(0, at - rng.randrange(300)),
        )
        for at in times
    ]
    arrived = sorted((at + (late.random() * 300 if late.random() < 0.1 else 0), at) for at in range(2000))
    with live(f"sqlite://{tmp_path}/live.db") as shop:
        for start in range(0, 2000, 50):
            shop.take_many([stream[at] for _, at in arrived[start : start + 50]])
        for gone in [f"shopper-{number}!" for number in range(0, 40, 7)]:
            shop.forget(gone)
            assert not any(gone.encode() in file.read_bytes() for file in tmp_path.iterdir()), gone
        assert shop.state() == shop.replay().state()
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())  # closing has written the log into the file
    assert b"shopper-1!" in left
    assert not any(f"shopper-{number}!".encode() in left for number in range(0, 40, 7))


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_late_event_makes_the_record_anew_in_the_order_of_time(kind: str, tmp_path: Path) -> None:
    with live("memory://" if kind == "memory" else f"sqlite://{tmp_path}/live.db") as shop:
        shop.take(click("u", "a", 100))
        assert shop.take(click("u", "b", 100 + IDLE + 20)) == Taken(new=True, late=False)
        assert [event.item_id for event in shop.visit("u", 180).events] == ["b"]  # the pause was too long
        assert shop.take(click("u", "c", 130)) == Taken(new=True, late=True)
        visit = shop.visit("u", 180)  # it closes the gap: what was given up comes back from the log
        assert [event.item_id for event in visit.events] == ["a", "c", "b"]
        assert visit.own["@start"] == 100
        assert [event.item_id for event in shop.log()] == ["a", "b", "c"]


def test_a_record_that_was_given_up_comes_back_when_the_shopper_does(tmp_path: Path) -> None:
    with live(f"sqlite://{tmp_path}/live.db") as shop:
        shop.take(click("u", "a", 1000))
        shop.take(click("v", "a", 1000 + 3 * IDLE))  # the shop's time has gone on
        shop.expire(1000 + 3 * IDLE)
        assert "u" not in shop.state().shoppers
        shop.take(click("u", "b", 1000 + IDLE))  # not late for u
        assert [event.item_id for event in shop.visit("u", 1000 + IDLE).events] == ["a", "b"]
        assert shop.state() == shop.replay().state()


def test_idle_shoppers_and_faded_cells_are_deleted_as_events_come(tmp_path: Path) -> None:
    path = tmp_path / "live.db"
    with live(f"sqlite://{path}") as shop:
        shop.take_many([click(f"shopper {at}", "a", at * 10) for at in range(300)])
        assert len(shop.state().shoppers) == IDLE // 10 + 1
    with sqlite3.connect(path) as db:
        kept, tables = db.execute("SELECT count(*), count(DISTINCT tab) FROM numbers").fetchone()
    assert tables < 60, "what has ended is still there"
    assert kept < 200


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_eight_threads_lose_nothing(kind: str, tmp_path: Path) -> None:
    with live("memory://" if kind == "memory" else f"sqlite://{tmp_path}/live.db") as shop:
        rng = random.Random(0)
        parts = [
            [click(rng.choice("uv"), rng.choice("abc"), rng.randrange(300), f"{thread}/{at}") for at in range(25)]
            for thread in range(8)
        ]
        errors: list[Exception] = []

        def write(part: list[Event]) -> None:
            try:
                for event in part:
                    shop.take(event)
                    shop.features(event.user_id, ["a", "b"], event.timestamp)
            except Exception as error:  # shown below
                errors.append(error)

        threads = [threading.Thread(target=write, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert sum(shop.table("popularity").values()) == 200
        assert shop.state() == expected([event for part in parts for event in part], shop)


def test_an_event_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    class Broken(Popularity):
        name = "broken"

        def update(self, event: Event, facts: object) -> Iterator[object]:  # type: ignore[override]
            from recsys_lab.realtime import Add

            yield Add("popularity", event.item_id)
            yield Add("popularity", "b", 2**63)  # more than the table can hold

    with Live(f"sqlite://{tmp_path}/live.db", accumulators=[Broken()]) as shop:
        with pytest.raises(OverflowError):
            shop.take(click("u", "a", 1))
        assert list(shop.log()) == []
        assert shop.table("popularity") == {}


def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    with live(f"sqlite://{tmp_path}/live.db") as shop:
        store: Any = shop._store
        shop.take(click("u", "a", 1))
        pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
        store._writer.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(LiveError, match=r"cannot be written \(database or disk is full\)"):
            for at in range(2, 200):
                shop.take(click("u", "abcd"[at % 4], at))
        taken = len(list(shop.log()))
        assert 1 <= taken < 199
        assert shop.state() == shop.replay().state()
        store._writer.execute("PRAGMA max_page_count=1000000")
        assert shop.take(click("u", "b", 500)).new  # the same connection goes on
        assert len(list(shop.log())) == taken + 1


# -- what cannot be taken ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (click("u", "boot", 5), "boot"),
        (click("u", "a", 1_700_000_000_000_000), "milliseconds"),
        (click("u", "a", 5, id="a\0b"), "zero byte"),
        (click("\ud800", "a", 5), "half a character"),
        (Event("u", "a", "buy", 5, "s", {"note": "\udfff"}, "x"), "event_attr"),
    ],
)
def test_bad_events_are_refused_before_anything_is_written(event: Event, said: str) -> None:
    with live() as shop:
        with pytest.raises(DataError, match=said):
            shop.take(event)
        with pytest.raises(DataError, match=said):
            shop.take_many([click("u", "a", 1), event])
        assert list(shop.log()) == []


def test_a_service_refuses_the_far_future() -> None:
    with live(clock=lambda: 1_000) as shop:
        assert shop.take(click("u", "a", 1_000 + DAY_MS)).new
        with pytest.raises(DataError, match="more than a day after now"):
            shop.take(click("u", "a", 1_001 + DAY_MS))


def test_impressions_do_not_push_out_what_the_shopper_did(tmp_path: Path) -> None:
    for url in ("memory://", f"sqlite://{tmp_path}/live.db"):
        with live(url) as shop:
            shop.take(click("u", "a", 5))
            shop.take_many([Event("u", "b", "impression", 6 + at, "u/s") for at in range(2 * RECENT)])
            visit = shop.visit("u", 20)
            assert [event.item_id for event in visit.events] == ["a"]
            assert visit.last_ms == 5 + 2 * RECENT


def test_clear_errors(tmp_path: Path) -> None:
    with live() as shop, pytest.raises(TypeError, match="dict is no Event"):
        shop.take({"user_id": "u"})  # type: ignore[arg-type]
    with pytest.raises(LiveError, match="no address"):
        Live("mysql://somewhere")
    with pytest.raises(LiveError, match="names no file"):
        Live(f"sqlite://{tmp_path}/not/there/live.db")
    with pytest.raises(ValueError, match="popularity is there more than once"):
        Live(accumulators=[Popularity(), Popularity()])
    with pytest.raises(ValueError, match="recent 0"):
        Live(recent=0)
    with live() as shop, pytest.raises(LiveError, match="top needs a shop"):
        shop.top("u", now_ms=5)
    with live() as shop, pytest.raises(ValueError, match="'beauty' is none of popularity"):
        shop.best("beauty", "u", ["a"], 5)


def test_state_of_other_accumulators_is_refused_until_it_is_made_anew(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/live.db"
    with Live(url, SHOP, [Popularity()]) as one:
        one.take(click("u", "a", 5))
    with pytest.raises(LiveError, match="rebuild=True"):
        live(url)
    with live(url, rebuild=True) as other:
        assert other.state() == other.replay().state()
        assert other.visit("u", 5).own["item_id/a"] == 1
    with live(url) as again:
        assert len(list(again.log())) == 1

    class Mine(Popularity):
        name = "mine"

    other_url = f"sqlite://{tmp_path}/mine.db"
    for _ in range(2):  # the same accumulator, made twice
        with Live(other_url, SHOP, [Mine(), SessionVector(INDEX)]) as again:
            again.take(click("u", "a", 5))
    with Live(other_url, SHOP, [Mine()]) as again:  # what writes nothing may come and go
        assert again.table("popularity") == {"a": 1}


def test_a_record_depends_on_order_and_the_rules_say_which() -> None:
    with live() as shop:
        events = [click("u", "a", 10, "2"), click("u", "b", 10, "1")]
        own, recent = record(sorted(events, key=lambda event: (event.timestamp, event.id)), shop._rules)
        assert [event.id for event in recent] == ["1", "2"]
        assert own["met/a"] == 10
        shop.take_many([click("u", "abcd"[at % 4], at, f"{at:02d}") for at in range(20)])
        assert len(shop.visit("u", 20).events) == RECENT
    assert len(accumulators()) >= 12
