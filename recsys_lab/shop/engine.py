"""The engine of the live shop: one object that takes events and answers every question of a page. No HTTP in it.

A list is always made by something: the live index, the patterns over a store, or a fitted recommender. Where the live
state or the store does not answer, what is popular is listed, and the answer says so.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np

from recsys_lab.datasets import Event, Shop
from recsys_lab.filters import Filter
from recsys_lab.patterns.again import habit
from recsys_lab.realtime.state import Visit
from recsys_lab.recommender import Context
from recsys_lab.shop import reading
from recsys_lab.shop.answers import Answer, Away, Sent
from recsys_lab.shop.backend import Backend
from recsys_lab.shop.cards import picture
from recsys_lab.shop.config import Settings
from recsys_lab.shop.inbox import as_sent
from recsys_lab.shop.insight import because, taste_of
from recsys_lab.shop.lists import Lists
from recsys_lab.shop.record import bought_of, cart_of

_SIMILAR = 5000  # lists of similar products that are kept


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Engine:
    """A live shop: `shop` is what is known at the start, `settings` say what is kept where and who serves what.

    Thread safe. With `local`, no read waits for a network, so a server may ask on its event loop; `take`,
    `put_product`, `delete_product`, `forget` and `refresh` write to the disk or train, and belong in a thread. Close it
    at the end.

    >>> from recsys_lab.datasets import load_shop
    >>> with Engine(load_shop(impressions=False), Settings(switch=("live",))) as engine:
    ...     first = engine.for_you("ada", k=3)
    ...     engine.take("ada", "clicked_on", first.item_ids[0])["new"]
    ...     first.item_ids[0] in engine.for_you("ada", k=3).item_ids, len(engine.similar(first.item_ids[0]))
    True
    (False, 10)
    """

    def __init__(self, shop: Shop, settings: Settings | None = None, clock: Callable[[], int] = now_ms) -> None:
        self.settings = settings or Settings()
        self.clock = clock
        self.failures: Counter[str] = Counter()
        self._backend = Backend(shop, self.settings, clock, self.failures)
        self._inbox = self._backend.inbox
        self._lists = Lists(self._backend, self.settings, clock, self.failures)
        self._model = reading.Model(self.settings.encoder)
        self._reading: reading.Reading | None = None

    @property
    def local(self) -> bool:
        """Whether no read waits for a network."""
        return self._backend.local

    @property
    def spaces(self) -> dict[str, float]:
        """The aspects that weights can be given for, each with its weight inside a visit."""
        index = self._backend.now.catalogue.index
        given = self.settings.visit_weights
        return (
            {} if index is None else {name: given.get(name, float(space.moves)) for name, space in index.spaces.items()}
        )

    @property
    def started(self) -> Mapping[str, float]:
        """What took how many seconds at the start."""
        return dict(self._backend.took)

    # -- events in ----------------------------------------------------------------------------------------------------

    def take(
        self,
        shopper: str,
        event_type: str,
        item_id: str,
        attr: Mapping[str, Any] | None = None,
        *,
        id: str = "",
        timestamp: int | None = None,
    ) -> dict[str, Any]:
        """Take one event: {"id", "new", "waiting"}. On the disk when this returns. Raises `DataError`.

        Its session is the shopper's last one, if that is younger than `idle_minutes`. An `id` counts once a shopper.
        """
        (made,) = self.take_many([Sent(shopper, event_type, item_id, attr or {}, id, timestamp)])
        if isinstance(made, Exception):
            raise made
        return made

    def take_many(self, events: Sequence[Sent | Mapping[str, Any] | Sequence[Any]]) -> list[dict[str, Any] | Exception]:
        """Take events together, each a `Sent`, a mapping of its fields, or a tuple of them.

        One that cannot be taken is refused alone: its error stands in its place.
        """
        return self._inbox.take_many([as_sent(one) for one in events])

    # -- lists --------------------------------------------------------------------------------------------------------

    def for_you(
        self,
        shopper: str,
        k: int = 10,
        *,
        where: Filter | None = None,
        weights: Mapping[str, float] | None = None,
        by: str | None = None,
    ) -> Answer:
        """What is like this shopper's recent events and appeals to everybody; not the cart nor what this visit opened.

        `weights` by space take the place of those of the settings; `by` names another recommender of the switch.
        """
        now, time = self._backend.now, self.clock()
        try:
            known = self._inbox.known(shopper, time)
        except Away as error:
            return self._lists.plain(now, k, where, error)
        out = known.out(time, self._inbox.idle_ms)
        name = by or self.settings.surfaces["for-you"]
        if name != "live":
            context = Context(shopper, time, self._lists.unseen(now, known.visit), cart=tuple(known.cart))
            return self._lists.by(name, "for-you", now, context, k, where, out)
        visiting = known.is_open(time, self._inbox.idle_ms)
        return self._lists.live(now, known, k, where, weights, out, time, visiting)

    def similar(
        self, item: str, k: int = 10, *, where: Filter | None = None, weights: Mapping[str, float] | None = None
    ) -> Answer:
        """What is like a product, by the weights of the spaces that tell likeness. Raises `KeyError` for no product."""
        now, time = self._backend.now, self.clock()
        now.catalogue.row_of_known(item)
        name = self.settings.surfaces["similar"]
        if name not in ("live", "patterns"):
            click = Event("-", item, "clicked_on", time, "-")
            return self._lists.by(name, "similar", now, Context(None, time, (click,), viewed=item), k, where, [item])
        index = now.catalogue.index
        if name == "patterns" or index is None or not index.moving:
            return self._lists.patterns(now, k, where, [item], lambda ask, n: ask.similar(item, n))
        kept = now.catalogue.similar if where is None and weights is None and time >= now.catalogue.newest else {}
        held = kept.get((item, k))
        if held is not None:
            return held
        asked = self._lists.weights(now, weights, likeness=True)
        try:
            made = self._backend.searched(now, asked, k, where, [item], time, like=item)
        except Away as error:
            return self._lists.plain(now, k, where, error, [item])
        if len(kept) < _SIMILAR:
            kept[item, k] = made
        return made

    def also_bought(self, cart: Sequence[str], k: int = 10, *, where: Filter | None = None) -> Answer:
        """What goes with a cart; popular products where nothing in it is known."""
        now, name = self._backend.now, self.settings.surfaces["also-bought"]
        mine = [item for item in dict.fromkeys(cart) if item in now.catalogue]
        if not mine:
            return self._lists.plain(now, k, where, notes="nothing of this is known: what is popular")
        if name == "live":
            asked = self._lists.weights(now, None, likeness=True)
            return self._backend.searched(now, asked, k, where, mine, self.clock(), like=mine)
        if name != "patterns":
            return self._lists.by(
                name, "also-bought", now, Context(None, self.clock(), cart=tuple(mine)), k, where, mine
            )
        return self._lists.patterns(now, k, where, mine, lambda ask, n: ask.also_bought(mine, n))

    def lookalikes(self, shopper_or_group: str | Sequence[str], k: int = 10) -> Answer:
        """Stored shoppers who are like one, or like a group. Raises `KeyError` for somebody unknown."""
        now = self._backend.now
        group = [shopper_or_group] if isinstance(shopper_or_group, str) else list(shopper_or_group)
        try:
            if len(group) == 1 and group[0] not in now.trained.shoppers and now.trained.factors is not None:
                events = self._inbox.visit(group[0]).events
                vector = now.trained.factors.shopper_vector(Context(group[0], self.clock(), events))
                if not vector.any():
                    raise KeyError(f"nothing is known of shopper {group[0]!r}; they have to click something first")
                return Answer.of(self._backend.asked(now, lambda ask: ask.lookalikes(vector, k)), "patterns")
            return Answer.of(self._backend.asked(now, lambda ask: ask.lookalikes(group, k)), "patterns")
        except Away as error:
            return Answer((), (), {}, "patterns", "nobody can be compared now", error.what)

    def complete_the_look(self, item: str, k: int = 6) -> Answer:
        """From each category that completes the product's, what fits it best. Raises `KeyError` for no product."""
        now = self._backend.now
        now.catalogue.row_of_known(item)
        if not now.trained.complements or now.looks is None:
            return Answer((), (), {}, "patterns", "this shop's sales do not tell which categories complete each other")
        return self._lists.look(now, item, k)

    def buy_again(self, shopper: str, k: int = 10) -> Answer:
        """What the shopper may buy again: by habit, and by how often others do. Live purchases count."""
        now, time = self._backend.now, self.clock()
        try:
            bought = bought_of(self._inbox.visit(shopper).own, now.trained.until_ms)
            for item, (times, last) in self._backend.bought(now, shopper).items():
                more, latest = bought.get(item, (0, 0))
                bought[item] = times + more, max(last, latest)
        except Away as error:
            return Answer((), (), {}, "patterns", "your purchases cannot be looked up now", error.what)
        allowed = now.catalogue.allowed(None, time)
        mine = [item for item in bought if item in now.catalogue and allowed[now.catalogue.row_of[item]]]
        worth = habit(np.array([bought[item][0] for item in mine]), np.array([bought[item][1] for item in mine]), time)
        usual = np.mean(list(now.trained.again.values())) if now.trained.again else 1.0
        scores = [
            round(float(value) * float(now.trained.again.get(item, usual)), 9)
            for item, value in zip(mine, worth, strict=True)
        ]
        best = sorted(zip(scores, mine, strict=True), key=lambda one: (-one[0], now.catalogue.place_of(one[1])))[:k]
        return Answer(tuple(item for _, item in best), tuple(score for score, _ in best), {}, "patterns")

    def popular(self, k: int = 10, *, where: Filter | None = None) -> Answer:
        """What most people click, as of the last refresh."""
        return self._lists.plain(self._backend.now, k, where)

    def search(self, q: str, k: int = 20, *, where: Filter | None = None) -> Answer:
        """Products for a sentence; `notes` tell what was understood. Raises `ValueError` for no sentence."""
        now, time = self._backend.now, self.clock()
        held = self._reading
        if held is None or held.catalogue is not now.catalogue:
            held = self._reading = reading.Reading(now.catalogue)
        terms, passing, _, notes = held.scored(q, self._model)
        rows, parts = reading.best(terms, passing & now.catalogue.allowed(where, time), now.catalogue.place, k)
        ids = tuple(now.catalogue.ids[row] for row in rows)
        scores = tuple(round(sum(values[at] for values in parts.values()), 9) for at in range(len(rows)))
        return Answer(ids, scores, parts, "search", notes)

    # -- products -----------------------------------------------------------------------------------------------------

    def product(self, item: str) -> dict[str, Any]:
        """A product's fields. Raises `KeyError`."""
        return self._backend.now.catalogue.row(item)

    def card(self, item: str) -> bytes:
        """A product's card as JSON, made once. Raises `KeyError`."""
        return self._backend.now.catalogue.card(item)

    def cards_of(self, items: Sequence[str]) -> list[bytes]:
        """The card of each of these, in their order; an empty one for what is not in the shop."""
        return self._backend.now.catalogue.cards_of(items)

    def cards(self, items: Sequence[str]) -> list[bytes]:
        """The cards of products that are in the shop; what was deleted since is left out."""
        return [card for card in self.cards_of(items) if card]

    def picture(self, item: str) -> str:
        """A product's drawing as SVG. Raises `KeyError`."""
        return picture(self.product(item))

    def put_product(self, item: str, fields: Mapping[str, Any]) -> bool:
        """Add a product, or change the one of this id (fields that are not given stay); whether it is new.

        On the disk when this returns, and listed by the next question. Raises `DataError`.
        """
        return self._backend.put(item, fields)

    def delete_product(self, item: str) -> None:
        """Take a product out of every list, for good. Raises `KeyError`."""
        self._backend.delete(item)

    def products(
        self, where: Filter | None = None, offset: int = 0, limit: int = 60, order: str = "popular"
    ) -> tuple[list[str], int]:
        """A page of the shelf, and how many there are; sold-out products too. `order` is popular, price or new."""
        catalogue = self._backend.now.catalogue
        mask = catalogue.mask(where)
        rows = [row for row in catalogue.ordered(order) if mask[row]]
        return [catalogue.ids[row] for row in rows[offset : offset + limit]], len(rows)

    # -- the shopper --------------------------------------------------------------------------------------------------

    def session(self, shopper: str) -> dict[str, Any]:
        """What the shop believes of a shopper, and why: events (newest first), cart, taste, counts, sentences."""
        now = self._backend.now
        try:
            visit, degraded = self._inbox.visit(shopper), None
        except Away as error:
            visit, degraded = Visit(shopper, tuple(self._inbox.waiting.of(shopper))), error.what
        last, shelf = visit.last_ms, now.catalogue.shelf
        visiting = last is not None and self.clock() - last <= self._inbox.idle_ms
        profile = {} if shelf is None else self._lists.plan(now, visiting).profiles.of(visit.events)
        taste = taste_of(now.catalogue.index, profile)
        counts = {name.removeprefix("category/"): n for name, n in visit.own.items() if name.startswith("category/")}
        shown = [
            {"event_type": event.event_type, "item_id": event.item_id, "timestamp": event.timestamp}
            for event in reversed(visit.events[-50:])
        ]
        cart = self._cart(visit) if degraded is None else cart_of({}, visit.events)
        return {
            "shopper": shopper[:8], "events": shown, "cart": cart, "taste": taste, "counts": counts,
            "because": because(now.catalogue, visit, taste, cart), "degraded": degraded,
        }  # fmt: skip

    def cart(self, shopper: str) -> list[str]:
        """The products in the shopper's cart; those that wait for the state alone, where it does not answer."""
        try:
            return self._cart(self._inbox.visit(shopper))
        except Away:
            return cart_of({}, self._inbox.waiting.of(shopper))

    def _cart(self, visit: Visit) -> list[str]:
        return [item for item in cart_of(visit.own) if item in self._backend.now.catalogue]

    def forget(self, shopper: str) -> int:
        """Delete all that is kept of a shopper; how many events that were. Raises `Away` if it cannot be done now.

        Models keep sums over many shoppers, without a name, until the next refresh. The tables that the shop was loaded
        from stay as they are: `recsys_lab.own.erase` takes somebody out of those too.
        """
        return self._backend.forget(shopper)

    # -- keeping house ------------------------------------------------------------------------------------------------

    def refresh(self) -> dict[str, Any]:
        """Train anew with all live events, beside what serves, then swap. Raises `Busy` while one runs, and `Away`."""
        return self._backend.refresh()

    def health(self) -> dict[str, Any]:
        """Whether state and store answer, how much waits, and what each model has seen."""
        return self._backend.health()

    def close(self) -> None:
        """End what runs beside, and give back files and connections."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
