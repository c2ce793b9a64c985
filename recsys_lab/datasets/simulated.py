"""The simulated shop as it is shipped: `data/shop`, made by `python -m recsys_lab simulate`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from recsys_lab.datasets.events import DataError
from recsys_lab.datasets.limit import limited
from recsys_lab.datasets.shop import Shop

_HERE = Path(__file__).resolve()
SHOP_FOLDERS = (_HERE.parents[2] / "data" / "shop", _HERE.parents[1] / "_data" / "shop")
"""Where the shop may lie: in a clone of the repository, or inside an installed package."""


def shop_folder() -> Path:
    """The folder of the shipped shop. Raises `DataError` where there is none."""
    for folder in SHOP_FOLDERS:
        if (folder / "events.parquet").exists():
            return folder
    raise DataError(
        f"the simulated shop is not there: no events.parquet in {SHOP_FOLDERS[0]};"
        f" make it with: python -m recsys_lab simulate"
    )


def load_shop(impressions: bool = True) -> Shop:
    """The simulated shop: about 1,200 products, 4,000 shoppers and 300,000 events of 90 days.

    Without `impressions` the home page's lists are left out, which loads faster. Its truth is not here: see
    `recsys_lab.evaluation`.
    """
    folder = shop_folder()
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("products", "shoppers", "events")}
    shown = pd.read_parquet(folder / "impressions.parquet") if impressions else None
    return limited(Shop.from_frames(**tables, impressions=shown, name="simulated shop"))
