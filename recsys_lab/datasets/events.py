"""The event: the only way in for behaviour."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

AttrValue = str | int | float | bool

EVENT_TYPES = ("impression", "clicked_on", "put_to_cart", "removed_from_cart", "buy")
"""What can happen between a shopper and a product."""

EVENT_ATTRS = ("position", "surface", "list_id", "device", "dwell_ms", "price", "quantity", "propensity")
"""The attributes that the course knows; an event may carry others."""

_INT64 = 2**63 - 1
_NO_ATTRS: Mapping[str, AttrValue] = MappingProxyType({})


class DataError(ValueError):
    """Data that breaks the contract; the message names the input, the rule, the first offender and what to do."""


@dataclass(frozen=True)
class Event:
    """One thing that one shopper did with one product.

    `timestamp` is in whole milliseconds since 1970 (UTC). `id` is for deduplication: when it is empty it is made from
    the content, so that the same event sent twice is the same event. Numpy's own numbers become Python's.

    >>> one = Event("ada", "P1", "buy", 1_700_000_000_000, "s1", {"price": 19.9})
    >>> one.id == Event("ada", "P1", "buy", 1_700_000_000_000, "s1", {"price": 19.9}).id
    True
    >>> Event("ada", "P1", "bought", 0, "s1")
    Traceback (most recent call last):
    recsys_lab.datasets.events.DataError: event_type: 'bought' is none of impression, clicked_on, put_to_cart, \
removed_from_cart, buy; use one of these
    """

    user_id: str
    item_id: str
    event_type: str
    timestamp: int
    session_id: str
    event_attr: Mapping[str, AttrValue] = field(default_factory=lambda: _NO_ATTRS)
    id: str = ""

    def __post_init__(self) -> None:
        for name in ("user_id", "item_id", "event_type", "timestamp", "session_id"):
            value = getattr(self, name)
            if isinstance(value, np.generic):
                object.__setattr__(self, name, value.item())
        for name in ("user_id", "item_id", "session_id"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise DataError(f"{name}: {value!r} is not a label; ids are texts that are not empty")
        if self.event_type not in EVENT_TYPES:
            known = ", ".join(EVENT_TYPES)
            raise DataError(f"event_type: {self.event_type!r} is none of {known}; use one of these")
        if isinstance(self.timestamp, bool) or not isinstance(self.timestamp, int) or not 0 <= self.timestamp <= _INT64:
            raise DataError(
                f"timestamp: {self.timestamp!r} is not a whole number of milliseconds since 1970 (int64);"
                f" from seconds: int(seconds * 1000)"
            )
        if not isinstance(self.id, str):
            raise DataError(f"id: {self.id!r} is not a text; leave it out to have it made from the content")
        if self.event_attr is not _NO_ATTRS:
            object.__setattr__(self, "event_attr", MappingProxyType(_checked(self.event_attr)))
        if not self.id:
            object.__setattr__(self, "id", self._content_id())

    def _content_id(self) -> str:
        content = [self.user_id, self.item_id, self.event_type, self.timestamp, self.session_id]
        attrs = {name: _plain(value) for name, value in sorted(self.event_attr.items())}
        text = json.dumps([*content, attrs], ensure_ascii=False, separators=(",", ":"))
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping cannot be pickled or deep-copied, a dict can.
        content = (self.user_id, self.item_id, self.event_type, self.timestamp, self.session_id)
        return type(self), (*content, dict(self.event_attr), self.id)


def _plain(value: AttrValue) -> AttrValue:
    """20.0 as 20: they are the same number, and JSON from a browser does not keep them apart."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _checked(attrs: Any) -> dict[str, AttrValue]:
    if not isinstance(attrs, Mapping):
        raise DataError(f"event_attr: {attrs!r} is not a mapping of names to values; give a dict")
    held = {name: value.item() if isinstance(value, np.generic) else value for name, value in attrs.items()}
    for name, value in held.items():
        if not isinstance(name, str):
            raise DataError(f"event_attr: the name {name!r} is not a text; give each attribute a name in quotes")
        if not isinstance(value, str | int | float | bool):
            raise DataError(
                f"event_attr: {name!r} is {value!r}, which is no text, number or True/False; convert it or leave it out"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise DataError(f"event_attr: {name!r} is {value!r}; leave an unknown value out")
    return held
