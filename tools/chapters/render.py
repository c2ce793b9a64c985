"""Makes the cells of a notebook from a chapter, and the hashes by which a stale or altered notebook is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from recsys_lab import fingerprint
from tools.chapters import card
from tools.chapters.project import ChapterError, Project
from tools.chapters.source import Chapter, headings

VERSION = 1
"""Raise it when chapters have to be run anew because the way of running them has changed."""

DATA = ("data/shop/*.parquet", "data/vectors/*.npz")
"""The shop and the vectors of its texts: every chapter is stale when they change."""

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Facts:
    """What is kept in a notebook's metadata: what it was made from, and what its run took."""

    source_hash: str
    seconds: float = 0.0
    stated_seconds: int = 5
    memory_mb: int = 0


def render(project: Project, chapter: Chapter, chapters: Sequence[Chapter], facts: Facts, solved: bool) -> Any:
    """A notebook without outputs."""
    first = card.card(project, chapter, chapters, facts.stated_seconds, solved)
    cells = [
        new_markdown_cell(first, id="card", metadata={"tags": ["card"]}),
        new_code_cell(card.colab_cell(project, chapter), id="colab", metadata={"tags": ["colab"]}),
    ]
    for cell in chapter.cells:
        if cell.stands_in(solved):
            make = new_code_cell if cell.kind == "code" else new_markdown_cell
            tagged = {"tags": list(cell.tags)} if cell.tags else {}
            cells.append(make(cell.text(solved), id=cell.id, metadata=tagged))
    cells.append(new_markdown_cell(card.navigation(chapter, chapters, solved), id="navigation"))
    kept: dict[str, Any] = {"source_hash": facts.source_hash} if solved else asdict(facts)
    metadata: dict[str, Any] = {"kernelspec": KERNEL, "language_info": {"name": "python"}, "recsys_lab": kept}
    return new_notebook(cells=cells, metadata=metadata)


def source_hash(project: Project, chapter: Chapter) -> str:
    """A hash of all that a chapter's outputs come from: its source, the modules it imports, the data it reads."""
    digest = hashlib.sha256(f"{VERSION}\n{chapter.source}".encode())
    modules = {name for code in chapter.code() for name in fingerprint.modules_in(code, [project.package])}
    checker = f"{project.package}.exercises.chapter_{chapter.name[:2]}"  # found by its number, imported by nobody
    digest.update(fingerprint.fingerprint({*modules, checker}).encode())
    for path in files_read(project, chapter):
        digest.update(f"{project.where(path)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def files_read(project: Project, chapter: Chapter) -> list[Path]:
    """What every chapter reads, and the files that the card names."""
    found = {path for pattern in DATA for path in project.root.glob(pattern)}
    for pattern in chapter.card.reads:
        here = [path for path in project.root.glob(pattern) if path.is_file()]
        if not here:
            raise ChapterError([f"notebooks/src/{chapter.name}.py: 'reads: {pattern}' on the card names no file"])
        found.update(here)
    return sorted(found)


def made_hash(notebook: Any) -> str:
    """A hash of the cells with their outputs: a notebook that somebody has worked in has another."""
    keys = ("id", "cell_type", "source", "outputs", "execution_count")
    said = [{key: cell.get(key) for key in keys} for cell in notebook.cells]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def read(path: Path) -> Any:
    """The notebook in a file, or None when there is none or it is no notebook."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError):
        return None


def facts_of(notebook: Any) -> Facts | None:
    """What a notebook's metadata say, or None when it was not made by this toolchain."""
    kept = notebook.metadata.get("recsys_lab", {}) if notebook is not None else {}
    try:
        return Facts(kept["source_hash"], kept["seconds"], kept["stated_seconds"], kept["memory_mb"])
    except KeyError:
        return None


def intact(notebook: Any) -> bool:
    """Whether the notebook's cells and outputs are still those that it was made with."""
    return notebook is not None and notebook.metadata.get("recsys_lab", {}).get("made") == made_hash(notebook)


def seal(notebook: Any) -> Any:
    """Note in the notebook what its cells and outputs are now."""
    notebook.metadata["recsys_lab"]["made"] = made_hash(notebook)
    return notebook


def clean_copy(notebook: Any) -> Any:
    """Headings and code, no prose, no outputs: to fill in while somebody explains."""
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cells.append(new_code_cell(cell.source, id=cell.id, metadata=cell.metadata))
        elif found := "\n\n".join(headings(cell.source)):
            cells.append(new_markdown_cell(found, id=cell.id))
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}})
