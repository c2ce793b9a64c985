"""How the answer to exercise 5 of chapter 06, an accumulator, is checked: what is wrong, in words; None: nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import Event
from recsys_lab.exercises.checks_06 import numbers
from recsys_lab.exercises.exercise import Blank, Stopped, ask, shown
from recsys_lab.exercises.placeholder import is_blank
from recsys_lab.recommender import Floats

_ITEMS = ("coat", "belt", "ring", "sock")
_NOW = 1_700_000_000_000
_LATER = _NOW + 5000
_CART: tuple[Sequence[str], ...] = (
    ["put_to_cart"] * 6 + ["removed_from_cart"] * 3,
    ["put_to_cart"] * 3 + ["removed_from_cart"] * 2,
    ["put_to_cart"] * 2,
    [],
)
"""What was done with each of the products."""


@cache
def _carts() -> tuple[Event, ...]:
    times = range(1000)
    told = [(item, kind) for item, kinds in zip(_ITEMS, _CART, strict=True) for kind in (*kinds, "clicked_on")]
    return tuple(
        Event(f"u{at % 3}", item, kind, _NOW + at, f"v{at % 3}", {}, f"c{at}")
        for at, (item, kind) in zip(times, told, strict=False)
    )


def _counts() -> tuple[Floats, Floats]:
    put, out = (
        np.array([kinds.count(kind) for kinds in _CART], dtype=float) for kind in ("put_to_cart", "removed_from_cart")
    )
    return put, out


_WRONG_SHARES: tuple[tuple[Callable[[Floats, Floats], Floats], str], ...] = (
    (
        lambda put, out: out / put,
        "a product that nobody put into a cart has 0 / 0, which is no number. (out + 1) / (put + 2).",
    ),
    (lambda put, out: (put + 1) / (out + 2), "the share is upside down: what was taken out, for what was put in."),
    (
        lambda put, out: (out + 1) / (put + out + 2),
        "what was taken out had been put in before, so it is already among put. (out + 1) / (put + 2).",
    ),
    (
        lambda put, out: 1 / (put + out + 2),
        "what was taken out never grows: it is counted among what was put in. The kind of the event names the table.",
    ),
)
_NEVER_OUT = (
    "what was taken out never grows. It has a table of its own, which the kind of the event names, and that kind has to"
    " stand in `events`."
)


def own(accumulator: Any) -> str | None:
    """An accumulator in a live state: its feature by hand, and the same after a replay."""
    from recsys_lab.realtime import Accumulator  # the checkers of other chapters need none of it

    if not isinstance(accumulator, type):
        return f"TakenOut should be a class that inherits from Accumulator, and it is {shown(accumulator)}."
    if not issubclass(accumulator, Accumulator):
        return "TakenOut should inherit from Accumulator: class TakenOut(Accumulator)."
    if any(is_blank(part) for part in vars(accumulator).values()):
        raise Blank("TakenOut still has a ____")
    live, frame, column = _in_a_live(accumulator)
    if column is not None and not isinstance(column, str) and np.ndim(column) == 0:
        return (
            f"taken_out is one number, {shown(column)}, for all products. A number for each is wanted, an array: the"
            " columns as they are, without a sum or a mean."
        )
    values = numbers(frame.get("taken_out"), len(_ITEMS))
    if values is None:
        return 'features should answer with columns by name, {"taken_out": …}, a number for each product.'
    if not live.state().tables and len(set(values.tolist())) > 1:
        return (
            "something is kept in the accumulator itself: another process would not know it, and update may be asked"
            " twice about one event. All that it knows has to be in tables: yield Add(…)."
        )
    put, out = _counts()
    return None if np.allclose(values, (out + 1) / (put + 2)) else _wrong_share(live, column, values)


def _wrong_share(live: Any, column: Any, values: Floats) -> str:
    """What is wrong with numbers that are there, but not the right ones."""
    if isinstance(column, pd.Series) and np.isnan(values).any():
        return (
            "taken_out is a Series whose labels are not the products', so its numbers find no product. Give an array:"
            " what asked.column answers, or .to_numpy()."
        )
    put, out = _counts()
    with np.errstate(all="ignore"):
        for formula, diagnosis in _WRONG_SHARES:
            if np.allclose(values, formula(put, out), equal_nan=True):
                return diagnosis
    wanted = (out + 1) / (put + 2)
    at = int(np.argmin(np.isclose(values, wanted)))
    return _not_counted(live, values) or (
        f"a product that was put into a cart {put[at]:g} times and taken out {out[at]:g} times should have"
        f" {wanted[at]:.3f}, and it has {values[at]:.3f}."
    )


def _not_counted(live: Any, values: Floats) -> str | None:
    """What is wrong between update and wants, where the numbers that features reads are 0."""
    tables = live.state().tables
    put, out = _counts()
    if not tables and np.allclose(values, 0.5):
        return "every product has 0.5: nothing is counted. update yields Add(table, event.item_id) for each event."
    of_products = {name: table for name, table in tables.items() if set(_ITEMS) & set(table)}
    if tables and not of_products and np.allclose(values, 0.5):
        return (
            f"every product has 0.5: what is counted stands under {', '.join(sorted(next(iter(tables.values()))))}, and"
            " not under products. The field is event.item_id."
        )
    wants = live.accumulators[0].wants(_asked(live))
    counted = sum(sum(table.values()) for table in of_products.values())
    if counted == put.sum() + out.sum() and not set(of_products) <= set(wants):
        added, asked = (", ".join(map(repr, sorted(names))) or "none" for names in (of_products, wants))
        return (
            f"update counts, but features does not read it: update adds to {added}, and wants asks for {asked}. A table"
            " has one name in update, wants and column."
        )
    return _NEVER_OUT if np.allclose(values, 1 / (put + 2)) else None


def _in_a_live(accumulator: Any) -> tuple[Any, Any, Any]:
    """A live state with the learner's accumulator alone, a frame of its features, and the column as it was answered."""
    from recsys_lab.realtime import Live

    def your_accumulator() -> tuple[Any, Any, Any]:
        live = Live(accumulators=[accumulator()])
        live.take_many(_carts())
        columns = accumulator.features(live.accumulators[0], _asked(live))
        if not isinstance(columns, Mapping):
            return live, {}, None
        return live, live.features("u0", list(_ITEMS), _LATER), columns.get("taken_out")

    try:
        found: tuple[Any, Any, Any] = ask(your_accumulator)
    except Stopped as stopped:
        raise Stopped(f"{stopped}".replace("your_accumulator()", "your accumulator, in a Live,")) from stopped
    return found


def _asked(live: Any) -> Any:
    """The question that a Live asks an accumulator: to see what it answers before a frame is made of it."""
    from recsys_lab.realtime import Question

    asked = Question(live.visit("u0", _LATER), list(_ITEMS), _LATER, live.facts)
    asked.numbers = {name: live.table(name) for name in live.accumulators[0].wants(asked)}
    return asked
