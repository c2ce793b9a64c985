"""What project 02 has to keep, and the measurement on the simulated shop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys_lab.datasets import DAY_MS, Event, Shop
from recsys_lab.evaluation import Board, evaluate, home_board
from recsys_lab.recommender import Context, Floats, ScoringRecommender

CHOSEN = (0.2, 0.5, -0.5, 1.0)
"""Weights as a person sets them: what the boards pay for a click, a cart, a purchase; and half a step back."""
HALF_LIVES = (10.0, 30.0, 90.0)
_NOW = 100 * DAY_MS


def _event(kind: str, item: str, days_ago: float) -> Event:
    return Event("ada", item, kind, _NOW - int(days_ago * DAY_MS), "s1", id=f"{kind}/{item}/{days_ago}")


def _planted(n: int, weights: Floats, seed: int) -> list[tuple[Floats, int]]:
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(n):
        x = np.log1p(rng.poisson(1.0, size=(6, len(weights))).astype(np.float64))
        score = x @ weights + rng.gumbel(size=6)
        cases.append((x, int(score.argmax())))
    return cases


def check_evidence_by_hand(mine: Any) -> None:
    """evidence fades by half with each half-life, and has its columns in the order of KINDS."""
    history = [_event("clicked_on", "b", 0), _event("clicked_on", "b", 10), _event("buy", "a", 20)]
    items, x = mine.evidence(history, _NOW, 10.0)
    due = np.log1p([[0, 0, 0, 0.25], [1.5, 0, 0, 0]])
    assert list(items) == ["a", "b"], f"products come by id: a, b; yours: {items}"
    assert np.allclose(x, due), f"two clicks, 0 and 1 half-lives old: log(1 + 1.5); a purchase 2 old: log(1.25). {x}"


def check_evidence_leaves_out(mine: Any) -> None:
    """evidence knows no impression and nothing later than now."""
    history = [_event("impression", "a", 1), _event("buy", "c", -1), _event("buy", "b", 1)]
    items, x = mine.evidence(history, _NOW, 10.0)
    assert list(items) == ["b"], f"an impression is no deed, and what is later is not known yet; yours has {items}"
    items, x = mine.evidence([], _NOW, 10.0)
    assert len(items) == 0, "an empty history has no products"
    assert x.shape == (0, 4), f"an empty history: shape (0, 4), not {x.shape}"


def check_the_slope_is_the_slope(mine: Any) -> None:
    """the slope of the loss is what small steps find."""
    cases, at = _planted(40, np.ones(4), seed=1), np.array([0.3, -0.2, 0.5, 1.0])
    _, slope = mine.loss(at, cases, 0.1)
    for kind in range(4):
        step = np.eye(4)[kind] * 1e-5
        by_steps = (mine.loss(at + step, cases, 0.1)[0] - mine.loss(at - step, cases, 0.1)[0]) / 2e-5
        assert np.isclose(slope[kind], by_steps, atol=1e-6), f"kind {kind}: slope {slope[kind]}, by steps {by_steps}"


def check_the_loss_of_no_opinion(mine: Any) -> None:
    """with weights of zero every candidate is as likely, and large scores are no overflow."""
    value, _ = mine.loss(np.zeros(4), _planted(10, np.ones(4), seed=2), 0.0)
    assert np.isclose(value, np.log(6)), f"six candidates, no opinion: log(6) = {np.log(6):.4f}, not {value}"
    value, _ = mine.loss(np.array([1000.0]), [(np.array([[1.0], [0.0]]), 0)], 0.0)
    assert np.isclose(value, 0), f"sure and right: a loss of 0, not {value}; subtract the maximum before exp"


def check_learn_finds_what_was_planted(mine: Any) -> None:
    """learn finds the weights that choices were made with, also a negative one."""
    truth = np.array([0.5, 1.0, -1.0, 2.0])
    got = mine.learn(_planted(4000, truth, seed=3), 1e-6)
    assert np.abs(got - truth).max() < 0.2, f"choices were made with {truth}, learned is {np.round(got, 2)}"


def check_learn_is_modest(mine: Any) -> None:
    """a kind that never happens gets no weight, no case at all is an error."""
    cases = [(x * np.array([1, 1, 0, 1]), chosen) for x, chosen in _planted(300, np.ones(4), seed=4)]
    got = mine.learn(cases, 0.01)
    assert abs(got[2]) < 1e-3, f"nothing was ever taken out of a cart here; its weight is {got[2]}, and should be 0"
    try:
        mine.learn([], 0.01)
    except ValueError:
        return
    raise AssertionError("no case at all has to be a ValueError that says so")


class _Again(ScoringRecommender):
    """What this shopper has met before, by weighed evidence; then what is popular."""

    def __init__(self, mine: Any, weights: Sequence[float], half_life_days: float) -> None:
        self._mine, self.weights, self.half_life_days = mine, tuple(weights), half_life_days

    def _learn(self, shop: Shop) -> None:
        counts = shop.popularity.reindex(self.items_).to_numpy(dtype=np.float64)
        self.counts_ = 1e-6 * counts / max(1.0, counts.max())

    def _score(self, contexts: Sequence[Context]) -> Floats:
        scores = np.tile(self.counts_, (len(contexts), 1))
        for row, context in enumerate(contexts):
            items, x = self._mine.evidence(context.history or (), context.now_ms, self.half_life_days)
            columns = self.columns(items)
            scores[row, columns[columns >= 0]] += (x @ np.array(self.weights))[columns >= 0]
        return scores


def cases_of(mine: Any, board: Board, half_life_days: float) -> list[Any]:
    """Visits in which somebody came back to a product: its candidates are all that they had met before."""
    made = []
    for context, gains in zip(board.contexts, board.truth or (), strict=True):
        items, x = mine.evidence(context.history or (), context.now_ms, half_life_days)
        back = [row for row, item in enumerate(items) if item in gains]
        if back and len(items) > len(back):
            made.append((x, max(back, key=lambda row: gains[items[row]])))
    return made


def measure(mine: Any) -> None:
    """Learned on the tuning week, and compared with the chosen ones in one look at the test weeks."""
    from recsys_lab.datasets import load_shop

    split = load_shop(impressions=False).split()
    tune, test = home_board(split.train, split.tune), home_board(split.before_test, split.test)
    told = {}
    for days in HALF_LIVES:
        cases = cases_of(mine, tune, days)
        weights = mine.learn(cases)
        told[days] = (mine.loss(weights, cases, 0.0)[0], weights, len(cases))
    days = min(told, key=lambda one: told[one][0])
    _, weights, n = told[days]
    by_hand = {one: evaluate(_Again(mine, CHOSEN, one), tune).summary()["NDCG@10"].mean for one in HALF_LIVES}
    hand_days = max(by_hand, key=lambda one: by_hand[one])  # the chosen weights may pick their half-life too
    print(f"\ntuning week: half-life {days:g} days has the smallest loss, over {n} visits that came back to a product")
    for name, one, other in zip(mine.KINDS, weights, CHOSEN, strict=True):
        print(f"  {name:>18}: learned {one:+.2f}, chosen {other:+.2f}")
    learned, chosen = evaluate(_Again(mine, weights, days), test), evaluate(_Again(mine, CHOSEN, hand_days), test)
    print(f"test weeks, NDCG@10: learned {learned.summary()['NDCG@10']}")
    print(f"  chosen (half-life {hand_days:g}):    {chosen.summary()['NDCG@10']}")
    print(f"  learned − chosen:    {learned.against(chosen, 'NDCG@10')}")
