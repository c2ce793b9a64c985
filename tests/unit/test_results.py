"""The stored scoreboards are what the code makes now: no stale row, and rows drawn at random come out the same."""

from __future__ import annotations

import random
from importlib.util import find_spec
from pathlib import Path

import pytest

from recsys_lab import measure
from recsys_lab.datasets import Shop
from recsys_lab.evaluation import Scoreboard, evaluate
from recsys_lab.measure import Contest
from recsys_lab.methods import BY_NAME

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
BOARDS = ["home", "next", "basket", "ab", "owned", "clickstream", "retail any", "retail novel", "retail owned"]
SLOW_ROWS = {("next", "truth")}
SLOW_ROWS |= {
    (board, f"item2vec{kind}") for board in ("next", "clickstream") for kind in ("", " like", " wide", " wide like")
}
SLOW_ROWS |= {(board, name) for board in ("home", "next", "ab", "clickstream") for name in BY_NAME}
SLOW_ROWS |= {("retail any", "blend"), ("retail novel", "blend")}
NEEDS_GENSIM = {"cluster", "with behaviour"}


def stored(name: str) -> Scoreboard:
    return Scoreboard.load(RESULTS / f"{name.replace(' ', '_')}.json")


@pytest.fixture(params=BOARDS, scope="module")
def contest(request: pytest.FixtureRequest) -> Contest:
    name = request.param
    if name == "clickstream":
        return measure.clickstream_contest(request.getfixturevalue("clickstream"))
    if name.startswith("retail"):
        contests = measure.retail_contests(request.getfixturevalue("retail"))
        return next(one for one in contests if one.board.name == name)
    shop: Shop = request.getfixturevalue("shop")
    return measure.shop_contest(shop, name)


def test_no_row_is_stale_and_random_ones_come_out_the_same(contest: Contest) -> None:
    scores = stored(contest.board.name)
    assert [row["method"] for row in scores.rows] == list(contest.rows)
    assert scores.stale(measure.keys(contest)) == [], "measure anew: make scoreboards"
    names = [name for name in contest.rows if (contest.board.name, name) not in SLOW_ROWS]
    if find_spec("gensim") is None:
        names = [name for name in names if name not in NEEDS_GENSIM]
    for name in random.SystemRandom().sample(names, 2):
        for metric, span in evaluate(contest.rows[name](), contest.board, name).summary().items():
            kept = scores.metric(name, metric)
            assert span.mean == pytest.approx(kept.mean, rel=2e-3), f"{contest.board.name}, {name}, {metric}"
            assert (span.low, span.high) == pytest.approx((kept.low, kept.high), rel=2e-2)


@pytest.mark.parametrize("name", ["home", "next", "basket", "ab"])
def test_popularity_leaves_room_for_the_course(name: str) -> None:
    """Clearly above chance, and nowhere more than a third of the way to the ceiling."""
    scores = stored(name)
    floor, here, top = (scores.metric(method) for method in ("random", "popular", "truth"))
    assert floor.high < here.low
    assert here.high < top.low
    assert 0.03 < (here.mean - floor.mean) / (top.mean - floor.mean) < 0.34


def test_no_row_is_better_than_the_truth() -> None:
    for name in ("home", "next", "basket", "ab"):
        scores = stored(name)
        assert all(scores.metric(row["method"]).mean <= scores.metric("truth").mean for row in scores.rows)


def test_a_row_of_other_code_or_data_is_stale() -> None:
    scores = stored("home")
    keys = {row["method"]: row["key"] for row in scores.rows}
    assert scores.stale(keys) == []
    assert scores.stale({**keys, "popular": {**keys["popular"], "code": "other"}}) == ["popular"]
    assert scores.stale({**keys, "random": {**keys["random"], "data": "other"}}) == ["random"]


def test_readme_shows_the_stored_numbers() -> None:
    pytest.importorskip("tools.readme")
    from tools import readme

    assert readme.main(check=True) == 0, "make readme"
