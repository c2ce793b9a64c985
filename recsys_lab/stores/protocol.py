"""What a vector store is, whichever database stands behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from recsys_lab.filters import Filter
from recsys_lab.recommender import Recommendations
from recsys_lab.stores.checks import Payload, StoreError, Vectors

Metric = Literal["cosine", "dot"]


class Gone(StoreError):
    """The collection was dropped, or the alias was switched away from it."""


@dataclass(frozen=True)
class Point:
    """What a store keeps under an id. The vector is float32 [dim], of length 1 where the metric is cosine."""

    id: str
    vector: Vectors
    payload: Payload


@dataclass(frozen=True)
class About:
    """How a collection was made."""

    name: str
    dim: int
    metric: str
    max_norm: float | None = None


@runtime_checkable
class VectorStore(Protocol):
    """A collection of labelled vectors with payloads; ids are texts, a higher score is better."""

    def upsert(
        self, ids: Iterable[str], vectors: Any, payloads: Sequence[Mapping[str, Any] | None] | None = None
    ) -> None:
        """Add points, or replace those that are there, payload and all."""
        ...

    def delete(self, ids: Iterable[str]) -> None:
        """Take points out; an id that is not there is no error."""
        ...

    def get(self, ids: Iterable[str]) -> dict[str, Point]:
        """Those of the points that are there."""
        ...

    def search(self, vector: Any, k: int = 10, where: Filter | None = None) -> Recommendations:
        """At most `k` points that pass `where`, by cosine or inner product with `vector` [dim], best first."""
        ...

    def count(self) -> int:
        """How many points there are."""
        ...
