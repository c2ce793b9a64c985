"""How the answers to the exercises of chapter 04 are checked: what is wrong with one, in words; None: nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.exercises.exercise import ask, shown
from recsys_lab.recommender import Floats

Numbers = NDArray[Any]


def _plain(answer: Any) -> Numbers | None:
    """A list, tuple, array, Index or Series as a one-dimensional array; None for what is none of these."""
    if isinstance(answer, str | dict | set | pd.DataFrame):
        return None
    values = np.asarray(answer)
    return values if values.ndim == 1 else None


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _distance(rows: Floats, centres: Floats) -> Floats:
    return np.asarray(np.linalg.norm(rows[:, None, :] - centres[None, :, :], axis=2))


@cache
def _new_products() -> tuple[tuple[Floats, Floats], ...]:
    """New vectors of any length, and centres: one case to read in a message, and one where every mistake shows."""
    small = np.array([[3.0, 0.0], [0.0, 0.1], [2.0, 2.5]]), np.array([[0.1, 0.9], [0.8, 0.2]])
    rng = np.random.default_rng(4)
    centres = _unit(rng.normal(size=(7, 3))) * rng.uniform(0.3, 0.99, (7, 1))  # wide clusters have short centres
    return small, (rng.normal(size=(60, 3)) * rng.uniform(0.1, 5, (60, 1)), centres)


_WRONG_PAGES: tuple[tuple[Callable[[Floats, Floats], Numbers], str], ...] = (
    (
        lambda new, centres: _distance(new, centres).argmin(axis=1),
        "this compares the new vectors as they come. The centres were made from vectors of length 1: divide each row by"
        " its length first.",
    ),
    (
        lambda new, centres: _distance(_unit(new), centres).argmax(axis=1),
        "this is the centre that is farthest away. The smallest distance is wanted: argmin.",
    ),
    (
        lambda new, centres: (_unit(new) @ centres.T).argmax(axis=1),
        "this takes the largest inner product, and that favours centres that are long. Take the smallest distance.",
    ),
    (
        lambda new, centres: (_unit(new) @ _unit(centres).T).argmax(axis=1),
        "this takes the smallest angle. It is close, but K-Means compares distances, and the centres are not of length"
        " 1: a centre is shorter when its cluster is wide.",
    ),
    (
        lambda new, centres: _distance(new / np.linalg.norm(new, axis=0), centres).argmin(axis=1),
        "this divides each column by its length. A product is a row: axis=1, with keepdims=True.",
    ),
    (
        lambda new, centres: _distance(new / np.linalg.norm(new), centres).argmin(axis=1),
        "this divides all rows by one number. Each row has a length of its own: axis=1, with keepdims=True.",
    ),
    (
        lambda new, centres: _distance(_unit(new), centres).argmin(axis=0),
        "this answers for each centre which product is nearest. For each product the nearest centre is wanted: axis=1.",
    ),
)


_A_COLUMN = (
    "The lengths are one number for each row: keepdims=True leaves them standing as a column, which divides row by row"
)


def page_of(function: Any) -> str | None:
    """The number of the nearest centre, for vectors of any length."""
    cases = _new_products()
    answers = []
    for new, centres in cases:
        answer = _plain(ask(function, new, centres, advice={"broadcast": _A_COLUMN}))
        if answer is None or answer.dtype.kind not in "iuf":
            return "page_of should answer with one number for each row of new, such as array([1, 0, 0])."
        answers.append(answer)
    wanted = [_distance(_unit(new), centres).argmin(axis=1) for new, centres in cases]
    if all(np.array_equal(answer, right) for answer, right in zip(answers, wanted, strict=True)):
        return None
    for formula, diagnosis in _WRONG_PAGES:
        if np.array_equal(answers[1], formula(*cases[1])):
            return diagnosis
    nearest = _distance(_unit(cases[1][0]), cases[1][1]).min(axis=1)
    if len(answers[1]) == len(nearest) and np.allclose(answers[1], nearest):
        return "these are the distances to the nearest centre. Its number is wanted: argmin, not min."
    at = 0 if not np.array_equal(answers[0], wanted[0]) else 1
    new, centres = cases[at]
    return f"page_of({shown(new)}, {shown(centres)}) should be {shown(wanted[at])}, and it is {shown(answers[at])}."


_RUNS = (
    ([0, 0, 1, 1], [1, 1, 0, 0]),
    ([0, 0, 1, 1], [0, 1, 0, 1]),
    ([0, 0, 0, 1, 2], [2, 2, 1, 1, 0]),
    ([0, 1, 2, 3], [0, 0, 0, 0]),
    ([4, 4, 4, 1, 1, 0, 2, 2], [0, 0, 3, 3, 1, 1, 2, 0]),
)
"""Two groupings of the same products: one renamed, one across, and some between."""

_ADJUSTED = {0: 1.0, 1: -0.5, 3: 0.0}
"""The adjusted Rand index of some of them."""


def _pairs(one: Numbers, other: Numbers) -> tuple[Numbers, Numbers]:
    """For each pair of different products, whether they are together in the one, and in the other."""
    pairs = np.triu_indices(len(one), 1)
    return (one[:, None] == one)[pairs], (other[:, None] == other)[pairs]


def _jaccard(one: Numbers, other: Numbers) -> float:
    first, second = _pairs(one, other)
    either = (first | second).sum()
    return float((first & second).sum() / either) if either else float("nan")


_WRONG_RUNS: tuple[tuple[Callable[[Numbers, Numbers], float], str], ...] = (
    (
        lambda one, other: float((one == other).mean()),
        "this compares cluster numbers, and they are names: the same groups with other numbers would count as"
        " different. Compare pairs of products.",
    ),
    (
        lambda one, other: float(((one[:, None] == one) == (other[:, None] == other)).mean()),
        "this also pairs each product with itself, and that pair always agrees. Take pairs of different products.",
    ),
    (
        lambda one, other: float(np.logical_and(*_pairs(one, other)).mean()),
        "this counts only pairs that are together in both. Pairs that are apart in both are treated alike too.",
    ),
    (
        _jaccard,
        "this leaves out the pairs that are apart in both. They are treated alike too: they count.",
    ),
    (
        lambda one, other: float(np.not_equal(*_pairs(one, other)).mean()),
        "this is the share of pairs that are treated differently. The others are wanted.",
    ),
    (
        lambda one, other: float(np.equal(*_pairs(one, other)).sum() / 2),
        "len(pairs) is 2: np.triu_indices answers with two arrays, rows and columns. Take the .mean() of the entries.",
    ),
    (
        lambda one, other: float(np.equal(*_pairs(one, other)).sum()),
        "this is a number of pairs. A share of all pairs is wanted.",
    ),
)


def rand_index(function: Any) -> str | None:
    """The Rand index of some groupings, worked out beside it."""
    cases = [(np.array(one), np.array(other)) for one, other in _RUNS]
    answers: list[float] = []
    for one, other in cases:
        answer = ask(function, one, other)
        if isinstance(answer, bool | np.bool_) or not isinstance(answer, Real):
            return f"rand_index should answer with one number, not with {shown(answer)}. Is a .mean() missing?"
        answers.append(float(answer))
    wanted = [float(np.equal(*_pairs(one, other)).mean()) for one, other in cases]
    if np.allclose(answers, wanted):
        return None
    for formula, diagnosis in _WRONG_RUNS:
        if np.allclose(answers, [formula(*case) for case in cases], equal_nan=True):
            return diagnosis
    if all(np.isclose(answers[at], exact) for at, exact in _ADJUSTED.items()):
        return "this is the adjusted Rand index, which takes off what chance gives. The plain share is wanted here."
    at = int(np.argmin(np.isclose(answers, wanted)))
    one, other = cases[at]
    return f"rand_index({shown(one)}, {shown(other)}) should be {wanted[at]:.4f}, and it is {answers[at]:.4f}."


@cache
def _shelf() -> tuple[pd.DataFrame, pd.Series[Any]]:
    """Vectors of length 1 of made-up products, and their clusters in another order; near strangers on purpose."""
    angle = {
        "hat": 0.0,
        "cap": 0.5,
        "beret": -0.3,
        "hood": 1.2,
        "scarf": 0.1,
        "glove": -0.15,
        "shawl": 0.9,
        "sock": 2.8,
    }
    unit = pd.DataFrame({"x": np.cos(list(angle.values())), "y": np.sin(list(angle.values()))}, index=list(angle))
    cluster = dict.fromkeys(["hat", "cap", "beret", "hood"], 3) | dict.fromkeys(["scarf", "glove", "shawl"], 1)
    labels = pd.Series(cluster | {"sock": 0}, name="cluster").sample(frac=1, random_state=2)
    return unit, labels


def _similar(item: str, k: int, within: bool = True, drop: bool = True, nearest: bool = True) -> list[str]:
    unit, labels = _shelf()
    ids = [other for other in unit.index if (not within or labels[other] == labels[item])]
    ids = [other for other in ids if other != item or not drop]
    cosine = {other: float(unit.loc[other].to_numpy() @ unit.loc[item].to_numpy()) for other in ids}
    return sorted(ids, key=lambda other: -cosine[other] if nearest else cosine[other])[:k]


_ASKED = (("hat", 2), ("scarf", 5), ("hood", 3), ("hat", 1))
_WRONG_LISTS: tuple[tuple[dict[str, bool], str], ...] = (
    ({"within": False}, "these are the nearest of all products. Those of the same cluster are wanted."),
    ({"drop": False}, "the list holds the product itself: it is always nearest. Leave it out."),
    (
        {"within": False, "drop": False},
        "these are the nearest of all products, itself among them. Stay in the cluster.",
    ),
    ({"nearest": False}, "the farthest product comes first. A large cosine is near: sort so that it comes first."),
)


_NO_IDS = "These are numbers of clusters. `own` should hold ids of products, and in `labels` they are the index"


def similar(function: Any) -> str | None:
    """The nearest of the cluster, as ids."""
    unit, labels = _shelf()
    answers: list[list[Any]] = []
    for item, k in _ASKED:
        answer = ask(function, item, unit, labels, k, advice={"are in the [index]": _NO_IDS})
        values = _plain(answer)
        if values is None:
            return f"similar should answer with a list of product ids, not with {shown(answer)}."
        if values.dtype.kind in "fiu" and len(values):
            return "these are cosines. The ids of the products are wanted: in a series they are its index."
        answers.append(values.tolist())
    wanted = [_similar(item, k) for item, k in _ASKED]
    if answers == wanted:
        return None
    for given, diagnosis in _WRONG_LISTS:
        if answers == [_similar(item, k, **given) for item, k in _ASKED]:
            return diagnosis
    return _difference(answers, wanted)


def _difference(answers: Sequence[list[Any]], wanted: Sequence[list[str]]) -> str:
    at = next(at for at, (answer, right) in enumerate(zip(answers, wanted, strict=True)) if answer != right)
    item, k = _ASKED[at]
    call = f"similar({item!r}, unit, labels, {k}), in a cluster of {int((_shelf()[1] == _shelf()[1][item]).sum())},"
    if len(answers[at]) != len(wanted[at]):
        return f"{call} should list {len(wanted[at])} products, and it lists {len(answers[at])}: {shown(answers[at])}."
    if sorted(map(str, answers[at])) == sorted(wanted[at]):
        return f"{call} lists the right products in another order: {shown(answers[at])}, not {shown(wanted[at])}."
    return f"{call} should be {shown(wanted[at])}, and it is {shown(answers[at])}."
