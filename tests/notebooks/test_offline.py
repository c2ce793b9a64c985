"""Each chapter alone, whole and on a part of the log, with every socket refused that leaves this computer, no logs.

It must run to its end in its budget, and say in one line what it skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS, MEGABYTES = 60, 1536
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as when the notebooks are built

# Loaded by every Python that is started below, the notebook's kernel among them.
GUARD = """
import os, socket, sys
def refuse(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else "a local socket"
        if isinstance(address, tuple) and not str(host).startswith(("127.", "::1", "localhost")):
            raise OSError(f"refused: {host}")
    if event == "socket.getaddrinfo" and arguments[0] not in ("localhost", "127.0.0.1", "::1", None):
        raise OSError(f"refused: {arguments[0]}")
sys.addaudithook(refuse)
open(os.path.join(os.path.dirname(__file__), f"guarded-{os.getpid()}"), "w").close()
"""

RUN = """
import json, resource, sys, time, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
start = time.monotonic()
NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
outputs = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
print(json.dumps({
    "seconds": time.monotonic() - start,
    "megabytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    "text": "".join(out.text for out in outputs if out.output_type == "stream"),
}))
"""


def run(chapter: Path, scratch: Path, **settings: str) -> dict[str, Any]:
    """Run a chapter behind the guard; what its run took, and what it printed."""
    (scratch / "sitecustomize.py").write_text(GUARD)
    environment = {key: value for key, value in os.environ.items() if key != "RECSYS_LAB_DATA"}
    environment |= {"PYTHONPATH": str(scratch), "RECSYS_LAB_CACHE": str(scratch / "cache"), **ONE_THREAD, **settings}
    call = [sys.executable, "-c", RUN, str(chapter), str(chapter.parent)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list(scratch.glob("guarded-*"))) >= 2, "the guard was not loaded in the kernel"
    measured: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


@pytest.mark.parametrize("chapter", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_runs_on_a_part_of_the_log(chapter: Path, tmp_path: Path) -> None:
    assert run(chapter, tmp_path, NOTEBOOK_TEST_ROW_LIMIT="20000")["seconds"] < SECONDS


@pytest.mark.parametrize("chapter", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_runs_offline_in_its_budget(chapter: Path, tmp_path: Path) -> None:
    measured = run(chapter, tmp_path)
    assert measured["seconds"] < SECONDS
    if sys.platform == "linux":
        assert measured["megabytes"] < MEGABYTES
    assert "Skipped" in measured["text"]
