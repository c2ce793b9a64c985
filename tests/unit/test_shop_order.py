"""Events of one moment are taken in the order in which they were sent, whatever their ids are."""

from __future__ import annotations

import pytest

from recsys_lab.datasets import Shop
from recsys_lab.shop import Engine, Settings
from recsys_lab.shop.answers import Sent

NOW = 1_790_000_000_000


@pytest.fixture(scope="module")
def shop(shop: Shop) -> Shop:
    few = shop.products.head(40)
    events = shop.events[shop.events["item_id"].isin(few["item_id"]) & (shop.events["event_type"] != "impression")]
    return Shop("few", few, shop.shoppers, events.reset_index(drop=True))


def test_events_of_one_moment_keep_their_order(shop: Shop) -> None:
    item, other = shop.products["item_id"][:2]
    with Engine(shop, Settings(switch=("popular",), encoder=False), clock=lambda: NOW) as engine:
        engine.take_many([Sent("ada", "put_to_cart", item, {}, "b"), Sent("ada", "removed_from_cart", item, {}, "a")])
        assert engine.cart("ada") == []
        engine.take("ada", "put_to_cart", other, id="2")
        engine.take("ada", "put_to_cart", item, id="1")
        assert engine.cart("ada") == [other, item]
        shown = [event["timestamp"] for event in engine.session("ada")["events"]]
        assert shown == [NOW + 3, NOW + 2, NOW + 1, NOW]


def test_a_time_that_is_told_stays_and_does_not_draw_others_along(shop: Shop) -> None:
    item = shop.products["item_id"][0]
    with Engine(shop, Settings(switch=("popular",), encoder=False), clock=lambda: NOW) as engine:
        engine.take("ada", "clicked_on", item, id="1", timestamp=NOW + 3_600_000)  # a clock that is an hour ahead
        engine.take("ada", "clicked_on", item, id="2")
        engine.take("ada", "clicked_on", item, id="3", timestamp=NOW - 5)
        shown = [event["timestamp"] for event in engine.session("ada")["events"]]
        assert shown == [NOW + 3_600_000, NOW, NOW - 5]
