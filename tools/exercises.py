"""All exercises of the course on one page, docs/exercises.md: python -m tools.exercises [--check].

What an exercise trains, how hard it is and how long it takes stands where it is declared (recsys_lab/exercises), its
title in the chapter's source, and what is taught beside it in tools/exercises.toml. Both calls say what is wrong with
the set: an exercise without a declaration, a chapter that gets easier, a concept that nobody practises and nobody
excuses.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_lab.exercises import chapter
from tools.chapters.project import Project
from tools.chapters.source import Chapter, load

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "exercises.md"
CONCEPTS = ROOT / "tools" / "exercises.toml"
DIFFICULTIES = {
    1: ("follow", "the text says every step; it has to be written down"),
    2: ("adapt", "a formula has to become arrays, or something that was shown has to be changed; there is a trap"),
    3: ("invent", "the way has to be found, or there are several traps at once"),
}
TITLE = re.compile(r"^#{2,4} Exercise (\d+): (.+)$", re.MULTILINE)
INTRO = """\
# The exercises

Made by `python -m tools.exercises`; a test says when it is stale. An exercise is a cell with blanks (`____`) that
answers back: `exercise[1].check()` says right, not yet and why, or not attempted. *Known wrong* counts the wrong
answers for which it has words of their own; each of them is tried by the tests, and so are small changes of the
solution. Minutes are what to plan for in a room in which people type; nobody has held a stopwatch to them yet.
"""


@dataclass(frozen=True)
class Row:
    """An exercise as the page shows it."""

    chapter: str
    number: int
    title: str
    difficulty: int
    minutes: int
    trains: str
    hints: int
    wrong: int

    @property
    def ref(self) -> str:
        """How tools/exercises.toml names it."""
        return f"{self.chapter}/{self.number}"


@dataclass(frozen=True)
class Concept:
    """Something that a chapter teaches, and what practises it: exercises (05/2) and questions (05/q2)."""

    taught: str
    name: str
    practised: tuple[str, ...]
    why: str = ""


def titles(source: Chapter) -> dict[int, str]:
    """The headings of a chapter's exercises by number; a `ValueError` where a cell has no heading."""
    text = "\n".join(cell.learner for cell in source.cells if cell.kind == "markdown")
    found = {int(number): title.strip() for number, title in TITLE.findall(text)}
    missing = [number for number in source.exercises() if int(number) not in found]
    if missing:
        raise ValueError(f"{source.name}: no heading '### Exercise {missing[0]}: …' above the cell of the exercise")
    return found


def rows(sources: Sequence[Chapter]) -> list[Row]:
    """All exercises, in the order of the course."""
    made = []
    for source in sources:
        number, heading = source.name[:2], titles(source)
        for at, task in enumerate(chapter(number) if source.exercises() else (), start=1):
            one = task.exercise
            counts = len(one.hints), len(one.wrong)
            made.append(Row(number, at, heading[at], one.difficulty, one.minutes, one.trains, *counts))
    return made


def concepts(text: str) -> tuple[list[Concept], dict[str, str]]:
    """What is taught, and the chapters that may get easier, with the reason."""
    told: dict[str, Any] = tomllib.loads(text)
    made = [Concept(**{**one, "practised": tuple(one["practised"])}) for one in told["concept"]]
    return made, told.get("falls", {})


def problems(
    exercises: Sequence[Row], taught: Sequence[Concept], falls: Mapping[str, str], questions: Mapping[str, int]
) -> list[str]:
    """What is wrong with the set, in words. `questions` is how many questions each chapter has."""
    wrong = []
    for row in exercises:
        if row.difficulty not in DIFFICULTIES or row.minutes < 1 or not row.trains:
            wrong.append(f"{row.ref}: declare difficulty (1, 2, 3), minutes and trains in recsys_lab/exercises")
    for name in dict.fromkeys(row.chapter for row in exercises):
        levels = [row.difficulty for row in exercises if row.chapter == name]
        fallen = levels != sorted(levels) or levels[0] != 1
        if fallen and name not in falls:
            order = " ".join(map(str, levels))
            wrong.append(f"chapter {name}: the order is {order}; begin with an easy one, then rise, or say why not")
        if name in falls and not fallen:
            wrong.append(f"chapter {name}: its order rises now, so its line under [falls] can go")
    known = {row.ref for row in exercises}
    known |= {f"{name}/q{number}" for name, count in questions.items() for number in range(1, count + 1)}
    named = {ref for one in taught for ref in one.practised}
    wrong += [f"tools/exercises.toml: there is no {ref}" for ref in sorted(named - known)]
    wrong += [f"tools/exercises.toml: {ref} practises no concept" for ref in sorted(known - named)]
    silent = [one.name for one in taught if not one.practised and not one.why]
    wrong += [f"tools/exercises.toml: '{name}' is not practised, and has no `why`" for name in silent]
    return wrong


def page(
    sources: Sequence[Chapter], exercises: Sequence[Row], taught: Sequence[Concept], falls: Mapping[str, str]
) -> str:
    """The whole of docs/exercises.md."""
    hours = sum(row.minutes for row in exercises) / 60
    lines = [INTRO, "| difficulty | in a word | what it means |", "|---|---|---|"]
    lines += [f"| {level} | {word} | {means} |" for level, (word, means) in DIFFICULTIES.items()]
    lines += ["", f"{len(exercises)} exercises in {len(sources)} chapters, about {hours:.0f} hours in all.", ""]
    for source in sources:
        own = [row for row in exercises if row.chapter == source.name[:2]]
        if not own:
            continue
        levels = " · ".join(str(row.difficulty) for row in own)
        minutes = sum(row.minutes for row in own)
        lines += [
            f"## {source.name[:2]} {source.card.title}",
            "",
            f"{minutes} minutes; difficulty {levels}; {len(chapter(source.name[:2]).question)} questions at the end.",
            "",
            "| number | exercise | trains | difficulty | minutes | hints | known wrong |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {row.number} | {row.title} | {row.trains} | {row.difficulty} {DIFFICULTIES[row.difficulty][0]}"
            f" | {row.minutes} | {row.hints} | {row.wrong} |"
            for row in own
        ]
        if source.name[:2] in falls:
            lines += ["", f"The order does not only rise: {falls[source.name[:2]]}."]
        lines.append("")
    return "\n".join(lines + taught_lines(taught)) + "\n"


def taught_lines(taught: Sequence[Concept]) -> list[str]:
    """What is practised where, what in several chapters, and what nowhere."""
    lines = [
        "## Taught and practised",
        "",
        "An exercise is written 05/2 (the second of chapter 05), a question 05/q2.",
        "",
        "| taught in | concept | practised by |",
        "|---|---|---|",
    ]
    lines += [f"| {one.taught} | {one.name} | {', '.join(one.practised) or 'nothing'} |" for one in taught]
    lines += ["", "### Practised in more than one chapter", ""]
    for one in taught:
        if len({ref[:2] for ref in one.practised}) > 1:
            lines.append(f"- {one.name}: {', '.join(one.practised)}")
    lines += ["", "### Taught, and practised nowhere", ""]
    lines += [f"- {one.taught}, {one.name}: {one.why}." for one in taught if not one.practised]
    return lines


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with --check say whether it is up to date; 1 where something is wrong."""
    if unknown := [one for one in arguments if one != "--check"]:
        print(f"python -m tools.exercises [--check]; there is no {unknown[0]}")
        return 2
    sources = load(Project(ROOT))
    exercises = rows(sources)
    taught, falls = concepts(CONCEPTS.read_text(encoding="utf-8"))
    questions = {name: len(chapter(name).question) for name in dict.fromkeys(row.chapter for row in exercises)}
    wrong = problems(exercises, taught, falls, questions)
    if wrong:
        print(*wrong, sep="\n")
        return 1
    made = page(sources, exercises, taught, falls)
    if "--check" not in arguments:
        PAGE.write_text(made, encoding="utf-8")
        print(f"{PAGE.relative_to(ROOT).as_posix()}: {len(exercises)} exercises")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
        print("docs/exercises.md is stale: run python -m tools.exercises")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
