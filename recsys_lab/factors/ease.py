"""A linear model in closed form, and a strong one: no vectors, no rounds, one inverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys_lab.datasets import Shop
from recsys_lab.factors.blend import Purchases
from recsys_lab.recommender import Context, Floats


class Ease(Purchases):
    """EASE (Steck 2019): the linear item-to-item model with a zero diagonal, in closed form.

    P = (XᵀX + λI)⁻¹, B = −P / diag(P) column by column with diag(B) = 0; scores are X·B. X holds what each shopper
    bought: 1, or with `log_counts` log(1 + times).
    """

    def __init__(self, regularization: float = 200.0, log_counts: bool = False) -> None:
        self.regularization = regularization
        self.log_counts = log_counts

    def _learn(self, shop: Shop) -> None:
        if self.regularization <= 0:
            raise ValueError(f"regularization: {self.regularization} is not above 0; without it there is no inverse")
        super()._learn(shop)
        held = self._held([Context(user, 0) for user in self.known])
        shared = np.asarray((held.T @ held).toarray())
        shared[np.diag_indices_from(shared)] += self.regularization
        inverse = np.linalg.inv(shared)
        self.weights_: Floats = -inverse / np.diag(inverse)
        np.fill_diagonal(self.weights_, 0.0)

    def _held(self, contexts: Sequence[Context]) -> Any:
        held = self.counts(contexts)
        held.sum_duplicates()
        held.data = np.log1p(held.data) if self.log_counts else np.ones(len(held.data))
        return held

    def _score(self, contexts: Sequence[Context]) -> Floats:
        return np.asarray(np.round(self._held(contexts) @ self.weights_, 9))
