"""Puts learners' notebooks, and the live shop, back to the start; what was in them is kept aside first.

Nothing is thrown away: a notebook that somebody has worked in is copied to a dated folder, and only then written anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from recsys_lab.room import NOTEBOOKS, RoomError, find_chapters
from recsys_lab.room.start import Start, find_start, is_delivered, keep, read

State = Literal["as delivered", "run", "changed", "missing", "unreadable"]


@dataclass(frozen=True)
class Plan:
    """What is to be done with one notebook. `start` is None where nothing is; `cells` names the cells that differ."""

    path: Path
    state: State
    start: Start | None = None
    cells: tuple[str, ...] = ()

    def line(self) -> str:
        """The plan in a line."""
        if self.start is None:
            return f"{self.path.stem}: as delivered, left alone"
        back = f"back to the start ({self.start.source})"
        said = {
            "missing": "missing; it comes back",
            "unreadable": "no notebook can be read from the file; it is kept aside",
            "run": "was run, nothing was written in it; it is kept aside",
        }
        what = said.get(self.state) or f"changed in {_some(self.cells)}; it is kept aside"
        return f"{self.path.stem}: {what}, {back}"


def plan(chapters: Sequence[str] = (), notebooks: Path = NOTEBOOKS) -> list[Plan]:
    """What a reset would do with these chapters (all of them when none is named). Only reads."""
    return [_plan(path) for path in find_chapters(chapters, notebooks)]


def reset(plans: Sequence[Plan], now: datetime | None = None) -> Path | None:
    """Do what was planned; the folder with what was kept aside, or None when there was nothing to keep."""
    todo = [one for one in plans if one.start is not None]
    worked_in = [one for one in todo if one.path.is_file()]
    folder = _folder(worked_in[0].path.parent, now or datetime.now()) if worked_in else None
    for one in todo:
        assert one.start is not None
        if folder is not None and one.path.is_file():
            kept = folder / one.path.name
            shutil.copy2(one.path, kept)
            if kept.read_bytes() != one.path.read_bytes():
                raise RoomError(f"{one.path.name} changes while it is copied; save and close it, then reset again")
            if text := answers(one.path.stem, read(kept.read_bytes()), read(one.start.text)):
                kept.with_name(f"{one.path.stem}_answers.py").write_text(text, encoding="utf-8", newline="\n")
        one.path.parent.mkdir(parents=True, exist_ok=True)
        half = one.path.with_name(f".{one.path.name}.part")
        half.write_bytes(one.start.text)
        half.replace(one.path)
    return folder


def answers(name: str, notebook: Any, start: Any) -> str:
    """The text of the exercises' cells, then of every other cell of code that is new or changed; "" for no notebook."""
    if notebook is None or start is None:
        return ""
    before = {cell.id: cell.source for cell in start.cells}
    exercises, others = [], []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        number = next((tag for tag in cell.metadata.get("tags", []) if tag.startswith("exercise-")), "")
        if number:
            said = (
                "not attempted" if cell.source == before.get(cell.id) else "blank left" if "____" in cell.source else ""
            )
            exercises.append(f"# %% {number}{f' ({said})' if said else ''}\n{cell.source}\n")
        elif cell.source.strip() and cell.source != before.get(cell.get("id")):
            others.append(f"# %% {'changed' if cell.get('id') in before else 'new'}\n{cell.source}\n")
    rest = ["# Other cells that were written or changed\n", *others] if others else []
    return "\n".join([f"# What was written in {name}\n", *exercises, *rest])


def keep_copies(notebooks: Path = NOTEBOOKS) -> list[str]:
    """Copy the notebooks that still are as delivered, for a later reset without git; the names of those copied."""
    return [path.name for path in find_chapters((), notebooks) if keep(path)]


def reset_shop(folder: Path, now: datetime | None = None) -> Path:
    """Move the live shop's folder (its events, state and secrets) aside, beside it; its new place."""
    stamp = _stamp(now or datetime.now())
    for number in range(1, 1000):
        aside = folder.with_name(f"{folder.name}-{stamp}{'' if number == 1 else f'-{number}'}")
        if not aside.exists():
            folder.rename(aside)
            return aside
    raise RoomError(f"there are a thousand copies of {folder} of this second; tidy up first")


def _plan(path: Path) -> Plan:
    if not path.is_file():
        return Plan(path, "missing", find_start(path))
    notebook = read(path.read_bytes())
    if is_delivered(notebook):
        return Plan(path, "as delivered")
    start = find_start(path)
    if notebook is None:
        return Plan(path, "unreadable", start)
    cells = _differing(notebook, read(start.text))
    return Plan(path, "changed" if cells else "run", start, cells)


def _differing(notebook: Any, start: Any) -> tuple[str, ...]:
    """The cells whose text differs, each by its tag or its place in the learner's notebook."""
    before = {cell.id: cell.source for cell in start.cells}
    found = []
    for number, cell in enumerate(notebook.cells, 1):
        if cell.source != before.get(cell.get("id")) and (cell.source.strip() or cell.get("id") in before):
            tags = [tag for tag in cell.metadata.get("tags", []) if tag.startswith("exercise-")]
            found.append(tags[0].replace("-", " ") if tags else f"cell {number}")
    gone = before.keys() - {cell.get("id") for cell in notebook.cells}
    return (*found, *([f"{len(gone)} removed"] if gone else []))


def _some(cells: Sequence[str]) -> str:
    shown = ", ".join(cells[:5])
    return f"{shown} and {len(cells) - 5} more" if len(cells) > 5 else shown


def _folder(notebooks: Path, now: datetime) -> Path:
    """A new dated folder beside the notebooks; never one that is there."""
    for number in range(1, 1000):
        folder = notebooks / f"answers-{_stamp(now)}{'' if number == 1 else f'-{number}'}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise RoomError(f"there are a thousand folders of answers of this second in {notebooks}; tidy up first")


def _stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%d-%H%M%S")
