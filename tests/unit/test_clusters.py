"""Clusters on vectors whose groups are known, and the figures of the real clickstream."""

from __future__ import annotations

import json
import math
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.clusters import ClusterRecommender, Clusters, cards, choose_k
from recsys_lab.datasets import DataError, Event, Shop
from recsys_lab.item2vec import Vectors
from recsys_lab.recommender import Context, NotFittedError

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

NOW = 10**9
SIZES = {"a": 3, "b": 8, "c": 5}


def three_groups(seed: int = 0) -> Vectors:
    """Three directions in four dimensions with a little noise; lengths differ twenty-fold and mean nothing."""
    rng = np.random.default_rng(seed)
    ids = [f"{name}{number}" for name, size in SIZES.items() for number in range(size)]
    rows = np.array([np.eye(4)["abc".index(item[0])] for item in ids]) + rng.normal(0, 0.05, (len(ids), 4))
    return Vectors(tuple(ids), rows * rng.uniform(0.5, 10, (len(ids), 1)))


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return three_groups()


@pytest.fixture(scope="module")
def clusters(vectors: Vectors) -> Clusters:
    return Clusters(k=3).fit(vectors)


def shop_of(vectors: Vectors) -> Shop:
    """A visit along each group, and a product without a vector, which is the most popular one."""
    visits = [[item for item in vectors.ids if item[0] == name] for name in SIZES]
    return Shop.from_sessions([*visits, *[["plain", "b0"]] * 3, ["plain"], ["plain"]])


def test_the_groups_are_found_and_numbered_by_size(clusters: Clusters, vectors: Vectors) -> None:
    assert [len(items) for items in clusters.members_] == [8, 5, 3]
    for cluster, name in enumerate("bca"):
        assert {item[0] for item in clusters.members(cluster)} == {name}
    assert clusters.labels_.loc["a1"] == 2
    assert sorted(clusters.labels_.index) == sorted(vectors.ids)
    assert clusters.centres_.shape == (3, 4)


def test_centres_are_means_at_length_one_and_members_stand_nearest_first(clusters: Clusters, vectors: Vectors) -> None:
    for cluster in range(3):
        own = np.array([vectors.unit[vectors.ids.index(item)] for item in clusters.members(cluster)])
        np.testing.assert_allclose(clusters.centres_[cluster], own.mean(axis=0))
        distance = np.linalg.norm(own - own.mean(axis=0), axis=1)
        assert (np.diff(distance) >= -1e-6).all()
        assert distance[-1] > distance[0]


def test_equal_sizes_are_numbered_by_id() -> None:
    four = Vectors(("z", "y", "b", "c"), np.array([[1, 0.0], [1, 0.1], [0, 1.0], [0.1, 1.0]]))
    for seed in range(4):
        assert [set(items) for items in Clusters(2, seed).fit(four).members_] == [{"b", "c"}, {"y", "z"}]


def test_the_same_seed_gives_the_same_clusters_in_any_order_of_rows(vectors: Vectors) -> None:
    again = Clusters(k=3).fit(vectors)
    assert again.members_ == Clusters(k=3).fit(three_groups()).members_
    turned = Vectors(vectors.ids[::-1], vectors.matrix[::-1])
    assert Clusters(k=3).fit(turned).members_ == again.members_


def test_length_does_not_count(vectors: Vectors, clusters: Clusters) -> None:
    assert Clusters(k=3).fit(Vectors(vectors.ids, vectors.unit)).members_ == clusters.members_
    from sklearn.cluster import KMeans

    raw = KMeans(3, n_init=10, random_state=0).fit_predict(vectors.matrix)
    assert len({tuple(sorted({item[0] for item, own in zip(vectors.ids, raw, strict=True) if own == at}))
                for at in range(3)} - {("a",), ("b",), ("c",)}) > 0  # fmt: skip


def test_assign_agrees_with_the_labels_and_places_new_products(clusters: Clusters, vectors: Vectors) -> None:
    assert clusters.assign(vectors).to_dict() == clusters.labels_.to_dict()
    new = Vectors(("n1", "n2"), np.array([[0, 0, 90.0, 1], [0.001, 0, 0, 0]]))
    assert clusters.assign(new).to_dict() == {"n1": 1, "n2": 2}
    assert clusters.assign(Vectors((), np.zeros((0, 4)))).empty
    with pytest.raises(ValueError, match="3-d and the centres 4-d"):
        clusters.assign(Vectors(("n",), np.ones((1, 3))))
    with pytest.raises(ValueError, match="'n' is all zeros"):
        clusters.assign(Vectors(("n",), np.zeros((1, 4))))


def test_saved_and_loaded(clusters: Clusters, vectors: Vectors, tmp_path: Path) -> None:
    paths = clusters.save(tmp_path / "new")
    assert [path.name for path in paths] == ["centres.npy", "clusters.json"]
    loaded = Clusters.load(tmp_path / "new")
    assert (loaded.k, loaded.random_state, loaded.starts) == (3, 0, 10)
    assert loaded.members_ == clusters.members_
    assert loaded.labels_.equals(clusters.labels_)
    assert loaded.assign(vectors).equals(clusters.assign(vectors))


@pytest.mark.parametrize("damage", ["members", "settings", "centres", "missing", "cut", "no json"])
def test_damaged_files_are_refused(clusters: Clusters, tmp_path: Path, damage: str) -> None:
    numbers, words = clusters.save(tmp_path)
    held = json.loads(words.read_text(encoding="utf-8"))
    if damage == "members":
        held["members"][0][:2] = held["members"][0][1::-1]
    elif damage == "settings":
        held["settings"]["k"] = 2
    elif damage == "centres":
        np.save(numbers, clusters.centres_ + 1e-9)
    elif damage == "missing":
        numbers.unlink()
    elif damage == "cut":
        numbers.write_bytes(numbers.read_bytes()[:20])
    words.write_text("{" if damage == "no json" else json.dumps(held), encoding="utf-8")
    with pytest.raises(DataError, match=r"cannot be read as clusters.*save them again"):
        Clusters.load(tmp_path)


def test_clear_errors(vectors: Vectors, clusters: Clusters, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    twins = Vectors(("a", "b", "c"), np.array([[1.0, 0], [2.0, 0], [0, 1.0]]))
    for k, words in {3: "3 clusters of 2 different vectors", 0: "at least 1"}.items():
        with pytest.raises(ValueError, match=words):
            Clusters(k).fit(twins)
    with pytest.raises(ValueError, match="starts: 0"):
        Clusters(2, starts=0).fit(twins)
    with pytest.raises(ValueError, match="numbered from 0 to 2"):
        clusters.members(3)
    for ask in (lambda: Clusters().members(0), lambda: Clusters().assign(vectors), lambda: Clusters().save(tmp_path)):
        with pytest.raises(NotFittedError, match=r"\.fit\(vectors\)"):
            ask()
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(ModuleNotFoundError, match="pip install"):
        Clusters(2).fit(twins)


def test_choose_k_says_what_speaks_for_each(vectors: Vectors) -> None:
    table = choose_k(vectors, [2, 3, 6], seeds=range(4), useful=lambda found: -abs(found.k - 3), starts=5)
    assert table.index.tolist() == [2, 3, 6]
    assert table["silhouette"].idxmax() == 3
    assert table.loc[3, "silhouette"] > 0.8
    assert table.loc[3, "stability"] == 1.0
    assert table.loc[6, "stability"] < 1.0
    assert table["useful"].tolist() == [-1, 0, -3]
    assert table.loc[3, "smallest"] == 3
    assert table["loss"].is_monotonic_decreasing
    assert (table["seconds"] > 0).all()
    assert "useful" not in choose_k(vectors, [3])


def test_choose_k_has_the_definitions_of_its_columns(vectors: Vectors) -> None:
    row = choose_k(vectors, [3]).loc[3]
    groups = {name: np.array([unit for item, unit in zip(vectors.ids, vectors.unit, strict=True) if item[0] == name])
              for name in SIZES}  # fmt: skip
    by_hand = []
    for name, own in groups.items():
        for vector in own:
            a = np.linalg.norm(own - vector, axis=1).sum() / (len(own) - 1)
            b = min(np.linalg.norm(other - vector, axis=1).mean() for key, other in groups.items() if key != name)
            by_hand.append((b - a) / max(a, b))
    assert row["silhouette"] == pytest.approx(np.mean(by_hand))
    loss = np.concatenate([((own - own.mean(axis=0)) ** 2).sum(axis=1) for own in groups.values()]).mean()
    assert row["loss"] == pytest.approx(loss)


@pytest.mark.parametrize(
    ("ks", "seeds", "words"), [([1], (0, 1), "from 2 to 15"), ([16], (0, 1), "from 2 to 15"), ([3], (0, 0), "two")]
)
def test_choose_k_refuses(vectors: Vectors, ks: list[int], seeds: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        choose_k(vectors, ks, seeds)


@pytest.fixture(scope="module")
def products(vectors: Vectors) -> pd.DataFrame:
    kinds = {"a": "Wool Hat", "b": "T-shirt", "c": "Boots"}
    names = [f"Good {'Red' if int(item[1]) % 2 else 'Blue'} {kinds[item[0]]}" for item in vectors.ids]
    prices = [float(10 * (1 + int(item[1]))) for item in vectors.ids]
    pictures = [f"<svg>{item}</svg>" for item in vectors.ids]
    return pd.DataFrame({"item_id": list(vectors.ids), "name": names, "price": prices, "picture": pictures})


def test_cards(clusters: Clusters, products: pd.DataFrame) -> None:
    table = cards(clusters, products, words=2, examples=2)
    assert table["name"].tolist() == ["t-shirt, red", "boots, blue", "hat, wool"]
    assert table["products"].tolist() == [8, 5, 3]
    assert table.loc[1, ["price_low", "price_middle", "price_high"]].tolist() == [10, 30, 50]
    assert table.loc[0, "examples"] == clusters.members(0)[:2]
    assert table.loc[2, "pictures"] == tuple(f"<svg>{item}</svg>" for item in clusters.members(2)[:2])


def test_cards_of_a_shop_that_lacks_columns(clusters: Clusters, products: pd.DataFrame) -> None:
    plain = cards(clusters, products[["item_id", "name"]])
    assert not {"price_low", "pictures"} & set(plain.columns)
    same = cards(clusters, products.assign(name="Thing"))
    assert same["name"].tolist() == ["cluster 0", "cluster 1", "cluster 2"]
    holes = cards(clusters, products.assign(name=products["name"].where(products["item_id"] != "a0"))[2:], words=1)
    assert holes.loc[2, "name"] in ("hat", "wool")
    assert holes["products"].tolist() == [8, 5, 3]
    with pytest.raises(ValueError, match="no colour"):
        cards(clusters, products, columns=["colour"])
    with pytest.raises(ValueError, match="no text"):
        cards(clusters, products, columns=[])


def test_equal_names_are_told_apart(products: pd.DataFrame) -> None:
    split = Clusters(k=2).fit(Vectors(("b0", "b1", "b2", "b3"), np.array([[1, 0.0], [0, 1.0], [1, 0.1], [0.1, 1.0]])))
    named = products.assign(name=["Hat" if item[1] in "02" else "Hat Hat" for item in products["item_id"]])
    mixed = named.assign(name=["Hat" if item == "b0" else "Shoe" for item in products["item_id"]])
    assert cards(split, mixed)["name"].tolist() == ["hat", "shoe"]
    assert cards(split, named)["name"].is_unique


def asked(*items: str, at: int = NOW) -> Context:
    return Context("u", at, tuple(Event("u", item, "clicked_on", n, "s") for n, item in enumerate(items)),
                   viewed=items[-1])  # fmt: skip


def test_recommends_by_distance_within_the_cluster_first(vectors: Vectors) -> None:
    model = ClusterRecommender(k=3, vectors=vectors).fit(shop_of(vectors))
    listed = model.recommend(asked("b0", "a0"), 20)
    near = vectors.nearest("a0", 15).item_ids
    own = [item for item in near if item[0] == "a"]
    assert list(listed.item_ids) == [*own, *[item for item in near if item[0] != "a"], "plain"]
    assert listed.scores[0] == pytest.approx(-math.sqrt(2 - 2 * vectors.nearest("a0", 1).scores[0]), abs=1e-5)
    assert list(listed.scores) == sorted(listed.scores, reverse=True)


def test_what_it_is_asked_from(vectors: Vectors) -> None:
    model = ClusterRecommender(k=3, vectors=vectors).fit(shop_of(vectors))
    assert model.asked_from(asked("b0", "a0")) == "a0"
    assert model.asked_from(asked("a0", "plain", "strange")) == "a0"
    assert model.asked_from(Context(None, NOW, cart=("c1", "plain"))) == "c1"
    assert model.asked_from(Context("s1", NOW)) == "b7"
    assert model.asked_from(Context("s1", NOW, history=())) is None
    nobody = Context("nobody", NOW)
    assert model.asked_from(nobody) is None
    assert model.recommend(nobody, 2).item_ids == ("plain", "b0")


def firsts(variety: float, vectors: Vectors, draws: int = 600, **given: Any) -> pd.Series:
    model = ClusterRecommender(k=3, variety=variety, vectors=vectors, **given).fit(shop_of(vectors))
    ids, _ = model.recommend_many([asked("b0", at=NOW + n) for n in range(draws)], 7)
    assert {item[0] for row in ids for item in row} == {"b"}, "no outsider above a member"
    return pd.Series(ids[:, 0]).value_counts(normalize=True)


def test_variety_draws_by_distance_and_without_end_it_draws_evenly(vectors: Vectors) -> None:
    near = vectors.nearest("b0", 7)
    distance = np.sqrt(2 - 2 * np.array(near.scores))
    wanted = np.exp(-distance / 0.1)
    drawn = firsts(0.1, vectors).reindex(near.item_ids, fill_value=0)
    np.testing.assert_allclose(drawn, wanted / wanted.sum(), atol=0.07)
    np.testing.assert_allclose(firsts(math.inf, vectors).reindex(near.item_ids, fill_value=0), 1 / 7, atol=0.06)
    assert firsts(0.0, vectors).to_dict() == {near.item_ids[0]: 1.0}


def test_the_same_question_gets_the_same_list(vectors: Vectors) -> None:
    shop = shop_of(vectors)
    lists = [ClusterRecommender(3, 0.5, vectors, random_state=seed).fit(shop).recommend(asked("b0"), 7)
             for seed in (0, 0, 1)]  # fmt: skip
    assert lists[0] == lists[1]
    assert lists[0].item_ids != lists[2].item_ids
    model = ClusterRecommender(3, 0.5, vectors).fit(shop)
    ids, _ = model.recommend_many([asked("b0"), asked("b0", at=NOW + 1), asked("b0")], 7)
    assert ids[0].tolist() == ids[2].tolist() == list(lists[0].item_ids)
    assert ids[0].tolist() != ids[1].tolist()


def test_trains_item2vec_itself() -> None:
    pytest.importorskip("gensim", reason="gensim is not installed")
    shop = Shop.from_sessions([["a", "b", "c"], ["d", "e", "f"]] * 100)
    model = ClusterRecommender(2, item2vec={"dim": 8, "negative": 2, "sample": 0}).fit(shop)
    assert {frozenset(items) for items in model.clusters_.members_} == {frozenset("abc"), frozenset("def")}
    assert model.vectors_.dim == 8
    with pytest.raises(ValueError, match="one of the two"):
        ClusterRecommender(2, vectors=model.vectors_, item2vec={"dim": 8}).fit(shop)
    with pytest.raises(ValueError, match="variety: -1"):
        ClusterRecommender(2, variety=-1, vectors=model.vectors_).fit(shop)


def test_silhouette_of_the_clickstream_is_flat(clickstream: Shop) -> None:
    """The recipe of a published notebook: CBOW, 10-d, window 5, seed 1, on sessions of two clicks or more."""
    rows = clickstream.sequences(collapse=False, min_length=2)
    rows = rows.assign(_number=rows["session_id"].astype(int)).sort_values("_number", kind="stable")
    visits = [[item for item, _ in groupby(items)] for _, items in rows.groupby("_number")["item_id"]]
    gensim_models = pytest.importorskip("gensim.models")
    trained = gensim_models.Word2Vec(visits, vector_size=10, window=5, min_count=1, seed=1, workers=1)
    vectors = Vectors(tuple(trained.wv.index_to_key), trained.wv.vectors)
    table = choose_k(vectors, [4, 8, 10], seeds=(0, 1), starts=10)
    assert table["silhouette"].tolist() == pytest.approx([0.445, 0.465, 0.439], abs=0.006)
