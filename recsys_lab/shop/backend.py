"""What stands behind the engine: the live state, the store, the catalogue and what was trained; and how they change."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pandas as pd
from threadpoolctl import threadpool_limits

from recsys_lab.datasets import Shop
from recsys_lab.filters import Filter
from recsys_lab.patterns import Patterns
from recsys_lab.patterns.lists import current
from recsys_lab.patterns.nightly import ALIASES, ITEMS, PRODUCTS
from recsys_lab.realtime import Live, LiveError
from recsys_lab.realtime.accumulators import Counts
from recsys_lab.recommender import Floats
from recsys_lab.shop.answers import Answer, Away, Busy
from recsys_lab.shop.catalogue import Catalogue, listed, may_be_listed
from recsys_lab.shop.changes import Changes
from recsys_lab.shop.config import Settings
from recsys_lab.shop.inbox import Inbox
from recsys_lab.shop.memo import IDLE_MS, RECENT, Memo
from recsys_lab.shop.ranking import Ranking
from recsys_lab.shop.reach import PAUSE, Reach, is_away, quick
from recsys_lab.shop.record import Belongings
from recsys_lab.shop.trained import (
    Trained,
    publish,
    shop_with,
    train,
    trained_without,
    withdraw,
    without_shopper,
)
from recsys_lab.shop.waiting import Waiting
from recsys_lab.spaces.aspects import POPULARITY
from recsys_lab.stores import BaseStore, StoreError, open_store
from recsys_lab.stores.aspects import StoredIndex, layout_of

R = TypeVar("R")
_log = logging.getLogger("recsys_lab.shop")
READ = (Counts("category"), Belongings())
"""The accumulators that the shop reads. Every one more costs a write an event; the log has what they are made from."""
_TRIES, _PAUSE = 100, 0.02  # a refresh switches its aliases one after the other


@dataclass(frozen=True, eq=False)
class Now:
    """All that a question is answered from, swapped in one step."""

    catalogue: Catalogue
    trained: Trained
    store: BaseStore | None = None
    patterns: Patterns | None = None
    looks: StoredIndex | None = None


class Backend:
    """Opens everything, trains, and keeps it in step."""

    def __init__(self, shop: Shop, settings: Settings, clock: Callable[[], int], failures: Counter[str]) -> None:
        self.base, self.settings, self.clock, self.failures = shop, settings, clock, failures
        self.took: dict[str, float] = {}
        self._since = time.perf_counter()
        folder = settings.folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self.changes = Changes(None if folder is None else folder / "products.db")
        self._products = self.changes.applied_to(shop.products)
        self._write, self._refreshing = threading.RLock(), threading.Lock()
        self._switching = False
        self._changed: dict[str, dict[str, Any] | None] = {}  # products that changed while a refresh trains
        self.local = (
            settings.state.partition(":")[0] in ("memory", "sqlite") and not self.remote and settings.ranker is None
        )
        self.state: Reach[Live] = Reach(
            "state", self._open_state, Live.close, (LiveError, OSError, sqlite3.Error), self._failed
        )
        self._server: Reach[BaseStore] = Reach(
            "store", self._open_store, BaseStore.close, (StoreError, OSError), self._failed
        )
        self._forgotten: set[str] = set()  # since the last training: it still has their vectors
        self._behind = False  # whether the store lacks something that is known here
        self._closed = threading.Event()
        self._opened_or_away(self.state)
        waiting = Waiting(None if folder is None else folder / "waiting.db")
        idle = int(settings.idle_minutes * 60_000)
        self.memo = Memo(settings.state, self._failed)
        self.inbox = Inbox(
            self.state, waiting, clock, idle, lambda item: item in self.now.catalogue, self._failed, self.memo
        )
        self._tell("state")
        self.ranking = Ranking(settings.ranker, self._failed)
        self.now = self._made(self._products)
        self.ranking.learn(self.now.trained.shop)
        # A product of this size is done before threads have met: waiting for them takes a hundred times as long.
        self._limits = threadpool_limits(1, "blas")
        self._keeper = threading.Thread(target=self._keep_store, name="recsys-lab-store", daemon=True)
        if self.remote:
            self._keeper.start()

    @property
    def remote(self) -> bool:
        """Whether products and factors are asked of a server."""
        return self.settings.store not in (None, "memory://")

    def _failed(self, what: str) -> None:
        self.failures[what] += 1

    def _tell(self, what: str) -> None:
        """How long this took, since the last time something was told."""
        now = time.perf_counter()
        self.took[what] = round(now - self._since, 2)
        self._since = now

    # -- opening ------------------------------------------------------------------------------------------------------

    def _open_state(self) -> Live:
        live = Live(quick(self.settings.state), self.base, [*READ], idle_ms=IDLE_MS, recent=RECENT, clock=self.clock)
        live.facts.add(self._products)
        return live

    def _open_store(self) -> BaseStore:
        return open_store(self.settings.store or "memory://")

    def _opened_or_away(self, reach: Reach[Any]) -> None:
        """Open now; a server that does not answer may come later, anything else is a mistake that has to be told."""
        try:
            reach.get()
        except (LiveError, StoreError, OSError) as error:
            if not is_away(error):
                raise
            _log.warning("the %s does not answer yet: %s", reach.what, type(error).__name__)

    def _made(self, products: pd.DataFrame) -> Now:
        """Everything trained on what is known, and published."""
        self._since = time.perf_counter()
        try:
            events = self.state.ask(lambda live: list(live.log()))
        except Away:
            events = []  # counted and logged where it happened; the next refresh has them
        shop = shop_with(self.base, products, events)
        self._tell("log")
        trained = train(shop, self.settings, self._tell)
        counts = {str(item): int(n) for item, n in shop.popularity.items()}
        catalogue = Catalogue(products, counts)
        self._tell("index")
        made = Now(catalogue, trained)
        try:
            made = self._written(open_store("memory://"), made) if not self.remote else self._published(made)
        except Away:
            self._behind = True  # answers are degraded until it is back
        self._tell("patterns")
        return made

    def _published(self, now: Now) -> Now:
        """What was trained, written into the store. Raises `Away`."""
        return self._server.ask(lambda store: self._written(store, now))

    def _written(self, store: BaseStore, now: Now) -> Now:
        """Write factors and products beside what is there, switch, and ask them from now on."""
        assert now.trained.shop is not None
        told = now.catalogue.told(now.catalogue.products).drop(columns=POPULARITY)
        publish(store, replace(now.trained.shop, products=told), now.trained, self.clock())
        withdraw(store, self._forgotten.copy())
        return self._asking(store, now)

    def _asking(self, store: BaseStore, now: Now) -> Now:
        looks = None
        if now.catalogue.index is not None and now.trained.factors is not None:
            looks = StoredIndex(now.catalogue.index, store.alias(PRODUCTS), columns=now.catalogue.kept)
        return replace(now, store=store, looks=looks, patterns=now.trained.patterns(store, looks))

    # -- questions ----------------------------------------------------------------------------------------------------

    def searched(
        self,
        now: Now,
        weights: Mapping[str, float],
        k: int,
        where: Filter | None,
        exclude: Collection[str],
        time_ms: int,
        profile: Mapping[str, Floats] | None = None,
        like: str | Sequence[str] = (),
    ) -> Answer:
        """One search of the index of aspects, here or in the store. Raises `SpaceError` and `Away`."""
        if self.remote:
            return self._searched_there(now, weights, k, where, exclude, time_ms, profile, like)
        index, shelf = now.catalogue.index, now.catalogue.shelf
        assert index is not None and shelf is not None
        question = index.question(weights=weights, shopper=profile, like=like)
        return Answer.of(shelf.best(shelf.row(question), now.catalogue.barrier(where, time_ms), k, exclude), "live")

    def _searched_there(
        self,
        now: Now,
        weights: Mapping[str, float],
        k: int,
        where: Filter | None,
        exclude: Collection[str],
        time_ms: int,
        profile: Mapping[str, Floats] | None,
        like: str | Sequence[str],
    ) -> Answer:
        allowed = now.catalogue.allowed(where, time_ms, exclude)
        passing = may_be_listed(now.catalogue, where, time_ms)

        def ask(held: Now, n: int) -> Any:
            if held.looks is None:
                raise StoreError("the store has no products yet")
            return held.looks.search(weights=weights, shopper=profile, like=like, k=n, where=passing, exclude=exclude)

        return Answer.of(
            listed(lambda n: self._there(now, lambda held: ask(held, n)), now.catalogue, allowed, k), "live"
        )

    def asked(self, now: Now, question: Callable[[Patterns], R]) -> R:
        """A pattern's answer. Raises `Away`."""

        def ask(held: Now) -> R:
            if held.patterns is None:
                raise StoreError("the store has no factors yet")
            return question(held.patterns)

        return self._there(now, ask) if self.remote else ask(now)

    def _there(self, now: Now, question: Callable[[Now], R]) -> R:
        """Ask the store; once more where a refresh has just switched what its aliases stand for. Raises `Away`."""

        def ask(store: BaseStore) -> R:
            held = now
            for _try in range(_TRIES):
                try:
                    if held.store is not store:
                        held = self._bound(store)
                    return question(held)
                except StoreError:
                    if held is self.now and not self._switching:
                        raise
                time.sleep(_PAUSE)
                held = self.now
            return question(held)

        return self._server.ask(ask)

    def _bound(self, store: BaseStore) -> Now:
        """The same, asked over a connection that was opened anew."""
        with self._write:
            if self.now.store is None:
                raise StoreError("the store has not been written yet")
            if self.now.store is not store:
                self.now = self._asking(store, self.now)
            return self.now

    def bought(self, now: Now, shopper: str) -> dict[str, tuple[int, int]]:
        """What a shopper had bought when the models were trained: product → (times, time of the last)."""
        if shopper not in now.trained.shoppers or now.trained.factors is None:
            return {}
        found = self.asked(now, lambda ask: current(ask.shoppers).get([shopper]))  # type: ignore[arg-type]
        if shopper not in found:
            return {}
        mine = found[shopper].payload
        rows = zip(mine["owned"], mine["times"], mine["last_ms"], strict=True)
        return {item: (int(times), int(last)) for item, times, last in rows}

    # -- products -----------------------------------------------------------------------------------------------------

    def put(self, item: str, fields: Mapping[str, Any]) -> bool:
        """See `Engine.put_product`."""
        with self._write:
            catalogue = self.now.catalogue
            row = catalogue.check(item, fields, self.clock())
            self.changes.put(item, row)
            self._change(item, row)
            return item not in catalogue

    def delete(self, item: str) -> None:
        """See `Engine.delete_product`."""
        with self._write:
            self.now.catalogue.row_of_known(item)
            self.changes.delete(item)
            self._change(item, None)

    def _change(self, item: str, row: dict[str, Any] | None) -> None:
        """Make a change that is on the disk already: here, in the live state's facts, and in the store."""
        self._changed[item] = row
        old = self.now
        catalogue = old.catalogue.without(item) if row is None else old.catalogue.with_product(row)
        self._products = catalogue.products
        if row is not None and (live := self.state.held) is not None:
            live.facts.add(catalogue.frame(row))
        self.now = replace(old, catalogue=catalogue)
        if not self.remote:
            self.now = self._stored(self.now, item, row)
            return
        try:
            self.now = self._there(self.now, lambda now: self._stored(replace(now, catalogue=catalogue), item, row))
        except Away:
            self._behind = True  # the keeper writes it when the store is back

    def _stored(self, now: Now, item: str, row: dict[str, Any] | None) -> Now:
        """The change in the store."""
        store, looks = now.store, now.looks
        if store is None:
            return now
        if row is None:
            for name in ALIASES:
                if store.alias(name).target is not None:
                    store.alias(name).collection().delete([item])
            return now
        index = now.catalogue.index
        if looks is None or index is None:
            return now
        if layout_of(index) == looks.layout:
            looks.upsert(now.catalogue.told(now.catalogue.frame(row)))
            return now
        told = now.catalogue.index_of_all()
        looks = StoredIndex.export(told, store, PRODUCTS, columns=now.catalogue.kept, keep=0)
        return replace(now, looks=looks, patterns=now.trained.patterns(store, looks))

    # -- keeping house ------------------------------------------------------------------------------------------------

    def _keep_store(self) -> None:
        """The keeper's thread: a store that was away gets what it lacks as soon as it answers."""
        while not self._closed.wait(PAUSE):
            if (self._behind or self._server.away) and self._refreshing.acquire(blocking=False):
                try:
                    self._catch_up()
                except Away:
                    self._behind = self._behind or self.now.store is None
                except Exception:  # whatever it was: the next turn tries again, and the shop is told
                    self._behind = True
                    self._failed("store keeper")
                    _log.exception("the store could not be brought up to date; it is tried again")
                    self._closed.wait(10 * PAUSE)
                finally:
                    self._refreshing.release()

    def _catch_up(self) -> None:
        """Write all anew if the store lacks something. Raises `Away`."""
        target = self._server.ask(lambda store: store.alias(ITEMS).target)
        if not self._behind and target is not None:
            return
        with self._write:
            self._switching = True
            try:
                old = self.now.catalogue  # its spaces were learned a while ago; the store's are learned anew
                self.now = self._published(replace(self.now, catalogue=Catalogue(old.products, old.popularity)))
                self._behind = False
            finally:
                self._switching = False

    def refresh(self) -> dict[str, Any]:
        """See `Engine.refresh`."""
        if not self._refreshing.acquire(blocking=False):
            raise Busy("a refresh is under way; wait until it is done")
        try:
            begun = time.perf_counter()
            self.state.ask(lambda live: live.visit("-", self.clock()))  # without its events nothing is learned anew
            with self._write:
                self._changed = {}
                products = self._products
            self._switching = True
            made = self._made(products)
            if made.store is None:
                raise Away("store", "so the shop stays as it was")
            with self._write:
                # Who was forgotten since it began is in what it learned, and comes not back with it.
                changed, self.now = self._changed, self._without(made, self._forgotten.copy())
                self._forgotten.clear()
                for item, row in changed.items():
                    if row is not None or item in self.now.catalogue:
                        self._change(item, row)
                self.ranking.learn(self.now.trained.shop)
            return {
                "seconds": round(time.perf_counter() - begun, 3), "products": len(self.now.catalogue),
                "until_ms": made.trained.until_ms, "models": self._models(),
            }  # fmt: skip
        finally:
            self._switching = False
            self._refreshing.release()

    def forget(self, shopper: str) -> int:
        """See `Engine.forget`."""
        with self._write:
            self._forgotten.add(shopper)
            self.base = without_shopper(self.base, shopper)
            self.now = self._without(self.now, [shopper])
            self.ranking.forget(shopper)
        if (live := self.state.held) is not None:
            live.facts._traits.pop(shopper, None)  # of the shop that it was opened with
        if self.remote:
            self._server.ask(lambda store: withdraw(store, [shopper]))
        return self.inbox.forget(shopper)

    def _without(self, now: Now, shoppers: Collection[str]) -> Now:
        """The same without what it keeps under these names."""
        if now.store is not None and not self.remote:
            withdraw(now.store, shoppers)
        return replace(now, trained=trained_without(now.trained, shoppers))

    def _models(self) -> dict[str, Any]:
        trained = self.now.trained
        models = {type(one).__name__: {"until_ms": trained.until_ms} for one in trained.recommenders.values()}
        return models | ({"Factors": {"until_ms": trained.until_ms}} if trained.factors is not None else {})

    def health(self) -> dict[str, Any]:
        """See `Engine.health`."""
        state, store = "ok", "ok"
        try:
            self.inbox.visit("-")
        except Away:
            state = "away"
        if self.remote:
            try:
                self._server.ask(lambda store: store.alias(ITEMS).target)  # goes over the network
                store = "ok" if not self._behind else "behind"
            except Away:
                store = "away"
        status = "ok" if (state, store) == ("ok", "ok") and not len(self.inbox.waiting) else "degraded"
        return {
            "status": status, "state": state, "store": store, "waiting": len(self.inbox.waiting),
            "products": len(self.now.catalogue), "models": self._models(), "failures": dict(self.failures),
        }  # fmt: skip

    def close(self) -> None:
        """See `Engine.close`."""
        self._closed.set()
        if self.remote:
            self._keeper.join(timeout=10)
        self._limits.restore_original_limits()
        self.inbox.close()
        self.inbox.waiting.close()
        self.memo.close()
        self.changes.close()
        for held in (self.state.held, self._server.held, None if self.remote else self.now.store):
            if held is not None:
                held.close()
