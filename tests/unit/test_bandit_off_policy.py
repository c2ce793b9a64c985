"""Off-policy estimates: worked numbers, the order of bias and spread, self-checks, and logs that cannot be used."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.bandit import (
    BanditError,
    Estimate,
    Logged,
    PropensityError,
    WeightWarning,
    check_weights,
    click_rates,
    compare,
    direct,
    doubly_robust,
    examination,
    importance,
    impressions,
    ips,
    reward_model,
    slot_log,
    snips,
    without_propensities,
)
from recsys_lab.datasets import Shop
from recsys_lab.evaluation.bootstrap import Interval

ARMS = ("a", "b")


def worked() -> tuple[Logged, Any, Any]:
    """Four rows whose weights are 2, 0.5, 2 and 0.5; a policy; and what a model expects."""
    logged = Logged(ARMS, ["a", "b", "a", "b"], [1, 1, 0, 0], [0.4, 0.4, 0.4, 0.4], ["u", "v", "w", "x"])
    return logged, np.tile([0.8, 0.2], (4, 1)), np.tile([0.5, 0.25], (4, 1))


def test_worked_numbers() -> None:
    logged, target, model = worked()
    assert importance(logged, target) == pytest.approx([2, 0.5, 2, 0.5])
    assert ips(logged, target).mean == pytest.approx(2.5 / 4)
    assert snips(logged, target).mean == pytest.approx(2.5 / 5)
    assert direct(logged, target, model).mean == pytest.approx(0.8 * 0.5 + 0.2 * 0.25)
    corrected = 0.45 + (2 * 0.5 + 0.5 * 0.75 - 2 * 0.5 - 0.5 * 0.25) / 4
    assert doubly_robust(logged, target, model).mean == pytest.approx(corrected)
    assert without_propensities(logged, target).mean == pytest.approx((0.8 + 0.2) / 2)
    assert ips(logged, target).mean_weight == pytest.approx(1.25)
    assert ips(logged, target).effective == pytest.approx(25 / 8.5)


def test_who_ran_gets_the_mean_of_the_log() -> None:
    """The policy that was running has weights of 1: every estimate that needs no model is the mean reward."""
    logged, chance = drawn(500, seed=0)
    assert ips(logged, chance).mean == pytest.approx(logged.rewards.mean())
    assert snips(logged, chance).mean == pytest.approx(logged.rewards.mean())
    assert ips(logged, chance).effective == pytest.approx(500)


# -- a world of two kinds of shopper ----------------------------------------------------------------------------------

TRUE = np.array([[0.9, 0.1], [0.5, 0.8]])  # [kind, arm]; the first kind likes a, the second b more
RUNNING = np.array([[0.9, 0.1], [0.1, 0.9]])  # and the running policy knows it
ONLY_A = np.array([[1.0, 0.0], [1.0, 0.0]])
VALUE_OF_A = 0.7


def drawn(n: int, seed: int, running: Any = RUNNING) -> tuple[Logged, Any]:
    """A log of `n` visits, each kind as often on average, and the probabilities of the policy that ran; [n, 2]."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(2, size=n)
    arm = (rng.random(n) > running[kind, 0]).astype(int)
    clicked = rng.random(n) < TRUE[kind, arm]
    log = Logged(ARMS, np.array(ARMS, dtype=object)[arm], clicked, running[kind, arm], np.arange(n))
    return log, running[kind]


def kinds(log: Logged, chance: Any) -> Any:
    """Features [n, 2, 4]: one column for each kind and arm."""
    x = np.zeros((len(log), 2, 4))
    kind = (chance[:, 0] < 0.5).astype(int)
    for arm in (0, 1):
        x[np.arange(len(log)), arm, 2 * kind + arm] = 1.0
    return x


Make = Callable[[Logged, Any, Any], Estimate]
ESTIMATORS: dict[str, Make] = {
    "none": lambda log, target, model: without_propensities(log, target),
    "ips": lambda log, target, model: ips(log, target),
    "snips": lambda log, target, model: snips(log, target),
    "direct": direct,
    "dr": doubly_robust,
}


@pytest.fixture(scope="module")
def errors() -> dict[str, Any]:
    """Each estimator's error for "always a", on 200 logs of 400 visits; "wrong" are models that know nothing."""
    found: dict[str, list[float]] = {}
    for seed in range(200):
        log, chance = drawn(400, seed)
        models = {"": reward_model(log, kinds(log, chance)), " wrong": np.full((400, 2), 0.9)}
        target = np.tile([1.0, 0.0], (400, 1))
        for name, make in ESTIMATORS.items():
            for kind, model in models.items():
                found.setdefault(name + kind, []).append(make(log, target, model).mean - VALUE_OF_A)
    return {name: np.array(values) for name, values in found.items()}


def bias(errors: Any) -> float:
    """How many standard errors the mean error is away from 0."""
    return abs(float(errors.mean() / (errors.std(ddof=1) / np.sqrt(len(errors)))))


def test_clicks_that_a_policy_caused_flatter_what_it_showed(errors: dict[str, Any]) -> None:
    """Of those who were shown a, nine in ten are those who like it: .86 in place of .7."""
    assert errors["none"].mean() == pytest.approx(0.16, abs=0.02)


@pytest.mark.parametrize("name", ["ips", "snips", "dr", "dr wrong"])
def test_propensities_take_the_bias_away(errors: dict[str, Any], name: str) -> None:
    assert bias(errors[name]) < 3.5
    assert abs(errors[name].mean()) < 0.02


def test_a_model_alone_is_as_wrong_as_it_is(errors: dict[str, Any]) -> None:
    assert errors["direct wrong"].mean() == pytest.approx(0.2)


def test_a_good_model_narrows_and_so_does_normalising(errors: dict[str, Any]) -> None:
    """By algebra the spreads are as √2.51 (IPS), √1.52 (SNIPS), √1.34 (DR)."""
    assert errors["dr"].std() / errors["ips"].std() == pytest.approx(np.sqrt(1.34 / 2.51), abs=0.12)
    assert errors["snips"].std() / errors["ips"].std() == pytest.approx(np.sqrt(1.52 / 2.51), abs=0.12)
    assert errors["dr wrong"].std() > errors["dr"].std()


@pytest.mark.parametrize("estimate", [ips, snips])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(estimate: Callable[[Logged, Any], Estimate]) -> None:
    held = 0
    for seed in range(100):
        log, _ = drawn(800, seed)
        span = estimate(log, np.tile([1.0, 0.0], (800, 1))).interval(resamples=200)
        held += span.low <= VALUE_OF_A <= span.high
    assert held >= 85


def test_the_interval_resamples_shoppers() -> None:
    """The same rows ten times over say nothing new."""
    log, _ = drawn(100, 3)
    ten = Logged(ARMS, np.tile(log.shown, 10), np.tile(log.rewards, 10), np.tile(log.propensities, 10),
                 np.tile(log.units, 10))  # fmt: skip
    once, often = (snips(one, np.tile([0.5, 0.5], (len(one), 1))).interval() for one in (log, ten))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_a_reward_model_never_saw_the_shopper_it_speaks_of() -> None:
    """A shopper's two rows share a feature that gives the reward away: only a model that saw one of them can use it."""
    n = 80
    shopper = np.arange(n) // 2
    log = Logged(ARMS, ["a", "b"] * (n // 2), shopper % 2, [0.5] * n, shopper)
    x = np.repeat(np.eye(n // 2)[shopper][:, None, :], 2, axis=1)
    expected, right = reward_model(log, x, strength=1e-6), log.rewards == 1
    assert expected.shape == (n, 2)
    assert expected[right].mean() < expected[~right].mean() + 0.1
    told = Logged(ARMS, log.shown, log.rewards, log.propensities, np.arange(n))  # as if each row were a shopper
    leaked = reward_model(told, x, strength=1e-6)
    assert leaked[right].mean() > leaked[~right].mean() + 0.5


def test_a_logistic_model_gives_chances_also_where_nobody_clicked() -> None:
    log, chance = drawn(300, 1)
    expected = reward_model(log, kinds(log, chance), "logistic", strength=0.1)
    assert expected[chance[:, 0] > 0.5][0] == pytest.approx(TRUE[0], abs=0.15)
    nobody = Logged(ARMS, log.shown, np.zeros(300), log.propensities, log.units)
    assert not reward_model(nobody, kinds(log, chance), "logistic").any()


# -- self-checks and errors -------------------------------------------------------------------------------------------


def test_wrong_propensities_are_told_and_right_ones_rarely_accused() -> None:
    accused = 0
    for seed in range(60):
        log, _ = drawn(1000, seed)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            check_weights(log, np.tile([1.0, 0.0], (1000, 1)))
        accused += len(told)
        if seed < 5:
            claimed = Logged(ARMS, log.shown, log.rewards, np.full(1000, 0.9), log.units)
            with pytest.warns(WeightWarning, match="should be 1"):
                check_weights(claimed, np.tile([1.0, 0.0], (1000, 1)))
    assert accused <= 3


def test_a_greedy_log_cannot_judge_others() -> None:
    """Its propensities are right, all 1; but it never shows to the second kind what "always a" would."""
    log, _ = drawn(1000, 2, running=np.eye(2))
    target = np.tile([1.0, 0.0], (1000, 1))
    with pytest.warns(WeightWarning, match="never shows"):
        table = compare(log, target)
    assert abs(table["value"][1] - VALUE_OF_A) > 0.03
    only_b = Logged(ARMS, ["b"] * 10, [0] * 10, [1.0] * 10, range(10))
    for estimate in (ips, snips, without_propensities):
        with pytest.raises(BanditError, match="never shows what the policy would"):
            estimate(only_b, np.tile([1.0, 0.0], (10, 1)))


def test_an_estimate_says_what_the_log_does_not_have() -> None:
    """Half of the policy's choices are an arm that was never shown: what is left looks perfectly sure."""
    log = Logged(("a", "b", "c"), ["a", "b"] * 50, [1, 1] * 50, [0.5] * 100, range(100))
    target, model = np.tile([0.25, 0.25, 0.5], (100, 1)), np.full((100, 3), 0.5)
    for found in (ips(log, target), snips(log, target), direct(log, target, model), doubly_robust(log, target, model)):
        assert found.warning.startswith("the log never shows 'c', which this policy would in 50% of its choices; ")
        assert "the mean weight is 0.5000 [0.5000, 0.5000] and should be 1" in found.warning
        assert str(found).endswith(f"Careful: {found.warning}.")
    assert snips(log, target).interval() == Interval(1.0, 1.0, 1.0)
    agreed = without_propensities(log, target)  # its weights are no ratios, so their mean says nothing
    assert agreed.warning == "the log never shows 'c', which this policy would in 50% of its choices"
    with pytest.warns(WeightWarning, match=r"0\.5000 \[0\.5000, 0\.5000\].*95 % interval; the log never shows 'c'"):
        check_weights(log, target)


def test_an_estimate_with_support_is_not_accused() -> None:
    log, chance = drawn(500, seed=0)
    for found in (ips(log, chance), snips(log, chance), without_propensities(log, chance)):
        assert found.warning == "" and "Careful" not in str(found) and "\n" not in str(found)
    arms = (*ARMS, "never")  # one choice in two hundred: too little to tell
    wider = Logged(arms, log.shown, log.rewards, log.propensities, log.units)
    assert snips(wider, np.column_stack([chance * 0.995, np.full(500, 0.005)])).unseen == ""


def test_a_mean_weight_that_is_not_one_is_told_with_its_interval() -> None:
    """Every arm was shown, but to the second kind never a: only the weights can tell."""
    log, _ = drawn(1000, 2, running=np.eye(2))
    found = snips(log, np.tile([1.0, 0.0], (1000, 1)))
    span = found.weight_interval()
    assert span.high < 1 and found.unseen == ""
    assert found.warning.startswith(f"the mean weight is {span} and should be 1")


def test_few_effective_choices_are_told() -> None:
    """A log of many arms holds few rows of one of them."""
    arms, rng = tuple(f"p{n}" for n in range(100)), np.random.default_rng(0)
    shown = rng.integers(100, size=1000)
    log = Logged(arms, np.array(arms, dtype=object)[shown], rng.random(1000) < 0.2, np.full(1000, 0.01), range(1000))
    with pytest.warns(WeightWarning, match=r"worth 1?[0-9] choices .* 95 % interval is [0-9.]+ \[[0-9.]+, [0-9.]+\]"):
        check_weights(log, np.tile(np.arange(100) == 5, (1000, 1)).astype(float))


@pytest.mark.parametrize(
    ("changes", "error", "rule"),
    [
        ({"propensities": [0.5, np.nan]}, PropensityError, r"1 of 2 rows have none \(row 1"),
        ({"propensities": None}, PropensityError, r"2 of 2 rows have none \(row 0"),
        ({"propensities": [None, None]}, PropensityError, r"2 of 2 rows have none \(row 0"),
        ({"propensities": 0.5}, BanditError, r"propensities: shape \(\); give a list"),
        ({"units": "u"}, BanditError, r"units: shape \(\); give a list"),
        ({"propensities": [0.5, 0.0]}, PropensityError, "row 1 has 0.0"),
        ({"propensities": [-0.1, 0.5]}, PropensityError, "row 0 has -0.1"),
        ({"propensities": [1.2, 0.5]}, PropensityError, "none is above 1"),
        ({"propensities": [0.5]}, BanditError, "one of each"),
        ({"rewards": [1.0, np.inf]}, BanditError, "rewards: row 1"),
        ({"shown": ["a", "z"]}, BanditError, "'z' is none of the 2 arms"),
        ({"shown": [], "rewards": [], "propensities": [], "units": []}, BanditError, "at least one choice"),
    ],
)
def test_a_log_that_cannot_be_used(changes: dict[str, Any], error: type[Exception], rule: str) -> None:
    given: dict[str, Any] = {"shown": ["a", "b"], "rewards": [1, 0], "propensities": [0.5, 0.5], "units": ["u", "v"]}
    with pytest.raises(error, match=rule):
        Logged(ARMS, **(given | changes))


@pytest.mark.parametrize(
    ("deed", "rule"),
    [
        (lambda log, target: ips(log, target[:2]), "target: shape"),
        (lambda log, target: ips(log, target * 2), "no distribution"),
        (lambda log, target: ips(log, target - [1.0, -1.0]), "no distribution"),
        (lambda log, target: direct(log, target, np.ones((4, 3))), "rewards: shape"),
        (lambda log, target: doubly_robust(log, target, np.full((4, 2), np.nan)), "rewards: shape"),
        (lambda log, target: reward_model(log, np.ones((4, 2))), "x: shape"),
        (lambda log, target: reward_model(log, np.ones((4, 2, 1)), "forest"), "kind: 'forest'"),
        (lambda log, target: reward_model(log, np.ones((4, 2, 1)), folds=5), "folds: 5 for 4 units"),
    ],
)
def test_one_clear_error(deed: Any, rule: str) -> None:
    logged, target, _ = worked()
    with pytest.raises(BanditError, match=rule):
        deed(logged, target)


# -- a shop's log -----------------------------------------------------------------------------------------------------


def shown_shop(random: bool = True) -> Shop:
    """Two visits of one list each: the first at random among a, b, c; the second, with d launched, by the team."""
    products = pd.DataFrame(
        {"item_id": ["a", "b", "c", "d"], "kind": ["hats", "boots", "boots", "boots"], "launched_at": [0, 0, 0, 5000]}
    )
    seen = pd.DataFrame(
        {
            "user_id": ["u", "u", "v", "v"], "item_id": ["c", "a", "d", "a"], "event_type": "impression",
            "timestamp": [1000, 1000, 9000, 9000], "session_id": ["s", "s", "t", "t"], "position": [1, 2, 1, 2],
        }
    )  # fmt: skip
    if random:
        seen["propensity"] = [1 / 3, 1 / 3, np.nan, np.nan]
    clicks = pd.DataFrame(
        {
            "user_id": ["u", "u", "v"], "item_id": ["c", "a", "d"], "event_type": "clicked_on",
            "session_id": ["s", "s", "t"], "timestamp": [2000, 3000, 9500], "surface": ["home", "category", "home"],
        }
    )  # fmt: skip
    return Shop.from_frames(products, clicks, impressions=seen)


def test_the_random_lists_become_choices() -> None:
    """A click on a category page is none on the list; the team's list is left out."""
    log = slot_log(shown_shop())
    assert log.logged.shown.tolist() == ["c", "a"] and log.logged.arms == ("a", "b", "c", "d")
    assert log.logged.rewards.tolist() == [1, 0] and log.logged.propensities == pytest.approx([1 / 3, 1 / 3])
    assert log.positions.tolist() == [1, 2] and log.contexts[0].shopper_id == "u" and log.contexts[0].now_ms == 1000
    assert log.available.tolist() == [[1, 1, 1, 0], [1, 1, 1, 0]]


def test_a_shelf_is_as_likely_as_its_products_together() -> None:
    log = slot_log(shown_shop(), "kind")
    assert log.logged.arms == ("boots", "hats") and log.logged.shown.tolist() == ["boots", "hats"]
    assert log.logged.propensities == pytest.approx([2 / 3, 1 / 3])


def test_shelves_need_products_that_were_drawn_evenly() -> None:
    shop = shown_shop()
    assert shop.impressions is not None
    weighted = shop.impressions.assign(propensity=[0.5, 0.2, np.nan, np.nan])
    favoured = Shop.from_frames(shop.products, shop.events, impressions=weighted)
    assert slot_log(favoured).logged.propensities == pytest.approx([0.5, 0.2])
    with pytest.raises(PropensityError, match="not drawn evenly"):
        slot_log(favoured, "kind")


def test_a_shop_without_propensities_or_impressions_says_so() -> None:
    for ask in (slot_log, examination):
        with pytest.raises(PropensityError, match=r"propensity|at random"):
            ask(shown_shop(random=False))
    with pytest.raises(BanditError, match="no column 'colour'"):
        slot_log(shown_shop(), "colour")
    with pytest.raises(BanditError, match="no impressions"):
        impressions(Shop.from_sessions([["a", "b"]]))


def test_click_rates_by_looks() -> None:
    """The second place is looked at half as often: one click in its half look is as good as two."""
    plain = click_rates(shown_shop(), strength=1e-9)
    assert plain[["a", "c", "d"]].tolist() == pytest.approx([0, 1, 1], abs=1e-6)
    corrected = click_rates(shown_shop(), looks=[0.5, 1.0], strength=1e-9)
    assert corrected[["a", "c", "d"]].tolist() == pytest.approx([0, 2, 2], abs=1e-6)
    assert click_rates(shown_shop(), strength=2.0)["c"] == pytest.approx((1 + 2 * 0.5) / 3)
    with pytest.raises(BanditError, match="looks: 1 places"):
        click_rates(shown_shop(), looks=[1.0])
