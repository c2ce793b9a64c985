"""ALS on Spark: the same vectors from a log of any size, asked on one machine like those of `Factors`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np

from recsys_lab.datasets import Shop
from recsys_lab.factors import Factors
from recsys_lab.item2vec import Vectors
from recsys_lab.preferences import WEIGHTS
from recsys_lab.recommender import Floats
from recsys_lab.spark.log import events_of, strengths
from recsys_lab.spark.session import running

_DEEP = 20  # rounds that Spark can do in one go


class SparkFactors(Factors):
    """Implicit ALS, trained by Spark (`pyspark.ml.recommendation.ALS`); all else as in `Factors`, without Spark.

    It makes small:  Σ c·(p − x·y)² + λ·(Σ n(u)·‖x_u‖² + Σ n(i)·‖y_i‖²)  with c = 1 + α·|r|, p = 1 where r > 0, else 0;
    n(u) and n(i) count the products of a shopper and the shoppers of a product with r > 0 (ALS-WR: Zhou et al. 2008).
    What is other than in `Factors`, whose ALS is that of the library `implicit`:

    - **λ counts n times**: `regularization` is per rating here and per row there. Who did much is held back more, so
      the same number means something else: see `like` for the number that comes nearest.
    - **`base` is 1**: Spark has no confidence below that of a product never seen, and so none of base=0.
    - r < 0 is treated alike by both: p = 0 with c = 1 + α·|r|.

    Folding in solves this equation, with n·λ, for one row. A product whose r are all ≤ 0 has no vector.

    A running Spark session is used; without one, a session at `master` is started and stopped (see `start`). What is
    fitted holds nothing of Spark: it can be pickled, saved, exported, and asked where there is no Java. The same seed
    gives the same vectors for the same `blocks` (parts of the matrix, each begins with its own random numbers) and the
    same parts of the log up to rounding: Spark adds up in the order in which parts arrive.
    """

    model: Literal["als", "bpr"] = "als"
    base: float = 1.0
    learning_rate: float = 0.0  # this and threads: what Factors looks at for BPR and implicit
    threads: int = 0

    def __init__(
        self,
        factors: int = 64,
        regularization: float = 0.1,
        alpha: float = 1.0,
        iterations: int | None = None,
        weights: Mapping[str, float] | None = None,
        log_counts: bool = False,
        similarity: Literal["dot", "cosine"] = "dot",
        content: Vectors | None = None,
        neighbours: int = 5,
        random_state: int = 0,
        blocks: int = 4,
        master: str = "local[2]",
    ) -> None:
        self.factors = factors
        self.regularization = regularization
        self.alpha = alpha
        self.iterations = iterations  # None: 15, as in Factors (Spark's own default is 10)
        self.weights = weights
        self.log_counts = log_counts
        self.similarity = similarity
        self.content = content
        self.neighbours = neighbours
        self.random_state = random_state
        self.blocks = blocks
        self.master = master

    @classmethod
    def like(cls, model: Factors, shop: Shop, **others: Any) -> Self:
        """The settings that come nearest to those of `model` on `shop`; `others` are parameters of this class.

        λ here = λ there / √(mean n(u) · mean n(i)). Then rows of mean n are held back as there, in the product: x twice
        as long with y half as long is the same model, so only the product of the two penalties counts. Rows with more
        are held back more, with fewer less. Raises `ValueError` for BPR, and for another base than 1.
        """
        if model.model != "als" or model.base != 1:
            told = f"model={model.model!r}, base={model.base}"
            raise ValueError(f"model: Spark has no {told}; choose settings with model='als' and base=1")
        shared = ("factors", "alpha", "iterations", "weights", "log_counts", "similarity", "content", "neighbours")
        settings = {name: getattr(model, name) for name in (*shared, "random_state")}
        made = cls(**{**settings, **others})
        worth = shop.events["event_type"].map(made._worth).fillna(0.0).astype("float64")
        sums = worth.groupby([shop.events["user_id"], shop.events["item_id"]]).sum().round(9)
        wanted = sums[sums > 0]
        n = [len(wanted) / max(1, wanted.index.get_level_values(level).nunique()) for level in (0, 1)]
        if "regularization" not in others:
            made.regularization = model.regularization / max(1.0, float(np.sqrt(n[0] * n[1])))
        return made

    @property
    def _worth(self) -> dict[str, float]:
        return dict(WEIGHTS if self.weights is None else self.weights)

    def _check(self) -> None:
        super()._check()
        if self.blocks < 1:
            raise ValueError(f"blocks: {self.blocks} is too small; give at least 1")
        if self.alpha == 0:
            raise ValueError("alpha: with 0 Spark takes what a shopper did for never seen; give more than 0")

    def _check_depth(self, session: Any) -> None:
        """Each round hangs on the one before it, until the stack is full: now and then one has to be written down."""
        rounds = self.iterations or 15
        if rounds > _DEEP and session.sparkContext.getCheckpointDir() is None:
            raise ValueError(
                f"iterations: {rounds} rounds want a place for what comes between: call"
                f" session.sparkContext.setCheckpointDir(a folder that all machines see), or ask for {_DEEP} at most"
            )

    def _learn(self, shop: Shop) -> None:
        if "_loaded" not in vars(self):
            self._check()
            with running(self.master) as session:
                self._check_depth(session)
                users, items = self._factorise(events_of(session, shop))
            self._loaded = (users, items, self.fitted_until_)
        super()._learn(shop)

    def _factorise(self, events: Any) -> tuple[Vectors, Vectors]:
        """Vectors of the shoppers and products of a log (a Spark DataFrame) that have an r above 0."""
        from pyspark.ml.feature import StringIndexer
        from pyspark.ml.recommendation import ALS
        from pyspark.sql import functions as F

        r = strengths(events, self._worth, self.log_counts).cache()
        wanted = r.where("r > 0")
        if wanted.isEmpty():
            none = Vectors((), np.zeros((0, self._width), dtype=np.float32))
            return none, none
        for name in ("user_id", "item_id"):  # rows without any end at 0, and with them the equations of the others
            r = r.join(wanted.select(name).distinct(), name, "leftsemi")
        coder = StringIndexer(inputCols=["user_id", "item_id"], outputCols=["u", "i"], stringOrderType="alphabetAsc")
        coded = (
            coder.fit(r)
            .transform(r)
            .select(
                "user_id", "item_id", F.col("u").cast("int").alias("user"), F.col("i").cast("int").alias("item"), "r"
            )
        )
        ratings = coded.repartition(self.blocks, "user").sortWithinPartitions("user", "item").cache()
        trained = ALS(
            rank=self.factors,
            maxIter=self.iterations or 15,
            regParam=self.regularization,
            alpha=self.alpha,
            implicitPrefs=True,
            userCol="user",
            itemCol="item",
            ratingCol="r",
            numUserBlocks=self.blocks,
            numItemBlocks=self.blocks,
            seed=self.random_state,
        ).fit(ratings)
        made = (
            _labelled(trained.userFactors, ratings.select(F.col("user").alias("id"), F.col("user_id").alias("label"))),
            _labelled(trained.itemFactors, ratings.select(F.col("item").alias("id"), F.col("item_id").alias("label"))),
        )
        for kept in (ratings, r):
            kept.unpersist()
        return made

    def _solve(self, shared: Floats, rows: Floats, r: Floats) -> Floats:
        """The equation of one row, λ as often as there are r > 0; shape [factors]. `shared` has it once."""
        n = int((r > 0).sum())
        if n == 0:
            return np.zeros(self._width)
        return super()._solve(shared + (n - 1) * self.regularization * np.eye(self._width), rows, r)


def train_factors(events: Any, model: SparkFactors) -> SparkFactors:
    """A copy of `model` that has learned from events in Spark: to be saved, and loaded with a shop to be asked."""
    from pyspark.sql import functions as F

    model._check()
    model._check_depth(events.sparkSession)
    made = copy.copy(model)
    made.user_vectors_, made.item_vectors_ = made._factorise(events)
    made.fitted_until_ = int(events.agg(F.max("timestamp")).first()[0])
    return made


def _labelled(factors: Any, labels: Any) -> Vectors:
    """Spark's factors (id, features) with their labels, by label: they come home to this machine here."""
    table = factors.join(labels.distinct(), "id").select("label", "features").toArrow()
    table = table.sort_by("label")
    matrix = np.array(table["features"].combine_chunks().flatten(), dtype=np.float32)
    return Vectors(tuple(table["label"].to_pylist()), matrix.reshape(table.num_rows, -1))
