"""A bandit in the simulated shop: its regret, its log against the truth, and what the shop's random lists say."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest

from benchmarks import bandit_trials
from recsys_lab.bandit import (
    EpsilonGreedy,
    LinUCB,
    Logged,
    Ranked,
    SlotLog,
    TasteFeatures,
    Uniform,
    examination,
    ips,
    probabilities_of,
    slot_log,
    snips,
)
from recsys_lab.datasets import Shop, Split
from recsys_lab.evaluation.exploration import Slot, open_slot, play, regret_against, regret_curves, true_value
from recsys_lab.evaluation.truth import load_truth
from recsys_lab.recommender import Context
from recsys_lab.simulate import World
from recsys_lab.simulate.world import look_at


@pytest.fixture(scope="module")
def world(shop: Shop) -> World:
    return load_truth(shop)


@pytest.fixture(scope="module")
def slot(world: World, split: Split) -> Slot:
    """Ten much clicked products, and 1,500 visits of the test weeks."""
    assert split.test.impressions is not None
    seen = split.test.impressions.drop_duplicates("session_id").iloc[:1500]
    contexts = [Context(user, int(now)) for user, now in zip(seen["user_id"], seen["timestamp"], strict=True)]
    launched = split.before_test.products.set_index("item_id")["launched_at"] <= contexts[0].now_ms
    arms = [item for item in split.before_test.tie_order if launched[item]][:100:10]
    return open_slot(world, contexts, arms, TasteFeatures(one_hots=True).fit(split.before_test))


def test_clicks_come_as_often_as_the_truth_says(slot: Slot) -> None:
    """What regret is counted by is the mean of what the world answers."""
    order = np.tile(np.arange(1500), 2)
    made = play(Uniform(), slot, order, seed=4)
    column = [slot.arms.index(arm) for arm in made.shown]
    chance = slot.chance[order, column]
    error = np.sqrt((chance * (1 - chance)).sum())
    assert abs(made.rewards.sum() - chance.sum()) < 3.5 * error
    assert made.regret == pytest.approx(slot.chance[order].max(axis=1) - chance)
    assert (made.propensities == 1 / len(slot.arms)).all()


def test_all_policies_meet_the_same_luck(slot: Slot) -> None:
    """Two policies that choose alike are answered alike, and a second time too."""
    order = np.arange(200)
    first, second = (play(Ranked(slot.arms), slot, order, seed=1) for _ in range(2))
    assert np.array_equal(first.rewards, second.rewards)
    assert np.array_equal(first.rewards, play(Ranked(slot.arms[:1]), slot, order, seed=1).rewards)
    assert not np.array_equal(first.rewards, play(Ranked(slot.arms), slot, order, seed=2).rewards)


def test_exploring_with_context_costs_less_than_without(slot: Slot) -> None:
    """A short version of the trial: LinUCB's regret lies below ε-greedy's and popularity's."""
    makers: dict[str, Any] = {
        "linucb": lambda: LinUCB(shared=True),
        "ε-greedy": lambda: EpsilonGreedy(0.1),
        "popular": lambda: Ranked(slot.arms),
    }
    orders = [np.random.default_rng([seed, 9]).choice(1500, 1200) for seed in range(4)]
    plays = {
        name: [play(make(), slot, order, seed) for seed, order in enumerate(orders)] for name, make in makers.items()
    }
    for name, more in regret_against(plays, "linucb").items():
        assert more.low > 0, name
    curves = regret_curves(plays, points=10)
    last = curves[curves["visit"] == 1200].set_index("policy")["regret"]
    assert last["linucb"] == pytest.approx(np.mean([one.regret.sum() for one in plays["linucb"]]))
    assert (curves.groupby("policy")["regret"].diff().dropna() >= 0).all()


def test_a_bandits_log_judges_another_policy(slot: Slot) -> None:
    """Rewards of the world, propensities of the policy while it learned: the interval holds the truth."""
    order = np.random.default_rng(11).choice(1500, 2500)
    made = play(LinUCB(shared=True, epsilon=0.5), slot, order, seed=11)
    logged = Logged(slot.arms, made.shown, made.rewards, made.propensities, np.arange(2500))
    target = np.array([Ranked(slot.arms, epsilon=0.5).probabilities(slot.arms, slot.x[row]) for row in order])
    truth = float((target * slot.chance[order]).sum(axis=1).mean())
    for estimate in (ips(logged, target), snips(logged, target)):
        span = estimate.interval()
        assert span.low <= truth <= span.high
        assert span.high - span.low < 0.15


def test_the_best_that_is_possible_is_the_truths_own(slot: Slot) -> None:
    best = np.eye(len(slot.arms))[slot.chance.argmax(axis=1)]
    assert true_value(slot, best) == pytest.approx(slot.chance.max(axis=1).mean())
    assert true_value(slot, probabilities_of(Uniform(), slot.arms, slot.x)) == pytest.approx(slot.chance.mean())


def test_an_arm_that_is_not_launched_is_refused(world: World, split: Split) -> None:
    late = str(split.test.products.sort_values("launched_at")["item_id"].iloc[-1])
    context = Context("U0003", int(split.train.events["timestamp"].min()))
    with pytest.raises(ValueError, match=f"{late}' is launched after visit 0"):
        open_slot(world, [context], [late], TasteFeatures().fit(split.train))


# -- the shop's random lists ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shelves(shop: Shop) -> SlotLog:
    return slot_log(shop, ("department", "category"))


def test_the_random_lists_are_what_they_say(shop: Shop, shelves: SlotLog) -> None:
    """A tenth of all lists, each product as likely as any other that was launched."""
    assert shop.impressions is not None
    assert len(shelves.logged) == pytest.approx(0.1 * len(shop.impressions), rel=0.05)
    products = slot_log(shop)
    assert products.logged.propensities * products.available.sum(axis=1) == pytest.approx(1, abs=1e-5)
    as_drawn = shelves.available / shelves.available.sum(axis=1, keepdims=True)
    assert ips(shelves.logged, as_drawn).mean == pytest.approx(shelves.logged.rewards.mean(), rel=1e-4)
    shown = np.bincount(shelves.logged.at, minlength=len(shelves.logged.arms))
    expected = as_drawn.sum(axis=0)
    assert (((shown - expected) ** 2 / expected).sum()) < 70  # χ² of 36 shelves: above it once in 2,000


def test_the_random_lists_estimate_the_truth_of_each_shelf(shelves: SlotLog, world: World, shop: Shop) -> None:
    """IPS of "always this shelf" beside the truth, for all shelves: errors as large as their intervals say."""
    kind = shop.products["department"] + " · " + shop.products["category"]
    column = np.array([shelves.logged.arms.index(name) for name in kind])
    member = np.eye(len(shelves.logged.arms))[column]
    looks, available = look_at(10), shelves.available
    truth = np.zeros(available.shape)
    for row in range(0, len(shelves.logged), 10):  # ten rows a visit, the places in order
        context = shelves.contexts[row]
        total = world.click_probability(str(context.shopper_id), context.now_ms) @ member
        each = np.divide(total, available[row], out=np.zeros(36), where=available[row] > 0)
        truth[row : row + 10] = looks[shelves.positions[row : row + 10] - 1][:, None] * each
    off = []
    for arm in range(36):
        weight = (shelves.logged.at == arm) / shelves.logged.propensities
        off.append((weight * shelves.logged.rewards - truth[:, arm]).mean())
        off[-1] /= (weight * shelves.logged.rewards).std() / np.sqrt(len(shelves.logged))
    assert np.abs(off).max() < 3.6
    assert np.mean(np.square(off)) == pytest.approx(1, abs=0.6)


def test_random_lists_tell_how_places_are_looked_at(shop: Shop) -> None:
    told = examination(shop)
    truth = look_at(10) * (told["rate"].sum() / look_at(10).sum())
    assert ((told["low"] <= truth * 1.03) & (truth * 0.97 <= told["high"])).all()
    assert told["relative"].to_numpy() == pytest.approx(look_at(10), abs=0.09)


# -- the stored trial -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trials() -> Any:
    return json.loads(bandit_trials.FILE.read_text(encoding="utf-8"))


def test_the_stored_trial_shows_what_it_has_to(trials: Any) -> None:
    """Twenty seeds; LinUCB's regret below popularity's and below every ε-greedy's, the whole interval."""
    assert trials["seeds"] == 20 and trials["logs"] >= 200
    others = trials["more regret than LinUCB"]
    assert {"popular", "ε-greedy .1", "ε-greedy .05", "linear ε-greedy .1", "linear ε-greedy .05"} <= set(others)
    assert all(low > 0 for _, low, _ in others.values())


def test_plays_drawn_at_random_come_out_the_same(trials: Any, world: World, split: Split) -> None:
    contexts = bandit_trials.visits_of(split.test)
    assert trials["test visits"] == len(contexts)
    seed = random.SystemRandom().randrange(20)
    features = TasteFeatures(one_hots=True).fit(split.before_test)
    slot = bandit_trials.draw_slot(world, split.before_test, contexts, features, seed)
    for name in random.SystemRandom().sample(list(bandit_trials.POLICIES), 2):
        stored = next(row for row in trials["regret"] if row["policy"] == name)["by seed"][seed]
        made = bandit_trials.one_play(name, slot, seed).regret.sum()
        # Elsewhere a near tie may fall the other way, and a bandit goes another way from there.
        assert made == pytest.approx(stored, rel=0.1 if "LinUCB" in name or "linear" in name else 1e-5), (name, seed)


def test_what_the_random_lists_say_comes_out_the_same(trials: Any, world: World, shop: Shop) -> None:
    for made, stored in zip(bandit_trials.random_lists(shop, world), trials["random lists"], strict=True):
        assert (made["policy"], made["estimator"]) == (stored["policy"], stored["estimator"])
        numbers = ["truth", "value", "low", "high", "mean weight", "effective choices"]
        assert [made[name] for name in numbers] == pytest.approx([stored[name] for name in numbers], rel=0.02), made


def test_in_the_stored_trial_propensities_take_the_bias_away(trials: Any) -> None:
    rows = trials["off-policy"]
    for row in rows:
        error = row["spread"] / np.sqrt(trials["logs"])
        if row["estimator"] in ("IPS", "DR"):
            assert abs(row["bias"]) < 3.5 * error, row
    caused = [row for row in rows if row["estimator"] == "no propensities" and row["log of"] != "uniform"]
    assert caused and all(row["bias low"] > 0 for row in caused)
