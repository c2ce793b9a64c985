"""The clickstream of a clothing shop (UCI 553): what shoppers of an online shop looked at, April to August 2008."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import pandas as pd

from recsys_lab.datasets.download import Source, fetch, local_copy, read_member
from recsys_lab.datasets.events import DataError
from recsys_lab.datasets.limit import limited
from recsys_lab.datasets.shop import DAY_MS, Shop

_SHA256 = "de43f67460aeb49fd879cb7db3d7d654a5f83e8d6ec466820573ef8a6255a7c6"
_CSV_SHA256 = "fcc167bbd0badd4c9685bd8543097e318f8228e48075335db7cd781cee88115d"

CLICKSTREAM = Source(
    title="The clickstream of a clothing shop (UCI 553)",
    url="https://archive.ics.uci.edu/static/public/553/clickstream+data+for+online+shopping.zip",
    file="clickstream+data+for+online+shopping.zip",
    sha256=_SHA256,
    local="uci_eshop/clickstream+data+for+online+shopping.zip",
    local_sha256=_SHA256,
)
CLICKSTREAM_CSV = "e-shop clothing 2008.csv"
_TOTALS = {"events": 165_474, "sessions": 24_026, "products": 217}


def _codes(words: str) -> dict[int, str]:
    """The words of the codes 1, 2, 3 …, as the description beside the log lists them."""
    return dict(enumerate(words.split(", "), start=1))


_COUNTRIES = _codes(
    "Australia, Austria, Belgium, British Virgin Islands, Cayman Islands, Christmas Island, Croatia, Cyprus, "
    "Czech Republic, Denmark, Estonia, unidentified, Faroe Islands, Finland, France, Germany, Greece, Hungary, "
    "Iceland, India, Ireland, Italy, Latvia, Lithuania, Luxembourg, Mexico, Netherlands, Norway, Poland, Portugal, "
    "Romania, Russia, San Marino, Slovakia, Slovenia, Spain, Sweden, Switzerland, Ukraine, United Arab Emirates, "
    "United Kingdom, USA, biz (*.biz), com (*.com), int (*.int), net (*.net), org (*.org)"
)
_COLOURS = _codes(
    "beige, black, blue, brown, burgundy, gray, green, navy blue, of many colors, olive, pink, red, violet, white"
)
_PLACES = _codes("top left, top in the middle, top right, bottom left, bottom in the middle, bottom right")

_SESSION, _ORDER, _MODEL = "session ID", "order", "page 2 (clothing model)"
_PRODUCT_COLUMNS: Mapping[str, tuple[str, dict[int, str] | None]] = {
    "category": ("page 1 (main category)", _codes("trousers, skirts, blouses, sale")),
    "colour": ("colour", _COLOURS),
    "price": ("price", None),
    "photography": ("model photography", _codes("en face, profile")),
    "page": ("page", None),
    "location": ("location", _PLACES),
}
"""The attributes of a product: the column in the file, and the words for its codes where it has codes."""

_WHOLE = (
    "year",
    "month",
    "day",
    _ORDER,
    "country",
    _SESSION,
    *(c for c, _ in _PRODUCT_COLUMNS.values() if c != "price"),
)


def load_clickstream(progress: bool = True) -> Shop:
    """The clicks of an online shop for clothes: 165,474 clicks in 24,026 sessions on 217 products.

    The log knows no shoppers, so a session stands for its shopper (`user_id` is `session_id`), and it holds clicks
    only: no cart, no purchase. It has no time of day either: a `timestamp` is midnight (UTC) of the day plus one
    millisecond for each place in the session's order. So the order *inside* a session is true; the order *between*
    the sessions of one day is not known. See `parse_clickstream` for the columns.

    Read from `RECSYS_LAB_DATA` where that is set, else from the cache, else fetched from the publisher (0.8 MB;
    `progress` draws a bar on stderr). Raises `DataUnavailable` when it cannot be had, `DataError` when it is not the
    log that the course knows.

    Source: UCI Machine Learning Repository, data set 553, "Clickstream Data for Online Shopping",
    https://doi.org/10.24432/C5QK7X, licence CC BY 4.0. Cite: Łapczyński M., Białowąs S. (2013), "Discovering Patterns
    of Users' Behaviour in an E-shop – Comparison of Consumer Buying Behaviours in Poland and Other European
    Countries", Studia Ekonomiczne 151, pp. 144–153.
    """
    path = local_copy(CLICKSTREAM) or fetch(CLICKSTREAM, progress)
    content = read_member(path, CLICKSTREAM_CSV)
    if hashlib.sha256(content).hexdigest() != _CSV_SHA256:
        raise DataError(f"{CLICKSTREAM_CSV}: its sha256 is not {_CSV_SHA256}; this is another version of the log")
    shop = parse_clickstream(content)
    found = {"events": len(shop.events), "sessions": len(shop.shoppers), "products": len(shop.products)}
    for what, known in _TOTALS.items():
        if found[what] != known:
            raise DataError(f"{CLICKSTREAM_CSV}: {found[what]:,} {what} were read, but the log has {known:,}")
    return limited(shop)


def parse_clickstream(content: bytes, file: str = CLICKSTREAM_CSV) -> Shop:
    """A shop from the bytes of the log's csv file (`;` between columns, UTF-8); `file` is its name in errors.

    - events: `clicked_on` only, without attributes;
    - products: `item_id`, `category`, `colour`, `price` (US dollars), `photography` (en face or profile), `page` (1
      to 5) and `location` (of the picture on that page); where its rows differ, the most frequent value counts;
    - shoppers: `user_id` (the session) and `region` (the country that the session's address belongs to).

    Raises `DataError` with file, column, line and rule for the first thing that is not as it has to be.
    """
    rows = _checked(_read(content, file), file)
    day = pd.to_datetime(rows[["year", "month", "day"]], errors="coerce")
    _refuse(rows, day.isna(), file, "day", "has to be a day of its year and month")
    session = rows[_SESSION].astype(str)
    events = pd.DataFrame(
        {
            "user_id": session,
            "item_id": rows[_MODEL],
            "event_type": "clicked_on",
            "timestamp": day.astype("datetime64[ms]").astype("int64") + rows[_ORDER],
            "session_id": session,
        }
    )
    shoppers = pd.DataFrame(
        {"user_id": session, "region": rows["country"].map(_COUNTRIES).fillna(rows["country"].astype(str))}
    ).drop_duplicates("user_id")
    return Shop.from_frames(_products(rows), events, shoppers, name="clickstream (UCI 553)")


def _products(rows: pd.DataFrame) -> pd.DataFrame:
    products = pd.DataFrame(index=pd.Index(sorted(rows[_MODEL].unique()), name="item_id"))
    for name, (column, words) in _PRODUCT_COLUMNS.items():
        counts = rows.groupby([_MODEL, column]).size().reset_index(name="rows")
        most = counts.sort_values("rows", ascending=False, kind="stable").drop_duplicates(_MODEL)
        values = most.set_index(_MODEL)[column].reindex(products.index)
        products[name] = values.map(words) if words else values
    products["price"] = products["price"].astype("float64")
    return products.reset_index()


def _read(content: bytes, file: str) -> pd.DataFrame:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        header = content.partition(b"\n")[0].decode("utf-8", "replace").rstrip("\r").split(";")
        at = content.count(b";", content.rfind(b"\n", 0, error.start) + 1, error.start)
        column = header[at] if line > 1 and at < len(header) else "header" if line == 1 else "unknown"
        raise DataError(
            f"{file}: column {column!r}, line {line}: these bytes are not UTF-8; save it as UTF-8"
        ) from error
    try:
        # Nothing is taken for "missing": an empty field then fails the rule of its column, with its line.
        rows = pd.read_csv(io.StringIO(text), sep=";", dtype={_MODEL: str}, keep_default_na=False, low_memory=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{file}: this is no table with ';' between its columns: {str(error).strip()}") from error
    missing = [name for name in (*_WHOLE, _MODEL, "price") if name not in rows.columns]
    if missing:
        raise DataError(f"{file}: the column {missing[0]!r} is missing; it has {', '.join(map(str, rows.columns))}")
    if rows.empty:
        raise DataError(f"{file}: there is no row below the header")
    return rows


def _checked(rows: pd.DataFrame, file: str) -> pd.DataFrame:
    """The rows with numbers as numbers, each column within its rule."""
    rows = rows.copy(deep=False)
    for name in _WHOLE:
        if not pd.api.types.is_integer_dtype(rows[name]):
            numbers = pd.to_numeric(rows[name], errors="coerce")
            _refuse(rows, ~((numbers % 1 == 0) & (numbers.abs() < 2**53)), file, name, "has to be a whole number")
            rows[name] = numbers.astype("int64")
    if not pd.api.types.is_numeric_dtype(rows["price"]):
        prices = pd.to_numeric(rows["price"], errors="coerce")
        _refuse(rows, prices.isna(), file, "price", "has to be a number")
        rows["price"] = prices
    _refuse(rows, ~rows["price"].between(0, float("inf"), inclusive="left"), file, "price", "has to be 0 or more")
    _refuse(rows, ~rows[_ORDER].between(1, DAY_MS - 1), file, _ORDER, "has to be 1 or more")
    _refuse(rows, rows[_MODEL].isna() | (rows[_MODEL] == ""), file, _MODEL, "has to name a product")
    for column, words in _PRODUCT_COLUMNS.values():
        if words:
            known = rows[column].between(1, len(words))
            _refuse(rows, ~known, file, column, f"has to be a code from 1 to {len(words)}")
    for name, least, most in (("year", 1970, 2100), ("month", 1, 12), ("day", 1, 31)):
        _refuse(rows, ~rows[name].between(least, most), file, name, f"has to be a number from {least} to {most}")
    twice = rows.duplicated([_SESSION, _ORDER])
    _refuse(rows, twice, file, _ORDER, "may be there once in a session; this one is there again")
    return rows


def _refuse(rows: pd.DataFrame, bad: pd.Series[Any], file: str, column: str, rule: str) -> None:
    """Raise for the first bad row; the line counts from 1 and the header is line 1."""
    if bad.any():
        at = int(bad.to_numpy().argmax())
        raise DataError(f"{file}: column {column!r}, line {at + 2}: {rows[column].tolist()[at]!r} {rule}")
