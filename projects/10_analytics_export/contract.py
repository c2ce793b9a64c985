"""What project 10 has to keep, and the measurement on the simulated shop."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_lab.datasets import DAY_MS, Shop, load_shop
from recsys_lab.own import import_shop

_THEIRS = {
    "clicked_on": "view_item",
    "put_to_cart": "add_to_cart",
    "removed_from_cart": "remove_from_cart",
    "buy": "purchase",
}
_KEYS = ["user_id", "item_id", "event_type", "timestamp"]


def _event(
    name: str = "view_item", user: str | None = "u1", us: Any = "1770013797051000", **more: Any
) -> dict[str, Any]:
    params = [{"key": "page", "value": {"string_value": "/x"}}, {"key": "ga_session_id", "value": {"int_value": 7}}]
    made = {"event_name": name, "event_timestamp": us, "user_pseudo_id": user, "event_params": params}
    return {**made, "device": {"category": "mobile"}, "items": [{"item_id": "P1", "price": 9.5, "quantity": 1}], **more}


def _rows(mine: Any, *events: Any) -> tuple[list[dict[str, Any]], Counter[str]]:
    left: Counter[str] = Counter()
    lines = [one if isinstance(one, str) else json.dumps(one) for one in events]
    return list(mine.flatten(lines, left)), +left


def _bought(transaction: str, *items: str, user: str = "u1") -> dict[str, Any]:
    params = [{"key": "ga_session_id", "value": {"int_value": 7}}]
    params += [{"key": "transaction_id", "value": {"string_value": transaction}}]
    return _event("purchase", user, event_params=params, items=[{"item_id": item} for item in items])


def _export(shop: Shop) -> Iterator[str]:
    """A shop's log as the tool would have told it: sessions are numbered anew for each visitor."""
    events = shop.events
    number = events.groupby("user_id")["session_id"].transform(lambda mine: pd.factorize(mine)[0] + 1)
    for row, session in zip(events.itertuples(index=False), number, strict=True):
        params = [{"key": "ga_session_id", "value": {"int_value": int(session)}}]
        item = {"item_id": row.item_id} if pd.isna(row.price) else {"item_id": row.item_id, "price": row.price}
        told = _event(
            _THEIRS[row.event_type], row.user_id, str(row.timestamp * 1000), event_params=params, items=[item]
        )
        yield json.dumps(told)


@lru_cache(1)
def _days() -> Shop:
    shop = load_shop(impressions=False)
    start = int(shop.events["timestamp"].min())
    return shop.between(start, start + 4 * DAY_MS)


def check_one_event(mine: Any) -> None:
    """an event with one product is one row of the course's columns."""
    rows, left = _rows(mine, _event())
    due = {
        "user_id": "u1", "item_id": "P1", "event_type": "clicked_on", "timestamp": 1_770_013_797_051,
        "session_id": "u1/7", "price": 9.5, "quantity": 1, "device": "mobile",
    }  # fmt: skip
    assert rows == [due], f"due is {due}; yours: {rows}"
    assert not left, f"nothing was left out here; yours counts {dict(left)}"
    rows, _ = _rows(mine, _event(us=1_770_013_797_051_000))
    assert rows[0]["timestamp"] == 1_770_013_797_051, "a time may be a number as well as a text"


def check_parameters(mine: Any) -> None:
    """a parameter is found whatever its kind, also 0."""
    event = {"event_params": [{"key": "a", "value": {"string_value": "x"}}, {"key": "b", "value": {"int_value": 0}}]}
    got = [mine.parameter(event, key) for key in ("a", "b", "c")]
    assert got == ["x", 0, None], f"a is the text x, b is 0, c is not there: {got}"
    assert mine.parameter({}, "a") is None, "an event without parameters has none"


def check_several_products(mine: Any) -> None:
    """an event with several products is several rows; what an item does not tell is None."""
    rows, left = _rows(mine, _event("add_to_cart", items=[{"item_id": "P1"}, {"price": 3.0}, {"item_id": "P2"}]))
    assert [row["item_id"] for row in rows] == ["P1", "P2"], f"P1 and P2: {rows}"
    assert rows[0]["price"] is None, "P1 tells no price: None"
    assert left == {"product without id": 1}, f"one product has no id; yours counts {dict(left)}"


def check_what_is_left_out(mine: Any) -> None:
    """whatever is left out is counted under its own name, and every line is accounted for."""
    bad = {
        "broken line": ['{"event_name": "view_it', "[1, 2]", "", "null"],
        "event: scroll": [_event("scroll")],
        "refund": [_event("refund")],
        "no shopper": [_event(user=None), _event(user="")],
        "no time": [_event(us="soon"), _event(us=None), _event(us="0"), _event(us="-5")],
        "no session": [_event(event_params=[]), _event(event_params=None)],
        "no product": [_event(items=[]), _event(items=None)],
    }
    for why, events in bad.items():
        rows, left = _rows(mine, *events)
        assert not rows, f"{why}: no row is due; yours has {rows}"
        assert left == {why: len(events)}, f"{why}: {len(events)} lines like {events[0]}; yours counts {dict(left)}"


def check_reloads(mine: Any) -> None:
    """a purchase that was told twice counts once; another transaction, shopper or product is another purchase."""
    again = _bought("T1", "P1", "P2")
    rows, left = _rows(mine, again, again, _bought("T2", "P1"), _bought("T1", "P1", user="u2"), _bought("T1", "P3"))
    got = [(row["user_id"], row["item_id"]) for row in rows]
    due = [("u1", "P1"), ("u1", "P2"), ("u1", "P1"), ("u2", "P1"), ("u1", "P3")]
    assert got == due, f"due is {due}; yours: {got}"
    assert left == {"counted twice": 2}, f"two products of the reload; yours counts {dict(left)}"
    rows, left = _rows(mine, _bought("T1", "P1", "P1"))
    assert len(rows) == 2, "two lines of one receipt are no reload: the same product twice in one event is two rows"
    rows, _ = _rows(mine, _event(), _event())
    assert len(rows) == 2, "two clicks have no transaction: both count"


def check_line_by_line(mine: Any) -> None:
    """flatten answers while it reads: a month does not fit in memory."""
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield json.dumps(_event())

    next(iter(mine.flatten(lines(), Counter())))
    assert read < 10, f"{read} lines were read before the first row came; use yield"


def check_the_shop_comes_back(mine: Any) -> None:
    """four days of the simulated shop, exported, converted and imported, are the same events and visits."""
    shop = _days()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "export.jsonl", Path(folder) / "events.csv"
        source.write_text("\n".join([*_export(shop), "{broken"]) + "\n", encoding="utf-8")
        counted = mine.convert(source, target)
        got, report = import_shop(target, now_ms=int(shop.events["timestamp"].max()) + DAY_MS)
    assert counted == {"rows": len(shop.events), "broken line": 1}, f"rows and one broken line; yours: {dict(counted)}"
    assert not report.dropped, f"the import had to leave something out: {report.dropped}"
    due = shop.events.sort_values(_KEYS, ignore_index=True)
    back = got.events.sort_values(_KEYS, ignore_index=True)
    pd.testing.assert_frame_equal(back[_KEYS], due[_KEYS], check_dtype=False)
    pairs = pd.DataFrame({"theirs": due["session_id"], "ours": back["session_id"]}).drop_duplicates()
    assert pairs["theirs"].is_unique, "a visit of the shop became several"
    assert pairs["ours"].is_unique, "visits of the shop have melted into one"


def measure(mine: Any) -> None:
    """A month of the shop there and back, and what a board says before and after."""
    from recsys_lab.baselines import Popular
    from recsys_lab.evaluation import evaluate, home_board

    whole = load_shop(impressions=False)
    start = int(whole.events["timestamp"].min())
    shop = whole.between(start, start + 30 * DAY_MS)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "export.jsonl", Path(folder) / "events.csv"
        source.write_text("\n".join(_export(shop)) + "\n", encoding="utf-8")
        counted = mine.convert(source, target)
        back, _ = import_shop(target, now_ms=int(shop.events["timestamp"].max()) + DAY_MS)
        size = source.stat().st_size / target.stat().st_size
    print(f"\n{len(shop.events):,} events, {dict(counted)}; the export is {size:.1f} times as large as the table")
    cut = start + 20 * DAY_MS
    for name, one in (("before", shop), ("after", back)):
        board = home_board(one.between(None, cut), one.between(cut, None))
        print(f"  {name:>6}: popular, NDCG@10 {evaluate(Popular(), board).summary()['NDCG@10']}")
