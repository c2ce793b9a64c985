"""For presenters, for real: a chapter in `preflight`; a pack, installed without a network, that runs chapters.

The pack is made by pip from its configured index, so the slow test needs one. Where Linux lets us, its installation and
its chapters run in a network of their own that has nothing but the loopback; elsewhere behind the guard of the runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recsys_lab import doctor
from recsys_lab.room import RoomError, pack, weight, wheels

ROOT = Path(__file__).parents[2]

# A new network has its loopback switched off: 0x8914 sets a device's flags, here UP and RUNNING.
LOOPBACK = """
import fcntl, os, socket, struct, sys
with socket.socket() as one:
    fcntl.ioctl(one, 0x8914, struct.pack("16sH14s", b"lo", 0x41, b""))
os.execv(sys.argv[1], sys.argv[1:])
"""
ASKS = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=3)"


def without_network() -> list[str]:
    """What to put before a command so that it has no network; nothing where that cannot be had."""
    # Whoever is root stays the real one, and others stay themselves: PostgreSQL is run by a user that has to exist.
    for words in (["--net"], ["--map-current-user", "--keep-caps", "--net"]):
        call = ["unshare", *words, sys.executable, "-c", LOOPBACK]
        try:
            done = subprocess.run([*call, sys.executable, "-c", ASKS], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return []
        if "Network is unreachable" in done.stderr:
            return call
    return []


def test_a_chapter_of_the_course_as_a_presenter_calls_it() -> None:
    """But for the size of the log."""
    notebook = ROOT / "notebooks" / "00_start_here.ipynb"
    delivered = notebook.read_bytes()
    call = [sys.executable, "-m", "recsys_lab", "preflight", "--chapters", "00", "--json"]
    settings = {**os.environ, "NOTEBOOK_TEST_ROW_LIMIT": "20000"}
    told = json.loads(subprocess.run(call, capture_output=True, text=True, check=False, env=settings, cwd=ROOT).stdout)
    (only,) = told["chapters"]
    assert (only["name"], only["error"], only["solved"]) == ("00_start_here", "", False)
    assert only["card_seconds"] > 0 and only["memory_mb"] > 100
    assert any("NOTEBOOK_TEST_ROW_LIMIT" in note for note in told["notes"])
    assert notebook.read_bytes() == delivered


@pytest.mark.slow
def test_a_pack_installs_without_a_network_and_runs_chapters(tmp_path: Path) -> None:
    alone = without_network()
    out, begun = tmp_path / "stick", time.monotonic()
    try:
        wanted = pack.plan([], [], out, False)
        done = pack.make(wanted, print)
    except RoomError as error:
        if "cannot be reached" in str(error):
            pytest.skip(str(error))
        raise
    made = time.monotonic()
    assert [one.target for one in done.others] == [name for name in wheels.TARGETS if name not in wanted.platforms]

    settings = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "RECSYS_LAB_DATA")}
    settings |= {"HOME": str(tmp_path / "home"), "RECSYS_LAB_CACHE": str(tmp_path / "cache")}
    settings |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    call = [*alone, sys.executable, str(out / "install.py")]
    install = subprocess.run(call, capture_output=True, text=True, check=False, env=settings, cwd=tmp_path)
    log = out / ".venv" / "install.log"
    assert install.returncode == 0, install.stderr + (log.read_text()[-3000:] if log.is_file() else "")
    installed = time.monotonic()
    python = out / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    code = "import json, recsys_lab; from importlib.util import find_spec as find\n"
    code += "print(json.dumps([recsys_lab.__file__, find('torch') is not None]))"
    told = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, env=settings, cwd=out)
    file, has_torch = json.loads(told.stdout)
    assert Path(file).is_relative_to(out / "course") and not has_torch

    call = [*alone, str(python), "-m", "recsys_lab", "preflight", "--chapters", "00,05", "--json"]
    run = subprocess.run(call, capture_output=True, text=True, check=False, env=settings, cwd=out)
    told_of = json.loads(run.stdout)
    assert [(one["name"][:2], one["error"]) for one in told_of["chapters"]] == [("00", ""), ("05", "")]
    packages = [one for one in told_of["checks"] if one["area"] in ("packages", "data")]
    assert [one for one in packages if one["state"] != "ok" and one["needed"]] == []
    logs = [one["state"] for one in packages if one["name"] in doctor.LOGS]
    assert logs == ["ok" if (out / "logs" / place).is_file() else "missing" for place in doctor.LOGS.values()]
    print(
        f"pack {made - begun:.0f} s, installed in {installed - made:.0f} s, {weight(out / '.venv') / 1e6:.0f} MB; "
        f"{'no network' if alone else 'sockets refused'}; {done.parts}; "
        f"{[(one['name'], round(one['seconds']), one['memory_mb']) for one in told_of['chapters']]}"
    )
