"""What an import found, as a shop owner reads it: as text, as markdown, as JSON, and the dropped rows as csv."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.own.chapters import Chapter

EXAMPLES = 5
MARK = "recsys_lab_import"
"""The name in report.json by which a folder is known to be an import's own, so that --force may replace it."""


@dataclass(frozen=True)
class Finding:
    """Rows of one table that one rule spoke of: how many, and up to five of them as (row, value)."""

    table: str
    what: str
    rows: int
    examples: tuple[tuple[str, str], ...] = ()
    advice: str = ""


@dataclass
class Report:
    """All that an import has to say, in the order in which it is read."""

    read: list[dict[str, Any]] = field(default_factory=list)
    columns: list[dict[str, str]] = field(default_factory=list)
    dropped: list[Finding] = field(default_factory=list)
    changed: list[Finding] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    noticed: list[str] = field(default_factory=list)
    shop: dict[str, Any] = field(default_factory=dict)
    lacks: list[str] = field(default_factory=list)
    chapters: list[Chapter] = field(default_factory=list)
    out: str = ""

    def rows_dropped(self, table: str = "events") -> int:
        """How many rows of a table were dropped, by all rules."""
        return sum(finding.rows for finding in self.dropped if finding.table == table)

    def why(self, what: str) -> Finding | None:
        """The first finding whose words hold `what`; None where there is none."""
        return next((one for one in [*self.dropped, *self.changed] if what in one.what), None)

    def to_json(self) -> str:
        """The whole report; ids and texts of the file stand in it as they are."""
        return json.dumps({MARK: 1, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

    def to_text(self) -> str:
        """For the terminal."""
        return "\n".join(_lines(self, "\n{}\n" + "-" * 40, "  {}", _printable, str)) + "\n"

    def to_markdown(self) -> str:
        """For a page: headings and lists; whatever came out of the files stands in code quotes, and runs nowhere."""
        body = _lines(self, "\n## {}\n", "- {}", _quoted, _plain)
        return "\n".join(["# What the import found", *body]) + "\n"

    def to_csv(self) -> str:
        """What was dropped and changed, one example a line; no cell begins with what a spreadsheet would run."""
        page = io.StringIO()
        rows = csv.writer(page)
        rows.writerow(["table", "done", "why", "rows", "example row", "example value"])
        for done, findings in (("dropped", self.dropped), ("changed", self.changed)):
            for one in findings:
                for row, value in one.examples or (("", ""),):
                    rows.writerow([safe(str(cell)) for cell in (one.table, done, one.what, one.rows, row, value)])
        return page.getvalue()


def safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula.

    >>> safe("=1+1"), safe("a=b")
    ("'=1+1", 'a=b')
    """
    return f"'{text}" if text.lstrip(" \t\r\n\"'`")[:1] in ("=", "+", "-", "@") or text[:1] in ("\t", "\r") else text


def short(value: Any) -> str:
    """A value of the file as an example: one line, 60 characters."""
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return "(nothing)"
    text = str(value.item() if isinstance(value, np.generic) else value)
    text = _printable(text[:61])
    return text if len(text) <= 60 else text[:59] + "…"


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "·" for one in text)


def _quoted(text: str) -> str:
    """In code quotes, so that neither HTML nor a table nor a formula can be made of it."""
    return "`" + safe(_printable(text)).replace("`", "´").replace("|", "¦") + "`"


def _plain(text: str) -> str:
    """A sentence with values of the file in it, so that no tag, link or picture comes of them."""
    return re.sub(r"([<>\[\]`|\\])", r"\\\1", text)


Mark = Callable[[str], str]


def _lines(report: Report, title: str, item: str, quote: Mark, plain: Mark) -> Iterable[str]:
    """The report line by line; `quote` marks a value of the file, `plain` a sentence that may hold some."""
    yield title.format("What was read")
    for one in report.read:
        told = "".join(f"; {plain(line)}" for line in one["told"])
        yield item.format(f"{one['table']}: {one['rows']:,} rows of {quote(one['file'])} ({one['format']}{told})")
    yield title.format("Your columns")
    for column in report.columns:
        yield item.format(f"{column['table']}: {quote(column['theirs'])} → {column['ours']} ({column['how']})")
    for heading, findings in (("What was dropped", report.dropped), ("What was changed", report.changed)):
        yield title.format(heading)
        if not findings:
            yield item.format("nothing")
        for found in findings:
            shown = ", ".join(f"{row} {quote(value)}" for row, value in found.examples)
            advice = f" ({plain(found.advice)})" if found.advice else ""
            line = f"{found.table}: {found.rows:,} rows: {plain(found.what)}{advice}"
            yield item.format(f"{line}: {shown}" if shown else line)
    for heading, said in (("What was assumed", report.assumed), ("What you should know", report.noticed)):
        if said:
            yield title.format(heading)
            yield from (item.format(plain(line)) for line in said)
    yield title.format("Your shop")
    yield from (item.format(f"{name}: {_number(value)}") for name, value in report.shop.items())
    if report.lacks:
        yield item.format(f"it has no: {', '.join(report.lacks)}")
    yield title.format("The chapters of the course")
    for chapter in report.chapters:
        yield item.format(f"{chapter.works:<6} {chapter.number} {chapter.title}: {chapter.why}")
    yield item.format("What needs the truth (ceilings, simulated A/B tests) works on the simulated shop alone.")
    if report.out:
        yield title.format("How to open it")
        yield item.format(f"RECSYS_LAB_SHOP={quote(report.out)} makes load_shop() this shop")
        yield item.format("python -m recsys_lab scoreboard --shop FOLDER says which method pays most")


def _number(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{count:,} {name}" for name, count in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)
