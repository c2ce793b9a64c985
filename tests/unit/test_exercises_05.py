"""The checkers of chapter 05: right answers of other kinds are right, known mistakes hear what is wrong."""

from __future__ import annotations

from functools import partial

import pytest

from recsys_lab.exercises import chapter
from tests import learner

verdict = partial(learner.verdict, "05")


FOLD = "def fold_in(vectors, worth, regularization):\n"
ALSO = "def also_bought(cart, vectors, k):\n"
GIFT = "from recsys_lab.filters import field\ndef gift(department, budget):\n"
FUSED = "def fused(a, b, alpha):\n"
EASE = "def ease(X, regularization):\n"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, FOLD + "    c = pd.Series(1.0, vectors.index)\n    c[worth.index] = worth.abs()\n"
            "    p = (worth.reindex(vectors.index).fillna(0) > 0).astype(float)\n    Y = vectors.to_numpy()\n"
            "    A = Y.T @ np.diag(c) @ Y + regularization * np.eye(Y.shape[1])\n"
            "    return np.linalg.inv(A) @ Y.T @ (c * p).to_numpy()"),
        (1, FOLD + "    A = vectors.T @ vectors + regularization * np.eye(vectors.shape[1])\n    b = 0\n"
            "    for item, r in worth.items():\n        y = vectors.loc[item].to_numpy()\n"
            "        A = A + (abs(r) - 1) * np.outer(y, y)\n        b = b + (abs(r) * y if r > 0 else 0 * y)\n"
            "    return np.linalg.solve(A.to_numpy(), b).round(6).tolist()"),
        (2, ALSO + "    unit = vectors.to_numpy() / np.linalg.norm(vectors.to_numpy(), axis=1)[:, None]\n"
            "    rows = [list(vectors.index).index(item) for item in cart]\n    score = unit @ unit[rows].sum(axis=0)\n"
            "    return [vectors.index[at] for at in np.argsort(-score) if at not in rows][:k]"),
        (2, ALSO + "    unit = (vectors.T / np.linalg.norm(vectors, axis=1)).T\n    middle = unit.loc[cart].mean()\n"
            "    return (unit @ (middle / np.linalg.norm(middle))).drop(index=cart).nlargest(k).index"),
        (3, GIFT + '    return ~field("category").isin({"socks", "underwear"}) & (field("department") == department) &'
            ' (field("in_stock") != False) & ~(field("price") > budget)'),
        (3, GIFT + '    found = field("price") <= budget\n    for refused in ("underwear", "socks"):\n'
            '        found = found & (field("category") != refused)\n'
            '    return found & field("department").isin([department]) & field("in_stock").isin([True])'),
        (4, FUSED + "    unit = lambda rows: rows / np.sqrt((rows ** 2).sum(axis=1))[:, None]\n"
            "    return np.concatenate([(1 - alpha) ** .5 * unit(b), alpha ** .5 * unit(a)], axis=1)"),
        (4, FUSED + "    rows = [np.r_[np.sqrt(alpha / (1 - alpha)) * x / np.linalg.norm(x), y / np.linalg.norm(y)]"
            " for x, y in zip(a, b)]\n    return pd.DataFrame(rows)"),
        (5, EASE + "    P = np.linalg.inv(X.T @ X + regularization * np.eye(X.shape[1]))\n"
            "    return np.eye(len(P)) - P @ np.diag(1 / np.diag(P))"),
        (5, EASE + "    G = X.T @ X + regularization * np.identity(X.shape[1])\n    B = np.zeros_like(G)\n"
            "    for j in range(len(G)):\n        others = np.delete(np.arange(len(G)), j)\n"
            "        B[others, j] = np.linalg.solve(G[np.ix_(others, others)], G[others, j])\n    return B.tolist()"),
    ],
)  # fmt: skip
def test_other_right_ways(number: int, code: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "right", message


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (1, FOLD + "    return vectors.mean().mean()", "one vector"),
        (1, FOLD + "    return 'a vector'", "one vector"),
        (2, ALSO + "    return cart[0]", "list of product ids"),
        (2, ALSO + "    return []", "should be"),
        (3, GIFT + '    return field("price")', "should answer with a filter"),
        (3, GIFT + '    return (field("department") == 3) & (field("price") <= budget)', "cannot be asked"),
        (3, GIFT + '    return (field("price") <= 40) & (field("department") == department) &'
            ' (field("in_stock") == True) & field("category").notin(["socks", "underwear"])', "both arguments"),
        (4, FUSED + "    return [1.0] * len(a)", "a row for each product"),
        (4, FUSED + "    return np.ones((len(a), 4), dtype=object)", "a row for each product"),
        (4, FUSED + "    return np.zeros((len(a), 4))", "should be"),
        (5, EASE + "    return X.T @ X", "should be"),
        (5, EASE + "    return {}", "[products, products]"),
    ],
)  # fmt: skip
def test_other_wrong_answers(number: int, code: str, says: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "not yet"
    assert says in message, message


@pytest.mark.parametrize(
    ("number", "code", "begins"),
    [
        (1, FOLD + "    return vectors.loc[0]", "Not yet: fold_in stopped with KeyError"),
        (2, ALSO + "    return vectors @ cart", "Not yet: also_bought stopped with "),
        (4, FUSED + "    return a + b", "Not yet: fused stopped with ValueError"),
        (5, EASE + "    B = 1", "Not yet: ease answers None"),
    ],
)
def test_the_reason_comes_first_and_tables_by_their_size(number: int, code: str, begins: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "not yet" and message.startswith(begins), message
    assert (
        message[message.index("It was asked with") :]
        == {
            1: "It was asked with (a 12×3 frame), {'p7': 5.3, 'p2': 0.1, 'p9': 2.0}, 4.0.",
            2: "It was asked with ['a', 'd'], (a 14×3 frame), 4.",
            4: "It was asked with (a 6×3 array), (a 6×4 array), 0.6.",
            5: "It was asked with (a 4×3 array), 1.0.",
        }[number]
    )
    assert ".." not in message


def test_advice_only_where_it_fits() -> None:
    assert "keepdims" not in verdict(4, FUSED + "    return a + b")[1]
    assert ".isin .notin" not in verdict(3, GIFT + "    return 1 / 0")[1]
    assert "fill_diagonal" not in verdict(5, EASE + "    return 1 / 0")[1]
    half = FUSED + '    return eval("____")'
    judged = chapter("05")[4].check(learner.ran("from recsys_lab.exercises import ____\n" + half))
    assert judged.kind == "not attempted" and "fused still answers with a ____" in judged.message
    assert "function is needed" in chapter("05")[4].check({"fused": 3}).message


def test_the_questions_have_one_right_answer_each() -> None:
    for question in chapter("05").question:
        assert [choice.right for choice in question.choices].count(True) == 1
        lengths = [len(choice.text) for choice in question.choices]
        assert max(lengths) <= 1.4 * min(lengths), "a choice stands out by its length"
