"""What a request to the live shop costs beside one that does nothing: python -m benchmarks.shop

The shop runs in a process of its own with its state in SQLite; eight shoppers, each on a connection of their own and
with some clicks behind them, ask as fast as they are answered. Rounds of /empty, /for-you, /similar and the mix (an
event, then a list for you and one of similar products) take turns, so that what else the computer does meets all alike.
What counts are ratios to /empty within the run; times are there for orientation.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.shop.load import Load, drive, request
from recsys_lab.datasets import load_shop

OUT = Path(__file__).parent / "results.json"
CONNECTIONS = 8
ROUNDS, SECONDS = 12, 1.5
CLICKS = 12
MANY = 1500
LEAST = {"/for-you": 0.40, "/similar": 0.55, "mix": 0.30}
"""The throughput to reach, as a part of that of /empty."""
Makers = Callable[[int], Iterator[bytes]]


@contextmanager
def served(folder: Path, *options: str) -> Iterator[int]:
    """A shop in a process of its own, on a free port."""
    command = [sys.executable, "-m", "recsys_lab", "shop", "--folder", str(folder), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
            assert found, f"the shop did not open: {line!r}"
            yield int(found[1])
        finally:
            process.terminate()
            process.wait(30)


def cookie(port: int) -> str:
    """Somebody new."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/session") as answer:
        given: str = answer.headers["set-cookie"].partition(";")[0]
    return given


def workloads(port: int, items: list[str]) -> dict[str, Makers]:
    """What each connection asks, by workload.

    Who asks for lists has some clicks behind them. In the mix somebody new comes to the connection after some clicks:
    nobody clicks for hours without a pause, and a long visit costs more than a short one.
    """
    cookies = [cookie(port) for _ in range(CONNECTIONS)]
    coming = [cookie(port) for _ in range(MANY)]
    numbers = itertools.count()

    def click(who: str) -> bytes:
        n = next(numbers)
        body = {"event_type": "clicked_on", "item_id": items[n % len(items)], "id": f"load {n}"}
        return request("POST", "/events", who, body)

    for one in cookies:
        asyncio.run(drive(port, [iter([click(one) for _ in range(CLICKS)])], count=CLICKS))
    similar = [request("GET", f"/similar/{item}") for item in items]
    turns = itertools.cycle(coming)

    def mix(_: int) -> Iterator[bytes]:
        for one in turns:
            for _ in range(CLICKS):
                yield click(one)
                yield request("GET", "/for-you", one)
                yield similar[next(numbers) % len(items)]

    return {
        "/empty": lambda who: itertools.repeat(request("GET", "/empty", cookies[who])),
        "/for-you": lambda who: itertools.repeat(request("GET", "/for-you", cookies[who])),
        "/similar": lambda who: itertools.cycle(similar[who:] + similar[:who]),
        "mix": mix,
    }


def measure(port: int, items: list[str], rounds: int = ROUNDS, seconds: float = SECONDS) -> dict[str, list[Load]]:
    """The rounds of each workload, by turns."""
    asked = workloads(port, items)
    made: dict[str, list[Load]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, maker in asked.items():
            load = asyncio.run(drive(port, [maker(who) for who in range(CONNECTIONS)], seconds))
            assert set(load.statuses) <= {200, 202}, f"{name}: {load.statuses}"
            made[name].append(load)
    return made


def report(made: dict[str, list[Load]]) -> dict[str, Any]:
    """Throughput and latency of each, and as ratios to /empty: the median over rounds next to each other."""
    told: dict[str, Any] = {}
    for name, loads in made.items():
        p99 = [load.quantile(0.99) for load in loads]
        told[name] = {
            "throughput": _median(one.rate / base.rate for one, base in zip(loads, made["/empty"], strict=True)),
            "p99": _median(one / base.quantile(0.99) for one, base in zip(p99, made["/empty"], strict=True)),
            "requests_per_s": round(statistics.median(load.rate for load in loads)),
            "p99_ms": round(1000 * statistics.median(p99), 2),
        }
    return told


def _median(ratios: Iterator[float]) -> float:
    return round(statistics.median(ratios), 3)


def main() -> None:
    """Measure, and write it down."""
    items = [str(item) for item in load_shop(impressions=False).products["item_id"]][:400]
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as port:
        measure(port, items, 1, 0.5)  # warm
        told = report(measure(port, items))
    machine = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load": round(os.getloadavg()[0], 1),
        "versions": {name: version(name) for name in ("fastapi", "starlette", "uvicorn", "pydantic", "numpy")},
    }
    OUT.write_text(json.dumps({"ratios to": "/empty", **told, **machine}, indent=1) + "\n", encoding="utf-8")
    for name, row in told.items():
        least = LEAST.get(name)
        print(f"{name:10}", row, "" if least is None else f"at least {least}")


if __name__ == "__main__":
    main()
