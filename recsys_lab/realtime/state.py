"""What a piece of live state is: whole numbers under keys, in tables; and what an event changes in them.

A **table** is named and holds whole numbers by field. Three kinds of change are enough for every accumulator:

- `Add` puts a number into a table of the whole shop. Sums of whole numbers come out the same in any order and can be
  taken back, so writers need not agree on an order, late events need no care, and a shopper can be subtracted.
- `Pairs` adds one for each other click of the same shopper that is near in time, in both directions. Whether two clicks
  are near depends on these two alone: again the order in which they come does not matter.
- `Own` changes the shopper's own record. A record is made from the shopper's events in the order of (timestamp, id),
  so it may depend on that order ("the first time", "the last time"); a late event makes it anew from the log.

A record starts again after a pause longer than `idle_ms`: that is the expiry of idle shoppers, by the events' own time,
and therefore the same in a replay.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import index
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, SupportsIndex

from recsys_lab.datasets import DataError, Event

Table = dict[str, int]
Order = tuple[int, str]

RECORD = "shopper/"
"""Begins the name of the table that is a shopper's record."""
START, LAST = "@start", "@last"
"""The fields of a record that hold the times of its first and last event."""


class LiveError(RuntimeError):
    """The live state cannot do what was asked; the message says what to do."""


class Add(NamedTuple):
    """`n` more in a field of a table of the whole shop, which is given up once the shop's time is after `until_ms`."""

    table: str
    field: str
    n: int = 1
    until_ms: int | None = None


class Pairs(NamedTuple):
    """One more in table `name/a` field b and in `name/b` field a, for each other click on b that is `within_ms`.

    Both clicks are of one session and on different products.
    """

    name: str
    within_ms: int


class Own(NamedTuple):
    """A change of the shopper's record: `add` n to a field, or keep the `first` or the `last` n that came."""

    field: str
    n: int = 1
    how: Literal["add", "first", "last"] = "add"


Change = Add | Pairs | Own
Changes = Callable[[Event], Sequence[Change]]


def is_change(one: object) -> bool:
    """Whether every store can keep it, and all of them alike: texts, whole numbers, and a known way.

    >>> is_change(Add("sold", "boot", 2)), is_change(Add("sold", "boot", 0.5)), is_change(("sold", "boot"))
    (True, False, False)
    """
    if isinstance(one, Add):
        table, name, n, until = one
        return type(table) is type(name) is str and type(n) is int and (until is None or type(until) is int)
    if isinstance(one, Own):
        name, n, how = one
        return type(name) is str and type(n) is int and how in ("add", "first", "last")
    return isinstance(one, Pairs) and type(one.name) is str and type(one.within_ms) is int


class Taken(NamedTuple):
    """What became of an event: `new` is False for one whose id was there already; `late` after a later one of hers."""

    new: bool
    late: bool


@dataclass(frozen=True)
class Visit:
    """What the live state knows about a shopper: the record, and the latest events but impressions, oldest first."""

    shopper: str
    events: tuple[Event, ...] = ()
    own: Mapping[str, int] = field(default_factory=dict)

    @property
    def session(self) -> tuple[Event, ...]:
        """Those of the latest events that are of the latest session."""
        if not self.events:
            return ()
        return tuple(event for event in self.events if event.session_id == self.events[-1].session_id)

    @property
    def last_ms(self) -> int | None:
        """The time of the last event."""
        return self.own.get(LAST)


@dataclass(frozen=True)
class State:
    """All that is alive, to compare one store with another: numbers other than 0, and what a visit holds by shopper."""

    tables: dict[str, Table]
    shoppers: dict[str, tuple[Table, tuple[str, ...]]]


class Rules(NamedTuple):
    """What all stores have to know alike: what an event changes, the longest pause, events kept at hand."""

    changes: Changes
    idle_ms: int
    recent: int


def order(event: Event) -> Order:
    """The order in which a shopper's events count.

    >>> order(Event("ada", "P1", "buy", 5, "s", id="x"))
    (5, 'x')
    """
    return event.timestamp, event.id


def is_deed(event: Event) -> bool:
    """Whether the shopper did it: impressions are not kept at hand, or a page of them would push the clicks out."""
    return event.event_type != "impression"


def latest_run(events: Sequence[Event], idle_ms: int) -> Sequence[Event]:
    """The events (in order) since the last pause that is longer than `idle_ms`."""
    start = len(events) - 1
    while start > 0 and events[start].timestamp - events[start - 1].timestamp <= idle_ms:
        start -= 1
    return events[max(start, 0) :]


def step(own: Table, event: Event, changes: Iterable[Change]) -> None:
    """Apply one event to a record, in place."""
    own.setdefault(START, event.timestamp)
    own[LAST] = event.timestamp
    for change in changes:
        if isinstance(change, Own):
            if change.how == "add":
                own[change.field] = own.get(change.field, 0) + change.n
            elif change.how == "last":
                own[change.field] = change.n
            else:
                own.setdefault(change.field, change.n)


def record(events: Sequence[Event], rules: Rules) -> tuple[Table, Sequence[Event]]:
    """A shopper's record and latest events, made anew from all events in the order of (timestamp, id)."""
    own: Table = {}
    run = latest_run(events, rules.idle_ms)
    for event in run:
        step(own, event, rules.changes(event))
    return own, [event for event in run if is_deed(event)][-rules.recent :]


def sums(events: Sequence[Event], changes: Changes) -> Counter[tuple[str, str]]:
    """What all events of a shopper (in order) have added to the whole shop: what forgetting takes back."""
    total: Counter[tuple[str, str]] = Counter()
    for number, event in enumerate(events):
        for change in changes(event):
            if isinstance(change, Add):
                total[change.table, change.field] += change.n
            elif isinstance(change, Pairs):
                total.update(pairs(event, change, reversed(events[:number])))
    return total


def pairs(event: Event, change: Pairs, others: Iterable[Event]) -> list[tuple[str, str]]:
    """Table and field of each 1 that `Pairs` adds, given the shopper's other events, those nearest in time first."""
    found = []
    for other in others:
        if abs(event.timestamp - other.timestamp) > change.within_ms:
            break
        if are_pair(event, other):
            found.append((f"{change.name}/{event.item_id}", other.item_id))
            found.append((f"{change.name}/{other.item_id}", event.item_id))
    return found


def are_pair(event: Event, other: Event) -> bool:
    """Whether two events of a shopper are clicks on two products in one session."""
    clicks = event.event_type == other.event_type == "clicked_on"
    return clicks and event.session_id == other.session_id and event.item_id != other.item_id


SECONDS = range(10**8, 10**11)
"""Seconds of the years 1973 to 5138. As milliseconds they lie before 1973: no shop's log does, and made-up times are
smaller."""
YEAR_3000 = 32_503_680_000_000
"""A later time is in other units. (From 2**53 on, a Redis script, which has float64 alone, would mix up two times.)"""


def in_ms(name: str, time: object) -> int:
    """A time, if it can be one in milliseconds. Raises `TypeError` and `DataError`, which begin with `name`.

    >>> in_ms("now_ms", 1_700_000_000)
    Traceback (most recent call last):
    recsys_lab.datasets.events.DataError: now_ms: 1700000000: these look like seconds; multiply by 1000
    """
    ms = time if type(time) is int else _whole(name, time)
    if SECONDS.stop <= ms < YEAR_3000 or 0 <= ms < SECONDS.start:
        return ms
    if ms < 0:
        raise DataError(f"{name}: {ms} is before 1970; give milliseconds since then")
    if ms >= YEAR_3000:
        raise DataError(f"{name}: {ms} is after the year 3000; is it micro- or nanoseconds? give milliseconds")
    raise DataError(f"{name}: {ms}: these look like seconds; multiply by 1000")


def _whole(name: str, time: object) -> int:
    if isinstance(time, SupportsIndex) and not isinstance(time, bool):
        return index(time)
    raise TypeError(
        f"{name}: {time!r} is no whole number of milliseconds since 1970; make one: int(1000 * time.time()), of a"
        f" Timestamp int(1000 * it.timestamp())"
    )


def check(event: Any) -> Event:
    """An event that every store can hold. Raises `TypeError` and `DataError`."""
    if not isinstance(event, Event):
        raise TypeError(f"event: {type(event).__name__} is no Event; make one: recsys_lab.datasets.Event(...)")
    in_ms("timestamp", event.timestamp)
    line = to_json(event)
    if "\\u0000" not in line and _is_unicode(line):
        return event
    for name in ("id", "user_id", "item_id", "session_id"):
        text = getattr(event, name)
        if "\0" in text or not _is_unicode(text):
            raise DataError(f"{name}: {text!r} holds a zero byte or half a character; no store keeps it; clean it")
    if not _is_unicode(line):
        raise DataError(f"event_attr: {dict(event.event_attr)!r} holds half a character; no store keeps it; clean it")
    return event


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # json.dumps makes one at each call


def to_json(event: Event) -> str:
    """An event as one line of the log."""
    parts = [event.user_id, event.item_id, event.event_type, event.timestamp, event.session_id]
    return _compact([*parts, dict(event.event_attr), event.id])


def from_json(line: str | bytes) -> Event:
    """The event of a line of the log.

    >>> event = Event("ada", "P1", "buy", 5, "s", {"price": 19.5})
    >>> from_json(to_json(event)) == event
    True
    """
    return _trusted(*json.loads(line))


def from_array(lines: str | bytes) -> tuple[Event, ...]:
    """The events of many lines, given as one JSON array of them: read at once, that is a third of the time.

    >>> event = Event("ada", "P1", "buy", 5, "s")
    >>> from_array(f"[{to_json(event)},{to_json(event)}]") == (event, event)
    True
    """
    return tuple(_trusted(*parts) for parts in json.loads(lines))


def _trusted(
    user: str, item: str, kind: str, timestamp: int, session: str, attr: Mapping[str, Any], number: str
) -> Event:
    """An event that was checked when it came in, made without checking it again: a visit reads dozens of them."""
    event = object.__new__(Event)
    vars(event).update(
        user_id=user, item_id=item, event_type=kind, timestamp=timestamp, session_id=session,
        event_attr=MappingProxyType(attr) , id=number,
    )  # fmt: skip
    return event
