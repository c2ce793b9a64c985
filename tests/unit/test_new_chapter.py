"""`make chapter` from its first line to its last: in a copy of the course, a chapter is started, built and checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed (requirements-dev.txt)")
pytest.importorskip("nbclient", reason="nbclient is not installed (requirements-dev.txt)")
pytest.importorskip("ipykernel", reason="ipykernel is not installed (requirements.txt)")

ROOT = Path(__file__).resolve().parents[2]
NAME = "11_my_chapter"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, the tools and the shop, without the chapters that there are."""
    copy = tmp_path_factory.mktemp("course")
    leave = shutil.ignore_patterns("__pycache__", "notebooks")
    for folder in ("recsys_lab", "tools", "data"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=leave)
    for file in ("pyproject.toml", "Makefile", "README.md"):
        shutil.copy(ROOT / file, copy / file)
    return copy


def chapters(course: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the chapters, as make calls it, in the copy."""
    return subprocess.run(
        [sys.executable, "-m", "tools.chapters", *arguments],
        cwd=course,
        env={**os.environ, "PYTHONPATH": str(course)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_hands_the_name_on(course: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    call = ["make", "-n", "chapter", f"NAME={NAME}"]
    said = subprocess.run(call, cwd=course, capture_output=True, text=True, check=True).stdout
    assert f'-m tools.chapters new "{NAME}"' in said
    nameless = subprocess.run(["make", "-n", "chapter"], cwd=course, capture_output=True, text=True, check=False)
    assert nameless.returncode != 0
    assert "Give the name of the chapter: make chapter NAME=" in nameless.stderr


@pytest.mark.slow
def test_a_chapter_is_started_built_and_in_order(course: Path) -> None:
    started = chapters(course, "new", NAME)
    assert started.returncode == 0, started.stderr
    files = [course / "notebooks" / "src" / f"{NAME}.py", course / "recsys_lab" / "exercises" / "chapter_11.py"]
    assert all(file.is_file() and file.relative_to(course).as_posix() in started.stdout for file in files)
    unbuilt = chapters(course, "check")
    assert unbuilt.returncode == 1 and "make notebooks" in unbuilt.stderr

    built = chapters(course, "build")
    assert built.returncode == 0, built.stderr
    assert f"ran {NAME}" in built.stdout and "1 chapters are in order" in built.stdout
    assert chapters(course, "check").returncode == 0
    learner = (course / "notebooks" / f"{NAME}.ipynb").read_text(encoding="utf-8")
    assert "Not attempted" in learner and "share = ____" in learner

    again = chapters(course, "new", NAME)
    assert again.returncode == 1 and "is taken by" in again.stderr


@pytest.mark.slow
def test_what_is_started_is_in_good_style_and_its_exercise_answers(course: Path) -> None:
    source, exercises = (
        course / "notebooks" / "src" / f"{NAME}.py",
        course / "recsys_lab" / "exercises" / "chapter_11.py",
    )
    if not source.exists():
        assert chapters(course, "new", NAME).returncode == 0
    if shutil.which("ruff") or (Path(sys.executable).parent / "ruff").exists():
        for verb in (["check"], ["format", "--check"]):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *verb, str(exercises)],
                cwd=course,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout
    code = (
        "from recsys_lab.datasets import load_shop\n"
        "from recsys_lab.exercises import chapter\n"
        "shop = load_shop()\n"
        'clicks = shop.events[shop.events["event_type"] == "clicked_on"]\n'
        "one = chapter('11')[1]\n"
        "right = {'share': len(clicks) / len(shop.events), 'shop': shop}\n"
        "assert one.check(right).kind == 'right'\n"
        "import recsys_lab.exercises.chapter_11 as module\n"
        "for wrong in module.SHARE.wrong:\n"
        "    values = {'shop': shop, 'clicks': clicks}\n"
        "    exec(wrong.code, values)\n"
        "    verdict = one.check(values)\n"
        "    assert verdict.kind == 'not yet' and wrong.says in verdict.message, verdict.message\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=course,
        env={**os.environ, "PYTHONPATH": str(course)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
