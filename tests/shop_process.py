"""The live shop as a process of its own, and shoppers who use it without a pause: for trials of faults and kills.

`python -m tests.shop_process SHOP FOLDER [STATE [STORE]]` serves a shop that was pickled. It starts in a fraction of
the time of `python -m recsys_lab shop`, by the same `serve`: with fewer products, and "live" alone on the switch.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import pickle
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from recsys_lab.datasets import DAY_MS, Shop, load_shop
from recsys_lab.realtime import Live
from recsys_lab.shop.backend import READ

ROOT = Path(__file__).parents[1]
PATIENCE = 120
"""Seconds for what takes one or two where nobody else computes."""
VISIT = 25
"""Requests with events of one person."""


def small_shop() -> Shop:
    """Four categories of the shipped shop, and some of its shoppers."""
    whole = load_shop(impressions=False)
    products = whole.products[whole.products["category"].isin(["jackets", "coats", "skirts", "socks"])]
    people = sorted(whole.shoppers["user_id"])[:150]
    events = whole.events[whole.events["item_id"].isin(products["item_id"]) & whole.events["user_id"].isin(people)]
    shoppers = whole.shoppers[whole.shoppers["user_id"].isin(people)]
    return Shop("small", *(table.reset_index(drop=True) for table in (products, shoppers, events)))


def lighter(folder: Path, shop: Shop, *addresses: str) -> list[str]:
    """The command of the lighter start; `addresses`: of the state (SQLite in the folder without one), of the store."""
    held = folder.parent / f"{folder.name}.pickle"
    held.write_bytes(pickle.dumps(shop))
    return ["-m", "tests.shop_process", str(held), str(folder), *addresses]


def usual(folder: Path) -> list[str]:
    """The command that anybody opens the shop with."""
    return ["-m", "recsys_lab", "shop", "--port", "0", "--folder", str(folder)]


class ShopProcess:
    """A shop that runs; what it writes to stderr is in `log`."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.command, self.log = [sys.executable, *command], log
        self.process: subprocess.Popen[str] | None = None
        self.port = 0

    def begin(self) -> None:
        """Start it, and do not wait."""
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )

    def opened(self) -> None:
        """Wait until it answers."""
        assert self.process is not None and self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found, f"the shop did not open: {line!r}\n{self.told()}"
        self.port = int(found[1])

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.begin()
        self.opened()

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self._gone(-9)

    def stop(self) -> None:
        """As Ctrl+C does; nothing where it does not run."""
        if self.process is not None:
            self.process.terminate()
            self._gone()

    def _gone(self, code: int | None = None) -> None:
        assert self.process is not None and self.process.stdout is not None
        ended = self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.process = None
        assert code in (None, ended), f"the shop ended by itself, with {ended}\n{self.told()}"

    def told(self) -> str:
        """What it has written to stderr."""
        return self.log.read_text(encoding="utf-8")

    @property
    def memory(self) -> float:
        """What it holds, in MB."""
        import psutil

        assert self.process is not None
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20

    def __enter__(self) -> ShopProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Caller:
    """A keep-alive connection with somebody's cookie; the service closes one that is not used for some seconds."""

    def __init__(self, port: int, cookie: str = "") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self.cookie = cookie

    def ask(self, method: str, path: str, body: object = None, token: str = "") -> tuple[int, Any, Any]:
        """Status, headers, and what the JSON says."""
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        sent = None
        if body is not None:
            headers["Content-Type"], sent = "application/json", json.dumps(body).encode()
        self.connection.request(method, path, sent, headers)
        answer = self.connection.getresponse()
        told = answer.read()
        if given := answer.headers["Set-Cookie"]:
            self.cookie = given.partition(";")[0]
        return answer.status, answer.headers, json.loads(told) if told else None

    @property
    def shopper(self) -> str:
        """The id in the cookie, which is in front of its signature."""
        return self.cookie.partition("=")[2].strip('"').rpartition(".")[0]


class Visitor(threading.Thread):
    """Somebody who sends events and asks for two lists after each, until told to stop or nobody answers any more.

    One time in four three events at once, and one in ten what was sent before is sent again. After some requests
    somebody new comes to the connection, since nobody clicks for hours. All goes on over several lives of the shop:
    `again` is the same connection, in a new thread.
    """

    def __init__(self, items: Sequence[str], seed: int, stop: threading.Event, past: Visitor | None = None) -> None:
        super().__init__(daemon=True)
        self.items, self.seed, self.stop = items, seed, stop
        self.rng = past.rng if past else random.Random(seed)
        self.cookie = past.cookie if past else ""
        self.shopper = past.shopper if past else ""
        self.served = past.served if past else ""  # the cookie with which something was acknowledged last
        self.left = past.left if past else 0  # requests of this person
        self.numbers = past.numbers if past else itertools.count(1)
        self.sent: list[tuple[str, ...]] = past.sent if past else []  # the ids of each request, as the log has them
        self.acknowledged: set[str] = past.acknowledged if past else set()
        self.waited = past.waited if past else 0
        self.statuses: Counter[int] = Counter()
        self.degraded: Counter[str] = Counter()  # by what the header says
        self.refused: list[Any] = []
        self.error: Exception | None = None
        self.port = 0

    def to(self, port: int) -> Visitor:
        """Begin, at a shop."""
        self.port = port
        self.start()
        return self

    def again(self, stop: threading.Event) -> Visitor:
        """The same connection, opened once more."""
        return Visitor(self.items, self.seed, stop, self)

    def run(self) -> None:
        try:
            self._visit(Caller(self.port, self.cookie))
        except (OSError, http.client.HTTPException) as error:
            self.error = error

    def _visit(self, caller: Caller) -> None:
        last: list[dict[str, Any]] = []
        while not self.stop.is_set():
            if not self.left:
                caller.cookie, last = "", []
                self._asked(caller, "GET", "/session")
                self.cookie, self.shopper, self.left = caller.cookie, caller.shopper, VISIT
            self.left -= 1
            if not last or self.rng.random() >= 0.1:
                last = [self._event() for _ in range(3 if self.rng.random() < 0.25 else 1)]
            ids = [f"{self.shopper}/{one['id']}" for one in last]
            self.sent.append(tuple(ids))
            status, told = self._asked(caller, "POST", "/events", last if len(last) > 1 else last[0])
            if status == 202:
                self.acknowledged |= set(ids)
                self.served = self.cookie
                self.waited += sum(one["waiting"] for one in told["taken"])
                self.refused += [one for one in told["taken"] if "refused" in one]
            self._asked(caller, "GET", "/for-you")
            self._asked(caller, "GET", f"/similar/{self.rng.choice(self.items)}")

    def _event(self) -> dict[str, Any]:
        kind = self.rng.choice(["clicked_on", "clicked_on", "clicked_on", "put_to_cart", "removed_from_cart", "buy"])
        return {"event_type": kind, "item_id": self.rng.choice(self.items), "id": f"{next(self.numbers)}"}

    def _asked(self, caller: Caller, method: str, path: str, body: object = None) -> tuple[int, Any]:
        status, headers, told = caller.ask(method, path, body)
        self.statuses[status] += 1
        if what := headers["Recsys-Degraded"]:
            self.degraded[what] += 1
        return status, told


def total(counters: Iterable[Counter[Any]]) -> Counter[Any]:
    """The sum of several."""
    return sum(counters, Counter())


def until(done: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something has happened; the seconds that it took. Fails, with `what`, if it takes longer."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() < began + seconds, f"after {seconds} s still not: {what}"
        time.sleep(0.02)
    return time.monotonic() - began


def opened_state(url: str, shop: Shop) -> Live:
    """The live state of a shop, as the shop itself opens it."""
    return Live(url, shop, [*READ], idle_ms=365 * DAY_MS)


def check_log(url: str, shop: Shop, visitors: Iterable[Visitor], but: Iterable[str] = ()) -> list[str]:
    """The ids in the log of record: each that was acknowledged once, in the order of its sender, and none half applied.

    `but` are those that still wait for the state.
    """
    people = list(visitors)
    with opened_state(url, shop) as live:
        logged = [event.id for event in live.log()]
        assert live.state() == live.replay().state(), "the state is not what the log says"
    assert len(logged) == len(set(logged)), "an event is there twice"
    acknowledged = {one for person in people for one in person.acknowledged}
    missing = acknowledged - set(logged) - set(but)
    assert not missing, f"{len(missing)} acknowledged events are gone, for example {sorted(missing)[:3]}"
    sent = {one for person in people for ids in person.sent for one in ids}
    assert set(logged) <= sent, "the log has what nobody sent"
    numbers: dict[str, list[int]] = {}
    for one in logged:
        shopper, _, number = one.rpartition("/")
        numbers.setdefault(shopper, []).append(int(number))
    assert all(mine == sorted(mine) for mine in numbers.values()), "events are not in the order in which they were sent"
    return logged


def main(shop: str, folder: str, *addresses: str) -> None:
    """Serve a pickled shop."""
    from recsys_lab.shop.config import Settings
    from recsys_lab.shop.serve import serve

    named = dict(zip(("state", "store"), addresses, strict=False))
    settings = Settings.load(None, folder=Path(folder), switch=("live",), encoder=False, **named)
    with suppress(KeyboardInterrupt):
        serve(pickle.loads(Path(shop).read_bytes()), settings, port=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
