"""What the engine answers with, and what it says when it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from recsys_lab.recommender import Recommendations


class Away(RuntimeError):
    """The live state or the store does not answer; `what` is "state" or "store". Ask again later."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"the {what} does not answer ({why}); try again in a moment")
        self.what = what


class Busy(RuntimeError):
    """A refresh is under way already."""


class Sent(NamedTuple):
    """An event as it is handed in: what `Engine.take` takes."""

    shopper: str
    event_type: str
    item_id: str
    attr: Mapping[str, Any] = {}
    id: str = ""
    timestamp: int | None = None


@dataclass(frozen=True)
class Answer:
    """A list, best first, and who made it.

    `parts` add up to the scores ({} where the method cannot say); `degraded` is "state" or "store" where that does not
    answer and the list is the plain one that is left.
    """

    item_ids: tuple[str, ...]
    scores: tuple[float, ...]
    parts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    by: str = ""
    notes: str = ""
    degraded: str | None = None

    @classmethod
    def of(cls, made: Recommendations, by: str, notes: str = "") -> Answer:
        """A recommender's list as an answer."""
        return cls(made.item_ids, made.scores, made.parts or {}, by, notes)

    def __len__(self) -> int:
        return len(self.item_ids)
