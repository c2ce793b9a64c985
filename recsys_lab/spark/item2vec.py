"""Word2Vec on Spark: products that share visits lie close together, learned from a log of any size."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recsys_lab.datasets import Shop
from recsys_lab.item2vec import Item2Vec, Vectors
from recsys_lab.spark.log import events_of, visits
from recsys_lab.spark.session import running


class SparkItem2Vec(Item2Vec):
    """Skip-gram on visits, trained by Spark (`pyspark.ml.feature.Word2Vec`); asked by cosine, without Spark.

    What is other than in `Item2Vec`, which gensim trains:

    - **Hierarchical softmax** (Morin & Bengio 2005) in the place of negative sampling: a product is found by the
      turns on the way to it in a Huffman tree of all products. So there is no `negative` and no `ns_exponent`, and
      the output vectors belong to turns, not to products: **no `ask="next"`**. `out_vectors_` are zeros.
    - Windows are always drawn from 1 to `window` (`shrink_windows=True`), frequent products are never left out
      (`sample=0`), and there is no CBOW, no `side` and no `window=None`.
    - With `partitions` above 1 each part of the log moves a copy of its own in a round, and these are put together:
      faster on a cluster, and other vectors. With 1 the same seed gives the same vectors.

    Sessions, pickling and saving as in `SparkFactors`.
    """

    ask: Literal["cosine", "next"] = "cosine"
    negative: int = 1  # this and what follows: what Item2Vec looks at and Spark does not have
    workers: int = 1
    shrink_windows: bool = True
    sample: float = 0.0

    def __init__(
        self,
        dim: int = 64,
        window: int = 5,
        epochs: int = 20,
        learning_rate: float = 0.025,
        min_count: int = 1,
        session: Literal["last", "mean", "decayed"] = "last",
        decay: float = 0.7,
        content: Vectors | None = None,
        neighbours: int = 5,
        event_type: str = "clicked_on",
        random_state: int = 0,
        partitions: int = 1,
        master: str = "local[2]",
    ) -> None:
        self.dim = dim
        self.window = window
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.min_count = min_count
        self.session = session
        self.decay = decay
        self.content = content
        self.neighbours = neighbours
        self.event_type = event_type
        self.random_state = random_state
        self.partitions = partitions
        self.master = master

    def _check(self) -> None:
        super()._check()
        if self.window is None:
            raise ValueError("window: Spark has no window of the whole visit; give a number of steps")
        if self.partitions < 1:
            raise ValueError(f"partitions: {self.partitions} is too small; give at least 1")
        if not 0 < self.learning_rate < np.inf:
            raise ValueError(f"learning_rate: {self.learning_rate} is no step; give more than 0 (0.025 is usual)")

    def _train(self, shop: Shop) -> tuple[Vectors, Vectors]:
        with running(self.master) as session:
            return self._embed(events_of(session, shop))

    def _embed(self, events: Any) -> tuple[Vectors, Vectors]:
        """Vectors of the products of a log (a Spark DataFrame), by id, and zeros where others have output vectors."""
        from pyspark.ml.feature import Word2Vec
        from pyspark.ml.functions import vector_to_array

        table = None
        sentences = visits(events, self.event_type).coalesce(1).cache()  # one order, whatever came in how many parts
        if self._frequent_enough(sentences):
            trained = Word2Vec(
                vectorSize=self.dim,
                windowSize=self.window,
                maxIter=self.epochs,
                stepSize=self.learning_rate,
                minCount=self.min_count,
                numPartitions=self.partitions,
                maxSentenceLength=10_000,
                seed=self.random_state,
                inputCol="visit",
                outputCol="mean",
            ).fit(sentences)
            vectors = trained.getVectors()
            table = vectors.select("word", vector_to_array("vector", "float32").alias("vector")).toArrow()
            table = table.sort_by("word")
        sentences.unpersist()
        ids = () if table is None else tuple(table["word"].to_pylist())
        flat = [] if table is None else table["vector"].combine_chunks().flatten()
        matrix = np.array(flat, dtype=np.float32).reshape(len(ids), self.dim)
        return Vectors(ids, matrix), Vectors(ids, np.zeros_like(matrix))

    def _frequent_enough(self, sentences: Any) -> bool:
        """Whether any product stands in the visits often enough: Spark fails where none does."""
        from pyspark.sql import functions as F

        counts = sentences.select(F.explode("visit").alias("item")).groupBy("item").count()
        return not counts.where(F.col("count") >= self.min_count).isEmpty()

    def save(self, folder: Path, facts: Mapping[str, Any] | None = None) -> list[Path]:
        """As in `Item2Vec`; the versions are those that these vectors depend on."""
        try:
            spark = metadata.version("pyspark")
        except metadata.PackageNotFoundError:  # saved where they were not trained
            spark = "not installed"
        own = {"method": "SparkItem2Vec", "versions": {"numpy": np.__version__, "pyspark": spark}}
        return super().save(folder, {**own, **(facts or {})})


def train_item2vec(events: Any, model: SparkItem2Vec) -> SparkItem2Vec:
    """A copy of `model` that has learned from events in Spark: to be saved, and loaded with a shop to be asked."""
    from pyspark.sql import functions as F

    model._check()
    made = copy.copy(model)
    made.vectors_, made.out_vectors_ = made._embed(events)
    made.fitted_until_ = int(events.agg(F.max("timestamp")).first()[0])
    return made
