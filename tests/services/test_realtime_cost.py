"""The benchmark of the live state, small: what it stores is what it measures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmarks.realtime import __main__ as bench
from recsys_lab.datasets import Shop

EVENTS = 300
"""Enough for a calm median; a disk that answers at once is the harder case, as an append is then cheap."""
RUNS = 5


def within_five_appends(journey: Callable[[Path], dict[str, Any]], folder: Path) -> None:
    """One of up to five runs has a median of at most five appends.

    What other programs compute meanwhile slows the list, which computes too, and hardly the append, which waits for the
    disk: it only ever adds to the ratio. So one run within the bound is enough. (Who keeps the disk busy slows both.)
    With one thread for the algebra, as the service and the notebooks have it: of two, where others have the cores,
    each waits for the other many times as long as a list takes.
    """
    medians: list[float] = []
    while len(medians) < RUNS and min(medians, default=np.inf) > 5:
        own = folder / f"run {len(medians)}"
        own.mkdir()
        with threadpool_limits(1, "blas"):
            row = journey(own)
        assert (row["products"], row["events"]) == (1_200, EVENTS)
        medians.append(row["event_to_list_to_append_median"])
    assert 0 < min(medians) <= 5, medians


def test_a_fresh_list_beside_a_durable_append_in_sqlite(shop: Shop, tmp_path: Path) -> None:
    within_five_appends(lambda folder: bench.journey_sqlite(folder, shop, EVENTS), tmp_path)


def test_a_fresh_list_beside_a_durable_append_in_redis(redis_server: Any, shop: Shop, tmp_path: Path) -> None:
    def journey(_: Path) -> dict[str, Any]:
        with bench.redis_server("always") as url:
            return bench.journey_redis(url, shop, EVENTS)

    within_five_appends(journey, tmp_path)


def test_the_memory_of_idle_shoppers_is_bounded(redis_server: Any) -> None:
    with bench.redis_server("no") as url:
        row = bench.idle_memory(url, 5_000)
    assert row["bounded_to_all"] < 0.15
    assert row["state_bytes_a_shopper"] < 1_000


@pytest.mark.slow
def test_the_memory_of_a_million_idle_shoppers(redis_server: Any) -> None:
    with bench.redis_server("no") as url:
        row = bench.idle_memory(url, 1_000_000)
    assert row["bounded_to_all"] < 0.15
    assert row["state_bytes_a_shopper"] < 1_000
