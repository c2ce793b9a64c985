"""The nearest thing to Colab: run notebooks as a Colab user does, with Colab's own Python and package versions.

    python -m tools.colab_imitation [--all] [NOTEBOOK …]

Without a name: the chapters that have changed since they last ran as on Colab, and always the first, which is short;
with --all every chapter. What has run is kept in benchmarks/colab.json: for each chapter a hash of all that its run
depends on (`key`), and the seconds of its set-up and of the rest, written where this repository has no uncommitted
change, since a notebook fetches the last commit. What pip finds anew for the few packages that Colab lacks is not in
that hash; --all tries it, before a release.

It needs a Python 3.13. Colab's package versions, as pip constraints, are read from the file that COLAB_PACKAGES names,
or else from the newest dated copy in tools/colab (`python -m tools.colab_list` keeps these up to date). It makes an
environment with those of Colab's packages that the notebooks can meet, at Colab's versions; then, for each notebook, an
empty folder, the notebook alone in it, and a run from top to bottom. The notebook's first cell clones the repository
(this clone, not the public address) and installs what is missing. It fails when a cell does, when a version that Colab
ships was changed, when something came at another version than Colab's, when pip complained, or when that first cell
took a minute.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from recsys_lab import colab
from tools.chapters import render
from tools.chapters.project import Project
from tools.chapters.source import Chapter, load

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "benchmarks" / "colab.json"
COPIES = ROOT / "tools" / "colab"
"""Colab's list as it was at some time, one file for each month in which it was copied."""
LONGEST_SET_UP = 60  # seconds
MADE_OF = (
    "recsys_lab",
    "data",
    "notebooks",
    "benchmarks/results",
    "benchmarks/stores",
    "benchmarks/realtime",
    "benchmarks/scale",
    "benchmarks/bandit_trials.json",
)
# What Colab ships and a notebook of the course may import, directly or not.
SHIPPED = [
    "altair",
    "anywidget",
    "fastapi",
    "grpcio",
    "h2",
    "httptools",
    "httpx",
    "ipykernel",
    "ipywidgets",
    "itsdangerous",
    "jupyter_client",
    "lightgbm",
    "matplotlib",
    "nbclient",
    "nbformat",
    "notebook",
    "numpy",
    "pandas",
    "pillow",
    "platformdirs",
    "pooch",
    "prometheus_client",
    "protobuf",
    "psutil",
    "pyarrow",
    "pydantic",
    "requests",
    "scikit-learn",
    "scipy",
    "smart_open",
    "threadpoolctl",
    "tqdm",
    "typer",
    "typing_extensions",
    "urllib3",
    "uvicorn",
    "uvloop",
    "wrapt",
]
SHIPPED_FOR = {"09": ["pyspark"]}
"""What Colab ships and one chapter alone meets: it is large, so it is there only when that chapter runs."""
COMPLAINTS = re.compile(r"ERROR|incompatible|conflict|dependency resolver", re.IGNORECASE)

RUN = """
import json, sys, time, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
times = {}
def began(cell, cell_index):
    times[cell.id] = -time.monotonic()
def ended(cell, cell_index, execute_reply):
    times[cell.id] += time.monotonic()
client = NotebookClient(
    notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}},
    on_cell_execute=began, on_cell_executed=ended,
)
client.execute()
set_up = [cell for cell in notebook.cells if "colab" in cell.metadata.get("tags", [])]  # others may speak of errors
outputs = [out for cell in set_up for out in cell.outputs]
setting_up = sum(times.pop(cell.id) for cell in set_up)
print(json.dumps({
    "said": [out.get("text", "") for out in outputs if out.output_type == "stream"],
    "set_up": setting_up,
    "run": sum(times.values()),
}))
"""


class Unlike(Exception):
    """Something happened that a Colab user must not meet; the text says what."""


class Seconds(NamedTuple):
    """How long the cell that sets up took, and all other cells together."""

    set_up: float
    run: float


class Ran(NamedTuple):
    """What is kept of a chapter that ran as on Colab."""

    key: str
    set_up_seconds: float
    run_seconds: float


def main(arguments: Sequence[str], project: Project | None = None) -> int:
    """Run the notebooks; 0 when all went as it should."""
    given = _parser().parse_args(arguments)
    try:
        constraints = listed()
    except FileNotFoundError as problem:
        print(problem, file=sys.stderr)
        return 1
    project = project or Project(ROOT)
    chapters = {chapter.name: chapter for chapter in load(project)}
    theirs = plain(constraints.read_text(encoding="utf-8"))
    keys = {name: key(project, chapter, theirs) for name, chapter in chapters.items()}
    named = [project.find(name) for name in given.notebooks]
    chosen = named or (list(keys) if given.all else changed(keys, read_record()))
    if not named and (same := [name for name in keys if name not in chosen]):
        print(f"unchanged since they ran as on Colab: {', '.join(same)}", flush=True)
    kept = not uncommitted(project.root)
    home = Path(tempfile.mkdtemp(prefix="colab-"))
    try:
        python = make_environment(home / "env", constraints, chosen)
        for name in chosen:
            took = run(python, project.notebook(name), home / name, constraints)
            print(f"{name}: runs as on Colab ({took.set_up:.0f} s of set-up, {took.run:.0f} s of cells)", flush=True)
            if kept:
                row = Ran(keys[name], round(took.set_up, 1), round(took.run, 1))
                write_record({**read_record(), name: row}, list(keys))
    except Unlike as problem:
        print(f"not as on Colab: {problem}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if not kept:
        print(f"{RECORD.name} stays as it is: there are changes without a commit, and the last commit was run")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.colab_imitation", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--all", action="store_true", help="every chapter, also those that have not changed")
    parser.add_argument("notebooks", nargs="*", help="these alone, by number, name or path")
    return parser


def newest(folder: Path = COPIES) -> Path:
    """The newest dated copy of Colab's list. Raises FileNotFoundError where there is none."""
    copies = sorted(folder.glob("packages-[0-9][0-9][0-9][0-9]-[0-9][0-9].txt"))
    if not copies:
        raise FileNotFoundError(f"{folder.name} holds no copy of Colab's list, packages-YYYY-MM.txt")
    return copies[-1]


def listed() -> Path:
    """Colab's list: the file that COLAB_PACKAGES names, or else the newest dated copy."""
    named = os.environ.get("COLAB_PACKAGES")
    if not named:
        return newest()
    if not Path(named).is_file():
        raise FileNotFoundError(f"COLAB_PACKAGES names no file: {named}; without it the newest copy is used")
    return Path(named).resolve()


def plain(text: str) -> str:
    """A list of packages without its comments, so that a key does not depend on these.

    >>> plain("# Python 3.13\\nnumpy==2.1.3  # the oldest\\n")
    'numpy==2.1.3\\n'
    """
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def key(project: Project, chapter: Chapter, constraints: str) -> str:
    """A hash of all that a chapter's run as on Colab depends on.

    That is its source, modules and data (what makes it stale), its notebook's code, and what is installed for it.
    """
    notebook = render.read(project.notebook(chapter.name))
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"] if notebook is not None else []
    installed = [colab.needs(chapter.name[:2]), shipped([chapter.name]), constraints]
    said = [render.source_hash(project, chapter), code, *installed]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def changed(keys: dict[str, str], record: dict[str, Ran]) -> list[str]:
    """The first chapter, which shows that the set-up works, and those whose key is not the recorded one.

    >>> kept = {"00": Ran("a", 9, 30), "01": Ran("b", 9, 30), "02": Ran("x", 9, 30)}
    >>> changed({"00": "a", "01": "b", "02": "c"}, kept)
    ['00', '02']
    """
    same = {name for name, now in keys.items() if name in record and record[name].key == now}
    return [name for place, name in enumerate(keys) if place == 0 or name not in same]


def read_record() -> dict[str, Ran]:
    """What is kept of the chapters that have run; empty where there is no record yet.

    A row without its seconds, as they were once written, is left out: that chapter runs again.
    """
    if not RECORD.is_file():
        return {}
    kept = json.loads(RECORD.read_text(encoding="utf-8"))
    return {name: Ran(**row) for name, row in kept.items() if isinstance(row, dict)}


def write_record(record: dict[str, Ran], names: Sequence[str]) -> None:
    """Keep what is known of the chapters that there are."""
    kept = {name: record[name]._asdict() for name in names if name in record}
    RECORD.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8", newline="\n")


def uncommitted(root: Path) -> bool:
    """Whether files that chapters are made of are not as in the last commit, which is what a notebook fetches."""
    call = ["git", "-C", str(root), "status", "--porcelain", "--", *MADE_OF]
    return bool(subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip())


def shipped(chapters: Sequence[str]) -> list[str]:
    """What Colab ships and these chapters meet.

    >>> set(shipped(["09_scale_out"])) - set(shipped(["00_start_here"]))
    {'pyspark'}
    """
    return [*SHIPPED, *(package for name in chapters for package in SHIPPED_FOR.get(name[:2], ()))]


def make_environment(folder: Path, constraints: Path, chapters: Sequence[str]) -> Path:
    """A Python 3.13 with Colab's versions of what it ships and these chapters meet; returns its interpreter."""
    subprocess.run([python313(), "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-c", str(constraints)]
    subprocess.run([*install, *shipped(chapters)], check=True)
    return python


def python313() -> str:
    """A Python 3.13, from the PATH or from pyenv. Raises `Unlike` where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in ("python3.13", *map(str, sorted(pyenv.glob("3.13*/bin/python")))):
        try:
            if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
                return candidate
        except FileNotFoundError:
            continue
    raise Unlike("nothing was tried: this needs Colab's Python, 3.13, on the PATH or from pyenv (pyenv install 3.13)")


def run(python: Path, notebook: Path, content: Path, constraints: Path, name: str = "") -> Seconds:
    """One notebook, alone in an empty folder, from its first cell to its last; what it installed is removed again.

    `name`: under which it lies there, when it is another one, as that of a copy that somebody saved in their Drive.
    """
    if not notebook.is_file():
        raise Unlike(f"{notebook.name} is not there; build it: make notebooks")
    content.mkdir()
    before = versions(python)
    try:
        took = _run(python, notebook, content / (name or notebook.name))
        if took.set_up >= LONGEST_SET_UP:
            raise Unlike(
                f"{notebook.name}: its set-up took {took.set_up:.0f} s; less than {LONGEST_SET_UP} s are allowed"
            )
        compare(notebook.name, before, versions(python), constraints)
        check = subprocess.run([str(python), "-m", "pip", "check"], capture_output=True, text=True, check=False)
        if check.returncode:
            raise Unlike(f"{notebook.name}: pip check says: {check.stdout.strip()}")
        return took
    finally:
        # The next one must not find what only this one asks for.
        if new := sorted(versions(python).keys() - before.keys()):
            subprocess.run([str(python), "-m", "pip", "uninstall", "-qq", "--yes", *new], check=True)


def _run(python: Path, notebook: Path, alone: Path) -> Seconds:
    content = alone.parent
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {
        "COLAB_RELEASE_TAG": "imitation",
        "RECSYS_LAB_CLONE": ROOT.as_uri(),
        "RECSYS_LAB_CONTENT": str(content),
    }
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment['PATH']}"
    shutil.copy(notebook, alone)
    call = [str(python), "-c", RUN, str(alone), str(content)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment, cwd=content)
    if done.returncode:
        raise Unlike(f"{notebook.name} stopped:\n{done.stderr[-3000:]}")
    told = json.loads(done.stdout.strip().splitlines()[-1])
    said = "\n".join(told["said"])
    complaint = COMPLAINTS.search(said)
    if complaint:
        raise Unlike(f"{notebook.name}: an installation complained ({complaint.group(0)}):\n{said[:3000]}")
    return Seconds(told["set_up"], told["run"])


def versions(python: Path) -> dict[str, str]:
    """Every installed package and its version."""
    code = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return {normal(name): version for name, version in json.loads(done.stdout).items()}


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def compare(name: str, before: dict[str, str], after: dict[str, str], constraints: Path) -> None:
    """Nothing that was there may have changed, and nothing that is new may differ from Colab's version of it."""
    lines = plain(constraints.read_text(encoding="utf-8")).splitlines()
    theirs = {normal(package): version for package, _, version in (line.partition("==") for line in lines) if version}
    changed = {package for package, version in before.items() if after.get(package) != version}
    fights = {
        package for package in after.keys() - before.keys() if theirs.get(package, after[package]) != after[package]
    }
    if changed or fights:
        raise Unlike(f"{name}: changed {sorted(changed)}, at another version than Colab's {sorted(fights)}")
    print(f"{name}: installed {', '.join(sorted(after.keys() - before.keys())) or 'nothing'}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
