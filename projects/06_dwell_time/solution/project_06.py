"""An accumulator for how long products are looked at. One way to write it.

Two whole numbers a product, looks and seconds: they are added, so late and double events, replay and forgetting are the
live state's work and come for free. A mean would be a quotient, and quotients cannot be added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recsys_lab.datasets import Event
from recsys_lab.realtime import Accumulator, Add, Question
from recsys_lab.realtime.accumulators import Facts
from recsys_lab.realtime.state import Change
from recsys_lab.recommender import Floats

_LOOKS, _SECONDS = "looked_at/looks", "looked_at/seconds"


@dataclass(frozen=True)
class LookedAt(Accumulator):
    """The mean seconds that a product's page was open, drawn towards `usual_s` as if `prior` more looks had that.

    A look of `longest_s` or more counts as that: nobody knows whether anybody was still there. What is no time
    (missing, a text, True, below 0) is no look.
    """

    longest_s: int = 180
    usual_s: int = 30
    prior: int = 5

    name = "looked_at"
    events = ("clicked_on",)

    def update(self, event: Event, facts: Facts) -> Iterable[Change]:
        """A look, and its whole seconds, where the event tells a time; else nothing."""
        told = event.event_attr.get("dwell_ms")
        if isinstance(told, bool | str) or told is None or told < 0:
            return
        yield Add(_LOOKS, event.item_id)
        yield Add(_SECONDS, event.item_id, int(min(told // 1000, self.longest_s)))

    def wants(self, asked: Question) -> Mapping[str, Sequence[str]]:
        """Both tables, for the products that are asked about."""
        return {_LOOKS: asked.items, _SECONDS: asked.items}

    def features(self, asked: Question) -> Mapping[str, Floats]:
        """`looked_at`: (seconds + prior·usual) / (looks + prior) of each product."""
        looks, seconds = asked.column(_LOOKS), asked.column(_SECONDS)
        return {"looked_at": (seconds + self.prior * self.usual_s) / (looks + self.prior)}
