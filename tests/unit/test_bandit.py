"""Bandits: LinUCB beside a library and beside plain algebra, propensities that are true, sums that add up and last."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.linear_model import Ridge

from recsys_lab.bandit import (
    BanditError,
    BanditState,
    EpsilonGreedy,
    LinUCB,
    Policy,
    Ranked,
    TasteFeatures,
    Uniform,
    probabilities_of,
)
from recsys_lab.datasets import Event, Shop
from recsys_lab.recommender import Context, NotFittedError

ARMS = ("a", "b", "c")


def history(n: int = 300, dim: int = 4, seed: int = 0) -> tuple[Any, Any, Any]:
    """Features [n, dim], the arm shown, and a reward that depends on both."""
    rng = np.random.default_rng(seed)
    x, shown = rng.normal(size=(n, dim)), rng.choice(ARMS, n)
    liking = {"a": np.array([0.5, 0, 0, 0]), "b": np.array([0, 0.5, 0, 0]), "c": np.array([0, 0, -0.5, 0.2])}
    rewards = np.array([float(rng.random() < 0.4 + liking[arm][:dim] @ row) for arm, row in zip(shown, x, strict=True)])
    return x, shown, rewards


def taught(policy: LinUCB, first: int = 0, last: int = 300) -> LinUCB:
    """The policy after these rows of the history."""
    for row, arm, reward in zip(*(column[first:last] for column in history()), strict=True):
        policy.update(str(arm), row, reward)
    return policy


# -- the same as others -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "ridge"), [(0.0, 1.0), (1.3, 2.0), (0.4, 0.1)])
def test_the_same_values_as_mabwiser(alpha: float, ridge: float) -> None:
    mab = pytest.importorskip("mabwiser.mab", reason="mabwiser is not installed: pip install mabwiser")
    x, shown, rewards = history()
    theirs = mab.MAB(list(ARMS), mab.LearningPolicy.LinUCB(alpha=alpha, l2_lambda=ridge))
    theirs.fit(shown[:200], rewards[:200], x[:200])
    theirs.partial_fit(shown[200:], rewards[200:], x[200:])
    ours = taught(LinUCB(alpha, ridge))
    asked = np.random.default_rng(1).normal(size=(50, 4))
    for row, expected in zip(asked, theirs.predict_expectations(asked), strict=True):
        values = ours.values(ARMS, np.tile(row, (3, 1)))
        assert values == pytest.approx([expected[arm] for arm in ARMS], abs=1e-9)
        assert ARMS[int(np.argmax(ours.probabilities(ARMS, np.tile(row, (3, 1)))))] == theirs.predict([row])


def test_the_mean_is_ridge_regression_and_the_spread_is_its_algebra() -> None:
    x, shown, rewards = history()
    ours = taught(LinUCB(alpha=1.0, ridge=2.5))
    for arm in ARMS:
        mine = shown == arm
        oracle = Ridge(alpha=2.5, fit_intercept=False, solver="cholesky").fit(x[mine], rewards[mine])
        theta, inverse = ours.posterior(arm, 4)
        assert theta == pytest.approx(oracle.coef_, abs=1e-9)
        assert inverse @ (x[mine].T @ x[mine] + 2.5 * np.eye(4)) == pytest.approx(np.eye(4), abs=1e-9)


def test_a_shared_model_is_one_ridge_over_all_arms() -> None:
    x, _, rewards = history()
    ours = taught(LinUCB(alpha=0.7, shared=True))
    oracle = Ridge(alpha=1.0, fit_intercept=False, solver="cholesky").fit(x, rewards)
    asked = np.random.default_rng(3).normal(size=(3, 4))
    spread = [np.sqrt(row @ np.linalg.solve(x.T @ x + np.eye(4), row)) for row in asked]
    assert ours.values(["new", "b", "other"], asked) == pytest.approx(asked @ oracle.coef_ + 0.7 * np.array(spread))


def test_worked_numbers() -> None:
    """One feature, one click in two shows: θ = 1/3, A⁻¹ = 1/3."""
    policy = LinUCB(alpha=2.0)
    policy.update("a", np.ones(1), 1.0)
    policy.update("a", np.ones(1), 0.0)
    assert policy.values(["a", "b"], np.ones((2, 1))) == pytest.approx([1 / 3 + 2 * np.sqrt(1 / 3), 2.0])


# -- propensities -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [Uniform(), Ranked(["b", "c"], epsilon=0.4), EpsilonGreedy(0.3), LinUCB(epsilon=0.25), LinUCB(epsilon=0.0)],
    ids=lambda policy: type(policy).__name__ + f" {policy.epsilon}",
)
def test_logged_propensities_are_the_frequencies(policy: Policy) -> None:
    if isinstance(policy, LinUCB):
        taught(policy)
    x, rng, n = np.tile([0.3, 1.0, -0.2, 0.5], (3, 1)), np.random.default_rng(7), 20_000
    drawn = [policy.choose(ARMS, x, rng) for _ in range(n)]
    told = policy.probabilities(ARMS, x)
    assert told.sum() == pytest.approx(1)
    for arm, chance in zip(ARMS, told, strict=True):
        mine = [one for one in drawn if one.arm == arm]
        assert {one.propensity for one in mine} <= {chance}
        error = np.sqrt(chance * (1 - chance) / n)
        assert abs(len(mine) / n - chance) <= 4 * error


def test_an_epsilon_is_the_least_that_an_arm_can_have() -> None:
    chances = taught(LinUCB(epsilon=0.3)).probabilities(ARMS, np.ones((3, 4)))
    assert sorted(chances) == pytest.approx([0.1, 0.1, 0.8])


def test_equal_values_fall_to_the_first_arm() -> None:
    assert LinUCB().choose(ARMS, np.ones((3, 2)), np.random.default_rng(0)).arm == "a"
    assert LinUCB().choose(ARMS[::-1], np.ones((3, 2)), np.random.default_rng(0)).arm == "c"


def test_what_is_shown_loses_its_bonus_and_the_rest_is_tried() -> None:
    policy, rng, shown = LinUCB(alpha=1.0), np.random.default_rng(0), []
    for _ in range(30):
        shown.append(policy.choose(ARMS, np.ones((3, 1)), rng).arm)
        policy.update(shown[-1], np.ones(1), 1.0 if shown[-1] == "c" else 0.0)
    assert shown[:3] == ["a", "b", "c"] and shown[-10:] == ["c"] * 10


def test_a_policy_that_stands_still_is_asked_for_many_contexts() -> None:
    policy, x = taught(LinUCB(epsilon=0.3)), np.random.default_rng(4).normal(size=(5, 3, 4))
    assert probabilities_of(policy, ARMS, x)[2] == pytest.approx(policy.probabilities(ARMS, x[2]))


class Thompson(LinUCB):
    """Thompson sampling in the exercise's shape: how often an arm is best in draws of θ is its exact probability."""

    def probabilities(self, arms: Sequence[str], x: Any) -> Any:
        rng, draws = np.random.default_rng(0), 20_000
        thetas = [self.posterior(arm, x.shape[1]) for arm in arms]
        values = [
            rng.multivariate_normal(theta, self.alpha**2 * inverse, draws) @ row
            for (theta, inverse), row in zip(thetas, x, strict=True)
        ]
        return np.bincount(np.argmax(values, axis=0), minlength=len(arms)) / draws


def test_a_policy_that_draws_from_the_posterior_has_the_chances_of_the_normal_distribution() -> None:
    policy, x = taught(Thompson(alpha=0.5)), np.tile([0.3, 1.0, -0.2, 0.5], (2, 1))
    means, spreads = policy.means(ARMS[:2], x), 0.5 * policy.spreads(ARMS[:2], x)
    first_is_best = norm.cdf((means[0] - means[1]) / np.hypot(*spreads))
    assert 0.0005 < first_is_best < 0.9995
    assert policy.probabilities(ARMS[:2], x)[0] == pytest.approx(first_is_best, abs=0.015)
    drawn = policy.choose(ARMS[:2], x, np.random.default_rng(0))
    assert drawn.propensity == policy.probabilities(ARMS[:2], x)[ARMS.index(drawn.arm)]


# -- state ------------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(ARMS), st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 1)), max_size=30),
    st.integers(0, 30),
)
def test_two_halves_add_up_to_the_whole(events: list[tuple[str, int, int, int]], cut: int) -> None:
    def learned(some: Sequence[tuple[str, int, int, int]]) -> BanditState:
        state = BanditState(2)
        for arm, first, second, reward in some:
            state.add(arm, [first, second], reward)
        return state

    both, whole = learned(events[:cut]) + learned(events[cut:]), learned(events)
    assert both.to_json() == whole.to_json()
    assert (learned(events[cut:]) + learned(events[:cut])).to_json() == whole.to_json()


def test_the_ridge_is_counted_once_however_many_states_are_added() -> None:
    whole, halves = taught(LinUCB()), (taught(LinUCB(), 0, 150), taught(LinUCB(), 150))
    merged = LinUCB().start_from(halves[0].state_ + halves[1].state_ + BanditState(4))
    x = np.random.default_rng(1).normal(size=(3, 4))
    assert merged.values(ARMS, x) == pytest.approx(whole.values(ARMS, x), abs=1e-10)


def test_a_sum_leaves_its_parts_alone() -> None:
    one, other = BanditState(1), BanditState(1)
    one.add("a", [1.0], 1.0)
    total = one + other
    total.add("a", [1.0], 1.0)
    assert one.arms["a"].count == 1 and not other.arms


@pytest.mark.parametrize("shared", [False, True])
def test_saved_and_loaded_it_decides_the_same_and_goes_on_learning(tmp_path: Path, shared: bool) -> None:
    before = taught(LinUCB(alpha=0.8, shared=shared))
    before.state_.save(tmp_path / "bandit.json")
    after = LinUCB(alpha=0.8, shared=shared).start_from(BanditState.load(tmp_path / "bandit.json"))
    x = np.random.default_rng(2).normal(size=(3, 4))
    for policy in (before, after):
        policy.update("b", x[0], 1.0)
    assert np.array_equal(before.values(ARMS, x), after.values(ARMS, x))
    assert [path.name for path in tmp_path.iterdir()] == ["bandit.json"]


def damaged(**changes: Any) -> str:
    """A state of one arm with two features, and something wrong with it."""
    state = BanditState(2)
    state.add("a", [1.0, 2.0], 1.0)
    told = json.loads(state.to_json())
    for name, value in changes.items():
        (told if name in told else told["arms"]["a"])[name] = value
    return json.dumps(told)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("cos\nsystem\n(S'true'\ntR.", "this is no JSON"),
        (b"\x80\x05\xff", "this is no JSON"),
        ("[1, 2]", "this is no recsys-lab linear bandit"),
        (damaged(version=2), "of version 1"),
        (damaged(dim=3), "does not hold 3 features"),
        (damaged(dim=0), "dim: 0"),
        (damaged(arms=[]), "names no arms"),
        (damaged(arms={"a": {"count": 1}}), "lacks count, xr or xx"),
        (damaged(xr=["one", "two"]), "lacks count, xr or xx"),
        (damaged(count=-1), "a count below 0"),
        (damaged(xr=[float("nan"), 1.0]), "not finite"),
        (damaged(xx=[1.0, 5.0, 1.0]), "no sum of squares"),
    ],
)
def test_a_damaged_state_is_named(text: str | bytes, rule: str) -> None:
    assert BanditState.from_json(damaged()).arms["a"].count == 1
    with pytest.raises(BanditError, match=rule):
        BanditState.from_json(text)


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deed", "rule"),
    [
        (lambda: LinUCB(epsilon=1.5).probabilities(ARMS, np.ones((3, 1))), "epsilon: 1.5"),
        (lambda: LinUCB(ridge=0).probabilities(ARMS, np.ones((3, 1))), "ridge above 0"),
        (lambda: LinUCB(alpha=-1).probabilities(ARMS, np.ones((3, 1))), "alpha at least 0"),
        (lambda: LinUCB().probabilities([], np.ones((0, 1))), "at least one arm"),
        (lambda: LinUCB().probabilities(["a", "a"], np.ones((2, 1))), "each once"),
        (lambda: LinUCB().probabilities("ab", np.ones((2, 1))), "no list of different labels"),
        (lambda: LinUCB().probabilities(ARMS, np.ones(3)), "a row of features for each arm"),
        (lambda: LinUCB().probabilities(ARMS, np.full((3, 1), np.nan)), "not finite"),
        (lambda: taught(LinUCB()).probabilities(ARMS, np.ones((3, 2))), "has learned from 4"),
        (lambda: LinUCB().update("a", np.ones(2), np.nan), "not finite"),
        (lambda: BanditState(2).add("a", [1.0], 1.0), "takes 2 numbers"),
        (lambda: BanditState(2).add("", [1.0, 1.0], 1.0), "not a label"),
        (lambda: BanditState(2) + BanditState(3), "cannot be added"),
    ],
)
def test_one_clear_error(deed: Any, rule: str) -> None:
    with pytest.raises(BanditError, match=rule):
        deed()


# -- features ---------------------------------------------------------------------------------------------------------


def small_shop() -> Shop:
    """Two kinds; ada clicked boots three times, bob a hat once."""
    products = pd.DataFrame({"item_id": ["p", "q", "r"], "kind": ["boots", "boots", "hats"]})
    events = pd.DataFrame(
        {
            "user_id": ["ada", "ada", "ada", "bob"],
            "item_id": ["p", "p", "q", "r"],
            "event_type": "clicked_on",
            "timestamp": [1000, 2000, 3000, 4000],
        }
    )
    return Shop.from_frames(products, events)


def test_features_by_hand() -> None:
    features = TasteFeatures(["kind"], smoothing=1.0, one_hots=True).fit(small_shop())
    assert features.names_ == ("constant", "popularity", "kind match")
    x = features([Context("ada", 5000), Context("new", 5000)], ["p", "r"])
    popular = [1.0, np.log(2) / np.log(3)]
    assert x[0] == pytest.approx(
        np.array([[1, popular[0], (3 - 3 * 0.75) / 4, 1, 0], [1, popular[1], -0.75 / 4, 0, 1]])
    )
    assert x[1] == pytest.approx(np.array([[1, popular[0], 0, 1, 0], [1, popular[1], 0, 0, 1]]))


def test_a_given_history_takes_the_place_of_the_log_and_the_visit_is_added() -> None:
    features = TasteFeatures(["kind"], smoothing=1.0).fit(small_shop())
    hat = Event("ada", "r", "clicked_on", 4500, "s")
    shown = Event("ada", "r", "impression", 4500, "s")
    as_bob = features([Context("ada", 5000, history=(hat,))], ["p", "r"])
    assert as_bob == pytest.approx(features([Context("bob", 5000)], ["p", "r"]))
    after = features([Context("ada", 5000, session=(hat, shown))], ["p", "r"])
    assert after[0, :, 2] == pytest.approx([(3 - 4 * 0.75) / 5, (1 - 4 * 0.25) / 5])


def test_features_say_what_is_wrong() -> None:
    with pytest.raises(NotFittedError, match="fit"):
        TasteFeatures()([], ["p"])
    with pytest.raises(BanditError, match="no column 'department'"):
        TasteFeatures().fit(small_shop())
    with pytest.raises(BanditError, match="no product 'z'"):
        TasteFeatures(["kind"]).fit(small_shop())([Context("ada", 1)], ["z"])


def test_importing_it_loads_nothing_heavy_and_no_truth() -> None:
    unwanted = ["sklearn", "torch", "altair", "gensim", "recsys_lab.simulate", "recsys_lab.evaluation.truth"]
    code = f"import sys, recsys_lab.bandit; print([name for name in {unwanted} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
