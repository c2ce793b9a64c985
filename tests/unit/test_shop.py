"""The shop: what it refuses and with which words, and what it derives from a log."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_lab.datasets import DAY_MS, DataError, Shop, as_events, frame_hash
from recsys_lab.datasets.schema import EVENT_COLUMNS, PRODUCT_COLUMNS, SHOPPER_COLUMNS
from recsys_lab.datasets.shop import VISIT_GAP_MS

T = 20_000 * DAY_MS  # a midnight, in October 2024
MINUTE = 60_000


def products(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"item_id": ["a", "b", "c"], **columns})


def events(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": ["u", "u", "v"],
            "item_id": ["a", "b", "a"],
            "event_type": ["clicked_on", "buy", "clicked_on"],
            "timestamp": [T, T + MINUTE, T + 2 * MINUTE],
            **columns,
        }
    )


def shoppers(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"user_id": ["u", "v"], **columns})


def log(*rows: tuple[Any, ...]) -> Shop:
    """A shop from rows (shopper, product, type, minutes, session)."""
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "event_type", "timestamp", "session_id"])
    frame["timestamp"] = T + (frame["timestamp"] * MINUTE).astype("int64")
    return Shop.from_frames(pd.DataFrame({"item_id": sorted(set(frame["item_id"]))}), frame)


def clicks(*rows: tuple[str, float, str]) -> Shop:
    """A shop of clicks (product, minutes, session)."""
    return log(*[(session, item, "clicked_on", minute, session) for item, minute, session in rows])


def no_events() -> Shop:
    return Shop.from_frames(products(), events().iloc[:0])


# -- bad input: one message that names the place, the rule and the first offender

LABEL = "texts that are not empty"
TIME = "whole milliseconds since 1970"
PRODUCT_MISTAKES: list[tuple[pd.DataFrame, str]] = [
    (products().rename(columns={"item_id": "sku"}), r"products: the column 'item_id' is missing; it has sku; rename"),
    (pd.DataFrame(), r"products: the column 'item_id' is missing; it has no columns"),
    (products(item_id=["a", "b", "a"]), r"products.item_id: row 0 has 'a'.*different.*\(2 rows"),
    (products(item_id=["a", "", "c"]), rf"products.item_id: row 1 has ''.*{LABEL}"),
    (products(item_id=["a", None, "c"]), r"products.item_id: row 1 has no value.*drop or mend"),
    (products(item_id=[1, "1", "c"]), r"products.item_id: row 0 has 1, .*both would become '1'"),
    (products(item_id=["1", "b", 1.0]), r"products.item_id: row 2 has 1.0, .*both would become '1'"),
    (products(item_id=[True, False, True]), r"products.item_id: row 0 has True, which is no label"),
    (products(item_id=["a", ["b"], "c"]), r"products.item_id: row 1 has \['b'\], which is no label"),
    (products(price=[1.0, -2.0, 3.0]), r"products.price: row 1 has -2.0, .*numbers from 0 up"),
    (products(price=[1.0, np.inf, -1.0]), r"products.price: row 1 has inf, .*none infinite \(2 rows"),
    (products(price=[1.0, 2.0, "x"]), r"products.price: row 2 has 'x', .*numbers from 0 up, none infinite; mend"),
    (products(review_rating=[5.0, 6.0, 7.0]), r"products.review_rating: row 1 has 6.0, .*from 0 to 5 \(2 rows"),
    (products(review_count=[1, -1, 0]), r"products.review_count: row 1 has -1.0"),
    (products(name=["x", 5, "y"]), r"products.name: row 1 has 5, .*texts; mend"),
    (products(name=[1, 2, 3]), r"products.name: row 0 has 1, .*texts \(3 rows"),
    (products(in_stock=[1, 0, 1]), r"products.in_stock: row 0 has 1, .*True or False.*astype\(bool\)"),
    (products(in_stock=["yes", "no", "no"]), r"products.in_stock: row 0 has 'yes', .*True or False"),
    (products(in_stock=[True, None, False]), r"products.in_stock: row 1 has no value, .*True or False.*\); mend"),
    (products(on_sale=[True, False, 1]), r"products.on_sale: row 2 has 1, .*True or False"),
    (products(launched_at=["x", "y", "z"]), rf"products.launched_at: row 0 has 'x'; give {TIME}"),
    (products(launched_at=[T // 1000] * 3), r"products.launched_at: row 0 has 1728000000.*seconds; multiply by 1000"),
    (products(launched_at=[T, None, T]), r"products.launched_at: row 1 has no time"),
    (pd.concat([products(), products()], axis=1), r"products: the column 'item_id' is there more than once"),
    (products().iloc[:0], r"products: the table is empty"),
    (["a", "b"], r"products: list is no table; give a pandas DataFrame"),  # type: ignore[list-item]
    (products(name=["x" * 500, "y", 5]), r"products.name: row 2 has 5"),
    (products(item_id=["a" * 500] * 3), r"products.item_id: row 0 has 'a{78}…, "),
]


@pytest.mark.parametrize(("frame", "message"), PRODUCT_MISTAKES)
def test_bad_products(frame: pd.DataFrame, message: str) -> None:
    refused(message, lambda: Shop.from_frames(frame, events()))


def refused(message: str, build: Any) -> None:
    with pytest.raises(DataError, match="^" + message) as caught:
        build()
    assert not re.search(r"np\.|\bnan\b|<NA>|\n", str(caught.value))
    assert caught.value.__cause__ is None


EVENT_MISTAKES: list[tuple[pd.DataFrame, str]] = [
    *[
        (events().drop(columns=key), rf"events: the column '{key}' is missing")
        for key in ("user_id", "item_id", "event_type", "timestamp")
    ],
    (events(item_id=["a", "x", "y"]), r"events.item_id: row 1 has 'x', which is not in products.*2\); add it"),
    (
        events(event_type=["buy", "bought", "sold"]),
        r"events.event_type: row 1 has 'bought', .*one of impression.*2 rows",
    ),
    (events(event_type=["buy", None, "buy"]), r"events.event_type: row 1 has no value"),
    (events(event_type=["buy", 5, "buy"]), r"events.event_type: row 1 has 5"),
    (events(user_id=[17850.0, 1.5, 2.5]), r"events.user_id: row 1 has 1.5, which is no label"),
    (events(user_id=[17850.0, np.inf, 1.0]), r"events.user_id: row 1 has inf, which is no label"),
    (events(user_id=[17850.0, 1e20, 1.0]), r"events.user_id: row 1 has 1e\+20, which is no label"),
    (events(user_id=[1.0, np.nan, 1.0]), r"events.user_id: row 1 has no value"),
    (events(user_id=["u", None, "v"]), r"events.user_id: row 1 has no value"),
    (events(user_id=["u", "", "v"]), rf"events.user_id: row 1 has ''.*{LABEL}"),
    (events(user_id=[1, "1", "v"]), r"events.user_id: row 0 has 1, .*both would become '1'"),
    (events(user_id=pd.to_datetime(["2026-01-01"] * 3)), r"events.user_id: row 0 has Timestamp.*no label"),
    (events(session_id=["s", "", "s"]), r"events.session_id: row 1 has ''"),
    (events(session_id=["s", None, "s"]), r"events.session_id: row 1 has no value"),
    (events(session_id=[1, 2, 1]), r"events.session_id: row 2 has '1' of 'v'.*one shopper.*'u'; make them unique"),
    (events(id=["1", "2", "1"]), r"events.id: row 0 has '1'.*different.*\(2 rows"),
    (events(id=[1, 2, 2]), r"events.id: row 1 has '2'.*different.*\(2 rows"),
    (events(id=["1", None, "3"]), r"events.id: row 1 has no value"),
    (events(id=["1", "", "3"]), rf"events.id: row 1 has ''.*{LABEL}"),
    (events(timestamp=[T // 1000] * 3), r"events.timestamp: row 0 has 1728000000: .*seconds; multiply by 1000"),
    (events(timestamp=[T, T * 1000, T]), rf"events.timestamp: row 1 has {T * 1000}, .*microseconds by 1000"),
    (events(timestamp=[T * 10**6] * 3), r"events.timestamp: row 0 has .*nanoseconds by 1_000_000"),
    (events(timestamp=np.array([T, 2**63 + 5, T], dtype="uint64")), r"events.timestamp: row 1 has 9223372036854775813"),
    (events(timestamp=[float(T)] * 3), rf"events.timestamp: row 0 has {T}.0; give {TIME} as int64, or datetimes"),
    (events(timestamp=[T, None, T]), r"events.timestamp: row 1 has no time"),
    (events(timestamp=pd.to_datetime(["2026-01-01", None, "2026-01-01"])), r"events.timestamp: row 1 has no time"),
    (events(timestamp=["2026-01-01"] * 3), rf"events.timestamp: row 0 has '2026-01-01'; give {TIME}"),
    (events(timestamp=pd.Series([T, "x", T], dtype=object)), r"events.timestamp: row 1 has 'x'"),
    (events(timestamp=[True] * 3), r"events.timestamp: row 0 has True"),
    (events(timestamp=[T, -5, T]), r"events.timestamp: row 1 has -5, which is before 1970"),
    (
        events(timestamp=pd.to_datetime(["2026-01-01", "1969-12-31", "2026-01-01"])),
        r"events.timestamp: row 1 .*before 1970",
    ),
    (events(price=[1, 2, -3.5]), r"events.price: row 2 has -3.5"),
    (events(propensity=[1.0, 0.0, 0.5]), r"events.propensity: row 1 has 0.0, .*above 0, at most 1"),
    (events(propensity=[1.0, 0.1, 1.5]), r"events.propensity: row 2 has 1.5"),
    (events(position=[1, -2, 3]), r"events.position: row 1 has -2.0"),
    (events(surface=["home", 5, None]), r"events.surface: row 1 has 5, .*texts"),
    (None, r"events: NoneType is no table"),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("frame", "message"), EVENT_MISTAKES)
def test_bad_events(frame: pd.DataFrame, message: str) -> None:
    refused(message, lambda: Shop.from_frames(products(), frame))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (shoppers(user_id=["u", "w"]), r"events.user_id: row 2 has 'v', which is not in shoppers"),
        (shoppers(user_id=["u", "u"]), r"shoppers.user_id: row 0 has 'u'.*different"),
        (shoppers().drop(columns="user_id"), r"shoppers: the column 'user_id' is missing"),
        (shoppers(age_band=["old", 5]), r"shoppers.age_band: row 1 has 5"),
        (shoppers(registered_at=[T, 1.5]), rf"shoppers.registered_at: row 0 has {T}.0; give"),
        (shoppers(registered_at=[T // 1000] * 2), r"shoppers.registered_at: row 0 .*seconds"),
    ],
)
def test_bad_shoppers(frame: pd.DataFrame, message: str) -> None:
    refused(message, lambda: Shop.from_frames(products(), events(), frame))


def test_bad_impressions() -> None:
    shown = events(event_type="impression")
    refused(
        r"impressions.item_id: row 0 has 'x'",
        lambda: Shop.from_frames(products(), events(), impressions=shown.assign(item_id=["x", "a", "a"])),
    )
    refused(
        r"impressions.user_id: row 1 has 'w', which is not in shoppers",
        lambda: Shop.from_frames(products(), events(), shoppers(), shown.assign(user_id=["u", "w", "v"])),
    )


def test_rows_are_counted_in_the_given_order_whatever_the_index() -> None:
    late_first = events(timestamp=[T + MINUTE, T, T], price=[-3.0, 2.0, 1.0])
    refused(r"events.price: row 0 has -3.0", lambda: Shop.from_frames(products(), late_first))
    late_first = events(timestamp=[T + MINUTE, T, T], item_id=["x", "a", "a"])
    refused(r"events.item_id: row 0 has 'x'", lambda: Shop.from_frames(products(), late_first))
    for index in (["x", "y", "z"], [5, 5, 5], pd.MultiIndex.from_tuples([(1, 2), (1, 3), (1, 4)])):
        frame = products(price=[1, -1, 2]).set_index(pd.Index(index))
        refused(r"products.price: row 1 has -1.0", lambda frame=frame: Shop.from_frames(frame, events()))
        assert len(Shop.from_frames(products(), events().set_index(pd.Index(index))).events) == 3


# -- good input


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        ([17850, 17850, 2], ["17850", "17850", "2"]),
        ([17850.0, 17850.0, 2.0], ["17850", "17850", "2"]),
        (pd.array([17850, 17850, 2], dtype="Int64"), ["17850", "17850", "2"]),
        (pd.array([17850.0, 17850.0, 2], dtype="Float64"), ["17850", "17850", "2"]),
        (pd.Series([17850.0, "u", np.int64(2)], dtype=object), ["17850", "u", "2"]),
        (pd.Categorical(["u", "u", "v"]), ["u", "u", "v"]),
        (pd.Categorical([7, 7, 8]), ["7", "7", "8"]),
        (pd.array(["u", "u", "v"], dtype="string"), ["u", "u", "v"]),
        ([2**60, 2**60 + 1, 0], [str(2**60), str(2**60 + 1), "0"]),
        (["17850.0", "u", "ü 日"], ["17850.0", "u", "ü 日"]),
    ],
)
def test_ids_become_texts(ids: Any, texts: list[str]) -> None:
    shop = Shop.from_frames(products(), events(user_id=ids))
    assert shop.events["user_id"].tolist() == texts
    assert {type(user) for user in shop.events["user_id"]} == {str}
    assert shop.shoppers["user_id"].tolist() == sorted(set(texts))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_datetimes_become_milliseconds(unit: str, zone: str | None) -> None:
    times = pd.Series(pd.to_datetime([T, T + 1000, T + 2000], unit="ms").astype(f"datetime64[{unit}]"))
    if zone is not None:
        times = times.dt.tz_localize("UTC").dt.tz_convert(zone)
    shop = Shop.from_frames(products(launched_at=times), events(timestamp=times), shoppers(registered_at=times[:2]))
    for held in (shop.events["timestamp"], shop.products["launched_at"]):
        assert held.dtype == np.int64
        assert held.tolist() == [T, T + 1000, T + 2000]
    assert shop.shoppers["registered_at"].tolist() == [T, T + 1000]


@pytest.mark.parametrize(
    "times",
    [
        pd.array([T, T + 1, T + 2], dtype="Int64"),
        pd.Series([T, T + 1, T + 2], dtype=object),
        np.array([T, T + 1, T + 2], dtype="uint64"),
    ],
)
def test_whole_numbers_of_any_kind_are_times(times: Any) -> None:
    held = Shop.from_frames(products(), events(timestamp=times)).events["timestamp"]
    assert (held.dtype, held.tolist()) == (np.int64, [T, T + 1, T + 2])


def test_datetimes_in_an_object_column() -> None:
    times = pd.Series([pd.Timestamp(T + at, unit="ms") for at in range(3)], dtype=object)
    assert Shop.from_frames(products(), events(timestamp=times)).events["timestamp"].tolist() == [T, T + 1, T + 2]


def test_kinds_of_columns() -> None:
    shop = Shop.from_frames(
        products(
            price=pd.array([1, None, 3], dtype="Int64"),
            name=pd.Series(["x", None, "z"], dtype=object),
            in_stock=pd.array([True, True, False], dtype="boolean"),
            on_sale=pd.Series([True, False, True], dtype=object),
            mine=[[1], [2], [3]],
        ),
        events(),
    )
    kinds = {name: str(dtype) for name, dtype in shop.products.dtypes.items()}
    assert (kinds["price"], kinds["in_stock"], kinds["on_sale"]) == ("float64", "bool", "bool")
    assert shop.products["mine"].tolist() == [[1], [2], [3]]
    assert shop.products["name"].isna().tolist() == [False, True, False]


def test_given_frames_stay_as_they_are() -> None:
    given_frames = [
        products(price=[1, 2, 3], launched_at=pd.to_datetime([T] * 3, unit="ms")).set_index(pd.Index([7, 7, 9])),
        events(timestamp=[T + 2, T + 1, T], user_id=[1.0, 2.0, 1.0]).set_index(pd.Index(["x", "x", "y"])),
        pd.DataFrame({"user_id": [1, 2], "registered_at": pd.to_datetime([T] * 2, unit="ms")}),
        events(event_type="impression", user_id=[2, 2, 2]),
    ]
    before = [frame.copy(deep=True) for frame in given_frames]
    shop = Shop.from_frames(*given_frames)
    for frame, copy in zip(given_frames, before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)
    given_frames[1].loc["y", "item_id"] = "changed later"
    assert shop.events["item_id"].tolist() == ["a", "b", "a"]


def test_events_are_in_order_of_time_and_ties_keep_the_log_order() -> None:
    shop = Shop.from_frames(products(), events(timestamp=[T + 5, T, T], item_id=["a", "c", "b"]))
    assert shop.events["item_id"].tolist() == ["c", "b", "a"]
    assert shop.events.index.tolist() == [0, 1, 2]
    assert shop.events.columns.tolist() == ["user_id", "item_id", "event_type", "timestamp", "session_id"]


# -- derived: sessions, shoppers, popularity


def test_half_an_hour_away_begins_a_new_visit() -> None:
    times = [T, T + VISIT_GAP_MS, T + 2 * VISIT_GAP_MS + 1]  # exactly half an hour is still the same visit
    shop = Shop.from_frames(products(), events(user_id=["u", "u", "u"], timestamp=times))
    assert shop.events["session_id"].tolist() == ["u/0", "u/0", "u/1"]


def test_visits_of_shoppers_do_not_touch() -> None:
    users, minutes = ["u", "v", "u", "v", "u"], [0, 20, 25, 60, 70]
    frame = pd.DataFrame(
        {
            "user_id": users,
            "item_id": "a",
            "event_type": "clicked_on",
            "timestamp": [T + minute * MINUTE for minute in minutes],
        }
    )
    shop = Shop.from_frames(products(), frame.iloc[::-1])  # the order of the rows is not the order of time
    assert shop.events["session_id"].tolist() == ["u/0", "v/0", "u/0", "v/1", "u/1"]


def test_derived_shoppers_are_those_who_did_or_saw_something() -> None:
    shown = events(event_type="impression", user_id=["z", "u", "z"])
    assert Shop.from_frames(products(), events()).shoppers["user_id"].tolist() == ["u", "v"]
    assert Shop.from_frames(products(), events(), impressions=shown).shoppers["user_id"].tolist() == ["u", "v", "z"]


def test_lacks() -> None:
    plain = Shop.from_frames(products(), events())
    assert set(plain.lacks) == {
        *PRODUCT_COLUMNS,
        *(f"shoppers.{name}" for name in SHOPPER_COLUMNS),
        *(f"event.{name}" for name in EVENT_COLUMNS),
        "put_to_cart",
        "removed_from_cart",
        "impressions",
    }
    rich = Shop.from_frames(
        products(price=1.0), events(device="phone"), shoppers(region="north"), events(event_type="impression")
    )
    assert set(plain.lacks) - set(rich.lacks) == {"price", "event.device", "shoppers.region", "impressions"}


def test_popularity_counts_clicks() -> None:
    shop = log(("u", "b", "clicked_on", 0, "1"), ("u", "b", "clicked_on", 1, "1"), ("v", "a", "buy", 2, "2"))
    assert shop.popularity.to_dict() == {"a": 0, "b": 2}
    assert shop.popularity.dtype == np.int64
    assert shop.popularity is shop.popularity


def test_popularity_without_clicks_counts_distinct_buyers() -> None:
    rows = [("u", "b", "buy", minute, "1") for minute in range(5)]
    shop = log(*rows, ("u", "a", "buy", 6, "1"), ("v", "a", "buy", 7, "2"), ("v", "b", "put_to_cart", 8, "2"))
    assert shop.popularity.to_dict() == {"a": 2, "b": 1}


def test_tie_order_is_popularity_then_id() -> None:
    frame = pd.DataFrame({"item_id": ["b", "a", "9", "ä", "B", "10"]})
    shop = Shop.from_frames(frame, events(item_id=["ä", "ä", "b"], event_type="clicked_on"))
    assert shop.tie_order.tolist() == ["ä", "b", "10", "9", "B", "a"]
    assert shop.tie_order.dtype == object


def test_a_shop_without_events() -> None:
    empty_objects = pd.DataFrame(columns=[*events().columns, "session_id", "price", "id"])
    for shop in (no_events(), Shop.from_frames(products(), empty_objects)):
        assert shop.popularity.tolist() == [0, 0, 0]
        assert shop.tie_order.tolist() == ["a", "b", "c"]
        assert {"clicked_on", "buy"} < set(shop.lacks)
        assert len(shop.fingerprint) == 16
        assert (len(shop.shoppers), len(shop.sequences()), as_events(shop.events)) == (0, 0, [])
        assert len(shop.between(T, None).without_repeats().events) == 0
        assert shop.events["timestamp"].dtype == np.int64
        refused(r"split: the shop has no events", shop.split)


def test_one_product() -> None:
    shop = Shop.from_frames(pd.DataFrame({"item_id": [5]}), events(item_id=5))
    assert (shop.tie_order.tolist(), shop.popularity.tolist()) == (["5"], [2])


def test_from_sessions() -> None:
    shop = Shop.from_sessions([["b", "a"], [], ["a", "a", "c"]])
    assert shop.products["item_id"].tolist() == ["a", "b", "c"]
    assert shop.sequences(collapse=False).groupby("session_id")["item_id"].agg(list).to_dict() == {
        "s0": ["b", "a"],
        "s2": ["a", "a", "c"],
    }
    refused("products: the table is empty", lambda: Shop.from_sessions([]))


# -- parts of a shop


def test_between_takes_the_start_and_leaves_the_end() -> None:
    shop = Shop.from_frames(products(), events(), impressions=events(event_type="impression"))
    part = shop.between(T + MINUTE, T + 2 * MINUTE, name="part")
    for frame in (part.events, part.impressions):
        assert frame is not None
        assert (frame["timestamp"].tolist(), frame.index.tolist()) == ([T + MINUTE], [0])
    assert (part.name, len(part.products), len(part.shoppers)) == ("part", 3, 2)
    assert len(shop.between().events) == 3
    assert len(shop.between(T + 3 * MINUTE, None).events) == len(shop.between(None, T).events) == 0
    assert shop.popularity["a"] == 2 and part.popularity["a"] == 0  # nothing remembered from the whole


def test_only() -> None:
    shop = Shop.from_frames(products(), events())
    part = shop.only(shop.events[shop.events["user_id"] == "v"])
    assert (part.events.index.tolist(), part.popularity.tolist()) == ([0], [1, 0, 0])


def sequences_of(shop: Shop, **options: Any) -> dict[str, list[str]]:
    rows = shop.sequences(**options)
    assert rows.index.tolist() == list(range(len(rows)))
    return rows.groupby("session_id", sort=False)["item_id"].agg(list).to_dict()


def test_repeats_are_removed_before_short_sessions_are_dropped() -> None:
    shop = clicks(("a", 0, "reload"), ("a", 1, "reload"), ("a", 2, "real"), ("b", 3, "real"), ("b", 4, "real"))
    assert sequences_of(shop) == {"real": ["a", "b"]}
    assert sequences_of(shop, collapse=False) == {"reload": ["a", "a"], "real": ["a", "b", "b"]}
    assert sequences_of(shop, min_length=1) == {"reload": ["a"], "real": ["a", "b"]}


def test_interleaved_sessions_come_apart_in_the_order_of_their_start() -> None:
    shop = clicks(("a", 0, "z"), ("b", 1, "y"), ("a", 2, "z"), ("c", 3, "y"), ("b", 4, "z"), ("b", 5, "z"))
    assert sequences_of(shop) == {"z": ["a", "b"], "y": ["b", "c"]}
    assert list(sequences_of(shop)) == ["z", "y"]
    # The last click of one session and the first of the next are no repeat.
    assert sequences_of(clicks(("a", 0, "z"), ("b", 1, "z"), ("b", 2, "y"), ("a", 3, "y"))) == {
        "z": ["a", "b"],
        "y": ["b", "a"],
    }


def test_ties_in_time_keep_the_log_order() -> None:
    shop = clicks(("c", 0, "y"), ("b", 0, "z"), ("a", 0, "y"), ("a", 0, "z"), ("b", 0, "y"))
    assert sequences_of(shop) == {"y": ["c", "a", "b"], "z": ["b", "a"]}


def test_sequences_of_another_type() -> None:
    shop = log(("u", "a", "buy", 0, "1"), ("u", "c", "clicked_on", 1, "1"), ("u", "b", "buy", 2, "1"))
    assert sequences_of(shop, event_type="buy") == {"1": ["a", "b"]}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from("xyz")), min_size=1, max_size=12))
def test_sequences_against_a_loop(rows: list[tuple[str, int, str]]) -> None:
    wanted: dict[str, list[str]] = {}
    for item, _, session in sorted(rows, key=lambda row: row[1]):
        so_far = wanted.setdefault(session, [])
        if so_far[-1:] != [item]:
            so_far.append(item)
    wanted = {session: items for session, items in wanted.items() if len(items) > 1}
    shop = clicks(*rows)
    assert sequences_of(shop) == wanted
    # The same clicks are left when the repeats are taken out of the shop, in the order of the log.
    left = shop.without_repeats(min_length=2)
    assert sequences_of(left, collapse=False) == wanted
    assert left.events["timestamp"].is_monotonic_increasing


def test_without_repeats_keeps_other_events_and_the_order() -> None:
    shop = log(
        ("u", "a", "put_to_cart", 0, "1"),
        ("v", "c", "clicked_on", 0, "2"),
        ("u", "a", "clicked_on", 0, "1"),
        ("u", "a", "buy", 1, "1"),
        ("u", "a", "clicked_on", 1, "1"),
        ("u", "b", "clicked_on", 1, "1"),
        ("v", "a", "buy", 2, "2"),
    )
    assert shop.without_repeats().events.equals(shop.events.drop(index=4).reset_index(drop=True))
    assert shop.without_repeats(min_length=2).events["item_id"].tolist() == ["a", "a", "a", "b", "a"]


# -- split


def daily(*offsets: int) -> Shop:
    return clicks(*[("a", offset / MINUTE, f"s{number}") for number, offset in enumerate(offsets)])


def test_split_cuts_at_midnight() -> None:
    shop = daily(0, DAY_MS - 1, DAY_MS, 2 * DAY_MS - 1, 2 * DAY_MS, 4 * DAY_MS - 1)
    shop = Shop.from_frames(shop.products, shop.events, impressions=shop.events.assign(event_type="impression"))
    parts = shop.split(test_days=2, tune_days=1)
    times = {name: (part.events["timestamp"] - T).tolist() for name, part in vars(parts).items()}
    assert times == {
        "train": [0, DAY_MS - 1],
        "tune": [DAY_MS, 2 * DAY_MS - 1],
        "before_test": [0, DAY_MS - 1, DAY_MS, 2 * DAY_MS - 1],
        "test": [2 * DAY_MS, 4 * DAY_MS - 1],
    }
    for part in (parts.train, parts.tune, parts.before_test, parts.test):
        assert part.impressions is not None and len(part.impressions) == len(part.events)
        assert part.products is shop.products


def test_split_of_the_default_lengths() -> None:
    for days, wanted in {36: [15, 7, 14], 35: [23, 4, 8], 8: [5, 1, 2], 4: [2, 1, 1]}.items():
        parts = daily(*[day * DAY_MS + 5 for day in range(days)]).split()
        assert [len(part.events) for part in (parts.train, parts.tune, parts.test)] == wanted


def test_split_of_a_single_day_is_by_the_clock() -> None:
    parts = daily(*[minute * MINUTE for minute in range(81)]).split()  # 80 minutes: 50, 10 and 20 of them
    assert [len(part.events) for part in (parts.train, parts.tune, parts.test)] == [50, 10, 21]
    refused(r"split: all events are of one moment", daily(0, 0).split)


def test_split_of_a_log_that_is_too_short() -> None:
    brief = daily(0, 20 * DAY_MS)
    refused(
        r"split: the log spans 21 days, too few for 7 to tune and 14 to test; choose fewer", lambda: brief.split(14, 7)
    )
    refused(r"split: the log spans 1 days, too few for 1 to tune and 1 to test", lambda: daily(0, 5).split(test_days=1))
    refused(r"split: test_days 0", lambda: daily(0, 50 * DAY_MS).split(test_days=0))
    refused(r"split: .*tune_days 0", lambda: daily(0, 50 * DAY_MS).split(tune_days=0))


# -- fingerprints


def toy() -> Shop:
    return Shop.from_frames(
        products(
            price=[1.5, None, 3.0],
            name=pd.Series(["Größe", None, "c"], dtype=object),
            in_stock=[True, False, True],
            launched_at=[T, T, T],
        ),
        events(position=[1, None, 3]),
        shoppers(region=pd.Categorical(["north", None])),
    )


def test_fingerprint_is_the_same_on_every_pandas() -> None:
    assert toy().fingerprint == "0ad89c633b5e1a9b"


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("products", "price", 1.25),
        ("products", "price", None),
        ("products", "name", "Groesse"),
        ("products", "in_stock", False),
        ("products", "launched_at", T + 1),
        ("events", "user_id", "v"),
        ("events", "timestamp", T + 1),
        ("events", "event_type", "buy"),
        ("events", "session_id", "u/9"),
        ("events", "position", None),
        ("shoppers", "user_id", "w"),
    ],
)
def test_fingerprint_sees_every_value(table: str, column: str, value: Any) -> None:
    shop = toy()
    frame = getattr(shop, table).copy()
    frame.loc[0, column] = value
    changed = Shop(
        **{**{name: getattr(shop, name) for name in ("name", "products", "shoppers", "events")}, table: frame}
    )
    assert changed.fingerprint != shop.fingerprint


def test_fingerprint_sees_impressions() -> None:
    shown = Shop.from_frames(products(), events(), impressions=events(event_type="impression"))
    assert shown.fingerprint != Shop.from_frames(products(), events()).fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": ["a\x1fb", "c"]}, {"a": ["a", "b\x1fc"]}),
        ({"a": ['a", "b', "c"]}, {"a": ["a", 'b", "c']}),
        ({"a": ["x"], "b": ["y"]}, {"a": ["xb\x1fy"]}),
        ({"a": ["x"], "b": ["y"]}, {"b": ["y"], "a": ["x"]}),
        ({"a\x1fx": ["y"]}, {"a": ["x\x1fy"]}),
        ({"a": ["", ""]}, {"a": [""]}),
        ({"a": ["\x00"]}, {"a": [None]}),
        ({"a": ["None"]}, {"a": [None]}),
        ({"a": ["nan"]}, {"a": [None]}),
        ({"a": [1, 0]}, {"a": [True, False]}),
        ({"a": ["1"]}, {"a": [1]}),
        ({"a": [1, "x"]}, {"a": ["1", "x"]}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": [1]}, {"b": [1]}),
    ],
)
def test_different_frames_have_different_hashes(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = (pd.DataFrame({k: pd.Series(v, dtype=object) for k, v in frame.items()}) for frame in (one, other))
    assert frame_hash(first) != frame_hash(second)
    assert frame_hash(first.infer_objects()) != frame_hash(second.infer_objects())


@pytest.mark.parametrize(
    ("values", "dtypes"),
    [
        (["x", None], [object, "category", "string", None]),
        ([1, 2], ["int64", "int32", "Int64", "uint8", object]),
        ([1.0, None], ["float64", "Float64", "Int64", object]),
        ([True, False], ["bool", "boolean", object]),
        ([True, None], ["boolean", object]),
        ([0.0], ["float64"]),
    ],
)
def test_hash_does_not_see_the_flavour(values: list[Any], dtypes: list[Any]) -> None:
    assert len({frame_hash(pd.DataFrame({"a": pd.Series(values, dtype=dtype)})) for dtype in dtypes}) == 1
    frame = pd.DataFrame({"a": pd.Series(values, dtype=dtypes[0])})
    assert frame_hash(frame) == frame_hash(frame.set_index(pd.Index(range(9, 9 + len(frame)))))


def test_hash_of_times_and_zeros() -> None:
    times = pd.Series(pd.to_datetime(["2026-01-01", None]))
    assert (
        len({frame_hash(pd.DataFrame({"a": times.astype(f"datetime64[{unit}]")})) for unit in ("s", "ms", "ns")}) == 1
    )
    assert frame_hash(pd.DataFrame({"a": [0.0]})) == frame_hash(pd.DataFrame({"a": [-0.0]}))


# -- events as objects


def test_as_events() -> None:
    shop = Shop.from_frames(
        products(),
        events(
            price=[1.5, np.nan, 2.0],
            quantity=pd.array([1, None, 3], dtype="Int64"),
            surface=pd.Categorical(["home", None, "page"]),
            device=pd.Series(["phone", None, None], dtype=object),
            mine=[1, 2, 3],
        ),
    )
    made = as_events(shop.events)
    assert [dict(event.event_attr) for event in made] == [
        {"surface": "home", "device": "phone", "price": 1.5, "quantity": 1.0},
        {},
        {"surface": "page", "price": 2.0, "quantity": 3.0},
    ]
    for event, row in zip(made, shop.events.itertuples(), strict=True):
        assert (event.user_id, event.item_id, event.event_type) == (row.user_id, row.item_id, row.event_type)
        assert (event.timestamp, event.session_id) == (row.timestamp, row.session_id)
        assert type(event.timestamp) is int and type(event.user_id) is str
        assert {type(value) for value in event.event_attr.values()} <= {str, float}


def test_as_events_gives_equal_rows_different_ids() -> None:
    twice = events(user_id="u", item_id=["a", "a", "a"], event_type="buy", timestamp=T)
    rows = Shop.from_frames(products(), twice).events
    assert len({event.id for event in as_events(rows)}) == 3
    assert len({event.id for event in as_events(pd.concat([rows, rows]))}) == 6  # an index with repeats
    # A part of the log has the ids that the whole has.
    assert [event.id for event in as_events(rows.iloc[1:])] == [event.id for event in as_events(rows)][1:]


def test_as_events_takes_the_logs_own_ids() -> None:
    shop = Shop.from_frames(products(), events(id=["x", "y", "z"], timestamp=[T + 2, T + 1, T]))
    assert [event.id for event in as_events(shop.events)] == ["z", "y", "x"]
    assert [event.id for event in as_events(Shop.from_frames(products(), events(id=[7, 8, 9])).events)] == [
        "7",
        "8",
        "9",
    ]
