"""Intervals: known cases, units kept together, pairs narrower than their parts."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_lab.evaluation import interval, paired


def test_mean_leaves_nan_out() -> None:
    span = interval(np.array([1.0, 0.0, np.nan, 1.0]), np.array(["a", "b", "c", "d"]))
    assert span.mean == pytest.approx(2 / 3)
    assert span.low <= span.mean <= span.high


def test_all_nan_is_nan() -> None:
    assert np.isnan(interval(np.array([np.nan]), np.array(["a"])).mean)


def test_covers_the_truth_about_19_times_in_20() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for trial in range(200):
        values = rng.random(80) < 0.3
        span = interval(values.astype(float), np.arange(80), resamples=300, seed=trial)
        inside += span.low <= 0.3 <= span.high
    assert 175 <= inside <= 199


def test_cases_of_one_shopper_are_one_draw() -> None:
    """Ten copies of each case tell nothing new: the interval must not shrink."""
    values = (np.arange(40) % 2).astype(float)
    once = interval(values, np.arange(40))
    copied = interval(np.repeat(values, 10), np.repeat(np.arange(40), 10))
    as_if_new = interval(np.repeat(values, 10), np.arange(400))
    assert copied.high - copied.low == pytest.approx(once.high - once.low)
    assert as_if_new.high - as_if_new.low < 0.5 * (once.high - once.low)


def test_pairs_see_a_small_steady_difference() -> None:
    rng = np.random.default_rng(1)
    base = rng.random(300)
    better = base + 0.01
    units = np.arange(300)
    assert paired(better, base, units).excludes_zero()
    assert interval(better, units).low < interval(base, units).high


def test_same_numbers_each_time() -> None:
    values, units = np.random.default_rng(0).random(50), np.arange(50)
    assert interval(values, units) == interval(values, units)


def test_units_for_every_value() -> None:
    with pytest.raises(ValueError, match="units: 1 of them for 2 values"):
        interval(np.array([1.0, 2.0]), np.array(["a"]))
