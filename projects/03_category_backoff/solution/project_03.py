"""A session-based neighbour method that falls back on categories. One way to write it.

Neighbours know nothing of a product that nobody has clicked, and little where clicks are thin. Its category is known
from the first day: P(product | this category) = Σ over the next category c of P(c | this one)·P(product | c).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from recsys_lab.baselines import SessionKNN
from recsys_lab.datasets import Shop
from recsys_lab.recommender import Context, Floats


def category_steps(visits: Sequence[Sequence[str]], categories: Sequence[str]) -> Floats:
    """P(next category | this category), [categories, categories], one added to each count. Rows sum to 1."""
    row = {name: at for at, name in enumerate(categories)}
    counts = np.ones((len(categories), len(categories)))
    for visit in visits:
        known = [row[name] for name in visit]
        np.add.at(counts, (known[:-1], known[1:]), 1)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def shares(clicks: pd.Series[int], category: pd.Series[str], categories: Sequence[str]) -> Floats:
    """P(product | category), [categories, products]: its share of the category's clicks, one added to each product."""
    inside = np.array([(category == name).to_numpy() for name in categories])
    counts = inside * (clicks.to_numpy(dtype=np.float64) + 1)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


class CategoryBackOff(SessionKNN):
    """`SessionKNN`, its best vote scaled to 1, plus `side` times what the category of the open product leads to.

    score(i) = votes(i) / max votes + side · Σ_c P(c | category of the last click) · P(i | c)
    """

    def __init__(self, side: float = 1.0, column: str = "category", k: int = 500, sample_size: int = 1000) -> None:
        super().__init__(k, sample_size)
        self.side = side
        self.column = column

    def _learn(self, shop: Shop) -> None:
        super()._learn(shop)
        if self.column not in shop.products:
            raise ValueError(f"column: the products have no {self.column!r}; name a column of texts that they have")
        category = self._products[self.column]
        names = sorted(category.dropna().unique())
        clicks = shop.sequences()
        told = category.reindex(clicks["item_id"]).to_numpy(dtype=object)
        known = pd.Series(told, index=clicks["session_id"]).dropna()
        visits = [visit.tolist() for _, visit in known.groupby(level=0, sort=False)]
        popular = shop.popularity.reindex(self.items_)
        leads = category_steps(visits, names) @ shares(popular, category, names)
        self.leads_ = np.vstack([leads, np.zeros(len(self.items_))])  # the last row: nothing is known
        self._category_of = dict(zip(category.index, pd.Index(names).get_indexer(category).tolist(), strict=True))

    def _question(self, context: Context) -> Hashable:
        return self.visit(context)

    def _score(self, contexts: Sequence[Context]) -> Floats:
        votes = super()._score(contexts)
        best = votes.max(axis=1, keepdims=True)
        visits = [self.visit(context) for context in contexts]
        rows = [self._category_of.get(visit[-1], -1) if visit else -1 for visit in visits]
        return np.asarray(votes / np.where(best > 0, best, 1) + self.side * self.leads_[rows])
