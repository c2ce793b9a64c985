"""The import of a shop's own data: read, name, clean, check, and write a folder in one step, or nothing at all."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_lab.datasets import DataError, Shop
from recsys_lab.datasets.schema import EVENT_COLUMNS, PRODUCT_COLUMNS
from recsys_lab.own import clean
from recsys_lab.own.chapters import Facts, chapters_for
from recsys_lab.own.columns import ORDER_WORDS, Named, bare, event_types, name_columns, share_out
from recsys_lab.own.read import Table, read_table
from recsys_lab.own.report import MARK, Report, short
from recsys_lab.own.values import UNITS

REPORT = "report.json"
DATES = ("auto", "day-first", "month-first")
_NEEDED = {"events": ("item_id", "timestamp"), "products": ("item_id",), "shoppers": ("user_id",)}


def import_shop(
    events: Path,
    out: Path | None = None,
    products: Path | None = None,
    shoppers: Path | None = None,
    columns: Mapping[str, str] | None = None,
    event_map: Mapping[str, str] | None = None,
    units: str = "auto",
    dates: str = "auto",
    drop_bots: bool = False,
    force: bool = False,
    now_ms: int | None = None,
) -> tuple[Shop, Report]:
    """A shop from files, and the report on it. With `out` it is written there: all of it, or nothing.

    `columns` maps their names to ours, `event_map` their event types to ours ("all" is every row). `units` are those of
    times that are numbers: s, ms, us, ns or auto; `dates` says how 01/02/2024 is read: day-first, month-first, auto.
    Events later than a day after `now_ms` (the clock's, when left out) are dropped. An existing folder is replaced with
    `force`, and only if it is empty or was written by an import.

    Raises `DataError` with the file, the rule and what to do when there is no shop in them.
    """
    files = {"events": events, "products": products, "shoppers": shoppers}
    paths = {name: Path(path).expanduser() for name, path in files.items() if path is not None}
    if units not in (*UNITS, "auto"):
        raise DataError(f"--units: {units!r} is none of {', '.join(UNITS)}, auto; use one of these")
    if dates not in DATES:
        raise DataError(f"--dates: {dates!r} is none of {', '.join(DATES)}; use one of these")
    event_types(event_map or {})
    if out is not None:
        check_out(out, list(paths.values()), force)
    tables = {name: read_table(path) for name, path in paths.items()}
    given = share_out(columns or {}, {name: list(table.frame.columns) for name, table in tables.items()})
    named = {name: name_columns(name, table.frame.columns, given[name]) for name, table in tables.items()}
    for name, table in tables.items():
        _check_columns(name, paths[name], table, named[name], event_map or {})
    now = int(time.time() * 1000) if now_ms is None else now_ms
    wishes = clean.Wishes(event_map or {}, units, dates, drop_bots, now)
    report = Report()
    try:
        shop = _shop(tables, named, wishes, report, events.stem if out is None else out.name)
    except DataError as error:
        raise DataError(f"{', '.join(str(path) for path in paths.values())}: {error}") from error
    _tell(shop, report)
    if out is not None:
        report.out = str(out.expanduser().absolute())
        write(shop, report, out, force)
    return shop, report


def _check_columns(name: str, path: Path, table: Table, named: Named, event_map: Mapping[str, str]) -> None:
    """Raise `DataError` for a table without a column that it cannot do without."""
    have = ", ".join(short(column) for column in table.frame.columns[:40])
    missing = [column for column in _NEEDED[name] if column not in named.ours]
    if name == "events":
        who = {"user_id", "session_id"} & set(named.ours)
        missing = missing if who else ["user_id", *missing]
        orders = bare(named.ours.get("session_id", "")) in ORDER_WORDS or "quantity" in named.ours
        said = "event_type" in named.ours or any(bare(theirs) == "all" for theirs in event_map)
        if not missing and not said and not orders:
            raise DataError(
                f"{path}: no column says what happened (event_type); it has {have}; name yours with --map"
                " YOURS=event_type, or say what every row is: --event-map all=buy (or all=clicked_on)"
            )
    if missing:
        first = "the first row looks like data: write the names of the columns above it; " if table.headless else ""
        raise DataError(
            f"{path}: {first}there is no column for {missing[0]}; it has {have}; name yours with"
            f" --map YOURS={missing[0]}"
        )


def _shop(
    tables: Mapping[str, Table], named: Mapping[str, Named], wishes: clean.Wishes, report: Report, name: str
) -> Shop:
    sieves = {}
    for table, read in tables.items():
        how: dict[str, Any] = {"table": table, "file": read.file, "format": read.format, "told": list(read.told)}
        report.read.append({**how, "rows": len(read.frame) + len(read.ragged)})
        ours = named[table].ours
        report.columns += [
            {"table": table, "theirs": theirs, "ours": column, "how": named[table].how[column]}
            for column, theirs in ours.items()
        ]
        sieves[table] = clean.Sieve(table, read, named[table], report)
    rows = clean.events_of(sieves["events"], wishes)
    _left_out(named, report)
    if "products" in sieves:
        products = clean.products_of(sieves["products"], named["products"], wishes)
        rows = clean.known_products(rows, products, report)
    else:
        products = clean.told_of(rows, "item_id", PRODUCT_COLUMNS)
        told = [column for column in products.columns if column != "item_id"]
        from_events = f", with {', '.join(told)} from there" if told else ""
        report.assumed.append(f"there is no table of products: they are those of the events{from_events}")
    first = int(rows["timestamp"].min())
    products = clean.fill_times("products", products, "launched_at", first, report)
    people = _people(rows, sieves, wishes, report, first)
    rows = rows.drop(columns=[column for column in rows.columns if column not in _EVENT_NAMES])
    shown = rows["event_type"] == "impression"
    impressions = rows[shown].reset_index(drop=True) if shown.any() else None
    return Shop.from_frames(products, rows[~shown].reset_index(drop=True), people, impressions, name=name)


_EVENT_NAMES = (*clean.KEYS, "id", *EVENT_COLUMNS)


def _people(
    rows: pd.DataFrame, sieves: Mapping[str, clean.Sieve], wishes: clean.Wishes, report: Report, first: int
) -> pd.DataFrame:
    """The shoppers of the table and those of the events beside them, in the order of the table, then by id."""
    if "shoppers" not in sieves:
        people = clean.told_of(rows, "user_id", {"age_band": "text", "region": "text"})
        told = [column for column in people.columns if column != "user_id"]
        more = f", with {', '.join(told)} from there" if told else ""
        report.assumed.append(f"there is no table of shoppers: they are those of the events{more}")
        return people
    people = clean.shoppers_of(sieves["shoppers"], wishes)
    others = sorted(set(rows["user_id"]) - set(people["user_id"]))
    if others:
        report.assumed.append(
            f"{len(others):,} shoppers of the events are not in the table of shoppers (such as {short(others[0])}):"
            " they were added, without traits"
        )
        people = pd.concat([people, pd.DataFrame({"user_id": others})], ignore_index=True)
    if "registered_at" in people.columns:
        people["registered_at"] = people["registered_at"].fillna(0).astype("int64")
    return clean.fill_times("shoppers", people, "registered_at", first, report)


def _left_out(named: Mapping[str, Named], report: Report) -> None:
    """Columns that are not copied: the course has no use for names and addresses of people."""
    for table in ("events", "shoppers"):
        if table in named and named[table].others:
            some = ", ".join(short(column) for column in named[table].others[:20])
            report.assumed.append(f"columns of {table} that the course has no use for were not copied: {some}")
    if "products" in named and "picture" in named["products"].others:
        report.assumed.append(
            "the column picture was not copied: in the course it is a drawing, which notebooks show as it is"
        )


def _tell(shop: Shop, report: Report) -> None:
    """What came of it, what it lacks, which chapters work, and what an owner should know."""
    facts, events = Facts(shop), shop.events
    if events.empty:
        raise DataError("events: there are only impressions, and nothing that a shopper did; add clicks or purchases")
    report.assumed = list(dict.fromkeys(report.assumed))
    days = [
        pd.Timestamp(int(time), unit="ms").strftime("%Y-%m-%d")
        for time in (events["timestamp"].min(), events["timestamp"].max())
    ]
    report.shop = {
        "products": len(shop.products),
        "products that something happened to": len(facts.active),
        "shoppers": len(shop.shoppers),
        "events": {str(kind): int(count) for kind, count in events["event_type"].value_counts().items()},
        "impressions": 0 if shop.impressions is None else len(shop.impressions),
        "visits": int(events["session_id"].nunique()),
        "first day (UTC)": days[0],
        "last day (UTC)": days[1],
        "days": facts.days,
    }
    report.lacks = list(shop.lacks)
    report.chapters = chapters_for(shop)
    few = (
        f"products that something happened to: {len(facts.active)}; a list of ten holds many, so methods differ little"
    )
    brief = f"days in the log: {facts.days}; methods are tested on the last quarter of them, better a week or more"
    notices = {
        brief: facts.days < 28,
        "all events are of one shopper: nothing can be learned from others": facts.shoppers == 1,
        few: len(facts.active) < 50,
        "there are only purchases: what was looked at and not bought is not known": facts.kinds == {"buy"},
        "there are only clicks: what sells cannot be learned or measured": facts.kinds == {"clicked_on"},
        "there are no prices": not facts.told("price"),
        "there are no texts of products: cold start has to do without": not facts.told("description", "name"),
        "there is no time of day: the order of events within a day may not be theirs": not facts.clock,
    }
    report.noticed += [words for words, holds in notices.items() if holds]
    longest = events.groupby("session_id").size()
    if longest.max() > clean.BOT:
        report.noticed.append(
            f"the longest visit ({short(longest.idxmax())}) has {longest.max():,} events; the scoreboard leaves it out"
        )
    read = next(one["rows"] for one in report.read if one["table"] == "events")
    if report.rows_dropped() * 10 > read:
        report.noticed.append(f"{report.rows_dropped() / read:.0%} of the rows of events were dropped: see above why")


def check_out(out: Path, inputs: list[Path], force: bool) -> None:
    """Raises `DataError` for a folder that may not be written: it is not empty, no import's own, or holds an input."""
    folder = out.expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{out}: it is a file; name a folder")
    if any(folder.resolve() in path.resolve().parents for path in inputs):
        raise DataError(f"{out}: a file to import lies in this folder; name another one")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not force:
        raise DataError(f"{out}: the folder is not empty; name another one, or add --force to replace an imported shop")
    try:
        held = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        held = None
    if not isinstance(held, dict) or MARK not in held:
        raise DataError(f"{out}: the folder was not written by an import, so it is not replaced; name another one")


def write(shop: Shop, report: Report, out: Path, force: bool = False) -> Path:
    """Write the folder of a shop beside its place and move it there; what was there stays if anything goes wrong."""
    folder = out.expanduser().absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    new, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{word}") for word in ("new", "old"))
    try:
        new.mkdir()
        tables = {"products": shop.products, "shoppers": shop.shoppers, "events": shop.events}
        if shop.impressions is not None:
            tables["impressions"] = shop.impressions
        for name, frame in tables.items():
            frame.to_parquet(new / f"{name}.parquet", index=False)
        (new / "report.md").write_text(report.to_markdown(), encoding="utf-8")
        (new / "dropped.csv").write_text(report.to_csv(), encoding="utf-8")
        (new / REPORT).write_text(report.to_json(), encoding="utf-8")
        check_out(out, [], force)  # again: the import took its time
        replaced = folder.is_dir()
        if replaced:
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if replaced:
                old.rename(folder)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return folder
