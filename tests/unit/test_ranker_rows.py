"""What the course says of its rankers: stored rows hold it, and the command stays within its minutes on a large log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from recsys_lab import measure
from recsys_lab.methods import BEST_SOURCE, BY_NAME

BOARDS = measure.stored()


def row_of(board: str, method: str) -> dict:  # type: ignore[type-arg]
    return next(row for row in BOARDS[board].rows if row["method"] == method)


@pytest.mark.parametrize("method", BY_NAME)
@pytest.mark.parametrize("board", BEST_SOURCE)
def test_better_than_the_best_single_source_beyond_chance(board: str, method: str) -> None:
    against = row_of(board, method)["against_best"]
    assert against["method"] == BEST_SOURCE[board]
    for metric in {"home": ["NDCG@10"]}.get(board, ["HR@20", "MRR@20"]):
        assert against[metric]["low"] > 0, metric


@pytest.mark.parametrize("board", BEST_SOURCE)
def test_the_best_single_source_is_the_best(board: str) -> None:
    """Of the methods that are sources: those that mix several, or know the truth, are none."""
    scores = BOARDS[board]
    mixed = {*BY_NAME, "truth"}
    means = {row["method"]: scores.metric(row["method"]).mean for row in scores.rows if row["method"] not in mixed}
    assert max(means, key=lambda name: means[name]) == BEST_SOURCE[board]


@pytest.mark.parametrize(("method", "hits", "places"), [("ranker logistic", 0.712, 0.283), ("ranker", 0.720, 0.285)])
def test_on_the_real_clickstream(method: str, hits: float, places: float) -> None:
    scores = BOARDS["clickstream"]
    assert scores.metric(method, "HR@20").mean >= hits
    assert scores.metric(method, "MRR@20").mean >= places


@pytest.mark.parametrize("method", BY_NAME)
@pytest.mark.parametrize("board", BEST_SOURCE)
def test_losses_are_told_apart(board: str, method: str) -> None:
    lost = row_of(board, method)["losses"]
    assert lost["hit"] + lost["lost_by_ranker"] + lost["lost_by_candidates"] == pytest.approx(1, abs=3e-4)
    assert lost["recall"] == pytest.approx(1 - lost["lost_by_candidates"], abs=2e-4)
    assert lost["questions"] > 1_000


@pytest.mark.slow  # minutes
def test_the_command_on_a_log_of_700_000_clicks_and_40_000_products(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm", reason="LightGBM is not installed", exc_type=ImportError)
    resource = pytest.importorskip("resource", reason="this system does not tell the memory of a process")
    sessions, pairs = large_log(clicks=700_000, products=40_000, questions=20_000)
    for name, held in (("sessions", sessions), ("test", pairs)):
        (tmp_path / f"{name}.json").write_text(json.dumps(held))
    command = [sys.executable, "-m", "recsys_lab", "scoreboard", "--methods", "ranker", "--json"]
    command += [f"--{name}={tmp_path / name}.json" for name in ("sessions", "test")]
    began = time.monotonic()
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=1_000, check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seconds = time.monotonic() - began
    gigabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    print(f"{seconds:.0f} s, {gigabytes:.1f} GB")
    assert json.loads(done.stdout)[0]["rows"][0]["method"] == "ranker"
    assert seconds <= 15 * 60
    assert gigabytes < 8


def large_log(clicks: int, products: int, questions: int) -> tuple[list[list[str]], list[tuple[list[str], str]]]:
    """Sessions that mostly go on near the last product, some of them held back as questions."""
    rng = np.random.default_rng(0)
    popularity = np.cumsum(1 / np.arange(1, products + 1) ** 0.8)
    popularity /= popularity[-1]
    sessions: list[list[str]] = []
    while clicks > 0:
        at, visit = int(np.searchsorted(popularity, rng.random())), []
        for _ in range(min(200, 1 + int(rng.geometric(1 / 7)))):
            near = (at + int(rng.integers(-20, 21))) % products
            at = near if rng.random() < 0.8 else int(np.searchsorted(popularity, rng.random()))
            visit.append(f"p{at}")
        sessions.append(visit)
        clicks -= len(visit)
    cut = int(0.95 * len(sessions))
    pairs = [(visit[:n], visit[n]) for visit in sessions[cut:] for n in range(1, len(visit))]
    return sessions[:cut], pairs[:questions]
