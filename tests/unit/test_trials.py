"""The page that `make test-all` leaves: counts, reasons, what did not run, and nothing of this computer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import trials
from tools.trials import Case

TESTS = """
import pytest

def test_good(): pass
def test_bad(): assert False, "{place}"
@pytest.mark.skip(reason="no server at {place}/socket")
def test_skipped(): pass
@pytest.mark.skip(reason="no server at {place}/socket")
def test_skipped_too(): pass
@pytest.fixture
def broken(): raise ValueError
def test_error(broken): pass
@pytest.mark.xfail
def test_known(): assert False
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports that pytest has written: one with all kinds of ends, one where all is well, one cut short."""
    folder = tmp_path_factory.mktemp("reports")
    (folder / "test_mixed.py").write_text(TESTS.format(place=folder))
    (folder / "test_well.py").write_text("def test_one(): pass")
    for name in ("mixed", "well"):
        call = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={name}.xml"]
        subprocess.run([*call, f"test_{name}.py"], cwd=folder, check=False, capture_output=True)
    (folder / "short.xml").write_text("<testsuites><testsuite>")
    (folder / "empty.xml").write_text("<testsuites><testsuite/></testsuites>")
    return folder


def test_a_report_is_read(folder: Path) -> None:
    cases = trials.read(folder / "mixed.xml")
    assert cases is not None
    assert [(case.name.rpartition("::")[2], case.ended) for case in cases] == [
        ("test_good", "passed"),
        ("test_bad", "failed"),
        ("test_skipped", "skipped"),
        ("test_skipped_too", "skipped"),
        ("test_error", "failed"),
        ("test_known", "skipped"),
    ]
    assert cases[2].why == "no server at …"
    assert trials.read(folder / "short.xml") is None
    assert trials.read(folder / "missing.xml") is None


def test_the_page(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "PAGE", tmp_path / "page.md")
    assert trials.main([str(folder), "well"]) == 0
    assert "- none" in trials.PAGE.read_text(encoding="utf-8")
    assert trials.main([str(folder), "well", "mixed", "short"]) == 1
    text = trials.PAGE.read_text(encoding="utf-8")
    assert "| well | 1 | 0 | 0 | " in text
    assert "| mixed | 1 | 2 | 3 | " in text
    assert "| short | 0 | 0 | 0 | did not run |" in text
    assert "- `test_mixed::test_bad`\n- `test_mixed::test_error`\n" in text
    assert "- 2 × no server at …\n" in text
    assert str(folder.parent) not in text
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]}" in text


@pytest.mark.parametrize("missing", ["missing", "short", "empty"])
def test_a_part_that_did_not_run_is_no_success(folder: Path, missing: str) -> None:
    parts = {name: trials.read(folder / f"{name}.xml") for name in ("well", missing)}
    assert not trials.went_well(parts)
    assert f"| {missing} | 0 | 0 | 0 | did not run |" in trials.page(parts, ["Python"], "2026-01-01")


def test_the_slowest_come_first() -> None:
    cases = [Case(f"test_{number}", "passed", number / 2) for number in range(40)]
    lines = trials.page({"unit": cases}, ["Python 3.11"], "2026-01-01").splitlines()
    assert lines[:3] == ["# The last `make test-all`", "", "2026-01-01; Python 3.11."]
    assert lines[-trials.SLOWEST :][:2] == ["- 19.5 s `test_39`", "- 19.0 s `test_38`"]
    assert sum("`test_" in line for line in lines) == trials.SLOWEST


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("no file /home/me/x.csv here", "no file … here"),
        ("C:\\Users\\me is full", "… is full"),
        ("and/or, recsys_lab/stores, 3/4 of it", "and/or, recsys_lab/stores, 3/4 of it"),
        ("two\nlines", "two lines"),
    ],
)
def test_paths_of_this_computer_are_left_out(text: str, public: str) -> None:
    assert trials._public(text) == public
