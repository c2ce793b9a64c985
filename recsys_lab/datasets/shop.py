"""The shop: products, shoppers and what happened between them, validated once and then trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import schema
from recsys_lab.datasets.events import DataError, Event

DAY_MS = 86_400_000
VISIT_GAP_MS = 30 * 60_000
"""A pause after which the next event of a shopper begins a new visit, where a log has no session ids (half an hour)."""

_EVENT_KEYS = ("user_id", "item_id", "event_type", "timestamp", "session_id")


@dataclass(frozen=True, eq=False)
class Shop:
    """A shop's log: three pandas frames, and a fourth for impressions where they were recorded.

    `products` has a column `item_id`, `shoppers` a column `user_id`; `events` has `user_id`, `item_id`, `event_type`,
    `timestamp` (int64 ms since 1970) and `session_id`, in order of time. All other columns are optional: see `lacks`.
    Build one with `Shop.from_frames`, which checks all of this, or with a loader.

    >>> products = pd.DataFrame({"item_id": ["a", "b"], "price": [10.0, 20.0]})
    >>> events = pd.DataFrame({"user_id": ["u", "u"], "item_id": ["b", "a"], "event_type": ["clicked_on", "buy"],
    ...                        "timestamp": [1_700_000_000_000, 1_700_000_060_000]})
    >>> shop = Shop.from_frames(products, events)
    >>> shop.tie_order.tolist(), "name" in shop.lacks
    (['b', 'a'], True)
    """

    name: str
    products: pd.DataFrame
    shoppers: pd.DataFrame
    events: pd.DataFrame
    impressions: pd.DataFrame | None = None

    @classmethod
    def from_frames(
        cls,
        products: pd.DataFrame,
        events: pd.DataFrame,
        shoppers: pd.DataFrame | None = None,
        impressions: pd.DataFrame | None = None,
        name: str = "my shop",
    ) -> Shop:
        """Check and keep the tables of a shop. Raises `DataError` with the column, the rule and the first offender.

        Ids may be whole numbers: they become texts. Times may be datetimes: they become int64 milliseconds. Without
        `session_id`, half an hour without an event ends a visit; without `shoppers`, they are those who have events.
        """
        products = products.assign(item_id=schema.labels("products", products, "item_id"))
        if "launched_at" in products.columns:
            products["launched_at"] = schema.timestamps("products", products["launched_at"])
        products = schema.validate("products", products, {"item_id": "unique"}, schema.PRODUCT_COLUMNS)
        if products.empty:
            raise DataError("products: the table is empty; a shop needs at least one product")
        events = _events("events", events, products)
        if shoppers is None:
            shoppers = pd.DataFrame({"user_id": sorted(events["user_id"].unique())})
        shoppers = shoppers.assign(user_id=schema.labels("shoppers", shoppers, "user_id"))
        shoppers = schema.validate("shoppers", shoppers, {"user_id": "unique"}, schema.SHOPPER_COLUMNS)
        _known("events", "user_id", events["user_id"], shoppers["user_id"], "shoppers")
        if impressions is not None:
            impressions = _events("impressions", impressions, products)
        return cls(name, products.reset_index(drop=True), shoppers.reset_index(drop=True), events, impressions)

    @classmethod
    def from_sessions(cls, sessions: Sequence[Sequence[str]], name: str = "sessions") -> Shop:
        """A shop of clicks alone, from lists of product ids in the order of clicks; a session stands for its shopper."""
        users = [f"s{number}" for number, session in enumerate(sessions) for _ in session]
        items = [str(item) for session in sessions for item in session]
        times = [number * DAY_MS + at * 60_000 for number, session in enumerate(sessions) for at in range(len(session))]
        events = pd.DataFrame(
            {"user_id": users, "item_id": items, "event_type": "clicked_on", "timestamp": times, "session_id": users}
        )
        return cls.from_frames(pd.DataFrame({"item_id": sorted(set(items))}), events, name=name)

    @property
    def lacks(self) -> tuple[str, ...]:
        """What this shop does not have: columns of products, shoppers' traits, event types, attributes, impressions."""
        missing = [name for name in schema.PRODUCT_COLUMNS if name not in self.products.columns]
        missing += [f"shoppers.{name}" for name in schema.SHOPPER_COLUMNS if name not in self.shoppers.columns]
        happened = set(self.events["event_type"].unique())
        missing += [kind for kind in ("clicked_on", "put_to_cart", "removed_from_cart", "buy") if kind not in happened]
        missing += [f"event.{name}" for name in schema.EVENT_COLUMNS if name not in self.events.columns]
        return (*missing, "impressions") if self.impressions is None else tuple(missing)

    @cached_property
    def popularity(self) -> pd.Series[int]:
        """How popular each product is, indexed by item_id: its clicks; in a shop without clicks, its distinct buyers.

        (Distinct, because one customer who re-orders weekly says nothing about all the others.)
        """
        kinds = self.events["event_type"]
        if (kinds == "clicked_on").any():
            counts = self.events.loc[kinds == "clicked_on", "item_id"].value_counts()
        else:
            buys = self.events.loc[kinds == "buy", ["user_id", "item_id"]].drop_duplicates()
            counts = buys["item_id"].value_counts()
        return counts.reindex(self.products["item_id"], fill_value=0).astype("int64")

    @cached_property
    def tie_order(self) -> np.ndarray[Any, np.dtype[Any]]:
        """All product ids, most popular first, then by id: the order in which ties fall; shape [products]."""
        counts = self.popularity.to_numpy()
        ids = self.popularity.index.to_numpy(dtype=object)
        by_id = np.argsort(ids.astype(str), kind="stable")
        return ids[by_id][np.argsort(-counts[by_id], kind="stable")]

    def between(self, start_ms: int | None = None, end_ms: int | None = None, name: str | None = None) -> Shop:
        """The same shop with the events of [start_ms, end_ms) only; products and shoppers stay."""
        kept = _between(self.events, start_ms, end_ms)
        shown = None if self.impressions is None else _between(self.impressions, start_ms, end_ms)
        return replace(self, events=kept, impressions=shown, name=name or self.name)

    def only(self, events: pd.DataFrame) -> Shop:
        """The same shop with `events` (rows of its own, in order of time) in place of all."""
        return replace(self, events=events.reset_index(drop=True))

    def sequences(self, event_type: str = "clicked_on", collapse: bool = True, min_length: int = 2) -> pd.DataFrame:
        """The sessions as sequences: events of one type, sessions in the order of their start.

        Consecutive repeats of a product are removed (`collapse`) *before* sessions that are too short are dropped: a
        reload of one page is no sequence.
        """
        rows = self.events[self.events["event_type"] == event_type]
        start = rows.groupby("session_id")["timestamp"].transform("min")
        rows = rows.assign(_start=start).sort_values(["_start", "session_id", "timestamp"], kind="stable")
        if collapse:
            item, session = rows["item_id"].to_numpy(), rows["session_id"].to_numpy()
            fresh = np.ones(len(rows), dtype=bool)
            fresh[1:] = (item[1:] != item[:-1]) | (session[1:] != session[:-1])
            rows = rows[fresh]
        length = rows.groupby("session_id")["item_id"].transform("size")
        return rows[length >= min_length].drop(columns="_start").reset_index(drop=True)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the content of all tables, the same on every supported version of pandas."""
        digest = hashlib.sha256()
        for frame in (self.products, self.shoppers, self.events, self.impressions):
            digest.update(b"none" if frame is None else frame_hash(frame).encode())
        return digest.hexdigest()[:16]


def frame_hash(frame: pd.DataFrame) -> str:
    """sha256 of a frame's column names and values (hex); independent of index, dtype flavour and pandas version.

    >>> frame_hash(pd.DataFrame({"a": ["x", None]})) == frame_hash(pd.DataFrame({"a": ["x", None]}, dtype=object))
    True
    """
    digest = hashlib.sha256()
    for name in frame.columns:
        values = frame[name]
        digest.update(f"{name}\x1f".encode())
        if isinstance(values.dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(values):
            texts = values.astype(object).where(values.notna(), "\x00")
            digest.update("\x1f".join(map(str, texts)).encode("utf-8", "surrogatepass"))
        elif pd.api.types.is_float_dtype(values):
            digest.update(values.to_numpy(dtype="float64", na_value=np.nan).tobytes())
        else:
            digest.update(values.to_numpy(dtype="int64").tobytes())
    return digest.hexdigest()


def as_events(rows: pd.DataFrame) -> list[Event]:
    """Rows of a shop's events as `Event`s, with the attributes that have a value."""
    attrs = [name for name in schema.EVENT_COLUMNS if name in rows.columns]
    held = {name: rows[name].to_numpy(dtype=object, na_value=None) for name in attrs}
    keys = [rows[name].tolist() for name in _EVENT_KEYS]
    made = []
    for at, (user, item, kind, time, session) in enumerate(zip(*keys, strict=True)):
        attr = {name: values[at] for name, values in held.items() if values[at] is not None}
        made.append(Event(user, item, kind, time, session, attr, id=f"{session}/{rows.index[at]}"))
    return made


def _events(table: str, frame: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """Checked events in order of time, with every key column there."""
    frame = frame.assign(**{key: schema.labels(table, frame, key) for key in ("user_id", "item_id")})
    if "timestamp" not in frame.columns:
        raise DataError(f"{table}: the column 'timestamp' is missing; it has to hold milliseconds since 1970")
    frame["timestamp"] = schema.timestamps(table, frame["timestamp"])
    frame = frame.sort_values("timestamp", kind="stable", ignore_index=True)
    if "session_id" in frame.columns:
        frame["session_id"] = schema.labels(table, frame, "session_id")
    else:
        frame["session_id"] = _visits(frame)
    required = {
        "user_id": "label",
        "item_id": "label",
        "event_type": "event type",
        "timestamp": "time",
        "session_id": "label",
    }
    frame = schema.validate(table, frame, required, schema.EVENT_COLUMNS)
    if "id" in frame.columns:
        frame = schema.validate(table, frame, {"id": "unique"}, {})
    _known(table, "item_id", frame["item_id"], products["item_id"], "products")
    others = [name for name in frame.columns if name not in _EVENT_KEYS]
    return frame[[*_EVENT_KEYS, *others]]


def _visits(events: pd.DataFrame) -> pd.Series[str]:
    """A session id for each event: a new one when the shopper was away for `VISIT_GAP_MS`."""
    pause = events.groupby("user_id")["timestamp"].diff()
    number = (pause > VISIT_GAP_MS).groupby(events["user_id"]).cumsum()
    return events["user_id"] + "/" + number.astype("int64").astype(str)


def _known(table: str, column: str, used: pd.Series[str], known: Iterable[str], where: str) -> None:
    strange = ~used.isin(set(known))
    if strange.any():
        first = int(np.flatnonzero(strange.to_numpy())[0])
        raise DataError(
            f"{table}.{column}: row {first} has {used.iloc[first]!r}, which is not in {where} ({int(strange.sum())} rows"
            f" in all); add it to {where} or drop these rows"
        )


def _between(events: pd.DataFrame, start_ms: int | None, end_ms: int | None) -> pd.DataFrame:
    times = events["timestamp"].to_numpy()
    first = 0 if start_ms is None else int(np.searchsorted(times, start_ms, side="left"))
    last = len(times) if end_ms is None else int(np.searchsorted(times, end_ms, side="left"))
    return events.iloc[first:last].reset_index(drop=True)
