"""What is claimed of the space index's cost: in the stored run, and measured anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.spaces import __main__ as bench

STORED = Path(__file__).parents[2] / "benchmarks" / "spaces" / "results.json"


def stored() -> dict[str, Any]:
    held: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))
    return held


def test_a_question_costs_at_most_two_bare_products_at_100_000() -> None:
    last = stored()["sizes"][-1]
    assert last["products"] == 100_000
    assert last["question_to_bare"] <= 2


def test_filling_an_index_costs_what_the_encoder_costs_and_a_second_start_nothing() -> None:
    texts = stored()["texts"]
    assert texts["ingest_to_encoder"] <= 1.1
    assert texts["encoded_at_the_second_start"] == 0
    assert texts["second_start_to_encoder"] < 0.01


def test_superlinked_gives_the_same_answers_and_takes_thirty_times_as_long() -> None:
    rows = stored()["peer"]
    assert [row["products"] for row in rows] == [1_000, 5_000, 20_000]
    for row in rows:
        assert row["superlinked"] == "37.5.2"
        assert row["same_top_10"] == "200 of 200"
        assert row["same_top_10_of_shoppers"] == "200 of 200"
        assert max(row["largest_difference"], row["largest_difference_of_shoppers"]) < 1e-6
        assert row["times_slower_question"] >= 30
        assert row["times_slower_event"] >= 30


def test_answers_at_a_small_size_are_the_same_here_as_by_a_plain_product() -> None:
    """The benchmark times what it says: its index scores as the formula does."""
    made = bench.shared.make(300)
    index, _ = bench._filled(made)
    found = bench.ask(index, made, 1)
    weights, parts = made.question_weights[1], []
    for at, weight in enumerate(weights):
        texts, asked = made.texts[:, min(at, 2)], made.question_texts[1, min(at, 2)]
        similar = texts @ asked if at < 3 else _number(made, at - 3)
        parts.append(weight * similar)
    used = (weights != 0).sum()
    scores = np.sum(parts, axis=0) / (np.linalg.norm(weights) * np.sqrt(used))
    best = np.argsort(-scores)[:10]
    assert [str(made.item_ids[row]) for row in best] == list(found.item_ids)
    assert scores[best] == pytest.approx(found.scores, abs=1e-5)


def _number(made: Any, at: int) -> Any:
    mode, low, high = list(bench.shared.NUMBERS.values())[at]
    value = made.numbers[:, at]
    angle = (np.clip(value, low, high) - low) / (high - low) * np.pi / 2
    beyond = value > high if mode == "minimum" else value < low
    return np.where(beyond, 0.0, np.cos(angle) if mode == "minimum" else np.sin(angle))


@pytest.mark.slow
def test_measured_anew_a_question_costs_at_most_two_bare_products() -> None:
    assert bench._size(100_000)["question_to_bare"] <= 2
