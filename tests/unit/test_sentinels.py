"""Sentinels: what must hold on every honest board, and the mistakes of published work that must not pass unseen.

Each deliberate bug has a test that catches it; the last takes the guards away, one by one, and sees that test fail.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.baselines import ItemKNN, Markov, Popular, Random, SequentialRules
from recsys_lab.datasets import Shop, Split
from recsys_lab.datasets.simulated import shop_folder
from recsys_lab.evaluation import (
    Board,
    JudgementError,
    LeakageError,
    Scoreboard,
    evaluate,
    home_board,
    metrics,
    next_board,
    session_board,
)
from recsys_lab.evaluation import board as board_module
from recsys_lab.evaluation.bootstrap import paired
from recsys_lab.evaluation.metrics import judge
from recsys_lab.evaluation.truth import TruthForHome, load_truth
from recsys_lab.recommender import Context, Floats, Labels, ScoringRecommender


@pytest.fixture(scope="module")
def home(split: Split) -> Board:
    return home_board(split.before_test, split.test)


@pytest.fixture(scope="module")
def short_next(split: Split) -> Board:
    """The next board of the first three test days, which is enough to tell right from wrong."""
    start = int(split.test.events["timestamp"].min())
    return next_board(split.before_test, split.test.between(None, start + 3 * 86_400_000))


# -- what must hold


def test_popularity_beats_random(home: Board, short_next: Board) -> None:
    for board in (home, short_next):
        popular, random = evaluate(Popular(), board), evaluate(Random(), board)
        assert popular.against(random, board.main).low > 0


def test_shuffled_labels_fall_to_random(short_next: Board) -> None:
    """Give every product another one's behaviour: whatever a method still earns, it did not learn."""
    ids = short_next.train.products["item_id"].to_numpy(dtype=object)
    other = dict(zip(ids, np.random.default_rng(3).permutation(ids), strict=True))
    shuffled = short_next.train.only(
        short_next.train.events.assign(item_id=short_next.train.events["item_id"].map(other))
    )
    honest = evaluate(Markov(), short_next).cases[short_next.main]
    chance = evaluate(Random(), short_next).cases[short_next.main]
    wrong = Markov().fit(shuffled)
    lists, _ = wrong.recommend_many(short_next.contexts, short_next.k)
    fallen = metrics.hit_rate(judge(lists, short_next.truth, ids))
    gap = paired(fallen, chance, short_next.units)
    assert -0.015 < gap.mean < 0.015
    assert honest.mean() > 10 * fallen.mean()


class Constant(ScoringRecommender):
    """Gives every product the same score."""

    def _learn(self, shop: Shop) -> None:
        pass

    def _score(self, contexts: Sequence[Context]) -> Floats:
        return np.zeros((len(contexts), len(self.items_)))


def test_a_constant_scorer_earns_what_its_tie_order_earns(home: Board) -> None:
    """Ties fall by popularity, then id: neither for the model nor against it."""
    constant, popular = evaluate(Constant(), home), evaluate(Popular(), home)
    for name, values in popular.cases.items():
        np.testing.assert_array_equal(constant.cases[name], values)


class FittedOnEverything(Popular):
    """A recommender whose author passed it the whole log."""

    def __init__(self, everything: Shop) -> None:
        self._everything = everything

    def fit(self, shop: Shop) -> FittedOnEverything:
        return super().fit(self._everything)


def test_a_model_fitted_on_the_test_weeks_is_caught(shop: Shop, home: Board) -> None:
    with pytest.raises(LeakageError, match="has learned from events until"):
        evaluate(FittedOnEverything(shop), home)


class Peeks(ScoringRecommender):
    """Looks up what the shopper is going to click; it says nothing of it in what it learned."""

    def __init__(self, future: Shop) -> None:
        self._clicks = {str(user): rows["item_id"].tolist() for user, rows in future.events.groupby("user_id")}

    def _learn(self, shop: Shop) -> None:
        pass

    def _score(self, contexts: Sequence[Context]) -> Floats:
        scores = np.zeros((len(contexts), len(self.items_)))
        for row, context in enumerate(contexts):
            np.add.at(scores[row], self.columns(self._clicks.get(str(context.shopper_id), [])), 1.0)
        return scores


def test_a_recommender_that_reads_the_future_is_better_than_the_truth(shop: Shop, split: Split) -> None:
    start = int(split.test.events["timestamp"].min())
    board = home_board(split.before_test, split.test.between(None, start + 2 * 86_400_000))
    scores = Scoreboard.of(board)
    scores.add(evaluate(Popular(), board, "popular"))
    scores.add(evaluate(TruthForHome(load_truth(shop, shop_folder() / "truth.npz")), board, "truth"))
    assert scores.too_good() == []
    scores.add(evaluate(Peeks(split.test), board, "peeks"))
    assert scores.too_good() == ["peeks"]


# -- deliberate bugs, each caught by name

RING = [[f"p{(start + step) % 9}" for step in range(4)] for start in range(9)]
AHEAD = [([f"p{at}"], f"p{(at + 1) % 9}") for at in range(9)]


class CandidatesFromTheWrongRange(Random):
    """Ranks shoppers' numbers as if they were products'."""

    def recommend_many(self, contexts: Sequence[Context], k: int = 10, exclude: Any = None) -> tuple[Labels, Floats]:
        _, scores = super().recommend_many(contexts, k, exclude)
        return np.tile(np.array([f"u{number}" for number in range(k)], dtype=object), (len(contexts), 1)), scores


def test_candidates_from_the_wrong_id_range_are_caught() -> None:
    with pytest.raises(JudgementError, match="'u0', which is no product"):
        evaluate(CandidatesFromTheWrongRange(), session_board(RING, AHEAD, k=3))


class ListsTooMany(Popular):
    """A hundred products where three were asked for."""

    def recommend_many(self, contexts: Sequence[Context], k: int = 10, exclude: Any = None) -> tuple[Labels, Floats]:
        return super().recommend_many(contexts, k + 2, exclude)


def test_lists_that_are_too_long_are_caught() -> None:
    with pytest.raises(JudgementError, match="for 3 products each"):
        evaluate(ListsTooMany(), session_board(RING, AHEAD, k=3))


class LooksAtTheNextQuestion(Markov):
    """The next question of the same visit begins with the answer to this one."""

    def recommend_many(self, contexts: Sequence[Context], k: int = 10, exclude: Any = None) -> tuple[Labels, Floats]:
        ids, scores = super().recommend_many(contexts, k, exclude)
        for row, (now, then) in enumerate(pairwise(contexts)):
            if now.session[0].session_id == then.session[0].session_id:
                ids[row, -1] = then.session[-1].item_id if then.session[-1].item_id not in ids[row] else ids[row, -1]
        return ids, scores


def test_answers_read_off_other_questions_are_caught(short_next: Board) -> None:
    with pytest.raises(LeakageError, match="asked alone"):
        evaluate(LooksAtTheNextQuestion(), short_next)


class ListsTheOpenProduct(Popular):
    """Puts what the shopper is looking at on top of the list."""

    def recommend_many(self, contexts: Sequence[Context], k: int = 10, exclude: Any = None) -> tuple[Labels, Floats]:
        ids, scores = super().recommend_many(contexts, k, exclude)
        ids[:, 0] = [context.viewed for context in contexts]
        return ids, scores


def test_the_open_product_in_a_list_is_caught(short_next: Board) -> None:
    with pytest.raises(JudgementError, match="may not be listed there"):
        evaluate(ListsTheOpenProduct(), short_next)


class SpoilsItsData(Popular):
    """Throws its training data away while it learns."""

    def fit(self, shop: Shop) -> SpoilsItsData:
        super().fit(shop)
        shop.events.drop(shop.events.index[:-1], inplace=True)  # noqa: PD002
        return self


def test_what_one_recommender_does_to_its_data_does_not_reach_the_next() -> None:
    board = session_board(RING, AHEAD, k=1)
    evaluate(SpoilsItsData(), board)
    assert evaluate(Markov(), board).cases["HR@1"].tolist() == [1.0] * 9


class ListsOneProductTwice(Popular):
    """Fills its list with its best product."""

    def recommend_many(self, contexts: Sequence[Context], k: int = 10, exclude: Any = None) -> tuple[Labels, Floats]:
        ids, scores = super().recommend_many(contexts, k, exclude)
        return np.tile(ids[:, :1], (1, k)), scores


def test_a_product_listed_twice_is_caught() -> None:
    with pytest.raises(JudgementError, match="twice"):
        evaluate(ListsOneProductTwice(), session_board(RING, AHEAD, k=3))


def test_map_has_its_cut() -> None:
    """Five wanted, a list of three, all right: a perfect list is worth 1. Without the cut it would be worth 3/5."""
    ids = np.array([["a", "b", "c"]], dtype=object)
    judged = judge(ids, [dict.fromkeys("abcde", 1.0)], set("abcde"))
    assert metrics.average_precision(judged).tolist() == [1.0]


def test_the_matrix_is_not_transposed() -> None:
    """On a ring only one product ever follows; read the other way round, the matrix names the one before."""
    result = evaluate(Markov(), session_board(RING, AHEAD, k=1))
    assert result.cases["HR@1"].tolist() == [1.0] * 9


def random_split_board(shop: Shop) -> Board:
    """A board as many tutorials make it: events drawn at random for training, the rest to test."""
    train = np.random.default_rng(0).random(len(shop.events)) < 0.8
    past, future = shop.only(shop.events[train]), shop.only(shop.events[~train])
    first = int(future.events["timestamp"].min())
    contexts = [Context("u", first)]
    return Board("random split", 3, past, contexts, [{"p1": 1.0}], np.array(["u"]), {"HR@3": metrics.hit_rate})


def test_a_random_split_is_caught() -> None:
    with pytest.raises(LeakageError, match="split by time"):
        random_split_board(Shop.from_sessions(RING))


def test_fitting_past_the_training_data_is_caught() -> None:
    board = session_board(RING, AHEAD, k=3)
    later = Shop.from_sessions([*RING, *RING, *RING, *RING])
    with pytest.raises(LeakageError, match="fit it on the training shop alone"):
        evaluate(FittedOnEverything(later), board)


def _uncut(judged: metrics.Judged) -> Floats:
    hits = judged.gains > 0
    precision = np.cumsum(hits, axis=1) / np.arange(1, judged.k + 1)
    return (precision * hits).sum(axis=1) / judged.relevant


def _transposed(self: SequentialRules, rows: Any, columns: Any, values: Any = 1.0) -> Any:
    return ItemKNN._weights(self, columns, rows, values)


GUARDS: list[tuple[Any, str, Any, Callable[[], None]]] = [
    (metrics, "_check_lists", lambda ids, catalogue: None, test_candidates_from_the_wrong_id_range_are_caught),
    (metrics, "_check_lists", lambda ids, catalogue: None, test_a_product_listed_twice_is_caught),
    (metrics, "average_precision", _uncut, test_map_has_its_cut),
    (SequentialRules, "_weights", _transposed, test_the_matrix_is_not_transposed),
    (board_module, "guard_time", lambda board: None, test_a_random_split_is_caught),
    (board_module, "guard_fit", lambda recommender, board: None, test_fitting_past_the_training_data_is_caught),
]


@pytest.mark.parametrize(("where", "name", "without", "test"), GUARDS, ids=[row[3].__name__ for row in GUARDS])
def test_fails_without_its_guard(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, without: Any, test: Callable[[], None]
) -> None:
    test()
    monkeypatch.setattr(where, name, without)
    with pytest.raises((AssertionError, pytest.fail.Exception, KeyError)):
        test()


def test_the_toy_ring_is_what_it_says() -> None:
    pairs = {pair for session in RING for pair in pairwise(session)}
    assert pairs == {(f"p{at}", f"p{(at + 1) % 9}") for at in range(9)}
    assert isinstance(Shop.from_sessions(RING).events, pd.DataFrame)


def test_no_method_opens_the_truth() -> None:
    """Import contracts keep the simulator out of the methods; nor may one open the file by its name."""
    from recsys_lab.methods import ROWS

    files = {inspect.getsourcefile(type(make())) for rows in ROWS.values() for make in rows.values()}
    assert files
    for file in files:
        source = Path(str(file)).read_text(encoding="utf-8")
        assert "truth.npz" not in source and "load_truth" not in source, file
