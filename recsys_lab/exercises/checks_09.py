"""How the answers to the exercises of chapter 09 are checked: what is wrong with one, in words; None: nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.exercises.answers import as_list, as_number
from recsys_lab.exercises.exercise import Stopped, ask, shown

# -- recall of an approximate search ----------------------------------------------------------------------------------

_Lists = list[list[str]]
_RECALLS: tuple[tuple[_Lists, _Lists], ...] = (
    ([list("abcd"), list("dcba"), list("axyz")], [list("abcd"), list("abcd"), list("abcd")]),
    ([list("ab"), list("wxyz")], [list("abcd"), list("abcd")]),
    ([list("abxy"), list("qrst")], [list("ab"), list("qr")]),
    ([list("cx"), list("pqrs")], [list("abc"), list("srvw")]),
)
"""Lists that were found, and those of the exact search: of equal length, too short, with fewer that pass a filter."""


def _mean(shares: list[float]) -> float:
    return sum(shares) / len(shares)


def _shares(case: tuple[_Lists, _Lists], share: Callable[[list[str], list[str]], float]) -> float:
    return _mean([share(found, exact) for found, exact in zip(*case, strict=True)])


def _common(found: list[str], exact: list[str]) -> int:
    return len(set(found) & set(exact))


def _recall(case: tuple[_Lists, _Lists]) -> float:
    return _shares(case, lambda found, exact: _common(found, exact) / len(exact))


_WRONG_RECALLS: tuple[tuple[Callable[[tuple[_Lists, _Lists]], float], str], ...] = (
    (
        lambda case: _shares(case, lambda found, exact: sum(map(str.__eq__, found, exact)) / len(exact)),
        "a product counts only where it stands at the same place. Recall asks whether it is on the list at all: compare"
        " sets.",
    ),
    (
        lambda case: _shares(case, lambda found, exact: float(_common(found, exact) > 0)),
        "a question counts as found when one product of the exact list is there: that is a hit rate, and it looks good"
        " with one of ten. Recall is the share of the exact list that was found.",
    ),
    (
        lambda case: _shares(case, lambda found, exact: float(set(found) == set(exact))),
        "a question counts only when its list is the same set of products. Recall is the share that was found: nine of"
        " ten are .9.",
    ),
    (
        lambda case: _shares(case, lambda found, exact: _common(found, exact) / len(found)),
        "it divides by the length of the list that was found: a search that gives two right products and then stops"
        " would get full marks. Divide by the length of the exact list.",
    ),
    (
        lambda case: _shares(case, lambda found, exact: _common(found, exact) / max(len(found), len(exact))),
        "it divides by the longer of the two lists. Where only two products pass a filter, two are all that there are:"
        " divide by the length of the exact list.",
    ),
    (
        lambda case: _shares(case, lambda found, exact: _common(found, exact) / len(set(found) | set(exact))),
        "it divides by all products that are on either list (Jaccard), so each wrong one counts twice. Divide by the"
        " length of the exact list.",
    ),
    (
        lambda case: _shares(case, lambda found, exact: _common(found, exact) / 10),
        "it divides by 10, whatever the length of the exact list: where a filter leaves four products, nobody can find"
        " ten. Divide by the length of the exact list.",
    ),
    (
        lambda case: _shares(case, _common),
        "it answers with the number of products in common. Recall is a share: divide by the length of the exact list.",
    ),
    (
        lambda case: 100 * _recall(case),
        "that is in percent. Answer with a share between 0 and 1, as all other metrics here.",
    ),
    (
        lambda case: 1 - _recall(case),
        "that is the share that was missed. Recall is the share that was found.",
    ),
    (
        lambda case: sum(map(_common, *case)) / sum(map(len, case[1])),
        "the products of all questions go into one sum, so questions with a short exact list count less. Take the share"
        " of each question, then their mean.",
    ),
    (
        lambda case: _recall(([case[0][0]], [case[1][0]])),
        "that is the recall of the first question alone. Take the mean of all.",
    ),
    (
        lambda case: _recall(([case[0][-1]], [case[1][-1]])),
        "that is the recall of the last question alone: has each one its place in a list, and is the mean taken after"
        " the loop?",
    ),
)


def recall(function: Any) -> str | None:
    """The share of the exact lists that an approximate search has found."""
    given = [(case, as_number(ask(function, *case))) for case in _RECALLS]
    if any(answer is None for _, answer in given):
        return f"recall should answer with one number, and it answers {shown(ask(function, *_RECALLS[0]))}."
    if _same(given, _recall):
        return None
    for wrong, words in _WRONG_RECALLS:
        if _same(given, wrong):
            return words
    case, answer = next((case, answer) for case, answer in given if not _near(answer, _recall(case)))
    return (
        f"found {shown(case[0])}, exact {shown(case[1])}: the recall is {_recall(case):.3g}, and yours is"
        f" {shown(answer)}."
    )


def _near(answer: float | None, right: float) -> bool:
    """Whether a number is right, rounded to three digits or not."""
    if answer is None or not math.isfinite(answer) or not math.isfinite(right):
        return answer == right
    return abs(answer - right) <= 6e-4 * max(1.0, abs(right))


def _same(given: list[tuple[Any, float | None]], mistake: Callable[[Any], float]) -> bool:
    return all(_near(answer, mistake(case)) for case, answer in given)


# -- eight bits -------------------------------------------------------------------------------------------------------

_ROWS = np.array([[1.0, -0.5, 0.25, 0.1], [-4.0, 3.3, 0.9, -2.2], [0.01, 0.003, -0.02, 0.013]])
_TOP = np.abs(_ROWS).max(axis=1)
_LOST = _TOP / 127 / 2  # half a step: what rounding may lose


def quantise(function: Any) -> str | None:
    """Codes in eight bits and the step of each row, so that codes times step are the rows again."""
    answer = ask(function, _ROWS)
    parts = answer if isinstance(answer, tuple | list) else None
    if parts is None or len(parts) != 2:
        return f"quantise should answer with two things, codes and steps, and it answers {shown(answer)}."
    codes, steps = (_array(part) for part in parts)
    if codes is None or steps is None or codes.shape != _ROWS.shape:
        return (
            f"codes should have the shape of the rows, {_ROWS.shape}, and steps one number for each row; the answer has"
            f" {np.shape(parts[0])} and {np.shape(parts[1])}. Codes come first."
        )
    if steps.size == 1 and len(_ROWS) > 1:
        return (
            "there is one step for the whole table, so its largest number decides for all: short rows have next to no"
            " codes left. Take the largest size of each row, axis=1."
        )
    if steps.size == _ROWS.shape[1]:
        return (
            "there is a step for each column, not for each row (axis=0). That is another way that is in use; here a row"
            " has its own: axis=1."
        )
    if steps.size != len(_ROWS):
        return f"steps should be one number for each of the {len(_ROWS)} rows; there are {steps.size}."
    return _codes(codes, steps.reshape(-1)) or _empty_row(function)


def _array(value: Any) -> Any:
    """A value as an array of numbers; None for what is none."""
    try:
        made = value.to_numpy() if isinstance(value, pd.DataFrame | pd.Series) else np.asarray(value)
    except ValueError:
        return None
    return made if made.dtype.kind in "iuf" else None


def _codes(codes: Any, steps: Any) -> str | None:
    """What is wrong with codes [n, d] and steps [n] of the rows."""
    kind = codes.dtype
    if kind != np.int8:
        told = (
            "unsigned: its codes begin at 0 and cannot be below" if kind.kind == "u" else f"{kind.itemsize} bytes each"
        )
        return f"the codes are {kind}, {told}. Say .astype(np.int8) at the end: eight bits are what this is about."
    if np.allclose(steps * _TOP, 127, rtol=1e-3):
        return "the steps are 127 / largest, the other way round: a code times its step has to be the number again."
    if np.allclose(steps, _TOP, rtol=1e-3):
        return "the steps are the largest size of each row. Divide by 127, the largest code."
    flipped = np.argwhere(np.sign(codes.astype(int)) * np.sign(_ROWS) < 0)
    if len(flipped):
        row, column = flipped[0]
        return (
            f"the number {_ROWS[row, column]:g} has the code {codes[row, column]}: its sign is lost. int8 goes from"
            " -128 to 127, and what is above 127 comes round at the other end. Divide by 127, and by the largest *size*"
            " (np.abs), not the largest number."
        )
    used = np.abs(codes.astype(int)).max(axis=1)
    if ((used < 127) & (steps < 1.05 * _TOP / 127)).any() and (used > 120).all():
        return f"the largest size of a row has the code {used.min()}. Let it be 127, the largest of int8."
    miss = np.abs(codes * steps[:, None] - _ROWS)
    return None if (miss <= 1.02 * _LOST[:, None] + 1e-12).all() else _too_far(codes, steps, miss)


def _too_far(codes: Any, steps: Any, miss: Any) -> str:
    """Why codes times steps are further from the rows than rounding explains."""
    if np.array_equal(codes, np.trunc(_ROWS / steps[:, None]).astype(np.int8)):
        return (
            "the codes are cut off and not rounded (.astype alone cuts off towards 0): the error is twice as large, and"
            " it pulls all numbers to 0. np.round first."
        )
    if np.array_equal(codes, np.floor(_ROWS / steps[:, None]).astype(np.int8)):
        return "the codes are rounded down, so all numbers become too small. np.round takes the nearest."
    row, column = np.unravel_index(int((miss / _LOST[:, None]).argmax()), miss.shape)
    return (
        f"{_ROWS[row, column]:g} has the code {codes[row, column]} and the step {steps[row]:.3g}: back it is"
        f" {codes[row, column] * steps[row]:.3g}. With 127 steps up to the largest size of the row, nothing is further"
        f" off than half a step, {_LOST[row]:.2g}."
    )


def _empty_row(function: Any) -> str | None:
    """What a row of zeros becomes."""
    words = (
        "right for all rows but one of zeros, a product that nobody has met: its largest size is 0, and 0 is divided by"
        " 0. What that becomes in int8 is anybody's guess. Give it any step:"
        " np.maximum(largest, 1e-12) / 127."
    )
    try:
        with np.errstate(invalid="raise", divide="raise"):
            codes, steps = ask(function, np.array([[0.0, 0.0], [2.0, 1.0]]))
    except Stopped:
        return words
    back = np.asarray(codes, dtype=float) * np.asarray(steps, dtype=float).reshape(-1, 1)
    return None if np.isfinite(back).all() and np.allclose(back[0], 0) else words


# -- the answers of several shards ------------------------------------------------------------------------------------

_Answers = list[list[tuple[str, float]]]
_Merge = tuple[_Answers, int]
_MERGES: tuple[_Merge, ...] = (
    ([[("d", 0.9), ("a", 0.8), ("h", 0.75)], [("b", 0.7), ("c", 0.2)], [("g", 0.6), ("e", 0.5), ("f", 0.4)]], 3),
    ([[("x", -0.1), ("y", -0.4)], [("z", -0.2), ("w", -0.9)]], 3),
    ([[("k", 0.5), ("p", 0.3)], [("j", 0.5), ("q", 0.3)], [("m", 0.5)]], 4),
    ([[("a", 0.2)], []], 5),
    ([[("b", 10.0), ("c", 9.0)], [("a", 9.5), ("d", 2.0)]], 2),
    ([[("b", 9.0), ("c", 8.0), ("e", 7.0), ("f", 6.0)], [("a", 5.0), ("d", 4.0)]], 4),
)
"""What the shards answer, and how many are wanted: one shard has it all, scores below 0, ties, an empty shard."""


def _merge(case: _Merge) -> list[str]:
    answers, k = case
    rows = [row for answer in answers for row in answer]
    return [item for item, _ in sorted(rows, key=lambda row: (-row[1], row[0]))][:k]


def _by(case: _Merge, key: Callable[[tuple[str, float]], Any], back: bool = False) -> list[str]:
    answers, k = case
    rows = [row for answer in answers for row in answer]
    return [item for item, _ in sorted(rows, key=key, reverse=back)][:k]


def _share_of_each(case: _Merge, up: bool) -> list[str]:
    answers, k = case
    each = -(-k // len(answers)) if up else k // len(answers)
    return _merge(([answer[:each] for answer in answers], k))


def _in_turn(case: _Merge) -> list[str]:
    answers, k = case
    longest = max(map(len, answers))
    return [answer[at][0] for at in range(longest) for answer in answers if at < len(answer)][:k]


_WRONG_MERGES: tuple[tuple[Callable[[_Merge], list[str]], str], ...] = (
    (
        lambda case: [item for answer in case[0] for item, _ in answer][: case[1]],
        "the answers are put one behind the other and cut: the first shard wins, whatever the scores say. Sort by"
        " score first.",
    ),
    (
        lambda case: _share_of_each(case, up=True),
        "each shard gives only its share of the list, k divided by the shards. But the best products may all lie on"
        " one shard: take all that each one answers, then cut.",
    ),
    (
        lambda case: _share_of_each(case, up=False),
        "each shard gives only its share of the list, k divided by the shards. But the best products may all lie on"
        " one shard: take all that each one answers, then cut.",
    ),
    (
        _in_turn,
        "the shards take turns: the best of each, then the second of each. But the third of one shard may be better"
        " than the first of another: sort by score.",
    ),
    (
        lambda case: _by(case, lambda row: (row[1], row[0])),
        "the list is upside down: the lowest score comes first. Higher is better.",
    ),
    (
        lambda case: _by(case, lambda row: (-abs(row[1]), row[0])),
        "it goes by the size of the score without its sign. By inner product scores can be below 0, and -.1 is better"
        " than -.9.",
    ),
    (
        lambda case: _by(case, lambda row: -row[1]),
        "right where scores differ. Where they are equal, the shard that happens to come first wins, so the list"
        " changes when products move to another shard. Let the id decide: sort by (-score, id).",
    ),
    (
        lambda case: _by(case, lambda row: (row[1], row[0]), back=True),
        "right where scores differ. Where they are equal, the ids stand upside down (reverse=True turns both round):"
        " sort by (-score, id).",
    ),
    (
        lambda case: _by(case, lambda row: row[0]),
        "the list goes by product id. Sort by score, higher first, and by id only where scores are equal.",
    ),
    (
        lambda case: _merge((case[0], 10**6)),
        "the list is not cut: the first k are wanted.",
    ),
    (
        lambda case: _merge((case[0], case[1] - 1)),
        "the list is one product short of k.",
    ),
    (
        lambda case: _merge(([answer[:1] for answer in case[0]], case[1])),
        "only the best product of each shard is looked at. The second of one may be better than the first of another.",
    ),
)


def merge(function: Any) -> str | None:
    """One list from the lists of all shards."""
    given: list[tuple[_Merge, list[Any]]] = []
    for case in _MERGES:
        answer = as_list(ask(function, *case))
        if answer is None:
            return f"merge should answer with a list of product ids, and it answers {shown(ask(function, *case))}."
        if answer and all(isinstance(one, tuple | list) and len(one) == 2 for one in answer):
            answer = [one[0] if isinstance(one[0], str) else one[1] for one in answer]  # with their scores: as good
        given.append((case, answer))
    if all(answer == _merge(case) for case, answer in given):
        return None
    for wrong, words in _WRONG_MERGES:
        if all(answer == wrong(case) for case, answer in given):
            return words
    case, answer = next((case, answer) for case, answer in given if answer != _merge(case))
    return f"from {shown(case[0])} the first {case[1]} are {shown(_merge(case))}, and merge says {shown(answer)}."


# -- from which size a cluster pays -----------------------------------------------------------------------------------

_Pays = tuple[float, float, float, int]
_PAYS: tuple[_Pays, ...] = (
    (20.0, 0.004, 0.02, 10),
    (16.0, 0.01, 0.03, 4),
    (30.0, 0.005, 0.04, 8),
    (30.0, 0.001, 0.02, 4),
    (12.0, 0.5, 0.6, 2),
)
"""Fixed seconds of the cluster, seconds for a thousand events here and on one machine there, machines. 3, 4: never."""


def _pays(case: _Pays, also: Callable[[_Pays], float] | None = None) -> float:
    fixed, here, there, machines = case
    gain = here - there / machines
    if gain <= 1e-12:
        return math.inf
    return also(case) if also else fixed / gain


_WRONG_PAYS: tuple[tuple[Callable[[_Pays], float], str], ...] = (
    (
        lambda case: case[0] / (case[1] - case[2]),
        "it compares with one machine of the cluster. Its work is done by all of them at once: there / machines.",
    ),
    (
        lambda case: math.inf if case[1] <= case[2] else case[0] / (case[1] - case[2]),
        "it compares with one machine of the cluster. Its work is done by all of them at once: there / machines.",
    ),
    (
        lambda case: case[0] / case[1],
        "that is when this machine has taken as long as the cluster's fixed time. By then the cluster has only begun:"
        " its own time for the events comes on top.",
    ),
    (
        lambda case: case[0] / (case[1] + case[2] / case[3]),
        "the two times are added. At the size that is asked for they are equal: here·n = fixed + there·n / machines."
        " Bring n to one side.",
    ),
    (
        lambda case: case[0] / (case[1] - case[2] * case[3]),
        "the time of the cluster is multiplied by its machines. They share the work: divide.",
    ),
    (
        lambda case: case[0] / case[3] / (case[1] - case[2] / case[3]),
        "the fixed time is divided by the machines as well. It is what more machines do not shorten: starting,"
        " planning, waiting for the last one (Amdahl).",
    ),
    (
        lambda case: _pays(case, lambda one: one[0] / one[3] / (one[1] - one[2] / one[3])),
        "the fixed time is divided by the machines as well. It is what more machines do not shorten: starting,"
        " planning, waiting for the last one (Amdahl).",
    ),
    (
        lambda case: case[0] * (case[1] - case[2] / case[3]),
        "it multiplies where it should divide: the fixed time is earned back by what each thousand events save.",
    ),
    (
        lambda case: _pays(case) if math.isfinite(_pays(case)) else 0.0,
        "it answers 0 where the cluster never catches up: 0 says that it always pays. Answer math.inf.",
    ),
)


def pays_from(function: Any) -> str | None:
    """From how many thousand events on a cluster is quicker than this machine; infinite where it never is."""
    given = [(case, as_number(_pays_asked(function, case))) for case in _PAYS]
    if any(answer is None for _, answer in given):
        at = next(case for case, answer in given if answer is None)
        return f"pays_from should answer with one number, and it answers {shown(_pays_asked(function, at))}."
    if _same(given, _pays):
        return None
    finite = [(case, answer) for case, answer in given if math.isfinite(_pays(case))]
    for wrong, words in _WRONG_PAYS:
        if all(_near(answer, value) for case, answer in finite if (value := _safe(wrong, case)) is not None) and all(
            _near(answer, value) for case, answer in given if (value := _safe(wrong, case)) is not None
        ):
            return words
    if _same(finite, _pays):
        case, answer = next((case, answer) for case, answer in given if not _near(answer, _pays(case)))
        told = "below 0" if answer is not None and answer < 0 else shown(answer)
        return (
            f"right where the cluster catches up. With {case[1]:g} s here and {case[2]:g} / {case[3]} ="
            f" {case[2] / case[3]:g} s there it never does, and the answer is {told}: somebody would take it for a"
            " size. Answer math.inf."
        )
    case, answer = next((case, answer) for case, answer in given if not _near(answer, _pays(case)))
    return (
        f"fixed {case[0]:g} s, here {case[1]:g} s, there {case[2]:g} s, {case[3]} machines: equal from"
        f" {_pays(case):,.0f} thousand events on, and pays_from says {shown(answer)}."
    )


def _pays_asked(function: Any, case: _Pays) -> Any:
    return ask(function, *case)


def _safe(mistake: Callable[[_Pays], float], case: _Pays) -> float | None:
    """What a mistake gives; None where it would divide by 0."""
    try:
        return mistake(case)
    except ZeroDivisionError:
        return None


# -- how many machines ------------------------------------------------------------------------------------------------

_Plan = tuple[int, float, float, int, float]
_PLANS: tuple[_Plan, ...] = (
    (100_000_000, 320.0, 16.0, 2, 0.25),
    (2**27, 120.0, 20.0, 3, 0.25),
    (1_000_000, 256.0, 8.0, 3, 0.5),
    (400_000_000, 640.0, 32.0, 3, 0.375),
    (900_000_000, 120.5, 8.0, 2, 0.125),
    (150_000_000, 400.0, 8.0, 2, 0.75),
)
"""Products, bytes for each, GB of a machine, replicas, the share of a machine that stays free."""

_GIB = 2**30


def _shards(case: _Plan, room: float | None = None) -> float:
    """How many machines one copy takes, not rounded; `room` is the share of a machine that is used."""
    products, each, memory, _, free = case
    return products * each / (memory * _GIB * (1 - free if room is None else room))


def _ceil(value: float) -> int:
    return math.ceil(round(value, 9))


def _machines(case: _Plan) -> float:
    return _ceil(_shards(case)) * case[3]


_WRONG_PLANS: tuple[tuple[Callable[[_Plan], float], str], ...] = (
    (
        lambda case: _ceil(_shards(case)),
        "the replicas are missing: when one machine goes, its products are gone. Each shard stands `replicas` times.",
    ),
    (
        lambda case: _ceil(_shards(case) * case[3]),
        "it is rounded up after the replicas, so two copies would share a machine where shards are half full. A copy is"
        " there for the day on which the other machine is not: round up the shards first, then times replicas.",
    ),
    (
        lambda case: _shards(case) * case[3],
        "a part of a machine cannot be had: round the shards up (math.ceil), then times replicas.",
    ),
    (
        lambda case: math.floor(_shards(case)) * case[3],
        "it is rounded down, so the last products have no room. math.ceil rounds up.",
    ),
    (
        lambda case: round(_shards(case)) * case[3],
        "it is rounded to the nearest, so sometimes the last products have no room. math.ceil rounds up.",
    ),
    (
        lambda case: (math.floor(_shards(case)) + 1) * case[3],
        "there is one shard too many where the products fit exactly: math.ceil adds none there, int(…) + 1 does.",
    ),
    (
        lambda case: _ceil(_shards(case, room=1.0)) * case[3],
        "all of the memory is used for products. The system, questions under way and the next index want room: only"
        " 1 - head_room of a machine may be filled.",
    ),
    (
        lambda case: _ceil(_shards(case, room=case[4])) * case[3],
        "head_room is what stays free, and it is used here as what may be filled: that is 1 - head_room.",
    ),
    (
        lambda case: _ceil(_shards(case, room=1 / (1 - case[4]))) * case[3],
        "1 - head_room is on the wrong side: the less of a machine may be filled, the *more* machines it takes.",
    ),
    (
        lambda case: _ceil(_shards(case) * _GIB) * case[3],
        "that is a thousand million times too many: memory is in GB, and a GB has 2**30 bytes.",
    ),
    (
        lambda case: _ceil(_shards(case) * _GIB / 1e9) * case[3],
        "nearly: a GB is taken for 10**9 bytes here. Memory is sold in GB of 2**30 bytes, about 7 % more.",
    ),
    (
        lambda case: _ceil(_shards(case)) + case[3],
        "the replicas are added. Each shard stands `replicas` times: multiply.",
    ),
    (
        lambda case: _ceil(_shards(case) / case[3]) * case[3],
        "the products are shared out among the replicas: then each is there once. A replica has all of them.",
    ),
)


def machines(function: Any) -> str | None:
    """How many machines hold the products, as often as there are replicas."""
    given = [(case, as_number(ask(function, *case))) for case in _PLANS]
    if any(answer is None for _, answer in given):
        return f"machines should answer with one number, and it answers {shown(ask(function, *_PLANS[0]))}."
    if all(answer == _machines(case) for case, answer in given):
        return None
    for wrong, words in _WRONG_PLANS:
        if _same(given, wrong):
            return words
    case, answer = next((case, answer) for case, answer in given if answer != _machines(case))
    products, each, memory, replicas, free = case
    return (
        f"{products:,} products of {each:g} bytes, {replicas} replicas, machines of {memory:g} GB of which {free:.0%}"
        f" stays free: that takes {_machines(case)}, and machines says {shown(answer)}."
    )
