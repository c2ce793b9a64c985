"""Says whether everything that is made from the sources is fresh, complete and fit to be published."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.chapters import card
from tools.chapters.project import NAME, ChapterError, Project
from tools.chapters.render import Facts, facts_of, intact, read, render, source_hash
from tools.chapters.source import Chapter, load

MEND = "make notebooks"
LARGEST = 1_000_000  # bytes
LONGEST, MOST = 60, 1536  # seconds and MB of a run


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the file, the rule it breaks, and what to do."""

    file: str
    rule: str
    mend: str = MEND

    def __str__(self) -> str:
        return f"{self.file}: {self.rule} ({self.mend})"


def check(project: Project) -> list[Problem]:
    """Everything that is wrong with the chapters and with what is made from them; nothing is run."""
    try:
        chapters = load(project)
    except ChapterError as error:
        return [_of_source(line) for line in error.problems]
    found = list(_strangers(project, chapters))
    seconds = {}
    for chapter in chapters:
        notebook = read(project.notebook(chapter.name))
        facts = facts_of(notebook)
        seconds[chapter.name] = facts.stated_seconds if facts else 0
        found += _chapter(project, chapter, chapters, notebook, facts)
    if all(seconds.values()):
        pages = {card.CONTENTS: card.contents(project, chapters, seconds), card.BADGE: card.BADGE_SVG}
        for name, text in pages.items():
            if _text(project.root / name) != text:
                found.append(Problem(name, "is not what the sources say"))
    return found


def _of_source(line: str) -> Problem:
    file, _, rule = line.partition(": ")
    return Problem(file, rule, "correct the source")


def _chapter(
    project: Project, chapter: Chapter, chapters: Sequence[Chapter], notebook: Any, facts: Facts | None
) -> Iterator[Problem]:
    path = project.notebook(chapter.name)
    file = project.where(path)
    if notebook is None:
        yield Problem(file, "is missing or is no notebook")
        return
    if facts is None:
        yield Problem(file, "was not made by the toolchain: its metadata do not say from what")
        return
    try:
        fresh = source_hash(project, chapter) == facts.source_hash
    except ChapterError as error:
        yield _of_source(error.problems[0])
        return
    if not fresh:
        yield Problem(file, "is stale: its source, a module it imports, or data it reads have changed")
    elif not intact(notebook):
        yield Problem(file, "was changed or run by hand: its cells and outputs are not those of the clean run")
    yield from _same(file, notebook, render(project, chapter, chapters, facts, solved=False))
    yield from _ran(file, notebook)
    yield from _publishable(project, file, notebook)
    yield from _leaks(file, notebook, chapter)
    if path.stat().st_size >= LARGEST:
        yield Problem(file, f"has {path.stat().st_size:,} bytes; less than {LARGEST:,} are allowed", "show less")
    if facts.seconds > LONGEST or facts.memory_mb > MOST:
        took = f"{facts.seconds:.0f} s and {facts.memory_mb} MB"
        yield Problem(file, f"took {took}; {LONGEST} s and {MOST} MB are allowed", "do less in it")
    yield from _solved(project, chapter, chapters, facts)


def _solved(project: Project, chapter: Chapter, chapters: Sequence[Chapter], facts: Facts) -> Iterator[Problem]:
    path = project.notebook(chapter.name, solved=True)
    file, notebook = project.where(path), read(path)
    if notebook is None:
        yield Problem(file, "is missing or is no notebook")
    else:
        wanted = render(project, chapter, chapters, facts, solved=True)
        if notebook.metadata.get("recsys_lab") != wanted.metadata["recsys_lab"]:
            yield Problem(file, "is stale: made from another state of the source")
        yield from _same(file, notebook, wanted)
        if any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells):
            yield Problem(file, "has outputs; a solved notebook has none")
    path = project.solutions(chapter.name)
    try:
        said = json.loads(_text(path))
    except ValueError:
        said = None
    if said != {number: cell.solved for number, cell in chapter.exercises().items()}:
        yield Problem(project.where(path), "does not hold the solutions of the source")


def _same(file: str, notebook: Any, wanted: Any) -> Iterator[Problem]:
    """The cells are those that the source, the list of chapters and the public address give."""
    kinds = [(cell.get("id"), cell.cell_type) for cell in notebook.cells]
    if kinds[:2] != [("card", "markdown"), ("colab", "code")]:
        yield Problem(file, "does not begin with the card and the Colab cell")
    elif kinds != [(cell.id, cell.cell_type) for cell in wanted.cells]:
        yield Problem(file, "has other cells than its source")
    else:
        for number, (cell, due) in enumerate(zip(notebook.cells, wanted.cells, strict=True), 1):
            if cell.source != due.source or cell.metadata.get("tags") != due.metadata.get("tags"):
                yield Problem(file, f"cell {number} ({cell.id}) is not what the source and pyproject.toml say")
    if notebook.metadata.get("kernelspec") != wanted.metadata["kernelspec"]:
        yield Problem(file, "names another kernel than python3")


def _ran(file: str, notebook: Any) -> Iterator[Problem]:
    """One run, from top to bottom, without an error."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    if not any(cell.outputs for cell in code):
        yield Problem(file, "has no outputs")
    if counts != list(range(1, len(code) + 1)):
        yield Problem(file, "was not run once from top to bottom")
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                yield Problem(file, f"cell {number} ends with {output.ename}", "correct the source")


def _publishable(project: Project, file: str, notebook: Any) -> Iterator[Problem]:
    """Nothing of this machine, nothing that looks broken, and a picture and words for each chart."""
    private = {"Traceback": "the word Traceback", str(project.root): "a path of this computer"}
    private |= {
        str(Path.home()): "a path of this computer",
        os.environ.get("RECSYS_LAB_DATA", ""): "a path of the data",
    }
    for number, cell in enumerate(notebook.cells, 1):
        texts = [cell.source, *_words(cell)]
        for what, name in private.items():
            if len(what) > 1 and any(what in text for text in texts):
                yield Problem(file, f"cell {number} shows {name}", "correct the source")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            specs = [data[kind] for kind in data if kind.startswith("application/vnd.vega")]
            alt = output.get("metadata", {}).get("image/png", {}).get("alt") or any(s.get("description") for s in specs)
            if specs and "image/png" not in data:
                yield Problem(file, f"cell {number} has a chart without a picture", "call charts.enable() first")
            if (specs or "image/png" in data) and not alt:
                yield Problem(file, f"cell {number} has a chart without words", "give the chart a description")


def _leaks(file: str, notebook: Any, chapter: Chapter) -> Iterator[Problem]:
    """No line of a solution is to be seen, also not in an output."""
    removed = [line for cell in chapter.cells for line in cell.removed if len(line) >= 12]
    for number, cell in enumerate(notebook.cells, 1):
        for line in removed:
            if any(line in text for text in [cell.source, *_words(cell)]):
                yield Problem(file, f"cell {number} shows '{line}', a line of a solution", "correct the source")


def _words(cell: Any) -> Iterator[str]:
    """All that a cell puts out, as texts; pictures are left out, since any letters can occur in them."""
    for output in cell.get("outputs", []):
        yield output.get("text", "")
        yield "\n".join(output.get("traceback", []))
        for kind, data in output.get("data", {}).items():
            if kind != "image/png":
                yield data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)


def _strangers(project: Project, chapters: Sequence[Chapter]) -> Iterator[Problem]:
    """Notebooks that are called as chapters are and have no source (a learner's own copies are called otherwise)."""
    known = {chapter.name for chapter in chapters}
    for folder in ("notebooks", "notebooks/solutions"):
        for path in sorted((project.root / folder).glob("*.ipynb")):
            if NAME.fullmatch(path.stem) and path.stem not in known:
                yield Problem(project.where(path), "has no source in notebooks/src", "remove it, or give it a source")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
