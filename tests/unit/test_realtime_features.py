"""What the accumulators say, worked by hand; that no feature knows its label; fresh lists by topic."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from recsys_lab.datasets import DAY_MS, EVENT_TYPES, Event, Shop, as_events
from recsys_lab.realtime import (
    ClickRate,
    CoClick,
    Conversion,
    Counts,
    FirstSeen,
    Live,
    OnlineItemKNN,
    Popularity,
    SessionVector,
    Trending,
    by_key,
    rates,
)
from recsys_lab.realtime.accumulators import Accumulator, LastProducts, Question, Session
from recsys_lab.realtime.lists import by_topic
from recsys_lab.spaces import CategorySpace, SpaceIndex
from tests.realtime_streams import SHOP, accumulators, live, streams

HOUR = 3_600_000
T = 20_000 * DAY_MS  # a midnight: cells of half a day begin there


def happened(kind: str, item: str, at: int, shopper: str = "u", session: str = "1", **attr: str | int) -> Event:
    return Event(shopper, item, kind, at, f"{shopper}/{session}", attr)


def click(item: str, at: int, shopper: str = "u", session: str = "1", **attr: str | int) -> Event:
    return happened("clicked_on", item, at, shopper, session, **attr)


def of(*accumulators: Accumulator, events: list[Event]) -> Live:
    shop = Live(shop=SHOP, accumulators=accumulators)
    shop.take_many(events)
    return shop


def column(shop: Live, feature: str, items: str = "abcd", now: int = DAY_MS, shopper: str = "u") -> list[float]:
    return [float(value) for value in shop.features(shopper, list(items), now)[feature].round(6)]


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_counts_of_the_shop() -> None:
    shop = of(Popularity(), Conversion(), events=[click("a", 1), click("a", 2), happened("buy", "a", 3), click("b", 4)])
    assert column(shop, "popularity") == [2, 1, 0, 0]
    assert column(shop, "conversion") == [0.5, round(1 / 3, 6), 0.5, 0.5]


def test_trending_halves_with_every_half_life() -> None:
    events = [click("a", T), click("a", T + 1), click("b", T + 2 * DAY_MS), click("b", T + DAY_MS)]
    shop = of(Trending(DAY_MS), events=events)
    assert column(shop, "trending", now=T + 2 * DAY_MS) == [2 / 4, 1 + 1 / 2, 0, 0]
    assert column(shop, "trending", now=T + 5 * DAY_MS) == [0, 1 / 8 + 1 / 16, 0, 0]
    assert column(shop, "trending", now=T + DAY_MS) == [1, 1, 0, 0]  # a click that is yet to come does not count


def test_click_rates_are_smoothed_and_mixed_over_ranks() -> None:
    mixed = rates(np.array([9.0, 3.0, 1.0, 0.0]), np.array([18.0, 18.0, 18.0, 18.0]))  # .5, .2, .1, .05
    assert mixed.tolist() == pytest.approx([0.5 * 0.5 + 0.3 * 0.2 + 0.2 * 0.1, 0.25, 0.1125, 0.025 + 0.03 + 0.04])
    with pytest.raises(ValueError, match="at least 3"):
        rates(np.array([1.0, 2.0]), np.array([3.0, 4.0]))


def test_a_click_on_the_last_place_lifts_more_than_one_on_the_first() -> None:
    shown = [happened("impression", item, at, position=at % 3 + 1) for at in range(30) for item in "ab"[at % 3 == 2 :]]
    clicks = [click("a", 100 + at, position=1) for at in range(6)] + [
        click("b", 200 + at, position=3) for at in range(6)
    ]
    shop = of(ClickRate(ranks=3), events=[*shown, *clicks])
    ctr, lift = column(shop, "ctr", "abc"), column(shop, "ctr_lift", "abc")
    assert ctr == [round(7 / 22, 6), round(7 / 32, 6), 0.5]  # a stood on two places of three
    raw = np.array([7 / 22, 1 / 22, 7 / 12])
    curve = [raw @ [0.5, 0.3, 0.2], raw @ [0.25, 0.5, 0.25], raw @ [0.2, 0.3, 0.5]]
    assert lift == [round(7 / (10 * curve[0] + 10 * curve[1] + 1), 6), round(7 / (10 * sum(curve) + 1), 6), 1.0]


def test_clicks_without_a_place_and_places_beyond_the_last() -> None:
    shop = of(ClickRate(ranks=3), events=[click("a", 1), click("a", 2, position=0), click("b", 3, position=99)])
    assert shop.table("ctr/clicked") == {"b": 1}
    assert shop.table("ctr/clicked at") == {"3": 1}


def test_products_clicked_near_each_other_in_one_session() -> None:
    events = [
        click("a", 0),
        click("b", 5),
        click("b", 9),
        click("c", 100),
        click("d", 8, session="2"),
        click("a", 9, "v"),
    ]
    shop = of(CoClick(within_ms=10), Popularity(), OnlineItemKNN(n=2, shrink=0), events=events)
    assert shop.table("co_click/a") == {"b": 2}
    assert shop.table("co_click/b") == {"a": 2}
    assert shop.table("co_click/d") == shop.table("co_click/c") == {}
    shop.take(click("b", 200))
    assert column(shop, "co_click") == [2, 0, 0, 0]
    # b was clicked three times, a twice; c, the product before, was near nothing
    assert column(shop, "item_knn") == [round(2 / np.sqrt(3 * 2), 6), 0, 0, 0]
    assert shop.best("item_knn", "u", ["d", "c", "b", "a"], 200).item_ids == ("a",)


def test_what_a_shopper_did_by_what_the_product_is() -> None:
    counts = [Counts(by) for by in ("item_id", "category", "brand", "price_band")]
    shop = of(*counts, events=[click("a", 1), click("c", 2), happened("buy", "c", 3), click("b", 4, shopper="v")])
    assert column(shop, "mine_item_id") == [1, 0, 2, 0]
    assert column(shop, "mine_category") == [1, 1, 2, 2]
    assert column(shop, "mine_brand") == [3, 0, 3, 0]
    assert column(shop, "mine_price_band", "abcd") == [1, 0, 2, 0]  # five products, five bands
    assert column(shop, "mine_category", ["é*:/"]) == [0]  # type: ignore[arg-type]  # of no category
    assert column(shop, "mine_brand", shopper="nobody") == [0, 0, 0, 0]


def test_the_visit_and_the_past() -> None:
    events = [click("a", T), click("b", T + DAY_MS, session="2"), click("a", T + DAY_MS + 4000, session="2")]
    shop = of(LastProducts(), Session(), FirstSeen(), events=events)
    past = DAY_MS + 10_000
    now = T + past
    assert column(shop, "last_products", now=now) == [1, 2, 0, 0]
    assert column(shop, "session_events", now=now) == [2, 2, 2, 2]
    assert column(shop, "session_seconds", now=now) == [10, 10, 10, 10]
    assert column(shop, "first_came", now=now)[0] == pytest.approx(past / DAY_MS, abs=1e-6)
    assert column(shop, "first_met", now=now) == pytest.approx([past / DAY_MS, 10_000 / DAY_MS, -1, -1], abs=1e-6)
    assert column(shop, "first_came", now=now, shopper="nobody") == [-1] * 4


def test_by_key_counts_each_device_and_region_alone() -> None:
    events = [click("a", 1, "u", device="phone"), click("b", 2, "v", device="desktop"), click("b", 3, "w:*/")]
    shop = of(Popularity(), by_key(Popularity(), "device"), by_key(Popularity(), "region"), events=events)
    assert column(shop, "popularity_by_region", shopper="u") == [1, 0, 0, 0]
    assert column(shop, "popularity_by_region", shopper="v") == [0, 1, 0, 0]
    assert column(shop, "popularity_by_region", shopper="w:*/") == [0, 1, 0, 0]  # of no region
    assert column(shop, "popularity_by_device", shopper="v") == [0, 1, 0, 0]
    with pytest.raises(TypeError, match="co_click"):
        of(by_key(CoClick(), "device"), events=[click("a", 1)])


def test_a_bandit_is_an_accumulator_like_any_other() -> None:
    """Thompson sampling needs clicks and impressions by arm: the contract has room for it as it stands."""

    class Arms(Accumulator):
        name = "arms"
        events = ("impression", "clicked_on")

        def update(self, event, facts):  # type: ignore[no-untyped-def]
            from recsys_lab.realtime import Add

            yield Add(f"arms/{event.event_type}", event.item_id)

        def wants(self, asked: Question):  # type: ignore[no-untyped-def]
            return {"arms/impression": asked.items, "arms/clicked_on": asked.items}

        def features(self, asked: Question):  # type: ignore[no-untyped-def]
            clicks, shown = asked.column("arms/clicked_on"), asked.column("arms/impression")
            return {"draw": np.random.default_rng(0).beta(clicks + 1, np.maximum(shown - clicks, 0) + 1)}

    good = [happened(kind, "a", at, position=1) for at in range(50) for kind in ("impression", "clicked_on")]
    shop = of(Arms(), events=[*good, *(happened("impression", "b", 100 + at) for at in range(50))])
    first, second, *_ = column(shop, "draw")
    assert first > second


# -- no feature knows its label ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(streams(15))
def test_features_of_an_event_stay_when_the_event_becomes_another(stream: list[Event]) -> None:
    """Whatever the event turns out to be, and whatever comes after it, its features are the same: none knows it."""
    with live() as shop:
        shop.take_many(stream)
        log = list(shop.log())
        rows = shop.training_rows(late=True)
    assert len(rows) == len(log)
    for at, event in enumerate(log):
        other = EVENT_TYPES[(EVENT_TYPES.index(event.event_type) + 1) % len(EVENT_TYPES)]
        with live() as again:
            again.take_many([*log[:at], replace(event, event_type=other)])
            alone = again.training_rows(late=True).iloc[-1]
        said = [name for name in rows.columns if name not in ("event_type", "list_id", "position")]
        pd.testing.assert_series_equal(rows.iloc[at][said], alone[said], check_names=False)


@settings(max_examples=40, deadline=None)
@given(streams(15))
def test_training_rows_are_what_was_read_live_before_each_event(stream: list[Event]) -> None:
    with live() as shop:
        seen = []
        for event in stream:
            before = shop.features(event.user_id, [event.item_id], event.timestamp).iloc[0]
            if shop.take(event) == (True, False):
                seen.append(before)
        rows = shop.training_rows()
    assert len(rows) == len(seen)
    for at, before in enumerate(seen):
        assert rows.iloc[at][before.index].astype(float).equals(before)


def test_a_late_event_makes_no_row() -> None:
    """The purchase came first: features of the late click would know that it led to one."""
    events = [click("a", 0), happened("buy", "b", 50), click("b", 20)]
    with live() as shop:
        shop.take_many(events)
        assert shop.training_rows()["timestamp"].tolist() == [0, 50]
        told = shop.training_rows(["clicked_on"], late=True)
        assert shop.training_rows(["impression"]).empty
    assert told["late"].tolist() == [False, True]
    assert told["conversion"].tolist() == [0.5, 1.0]  # and so they do


def test_features_after_the_update_know_the_label() -> None:
    """The mistake that the order of reading prevents, and that the test above would show."""
    rng = np.random.default_rng(0)
    before, after, clicked = [], [], []
    shop = of(ClickRate(), Popularity(), events=[])
    for at in range(400):
        item, kind = "abcd"[rng.integers(4)], ("impression", "clicked_on")[rng.integers(2)]
        event = Event("u", item, kind, at, "u/1", {"position": 1})
        read = shop.features("u", [item], at)["popularity"].iloc[0]
        shop.take(event)
        before.append(read)
        after.append(shop.features("u", [item], at)["popularity"].iloc[0] - read)
        clicked.append(kind == "clicked_on")
    assert abs(np.corrcoef(before, clicked)[0, 1]) < 0.15  # clicks are drawn: there is nothing to know
    assert np.corrcoef(after, clicked)[0, 1] == pytest.approx(1)


# -- fresh lists ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def visits(shop: Shop) -> Live:
    products = shop.products
    index = SpaceIndex({name: CategorySpace(name) for name in ("category", "department", "brand")}).add(products)
    return Live(shop=shop, accumulators=[*accumulators()[:3], SessionVector(index)])


def of_category(shop: Shop, name: str) -> list[str]:
    return [str(item) for item in shop.products.loc[shop.products["category"] == name, "item_id"]]


def test_a_visit_to_two_topics_gets_both(shop: Shop, visits: Live) -> None:
    boots, dresses = of_category(shop, "boots"), of_category(shop, "dresses")
    late = int(shop.events["timestamp"].max())
    who = "two topics"
    for at, item in enumerate([boots[0], dresses[0], boots[1], dresses[1]]):
        visits.take(click(item, late + at, who))
    found = visits.top(who, now_ms=late + 10)
    where = shop.products.set_index("item_id")["category"].loc[list(found.item_ids)].tolist()
    assert where[:4] == ["dresses", "boots", "dresses", "boots"]  # the latest first
    assert len(set(found.item_ids)) == 10
    topics = by_topic(visits.visit(who, late + 10).session, visits.facts, 3)
    assert [[event.item_id for event in topic] for topic in topics] == [dresses[:2], boots[:2]]
    assert found.item_ids[0] not in visits.top(who, now_ms=late + 10, exclude=[found.item_ids[0]]).item_ids


def test_the_list_moves_with_the_event_and_starts_from_the_shop_itself(shop: Shop, visits: Live) -> None:
    late = int(shop.events["timestamp"].max())
    boots = of_category(shop, "boots")
    visits.take(click(boots[0], late, "mover"))
    one = visits.top("mover", now_ms=late, tastes=1)
    assert one.scores == tuple(sorted(one.scores, reverse=True))
    visits.take(click(of_category(shop, "bags")[0], late + 1, "mover"))
    assert visits.top("mover", now_ms=late + 1, tastes=1).item_ids != one.item_ids


def test_products_that_are_yet_to_come_are_in_no_list(shop: Shop) -> None:
    launched = shop.products.set_index("item_id")["launched_at"]
    start = int(shop.events["timestamp"].min())
    with Live(shop=shop) as here:
        here.take_many(as_events(shop.events.iloc[:300]))
        for shopper in [*shop.events["user_id"].iloc[:300:60], "nobody"]:
            found = here.top(shopper, k=50, now_ms=start + HOUR)
            assert len(found) == 50
            assert (launched.loc[list(found.item_ids)] <= start + HOUR).all()


def test_the_vector_of_a_visit_is_nearest_to_what_it_holds(shop: Shop, visits: Live) -> None:
    late = int(shop.events["timestamp"].max())
    boots, bags = of_category(shop, "boots"), of_category(shop, "bags")
    visits.take(click(boots[0], late, "near"))
    near = visits.features("near", [boots[0], bags[0]], late)["session_vector"]
    assert near[boots[0]] == pytest.approx(1, abs=1e-6) or near[boots[0]] > near[bags[0]]
    assert visits.features("nobody", boots[:3], late)["session_vector"].tolist() == [0, 0, 0]


def test_the_standard_ones_on_the_shops_own_log(shop: Shop) -> None:
    """A thousand real events: the counts are those of pandas."""
    rows = shop.events.iloc[:1000]
    with Live(shop=shop) as here:
        here.take_many(as_events(rows))
        clicks = rows.loc[rows["event_type"] == "clicked_on", "item_id"].value_counts()
        assert here.table("popularity") == clicks.to_dict()
        last = rows.iloc[-1]
        told = here.features(last["user_id"], shop.products["item_id"].tolist()[:50], int(last["timestamp"]))
        assert told.shape[0] == 50 and told.shape[1] >= 12
        assert np.isfinite(told.to_numpy()).all()
        assert here.state() == here.replay().state()


def test_importing_it_imports_no_database_client() -> None:
    said = "import sys, recsys_lab.realtime; print([one for one in ('redis', 'torch') if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
