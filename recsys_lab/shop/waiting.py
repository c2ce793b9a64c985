"""Events that wait for the live state: one SQLite file, on the disk before the shopper is told that they were taken."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from recsys_lab.datasets import Event
from recsys_lab.realtime.state import from_json, to_json

_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, shopper TEXT NOT NULL, line TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS waiting_of_shopper ON waiting (shopper);
"""


class Waiting:
    """A queue of events in order of arrival, each id once. `path` None keeps it in memory. Safe in threads.

    >>> waiting = Waiting(None)
    >>> waiting.add([Event("ada", "boot", "clicked_on", 5, "visit", id="x")] * 2)
    >>> len(waiting), [event.item_id for event in waiting.first(10)]
    (1, ['boot'])
    >>> waiting.done(["x"])
    >>> len(waiting)
    0
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path or ":memory:", timeout=5, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=ON")  # what is forgotten is overwritten
        self._db.executescript(_SCHEMA)
        self._count = self._counted()

    def _counted(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM waiting").fetchone()[0])

    def __len__(self) -> int:
        return self._count

    def add(self, events: Sequence[Event]) -> None:
        """Put events at the end; when this returns, they are on the disk."""
        rows = [(event.id, event.user_id, to_json(event)) for event in events]
        with self._lock:
            with _transaction(self._db):
                self._db.executemany("INSERT OR IGNORE INTO waiting (id, shopper, line) VALUES (?, ?, ?)", rows)
            self._count = self._counted()

    def first(self, n: int) -> list[Event]:
        """The `n` that have waited longest."""
        with self._lock:
            lines = self._db.execute("SELECT line FROM waiting ORDER BY arrival LIMIT ?", (n,)).fetchall()
        return [from_json(line) for (line,) in lines]

    def of(self, shopper: str) -> list[Event]:
        """A shopper's own, in order of time."""
        if not self._count:
            return []
        with self._lock:
            lines = self._db.execute("SELECT line FROM waiting WHERE shopper = ?", (shopper,)).fetchall()
        return sorted((from_json(line) for (line,) in lines), key=lambda event: (event.timestamp, event.id))

    def done(self, ids: Sequence[str]) -> None:
        """Take events out that the state has now."""
        with self._lock:
            with _transaction(self._db):
                self._db.executemany("DELETE FROM waiting WHERE id = ?", [(one,) for one in ids])
            self._count = self._counted()

    def forget(self, shopper: str) -> int:
        """Delete a shopper's events, in the file's gaps and its log too; how many there were.

        Raises `sqlite3.OperationalError` while somebody reads the file: it then holds old pages. Forget them again.
        """
        with self._lock:
            with _transaction(self._db):
                gone = self._db.execute("DELETE FROM waiting WHERE shopper = ?", (shopper,)).rowcount
            self._db.execute("VACUUM")
            busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._count = self._counted()
        if busy:
            raise sqlite3.OperationalError("somebody is reading the events that wait: old pages stay until they end")
        return int(gone)

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()


class _transaction:
    """All or nothing, and on the disk at the end."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
