"""The ranker: many sources nominate, one model orders. It learns from the log by replay."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import is_dataclass, replace

import numpy as np
import pandas as pd

from recsys_lab.datasets import Shop
from recsys_lab.evaluation.metrics import Truth
from recsys_lab.ranking.candidates import CandidateSources, Pool
from recsys_lab.ranking.examples import TASKS, Examples, cut_at, replay
from recsys_lab.ranking.features import Extra, Features
from recsys_lab.ranking.models import ListwiseLogistic, Model
from recsys_lab.ranking.sources import SOURCES, Sources, check_sources
from recsys_lab.recommender import Context, Floats, NotFittedError, Recommendations, Rows, ScoringRecommender

LEVEL = "level of the list"
"""What the scores of a list have in common: what the terms of features, counted from the list's mean, leave over."""
_BEHIND = -1e6  # what no source nominated: behind all that was, by popularity


class Stage(ScoringRecommender):
    """Sources and features, fitted on one log: what turns contexts into tables of candidates.

    There is one of these for training (fitted on the log before the examples) and one for serving; the code is the
    same. Learned: `sources_`, `features_`.
    """

    def __init__(self, sources: Sources, each: int | None = 50, extra: Mapping[str, Extra] | None = None) -> None:
        self.sources = sources
        self.each = each
        self.extra = extra

    def _learn(self, shop: Shop) -> None:
        self.sources_ = CandidateSources(self.sources, self.each).fit(shop)
        self.features_ = Features(self.extra).fit(shop, self.items_.tolist())

    def tables(
        self, contexts: Sequence[Context], forced: Sequence[Collection[str]] | None = None
    ) -> Iterator[tuple[Pool, Floats]]:
        """Pools of candidates and their features [candidates, features], some contexts at a time, in order."""
        first = 0
        for pool in self.sources_.pools(contexts, forced):
            last = first + len(pool.start) - 1
            yield pool, self.features_.table(contexts[first:last], pool)
            first = last

    def gains(self, pool: Pool, wanted: Sequence[Truth]) -> Floats:
        """What each candidate was worth; 0 for those nobody wanted. Shape [candidates]."""
        made = np.zeros(len(pool.column))
        for number, gains in enumerate(wanted):
            inside = pool.column[pool.start[number] : pool.start[number + 1]]
            for item, gain in gains.items():
                column = self._column.get(item, -1)
                at = int(np.searchsorted(inside, column))
                if at < len(inside) and inside[at] == column:
                    made[pool.start[number] + at] = gain
        return made


class Ranker(ScoringRecommender):
    """Candidates of several sources, ordered by a model that learned from the log whom to believe, and when.

    `fit` replays the last `share` of the log's visits: the sources learn all that was before, are asked the questions
    of these visits (at most `examples` of them, drawn by `random_state`), and the model learns what was wanted. Then,
    with `refit`, the sources learn the whole log, and the model stays.

    `task` says which questions: "home" (the start of a visit), "next" or "clickstream" (the next click, other than the
    open product), "sessions" (the next click, whichever it is); it names the default `sources` too. Each source
    nominates `each` products; None makes every product a candidate, where there are few. `model` is a
    `ListwiseLogistic` or a `LambdaMART`. `extra` are features of your own: name → function of a context and its
    candidates. An example whose product no source nominated teaches nothing and is left out, because serving will never
    see such a pool; `force_targets=True` puts the product in all the same, which is the mistake to be shown.

    Products that no source nominated stand behind all others, by popularity.

    Learned: `stage_` (serving's sources and features), `model_`, `cut_` (when the replay began, ms), `names_` (of the
    features), `learned_from_` (examples, and how many of them had their product among the candidates).

    >>> from recsys_lab.ranking.sources import Source
    >>> from recsys_lab.baselines import Markov, Popular
    >>> shop = Shop.from_sessions([["a", "b", "c"], ["b", "c", "a"]] * 30)
    >>> model = Ranker("sessions", {"popular": Source(Popular, "counts"), "markov": Source(Markov, "counts")}).fit(shop)
    >>> model.recommend(Context(None, 10**12, viewed="b", cart=()), k=1).item_ids in {("a",), ("c",)}
    True
    """

    model_: Model

    def __init__(
        self,
        task: str = "next",
        sources: Sources | None = None,
        model: Model | None = None,
        each: int | None = 50,
        share: float = 0.15,
        examples: int = 12_000,
        refit: bool = True,
        extra: Mapping[str, Extra] | None = None,
        force_targets: bool = False,
        random_state: int = 0,
    ) -> None:
        self.task = task
        self.sources = sources
        self.model = model
        self.each = each
        self.share = share
        self.examples = examples
        self.refit = refit
        self.extra = extra
        self.force_targets = force_targets
        self.random_state = random_state

    def _check(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"task: {self.task!r} is none of {', '.join(TASKS)}; use one of these")
        if self.examples < 1:
            raise ValueError(f"examples: {self.examples} teaches nothing; give at least 1")
        if self.sources is not None:
            check_sources(self.sources)
        if self.model is not None and (isinstance(self.model, type) or not is_dataclass(self.model)):
            raise TypeError(
                f"model: {self.model!r} is no model that was made; give ListwiseLogistic() or LambdaMART(), with the"
                f" brackets, or None for the first"
            )

    def _learn(self, shop: Shop) -> None:
        self._check()
        self.cut_ = cut_at(shop, self.share)
        past, coming = shop.between(None, self.cut_), shop.between(self.cut_, None)
        asked = replay(past, coming, self.task).sample(self.examples, self.random_state)
        if not asked.contexts:
            needed = "nobody clicked, carted or bought" if self.task == "home" else "no visit has a next click"
            raise ValueError(
                f"shop: in the last {self.share:.0%} of its visits {needed}, so there is no question to learn from;"
                f" give a log of longer visits, or a larger share"
            )
        stage = self._stage().fit(past)
        table, gains, start = self._table(stage, asked)
        self.names_ = stage.features_.names_
        self.learned_from_ = {"examples": len(asked.contexts), "with their product in the pool": len(start) - 1}
        self.model_ = replace(self.model or ListwiseLogistic()).fit(table, gains, start)
        self.stage_ = self._stage().fit(shop) if self.refit else stage

    def _stage(self) -> Stage:
        return Stage(SOURCES[self.task] if self.sources is None else self.sources, self.each, self.extra)

    def _table(self, stage: Stage, asked: Examples) -> tuple[Floats, Floats, Rows]:
        """Features [n, names], gains [n] and starts of the lists that hold something wanted."""
        forced = [list(gains) for gains in asked.gains] if self.force_targets else None
        tables, gains, sizes = [], [], []
        first = 0
        for pool, table in stage.tables(asked.contexts, forced):
            worth = stage.gains(pool, asked.gains[first : first + len(pool.start) - 1])
            first += len(pool.start) - 1
            good = np.bincount(pool.context, worth, minlength=len(pool.start) - 1) > 0
            kept = good[pool.context]
            tables.append(table[kept])
            gains.append(worth[kept])
            sizes.append(np.diff(pool.start)[good])
        start = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
        if len(start) == 1:
            raise ValueError(
                f"share: in the last {self.share:.0%} of the visits no source nominated what was wanted; give a longer"
                f" log, a larger share, or other sources"
            )
        return np.concatenate(tables), np.concatenate(gains), start

    def _score(self, contexts: Sequence[Context]) -> Floats:
        scores = np.full((len(contexts), len(self.items_)), _BEHIND)
        place = self.columns(self.stage_.items_.tolist())
        first = 0
        for pool, table in self.stage_.tables(contexts):
            scores[first + pool.context, place[pool.column]] = np.round(self.model_.score(table, pool.start), 9)
            first += len(pool.start) - 1
        return scores

    def recommend(self, context: Context, k: int = 10, exclude: Collection[str] = ()) -> Recommendations:
        """At most `k` products, with what each feature added to their scores (see `terms`)."""
        listed = super().recommend(context, k, exclude)
        mine = self.terms(context).reindex(list(listed.item_ids), fill_value=0.0)
        mine[LEVEL] = np.array(listed.scores) - mine.sum(axis=1)
        return replace(listed, parts={str(name): tuple(mine[name]) for name in mine.columns})

    def terms(self, context: Context) -> pd.DataFrame:
        """What each feature adds to each candidate's score; a row a candidate, a column a feature.

        Counted from the mean of the candidates, so a row adds up to how far the product stands above or below it.
        """
        self._fitted()
        ((pool, table),) = self.stage_.tables([context])
        return pd.DataFrame(self.model_.terms(table), index=pd.Index(pool.ids(0)), columns=list(self.names_))

    def importance(self, contexts: Sequence[Context]) -> pd.Series[float]:
        """How much each feature moves the scores of these contexts: the mean of its terms' sizes, largest first."""
        self._fitted()
        if not len(contexts):
            raise ValueError("contexts: there is none; give one or more, of those that the ranker serves")
        sums = [self.terms(context).abs().mean() for context in contexts]
        return pd.concat(sums, axis=1).mean(axis=1).sort_values(ascending=False, kind="stable")

    def serving(self, each: int | None) -> Ranker:
        """The same fitted ranker, asked with pools of another size; None: every product.

        That is a mismatch of its own, since the model learned from other pools: how many sources nominated a product
        then means something else. For measuring such mistakes; else fit with the size that serves.
        """
        self._fitted()
        other, stage = copy(self), copy(self.stage_)
        stage.sources_ = copy(stage.sources_)
        other.each = stage.each = stage.sources_.each = each
        other.stage_ = stage
        return other

    def candidates(self, contexts: Sequence[Context]) -> Iterator[Pool]:
        """The pools that serving would rank."""
        self._fitted()
        return (pool for pool, _ in self.stage_.tables(contexts))

    def _fitted(self) -> None:
        if not hasattr(self, "stage_"):
            raise NotFittedError(f"{type(self).__name__} has not learned anything yet: call .fit(shop) first")
