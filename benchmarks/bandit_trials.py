"""A bandit's regret, off-policy estimates beside the truth, and what a place does: python -m benchmarks.bandit_trials

- Regret: 20 slots (seed → 20 of the 200 most clicked products, 3,000 visits of the test weeks), every policy on each.
- Off-policy: 200 logs of 2,000 visits for each of two running policies; bias and spread of each estimator.
- The shop's own random lists of its last month: shelves and products, estimates beside the truth.
- Places: products of one fixed list by clicks alone, and by clicks a look.

Nothing was tuned on these visits: alpha and ridge are LinUCB's defaults. Writes benchmarks/bandit_trials.json.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab import bandit
from recsys_lab.datasets import DAY_MS, Shop, load_shop
from recsys_lab.evaluation.bootstrap import interval
from recsys_lab.evaluation.exploration import Play, Slot, open_slot, play, regret_against, regret_curves, true_value
from recsys_lab.evaluation.truth import load_truth
from recsys_lab.recommender import Context, Floats
from recsys_lab.simulate import World
from recsys_lab.simulate.world import look_at

FILE = Path(__file__).parent / "bandit_trials.json"
ARMS, POOL, VISITS = 20, 200, 3000
Row = dict[str, Any]

POLICIES: dict[str, Callable[[Sequence[str]], bandit.Policy]] = {
    "uniform": lambda arms: bandit.Uniform(),
    "popular": bandit.Ranked,  # arms stand in the order of their clicks
    "ε-greedy .1": lambda arms: bandit.EpsilonGreedy(0.1),
    "ε-greedy .05": lambda arms: bandit.EpsilonGreedy(0.05),
    "linear ε-greedy .1": lambda arms: bandit.LinUCB(alpha=0.0, shared=True, epsilon=0.1),
    "linear ε-greedy .05": lambda arms: bandit.LinUCB(alpha=0.0, shared=True, epsilon=0.05),
    "linear greedy": lambda arms: bandit.LinUCB(alpha=0.0, shared=True),
    "LinUCB, a model an arm": lambda arms: bandit.LinUCB(),
    "LinUCB": lambda arms: bandit.LinUCB(shared=True),
    "LinUCB, logged ε .1": lambda arms: bandit.LinUCB(shared=True, epsilon=0.1),
}


def main(seeds: int = 20, logs: int = 200) -> None:
    """Measure all and write it down."""
    shop = load_shop()
    world, split = load_truth(shop), shop.split()
    contexts = visits_of(split.test)
    features = bandit.TasteFeatures(one_hots=True).fit(split.before_test)
    slots = [draw_slot(world, split.before_test, contexts, features, seed) for seed in range(seeds)]
    report: Row = {"seeds": seeds, "logs": logs, "arms": ARMS, "visits": VISITS, "test visits": len(contexts)}
    report |= regret(slots)
    report["off-policy"] = off_policy(slots[0], logs)
    report["random lists"] = random_lists(shop, world)
    report["places"] = places(slots)
    FILE.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written: {FILE.name}")


def visits_of(shop: Shop) -> list[Context]:
    """Everybody who saw a home page, at the time they did; a policy knows of them what was known before."""
    if shop.impressions is None:
        raise ValueError("the shop has no impressions")
    seen = shop.impressions.drop_duplicates("session_id")
    return [Context(user, int(now)) for user, now in zip(seen["user_id"], seen["timestamp"], strict=True)]


def draw_slot(world: World, past: Shop, contexts: list[Context], features: bandit.TasteFeatures, seed: int) -> Slot:
    """`ARMS` of the `POOL` most clicked products that are there from the first visit on, most clicked first."""
    first = min(context.now_ms for context in contexts)
    launched = past.products.set_index("item_id")["launched_at"] <= first
    pool = [item for item in past.tie_order if launched[item]][:POOL]
    some = np.sort(np.random.default_rng(seed).choice(POOL, ARMS, replace=False))
    return open_slot(world, contexts, [pool[at] for at in some], features)


# -- regret -----------------------------------------------------------------------------------------------------------


def regret(slots: Sequence[Slot]) -> Row:
    """Every policy on every slot, the same visits and the same luck for all."""
    plays = {name: [one_play(name, slot, seed) for seed, slot in enumerate(slots)] for name in POLICIES}
    numbers = np.arange(len(slots))
    rows = []
    for name, mine in plays.items():
        total = interval(np.array([one.regret.sum() for one in mine]), numbers)
        clicks = interval(np.array([one.rewards.mean() for one in mine]), numbers)
        by_seed = [round(float(one.regret.sum()), 3) for one in mine]
        rows.append({"policy": name, "regret": spread(total), "clicks a visit": spread(clicks), "by seed": by_seed})
        print(f"{name:24s} regret {total.mean:7.1f} [{total.low:.1f}, {total.high:.1f}]  clicks {clicks}", flush=True)
    more = regret_against(plays, "LinUCB")
    for name, span in more.items():
        print(f"{name:24s} minus LinUCB {span}")
    best = float(np.mean([slot.chance.max(axis=1).mean() for slot in slots]))
    fixed = float(np.mean([slot.chance.mean(axis=0).max() for slot in slots]))
    return {
        "best possible clicks a visit": best,
        "best single arm": fixed,
        "regret": rows,
        "more regret than LinUCB": {name: spread(span) for name, span in more.items()},
        "curves": regret_curves(plays, 30).round(3).to_dict("list"),
    }


def one_play(name: str, slot: Slot, seed: int) -> Play:
    """A policy's way through the visits of a seed."""
    order = np.random.default_rng([seed, 1]).choice(len(slot.contexts), VISITS)
    if name == "LinUCB, a model an arm":  # it needs no one hots
        slot = dataclasses.replace(slot, x=slot.x[:, :, : -len(slot.arms)])
    return play(POLICIES[name](slot.arms), slot, order, seed)


# -- off-policy -------------------------------------------------------------------------------------------------------


def off_policy(slot: Slot, logs: int, size: int = 2000) -> list[Row]:
    """Bias and spread of each estimator: many logs of one running policy, each asked about policies that did not run.

    Policies are learned on one half of the visits and then stand still; the logs are drawn from the other half. Clicks
    are drawn from the true chances, which `World.respond` has as its mean (a test).
    """
    half = np.random.default_rng(5).permutation(len(slot.contexts))
    learned, held = half[: len(half) // 2], half[len(half) // 2 :]
    rest = dataclasses.replace(
        slot, contexts=[slot.contexts[row] for row in held], x=slot.x[held], chance=slot.chance[held]
    )
    runner, other = bandit.LinUCB(shared=True, epsilon=0.2), bandit.LinUCB(shared=True, alpha=0.0)
    play(runner, slot, learned[:1500], seed=101)
    play(other, slot, learned[1500:3000], seed=102)
    running = {"uniform": bandit.Uniform(), "LinUCB with ε .2": runner}
    asked = {"popular": bandit.Ranked(slot.arms), "linear greedy": other}
    rows = []
    for name, policy in running.items():
        logging = bandit.probabilities_of(policy, slot.arms, rest.x)
        targets = {name: bandit.probabilities_of(policy, slot.arms, rest.x) for name, policy in asked.items()}
        rows += [{"log of": name} | row for row in _errors(rest, logging, targets, logs, size)]
    print(pd.DataFrame(rows).round(4).to_string(), flush=True)
    return rows


def _errors(slot: Slot, logging: Floats, targets: dict[str, Floats], logs: int, size: int) -> list[Row]:
    truth = {name: true_value(slot, target) for name, target in targets.items()}
    found: dict[tuple[str, str], list[tuple[float, bool, float]]] = {}
    for number in range(logs):
        rng = np.random.default_rng([7, number])
        rows = rng.choice(len(slot.contexts), size)
        at = (np.cumsum(logging[rows], axis=1) <= rng.random(size)[:, None]).sum(axis=1).clip(max=len(slot.arms) - 1)
        clicked = rng.random(size) < slot.chance[rows, at]
        shown = np.array(slot.arms, dtype=object)[at]
        logged = bandit.Logged(slot.arms, shown, clicked, logging[rows, at], np.arange(size))
        model = bandit.reward_model(logged, slot.x[rows])
        for name, target in targets.items():
            for one in _all_estimates(logged, target[rows], model):
                span = one.interval(resamples=200)
                held = span.low <= truth[name] <= span.high
                found.setdefault((name, one.name), []).append((one.mean, held, one.effective))
    summary = []
    for (name, estimator), made in found.items():
        errors = np.array([value for value, _, _ in made]) - truth[name]
        bias = interval(errors, np.arange(logs))
        summary.append({
            "policy": name, "estimator": estimator, "truth": truth[name], "bias": bias.mean, "bias low": bias.low,
            "bias high": bias.high, "spread": float(errors.std(ddof=1)), "rmse": float(np.sqrt((errors**2).mean())),
            "interval holds truth": float(np.mean([held for _, held, _ in made])),
            "effective choices": float(np.mean([effective for *_, effective in made])),
        })  # fmt: skip
    return summary


def _all_estimates(logged: bandit.Logged, target: Floats, model: Floats) -> list[bandit.Estimate]:
    without = [estimate(logged, target) for estimate in (bandit.without_propensities, bandit.ips, bandit.snips)]
    return without + [estimate(logged, target, model) for estimate in (bandit.direct, bandit.doubly_robust)]


# -- the shop's own random lists --------------------------------------------------------------------------------------


def random_lists(shop: Shop, world: World, learn_days: int = 60) -> list[Row]:
    """What the random lists of the last month say of shelf policies learned before it; each beside its truth."""
    cut = (int(shop.events["timestamp"].min()) // DAY_MS + learn_days) * DAY_MS
    past, future = shop.between(None, cut), shop.between(cut, None)
    before, after = (bandit.slot_log(part, ("department", "category")) for part in (past, future))
    arms = after.logged.arms
    kind = past.products[["department", "category"]].agg(" · ".join, axis=1)
    shelf_of = dict(zip(past.products["item_id"], kind, strict=True))
    stars = {shelf_of[item]: item for item in past.tie_order[::-1]}  # a shelf is told by its most clicked product
    features = bandit.TasteFeatures(("department", "category")).fit(past)
    x = features(after.contexts, [stars[arm] for arm in arms])
    learner = bandit.LinUCB(alpha=0.0, shared=True)
    seen = features(before.contexts, [stars[arm] for arm in arms])
    for row, (column, reward) in enumerate(zip(before.logged.at, before.logged.rewards, strict=True)):
        learner.update(arms[column], seen[row, column], float(reward))
    shown = np.bincount(before.logged.at, minlength=len(arms))
    rate = (np.bincount(before.logged.at, weights=before.logged.rewards, minlength=len(arms)) + 1) / (shown + 20)
    order = [arms[at] for at in np.argsort(-rate, kind="stable")]
    asked = {
        "as drawn": after.available / after.available.sum(axis=1, keepdims=True),
        "most clicked shelf": bandit.probabilities_of(bandit.Ranked(order), arms, x),
        "linear greedy": bandit.probabilities_of(learner, arms, x),
        "linear greedy, ε .3": 0.7 * bandit.probabilities_of(learner, arms, x)
        + 0.3 * after.available / after.available.sum(axis=1, keepdims=True),
    }
    rewards = bandit.reward_model(after.logged, x, "logistic")
    truth = _shelf_truth(world, after, shelf_of)
    rows = []
    for name, target in asked.items():
        rows += _beside_truth(
            "shelf: " + name, after.logged, target, rewards, float((target * truth).sum(axis=1).mean())
        )
    products = bandit.slot_log(future)
    best = past.tie_order[0]
    target = np.tile(np.array(products.logged.arms) == best, (len(products.logged), 1)).astype(np.float64)
    truth = _shelf_truth(world, products, {item: item for item in shelf_of})
    rows += _beside_truth(
        "product: most clicked", products.logged, target, None, float((target * truth).sum(axis=1).mean())
    )
    print(pd.DataFrame(rows).round(4).to_string())
    return rows


def _beside_truth(name: str, logged: bandit.Logged, target: Floats, rewards: Floats | None, truth: float) -> list[Row]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", bandit.WeightWarning)
        table = bandit.compare(logged, target, rewards)
    warned = "; ".join(str(one.message).partition(";")[0] for one in told)
    rows: list[Row] = table.to_dict("records")  # type: ignore[assignment]
    return [{"policy": name, "truth": truth} | row | {"warned": warned} for row in rows]


def _shelf_truth(world: World, log: bandit.SlotLog, arm_of: dict[str, str]) -> Floats:
    """The true chance of a click, for each row and arm: its products evenly, at the place where the row was; [n, m]."""
    column = {arm: at for at, arm in enumerate(log.logged.arms)}
    member = np.zeros((len(world.item_ids), len(column)))
    member[np.arange(len(member)), [column[arm_of[item]] for item in world.item_ids]] = 1.0
    known: dict[tuple[str | None, int], Floats] = {}
    truth = np.zeros((len(log.contexts), len(column)))
    looks = look_at(int(log.positions.max()))
    for row, context in enumerate(log.contexts):
        key = (context.shopper_id, context.now_ms)
        if key not in known:  # what is not launched has the chance 0
            total = world.click_probability(str(context.shopper_id), context.now_ms) @ member
            there = log.counts[log.moment[row]]
            known = {key: np.divide(total, there, out=np.zeros(len(column)), where=there > 0)}
        truth[row] = looks[log.positions[row] - 1] * known[key]
    return truth


# -- places -----------------------------------------------------------------------------------------------------------


def places(slots: Sequence[Slot], length: int = 10, count: int = 3000) -> Row:
    """One list for everybody, in an order that means nothing: which product is liked most, by clicks and by looks.

    Agreement is Spearman's rank correlation with the true chance of a click once looked at.
    """
    raw, corrected = [], []
    looks = look_at(length)
    for seed, slot in enumerate(slots):
        rng = np.random.default_rng([seed, 3])
        shown = rng.choice(len(slot.arms), length, replace=False)
        rows = rng.choice(len(slot.contexts), count)
        clicks = np.zeros(length)
        for row in rows:
            context = slot.contexts[row]
            listed = [slot.arms[at] for at in shown]
            events = slot.world.respond(str(context.shopper_id), listed, context.now_ms, rng)
            for event in events:
                if event.event_type == "clicked_on":
                    clicks[int(event.event_attr["position"]) - 1] += 1
        truth = pd.Series(slot.chance[rows][:, shown].mean(axis=0))
        raw.append(truth.corr(pd.Series(clicks), method="spearman"))
        corrected.append(truth.corr(pd.Series(clicks / looks), method="spearman"))
    numbers = np.arange(len(slots))
    found = {"by clicks": interval(np.array(raw), numbers), "by clicks a look": interval(np.array(corrected), numbers)}
    print({name: str(span) for name, span in found.items()})
    return {name: spread(span) for name, span in found.items()}


def spread(span: Any) -> list[float]:
    """An interval as mean, low, high."""
    return [round(float(value), 5) for value in (span.mean, span.low, span.high)]


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:3]))
