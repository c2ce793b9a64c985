"""Behind the guard: no socket leaves this computer, one thread, an empty cache; and the budget of a whole run.

As a plugin (`pytest -p tests.notebooks.guard --nbmake notebooks/solutions`) it puts every notebook behind the guard and
fails those that take more than the budget. The real logs are read where RECSYS_LAB_DATA names them.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

SECONDS, MEGABYTES = 60, 1536
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as when the notebooks are built

# Loaded by every Python that is started with this in its path, the notebook's kernel among them.
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


def settings(folder: Path) -> dict[str, str]:
    """The environment names that put Python behind the guard; `folder` holds its file, its traces and the cache."""
    (folder / "sitecustomize.py").write_text(GUARD)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "RECSYS_LAB_CACHE": str(folder / "cache"), **ONE_THREAD}


def guarded(folder: Path) -> int:
    """How many Pythons were put behind the guard so far."""
    return len(list(folder.glob("guarded-*")))


def usage() -> tuple[float, float]:
    """Processor seconds of all children that have ended, and the largest one's memory in MB; 0, 0 on Windows."""
    if sys.platform == "win32":
        return 0.0, 0.0
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return used.ru_utime + used.ru_stime, used.ru_maxrss / unit


def too_much(seconds: float, processor: float, megabytes: float) -> str | None:
    """What a whole run took beyond its budget, or None.

    The lower of the two kinds of seconds counts: a notebook that waits for a busy core is not slow.

    >>> too_much(70, 50, 900), too_much(70, 65, 900)
    (None, 'took 65 s; 60 s are allowed')
    """
    if min(seconds, processor or seconds) >= SECONDS:
        return f"took {min(seconds, processor or seconds):.0f} s; {SECONDS} s are allowed"
    if megabytes >= MEGABYTES:
        return f"took {megabytes:.0f} MB; {MEGABYTES} MB are allowed"
    return None


class Plugin:
    """What pytest runs while it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A notebook that ran through still fails when the guard was not there or the budget was too small."""
        report = yield
        if call.when == "call" and report.passed and (wrong := self.wrong(call.duration)):
            report.outcome, report.longrepr = "failed", f"{item.name} {wrong}"
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Note what was used before."""
        self.before, self.seen = usage(), guarded(self.folder)

    def wrong(self, seconds: float) -> str | None:
        """What is wrong with the run that has just ended."""
        if guarded(self.folder) == self.seen:
            return "was not behind the guard"
        processor, megabytes = usage()
        # The system knows the largest child so far only: a run is larger than its limit when it has raised that.
        raised = megabytes if megabytes > self.before[1] else 0.0
        return too_much(seconds, processor - self.before[0], raised)


def pytest_configure(config: pytest.Config) -> None:
    """Put every Python that is started from here behind the guard."""
    folder = Path(tempfile.mkdtemp(prefix="guard-"))
    before = {name: os.environ.get(name) for name in settings(folder)}
    os.environ.update(settings(folder))

    def put_back() -> None:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        shutil.rmtree(folder, ignore_errors=True)

    config.add_cleanup(put_back)
    config.pluginmanager.register(Plugin(folder))
