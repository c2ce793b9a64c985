"""The boards of a shop: home, next and basket; of lists of sessions; and of a purchase log by customer."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np
import pandas as pd

from recsys_lab.datasets import DAY_MS, DataError, Event, Shop, as_events
from recsys_lab.evaluation.board import Board, Measure
from recsys_lab.evaluation.metrics import Judged, hit_rate, ndcg, reciprocal_rank
from recsys_lab.recommender import Context, Floats

CLICK, CART, BUY = 0.2, 0.5, 1.0
"""What a product is worth to a list, by the strongest thing that happened to it in the visit."""


@dataclass(frozen=True)
class Visit:
    """One visit of the test weeks: its events in order, and what the shopper did before it."""

    shopper_id: str
    session_id: str
    events: tuple[Event, ...]
    history: tuple[Event, ...]


def visits(past: Shop, future: Shop, begun: Collection[str] | None = None) -> Iterator[Visit]:
    """The visits that begin in `future`, by shopper and time, each with the shopper's earlier events of both shops.

    `begun` names the visits that began before `future`; those of `past` when it is left out.
    """
    back = set(past.events["session_id"].unique() if begun is None else begun)
    coming = set(future.events["user_id"].unique())
    both = pd.concat([past.events, future.events], ignore_index=True)
    both = both[both["user_id"].isin(coming)].sort_values(["user_id", "timestamp"], kind="stable")
    for user, mine in groupby(as_events(both), key=lambda event: event.user_id):
        events = list(mine)
        times = [event.timestamp for event in events]
        sessions: dict[str, list[Event]] = {}
        for event in events:
            sessions.setdefault(event.session_id, []).append(event)
        for session, parts in sessions.items():
            if session not in back:
                before = bisect_left(times, parts[0].timestamp)
                yield Visit(user, session, tuple(parts), tuple(events[:before]))


def home_board(past: Shop, future: Shop, k: int = 10, name: str = "home") -> Board:
    """At the start of each visit of `future` recommend `k`; what the visit then holds decides, new and known apart.

    *New* is who has no earlier event, *5+ events* who has five or more. Visits of impressions alone are not asked.
    """
    contexts, truth, clicked, bought, earlier, units = [], [], [], [], [], []
    for visit in visits(past, future):
        gains = visit_gains(visit.events)
        contexts.append(Context(visit.shopper_id, visit.events[0].timestamp, history=visit.history))
        truth.append(gains)
        clicked.append({event.item_id for event in visit.events if event.event_type == "clicked_on"})
        bought.append({event.item_id for event in visit.events if event.event_type == "buy"})
        earlier.append(len(visit.history))
        units.append(visit.shopper_id)
    done = np.array(earlier, dtype=np.int64)

    measures: dict[str, Measure] = {
        f"NDCG@{k}": ndcg,
        f"HR@{k} click": lambda judged: _hits(judged, clicked),
        f"HR@{k} purchase": lambda judged: _hits(judged, bought),
        f"NDCG@{k} known": lambda judged: np.where(done > 0, ndcg(judged), np.nan),
        f"NDCG@{k} new": lambda judged: np.where(done > 0, np.nan, ndcg(judged)),
        f"NDCG@{k} 5+ events": lambda judged: np.where(done >= 5, ndcg(judged), np.nan),
    }
    facts = {"visits": len(units), "shoppers": len(set(units)), "first visits": int((done == 0).sum())}
    return Board(name, k, past, contexts, truth, np.array(units), measures, facts=facts)


def _hits(judged: Judged, wanted: Sequence[Collection[str]]) -> Floats:
    """1 where a list holds something of what was wanted, NaN where nothing was; shape [n]."""
    found = [any(item in mine for item in row) for row, mine in zip(judged.ids, wanted, strict=True)]
    return np.where([bool(mine) for mine in wanted], found, np.nan)


def visit_gains(events: Sequence[Event]) -> dict[str, float]:
    """What each product of a visit was worth: the most of click .2, cart .5, buy 1; 0 if taken out and not bought."""
    worth = {"clicked_on": CLICK, "put_to_cart": CART, "buy": BUY}
    gains: dict[str, float] = {}
    removed, bought = set(), set()
    for event in events:
        gains[event.item_id] = max(gains.get(event.item_id, 0.0), worth.get(event.event_type, 0.0))
        removed |= {event.item_id} if event.event_type == "removed_from_cart" else set()
        bought |= {event.item_id} if event.event_type == "buy" else set()
    return {item: gain for item, gain in gains.items() if gain > 0 and (item not in removed or item in bought)}


def next_board(past: Shop, future: Shop, k: int = 20, min_length: int = 1, name: str = "next") -> Board:
    """Inside each visit, from the second click on, predict the click from what came before it.

    Consecutive repeats are removed on both sides; the product that is open is never listed, since nobody goes on to it.
    `min_length` drops shorter training sessions. *New* is who was never there before this visit; a log without shoppers
    has nobody else, and so no such column.
    """
    begun = past.events["session_id"].unique()
    past = past.without_repeats(min_length)
    contexts, truth, units = [], [], []
    for visit in visits(past, future.without_repeats(), begun):
        clicks = [at for at, event in enumerate(visit.events) if event.event_type == "clicked_on"]
        for here, there in pairwise(clicks):
            open_now = visit.events[here]
            now = visit.events[there - 1].timestamp
            so_far = tuple(_as_of(event, now) for event in visit.events[:there])
            contexts.append(Context(visit.shopper_id, now, so_far, visit.history, viewed=open_now.item_id))
            truth.append({visit.events[there].item_id: 1.0})
            units.append(visit.session_id)
    facts = {"training sessions": past.events["session_id"].nunique(), "test sessions": len(set(units))}
    facts["predictions"] = len(units)
    measures: dict[str, Measure] = {f"HR@{k}": hit_rate, f"MRR@{k}": reciprocal_rank}
    known = np.array([bool(context.history) for context in contexts], dtype=bool)
    if known.any():
        measures[f"HR@{k} known"] = lambda judged: np.where(known, hit_rate(judged), np.nan)
        measures[f"HR@{k} new"] = lambda judged: np.where(known, np.nan, hit_rate(judged))
    return Board(name, k, past, contexts, truth, np.array(units), measures, facts=facts)


def _as_of(event: Event, now_ms: int) -> Event:
    """The event as it was known at a time: how long a page was looked at is known when it is left."""
    dwell = event.event_attr.get("dwell_ms", 0)
    if not isinstance(dwell, int | float) or event.timestamp + dwell <= now_ms:
        return event
    return replace(event, event_attr={key: value for key, value in event.event_attr.items() if key != "dwell_ms"})


def basket_board(past: Shop, future: Shop, k: int = 10, seed: int = 0, name: str = "basket") -> Board:
    """One product of each basket of two or more is hidden (drawn by `seed`); the others are the cart."""
    rng = np.random.default_rng(seed)
    contexts, truth, units = [], [], []
    for visit in visits(past, future):
        basket = list(dict.fromkeys(event.item_id for event in visit.events if event.event_type == "buy"))
        if len(basket) < 2:
            continue
        hidden = basket.pop(int(rng.random() * len(basket)))
        now = next(event.timestamp for event in visit.events if event.event_type == "buy")
        contexts.append(Context(visit.shopper_id, now, history=visit.history, cart=tuple(basket)))
        truth.append({hidden: 1.0})
        units.append(visit.shopper_id)
    facts = {"baskets": len(units), "shoppers": len(set(units))}
    measures = {f"HR@{k}": hit_rate, f"MRR@{k}": reciprocal_rank}
    return Board(name, k, past, contexts, truth, np.array(units), measures, facts=facts)


def session_board(
    train: Sequence[Sequence[str]], test: Sequence[tuple[Sequence[str], str]], k: int = 20, name: str = "sessions"
) -> Board:
    """Lists of products to learn from, and (prefix, target) pairs: the prefix is scored whole, nothing is left out."""
    past = Shop.from_sessions(train, name=name)
    now = int(past.events["timestamp"].max()) + DAY_MS
    contexts = []
    for number, (prefix, _) in enumerate(test):
        case = f"t{number}"
        session = tuple(
            Event(case, item, "clicked_on", now + at, case, id=f"{case}/{at}") for at, item in enumerate(prefix)
        )
        contexts.append(Context(case, now + len(prefix), session=session, history=()))
    truth = [{target: 1.0} for _, target in test]
    known = set(past.products["item_id"])
    facts = {"training sessions": len(train), "predictions": len(test), "products": len(known)}
    facts["targets that training never saw (misses)"] = sum(target not in known for _, target in test)
    units = np.array([f"t{number}" for number in range(len(test))])
    measures = {f"HR@{k}": hit_rate, f"MRR@{k}": reciprocal_rank}
    return Board(name, k, past, contexts, truth, units, measures, facts=facts)


def retail_boards(shop: Shop, test_days: int = 30, k: int = 10) -> tuple[Board, Board]:
    """What each known customer of a purchase log buys in its last days, to the second: any product, and new ones alone.

    *Novel* leaves what the customer owned out of the lists and of the truth. Only products bought before count.
    """
    cut = int(shop.events["timestamp"].max()) - test_days * DAY_MS + 1
    past, future = shop.between(None, cut), shop.between(cut, None)
    past = _sold(past)
    owned = past.events.groupby("user_id")["item_id"].agg(set).to_dict()
    rows = future.events[future.events["user_id"].isin(owned) & future.events["item_id"].isin(past.products["item_id"])]
    wanted = {str(user): set(items) for user, items in rows.groupby("user_id")["item_id"]}
    measures = {f"NDCG@{k}": ndcg, f"HR@{k}": hit_rate}
    boards = []
    for name in ("retail any", "retail novel"):
        novel = name == "retail novel"
        truth = {user: items - owned[user] if novel else items for user, items in wanted.items()}
        users = sorted(user for user, items in truth.items() if items)
        if not users:
            raise DataError(f"{name}: no customer of the last {test_days} days had bought before; the log is too short")
        board = Board(
            name,
            k,
            past,
            contexts=[Context(user, cut) for user in users],
            truth=[dict.fromkeys(truth[user], 1.0) for user in users],
            units=np.array(users),
            measures=measures,
            exclude=[owned[user] for user in users] if novel else None,
            facts={"test customers": len(users), "products": len(past.products)},
        )
        boards.append(board)
    return boards[0], boards[1]


def _sold(shop: Shop) -> Shop:
    """The shop with the products alone that were sold in it."""
    sold = shop.products[shop.products["item_id"].isin(shop.events["item_id"])].reset_index(drop=True)
    return Shop(shop.name, sold, shop.shoppers, shop.events, shop.impressions)
