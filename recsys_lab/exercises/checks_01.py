"""How the answers to the exercises of chapter 01 are checked: what is wrong with one, in words; None: nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from recsys_lab.exercises.exercise import Stopped, ask, shown
from recsys_lab.recommender import Floats, Recommendations
from recsys_lab.spaces import BEST, CategorySpace, ClippedWarning, NumberSpace, SpaceIndex

_Formula = Callable[..., Any]


def _numbers(answer: Any, like: Floats) -> Floats | None:
    """The answer as an array of the shape of `like`; None for anything else."""
    try:
        made = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return made.reshape(like.shape) if made.size == like.size and made.ndim <= max(1, like.ndim) else None


# -- 1: more is better, on a log scale --------------------------------------------------------------------------------

_RANGES: tuple[tuple[Any, float, float], ...] = (
    (np.array([5.0, 10.0, 40.0, 99.0, 200.0]), 5.0, 200.0),
    (np.array([1.0, 3.0, 10.0, 99.0]), 1.0, 99.0),
    (9.0, 1.0, 99.0),
)
"""Values with the range, all inside of it."""
_BEYOND = (np.array([0.0, 2.0, 400.0]), 5.0, 200.0)
"""Values below and above the range."""


def _place(value: Any, low: float, high: float, scale: _Formula = lambda v: np.log10(1 + v)) -> Any:
    return np.clip((scale(value) - scale(low)) / (scale(high) - scale(low)), 0, 1)


def _much(value: Any, low: float, high: float) -> Any:
    return np.sin(_place(value, low, high) * np.pi / 2)


_WRONG_MUCH: tuple[tuple[_Formula, str], ...] = (
    (
        lambda value, low, high: np.sin(_place(value, low, high, lambda v: v) * np.pi / 2),
        "this is the straight scale. Take log10(1 + v) of the value and of both ends of the range.",
    ),
    (
        lambda value, low, high: np.cos(_place(value, low, high) * np.pi / 2),
        "this is the cosine, so less is better. More is better is the sine.",
    ),
    (_place, "this is the place in the range, from 0 to 1. It still has to become an angle, and then a sine."),
    (
        lambda value, low, high: np.sin(_place(value, low, high)),
        "this takes the sine of the place itself. The place becomes an angle first: times pi / 2.",
    ),
    (
        lambda value, low, high: np.sin(_place(value, low, high) * np.pi),
        "the best value scores 0 here. A quarter of a circle is wanted, so times pi / 2.",
    ),
    (
        lambda value, low, high: np.sin(_place(value, low, high) * 90),
        "these are degrees, and np.sin wants radians: times pi / 2 instead of times 90.",
    ),
    (
        lambda value, low, high: np.sin(np.log10(1 + value) / np.log10(1 + high) * np.pi / 2),
        "this leaves the low end out: at `low` the similarity has to be 0.",
    ),
)


def much(function: Any) -> str | None:
    """Values in two ranges, then values beyond the ends."""
    answers, wanted = [], []
    for value, low, high in _RANGES:
        right = np.asarray(_much(value, low, high))
        answer = _numbers(found := ask(function, value, low, high), right)
        if answer is None:
            asked = f"much({shown(value)}, {low:g}, {high:g})"
            return f"for {asked} it answers {shown(found)}; one similarity a value is wanted."
        answers.append(answer)
        wanted.append(right)
    if not _all_close(answers, wanted):
        return _diagnose_much(answers, wanted)
    value, low, high = _BEYOND
    beyond = _numbers(ask(function, value, low, high), value)
    if beyond is None or not np.allclose(beyond, _much(value, low, high)):
        return (
            f"inside the range it is right. For {shown(value)} in {low:g} to {high:g} it answers {shown(beyond)}: below"
            " the range it should be 0, above it 1. Clip the place to 0 to 1 before it becomes an angle."
        )
    return None


def _diagnose_much(answers: Sequence[Floats], wanted: Sequence[Floats]) -> str:
    with np.errstate(all="ignore"):
        for formula, diagnosis in _WRONG_MUCH:
            if _all_close(answers, [np.asarray(formula(*case)) for case in _RANGES]):
                return diagnosis
        if _all_close(answers[:1], [np.sin(_place(*_RANGES[0], np.log10) * np.pi / 2)]):
            return "this takes log10(v), which has no value for 0 reviews. Take log10(1 + v)."
    for (value, low, high), answer, right in zip(_RANGES, answers, wanted, strict=True):
        same = np.isclose(np.atleast_1d(answer), np.atleast_1d(right), atol=1e-6)
        if not same.all():
            at = int(np.argmin(same))
            asked = f"much({np.atleast_1d(value)[at]:g}, {low:g}, {high:g})"
            break
    return f"{asked} should be {np.atleast_1d(right)[at]:.4f}, and it is {np.atleast_1d(answer)[at]:.4f}."


def _all_close(found: Sequence[Floats], wanted: Sequence[Floats]) -> bool:
    return all(np.allclose(one, other, atol=1e-6) for one, other in zip(found, wanted, strict=True))


# -- 2: the score -----------------------------------------------------------------------------------------------------

_SIMILARITIES = np.array([[1.0, 0.2, 0.5], [0.4, 1.0, 0.9], [0.0, 0.6, 0.3], [0.7, 0.7, 0.1]])
_WEIGHTS = tuple(np.array(weights) for weights in ([1.0, 1.0, 1.0], [2.0, 0.0, 1.0], [1.0, -1.0, 3.0], [0.0, 0.0, 2.0]))


def _score(similarities: Floats, weights: Floats) -> Any:
    return similarities @ weights / (np.linalg.norm(weights) * np.sqrt((weights != 0).sum()))


_WRONG_SCORES: tuple[tuple[_Formula, str], ...] = (
    (lambda s, w: s @ w, "this is the sum. It still has to be divided by the length of the weights, and by √k."),
    (
        lambda s, w: s @ w / np.linalg.norm(w),
        "this divides by the length of the weights alone. √k is missing: more aspects would always score more.",
    ),
    (
        lambda s, w: s @ w / (np.linalg.norm(w) * np.sqrt(len(w))),
        "this counts all aspects in k. Only those count that are asked, which is where the weight is not 0.",
    ),
    (
        lambda s, w: s @ w / (np.linalg.norm(w) * np.sqrt((w > 0).sum())),
        "this counts the weights above 0 in k. A weight below 0 asks for the opposite, so it asks too: != 0.",
    ),
    (
        lambda s, w: s @ w / (np.linalg.norm(w) * (w != 0).sum()),
        "this divides by k, and it should be the root of k.",
    ),
    (
        lambda s, w: s @ w / w.sum(),
        "this divides by the sum of the weights, which may be 0 or below. Divide by their length and by √k.",
    ),
    (
        lambda s, w: s @ w / np.abs(w).sum(),
        "this divides by the sum of |w|, and the sum of |w| is not the length. The length is the root of the sum of the"
        " squares, np.linalg.norm(weights); then there is √k.",
    ),
    (
        lambda s, w: s @ w / (np.abs(w).sum() * np.sqrt((w != 0).sum())),
        "√k is there, but the sum of |w| is not the length. The length is the root of the sum of the squares.",
    ),
    (
        lambda s, w: s @ w / np.linalg.norm(w) * np.sqrt((w != 0).sum()),
        "mind the brackets: a / b * c multiplies by c. Put the length times √k into brackets.",
    ),
    (
        lambda s, w: s @ w / ((w**2).sum() * np.sqrt((w != 0).sum())),
        "this divides by the sum of the squares. The length of the weights is the root of that.",
    ),
    (
        lambda s, w: s @ w**2 / (np.linalg.norm(w) * np.sqrt((w != 0).sum())),
        "the weights are squared: is each one applied twice?",
    ),
    (lambda s, w: s.mean(axis=1), "this is the mean of the similarities. Where do the weights come in?"),
)


_ROWS = {"mismatch in its core": "A product is a row of `similarities`, so it stands first: similarities @ weights"}


def score(function: Any) -> str | None:
    """Four products, three aspects; weights that are equal, zero, below zero, and one alone."""
    answers = []
    for weights in _WEIGHTS:
        wanted = _score(_SIMILARITIES, weights)
        answer = _numbers(found := ask(function, _SIMILARITIES, weights, advice=_ROWS), wanted)
        if answer is None:
            return (
                f"there should be one score for each of the {len(wanted)} products, and it answers {shown(found)}. The"
                " sum runs over the aspects: similarities @ weights."
            )
        answers.append(answer)
    wanted_all = [_score(_SIMILARITIES, weights) for weights in _WEIGHTS]
    if _all_close(answers, wanted_all):
        return None
    with np.errstate(all="ignore"):
        for formula, diagnosis in _WRONG_SCORES:
            if _all_close(answers, [formula(_SIMILARITIES, weights) for weights in _WEIGHTS]):
                return diagnosis
    close = [np.isclose(one, other, atol=1e-6) for one, other in zip(answers, wanted_all, strict=True)]
    at = next(place for place, rows in enumerate(close) if not rows.all())
    row = int(np.argmin(close[at]))
    return (
        f"with the weights {shown(_WEIGHTS[at])}, similarities {shown(_SIMILARITIES[row])} should score"
        f" {wanted_all[at][row]:.4f}, and they score {answers[at][row]:.4f}."
    )


# -- 3: a gift --------------------------------------------------------------------------------------------------------

_SOCKS = "socks"


class _Listening(SpaceIndex):
    """An index that remembers the filters it was asked with: a diagnosis has to know whether there was one."""

    filters_: ClassVar[list[Any]] = []  # of the class: a learner's function is given a copy of the index

    def __repr__(self) -> str:
        return "index"

    def search(self, *args: Any, **options: Any) -> Recommendations:
        where = options.get("where")
        _Listening.filters_.append(where)
        if where is not None and not hasattr(where, "fields"):
            raise _NoFilter
        return super().search(*args, **options)


class _NoFilter(Exception):
    """What stands at where= is no filter."""


def _gifts() -> SpaceIndex:
    """A made-up shop in which socks are the cheapest and the best rated."""
    rng = np.random.default_rng(3)
    rows: list[tuple[str, str, float, float]] = [
        (f"{kind} {at}", kind, float(rng.integers(20, 100)), float(rng.integers(20, 46)) / 10)
        for kind in ("hats", "scarves", "bags")
        for at in range(1, 9)
    ]
    rows += [(f"socks {at}", _SOCKS, 4.0 + at, 5.0) for at in range(1, 4)]
    goods = pd.DataFrame(rows, columns=["item_id", "category", "price", "rating"])
    spaces = {
        "price": NumberSpace("price", 0, 100, "minimum"),
        "rating": NumberSpace("rating", 1, 5, "maximum"),
        "category": CategorySpace("category"),
    }
    return _Listening(spaces).add(goods)


_NO_IDS = {"is not iterable": "`exclude` takes ids of products; a filter is handed over as where="}


def gift(function: Any) -> str | None:
    """The best five of a made-up shop, by label and, where there are scores, by score."""
    index = _gifts()
    socks = [item for item in index.ids if item.startswith(_SOCKS)]
    wanted = index.search(weights={"price": 1, "rating": 1}, exclude=socks, k=5)
    _Listening.filters_.clear()
    try:
        found = ask(function, index, advice=_NO_IDS)
    except Stopped as stopped:
        if isinstance(stopped.__cause__, _NoFilter):
            return f'where= takes a filter such as field("category") != "socks", not {_what(_Listening.filters_[-1])}.'
        raise
    filtered = any(where is not None for where in _Listening.filters_)
    labels = list(found.item_ids) if isinstance(found, Recommendations) else found
    if not isinstance(labels, list | tuple) or not all(isinstance(label, str) for label in labels):
        return f"return what index.search returns; this is of the type {type(found).__name__}."
    return _diagnose_gift(list(labels), found, wanted, index, socks, filtered)


def _what(where: Any) -> str:
    return "a text" if isinstance(where, str) else f"something of the type {type(where).__name__}"


def _diagnose_gift(
    labels: list[str], found: Any, wanted: Recommendations, index: SpaceIndex, socks: list[str], filtered: bool
) -> str | None:
    at = next((place for place, label in enumerate(labels, 1) if label in socks), None)
    if at is not None and set(labels) <= set(socks):
        return "there is nothing but socks in the list: is the filter the wrong way round? != is not equal."
    if at is not None:
        return f"at place {at} there is a pair of socks" + (
            '; is the filter\'s value exactly "socks"?'
            if filtered
            else ". A weight below 0 pushes them down and forbids nothing; a filter does:"
            ' where=field("category") != "socks".'
        )
    if len(labels) != len(wanted):
        return f"there should be 5 products in the list, and there are {len(labels)}: k is the length of the list."
    if labels == list(wanted.item_ids) and (
        not isinstance(found, Recommendations) or np.allclose(found.scores, wanted.scores)
    ):
        return None
    for name, words in {"price": "how well it is rated", "rating": "how cheap it is"}.items():
        if labels == list(index.search(weights={name: 1}, exclude=socks, k=5).item_ids):
            return f"only {name} counts here; {words} should count as much."
    return (
        "no socks, but not the best five: should cheap and well rated weigh the same, and nothing else count? The first"
        f" should be {wanted.item_ids[0]} with a score of {wanted.scores[0]:.3f}."
    )


# -- 4: a range that holds everything ---------------------------------------------------------------------------------

_SHOPS = tuple(
    pd.DataFrame({"item_id": [f"T{at}" for at in range(len(prices))], "price": prices})
    for prices in ([900.0, 2400.0, 1100.0, 5000.0, 3100.0], [12.0, 30.0, 55.0, 140.0], [45.5, 60.9, 88.5])
)


def price_space(function: Any) -> str | None:
    """Made-up shops with other prices than ours."""
    for products in _SHOPS:
        diagnosis = _diagnose_space(ask(function, products), products["price"].tolist())
        if diagnosis is not None:
            return diagnosis
    return None


def _diagnose_space(space: Any, prices: list[float]) -> str | None:
    if not isinstance(space, NumberSpace):
        return f"a NumberSpace is wanted, and this is of the type {type(space).__name__}."
    if space.field != "price" or space.mode != "minimum":
        return f"less is better in the column price; this space reads {space.field!r} in the mode {space.mode!r}."
    if space.scale != "linear":
        return "this one is on the log scale. That is often a good idea, but here the straight scale is asked for."
    return _diagnose_range(space, prices)


def _diagnose_range(space: NumberSpace, prices: list[float]) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ClippedWarning)
        similarity = space.parts(prices).astype(np.float64) @ space.question(BEST)
    ends = f"prices go from {min(prices):g} to {max(prices):g}, the range from {space.minimum:g} to {space.maximum:g}"
    beyond = sum(price > space.maximum for price in prices)
    if beyond:
        return (
            f"in a shop where {ends}, {beyond} of {len(prices)} products lie beyond the bad end and all score"
            f" {space.negative_filter:g}. Take both ends from the products that the function is given."
        )
    if similarity.max() - similarity.min() < 0.4:
        return (
            f"nothing is left out, but in a shop where {ends}, the cheapest scores {similarity.max():.2f} and the"
            f" dearest {similarity.min():.2f}: that hardly tells them apart. Take both ends from the products."
        )
    level = len({round(price, 9) for price in prices}) - len(set(similarity.round(6)))
    if level:
        return f"in a shop where {ends}, different prices score the same: let the low end be the lowest price."
    return None
