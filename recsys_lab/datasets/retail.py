"""The purchases of an online shop for gifts (UCI 352): invoices of December 2010 to December 2011."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pandas as pd

from recsys_lab.datasets.download import Source, cache_folder, fetch, local_copy, only_one, read_member, written_aside
from recsys_lab.datasets.events import DataError
from recsys_lab.datasets.limit import limited
from recsys_lab.datasets.shop import Shop

RETAIL = Source(
    title="The purchases of a gift shop (UCI 352)",
    url="https://archive.ics.uci.edu/static/public/352/online+retail.zip",
    file="online+retail.zip",
    sha256=None,
    local="online_retail/online_retail.parquet",
    local_sha256="182ccf7c3beb26b1f92afde72a5daa3f18bd15de9053003e6700e34c603b1bb2",
)
CACHED = "online_retail.parquet"
"""The name under which the publisher's sheet is kept in the cache once it has been read."""

_COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
_TEXTS = ("InvoiceNo", "StockCode", "Description", "Country")
_TOTALS = {"rows": 541_909, "Quantity": 5_176_450, "InvoiceNo": 25_900, "StockCode": 4_070, "CustomerID": 4_372}
_REVENUE = 9_747_747.934

_log = logging.getLogger(__name__)


def load_retail(progress: bool = True) -> Shop:
    """The purchases of a shop for gifts, cleaned: 386,326 lines, 18,402 invoices, 4,334 customers, 3,659 products.

    - events: `buy` only, an invoice is a session; `price` (pounds, of one piece) and `quantity`. Invoices carry the
      shop's own clock without a zone: it is read as UTC. Rows of the same minute keep the order of the invoices;
    - products: `item_id` (the stock code), `name` (the most frequent description) and `price` (the median);
    - shoppers: `user_id` (the customer's number) and `region` (the most frequent country).

    Many customers are wholesalers, and they order the same again. `clean_retail` says which rows are left out and why.

    Read from `RECSYS_LAB_DATA` where that is set, else from the cache, else fetched from the publisher (about 23 MB;
    `progress` draws a bar on stderr) as a sheet, which is parsed once and kept as parquet. Raises `DataUnavailable`
    when it cannot be had, `DataError` when it is not the log that the course knows.

    Source: UCI Machine Learning Repository, data set 352, "Online Retail", https://doi.org/10.24432/C5BW33, licence
    CC BY 4.0. Cite: Chen D., Sain S. L., Guo K. (2012), "Data mining for the online retail industry: A case study of
    RFM model-based customer segmentation using data mining", Journal of Database Marketing & Customer Strategy
    Management 19(3), pp. 197–208.
    """
    path = local_copy(RETAIL)
    rows, _ = clean_retail(_cached(progress) if path is None else pd.read_parquet(path))
    customer = rows["CustomerID"].astype("int64").astype(str)
    events = pd.DataFrame(
        {
            "user_id": customer,
            "item_id": rows["StockCode"],
            "event_type": "buy",
            "timestamp": rows["InvoiceDate"],
            "session_id": rows["InvoiceNo"],
            "price": rows["UnitPrice"],
            "quantity": rows["Quantity"],
        }
    )
    products = pd.DataFrame(
        {
            "name": _most_frequent(rows["StockCode"], rows["Description"].str.strip()),
            "price": rows.groupby("StockCode")["UnitPrice"].median(),
        }
    )
    shoppers = _most_frequent(customer, rows["Country"]).rename("region")
    shop = Shop.from_frames(
        products.rename_axis("item_id").reset_index(),
        events,
        shoppers.rename_axis("user_id").reset_index(),
        name="retail (UCI 352)",
    )
    return limited(shop)


def clean_retail(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows that are purchases of products by known customers, and how many rows each rule left out.

    The rules, in this order (a row is counted by the first that it breaks): `no customer`; `cancellation` (the
    invoice number begins with C); `price or quantity` (0 or less); `no product` (the stock code does not begin with
    five digits: postage, fees, vouchers); `repeated` (the product is on this invoice already: the first row stays).
    `frame` has the publisher's columns and is left as it is; the rows keep their order and their index.
    """
    counts: dict[str, int] = {}

    def without(rows: pd.DataFrame, rule: str, bad: pd.Series[bool]) -> pd.DataFrame:
        counts[rule] = int(bad.sum())
        return rows[~bad]

    rows = without(frame, "no customer", frame["CustomerID"].isna())
    rows = without(rows, "cancellation", rows["InvoiceNo"].str.startswith("C").astype(bool))
    rows = without(rows, "price or quantity", (rows["UnitPrice"] <= 0) | (rows["Quantity"] <= 0))
    codes = pd.Series(rows["StockCode"].unique())
    goods = codes[codes.str.match("[0-9]{5}").astype(bool)]
    rows = without(rows, "no product", ~rows["StockCode"].isin(goods))
    rows = without(rows, "repeated", rows.duplicated(["InvoiceNo", "StockCode"]))
    return rows, counts


def parse_retail(content: bytes, file: str = "Online Retail.xlsx") -> pd.DataFrame:
    """The rows of the publisher's sheet, with codes as texts, whatever the sheet made of them; `file` is for errors.

    Raises `DataError` when it is no such sheet, or a column is missing or holds something else.
    """
    import zipfile

    from python_calamine import CalamineError

    try:
        # "NA" and its like are texts here; only an empty cell is missing
        frame = pd.read_excel(io.BytesIO(content), engine="calamine", keep_default_na=False, na_values=[""])
    except (CalamineError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: this cannot be read as a sheet ({error}); fetch it again") from error
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise DataError(f"{file}: the column {missing[0]!r} is missing; it has {', '.join(map(str, frame.columns))}")
    frame = frame[list(_COLUMNS)]
    texts = {name: frame[name].map(_text, na_action="ignore").astype(object) for name in _TEXTS}
    numbers = {name: _numbers(frame[name], file) for name in ("Quantity", "UnitPrice", "CustomerID")}
    if not pd.api.types.is_datetime64_any_dtype(frame["InvoiceDate"]):
        raise DataError(f"{file}: column 'InvoiceDate': not every value is a date with its time; mend these rows")
    # A sheet holds a date as days in a float, and some readers come back a hair before the full minute.
    return frame.assign(**texts, **numbers, InvoiceDate=frame["InvoiceDate"].dt.round("s"))


def check_totals(frame: pd.DataFrame, file: str) -> None:
    """Raise `DataError` when rows, sums and distinct codes are not those of the published log."""
    found = {"rows": len(frame), "Quantity": int(frame["Quantity"].sum())}
    found |= {name: int(frame[name].nunique()) for name in ("InvoiceNo", "StockCode", "CustomerID")}
    for what, known in _TOTALS.items():
        if found[what] != known:
            rule = {"rows": "rows", "Quantity": "as the sum of Quantity"}.get(what, f"different values of {what}")
            raise DataError(f"{file}: {found[what]:,} {rule}, but the log has {known:,}; this is another version of it")
    revenue = float((frame["Quantity"] * frame["UnitPrice"]).sum())
    if not abs(revenue - _REVENUE) <= 0.01:
        raise DataError(f"{file}: Quantity × UnitPrice sums to {revenue:,.3f}, but the log has {_REVENUE:,.3f}")


def _cached(progress: bool) -> pd.DataFrame:
    """The whole log from the cache's parquet file, which is made from the publisher's zip when it is not there."""
    path = cache_folder() / CACHED
    frame = _kept(path)
    if frame is not None:
        return frame
    packed = fetch(RETAIL, progress)
    with only_one(path):
        frame = _kept(path)  # another process may have made it while this one waited
        if frame is None:
            try:
                frame = parse_retail(read_member(packed, "*.xlsx"))
                check_totals(frame, packed.name)
            except DataError:
                packed.unlink(missing_ok=True)  # no checksum is known: what does not fit must not be found again
                raise
            try:
                with written_aside(path) as aside:
                    frame.to_parquet(aside, index=False)
            except OSError as error:  # the rows are here all the same: only the next call takes long again
                _log.warning("%s could not be kept in the cache: %s", path.name, error)
    return frame


def _kept(path: Path) -> pd.DataFrame | None:
    import pyarrow

    if not path.is_file():
        return None
    try:
        frame = pd.read_parquet(path, columns=list(_COLUMNS))
        check_totals(frame, path.name)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        _log.warning("%s in the cache is damaged and is made again: %s", path.name, error)
        return None
    return frame


def _most_frequent(keys: pd.Series[str], values: pd.Series[str]) -> pd.Series[str]:
    """For each key the value it has most often (the first by alphabet among equals), indexed by key."""
    counts = pd.DataFrame({"key": keys, "value": values}).value_counts().rename("rows").reset_index()
    counts = counts.sort_values(["rows", "key", "value"], ascending=[False, True, True], kind="stable")
    return counts.drop_duplicates("key").set_index("key")["value"].sort_index()


def _text(value: object) -> str:
    """A cell as text; the sheet holds codes of digits alone as numbers."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _numbers(values: pd.Series[float], file: str) -> pd.Series[float]:
    numbers = pd.to_numeric(values, errors="coerce")
    strange = numbers.isna() & (values.notna() | (values.name != "CustomerID"))
    if strange.any():
        at = int(strange.to_numpy().argmax())
        raise DataError(f"{file}: column {values.name!r}, row {at + 2}: {values.tolist()[at]!r} has to be a number")
    return numbers
