"""The exercises as a set: all declared, in an order that rises, as delivered not attempted, and no solution on show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed (requirements-dev.txt)")

import numpy as np
import pandas as pd

from recsys_lab.datasets import Shop
from recsys_lab.exercises import chapter, chapters
from tools import exercises
from tools.chapters.project import Project
from tools.chapters.source import Cell, Chapter, load, parse

SOURCES = {source.name[:2]: source for source in load(Project(exercises.ROOT))}
CELLS = [(name, int(number)) for name, source in SOURCES.items() for number in source.exercises()]
ROW = exercises.Row("00", 1, "a rate", 1, 5, "to divide", 2, 3)
CONCEPT = exercises.Concept("00", "a rate", ("00/1",))


def cell_of(name: str, number: int) -> Cell:
    return SOURCES[name].exercises()[str(number)]


def ran(code: str, shop: Shop) -> dict[str, Any]:
    namespace: dict[str, Any] = {"np": np, "pd": pd, "shop": shop}
    exec(compile("from recsys_lab.exercises import ____", "the first cell", "exec"), namespace)
    exec(compile(code, "the learner's cell", "exec"), namespace)
    return namespace


# -- the set as it is


def test_the_page_is_up_to_date_and_nothing_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert exercises.main(["--check"]) == 0, capsys.readouterr().out


def test_each_declared_exercise_has_its_cell_and_each_cell_its_exercise() -> None:
    assert [(name, number) for name in chapters() for number in range(1, len(chapter(name)) + 1)] == CELLS


def test_each_question_is_shown_and_asked_in_its_chapter() -> None:
    for name, source in SOURCES.items():
        code = "\n".join(cell.learner for cell in source.cells if cell.kind == "code")
        for number in range(1, len(chapter(name).question) + 1):
            assert f"exercise.question[{number}].show()" in code
            assert f"exercise.question[{number}].answer(____)" in code


def test_the_solved_chapter_answers_each_question_right(capsys: pytest.CaptureFixture[str]) -> None:
    for name, source in SOURCES.items():
        solved = "\n".join(cell.solved for cell in source.cells if cell.kind == "code")
        for number in range(1, len(chapter(name).question) + 1):
            letter = solved.partition(f'exercise.question[{number}].answer("')[2][:1]
            assert chapter(name).question[number].answer(letter).kind == "right", (name, number)
    capsys.readouterr()


@pytest.mark.parametrize(("name", "number"), CELLS)
def test_the_cell_as_delivered_is_not_attempted_and_the_solved_one_is_right(name: str, number: int, shop: Shop) -> None:
    task, cell = chapter(name)[number], cell_of(name, number)
    assert task.check(ran(cell.learner, shop)).kind == "not attempted"
    verdict = task.check(ran(cell.solved, shop))
    assert verdict.kind == "right", verdict.message


@pytest.mark.parametrize("name", chapters())
def test_no_learner_notebook_shows_a_line_of_a_solution(name: str) -> None:
    """Neither in a cell nor in what a cell has printed. Lines that are shorter than twelve letters say nothing."""
    found = list((exercises.ROOT / "notebooks").glob(f"{name}_*.ipynb"))
    assert len(found) == 1
    shown = texts(json.loads(found[0].read_text(encoding="utf-8")))
    lines = {line.strip() for source in SOURCES[name].exercises().values() for line in source.removed}
    for line in sorted(line for line in lines if len(line) >= 12):
        assert line not in shown, line


def texts(notebook: dict[str, Any]) -> str:
    """All that a notebook shows as text: cells and outputs."""
    parts = []
    for cell in notebook["cells"]:
        parts.append("".join(cell["source"]))
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            held = [output.get("text"), data.get("text/plain"), data.get("text/html")]
            parts += ["".join(text) for text in held if text]
    return "\n".join(parts)


def test_the_look_for_solutions_reads_cells_and_outputs() -> None:
    outputs = [{"text": ["said"]}, {"data": {"text/plain": ["shown"], "image/png": "x"}}]
    cells = [{"source": ["a = 1\n", "b"], "outputs": outputs}, {"source": "prose"}]
    assert texts({"cells": cells}) == "a = 1\nb\nsaid\nshown\nprose"


def test_hints_give_away_no_whole_cell_and_only_the_last_may_say_the_last_line() -> None:
    for name, number in CELLS:
        bare = [line.strip().removeprefix("return ") for line in cell_of(name, number).removed]
        lines = [line.partition(" = ")[2] or line for line in bare]
        hints = chapter(name)[number].exercise.hints
        if len(lines) > 1:
            assert not any(all(line in hint for line in lines) for hint in hints), (name, number)
        assert not any(lines[-1] in hint for hint in hints[:-1] if len(lines[-1]) >= 12), (name, number)


def test_the_numbers_of_the_questions_are_so() -> None:
    assert 1.9 < 100**2 * 2 / 60 / 24 / 7 < 2.1  # weeks, with an exponent of 2
    assert 19 < (32 + (1_000_000 - 40_000) / 20_000 * 24) / 60 < 21  # hours, as if the difference stayed
    assert round(2.3 / 1.8**0.5, 1) == 1.7 and round(1.8**0.5, 1) == 1.3


# -- the rules, on toys


def wrong(rows: list[exercises.Row], *taught: exercises.Concept, falls: dict[str, str] | None = None) -> list[str]:
    return exercises.problems(rows, taught or (CONCEPT,), falls or {}, {"00": 0})


def test_a_set_without_fault() -> None:
    assert wrong([ROW]) == []


@pytest.mark.parametrize("missing", [{"difficulty": 0}, {"difficulty": 4}, {"minutes": 0}, {"trains": ""}])
def test_an_exercise_is_declared(missing: dict[str, Any]) -> None:
    assert "00/1: declare" in wrong([replace(ROW, **missing)])[0]


def test_a_chapter_begins_with_an_easy_one_and_rises() -> None:
    pair = exercises.Concept("00", "a rate", ("00/1", "00/2"))
    for first, second in ((2, 2), (1, 3)):
        rows = [replace(ROW, difficulty=first), replace(ROW, number=2, difficulty=second)]
        said = wrong(rows, pair)
        assert (said == []) == (first == 1), said
    falling = [ROW, replace(ROW, number=2, difficulty=3), replace(ROW, number=3, difficulty=2)]
    triple = exercises.Concept("00", "a rate", ("00/1", "00/2", "00/3"))
    assert "the order is 1 3 2" in wrong(falling, triple)[0]
    assert wrong(falling, triple, falls={"00": "so it is"}) == []
    assert "rises now" in wrong([ROW], falls={"00": "so it is"})[0]


def test_what_is_taught_is_practised_or_says_why_not() -> None:
    assert "'ties' is not practised" in wrong([ROW], CONCEPT, exercises.Concept("00", "ties", ()))[0]
    assert wrong([ROW], CONCEPT, exercises.Concept("00", "ties", (), "no time")) == []
    assert wrong([ROW], replace(CONCEPT, practised=("00/1", "00/7"))) == ["tools/exercises.toml: there is no 00/7"]
    assert wrong([ROW], exercises.Concept("00", "ties", (), "none"))[0].endswith("00/1 practises no concept")


def chapter_of(heading: str) -> Chapter:
    card = '# %% [markdown] tags=["card"]\n# title: A\n# question: B\n# method: C\n# minutes: 5\n# needs: D\n\n'
    cell = '# %% [markdown]\n# ## Build it\n#\n# {}\n\n# %% tags=["exercise-1"]\nx = 1  #= x = ____\n'
    return parse("00_toy", card + cell.format(heading))


def test_an_exercise_has_a_heading_with_its_number() -> None:
    assert exercises.titles(chapter_of("### Exercise 1: a rate")) == {1: "a rate"}
    with pytest.raises(ValueError, match="no heading '### Exercise 1"):
        exercises.titles(chapter_of("### Exercise 2: a rate"))


def test_a_stale_page_is_seen_and_a_wrong_word_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exercises, "PAGE", tmp_path / "exercises.md")
    assert exercises.main(["--check"]) == 1
    (tmp_path / "exercises.md").write_text("old", encoding="utf-8")
    assert exercises.main(["--check"]) == 1
    assert "is stale" in capsys.readouterr().out
    assert exercises.main(["--chekc"]) == 2
    assert "there is no --chekc" in capsys.readouterr().out
