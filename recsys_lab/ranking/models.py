"""What learns to order candidates: a listwise logistic regression by numpy, and LambdaMART by LightGBM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from recsys_lab.recommender import Floats, NotFittedError, Rows

INSTALL = 'python -m pip install "lightgbm>=4.5,<5"   (on macOS first: brew install libomp)'
"""The line that installs what LambdaMART needs."""


@dataclass
class ListwiseLogistic:
    """Conditional logit (McFadden 1974), the listwise loss of ListNet (Cao et al. 2007): who of this list was wanted?

    P(i | list) = exp(w·x_i) / Σ over the list of exp(w·x_j);   loss = −Σ over lists Σ_i g_i·log P(i) + l2·‖w‖²

    with x in standard deviations and g the gains of the list, made to add up to 1. A number that is the same for the
    whole list cancels, so features of the context alone have no say. A line has few weights, so `most` lists, evenly
    spaced, are enough to find them.

    >>> x = np.array([[1.0], [0.0], [0.0], [2.0]])  # two lists of two; the larger number was wanted
    >>> model = ListwiseLogistic().fit(x, np.array([1.0, 0.0, 0.0, 1.0]), np.array([0, 2, 4]))
    >>> bool(model.weights_[0] > 0)
    True
    """

    l2: float = 20.0
    most: int = 3_000
    rounds: int = 30

    def fit(self, table: Floats, gains: Floats, start: Rows) -> Self:
        """Learn from candidates [n, features] with gains [n]; list i is [start[i], start[i + 1]).

        By Newton's method, halving a step that goes too far. Raises `ValueError` for tables, gains and starts that do
        not fit together, for numbers that are not finite, and for a list in which nothing was wanted.
        """
        if self.l2 < 0 or self.rounds < 1 or self.most < 1:
            raise ValueError(
                f"l2, rounds, most: {self.l2}, {self.rounds} and {self.most}; give 0 or more, and 1 or more"
            )
        table, gains, start = _some(*_checked(table, gains, start), self.most)
        self.mean_ = table.mean(axis=0, dtype=np.float64)
        spread = table.std(axis=0, dtype=np.float64)
        self.spread_ = np.where(spread > 1e-9, spread, 1.0)
        x = ((table - self.mean_.astype(np.float32)) / self.spread_.astype(np.float32)).astype(np.float32)
        wanted = (gains / np.repeat(np.add.reduceat(gains, start[:-1]), np.diff(start))).astype(np.float32)
        w, step = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        value = np.inf
        for _ in range(self.rounds):
            now, slope, curve = self._loss(w - step, x, wanted, start)
            if now > value:  # too far: half the way
                step = step / 2
                continue
            w, settled, value = w - step, value - now < 1e-5 * abs(now), now
            if settled:
                break
            step = np.linalg.solve(curve, slope)
        self.weights_: Floats = w
        return self

    def _loss(self, w: Floats, x: Floats, wanted: Floats, start: Rows) -> tuple[float, Floats, Floats]:
        """The loss with its first and second derivatives, some lists at a time."""
        value, slope = self.l2 * float(w @ w), 2 * self.l2 * w
        curve = (2 * self.l2 + 1e-6 * len(start)) * np.eye(len(w))
        for low in range(0, len(start) - 1, _LISTS):
            ends = start[low : low + _LISTS + 1]
            part, want = x[ends[0] : ends[-1]], wanted[ends[0] : ends[-1]]
            first, sizes = ends[:-1] - ends[0], np.diff(ends)
            score = (part @ w.astype(np.float32)).astype(np.float64)
            score -= np.repeat(np.maximum.reduceat(score, first), sizes)
            share = np.exp(score)
            total = np.add.reduceat(share, first)
            share = (share / np.repeat(total, sizes)).astype(np.float32)
            value += float(np.log(total).sum() - want @ score)
            slope = slope + (share - want) @ part
            weighed = part * share[:, None]
            mean = np.add.reduceat(weighed, first, axis=0)
            curve += part.T @ weighed - mean.T @ mean
        return value, slope, curve

    def score(self, table: Floats, start: Rows) -> Floats:
        """w·x of each candidate; [n]. (Where the lists start makes no difference to a line.)"""
        _fitted(self, "weights_")
        line = self.weights_ / self.spread_
        return np.asarray(table.astype(np.float64) @ line) - float(self.mean_ @ line)

    def terms(self, table: Floats) -> Floats:
        """What each feature adds to the score, counted from the mean of the list; [n, features].

        The whole list may be moved without changing its order, so only what tells candidates apart is a reason.
        """
        _fitted(self, "weights_")
        x = table.astype(np.float64)
        return np.asarray((x - x.mean(axis=0)) * (self.weights_ / self.spread_))


@dataclass
class LambdaMART:
    """Boosted trees on the pairs of a list, each pair weighed by the NDCG that swapping it would change (Burges 2010).

    By LightGBM, with settings that give the same trees each time; `threads` is fixed for that reason. The trees start
    from the scores of a `ListwiseLogistic` with `l2`, and so learn what a line cannot say. They learn, and order, the
    first `deep` of its list alone, in training as in serving; the others stay behind, as the line has them.
    """

    trees: int = 100
    leaves: int = 31
    rate: float = 0.05
    least: int = 100
    cut: int = 20
    features: float = 0.6
    l2: float = 20.0
    deep: int = 60
    threads: int = 2
    random_state: int = 0

    def fit(self, table: Floats, gains: Floats, start: Rows) -> Self:
        """Learn from candidates [n, features] with gains [n]; list i is [start[i], start[i + 1]).

        Raises `ValueError` as `ListwiseLogistic.fit` does.
        """
        table, gains, start = _checked(table, gains, start)
        lightgbm = _lightgbm()
        self.line_ = ListwiseLogistic(self.l2).fit(table, gains, start)
        line = self.line_.score(table, start)
        first, start = self._first(line, start)
        table, gains, line = table[first], gains[first], line[first]
        worth, label = np.unique(gains, return_inverse=True)
        settings = {
            "objective": "lambdarank",
            "label_gain": (worth / worth.max()).tolist(),
            "lambdarank_truncation_level": self.cut,
            "num_leaves": self.leaves,
            "learning_rate": self.rate,
            "min_data_in_leaf": self.least,
            "feature_fraction": self.features,
            "num_threads": self.threads,
            "seed": self.random_state,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        data = lightgbm.Dataset(table, label, group=np.diff(start), init_score=line, free_raw_data=True)
        self.booster_ = lightgbm.train(settings, data, num_boost_round=self.trees)
        return self

    def _first(self, line: Floats, start: Rows) -> tuple[Rows, Rows]:
        """The rows of the first `deep` of each list by the line, in their order, and where the lists then start."""
        row = np.repeat(np.arange(len(start) - 1), np.diff(start))
        order = np.lexsort((np.arange(len(line)), -np.round(line, 9), row))
        kept = np.sort(order[np.arange(len(line)) - start[row] < self.deep])
        return kept, np.concatenate([[0], np.cumsum(np.minimum(np.diff(start), self.deep))])

    def score(self, table: Floats, start: Rows) -> Floats:
        """The sum of line and trees for each candidate of lists that start there; [n]."""
        _fitted(self, "booster_")
        line = self.line_.score(table, start)
        first, _ = self._first(line, start)
        scores = line - _BEHIND
        scores[first] = line[first] + self._trees(table[first])
        return scores

    def _trees(self, table: Floats, **what: Any) -> Floats:
        if not len(table):
            return np.zeros(0)
        return np.asarray(self.booster_.predict(table, num_threads=self.threads, **what), dtype=np.float64)

    def terms(self, table: Floats) -> Floats:
        """What each feature adds to the scores of one list, from its mean; of the trees, Shapley values. [n, features].

        Of those behind the first `deep`, what the line says.
        """
        _fitted(self, "booster_")
        terms = self.line_.terms(table)
        first, _ = self._first(self.line_.score(table, np.array([0, len(table)])), np.array([0, len(table)]))
        trees = self._trees(table[first], pred_contrib=True)[:, :-1]
        terms[first] += trees - trees.mean(axis=0)
        return terms


Model = ListwiseLogistic | LambdaMART

_BEHIND = 1e3
_LISTS = 200  # looked at together: 40,000 rows or so


def _fitted(model: Model, learned: str) -> None:
    if not hasattr(model, learned):
        raise NotFittedError(
            f"{type(model).__name__} has not learned anything yet: call .fit(table, gains, start) first"
        )


def _checked(table: Any, gains: Any, start: Any) -> tuple[Floats, Floats, Rows]:
    """The same as arrays, or one clear error."""
    table, gains, start = np.asarray(table), np.asarray(gains, dtype=np.float64), np.asarray(start)
    if table.ndim != 2 or not len(table) or table.dtype.kind not in "fiub":
        raise ValueError(f"table: {table.dtype} of shape {table.shape}; give numbers, a row a candidate [n, features]")
    if gains.shape != (len(table),):
        raise ValueError(f"gains: shape {gains.shape} for {len(table)} candidates; give one number for each")
    whole = start.ndim == 1 and len(start) > 1 and start.dtype.kind in "iu"
    if not whole or start[0] != 0 or start[-1] != len(table) or (np.diff(start) < 1).any():
        raise ValueError(
            f"start: {start} for {len(table)} candidates; give where each list begins and the last one ends: whole"
            f" numbers from 0 up to {len(table)}, each larger than the one before"
        )
    if not (finite := np.isfinite(table)).all():
        row, column = np.argwhere(~finite)[0]
        raise ValueError(
            f"table: feature {column} of candidate {row} is {table[row, column]} (both counted from 0); give a finite"
            f" number, a mean or 0 where nothing is known"
        )
    if not (np.isfinite(gains) & (gains >= 0)).all():
        row = int(np.argmin(np.isfinite(gains) & (gains >= 0)))
        raise ValueError(f"gains: candidate {row} (counted from 0) has {gains[row]}; give finite numbers of 0 or more")
    empty = np.add.reduceat(gains, start[:-1]) == 0
    if empty.any():
        raise ValueError(
            f"gains: all are 0 in {empty.sum()} of {len(empty)} lists (list {int(np.argmax(empty))}, counted from 0, is"
            f" the first); a list in which nothing was wanted teaches nothing: leave it out"
        )
    return table, gains, start


def _some(table: Floats, gains: Floats, start: Rows, most: int) -> tuple[Floats, Floats, Rows]:
    """At most so many of the lists, evenly spaced."""
    lists = len(start) - 1
    if lists <= most:
        return table, gains, start
    kept = np.zeros(lists, dtype=bool)
    kept[np.linspace(0, lists - 1, most).astype(np.int64)] = True
    sizes = np.diff(start)
    rows = np.repeat(kept, sizes)
    return table[rows], gains[rows], np.concatenate([[0], np.cumsum(sizes[kept])])


def _lightgbm() -> Any:
    try:
        import lightgbm
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"LambdaMART needs LightGBM: {INSTALL}", name=error.name) from error
    except OSError as error:
        raise OSError(
            f"LightGBM is installed but its OpenMP library is not ({error}); on macOS: brew install libomp, on Debian"
            f" and Ubuntu: apt-get install libgomp1"
        ) from error
    return lightgbm
