"""The list as a whole: what is out of stock, what was bought already, and how much alike its products are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np

from recsys_lab.datasets import Shop
from recsys_lab.recommender import NOTHING, Context, Floats, Labels, Recommendations, Recommender


class Calibrated:
    """The lists of another recommender, rearranged. Takes its first `deep` products for each context, then:

    - `out_of_stock`: "keep", "last" (behind all others) or "drop";
    - `bought` before by this shopper: the same three;
    - `diversity` from 0 (none) to 1: maximal marginal relevance (Carbonell and Goldstein 1998). Each place goes to the
      product with the highest (1 − d)·relevance − d·likeness to the most alike of those listed above it. Relevance is
      1 for the first and 0 for the last of the `deep`, evenly between; likeness is the share of `columns` in which two
      products agree.

    Dropping comes before, "last" after diversity counts, so no place is given for variety to what cannot be bought.
    Scores are the places' own, so they fall from place to place: what orders a list as a whole has no score of one
    product to show. Raises `ValueError` for other settings, and for a shop without the columns that are asked for.
    """

    def __init__(
        self,
        base: Recommender,
        diversity: float = 0.0,
        out_of_stock: Literal["keep", "last", "drop"] = "last",
        bought: Literal["keep", "last", "drop"] = "keep",
        columns: tuple[str, ...] = ("category", "brand", "style", "colour"),
        deep: int = 50,
    ) -> None:
        self.base = base
        self.diversity = diversity
        self.out_of_stock = out_of_stock
        self.bought = bought
        self.columns = columns
        self.deep = deep

    def fit(self, shop: Shop) -> Calibrated:
        """Fit the other recommender, and learn what is in stock, who bought what, and what products are."""
        self._check(shop)
        self.base.fit(shop)
        products = shop.products.set_index("item_id")
        have = [name for name in self.columns if name in products.columns]
        self.kinds_ = {
            str(item): tuple(row) for item, row in zip(products.index, products[have].to_numpy(), strict=True)
        }
        self.missing_ = set()
        if "in_stock" in products.columns:
            self.missing_ = {str(item) for item in products.index[~products["in_stock"].astype(bool)]}
        buys = shop.events[shop.events["event_type"] == "buy"]
        self.owned_ = {str(user): frozenset(items) for user, items in buys.groupby("user_id")["item_id"]}
        self.fitted_until_ = int(shop.events["timestamp"].max()) if len(shop.events) else -1
        return self

    def _check(self, shop: Shop) -> None:
        if not 0 <= self.diversity <= 1:
            raise ValueError(f"diversity: {self.diversity} is not from 0 (none) to 1 (nothing else)")
        if self.deep < 1:
            raise ValueError(f"deep: {self.deep} products leave nothing to rearrange; give at least 1")
        for name in ("out_of_stock", "bought"):
            if getattr(self, name) not in ("keep", "last", "drop"):
                raise ValueError(f"{name}: {getattr(self, name)!r} is none of keep, last, drop; use one of these")
        if self.diversity and not set(self.columns) & set(shop.products.columns):
            have = ", ".join(map(str, shop.products.columns))
            raise ValueError(f"columns: products have none of {', '.join(self.columns)}; they have {have}")

    def recommend(self, context: Context, k: int = 10, exclude: Collection[str] = ()) -> Recommendations:
        """At most `k` products for one context."""
        ids, scores = self.recommend_many([context], k, [exclude])
        kept = ids[0] != NOTHING
        return Recommendations(tuple(ids[0][kept].tolist()), tuple(scores[0][kept].tolist()))

    def recommend_many(
        self, contexts: Sequence[Context], k: int = 10, exclude: Sequence[Collection[str]] | None = None
    ) -> tuple[Labels, Floats]:
        """Ids [n, k] and scores [n, k], best first."""
        listed, _ = self.base.recommend_many(contexts, max(k, self.deep), exclude)
        ids = np.full((len(contexts), k), NOTHING, dtype=object)
        scores = np.full((len(contexts), k), -np.inf)
        for row, context in enumerate(contexts):
            chosen = self.arrange([item for item in listed[row] if item != NOTHING], self._owned(context), k)
            ids[row, : len(chosen)] = chosen
            scores[row, : len(chosen)] = np.arange(len(chosen), 0, -1) / k
        return ids, scores

    def arrange(self, items: Sequence[str], owned: Collection[str] = (), k: int = 10) -> list[str]:
        """The first `k` of a list, best first, after all rules; `owned` are products bought before."""
        rules = ((self.out_of_stock, self.missing_), (self.bought, owned))
        dropped = {item for rule, those in rules if rule == "drop" for item in those}
        behind = {item for rule, those in rules if rule == "last" for item in those}
        items = [item for item in items if item not in dropped]
        front = self._varied([item for item in items if item not in behind], k)
        return (front + [item for item in items if item in behind])[:k]

    def _varied(self, items: list[str], k: int) -> list[str]:
        if not self.diversity or len(items) < 2:
            return items
        kinds = np.array([self.kinds_[item] for item in items], dtype=object)
        relevance = 1.0 - np.arange(len(items)) / (len(items) - 1)
        nearest = np.zeros(len(items))
        left = np.ones(len(items), dtype=bool)
        chosen: list[int] = []
        while len(chosen) < min(k, len(items)):
            worth = np.round((1 - self.diversity) * relevance - self.diversity * nearest, 9)
            best = int(np.argmax(np.where(left, worth, -np.inf)))  # of equals, the one the other put first
            chosen.append(best)
            left[best] = False
            nearest = np.maximum(nearest, (kinds == kinds[best]).mean(axis=1))
        return [items[at] for at in chosen]

    def _owned(self, context: Context) -> Collection[str]:
        told = [event for event in (*(context.history or ()), *context.session) if event.event_type == "buy"]
        now = frozenset(event.item_id for event in told)
        return now if context.history is not None else now | self.owned_.get(context.shopper_id or "", frozenset())
