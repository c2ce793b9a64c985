"""Which public models stand beside which of ours, and the settings that are tried for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

Setting = dict[str, Any]


def grid(**values: Sequence[Any]) -> tuple[Setting, ...]:
    """All combinations.

    >>> grid(a=[1, 2], b=["x"])
    ({'a': 1, 'b': 'x'}, {'a': 2, 'b': 'x'})
    """
    return tuple(dict(zip(values, combination, strict=True)) for combination in product(*values.values()))


@dataclass(frozen=True)
class Rival:
    """A model of a framework, what is tried on the tuning days, and which of ours does the same kind of work."""

    framework: str
    model: str
    like: str
    settings: tuple[Setting, ...]

    @property
    def name(self) -> str:
        """As it stands in the results: implicit ALS."""
        return f"{self.framework} {self.model}"


_OF_THE_SHOP = ["course", "sales"]
_NEAR = tuple({"max_nbrs": nearest, "feedback": "implicit", "weights": "one"} for nearest in (20, 100))
_LENSKIT_ALS = grid(embedding_size=[64, 256], weight=[1.0, 10.0], regularization=[0.1, 10.0], use_ratings=[True])
_SASREC = grid(n_factors=[64], n_heads=[2], session_max_len=[20], lr=[0.001], epochs=[4, 12])

_NEAR_IN_VISITS = Rival("implicit", "kNN", "item-knn", grid(kind=["BM25", "cosine"], K=[200], last=[1, 3, 0]))
_EASE_OF_VISITS = Rival("rectools", "EASE", "item-knn", grid(regularization=[50.0, 500.0], last=[1, 3, 0]))


def _weighed(settings: Sequence[Setting], weights: str) -> tuple[Setting, ...]:
    return tuple({**setting, "weights": weights} for setting in settings)


_BY_CUSTOMER = (
    Rival("implicit", "kNN", "item-knn bm25", grid(kind=["BM25", "cosine"], K=[100, 1000], weights=["count"])),
    Rival(
        "implicit",
        "ALS",
        "als tuned",
        grid(factors=[100, 256], regularization=[10.0], alpha=[1.0, 10.0], weights=["count", "log"]),
    ),
    Rival("rectools", "EASE", "ease", grid(regularization=[50.0, 200.0, 1000.0], weights=["one", "log"])),
    Rival("lenskit", "ALS", "als tuned", _weighed(_LENSKIT_ALS, "count")),
    Rival("lenskit", "ItemKNN", "item-knn bm25", _NEAR),
)

RIVALS: Mapping[str, tuple[Rival, ...]] = {
    "home": (
        Rival("rectools", "Popular", "popular", ({"popularity": "n_interactions"},)),
        Rival("implicit", "kNN", "item-knn", grid(kind=["BM25", "cosine"], K=[200], weights=["sales", "count"])),
        Rival(
            "implicit",
            "ALS",
            "als tuned",
            grid(factors=[64, 256], regularization=[10.0], alpha=[1.0, 10.0], weights=_OF_THE_SHOP),
        ),
        Rival("implicit", "BPR", "bpr", grid(factors=[64], learning_rate=[0.01, 0.05], weights=["one"])),
        Rival("rectools", "EASE", "als tuned", grid(regularization=[50.0, 500.0, 5000.0], weights=["sales", "one"])),
        Rival("lenskit", "ALS", "als tuned", _weighed(_LENSKIT_ALS, "sales")),
        Rival("lenskit", "ItemKNN", "item-knn", _NEAR),
    ),
    "next": (
        _NEAR_IN_VISITS,
        _EASE_OF_VISITS,
        Rival("rectools", "SASRec", "stan", _SASREC),
    ),
    "clickstream": (
        _NEAR_IN_VISITS,
        _EASE_OF_VISITS,
        Rival("rectools", "SASRec", "markov", _SASREC),
    ),
    "retail any": _BY_CUSTOMER,
    "retail novel": _BY_CUSTOMER,
}
"""board → the models that are measured there."""

OURS: Mapping[str, tuple[str, ...]] = {
    "home": ("popular", "repeat", "item-knn", "event-weighted", "als tuned", "bpr"),
    "next": ("item-knn", "markov", "stan", "item2vec"),
    "clickstream": ("item-knn", "markov", "stan", "item2vec"),
    "retail any": ("repeat", "item-knn bm25", "als tuned", "ease", "ease of counts", "blend"),
    "retail novel": ("recent", "item-knn bm25", "als tuned", "ease", "ease of counts", "blend"),
}
"""board → which of our rows stand beside them; their settings are those of the stored boards."""

OWN_CODE = {
    "als, als tuned, bpr": "implicit",
    "item2vec": "gensim",
    "cluster": "scikit-learn (KMeans)",
    "ranker": "lightgbm (LambdaMART)",
}
"""Ours that call a library for the training: there the library is not a rival but part of the method."""

LEFT_OUT = {
    "cornac 3.0.1": "wants numpy 2, which RecTools on Python 3.11 does not take: one environment more",
    "RecBole 1.2.1": "installs and does not import: it needs pkg_resources, which setuptools dropped",
    "session-rec": "is not on PyPI",
    "recommenders": "not tried",
}
"""Frameworks that are not measured, and why."""
