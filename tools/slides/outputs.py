"""What a cell has printed and shown, as blocks for a slide: lines, tables, pictures of products, charts."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from bs4 import BeautifulSoup, Tag

from tools.slides.code import height, type_size
from tools.slides.prose import Block

PRINTED = 8
"""The most lines of printed text on a slide."""

ROWS, WIDTH, CELL = 7, 98, 34
"""The most rows of a table, its characters in a row, and in one cell."""

SIZES = ((24, 43, 70), (22, 40, 80), (20, 38, 90), (18, 36, 104))
"""Sizes of a table's type, the height of its rows at that size, and the most characters in a row."""

MORE = "… in the notebook"
_OF_EXERCISES = re.compile(r"Not attempted: |Skipped: exercise \d")
"""What a notebook says where an exercise is not solved: nothing for a slide."""

CHART = "application/vnd.vegalite.v5+json"


def blocks(outputs: list[Any]) -> Iterator[Block | dict[str, Any]]:
    """Each output that a slide can hold; a chart as its specification."""
    for output in _joined(outputs):
        data = output.get("data", {})
        if output["output_type"] == "stream":
            lines = [line for line in output["text"].splitlines() if not _OF_EXERCISES.match(line)]
            if output.get("name") == "stdout" and "".join(lines).strip():
                yield printed("\n".join(lines))
        elif CHART in data:
            yield data[CHART]
        elif "text/html" in data:
            yield from _page("".join(data["text/html"]))
        elif "text/plain" in data:
            yield printed("".join(data["text/plain"]))


def _joined(outputs: list[Any]) -> list[dict[str, Any]]:
    """Lines that were printed one after the other, as one output."""
    made: list[dict[str, Any]] = []
    for output in outputs:
        one = dict(output)
        if one["output_type"] == "stream":
            one["text"] = "".join(one["text"])
            if made and made[-1].get("name") == one.get("name"):
                made[-1]["text"] += one["text"]
                continue
        made.append(one)
    return made


def printed(text: str) -> Block:
    """Printed lines, the first of them where there are many."""
    lines = text.strip("\n").rstrip().splitlines()
    kept: list[str] = []
    room = PRINTED
    for line in lines:
        room -= height(line)
        if room < 0:
            break
        kept.append(line)
    if len(kept) < len(lines):
        kept.append(MORE)
    if not kept[0].strip() or kept == [MORE]:
        kept = [lines[0][:300], MORE]
    seen = sum(height(line) for line in kept)
    body = "\n".join(html.escape(line) for line in kept)
    size = min(type_size("\n".join(kept)), 22)
    return Block("out", f'<pre class="printed s{size}">{body}</pre>', int(size * 1.36 * seen) + 38)


def _page(text: str) -> Iterator[Block]:
    page = BeautifulSoup(text, "html.parser")
    table = page.find("table")
    if isinstance(table, Tag):
        yield _table(table)
        return
    figures = [child for child in page.children if isinstance(child, Tag)]
    if figures and all(child.name == "figure" and child.svg for child in figures):
        yield Block("html", f'<div class="cards">{"".join(_card(figure) for figure in figures[:5])}</div>', 300)


def _card(figure: Tag) -> str:
    """A product's picture with its words; the drawing is made of few shapes, and stands in the page itself."""
    words = [html.escape(line) for line in figure.get_text("\n").split("\n") if line.strip()]
    title = figure.svg.find("title") if figure.svg else None
    words = words[1:] if isinstance(title, Tag) else words
    return f"<figure>{figure.svg}<figcaption>{'<br>'.join(words[:4])}</figcaption></figure>"


def _table(table: Tag) -> Block:
    rows, heads = _grid(table)
    cut = len(rows) - heads > ROWS
    top = [_heading(rows[:heads])] if heads else []
    rows, narrower = _narrow([*top, *rows[heads : heads + ROWS]])
    columns = list(zip(*rows, strict=True))
    letters = sum(max(len(cell) for cell in column) + 2 for column in columns)
    size, high = next((size, high) for size, high, most in SIZES if letters <= most or size == SIZES[-1][0])
    numbers = {at for at, column in enumerate(columns) if at and all(map(_number, column[len(top) :]))}
    body = "".join(_row(row, "th" if at < len(top) else "td", numbers) for at, row in enumerate(rows))
    more = f'<p class="more">{MORE}</p>' if cut or narrower else ""
    return Block("table", f'<table class="s{size}">{body}</table>{more}', high * len(rows) + 20 + 34 * bool(more))


def _grid(table: Tag) -> tuple[list[list[str]], int]:
    """The table's texts with a cell in every place, and how many of its rows are headings."""
    rows: list[list[str]] = []
    waiting: dict[int, int] = {}  # columns that a cell further up still covers, and for how many rows
    for line in table.find_all("tr"):
        row: list[str] = []
        for cell in line.find_all(["th", "td"]):
            _under(row, waiting)
            wide, deep = (int(str(cell.get(span) or 1)) for span in ("colspan", "rowspan"))
            waiting.update({len(row) + at: deep - 1 for at in range(wide) if deep > 1})
            row += [_short(cell)] * wide
        _under(row, waiting)
        rows.append(row)
    span = max(len(row) for row in rows)
    head = table.find("thead")
    heads = len(head.find_all("tr")) if isinstance(head, Tag) else 0
    return [row + [""] * (span - len(row)) for row in rows], heads


def _under(row: list[str], waiting: dict[int, int]) -> None:
    """Leave empty what a cell further up covers."""
    while waiting.get(len(row), 0):
        waiting[len(row)] -= 1
        row.append("")


def _heading(rows: list[list[str]]) -> list[str]:
    """Several rows of headings, as pandas writes them for levels and for the index's name, made one."""
    return [" ".join(dict.fromkeys(cell for cell in column if cell)) for column in zip(*rows, strict=True)]


def _short(cell: Tag) -> str:
    text = " ".join(cell.get_text(" ", strip=True).split())
    return text if len(text) <= CELL else f"{text[: CELL - 1].rstrip()}…"


def _narrow(rows: list[list[str]]) -> tuple[list[list[str]], bool]:
    """As many columns as fit the width."""
    total, kept = 0, 0
    for column in zip(*rows, strict=True):
        total += max(len(cell) for cell in column) + 2
        if total > WIDTH and kept > 1:
            break
        kept += 1
    return [row[:kept] for row in rows], kept < len(rows[0])


def _number(cell: str) -> bool:
    return re.fullmatch(r"[-+−]?[\d.,]+ ?%?( \[.*\])?|NaN|nan|", cell) is not None


def _row(cells: list[str], tag: str, numbers: set[int]) -> str:
    made = []
    for at, cell in enumerate(cells):
        kind = "th" if cell and (tag == "th" or at == 0) else "td"  # a heading says something
        scope = f' scope="{"col" if tag == "th" else "row"}"' if kind == "th" else ""
        made.append(f"<{kind}{scope}{' class=number' if at in numbers else ''}>{html.escape(cell)}</{kind}>")
    return f"<tr>{''.join(made)}</tr>"
