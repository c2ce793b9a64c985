"""Fresh lists are made in one go; here they are beside the plain way: a search of the index for each taste."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest

from recsys_lab.datasets import DAY_MS, Event, Shop, as_events
from recsys_lab.preferences import WEIGHTS, EventRules, interleave
from recsys_lab.realtime import Live, SessionVector, standard
from recsys_lab.realtime.lists import by_topic
from recsys_lab.realtime.state import check, from_array, from_json, to_json
from recsys_lab.recommender import Recommendations
from recsys_lab.spaces import CategorySpace, NumberSpace, SpaceError, SpaceIndex

VISITS = 100


@pytest.fixture(scope="module")
def vector(shop: Shop) -> SessionVector:
    (made,) = (one for one in standard(shop) if isinstance(one, SessionVector))
    return made


def plain(
    live: Live, shop: Shop, event: Event, k: int, tastes: int, out: Collection[str] = ()
) -> list[Recommendations]:
    """A search for each taste, by the index's and `ShopperVectors`' own ways."""
    (vector,) = (one for one in live.accumulators if isinstance(one, SessionVector))
    visit = live.visit(event.user_id, event.timestamp).session
    to_come = shop.products.loc[shop.products["launched_at"] > event.timestamp, "item_id"]
    appeal = [name for name, space in vector.index.spaces.items() if isinstance(space, NumberSpace)]
    found = []
    for topic in (by_topic(visit, live.facts, tastes) if tastes > 1 else [visit]) or [()]:
        profile = vector.profile(event.user_id, topic)
        weights = {name: vector.weights.get(name, 1.0) for name in (*appeal, *profile)}
        found.append(vector.index.search(weights=weights, shopper=profile, k=k, exclude={*out, *to_come}))
    return found


def same(live: Live, shop: Shop, event: Event, k: int = 10, tastes: int = 3, out: Collection[str] = ()) -> int:
    """Check one list against the plain way; returns the number of tastes in it."""
    lists = plain(live, shop, event, k, tastes, out)
    found = live.top(event.user_id, k, now_ms=event.timestamp, tastes=tastes, exclude=out)
    if len(lists) > 1:
        assert list(found.item_ids) == interleave([one.item_ids for one in lists])[:k]
        return len(lists)
    (one,) = lists
    assert found.item_ids == one.item_ids
    assert found.scores == pytest.approx(one.scores, abs=1e-7)  # `ShopperVectors` adds up what is float32
    assert found.parts is not None and one.parts is not None
    assert list(found.parts) == list(one.parts)
    for name, values in one.parts.items():
        assert found.parts[name] == pytest.approx(values, abs=1e-7)
    return 1


def taken(live: Live, shop: Shop, n: int, each: int = 1) -> list[Event]:
    """Bring the log's first events; returns the last `n` by `each`, each just after it was taken."""
    log = as_events(shop.events.iloc[: 3_000 + n * each])
    live.take_many(log[: -n * each])
    return log[-n * each :]


def test_a_hundred_visits_get_what_a_search_for_each_taste_gives(shop: Shop, vector: SessionVector) -> None:
    tastes = []
    with Live(shop=shop, accumulators=[vector]) as live:
        for number, event in enumerate(taken(live, shop, VISITS, each=5)):
            live.take(event)
            if number % 5 == 0:
                tastes.append(same(live, shop, event))
                same(live, shop, event, tastes=1)
                same(live, shop, event, k=60, out=shop.products["item_id"][number : number + 20].tolist())
    assert len(tastes) == VISITS
    assert min(tastes) == 1
    assert max(tastes) == 3


@pytest.mark.parametrize(
    "rules",
    [
        EventRules(temperature=0.8, floor=0.1, cap=3, normalised=True),
        EventRules(max_age_ms=60_000, floor=0.0, influence=1.0),
        EventRules(effects={"brand": {"clicked_on": -1.0, "buy": 2.0}, "style": {}}, temperature=1.0),
        EventRules(influence=0.0),
    ],
)
def test_with_other_rules_and_weights_too(shop: Shop, vector: SessionVector, rules: EventRules) -> None:
    weights = {**vector.weights, "category": 0.0, "price": -0.4, "review_count": 0.0}
    other = replace(vector, rules=rules, weights=weights)
    with Live(shop=shop, accumulators=[other]) as live:
        for event in taken(live, shop, 30):
            live.take(event)
            same(live, shop, event)
            same(live, shop, event, tastes=1)


def test_who_is_new_gets_what_appeals_and_all_products_if_asked(shop: Shop, vector: SessionVector) -> None:
    late = int(shop.events["timestamp"].max())
    with Live(shop=shop, accumulators=[vector]) as live:
        nobody = Event("nobody", shop.products["item_id"][0], "clicked_on", late, "s")
        assert same(live, shop, nobody, k=5_000) == 1
        assert len(live.top("nobody", 5_000, now_ms=late)) == len(shop.products)
        with pytest.raises(SpaceError, match="k: 0 is no length"):
            live.top("nobody", 0, now_ms=late)


def test_equal_scores_fall_to_the_more_popular_and_then_by_label(shop: Shop) -> None:
    rng = np.random.default_rng(0)
    products = shop.products.assign(clicks=rng.integers(0, 3, len(shop.products)))
    index = SpaceIndex({"category": CategorySpace("category")}, popularity="clicks").add(products)
    late = int(shop.events["timestamp"].max())
    with Live(shop=shop, accumulators=[SessionVector(index)]) as live:
        event = Event("ties", str(products["item_id"][7]), "clicked_on", late, "s")
        live.take(event)
        same(live, shop, event, k=300)
        with pytest.raises(SpaceError, match="nothing is asked"):
            live.top("nobody", now_ms=late)


def test_a_change_of_the_index_is_seen_by_the_next_list(shop: Shop) -> None:
    products = shop.products
    spaces = {"category": CategorySpace("category"), "price": NumberSpace("price", 0, 1_000, "minimum")}
    index = SpaceIndex(spaces).add(products)
    late = int(shop.events["timestamp"].max())
    with Live(shop=shop, accumulators=[SessionVector(index)]) as live:
        event = Event("change", str(products["item_id"][7]), "clicked_on", late, "s")
        live.take(event)
        first = live.top("change", now_ms=late).item_ids
        index.remove(first[0])
        same(live, shop, event)
        assert live.top("change", now_ms=late).item_ids[0] == first[1]
        index.add(products[products["item_id"] == first[0]])
        assert live.top("change", now_ms=late).item_ids == first
        index.add(products[products["item_id"] == first[0]].assign(price=1_000.0))  # dearer, in the same row
        same(live, shop, event)
        assert live.top("change", now_ms=late).item_ids[0] == first[1]


def test_kept_tastes_are_those_of_now(shop: Shop, vector: SessionVector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsys_lab.realtime.lists._KEPT", 3)
    products = shop.products
    index = SpaceIndex({"category": CategorySpace("category"), "price": NumberSpace("price", 0, 1_000, "minimum")})
    index.add(products)
    late = int(shop.events["timestamp"].max())
    first, other = (
        products["item_id"][0],
        products["item_id"][products["category"].ne(products["category"][0]).idxmax()],
    )
    with Live(shop=shop, accumulators=[SessionVector(index)]) as live:
        for at, item in enumerate((first, other)):
            live.take(event := Event("ada", str(item), "clicked_on", late + at, "s"))
        assert same(live, shop, event) == 2
        assert same(live, shop, event) == 2  # from what is kept
        best = live.top("ada", now_ms=late + 1).item_ids[0]
        assert same(live, shop, event, out=[best]) == 2  # another question
        index.add(products[products["item_id"] == best].assign(price=1_000.0))  # dearer, in the same row
        assert same(live, shop, event) == 2
        assert live.top("ada", now_ms=late + 1).item_ids[0] != best
        live.take(event := Event("ada", str(first), "clicked_on", late + 2, "s"))
        assert same(live, shop, event) == 2
        assert live.forget("ada") == 3
        assert live._lists is not None
        assert live._lists._scorer is None  # which holds all that is kept of events


def test_events_are_read_from_the_log_as_they_were_written() -> None:
    events = [Event("ü/\"\\'", "P\n1", kind, DAY_MS, "s\u2028", {"price": 1.5, "new": True}) for kind in WEIGHTS]
    events.append(Event("ada", "P1", "buy", 0, "s", id="own"))
    read = from_array("[" + ",".join(map(to_json, events)) + "]")
    for event, again in zip(events, read, strict=True):
        assert again == event == from_json(to_json(event))
        assert hash(again) == hash(event)
        assert check(again) is again
        with pytest.raises(TypeError):
            again.event_attr["price"] = 2  # type: ignore[index]
