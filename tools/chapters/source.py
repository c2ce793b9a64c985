"""Reads a chapter's source (jupytext's py:percent) and says what is wrong with it: card, tags, exercises."""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import jupytext  # type: ignore[import-untyped]

from tools.chapters import markers
from tools.chapters.project import NAME, ChapterError, Project

ONLY = ("learner-only", "solved-only")
PASSED_ON = ("slide", "subslide", "fragment", "notes", "skip", "hide-input", "hide-output")
"""Tags that mean nothing here: they reach the notebooks as they are."""
KNOWN = ("card", "exercise-1, exercise-2 …", *ONLY, *PASSED_ON)
TAGS = 'tags are a list of words, tags=["slide"]'
CARD_KEYS = ("title", "question", "method", "minutes", "needs")
_JUPYTEXTS_OWN = {"tags", "lines_to_next_cell", "lines_to_end_of_cell_marker"}


@dataclass(frozen=True)
class Card:
    """What the first cell says. `reads` names files (globs from the root) whose change makes the chapter stale."""

    title: str
    question: str
    method: str
    minutes: int
    needs: str
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A cell with its two texts (the same one but in exercises), and its id, which stays when other cells change."""

    kind: Literal["code", "markdown"]
    solved: str
    learner: str
    tags: tuple[str, ...]
    id: str
    removed: tuple[str, ...] = ()

    def text(self, solved: bool) -> str:
        """The text in one of the two notebooks."""
        return self.solved if solved else self.learner

    def stands_in(self, solved: bool) -> bool:
        """Whether the cell is in that notebook at all."""
        return ("learner-only" if solved else "solved-only") not in self.tags


@dataclass(frozen=True)
class Chapter:
    """A chapter's source, read: its card and the cells behind it."""

    name: str
    source: str
    card: Card
    cells: tuple[Cell, ...]

    def exercises(self) -> dict[str, Cell]:
        """The cells of the exercises by number."""
        return {cell.id.removeprefix("exercise-"): cell for cell in self.cells if cell.id.startswith("exercise-")}

    def code(self) -> list[str]:
        """The code of all cells, solved, with the lines left out that only IPython understands."""
        texts = [cell.solved for cell in self.cells if cell.kind == "code"]
        return [markers.python_only(text) for text in texts]


def load(project: Project) -> list[Chapter]:
    """All chapters in the course's order; a `ChapterError` with every problem in them."""
    chapters, problems = [], []
    names = project.names()
    twice = [number for number, count in Counter(name[:2] for name in names).items() if count > 1]
    problems += [f"notebooks/src: several chapters have the number {number}" for number in twice]
    for name in names:
        path = project.sources / f"{name}.py"
        try:
            chapters.append(parse(name, path.read_text(encoding="utf-8"), project.where(path)))
        except ChapterError as error:
            problems += error.problems
    if problems:
        raise ChapterError(problems)
    return chapters


def parse(name: str, source: str, where: str = "") -> Chapter:
    """Read a chapter's source; a `ChapterError` names file and cell of every problem."""
    where = where or f"{name}.py"
    if not NAME.fullmatch(name):
        raise ChapterError([f"{where}: a chapter is called by two digits and small letters, as 03_next_click"])
    try:
        raw = jupytext.reads(source, fmt="py:percent").cells
    except Exception as why:  # whatever jupytext or nbformat raise over a broken header
        raise ChapterError([f"{where}: jupytext cannot read it: {str(why).splitlines()[0]} ({TAGS})"]) from why
    reader = _Reader(where)
    card = reader.card(raw[0] if raw else None)
    cells = [reader.cell(number, cell) for number, cell in enumerate(raw[1:], 2)]
    reader.numbers([tag for cell in cells for tag in cell.tags])
    reader.leaks(cells)
    reader.headings(cells)
    if reader.problems or card is None:
        raise ChapterError(reader.problems)
    return Chapter(name, source, card, tuple(cells))


def headings(markdown: str) -> list[str]:
    """The heading lines of a text; what stands in fenced code is none.

    >>> headings("## Build it\\n```\\n# a comment\\n```")
    ['## Build it']
    """
    found, fenced = [], False
    for line in markdown.splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and re.match(r"#{1,6} ", line):
            found.append(line)
    return found


class _Reader:
    """Reads the cells of one file, and collects what is wrong instead of stopping at the first."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.problems: list[str] = []
        self._ids: Counter[str] = Counter()

    def complain(self, number: int, what: str) -> None:
        self.problems.append(f"{self.where}, cell {number}: {what}")

    def card(self, raw: Any) -> Card | None:
        if raw is None or raw.cell_type != "markdown" or raw.metadata.get("tags") != ["card"]:
            self.complain(1, 'the first cell has to be the card: # %% [markdown] tags=["card"]')
            return None
        said: dict[str, str] = {}
        key = ""
        for line in raw.source.splitlines():
            found = re.match(r"(\w+):\s*(.*)", line)
            if found:
                key = found[1]
                said[key] = found[2].strip()
            elif key and line.startswith("  "):  # an indented line goes on with what stands above
                said[key] += f" {line.strip()}"
            elif line.strip():
                self.complain(1, f"the card's line '{line}' is not 'key: value'")
        wrong = [f"has no {key}" for key in CARD_KEYS if not said.get(key)]
        wrong += [f"has an unknown {key}" for key in said if key not in (*CARD_KEYS, "reads")]
        if said.get("minutes") and not said["minutes"].isdigit():
            wrong.append("gives minutes that are no whole number")
        if wrong:
            self.complain(1, f"the card {' and '.join(wrong)}")
            return None
        reads = tuple(part.strip() for part in said.pop("reads", "").split(",") if part.strip())
        return Card(minutes=int(said.pop("minutes")), reads=reads, **said)

    def cell(self, number: int, raw: Any) -> Cell:
        tags = self._tags(number, raw)
        if raw.cell_type not in ("code", "markdown"):
            self.complain(number, f"a {raw.cell_type} cell; there can be code and markdown")
        exercise = next((tag for tag in tags if tag.startswith("exercise-")), "")
        parts = markers.Split(raw.source, raw.source, ())
        if not raw.source.strip():
            self.complain(number, "the cell is empty")
        elif raw.cell_type == "code":
            parts = self._split(number, raw.source, bool(exercise))
        elif exercise:
            self.complain(number, f"'{exercise}' is for a code cell")
        return Cell(raw.cell_type, parts.solved, parts.learner, tags, exercise or self._id(raw.source), parts.removed)

    def numbers(self, tags: list[str]) -> None:
        """The exercises are 1, 2, 3 …, each one cell."""
        numbers = [int(tag.removeprefix("exercise-")) for tag in tags if tag.startswith("exercise-")]
        if numbers != list(range(1, len(numbers) + 1)):
            given = ", ".join(str(number) for number in numbers)
            self.problems.append(f"{self.where}: exercises count 1, 2, 3 … in one cell each; here they are {given}")

    def leaks(self, cells: list[Cell]) -> None:
        """No line that is for the solution only may stand elsewhere in the learner's notebook, in code or in prose."""
        shown = {number: cell.learner for number, cell in enumerate(cells, 2) if cell.stands_in(solved=False)}
        for line in (line for cell in cells for line in cell.removed if len(line) >= 12):  # shorter ones say nothing
            for number, text in shown.items():
                if line in text:
                    self.complain(number, f"the learner sees '{line}', a line of a solution")

    def headings(self, cells: list[Cell]) -> None:
        """Levels do not jump, and the card's title is the only heading of level 1."""
        level = 1
        for number, cell in enumerate(cells, 2):
            for line in headings(cell.solved) if cell.kind == "markdown" else []:
                here = len(line) - len(line.lstrip("#"))
                if here == 1 or here > level + 1:
                    self.complain(number, f"the heading '{line}' follows one of level {level}: levels do not jump")
                level = here

    def _tags(self, number: int, raw: Any) -> tuple[str, ...]:
        other = [key for key in raw.metadata if key not in _JUPYTEXTS_OWN]
        if other:
            self.complain(number, f'behind # %% stands more than [markdown] and tags=["…"]: {", ".join(other)}')
        tags = raw.metadata.get("tags", [])
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            self.complain(number, f"{TAGS}; here they are {tags!r}")
            return ()
        for tag in tags:
            if tag == "card":
                self.complain(number, "'card' is for the first cell")
            elif not re.fullmatch(r"exercise-[1-9]\d*", tag) and tag not in (*ONLY, *PASSED_ON):
                self.complain(number, f"nobody knows the tag '{tag}'; known are: {', '.join(KNOWN)}")
        special = [tag for tag in tags if tag in ONLY or tag.startswith("exercise-")]
        if len(special) > 1:
            self.complain(number, f"the tags {' and '.join(special)} do not go together")
        return tuple(tag for tag in tags if tag in (*ONLY, *PASSED_ON) or re.fullmatch(r"exercise-[1-9]\d*", tag))

    def _split(self, number: int, source: str, exercise: bool) -> markers.Split:
        try:
            parts = markers.split(source)
        except markers.MarkerError as why:
            self.complain(number, str(why))
            return markers.Split(source, source, ())
        if exercise and not parts.removed:
            self.complain(number, "an exercise without a marked line: mark at least one with '#= CODE' or '#-'")
        for which, text in {"": parts.solved, " for the learner": parts.learner}.items():
            try:
                ast.parse(markers.python_only(text))
            except SyntaxError as why:
                self.complain(number, f"line {why.lineno} is no Python{which}: {why.msg}")
                break
        return parts

    def _id(self, source: str) -> str:
        """From the content, so that a cell keeps its id when others come and go; the same text twice is counted."""
        made = hashlib.sha256(source.encode()).hexdigest()[:8]
        self._ids[made] += 1
        return made if self._ids[made] == 1 else f"{made}-{self._ids[made]}"
