"""From tables as they were read to the three of a shop. Every row that is left out is counted and shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import DAY_MS, EVENT_TYPES, DataError
from recsys_lab.datasets.schema import EVENT_COLUMNS, PRODUCT_COLUMNS, SHOPPER_COLUMNS
from recsys_lab.own import values as cells
from recsys_lab.own.columns import ALL, EVENT_WORDS, ORDER_WORDS, RETURN_WORDS, Named, bare, event_types
from recsys_lab.own.read import Table
from recsys_lab.own.report import EXAMPLES, Finding, Report, short

EARLIEST = int(pd.Timestamp("1990-01-01").timestamp() * 1000)
BOT = 1_000
"""More events of one shopper on one day than this are a robot's, or a till's."""
MANY_KINDS = 50
"""A column with more different words than this tells no kinds of rows apart."""


@dataclass(frozen=True)
class Wishes:
    """What the owner decides: see `python -m recsys_lab import --help`."""

    event_map: Mapping[str, str]
    units: str
    dates: str
    drop_bots: bool
    now_ms: int


class Sieve:
    """One table on its way: the columns that are ours, and which rows are still in."""

    def __init__(self, name: str, table: Table, named: Named, report: Report) -> None:
        self.name, self.report, self.theirs = name, report, named.ours
        self.raw = table.frame
        self.columns: dict[str, pd.Series[Any]] = {}
        self.keep = np.ones(len(self.raw), dtype=bool)
        if table.ragged:
            examples = tuple((f"line {line}" if line else "a line", why) for line, why in table.ragged[:EXAMPLES])
            words = "the row does not fit the header"
            report.dropped.append(
                Finding(name, words, len(table.ragged), examples, "put texts with separators in quotes")
            )
        self.drop(self.raw.isna().all(axis=1), "the row is empty")

    def source(self, ours: str) -> pd.Series[Any]:
        """The cells of the file for a column of ours."""
        return self.raw[self.theirs[ours]]

    def drop(self, bad: Any, why: str, ours: str | None = None, advice: str = "") -> None:
        """Leave out the rows that are still in and `bad`."""
        bad = np.asarray(bad, dtype=bool) & self.keep
        if bad.any():
            self.report.dropped.append(self._finding(bad, why, ours, advice))
            self.keep &= ~bad

    def change(self, bad: Any, why: str, ours: str, to: Any = None) -> None:
        """Give the rows that are still in and `bad` another value; None is no value."""
        bad = np.asarray(bad, dtype=bool)
        if (bad & self.keep).any():
            self.report.changed.append(self._finding(bad & self.keep, why, ours, ""))
        if bad.any():
            column = self.columns[ours]
            blank: Any = np.nan if to is None and pd.api.types.is_float_dtype(column) else to
            self.columns[ours] = column.where(~bad, blank)

    def _finding(self, bad: Any, why: str, ours: str | None, advice: str) -> Finding:
        rows = np.flatnonzero(bad)[:EXAMPLES].tolist()
        cells_of = self.source(ours) if ours is not None and ours in self.theirs else None
        shown = [short(cells_of.iloc[row]) if cells_of is not None else self._row(row) for row in rows]
        examples = tuple((f"row {row + 1}", value) for row, value in zip(rows, shown, strict=True))
        return Finding(self.name, why, int(bad.sum()), examples, advice)

    def _row(self, row: int) -> str:
        return short("; ".join("" if pd.isna(one) else short(one) for one in self.raw.iloc[row].tolist()[:8]))

    def ids(self, ours: str, what: str) -> None:
        """Read a column of ids; rows without one are dropped."""
        read = cells.labels(self.source(ours), what)
        self.columns[ours] = read.cells
        self.report.assumed += read.notes
        self.drop(read.unread, f"{ours} holds {read.why}", ours)
        self.drop(read.cells.isna(), f"there is no {ours}", ours)

    def attribute(self, ours: str, kind: str, wishes: Wishes) -> None:
        """Read an optional column; what cannot be read becomes no value."""
        source = self.source(ours)
        if kind == "text":
            read = cells.texts(source)
            self.columns[ours] = read.cells
            if (read.unread.to_numpy() & self.keep).any():
                self.report.changed.append(
                    self._finding(read.unread.to_numpy() & self.keep, f"{ours}: {read.why}", ours, "")
                )
            return
        if kind == "flag":
            read, missing = cells.flags(source), ours == "in_stock"
            self.columns[ours] = read.cells
            self.change(read.unread, f"{ours}: {read.why}, so {missing} is taken", ours, missing)
            self.change(self.columns[ours].isna(), f"{ours}: nothing is said, so {missing} is taken", ours, missing)
            return
        if kind == "time":
            read = cells.times(source, wishes.units, wishes.dates)
            self.columns[ours] = read.cells
            return
        read = cells.numbers(source)
        self.columns[ours] = read.cells
        self.report.assumed += [f"{self.name}, {ours}: {note}" for note in read.notes]
        self.change(read.unread, f"{ours}: no number, so it has no value", ours)
        top = {"rating": 5.0, "share": 1.0}.get(kind, np.inf)
        low = read.cells <= 0 if kind == "share" else read.cells < 0
        if not (self.name == "events" and ours in ("price", "quantity")):  # there it is a return: see `_returns`
            rule = "below 0" if top == np.inf else f"not from 0 to {top:g}"
            self.change(low | (read.cells > top), f"{ours}: {rule}, so it has no value", ours)

    def frame(self) -> pd.DataFrame:
        """The rows that are still in."""
        return pd.DataFrame(self.columns, index=self.raw.index)[self.keep].reset_index(drop=True)


def events_of(sieve: Sieve, wishes: Wishes) -> pd.DataFrame:
    """The events, cleaned, with `session_id` where the log has one, and `event_type` "impression" among the others."""
    report = sieve.report
    _who(sieve)
    sieve.ids("item_id", "product ids")
    _what(sieve, wishes)
    _when(sieve, wishes)
    _visit(sieve)
    if "id" in sieve.theirs:
        read = cells.labels(sieve.source("id"), "event ids")
        if read.cells.isna().any():
            report.assumed.append("some events have no id of their own: the column was left out")
        else:
            sieve.columns["id"] = read.cells
            repeated = pd.Series(read.cells).where(sieve.keep).duplicated() & sieve.keep
            sieve.drop(repeated, "an event with this id was there before", "id")
    for name, kind in {**PRODUCT_COLUMNS, **SHOPPER_COLUMNS, **EVENT_COLUMNS}.items():
        if name in sieve.theirs:
            sieve.attribute(name, kind, wishes)
    _returns(sieve)
    names = [name for name in sieve.columns if name in (*KEYS, *EVENT_COLUMNS)]
    twice = pd.DataFrame({name: sieve.columns[name] for name in names})[sieve.keep].duplicated()
    bad = np.zeros(len(sieve.keep), dtype=bool)
    bad[np.flatnonzero(sieve.keep)] = twice.to_numpy()
    sieve.drop(bad, "the same event, to the last value, was there before")
    _bots(sieve, wishes)
    if not sieve.keep.any():
        raise DataError(f"events: no row is left to import: {_reasons(report, 'events')}")
    return sieve.frame()


KEYS = ("user_id", "item_id", "event_type", "timestamp", "session_id")


def _reasons(report: Report, table: str) -> str:
    told = [
        f"{one.rows:,} rows: {one.what}" + (f" ({one.advice})" if one.advice else "")
        + (f", such as {one.examples[0][1]!r}" if one.examples else "")
        for one in report.dropped if one.table == table
    ]  # fmt: skip
    return "; ".join(told)


def _who(sieve: Sieve) -> None:
    if "user_id" in sieve.theirs:
        sieve.ids("user_id", "shopper ids")
    else:
        sieve.ids("session_id", "visit ids")
        sieve.columns["user_id"] = sieve.columns["session_id"]
        sieve.report.noticed.append(
            "no column was recognised as the shopper, so every visit or order counts as a new person, and nothing that"
            " somebody did before can be used; if a column names the customer, say so: --map THAT_COLUMN=user_id"
        )


def _what(sieve: Sieve, wishes: Wishes) -> None:
    words = event_types(wishes.event_map)
    every = {bare(theirs): name for theirs, name in wishes.event_map.items()}.get(ALL)
    if every is not None:
        sieve.columns["event_type"] = pd.Series(every, index=sieve.raw.index, dtype=object)
        sieve.report.assumed.append(f"every row is of the type {every}, as you said")
        return
    if "event_type" not in sieve.theirs:
        sieve.columns["event_type"] = pd.Series("buy", index=sieve.raw.index, dtype=object)
        sieve.report.assumed.append(
            "no column says what happened; there are orders or quantities, so every row is taken for a purchase"
            " (--event-map all=clicked_on says otherwise)"
        )
        _returns_in_others(sieve)
        return
    source = sieve.source("event_type")
    word = cells.by_value(source, lambda value: bare(_written(value)))
    said = pd.Series(word, index=source.index, dtype=object)
    named = {bare(theirs) for theirs in wishes.event_map}
    back = said.isin(RETURN_WORDS - named)
    sieve.columns["event_type"] = said.map(words)
    sieve.drop(back, "a return or a cancellation: the course has no event for it", "event_type")
    unknown = source[sieve.keep & sieve.columns["event_type"].isna().to_numpy()].astype(object)
    kinds = [short(one) for one in unknown.dropna().unique()[:EXAMPLES].tolist()]
    plain = [kind for kind in kinds if re.fullmatch(r"[\w .-]+", kind)] or ["WORD"]
    say = " ".join(f"--event-map {kind}=…" for kind in plain)
    advice = f"say what each means, {say}, with one of {', '.join(EVENT_TYPES)}; what is not named stays out"
    sieve.drop(sieve.columns["event_type"].isna(), "the course does not know this type of event", "event_type", advice)
    for theirs in sorted(set(cells.by_value(source[sieve.keep], _written))):
        ours = words[bare(theirs)]
        if theirs != ours and bare(theirs) in EVENT_WORDS and bare(theirs) not in named:
            sieve.report.assumed.append(f"events {short(theirs)!r} are taken for {ours}")


def _returns_in_others(sieve: Sieve) -> None:
    """Where every row is taken for a purchase: say so when a column that is not used knows of returns."""
    used = set(sieve.theirs.values())
    for column in [name for name in sieve.raw.columns if name not in used]:
        said = sieve.raw[column].dropna()
        if said.nunique() > MANY_KINDS:
            continue
        back = sorted({short(word) for word in said.unique().tolist() if bare(_written(word)) in RETURN_WORDS})
        if back:
            sieve.report.noticed.append(
                f"the column {short(column)} holds {', '.join(map(repr, back))} and was not used: such rows were taken"
                f" for purchases; to leave them out: --map {short(column)}=event_type, and --event-map for each word"
            )


def _written(value: Any) -> str:
    """A type of event as a text: the code 1.0 of a column of floats is 1."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _when(sieve: Sieve, wishes: Wishes) -> None:
    read = cells.times(sieve.source("timestamp"), wishes.units, wishes.dates)
    sieve.columns["timestamp"] = read.cells
    sieve.report.assumed += read.notes
    none = cells.no_time(read.cells)
    sieve.drop(read.unread, "the time cannot be read", "timestamp")
    sieve.drop(none, "there is no time", "timestamp")
    sieve.drop(read.cells < EARLIEST, "the time is before 1990", "timestamp", "is the unit right? see --units")
    late = read.cells > wishes.now_ms + DAY_MS
    sieve.drop(late, "the time is in the future", "timestamp", "is the unit right? see --units")


def _visit(sieve: Sieve) -> None:
    """`session_id`, where there is one that can be used."""
    report, columns = sieve.report, sieve.columns
    pause = "visits are made by the clock: a pause of more than 30 minutes of a shopper begins a new one"
    if "session_id" not in sieve.theirs:
        report.assumed.append(f"the log names no visits; {pause}")
        return
    if "session_id" not in columns:
        read = cells.labels(sieve.source("session_id"), "visit ids")
        columns["session_id"] = read.cells
        report.assumed += read.notes
    kept = pd.DataFrame({name: columns[name] for name in ("user_id", "session_id", "event_type")})[sieve.keep]
    order = bare(sieve.theirs["session_id"]) in ORDER_WORDS
    if order and (kept["event_type"] != "buy").any():
        report.assumed.append(
            f"{short(sieve.theirs['session_id'])!r} names orders and not visits, so it was left out; {pause}"
        )
        del columns["session_id"]
        return
    missing = int(kept["session_id"].isna().sum())
    if missing * 10 > len(kept):
        report.assumed.append(f"{missing:,} of {len(kept):,} events name no visit, so the column was left out; {pause}")
        del columns["session_id"]
        return
    sieve.drop(columns["session_id"].isna(), "there is no session_id", "session_id")
    pairs = kept[["user_id", "session_id"]].drop_duplicates()
    if pairs["session_id"].duplicated().any():
        columns["session_id"] = columns["user_id"] + "/" + columns["session_id"]
        report.assumed.append("several shoppers share a visit id: visits are now named shopper/visit")


def _returns(sieve: Sieve) -> None:
    """Negative quantities and prices: of a purchase it is a return; of a click it is a mistake."""
    buys = sieve.columns["event_type"] == "buy"
    for name in ("quantity", "price"):
        if name in sieve.columns:
            below = sieve.columns[name] < 0
            sieve.drop(below & buys, f"{name} is below 0: a return or a correction, and no purchase", name)
            sieve.change(below, f"{name}: below 0, so it has no value", name)


def _bots(sieve: Sieve, wishes: Wishes) -> None:
    keys = pd.DataFrame({name: sieve.columns[name] for name in ("user_id", "timestamp", "event_type")})[sieve.keep]
    keys = keys[keys["event_type"] != "impression"]
    counts = keys.groupby(["user_id", keys["timestamp"] // DAY_MS]).size()
    busy = counts[counts > BOT]
    if busy.empty:
        return
    users = busy.groupby(level=0).max().sort_values(ascending=False)
    named = ", ".join(f"{short(user)} ({count:,})" for user, count in users.head(EXAMPLES).items())
    words = f"{len(users):,} shoppers with more than {BOT:,} events on one day (robots? tills?): {named}"
    if wishes.drop_bots:
        bad = sieve.columns["user_id"].isin(set(users.index))
        sieve.drop(bad, f"a shopper with more than {BOT:,} events on one day (--drop-bots)", "user_id")
    else:
        sieve.report.noticed.append(f"{words}; they were kept, --drop-bots leaves them out")


def products_of(sieve: Sieve, named: Named, wishes: Wishes) -> pd.DataFrame:
    """The products, each once; columns that are not ours are kept too."""
    sieve.ids("item_id", "product ids")
    for name, kind in PRODUCT_COLUMNS.items():
        if name in sieve.theirs and name != "picture":
            sieve.attribute(name, kind, wishes)
    others = [name for name in named.others if name not in PRODUCT_COLUMNS]  # a picture may run code in a notebook
    for name in others:
        sieve.columns[name] = _any(sieve.raw[name])
    twice = sieve.columns["item_id"].where(sieve.keep).duplicated() & sieve.keep
    sieve.drop(twice, "a product with this id was there before (the first stays)", "item_id")
    if not sieve.keep.any():
        raise DataError(f"products: no row is left to import: {_reasons(sieve.report, 'products')}")
    return sieve.frame()


def shoppers_of(sieve: Sieve, wishes: Wishes) -> pd.DataFrame:
    """The shoppers, each once, with the traits that the course knows and no others."""
    sieve.ids("user_id", "shopper ids")
    for name, kind in SHOPPER_COLUMNS.items():
        if name in sieve.theirs:
            sieve.attribute(name, kind, wishes)
    twice = sieve.columns["user_id"].where(sieve.keep).duplicated() & sieve.keep
    sieve.drop(twice, "a shopper with this id was there before (the first stays)", "user_id")
    return sieve.frame()


def known_products(events: pd.DataFrame, products: pd.DataFrame, report: Report) -> pd.DataFrame:
    """The events of products that are in the table."""
    known = events["item_id"].isin(set(products["item_id"])).to_numpy()
    if known.all():
        return events
    strange = events.loc[~known, "item_id"].drop_duplicates()
    some = tuple(("product", short(item)) for item in strange.head(EXAMPLES))
    words = f"of {len(strange):,} products that are not in the table of products"
    if not known.any():
        raise DataError(
            f"events: none of their products is in the table of products: there {some[0][1]!r}, here"
            f" {short(products['item_id'].iloc[0])!r}; export both with the same ids, or leave --products out"
        )
    report.dropped.append(
        Finding("events", words, int((~known).sum()), some, "add them to it, or leave --products out")
    )
    if known.mean() < 0.5:
        report.noticed.append(
            "most events are of products that the table of products does not have: are the ids the same?"
        )
    return events[known].reset_index(drop=True)


def most_frequent(keys: pd.Series[Any], column: pd.Series[Any]) -> pd.Series[Any]:
    """For each key the value it has most often (the first by alphabet among equals), indexed by key."""
    counts = pd.DataFrame({"key": keys, "value": column}).value_counts().rename("rows").reset_index()
    counts = counts.sort_values(["rows", "key", "value"], ascending=[False, True, True], kind="stable")
    return counts.drop_duplicates("key").set_index("key")["value"]


def told_of(events: pd.DataFrame, key: str, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Products (or shoppers) as the events tell of them: the most frequent value, the median price."""
    table = pd.DataFrame(index=pd.Index(sorted(events[key].unique()), name=key, dtype=object))
    for name, kind in kinds.items():
        if name in events.columns and kind in ("text", "number", "rating"):
            if name == "price":
                table[name] = events.groupby(key)[name].median()
            else:
                table[name] = most_frequent(events[key], events[name])
    return table.reset_index()


def fill_times(table: str, frame: pd.DataFrame, column: str, first_ms: int, report: Report) -> pd.DataFrame:
    """Times of products or shoppers that are missing or absurd become that of the first event."""
    if column not in frame.columns:
        return frame
    bad = frame[column] < EARLIEST
    if bad.any():
        what = f"{column}: no time that can be read, so that of the first event is taken"
        report.changed.append(Finding(table, what, int(bad.sum())))
    return frame.assign(**{column: frame[column].where(~bad, first_ms).astype("int64")})


def _any(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column that the course does not know, as numbers where all of it are numbers (007 is none), else as texts."""
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return column
    words = column.dropna().astype(str)
    if len(words) and words.str.fullmatch(r"-?(0|[1-9]\d{0,14})(\.\d+)?").all():
        numbers = pd.to_numeric(column)
        return numbers if column.isna().any() else pd.to_numeric(column.astype(str))
    return cells.texts(column).cells
