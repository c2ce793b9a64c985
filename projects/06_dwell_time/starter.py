"""An accumulator for how long products are looked at. Your half: README.md says what each method owes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recsys_lab.realtime import Accumulator, Add, Question  # noqa: F401 - Add is what update yields
from recsys_lab.realtime.accumulators import Facts
from recsys_lab.realtime.state import Change
from recsys_lab.recommender import Floats


@dataclass(frozen=True)
class LookedAt(Accumulator):
    """The mean seconds that a product's page was open, drawn towards `usual_s` as if `prior` more looks had that.

    A look of `longest_s` or more counts as that: nobody knows whether anybody was still there.
    """

    longest_s: int = 180
    usual_s: int = 30
    prior: int = 5

    name = "looked_at"
    events = ("clicked_on",)

    def update(self, event: object, facts: Facts) -> Iterable[Change]:
        """A look, and its whole seconds, where the event tells a time; else nothing."""
        raise NotImplementedError("update: yield Add(...) twice, whole numbers; dwell_ms may be missing or nonsense")

    def wants(self, asked: Question) -> Mapping[str, Sequence[str]]:
        """The tables that `features` reads."""
        raise NotImplementedError("wants: both tables, for the products that are asked about")

    def features(self, asked: Question) -> Mapping[str, Floats]:
        """`looked_at`: (seconds + prior·usual) / (looks + prior) of each product."""
        raise NotImplementedError("features: one column, named looked_at")
