"""Installs the course from the folder that this file lies in, without a network: python install.py [--verify].

`pack` puts it there. Standard library only, in a syntax that Python 3.6 can parse: an old Python has to reach the line
that turns it away.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

SUMS, ABOUT = "SHA256SUMS", "pack.json"
LEFT_OUT = (".venv", "__pycache__", ".ipynb_checkpoints", ".DS_Store", "System Volume Information")
NEEDED = 2_000_000_000  # bytes of an installation


class Problem(Exception):
    """Something the reader can mend; its text is the whole message."""


def host() -> str:
    """The name that a pack gives to the kind of computer that this is.

    >>> host().partition("_")[0] in ("manylinux", "macosx", "win")
    True
    """
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(machine, machine)
    if sys.platform == "win32":
        return "win_amd64" if machine == "x86_64" else "win_" + machine
    return ("macosx_" if sys.platform == "darwin" else "manylinux_") + machine


def digest(path: Path) -> str:
    """The sha256 of a file, read in pieces."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            found.update(piece)
    return found.hexdigest()


def files(folder: Path) -> "list[Path]":
    """All files of a pack but its sums and what an installation or a system puts there, in an order of their own."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    return sorted(path for path in found if not set(path.relative_to(folder).parts) & set(LEFT_OUT))


def write_sums(folder: Path) -> None:
    """Write the sums of all files, as `sha256sum --check` reads them too."""
    lines = [digest(path) + "  " + path.relative_to(folder).as_posix() for path in files(folder)]
    (folder / SUMS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def wrong(folder: Path, only: str = "") -> "list[str]":
    """The files that are missing or not as they were packed; `only` names a folder inside."""
    if not (folder / SUMS).is_file():
        raise Problem(f"{folder} has no {SUMS}: it is no finished pack. Make or copy it again.")
    problems = []
    for line in (folder / SUMS).read_text(encoding="utf-8").splitlines():
        known, _, name = line.partition("  ")
        if name.startswith(only):
            path = folder / name
            if not path.is_file():
                problems.append(name + ": missing")
            elif digest(path) != known:
                problems.append(name + ": not as it was packed")
    return problems


def verify(folder: Path) -> str:
    """Compare every file with its sum; a `Problem` names those that differ."""
    problems = wrong(folder)
    if problems:
        more = "" if len(problems) <= 10 else f"\n  and {len(problems) - 10} more"
        listed = "\n  ".join(problems[:10])
        raise Problem(f"{len(problems)} files are not as packed:\n  {listed}{more}\nCopy the folder again.")
    count = len((folder / SUMS).read_text(encoding="utf-8").splitlines())
    return f"{count} files are as they were packed."


def check_python(about: "dict[str, list[str]]") -> None:
    """Whether this pack has wheels for the Python and the computer that run this."""
    version = "{}.{}".format(*sys.version_info[:2])
    if version not in about["pythons"]:
        known = ", ".join(about["pythons"])
        raise Problem(
            f"This is Python {version}; the wheels here are for {known}. Run this with that Python, or have a pack "
            f"made with --python {version}."
        )
    if host() not in about["platforms"]:
        known = ", ".join(about["platforms"])
        raise Problem(
            f"The wheels here are for {known}; this computer is {host()}. Have a pack made with --platform {host()}."
        )


def install(folder: Path, venv: Path) -> None:
    """An environment in `venv` with the course in it, from the wheels beside this file alone."""
    free = shutil.disk_usage(str(venv.parent)).free
    if free < NEEDED:
        raise Problem(f"{free / 1e9:.1f} GB are free here and {NEEDED / 1e9:.1f} are needed: make room.")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(venv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if made.returncode:
        said = made.stdout.decode(errors="replace").strip()
        raise Problem(
            f"No environment could be made in {venv}. From a stick, copy the folder to the disk first; on Debian and "
            f"Ubuntu, install python3-venv. It said: {said.splitlines()[-1] if said else 'nothing'}"
        )
    python = venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"
    # Nobody's pip settings: an index, a proxy or a constraint of theirs would be asked or obeyed.
    settings = {key: value for key, value in os.environ.items() if not key.startswith("PIP_") and key != "PYTHONPATH"}
    settings["PIP_CONFIG_FILE"] = os.devnull
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-index", "--find-links", str(folder / "wheels")]
    with (venv / "install.log").open("w", encoding="utf-8") as log:
        for what in (
            ["-r", str(folder / "requirements.txt")],
            ["--no-deps", "--no-build-isolation", "-e", str(folder / "course")],
        ):
            done = subprocess.run(pip + what, stdout=log, stderr=subprocess.STDOUT, check=False, env=settings)
            if done.returncode:
                raise Problem(f"pip could not install it; why stands in {venv / 'install.log'}.")
    if (folder / "logs").is_dir():
        subprocess.run([str(python), "-m", "recsys_lab.room.logs", str(folder / "logs")], check=True, env=settings)


def main() -> int:
    """Run from the command line; the exit code is 0 when all went well."""
    parser = argparse.ArgumentParser(description="Install the course from this folder, without a network.")
    parser.add_argument("--verify", action="store_true", help="only compare every file with its checksum")
    parser.add_argument("--venv", default="", help="where the environment is made (.venv beside this file)")
    given = parser.parse_args()
    folder = Path(__file__).resolve().parent
    venv = Path(given.venv).resolve() if given.venv else folder / ".venv"
    start = time.time()
    try:
        if not given.verify:
            check_python(json.loads((folder / ABOUT).read_text(encoding="utf-8")))
        print("Comparing the files with their checksums ...", flush=True)
        print(verify(folder), flush=True)
        if not given.verify:
            print(f"Installing into {venv}; a minute or two ...", flush=True)
            install(folder, venv)
            script = venv / "Scripts" / "jupyter" if os.name == "nt" else venv / "bin" / "jupyter"
            notebook = folder / "course" / "notebooks" / "00_start_here.ipynb"
            print(f"Installed in {time.time() - start:.0f} s. To begin:\n\n    {script} lab {notebook}\n")
    except Problem as problem:
        print(f"recsys-lab: {problem}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"recsys-lab: {error.filename or folder}: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
