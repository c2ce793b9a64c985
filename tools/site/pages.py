"""The pages that are made: start, scoreboard, glossary, and the list of what else is written down."""

from __future__ import annotations

import re
from pathlib import Path

from recsys_lab import charts as drawing
from recsys_lab import measure
from tools.readme import BOARDS
from tools.site.notebooks import Charts

CHAPTER = re.compile(
    r"\| (?P<number>\d\d) \| \[(?P<title>.+?)\]\((?P<file>.+?)\) \| (?P<question>.+?) \| .+"
    r" \| (?P<read>\d+) min \| (?P<run>\d+) s \|"
)
"""A line of notebooks/README.md."""


def chapters(root: Path) -> list[re.Match[str]]:
    """The lines of the list of chapters."""
    lines = (root / "notebooks" / "README.md").read_text(encoding="utf-8").splitlines()
    return [found for line in lines if (found := CHAPTER.match(line))]


def start(root: Path) -> str:
    """The start page, with the table of the chapters and their times in its place."""
    found = chapters(root)
    lines = ["| | chapter | to read | to run |", "|---|---|---|---|"]
    for one in found:
        link = f"[{one['title']}](notebooks/{one['file']})"
        lines.append(
            f"| {one['number']} | **{link}**<br>{one['question']} | {one['read']}&nbsp;min | {one['run']}&nbsp;s |"
        )
    hours = sum(int(one["read"]) for one in found) / 60
    table = "\n".join([*lines, "", f"About {hours:.0f} hours to read in all, and more to try things."])
    text = (root / "site" / "index.md").read_text(encoding="utf-8")
    place = "<!-- chapters -->"
    if place not in text:
        raise ValueError(f"site/index.md: there is no place {place}")
    return text.replace(place, table)


def glossary(root: Path) -> str:
    """The glossary; the chapter number that ends an entry, as in (03), becomes a link."""
    text = (root / "site" / "glossary.md").read_text(encoding="utf-8")
    names = {one["number"]: one["file"] for one in chapters(root)}
    return re.sub(r"\((\d\d)\)$", lambda at: f"[Chapter {at[1]}](notebooks/{names[at[1]]})", text, flags=re.MULTILINE)


def terms(root: Path) -> list[str]:
    """The glossary's terms, in its order."""
    inside = (root / "site" / "glossary.md").read_text(encoding="utf-8").partition("{glossary}\n")[2].partition("\n```")
    return [line for line in inside[0].splitlines() if line and not line.startswith(" ")]


def about(root: Path) -> str:
    """What is written about the project itself: each page by its title."""
    from tools.site.gather import page_files

    lines = ["# Behind the course", "", "How it is built, what it keeps, and how it is run.", ""]
    for file in page_files(root)["about.md"]:
        first = (root / file).read_text(encoding="utf-8").splitlines()[0]
        lines.append(f"- [{first.lstrip('# ')}]({file})")
    return "\n".join(lines) + "\n"


def scoreboard(root: Path, pictures: Charts) -> str:
    """All stored boards: chart, table with intervals and costs, and what to read off them."""
    drawing.enable()
    lines = ["# The scoreboard", "", _how_to_read(), ""]
    boards = measure.stored()
    for name in [*BOARDS, *(other for other in boards if other not in BOARDS)]:
        board = boards[name]
        metric = next(iter(board.rows[0]["metrics"]))
        title = f"{name}: {metric}, each method's mean and its 95 % interval"
        lines += [f"## {name}", "", f"**{_sentence(BOARDS.get(name, name))}**", ""]
        lines += [", ".join(f"{value:,} {what}" for what, value in board.facts.items()) + ".", ""]
        lines += [pictures.picture(board.chart(title=title).to_dict(), up=""), ""]
        table = board.to_table().reset_index()
        lines += [_row(table.columns), "|" + "---|" * len(table.columns)]
        lines += [_row(row) for row in table.itertuples(index=False, name=None)]
        room = board.room()
        lines += ["", *([room, ""] if room else [])]
    return "\n".join(lines)


def _how_to_read() -> str:
    return (
        "Every method of the course on every board it can stand on, also where it loses. In brackets: 95 % intervals,"
        " drawn by bootstrap over shoppers or sessions. The column *− popular* is the difference to the row *popular*,"
        " case by case on the same questions. *truth* is a recommender that knows what the simulated shoppers like:"
        " the ceiling. Coverage is the share of products that are listed at all, novelty is in bits, *fit s* are"
        " seconds to learn, *µs/list* is the time for one list, and MB the size of what was learned. Times are those of"
        " one machine; compare them with each other.\n\n"
        "The settings of each row, and keys that say which data and code it comes from:"
        " [benchmarks/results](benchmarks/results). All claims with their evidence: [benchmarks](BENCHMARKS.md)."
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _row(cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace(", ", ",&nbsp;") for cell in cells) + " |"  # type: ignore[attr-defined]
