"""A part of the log by NOTEBOOK_TEST_ROW_LIMIT."""

from __future__ import annotations

import pytest

from recsys_lab.datasets import DataError, Shop, claim
from recsys_lab.datasets.limit import limited


def test_shoppers_stay_whole_and_the_choice_is_the_same_each_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTEBOOK_TEST_ROW_LIMIT", "5000")
    with pytest.warns(UserWarning, match="shoppers of the simulated shop are read"):
        part = limited(shop)
    assert 4000 < len(part.events) <= 5000
    whole = shop.events["user_id"].value_counts()
    kept = part.events["user_id"].value_counts()
    assert (whole.loc[kept.index] == kept).all()
    assert part.impressions is not None
    assert set(part.impressions["user_id"]) <= set(kept.index)
    assert len(part.products) == len(shop.products)
    with pytest.warns(UserWarning):
        assert limited(shop).fingerprint == part.fingerprint


def test_without_a_limit_nothing_changes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTEBOOK_TEST_ROW_LIMIT", raising=False)
    assert limited(shop) is shop
    monkeypatch.setenv("NOTEBOOK_TEST_ROW_LIMIT", "9999999")
    assert limited(shop) is shop


@pytest.mark.parametrize("named", ["0", "-5", "many", "1e3"])
def test_what_is_no_number_of_rows(shop: Shop, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("NOTEBOOK_TEST_ROW_LIMIT", named)
    with pytest.raises(DataError, match=r"NOTEBOOK_TEST_ROW_LIMIT: .* is no number of rows"):
        limited(shop)


def test_a_claim_is_an_assertion_but_on_a_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NOTEBOOK_TEST_ROW_LIMIT", raising=False)
    monkeypatch.delenv("RECSYS_LAB_SHOP", raising=False)
    with pytest.raises(AssertionError, match="popular wins"):
        claim(False, "popular wins")
    monkeypatch.setenv("NOTEBOOK_TEST_ROW_LIMIT", "5000")
    claim(False, "popular wins")
    assert "this does not hold: popular wins" in capsys.readouterr().out


def test_on_a_shop_of_ones_own_a_claim_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NOTEBOOK_TEST_ROW_LIMIT", raising=False)
    monkeypatch.setenv("RECSYS_LAB_SHOP", "my_shop")
    claim(False, "popular wins")
    claim(True, "nothing is said of what holds")
    assert capsys.readouterr().out == "With RECSYS_LAB_SHOP set, this does not hold: popular wins\n"
