"""What another policy would have earned, from the log of the one that was running: IPS, SNIPS, doubly robust.

All of it rests on the propensity: the probability with which the running policy chose what it showed, logged when it
chose. Where there is none, or where the log never shows what the other policy would, no formula helps; that is an error
or a warning here, and never a number without a word.

A log of a policy that learned while it ran may be used too, each row with the probability it had then: the estimates
stay right on average. Their intervals take one unit's rows to be independent of another's, which then holds roughly.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.bandit.features import columns
from recsys_lab.bandit.state import BanditError
from recsys_lab.evaluation.bootstrap import RESAMPLES, Interval
from recsys_lab.recommender import Floats, Labels, Rows


class PropensityError(BanditError):
    """A log without usable propensities: nothing can be estimated from it."""


class WeightWarning(UserWarning):
    """The weights do not behave as those of a right log do; the estimate is not to be trusted."""


@dataclass(frozen=True, eq=False)
class Logged:
    """Choices for one slot, one row each: what was shown, with which probability, and what came of it.

    `arms` are all that could be shown, `shown` [n] labels among them, `rewards` [n], `propensities` [n] above 0 and at
    most 1, `units` [n] who is resampled for intervals (shoppers, as a rule).

    Raises `PropensityError` for a missing, zero or impossible propensity, `BanditError` for the rest.
    """

    arms: tuple[str, ...]
    shown: Labels
    rewards: Floats
    propensities: Floats
    units: NDArray[Any]

    def __post_init__(self) -> None:
        if np.ndim(self.propensities) == 0 and pd.isna(self.propensities):  # None: the same as a None for each row
            object.__setattr__(self, "propensities", np.full(np.size(self.shown), np.nan))
        for name in ("rewards", "propensities"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        object.__setattr__(self, "arms", tuple(self.arms))
        object.__setattr__(self, "shown", np.asarray(self.shown, dtype=object))
        object.__setattr__(self, "units", np.asarray(self.units))
        lengths = {name: np.size(getattr(self, name)) for name in ("shown", "rewards", "propensities", "units")}
        for name in lengths:
            if getattr(self, name).ndim != 1:
                raise BanditError(f"{name}: shape {getattr(self, name).shape}; give a list of one for each choice")
        if len(set(lengths.values())) > 1 or not lengths["shown"]:
            raise BanditError(f"logged: {lengths}; give one of each for every choice, and at least one choice")
        _ = self.at  # checks the labels
        if not np.isfinite(self.rewards).all():
            raise BanditError(f"rewards: row {_first(~np.isfinite(self.rewards))} is not a finite number; leave it out")
        missing = np.isnan(self.propensities)
        if missing.any():
            raise PropensityError(
                f"propensities: {missing.sum()} of {len(self)} rows have none (row {_first(missing)} is the first);"
                f" keep the rows that were drawn with a known probability, or have the policy log its probabilities"
            )
        wrong = ~((self.propensities > 0) & (self.propensities <= 1))
        if wrong.any():
            row = _first(wrong)
            raise PropensityError(
                f"propensities: row {row} has {self.propensities[row]}; what was shown had a probability above 0, and"
                f" none is above 1: log the probability of the arm that was drawn, at the time it was drawn"
            )

    def __len__(self) -> int:
        return len(self.shown)

    @cached_property
    def at(self) -> Rows:
        """The column of what was shown; [n]."""
        return columns(self.arms, self.shown.tolist())


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a policy would have earned for each choice: Σ gain / Σ count over the log's rows, and how sure that is."""

    name: str
    gain: Floats
    count: Floats
    weights: Floats
    units: NDArray[Any]
    unseen: str = ""
    """What the policy would show and the log never does, in words; empty when there is nothing of the kind."""
    weighed: bool = True
    """Whether `weights` are target/propensity, whose mean should be 1."""

    @property
    def mean(self) -> float:
        """The estimate."""
        return float(self.gain.sum() / self.count.sum())

    @property
    def mean_weight(self) -> float:
        """Mean of target/propensity: near 1 when the propensities are right and the log has what the policy shows."""
        return float(self.weights.mean())

    @property
    def effective(self) -> float:
        """(Σw)²/Σw²: as many choices of the policy itself would be about as sure."""
        squares = float((self.weights**2).sum())
        return float(self.weights.sum()) ** 2 / squares if squares > 0 else 0.0

    def interval(self, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
        """The estimate with its 95 % percentile interval, whole units drawn with replacement."""
        _, place = np.unique(self.units, return_inverse=True)
        gains, counts = np.bincount(place, weights=self.gain), np.bincount(place, weights=self.count)
        chances = np.full(len(gains), 1 / len(gains))
        drawn = np.random.default_rng(seed).multinomial(len(gains), chances, size=resamples)
        below = drawn @ counts
        means = (drawn @ gains)[below > 0] / below[below > 0]  # a draw without any weight has no mean
        low, high = np.percentile(means, [2.5, 97.5])
        return Interval(self.mean, float(low), float(high))

    def weight_interval(self) -> Interval:
        """The mean weight with its 95 % interval, whole units drawn with replacement."""
        return Estimate("weights", self.weights, np.ones(len(self.weights)), self.weights, self.units).interval()

    @property
    def warning(self) -> str:
        """Why the estimate is not to be trusted, in words: arms never shown, a mean weight that is not 1; or empty."""
        told = [self.unseen] if self.unseen else []
        span = self.weight_interval() if self.weighed else None
        if span is not None and not span.low - _ROUNDING <= 1 <= span.high + _ROUNDING:
            told.append(
                f"the mean weight is {span} and should be 1: the propensities are wrong, or the log lacks some of what"
                f" this policy would show"
            )
        return "; ".join(told)

    def __str__(self) -> str:
        worth = f"mean weight {self.mean_weight:.2f}, worth {self.effective:.0f} choices"
        warning = self.warning
        return f"{self.name}: {self.interval()} ({worth})" + (f"\n  Careful: {warning}." if warning else "")


def ips(logged: Logged, target: Floats) -> Estimate:
    """Inverse propensity scoring: the mean of w·r, w = target/propensity (Horvitz and Thompson, 1952).

    `target` [n, m]: the probabilities with which the other policy would choose each arm. Unbiased with right
    propensities; its spread grows with the weights.

    >>> log = Logged(("a", "b"), ["a", "b", "a", "b"], [1.0, 0.0, 1.0, 0.0], [0.5] * 4, ["u", "v", "w", "x"])
    >>> ips(log, np.array([[1.0, 0.0]] * 4)).mean
    1.0
    """
    weights = importance(logged, target)
    return _estimate("IPS", logged, target, weights, weights * logged.rewards)


def snips(logged: Logged, target: Floats) -> Estimate:
    """Self-normalised IPS: Σw·r / Σw (Swaminathan and Joachims, 2015). A little biased, less spread."""
    weights = importance(logged, target)
    return _estimate("SNIPS", logged, target, weights, weights * logged.rewards, weights)


def direct(logged: Logged, target: Floats, rewards: Floats) -> Estimate:
    """The reward model alone: the mean of Σ target·model over the arms. As biased as the model is."""
    weights = importance(logged, target)
    return _estimate("direct", logged, target, weights, (target * _model(logged, rewards)).sum(axis=1))


def doubly_robust(logged: Logged, target: Floats, rewards: Floats) -> Estimate:
    """The reward model, corrected by the weighted errors that it makes on the log (Dudík, Langford and Li, 2011).

    `rewards` [n, m]: what a model expects of each arm, learned from other rows than the one it speaks of (see
    `reward_model`). Unbiased with right propensities, whatever the model; the better the model, the less spread.
    """
    weights, model = importance(logged, target), _model(logged, rewards)
    error = logged.rewards - model[np.arange(len(logged)), logged.at]
    return _estimate("DR", logged, target, weights, (target * model).sum(axis=1) + weights * error)


def without_propensities(logged: Logged, target: Floats) -> Estimate:
    """The mistake: the mean reward of the rows on which the policy agrees with the log, as if all were shown evenly.

    It takes the running policy's choices for a fair sample. They are not: it showed an arm to those who would like it.
    """
    chance = _target(logged, target)[np.arange(len(logged)), logged.at]
    return replace(_estimate("no propensities", logged, target, chance, chance * logged.rewards, chance), weighed=False)


def compare(logged: Logged, target: Floats, rewards: Floats | None = None) -> pd.DataFrame:
    """One row an estimator, with its interval and the self-checks; the model's two where `rewards` are given.

    Warns (`WeightWarning`) as `check_weights` does.
    """
    check_weights(logged, target)
    made = [without_propensities(logged, target), ips(logged, target), snips(logged, target)]
    if rewards is not None:
        made += [direct(logged, target, rewards), doubly_robust(logged, target, rewards)]
    rows = []
    for one in made:
        span = one.interval()
        rows.append((one.name, span.mean, span.low, span.high, one.mean_weight, one.effective))
    return pd.DataFrame(rows, columns=["estimator", "value", "low", "high", "mean weight", "effective choices"])


def importance(logged: Logged, target: Floats) -> Floats:
    """The weight of each row: how much likelier the other policy shows what was shown; [n].

    Raises `BanditError` for probabilities that are none.
    """
    chosen: Floats = _target(logged, target)[np.arange(len(logged)), logged.at]
    return chosen / logged.propensities


def check_weights(logged: Logged, target: Floats, few: float = 30.0) -> Interval:
    """The mean weight with its 95 % interval: about 1 when the propensities are right and the log has support.

    Warns (`WeightWarning`) where 1 is further off than one and a half times the interval's half width, and where the
    rows are worth fewer than `few` choices.
    """
    weights = importance(logged, target)
    checked = Estimate("weights", weights, np.ones(len(logged)), weights, logged.units, _unseen(logged, target))
    mean = checked.interval()
    if abs(mean.mean - 1) > _FAR * (mean.high - mean.low) / 2 + _ROUNDING:
        warnings.warn(
            f"weights: their mean is {mean}, and should be 1: the propensities are wrong, or the log never shows some"
            f" of what the policy would; the brackets are the 95 % interval; {checked.unseen}{checked.unseen and '; '}"
            f"log choices with an epsilon above 0, and the probability of each",
            WeightWarning,
            stacklevel=2,
        )
    elif checked.effective < few:
        warnings.warn(
            f"weights: {len(logged)} rows are worth {checked.effective:.0f} choices of this policy; their mean weight"
            f" with its 95 % interval is {mean}; ask about a policy nearer to the one that ran, about fewer arms, or"
            f" take a longer log",
            WeightWarning,
            stacklevel=2,
        )
    return mean


_ROUNDING = 1e-4  # propensities are often logged with few digits
_UNSEEN = 0.01  # a policy with a little chance for every arm gives some to arms that a short log happens to lack
_FAR = 1.5  # half widths of the 95 % interval: nearly three standard errors, so that a right log is rarely accused


def reward_model(
    logged: Logged, x: Floats, kind: str = "ridge", strength: float = 1.0, folds: int = 5, random_state: int = 0
) -> Floats:
    """What each row's arms would be rewarded with, by regression on features `x` [n, m, d]; [n, m].

    Each row is predicted by a model that was fitted without its unit's rows (cross-fitting): a model that has seen the
    very reward would be sure of itself, and its errors would say nothing. `kind` is "ridge" or "logistic" (rewards 0
    and 1), both by scikit-learn; `strength` is the ridge's, or 1/C.
    """
    try:
        from sklearn.linear_model import LogisticRegression, Ridge
    except ModuleNotFoundError:
        raise ModuleNotFoundError("a reward model needs scikit-learn: pip install 'recsys-lab[models]'") from None
    if kind not in ("ridge", "logistic"):
        raise BanditError(f'kind: {kind!r} is no reward model here; use "ridge" or "logistic"')
    if x.ndim != 3 or x.shape[:2] != (len(logged), len(logged.arms)):
        raise BanditError(f"x: shape {x.shape}; give features for {len(logged)} rows by {len(logged.arms)} arms")
    if kind == "logistic" and not np.isin(logged.rewards, (0.0, 1.0)).all():
        raise BanditError('kind: "logistic" needs rewards of 0 and 1; use "ridge" for others')
    names, place = np.unique(logged.units, return_inverse=True)
    if not 2 <= folds <= len(names):
        raise BanditError(f"folds: {folds} for {len(names)} units; give at least 2, and no more than there are units")
    fold = np.random.default_rng(random_state).permutation(len(names))[place] % folds
    seen, expected = x[np.arange(len(logged)), logged.at], np.empty(x.shape[:2])
    for part in range(folds):
        mine, others = fold == part, fold != part
        rewards, asked = logged.rewards[others], x[mine].reshape(-1, x.shape[2])
        if kind == "ridge":
            values = Ridge(alpha=strength).fit(seen[others], rewards).predict(asked)
        elif len(np.unique(rewards)) == 1:  # nobody was rewarded, or all were
            values = np.full(len(asked), rewards[0])
        else:
            model = LogisticRegression(C=1 / strength, max_iter=1000).fit(seen[others], rewards)
            values = model.predict_proba(asked)[:, 1]
        expected[mine] = values.reshape(-1, x.shape[1])
    return expected


def _target(logged: Logged, chances: Any) -> Floats:
    target: Floats = np.asarray(chances, dtype=np.float64)
    if target.shape != (len(logged), len(logged.arms)):
        raise BanditError(
            f"target: shape {target.shape}; give probabilities for {len(logged)} rows by {len(logged.arms)} arms"
        )
    if not (np.isfinite(target).all() and (target >= 0).all() and np.allclose(target.sum(axis=1), 1, atol=1e-6)):
        raise BanditError("target: a row is no distribution; probabilities are at least 0 and sum to 1 in each row")
    return target


def _model(logged: Logged, expected: Any) -> Floats:
    rewards: Floats = np.asarray(expected, dtype=np.float64)
    if rewards.shape != (len(logged), len(logged.arms)) or not np.isfinite(rewards).all():
        raise BanditError(
            f"rewards: shape {rewards.shape}; give a finite number for {len(logged)} rows by {len(logged.arms)} arms"
        )
    return rewards


def _unseen(logged: Logged, target: Any) -> str:
    """In words, the arms that no row shows and their share of the policy's choices; empty up to one in a hundred."""
    never = np.flatnonzero(np.bincount(logged.at, minlength=len(logged.arms)) == 0)
    shares = _target(logged, target)[:, never].mean(axis=0)
    if shares.sum() <= _UNSEEN:
        return ""
    wanted = never[np.argsort(-shares, kind="stable")][: np.count_nonzero(shares)]
    names = ", ".join(repr(logged.arms[arm]) for arm in wanted[:3])
    more = f" and {len(wanted) - 3} more arms" if len(wanted) > 3 else ""
    return f"the log never shows {names}{more}, which this policy would in {shares.sum():.0%} of its choices"


def _estimate(
    name: str, logged: Logged, target: Floats, weights: Floats, gain: Floats, count: Floats | None = None
) -> Estimate:
    if not weights.any() and name != "direct":
        raise BanditError(
            f"{name}: the log never shows what the policy would (every weight is 0); it cannot be judged on this log"
        )
    counts = np.ones(len(logged)) if count is None else count
    return Estimate(name, gain, counts, weights, logged.units, _unseen(logged, target))


def _first(flags: NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(flags)[0])
