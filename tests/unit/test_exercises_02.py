"""Chapter 02's checkers: right answers of other kinds pass, and more wrong ones hear what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recsys_lab.exercises import ____, chapter
from recsys_lab.exercises.exercise import Verdict
from recsys_lab.preferences import EventRules

SOLVED = """
def pull(weights, vectors, temperature):
    t = temperature
    e = weights[0] * vectors[0]
    for n, (w, v) in enumerate(zip(weights[1:], vectors[1:]), start=2):
        s = (n - 1) * (1 - t)
        e = (t * w * v + s * e) / (t + s)
    return e


def normalised(shares, weights, vectors):
    e = (shares * weights) @ vectors
    d = np.sum(shares * np.abs(weights))
    return e / d


def influence_for(weight, similarity):
    r = np.sqrt(1 / similarity**2 - 1)
    return 1 / (1 + weight * r)


def last_visit(rules, times, length_ms):
    share = rules.shares(times)
    return share[times >= times[-1] - length_ms].sum()
"""


def solved() -> dict[str, Any]:
    namespace: dict[str, Any] = {"np": np}
    exec(SOLVED, namespace)
    return namespace


def judged(number: int, answer: Any) -> Verdict:
    task = chapter("02")[number]
    return task.check({task.exercise.names[0]: answer})


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_solution_is_right_and_each_known_mistake_hears_its_words(number: int) -> None:
    task = chapter("02")[number]
    assert task.check(solved()).kind == "right"
    assert task.check(solved() | {task.exercise.names[0]: ____}).kind == "not attempted"
    for wrong in task.exercise.wrong:
        namespace = solved()
        exec(wrong.code, namespace)
        verdict = task.check(namespace)
        assert verdict.kind == "not yet", wrong.code
        assert wrong.says in verdict.message, (wrong.code, verdict.message)


def rounded(function: Callable[..., Any], digits: int) -> Callable[..., Any]:
    return lambda *inputs: np.round(function(*inputs), digits)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_rounding_and_plain_types_pass(number: int) -> None:
    name = chapter("02")[number].exercise.names[0]
    right = solved()[name]
    assert judged(number, rounded(right, 4)).kind == "right"
    assert judged(number, lambda *inputs: np.asarray(right(*inputs)).tolist()).kind == "right"
    assert judged(number, rounded(right, 1)).kind == "not yet"


def test_the_recursion_may_be_written_by_shares() -> None:
    """Another right way: the shares of the package, events one unit of time apart."""

    def pull(weights: Any, vectors: Any, temperature: float) -> Any:
        shares = EventRules(temperature=temperature).shares(np.arange(len(weights), dtype=float))
        return (shares * weights) @ vectors

    assert judged(1, pull).kind == "right"


def test_the_normalised_form_may_be_written_as_a_weighted_mean() -> None:
    def normalised(shares: Any, weights: Any, vectors: Any) -> Any:
        return np.average(np.sign(weights)[:, None] * vectors, axis=0, weights=shares * np.abs(weights))

    assert judged(2, normalised).kind == "right"


def test_the_influence_may_be_found_by_halving() -> None:
    def influence_for(weight: float, similarity: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            reached = middle * weight / np.hypot(middle * weight, 1 - middle)
            low, high = (middle, high) if reached < similarity else (low, middle)
        return low

    assert judged(3, influence_for).kind == "right"


def test_the_visit_may_be_added_up_in_a_loop() -> None:
    def last_visit(rules: EventRules, times: Any, length_ms: float) -> float:
        return sum(s for s, t in zip(rules.shares(times), times, strict=True) if times[-1] - t <= length_ms)

    assert judged(4, last_visit).kind == "right"


def test_what_no_rule_foresees_is_shown_beside_what_it_should_be() -> None:
    assert "should be [0.2, 0.16]" in judged(1, lambda *_: np.zeros(2)).message
    assert "should be" in judged(2, lambda *_: np.zeros(2)).message
    assert "should be 0.9117" in judged(3, lambda *_: 0.5).message
    assert "should be" in judged(4, lambda *_: 0.5).message


def test_the_worked_number_of_the_text() -> None:
    """A base and one event on orthogonal products: weight .8 at an influence of .5 gives a similarity of .6247."""
    part = np.array([0.5, 0.5 * 0.8])
    assert float(part[1] / np.linalg.norm(part)) == pytest.approx(0.6247, abs=5e-5)
    assert solved()["influence_for"](0.8, 0.6247) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "answer", [3, "text", None, lambda *_: None, lambda *_: "a", lambda *_: [[]], lambda *_: 1 / 0]
)
def test_answers_of_any_kind_get_words(number: int, answer: Any) -> None:
    verdict = judged(number, answer)
    assert verdict.kind == "not yet"
    assert len(verdict.message) > 20
