"""Readers ask without pause while a collection is rebuilt and switched: no error, no empty list, no mix of versions."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from recsys_lab.filters import field
from recsys_lab.stores import BaseCollection, open_store, refresh, versions

READERS, COUNT, DIM, K = 8, 150, 8, 10


def build(version: int) -> Any:
    """Every id tells its version; so does a field that only this version has."""
    rng = np.random.default_rng(version)
    ids = [f"v{version}:{number}" for number in range(COUNT)]
    payloads = [{"half": number % 2, f"only_{version}": True, "name": f"n{version}"} for number in range(COUNT)]
    return lambda new: new.upsert(ids, rng.normal(size=(COUNT, DIM)), payloads)


class Reader(threading.Thread):
    def __init__(self, alias: Any, number: int, done: threading.Event) -> None:
        super().__init__()
        self.alias, self.done = alias, done
        self.rng = np.random.default_rng(number)
        self.where = [None, field("half") == 1, ~(field("half") == 1)][number % 3]
        self.seen: list[str] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.done.is_set():
                found = self.alias.search(self.rng.normal(size=DIM), K, self.where)
                assert len(found) == K, f"{len(found)} instead of {K}"
                told = {label.split(":")[0] for label in found.item_ids}
                assert len(told) == 1, f"a mix of {told}"
                self.seen.append(told.pop())
        except BaseException as error:
            self.error = error


def refresh_under_load(url: str, times: int, seconds: float = 0) -> None:
    with open_store(url) as store:
        shelf = "shelf"
        refresh(store, shelf, build(0), DIM)
        done = threading.Event()
        alias = store.alias(shelf)
        readers = [Reader(alias, number, done) for number in range(READERS)]
        for reader in readers:
            reader.start()
        started = time.monotonic()
        version = 0
        try:
            while version < times or time.monotonic() - started < seconds:
                version += 1
                refresh(store, shelf, build(version), DIM)
                enough = [len(reader.seen) + 2 for reader in readers]
                waiting = time.monotonic()
                while any(len(r.seen) < n and r.error is None for r, n in zip(readers, enough, strict=True)):
                    time.sleep(0.001)
                    assert time.monotonic() - waiting < 60, "a reader waits for an answer"
        finally:
            done.set()
            for reader in readers:
                reader.join(60)
        for reader in readers:
            if reader.error is not None:
                raise reader.error
            in_order = [int(told[1:]) for told in reader.seen]
            assert in_order == sorted(in_order)  # nobody goes back to an old version
            assert len(set(in_order)) > 0.9 * version
        assert len(versions(store, shelf)) == 2
        assert alias.count() == COUNT
        alias.remove()
        for name in versions(store, shelf):
            store.drop(name)


@pytest.fixture(params=["memory", "qdrant", "postgres", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param in ("memory", "qdrant"):
        return f"{request.param}://"
    return str(request.getfixturevalue(f"{request.param}_server").url)


def test_twenty_refreshes_under_load(url: str) -> None:
    refresh_under_load(url, 20)


@pytest.mark.slow
def test_ten_minutes_of_refreshes(url: str) -> None:
    refresh_under_load(url, 20, seconds=600)


def test_a_version_that_is_built_is_not_seen_before_it_is_checked() -> None:
    with open_store("memory://") as store:
        refresh(store, "shelf", build(1), DIM)

        def look(new: BaseCollection) -> bool:
            assert new.count() == COUNT
            told = store.alias("shelf").search(np.ones(DIM), 1).item_ids[0]
            return told.startswith("v1:")

        refresh(store, "shelf", build(2), DIM, verify=look)
        assert store.alias("shelf").search(np.ones(DIM), 1).item_ids[0].startswith("v2:")
