"""Accumulators: each sees the events it is for, changes a few numbers, and has features for a shopper and products.

One contract: `events` (which types), `update` (an event → changes), `wants` (which numbers its features read) and
`features` (a column or more, one value a product). **Features are read before the event updates them**: what they say
of an event's product is what was known when the list was made.
"""

# ruff: noqa: D102 - the base class says what the methods of each accumulator do

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd

from recsys_lab.datasets import DAY_MS, EVENT_TYPES, DataError, Event, Shop
from recsys_lab.realtime.state import LAST, START, Add, Change, Own, Pairs, Table, Visit, is_change
from recsys_lab.recommender import Floats

BANDS = 5
"""Price bands hold a fifth of the products each."""


class Facts:
    """What is known beside the events: a product's category, brand and price band, a shopper's region and age band.

    Without a shop nothing is, and products of any label are taken.
    """

    def __init__(self, shop: Shop | None = None) -> None:
        self._products: dict[str, dict[str, str]] = {}
        self._traits: dict[str, dict[str, str]] = {}
        self.knows_products = shop is not None
        if shop is None:
            return
        if "price" in shop.products.columns:
            self._edges = shop.products["price"].quantile(np.arange(1, BANDS) / BANDS).to_numpy()
        self.add(shop.products)
        self._traits = _texts(shop.shoppers, "user_id")

    def add(self, products: pd.DataFrame) -> None:
        """Tell of more products, or of some anew, in the shop's columns.

        Price bands stay those of its first products.
        """
        told = products[[name for name in ("item_id", "category", "brand") if name in products.columns]]
        if "price" in products.columns:
            bands = np.searchsorted(self._edges, products["price"].to_numpy(), side="right")
            known = products["price"].notna()
            told = told.assign(price_band=pd.Series(bands, told.index).astype(str).where(known))
        self._products |= _texts(told, "item_id")

    def product(self, item: str, name: str) -> str | None:
        """A column of a product, as a text; None where it has no value."""
        return item if name == "item_id" else self._products.get(item, {}).get(name)

    def trait(self, shopper: str, name: str, events: Sequence[Event] = ()) -> str | None:
        """A trait of a shopper: of the latest of the events that tells it, else of the table of shoppers."""
        told = (str(event.event_attr[name]) for event in reversed(events) if name in event.event_attr)
        return next(told, None) or self._traits.get(shopper, {}).get(name)

    def check(self, event: Event) -> None:
        """Raises `DataError` for a product that the shop does not have."""
        if self.knows_products and event.item_id not in self._products:
            raise DataError(f"item_id: {event.item_id!r} is not among the shop's products; add it to the shop first")

    def checked(self, items: Iterable[str]) -> list[str]:
        """A list of products that are asked for. Raises `TypeError` and `DataError` for what is none."""
        if isinstance(items, str):
            raise TypeError(
                f"items: {items!r} is a text, which would be read letter by letter; give a list: [{items!r}]"
            )
        if not isinstance(items, Iterable):
            raise TypeError(f"items: {items!r} is no list of products; give their labels: ['P1', 'P2']")
        held = list(items)
        for item in held:
            if not isinstance(item, str):
                raise TypeError(f"items: {item!r} is no label of a product; labels are texts: {str(item)!r}")
            if self.knows_products and item not in self._products:
                raise DataError(f"items: {item!r} is not among the shop's products; ask for those that it has")
        return held


def _texts(frame: object, key: str) -> dict[str, dict[str, str]]:
    rows = frame.to_dict("records")  # type: ignore[attr-defined]
    return {row[key]: {name: value for name, value in row.items() if isinstance(value, str)} for row in rows}


@dataclass
class Question:
    """For whom, which products and when features are asked; `numbers` are what the accumulators wanted to read."""

    visit: Visit
    items: Sequence[str]
    now_ms: int
    facts: Facts
    numbers: Mapping[str, Table] = field(default_factory=dict)

    def column(self, table: str, fields: Iterable[str] | None = None) -> Floats:
        """Numbers of a table, one for each product (or field), 0 where there is none; float64.

        Raises `ValueError` for a table that `wants` does not ask for: nobody has looked what is in it.
        """
        held = self.numbers.get(table)
        if held is None:
            wanted = ", ".join(map(repr, [*self.numbers][:10])) + (", …" if len(self.numbers) > 10 else "")
            raise ValueError(
                f"asked.column({table!r}): wants asks for {wanted or 'none'}, and not for this table; a table has one"
                f" name in update, wants and column"
            )
        return np.array([held.get(one, 0) for one in (self.items if fields is None else fields)], dtype=np.float64)


class Accumulator:
    """The contract, and what most need of it. A parameter of an accumulator is a field of its dataclass.

    Its tables are named after it, "name" or "name/…", or are among those that it wants.
    """

    name: ClassVar[str]
    events: ClassVar[Sequence[str]] = EVENT_TYPES

    def __repr__(self) -> str:
        """What the state is marked with: the same for the same parameters, in every process."""
        return f"{type(self).__name__}({vars(self)})"

    def update(self, event: Event, facts: Facts) -> Iterable[Change]:
        """What an event of one of `events` changes; it depends on nothing else."""
        return ()

    def wants(self, asked: Question) -> Mapping[str, Sequence[str]]:
        """Tables of the whole shop, and the fields of each that `features` reads."""
        return {}

    def features(self, asked: Question) -> Mapping[str, Floats]:
        """Columns by name, each [products] float64."""
        raise NotImplementedError


def changes_of(one: Accumulator, event: Event, facts: Facts) -> list[Change]:
    """What an accumulator changes. Raises `TypeError` where that is not what the contract says."""
    told: object = one.update(event, facts)
    changes = list(told) if hasattr(told, "__iter__") else None
    if changes is None or is_change(told):
        raise TypeError(
            f"{one.name}: update answers with {told!r}, and it has to give changes, however many: yield each"
            f" (yield Add(…)), or return a list"
        )
    for change in changes:
        if not is_change(change):
            raise TypeError(
                f"{one.name}: update gives {change!r}, which is no change; yield Add(table, field, n),"
                f" Pairs(name, within_ms) or Own(field, n, 'add', 'first' or 'last'): names are texts, numbers whole"
                f" (int)"
            )
    return changes


# -- the whole shop ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Popularity(Accumulator):
    """How often each product was clicked."""

    name = "popularity"
    events = ("clicked_on",)

    def update(self, event: Event, facts: Facts) -> Iterator[Change]:
        yield Add("popularity", event.item_id)

    def wants(self, asked: Question) -> Mapping[str, Sequence[str]]:
        return {"popularity": asked.items}

    def features(self, asked: Question) -> Mapping[str, Floats]:
        return {"popularity": asked.column("popularity")}


@dataclass(frozen=True)
class Trending(Accumulator):
    """Clicks that fade: half of a click is left after `half_life_ms`.

    They are counted as whole numbers in cells of half that time, and fade when they are read: a sum of fading numbers
    would come out a little different in every order. Cells older than five half-lives are given up.
    """

    half_life_ms: int = DAY_MS
    name = "trending"
    events = ("clicked_on",)
    CELLS: ClassVar[int] = 10

    @property
    def _width(self) -> int:
        return max(1, self.half_life_ms // 2)

    def update(self, event: Event, facts: Facts) -> Iterator[Change]:
        cell = event.timestamp // self._width
        yield Add(f"trending/{cell}", event.item_id, 1, (cell + self.CELLS) * self._width)

    def wants(self, asked: Question) -> Mapping[str, Sequence[str]]:
        now = asked.now_ms // self._width
        return {f"trending/{now - age}": asked.items for age in range(self.CELLS)}

    def features(self, asked: Question) -> Mapping[str, Floats]:
        cells = np.array([asked.column(name) for name in self.wants(asked)])
        return {"trending": 0.5 ** (np.arange(self.CELLS) / 2) @ cells}


@dataclass(frozen=True)
class ClickRate(Accumulator):
    """Clicks for impressions: of each product, and beside what the places where it stood earn for anybody.

    `ctr` is smoothed, (clicks + 1) / (impressions + 2). `ctr_lift` is (clicks + 1) / (expected + 1), where each
    impression expects the rate of its rank, mixed over neighbouring ranks (`rates`): 1 is as good as its places.
    """

    ranks: int = 10
    name = "ctr"
    events = ("impression", "clicked_on")

    def update(self, event: Event, facts: Facts) -> Iterator[Change]:
        position = event.event_attr.get("position")
        if isinstance(position, str | bool) or position is None or position < 1:
            return  # a click on a page without ranks says nothing about lists
        rank = str(min(int(position), self.ranks))
        what = "shown" if event.event_type == "impression" else "clicked"
        yield Add(f"ctr/{what}", event.item_id)
        yield Add(f"ctr/{what} at", rank)
        if what == "shown":
            yield Add(f"ctr/at {rank}", event.item_id)

    def wants(self, asked: Question) -> Mapping[str, Sequence[str]]:
        ranks = [str(rank) for rank in range(1, self.ranks + 1)]
        by_rank = {f"ctr/at {rank}": asked.items for rank in ranks}
        return {
            "ctr/shown": asked.items, "ctr/clicked": asked.items, "ctr/shown at": ranks, "ctr/clicked at": ranks,
            **by_rank,
        }  # fmt: skip

    def features(self, asked: Question) -> Mapping[str, Floats]:
        ranks = [str(rank) for rank in range(1, self.ranks + 1)]
        curve = rates(asked.column("ctr/clicked at", ranks), asked.column("ctr/shown at", ranks))
        expected = curve @ np.array([asked.column(f"ctr/at {rank}") for rank in ranks])
        shown, clicked = asked.column("ctr/shown"), asked.column("ctr/clicked")
        return {"ctr": (clicked + 1) / (shown + 2), "ctr_lift": (clicked + 1) / (expected + 1)}


def rates(clicks: Floats, impressions: Floats) -> Floats:
    """Smoothed click rates by rank, (clicks + 1) / (impressions + 2), mixed over neighbours; [ranks], 3 or more.

    .25, .5, .25 inside; .5, .3, .2 from the end inwards at the ends.

    >>> rates(np.array([9.0, 3.0, 1.0]), np.array([18.0, 18.0, 18.0])).round(3).tolist()
    [0.33, 0.25, 0.21]
    """
    raw = (np.asarray(clicks) + 1) / (np.asarray(impressions) + 2)
    if len(raw) < 3:
        raise ValueError(f"clicks: {len(raw)} ranks have too few neighbours to mix; give at least 3")
    mixed = np.convolve(raw, [0.25, 0.5, 0.25], mode="same")
    mixed[0], mixed[-1] = raw[:3] @ [0.5, 0.3, 0.2], raw[:-4:-1] @ [0.5, 0.3, 0.2]
    return mixed


@dataclass(frozen=True)
class Conversion(Accumulator):
    """Purchases for clicks, smoothed: (buys + 1) / (clicks + 2)."""

    name = "conversion"
    events = ("clicked_on", "buy")

    def update(self, event: Event, facts: Facts) -> Iterator[Change]:
        yield Add(f"conversion/{event.event_type}", event.item_id)

    def wants(self, asked: Question) -> Mapping[str, Sequence[str]]:
        return {"conversion/clicked_on": asked.items, "conversion/buy": asked.items}

    def features(self, asked: Question) -> Mapping[str, Floats]:
        return {
            "conversion": (asked.column("conversion/buy") + 1) / (asked.column("conversion/clicked_on") + 2),
        }


@dataclass(frozen=True)
class CoClick(Accumulator):
    """How often two products were clicked in one session within `within_ms`: item to item, of the last clicked one."""

    within_ms: int = 10 * 60_000
    name = "co_click"
    events = ("clicked_on",)

    def update(self, event: Event, facts: Facts) -> Iterator[Change]:
        yield Pairs("co_click", self.within_ms)

    def wants(self, asked: Question) -> Mapping[str, Sequence[str]]:
        return {f"co_click/{item}": asked.items for item in latest_products(asked.visit, 1, ("clicked_on",))}

    def features(self, asked: Question) -> Mapping[str, Floats]:
        columns = [asked.column(table) for table in self.wants(asked)]
        return {"co_click": columns[0] if columns else np.zeros(len(asked.items))}


# -- the shopper ------------------------------------------------------------------------------------------------------


def latest_products(visit: Visit, n: int, events: Sequence[str]) -> list[str]:
    """The last `n` different products of events of these types, the latest first."""
    items = (event.item_id for event in reversed(visit.events) if event.event_type in events)
    return list(dict.fromkeys(items))[:n]


@dataclass(frozen=True)
class Counts(Accumulator):
    """How often this shopper clicked, carted or bought what shares a column's value with the product.

    `by` is item_id, category, brand or price_band.
    """

    by: str = "item_id"
    events = ("clicked_on", "put_to_cart", "buy")

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"mine_{self.by}"

    def update(self, event: Event, facts: Facts) -> Iterator[Change]:
        value = facts.product(event.item_id, self.by)
        if value is not None:
            yield Own(f"{self.by}/{value}")

    def features(self, asked: Question) -> Mapping[str, Floats]:
        values = [asked.facts.product(item, self.by) for item in asked.items]
        return {self.name: np.array([asked.visit.own.get(f"{self.by}/{value}", 0) for value in values], dtype=float)}


@dataclass(frozen=True)
class LastProducts(Accumulator):
    """How long ago, in products, this shopper had the product open: 1 is the last, 0 not among the last `n`."""

    n: int = 10
    name = "last_products"
    events = ("clicked_on", "put_to_cart", "buy")

    def features(self, asked: Question) -> Mapping[str, Floats]:
        place = {item: at + 1 for at, item in enumerate(latest_products(asked.visit, self.n, self.events))}
        return {"last_products": np.array([place.get(item, 0) for item in asked.items], dtype=float)}


@dataclass(frozen=True)
class Session(Accumulator):
    """The visit so far: its number of events (as far as they are kept at hand) and its seconds, until now."""

    name = "session"

    def features(self, asked: Question) -> Mapping[str, Floats]:
        session = asked.visit.session
        seconds = (asked.now_ms - session[0].timestamp) / 1000 if session else 0.0
        n = len(asked.items)
        return {"session_events": np.full(n, float(len(session))), "session_seconds": np.full(n, seconds)}


@dataclass(frozen=True)
class FirstSeen(Accumulator):
    """Days since this shopper first came, and since they first opened, carted or bought the product; -1: not yet."""

    name = "first_seen"
    events = ("clicked_on", "put_to_cart", "buy")

    def update(self, event: Event, facts: Facts) -> Iterator[Change]:
        yield Own(f"met/{event.item_id}", event.timestamp, "first")

    def features(self, asked: Question) -> Mapping[str, Floats]:
        own, now = asked.visit.own, asked.now_ms
        came = (now - own[START]) / DAY_MS if START in own else -1.0
        met = [(now - own[f"met/{item}"]) / DAY_MS if f"met/{item}" in own else -1.0 for item in asked.items]
        return {"first_came": np.full(len(asked.items), came), "first_met": np.array(met, dtype=float)}


@dataclass(frozen=True)
class LastSeen(Accumulator):
    """Seconds since this shopper's last event; -1 for none."""

    name = "last_seen"

    def features(self, asked: Question) -> Mapping[str, Floats]:
        last = asked.visit.own.get(LAST)
        since = -1.0 if last is None else (asked.now_ms - last) / 1000
        return {"last_seen": np.full(len(asked.items), since)}
