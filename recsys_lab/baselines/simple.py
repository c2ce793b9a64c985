"""What asks for no sequence: chance, what sells, what sells now, what this shopper had."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from recsys_lab.datasets import DAY_MS, Shop
from recsys_lab.recommender import Context, Floats, ScoringRecommender


class Random(ScoringRecommender):
    """Every product as likely: the floor. The same shopper at the same time gets the same list."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def _learn(self, shop: Shop) -> None:
        pass

    def _score(self, contexts: Sequence[Context]) -> Floats:
        seeds = [
            zlib.crc32(f"{context.shopper_id}|{context.now_ms}|{self.random_state}".encode()) for context in contexts
        ]
        cells = _mix(np.array(seeds, dtype=np.uint64))[:, None] + np.arange(len(self.items_), dtype=np.uint64)
        return _mix(cells).astype(np.float64) / 2.0**64


def _mix(x: NDArray[Any]) -> NDArray[Any]:
    """Scramble 64-bit numbers (the finaliser of splitmix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


class Popular(ScoringRecommender):
    """What most people click (in a shop without clicks: what most customers bought). See `Shop.popularity`."""

    def _learn(self, shop: Shop) -> None:
        self.counts_ = shop.popularity.reindex(pd.Index(self.items_)).to_numpy(dtype=np.float64)

    def _question(self, context: Context) -> Hashable:
        return ()

    def _score(self, contexts: Sequence[Context]) -> Floats:
        return np.tile(self.counts_, (len(contexts), 1))


class Recent(ScoringRecommender):
    """What was clicked (or, in a shop without clicks, bought) most in the last `days` of the training data."""

    def __init__(self, days: float = 7) -> None:
        self.days = days

    def _learn(self, shop: Shop) -> None:
        if self.days <= 0:
            raise ValueError(f"days: {self.days} is no span of time; give more than 0")
        rows = shop.events[shop.events["timestamp"] > self.fitted_until_ - self.days * DAY_MS]
        clicked = (shop.events["event_type"] == "clicked_on").any()
        rows = rows[rows["event_type"] == ("clicked_on" if clicked else "buy")]
        self.counts_ = np.bincount(self.columns(rows["item_id"].tolist()), minlength=len(self.items_)).astype(
            np.float64
        )

    def _question(self, context: Context) -> Hashable:
        return ()

    def _score(self, contexts: Sequence[Context]) -> Floats:
        return np.tile(self.counts_, (len(contexts), 1))


class RepeatPurchase(ScoringRecommender):
    """What this shopper did most often: purchases, or another `event_type`. Who did nothing gets what is popular."""

    def __init__(self, event_type: str = "buy") -> None:
        self.event_type = event_type

    def _learn(self, shop: Shop) -> None:
        rows = shop.events[shop.events["event_type"] == self.event_type]
        users = pd.Index(rows["user_id"].unique())
        self._users: dict[str, int] = {str(user): row for row, user in enumerate(users)}
        where = (users.get_indexer(pd.Index(rows["user_id"])), self.columns(rows["item_id"].tolist()))
        self.counts_ = sparse.csr_matrix((np.ones(len(rows)), where), shape=(len(users), len(self.items_)))

    def _score(self, contexts: Sequence[Context]) -> Floats:
        scores = np.zeros((len(contexts), len(self.items_)))
        for row, context in enumerate(contexts):
            if context.history is not None:
                mine = [event.item_id for event in context.history if event.event_type == self.event_type]
                columns = self.columns(mine)
                np.add.at(scores[row], columns[columns >= 0], 1.0)
            elif context.shopper_id in self._users:
                scores[row] = self.counts_[[self._users[context.shopper_id]]].toarray()[0]
        return scores
