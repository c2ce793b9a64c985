"""Group commit: the events of requests that come while one commit is under way go to the disk together in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from recsys_lab.shop.answers import Away, Sent
from recsys_lab.shop.engine import Engine

Told = dict[str, Any] | Exception
_MOST_WAITING = 5_000  # events in memory that nobody was told are taken
_AT_ONCE = 500
_PACE = 0.004
"""Seconds between two commits: each costs as much as some events, so under load they gather; one alone never waits."""


class GroupCommit:
    """Hands events to the engine in a thread, a group at a time; nobody is told "taken" before their commit is done."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._open: list[tuple[Sequence[Sent], asyncio.Future[list[Told]]]] = []
        self._events = 0
        self._worker: asyncio.Task[None] | None = None
        # One thread of its own: one group at a time is enough, and handing over costs half of what it does to a pool.
        self._thread: ThreadPoolExecutor | None = None
        self._began = 0.0  # when the last commit was begun

    async def take(self, sent: Sequence[Sent]) -> list[Told]:
        """What became of each event. Raises `Away` when more come than can be written."""
        if self._events + len(sent) > _MOST_WAITING:
            raise Away("state", "more events come than it can write")
        told: asyncio.Future[list[Told]] = asyncio.get_running_loop().create_future()
        self._open.append((sent, told))
        self._events += len(sent)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await told

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "recsys-lab-commit")
        while self._open:
            if (pause := self._began + _PACE - loop.time()) > 0:
                await asyncio.sleep(pause)
            self._began = loop.time()
            group, count = [], 0
            while self._open and count < _AT_ONCE:
                group.append(self._open.pop(0))
                count += len(group[-1][0])
            try:
                events = [one for sent, _ in group for one in sent]
                made = await loop.run_in_executor(self._thread, self.engine.take_many, events)
                error = None
            except Exception as failed:  # each of those who wait is told
                made, error = [], failed
            self._events -= count
            at = 0
            for sent, told in group:
                if not told.done():  # else the client has gone
                    told.set_exception(error) if error is not None else told.set_result(made[at : at + len(sent)])
                at += len(sent)
        self._worker = None

    async def finish(self) -> None:
        """Until all that came in is written."""
        while self._worker is not None:
            await asyncio.sleep(0.01)
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
