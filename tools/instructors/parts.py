"""The parts of a chapter as somebody teaches them: heading, minutes, cells, exercises, charts, seconds.

Parts are the chapter's own headings of level 2 and 3. Minutes to teach are the card's `minutes`, shared out by what
each part holds; the minutes of the exercises come on top, as recsys_lab/exercises declares them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat

from tools.chapters.project import Project
from tools.chapters.source import Cell, Chapter, load

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = ROOT / "docs" / "instructors" / "seconds.json"
"""How the time of a run is shared out over the parts, measured by `python -m tools.instructors --measure`."""

WORD, LINE, CHART = 0.5, 2.5, 45.0
"""Rough seconds to say a word, to explain a line of code, to read a chart together. Only their proportions matter: the
sum is scaled to the card's minutes."""


@dataclass
class Part:
    """One heading of a chapter with what stands below it, up to the next heading."""

    chapter: str
    title: str
    level: int
    words: int = 0
    lines: int = 0
    code_cells: int = 0
    charts: int = 0
    exercises: list[int] = field(default_factory=list)
    minutes: int = 0
    exercise_minutes: int = 0
    seconds: int | None = None

    @property
    def weight(self) -> float:
        """Seconds to teach, before they are scaled to the card."""
        return WORD * self.words + LINE * self.lines + CHART * self.charts


@dataclass(frozen=True)
class Task:
    """One exercise, as somebody plans it."""

    number: int
    title: str
    minutes: int
    lines: int
    difficulty: int
    hints: int
    wrong: int


@dataclass(frozen=True)
class Taught:
    """A chapter in parts. `stated_seconds` is what its card says of a whole run, 0 when it has not been built."""

    chapter: Chapter
    parts: tuple[Part, ...]
    tasks: tuple[Task, ...]
    stated_seconds: int

    @property
    def number(self) -> str:
        """Its two digits."""
        return self.chapter.name[:2]

    @property
    def minutes(self) -> int:
        """Minutes to teach all of it, without exercises: the card's."""
        return sum(part.minutes for part in self.parts)

    @property
    def exercise_minutes(self) -> int:
        """Minutes of all exercises."""
        return sum(part.exercise_minutes for part in self.parts)

    def find(self, title: str) -> list[Part]:
        """A part by its title: a heading of level 2 with all that stands below it, one of level 3 alone.

        A `ValueError` lists the titles when there is no such part.
        """
        for at, part in enumerate(self.parts):
            if part.title == title:
                below = [part]
                for other in self.parts[at + 1 :]:
                    if part.level == 3 or other.level == 2:
                        break
                    below.append(other)
                return below
        known = "; ".join(part.title for part in self.parts)
        raise ValueError(f"chapter {self.number} has no part {title!r}; it has: {known}")


def read(project: Project | None = None) -> list[Taught]:
    """All chapters of the course in parts."""
    project = project or Project(ROOT)
    shares = json.loads(SECONDS.read_text(encoding="utf-8")) if SECONDS.is_file() else {}
    return [taught(chapter, project, shares.get(chapter.name, {})) for chapter in load(project)]


def taught(chapter: Chapter, project: Project, shares: dict[str, float]) -> Taught:
    """One chapter in parts; `shares` says which share of a run each part took, by its title."""
    parts = split(chapter)
    path = project.notebook(chapter.name)
    notebook: Any = nbformat.read(path, as_version=4) if path.is_file() else None  # type: ignore[no-untyped-call]
    charts = charts_by_title(notebook) if notebook else {}
    tasks = []
    for part in parts:
        part.charts = charts.get(part.title, 0)
        for number in part.exercises:
            task = _task(chapter, part.title, number)
            part.exercise_minutes += task.minutes
            tasks.append(task)
    for part, minutes in zip(parts, shared_out(chapter.card.minutes, [part.weight for part in parts]), strict=True):
        part.minutes = minutes
    stated = int(notebook.metadata["recsys_lab"]["stated_seconds"]) if notebook else 0
    _seconds(parts, shares, stated)
    return Taught(chapter, tuple(parts), tuple(tasks), stated)


def _task(chapter: Chapter, title: str, number: int) -> Task:
    cell = chapter.exercises()[str(number)]
    lines = to_write(cell)
    known = import_module(f"recsys_lab.exercises.chapter_{chapter.name[:2]}").EXERCISES[number - 1]
    return Task(number, title, known.minutes, lines, known.difficulty, len(known.hints), len(known.wrong))


def _seconds(parts: list[Part], shares: dict[str, float], stated: int) -> None:
    """Share a run's seconds out; a part that was not there when it was measured has none."""
    known = [part for part in parts if part.title in shares]
    if stated and known:
        for part, seconds in zip(known, shared_out(stated, [shares[part.title] for part in known], 0), strict=True):
            part.seconds = seconds


def split(chapter: Chapter) -> list[Part]:
    """The parts of a chapter as the learner sees them, with words, lines and exercises, without minutes."""
    parts: list[Part] = []
    for cell in chapter.cells:
        if not cell.stands_in(solved=False):
            continue
        if cell.kind == "markdown":
            for title, level, text in pieces(cell.learner):
                if level:
                    parts.append(Part(chapter.name[:2], title, level))
                if parts:
                    parts[-1].words += len(re.findall(r"\w+", text))
        elif parts:
            _count(parts[-1], cell)
    return parts


def _count(part: Part, cell: Cell) -> None:
    part.code_cells += 1
    if cell.id.startswith("exercise-"):
        part.exercises.append(int(cell.id.removeprefix("exercise-")))
    elif "hide-input" not in cell.tags:
        part.lines += sum(counts(line) for line in cell.learner.splitlines())


def counts(line: str) -> bool:
    """Whether a line of code needs explaining: not an import, a comment or a bracket alone.

    >>> [counts(line) for line in ("shop = load_shop()", "import numpy as np", "# needs: price", "    )", "")]
    [True, False, False, False, False]
    """
    text = line.strip()
    return bool(re.search(r"\w", text)) and not text.startswith(("import ", "from ", "#"))


def pieces(markdown: str) -> list[tuple[str, int, str]]:
    """A text cut at its headings of level 2 and 3: title, level (0 before the first heading), text below.

    >>> pieces("and so on.\\n## Build it\\nFirst.\\n### Pairs\\nThen.")
    [('', 0, 'and so on.\\n'), ('Build it', 2, 'First.\\n'), ('Pairs', 3, 'Then.\\n')]
    """
    found: list[tuple[str, int, str]] = []
    title, level, text, fenced = "", 0, "", False
    for line in markdown.splitlines():
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        heading = None if fenced else re.match(r"(##|###) (.+)", line)
        if heading:
            found.append((title, level, text))
            title, level, text = heading[2].strip(), len(heading[1]), ""
        else:
            text += line + "\n"
    found.append((title, level, text))
    return [piece for piece in found if piece[1] or piece[2].strip()]


def titles_by_cell(notebook: Any) -> dict[str, str]:
    """Below which heading each cell of a notebook stands, by the cell's id."""
    title, under = "", {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            title = next((name for name, level, _ in reversed(pieces(cell.source)) if level), title)
        under[cell.id] = title
    return under


def charts_by_title(notebook: Any) -> dict[str, int]:
    """How many charts the executed notebook has below each heading."""
    under, charts = titles_by_cell(notebook), dict[str, int]()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if any("vegalite" in kind for kind in output.get("data", {})):
                charts[under[cell.id]] = charts.get(under[cell.id], 0) + 1
    return charts


def to_write(cell: Cell) -> int:
    """How many lines of an exercise the learner does not have."""
    given = set(cell.learner.splitlines())
    return sum(bool(line.strip()) and line not in given for line in cell.solved.splitlines())


def shared_out(total: int, weights: list[float], least: int = 1) -> list[int]:
    """Whole numbers in proportion to `weights` whose sum is `total`; what has a weight gets `least` at least.

    >>> shared_out(10, [5.0, 3.0, 0.0, 0.1])
    [6, 3, 0, 1]
    """
    whole = [least if weight > 0 else 0 for weight in weights]
    if sum(weights) <= 0 or sum(whole) > total:
        raise ValueError(f"{total} cannot be shared out over {sum(whole)} parts with something in them")
    wanted = [total * weight / sum(weights) for weight in weights]
    while sum(whole) < total:  # the next one goes to who is furthest below their share; equal ones by order
        at = max(range(len(whole)), key=lambda place: (wanted[place] - whole[place], -place))
        whole[at] += 1
    return whole
