"""Events move a shopper's vector: the worked numbers, running = batch, decay, removal, caps, several tastes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_lab.datasets import Event, Shop
from recsys_lab.preferences import WEIGHTS, EventRules, EventWeighted, ShopperVectors, interleave
from recsys_lab.recommender import Context
from recsys_lab.spaces import BEST, CategorySpace, CustomSpace, NumberSpace, SpaceIndex
from recsys_lab.spaces.aspects import LIKENESS, ColdStart

T0 = 1_770_000_000_000
HOUR = 3_600_000
KINDS = list(WEIGHTS)


def index() -> SpaceIndex:
    """Four products: a, b, c orthogonal to each other in `look`, d between a and b."""
    products = pd.DataFrame(
        {
            "item_id": ["a", "b", "c", "d"],
            "look": [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, 1.0, 0]],
            "kind": ["boots", "boots", "hats", "hats"],
            "price": [10.0, 20.0, 30.0, 40.0],
        }
    )
    spaces: dict[str, Any] = {
        "price": NumberSpace("price", 0, 100, mode="minimum"),
        "look": CustomSpace("look"),
        "kind": CategorySpace("kind"),
    }
    return SpaceIndex(spaces).add(products)


def event(item: str, kind: str = "clicked_on", at: int = 0, user: str = "u") -> Event:
    return Event(user, item, kind, T0 + at, "s", id=f"{user}{at:09d}{item}")


def moved(rules: EventRules, *events: Event, choice: str | None = None) -> dict[str, Any]:
    vectors = ShopperVectors(index(), rules)
    if choice:
        vectors.register("u", choice)
    for one in events:
        vectors.update(one)
    return vectors.profile("u")


@pytest.mark.parametrize(("influence", "expected"), [(0.0, 0.0), (0.5, 0.6247), (1.0, 1.0)])
def test_the_worked_example(influence: float, expected: float) -> None:
    """A base and one event on orthogonal products, weight .8: the similarity to the event's product."""
    rules = EventRules(weights={"clicked_on": 0.8}, influence=influence)
    profile = moved(rules, event("b"), choice="a")
    assert float(profile["look"] @ [0, 1, 0]) == pytest.approx(expected, abs=5e-5)


def test_at_a_half_without_decay_e_is_the_running_mean() -> None:
    profile = moved(EventRules(influence=1), event("a", "buy"), event("b", "clicked_on", 1), event("c", "buy", 2))
    assert profile["look"] == pytest.approx(np.array([1, 0.2, 1]) / np.linalg.norm([1, 0.2, 1]))


def recursion(rules: EventRules, events: list[tuple[float, int, Any]]) -> Any:
    """The formula as it is written down; events are (w, time, v)."""
    e: Any = None
    times: list[int] = []
    for n, (w, now, v) in enumerate(events, start=1):
        times.append(now)
        mean, t = sum(times) / n, rules.temperature
        most = rules.max_age_ms or now - times[0]
        a = (now - mean) / most if most else 0.0
        m = 0.0 if a > 1 else (1 - a) * (1 - rules.floor) + rules.floor
        s = m * (min(n, rules.cap or n) - 1) * (1 - t)
        e = w * v if n == 1 else (t * w * v + s * e) / (t + s)
    return e


RULES = st.builds(
    EventRules,
    temperature=st.floats(0.05, 1),
    influence=st.just(1.0),
    floor=st.floats(0, 1),
    max_age_ms=st.sampled_from([None, HOUR, 10 * HOUR]),
    cap=st.sampled_from([None, 1, 3]),
)
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 5), st.sampled_from("abcd")), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(rules=RULES, steps=STEPS)
def test_one_by_one_and_all_at_once_give_what_the_formula_says(rules: EventRules, steps: list[Any]) -> None:
    made, now, history, events = index(), 0, [], []
    for number, (kind, gap, item) in enumerate(steps):
        now += gap * HOUR
        events.append(Event("u", item, kind, T0 + now, "s", id=f"{number:03d}"))
        history.append((WEIGHTS[kind], T0 + now, made.part(item, "look")))
    e = recursion(rules, history)

    vectors = ShopperVectors(made, rules)
    for one in events:
        vectors.update(one)
    running = vectors.profile("u").get("look", np.zeros(3))
    shares = rules.shares(np.array([time for _, time, _ in history], dtype=float))
    batch = np.sum([share * w * v for share, (w, _, v) in zip(shares, history, strict=True)], axis=0)
    assert batch == pytest.approx(e, abs=1e-9)
    expected = e / np.linalg.norm(e) if np.linalg.norm(e) > 1e-9 else running
    assert running == pytest.approx(expected, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(rules=RULES, steps=STEPS)
def test_normalised_divides_by_the_same_recursion_over_the_weights(rules: EventRules, steps: list[Any]) -> None:
    made = index()
    rules = EventRules(temperature=rules.temperature, influence=0.5, floor=rules.floor, normalised=True)
    vectors = ShopperVectors(made, rules)
    vectors.register("u", "c")
    e, d, now = [], [], 0
    for number, (kind, gap, item) in enumerate(steps):
        now += gap * HOUR
        vectors.update(Event("u", item, kind, T0 + now, "s", id=f"{number:03d}"))
        e.append((WEIGHTS[kind], now, made.part(item, "look")))
        d.append((abs(WEIGHTS[kind]), now, np.ones(1)))
    part = 0.5 * recursion(rules, e) / recursion(rules, d)[0] + 0.5 * np.array([0, 0, 1.0])
    if np.linalg.norm(part) > 1e-9:
        assert vectors.profile("u")["look"] == pytest.approx(part / np.linalg.norm(part), abs=1e-6)


def test_who_only_clicks_moves_as_far_as_who_buys_when_normalised() -> None:
    def to_b(kind: str, normalised: bool) -> float:
        return float(moved(EventRules(normalised=normalised), event("b", kind), choice="a")["look"] @ [0, 1, 0])

    assert to_b("buy", False) > 3 * to_b("clicked_on", False)
    assert to_b("buy", True) == pytest.approx(to_b("clicked_on", True))


def test_temperature_and_cap_let_the_last_events_count_more() -> None:
    clicks = [event("a", at=at) for at in range(20)] + [event("b", at=99)]
    calm, hot, capped = (
        moved(r, *clicks)["look"][1] for r in (EventRules(), EventRules(temperature=0.9), EventRules(cap=3))
    )
    assert hot > calm
    assert capped > calm
    assert moved(EventRules(temperature=1), *clicks)["look"] == pytest.approx([0, 1, 0])


def test_time_matters_only_when_the_floor_is_below_one() -> None:
    now, later = [event("a"), event("b", at=1)], [event("a"), event("b", at=500 * HOUR)]
    assert moved(EventRules(), *now)["look"] == pytest.approx(moved(EventRules(), *later)["look"])
    forgetting = EventRules(floor=0, max_age_ms=10 * HOUR)
    assert moved(forgetting, *later)["look"] == pytest.approx([0, 1, 0])  # the past is over its age: m = 0


def test_order_matters_only_away_from_a_half() -> None:
    there, back = [event("a"), event("b", at=1)], [event("b"), event("a", at=1)]
    assert moved(EventRules(), *there)["look"] == pytest.approx(moved(EventRules(), *back)["look"])
    hot = EventRules(temperature=0.8)
    assert moved(hot, *there)["look"] != pytest.approx(moved(hot, *back)["look"])


def test_a_removal_pushes_away_and_can_cancel() -> None:
    cart = [event("a"), event("b", "put_to_cart", 1)]
    assert (
        moved(EventRules(), *cart, event("b", "removed_from_cart", 2))["look"][1]
        < moved(EventRules(), *cart)["look"][1]
    )
    gone = moved(EventRules(), event("a", "put_to_cart"), event("a", "removed_from_cart", 1))
    assert "look" not in gone  # nothing is known: the space is left out of the question


def test_effects_hold_for_one_space_alone() -> None:
    rules = EventRules(effects={"kind": {"buy": 1.0}}, influence=1)
    profile = moved(rules, event("a", "clicked_on"))
    assert profile["look"] == pytest.approx([1, 0, 0])
    assert "kind" not in profile
    both = moved(rules, event("a", "clicked_on"), event("c", "buy", 1))
    assert both["kind"] == pytest.approx([0, 1])
    with pytest.raises(ValueError, match="events do not move a space 'price'; those are look, kind"):
        ShopperVectors(index(), EventRules(effects={"price": {"buy": 1.0}}))


def test_a_profile_asks_the_index_and_events_change_the_next_answer() -> None:
    made = index()
    vectors = ShopperVectors(made, EventRules())
    vectors.update(event("b", "buy"))
    first = made.search({"price": BEST}, shopper=vectors.profile("u"))
    assert first.item_ids[0] == "b"
    assert set(first.parts or {}) == {"price", "look: shopper", "kind: shopper"}
    vectors.update(event("c", "buy", 1))
    assert made.search({"price": BEST}, shopper=vectors.profile("u")).scores != first.scores
    vectors.forget("u")
    assert vectors.profile("u") == {}


def test_a_thousand_changes_of_products_and_events_equal_a_fresh_build() -> None:
    """Products come and go and events arrive in any order of the two: the vectors are those of the events alone."""
    rng = np.random.default_rng(3)
    made = index()
    vectors = ShopperVectors(made, EventRules(temperature=0.6, floor=0.2))
    table = pd.DataFrame({name: made._kept[name] for name in ("item_id", "look", "kind", "price")}).set_index(
        "item_id", drop=False
    )
    log: list[tuple[Event, Any]] = []
    for step in range(1000):
        draw, item = rng.random(), str(rng.choice(list("abcd")))
        if draw < 0.2 and item not in made:
            made.add(table.loc[[item]])
        elif draw < 0.3 and len(made) > 1 and item in made:
            made.remove(item)
        elif item in made:
            one = Event(f"u{rng.integers(3)}", item, str(rng.choice(KINDS)), T0 + step * 1000, "s", id=f"{step:04d}")
            vectors.update(one)
            log.append((one, made.part(item, "look")))
        if step % 100 == 99:
            whole = ShopperVectors(index(), vectors.rules)
            for one, _ in log:
                whole.update(one)
            for user in ("u0", "u1", "u2"):
                expected, found = whole.profile(user), vectors.profile(user)
                assert expected.keys() == found.keys()
                for space, vector in found.items():
                    assert vector == pytest.approx(expected[space], abs=1e-9)
    assert len(log) > 300


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"temperature": 0}, "temperature: 0 is not from just above 0 to 1"),
        ({"influence": 1.2}, "influence: 1.2 is not from 0 to 1"),
        ({"floor": math.nan}, "floor: nan"),
        ({"max_age_ms": 0}, "max_age_ms: 0 is no age"),
        ({"cap": 0}, "cap: 0 counts no event"),
        ({"weights": {"buy": math.inf}}, "weights: 'buy' has the weight inf"),
        ({"effects": {"look": {"buy": math.nan}}}, "look: 'buy' has the weight nan"),
    ],
)
def test_bad_rules(rules: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        EventRules(**rules)


def test_bad_events_change_nothing() -> None:
    vectors = ShopperVectors(index(), EventRules())
    vectors.update(event("a", at=5))
    before = vectors.profile("u")["look"]
    with pytest.raises(KeyError, match="no product 'x'"):
        vectors.update(event("x", at=6))
    with pytest.raises(ValueError, match="is older than the last one applied"):
        vectors.update(event("b", at=4))
    assert vectors.profile("u")["look"] == pytest.approx(before)


# -- as a recommender -------------------------------------------------------------------------------------------------


def shop() -> Shop:
    rows = [(f"{kind} {n}", kind, style) for kind in ("boots", "dresses", "hats") for n, style in enumerate("xyxy")]
    products = pd.DataFrame(rows, columns=["item_id", "category", "style"]).assign(price=10.0, launched_at=0)
    events = pd.DataFrame(
        {
            "user_id": ["u", "u", "u", "v"],
            "item_id": ["boots 0", "dresses 1", "boots 2", "hats 0"],
            "event_type": "clicked_on",
            "timestamp": [T0, T0 + 1, T0 + 2, T0 + 3],
        }
    )
    shoppers = pd.DataFrame(
        {"user_id": ["u", "v", "w"], "registration_choice": [None, None, "hats 1"], "registered_at": [0, 0, T0]}
    )
    return Shop.from_frames(products, events, shoppers)


ALIKE = {**LIKENESS, "popularity": 0.1}


def test_cold_start_reads_the_registration_choice_once_it_was_made() -> None:
    model = ColdStart(ALIKE).fit(shop())
    assert model.recommend(Context("w", T0 + HOUR), 1).item_ids == ("hats 1",)
    early = model.recommend(Context("w", T0 - HOUR), 4)
    assert early == model.recommend(Context(None, T0 - HOUR), 4)


def test_the_recommender_scores_what_the_index_scores() -> None:
    model = EventWeighted(EventRules(influence=0.7)).fit(shop())
    vectors = ShopperVectors(model.index_, model.rules)
    history = (event("boots 0", "buy", user="w"), event("hats 2", "clicked_on", 7, user="w"))
    vectors.register("w", "hats 1")
    for one in history:
        vectors.update(one)
    weights = {name: weight for name, weight in model.weights.items() if name in model.index_.spaces}
    expected = model.index_.search(weights=weights, shopper=vectors.profile("w"), k=12)
    found = model.recommend(Context("w", T0 + HOUR, history=history), 12)
    assert found.item_ids == expected.item_ids
    assert found.scores == pytest.approx(expected.scores, abs=1e-6)


def test_history_of_none_is_what_fit_saw() -> None:
    model = EventWeighted().fit(shop())
    logged = model.recommend(Context("u", T0 + HOUR), 5)
    given_ = model.recommend(Context("u", T0 + HOUR, history=tuple(shop_events("u"))), 5)
    assert logged == given_
    assert model.recommend(Context("nobody", T0 + HOUR), 5) == model.recommend(Context("x", T0 + HOUR, history=()), 5)


def shop_events(user: str) -> list[Event]:
    from recsys_lab.datasets import as_events

    events = shop().events
    return list(as_events(events[events["user_id"] == user]))


def test_several_tastes_are_interleaved_where_one_taste_is_between_them() -> None:
    clicks = [event("boots 0"), event("dresses 1", at=1), event("boots 2", at=2), event("dresses 3", at=3)]
    context = Context("n", T0 + HOUR, session=tuple(clicks))
    several = EventWeighted(weights=ALIKE, topics="category").fit(shop()).recommend(context, 4).item_ids
    assert [item.split()[0] for item in several] == ["dresses", "boots", "dresses", "boots"]
    latest = EventWeighted(weights=ALIKE, topics="category", tastes=1).fit(shop()).recommend(context, 2).item_ids
    assert {item.split()[0] for item in latest} == {"dresses"}
    assert interleave([[1, 2], [], [3, 1, 4]]) == [1, 3, 2, 4]


def test_bad_settings_of_the_recommender() -> None:
    with pytest.raises(ValueError, match="the products have no column 'department'"):
        EventWeighted(topics="department").fit(shop())
    with pytest.raises(ValueError, match="tastes: 0 leaves no list"):
        EventWeighted(tastes=0).fit(shop())
