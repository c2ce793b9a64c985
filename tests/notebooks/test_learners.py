"""Each chapter as it is delivered, exercises untouched, alone, behind the guard, without the real logs.

It must run to its end, and say in one line what it skipped. The solved chapters are run whole by nbmake (see `guard`),
so a part of the log is enough here; `make test-all` runs these whole as well, and as on Colab.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks import guard
from tools import colab_imitation

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))

RUN = """
import json, sys, time, nbformat
from nbclient import NotebookClient
from tests.notebooks.guard import usage
notebook = nbformat.read(sys.argv[1], as_version=4)
start = time.monotonic()
NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
outputs = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
print(json.dumps({
    "seconds": time.monotonic() - start,
    "usage": usage(),
    "text": "".join(out.text for out in outputs if out.output_type == "stream"),
}))
"""

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=[path.stem for path in CHAPTERS])


def run(chapter: Path, scratch: Path, **settings: str) -> dict[str, Any]:
    """Run a chapter behind the guard; what its run took, and what it printed."""
    environment = {key: value for key, value in os.environ.items() if key != "RECSYS_LAB_DATA"}
    environment |= guard.settings(scratch) | settings
    call = [sys.executable, "-c", RUN, str(chapter), str(chapter.parent)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    assert guard.guarded(scratch) >= 2, "the guard was not loaded in the kernel"
    measured: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


@each_chapter
def test_runs_on_a_part_of_the_log(chapter: Path, tmp_path: Path) -> None:
    """Seconds are not looked at: two chapters run at once."""
    assert "Skipped" in run(chapter, tmp_path, NOTEBOOK_TEST_ROW_LIMIT="20000")["text"]


@pytest.mark.slow
@each_chapter
def test_runs_whole_in_its_budget(chapter: Path, tmp_path: Path) -> None:
    measured = run(chapter, tmp_path)
    assert guard.too_much(measured["seconds"], *measured["usage"]) is None
    assert "Skipped" in measured["text"]


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A Python with what Colab ships, and the list of it."""
    try:
        colab_imitation.python313()
    except colab_imitation.Unlike as why:
        pytest.skip(str(why))
    listed = colab_imitation.listed()
    names = [path.stem for path in CHAPTERS]
    yield colab_imitation.make_environment(tmp_path_factory.mktemp("colab") / "env", listed, names), listed


@pytest.mark.slow
@each_chapter
def test_runs_as_on_colab(chapter: Path, colab: tuple[Path, Path], tmp_path: Path) -> None:
    python, listed = colab
    colab_imitation.run(python, chapter, tmp_path / "content", listed)


@pytest.mark.slow
def test_a_saved_copy_runs_as_on_colab(colab: tuple[Path, Path], tmp_path: Path) -> None:
    """File > Save a copy in Drive gives it this name; tests/unit/test_colab.py looks at the first cells alone."""
    python, listed = colab
    chapter = next(path for path in CHAPTERS if path.stem.startswith("05"))
    colab_imitation.run(python, chapter, tmp_path / "content", listed, name=f"Copy of {chapter.name}")
