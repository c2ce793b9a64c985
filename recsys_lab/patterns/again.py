"""Buy again: what of their own things somebody is about to buy once more. A surface of its own, with its own score.

score = times bought · ½^(age of the last purchase / half life) · how often those who bought the product bought it again
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from recsys_lab.datasets import DAY_MS, Shop
from recsys_lab.factors.blend import Purchases
from recsys_lab.recommender import Context, Floats, Rows

HALF_LIFE_DAYS = 180.0
"""Long: on the weeks to tune on, the shop's and the purchase log's, no half life beats counting the times alone."""


def habit(times: Floats | Rows, last_ms: Floats | Rows, now_ms: int, half_life_days: float = HALF_LIFE_DAYS) -> Floats:
    """How much somebody is used to buying each of their things; infinite `half_life_days` counts the times alone.

    >>> habit(np.array([4, 1]), np.array([0, 90 * DAY_MS]), now_ms=90 * DAY_MS, half_life_days=90).tolist()
    [2.0, 1.0]
    """
    if not half_life_days > 0:
        raise ValueError(f"half_life_days: {half_life_days} is no span of time; give more than 0, or math.inf")
    age = np.maximum(now_ms - np.asarray(last_ms, dtype=np.float64), 0) / DAY_MS
    return np.asarray(np.asarray(times, dtype=np.float64) * 0.5 ** (age / half_life_days))


def bought_again(shop: Shop, doubt: float = 20.0) -> dict[str, float]:
    """For each product the share of its buyers who bought it in more than one visit, 0 to 1.

    The share is drawn towards that of all products as if `doubt` more buyers had been like the average: a product with
    two buyers tells little. (The repeat customer probability of Bhagat et al., KDD 2018, with smoothing.)
    """
    buys = shop.events.loc[shop.events["event_type"] == "buy", ["item_id", "user_id", "session_id"]].drop_duplicates()
    pairs = buys.groupby(["item_id", "user_id"]).size()
    buyers, again = pairs.groupby("item_id").size(), (pairs > 1).groupby("item_id").sum()
    usual = float(again.sum() / max(buyers.sum(), 1))
    everything = pd.Index(shop.products["item_id"])
    buyers, again = buyers.reindex(everything, fill_value=0), again.reindex(everything, fill_value=0)
    share = (again + doubt * usual) / (buyers + doubt)
    return {str(item): float(value) for item, value in share.items()}


class BuyAgain(Purchases):
    """What a shopper owns, by the score of this module; what they do not own stands behind it with 0.

    `by_product=False` leaves the product's own share out: the shopper's habit alone.
    """

    def __init__(self, half_life_days: float = HALF_LIFE_DAYS, by_product: bool = True) -> None:
        self.half_life_days = half_life_days
        self.by_product = by_product

    def _learn(self, shop: Shop) -> None:
        habit(np.zeros(0), np.zeros(0), 0, self.half_life_days)  # says so now, if it is no half life
        super()._learn(shop)
        share = bought_again(shop)
        self.again_ = np.array([share[item] if self.by_product else 1.0 for item in self.items_])

    def _question(self, context: Context) -> Hashable:
        return None

    def _score(self, contexts: Sequence[Context]) -> Floats:
        scores = np.zeros((len(contexts), len(self.items_)))
        for row, context in enumerate(contexts):
            columns, last = self.bought(context)
            times = np.bincount(columns, minlength=len(self.items_))
            latest = np.zeros(len(self.items_), dtype=np.int64)
            np.maximum.at(latest, columns, last)
            mine = np.flatnonzero(times)
            worth = habit(times[mine], latest[mine], context.now_ms, self.half_life_days)
            scores[row, mine] = np.round(worth * self.again_[mine], 9)
        return scores


class LastBought(Purchases):
    """What a shopper bought, the last thing first: the plain list that a buy-again shelf has to beat."""

    def _score(self, contexts: Sequence[Context]) -> Floats:
        scores = np.full((len(contexts), len(self.items_)), -1.0)
        for row, context in enumerate(contexts):
            columns, times = self.bought(context)
            np.maximum.at(scores[row], columns, times.astype(np.float64))
        return scores
