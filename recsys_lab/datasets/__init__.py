"""Events, shops and the loaders that return them."""

from recsys_lab.datasets.clickstream import load_clickstream
from recsys_lab.datasets.download import DataUnavailable
from recsys_lab.datasets.events import EVENT_ATTRS, EVENT_TYPES, DataError, Event
from recsys_lab.datasets.limit import claim
from recsys_lab.datasets.retail import load_retail
from recsys_lab.datasets.shop import DAY_MS, Shop, Split, as_events, frame_hash
from recsys_lab.datasets.simulated import load_shop

__all__ = [
    "DAY_MS",
    "EVENT_ATTRS",
    "EVENT_TYPES",
    "DataError",
    "DataUnavailable",
    "Event",
    "Shop",
    "Split",
    "as_events",
    "claim",
    "frame_hash",
    "load_clickstream",
    "load_retail",
    "load_shop",
]
