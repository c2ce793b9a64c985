"""What may enter a store: the rules are the same everywhere, so that a change of database changes no answer.

Everything is checked before the first point is written. A payload maps names of fields to texts, numbers, True or
False, or lists of these; None and NaN count as missing and are not kept. A field keeps to one kind for good: that is
what lets a filter that compares the wrong kind be refused, rather than find nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Payload = dict[str, Any]

TEXT, NUMBERS, TRUTH, LISTS = "text", "numbers", "True or False", "lists"  # the words of recsys_lab.filters
LARGEST = 2**53  # beyond it a float no longer holds each whole number, and some databases count in floats

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class StoreError(ValueError):
    """What a store cannot take, cannot do or cannot reach; the message names the input, the rule and what to do."""


def check_name(name: object, what: str) -> str:
    """The name of a collection or an alias: it becomes part of table and key names."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise StoreError(
            f"{what} {name!r}: a name has 1 to 40 small letters, digits and _, and begins with a letter;"
            f" for example 'products_v2'"
        )
    return name


def check_text(value: str, what: str) -> str:
    """A text that every database can keep."""
    if not storable(value):
        raise StoreError(f"{what}: {value!r} holds a zero byte or half of a character; take it out")
    return str(value)


def storable(value: str) -> bool:
    """No zero byte (PostgreSQL keeps none) and no lone half of a surrogate pair (UTF-8 has none).

    >>> storable("crème 'brûlée' 🍮"), storable("a\\0b"), storable("\\ud800")
    (True, False, False)
    """
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


def check_ids(ids: Iterable[str]) -> list[str]:
    """Labels: texts that are not empty, each given once."""
    if isinstance(ids, str | bytes):
        raise StoreError(f"ids: {ids!r} is one text; put it in a list")
    labels = list(ids)
    for label in labels:
        if not isinstance(label, str) or not label:
            raise StoreError(f"ids: {label!r} is no label; an id is a text that is not empty, so write str(id)")
    labels = [check_text(label, "ids") for label in labels]
    if len(set(labels)) < len(labels):
        twice = next(label for at, label in enumerate(labels) if label in labels[:at])
        raise StoreError(f"ids: {twice!r} is given twice in one call; keep one of the two")
    return labels


def check_vectors(vectors: Any, ids: Sequence[str], dim: int, metric: str, max_norm: float | None) -> Vectors:
    """Float32 rows [ids, dim]; of length 1 where the metric is cosine."""
    try:
        rows = np.asarray(vectors, dtype=np.float64)
    except (TypeError, ValueError):
        raise StoreError(f"vectors: they are no table of numbers; give shape [{len(ids)}, {dim}]") from None
    if rows.size == 0 and not ids:
        rows = np.zeros((0, dim))
    if rows.ndim != 2 or len(rows) != len(ids):
        raise StoreError(
            f"vectors: shape {rows.shape} for {len(ids)} ids; give one row for each id, [{len(ids)}, {dim}]"
        )
    if rows.shape[1] != dim:
        raise StoreError(f"vectors: {rows.shape[1]} components, but the collection was made with dim={dim}")
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and that is caught here
        finite = np.isfinite(rows.astype(np.float32)).all(axis=1)
    if not finite.all():
        at = int(np.flatnonzero(~finite)[0])
        raise StoreError(f"vectors: the one of {ids[at]!r} has a NaN or infinite component; leave that point out")
    lengths = np.linalg.norm(rows, axis=1)
    if max_norm is not None and (lengths > max_norm).any():
        at = int(np.argmax(lengths))
        raise StoreError(
            f"vectors: the one of {ids[at]!r} has length {lengths[at]:.6g}, above max_norm={max_norm:g};"
            f" make a new collection with a larger max_norm"
        )
    kept: Vectors = rows.astype(np.float32)
    if metric == "dot":
        return kept
    if not lengths.all():
        at = int(np.argmin(lengths))
        raise StoreError(f"vectors: the one of {ids[at]!r} is all zeros and has no direction; leave it out or use dot")
    kept = (rows / lengths[:, None]).astype(np.float32)
    return kept


def check_payloads(payloads: Sequence[Mapping[str, Any] | None] | None, ids: Sequence[str]) -> list[Payload]:
    """One plain dict for each id, without what is missing."""
    if payloads is None:
        return [{} for _ in ids]
    if isinstance(payloads, Mapping | str) or not isinstance(payloads, Collection) or len(payloads) != len(ids):
        raise StoreError(
            f'payloads: give one dict (or None) for each of the {len(ids)} ids; of a table: frame.to_dict("records")'
        )
    return [_payload(one, label) for one, label in zip(payloads, ids, strict=True)]


def _payload(payload: Mapping[str, Any] | None, label: str) -> Payload:
    if payload is None:
        return {}
    if not isinstance(payload, Mapping):
        raise StoreError(f"payloads: that of {label!r} is {payload!r}; give a dict of fields, or None")
    kept: Payload = {}
    for name, value in payload.items():
        where = f"payloads: {name!r} of {label!r}"
        if not isinstance(name, str) or not name or len(name) > 100:
            raise StoreError(f"{where}: the name of a field is a text of 1 to 100 characters")
        check_text(name, where)
        if isinstance(value, np.ndarray | list | tuple | set | frozenset):
            parts = sorted(value, key=repr) if isinstance(value, set | frozenset) else list(value)
            kept[name] = [_plain(part, where) for part in parts]
            if any(part is None for part in kept[name]):
                raise StoreError(f"{where}: a list holds no missing values; leave them out")
        elif (plain := _plain(value, where)) is not None:
            kept[name] = plain
    return kept


def _plain(value: Any, where: str) -> str | float | bool | None:
    """A text, an int, a float or a bool of Python's own; None for what is missing."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return check_text(value, where)
    if isinstance(value, int | float):
        if math.isnan(value):
            return None
        if math.isinf(value) or (isinstance(value, int) and abs(value) > LARGEST):
            raise StoreError(f"{where}: {value} is beyond what is kept exactly (2 to the 53rd); keep it as a text")
        return value
    raise StoreError(
        f"{where}: {value!r} is no value to filter by; give a text, a number, True or False, or a list of these"
    )


def kind_of(value: Any) -> str:
    """The kind of a checked value, in the filter language's words."""
    if isinstance(value, str):
        return TEXT
    if isinstance(value, bool):  # before numbers: in Python True is a 1
        return TRUTH
    return LISTS if isinstance(value, list) else NUMBERS


def kinds_of(payloads: Iterable[Payload]) -> dict[str, str]:
    """The kind of each field; raises `StoreError` where two points disagree."""
    kinds: dict[str, str] = {}
    for payload in payloads:
        for name, value in payload.items():
            check_kind(name, kinds.setdefault(name, kind_of(value)), kind_of(value))
    return kinds


def check_kind(name: str, known: str, given: str) -> None:
    """A field keeps to one kind for good."""
    if known != given:
        raise StoreError(
            f"payloads: {name!r} holds {known} in this collection, so it cannot take {given};"
            f" convert the values, or use another name"
        )
