"""The commands: build, check, new, clean-copy, address."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.chapters.project import NAME, ChapterError, Project

TEMPLATE = Path(__file__).with_name("template.txt")
EXERCISES = Path(__file__).with_name("template_exercises.txt")


def main(arguments: list[str] | None = None, project: Project | None = None) -> int:
    """Do what the command line says; 0 when it went well, 1 when something is wrong with the chapters."""
    given = _parser().parse_args(arguments)
    project = project or Project(Path(__file__).resolve().parents[2])
    try:
        return COMMANDS[given.command](project, given)
    except ChapterError as error:
        print(*(f"error: {line}" for line in error.problems), sep="\n", file=sys.stderr)
        return 1


def _build(project: Project, given: argparse.Namespace) -> int:
    from tools.chapters.build import build

    print(*build(project, force=given.force).lines(), sep="\n")
    return _check(project, given)  # what cannot be mended by building is said now, not by a test later


def _check(project: Project, _: argparse.Namespace) -> int:
    from tools.chapters.check import check

    problems = check(project)
    print(*problems, sep="\n", file=sys.stderr) if problems else print(f"{len(project.names())} chapters are in order.")
    return 1 if problems else 0


def _new(project: Project, given: argparse.Namespace) -> int:
    name: str = given.name
    if not NAME.fullmatch(name):
        raise ChapterError([f"{name!r} is no chapter's name: two digits and words in small letters, as 03_next_click"])
    taken = [other for other in project.names() if other[:2] == name[:2]]
    if taken:
        raise ChapterError([f"the number {name[:2]} is taken by {taken[0]}"])
    path = project.sources / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = TEMPLATE.read_text(encoding="utf-8").replace("NUMBER", name[:2])
    path.write_text(text.replace("TITLE", name[3:].replace("_", " ").capitalize()), encoding="utf-8", newline="\n")
    exercises = project.root / project.package / "exercises" / f"chapter_{name[:2]}.py"
    if not exercises.exists():  # somebody may have written them first
        exercises.parent.mkdir(parents=True, exist_ok=True)
        text = EXERCISES.read_text(encoding="utf-8").replace("NUMBER", name[:2])
        exercises.write_text(text, encoding="utf-8", newline="\n")
    print(f"Write the chapter in {project.where(path)}, its exercises in {project.where(exercises)};", end=" ")
    print("then: make notebooks")
    return 0


def _clean_copy(project: Project, given: argparse.Namespace) -> int:
    from tools.chapters.build import dump
    from tools.chapters.render import Facts, clean_copy, render
    from tools.chapters.source import load

    chapters = load(project)
    chapter = next(chapter for chapter in chapters if chapter.name == project.find(given.name))
    copy = clean_copy(render(project, chapter, chapters, Facts(""), solved=False))
    path = project.root / "build" / "clean" / f"{chapter.name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(copy), encoding="utf-8", newline="\n")
    print(f"wrote {project.where(path)}")
    return 0


def _address(project: Project, given: argparse.Namespace) -> int:
    project.set_address(given.repository, given.branch or project.address()[1])
    given.force = False
    return _build(project, given)


COMMANDS = {"build": _build, "check": _check, "new": _new, "clean-copy": _clean_copy, "address": _address}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.chapters", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="rebuild the notebooks that are stale")
    build.add_argument("--force", action="store_true", help="run every chapter anew")
    commands.add_parser("check", help="say what is stale or wrong; runs nothing")
    new = commands.add_parser("new", help="start a chapter from the template")
    new.add_argument("name", help="two digits and words, for example 03_next_click")
    copy = commands.add_parser("clean-copy", help="headings and code only, into build/clean")
    copy.add_argument("name", help="the chapter's name or number")
    address = commands.add_parser("address", help="change the public address everywhere")
    address.add_argument("repository", help="owner/name")
    address.add_argument("branch", nargs="?", default="", help="a branch or tag; as it is when left out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
