"""The comparison with public frameworks: the way to another process and back, the settings, the stored file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.peers import __main__ as bench
from benchmarks.peers import inside, tables
from benchmarks.peers.rivals import OURS, RIVALS, Rival, grid
from benchmarks.peers.tables import BOARDS, filled, longest, scored, write
from recsys_lab import baselines
from recsys_lab.datasets import DAY_MS, Shop
from recsys_lab.evaluation import Board, evaluate, home_board, next_board, retail_boards
from recsys_lab.evaluation.bootstrap import paired
from recsys_lab.methods import ROWS

POPULAR = Rival("none", "popular", "popular", ({},))


def small_shop() -> Shop:
    """Forty shoppers over twenty days: each goes round a few of twelve products, some of them bought."""
    rng = np.random.default_rng(3)
    rows = []
    for user in range(40):
        for day in range(20):
            for step in range(1 + int(rng.integers(4))):
                item = f"p{(user % 4) * 3 + int(rng.integers(3)) if rng.random() < 0.8 else int(rng.integers(12))}"
                kind = "buy" if rng.random() < 0.3 else "clicked_on"
                rows.append((f"u{user}", item, kind, DAY_MS * day + 60_000 * step + user, f"u{user}/{day}"))
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "event_type", "timestamp", "session_id"])
    return Shop.from_frames(pd.DataFrame({"item_id": [f"p{number}" for number in range(13)]}), events)


@pytest.fixture(scope="module")
def boards() -> dict[str, Board]:
    shop = small_shop()
    split = shop.split(test_days=3, tune_days=3)
    any_product, novel = retail_boards(shop.only(shop.events[shop.events["event_type"] == "buy"]), test_days=3)
    return {
        "home": home_board(split.before_test, split.test),
        "next": next_board(split.before_test, split.test),
        "retail any": any_product,
        "retail novel": novel,
    }


def test_a_peer_in_another_process_that_lists_the_popular_scores_what_our_popular_scores(
    boards: dict[str, Board], tmp_path: Path
) -> None:
    """The tables go there and the lists come back whole: else the numbers would differ."""
    for name in ("home", "next"):
        board = boards[name]
        write(board, tmp_path / name)
        ((theirs, told),) = bench.ask(board, tmp_path / name, POPULAR, [{}], "their popular")
        assert told["fit_s"] >= 0 and told["ms_per_list"] > 0 and told["versions"]["pandas"]
        if name == "next":  # there both count clicks
            ours = evaluate(baselines.Popular(), board)
            np.testing.assert_allclose(theirs.cases[board.main].mean(), ours.cases[board.main].mean(), atol=0.02)


def test_ours_in_a_process_of_its_own_scores_what_evaluate_gives(boards: dict[str, Board], tmp_path: Path) -> None:
    board = boards["home"]
    write(board, tmp_path)
    result, told = bench.ask_ours(board, tmp_path, "repeat")
    for metric, values in evaluate(baselines.RepeatPurchase(), board).cases.items():
        np.testing.assert_array_equal(result.cases[metric], values)
    assert told["peak_MB"] > told["MB_over_data"] >= 0


@pytest.mark.parametrize("name", ["home", "next", "retail any"])
def test_what_is_handed_over_holds_the_past_and_the_question_and_nothing_that_was_wanted(
    boards: dict[str, Board], name: str, tmp_path: Path
) -> None:
    board = boards[name]
    write(board, tmp_path)
    events, known = pd.read_parquet(tmp_path / "events.parquet"), pd.read_parquet(tmp_path / "known.parquet")
    assert len(events) == len(board.train.events)
    assert events["timestamp"].max() < min(context.now_ms for context in board.contexts)
    for number, context in enumerate(board.contexts):
        mine = known.loc[known["question"] == number, "item_id"].tolist()
        if name == "home":
            assert mine == [event.item_id for event in context.history or ()]
        elif name == "next":
            assert mine == [event.item_id for event in context.session]
        else:
            assert mine == events.loc[events["user_id"] == context.shopper_id, "item_id"].tolist()


def test_lists_are_cut_of_what_is_barred_and_filled_up_with_what_is_popular(boards: dict[str, Board]) -> None:
    board = boards["next"]
    viewed = board.contexts[0].viewed
    given = np.full((len(board.contexts), longest(board)), "", dtype=object)
    given[0, :2] = [viewed, "p12"]
    lists = filled(board, given)
    assert lists.shape == (len(board.contexts), board.k)
    assert lists[0, 0] == "p12" and viewed not in lists[0]
    popular = [item for item in board.train.tie_order if item not in ("p12", viewed)]
    assert lists[0, 1:12].tolist() == popular[:11]
    novel = boards["retail novel"]
    assert novel.exclude is not None
    lists = filled(novel, np.full((len(novel.contexts), novel.k), "", dtype=object))
    assert not set(lists[0]) & set(novel.exclude[0])


def test_a_list_with_a_strange_product_is_refused(boards: dict[str, Board]) -> None:
    board = boards["home"]
    lists = filled(board, np.full((len(board.contexts), board.k), "", dtype=object))
    lists[0, 0] = "no such product"
    with pytest.raises(ValueError, match="no such product"):
        scored(board, lists, "theirs")


def test_a_peer_that_fails_says_why(boards: dict[str, Board], tmp_path: Path) -> None:
    write(boards["home"], tmp_path)
    with pytest.raises(bench.PeerError, match="KeyError: 'none nothing'"):
        bench.ask(boards["home"], tmp_path, Rival("none", "nothing", "popular", ({},)), [{}], "x")


def test_without_a_python_of_theirs_it_says_which_name_to_set(
    boards: dict[str, Board], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PEERS_PYTHON", raising=False)
    with pytest.raises(bench.PeerError, match="PEERS_PYTHON"):
        bench.ask(boards["home"], tmp_path, Rival("rectools", "EASE", "als tuned", ({},)), [{}], "x")
    assert bench.python_of("implicit") == sys.executable


def test_the_setting_that_was_best_on_the_tuning_days_is_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Settings that tie fall to the first; the test board is never asked."""
    shop = small_shop()
    asked: list[bool] = []

    def board_of(name: str, tuning: bool) -> Board:
        asked.append(tuning)
        split = shop.split(test_days=3, tune_days=3)
        return home_board(split.train, split.tune)

    def ask(board: Board, folder: Path, rival: Rival, settings: Any, method: str) -> Any:
        made = [baselines.RepeatPurchase() if setting["good"] else baselines.Random() for setting in settings]
        return [(evaluate(model, board), {"fit_s": 0.1}) for model in made]

    monkeypatch.setattr(bench, "board_of", board_of)
    monkeypatch.setattr(bench, "ask", ask)
    rival = Rival("none", "popular", "popular", grid(good=[False, True], again=[1, 2]))
    setting, tried = bench.choose(rival, "home", tmp_path)
    assert setting == {"good": True, "again": 1}
    assert [row["settings"] for row in tried] == list(rival.settings)
    assert asked == [True]


def test_names_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="no such board"):
        bench.parts(["no such board"], None)
    with pytest.raises(ValueError, match="implicit ALS"):
        bench.parts([], ["implicit SVD"])
    assert [name for name, _ in bench.parts([], ["implicit ALS"])] == ["home", "retail any", "retail novel"]
    with pytest.raises(ValueError, match="clickstream"):
        tables.board_of("click", tuning=True)


def test_worth_adds_up_events_and_drops_what_was_taken_back() -> None:
    rows = pd.DataFrame(
        {
            "who": ["a", "a", "a", "b"],
            "item_id": ["x", "x", "y", "x"],
            "event_type": ["clicked_on", "buy", "removed_from_cart", "clicked_on"],
        }
    )
    assert inside.worth(rows, "who", "course")["weight"].round(3).tolist() == [1.2, 0.2]
    assert inside.worth(rows, "who", "count")["weight"].tolist() == [2.0, 1.0]
    assert inside.worth(rows, "who", "one")["weight"].tolist() == [1.0, 1.0]


def test_implicit_answers_by_what_is_known_of_who_asks() -> None:
    """Two groups of products that are never taken together: who asks with one of them gets the others of it."""
    visits = [["a", "b", "c"], ["d", "e", "f"]] * 10
    train = pd.DataFrame(
        [(f"u{at}", item, "clicked_on") for at, visit in enumerate(visits) for item in visit],
        columns=["who", "item_id", "event_type"],
    )
    known = pd.DataFrame({"question": [0, 1], "item_id": ["d", "a"], "event_type": ["clicked_on"] * 2})
    for name, settings in (("ALS", {"factors": 4}), ("kNN", {"kind": "cosine", "K": 6})):
        task = inside.Task(train, known, 3, ["x", "y", "z"], 2, True, settings)
        lists = inside.MODELS[f"implicit {name}"](task)(task)
        assert [sorted(found) for found in lists] == [["e", "f"], ["b", "c"], []], name


def test_what_is_planned_is_there_to_run() -> None:
    for board in BOARDS:
        assert set(OURS[board]) <= set(ROWS[board])
        for rival in RIVALS[board]:
            assert rival.like in OURS[board] and rival.name in inside.MODELS
            assert 1 <= len(rival.settings) <= 12


def test_the_stored_file_agrees_with_itself() -> None:
    report = json.loads(bench.OUT.read_text(encoding="utf-8"))
    assert report["machine"] and report["versions"]["implicit"]
    for name, held in report["boards"].items():
        metric = held["metric"]
        assert held["cases"] > 0 and held["tuning cases"] > 0
        assert set(held["ours"]) == set(OURS[name])
        known = {rival.name: rival for rival in RIVALS[name]}
        for rival, row in held["rivals"].items():
            assert row["versions"] and row["python"] and row["load"] >= 0
            quality = row["quality"][metric]
            assert quality["low"] <= quality["mean"] <= quality["high"]
            if row["grid"]:
                assert row["settings"] == max(row["grid"], key=lambda one: one[metric])["settings"]
                assert [one["settings"] for one in row["grid"]] == list(known[rival].settings)
            for method, difference in row["minus ours"].items():
                one = difference[metric]
                assert one["low"] <= one["mean"] <= one["high"]
                assert one["mean"] == pytest.approx(quality["mean"] - held["ours"][method][metric]["mean"], abs=1e-9)
            for ratio in ("fit_to_ours", "list_to_ours"):
                assert row["cost"][ratio] > 0
            assert ("MB_ours" in row["cost"]) == ("MB_over_data" in row["cost"])


def test_our_rows_there_are_those_of_the_stored_boards() -> None:
    """The same code on the same board: what is compared here is what the scoreboards show."""
    from recsys_lab.measure import stored

    boards = {scores.name: scores for scores in stored().values()}
    for name, held in json.loads(bench.OUT.read_text(encoding="utf-8"))["boards"].items():
        for method, quality in held["ours"].items():
            kept = boards[name].metric(method).mean
            assert quality[held["metric"]]["mean"] == pytest.approx(kept, abs=0.004), (name, method)


def test_the_difference_is_in_pairs(boards: dict[str, Board]) -> None:
    board = boards["home"]
    one, other = evaluate(baselines.RepeatPurchase(), board), evaluate(baselines.Popular(), board)
    assert one.against(other, board.main) == paired(one.cases[board.main], other.cases[board.main], board.units)
