"""Which chapters of the course work on a shop, computed from what each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Literal, NamedTuple

import pandas as pd

from recsys_lab.datasets import DAY_MS, Shop
from recsys_lab.datasets.shop import BRIEF_DAYS

Works = Literal["yes", "partly", "no"]
ASPECTS = ("description", "category", "department", "style", "colour", "brand", "material", "price", "review_rating")
"""What `Shop.split` takes when nothing is said: a log has to be longer than both."""


class Chapter(NamedTuple):
    """What a chapter can do on a shop, and why."""

    number: str
    title: str
    works: Works
    why: str


class Facts:
    """What a shop has, as far as the chapters ask; each is counted when it is first asked for."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.kinds = set(shop.events["event_type"].unique())
        self.active = set(shop.events["item_id"].unique())
        times = shop.events["timestamp"]
        self.days = int(times.max()) // DAY_MS - int(times.min()) // DAY_MS + 1 if len(times) else 0
        self.shoppers = shop.events["user_id"].nunique()

    def has(self, *kinds: str) -> bool:
        """Whether one of these events happened."""
        return bool(self.kinds & set(kinds))

    def told(self, *columns: str) -> bool:
        """Whether one of these columns of products tells some of them apart."""
        return any(name in self.shop.products.columns and self.shop.products[name].nunique() >= 2 for name in columns)

    def choice(self) -> bool:
        """Whether some shoppers chose a product when they registered."""
        people = self.shop.shoppers
        return "registration_choice" in people.columns and bool(people["registration_choice"].notna().any())

    @cached_property
    def sequences(self) -> int:
        """Visits with two different products clicked or, in a shop without clicks, bought."""
        kind = "clicked_on" if self.has("clicked_on") else "buy"
        rows = self.shop.events[self.shop.events["event_type"] == kind]
        return int((rows.groupby("session_id")["item_id"].nunique() >= 2).sum())

    @cached_property
    def baskets(self) -> int:
        """Visits with two different products bought."""
        rows = self.shop.events[self.shop.events["event_type"] == "buy"]
        return int((rows.groupby("session_id")["item_id"].nunique() >= 2).sum())

    @cached_property
    def again(self) -> int:
        """How often a shopper bought a product again, in another visit."""
        rows = self.shop.events[self.shop.events["event_type"] == "buy"]
        rows = rows[["user_id", "item_id", "session_id"]].drop_duplicates()
        return int(rows.duplicated(["user_id", "item_id"]).sum())

    @cached_property
    def returning(self) -> int:
        """Shoppers with two visits or more."""
        return int((self.shop.events.groupby("user_id")["session_id"].nunique() >= 2).sum())

    @cached_property
    def clock(self) -> bool:
        """Whether the log has a time of day: not all of it lies within a minute of midnight."""
        return bool(((self.shop.events["timestamp"] % DAY_MS) > 60_000).mean() > 0.05)

    def impressions(self, *columns: str) -> bool:
        """Whether it was recorded what was shown, and these columns of it."""
        shown: pd.DataFrame | None = self.shop.impressions
        return shown is not None and len(shown) > 0 and all(name in shown.columns for name in columns)


Need = tuple[Callable[[Facts], bool], str]

_SPLIT: Need = (
    lambda f: f.days >= BRIEF_DAYS,
    f"{BRIEF_DAYS} days of events (all is measured on the last quarter of the log)",
)
_PRODUCTS: Need = (lambda f: len(f.active) >= 20, "20 products that something happened to")
_SHOPPERS: Need = (lambda f: f.shoppers >= 20, "20 shoppers")
_CLICKS: Need = (lambda f: f.has("clicked_on"), "clicks")
_BUYS: Need = (lambda f: f.has("buy"), "purchases")
_CARTS: Need = (lambda f: f.has("put_to_cart") and f.has("removed_from_cart"), "events of the cart (put in, taken out)")
_EITHER: Need = (lambda f: f.has("clicked_on", "buy"), "clicks or purchases")
_VISITS: Need = (lambda f: f.sequences >= 100, "100 visits with two different products")
_RETURNING: Need = (lambda f: f.returning >= 20, "20 shoppers who came back")
_ASPECTS: Need = (lambda f: f.told(*ASPECTS), "something that tells products apart (text, category, colour, price …)")
_TEXT: Need = (lambda f: f.told("description"), "descriptions (text)")
_NAMES: Need = (lambda f: f.told("name"), "names of products")
_PRICE: Need = (lambda f: f.told("price"), "prices")
_KIND: Need = (lambda f: f.told("category", "department"), "categories or departments")
_CHOICE: Need = (Facts.choice, "a choice made at registration")
_SHOWN: Need = (lambda f: f.impressions("position"), "impressions: what was shown, and where in the list")
_CHANCE: Need = (lambda f: f.impressions("propensity"), "the probability with which each product was shown")
_CLOCK: Need = (lambda f: f.clock, "a time of day")

NEEDS: Mapping[str, tuple[str, tuple[Need, ...], tuple[Need, ...]]] = {
    "00": ("A shop and a scoreboard", (_EITHER, _PRODUCTS, _SHOPPERS), (_CLICKS, _BUYS, _PRICE, _SHOWN, _SPLIT)),
    "01": ("Cold start", (_ASPECTS, _PRODUCTS), (_TEXT, _KIND, _PRICE, _CHOICE, _SPLIT, _SHOPPERS)),
    "02": ("Event weights", (_EITHER, _ASPECTS, _RETURNING), (_CLICKS, _CARTS, _BUYS, _TEXT, _CHOICE, _SPLIT)),
    "03": ("item2vec", (_VISITS, _PRODUCTS), (_CLICKS, _NAMES, _KIND, _TEXT, _SPLIT, _SHOPPERS)),
    "04": ("Product clusters", (_VISITS, _PRODUCTS), (_CLICKS, _NAMES, _KIND, _TEXT, _SPLIT, _SHOPPERS)),
    "05": (
        "Vector databases",
        (_EITHER, _PRODUCTS, _SHOPPERS),
        (
            _BUYS, (lambda f: f.baskets >= 100, "100 baskets of two products (also bought)"),
            (lambda f: f.again >= 100, "100 purchases of something owned already (buy again)"),
            _KIND, _TEXT, _PRICE, _SPLIT,
        ),
    ),
    "06": ("Real time", (_VISITS,), (_CLOCK, _CLICKS, _CARTS, _BUYS, _SPLIT)),
    "07": ("Ranking and exploration", (_EITHER, _PRODUCTS, _SHOPPERS), (_CLICKS, _KIND, _SHOWN, _CHANCE, _SPLIT)),
    "08": ("A live shop", (_PRODUCTS, _EITHER), (_NAMES, _PRICE, _TEXT, _KIND)),
    "09": ("Scaling out", (_VISITS, _PRODUCTS), (_CLICKS, (lambda f: len(f.shop.events) >= 100_000, "100,000 events"))),
    "10": ("Your own data", (), ()),
}  # fmt: skip
"""chapter → title, what it cannot do without, and what parts of it need."""


def chapters_for(shop: Shop) -> list[Chapter]:
    """For each chapter whether it works on this shop (yes, partly, no), and what is missing where it does not.

    >>> shop = Shop.from_sessions([["a", "b"], ["b", "a"]])
    >>> [(chapter.number, chapter.works) for chapter in chapters_for(shop)][:2]
    [('00', 'no'), ('01', 'no')]
    """
    facts = Facts(shop)
    told = []
    for number, (title, must, better) in NEEDS.items():
        without = [words for holds, words in must if not holds(facts)]
        less = [words for holds, words in better if not holds(facts)]
        works: Works = "no" if without else "partly" if less else "yes"
        why = f"it needs {'; '.join(without)}" if without else f"without {'; '.join(less)}" if less else "all is there"
        told.append(Chapter(number, title, works, why))
    return told
