"""The list as a whole: stock, what was bought, and variety; and LightGBM that is not there."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from recsys_lab.baselines import Popular
from recsys_lab.datasets import Shop
from recsys_lab.ranking import Calibrated, LambdaMART
from recsys_lab.recommender import Context


@pytest.fixture
def shop() -> Shop:
    """Popularity a > b > c > d > e; a and b are boots, c is a dress, d is out of stock; u bought b."""
    items = list("abcde")
    products = pd.DataFrame(
        {
            "item_id": items,
            "category": ["boots", "boots", "dress", "hat", "boots"],
            "in_stock": [True] * 3 + [False, True],
        }
    )
    clicked = [item for number, item in enumerate(items) for _ in range(5 - number)]
    events = pd.DataFrame(
        {
            "user_id": [*(f"v{at}" for at in range(len(clicked))), "u"],
            "item_id": [*clicked, "b"],
            "event_type": ["clicked_on"] * len(clicked) + ["buy"],
            "timestamp": range(len(clicked) + 1),
        }
    )
    return Shop.from_frames(products, events)


def listed(shop: Shop, context: Context, k: int = 5, **settings: object) -> list[str]:
    model = Calibrated(Popular(), columns=("category",), **settings).fit(shop)  # type: ignore[arg-type]
    return list(model.recommend(context, k=k).item_ids)


def test_out_of_stock_and_bought(shop: Shop) -> None:
    u = Context("u", 100)
    assert listed(shop, u, out_of_stock="keep") == list("abcde")
    assert listed(shop, u) == list("abced")
    assert listed(shop, u, out_of_stock="drop", bought="drop") == list("ace")
    assert listed(shop, u, bought="last") == list("acebd")
    assert listed(shop, Context("somebody", 100), bought="drop") == list("abced")
    assert listed(shop, Context("u", 100, history=()), bought="drop") == list("abced")  # the context knows better


def test_diversity_by_hand(shop: Shop) -> None:
    # d = .5: a first (1). Then b .5·.75 − .5·1, c .5·.5 − 0, d .5·.25, e 0 − .5: c. Then d .125, b −.125: d. Then b.
    assert listed(shop, Context(None, 100), out_of_stock="keep", diversity=0.5) == list("acdbe")
    assert listed(shop, Context(None, 100), out_of_stock="keep", diversity=0.0) == list("abcde")


def test_more_diversity_more_kinds() -> None:
    rng = np.random.default_rng(0)
    products = pd.DataFrame(
        {"item_id": [f"p{at:02d}" for at in range(40)], "category": rng.integers(5, size=40).astype(str)}
    )
    sessions = [[f"p{int(at):02d}" for at in rng.integers(40, size=4)] for _ in range(100)]
    shop = Shop.from_frames(products, Shop.from_sessions(sessions).events)
    kinds = products.set_index("item_id")["category"]
    seen = [kinds[listed(shop, Context(None, 10**12), diversity=amount)].nunique() for amount in (0.0, 1.0)]
    assert seen[1] == 5 >= seen[0]


def test_batch_and_single_agree_and_lists_are_filled(shop: Shop) -> None:
    model = Calibrated(Popular(), out_of_stock="drop", deep=5).fit(shop)
    ids, scores = model.recommend_many([Context("u", 100), Context("x", 100)], k=7)
    assert ids.shape == (2, 7) and ids[0, 4:].tolist() == [""] * 3 and np.isneginf(scores[0, 4:]).all()
    assert tuple(ids[0, :4]) == model.recommend(Context("u", 100), k=7).item_ids


def test_settings_are_checked(shop: Shop) -> None:
    for settings, message in (
        ({"diversity": 1.5}, r"diversity: 1\.5"),
        ({"bought": "hide"}, "bought: 'hide' is none of keep, last, drop"),
        ({"deep": 0}, "deep: 0"),
        ({"diversity": 0.1, "columns": ("season",)}, "columns: products have none of season"),
    ):
        with pytest.raises(ValueError, match=message):
            Calibrated(Popular(), **settings).fit(shop)  # type: ignore[arg-type]


def test_without_lightgbm_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install.*lightgbm.*brew install libomp"):
        LambdaMART().fit(np.zeros((2, 1)), np.array([1.0, 0.0]), np.array([0, 2]))
