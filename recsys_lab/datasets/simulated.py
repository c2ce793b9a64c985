"""The simulated shop as it is shipped (`data/shop`, made by `python -m recsys_lab simulate`), or one of your own."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from recsys_lab.datasets.cells import skip_cells
from recsys_lab.datasets.events import DataError
from recsys_lab.datasets.limit import OWN_SHOP, limited
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


def open_shop(folder: Path, impressions: bool = True, name: str | None = None) -> Shop:
    """The shop in a folder of parquet tables: products, shoppers, events, and impressions where there are any.

    `python -m recsys_lab import` writes such folders. Raises `DataError` where a table is missing or damaged.
    """
    folder = folder.expanduser().absolute()
    missing = [table for table in ("products", "shoppers", "events") if not (folder / f"{table}.parquet").is_file()]
    if missing:
        raise DataError(
            f"{folder}: this is no folder of a shop, there is no {missing[0]}.parquet in it; make one with:"
            f" python -m recsys_lab import --events FILE --out {folder}"
        )
    wanted = ["products", "shoppers", "events"]
    wanted += ["impressions"] if impressions and (folder / "impressions.parquet").is_file() else []
    try:
        tables = {table: pd.read_parquet(folder / f"{table}.parquet") for table in wanted}
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these kinds
        raise DataError(f"{folder}: a table of this shop cannot be read ({error}); make the folder again") from error
    return Shop.from_frames(**tables, name=name or folder.name)


def load_shop(impressions: bool = True) -> Shop:
    """The simulated shop: about 1,200 products, 4,000 shoppers and 300,000 events of 90 days.

    Where `RECSYS_LAB_SHOP` names the folder of an imported shop, it is that one, and in a notebook
    cells that need what it lacks are skipped (`cells`). Without `impressions` the home page's
    lists are left out, which loads faster. Its truth is not here: see `recsys_lab.evaluation`.
    """
    own = os.environ.get(OWN_SHOP, "").strip()
    if own:
        shop = limited(open_shop(Path(own), impressions))
        skip_cells(shop)
        return shop
    return limited(open_shop(shop_folder(), impressions, name="simulated shop"))
