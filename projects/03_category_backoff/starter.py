"""A session-based neighbour method that falls back on categories. Your half: README.md says what each part owes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from recsys_lab.baselines import SessionKNN
from recsys_lab.datasets import Shop
from recsys_lab.recommender import Context, Floats


def category_steps(visits: Sequence[Sequence[str]], categories: Sequence[str]) -> Floats:
    """P(next category | this category) from lists of categories in the order of clicks, [categories, categories].

    One is added to each count, so that no step is impossible. Rows sum to 1.
    """
    raise NotImplementedError("category_steps: count each pair of neighbours in a visit; add one; divide by the row")


def shares(clicks: pd.Series[int], category: pd.Series[str], categories: Sequence[str]) -> Floats:
    """P(product | category), [categories, products]: its share of the category's clicks, one added to each product.

    `clicks` and `category` are indexed by product and in the same order. A product without a category is 0 everywhere.
    """
    raise NotImplementedError("shares: a row a category; products of other categories are 0; rows sum to 1")


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
        raise NotImplementedError("CategoryBackOff._learn: keep the product of category_steps and shares")

    def _score(self, contexts: Sequence[Context]) -> Floats:
        raise NotImplementedError("CategoryBackOff._score: super()._score(contexts), scaled, plus the categories' part")
