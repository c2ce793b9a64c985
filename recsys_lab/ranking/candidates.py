"""Candidates: what each source nominates, merged into one pool for each context, with every source's score of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_lab.datasets import Shop
from recsys_lab.ranking.sources import Sources, check_sources
from recsys_lab.recommender import Context, Floats, Labels, Rows, ScoringRecommender, top_k

_CELLS = 2_000_000  # scores of one source held at once


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidates of some contexts, one after the other: those of context i are [start[i], start[i + 1]).

    `column` is the product (of `items`), ascending within a context; `scores` holds, for each source, the score of
    each candidate on a scale that does not depend on the size of the log, and `nominated` whether this source put it
    there. `evidence` [contexts] is the sum of the scores of a source of counts or votes, as a logarithm.
    """

    items: Labels
    start: Rows
    column: Rows
    scores: dict[str, Floats]
    nominated: dict[str, Any]
    evidence: dict[str, Floats]

    @property
    def context(self) -> Rows:
        """The number of the context of each candidate."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    def ids(self, number: int) -> list[str]:
        """The candidates of one context."""
        return list(self.items[self.column[self.start[number] : self.start[number + 1]]])


class CandidateSources(ScoringRecommender):
    """Several models asked at once. `each`: how many candidates each may nominate; None: every product is one.

    Nobody nominates what may not be listed: the open product, the cart, what is not launched, what fails the filter.
    As a recommender of its own it lists what most sources rank high: Σ 1 / (60 + rank), reciprocal rank fusion
    (Cormack et al. 2009).

    Learned: `models_`, by name.
    """

    models_: dict[str, ScoringRecommender]

    def __init__(self, sources: Sources, each: int | None = 50) -> None:
        self.sources = sources
        self.each = each

    def _learn(self, shop: Shop) -> None:
        check_sources(self.sources)
        if self.each is not None and self.each < 1:
            raise ValueError(f"each: {self.each} nominates nothing; give 1 or more, or None for every product")
        self.models_ = {name: source.make().fit(shop) for name, source in self.sources.items()}
        counts = shop.popularity.reindex(list(self.items_)).to_numpy(dtype=np.float64) + 0.5
        self._popular = counts / counts.sum()

    def pools(self, contexts: Sequence[Context], forced: Sequence[Collection[str]] | None = None) -> Iterator[Pool]:
        """The pools of the contexts, some contexts at a time. `forced` puts these products in as well, which serving
        cannot do: for showing what comes of it.
        """
        step = max(1, _CELLS // len(self.items_))
        for first in range(0, len(contexts), step):
            chunk = contexts[first : first + step]
            yield self._pool(chunk, None if forced is None else forced[first : first + step])

    def _pool(self, contexts: Sequence[Context], forced: Sequence[Collection[str]] | None) -> Pool:
        width = len(self.items_)
        allowed = np.zeros((len(contexts), width))
        self._forbid(allowed, contexts, None)
        barred = np.isneginf(allowed)
        dense, nominated = {}, {}
        for name, model in self.models_.items():
            dense[name] = _scores_of(model, contexts)
            nominated[name] = self._nominate(name, dense[name], barred)
        if self.each is None:
            cells = np.flatnonzero(~barred.ravel())
        else:
            cells = np.unique(np.concatenate(list(nominated.values())))
        if forced is not None:
            wanted = [number * width + self.columns(list(items)) for number, items in enumerate(forced)]
            there = [self.columns(list(items)) >= 0 for items in forced]
            cells = np.union1d(cells, np.concatenate(wanted)[np.concatenate(there)])
        row, column = cells // width, cells % width
        start = np.searchsorted(row, np.arange(len(contexts) + 1))
        scores, evidence = {}, {}
        for name, values in dense.items():
            scores[name], known = self._scaled(name, values, row, column)
            if known is not None:
                evidence[name] = known
        placed = {name: np.isin(cells, own, assume_unique=True) for name, own in nominated.items()}
        return Pool(self.items_, start, column, scores, placed, evidence)

    def _nominate(self, name: str, scores: Floats, barred: Any) -> Rows:
        """The cells (row · products + column) that a source nominates."""
        width = scores.shape[1]
        if self.each is None:
            return np.zeros(0, dtype=np.int64)
        known = ~barred if self.sources[name].scale == "likeness" else (scores > 0) & ~barred
        if known.sum() > 0.05 * known.size:
            columns, _ = top_k(np.where(known, scores, -np.inf), self.each)
            rows = np.repeat(np.arange(len(scores)), columns.shape[1]).reshape(columns.shape)
            return np.asarray((rows * width + columns)[columns >= 0])
        row, column = np.nonzero(known)  # few have any evidence: to sort them is quicker
        row, column = (each[np.lexsort((column, -scores[row, column], row))] for each in (row, column))
        first = np.cumsum(np.bincount(row, minlength=len(scores))) - np.bincount(row, minlength=len(scores))
        return np.asarray((row * width + column)[np.arange(len(row)) - first[row] < self.each])

    def _scaled(self, name: str, scores: Floats, row: Rows, column: Rows) -> tuple[Floats, Floats | None]:
        """Scores of the cells on a scale of their own: the logarithm of a share, or standard deviations."""
        values = np.round(scores[row, column], 9)  # the same whoever else is asked
        scale = self.sources[name].scale
        if scale == "likeness":
            known = np.isfinite(scores)
            count = np.maximum(known.sum(axis=1), 1)
            mean = np.where(known, scores, 0.0).sum(axis=1) / count
            spread = np.sqrt(np.where(known, (scores - mean[:, None]) ** 2, 0.0).sum(axis=1) / count)
            low = np.where(known, scores, np.inf).min(axis=1)
            values = np.where(np.isfinite(values), values, np.where(np.isfinite(low), low, 0.0)[row])
            return (values - mean[row]) / np.where(spread > 0, spread, 1.0)[row], None
        total = scores.sum(axis=1)
        if scale == "counts":  # a few counts say less than many: five more, spread as popularity is
            return np.log((values + _PRIOR * self._popular[column]) / (total + _PRIOR)[row]), np.log1p(total)
        share = values / np.where(total > 0, total, 1.0)[row]
        return np.log(share + 0.1 / len(self.items_)), np.log1p(total)

    def _score(self, contexts: Sequence[Context]) -> Floats:
        scores = np.zeros((len(contexts), len(self.items_)))
        first = 0
        for pool in self.pools(contexts):
            rows = first + pool.context
            for name, values in pool.scores.items():
                put = np.flatnonzero(pool.nominated[name] | (self.each is None))
                scores[rows[put], pool.column[put]] += 1.0 / (60.0 + _ranks(values, pool)[put])
            first += len(pool.start) - 1
        return np.round(scores, 9)


_PRIOR = 5.0


def _scores_of(model: ScoringRecommender, contexts: Sequence[Context]) -> Floats:
    """The scores of a model, equal questions answered once."""
    asked: dict[Any, int] = {}
    place: list[int] = []
    different: list[Context] = []
    for number, context in enumerate(contexts):
        question = model._question(context)
        key = ("alone", number) if question is None else question
        if key not in asked:
            asked[key] = len(different)
            different.append(context)
        place.append(asked[key])
    scores = np.asarray(model._score(different), dtype=np.float64)
    return scores if len(different) == len(contexts) else scores[place]


def _ranks(values: Floats, pool: Pool) -> Floats:
    """The place of each candidate in its context by `values`, the best 1; ties by column."""
    order = np.lexsort((np.arange(len(values)), -values, pool.context))
    ranks = np.empty(len(values))
    ranks[order] = np.arange(1, len(values) + 1) - pool.start[pool.context]
    return ranks
