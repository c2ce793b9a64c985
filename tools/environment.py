"""Make or update the course's virtual environment: python3 tools/environment.py [--dev] [--venv .venv].

Returns at once when nothing has changed. What can go wrong on a laptop ends in one line that says what to do.
Standard library only, in a syntax that Python 3.6 can parse: an old Python has to reach the line that turns it away.
"""

import argparse
import errno
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOWEST, BELOW = (3, 11), (3, 14)  # as requires-python in pyproject.toml; a test compares them
GIGABYTE = 1024**3
STAMP = "recsys-lab.json"  # in the environment; written last, so that it vouches for all of it

DISK_FULL = (
    "The disk is full: about 4 GB are needed for the environment, and some in the temporary folder while pip unpacks "
    "(TMPDIR names another one). Make room and run this again."
)
NO_NETWORK = (
    "The package index cannot be reached. Installing needs a network (or a pip configuration that names a reachable "
    "index); once installed, everything works offline. Connect and run this again."
)
# What pip says of an index that it was told not to try twice is the same as of one that lacks the package.
NOTHING_FOUND = (
    "pip found no version at all of {}: either the package index cannot be reached (installing needs a "
    "network; once installed, everything works offline), or it has none for this computer."
)
CERTIFICATE = (
    "The package index was reached, but its certificate is not trusted here, which is usual behind a company's proxy. "
    "Ask for its certificate file and name it to pip: python3 -m pip config set global.cert FILE"
)


class Problem(Exception):
    """Something the reader can mend; its text is the whole message."""


def python_problem(version: "tuple[int, ...]") -> "str | None":
    """The line for a Python that is too old or too new, None for one that fits."""
    if LOWEST <= tuple(version[:2]) < BELOW:
        return None
    found = ".".join(str(part) for part in version[:3])
    age = "old" if tuple(version[:2]) < LOWEST else "new"
    rule = f"{LOWEST[0]}.{LOWEST[1]} or newer, below {BELOW[0]}.{BELOW[1]}"
    return (
        f"This is Python {found}, too {age} for the course: it needs {rule}. "
        "Name another one, for example: make test PYTHON=python3.12 (or python3.12 tools/environment.py)"
    )


def explain(log: str) -> "str | None":
    """What an installation's output says went wrong, where it is one of the usual things."""
    if re.search(r"No space left on device|\[Errno 28\]|not enough space on the disk|Disk quota exceeded", log):
        return DISK_FULL
    # A retry that went well later leaves its warning too, so a warning counts only where nothing was found in the end.
    final = "\n".join(line for line in log.splitlines() if "Retrying (Retry(" not in line)
    nothing = re.search(r"requirement (\S+).* \(from versions: none\)", log)
    told = log if nothing else final
    if re.search(r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError", told):
        return CERTIFICATE
    lost = (
        "NewConnectionError|NameResolutionError|Failed to establish a new connection|Max retries exceeded|ProxyError"
        "|ConnectTimeoutError|ReadTimeoutError|Connection timed out while downloading|Connection aborted"
        "|ConnectionResetError|Network is unreachable|Temporary failure in name resolution|getaddrinfo failed"
    )
    if re.search(lost, told):
        return NO_NETWORK
    return NOTHING_FOUND.format(nothing.group(1)) if nothing else None


def python_in(venv: Path) -> Path:
    """The environment's own interpreter."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def wanted(root: Path, venv: Path, dev: bool) -> "dict[str, str]":
    """What a fitting stamp says. The place belongs to it: scripts hold absolute paths, and break when moved."""
    files = ["pyproject.toml", "requirements.txt"] + (["requirements-dev.txt"] if dev else [])
    stamp = {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in files}
    stamp.update(python="{}.{}".format(*sys.version_info[:2]), place=str(venv))
    return stamp


def read_stamp(venv: Path) -> "dict[str, str]":
    """What the last finished installation wrote; empty when there was none or it cannot be used."""
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) and python_in(venv).exists() else {}


def fits(stamp: "dict[str, str]", wish: "dict[str, str]") -> bool:
    """Whether the environment has all that is wished for; one made with --dev has more than a plain run asks."""
    return wish.items() <= stamp.items()


def create(venv: Path) -> None:
    """A new, empty environment in place of whatever environment was there."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = "{}.{}".format(*sys.version_info[:2])
        raise Problem(
            f"This Python {version} came without its venv module. On Debian and Ubuntu: sudo apt install "
            f"python{version}-venv; elsewhere take Python from python.org. Then run this again."
        )
    if not (venv / "pyvenv.cfg").exists():
        if venv.exists() and (not venv.is_dir() or any(venv.iterdir())):
            raise Problem(f"{venv} is no virtual environment, so it is left alone. Name another folder with --venv.")
        parent = next(folder for folder in venv.parents if folder.exists())
        free = shutil.disk_usage(str(parent)).free
        if free < 4 * GIGABYTE:
            raise Problem(f"{DISK_FULL} (Free now: {free / GIGABYTE:.1f} GB.)")
    venv.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=str(venv)):
        pass  # says at once, and clearly, that a folder is read-only or full
    command = [getattr(sys, "_base_executable", sys.executable), "-m", "venv", "--clear", str(venv)]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if made.returncode:
        log = made.stdout.decode(errors="replace")
        raise Problem(explain(log) or f"venv failed in {venv}: {log.strip()}")


def install(root: Path, venv: Path, dev: bool) -> None:
    """Bring the packages in. pip's index, proxy and certificates are those of the user's own pip configuration."""
    log_file = venv / "install.log"
    pip = [str(python_in(venv)), "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"]
    lane = "requirements-dev.txt" if dev else "requirements.txt"
    # The build tools are among the requirements, so building this package in place asks no index.
    steps = [["-r", lane], ["--no-deps", "--no-build-isolation", "-e", "."]]
    with log_file.open("wb") as log:
        codes = (subprocess.call(pip + step, cwd=str(root), stdout=log, stderr=subprocess.STDOUT) for step in steps)
        failed = any(codes)  # stops at the first step that fails
    if failed:
        text = log_file.read_text(encoding="utf-8", errors="replace")
        line = explain(text)
        if line is None:
            print("\n".join(text.strip().splitlines()[-15:]), file=sys.stderr)
            line = f"pip could not install the packages; its last lines are above, the whole log is in {log_file}"
        raise Problem(line)


def ensure(root: Path, venv: Path, dev: bool) -> None:
    """Make the environment fit, whatever state it is in: fitting, older, half made or missing."""
    stamp = read_stamp(venv)
    if fits(stamp, wanted(root, venv, dev)):
        return
    dev = dev or "requirements-dev.txt" in stamp
    wish = wanted(root, venv, dev)
    start = time.monotonic()
    usable = all(stamp.get(key) == wish[key] for key in ("python", "place"))
    if usable:
        print(f"Updating {venv} ...", flush=True)
    else:
        # Without a stamp an installation was cut short, and pip cannot tell a half-copied package from a whole one.
        create(venv)
        print(f"Installing about 2.5 GB into {venv}, once; some minutes. pip's log: install.log in it.", flush=True)
    (venv / STAMP).unlink(missing_ok=True)
    try:
        install(root, venv, dev)
    except Problem as problem:
        if usable and str(problem) != DISK_FULL:
            # pip puts everything back when it fails in order: what worked before still does, also without a network.
            (venv / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
        raise
    (venv / STAMP).write_text(json.dumps(wish), encoding="utf-8")
    print(f"The environment is ready ({time.monotonic() - start:.0f} s).", flush=True)


def main() -> int:
    """Run from the command line; the exit code is 0 when the environment fits."""
    parser = argparse.ArgumentParser(description="Make or update the course's virtual environment.")
    parser.add_argument("--dev", action="store_true", help="with what the tests and checks need, too")
    parser.add_argument("--venv", default=".venv", help="where it lives (default: .venv)")
    options = parser.parse_args()
    venv = Path.cwd() / options.venv
    problem = python_problem(sys.version_info)
    if problem is None:
        try:
            ensure(ROOT, venv, options.dev)
        except Problem as known:
            problem = str(known)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            problem = DISK_FULL if full else f"{error.filename or venv} cannot be read or written: {error.strerror}."
        except KeyboardInterrupt:
            problem = "Stopped. Run this again: it starts afresh where it has to."
    if problem is not None:
        print(f"recsys-lab: {problem}", file=sys.stderr)
    return int(problem is not None)


if __name__ == "__main__":
    sys.exit(main())
