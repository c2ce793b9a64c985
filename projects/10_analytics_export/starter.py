"""From web analytics' nested events to a table that the import takes. Your half: README.md says what is owed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

NAMES = {
    "view_item": "clicked_on",
    "add_to_cart": "put_to_cart",
    "remove_from_cart": "removed_from_cart",
    "purchase": "buy",
}
"""Their events, and ours. All others are left out: counted as "refund", or as "event: " and their name."""

COLUMNS = ("user_id", "item_id", "event_type", "timestamp", "session_id", "price", "quantity", "device")

# A line of the export:
# {"event_name": "purchase", "event_timestamp": "1770013797051000", "user_pseudo_id": "U1471",
#  "device": {"category": "mobile"}, "event_params": [{"key": "ga_session_id", "value": {"int_value": 17}},
#  {"key": "transaction_id", "value": {"string_value": "T9"}}],
#  "items": [{"item_id": "P1", "price": 9.5, "quantity": 2}]}


def parameter(event: dict[str, Any], key: str) -> Any:
    """The value of one of the `event_params`, whatever its kind; None where it is not there."""
    raise NotImplementedError("parameter: a list of {key, value}; the value is under int_value, string_value …")


def flatten(lines: Iterable[str], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    """A row of COLUMNS for each product of each event, in the order of the lines; `left_out` is counted up.

    Left out are, under these names: "broken line" (no JSON, or no object), "event: NAME" (none of NAMES), "refund",
    "no shopper", "no time" (missing, or no whole number above 0), "no session", "no product" (an event without any),
    "product without id" and "counted twice" (a product of a purchase with a `transaction_id` that an earlier line of
    this shopper had). The session is "user/number". Times become milliseconds. What an item does not tell (price,
    quantity) is None.
    """
    raise NotImplementedError("flatten: line by line; count under its name whatever is left out")


def convert(source: Path, target: Path) -> Counter[str]:
    """Write the rows of an export as CSV with a header of COLUMNS; answers with what was left out, and "rows"."""
    raise NotImplementedError("convert: csv.DictWriter; UTF-8; one line of the source in memory at a time")
