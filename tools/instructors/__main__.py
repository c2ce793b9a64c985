"""Fill the tables of docs/instructors and INSTRUCTORS.md: python -m tools.instructors [--check | --measure [NN …]].

What stands between `<!-- name -->` and `<!-- /name -->` is made from the chapters' sources, the executed notebooks and
docs/instructors/cuts.toml; all else is written by hand. `--measure` runs the solved chapters and keeps which share of
its seconds each part takes (docs/instructors/seconds.json).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.chapters.project import Project
from tools.instructors.cuts import cut_table, read_cuts
from tools.instructors.parts import ROOT, Taught, read
from tools.instructors.tables import exercises_table, index_table, parts_table
from tools.readme import filled

INDEX = ROOT / "INSTRUCTORS.md"
NOTES = ROOT / "docs" / "instructors"


def pages(chapters: Sequence[Taught]) -> dict[Path, str]:
    """Each page as it should be, its tables made anew. Chapters without notes are left out."""
    made = {}
    for chapter in chapters:
        path = NOTES / f"{chapter.number}.md"
        if path.is_file():
            made[path] = _page(path, {"parts": parts_table(chapter), "exercises": exercises_table(chapter)})
    if INDEX.is_file():
        cuts = {f"cut {cut.name}": cut_table(cut) for cut in read_cuts(chapters)}
        made[INDEX] = _page(INDEX, {"chapters": index_table(chapters)} | cuts)
    return made


def _page(path: Path, parts: dict[str, str]) -> str:
    try:
        return filled(path.read_text(encoding="utf-8"), parts)
    except ValueError as why:
        raise ValueError(str(why).replace("README.md", path.relative_to(ROOT).as_posix())) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables, or with `--check` only say which page is behind."""
    parser = argparse.ArgumentParser(prog="python -m tools.instructors", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a table is not up to date")
    parser.add_argument(
        "--measure", nargs="*", metavar="NN", help="run these chapters, or all, and keep the seconds of parts"
    )
    given = parser.parse_args(arguments)
    if given.measure is not None:
        from tools.instructors.seconds import measure

        measure(Project(ROOT), given.measure)
    behind = 0
    for path, text in pages(read()).items():
        if path.read_text(encoding="utf-8") == text:
            continue
        name = path.relative_to(ROOT).as_posix()
        if given.check:
            print(f"{name}: the tables are not those of the chapters now: python -m tools.instructors", file=sys.stderr)
            behind = 1
        else:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {name}")
    return behind


if __name__ == "__main__":
    sys.exit(main())
