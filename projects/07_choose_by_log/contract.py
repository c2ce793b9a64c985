"""What project 07 has to keep, and the measurement on the simulated shop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recsys_lab.bandit import Logged, snips
from recsys_lab.recommender import Floats

ARMS = tuple("abcdef")


def _log(n: int, seed: int, worth: Floats | None = None) -> Logged:
    """Arms drawn evenly; each earns 1 with a chance that is known. Three rows a shopper."""
    rng = np.random.default_rng(seed)
    chance = np.full(len(ARMS), 0.2) if worth is None else worth
    arm = rng.integers(len(ARMS), size=n)
    rewards = (rng.random(n) < chance[arm]).astype(np.float64)
    units = np.array([f"u{at // 3:04d}" for at in range(n)])
    return Logged(ARMS, np.array(ARMS, dtype=object)[arm], rewards, np.full(n, 1 / len(ARMS)), units)


def _policies(n: int, count: int, seed: int) -> dict[str, Floats]:
    """Policies that prefer some arms, each with the same probabilities in every row."""
    rng = np.random.default_rng(seed)
    return {f"p{at:02d}": np.tile(rng.dirichlet(np.full(len(ARMS), 0.3)), (n, 1)) for at in range(count)}


def luckiest(logged: Logged, targets: Mapping[str, Floats]) -> tuple[str, float]:
    """The mistake: the largest estimate, reported as what the policy is worth."""
    made = {name: snips(logged, targets[name]).mean for name in sorted(targets)}
    best = max(made, key=lambda name: made[name])
    return best, made[best]


def check_part(mine: Any) -> None:
    """part keeps the rows asked for, in their order, and all arms."""
    log = _log(12, seed=0)
    rows = np.arange(12) % 3 == 1
    got = mine.part(log, rows)
    assert got.arms == log.arms, "a part of a log has the same arms, also those that it never shows"
    for name in ("shown", "rewards", "propensities", "units"):
        assert np.array_equal(getattr(got, name), getattr(log, name)[rows]), f"{name} of rows 1, 4, 7, 10 is wrong"


def check_shoppers_stay_together(mine: Any) -> None:
    """halves deals out shoppers, half of them to each side, by its seed."""
    units = _log(600, seed=0).units
    side = np.asarray(mine.halves(units, 3))
    both = set(units[side]) & set(units[~side])
    assert not both, f"{len(both)} shoppers are on both sides, for example {min(both, default='')}"
    assert len(set(units[side])) == 100, f"of 200 shoppers 100 choose, not {len(set(units[side]))}"
    assert np.array_equal(side, mine.halves(units, 3)), "the same seed has to draw the same halves"
    assert not np.array_equal(side, mine.halves(units, 4)), "another seed has to draw others"


def check_the_best_is_found(mine: Any) -> None:
    """a policy that is clearly better is chosen, and its value is about right."""
    log = _log(3000, seed=1, worth=np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.6]))
    always = {arm: np.tile(np.eye(6)[at] * 0.9 + 0.1 / 6, (3000, 1)) for at, arm in enumerate(ARMS)}
    got = mine.choose(log, always)
    truth = 0.6 * (0.9 + 0.1 / 6) + 0.1 * 5 * 0.1 / 6
    assert got.name == "f", f"arm f earns six times as much as the others; yours chose {got.name!r}"
    assert got.value.low <= truth <= got.value.high, f"it is worth {truth:.3f}; yours says {got.value}"


def check_the_judges_do_not_choose(mine: Any) -> None:
    """turning the judges' rewards round changes the value, never the choice."""
    log, targets = _log(900, seed=2), _policies(900, 8, seed=2)
    judges = ~np.asarray(mine.halves(log.units, 0))
    other = Logged(log.arms, log.shown, np.where(judges, 1 - log.rewards, log.rewards), log.propensities, log.units)
    one, two = mine.choose(log, targets, 0), mine.choose(other, targets, 0)
    assert (one.name, one.promised) == (two.name, two.promised), "the choice depends on the rewards of the judging half"
    assert one.value != two.value, "the value does not depend on the rewards of the judging half"


def check_it_is_right_on_average(mine: Any) -> None:
    """of 100 logs with equal policies, the value is right on average; the luckiest promises too much."""
    found, promised = [], []
    for seed in range(100):
        log, targets = _log(300, seed), _policies(300, 12, seed)
        found.append(mine.choose(log, targets, seed).value.mean)
        promised.append(luckiest(log, targets)[1])
    error = 3 * np.std(found) / 10
    assert np.mean(promised) > 0.22, "the contract's own logs are wrong"
    assert abs(np.mean(found) - 0.2) < error, (
        f"all earn 0.2; your mean is {np.mean(found):.3f}, further off than chance"
    )


def check_no_support(mine: Any) -> None:
    """a policy that the log never shows is not chosen, and none at all is an error."""
    log = _log(300, seed=5)
    seen = log.shown != "a"
    log = mine.part(log, seen)
    only_a = np.tile(np.eye(6)[0], (len(log), 1))
    even = np.full((len(log), 6), 1 / 6)
    got = mine.choose(log, {"a alone": only_a, "even": even})
    assert got.name == "even", f"the log never shows arm a; yours chose {got.name!r}"
    try:
        mine.choose(log, {"a alone": only_a})
    except ValueError:
        pass
    else:
        raise AssertionError("no policy of which the log shows anything: that has to be a ValueError")


def check_equal_ones(mine: Any) -> None:
    """equal policies fall to the name that comes first, in whatever order they are given."""
    log, even = _log(60, seed=6), np.full((60, 6), 1 / 6)
    got = mine.choose(log, {"z": even, "b": even, "m": even})
    assert got.name == "b", f"three equal policies: b comes first, yours chose {got.name!r}"


def measure(mine: Any) -> None:
    """Which shelf should the slot show? Policies learned from earlier weeks, judged on the shop's random lists."""
    from recsys_lab.bandit import slot_log
    from recsys_lab.datasets import load_shop

    shop = load_shop()
    split = shop.split()
    start = int(split.test.events["timestamp"].min())
    log = slot_log(shop.between(start, None), arm=["department", "category"])
    goods = shop.products.set_index("item_id")
    shelf = goods["department"] + " · " + goods["category"]
    past, n = split.before_test.events, len(log.logged)
    targets = {"even": np.full((n, len(log.logged.arms)), 1 / len(log.logged.arms))}
    for kind in ("clicked_on", "put_to_cart", "buy"):
        rows = past.loc[past["event_type"] == kind, "item_id"]
        counts = shelf.loc[rows].value_counts().reindex(list(log.logged.arms), fill_value=0).to_numpy(dtype=np.float64)
        for each, worth in (("", counts), (" a product", counts / np.maximum(log.available.max(axis=0), 1))):
            for top in (3, 10):
                held = np.where(worth >= np.sort(worth)[-top], worth, 0) + 1e-9
                targets[f"{kind}{each}, best {top}"] = np.tile(held / held.sum(), (n, 1))
    name, promised = luckiest(log.logged, targets)
    even = snips(log.logged, targets["even"])
    print(f"\n{n:,} choices of random lists, {len(targets)} policies; even: {even.interval()}")
    print(f"  the luckiest: {name!r} promises {promised:.4f}")
    for seed in range(3):
        got = mine.choose(log.logged, targets, seed)
        print(f"  split {seed}: {got.name!r} promises {got.promised:.4f}, the other half finds {got.value}")
