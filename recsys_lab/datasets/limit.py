"""A part of a log, so that a whole chapter can be run in seconds: `NOTEBOOK_TEST_ROW_LIMIT=20000`."""

from __future__ import annotations

import os
import warnings
import zlib
from dataclasses import replace

import numpy as np

from recsys_lab.datasets.events import DataError
from recsys_lab.datasets.shop import Shop

VARIABLE = "NOTEBOOK_TEST_ROW_LIMIT"
OWN_SHOP = "RECSYS_LAB_SHOP"
"""Names the folder of an imported shop: `load_shop` opens it in place of the simulated one."""


def row_limit() -> int | None:
    """How many events a log may have in this run; None for all. Raises `DataError` for what is no number above 0."""
    named = os.environ.get(VARIABLE, "").strip()
    if not named:
        return None
    if not named.isdecimal() or int(named) < 1:
        raise DataError(f"{VARIABLE}: {named!r} is no number of rows; give a whole number above 0, or unset it")
    return int(named)


def limited(shop: Shop) -> Shop:
    """The shop with the events of some shoppers only, each with all of theirs, as many as fit into the limit.

    Which shoppers these are depends on their labels alone. All products and shoppers stay in their tables.
    """
    most = row_limit()
    if most is None or len(shop.events) <= most:
        return shop
    counts = shop.events["user_id"].value_counts()
    users = sorted(counts.index, key=lambda user: (zlib.crc32(str(user).encode()), str(user)))
    kept = set(np.array(users, dtype=object)[np.cumsum(counts.loc[users].to_numpy()) <= most])
    warnings.warn(f"{VARIABLE}={most}: only {len(kept):,} shoppers of the {shop.name} are read", stacklevel=3)
    events = shop.events[shop.events["user_id"].isin(kept)].reset_index(drop=True)
    shown = shop.impressions
    if shown is not None:
        shown = shown[shown["user_id"].isin(kept)].reset_index(drop=True)
    return replace(shop, events=events, impressions=shown)


def claim(holds: object, words: str = "") -> None:
    """Assert what a chapter's text says of its data; on a part of it, or another shop, it may be otherwise: printed.

    >>> claim(1 + 1 == 2)
    >>> claim(1 + 1 == 3, "one and one is three")
    Traceback (most recent call last):
    ...
    AssertionError: one and one is three
    """
    for named in (VARIABLE, OWN_SHOP):
        if os.environ.get(named, "").strip():
            if not holds:
                print(f"With {named} set, this does not hold: {words or 'a claim of the text'}")
            return
    assert holds, words or "the text says otherwise"
