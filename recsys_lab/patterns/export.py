"""From a trained model to points in a store: products, shoppers, and the purchases that come in during the day.

A product's payload is its row of the product table, with `popularity`, `again` (see `recsys_lab.patterns.again`) and
`model`. A shopper's is `owned`, `times` and `last_ms` (what they bought, how often and when last, aligned), `n_events`,
and what came after training: `since` (the products) and `taken` (the ids of these events).

`model` names the training that the vector is of. Vectors of two trainings lie in two unrelated spaces, and their inner
products are numbers without a meaning: whoever asks one with the other has to be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import Event, Shop
from recsys_lab.factors import Factors
from recsys_lab.item2vec.vectors import fill_cold
from recsys_lab.patterns.again import bought_again
from recsys_lab.patterns.lists import current
from recsys_lab.recommender import Context, Floats, NotFittedError
from recsys_lab.stores import Alias, BaseCollection, Point

LONG = ("description", "picture")
"""Columns that no filter asks: they stay in the product table."""

Payload = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Points:
    """What is written into a collection: ids, vectors [n, dim] and payloads."""

    ids: list[str]
    vectors: Floats
    payloads: list[Payload]

    @property
    def longest(self) -> float:
        """The length of the longest vector."""
        return float(np.linalg.norm(self.vectors.astype(np.float64), axis=1).max(initial=0.0))

    def write(self, collection: BaseCollection) -> None:
        """Put them into a collection; what is there under other ids stays."""
        collection.upsert(self.ids, self.vectors, self.payloads)


def item_points(model: Factors, shop: Shop) -> Points:
    """The products that have a vector. Where the model has `content`, new products have one by what they are like."""
    _fitted(model)
    vectors = model.item_vectors_
    if model.content is not None and len(vectors):
        vectors = fill_cold(vectors, model.content, model.neighbours, scaled=False)
    kept = [name for name in shop.products.columns if name not in LONG and not is_time(shop.products[name])]
    rows = {row["item_id"]: row for row in shop.products[kept].to_dict("records")}
    again, told = bought_again(shop), model.item_vectors_.fingerprint
    popularity = {str(item): int(count) for item, count in shop.popularity.items()}
    ids = [item for item in vectors.ids if item in rows and vectors[item].any()]
    payloads = [
        {**_named(rows[item]), "popularity": popularity[item], "again": again[item], "model": told} for item in ids
    ]
    return Points(ids, np.array([vectors[item] for item in ids]).reshape(len(ids), vectors.dim), payloads)


def shopper_points(model: Factors, shop: Shop) -> Points:
    """The shoppers who have a vector, with what they own."""
    _fitted(model)
    vectors, told = model.user_vectors_, model.item_vectors_.fingerprint
    buys = shop.events[shop.events["event_type"] == "buy"]
    owned = buys.groupby(["user_id", "item_id"])["timestamp"].agg(["size", "max"]).reset_index()
    events = shop.events["user_id"].value_counts()
    mine = {str(user): rows for user, rows in owned.groupby("user_id")}
    none = owned.iloc[:0]
    ids = [user for user in vectors.ids if vectors[user].any()]
    payloads = []
    for user in ids:
        rows = mine.get(user, none)
        payload = _nobody(told) | {"owned": rows["item_id"].tolist(), "times": rows["size"].tolist()}
        payloads.append(payload | {"last_ms": rows["max"].tolist(), "n_events": int(events.get(user, 0))})
    return Points(ids, np.array([vectors[user] for user in ids]).reshape(len(ids), vectors.dim), payloads)


def export_items(model: Factors, shop: Shop, collection: BaseCollection) -> int:
    """Write the products of a trained model into a collection (metric "dot", or "cosine" for likeness); how many."""
    points = item_points(model, shop)
    points.write(collection)
    return len(points.ids)


def export_shoppers(model: Factors, shop: Shop, collection: BaseCollection) -> int:
    """Write the shoppers of a trained model, and what they own, into a collection (metric "cosine"); how many."""
    points = shopper_points(model, shop)
    points.write(collection)
    return len(points.ids)


def take_purchases(model: Factors, shoppers: BaseCollection | Alias, events: Iterable[Event]) -> tuple[str, ...]:
    """Renew the shoppers who bought something: fold in their vector, and keep what they own. Returns their ids.

    Nothing is trained. A shopper who was not there appears; all others stay as they are. Of `events` the purchases
    count that came after the model's training, each once, however often it is given. The model has to be the one that
    the shoppers were exported from (`ValueError`). One process at a time.
    """
    _fitted(model)
    by_user: dict[str, dict[str, Event]] = {}
    for event in sorted(events, key=lambda event: (event.timestamp, event.id)):
        if event.event_type == "buy" and event.timestamp > model.fitted_until_:
            by_user.setdefault(event.user_id, {})[event.id] = event
    collection, told = current(shoppers), model.item_vectors_.fingerprint
    there = collection.get(by_user)
    ids, vectors, payloads = [], [], []
    for user, bought in by_user.items():
        point = there.get(user)
        before = point.payload if point is not None else _nobody(told)
        if before.get("model") != told:
            raise ValueError(
                f"model: shopper {user!r} was exported from another training than this model's; give that model, or"
                f" export the shoppers again (refresh_shop)"
            )
        fresh = [event for event in bought.values() if event.id not in before["taken"]]
        after = _bought(before, fresh)
        vector = _folded(model, user, after["since"], point)
        if fresh and vector.any():
            ids.append(user)
            vectors.append(vector)
            payloads.append(after)
    collection.upsert(ids, np.array(vectors).reshape(len(ids), collection.about.dim), payloads)
    return tuple(ids)


def _folded(model: Factors, user: str, since: Sequence[str], point: Point | None) -> Floats:
    """The vector after training and all purchases since; the old one where the model knows none of these products."""
    time = model.fitted_until_ + 1
    session = tuple(Event(user, item, "buy", time + at, "since training") for at, item in enumerate(since))
    vector = model.shopper_vector(Context(user, time + len(since), session=session))
    return vector if vector.any() or point is None else np.asarray(point.vector)


def _bought(payload: Payload, events: Sequence[Event]) -> Payload:
    """What a shopper owns after some more purchases."""
    times = dict(zip(payload["owned"], payload["times"], strict=True))
    last = dict(zip(payload["owned"], payload["last_ms"], strict=True))
    for event in events:
        times[event.item_id] = times.get(event.item_id, 0) + 1
        last[event.item_id] = max(event.timestamp, last.get(event.item_id, 0))
    return payload | {
        "owned": list(times),
        "times": list(times.values()),
        "last_ms": [last[item] for item in times],
        "n_events": payload["n_events"] + len(events),
        "since": [*payload["since"], *(event.item_id for event in events)],
        "taken": [*payload["taken"], *(event.id for event in events)],
    }


def _nobody(model: str) -> Payload:
    """The payload of a shopper of whom nothing is known."""
    return {"owned": [], "times": [], "last_ms": [], "n_events": 0, "since": [], "taken": [], "model": model}


def _named(row: Mapping[Any, Any]) -> Payload:
    return {str(name): value for name, value in row.items()}


def is_time(column: pd.Series[Any]) -> bool:
    """Dates are no values of a store; whole milliseconds are."""
    return bool(pd.api.types.is_datetime64_any_dtype(column))


def _fitted(model: Factors) -> None:
    if not hasattr(model, "item_vectors_"):
        raise NotFittedError("model: it has not learned anything yet; call .fit(shop) first")
