"""`Live`: events in, features and fresh lists out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd

from recsys_lab.datasets import DAY_MS, EVENT_TYPES, DataError, Event, Shop
from recsys_lab.realtime.accumulators import (
    Accumulator,
    ClickRate,
    CoClick,
    Conversion,
    Counts,
    Facts,
    FirstSeen,
    LastProducts,
    LastSeen,
    Popularity,
    Question,
    Session,
    Trending,
)
from recsys_lab.realtime.lists import Lists
from recsys_lab.realtime.memory import MemoryStore, Store
from recsys_lab.realtime.meta import OnlineItemKNN, SessionVector
from recsys_lab.realtime.state import Change, LiveError, Rules, State, Taken, Visit, check, order
from recsys_lab.recommender import Floats, Recommendations
from recsys_lab.spaces import SpaceIndex
from recsys_lab.spaces.aspects import APPEAL, LIKENESS, POPULARITY, aspects_of


def standard(shop: Shop | None = None) -> list[Accumulator]:
    """The accumulators of the course. With a shop, also the visit's vector, on an index of the shop's products."""
    made: list[Accumulator] = [
        Popularity(), Trending(), ClickRate(), Conversion(), CoClick(), OnlineItemKNN(), LastProducts(), Session(),
        FirstSeen(), LastSeen(), *(Counts(by) for by in ("item_id", "category", "brand", "price_band")),
    ]  # fmt: skip
    if shop is not None:
        clicks = shop.popularity.reindex(pd.Index(shop.products["item_id"])).to_numpy(dtype=np.float64)
        products = shop.products.assign(**{POPULARITY: clicks})
        index = SpaceIndex(aspects_of(products), popularity=POPULARITY).add(products)
        made.append(SessionVector(index, weights={**LIKENESS, **APPEAL}))
    return made


class Live:
    """The one way in for events, and what is known the moment they are in. Safe in threads and in several processes.

    `url` holds log and state: `memory://` (gone at the end), `sqlite:///folder/live.db`, `redis://host:6379/0`. `shop`
    tells products' categories and shoppers' traits; events on other products are refused. A shopper whom nothing was
    heard of for `idle_ms` begins anew; `recent` events of each are kept at hand. `name` keeps shops on one Redis apart;
    `durable=False` takes a Redis that may lose what it has acknowledged. State made with other accumulators is refused,
    or made anew from the log with `rebuild=True`; do that too when the shop's categories or prices have changed. A
    `clock` (int64 ms) lets a service refuse events of the far future, which would make everything else look old.

    >>> with Live() as live:
    ...     click = Event("ada", "boot", "clicked_on", 1_700_000_000_000, "s1", {"position": 1})
    ...     live.take(click)
    ...     live.take(click)
    ...     live.features("ada", ["boot", "hat"], now_ms=1_700_000_001_000)[["popularity", "mine_item_id"]]
    Taken(new=True, late=False)
    Taken(new=False, late=False)
          popularity  mine_item_id
    boot         1.0           1.0
    hat          0.0           0.0
    """

    def __init__(
        self,
        url: str = "memory://",
        shop: Shop | None = None,
        accumulators: Sequence[Accumulator] | None = None,
        *,
        idle_ms: int = 30 * DAY_MS,
        recent: int = 50,
        name: str = "shop",
        durable: bool = True,
        rebuild: bool = False,
        clock: Callable[[], int] | None = None,
    ) -> None:
        if idle_ms < 1 or recent < 1:
            raise ValueError(f"idle_ms {idle_ms} and recent {recent} have to be at least 1")
        self.accumulators = list(standard(shop) if accumulators is None else accumulators)
        names = [one.name for one in self.accumulators]
        if twice := sorted({one for one in names if names.count(one) > 1}):
            raise ValueError(f"accumulators: {', '.join(twice)} is there more than once; give each one name")
        self.facts = Facts(shop)
        self.clock = clock
        self._rules = Rules(self._changes, idle_ms, recent)
        self._store = _open(url, self._rules, name, durable)
        vectors = [one for one in self.accumulators if isinstance(one, SessionVector)]
        self._lists = Lists(vectors[0], self.facts, shop) if vectors and shop is not None else None
        self._agree(rebuild)

    def _agree(self, rebuild: bool) -> None:
        """The state in the store has to be made as this would make it."""
        writing = [repr(one) for one in self.accumulators if type(one).update is not Accumulator.update]
        mine = "; ".join([*sorted(writing), f"idle_ms {self._rules.idle_ms}", f"recent {self._rules.recent}"])
        held = self._store.made_with()
        if rebuild and held is not None:
            self._store.rebuild()
        elif held not in (None, mine):
            self.close()
            raise LiveError(
                f"the state was made with other accumulators ({held}); open it with those, or with rebuild=True to make"
                f" it anew from the log with {mine}"
            )
        if held != mine:
            self._store.mark(mine)

    def _changes(self, event: Event) -> Sequence[Change]:
        kind = event.event_type
        return [change for one in self.accumulators if kind in one.events for change in one.update(event, self.facts)]

    # -- events in --------------------------------------------------------------------------------------------------

    def take(self, event: Event) -> Taken:
        """Check an event, write it to the log and update the state. When this returns, all of it is on the disk.

        An id that was there already changes nothing, so an event that was not acknowledged can be sent again. Raises
        `DataError` for an event that cannot be taken, `LiveError` when the store does not answer.
        """
        self._check(event)
        return self._store.take(event, self._changes(event))

    def _check(self, event: Event) -> None:
        self.facts.check(check(event))
        if self.clock is not None and event.timestamp > (now := self.clock()) + DAY_MS:
            raise DataError(f"timestamp: {event.timestamp} is more than a day after now, {now}; set the sender's clock")

    def take_many(self, events: Iterable[Event]) -> list[Taken]:
        """The same for many; acknowledged together and faster than one by one. If one is refused, none is taken."""
        held = list(events)
        for event in held:
            self._check(event)
        return self._store.take_many(held)

    # -- what is known ----------------------------------------------------------------------------------------------

    def visit(self, shopper: str, now_ms: int) -> Visit:
        """The shopper's latest events and record; empty for who is new or was away for too long."""
        return self._store.visit(shopper, now_ms)

    def features(self, shopper: str, items: Sequence[str], now_ms: int) -> pd.DataFrame:
        """What is known now of a shopper and products: one row a product, float64 columns of every accumulator.

        Two round trips to a server, whatever the number of products and accumulators.
        """
        columns = self._columns(self.accumulators, shopper, items, now_ms)
        return pd.DataFrame(columns, index=pd.Index(list(items), dtype=object))

    def _columns(self, of: Sequence[Accumulator], shopper: str, items: Sequence[str], now_ms: int) -> dict[str, Floats]:
        asked = Question(self._store.visit(shopper, now_ms), items, now_ms, self.facts)
        wanted: dict[str, dict[str, None]] = {}
        for one in of:
            for table, fields in one.wants(asked).items():
                wanted.setdefault(table, {}).update(dict.fromkeys(fields))
        asked.numbers = self._store.numbers({table: list(fields) for table, fields in wanted.items()})
        return dict(chain.from_iterable(one.features(asked).items() for one in of))

    def best(self, feature: str, shopper: str, items: Sequence[str], now_ms: int, k: int = 10) -> Recommendations:
        """The `k` of some products with the highest values of one feature, and more than 0: a source of candidates.

        "trending" and "item_knn" are such features. Ties fall by id.
        """
        made = {name: one for one in self.accumulators for name in _made_by(one)}
        if feature not in made:
            raise ValueError(f"feature: {feature!r} is none of {', '.join(made)}")
        values = self._columns([made[feature]], shopper, items, now_ms)[feature].tolist()
        order_ = sorted((-value, item) for value, item in zip(values, items, strict=True) if value > 0)[:k]
        return Recommendations(tuple(item for _, item in order_), tuple(-value for value, _ in order_))

    def top(
        self, shopper: str, k: int = 10, *, now_ms: int, exclude: Collection[str] = (), tastes: int = 3
    ) -> Recommendations:
        """A fresh list from the visit so far: one for each of the latest `tastes` categories, interleaved.

        One round trip; without a visit, what appeals to everybody. Needs a shop and a `SessionVector`.
        """
        if self._lists is None:
            raise LiveError(
                "top needs a shop and a SessionVector: Live(url, shop), or accumulators=[…, SessionVector(…)]"
            )
        return self._lists.top(self._store.visit(shopper, now_ms), k, now_ms, exclude, tastes)

    def table(self, name: str) -> dict[str, int]:
        """A table of the whole shop as it is kept, for example "popularity": whole numbers by field."""
        return self._store.table(name)

    # -- the log ----------------------------------------------------------------------------------------------------

    def log(self) -> Iterator[Event]:
        """All events, in the order of their arrival."""
        return self._store.log()

    def replay(self) -> Live:
        """The same in memory, made from the log: its `state()` is this one's, or something is wrong."""
        return self._in_memory(self.log(), self._store.latest_ms())

    def _in_memory(self, events: Iterable[Event], latest_ms: int = 0) -> Live:
        again = Live(accumulators=self.accumulators, idle_ms=self._rules.idle_ms, recent=self._rules.recent)
        again.facts, again._lists = self.facts, self._lists
        again._store = MemoryStore(again._rules, latest_ms)
        again._store.take_many(list(events))
        return again

    def training_rows(self, event_types: Collection[str] = EVENT_TYPES, late: bool = False) -> pd.DataFrame:
        """The log with each event's features as they were when it came, **before** it updated them.

        One row an event of these types, in the order of arrival: its id, shopper, product, type, time, session, list,
        position and the features. A late event makes no row unless `late`: what had come before it may be what followed
        from it, so its features may know its label.
        """
        past = self._in_memory(())
        newest: dict[str, Any] = {}
        rows = []
        for event in self.log():
            is_late = order(event) < newest.get(event.user_id, (-1, ""))
            if event.event_type in event_types and (late or not is_late):
                columns = past._columns(self.accumulators, event.user_id, [event.item_id], event.timestamp)
                rows.append(_row(event, is_late) | {name: float(column[0]) for name, column in columns.items()})
            past.take_many([event])
            newest[event.user_id] = max(order(event), newest.get(event.user_id, (-1, "")))
        return pd.DataFrame(rows)

    # -- keeping house ----------------------------------------------------------------------------------------------

    def forget(self, shopper: str) -> int:
        """Delete all that is kept of a shopper: the log is rewritten without them, sums are as if they had never been.

        Returns the number of events. Takes as long as the log is; the shopper's own events may not come meanwhile.
        """
        return self._store.forget(shopper)

    def expire(self, now_ms: int) -> int:
        """Delete idle shoppers' records and faded cells. Each event deletes up to ten, so this is rarely needed.

        The log keeps its events: a record that is needed again is made from it.
        """
        return self._store.expire(now_ms)

    def state(self) -> State:
        """All that is alive, for comparisons."""
        return self._store.state()

    def close(self) -> None:
        """Give back files and connections."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _made_by(one: Accumulator) -> Sequence[str]:
    """The columns of an accumulator, by what it says of nobody and nothing."""
    return list(one.features(Question(Visit(""), [], 0, Facts())))


def _row(event: Event, late: bool) -> dict[str, Any]:
    attr = event.event_attr
    return {
        "id": event.id, "user_id": event.user_id, "item_id": event.item_id, "event_type": event.event_type,
        "timestamp": event.timestamp, "session_id": event.session_id, "list_id": attr.get("list_id"),
        "position": attr.get("position"), "late": late,
    }  # fmt: skip


def _open(url: str, rules: Rules, name: str, durable: bool) -> Store:
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return MemoryStore(rules)
    if parts.scheme == "sqlite":
        from recsys_lab.realtime.sqlite import SqliteStore

        return SqliteStore(unquote(parts.path), rules)
    if parts.scheme in ("redis", "rediss", "unix"):
        from recsys_lab.realtime.redis import RedisStore

        return RedisStore(url, rules, name, durable)
    raise LiveError(f"{url!r} is no address; use memory://, sqlite:///folder/live.db or redis://host:6379/0")
