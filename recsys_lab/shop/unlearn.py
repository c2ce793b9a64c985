"""A fitted model without a shopper: what it keeps under their name goes, what it learned from many people stays.

Weights between products, counts and vectors of products are sums over everybody, in which nobody has a name; they are
as they were until the model is fitted again. What goes is all that a model looks up by a shopper's id: afterwards it
answers for that id as for somebody whom it has never seen, and for all others as before.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_lab.bandit import TasteFeatures
from recsys_lab.baselines import RepeatPurchase
from recsys_lab.factors import Factors
from recsys_lab.item2vec import Vectors
from recsys_lab.patterns.export import Points
from recsys_lab.patterns.recommenders import OverStore
from recsys_lab.preferences import ShopperVectors

BY_SHOPPER = (
    "last_", "_last", "_last_visit", "last_visits_",  # what a visit begins from: item to item, sessions, item2vec
    "_mine", "owned_", "_owned", "_log",  # purchases and products by shopper: blends, lists, the candidates seen before
    "base_",  # choices at registration
    "_clicks",  # a bandit's features
)  # fmt: skip
"""Learned tables of this package's models whose keys are shoppers."""


def without(model: Any, shopper: str) -> int:
    """Take a shopper out of a fitted model, and of the models in it; how many entries that were.

    Nothing is trained. 0 for a model that does not know the shopper, or that is not fitted.

    >>> from recsys_lab.datasets import Shop
    >>> from recsys_lab.baselines import ItemKNN
    >>> from recsys_lab.recommender import Context
    >>> model = ItemKNN().fit(Shop.from_sessions([["a", "b"], ["a", "c"], ["c", "b"], ["c", "b"]]))
    >>> model.recommend(Context("s0", 10**6), k=1).item_ids == model.recommend(Context("nobody", 10**6), k=1).item_ids
    False
    >>> without(model, "s0"), without(model, "s0")
    (1, 0)
    >>> model.recommend(Context("s0", 10**6), k=1).item_ids == model.recommend(Context("nobody", 10**6), k=1).item_ids
    True
    """
    return sum(_part(one, shopper) for one in parts(model))


def parts(model: Any) -> Iterator[Any]:
    """A model and the models, sources and features that it is made of; each once."""
    seen, waiting = {id(model)}, [model]
    while waiting:
        one = waiting.pop()
        yield one
        for value in list(vars(one).values()) if hasattr(one, "__dict__") else []:
            held = list(value.values()) if isinstance(value, dict) else value
            for inner in held if isinstance(held, list | tuple) else [held]:
                if is_ours(inner) and id(inner) not in seen:
                    seen.add(id(inner))
                    waiting.append(inner)


def copied(model: Any) -> Any:
    """A copy to take somebody out of while the model itself goes on answering: arrays and tables are shared."""
    shared = {}
    for one in parts(model):
        for value in vars(one).values() if hasattr(one, "__dict__") else ():
            held = list(value.values()) if isinstance(value, dict) else value
            if not any(map(is_ours, held if isinstance(held, list | tuple) else [held])):
                shared[id(value)] = value
    return copy.deepcopy(model, shared)


def is_ours(one: Any) -> bool:
    """Whether something is an object of this package, so that it is known where it keeps shoppers."""
    return type(one).__module__.partition(".")[0] == "recsys_lab" and hasattr(one, "__dict__")


def names(model: Any, shopper: str) -> bool:
    """Whether the text of the id stands somewhere in a model. (It is pickled to see; nothing is ever unpickled.)

    >>> names({"ada": 1}, "ada"), names({"adam": 1}, "ada")
    (True, False)
    """
    label = shopper.encode("utf-8", "surrogatepass")
    short = len(label) < 256
    mark = b"\x8c" + bytes([len(label)]) if short else b"X" + len(label).to_bytes(4, "little")
    return mark + label in pickle.dumps(model, protocol=4)


def _part(one: Any, shopper: str) -> int:
    gone = 0
    if isinstance(one, ShopperVectors):
        gone += shopper in one._pulls or shopper in one._base
        one._pulls, one._base, one._last = dict(one._pulls), dict(one._base), dict(one._last)  # not a copy's too
        one.forget(shopper)
    if isinstance(one, Factors):
        gone += _factors(one, shopper)
    if isinstance(one, RepeatPurchase) and shopper in getattr(one, "_users", {}):
        one._users, one.counts_ = _without_row(one._users, one.counts_, shopper)
        gone += 1
    if isinstance(one, OverStore) and "shoppers" in getattr(one, "points_", {}):
        gone += _points(one, shopper)
    return gone + _tables(one, shopper)


def _factors(model: Factors, shopper: str) -> int:
    """Their row of the vectors, and their row of the sums that folding in begins from."""
    held = shopper in getattr(model, "_row", {})
    if held:
        model._row, model._sums = _without_row(model._row, model._sums, shopper)
        model._moved = model._moved - {shopper}
    if hasattr(model, "user_vectors_") and shopper in model.user_vectors_:
        model.user_vectors_ = vectors_without(model.user_vectors_, shopper)
        held = True
    return int(held)


def vectors_without(vectors: Vectors, label: str) -> Vectors:
    """Labelled vectors without one of them.

    >>> vectors_without(Vectors(("ada", "bob"), np.eye(2)), "ada").ids
    ('bob',)
    """
    kept = [row for row, one in enumerate(vectors.ids) if one != label]
    return Vectors(tuple(vectors.ids[row] for row in kept), vectors.matrix[kept])


def _without_row(rows: dict[str, int], matrix: Any, shopper: str) -> tuple[dict[str, int], Any]:
    """Shoppers by their row, and the sparse matrix, without the shopper's: the rows behind it move up."""
    gone = rows[shopper]
    kept = np.delete(np.arange(matrix.shape[0]), gone)
    moved = {user: row - (row > gone) for user, row in rows.items() if user != shopper}
    return moved, sparse.csr_matrix(matrix[kept])


def _points(model: OverStore, shopper: str) -> int:
    """Their point; the model's store is written anew, without them and without an older version, when it is asked."""
    points = model.points_["shoppers"]
    if shopper not in points.ids:
        return 0
    kept = [row for row, user in enumerate(points.ids) if user != shopper]
    model.points_["shoppers"] = Points(
        [points.ids[row] for row in kept], points.vectors[kept], [points.payloads[row] for row in kept]
    )
    model.close()
    return 1


def _tables(one: Any, shopper: str) -> int:
    """Entries under the shopper's name; of a log of many, the rows. Tables are made anew: copies share them."""
    gone = 0
    for name in BY_SHOPPER if is_ours(one) else ():
        held = vars(one).get(name)
        if isinstance(held, dict) and shopper in held:
            setattr(one, name, {user: kept for user, kept in held.items() if user != shopper})
            gone += 1
        elif isinstance(held, pd.DataFrame) and "user_id" in held.columns:
            rows = held[held["user_id"] != shopper]
            if len(rows) < len(held):
                vars(one).update({name: rows, "_mine": None})  # `_mine`: each shopper's rows, by their place in the log
                gone += 1
    if isinstance(one, TasteFeatures) and hasattr(one, "_counts"):
        one._counts = [{key: n for key, n in table.items() if key[0] != shopper} for table in one._counts]
    return gone
