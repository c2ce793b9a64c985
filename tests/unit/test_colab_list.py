"""Colab's list of packages: the dated copies, what a newer list changes, and what of that stops the course."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed (requirements-dev.txt)")

from recsys_lab import colab
from tools import colab_imitation, colab_list
from tools.colab_list import Listing, main, parse

COPIES = sorted(colab_imitation.COPIES.glob("*"))
CURRENT = parse(colab_imitation.newest().read_text(encoding="utf-8"))
CONFLICT = """\
ERROR: Cannot install gensim==4.4.0 because these package versions have conflicting dependencies.
ERROR: ResolutionImpossible: for help visit a page
"""
NO_INDEX = """\
ERROR: Could not find a version that satisfies the requirement gensim<5,>=4.4 (from versions: none)
ERROR: No matching distribution found for gensim<5,>=4.4
"""


def changed(**versions: str) -> Listing:
    """The newest copy with other versions; "" takes a package out."""
    kept = {**CURRENT.versions, **{name.replace("_", "-"): version for name, version in versions.items()}}
    return Listing({name: version for name, version in kept.items() if version})


# -- the copies


@pytest.mark.parametrize("copy", COPIES, ids=[path.name for path in COPIES])
def test_a_copy_is_dated_and_says_what_it_is(copy: Path) -> None:
    assert re.fullmatch(r"packages-\d{4}-\d{2}\.txt", copy.name)
    text = copy.read_text(encoding="ascii")  # pip reads it with whatever encoding a system has
    head = [line for line in text.splitlines() if line.startswith("#")]
    rest = text.splitlines()[len(head) :]
    assert "Runtime: Python 3." in text and copy.name in head[0] and "Copied" in text
    assert [line for line in rest if not re.fullmatch(r"[A-Za-z0-9][\w.-]*==[\w.+!-]+", line)] == []
    assert re.search(r"://|/home|/root|/work|/tmp", text) is None
    assert len(parse(text).versions) == len(rest) > 400


def test_the_course_fits_the_newest_copy() -> None:
    assert list(colab_list.problems(CURRENT)) == []
    assert list(colab_list.advice(CURRENT)) == []
    assert {"numpy", "altair", "pillow", "pyspark"} <= colab_list.touched() & CURRENT.versions.keys()


# -- what a newer list changes


def test_what_came_went_and_changed() -> None:
    new = changed(altair="5.5.1", absl_py="", zzz="1")
    assert [str(one) for one in colab_list.changes(CURRENT, new)] == [
        f"absl-py {CURRENT.versions['absl-py']} went",
        f"altair {CURRENT.versions['altair']} -> 5.5.1",
        "zzz 1 came",
    ]
    assert list(colab_list.problems(new)) == []


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"altair": "7.0.1"}, "altair 7.0.1: pyproject.toml asks for <7,>=5.5"),
        ({"numpy": "1.26.4"}, "numpy 1.26.4: pyproject.toml asks for <3,>=2.0"),
        ({"scikit_learn": "2.0"}, "scikit-learn 2.0: pyproject.toml asks for <2,>=1.6"),
        ({"pooch": ""}, "pooch is not there any more: recsys_lab.colab.LACKING has to name it"),
        ({"ipykernel": ""}, "ipykernel is not there any more: tools.colab_imitation.SHIPPED must not name it"),
        ({"gensim": "3.8"}, "gensim 3.8: pyproject.toml asks for <5,>=4.4"),
    ],
)
def test_what_stops_the_course_is_named(versions: dict[str, str], said: str) -> None:
    assert said in list(colab_list.problems(changed(**versions)))


def test_what_colab_ships_now_need_not_be_installed() -> None:
    assert list(colab_list.advice(changed(gensim="4.4.0", qdrant_client="1.20.0"))) == [
        "gensim is shipped now (4.4.0): recsys_lab.colab need not name it",
        "qdrant-client is shipped now (1.20.0): recsys_lab.colab need not name it",
    ]


def test_what_has_an_address_is_neither_there_nor_gone() -> None:
    text = CURRENT.text().replace(f"pooch=={CURRENT.versions['pooch']}", "pooch @ file:///somewhere/pooch.whl")
    new = parse(text)
    assert new.addressed == ["pooch"]
    assert colab_list.changes(CURRENT, new) == []
    assert list(colab_list.problems(new)) == []


def test_another_file_is_no_list() -> None:
    with pytest.raises(ValueError, match=r"README.md: no line is name==version; it has to be what pip freeze prints"):
        parse("# A heading\n\nSome == prose, numpy>=2\n", "README.md")


# -- what pip says


Pip = Callable[..., list[list[str]]]


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    """Pretends that pip found these packages, or that it ended with these words; returns the calls."""

    def pretend(*found: tuple[str, str], stderr: str = "") -> list[list[str]]:
        calls: list[list[str]] = []
        install = ", ".join(f'{{"metadata": {{"name": "{name}", "version": "{version}"}}}}' for name, version in found)

        def run(call: list[str], **_: object) -> subprocess.CompletedProcess[str]:
            calls.append(call)
            Path(call[call.index("--report") + 1]).write_text(f'{{"install": [{install}]}}', encoding="utf-8")
            return subprocess.CompletedProcess(call, 1 if stderr else 0, "", stderr)

        monkeypatch.setattr(colab_list.subprocess, "run", run)
        return calls

    monkeypatch.setattr(colab_list, "python313", lambda: "python3.13")
    return pretend


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "new.txt"
    path.write_text(CURRENT.text(), encoding="utf-8")
    return path


def test_pip_is_asked_dry_with_everything_held(pip: Pip, listed: Path) -> None:
    calls = pip(("Gensim", "4.4.0"), ("numpy", CURRENT.versions["numpy"]))
    one = colab_list.resolve(listed, ["gensim>=4.4,<5"], "all")
    assert one == colab_list.Resolved("all", ["gensim 4.4.0"])
    assert calls[0][0] == "python3.13" and "--dry-run" in calls[0] and "--ignore-installed" in calls[0]
    assert calls[0][-3:] == ["--constraint", str(listed), "gensim>=4.4,<5"]


def test_without_colabs_python_pip_is_told_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise colab_imitation.Unlike("there is none")

    monkeypatch.setattr(colab_list, "python313", none)
    call = colab_list._pip("folder")
    assert call[call.index("--python-version") + 1] == "3.13"


def test_a_package_of_colabs_that_would_change_is_a_problem(pip: Pip, listed: Path) -> None:
    pip(("numpy", "2.9.9"))
    assert colab_list.resolve(listed, ["gensim"], "all").problem == "would change numpy"
    pip(stderr=CONFLICT)
    one = colab_list.resolve(listed, ["gensim"], "all")
    assert one.tried and "conflicting dependencies" in one.problem
    pip(stderr=NO_INDEX)
    assert not colab_list.resolve(listed, ["gensim"], "all").tried


def test_chapters_with_the_same_needs_are_asked_for_once(pip: Pip, listed: Path) -> None:
    calls = pip()
    said = [one.chapters for one in colab_list.resolutions(listed)]
    assert said[0] == "chapters all others"
    assert sum(name in " ".join(said) for name in colab.MORE) == len(colab.MORE)
    assert len(calls) == len({colab.needs(chapter) for chapter in ("", *colab.MORE)})


# -- the command


def test_the_command(pip: Pip, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "new.txt"
    new.write_text(changed(altair="5.5.1", absl_py="").text() + "torch @ https://a/b.whl\n", encoding="utf-8")
    pip(("gensim", "4.4.0"))
    assert main(["compare", str(new)]) == 0
    said = capsys.readouterr().out
    assert f"2 of {len(CURRENT.versions)} packages came, went or changed, 1 that the course names" in said
    assert "altair" in said and "absl-py" not in said and "not compared: torch" in said
    assert "nothing of Colab's changes; added: gensim 4.4.0" in said and "Nothing in it stops the course." in said
    pip(stderr=NO_INDEX)
    assert main(["compare", str(new), "--all"]) == 0
    said = capsys.readouterr().out
    assert "absl-py" in said and "not tried" in said
    pip(stderr=CONFLICT)
    assert main(["compare", str(new)]) == 1
    assert "WRONG: chapters all others: Cannot install gensim" in capsys.readouterr().out
    assert main(["compare", str(new), "--offline"]) == 0
    assert "not tried (--offline)" in capsys.readouterr().out


def test_slips_end_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "nothing.txt")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert main(["newest"]) == 0
    assert capsys.readouterr().out.startswith("tools/colab/packages-")


def test_a_list_is_adopted(tmp_path: Path) -> None:
    new = parse("numpy==2.1.3\nAltair==5.5.0\ntorch @ https://a/b.whl\n")
    path = colab_list.adopt(new, "the list of today", date(2027, 2, 3), tmp_path)
    assert path == colab_imitation.newest(tmp_path) == tmp_path / "packages-2027-02.txt"
    text = path.read_text(encoding="utf-8")
    assert colab_imitation.plain(text) == "altair==5.5.0\nnumpy==2.1.3\n"
    assert "Runtime: Python 3.13." in text and "Copied on 2027-02-03 from the list of today." in text
    assert "left out here: torch." in text and "://" not in text
