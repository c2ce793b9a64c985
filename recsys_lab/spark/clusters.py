"""K-Means on Spark: groups of products from their vectors, asked like those of `recsys_lab.clusters`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd

from recsys_lab.clusters import ClusterRecommender, Clusters
from recsys_lab.datasets import Shop
from recsys_lab.item2vec import Vectors
from recsys_lab.recommender import Rows
from recsys_lab.spark.item2vec import SparkItem2Vec
from recsys_lab.spark.session import running


class SparkKMeans(Clusters):
    """K-Means on vectors at length 1, by Spark (`pyspark.ml.clustering.KMeans`); learned state as in `Clusters`.

    First centres are drawn by k-means|| (Bahmani et al. 2012), which draws many at once, not one after the other as
    k-means++ does. Spark tries one set of them; this tries `starts`, with `random_state` and the seeds after it, and
    keeps the result of the least squared distance. What is fitted holds nothing of Spark.
    """

    def __init__(self, k: int = 12, random_state: int = 0, starts: int = 3, master: str = "local[2]") -> None:
        super().__init__(k, random_state, starts)
        self.master = master

    def fit(self, vectors: Vectors) -> Self:
        """Cluster `vectors`. Raises `ValueError` for a `k` that they cannot fill, and for a vector of zeros."""
        for name, least in {"k": 2, "starts": 1}.items():  # Spark knows no K-Means of one cluster
            if getattr(self, name) < least:
                raise ValueError(f"{name}: {getattr(self, name)} is too small; give at least {least}")
        none = np.flatnonzero(~vectors.matrix.any(axis=1))
        if len(none):
            raise ValueError(f"vectors: that of {vectors.ids[none[0]]!r} is all zeros; leave such products out")
        different = len(np.unique(np.round(vectors.unit, 9), axis=0))
        if self.k > different:
            raise ValueError(f"k: {self.k} clusters of {different} different vectors; ask for {different} or fewer")
        with running(self.master) as session:
            label = self._parted(session, vectors)
        return self._numbered(vectors, label)

    def _parted(self, session: Any, vectors: Vectors) -> Rows:
        """The number that Spark gave the cluster of each vector; shape [n]."""
        import pyarrow as pa
        from pyspark.ml.clustering import KMeans
        from pyspark.ml.functions import array_to_vector

        table = pa.table({"row": np.arange(len(vectors)), "numbers": list(vectors.unit)})
        points = session.createDataFrame(table).coalesce(2)
        points = points.select("row", array_to_vector("numbers").alias("features")).cache()
        best: Any = None
        for seed in range(self.random_state, self.random_state + self.starts):
            fitted = KMeans(k=self.k, seed=seed, maxIter=100).fit(points)
            if best is None or fitted.summary.trainingCost < best.summary.trainingCost:
                best = fitted
        found = best.transform(points).select("row", "prediction").toArrow().sort_by("row")
        points.unpersist()
        label = np.asarray(found["prediction"].to_numpy(), dtype=np.int64)
        if len(np.unique(label)) < self.k:
            raise ValueError(
                f"k: Spark filled {len(np.unique(label))} of {self.k} clusters; ask for fewer, or more starts"
            )
        return label

    def _numbered(self, vectors: Vectors, label: Rows) -> Self:
        """Clusters by size, then id; members nearest to the centre first."""
        rows, listed, centres = vectors.unit, [], []
        for cluster in range(self.k):
            own = np.flatnonzero(label == cluster)
            centres.append(rows[own].mean(axis=0))
            far = np.round(np.linalg.norm(rows[own] - centres[-1], axis=1), 6).tolist()
            listed.append(tuple(item for _, item in sorted(zip(far, (vectors.ids[row] for row in own), strict=True))))
        order = sorted(range(self.k), key=lambda cluster: (-len(listed[cluster]), min(listed[cluster])))
        return self._keep(tuple(listed[cluster] for cluster in order), np.array(centres)[order])


class SparkClusters(ClusterRecommender):
    """`ClusterRecommender` with its clusters by `SparkKMeans`, and, where no `vectors` are given, by `SparkItem2Vec`.

    `item2vec` holds settings of `SparkItem2Vec` then. Sessions and pickling as in `SparkFactors`.
    """

    def __init__(
        self,
        k: int = 12,
        variety: float = 0.0,
        vectors: Vectors | None = None,
        item2vec: Mapping[str, Any] | None = None,
        random_state: int = 0,
        starts: int = 3,
        master: str = "local[2]",
    ) -> None:
        super().__init__(k, variety, vectors, item2vec, random_state)
        self.starts = starts
        self.master = master

    def _learn(self, shop: Shop) -> None:
        if not self.variety >= 0:
            raise ValueError(f"variety: {self.variety} is no spread; give 0 for none, or more")
        if self.vectors is not None and self.item2vec is not None:
            raise ValueError("item2vec: with vectors there is nothing to train; give one of the two")
        with running(self.master):  # one session for both
            trained = self.vectors or SparkItem2Vec(**(self.item2vec or {})).fit(shop).vectors_
            self.vectors_ = trained
            self.clusters_ = SparkKMeans(self.k, self.random_state, self.starts).fit(trained)
        self.last_ = dict(zip(shop.events["user_id"], shop.events["item_id"], strict=True))  # the last one stays
        places = pd.Series(np.arange(len(self.vectors_)), index=pd.Index(self.vectors_.ids, dtype=object))
        row = places.reindex(pd.Index(self.items_, dtype=object), fill_value=-1).to_numpy()
        self._known = row >= 0
        self._unit = self.vectors_.unit[row]  # in the order of the columns of scores
        self._cluster = self.clusters_.labels_.reindex(pd.Index(self.items_), fill_value=-1).to_numpy()
