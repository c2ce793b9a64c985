"""Which categories complete each other: those that share baskets more often than chance has it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_lab.datasets import DataError, Shop

Complements = dict[str, list[tuple[str, float]]]


def complements(shop: Shop, column: str = "category", least: int = 10) -> Complements:
    """For each category those that sell beside it, with their lift, the highest first.

    lift(a, b) = P(a and b in a basket) / (P(a)·P(b)); a basket is what was bought in one visit. Pairs with fewer than
    `least` baskets, or a lift of 1 or less, are chance or habit and are left out. A shop of departments that sell to
    different people lifts the categories of one department a little: men buy few skirts, with or without a blouse.

    >>> products = pd.DataFrame({"item_id": ["b1", "s1", "h1"], "category": ["boots", "socks", "hats"]})
    >>> rows = [("v1", "b1"), ("v1", "s1"), ("v2", "b1"), ("v2", "s1"), ("v3", "h1"), ("v4", "h1")]
    >>> events = pd.DataFrame(rows, columns=["session_id", "item_id"]).assign(event_type="buy")
    >>> events = events.assign(user_id=events["session_id"], timestamp=range(6))
    >>> complements(Shop.from_frames(products, events), least=2)
    {'boots': [('socks', 2.0)], 'hats': [], 'socks': [('boots', 2.0)]}
    """
    if column not in shop.products.columns:
        known = ", ".join(map(str, shop.products.columns))
        raise DataError(f"complements: the products have no column {column!r}; they have {known}")
    buys = shop.events[shop.events["event_type"] == "buy"]
    category = buys["item_id"].map(shop.products.set_index("item_id")[column])
    held = (pd.crosstab(buys["session_id"].to_numpy(), category.to_numpy()) > 0).astype("int64")
    names, baskets = [str(name) for name in held.columns], held.to_numpy()
    together = baskets.T @ baskets
    alone = np.diag(together)
    lift = together * len(baskets) / np.outer(alone, alone)
    found: Complements = {}
    for a, name in enumerate(names):
        pairs = [(names[b], float(lift[a, b])) for b in range(len(names)) if b != a and together[a, b] >= least]
        found[name] = sorted((pair for pair in pairs if pair[1] > 1), key=lambda pair: (-pair[1], pair[0]))
    return found
