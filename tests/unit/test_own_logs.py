"""Two real logs and a large one through the import; the chapters that a shop allows; the boards of an own shop."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from recsys_lab.cli import app
from recsys_lab.datasets import DAY_MS, DataError, Shop, frame_hash
from recsys_lab.evaluation.truth import load_truth
from recsys_lab.own import chapters_for, import_shop, open_shop, scoreboard

runner = CliRunner()
LARGE_PRODUCTS, LARGE_EVENTS = 500_000, 2_000_000
MOST_BYTES, MOST_SECONDS = 8e9, 600


def exported(shop: Shop, folder: Path) -> dict[str, Path]:
    """The three tables of a shop as csv files."""
    paths = {name: folder / f"{name}.csv" for name in ("events", "products", "shoppers")}
    for name, path in paths.items():
        getattr(shop, name).to_csv(path, index=False)
    return paths


@pytest.mark.parametrize("log", ["clickstream", "retail"])
def test_a_real_log_comes_back_as_it_was(log: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    shop: Shop = request.getfixturevalue(log)
    again, report = import_shop(out=tmp_path / log, **exported(shop, tmp_path))
    assert again.fingerprint == open_shop(tmp_path / log).fingerprint == shop.fingerprint
    assert report.dropped == report.changed == [] and report.shop["products"] == len(shop.products)
    assert sum(report.shop["events"].values()) == len(shop.events)
    works = {chapter.number: chapter.works for chapter in report.chapters}
    wanted = {
        "clickstream": {"00": "partly", "02": "no", "03": "partly", "09": "yes"},
        "retail": {"00": "partly", "05": "partly"},
    }
    assert wanted[log].items() <= works.items()


def test_the_purchases_as_the_publisher_writes_them(retail: Shop, tmp_path: Path) -> None:
    """With the publisher's own column names, as a European spreadsheet saves them; the guesses find all of them."""
    names = {"session_id": "InvoiceNo", "item_id": "StockCode", "quantity": "Quantity", "price": "UnitPrice"}
    rows = retail.events.rename(columns=names).assign(
        InvoiceDate=pd.to_datetime(retail.events["timestamp"], unit="ms").dt.strftime("%d.%m.%Y %H:%M:%S"),
        CustomerID=retail.events["user_id"].astype(float),
        Quantity=retail.events["quantity"].astype(int),
    )
    rows = rows.drop(columns=["user_id", "event_type", "timestamp"])
    rows.to_csv(tmp_path / "raw.csv", index=False, sep=";", decimal=",")
    shop, report = import_shop(tmp_path / "raw.csv", tmp_path / "shop")
    assert (len(shop.products), len(shop.shoppers)) == (len(retail.products), len(retail.shoppers))
    pd.testing.assert_frame_equal(shop.events, retail.events[shop.events.columns], check_dtype=False)
    said = " ".join(report.assumed)
    for words in ("every row is taken for a purchase", "day, month, year", "decimal sign", "the .0 was taken off"):
        assert words in said


def test_the_simulated_shop_has_all_that_chapters_need(shop: Shop) -> None:
    told = {chapter.number: (chapter.works, chapter.why) for chapter in chapters_for(shop)}
    assert set(told.values()) == {("yes", "all is there")}, told


def test_the_simulated_shop_comes_back_with_its_impressions(shop: Shop, tmp_path: Path) -> None:
    paths = exported(shop, tmp_path)
    both = pd.concat([shop.events, shop.impressions], ignore_index=True).sort_values("timestamp", kind="stable")
    both.to_csv(paths["events"], index=False)
    again, report = import_shop(now_ms=int(shop.events["timestamp"].max()), **paths)
    assert again.impressions is not None and shop.impressions is not None
    assert frame_hash(again.events[shop.events.columns]) == frame_hash(shop.events)
    columns = [name for name in shop.impressions.columns if name in again.impressions.columns]
    assert {"position", "propensity"} <= set(columns)
    assert frame_hash(again.impressions[columns]) == frame_hash(shop.impressions[columns])
    kept = shop.products.drop(columns="picture")  # what notebooks show as it is does not come from a file
    assert frame_hash(again.products) == frame_hash(kept)
    assert report.dropped == report.changed == [] and {chapter.works for chapter in report.chapters} == {"yes"}


def test_each_need_is_noticed(shop: Shop) -> None:
    def works(changed: Shop) -> dict[str, str]:
        return {chapter.number: chapter.works for chapter in chapters_for(changed)}

    events = shop.events
    assert works(shop.only(events[events["event_type"] != "clicked_on"]))["03"] == "partly"
    assert works(shop.only(events.head(0))) == {**{f"{n:02d}": "no" for n in range(10)}, "01": "no", "10": "yes"}
    bare = Shop.from_frames(shop.products[["item_id"]], events, shop.shoppers[["user_id"]])
    assert {number for number, one in works(bare).items() if one == "no"} == {"01", "02"}
    assert works(bare)["07"] == works(bare)["08"] == works(bare)["03"] == "partly"
    brief = shop.between(int(events["timestamp"].max()) - 2 * DAY_MS)
    told = {chapter.number: chapter for chapter in chapters_for(brief)}
    assert told["00"].works == told["01"].works == "partly" and "without 4 days of events" in told["00"].why


def test_no_truth_of_another_shop(shop: Shop) -> None:
    fewer = Shop("mine", shop.products.head(10), shop.shoppers, shop.events)
    with pytest.raises(DataError, match=r"mine has 10 and .* unset RECSYS_LAB_SHOP"):
        load_truth(fewer)


def test_a_log_of_three_days_is_tested_on_its_last_hours(shop: Shop) -> None:
    brief = shop.between(int(shop.events["timestamp"].max()) // DAY_MS * DAY_MS - 2 * DAY_MS)
    board = next(scoreboard(brief, ["home"], ["random", "popular"]))
    assert "tested on the last 16.3 hours, learned from all before them" in board.told
    assert board.scores is not None and len(board.scores.rows) == 2
    with pytest.raises(DataError, match="all events are of one moment"):
        next(scoreboard(shop.only(shop.events.head(1))))


def test_the_boards_of_a_shop(shop: Shop) -> None:
    quick = ["random", "popular", "item-knn", "markov", "most recent", "item-knn bought"]
    boards = {one.name: one for one in scoreboard(shop, methods=quick, most_visits=400)}
    assert list(boards) == ["home", "next", "basket", "owned"]
    scores = boards["next"].scores
    assert scores is not None and [row["method"] for row in scores.rows] == ["random", "popular", "item-knn", "markov"]
    assert "truth" not in json.dumps(boards["next"].as_dict())
    best = max(scores.rows, key=lambda row: row["metrics"]["HR@20"]["mean"])
    assert boards["next"].verdict().startswith(f"next: {best['method']} pays most: HR@20")
    assert any("asked about the visits of" in words for words in boards["home"].told)


def test_boards_that_a_shop_does_not_allow(shop: Shop) -> None:
    clicks = shop.only(shop.events[shop.events["event_type"] == "clicked_on"])
    boards = {one.name: one for one in scoreboard(clicks, ["basket", "owned"], most_visits=200)}
    assert all(one.scores is None and "not for this shop" in one.verdict() for one in boards.values())
    buys = shop.only(shop.events[shop.events["event_type"] == "buy"])
    (home,) = scoreboard(buys, ["home"], ["item-knn", "repeat"], most_visits=200)
    assert "nothing to learn from" in home.left_out["item-knn"] and "repeat" not in home.left_out
    with pytest.raises(DataError, match="'ab' is none of home"):
        next(scoreboard(shop, ["ab"]))


def test_a_robots_visit_is_left_out(shop: Shop) -> None:
    last = int(shop.events["timestamp"].max())
    bot = pd.DataFrame({"timestamp": last - np.arange(5_000) * 10}).assign(
        user_id=shop.shoppers["user_id"].iloc[0], item_id=shop.products["item_id"].iloc[0], event_type="clicked_on",
        session_id="bot",
    )  # fmt: skip
    rows = pd.concat([shop.events, bot], ignore_index=True).sort_values("timestamp", kind="stable")
    (board,) = scoreboard(shop.only(rows), ["next"], ["markov"], most_visits=200)
    assert any("1 visits of more than 1,000 events were left out" in words for words in board.told)


def test_the_command(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_shop(out=tmp_path / "mine", now_ms=int(shop.events["timestamp"].max()), **exported(shop, tmp_path))
    given = ["scoreboard", "--board", "owned", "--methods", "buy again"]
    said = runner.invoke(app, [*given, "--shop", str(tmp_path / "mine")])
    assert said.exit_code == 0 and "owned: buy again pays most" in said.stdout
    monkeypatch.setenv("RECSYS_LAB_SHOP", str(tmp_path / "mine"))
    held = json.loads(runner.invoke(app, [*given, "--json"]).stdout)
    assert [row["method"] for row in held[0]["rows"]] == ["popular", "buy again"]
    assert runner.invoke(app, ["scoreboard", "--board", "ab"]).exit_code == 2
    assert runner.invoke(app, [*given, "--shop", str(tmp_path / "mine"), "--log", "retail"]).exit_code == 2


_IMPORT = """
import resource, sys, time
from pathlib import Path
from recsys_lab.own import import_shop, open_shop
folder = Path(sys.argv[1])
began = time.perf_counter()
shop, report = import_shop(folder / "events.csv", folder / "shop", folder / "products.csv")
done = time.perf_counter()
assert open_shop(folder / "shop").fingerprint == shop.fingerprint
print(len(shop.products), len(shop.events), done - began, time.perf_counter() - done,
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
def test_half_a_million_products_and_two_million_events(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    numbers = np.arange(LARGE_PRODUCTS)
    products = pd.DataFrame(
        {
            "sku": [f"SKU-{number:06d}" for number in numbers],
            "title": [f"Product number {number} of a large shop" for number in numbers],
            "category": rng.integers(0, 400, LARGE_PRODUCTS),
            "price": rng.integers(100, 20_000, LARGE_PRODUCTS) / 100,
        }
    )
    products.to_csv(tmp_path / "products.csv", index=False)
    item = (LARGE_PRODUCTS * rng.random(LARGE_EVENTS) ** 3).astype(int)
    times = np.sort(rng.integers(0, 90 * DAY_MS, LARGE_EVENTS)) + 1_700_000_000_000
    events = pd.DataFrame(
        {
            "visitor_id": rng.integers(0, 200_000, LARGE_EVENTS),
            "sku": products["sku"].to_numpy()[item],
            "event": np.array(["view", "cart", "purchase"])[rng.choice(3, LARGE_EVENTS, p=[0.9, 0.07, 0.03])],
            "time": pd.to_datetime(times, unit="ms").strftime("%Y-%m-%d %H:%M:%S"),
        }
    )
    events.to_csv(tmp_path / "events.csv", index=False)
    began = time.perf_counter()
    done = subprocess.run(  # its own process, so that the memory is its own
        [sys.executable, "-c", _IMPORT, str(tmp_path)], capture_output=True, text=True, check=True, timeout=1_200
    )
    held, kept, seconds, opening, most = map(float, done.stdout.split())
    print(
        f"import {seconds:.0f} s, opening {opening:.0f} s, {most / 1e9:.1f} GB, all {time.perf_counter() - began:.0f} s"
    )
    assert held == LARGE_PRODUCTS and kept > 0.99 * LARGE_EVENTS
    assert most < MOST_BYTES and seconds < MOST_SECONDS
