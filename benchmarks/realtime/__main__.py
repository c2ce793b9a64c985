"""What the live state costs, beside what it cannot be cheaper than: python -m benchmarks.realtime [PART …]

- From an event to a fresh top 10 (`take`, then `top`) beside the durable append of the same line alone: by turns, on
  the same disk, in the same run; SQLite, and Redis where REDIS_SERVER names a server.
- The memory of a million shoppers of one event each: while all are within the longest pause, after they are given up,
  and when only a tenth of them are within it at any time. The log of record, which Redis holds in memory too, apart.

Ratios within one run; times are there for orientation. How dear an append is depends on the disk: the faster it answers
an fsync, the more appends the same list is. The 99th percentile of a fast append is that of the disk's own hiccups.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from recsys_lab.datasets import Event, Shop, as_events, load_shop
from recsys_lab.realtime import Accumulator, Live, Popularity, Session, standard
from recsys_lab.realtime.state import to_json

OUT = Path(__file__).parent / "results.json"
EARLIER = 5_000
EVENTS = 1_000
SHOPPERS = 1_000_000
PARTS = ("sqlite", "redis", "memory")
Row = dict[str, Any]


def main(out: Path, parts: Collection[str] = PARTS) -> None:
    """Measure these parts and write them down; the others stay as they were."""
    report: Row = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    machine = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load": round(os.getloadavg()[0], 1),
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS", "not set"),
        "versions": {name: version(name) for name in ("numpy", "pandas", "redis")} | {"sqlite": sqlite3.sqlite_version},
    }
    shop = load_shop(impressions=False)
    if "sqlite" in parts:
        with tempfile.TemporaryDirectory() as folder:
            report["sqlite"] = journey_sqlite(Path(folder), shop, EVENTS) | machine
    if not os.environ.get("REDIS_SERVER"):
        print("Redis: skipped, REDIS_SERVER is not set")
        parts = ()
    if "redis" in parts:
        with redis_server("always") as url:
            report["redis"] = journey_redis(url, shop, EVENTS) | machine
    if "memory" in parts:
        with redis_server("no") as url:
            report["memory"] = idle_memory(url, SHOPPERS) | machine
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{out} written")


@contextlib.contextmanager
def redis_server(appendfsync: str) -> Iterator[str]:
    """A server of our own in a temporary folder; with `appendfsync` "no" it keeps no file at all."""
    import redis

    kept = "no" if appendfsync == "no" else "yes"
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": kept}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [os.environ["REDIS_SERVER"], *words, "--appendfsync", appendfsync]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            with redis.Redis(port=port) as client:
                for _ in range(200):
                    with contextlib.suppress(redis.ConnectionError):
                        client.ping()
                        break
                    time.sleep(0.05)
                assert client.info("server")["process_id"] == server.pid, f"port {port} is somebody else's"
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(20)


# -- from an event to a list ------------------------------------------------------------------------------------------


def journey_sqlite(folder: Path, shop: Shop, events: int) -> Row:
    """`take` and `top` on SQLite, beside an insert of the line that is committed alone."""
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute("PRAGMA synchronous=FULL")
    bare.execute("CREATE TABLE log (arrival INTEGER PRIMARY KEY, line TEXT)")
    # Its write-ahead log has once been as long as it gets: growing a file is dearer than writing over it.
    bare.execute("INSERT INTO log (line) VALUES (hex(zeroblob(4000000)))")
    bare.execute("DELETE FROM log")
    with Live(f"sqlite://{folder}/live.db", shop) as live:
        row = _journey(live, shop, events, lambda line: bare.execute("INSERT INTO log (line) VALUES (?)", (line,)))
    bare.close()
    return row


def journey_redis(url: str, shop: Shop, events: int) -> Row:
    """The same on Redis, beside an XADD of the line alone; the server calls fsync before it answers."""
    import redis

    with redis.Redis.from_url(url) as bare, Live(url, shop) as live:
        return _journey(live, shop, events, lambda line: bare.xadd("bare", {"e": line}))


def _journey(live: Live, shop: Shop, events: int, append: Callable[[str], Any]) -> Row:
    log = as_events(shop.events.iloc[: EARLIER + events])
    live.take_many(log[:EARLIER])
    took: dict[str, list[float]] = {"append": [], "take": [], "list": [], "one_taste": []}
    for turn, event in enumerate(log[EARLIER:]):
        # By turns, so that a slow moment hits both; and either first, as one fsync may pay for the next.
        if turn % 2:
            took["append"].append(_seconds(append, to_json(event)))
        took["take"].append(_seconds(live.take, event))
        took["list"].append(_seconds(live.top, event.user_id, now_ms=event.timestamp))
        took["one_taste"].append(_seconds(live.top, event.user_id, now_ms=event.timestamp, tastes=1))
        if not turn % 2:
            took["append"].append(_seconds(append, to_json(event)))
    append_ms, take_ms, list_ms, one_ms = (1e3 * np.array(times) for times in took.values())
    row: Row = {"products": len(shop.products), "events": events, "accumulators": len(live.accumulators)}
    for name, quantile in (("median", 50), ("p99", 99)):
        bare = float(np.percentile(append_ms, quantile))
        whole = float(np.percentile(take_ms + list_ms, quantile))
        row |= {
            f"append_ms_{name}": bare, f"event_to_list_ms_{name}": whole,
            f"event_to_list_to_append_{name}": whole / bare,
            f"take_to_append_{name}": float(np.percentile(take_ms, quantile)) / bare,
            f"one_taste_to_append_{name}": float(np.percentile(take_ms + one_ms, quantile)) / bare,
        }  # fmt: skip
    print(json.dumps(row), flush=True)
    return row


def _seconds(call: Callable[..., Any], *given: Any, **named: Any) -> float:
    start = time.perf_counter()
    call(*given, **named)
    return time.perf_counter() - start


# -- memory ----------------------------------------------------------------------------------------------------------


def idle_memory(url: str, shoppers: int) -> Row:
    """The bytes of `shoppers` that came once, a millisecond after each other, by the server's own count."""
    accumulators = [Popularity(), Session(), *(one for one in standard() if one.name.startswith(("mine", "first")))]
    row: Row = {"shoppers": shoppers, "accumulators": len(accumulators)}
    empty, full, after = _visits(url, shoppers, shoppers * 10, accumulators)
    row |= {
        "log_bytes_an_event": (after - empty) / shoppers,
        "state_bytes_a_shopper": (full - after) / shoppers,
        "state_megabytes_of_all": (full - after) / 1e6,
    }
    _, bounded, after = _visits(url, shoppers, shoppers // 10, accumulators)
    row["state_megabytes_with_a_tenth_alive"] = (bounded - after) / 1e6
    row["bounded_to_all"] = (bounded - after) / 1e6 / row["state_megabytes_of_all"]
    print(json.dumps(row), flush=True)
    return row


def _visits(url: str, shoppers: int, idle_ms: int, accumulators: list[Accumulator]) -> tuple[int, int, int]:
    """The server's memory before the visits, after them, and when all of them are given up."""
    import redis

    with redis.Redis.from_url(url) as client:
        client.flushall()
        with Live(url, accumulators=accumulators, idle_ms=idle_ms, durable=False) as live:
            empty = client.info("memory")["used_memory"]
            for start in range(0, shoppers, 10_000):
                numbers = range(start, min(start + 10_000, shoppers))
                live.take_many([_visit(number) for number in numbers])
            full = client.info("memory")["used_memory"]
            alive = client.zcard("live:shop:alive")
            assert alive == min(shoppers, idle_ms + 1), f"{alive} are alive"
            live.expire(shoppers + idle_ms + 1)
            return empty, full, client.info("memory")["used_memory"]


def _visit(number: int) -> Event:
    return Event(f"U{number:07d}", f"P{number % 1200:04d}", "clicked_on", number, f"V{number:07d}", {"position": 1})


if __name__ == "__main__":
    if strange := set(sys.argv[1:]) - set(PARTS):
        sys.exit(f"there is no part {min(strange)!r}; the parts are {', '.join(PARTS)}")
    main(OUT, sys.argv[1:] or PARTS)
