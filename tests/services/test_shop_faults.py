"""Redis (the live state) and PostgreSQL (the store) are killed under the shop's service and come back, under load.

Nobody is refused meanwhile, lists say that they are plain, each acknowledged event is applied once in the end, and the
shop recovers by itself.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from recsys_lab.datasets import Shop
from tests.services.conftest import WITHOUT_REDIS, PostgresServer, RedisServer
from tests.shop_process import PATIENCE, Caller, ShopProcess, Visitor, check_log, lighter, small_shop, total, until

VISITORS = 4
RECOVERY = 10
"""Seconds from a server that answers again to a shop that is as before; on a quiet computer it takes one."""
NOTICE = 10
"""Seconds from the death of a server to plain lists for everybody."""


@pytest.fixture(scope="module")
def small() -> Shop:
    return small_shop()


@pytest.fixture
def servers(server_folder: Path) -> Iterator[dict[str, Any]]:
    """A server of the test's own for the state, and one for the store."""
    if not os.environ.get("REDIS_SERVER"):
        pytest.skip(WITHOUT_REDIS)
    folder = Path(tempfile.mkdtemp(dir=server_folder))
    redis = RedisServer(folder)
    try:
        postgres = PostgresServer(folder / "data")
        yield {"state": redis, "store": postgres}
        postgres.stop()
    finally:
        redis.stop()


class Trial:
    """A shop over both servers, and people who use it all the time."""

    def __init__(self, shop: Shop, folder: Path, servers: dict[str, Any]) -> None:
        self.servers = servers
        addresses = servers["state"].url, servers["store"].url
        self.process = ShopProcess(lighter(folder, shop, *addresses), folder.with_suffix(".log"))
        self.process.start()
        self.stop = threading.Event()
        items = shop.products["item_id"].tolist()
        self.people = [Visitor(items, seed, self.stop).to(self.process.port) for seed in range(VISITORS)]
        self.reported: list[str] = []

    def well(self) -> bool:
        """Whether the service says that all is well."""
        status, _, told = Caller(self.process.port).ask("GET", "/health")
        assert status == 200
        return bool(told["status"] == "ok")

    def asked_again(self) -> None:
        """Wait until everybody has been answered some more times."""
        before = [sum(one.statuses.values()) for one in self.people]
        until(
            lambda: all(sum(p.statuses.values()) > n + 9 for p, n in zip(self.people, before, strict=True)),
            PATIENCE,
            "more answers",
        )

    def away(self, names: Sequence[str], seconds: float) -> None:
        """Servers that die, stay away for so long, and come back."""
        before = [Counter(one.degraded) for one in self.people]

        def noticed() -> bool:  # with both away, a list for you is plain for want of the state
            gone = zip(self.people, before, strict=True)
            health = Caller(self.process.port).ask("GET", "/health")[2]
            return all((one.degraded - earlier)[names[0]] for one, earlier in gone) and all(
                health[name] == "away" for name in names
            )

        for name in names:
            self.servers[name].kill()
        notice = until(noticed, NOTICE, f"each sees lists without {names}")
        time.sleep(seconds)
        for name in names:
            self.servers[name].start()
        recovery = until(self.well, RECOVERY, "all is well")
        plain = total(one.degraded for one in self.people)
        self.asked_again()
        # Whoever asked before that moment may have been answered after it.
        late = total(one.degraded for one in self.people) - plain
        assert sum(late.values()) <= 2 * VISITORS, f"lists are still plain: {late}"
        plain = total(one.degraded for one in self.people)
        self.asked_again()
        assert total(one.degraded for one in self.people) == plain, "lists are still plain"
        self.reported.append(f"{' and '.join(names)}: noticed in {notice:.1f} s, well again in {recovery:.1f} s")

    def end(self) -> None:
        """Everybody goes, and the shop closes."""
        self.stop.set()
        for one in self.people:
            one.join(PATIENCE)
            assert not one.is_alive()
        self.process.stop()


def come_and_go(shop: Shop, folder: Path, servers: dict[str, Any], rounds: int) -> None:
    trial = Trial(shop, folder, servers)
    try:
        trial.asked_again()
        for _ in range(rounds):
            for names in (["state"], ["store"], ["state", "store"]):
                trial.away(names, 0.5)
        assert trial.well()
    finally:
        trial.end()
    statuses = total(one.statuses for one in trial.people)
    told = trial.process.told()
    assert set(statuses) == {200, 202}, f"{statuses}\n{told}"
    assert [one.error for one in trial.people] == [None] * VISITORS and not any(one.refused for one in trial.people)
    assert "Traceback" not in told, told
    logged = check_log(servers["state"].url, shop, trial.people)
    acknowledged = {one for person in trial.people for one in person.acknowledged}
    waited = sum(one.waited for one in trial.people)
    assert set(logged) == acknowledged and waited > 0
    print(
        "; ".join(trial.reported),
        f"{statuses[202]} requests with {len(logged)} events, {waited} of which waited, {statuses[200]} lists,"
        f" plain ones {dict(total(one.degraded for one in trial.people))}",
        sep="\n",
    )


def test_state_and_store_come_and_go(small: Shop, servers: dict[str, Any], tmp_path: Path) -> None:
    come_and_go(small, tmp_path / "shop", servers, 1)


@pytest.mark.slow
def test_state_and_store_come_and_go_many_times(small: Shop, servers: dict[str, Any], tmp_path: Path) -> None:
    come_and_go(small, tmp_path / "shop", servers, 20)
