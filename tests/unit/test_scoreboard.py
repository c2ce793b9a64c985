"""The scoreboard as table, JSON and chart; where a row came from; the command, with everything that can go wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recsys_lab import fingerprint
from recsys_lab.baselines import Markov, Popular, Random
from recsys_lab.cli import app
from recsys_lab.evaluation import Scoreboard, evaluate, session_board
from recsys_lab.evaluation.provenance import ALWAYS, code_hash, data_hash

RING = [[f"p{(start + step) % 30}" for step in range(4)] for start in range(30)]
AHEAD = [([f"p{at}"], f"p{(at + 1) % 30}") for at in range(30)]
BOARD = session_board(RING, AHEAD, k=3)
runner = CliRunner()


@pytest.fixture
def scores() -> Scoreboard:
    board = session_board(RING, AHEAD, k=3)
    made = Scoreboard.of(board)
    for name, model in {"random": Random(), "popular": Popular(), "markov": Markov()}.items():
        made.add(evaluate(model, board, name), {"data": data_hash(board), "code": code_hash(model, board)})
    return made


def test_table_has_intervals_and_differences(scores: Scoreboard) -> None:
    table = scores.to_table()
    assert table.loc["markov", "HR@3"] == "1.0000 [1.0000, 1.0000]"
    assert table.loc["popular", "HR@3 − popular"] == ""
    assert table.loc["markov", "HR@3 − popular"].startswith("+0.")
    assert table.loc["random", "HR@3 − popular"].startswith(("+", "-"))
    assert scores.to_frame().set_index("method").loc["markov", "HR@3 low"] == 1


def test_json_round_trip(scores: Scoreboard, tmp_path: Path) -> None:
    again = Scoreboard.load(scores.save(tmp_path))
    assert again.to_json() == scores.to_json()
    assert again.metric("markov").mean == 1
    assert scores.room() is None
    with pytest.raises(KeyError, match="no row 'truth'"):
        again.metric("truth")


def test_a_result_stands_on_its_own_board_only(scores: Scoreboard) -> None:
    other = evaluate(Popular(), session_board(RING, AHEAD, k=3, name="elsewhere"))
    with pytest.raises(ValueError, match="cannot stand on board"):
        scores.add(other)


def test_pairs_need_the_same_cases() -> None:
    one = evaluate(Popular(), session_board(RING, AHEAD, k=3))
    other = evaluate(Popular(), session_board(RING, AHEAD[:5], k=3))
    with pytest.raises(ValueError, match="cannot be compared in pairs"):
        one.against(other, "HR@3")


def test_chart_says_its_finding(scores: Scoreboard) -> None:
    spec = scores.chart(title="On a ring, what came next is always right").to_dict()
    assert spec["title"] == "On a ring, what came next is always right"
    assert "markov 1" in spec["description"]


def test_data_hash_changes_with_questions_and_answers() -> None:
    boards = [
        session_board(RING, AHEAD, k=3),
        session_board(RING, AHEAD, k=2),
        session_board(RING, AHEAD[1:], k=3),
        session_board(RING[1:], AHEAD, k=3),
        session_board(RING, [*AHEAD[:-1], (AHEAD[-1][0], "p5")], k=3),
    ]
    assert len({data_hash(board) for board in boards}) == len(boards)
    assert data_hash(boards[0]) == data_hash(session_board(RING, AHEAD, k=3))


def test_code_hash_counts_code_and_not_words(monkeypatch: pytest.MonkeyPatch) -> None:
    source = fingerprint._source
    before = code_hash(Markov(), BOARD)

    def edited(change: str) -> str:
        fingerprint.forget()
        extra = {Markov.__module__: change}
        monkeypatch.setattr(fingerprint, "_source", lambda name: source(name) + extra.get(name, ""))
        return code_hash(Markov(), BOARD)

    assert edited("\n# a comment\n\n") == before
    assert edited("\n_X = 1\n") != before
    fingerprint.forget()
    monkeypatch.undo()
    assert code_hash(Markov(), BOARD) == before
    fingerprint.forget()


def test_code_hash_follows_imports() -> None:
    assert {
        "recsys_lab.recommender",
        "recsys_lab.datasets.shop",
        "recsys_lab.evaluation.metrics",
    } <= fingerprint.closure((Markov.__module__, *ALWAYS))


# -- the command


def files(folder: Path, train: object = RING, test: object = AHEAD) -> list[str]:
    (folder / "train.json").write_text(train if isinstance(train, str) else json.dumps(train))
    (folder / "test.json").write_text(test if isinstance(test, str) else json.dumps(test))
    return ["scoreboard", "--sessions", str(folder / "train.json"), "--test", str(folder / "test.json")]


def test_command_on_a_ring(tmp_path: Path) -> None:
    done = runner.invoke(app, [*files(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    (board,) = json.loads(done.stdout)
    rows = {row["method"]: row["metrics"] for row in board["rows"]}
    assert rows["markov"]["HR@20"]["mean"] == rows["markov"]["MRR@20"]["mean"] == 1.0
    assert rows["random"]["HR@20"]["mean"] < 1
    assert board["facts"] == {
        "training sessions": 30,
        "predictions": 30,
        "products": 30,
        "targets that training never saw (misses)": 0,
    }


def test_command_keeps_the_rows_asked_for(tmp_path: Path) -> None:
    done = runner.invoke(app, [*files(tmp_path), "--methods", "popular,markov"])
    assert done.exit_code == 0
    assert "markov" in done.stdout
    assert "random" not in done.stdout


def test_whole_numbers_and_empty_prefixes_are_fine(tmp_path: Path) -> None:
    done = runner.invoke(app, [*files(tmp_path, [[1, 2, 3], [2, 3]], [[[1, 2], 3], [[], 2]]), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["facts"]["products"] == 3


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ([], AHEAD, "train.json: it holds []"),
        ("", AHEAD, "train.json: not JSON"),
        ("[[1, 2", AHEAD, "train.json: not JSON"),
        ({"a": 1}, AHEAD, "it has to be a list of sessions"),
        ([["a"], []], AHEAD, "entry 1 is []"),
        ([["a", None]], AHEAD, "entry 0 holds null"),
        ([["a", ""]], AHEAD, 'entry 0 holds ""'),
        (["abc"], AHEAD, 'entry 0 is "abc"'),
        (RING, [], "test.json: it holds []"),
        (RING, [["a", "b"]], "has to be a pair"),
        (RING, [[["a"], "b", "c"]], "has to be a pair"),
        (RING, [[["a"], ["b"]]], 'entry 0 holds ["b"]'),
        (RING, [[["a"], True]], "entry 0 holds true"),
    ],
)
def test_malformed_files_get_one_clear_line(tmp_path: Path, train: object, test: object, said: str) -> None:
    done = runner.invoke(app, files(tmp_path, train, test))
    assert done.exit_code == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert said in errors[0]
    assert "Traceback" not in done.output


def test_a_file_that_is_not_utf8_or_not_there(tmp_path: Path) -> None:
    call = files(tmp_path)
    (tmp_path / "train.json").write_bytes(b'[["\xff"]]')
    assert "byte 3 is not UTF-8" in runner.invoke(app, call).stderr
    (tmp_path / "train.json").unlink()
    assert "there is no such file" in runner.invoke(app, call).stderr


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["--sessions", "a.json"], "go together"),
        (["--board", "home", "--log", "retail"], "leave --board out"),
        (["--board", "basket", "--sessions", "a.json", "--test", "b.json"], "leave --board and --log out"),
        (["--board", "nowhere"], "nowhere"),
    ],
)
def test_options_that_do_not_go_together(call: list[str], said: str) -> None:
    done = runner.invoke(app, ["scoreboard", *call])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_an_unknown_method_names_the_known(tmp_path: Path) -> None:
    done = runner.invoke(app, [*files(tmp_path), "--methods", "magic"])
    assert done.exit_code == 1
    assert "there is no magic; the boards have random, popular" in done.stderr


def test_importing_the_package_is_light() -> None:
    """No torch, gensim, Jupyter, scikit-learn or database client comes with it."""
    heavy = "torch gensim sklearn jupyter jupyterlab notebook IPython sentence_transformers redis psycopg qdrant_client"
    code = (
        "import sys, recsys_lab, recsys_lab.cli, recsys_lab.datasets, recsys_lab.evaluation, recsys_lab.baselines\n"
        f"print([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_method_named_is_an_error_too(tmp_path: Path) -> None:
    done = runner.invoke(app, [*files(tmp_path), "--methods", ""])
    assert done.exit_code == 1
    assert "none is named" in done.stderr


def test_a_method_that_this_board_lacks_is_said(tmp_path: Path) -> None:
    done = runner.invoke(app, [*files(tmp_path), "--methods", "repeat"])
    assert done.exit_code == 2
    assert "no board asked for has a row repeat" in done.stderr


def test_a_byte_order_mark_does_no_harm_and_a_folder_is_named(tmp_path: Path) -> None:
    call = files(tmp_path)
    (tmp_path / "train.json").write_text(json.dumps(RING), encoding="utf-8-sig")
    assert runner.invoke(app, call).exit_code == 0
    call[2] = str(tmp_path)
    assert "it is a folder" in runner.invoke(app, call).stderr


def test_a_second_row_of_the_same_name_is_refused(scores: Scoreboard) -> None:
    with pytest.raises(ValueError, match="has a row 'popular' already"):
        scores.add(evaluate(Popular(), BOARD, "popular"))
