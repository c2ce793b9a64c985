"""The index: one product of one row, explained; weights, filters, changes; and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_lab.filters import FilterError, field
from recsys_lab.spaces import (
    BEST,
    CategorySpace,
    CustomSpace,
    NumberSpace,
    RecencySpace,
    SpaceError,
    SpaceIndex,
)

KINDS = ["boots", "coats", "hats", "socks"]
DAY = 86_400_000
NOW = 1_770_000_000_000


def spaces() -> dict[str, Any]:
    return {
        "price": NumberSpace("price", 0, 100, mode="minimum"),
        "kind": CategorySpace("kind", KINDS),
        "look": CustomSpace("look", dim=5),
        "rating": NumberSpace("rating", 0, 5, mode="maximum"),
        "new": RecencySpace("at", {30 * DAY: 1.0, 90 * DAY: 1.0}),
    }


def goods(n: int, seed: int = 0, first: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "sku": [f"p{first + row:05d}" for row in range(n)],
            "kind": rng.choice(KINDS, n),
            "price": rng.uniform(0, 100, n).round(2),
            "rating": rng.uniform(0, 5, n).round(1),
            "look": list(rng.normal(size=(n, 5))),
            "at": NOW - rng.integers(0, 100, n) * DAY,
            "clicks": rng.integers(0, 5, n),
        }
    )


def index(n: int = 50, seed: int = 0) -> SpaceIndex:
    return SpaceIndex(spaces(), id="sku", popularity="clicks").add(goods(n, seed))


ASK = {"price": BEST, "kind": "boots", "look": np.array([1.0, 0.0, 0.0, 1.0, 0.0]), "rating": BEST, "new": BEST}


def by_hand(index: SpaceIndex, weights: dict[str, float], item: str) -> float:
    """Σ w·s / (‖w‖·√k), each similarity from the space itself."""
    used = {space: weight for space, weight in weights.items() if weight}
    total = sum(
        weight * float(index.part(item, name) @ index.spaces[name].question(ASK[name])) for name, weight in used.items()
    )
    return total / (math.sqrt(sum(weight**2 for weight in used.values())) * math.sqrt(len(used)))


def test_the_worked_example() -> None:
    """Price 73 of 25 to 1000 (less is better), 91 of 100 reviews, rating 4 of 4: .995678."""
    made = SpaceIndex(
        {
            "price": NumberSpace("price", 25, 1000, mode="minimum"),
            "reviews": NumberSpace("reviews", 0, 100, mode="maximum"),
            "rating": NumberSpace("rating", 0, 4, mode="maximum"),
        }
    ).add(pd.DataFrame({"item_id": ["a"], "price": [73.0], "reviews": [91.0], "rating": [4.0]}))
    found = made.search(weights={"price": 1, "reviews": 1, "rating": 1})
    assert found.scores[0] == pytest.approx(0.995678, abs=1e-6)


WEIGHTS = st.fixed_dictionaries({name: st.sampled_from([-2.0, -1.0, 0.0, 0.3, 1.0, 5.0]) for name in ASK}).filter(
    lambda weights: any(weights.values())
)


@settings(max_examples=60, deadline=None)
@given(weights=WEIGHTS, seed=st.integers(0, 5))
def test_the_score_is_the_formula_and_the_sum_of_its_contributions(weights: dict[str, float], seed: int) -> None:
    made = index(seed=seed)
    found = made.search(ASK, weights, k=50, now_ms=NOW)
    parts = found.parts or {}
    assert set(parts) == {name for name, weight in weights.items() if weight}
    assert np.sum(list(parts.values()), axis=0) == pytest.approx(found.scores, abs=1e-8)
    for item, score in zip(found.item_ids, found.scores, strict=True):
        assert score == pytest.approx(by_hand(made, weights, item), abs=1e-6)
    row = made.query_row(made.question(ASK, weights))
    scored = dict(zip(made.ids, made.matrix @ row, strict=True))
    assert [scored[item] for item in found.item_ids] == pytest.approx(found.scores, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(weight=st.floats(0.1, 10))
def test_with_equal_positive_weights_the_score_is_the_mean(weight: float) -> None:
    made = index()
    found = made.search(ASK, dict.fromkeys(ASK, weight), k=50, now_ms=NOW)
    for item, score in zip(found.item_ids, found.scores, strict=True):
        mean = np.mean([made.part(item, name) @ made.spaces[name].question(ASK[name]) for name in ASK])
        assert score == pytest.approx(float(mean), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(weights=WEIGHTS, left_out=st.sampled_from(sorted(ASK)))
def test_a_weight_of_zero_is_the_same_as_no_space(weights: dict[str, float], left_out: str) -> None:
    rest = {name: weight for name, weight in weights.items() if name != left_out}
    if not any(rest.values()):
        rest["price" if left_out != "price" else "kind"] = 1.0
    made = index()
    zero = made.search(ASK, {**rest, left_out: 0.0}, now_ms=NOW)
    without = made.search({name: what for name, what in ASK.items() if name != left_out}, rest, now_ms=NOW)
    assert (zero.item_ids, zero.scores) == (without.item_ids, without.scores)


@settings(max_examples=30, deadline=None)
@given(weights=WEIGHTS, factor=st.floats(0.1, 20))
def test_the_denominator_does_not_change_the_order(weights: dict[str, float], factor: float) -> None:
    made = index()
    once = made.search(ASK, weights, k=50, now_ms=NOW)
    scaled = made.search(ASK, {name: weight * factor for name, weight in weights.items()}, k=50, now_ms=NOW)
    assert once.item_ids == scaled.item_ids
    assert once.scores == pytest.approx(scaled.scores, abs=1e-7)


def test_a_negative_weight_asks_for_the_complement() -> None:
    found = index().search({"kind": "boots", "price": BEST}, {"kind": -1.0}, k=50).explain()
    assert set(found.loc[found["kind"] < 0, "item_id"]) == set(goods(50).query("kind == 'boots'")["sku"])


def test_like_and_shopper_are_terms_of_their_own() -> None:
    made = index()
    vector = made.part("p00003", "look")
    found = made.search({"look": -vector, "price": BEST}, {"look: like": 3.0}, like="p00003", shopper={"look": vector})
    assert set(found.parts or {}) == {"look", "price", "look: like", "kind: like", "look: shopper"}
    assert made.search(like="p00003", weights={"price": 0}, k=1).item_ids == ("p00003",)
    several = made.search(like=["p00003", "p00004"], k=50)
    assert len(several) == 50


def test_filters_radius_limit_and_exclusion() -> None:
    made = index()
    cheap = made.search(ASK, where=(field("price") < 30) & (field("kind") == "boots"), k=50, now_ms=NOW)
    table = goods(50).set_index("sku")
    assert len(cheap) == len(table.query("price < 30 and kind == 'boots'")) > 0
    full = made.search(ASK, k=50, now_ms=NOW)
    near = made.search(ASK, k=50, radius=0.4, now_ms=NOW)
    assert near.item_ids == tuple(item for item, score in zip(full.item_ids, full.scores, strict=True) if score >= 0.6)
    assert 0 < len(near) < 50
    assert made.search(ASK, k=3, now_ms=NOW).item_ids == full.item_ids[:3]
    assert made.search(ASK, k=3, exclude=full.item_ids[:2], now_ms=NOW).item_ids == full.item_ids[2:5]


def test_ties_fall_to_the_more_popular_then_by_label() -> None:
    found = index(200).search({"kind": "boots"}, k=200)
    table = goods(200).assign(hit=lambda t: (t["kind"] == "boots").astype(int))
    expected = table.sort_values(["hit", "clicks", "sku"], ascending=[False, False, True])["sku"]
    assert list(found.item_ids) == expected.tolist()


def test_recency_is_counted_from_the_time_of_the_question() -> None:
    made = index()
    later = made.search({"new": BEST}, k=50, now_ms=NOW + 60 * DAY)
    fresh = SpaceIndex(spaces(), id="sku", popularity="clicks").add(goods(50))
    assert later.scores == fresh.search({"new": BEST}, k=50, now_ms=NOW + 60 * DAY).scores
    assert later.scores != made.search({"new": BEST}, k=50, now_ms=NOW).scores
    with pytest.raises(SpaceError, match="give now_ms"):
        made.search({"new": BEST})


def test_columns_of_any_name() -> None:
    renamed = goods(20).rename(columns={"kind": "Produktart", "price": "Preis in EUR"})
    made = SpaceIndex(
        {"kind": CategorySpace("Produktart"), "price": NumberSpace("Preis in EUR", 0, 100, mode="minimum")}, id="sku"
    ).add(renamed)
    plain = SpaceIndex({"kind": CategorySpace("kind"), "price": NumberSpace("price", 0, 100, mode="minimum")}, id="sku")
    asked = {"kind": "boots", "price": BEST}
    assert made.search(asked) == plain.add(goods(20)).search(asked)


def test_a_thousand_changes_equal_a_fresh_build() -> None:
    """Products come, change and go; every so often the answers are those of an index that was built in one go."""
    rng = np.random.default_rng(1)
    made = index(30)
    kept = {row["sku"]: row for row in goods(30).to_dict("records")}
    asked = 0
    for step in range(1000):
        draw = rng.random()
        if draw < 0.4 or len(kept) < 5:
            new = goods(1, seed=1000 + step, first=int(rng.integers(0, 80)))
            made.add(new)
            kept.pop(new["sku"][0], None)
            kept[new["sku"][0]] = new.to_dict("records")[0]
        elif draw < 0.7:
            gone = str(rng.choice(sorted(kept)))
            made.remove(gone)
            del kept[gone]
        elif asked < 150:
            asked += 1
            weights = {name: float(rng.choice([-1.0, 0.0, 0.5, 2.0])) for name in ASK} | {"look": 1.0}
            now = NOW + int(rng.integers(0, 3)) * DAY
            where = field("price") < 60 if rng.random() < 0.5 else None
            fresh = SpaceIndex(spaces(), id="sku", popularity="clicks").add(pd.DataFrame(list(kept.values())))
            expected = fresh.search(ASK, weights, where=where, now_ms=now)
            found = made.search(ASK, weights, where=where, now_ms=now)
            assert found.item_ids == expected.item_ids
            assert found.scores == pytest.approx(expected.scores, abs=1e-9)
    assert asked == 150
    assert set(made.ids) == set(kept)


def test_nothing_is_lost_when_an_addition_fails() -> None:
    made = index(10)
    before = made.search(ASK, now_ms=NOW, k=10)
    wrong = goods(3, seed=9, first=20)
    wrong.loc[1, "kind"] = "umbrellas"
    with pytest.raises(SpaceError, match="space 'kind': there is no category 'umbrellas'"):
        made.add(wrong)
    with pytest.raises(KeyError, match="no product 'p99999'"):
        made.remove(["p00001", "p99999"])
    assert len(made) == 10
    assert made.search(ASK, now_ms=NOW, k=10) == before


def test_an_empty_index_gives_an_empty_list() -> None:
    made = index(1)
    made.remove("p00000")
    assert len(made.search({"price": BEST})) == 0
    assert len(made.search({"price": BEST}, where=field("price") < 3)) == 0


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda i: i.search(), "nothing is asked"),
        (lambda i: i.search({"kind": "boots"}, {"kind": 0}), "nothing is asked"),
        (lambda i: i.search({"colour": "red"}), "there is no space 'colour'; the spaces are kind, look, price"),
        (lambda i: i.search({"kind": "boots"}, {"colour": 1}), "there is no space 'colour'"),
        (lambda i: i.search({"kind": "boots"}, {"kind": math.nan}), "weight of 'kind': nan is no finite number"),
        (lambda i: i.search({"kind": "boots"}, {"kind": "much"}), "weight of 'kind': 'much' is no finite number"),
        (lambda i: i.search({"kind": "umbrellas"}), "space 'kind': there is no category 'umbrellas'"),
        (lambda i: i.search({"kind": "boots"}, k=0), "k: 0 is no length of a list"),
        (lambda i: i.search({"kind": "boots"}, radius=3), "radius: 3 is not between"),
        (lambda i: i.search({"kind": "boots"}, exclude="p00001"), "put it in a list"),
        (lambda i: i.add(goods(2).drop(columns="price")), "price: the products have no column 'price'"),
        (lambda i: i.add(goods(2).assign(colour="red")), "but the index has"),
        (lambda i: i.add(pd.concat([goods(1), goods(1)])), "given twice"),
        (lambda i: SpaceIndex({}), "none are given"),
    ],
)
def test_bad_questions_get_one_clear_error(ask: Any, words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        ask(index(5))


def test_an_unknown_field_in_a_filter() -> None:
    with pytest.raises(FilterError, match="filter on 'colour': there is no such field; the fields are: sku, kind"):
        index(5).search({"kind": "boots"}, where=field("colour") == "red")
    with pytest.raises(KeyError, match="no product 'x'"):
        index(5).search(like="x")
