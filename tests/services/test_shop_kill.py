"""kill -9 of the shop's service under load: what it acknowledged is there once, and nothing is half there.

The shop starts by `tests.shop_process`: the service as it always is, with fewer products and "live" alone on its
switch, so that a start takes a fraction of the time. One kill in five comes while the shop starts.
"""

from __future__ import annotations

import http.client
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from recsys_lab.datasets import Shop
from recsys_lab.shop.changes import Changes
from recsys_lab.shop.waiting import Waiting
from tests.shop_process import PATIENCE, Caller, ShopProcess, Visitor, check_log, lighter, small_shop, until

VISITORS, AT_ONCE = 4, 3
IN_START = 5


@pytest.fixture(scope="module")
def small() -> Shop:
    return small_shop()


class Keeper(threading.Thread):
    """Changes the price of one product until the shop is killed, a cent more each time."""

    def __init__(self, port: int, token: str, cents: int) -> None:
        super().__init__(daemon=True)
        self.caller, self.token, self.begun, self.acknowledged = Caller(port), token, cents, cents
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        while True:
            self.begun = self.acknowledged + 1
            body = {"category": "socks", "price": self.begun / 100}
            try:
                status, _, _ = self.caller.ask("PUT", "/products/KEPT", body, self.token)
            except (OSError, http.client.HTTPException):
                return
            self.statuses[status] += 1
            self.acknowledged = self.begun
            time.sleep(0.05)


class Lives:
    """One shop that is killed again and again, and the people who come back to it."""

    def __init__(self, shop: Shop, folder: Path, state: str | None = None) -> None:
        self.shop, self.folder = shop, folder
        self.url = state or f"sqlite://{folder}/live.db"
        self.process = ShopProcess(lighter(folder, shop, self.url), folder.with_suffix(".log"))
        self.rng = random.Random(1)
        self.starts: list[float] = []  # seconds that they took
        items = shop.products["item_id"].tolist()
        self.people = [Visitor(items, seed, threading.Event()) for seed in range(VISITORS)]
        self.lives, self.cents, self.under_way = 0, 100, 0

    def begin(self) -> None:
        """Start, and wait until it answers."""
        began = time.monotonic()
        self.process.start()
        self.starts.append(time.monotonic() - began)
        self.lives += 1

    def killed_in_start(self) -> None:
        """Start, and kill before it answers (or just when it does)."""
        self.process.begin()
        time.sleep(self.rng.uniform(0, min(self.starts)))
        self.process.kill()

    def load(self) -> None:
        """Everybody comes back, and has been answered once."""
        self.people = [one.again(threading.Event()).to(self.process.port) for one in self.people]
        before = [len(one.acknowledged) for one in self.people]
        until(
            lambda: all(len(p.acknowledged) > n for p, n in zip(self.people, before, strict=True)), PATIENCE, "clicks"
        )

    def kill(self) -> None:
        """kill -9; everybody was served until then."""
        self.process.kill()
        for one in self.people:
            one.join(PATIENCE)
            assert not one.is_alive() and one.error is not None
            assert set(one.statuses) <= {200, 202} and not one.refused, (one.statuses, one.refused)

    def check(self) -> list[str]:
        """All that was acknowledged is in the log or waits for it; the ids of the log."""
        waiting = waiting_in(self.folder)
        logged = check_log(self.url, self.shop, self.people, waiting)
        told = {one for person in self.people for one in person.acknowledged}
        self.under_way = len({*logged, *waiting} - told)
        assert self.under_way <= AT_ONCE * VISITORS * self.lives, "more than what was under way was not acknowledged"
        return logged

    def check_goes_on(self) -> None:
        """After a kill: cookies are still good, and show the last that was told."""
        for one in self.people:
            status, headers, told = Caller(self.process.port, one.served).ask("GET", "/session")
            assert status == 200 and headers["Set-Cookie"] is None and told["events"]


def waiting_in(folder: Path) -> list[str]:
    """The ids of the events that wait, oldest first."""
    held = Waiting(folder / "waiting.db")
    found = [event.id for event in held.first(10**9)]
    held.close()
    return found


def kept_cents(shop: Shop, folder: Path) -> int:
    """The price of the product that its keeper changes, as it is on the disk."""
    held = Changes(folder / "products.db")
    products = held.applied_to(shop.products).set_index("item_id")
    held.close()
    return round(100 * float(products["price"]["KEPT"]))


def check_whole_requests(people: Iterable[Visitor], logged: Sequence[str]) -> None:
    """The events of one request are one transaction."""
    there = set(logged)
    for person in people:
        for ids in person.sent:
            assert len(there & set(ids)) in (0, len(ids)), "a request is half there"


def keep_killing(shop: Shop, folder: Path, times: int) -> None:
    trial = Lives(shop, folder)
    logged: list[str] = []
    for kill in range(1, times + 1):
        if kill % IN_START == 0:
            trial.killed_in_start()
            continue
        trial.begin()
        if trial.lives > 1:
            trial.check_goes_on()
            assert round(100 * Caller(trial.process.port).ask("GET", "/products/KEPT")[2]["price"]) == trial.cents
        keeper = Keeper(trial.process.port, (folder / "token").read_text().strip(), trial.cents)
        keeper.start()
        trial.load()
        until(lambda held=keeper: held.statuses, PATIENCE, "a changed product")  # type: ignore[misc]
        time.sleep(trial.rng.uniform(0, 0.6))
        trial.kill()
        keeper.join(PATIENCE)
        trial.cents = kept_cents(shop, folder)
        assert keeper.acknowledged <= trial.cents <= keeper.begun and set(keeper.statuses) <= {200, 201}
        logged = trial.check()
        check_whole_requests(trial.people, logged)
        assert waiting_in(folder) == [] and not any(one.degraded for one in trial.people)
    for name in ("live.db", "waiting.db", "products.db"):
        with sqlite3.connect(folder / name) as held:
            assert held.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        held.close()
    assert len(logged) > 10 * times
    assert "Traceback" not in trial.process.told(), trial.process.told()
    print(
        f"{times} kills, {times - trial.lives} of them in the start: {len(logged)} events logged, {trial.under_way} of"
        f" them not acknowledged; {trial.cents - 100} changes of a product; a start took {min(trial.starts):.1f} s"
    )


def test_a_killed_shop_loses_nothing_acknowledged(small: Shop, tmp_path: Path) -> None:
    keep_killing(small, tmp_path / "shop", 20)


@pytest.mark.slow
def test_two_hundred_kills_of_the_shop(small: Shop, tmp_path: Path) -> None:
    keep_killing(small, tmp_path / "shop", 200)


def keep_killing_while_events_wait(shop: Shop, folder: Path, server: Any, rounds: int) -> None:
    """Each round: the state goes away under load, then the shop is killed; what waits goes to the state at last.

    Every other round the shop is killed once more while the waiting events are handed on.
    """
    trial, waited, again = Lives(shop, folder, server.url), [], 0
    for round_ in range(rounds):
        trial.begin()
        trial.load()
        time.sleep(trial.rng.uniform(0, 0.3))
        server.kill()
        until(lambda: all(one.degraded["state"] for one in trial.people), PATIENCE, "lists without the state")
        time.sleep(trial.rng.uniform(0, 0.5))
        trial.kill()
        held = waiting_in(folder)
        waited.append(len(held))
        trial.begin()
        caller = Caller(trial.process.port)
        health = caller.ask("GET", "/health")[2]
        assert (health["state"], health["waiting"]) == ("away", len(held)) and held == waiting_in(folder)
        server.start()
        if round_ % 2:
            time.sleep(trial.rng.uniform(0, 0.7))
            trial.process.kill()
            again += len(waiting_in(folder)) < len(held)
            trial.begin()
            caller = Caller(trial.process.port)
        until(lambda ask=caller: ask.ask("GET", "/health")[2]["status"] == "ok", PATIENCE, "all is well")  # type: ignore[misc]
        assert waiting_in(folder) == []
        trial.check()
        trial.check_goes_on()
        trial.process.kill()
    logged = trial.check()
    assert min(waited) > 0 and "Traceback" not in trial.process.told(), trial.process.told()
    print(
        f"{rounds} rounds: {len(logged)} events logged, {trial.under_way} of them not acknowledged;"
        f" {sum(waited)} waited through a kill of the shop, {again} kills came once some of them were handed on"
    )


@pytest.mark.parametrize("crashing_server", ["redis"], indirect=True)
def test_waiting_events_survive_kills(small: Shop, crashing_server: Any, tmp_path: Path) -> None:
    keep_killing_while_events_wait(small, tmp_path / "shop", crashing_server, 4)


@pytest.mark.slow
@pytest.mark.parametrize("crashing_server", ["redis"], indirect=True)
def test_waiting_events_survive_many_kills(small: Shop, crashing_server: Any, tmp_path: Path) -> None:
    keep_killing_while_events_wait(small, tmp_path / "shop", crashing_server, 40)
