"""What the tests of erasing share: a small shop with somebody private in it, and a search for what is left of them."""

from __future__ import annotations

import base64
import hashlib
import pickle
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from recsys_lab.datasets import DAY_MS, Shop
from recsys_lab.patterns.recommenders import OverStore
from recsys_lab.stores.qdrant import uuid_of

ADA = "private-ada@home"
START = 1_700_000_000_000
PEOPLE = [ADA, *(f"u{number}" for number in range(29))]


def private_shop(seed: int = 0) -> Shop:
    """Thirty shoppers, forty products, forty days; every table has Ada in it, and her visits are named after her."""
    rng = np.random.default_rng(seed)
    n = 40
    products = pd.DataFrame({
        "item_id": [f"p{at}" for at in range(n)], "name": [f"Product {at}" for at in range(n)],
        "category": [("hats", "shoes", "coats", "bags")[at % 4] for at in range(n)],
        "department": [("women", "men")[at % 2] for at in range(n)], "brand": [f"brand {at % 5}" for at in range(n)],
        "style": [("casual", "formal")[at % 2] for at in range(n)],
        "colour": [("red", "blue", "green")[at % 3] for at in range(n)],
        "price": [10.0 + at for at in range(n)],
    })  # fmt: skip
    rows = []
    for number, user in enumerate(PEOPLE):
        for day in range(number % 3, 40, 2 + number % 4):
            time = START + day * DAY_MS + number * 1000
            a, b, c, d = rng.integers(0, n, size=4).tolist()
            deeds = [(a, "clicked_on"), (b, "clicked_on"), (c, "put_to_cart"), (d, "clicked_on"), (c, "buy")]
            for step, (item, kind) in enumerate(deeds):
                rows.append((user, f"p{item}", kind, time + step * 60_000, f"{user}/visit {day}"))
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "event_type", "timestamp", "session_id"])
    events = events.sort_values("timestamp", kind="stable", ignore_index=True)
    shown = events[events["event_type"] == "clicked_on"].assign(event_type="impression").reset_index(drop=True)
    people = pd.DataFrame({
        "user_id": PEOPLE, "region": [("north", "south")[at % 2] for at in range(30)],
        "registration_choice": [f"p{at}" for at in range(30)],
    })  # fmt: skip
    return Shop.from_frames(products, events, people, shown, name="private")


def save(shop: Shop, folder: Path, compression: str | None = None, categories: bool = False) -> Path:
    """A folder of the shop's tables, as another tool may write them."""
    folder.mkdir(parents=True)
    tables = {"products": shop.products, "shoppers": shop.shoppers, "events": shop.events}
    if shop.impressions is not None:
        tables["impressions"] = shop.impressions
    for name, frame in tables.items():
        kinds = {one: "category" for one in ("user_id", "session_id") if categories and one in frame.columns}
        frame.astype(kinds).to_parquet(
            folder / f"{name}.parquet", index=False, compression=compression, row_group_size=100
        )
    return folder


def without(shop: Shop, shopper: str = ADA) -> Shop:
    """The shop as if somebody had never been in it."""
    kept = [
        None if frame is None else frame[frame["user_id"] != shopper].reset_index(drop=True)
        for frame in (shop.shoppers, shop.events, shop.impressions)
    ]
    assert kept[0] is not None and kept[1] is not None
    return Shop(shop.name, shop.products, kept[0], kept[1], kept[2])


def forms(shopper: str) -> dict[str, bytes]:
    """An id as it may be written: in other alphabets, and hashed or encoded as stores do."""
    plain = shopper.encode()
    key = uuid_of(shopper)
    return {
        "plain": plain, "utf-16": shopper.encode("utf-16-le"), "utf-32": shopper.encode("utf-32-le"),
        "hex": plain.hex().encode(), "HEX": plain.hex().upper().encode(), "url": quote(shopper, safe="").encode(),
        "base64": base64.b64encode(plain).rstrip(b"=")[:-1], "sha256": hashlib.sha256(plain).hexdigest().encode(),
        "md5": hashlib.md5(plain).hexdigest().encode(), "sha1": hashlib.sha1(plain).hexdigest().encode(),
        "uuid": key.encode(), "uuid as a key": base64.b64encode(pickle.dumps(key, protocol=4)),
    }  # fmt: skip


def traces(folder: Path, shopper: str = ADA, but: tuple[str, ...] = ()) -> list[str]:
    """Where somebody can still be read below a folder: bytes of all files, and cells of packed tables."""
    found = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        if any(part in path.parts for part in but):
            continue
        try:
            held = path.read_bytes()
        except FileNotFoundError:  # a server has just deleted it
            continue
        if path.suffix == ".parquet":
            held += str(pq.read_table(path).to_pydict()).encode()
        found += [f"{path.relative_to(folder)}: {name}" for name, form in forms(shopper).items() if form in held]
    return found


def closed(model: object) -> object:
    """A model without its store: what is left is what it has learned."""
    if isinstance(model, OverStore):
        model.close()
    return model
