"""What is claimed of the live state's cost, in the stored run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

STORED = Path(__file__).parents[2] / "benchmarks" / "realtime" / "results.json"


def stored() -> dict[str, Any]:
    held: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))
    return held


@pytest.mark.parametrize("store", ["sqlite", "redis"])
def test_a_fresh_list_costs_at_most_five_durable_appends(store: str) -> None:
    row = stored()[store]
    assert row["products"] == 1_200
    assert row["accumulators"] >= 12
    assert row["event_to_list_to_append_median"] <= 5
    assert row["event_to_list_to_append_p99"] <= 5


def test_the_memory_of_a_million_idle_shoppers_is_bounded_by_the_expiry() -> None:
    row = stored()["memory"]
    assert row["shoppers"] == 1_000_000
    assert row["bounded_to_all"] < 0.15  # a tenth of them is alive
    assert row["state_bytes_a_shopper"] < 1_000
