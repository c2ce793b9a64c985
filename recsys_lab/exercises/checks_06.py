"""How the answers to the exercises of chapter 06 are checked: what is wrong with one, in words; None: nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from recsys_lab.datasets import Event
from recsys_lab.exercises.exercise import ask, shown
from recsys_lab.recommender import Floats

_HOUR = 3_600_000


def numbers(answer: Any, length: int) -> Floats | None:
    """An answer as so many numbers; None for what is no such thing."""
    if isinstance(answer, str | Mapping | set):
        return None
    try:
        values = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return values if values.shape == (length,) else None


# -- features before the update ---------------------------------------------------------------------------------------

_CLICKS = (["boot", "hat", "boot", "boot", "hat", "scarf"], ["a"], list("abcabcaab"))


def _rows(products: Sequence[str], after: int = 0) -> list[int]:
    """Clicks on each product before its own; `after`: with it."""
    clicks: Counter[str] = Counter()
    rows = []
    for product in products:
        rows.append(clicks[product] + after)
        clicks[product] += 1
    return rows


_WRONG_ROWS: tuple[tuple[Callable[[list[str]], list[int]], str], ...] = (
    (
        lambda products: _rows(products, after=1),
        "the counter is raised before the row is written: each row knows its own label. A model that learns from them"
        " finds out that what was clicked has been clicked, and is lost when it is asked before the click.",
    ),
    (
        lambda products: [products.count(product) for product in products],
        "each row has the count of the whole log, with the clicks that were yet to come, and its own. Read the counter"
        " when the click comes.",
    ),
    (
        lambda products: [products.count(product) - 1 for product in products],
        "the click itself is left out, but those that come after it are in. Read the counter when the click comes.",
    ),
    (
        lambda products: list(range(len(products))),
        "this is the number of earlier clicks of all products. Those on the same product are wanted.",
    ),
    (
        lambda products: [0] * len(products),
        "all rows are 0: the counter is never raised, or is made anew for each click.",
    ),
)


def before(function: Any) -> str | None:
    """How often each product had been clicked when it was clicked."""
    answers: list[list[float]] = []
    told: list[list[Any]] = []
    for products in _CLICKS:
        given = ask(function, products)
        answer = numbers(given, len(products))
        if answer is None:
            return f"rows_of should answer with a list, a number for each click, and it answers {shown(given)}."
        answers.append(answer.tolist())
        told.append(np.asarray(given, dtype=object).tolist())
    if answers == [_rows(products) for products in _CLICKS]:
        return None
    for formula, diagnosis in _WRONG_ROWS:
        if answers == [formula(products) for products in _CLICKS]:
            return diagnosis
    at = next(at for at, products in enumerate(_CLICKS) if answers[at] != _rows(products))
    return f"rows_of({_CLICKS[at]}) should be {_rows(_CLICKS[at])}, and it is {shown(told[at])}."


# -- a counter that fades ---------------------------------------------------------------------------------------------

_Fade = tuple[float, int, int, int]
_FADES: tuple[_Fade, ...] = (
    (4.0, 10 * _HOUR, 12 * _HOUR, _HOUR),
    (2.0, 10 * _HOUR, 9 * _HOUR, 2 * _HOUR),
    (3.0, 5 * _HOUR, 5 * _HOUR, _HOUR),
    (0.0, 0, 7 * _HOUR, _HOUR),
    (6.0, 20 * _HOUR, 15 * _HOUR, 10 * _HOUR),
    (8.0, 10 * _HOUR, 13 * _HOUR, 2 * _HOUR),
    (5.0, 20 * _HOUR, 17 * _HOUR, 2 * _HOUR),
)
"""Count, its time, the time of a click, the half-life; some clicks are late, and some times no whole half-lives."""


def _fade(case: _Fade, old: float = 0.5, new: float = 0.5, late: float | None = None) -> tuple[float, float]:
    """The counter after a click; `old` and `new` are what is left after a half-life, `late` what a late click adds."""
    count, at, t, half_life = case
    now = max(at, t)
    click = late if late is not None and t < at else new ** ((now - t) / half_life)
    return count * old ** ((now - at) / half_life) + click, now


def _swapped(case: _Fade) -> tuple[float, float]:
    count, at, t, half_life = case
    now = max(at, t)
    return count * 0.5 ** ((now - t) / half_life) + 0.5 ** ((now - at) / half_life), now


def _whole(case: _Fade, old: bool = True, new: bool = True) -> tuple[float, float]:
    """Faded by whole half-lives: the count so far, the click, or both."""
    count, at, t, half_life = case
    now = max(at, t)
    passed, click = (now - at) / half_life, (now - t) / half_life
    return count * 0.5 ** (passed // 1 if old else passed) + 0.5 ** (click // 1 if new else click), now


def _loose(case: _Fade, old: bool, new: bool) -> tuple[float, float]:
    """As `0.5 ** time / half_life` is read, without brackets: for the count so far, the click, or both."""
    count, at, t, half_life = case
    now = max(at, t)

    def left(time: float, loose: bool) -> float:
        return float(0.5**time / half_life if loose else 0.5 ** (time / half_life))

    return count * left(now - at, old) + left(now - t, new), now


def _back_in_time(case: _Fade) -> tuple[float, float]:
    """The count so far fades by t - at, also where that is below 0."""
    count, at, t, half_life = case
    return count * 0.5 ** ((t - at) / half_life) + _fade((0.0, at, t, half_life))[0], max(at, t)


_POWER_FIRST = (
    "0.5 ** time / half_life is (0.5 ** time) / half_life: a power comes before a division. The fraction stands in"
    " brackets: 0.5 ** (time / half_life)."
)
_ONLY_WHOLE = (
    "only whole half-lives count: // throws away what is left over. After one and a half half-lives 0.5 ** 1.5 is left:"
    " divide with /."
)
_WRONG_FADES: tuple[tuple[Callable[[_Fade], tuple[float, float]], str], ...] = (
    (
        lambda case: _fade(case, old=1.0),
        "the count so far does not fade. It was right at the time `at`; by `now` a half is left for each half-life.",
    ),
    (
        lambda case: _fade(case, late=1.0),
        "a late click counts as if it were made now. It was made at t, and has faded since.",
    ),
    (
        lambda case: _fade(case, late=0.0),
        "a late click is thrown away. It happened: it counts what is left of it at `now`.",
    ),
    (
        lambda case: _fade(case, old=float(np.exp(-1)), new=float(np.exp(-1))),
        "after a half-life 37 % are left: that is what exp(-time / half_life) does. Half is 0.5 ** (time / half_life).",
    ),
    (
        lambda case: (_fade(case)[0], case[2]),
        "the counter's time goes back with a late click, while its number stays that of the later time. Answer with"
        " `now`, the time that the number is of.",
    ),
    (
        _swapped,
        "the times are the wrong way round: the count so far is of the time `at`, the click of t.",
    ),
    (
        lambda case: _fade(case, old=2.0, new=2.0),
        "the counter grows with time. 0.5 to the power of time / half_life becomes smaller, 2 becomes larger.",
    ),
    (lambda case: _loose(case, True, True), _POWER_FIRST),
    (lambda case: _loose(case, True, False), _POWER_FIRST),
    (lambda case: _loose(case, False, True), _POWER_FIRST),
    (
        _back_in_time,
        "for a late click t - at is below 0, and the count so far grows. It fades until `now`, the later of the two"
        " times: now - at, which is 0 then.",
    ),
    (_whole, _ONLY_WHOLE),
    (lambda case: _whole(case, new=False), _ONLY_WHOLE),
    (lambda case: _whole(case, old=False), _ONLY_WHOLE),
)


def fading(function: Any) -> str | None:
    """A click more in a counter that halves with every half-life; judged by what the counter says a day later."""
    answers: list[tuple[float, float]] = []
    for case in _FADES:
        given = ask(function, *case)
        answer = numbers(given, 2)
        if answer is None:
            return (
                f"clicked should answer with two numbers, the count and the time that it is of, and it answers"
                f" {shown(given)}."
            )
        answers.append((float(answer[0]), float(answer[1])))
    if _same_fade(answers, _fade):
        return None
    for formula, diagnosis in _WRONG_FADES:
        if _same_fade(answers, formula):
            return diagnosis
    wanted = [_fade(case) for case in _FADES]
    at = next(at for at in range(len(_FADES)) if not _close(answers[at], wanted[at], at))
    count, time, t, half = (number / scale for number, scale in zip(_FADES[at], (1, _HOUR, _HOUR, _HOUR), strict=True))
    found = (round(answers[at][0], 4), answers[at][1] / _HOUR)
    return (
        f"a count of {count:g} at hour {time:g}, and a click at hour {t:g}, with a half-life of {half:g} h, should make"
        f" {wanted[at][0]:.4f} at hour {wanted[at][1] / _HOUR:g}, and it makes {shown(found[0])} at hour {found[1]:g}."
    )


def _same_fade(answers: Sequence[tuple[float, float]], formula: Callable[[_Fade], tuple[float, float]]) -> bool:
    return all(_close(answer, formula(_FADES[at]), at) for at, answer in enumerate(answers))


def _close(answer: tuple[float, float], wanted: tuple[float, float], at: int) -> bool:
    """Whether two counters say the same a day later: a counter may be kept at any time that it is right for."""
    half_life, later = _FADES[at][3], 24 * _HOUR
    if not np.isfinite(answer).all() or abs(answer[1]) > 1000 * _HOUR:
        return False
    read = [count * 0.5 ** ((later - time) / half_life) for count, time in (answer, wanted)]
    return bool(np.isclose(read[0], read[1], rtol=1e-6, atol=0))


# -- rates by rank ----------------------------------------------------------------------------------------------------

_RANKS: tuple[tuple[list[int], list[int]], ...] = (
    ([9, 3, 1, 0], [18, 18, 18, 18]),
    ([5, 4, 4, 1, 2, 0], [40, 31, 22, 13, 9, 1]),
    ([0, 1, 2], [0, 5, 7]),
)


def _mix(raw: Floats) -> Floats:
    mixed = np.convolve(raw, [0.25, 0.5, 0.25], mode="same")
    mixed[0], mixed[-1] = raw[:3] @ [0.5, 0.3, 0.2], raw[:-4:-1] @ [0.5, 0.3, 0.2]
    return mixed


def _mixed(clicks: Floats, impressions: Floats, plus: tuple[float, float] = (1.0, 2.0)) -> Floats:
    return _mix((clicks + plus[0]) / (impressions + plus[1]))


def _raw(clicks: Floats, impressions: Floats) -> Floats:
    return np.asarray((clicks + 1) / (impressions + 2))


def _left(clicks: Floats, impressions: Floats, *ranks: int) -> Floats:
    """Mixed, but for some ranks, which are left as they were."""
    mixed = _mixed(clicks, impressions)
    mixed[list(ranks)] = _raw(clicks, impressions)[list(ranks)]
    return mixed


def _ends_of_mixed(clicks: Floats, impressions: Floats, first: bool = True) -> Floats:
    """The ends mixed from what is mixed already; `first`: the first rank before the last."""
    mixed = _left(clicks, impressions, 0, -1)
    for end in (0, 1) if first else (1, 0):
        ranks = [0, 1, 2] if end == 0 else [-1, -2, -3]
        mixed[ranks[0]] = mixed[ranks] @ [0.5, 0.3, 0.2]
    return mixed


def _backwards(clicks: Floats, impressions: Floats) -> Floats:
    raw, mixed = _raw(clicks, impressions), _mixed(clicks, impressions)
    mixed[-1] = raw[-3:] @ [0.5, 0.3, 0.2]
    return mixed


def _in_place(clicks: Floats, impressions: Floats) -> Floats:
    mixed, right = _raw(clicks, impressions), _mixed(clicks, impressions)
    for at in range(1, len(mixed) - 1):
        mixed[at] = 0.25 * mixed[at - 1] + 0.5 * mixed[at] + 0.25 * mixed[at + 1]
    mixed[0], mixed[-1] = right[0], right[-1]
    return mixed


_RAW_ENDS = (
    "the ends are mixed from rates that are mixed already. Take the raw ones:"
    " 0.5 * raw[0] + 0.3 * raw[1] + 0.2 * raw[2]."
)
_BRACKETS = "these are no shares: / comes before +, so both sums need brackets, (clicks + 1) / (shown + 2)."
_WRONG_RATES: tuple[tuple[Callable[[Floats, Floats], Floats], str], ...] = (
    (
        lambda clicks, impressions: _mixed(clicks, impressions, (0.0, 0.0)),
        "the rates are not smoothed: clicks / shown says 0 % after one impression, and nothing at all after none."
        " (clicks + 1) / (shown + 2).",
    ),
    (
        lambda clicks, impressions: _mixed(clicks, impressions, (1.0, 1.0)),
        "one click in the numerator belongs to two impressions below: shown + 2. With shown + 1, a rank that was never"
        " shown has a rate of 100 %.",
    ),
    (_raw, "the rates are smoothed, but not mixed with their neighbours'."),
    (
        lambda clicks, impressions: _left(clicks, impressions, 0, -1),
        "both ends are left as they were. They mix 0.5, 0.3, 0.2, from the end inwards.",
    ),
    (
        lambda clicks, impressions: _left(clicks, impressions, -1),
        "the last rank is left as it was. Both ends mix 0.5, 0.3, 0.2, from the end inwards.",
    ),
    (
        lambda clicks, impressions: _left(clicks, impressions, 0),
        "the first rank is left as it was. Both ends mix 0.5, 0.3, 0.2, from the end inwards.",
    ),
    (
        lambda clicks, impressions: _left(clicks, impressions, *range(1, len(clicks) - 1)),
        "the ends are mixed, but the ranks inside are left as they were. They mix 0.25, 0.5, 0.25 with the next ones.",
    ),
    (_ends_of_mixed, _RAW_ENDS),
    (lambda clicks, impressions: _ends_of_mixed(clicks, impressions, first=False), _RAW_ENDS),
    (lambda clicks, impressions: _mix((clicks + 1) / impressions + 2), _BRACKETS),
    (lambda clicks, impressions: _mix(clicks + 1 / (impressions + 2)), _BRACKETS),
    (lambda clicks, impressions: _mix(clicks + 1 / impressions + 2), _BRACKETS),
    (
        lambda clicks, impressions: np.convolve(_raw(clicks, impressions), [0.25, 0.5, 0.25], mode="same"),
        "beyond the end there is nothing, and np.convolve takes it for a rate of 0. The ends mix 0.5, 0.3, 0.2, from"
        " the end inwards.",
    ),
    (_backwards, "the last rank is mixed backwards: 0.5 belongs to itself, 0.3 to the rank before it."),
    (
        _in_place,
        "the neighbour before was mixed already when it was used. Mix from the raw rates: into another array.",
    ),
)


def rates(function: Any) -> str | None:
    """Click rates by rank, smoothed and mixed."""
    cases = [(np.array(clicks, dtype=float), np.array(impressions, dtype=float)) for clicks, impressions in _RANKS]
    answers: list[Floats] = []
    for clicks, impressions in cases:
        given = ask(function, clicks, impressions)
        answer = numbers(given, len(clicks))
        if answer is None:
            return f"rates_by_rank should answer with a rate for each rank, and it answers {shown(given)}."
        answers.append(answer)
    wanted = [_mixed(*case) for case in cases]
    if _alike(answers, wanted):
        return None
    with np.errstate(all="ignore"):
        for formula, diagnosis in _WRONG_RATES:
            if _alike(answers, [formula(*case) for case in cases]):
                return diagnosis
    at = next(at for at in range(len(cases)) if not _alike(answers[at : at + 1], wanted[at : at + 1]))
    right, found = wanted[at].round(4), answers[at].round(4)
    return f"rates_by_rank({_RANKS[at][0]}, {_RANKS[at][1]}) should be {shown(right)}, and it is {shown(found)}."


def _alike(answers: Sequence[Floats], wanted: Sequence[Floats]) -> bool:
    return all(
        np.allclose(answer, right, rtol=0, atol=1e-4, equal_nan=True)
        for answer, right in zip(answers, wanted, strict=True)
    )


# -- late and twice ---------------------------------------------------------------------------------------------------


@cache
def _stream() -> tuple[Event, ...]:
    """Clicks as they came: some late, some twice, two of the same millisecond, and a shopper's ids against time."""
    told = [
        ("ada", "boot", 100, "e1"), ("bob", "hat", 110, "e2"), ("ada", "scarf", 300, "e5"), ("ada", "boot", 200, "e3"),
        ("ada", "scarf", 300, "e5"), ("bob", "hat", 110, "e2"), ("cleo", "sock", 400, "e7"),
        ("cleo", "belt", 400, "e6"), ("ada", "boot", 100, "e1"), ("dora", "coat", 500, "e9"),
        ("dora", "hat", 450, "e8"), ("bob", "cap", 600, "e4"), ("eve", "boot", 700, "f2"), ("eve", "hat", 800, "f1"),
    ]  # fmt: skip
    return tuple(Event(who, what, "clicked_on", at, f"{who}/1", {}, id) for who, what, at, id in told)


def _summary(events: Iterable[Event]) -> dict[str, tuple[int, str]]:
    clicks = Counter[str]()
    last: dict[str, str] = {}
    for event in events:
        clicks[event.user_id] += 1
        last[event.user_id] = event.item_id
    return {user: (clicks[user], last[user]) for user in last}


def _by_time(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.timestamp, event.id))


def _once() -> list[Event]:
    return list({event.id: event for event in _stream()}.values())


def _on_time() -> list[Event]:
    newest: dict[str, int] = {}
    kept = {}
    for event in _stream():
        if event.timestamp >= newest.get(event.user_id, 0):
            kept[event.id] = event
            newest[event.user_id] = event.timestamp
    return list(kept.values())


_WRONG_ORDERS: tuple[tuple[Callable[[], Iterable[Event]], str], ...] = (
    (
        lambda: _by_time(_stream()),
        "an event that was sent twice is counted as often as it came. Keep one for each id.",
    ),
    (
        _once,
        "the last product is the one whose event came last. A late event came after those that happened after it: put"
        " them in order of time.",
    ),
    (
        _stream,
        "events count in the order in which they came, and as often. Both are missing: one for each id, then the order"
        " of (timestamp, id).",
    ),
    (
        lambda: _by_time({(event.user_id, event.item_id): event for event in _stream()}.values()),
        "a second click on the same product is not the same event. Two events are the same if they have the same id.",
    ),
    (
        lambda: sorted(_once(), key=lambda event: event.id),
        "events are ordered by id. An id is a label and says nothing of time: order by time; the id settles ties only,"
        " (timestamp, id).",
    ),
    (
        lambda: sorted(_once(), key=lambda event: event.timestamp),
        "two events of the same millisecond fall as they came, so another machine may have them the other way round."
        " Order by (timestamp, id).",
    ),
    (
        lambda: _by_time(_once())[::-1],
        "this is the first product of each. The last one is wanted.",
    ),
    (
        lambda: _by_time(_on_time()),
        "late events are thrown away. They happened: they count, and stand where they belong.",
    ),
)


def late(function: Any) -> str | None:
    """Clicks and the last product of each shopper, of a stream that was not kind."""
    given = ask(function, list(_stream()))
    wanted = _summary(_by_time(_once()))
    try:
        answer = {str(user): (int(one[0]), str(one[1])) for user, one in given.items() if len(one) == 2}
    except (AttributeError, TypeError, ValueError, IndexError, KeyError):
        answer = {}
    if not answer:
        return (
            f"summary should answer with a dictionary, shopper → (clicks, last product), and it answers {shown(given)}."
        )
    if answer == wanted:
        return None
    for events, diagnosis in _WRONG_ORDERS:
        if answer == _summary(events()):
            return diagnosis
    differs = sorted({user for user in {*answer, *wanted} if answer.get(user) != wanted.get(user)})
    user = differs[0]
    came = ", ".join(f"{one.item_id} at {one.timestamp} ({one.id})" for one in _stream() if one.user_id == user)
    return (
        f"of {user} came, in this order: {came or 'nothing'}. summary should say {wanted.get(user)}, and it says"
        f" {shown(answer.get(user))}."
    )
