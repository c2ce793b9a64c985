"""How the answers to the exercises of chapter 07 are checked: what is wrong with one, in words; None: nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from recsys_lab.exercises.answers import as_number
from recsys_lab.exercises.exercise import Stopped, ask, shown
from recsys_lab.recommender import Floats


def _numbers(answer: Any, size: int) -> Floats | None:
    """An answer of so many numbers as an array; None for what is none."""
    if isinstance(answer, str | dict | set):
        return None
    try:
        values = np.array([float(value) for value in answer], dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return values if len(values) == size else None


def _alike(answers: Sequence[Any], wanted: Sequence[Any], within: float = 1e-4) -> bool:
    return all(np.allclose(one, other, atol=within) for one, other in zip(answers, wanted, strict=True))


# -- where it was lost ------------------------------------------------------------------------------------------------

_LISTS = (
    (
        [["a", "b"], ["c", "d"], ["a", "c"], ["d", "b"], ["b", "a"], ["c", "a"], ["b", "c"], ["a", "d"]],
        [list("abc"), list("cdef"), list("ace"), list("dbf"), list("bade"), list("cag"), list("bcg"), list("adg")],
        ["b", "e", "h", "f", "a", "g", "c", "h"],
    ),
    ([["a"], ["a"], ["a"], ["a"], ["b"]], [["a", "b"]] * 4 + [["b"]], ["a", "a", "a", "b", "c"]),
)


def _shares(lists: Any, pools: Any, wanted: Any) -> tuple[Floats, Floats]:
    """Of each question, whether its product was shown, and whether it was nominated."""
    listed = np.array([item in ids for item, ids in zip(wanted, lists, strict=True)], dtype=np.float64)
    return listed, np.array([item in ids for item, ids in zip(wanted, pools, strict=True)], dtype=np.float64)


def _lost(listed: Floats, inside: Floats) -> list[float]:
    return [listed.mean(), inside.mean() - listed.mean(), 1 - inside.mean()]


_WRONG_LOSSES: tuple[tuple[Callable[[Floats, Floats], list[float]], str], ...] = (
    (
        lambda listed, inside: [listed.mean(), 1 - listed.mean(), 1 - inside.mean()],
        "the ranker is blamed for everything that was not shown. What was never nominated it could not show: its loss"
        " is nominated and not shown.",
    ),
    (
        lambda listed, inside: [listed.mean(), inside.mean(), 1 - inside.mean()],
        "the second number is the candidate recall, the share that was nominated at all. What was nominated and shown"
        " is not lost.",
    ),
    (
        lambda listed, inside: [listed.mean(), inside.mean() - listed.mean(), inside.mean()],
        "the third number is the candidate recall. Lost by the candidates is the rest: what was not nominated.",
    ),
    (
        lambda listed, inside: [listed.mean(), inside.mean() - listed.mean(), 1 - listed.mean()],
        "the third number is everything that was not shown. A part of it was nominated, and lost by the ranker.",
    ),
    (
        lambda listed, inside: [listed.mean(), 1 - inside.mean(), inside.mean() - listed.mean()],
        "the two losses are the wrong way round: shown, lost by the ranker, lost by the candidates.",
    ),
    (
        lambda listed, inside: [listed.mean(), 1 - listed.sum() / inside.sum(), 1 - inside.mean()],
        "the ranker's loss is a share of the questions whose product was nominated. Count it, as the others, as a share"
        " of all questions; then the three add up to 1.",
    ),
    (
        lambda listed, inside: [listed.sum(), (inside - listed).sum(), (1 - inside).sum()],
        "these are numbers of questions. Shares are wanted: divide by the number of questions, or take the mean.",
    ),
    (
        lambda listed, inside: [100 * share for share in _lost(listed, inside)],
        "these are per cent. Shares are wanted, between 0 and 1: leave the 100 out.",
    ),
)


_BY_ELEMENT = "With arrays of True and False, `and` is written &, `not` is written ~"


def where_lost(function: Any) -> str | None:
    """Shares of what was shown, lost by the ranker, lost by the candidates."""
    answers: list[Floats] = []
    for case in _LISTS:
        given = ask(function, *case, advice={"boolean subtract": _BY_ELEMENT, "truth value of an array": _BY_ELEMENT})
        answer = _numbers(given, 3)
        if answer is None:
            return f"where_lost should answer with three numbers, and it answers {shown(given)}."
        answers.append(answer)
    counted = [_shares(*case) for case in _LISTS]
    wanted = [_lost(*case) for case in counted]
    if _alike(answers, wanted):
        return None
    for formula, diagnosis in _WRONG_LOSSES:
        if _alike(answers, [formula(*case) for case in counted]):
            return diagnosis
    at = 0 if not _alike(answers[:1], wanted[:1]) else 1
    return (
        f"for a test of {len(_LISTS[at][2])} questions the shares should be {shown(np.round(wanted[at], 3))}, and they"
        f" are {shown(answers[at].round(3))}. Do they add up to 1?"
    )


# -- the listwise loss ------------------------------------------------------------------------------------------------


@cache
def _one_list() -> tuple[tuple[Floats, Floats, Floats], ...]:
    """Candidates, gains, weights: one product wanted; two wanted, unequally; and gains that add up to 1 already."""
    rng = np.random.default_rng(4)
    return (
        (rng.normal(size=(4, 2)), np.array([0.0, 0.2, 0.0, 0.0]), np.array([0.5, -1.0])),
        (rng.normal(size=(5, 3)), np.array([1.0, 0.0, 0.5, 0.0, 0.2]), np.array([0.3, 1.2, -0.7])),
        (rng.normal(size=(3, 2)), np.array([0.0, 0.0, 1.0]), np.array([2.0, 0.1])),
    )


def _softmax(score: Floats) -> Floats:
    share = np.exp(score - score.max())
    return np.asarray(share / share.sum())


def _loss(  # each switch is a mistake
    x: Floats,
    gains: Floats,
    w: Floats,
    whole: bool = True,
    sign: float = 1.0,
    kind: str = "softmax",
    mean: bool = False,
    slope: str = "difference",
) -> tuple[float, Floats]:
    score = x @ w
    lifted = np.exp(score - score.max())
    chances = {"softmax": _softmax(score), "sigmoid": 1 / (1 + np.exp(-score)), "exp": lifted, "max": lifted}
    chance = chances[kind]
    wanted = gains / gains.sum() if whole else gains
    steps = {"difference": chance - wanted, "wanted": -wanted, "chance": chance}
    step = sign * steps[slope] @ x
    return -float(wanted @ np.log(chance)), step / len(x) if mean else step


_WRONG_SLOPES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"whole": False}, "the gains do not add up to 1, so a list with a purchase counts more than one with a click, and"
                       " the slope is not 0 where the shares fit. Divide the gains by their sum."),
    ({"sign": -1.0}, "the slope points uphill: it is (what the model gives − what was wanted), times the features."
                     " Here it is the other way round."),
    ({"kind": "exp"}, "the shares of the list do not add up to 1: divide exp(score) by its sum over the list."),
    ({"kind": "sigmoid"}, "each candidate is judged alone here (1 / (1 + e^−score)). A list competes: e^score divided"
                          " by the sum of e^score over the list."),
    ({"mean": True}, "the slope is a mean over the candidates. The loss is of one list: sum them."),
    ({"slope": "wanted"}, "the slope knows what was wanted, and not what the model gives already: it would push for"
                          " ever: (chance − wanted) is what is multiplied by x."),
    ({"slope": "chance"}, "the slope does not know what was wanted: (chance − wanted) is what is multiplied by x."),
    ({"whole": False, "sign": -1.0}, "the gains do not add up to 1, and the slope points uphill."),
)  # fmt: skip


def listwise(function: Any) -> str | None:
    """The loss of one list and its slope."""
    answers: list[Floats] = []
    rows = "The difference has a number for each candidate and x has a row for each: @ weighs the rows and adds them up"
    for case in _one_list():
        given = ask(function, *case, advice={"broadcast": rows})
        answer = _pair(given, case[0].shape[1])
        if isinstance(answer, str):
            return answer
        answers.append(answer)
    wanted = [_flat(_loss(*case)) for case in _one_list()]
    if not _alike(answers, wanted):
        for mistakes, diagnosis in _WRONG_SLOPES:
            if _alike(answers, [_flat(_loss(*case, **mistakes)) for case in _one_list()]):
                return diagnosis
        if _alike([-answer[0] for answer in answers], [right[0] for right in wanted]):
            return "the loss is the wrong way round: −Σ g·log P, which is above 0 and small when the ranker is right."
        at = next(at for at, right in enumerate(wanted) if not np.allclose(answers[at], right, atol=1e-4))
        return (
            f"for a test list the loss should be {wanted[at][0]:.4f} and its slope {shown(wanted[at][1:].round(4))};"
            f" they are {answers[at][0]:.4f} and {shown(answers[at][1:].round(4))}."
        )
    x, gains, w = _one_list()[1]
    # Scores around 800, and one of them 720 lower: exp of neither fits into a float, and still no share is 0.
    apart = x + np.where(np.arange(len(x)) == 0, 80, 800)[:, None] * w / (w @ w)
    try:
        large = _pair(ask(function, apart, gains, w), 3)
    except Stopped:
        large = "OverflowError, of math.exp"
    if isinstance(large, str) or not np.isfinite(large).all():
        return "right for small scores, and not a number for large ones: exp overflows. Subtract the largest score."
    return None


def _pair(given: Any, width: int) -> Floats | str:
    """A loss and its slope in one array; words for what is none."""
    words = f"listwise should answer with the loss and the slope ({width} numbers here), and it answers {shown(given)}."
    if isinstance(given, str | dict | set) or not hasattr(given, "__len__") or len(given) != 2:
        return words
    loss, slope = as_number(given[0]), _numbers(given[1], width) if np.ndim(given[1]) == 1 else None
    return words if loss is None or slope is None else np.array([loss, *slope])


def _flat(pair: tuple[float, Floats]) -> Floats:
    return np.array([pair[0], *pair[1]])


# -- the upper confidence bound ---------------------------------------------------------------------------------------


@cache
def _arms() -> tuple[tuple[Floats, Floats, Floats, float, float], ...]:
    """What an arm was shown with and earned, a visit, alpha and ridge; one arm was never shown."""
    rng = np.random.default_rng(9)
    return (
        (rng.normal(size=(6, 3)), np.array([1.0, 0, 0, 1, 0, 1]), rng.normal(size=3), 1.5, 2.0),
        (rng.normal(size=(9, 2)), rng.integers(0, 2, 9).astype(float), rng.normal(size=2), 0.5, 1.0),
        (np.zeros((0, 2)), np.zeros(0), np.array([3.0, 4.0]), 1.0, 4.0),
    )


def _bound(  # each switch is a mistake
    X: Floats,
    r: Floats,
    x: Floats,
    alpha: float,
    ridge: float,
    inverse: bool = True,
    root: bool = True,
    sign: float = 1.0,
    weighed: bool = True,
    ridged: bool = True,
    one: bool = False,
    inside: bool = False,
) -> float:
    A = X.T @ X + (1.0 if one else ridge if ridged else 0.0) * np.eye(len(x))
    solved = np.linalg.pinv(A)
    spread = x @ (solved if inverse else A) @ x
    bonus = np.sqrt(spread) if root else spread
    factor = np.sqrt(alpha) if inside else alpha if weighed else 1.0
    return float(solved @ (X.T @ r) @ x + sign * factor * bonus)


_NO_RIDGE = "λ is missing: A = λI + Σ x xᵀ. An arm that was never shown has no inverse without it."

_WRONG_BOUNDS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"inverse": False}, "the bonus takes A and not its inverse, so it grows with what is known: the policy would go on"
                         " showing what it knows best. √(xᵀ A⁻¹ x)."),
    ({"root": False}, "the root is missing: xᵀ A⁻¹ x is a variance, and the bonus is α standard deviations."),
    ({"inverse": False, "root": False}, "the bonus takes A and not its inverse, and the root is missing: √(xᵀ A⁻¹ x)."),
    ({"sign": -1.0}, "the bonus is taken away: that is the lower bound. Optimism adds it."),
    ({"weighed": False}, "alpha is not used: the bonus is α times the root."),
    ({"sign": 0.0}, "there is no bonus: this is what the arm is expected to earn. Add α·√(xᵀ A⁻¹ x)."),
    ({"ridged": False}, _NO_RIDGE),
    ({"one": True}, "λ is taken to be 1. It is given: ridge."),
    ({"inside": True}, "alpha stands inside the root. It is α standard deviations: α·√(xᵀ A⁻¹ x)."),
)  # fmt: skip


def upper_bound(function: Any) -> str | None:
    """The upper confidence bound of an arm."""
    answers: list[float] = []
    sums = "A⁻¹ is [d, d], and r has a number for each time that the arm was shown: Σ r x is X.T @ r"
    for case in _arms():
        try:
            given = ask(function, *case, advice={"mismatch in its core": sums})
        except Stopped:  # the arm that was never shown: without λ there is no inverse
            if len(answers) == 2 and _alike(answers, [_bound(*one, ridged=False) for one in _arms()[:2]]):
                return _NO_RIDGE
            raise
        answer = as_number(given)
        if answer is None:
            return f"upper_bound should answer with one number, and it answers {shown(given)}."
        answers.append(answer)
    wanted = [_bound(*case) for case in _arms()]
    if _alike(answers, wanted):
        return None
    for mistakes, diagnosis in _WRONG_BOUNDS:
        if _alike(answers, [_bound(*case, **mistakes) for case in _arms()]):
            return diagnosis
    at = next(at for at, right in enumerate(wanted) if not np.isclose(answers[at], right, atol=1e-4))
    X, _, x, alpha, ridge = _arms()[at]
    return (
        f"for an arm shown {len(X)} times, x = {shown(x.round(2))}, alpha {alpha:g} and ridge {ridge:g} the bound"
        f" should be {wanted[at]:.4f}, and it is {answers[at]:.4f}."
    )


# -- Thompson sampling ------------------------------------------------------------------------------------------------

_DRAWS = 1500
_TESTS: tuple[tuple[Floats, Floats, Floats, float], ...] = (  # theta, inverse, arms, scale
    (
        np.array([0.5, 0.3]),
        np.array([[2.0, -0.6], [-0.6, 0.5]]),
        np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.7, 0.7]]),
        0.6,
    ),
    (
        np.array([-1.0, -0.5]),
        np.array([[0.2, 0.1], [0.1, 0.5]]),
        np.array([[1.0, 0.2], [0.3, 0.9], [0.6, 0.6], [0.1, 0.4], [1.2, -0.4]]),
        4.0,
    ),
)


@cache
def _frequencies() -> dict[str, list[Floats]]:
    """How often each arm of each test is chosen: rightly, and by some mistakes."""
    known: dict[str, list[Floats]] = {}
    for theta, inverse, arms, scale in _TESTS:
        for name, values in _values(theta, inverse, arms, scale, np.random.default_rng(0)).items():
            known.setdefault(name, []).append(np.bincount(values.argmax(axis=1), minlength=len(arms)) / len(values))
    return known


def _values(theta: Floats, inverse: Floats, arms: Floats, scale: float, rng: np.random.Generator) -> dict[str, Floats]:
    """What each arm is worth in many draws; [draws, arms]."""
    z = rng.normal(size=(40_000, len(theta)))

    def by(covariance: Floats, mean: float = 1.0) -> Floats:
        return np.asarray((mean * theta + z @ np.linalg.cholesky(covariance).T) @ arms.T)

    spread = np.sqrt(((arms @ inverse) * arms).sum(axis=1))
    return {
        "right": by(scale**2 * inverse),
        "scale": by(scale * inverse),
        "root": by(scale**0.5 * inverse),
        "no scale": by(inverse),
        "identity": by(scale**2 * np.eye(len(theta))),
        "A": by(scale**2 * np.linalg.inv(inverse)),
        "each arm alone": arms @ theta + scale * spread * rng.normal(size=(len(z), len(arms))),
        "worst": -by(scale**2 * inverse),
        "size": np.abs(by(scale**2 * inverse)),
        "no mean": by(scale**2 * inverse, 0.0),
    }


_WRONG_DRAWS = {
    "scale": "the covariance has the scale itself, and it is in squares: scale² · A⁻¹.",
    "root": "the covariance has the root of the scale. It is in squares: scale² · A⁻¹.",
    "identity": "A⁻¹ is missing: every direction is drawn alike, whatever is known of it. The covariance is scale²"
    " times A⁻¹.",
    "size": "it shows the arm whose value is furthest from 0, above or below. Take the largest, without abs.",
    "no scale": "the scale is not used: the covariance is scale² · A⁻¹.",
    "A": "the draws spread most where most is known: that is A. The covariance is scale² times its inverse.",
    "each arm alone": "each arm gets a draw of its own. Draw one θ for all of them: arms that are alike then move"
    " together.",
    "worst": "it shows the arm that is worst by the drawn θ. Take the largest.",
    "no mean": "what was learned is not used: the draws have to lie around theta.",
}


def thompson(function: Any) -> str | None:
    """How often each arm is chosen, over many draws."""
    often: list[Floats] = []
    for theta, inverse, arms, scale in _TESTS:
        chosen: list[int] = []
        for seed in range(_DRAWS):
            given = ask(function, theta, inverse, arms, scale, np.random.default_rng(seed))
            arm = as_number(given)
            if arm is None or arm not in range(len(arms)):
                return (
                    f"thompson should answer with the row of an arm, here one of 0 to {len(arms) - 1}, and it answers"
                    f" {shown(given)}. np.argmax says where the largest value stands."
                )
            chosen.append(int(arm))
        often.append(np.bincount(chosen, minlength=len(arms)) / _DRAWS)
        if (often[-1] == 1).any():
            return (
                "it always shows the same arm. Draw a θ (rng.multivariate_normal) and take the arm that is best by the"
                " draw, not by the mean."
            )
    known = _frequencies()
    off = {name: [float(np.abs(one - other).sum()) for one, other in zip(often, frequencies, strict=True)]
           for name, frequencies in known.items()}  # fmt: skip
    nearest = min(off, key=lambda name: max(off[name]))
    if max(off[nearest]) < _NEAR:
        return None if nearest == "right" else _WRONG_DRAWS[nearest]
    at = int(np.argmax(off["right"]))
    return (
        f"in {_DRAWS} visits the arms of a test should be shown in about {shown(known['right'][at].round(2))} of them,"
        f" and they are in {shown(often[at].round(2))}."
    )


_NEAR = 0.1
"""Sums of differences beyond this are no chance: 1,500 draws come about .03 close."""


# -- from the log of another ------------------------------------------------------------------------------------------


@cache
def _logs() -> tuple[tuple[Floats, Floats, Floats], ...]:
    """Probabilities by the new policy, by the old one, rewards."""
    return (
        (np.array([0.9, 0.1, 0.5, 0.9]), np.array([0.3, 0.5, 0.5, 0.2]), np.array([1.0, 0.0, 1.0, 0.0])),
        (
            np.array([0.0, 1.0, 1.0, 0.0, 1.0]),
            np.array([0.6, 0.1, 0.25, 0.6, 0.1]),
            np.array([1.0, 1.0, 0.0, 0.0, 1.0]),
        ),
    )


Estimates = Callable[[Floats, Floats, Floats], tuple[float, float]]


def _by(weights: Floats, rewards: Floats) -> tuple[float, float]:
    return float((weights * rewards).mean()), float((weights * rewards).sum() / weights.sum())


_WRONG_ESTIMATES: tuple[tuple[Estimates, str], ...] = (
    (
        lambda target, logged, rewards: _by(target, rewards),
        "the propensities are not used: this is the mean reward where the log agrees with the new policy, as if the old"
        " one had shown everything evenly. Divide by the probability with which it was shown: target / logged.",
    ),
    (
        lambda target, logged, rewards: (_by(target / logged, rewards)[0], _by(target, rewards)[1]),
        "IPS is right, and SNIPS does not use the propensities. Both take the same weights.",
    ),
    (
        lambda target, logged, rewards: _by(1 / logged, rewards),
        "the new policy is not used: these are the weights of one that shows everything evenly. target / logged.",
    ),
    (
        lambda target, logged, rewards: _by(logged / np.where(target > 0, target, np.nan), rewards),
        "the weights are upside down: target / logged. What the old policy seldom showed counts more.",
    ),
    (
        lambda target, logged, rewards: (float(rewards.mean()),) * 2,
        "this is the mean reward of the old policy. Weigh each row by target / logged.",
    ),
    (
        lambda target, logged, rewards: _by(target / logged, rewards)[::-1],
        "the two are the wrong way round: IPS first.",
    ),
    (
        lambda target, logged, rewards: (_by(target / logged, rewards)[0],) * 2,
        "SNIPS is the same as IPS here. It divides by the sum of the weights, not by the number of rows.",
    ),
    (
        lambda target, logged, rewards: (_by(target / logged, rewards)[1],) * 2,
        "IPS is the same as SNIPS here. IPS divides by the number of rows: the mean of w·r.",
    ),
    (
        lambda target, logged, rewards: (float((target / logged * rewards).sum()), _by(target / logged, rewards)[1]),
        "IPS is a sum over the log here. It is the mean: divide by the number of rows.",
    ),
)


def off_policy(function: Any) -> str | None:
    """IPS and SNIPS of two small logs."""
    answers: list[Floats] = []
    for case in _logs():
        given = ask(function, *case)
        answer = _numbers(given, 2)
        if answer is None:
            return f"off_policy should answer with two numbers, IPS and SNIPS, and it answers {shown(given)}."
        answers.append(answer)
    wanted = [_by(target / logged, rewards) for target, logged, rewards in _logs()]
    if _alike(answers, wanted):
        return None
    with np.errstate(all="ignore"):
        for formula, diagnosis in _WRONG_ESTIMATES:
            if _same(answers, [formula(*case) for case in _logs()]):
                return diagnosis
    at = 0 if not _alike(answers[:1], wanted[:1]) else 1
    target, logged, rewards = (shown(values) for values in _logs()[at])
    return (
        f"off_policy({target}, {logged}, {rewards}) should be {shown(np.round(wanted[at], 4))}, and it is"
        f" {shown(answers[at].round(4))}."
    )


def _same(answers: Sequence[Floats], wanted: Sequence[tuple[float, float]]) -> bool:
    """Alike in the first log (in the second a wrong formula may divide by zero)."""
    return bool(np.allclose(answers[0], wanted[0], atol=1e-4))
