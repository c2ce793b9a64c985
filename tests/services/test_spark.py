"""The same training on Spark: the same equation, the same quality, and nothing of it in what comes back."""

from __future__ import annotations

import os
import pickle
import shutil
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.clusters import ClusterRecommender
from recsys_lab.datasets import DAY_MS, DataError, Event, Shop, Split
from recsys_lab.evaluation import evaluate
from recsys_lab.evaluation.boards import home_board, next_board
from recsys_lab.evaluation.bootstrap import paired
from recsys_lab.factors import Factors
from recsys_lab.item2vec import Item2Vec, Vectors, sequences
from recsys_lab.patterns.nightly import ALIASES, refresh_shop
from recsys_lab.recommender import Context
from recsys_lab.spark import SparkClusters, SparkError, SparkFactors, SparkItem2Vec, SparkKMeans, start, train
from recsys_lab.spark.log import events_of, read_events, strengths, visits
from recsys_lab.spark.session import INSTALL, _check_java
from recsys_lab.stores import open_store

WITHOUT_SPARK = "pyspark is not installed (the extra [spark])"
WEIGHTS = {"clicked_on": 1.0, "put_to_cart": 2.0, "buy": 4.0, "removed_from_cart": -2.5}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    pytest.importorskip("pyspark", reason=WITHOUT_SPARK)
    try:
        _check_java()
    except SparkError as error:
        pytest.skip(str(error))
    with start() as session:
        yield session


@pytest.fixture(scope="module")
def small() -> Shop:
    """30 shoppers, 12 products, all event types, some at the same time, and some who only took things out."""
    rng = np.random.default_rng(3)
    n = 400
    events = pd.DataFrame(
        {
            "user_id": [f"u{one}" for one in rng.integers(30, size=n)],
            "item_id": [f"p{one}" for one in (rng.random(n) ** 2 * 12).astype(int)],
            "event_type": rng.choice(list(WEIGHTS), p=[0.5, 0.2, 0.1, 0.2], size=n),
            "timestamp": 10**12 + rng.integers(n // 2, size=n) * 60_000,
        }
    )
    never = pd.DataFrame({"user_id": ["only out"], "item_id": ["p1"], "event_type": ["removed_from_cart"]})
    events = pd.concat([events, never.assign(timestamp=10**12 + DAY_MS)], ignore_index=True)
    events["session_id"] = events["user_id"] + "/" + (events["timestamp"] // 3_600_000).astype(str)
    return Shop.from_frames(pd.DataFrame({"item_id": [f"p{one}" for one in range(12)]}), events, name="small")


@pytest.fixture(scope="module")
def fitted(spark: Any, small: Shop) -> SparkFactors:
    return SparkFactors(3, regularization=0.4, alpha=2.0, iterations=40, weights=WEIGHTS).fit(small)


class TestTheLogInSpark:
    def test_what_was_done_is_worth_the_same(self, spark: Any, small: Shop) -> None:
        for log_counts in (False, True):
            ours = Factors(2, weights=WEIGHTS, log_counts=log_counts)
            ours._train = lambda users: (_none(), _none())  # type: ignore[method-assign]
            ours.fit(small)
            rows = strengths(events_of(spark, small), WEIGHTS, log_counts).toArrow().to_pydict()
            cells = zip(rows["user_id"], rows["item_id"], rows["r"], strict=True)
            found = {(user, item): r for user, item, r in cells}
            users = {row: user for user, row in ours._row.items()}
            matrix = ours._sums.tocoo()
            wanted = {
                (users[row], ours.items_[column]): r
                for row, column, r in zip(matrix.row, matrix.col, ours._r(matrix.data), strict=True)
                if r != 0
            }
            assert found.keys() == wanted.keys()
            assert all(found[cell] == pytest.approx(wanted[cell]) for cell in wanted)

    def test_visits_are_those_of_the_shop(self, spark: Any, small: Shop) -> None:
        for kind in ("clicked_on", "buy"):
            made = visits(events_of(spark, small), kind).toArrow()["visit"].to_pylist()
            assert made == sequences(small, event_type=kind)
            assert made


class TestFactors:
    """Against a plain ALS with λ times the number of ratings, in numpy."""

    def test_the_vectors_of_shoppers_solve_the_equation(self, fitted: SparkFactors) -> None:
        r, users, items = _dense(fitted)
        solved = np.array([_row(items, mine, 2.0, 0.4) for mine in r])
        assert np.abs(solved - users).max() < 1e-4
        assert r.min() < 0  # a removal took part
        flat = np.array([_row(items, mine, 2.0, 0.4 / max(1, (mine > 0).sum())) for mine in r])
        assert np.abs(flat - users).max() > 0.01  # λ once for each row is another equation

    def test_both_sides_together_are_as_good_as_plain_als(self, fitted: SparkFactors) -> None:
        r, users, items = _dense(fitted)
        mine = np.random.default_rng(0).normal(size=items.shape) / 2
        for _ in range(200):
            theirs = np.array([_row(mine, row, 2.0, 0.4) for row in r])
            mine = np.array([_row(theirs, column, 2.0, 0.4) for column in r.T])
        assert _loss(r, users, items) == pytest.approx(_loss(r, theirs, mine), rel=0.01)

    def test_folding_in_gives_the_vector_that_training_gave(self, fitted: SparkFactors, small: Shop) -> None:
        now = int(small.events["timestamp"].max()) + 1
        for user in fitted.user_vectors_.ids[:5]:
            rows = small.events[small.events["user_id"] == user]
            cells = zip(rows["item_id"], rows["event_type"], strict=True)
            done = tuple(Event(user, item, kind, now, "again") for item, kind in cells)
            folded = fitted.shopper_vector(Context("new", now, history=done))
            assert np.allclose(folded, fitted.user_vectors_[user], atol=1e-4)

    def test_who_only_took_things_out_has_no_vector(self, fitted: SparkFactors) -> None:
        assert "only out" not in fitted.user_vectors_
        assert not fitted.shopper_vector(Context("only out", 10**13)).any()

    def test_a_product_folds_in_as_it_was_trained(self, fitted: SparkFactors, small: Shop) -> None:
        rows = small.events[small.events["item_id"] == "p0"]
        cells = zip(rows["user_id"], rows["event_type"], strict=True)
        events = [Event(user, "p0", kind, 10**12, "s", id=f"e{at}") for at, (user, kind) in enumerate(cells)]
        # Spark solved products before shoppers in its last round: after many rounds that makes no difference.
        assert np.allclose(fitted.product_vectors(events)["p0"], fitted.item_vectors_["p0"], atol=0.02)

    @pytest.mark.slow
    def test_the_same_seed_gives_the_same_vectors(self, fitted: SparkFactors, small: Shop) -> None:
        again = SparkFactors(3, regularization=0.4, alpha=2.0, iterations=40, weights=WEIGHTS).fit(small)
        assert again.item_vectors_.ids == fitted.item_vectors_.ids
        assert np.allclose(again.item_vectors_.matrix, fitted.item_vectors_.matrix, atol=1e-4)

    def test_settings_carry_over_where_spark_has_them(self, small: Shop) -> None:
        ours = Factors(8, regularization=6.0, alpha=3.0, weights=WEIGHTS)
        made = SparkFactors.like(ours, small)
        sums = _sums(small)
        n = (sums > 0).sum(axis=1), (sums > 0).sum(axis=0)
        n_user, n_item = (side[side > 0].mean() for side in n)
        assert made.regularization == pytest.approx(6.0 / np.sqrt(n_user * n_item))
        assert (made.factors, made.alpha, made.weights) == (8, 3.0, WEIGHTS)
        for model in (Factors(base=0.0), Factors(model="bpr")):
            with pytest.raises(ValueError, match="base=1"):
                SparkFactors.like(model, small)

    def test_many_rounds_want_a_place(self, fitted: SparkFactors, small: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        from pyspark import SparkContext

        monkeypatch.setattr(SparkContext, "getCheckpointDir", lambda self: None)
        with pytest.raises(ValueError, match="setCheckpointDir"):
            SparkFactors(3, iterations=21).fit(small)

    def test_bad_settings_are_named(self, small: Shop) -> None:
        for settings, told in (({"blocks": 0}, "blocks"), ({"alpha": 0.0}, "alpha"), ({"factors": 0}, "factors")):
            with pytest.raises(ValueError, match=told):
                SparkFactors(**settings).fit(small)  # type: ignore[arg-type]

    def test_patterns_are_refreshed_with_it(self, fitted: SparkFactors, small: Shop) -> None:
        store = open_store("memory://")
        done = refresh_shop(store, small, fitted)
        assert set(done) <= set(ALIASES) and "items" in done
        assert store.alias("items").count() == len(fitted.item_vectors_)


class TestNothingOfSparkComesBack:
    def test_pickled_models_answer_where_there_is_no_spark(
        self, spark: Any, fitted: SparkFactors, small: Shop, tmp_path: Path
    ) -> None:
        vectors = SparkItem2Vec(dim=4, epochs=2).fit(small)
        groups = SparkClusters(2, vectors=vectors.vectors_, starts=1).fit(small)
        context = Context("u1", 10**13, viewed="p1", cart=("p2",))
        models = {"factors": fitted, "vectors": vectors, "groups": groups}
        (tmp_path / "models").write_bytes(pickle.dumps(models))
        code = """
            import pickle, sys
            sys.modules["pyspark"] = None
            from recsys_lab.recommender import Context
            for name, model in pickle.load(open("models", "rb")).items():
                print(*model.recommend(Context("u1", 10**13, viewed="p1", cart=("p2",)), k=5).item_ids)
        """
        done = _python(code, tmp_path)
        assert done.stderr == ""
        wanted = [" ".join(model.recommend(context, k=5).item_ids) for model in models.values()]
        assert done.stdout.splitlines() == wanted

    def test_saved_models_are_loaded_without_spark(self, fitted: SparkFactors, small: Shop, tmp_path: Path) -> None:
        fitted.save(tmp_path)
        loaded = SparkFactors.load(tmp_path, small)
        context = Context("u1", 10**13)
        assert loaded.recommend(context, k=5).item_ids == fitted.recommend(context, k=5).item_ids


class TestFiles:
    def test_files_give_what_the_shop_gives(self, fitted: SparkFactors, small: Shop, tmp_path: Path) -> None:
        half = len(small.events) // 2
        paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
        for path, rows in zip(paths, (small.events[:half], small.events[half:]), strict=True):
            rows.to_parquet(path)
        model = SparkFactors(3, regularization=0.4, alpha=2.0, iterations=40, weights=WEIGHTS)
        train(paths, tmp_path / "out", model)
        assert not hasattr(model, "item_vectors_")
        loaded = SparkFactors.load(tmp_path / "out", small)
        assert np.allclose(loaded.item_vectors_.matrix, fitted.item_vectors_.matrix, atol=1e-4)
        with pytest.raises(DataError, match="not empty"):
            train(paths, tmp_path / "out", model)
        train(paths, tmp_path / "i2v", SparkItem2Vec(dim=4, epochs=2))
        assert len(SparkItem2Vec.load(tmp_path / "i2v", small).vectors_) == 12

    def test_what_is_no_log_is_named(self, spark: Any, small: Shop, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"nothing\.parquet"):
            read_events(spark, tmp_path / "nothing.parquet")
        small.events.drop(columns="item_id").to_parquet(tmp_path / "a.parquet")
        with pytest.raises(DataError, match="item_id is missing"):
            read_events(spark, tmp_path / "a.parquet")
        small.events.assign(timestamp=0.5).to_parquet(tmp_path / "b.parquet")
        with pytest.raises(DataError, match="timestamp is double"):
            read_events(spark, tmp_path / "b.parquet")


class TestQuality:
    """On the tuning week of the simulated shop, against one machine."""

    def test_als_is_as_good_as_plain_weighted_als_and_near_to_implicit(self, spark: Any, split: Split) -> None:
        board = home_board(split.train, split.tune)
        ours = Factors(16, regularization=30.0, alpha=20.0, iterations=8, weights=_SALES)
        model = SparkFactors.like(ours, split.train)
        there, here = evaluate(model, board), evaluate(ours, board)
        plain = evaluate(_Plain.like(ours, split.train), board)
        print(there.summary()[board.main], here.summary()[board.main], plain.summary()[board.main])
        same = paired(there.cases[board.main], plain.cases[board.main], board.units)
        near = paired(there.cases[board.main], here.cases[board.main], board.units)
        print("Spark − plain weighted:", same, "Spark − implicit:", near)
        assert abs(same.mean) < 0.004  # another start of the same equation
        assert near.low > -0.005  # λ by the number of ratings is no loss here

    @pytest.mark.slow
    def test_word2vec_is_as_good_as_gensim_with_the_same_softmax(self, spark: Any, split: Split) -> None:
        from gensim.models import Word2Vec

        board = next_board(split.train, split.tune)
        model = SparkItem2Vec(dim=32, window=3, epochs=5)
        there = evaluate(model, board)
        trained = Word2Vec(
            sequences(board.train), vector_size=32, window=3, epochs=5, sg=1, hs=1, negative=0, sample=0, min_count=1,
            seed=0, workers=1,
        )  # fmt: skip
        vectors = Vectors(tuple(trained.wv.index_to_key), trained.wv.vectors)
        ours = Item2Vec(dim=32)
        ours._loaded = (vectors, vectors)  # type: ignore[attr-defined]
        difference = paired(there.cases[board.main], evaluate(ours, board).cases[board.main], board.units)
        print(there.summary()[board.main], "Spark − gensim, both hierarchical softmax:", difference)
        assert abs(difference.mean) < 0.02

    def test_clusters_are_as_good_as_those_of_scikit_learn(self, spark: Any, split: Split) -> None:
        board = next_board(split.train, split.tune)
        settings = {"dim": 32, "window": 5, "shrink_windows": True, "skip_gram": False, "negative": 5, "epochs": 5}
        vectors = Item2Vec(**settings).fit(board.train).vectors_  # type: ignore[arg-type]
        there = evaluate(SparkClusters(35, vectors=vectors, starts=1), board)
        here = evaluate(ClusterRecommender(35, vectors=vectors), board)
        difference = paired(there.cases[board.main], here.cases[board.main], board.units)
        print(there.summary()[board.main], here.summary()[board.main], "difference:", difference)
        assert abs(difference.mean) < 0.01


class TestKMeans:
    def test_groups_that_anybody_sees(self, spark: Any) -> None:
        vectors = Vectors(tuple("abcde"), np.array([[1.0, 0], [2, 0.1], [0, 1], [0.1, 3], [0.2, 1]]))
        groups = SparkKMeans(2).fit(vectors)
        assert [set(groups.members(cluster)) for cluster in (0, 1)] == [set("cde"), set("ab")]
        assert groups.assign(vectors).to_dict() == groups.labels_.to_dict()

    def test_bad_input_is_named(self, spark: Any) -> None:
        vectors = Vectors(("a", "b"), np.array([[1.0, 0], [2.0, 0]]))
        with pytest.raises(ValueError, match="2 clusters of 1 different"):
            SparkKMeans(2).fit(vectors)
        with pytest.raises(ValueError, match="k: 1"):
            SparkKMeans(1).fit(vectors)
        with pytest.raises(ValueError, match="'b' is all zeros"):
            SparkKMeans(2).fit(Vectors(("a", "b"), np.array([[1.0, 0], [0.0, 0]])))


class TestTheSession:
    def test_a_second_one_is_refused_and_a_running_one_is_used(self, spark: Any, small: Shop) -> None:
        with pytest.raises(ValueError, match="runs already"), start():
            pass
        SparkItem2Vec(dim=2, epochs=1, master="spark://nowhere:1").fit(small)  # the one that runs
        assert spark.range(3).count() == 3  # and it still does

    def test_no_port_is_open_but_on_this_computers_own_address(self, spark: Any) -> None:
        psutil = pytest.importorskip("psutil")
        java = psutil.Process(spark.sparkContext._gateway.proc.pid)
        listens = [one.laddr.ip for one in java.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
        assert listens
        assert {ip.removeprefix("::ffff:") for ip in listens} <= {"127.0.0.1", "::1"}
        assert spark.sparkContext.uiWebUrl is None

    @pytest.mark.slow
    def test_quiet_offline_with_a_name_nobody_knows_and_nothing_is_left(self, spark: Any, tmp_path: Path) -> None:
        own = ["unshare", "--map-root-user", "--net", "--uts"]
        if (
            shutil.which("unshare") is None
            or subprocess.run([*own, "true"], check=False, capture_output=True).returncode
        ):
            pytest.skip("unshare gives no network of its own here")
        code = """
            import socket
            from recsys_lab.datasets import Shop
            from recsys_lab.spark import SparkItem2Vec, start
            try:
                socket.gethostbyname(socket.gethostname())
                print("resolved")
            except OSError:
                pass
            shop = Shop.from_sessions([["a", "b", "c"], ["d", "e", "f"]] * 20)
            print(len(SparkItem2Vec(dim=4, epochs=2).fit(shop).vectors_))
            with start(memory="512m") as session:  # a second one, in the Java of the first
                print(session.range(5).count())
        """
        folders = [tmp_path / "work", tmp_path / "temp"]
        for folder in folders:
            folder.mkdir()
        up = ["sh", "-c", 'hostname nobody-knows-me; ip link set lo up 2>/dev/null; exec "$@"', "sh"]
        done = _python(code, folders[0], [*own, *up], {"TMPDIR": str(folders[1])})
        assert (done.stdout.split(), done.stderr, done.returncode) == (["6", "5"], "", 0)
        assert [list(folder.iterdir()) for folder in folders] == [[], []]

    def test_an_address_that_is_none_is_told(self, spark: Any, tmp_path: Path) -> None:
        code = """
            from recsys_lab.spark import SparkError, start
            try:
                with start("lokal"):
                    pass
            except SparkError as error:
                print(error)
        """
        done = _python(code, tmp_path)
        assert "did not start at lokal" in done.stdout and "Master must either be" in done.stdout


class TestWhatIsMissing:
    def test_no_pyspark(self, monkeypatch: pytest.MonkeyPatch, small: Shop) -> None:
        monkeypatch.setitem(sys.modules, "pyspark", None)
        for model in (SparkFactors(), SparkItem2Vec()):
            with pytest.raises(ModuleNotFoundError) as told:
                model.fit(small)
            assert INSTALL in str(told.value)

    def test_no_java(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        with pytest.raises(SparkError, match=f"JAVA_HOME={tmp_path}.*openjdk-17-jre-headless.*brew"):
            _check_java()
        monkeypatch.delenv("JAVA_HOME")
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(SparkError, match="JAVA_HOME is not set"):
            _check_java()

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ('openjdk version "1.8.0_402"', "there is Java 8"),
            ('openjdk version "11.0.22" 2024', "there is Java 11"),
            ('openjdk version "25" 2025', "there is Java 25"),
            ("Unable to locate a Java Runtime.", "none starts"),  # the java of a macOS that has none
        ],
    )
    @pytest.mark.skipif(os.name == "nt", reason="the pretended java is a shell script")
    def test_another_java(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, told: str) -> None:
        java = tmp_path / "bin" / "java"
        java.parent.mkdir()
        java.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
        java.chmod(java.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        with pytest.raises(SparkError, match=told):
            _check_java()

    def test_importing_needs_neither(self, tmp_path: Path) -> None:
        code = "import sys, recsys_lab.spark; print([name for name in sys.modules if name.startswith('pyspark')])"
        assert _python(code, tmp_path).stdout.strip() == "[]"


_SALES = {"clicked_on": 0.1, "put_to_cart": 0.5, "buy": 5.0, "removed_from_cart": -0.5}


class _Plain(SparkFactors):
    """The equation in numpy, from another start."""

    def _learn(self, shop: Shop) -> None:
        sums = _sums(shop, self._worth)
        r = sums.to_numpy()
        items = np.random.default_rng(1).normal(size=(r.shape[1], self.factors)) / self.factors
        for _ in range(self.iterations or 15):
            users = np.array([_row(items, row, self.alpha, self.regularization) for row in r])
            items = np.array([_row(users, row, self.alpha, self.regularization) for row in r.T])
        users = np.array([_row(items, row, self.alpha, self.regularization) for row in r])
        self._loaded = (Vectors(tuple(sums.index), users), Vectors(tuple(sums.columns), items), self.fitted_until_)
        super()._learn(shop)


def _row(others: Any, r: Any, alpha: float, regularization: float) -> Any:
    """(YᵀY + Σ α·|r|·y·yᵀ + λ·n·I)·x = Σ (1 + α·r)·y over r > 0."""
    done = r != 0
    rows, mine = others[done], r[done]
    left = others.T @ others + (rows * (alpha * np.abs(mine))[:, None]).T @ rows
    left = left + regularization * (mine > 0).sum() * np.eye(others.shape[1])
    right = rows.T @ np.where(mine > 0, 1 + alpha * mine, 0.0)
    return np.linalg.solve(left, right) if right.any() else np.zeros(others.shape[1])


def _loss(r: Any, users: Any, items: Any, alpha: float = 2.0, regularization: float = 0.4) -> float:
    wanted = r > 0
    miss = (1 + alpha * np.abs(r)) * (wanted - users @ items.T) ** 2
    lengths = wanted.sum(axis=1) @ (users**2).sum(axis=1) + wanted.sum(axis=0) @ (items**2).sum(axis=1)
    return float(miss.sum() + regularization * lengths)


def _sums(shop: Shop, weights: dict[str, float] = WEIGHTS) -> pd.DataFrame:
    worth = shop.events["event_type"].map(weights).astype(float)
    rows = shop.events.assign(worth=worth)
    return rows.pivot_table(values="worth", index="user_id", columns="item_id", aggfunc="sum", fill_value=0.0).round(9)


def _dense(model: SparkFactors) -> tuple[Any, Any, Any]:
    """r [shoppers, products] of who has a vector, and the vectors."""
    users, items = model.user_vectors_, model.item_vectors_
    rows = [model._row[user] for user in users.ids]
    r = np.round(model._sums[rows][:, model.columns(list(items.ids))].toarray(), 9)
    return r, np.asarray(users.matrix, dtype=float), np.asarray(items.matrix, dtype=float)


def _none() -> Vectors:
    return Vectors((), np.zeros((0, 2), dtype=np.float32))


def _python(
    code: str, folder: Path, before: list[str] | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [*(before or []), sys.executable, "-c", textwrap.dedent(code)]
    everything = {**os.environ, "PYTHONPATH": path, **(env or {})}
    return subprocess.run(command, cwd=folder, env=everything, capture_output=True, text=True, check=False, timeout=300)
