"""The two real logs: invented files that break one rule each, and (where they are at hand) the logs themselves."""

import dataclasses
import functools
import os
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pytest

from recsys_lab.datasets import clickstream, retail
from recsys_lab.datasets.clickstream import CLICKSTREAM_CSV, load_clickstream, parse_clickstream
from recsys_lab.datasets.download import DataUnavailable
from recsys_lab.datasets.events import EVENT_TYPES, DataError
from recsys_lab.datasets.retail import CACHED, check_totals, clean_retail, load_retail, parse_retail

needs_logs = pytest.mark.skipif(
    not os.environ.get("RECSYS_LAB_DATA"), reason="the real logs: set RECSYS_LAB_DATA to the folder that holds them"
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a publisher that cannot be reached."""
    monkeypatch.delenv("RECSYS_LAB_DATA", raising=False)
    monkeypatch.setenv("RECSYS_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for module, name in ((clickstream, "CLICKSTREAM"), (retail, "RETAIL")):
        closed = dataclasses.replace(getattr(module, name), url="http://127.0.0.1:1/closed.zip")
        monkeypatch.setattr(module, name, closed)
    return tmp_path / "cache"


@pytest.fixture
def publisher(tmp_path, cache, monkeypatch):
    """A folder that is served as the publisher's; the totals are those of the invented sheet."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    folder = tmp_path / "publisher"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        for module, name in ((clickstream, "CLICKSTREAM"), (retail, "RETAIL")):
            at = f"http://127.0.0.1:{server.server_port}/{getattr(module, name).file}"
            monkeypatch.setattr(module, name, dataclasses.replace(getattr(module, name), url=at))
        totals = {"rows": 11, "Quantity": 37, "InvoiceNo": 7, "StockCode": 5, "CustomerID": 3}
        monkeypatch.setattr(retail, "_TOTALS", totals)
        monkeypatch.setattr(retail, "_REVENUE", 76.0)
        yield folder
        server.shutdown()


# --- clicks: invented rows ---

HEADER = (
    "year;month;day;order;country;session ID;page 1 (main category);page 2 (clothing model);colour;location;"
    "model photography;price;price 2;page"
)
CLICKS = [
    "2008;5;2;1;29;7;1;A1;1;1;1;10;2;1",
    "2008;5;2;2;29;7;2;B2;14;6;2;20.5;1;5",
    "2008;5;2;3;29;7;1;A1;1;1;1;10;2;1",
    "2008;5;1;1;99;8;4;A1;8;3;1;11;2;2",
]


def csv(*rows, header=HEADER):
    return "\r\n".join([header, *rows, ""]).encode()


def changed(column, value, row=1):
    """CLICKS with one field of one row changed."""
    fields = CLICKS[row].split(";")
    fields[HEADER.split(";").index(column)] = value
    return csv(*CLICKS[:row], ";".join(fields), *CLICKS[row + 1 :])


def test_clicks_become_a_shop():
    shop = parse_clickstream(csv(*CLICKS))
    day = int(pd.Timestamp("2008-05-02", tz="UTC").timestamp() * 1000)
    assert list(shop.events.columns) == ["user_id", "item_id", "event_type", "timestamp", "session_id"]
    assert shop.events.to_numpy().tolist() == [
        ["8", "A1", "clicked_on", day - 86_400_000 + 1, "8"],
        ["7", "A1", "clicked_on", day + 1, "7"],
        ["7", "B2", "clicked_on", day + 2, "7"],
        ["7", "A1", "clicked_on", day + 3, "7"],
    ]
    assert shop.events["timestamp"].dtype == np.int64
    products = shop.products.to_dict("records")
    # One row of A1 says otherwise in every attribute: the other two count.
    assert products == [
        {"item_id": "A1", "category": "trousers", "colour": "beige", "price": 10.0, "photography": "en face", "page": 1}
        | {"location": "top left"},
        {"item_id": "B2", "category": "skirts", "colour": "white", "price": 20.5, "photography": "profile", "page": 5}
        | {"location": "bottom right"},
    ]
    regions = dict(zip(shop.shoppers["user_id"], shop.shoppers["region"], strict=True))
    assert regions == {"7": "Poland", "8": "99"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            csv(*CLICKS, header=HEADER.replace("price 2", "x").replace("price", "cost")),
            r"the column 'price' is missing",
        ),
        (
            csv(*CLICKS, header=HEADER.replace(";order;", ";place;")),
            r"the column 'order' is missing; it has year, month",
        ),
        (
            changed("page 2 (clothing model)", "Bé").decode().encode("latin-1"),
            r"clothing model\)', line 3: .*not UTF-8",
        ),
        (changed("price", "-1"), r"column 'price', line 3: -1 has to be 0 or more"),
        (changed("price", "inf"), r"column 'price', line 3: .* has to be 0 or more"),
        (changed("price", "cheap"), r"column 'price', line 3: 'cheap' has to be a number"),
        (changed("price", ""), r"column 'price', line 3: '' has to be a number"),
        (changed("order", "two"), r"column 'order', line 3: 'two' has to be a whole number"),
        (changed("order", "1.5"), r"column 'order', line 3: 1\.5 has to be a whole number"),
        (changed("order", "1e30"), r"column 'order', line 3: 1e\+30 has to be a whole number"),
        (changed("order", "9" * 30), r"column 'order', line 3: .* has to be a"),
        (changed("year", "99999"), r"column 'year', line 3: 99999 has to be a number from 1970 to 2100"),
        (changed("month", "101"), r"column 'month', line 3: 101 has to be a number from 1 to 12"),
        (changed("month", "2").replace(b";2;2;2;", b";2;30;2;"), r"column 'day', line 3: 30 has to be a day of its"),
        (changed("order", ""), r"column 'order', line 3: '' has to be a whole number"),
        (changed("order", "0"), r"column 'order', line 3: 0 has to be 1 or more"),
        (changed("order", "1", row=2), r"column 'order', line 4: 1 may be there once in a session"),
        (changed("session ID", "x"), r"column 'session ID', line 3: 'x' has to be a whole number"),
        (changed("page 2 (clothing model)", ""), r"clothing model\)', line 3: '' has to name a product"),
        (changed("colour", "15"), r"column 'colour', line 3: 15 has to be a code from 1 to 14"),
        (changed("day", "32"), r"column 'day', line 3: 32 has to be a number from 1 to 31"),
        (csv(*CLICKS, "2008;5"), r"line 6: .* has to be a whole number"),
        (csv(*CLICKS, CLICKS[0] + ";1"), r"no table with ';' between its columns: .*line 6"),
        (csv(), r"there is no row below the header"),
        (b"", r"no table with ';'"),
    ],
)
def test_bad_clicks_are_named(content, message):
    with pytest.raises(DataError, match=message) as caught:
        parse_clickstream(content)
    assert str(caught.value).startswith(f"{CLICKSTREAM_CSV}: ")


def test_clicks_from_another_zip(publisher, cache, monkeypatch):
    """The loader's own checks, one behind the other: the zip, the file in it, the totals; the cache stays clean."""
    path = publisher / clickstream.CLICKSTREAM.file
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(CLICKSTREAM_CSV, csv(*CLICKS))
    with pytest.raises(DataError, match="is not the file that the course knows"):
        load_clickstream(progress=False)
    assert not list(cache.glob("*.zip"))
    monkeypatch.setattr(clickstream, "CLICKSTREAM", dataclasses.replace(clickstream.CLICKSTREAM, sha256=None))
    with pytest.raises(DataError, match=rf"{CLICKSTREAM_CSV}: its sha256 is not"):
        load_clickstream(progress=False)
    known = clickstream.hashlib.sha256(csv(*CLICKS)).hexdigest()
    monkeypatch.setattr(clickstream, "_CSV_SHA256", known)
    with pytest.raises(DataError, match="4 events were read, but the log has 165,474"):
        load_clickstream(progress=False)
    monkeypatch.setattr(clickstream, "_TOTALS", {"events": 4, "sessions": 2, "products": 2})
    assert len(load_clickstream(progress=False).events) == 4


@pytest.mark.parametrize("load", [load_clickstream, load_retail])
def test_no_network_and_no_copy_is_said(cache, load):
    with pytest.raises(DataUnavailable, match=r"UCI \d+\) is not on this computer: .*no connection; connect to the"):
        load(progress=False)
    assert [path.suffix for path in cache.iterdir()] == [".lock"]


# --- purchases: invented rows ---

COLUMNS = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
NOON = pd.Timestamp("2011-03-01 12:00:00")
ROWS = [
    (500002, 10001, "BLUE CUP ", 2, NOON, 1.5, 77, "France"),
    (500002, "10002A", " TIN ", 1, NOON, 4.0, 77, "France"),
    (500001, 10001, "CUP", 3, NOON, 2.0, 78, "Spain"),
    (500001, 10001, "CUP", 9, NOON, 2.0, 78, "Spain"),  # the pair again
    (500003, 10001, "CUP", 6, NOON - pd.Timedelta(days=1), 3.5, 77, "Belgium"),
    (500004, 10001, 10001, 5, NOON, 1.0, None, "Spain"),  # no customer; a description of digits alone
    ("C500005", 10001, "CUP", -2, NOON, 1.5, 77, "France"),
    (500006, 10003, None, 8, NOON, 0, 78, "Spain"),  # a gift
    (500006, "10003", "GIFT", -1, NOON, 1.0, 78, "Spain"),
    (500006, "POST", "POSTAGE", 1, NOON, 18.0, 78, "Spain"),
    (500007, "1000", "NA", 5, NOON, 1.0, 79, "Malta"),  # four digits; and NA is a text
]


def sheet(rows, columns=COLUMNS):
    """A frame as the publisher's sheet would give it, all as texts and numbers."""
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(**{name: frame[name].map(str, na_action="ignore") for name in ("InvoiceNo", "StockCode")})


def xlsx(path, rows, columns=COLUMNS, member="Online Retail.xlsx"):
    """The publisher's zip with a small but real sheet in it, as a spreadsheet program writes it."""

    def cell(value):
        if value is None:
            return "<c/>"
        if isinstance(value, pd.Timestamp):
            return f'<c s="1"><v>{(value - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1)!r}</v></c>'
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    lines = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in [tuple(columns), *rows])
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="Online Retail" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs>'
        "</styleSheet>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>',
    }
    inner = path.with_suffix(".inner")
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in parts.items():
            book.writestr(name, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + text)
    content = inner.read_bytes()
    inner.unlink()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
    return content


def test_cleaning_counts_what_each_rule_drops():
    frame = sheet(ROWS)
    before = frame.copy()
    rows, dropped = clean_retail(frame)
    assert dropped == {
        "no customer": 1,
        "cancellation": 1,
        "price or quantity": 2,
        "no product": 2,
        "repeated": 1,
    }
    assert rows.index.tolist() == [0, 1, 2, 4]
    assert sum(dropped.values()) + len(rows) == len(frame)
    pd.testing.assert_frame_equal(frame, before)


def assert_invented_purchases(shop):
    time = int(NOON.timestamp() * 1000)
    assert shop.events.columns.tolist()[:5] == ["user_id", "item_id", "event_type", "timestamp", "session_id"]
    assert shop.events.to_numpy().tolist() == [
        ["77", "10001", "buy", time - 86_400_000, "500003", 3.5, 6.0],
        ["77", "10001", "buy", time, "500002", 1.5, 2.0],  # at the same minute: as the file has them
        ["77", "10002A", "buy", time, "500002", 4.0, 1.0],
        ["78", "10001", "buy", time, "500001", 2.0, 3.0],
    ]
    assert shop.products.to_numpy().tolist() == [["10001", "CUP", 2.0], ["10002A", "TIN", 4.0]]
    assert shop.products.columns.tolist() == ["item_id", "name", "price"]
    assert shop.shoppers.to_numpy().tolist() == [["77", "France"], ["78", "Spain"]]


def test_sheet_is_parsed_once_and_kept_as_parquet(publisher, cache):
    xlsx(publisher / "online+retail.zip", ROWS)
    assert_invented_purchases(load_retail(progress=False))
    assert (cache / CACHED).is_file()
    (publisher / "online+retail.zip").unlink()
    (cache / "online+retail.zip").unlink()
    assert_invented_purchases(load_retail(progress=False))


def test_damaged_parquet_in_the_cache_is_made_again(publisher, cache, caplog):
    xlsx(publisher / "online+retail.zip", ROWS)
    load_retail(progress=False)
    (publisher / "online+retail.zip").unlink()
    whole = pd.read_parquet(cache / CACHED)
    for damage in ("cut", "rows", "column"):
        if damage == "cut":
            (cache / CACHED).write_bytes((cache / CACHED).read_bytes()[:-100])
        elif damage == "rows":
            whole.head(3).to_parquet(cache / CACHED)
        else:
            whole.drop(columns="InvoiceDate").to_parquet(cache / CACHED)
        caplog.clear()
        assert_invented_purchases(load_retail(progress=False))
        assert "is damaged and is made again" in caplog.text
    assert sorted(path.suffix for path in cache.iterdir()) == [".lock", ".lock", ".parquet", ".zip"]


def test_rows_that_cannot_be_kept_are_used_all_the_same(publisher, cache, caplog, monkeypatch):
    xlsx(publisher / "online+retail.zip", ROWS)

    def full(frame, path, **options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    assert_invented_purchases(load_retail(progress=False))
    assert "could not be kept" in caplog.text
    assert sorted(path.suffix for path in cache.iterdir()) == [".lock", ".lock", ".zip"]


def replaced(column, value, row=2):
    rows = [list(line) for line in ROWS]
    rows[row][COLUMNS.index(column)] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[:-1], r"zip: 10 rows, but the log has 11; this is another version"),
        (replaced("Quantity", 4), r"zip: 38 as the sum of Quantity, but the log has 37"),
        (replaced("UnitPrice", 2.01), r"zip: Quantity × UnitPrice sums to 76\.030, but the log has 76\.000"),
        (replaced("InvoiceNo", 500008), r"zip: 8 different values of InvoiceNo, but the log has 7"),
        (replaced("StockCode", 10009), r"zip: 6 different values of StockCode, but the log has 5"),
        (replaced("CustomerID", 80), r"zip: 4 different values of CustomerID, but the log has 3"),
        (replaced("Quantity", "many"), r"column 'Quantity', row 4: 'many' has to be a number"),
        (replaced("UnitPrice", None), r"column 'UnitPrice', row 4: nan has to be a number"),
        (replaced("CustomerID", "Ada"), r"column 'CustomerID', row 4: 'Ada' has to be a number"),
        (replaced("InvoiceDate", "May"), r"column 'InvoiceDate': not every value is a date"),
    ],
)
def test_sheet_that_is_another_is_refused_and_not_kept(publisher, cache, rows, message):
    cache.mkdir()
    (cache / "clicks.zip").write_bytes(b"from before")
    xlsx(publisher / "online+retail.zip", rows)
    with pytest.raises(DataError, match=message):
        load_retail(progress=False)
    assert sorted(path.name for path in cache.iterdir() if path.suffix != ".lock") == ["clicks.zip"]
    xlsx(publisher / "online+retail.zip", ROWS)
    assert_invented_purchases(load_retail(progress=False))
    assert (cache / "clicks.zip").read_bytes() == b"from before"


def test_zip_without_a_sheet_and_sheet_that_is_none(publisher, cache, tmp_path):
    zip_path = publisher / "online+retail.zip"
    content = xlsx(zip_path, ROWS, member="notes.txt")
    with pytest.raises(DataError, match=r"online\+retail\.zip: no file in it named '\*\.xlsx'; it holds notes\.txt"):
        load_retail(progress=False)
    zip_path.write_bytes(zip_path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"online\+retail\.zip: this is no whole zip file"):
        load_retail(progress=False)
    assert not list(cache.glob("*.zip"))
    for bad in (b"", b"no sheet", content[:-50], content[:200]):
        with pytest.raises(DataError, match=r"a\.xlsx: this cannot be read as a sheet"):
            parse_retail(bad, "a.xlsx")
    content = xlsx(zip_path, [row[1:] for row in ROWS], columns=COLUMNS[1:])
    with pytest.raises(DataError, match=r"a\.xlsx: the column 'InvoiceNo' is missing; it has StockCode, Description"):
        parse_retail(content, "a.xlsx")


def test_codes_are_texts_whatever_the_sheet_holds(tmp_path):
    frame = parse_retail(xlsx(tmp_path / "a.zip", ROWS))
    assert frame["InvoiceNo"].tolist()[:1] + frame["InvoiceNo"].tolist()[6:7] == ["500002", "C500005"]
    assert frame["StockCode"].tolist()[:2] == ["10001", "10002A"]
    assert frame["Description"].tolist()[5:6] + frame["Description"].tolist()[-1:] == ["10001", "NA"]
    assert frame["Description"].isna().sum() == 1
    assert frame["InvoiceDate"].iloc[0] == NOON


# --- the logs themselves ---


def assert_clean(shop):
    for frame, keys in ((shop.events, ["user_id", "item_id", "session_id"]), (shop.products, ["item_id"])):
        for key in keys:
            assert frame[key].map(type).eq(str).all()
    assert shop.events["event_type"].isin(EVENT_TYPES).all()
    assert shop.events["timestamp"].dtype == np.int64
    assert shop.events["timestamp"].is_monotonic_increasing
    assert not shop.products.isna().any(axis=None)
    assert not shop.shoppers.isna().any(axis=None)


@needs_logs
def test_real_clicks():
    shop = load_clickstream(progress=False)
    assert_clean(shop)
    length = shop.events.groupby("session_id").size()
    assert (len(shop.events), len(length), len(shop.products)) == (165_474, 24_026, 217)
    assert (round(length.mean(), 2), length.median(), length.max()) == (6.89, 4, 195)
    assert ((length == 1).sum(), (length >= 2).sum()) == (5_042, 18_984)
    everything = shop.sequences(collapse=False, min_length=1)
    assert len(everything) - len(shop.sequences(min_length=1)) == 7_585
    days = pd.to_datetime(shop.events["timestamp"], unit="ms").dt.strftime("%Y-%m-%d")
    assert (days.iloc[0], days.iloc[-1]) == ("2008-04-01", "2008-08-13")
    assert shop.products["category"].value_counts().to_dict() == {
        "trousers": 43,
        "skirts": 33,
        "blouses": 59,
        "sale": 82,
    }
    assert shop.products.set_index("item_id").loc["A18", "category"] == "trousers"
    assert (shop.products["price"].min(), shop.products["price"].max()) == (18, 82)
    assert (shop.popularity[["P28", "P54"]] == 1).all()
    region = shop.shoppers.set_index("user_id")["region"]
    assert round((shop.events["user_id"].map(region) == "Poland").mean(), 2) == 0.81
    assert shop.fingerprint == load_clickstream(progress=False).fingerprint


@needs_logs
def test_real_purchases():
    shop = load_retail(progress=False)
    assert_clean(shop)
    assert (len(shop.events), shop.events["session_id"].nunique()) == (386_326, 18_402)
    assert (len(shop.shoppers), len(shop.products)) == (4_334, 3_659)
    assert not shop.events.duplicated(["session_id", "item_id"]).any()
    assert (shop.events[["price", "quantity"]] > 0).all(axis=None)
    assert shop.products["item_id"].str.match("[0-9]{5}").all()
    assert shop.shoppers["user_id"].str.fullmatch("[0-9]+").all()
    first = pd.to_datetime(shop.events["timestamp"].iloc[0], unit="ms")
    assert str(first) == "2010-12-01 08:26:00"


@needs_logs
def test_real_purchases_before_cleaning():
    frame = pd.read_parquet(f"{os.environ['RECSYS_LAB_DATA']}/{retail.RETAIL.local}")
    check_totals(frame, "the log")
    rows, dropped = clean_retail(frame)
    assert len(rows) == 386_326
    assert dropped["no customer"] == 135_080
    assert sum(dropped.values()) == 541_909 - 386_326
