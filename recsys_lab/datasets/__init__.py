"""Events, shops and the loaders that return them."""

from recsys_lab.datasets.events import EVENT_ATTRS, EVENT_TYPES, DataError, Event
from recsys_lab.datasets.shop import DAY_MS, Shop, as_events, frame_hash

__all__ = ["DAY_MS", "EVENT_ATTRS", "EVENT_TYPES", "DataError", "Event", "Shop", "as_events", "frame_hash"]
