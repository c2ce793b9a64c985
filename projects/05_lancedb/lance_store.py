"""LanceDB behind the course's protocol: your adapter. README.md says what each method owes; start from the top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
from lance_given import GivenCollection, LanceStore

from recsys_lab.filters import Filter
from recsys_lab.stores import Point
from recsys_lab.stores.checks import Payload, Vectors


class LanceCollection(GivenCollection):
    """One LanceDB table: `self.ask(lambda table: ...)` asks it."""

    @classmethod
    def schema(cls, dim: int) -> pa.Schema:
        """The columns of a new table. Ids and vectors are here; where will payloads be?"""
        return pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32(), dim))])

    def _count(self) -> int:
        raise NotImplementedError("_count: say how many points the table has")

    def _load_fields(self) -> dict[str, str]:
        raise NotImplementedError("_load_fields: read from the table which fields there are, and their kinds")

    def _learn(self, given: dict[str, str]) -> dict[str, str]:
        raise NotImplementedError("_learn: add the fields that are new, and return all of them with their kinds")

    def _write(self, ids: list[str], vectors: Vectors, payloads: list[Payload]) -> None:
        raise NotImplementedError("_write: add the points, or replace those that are there, as one version")

    def _read(self, ids: list[str]) -> Iterable[Point]:
        raise NotImplementedError("_read: return those of the points that are there, as they were given")

    def _remove(self, ids: list[str]) -> None:
        raise NotImplementedError("_remove: take the points out; one that is not there is no error")

    def _nearest(self, query: Vectors, n: int, where: Filter | None, exact: bool | None) -> Sequence[tuple[str, float]]:
        raise NotImplementedError("_nearest: return the n best that pass the filter, with their scores")


def open_lance(url: str) -> LanceStore:
    """What `stores.register("lancedb", open_lance)` needs."""
    return LanceStore(url, LanceCollection)
