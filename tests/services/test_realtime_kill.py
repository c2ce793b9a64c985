"""kill -9 of a writer at random moments: what it was told is in the log once, and the state is what the log says."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recsys_lab.datasets import Event
from recsys_lab.realtime import Live, LiveError
from tests.realtime_streams import live


def events(seed: int) -> Iterator[Event]:
    """Without end: three shoppers, one event in four late, one in ten sent twice."""
    rng = random.Random(seed)
    now = seed * 10_000
    last: Event | None = None
    for number in range(10**9):
        now += rng.choice([1, 1, 1, 20, 90])
        time_of = max(0, now - rng.choice([0, 0, 0, 50]))
        if last is not None and rng.random() < 0.1:
            yield last
        shopper = rng.choice("uv")
        last = Event(
            shopper, rng.choice("abcd"), "clicked_on", time_of, f"{shopper}/1", {"position": 2}, f"{seed}/{number}"
        )
        yield last


def write_until_killed(url: str, seed: int, tell: int) -> None:
    """A child's life: take events, and write down the id of each that was acknowledged."""
    with live(url) as shop:
        for event in events(seed):
            shop.take(event)
            os.write(tell, event.id.encode() + b"\n")


def one_kill(url: str, seed: int, rng: random.Random) -> list[str]:
    """Let a writer run, kill it, and return the ids that it was told are taken."""
    hear, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(hear)
            write_until_killed(url, seed, tell)
        finally:
            os._exit(1)
    os.close(tell)
    with os.fdopen(hear, "rb") as told:
        first = told.readline()
        assert first, "the writer ended by itself before it was killed"
        time.sleep(rng.uniform(0, 0.08))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the writer ended by itself before it was killed"
        lines = (first + told.read()).split(b"\n")
    return [line.decode() for line in lines[:-1]]  # an id that is cut off was not told


def kill_again_and_again(url: str, times: int) -> None:
    rng = random.Random(1)
    acknowledged: set[str] = set()
    under_way = 0
    for seed in range(1, times + 1):
        acknowledged |= set(one_kill(url, seed, rng))
        with live(url) as shop:
            logged = [event.id for event in shop.log()]
            assert len(logged) == len(set(logged)), "an event is there twice"
            assert acknowledged <= set(logged), "an acknowledged event is gone"
            assert shop.state() == shop.replay().state()
        assert len(set(logged) - acknowledged) <= seed, "more than the one under way was not acknowledged"
        under_way = len(set(logged) - acknowledged)
    assert len(acknowledged) > 2 * times
    print(f"{times} kills, {len(acknowledged)} events acknowledged, {under_way} logged and not acknowledged")


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite://{tmp_path}/live.db"
    server: Any = request.getfixturevalue("redis_server")
    import redis

    with redis.Redis.from_url(server.url) as client:
        client.flushdb()
    return str(server.url)


def test_a_killed_writer_loses_nothing_acknowledged(url: str) -> None:
    kill_again_and_again(url, 20)


@pytest.mark.slow
def test_two_hundred_killed_writers(url: str) -> None:
    kill_again_and_again(url, 200)


class Writer(threading.Thread):
    """Writes until the server is gone."""

    def __init__(self, shop: Live, seed: int) -> None:
        super().__init__()
        self.shop, self.seed = shop, seed
        self.acknowledged: list[str] = []

    def run(self) -> None:
        for event in events(self.seed):
            try:
                self.shop.take(event)
            except LiveError:
                return
            self.acknowledged.append(event.id)


@pytest.mark.parametrize("crashing_server", ["redis"], indirect=True)
def test_a_killed_server_loses_nothing_acknowledged(crashing_server: Any) -> None:
    rng = random.Random(2)
    acknowledged: set[str] = set()
    for seed in range(1, 6):
        with live(crashing_server.url) as shop:
            writer = Writer(shop, seed)
            writer.start()
            while not writer.acknowledged:
                time.sleep(0.002)
                assert writer.is_alive(), "the writer gave up before the server was killed"
            time.sleep(rng.uniform(0, 0.1))
            crashing_server.kill()
            writer.join(30)
            assert not writer.is_alive()
        acknowledged |= set(writer.acknowledged)
        crashing_server.start()
        with live(crashing_server.url) as shop:
            logged = [event.id for event in shop.log()]
            assert len(logged) == len(set(logged))
            assert acknowledged <= set(logged)
            assert shop.state() == shop.replay().state()
