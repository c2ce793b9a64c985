"""The guard around the notebooks' runs: what it refuses, and when a run took too much."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbmake", reason="nbmake is not installed (requirements.txt)")

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from tests.notebooks import guard

ROOT = Path(__file__).resolve().parents[2]
ASKS = """
import socket
try:
    socket.create_connection(("{host}", 9), timeout=1)
except OSError as error:
    assert str(error).startswith("refused: ") == {refused}, error
"""


def nbmake(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "pytest", "-o", "addopts=-ra", "-p", "no:cacheprovider", "--nbmake", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run([*call, str(folder)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    cells = [
        new_code_cell(ASKS.format(host="192.0.2.1", refused=True)),
        new_code_cell(ASKS.format(host="a-name.invalid", refused=True)),
        new_code_cell(ASKS.format(host="127.0.0.1", refused=False)),
        new_code_cell(
            'import os\nassert os.environ["OMP_NUM_THREADS"] == "1"\nassert "guard-" in os.environ["RECSYS_LAB_CACHE"]'
        ),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=kernel), tmp_path / "asks.ipynb")
    return tmp_path


def test_a_notebook_behind_the_guard_reaches_nobody(notebook: Path) -> None:
    done = nbmake(notebook, "-p", "tests.notebooks.guard")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert nbmake(notebook).returncode == 1  # nobody refuses, nothing is set


def test_seconds_and_memory() -> None:
    assert guard.too_much(59.9, 59.9, 1535) is None
    assert guard.too_much(70, 50, 900) is None  # it had to wait for a busy core
    assert guard.too_much(50, 90, 900) is None  # two threads
    assert guard.too_much(70, 65, 900) == "took 65 s; 60 s are allowed"
    assert guard.too_much(70, 0, 0) == "took 70 s; 60 s are allowed"  # where the system does not tell
    assert guard.too_much(5, 5, 1600) == "took 1600 MB; 1536 MB are allowed"


def test_the_plugin_blames_the_run_that_took_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = guard.Plugin(tmp_path)
    peaks = iter([(0.0, 100.0), (30.0, 1600.0), (30.0, 1600.0), (60.0, 1600.0), (60.0, 1600.0), (130.0, 1600.0)])
    monkeypatch.setattr(guard, "usage", lambda: next(peaks))

    def run(guarded: bool = True) -> str | None:
        plugin.pytest_runtest_setup()
        if guarded:
            (tmp_path / f"guarded-{guard.guarded(tmp_path)}").touch()
        return plugin.wrong(70.0)

    assert run() == "took 1600 MB; 1536 MB are allowed"
    assert run() is None  # the peak is the first one's
    assert run() == "took 70 s; 60 s are allowed"
    peaks = iter([(0.0, 0.0)])
    assert run(guarded=False) == "was not behind the guard"
