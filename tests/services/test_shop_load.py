"""The shop's service under load on loopback: no error, a throughput that is a fair part of /empty's, memory that stays.

The usual command, its state in SQLite; eight keep-alive connections; rounds of /empty, /for-you, /similar and the mix
(an event, then two lists) by turns, as `benchmarks.shop` has them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.shop import __main__ as bench
from recsys_lab.datasets import Shop
from tests.shop_process import Caller, ShopProcess, usual

ATTEMPTS = 3
SETTLED = 10
"""Seconds of load after which caches are filled and connections open."""
GROWTH = 40
"""MB that the service may grow by after that."""


def loaded(process: ShopProcess, items: list[str], rounds: int, seconds: float) -> dict[str, Any]:
    """What came of some rounds. Each answer was what was asked for (`measure` sees to it)."""
    made = bench.measure(process.port, items, rounds, seconds)
    return bench.report(made) | {"answers": sum(len(load.latencies) for loads in made.values() for load in loads)}


def best(attempts: list[dict[str, Any]], what: str = "throughput") -> dict[str, float]:
    """The best ratios of all attempts, by workload."""
    pick = max if what == "throughput" else min
    return {name: pick(told[name][what] for told in attempts) for name in bench.LEAST}


def enough(attempts: list[dict[str, Any]]) -> bool:
    return bool(attempts) and all(best(attempts)[name] >= least for name, least in bench.LEAST.items())


def check_steady(process: ShopProcess, settled: float) -> float:
    """Nothing went wrong, and memory stayed; by how much it grew."""
    grown = process.memory - settled
    assert grown < GROWTH, f"{settled:.0f} MB after {SETTLED} s, {grown:.0f} MB more at the end"
    assert "Traceback" not in process.told(), process.told()
    health = Caller(process.port).ask("GET", "/health")[2]
    assert health["status"] == "ok" and health["failures"] == {}
    return grown


def load_until(folders: Iterable[Path], shop: Shop, attempts: int, seconds: float) -> None:
    """Attempts in each folder, for so many seconds at least, until one has reached each throughput."""
    items, made = shop.products["item_id"].tolist()[:400], []
    for folder in folders:
        with ShopProcess(usual(folder), folder.with_suffix(".log")) as process:
            loaded(process, items, 4, SETTLED / 16)
            settled, here, end = process.memory, 0, time.monotonic() + seconds
            while time.monotonic() < end or (here < attempts and not enough(made)):
                made.append(loaded(process, items, 5, 0.5))
                here += 1
            grown = check_steady(process, settled)
        print(
            f"{folder}: {sum(told['answers'] for told in made)} answers; beside /empty throughput {best(made)},"
            f" p99 {best(made, 'p99')}; {settled:.0f} MB after {SETTLED} s, {grown:+.1f} MB at the end"
        )
        if enough(made):
            return
    raise AssertionError(f"of /empty's throughput: {best(made)}, where {bench.LEAST} is asked for; {made}")


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[list[Path]]:
    """On the disk; and in memory, where the computer has such a folder.

    Eight shoppers who wait for their events to be on the disk leave the service idle when the disk is slow to say so:
    then the mix tells of the disk. Its throughput is that of the service where commits wait for nobody.
    """
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield [tmp_path / "shop"]
        return
    with tempfile.TemporaryDirectory(dir=memory) as held:
        yield [tmp_path / "shop", Path(held) / "shop"]


def test_the_service_under_load(folders: list[Path], shop: Shop) -> None:
    """The best of up to three attempts, each: other work on the computer only ever takes away."""
    load_until(folders, shop, ATTEMPTS, 0)


@pytest.mark.slow
def test_ten_minutes_of_load(folders: list[Path], shop: Shop) -> None:
    load_until(folders, shop, ATTEMPTS, 600)
