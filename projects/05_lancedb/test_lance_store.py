"""The contract of every store, on your lance_store.py: see README.md for how to run it."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytest.register_assert_rewrite("contract")  # so that a test that fails shows both sides
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "services")]

import lance_store  # noqa: E402
from contract import StoreContract  # noqa: E402

from recsys_lab import stores  # noqa: E402

METHODS = ("_count", "_load_fields", "_learn", "_write", "_read", "_remove", "_nearest")
missing = [
    name
    for name in METHODS
    if "raise NotImplementedError" in inspect.getsource(getattr(lance_store.LanceCollection, name))
]

if missing:

    def test_what_is_still_to_be_written() -> None:
        pytest.fail(f"lance_store.py: still to be written: {', '.join(missing)}", pytrace=False)

elif importlib.util.find_spec("lancedb") is None:

    def test_lancedb_is_installed() -> None:
        pytest.fail("lancedb is not installed; run: python -m pip install 'lancedb>=0.40,<0.41'", pytrace=False)

else:

    class TestLance(StoreContract):
        persistent = True

        @pytest.fixture(autouse=True)
        def registered(self) -> Iterator[None]:
            stores.register("lancedb", lance_store.open_lance, replace=True)
            yield

        @pytest.fixture
        def url(self, tmp_path: Path) -> str:
            return f"lancedb://{tmp_path}/db"
