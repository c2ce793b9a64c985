"""The shop: products, shoppers and what happened between them, validated once and then trusted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import schema
from recsys_lab.datasets.events import DataError, Event

DAY_MS = 86_400_000
BRIEF_DAYS = 4
"""A log of fewer days is cut by the clock: one to learn from, one to tune on and one to test take three at least."""
VISIT_GAP_MS = 30 * 60_000
"""Half an hour: where a log has no session ids, a longer pause of a shopper begins a new visit."""

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

        Ids may be whole numbers: they become texts. Times may be datetimes: they become int64 milliseconds (UTC where
        they name no zone). Without `session_id`, more than half an hour without an event ends a visit; without
        `shoppers`, they are those who have events or impressions. The frames that are given stay as they are.
        """
        products = _labelled("products", products, "item_id", schema.PRODUCT_COLUMNS)
        if products.empty:
            raise DataError("products: the table is empty; a shop needs at least one product")
        if shoppers is not None:
            shoppers = _labelled("shoppers", shoppers, "user_id", schema.SHOPPER_COLUMNS)
        events = _events("events", events, products, shoppers)
        if impressions is not None:
            impressions = _events("impressions", impressions, products, shoppers)
        if shoppers is None:
            seen = set(events["user_id"]) | set(() if impressions is None else impressions["user_id"])
            shoppers = pd.DataFrame({"user_id": sorted(seen)})
        return cls(name, products, shoppers, events, impressions)

    @classmethod
    def from_sessions(cls, sessions: Sequence[Sequence[str]], name: str = "sessions") -> Shop:
        """A shop of clicks, from lists of product ids in the order of clicks; a session stands for its shopper."""
        if any(isinstance(session, str) for session in sessions):
            raise DataError("sessions: a session is a text; each has to be a list of product ids")
        users = [f"s{number}" for number, session in enumerate(sessions) for _ in session]
        items = [str(item) for session in sessions for item in session]
        times = np.arange(len(items)) * 1000  # one click a second, the sessions one after the other
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
        return self._sequences(event_type, collapse, min_length).reset_index(drop=True)

    def _sequences(self, event_type: str, collapse: bool, min_length: int) -> pd.DataFrame:
        """The rows of `sequences`, numbered as in `events`."""
        rows = self.events[self.events["event_type"] == event_type]
        start = rows.groupby("session_id")["timestamp"].transform("min")
        rows = rows.assign(_start=start).sort_values(["_start", "session_id", "timestamp"], kind="stable")
        if collapse:
            item, session = rows["item_id"].to_numpy(), rows["session_id"].to_numpy()
            fresh = np.ones(len(rows), dtype=bool)
            fresh[1:] = (item[1:] != item[:-1]) | (session[1:] != session[:-1])
            rows = rows[fresh]
        length = rows.groupby("session_id")["item_id"].transform("size")
        return rows[length >= min_length].drop(columns="_start")

    def without_repeats(self, min_length: int = 1) -> Shop:
        """The same shop with the clicks of its `sequences` only; events of other types, and the order, stay."""
        kept = self.events.index.isin(self._sequences("clicked_on", True, min_length).index)
        return self.only(self.events[kept | (self.events["event_type"] != "clicked_on")])

    def split(self, test_days: int | None = None, tune_days: int | None = None) -> Split:
        """Split by global time, in whole days (UTC): the last `test_days` to test, `tune_days` before them to tune on.

        Where neither is given, `days_to_test` says how many; a log of less than four days is cut by the clock, its last
        quarter to test and an eighth before it. Raises `DataError` when a log is too short to leave something to learn
        from.
        """
        if self.events.empty:
            raise DataError("split: the shop has no events; there is nothing to learn from or to test on")
        first, last = int(self.events["timestamp"].min()), int(self.events["timestamp"].max())
        days = last // DAY_MS - first // DAY_MS + 1
        if test_days is None and tune_days is None and days < BRIEF_DAYS:
            if last - first < 8:
                raise DataError("split: all events are of one moment, so none comes after another; tell their times")
            return self._cut(last - (last - first) // 4, last - (last - first) * 3 // 8)
        test, tune = days_to_test(days)
        test, tune = test if test_days is None else test_days, tune if tune_days is None else tune_days
        if test < 1 or tune < 1:
            raise DataError(f"split: test_days {test} and tune_days {tune} have to be at least 1")
        if days <= test + tune:
            raise DataError(
                f"split: the log spans {days} days, too few for {tune} to tune and {test} to"
                f" test; choose fewer (.split(test_days=..., tune_days=...)) or take a longer log"
            )
        midnight = (last // DAY_MS + 1) * DAY_MS
        return self._cut(midnight - test * DAY_MS, midnight - (test + tune) * DAY_MS)

    def _cut(self, test_ms: int, tune_ms: int) -> Split:
        return Split(
            train=self.between(None, tune_ms), tune=self.between(tune_ms, test_ms),
            before_test=self.between(None, test_ms), test=self.between(test_ms, None),
        )  # fmt: skip

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the content of all tables, the same on every supported version of pandas."""
        digest = hashlib.sha256()
        for frame in (self.products, self.shoppers, self.events, self.impressions):
            digest.update(b"none" if frame is None else frame_hash(frame).encode())
        return digest.hexdigest()[:16]


def days_to_test(days: int) -> tuple[int, int]:
    """Days to test and to tune on: 14 and 7 of a log of more than five weeks, else a quarter and an eighth of its days.

    >>> days_to_test(90), days_to_test(8), days_to_test(4)
    ((14, 7), (2, 1), (1, 1))
    """
    return (14, 7) if days > 35 else (max(1, days // 4), max(1, days // 8))


@dataclass(frozen=True, eq=False)
class Split:
    """A shop's log cut by time: choose with `train` and `tune`; then learn from `before_test`, once, and test."""

    train: Shop
    tune: Shop
    before_test: Shop
    """`train` and `tune` together."""
    test: Shop


def frame_hash(frame: pd.DataFrame) -> str:
    """sha256 of a frame's column names and values (hex); independent of index, dtype flavour and pandas version.

    >>> frame_hash(pd.DataFrame({"a": ["x", None]})) == frame_hash(pd.DataFrame({"a": ["x", None]}, dtype=object))
    True
    """
    digest = hashlib.sha256()
    for name in frame.columns:
        kind, content = _column_content(frame[name])
        # Lengths in front and JSON for texts: no separator that a value could hold, so no two frames look alike.
        digest.update(json.dumps([str(name), kind, len(content)]).encode() + content)
    return digest.hexdigest()


def _column_content(values: pd.Series[Any]) -> tuple[str, bytes]:
    """What a column holds, and its values as bytes."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    missing, values = values.isna(), values.infer_objects()
    if pd.api.types.is_bool_dtype(values) and not missing.any():
        return "flags", values.to_numpy(dtype=bool).tobytes()
    if pd.api.types.is_integer_dtype(values) and not missing.any():
        return "whole numbers", values.to_numpy(dtype="<i8").tobytes()
    if pd.api.types.is_integer_dtype(values) or pd.api.types.is_float_dtype(values):
        numbers = values.to_numpy(dtype="<f8", na_value=np.nan) + 0.0  # 0.0 for -0.0, and below one NaN for all
        return "numbers", np.where(np.isnan(numbers), np.nan, numbers).tobytes()
    held = [
        value if value is None or isinstance(value, str) else [str(value)]  # the number 1 is not the text "1"
        for value in _python_values(values)
    ]
    return "texts", json.dumps(held).encode()


def as_events(rows: pd.DataFrame) -> list[Event]:
    """Rows of a shop's events as `Event`s, with the attributes that have a value.

    Their ids are those of the column `id`; without one, session and row number: a log may hold equal rows.
    """
    held = {name: _python_values(rows[name]) for name in schema.EVENT_COLUMNS if name in rows.columns}
    keys = [rows[name].tolist() for name in _EVENT_KEYS]
    numbers = rows.index.tolist() if rows.index.is_unique else range(len(rows))
    ids = [f"{session}/{at}" for session, at in zip(keys[-1], numbers, strict=True)]
    if "id" in rows.columns:
        ids = rows["id"].tolist()
    made = []
    for at, (user, item, kind, time, session) in enumerate(zip(*keys, strict=True)):
        attr = {name: values[at] for name, values in held.items() if values[at] is not None}
        made.append(Event(user, item, kind, time, session, attr, id=ids[at]))
    return made


def _python_values(values: pd.Series[Any]) -> list[Any]:
    """A column as Python's own values, None where there is none."""
    return [None if gone else value for value, gone in zip(values.tolist(), values.isna().tolist(), strict=True)]


def _labelled(table: str, frame: pd.DataFrame, key: str, optional: Mapping[str, str]) -> pd.DataFrame:
    """A checked table of products or shoppers."""
    frame = schema.table(table, frame)
    frame = frame.assign(**{key: schema.labels(table, frame, key)})
    return schema.validate(table, frame, {key: "unique"}, optional)


def _events(table: str, frame: pd.DataFrame, products: pd.DataFrame, shoppers: pd.DataFrame | None) -> pd.DataFrame:
    """Checked events in order of time, with every key column there."""
    frame = schema.table(table, frame)
    given = [name for name in ("session_id", "id") if name in frame.columns]
    frame = frame.assign(**{name: schema.labels(table, frame, name) for name in ("user_id", "item_id", *given)})
    required = {"user_id": "label", "item_id": "label", "event_type": "event type", "timestamp": "time"}
    required |= {name: {"session_id": "label", "id": "unique"}[name] for name in given}
    frame = schema.validate(table, frame, required, schema.EVENT_COLUMNS)
    _known(table, "item_id", frame["item_id"], products["item_id"], "products")
    if shoppers is not None:
        _known(table, "user_id", frame["user_id"], shoppers["user_id"], "shoppers")
    if "session_id" in given:
        _one_shopper_each(table, frame)
    frame = frame.sort_values("timestamp", kind="stable", ignore_index=True)
    if "session_id" not in frame.columns:
        frame["session_id"] = _visits(frame)
    others = [name for name in frame.columns if name not in _EVENT_KEYS]
    return frame[[*_EVENT_KEYS, *others]]


def _visits(events: pd.DataFrame) -> pd.Series[str]:
    """A session id for each event: a new one when the shopper was away for longer than `VISIT_GAP_MS`."""
    pause = events.groupby("user_id")["timestamp"].diff()
    number = (pause > VISIT_GAP_MS).groupby(events["user_id"]).cumsum()
    return events["user_id"] + "/" + number.astype("int64").astype(str)


def _one_shopper_each(table: str, frame: pd.DataFrame) -> None:
    # Many logs count each shopper's sessions 1, 2, 3: taken as they are, they would melt into sessions of strangers.
    pairs = frame[["session_id", "user_id"]].drop_duplicates()
    shared = pairs["session_id"].duplicated()
    if shared.any():
        row, session = pairs.index[shared][0], pairs["session_id"][shared].iloc[0]
        users = pairs.loc[pairs["session_id"] == session, "user_id"].tolist()
        raise DataError(
            f"{table}.session_id: row {row} has {session!r} of {users[1]!r}, but a session belongs to one shopper and"
            f" this one to {users[0]!r}; make them unique: user_id + '/' + session_id"
        )


def _known(table: str, column: str, used: pd.Series[str], known: Iterable[str], where: str) -> None:
    strange = ~used.isin(set(known))
    if strange.any():
        first = int(np.flatnonzero(strange.to_numpy())[0])
        raise DataError(
            f"{table}.{column}: row {first} has {used.iloc[first]!r}, which is not in {where} (rows like this:"
            f" {int(strange.sum())}); add it to {where} or drop them"
        )


def _between(events: pd.DataFrame, start_ms: int | None, end_ms: int | None) -> pd.DataFrame:
    times = events["timestamp"].to_numpy()
    first = 0 if start_ms is None else int(np.searchsorted(times, start_ms, side="left"))
    last = len(times) if end_ms is None else int(np.searchsorted(times, end_ms, side="left"))
    return events.iloc[first:last].reset_index(drop=True)
