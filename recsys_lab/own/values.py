"""Cells as shops write them, to the values of ours: labels, times, numbers, flags. Nothing is dropped here."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import DataError

UNITS = {"s": 1_000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
LONGEST_ID, LONGEST_TEXT = 200, 10_000
MISSING = frozenset({"", "nan", "null", "none", "<na>", "\\n", "n/a", "#n/a", "nat", "undefined"})
"""Words for "no value" in ids and numbers (in small letters). A product may be called NA."""

_ZONE = re.compile(r"\d:\d{2}(:\d{2}([.,]\d+)?)?\s*(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)$", re.IGNORECASE)
_DAYS = re.compile(
    r"(?P<a>\d{1,2})[./-](?P<b>\d{1,2})[./-](?P<year>\d{4}|\d{2})"
    r"(?:[ T,]+(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,]\d+)?)?\s*(?P<half>[AaPp][Mm])?)?"
)
_NONE = np.iinfo(np.int64).min


@dataclass
class Read:
    """A column of ours. `unread` marks cells that hold something else; `notes` say what had to be decided."""

    cells: pd.Series[Any]
    unread: pd.Series[bool]
    notes: list[str] = field(default_factory=list)
    why: str = ""


def by_value(values: pd.Series[Any], convert: Callable[[Any], Any]) -> list[Any]:
    """`convert` of each value, asked once for equal ones; None stays None."""
    codes, distinct = pd.factorize(values)
    made = np.empty(len(distinct) + 1, dtype=object)
    for at, value in enumerate(distinct.tolist()):
        made[at] = convert(value)
    return list(made[codes])  # missing has the code -1: the last, None


def series(values: Any, like: pd.Series[Any], dtype: Any = object) -> pd.Series[Any]:
    """Values as a column with the index of another."""
    made: pd.Series[Any] = pd.Series(values, index=like.index, dtype=dtype)
    return made


def labels(values: pd.Series[Any], what: str) -> Read:
    """Ids as texts: 007 stays 007, 12.0 of a column of floats is 12; None where there is no id, or what is none."""
    if pd.api.types.is_float_dtype(values):
        values = values.astype("float64")
    kinds: set[str] = set()

    def label(value: Any) -> Any:
        if isinstance(value, str):
            text = value.strip()
            if text.lower() in MISSING:
                return None
            kinds.add("text")
            if re.fullmatch(r"-?\d+[.,]0+", text):
                kinds.add("zero")
            else:
                kinds.add("E" if re.fullmatch(r"\d[.,]\d+E\+\d+", text) else "other")
            return text if len(text) <= LONGEST_ID and text.isprintable() else False
        if isinstance(value, int) and not isinstance(value, bool):
            kinds.add("number")
            return str(value)
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            kinds.add("float")
            return str(int(value))
        return False

    held = by_value(values, label)
    notes = []
    if "zero" in kinds and "other" not in kinds and "E" not in kinds:
        held = by_value(series(held, values), lambda text: re.split("[.,]", text)[0] if isinstance(text, str) else text)
        notes.append(f"{what} were written as 12.0 (they come of decimal numbers): the .0 was taken off")
    elif "float" in kinds:
        notes.append(f"{what} were decimal numbers in the file: 12.0 became 12")
    if "text" in kinds and kinds & {"number", "float"}:
        notes.append(f"{what} are numbers in some rows and texts in others: 7 and '7' are taken for one")
    if "E" in kinds:
        notes.append(
            f"{what} look shortened by a spreadsheet (1.23E+12), so different ones may look alike: export anew"
        )
    unread = series([text is False for text in held], values, bool)
    held = [None if text is False else text for text in held]
    return Read(series(held, values), unread, notes, f"no id: a text of at most {LONGEST_ID} characters in one line")


def texts(values: pd.Series[Any]) -> Read:
    """Texts, cut to `LONGEST_TEXT`; numbers are written out. `unread` marks those that were cut."""

    def text(value: Any) -> Any:
        if isinstance(value, float):
            return None if np.isnan(value) else str(int(value)) if value.is_integer() else str(value)
        return str(value)[:LONGEST_TEXT]

    cut = by_value(values, lambda value: isinstance(value, str) and len(value) > LONGEST_TEXT)
    held = series(by_value(values, text), values)
    return Read(held, series([bool(one) for one in cut], values, bool), why=f"cut to {LONGEST_TEXT:,} characters")


def numbers(values: pd.Series[Any]) -> Read:
    """Numbers as floats, NaN where there is none; decimal commas and currency signs are understood."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        found = values.astype("float64")
        return Read(found.where(np.isfinite(found)), series(np.isinf(found), values, bool), why="no number")
    codes, distinct = pd.factorize(values)
    words = ["" if isinstance(one, bool) else str(one).strip() for one in distinct.tolist()]
    bare = [re.sub(r"[\s\u00a0'€$£]|EUR|USD|GBP", "", word) for word in words]
    commas = [word for word in bare if re.fullmatch(r"-?[\d.]*,\d+", word)]
    decimal = any(not re.fullmatch(r"-?\d{1,3}(,\d{3})+", word) for word in commas)
    if decimal:
        bare = [word.replace(".", "").replace(",", ".") if "," in word else word for word in bare]
    else:
        bare = [word.replace(",", "") if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d*)?", word) else word for word in bare]
    known = [re.fullmatch(r"-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", word, re.IGNORECASE) is not None for word in bare]
    amounts = np.array([float(word) if is_number else np.nan for word, is_number in zip(bare, known, strict=True)])
    empty = np.array(
        [word.lower() in MISSING and not isinstance(one, bool) for word, one in zip(words, distinct, strict=True)]
    )
    amounts = np.append(np.where(np.isfinite(amounts), amounts, np.nan), np.nan)
    strange = np.append(np.isnan(amounts[:-1]) & ~empty.astype(bool), False)
    notes = ["a comma was read as the decimal sign (12,50 is twelve and a half)"] if decimal else []
    return Read(series(amounts[codes], values, float), series(strange[codes], values, bool), notes, "no number")


def flags(values: pd.Series[Any]) -> Read:
    """True and False from the words for them; None where there is none."""
    yes, no = {"true", "t", "yes", "y", "ja", "instock"}, {"false", "f", "no", "n", "nein", "outofstock"}

    def flag(value: Any) -> Any:
        word = re.sub(r"[\s_-]", "", str(value).lower())
        if word in MISSING:
            return None
        if word in yes or word in no:
            return word in yes
        try:
            return float(word) > 0
        except ValueError:
            return "?"

    held = series(by_value(values, flag), values)
    unread = series([one == "?" for one in held.tolist()], values, bool)
    return Read(held.where(~unread, None), unread, why="neither yes nor no")


def times(values: pd.Series[Any], units: str = "auto", dates: str = "auto") -> Read:
    """Whole milliseconds since 1970, and `_NONE` (see `no_time`) where there is none or none that can be read.

    `units` are of numbers: s, ms, us, ns, or auto; `dates` of texts such as 01/02/2024: day-first, month-first, auto.
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        zone = getattr(values.dtype, "tz", None)
        index = pd.DatetimeIndex(values) if zone is None else pd.DatetimeIndex(values).tz_convert("UTC")
        said = (
            "the dates name no time zone: they were read as UTC" if zone is None else "the dates name their time zone"
        )
        return Read(series(_ms(index), values, np.int64), series(False, values, bool), [said])
    codes, distinct = pd.factorize(values)
    held = distinct.tolist()
    words = ["" if isinstance(one, bool) else str(one).strip() for one in held]
    amounts = numbers(pd.Series(words, dtype=object)).cells.to_numpy()
    if np.isfinite(amounts).sum() * 2 >= max(1, sum(word.lower() not in MISSING for word in words)):
        found, notes = _of_numbers(amounts, units)
    else:
        found, notes = _of_dates(held, words, dates)
    empty = np.array([word.lower() in MISSING for word in words], dtype=bool)
    found, unread = np.append(found, _NONE), np.append((found == _NONE) & ~empty, False)
    return Read(series(found[codes], values, np.int64), series(unread[codes], values, bool), notes, "no time")


def no_time(values: pd.Series[int]) -> pd.Series[bool]:
    """Where `times` found none."""
    return values == _NONE


def _of_numbers(amounts: Any, units: str) -> tuple[Any, list[str]]:
    """Times from numbers: of a unit since 1970, of days as Excel counts them, or a date written as one number."""
    size = np.abs(amounts)
    told = [size[np.isfinite(size)]][0]
    day = told[(told >= 19000101) & (told <= 21001231)]
    second = told[(told >= 19000101000000) & (told <= 21001231235959)]
    limits = {"days": (1e4, 1e5), "s": (1e8, 1e11), "ms": (1e11, 1e14), "us": (1e14, 1e17), "ns": (1e17, 1e20)}
    count = {name: int(((told >= low) & (told < high)).sum()) for name, (low, high) in limits.items()}
    most = max(count, key=lambda name: count[name])
    if units in UNITS:
        return _rounded(amounts * UNITS[units]), [f"times are {NAMES[units]} since 1970 (UTC), as you said"]
    for length, fitting, form in ((8, day, "%Y%m%d"), (14, second, "%Y%m%d%H%M%S")):
        if len(fitting) * 2 > len(told):
            words = [f"{one:.0f}" if np.isfinite(one) and len(f"{one:.0f}") == length else None for one in amounts]
            index = pd.DatetimeIndex(pd.to_datetime(pd.Series(words, dtype=object), format=form, errors="coerce"))
            return _ms(index), ["times are dates written as one number (20240501), read as UTC"]
    if most == "days" and count[most]:
        days = np.where((size >= 1e4) & (size < 1e5), amounts, np.nan)
        return _rounded(np.round((days - 25_569) * 86_400) * 1000), [
            "times are days as Excel counts them (45292 is 1 January 2024), read as UTC"
        ]
    if not count[most]:
        return _rounded(amounts), ["times are taken for milliseconds since 1970 (UTC); --units s says seconds"]
    return _rounded(amounts * UNITS[most]), [f"times look like {NAMES[most]} since 1970 (UTC); --units says otherwise"]


def _rounded(amounts: Any) -> Any:
    fine = np.isfinite(amounts) & (np.abs(amounts) < 2**62)
    # A hair added: 1.123 seconds times 1000 may be a hair below 1123, and floats of nanoseconds are not exact.
    return np.where(fine, np.where(fine, np.floor(amounts + 5e-4), 0).astype(np.int64), _NONE)


def _of_dates(held: list[Any], words: list[str], dates: str) -> tuple[Any, list[str]]:
    """Times from texts: ISO, then 31.12.2024 13:05 and its like, then whatever names a month."""
    ours = [re.sub(r"\s*(UTC|GMT)$", "+00:00", word, flags=re.IGNORECASE) for word in words]
    naive = [isinstance(one, dt.datetime | dt.date) and getattr(one, "tzinfo", None) is None for one in held]
    found = _ms(
        pd.DatetimeIndex(pd.to_datetime(pd.Series(ours, dtype=object), format="ISO8601", utc=True, errors="coerce"))
    )
    zoned = [_ZONE.search(word) is not None for word in words]
    notes: list[str] = []
    rest = np.flatnonzero(found == _NONE)
    parts = {at: match for at in rest.tolist() if (match := _DAYS.fullmatch(words[at]))}
    if parts:
        first = _day_first(list(parts.values()), dates, notes)
        for at, match in parts.items():
            found[at] = _of_parts(match, first)
    for at in np.flatnonzero(found == _NONE).tolist():
        if re.search(r"[A-Za-z]{3}", words[at]) and re.search(r"\b\d{4}\b", words[at]) and len(words[at]) < 60:
            one = pd.to_datetime(words[at], utc=True, errors="coerce")
            found[at] = _NONE if pd.isna(one) else int(one.timestamp() * 1000)
            zoned[at] = zoned[at] or re.search(r"(GMT|UTC|[+-]\d{4})$", words[at]) is not None
    good = found != _NONE
    without = int((good & ~np.array(zoned, dtype=bool)).sum()) if len(good) else 0
    if without == int(good.sum()):
        notes.append("the dates name no time zone: they were read as UTC")
    elif without:
        notes.append("some dates name a time zone and some do not: those without were read as UTC")
    else:
        notes.append("the dates name their time zone")
    if not any(naive) and all(len(word) <= 10 for word, fine in zip(words, good.tolist(), strict=True) if fine):
        notes.append("the dates have no time of day: all that happened on a day happened at midnight")
    return found, notes


def _day_first(matches: list[re.Match[str]], dates: str, notes: list[str]) -> bool:
    if dates != "auto":
        return dates == "day-first"
    day = sum(int(match["a"]) > 12 for match in matches)
    month = sum(int(match["b"]) > 12 for match in matches)
    if day != month:
        notes.append(
            f"dates such as {matches[0][0][:10]} were read as {'day, month' if day > month else 'month, day'}, year"
        )
        return day > month
    if "." in matches[0][0][:3]:
        notes.append(f"dates such as {matches[0][0][:10]} were read as day, month, year")
        return True
    raise DataError(
        f"timestamp: {matches[0][0]!r} can be read as day, month or month, day, and no date in the file decides it;"
        " say which: --dates day-first or --dates month-first"
    )


def _of_parts(match: re.Match[str], day_first: bool) -> int:
    day, month = (int(match["a"]), int(match["b"])) if day_first else (int(match["b"]), int(match["a"]))
    hour, year = int(match["h"] or 0), int(match["year"]) + (2000 if len(match["year"]) == 2 else 0)
    if match["half"]:
        hour = hour % 12 + (12 if match["half"].lower() == "pm" else 0)
    try:
        made = dt.datetime(year, month, day, hour, int(match["m"] or 0), int(match["s"] or 0), tzinfo=dt.UTC)
    except ValueError:
        return _NONE
    return int(made.timestamp()) * 1000


def _ms(index: pd.DatetimeIndex) -> Any:
    index = index.tz_localize(None) if index.tz is not None else index
    return np.where(index.isna(), _NONE, index.as_unit("ms").asi8)
