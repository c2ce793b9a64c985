"""Recommenders on a `SpaceIndex`: what to show somebody of whom a registration choice is known, or nothing."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

from recsys_lab.datasets import Shop
from recsys_lab.recommender import Context, Floats, ScoringRecommender
from recsys_lab.spaces.index import SpaceIndex
from recsys_lab.spaces.space import BEST, CategorySpace, NumberSpace, Space, TextSpace

POPULARITY = "popularity"
APPEAL: Mapping[str, float] = {"price": 0.6, "review_count": 0.2, "review_rating": 0.3, POPULARITY: 1.0}
"""Weights of what appeals to everybody: cheap, much reviewed, well reviewed, much clicked."""
LIKENESS: Mapping[str, float] = {
    "category": 0.35, "department": 0.7, "style": 0.35, "colour": 0.3, "brand": 0.4, "material": 0.1, "description": 1.0
}  # fmt: skip
"""Weights of what makes a product like those that somebody has bought and clicked."""
FIRST: Mapping[str, float] = {
    "department": 1.0, "style": 0.1, "colour": 0.1, "price": 0.2, "review_count": 0.1, "review_rating": 0.3,
    POPULARITY: 1.0,
}  # fmt: skip
"""Weights where a single choice is known: it tells the department, and little else. (All three: tuning week.)"""


def aspects_of(products: pd.DataFrame) -> dict[str, Space]:
    """A space for each column that a shop of ours may have, and this one has with two values or more."""
    told = [name for name in products.columns if len(products[name].dropna().unique()) > 1]
    spaces: dict[str, Space] = {name: TextSpace(name) for name in ("description",) if name in told}
    spaces |= {name: CategorySpace(name) for name in LIKENESS if name in told and name not in spaces}
    for name, mode in {"price": "minimum", "review_count": "maximum", "review_rating": "maximum"}.items():
        if name in told:
            low, high = float(products[name].min()), float(products[name].max())
            scale = "linear" if name == "review_rating" else "log"
            spaces[name] = NumberSpace(name, low, high, mode, scale)  # type: ignore[arg-type]
    if POPULARITY in told:
        spaces[POPULARITY] = NumberSpace(POPULARITY, 0, float(products[POPULARITY].max()), "maximum")
    return spaces


class ColdStart(ScoringRecommender):
    """For shoppers without events: what resembles their registration choice, and what appeals to everybody.

    One question to a `SpaceIndex` of the shop: like the product chosen at registration (where there is one, and it was
    chosen by now), and at the good end of each number. Without a choice the numbers alone speak. `weights` (by space)
    are those of `FIRST`; what a shop lacks is left out.
    """

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self.weights = dict(FIRST if weights is None else weights)

    def _learn(self, shop: Shop) -> None:
        clicks = shop.popularity.reindex(pd.Index(self.items_)).to_numpy(dtype=np.float64)
        products = self._products.reset_index(drop=True).assign(**{POPULARITY: clicks})
        self.index_ = self._index(products)
        self._matrix = self.index_.matrix.astype(np.float64)  # the same answer alone and among others
        self._moving = max((self.index_.columns[name].stop for name in self.index_.moving), default=0)
        self.base_ = self._choices(shop)

    def _index(self, products: pd.DataFrame) -> SpaceIndex:
        return SpaceIndex(aspects_of(products), popularity=POPULARITY).add(products)

    def _choices(self, shop: Shop) -> dict[str, tuple[int, int]]:
        """shopper → (time of registration, column of the product chosen)."""
        people = shop.shoppers
        if "registration_choice" not in people.columns:
            return {}
        people = people[people["registration_choice"].notna()]
        since = people["registered_at"] if "registered_at" in people.columns else pd.Series(0, index=people.index)
        columns = self.columns(people["registration_choice"].tolist())
        rows = zip(people["user_id"], since.tolist(), columns.tolist(), strict=True)
        return {str(user): (int(time), column) for user, time, column in rows if column >= 0}

    def _chosen(self, context: Context) -> int:
        """The column of the product that this shopper had chosen by now; -1 for none."""
        since, column = self.base_.get(context.shopper_id or "", (0, -1))
        return column if since <= context.now_ms else -1

    def _question(self, context: Context) -> Hashable:
        return self._chosen(context)

    def _score(self, contexts: Sequence[Context]) -> Floats:
        return self._scores(self._bases(contexts), self.weights)

    def _bases(self, contexts: Sequence[Context]) -> Floats:
        """The registration choice's parts, zeros without one; [contexts, moving components]."""
        columns = np.array([self._chosen(context) for context in contexts])
        parts = self._matrix[columns, : self._moving]
        parts[columns < 0] = 0.0
        return parts

    def _scores(self, profiles: Floats, weights: Mapping[str, float]) -> Floats:
        """What `SpaceIndex.search` would score, for many shoppers; profiles [n, moving components] in any length."""
        query = np.zeros((len(profiles), self._matrix.shape[1]))
        squares, terms = np.zeros(len(profiles)), np.zeros(len(profiles))
        for name, space in self.index_.spaces.items():
            weight, columns = weights.get(name, 0.0), self.index_.columns[name]
            if weight == 0:
                continue
            if space.moves:
                part = profiles[:, columns]
                length = np.linalg.norm(part, axis=1, keepdims=True)
                part = np.divide(part, length, out=np.zeros_like(part), where=length > 1e-12)
            else:
                part = np.tile(space.question(BEST), (len(profiles), 1))
            query[:, columns] = weight * part
            asked = part.any(axis=1)
            squares += weight**2 * asked
            terms += asked
        scale = np.sqrt(squares * terms)[:, None]
        # Rounded: who asks alone multiplies in another order, and must get the same ties.
        return np.round((query @ self._matrix.T) / np.where(scale > 0, scale, 1.0), 9)
