"""item2vec's vectors as a space of the index: events move a shopper by what others did after the same products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.datasets import Event, Shop
from recsys_lab.item2vec import Item2Vec
from recsys_lab.item2vec.behaviour import BEHAVIOUR, WithBehaviour
from recsys_lab.preferences import EventRules, EventWeighted
from recsys_lab.recommender import Context

NOW = 10**9
QUICK: dict[str, Any] = {"dim": 12, "epochs": 8, "negative": 5, "sample": 0}
# Two aisles that people walk along; each category has products of both, so that content says nothing about aisles.
AISLES = ["a0", "a1", "a2", "a3", "a4", "a5"], ["b0", "b1", "b2", "b3", "b4", "b5"]
WALKS = [(aisle * 2)[start : start + 4] for aisle in AISLES for start in range(6)] * 15


@pytest.fixture(scope="module")
def shop() -> Shop:
    walked = Shop.from_sessions(WALKS)
    kinds = ["hats" if int(item[1]) < 3 else "boots" for item in walked.products["item_id"]]
    products = walked.products.assign(category=kinds)
    new = pd.DataFrame({"item_id": ["new", "odd"], "category": ["hats", None]})
    return Shop.from_frames(pd.concat([products, new], ignore_index=True), walked.events)


@pytest.fixture(scope="module")
def model(shop: Shop) -> WithBehaviour:
    return WithBehaviour(weights={BEHAVIOUR: 1.0, "category": 0.1}, **QUICK).fit(shop)


def clicked(*items: str) -> Context:
    return Context("u", NOW, tuple(Event("u", item, "clicked_on", at, "s") for at, item in enumerate(items)))


def test_a_click_brings_what_others_went_on_to(model: WithBehaviour, shop: Shop) -> None:
    listed = model.recommend(clicked("a0"), 6).item_ids
    assert set(listed) - {"new"} < set(AISLES[0])
    without = EventWeighted(weights={"category": 0.1}).fit(shop).recommend(clicked("a0"), 6).item_ids
    assert {item[0] for item in without} > {"a"}, "content alone cannot tell the aisles"


def test_the_space_holds_the_vectors_of_item2vec(model: WithBehaviour, shop: Shop) -> None:
    own = Item2Vec(**QUICK, window=3, shrink_windows=True).fit(shop).vectors_
    assert own.fingerprint == model.vectors_.fingerprint
    for item in own.ids:
        part = own[item] / np.linalg.norm(own[item])
        np.testing.assert_allclose(model.index_.part(item, BEHAVIOUR), part, atol=1e-6)


def test_a_product_without_behaviour_gets_that_of_its_like(shop: Shop) -> None:
    model = WithBehaviour(weights={BEHAVIOUR: 1.0, "category": 0.1}, neighbours=6, **QUICK).fit(shop)
    mean = np.mean([model.vectors_[item] for item in ("a0", "a1", "a2", "b0", "b1", "b2")], axis=0)  # the hats
    np.testing.assert_allclose(model.index_.part("new", BEHAVIOUR), mean / np.linalg.norm(mean), atol=1e-6)
    bare = WithBehaviour(weights={BEHAVIOUR: 1.0, "category": 0.1}, neighbours=0, **QUICK).fit(shop)
    assert not bare.index_.part("new", BEHAVIOUR).any()
    alone = WithBehaviour(weights={BEHAVIOUR: 1.0}, **QUICK).fit(shop)
    assert not alone.index_.part("new", BEHAVIOUR).any(), "no other space is asked, so nothing says what is like it"
    assert "new" not in model.vectors_


def test_the_filling_goes_by_the_weights() -> None:
    """`new` is a red boot: by category it is like c, by colour like a."""
    walked = Shop.from_sessions([["a", "b"], ["c", "d"]] * 30)
    traits = {"a": ("hats", "red"), "b": ("hats", "green"), "c": ("boots", "blue"), "d": ("coats", "blue")}
    traits["new"] = ("boots", "red")
    products = pd.DataFrame([(item, *two) for item, two in traits.items()], columns=["item_id", "category", "colour"])
    shop = Shop.from_frames(products, walked.events)
    for weights, near in (({"category": 2.0, "colour": 1.0}, "c"), ({"category": 1.0, "colour": 2.0}, "a")):
        model = WithBehaviour(weights={BEHAVIOUR: 1.0, **weights}, neighbours=1, **QUICK).fit(shop)
        part = model.vectors_[near] / np.linalg.norm(model.vectors_[near])
        np.testing.assert_allclose(model.index_.part("new", BEHAVIOUR), part, atol=1e-6)


def test_at_weight_0_it_is_what_it_was(shop: Shop) -> None:
    rules, weights = EventRules(temperature=0.8), {"category": 1.0, "popularity": 0.5}
    mine = WithBehaviour(rules, {**weights, BEHAVIOUR: 0.0}, **QUICK).fit(shop)
    old = EventWeighted(rules, weights).fit(shop)
    for context in (clicked(), clicked("a0"), clicked("a0", "b3", "a4"), Context("s0", NOW)):
        assert mine.recommend(context, 14) == old.recommend(context, 14)


def test_the_default_weights_are_those_of_event_weighted_and_behaviour() -> None:
    assert WithBehaviour().weights == {**EventWeighted().weights, BEHAVIOUR: 1.0}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"weights": {"behavior": 1.0}}, "there is no space 'behavior'; there are category, .*behaviour"),
        ({"neighbours": -1}, "neighbours: -1"),
        ({"dim": 0}, "dim: 0"),
    ],
)
def test_parameters_are_checked(shop: Shop, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        WithBehaviour(**parameters).fit(shop)


def test_the_same_seed_gives_the_same_lists(model: WithBehaviour, shop: Shop) -> None:
    again = WithBehaviour(weights={BEHAVIOUR: 1.0, "category": 0.1}, **QUICK).fit(shop)
    assert again.recommend(clicked("b2"), 14) == model.recommend(clicked("b2"), 14)
