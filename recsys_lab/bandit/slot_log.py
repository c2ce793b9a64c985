"""The shop's own log as choices of a slot: the lists that were drawn at random, with their propensities; and places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.bandit.off_policy import Logged, PropensityError
from recsys_lab.bandit.state import BanditError
from recsys_lab.datasets import Shop
from recsys_lab.evaluation.bootstrap import interval
from recsys_lab.recommender import Context, Floats

_KEYS = ["session_id", "item_id"]


@dataclass(frozen=True, eq=False)
class SlotLog:
    """A shop's random lists, a row a shown product: `logged` to estimate from, and where and to whom it was shown."""

    logged: Logged
    contexts: tuple[Context, ...]
    positions: NDArray[np.int64]
    counts: Floats
    """[moments, arms]: how many products of each arm could be shown at each time of the log."""
    moment: NDArray[np.int64]
    """[n]: the row of `counts`."""

    @property
    def available(self) -> Floats:
        """How many products of each arm could be shown, [n, arms]; 0 where none was launched yet."""
        table: Floats = self.counts[self.moment]
        return table


def slot_log(shop: Shop, arm: str | Sequence[str] = "item_id") -> SlotLog:
    """What the shop's random lists say of a slot: each shown product is a choice, each click on it a reward of 1.

    `arm`: "item_id", or one or several columns of products: then the arms are shelves ("women · dresses"), and a policy
    chooses the shelf from which a product is drawn evenly. A shelf's propensity is the product's, times the number of
    its products that could be shown. A click on the home page counts; where a log has no `surface`, any in the visit.

    Raises `PropensityError` for a shop that logged no propensity, and for shelves of products not drawn evenly.
    """
    shown = impressions(shop)
    if "propensity" not in shown.columns or shown["propensity"].isna().all():
        raise PropensityError(
            f"{shop.name}: no impression has a propensity; show a share of the lists by chance, and log with which"
        )
    shown = shown[shown["propensity"].notna()].reset_index(drop=True)
    label = _labels(shop.products, [arm] if isinstance(arm, str) else list(arm))
    arms = tuple(sorted(set(label.values())))
    moment, counts = _available(shop.products, label, arms, shown["timestamp"].to_numpy(dtype=np.int64))
    chosen = np.array([label[item] for item in shown["item_id"]], dtype=object)
    place = {name: column for column, name in enumerate(arms)}
    propensity = shown["propensity"].to_numpy(dtype=np.float64)
    if arm != "item_id":
        if not np.allclose(propensity * counts.sum(axis=1)[moment], 1.0, rtol=1e-3):
            raise PropensityError(
                f"{shop.name}: its products were not drawn evenly from all that were launched, so that a shelf's"
                f' propensity cannot be told from a product\'s; use arm="item_id"'
            )
        propensity = np.minimum(propensity * counts[moment, [place[name] for name in chosen]], 1.0)
    clicked, shoppers = shown["clicked"].to_numpy(dtype=np.float64), shown["user_id"].to_numpy(dtype=object)
    logged = Logged(arms, chosen, clicked, propensity, shoppers)
    contexts = tuple(Context(user, int(now)) for user, now in zip(shown["user_id"], shown["timestamp"], strict=True))
    return SlotLog(logged, contexts, shown["position"].to_numpy(dtype=np.int64), counts, moment)


def impressions(shop: Shop) -> pd.DataFrame:
    """The shop's impressions with a column `clicked` (0 or 1): was it clicked where it was shown, in that visit."""
    if shop.impressions is None:
        raise BanditError(f"{shop.name}: it has no impressions; what was shown and not clicked has to be logged too")
    needed = [name for name in ("position",) if name not in shop.impressions.columns]
    if needed:
        raise BanditError(f"{shop.name}: its impressions have no column {needed[0]!r}; log the place in the list")
    clicks = shop.events[shop.events["event_type"] == "clicked_on"]
    if "surface" in clicks.columns:
        clicks = clicks[clicks["surface"] == "home"]
    clicks = clicks[_KEYS].drop_duplicates().assign(clicked=1)
    shown = shop.impressions.merge(clicks, on=_KEYS, how="left")
    return shown.assign(clicked=shown["clicked"].fillna(0).astype(np.int64))


def examination(shop: Shop) -> pd.DataFrame:
    """How much each place is clicked beside the first, by the random lists: position, rate, low, high, relative.

    In a list drawn at random every place holds the same goods on average, so that a lower rate is the place's own. In
    any other list the best stand first, and place and product cannot be told apart.
    """
    shown = impressions(shop)
    if "propensity" not in shown.columns or shown["propensity"].isna().all():
        raise PropensityError(f"{shop.name}: no list was drawn at random; places and products cannot be told apart")
    shown = shown[shown["propensity"].notna()]
    position = shown["position"].to_numpy(dtype=np.int64)
    rows: list[dict[str, float]] = []
    for place in np.unique(position).tolist():
        part = shown[position == place]
        span = interval(part["clicked"].to_numpy(dtype=np.float64), part["user_id"].to_numpy(dtype=object))
        rows.append({"position": place, "rate": span.mean, "low": span.low, "high": span.high})
    table = pd.DataFrame(rows)
    return table.assign(relative=table["rate"] / table["rate"].iloc[0])


def click_rates(shop: Shop, looks: Any = None, strength: float = 20.0) -> pd.Series[float]:
    """Clicks for each time a product was shown, by item_id; with `looks`, for each time it was looked at.

    `looks` [places]: how much each place is looked at beside the first (`examination(shop)["relative"]`): a product
    that always stood at the end is then not held to be disliked. Rates are drawn to the mean by `strength` looks.
    """
    shown = impressions(shop)
    place = shown["position"].to_numpy(dtype=np.int64) - 1
    share = np.ones(len(shown)) if looks is None else np.asarray(looks, dtype=np.float64)
    if looks is not None:
        if place.max() >= len(share) or not ((share > 0) & np.isfinite(share)).all():
            raise BanditError(f"looks: {len(share)} places; give a number above 0 for each of {place.max() + 1}")
        share = share[place]
    counted = shown.assign(looked=share).groupby("item_id")[["clicked", "looked"]].sum()
    counted = counted.reindex(shop.products["item_id"], fill_value=0)
    mean = counted["clicked"].sum() / counted["looked"].sum()
    return (counted["clicked"] + strength * mean) / (counted["looked"] + strength)


def _labels(products: pd.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """Product → arm."""
    for name in names:
        if name not in products.columns:
            raise BanditError(f"arm: the products have no column {name!r}; arms are item_id or columns of products")
    joined = products[list(names)].astype(str).agg(" · ".join, axis=1)
    return dict(zip(products["item_id"], joined, strict=True))


def _available(
    products: pd.DataFrame, label: dict[str, str], arms: Sequence[str], times: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Floats]:
    """For each time its row, and in that row how many products of each arm are launched; [n], [moments, arms]."""
    moments, row = np.unique(times, return_inverse=True)
    count = np.zeros((len(moments), len(arms)))
    launched = products["launched_at"].to_numpy() if "launched_at" in products.columns else np.zeros(len(products))
    by_arm: dict[str, list[float]] = {arm: [] for arm in arms}
    for item, since in zip(products["item_id"], launched, strict=True):
        by_arm[label[item]].append(since)
    for column, arm in enumerate(arms):
        count[:, column] = np.searchsorted(np.sort(by_arm[arm]), moments, side="right")
    return row, count
