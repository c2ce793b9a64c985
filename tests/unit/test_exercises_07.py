"""The checkers of chapter 07: right answers of other kinds are right, other wrong ones hear what is wrong."""

from __future__ import annotations

from functools import partial

import pytest

from recsys_lab.exercises import chapter
from tests import learner

verdict = partial(learner.verdict, "07")

LOST = "def where_lost(lists, pools, wanted):\n"
LISTWISE = "def listwise(x, gains, w):\n"
BOUND = "def upper_bound(X, r, x, alpha, ridge):\n"
THOMPSON = "def thompson(theta, inverse, x, scale, rng):\n"
OFF = "def off_policy(target, logged, rewards):\n"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, LOST + "    count = [0, 0, 0]\n    for ids, pool, item in zip(lists, pools, wanted):\n"
            "        count[0 if item in ids else 1 if item in pool else 2] += 1\n"
            "    return [n / len(wanted) for n in count]"),
        (1, LOST + "    hit = pd.Series([w in l for w, l in zip(wanted, lists)]).mean()\n"
            "    recall = pd.Series([w in p for w, p in zip(wanted, pools)]).mean()\n"
            "    return pd.Series({'hit': hit, 'ranker': recall - hit, 'pool': 1 - recall}).round(6)"),
        (2, LISTWISE + "    from scipy.special import log_softmax, softmax\n    g = gains / np.sum(gains)\n"
            "    return -np.sum(g * log_softmax(x @ w)), x.T @ (softmax(x @ w) - g)"),
        (2, LISTWISE + "    s = x @ w - (x @ w).max()\n    g = gains / gains.sum()\n    total = np.exp(s).sum()\n"
            "    slope = sum((np.exp(a) / total - b) * row for a, b, row in zip(s, g, x))\n"
            "    return [np.array([np.log(total) - g @ s]), slope.tolist()]"),
        (2, "import math\n" + LISTWISE + "    s = [sum(a * b for a, b in zip(row, w)) for row in x]\n"
            "    e = [math.exp(v - max(s)) for v in s]\n    p = [v / sum(e) for v in e]\n"
            "    g = [v / sum(gains) for v in gains]\n"
            "    loss = -sum(a * math.log(b) for a, b in zip(g, p))\n"
            "    return loss, [sum((a - b) * row[j] for a, b, row in zip(p, g, x)) for j in range(len(w))]"),
        (3, BOUND + "    A = ridge * np.eye(X.shape[1])\n    b = np.zeros(X.shape[1])\n"
            "    for row, reward in zip(X, r):\n"
            "        A, b = A + np.outer(row, row), b + reward * row\n"
            "    return x @ np.linalg.solve(A, b) + alpha * (x @ np.linalg.solve(A, x)) ** 0.5"),
        (3, BOUND + "    A = np.diag([ridge] * len(x)) + X.T.dot(X)\n"
            "    half = np.linalg.solve(np.linalg.cholesky(A), x)\n"
            "    return np.array([np.linalg.inv(A) @ (X.T @ r) @ x + alpha * np.linalg.norm(half)])"),
        (4, THOMPSON + "    root = np.linalg.cholesky(inverse)\n"
            "    return np.argmax(x @ (theta + scale * root @ rng.standard_normal(len(theta))))"),
        (4, THOMPSON + "    wide = scale**2 * x @ inverse @ x.T\n"
            "    drawn = rng.multivariate_normal(x @ theta, wide, check_valid='ignore')\n"
            "    return pd.Series(drawn).idxmax()"),
        (4, THOMPSON + "    values, vectors = np.linalg.eigh(inverse)\n    drawn = theta\n"
            "    for value, vector in zip(values, vectors.T):\n"
            "        drawn = drawn + scale * value**0.5 * rng.normal() * vector\n    return (x @ drawn).argmax()"),
        (5, OFF + "    w = np.asarray(target) / np.asarray(logged)\n"
            "    return [np.mean(w * rewards), np.average(rewards, weights=w)]"),
        (5, OFF + "    w = [t / p for t, p in zip(target, logged)]\n"
            "    total = sum(a * b for a, b in zip(w, rewards))\n"
            "    return np.array([total / len(w), total / sum(w)]).round(6)"),
    ],
)  # fmt: skip
def test_other_right_ways(number: int, code: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "right", message


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (1, LOST + "    return {'hit': 1, 'ranker': 0, 'pool': 0}", "three numbers"),
        (1, LOST + "    return 'a', 'b', 'c'", "three numbers"),
        (2, LISTWISE + "    return 0.5, 0.5", "the loss and the slope"),
        (2, LISTWISE + "    return 'ab'", "the loss and the slope"),
        (2, LISTWISE + "    g = gains / gains.sum()\n    s = x @ w\n    p = np.exp(s) / np.exp(s).sum()\n"
            "    return -g @ np.log(p), (p - g) @ x", "overflows"),
        (2, "import math\n" + LISTWISE + "    e = [math.exp(v) for v in x @ w]\n    p = np.array(e) / sum(e)\n"
            "    g = gains / gains.sum()\n    return -g @ np.log(p), (p - g) @ x", "overflows"),
        (1, LOST + "    return 62.5, 12.5, 25.0", "should be"),
        (3, BOUND + "    A = X.T @ X\n    return np.linalg.solve(A, X.T @ r) @ x"
            " + alpha * np.sqrt(x @ np.linalg.solve(A, x))", "λ is missing"),
        (3, BOUND + "    return X.T @ r @ x", "should be"),
        (3, BOUND + "    return 'high'", "one number"),
        (4, THOMPSON + "    return x[np.argmax(x @ rng.multivariate_normal(theta, scale**2 * inverse))]",
            "row of an arm"),
        (4, THOMPSON + "    return len(x)", "row of an arm"),
        (4, THOMPSON + "    return 1.5", "row of an arm"),
        (4, THOMPSON + "    rng = np.random.default_rng(0)\n"
            "    return int(np.argmax(x @ rng.multivariate_normal(theta, scale**2 * inverse)))", "always"),
        (5, OFF + "    return {'ips': 1, 'snips': 2}", "two numbers"),
        (5, OFF + "    return np.ones(4)", "two numbers"),
    ],
)  # fmt: skip
def test_other_wrong_answers(number: int, code: str, says: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "not yet"
    assert says in message, message


@pytest.mark.parametrize("seed", range(5))
def test_other_luck_is_right_too(seed: int) -> None:
    """Thompson sampling is judged by how often arms are shown, so a draw from another generator passes as well."""
    kind, message = verdict(
        4,
        f"others = np.random.default_rng({seed})\n" + THOMPSON + "    drawn = theta + scale * "
        "np.linalg.cholesky(inverse) @ others.normal(size=2)\n    return int((x @ drawn).argmax())",
    )
    assert kind == "right", message


def test_the_right_answer_is_not_always_the_longest() -> None:
    longest = [max(question.choices, key=lambda choice: len(choice.text)).right for question in chapter("07").question]
    assert not all(longest)
