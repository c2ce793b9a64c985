"""From web analytics' nested events to a table that the import takes. One way to write it."""

from __future__ import annotations

import csv
import json
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


def parameter(event: dict[str, Any], key: str) -> Any:
    """The value of one of the `event_params`, whatever its kind; None where it is not there."""
    for one in event.get("event_params") or ():
        if one.get("key") == key:
            return next((value for value in (one.get("value") or {}).values() if value is not None), None)
    return None


def flatten(lines: Iterable[str], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    """A row of COLUMNS for each product of each event, in the order of the lines; `left_out` is counted up."""
    told: dict[tuple[str, str, str], int] = {}  # who, transaction, product → the line that told it
    for number, line in enumerate(lines):
        event = _event(line)
        why = "broken line" if event is None else _reason(event)
        if event is None or why:
            left_out[why] += 1
            continue
        user, time = str(event["user_pseudo_id"]), _microseconds(event) // 1000
        transaction = parameter(event, "transaction_id") if event["event_name"] == "purchase" else None
        for item in event["items"]:
            receipt = (user, str(transaction), str(item.get("item_id")))
            if not item.get("item_id"):
                left_out["product without id"] += 1
            elif transaction is not None and told.setdefault(receipt, number) != number:
                left_out["counted twice"] += 1
            else:
                yield {
                    "user_id": user,
                    "item_id": str(item["item_id"]),
                    "event_type": NAMES[event["event_name"]],
                    "timestamp": time,
                    "session_id": f"{user}/{parameter(event, 'ga_session_id')}",
                    "price": item.get("price"),
                    "quantity": item.get("quantity"),
                    "device": (event.get("device") or {}).get("category"),
                }


def convert(source: Path, target: Path) -> Counter[str]:
    """Write the rows of an export as CSV with a header of COLUMNS; answers with what was left out, and "rows"."""
    counted: Counter[str] = Counter()
    with source.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in flatten(lines, counted):
            writer.writerow(row)
            counted["rows"] += 1
    return counted


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _reason(event: dict[str, Any]) -> str:
    """Why an event is left out; empty for one that is taken."""
    name = event.get("event_name")
    if name not in NAMES:
        return "refund" if name == "refund" else f"event: {name}"
    if not event.get("user_pseudo_id"):
        return "no shopper"
    if _microseconds(event) < 1:
        return "no time"
    if parameter(event, "ga_session_id") is None:
        return "no session"
    return "" if event.get("items") else "no product"


def _microseconds(event: dict[str, Any]) -> int:
    """The time of an event as it is given, a text or a number; 0 where it is none."""
    try:
        return int(str(event.get("event_timestamp")))
    except ValueError:
        return 0
