"""`python -m recsys_lab refresh`: the shop into a store, again tomorrow, and back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from recsys_lab.cli import app
from recsys_lab.datasets import Shop
from recsys_lab.patterns import Patterns
from recsys_lab.patterns.nightly import ALIASES
from recsys_lab.stores import open_store, versions

runner = CliRunner()


def run(*arguments: object) -> tuple[int, str, str]:
    done = runner.invoke(app, ["refresh", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that stays, and a small shop in the place of the course's."""
    pytest.importorskip("qdrant_client")
    pytest.importorskip("implicit")
    clicks = Shop.from_sessions([["a", "b", "c"], ["d", "e", "f"]] * 10).events
    products = pd.DataFrame({"item_id": list("abcdef"), "category": list("xxyyzz"), "price": [1.0, 2, 3, 4, 5, 6]})
    shop = Shop.from_frames(products, clicks)
    monkeypatch.setattr("recsys_lab.datasets.load_shop", lambda: shop)
    return tmp_path / "store"


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
def test_it_fills_a_store_and_goes_back(folder: Path) -> None:
    address = f"qdrant://{folder}"
    code, said, told = run("--store", address)
    assert code == 0 and told.startswith("training 256 factors on 60 events"), told
    assert said.splitlines() == [f"{name}: {name}__000001 (before: none)" for name in ALIASES]
    with open_store(address) as store:
        found = Patterns(store.alias("items"), store.alias("shoppers")).for_you("s0", k=3)
        assert sorted(found.item_ids) == ["a", "b", "c"]
        assert store.alias("likeness").count() == store.alias("products").count() == 6
    assert run("--store", address, "--keep", 1)[0] == 0
    code, said, _ = run("--store", address)
    assert code == 0 and "items: items__000003 (before: items__000002, dropped items__000001)" in said
    code, said, told = run("--store", address, "--rollback")
    assert (code, told) == (0, "") and said.splitlines() == [f"{name}: back to {name}__000002" for name in ALIASES]
    with open_store(address) as store:
        assert store.alias("items").target == "items__000002" and len(versions(store, "items")) == 2
    code, said, told = run("--store", address, "--rollback")
    assert code == 1 and said == "" and told.count("\n") == 1 and "no version before" in told


@pytest.mark.parametrize(
    ("address", "client", "what"),
    [
        ("chroma://", "recsys_lab", "is no address of a store"),
        ("redis://127.0.0.1:1/0", "redis", "Redis does not answer"),
        ("qdrant://127.0.0.1:1", "qdrant_client", "Qdrant does not answer"),
        ("qdrant://tmp/x", "qdrant_client", "for a folder write qdrant:///tmp/x"),
        ("qdrant:/tmp/x", "recsys_lab", "is no address of a store"),
    ],
)
def test_what_goes_wrong_is_one_line(address: str, client: str, what: str) -> None:
    pytest.importorskip(client, reason=f"{client} is not installed")
    code, said, told = run("--store", address)
    assert code == 1 and said == "" and told.startswith("error: ") and told.count("\n") == 1, told
    assert what in told


def test_what_would_be_lost_is_refused() -> None:
    for address in ("memory://", "qdrant://"):
        code, _, told = run("--store", address)
        assert code == 2 and "gone when the command ends" in " ".join(told.split())
    assert run("--store", "qdrant://", "--keep", -1)[0] == 2
    assert run()[0] == 2
