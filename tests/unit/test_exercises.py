"""Every exercise tells right from wrong, and says what is wrong; whatever is left untouched stops nothing."""

from __future__ import annotations

import copy
import json
import math
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.datasets import Shop
from recsys_lab.exercises import ____, chapter, chapters
from recsys_lab.exercises.exercise import Chapter, Choice, Exercise, Question, Task, Wrong, ask
from recsys_lab.exercises.placeholder import is_blank
from tests.mutants import mutants

ROOT = Path(__file__).parents[2]
TASKS = [(name, number) for name in chapters() for number in range(1, len(chapter(name)) + 1)]

EQUIVALENT = {
    ("00", 2): {
        "discount = 2 / np.log2(np.arange(2, len(gains) + 2))": "a constant factor cancels",
        "discount = -1 / np.log2(np.arange(2, len(gains) + 2))": "a constant factor cancels",
        "if ideal.sum() == -1:": "0 / 0 is NaN too",
        "if ideal.sum() == 0: pass": "0 / 0 is NaN too",
    },
    ("04", 1): {
        "unit = new / np.linalg.norm(new, axis=-1, keepdims=True)": "the last axis either way",
        "distance = np.linalg.norm(centres - unit[:, None, :], axis=2)": "the last of three axes",
        "return distance.argmin(axis=-1)": "the last of two axes",
    },
    ("04", 3): {
        "return cosine.sort_values(ascending=False).head(k).index.tolist()": "there are no equal ones to keep in order",
        "return cosine.sort_values(ascending=False, kind='stable').head(k).index": "labels in another kind of list",
    },
    ("05", 1): {
        "done = vectors.loc[worth.index]": "a frame multiplies as its array does",
        "Y, c = (vectors, worth.abs().to_numpy())": "a frame multiplies as its array does",
        "right = done.T @ np.where(worth >= 0, c, 0)": "a worth of 0 is trusted 0 times",
        "left = Y.T @ Y + (done * (c - 1)[:, None]).T @ done + regularization * np.eye(Y.shape[-1])": "the last of two",
    },
    ("05", 2): {
        "return score.sort_values(ascending=False).head(k).index": "labels in another kind of list",
        "unit = vectors.div(np.linalg.norm(vectors, axis=-1), axis=0)": "the last of two axes",
    },
    ("05", 4): {
        "a = a / np.linalg.norm(a, axis=-1, keepdims=True)": "the last of two axes",
        "b = b / np.linalg.norm(b, axis=-1, keepdims=True)": "the last of two axes",
    },
    ("06", 2): {"now = min(at, t)": "a counter may be kept at either time: it says the same later"},
    ("05", 5): {"P = np.linalg.inv(X.T @ X + regularization * np.eye(X.shape[-1]))": "the last of two axes"},
    ("08", 2): {
        "return f'{shopper}.{hmac.new(secret, shopper, hashlib.sha256).hexdigest()}'": "`signed` is given: `who` does"
        " not call it",
        "return f'{shopper}.{hmac.new(secret, shopper.encode(), hashlib.sha256)}'": "`signed` is given, as above",
    },
    ("08", 3): {"sizes, done, at = ([], -1, 0)": "nothing arrives before 0"},
    ("09", 2): {"largest = np.abs(rows).max(axis=-1, keepdims=True)": "the last of two axes"},
    ("09", 3): {"rows = sorted(rows, key=lambda row: (-row[-1], row[0]))": "the last of two"},
}
"""Mutants that pass because they are right, with the reason: each has to exist, and to pass."""


def words(text: str) -> str:
    """A printed text without its line breaks."""
    return " ".join(text.split())


# What holds for the exercises of all chapters


@pytest.fixture(params=TASKS, ids=lambda at: f"{at[0]}-{at[1]}")
def at(request: pytest.FixtureRequest) -> tuple[str, int]:
    found: tuple[str, int] = request.param
    return found


@pytest.fixture
def task(at: tuple[str, int]) -> Task:
    return chapter(at[0])[at[1]]


@pytest.fixture
def given(task: Task, shop: Shop) -> dict[str, Any]:
    """What the cells above an exercise have defined; a chapter that gives more adds it here."""
    known = {"shop": shop}
    return {"np": np, **{name: known[name] for name in task.exercise.given}}


def solution(at: tuple[str, int]) -> str:
    path = ROOT / "recsys_lab" / "exercises" / "solutions" / f"{at[0]}.json"
    text: str = json.loads(path.read_text(encoding="utf-8"))[str(at[1])]
    return text


def ran(code: str, namespace: dict[str, Any]) -> dict[str, Any]:
    namespace = dict(namespace)
    exec(compile(code, "the learner's cell", "exec"), namespace)
    return namespace


def test_untouched_is_not_attempted(task: Task, given: dict[str, Any]) -> None:
    assert task.check({}).kind == "not attempted"
    assert task.check(given).kind == "not attempted"
    for name in task.exercise.names:
        assert task.check(given | dict.fromkeys(task.exercise.names, 1) | {name: ____}).kind == "not attempted"


def test_the_solution_is_right(at: tuple[str, int], task: Task, given: dict[str, Any]) -> None:
    verdict = task.check(ran(solution(at), given))
    assert verdict.kind == "right", verdict.message
    assert len(verdict.message) > 40, "a right answer hears why it is right"


def test_known_wrong_answers_hear_what_is_wrong(at: tuple[str, int], task: Task, given: dict[str, Any]) -> None:
    assert len(task.exercise.wrong) >= 2
    solved = ran(solution(at), given)
    for wrong in task.exercise.wrong:
        verdict = task.check(ran(wrong.code, solved))
        assert verdict.kind == "not yet", wrong.code
        assert wrong.says in verdict.message, wrong.code


def test_mutated_solutions_do_not_pass(at: tuple[str, int], task: Task, given: dict[str, Any]) -> None:
    equivalent, passed, count = EQUIVALENT.get(at, {}), set(), 0
    for mutant in mutants(solution(at)):
        count += 1
        with np.errstate(all="ignore"):
            try:
                namespace = ran(mutant.source, given)
            except Exception:  # a cell that stops cannot pass
                continue
        if task.check(namespace).kind == "right":
            passed.add(mutant.line)
    assert count >= 5
    assert passed == set(equivalent)


def test_answers_of_any_kind_get_words(task: Task, given: dict[str, Any]) -> None:
    kinds: tuple[Any, ...] = (
        None,
        "text",
        0,
        -1.5,
        math.nan,
        math.inf,
        [],
        {},
        object(),
        pd.DataFrame({"a": [1]}),
        pd.Series([1.0]),
    )
    answers = [*kinds, np.ones((2, 3)), int, lambda: None, lambda *_: "text", lambda *_: [[]], lambda *_: {}]
    for answer in [*answers, lambda *_: [None] * 3, lambda *_: np.ones(3), lambda *_: 1 / 0, lambda *_: math.nan]:
        verdict = task.check(given | dict.fromkeys(task.exercise.names, answer))
        assert verdict.kind == "not yet"


def test_hints_come_one_after_the_other(task: Task, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(task.exercise.hints) >= 2
    for number, hint in enumerate(task.exercise.hints, start=1):
        task.hint()
        assert words(capsys.readouterr().out).startswith(f"Hint {number} of {len(task.exercise.hints)}: {hint}")
    task.hint()
    assert "Hint 1 of" in capsys.readouterr().out


def test_solution_is_printed(at: tuple[str, int], task: Task, capsys: pytest.CaptureFixture[str]) -> None:
    task.solution()
    assert capsys.readouterr().out == solution(at) + "\n"


def test_no_learner_notebook_holds_a_solution(at: tuple[str, int]) -> None:
    for path in (ROOT / "notebooks").glob(f"{at[0]}_*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            assert solution(at) not in "".join(cell["source"])


@pytest.mark.parametrize("name", chapters())
def test_questions_explain_every_choice(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    questions = chapter(name).question
    assert len(questions) in (3, 4)
    rights = []
    for question in questions:
        assert [choice.right for choice in question.choices].count(True) == 1
        assert question.answer(____).kind == "not attempted"
        question.show()
        printed = words(capsys.readouterr().out)
        for letter, choice in zip(question.letters, question.choices, strict=True):
            assert f"{letter}. {choice.text}" in printed
            verdict = question.answer(letter)
            assert verdict.kind == ("right" if choice.right else "not yet")
            assert choice.why in verdict.message
            assert len(choice.why) > 20
            rights += [letter] if choice.right else []
    assert len(set(rights)) > 1, "the same letter is always right"


@pytest.mark.parametrize(
    ("code", "mistakes"),
    [
        ("a - b", {"a + b", "b - a"}),
        ("-a <= b", {"a <= b", "-a < b", "-a >= b"}),
        ("x.sum(axis=1)", {"x.sum(axis=0)", "x.sum()", "x.sum(axis=2)", "x.sum(axis=-1)", "x"}),
        ("np.sort(x)[::-1]", {"x[::-1]", "np.sort(x)", "np.sort(x)[::1]", "np.sort(x)[::-2]"}),
        ("sorted(x, reverse=True)", {"x", "sorted(x)", "sorted(x, reverse=False)"}),
    ],
)
def test_mutants_are_the_small_mistakes(code: str, mistakes: set[str]) -> None:
    assert mistakes <= {mutant.source for mutant in mutants(code)}


# The runner, on toys


def shares(share: Any) -> str | None:
    return None if ask(share, 1, 4) == 0.25 else "upside down"


TOY = Exercise(
    names=("share",), check=shares, right="it works.", hints=("Divide.", "By all."),
    wrong=(Wrong("share = lambda clicks, shown: shown / clicks", says="upside down"),),
)  # fmt: skip


@pytest.fixture
def toy() -> Iterator[Task]:
    yield Chapter("99", [TOY], [], {})[1]


def test_the_answer_is_looked_for_where_check_is_called(toy: Task) -> None:
    namespace = {"toy": toy, "share": lambda clicks, shown: clicks / shown}
    exec("verdict = toy.check()", namespace)
    assert namespace["verdict"].kind == "right"  # type: ignore[attr-defined]


def test_verdict_is_printed_once(toy: Task, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = toy.check({"share": lambda clicks, shown: shown / clicks})
    assert capsys.readouterr().out == "Not yet: upside down\n"
    assert repr(verdict) == ""
    formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")
    assert formatters.DisplayFormatter().format(verdict) == ({}, {})
    assert capsys.readouterr().out == ""


def test_an_error_in_the_learners_function_becomes_words(toy: Task) -> None:
    def share(clicks: int, shown: int) -> float:
        raise KeyError("no such column")

    verdict = toy.check({"share": share})
    assert verdict.kind == "not yet"
    assert verdict.message == "Not yet: share(1, 4) stopped with KeyError: 'no such column'."
    assert "TypeError" in toy.check({"share": lambda: 1}).message
    assert "SystemExit" in toy.check({"share": lambda *_: sys.exit()}).message
    assert "RecursionError" in toy.check({"share": lambda *_: again()}).message
    assert "`return`" in toy.check({"share": lambda *_: None}).message
    assert "a function is needed" in toy.check({"share": 3}).message.lower()


def again() -> Any:
    return again()


def test_an_error_of_the_checker_becomes_words() -> None:
    def check(share: Any) -> str | None:
        return share["nothing"]  # type: ignore[no-any-return]

    verdict = Chapter("99", [Exercise(("share",), check, "", ("",), ())], [], {})[1].check({"share": 3})
    assert verdict.kind == "not yet"
    assert "share (of the type int)" in verdict.message
    assert "TypeError" in verdict.message


def test_a_half_filled_function_is_not_attempted(toy: Task) -> None:
    def half(clicks: int, shown: int) -> Any:
        total = clicks + shown
        return total * ____

    def nested(clicks: int, shown: int) -> Any:
        return [____ for _ in range(2)]

    for function in (half, nested, lambda *_: blank_from_another_cell):
        assert toy.check({"share": function}).kind == "not attempted"


blank_from_another_cell = ____


def test_the_learners_function_cannot_change_what_it_is_given() -> None:
    gains = np.ones(2)

    def careless(array: np.ndarray) -> float:
        array *= 2
        return 1.0

    ask(careless, gains)
    assert gains.tolist() == [1, 1]


def test_without_solutions_it_says_how_to_make_them(toy: Task, capsys: pytest.CaptureFixture[str]) -> None:
    toy.solution()
    assert "make notebooks" in capsys.readouterr().out


def test_numbers_and_letters_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="no exercises of a chapter '77'"):
        chapter("77")
    toys = Chapter("99", [TOY], [Question("?", (Choice("yes", True, "so"), Choice("no", False, "so")))], {})
    with pytest.raises(IndexError, match="numbered from 1 to 1: there is no 0"):
        toys[0]
    assert toys.question[1].answer(" B ").kind == "not yet"
    for letter in ("c", "", "ab", 2, None):
        assert toys.question[1].answer(letter).kind == "not attempted"


# The blank


def test_the_blank_survives_untouched_code() -> None:
    share: Any = ____
    frame = pd.DataFrame({"price": [1.0, 2.0], "name": ["a", "b"]})
    assert f"{share:.3f} {share:>10,} {share!r} %s" % share == "____ ____ ____ ____"
    again = (
        share * 2, 2**share, -share, share(1, k=2).mean()[0]["x"], round(share, 2), abs(share), share @ np.ones(2),
        np.ones(2) @ share, np.ones(2) / share, np.round(share), np.sqrt(share), np.mean(share), np.isclose(share, 1),
        np.equal(share, share),
        np.float64(2) * share, share & True, True | share, share == 1, share != 1, share < 1, share >= 1,
        copy.deepcopy(share), pickle.loads(pickle.dumps(share)),
    )  # fmt: skip
    assert all(value is ____ for value in again)
    assert not share
    assert len(share) == 0
    assert list(share) == sorted(share) == list(range(share)) == []
    assert sum(share) == 0
    assert 3 not in share
    assert math.isnan(float(share))
    assert math.isnan(math.sqrt(share))
    assert math.isnan(np.asarray(share))
    assert np.asarray(share, dtype=int) == 0
    frame["new"] = share
    assert len(frame[frame["price"] > share]) == len(frame[frame["name"] == share]) == 0
    assert len(frame[(frame["price"] > share) & (frame["name"] == "a")]) == 0
    assert (frame["price"] * share) is (share + frame) is share
    assert not (share < np.ones(2)).any()
    for value in (frame.assign(x=share), frame["price"].map(share), np.array([share, 1.0])):
        assert len(value) == 2
    with share as opened:
        opened.write("nothing")
    share.name, share["x"] = 1, 2
    share += 1
    assert share is ____


def test_what_is_computed_with_a_blank_is_blank() -> None:
    assert is_blank([1, (2, ____)])
    assert is_blank({"a": ____})
    assert is_blank(np.array([1, ____], dtype=object))
    assert not any(is_blank(value) for value in (1, "____", [0], np.ones(2), pd.Series(["a"]), math.nan, len, int))


def test_the_blank_answers_no_protocol() -> None:
    for name in ("_repr_html_", "_ipython_display_", "__array_interface__", "__dataframe__"):
        assert not hasattr(____, name)
