"""A notebook as it is delivered: how it is known, and where its start can be had again.

Each learner's notebook carries a seal, a hash of its cells with their outputs (`tools/chapters` makes it). Whoever runs
a cell or writes in one breaks it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_lab.room import RoomError

COPIES = ".start"
"""Beside the notebooks: copies as they were delivered, for who has no git history (`keep`, and `pack`, make them)."""

_RENDER = """
import re, sys
from pathlib import Path
from tools.chapters.build import dump
from tools.chapters.project import Project
from tools.chapters.render import Facts, render, seal
from tools.chapters.source import load
project = Project(Path.cwd())
chapters = load(project)
chapter = next(chapter for chapter in chapters if chapter.name == sys.argv[1])
made = render(project, chapter, chapters, Facts("", stated_seconds=int(sys.argv[2])), solved=False)
sys.stdout.buffer.write(dump(seal(made)).encode())
"""


@dataclass(frozen=True)
class Start:
    """The text of a notebook's file as it is delivered, and where that was found."""

    text: bytes
    source: str


def read(text: bytes) -> Any:
    """The notebook in a file's text, or None where it is none."""
    nbformat: Any = importlib.import_module("nbformat")  # its functions carry no types
    try:
        return nbformat.reads(text.decode("utf-8"), as_version=4)
    except (ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError):  # whatever broken JSON holds
        return None


def seal_of(notebook: Any) -> str:
    """The hash of cells with outputs that tools/chapters notes in what it delivers; a test compares the two."""
    keys = ("id", "cell_type", "source", "outputs", "execution_count")
    said = [{key: cell.get(key) for key in keys} for cell in notebook.cells]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def is_delivered(notebook: Any) -> bool:
    """Whether nobody has run a cell or written in one."""
    return notebook is not None and notebook.metadata.get("recsys_lab", {}).get("made") == seal_of(notebook)


def stated_seconds(notebook: Any) -> int | None:
    """The seconds that a notebook's card says it takes to run."""
    card = next((cell.source for cell in notebook.cells if cell.get("id") == "card"), "")
    found = re.search(r"about (\d+) seconds to run", card)
    return int(found[1]) if found else None


def find_start(path: Path) -> Start:
    """The notebook `path` as it is delivered: from git, from the copies beside it, or made from its source.

    Git is asked first, since after an update a copy is older than it. Raises `RoomError` when none of them has it.
    """
    for found in (_from_git(path), _from_copies(path), _from_source(path)):
        if found is not None:
            return found
    raise RoomError(
        f"{path.name} as it is delivered is nowhere at hand: this folder has no git history of it and no "
        f"notebooks/{COPIES}, and jupytext, which makes it from notebooks/src, is not installed here. Take the file "
        "from the course's ZIP, or: python -m pip install jupytext"
    )


def keep(path: Path) -> bool:
    """Put a copy of a notebook beside it while it still is as delivered; whether one was written."""
    text = path.read_bytes() if path.is_file() else b""
    copy = path.parent / COPIES / path.name
    if not text or (copy.is_file() and copy.read_bytes() == text) or not is_delivered(read(text)):
        return False
    copy.parent.mkdir(exist_ok=True)
    half = copy.with_name(f".{copy.name}.part")
    half.write_bytes(text)
    half.replace(copy)
    return True


def _from_git(path: Path) -> Start | None:
    """The newest commit in which the notebook is as delivered: somebody may have committed answers since."""
    if shutil.which("git") is None or not path.parent.is_dir():
        return None

    def git(*words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["git", "-C", str(path.parent), *words], capture_output=True, check=False)

    listed = git("log", "--max-count=50", "--format=%H", "--", path.name)
    for commit in listed.stdout.decode().split() if listed.returncode == 0 else []:
        shown = git("show", f"{commit}:./{path.name}")
        if shown.returncode == 0 and is_delivered(read(shown.stdout)):
            return Start(shown.stdout, f"git, commit {commit[:8]}")
    return None


def _from_copies(path: Path) -> Start | None:
    copy = path.parent / COPIES / path.name
    if copy.is_file() and is_delivered(read(text := copy.read_bytes())):
        return Start(text, f"notebooks/{COPIES}")
    return None


def _from_source(path: Path) -> Start | None:
    """Rendered anew where the tools and jupytext are; it has no outputs."""
    root = path.parent.parent
    if not (root / "tools" / "chapters").is_dir() or not (path.parent / "src" / f"{path.stem}.py").is_file():
        return None
    solved = path.parent / "solutions" / path.name
    known = read(solved.read_bytes()) if solved.is_file() else None
    seconds = (stated_seconds(known) if known is not None else None) or 5
    call = [sys.executable, "-c", _RENDER, path.stem, str(seconds)]
    made = subprocess.run(call, capture_output=True, check=False, cwd=root)
    if made.returncode:
        said = made.stderr.decode(errors="replace").strip().splitlines()
        if said and "No module named" in said[-1]:
            return None  # jupytext is for who builds the course; find_start says so
        raise RoomError(f"{path.name} cannot be made from notebooks/src: {said[-1] if said else 'no reason given'}")
    return Start(made.stdout, "notebooks/src, without outputs")
