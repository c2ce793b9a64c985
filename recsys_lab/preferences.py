"""A shopper's vector from what they did: each event pulls it towards a product, or pushes it away (chapter 02).

For a space, after n events (this one included), with the event's weight w, the product's part v, temperature t:

    e ← (t·w·v + s·e) / (t + s),   s = m·(n − 1)·(1 − t),   first event: e = w·v
    m = (1 − a)·(1 − floor) + floor,   a = (now − mean event time) / max_age,  or / the age of the oldest event
    the shopper's part = e·influence + base·(1 − influence), at length 1

now is the time of the event that is applied, so that events one at a time and all at once agree; a > 1 under a max_age
gives m = 0; m = 1 where a has no denominator. At t = .5 and floor = 1, e is the running mean of w·v.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise, zip_longest
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy import sparse

from recsys_lab.datasets import Event, Shop, as_events
from recsys_lab.recommender import Context, Floats, top_k
from recsys_lab.spaces import SpaceIndex
from recsys_lab.spaces.aspects import APPEAL, FIRST, LIKENESS, ColdStart
from recsys_lab.spaces.space import unit

T = TypeVar("T")

WEIGHTS: Mapping[str, float] = {"clicked_on": 0.2, "put_to_cart": 0.5, "buy": 1.0, "removed_from_cart": -0.5}


@dataclass(frozen=True)
class EventRules:
    """How events move a shopper. The defaults are the usual ones: among them **no decay at all** (`floor=1`).

    `weights`: event type → w; types that are not in it do nothing. `effects`: space → weights that hold there instead.
    `temperature` in (0, 1]: above .5 the last events count more, at 1 the last alone. `influence` in [0, 1]: of the
    events against the base. `floor` in [0, 1]: what is left of the past at its oldest. `max_age_ms`: the mean age at
    which all of the past is forgotten at once; without it, age is measured against the oldest event. `cap`: n counts
    no further, so that new events go on moving a shopper of many. `normalised`: divide e by the same recursion over
    |w|, so that who only clicks moves as far as who buys.
    """

    weights: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    effects: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    temperature: float = 0.5
    influence: float = 0.5
    floor: float = 1.0
    max_age_ms: int | None = None
    cap: int | None = None
    normalised: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (("temperature", 0.0, 1.0), ("influence", 0.0, 1.0), ("floor", 0.0, 1.0)):
            value = getattr(self, name)
            if not low <= value <= high or (name == "temperature" and value == 0):
                raise ValueError(f"{name}: {value} is not from {'just above 0' if name == 'temperature' else 0} to 1")
        if self.max_age_ms is not None and self.max_age_ms <= 0:
            raise ValueError(f"max_age_ms: {self.max_age_ms} is no age; give more than 0, or None")
        if self.cap is not None and self.cap < 1:
            raise ValueError(f"cap: {self.cap} counts no event; give at least 1, or None")
        for where, table in {"weights": self.weights, **self.effects}.items():
            for kind, weight in table.items():
                if not np.isfinite(weight):
                    raise ValueError(f"{where}: {kind!r} has the weight {weight}; give a finite number")

    def weight(self, event_type: str, space: str | None = None) -> float:
        """The weight of an event type in a space; 0 for one that does nothing."""
        table = self.weights if space is None else self.effects.get(space, self.weights)
        return table.get(event_type, 0.0)

    def past(self, n: int, age_of_mean: float, age_of_oldest: float) -> float:
        """s: how much the past of n − 1 events counts beside the event that is applied."""
        most = self.max_age_ms or age_of_oldest
        a = age_of_mean / most if most > 0 else 0.0
        m = 0.0 if a > 1 else (1 - a) * (1 - self.floor) + self.floor
        return m * (min(n, self.cap or n) - 1) * (1 - self.temperature)

    def shares(self, times: Floats) -> Floats:
        """How much of each event is left in e after the last, events in order; [n], to be multiplied by w·v.

        >>> EventRules().shares(np.array([0.0, 10.0, 20.0, 30.0])).round(3).tolist()
        [0.25, 0.25, 0.25, 0.25]
        """
        since = np.asarray(times, dtype=np.float64) - (times[0] if len(times) else 0)
        n = np.arange(1, len(since) + 1)
        age = since - np.cumsum(since) / n
        most = np.full(len(since), float(self.max_age_ms)) if self.max_age_ms else since
        a = np.divide(age, most, out=np.zeros_like(since), where=most > 0)
        m = np.where(a > 1, 0.0, (1 - a) * (1 - self.floor) + self.floor)
        s = m * (np.minimum(n, self.cap or len(n) + 1) - 1) * (1 - self.temperature)
        kept = s / (self.temperature + s)
        later = np.append(np.cumprod(kept[:0:-1])[::-1], 1.0)[: len(since)]  # what the events after each leave of it
        left: Floats = (1 - kept) * later
        return left


class _Pull:
    """e of the spaces in which events weigh alike, moved one event at a time."""

    __slots__ = ("count", "e", "first", "sum_of_ages", "total")

    def __init__(self, dim: int) -> None:
        self.e = np.zeros(dim)
        self.total = 0.0  # the same recursion over |w|
        self.count = 0
        self.first = 0
        self.sum_of_ages = 0.0

    def move(self, rules: EventRules, weight: float, part: Floats, now: int) -> None:
        if self.count == 0:
            self.first = now
        self.count += 1
        since = now - self.first
        self.sum_of_ages += since
        s = rules.past(self.count, since - self.sum_of_ages / self.count, since)
        new = rules.temperature / (rules.temperature + s) if self.count > 1 else 1.0
        self.e *= 1 - new
        self.e += (new * weight) * part
        self.total = (1 - new) * self.total + new * abs(weight)


class ShopperVectors:
    """The vectors of all shoppers on a `SpaceIndex`, moved by one event at a time, in a fixed time for each.

    A product counts with the part that it has when the event comes. Events have to come in order of (time, id) for each
    shopper. `profile` is what `SpaceIndex.search(shopper=…)` takes.
    """

    def __init__(self, index: SpaceIndex, rules: EventRules | None = None) -> None:
        self.index = index
        self.rules = rules or EventRules()
        for space in self.rules.effects:
            if space not in index.spaces or not index.spaces[space].moves:
                raise ValueError(f"effects: events do not move a space {space!r}; those are {', '.join(index.moving)}")
        self._groups = _alike(self.rules, index.moving)
        self._columns = [np.concatenate([np.r_[index.columns[name]] for name in group]) for group in self._groups]
        # One stretch of columns is read as it lies; only spaces with effects of their own have to be gathered.
        self._whole = slice(0, len(self._columns[0])) if len(self._groups) == 1 else None
        self._pulls: dict[str, list[_Pull]] = {}
        self._base: dict[str, Floats] = {}
        self._last: dict[str, tuple[int, str]] = {}

    def register(self, shopper: str, choice: str | Mapping[str, Floats]) -> None:
        """Set the base of a shopper: the product chosen at registration, or a vector for each of some spaces."""
        if isinstance(choice, str):
            self._base[shopper] = self.index.matrix[self.index.row(choice)].astype(np.float64)
            return
        base = np.zeros(self.index.matrix.shape[1])
        for space, vector in choice.items():
            base[self.index.columns[space]] = vector
        self._base[shopper] = base

    def update(self, event: Event) -> None:
        """Apply one event. Raises `KeyError` for an unknown product, `ValueError` for an event older than the last."""
        row = self.index.matrix[self.index.row(event.item_id)]
        if (event.timestamp, event.id) < self._last.get(event.user_id, (0, "")):
            raise ValueError(
                f"event {event.id!r} of {event.user_id!r} is older than the last one applied; apply events in the order"
                f" of (timestamp, id), or make the shopper's vector anew from the log"
            )
        self._last[event.user_id] = (event.timestamp, event.id)
        pulls = self._pulls.get(event.user_id)
        if pulls is None:
            pulls = self._pulls[event.user_id] = [_Pull(len(columns)) for columns in self._columns]
        for group, columns, pull in zip(self._groups, self._columns, pulls, strict=True):
            weight = self.rules.weight(event.event_type, group[0])
            if weight != 0:
                part = row[self._whole] if self._whole is not None else row[columns]
                pull.move(self.rules, weight, part, event.timestamp)

    def forget(self, shopper: str) -> None:
        """Delete everything that is kept about a shopper."""
        for kept in (self._pulls, self._base, self._last):
            kept.pop(shopper, None)

    def profile(self, shopper: str) -> dict[str, Floats]:
        """The shopper's unit vector in each space that events move; spaces of which nothing is known are not in it."""
        pulled = np.zeros(self.index.matrix.shape[1])
        for columns, pull in zip(self._columns, self._pulls.get(shopper, ()), strict=False):
            pulled[columns] = pull.e / pull.total if self.rules.normalised and pull.total > 0 else pull.e
        base = self._base.get(shopper, np.zeros_like(pulled))
        mixed = self.rules.influence * pulled + (1 - self.rules.influence) * base
        parts = {name: mixed[self.index.columns[name]] for name in self.index.moving}
        return {name: unit(part) for name, part in parts.items() if np.linalg.norm(part) > _NOTHING}


_NOTHING = 1e-12
"""A shorter vector says nothing: it is what rounding leaves of a removal that cancels a click."""


def _alike(rules: EventRules, spaces: Sequence[str]) -> list[list[str]]:
    """The spaces, put together where events have the same weights."""
    shared = [name for name in spaces if name not in rules.effects]
    return [group for group in [shared, *([name] for name in spaces if name in rules.effects)] if group]


class EventWeighted(ColdStart):
    """The registration choice, moved by everything the shopper has done since: one question to the same index.

    Scores as `ColdStart` does, from the vectors of `EventRules`; who has no event yet gets the answer of `ColdStart`.
    With `topics` (a column of products, as "category") a shopper has a taste for each topic they have touched; the
    lists of the `tastes` latest ones are interleaved, so that who looks at boots and at dresses does not get what lies
    between them.
    """

    def __init__(
        self,
        rules: EventRules | None = None,
        weights: Mapping[str, float] | None = None,
        topics: str | None = None,
        tastes: int = 3,
    ) -> None:
        super().__init__({**LIKENESS, **APPEAL} if weights is None else weights)
        self.rules = rules or EventRules()
        self.topics = topics
        self.tastes = tastes

    def _learn(self, shop: Shop) -> None:
        super()._learn(shop)
        if self.tastes < 1:
            raise ValueError(f"tastes: {self.tastes} leaves no list; give at least 1")
        if self.topics is not None and self.topics not in shop.products.columns:
            known = ", ".join(map(str, shop.products.columns))
            raise ValueError(f"topics: the products have no column {self.topics!r}; they have {known}")
        needed = ("user_id", "item_id", "event_type", "timestamp", "session_id", "id")
        self._log = shop.events[[name for name in needed if name in shop.events.columns]]
        self._mine: dict[Any, Any] | None = None
        topics = self._products[self.topics] if self.topics else None
        self._topic = None if topics is None else topics.astype(str).to_numpy()

    def _question(self, context: Context) -> Hashable:
        return None  # two contexts with the same events are rare

    def _score(self, contexts: Sequence[Context]) -> Floats:
        done = self._done(contexts)
        base = self._bases(contexts)
        new = np.array([not deeds for deeds in done])
        single = np.where(
            new[:, None], self._scores(base, FIRST), self._scores(self._profiles(done, base), self.weights)
        )
        if self._topic is None:
            return single
        owner: list[int] = []
        parts: list[list[_Deed]] = []
        for number, deeds in enumerate(done):
            mine = self._by_topic(deeds)
            owner += [number] * len(mine)
            parts += mine
        if not parts:
            return single
        columns, _ = top_k(self._scores(self._profiles(parts, base[owner]), self.weights), min(_DEEP, len(self.items_)))
        for number, rows in groupby(range(len(owner)), key=owner.__getitem__):
            first = interleave([columns[row].tolist() for row in rows])
            single[number] -= 10.0  # behind all that stand in the lists; no score is as far from 0
            single[number, first] = np.arange(len(first), 0, -1)
        return single

    def _done(self, contexts: Sequence[Context]) -> list[list[_Deed]]:
        """What each shopper has done so far, oldest first."""
        earlier: dict[int, list[_Deed]] = {}
        made = []
        for context in contexts:
            key = id(context.history)  # the questions of one visit share it
            if context.history is None:
                past = self._read(as_events(self._log.iloc[self._rows_of(context.shopper_id)]))
            elif key in earlier:
                past = earlier[key]
            else:
                past = earlier[key] = self._read(context.history)
            made.append(past + self._read(context.session))
        return made

    def _read(self, events: Sequence[Event]) -> list[_Deed]:
        if any(b.timestamp <= a.timestamp for a, b in pairwise(events)):
            events = sorted(events, key=lambda event: (event.timestamp, event.id))
        known = ((self._column.get(event.item_id, -1), event.event_type, event.timestamp) for event in events)
        return [_Deed(*deed) for deed in known if deed[0] >= 0]

    def _rows_of(self, shopper: str | None) -> Any:
        """The rows of a shopper's events in what `fit` saw."""
        if self._mine is None:
            self._mine = dict(self._log.groupby("user_id").indices)
        return self._mine.get(shopper, [])

    def _profiles(self, done: Sequence[Sequence[_Deed]], base: Floats) -> Floats:
        """The shoppers' vectors, all spaces in a row: [n, moving components]; events as one sparse product."""
        pulled = np.zeros_like(base)
        for group in _alike(self.rules, self.index_.moving):
            columns = np.concatenate([np.r_[self.index_.columns[name]] for name in group])
            weight = self.rules.effects.get(group[0], self.rules.weights)
            data: list[Floats] = []
            items: list[int] = []
            ends, totals = [0], []
            for deeds in done:
                counted = [deed for deed in deeds if weight.get(deed.event_type, 0.0) != 0]
                w = np.array([weight[deed.event_type] for deed in counted])
                share = self.rules.shares(np.array([deed.time for deed in counted], dtype=np.float64))
                data.append(share * w)
                items += [deed.column for deed in counted]
                totals.append(float(np.sum(share * np.abs(w))))
                ends.append(len(items))
            where = (np.concatenate(data), items, ends)
            left = sparse.csr_matrix(where, shape=(len(done), len(self.items_)))
            e = left @ self._matrix[:, columns]
            if self.rules.normalised:
                e /= np.maximum(np.array(totals), _NOTHING)[:, None]
            pulled[:, columns] = e
        mixed: Floats = self.rules.influence * pulled + (1 - self.rules.influence) * base
        return mixed

    def _by_topic(self, deeds: Sequence[_Deed]) -> list[list[_Deed]]:
        """The events on each of the latest topics, the latest topic first."""
        assert self._topic is not None
        by_topic: dict[str, list[_Deed]] = {}
        for deed in reversed(deeds):
            by_topic.setdefault(self._topic[deed.column], []).append(deed)
        return [mine[::-1] for mine in list(by_topic.values())[: self.tastes]]


class _Deed(NamedTuple):
    """An event on a product that the index knows, by its column."""

    column: int
    event_type: str
    time: int


_DEEP = 60
"""How far down each taste's list is interleaved: deeper than any board asks."""


def interleave(lists: Sequence[Sequence[T]]) -> list[T]:
    """The first of each list, then the second of each, and so on; what came already is passed over.

    >>> interleave([["boot 1", "boot 2", "boot 3"], ["dress 1", "boot 1", "dress 2"]])
    ['boot 1', 'dress 1', 'boot 2', 'boot 3', 'dress 2']
    """
    return list(dict.fromkeys(one for row in zip_longest(*lists, fillvalue=_END) for one in row if one is not _END))


_END: Any = object()
