"""The course in a folder, for a stick and a room without a network: wheels, notebooks, data, slides, checksums."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recsys_lab import doctor
from recsys_lab.room import RoomError, find_chapters, free, install, logs, size, weight, wheels
from recsys_lab.room.start import COPIES, find_start, is_delivered, read

# Everything that the installed course reads: chapters look for stored results beside the package.
COURSE = (
    "BENCHMARKS.md", "CITATION.cff", "INSTRUCTORS.md", "LICENSE", "README.md", "pyproject.toml", "requirements.txt",
    "benchmarks", "data", "docs", "projects", "recsys_lab", "tools",
)  # fmt: skip
NOTEBOOKS = ("README.md", "badges", "solutions", "src")
NOT_PACKED = shutil.ignore_patterns(
    "__pycache__", "*.pyc", ".ipynb_checkpoints", ".*", "*.part", "replaced", "*.egg-info", "node_modules"
)
NEEDED = {False: 1_500_000_000, True: 8_000_000_000}
"""Bytes that have to be free, without and with the text encoder (torch, and on Linux its CUDA)."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Pack:
    """What is to be packed, and where."""

    out: Path
    platforms: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    with_encoder: bool = False
    root: Path = doctor.REPOSITORY


@dataclass
class Packed:
    """What a pack holds: the bytes of each part, and what others would need (resolved, not downloaded)."""

    parts: dict[str, int] = field(default_factory=dict)
    others: list[wheels.Resolved] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """All of it to read, a line each."""
        known = [f"{name:<10}  {size(count):>8}" for name, count in self.parts.items()]
        total = [f"{'in all':<10}  {size(sum(self.parts.values())):>8}"] if self.parts else []
        return [
            *known,
            *total,
            *(_other(one) for one in self.others),
            *(f"not packed: {line}" for line in self.lacking),
        ]


def plan(
    platforms: Sequence[str], pythons: Sequence[str], out: Path, with_encoder: bool, root: Path | None = None
) -> Pack:
    """The pack that is asked for; a `RoomError` for what cannot be. Only reads."""
    here = install.host()
    chosen = tuple(dict.fromkeys(platforms)) or (here,)
    versions = tuple(dict.fromkeys(pythons)) or (wheels.running(),)
    known = {*wheels.TARGETS, here}
    for name in chosen:
        if name not in known:
            raise RoomError(f"--platform {name}: nobody knows it; there are {', '.join(sorted(known))}")
    for version in versions:
        numbers = tuple(int(part) for part in version.split(".")) if re.fullmatch(r"\d+\.\d+", version) else ()
        if not doctor.PYTHON_LOWEST <= numbers < doctor.PYTHON_BELOW:
            rule = " or newer, below ".join(
                ".".join(map(str, one)) for one in (doctor.PYTHON_LOWEST, doctor.PYTHON_BELOW)
            )
            raise RoomError(f"--python {version}: the course needs {rule}, written as 3.11")
        if here not in wheels.TARGETS and here in chosen and version != wheels.running():
            raise RoomError(
                f"--python {version}: on {here} a pack is made with the Python that it is for; start it with that"
            )
    root = root or doctor.REPOSITORY
    if not (root / "pyproject.toml").is_file() or not (root / "notebooks").is_dir():
        raise RoomError(
            "a pack is made from the course's folder (a clone or the ZIP), and this Python has the package alone: "
            "install it there with python -m pip install --no-deps --no-build-isolation -e . and run this again"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RoomError(f"--out {out}: it is not empty, and nothing is written over; name a new folder")
    if out.resolve().is_relative_to((root / "notebooks").resolve()):
        raise RoomError(f"--out {out}: it is inside the notebooks; name a folder elsewhere")
    needed, left = NEEDED[with_encoder], free(out)
    if left < needed:
        raise RoomError(f"--out {out}: {size(left)} are free there and about {size(needed)} are needed; make room")
    return Pack(out, chosen, versions, with_encoder, root)


def requirements(pack: Pack) -> list[str]:
    """The pins of the course, without those that only the text encoder needs unless it goes along."""
    text = (pack.root / "requirements.txt").read_text(encoding="utf-8")
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    names = {line: re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~;( ]", line)[0]).lower() for line in lines if line}
    return [line for line, name in names.items() if pack.with_encoder or name not in doctor.ONLY_FOR_THE_ENCODER]


def make(pack: Pack, tell: Tell) -> Packed:
    """Write the pack. What is not finished is removed again, whatever stopped it."""
    was_there = pack.out.is_dir()
    try:
        pack.out.mkdir(parents=True, exist_ok=True)
        return _make(pack, tell)
    except BaseException:
        for path in list(pack.out.iterdir()) if pack.out.is_dir() else []:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not was_there and pack.out.is_dir():
            pack.out.rmdir()
        raise


def _make(pack: Pack, tell: Tell) -> Packed:
    done = Packed()
    tell("the course: notebooks, solutions, data, package …")
    copy_course(pack.root, pack.out / "course")
    done.parts["course"] = weight(pack.out / "course")
    for name in ("slides", "site"):
        built = pack.root / "build" / name
        if built.is_dir() and any(built.iterdir()):
            shutil.copytree(built, pack.out / name, ignore=NOT_PACKED)
            done.parts[name] = weight(pack.out / name)
        else:
            done.lacking.append(f"{name}, which is not built (make {name})")
    _logs(pack.out / "logs", done)
    pins = requirements(pack)
    folder = pack.out / "wheels"
    folder.mkdir()
    for target in pack.platforms:
        for python in pack.pythons:
            tell(f"wheels for {target}, Python {python} …")
            wheels.download(pins, folder, target, python)
    wheels.build_own(pack.root, folder)
    done.parts["wheels"] = weight(folder)
    if not pack.with_encoder:
        done.lacking.append("the text encoder (torch): the shipped vectors stand in; --with-encoder takes it along")
    done.others = others(pack, tell)
    _write(pack.out / "requirements.txt", "\n".join(pins) + "\n")
    about = {"platforms": pack.platforms, "pythons": pack.pythons}
    _write(pack.out / install.ABOUT, json.dumps(about, indent=2) + "\n")
    _scripts(pack)
    _write(pack.out / "README.txt", readme(pack, done))
    install.write_sums(pack.out)
    tell(install.verify(pack.out))
    return done


def others(pack: Pack, tell: Tell) -> list[wheels.Resolved]:
    """What the computers that the pack is not for would take, and what has no wheel for them."""
    pins, found = requirements(pack), []
    for target in wheels.TARGETS:
        if target not in pack.platforms:
            tell(f"looking whether there are wheels for {target} …")
            found += [wheels.resolve(pins, target, python) for python in pack.pythons]
    return found


def copy_course(root: Path, to: Path) -> None:
    """The course as it is here; learners' notebooks as they are delivered, whatever was done in them."""
    notebooks = to / "notebooks"
    (notebooks / COPIES).mkdir(parents=True)
    for path in find_chapters((), root / "notebooks"):
        here = path.read_bytes() if path.is_file() else b""
        text = here if here and is_delivered(read(here)) else find_start(path).text
        (notebooks / path.name).write_bytes(text)
        (notebooks / COPIES / path.name).write_bytes(text)
    for name in (*COURSE, *(f"notebooks/{name}" for name in NOTEBOOKS)):
        source = root / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=NOT_PACKED)
        elif source.is_file():
            shutil.copyfile(source, to / name)


def readme(pack: Pack, done: Packed) -> str:
    """What stands in README.txt: one command, what is here, and for whom."""
    has = {name for name in ("slides", "site", "logs") if name in done.parts}
    what = [
        "course/    notebooks, their solutions (notebooks/solutions), the data and the package",
        "wheels/    all packages that it needs",
        *(["slides/    the decks: open one in a browser"] if "slides" in has else []),
        *(["site/      the course to read: open index.html in a browser"] if "site" in has else []),
        *(
            [
                "logs/      two real shop logs, both CC BY 4.0; the installation puts them into your cache:",
                "           UCI 553, Łapczyński and Białowąs 2013, doi 10.24432/C5QK7X",
                "           UCI 352, Chen, Sain and Guo 2012, doi 10.24432/C5BW33",
            ]
            if "logs" in has
            else []
        ),
    ]
    for_whom = ", ".join(pack.platforms)
    python = " or ".join(pack.pythons)
    encoder = (
        ""
        if pack.with_encoder
        else "\nWithout the text encoder (torch): every chapter runs on the vectors in course/data.\n"
    )
    return f"""recsys-lab, for a room without a network
========================================

1. Copy this folder to the disk of your computer. (An environment cannot live on most sticks.)
2. You need Python {python}; the wheels are for {for_whom}.
3. In this folder:

     Linux, macOS:  sh install.sh
     Windows:       install.bat

   It compares every file with its checksum, makes an environment in .venv and installs into it, without a network.
   At its end stands the line that opens the first chapter.

By hand, in an environment of your own (macOS and Linux: python3):

     python install.py --verify
     python -m pip install --no-index --find-links wheels -r requirements.txt
     python -m pip install --no-index --find-links wheels --no-deps --no-build-isolation -e course

Does all of it run here?   .venv/bin/python -m recsys_lab preflight   (Windows: .venv\\Scripts\\python)
Back to the start:         .venv/bin/python -m recsys_lab reset

{chr(10).join(what)}
{encoder}
{chr(10).join(done.lines())}
"""


def _logs(folder: Path, done: Packed) -> None:
    found = logs.at_hand()
    for place, file in found.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / place)
    if found:
        done.parts["logs"] = weight(folder)
    done.lacking += [
        f"{name}, which is not on this computer: run chapter 00 once with a network"
        for name, place in doctor.LOGS.items()
        if place not in found
    ]


def _scripts(pack: Pack) -> None:
    source = Path(install.__file__).read_text(encoding="utf-8")
    _write(pack.out / "install.py", source)
    tried = " ".join([*(f"python{version}" for version in reversed(pack.pythons)), "python3", "python"])
    _write(
        pack.out / "install.sh",
        f"""#!/bin/sh
# Installs the course from this folder, without a network. PYTHON=... names a Python of your own.
cd "$(dirname "$0")" || exit 1
for python in $PYTHON {tried}; do
  if command -v "$python" > /dev/null 2>&1; then
    exec "$python" install.py "$@"
  fi
done
echo "recsys-lab: no Python was found; install Python {" or ".join(pack.pythons)} first" >&2
exit 1
""",
    )
    (pack.out / "install.sh").chmod(0o755)
    windows = f"""@echo off
rem Installs the course from this folder, without a network.
cd /d "%~dp0"
where py >nul 2>nul
if %errorlevel%==0 (py -{pack.pythons[-1]} install.py %*) else (python install.py %*)
"""
    (pack.out / "install.bat").write_bytes(windows.replace("\n", "\r\n").encode())


def _other(one: wheels.Resolved) -> str:
    where = f"{one.target}, Python {one.python}"
    if one.missing:
        return f"{where}: no wheel of {', '.join(one.missing)} (looked up, not packed)"
    return f"{where}: {len(one.files)} wheels, none lacking (looked up, not packed; --platform {one.target} packs them)"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def too_large(paths: Iterable[Path], limit: int = 4_294_967_295) -> list[Path]:
    """The files that a stick with FAT32 cannot hold."""
    return [path for path in paths if path.stat().st_size > limit]
