"""The one filter language of the course: which products may be recommended at all.

A filter is built from fields, asked of a table of products, and translated by each vector store into its own terms:

>>> import pandas as pd
>>> products = pd.DataFrame({"item_id": ["a", "b"], "price": [20.0, 95.0], "colour": ["red", "blue"]})
>>> where = (field("price") <= 90) & ~field("colour").isin(["green", "blue"])
>>> print(where)
(price <= 90 and not colour in ['green', 'blue'])
>>> where.mask(products).tolist()
[True, False]
>>> where.matches({"price": 20.0, "colour": "red"})
True

**Missing values.** A product without a value satisfies no comparison on that field, neither `==` nor `!=`.
`~` is plain negation of what it stands before, so `~(field("colour") == "red")` keeps a product without a colour, while
`field("colour") != "red"` drops it.

**Kinds.** A text is compared with texts, a number with numbers, True and False with each other; a list is asked what it
`contains`. Anything else is a mistake in the filter and raises `FilterError`: it would only find nothing, quietly.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Value = str | int | float | bool
Op = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in", "contains"]
Mask = NDArray[np.bool_]

_LISTS = (list, tuple, set, frozenset, np.ndarray)
_ORDERED: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class FilterError(ValueError):
    """A filter that cannot be built or asked; the message names the field, the rule and what to do."""


class Filter:
    """What may be recommended. Combine with `&` (and), `|` (or) and `~` (not)."""

    def mask(self, products: pd.DataFrame) -> Mask:
        """True for each row of `products` that passes; shape [rows]. Raises `FilterError` for an unknown field."""
        raise NotImplementedError

    def fields(self) -> Iterator[str]:
        """The names of all fields that the filter asks for, in the order they are written."""
        raise NotImplementedError

    def matches(self, product: Mapping[str, Any]) -> bool:
        """Whether one product passes; a field that it does not have counts as missing."""
        row = {name: [product.get(name)] for name in self.fields()}
        return bool(self.mask(pd.DataFrame(row, dtype=object, index=[0]))[0])

    def __and__(self, other: Filter) -> Filter:
        return And((self, _filter(other)))

    def __or__(self, other: Filter) -> Filter:
        return Or((self, _filter(other)))

    def __rand__(self, other: object) -> Filter:
        return _filter(other) & self

    def __ror__(self, other: object) -> Filter:
        return _filter(other) | self

    def __invert__(self) -> Filter:
        return Not(self)

    def __bool__(self) -> bool:
        # Python's `and`, `or`, `not` and chained comparisons would silently drop half of the filter.
        raise FilterError(
            f"the filter {self} has no truth value: combine filters with & | ~ and put each comparison in brackets"
        )


@dataclass(frozen=True)
class Compare(Filter):
    """One comparison of a field with a value, or with a tuple of values for `in` and `not in`."""

    field: str
    op: Op
    value: Value | tuple[Value, ...]

    def fields(self) -> Iterator[str]:
        """The one field compared."""
        yield self.field

    def mask(self, products: pd.DataFrame) -> Mask:
        """True for each row whose value is there and satisfies the comparison; shape [rows]."""
        if self.field not in products.columns:
            known = ", ".join(map(str, products.columns))
            raise FilterError(f"filter on {self.field!r}: there is no such field; the fields are: {known}")
        column = products[self.field]
        present = column.notna().to_numpy(dtype=bool)
        passed = np.zeros(len(column), dtype=bool)
        if present.any():
            passed[present] = self._compare(column[present])
        return passed

    def _compare(self, column: pd.Series[Any]) -> Mask:
        if self.op == "contains":
            return np.array([_contains(self.field, held, self.value) for held in column], dtype=bool)
        wanted = self.value if isinstance(self.value, tuple) else (self.value,)
        self._check_kind(column, wanted)
        if self.op in ("==", "in"):
            return column.isin(wanted).to_numpy(dtype=bool)
        if self.op in ("!=", "not in"):
            return ~column.isin(wanted).to_numpy(dtype=bool)
        ordered = _ORDERED[self.op](column.to_numpy(), self.value)
        return np.asarray(ordered, dtype=bool)

    def _check_kind(self, column: pd.Series[Any], wanted: tuple[Value, ...]) -> None:
        """Values are compared with their own kind: anything else is a mistake, not an empty result."""
        mixable = column.dtype == object or isinstance(column.dtype, pd.CategoricalDtype)
        kinds = {_kind(held) for held in (set(map(type, column)) if mixable else {type(column.iloc[0])})}
        if len(kinds) > 1:
            raise FilterError(
                f"filter on {self.field!r}: the field mixes {' and '.join(sorted(kinds))};"
                f" convert the column to one kind"
            )
        kind = kinds.pop()
        for value in wanted:
            if _kind(type(value)) != kind:
                raise FilterError(
                    f"filter on {self.field!r}: the field holds {kind}, so it cannot be compared with {value!r};"
                    f" {_ADVICE.get(kind, 'compare a column of texts, numbers or True/False')}"
                )

    def __str__(self) -> str:
        return f"{self.field} {self.op} {list(self.value) if isinstance(self.value, tuple) else self.value!r}"


@dataclass(frozen=True)
class And(Filter):
    """All of the parts hold."""

    parts: tuple[Filter, ...]

    def fields(self) -> Iterator[str]:
        """The fields of all parts."""
        for part in self.parts:
            yield from part.fields()

    def mask(self, products: pd.DataFrame) -> Mask:
        """True where every part is; shape [rows]."""
        passed: Mask = np.logical_and.reduce([part.mask(products) for part in self.parts])
        return passed

    def __str__(self) -> str:
        return "(" + " and ".join(map(str, self.parts)) + ")"


@dataclass(frozen=True)
class Or(Filter):
    """At least one of the parts holds."""

    parts: tuple[Filter, ...]

    def fields(self) -> Iterator[str]:
        """The fields of all parts."""
        for part in self.parts:
            yield from part.fields()

    def mask(self, products: pd.DataFrame) -> Mask:
        """True where some part is; shape [rows]."""
        passed: Mask = np.logical_or.reduce([part.mask(products) for part in self.parts])
        return passed

    def __str__(self) -> str:
        return "(" + " or ".join(map(str, self.parts)) + ")"


@dataclass(frozen=True)
class Not(Filter):
    """The part does not hold."""

    part: Filter

    def fields(self) -> Iterator[str]:
        """The fields of the part."""
        return self.part.fields()

    def mask(self, products: pd.DataFrame) -> Mask:
        """True where the part is False; shape [rows]."""
        return ~self.part.mask(products)

    def __str__(self) -> str:
        return f"not {self.part}"


class field:
    """A field of a product, to be compared: `field("price") <= 90`, `field("name").contains("linen")`."""

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise FilterError(f"field({name!r}): the name of a field is a text that is not empty")
        self.name = name

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, value: Value) -> Filter:  # type: ignore[override]
        return self._compare("==", value)

    def __ne__(self, value: Value) -> Filter:  # type: ignore[override]
        return self._compare("!=", value)

    def __lt__(self, value: Value) -> Filter:
        return self._compare("<", value)

    def __le__(self, value: Value) -> Filter:
        return self._compare("<=", value)

    def __gt__(self, value: Value) -> Filter:
        return self._compare(">", value)

    def __ge__(self, value: Value) -> Filter:
        return self._compare(">=", value)

    def _alone(self, *_: object) -> NoReturn:
        # Without brackets & binds before ==, and `field("on_sale") and ...` would drop the first half.
        raise FilterError(
            f"filter on {self.name!r}: a field alone is no filter; compare it, in brackets:"
            f" (field({self.name!r}) == ...) & (...)"
        )

    __bool__ = __and__ = __rand__ = __or__ = __ror__ = __invert__ = _alone

    def isin(self, values: Collection[Value]) -> Filter:
        """The value is one of `values`; none passes an empty collection."""
        return self._among("in", values)

    def notin(self, values: Collection[Value]) -> Filter:
        """The value is there and is none of `values`."""
        return self._among("not in", values)

    def contains(self, value: Value) -> Filter:
        """A list field holds `value`, or a text field has it as a part (upper and lower case differ)."""
        return self._compare("contains", value)

    def _among(self, op: Op, values: Collection[Value]) -> Filter:
        if isinstance(values, str | bytes) or not isinstance(values, Collection):
            raise FilterError(f"filter on {self.name!r}: {op} takes a list of values, not {values!r}; put it in a list")
        if isinstance(values, set | frozenset):
            values = sorted(values, key=repr)  # a set's own order differs from run to run, and so would str(filter)
        return Compare(self.name, op, tuple(self._value(value) for value in values))

    def _compare(self, op: Op, value: Value) -> Filter:
        if op in _ORDERED and isinstance(value, bool | np.bool_):
            raise FilterError(f"filter on {self.name!r}: {value!r} has no order, so {op} means nothing; use == or !=")
        return Compare(self.name, op, self._value(value))

    def _value(self, value: Any) -> Value:
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(value, str | int | float | bool):
            raise FilterError(
                f"filter on {self.name!r}: {value!r} is no value to compare with; use a text, a number or True/False"
            )
        if isinstance(value, float) and math.isnan(value):
            raise FilterError(f"filter on {self.name!r}: NaN equals nothing; leave the comparison out")
        return value


_ADVICE = {
    "text": "give text in quotes",
    "numbers": "give a number",
    "True or False": "give True or False",
    "lists": "use .contains(...)",
}


def _kind(held: type) -> str:
    """The kind of a value, for people: values of two kinds are never compared."""
    if issubclass(held, str):
        return "text"
    if issubclass(held, bool | np.bool_):  # before numbers: in Python True is a 1
        return "True or False"
    if issubclass(held, int | float | np.integer | np.floating):
        return "numbers"
    if issubclass(held, _LISTS):
        return "lists"
    return f"values of type {held.__name__}"


def _filter(thing: object) -> Filter:
    if not isinstance(thing, Filter):
        raise FilterError(f"{thing!r} is not a filter; write field(...) == ..., in brackets, on both sides of & and |")
    return thing


def _contains(name: str, held: Any, value: Any) -> bool:
    if isinstance(held, str):
        if not isinstance(value, str):
            raise FilterError(
                f"filter on {name!r}: the field holds text, so it cannot contain {value!r}; give text in quotes"
            )
        return value in held
    if isinstance(held, _LISTS):
        return any(_kind(type(part)) == _kind(type(value)) and part == value for part in held)
    raise FilterError(f"filter on {name!r}: contains works on text and on lists, not on {type(held).__name__}")
