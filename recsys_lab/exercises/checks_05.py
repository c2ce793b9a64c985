"""How the answers to the exercises of chapter 05 are checked: what is wrong with one, in words; None: nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.exercises.exercise import Blank, Stopped, ask, shown
from recsys_lab.filters import Filter, FilterError
from recsys_lab.recommender import Floats

Numbers = NDArray[Any]


def _numbers(answer: Any, shape: tuple[int, ...]) -> Floats | None:
    """An answer as an array of that shape; None for what is none."""
    if isinstance(answer, str | dict | set):
        return None
    try:
        values = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return values if values.shape == shape else None


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def _ask(function: Any, *inputs: Any, advice: Callable[[Stopped], str] = lambda stopped: "") -> Any:
    """As `ask`, but what went wrong comes first, then the inputs, tables by their size; `advice` stands between."""
    try:
        return ask(function, *inputs)
    except (Stopped, Blank) as trouble:
        if not callable(function):
            raise
        name = getattr(function, "__name__", "your function")
        what = str(trouble).removeprefix(f"{name}({', '.join(shown(value) for value in inputs)})")
        more = advice(trouble) if isinstance(trouble, Stopped) else ""
        given = ", ".join(_brief(value) for value in inputs)
        raise type(trouble)(f"{name}{what}.{more} It was asked with {given}") from trouble.__cause__


def _brief(value: Any) -> str:
    """An input in a few words.

    >>> _brief(np.ones((6, 3))), _brief(pd.Series({"p7": 5.3})), _brief(0.6)
    ('(a 6×3 array)', "{'p7': 5.3}", '0.6')
    """
    if isinstance(value, pd.DataFrame | np.ndarray) and value.ndim == 2:
        return f"(a {value.shape[0]}×{value.shape[1]} {'array' if isinstance(value, np.ndarray) else 'frame'})"
    return shown(value.to_dict() if isinstance(value, pd.Series) else value)


# -- a new shopper ----------------------------------------------------------------------------------------------------


@cache
def _new_shoppers() -> tuple[tuple[pd.DataFrame, pd.Series[Any], float], ...]:
    """Products' vectors, what somebody did, and λ: something taken out of the cart, and labels in another order."""
    rng = np.random.default_rng(5)
    vectors = pd.DataFrame(rng.normal(size=(12, 3)), index=[f"p{number}" for number in range(12)])
    return (
        (vectors, pd.Series({"p7": 5.3, "p2": 0.1, "p9": 2.0}), 4.0),
        (vectors, pd.Series({"p11": 0.4, "p0": -0.5, "p4": 6.0, "p3": 1.5}), 0.5),
    )


def _row(
    vectors: pd.DataFrame,
    worth: pd.Series[Any],
    regularization: float,
    rest: bool = True,
    above: float = 1.0,
    trusted: bool = True,
    p: Literal["wanted", "all", "signed"] = "wanted",
    size: bool = True,
    order: Literal["labels", "table", "first"] = "labels",
    ridge: Literal["diagonal", "none", "everywhere"] = "diagonal",
) -> Floats:
    """The shopper's row; each argument that is not left as it is makes a mistake."""
    items, r = vectors.to_numpy(), worth.to_numpy()
    taken = {"table": vectors[vectors.index.isin(worth.index)], "first": vectors.head(len(worth))}
    rows = taken.get(order, vectors.loc[worth.index]).to_numpy()
    c = np.abs(r) if size else r
    strengths: dict[str, Any] = {"wanted": r > 0, "all": np.ones(len(r)), "signed": np.sign(r)}
    right = rows.T @ (strengths[p] * (np.abs(r) if trusted else 1.0))
    left = (rows * (c - above * rest)[:, None]).T @ rows + rest * (items.T @ items)
    columns = items.shape[1]
    added: dict[str, Any] = {"diagonal": np.eye(columns), "none": 0.0, "everywhere": 1.0}
    return np.asarray(np.linalg.solve(left + regularization * added[ridge], right))


_SIZE = "the left side takes worth with its sign. c is its size: worth.abs()."
_MINUS = "what was taken out counts with a minus on the right. p is 0 there: worth.clip(lower=0)."

_WRONG_ROWS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"ridge": "none"}, "the regularisation is missing. Without λI on the left a shopper with one click gets a vector"
                        " as long as it takes."),
    ({"ridge": "everywhere"}, "λ is added to every number of the left side. It belongs on the diagonal only:"
                              " regularization * np.eye(Y.shape[1])."),
    ({"rest": False}, "this knows only of the products that they did something with. All the others count too, with"
                      " p = 0 and c = 1: that is Y.T @ Y."),
    ({"above": 0.0}, "the products they did something with are in Y.T @ Y already, with c = 1. Only what is above that"
                     " is added: c - 1."),
    ({"trusted": False}, "on the right each vector counts once. It counts by its confidence: c times p."),
    ({"p": "all"}, "what was taken out of the cart counts as wanted. Where worth is below 0, p is 0: nothing of it on"
                   " the right."),
    ({"p": "signed"}, _MINUS),
    ({"size": False}, _SIZE),
    ({"p": "signed", "size": False}, f"{_SIZE} And {_MINUS}"),
    ({"order": "table"}, "vectors and confidences are paired in different orders: the rows stand in the table's order,"
                         " worth has one of its own. vectors.loc[worth.index] takes the rows by their labels, in the"
                         " order of worth."),
    ({"order": "first"}, "these are the first rows of the table, not the rows of the products that are named. Take"
                         " them by their labels: vectors.loc[worth.index]."),
)  # fmt: skip


def fold_in(function: Any) -> str | None:
    """The row of a shopper, products held still."""
    cases = _new_shoppers()
    answers: list[Floats] = []
    for case in cases:
        given = _ask(function, *case)
        answer = _numbers(given, (3,))
        if answer is None:
            return (
                "fold_in should answer with one vector, as long as a product's (here 3 numbers), and it answers"
                f" {shown(given)}."
            )
        answers.append(answer)
    wanted = [_row(*case) for case in cases]
    if _alike(answers, wanted):
        return None
    for mistakes, diagnosis in _WRONG_ROWS:
        if _alike(answers, [_row(*case, **mistakes) for case in cases]):
            return diagnosis
    at = 0 if not np.allclose(answers[0], wanted[0], atol=1e-4) else 1
    told, right, found = cases[at][1].to_dict(), wanted[at].round(4), answers[at].round(4)
    return (
        f"for the worth {told} and λ = {cases[at][2]:g} of a test table the vector should be {shown(right)}, and it is"
        f" {shown(found)}."
    )


def _alike(answers: Sequence[Floats], wanted: Sequence[Floats]) -> bool:
    return all(np.allclose(answer, right, atol=1e-4) for answer, right in zip(answers, wanted, strict=True))


# -- also bought ------------------------------------------------------------------------------------------------------


@cache
def _shelf() -> pd.DataFrame:
    """Vectors of made-up products, of lengths from short to long."""
    rng = np.random.default_rng(11)
    rows = rng.normal(size=(14, 3)) * rng.uniform(0.2, 5, (14, 1))
    return pd.DataFrame(rows, index=[f"{'abcdefghijklmn'[number]}" for number in range(14)])


_CARTS = ((["a", "d"], 4), (["h", "b", "k"], 5), (["m"], 3), (["c", "e", "i", "n"], 20))


def _also(  # each switch is a mistake
    cart: Sequence[str], k: int, unit: bool = True, drop: bool = True, cosine: bool = True, last: bool = False
) -> list[str]:
    vectors = _shelf()
    rows = pd.DataFrame(_unit(vectors.to_numpy()), index=vectors.index)
    question = (rows if unit else vectors).loc[list(cart)[-1:] if last else list(cart)].mean()
    score = (rows if cosine else vectors) @ question
    return score.drop(list(cart) if drop else []).sort_values(ascending=False, kind="stable").head(k).index.tolist()


_WRONG_CARTS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"unit": False}, "the mean is of the vectors as they come, so the longest product of the cart speaks for all of"
                      " it. Bring each to length 1 first."),
    ({"drop": False}, "the list holds products of the cart: they are nearest to their own mean. Leave them out."),
    ({"unit": False, "drop": False}, "the mean is of the vectors as they come, and the cart itself stands in the list."
                                     " Take vectors of length 1, and leave the cart out."),
    ({"cosine": False}, "the products are compared as they come, so long vectors (what is popular) come first. Compare"
                        " with products of length 1."),
    ({"unit": False, "cosine": False}, "nothing here has length 1: neither what is asked nor what is listed. Long"
                                       " vectors, which are the popular products, win twice."),
    ({"last": True}, "only one product of the cart is asked. The mean of all of them is wanted."),
)  # fmt: skip


def _by_label(stopped: Stopped) -> str:
    return (
        " unit[…] looks among the columns; rows by their id are unit.loc[…]."
        if "in the [columns]" in str(stopped)
        else ""
    )


def also_bought(function: Any) -> str | None:
    """What lies nearest to the middle of a cart."""
    answers: list[list[Any]] = []
    for cart, k in _CARTS:
        answer = _ask(function, cart, _shelf(), k, advice=_by_label)
        if isinstance(answer, str | dict | set | pd.DataFrame) or np.ndim(answer) != 1:
            return f"also_bought should answer with a list of product ids, not with {shown(answer)}."
        values = np.asarray(answer)
        if values.dtype.kind in "fiu" and len(values):
            return "these are similarities. The ids of the products are wanted: in a series they are its index."
        answers.append(values.tolist())
    if answers == [_also(*case) for case in _CARTS]:
        return None
    for mistakes, diagnosis in _WRONG_CARTS:
        if answers == [_also(*case, **mistakes) for case in _CARTS]:
            return diagnosis
    at = next(at for at, case in enumerate(_CARTS) if answers[at] != _also(*case))
    cart, k = _CARTS[at]
    return (
        f"also_bought({cart}, vectors, {k}) of a test shelf should be {_also(cart, k)}, and it is {shown(answers[at])}."
    )


# -- a filter ---------------------------------------------------------------------------------------------------------


@cache
def _goods() -> pd.DataFrame:
    """Every combination of what the filter asks about."""
    goods = [
        (department, category, price, there)
        for department in ("women", "men", "kids")
        for category in ("jackets", "socks", "underwear", "bags")
        for price in (10.0, 40.0, 90.0)
        for there in (True, False)
    ]
    return pd.DataFrame(goods, columns=["department", "category", "price", "in_stock"])


_ASKED = (("women", 40.0), ("kids", 90.0), ("men", 39.0))


_DULL = ("socks", "underwear")


def _gifts(
    department: str,
    budget: float,
    stock: bool = True,
    at_most: bool = True,
    own: bool = True,
    refused: Sequence[str] = _DULL,
    wanted: Sequence[str] = (),
) -> Any:
    """Which of the goods pass; each argument that is not left as it is makes a mistake."""
    goods = _goods()
    passed = goods["price"] <= budget if at_most else goods["price"] < budget
    passed &= goods["in_stock"] | (not stock)
    passed &= goods["department"].eq(department) | (not own)
    passed &= goods["category"].isin(wanted) if wanted else ~goods["category"].isin(refused)
    return passed.to_numpy()


_WRONG_GIFTS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"stock": False}, 'this also lets through what is sold out: field("in_stock") == True.'),
    ({"at_most": False}, "a product that costs exactly the budget is refused. It may cost that much: <=."),
    ({"own": False}, 'this lets through every department: field("department") == department.'),
    ({"refused": ()}, "this lets through socks and underwear. .notin([...]) refuses a list of values."),
    ({"wanted": _DULL}, "this wants socks and underwear, and you were to refuse them. .isin keeps the values of its"
                        " list, .notin refuses them."),
    ({"refused": ("socks",)}, "socks are refused, and underwear is missing: it still gets through."),
    ({"refused": ("underwear",)}, "underwear is refused, and socks are missing: they still get through."),
)  # fmt: skip


def _comparisons(stopped: Stopped) -> str:
    """What a field can be asked, for who tried something else."""
    if not isinstance(stopped.__cause__, AttributeError):
        return ""
    return " The comparisons of a field are == != < <= > >= .isin .notin."


def gift(function: Any) -> str | None:
    """A filter, by what it lets through."""
    masks: list[Any] = []
    for department, budget in _ASKED:
        answer = _ask(function, department, budget, advice=_comparisons)
        if not isinstance(answer, Filter):
            return (
                f"gift({department!r}, {budget:g}) should answer with a filter, and it answers {shown(answer)}."
                ' A filter is made of comparisons: (field("price") <= budget) & (...).'
            )
        try:
            masks.append(answer.mask(_goods()))
        except FilterError as error:
            return f"the filter {answer} cannot be asked: {error}."
    if all(np.array_equal(mask, _gifts(*asked)) for mask, asked in zip(masks, _ASKED, strict=True)):
        return None
    for mistakes, diagnosis in _WRONG_GIFTS:
        if all(np.array_equal(mask, _gifts(*asked, **mistakes)) for mask, asked in zip(masks, _ASKED, strict=True)):
            return diagnosis
    return _let_through(masks[0])


def _let_through(mask: Any) -> str:
    """What is wrong with the first filter, by the goods that it lets through or refuses."""
    goods, right = _goods(), _gifts(*_ASKED[0])
    wrong = goods[mask != right]
    if not len(wrong):
        return "the filter is right for one department and budget, and not for another: does it use both arguments?"
    if mask.sum() > 2 * right.sum():
        return (
            f'gift("women", 40) lets through {mask.sum()} of {len(goods)} test products, and {right.sum()} should'
            f" pass. All four conditions have to hold: join them by &. ( | is: at least one.)"
        )
    example = wrong.iloc[0].to_dict()
    does = "lets through" if mask[wrong.index[0]] else "refuses"
    return f'gift("women", 40) {does} {example}, and should not.'


# -- two vectors made one ---------------------------------------------------------------------------------------------


@cache
def _pair() -> tuple[Floats, Floats]:
    """Two tables of vectors for the same products, of any length."""
    rng = np.random.default_rng(3)
    return rng.normal(size=(6, 3)) * rng.uniform(0.3, 4, (6, 1)), rng.normal(size=(6, 4)) * rng.uniform(0.3, 4, (6, 1))


def _cosines(rows: Floats) -> Floats:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return np.asarray(unit @ unit.T)


_ALPHAS = (0.6, 0.9, 0.25)


def _side_by_side(
    alpha: float, powers: tuple[float, float] = (0.5, 0.5), lengths: tuple[str, str] = ("row", "row")
) -> Floats:
    """Both tables, times α and 1 − α to these powers, each divided by the lengths of its rows, of its columns, by that
    of the whole table, or by nothing."""
    ways: dict[str, Callable[[Floats], Any]] = {
        "row": lambda rows: np.linalg.norm(rows, axis=1, keepdims=True),
        "column": lambda rows: np.linalg.norm(rows, axis=0),
        "table": np.linalg.norm,
        "nothing": lambda rows: 1.0,
    }
    shares = (alpha ** powers[0], (1 - alpha) ** powers[1])
    return np.hstack([share * rows / ways[by](rows) for share, rows, by in zip(shares, _pair(), lengths, strict=True)])


_EACH = "each row needs its own: np.linalg.norm(..., axis=1, keepdims=True)."

_WRONG_FUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"powers": (1, 1)}, "both sides of an inner product carry the factor, so α and 1 − α arrive squared: .6 becomes"
                         " 69 : 31. Multiply by their square roots."),
    ({"powers": (0.5, 1)}, "a has its square root, and b does not: it is √(1 − α) that b is multiplied by."),
    ({"powers": (1, 0.5)}, "b has its square root, and a does not: it is √α that a is multiplied by."),
    ({"lengths": ("nothing", "nothing")}, "the vectors go in as they come, so whichever is longer has the say, for each"
                                          " product another one. Bring a and b to length 1."),
    ({"lengths": ("nothing", "row")}, "a goes in as it comes. Both have to be brought to length 1."),
    ({"lengths": ("row", "nothing")}, "b goes in as it comes. Both have to be brought to length 1."),
    ({"powers": (1, 1), "lengths": ("nothing", "nothing")}, "two things are missing: a and b at length 1, and the"
                                                            " square roots of α and 1 − α."),
    *(({"lengths": lengths}, f"a whole table is divided by one length, and {_EACH}")
      for lengths in (("table", "table"), ("table", "row"), ("row", "table"))),
    *(({"lengths": lengths}, f"the columns are divided by their lengths, and {_EACH}")
      for lengths in (("column", "column"), ("column", "row"), ("row", "column"))),
)  # fmt: skip


def _one_length_a_row(stopped: Stopped) -> str:
    """For who left out `keepdims`: numpy says that a list of lengths does not go with a table."""
    return f" A length for each row is a column of its own: {_EACH}" if "(6,)" in str(stopped.__cause__) else ""


def fused(function: Any) -> str | None:
    """Vectors whose cosine is the weighted mean of two cosines, whatever they look like."""
    a, b = _pair()
    answers: list[Floats] = []
    for alpha in _ALPHAS:
        given = _ask(function, a, b, alpha, advice=_one_length_a_row)
        answer = None if isinstance(given, str | dict | set) else np.asarray(given)
        if answer is None or answer.dtype.kind != "f" or answer.ndim != 2 or len(answer) != len(a):
            return f"fused should answer with a table, a row for each product, and it answers {shown(given)}."
        answers.append(_cosines(answer.astype(np.float64)))
    wanted = [alpha * _cosines(a) + (1 - alpha) * _cosines(b) for alpha in _ALPHAS]
    if _alike(answers, wanted):
        return None
    for mistakes, diagnosis in _WRONG_FUSED:
        if _alike(answers, [_cosines(_side_by_side(alpha, **mistakes)) for alpha in _ALPHAS]):
            return diagnosis
    if _alike(answers, [_cosines(_side_by_side(1 - alpha)) for alpha in _ALPHAS]):
        return "the shares are the wrong way round: α belongs to a."
    return (
        f"at α = .6 two test products, {_cosines(a)[0, 1]:.2f} alike by a and {_cosines(b)[0, 1]:.2f} by b, should be"
        f" {wanted[0][0, 1]:.3f} alike, and they are {answers[0][0, 1]:.3f}."
    )


# -- EASE -------------------------------------------------------------------------------------------------------------


@cache
def _bought() -> tuple[Floats, Floats]:
    """Who bought what: one table to read, one where no product is as popular as another."""
    small = np.array([[1.0, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0]])
    chance = np.array([0.8, 0.3, 0.5, 0.15, 0.6])
    return small, (np.random.default_rng(8).random((30, 5)) < chance).astype(float)


def _ease(bought: Floats, regularization: float, by: str = "columns", zero: bool = True, sign: float = -1.0) -> Floats:
    inverse = np.linalg.inv(bought.T @ bought + regularization * np.eye(bought.shape[1]))
    diagonal = np.diag(inverse)
    divisors: dict[str, Any] = {"columns": diagonal, "rows": diagonal[:, None], "nothing": 1.0}
    weights = sign * inverse / divisors[by]
    if zero:
        np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)


_WRONG_EASE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"zero": False}, "the diagonal is −1. Each product may be told by the others only: set the diagonal to 0."),
    ({"by": "rows"}, "each row is divided by its entry of the diagonal. It is the columns: P / np.diag(P) divides"
                     " column j by P[j, j]."),
    ({"by": "nothing"}, "P is not divided by anything. Divide each column by its entry of the diagonal."),
    ({"sign": 1.0}, "the signs are the wrong way round: B = −P / diag(P). Products that are bought together are"
                    " negative in P."),
    ({"by": "rows", "zero": False}, "each row is divided, and the diagonal is not 0. Divide the columns, then set the"
                                    " diagonal to 0."),
)  # fmt: skip


def _in_place(stopped: Stopped) -> str:
    """For who returns what np.fill_diagonal answers."""
    if "answers None" not in str(stopped):
        return ""
    return (
        " Or is the diagonal the reason? np.fill_diagonal changes B itself and answers None: write it on a line of its"
        " own, without `B =`, and return B on the next"
    )


def ease(function: Any) -> str | None:
    """The weights of EASE on two small tables."""
    cases = [(bought, strength) for bought, strength in zip(_bought(), (1.0, 5.0), strict=True)]
    answers: list[Floats] = []
    for bought, strength in cases:
        given = _ask(function, bought, strength, advice=_in_place)
        answer = _numbers(given, (bought.shape[1], bought.shape[1]))
        if answer is None:
            return f"ease should answer with a table [products, products], and it answers {shown(given)}."
        answers.append(answer)
    wanted = [_ease(*case) for case in cases]
    if _alike(answers, wanted):
        return None
    for mistakes, diagnosis in _WRONG_EASE:
        if _alike(answers, [_ease(*case, **mistakes) for case in cases]):
            return diagnosis
    table, right, found = (shown(held) for held in (cases[0][0], wanted[0].round(3), answers[0].round(3)))
    return f"ease({table}, 1.0) should be {right}, and it is {found}."
