"""What the tests share: the shipped shop, and the real logs where they are at hand."""

from __future__ import annotations

import os

import pytest

from recsys_lab.datasets import Shop, Split, load_clickstream, load_retail, load_shop

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
