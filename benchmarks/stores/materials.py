"""What the store benchmark searches: vectors with payloads, filters, questions, and the exact answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.datasets import Shop
from recsys_lab.factors import Factors
from recsys_lab.filters import Filter
from recsys_lab.filters import field as column

DIM, K = 64, 10
SAME = 1e-6  # a store's scores have six decimals: what ties with the tenth is as good as the tenth


@dataclass
class Material:
    """Unit vectors [n, DIM] with labels and payloads; questions [q, DIM]; filters by name, None = no filter."""

    name: str
    told: str
    ids: list[str]
    vectors: NDArray[np.float32]
    payloads: list[dict[str, Any]]
    filters: dict[str, Filter | None]
    questions: NDArray[np.float32]
    masks: dict[str, NDArray[np.bool_]] = field(init=False)
    """Which rows pass each filter."""

    def __post_init__(self) -> None:
        table = pd.DataFrame(self.payloads)
        every = np.ones(len(table), dtype=bool)
        self.masks = {name: every if where is None else where.mask(table) for name, where in self.filters.items()}
        self._row = {label: row for row, label in enumerate(self.ids)}

    def bare(self, name: str, at: int) -> NDArray[np.intp]:
        """What plain numpy does for a question, the mask being there: the rows of the ten best that pass."""
        scores = self.vectors @ self.questions[at]
        scores[~self.masks[name]] = -np.inf
        best = np.argpartition(-scores, K)[:K]
        return best[np.argsort(-scores[best])]

    def recall(self, name: str, at: int, found: list[str]) -> float:
        """The share of the ten best among `found`; raises where something was found that does not pass."""
        rows = [self._row[label] for label in found]
        mask = self.masks[name]
        if len(set(rows)) < len(rows) or not mask[rows].all():
            raise AssertionError(f"{self.name}, {name}: a store found something twice, or what the filter leaves out")
        scores = self.vectors.astype(np.float64) @ self.questions[at].astype(np.float64)
        best = np.sort(scores[mask])[::-1][:K]
        return float((scores[rows] >= best[-1] - SAME).sum() / len(best))


def shoppers(shop: Shop, questions: int, seed: int = 0) -> Material:
    """Real factors: the shop's shoppers by ALS, asked for the lookalikes of some of them."""
    model = Factors(DIM, random_state=0).fit(shop).user_vectors_
    known: pd.DataFrame = shop.shoppers.set_index("user_id").loc[list(model.ids), ["age_band", "region", "device"]]
    asked = np.random.default_rng(seed).choice(len(model.ids), min(questions, len(model.ids)), replace=False)
    vectors = unit(model.matrix)
    return Material(
        "shoppers",
        "ALS factors of the simulated shop's shoppers who did something, by cosine; questions: the vectors of some of"
        " them; filters: who they are",
        list(model.ids),
        vectors,
        [{str(name): value for name, value in one.items()} for one in known.to_dict("records")],
        {
            "none": None,
            "half": column("age_band").isin(["25-34", "35-49"]),
            "few": (column("age_band") == "65+") & (column("device") == "phone"),
        },
        vectors[asked],
    )


def made_up(n: int, questions: int, seed: int = 0) -> Material:
    """Products around centres, some kinds large and most small; filters that know nothing of the vectors."""
    rng = np.random.default_rng(seed)
    kinds = max(5, n // 40)
    share = 1 / np.arange(1, kinds + 1) ** 0.7
    kind = rng.choice(kinds, n, p=share / share.sum())
    centres = unit(rng.standard_normal((kinds, DIM)))
    vectors = unit(centres[kind] + rng.standard_normal((n, DIM)) * 0.8 / DIM**0.5)
    near = vectors[rng.integers(n, size=questions)]
    prices = np.round(np.exp(rng.normal(3.5, 0.6, n)), 2)
    branch = rng.integers(20, size=n)
    payloads = [{"branch": f"b{b:02d}", "price": p} for b, p in zip(branch.tolist(), prices.tolist(), strict=True)]
    return Material(
        f"made up, {n:,}",
        f"{n:,} unit vectors around {kinds} centres, sizes of the kinds as rank to the power -0.7, spread .8;"
        f" questions: vectors near some of them; filters: one of 20 branches, and a price at most the median,"
        f" both independent of the vectors",
        [f"p{at:06d}" for at in range(n)],
        vectors,
        payloads,
        {"none": None, "half": column("price") <= float(np.median(prices)), "few": column("branch") == "b07"},
        unit(near + rng.standard_normal(near.shape) * 0.3 / DIM**0.5),
    )


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of length 1."""
    made: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return made
