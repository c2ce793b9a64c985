"""The benchmark of the live state, small: what it stores is what it measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.realtime import __main__ as bench
from recsys_lab.datasets import Shop


def within_five_appends(row: dict[str, Any]) -> None:
    if row["append_ms_median"] < 1:
        pytest.skip(
            f"this disk does not wait for its writes ({row['append_ms_median']:.2f} ms each): no durable append"
        )
    assert 0 < row["event_to_list_to_append_median"] <= 5


@pytest.mark.slow  # a ratio of times: for a quiet machine
def test_a_fresh_list_beside_a_durable_append_in_sqlite(shop: Shop, tmp_path: Path) -> None:
    within_five_appends(bench.journey_sqlite(tmp_path, shop, 100))


@pytest.mark.slow  # a ratio of times: for a quiet machine
def test_a_fresh_list_beside_a_durable_append_in_redis(redis_server: Any, shop: Shop) -> None:
    with bench.redis_server("always") as url:
        within_five_appends(bench.journey_redis(url, shop, 100))


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
