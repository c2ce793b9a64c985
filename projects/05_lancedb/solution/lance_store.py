"""LanceDB behind the course's protocol: one way to write the seven methods.

**Columns.** `id`, `vector`, the whole payload as JSON (that is what `get` returns), and what filters ask: one column
for each field, and `has`, the list of the fields that a point really has. A field's column is named by its kind and
the hex of its name, so that a quote, a dot or a capital in a name cannot mean anything to LanceDB, and the table itself
says which fields it has.

**Values.** LanceDB's filter language is SQL text. Nothing is written into such a text here: filters are built from
`col` and `lit` (lancedb.expr), where a value stays a value.

**Missing values.** In SQL a comparison with NULL is NULL, and so is its negation. `has` is never NULL, and
`false AND NULL` is false: each comparison stands behind "the point has this field", and is true or false for all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from lance_given import GivenCollection, LanceStore

from recsys_lab.filters import Filter
from recsys_lab.stores import Point
from recsys_lab.stores.checks import LISTS, NUMBERS, TEXT, TRUTH, Payload, Vectors
from recsys_lab.stores.translate import Dialect, translate

if TYPE_CHECKING:
    from lancedb.expr import Expr

_PAGE = 1000
_LETTER = {TEXT: "t", NUMBERS: "n", TRUTH: "b", LISTS: "l"}
_KIND = {letter: kind for kind, letter in _LETTER.items()}
_TYPE = {TEXT: pa.string(), NUMBERS: pa.float64(), TRUTH: pa.bool_(), LISTS: pa.string()}


class LanceCollection(GivenCollection):
    """One table. Vectors of a cosine collection have length 1, so the inner product serves both metrics."""

    batch = 10_000  # each batch is a version of the table, with files of its own

    @classmethod
    def schema(cls, dim: int) -> pa.Schema:
        """The columns of a new table, before any payload has come."""
        kept = [("id", pa.string()), ("vector", pa.list_(pa.float32(), dim)), ("payload", pa.string())]
        return pa.schema([*kept, ("has", pa.string())])

    def create_index(self) -> None:
        """Make LanceDB's graph index (IVF_HNSW_SQ): asked with `exact=False` alone, for it may miss some."""
        from lancedb.index import HnswSq

        with self.store.lock:
            self.ask(lambda table: table.create_index("vector", config=HnswSq(distance_type="dot"), replace=True))

    def explain(self, vector: Any, k: int = 10, where: Filter | None = None, *, exact: bool | None = None) -> str:
        """What LanceDB does for a question, step by step: whether an index ran, and where the filter stands."""
        query = self._query(vector)
        if where is not None and not self._ready(where):
            return "no search: the collection is empty"
        return str(self.ask(lambda table: self._asked(table, query, k, where, exact).explain_plan()))

    # -- the seven methods ------------------------------------------------------------------------------------------

    def _write(self, ids: list[str], vectors: Vectors, payloads: list[Payload]) -> None:
        def put(table: Any) -> None:
            schema = table.schema
            flat = pa.array(vectors.reshape(-1), type=pa.float32())
            columns: dict[str, Any] = {
                "id": ids,
                "vector": pa.FixedSizeListArray.from_arrays(flat, self.about.dim),
                "payload": [json.dumps(payload) for payload in payloads],
                "has": [_marked(map(_hex, payload)) for payload in payloads],
            }
            for name, kind in _fields(schema).items():
                columns[_column(name, kind)] = [_kept(payload.get(name), kind) for payload in payloads]
            rows = pa.Table.from_pydict(columns, schema=schema)
            table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)

        with self.store.lock:  # nobody adds a column between the look at the schema and the write
            self.ask(put)

    def _remove(self, ids: list[str]) -> None:
        with self.store.lock:
            self.ask(lambda table: table.delete(_among("id", ids)))

    def _read(self, ids: list[str]) -> Iterable[Point]:
        for start in range(0, len(ids), _PAGE):
            part = ids[start : start + _PAGE]
            found = self.ask(partial(_those, part))
            for label, vector, payload in zip(found["id"], _matrix(found), found["payload"], strict=True):
                yield Point(label.as_py(), vector, json.loads(payload.as_py()))

    def _nearest(self, query: Vectors, n: int, where: Filter | None, exact: bool | None) -> Sequence[tuple[str, float]]:
        """Scores are computed anew in float64: LanceDB's `_distance` is 1 - x·y, in float32."""

        found = self.ask(lambda table: self._asked(table, query, n, where, exact).to_arrow())
        scores = _matrix(found).astype(np.float64) @ query.astype(np.float64)
        best = np.argsort(-scores, kind="stable").tolist()
        labels = found["id"].to_pylist()
        return [(labels[at], float(scores[at])) for at in best]

    def _asked(self, table: Any, query: Vectors, n: int, where: Filter | None, exact: bool | None) -> Any:
        asked = table.search(query).distance_type("dot").select(["id", "vector", "_distance"]).limit(n)
        if where is not None:  # before the search, which is LanceDB's default and not every database's
            asked = asked.where(translate(where, self._fields, _LanceDialect()), prefilter=True)
        return asked if exact is False else asked.bypass_vector_index()

    def _count(self) -> int:
        return int(self.ask(lambda table: table.count_rows()))

    def _load_fields(self) -> dict[str, str]:
        return self.ask(lambda table: _fields(table.schema))

    def _learn(self, given: dict[str, str]) -> dict[str, str]:
        def add(table: Any) -> dict[str, str]:
            known = _fields(table.schema)
            new = {name: kind for name, kind in given.items() if name not in known}
            if new:  # nothing is rewritten: the points that are there have no value in it
                table.add_columns([pa.field(_column(name, kind), _TYPE[kind]) for name, kind in new.items()])
            return known | new

        with self.store.lock:
            return self.ask(add)


def open_lance(url: str) -> LanceStore:
    """What `stores.register("lancedb", open_lance)` needs."""
    return LanceStore(url, LanceCollection)


def _hex(name: str) -> str:
    return name.encode().hex()


def _column(name: str, kind: str) -> str:
    return f"{_LETTER[kind]}_{_hex(name)}"


def _fields(schema: pa.Schema) -> dict[str, str]:
    columns = [name for name in schema.names if name[1] == "_"]
    return {bytes.fromhex(name[2:]).decode(): _KIND[name[0]] for name in columns}


def _kept(value: Any, kind: str) -> Any:
    """What a field's column holds; a list is kept as the marks of its elements."""
    if value is None or kind in (TEXT, TRUTH):
        return value
    return _number(value) if kind == NUMBERS else _marked(map(_mark, value))


def _number(value: float) -> float:
    return float(value) + 0.0  # LanceDB holds -0.0 to be less than 0.0; this makes it 0.0


def _mark(value: Any) -> str:
    """An element of a list as a text, its kind with it: 3 and 3.0 are the same, True and "True" are not.

    >>> _mark(3), _mark(True), _mark("a|b")
    ('n3.0', 'bTrue', 't617c62')
    """
    if isinstance(value, str):
        return "t" + _hex(value)
    return f"b{value}" if isinstance(value, bool) else f"n{_number(value)!r}"


def _marked(marks: Iterable[str]) -> str:
    """Marks between bars; no mark has one in it.

    >>> _marked(["n3.0", "t61"]), _marked([])
    ('|n3.0|t61|', '|')
    """
    return "".join(["|", *(f"{mark}|" for mark in marks)])


def _matrix(found: pa.Table) -> Vectors:
    column = found["vector"].combine_chunks()
    return np.asarray(column.flatten(), dtype=np.float32).reshape(len(column), column.type.list_size)


def _those(ids: list[str], table: Any) -> pa.Table:
    return table.search().where(_among("id", ids)).select(["id", "vector", "payload"]).limit(len(ids)).to_arrow()


def _among(column: str, values: Sequence[Any]) -> Expr:
    from lancedb.expr import col, lit

    return col(column).isin([lit(value) for value in values])


class _LanceDialect(Dialect["Expr"]):
    """Expressions of typed literals. Each comparison stands behind `present`, which is never NULL."""

    def __init__(self) -> None:
        from lancedb.expr import col, lit

        self._col, self._lit = col, lit

    def nothing(self) -> Expr:
        return self._lit(False)

    def present(self, name: str) -> Expr:
        return self._col("has").contains(f"|{_hex(name)}|")

    def among(self, name: str, kind: str, values: Sequence[Any]) -> Expr:
        wanted = [_number(value) if kind == NUMBERS else value for value in values]
        return self.present(name) & _among(_column(name, kind), wanted)

    def ordered(self, name: str, op: str, value: float) -> Expr:
        return self._compared(name, NUMBERS, op, _number(value))

    def text_ordered(self, name: str, op: str, value: str) -> Expr:
        return self._compared(name, TEXT, op, value)  # bytes of UTF-8, which is the order of code points

    def part(self, name: str, value: str) -> Expr:
        return self.present(name) & self._col(_column(name, TEXT)).contains(value)

    def holds(self, name: str, value: Any) -> Expr:
        return self.present(name) & self._col(_column(name, LISTS)).contains(f"|{_mark(value)}|")

    def both(self, parts: Sequence[Expr]) -> Expr:
        return reduce(lambda left, right: left & right, parts)

    def either(self, parts: Sequence[Expr]) -> Expr:
        return reduce(lambda left, right: left | right, parts)

    def negate(self, part: Expr) -> Expr:
        return ~part

    def _compared(self, name: str, kind: str, op: str, value: float | str) -> Expr:
        column = self._col(_column(name, kind))
        ways: Mapping[str, Any] = {"<": column.lt, "<=": column.lte, ">": column.gt, ">=": column.gte}
        compared: Expr = ways[op](value)
        return self.present(name) & compared
