"""The world behind the simulated shop: what any shopper would do with any list, also with one that was never shown.

How a visit goes. A shopper comes for one (department, category) pair, in the mood for one style, and sees the home
page's row of products. A product at place p is looked at with probability `look_at(p)` and then clicked with a
probability that depends on how well it fits shopper, pair and mood. Then the shopper walks through category pages:
mostly to another product of the same pair (a softmax over the same utility, nearer places on the page being likelier),
sometimes back, sometimes on to a category that completes the look. Each click may put the product into the cart, and
the cart may be paid for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.datasets import DAY_MS, Event
from recsys_lab.datasets.events import AttrValue
from recsys_lab.simulate import catalogue as words
from recsys_lab.simulate import truth as hidden
from recsys_lab.simulate.dice import Floats, cumulative
from recsys_lab.simulate.truth import Codes, Truth

Flags = NDArray[np.bool_]

EVENT_KINDS = ("clicked_on", "put_to_cart", "removed_from_cart", "buy")
LIST_LENGTH = 10


@dataclass(frozen=True)
class Rates:
    """The strengths of everything that happens in a visit, in logits unless a name says otherwise."""

    home_click: float = -2.5  # a product that means nothing special, looked at
    same_pair: float = 1.9
    other_department: float = -1.6
    mood: float = 1.1
    focus: float = 1.3
    season: float = 1.1
    again_share: float = 0.42  # share of visits that come to buy something again, of shoppers who could
    again: float = 3.2
    owned: float = -1.5  # a dress that hangs in the wardrobe already
    owned_consumable: float = 1.0  # the socks that fitted last time
    owned_consumable_cart: float = 2.2
    consumable_cart: float = 0.8
    seen: float = -3.0  # looked at in this visit already
    shelf: float = 1.3
    shelf_reach: float = 3.0  # places on the page
    back_share: float = 0.04
    switch_share: float = 0.08
    switch_after_cart: float = 0.45
    cart: float = -4.0
    cart_in_buying_mood: float = 1.9
    buying_mood_share: float = 0.3
    remove: float = -0.5  # out of the cart again
    remove_liked: float = -0.6  # less so what is liked
    on_sale: float = 0.25
    checkout: float = -0.9
    checkout_in_buying_mood: float = 1.5


class World:
    """Answers lists of products as the simulated shoppers would.

    `products` and `shoppers` are the shop's tables, `buys` its purchases (`user_id`, `item_id`, `timestamp`), by which
    the world knows who owns what at a time. Shoppers and products go in and out by their labels.
    """

    def __init__(
        self, products: pd.DataFrame, shoppers: pd.DataFrame, truth: Truth, buys: pd.DataFrame, start_ms: int
    ) -> None:
        self.truth, self.start_ms, self.rates = truth, start_ms, Rates()
        self.item_ids = products["item_id"].to_numpy(dtype=object)
        self.user_ids = shoppers["user_id"].to_numpy(dtype=object)
        self._item_row = {item: row for row, item in enumerate(self.item_ids)}
        self._user_row = {user: row for row, user in enumerate(self.user_ids)}
        self.categories = hidden.categories(products)
        self.category = hidden.code(products["category"], self.categories)
        self.department = hidden.code(products["department"], hidden.DEPARTMENTS)
        self.style = hidden.code(products["style"], hidden.STYLES)
        self.colour = hidden.code(products["colour"], hidden.COLOURS)
        self.brand = hidden.code(products["brand"], hidden.BRANDS)
        self.pair = self.department * len(self.categories) + self.category
        log_price = np.log(products["price"].to_numpy(dtype=np.float64))
        level = pd.Series(log_price).groupby(self.pair)
        self.dearness = ((log_price - level.transform("mean")) / (level.transform("std").fillna(0) + 0.05)).to_numpy()
        self.on_sale = products["on_sale"].to_numpy(dtype=np.float64)
        self.launched_day = (products["launched_at"].to_numpy() - start_ms) / DAY_MS
        self.consumable = np.isin(products["category"].to_numpy(dtype=str), sorted(words.CONSUMABLE))
        self.season = np.array([words.SEASON.get(name, 0.0) for name in self.categories])
        self.device = shoppers["device"].to_numpy(dtype=object)
        self._owned: dict[int, list[tuple[int, int]]] = {}
        for user, item, time in zip(buys["user_id"], buys["item_id"], buys["timestamp"], strict=True):
            self.remember(self._user_row[user], self._item_row[item], int(time))

    # -- where things are ---------------------------------------------------------------------------------------------

    def user_rows(self, users: Any) -> Codes:
        """Rows of shoppers by label; a label that is not there raises `KeyError`."""
        return np.array([self._user_row[user] for user in users], dtype=np.int64)

    def item_rows(self, items: Any) -> Codes:
        """Rows of products by label; a label that is not there raises `KeyError`."""
        return np.array([self._item_row[item] for item in items], dtype=np.int64)

    def day(self, now_ms: Any) -> Floats:
        """Days since the log began, with fractions."""
        return (np.asarray(now_ms, dtype=np.float64) - self.start_ms) / DAY_MS

    @cached_property
    def pages(self) -> Codes:
        """The products of each pair in the order of its page, filled up with -1; shape [pairs, longest page]."""
        count = len(hidden.DEPARTMENTS) * len(self.categories)
        longest = int(np.bincount(self.pair).max())
        pages = np.full((count, longest), -1, dtype=np.int64)
        pages[self.pair, self.truth.shelf] = np.arange(len(self.pair))
        return pages

    @cached_property
    def page_size(self) -> Codes:
        """How many products each pair has; shape [pairs]."""
        return np.bincount(self.pair, minlength=len(self.pages))

    def remember(self, user: int, item: int, time_ms: int) -> None:
        """A purchase: from the next visit on, the shopper owns the product."""
        self._owned.setdefault(user, []).append((time_ms, item))

    def owned(self, user: int, now_ms: int) -> list[int]:
        """Rows of what the shopper had bought before `now_ms`, sorted, each once."""
        return sorted({item for time, item in self._owned.get(user, ()) if time < now_ms})

    # -- what somebody wants ------------------------------------------------------------------------------------------

    def utility(self, users: Codes, items: Codes, day: Floats) -> Floats:
        """How much each shopper likes each product, in logits, apart from pair, mood and what is owned.

        `users` [n], `items` [n, w] (or [1, w]), `day` [n] → [n, w]; products not launched yet have -inf.
        """
        t, user, when = self.truth, users[:, None], day[:, None]
        peak, width = t.trend[items, 1], np.maximum(t.trend[items, 2], 1.0)
        value = (
            t.appeal[items] + 0.15 * t.quality[items] + t.trend[items, 0] * np.exp(-0.5 * ((when - peak) / width) ** 2)
        )
        value = value + 0.55 * t.style[user, self.style[items]] + 0.45 * t.colour[user, self.colour[items]]
        value += 0.45 * t.brand[user, self.brand[items]] + 0.45 * t.occasions[user, t.occasion[items]]
        value += self.rates.on_sale * self.on_sale[items] - t.thrift[user] * self.dearness[items]
        for axis in range(hidden.HIDDEN):
            value += t.look[user, axis] * t.hidden[items, axis]
        return np.where(self.launched_day[items] <= when, value, -np.inf)

    def pair_probabilities(self, users: Codes, day: Floats) -> Floats:
        """What a visit comes for; shape [n, pairs], rows sum to one."""
        t, rates = self.truth, self.rates
        period = np.clip(day // hidden.FOCUS_DAYS, 0, t.focus.shape[1] - 1).astype(np.int64)
        warmth = np.clip(2 * day / hidden.DAYS - 1, -1, 1)
        want = t.category[users] + rates.season * warmth[:, None] * self.season
        want = want + rates.focus * (np.arange(len(self.categories)) == t.focus[users, period][:, None])
        want = np.log(t.department[users])[:, :, None] + want[:, None, :]
        want = want.reshape(len(users), -1) + 0.5 * np.log(np.maximum(self.page_size, 1e-9))
        return softmax(np.where(self.page_size > 0, want, -np.inf))

    def mood_probabilities(self, users: Codes) -> Floats:
        """The style that a visit is in the mood for; shape [n, styles]."""
        return softmax(1.3 * self.truth.style[users].astype(np.float64))

    def again_candidates(self, user: int, now_ms: int) -> list[int]:
        """Rows of the consumables that the shopper owns: one of them may be what the visit comes for."""
        return [item for item in self.owned(user, now_ms) if self.consumable[item]]

    @cached_property
    def completes(self) -> Floats:
        """1 where the second category completes the look of the first; shape [categories, categories]."""
        table = np.zeros((len(self.categories), len(self.categories)))
        for row, name in enumerate(self.categories):
            for other in words.COMPLEMENTS.get(name, ()):
                if other in self.categories:
                    table[row, self.categories.index(other)] = 1.0
        return table

    def complements(self, page: int) -> list[int]:
        """The pairs that a look goes on to from `page`, each as likely; the page itself where there are none."""
        kinds = len(self.categories)
        first = page // kinds * kinds
        stocked = self.page_size[first : first + kinds] > 0
        found = np.flatnonzero((self.completes[page % kinds] > 0) & stocked)
        return [int(first + kind) for kind in found] or [page]

    # -- what somebody does -------------------------------------------------------------------------------------------

    def habit(self, owned: Flags, items: Codes) -> Floats:
        """What owning a product adds to its utility: consumables are come back to, a second coat is not needed."""
        change = np.where(self.consumable[items], self.rates.owned_consumable, self.rates.owned)
        return np.where(owned, change, 0.0)

    def on_page(self, users: Codes, here: Codes, page: Codes, day: Floats, owned: Flags, seen: Flags) -> Floats:
        """How much each product of a pair's page attracts the next click, in logits, apart from the mood.

        All [n], but `owned` and `seen` [n, longest page]; `here` is the open product, -1 on arrival → [n, longest
        page], in the order of `pages[page]`; -inf for the open product, and beyond the page's end.
        """
        items = self.pages[page]
        value = self.utility(users, items, day) + self.habit(owned, items) + self.rates.seen * seen
        near = np.exp(-np.abs(np.arange(items.shape[1]) - self.truth.shelf[here][:, None]) / self.rates.shelf_reach)
        same_page = (here >= 0) & (self.pair[here] == page)
        value = value + self.rates.shelf * near * same_page[:, None]
        closed = (items < 0) | (items == here[:, None])
        return np.where(closed, -np.inf, value)

    def step(self, attraction: Floats, page: Codes, mood: Codes) -> Floats:
        """Probabilities of the next product on the page, in a mood; `attraction` from `on_page` → the same shape."""
        return softmax(attraction + self.rates.mood * (self.style[self.pages[page]] == mood[:, None]))

    def home_click(self, value: Floats, items: Codes, pair: Codes, mood: Codes, again: Codes, owned: Flags) -> Floats:
        """Probability of a click on a product of the home row once it is looked at.

        `value` = utility [n, w], `items` [n, w], `pair`, `mood` and `again` (row or -1) [n], `owned` [n, w] → [n, w].
        """
        rates = self.rates
        fit = np.where(self.pair[items] == pair[:, None], rates.same_pair, 0.0)
        department = pair[:, None] // len(self.categories)
        fit = np.where(self.department[items] != department, rates.other_department, fit)
        fit = fit + rates.mood * (self.style[items] == mood[:, None]) + rates.again * (items == again[:, None])
        return sigmoid(rates.home_click + value + fit + self.habit(owned, items))

    def cart_probability(self, value: Floats, items: Codes, buying: Any, owned: Flags) -> Floats:
        """Probability that a click ends in the cart; `buying` is 1 in a buying mood, else 0."""
        rates = self.rates
        keen = 0.45 * np.maximum(value, -20.0) + 0.25 * self.truth.quality[items]
        keen = keen + self.consumable[items] * (rates.consumable_cart + rates.owned_consumable_cart * owned)
        return sigmoid(rates.cart + keen + rates.cart_in_buying_mood * buying)

    def remove_probability(self, value: Floats) -> Floats:
        """Probability that what is in the cart is taken out again: the less it is liked, the sooner."""
        return sigmoid(self.rates.remove + self.rates.remove_liked * value)

    def checkout_probability(self, users: Codes, buying: Any) -> Floats:
        """Probability that a cart that is not empty is paid for at the end of the visit; shape [n]."""
        rates = self.rates
        return sigmoid(rates.checkout + self.truth.buyer[users] + rates.checkout_in_buying_mood * buying)

    def purchase_probability(self, user_id: str, now_ms: int) -> Floats:
        """Probability that a product, looked at on the home row now, is clicked, carted, kept and paid for; shape [m].

        Exact: summed over what the visit may come for, its mood, and whether it is in a mood to buy. Sorting by it is
        the list with the most purchases that anyone could know of, since places are looked at independently.
        """
        users, day = self.user_rows([user_id]), self.day([now_ms])
        items, owned = np.arange(len(self.item_ids))[None, :], self.owned_flags(int(users[0]), now_ms)
        value = self.utility(users, items, day)
        bought: Floats = self._clicked(int(users[0]), now_ms, value, owned) * self.paid(users, value, items, owned)
        return np.ravel(bought)

    def click_probability(self, user_id: str, now_ms: int) -> Floats:
        """Probability that a product, looked at on the home row now, is clicked; shape [m]."""
        users, day = self.user_rows([user_id]), self.day([now_ms])
        value = self.utility(users, np.arange(len(self.item_ids))[None, :], day)
        owned = self.owned_flags(int(users[0]), now_ms)
        return np.ravel(self._clicked(int(users[0]), now_ms, value, owned))

    def owned_flags(self, user: int, now_ms: int) -> Flags:
        """What the shopper owns; shape [1, m]."""
        flags = np.zeros((1, len(self.item_ids)), dtype=bool)
        flags[0, self.owned(user, now_ms)] = True
        return flags

    def paid(self, users: Codes, value: Floats, items: Codes, owned: Flags) -> Floats:
        """Probability that a clicked product is carted, kept and paid for, over both buying moods; shape [n, w]."""
        share, keep = self.rates.buying_mood_share, 1 - self.remove_probability(value)
        paid = np.zeros_like(value)
        for weight, buying in ((1 - share, 0.0), (share, 1.0)):
            carted = self.cart_probability(value, items, buying, owned)
            paid += weight * carted * self.checkout_probability(users, buying)[:, None]
        return keep * paid

    def intents(self, user: int, now_ms: int) -> tuple[Floats, Floats]:
        """What a visit comes for: probability of each pair [pairs], and of each product that is bought again [m]."""
        pairs = self.pair_probabilities(np.array([user]), self.day([now_ms]))[0]
        again = np.zeros(len(self.item_ids))
        due = self.again_candidates(user, now_ms)
        if due:
            again[due] = self.rates.again_share / len(due)
            pairs = (1 - self.rates.again_share) * pairs + np.bincount(self.pair, weights=again, minlength=len(pairs))
        return pairs, again

    def _clicked(self, user: int, now_ms: int, value: Floats, owned: Flags) -> Floats:
        """Home-row clicks once looked at, summed over pair, mood and what is bought again; [1, m] → [1, m]."""
        rates, users = self.rates, np.array([user])
        pairs, again = self.intents(user, now_ms)
        departments = pairs.reshape(len(hidden.DEPARTMENTS), -1).sum(axis=1)
        moods = self.mood_probabilities(users)[0]
        base = rates.home_click + value + self.habit(owned, np.arange(value.shape[1]))
        in_mood = moods[self.style]
        same, department = pairs[self.pair], departments[self.department]
        clicked = np.zeros_like(value)
        for mood, chance in ((rates.mood, in_mood), (0.0, 1 - in_mood)):
            direct = (same - again) * sigmoid(base + rates.same_pair + mood)
            direct = direct + again * sigmoid(base + rates.same_pair + mood + rates.again)
            other = (department - same) * sigmoid(base + mood) + (1 - department) * sigmoid(
                base + rates.other_department + mood
            )
            clicked += chance * (direct + other)
        return clicked

    def expected_purchases(self, user_id: str, items: Any, now_ms: int) -> float:
        """Purchases that a home row of product labels, best first, brings in one visit, on average."""
        rows = self.item_rows(items)
        return float((look_at(len(rows)) * self.purchase_probability(user_id, now_ms)[rows]).sum())

    def respond(self, user_id: str, items: Any, now_ms: int, rng: np.random.Generator) -> list[Event]:
        """What one shopper does with one home row (labels, best first): clicks, carts, removals, purchases, in order.

        Draws come from `rng`; the mean over many calls is `expected_purchases`.
        """
        rows, users = self.item_rows(items)[None, :], self.user_rows([user_id])
        user, day = int(users[0]), self.day([now_ms])
        pairs, again = self.intents(user, now_ms)
        wants = np.concatenate(
            [np.maximum(pairs - np.bincount(self.pair, weights=again, minlength=len(pairs)), 0), again]
        )
        aim = _draw(wants, rng)
        pair, target = (aim, -1) if aim < len(pairs) else (int(self.pair[aim - len(pairs)]), aim - len(pairs))
        mood = _draw(self.mood_probabilities(users)[0], rng)
        buying = float(rng.random() < self.rates.buying_mood_share)
        value = self.utility(users, rows, day)
        owned = np.isin(rows, self.owned(user, now_ms))
        click = self.home_click(value, rows, np.array([pair]), np.array([mood]), np.array([target]), owned)
        clicked = rng.random(rows.shape[1]) < (look_at(rows.shape[1]) * click)[0]
        carted = clicked & (rng.random(rows.shape[1]) < self.cart_probability(value, rows, buying, owned)[0])
        removed = carted & (rng.random(rows.shape[1]) < self.remove_probability(value)[0])
        paid = bool(rng.random() < self.checkout_probability(users, buying)[0])
        bought = carted & ~removed & paid
        events: list[Event] = []
        for kind, happened in zip(EVENT_KINDS, (clicked, carted, removed, bought), strict=True):
            for place in np.flatnonzero(happened):
                attr: dict[str, AttrValue] = {"position": int(place) + 1, "surface": "home"}
                time = int(now_ms) + 1000 * (len(events) + 1)
                events.append(Event(user_id, str(items[place]), kind, time, f"ab-{user_id}-{now_ms}", attr))
        return events


def look_at(length: int) -> Floats:
    """The position bias: probability that place 1, 2, … of the home row is looked at; shape [length]."""
    chance: Floats = 1.0 / (1.0 + 0.22 * np.arange(length))
    return chance


def sigmoid(logit: Floats) -> Floats:
    """1 / (1 + exp(-logit)), for logits of any size, -inf giving 0."""
    chance: Floats = 1.0 / (1.0 + np.exp(-np.clip(logit, -700, 700)))
    return chance


def softmax(logits: Floats) -> Floats:
    """Rows of probabilities; a row of -inf alone gives zeros."""
    top = logits.max(axis=1, keepdims=True)
    weights = np.exp(logits - np.where(np.isfinite(top), top, 0.0))
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300))


def _draw(weights: Floats, rng: np.random.Generator) -> int:
    steps = cumulative(weights)
    return int(np.searchsorted(steps, np.floor(rng.random() * steps[-1]), side="right"))
