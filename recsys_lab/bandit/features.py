"""What a bandit sees of a shopper and an arm: how much of what the shopper clicked was like this product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pandas as pd

from recsys_lab.bandit.state import BanditError
from recsys_lab.datasets import Event, Shop
from recsys_lab.recommender import Context, Floats, NotFittedError, Rows

ASPECTS = ("department", "category", "style", "colour", "brand")


class TasteFeatures:
    """Features of (context, arm), by the log alone: a constant, how popular the arm is, and a match for each aspect.

    An arm's match in an aspect (a column of products) is the share of the shopper's clicks that went to its value,
    drawn towards the share of all clicks by `smoothing` clicks of nobody in particular, minus the share of all clicks:
    0 for a new shopper. `one_hots` adds a column for each arm, so that a shared model may like one arm for no reason
    that the aspects tell.

    Learned: `shares_` (the share of all clicks of each value), `names_` (of the columns; one hots follow).
    """

    def __init__(self, aspects: Sequence[str] = ASPECTS, smoothing: float = 5.0, one_hots: bool = False) -> None:
        self.aspects = tuple(aspects)
        self.smoothing = smoothing
        self.one_hots = one_hots

    def fit(self, shop: Shop) -> Self:
        """Count the clicks of `shop`, in all and for each shopper."""
        missing = [name for name in self.aspects if name not in shop.products.columns]
        if missing:
            raise BanditError(f"aspects: the products have no column {missing[0]!r}; leave it out")
        if not self.smoothing > 0:
            raise BanditError(f"smoothing: {self.smoothing} clicks; give more than 0")
        products = shop.products.set_index("item_id")
        self._values: dict[str, tuple[str, ...]] = {
            str(item): tuple(row)
            for item, row in zip(products.index, products[list(self.aspects)].astype(str).to_numpy(), strict=True)
        }
        clicks = shop.events.loc[shop.events["event_type"] == "clicked_on", ["user_id", "item_id"]]
        valued = products.loc[clicks["item_id"], list(self.aspects)].astype(str).reset_index(drop=True)
        users = clicks["user_id"].reset_index(drop=True)
        self.shares_: list[dict[str, float]] = [
            {str(value): count / max(1, len(valued)) for value, count in valued[name].value_counts().items()}
            for name in self.aspects
        ]
        self._counts: list[dict[tuple[str, str], int]] = [_pairs(users, valued[name]) for name in self.aspects]
        self._clicks: dict[str, int] = {str(user): int(n) for user, n in users.value_counts().items()}
        popularity = shop.popularity
        top = max(1, int(popularity.max()))
        self._popular = {str(item): np.log1p(n) / np.log1p(top) for item, n in popularity.items()}
        self.names_ = ("constant", "popularity", *(f"{name} match" for name in self.aspects))
        return self

    def __call__(self, contexts: Sequence[Context], arms: Sequence[str]) -> Floats:
        """A row of features for each context and arm; [n, m, d].

        A context's `history` counts where it is given, else what `fit` saw of the shopper; then its `session`.
        """
        if not hasattr(self, "names_"):
            raise NotFittedError("TasteFeatures has not counted anything yet: call .fit(shop) first")
        for arm in arms:
            if arm not in self._values:
                raise BanditError(f"arms: there is no product {arm!r} in the shop; arms are product ids")
        width = len(self.names_)
        x = np.zeros((len(contexts), len(arms), width + (len(arms) if self.one_hots else 0)))
        x[:, :, 0] = 1.0
        x[:, :, 1] = [self._popular[arm] for arm in arms]
        for row, context in enumerate(contexts):
            x[row, :, 2:width] = self._match(context, arms)
        if self.one_hots:
            x[:, :, width:] = np.eye(len(arms))
        return x

    def _match(self, context: Context, arms: Sequence[str]) -> Floats:
        """[arms, aspects]."""
        read = [*(context.history or ()), *context.session]
        fresh = [self._values[event.item_id] for event in read if _counts(event, self._values)]
        user = context.shopper_id or ""
        total = len(fresh) + (self._clicks.get(user, 0) if context.history is None else 0)
        match = np.zeros((len(arms), len(self.aspects)))
        for column, shares in enumerate(self.shares_):
            counts = self._counts[column] if context.history is None else {}
            for row, arm in enumerate(arms):
                value = self._values[arm][column]
                mine = counts.get((user, value), 0) + sum(one[column] == value for one in fresh)
                everyone = shares.get(value, 0.0)
                match[row, column] = (mine - total * everyone) / (total + self.smoothing)
        return match


def _counts(event: Event, known: Mapping[str, object]) -> bool:
    return event.event_type == "clicked_on" and event.item_id in known


def _pairs(users: pd.Series[str], values: pd.Series[str]) -> dict[tuple[str, str], int]:
    """How often each shopper clicked each value."""
    counted = pd.DataFrame({"user": users, "value": values}).value_counts()
    pairs = zip(*(counted.index.get_level_values(level) for level in ("user", "value")), counted, strict=True)
    return {(str(user), str(value)): int(n) for user, value, n in pairs}


def columns(arms: Sequence[str], chosen: Sequence[str]) -> Rows:
    """The place of each chosen label among the arms; [n]. Raises `BanditError` for one that is no arm."""
    place = {arm: at for at, arm in enumerate(arms)}
    unknown = sorted({arm for arm in chosen if arm not in place})
    if unknown:
        raise BanditError(f"shown: {unknown[0]!r} is none of the {len(arms)} arms; name every arm that was ever shown")
    return np.array([place[arm] for arm in chosen], dtype=np.int64)
