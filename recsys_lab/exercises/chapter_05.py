"""The exercises of chapter 05: a new shopper's row, also bought, a filter, two vectors made one, EASE."""

from __future__ import annotations

from recsys_lab.exercises import checks_05
from recsys_lab.exercises.exercise import Exercise, Wrong
from recsys_lab.exercises.questions_05 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]

_FOLD = "def fold_in(vectors, worth, regularization):\n    Y, c = vectors.to_numpy(), worth.abs().to_numpy()\n"
_DONE = "    done = vectors.loc[worth.index].to_numpy()\n"
_LEFT = "    left = Y.T @ Y + (done * (c - 1)[:, None]).T @ done + regularization * np.eye(Y.shape[1])\n"
_RIGHT = "    right = done.T @ np.where(worth > 0, c, 0)\n"
_SOLVE = "    return np.linalg.solve(left, right)"

FOLD_IN = Exercise(
    names=("fold_in",),
    difficulty=3,
    minutes=18,
    trains="fold-in: a vector for a new shopper from one system of equations",
    check=checks_05.fold_in,
    right="one small system of equations, however many shoppers there are: a shopper who has just arrived gets a vector"
    " without any training. Factors.shopper_vector solves the same one.",
    hints=(
        "done has a row for each product that they did something with: vectors.loc[worth.index], as an array.",
        "On the left stand three sums: Y.T @ Y for all products, (c - 1) times y yᵀ for what they did, and λ on the"
        " diagonal. (done * (c - 1)[:, None]).T @ done is the second.",
        "On the right each vector of `done` counts c where worth is above 0, and nothing where it is below.",
    ),
    wrong=(
        Wrong(_FOLD + _DONE + _LEFT.replace(" + regularization * np.eye(Y.shape[1])", "") + _RIGHT + _SOLVE,
              says="regularisation is missing"),
        Wrong(_FOLD + _DONE + _LEFT.replace("Y.T @ Y + (done * (c - 1)", "(done * c") + _RIGHT + _SOLVE,
              says="All the others count too"),
        Wrong(_FOLD + _DONE + _LEFT.replace("(c - 1)", "c") + _RIGHT + _SOLVE, says="already, with c = 1"),
        Wrong(_FOLD + _DONE + _LEFT + _RIGHT.replace("c, 0", "1, 0") + _SOLVE, says="c times p"),
        Wrong(_FOLD + _DONE + _LEFT + "    right = done.T @ c\n" + _SOLVE, says="taken out of the cart"),
        Wrong(_FOLD + _DONE + _LEFT + "    right = done.T @ worth\n" + _SOLVE, says="worth.clip(lower=0)"),
        Wrong(_FOLD + _DONE + _LEFT.replace("(c - 1)", "(worth.to_numpy() - 1)") + _RIGHT + _SOLVE, says="worth.abs()"),
        Wrong(_FOLD.replace(".abs()", "") + _DONE + _LEFT + "    right = done.T @ c\n" + _SOLVE, says="And what was"),
        Wrong(_FOLD + _DONE + _LEFT.replace(" * np.eye(Y.shape[1])", "") + _RIGHT + _SOLVE, says="on the diagonal"),
        Wrong(_FOLD + "    done = vectors[vectors.index.isin(worth.index)].to_numpy()\n" + _LEFT + _RIGHT + _SOLVE,
              says="different orders"),
        Wrong(_FOLD + "    done = Y[:len(worth)]\n" + _LEFT + _RIGHT + _SOLVE, says="first rows of the table"),
        Wrong(_FOLD + _DONE + "    return (done * c[:, None]).sum(axis=0) / c.sum()", says="should be"),
    ),
)  # fmt: skip

_ALSO = "def also_bought(cart, vectors, k):\n    unit = vectors.div(np.linalg.norm(vectors, axis=1), axis=0)\n"
_MIDDLE = "    question = unit.loc[cart].mean()\n"
_SCORE = "    score = (unit @ question).drop(cart)\n"
_FIRST = "    return score.sort_values(ascending=False).head(k).index.tolist()"

ALSO_BOUGHT = Exercise(
    names=("also_bought",),
    difficulty=2,
    minutes=8,
    trains="one vote for each product of a cart: the mean of unit vectors",
    check=checks_05.also_bought,
    right="each product of the cart has one vote, and none of them is shown again. (A sum instead of the mean lists the"
    " same products: only the direction counts.)",
    hints=(
        "unit.loc[cart] has a row for each product of the cart; its .mean() is the question.",
        "unit @ question is a series: a similarity for each product, by its id. .drop(cart) takes the cart out of it.",
    ),
    wrong=(
        Wrong(_ALSO + _MIDDLE.replace("unit", "vectors") + _SCORE + _FIRST, says="speaks for all of it"),
        Wrong(_ALSO + _MIDDLE + _SCORE.replace(".drop(cart)", "") + _FIRST, says="nearest to their own mean"),
        Wrong(_ALSO + _MIDDLE.replace("unit", "vectors") + _SCORE.replace(".drop(cart)", "") + _FIRST,
              says="leave the cart out"),
        Wrong(_ALSO + _MIDDLE + _SCORE.replace("unit", "vectors") + _FIRST, says="long vectors"),
        Wrong(_ALSO + _MIDDLE.replace("unit", "vectors") + _SCORE.replace("unit", "vectors") + _FIRST,
              says="win twice"),
        Wrong(_ALSO + "    question = unit.loc[cart[-1]]\n" + _SCORE + _FIRST, says="only one product"),
        Wrong(_ALSO + _MIDDLE + _SCORE + _FIRST.replace(".index", ""), says="these are similarities"),
        Wrong(_ALSO + _MIDDLE + _SCORE + _FIRST.replace("False", "True"), says="should be"),
        Wrong(_ALSO + _MIDDLE.replace("unit.loc[", "unit[") + _SCORE + _FIRST, says="rows by their id are unit.loc"),
        Wrong(_ALSO + _MIDDLE + _SCORE + "    return score.idxmax()", says="a list of product ids"),
    ),
)  # fmt: skip

_GIFT = "from recsys_lab.filters import field\ndef gift(department, budget):\n    plain = "
_PLAIN = 'field("category").notin(["socks", "underwear"])\n    return '
_OWN, _THERE, _CHEAP = (
    '(field("department") == department)',
    '(field("in_stock") == True)',
    '(field("price") <= budget)',
)

GIFT = Exercise(
    names=("gift",),
    difficulty=1,
    minutes=6,
    trains="a filter of several conditions that a database can be asked with",
    check=checks_05.gift,
    right="four conditions, all of which have to hold. Any of the databases can be asked with it: the package says it"
    " in their words, with the values bound, never written into a query.",
    hints=(
        'A comparison: field("price") <= budget. It needs brackets when it is joined with others by &.',
        '.notin(["socks", "underwear"]) refuses a list of values; field("in_stock") == True wants what is there.',
    ),
    wrong=(
        Wrong(_GIFT + _PLAIN + f"plain & {_OWN} & {_CHEAP}", says="sold out"),
        Wrong(_GIFT + _PLAIN + f"plain & {_OWN} & {_THERE} & {_CHEAP}".replace("<=", "<"), says="exactly the budget"),
        Wrong(_GIFT + _PLAIN + f"plain & {_THERE} & {_CHEAP}", says="every department"),
        Wrong(_GIFT + _PLAIN + f"{_OWN} & {_THERE} & {_CHEAP}", says="socks and underwear"),
        Wrong(_GIFT + _PLAIN.replace("notin", "isin") + f"plain & {_OWN} & {_THERE} & {_CHEAP}",
              says="you were to refuse them"),
        Wrong(_GIFT + 'field("category") != "socks"\n    return ' + f"plain & {_OWN} & {_THERE} & {_CHEAP}",
              says="underwear is missing"),
        Wrong(_GIFT + 'field("category") != "underwear"\n    return ' + f"plain & {_OWN} & {_THERE} & {_CHEAP}",
              says="socks are missing"),
        Wrong(_GIFT + _PLAIN + f'plain & {_OWN} & {_THERE} & field("price").between(0, budget)', says=".isin .notin"),
        Wrong(_GIFT + _PLAIN + f"plain | {_OWN} | {_THERE} | {_CHEAP}", says="join them by &"),
        Wrong(_GIFT + _PLAIN + f"plain and {_OWN} and {_THERE}", says="truth value"),
        Wrong(_GIFT + _PLAIN + f"plain & {_OWN} & {_THERE} & {_CHEAP.replace('price', 'cost')}", says="no such field"),
        Wrong(_GIFT + _PLAIN + f'plain & (field("department") == "women") & {_THERE} & (field("price") <= 40)',
              says="both arguments"),
        Wrong(_GIFT + _PLAIN + f"plain & {_OWN} & {_THERE} & {_CHEAP}".replace("<=", ">="), says="should not"),
        Wrong(_GIFT + _PLAIN + "department == 'women' and budget > 0", says="should answer with a filter"),
    ),
)  # fmt: skip

_FUSED = "def fused(a, b, alpha):\n"
_A = "    a = a / np.linalg.norm(a, axis=1, keepdims=True)\n"
_B = "    b = b / np.linalg.norm(b, axis=1, keepdims=True)\n"
_STACK = "    return np.hstack([np.sqrt(alpha) * a, np.sqrt(1 - alpha) * b])"

FUSED = Exercise(
    names=("fused",),
    difficulty=3,
    minutes=12,
    trains="two vectors made one so that their cosines add up with a weight",
    check=checks_05.fused,
    right="the cosine of two rows is α times their cosine by a plus 1 − α times that by b, which is what α promised.",
    hints=(
        "a and b come in any length. Rows of length 1: a / np.linalg.norm(a, axis=1, keepdims=True).",
        "np.hstack([x * a, y * b]) puts them side by side. An inner product of two such rows is x² times that of a plus"
        " y² times that of b: which x and y make it α and 1 − α?",
    ),
    wrong=(
        Wrong(_FUSED + _A + _B + _STACK.replace("np.sqrt(alpha)", "alpha").replace("np.sqrt(1 - alpha)", "(1 - alpha)"),
              says="69 : 31"),
        Wrong(_FUSED + _STACK, says="whichever is longer"),
        Wrong(_FUSED + _B + _STACK, says="a goes in as it comes"),
        Wrong(_FUSED + _A + _STACK, says="b goes in as it comes"),
        Wrong(_FUSED + _A + _B + "    return np.hstack([np.sqrt(1 - alpha) * a, np.sqrt(alpha) * b])",
              says="wrong way round"),
        Wrong(_FUSED + "    return np.hstack([alpha * a, (1 - alpha) * b])", says="two things are missing"),
        Wrong(_FUSED + _A + _B + _STACK.replace("np.sqrt(1 - alpha)", "(1 - alpha)"), says="b does not"),
        Wrong(_FUSED + _A + _B + _STACK.replace("np.sqrt(alpha)", "alpha"), says="a does not"),
        Wrong(_FUSED + (_A + _B).replace(", axis=1, keepdims=True", "") + _STACK, says="whole table is divided"),
        Wrong(_FUSED + (_A + _B).replace("axis=1, keepdims=True", "axis=0") + _STACK, says="columns are divided"),
        Wrong(_FUSED + (_A + _B).replace(", keepdims=True", "") + _STACK, says="axis=1, keepdims=True"),
        Wrong(_FUSED + _A + _B + "    return np.hstack([a, b])", says="should be"),
        Wrong(_FUSED + _A + _B + "    return np.sqrt(alpha) * a + np.sqrt(1 - alpha) * b", says="stopped with"),
        Wrong(_FUSED + _A + _B + "    return alpha", says="a table"),
    ),
)  # fmt: skip

_EASE = "def ease(X, regularization):\n    P = np.linalg.inv(X.T @ X + regularization * np.eye(X.shape[1]))\n"
_WEIGHTS = "    B = -P / np.diag(P)\n"
_ZERO = "    np.fill_diagonal(B, 0)\n"

EASE = Exercise(
    names=("ease",),
    difficulty=2,
    minutes=10,
    trains="EASE: a recommender in one inverse, with a zero diagonal",
    check=checks_05.ease,
    right="a whole recommender in one inverse. The zero diagonal is what makes it learn anything: without it the best"
    " answer would be that each product tells itself.",
    hints=(
        "np.diag(P) is the diagonal; P / np.diag(P) divides each column by its own entry of it.",
        "np.fill_diagonal(B, 0) changes B itself, and answers with None.",
    ),
    wrong=(
        Wrong(_EASE + _WEIGHTS + "    return B", says="the diagonal is −1"),
        Wrong(_EASE + "    B = -P / np.diag(P)[:, None]\n" + _ZERO + "    return B", says="the columns"),
        Wrong(_EASE + "    B = -P / np.diag(P)[:, None]\n    return B", says="and the diagonal is not 0"),
        Wrong(_EASE + "    B = -P\n" + _ZERO + "    return B", says="not divided by anything"),
        Wrong(_EASE + "    B = P / np.diag(P)\n" + _ZERO + "    return B", says="wrong way round"),
        Wrong(_EASE + _WEIGHTS + "    return np.fill_diagonal(B, 0)", says="answers None"),
        Wrong(_EASE + _WEIGHTS + "    B = np.fill_diagonal(B, 0)\n    return B", says="on a line of its own"),
        Wrong(_EASE + _WEIGHTS + _ZERO + "    return X @ B", says="[products, products]"),
        Wrong(_EASE + "    B = P.copy()\n" + _ZERO + "    return B", says="should be"),
    ),
)  # fmt: skip

EXERCISES = (FOLD_IN, ALSO_BOUGHT, GIFT, FUSED, EASE)
