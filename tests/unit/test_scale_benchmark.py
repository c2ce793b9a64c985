"""The benchmark of growth and approximate search: its shops, its arithmetic, and what the stored run claims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.scale import __main__ as bench
from benchmarks.scale import approximate, growth, plan, shops
from benchmarks.scale.approximate import Material, crossing
from recsys_lab.datasets import Shop

STORED = Path(__file__).parents[2] / "benchmarks" / "scale" / "results.json"


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    held: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))
    return held


@pytest.fixture(scope="module")
def small() -> Shop:
    return shops.shop(2_000)


# -- made-up shops ----------------------------------------------------------------------------------------------------


def test_a_seed_gives_one_shop(small: Shop) -> None:
    again, other = shops.shop(2_000), shops.shop(2_000, seed=1)
    assert again.fingerprint == small.fingerprint != other.fingerprint
    assert (shops.questions(shops.catalogue(300), 5) == shops.questions(shops.catalogue(300), 5)).all()
    assert shops.payloads(300) == shops.payloads(300)


def test_a_made_up_shop_passes_the_checks_of_any_shop(small: Shop) -> None:
    checked = Shop.from_frames(small.products, small.events, small.shoppers, name=small.name)
    assert checked.fingerprint == small.fingerprint


@pytest.mark.parametrize("n", [1_000, 4_000])
def test_events_are_in_proportion(n: int) -> None:
    made = shops.shop(n)
    assert len(made.products) == n
    assert len(made.shoppers) == n // 2
    assert len(made.events) == pytest.approx(shops.EVENTS * n, rel=0.05)
    assert made.events["timestamp"].is_monotonic_increasing
    kinds = made.events["event_type"].value_counts(normalize=True)
    assert kinds["clicked_on"] > 0.8
    assert kinds["clicked_on"] > kinds["put_to_cart"] > kinds["buy"] > 0.02
    clicks = made.events[made.events["event_type"] == "clicked_on"].groupby("session_id").size()
    assert 4 < clicks.mean() < 7


def test_few_products_have_most_of_the_clicks(small: Shop) -> None:
    counts = np.sort(small.popularity.to_numpy())[::-1]
    assert counts[: len(counts) // 10].sum() > 0.4 * counts.sum()


def test_visits_follow_kinds(small: Shop) -> None:
    category = small.products.set_index("item_id")["category"]
    clicks = small.sequences(collapse=False)
    kind = category.loc[clicks["item_id"]].to_numpy()
    same = clicks["session_id"].to_numpy()[1:] == clicks["session_id"].to_numpy()[:-1]
    together = (kind[1:] == kind[:-1])[same].mean()
    rng = np.random.default_rng(0)
    by_chance = (kind == rng.permutation(kind)).mean()
    assert together > 0.6 > 4 * by_chance


def test_vectors_lie_together_as_their_kinds_do() -> None:
    made = shops.catalogue(3_000)
    assert np.allclose(np.linalg.norm(made.vectors, axis=1), 1, atol=1e-5)
    scores = made.vectors @ made.vectors.T
    of_a_kind = made.kind[:, None] == made.kind[None]
    beside = (made.category[:, None] == made.category[None]) & ~of_a_kind
    np.fill_diagonal(of_a_kind, False)
    assert scores[of_a_kind].mean() > scores[beside].mean() + 0.2 > scores[~of_a_kind & ~beside].mean() + 0.4
    nearest = np.argsort(-scores - np.eye(len(made)) * -9, axis=1)[:, :5]
    assert (made.kind[nearest] == made.kind[:, None]).mean() > 0.5
    assert made.weight.sum() == pytest.approx(1)


def test_too_few_products_are_refused() -> None:
    with pytest.raises(ValueError, match="n: 20 products are too few"):
        shops.catalogue(20)


# -- exponents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_an_exponent_that_is_known(power: float) -> None:
    sizes = np.array([1e4, 3e4, 1e5, 3e5, 1e6])
    noise = np.exp(np.random.default_rng(1).normal(0, 0.05, 5))
    found, around = growth.exponent(sizes, list(3 * sizes**power * noise))
    assert around is not None
    assert around[0] < power < around[1]
    assert around[1] - around[0] < 0.2
    assert found == pytest.approx(power, abs=0.05)


def test_three_points_have_no_interval_and_one_has_no_exponent() -> None:
    assert growth.exponent([1, 10, 100], [2, 20, 200]) == (pytest.approx(1), None)
    for sizes, values in (([1], [1]), ([1, 2], [1]), ([1, 2], [0, 1]), ([5, 5], [1, 2])):
        with pytest.raises(ValueError, match="sizes, values"):
            growth.exponent(sizes, values)


def test_what_was_not_measured_is_extrapolated_and_says_so() -> None:
    made = growth.grown({"a fit s": {"100": 1.0, "1000": 20.0}, "b fit s": {"1000": 1.0, "1000000": 5.0}})
    slope = np.log10(20)
    assert made["a fit s"]["unit"] == "s"
    assert made["a fit s"]["extrapolated"] == {"1000000": pytest.approx(20 * 1000**slope)}
    assert made["b fit s"]["extrapolated"] == {}  # it was measured there


# -- the plan ---------------------------------------------------------------------------------------------------------


def test_worked_numbers() -> None:
    """64 float16 numbers, M 16, 100 bytes of payload, 8 of popularity: 128 + 144.27 + 100 + 8 = 380.27 bytes."""
    each = plan.product_bytes("float16", payload=100, dim=64, m=16)
    assert each == pytest.approx(128 + 4 * (32 + 16 / 15) + 12 + 100 + 8)
    told = plan.machines(100_000_000, each, machine_gb=16, replicas=3, head_room=0.5)
    assert told["GB"] == pytest.approx(35.415, abs=0.001)  # 38.027e9 bytes / 2**30
    assert told["shards"] == 5  # 35.4 / 8
    assert told["machines"] == 15
    assert told["GB of all replicas"] == pytest.approx(3 * told["GB"])


def test_more_room_means_fewer_machines_and_a_byte_too_many_one_more() -> None:
    assert plan.shards(1, plan.GIB, 1, 0) == 1
    assert plan.shards(1, plan.GIB + 1, 1, 0) == 2
    made = plan.plan({"payload": 500.0})["at"]
    assert list(made) == ["1e4", "1e5", "1e6", "1e7", "1e8"]
    for at in made.values():
        assert at["hnsw float32"]["GB"] > at["hnsw float16"]["GB"] > at["hnsw int8"]["GB"] > at["exact int8"]["GB"]
    assert made["1e8"]["hnsw float32"]["GB"] == pytest.approx(100 * made["1e6"]["hnsw float32"]["GB"])


def test_a_plan_of_nonsense_is_refused() -> None:
    for call, told in (
        (lambda: plan.vector_bytes(64, "float8"), "precision: 'float8'"),
        (lambda: plan.vector_bytes(0, "int8"), "dim: 0"),
        (lambda: plan.link_bytes(1), "m: 1"),
        (lambda: plan.product_bytes("int8", -1), "payload: -1"),
        (lambda: plan.shards(10, 10, 64, 1.0), "head_room: 1.0"),
        (lambda: plan.shards(0, 10, 64, 0.5), "products, bytes_each, machine_gb: 0"),
        (lambda: plan.machines(10, 10, replicas=0), "replicas: 0"),
    ):
        with pytest.raises(ValueError, match=told):
            call()


# -- search -----------------------------------------------------------------------------------------------------------


def test_recall_is_that_of_a_full_sort() -> None:
    made = approximate.made_up(500, 6)
    for share in (1.0, 0.05):
        mask = made.mask(share)
        for at, question in enumerate(made.questions):
            scores = np.where(mask, made.vectors @ question, -np.inf)
            best = np.argsort(-scores)[:10]
            assert made.recall(share, at, best) == 1
            assert made.recall(share, at, best[:4]) == pytest.approx(0.4)
            worst = int(np.argmin(np.where(mask, scores, np.inf)))
            assert made.recall(share, at, np.array([*best[:9], worst, -1])) == pytest.approx(0.9)
    for wrong in ([int(np.argmin(made.mask(0.05)))], [best[0], best[0]]):
        with pytest.raises(AssertionError, match="found twice, or though it does not pass"):
            made.recall(0.05, 0, np.array(wrong))


def test_a_filter_passes_the_share_that_it_says() -> None:
    made = Material(np.zeros((1_000, 2), dtype=np.float32), np.zeros((1, 2), dtype=np.float32))
    assert [int(made.mask(share).sum()) for share in (1.0, 0.05, 0.001)] == [1_000, 50, 10]


def test_where_two_lines_cross() -> None:
    shares = [0.1, 0.01, 0.001]
    assert crossing(shares, [10, 1, 0.1], [1, 1, 1]) == pytest.approx(0.01)
    assert crossing(shares, [10, 2, 0.1], [1, 1, 1]) == pytest.approx(0.01 * 10 ** -(np.log(2) / np.log(20)))
    assert crossing(shares, [10, 1.5, 1], [1, None, None]) == 0.01  # the graph does not get there
    assert crossing(shares, [1, 1, 1], [2, 2, 2]) == 0.1  # the exact scan is quicker at all of them
    assert crossing(shares, [2, 2, 2], [1, 1, 1]) is None


@pytest.mark.parametrize("kind", bench.INDEXES)
def test_each_index_measured_on_a_small_catalogue(kind: str) -> None:
    pytest.importorskip("faiss")
    told = approximate.measure(kind, approximate.made_up(2_000, 40))
    assert {row["filter"] for row in told["rows"]} == {1.0, 0.05, 0.005}
    for row in told["rows"]:
        assert row["p99_ms"] >= row["p50_ms"] > 0
        low, high = row["recall_interval"]
        assert 0 <= low <= row["recall"] <= high <= 1
        if kind == "exact float32":
            assert (row["recall"], row["found"]) == (1, 10)
        elif kind.startswith("exact"):
            assert row["recall"] > 0.95
    if kind.startswith("hnsw"):
        during = {(row["filter"], row["ef"]): row["recall"] for row in told["rows"] if "after" not in row["way"]}
        assert min(during[1.0, 256], during[0.05, 1024]) > 0.9
        assert during[0.05, 64] < during[1.0, 64] - 0.1
        assert during[0.005, 1024] > during[0.005, 64] + 0.3  # all ten that pass have to be met on the way
    elif kind.startswith("ivf"):
        assert max(row["recall"] for row in told["rows"] if row["filter"] == 1) > 0.95
    if kind == "hnsw float32":
        assert [row["share"] for row in told["crossover"]["at"]] == [1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005]
        assert {row["asked"] for row in told["together"]} == {"from inside", "from elsewhere"}


def test_a_tiny_run_goes_on_where_it_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("faiss")
    out = tmp_path / "out.json"
    report = bench.main(out, (2_000,), ("spaces", "exact int8"))
    assert json.loads(out.read_text(encoding="utf-8")) == report
    assert set(report["parts"]) == {"spaces/2000", "exact int8/2000"}
    assert report["growth"]["spaces build s"]["sizes"] == [2_000]
    assert [row["filter"] for row in report["approximate"]] == [1.0, 0.05, 0.005]
    assert "spaces/2000" in capsys.readouterr().out
    more = bench.main(out, (2_000,), ("spaces", "exact int8", "memory"))
    assert more["parts"]["spaces/2000"] == report["parts"]["spaces/2000"]  # nothing is measured twice
    assert more["approximate"] == report["approximate"]
    assert more["growth"]["memory store upsert s"]["values"][0] > 0
    assert more["plan"]["bytes per product"]["payload"] > 0
    fresh = bench.main(out, (2_000,), ("spaces",), again=True)
    assert fresh["parts"]["spaces/2000"] != more["parts"]["spaces/2000"]
    assert fresh["parts"]["memory/2000"] == more["parts"]["memory/2000"]
    with pytest.raises(ValueError, match="'bert' is no part"):
        bench.main(out, only=("bert",))


# -- the stored run ---------------------------------------------------------------------------------------------------


def test_every_row_is_whole(stored: dict[str, Any]) -> None:
    needed = {
        "n", "dim", "filter", "index", "parameters", "build_s", "MB", "p50_ms", "p99_ms", "recall", "recall_interval",
        "peak_MB", "to_exact",
    }  # fmt: skip
    assert len(stored["approximate"]) > 50
    for row in (*stored["approximate"], *stored["real"]):
        assert needed <= set(row)
        low, high = row["recall_interval"]
        assert 0 <= low <= row["recall"] <= high <= 1, row
        assert 0 < row["p50_ms"] <= row["p99_ms"], row
        if row["index"] == "exact float32":
            assert row["recall"] == 1, row
    assert {"machine", "versions", "load", "quiet"} <= set(stored)


def test_a_million_products_with_a_filter_fit_a_small_machine(stored: dict[str, Any]) -> None:
    rows = [row for row in stored["approximate"] if row["n"] == 1_000_000 and row["dim"] == 64 and row["filter"] < 1]
    assert {"exact float32", "hnsw float32"} <= {row["index"] for row in rows}
    assert max(row["peak_MB"] for row in rows) < 8192
    assert max(row["recall"] for row in rows if row["index"] == "hnsw float32") > 0.9
    assert stored["machine"].startswith("2 cores")


def test_a_filter_costs_a_graph_recall(stored: dict[str, Any]) -> None:
    for n in (10_000, 100_000):
        at = {
            row["filter"]: row["recall"]
            for row in stored["approximate"]
            if row["n"] == n and row["index"] == "hnsw float32" and row.get("ef") == 64 and "after" not in row["way"]
        }
        assert at[1.0] > 0.98
        assert at[1.0] > at[0.05] + 0.1 > at[0.005] + 0.3


def test_growth_is_what_its_points_say(stored: dict[str, Any]) -> None:
    needed = {"spaces build s", "spaces build MB", "spaces query ms", "item2vec fit s", "als fit s",
              "memory store upsert s", "memory store query ms"}  # fmt: skip
    assert needed <= set(stored["growth"])
    for name, row in stored["growth"].items():
        assert row["unit"] == name.rsplit(" ", 1)[1]
        assert len(row["sizes"]) == len(row["values"])
        assert row["sizes"] == sorted(row["sizes"])
        if row["exponent"] is not None and min(row["values"]) > 0:
            found, around = growth.exponent(row["sizes"], row["values"])
            assert row["exponent"] == pytest.approx(found)
            assert (row["interval"] is None) == (around is None)
        assert all(int(size) > row["sizes"][-1] for size in row.get("extrapolated", {}))
    for name in ("spaces build s", "als fit s", "item2vec fit s", "memory store upsert s"):
        assert 0.6 < stored["growth"][name]["exponent"] < 1.6, name


def test_the_stored_plan_follows_from_what_was_measured(stored: dict[str, Any]) -> None:
    held = stored["plan"]["bytes per product"]
    assert held == pytest.approx(plan.pieces(stored))
    assert stored["plan"] == plan.plan(held)
    assert held["links"] == pytest.approx(plan.link_bytes(approximate.M), rel=0.15)  # the formula, and faiss
    assert held["exact float32"] == pytest.approx(256, rel=0.1)


def test_tables_and_parts_are_one_run(stored: dict[str, Any]) -> None:
    frame = pd.DataFrame([*stored["approximate"], *stored["real"]])
    assert set(frame["part"]) <= set(stored["parts"])
    assert stored["quiet"] == all(part["others"] < bench.QUIET for part in stored["parts"].values())
    assert stored["minutes"] == pytest.approx(sum(part["seconds"] for part in stored["parts"].values()) / 60)
