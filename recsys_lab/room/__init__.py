"""For who teaches: does all of it run in this room (`preflight`), back to the start for the next group (`reset`), and
the course on a stick for a room without a network (`pack`)."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from recsys_lab.doctor import REPOSITORY

NOTEBOOKS = REPOSITORY / "notebooks"


class RoomError(ValueError):
    """What a presenter can mend; the text says what, and what to do."""


def find_chapters(wanted: Sequence[str], folder: Path = NOTEBOOKS) -> list[Path]:
    """The learners' notebooks that are meant by number, name or path, in the order given; all of them for none.

    A chapter whose notebook is gone is found as long as its solved one is there. Raises `RoomError` for an unknown one.

    >>> [path.name for path in find_chapters(["00"])]
    ['00_start_here.ipynb']
    """
    places = (folder, folder / "solutions", folder / "src")
    names = sorted({path.stem for place in places for path in place.glob("*") if re.match(r"\d\d_\w+\.", path.name)})
    if not names:
        raise RoomError(f"there are no chapters in {folder}: run this in the course's folder, with its own Python")
    found = []
    for one in wanted or names:
        stem = Path(one).stem
        meant = [name for name in names if stem in (name, name[:2])]
        if len(meant) != 1:
            raise RoomError(f"there is no chapter {one!r}; there are {', '.join(name[:2] for name in names)}")
        found.append(folder / f"{meant[0]}.ipynb")
    return found


def parts(text: str | None) -> list[str]:
    """What stands between commas.

    >>> parts("00, 05"), parts(None)
    (['00', '05'], [])
    """
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def size(count: float) -> str:
    """Bytes, as a person reads them.

    >>> size(297_000_000), size(1_500), size(2_500_000_000)
    ('297 MB', '2 kB', '2.5 GB')
    """
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6)):
        if count >= bytes_:
            return f"{count / bytes_:.1f} {unit}" if unit == "GB" else f"{count / bytes_:.0f} {unit}"
    return f"{count / 1e3:.0f} kB"


def weight(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def free(folder: Path) -> int:
    """Bytes free where a folder is, or is going to be."""
    return shutil.disk_usage(next(place for place in (folder, *folder.resolve().parents) if place.exists())).free
