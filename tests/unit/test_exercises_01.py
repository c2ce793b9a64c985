"""Chapter 01's checkers: other right ways pass, and a wrong answer hears what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.exercises import chapter
from recsys_lab.exercises.exercise import Verdict
from recsys_lab.filters import field
from recsys_lab.spaces import BEST, NumberSpace, SpaceIndex


def verdict(number: int, name: str, answer: Any) -> Verdict:
    return chapter("01")[number].check({name: answer})


def much_by_loop(value: Any, low: float, high: float) -> Any:
    """Without numpy's arrays: a list for an array, a float for a number."""
    if np.ndim(value):
        return [much_by_loop(one, low, high) for one in value]
    place = (np.log(1 + value) - np.log(1 + low)) / (np.log(1 + high) - np.log(1 + low))
    return float(np.sin(min(1.0, max(0.0, float(place))) * np.pi / 2))


def much_by_space(value: Any, low: float, high: float) -> Any:
    space = NumberSpace("v", low, high, mode="maximum", scale="log")
    return space.parts(np.atleast_1d(value).tolist()) @ space.question(BEST)


@pytest.mark.parametrize("function", [much_by_loop, much_by_space, lambda *a: pd.Series(much_by_loop(*a))])
@pytest.mark.filterwarnings("ignore::recsys_lab.spaces.ClippedWarning")
def test_much_may_be_written_in_other_ways(function: Callable[..., Any]) -> None:
    assert verdict(1, "much", function).kind == "right"


def test_much_that_is_nearly_right_hears_one_example() -> None:
    said = verdict(1, "much", lambda value, low, high: much_by_space(value, low, high) * 1.1)
    assert "much(10, 5, 200) should be" in said.message


def test_much_below_the_range_has_to_be_zero() -> None:
    def wraps(value: Any, low: float, high: float) -> Any:
        place = (np.log10(1 + value) - np.log10(1 + low)) / (np.log10(1 + high) - np.log10(1 + low))
        return np.sin(np.minimum(place, 1) * np.pi / 2)

    assert "below the range it should be 0" in verdict(1, "much", wraps).message


@pytest.mark.parametrize(
    "function",
    [
        lambda s, w: (s[:, w != 0] * w[w != 0]).sum(axis=1) / np.sqrt((w**2).sum()) / np.count_nonzero(w) ** 0.5,
        lambda s, w: list(pd.DataFrame(s) @ w / (np.sqrt(w @ w) * np.sqrt((w != 0).sum()))),
        lambda s, w: pd.Series(s @ w / (np.linalg.norm(w) * np.sqrt((w != 0).sum()))),
    ],
)
def test_score_may_be_written_in_other_ways(function: Callable[..., Any]) -> None:
    assert verdict(2, "score", function).kind == "right"


def test_score_that_is_another_one_hears_one_example() -> None:
    assert "should score 0.5667" in verdict(2, "score", lambda s, w: s @ w / 7).message


def test_score_that_differs_in_one_row_shows_that_row() -> None:
    def nearly(s: Any, w: Any) -> Any:
        right = s @ w / (np.linalg.norm(w) * np.sqrt((w != 0).sum()))
        return right + np.array([0, 0, 0.5, 0])

    said = verdict(2, "score", nearly).message
    assert "similarities [0.0, 0.6, 0.3] should score 0.3000" in said
    assert "they score 0.8000" in said


NO_SOCKS = field("category").isin(["hats", "scarves", "bags"])


def no_socks_at_all(index: SpaceIndex) -> Any:
    socks = [item for item in index.ids if item.startswith("socks")]
    return index.search({"price": BEST, "rating": BEST}, k=5, exclude=socks)


@pytest.mark.parametrize(
    "function",
    [
        no_socks_at_all,
        lambda index: index.search({"price": BEST, "rating": BEST}, where=~(field("category") == "socks"), k=5),
        lambda index: index.search(weights={"price": 3, "rating": 3}, where=NO_SOCKS, k=5),
        lambda index: list(no_socks_at_all(index).item_ids),
    ],
)
def test_gift_may_be_asked_in_other_ways(function: Callable[..., Any]) -> None:
    assert verdict(3, "gift", function).kind == "right"


def test_gift_by_a_negative_weight_hears_that_it_forbids_nothing() -> None:
    weights = {"price": 1.0, "rating": 1.0, "category": -0.1}
    said = verdict(3, "gift", lambda index: index.search({"category": "socks"}, weights, k=5))
    assert "A weight below 0 pushes them down and forbids nothing" in said.message


def test_gift_that_asks_for_more_hears_which_should_be_first() -> None:
    def asks_for_bags(index: SpaceIndex) -> Any:
        weights = {"price": 1.0, "rating": 1.0, "category": 2.0}
        return index.search({"category": "bags"}, weights, where=field("category") != "socks", k=5)

    assert "The first should be" in verdict(3, "gift", asks_for_bags).message


@pytest.mark.parametrize(
    "function",
    [
        lambda products: NumberSpace("price", 0, products["price"].max(), mode="minimum"),
        lambda products: NumberSpace("price", *np.percentile(products["price"], [0, 100]), mode="minimum"),
        lambda products: NumberSpace("price", min(products["price"]), 1.02 * max(products["price"]), "minimum"),
        lambda products: NumberSpace("price", products["price"].min(), products["price"].max() * 1.1, "minimum"),
        lambda products: NumberSpace("price", products["price"].min(), products["price"].max() + 1, "minimum"),
        lambda products: NumberSpace("price", 0, products["price"].max() + 1, "minimum"),
        lambda products: NumberSpace("price", 0, np.ceil(products["price"].max() / 100) * 100, "minimum"),
        lambda products: NumberSpace("price", 0, products["price"].max() * 1.1, "minimum"),
    ],
)
def test_price_space_may_be_a_little_wider(function: Callable[..., Any]) -> None:
    assert verdict(4, "price_space", function).kind == "right"


def test_price_space_names_the_shop_in_which_it_fails() -> None:
    ours = verdict(4, "price_space", lambda products: NumberSpace("price", 4.9, 375.9, mode="minimum"))
    assert "prices go from 900 to 5000" in ours.message
    assert "5 of 5 products" in ours.message
