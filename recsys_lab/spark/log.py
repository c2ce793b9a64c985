"""The log of a shop as Spark sees it: events in a DataFrame, what they are worth, visits as lists of products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys_lab.datasets import DataError, Shop
from recsys_lab.spark.session import frame

COLUMNS = {"user_id": "string", "item_id": "string", "event_type": "string", "timestamp": "bigint"}
"""What events have in parquet files, and of which type; item2vec wants session_id beside it."""


def events_of(session: Any, shop: Shop) -> Any:
    """A shop's events; `place` is their row, for events at the same millisecond."""
    rows = shop.events[[*COLUMNS, "session_id"]]
    return frame(session, rows.assign(place=range(len(rows))))


def read_events(session: Any, paths: str | Path | Sequence[str | Path]) -> Any:
    """Events from parquet files or folders, wherever the session's master can read them.

    They are the events of `Shop`: item_id and the others as text, timestamp as whole milliseconds since 1970. Raises
    `DataError` for what cannot be read, a column that is missing or of another type.
    """
    from pyspark.errors import PySparkException

    listed = [str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    told = ", ".join(listed)
    try:
        events = session.read.parquet(*listed)
    except PySparkException as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(f"{told}: Spark cannot read it as parquet files of events: {first}") from error
    types = dict(events.dtypes)
    for name, kind in COLUMNS.items():
        if types.get(name) != kind:
            have = types.get(name, "missing")
            raise DataError(f"{told}: {name} is {have}; events have it as {kind}, written by Shop.events.to_parquet")
    return events


def strengths(events: Any, weights: Mapping[str, float], log_counts: bool = False) -> Any:
    """What each shopper did with each product: user_id, item_id and r, as `Factors` sums it up; r is never 0."""
    from pyspark.sql import functions as F

    worth = F.lit(0.0)
    for kind, weight in weights.items():
        worth = F.when(F.col("event_type") == kind, F.lit(float(weight))).otherwise(worth)
    sums = events.groupBy("user_id", "item_id").agg(F.round(F.sum(worth), 9).alias("r")).where("r != 0")
    return sums.withColumn("r", F.signum("r") * F.log1p(F.abs("r"))) if log_counts else sums


def visits(events: Any, event_type: str, min_length: int = 2) -> Any:
    """Visits as lists of product ids (`visit`), in the order of their start, as `item2vec.sequences` makes them.

    Events of a visit at the same millisecond keep their `place` in a shop; in files, which have none, go by product.
    """
    from pyspark.sql import functions as F

    if "session_id" not in events.columns:
        raise DataError("events: they have no session_id, and a visit is what is learned from; write it beside them")
    order = [name for name in ("timestamp", "place", "item_id") if name in events.columns]
    step = F.struct(*order)
    mine = events.where(F.col("event_type") == event_type).groupBy("session_id")
    rows = mine.agg(F.min("timestamp").alias("start"), F.sort_array(F.collect_list(step))["item_id"].alias("all"))
    fresh = F.filter("all", lambda item, at: (at == 0) | (item != F.element_at("all", F.greatest(at, F.lit(1)))))
    rows = rows.select("start", "session_id", fresh.alias("visit"))
    return rows.where(F.size("visit") >= min_length).orderBy("start", "session_id").select("visit")
