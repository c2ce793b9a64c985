"""How the answers to the exercises of chapter 03 are checked: what is wrong with one, in words; None: nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from recsys_lab.exercises.exercise import ask, shown
from recsys_lab.recommender import Floats

_VISITS: tuple[tuple[list[str], int], ...] = (
    (["boot", "coat", "hat", "bag", "sock"], 2),
    (["boot", "coat", "hat"], 1),
    (["boot", "coat", "boot", "hat"], 2),
    (["boot", "coat"], 5),
    (["a", "b", "c", "d", "e", "f", "g", "h"], 3),
)

Pair = tuple[str, str]


def _pairs(visit: Sequence[str], gaps: Callable[[int], bool]) -> list[Pair]:
    """The pairs of products at two places of a visit, of which `gaps` allows the distance (there minus here)."""
    places = range(len(visit))
    return [(visit[here], visit[there]) for here in places for there in places if gaps(there - here)]


def pairs(function: Any) -> str | None:
    """The pairs of a few made-up visits, in any order."""
    for visit, window in _VISITS:
        found = ask(function, visit, window)
        diagnosis = _not_pairs(found)
        if diagnosis is None:
            diagnosis = _diagnose_pairs([(str(a), str(b)) for a, b in found], visit, window)
        if diagnosis is not None:
            return diagnosis
    alone = ask(function, ["boot"], 2)
    return None if len(list(alone)) == 0 else f"a visit of one product has no pairs, and this finds {shown(alone)}."


def _not_pairs(found: Any) -> str | None:
    if isinstance(found, str | dict | set) or not hasattr(found, "__iter__"):
        return f"a list of pairs is wanted, and this is of the type {type(found).__name__}."
    for pair in found:
        if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:
            return f"each member of the list should be a pair such as ('boot', 'coat'), and one is {shown(pair)}."
        if isinstance(pair[0], Real):
            return "these are places. The products at the places are wanted: visit[here], visit[there]."
    return None


def _diagnose_pairs(found: list[Pair], visit: list[str], window: int) -> str | None:
    def same(gaps: Callable[[int], bool]) -> bool:
        return Counter(found) == Counter(_pairs(visit, gaps))

    if same(lambda gap: 0 < abs(gap) <= window):
        return None
    known: tuple[tuple[Callable[[int], bool], str], ...] = (
        (lambda gap: abs(gap) <= window, "a product is paired with its own place. Leave out here == there."),
        (
            lambda gap: 0 < gap <= window,
            "only products that come later are paired. A window reaches to both sides: 'boot' is a neighbour of"
            " 'coat', and 'coat' of 'boot'.",
        ),
        (
            lambda gap: -window <= gap < 0,
            "only products that came earlier are paired. A window reaches to both sides.",
        ),
        (lambda gap: gap != 0, "all pairs of the visit are there, as if there were no window."),
        (
            lambda gap: 0 < abs(gap) < window,
            f"the window ends a step too early: what is {window} steps away still belongs to it.",
        ),
        (
            lambda gap: 0 < abs(gap) <= window + 1,
            f"the window goes a step too far: what is {window + 1} steps away is outside.",
        ),
    )
    example = f"For pairs({visit}, {window}): "
    for gaps, diagnosis in known:
        if same(gaps):
            return example + diagnosis
    wanted = _pairs(visit, lambda gap: 0 < abs(gap) <= window)
    missing, extra = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
    if missing:
        return example + f"{next(iter(missing))} is missing."
    return example + f"{next(iter(extra))} is there once too often."


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(x, dtype=np.float64)))


def _loss(u: Floats, v: Floats, negatives: Floats) -> float:
    return float(-np.log(_sigmoid(u @ v)) - np.log(_sigmoid(-negatives @ u)).sum())


_WRONG_LOSSES: tuple[tuple[Callable[[Floats, Floats, Floats], float], str], ...] = (
    (
        lambda u, v, n: -_loss(u, v, n),
        "this is the objective, which grows as the vectors get better. The loss is the same with a minus in front.",
    ),
    (
        lambda u, v, n: float(-np.log(_sigmoid(u @ v)) - np.log(_sigmoid(n @ u)).sum()),
        "the drawn products are pulled near, as if they had been seen: they need one minus inside sigmoid (and"
        " 1 - sigmoid(x) is sigmoid(-x): two of them cancel).",
    ),
    (
        lambda u, v, n: float(-np.log(_sigmoid(u @ v))),
        "the drawn products do not count yet. Without them all vectors would become the same, at no loss.",
    ),
    (
        lambda u, v, n: float(-np.log(_sigmoid(-n @ u)).sum()),
        "the pair that was seen does not count yet.",
    ),
    (
        lambda u, v, n: float(-np.log(_sigmoid(u @ v)) + np.log(_sigmoid(-n @ u)).sum()),
        "the two terms are subtracted. Both of them are to be small, so both logs get a minus.",
    ),
    (
        lambda u, v, n: float(-np.log(_sigmoid(u @ v)) - np.log(_sigmoid(-n @ u)).mean()),
        "this takes the mean over the drawn products. Each of them counts in full: take the sum.",
    ),
    (
        lambda u, v, n: float(-np.log(_sigmoid(u @ v)) - np.log(_sigmoid(-(n @ u).sum()))),
        "the sum is inside the log. Each drawn product has a log of its own; add these up.",
    ),
    (
        lambda u, v, n: float(-_sigmoid(u @ v) - _sigmoid(-n @ u).sum()),
        "the logs are missing.",
    ),
)


def pair_loss(function: Any) -> str | None:
    """The loss of a few pairs with drawn products, worked out beside it."""
    rng = np.random.default_rng(3)
    cases = [(rng.normal(size=4), rng.normal(size=4), rng.normal(size=(count, 4))) for count in (3, 1, 6)]
    cases.append((np.zeros(2), np.ones(2), np.ones((2, 2))))
    rows = "A drawn product is a row of `negatives`, so it stands first: negatives @ u"
    answers = [ask(function, *case, advice={"mismatch in its core": rows}) for case in cases]
    for answer in answers:
        if isinstance(answer, bool) or np.ndim(answer) or not np.issubdtype(np.asarray(answer).dtype, np.number):
            return f"pair_loss should answer with one number, not with {shown(answer)}. Is a .sum() missing?"
    if np.allclose(answers, [_loss(*case) for case in cases]):
        return None
    for formula, diagnosis in _WRONG_LOSSES:
        with np.errstate(all="ignore"):
            if np.allclose(answers, [formula(*case) for case in cases]):
                return diagnosis
    value = _loss(*cases[-1])
    return (
        "with u of zeros, every sigmoid is 1/2, so a pair with two drawn products should have the loss"
        f" 3 · log 2 = {value:.4f}, and it is {float(answers[-1]):.4f}."
        if not np.isclose(answers[-1], value)
        else f"for {shown(cases[0])} the loss should be {_loss(*cases[0]):.4f}, and it is {float(answers[0]):.4f}."
    )


def _cold(likeness: Floats, behaviour: Floats, k: int) -> Floats:
    mean = behaviour[np.argsort(-likeness, kind="stable")[:k]].mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def _of_length_one(vector: Floats) -> Floats:
    return vector / np.linalg.norm(vector)


_WRONG_VECTORS: tuple[tuple[Callable[[Floats, Floats, int], Floats], str], ...] = (
    (
        lambda likeness, behaviour, k: behaviour[np.argsort(-likeness)[:k]].mean(axis=0),
        "the mean is right, but it is shorter than 1. Divide it by its length, np.linalg.norm.",
    ),
    (
        lambda likeness, behaviour, k: behaviour[np.argsort(-likeness)[:k]].sum(axis=0),
        "this is the sum of the right vectors. Divide it by its length, np.linalg.norm.",
    ),
    (
        lambda likeness, behaviour, k: _cold(-likeness, behaviour, k),
        "these are the products that are *least* like the new one: argsort puts the smallest first.",
    ),
    (
        lambda likeness, behaviour, k: _of_length_one(behaviour.mean(axis=0)),
        "this is the mean of all products, the same for every new one. Take the k most alike.",
    ),
    (
        lambda likeness, behaviour, k: _of_length_one(behaviour[:k].mean(axis=0)),
        "this takes the first k rows, whatever they are like. Sort by likeness first.",
    ),
    (
        lambda likeness, behaviour, k: _cold(likeness, behaviour, 1),
        "this takes the nearest product alone. Take the mean of the k nearest.",
    ),
)


def cold_vector(function: Any) -> str | None:
    """The vectors of a few new products among made-up ones."""
    rng = np.random.default_rng(5)
    cases = [(rng.permutation(9) / 9, rng.normal(size=(9, 3)), k) for k in (3, 2, 5)]
    places = "These are likenesses, and rows are needed: np.argsort(-likeness) lists the rows, the most alike first"
    answers = [ask(function, *case, advice={"only integers, slices": places}) for case in cases]
    for answer, (_, behaviour, _k) in zip(answers, cases, strict=True):
        if np.shape(answer) != behaviour.shape[1:]:
            return (
                f"a vector of {behaviour.shape[1]} numbers is wanted, and this has the shape {np.shape(answer)}. The"
                " mean goes over products: axis=0."
            )

    def all_close(formula: Callable[[Floats, Floats, int], Floats]) -> bool:
        return all(np.allclose(answer, formula(*case)) for answer, case in zip(answers, cases, strict=True))

    if all_close(_cold):
        return None
    for formula, diagnosis in _WRONG_VECTORS:
        if all_close(formula):
            return diagnosis
    lengths = [float(np.linalg.norm(answer)) for answer in answers]
    if not np.allclose(lengths, 1):
        return f"the vector should have the length 1, and it has {lengths[0]:.3f}. Divide the mean by its own length."
    return "the length is 1, but the direction is another one. Which products does it take the mean of, and how many?"
