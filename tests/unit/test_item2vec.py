"""item2vec on logs whose structure is known, and the published mix-up of ids on the real clickstream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.baselines import Popular, Random
from recsys_lab.datasets import DAY_MS, DataError, Event, Shop
from recsys_lab.evaluation import evaluate, session_board
from recsys_lab.filters import field
from recsys_lab.item2vec import (
    Item2Vec,
    Vectors,
    category_consistency,
    fill_cold,
    product_map,
    sequences,
    svd_vectors,
)
from recsys_lab.recommender import Context, NotFittedError

NOW = 10**9
# Three aisles of six products; a visit walks along one of them and turns round at its end.
AISLES = {name: [f"{name}{number}" for number in range(6)] for name in "abc"}
WALKS = [(aisle * 2)[start : start + 4] for aisle in AISLES.values() for start in range(6)] * 15
QUICK: dict[str, Any] = {"dim": 12, "epochs": 8, "negative": 5, "sample": 0}


def clicks(*items: str, session: str = "s") -> tuple[Event, ...]:
    return tuple(Event("u", item, "clicked_on", at, session) for at, item in enumerate(items))


def aisles_shop() -> Shop:
    shop = Shop.from_sessions(WALKS)
    products = shop.products.assign(category=shop.products["item_id"].str[0])
    new = pd.DataFrame({"item_id": ["new", "odd"], "category": ["a", None]})
    return Shop.from_frames(pd.concat([products, new], ignore_index=True), shop.events)


@pytest.fixture(scope="module")
def aisles() -> Shop:
    return aisles_shop()


@pytest.fixture(scope="module")
def content(aisles: Shop) -> Vectors:
    """What products are: one axis for each aisle; the new product lies in aisle a, nearest to a5."""
    ids = [item for item in aisles.products["item_id"] if item != "odd"]
    axes = np.eye(3)
    rows = [axes["abc".index(item[0])] + 0.01 * int(item[1]) if item != "new" else axes[0] + 0.05 for item in ids]
    return Vectors(tuple(ids), np.array(rows))


@pytest.fixture(scope="module")
def model(aisles: Shop) -> Item2Vec:
    return Item2Vec(**QUICK).fit(aisles)


@pytest.fixture(scope="module")
def beside(aisles: Shop) -> Item2Vec:
    return Item2Vec(**QUICK, window=1, ask="next").fit(aisles)


def test_repeats_go_before_short_visits_do() -> None:
    shop = Shop.from_sessions([["a", "a", "b", "b", "a"], ["c", "c", "c"], ["d"], ["b", "c"]])
    assert sequences(shop) == [["a", "b", "a"], ["b", "c"]]
    assert sequences(shop, min_length=1) == [["a", "b", "a"], ["c"], ["d"], ["b", "c"]]
    assert sequences(shop, min_length=3) == [["a", "b", "a"]]
    assert sequences(shop, event_type="buy") == []


def test_neighbours_are_of_the_same_aisle(model: Item2Vec) -> None:
    assert len(model.vectors_) == 18
    for item in model.vectors_.ids:
        assert {near[0] for near in model.vectors_.nearest(item, 5).item_ids} == {item[0]}


def test_the_same_seed_gives_the_same_vectors(model: Item2Vec, aisles: Shop) -> None:
    again = Item2Vec(**QUICK).fit(aisles)
    assert again.vectors_.fingerprint == model.vectors_.fingerprint
    assert again.out_vectors_.fingerprint == model.out_vectors_.fingerprint
    assert Item2Vec(**QUICK, random_state=1).fit(aisles).vectors_.fingerprint != model.vectors_.fingerprint


def test_scores_are_the_cosine_or_the_product_with_the_output_vectors(model: Item2Vec, beside: Item2Vec) -> None:
    asked = model.recommend(Context(None, NOW, clicks("b1")), 20)
    one, other = model.vectors_["b1"], model.vectors_[asked.item_ids[3]]
    assert asked.scores[3] == pytest.approx(one @ other / np.linalg.norm(one) / np.linalg.norm(other), abs=1e-6)
    asked = beside.recommend(Context(None, NOW, clicks("b1")), 20)
    for item, score in zip(asked.item_ids, asked.scores, strict=True):
        assert score == pytest.approx(float(beside.vectors_["b1"] @ beside.out_vectors_[item]), abs=1e-5)


def test_two_ways_to_ask(beside: Item2Vec, aisles: Shop) -> None:
    """With a window of one, what stands beside c2 is c1 and c3; what is like it stands beside the same: c0 and c4."""
    assert set(beside.recommend(Context(None, NOW, viewed="c2", session=clicks("c2")), 2).item_ids) == {"c1", "c3"}
    like = Item2Vec(**{**QUICK, "epochs": 30}, window=1).fit(aisles)
    assert set(like.recommend(Context(None, NOW, viewed="c2", session=clicks("c2")), 2).item_ids) == {"c0", "c4"}


def test_session_vector(model: Item2Vec) -> None:
    visit = Context(None, NOW, clicks("a0", "b0", "b0", "c0"))
    for session, weights in {"last": (0, 0, 1), "mean": (1, 1, 1), "decayed": (0.25, 0.5, 1)}.items():
        model.session, model.decay = session, 0.5  # type: ignore[assignment]
        unit = np.array([model.vectors_[item] / np.linalg.norm(model.vectors_[item]) for item in ("a0", "b0", "c0")])
        query = np.array(weights) @ unit
        listed = model.recommend(visit, 18)
        target = model.vectors_.unit[[model.vectors_.ids.index(item) for item in listed.item_ids]]
        np.testing.assert_allclose(listed.scores, target @ query / np.linalg.norm(query), atol=1e-6)
    model.session, model.decay = "last", 0.7
    assert model.asked_from(visit) == (("c0", 1.0),)


def test_what_it_is_asked_from(model: Item2Vec) -> None:
    earlier = (*clicks("a0", session="s1"), *clicks("b0", "b1", session="s2"))
    assert model.asked_from(Context("u", NOW, clicks("a1"), cart=("c0",), history=earlier)) == (("a1", 1.0),)
    assert model.asked_from(Context("u", NOW, cart=("c0", "c1", "new"), history=earlier)) == (("c0", 1), ("c1", 1))
    assert model.asked_from(Context("u", NOW, history=earlier)) == (("b1", 1.0),)
    assert model.asked_from(Context("u", NOW, clicks("a1", "new", "stranger"))) == (("a1", 1.0),)
    assert model.asked_from(Context("s0", NOW)) == ((WALKS[0][-1], 1.0),)  # what fit saw
    assert model.asked_from(Context("s0", NOW, history=())) == ()
    model.session = "mean"
    assert model.asked_from(Context("u", NOW, history=earlier)) == (("b0", 1.0), ("b1", 1.0))
    model.session = "last"


def test_nothing_known_is_what_is_popular(model: Item2Vec, aisles: Shop) -> None:
    popular = Popular().fit(aisles).recommend(Context(None, NOW), 20)
    assert model.recommend(Context(None, NOW), 20).item_ids == popular.item_ids
    assert Item2Vec(**QUICK).fit(aisles.between(0, 0)).recommend(Context("u", NOW, clicks("a0")), 20).item_ids
    assert len(Item2Vec(**QUICK, min_count=10**6).fit(aisles).vectors_) == 0


def test_a_cold_product_is_listed_through_its_content_only(model: Item2Vec, aisles: Shop, content: Vectors) -> None:
    visit = Context(None, NOW, clicks("a5"), viewed="a5")
    assert not {"new", "odd"} & set(model.recommend(visit, 20).item_ids)
    assert len(model.recommend(visit, 20)) == 17
    for ask in ("cosine", "next"):
        warm = Item2Vec(**QUICK, ask=ask, content=content).fit(aisles)  # type: ignore[arg-type]
        listed = warm.recommend(visit, 20).item_ids
        assert "new" in listed[:6] and "odd" not in listed
        assert {item[0] for item in warm.recommend(Context(None, NOW, clicks("new"), viewed="new"), 6).item_ids} == {
            "a"
        }
        assert "new" not in warm.vectors_


def test_fill_cold_is_the_normalised_mean_of_the_nearest() -> None:
    behaviour = Vectors(("a", "b", "c"), np.array([[2.0, 0.0], [0.0, 4.0], [-9.0, 0.0]]))
    known = Vectors(("a", "b", "c", "new"), np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [1.0, 0.05]]))
    filled = fill_cold(behaviour, known, neighbours=2)
    np.testing.assert_allclose(filled["new"], np.array([1.0, 2.0]) / np.sqrt(5))
    np.testing.assert_allclose(fill_cold(behaviour, known, 2, scaled=False)["new"], [1.0, 2.0])
    assert filled.ids == ("a", "b", "c", "new")
    assert fill_cold(behaviour, Vectors(("x",), np.ones((1, 2)))) is behaviour
    with pytest.raises(ValueError, match="neighbours: 0"):
        fill_cold(behaviour, known, 0)


def test_side_tokens_help_the_rare_and_are_never_recommended() -> None:
    """`rare` is seen once, with b0, but is of kind a."""
    shop = Shop.from_sessions([*WALKS, ["b0", "rare"]])
    products = shop.products.assign(category=[item[0] if item != "rare" else "a" for item in shop.products["item_id"]])
    shop = Shop.from_frames(products, shop.events)
    plain, sided = Item2Vec(**QUICK).fit(shop), Item2Vec(**QUICK, side="category").fit(shop)
    assert set(sided.vectors_.ids) == set(shop.products["item_id"]) == set(plain.vectors_.ids)

    def pull(model: Item2Vec) -> float:
        listed = model.vectors_.nearest("rare", 18)
        near = dict(zip(listed.item_ids, listed.scores, strict=True))
        return float(np.mean([near[item] for item in AISLES["a"]]) - np.mean([near[item] for item in AISLES["c"]]))

    assert pull(sided) > pull(plain)


def test_side_tokens_clash_with_no_product() -> None:
    """Products that are named as kinds are, or begin as side tokens do, keep their vectors."""
    shop = Shop.from_sessions([["a", "\0a", "\0\0a"], ["\0a", "a", "\0\0a"]] * 5)
    shop = Shop.from_frames(shop.products.assign(category="a"), shop.events)
    model = Item2Vec(**QUICK, side="category").fit(shop)
    assert sorted(model.vectors_.ids) == ["\0\0a", "\0a", "a"]
    with pytest.raises(DataError, match="side: products have no column 'colour'; they have item_id, category"):
        Item2Vec(side="colour").fit(shop)


def test_windows_reach_as_far_as_they_say(aisles: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The window that gensim is given: that of the longest visit, tokens of side information included."""
    import gensim.models

    given: list[dict[str, Any]] = []
    real = gensim.models.Word2Vec
    monkeypatch.setattr(
        gensim.models, "Word2Vec", lambda *args, **kwargs: given.append(kwargs) or real(*args, **kwargs)
    )
    for kwargs in ({}, {"side": "category"}, {"window": 3, "shrink_windows": True, "skip_gram": False}):
        Item2Vec(**{**QUICK, "epochs": 1}, **kwargs).fit(aisles)  # type: ignore[arg-type]
    said = [(call["window"], call["shrink_windows"], call["sg"], call["workers"]) for call in given]
    assert said == [(4, False, 1, 1), (8, False, 1, 1), (3, True, 0, 1)]


def test_a_visit_longer_than_gensim_reads_is_learned_to_its_end() -> None:
    early, late = ["a", "b", "c"] * 4000, ["x", "y", "z"] * 400
    model = Item2Vec(**{**QUICK, "epochs": 3}, window=2).fit(Shop.from_sessions([early + late]))
    assert set(model.vectors_.nearest("x", 2).item_ids) == {"y", "z"}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"dim": 0}, "dim: 0"), ({"window": 0}, "window: 0"), ({"epochs": 0}, "epochs: 0"), ({"decay": 0}, "decay: 0"),
        ({"ask": "dot"}, "ask: 'dot' is none of cosine, next"), ({"session": "all"}, "session: 'all'"),
        ({"shrink_windows": True}, "no window to shrink"), ({"sample": -1}, "sample: -1"),
        ({"random_state": -1}, "random_state: -1"),
    ],
)  # fmt: skip
def test_parameters_are_checked(aisles: Shop, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Item2Vec(**parameters).fit(aisles)


def test_without_gensim_the_line_that_mends_it(aisles: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(ModuleNotFoundError, match="pip install") as said:
        Item2Vec().fit(aisles)
    pyproject = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    for install in (str(said.value), __import__("recsys_lab.item2vec.checks", fromlist=["INSTALL"]).INSTALL):
        assert f'"{install.split(chr(34))[1]}"' in pyproject


def test_a_filter_and_the_judge(aisles: Shop, model: Item2Vec) -> None:
    listed = model.recommend(Context(None, NOW, clicks("a0"), where=field("category") == "b"), 20)
    assert {item[0] for item in listed.item_ids} == {"b"}
    ahead = [([item], aisle[at + 1]) for aisle in AISLES.values() for at, item in enumerate(aisle[:-1])]
    board = session_board(WALKS, ahead, k=3)
    asked = Item2Vec(**QUICK, window=1, ask="next")
    mine, chance = (evaluate(one, board).summary()["HR@3"].mean for one in (asked, Random()))
    assert mine > 2 * chance > 0


def test_save_and_load(model: Item2Vec, aisles: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFittedError):
        Item2Vec().save(tmp_path)
    paths = model.save(tmp_path, {"note": 1})
    assert sorted(path.name for path in paths) == sorted(path.name for path in tmp_path.iterdir())
    assert not [path for path in paths if b"pickle" in path.read_bytes()]
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["parameters"]["dim"] == 12 and settings["note"] == 1 and settings["versions"]["gensim"]
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    again = Item2Vec.load(tmp_path, aisles)
    contexts = [Context(None, NOW, clicks(item)) for item in ("a0", "b3", "new")]
    for mine, other in zip(again.recommend_many(contexts, 20), model.recommend_many(contexts, 20), strict=True):
        np.testing.assert_array_equal(mine, other)
    past = aisles.between(None, 10_000)
    assert Item2Vec.load(tmp_path, past).fitted_until_ == model.fitted_until_ > past.events["timestamp"].max()


@pytest.mark.parametrize("damage", ["json", "cut", "other", "ids", "gone", "object"])
def test_damaged_vectors_are_one_clear_error(tmp_path: Path, damage: str) -> None:
    vectors = Vectors(("a", "b"), np.array([[1.0, 2.0], [3.0, 4.0]]))
    numbers, labels = vectors.save(tmp_path)
    assert Vectors.load(tmp_path).fingerprint == vectors.fingerprint
    if damage == "json":
        labels.write_text("{")
    elif damage == "cut":
        numbers.write_bytes(numbers.read_bytes()[:-3])
    elif damage == "other":
        np.save(numbers, np.ones((2, 2)))
    elif damage == "ids":
        labels.write_text(labels.read_text().replace('["a", "b"]', '["b", "a"]'))
    elif damage == "gone":
        numbers.unlink()
    else:
        np.save(numbers, np.array([[print]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"vectors.npy and vectors.json cannot be read as vectors .*; save them again"):
        Vectors.load(tmp_path)


def test_damaged_models_are_one_clear_error(model: Item2Vec, aisles: Shop, tmp_path: Path) -> None:
    model.save(tmp_path)
    settings = tmp_path / "settings.json"
    held = json.loads(settings.read_text())
    for parameters, said in (({"dim": 7}, "are not of one model"), ({"colour": 1}, "settings.json cannot be read")):
        settings.write_text(json.dumps({**held, "parameters": parameters}))
        with pytest.raises(DataError, match=said):
            Item2Vec.load(tmp_path, aisles)


def test_vectors_keep_their_labels() -> None:
    vectors = Vectors(("a", "b", "c", "d"), np.array([[1.0, 0], [0, 2], [3, 3], [0, 0]]))
    assert vectors.nearest("a", 9).item_ids == ("c", "b", "d")
    assert vectors.nearest("a", 1).scores == pytest.approx((np.sqrt(0.5),))
    assert vectors.neighbours(2).tolist()[:2] == [[2, 1], [2, 0]]
    column = vectors.column(["c", "z"])
    assert column[0] is not None and column[0].tolist() == [3, 3] and column[1] is None
    with pytest.raises(ValueError, match="no vector of 'z'"):
        vectors.nearest("z")
    wrong: list[tuple[Any, Any, str]] = [
        (("a",), np.ones((2, 2)), "1 ids for 2 rows"), (("a", "a"), np.ones((2, 2)), "'a' stands twice"),
        ((1,), np.ones((1, 2)), "1 is no label"), (("a",), np.array([[np.nan]]), "not finite"),
        (("a",), np.ones(1), "a row a product"),
    ]  # fmt: skip
    for ids, matrix, said in wrong:
        with pytest.raises(ValueError, match=said):
            Vectors(ids, matrix)


def test_category_consistency_by_hand() -> None:
    """On a line of angles: h1 h2 s1 h3 s2; each has two neighbours, a tie goes to the nearer."""
    angles = dict(zip(["h1", "h2", "s1", "h3", "s2"], [0, 10, 24, 40, 61], strict=True))
    matrix = np.array([[np.cos(np.radians(a)), np.sin(np.radians(a))] for a in angles.values()])
    products = pd.DataFrame({"item_id": [*angles, "unseen"], "category": ["h", "h", "s", "h", "s", "h"]})
    clicks_of = pd.Series([5, 4, 3, 2, 1], index=list(angles))
    table = category_consistency(Vectors(tuple(angles), matrix), products, clicks_of, neighbours=2, bands=2)
    # neighbours, near to far: h1: h2 s1 → h; h2: h1 s1 → h; s1: h2 h3 → h; h3: s1 s2 → s; s2: h3 s1 → h
    assert table["majority"].tolist() == pytest.approx([2 / 3, 0, 2 / 5])
    assert table["share"].tolist() == pytest.approx([(0.5 + 0.5 + 0) / 3, (0 + 0.5) / 2, 1.5 / 5])
    assert table["chance"].tolist() == pytest.approx([(0.5 + 0.5 + 0.25) / 3, (0.5 + 0.25) / 2, (1.5 + 0.5) / 5])
    assert table["products"].tolist() == [3, 2, 5] and table.index.tolist() == ["1", "2", "all"]
    with pytest.raises(ValueError, match="too few for 2 bands and 5"):
        category_consistency(Vectors(tuple(angles), matrix), products, clicks_of, neighbours=5, bands=2)
    with pytest.raises(ValueError, match="column: products have no 'colour'"):
        category_consistency(Vectors(tuple(angles), matrix), products, clicks_of, column="colour")


def test_svd_of_co_occurrence_by_hand() -> None:
    """With all dimensions VSVᵀ gives |M|, M = pairs / √(row · column); a place is no pair of itself."""
    visits = [["a", "b", "a"], ["b", "c"], ["c", "d"], ["a", "d"], ["alone"]]
    pairs = np.array([[2, 2, 0, 1], [2, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]], dtype=float)
    total = pairs.sum(axis=1)
    matrix = pairs / np.sqrt(np.outer(total, total))
    u, s, _ = np.linalg.svd(matrix)
    vectors = svd_vectors(visits, dim=3)
    assert vectors.ids == ("a", "b", "c", "d")
    np.testing.assert_allclose(vectors.matrix @ vectors.matrix.T, (u[:, :3] * s[:3]) @ u[:, :3].T, atol=1e-9)
    assert svd_vectors(visits, dim=3).fingerprint == vectors.fingerprint
    with pytest.raises(ValueError, match="dim: 4 for 4 products"):
        svd_vectors(visits, dim=4)
    with pytest.raises(ValueError, match="for 0 products"):
        svd_vectors([], dim=4)


def test_the_map_is_the_same_each_time_and_keeps_aisles_together(model: Item2Vec) -> None:
    plane = product_map(model.vectors_)
    pd.testing.assert_frame_equal(plane, product_map(model.vectors_))
    assert plane["item_id"].tolist() == list(model.vectors_.ids) and plane.columns.tolist() == ["item_id", "x", "y"]
    places = plane[["x", "y"]].to_numpy()
    apart = ((places[:, None] - places[None]) ** 2).sum(axis=2) + np.diag(np.full(18, np.inf))
    nearest = plane["item_id"].to_numpy()[apart.argmin(axis=1)]
    assert [item[0] for item in nearest] == [item[0] for item in plane["item_id"]]
    with pytest.raises(ValueError, match="3 products make no map"):
        product_map(Vectors(("a", "b", "c"), np.ones((3, 2))))


def test_vectors_of_another_order_of_ids_are_those_of_other_products(clickstream: Shop) -> None:
    """The mix-up of a published notebook: ids by first appearance, rows in gensim's order (by count).

    Its recipe: visits of one click dropped, then repeats removed; CBOW, 10-d, window 5, seed 1.
    """
    rows = clickstream.sequences(collapse=False, min_length=2)
    rows = rows.assign(_number=rows["session_id"].astype(int)).sort_values("_number", kind="stable")
    visits = [[item for item, _ in groupby(items)] for _, items in rows.groupby("_number")["item_id"]]
    gensim_models = pytest.importorskip("gensim.models")
    trained = gensim_models.Word2Vec(visits, vector_size=10, window=5, min_count=1, seed=1, workers=1)
    right = Vectors(tuple(trained.wv.index_to_key), trained.wv.vectors)
    first_seen = tuple(dict.fromkeys(item for visit in visits for item in visit))
    wrong = Vectors(first_seen, trained.wv.vectors)
    assert sum(item == other for item, other in zip(right.ids, wrong.ids, strict=True)) == 2
    held = [
        category_consistency(vectors, clickstream.products, clickstream.popularity, neighbours=5).loc["all"]
        for vectors in (right, wrong)
    ]
    assert held[0]["share"] == pytest.approx(1.0, abs=0.005)
    assert held[1]["share"] == pytest.approx(0.316, abs=0.01)
    assert held[0]["chance"] == pytest.approx(0.276, abs=0.001)  # .279 where a product may be drawn beside itself
    kinds = clickstream.products["category"].value_counts(normalize=True)
    assert (kinds**2).sum() == pytest.approx(0.279, abs=0.001)


def test_the_learned_ids_are_gensims_own(clickstream: Shop) -> None:
    """The same recipe through Item2Vec: neighbours share their category."""
    like_gensim = Item2Vec(dim=10, window=5, shrink_windows=True, skip_gram=False, epochs=5, negative=5, random_state=1)
    vectors = like_gensim.fit(clickstream).vectors_
    table = category_consistency(vectors, clickstream.products, clickstream.popularity, neighbours=5)
    assert table.loc["all", "share"] > 0.99
    assert list(vectors.ids) != sorted(vectors.ids)
    assert like_gensim.last_visits_ and like_gensim.fitted_until_ < 2**31 * 1000
    assert clickstream.events["timestamp"].max() < like_gensim.fitted_until_ + DAY_MS


TRAIN = """
import sys
from recsys_lab.datasets import Shop
from recsys_lab.item2vec import Item2Vec
walks = [("abcdef" * 2)[start : start + 4] for start in range(6)] * 20
model = Item2Vec(dim=8, epochs=4, negative=5, sample=0).fit(Shop.from_sessions([list(walk) for walk in walks]))
print(model.vectors_.fingerprint, model.out_vectors_.fingerprint)
"""


def test_the_same_seed_gives_the_same_vectors_in_two_processes() -> None:
    pytest.importorskip("gensim")
    said = [
        subprocess.run(
            [sys.executable, "-c", TRAIN],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert len(said[0].split()) == 2


def test_every_id_has_its_own_vector_whatever_it_is_called(model: Item2Vec) -> None:
    """The same log under other names: each product takes its vector along."""
    known = sorted(model.vectors_.ids)
    renamed = dict(zip(known, np.random.default_rng(5).permutation(known).tolist(), strict=True))
    again = Item2Vec(**QUICK).fit(Shop.from_sessions([[renamed[item] for item in walk] for walk in WALKS]))
    for item in known:
        assert again.vectors_[renamed[item]] == pytest.approx(model.vectors_[item])
        assert renamed[item] == item or again.vectors_[item] != pytest.approx(model.vectors_[item], abs=1e-4)
