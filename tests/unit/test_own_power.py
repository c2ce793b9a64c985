"""The size of an A/B test, against published numbers and against tests drawn by chance; which chapter pays."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import brentq

from recsys_lab.baselines import Popular, Random, RepeatPurchase
from recsys_lab.datasets import Shop
from recsys_lab.evaluation import Scoreboard, evaluate, home_board
from recsys_lab.evaluation.bootstrap import paired
from recsys_lab.methods import ROWS
from recsys_lab.own.pays import CHAPTER_OF, pays
from recsys_lab.own.power import design_effect, power, sample_size, smallest_uplift


def by_scipy(p: float, q: float, n: float, alpha: float) -> float:
    """Power of the pooled z test with n on each side, one tail, by scipy's normal distribution."""
    middle = (p + q) / 2
    edge = stats.norm.ppf(1 - alpha / 2) * math.sqrt(2 * middle * (1 - middle) / n)
    return float(stats.norm.sf(edge, loc=abs(q - p), scale=math.sqrt((p * (1 - p) + q * (1 - q)) / n)))


def test_the_published_examples() -> None:
    """The examples on R's page of power.prop.test: n = 76.7 and power = 0.740."""
    assert sample_size(0.50, 0.50, power=0.90) == math.ceil(76.65)
    assert round(power(0.50, 0.50, 50), 3) == 0.740


@pytest.mark.parametrize("p", [0.01, 0.05, 0.19, 0.5])
@pytest.mark.parametrize("uplift", [-0.2, 0.03, 0.1, 0.5])
@pytest.mark.parametrize(("wanted", "alpha"), [(0.8, 0.05), (0.9, 0.01)])
def test_against_scipy(p: float, uplift: float, wanted: float, alpha: float) -> None:
    q = p * (1 + uplift)
    n = brentq(lambda n: by_scipy(p, q, n, alpha) - wanted, 1, 1e9)
    assert abs(sample_size(p, uplift, wanted, alpha) - n) <= 1
    assert power(p, uplift, 1234, alpha) == pytest.approx(by_scipy(p, q, 1234, alpha), abs=1e-12)


def test_size_and_power_are_inverse_to_each_other() -> None:
    for effect in (1.0, 1.45, 3.0):
        n = sample_size(0.07, 0.08, 0.85, 0.02, effect)
        assert power(0.07, 0.08, n, 0.02, effect) >= 0.85 > power(0.07, 0.08, n - 2 * effect, 0.02, effect)
        assert smallest_uplift(0.07, n, 0.85, 0.02, effect) == pytest.approx(0.08, rel=1e-3)
    assert sample_size(0.05, 0.1, design_effect=2) == pytest.approx(2 * sample_size(0.05, 0.1), abs=1)
    assert math.isnan(smallest_uplift(0.5, 3))


def test_tests_drawn_by_chance_ring_as_often_as_they_should() -> None:
    p, uplift = 0.1, 0.15
    n = sample_size(p, uplift)
    rng = np.random.default_rng(0)
    for lift, wanted in ((0.0, 0.05), (uplift, 0.80)):
        one, two = rng.binomial(n, p, 10_000) / n, rng.binomial(n, p * (1 + lift), 10_000) / n
        both = (one + two) / 2
        rings = (np.abs(two - one) / np.sqrt(both * (1 - both) * 2 / n) > 1.959964).mean()
        assert rings == pytest.approx(wanted, abs=0.012)


def test_the_design_effect_is_that_of_the_bootstrap_over_shoppers() -> None:
    rng = np.random.default_rng(1)
    visits = 1 + rng.poisson(3, 2_000)
    units = np.repeat(np.arange(2_000), visits)
    values = (rng.random(len(units)) < np.repeat(rng.beta(1, 4, 2_000), visits)).astype(float)
    drawn = rng.multinomial(2_000, np.full(2_000, 1 / 2_000), size=4_000)
    sums, counts = np.bincount(units, weights=values), np.bincount(units)
    by_bootstrap = ((drawn @ sums) / (drawn @ counts)).var() / (values.var() / len(values))
    effect = design_effect(values, units)
    assert effect > 1.5 and effect == pytest.approx(by_bootstrap, rel=0.08)
    assert design_effect(values, np.arange(len(values))) == pytest.approx(1.0)
    shuffled = design_effect(values, rng.permutation(units))
    assert shuffled == pytest.approx(1.0, abs=0.1)


def test_false_alarms_of_shoppers_who_come_again() -> None:
    """A/A tests with shoppers on two sides: too many alarms by visit, the right number with the design effect."""
    rng = np.random.default_rng(2)
    visits = rng.geometric(0.2, 1_500)
    bought = rng.binomial(visits, rng.beta(1, 3, 1_500))
    units = np.repeat(np.arange(1_500), visits)
    values = np.concatenate(
        [np.repeat([1.0, 0.0], [yes, all_ - yes]) for yes, all_ in zip(bought, visits, strict=True)]
    )
    side = rng.random((4_000, 1_500)) < 0.5
    buys, many = side @ bought, side @ visits
    share = bought.sum() / visits.sum()
    spread = np.sqrt(share * (1 - share) * (1 / many + 1 / (visits.sum() - many)))
    z = np.abs(buys / many - (bought.sum() - buys) / (visits.sum() - many)) / spread
    effect = design_effect(values, units)
    assert (z > 1.96).mean() > 0.10
    assert (z / math.sqrt(effect) > 1.96).mean() == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sample_size(0.0, 0.1), "p: 0 is no share"),
        (lambda: sample_size(5, 0.1), "p: 5 is no share"),
        (lambda: sample_size(0.05, 0), "uplift: 0 cannot be seen"),
        (lambda: sample_size(0.5, 1.0), r"uplift: \+1 makes 1 of 0.5"),
        (lambda: sample_size(0.05, 0.1, power=80), "power: 80 is no share"),
        (lambda: sample_size(0.05, 0.1, power=0.02), "power: 0.02 is not above alpha / 2"),
        (lambda: sample_size(0.05, 0.1, alpha=0), "alpha: 0 is no share"),
        (lambda: sample_size(0.05, 0.1, design_effect=0), "design_effect: 0 has to be above 0"),
        (lambda: power(0.05, 0.1, 0), "n: 0 visits"),
        (lambda: power(0.05, 0.1, math.nan), "n: nan visits"),
        (lambda: smallest_uplift(1.5, 100), "p: 1.5 is no share"),
        (lambda: design_effect(np.ones(3), np.arange(3)), "values: all are the same"),
        (lambda: design_effect(np.array([]), np.array([])), "there are none"),
        (lambda: design_effect(np.arange(3), np.arange(2)), "units: 2 of them for 3 values"),
    ],
)
def test_bad_input_gets_one_error(call: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()  # type: ignore[operator]


# Which chapter pays


@pytest.fixture
def measured() -> Scoreboard:
    """A board of a small shop in which everybody buys their own product again."""
    rows = [(f"u{user:02d}", f"p{user % 7}", kind, day * 86_400_000 + user * 60_000 + at)
            for day in range(30) for user in range(40) for at, kind in enumerate(("clicked_on", "buy"))]  # fmt: skip
    rows += [(f"u{user:02d}", "p0", "clicked_on", user) for user in range(40)]
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "event_type", "timestamp"])
    shop = Shop.from_frames(pd.DataFrame({"item_id": [f"p{at}" for at in range(30)]}), events)
    split = shop.split(7, 1)
    board = home_board(split.before_test, split.test)
    scores = Scoreboard.of(board)
    for name, made in {"random": Random(), "popular": Popular(), "repeat": RepeatPurchase(), "als": Popular()}.items():
        scores.add(evaluate(made, board, name))
    return scores


def test_each_chapter_is_compared_with_popular_and_with_those_before(measured: Scoreboard) -> None:
    table = pays(measured).set_index("chapter")
    assert table["method"].to_dict() == {"00": "repeat", "05": "als"}  # the better row of 00; best first
    cases = {name: result.cases["NDCG@10"] for name, result in measured._results.items()}
    units = measured._results["popular"].units
    more, adds = paired(cases["repeat"], cases["popular"], units), paired(cases["als"], cases["repeat"], units)
    assert (table.loc["00", "more"], table.loc["00", "more low"]) == (more.mean, more.low) and more.low > 0
    assert (table.loc["05", "adds"], table.loc["05", "adds high"]) == (adds.mean, adds.high) and adds.high < 0
    assert math.isnan(table.loc["00", "adds"]) and table.loc["05", "more"] == 0


def test_a_board_without_the_best_sellers_is_refused(measured: Scoreboard) -> None:
    stored = Scoreboard(measured.name, measured.facts, measured.rows)
    with pytest.raises(ValueError, match="there is no row 'popular' measured with the others"):
        pays(stored)


def test_every_row_of_the_shops_boards_has_its_chapter() -> None:
    names = {name for board in ("home", "next", "basket", "owned") for name in ROWS[board]}
    assert names == set(CHAPTER_OF)
