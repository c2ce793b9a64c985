"""The board of a buy-again shelf, a surface of its own: the order of what somebody owns already."""

from __future__ import annotations

import numpy as np

from recsys_lab.datasets import DAY_MS, DataError, Shop
from recsys_lab.evaluation.board import Board
from recsys_lab.evaluation.metrics import ndcg
from recsys_lab.filters import field
from recsys_lab.recommender import Context


def owned_board(past: Shop, future: Shop, k: int = 10, name: str = "owned") -> Board:
    """Of what a shopper owned before `future` begins, what do they buy again in it? Only owned products may be listed.

    Asked once for each shopper who buys something again, and owns more than that: one product can stand in one order
    only. *HR@1* is whether the first of the list was bought again.
    """
    bought = [shop.events.loc[shop.events["event_type"] == "buy", ["user_id", "item_id"]] for shop in (past, future)]
    owned, later = ({str(user): set(items) for user, items in rows.groupby("user_id")["item_id"]} for rows in bought)
    again = {user: owned[user] & items for user, items in sorted(later.items()) if user in owned}
    users = [user for user, items in again.items() if items and len(owned[user]) > len(items)]
    if not users:
        raise DataError(f"{name}: nobody bought again what they owned; the log is too short, or knows no shoppers")
    now = int(past.events["timestamp"].max()) + 1
    return Board(
        name,
        k,
        past,
        contexts=[Context(user, now, where=field("item_id").isin(sorted(owned[user]))) for user in users],
        truth=[dict.fromkeys(again[user], 1.0) for user in users],
        units=np.array(users),
        measures={f"NDCG@{k}": ndcg, "HR@1": lambda judged: (judged.gains[:, 0] > 0).astype(np.float64)},
        facts={
            "shoppers": len(users),
            "owned by each": round(float(np.mean([len(owned[user]) for user in users])), 1),
            "of these bought again": round(float(np.mean([len(again[user]) for user in users])), 1),
        },
    )


def retail_owned_board(shop: Shop, test_days: int = 30, k: int = 10) -> Board:
    """`owned_board` of a purchase log's last days, to the second, as in `retail_boards`."""
    cut = int(shop.events["timestamp"].max()) - test_days * DAY_MS + 1
    return owned_board(shop.between(None, cut), shop.between(cut, None), k, "retail owned")
