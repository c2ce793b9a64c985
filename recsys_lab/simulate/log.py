"""Ninety days in the simulated shop: all shoppers' first visits are walked through at once, then all second ones, …"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.datasets import DAY_MS
from recsys_lab.simulate import truth as hidden
from recsys_lab.simulate.dice import Dice, Floats
from recsys_lab.simulate.truth import Codes, Truth
from recsys_lab.simulate.world import EVENT_KINDS, LIST_LENGTH, World, look_at

RANDOM_SHARE = 0.10  # of the home rows, drawn evenly from all products, so that propensities are known
LONGEST = 110  # clicks of one walk
SURFACES = ("home", "category", "look", "back")
HOURS = np.array([0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 5, 6, 5, 4, 4, 5, 6, 8, 10, 11, 9, 4, 0], dtype=np.float64)
VISIT_MS = 9_000_000  # two and a half hours: the longest visit, and the least time between two visits' starts


COLUMNS = ("session", "user", "item", "time", "kind", "surface", "position", "dwell", "quantity", "propensity")


class Records:
    """Columns of events as they happen, in chunks; joined and sorted at the end."""

    def __init__(self) -> None:
        self._chunks: list[dict[str, Floats]] = []

    def add(self, size: int, **columns: object) -> None:
        """Append `size` rows; a scalar stands for a whole column, and what is not given has no value."""
        given = {name: np.asarray(columns.get(name, np.nan), dtype=np.float64) for name in COLUMNS}
        self._chunks.append({name: np.broadcast_to(values, (size,)).copy() for name, values in given.items()})

    def frame(self) -> pd.DataFrame:
        """All rows in order of time; events of one moment by session, then in the order they were added."""
        table = pd.DataFrame({name: np.concatenate([chunk[name] for chunk in self._chunks]) for name in COLUMNS})
        return table.sort_values(["time", "session"], kind="stable", ignore_index=True)


def visit_times(dice: Dice, truth: Truth, registered_day: Floats) -> list[Codes]:
    """When each shopper comes: int64 ms since the log began, sorted; at least `VISIT_MS` apart. One array a shopper.

    Who registers during the log does so by visiting; the pauses between visits are exponential.
    """
    rate = truth.activity.astype(np.float64)
    pauses = -np.log(1.0 - dice.uniform((len(rate), 260))) / np.maximum(rate, 1e-9)[:, None]
    joins = registered_day >= 0
    pauses[joins, 0] = registered_day[joins]
    days = np.floor(np.cumsum(pauses, axis=1))
    hour = dice.picks(HOURS, days.size).reshape(days.shape)
    days = np.minimum(days, 10 * hidden.DAYS)  # who never comes is far away, not at infinity
    times = (days * DAY_MS + hour * 3_600_000 + np.floor(dice.uniform(days.shape) * 3_600_000)).astype(np.int64)
    visits = []
    for row, active in enumerate(rate > 0):
        mine = np.sort(times[row, days[row] < hidden.DAYS]) if active else times[row, :0]
        kept: list[int] = []
        for time in mine.tolist():
            if not kept or time - kept[-1] >= VISIT_MS:
                kept.append(time)
        visits.append(np.array(kept, dtype=np.int64))
    return visits


class Walk:
    """One round of visits: visit v of every shopper who has so many. Everything is an array over these visits [n]."""

    def __init__(
        self, dice: Dice, world: World, owned: NDArray[np.bool_], users: Codes, now: Codes, session: Codes
    ) -> None:
        self.dice, self.world, self.users, self.now, self.session = dice, world, users, now, session
        self.day, self.owned, count = world.day(now), owned[users], len(users)
        self.buying = (dice.uniform(count) < world.rates.buying_mood_share).astype(np.float64)
        self.mood = dice.pick(world.mood_probabilities(users))
        self.again = self._again()
        self.page = dice.pick(world.pair_probabilities(users, self.day))
        self.page = np.where(self.again >= 0, world.pair[self.again], self.page)
        self.here = np.full(count, -1)
        self.clock = now.astype(np.float64)
        self.seen = np.full((count, LIST_LENGTH + LONGEST + 1), -1)
        self.clicks = np.zeros(count, dtype=np.int64)
        self.just_carted = np.zeros(count, dtype=bool)
        self.cart = np.zeros(self.owned.shape, dtype=bool)
        self.looked = np.zeros(self.owned.shape, dtype=bool)

    def _again(self) -> Codes:
        """Row of the product that a visit comes to buy again, or -1."""
        chance, which = self.dice.uniform(len(self.users)), self.dice.uniform(len(self.users))
        target = np.full(len(self.users), -1)
        for at in np.flatnonzero(chance < self.world.rates.again_share):
            due = self.world.again_candidates(int(self.users[at]), int(self.now[at]))
            if due:
                target[at] = due[int(which[at] * len(due))]
        return target

    def home(self, records: Records, impressions: Records, favoured: Codes) -> None:
        """Show the home row and take its clicks. `favoured` [n]: the department that the shop's team puts first."""
        world, dice, count = self.world, self.dice, len(self.users)
        random = dice.uniform(count) < RANDOM_SHARE
        launched = world.launched_day[None, :] <= self.day[:, None]
        editor = 1.1 * world.truth.editor[None, :] + 1.2 * (world.department[None, :] == favoured[:, None])
        noise = -np.log(-np.log(np.maximum(dice.uniform(launched.shape), 1e-12)))
        key = np.round(np.where(launched, noise + np.where(random[:, None], 0.0, editor), -np.inf), 9)
        row = np.argsort(-key, axis=1, kind="stable")[:, :LIST_LENGTH]
        propensity = np.where(random, 1.0 / launched.sum(axis=1), np.nan)
        each = np.arange(count)[:, None]
        value = world.utility(self.users, row, self.day)
        click = world.home_click(value, row, self.page, self.mood, self.again, self.owned[each, row])
        clicked = dice.uniform(row.shape) < np.round(look_at(LIST_LENGTH) * click, 9)
        wide = np.broadcast_to(each, row.shape).ravel()
        impressions.add(
            row.size, session=self.session[wide], user=self.users[wide], item=row.ravel(), time=self.now[wide],
            position=np.tile(np.arange(1, LIST_LENGTH + 1), count), propensity=propensity[wide],
        )  # fmt: skip
        for place in range(LIST_LENGTH):
            hit = np.flatnonzero(clicked[:, place])
            self._click(
                records, hit, row[hit, place], value[hit, place], SURFACES.index("home"), place + 1, propensity[hit]
            )

    def walk(self, records: Records) -> None:
        """Go through category pages, one click of all visits at a time."""
        count = len(self.users)
        length = np.floor(np.exp(1.24 + 1.08 * self.dice.normal(count)))
        length = np.minimum(np.where(self.dice.uniform(count) < 0.05, 0, length), LONGEST)
        for step in range(int(length.max(initial=0))):
            at = np.flatnonzero(length > step)
            self._step(records, at, first=step == 0)

    def _step(self, records: Records, at: Codes, first: bool) -> None:
        world, dice = self.world, self.dice
        fate, second = dice.uniform(len(at)), dice.uniform(len(at))
        rates = world.rates
        back = (fate < rates.back_share) & (self.clicks[at] >= 2)
        switch = second < np.where(self.just_carted[at], rates.switch_after_cart, rates.switch_share)
        switch &= ~back & (self.here[at] >= 0)
        self.page[at] = np.where(self.here[at] >= 0, world.pair[self.here[at]], self.page[at])
        self.page[at[switch]] = self._complement(self.page[at[switch]])
        page, row = world.pages[self.page[at]], at[:, None]
        attraction = world.on_page(
            self.users[at], self.here[at], self.page[at], self.day[at], self.owned[row, page], self.looked[row, page]
        )
        chances = world.step(attraction, self.page[at], self.mood[at])
        stuck = chances.sum(axis=1) == 0  # on a page of a small shop that has nothing else: the visit pauses there
        chances[stuck, 0] = 1.0
        item = world.pages[self.page[at], dice.pick(chances)]
        place = np.floor(dice.uniform(len(at)) * np.maximum(self.clicks[at] - 1, 1)).astype(np.int64)
        item = np.where(back, self.seen[at, place], item)
        if first:
            seek = (self.again[at] >= 0) & (dice.uniform(len(at)) < 0.85)
            item = np.where(seek, self.again[at], item)
        surface = np.where(back, 3, np.where(switch, 2, 1))
        value = world.utility(self.users[at], item[:, None], self.day[at])[:, 0]
        goes_on = ~stuck | back
        self._click(records, at[goes_on], item[goes_on], value[goes_on], surface[goes_on])

    def _complement(self, pages: Codes) -> Codes:
        """For each pair, one that completes its look."""
        options = [self.world.complements(int(page)) for page in pages]
        which = self.dice.uniform(len(pages))
        return np.array([mine[int(at * len(mine))] for mine, at in zip(options, which, strict=True)], dtype=np.int64)

    def _click(
        self, records: Records, at: Codes, item: Codes, value: Floats, surface: object, position: float = np.nan,
        propensity: object = np.nan,
    ) -> None:  # fmt: skip
        """Record clicks on `item` by the visits `at`, and what goes into the cart."""
        world, dice, size = self.world, self.dice, len(at)
        if not size:
            return
        dwell = np.floor(1000 * np.exp(3.3 + 0.8 * dice.normal(size) + 0.15 * np.clip(value, -4, 4)))
        self.clock[at] += np.floor(1000 + 3000 * dice.uniform(size))
        given: dict[str, object] = {"session": self.session[at], "user": self.users[at], "item": item}
        given |= {"surface": surface, "position": position, "propensity": propensity}
        same = {name: np.broadcast_to(np.asarray(values), (size,)) for name, values in given.items()}
        time = self.clock[at]
        records.add(size, kind=0, time=time, dwell=dwell, **same)
        self.clock[at] += dwell
        self.seen[at, self.clicks[at]] = item
        self.looked[at, item] = True
        self.clicks[at] += 1
        self.here[at] = item
        keen = world.cart_probability(
            value[:, None], item[:, None], self.buying[at][:, None], self.owned[at, item][:, None]
        )[:, 0]
        carted = (dice.uniform(size) < np.round(keen, 9)) & ~self.cart[at, item]
        self.just_carted[at] = carted
        self.cart[at[carted], item[carted]] = True
        time = time + np.maximum(dwell - 500, 1)
        records.add(int(carted.sum()), kind=1, time=time[carted], **{name: same[name][carted] for name in same})

    def checkout(self, records: Records, owned: NDArray[np.bool_]) -> None:
        """Take some things out again, pay for the rest or leave; who pays owns."""
        dice, world = self.dice, self.world
        at, item = np.nonzero(self.cart)
        value = world.utility(self.users[at], item[:, None], self.day[at])[:, 0]
        removed = dice.uniform(len(at)) < np.round(world.remove_probability(value), 9)
        paid = dice.uniform(len(self.users)) < np.round(world.checkout_probability(self.users, self.buying), 9)
        bought = ~removed & paid[at]
        pairs = world.consumable[item] & (dice.uniform(len(at)) < 0.3)
        for kind, rows in ((2, removed), (3, bought)):
            who, what = at[rows], item[rows]
            records.add(
                len(who), kind=kind, time=self.clock[who] + 2000 * kind + np.arange(len(who)) % 50,
                session=self.session[who], user=self.users[who], item=what,
                quantity=1 + pairs[rows] if kind == EVENT_KINDS.index("buy") else np.nan,
            )  # fmt: skip
        for who, what in zip(at[bought], item[bought], strict=True):
            world.remember(int(self.users[who]), int(what), int(self.clock[who]))
        owned[self.users[at[bought]], item[bought]] = True


def simulate_log(
    dice: Dice, world: World, registered_day: Floats, favoured: Codes
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All events and all impressions of the log, as numbers: see `Records`. The world remembers the purchases."""
    visits = visit_times(dice, world.truth, registered_day)
    users = np.repeat(np.arange(len(visits)), [len(mine) for mine in visits])
    times = np.concatenate(visits) + world.start_ms
    number = np.concatenate([np.arange(len(mine)) for mine in visits])
    session = np.empty(len(times), dtype=np.int64)
    session[np.lexsort((users, times))] = np.arange(len(times))
    owned = np.zeros((len(visits), len(world.item_ids)), dtype=bool)
    records, impressions = Records(), Records()
    for visit in range(int(number.max()) + 1):
        now = np.flatnonzero(number == visit)
        walk = Walk(dice, world, owned, users[now], times[now], session[now])
        walk.home(records, impressions, favoured[users[now]])
        walk.walk(records)
        walk.checkout(records, owned)
    return records.frame(), impressions.frame()


def as_table(world: World, rows: pd.DataFrame, prices: Floats, devices: NDArray[np.object_]) -> pd.DataFrame:
    """Numbers of `Records` as the shop's events, with labels and attributes."""
    user, item = rows["user"].to_numpy(dtype=np.int64), rows["item"].to_numpy(dtype=np.int64)
    table = pd.DataFrame({"user_id": world.user_ids[user], "item_id": world.item_ids[item]})
    kind = rows["kind"].to_numpy(dtype=np.int64) if rows["kind"].notna().all() else None
    table["event_type"] = "impression" if kind is None else np.array(EVENT_KINDS, dtype=object)[kind]
    table["timestamp"] = rows["time"].to_numpy(dtype=np.int64)
    table["session_id"] = [f"V{number:06d}" for number in rows["session"].to_numpy(dtype=np.int64)]
    table["device"] = devices[user]
    table["position"] = rows["position"].astype("Int16")
    if kind is None:
        table["surface"], table["list_id"] = "home", "L" + table["session_id"].str[1:]
    else:
        surface = rows["surface"].fillna(-1).to_numpy(dtype=np.int64)
        table["surface"] = np.array([*SURFACES, None], dtype=object)[surface]
        table["list_id"] = ("L" + table["session_id"].str[1:]).where(surface == 0, None)
        table["dwell_ms"] = rows["dwell"].astype("Int32")
        table["price"] = np.where(kind == EVENT_KINDS.index("buy"), prices[item], np.nan)
        table["quantity"] = rows["quantity"].astype("Int16")
    table["propensity"] = rows["propensity"].round(9).to_numpy()
    return table
