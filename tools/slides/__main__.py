"""The command: python -m tools.slides [00 01 …] [--out build/slides]."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tools.chapters import render
from tools.chapters.project import ChapterError, Project
from tools.chapters.source import load


def main(arguments: list[str] | None = None, project: Project | None = None) -> int:
    """Build decks; 0 when it went well."""
    project = project or Project(Path(__file__).resolve().parents[2])
    given = _parser().parse_args(arguments)
    out = given.out or project.root / "build" / "slides"
    try:
        build(project, given.chapters, out)
    except ChapterError as error:
        print(*(f"error: {line}" for line in error.problems), sep="\n", file=sys.stderr)
        return 1
    return 0


def build(project: Project, names: list[str], out: Path) -> None:
    """Write the decks of the chapters that are named, or of all of them, and the page that lists them."""
    from tools.slides import deck, page

    chapters = load(project)
    wanted = {project.find(name): True for name in names} if names else None

    def read(name: str) -> Any:
        notebook = render.read(project.notebook(name))
        if notebook is None:
            where = project.where(project.notebook(name))
            raise ChapterError([f"{where} is missing or no notebook; slides show its outputs: make notebooks"])
        return notebook

    made = page.write(deck.decks(chapters, read, wanted), out)
    for one in made:
        print(f"{one.chapter.name}: {len(one.slides)} slides, {len(one.charts)} charts")
        if one.without_output:
            count = len(one.without_output)
            print(f"  {count} of its cells are newer than the notebook and have no output here: make notebooks")
    if wanted is None:
        page.write_index(made, out)
    print(f"wrote {out / 'index.html' if wanted is None else out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.slides", description=__doc__)
    parser.add_argument("chapters", nargs="*", metavar="NN", help="numbers or names of chapters; all when left out")
    parser.add_argument("--out", type=Path, help="the folder (build/slides)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
