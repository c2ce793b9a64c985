"""The store in memory: exact, plain numpy, and the oracle that the contract tests hold every other store to."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.filters import Filter
from recsys_lab.stores.base import BaseCollection, BaseStore, check_dropped
from recsys_lab.stores.checks import NUMBERS, Payload, Vectors, check_name
from recsys_lab.stores.protocol import About, Gone, Point

_NOISE = 1e-5  # float32 inner products of unit vectors differ by less than this from exact ones


class MemoryStore(BaseStore):
    """Collections that live as long as the store does.

    >>> store = MemoryStore()
    >>> shoes = store.collection("shoes", dim=2)
    >>> shoes.upsert(["a", "b"], [[1, 0], [3, 4]], [{"price": 20}, {"price": 95}])
    >>> shoes.search([1, 1]).to_frame()
      item_id     score
    0       b  0.989950
    1       a  0.707107
    """

    def __init__(self) -> None:
        self._collections: dict[str, MemoryCollection] = {}
        self._aliases: dict[str, str] = {}
        self._lock = threading.RLock()

    def collections(self) -> list[str]:
        """The names of all collections, in order."""
        return sorted(self._collections)

    def drop(self, name: str) -> None:
        """Take a collection out with all its points."""
        with self._lock:
            check_dropped(self, name, [alias for alias, target in self._aliases.items() if target == name])
            self._collections.pop(check_name(name, "collection"), None)

    def _make(self, about: About) -> BaseCollection:
        with self._lock:
            return self._collections.setdefault(about.name, MemoryCollection(about))

    def _reopen(self, name: str) -> BaseCollection:
        try:
            return self._collections[name]
        except KeyError:
            raise Gone(f"collection {name!r} is not there any more") from None

    def _target(self, alias: str) -> str | None:
        return self._aliases.get(alias)

    def _switch(self, alias: str, name: str | None) -> None:
        with self._lock:
            if name is None:
                self._aliases.pop(alias, None)
            else:
                self._aliases[alias] = name  # one step for a reader, who takes no lock


class MemoryCollection(BaseCollection):
    """One float32 row a point. A lock keeps writers and readers apart."""

    def __init__(self, about: About) -> None:
        super().__init__(about)
        self._lock = threading.RLock()
        self._rows: dict[str, int] = {}
        self._ids: list[str] = []
        self._payloads: list[Payload] = []
        self._matrix: Vectors = np.zeros((0, about.dim), dtype=np.float32)  # may have spare rows at its end
        self._kinds: dict[str, str] = {}
        self._columns: dict[str, pd.Series[Any]] = {}  # what filters ask, made when they do

    def _write(self, ids: list[str], vectors: Vectors, payloads: list[Payload]) -> None:
        with self._lock:
            new = [label for label in ids if label not in self._rows]
            self._make_room(len(self._ids) + len(new))
            self._rows.update({label: len(self._ids) + at for at, label in enumerate(new)})
            self._ids.extend(new)
            self._payloads.extend({} for _ in new)
            rows = [self._rows[label] for label in ids]
            self._matrix[rows] = vectors
            for row, payload in zip(rows, payloads, strict=True):
                self._payloads[row] = payload
            self._columns.clear()

    def _make_room(self, rows: int) -> None:
        if rows > len(self._matrix):
            larger = np.zeros((max(rows, 2 * len(self._matrix)), self.about.dim), dtype=np.float32)
            larger[: len(self._ids)] = self._matrix[: len(self._ids)]
            self._matrix = larger

    def _remove(self, ids: list[str]) -> None:
        with self._lock:
            for label in ids:
                if label not in self._rows:
                    continue
                row, last = self._rows.pop(label), len(self._ids) - 1
                if row != last:  # the last row moves into the gap
                    self._ids[row], self._payloads[row] = self._ids[last], self._payloads[last]
                    self._matrix[row] = self._matrix[last]
                    self._rows[self._ids[row]] = row
                self._ids.pop()
                self._payloads.pop()
            self._columns.clear()

    def _read(self, ids: list[str]) -> Iterable[Point]:
        with self._lock:
            rows = [self._rows[label] for label in ids if label in self._rows]
            return [Point(self._ids[row], self._matrix[row].copy(), dict(self._payloads[row])) for row in rows]

    def _nearest(self, query: Vectors, n: int, where: Filter | None, exact: bool | None) -> Sequence[tuple[str, float]]:
        """Candidates by float32, then their exact scores in float64."""
        with self._lock:
            matrix = self._matrix[: len(self._ids)]
            rows = np.arange(len(matrix)) if where is None else np.flatnonzero(where.mask(self._table(where)))
            if not len(rows):
                return []
            rough = matrix @ query if where is None else matrix[rows] @ query
            if n < len(rows):
                near = rough >= np.partition(rough, len(rows) - n)[len(rows) - n] - _NOISE * self._longest(
                    matrix, query
                )
                rows = rows[near]
            scores = matrix[rows].astype(np.float64) @ query.astype(np.float64)
            best = np.argsort(-scores, kind="stable")
            return [(self._ids[row], score) for row, score in zip(rows[best], scores[best].tolist(), strict=True)]

    def _longest(self, matrix: Vectors, query: Vectors) -> float:
        """The largest score that lengths allow: the noise is in proportion to it."""
        if self.about.metric == "cosine":
            return 1.0
        return float(np.sqrt(np.einsum("ij,ij->i", matrix, matrix).max()) * np.linalg.norm(query))

    def _table(self, where: Filter) -> pd.DataFrame:
        names = list(dict.fromkeys(where.fields()))
        for name in names:
            if name not in self._columns:
                values = [payload.get(name) for payload in self._payloads]
                # numbers that are missing become NaN; every other kind stays as it is
                dtype = np.float64 if self._kinds[name] == NUMBERS else object
                self._columns[name] = pd.Series(values, dtype=dtype)
        return pd.DataFrame({name: self._columns[name] for name in names})

    def _count(self) -> int:
        return len(self._ids)

    def _load_fields(self) -> dict[str, str]:
        return dict(self._kinds)

    def _learn(self, given: dict[str, str]) -> dict[str, str]:
        with self._lock:
            self._kinds = {**given, **self._kinds}
            return dict(self._kinds)
