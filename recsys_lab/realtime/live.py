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
    changes_of,
)
from recsys_lab.realtime.lists import Lists
from recsys_lab.realtime.memory import MemoryStore, Store
from recsys_lab.realtime.meta import OnlineItemKNN, SessionVector
from recsys_lab.realtime.state import Change, LiveError, Rules, State, Taken, Visit, check, in_ms, is_change, order
from recsys_lab.recommender import Floats, Recommendations
from recsys_lab.spaces import SpaceIndex
from recsys_lab.spaces.aspects import APPEAL, LIKENESS, POPULARITY, aspects_of
from recsys_lab.spaces.index import check_length


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
        if not isinstance(url, str):
            raise TypeError(
                f"url: {type(url).__name__} is no address; a text is, and a shop comes after it: {_TWO_WAYS}"
            )
        if not isinstance(shop, Shop | None):
            raise TypeError(f"shop: {type(shop).__name__} is no Shop; {_TWO_WAYS}")
        self.accumulators = standard(shop) if accumulators is None else _checked(accumulators)
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
        kind, facts = event.event_type, self.facts
        mine = [one for one in self.accumulators if kind in one.events]
        made: list[Any]
        try:
            made = [change for one in mine for change in one.update(event, facts)]
        except TypeError:
            made = [None]  # a forgotten yield, perhaps: it is named below, and any other error is raised there again
        if all(map(is_change, made)):
            return made
        return [change for one in mine for change in changes_of(one, event, facts)]  # dearer, and has words

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
        if isinstance(events, Event):
            raise TypeError("events: this is one Event; take(event), or take_many([event])")
        if isinstance(events, pd.DataFrame) or not isinstance(events, Iterable):
            kind = type(events).__name__
            raise TypeError(f"events: {kind} holds no Events; of a frame: recsys_lab.datasets.as_events(frame)")
        held = list(events)
        for event in held:
            self._check(event)
        return self._store.take_many(held)

    # -- what is known ----------------------------------------------------------------------------------------------

    def visit(self, shopper: str, now_ms: int) -> Visit:
        """The shopper's latest events and record; empty for who is new or was away for too long."""
        return self._store.visit(_label(shopper), in_ms("now_ms", now_ms))

    def features(self, shopper: str, items: Sequence[str], now_ms: int) -> pd.DataFrame:
        """What is known now of a shopper and products: one row a product, float64 columns of every accumulator.

        Two round trips to a server, whatever the number of products and accumulators. Raises `DataError` for a product
        that the shop does not have.
        """
        held, now_ms = self.facts.checked(items), in_ms("now_ms", now_ms)
        columns = self._columns(self.accumulators, _label(shopper), held, now_ms)
        return pd.DataFrame(columns, index=pd.Index(held, dtype=object))

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
        check_length(k)
        held, now_ms = self.facts.checked(items), in_ms("now_ms", now_ms)
        values = self._columns([made[feature]], _label(shopper), held, now_ms)[feature].tolist()
        order_ = sorted((-value, item) for value, item in zip(values, held, strict=True) if value > 0)[:k]
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
        if isinstance(exclude, str):
            raise TypeError(f"exclude: {exclude!r} is a text, which would be read letter by letter; give a list")
        now_ms = in_ms("now_ms", now_ms)
        return self._lists.top(self._store.visit(_label(shopper), now_ms).session, k, now_ms, exclude, tastes)

    def table(self, name: str) -> dict[str, int]:
        """A table of the whole shop as it is kept, for example "popularity": whole numbers by field.

        Empty for one that nothing came into yet. Raises `ValueError` for a name that none of these accumulators has.
        """
        held = self._store.table(name)
        if not held:
            self._check_table(name)
        return held

    def _check_table(self, name: str) -> None:
        """Tables come and go, so their names are known by their beginnings: "trending/…"."""
        nobody = Question(Visit(""), [], 0, self.facts)
        mine = {one.name for one in self.accumulators}
        wanted = {table for one in self.accumulators for table in one.wants(nobody)}
        if name in wanted or ("/" in name and _beginning(name) in mine | set(map(_beginning, wanted))):
            return
        there = wanted | set(self._store.state().tables)  # all of them: it is only for who asks for a strange name
        begun = any(table.startswith(f"{name}/") for table in there)
        known = name in mine or ("/" in name and _beginning(name) in set(map(_beginning, there)))
        if begun or not known:
            names = sorted({f"{table.partition('/')[0]}/…" if "/" in table else table for table in there})
            raise ValueError(f"name: no table is called {name!r}; there are {', '.join(names) or 'none yet'}")

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
        if isinstance(event_types, str) or (strange := sorted(set(event_types) - set(EVENT_TYPES))):
            told = f"{event_types!r} is a text" if isinstance(event_types, str) else f"{strange[0]!r} is no event type"
            raise ValueError(f"event_types: {told}; give a list of some of {', '.join(EVENT_TYPES)}")
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
        gone = self._store.forget(_label(shopper))
        if self._lists is not None:
            self._lists.forget()
        return gone

    def expire(self, now_ms: int) -> int:
        """Delete idle shoppers' records and faded cells. Each event deletes up to ten, so this is rarely needed.

        The log keeps its events: a record that is needed again is made from it.
        """
        return self._store.expire(in_ms("now_ms", now_ms))

    def state(self) -> State:
        """All that is alive, for comparisons."""
        return self._store.state()

    def close(self) -> None:
        """Give back files and connections. What is asked afterwards raises `LiveError`."""
        self._store.close()
        closed: Any = _Closed()
        self._store = closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Closed:
    """Stands where the store was."""

    def close(self) -> None:
        """Once is enough."""

    def __getattr__(self, name: str) -> Any:
        raise LiveError("this Live is closed; open it again: Live(url, …) with the same arguments")


_TWO_WAYS = "Live('memory://', shop), or Live(shop=shop)"


def _checked(accumulators: Iterable[Accumulator]) -> list[Accumulator]:
    """Accumulators as a list. Raises `TypeError` and `ValueError` for what would do nothing, or not what it says."""
    if isinstance(accumulators, Accumulator | type) or not isinstance(accumulators, Iterable):
        raise TypeError(f"accumulators: {accumulators!r} is no list of them; give one: [Popularity()]")
    held: list[Any] = list(accumulators)
    for one in held:
        if isinstance(one, type):
            raise TypeError(f"accumulators: {one.__name__} is a class; make an accumulator of it: {one.__name__}()")
        if not isinstance(one, Accumulator):
            kind = type(one).__name__
            raise TypeError(f"accumulators: {kind} is no accumulator; inherit from recsys_lab.realtime.Accumulator")
        if not isinstance(getattr(one, "name", None), str):
            raise ValueError(f"accumulators: {type(one).__name__} has no name; give it one: name = 'mine'")
        strange = one.events if isinstance(one.events, str) else sorted(set(one.events) - set(EVENT_TYPES))
        if strange:
            kinds = ", ".join(EVENT_TYPES)
            raise ValueError(f"accumulators: events of {one.name} are {one.events!r}; give a list of some of {kinds}")
    names = [one.name for one in held]
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise ValueError(f"accumulators: {', '.join(twice)} is there more than once; give each one name")
    return held


def _label(shopper: str) -> str:
    if not isinstance(shopper, str):
        raise TypeError(f"shopper: {shopper!r} is no label; labels are texts: {str(shopper)!r}")
    return shopper


def _beginning(table: str) -> str:
    """What a table's name begins with, as far as it is the same for all products, times and values of a key.

    >>> _beginning("trending/39351"), _beginning("region=north/popularity")
    ('trending', 'region')
    """
    return table.partition("/")[0].partition("=")[0]


def _made_by(one: Accumulator) -> Sequence[str]:
    """The columns of an accumulator, by what it says of nobody and nothing."""
    nobody = Question(Visit(""), [], 0, Facts())
    nobody.numbers = {table: {} for table in one.wants(nobody)}
    return list(one.features(nobody))


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
