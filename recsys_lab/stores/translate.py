"""From the course's filter language to a database's own: one walk for all, and a `Dialect` for each database.

The rules of `recsys_lab.filters` hold to the letter, and the two that databases break by themselves are kept here: a
missing value satisfies no comparison, not even `!=`, and `~` is plain negation, so it keeps what is missing. Each part
that a dialect returns is therefore true or false for every point, never "unknown".
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import pandas as pd

from recsys_lab.filters import And, Compare, Filter, FilterError, Not, Or
from recsys_lab.stores.checks import LISTS, NUMBERS, TEXT, TRUTH, StoreError, storable

T = TypeVar("T")

EXAMPLE: dict[str, Any] = {TEXT: "", NUMBERS: 0.0, TRUTH: False, LISTS: []}

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Dialect(Generic[T]):
    """How one database says each thing. Fields are names as the user gave them; values are checked."""

    def nothing(self) -> T:
        """No point passes."""
        raise NotImplementedError

    def present(self, name: str) -> T:
        """The point has a value there."""
        raise NotImplementedError

    def among(self, name: str, kind: str, values: Sequence[Any]) -> T:
        """The value is there and is one of `values`, of which there is at least one."""
        raise NotImplementedError

    def ordered(self, name: str, op: str, value: float) -> T:
        """The number is there and stands so to `value`, which is finite."""
        raise NotImplementedError

    def holds(self, name: str, value: Any) -> T:
        """The list has `value` as an element, of its own kind."""
        raise NotImplementedError

    def both(self, parts: Sequence[T]) -> T:
        """All of the parts."""
        raise NotImplementedError

    def either(self, parts: Sequence[T]) -> T:
        """At least one of the parts."""
        raise NotImplementedError

    def negate(self, part: T) -> T:
        """Exactly the points that `part` leaves out."""
        raise NotImplementedError

    def texts(self, name: str) -> Iterable[str]:
        """All texts that the field holds, each once: for databases that cannot compare or search texts themselves."""
        raise NotImplementedError

    def text_ordered(self, name: str, op: str, value: str) -> T:
        """The text is there and stands so to `value`, by code points."""
        return self._those(name, lambda held: _ORDER[op](held, value))

    def part(self, name: str, value: str) -> T:
        """The text is there and has `value`, which is not empty, in it."""
        return self._those(name, lambda held: value in held)

    def _those(self, name: str, passes: Callable[[str], bool]) -> T:
        values = [held for held in self.texts(name) if passes(held)]
        return self.among(name, TEXT, values) if values else self.nothing()


def check_filter(where: Filter, fields: Mapping[str, str]) -> None:
    """Raise the filter's own `FilterError` for an unknown field or a wrong kind, by asking it of one example."""
    names = dict.fromkeys(where.fields())
    unknown = next((name for name in names if name not in fields), None)
    if unknown is not None:
        known = ", ".join(sorted(fields)) or "none, no payload was ever given"
        raise FilterError(f"filter on {unknown!r}: there is no such field; the fields are: {known}")
    where.mask(pd.DataFrame({name: pd.Series([EXAMPLE[fields[name]]], dtype=object) for name in names}, index=[0]))


def translate(where: Filter, fields: Mapping[str, str], dialect: Dialect[T]) -> T:
    """The filter in the database's terms; `fields` maps names to kinds, and `check_filter` has passed."""
    if isinstance(where, And):
        return dialect.both([translate(part, fields, dialect) for part in where.parts])
    if isinstance(where, Or):
        return dialect.either([translate(part, fields, dialect) for part in where.parts])
    if isinstance(where, Not):
        return dialect.negate(translate(where.part, fields, dialect))
    if isinstance(where, Compare):
        return _compare(where, fields[where.field], dialect)
    raise FilterError(f"{where}: a store knows comparisons, and, or and not; build the filter from field(...)")


def _compare(where: Compare, kind: str, dialect: Dialect[T]) -> T:
    name, value = where.field, where.value
    if where.op == "contains":
        return _contains(name, kind, value, dialect)
    if where.op in _ORDER:
        return _ordered(name, kind, where.op, value, dialect)
    wanted = [one for one in (value if isinstance(value, tuple) else (value,)) if _can_be_held(one)]
    some = dialect.among(name, kind, wanted) if wanted else dialect.nothing()
    if where.op in ("==", "in"):
        return some
    return dialect.both([dialect.present(name), dialect.negate(some)])


def _contains(name: str, kind: str, value: Any, dialect: Dialect[T]) -> T:
    if not _can_be_held(value):
        return dialect.nothing()
    if kind == LISTS:
        return dialect.holds(name, value)
    return dialect.part(name, value) if value else dialect.present(name)


def _ordered(name: str, kind: str, op: str, value: Any, dialect: Dialect[T]) -> T:
    if kind == TEXT:
        if not storable(value):
            raise StoreError(f"filter on {name!r}: {value!r} holds a zero byte or half of a character; take it out")
        return dialect.text_ordered(name, op, value)
    if math.isinf(value):  # no stored number is infinite, and not every database can be asked
        return dialect.present(name) if _ORDER[op](0.0, value) else dialect.nothing()
    return dialect.ordered(name, op, value)


def _can_be_held(value: Any) -> bool:
    if isinstance(value, str):
        return storable(value)
    return isinstance(value, bool) or math.isfinite(value)
