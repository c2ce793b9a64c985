"""Features: what is known of a candidate for a context, as named numbers; the same code for training and serving.

A feature of a context reads what the context holds (this visit, earlier visits, the cart) and what `fit` saw, nothing
else: so no feature can see what comes after `Context.now_ms`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import DAY_MS, EVENT_TYPES, Event, Shop, as_events
from recsys_lab.ranking.candidates import Pool
from recsys_lab.recommender import Context, Floats, Rows

Extra = Callable[[Context, Sequence[str]], Sequence[float]]
"""A feature of your own: for a context and its candidates a number each. An accumulator of chapter 06, for example."""

KINDS = ("department", "category", "style", "colour", "brand", "material", "photography", "page", "location")
"""Columns of products that are compared with what the shopper looked at, where the shop has them."""
_WORTH = np.array([{"clicked_on": 0.2, "put_to_cart": 0.5, "buy": 1.0}.get(kind, 0.0) for kind in EVENT_TYPES])
_FADE = 0.7  # each step back in the visit counts this much less


@dataclass(frozen=True)
class _Deeds:
    """Events on products that `fit` knows, in order: columns, types, times."""

    column: Rows
    kind: Rows  # of EVENT_TYPES
    time: Rows

    def of(self, *kinds: str) -> Rows:
        return self.column[np.isin(self.kind, [EVENT_TYPES.index(kind) for kind in kinds])]


class Features:
    """A table of numbers, one row a candidate. Learned: `names_`.

    From the sources: each one's score of the candidate, how much it knew, and how many nominated it. From the
    shopper: the candidate in this visit (clicks, steps back, cart) and before it (clicks, purchases, days since).
    From the products: whether it is of the same kind as the last one, what share of the visit and of earlier ones was
    of its kind, its price beside theirs, its popularity and trend, age, stock, reviews, and how often it was clicked
    where it was shown. From the context alone: how long the visit is, which only a tree can use.
    """

    names_: tuple[str, ...]

    def __init__(self, extra: Mapping[str, Extra] | None = None) -> None:
        self.extra = extra

    def fit(self, shop: Shop, items: Sequence[str]) -> Features:
        """Learn what is known of the products; `items` are the columns of the pools."""
        self.items = list(items)
        self._column = {item: column for column, item in enumerate(self.items)}
        products = shop.products.set_index("item_id").loc[self.items]
        self._still = dict(_of_products(shop, products, self.items))
        self._launched = products["launched_at"].to_numpy(dtype=np.float64) if "launched_at" in products else None
        self._kinds = {}
        for name in KINDS:
            if name in products and len(products[name].unique()) > 1:
                self._kinds[name] = pd.factorize(products[name].astype(str).to_numpy(dtype=object))[0]
        self._price = (
            np.log(np.maximum(products["price"].to_numpy(dtype=np.float64), 0.01)) if "price" in products else None
        )
        self._page = products["page"].to_numpy(dtype=np.float64) if "page" in products else None
        needed = ["user_id", "item_id", "event_type", "timestamp", "session_id"]
        self._log = shop.events[needed]
        self._mine: dict[str, Any] | None = None
        self._places = "position" in shop.events
        self._purchases = bool((shop.events["event_type"] != "clicked_on").any())
        self._visitors = (
            bool(len(shop.events)) and shop.events["user_id"].nunique() < shop.events["session_id"].nunique()
        )
        return self

    def table(self, contexts: Sequence[Context], pool: Pool) -> Floats:
        """The features [candidates, names_] of a pool of `contexts`, as float32."""
        columns: dict[str, Floats] = {}
        for name, values in self._columns(contexts, pool):
            columns[name] = values
        self.names_ = tuple(columns)
        made = np.empty((len(pool.column), len(columns)), dtype=np.float32)
        for at, values in enumerate(columns.values()):
            made[:, at] = values
        return made

    def _columns(self, contexts: Sequence[Context], pool: Pool) -> Iterator[tuple[str, Floats]]:
        row, column = pool.context, pool.column
        for name, values in pool.scores.items():
            yield f"{name}: score", values
            if name in pool.evidence:
                yield f"{name}: evidence", pool.evidence[name][row]
        yield "sources", np.sum(list(pool.nominated.values()), axis=0, dtype=np.float64)
        for name, values in self._still.items():
            yield name, values[column]
        now = np.array([context.now_ms for context in contexts], dtype=np.float64)
        if self._launched is not None:
            yield "days since launch", np.log1p(np.maximum(now[row] - self._launched[column], 0) / DAY_MS)
        visits = [self._deeds(context.session) for context in contexts]
        pasts = self._pasts(contexts)
        yield from self._in_visit(contexts, visits, pool)
        if self._visitors:
            yield from self._before(pasts, now, pool)
        yield from self._alike(visits, pasts, row, column)
        for name, extra in (self.extra or {}).items():
            given = [np.asarray(extra(context, pool.ids(at)), dtype=np.float64) for at, context in enumerate(contexts)]
            yield name, np.concatenate([np.zeros(0), *given])

    def _in_visit(
        self, contexts: Sequence[Context], visits: Sequence[_Deeds], pool: Pool
    ) -> Iterator[tuple[str, Floats]]:
        width = len(self.items)
        cells = pool.context * width + pool.column
        clicks, back, length, gap = [], [], [], []
        for visit in visits:
            mine = visit.of("clicked_on")
            clicks.append((mine, np.ones(len(mine))))
            back.append((visit.column, 1.0 / np.arange(len(visit.column), 0, -1)))
            length.append((len(mine), len(np.unique(mine))))
            gap.append(float(np.diff(visit.time[-2:]).sum()) / 1000)
        yield "clicks in visit", np.log1p(_put(cells, clicks, width))
        yield "recency in visit", _put(cells, back, width, latest=True)
        row = pool.context
        yield "visit: clicks", np.log1p(np.array([n for n, _ in length], dtype=np.float64))[row]
        yield "visit: new products", np.array([m / max(n, 1) for n, m in length])[row]
        yield "visit: seconds on the last page", np.log1p(np.array(gap))[row]
        if self._purchases:
            carts = [(visit.of("put_to_cart", "buy"), np.ones(len(visit.of("put_to_cart", "buy")))) for visit in visits]
            yield "put to cart in visit", _put(cells, carts, width, latest=True)
            yield "visit: carts", np.log1p(np.array([len(mine) for mine, _ in carts], dtype=np.float64))[row]
        if self._places:
            yield "visit: place on the home page", np.array([_place(context) for context in contexts])[row]

    def _before(self, pasts: Sequence[_Deeds], now: Floats, pool: Pool) -> Iterator[tuple[str, Floats]]:
        width = len(self.items)
        cells = pool.context * width + pool.column
        for kind, name in {"clicked_on": "clicked", "put_to_cart": "put to cart", "buy": "bought"}.items():
            if kind != "clicked_on" and not self._purchases:
                continue
            mine = [past.of(kind) for past in pasts]
            yield f"{name} before", np.log1p(_put(cells, [(own, np.ones(len(own))) for own in mine], width))
            days = [
                np.maximum(at - past.time[past.kind == EVENT_TYPES.index(kind)], 0) / DAY_MS
                for past, at in zip(pasts, now, strict=True)
            ]
            nearness = [(own, 1.0 / (1.0 + ago)) for own, ago in zip(mine, days, strict=True)]
            yield f"{name}: nearness in days", _put(cells, nearness, width, latest=True)
        row = pool.context
        yield "shopper: events", np.log1p(np.array([len(past.column) for past in pasts], dtype=np.float64))[row]
        if self._purchases:
            bought = np.array([len(past.of("buy")) for past in pasts], dtype=np.float64)
            yield "shopper: purchases", np.log1p(bought)[row]

    def _alike(
        self, visits: Sequence[_Deeds], pasts: Sequence[_Deeds], row: Rows, column: Rows
    ) -> Iterator[tuple[str, Floats]]:
        """The candidate's kind and price beside those of the last product, of this visit, of earlier ones."""
        last = np.array([visit.column[-1] if len(visit.column) else -1 for visit in visits])
        recent = [(visit.column, _FADE ** np.arange(len(visit.column))[::-1]) for visit in visits]
        earlier = [(past.column, _WORTH[past.kind]) for past in pasts]
        for name, codes in self._kinds.items():
            yield f"same {name} as the last", (codes[last[row]] == codes[column]) & (last[row] >= 0)
            yield f"{name} in visit", _shares(recent, codes)[row, codes[column]]
            if self._visitors:
                yield f"{name} before", _shares(earlier, codes)[row, codes[column]]
        if self._price is not None:
            prices = self._price
            here = [_mean(prices, told) for told in recent]
            yield "price against visit", np.where(np.isnan(here), prices.mean(), here)[row] * -1 + prices[column]
            yield "price gap to visit", np.nan_to_num(np.abs(np.array(here)[row] - prices[column]))
            if self._visitors:
                used = np.array([_mean(prices, told) for told in earlier])
                yield "price gap to before", np.nan_to_num(np.abs(used[row] - prices[column]))
        if self._page is not None:
            step = self._page[column] - self._page[last[row]]
            yield "pages on", np.where(last[row] >= 0, step, 0.0)
        if len(self._kinds) and "location" in self._kinds:
            yield "place of the last", np.where(last >= 0, self._kinds["location"][last], -1)[row]
            yield "place", self._kinds["location"][column].astype(np.float64)

    def _pasts(self, contexts: Sequence[Context]) -> list[_Deeds]:
        """What each shopper did in earlier visits."""
        read: dict[int, _Deeds] = {}
        none = self._deeds(())
        found = []
        for context in contexts:
            if context.history is None:
                found.append(self._logged(context.shopper_id))
            elif not context.history:
                found.append(none)
            else:
                key = id(context.history)  # the questions of one visit share it
                if key not in read:
                    read[key] = self._deeds(context.history)
                found.append(read[key])
        return found

    def _logged(self, shopper: str | None) -> _Deeds:
        if self._mine is None:
            self._mine = {str(user): rows for user, rows in self._log.groupby("user_id").indices.items()}
        return self._deeds(as_events(self._log.iloc[self._mine.get(shopper or "", [])]))

    def _deeds(self, events: Sequence[Event]) -> _Deeds:
        known = [event for event in events if event.item_id in self._column]
        column = np.array([self._column[event.item_id] for event in known], dtype=np.int64)
        kind = np.array([EVENT_TYPES.index(event.event_type) for event in known], dtype=np.int64)
        return _Deeds(column, kind, np.array([event.timestamp for event in known], dtype=np.int64))


def _of_products(shop: Shop, products: pd.DataFrame, items: Sequence[str]) -> Iterator[tuple[str, Floats]]:
    """What is known of the products alone, [items] each."""
    index = pd.Index(items)
    clicks = shop.popularity.reindex(index).to_numpy(dtype=np.float64)
    share = np.log((clicks + 0.5) / (clicks + 0.5).sum())
    yield "popularity", share
    last = int(shop.events["timestamp"].max()) if len(shop.events) else 0
    for days in (3, 14):
        rows = shop.events[shop.events["timestamp"] > last - days * DAY_MS]["item_id"].value_counts()
        recent = rows.reindex(index, fill_value=0).to_numpy(dtype=np.float64)
        expected = np.exp(share) * recent.sum()
        yield f"trend of {days} days", np.log((recent + 5.0) / (expected + 5.0))
    buys = shop.events[shop.events["event_type"] == "buy"]["item_id"].value_counts()
    if len(buys):
        bought = buys.reindex(index, fill_value=0).to_numpy(dtype=np.float64)
        yield "purchases per click", np.log((bought + 1.0) / (clicks + 20.0))
    if shop.impressions is not None and len(shop.impressions):
        shown = shop.impressions["item_id"].value_counts().reindex(index, fill_value=0).to_numpy(dtype=np.float64)
        yield "shown", np.log1p(shown)
        if "surface" in shop.events:
            there = shop.events[(shop.events["surface"] == "home") & (shop.events["event_type"] == "clicked_on")]
            hits = there["item_id"].value_counts().reindex(index, fill_value=0).to_numpy(dtype=np.float64)
            yield "clicks where shown", np.log((hits + 1.0) / (shown + 20.0))
    for name in ("price", "review_count", "review_rating", "in_stock", "on_sale"):
        if name in products:
            values = products[name].to_numpy(dtype=np.float64)
            values = np.log1p(values) if name in ("price", "review_count") else values
            yield name, np.where(np.isnan(values), np.nanmean(values) if (~np.isnan(values)).any() else 0.0, values)


def _put(cells: Rows, told: Sequence[tuple[Rows, Floats]], width: int, latest: bool = False) -> Floats:
    """Values of (context, product) at the cells of a pool, 0 elsewhere; added up, or the latest alone."""
    made = np.zeros(len(cells))
    rows = np.repeat(np.arange(len(told)), [len(columns) for columns, _ in told])
    keys = rows * width + np.concatenate([np.zeros(0, dtype=np.int64), *(columns for columns, _ in told)])
    values = np.concatenate([np.zeros(0), *(values for _, values in told)])
    at = np.minimum(np.searchsorted(cells, keys), max(len(cells) - 1, 0))
    there = cells[at] == keys if len(cells) else np.zeros(len(keys), dtype=bool)
    if latest:
        made[at[there]] = values[there]
    else:
        np.add.at(made, at[there], values[there])
    return made


def _shares(told: Sequence[tuple[Rows, Floats]], codes: Rows) -> Floats:
    """The share of each kind in what is told of each context; [contexts, kinds], zeros where nothing is."""
    rows = np.repeat(np.arange(len(told)), [len(columns) for columns, _ in told])
    columns = np.concatenate([np.zeros(0, dtype=np.int64), *(columns for columns, _ in told)])
    values = np.concatenate([np.zeros(0), *(values for _, values in told)])
    made = np.zeros((len(told), int(codes.max(initial=0)) + 1))
    np.add.at(made, (rows, codes[columns]), values)
    total = made.sum(axis=1, keepdims=True)
    return np.asarray(made / np.where(total > 0, total, 1.0))


def _mean(values: Floats, told: tuple[Rows, Floats]) -> float:
    columns, weights = told
    total = float(weights.sum())
    return float(values[columns] @ weights) / total if total > 0 else float("nan")


def _place(context: Context) -> float:
    """Where on the home page the last product stood; 0 when it was not clicked there."""
    last = context.session[-1].event_attr if context.session else {}
    place = last.get("position", 0)
    return float(place) if isinstance(place, int | float) else 0.0
