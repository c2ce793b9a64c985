"""The real logs on a stick: what is at hand goes along, and an installation puts it where the chapters look.

Both are CC BY 4.0, so they may be passed on with their source named; the pack's README.txt names it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from recsys_lab import doctor


def at_hand() -> dict[str, Path]:
    """Those of the real logs that are on this computer: their places below a folder of logs, and their files."""
    places = doctor.data_places()
    found = {}
    for name, place in doctor.LOGS.items():
        if file := next((path for path in places[name] if path.is_file()), None):
            found[place] = file
    return found


def keep(folder: Path) -> list[Path]:
    """Copy the logs of a pack into the cache, where the chapters look first; those that are there stay."""
    kept = []
    for name, place in doctor.LOGS.items():
        file, cached = folder / place, doctor.data_places()[name][-1]
        if file.is_file() and not cached.is_file():
            cached.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, cached)
            kept.append(cached)
    return kept


if __name__ == "__main__":
    for path in keep(Path(sys.argv[1])):
        print(f"A real log is now in the cache: {path}")
