"""The event: its rules, its id, and that nothing can change it."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_lab.datasets import EVENT_TYPES, DataError, Event

T = 1_700_000_000_000
GOOD: dict[str, Any] = {
    "user_id": "ada",
    "item_id": "P1",
    "event_type": "buy",
    "timestamp": T,
    "session_id": "s1",
    "event_attr": {"price": 19.9, "quantity": 2, "surface": "home", "gift": True},
}


def event(**changes: Any) -> Event:
    return Event(**{**GOOD, **changes})


@pytest.mark.parametrize("name", ["user_id", "item_id", "session_id"])
@pytest.mark.parametrize("value", ["", None, 5, 1.5, b"ada", ["ada"]])
def test_ids_are_texts(name: str, value: Any) -> None:
    with pytest.raises(DataError, match=rf"^{name}: .*texts that are not empty"):
        event(**{name: value})


@pytest.mark.parametrize("value", ["bought", "", None, 5, ["buy"], "BUY"])
def test_event_type(value: Any) -> None:
    with pytest.raises(DataError, match=r"^event_type: .*impression, clicked_on, put_to_cart, removed_from_cart, buy"):
        event(event_type=value)
    assert [event(event_type=kind).event_type for kind in EVENT_TYPES] == list(EVENT_TYPES)


@pytest.mark.parametrize(
    "value", [-1, 2**63, 1.0, float("nan"), True, "5", None, np.float64(5), np.True_, np.uint64(2**63)]
)
def test_timestamp(value: Any) -> None:
    with pytest.raises(DataError, match=r"^timestamp: .*milliseconds since 1970"):
        event(timestamp=value)


@pytest.mark.parametrize("value", [0, 2**63 - 1])
def test_first_and_last_timestamp(value: int) -> None:
    assert event(timestamp=value).timestamp == value


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ([("a", 1)], r"^event_attr: .*mapping"),
        (None, r"^event_attr: .*mapping"),
        ({5: 1}, r"^event_attr: the name 5 is not a text"),
        ({"price": None}, r"^event_attr: 'price' is None"),
        ({"price": [1]}, r"^event_attr: 'price' is \[1\]"),
        ({"price": float("nan")}, r"^event_attr: 'price' is nan"),
        ({"price": float("inf")}, r"^event_attr: 'price' is inf"),
        ({"price": np.float32("nan")}, r"^event_attr: 'price' is nan"),
        ({"price": np.datetime64("2026-01-01")}, r"^event_attr: 'price' is"),
    ],
)
def test_attributes(attrs: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        event(event_attr=attrs)


def test_id_is_a_text() -> None:
    with pytest.raises(DataError, match=r"^id: 5"):
        event(id=5)
    assert event(id="mine").id == "mine"


def test_numpys_values_become_pythons() -> None:
    made = Event(
        np.str_("ada"), "P1", "buy", np.int64(T), "s1", {"price": np.float64(19.9), "n": np.int32(2), "on": np.True_}
    )
    assert [type(value) for value in (made.user_id, made.timestamp)] == [str, int]
    assert {name: type(value) for name, value in made.event_attr.items()} == {"price": float, "n": int, "on": bool}
    assert made == Event("ada", "P1", "buy", T, "s1", {"price": 19.9, "n": 2, "on": True})


# -- the id that is made from the content


def test_id_is_the_same_on_every_machine() -> None:
    assert Event("ada", "P1", "buy", T, "s1").id == "235118d57fbfafd72ef4217e"
    assert event().id == "2d3c8740d4be791f80a3a88a"


def test_order_of_attributes_does_not_matter() -> None:
    backwards = dict(reversed(GOOD["event_attr"].items()))
    assert list(backwards) != list(GOOD["event_attr"])
    assert event(event_attr=backwards).id == event().id
    assert event(event_attr=backwards) == event()


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": "bob"},
        {"item_id": "P2"},
        {"event_type": "clicked_on"},
        {"timestamp": T + 1},
        {"session_id": "s2"},
        {"event_attr": {}},
        {"event_attr": {**GOOD["event_attr"], "price": 20.0}},
        {"event_attr": {**GOOD["event_attr"], "gift": 1}},
        {"event_attr": {**GOOD["event_attr"], "quantity": "2"}},
        {"event_attr": {**GOOD["event_attr"], "device": "phone"}},
        {"user_id": "adaP", "item_id": "1"},  # the same letters in one row
        {"user_id": 'ada","P1', "item_id": "x"},
    ],
)
def test_any_difference_is_another_id(changes: dict[str, Any]) -> None:
    assert event(**changes).id != event().id
    assert event(**changes) != event()


def test_one_number_has_one_id() -> None:
    # A browser's JSON writes 20.0 as 20: the same event must not be counted twice for that.
    one, other = event(event_attr={"price": 20.0}), event(event_attr={"price": 20})
    assert one.id == other.id and one == other
    assert event(event_attr={"n": True}).id != event(event_attr={"n": 1}).id


def test_no_attributes_however_they_are_written() -> None:
    plain = Event("ada", "P1", "buy", T, "s1")
    assert plain == Event("ada", "P1", "buy", T, "s1", {}) == Event("ada", "P1", "buy", T, "s1", MappingProxyType({}))


def test_letters_of_all_kinds() -> None:
    for text in ("日本", "ü€", 'a"b\\', "\ud800", "\x00", " "):
        assert len(event(user_id=text, event_attr={text: text}).id) == 24


# -- nothing changes it


def test_read_only() -> None:
    attrs = {"price": 1.0}
    made = event(event_attr=attrs)
    attrs["price"] = 2.0
    assert made.event_attr["price"] == 1.0
    with pytest.raises(TypeError):
        made.event_attr["price"] = 3.0  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.user_id = "bob"  # type: ignore[misc]


def test_equal_events_are_one_in_a_set() -> None:
    assert len({event(), event(), event(item_id="P2")}) == 2
    assert event(id="x") != event(id="y")


ATTRS = st.dictionaries(
    st.text(max_size=5),
    st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)),
    max_size=4,
)


@given(attrs=ATTRS, time=st.integers(0, 2**63 - 1), user=st.text(min_size=1, max_size=5), own=st.text(max_size=3))
def test_copies_are_equal(attrs: dict[str, Any], time: int, user: str, own: str) -> None:
    made = Event(user, "P1", "buy", time, "s1", attrs, own)
    for again in (
        pickle.loads(pickle.dumps(made)),
        copy.copy(made),
        copy.deepcopy(made),
        Event(**{f.name: getattr(made, f.name) for f in dataclasses.fields(made)}),
    ):
        assert again == made and hash(again) == hash(made)
        assert (again.id, dict(again.event_attr)) == (made.id, attrs)
        assert [type(value) for value in again.event_attr.values()] == [type(value) for value in attrs.values()]
        assert isinstance(again.event_attr, MappingProxyType)


def test_copies_without_attributes() -> None:
    made = Event("ada", "P1", "buy", T, "s1")
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made


def test_dataclass_replace_makes_a_new_id_only_when_asked() -> None:
    # `replace` hands the old id on; whoever changes the content asks for a new one with id="".
    assert dataclasses.replace(event(), item_id="P2").id == event().id
    assert dataclasses.replace(event(), item_id="P2", id="").id == event(item_id="P2").id
