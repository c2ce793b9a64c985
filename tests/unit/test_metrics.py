"""Metrics against fractions worked by hand, and against two independent libraries on random cases."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from recsys_lab.evaluation import metrics
from recsys_lab.evaluation.metrics import JudgementError, judge

CATALOGUE = [f"p{number}" for number in range(12)]
K = 5


def lists(*rows: str) -> np.ndarray:
    """One list a text, products separated by spaces; "-" where a list is too short."""
    return np.array([["" if item == "-" else item for item in row.split()] for row in rows], dtype=object)


def test_hand_worked() -> None:
    ids = lists("p1 p2 p3", "p4 p5 p6", "p7 p8 -")
    truth = [{"p2": 1.0, "p3": 0.5, "p9": 0.2}, {"p1": 1.0}, {"p7": 0.2}]
    judged = judge(ids, truth, CATALOGUE)
    assert metrics.hit_rate(judged).tolist() == [1, 0, 1]
    assert metrics.reciprocal_rank(judged).tolist() == [1 / 2, 0, 1]
    assert metrics.recall(judged).tolist() == [2 / 3, 0, 1]
    assert metrics.average_precision(judged) == pytest.approx([(1 / 2 + 2 / 3) / 3, 0, 1])
    log2 = np.log2
    best = 1 + 0.5 / log2(3) + 0.2 / log2(4)
    assert metrics.ndcg(judged) == pytest.approx([(1 / log2(3) + 0.5 / log2(4)) / best, 0, 1])
    assert metrics.coverage(ids, CATALOGUE) == 8 / 12


def test_novelty_is_bits_of_the_share() -> None:
    # Shares (3+1)/8, (1+1)/8, (0+1)/8, (0+1)/8: 1, 2, 3 and 3 bits.
    counts = {"p1": 3, "p2": 1, "p3": 0, "p4": 0}
    assert metrics.novelty(lists("p1 p2", "p3 -"), counts).tolist() == [1.5, 3.0]


def test_nothing_to_find_is_nan_and_said() -> None:
    with pytest.warns(UserWarning, match="nothing|anything to find"):
        judged = judge(lists("p1 p2"), [{}], CATALOGUE)
    for metric in (metrics.hit_rate, metrics.reciprocal_rank, metrics.recall, metrics.ndcg, metrics.average_precision):
        assert np.isnan(metric(judged)).all()


@pytest.mark.parametrize(
    ("row", "said"),
    [("p1 p99", "'p99', which is no product"), ("p1 p1", "'p1' twice")],
)
def test_lists_that_cannot_be_judged(row: str, said: str) -> None:
    with pytest.raises(JudgementError, match=said):
        judge(lists(row), [{"p1": 1.0}], CATALOGUE)


def test_as_many_truths_as_lists() -> None:
    with pytest.raises(JudgementError, match="2 lists but 1 truths"):
        judge(lists("p1", "p2"), [{"p1": 1.0}], CATALOGUE)


ranked = st.lists(st.sampled_from(CATALOGUE), min_size=K, max_size=K, unique=True)
wanted = st.dictionaries(st.sampled_from(CATALOGUE), st.integers(1, 5), min_size=1, max_size=9)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(ranked, wanted), min_size=1, max_size=6))
def test_equal_to_trec_eval(cases: list[tuple[list[str], dict[str, int]]]) -> None:
    """trec_eval's own code: success, reciprocal rank, recall, average precision and NDCG with linear gain."""
    run = {str(n): {item: float(K - at) for at, item in enumerate(row)} for n, (row, _) in enumerate(cases)}
    qrel = {str(n): truth for n, (_, truth) in enumerate(cases)}
    names = {f"success.{K}", "recip_rank", f"recall.{K}", f"map_cut.{K}", f"ndcg_cut.{K}"}
    oracle = pytrec_eval.RelevanceEvaluator(qrel, names).evaluate(run)
    ids = np.array([row for row, _ in cases], dtype=object)
    judged = judge(ids, [truth for _, truth in cases], CATALOGUE)

    def theirs(name: str) -> np.ndarray:
        return np.array([oracle[str(n)][name] for n in range(len(cases))])

    assert metrics.hit_rate(judged) == pytest.approx(theirs(f"success_{K}"))
    assert metrics.reciprocal_rank(judged) == pytest.approx(theirs("recip_rank"))
    assert metrics.recall(judged) == pytest.approx(theirs(f"recall_{K}"))
    assert metrics.ndcg(judged) == pytest.approx(theirs(f"ndcg_cut_{K}"))
    # trec_eval divides by all that is wanted, also by what a list of K cannot hold.
    all_wanted, reachable = judged.relevant, np.minimum(judged.relevant, K)
    assert metrics.average_precision(judged) == pytest.approx(theirs(f"map_cut_{K}") * all_wanted / reachable)


@settings(deadline=None, max_examples=100)
@given(ranked, st.dictionaries(st.sampled_from(CATALOGUE), st.floats(0.01, 1), min_size=1, max_size=12))
def test_ndcg_equal_to_scikit_learn(row: list[str], truth: dict[str, float]) -> None:
    """With gains that are no whole numbers, which trec_eval does not take."""
    order = {item: K - at for at, item in enumerate(row)}
    gains = [[truth.get(item, 0.0) for item in CATALOGUE]]
    scores = [[float(order.get(item, -1 - at)) for at, item in enumerate(CATALOGUE)]]
    judged = judge(np.array([row], dtype=object), [truth], CATALOGUE)
    assert metrics.ndcg(judged)[0] == pytest.approx(ndcg_score(gains, scores, k=K))
