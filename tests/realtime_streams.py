"""What the tests of the live state share: streams of events, and the state that they must lead to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from recsys_lab.datasets import EVENT_TYPES, Event, Shop
from recsys_lab.realtime import Accumulator, Add, CoClick, Live, State, Trending, by_key, standard
from recsys_lab.realtime.state import LAST, order, record, sums

START = 1_700_000_000_000
IDLE, RECENT = 60, 4


def small_shop() -> Shop:
    """Five products and three shoppers, one of them with a name that a protocol could stumble over."""
    products = pd.DataFrame({
        "item_id": ["a", "b", "c", "d", "é*:/"], "category": ["boots", "boots", "hats", "hats", None],
        "brand": ["x", "y", "x", "y", "x"], "price": [10.0, 20.0, 30.0, 40.0, 50.0],
    })  # fmt: skip
    shoppers = pd.DataFrame({"user_id": ["u", "v", "w:*/"], "region": ["north", "south", None]})
    events = pd.DataFrame({"user_id": ["u"], "item_id": ["a"], "event_type": ["buy"], "timestamp": [START]})
    return Shop.from_frames(products, events, shoppers)


SHOP = small_shop()


def accumulators() -> list[Accumulator]:
    """All of the standard ones, with times that a short stream goes beyond, and two by a key."""
    kept = [one for one in standard() if one.name not in ("trending", "co_click")]
    return [*kept, Trending(half_life_ms=40), CoClick(within_ms=12), by_key(Trending(half_life_ms=80), "region"),
            by_key(kept[0], "device")]  # fmt: skip


def live(url: str = "memory://", **more: Any) -> Live:
    """A `Live` of the small shop, with short times."""
    return Live(url, SHOP, accumulators(), idle_ms=IDLE, recent=RECENT, **more)


@st.composite
def events(draw: Any) -> Event:
    """One event; times are close, so that equal times, pauses, sessions that overlap and far futures all come up."""
    shopper = draw(st.sampled_from(["u", "u", "v", "w:*/"]))
    attr: dict[str, Any] = {}
    if draw(st.booleans()):
        attr["position"] = draw(st.integers(0, 25))
    if draw(st.booleans()):
        attr["device"] = draw(st.sampled_from(["phone", "desk top"]))
    return Event(
        shopper, draw(st.sampled_from(["a", "b", "c", "é*:/"])), draw(st.sampled_from(["clicked_on", *EVENT_TYPES])),
        draw(st.integers(0, 400) | st.sampled_from([0, 32_503_680_000_000 - 1])),
        f"{shopper}/{draw(st.integers(1, 2))}", attr,
        id=draw(st.sampled_from(["", ""]) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)),
    )  # fmt: skip


def streams(most: int = 25) -> st.SearchStrategy[list[Event]]:
    """Events in the order of arrival: some in order of time, some not, some sent twice."""
    some = st.lists(events(), max_size=most)
    in_order = some.map(lambda held: sorted(held, key=order))
    twice = st.tuples(some | in_order, st.lists(st.integers(0, most), max_size=4))
    return twice.map(lambda both: both[0] + [both[0][at] for at in both[1] if at < len(both[0])])


def expected(stream: Iterable[Event], of: Live) -> State:
    """The state by its definition: nothing is kept up to date, everything is counted anew from the set of events."""
    first: dict[str, Event] = {}
    for event in stream:
        first.setdefault(event.id, event)
    latest = max((event.timestamp for event in first.values()), default=0)
    changes, rules = of._rules.changes, of._rules
    mine: dict[str, list[Event]] = defaultdict(list)
    until: dict[str, int] = {}
    for event in sorted(first.values(), key=order):
        mine[event.user_id].append(event)
        for change in changes(event):
            if isinstance(change, Add) and change.until_ms is not None:
                until[change.table] = change.until_ms
    total: Counter[tuple[str, str]] = Counter()
    for held in mine.values():
        total += sums(held, changes)
    tables: dict[str, dict[str, int]] = defaultdict(dict)
    for (table, field), n in total.items():
        if until.get(table, latest) >= latest:
            tables[table][field] = n
    shoppers = {}
    for shopper, held in mine.items():
        own, recent = record(held, rules)
        if own[LAST] + rules.idle_ms >= latest:
            shoppers[shopper] = (own, tuple(event.id for event in recent))
    return State(dict(tables), shoppers)


def once(stream: Sequence[Event]) -> list[str]:
    """The ids of a stream, each once, in the order of arrival."""
    return list(dict.fromkeys(event.id for event in stream))
