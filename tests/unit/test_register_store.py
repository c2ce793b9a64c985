"""A store of one's own, opened by its address like the course's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from recsys_lab import stores
from recsys_lab.stores import BaseStore, StoreError, open_store, register
from recsys_lab.stores.memory import MemoryStore


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(stores, "_openers", {})
    yield


def test_the_opener_gets_the_whole_address() -> None:
    asked = []

    def opener(url: str) -> BaseStore:
        asked.append(url)
        return MemoryStore()

    register("mine+tls", opener)
    with open_store("mine+tls://host:7/a%20b?x=1") as store:
        store.collection("things", 2).upsert(["a"], [[1, 0]])
        assert store.collections() == ["things"]
    assert asked == ["mine+tls://host:7/a%20b?x=1"]


def test_a_scheme_is_registered_once_unless_told_otherwise() -> None:
    first, second = MemoryStore(), MemoryStore()
    register("mine", lambda url: first)
    with pytest.raises(StoreError, match=r"mine:// is registered already; replace=True"):
        register("mine", lambda url: second)
    assert open_store("mine://") is first
    register("mine", lambda url: second, replace=True)
    assert open_store("mine://") is second


@pytest.mark.parametrize("scheme", stores._OURS)
def test_the_courses_own_schemes_are_not_replaced(scheme: str) -> None:
    with pytest.raises(StoreError, match="one of the course's own"):
        register(scheme, lambda url: MemoryStore(), replace=True)


@pytest.mark.parametrize("scheme", ["", "Mine", "mine://", "1st", "a b", "mine:", None, 7])
def test_a_scheme_that_is_none(scheme: Any) -> None:
    with pytest.raises(StoreError, match="is no scheme; give what stands before ://"):
        register(scheme, lambda url: MemoryStore())


def test_an_opener_that_is_none() -> None:
    with pytest.raises(StoreError, match="give a function of the address"):
        register("mine", MemoryStore())  # type: ignore[arg-type]
    register("mine", lambda url: "a store")  # type: ignore[arg-type, return-value]
    with pytest.raises(StoreError, match="returned 'a store', which is no BaseStore"):
        open_store("mine://")


def test_what_an_opener_raises_is_what_one_sees() -> None:
    def opener(url: str) -> BaseStore:
        raise ConnectionRefusedError("nobody there")

    register("mine", opener)
    for _ in range(2):  # and nothing of the first time is left
        with pytest.raises(ConnectionRefusedError, match="nobody there"):
            open_store("mine://")


def test_an_address_that_nobody_registered() -> None:
    register("mine", lambda url: MemoryStore())
    with pytest.raises(StoreError, match="is no address of a store"):
        open_store("yours://")
