"""The exercises of the chapters: a blank to fill in, a check that says what is wrong, hints, a solution.

In a notebook:

    from recsys_lab.exercises import ____, chapter

    exercise = chapter("00")
    exercise[1].check()
"""

from __future__ import annotations

import json
from importlib import import_module
from importlib.resources import files
from pkgutil import iter_modules

from recsys_lab.exercises.exercise import Chapter
from recsys_lab.exercises.placeholder import ____

__all__ = ["____", "chapter", "chapters"]

_PREFIX = "chapter_"


def chapters() -> tuple[str, ...]:
    """The numbers of the chapters that have exercises.

    >>> chapters()[0]
    '00'
    """
    names = (module.name for module in iter_modules(__path__))
    return tuple(sorted(name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)))


def chapter(number: str) -> Chapter:
    """The exercises of a chapter: `chapter("00")[1].check()`, and its questions: `chapter("00").question[1].show()`.

    >>> exercise = chapter("00")
    >>> _ = exercise[1].check({"click_rate": ____, "shop": ____})
    Not attempted: there is still a ____ in click_rate.
    """
    if number not in chapters():
        raise ValueError(f"there are no exercises of a chapter {number!r}; there are those of {', '.join(chapters())}")
    module = import_module(f"{__name__}.{_PREFIX}{number}")
    return Chapter(number, module.EXERCISES, module.QUESTIONS, _solutions(number))


def _solutions(number: str) -> dict[str, str]:
    """The solved cells, by number of the exercise; generated with the notebooks, and empty before that."""
    path = files(__name__).joinpath("solutions", f"{number}.json")
    if not path.is_file():
        return {}
    solved: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return solved
