"""The checkers of chapter 04: right answers of other kinds are right, known mistakes hear what is wrong."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.exercises import chapter
from tests.mutants import mutants

SOURCE = Path(__file__).parents[2] / "notebooks" / "src" / "04_product_clusters.py"

EQUIVALENT: dict[int, set[str]] = {
    1: {
        "unit = new / np.linalg.norm(new, axis=-1, keepdims=True)",  # the last axis of two is axis 1
        "distance = np.linalg.norm(centres - unit[:, None, :], axis=2)",  # as far there as back
        "return distance.argmin(axis=-1)",
    },
    2: set(),
    3: {
        "return cosine.sort_values(ascending=False).head(k).index.tolist()",  # no ties here
        "return cosine.sort_values(ascending=False, kind='stable').head(k).index",  # an Index of ids is a list of ids
    },
}


def solutions() -> dict[int, str]:
    """The solved cells, from the chapter's source."""
    found = {}
    for cell in SOURCE.read_text(encoding="utf-8").split("# %%"):
        head, _, body = cell.partition("\n")
        if 'tags=["exercise-' in head:
            found[int(head.split("exercise-")[1][0])] = ast.unparse(ast.parse(body))
    return found


def ran(code: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"np": np, "pd": pd}
    exec(compile(code, "the learner's cell", "exec"), namespace)
    return namespace


def verdict(number: int, code: str) -> tuple[str, str]:
    judged = chapter("04")[number].check(ran(code))
    return judged.kind, judged.message


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_solution_is_right(number: int) -> None:
    assert sorted(solutions()) == [1, 2, 3]
    assert verdict(number, solutions()[number])[0] == "right"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_known_wrong_answers_hear_what_is_wrong(number: int) -> None:
    for wrong in chapter("04")[number].exercise.wrong:
        kind, message = verdict(number, wrong.code)
        assert kind == "not yet", wrong.code
        assert wrong.says in message, (wrong.code, message)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_mutated_solutions_do_not_pass(number: int) -> None:
    passed = set()
    for mutant in mutants(solutions()[number]):
        with np.errstate(all="ignore"):
            if verdict(number, mutant.source)[0] == "right":
                passed.add(mutant.line)
    assert passed == EQUIVALENT[number]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, "def page_of(new, centres):\n    return [int(np.argmin([np.linalg.norm(v / np.linalg.norm(v) - c) for c in"
            " centres])) for v in new]"),
        (1, "def page_of(new, centres):\n    unit = (new.T / np.sqrt((new ** 2).sum(axis=1))).T\n"
            "    return pd.Series(((centres ** 2).sum(axis=1) - 2 * unit @ centres.T).argmin(axis=1))"),
        (1, "def page_of(new, centres):\n    from scipy.spatial.distance import cdist\n"
            "    return cdist(new / np.linalg.norm(new, axis=1)[:, None], centres).argmin(axis=1).astype(float)"),
        (2, "from itertools import combinations\ndef rand_index(one, other):\n"
            "    alike = [(one[i] == one[j]) == (other[i] == other[j]) for i, j in combinations(range(len(one)), 2)]\n"
            "    return sum(alike) / len(alike)"),
        (2, "from sklearn.metrics import rand_score\n\ndef rand_index(one, other):\n    return rand_score(one, other)"),
        (2, "def rand_index(one, other):\n    same = (one[:, None] == one) == (other[:, None] == other)\n"
            "    n = len(one)\n    return (same.sum() - n) / (n * (n - 1))"),
        (3, "def similar(item, unit, labels, k):\n    mine = labels[labels == labels.loc[item]].index\n"
            "    return (unit.loc[mine] @ unit.loc[item]).drop(item).nlargest(k).index"),
        (3, "def similar(item, unit, labels, k):\n    labels = labels.reindex(unit.index)\n"
            "    far = ((unit - unit.loc[item]) ** 2).sum(axis=1)[labels == labels[item]]\n"
            "    return tuple(far.sort_values().index[1:k + 1])"),
    ],
)  # fmt: skip
def test_other_right_ways(number: int, code: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "right", message


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (1, "def page_of(new, centres):\n    return new", "one number for each row"),
        (1, "def page_of(new, centres):\n    return [0] * len(new)", "should be [1, 0, 0]"),
        (2, "def rand_index(one, other):\n    from sklearn.metrics import adjusted_rand_score\n"
            "    return adjusted_rand_score(one, other)", "adjusted"),
        (2, "def rand_index(one, other):\n    return True", "one number"),
        (3, "def similar(item, unit, labels, k):\n    return item", "list of product ids"),
        (3, "def similar(item, unit, labels, k):\n    return []", "should list 2 products"),
    ],
)  # fmt: skip
def test_other_wrong_answers(number: int, code: str, says: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "not yet"
    assert says in message
