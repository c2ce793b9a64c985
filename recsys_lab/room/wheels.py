"""Asks pip for wheels: those of this computer, and those of others, which pip can choose without being there.

pip's own --platform picks files for another computer and still reads each requirement's conditions (`sys_platform ==
"win32"`) as those of this one; so it is run with the other computer's answers to them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys_lab.room import RoomError
from recsys_lab.room.install import host

_PIP_ELSEWHERE = """
import json, sys
from pip._vendor.packaging import markers
from pip._internal.cli.main import main
here = markers.default_environment()
markers.default_environment = lambda: {**here, **json.loads(sys.argv[1])}
sys.exit(main(sys.argv[2:]))
"""
_LOST = (
    "NewConnectionError|NameResolutionError|Failed to establish a new connection|Max retries exceeded|ProxyError"
    "|ConnectTimeoutError|ReadTimeoutError|Connection aborted|ConnectionResetError|Network is unreachable"
    "|Temporary failure in name resolution|getaddrinfo failed"
)
_FULL = r"No space left on device|\[Errno 28\]|not enough space on the disk|Disk quota exceeded"


@dataclass(frozen=True)
class Target:
    """A kind of computer: pip's tags for it, and what a requirement's conditions are there."""

    name: str
    tags: tuple[str, ...]
    conditions: dict[str, str]


def _system(os_name: str, sys_platform: str, platform_system: str, machine: str) -> dict[str, str]:
    return {
        "os_name": os_name, "sys_platform": sys_platform, "platform_system": platform_system,
        "platform_machine": machine,
    }  # fmt: skip


def _linux(machine: str) -> tuple[str, ...]:
    """pip takes each of these by its own name alone: a glibc of 2.28 runs what wants 2.17."""
    glibcs = [f"manylinux_2_{minor}" for minor in range(28, 4, -1)]
    return tuple(f"{tag}_{machine}" for tag in (*glibcs, "manylinux2014", "manylinux2010", "manylinux1"))


TARGETS = {
    target.name: target
    for target in (
        Target("manylinux_x86_64", _linux("x86_64"), _system("posix", "linux", "Linux", "x86_64")),
        Target("manylinux_arm64", _linux("aarch64"), _system("posix", "linux", "Linux", "aarch64")),
        Target("macosx_arm64", ("macosx_14_0_arm64",), _system("posix", "darwin", "Darwin", "arm64")),
        Target("win_amd64", ("win_amd64",), _system("nt", "win32", "Windows", "AMD64")),
    )
}
"""The computers that a pack can be made for: macOS 14 (2023) or newer, a Linux with glibc 2.28 (2018) or newer."""


@dataclass(frozen=True)
class Resolved:
    """What pip would take for a target: file names, and the requirements that have no wheel there."""

    target: str
    python: str
    files: tuple[str, ...]
    missing: tuple[str, ...]


def running() -> str:
    """This Python, as 3.11."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def download(lines: Sequence[str], folder: Path, target: str, python: str) -> None:
    """Put the wheels of the requirements, and of all that they need, into `folder`. Raises `RoomError`."""
    said = _pip(["download", "--dest", str(folder)], lines, target, python)
    if said:
        gone = _without_wheel(said)
        what = f"there is no wheel of {gone}" if gone else f"pip failed: {_reason(said)}"
        if "(from versions: none)" in said:  # without a second try pip does not say that it reached nothing
            what += ", or the package index cannot be reached (a pack is made with a network, and used without one)"
        raise RoomError(f"{target}, Python {python}: {what}. Nothing was packed; leave that --platform or --python out")


def resolve(lines: Sequence[str], target: str, python: str) -> Resolved:
    """What pip would download, without doing so; a requirement without a wheel is left out, and named."""
    left, missing = list(lines), []
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        dry = ["install", "--dry-run", "--ignore-installed", "--target", scratch, "--report", str(report)]
        while said := _pip(dry, left, target, python):
            gone = _without_wheel(said)
            if gone is None:
                raise RoomError(f"{target}, Python {python}: pip failed: {_reason(said)}")
            missing.append(gone)
            kept = [line for line in left if _name(line) != _name(gone)]
            if kept == left:  # something that others need: pip cannot be asked to go on without it
                return Resolved(target, python, (), tuple(missing))
            left = kept
        chosen = json.loads(report.read_text(encoding="utf-8"))["install"]
    files = sorted(one["download_info"]["url"].rpartition("/")[2] for one in chosen)
    return Resolved(target, python, tuple(files), tuple(missing))


def build_own(root: Path, folder: Path) -> Path:
    """The course's own wheel, built with the build tools that are installed here."""
    call = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    call += ["--no-build-isolation", "--wheel-dir", str(folder), str(root)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    made = sorted(folder.glob("recsys_lab-*.whl"))
    if done.returncode or not made:
        raise RoomError(f"the course's own wheel could not be built: {_reason(done.stderr)}")
    return made[-1]


def _pip(words: Sequence[str], lines: Sequence[str], target: str, python: str) -> str:
    """Run pip; "" when it went well, else what it said. Raises `RoomError` without a network and on a full disk."""
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "requirements.txt"
        wanted.write_text("\n".join(lines) + "\n", encoding="utf-8")
        options = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:", "-r", str(wanted)]
        call = [sys.executable, "-m", "pip", *words, *options]
        if (target, python) != (host(), running()):
            there = TARGETS[target]
            conditions = {**there.conditions, "python_version": python, "python_full_version": f"{python}.0"}
            tags = [word for tag in there.tags for word in ("--platform", tag)]
            options += ["--python-version", python, "--implementation", "cp", *tags]
            call = [sys.executable, "-c", _PIP_ELSEWHERE, json.dumps(conditions), *words, *options]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    said = f"{done.stdout}\n{done.stderr}"
    if re.search(_FULL, said):
        raise RoomError("the disk is full: make room, or name another --out (TMPDIR names another temporary folder)")
    final = "\n".join(line for line in said.splitlines() if "Retrying (Retry(" not in line)
    # pip says the same of an index that it could not reach as of one that lacks a package; the warnings tell.
    if re.search(_LOST, said if "(from versions: none)" in said else final):
        raise RoomError("the package index cannot be reached: a pack is made with a network, and used without one")
    return said


def _without_wheel(said: str) -> str | None:
    """The requirement that pip found nothing for, as name==version.

    >>> _without_wheel("ERROR: No matching distribution found for uvloop>=0.15; x (from y)")
    'uvloop>=0.15'
    """
    found = re.search(r"No matching distribution found for ([^\s;]+)", said)
    return found[1] if found else None


def _reason(said: str) -> str:
    lines = [line for line in said.strip().splitlines() if line.strip() and not line.startswith("WARNING")]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no reason given"])[-1].removeprefix("ERROR: ")[:300]


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~;( ]", requirement.strip())[0]).lower()
