"""Vectors with their labels: kept together, asked for neighbours, saved and loaded without pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys_lab.datasets import DataError
from recsys_lab.recommender import Floats, Recommendations, Rows, top_k

_CHUNK = 1000  # rows compared with all others at once


@dataclass(frozen=True, eq=False, repr=False)
class Vectors:
    """A vector for each product: `matrix` [n, d], its rows in the order of `ids`.

    Raises `ValueError` where the two do not fit, an id stands twice, or a number is not finite.

    >>> vectors = Vectors(("a", "b", "c"), np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0]]))
    >>> vectors.nearest("a", k=1).item_ids, vectors["c"].tolist(), "d" in vectors
    (('b',), [0.0, 1.0], False)
    """

    ids: tuple[str, ...]
    matrix: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(self.ids))
        object.__setattr__(self, "matrix", np.asarray(self.matrix))
        if self.matrix.ndim != 2 or self.matrix.dtype.kind != "f":
            raise ValueError(
                f"matrix: it has shape {self.matrix.shape} of {self.matrix.dtype}; give floats, a row a product"
            )
        if len(self.matrix) != len(self.ids):
            raise ValueError(f"ids: {len(self.ids)} ids for {len(self.matrix)} rows; give one for each row")
        wrong = [item for item in self.ids if not isinstance(item, str) or not item]
        if wrong:
            raise ValueError(f"ids: {wrong[0]!r} is no label; ids are texts that are not empty")
        if len(self._rows) != len(self.ids):
            twice = next(item for row, item in enumerate(self.ids) if self._rows[item] != row)
            raise ValueError(f"ids: {twice!r} stands twice; give each product one vector")
        if not np.isfinite(self.matrix).all():
            row = int(np.flatnonzero(~np.isfinite(self.matrix).all(axis=1))[0])
            raise ValueError(f"matrix: the vector of {self.ids[row]!r} holds a number that is not finite")

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {item: row for row, item in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, item: object) -> bool:
        return item in self._rows

    def __getitem__(self, item: str) -> NDArray[Any]:
        """The vector of a product; shape [d]. Raises `ValueError` for a product without one."""
        if item not in self._rows:
            raise ValueError(f"there is no vector of {item!r}; ask `in` first, or train with events of it")
        return np.asarray(self.matrix[self._rows[item]])

    def __repr__(self) -> str:
        return f"Vectors({len(self)} products, {self.dim}-d, {self.fingerprint})"

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return int(self.matrix.shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """A hash of ids and numbers, in their order."""
        digest = hashlib.sha256(json.dumps([self.ids, self.matrix.shape]).encode())
        digest.update(np.ascontiguousarray(self.matrix, dtype=f"<f{self.matrix.dtype.itemsize}").tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def unit(self) -> Floats:
        """The rows at length 1 (a row of zeros stays as it is); [n, d], float64."""
        return unit_rows(self.matrix)

    def nearest(self, item: str, k: int = 10) -> Recommendations:
        """The `k` products whose vectors point most nearly the same way (cosine), without the product itself."""
        self[item]  # says so if it is not there
        row = self._rows[item]
        columns, scores = self._closest(np.array([row]), k)
        kept = columns[0] >= 0
        ids = tuple(self.ids[column] for column in columns[0][kept])
        return Recommendations(ids, tuple(scores[0][kept].tolist()))

    def neighbours(self, k: int) -> Rows:
        """For each row, the rows of its `k` nearest by cosine, nearest first; [n, k], -1 where there are no more."""
        none = np.zeros((0, k), dtype=np.int64)
        starts = range(0, len(self), _CHUNK)
        parts = [self._closest(np.arange(start, min(start + _CHUNK, len(self))), k)[0] for start in starts]
        return np.concatenate([none, *parts])

    def _closest(self, rows: Rows, k: int) -> tuple[Rows, Floats]:
        scores = np.round(self.unit[rows] @ self.unit.T, 9)  # equal vectors tie, however the sums are rounded
        scores[np.arange(len(rows)), rows] = -np.inf
        return top_k(scores, k)

    def column(self, items: Iterable[str]) -> list[NDArray[Any] | None]:
        """The vectors of `items` in their order, None where there is none: a column of products for a custom space."""
        return [self[item] if item in self._rows else None for item in items]

    def save(self, folder: Path, name: str = "vectors") -> list[Path]:
        """Write `folder`/`name`.npy (numbers) and `name`.json (ids, shape, hash); returns the two paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        numbers, labels = folder / f"{name}.npy", folder / f"{name}.json"
        np.save(numbers, self.matrix, allow_pickle=False)
        held = {"shape": list(self.matrix.shape), "hash": self.fingerprint, "ids": list(self.ids)}
        labels.write_text(json.dumps(held) + "\n", encoding="utf-8")
        return [numbers, labels]

    @classmethod
    def load(cls, folder: Path, name: str = "vectors") -> Self:
        """Read what `save` wrote. Raises `DataError` when a file is missing, damaged, or not of the other one."""
        try:
            held = json.loads((Path(folder) / f"{name}.json").read_text(encoding="utf-8"))
            vectors = cls(tuple(held["ids"]), np.load(Path(folder) / f"{name}.npy", allow_pickle=False))
            if vectors.fingerprint != held["hash"]:
                raise ValueError("ids and numbers do not belong together: their hash is another one")
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{folder}: {name}.npy and {name}.json cannot be read as vectors"
                f" ({type(error).__name__}: {error}); save them again"
            ) from error
        return vectors


def unit_rows(matrix: Floats) -> Floats:
    """Each row divided by its length, float64; a row of zeros stays."""
    rows = np.asarray(matrix, dtype=np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1.0)


def fill_cold(vectors: Vectors, content: Vectors, neighbours: int = 5, scaled: bool = True) -> Vectors:
    """`vectors` with those of `content`'s products added that had none: made from what is like them.

    A new product gets the mean vector of the `neighbours` products with behaviour that are nearest to it by content
    (cosine), at length 1; `scaled=False` leaves the mean as it is.

    >>> behaviour = Vectors(("a", "b"), np.array([[3.0, 0.0], [0.0, 2.0]]))
    >>> content = Vectors(("a", "b", "new"), np.array([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1]]))
    >>> fill_cold(behaviour, content, neighbours=1)["new"].tolist()
    [1.0, 0.0]
    """
    if neighbours < 1:
        raise ValueError(f"neighbours: {neighbours} leaves nothing to take the mean of; give at least 1")
    known = [item for item in vectors.ids if item in content]
    cold = [item for item in content.ids if item not in vectors]
    if not known or not cold:
        return vectors
    place = {item: row for row, item in enumerate(content.ids)}
    likeness = content.unit[[place[item] for item in cold]] @ content.unit[[place[item] for item in known]].T
    nearest, _ = top_k(np.round(likeness, 9), min(neighbours, len(known)))
    behaviour = np.array([vectors[item] for item in known], dtype=np.float64)
    made = behaviour[nearest].mean(axis=1)
    made = unit_rows(made) if scaled else made
    return Vectors((*vectors.ids, *cold), np.concatenate([vectors.matrix, made.astype(vectors.matrix.dtype)]))
