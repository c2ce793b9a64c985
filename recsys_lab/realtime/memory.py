"""The live state in plain dictionaries: the shortest way to say what the other stores do, and what a replay fills."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from recsys_lab.datasets import Event
from recsys_lab.realtime.state import (
    LAST,
    RECORD,
    START,
    Add,
    Change,
    Order,
    Pairs,
    Rules,
    State,
    Table,
    Taken,
    Visit,
    is_deed,
    order,
    pairs,
    record,
    step,
    sums,
)


class Store(Protocol):
    """What `Live` asks of a store: the log of record and the state, changed together or not at all."""

    rules: Rules

    def take(self, event: Event, changes: Sequence[Change]) -> Taken:
        """Write an event to the log and apply its changes, durably, before it returns."""
        ...

    def take_many(self, events: Sequence[Event]) -> list[Taken]:
        """The same for many: on the disk when the call returns."""
        ...

    def visit(self, shopper: str, now_ms: int) -> Visit:
        """What is known of a shopper at a time."""
        ...

    def numbers(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, Table]:
        """Fields of tables; those that are not there are left out."""
        ...

    def table(self, name: str) -> Table:
        """All of a table."""
        ...

    def log(self) -> Iterator[Event]:
        """The log of record, in the order of arrival."""
        ...

    def forget(self, shopper: str) -> int:
        """Take a shopper's events out of the log and of the state; returns how many there were."""
        ...

    def expire(self, now_ms: int) -> int:
        """Delete what is given up by this time; returns how many tables that were."""
        ...

    def rebuild(self) -> None:
        """Make the state anew from the log."""
        ...

    def made_with(self) -> str | None:
        """What the state was made with, as `mark` was told; None in a store that is new."""
        ...

    def mark(self, made_with: str) -> None:
        """Remember what the state is made with."""
        ...

    def latest_ms(self) -> int:
        """The shop's time: the latest time that an event has had."""
        ...

    def state(self) -> State:
        """All that is alive at the shop's time."""
        ...

    def close(self) -> None:
        """Give back files and connections."""
        ...


class MemoryStore:
    """State and log in this process; gone when it ends."""

    def __init__(self, rules: Rules, latest_ms: int = 0) -> None:
        self.rules = rules
        self._latest = latest_ms
        self._made_with: str | None = None
        self._lock = threading.RLock()
        self._log: dict[str, Event] = {}  # by id, in the order of arrival
        self._tables: dict[str, Table] = {}
        self._until: dict[str, int] = {}
        self._of: dict[str, list[tuple[Order, Event]]] = {}  # each shopper's events, in order

    def take(self, event: Event, changes: Sequence[Change]) -> Taken:
        """See `Store`."""
        with self._lock:
            if event.id in self._log:
                return Taken(new=False, late=False)
            self._log[event.id] = event
            self._latest = max(self._latest, event.timestamp)
            mine = self._of.setdefault(event.user_id, [])
            at = bisect_left(mine, (order(event),))
            for change in changes:
                if isinstance(change, Add):
                    self._add(change.table, change.field, change.n, change.until_ms)
                elif isinstance(change, Pairs):
                    before, after = (one for _, one in reversed(mine[:at])), (one for _, one in mine[at:])
                    for table, field in pairs(event, change, before) + pairs(event, change, after):
                        self._add(table, field, 1, None)
            insort(mine, (order(event), event))
            late = at < len(mine) - 1
            self._renew(event, changes, mine, late)
            return Taken(new=True, late=late)

    def _add(self, table: str, field: str, n: int, until_ms: int | None) -> None:
        if until_ms is not None:
            self._until[table] = until_ms
        numbers = self._tables.setdefault(table, {})
        numbers[field] = numbers.get(field, 0) + n

    def _renew(self, event: Event, changes: Iterable[Change], mine: list[tuple[Order, Event]], late: bool) -> None:
        name = RECORD + event.user_id
        own = self._tables.get(name)
        if late or own is None:
            own, _ = record([one for _, one in mine], self.rules)
        else:
            if event.timestamp - own[LAST] > self.rules.idle_ms:
                own = {}
            step(own, event, changes)
        self._tables[name] = own
        self._until[name] = own[LAST] + self.rules.idle_ms

    def take_many(self, events: Sequence[Event]) -> list[Taken]:
        """See `Store`."""
        return [self.take(event, self.rules.changes(event)) for event in events]

    def visit(self, shopper: str, now_ms: int) -> Visit:
        """See `Store`."""
        with self._lock:
            own = self._tables.get(RECORD + shopper)
            mine = self._of.get(shopper, [])
            if own is None and mine:
                own = record([one for _, one in mine], self.rules)[0]
            if own is None or own[LAST] + self.rules.idle_ms < now_ms:
                return Visit(shopper)
            first = bisect_left(mine, ((own[START], ""),))
            deeds = [one for _, one in mine[first:] if is_deed(one)]
            return Visit(shopper, tuple(deeds[-self.rules.recent :]), dict(own))

    def numbers(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, Table]:
        """See `Store`."""
        with self._lock:
            tables = {name: self._tables.get(name, {}) for name in wanted}
            return {
                name: {field: tables[name][field] for field in fields if field in tables[name]}
                for name, fields in wanted.items()
            }

    def table(self, name: str) -> Table:
        """See `Store`."""
        with self._lock:
            return dict(self._tables.get(name, {}))

    def log(self) -> Iterator[Event]:
        """See `Store`."""
        return iter(list(self._log.values()))

    def forget(self, shopper: str) -> int:
        """See `Store`."""
        with self._lock:
            events = [one for _, one in self._of.pop(shopper, [])]
            for (table, field), n in sums(events, self.rules.changes).items():
                if table in self._tables:
                    self._add(table, field, -n, None)
            for event in events:
                del self._log[event.id]
            self._drop(RECORD + shopper)
            return len(events)

    def expire(self, now_ms: int) -> int:
        """See `Store`."""
        with self._lock:
            gone = [name for name, until in self._until.items() if until < now_ms]
            for name in gone:
                self._drop(name)
            return len(gone)

    def _drop(self, table: str) -> None:
        self._tables.pop(table, None)
        self._until.pop(table, None)

    def rebuild(self) -> None:
        """See `Store`."""
        with self._lock:
            fresh = MemoryStore(self.rules, self._latest)
            fresh.take_many(list(self._log.values()))
            self._tables, self._until = fresh.held()

    def held(self) -> tuple[dict[str, Table], dict[str, int]]:
        """All tables, and until when those live that end."""
        return self._tables, self._until

    def made_with(self) -> str | None:
        """See `Store`."""
        return self._made_with

    def mark(self, made_with: str) -> None:
        """See `Store`."""
        self._made_with = made_with

    def latest_ms(self) -> int:
        """See `Store`."""
        return self._latest

    def state(self) -> State:
        """See `Store`."""
        with self._lock:
            alive = {n: t for n, t in self._tables.items() if self._until.get(n, self._latest) >= self._latest}
            shoppers = [name.removeprefix(RECORD) for name in alive if name.startswith(RECORD)]
            visits = [self.visit(shopper, self._latest) for shopper in shoppers]
            return State(
                only_numbers({name: table for name, table in alive.items() if not name.startswith(RECORD)}),
                {v.shopper: (dict(v.own), tuple(event.id for event in v.events)) for v in visits},
            )

    def close(self) -> None:
        """See `Store`."""


def only_numbers(tables: Mapping[str, Table]) -> dict[str, Table]:
    """Tables without the zeros that are left where something was taken back, and without the empty ones."""
    kept = {name: {field: n for field, n in table.items() if n} for name, table in tables.items()}
    return {name: table for name, table in kept.items() if table}
