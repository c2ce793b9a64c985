"""Runs one notebook from top to bottom in a process of its own, with the network refused.

The refusal is an audit hook, in every Python that is started below: a connection or a name that is not this computer's
own is an error. Other programs (Java, a database's server) are not behind it. The notebook's file is only read.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recsys_lab.doctor import REPOSITORY

# Loaded by every Python that is started with this in its path, the notebook's kernel among them.
GUARD = """
import os, socket, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1", "localhost")):
            raise OSError(f"refused, there is no network in this trial: {address[0]}")
    if event == "socket.getaddrinfo" and arguments[0] not in ("localhost", "127.0.0.1", "::1", "", None):
        raise OSError(f"refused, there is no network in this trial: {arguments[0]}")
sys.addaudithook(refuse)
open(os.path.join(os.path.dirname(__file__), f"guarded-{os.getpid()}"), "w").close()
"""

# Asked of the kernel itself, at the end. Linux begins to count a new process's `ru_maxrss` at what its parent held; the
# high-water mark in /proc is its own.
LAST_CELL = """\
import json, pathlib, re, sys
status = pathlib.Path("/proc/self/status")
try:
    if status.exists():
        megabytes = int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) // 1024
    else:
        import resource
        unit = 1024 * 1024 if sys.platform == "darwin" else 1024
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
except ImportError:
    megabytes = 0
print(json.dumps([megabytes, sys.prefix]))
"""
NOT_HANDED_ON = {"COLAB_RELEASE_TAG", "RECSYS_LAB_CLONE", "IPYTHONDIR", "PYTHONSTARTUP"}


@dataclass(frozen=True)
class Run:
    """What came of one notebook. `error` is empty when it ran through; memory is the kernel's peak, 0 when unknown."""

    name: str
    seconds: float
    memory_mb: int = 0
    error: str = ""
    skipped: tuple[str, ...] = ()
    prefix: str = ""


def run(notebook: Path, timeout: int = 300) -> Run:
    """Run a notebook behind the guard; `timeout` is in seconds, for one cell."""
    with tempfile.TemporaryDirectory(prefix="preflight-", ignore_cleanup_errors=True) as folder:
        call = [sys.executable, "-m", "recsys_lab.room.offline", str(notebook), str(timeout)]
        settings = environment(Path(folder))
        start = time.monotonic()
        done = subprocess.run(call, capture_output=True, text=True, check=False, env=settings, cwd=notebook.parent)
        seconds = time.monotonic() - start
        if done.returncode:
            said = done.stderr.strip().splitlines()
            return Run(notebook.stem, seconds, error=said[-1] if said else f"it ended with code {done.returncode}")
        told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        told["skipped"] = tuple(told["skipped"])
        found = Run(notebook.stem, **told)
        guarded = len(list(Path(folder).glob("guarded-*")))
        if not found.error and guarded < 2:  # the process that runs the notebook, and its kernel
            return Run(notebook.stem, seconds, error="the kernel was not behind the guard; is it another Python?")
        if found.prefix and Path(found.prefix).resolve() != Path(sys.prefix).resolve():
            mend = "Jupyter knows another one as python3: jupyter kernelspec remove python3"
            return replace(found, error=f"the kernel is another Python ({found.prefix}); {mend}")
        return found


def environment(folder: Path) -> dict[str, str]:
    """The environment names of a run behind the guard, whose file is put into `folder`; no way round by a proxy."""
    (folder / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in NOT_HANDED_ON and not key.lower().endswith("_proxy")
    }
    paths = [str(folder), str(REPOSITORY), *filter(None, [kept.get("PYTHONPATH")])]
    # An empty IPython folder: nobody's own start-up files and history
    return kept | {"PYTHONPATH": os.pathsep.join(paths), "IPYTHONDIR": str(folder / "ipython")}


def execute(path: Path, timeout: int) -> dict[str, Any]:
    """Run a notebook here; what `Run` holds of it."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    nbformat: Any = importlib.import_module("nbformat")  # its functions carry no types
    notebook = nbformat.read(path, as_version=4)
    last = nbformat.v4.new_code_cell(LAST_CELL)
    notebook.cells.append(last)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    )
    error, start = "", time.monotonic()
    try:
        client.execute()
    except CellExecutionError:
        error = _stopped(notebook)
    except CellTimeoutError:
        error = f"{_running(notebook)} takes longer than {timeout} s"
    except DeadKernelError:
        error = f"{_running(notebook)} ended its Python; is there enough memory?"
    seconds = time.monotonic() - start
    memory, prefix = json.loads(last.outputs[0].text) if last.get("outputs") else (0, "")
    said = [out.text for cell in notebook.cells for out in cell.get("outputs", []) if out.output_type == "stream"]
    skipped = [line for line in "".join(said).splitlines() if line.startswith("Skipped")]
    return {"seconds": seconds, "memory_mb": memory, "error": error, "skipped": skipped, "prefix": prefix}


def _stopped(notebook: Any) -> str:
    """Which cell stopped the run, and the error in its own words, in one line."""
    for number, cell in enumerate(notebook.cells, 1):
        for out in cell.get("outputs", []):
            if out.output_type == "error":
                return f"{_cell(number, cell)} stops: {out.ename}: {_plain(out.evalue)}"
    return "the run stopped without an error"


def _running(notebook: Any) -> str:
    """The cell that was running when the kernel was lost: the last that was begun."""
    begun = [(number, cell) for number, cell in enumerate(notebook.cells, 1) if cell.metadata.get("execution")]
    return _cell(*begun[-1]) if begun else "the first cell"


def _cell(number: int, cell: Any) -> str:
    first = cell.source.strip().splitlines() or [""]
    return f"cell {number} ({first[0][:60]})"


def _plain(text: str) -> str:
    lines = re.sub(r"\x1b\[[\d;]*m", "", text).strip().splitlines()
    return lines[0][:300] if lines else ""


if __name__ == "__main__":
    print(json.dumps(execute(Path(sys.argv[1]), int(sys.argv[2]))))
