"""What the tests share: the shipped shop, and the real logs where they are at hand."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from recsys_lab.datasets import Shop, Split, load_clickstream, load_retail, load_shop

# Tests share the cores with each other: how long one example takes says nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

WITHOUT_LOGS = "RECSYS_LAB_DATA does not name a folder with the real logs"


@pytest.fixture(scope="session")
def shop() -> Shop:
    return load_shop()


@pytest.fixture(scope="session")
def split(shop: Shop) -> Split:
    return shop.split()


@pytest.fixture(scope="session")
def clickstream() -> Shop:
    if not os.environ.get("RECSYS_LAB_DATA"):
        pytest.skip(WITHOUT_LOGS)
    return load_clickstream()


@pytest.fixture(scope="session")
def retail() -> Shop:
    if not os.environ.get("RECSYS_LAB_DATA"):
        pytest.skip(WITHOUT_LOGS)
    return load_retail()
