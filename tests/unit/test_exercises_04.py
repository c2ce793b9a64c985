"""The checkers of chapter 04: right answers of other kinds are right, known mistakes hear what is wrong."""

from __future__ import annotations

from functools import partial

import pytest

from tests import learner

verdict = partial(learner.verdict, "04")


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
