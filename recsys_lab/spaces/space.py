"""Spaces: one aspect of a product each, turned into a short vector whose inner product with a question is a similarity.

| space | product part x | question part q | similarity ⟨q, x⟩ |
|---|---|---|---|
| text, image, custom | unit vector | unit vector | cosine |
| number | (sin θ, cos θ), θ = place in the range · π/2 | (1, 0), (0, 1) or the asked value's own | see `NumberSpace` |
| category | 1 for each category it has | 1/n for each of the n asked | share of the asked that it has |
| recency | cos(age/period · π/2), a component a period | the periods' weights | weighted mean over periods |

A product that a space knows nothing about has a part of zeros there and the similarity 0.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from recsys_lab.recommender import Floats

if TYPE_CHECKING:
    from recsys_lab.spaces.encoder import Encoder

BEST = "best"
"""Asks a number space for the good end of its range, and a recency space for what is new (its time is `now_ms`)."""

_MANY = (list, tuple, set, frozenset, np.ndarray)


class SpaceError(ValueError):
    """A product or a question that a space cannot take; the message names the space, the value and the rule."""


class ClippedWarning(UserWarning):
    """Products lie beyond the bad end of a number space's range and score 0 there, whatever is asked."""


class Space:
    """One aspect of a product, read from one column of the product table.

    `moves` says whether events on products move a shopper in this space, `tells_time` whether its parts depend on the
    time of the question; `dim` is the number of components.
    """

    moves = True
    tells_time = False

    def __init__(self, field: str) -> None:
        self.field = field

    @property
    def dim(self) -> int:
        """The number of components of a part."""
        raise NotImplementedError

    def learn(self, values: Sequence[Any]) -> None:
        """Take from the first products what was not given (a closed list of categories, a length of vectors)."""

    def parts(self, values: Sequence[Any], now_ms: int | None = None) -> Floats:
        """Product parts [len(values), dim]; zeros where a value is missing."""
        raise NotImplementedError

    def question(self, asked: Any) -> Floats:
        """The question part [dim] for what is asked."""
        raise NotImplementedError

    def alike(self, part: Floats) -> Floats:
        """The question part that asks for what has this part."""
        return unit(part)


class _EncodedSpace(Space):
    """Values that an encoder turns into unit vectors."""

    def __init__(self, field: str, encoder: Encoder) -> None:
        super().__init__(field)
        self.encoder = encoder

    @property
    def dim(self) -> int:
        return self.encoder.dim

    def parts(self, values: Sequence[Any], now_ms: int | None = None) -> Floats:
        made = np.zeros((len(values), self.dim), dtype=np.float32)
        there = [row for row, value in enumerate(values) if not _missing(value)]
        if there:
            made[there] = self.encoder.encode([values[row] for row in there])
        return made

    def question(self, asked: Any) -> Floats:
        if isinstance(asked, np.ndarray):
            return _asked_vector(asked, self.dim)
        if _missing(asked):
            raise SpaceError("asked for an empty text; leave the space out of the question instead")
        return np.asarray(self.encoder.encode([asked])[0], dtype=np.float64)


class TextSpace(_EncodedSpace):
    """Texts by meaning: sentence vectors, compared by cosine. A missing or blank text scores 0.

    `encoder` is any object with `dim` and `encode`; without one it is `SentenceEncoder()` (all-MiniLM-L6-v2).
    """

    def __init__(self, field: str, encoder: Encoder | None = None) -> None:
        if encoder is None:
            from recsys_lab.spaces.encoder import SentenceEncoder

            encoder = SentenceEncoder()
        super().__init__(field, encoder)


class ImageSpace(_EncodedSpace):
    """Pictures by colour and shape, or by CLIP where a model is at hand: the same class, another `encoder`."""

    def __init__(self, field: str, encoder: Encoder | None = None) -> None:
        if encoder is None:
            from recsys_lab.spaces.pictures import ColourAndShape

            encoder = ColourAndShape()
        super().__init__(field, encoder)


class CustomSpace(Space):
    """Vectors of your own, one a product in the column `field` (an array or a list; None where there is none).

    They are scaled to length 1. item2vec's vectors enter this way: behaviour and content meet in one index.

    >>> space = CustomSpace("vector", dim=2)
    >>> space.parts([[3.0, 4.0], None]).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """

    def __init__(self, field: str, dim: int | None = None) -> None:
        super().__init__(field)
        self._dim = dim

    @property
    def dim(self) -> int:
        if self._dim is None:
            raise SpaceError("the length of the vectors is not known yet; give dim=, or add products that have one")
        return self._dim

    def learn(self, values: Sequence[Any]) -> None:
        if self._dim is None:
            self._dim = next((len(value) for value in values if not _missing(value)), None)

    def parts(self, values: Sequence[Any], now_ms: int | None = None) -> Floats:
        made = np.zeros((len(values), self.dim), dtype=np.float32)
        for row, value in enumerate(values):
            if not _missing(value):
                made[row] = unit(_vector(value, self.dim, f"row {row}"))
        return made

    def question(self, asked: Any) -> Floats:
        return _asked_vector(asked, self.dim)


class NumberSpace(Space):
    """A number between `minimum` and `maximum`: less is better, more is better, or the nearer to what is asked.

    r is the place in the range, 0 to 1 (of log10(1 + v) with `scale="log"`), θ = r·π/2. Similarity: `mode="maximum"`
    sin θ, `"minimum"` cos θ, `"similar"` cos(θ asked − θ), which differs little over the whole range: its contrast is
    low. A value beyond the *good* end counts as the end; **beyond the bad end it scores 0** (a `ClippedWarning` says
    how many do), or `negative_filter` (below 0) where one is given. A missing value (NaN) scores 0; an infinite one is
    an error.

    >>> price = NumberSpace("price", 0, 100, mode="minimum")
    >>> (price.parts([0.0, 50.0, 100.0]) @ price.question(BEST)).round(3).tolist()
    [1.0, 0.707, 0.0]
    """

    moves = False

    def __init__(
        self,
        field: str,
        minimum: float,
        maximum: float,
        mode: Literal["minimum", "maximum", "similar"],
        scale: Literal["linear", "log"] = "linear",
        negative_filter: float = 0.0,
    ) -> None:
        super().__init__(field)
        if not (math.isfinite(minimum) and math.isfinite(maximum) and minimum < maximum):
            raise SpaceError(f"number {field!r}: the range is {minimum} to {maximum}; minimum has to be below maximum")
        if mode not in ("minimum", "maximum", "similar"):
            raise SpaceError(f"number {field!r}: mode {mode!r} is none of minimum, maximum, similar")
        if scale not in ("linear", "log") or (scale == "log" and minimum < 0):
            raise SpaceError(f"number {field!r}: scale {scale!r}; it is linear, or log for a minimum of 0 or more")
        if not (math.isfinite(negative_filter) and negative_filter <= 0):
            raise SpaceError(f"number {field!r}: negative_filter {negative_filter} has to be 0 or below")
        self.minimum, self.maximum, self.mode, self.scale = minimum, maximum, mode, scale
        self.negative_filter = negative_filter

    @property
    def dim(self) -> int:
        return 3 if self.negative_filter else 2

    def parts(self, values: Sequence[Any], now_ms: int | None = None) -> Floats:
        number = np.array([_number(value, row) for row, value in enumerate(values)], dtype=np.float64)
        known = ~np.isnan(number)
        bad = known & self._beyond(number)
        if bad.any():
            worst = number[bad].min() if self.mode == "maximum" else number[bad].max()
            warnings.warn(
                f"number {self.field!r}: {bad.sum()} of {len(number)} products lie beyond the bad end of"
                f" {self.minimum:g} to {self.maximum:g} (as {worst:g}) and score {self.negative_filter:g} there; widen"
                f" the range if that is not meant",
                ClippedWarning,
                stacklevel=4,
            )
        made = np.zeros((len(number), self.dim), dtype=np.float32)
        made[:, :2] = self._on_the_arc(number)
        made[~known | bad] = 0.0
        if self.negative_filter:
            made[bad, 2] = 1.0
        return made

    def question(self, asked: Any) -> Floats:
        asks_for_end = isinstance(asked, str) and asked == BEST
        if self.mode == "similar":
            if asks_for_end:
                raise SpaceError("mode similar has no best end; ask for a number")
            value = _number(asked, None)
            if math.isnan(value) or not self.minimum <= value <= self.maximum:
                raise SpaceError(f"asked for {asked!r}; give a number from {self.minimum:g} to {self.maximum:g}")
            made = self._on_the_arc(np.array([value]))[0]
        elif not asks_for_end:
            raise SpaceError(f"asked for {asked!r}, but mode {self.mode} knows only its best end: ask for {BEST!r}")
        else:
            made = np.array([1.0, 0.0] if self.mode == "maximum" else [0.0, 1.0])
        return np.append(made, self.negative_filter) if self.negative_filter else made

    def _beyond(self, number: Floats) -> Any:
        """Which values lie beyond a bad end; a missing one does not."""
        below = number < self.minimum if self.mode != "minimum" else np.zeros(len(number), dtype=bool)
        above = number > self.maximum if self.mode != "maximum" else np.zeros(len(number), dtype=bool)
        return below | above

    def _on_the_arc(self, number: Floats) -> Floats:
        ends = np.array([self.minimum, self.maximum])
        clipped = np.clip(number, *ends)
        if self.scale == "log":
            clipped, ends = np.log10(1 + clipped), np.log10(1 + ends)
        angle = (clipped - ends[0]) / (ends[1] - ends[0]) * np.pi / 2
        return np.stack([np.sin(angle), np.cos(angle)], axis=1)


class CategorySpace(Space):
    """One or several categories of a closed list; similarity: the share of the asked categories that a product has.

    Without `categories` the list is what the first products have. A category that is not on the list is an error.
    With `other=True` all such share one slot: **then every unknown category matches every other one perfectly**.

    >>> space = CategorySpace("kind", ["boots", "coats", "hats"])
    >>> (space.parts(["boots", ("boots", "hats"), None]) @ space.question(["boots", "hats"])).tolist()
    [0.5, 1.0, 0.0]
    """

    def __init__(self, field: str, categories: Iterable[str] | None = None, other: bool = False) -> None:
        super().__init__(field)
        if isinstance(categories, str):
            raise SpaceError(f"category {field!r}: {categories!r} is a text; give a list of categories")
        self.categories = None if categories is None else list(categories)
        self.other = other
        self._slots: dict[str, int] | None = None
        if self.categories is not None and len(set(self.categories)) < len(self.categories):
            raise SpaceError(f"category {field!r}: a category is on the list twice")

    @property
    def dim(self) -> int:
        if self.categories is None:
            raise SpaceError("the categories are not known yet; give categories=, or add products that have some")
        return len(self.categories) + self.other

    def learn(self, values: Sequence[Any]) -> None:
        if self.categories is None:
            self.categories = sorted({one for value in values for one in _categories(value)})

    def parts(self, values: Sequence[Any], now_ms: int | None = None) -> Floats:
        made = np.zeros((len(values), self.dim), dtype=np.float32)
        for row, value in enumerate(values):
            made[row, [self._slot(one) for one in _categories(value)]] = 1.0
        return made

    def question(self, asked: Any) -> Floats:
        if isinstance(asked, np.ndarray) and asked.dtype.kind == "f":
            return _asked_vector(asked, self.dim)
        wanted = _categories(asked)
        if not wanted:
            raise SpaceError("asked for no category; name at least one, or leave the space out of the question")
        if len(set(wanted)) < len(wanted):
            raise SpaceError(f"asked for {wanted}: a category is named twice; name each once")
        made = np.zeros(self.dim)
        for one in wanted:
            made[self._slot(one)] += 1 / len(wanted)
        return made

    def alike(self, part: Floats) -> Floats:
        return np.asarray(part, dtype=np.float64) / max(1.0, float(np.sum(part)))

    def _slot(self, category: str) -> int:
        if self._slots is None or len(self._slots) != len(self.categories or ()):
            self._slots = {one: slot for slot, one in enumerate(self.categories or ())}
        if category in self._slots:
            return self._slots[category]
        known = list(self._slots)
        if self.other:
            return len(known)
        near = get_close_matches(category, known, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"the list is {', '.join(map(repr, known[:20]))}"
        raise SpaceError(f"there is no category {category!r}; {advice}")


class RecencySpace(Space):
    """How new: Σ w_p · cos(age/p · π/2) / Σ w_p over `periods` {p in ms: w_p}; a term is 0 when the age is over p.

    The field holds a time in ms since 1970; a time in the future counts as age 0. "Now" is always given, never read
    off the clock: an index keeps these parts for one `now_ms` and renews them when a question has another.
    """

    moves = False
    tells_time = True

    def __init__(self, field: str, periods: Mapping[int, float]) -> None:
        super().__init__(field)
        if not periods or any(not (p > 0 and math.isfinite(p) and math.isfinite(w)) for p, w in periods.items()):
            raise SpaceError(f"recency {field!r}: periods {dict(periods)}; give at least one, in ms, above 0")
        if sum(periods.values()) == 0:
            raise SpaceError(f"recency {field!r}: the periods' weights add up to 0")
        self.periods = dict(periods)

    @property
    def dim(self) -> int:
        return len(self.periods)

    def parts(self, values: Sequence[Any], now_ms: int | None = None) -> Floats:
        if now_ms is None:
            raise SpaceError("a recency space needs now_ms: give the time of the question")
        times = np.array([_number(value, row) for row, value in enumerate(values)], dtype=np.float64)
        age = np.maximum(now_ms - times, 0.0)[:, None] / np.array(list(self.periods), dtype=np.float64)
        made = np.where(age <= 1, np.cos(np.minimum(age, 1) * np.pi / 2), 0.0)
        made[np.isnan(times)] = 0.0
        return made.astype(np.float32)

    def question(self, asked: Any) -> Floats:
        if not isinstance(asked, str) or asked != BEST:
            raise SpaceError(f"asked for {asked!r}; ask a recency space for {BEST!r}, and give the time as now_ms")
        weights = np.array(list(self.periods.values()), dtype=np.float64)
        return np.asarray(weights / weights.sum())


def unit(vector: Floats) -> Floats:
    """The vector at length 1; zeros stay zeros."""
    values = np.asarray(vector, dtype=np.float64)
    length = float(np.sqrt(values @ values))
    return values / length if length > 0 else values


def _asked_vector(asked: Any, dim: int) -> Floats:
    made = unit(_vector(asked, dim, "the question"))
    if not made.any():
        raise SpaceError("asked for a vector of zeros, which points nowhere; leave the space out of the question")
    return made


def _vector(value: Any, dim: int, whose: str) -> Floats:
    if isinstance(value, str):
        raise SpaceError(f"{whose} has the text {value!r}; give a vector of {dim} numbers")
    made = np.asarray(value, dtype=np.float64)
    if made.shape != (dim,):
        raise SpaceError(f"{whose} has a vector of shape {made.shape}; give {dim} numbers")
    if not np.isfinite(made).all():
        raise SpaceError(f"{whose} has a vector with NaN or infinite components; give finite numbers")
    return made


def _missing(value: Any) -> bool:
    """None, NaN, and a text of blanks."""
    if isinstance(value, str):
        return not value.strip()
    return not isinstance(value, _MANY) and bool(pd.isna(value))


def _number(value: Any, row: int | None) -> float:
    where = "asked for" if row is None else f"row {row} has"
    if _missing(value):
        return math.nan
    if isinstance(value, str | bool | np.bool_):
        raise SpaceError(f"{where} {value!r}; give a number")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise SpaceError(f"{where} {value!r}; give a number") from None
    if math.isinf(number):
        raise SpaceError(f"{where} an infinite number; give a finite one, or NaN where none is known")
    return number


def _categories(value: Any) -> list[str]:
    """The categories of a value: a text is one, a list holds several, None and NaN are none."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, _MANY):
        held = sorted(value) if isinstance(value, set | frozenset) else list(value)
        if any(not isinstance(one, str) for one in held):
            raise SpaceError(f"{held!r} holds something that is no text; categories are texts")
        return held
    if _missing(value):
        return []
    raise SpaceError(f"{value!r} is no category; give a text or a list of texts")
