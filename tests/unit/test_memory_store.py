"""The store in memory, against numpy and the filters' own mask; and what is checked before anything is written."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recsys_lab.filters import Filter, FilterError, field
from recsys_lab.stores import StoreError, VectorStore, open_store, refresh, rollback

price, colour = field("price"), field("colour")


@pytest.mark.parametrize("metric", ["cosine", "dot"])
@pytest.mark.parametrize("where", [None, price < 50, ~(price < 50), (colour != "red") | (price == 3)])
def test_it_is_plain_numpy(metric: str, where: Filter | None) -> None:
    rng = np.random.default_rng(0)
    ids, vectors = [f"p{number:03d}" for number in range(500)], rng.normal(size=(500, 12)) * 4
    table = pd.DataFrame({"price": rng.integers(0, 100, 500).astype(float), "colour": rng.choice(["red", "blue"], 500)})
    table.loc[rng.random(500) < 0.2, "price"] = np.nan
    table["colour"] = table["colour"].astype(object).where(rng.random(500) < 0.8, None)
    question = rng.normal(size=12)
    scores = vectors @ question
    if metric == "cosine":
        scores = scores / np.linalg.norm(vectors, axis=1) / np.linalg.norm(question)
    scores[np.zeros(500, dtype=bool) if where is None else ~where.mask(table)] = -np.inf
    best = np.argsort(-scores)[:20]
    with open_store("memory://") as store:
        things = store.collection("things", 12, metric)  # type: ignore[arg-type]
        assert isinstance(things, VectorStore)
        things.upsert(ids, vectors, table.to_dict("records"))
        found = things.search(question, 20, where)
    assert found.item_ids == tuple(ids[at] for at in best)
    np.testing.assert_allclose(found.scores, scores[best], atol=1e-5)


def test_a_text_field_in_its_own_kind() -> None:
    with open_store("memory://") as store:
        things = store.collection("things", 2)
        assert len(things.search([1, 0], where=price < 3)) == 0  # nothing there yet, so no field is known either
        things.upsert(["a"], [[1, 0]], [{"price": 1, "colour": None}])
        with pytest.raises(FilterError, match="the fields are: price"):
            things.search([1, 0], where=colour == "red")
        with pytest.raises(FilterError, match="holds numbers"):
            things.search([1, 0], where=price == True)  # noqa: E712
        assert things.search([1, 0], where=price == 1).item_ids == ("a",)
        with pytest.raises(FilterError, match="holds numbers"):  # though == 1 has passed the check
            things.search([1, 0], where=price == True)  # noqa: E712
        with pytest.raises(StoreError, match="'price' holds numbers"):
            things.upsert(["b"], [[1, 0]], [{"price": "dear"}])


def test_ties_fall_by_id_however_long_they_are() -> None:
    with open_store("memory://") as store:
        things = store.collection("things", 2)
        ids = [f"p{number:03d}" for number in np.random.default_rng(1).permutation(300)]
        things.upsert(ids, [[1, 1]] * 300)
        assert things.search([1, 1], k=4).item_ids == ("p000", "p001", "p002", "p003")
        things.delete(ids[:150])
        assert things.search([1, 1], k=200).item_ids == tuple(sorted(ids[150:]))


def test_refresh_keeps_the_old_one_for_a_rollback() -> None:
    with open_store("memory://") as store:
        for label in "abc":
            refresh(store, "shelf", lambda new, label=label: new.upsert([label], [[1, 0]]), 2)
        assert store.collections() == ["shelf__000002", "shelf__000003"]
        assert store.alias("shelf").search([1, 0]).item_ids == ("c",)
        rollback(store, "shelf")
        assert store.alias("shelf").search([1, 0]).item_ids == ("b",)
        with pytest.raises(StoreError, match="no version before 'shelf__000002', the oldest that was kept"):
            rollback(store, "shelf")
        with pytest.raises(StoreError, match="rollback of 'other': nothing was refreshed here yet"):
            rollback(store, "other")
        with pytest.raises(StoreError, match="fewer than"):
            refresh(store, "shelf", lambda new: None, 2)


def test_an_unknown_address() -> None:
    with pytest.raises(StoreError, match="memory://, qdrant://"):
        open_store("chroma://")
    for address in ("memory", "memory:", "memory:/x", "qdrant:/tmp/x", "redis:host"):
        with pytest.raises(StoreError, match="is no address of a store"):
            open_store(address)
    with pytest.raises(StoreError, match="nothing stands behind it; for a folder write qdrant:///x"):
        open_store("memory:///x")
