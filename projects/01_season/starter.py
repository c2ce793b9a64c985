"""A space for what goes round: months, hours, hues. Your half: README.md says what each method owes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recsys_lab.recommender import Floats
from recsys_lab.spaces.space import Space, SpaceError  # noqa: F401 - what it cannot take is a SpaceError


class CircleSpace(Space):
    """A number that comes back after a `period`: 12 for months, 24 for hours, 360 for hues.

    The similarity of two values is cos(2π·distance / period): 1 for the same, −1 for opposite ones.
    """

    def __init__(self, field: str, period: float) -> None:
        super().__init__(field)
        self.period = period
        raise NotImplementedError("CircleSpace: check the period; a SpaceError for what is no length of a circle")

    @property
    def dim(self) -> int:
        """The number of components of a part."""
        raise NotImplementedError("dim: how many numbers tell a place on a circle?")

    def parts(self, values: Sequence[Any], now_ms: int | None = None) -> Floats:
        """Product parts [len(values), dim]; zeros where a value is missing (None or NaN)."""
        raise NotImplementedError("parts: the places on the circle; an infinite value or a text is a SpaceError")

    def question(self, asked: Any) -> Floats:
        """The question part [dim] for a number."""
        raise NotImplementedError("question: the place of what is asked; nothing asked is a SpaceError")
