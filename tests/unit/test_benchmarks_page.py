"""BENCHMARKS.md is what the stored files give, and says the losses with the wins."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.report_peers import best_of_ours, holds, others_win, verdict
from benchmarks.report_text import BOARDS, ROOT, Files, bounds, span, times
from tools.readme import BOARDS as README_BOARDS


def test_the_page_is_what_the_stored_files_give() -> None:
    assert report.PAGE.read_text(encoding="utf-8") == report.page(), "python -m benchmarks.report"


def test_the_check_tells_a_page_that_was_changed_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "PAGE", tmp_path / "BENCHMARKS.md")
    assert report.main(check=True) == 1
    assert "python -m benchmarks.report" in capsys.readouterr().err
    assert report.main(check=False) == 0
    assert report.main(check=True) == 0
    report.PAGE.write_text(report.page().replace("0.1", "0.2", 1), encoding="utf-8")
    assert report.main(check=True) == 1


def test_a_number_changes_with_its_file(tmp_path: Path) -> None:
    """No number stands in the code: another file gives another page."""
    folder = tmp_path / "benchmarks"
    shutil.copytree(ROOT / "benchmarks", folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    path = folder / "spaces" / "results.json"
    held = json.loads(path.read_text(encoding="utf-8"))
    held["sizes"][-1]["question_to_bare"] = 7.7
    path.write_text(json.dumps(held), encoding="utf-8")
    page = report.page(Files(folder))
    assert "7.7×" in page and "7.7×" not in report.page()


def test_what_is_not_measured_yet_is_said_and_nothing_fails(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks"
    shutil.copytree(ROOT / "benchmarks" / "results", folder / "results")
    page = report.page(Files(folder))
    for command in ("benchmarks.peers", "benchmarks.spaces", "benchmarks.scale", "benchmarks.stores", "retail_rows.py"):
        assert any("Not measured yet" in line and command in line for line in page.splitlines()), command
    assert "## Where our own methods lose" in page


def test_every_board_is_there_with_its_best_row_and_every_stored_file_is_linked() -> None:
    page = report.page()
    boards = Files().boards()
    assert set(boards) == set(BOARDS) == set(README_BOARDS)
    for name, board in boards.items():
        best = max(report.means(board).items(), key=lambda pair: pair[1])[0]
        line = next(line for line in page.splitlines() if line.startswith(f"| {name} | "))
        assert f"| {best} {span(board.metric(best))} |" in line
    for target in re.findall(r"\]\((benchmarks/[^)]+)\)", page):
        assert (ROOT / target).exists(), target


def test_each_loss_that_is_named_is_one_in_the_files() -> None:
    """A row that no longer loses drops out of the page without a word: then the list is to be mended."""
    boards = Files().boards()
    for name, clever, simple, _ in report.LOSSES:
        assert boards[name].metric(clever).mean < boards[name].metric(simple).mean, (name, clever, simple)
    page = report.page()
    assert page.index("## Where others win") < page.index("## Where our own methods lose")
    assert "published ease reaches 0.306" in page  # ours is .2654


def test_who_is_better_is_read_off_the_interval_of_the_difference() -> None:
    assert verdict({"mean": 0.1, "low": 0.01, "high": 0.2}) == "**theirs**"
    assert verdict({"mean": 0.1, "low": -0.01, "high": 0.2}) == "level"
    assert verdict({"mean": -0.1, "low": -0.2, "high": -0.01}) == "ours"


def test_a_rival_that_wins_is_named(tmp_path: Path) -> None:
    metric = "NDCG@10"
    good = {metric: {"mean": 0.05, "low": 0.04, "high": 0.06}}
    bad = {metric: {"mean": -0.05, "low": -0.06, "high": -0.04}}
    rival = {
        "like": "als", "minus ours": {"als": good, "blend": bad}, "quality": good, "versions": {"theirs": "1"},
        "cost": {"fit_to_ours": 0.5, "list_to_ours": 3.0}, "load": 1.0,
    }  # fmt: skip
    ours = {"als": {metric: {"mean": 0.1}}, "blend": {metric: {"mean": 0.2}}}
    board = {"metric": metric, "ours": ours, "rivals": {"theirs ALS": rival}}
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / "results.json").write_text(json.dumps({"boards": {"home": board}}), encoding="utf-8")
    lines = others_win(Files(tmp_path))
    assert best_of_ours(board) == "blend"
    assert "- home: theirs ALS beats our als by 0.050 [0.040, 0.060] (NDCG@10)." in lines
    assert any("fits in 0.5×" in line for line in lines)
    assert not any("blend" in line for line in lines)


def test_numbers_are_written_so_that_they_can_be_read() -> None:
    assert [times(ratio) for ratio in (0.0009, 0.123, 1.034, 4.54, 37.7, 432.7, 1830.0)] == [
        "0.0009×", "0.12×", "1×", "4.5×", "38×", "430×", "1,800×",
    ]  # fmt: skip
    assert span({"mean": 364.82, "low": 350.52, "high": 379.64}) == "364.8 [350.5, 379.6]"
    assert bounds("-0.2587 [-0.2724, -0.2438]").low == -0.2724
    assert holds({"NDCG@10": "0.3 [0.2, 0.4]", "published": 0.4})
    assert not holds({"NDCG@10": "0.3 [0.2, 0.4]", "published": 0.41})


def test_no_absolute_time_is_on_the_page() -> None:
    """Seconds belong to a machine; ratios are what is claimed."""
    assert not re.findall(r"\d(?:\.\d+)? ?(?:ms|µs|seconds|minutes)\b", report.page())


def test_the_files_that_the_readme_names_are_on_the_page_and_its_numbers_are_theirs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    costs = text[text.index("## What it costs") : text.index("## Teach with it")]
    page = report.page()
    for target in re.findall(r"\]\((benchmarks/[^)]+)\)", costs):
        assert f"]({target})" in page, target
    assert "twenty seeds" in costs or "20 seeds" in costs
    assert Files().json("bandit_trials")["seeds"] == 20
