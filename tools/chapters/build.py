"""Builds what is stale: runs learners' notebooks from top to bottom, and writes all that is made from the sources."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell

from tools.chapters import card
from tools.chapters.project import ChapterError, Project
from tools.chapters.render import Facts, facts_of, intact, read, render, seal, source_hash
from tools.chapters.source import Chapter, load

TIMEOUT = 120  # seconds for one cell

# The kernel itself is asked, at the end of its run: of several children, the system only knows the largest. And Linux
# begins to count a new process's `ru_maxrss` at what its parent held; the high-water mark in /proc is its own.
_PEAK = """\
import pathlib, re, sys
status = pathlib.Path("/proc/self/status")
try:
    if status.exists():
        print(int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) // 1024)
    else:
        import resource
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 * 1024 if sys.platform == "darwin" else 1024))
except ImportError:
    print(0)
"""


@dataclass
class Written:
    """What a build has done, to be told: chapters that were run, files that were written, copies that were kept."""

    ran: dict[str, Facts] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """A line for each of them."""
        ran = [f"ran {name}: {facts.seconds:.1f} s, {facts.memory_mb} MB" for name, facts in self.ran.items()]
        kept = [f"kept a copy of what somebody did in it: {name}" for name in self.kept]
        return [*ran, *kept, *(f"wrote {name}" for name in self.files)] or ["All notebooks are fresh."]


def build(project: Project, force: bool = False) -> Written:
    """Bring everything that is made from the sources up to date; with `force`, run every chapter anew."""
    chapters = load(project)
    done = Written()
    _write(project, project.root / card.BADGE, card.BADGE_SVG, done)
    seconds = {}
    for chapter in chapters:
        text = json.dumps({number: cell.solved for number, cell in chapter.exercises().items()}, indent=2)
        _write(project, project.solutions(chapter.name), text + "\n", done)
        facts = _learner(project, chapter, chapters, force, done)
        solved = render(project, chapter, chapters, facts, solved=True)
        _write(project, project.notebook(chapter.name, solved=True), dump(solved), done)
        seconds[chapter.name] = facts.stated_seconds
    _write(project, project.root / card.CONTENTS, card.contents(project, chapters, seconds), done)
    return done


def _learner(project: Project, chapter: Chapter, chapters: Sequence[Chapter], force: bool, done: Written) -> Facts:
    """Write the learner's notebook; it is run only when what its outputs come from has changed."""
    path = project.notebook(chapter.name)
    old = read(path)
    before, untouched = facts_of(old), intact(old)
    wanted = source_hash(project, chapter)
    if before is not None and before.source_hash == wanted and untouched and not force:
        made = render(project, chapter, chapters, before, solved=False)
        made = take_outputs(made, old)
        facts = before
    else:
        made = render(project, chapter, chapters, Facts(wanted), solved=False)
        seconds, memory = run(project, made, project.where(project.sources / f"{chapter.name}.py"))
        stated = card.stated_seconds(seconds, before.stated_seconds if before else None)
        facts = Facts(wanted, round(seconds, 1), stated, memory)
        done.ran[chapter.name] = facts
        made = take_outputs(render(project, chapter, chapters, facts, solved=False), made)
    if before is not None and not untouched:
        _keep(project, path, done)
    _write(project, path, dump(seal(made)), done)
    return facts


def run(project: Project, notebook: Any, where: str) -> tuple[float, int]:
    """Run a notebook in a fresh kernel, in the folder of the notebooks; its seconds, and its peak of memory in MB."""
    asked = new_code_cell(_PEAK, id="peak")
    notebook.cells.append(asked)
    folder = project.root / "notebooks"
    with tempfile.TemporaryDirectory() as home:
        environment = {key: value for key, value in os.environ.items() if key not in _NOT_HANDED_ON}
        paths = [str(project.root), *filter(None, [environment.get("PYTHONPATH")])]
        # An empty IPython folder: nobody's own start-up files and history
        environment |= {"PYTHONPATH": os.pathsep.join(paths), "IPYTHONDIR": home, **ONE_THREAD}
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(folder)}},
        )
        start = time.perf_counter()
        try:
            client.execute(env=environment)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as why:
            raise ChapterError([f"{where}: {_first_error(notebook, why)}"]) from None
        finally:
            notebook.cells.remove(asked)
    seconds = time.perf_counter() - start
    for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        cell.execution_count = count
        # A stored widget is a number without its widget: viewers show an error in its place, and it differs each time.
        cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
    return seconds, int(asked.outputs[0].text) if asked.outputs else 0


ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Small products gain nothing from a second thread, and threads that wait for a busy core cost more than they do."""
WIDGET = "application/vnd.jupyter.widget-view+json"
_NOT_HANDED_ON = {"COLAB_RELEASE_TAG", "RECSYS_LAB_CLONE", "IPYTHONDIR", "PYTHONSTARTUP"}


def _first_error(notebook: Any, why: Exception) -> str:
    """Which cell stopped the run, and the error in its own words."""
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                first = cell.source.strip().splitlines()[0]
                return f"cell {number} ({first}) stops the run: {output.ename}: {output.evalue}"
    said = re.sub(r"\x1b\[[\d;]*m", "", str(why)).strip().splitlines()
    return f"the run stopped: {said[0] if said else type(why).__name__}"


def take_outputs(notebook: Any, source: Any) -> Any:
    """Give a notebook the outputs of another one with the same code cells."""
    outputs = {cell.id: cell for cell in source.cells if cell.cell_type == "code"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = outputs[cell.id].outputs
            cell.execution_count = outputs[cell.id].execution_count
    return notebook


def dump(notebook: Any) -> str:
    """A notebook as the text of its file."""
    return str(nbformat.writes(notebook, version=4)) + "\n"


def _write(project: Project, path: Path, text: str, done: Written) -> None:
    """Write a file if that changes it; a build that is interrupted leaves no half file behind."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.part")
    half.write_text(text, encoding="utf-8", newline="\n")
    half.replace(path)
    done.files.append(project.where(path))


def _keep(project: Project, path: Path, done: Written) -> None:
    """Somebody has worked in this notebook: their answers are copied before they are written over."""
    folder = project.root / "replaced"
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + len(list(folder.glob(f"{path.stem}-*.ipynb")))
    shutil.copyfile(path, kept := folder / f"{path.stem}-{number}.ipynb")
    done.kept.append(project.where(kept))
