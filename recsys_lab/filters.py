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
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Value = str | int | float | bool
Op = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in", "contains"]
Mask = NDArray[np.bool_]

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

    def __invert__(self) -> Filter:
        return Not(self)

    def __bool__(self) -> bool:
        # Python's `and`, `or`, `not` and chained comparisons would silently drop half of the filter.
        raise FilterError("a filter has no truth value: combine filters with & | ~ and put each comparison in brackets")


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
        """Text is compared with text and numbers with numbers: anything else is a mistake, not an empty result."""
        held_text = isinstance(column.iloc[0], str)
        for value in wanted:
            if isinstance(value, str) != held_text:
                kind = "text" if held_text else f"of kind {type(column.iloc[0]).__name__}"
                raise FilterError(
                    f"filter on {self.field!r}: the field is {kind}, so it cannot be compared with {value!r};"
                    f" give {'text in quotes' if held_text else 'a number'}"
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
        return np.logical_and.reduce([part.mask(products) for part in self.parts])

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
        return np.logical_or.reduce([part.mask(products) for part in self.parts])

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
        if isinstance(values, str) or not isinstance(values, Collection):
            raise FilterError(f"filter on {self.name!r}: {op} takes a list of values, not {values!r}; put it in a list")
        return Compare(self.name, op, tuple(self._value(value) for value in values))

    def _compare(self, op: Op, value: Value) -> Filter:
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


def _filter(thing: object) -> Filter:
    if not isinstance(thing, Filter):
        raise FilterError(f"{thing!r} is not a filter; write field(...) == ..., in brackets, on both sides of & and |")
    return thing


def _contains(name: str, held: Any, value: Any) -> bool:
    if isinstance(held, str):
        if not isinstance(value, str):
            raise FilterError(
                f"filter on {name!r}: the field is text, so it cannot contain {value!r}; give text in quotes"
            )
        return value in held
    if isinstance(held, list | tuple | set | frozenset | np.ndarray):
        return value in held
    raise FilterError(f"filter on {name!r}: contains works on text and on lists, not on {type(held).__name__}")
