"""Ten thousand bodies that nobody would send on purpose: no mistake of ours, nothing lost or twice, and flat memory."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recsys_lab.datasets import Shop
from recsys_lab.realtime import Live
from recsys_lab.shop import Engine, Settings
from recsys_lab.shop.app import create_app
from recsys_lab.shop.security import LARGEST, Cookies

TOKEN, SECRET = "token-of-the-keepers", "secret-of-the-cookies"
BODIES = 10_000
SHOPPERS = 20
PATHS = ("/events", "/events", "/events", "/also-bought", "/lookalikes", "/products/P0002")
STRANGE = (
    None, True, -1, 0, 1.5, 10**30, -(10**400), 1e308, float("nan"), float("inf"), "", "\0", "a\0b", "P0001", "💥" * 60,
    "x" * 5000, [], {}, [[]], {"": {}}, "\N{RIGHT-TO-LEFT OVERRIDE}P0001", "1700000000000", [None] * 200,
)  # fmt: skip
NAMES = (
    "event_type",
    "item_id",
    "id",
    "timestamp",
    "event_attr",
    "user_id",
    "shopper",
    "cart",
    "group",
    "k",
    "price",
    "",
)
TEN_MEGABYTES = b'{"event_type":"' + b"x" * 10_000_000 + b'"}'


class Fuzzer:
    """Bodies from a seed; some of them are events as they should be."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.made = 0

    def event(self) -> dict[str, Any]:
        self.made += 1
        item = f"P{self.dice.randint(1, 1200):04d}"
        return {"event_type": "clicked_on", "item_id": item, "id": f"fuzz {self.made}"}

    def body(self) -> bytes:
        dice = self.dice
        makers = (
            self._good,
            self._good,
            self._for_others,
            self._again,
            self._wrong_types,
            self._wrong_types,
            self._broken,
            self._bytes,
            self._deep,
        )
        made = dice.choice((*makers, self._many, self._half_characters, self._encoded, self._large))()
        return made if isinstance(made, bytes) else json.dumps(made).encode()

    def _good(self) -> Any:
        return self.event()

    def _for_others(self) -> Any:
        """What the other addresses ask for."""
        price = float(self.dice.randint(1, 99))
        return self.dice.choice(({"cart": ["P0001"]}, {"shopper": "nobody"}, {"price": price}, {"k": 3}))

    def _again(self) -> Any:
        return {"event_type": "clicked_on", "item_id": "P0001", "id": f"again {self.dice.randint(1, 20)}"}

    def _wrong_types(self) -> Any:
        event: dict[str, Any] = self.event()
        for _ in range(self.dice.randint(1, 3)):
            event[self.dice.choice(NAMES)] = self.dice.choice(STRANGE)
        return self.dice.choice((event, [event], {"cart": event}, self.dice.choice(STRANGE)))

    def _many(self) -> Any:
        one = [
            self.event() if self.dice.random() < 0.7 else self._wrong_types() for _ in range(self.dice.randint(0, 6))
        ]
        return one * self.dice.choice((1, 1, 40))

    def _broken(self) -> bytes:
        whole = json.dumps(self.event()).encode()
        at = self.dice.randrange(len(whole))
        return self.dice.choice(
            (whole[:at], whole[:at] + b"\x00" + whole[at:], whole + whole[at:], whole.replace(b":", b"="))
        )

    def _bytes(self) -> bytes:
        return self.dice.randbytes(self.dice.randint(1, 200))

    def _deep(self) -> bytes:
        depth = self.dice.choice((10, 300, 20_000))
        return self.dice.choice((b"[" * depth, b"[" * depth + b"]" * depth, b'{"event_attr":' * min(depth, 3000)))

    def _half_characters(self) -> bytes:
        half = self.dice.choice((r"\ud800", r"\udfff", r"\ud800\ud800", r"P0001\udc00"))
        return json.dumps(self.event()).replace("P", half).replace("fuzz", half).encode()

    def _encoded(self) -> bytes:
        return json.dumps(self.event()).encode(self.dice.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7", "cp037")))

    def _large(self) -> bytes:
        size = self.dice.choice((LARGEST - 200, LARGEST + 1, 1_000_000))
        return b'{"item_id":"' + b"y" * size + b'"}'


async def call(
    app: Any, method: str, path: str, headers: dict[str, str], body: bytes, honest: bool
) -> tuple[int, bytes]:
    """One request to the application itself; `honest` says how long the body is before it comes."""
    parts = [body[at : at + 65_536] for at in range(0, len(body), 65_536)] or [b""]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    held = {"host": "shop", "content-type": "application/json", **headers}
    if honest:
        held["content-length"] = str(len(body))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http", "client": ("127.0.0.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in held.items()], "server": ("127.0.0.1", 1),
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture
def engine(shop: Shop, tmp_path: Path) -> Iterator[Engine]:
    with Engine(shop, Settings.load(folder=tmp_path, switch=("live",), encoder=False)) as made:
        yield made


def test_ten_thousand_bodies(engine: Engine, tmp_path: Path) -> None:
    app, cookies, fuzzer = create_app(engine, token=TOKEN, secret=SECRET), Cookies(SECRET), Fuzzer(8)
    who = [f"fuzz{n}" for n in range(SHOPPERS)]
    statuses: Counter[int] = Counter()
    taken: set[str] = set()

    async def one() -> None:
        shopper, path = fuzzer.dice.choice(who), fuzzer.dice.choice(PATHS)
        headers = {"cookie": f"shopper={cookies.signed(shopper)}", "authorization": f"Bearer {TOKEN}"}
        method = "PUT" if path.startswith("/products") else "POST"
        status, answer = await call(app, method, path, headers, fuzzer.body(), fuzzer.dice.random() < 0.8)
        statuses[status] += 1
        told = json.loads(answer)
        if status >= 400:
            assert told["status"] == status
            assert told["detail"]
        elif status == 202:
            taken.update(f"{shopper}/{event['id']}" for event in told["taken"] if "refused" not in event)

    async def many(count: int) -> int:
        """How much memory is in use after so many."""
        for _ in range(count // 8):
            await asyncio.gather(*(one() for _ in range(8)))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    async def all_of_them() -> list[int]:
        tracemalloc.start()
        used = [await many(BODIES // 5) for _ in range(5)]
        tracemalloc.stop()
        return used

    used = asyncio.run(all_of_them())
    assert set(statuses) == {200, 202, 404, 413, 422}, statuses
    assert min(statuses[202], statuses[413], statuses[422]) > 500, statuses
    assert_log_is(engine, tmp_path, taken)
    # What is kept of events (each shopper's last ones, sessions, ids) is little; of bodies it would be much more.
    assert used[-1] - used[1] < 2_000_000, used


def assert_log_is(engine: Engine, folder: Path, taken: set[str]) -> None:
    """Each event that was acknowledged is in the log on the disk once, and no other."""
    engine.close()
    with Live(f"sqlite://{(folder / 'live.db').as_posix()}", accumulators=[], rebuild=True) as live:
        logged = [event.id for event in live.log()]
    assert len(logged) == len(set(logged))
    assert set(logged) == taken
    assert len(taken) > 1000


def test_ten_megabytes_are_not_read(engine: Engine) -> None:
    app = create_app(engine, token=TOKEN, secret=SECRET)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for honest in (True, False):
        status, answer = asyncio.run(call(app, "POST", "/events", {}, TEN_MEGABYTES[:], honest))
        assert status == 413, answer
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (
        peak - before < 2 * len(TEN_MEGABYTES) + 1_000_000
    )  # the client's own copies; the service keeps 64 KiB of them
