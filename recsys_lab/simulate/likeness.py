"""How like a real shop the simulated one is: the figures that the acceptance bands hold, for any shop's log."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.datasets import DAY_MS, Shop

SHARES = (0.05, 0.10, 0.20, 0.50)
"""Where the popularity curve is read: what the most popular 5, 10, 20 and 50 % of products hold of all events."""


def popularity_curve(items: pd.Series[str]) -> NDArray[np.float64]:
    """Share of events held by the most popular `SHARES` of the products that have any; shape [4].

    >>> popularity_curve(pd.Series(["a"] * 9 + ["b"])).round(2).tolist()
    [0.09, 0.18, 0.36, 0.9]
    """
    counts = items.value_counts().to_numpy()
    held = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    return np.asarray(np.interp(np.array(SHARES) * len(counts), np.arange(len(held)), held))


def click_figures(shop: Shop) -> dict[str, float]:
    """Visits as sequences of clicks: lengths, products come back to, and where the clicks go."""
    clicks = shop.events[shop.events["event_type"] == "clicked_on"]
    length = clicks.groupby("session_id").size()
    rows = shop.sequences(min_length=1)
    session, item = rows["session_id"], rows["item_id"]
    follows = (session == session.shift()).to_numpy()
    back = rows.duplicated(["session_id", "item_id"]).to_numpy()
    category = item.map(shop.products.set_index("item_id")["category"])
    if "department" in shop.products:
        category = item.map(shop.products.set_index("item_id")["department"]) + " " + category
    stays = (category == category.shift()).to_numpy()
    curve = dict(zip(("top5", "top10", "top20", "top50"), popularity_curve(clicks["item_id"]), strict=True))
    cut = int(clicks["timestamp"].max()) - 14 * DAY_MS
    now, before = (
        clicks.loc[part, "item_id"].value_counts() for part in (clicks["timestamp"] > cut, clicks["timestamp"] <= cut)
    )
    tenth = len(before) // 10
    return {
        "clicks of two weeks kept by the top 10 % of before": float(
            now.reindex(before.index[:tenth]).sum() / now[:tenth].sum()
        ),
        "session length, mean": float(length.mean()),
        "session length, median": float(length.median()),
        "sessions of one click": float((length == 1).mean()),
        "next product seen before in the session": float(back[follows].mean()),
        "next product of the same category": float(stays[follows].mean()),
        **{f"clicks on the {name[3:]} % most clicked": float(value) for name, value in curve.items()},
    }


def purchase_figures(shop: Shop) -> dict[str, float]:
    """Purchases: how often they repeat, how large baskets are, and how they spread over products."""
    buys = shop.events[shop.events["event_type"] == "buy"]
    later = buys["timestamp"] > buys.groupby("user_id")["timestamp"].transform("min")
    first = buys.groupby("user_id")["session_id"].transform("first")
    later &= buys["session_id"] != first
    repeat = buys.duplicated(["user_id", "item_id"])
    curve = dict(zip(("top5", "top10", "top20", "top50"), popularity_curve(buys["item_id"]), strict=True))
    return {
        "purchases after the first basket that repeat one": float(repeat[later].mean()),
        **{f"purchases of the {name[3:]} % most bought": float(value) for name, value in curve.items()},
    }


def funnel_figures(shop: Shop) -> dict[str, float]:
    """From impression to purchase."""
    events = shop.events
    counts = events["event_type"].value_counts()
    clicked = events.loc[events["event_type"] == "clicked_on"]
    bought = events.loc[events["event_type"] == "buy"]
    size = bought.groupby("session_id").size()
    figures = {
        "carts per click": counts["put_to_cart"] / counts["clicked_on"],
        "removals per cart": counts["removed_from_cart"] / counts["put_to_cart"],
        "purchases per cart": counts["buy"] / counts["put_to_cart"],
        "visits with a purchase": bought["session_id"].nunique() / clicked["session_id"].nunique(),
        "baskets of two or more": float((size >= 2).mean()),
    }
    if shop.impressions is not None:
        home = clicked[clicked["surface"] == "home"]
        figures["clicks per impression"] = len(home) / len(shop.impressions)
        figures["clicks at place 1 against place 10"] = float(
            (home["position"] == 1).sum() / (home["position"] == 10).sum()
        )
        figures["lists drawn at random"] = float(shop.impressions["propensity"].notna().mean())
    return {name: float(value) for name, value in figures.items()}


def new_figures(shop: Shop, test_days: int = 14) -> dict[str, float]:
    """Cold start: shoppers and products that the log says little about."""
    end = (int(shop.events["timestamp"].max()) // DAY_MS + 1) * DAY_MS
    seen = shop.events.groupby("user_id").size().reindex(shop.shoppers["user_id"], fill_value=0)
    launched = shop.products["launched_at"]
    return {
        "shoppers without an event": float((seen == 0).mean()),
        "shoppers with one or two events": float(seen.between(1, 2).mean()),
        "products launched in the test weeks": float((launched >= end - test_days * DAY_MS).mean()),
    }
