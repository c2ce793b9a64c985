"""What exercises and questions are made of, and how an answer is judged: right, not yet, or not attempted."""

from __future__ import annotations

import copy
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import pandas as pd

from recsys_lab.exercises.placeholder import is_blank

T = TypeVar("T")
Kind = Literal["right", "not yet", "not attempted"]

WIDTH = 100
"""Characters in a line of what is printed: a notebook's output is about as wide."""


@dataclass(frozen=True)
class Wrong:
    """A known wrong answer: code that a learner might write (run after the solved cell), and words of its diagnosis."""

    code: str
    says: str


@dataclass(frozen=True)
class Exercise:
    """A cell to fill in. `check` gets the values of `names`, then of `given`, and says what is wrong; None: nothing.

    `names` is what the learner's cell has to define, `given` what earlier cells have. `right` says why the answer is
    right; it may show an answer, as in "{share:.1%}". A checker asks a learner's function by `ask`.

    `difficulty` is 1 where the text says every step, 2 where a formula has to become arrays or something shown has to
    be changed, 3 where the learner finds the way; `minutes` is what it takes in a room, `trains` what it is for.
    """

    names: tuple[str, ...]
    check: Callable[..., str | None]
    right: str
    hints: tuple[str, ...]
    wrong: tuple[Wrong, ...]
    given: tuple[str, ...] = ()
    difficulty: int = 0
    minutes: int = 0
    trains: str = ""


@dataclass(frozen=True)
class Choice:
    """One of a question's answers, and why it is right or wrong."""

    text: str
    right: bool
    why: str


@dataclass(frozen=True, repr=False)
class Verdict:
    """How an answer was judged. Its message has been printed, so it shows itself as nothing: the words come once."""

    kind: Kind
    message: str

    def __repr__(self) -> str:
        return ""

    def _ipython_display_(self) -> None:
        """Nothing to display: an empty repr alone would leave an empty output below the cell."""


class Stopped(Exception):
    """A learner's function gave no answer; the words say what it was asked and what happened."""


class Blank(Exception):
    """A learner's function answered with a blank."""


def ask(function: Any, *inputs: Any, advice: Mapping[str, str] | None = None) -> Any:
    """The answer of a learner's function to copies of `inputs`. Raises `Stopped` or `Blank` when there is none.

    `advice` says what to do about an error, by words that it holds: a sentence without its full stop.

    >>> ask(lambda clicks, shown: clicks / shown, 1, 0)
    Traceback (most recent call last):
    recsys_lab.exercises.exercise.Stopped: <lambda>(1, 0) stopped with ZeroDivisionError: division by zero
    """
    if not callable(function):
        raise Stopped(f"A function is needed here, and this is {_kind(function)}")
    call = f"{getattr(function, '__name__', 'your function')}({', '.join(shown(value) for value in inputs)})"
    try:
        with warnings.catch_warnings():  # a diagnosis says more than numpy's warnings about a division by zero
            warnings.simplefilter("ignore")
            answer = function(*copy.deepcopy(inputs))
    except (Exception, SystemExit) as error:  # whatever a learner's code may raise is a diagnosis, not our failure
        said = _words(error)
        more = next((f". {what}" for words, what in (advice or {}).items() if words in said), "")
        raise Stopped(f"{call} stopped with {said}{more}") from error
    if is_blank(answer):
        raise Blank(f"{call} still answers with a ____")
    if answer is None:
        raise Stopped(f"{call} answers None. Its `return` may be missing")
    return answer


def shown(value: Any) -> str:
    """A value as it stands in a message: arrays as lists, frames by their size.

    >>> shown(np.array([0.0, 1.0, 0.5])), shown(pd.DataFrame({"a": [1, 2]}))
    ('[0.0, 1.0, 0.5]', '<2 rows of a>')
    """
    if isinstance(value, pd.DataFrame):
        return f"<{len(value)} rows of {', '.join(map(str, value.columns))}>"
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return textwrap.shorten(repr(plain), 120, placeholder=" …")


def _kind(value: Any) -> str:
    return f"of the type {type(value).__name__}"


def _words(error: BaseException) -> str:
    return textwrap.shorten(f"{type(error).__name__}: {error}", 240, placeholder=" …").removesuffix(": ").rstrip(".")


def _say(text: str) -> None:
    print("\n".join(textwrap.fill(line, WIDTH) for line in text.splitlines()))


def _announce(kind: Kind, message: str) -> Verdict:
    verdict = Verdict(kind, f"{kind.capitalize()}: {message}")
    _say(verdict.message)
    return verdict


class Task:
    """An exercise in the hands of a learner: `.check()`, `.hint()`, `.solution()`."""

    def __init__(self, exercise: Exercise, chapter: str, number: int, solution: str | None) -> None:
        self.exercise = exercise
        self._name, self._number, self._text, self._hints_given = chapter, number, solution, 0

    def check(self, namespace: Mapping[str, Any] | None = None) -> Verdict:
        """Judge the answer that stands in the notebook, and print the verdict.

        `namespace` is where the answer is looked for; without it, the notebook or module that calls.
        """
        found = sys._getframe(1).f_globals if namespace is None else namespace
        return _announce(*self._judge(found))

    def _judge(self, namespace: Mapping[str, Any]) -> tuple[Kind, str]:
        exercise = self.exercise
        for name in (*exercise.given, *exercise.names):
            if name not in namespace:
                where = "the exercise's cell" if name in exercise.names else "the cells above"
                return "not attempted", f"there is no {name} yet. Run {where} first."
        for name in exercise.names:
            if is_blank(namespace[name]):
                return "not attempted", f"there is still a ____ in {name}."
        values = {name: namespace[name] for name in (*exercise.names, *exercise.given)}
        try:
            diagnosis = exercise.check(*values.values())
        except Blank as blank:
            return "not attempted", f"{blank}."
        except Stopped as stopped:
            return "not yet", f"{stopped}."
        except Exception as error:  # an answer of a kind that the checker did not foresee: words, no traceback
            kinds = " and ".join(f"{name} ({_kind(namespace[name])})" for name in exercise.names)
            return "not yet", f"the check can do nothing with {kinds}. It ended with {_words(error)}."
        return ("right", exercise.right.format(**values)) if diagnosis is None else ("not yet", diagnosis)

    def hint(self) -> None:
        """Print the next hint."""
        hints = self.exercise.hints
        at = self._hints_given % len(hints)
        self._hints_given += 1
        last = "" if at + 1 < len(hints) else f" (That was the last. exercise[{self._number}].solution() shows a way.)"
        _say(f"Hint {at + 1} of {len(hints)}: {hints[at]}{last}")

    def solution(self) -> None:
        """Print a solved cell."""
        missing = f"The solutions of chapter {self._name} are not there yet. `make notebooks` makes them."
        print(missing if self._text is None else self._text)


@dataclass(frozen=True)
class Question:
    """A question with choices a, b, c …: `.show()` prints it, `.answer("b")` says why b is right or wrong.

    >>> two = Question("1 + 1?", (Choice("2", True, why="One and one."), Choice("3", False, why="Too many.")))
    >>> two.answer("b").kind
    Not yet: b. Too many.
    'not yet'
    """

    text: str
    choices: tuple[Choice, ...]

    @property
    def letters(self) -> str:
        """The choices' letters."""
        return "abcdefgh"[: len(self.choices)]

    def show(self) -> None:
        """Print the question and its choices."""
        _say(self.text)
        for letter, choice in zip(self.letters, self.choices, strict=True):
            print(textwrap.fill(choice.text, WIDTH, initial_indent=f"  {letter}. ", subsequent_indent="     "))

    def answer(self, letter: Any) -> Verdict:
        """Judge a choice, and print why it is right or wrong."""
        if is_blank(letter):
            return _announce("not attempted", f"put one of the letters {', '.join(self.letters)} in place of ____.")
        at = self.letters.find(letter.strip().lower()) if isinstance(letter, str) and len(letter.strip()) == 1 else -1
        if at < 0:
            known = ", ".join(f'"{known}"' for known in self.letters)
            return _announce("not attempted", f"{shown(letter)} is none of the choices {known}.")
        choice = self.choices[at]
        return _announce("right" if choice.right else "not yet", f"{self.letters[at]}. {choice.why}")


class Numbered(Generic[T]):
    """Exercises or questions, numbered from 1 as they are in the notebook."""

    def __init__(self, what: str, members: Sequence[T]) -> None:
        self._what, self._members = what, tuple(members)

    def __getitem__(self, number: int) -> T:
        if number not in range(1, len(self) + 1):
            raise IndexError(f"{self._what} are numbered from 1 to {len(self)}: there is no {number!r}")
        return self._members[number - 1]

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[T]:
        return iter(self._members)


class Chapter(Numbered[Task]):
    """The exercises of a chapter by number, and its questions: `exercise[1]`, `exercise.question[1]`."""

    def __init__(
        self, name: str, exercises: Sequence[Exercise], questions: Sequence[Question], solutions: Mapping[str, str]
    ) -> None:
        tasks = [Task(one, name, at, solutions.get(str(at))) for at, one in enumerate(exercises, start=1)]
        super().__init__(f"The exercises of chapter {name}", tasks)
        self.question = Numbered(f"The questions of chapter {name}", questions)
