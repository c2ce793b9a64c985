"""What is learned from the shop's log: recommenders by name, and the factors behind the patterns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import Event, Shop
from recsys_lab.factors import Factors
from recsys_lab.methods import ROWS
from recsys_lab.patterns import Patterns, complements, refresh_shop, sales_factors
from recsys_lab.patterns.again import bought_again
from recsys_lab.patterns.nightly import SHOPPERS
from recsys_lab.recommender import Recommender
from recsys_lab.shop.config import CHOSEN, ConfigError, Settings
from recsys_lab.shop.unlearn import copied, without
from recsys_lab.stores import BaseStore, Gone, versions
from recsys_lab.stores.aspects import StoredIndex

Make = Callable[[], Recommender]
_BOARDS: Mapping[str, tuple[str, ...]] = {
    "for-you": ("home", "next", "basket"),
    "similar": ("next", "home", "basket"),
    "also-bought": ("basket", "home", "next"),
}
"""Which board's recommender is meant by a name on a surface."""
OURS = ("live", "patterns")
"""What a surface can be served by that is no recommender."""


def makes(name: str, surface: str = "for-you") -> Make:
    """How to make the recommender of this name for a surface; "next markov" names the board too.

    Raises `ConfigError` for an unknown one.
    """
    board, _, rest = name.partition(" ")
    if board in ("home", "next", "basket") and rest in ROWS[board]:
        return ROWS[board][rest]
    for board in _BOARDS.get(surface, _BOARDS["for-you"]):
        if name in ROWS[board]:
            return ROWS[board][name]
    known = sorted({one for board in ("home", "next", "basket") for one in ROWS[board]})
    raise ConfigError(f"there is no recommender {name!r}; use live, or one of {', '.join(known)}")


def wanted(settings: Settings) -> dict[Make, None]:
    """The recommenders that the settings name, each once."""
    names = [(surface, name) for surface in CHOSEN for name in (settings.surfaces[surface],)]
    names += [("for-you", name) for name in settings.switch]
    return {makes(name, surface): None for surface, name in names if name not in OURS}


@dataclass(frozen=True, eq=False)
class Trained:
    """What one training has made. `until_ms` is the time of the last event it saw."""

    until_ms: int
    shoppers: frozenset[str]
    recommenders: Mapping[Make, Recommender]
    factors: Factors | None = None
    again: Mapping[str, float] = field(default_factory=dict)
    complements: Mapping[str, list[tuple[str, float]]] = field(default_factory=dict)
    shop: Shop | None = None
    """What it was trained on: a store that was away is written from it."""

    def patterns(self, store: BaseStore, looks: StoredIndex | None) -> Patterns | None:
        """The questions to a store that `publish` has written; None where nothing was learned."""
        if self.factors is None:
            return None
        return Patterns(
            store.alias("items"), store.alias("shoppers"), likeness=store.alias("likeness"), looks=looks,
            complements=dict(self.complements) or None,
        )  # fmt: skip


def train(shop: Shop, settings: Settings, tell: Callable[[str], None] = lambda line: None) -> Trained:
    """Fit what the settings name on a shop, and the factors of the patterns where somebody clicked or bought."""
    made: dict[Make, Recommender] = {}
    for make in wanted(settings):
        made[make] = make().fit(shop)
        tell(type(made[make]).__name__)
    kinds = set(shop.events["event_type"].unique())
    factors = sales_factors().fit(shop) if kinds - {"impression"} else None
    tell("factors")
    pairs = complements(shop) if "category" in shop.products.columns and "buy" in kinds else {}
    return Trained(
        until_ms=int(shop.events["timestamp"].max()) if len(shop.events) else 0,
        shoppers=frozenset(shop.events["user_id"].unique().tolist()),
        recommenders=made,
        factors=factors,
        again=bought_again(shop) if "buy" in kinds else {},
        complements=pairs,
        shop=shop,
    )


def publish(store: BaseStore, shop: Shop, trained: Trained, now_ms: int) -> None:
    """Write what was trained into a store, beside what is there, and switch. Nothing where there are no factors."""
    if trained.factors is not None:
        # No older version stays: it would keep shoppers who were forgotten since.
        refresh_shop(store, shop, trained.factors, now_ms=now_ms, keep=0)


def withdraw(store: BaseStore, shoppers: Iterable[str]) -> None:
    """Take shoppers' points out of a store: of today's version, and of those before that somebody may go back to."""
    gone = sorted(shoppers)
    for name in versions(store, SHOPPERS) if gone else ():
        with suppress(Gone):  # a refresh has dropped it meanwhile
            store._reopen(name).delete(gone)


def shop_with(base: Shop, products: pd.DataFrame, events: Iterable[Event]) -> Shop:
    """The base with these products and the live events too; events on products that are gone are left out."""
    known = set(products["item_id"])
    rows: dict[str, list[Any]] = {}
    names = ("user_id", "item_id", "event_type", "timestamp", "session_id", "id")
    attrs = [name for name in base.events.columns if name not in names]
    live = [event for event in events if event.item_id in known and event.event_type != "impression"]
    for name in names:
        rows[name] = [getattr(event, name) for event in live]
    for name in attrs:
        wants = (bool,) if base.events[name].dtype == bool else None
        rows[name] = [_attr(event, name, base.events[name], wants) for event in live]
    old = base.events[base.events["item_id"].isin(known)]
    if not live and len(old) == len(base.events) and products is base.products:
        return base
    more = pd.DataFrame(rows)[[name for name in base.events.columns if name in rows]]
    both = pd.concat([old, more.astype(_kinds(old, more))], ignore_index=True) if live else old
    both = both.sort_values("timestamp", kind="stable", ignore_index=True)
    fresh = sorted(set(both["user_id"]) - set(base.shoppers["user_id"]))
    people = base.shoppers
    if fresh:
        strangers = pd.DataFrame({"user_id": fresh})
        people = pd.concat([people, strangers], ignore_index=True) if len(people) else strangers
    return Shop(base.name, products.reset_index(drop=True), people, both.reset_index(drop=True))


def without_shopper(shop: Shop, shopper: str) -> Shop:
    """The shop without a shopper, their events, and what they were shown."""
    if shopper not in set(shop.shoppers["user_id"]):
        return shop
    kept = [None if one is None else one[one["user_id"] != shopper] for one in (shop.events, shop.impressions)]
    people = shop.shoppers[shop.shoppers["user_id"] != shopper].reset_index(drop=True)
    assert kept[0] is not None
    return Shop(shop.name, shop.products, people, kept[0].reset_index(drop=True), kept[1])


def trained_without(trained: Trained, shoppers: Collection[str]) -> Trained:
    """What was trained, without what it keeps under these names. Models are copied: the old ones may be asked."""
    shop = trained.shop
    for shopper in shoppers:
        shop = None if shop is None else without_shopper(shop, shopper)
    if shop is trained.shop and trained.shoppers.isdisjoint(shoppers):
        return trained  # it has never heard of them
    made = {make: copied(model) for make, model in trained.recommenders.items()}
    factors = copied(trained.factors)
    for model in (*made.values(), factors):
        for shopper in shoppers:
            without(model, shopper)
    return replace(
        trained, shoppers=trained.shoppers.difference(shoppers), recommenders=made, factors=factors, shop=shop
    )


def _attr(event: Event, name: str, column: pd.Series[Any], kinds: Any) -> Any:
    """An attribute, where it is of the column's kind."""
    value = event.event_attr.get(name)
    if pd.api.types.is_numeric_dtype(column):
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else np.nan
    return value if isinstance(value, str) else None


def _kinds(old: pd.DataFrame, more: pd.DataFrame) -> dict[str, Any]:
    """The kinds of the columns, where the new rows can have them."""
    return {name: old[name].dtype for name in more.columns if not more[name].isna().any()}
