"""A learner's cell, run and checked: what the tests of the chapters' exercises have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.exercises import chapter


def ran(code: str) -> dict[str, Any]:
    """The names that a cell leaves behind."""
    namespace: dict[str, Any] = {"np": np, "pd": pd}
    exec(compile(code, "the learner's cell", "exec"), namespace)
    return namespace


def verdict(of: str, number: int, code: str) -> tuple[str, str]:
    """The kind of verdict and what is said, for exercise `number` of chapter `of`."""
    judged = chapter(of)[number].check(ran(code))
    return judged.kind, judged.message
