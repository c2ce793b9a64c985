"""What project 00 has to keep, and the measurement on the simulated shop."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys_lab.evaluation import metrics
from recsys_lab.recommender import NOTHING

ABCD = ("a", "b", "c", "d")


def _sets(*texts: str) -> list[frozenset[str]]:
    return [frozenset(text) for text in texts]


def _drawn(
    shoppers: int, seed: int, steep: float = 1.0
) -> tuple[list[frozenset[str]], list[str], np.ndarray[Any, Any]]:
    """Each shopper sees product i with a chance that is known, so that the true reach of m shoppers is too."""
    chance = 0.4 / np.arange(1, 61) ** steep
    names = [f"p{at:02d}" for at in range(len(chance))]
    saw = np.random.default_rng(seed).random((shoppers, len(chance))) < chance
    return [frozenset(np.array(names)[row].tolist()) for row in saw], names, chance


def _raises(call: Any, *words: str) -> None:
    try:
        call()
    except ValueError as error:
        lacking = [word for word in words if word not in str(error)]
        assert not lacking, f"the error should name {', '.join(lacking)}; it says: {error}"
        return
    raise AssertionError(f"a ValueError was due that names {', '.join(words)}")


def check_lists_are_gathered_by_shopper(mine: Any) -> None:
    """shown_to gathers what each shopper saw, without the label of an empty place."""
    lists = np.array([["a", "b"], ["c", NOTHING], ["b", "d"]], dtype=object)
    got = mine.shown_to(lists, np.array(["u2", "u1", "u2"]))
    assert [set(one) for one in got] == [{"c"}, {"a", "b", "d"}], f"u1 saw c, u2 saw a, b and d; yours: {got}"


def check_one_shopper(mine: Any) -> None:
    """reach of one shopper is the mean share that a shopper sees."""
    got = mine.reach(_sets("ab", "a"), ABCD, 1)
    assert np.isclose(got, 0.375), f"one saw half, one a quarter of four products: 0.375, not {got}"


def check_by_hand(mine: Any) -> None:
    """reach of two of three shoppers, by hand."""
    got = mine.reach(_sets("a", "a", "b"), ABCD, 2)
    assert np.isclose(got, 5 / 12), f"three pairs; they see 1, 2 and 2 of four products: 5/12, not {got}"


def check_all_shoppers(mine: Any) -> None:
    """reach of all shoppers is the plain coverage."""
    shown, names, _ = _drawn(30, seed=1)
    lists = np.array([[item] for one in shown for item in sorted(one)], dtype=object)
    plain = metrics.coverage(lists, names)
    got = mine.reach(shown, names, 30)
    assert np.isclose(got, plain), f"all 30 shoppers see {plain:.4f} of the shelf together, not {got}"


def check_many_shoppers(mine: Any) -> None:
    """reach stays a number when there are many shoppers: C(n, m) has thousands of digits."""
    got = mine.reach(_sets("a") * 4000 + _sets("b"), ABCD, 2000)
    assert np.isclose(got, (1 + 2000 / 4001) / 4), f"{(1 + 2000 / 4001) / 4:.6f} is right, yours is {got}"


def check_bad_input(mine: Any) -> None:
    """one clear error for an m that cannot be, and for a product of another shop."""
    _raises(lambda: mine.reach(_sets("a", "b"), ABCD, 3), "m")
    _raises(lambda: mine.reach(_sets("a", "b"), ABCD, 0), "m")
    _raises(lambda: mine.reach(_sets("a", "z"), ABCD, 1), "z")


def check_an_interval_holds_its_own_value(mine: Any) -> None:
    """the interval lies around the value (drawing with replacement fails here)."""
    shown, names, _ = _drawn(80, seed=2)
    got = mine.reach_interval(shown, names, 30)
    assert got.low < got.mean < got.high, f"{got} does not hold its own mean"


def check_intervals_hold_the_truth(mine: Any) -> None:
    """of 60 logs whose truth is known, the interval holds it in nearly all, and is not needlessly wide."""
    m, held, width, values = 20, 0, [], []
    for seed in range(60):
        shown, names, chance = _drawn(100, seed=100 + seed)
        truth = float((1 - (1 - chance) ** m).mean())
        got = mine.reach_interval(shown, names, m, 200, seed)
        held += got.low <= truth <= got.high
        width.append(got.high - got.low)
        values.append(got.mean)
    fair = 2 * 1.96 * np.std(values)
    assert held >= 51, f"the interval holds the truth in {held} of 60 logs; about 57 are due: it is too narrow"
    assert np.mean(width) < 1.5 * fair, f"intervals are {np.mean(width):.3f} wide, {fair:.3f} would do: too wide"


def check_differences_are_paired(mine: Any) -> None:
    """a difference is asked on the same halves: a method against itself differs by nothing at all."""
    shown, names, _ = _drawn(60, seed=3)
    same = mine.reach_difference(shown, shown, names, 20)
    assert (same.mean, same.low, same.high) == (0, 0, 0), f"a method minus itself is {same}"
    fewer, _, _ = _drawn(60, seed=4, steep=2.0)
    got = mine.reach_difference(shown, fewer, names, 20)
    assert got.low > 0, f"the first of these methods shows far more of the shelf; yours says {got}"


def measure(mine: Any) -> None:
    """What the simple methods of chapter 00 show of the shop to 200 shoppers."""
    from recsys_lab.baselines import Popular, Random, Recent, RepeatPurchase, SessionKNN
    from recsys_lab.datasets import load_shop
    from recsys_lab.evaluation import home_board

    split = load_shop(impressions=False).split()
    board, m = home_board(split.before_test, split.test), 200
    items = board.train.products["item_id"].tolist()
    methods = {"popular": Popular(), "recent": Recent(), "repeat": RepeatPurchase(), "session-knn": SessionKNN()}
    shown = {}
    for name, method in {**methods, "random": Random()}.items():
        ids, _ = method.fit(board.train).recommend_many(board.contexts, board.k)
        shown[name] = mine.shown_to(ids, board.units)
    print(f"\nhome, {board.k} products a list, {len(shown['popular'])} shoppers; share of the catalogue seen by {m}:")
    for name, sets in shown.items():
        against = mine.reach_difference(sets, shown["popular"], items, m)
        print(f"{name:>12}  {mine.reach_interval(sets, items, m)}   − popular: {against}")
    sets = shown["repeat"]
    everybody, rng = mine.reach(sets, items, len(sets)), np.random.default_rng(0)
    again = [len({item for at in rng.integers(len(sets), size=len(sets)) for item in sets[at]}) for _ in range(100)]
    low, high = np.percentile(np.array(again) / len(items), [2.5, 97.5])
    print(f"\nplain coverage of repeat is {everybody:.4f}; bootstrap says [{low:.4f}, {high:.4f}]", end="")
    print(": it does not hold its own value" if not low <= everybody <= high else "")
