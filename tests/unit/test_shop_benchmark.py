"""The stored load of the live shop: what README and chapter 08 say of it is what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

STORED = json.loads((Path(__file__).parents[2] / "benchmarks/shop/results.json").read_text())


@pytest.mark.parametrize(("route", "least"), [("/for-you", 0.40), ("/similar", 0.55), ("mix", 0.30)])
def test_stored_load_reaches_its_share_of_an_endpoint_that_does_nothing(route: str, least: float) -> None:
    assert STORED["ratios to"] == "/empty" and STORED["/empty"]["throughput"] == 1
    assert STORED[route]["throughput"] >= least
    found = STORED[route]["requests_per_s"] / STORED["/empty"]["requests_per_s"]
    assert found == pytest.approx(STORED[route]["throughput"], rel=0.03)
