"""Accumulators over accumulators: the same by a key, and models that are nothing but numbers that are kept anyway.

A bandit has the same contract: what it draws from are sums of whole numbers (shown and clicked by arm; sums of features
in fixed point, `round(x * 2**20)`), so it is atomic, exact and replayed like all others.
"""

# ruff: noqa: D102 - the base class says what the methods of each accumulator do

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from recsys_lab.datasets import Event
from recsys_lab.preferences import EventRules, ShopperVectors
from recsys_lab.realtime.accumulators import Accumulator, Facts, Question, changes_of, latest_products
from recsys_lab.realtime.state import Add, Change
from recsys_lab.recommender import Floats
from recsys_lab.spaces import SpaceIndex


@dataclass(frozen=True)
class ByKey(Accumulator):
    """An accumulator's statistic by device, region, age band or another trait; made by `by_key`."""

    of: Accumulator
    key: str

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"{self.of.name}_by_{self.key}"

    @property
    def events(self) -> Sequence[str]:  # type: ignore[override]
        return self.of.events

    def _prefix(self, value: str | None) -> str:
        return f"{self.key}={value}/" if value is not None else f"{self.key}/"

    def update(self, event: Event, facts: Facts) -> Iterator[Change]:
        prefix = self._prefix(facts.trait(event.user_id, self.key, [event]))
        for change in changes_of(self.of, event, facts):
            if not isinstance(change, Add):
                raise TypeError(f"by_key: {self.of.name} changes more than sums of the shop, and those alone have keys")
            yield change._replace(table=prefix + change.table)

    def _asked(self, asked: Question) -> str:
        return self._prefix(asked.facts.trait(asked.visit.shopper, self.key, asked.visit.events))

    def wants(self, asked: Question) -> Mapping[str, Sequence[str]]:
        prefix = self._asked(asked)
        return {prefix + table: fields for table, fields in self.of.wants(asked).items()}

    def features(self, asked: Question) -> Mapping[str, Floats]:
        prefix = self._asked(asked)
        mine = {name.removeprefix(prefix): table for name, table in asked.numbers.items() if name.startswith(prefix)}
        of_key = Question(asked.visit, asked.items, asked.now_ms, asked.facts, mine)
        return {f"{name}_by_{self.key}": column for name, column in self.of.features(of_key).items()}


def by_key(accumulator: Accumulator, key: str) -> ByKey:
    """The same statistic for each value of `key`: an attribute of the event ("device"), else a trait of the shopper.

    >>> from recsys_lab.realtime.accumulators import Popularity
    >>> by_key(Popularity(), "region").name
    'popularity_by_region'
    """
    return ByKey(accumulator, key)


@dataclass(frozen=True)
class OnlineItemKNN(Accumulator):
    """Item-based collaborative filtering from `CoClick`'s and `Popularity`'s numbers: it keeps none of its own.

    The sum over the shopper's last `n` products a of co(a, b) / √((n_a + λ)(n_b + λ)).
    """

    n: int = 5
    shrink: float = 20.0
    name = "item_knn"
    events = ("clicked_on",)

    def wants(self, asked: Question) -> Mapping[str, Sequence[str]]:
        mine = latest_products(asked.visit, self.n, self.events)
        return {"popularity": [*asked.items, *mine], **{f"co_click/{item}": asked.items for item in mine}}

    def features(self, asked: Question) -> Mapping[str, Floats]:
        score = np.zeros(len(asked.items))
        clicks = asked.column("popularity") + self.shrink
        for item in latest_products(asked.visit, self.n, self.events):
            known = asked.numbers.get("popularity", {}).get(item, 0) + self.shrink
            score += asked.column(f"co_click/{item}") / np.sqrt(known * clicks)
        return {"item_knn": score}


@dataclass(frozen=True)
class SessionVector(Accumulator):
    """How near the product is to the vector of the visit so far (chapter 02), in the spaces that events move.

    item2vec's vectors (chapter 03) come in as a custom space of the index. Nothing is kept for it: a visit is short,
    and its vector is made from its latest events when it is asked for.
    """

    index: SpaceIndex = field(repr=False)
    rules: EventRules = field(default_factory=EventRules)
    weights: Mapping[str, float] = field(default_factory=dict)
    name = "session_vector"

    def profile(self, shopper: str, events: Sequence[Event]) -> dict[str, Floats]:
        """The unit vector in each space that these events (oldest first) tell something about."""
        vectors = ShopperVectors(self.index, self.rules)
        for event in events:
            if event.item_id in self.index:
                vectors.update(event)
        return vectors.profile(shopper)

    def features(self, asked: Question) -> Mapping[str, Floats]:
        profile = self.profile(asked.visit.shopper, asked.visit.session)
        weights = {name: self.weights.get(name, 1.0) for name in profile}
        if not any(weights.values()):
            return {"session_vector": np.zeros(len(asked.items))}
        question = self.index.question(shopper=profile, weights=weights)
        query = self.index.query_row(question).astype(np.float64)
        known = [item in self.index for item in asked.items]
        rows = [self.index.row(item) for item, there in zip(asked.items, known, strict=True) if there]
        near = np.zeros(len(asked.items))
        near[known] = np.round(self.index.matrix[rows].astype(np.float64) @ query, 9)
        return {"session_vector": near}
