"""Factors: equal to implicit, the equation by hand, folding in, fusion, saving, tuning, blends."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from recsys_lab import baselines
from recsys_lab.datasets import DAY_MS, DataError, Event, Shop
from recsys_lab.evaluation import evaluate
from recsys_lab.evaluation.boards import home_board, retail_boards
from recsys_lab.factors import BM25, Blend, Ease, Factors, fuse, tune
from recsys_lab.factors.blend import Signals
from recsys_lab.item2vec import Vectors
from recsys_lab.recommender import Context, NotFittedError

pytest.importorskip("implicit", reason="factors are trained by implicit")

LATER = 10**12
WEIGHTS = {"clicked_on": 0.2, "put_to_cart": 0.5, "buy": 1.0, "removed_from_cart": -0.5}
KINDS = list(WEIGHTS)


def random_shop(seed: int = 0, users: int = 40, items: int = 25, events: int = 900, days: int = 60) -> Shop:
    """Two tastes: each shopper does most things with products of one half."""
    rng = np.random.default_rng(seed)
    user = rng.integers(users, size=events)
    item = (rng.integers(items // 2, size=events) + (user % 2) * (items // 2)) % items
    item = np.where(rng.random(events) < 0.15, rng.integers(items - 1, size=events), item)  # the last one: never
    frame = pd.DataFrame(
        {
            "user_id": [f"u{number}" for number in user],
            "item_id": [f"p{number:02}" for number in item],
            "event_type": rng.choice(KINDS, size=events, p=[0.6, 0.2, 0.1, 0.1]),
            "timestamp": np.sort(rng.integers(days * DAY_MS, size=events)),
        }
    )
    return Shop.from_frames(pd.DataFrame({"item_id": [f"p{number:02}" for number in range(items)]}), frame)


def purchases(seed: int = 0) -> Shop:
    shop = random_shop(seed, users=60, events=3000, days=120)
    return shop.only(shop.events.assign(event_type="buy"))


def session(*pairs: tuple[str, str], user: str = "new") -> tuple[Event, ...]:
    return tuple(Event(user, item, kind, LATER + at, "v") for at, (item, kind) in enumerate(pairs))


def worth(shop: Shop, users: tuple[str, ...], items: tuple[str, ...]) -> np.ndarray:
    """r by a loop over the events: the oracle of what the model builds."""
    table = np.zeros((len(users), len(items)))
    for event in shop.events.itertuples():
        if event.user_id in users and event.item_id in items:
            table[users.index(event.user_id), items.index(event.item_id)] += WEIGHTS[event.event_type]
    return np.round(table, 9)


def bare(model: Factors, matrix: np.ndarray):
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        trained = AlternatingLeastSquares(
            factors=model.factors, regularization=model.regularization, iterations=15, random_state=0
        )
        trained.fit(sparse.csr_matrix(matrix.astype(np.float32)), show_progress=False)
    return trained


@pytest.fixture(scope="module")
def shop_of_two() -> Shop:
    return random_shop()


@pytest.mark.parametrize(("base", "alpha", "log_counts"), [(1.0, 1.0, False), (0.0, 3.0, False), (1.0, 40.0, True)])
def test_als_is_implicit_with_labels_kept_with_rows(shop_of_two, base, alpha, log_counts) -> None:
    model = Factors(8, regularization=0.5, base=base, alpha=alpha, log_counts=log_counts).fit(shop_of_two)
    r = worth(shop_of_two, model.user_vectors_.ids, model.item_vectors_.ids)
    r = np.sign(r) * np.log1p(np.abs(r)) if log_counts else r
    trained = bare(model, np.where(r != 0, np.sign(r) * (base + alpha * np.abs(r)), 0))
    np.testing.assert_allclose(model.user_vectors_.matrix, trained.user_factors, atol=1e-5)
    np.testing.assert_allclose(model.item_vectors_.matrix, trained.item_factors, atol=1e-5)
    assert (r < 0).any()  # the negative kind was tested too
    assert "p24" not in model.item_vectors_  # nobody did anything with it


def test_als_vectors_do_not_depend_on_threads_and_stay_by_seed(shop_of_two) -> None:
    one, two = (Factors(8, threads=threads).fit(shop_of_two) for threads in (1, 2))
    assert one.user_vectors_.fingerprint == two.user_vectors_.fingerprint
    other = Factors(8, random_state=1).fit(shop_of_two)
    assert other.user_vectors_.fingerprint != one.user_vectors_.fingerprint


def test_folding_in_is_implicits_own_and_solves_the_equation(shop_of_two) -> None:
    model = Factors(8, regularization=0.5, alpha=2.0).fit(shop_of_two)
    did = [("p01", "buy"), ("p02", "clicked_on"), ("p02", "put_to_cart"), ("p05", "removed_from_cart")]
    mine = model.shopper_vector(Context("new", LATER, session=session(*did)))
    r = {"p01": 1.0, "p02": 0.7, "p05": -0.5}
    row = np.array([[np.sign(r.get(item, 0)) * (1 + 2 * abs(r.get(item, 0))) for item in model.item_vectors_.ids]])
    row[row == 1] = 0
    trained = bare(model, np.ones((1, 1)))
    trained.item_factors, trained._YtY = model.item_vectors_.matrix, None
    theirs = trained.recalculate_user(0, sparse.csr_matrix(row.astype(np.float32)))
    np.testing.assert_allclose(mine, theirs, atol=1e-4)
    # and by the definition: the gradient of the weighted squares is zero there
    items = model.item_vectors_.matrix.astype(float)
    confidence, wanted = np.where(row[0] != 0, np.abs(row[0]), 1.0), (row[0] > 0).astype(float)
    gradient = items.T @ (confidence * (items @ mine - wanted)) + 0.5 * mine
    np.testing.assert_allclose(gradient, 0, atol=1e-9)


def test_history_and_session_and_cart_count_and_the_trained_row_is_used_without_them(shop_of_two) -> None:
    model = Factors(8).fit(shop_of_two)
    known = Context("u1", LATER)
    np.testing.assert_array_equal(model.shopper_vector(known), model.user_vectors_["u1"].astype(float))
    mine = shop_of_two.events[shop_of_two.events["user_id"] == "u1"]
    history = tuple(
        Event("u1", row.item_id, row.event_type, row.timestamp, row.session_id, id=str(at))
        for at, row in enumerate(mine.itertuples())
    )
    told = model.shopper_vector(Context("u1", LATER, history=history))
    stranger = model.shopper_vector(Context("nobody", LATER, history=history))
    np.testing.assert_allclose(told, stranger)
    assert np.corrcoef(told, model.user_vectors_["u1"])[0, 1] > 0.9  # trained in the round before the products' last
    more = session(("p03", "put_to_cart"), user="u1")
    moved = model.shopper_vector(replace(known, session=more))
    np.testing.assert_allclose(moved, model.shopper_vector(Context("u1", LATER, history=history, session=more)))
    np.testing.assert_allclose(moved, model.shopper_vector(replace(known, cart=("p03",))))
    np.testing.assert_allclose(moved, model.shopper_vector(replace(known, session=more, cart=("p03",))))  # not twice
    assert not np.allclose(moved, told)


@pytest.mark.parametrize("kind", ["als", "bpr"])
@pytest.mark.parametrize("context", [Context("new", LATER), Context(None, LATER), Context("new", LATER, history=())])
def test_a_brand_new_shopper_gets_what_is_popular(shop_of_two, kind, context) -> None:
    model = Factors(8, model=kind).fit(shop_of_two)
    assert model.recommend(context, k=5).item_ids == tuple(shop_of_two.tie_order[:5])
    unknown = replace(context, session=session(("nowhere", "buy"), ("p24", "clicked_on")))
    assert model.recommend(unknown, k=5).item_ids == tuple(shop_of_two.tie_order[:5])


@pytest.mark.parametrize("kind", ["als", "bpr"])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_a_few_events_are_enough_to_be_known(shop_of_two, kind, similarity) -> None:
    model = Factors(2, model=kind, similarity=similarity, alpha=5.0).fit(shop_of_two)
    for half in (0, 1):
        did = session(*[(f"p{number + 12 * half:02}", "buy") for number in (1, 2, 3)])
        listed = model.recommend(Context("new", LATER, session=did), k=8).item_ids
        assert sum((12 * half) <= int(item[1:]) < 12 * half + 12 for item in listed) >= 7
        assert "p24" not in model.recommend(Context("new", LATER, session=did), k=24).item_ids


def test_bpr_is_implicits_with_positives_alone(shop_of_two) -> None:
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = Factors(6, model="bpr", iterations=20).fit(shop_of_two)
    again = Factors(6, model="bpr", iterations=20).fit(shop_of_two)
    assert model.item_vectors_.fingerprint == again.item_vectors_.fingerprint
    r = worth(shop_of_two, model.user_vectors_.ids, model.item_vectors_.ids)
    trained = BayesianPersonalizedRanking(factors=6, iterations=20, num_threads=1, random_state=0)
    trained.fit(sparse.csr_matrix((r > 0).astype(np.float32)), show_progress=False)
    np.testing.assert_allclose(model.item_vectors_.matrix, trained.item_factors, atol=1e-5)
    np.testing.assert_allclose(model.user_vectors_.matrix, trained.user_factors, atol=1e-5)


def test_bpr_folds_in_who_did_the_same_near_to_the_trained_shopper() -> None:
    shop = random_shop(events=1500)
    model = Factors(6, model="bpr").fit(shop)
    near = []
    for user in model.user_vectors_.ids[:12]:
        row = np.flatnonzero(worth(shop, (user,), model.item_vectors_.ids)[0] > 0)
        did = session(*[(model.item_vectors_.ids[at], "buy") for at in row])
        mine = model.shopper_vector(Context("new", LATER, session=did))
        assert mine[-1] == 1.0  # the number that adds the product's own appeal
        scores = model.item_vectors_.matrix @ mine, model.item_vectors_.matrix @ model.user_vectors_[user]
        near.append(np.corrcoef(*scores)[0, 1])
    assert np.median(near) > 0.9


def test_new_products_by_their_events_and_by_content(shop_of_two) -> None:
    model = Factors(2, regularization=0.5, alpha=5.0).fit(shop_of_two)
    fresh = [Event(f"u{number}", "p24", "buy", LATER, f"s{number}") for number in (1, 3, 5)]
    fresh.append(Event("stranger", "p24", "buy", LATER, "s"))
    made = model.product_vectors([*fresh, Event("stranger", "p99", "buy", LATER, "s9")])
    assert made.ids == ("p24",)
    users = bare(model, np.ones((1, 1)))
    users.user_factors, users._XtX = model.user_vectors_.matrix, None
    row = [[6.0 if user in ("u1", "u3", "u5") else 0.0 for user in model.user_vectors_.ids]]
    theirs = users.recalculate_item(0, sparse.csr_matrix(np.array(row, dtype=np.float32)))
    np.testing.assert_allclose(made["p24"], theirs, atol=1e-4)
    asked = Context("u7", LATER)
    assert "p24" not in model.recommend(asked, k=24).item_ids
    model.take_in(made)
    assert "p24" in model.recommend(asked, k=14).item_ids
    assert "p24" not in model.recommend(Context("u8", LATER), k=10).item_ids
    content = Vectors(tuple(f"p{at:02}" for at in range(25)), np.array([[at < 12, at >= 12] for at in range(25)]) * 1.0)
    filled = Factors(2, alpha=5.0, content=content).fit(shop_of_two)
    assert "p24" in filled.recommend(asked, k=14).item_ids  # uneven shoppers like the second half
    assert "p24" not in filled.recommend(Context("u8", LATER), k=8).item_ids


def test_taking_in_refuses_what_does_not_fit(shop_of_two) -> None:
    model = Factors(8).fit(shop_of_two)
    with pytest.raises(ValueError, match="no 'p99' when fit"):
        model.take_in(Vectors(("p99",), np.ones((1, 8))))
    with pytest.raises(ValueError, match="3 numbers and this model 8"):
        model.take_in(Vectors(("p01",), np.ones((1, 3))))
    with pytest.raises(ValueError, match="BPR has no equation"):
        Factors(4, model="bpr", iterations=1).fit(shop_of_two).product_vectors([])
    assert model.product_vectors([]).ids == ()
    replaced = model.take_in(Vectors(("p01",), np.full((1, 8), 9.0)))
    assert replaced.item_vectors_["p01"].tolist() == [9.0] * 8
    assert len(replaced.item_vectors_) == 24


def test_what_cancels_out_is_as_if_it_had_not_been(shop_of_two) -> None:
    model = Factors(8).fit(shop_of_two)
    did = session(("p01", "buy"), ("p02", "put_to_cart"), ("p02", "removed_from_cart"))
    plain = model.shopper_vector(Context("new", LATER, session=did[:1]))
    np.testing.assert_array_equal(model.shopper_vector(Context("new", LATER, session=did)), plain)
    unwanted = session(("p01", "buy"), ("p02", "removed_from_cart"))
    lower = model.shopper_vector(Context("new", LATER, session=unwanted)) @ model.item_vectors_["p02"]
    assert lower < plain @ model.item_vectors_["p02"]


def test_own_weights_and_a_shop_where_nothing_counts(shop_of_two) -> None:
    buyers = Factors(4, weights={"buy": 1.0}).fit(shop_of_two)
    bought = shop_of_two.events[shop_of_two.events["event_type"] == "buy"]
    assert set(buyers.user_vectors_.ids) == set(bought["user_id"])
    empty = Factors(4, weights={"impression": 1.0}).fit(shop_of_two)
    assert len(empty.user_vectors_) == 0
    assert empty.recommend(Context("u1", LATER), k=3).item_ids == tuple(shop_of_two.tie_order[:3])
    nothing = Factors(4).fit(shop_of_two.between(None, 0))
    assert len(nothing.recommend(Context("u1", LATER), k=3)) == 3


@pytest.mark.parametrize("kind", ["als", "bpr"])
def test_save_and_load_without_pickle_and_without_implicit(shop_of_two, kind, tmp_path: Path) -> None:
    model = Factors(8, model=kind, weights={"buy": 1.0, "clicked_on": 0.1}).fit(shop_of_two)
    files = model.save(tmp_path)
    assert {path.suffix for path in files} == {".npy", ".json"}
    np.load(tmp_path / "user_vectors.npy", allow_pickle=False)
    loaded = Factors.load(tmp_path, shop_of_two)
    assert vars(loaded).keys() == vars(model).keys()
    contexts = [Context("u1", LATER), Context("new", LATER), Context("new", LATER, session=session(("p03", "buy")))]
    for mine, theirs in zip(model.recommend_many(contexts), loaded.recommend_many(contexts), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert loaded.fitted_until_ == model.fitted_until_


def test_a_loaded_model_folds_in_who_did_something_since(shop_of_two, tmp_path: Path) -> None:
    cut = 40 * DAY_MS
    model = Factors(8).fit(shop_of_two.between(None, cut))
    model.save(tmp_path)
    loaded = Factors.load(tmp_path, shop_of_two)
    since = shop_of_two.between(cut, None).events["user_id"]
    moved, still = since.iloc[0], set(model.user_vectors_.ids) - set(since)
    assert not np.allclose(loaded.shopper_vector(Context(moved, LATER)), model.user_vectors_[moved])
    for user in sorted(still):
        np.testing.assert_array_equal(loaded.shopper_vector(Context(user, LATER)), model.user_vectors_[user])
    assert loaded.fitted_until_ == shop_of_two.events["timestamp"].max()


def test_damaged_folders_are_refused(shop_of_two, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="user_vectors"):
        Factors.load(tmp_path, shop_of_two)
    Factors(4).fit(shop_of_two).save(tmp_path)
    Factors(4, random_state=1).fit(shop_of_two).item_vectors_.save(tmp_path, "item_vectors")
    with pytest.raises(DataError, match="not of one model"):
        Factors.load(tmp_path, shop_of_two)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "parameters": {"layers": 3}}))
    with pytest.raises(DataError, match=r"settings\.json cannot be read"):
        Factors.load(tmp_path, shop_of_two)
    with pytest.raises(NotFittedError):
        Factors().save(tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"factors": 0}, "factors: 0"),
        ({"regularization": -1.0}, "regularization: -1"),
        ({"alpha": float("nan")}, "alpha: nan"),
        ({"alpha": 0.0, "base": 0.0}, "alpha: 0 with base=0"),
        ({"model": "svd"}, "model: 'svd' is none of als, bpr"),
        ({"similarity": "l2"}, "similarity: 'l2'"),
        ({"weights": {"bought": 1.0}}, "weights: 'bought'"),
        ({"weights": {"buy": float("inf")}}, "weights: 'buy'"),
        ({"iterations": 0}, "iterations: 0"),
    ],
)
def test_wrong_settings_are_named(shop_of_two, given, said) -> None:
    with pytest.raises(ValueError, match=said):
        Factors(**given).fit(shop_of_two)


def test_implicit_warns_nobody_and_numpy_keeps_its_threads() -> None:
    script = (
        "import warnings; warnings.simplefilter('error')\n"
        "import numpy, threadpoolctl\n"
        "from recsys_lab.datasets import Shop\nfrom recsys_lab.factors import Factors\n"
        "import sys; assert 'implicit' not in sys.modules and 'sklearn' not in sys.modules\n"
        "info = threadpoolctl.threadpool_info\n"
        "threads = lambda: [one['num_threads'] for one in info() if one['user_api'] == 'blas']\n"
        "before = threads()\n"
        "Factors(4).fit(Shop.from_sessions([['a', 'b'], ['b', 'c']]))\n"
        "after = threads(); assert after[: len(before)] == before, (before, after)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_missing_implicit_is_one_line_to_install(shop_of_two, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "implicit>=0.7.3,<0.8"'):
        Factors(4).fit(shop_of_two)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.6, 1.0])
def test_the_cosine_of_fused_vectors_is_the_weighted_mean_of_cosines(alpha: float) -> None:
    rng = np.random.default_rng(0)
    ids = [f"p{at}" for at in range(6)]
    a = Vectors(tuple(ids), rng.normal(size=(6, 5)))
    b = Vectors(tuple(reversed(ids)), rng.normal(size=(6, 3)).astype(np.float32))
    fused = fuse(a, b, alpha)

    def cosine(x: np.ndarray, y: np.ndarray) -> float:
        return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))

    for one, two in itertools.combinations(ids, 2):
        mean = alpha * cosine(a[one], a[two]) + (1 - alpha) * cosine(b[one].astype(float), b[two].astype(float))
        assert cosine(fused[one], fused[two]) == pytest.approx(mean, abs=1e-6)


def test_fusing_products_that_one_side_lacks() -> None:
    a = Vectors(("x", "y", "zero"), np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))
    b = Vectors(("y", "z"), np.array([[0.0, 2.0], [0.0, 3.0]]))
    fused = fuse(a, b, 0.6)
    assert fused.ids == ("x", "y", "z")  # a vector of zeros is none
    assert fused.unit[0] @ fused.unit[1] == pytest.approx(np.sqrt(0.6) * np.sqrt(0.5))
    assert fused.unit[1] @ fused.unit[2] == pytest.approx(np.sqrt(0.4))
    assert fused.unit[0] @ fused.unit[2] == 0
    assert fuse(a, b, 0.6, missing="drop").ids == ("y",)
    with pytest.raises(ValueError, match="share their ids"):
        fuse(a, Vectors(("1",), np.ones((1, 2))), 0.5, missing="drop")
    with pytest.raises(ValueError, match=r"alpha: 1.5"):
        fuse(a, b, 1.5)
    with pytest.raises(ValueError, match="missing: 'mean'"):
        fuse(a, b, 0.5, missing="mean")  # type: ignore[arg-type]


def test_tuning_learns_before_and_judges_after() -> None:
    shop = purchases()
    seen: list[int] = []

    class Watched(Factors):
        def _learn(self, shop: Shop) -> None:
            seen.append(int(shop.events["timestamp"].max()))
            super()._learn(shop)

    table = tune(shop, {"factors": [2, 8], "alpha": [1.0, 5.0]}, days=20, make=Watched)
    last = int(shop.events["timestamp"].max())
    assert len(seen) == 4
    assert max(seen) <= last - 20 * DAY_MS
    assert list(table.columns) == ["factors", "alpha", "NDCG@10", "low", "high", "fit seconds"]
    assert table["NDCG@10"].is_monotonic_decreasing
    assert (table["low"] < table["NDCG@10"]).all()
    board = retail_boards(shop, 20)[0]
    first = table.iloc[0]
    direct = evaluate(Factors(int(first["factors"]), alpha=float(first["alpha"])), board)
    assert direct.summary()["NDCG@10"].mean == first["NDCG@10"]


def test_tuning_on_visits_and_on_a_board_of_ones_own(shop_of_two) -> None:
    table = tune(shop_of_two, [{"factors": 4}, {"regularization": 1.0}], days=14)
    assert len(table) == 2
    own = tune(shop_of_two, {"factors": [4]}, 14, board=lambda past, future: home_board(past, future, k=5))
    assert "NDCG@5" in own.columns
    other = tune(purchases(), {"k1": [0.5, 1.2]}, days=20, make=BM25)
    assert sorted(other["k1"]) == [0.5, 1.2]
    with pytest.raises(ValueError, match="give a list of values"):
        tune(shop_of_two, {"factors": 4})
    with pytest.raises(ValueError, match="no setting to try"):
        tune(shop_of_two, [])


def test_factors_stand_on_a_board(shop_of_two) -> None:
    cut = 45 * DAY_MS
    board = home_board(shop_of_two.between(None, cut), shop_of_two.between(cut, None))
    random = evaluate(baselines.Random(), board).summary()[board.main].mean
    for model in (Factors(8, alpha=5.0), Factors(8, model="bpr"), Factors(8, similarity="cosine")):
        result = evaluate(model, board)
        assert result.summary()[board.main].mean > random
        assert result.megabytes > 0


def test_bm25_is_its_formula() -> None:
    shop = purchases()
    model = BM25(k1=1.2, b=0.75).fit(shop)
    items = shop.tie_order.tolist()
    owned = shop.events.drop_duplicates(["user_id", "item_id"])
    by_user = {user: set(mine) for user, mine in owned.groupby("user_id")["item_id"]}
    buyers = {item: sum(item in mine for mine in by_user.values()) for item in items}
    mean = np.mean(list(buyers.values()))

    def weight(user: str, item: str) -> float:
        rarity = np.log(len(items)) - np.log(1 + len(by_user[user]))
        return 2.2 / (1.2 * (0.25 + 0.75 * buyers[item] / mean) + 1) * rarity if item in by_user[user] else 0.0

    for one, two in (("p01", "p01"), ("p01", "p03"), ("p05", "p20")):
        alike = sum(weight(user, one) * weight(user, two) for user in by_user)
        assert model.alike_[items.index(one), items.index(two)] == pytest.approx(alike)
    history = tuple(Event("new", item, "buy", 5, f"s{at}") for at, item in enumerate(("p01", "p01", "p03")))
    listed = model.recommend(Context("new", LATER, history=history), k=25)
    scores = dict(zip(listed.item_ids, listed.scores, strict=True))
    column = model.alike_[:, [items.index("p20")]].toarray().ravel()
    assert scores["p20"] == pytest.approx(2 * column[items.index("p01")] + column[items.index("p03")])
    assert model.recommend(Context(None, LATER), k=2).item_ids == tuple(items[:2])
    with pytest.raises(ValueError, match="k1, b"):
        BM25(b=2.0).fit(shop)


@pytest.mark.parametrize("log_counts", [False, True])
def test_ease_is_a_ridge_regression_of_each_product_on_all_others(log_counts: bool) -> None:
    from sklearn.linear_model import Ridge

    shop = purchases()
    model = Ease(3.0, log_counts=log_counts).fit(shop)
    items = shop.tie_order.tolist()
    held = pd.crosstab(shop.events["user_id"], shop.events["item_id"]).reindex(columns=items, fill_value=0).to_numpy()
    held = np.log1p(held) if log_counts else (held > 0).astype(float)
    assert np.diag(model.weights_).tolist() == [0.0] * len(items)
    for at in (0, 7, len(items) - 1):
        others = np.delete(np.arange(len(items)), at)
        by_hand = Ridge(alpha=3.0, fit_intercept=False).fit(held[:, others], held[:, at]).coef_
        assert model.weights_[others, at] == pytest.approx(by_hand, abs=1e-9)
    history = tuple(Event("new", item, "buy", 5, f"s{at}") for at, item in enumerate(("p01", "p01", "p03")))
    listed = model.recommend(Context("new", LATER, history=history), k=25)
    times = {"p01": np.log(3) if log_counts else 1.0, "p03": np.log(2) if log_counts else 1.0}
    wanted = sum(worth * model.weights_[items.index(item), items.index("p20")] for item, worth in times.items())
    assert dict(zip(listed.item_ids, listed.scores, strict=True))["p20"] == pytest.approx(wanted)
    with pytest.raises(ValueError, match="regularization"):
        Ease(0.0).fit(shop)


SMALL = {"bm25": BM25}


def test_a_blend_learns_whom_to_believe_and_from_the_window_alone() -> None:
    shop = purchases()
    signals: list[int] = []

    class Watched(BM25):
        def _learn(self, shop: Shop) -> None:
            signals.append(int(shop.events["timestamp"].max()))
            super()._learn(shop)

    model = Blend({"bm25": Watched}, days=20, sampled=0.5).fit(shop)
    last = int(shop.events["timestamp"].max())
    assert signals[0] <= last - 20 * DAY_MS
    assert signals[1] == last
    assert list(model.weights_.columns) == ["again", "try"]
    assert model.weights_.loc["own purchases", "try"] == 0  # nothing to learn from what is always 0
    assert np.isfinite(model.weights_.to_numpy()).all()
    again = Blend({"bm25": Watched}, days=20, sampled=0.5).fit(shop)
    pd.testing.assert_frame_equal(model.weights_, again.weights_)


def test_a_blends_score_is_the_chance_by_the_regression_of_its_question() -> None:
    shop = purchases()
    model = Blend(SMALL, days=20).fit(shop)
    context = Context("u1", LATER)
    values = {name: table[0] for name, table in model.signals_.of([context])}
    scores = model._score([context])[0]
    owned = set(shop.events.loc[shop.events["user_id"] == "u1", "item_id"])
    for column, item in enumerate(model.items_):
        line, start = model._line["again" if item in owned else "try"]
        expected = start + sum(weight * signal[column] for weight, signal in zip(line, values.values(), strict=True))
        assert scores[column] == pytest.approx(expected, abs=1e-8)
    assert len(model.recommend(Context(None, LATER), k=5)) == 5
    np.testing.assert_allclose(
        np.exp(values["own purchases"]).sum() - len(model.items_), (shop.events["user_id"] == "u1").sum()
    )


def test_signals_say_what_was_last_bought_and_when() -> None:
    shop = purchases()
    signals = Signals(SMALL).fit(shop)
    end = signals.fitted_until_
    history = tuple(Event("x", "p02", "buy", end - days * DAY_MS, f"s{days}") for days in (9, 3))
    found = {name: table[0] for name, table in signals.of([Context("x", end, history=history)])}
    column = signals.columns(["p02"])[0]
    assert found["days since own"][column] == pytest.approx(np.log1p(3))
    bought_now = replace(Context("x", end, history=history), session=(Event("x", "p02", "buy", end, "now"),))
    assert dict(signals.of([bought_now]))["days since own"][0, column] == 0
    assert found["own baskets"][0] == pytest.approx(np.log1p(2))
    assert found["own products"][0] == pytest.approx(np.log1p(1))
    week = shop.events[shop.events["timestamp"] > end - 7 * DAY_MS]
    assert found["sold in 7 days"][column] == pytest.approx(np.log1p((week["item_id"] == "p02").sum()))


def test_a_blend_says_what_it_cannot_learn_from() -> None:
    shop = purchases()
    with pytest.raises(ValueError, match="days, sampled"):
        Blend(SMALL, sampled=0.0).fit(shop)
    strangers = shop.events.assign(user_id=[f"x{at}" for at in range(len(shop.events))])
    with pytest.raises(ValueError, match="nothing to tell"):
        Blend(SMALL, days=20).fit(Shop.from_frames(shop.products, strangers.drop(columns="session_id")))


@pytest.mark.slow
def test_training_takes_little_longer_than_bare_implicit(retail: Shop) -> None:
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    ours, theirs = [], []  # seconds of one core: what else the machine does must not count
    for _ in range(5):
        began = time.process_time()
        Factors(64, base=0.0, threads=1).fit(retail)
        ours.append(time.process_time() - began)
        began = time.process_time()
        rows, columns = pd.factorize(retail.events["user_id"])[0], pd.factorize(retail.events["item_id"])[0]
        matrix = sparse.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)))
        with threadpool_limits(1, "blas"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            AlternatingLeastSquares(factors=64, random_state=0, num_threads=1).fit(matrix, show_progress=False)
        theirs.append(time.process_time() - began)
    assert min(ours) <= 1.1 * min(theirs)


@pytest.mark.slow
def test_the_rows_of_the_purchase_log(retail: Shop) -> None:
    known, novel = retail_boards(retail)
    tuned = Factors(256, regularization=10.0, base=0.0, log_counts=True)
    # Half the interval's width is .015 on any and .010 on novel products; another seed moves a row by less than .005.
    rows = {
        "default": (Factors(100, base=0.0), 0.287, 0.094),
        "tuned": (tuned, 0.316, 0.098),
        "bm25": (BM25(), 0.321, 0.086),
    }
    for model, on_any, on_novel in rows.values():
        assert evaluate(model, known).summary()["NDCG@10"].mean == pytest.approx(on_any, abs=0.006)
        assert evaluate(model, novel).summary()["NDCG@10"].mean == pytest.approx(on_novel, abs=0.006)
    repeat = evaluate(baselines.RepeatPurchase(), known)
    blend = evaluate(Blend(), known)
    assert blend.summary()["NDCG@10"].mean >= 0.37
    assert blend.against(repeat, "NDCG@10").low > 0.02
    assert evaluate(Blend(), novel).summary()["NDCG@10"].mean >= 0.135
