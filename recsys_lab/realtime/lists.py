"""A fresh list from a visit: a taste for each of the latest categories, and their lists interleaved.

Scores are those of `SpaceIndex.search(shopper=…)` with the vectors of `ShopperVectors`. A list is asked for with every
event, and an event changes one taste: the lists of the others are kept, and so is what a change of the index changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from recsys_lab.datasets import Event, Shop
from recsys_lab.preferences import EventRules, ShopperVectors, interleave
from recsys_lab.realtime.accumulators import Facts
from recsys_lab.realtime.meta import SessionVector
from recsys_lab.recommender import Floats, Recommendations
from recsys_lab.spaces import NumberSpace, SpaceError, SpaceIndex
from recsys_lab.spaces.index import check_length

_MARGIN = 1e-4  # float32 sums differ by less than this; who comes this near is scored again, exactly
_KEPT = 2_000  # tastes; a visit asks again for its own within minutes, or never
_NOTHING = 1e-12  # a shorter vector is what rounding leaves of events that cancel each other


class Lists:
    """Asks the index of a `SessionVector` for what is near to a visit and appeals to everybody."""

    def __init__(self, vector: SessionVector, facts: Facts, shop: Shop) -> None:
        self.vector = vector
        self.facts = facts
        products = shop.products
        launched = products["launched_at"].to_numpy() if "launched_at" in products.columns else np.zeros(len(products))
        order = np.argsort(launched, kind="stable")
        self._launched = launched[order].tolist()
        self._items = products["item_id"].to_numpy()[order]
        self._scorer: _Scorer | None = None

    def top(
        self, shown: Sequence[Event], k: int, now_ms: int, exclude: Collection[str], tastes: int
    ) -> Recommendations:
        """See `Live.top`; `shown` are the events of the visit, oldest first."""
        if tastes < 1:
            raise ValueError(f"tastes: {tastes} leaves no list; give at least 1")
        check_length(k)
        scorer = self._scorer
        if scorer is None or scorer.changes != self.vector.index.changes:
            scorer = self._scorer = _Scorer(self.vector, self._items)
        topics = by_topic(shown, self.facts, tastes) if tastes > 1 else [shown]
        to_come = bisect_right(self._launched, now_ms)
        if len(topics) < 2:
            return scorer.explained(topics[0] if topics else (), k, to_come, exclude)
        lists = scorer.kept(topics, k, to_come, exclude)
        mixed = interleave([one.item_ids for one in lists])[:k]
        return Recommendations(tuple(mixed), tuple(float(n) for n in range(len(mixed), 0, -1)))

    def forget(self) -> None:
        """Keep no list that was made from anybody's events."""
        self._scorer = None


class _Scorer:
    """What is kept of an index and a `SessionVector`'s weights, for the products that the index has now.

    The columns of the spaces that events move stand first; the others have a question part that never changes.
    `by_launch` are the shop's products in the order of their launch.
    """

    def __init__(self, vector: SessionVector, by_launch: Iterable[str]) -> None:
        index = self.index = vector.index
        self.rules = ShopperVectors(index, vector.rules).rules  # which refuses what does not fit the index
        self.ids = index.ids
        self.changes = index.changes
        self._kept: dict[Any, Recommendations] = {}
        self._row = {item: row for row, item in enumerate(self.ids)}
        self._by_launch = np.array([self._row.get(item, -1) for item in by_launch], dtype=np.int64)
        popular = index.products[index.popularity].tolist() if index.popularity and self.ids else [0] * len(self.ids)
        self._place = np.empty(len(self.ids), dtype=np.int64)  # who stands first where scores are equal
        self._place[sorted(self._row.values(), key=lambda row: (-popular[row], self.ids[row]))] = range(len(self.ids))

        spaces = list(index.spaces)
        self._starts = np.array([index.columns[name].start for name in spaces])
        sizes = [index.columns[name].stop - index.columns[name].start for name in spaces]
        self._moving = len(index.moving)
        self._space_of = np.repeat(np.arange(self._moving), sizes[: self._moving])
        self._width = sum(sizes[: self._moving])
        appeal = {
            name: vector.weights.get(name, 1.0)
            for name, space in index.spaces.items()
            if isinstance(space, NumberSpace) and space.mode != "similar"
        }
        weights = appeal | {name: vector.weights.get(name, 1.0) for name in index.moving}
        anyone = {name: np.ones(index.columns[name].stop - index.columns[name].start) for name in index.moving}
        self._terms = index.question(weights=weights, shopper=anyone).terms
        self._weight = np.zeros(len(spaces))
        self._always = np.zeros(index.dim)
        for term in self._terms:
            self._weight[spaces.index(term.space)] = term.weight
            if term.space in appeal:
                self._always[index.columns[term.space]] = term.weight * term.part
        self._term_space = [spaces.index(term.space) for term in self._terms]
        self._groups = _alike(self.rules, index)

    def kept(
        self, topics: Sequence[Sequence[Event]], k: int, to_come: int, exclude: Collection[str]
    ) -> list[Recommendations]:
        """The `k` best for each topic's events, perhaps as an earlier list had them; without scores' parts."""
        asked = (k, to_come, frozenset(exclude))
        keys = [(asked, *((event.item_id, event.event_type, event.timestamp) for event in topic)) for topic in topics]
        lists = [self._kept.get(key) for key in keys]
        new = [n for n, found in enumerate(lists) if found is None]
        for n, (found, *_) in zip(new, self._best([topics[n] for n in new], k, to_come, exclude), strict=True):
            lists[n] = self._kept[keys[n]] = found
        if len(self._kept) > _KEPT:
            self._kept.clear()
        return [found for found in lists if found is not None]

    def explained(self, topic: Sequence[Event], k: int, to_come: int, exclude: Collection[str]) -> Recommendations:
        """The `k` best for one topic's events, with the parts of their scores."""
        if not self.ids:
            return Recommendations((), ())
        ((found, terms, asked),) = self._best([topic], k, to_come, exclude)
        return self._explained(found, terms, asked)

    def _best(
        self, topics: Sequence[Sequence[Event]], k: int, to_come: int, exclude: Collection[str]
    ) -> list[tuple[Recommendations, Floats, Any]]:
        """The `k` best for each topic's events, but for those of `exclude` and those launched from `to_come` on.

        With the products that add up to their scores, [found, components], and the spaces that the question asks.
        """
        if not (self.ids and topics):
            return [(Recommendations((), ()), np.zeros((0, 0)), None) for _ in topics]
        matrix, n = self.index.matrix, len(self.ids)
        queries, asked = self._queries(topics)
        rough = np.empty((len(topics), n), dtype=np.float32)
        for query, scores_of in zip(queries.astype(np.float32), rough, strict=True):
            matrix.dot(query, out=scores_of)  # one for each: numpy's product of a matrix and a few columns is slower
        out = self._by_launch[to_come:]
        rough[:, out[out >= 0]] = -np.inf
        rough[:, [self._row[item] for item in exclude if item in self._row]] = -np.inf
        # Whoever may be among the k, by the float32 scores, is scored again in float64, and put in order.
        floor = np.partition(rough, n - min(k, n), axis=1)[:, n - min(k, n)] - _MARGIN
        topic, near = np.nonzero((rough >= floor[:, None]) & (rough > -np.inf))
        terms = matrix[near] * queries[topic]
        scores = np.round(terms.sum(axis=1), 9)  # sums in another order are not another score
        order = np.lexsort((self._place[near], -scores, topic))
        ends = np.searchsorted(topic, np.arange(len(topics) + 1)).tolist()
        made: list[tuple[Recommendations, Floats, Any]] = []
        for one, (start, end) in enumerate(pairwise(ends)):
            best = order[start:end][:k]
            ids = tuple([self.ids[row] for row in near[best].tolist()])
            made.append((Recommendations(ids, tuple(scores[best].tolist())), terms[best], asked[one]))
        return made

    def _explained(self, found: Recommendations, terms: Floats, asked: Any) -> Recommendations:
        """With each score's parts, from the products that add up to it, [found, components]."""
        parts = np.add.reduceat(terms, self._starts, axis=1)
        named = zip(self._terms, self._term_space, strict=True)
        told = {term.name: tuple(parts[:, at].tolist()) for term, at in named if at >= self._moving or asked[at]}
        return replace(found, parts=told)

    def _queries(self, topics: Sequence[Sequence[Event]]) -> tuple[Floats, Any]:
        """Each topic's question as a row whose inner product with a product's is its score, and the spaces it asks."""
        pulled = self._pulled(topics)
        lengths = np.sqrt(np.add.reduceat(pulled * pulled, self._starts[: self._moving], axis=1))
        weight, always = self._weight[: self._moving], self._weight[self._moving :]
        asked = (lengths > _NOTHING) & (weight != 0)
        scale = np.sqrt((asked @ weight**2 + always @ always) * (asked.sum(axis=1) + np.count_nonzero(always)))
        if not scale.all():
            raise SpaceError("nothing is asked: no space has both a question and a weight other than 0")
        factor = np.divide(weight, lengths, out=np.zeros_like(lengths), where=asked)
        queries = np.empty((len(topics), len(self._always)))
        queries[:] = self._always
        queries[:, : self._width] = pulled * factor[:, self._space_of]
        return queries / scale[:, None], asked

    def _pulled(self, topics: Sequence[Sequence[Event]]) -> Floats:
        """e of chapter 02 for each topic's events, [topics, moving components]: all events as one product."""
        known = [[event for event in events if event.item_id in self._row] for events in topics]
        rows = [self._row[event.item_id] for events in known for event in events]
        parts = self.index.matrix[rows, : self._width]
        pulled = np.zeros((len(topics), self._width))
        for weights, columns in self._groups:
            left, start = np.zeros((len(topics), len(rows))), 0
            for n, events in enumerate(known):
                left[n, start : start + len(events)] = self._left(events, weights)
                start += len(events)
            pulled[:, columns] = left @ parts[:, columns]
        return self.rules.influence * pulled

    def _left(self, events: Sequence[Event], weights: Mapping[str, float]) -> list[float]:
        """How much of each event's product is in e after the last."""
        w = [weights.get(event.event_type, 0.0) for event in events]
        times = [event.timestamp for event, weight in zip(events, w, strict=True) if weight]
        shares = iter(_shares(self.rules, times))
        left = [weight * next(shares) if weight else 0.0 for weight in w]
        total = sum(map(abs, left)) if self.rules.normalised else 1.0
        return [one / (total or 1.0) for one in left]


def _shares(rules: EventRules, times: Sequence[int]) -> list[float]:
    """`EventRules.shares` in plain numbers, which are faster than arrays of a few.

    >>> rules = EventRules(temperature=0.7, floor=0.2)
    >>> np.allclose(_shares(rules, [5, 10, 30, 31]), rules.shares(np.array([5, 10, 30, 31])))
    True
    """
    kept, ages = [], 0
    for n, time in enumerate(times, 1):
        since = time - times[0]
        ages += since
        past = rules.past(n, since - ages / n, since)
        kept.append(past / (rules.temperature + past))
    left, later = [], 1.0
    for one in reversed(kept):
        left.append((1 - one) * later)
        later *= one
    return left[::-1]


def _alike(rules: EventRules, index: SpaceIndex) -> list[tuple[Any, Any]]:
    """Weights by event type, and the columns of the spaces where they hold."""
    shared = [name for name in index.moving if name not in rules.effects]
    groups = [shared, *([name] for name in index.moving if name in rules.effects)]
    return [
        (rules.effects.get(group[0], rules.weights), np.concatenate([np.r_[index.columns[name]] for name in group]))
        for group in groups
        if group
    ]


def by_topic(events: Sequence[Event], facts: Facts, tastes: int) -> list[Sequence[Event]]:
    """The events on each of the latest categories, the latest first; within one, oldest first.

    >>> visit = [Event("ada", item, "clicked_on", at, "s") for at, item in enumerate(["boot", "hat", "boot"])]
    >>> [[event.timestamp for event in topic] for topic in by_topic(visit, Facts(), 3)]  # no shop: one topic
    [[0, 1, 2]]
    """
    topics: dict[str | None, list[Event]] = {}
    for event in reversed(events):
        topics.setdefault(facts.product(event.item_id, "category"), []).append(event)
    return [mine[::-1] for mine in list(topics.values())[:tastes]]
