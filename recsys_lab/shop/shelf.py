"""The fast search of the shop: `SpaceIndex.search` over rows that lie ready, for a profile made from recent events."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_lab.datasets import Event
from recsys_lab.preferences import EventRules
from recsys_lab.recommender import Floats, Recommendations
from recsys_lab.spaces import Question, SpaceError, SpaceIndex

_MARGIN = 1e-4  # float32 sums differ by less than this; who comes this near is scored again, exactly
_NOTHING = 1e-12  # a shorter vector is what rounding leaves of events that cancel each other
Barrier = NDArray[np.float32]
"""[products]: 0 for what may be listed, −∞ for what may not; it is added to the scores."""


@dataclass(frozen=True, eq=False)
class Row:
    """A question as one row, whose inner product with a product's is the score; each term and its space's number.

    `rough` are the float32 scores of all products: whoever asks again, with another filter perhaps, has them already.
    """

    exact: Floats
    rough: NDArray[np.float32]
    names: tuple[tuple[str, int], ...]


def barrier(allowed: NDArray[np.bool_]) -> Barrier:
    """What may be listed, as a search takes it.

    >>> barrier(np.array([True, False])).tolist()
    [0.0, -inf]
    """
    return np.where(allowed, np.float32(0), np.float32(-np.inf))


class Shelf:
    """Answers questions to an index. `place` [products] is where each row stands among equals: 0 goes first.

    The scores, their parts and their order are those of `SpaceIndex.search`.
    """

    def __init__(self, index: SpaceIndex, place: NDArray[np.int64]) -> None:
        self.index = index
        self._place = place
        self._ids = index.ids
        self._rows = {item: row for row, item in enumerate(self._ids)}
        self._matrix = index.matrix
        self.moving, self._columns = index.moving, index.columns
        self.number = {name: number for number, name in enumerate(index.spaces)}
        self._all_starts = [index.columns[name].start for name in index.spaces]

    def parts(self, items: Sequence[str], width: int) -> Floats:
        """The first `width` columns of these products, [items, width] float64."""
        rows = self._matrix.take([self._rows[item] for item in items], axis=0)[:, :width]
        return rows.astype(np.float64)

    def __contains__(self, item: object) -> bool:
        return item in self._rows

    def row(self, question: Question) -> Row:
        """A question of the index as one row.

        Raises `ValueError` for a space that is asked twice: its terms could not be told apart.
        """
        row, scale = np.zeros(self.index.dim), question.scale
        for term in question.terms:
            row[self._columns[term.space]] = (term.weight / scale) * term.part
        names = tuple((term.name, self.number[term.space]) for term in question.terms)
        if len({space for _, space in names}) < len(names):
            raise ValueError(f"question: {[name for name, _ in names]} asks one space twice; ask the index itself")
        return self.scored(row, names)

    def scored(self, row: Floats, names: tuple[tuple[str, int], ...]) -> Row:
        """A row with the rough scores that it gives."""
        return Row(row, self._matrix @ row.astype(np.float32), names)

    def best(self, asked: Row, allowed: Barrier, k: int, exclude: Iterable[str] = ()) -> Recommendations:
        """The `k` best of the products that are `allowed`, and not in `exclude`."""
        rough = asked.rough + allowed
        if out := [row for item in exclude if (row := self._rows.get(item)) is not None]:
            rough[out] = -np.inf
        last = max(len(rough) - k, 0)
        floor = np.partition(rough, last)[last] - _MARGIN if len(rough) else -np.inf
        near = np.flatnonzero(rough >= floor if floor > -np.inf else np.isfinite(rough))
        if not len(near):
            return Recommendations((), (), {})
        shares = np.add.reduceat(self._matrix.take(near, axis=0) * asked.exact, self._all_starts, axis=1)
        scores = shares.sum(axis=1).round(9)  # a column a space; sums in another order are not another score
        order = np.lexsort((self._place[near], -scores))[:k]
        ids, columns = self._ids, shares[order].T.tolist()
        return Recommendations(
            tuple([ids[row] for row in near[order].tolist()]),
            tuple(scores[order].tolist()),
            {name: tuple(columns[space]) for name, space in asked.names},
        )


class Profiles:
    """Shoppers' vectors by one set of rules: `SessionVector.profile`, over the rows of a shelf."""

    def __init__(self, shelf: Shelf, rules: EventRules) -> None:
        columns = shelf.index.columns
        self.shelf, self.rules = shelf, rules
        self._columns = {name: columns[name] for name in shelf.moving}
        self._width = max((columns[name].stop for name in shelf.moving), default=0)
        self._starts = [columns[name].start for name in shelf.moving]
        # Without decay, how much is left of an event depends on the number of events alone.
        self._fading = rules.floor < 1 or rules.max_age_ms is not None
        self._shares: dict[int, Floats] = {}

    def of(self, events: Sequence[Event]) -> dict[str, Floats]:
        """The unit vector of these events (oldest first) in each space that they move."""
        weight_of = self.rules.weights
        counted = [event for event in events if weight_of.get(event.event_type) and event.item_id in self.shelf]
        if not counted or not self._width:
            return {}
        weights = [weight_of[event.event_type] for event in counted]
        rows = self.shelf.parts([event.item_id for event in counted], self._width)
        pulled = self.rules.influence * ((self._left(counted) * weights) @ rows)
        lengths = np.sqrt(np.add.reduceat(pulled * pulled, self._starts)).tolist()
        return {
            name: pulled[columns] / length
            for (name, columns), length in zip(self._columns.items(), lengths, strict=True)
            if length > _NOTHING
        }

    def _left(self, events: Sequence[Event]) -> Floats:
        """How much is left of each event after the last."""
        if self._fading:
            return self.rules.shares(np.array([event.timestamp for event in events], dtype=np.float64))
        held = self._shares.get(len(events))
        if held is None:
            held = self._shares[len(events)] = self.rules.shares(np.arange(len(events), dtype=np.float64))
        return held


class Plan:
    """The questions of shoppers by the same rules and weights, as `SpaceIndex.question` makes them; what they share
    lies ready. `weights` are by space.
    """

    def __init__(self, shelf: Shelf, rules: EventRules, weights: Mapping[str, float]) -> None:
        index = shelf.index
        self.shelf, self.profiles = shelf, Profiles(shelf, rules)
        appeal = {name: weight for name, weight in weights.items() if weight and not index.spaces[name].moves}
        terms = index.question(weights=appeal).terms if appeal else ()
        self._appeal = np.zeros(index.dim)
        for term in terms:
            self._appeal[index.columns[term.space]] = term.weight * term.part
        self._names = tuple((term.name, shelf.number[term.space]) for term in terms)
        self._squares = sum(term.weight**2 for term in terms)
        self._moving = [
            (space, weight, index.columns[space], (f"{space}: shopper", shelf.number[space]))
            for space in index.moving
            if (weight := weights.get(space, 1.0))
        ]

    def row(self, events: Sequence[Event]) -> Row:
        """What is asked for a shopper of these events. Raises `SpaceError` where nothing is."""
        profile = self.profiles.of(events)
        moved = [one for one in self._moving if one[0] in profile]
        names = (*self._names, *(one[3] for one in moved))
        if not names:
            raise SpaceError("nothing is asked: no space has both a question and a weight other than 0")
        scale = math.sqrt((self._squares + sum(one[1] ** 2 for one in moved)) * len(names))
        row = self._appeal / scale
        for space, weight, columns, _ in moved:
            np.multiply(profile[space], weight / scale, out=row[columns])
        return self.shelf.scored(row, names)
