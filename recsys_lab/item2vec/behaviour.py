"""Behaviour as one more aspect: item2vec's vectors beside text and categories, in the index that events move."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from recsys_lab.datasets import Shop
from recsys_lab.item2vec.model import Item2Vec
from recsys_lab.item2vec.vectors import Vectors, fill_cold
from recsys_lab.preferences import EventRules, EventWeighted
from recsys_lab.recommender import Floats
from recsys_lab.spaces import CustomSpace, SpaceIndex
from recsys_lab.spaces.aspects import APPEAL, LIKENESS, POPULARITY, aspects_of

BEHAVIOUR = "behaviour"
"""The name of the space."""


class WithBehaviour(EventWeighted):
    """`EventWeighted` with a space of item2vec's vectors, so that events move a shopper in behaviour too.

    `weights` are those of all spaces, with one for "behaviour"; without any, those of `EventWeighted` and 1. The
    vectors are trained by `Item2Vec`, with the parameters of the same names (`window=None`: all pairs of a visit). A
    product without behaviour gets the mean vector of the `neighbours` that are most like it (by the other spaces that
    events move, each counting by its weight); with `neighbours=0` it gets none, and scores 0 in this space.

    Raises `ValueError` for a weight of a space that there is not. Learned: `vectors_` (products with events alone) and
    what `EventWeighted` learns.

    >>> shop = Shop.from_sessions([["a", "b", "c"], ["d", "e", "f"]] * 50)
    >>> model = WithBehaviour(weights={"behaviour": 1.0}, dim=8, negative=2, sample=0).fit(shop)
    >>> sorted(model.index_.search(like="a", k=3).item_ids), model.index_.spaces["behaviour"].dim
    (['a', 'b', 'c'], 8)
    """

    def __init__(
        self,
        rules: EventRules | None = None,
        weights: Mapping[str, float] | None = None,
        topics: str | None = None,
        tastes: int = 3,
        dim: int = 64,
        window: int | None = 3,
        epochs: int = 20,
        negative: int = 15,
        ns_exponent: float = 0.75,
        sample: float = 1e-3,
        shrink_windows: bool = True,
        skip_gram: bool = True,
        neighbours: int = 5,
        random_state: int = 0,
    ) -> None:
        super().__init__(rules, {**LIKENESS, **APPEAL, BEHAVIOUR: 1.0} if weights is None else weights, topics, tastes)
        self.dim = dim
        self.window = window
        self.epochs = epochs
        self.negative = negative
        self.ns_exponent = ns_exponent
        self.sample = sample
        self.shrink_windows = shrink_windows
        self.skip_gram = skip_gram
        self.neighbours = neighbours
        self.random_state = random_state

    def _learn(self, shop: Shop) -> None:
        self._check()
        self.vectors_ = self._train(shop)
        super()._learn(shop)

    def _check(self) -> None:
        known = [*LIKENESS, *APPEAL, BEHAVIOUR]
        wrong = [name for name in self.weights if name not in known]
        if wrong:
            raise ValueError(f"weights: there is no space {wrong[0]!r}; there are {', '.join(known)}")
        if self.neighbours < 0:
            raise ValueError(
                f"neighbours: {self.neighbours} is below 0; give 0 to leave products without behaviour out"
            )

    def _train(self, shop: Shop) -> Vectors:
        """Vectors by what shoppers did; [products with events, dim]."""
        names = ("dim", "window", "epochs", "negative", "ns_exponent", "sample", "shrink_windows", "skip_gram")
        settings = {name: getattr(self, name) for name in names}
        return Item2Vec(**settings, random_state=self.random_state).fit(shop).vectors_

    def _index(self, products: pd.DataFrame) -> SpaceIndex:
        vectors = self.vectors_
        spaces = aspects_of(products)
        content = self._content(products)
        if self.neighbours and content is not None:
            vectors = fill_cold(vectors, content, self.neighbours)
        # An object array: pandas would take a list of arrays of one length for a table.
        column = np.empty(len(products), dtype=object)
        column[:] = vectors.column(products["item_id"].tolist())
        spaces[BEHAVIOUR] = CustomSpace(BEHAVIOUR, dim=self.dim)
        return SpaceIndex(spaces, popularity=POPULARITY).add(products.assign(**{BEHAVIOUR: column}))

    def _content(self, products: pd.DataFrame) -> Vectors | None:
        """What products are: the other moving spaces side by side, by weight; None where there is none."""
        asked = {name: space for name, space in aspects_of(products).items() if self.weights.get(name, 0.0) > 0}
        moving = {name: space for name, space in asked.items() if space.moves}
        if not moving:
            return None
        index = SpaceIndex(moving).add(products)
        weight: Floats = np.zeros(index.matrix.shape[1])
        for name, columns in index.columns.items():
            weight[columns] = np.sqrt(self.weights[name])  # both sides of a cosine are multiplied: w·s in the end
        return Vectors(index.ids, index.matrix * weight)
