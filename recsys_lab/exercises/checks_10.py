"""How the answers to the exercises of chapter 10 are checked: what is wrong with one, in words; None: nothing."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from recsys_lab.exercises.answers import as_number
from recsys_lab.exercises.exercise import ask, shown


def _alike(answers: Sequence[float], wanted: Sequence[float]) -> bool:
    return bool(np.allclose(answers, wanted, rtol=1e-9, atol=1e-9, equal_nan=True))


# -- the unit of a time -----------------------------------------------------------------------------------------------

_EARLIEST, _LATEST = 631_152_000_000, 4_102_444_800_000
_MOMENTS = (_EARLIEST, 946_684_800_000, 999_999_999_000, 1_770_016_921_000, _LATEST - 1000)
_TIMES: tuple[tuple[int, int], ...] = (
    *((moment // 1000, moment) for moment in _MOMENTS),
    *((moment + 123, moment + 123) for moment in _MOMENTS),
    *((moment * 1000 + 456_789, moment + 456) for moment in _MOMENTS),
    *((moment * 1_000_000 + 456_789_012, moment + 456) for moment in _MOMENTS),
    (_EARLIEST, _EARLIEST),
    (_EARLIEST * 1000, _EARLIEST),
    (_LATEST - 1, _LATEST - 1),
)
"""A time in some unit, and in milliseconds."""
_NO_TIMES = (0, 42, _EARLIEST // 1000 - 1, _EARLIEST - 1, _LATEST // 1000, _LATEST, _LATEST * 1000, 20_260_221)


def _by_size(low: float, times: Sequence[float] = (1000, 1, 1e-3, 1e-6)) -> Callable[[int], float]:
    """Whole units up to `low`, then for each three more digits the next of `times`."""

    def read(time: int) -> float:
        unit = sum(time >= low * 1000**at for at in range(len(times) - 1))
        return float(math.floor(time * times[unit]))

    return read


_WRONG_TIMES: tuple[tuple[Callable[[int], float], str], ...] = (
    (lambda time: time * 1000, "everything is taken for seconds: milliseconds end in the year 58,000."),
    (lambda time: time, "everything is taken for milliseconds: seconds then lie in January 1970."),
    (
        _by_size(1e11, (1000, 1)),
        "microseconds (sixteen digits) and nanoseconds are left as they are. They are a thousand times too large.",
    ),
    (_by_size(1e11, (1000, 1, 1e-3)), "nanoseconds (nineteen digits) are still too large: a million of them is one."),
    (_by_size(1e11, (1, 1, 1e-3, 1e-6)), "seconds (ten digits) are left as they are: times 1000."),
    (_by_size(1e11, (1, 1e-3, 1e-6, 1e-9)), "the answer is in seconds. Milliseconds are wanted."),
    (
        _by_size(1e9),
        "since 9 September 2001 seconds have ten digits, and milliseconds thirteen: the border lies too low, so times"
        " of today are taken for the next finer unit.",
    ),
    (
        _by_size(1e12),
        "milliseconds of before September 2001 have twelve digits: they are taken for seconds. Between the years 1990"
        " and 2100 there is room for a border that fits all.",
    ),
)


def unit(function: Any) -> str | None:
    """Whole milliseconds from any of four units."""
    answers = []
    for time, _ in _TIMES:
        given = ask(function, time)
        answer = as_number(given)
        if answer is None:
            return f"to_ms should answer with one number, and to_ms({time}) answers {shown(given)}."
        answers.append(answer)
    wanted = [float(ms) for _, ms in _TIMES]
    if answers != wanted:
        for formula, diagnosis in _WRONG_TIMES:
            if answers == [float(formula(time)) for time, _ in _TIMES]:
                return diagnosis
        if [math.floor(answer) if math.isfinite(answer) else answer for answer in answers] == wanted:
            return "finer units leave a fraction of a millisecond: whole milliseconds are wanted, int(…)."
        at = next(at for at, right in enumerate(wanted) if answers[at] != right)
        return f"to_ms({_TIMES[at][0]}) should be {_TIMES[at][1]}, and it is {answers[at]:.16g}."
    for time in _NO_TIMES:
        given = ask(function, time)
        if as_number(given) != 0:
            return (
                f"to_ms({time}) answers {shown(given)}, but no unit makes a time from 1990 on and before 2100 of it."
                " Then the answer is 0: a wrong time is worse than none."
            )
    return None


# -- a pseudonym ------------------------------------------------------------------------------------------------------

_PEOPLE = ("u0001@mail.example", "Ada.Lovelace@Mail.example ", "  bob@mail.example", "zoë@mail.example")
_KEYS = (b"one key", b"another key, which is longer than the block of the hash is wide: " + b"0123456789" * 5)


def _keyed(shopper: str, key: bytes, how: str = "sha256") -> str:
    return hmac.new(key, shopper.encode(), how).hexdigest()


def _clean(shopper: str) -> str:
    return shopper.strip().lower()


_WRONG_NAMES: tuple[tuple[Callable[[str, bytes], str], str], ...] = (
    (
        lambda who, key: hashlib.sha256(_clean(who).encode()).hexdigest()[:16],
        "a plain hash, without the key: whoever has a list of addresses makes the same pseudonyms.",
    ),
    (
        lambda who, key: hashlib.sha256(who.encode()).hexdigest()[:16],
        "a plain hash, without the key, and of the address as it was typed.",
    ),
    (
        lambda who, key: hashlib.sha256(key + _clean(who).encode()).hexdigest()[:16],
        "the key stands in front of the text that is hashed. That is no HMAC: such hashes can be extended by somebody"
        " who does not know the key. hmac.new(key, text, hashlib.sha256) is made for it.",
    ),
    (
        lambda who, key: hashlib.sha256(_clean(who).encode() + key).hexdigest()[:16],
        "the key stands behind the text that is hashed. That is no HMAC; hmac.new(key, text, hashlib.sha256) is.",
    ),
    (lambda who, key: _keyed(who, key)[:16], "ADA@… and ada@… are two people to it: .strip().lower() first."),
    (lambda who, key: _keyed(who.strip(), key)[:16], "capitals make another person of somebody: .lower() too."),
    (lambda who, key: _keyed(who.lower(), key)[:16], "a blank at the end makes another person: .strip() too."),
    (lambda who, key: _keyed(_clean(who), key), "all 64 letters of the hash: sixteen are wanted, [:16]."),
    (lambda who, key: _keyed(_clean(who), key)[-16:], "the last sixteen letters: the first are wanted, [:16]."),
    (lambda who, key: _keyed(_clean(who), key, "md5")[:16], "made with md5; hashlib.sha256 is wanted."),
    (lambda who, key: _keyed(_clean(who), key, "sha512")[:16], "made with sha512; hashlib.sha256 is wanted."),
    (
        lambda who, key: hmac.new(_clean(who).encode(), key, "sha256").hexdigest()[:16],
        "key and text are swapped: the key comes first.",
    ),
    (lambda who, key: _clean(who), "the address itself is no pseudonym."),
)


_HOW_TO_HASH = {
    "encoded before hashing": "A hash is made of bytes: .encode() makes them of a text",
    "digestmod": "It wants three things, hmac.new(key, bytes, hashlib.sha256)",
}


def pseudonym(function: Any) -> str | None:
    """Sixteen letters by HMAC with SHA-256, of the address in one spelling."""
    cases = [(who, key) for who in _PEOPLE for key in _KEYS]
    given = [ask(function, *case, advice=_HOW_TO_HASH) for case in cases]
    if not all(isinstance(one, str) for one in given):
        strange = next(one for one in given if not isinstance(one, str))
        if isinstance(strange, bytes):
            return "pseudonym answers with bytes: letters are wanted, as .hexdigest() gives them."
        return f"pseudonym should answer with a text, and it answers {shown(strange)}."
    wanted = [_keyed(_clean(who), key)[:16] for who, key in cases]
    if given == wanted:
        return None
    for formula, diagnosis in _WRONG_NAMES:
        if given == [formula(who, key) for who, key in cases]:
            return diagnosis
    at = next(at for at, right in enumerate(wanted) if given[at] != right)
    same = (
        "everybody gets the same pseudonym." if len(set(given)) == 1 else "the key is not used: any key makes the same."
    )
    named = f"for {cases[at][0]!r} the pseudonym should be {wanted[at]!r}, and it is {shown(given[at])}."
    return same if given[0] == given[1] else named


# -- the stability index ----------------------------------------------------------------------------------------------

_Weeks = tuple[list[int], list[int]]
_WEEKS: tuple[_Weeks, ...] = (
    ([40, 30, 20, 10], [20, 30, 25, 40]),
    ([100, 50, 3], [210, 95, 9]),
    ([10, 0, 5], [7, 4, 0]),
    ([12, 12], [1, 20]),
)


def _psi(
    case: _Weeks, half: float = 0.5, shares: bool = True, log: Callable[[Any], Any] = np.log, front: str = "difference",
    of: Callable[[Any], Any] = np.sum,
) -> float:  # fmt: skip
    """The index; each switch is a mistake."""
    before, now = (np.asarray(one, dtype=np.float64) + half for one in case)
    if shares:
        before, now = before / before.sum(), now / now.sum()
    weight = {"difference": now - before, "now": now, "before": before, "turned": before - now,
              "size": np.abs(now - before)}[front]  # fmt: skip
    with np.errstate(all="ignore"):
        return float(of(weight * log(now / before)))


def _half_later(case: _Weeks) -> float:
    before, now = (np.asarray(one) / np.sum(one) + 0.5 for one in case)
    return float(((now - before) * np.log(now / before)).sum())


_WRONG_INDEX: tuple[tuple[Callable[[_Weeks], float], str], ...] = (
    (
        lambda case: _psi(case, shares=False),
        "these are counts and not shares: a week with twice as many clicks would look like drift. Divide each by its"
        " sum.",
    ),
    (
        lambda case: _psi(case, half=0.0),
        "a category without clicks has no logarithm, and then the index is infinite or NaN. Add 0.5 to the counts.",
    ),
    (_half_later, "the half is added to the shares, and there it is huge. Add it to the counts, then make shares."),
    (
        lambda case: _psi(case, front="now"),
        "now · ln(now / before) is the Kullback-Leibler divergence, one half of it. The index weights with the"
        " difference: (now − before) · ln(now / before).",
    ),
    (
        lambda case: -_psi(case, front="before"),
        "before · ln(before / now) is the Kullback-Leibler divergence, one half of it. The index weights with the"
        " difference: (now − before) · ln(now / before).",
    ),
    (
        lambda case: _psi(case, front="before"),
        "weighted with `before`: it takes the difference, (now − before).",
    ),
    (
        lambda case: _psi(case, front="turned"),
        "it is never above zero: either turn the difference round, or the fraction in the logarithm.",
    ),
    (
        lambda case: _psi(case, front="size"),
        "the difference has lost its sign, so what rises and what falls cancel out. With its sign no term is below 0.",
    ),
    (lambda case: _psi(case, log=np.log2), "the logarithm to the base 2; the rules of thumb are for the natural."),
    (lambda case: _psi(case, log=np.log10), "the logarithm to the base 10; the rules of thumb are for the natural."),
    (lambda case: _psi(case, of=np.mean), "the mean of the terms. The index is their sum."),
)  # fmt: skip


def stability(function: Any) -> str | None:
    """The population stability index of two arrays of counts."""
    answers = []
    for before, now in _WEEKS:
        given = ask(function, np.array(before), np.array(now))
        answer = as_number(given)
        if answer is None:
            return f"psi should answer with one number, and psi({before}, {now}) answers {shown(given)}."
        answers.append(answer)
    wanted = [_psi(case) for case in _WEEKS]
    if _alike(answers, wanted):
        return None
    for formula, diagnosis in _WRONG_INDEX:
        if _alike(answers, [formula(case) for case in _WEEKS]):
            return diagnosis
    at = next(at for at, right in enumerate(wanted) if not _alike(answers[at : at + 1], [right]))
    before, now = _WEEKS[at]
    return f"psi({before}, {now}) should be {wanted[at]:.6g}, and it is {answers[at]:.6g}."


# -- the size of a test -----------------------------------------------------------------------------------------------

_Test = tuple[float, float, float, float]
_TESTS: tuple[_Test, ...] = (
    (0.05, 0.10, 0.8, 0.05),
    (0.20, 0.10, 0.8, 0.05),
    (0.30, -0.20, 0.9, 0.05),
    (0.05, 0.20, 0.8, 0.01),
    (0.40, 0.25, 0.95, 0.10),
)
"""The share, the relative uplift, power and alpha."""


def _visits(
    case: _Test, relative: bool = True, tails: int = 2, both: int = 1, squared: bool = True, powered: float = 1.0,
    alike: bool = True, fixed: bool = False,
) -> float:  # fmt: skip
    """The size, not rounded; each switch is a mistake."""
    p, uplift, power, alpha = case
    power, alpha = (0.8, 0.05) if fixed else (power, alpha)
    q = p * (1 + uplift) if relative else p + uplift
    middle = (p + q) / 2
    seen, wanted = NormalDist().inv_cdf(1 - alpha / tails), powered * NormalDist().inv_cdf(power)
    apart = p * (1 - p) + q * (1 - q)
    wide = seen * math.sqrt(2 * middle * (1 - middle) if alike else apart) + wanted * math.sqrt(apart)
    size = wide / abs(q - p)
    return both * (size**2 if squared else size)


def _up(**switches: Any) -> Callable[[_Test], float]:
    return lambda case: math.ceil(_visits(case, **switches))


_WRONG_TESTS: tuple[tuple[Callable[[_Test], float], str], ...] = (
    (_visits, "half a visit cannot be had: round up (math.ceil)."),
    (lambda case: math.floor(_visits(case)), "rounded down, and then the power is a little too small: math.ceil."),
    (
        lambda case: round(_visits(case)),
        "rounded to the nearest; where that is down the power is too small: math.ceil.",
    ),
    (_up(relative=False), "the uplift is added to p. It is relative: a tenth more of 5 % is 5.5 %, p · (1 + uplift)."),
    (
        _up(tails=1),
        "alpha lies at one end. A test that may also ring when the new list is worse has half of it at each end:"
        " 1 − alpha / 2.",
    ),
    (_up(both=2), "that is both sides together; the visits on each side are wanted."),
    (lambda case: 2 * math.ceil(_visits(case)), "that is both sides together; the visits on each side are wanted."),
    (_up(powered=0.0), "the power is left out: with so few, a true uplift is seen half of the time."),
    (
        _up(powered=-1.0),
        "inv_cdf(1 − power) is below zero, and takes away what it should add: inv_cdf(power).",
    ),
    (_up(squared=False), "the square is missing: half the uplift takes four times the visits."),
    (
        _up(alike=False),
        "both roots have the variance of two different shares. The one of the alarm is for a world in which nothing has"
        " changed: 2 · p̄ · (1 − p̄).",
    ),
)


def ab_size(function: Any) -> str | None:
    """How many visits each side of an A/B test needs."""
    answers = []
    for case in _TESTS:
        given = ask(function, *case)
        answer = as_number(given)
        if answer is None:
            return f"visits_needed should answer with one number, and visits_needed{case} answers {shown(given)}."
        answers.append(answer)
    wanted = [float(_up()(case)) for case in _TESTS]
    if answers != wanted:
        for formula, diagnosis in _WRONG_TESTS:
            if _alike(answers, [formula(case) for case in _TESTS]):
                return diagnosis
        by_the_text = [float(_up(fixed=True)(case)) for case in _TESTS]
        if all(abs(one / other - 1) < 0.01 for one, other in zip(answers, by_the_text, strict=True)):
            return (
                "1.96 and 0.84 are for an alpha of 0.05 and a power of 0.8, and rounded. Both are arguments: take"
                " NormalDist().inv_cdf of what belongs to them."
            )
        at = next(at for at, right in enumerate(wanted) if answers[at] != right)
        p, uplift, power, alpha = _TESTS[at]
        return (
            f"p = {p:g}, an uplift of {uplift:+.0%}, power {power:.0%}, alpha {alpha:g}: that takes {wanted[at]:,.0f}"
            f" visits on each side, and visits_needed says {answers[at]:,.6g}."
        )
    if as_number(ask(function, 0.05, 0.1)) != wanted[0]:
        return "without a word on power and alpha they should be 0.8 and 0.05."
    return None
