"""The half of the adapter that is given: a folder with LanceDB tables, which collections it holds, and the aliases.

A LanceDB database is a folder and a table is a folder in it: no server, no login, no lock. What a database has for
several people at once is therefore made here, out of two small tables. Each write to a table of LanceDB is one new
version of it, and a reader sees one version or the next.

- **collections**: the name, how it was made, and the table that holds its points. Each collection that is made gets a
  table of a new name, so that nobody who held a dropped one writes into its successor.
- **aliases**: a name and the collection that it stands for. A switch is one version of that table.

One process writes at a time; any number of them read.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from recsys_lab.stores import About, BaseCollection, BaseStore, Gone, StoreError
from recsys_lab.stores.base import check_dropped, missing_package
from recsys_lab.stores.checks import check_name

T = TypeVar("T")

LANCE_ERRORS = (RuntimeError, ValueError, OSError)  # LanceDB has no error class of its own

_COLLECTIONS = pa.schema(
    [
        pa.field("name", pa.string()),
        pa.field("dim", pa.int64()),
        pa.field("metric", pa.string()),
        pa.field("max_norm", pa.float64()),
        pa.field("points", pa.string()),  # the table that holds them
    ]
)
_ALIASES = pa.schema([pa.field("name", pa.string()), pa.field("target", pa.string())])


class LanceStore(BaseStore):
    """`lancedb:///folder`; the folder is made where it is missing. `kind` is the class of its collections: yours."""

    def __init__(self, url: str, kind: type[GivenCollection]) -> None:
        try:
            import lancedb
        except ModuleNotFoundError:
            raise missing_package("lancedb", "'lancedb>=0.40,<0.41'") from None
        parts = urlsplit(url)
        folder = unquote(parts.path)
        if parts.netloc or folder in ("", "/"):
            raise StoreError(f"{url!r}: name a folder with three slashes, for example lancedb:///home/me/shop")
        self.kind = kind
        self.lock = threading.RLock()
        """Held by whoever writes."""
        try:
            # With no interval LanceDB would show a reader the version that it opened, for ever
            self.database: Any = lancedb.connect(folder, read_consistency_interval=timedelta(0))
            self._collections = self.database.create_table("collections", schema=_COLLECTIONS, exist_ok=True)
            self._aliases = self.database.create_table("aliases", schema=_ALIASES, exist_ok=True)
        except LANCE_ERRORS as error:
            raise StoreError(f"LanceDB cannot open {folder!r}: {error}") from error

    def collections(self) -> list[str]:
        """The names of all collections, in order."""
        return sorted(self._made())

    def drop(self, name: str) -> None:
        """Take a collection out with all its points."""
        check_name(name, "collection")
        with self.lock:
            targets = _rows(self._aliases)
            check_dropped(self, name, [row["name"] for row in targets.values() if row["target"] == name])
            made = self._made().get(name)
            if made is not None:  # off the list first: from here on every reader is told that it is gone
                self._collections.delete(_is(name))
                self.database.drop_table(made["points"], ignore_missing=True)

    def table_of(self, name: str) -> str | None:
        """The name of the table that holds a collection's points now; None where there is no such collection."""
        made = self._made().get(name)
        return None if made is None else str(made["points"])

    def _made(self) -> dict[str, Any]:
        return _rows(self._collections)

    def _make(self, about: About) -> BaseCollection:
        with self.lock:
            if about.name not in self._made():
                points = f"points_{about.name}_{uuid.uuid4().hex}"
                self.database.create_table(points, schema=self.kind.schema(about.dim))
                row = {"name": about.name, "dim": about.dim, "metric": about.metric, "max_norm": about.max_norm}
                _put(self._collections, {**row, "points": points})
        return self._reopen(about.name)

    def _reopen(self, name: str) -> BaseCollection:
        made = self._made().get(name)
        if made is None:
            raise Gone(f"collection {name!r} is not there any more")
        try:
            table = self.database.open_table(made["points"])
        except LANCE_ERRORS as error:
            raise Gone(f"collection {name!r} is not there any more ({error})") from error
        return self.kind(self, About(name, made["dim"], made["metric"], made["max_norm"]), table)

    def _target(self, alias: str) -> str | None:
        row = _rows(self._aliases).get(alias)
        return None if row is None else str(row["target"])

    def _switch(self, alias: str, name: str | None) -> None:
        with self.lock:
            if name is None:
                self._aliases.delete(_is(alias))
            else:
                _put(self._aliases, {"name": alias, "target": name})


class GivenCollection(BaseCollection):
    """A collection with its LanceDB table. What stores points and finds them is yours: see `lance_store.py`."""

    def __init__(self, store: LanceStore, about: About, table: Any) -> None:
        super().__init__(about)
        self.store = store
        self.table = table

    @classmethod
    def schema(cls, dim: int) -> pa.Schema:
        """The columns of a new table, before any payload has come."""
        raise NotImplementedError("schema: say which columns a table has that holds points of `dim` components")

    def ask(self, do: Callable[[Any], T]) -> T:
        """`do(table)`, with LanceDB's errors made ours; `Gone` where the collection was dropped before it ended.

        The files of a dropped table go one by one, the newest perhaps first: a reader may find an older version and
        no error. So an answer counts only when the collection is still there after it.
        """
        trouble: Exception | None = None
        try:
            answer = do(self.table)
        except NotImplementedError:  # a RuntimeError, but no word of LanceDB's: something is still to be written
            raise
        except LANCE_ERRORS as error:
            trouble = error
        if self.store.table_of(self.name) != self.table.name:
            raise Gone(f"collection {self.name!r} is not there any more") from trouble
        if trouble is not None:
            raise StoreError(f"LanceDB refused: {trouble}") from trouble
        return answer


def _rows(table: Any) -> dict[str, Any]:
    return {row["name"]: row for row in table.to_arrow().to_pylist()}


def _put(table: Any, row: dict[str, Any]) -> None:
    rows = pa.Table.from_pylist([row], schema=table.schema)
    table.merge_insert("name").when_matched_update_all().when_not_matched_insert_all().execute(rows)


def _is(name: str) -> Any:
    from lancedb.expr import col, lit

    return col("name") == lit(name)
