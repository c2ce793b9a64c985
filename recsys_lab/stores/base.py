"""What every store shares: the protocol, the checks, the tie rule and the alias; an adapter adds its database's
commands.

**Ties.** A score is rounded to six decimals, and equal scores are put in the order of their ids, by code point. A
database cuts its list by its own order, so a few more points are fetched than asked for, and more again while the cut
goes through a tie: the list does not depend on the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from tqdm.auto import tqdm

from recsys_lab.filters import Filter
from recsys_lab.recommender import Recommendations
from recsys_lab.stores.checks import (
    Payload,
    StoreError,
    Vectors,
    check_ids,
    check_kind,
    check_name,
    check_payloads,
    check_vectors,
    kinds_of,
)
from recsys_lab.stores.protocol import About, Gone, Metric, Point
from recsys_lab.stores.translate import check_filter

T = TypeVar("T")

DECIMALS = 6
_SPARE = 10  # points fetched beyond k, to see whether the cut goes through a tie
_SAME = 2e-6  # scores this near may round to the same


class BaseCollection:
    """A `VectorStore` whose adapter writes `_write`, `_remove`, `_read`, `_nearest`, `_count`, `_load_fields`,
    `_learn`."""

    most_points: ClassVar[int | None] = None
    """More points than this are refused; None = as many as fit."""
    batch: ClassVar[int] = 1000
    """Points written at once."""
    noise: ClassVar[float] = 0.0
    """How far scores from two equal vectors may differ that `get` gives back; 0 = they are what was written."""

    def __init__(self, about: About) -> None:
        self.about = about
        self._fields: dict[str, str] = {}
        self._checked: set[str] = set()

    @property
    def name(self) -> str:
        """The collection's name."""
        return self.about.name

    def __repr__(self) -> str:
        return f"<collection {self.name!r}, {self.about.dim} components, {self.about.metric}>"

    # -- the protocol -----------------------------------------------------------------------------------------------

    def upsert(
        self,
        ids: Iterable[str],
        vectors: Any,
        payloads: Sequence[Mapping[str, Any] | None] | None = None,
        *,
        progress: bool = False,
    ) -> None:
        """Add points, or replace those that are there, payload and all. All are checked before the first is written.

        `vectors` is [ids, dim]; a payload maps fields to texts, numbers, True or False, or lists of these. Points are
        written in batches; whatever happens between two, each point has its old or its new value, never half of it.
        `progress` draws a bar. Raises `StoreError`.
        """
        labels = check_ids(ids)
        rows = check_vectors(vectors, labels, self.about.dim, self.about.metric, self.about.max_norm)
        kept = check_payloads(payloads, labels)
        self._check_kinds(kinds_of(kept))
        self._check_size(labels)
        with tqdm(total=len(labels), unit="points", disable=not progress, desc=self.name) as bar:
            for start in range(0, len(labels), self.batch):
                part = slice(start, start + self.batch)
                self._write(labels[part], rows[part], kept[part])
                bar.update(len(labels[part]))

    def delete(self, ids: Iterable[str]) -> None:
        """Take points out; an id that is not there is no error."""
        labels = check_ids(ids)
        for start in range(0, len(labels), self.batch):
            self._remove(labels[start : start + self.batch])

    def get(self, ids: Iterable[str]) -> dict[str, Point]:
        """Those of the points that are there, by id, in the order asked for; unknown ids are left out."""
        labels = check_ids(ids)
        found = {point.id: point for point in self._read(labels)}
        return {label: found[label] for label in labels if label in found}

    def search(
        self, vector: Any, k: int = 10, where: Filter | None = None, *, exact: bool | None = None
    ) -> Recommendations:
        """At most `k` points that pass `where`, best first; ties fall by id.

        The score is the cosine or the inner product with `vector` [dim], rounded to six decimals. `exact` = True
        looks at every point, False asks the database's index where it has one, None lets the store choose. Raises
        `StoreError` for a vector that does not fit, `FilterError` for a filter on an unknown field or of a wrong
        kind.
        """
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise StoreError(f"k: {k!r} is not a length of a list; ask for at least 1")
        query = self._query(vector)
        if where is not None and not self._ready(where):
            return Recommendations((), ())
        want = int(k) + _SPARE
        while True:
            found = self._nearest(query, want, where, exact)
            ranked = sorted((-round(score, DECIMALS), label) for label, score in found)[:k]
            if len(found) < want or found[-1][1] < -ranked[-1][0] - _SAME:
                return Recommendations(tuple(label for _, label in ranked), tuple(0.0 - score for score, _ in ranked))
            want *= 4

    def count(self) -> int:
        """How many points there are."""
        return self._count()

    # -- what the checks need ---------------------------------------------------------------------------------------

    def _query(self, vector: Any) -> Vectors:
        row = np.asarray(vector, dtype=object)
        if row.ndim != 1:
            raise StoreError(f"vector: shape {row.shape}; ask with one row of {self.about.dim} numbers")
        rows = check_vectors([vector], ["the question"], self.about.dim, self.about.metric, None)
        asked: Vectors = rows[0]
        return asked

    def _check_kinds(self, given: dict[str, str]) -> None:
        if any(self._fields.get(name) != kind for name, kind in given.items()):
            self._fields = self._learn(given)
            self._checked.clear()
        for name, kind in given.items():
            check_kind(name, self._fields[name], kind)

    def _check_size(self, labels: Sequence[str]) -> None:
        if self.most_points is None:
            return
        count = self._count()
        if count + len(labels) > self.most_points:  # only now is it worth asking which of them are new
            count += len(labels) - len(self.get(labels))
            if count > self.most_points:
                raise StoreError(
                    f"upsert: {count} points, but this store is meant for at most {self.most_points}; use a server"
                    f" (for example qdrant://host:6333 or postgresql://...)"
                )

    def _ready(self, where: Filter) -> bool:
        """Check a filter, once; False where the collection is empty and therefore has no fields yet."""
        if not isinstance(where, Filter):
            raise StoreError(f'where: {where!r} is no filter; write field("price") <= 20')
        asked = repr(where)
        if asked in self._checked:
            return True
        if any(name not in self._fields for name in where.fields()):
            self._fields = self._load_fields()
        if any(name not in self._fields for name in where.fields()) and self._count() == 0:
            return False
        check_filter(where, self._fields)
        if len(self._checked) > 1000:
            self._checked.clear()
        self._checked.add(asked)
        return True

    # -- what an adapter writes -------------------------------------------------------------------------------------

    def _write(self, ids: list[str], vectors: Vectors, payloads: list[Payload]) -> None:
        raise NotImplementedError

    def _remove(self, ids: list[str]) -> None:
        raise NotImplementedError

    def _read(self, ids: list[str]) -> Iterable[Point]:
        raise NotImplementedError

    def _nearest(self, query: Vectors, n: int, where: Filter | None, exact: bool | None) -> Sequence[tuple[str, float]]:
        """The `n` best with their scores, best first; fewer only where no more pass."""
        raise NotImplementedError

    def _count(self) -> int:
        raise NotImplementedError

    def _load_fields(self) -> dict[str, str]:
        """The fields that points have had so far, with their kinds."""
        raise NotImplementedError

    def _learn(self, given: dict[str, str]) -> dict[str, str]:
        """Add the fields that are new, in one step; all fields with their kinds, a known one keeping its own."""
        raise NotImplementedError


class Alias:
    """A name that stands for one collection at a time: readers ask it while the next version is built beside it.

    Writing goes to a collection by its own name, so that nobody writes into a version that is about to be replaced.
    """

    _TRIES = 100  # a reader would have to be overtaken by this many switches during one question

    def __init__(self, store: BaseStore, name: str) -> None:
        self.name = check_name(name, "alias")
        self._store = store

    def __repr__(self) -> str:
        return f"<alias {self.name!r} of {self.target!r}>"

    @property
    def target(self) -> str | None:
        """The name of the collection that it stands for now, or None."""
        return self._store._target(self.name)

    def switch_to(self, collection: BaseCollection | str) -> None:
        """Stand for another collection from now on, in one step: every later question is answered by it alone."""
        name = collection.name if isinstance(collection, BaseCollection) else check_name(collection, "collection")
        names = self._store.collections()
        if name not in names:
            raise StoreError(f"alias {self.name!r}: there is no collection {name!r}; there are: {', '.join(names)}")
        if self.name in names:
            raise StoreError(f"alias {self.name!r}: a collection has that name; call one of the two something else")
        self._store._switch(self.name, name)

    def remove(self) -> None:
        """Stand for nothing from now on; the collection stays."""
        self._store._switch(self.name, None)

    def collection(self) -> BaseCollection:
        """The collection that it stands for now. Raises `StoreError` before the first `switch_to`."""
        target = self.target
        if target is None:
            raise StoreError(f"alias {self.name!r} stands for nothing yet; call .switch_to(collection) first")
        return self._store._reopen(target)

    def search(
        self, vector: Any, k: int = 10, where: Filter | None = None, *, exact: bool | None = None
    ) -> Recommendations:
        """As `search` of the collection; the whole answer comes from one collection."""
        return self._asked(lambda collection: collection.search(vector, k, where, exact=exact))

    def get(self, ids: Iterable[str]) -> dict[str, Point]:
        """As `get` of the collection."""
        labels = check_ids(ids)
        return self._asked(lambda collection: collection.get(labels))

    def count(self) -> int:
        """How many points the collection has."""
        return self._asked(lambda collection: collection.count())

    def _current(self) -> BaseCollection:
        return self.collection()

    def _asked(self, ask: Callable[[BaseCollection], T]) -> T:
        """Ask the current collection; where it was switched away and dropped meanwhile, ask the next one."""
        for _ in range(self._TRIES):
            try:
                return ask(self._current())
            except Gone:
                continue
        raise StoreError(f"alias {self.name!r}: its collection is not there; switch it to one that is")


class BaseStore:
    """Collections and aliases of one database. Use it in `with`, or call `.close()`."""

    def collection(
        self, name: str, dim: int, metric: Metric = "cosine", *, max_norm: float | None = None
    ) -> BaseCollection:
        """Open a collection, or make it: vectors of `dim` components, scored by `metric`.

        `max_norm`, the longest vector that will ever come, is what Redis needs for `metric="dot"`; other stores take it
        and keep to it. Raises `StoreError` where a collection of that name was made in another way.
        """
        check_name(name, "collection")
        if isinstance(dim, bool) or not isinstance(dim, int | np.integer) or not 1 <= dim <= 16_000:
            raise StoreError(f"dim: {dim!r} is no number of components; give a whole number from 1 to 16000")
        if metric not in ("cosine", "dot"):
            raise StoreError(f"metric: {metric!r} is not known; use 'cosine' or 'dot'")
        if max_norm is not None and not 0 < max_norm < np.inf:
            raise StoreError(f"max_norm: {max_norm!r} is no length; give a positive number or None")
        if self._target(name) is not None:
            raise StoreError(f"collection {name!r}: an alias has that name; call one of the two something else")
        asked = About(name, int(dim), metric, None if max_norm is None else float(max_norm))
        opened = self._make(asked)
        if opened.about != asked:
            raise StoreError(
                f"collection {name!r} is there with {opened.about}, not with {asked}; open it as it was made,"
                f" or use another name"
            )
        return opened

    def alias(self, name: str) -> Alias:
        """A name that can be switched from one collection to another."""
        return Alias(self, name)

    def collections(self) -> list[str]:
        """The names of all collections, in order."""
        raise NotImplementedError

    def drop(self, name: str) -> None:
        """Take a collection out with all its points; one that is not there is no error."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of connections, files and the servers that were started for this store."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _make(self, about: About) -> BaseCollection:
        """Open the collection of that name, making it if need be; with what it really is in `.about`."""
        raise NotImplementedError

    def _reopen(self, name: str) -> BaseCollection:
        """Open a collection that is there; raises `Gone` otherwise."""
        raise NotImplementedError

    def _target(self, alias: str) -> str | None:
        raise NotImplementedError

    def _switch(self, alias: str, name: str | None) -> None:
        raise NotImplementedError


def missing_package(package: str, pip: str) -> ModuleNotFoundError:
    """The error for a client that is not installed."""
    return ModuleNotFoundError(f"{package} is not installed; run: python -m pip install {pip}", name=package)


def check_dropped(store: BaseStore, name: str, aliases: Collection[str]) -> None:
    """A collection that an alias stands for is not dropped: its readers would find nothing."""
    if aliases:
        raise StoreError(
            f"collection {name!r}: the alias {sorted(aliases)[0]!r} stands for it; switch the alias to another first"
        )
