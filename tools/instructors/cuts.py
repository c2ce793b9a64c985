"""Cut lists: which parts of which chapters fit into 45, 90 or 180 minutes, or a day.

docs/instructors/cuts.toml says what is taught and where the breaks are; the minutes come from the chapters.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.instructors.parts import ROOT, Taught

CUTS = ROOT / "docs" / "instructors" / "cuts.toml"
WHOLE = " …"
"""Behind a part's title: with all that stands below its heading."""
RESERVE = 0.1
"""The share of the time that a cut list leaves free."""


@dataclass(frozen=True)
class Row:
    """One line of a cut list: a part, an exercise, a demo or a break."""

    chapter: str
    what: str
    minutes: int
    kind: str


@dataclass(frozen=True)
class Cut:
    """A cut list with its minutes."""

    name: str
    minutes: int
    rows: tuple[Row, ...]

    @property
    def used(self) -> int:
        """The minutes that are planned, breaks too."""
        return sum(row.minutes for row in self.rows)


def read_cuts(chapters: Sequence[Taught], path: Path = CUTS) -> list[Cut]:
    """All cut lists; a `ValueError` names a part, an exercise or a chapter that is not there."""
    by_number = {chapter.number: chapter for chapter in chapters}
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Cut(name, cut["minutes"], _rows(cut["steps"], by_number)) for name, cut in found.items()]


def _rows(steps: Sequence[dict[str, Any]], chapters: dict[str, Taught]) -> tuple[Row, ...]:
    rows: list[Row] = []
    for step in steps:
        if "chapter" not in step:
            kind = "break" if "break" in step else "live"
            rows.append(Row("", step[kind], step["minutes"], kind))
            continue
        if step["chapter"] not in chapters:
            raise ValueError(f"cuts.toml: there is no chapter {step['chapter']!r}; there are {', '.join(chapters)}")
        chapter = chapters[step["chapter"]]
        for said in step.get("parts", []):
            title = said.removesuffix(WHOLE)
            found = chapter.find(title) if said != title else chapter.find(title)[:1]
            rows.append(Row(chapter.number, title, sum(part.minutes for part in found), "part"))
        minutes = {task.number: task.minutes for task in chapter.tasks}
        for number in step.get("exercises", []):
            if number not in minutes:
                raise ValueError(f"cuts.toml: chapter {chapter.number} has no exercise {number}")
            rows.append(Row(chapter.number, f"do exercise {number}", minutes[number], "exercise"))
    return tuple(rows)


def cut_table(cut: Cut) -> str:
    """The table of one cut list, with the clock running, and what is left at the end."""
    shown = {"break": "**Break**: {}", "live": "*Live*: {}", "exercise": "↳ {}"}
    lines = ["| from | chapter | part | minutes |", "|---|---|---|---|"]
    clock = 0
    for row in cut.rows:
        what = shown.get(row.kind, "{}").format(row.what)
        lines.append(f"| {_clock(clock)} | {row.chapter} | {what} | {row.minutes} |")
        clock += row.minutes
    lines.append(
        f"| {_clock(clock)} | | **Free**, for questions and for what takes longer | {cut.minutes - cut.used} |"
    )
    return "\n".join(lines)


def _clock(minutes: int) -> str:
    """Hours and minutes since the beginning.

    >>> _clock(75)
    '1:15'
    """
    return f"{minutes // 60}:{minutes % 60:02d}"
