"""Who fills a slot: policies that say with which probability they choose each arm, and learn from what they chose.

A policy sees the arms' labels and a row of features for each, nothing else. What it returns are probabilities, the very
ones that the choice is drawn from: so the propensity in the log is exact and needs no estimate afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_lab.bandit.state import BanditError, BanditState, Sums
from recsys_lab.recommender import Floats

EVERY_ARM = "every arm"
"""Under this name a shared model keeps its one set of sums."""


@dataclass(frozen=True)
class Choice:
    """The arm that was drawn, and the probability it was drawn with: both belong in the log."""

    arm: str
    propensity: float


class Policy:
    """Base: the arm with the highest value, but with probability `epsilon` any arm, each as likely.

    A policy with `epsilon=0` chooses with propensity 1 and never shows the other arms: what they would have earned
    cannot be estimated from its log. That holds of LinUCB too, which is deterministic. For a log that others can be
    judged on give an `epsilon` above 0; then each of m arms has a propensity of at least epsilon/m. Equal values fall
    to the arm that is named first.
    """

    def __init__(self, epsilon: float = 0.0) -> None:
        self.epsilon = epsilon

    def values(self, arms: Sequence[str], x: Floats) -> Floats:
        """What each arm is worth to this policy now; [m]. `x` [m, d] holds a row of features for each arm."""
        raise NotImplementedError

    def update(self, arm: str, x: Floats, reward: float) -> None:
        """Learn from the reward of an arm that was shown with features `x` [d]; a fixed policy learns nothing."""

    def probabilities(self, arms: Sequence[str], x: Any) -> Floats:
        """The probability with which each arm is chosen; [m], they sum to 1."""
        if not 0 <= self.epsilon <= 1:
            raise BanditError(f"epsilon: {self.epsilon} is no share of visits; give 0 to 1")
        if not len(arms) or isinstance(arms, str) or len(set(arms)) < len(arms):
            raise BanditError(f"arms: {arms!r} are no list of different labels; give at least one arm, each once")
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or len(x) != len(arms):
            raise BanditError(f"x: shape {x.shape} for {len(arms)} arms; give a row of features for each arm")
        if not np.isfinite(x).all():
            raise BanditError("x: a feature is not finite; every feature of every arm has to be a number")
        # Rounded: a sum in another order is not another value.
        best = int(np.argmax(np.round(self.values(arms, x), 9)))
        chances = np.full(len(arms), self.epsilon / len(arms))
        chances[best] += 1 - self.epsilon
        return chances

    def choose(self, arms: Sequence[str], x: Any, rng: np.random.Generator) -> Choice:
        """Draw an arm. One uniform number is drawn from `rng`, whatever the policy."""
        chances = self.probabilities(arms, x)
        at = int(np.searchsorted(np.cumsum(chances), rng.random(), side="right"))
        at = min(at, int(np.flatnonzero(chances)[-1]))  # the sum may end just below 1
        return Choice(arms[at], float(chances[at]))


class Uniform(Policy):
    """Any arm, each as likely: the policy whose log every other can be judged on."""

    def __init__(self) -> None:
        super().__init__(epsilon=1.0)

    def values(self, arms: Sequence[str], x: Floats) -> Floats:
        """Nothing is preferred."""
        return np.zeros(len(arms))


class Ranked(Policy):
    """Always the arm that stands first in `order`, as popularity does; arms that are not in it come last."""

    def __init__(self, order: Sequence[str], epsilon: float = 0.0) -> None:
        super().__init__(epsilon)
        self.order = tuple(order)

    def values(self, arms: Sequence[str], x: Floats) -> Floats:
        """Minus the place in the order."""
        place = {arm: at for at, arm in enumerate(self.order)}
        return np.array([-float(place.get(arm, len(place))) for arm in arms])


class EpsilonGreedy(Policy):
    """The arm with the best rate so far, who is asking left aside: (rewards + 1) / (times shown + 2).

    >>> policy = EpsilonGreedy(epsilon=0.1)
    >>> policy.update("boots", np.ones(1), 1.0)
    >>> policy.probabilities(["hat", "boots"], np.ones((2, 1))).round(3).tolist()
    [0.05, 0.95]
    """

    def __init__(self, epsilon: float = 0.1) -> None:
        super().__init__(epsilon)
        self.sums_: dict[str, Sums] = {}

    def values(self, arms: Sequence[str], x: Floats) -> Floats:
        """The smoothed rate of each arm."""
        known = [self.sums_.get(arm, _NOTHING) for arm in arms]
        return np.array([(sums.xr[0] + 1) / (sums.count + 2) for sums in known])

    def update(self, arm: str, x: Floats, reward: float) -> None:
        """Count a reward; the features are not looked at."""
        self.sums_.setdefault(arm, Sums(1)).add([1.0], reward)


_NOTHING = Sums(1)


class LinUCB(Policy):
    """Ridge regression of the reward on the features, and a bonus for what is not known yet.

    value = θ·x + alpha·√(xᵀ A⁻¹ x), A = ridge·I + Σ x·xᵀ, θ = A⁻¹ Σ r·x (Li, Chu, Langford and Schapire, 2010,
    algorithm 1: a model for each arm). With `shared` there is one model for all arms (Chu, Li, Reyzin and Schapire,
    2011): then the features have to tell the arms apart, and an arm never shown profits from those like it.
    `alpha=0` with an `epsilon` is the ε-greedy policy on the same model.

    Learned: `state_`, sums that may be added to another bandit's, saved, and given back by `start_from`.

    >>> policy = LinUCB(alpha=1.0)
    >>> policy.update("boots", np.array([1.0, 0.0]), 1.0)
    >>> policy.values(["boots", "hat"], np.array([[1.0, 0.0], [1.0, 0.0]])).round(3).tolist()  # 1/2 + √(1/2), 0 + √1
    [1.207, 1.0]
    """

    state_: BanditState

    def __init__(self, alpha: float = 1.0, ridge: float = 1.0, shared: bool = False, epsilon: float = 0.0) -> None:
        super().__init__(epsilon)
        self.alpha = alpha
        self.ridge = ridge
        self.shared = shared

    def start_from(self, state: BanditState) -> LinUCB:
        """Go on from sums that were learned before; they are the policy's own from now on."""
        self.state_ = state
        self._solved: dict[str, tuple[Floats, Floats]] = {}
        return self

    def posterior(self, arm: str, dim: int) -> tuple[Floats, Floats]:
        """θ [d] and A⁻¹ [d, d] of an arm: mean and shape of the normal distribution that Thompson sampling draws from.

        An arm that was never shown has θ = 0 and A⁻¹ = I/ridge.
        """
        self._ready(dim)
        key = EVERY_ARM if self.shared else arm
        if key not in self._solved:
            self._solved[key] = self.state_.arms.get(key, Sums(self.state_.dim)).solve(self.ridge)
        return self._solved[key]

    def values(self, arms: Sequence[str], x: Floats) -> Floats:
        """The upper confidence bound of each arm; [m]."""
        return self.means(arms, x) + self.alpha * self.spreads(arms, x)

    def means(self, arms: Sequence[str], x: Floats) -> Floats:
        """θ·x of each arm; [m]."""
        if self.shared:
            theta, _ = self.posterior(EVERY_ARM, x.shape[1])
            return np.asarray(x @ theta)
        return np.array([self.posterior(arm, x.shape[1])[0] @ row for arm, row in zip(arms, x, strict=True)])

    def spreads(self, arms: Sequence[str], x: Floats) -> Floats:
        """√(xᵀ A⁻¹ x) of each arm; [m]."""
        if self.shared:
            _, inverse = self.posterior(EVERY_ARM, x.shape[1])
            squares: Floats = ((x @ inverse) * x).sum(axis=1)
        else:
            pairs = zip(arms, x, strict=True)
            squares = np.array([row @ self.posterior(arm, x.shape[1])[1] @ row for arm, row in pairs])
        spreads: Floats = np.sqrt(np.maximum(squares, 0.0))
        return spreads

    def update(self, arm: str, x: Floats, reward: float) -> None:
        """Add one reward to the sums."""
        self._ready(len(x))
        key = EVERY_ARM if self.shared else arm
        self.state_.add(key, x, reward)
        self._solved.pop(key, None)

    def _ready(self, dim: int) -> None:
        if not self.ridge > 0 or not self.alpha >= 0:
            raise BanditError(f"alpha {self.alpha}, ridge {self.ridge}: give alpha at least 0 and ridge above 0")
        if not hasattr(self, "state_"):
            self.start_from(BanditState(dim))
        if self.state_.dim != dim:
            raise BanditError(f"x: {dim} features, but this bandit has learned from {self.state_.dim}; give those")


def probabilities_of(policy: Policy, arms: Sequence[str], x: Floats) -> Floats:
    """What a policy, as it is now, would choose in each of many contexts; `x` [n, m, d] → [n, m]."""
    return np.array([policy.probabilities(arms, rows) for rows in x])
