"""Plays policies against the simulated shop: one slot, visit after visit, and what each choice cost by the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from recsys_lab.evaluation.bootstrap import Interval, interval
from recsys_lab.recommender import Context, Floats, Labels, Rows
from recsys_lab.simulate import World


class Drawn(Protocol):
    """What a policy chose, and with which probability."""

    @property
    def arm(self) -> str:
        """The label of the arm."""
        ...

    @property
    def propensity(self) -> float:
        """The probability with which it was drawn."""
        ...


class SlotPolicy(Protocol):
    """What can be played: it chooses among labels by their features and learns from rewards, and sees no truth."""

    def probabilities(self, arms: Sequence[str], x: Any) -> Floats:
        """The probability of each arm; [m]."""
        ...

    def choose(self, arms: Sequence[str], x: Any, rng: np.random.Generator) -> Drawn:
        """Draw an arm."""
        ...

    def update(self, arm: str, x: Floats, reward: float) -> None:
        """Learn from a reward."""
        ...


@dataclass(frozen=True, eq=False)
class Slot:
    """The first place of the home page, for some visits: who comes, what may be shown, who would click what.

    `x` [n, m, d] is all that a policy sees; `chance` [n, m] is the truth, for regret alone.
    """

    world: World
    contexts: Sequence[Context]
    arms: tuple[str, ...]
    x: Floats
    chance: Floats


@dataclass(frozen=True, eq=False)
class Play:
    """One policy's way through the visits: what it showed, with which propensity, what came of it. All [n].

    `regret` is the best arm's chance of a click in that visit minus that of the arm that was shown.
    """

    order: Rows
    shown: Labels
    propensities: Floats
    rewards: Floats
    regret: Floats


def open_slot(
    world: World,
    contexts: Sequence[Context],
    arms: Sequence[str],
    features: Callable[[Sequence[Context], Sequence[str]], Floats],
) -> Slot:
    """The slot for these visits and arms. Raises `ValueError` for an arm that is not launched when a visit comes."""
    rows = world.item_rows(arms)
    chance = np.empty((len(contexts), len(rows)))
    for row, context in enumerate(contexts):
        late = world.launched_day[rows] > world.day(context.now_ms)
        if late.any():
            arm = arms[int(np.flatnonzero(late)[0])]
            raise ValueError(
                f"arms: {arm!r} is launched after visit {row}; choose arms that can be shown in every visit"
            )
        chance[row] = world.click_probability(str(context.shopper_id), context.now_ms)[rows]
    return Slot(world, contexts, tuple(arms), features(contexts, arms), chance)


def play(policy: SlotPolicy, slot: Slot, order: Any, seed: int) -> Play:
    """Show one arm to each visit of `order` (rows of the slot's visits), learn from the click, go on.

    The world answers (`World.respond`). Step t draws from a generator of (seed, t) whatever the policy, so that all
    policies meet the same luck and their difference is the choice's alone.
    """
    order = np.asarray(order, dtype=np.int64)
    shown, propensities, rewards = np.empty(len(order), dtype=object), np.empty(len(order)), np.empty(len(order))
    regret, column = np.empty(len(order)), {arm: at for at, arm in enumerate(slot.arms)}
    for step, row in enumerate(order.tolist()):
        rng, context = np.random.default_rng([seed, step]), slot.contexts[row]
        drawn = policy.choose(slot.arms, slot.x[row], rng)
        events = slot.world.respond(str(context.shopper_id), [drawn.arm], context.now_ms, rng)
        reward = float(any(event.event_type == "clicked_on" for event in events))
        policy.update(drawn.arm, slot.x[row, column[drawn.arm]], reward)
        shown[step], propensities[step], rewards[step] = drawn.arm, drawn.propensity, reward
        regret[step] = slot.chance[row].max() - slot.chance[row, column[drawn.arm]]
    return Play(order, shown, propensities, rewards, regret)


def true_value(slot: Slot, target: Floats) -> float:
    """What a policy with probabilities `target` [n, m] earns a visit, by the truth."""
    return float((target * slot.chance).sum(axis=1).mean())


def regret_curves(plays: Mapping[str, Sequence[Play]], points: int = 50) -> pd.DataFrame:
    """Mean cumulative regret over the seeds, with its interval: columns policy, visit, regret, low, high."""
    rows = []
    for name, mine in plays.items():
        total = np.cumsum([one.regret for one in mine], axis=1)
        for visit in np.unique(np.linspace(1, total.shape[1], points).astype(np.int64)).tolist():
            span = interval(total[:, visit - 1], np.arange(len(mine)))
            rows.append((name, visit, span.mean, span.low, span.high))
    return pd.DataFrame(rows, columns=["policy", "visit", "regret", "low", "high"])


def regret_against(plays: Mapping[str, Sequence[Play]], policy: str) -> dict[str, Interval]:
    """The final regret of each other policy minus that of `policy`, seed by seed: above 0 means `policy` is better."""
    final = {name: np.array([one.regret.sum() for one in mine]) for name, mine in plays.items()}
    seeds = np.arange(len(final[policy]))
    return {name: interval(values - final[policy], seeds) for name, values in final.items() if name != policy}
