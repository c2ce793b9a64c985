"""A shop's own data: bad and odd files, each with a clear report or one clear error, and nothing half imported."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from recsys_lab.cli import app
from recsys_lab.datasets import DAY_MS, DataError, Shop, load_shop
from recsys_lab.own import Report, import_shop, open_shop
from recsys_lab.own.chapters import chapters_for
from recsys_lab.own.report import EXAMPLES

NOW = 1_735_689_600_000  # 1 January 2025
START = NOW - 60 * DAY_MS
runner = CliRunner()


def log(days: int = 40, shoppers: int = 30, items: int = 60, seed: int = 0) -> pd.DataFrame:
    """A small log: each shopper comes every few days, clicks on some products, and buys one now and then."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[Any, ...]] = []
    for user in range(shoppers):
        for day in range(int(rng.integers(3)), days, 1 + int(rng.integers(1, 5))):
            time = START + day * DAY_MS + int(rng.integers(8, 20)) * 3_600_000 + user * 1_000
            for step, item in enumerate(rng.integers(0, items, size=4).tolist()):
                rows.append((f"u{user}", f"p{item}", "view", time + step * 60_000))
            if rng.random() < 0.4:
                rows.append((f"u{user}", f"p{item}", "purchase", time + 300_000))
    frame = pd.DataFrame(rows, columns=["visitorid", "sku", "event", "ts"])
    return frame.sort_values("ts", kind="stable", ignore_index=True)


def catalogue(items: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sku": [f"p{number}" for number in range(items)],
            "title": [f"Product {number}" for number in range(items)],
            "category": [("hats", "shoes", "coats")[number % 3] for number in range(items)],
            "price": [10.0 + number for number in range(items)],
        }
    )


def taken_in(
    tmp_path: Path, events: pd.DataFrame | bytes | str, products: pd.DataFrame | None = None, **options: Any
) -> tuple[Shop, Report]:
    """Import what a csv file holds; the folder must open as the same shop."""
    path = tmp_path / "events.csv"
    save(path, events)
    if products is not None:
        save(tmp_path / "products.csv", products)
        options["products"] = tmp_path / "products.csv"
    shop, report = import_shop(path, tmp_path / "shop", **{"now_ms": NOW, **options})
    assert open_shop(tmp_path / "shop").fingerprint == shop.fingerprint
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.startswith(".")) == []
    read = sum(one["rows"] for one in report.read if one["table"] == "events")
    kept = len(shop.events) + (0 if shop.impressions is None else len(shop.impressions))
    assert read == kept + report.rows_dropped()  # every row is accounted for
    check_pages(report)
    return shop, report


def refused(tmp_path: Path, events: pd.DataFrame | bytes | str, **options: Any) -> str:
    """The error of an import that cannot be done: one line, and no folder."""
    save(tmp_path / "events.csv", events)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(DataError) as error:
        import_shop(tmp_path / "events.csv", tmp_path / "shop", **{"now_ms": NOW, **options})
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value), str(error.value)
    return str(error.value)


def save(path: Path, held: pd.DataFrame | bytes | str) -> None:
    if isinstance(held, pd.DataFrame):
        held = held.to_csv(index=False)
    path.write_bytes(held if isinstance(held, bytes) else held.encode())


def check_pages(report: Report) -> None:
    """All three pages can be made; no cell of the csv and of the markdown starts as a formula does."""
    assert json.loads(report.to_json())["shop"] == json.loads(json.dumps(report.shop))
    for row in csv.reader(io.StringIO(report.to_csv())):
        assert all(cell[:1] not in ("=", "+", "-", "@", "\t", "\r") for cell in row), row
    for line in report.to_markdown().splitlines():
        assert not line.startswith(("=", "+", "@")) and not re.search(r"(?<!\\)[<\[]", re.sub("`[^`]*`", "", line)), (
            line
        )
    for found in [*report.dropped, *report.changed]:
        assert 0 < len(found.examples) <= EXAMPLES or found.table != "events", found
        assert f"{found.rows:,} rows: {found.what}" in report.to_text()


def count(report: Report, words: str) -> int:
    found = report.why(words)
    return 0 if found is None else found.rows


def test_a_log_as_it_should_be(tmp_path: Path) -> None:
    rows = log()
    shop, report = taken_in(tmp_path, rows, catalogue())
    assert (len(shop.events), report.dropped, report.changed) == (len(rows), [], [])
    assert {column["theirs"]: column["ours"] for column in report.columns if column["table"] == "events"} == {
        "visitorid": "user_id", "sku": "item_id", "event": "event_type", "ts": "timestamp"
    }  # fmt: skip
    assert shop.events["event_type"].value_counts().to_dict() == {
        "clicked_on": int((rows["event"] == "view").sum()), "buy": int((rows["event"] == "purchase").sum())
    }  # fmt: skip
    said = " ".join(report.assumed)
    for words in ("events 'view' are taken for clicked_on", "milliseconds since 1970", "more than 30 minutes"):
        assert words in said
    assert shop.products.columns.tolist() == ["item_id", "name", "category", "price"]
    assert "description" in report.lacks and report.shop["days"] == shop.events["timestamp"].floordiv(DAY_MS).nunique()


# --- one: columns and ids


def test_a_required_column_is_missing(tmp_path: Path) -> None:
    said = refused(tmp_path, log().drop(columns="ts"))
    assert "there is no column for timestamp" in said and "visitorid, sku, event" in said and "--map" in said
    said = refused(tmp_path, log().drop(columns="event"))
    assert "event_type" in said and "--event-map all=buy" in said
    shop, report = taken_in(tmp_path, log().drop(columns="event"), event_map={"all": "clicked_on"})
    assert set(shop.events["event_type"]) == {"clicked_on"} and "as you said" in " ".join(report.assumed)


def test_no_header(tmp_path: Path) -> None:
    said = refused(tmp_path, "1,2268318,12.5,1511544070\n1,2333346,7,1511561733\n")
    assert "the first row looks like data" in said


def test_mixed_types_in_a_column(tmp_path: Path) -> None:
    rows = log().assign(qty=1).astype({"qty": object})
    rows.loc[[3, 5], "qty"] = ["many", "n/a"]
    shop, report = taken_in(tmp_path, rows)
    assert count(report, "quantity: no number") == 1 and shop.events["quantity"].isna().sum() == 2
    assert report.changed[0].examples == (("row 4", "many"),)


def test_ids_as_numbers_and_as_texts_are_one(tmp_path: Path) -> None:
    rows = [{"user": 7 if at % 2 else "7", "item": at % 3, "type": "buy", "time": START + at} for at in range(9)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n[1]\n")
    shop, report = import_shop(tmp_path / "rows.jsonl", now_ms=NOW)
    assert set(shop.events["user_id"]) == {"7"} and "7 and '7' are taken for one" in " ".join(report.assumed)
    assert count(report, "does not fit the header") == 2


def test_ids_that_look_like_numbers(tmp_path: Path) -> None:
    rows = log().assign(sku=lambda frame: frame["sku"].str[1:].str.zfill(3))
    shop, _ = taken_in(tmp_path, rows)
    assert "007" in set(shop.products["item_id"]) and "7" not in set(shop.products["item_id"])
    floats = log().assign(sku=lambda frame: frame["sku"].str[1:].astype(float))
    floats.loc[4, "sku"] = np.nan
    shop, report = taken_in(tmp_path, floats, force=True)
    assert "7" in set(shop.products["item_id"]) and "the .0 was taken off" in " ".join(report.assumed)
    floats.to_parquet(tmp_path / "floats.parquet")
    again, report = import_shop(tmp_path / "floats.parquet", now_ms=NOW)
    assert again.fingerprint == shop.fingerprint and "12.0 became 12" in " ".join(report.assumed)
    shortened = log().assign(sku="4.00638E+12")
    assert "shortened by a spreadsheet" in " ".join(taken_in(tmp_path, shortened, force=True)[1].assumed)


def test_ids_that_are_none(tmp_path: Path) -> None:
    rows = log()
    rows.loc[[0, 1, 2, 3], "visitorid"] = ["", "NaN", "null", " None "]
    rows.loc[[6, 7], "sku"] = [None, "NA"]  # a product may be called NA
    shop, report = taken_in(tmp_path, rows)
    assert (count(report, "there is no user_id"), count(report, "there is no item_id")) == (4, 1)
    assert "NA" in set(shop.products["item_id"])


def test_a_product_twice(tmp_path: Path) -> None:
    twice = pd.concat([catalogue(), catalogue().head(3).assign(title="another")], ignore_index=True)
    shop, report = taken_in(tmp_path, log(), twice)
    assert count(report, "a product with this id was there before") == 3 and len(shop.products) == 60
    assert not shop.products["name"].eq("another").any()


def test_events_twice(tmp_path: Path) -> None:
    rows = log()
    shop, report = taken_in(tmp_path, pd.concat([rows, rows.head(20)], ignore_index=True))
    assert count(report, "the same event") == 20 and len(shop.events) == len(rows)
    ids = rows.assign(event_id=range(len(rows)))
    ids.loc[9, "event_id"] = 8
    assert count(taken_in(tmp_path, ids, force=True)[1], "an event with this id") == 1


def test_events_of_unknown_products(tmp_path: Path) -> None:
    rows, known = log(), catalogue(50)
    _, report = taken_in(tmp_path, rows, known)
    unknown = ~rows["sku"].isin(known["sku"])
    assert count(report, "not in the table of products") == unknown.sum() > 0
    assert f"of {rows.loc[unknown, 'sku'].nunique()} products" in report.dropped[0].what
    save(tmp_path / "products.csv", known.assign(sku=lambda frame: "SKU-" + frame["sku"]))
    with pytest.raises(DataError, match=r"none of their products .* 'SKU-p0'"):
        import_shop(tmp_path / "events.csv", products=tmp_path / "products.csv", now_ms=NOW)


# --- two: times


SPELLINGS: dict[str, tuple[Callable[[pd.Series], pd.Series], str, int]] = {
    "seconds": (lambda ms: ms // 1000, "look like seconds", 1),
    "seconds with decimals": (lambda ms: ms / 1000, "look like seconds", 1),
    "microseconds": (lambda ms: ms * 1000, "look like microseconds", 1),
    "nanoseconds": (lambda ms: ms * 1_000_000, "look like nanoseconds", 1),
    "ISO without zone": (lambda ms: when(ms).dt.strftime("%Y-%m-%d %H:%M:%S"), "name no time zone", 1),
    "ISO with Z": (lambda ms: when(ms).dt.strftime("%Y-%m-%dT%H:%M:%SZ"), "name their time zone", 1),
    "ISO with UTC": (lambda ms: when(ms).dt.strftime("%Y-%m-%d %H:%M:%S UTC"), "name their time zone", 1),
    "ISO of Berlin": (
        lambda ms: when(ms).dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin").map(lambda one: one.isoformat()),
        "name their time zone", 1,
    ),
    "German": (lambda ms: when(ms).dt.strftime("%d.%m.%Y %H:%M:%S"), "day, month, year", 1),
    "American": (lambda ms: when(ms).dt.strftime("%m/%d/%Y %I:%M:%S %p"), "month, day, year", 1),
    "with the name of the month": (lambda ms: when(ms).dt.strftime("%d %B %Y %H:%M:%S"), "name no time zone", 1),
    "Excel's days": (lambda ms: (ms / DAY_MS + 25_569).round(9), "as Excel counts them", 1),
    "one number": (lambda ms: when(ms).dt.strftime("%Y%m%d%H%M%S"), "dates written as one number", 1),
    "a day as one number": (lambda ms: when(ms).dt.strftime("%Y%m%d"), "dates written as one number", DAY_MS),
    "days": (lambda ms: when(ms).dt.strftime("%Y-%m-%d"), "have no time of day", DAY_MS),
}  # fmt: skip


def when(ms: pd.Series) -> pd.Series:
    return pd.to_datetime(ms, unit="ms")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_times_in_any_spelling(tmp_path: Path, spelling: str) -> None:
    write, words, exact = SPELLINGS[spelling]
    rows = log()
    shop, report = taken_in(tmp_path, rows.assign(ts=write(rows["ts"])))
    wanted = rows["ts"] // exact * exact
    assert sorted(shop.events["timestamp"].unique()) == sorted(wanted.unique())
    assert words in " ".join(report.assumed)


@pytest.mark.parametrize(("unit", "scale"), [("s", 1e-3), ("ms", 1), ("us", 1000), ("ns", 1_000_000)])
def test_no_millisecond_is_lost(tmp_path: Path, unit: str, scale: float) -> None:
    rows = log().assign(ts=lambda frame: frame["ts"] + np.arange(len(frame)) * 37)
    shop, _ = taken_in(tmp_path, rows.assign(ts=rows["ts"] * scale))
    assert shop.events["timestamp"].tolist() == sorted(rows["ts"])
    assert (
        taken_in(tmp_path, rows.assign(ts=rows["ts"] * scale), units=unit, force=True)[0].fingerprint
        == shop.fingerprint
    )


def test_datetimes_of_parquet_and_of_a_sheet(tmp_path: Path) -> None:
    rows = log().assign(ts=lambda frame: when(frame["ts"]))
    rows.to_parquet(tmp_path / "rows.parquet")
    shop, _ = import_shop(tmp_path / "rows.parquet", now_ms=NOW)
    rows.assign(ts=rows["ts"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")).to_parquet(tmp_path / "tokyo.parquet")
    other, report = import_shop(tmp_path / "tokyo.parquet", now_ms=NOW)
    assert shop.fingerprint == other.fingerprint == taken_in(tmp_path, log())[0].fingerprint
    assert "the dates name their time zone" in report.assumed


def test_a_day_or_a_month(tmp_path: Path) -> None:
    rows = log().assign(ts="03/04/2024 10:00")
    said = refused(tmp_path, rows)
    assert "day, month or month, day" in said and "--dates day-first" in said
    shop, _ = taken_in(tmp_path, rows, dates="day-first")
    assert when(shop.events["timestamp"]).dt.month.unique().tolist() == [4]


def test_the_owner_says_the_unit(tmp_path: Path) -> None:
    rows = log().assign(ts=lambda frame: frame["ts"] // 1000)
    said = refused(tmp_path, rows, units="ms")
    assert "the time is before 1990" in said and "no row is left" in said
    assert "as you said" in " ".join(taken_in(tmp_path, rows, units="s")[1].assumed)


def test_times_that_cannot_be(tmp_path: Path) -> None:
    rows = log().astype({"ts": object})
    rows.loc[[0, 1], "ts"] = NOW + 40 * DAY_MS
    rows.loc[[2], "ts"] = 400_000_000_000
    rows.loc[[3, 4, 5], "ts"] = ["yesterday", "", "0"]
    shop, report = taken_in(tmp_path, rows)
    told = {
        words: count(report, words) for words in ("in the future", "before 1990", "cannot be read", "there is no time")
    }
    assert told == {"in the future": 2, "before 1990": 2, "cannot be read": 1, "there is no time": 1}
    assert len(shop.events) == len(rows) - 6
    assert "--units" in (report.why("in the future") or report.dropped[0]).advice


# --- three: files


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\r\n \n", "the file is empty"),
        (b"visitorid,sku,event,ts\n", "no row below them"),
        (b"a,b\n1,2,3\n4,5,6\n", "it has 3 fields, and the header has 2"),
        (bytes(range(256)) * 40, "this is no text and no table"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00\x01" * 500, "this is no text and no table"),
        (b"PK\x03\x04 no sheet", "cannot be read as a sheet"),
        (b"PAR1 no parquet", "cannot be read as parquet"),
        (b'{"a": 1}\n', "there is no column for user_id"),
        (b"[1, 2]", "each line has to be an object"),
        (b"[{", "cannot be read as JSON"),
    ],
)
def test_files_that_hold_no_log(tmp_path: Path, held: bytes, words: str) -> None:
    assert words in refused(tmp_path, held)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.csv", "there is no such file"), (tmp_path, "it is a folder")):
        with pytest.raises(DataError, match=words):
            import_shop(path)


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("utf-8", None), ("utf-8-sig", None), ("cp1252", "cp1252"), ("latin-1", "western European"),
        ("utf-16", "UTF-16"), ("utf-16-le", "taken for UTF-16"),
    ],
)  # fmt: skip
def test_encodings(tmp_path: Path, encoding: str, words: str | None) -> None:
    named = catalogue().assign(title="Hütchen für Zoë")
    (tmp_path / "products.csv").write_bytes(named.to_csv(index=False).encode(encoding))
    text = log().to_csv(index=False).encode(encoding)
    shop, report = taken_in(tmp_path, text, products=None) if encoding.startswith("utf") else taken_in(tmp_path, log())
    assert "user_id" in {column["ours"] for column in report.columns}  # a BOM is no part of a name
    shop, report = import_shop(tmp_path / "events.csv", products=tmp_path / "products.csv", now_ms=NOW)
    assert set(shop.products["name"]) == {"Hütchen für Zoë"}
    assert words is None or words in " ".join(report.read[1]["told"])


def test_semicolons_decimal_commas_and_a_bom(tmp_path: Path) -> None:
    products = catalogue().assign(price=[f"1.{number:03d},50 €" for number in range(60)])
    path = tmp_path / "products.csv"
    path.write_text(products.to_csv(index=False, sep=";"), encoding="utf-8-sig")
    save(tmp_path / "events.csv", log().to_csv(index=False, sep=";"))
    shop, report = import_shop(tmp_path / "events.csv", products=path, now_ms=NOW)
    assert shop.products["price"].tolist() == [1000.5 + number for number in range(60)]
    assert "decimal sign" in " ".join(report.assumed) and "semicolon" in report.read[0]["told"][0]


def test_ragged_rows(tmp_path: Path) -> None:
    lines = log().to_csv(index=False).splitlines()
    lines[5] += ",more,and more"
    lines[9] = "u1,p2"
    lines[12] = ",,,"
    shop, report = taken_in(tmp_path, "\r\n".join(lines) + "\r\n\r\n")
    found = report.why("does not fit the header")
    assert found is not None and found.rows == 2 and len(shop.events) == len(lines) - 4
    assert found.examples == (
        ("line 6", "it has 6 fields, and the header has 4"), ("line 10", "it has 2 fields, and the header has 4")
    )  # fmt: skip
    assert count(report, "the row is empty") == 1


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    lines = log(days=60).assign(note="x").to_csv(index=False).splitlines()
    lines[3] = lines[3][:-1] + '"x'
    assert "a quote is opened and not closed" in refused(tmp_path, "\n".join(lines) + "\n")


def test_a_cell_of_ten_million_characters(tmp_path: Path) -> None:
    rows, products = log(), catalogue().assign(description="warm")
    rows.loc[5, "sku"] = "x" * 10_000_000
    products.loc[7, "description"] = "y" * 10_000_000
    shop, report = taken_in(tmp_path, rows, products)
    assert count(report, "item_id holds no id") == 1 and len(shop.events) == len(rows) - 1
    assert count(report, "description: cut to 10,000 characters") == 1
    assert shop.products["description"].str.len().max() == 10_000
    assert len(report.to_text()) < 20_000 and len(report.to_json()) < 40_000


FORMULA = "=cmd|' /C calc'!A0"


def test_formulas_stay_texts(tmp_path: Path) -> None:
    products = catalogue()
    products.loc[0, "title"] = FORMULA
    products.loc[1, "price"] = -2.0
    rows = log()
    rows = rows.astype({"ts": object})
    rows.loc[0, "ts"], rows.loc[1, "event"] = "+1+1", FORMULA
    rows.loc[2, "event"] = "@SUM(1)|<script>alert(1)</script>`"
    rows = rows.assign(**{"=1+1": "x"})
    shop, report = taken_in(tmp_path, rows, products)
    assert shop.products["name"].iloc[0] == FORMULA
    assert f"'{FORMULA}" in report.to_csv() and f"`'{FORMULA.replace('|', '¦')}`" in report.to_markdown()
    assert (tmp_path / "shop" / "dropped.csv").read_text(encoding="utf-8") == report.to_csv().replace("\r\n", "\n")


def test_a_sheet(tmp_path: Path) -> None:
    assert "this is a zip file" in refused(tmp_path, zipped({"table.csv": "a,b\n1,2\n"}))
    rows = log().head(50)
    sheet = xlsx(rows.assign(sku=lambda frame: frame["sku"].str[1:].astype(int)))
    shop, report = taken_in(tmp_path, sheet)
    assert len(shop.events) == 50
    assert report.read[0]["format"] == "sheet" and all(item.isdigit() for item in shop.products["item_id"])
    assert shop.events["timestamp"].tolist() == rows["ts"].tolist()


def zipped(files: dict[str, str]) -> bytes:
    import zipfile

    page = io.BytesIO()
    with zipfile.ZipFile(page, "w") as held:
        for name, text in files.items():
            held.writestr(name, text)
    return page.getvalue()


def xlsx(frame: pd.DataFrame) -> bytes:
    """The least that is a workbook: one sheet, numbers as numbers, texts inline."""
    kind = "http://schemas.openxmlformats.org"

    def cell(value: Any) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    rows = [frame.columns.tolist(), *frame.to_numpy(dtype=object).tolist()]
    lines = "".join("<row>" + "".join(map(cell, row)) + "</row>" for row in rows)
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{kind}/package/2006/content-types"/>',
            "_rels/.rels": f'<Relationships xmlns="{kind}/package/2006/relationships"><Relationship Id="r1" '
            f'Type="{kind}/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/>'
            "</Relationships>",
            "xl/workbook.xml": f'<workbook xmlns="{kind}/spreadsheetml/2006/main" '
            f'xmlns:r="{kind}/officeDocument/2006/relationships"><sheets><sheet name="log" sheetId="1" r:id="r1"/>'
            "</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{kind}/package/2006/relationships"><Relationship '
            f'Id="r1" Type="{kind}/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/>'
            "</Relationships>",
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{kind}/spreadsheetml/2006/main"><sheetData>{lines}'
            "</sheetData></worksheet>",
        }
    )


# --- four: what happened


def test_returns_and_negative_prices(tmp_path: Path) -> None:
    rows = log().assign(qty=1, price=9.5)
    bought = rows.index[rows["event"] == "purchase"]
    seen = rows.index[rows["event"] == "view"]
    rows.loc[bought[:3], "qty"] = -1
    rows.loc[bought[3], "price"] = -9.5
    rows.loc[seen[:2], "price"] = -9.5
    rows.loc[bought[4:6], "event"] = "refund"
    products = catalogue().assign(price=-1.0)
    shop, report = taken_in(tmp_path, rows, products)
    assert count(report, "quantity is below 0: a return") == 3 and count(report, "price is below 0: a return") == 1
    assert count(report, "a return or a cancellation") == 2
    assert {(one.table, one.rows) for one in report.changed} == {("events", 2), ("products", 60)}
    assert shop.products["price"].isna().all() and "there are no prices" in report.noticed


def test_unknown_types_of_events(tmp_path: Path) -> None:
    rows = log()
    rows.loc[[0, 1, 2], "event"] = ["wishlist", "wishlist", "share"]
    _, report = taken_in(tmp_path, rows)
    found = report.why("does not know this type of event")
    assert found is not None and found.rows == 3 and "--event-map wishlist=…" in found.advice
    shop, report = taken_in(tmp_path, rows, event_map={"wishlist": "put_to_cart"}, force=True)
    assert (shop.events["event_type"] == "put_to_cart").sum() == 2 and count(report, "this type of event") == 1
    assert "no row is left" in refused_alone(tmp_path, rows.assign(event="hello"))
    with pytest.raises(DataError, match="there is no 'bought'; use one of impression"):
        import_shop(tmp_path / "events.csv", event_map={"wishlist": "bought"})


def test_returns_in_a_column_that_is_not_used_are_told(tmp_path: Path) -> None:
    orders = log().drop(columns="event").assign(qty=1, remark=np.where(np.arange(len(log())) % 9, "paid", "refunded"))
    _, report = taken_in(tmp_path, orders)
    (told,) = [one for one in report.noticed if "remark" in one]
    assert "holds 'refunded'" in told and "--map remark=event_type" in told
    _, report = taken_in(tmp_path, orders.assign(remark="paid"), force=True)
    assert not [one for one in report.noticed if "remark" in one]


def test_types_of_events_in_any_writing(tmp_path: Path) -> None:
    codes = log().assign(event=lambda frame: frame["event"].map({"view": 1.0, "purchase": 4.0}))
    codes.to_parquet(tmp_path / "codes.parquet")
    shop, _ = import_shop(tmp_path / "codes.parquet", event_map={"1": "clicked_on", "4": "buy"}, now_ms=NOW)
    words = log().assign(event=lambda frame: frame["event"].map({"view": "просмотр", "purchase": "покупка"}))
    other, _ = taken_in(tmp_path, words, event_map={"просмотр": "clicked_on", "покупка": "buy"})
    assert shop.fingerprint == other.fingerprint and set(shop.events["event_type"]) == {"clicked_on", "buy"}


def test_a_robot(tmp_path: Path) -> None:
    times = START + 20 * DAY_MS + np.arange(50_000) * 1_000
    bot = pd.DataFrame({"visitorid": "bot", "sku": "p1", "event": "view", "ts": times})
    rows = pd.concat([log(), bot], ignore_index=True)
    shop, report = taken_in(tmp_path, rows)
    assert len(shop.events) == len(rows)
    assert "bot (50,000)" in " ".join(report.noticed) and "the longest visit (bot/0) has 50,000" in " ".join(
        report.noticed
    )
    shop, report = taken_in(tmp_path, rows, drop_bots=True, force=True)
    assert len(shop.events) == len(rows) - 50_000 == len(log()) and count(report, "--drop-bots") == 50_000


def test_impressions_have_a_table_of_their_own(tmp_path: Path) -> None:
    rows = log()
    shown = rows.head(40).assign(event="impression")
    shop, report = taken_in(tmp_path, pd.concat([rows, shown], ignore_index=True))
    assert shop.impressions is not None and len(shop.impressions) == 40 == report.shop["impressions"]
    assert "only impressions" in refused_alone(tmp_path, shown)


def refused_alone(tmp_path: Path, events: pd.DataFrame) -> str:
    save(tmp_path / "alone.csv", events)
    with pytest.raises(DataError) as error:
        import_shop(tmp_path / "alone.csv", now_ms=NOW)
    return str(error.value)


def test_visits(tmp_path: Path) -> None:
    rows = log()
    shared = rows.assign(session=(rows["ts"] // DAY_MS).astype(str))
    shop, report = taken_in(tmp_path, shared)
    assert "shopper/visit" in " ".join(report.assumed) and shop.events["session_id"].str.contains("/").all()
    orders = rows.assign(transactionid=np.where(rows["event"] == "purchase", rows.index, ""))
    shop, report = taken_in(tmp_path, orders, force=True)
    assert "names orders and not visits" in " ".join(report.assumed)
    visits = rows.drop(columns="visitorid").assign(session=rows["visitorid"])
    shop, report = taken_in(tmp_path, visits, force=True)
    assert shop.events["user_id"].equals(shop.events["session_id"]) and "as the shopper" in " ".join(report.noticed)


def test_shoppers(tmp_path: Path) -> None:
    people = pd.DataFrame(
        {
            "customer_id": ["u0", "u1", "u1", ""], "country": ["DE", "FR", "IT", "X"], "email": "a@b.c",
            "registered_at": ["2024-01-01", "", "2024-01-01", "2024-01-01"],
        }
    )  # fmt: skip
    save(tmp_path / "people.csv", people)
    shop, report = taken_in(tmp_path, log(), shoppers=tmp_path / "people.csv")
    assert shop.shoppers.columns.tolist() == ["user_id", "region", "registered_at"]
    assert shop.shoppers["region"].head(2).tolist() == ["DE", "FR"] and len(shop.shoppers) == 30
    assert (count(report, "a shopper with this id"), count(report, "there is no user_id")) == (1, 1)
    assert "email" in " ".join(report.assumed) and "28 shoppers of the events" in " ".join(report.assumed)


# --- five: small and lopsided shops


def works(shop: Shop) -> dict[str, str]:
    return {chapter.number: chapter.works for chapter in chapters_for(shop)}


@pytest.mark.parametrize(
    ("rows", "words", "chapters"),
    [
        (log(days=1), "days in the log: 1;", {"00": "no", "03": "no", "07": "no"}),
        (log(shoppers=1, days=60), "all events are of one shopper", {"00": "no", "02": "no", "05": "no"}),
        (log(items=20), "something happened to: 20;", {"00": "partly", "03": "partly"}),
        (log().assign(event="purchase"), "only purchases", {"00": "partly", "03": "partly", "05": "partly"}),
        (log().assign(event="click"), "only clicks", {"00": "partly", "03": "partly", "09": "partly"}),
        (log(), "there are no prices", {"01": "no", "02": "no", "08": "partly"}),
        (log(), "no texts of products", {"01": "no"}),
    ],
    ids=["one day", "one shopper", "20 products", "only purchases", "only clicks", "no prices", "no texts"],
)
def test_lopsided_shops(tmp_path: Path, rows: pd.DataFrame, words: str, chapters: dict[str, str]) -> None:
    shop, report = taken_in(tmp_path, rows)
    assert words in " ".join(report.noticed)
    assert chapters.items() <= works(shop).items(), works(shop)
    assert [chapter.number for chapter in report.chapters] == [f"{number:02d}" for number in range(11)]
    assert all(chapter.why for chapter in report.chapters)


# --- six: the folder


def test_load_shop_opens_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, _ = taken_in(tmp_path, log(), catalogue())
    monkeypatch.setenv("RECSYS_LAB_SHOP", str(tmp_path / "shop"))
    assert load_shop().fingerprint == load_shop(impressions=False).fingerprint == shop.fingerprint
    assert load_shop().name == "shop"
    monkeypatch.setenv("RECSYS_LAB_SHOP", str(tmp_path / "none"))
    with pytest.raises(DataError, match="no folder of a shop"):
        load_shop()
    (tmp_path / "shop" / "events.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read"):
        open_shop(tmp_path / "shop")


def test_an_existing_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "shop"
    first, _ = taken_in(tmp_path, log())
    assert "add --force" in refused(tmp_path, log(seed=1))
    assert open_shop(out).fingerprint == first.fingerprint

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(OSError, match="No space"):
        import_shop(tmp_path / "events.csv", out, force=True, now_ms=NOW)
    monkeypatch.undo()
    assert open_shop(out).fingerprint == first.fingerprint and len(list(tmp_path.iterdir())) == 2
    second, _ = import_shop(tmp_path / "events.csv", out, force=True, now_ms=NOW)
    assert open_shop(out).fingerprint == second.fingerprint != first.fingerprint


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "letters.txt").write_text("dear")
    assert "not written by an import" in refused(tmp_path, log(), force=True)
    assert (tmp_path / "shop" / "letters.txt").read_text() == "dear"
    with pytest.raises(DataError, match="a file to import lies in this folder"):
        import_shop(tmp_path / "events.csv", tmp_path, force=True)


# --- seven: the command


def run(*arguments: object) -> tuple[int, str, str]:
    done = runner.invoke(app, ["import", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_command(tmp_path: Path) -> None:
    rows = (
        log().rename(columns={"sku": "thing", "event": "deed"}).assign(deed=lambda f: f["deed"].replace("view", "see"))
    )
    save(tmp_path / "events.csv", rows)
    given = ["--events", tmp_path / "events.csv", "--map", "thing=item_id", "--map", "events.deed=event_type"]
    given += ["--event-map", "see=clicked_on"]
    code, said, _ = run(*given, "--dry-run")
    assert code == 0 and "thing → item_id (you said so)" in said and not (tmp_path / "shop").exists()
    code, said, _ = run(*given, "--out", tmp_path / "shop", "--json")
    assert code == 0 and json.loads(said)["shop"]["events"]["clicked_on"] == (rows["deed"] == "see").sum()
    files = ["dropped.csv", "events.parquet", "products.parquet", "report.json", "report.md", "shoppers.parquet"]
    assert sorted(path.name for path in (tmp_path / "shop").iterdir()) == files
    assert json.loads((tmp_path / "shop" / "report.json").read_text(encoding="utf-8")) == json.loads(said)
    code, out, err = run(*given, "--out", tmp_path / "shop")
    assert (code, out, err.count("\n")) == (1, "", 1) and err.startswith("error: ") and "--force" in err
    assert run(*given, "--out", tmp_path / "shop", "--force")[0] == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--map", "nothing=item_id"], "there is no column 'nothing'"),
        (["--map", "sku=thing"], "events has no 'thing'"),
        (["--map", "sku=item_id", "--map", "event=item_id"], "choose one"),
        (["--event-map", "view=looked"], "there is no 'looked'"),
    ],
)
def test_wrong_arguments(tmp_path: Path, more: list[str], words: str) -> None:
    save(tmp_path / "events.csv", log())
    code, out, err = run("--events", tmp_path / "events.csv", "--out", tmp_path / "shop", *more)
    assert (code, out) == (1, "") and words in err and err.count("\n") == 1 and not (tmp_path / "shop").exists()


def test_arguments_that_typer_refuses(tmp_path: Path) -> None:
    save(tmp_path / "events.csv", log())
    assert run("--events", tmp_path / "events.csv")[0] == 2
    assert run("--events", tmp_path / "events.csv", "--dry-run", "--map", "sku")[0] == 2
