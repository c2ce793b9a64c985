"""What a shopper's record keeps for the shop: the cart, and each purchase with its time."""

# ruff: noqa: D102 - the base class says what the methods of an accumulator do

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recsys_lab.datasets import Event
from recsys_lab.realtime import Accumulator, Own, Question
from recsys_lab.realtime.accumulators import Facts
from recsys_lab.recommender import Floats

_CART, _BOUGHT = "cart/", "bought/"


@dataclass(frozen=True)
class Belongings(Accumulator):
    """Whether the product lies in the cart. A record has it however many clicks ago that was.

    Fields: "cart/<product>" is the time it was put there, 0 once it was taken out or bought;
    "bought/<time>/<product>" counts purchases.
    """

    name = "in_cart"
    events = ("put_to_cart", "removed_from_cart", "buy")

    def update(self, event: Event, facts: Facts) -> Iterator[Own]:
        put = event.event_type == "put_to_cart"
        yield Own(f"{_CART}{event.item_id}", event.timestamp if put else 0, "last")
        if event.event_type == "buy":
            yield Own(f"{_BOUGHT}{event.timestamp}/{event.item_id}")

    def features(self, asked: Question) -> Mapping[str, Floats]:
        return {"in_cart": np.array([asked.visit.own.get(_CART + item, 0) > 0 for item in asked.items], dtype=float)}


def cart_of(own: Mapping[str, int], waiting: Sequence[Event] = ()) -> list[str]:
    """The products in the cart, in the order in which they were put there.

    >>> cart_of({"cart/hat": 9, "cart/boot": 5, "cart/coat": 0})
    ['boot', 'hat']
    """
    held = {field.removeprefix(_CART): time for field, time in own.items() if time and field.startswith(_CART)}
    for event in waiting:
        if event.event_type == "put_to_cart":
            held[event.item_id] = event.timestamp
        elif event.event_type in Belongings.events:
            held.pop(event.item_id, None)
    return sorted(held, key=lambda item: (held[item], item))


def bought_of(own: Mapping[str, int], after_ms: int) -> dict[str, tuple[int, int]]:
    """What was bought after a time: product → (times, time of the last).

    >>> bought_of({"bought/5/hat": 1, "bought/9/hat": 2, "bought/3/boot": 1}, after_ms=4)
    {'hat': (3, 9)}
    """
    made: dict[str, tuple[int, int]] = {}
    for field, count in own.items():
        if field.startswith(_BOUGHT):
            time, _, item = field.removeprefix(_BOUGHT).partition("/")
            if int(time) > after_ms:
                times, last = made.get(item, (0, 0))
                made[item] = times + count, max(last, int(time))
    return made
