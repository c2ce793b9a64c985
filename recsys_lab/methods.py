"""Which rows each board has. A chapter that adds a method adds a line here; the scoreboard command finds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from recsys_lab import baselines as base
from recsys_lab.recommender import Recommender

if TYPE_CHECKING:
    from recsys_lab.simulate import World

Make = Callable[[], Recommender]

_AT_THE_DOOR: dict[str, Make] = {
    "random": base.Random,
    "popular": base.Popular,
    "recent": base.Recent,
    "repeat": base.RepeatPurchase,
    "item-knn": base.ItemKNN,
}
_IN_A_VISIT: dict[str, Make] = {
    "random": base.Random,
    "popular": base.Popular,
    "item-knn": base.ItemKNN,
    "sr": base.SequentialRules,
    "markov": base.Markov,
}
_BY_CUSTOMER: dict[str, Make] = {
    "random": base.Random,
    "popular": base.Popular,
    "recent": lambda: base.Recent(days=30),
    "repeat": base.RepeatPurchase,
}

ROWS: Mapping[str, Mapping[str, Make]] = {
    "home": _AT_THE_DOOR,
    "next": _IN_A_VISIT,
    "basket": {**_AT_THE_DOOR, "item-knn bought": lambda: base.ItemKNN(event_type="buy")},
    "ab": _AT_THE_DOOR,
    "clickstream": _IN_A_VISIT,
    "sessions": _IN_A_VISIT,
    "retail any": _BY_CUSTOMER,
    "retail novel": {name: make for name, make in _BY_CUSTOMER.items() if name != "repeat"},
}
"""board → method → how to make it, in the order of the table; all are compared with `popular`."""


def ceiling(board: str, world: World) -> Make:
    """The recommender that knows the truth, for a board of the simulated shop."""
    from recsys_lab.evaluation import truth

    kind = {
        "home": truth.TruthForHome,
        "next": truth.TruthForNext,
        "basket": truth.TruthForBasket,
        "ab": truth.TruthForSales,
    }[board]
    return lambda: kind(world)
