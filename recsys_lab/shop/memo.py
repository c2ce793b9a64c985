"""What is known of shoppers who were just here, kept for as long as nothing happens to them."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from recsys_lab.datasets import Event
from recsys_lab.realtime import Live
from recsys_lab.realtime.state import Taken, Visit, is_deed, step
from recsys_lab.shop.record import cart_of
from recsys_lab.shop.shelf import Plan, Row

RECENT = 50
"""The latest events of a shopper that the shop keeps at hand."""
IDLE_MS = 365 * 86_400_000
"""A shopper who was away for longer is somebody new."""
LOOK = 0.05
"""Seconds after which another process's event is seen at the latest."""
AGE_MS = 1000
"""What is kept is read again after this time, whatever happened."""
_SHOPPERS = 4096


class Known:
    """A shopper's visit, and what has been made of it for lists."""

    __slots__ = ("_opened", "_row", "cart", "read_ms", "visit")

    def __init__(self, visit: Visit, read_ms: int) -> None:
        self.visit, self.read_ms = visit, read_ms
        self.cart = cart_of(visit.own)
        self._opened = {event.item_id for event in visit.session if event.event_type == "clicked_on"}.union(self.cart)
        self._row: tuple[Plan, Row] | None = None

    def is_open(self, now_ms: int, idle_ms: int) -> bool:
        """Whether the visit goes on."""
        last = self.visit.last_ms
        return last is not None and now_ms - last <= idle_ms

    def out(self, now_ms: int, idle_ms: int) -> set[str]:
        """What a list leaves out: the cart, and what was opened in the visit, while that goes on."""
        return self._opened if self.is_open(now_ms, idle_ms) else set(self.cart)

    def row(self, plan: Plan) -> Row:
        """The question for this shopper by a plan, made once. Raises `SpaceError` as the plan does."""
        held = self._row
        if held is None or held[0] is not plan:
            held = self._row = plan, plan.row(self.visit.events)
        return held[1]


class Memo:
    """Shoppers by what the state knows of them. Safe in threads.

    `state` is the state's address. Events of this process count at the next question: `took` adds them. Those of other
    processes stand in the log of the SQLite file, which is looked at every `LOOK` seconds. What another process deletes
    may be remembered here for `AGE_MS`. Of a state behind a network nothing is kept. `failed` is told when the file
    cannot be asked; then nothing is kept either.

    >>> memo, asked = Memo("memory://", print), []
    >>> def read():
    ...     asked.append("visit")
    ...     return Visit("ada")
    >>> memo.known("ada", 5, read) is memo.known("ada", 6, read), len(asked)
    (True, 1)
    >>> memo.took(Live(), [Event("ada", "boot", "clicked_on", 7, "visit")], [Taken(new=True, late=False)])
    >>> [event.item_id for event in memo.known("ada", 7, read).visit.events], len(asked)
    (['boot'], 1)
    """

    def __init__(self, state: str, failed: Callable[[str], None]) -> None:
        self._failed = failed
        self._mine: set[str] = set()  # ids that were added here, and that the log has yet to tell of
        self._keeps = state.partition(":")[0] in ("memory", "sqlite")
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Known] = OrderedDict()
        self._number = 0  # of changes that were seen: who reads while one is seen may have read too early
        self._path = Path(unquote(urlsplit(state).path)).expanduser() if state.startswith("sqlite:") else None
        self._log: _Log | None = None
        self._not_before = 0.0

    def known(self, shopper: str, now_ms: int, read: Callable[[], Visit]) -> Known:
        """What is known of a shopper, by `read` where it is not kept or something has happened since."""
        if not self._keeps:
            return Known(read(), now_ms)
        with self._lock:
            fresh = self._look()
            number = self._number
            held = self._held.get(shopper) if fresh else None
        if held is not None and 0 <= now_ms - held.read_ms <= AGE_MS:
            return held
        made = Known(read(), now_ms)
        with self._lock:
            if fresh and number == self._number:
                self._held[shopper] = made
                self._held.move_to_end(shopper)
                if len(self._held) > _SHOPPERS:
                    self._held.popitem(last=False)
        return made

    def took(self, live: Live, events: Sequence[Event], taken: Sequence[Taken]) -> None:
        """`live` has taken these in this process; tell it after their commit, before anybody is told that they are."""
        if not self._keeps:
            return
        with self._lock:
            self._number += 1
            for event, was in zip(events, taken, strict=True):
                held = self._held.get(event.user_id)
                if held is None or not was.new:
                    continue
                more = None if was.late else stepped(held.visit, event, live)
                if more is None:  # it is read again
                    del self._held[event.user_id]
                    continue
                self._held[event.user_id] = Known(more, held.read_ms)
                if self._path is not None:
                    self._mine.add(event.id)

    def clear(self) -> None:
        """Keep nothing: what is in the log has changed."""
        with self._lock:
            self._drop(None)

    def _drop(self, shoppers: Iterable[str] | None) -> None:
        self._number += 1
        if shoppers is None:
            self._held.clear()
            self._mine.clear()
            return
        for shopper in shoppers:
            self._held.pop(shopper, None)

    def _look(self) -> bool:
        """Drop those to whom something has happened; whether that could be found out."""
        if self._path is None or time.monotonic() < self._not_before:
            return True
        self._not_before = time.monotonic() + LOOK
        try:
            if self._log is None:
                self._log = _Log(self._path)
            if self._log.changed():
                self._drop(self._log.whose(self._mine))
            return True
        except sqlite3.Error:
            self._failed("memo")
            self._not_before = 0.0
            self._drop(None)
            self._close()
            return False

    def _close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def close(self) -> None:
        """Give the file back; nothing is kept any longer."""
        with self._lock:
            self._keeps = False
            self._close()
            self._held.clear()


def stepped(visit: Visit, event: Event, live: Live) -> Visit | None:
    """A visit after one more event, as `live` keeps it; None where the event is not the next one."""
    last = visit.last_ms
    if last is not None and not last < event.timestamp <= last + IDLE_MS:
        return None
    own, mine = dict(visit.own), [one for one in live.accumulators if event.event_type in one.events]
    step(own, event, [change for one in mine for change in one.update(event, live.facts)])
    events = (*visit.events, event)[-RECENT:] if is_deed(event) else visit.events
    return Visit(visit.shopper, events, own)


class _Log:
    """The end of the log in a SQLite file of `recsys_lab.realtime`, whoever writes it."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False, timeout=0.1)
        self._version = -1
        self._last: tuple[int, str] | None = None  # arrival and id of the newest event that was seen

    def changed(self) -> bool:
        """Whether anything was committed since this was asked last."""
        # All rows are fetched: a question that is left half read would keep the file from being tidied.
        ((version,),) = self._db.execute("PRAGMA data_version").fetchall()
        was, self._version = self._version, version
        return bool(was != version)

    def whose(self, mine: set[str]) -> set[str] | None:
        """Whose events have come since this was asked last; None where the log was cut, or it is the first time.

        Those with ids in `mine` do not count, and are taken out of it.
        """
        if self._last is None:
            rows = self._db.execute("SELECT arrival, id, shopper FROM log ORDER BY arrival DESC LIMIT 1").fetchall()
        else:
            # The last one that was seen has to be there still: numbers of deleted events are given again.
            later = "SELECT arrival, id, shopper FROM log WHERE arrival >= ? ORDER BY arrival"
            rows = self._db.execute(later, self._last[:1]).fetchall()
        known = self._last is not None and bool(rows) and tuple(rows[0][:2]) == self._last
        if not known and self._last is not None:
            self._last = None
            return self.whose(mine)
        self._last = tuple(rows[-1][:2]) if rows else None
        if not known:
            return None
        whose = {shopper for _, id, shopper in rows[1:] if id not in mine}
        mine.difference_update([id for _, id, _ in rows[1:]])
        return whose

    def close(self) -> None:
        """Give the file back."""
        self._db.close()
