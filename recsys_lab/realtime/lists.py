"""A fresh list from a visit: a taste for each of the latest categories, and their lists interleaved."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from recsys_lab.datasets import Event, Shop
from recsys_lab.preferences import interleave
from recsys_lab.realtime.accumulators import Facts
from recsys_lab.realtime.meta import SessionVector
from recsys_lab.realtime.state import Visit
from recsys_lab.recommender import Recommendations
from recsys_lab.spaces import NumberSpace


class Lists:
    """Asks the index of a `SessionVector` for what is near to a visit and appeals to everybody."""

    def __init__(self, vector: SessionVector, facts: Facts, shop: Shop) -> None:
        self.vector = vector
        self.facts = facts
        products = shop.products
        launched = products["launched_at"].to_numpy() if "launched_at" in products.columns else np.zeros(len(products))
        order = np.argsort(launched, kind="stable")
        self._launched = launched[order]
        self._items = products["item_id"].to_numpy()[order]
        self._appeal = {
            name: vector.weights.get(name, 1.0)
            for name, space in vector.index.spaces.items()
            if isinstance(space, NumberSpace) and space.mode != "similar"
        }

    def top(self, visit: Visit, k: int, now_ms: int, exclude: Collection[str], tastes: int) -> Recommendations:
        """See `Live.top`."""
        if tastes < 1:
            raise ValueError(f"tastes: {tastes} leaves no list; give at least 1")
        to_come = self._items[np.searchsorted(self._launched, now_ms, side="right") :]
        out = {*exclude, *to_come.tolist()}
        topics = by_topic(visit.session, self.facts, tastes) if tastes > 1 else [visit.session]
        lists = [self._one(visit.shopper, events, k, out) for events in topics or [()]]
        if len(lists) == 1:
            return lists[0]
        mixed = interleave([one.item_ids for one in lists])[:k]
        return Recommendations(tuple(mixed), tuple(float(n) for n in range(len(mixed), 0, -1)))

    def _one(self, shopper: str, events: Sequence[Event], k: int, out: Collection[str]) -> Recommendations:
        profile = self.vector.profile(shopper, events)
        weights = self._appeal | {name: self.vector.weights.get(name, 1.0) for name in profile}
        return self.vector.index.search(weights=weights, shopper=profile, k=k, exclude=out)


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
