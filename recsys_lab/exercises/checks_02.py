"""How the answers to the exercises of chapter 02 are checked: what is wrong with one, in words; None: nothing."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from recsys_lab.exercises.exercise import ask, shown
from recsys_lab.preferences import EventRules
from recsys_lab.recommender import Floats

_HOUR = 3_600_000

_EVENTS: tuple[tuple[list[float], list[list[float]]], ...] = (
    ([1.0, 0.2], [[1.0, 0.0], [0.0, 1.0]]),
    ([0.2, 0.5, 1.0], [[0.6, 0.8], [1.0, 0.0], [0.0, 1.0]]),
    ([0.2, 0.5, -0.5, 1.0, 0.2], [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.8, 0.6], [0.6, -0.8]]),
    ([0.5], [[0.6, 0.8]]),
)
"""Weights and vectors of a few shoppers' events; the first is short enough to be read in a message."""


def _vector(answer: Any, length: int) -> Floats | None:
    """An answer as a vector of that length; None where it is no such thing."""
    try:
        vector = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return vector if vector.shape == (length,) else None


# -- 1: the recursion ------------------------------------------------------------------------------------------------

Step = Callable[[int, float, float, Floats, Floats], Floats]


def _pull(weights: Floats, vectors: Floats, step: Step, t: float) -> Floats:
    """The recursion with `step` (n, t, w, v, e) from the second event on."""
    e: Floats = weights[0] * vectors[0]
    for n in range(2, len(weights) + 1):
        e = step(n, t, float(weights[n - 1]), vectors[n - 1], e)
    return e


def _mixed(new: float | Floats, past: float, whole: float, v: Floats, e: Floats) -> Floats:
    mixed: Floats = (new * v + past * e) / whole if whole else np.full_like(v, np.nan)
    return mixed


def _right_step(n: int, t: float, w: float, v: Floats, e: Floats) -> Floats:
    s = (n - 1) * (1 - t)
    return _mixed(t * w, s, t + s, v, e)


def _wrong_steps() -> tuple[tuple[Step, str], ...]:
    def with_s(past: Callable[[int, float], float]) -> Step:
        return lambda n, t, w, v, e: _mixed(t * w, past(n, t), t + past(n, t), v, e)

    def s(n: int, t: float) -> float:
        return (n - 1) * (1 - t)

    return (
        (with_s(lambda n, t: n * (1 - t)), "this counts n events in s. There are n - 1 events before the n-th one."),
        (
            with_s(lambda n, t: 1 - t),
            "the whole past counts as one event here. It is n - 1 events: s = (n - 1) * (1 - t).",
        ),
        (
            with_s(lambda n, t: n - 1 * (1 - t)),
            "n - 1 * (1 - t) is n minus 1 - t: products come before differences. The brackets are (n - 1) * (1 - t).",
        ),
        (
            lambda n, t, w, v, e: _mixed(t * w, s(n, t), 1.0, v, e),
            "this is not divided by t + s, so e grows with every event.",
        ),
        (
            lambda n, t, w, v, e: _mixed(t, s(n, t), t + s(n, t), v, e),
            "the weight w is missing: a click moves as much as a purchase.",
        ),
        (
            lambda n, t, w, v, e: _mixed(t * w, s(n, t), t * w + s(n, t), v, e),
            "the sum is divided by t + s, without w. (The form that divides by the weights is the next exercise.)",
        ),
        (
            lambda n, t, w, v, e: _mixed(s(n, t) * w, t, t + s(n, t), v, e),
            "this is the other way round: t belongs to the new event, s to the past.",
        ),
        (
            lambda n, t, w, v, e: w * v + e,
            "this is the sum of all w·v. It grows with every event; the recursion does not.",
        ),
        (
            lambda n, t, w, v, e: _mixed(w, n - 1.0, float(n), v, e),  # what s = (n - 1) * t comes to, too
            "this is the running mean, whatever the temperature is. That is right at t = 0.5 alone: s counts the past"
            " by 1 - t.",
        ),
    )


def pull(function: Any) -> str | None:
    """e after all events, at several temperatures."""
    cases = [(np.array(w), np.array(v), t) for w, v in _EVENTS for t in (0.8, 0.5, 0.3, 1.0)]
    found = []
    for weights, vectors, t in cases:
        answer = ask(function, weights, vectors, t)
        vector = _vector(answer, 2)
        if vector is None:
            return f"pull should answer with e, a vector of 2 numbers here, and it answers {shown(answer)}."
        found.append(vector)
    wanted = [_pull(w, v, _right_step, t) for w, v, t in cases]
    if np.allclose(found, wanted, rtol=1e-6, atol=1e-4):  # four digits are enough
        return None
    for step, diagnosis in _wrong_steps():
        if np.allclose(found, [_pull(w, v, step, t) for w, v, t in cases], equal_nan=True):
            return diagnosis
    at = next(at for at, pair in enumerate(zip(found, wanted, strict=True)) if not np.allclose(*pair, atol=1e-4))
    weights, vectors, t = cases[at]
    return (
        f"pull({shown(weights)}, {shown(vectors)}, {t}) should be {shown(np.round(wanted[at], 4))}, and it is"
        f" {shown(np.round(found[at], 4))}."
    )


# -- 2: divided by the weights ---------------------------------------------------------------------------------------


def normalised(function: Any) -> str | None:
    """e / d for a few shoppers, at two clocks."""
    cases = []
    for weights, vectors in _EVENTS:
        times = np.arange(len(weights)) * 5.0 * _HOUR
        for rules in (EventRules(), EventRules(temperature=0.8, floor=0.2)):
            cases.append((rules.shares(times), np.array(weights), np.array(vectors)))
    found = []
    for case in cases:
        answer = ask(function, *case)
        vector = _vector(answer, 2)
        if vector is None:
            return f"normalised should answer with a vector of 2 numbers here, and it answers {shown(answer)}."
        found.append(vector)

    def e(share: Floats, w: Floats, v: Floats) -> Floats:
        return np.asarray((share * w) @ v)

    wanted = [e(*case) / np.sum(case[0] * np.abs(case[1])) for case in cases]
    if np.allclose(found, wanted, rtol=1e-6, atol=1e-4):
        return None
    wrong: tuple[tuple[Callable[[Floats, Floats, Floats], Floats], str], ...] = (
        (e, "this is e, not divided yet: who only clicks would still be five times quieter than who buys."),
        (
            lambda share, w, v: e(share, w, v) / np.sum(share * w),
            "d is the sum over |w|, not over w: with removals (w below 0) the plain sum can be nothing, or below.",
        ),
        (
            lambda share, w, v: e(share, w, v) / np.sum(np.abs(w)),
            "this divides by the weights without their shares. d runs the same recursion: share · |w|.",
        ),
        (
            lambda share, w, v: e(share, w, v) / np.linalg.norm(e(share, w, v)),
            "this makes e of length 1. Then a shopper whose events disagree is as loud as one whose events agree; d"
            " takes out the weights and nothing else.",
        ),
        (lambda share, w, v: e(share, w, v) / len(w), "this divides by the number of events; the shares did that."),
        (lambda share, w, v: np.asarray(share @ v), "the weights are not in it: a click counts as much as a purchase."),
        (lambda share, w, v: np.asarray(w @ v) / np.sum(np.abs(w)), "the shares are not in it: time and temperature."),
    )
    for formula, diagnosis in wrong:
        if np.allclose(found, [formula(*case) for case in cases]):
            return diagnosis
    at = next(at for at, pair in enumerate(zip(found, wanted, strict=True)) if not np.allclose(*pair, atol=1e-4))
    return (
        f"normalised({', '.join(shown(value) for value in cases[at])}) should be {shown(np.round(wanted[at], 4))}, and"
        f" it is {shown(np.round(found[at], 4))}."
    )


# -- 3: weight and influence -----------------------------------------------------------------------------------------


def influence_for(function: Any) -> str | None:
    """The influence at which one event of a weight gets a similarity, against an orthogonal base."""
    cases = [(w, aim) for w in (0.2, 0.5, 0.8, 1.0) for aim in (0.9, 0.6247, 0.5, 0.99)]
    found: list[float] = []
    for w, aim in cases:
        answer = ask(function, w, aim)
        if isinstance(answer, bool) or not isinstance(answer, Real):
            return f"influence_for should answer with one number, and it answers {shown(answer)}."
        found.append(float(answer))

    def ratio(aim: float) -> float:
        return float(np.sqrt(1 / aim**2 - 1))

    wanted = [1 / (1 + w * ratio(aim)) for w, aim in cases]
    if np.allclose(found, wanted, rtol=0, atol=5.1e-4):  # three digits are enough
        return None
    wrong: tuple[tuple[Callable[[float, float], float], str], ...] = (
        (
            lambda w, aim: aim,
            "the similarity is not the influence itself: how far an event pulls depends on its weight.",
        ),
        (
            lambda w, aim: 1 / (1 + ratio(aim)),
            "this is the same whatever the weight. It is right for a purchase (weight 1) alone.",
        ),
        (
            lambda w, aim: w * ratio(aim) / (1 + w * ratio(aim)),
            "this is what is left of the base, 1 - influence. Turn it round.",
        ),
        (
            lambda w, aim: 1 / (1 + ratio(aim) / w),
            "here a click needs less influence than a purchase. It is lighter, so it needs more influence.",
        ),
        (
            lambda w, aim: 1 / (1 + w * (1 / aim - 1)),
            "this mixes without the lengths. The two directions are orthogonal: the length of the mixture is"
            " sqrt((i·w)² + (1 - i)²).",
        ),
    )
    for formula, diagnosis in wrong:
        if np.allclose(found, [formula(w, aim) for w, aim in cases]):
            return diagnosis
    if not all(0 <= value <= 1 for value in found):
        strange = next(at for at, value in enumerate(found) if not 0 <= value <= 1)
        return (
            f"influence_for{cases[strange]} is {found[strange]:.4f}. An influence lies between 0 and 1: below nothing,"
            " or more than 1, there is none."
        )
    at = int(np.argmin(np.isclose(found, wanted, rtol=0, atol=5.1e-4)))
    return f"influence_for{cases[at]} should be {wanted[at]:.4f}, and it is {found[at]:.4f}."


# -- 4: what the last visit holds ------------------------------------------------------------------------------------


def last_visit(function: Any) -> str | None:
    """The share of the vector that comes from the last hours, for several rules."""
    rules = (
        EventRules(),
        EventRules(temperature=0.8),
        EventRules(floor=0.0, max_age_ms=24 * _HOUR),
        EventRules(temperature=0.7, floor=0.2),
    )
    # From day to day, then the last visit; in the first an event stands exactly where it begins.
    logs = (
        (np.array([0.0, 30, 31, 59.5, 60, 61, 62]) * _HOUR + 1.7e12, 2 * _HOUR),
        (np.array([0.0, 1, 40, 40.5, 90, 91, 91.5]) * _HOUR + 1.7e12, 2 * _HOUR),
    )
    cases = [(rule, times, length) for times, length in logs for rule in rules]
    found: list[float] = []
    for case in cases:
        answer = ask(function, *case)
        if isinstance(answer, bool) or not isinstance(answer, Real):
            return f"last_visit should answer with one number, and it answers {shown(answer)}. Is a .sum() missing?"
        found.append(float(answer))

    def part(pick: Callable[[Floats, Floats, int], Any]) -> list[float]:
        return [float(pick(rule.shares(times), times, length)) for rule, times, length in cases]

    wanted = part(lambda share, times, length: share[times >= times[-1] - length].sum())
    if np.allclose(found, wanted, rtol=0, atol=5.1e-4):
        return None
    known: tuple[tuple[list[float], str], ...] = (
        (
            part(lambda share, times, length: (times >= times[-1] - length).mean()),
            "this counts the events of the last visit. Their number is not what is left of them: take their shares.",
        ),
        (
            part(lambda share, times, length: share[times > times[-1] - length].sum()),
            "the event at the very moment when the visit begins counts too.",
        ),
        (
            part(lambda share, times, length: share[times <= times[-1] - length].sum()),
            "this is what was before the last visit. Events from its beginning on are wanted.",
        ),
        (
            part(lambda share, times, length: share[times < times[-1] - length].sum()),
            "this is what was before the last visit. Events from its beginning on are wanted.",
        ),
        (
            part(lambda share, times, length: share[times <= times[0] + length].sum()),
            "this is the first visit: times[0] is the oldest event, times[-1] the last.",
        ),
        (
            part(lambda share, times, length: share[times >= times[-1] - length].mean()),
            "this is the mean of the last visit's shares. The visit holds all of them together: add them up.",
        ),
        (part(lambda share, times, length: share[-1]), "this is the last event alone. The visit has more of them."),
        (
            [1.0] * len(cases),
            "this is 1 for all rules, as if nothing had been before the visit. Take the shares of all events first, and"
            " pick those of the visit then.",
        ),
    )
    for values, diagnosis in known:
        if np.allclose(found, values):
            return diagnosis
    at = int(np.argmin(np.isclose(found, wanted, rtol=0, atol=5.1e-4)))
    rule, times, _ = cases[at]
    hours = ", ".join(f"{hour:g}" for hour in (times - times[0]) / _HOUR)
    return (
        f"with events at the hours {hours}, temperature {rule.temperature} and floor {rule.floor}, the last two hours"
        f" should be {wanted[at]:.4f} of the vector, and it says {found[at]:.4f}."
    )
