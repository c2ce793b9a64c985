"""The contract of every store, on your lance_store.py: see README.md for how to run it."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
pytest.register_assert_rewrite("contract")  # so that a test that fails shows both sides
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "services")]

import lance_store  # noqa: E402
from contract import StoreContract  # noqa: E402

from recsys_lab import stores  # noqa: E402
from recsys_lab.stores import BaseStore  # noqa: E402
from recsys_lab.stores.checks import LISTS, NUMBERS, TEXT  # noqa: E402

METHODS = ("_count", "_load_fields", "_learn", "_write", "_read", "_remove", "_nearest")
missing = [
    name
    for name in METHODS
    if "raise NotImplementedError" in inspect.getsource(getattr(lance_store.LanceCollection, name))
]


def skipping(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method; where it reaches something that is still to be written, the test is skipped with its name."""

    @functools.wraps(method)
    def tried(*given: Any, **named: Any) -> Any:
        try:
            return method(*given, **named)
        except NotImplementedError as error:
            *_, (frame, _) = traceback.walk_tb(error.__traceback__)
            name = frame.f_code.co_qualname.removeprefix("LanceCollection.")
        pytest.skip(f"still to be written: {name}")

    return tried


def test_what_is_still_to_be_written() -> None:
    names = set(lance_store.LanceCollection.schema(2).names)
    begin = "begin with schema(dim): payloads have no column yet; " if names == {"id", "vector"} else ""
    if begin or missing:
        pytest.fail(f"lance_store.py: {begin}still to be written: {', '.join(missing) or 'schema'}", pytrace=False)


if importlib.util.find_spec("lancedb") is None:

    def test_lancedb_is_installed() -> None:
        pytest.fail("lancedb is not installed; run: python -m pip install 'lancedb>=0.40,<0.41'", pytrace=False)

else:

    class TestLance(StoreContract):
        persistent = True

        def test_step_1_an_empty_table(self, store: BaseStore) -> None:
            assert store.collection("things", 2).count() == 0

        def test_step_2_fields(self, store: BaseStore) -> None:
            things: Any = store.collection("things", 2)
            assert things._load_fields() == {}
            first = {"price": NUMBERS, 'a "b".c[0] é': TEXT}
            assert things._learn(first) == first
            assert things._learn({"price": TEXT, "tags": LISTS}) == {**first, "tags": LISTS}
            again: Any = store.collection("things", 2)
            assert again._load_fields() == {**first, "tags": LISTS}

        def test_step_3_points(self, store: BaseStore) -> None:
            things = store.collection("things", 2)
            for _ in range(2):  # the second time nothing is new
                things.upsert(["a", "b"], [[1, 0], [0, 1]], [{"price": 20}, {"tags": ["x", 3]}])
                assert things.count() == 2

        @pytest.fixture(autouse=True)
        def registered(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
            for name in METHODS:
                monkeypatch.setattr(
                    lance_store.LanceCollection, name, skipping(getattr(lance_store.LanceCollection, name))
                )
            stores.register("lancedb", lance_store.open_lance, replace=True)
            yield

        @pytest.fixture
        def url(self, tmp_path: Path) -> str:
            return f"lancedb://{tmp_path}/db"
