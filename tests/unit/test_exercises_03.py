"""The checkers of chapter 03 accept every right way to answer, and say what is wrong where the blank tests cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recsys_lab.exercises import chapter, checks_03
from recsys_lab.exercises.chapter_03 import COLD_VECTOR, EXERCISES, PAIR_LOSS, PAIRS
from tests.mutants import mutants

SOLUTIONS = {
    PAIRS: """
def pairs(visit, window):
    places = range(len(visit))
    near = [(here, there) for here in places for there in places if here - window <= there <= here + window]
    return [(visit[here], visit[there]) for here, there in near if here != there]
""",
    PAIR_LOSS: """
def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def pair_loss(u, v, negatives):
    seen = -np.log(sigmoid(u @ v))
    drawn = -np.log(sigmoid(-negatives @ u)).sum()
    return seen + drawn
""",
    COLD_VECTOR: """
def cold_vector(likeness, behaviour, k):
    nearest = np.argsort(-likeness)[:k]
    mean = behaviour[nearest].mean(axis=0)
    return mean / np.linalg.norm(mean)
""",
}


def verdict(number: int, code: str) -> Any:
    namespace: dict[str, Any] = {"np": np}
    exec(code, namespace)
    return chapter("03")[number].check(namespace)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_solution_known_mistakes_and_mutants(number: int) -> None:
    exercise = EXERCISES[number - 1]
    solution = next(code for one, code in SOLUTIONS.items() if one is exercise)
    assert verdict(number, solution).kind == "right"
    for wrong in exercise.wrong:
        said = verdict(number, wrong.code)
        assert said.kind == "not yet"
        assert wrong.says in said.message, wrong.code
    passed = []
    for mutant in mutants(solution):
        with np.errstate(all="ignore"):
            if verdict(number, mutant.source).kind == "right":
                passed.append(mutant.line)
    assert passed == []


def lists(visit: list[str], window: int) -> list[list[str]]:
    return [[visit[a], visit[b]] for b in range(len(visit)) for a in range(len(visit)) if 0 < abs(a - b) <= window]


def array(visit: list[str], window: int) -> Any:
    return np.array(lists(visit, window)) if len(visit) > 1 else []


def steps(visit: list[str], window: int) -> Any:
    for here, item in enumerate(visit):
        yield from ((item, other) for other in visit[max(0, here - window) : here])
        yield from ((item, other) for other in visit[here + 1 : here + 1 + window])


@pytest.mark.parametrize("right", [lists, array, lambda v, w: tuple(lists(v, w)), lambda v, w: list(steps(v, w))])
def test_pairs_in_any_order_and_kind(right: Callable[..., Any]) -> None:
    assert checks_03.pairs(right) is None


def test_a_visit_of_one_product_has_no_pairs() -> None:
    assert "no pairs" in str(checks_03.pairs(lambda v, w: lists(v, w) if len(v) > 1 else [("boot", "boot")]))


def stable(u: Any, v: Any, negatives: Any) -> Any:
    return np.logaddexp(0, -u @ v) + np.logaddexp(0, negatives @ u).sum()


def by_loop(u: Any, v: Any, negatives: Any) -> Any:
    total = -np.log(1 / (1 + np.exp(-u @ v)))
    for one in negatives:
        total -= np.log(1 - 1 / (1 + np.exp(-(one @ u))))
    return float(total)


@pytest.mark.parametrize("right", [stable, by_loop, lambda *x: np.array(stable(*x)), lambda *x: np.float32(stable(*x))])
def test_other_ways_to_the_loss(right: Callable[..., Any]) -> None:
    assert checks_03.pair_loss(right) is None


def by_sort(likeness: Any, behaviour: Any, k: int) -> list[float]:
    rows = sorted(range(len(likeness)), key=lambda row: likeness[row], reverse=True)[:k]
    total = sum(behaviour[row] for row in rows)
    return (total / np.sqrt((total**2).sum())).tolist()


def test_other_ways_to_the_cold_vector() -> None:
    assert checks_03.cold_vector(by_sort) is None
    assert checks_03.cold_vector(lambda *x: np.array(by_sort(*x), dtype=np.float32)) is None


def test_nothing_that_is_given_crashes_a_checker() -> None:
    kinds: list[Any] = [
        None,
        3,
        "text",
        [],
        {},
        np.ones((2, 2)),
        [None],
        [[1, 2]],
        float("nan"),
        [("a",)],
        (None, None),
    ]
    for number in (1, 2, 3):
        name = EXERCISES[number - 1].names[0]
        for answer in kinds:
            said = chapter("03")[number].check({name: lambda *_, answer=answer: answer})
            assert said.kind == "not yet"
            assert len(said.message) > 20
