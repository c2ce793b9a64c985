"""Single spaces: the worked numbers, the rules for what is missing or out of range, one clear error for bad input."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_lab.spaces import (
    BEST,
    CategorySpace,
    ClippedWarning,
    CustomSpace,
    ImageSpace,
    NumberSpace,
    RecencySpace,
    SpaceError,
    TextSpace,
)

DAY = 86_400_000


class Letters:
    """An encoder for tests: how often each letter occurs."""

    dim = 26

    def encode(self, texts: Any) -> Any:
        counts = np.array([[text.lower().count(chr(97 + at)) for at in range(26)] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def similarity(space: Any, value: Any, asked: Any = BEST, now: int | None = None) -> float:
    return float(space.parts([value], now)[0].astype(np.float64) @ space.question(asked))


# -- numbers ----------------------------------------------------------------------------------------------------------


def test_similar_mode_has_hardly_any_contrast() -> None:
    height = NumberSpace("height", 100, 220, mode="similar")
    assert similarity(height, 180.0, 178.0) == pytest.approx(0.999657, abs=1e-6)
    assert similarity(height, 175.0, 178.0) == pytest.approx(0.999229, abs=1e-6)


def test_the_good_end_is_flat() -> None:
    price = NumberSpace("price", 25, 1000, mode="minimum")
    assert similarity(price, 25.0) == pytest.approx(1.0, abs=1e-7)
    assert similarity(price, 73.0) == pytest.approx(0.997, abs=5e-4)


@given(value=st.floats(0, 50), mode=st.sampled_from(["minimum", "maximum"]))
def test_numbers_lie_on_a_quarter_of_the_circle(value: float, mode: Any) -> None:
    space = NumberSpace("n", 0, 50, mode=mode)
    angle = value / 50 * math.pi / 2
    assert similarity(space, value) == pytest.approx(
        math.sin(angle) if mode == "maximum" else math.cos(angle), abs=1e-6
    )


@given(value=st.floats(0, 9_999))
def test_log_scale(value: float) -> None:
    space = NumberSpace("n", 0, 9_999, mode="maximum", scale="log")
    assert similarity(space, value) == pytest.approx(math.sin(math.log10(1 + value) / 4 * math.pi / 2), abs=1e-6)


@pytest.mark.parametrize(
    ("mode", "below", "above"), [("maximum", 0.0, 1.0), ("minimum", 1.0, 0.0), ("similar", 0.0, 0.0)]
)
def test_beyond_the_bad_end_is_zero_and_beyond_the_good_end_is_the_end(mode: Any, below: float, above: float) -> None:
    space = NumberSpace("n", 10, 20, mode=mode)
    asked = 15.0 if mode == "similar" else BEST
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ClippedWarning)
        assert similarity(space, 9.0, asked) == pytest.approx(below, abs=1e-7)
        assert similarity(space, 21.0, asked) == pytest.approx(above, abs=1e-7)


def test_a_warning_says_how_many_score_nothing() -> None:
    space = NumberSpace("price", 25, 1000, mode="minimum")
    with pytest.warns(ClippedWarning, match=r"2 of 3 products lie beyond the bad end of 25 to 1000 \(as 1600\)"):
        space.parts([1493.0, 1600.0, 30.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        space.parts([1.0, 30.0, math.nan])  # the good end and a missing value: nothing to say


def test_negative_filter_is_the_score_beyond_the_bad_end() -> None:
    space = NumberSpace("price", 25, 1000, mode="minimum", negative_filter=-5)
    with pytest.warns(ClippedWarning, match="score -5"):
        assert similarity(space, 1493.0) == -5
    assert similarity(space, 25.0) == pytest.approx(1.0, abs=1e-7)


def test_missing_numbers_score_nothing() -> None:
    assert similarity(NumberSpace("n", 0, 1, mode="minimum"), math.nan) == 0
    assert similarity(NumberSpace("n", 0, 1, mode="similar"), None, 0.5) == 0


# -- categories -------------------------------------------------------------------------------------------------------


def test_share_of_the_asked_categories() -> None:
    space = CategorySpace("kind", ["a", "b", "c"])
    assert similarity(space, ("a", "b"), ["a"]) == 1  # further categories of the product do no harm
    assert similarity(space, ("a", "b"), ["a", "c"]) == 0.5
    assert similarity(space, None, "a") == 0


def test_other_is_a_trap() -> None:
    trap = CategorySpace("kind", ["boots"], other=True)
    assert similarity(trap, "umbrella", "hot sauce") == 1  # everything unknown is the same


def test_the_closed_list_is_learned_from_the_first_products() -> None:
    space = CategorySpace("kind")
    space.learn(["boots", ("coats", "boots"), None])
    assert space.categories == ["boots", "coats"]
    with pytest.raises(SpaceError, match="no category 'boot'; did you mean 'boots'"):
        space.parts(["boot"])


# -- recency ----------------------------------------------------------------------------------------------------------


def test_recency_is_the_weighted_mean_of_its_periods() -> None:
    space = RecencySpace("at", {10 * DAY: 1.0, 30 * DAY: 3.0})
    now = 1_770_000_000_000
    expected = (math.cos(0.5 * math.pi / 2) + 3 * math.cos(5 / 30 * math.pi / 2)) / 4
    assert similarity(space, now - 5 * DAY, now=now) == pytest.approx(expected, abs=1e-6)
    older = 3 * math.cos(20 / 30 * math.pi / 2) / 4  # over one period, within the other
    assert similarity(space, now - 20 * DAY, now=now) == pytest.approx(older, abs=1e-6)
    assert similarity(space, now - 40 * DAY, now=now) == 0
    assert similarity(space, now + DAY, now=now) == pytest.approx(1.0)  # the future counts as now
    with pytest.raises(SpaceError, match="needs now_ms"):
        space.parts([now])


# -- texts, pictures, vectors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TextSpace, ImageSpace])
def test_encoded_values_are_compared_by_cosine_and_missing_ones_score_nothing(kind: Any) -> None:
    space = kind("text", Letters())
    assert similarity(space, "abba", "baab") == pytest.approx(1.0)
    assert similarity(space, "abc", "xyz") == 0
    for missing in (None, "", "  ", math.nan):
        assert similarity(space, missing, "abc") == 0
    with pytest.raises(SpaceError, match="empty text"):
        space.question(" ")


def test_vectors_of_your_own() -> None:
    space = CustomSpace("v")
    space.learn([None, [3.0, 4.0]])
    assert similarity(space, [30.0, 40.0], np.array([3.0, 4.0])) == pytest.approx(1.0)
    assert similarity(space, None, np.array([3.0, 4.0])) == 0


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: NumberSpace("n", 5, 5, mode="minimum"), "minimum has to be below maximum"),
        (lambda: NumberSpace("n", 0, math.inf, mode="minimum"), "minimum has to be below maximum"),
        (lambda: NumberSpace("n", 0, 1, mode="least"), "none of minimum, maximum, similar"),  # type: ignore[arg-type]
        (lambda: NumberSpace("n", -1, 1, mode="minimum", scale="log"), "log for a minimum of 0 or more"),
        (lambda: NumberSpace("n", 0, 1, mode="minimum", negative_filter=1), "has to be 0 or below"),
        (lambda: NumberSpace("n", 0, 1, mode="minimum").parts([math.inf]), "row 0 has an infinite number"),
        (lambda: NumberSpace("n", 0, 1, mode="minimum").parts(["cheap"]), "row 0 has 'cheap'; give a number"),
        (lambda: NumberSpace("n", 0, 1, mode="minimum").question(0.5), "knows only its best end"),
        (lambda: NumberSpace("n", 0, 1, mode="similar").question(BEST), "has no best end"),
        (lambda: NumberSpace("n", 0, 1, mode="similar").question(2.0), "give a number from 0 to 1"),
        (lambda: NumberSpace("n", 0, 1, mode="similar").question(math.nan), "give a number from 0 to 1"),
        (lambda: CategorySpace("c", ["a", "a"]), "twice"),
        (lambda: CategorySpace("c", "ab"), "is a text; give a list"),
        (lambda: CategorySpace("c", ["a"]).question([]), "asked for no category"),
        (lambda: CategorySpace("c", ["a"]).question(["a", "a"]), "named twice"),
        (lambda: CategorySpace("c", ["a"]).question("b"), "there is no category 'b'; the list is 'a'"),
        (lambda: CategorySpace("c", ["a"]).parts([3]), "3 is no category"),
        (lambda: CategorySpace("c").dim, "not known yet"),
        (lambda: RecencySpace("t", {}), "give at least one"),
        (lambda: RecencySpace("t", {0: 1.0}), "above 0"),
        (lambda: RecencySpace("t", {1: 1.0, 2: -1.0}), "add up to 0"),
        (lambda: RecencySpace("t", {1: 1.0}).question(5), "ask a recency space for 'best'"),
        (lambda: CustomSpace("v", dim=2).parts([[1.0, 2.0, 3.0]]), "row 0 has a vector of shape"),
        (lambda: CustomSpace("v", dim=2).parts([[1.0, math.nan]]), "NaN or infinite"),
        (lambda: CustomSpace("v", dim=2).question(np.zeros(2)), "vector of zeros"),
        (lambda: CustomSpace("v").dim, "not known yet"),
    ],
)
def test_bad_input_gets_one_clear_error(make: Any, words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        make()
