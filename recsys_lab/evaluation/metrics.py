"""Metrics as one value per case, so that anyone can plot, bootstrap or test them; the mean is taken last.

A case is one question: a list was made, and what the shopper then wanted is known. All lists of a board are judged once
(`judge`), then each metric is a line of arithmetic on the judgement. A case with nothing to find is NaN in every metric
and left out of means. Gains are linear: a product worth 1 counts five times one worth .2.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_lab.recommender import NOTHING, Floats, Labels

Truth = Mapping[str, float]


class JudgementError(ValueError):
    """Lists that cannot be judged: the message says which list breaks which rule."""


@dataclass(frozen=True)
class Judged:
    """Lists beside the truth: `ids`, `gains` and `ideal` (the best gains possible) [n, k], `relevant` counts [n]."""

    ids: Labels
    gains: Floats
    ideal: Floats
    relevant: NDArray[np.int64]

    @property
    def k(self) -> int:
        """The length of the lists."""
        return int(self.gains.shape[1])


def judge(ids: Labels, truth: Sequence[Truth] | None, catalogue: Collection[str]) -> Judged:
    """Look up what each listed product is worth; ids [n, k], truth [n] of {product: gain above 0}.

    `truth` None: the lists are checked but nothing was wanted (a board that measures them in another way).
    Raises `JudgementError` for a list that holds a product which the catalogue does not have (ids of another table, or
    positions instead of labels), or the same product twice (a hit would count twice).

    >>> ids = np.array([["a", "b", "c"]], dtype=object)
    >>> judge(ids, [{"b": 1.0, "z": 0.5}], {"a", "b", "c", "z"}).gains.tolist()
    [[0.0, 1.0, 0.0]]
    """
    n, k = ids.shape
    if truth is None:
        _check_lists(ids, catalogue)
        return Judged(ids, np.zeros((n, k)), np.zeros((n, k)), np.zeros(n, dtype=np.int64))
    if len(truth) != n:
        raise JudgementError(f"{n} lists but {len(truth)} truths: every list needs its own")
    _check_lists(ids, catalogue)
    gains = np.array([[wanted.get(item, 0.0) for item in row] for row, wanted in zip(ids, truth, strict=True)])
    ideal = np.zeros((n, k))
    for row, wanted in enumerate(truth):
        best = sorted((gain for gain in wanted.values() if gain > 0), reverse=True)[:k]
        ideal[row, : len(best)] = best
    relevant = np.array([sum(gain > 0 for gain in wanted.values()) for wanted in truth], dtype=np.int64)
    if n and not relevant.any():
        warnings.warn("no case has anything to find: every metric will be NaN", stacklevel=2)
    return Judged(ids, gains.reshape(n, k), ideal, relevant)


def _check_lists(ids: Labels, catalogue: Collection[str]) -> None:
    known = {*catalogue, NOTHING}
    for row, listed in enumerate(ids):
        strange = [item for item in listed if item not in known]
        if strange:
            raise JudgementError(
                f"list {row} holds {strange[0]!r}, which is no product of this shop; list ids of the products table"
            )
        real = [item for item in listed if item != NOTHING]
        if len(set(real)) < len(real):
            twice = next(item for item in real if real.count(item) > 1)
            raise JudgementError(f"list {row} holds {twice!r} twice; a list names each product once")


def hit_rate(judged: Judged) -> Floats:
    """1 where the list holds something wanted, else 0; shape [n]. Reported as HR@k."""
    return _measured(judged, np.array((judged.gains > 0).any(axis=1), dtype=np.float64, ndmin=1))


def reciprocal_rank(judged: Judged) -> Floats:
    """1 / place of the first thing wanted, 0 without one; shape [n]. Its mean is MRR@k.

    >>> round(float(reciprocal_rank(judge(np.array([["a", "b"]], dtype=object), [{"b": 1.0}], {"a", "b"}))[0]), 2)
    0.5
    """
    places = np.arange(1, judged.k + 1)
    inverse = (judged.gains > 0) / places
    return _measured(judged, np.array(inverse.max(axis=1, initial=0.0), ndmin=1))


def recall(judged: Judged) -> Floats:
    """Share of everything wanted that the list holds; shape [n]."""
    return _measured(judged, (judged.gains > 0).sum(axis=1) / np.maximum(judged.relevant, 1))


def ndcg(judged: Judged) -> Floats:
    """Discounted gain of the list over that of the best list possible; shape [n]. Linear gain, 1/log2(place + 1).

    >>> lists = np.array([["a", "b"]], dtype=object)
    >>> round(float(ndcg(judge(lists, [{"a": 0.2, "b": 1.0}], {"a", "b"}))[0]), 4)  # (.2 + .6309) / (1 + .1262)
    0.7378
    """
    discount = 1.0 / np.log2(np.arange(2, judged.k + 2))
    best = (judged.ideal * discount).sum(axis=1)
    return _measured(judged, (judged.gains * discount).sum(axis=1) / np.where(best > 0, best, 1.0))


def average_precision(judged: Judged) -> Floats:
    """Mean precision at the places of hits, over min(k, wanted); shape [n]. Its mean is MAP@k.

    Divided by min(k, wanted) and not by wanted: a list of k cannot hold more than k, and a perfect one is worth 1.
    """
    hits = judged.gains > 0
    precision = np.cumsum(hits, axis=1) / np.arange(1, judged.k + 1)
    return _measured(judged, (precision * hits).sum(axis=1) / np.maximum(np.minimum(judged.k, judged.relevant), 1))


def coverage(ids: Labels, catalogue: Collection[str]) -> float:
    """Share of the catalogue that appears in at least one list."""
    return len({item for item in ids.ravel() if item != NOTHING}) / len(catalogue)


def novelty(ids: Labels, popularity: Mapping[str, int]) -> Floats:
    """How far from the beaten track each list is: mean -log2 of its products' shares of training events; bits, [n].

    (Self-information, Zhou et al. 2010; one event is added to each product so that a new one has a share.)
    """
    total = sum(popularity.values()) + len(popularity)
    bits = {item: -np.log2((count + 1) / total) for item, count in popularity.items()}
    rows = [[bits[item] for item in row if item != NOTHING] for row in ids]
    return np.array([np.mean(row) if row else np.nan for row in rows])


def _measured(judged: Judged, values: Floats) -> Floats:
    """NaN where there was nothing to find."""
    return np.where(judged.relevant > 0, values, np.nan)
