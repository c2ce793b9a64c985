"""How payloads stand in a vector set's attributes, and how a filter is asked of them.

FILTER is one string without quoting, so it is made of names in hex, words in hex and plain numbers alone. A field that
a point lacks would make the whole filter false, so every point has all fields, and `has` names those that are real.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from recsys_lab.filters import Filter
from recsys_lab.stores.checks import LISTS, NUMBERS, Payload, StoreError
from recsys_lab.stores.translate import Dialect, translate


def key_of(name: str) -> str:
    """How a field is called in attributes and filters.

    >>> key_of("price")
    'f7072696365'
    """
    return "f" + name.encode().hex()


def from_hex(text: bytes) -> str:
    """The text whose UTF-8 stands there in hex."""
    return bytes.fromhex(text.decode()).decode()


def stand_in(kind: str) -> Any:
    """What a point has under a field that it lacks."""
    return {NUMBERS: 0, LISTS: []}.get(kind, "")


def _word(value: Any) -> str:
    """A value as a text that FILTER can compare for equality: its kind, then what it is."""
    if isinstance(value, str):
        return "t" + value.encode().hex()
    return f"b{int(value)}" if isinstance(value, bool) else f"n{float(value) + 0.0!r}"  # -0.0 is 0.0


def encoded(payload: Payload, fields: dict[str, str]) -> dict[str, Any]:
    """The attributes of a point, with every field of its collection."""
    attributes: dict[str, Any] = {key_of(name): stand_in(kind) for name, kind in fields.items()}
    for name, value in payload.items():
        if isinstance(value, list):
            attributes[key_of(name)] = [_word(part) for part in value]
        else:
            attributes[key_of(name)] = _word(value) if isinstance(value, str | bool) else value
    return attributes | {"has": [key_of(name) for name in payload]}


def decoded(attributes: bytes) -> Payload:
    """The payload that `encoded` was given."""
    held = json.loads(attributes)
    return {from_hex(key[1:].encode()): _plain(held[key]) for key in held["has"]}


def _plain(held: Any) -> Any:
    if isinstance(held, list):
        return [_plain(part) for part in held]
    if not isinstance(held, str):
        return held
    if held.startswith("t"):
        return from_hex(held[1:].encode())
    return held == "b1" if held.startswith("b") else float(held[1:])


def filter_of(where: Filter, fields: Mapping[str, str], texts: Callable[[str], Iterable[str]]) -> str:
    """The filter as a FILTER; `texts` gives all texts of a field."""
    return translate(where, fields, _RedisDialect(texts))


class _RedisDialect(Dialect[str]):
    """FILTER's own little language. Only names in hex, words in hex and plain numbers ever stand in it."""

    def __init__(self, texts: Callable[[str], Iterable[str]]) -> None:
        self._texts = texts

    def texts(self, name: str) -> Iterable[str]:
        return self._texts(name)

    def nothing(self) -> str:
        return "(1 == 0)"

    def present(self, name: str) -> str:
        return f'("{key_of(name)}" in .has)'

    def among(self, name: str, kind: str, values: Sequence[Any]) -> str:
        if kind == NUMBERS:
            some = f".{key_of(name)} in [{', '.join(_number(value) for value in values)}]"
            return f"({self.present(name)} and {some})"
        return f".{key_of(name)} in [{', '.join(_quoted(value) for value in values)}]"

    def ordered(self, name: str, op: str, value: float) -> str:
        return f"({self.present(name)} and .{key_of(name)} {op} {_number(value)})"

    def holds(self, name: str, value: Any) -> str:
        return f"({_quoted(value)} in .{key_of(name)})"

    def both(self, parts: Sequence[str]) -> str:
        return "(" + " and ".join(parts) + ")"

    def either(self, parts: Sequence[str]) -> str:
        return "(" + " or ".join(parts) + ")"

    def negate(self, part: str) -> str:
        return f"(not ({part}))"


def _quoted(value: Any) -> str:
    return f'"{_word(value)}"'


def _number(value: float) -> str:
    """A number without an exponent: FILTER reads no sign behind an e.

    >>> _number(1.5e-07), _number(1e22), _number(-3)
    ('0.00000015', '10000000000000000000000', '-3')
    """
    written = format(Decimal(repr(value)), "f")
    if len(written) > 200:
        raise StoreError(f"filter: Redis cannot read a number as long as {value!r}; compare with a rounder one")
    return written
