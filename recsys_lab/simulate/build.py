"""Makes `data/shop`: the catalogue, the shoppers, ninety days of events, and the truth behind them."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import DAY_MS, Shop, frame_hash
from recsys_lab.simulate import truth as hidden
from recsys_lab.simulate.catalogue import make_catalogue
from recsys_lab.simulate.dice import Dice, Floats
from recsys_lab.simulate.log import as_table, simulate_log
from recsys_lab.simulate.pictures import draw
from recsys_lab.simulate.truth import Truth
from recsys_lab.simulate.world import Rates, World

SEED = 20260202
N_PRODUCTS, N_SHOPPERS = 1200, 4000
START = dt.datetime(2026, 2, 2, tzinfo=dt.UTC)
START_MS = int(START.timestamp()) * 1000
LATE_SHARE = 0.11  # of the products, launched during the log
TEST_DAYS = 14
TABLES = ("products", "shoppers", "events", "impressions")
PRODUCT_COLUMNS = [
    "item_id", "name", "brand", "department", "category", "description", "colour", "material", "style", "price",
    "review_count", "review_rating", "in_stock", "on_sale", "launched_at", "picture",
]  # fmt: skip


def simulate(seed: int = SEED, n_products: int = N_PRODUCTS, n_shoppers: int = N_SHOPPERS) -> tuple[Shop, Truth]:
    """The simulated shop and its truth: the same content for the same arguments on every supported Python.

    >>> shop, truth = simulate(seed=1, n_products=150, n_shoppers=40)
    >>> len(shop.products), len(truth.appeal), shop.events["event_type"].nunique()
    (150, 150, 4)
    """
    products = make_catalogue(Dice(seed, "catalogue"), n_products)
    of_products = hidden.product_truth(Dice(seed, "product truth"), products)
    products = _finish_products(Dice(seed, "products"), products, of_products)
    shoppers = _people(Dice(seed, "shoppers"), n_shoppers)
    of_shoppers = hidden.shopper_truth(Dice(seed, "shopper truth"), shoppers, products)
    truth = Truth(**of_products, **of_shoppers)
    nothing = pd.DataFrame({"user_id": [], "item_id": [], "timestamp": []})
    world = World(products, shoppers, truth, nothing, START_MS)
    shoppers, favoured = _registration(Dice(seed, "registration"), world, shoppers)
    registered_day = (shoppers["registered_at"].to_numpy() - START_MS) / DAY_MS
    events, impressions = simulate_log(Dice(seed, "log"), world, registered_day, favoured)
    prices = products["price"].to_numpy(dtype=np.float64)
    shop = Shop.from_frames(
        products[PRODUCT_COLUMNS],
        as_table(world, events, prices, world.device),
        shoppers,
        as_table(world, impressions, prices, world.device),
        name="simulated shop",
    )
    return shop, truth


def write(folder: Path, seed: int = SEED) -> dict[str, Any]:
    """Simulate and write `folder`/*.parquet, truth.npz and manifest.json (hashes of content); returns the manifest."""
    shop, truth = simulate(seed)
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {}
    for name in TABLES:
        frame = getattr(shop, name)
        frame.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd", compression_level=19)
        hashes[name] = frame_hash(frame)
    truth.save(folder / "truth.npz")
    manifest = {
        "seed": seed,
        "start": START.date().isoformat(),
        "days": hidden.DAYS,
        "rows": {name: len(getattr(shop, name)) for name in TABLES},
        "content": hashes,
        "rates": asdict(Rates()),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def _finish_products(dice: Dice, products: pd.DataFrame, truth: dict[str, Any]) -> pd.DataFrame:
    """Launch days, reviews, stock, sale and pictures."""
    count = len(products)
    late, in_test = dice.uniform(count) < LATE_SHARE, dice.uniform(count) < 0.42
    before = -1 - np.floor(540 * dice.uniform(count))
    early = np.floor((hidden.DAYS - TEST_DAYS) * dice.uniform(count))
    testing = np.floor(hidden.DAYS - TEST_DAYS + (TEST_DAYS - 2) * dice.uniform(count))
    day = np.where(late, np.where(in_test, testing, early), before)
    reviews = np.floor(np.exp(2.6 + 0.9 * truth["appeal"] + 0.8 * dice.normal(count)) * (day < 0))
    rating = np.round(np.clip(3.8 + 0.55 * truth["quality"] + 0.25 * dice.normal(count), 1, 5), 1)
    pictures = [draw(*key) for key in zip(products["category"], products["colour"], products["pattern"], strict=True)]
    return products.assign(
        review_count=reviews.astype(np.int64),
        review_rating=np.where(reviews > 0, rating, np.nan),
        in_stock=dice.uniform(count) >= 0.04,
        on_sale=dice.uniform(count) < 0.12,
        launched_at=(START_MS + day * DAY_MS + 6 * 3_600_000).astype(np.int64),
        picture=pictures,
    )


def _people(dice: Dice, count: int) -> pd.DataFrame:
    """Who the shoppers are: ids, age band, region, device, and when they registered."""
    ages, regions, devices = hidden.AGE_BANDS, hidden.REGIONS, hidden.DEVICES
    joined_before = dice.uniform(count) < 0.68
    day = np.where(joined_before, -1 - np.floor(700 * dice.uniform(count)), np.floor(hidden.DAYS * dice.uniform(count)))
    return pd.DataFrame(
        {
            "user_id": [f"U{number:04d}" for number in range(1, count + 1)],
            "age_band": np.array(ages, dtype=object)[dice.picks(np.array([2.0, 3, 3, 2, 1]), count)],
            "region": np.array(regions, dtype=object)[dice.picks(np.array([3.0, 2, 2, 2, 1]), count)],
            "device": np.array(devices, dtype=object)[dice.picks(np.array([6.0, 3, 1]), count)],
            "registered_at": (START_MS + day * DAY_MS + 6 * 3_600_000).astype(np.int64),
        }
    )


def _registration(dice: Dice, world: World, shoppers: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """The choice of one of three products at registration (one in ten skips it), and the department it tells of."""
    count, truth = len(shoppers), world.truth
    home = np.argmax(truth.department, axis=1)
    old = world.launched_day < 0
    theirs = world.department[None, :] == home[:, None]
    key: Floats = np.where(old[None, :], dice.uniform(theirs.shape) + theirs, -1.0)
    options = np.argsort(-key, axis=1, kind="stable")[:, :3]
    liking = world.utility(np.arange(count), options, np.zeros(count))
    chosen = options[np.arange(count), dice.pick(np.exp(1.5 * liking))]
    skipped = dice.uniform(count) < 0.1
    labels = world.item_ids
    shoppers = shoppers.assign(
        registration_options=[" ".join(labels[row]) for row in options],
        registration_choice=pd.Series(labels[chosen], dtype=object).mask(skipped, None).to_numpy(),
    )
    return shoppers, np.where(skipped, 0, world.department[chosen])
