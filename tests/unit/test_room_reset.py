"""Back to the start: what is left alone, what is kept aside, and from where the start comes."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed (requirements-dev.txt)")

import nbformat
from typer.testing import CliRunner

from recsys_lab.cli import app
from recsys_lab.room import RoomError, find_chapters, start
from recsys_lab.room import reset as back
from tools.chapters import render

ROOT = Path(__file__).resolve().parents[2]
NAME = "00_start_here.ipynb"
NOW = datetime(2026, 11, 22, 9, 30, 5)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A folder of notebooks with the first chapter, as a ZIP download has it: no git history."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    made = nbformat.read(ROOT / "notebooks" / NAME, as_version=4)
    nbformat.write(render.seal(made), notebooks / NAME)  # whatever is being worked on in the repository itself
    return notebooks


def work(path: Path, **cells: str) -> None:
    """Do as a learner does: write in cells and run one."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.id.replace("-", "_") in cells:
            cell.source = cells[cell.id.replace("-", "_")]
        if cell.id == "colab":
            cell.execution_count = 99
    nbformat.write(notebook, path)


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def test_the_seal_is_the_one_of_the_tools() -> None:
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = render.read(path)
        assert start.seal_of(notebook) == render.made_hash(notebook)
        assert start.is_delivered(notebook) == render.intact(notebook)


def test_an_untouched_notebook_is_left_alone(course: Path) -> None:
    before = (course / NAME).stat().st_mtime_ns
    (only,) = back.plan(["00"], course)
    assert (only.state, only.start) == ("as delivered", None)
    assert back.reset([only], NOW) is None
    assert (course / NAME).stat().st_mtime_ns == before
    assert [path.name for path in course.iterdir()] == [NAME]


def test_answers_are_kept_and_the_notebook_is_as_it_was(course: Path) -> None:
    delivered = (course / NAME).read_bytes()
    assert back.keep_copies(course) == [NAME]
    assert back.keep_copies(course) == []
    work(course / NAME, exercise_1="click_rate = 0.0321", a050f80c="exercise.question[2].answer('b')")
    worked = (course / NAME).read_bytes()

    (only,) = back.plan(["00"], course)
    assert only.state == "changed" and "exercise 1" in only.line()
    assert (course / NAME).read_bytes() == worked, "to plan changes nothing"

    kept = back.reset([only], NOW)
    assert kept == course / "answers-2026-11-22-093005"
    assert (kept / NAME).read_bytes() == worked
    assert (course / NAME).read_bytes() == delivered
    text = (kept / "00_start_here_answers.py").read_text()
    assert "# %% exercise-1\nclick_rate = 0.0321\n" in text
    assert "# %% exercise-2 (not attempted)\n" in text
    assert back.plan(["00"], course)[0].state == "as delivered"


def test_a_second_reset_in_the_same_second_writes_beside(course: Path) -> None:
    back.keep_copies(course)
    for number, answer in enumerate(("one", "two", "three"), 1):
        work(course / NAME, exercise_1=f"click_rate = '{answer}'")
        kept = back.reset(back.plan([], course), NOW)
        assert kept is not None and kept.name == "answers-2026-11-22-093005" + ("" if number == 1 else f"-{number}")
    texts = [(path / "00_start_here_answers.py").read_text() for path in sorted(course.glob("answers-*"))]
    assert [answer in text for text, answer in zip(texts, ("one", "two", "three"), strict=True)] == [True] * 3


def test_run_and_not_written_in(course: Path) -> None:
    back.keep_copies(course)
    work(course / NAME)
    (only,) = back.plan([], course)
    assert only.state == "run" and "nothing was written" in only.line()
    assert back.reset([only], NOW) is not None


def test_new_and_removed_cells_are_told_and_kept(course: Path) -> None:
    back.keep_copies(course)
    notebook = nbformat.read(course / NAME, as_version=4)
    del notebook.cells[3]
    notebook.cells.append(nbformat.v4.new_code_cell("my_own = 'idea'"))
    nbformat.write(notebook, course / NAME)
    (only,) = back.plan([], course)
    assert only.cells[-1] == "1 removed" and len(only.cells) == 2
    kept = back.reset([only], NOW)
    assert kept is not None
    assert "# %% new\nmy_own = 'idea'" in (kept / "00_start_here_answers.py").read_text()


def test_missing_comes_back(course: Path) -> None:
    back.keep_copies(course)
    (course / "solutions").mkdir()
    shutil.copy(ROOT / "notebooks" / "solutions" / NAME, course / "solutions")
    delivered = (course / NAME).read_bytes()
    (course / NAME).unlink()
    (only,) = back.plan([], course)
    assert only.state == "missing"
    assert back.reset([only], NOW) is None, "there was nothing to keep"
    assert (course / NAME).read_bytes() == delivered


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b'{"cells": 3}', b"\xff\xfe", b'{"nbformat": 4}'])
def test_a_file_that_is_no_notebook_is_kept_as_it_is(course: Path, text: bytes) -> None:
    back.keep_copies(course)
    (course / NAME).write_bytes(text)
    (only,) = back.plan([], course)
    assert only.state in ("unreadable", "changed")
    kept = back.reset([only], NOW)
    assert kept is not None and (kept / NAME).read_bytes() == text
    assert start.is_delivered(start.read((course / NAME).read_bytes()))


def test_git_gives_the_last_version_as_delivered_even_when_answers_were_committed(course: Path) -> None:
    delivered = (course / NAME).read_bytes()
    git(course.parent, "init", "-q")
    git(course.parent, "add", "-A")
    git(course.parent, "commit", "-qm", "delivered")
    work(course / NAME, exercise_1="click_rate = 1")
    git(course.parent, "commit", "-qam", "my answers")
    found = start.find_start(course / NAME)
    assert found.text == delivered and found.source.startswith("git, commit ")


def test_without_git_and_copies_it_is_made_from_the_source(course: Path) -> None:
    root = course.parent
    for name in ("tools", "data", "recsys_lab", "pyproject.toml"):
        (root / name).symlink_to(ROOT / name)
    (course / "src").symlink_to(ROOT / "notebooks" / "src")
    (course / "solutions").symlink_to(ROOT / "notebooks" / "solutions")
    found = start.find_start(course / NAME)
    made = start.read(found.text)
    assert "without outputs" in found.source and start.is_delivered(made)
    solved = start.read((ROOT / "notebooks" / "solutions" / NAME).read_bytes())
    assert start.stated_seconds(made) == start.stated_seconds(solved)
    assert any("____" in cell.source for cell in made.cells if cell.id == "exercise-1")


def test_no_start_anywhere_says_what_to_do(course: Path) -> None:
    work(course / NAME)
    with pytest.raises(RoomError, match="pip install jupytext"):
        back.plan([], course)
    assert not list(course.glob("answers-*"))


def test_the_live_shop_is_moved_aside_and_never_over_another(tmp_path: Path) -> None:
    places = []
    for text in ("first", "second"):
        (tmp_path / ".shop").mkdir()
        (tmp_path / ".shop" / "live.db").write_text(text)
        places.append(back.reset_shop(tmp_path / ".shop", NOW))
    assert [place.name for place in places] == [".shop-2026-11-22-093005", ".shop-2026-11-22-093005-2"]
    assert [(place / "live.db").read_text() for place in places] == ["first", "second"]
    assert not (tmp_path / ".shop").exists()


def test_chapters_by_number_name_and_path(course: Path) -> None:
    for wanted in ("00", "00_start_here", "notebooks/00_start_here.ipynb"):
        assert find_chapters([wanted], course) == [course / NAME]
    with pytest.raises(RoomError, match=r"no chapter '99'; there are 00"):
        find_chapters(["99"], course)
    with pytest.raises(RoomError, match="no chapters"):
        find_chapters([], course / "nowhere")


def test_the_command_is_a_dry_run_by_default(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    back.keep_copies(course)
    work(course / NAME, exercise_1="click_rate = 2")
    monkeypatch.setattr("recsys_lab.room.reset.plan", lambda wanted: [back._plan(course / NAME)])
    said = CliRunner().invoke(app, ["reset", "--chapter", "00"])
    assert said.exit_code == 0 and "dry run" in said.stdout and "exercise 1" in said.stdout
    assert not list(course.glob("answers-*"))
    said = CliRunner().invoke(app, ["reset", "--chapter", "00", "--yes"])
    assert said.exit_code == 0 and len(list(course.glob("answers-*"))) == 1
    said = CliRunner().invoke(app, ["reset", "--chapter", "00", "--yes"])
    assert "Nothing to do" in said.stdout


def test_the_command_resets_the_shop_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "nothing" in CliRunner().invoke(app, ["reset", "--shop"]).stdout
    (tmp_path / ".shop").mkdir()
    monkeypatch.setattr("recsys_lab.room.preflight.shop_answers", lambda port: True)
    said = CliRunner().invoke(app, ["reset", "--shop", "--yes"])
    assert said.exit_code == 1 and "stop it" in said.output and (tmp_path / ".shop").is_dir()
    monkeypatch.setattr("recsys_lab.room.preflight.shop_answers", lambda port: False)
    assert "dry run" in CliRunner().invoke(app, ["reset", "--shop"]).stdout and (tmp_path / ".shop").is_dir()
    said = CliRunner().invoke(app, ["reset", "--shop", "--yes"])
    assert said.exit_code == 0 and len(list(tmp_path.glob(".shop-*"))) == 1, said.output
    assert "00_start_here" not in said.stdout


@pytest.mark.parametrize("options", [["--chapter", "99"], ["--chapter", "zz"]])
def test_an_unknown_chapter_is_one_line(options: list[str]) -> None:
    said = CliRunner().invoke(app, ["reset", *options])
    assert said.exit_code == 1 and said.output.startswith("error: there is no chapter") and said.output.count("\n") == 1


def test_metadata_alone_do_not_count(course: Path) -> None:
    """JupyterLab writes metadata of its own when it saves."""
    kept = json.loads((course / NAME).read_text())
    kept["metadata"]["toc"] = {"open": True}
    (course / NAME).write_text(json.dumps(kept, indent=2))
    assert back.plan([], course)[0].state == "as delivered"
