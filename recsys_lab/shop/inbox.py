"""The way in for events: into the live state at once, or into `Waiting` until it answers again."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from recsys_lab.datasets import DAY_MS, DataError, Event
from recsys_lab.realtime import Live
from recsys_lab.realtime.state import Taken, Visit, check
from recsys_lab.shop.answers import Away, Sent
from recsys_lab.shop.memo import Known, Memo
from recsys_lab.shop.reach import PAUSE, Reach
from recsys_lab.shop.waiting import Waiting

_BATCH = 200  # events that are handed on together
_VISITORS = 20_000  # shoppers whose last visit is remembered here
_LONGEST_ID = 200
_BURST_MS = 1000  # a shopper's events of one moment are spread over at most this
_log = logging.getLogger("recsys_lab.shop")


class Inbox:
    """Takes events, gives each a session, and sees to it that none that was taken is lost.

    `known` tells whether a product is in the shop; `failed` is told of what went wrong.
    """

    def __init__(
        self,
        state: Reach[Live],
        waiting: Waiting,
        clock: Callable[[], int],
        idle_ms: int,
        known: Callable[[str], bool],
        failed: Callable[[str], None],
        memo: Memo,
    ) -> None:
        self.state, self.waiting, self.clock, self.idle_ms = state, waiting, clock, idle_ms
        self._known, self._failed, self._memo = known, failed, memo
        self._last: OrderedDict[str, tuple[int, str]] = OrderedDict()  # shopper → time and session of the last event
        self._lock = threading.Lock()
        self.handing_on = threading.RLock()  # held while waiting events go to the state, or are forgotten
        self._wake, self._closed = threading.Event(), False
        self._courier = threading.Thread(target=self._carry, name="recsys-lab-courier", daemon=True)
        self._courier.start()

    # -- events in ----------------------------------------------------------------------------------------------------

    def take_many(self, sent: Sequence[Sent]) -> list[dict[str, Any] | Exception]:
        """Take events together; each that cannot be taken is refused alone, by its error in its place."""
        made = [self._checked(one) for one in sent]
        events = [one for one in made if isinstance(one, Event)]
        new, waits = self._put(events) if events else ([], False)
        told = iter(new)
        return [
            {"id": _own_id(event), "new": next(told), "waiting": waits} if isinstance(event, Event) else event
            for event in made
        ]

    def _put(self, events: Sequence[Event]) -> tuple[list[bool], bool]:
        """Into the state, or behind those that wait for it; whether each was new, and whether they wait."""
        if not len(self.waiting):
            with suppress(Away):  # counted and logged where it happened
                return [one.new for one in self._hand(events)], False
        try:
            self.waiting.add(events)
        except sqlite3.Error as error:
            self._failed("waiting")
            raise Away("state", f"and {type(error).__name__} where events would wait") from error
        self._wake.set()
        return [True] * len(events), True

    def _hand(self, events: Sequence[Event]) -> list[Taken]:
        """Hand events to the state, all or none. Raises `Away` and `DataError`."""

        def hand(live: Live) -> list[Taken]:
            taken = live.take_many(events)
            self._memo.took(live, events, taken)
            return taken

        return self.state.ask(hand)

    def _checked(self, sent: Sent) -> Event | Exception:
        """The event, with its session; or what is wrong with it."""
        try:
            return self._event(sent)
        except (DataError, TypeError) as error:
            return error

    def _event(self, sent: Sent) -> Event:
        now = self.clock()
        time = now if sent.timestamp is None else sent.timestamp
        if not isinstance(sent.id, str) or len(sent.id) > _LONGEST_ID:
            raise DataError(f"id: {sent.id!r:.80} is no text of at most {_LONGEST_ID} characters; shorten it")
        if not isinstance(sent.item_id, str) or not self._known(sent.item_id):
            raise DataError(f"item_id: {sent.item_id!r:.80} is not among the shop's products")
        # An id is the sender's own: two shoppers may use the same.
        name = f"{sent.shopper}/{sent.id or uuid4().hex}"
        event = check(Event(sent.shopper, sent.item_id, sent.event_type, time, "-", sent.attr, id=name))
        if event.timestamp > now + DAY_MS:
            raise DataError(f"timestamp: {time} is more than a day after now, {now}; set the sender's clock")
        time, session = self._placed(event, dated=sent.timestamp is not None)
        return Event(sent.shopper, sent.item_id, sent.event_type, time, session, event.event_attr, id=name)

    def _placed(self, event: Event, dated: bool) -> tuple[int, str]:
        """The time of an event, and its session: that of the shopper's last one, if it is not too long ago.

        Events of one millisecond would be put in the order of their ids. So one whose time is not told by its sender
        (not `dated`) comes after the shopper's last one: what was put into the cart and taken out again is not in it.
        """
        shopper, time = event.user_id, event.timestamp
        with self._lock:
            last = self._last.get(shopper)
        if last is None:
            last = self._remembered(shopper)
        with self._lock:
            last = self._last.get(shopper, last)
            if not dated and last is not None and time <= last[0] < time + _BURST_MS:
                time = last[0] + 1
            session = uuid4().hex if last is None or abs(time - last[0]) > self.idle_ms else last[1]
            if last is None or time >= last[0]:
                self._last[shopper] = (time, session)
                self._last.move_to_end(shopper)
                if len(self._last) > _VISITORS:
                    self._last.popitem(last=False)
        return time, session

    def _remembered(self, shopper: str) -> tuple[int, str] | None:
        """Time and session of the last event that the state, or what waits for it, has of a shopper."""
        mine = [*self.waiting.of(shopper)]
        with suppress(Away):  # counted and logged where it happened; a new visit begins
            mine += self.visit(shopper).events
        last = max(mine, key=lambda event: event.timestamp, default=None)
        return None if last is None else (last.timestamp, last.session_id)

    def visit(self, shopper: str) -> Visit:
        """What the state knows of a shopper now. Raises `Away`."""
        now = self.clock()
        return self.state.ask(lambda live: live.visit(shopper, now))

    def known(self, shopper: str, time: int) -> Known:
        """The same, with what lists are made of; kept while nothing happens to the shopper. Raises `Away`."""
        if self.state.away:  # it is asked whether it is back
            return Known(self.visit(shopper), time)
        return self._memo.known(shopper, time, lambda: self.visit(shopper))

    def forget(self, shopper: str) -> int:
        """Delete a shopper's events, those that wait and those of the state; how many there were. Raises `Away`."""
        with self.handing_on:
            with self._lock:
                self._last.pop(shopper, None)
            try:
                waited = self.waiting.forget(shopper)
            except sqlite3.Error as error:
                self._failed("waiting")
                raise Away("state", f"and {type(error).__name__} where events wait") from error
            try:
                return waited + self.state.ask(lambda live: live.forget(shopper))
            finally:
                self._memo.clear()

    # -- what waits ---------------------------------------------------------------------------------------------------

    def _carry(self) -> None:
        """The courier's thread: whatever waits goes to the state as soon as it answers."""
        while not self._closed:
            if len(self.waiting) and not self.hand_on():
                self._wake.clear()
                self._wake.wait(PAUSE / 2)
            elif not len(self.waiting):
                self._wake.clear()
                if not len(self.waiting) and not self._closed:
                    self._wake.wait()

    def hand_on(self) -> bool:
        """Hand the oldest waiting events to the state, in order of arrival; whether it took them."""
        with self.handing_on:
            batch = self.waiting.first(_BATCH)
            try:
                self._hand(batch)
            except Away:
                return False
            except DataError:
                return self._one_by_one(batch)
            self.waiting.done([event.id for event in batch])
            return True

    def _one_by_one(self, events: Sequence[Event]) -> bool:
        """One of them cannot be taken, and may not keep the others waiting."""
        for event in events:
            try:
                self._hand([event])
            except Away:
                return False
            except DataError as error:
                self._failed("refused")
                _log.warning("a waiting event was refused: %s", error)
            self.waiting.done([event.id])
        return True

    def close(self) -> None:
        """End the courier."""
        self._closed = True
        self._wake.set()
        self._courier.join(timeout=10)


def _own_id(event: Event) -> str:
    """The id that its sender knows it by."""
    return event.id[len(event.user_id) + 1 :]


def as_sent(one: Sent | Mapping[str, Any] | Sequence[Any]) -> Sent:
    """An event that is handed in as `Sent`, as a mapping of its fields, or as a tuple in their order."""
    if isinstance(one, Sent):
        return one
    return Sent(**one) if isinstance(one, Mapping) else Sent(*one)
