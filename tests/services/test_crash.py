"""kill -9 of the server while points are written: each point is old or new, and nothing acknowledged is gone."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import numpy as np
import pytest

from recsys_lab.filters import field
from recsys_lab.stores import BaseCollection, StoreError, open_store

COUNT, DIM = 120, 8
IDS = [f"p{number:03d}" for number in range(COUNT)]


def vectors_of(turn: int, ids: list[str]) -> Any:
    """What the points of a turn look like: payload and vector tell the turn independently of each other."""
    return np.array([np.random.default_rng((turn, int(label[1:]))).normal(size=DIM) for label in ids])


class Writer(threading.Thread):
    """Writes turn after turn, in pieces, until the server is gone; remembers what was acknowledged and begun."""

    def __init__(self, things: BaseCollection, first: int) -> None:
        super().__init__()
        self.things, self.first = things, first
        self.acknowledged: dict[str, int] = {}
        self.begun: dict[str, int] = {}

    def run(self) -> None:
        for turn in itertools.count(self.first):
            for start in range(0, COUNT, 40):
                ids = IDS[start : start + 40]
                self.begun.update(dict.fromkeys(ids, turn))
                try:
                    self.things.upsert(ids, vectors_of(turn, ids), [{"turn": turn, "word": f"w{turn}"}] * len(ids))
                except StoreError:
                    return
                self.acknowledged.update(dict.fromkeys(ids, turn))


def check(things: BaseCollection, writer: Writer) -> int:
    found = things.get(IDS)
    for label, turn in writer.acknowledged.items():
        assert label in found, f"{label} was acknowledged and is gone"
        assert turn <= found[label].payload["turn"] <= writer.begun[label]
    for label, point in found.items():
        turn = point.payload["turn"]
        assert point.payload == {"turn": turn, "word": f"w{turn}"}
        vector = vectors_of(turn, [label])[0]
        assert np.allclose(point.vector, vector / np.linalg.norm(vector), atol=1e-5), f"{label}: half of two values"
        nearest = things.search(vector, 1, (field("turn") == turn) & (field("word") == f"w{turn}"))
        assert nearest.item_ids == (label,) and nearest.scores[0] == pytest.approx(1, abs=1e-5)
    return max(point.payload["turn"] for point in found.values())


def kill_again_and_again(server: Any, times: int) -> None:
    rng = np.random.default_rng(0)
    turn, cut_short = 1, 0
    for _ in range(times):
        with open_store(server.url) as store:
            writer = Writer(store.collection("things", DIM), turn)
            writer.start()
            while len(writer.acknowledged) < COUNT:  # one turn is through
                time.sleep(0.002)
                assert writer.is_alive(), "the writer gave up before the server was killed"
            time.sleep(rng.uniform(0, 0.15))
            server.kill()
            writer.join(30)
            assert not writer.is_alive()
        server.start()
        with open_store(server.url) as store:
            turn = check(store.collection("things", DIM), writer) + 1
        cut_short += writer.acknowledged != writer.begun
    assert cut_short > 0.5 * times  # the kill did come in the middle of a write


@pytest.mark.parametrize("crashing_server", ["postgres", "redis"], indirect=True)
def test_a_killed_server_loses_nothing_acknowledged(crashing_server: Any) -> None:
    kill_again_and_again(crashing_server, 4)


@pytest.mark.slow
@pytest.mark.parametrize("crashing_server", ["postgres", "redis"], indirect=True)
def test_two_hundred_kills(crashing_server: Any) -> None:
    kill_again_and_again(crashing_server, 200)
