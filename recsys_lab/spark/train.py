"""Training from files: the log never comes to this machine, only the vectors do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from recsys_lab.datasets import DataError
from recsys_lab.item2vec.train import SETTINGS, check_folder
from recsys_lab.spark.factors import SparkFactors, train_factors
from recsys_lab.spark.item2vec import SparkItem2Vec, train_item2vec
from recsys_lab.spark.log import read_events
from recsys_lab.spark.session import running

Model = TypeVar("Model", SparkFactors, SparkItem2Vec)


def train(events: str | Path | Sequence[str | Path], out: Path, model: Model, force: bool = False) -> list[Path]:
    """Train `model` on parquet files of events, and write the folder `out`; returns the paths of the files in it.

    The master of the session has to see `events` (a shared folder, s3a://…, hdfs://…); `out` is on this machine, and so
    is room for the vectors. `model` itself stays as it is: `type(model).load(out, shop)` gives one that recommends the
    products of `shop`, who folds in whoever came later. Raises `DataError` for files that are no events or hold nothing
    to learn from, and for a folder that holds something already, unless `force` says to write over it.
    """
    check_folder(out, force)
    with running(model.master) as session:
        log = read_events(session, events)
        if log.isEmpty():
            raise DataError(f"{events}: there is no event in it")
        made = train_factors(log, model) if isinstance(model, SparkFactors) else train_item2vec(log, model)
    if not len(made.item_vectors_ if isinstance(made, SparkFactors) else made.vectors_):
        raise DataError(f"{events}: no event counts, so there is nothing to learn from; see weights, or event_type")
    out.mkdir(parents=True, exist_ok=True)
    (out / SETTINGS).unlink(missing_ok=True)  # written last: where it stands, the rest is complete
    return made.save(out)
