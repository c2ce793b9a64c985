"""Log and live state in one SQLite file: an event and all that it changes are one transaction, on the disk at its end.

`synchronous=FULL` in WAL mode: a commit has called fsync, so what was acknowledged survives kill -9 and a power cut.
Writers (threads and processes) wait for each other; readers wait for nobody, and each sees one moment.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recsys_lab.datasets import Event
from recsys_lab.realtime.memory import MemoryStore, only_numbers
from recsys_lab.realtime.state import (
    LAST,
    RECORD,
    START,
    Add,
    Change,
    LiveError,
    Own,
    Pairs,
    Rules,
    State,
    Table,
    Taken,
    Visit,
    from_array,
    from_json,
    pairs,
    record,
    sums,
    to_json,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    arrival INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, shopper TEXT NOT NULL, timestamp INTEGER NOT NULL,
    kind TEXT NOT NULL, line TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS log_of_shopper ON log (shopper, timestamp, id);
CREATE TABLE IF NOT EXISTS numbers (tab TEXT, field TEXT, n INTEGER NOT NULL, PRIMARY KEY (tab, field)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alive (tab TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alive_until ON alive (until);
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, n) WITHOUT ROWID;
INSERT OR IGNORE INTO about VALUES ('latest', 0);
"""
_LOG = "INSERT INTO log (id, shopper, timestamp, kind, line) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
_RECENT = """
SELECT line FROM log WHERE shopper = ? AND timestamp >= ? AND kind <> 'impression'
ORDER BY timestamp DESC, id DESC LIMIT ?
"""
_NEAR = "SELECT line FROM log WHERE shopper = ? AND timestamp BETWEEN ? AND ? AND kind = 'clicked_on'"
_SO_FAR = """
SELECT (SELECT n FROM about WHERE name = 'latest'),
       (SELECT id FROM log WHERE shopper = :shopper ORDER BY timestamp DESC, id DESC LIMIT 1),
       (SELECT n FROM numbers WHERE tab = :record AND field = :last)
"""
_CHANGE = """
INSERT INTO numbers VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET n = excluded.n + iif(?, n, 0) WHERE ?
"""
_HOW = {"add": (1, 1), "last": (0, 1), "first": (0, 0)}
"""The last two of a change's numbers: does it count on from what is there, and does it change what is there?"""
_PUT = "INSERT OR REPLACE INTO numbers VALUES (?, ?, ?)"
_UNTIL = (
    "INSERT INTO alive VALUES (?, ?) ON CONFLICT DO UPDATE SET until = excluded.until WHERE until <> excluded.until"
)
_PAGE = 1024
"""Bytes: an event changes some twenty rows in as many pages, and each of them is written to the disk with it."""
_WAIT = 60  # seconds that a writer waits for the others
_SWEEP = 10  # tables given up with each event: more than one begins, so that none are left over for long


class SqliteStore:
    """`sqlite:///folder/live.db`."""

    def __init__(self, path: str, rules: Rules) -> None:
        self.rules = rules
        self.path = Path(path).expanduser()
        if not self.path.name or not self.path.parent.is_dir():
            raise LiveError(
                f"sqlite: {path!r} names no file in a folder that is there; for example sqlite:///home/me/live.db"
            )
        self._lock = threading.RLock()
        self._mine = threading.local()
        self._open: list[sqlite3.Connection] = []
        with self._lock:
            self._writer = self._connect()
            self._writer.execute("PRAGMA secure_delete=ON")  # what is forgotten is overwritten
            self._writer.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        db.execute(f"PRAGMA page_size={_PAGE}")  # of a file that is new
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA wal_autocheckpoint={(4 << 20) // _PAGE}")  # the 4 MB that are usual
        db.execute("PRAGMA synchronous=FULL")
        self._open.append(db)
        return db

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One transaction of the only writer."""
        with self._lock:
            self._check_open()
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise LiveError(f"sqlite: {self.path} cannot be written ({error}); nothing has changed") from error
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        """One moment of the file, on a connection of this thread's own."""
        self._check_open()
        db: sqlite3.Connection | None = getattr(self._mine, "db", None)
        if db is None:
            db = self._mine.db = self._connect()
        db.execute("BEGIN")
        try:
            yield db
        finally:
            db.execute("COMMIT")

    def _check_open(self) -> None:
        if not self._open:
            raise LiveError(f"sqlite: {self.path} is closed; open it again")

    # -- events in --------------------------------------------------------------------------------------------------

    def take(self, event: Event, changes: Sequence[Change]) -> Taken:
        """See `Store`."""
        with self._write() as db:
            return self._take(db, event, changes)

    def take_many(self, events: Sequence[Event]) -> list[Taken]:
        """See `Store`; all of them or none."""
        with self._write() as db:
            return [self._take(db, event, self.rules.changes(event)) for event in events]

    def _take(self, db: sqlite3.Connection, event: Event, changes: Sequence[Change]) -> Taken:
        line = (event.id, event.user_id, event.timestamp, event.event_type, to_json(event))
        new = db.execute(_LOG, line).rowcount
        if not new:
            return Taken(new=False, late=False)
        name = RECORD + event.user_id
        now = {"shopper": event.user_id, "record": name, "last": LAST}
        latest, newest, last = db.execute(_SO_FAR, now).fetchone()
        if event.timestamp > latest:
            db.execute("UPDATE about SET n = ? WHERE name = 'latest'", (event.timestamp,))
        rows, until = self._shop(db, event, changes)
        late = bool(newest != event.id)
        if late or last is None:
            self._put(db, name, record(self._events(db, event.user_id), self.rules)[0])
        else:
            if event.timestamp - last > self.rules.idle_ms:
                _drop(db, name)
            rows += [(name, START, event.timestamp, *_HOW["first"]), (name, LAST, event.timestamp, *_HOW["last"])]
            rows += [(name, one.field, one.n, *_HOW[one.how]) for one in changes if isinstance(one, Own)]
            until.append((name, event.timestamp + self.rules.idle_ms))
        db.executemany(_CHANGE, rows)
        db.executemany(_UNTIL, until)
        self._sweep(db, max(latest, event.timestamp), _SWEEP)
        return Taken(new=True, late=late)

    def _shop(self, db: sqlite3.Connection, event: Event, changes: Sequence[Change]) -> tuple[list[Any], list[Any]]:
        """What changes in the tables of the whole shop, and until when they live."""
        rows, until = [], []
        for change in changes:
            if isinstance(change, Add):
                rows.append((change.table, change.field, change.n, *_HOW["add"]))
                if change.until_ms is not None:
                    until.append((change.table, change.until_ms))
            elif isinstance(change, Pairs):
                around = (event.user_id, event.timestamp - change.within_ms, event.timestamp + change.within_ms)
                near = pairs(event, change, _read_all(db.execute(_NEAR, around)))
                rows += [(table, field, 1, *_HOW["add"]) for table, field in near]
        return rows, until

    def _put(self, db: sqlite3.Connection, name: str, own: Table) -> None:
        _drop(db, name)
        db.executemany(_PUT, [(name, field, n) for field, n in own.items()])
        db.execute("INSERT INTO alive VALUES (?, ?)", (name, own[LAST] + self.rules.idle_ms))

    def _events(self, db: sqlite3.Connection, shopper: str) -> list[Event]:
        """A shopper's events, in order."""
        mine = db.execute("SELECT line FROM log WHERE shopper = ? ORDER BY timestamp, id", (shopper,))
        return list(_read_all(mine))

    # -- questions --------------------------------------------------------------------------------------------------

    def visit(self, shopper: str, now_ms: int) -> Visit:
        """See `Store`."""
        with self._read() as db:
            own = _table(db, RECORD + shopper) or record(self._events(db, shopper), self.rules)[0]
            if not own or own[LAST] + self.rules.idle_ms < now_ms:
                return Visit(shopper)
            latest = _read_all(db.execute(_RECENT, (shopper, own[START], self.rules.recent)))
            return Visit(shopper, latest[::-1], own)

    def numbers(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, Table]:
        """See `Store`."""
        with self._read() as db:
            found: dict[str, Table] = {}
            for name, fields in wanted.items():
                marks = ", ".join("?" * len(fields))
                rows = db.execute(f"SELECT field, n FROM numbers WHERE tab = ? AND field IN ({marks})", (name, *fields))
                found[name] = dict(rows.fetchall())
            return found

    def table(self, name: str) -> Table:
        """See `Store`."""
        with self._read() as db:
            return _table(db, name)

    def log(self) -> Iterator[Event]:
        """See `Store`; of the moment in which it is asked."""
        with self._read() as db:
            lines = db.execute("SELECT line FROM log ORDER BY arrival").fetchall()
        return (from_json(line) for (line,) in lines)

    def made_with(self) -> str | None:
        """See `Store`."""
        with self._read() as db:
            held = db.execute("SELECT n FROM about WHERE name = 'made with'").fetchone()
        return None if held is None else str(held[0])

    def mark(self, made_with: str) -> None:
        """See `Store`."""
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO about VALUES ('made with', ?)", (made_with,))

    def latest_ms(self) -> int:
        """See `Store`."""
        with self._read() as db:
            return _latest(db)

    def state(self) -> State:
        """See `Store`."""
        with self._read() as db:
            alive = "SELECT tab, field, n FROM numbers LEFT JOIN alive USING (tab) WHERE coalesce(until, ?) >= ?"
            tables: dict[str, Table] = {}
            for name, field, n in db.execute(alive, (_latest(db), _latest(db))):
                tables.setdefault(name, {})[field] = n
            latest = _latest(db)
        shoppers = [name.removeprefix(RECORD) for name in tables if name.startswith(RECORD)]
        visits = [self.visit(shopper, latest) for shopper in shoppers]
        return State(
            only_numbers({name: table for name, table in tables.items() if not name.startswith(RECORD)}),
            {v.shopper: (dict(v.own), tuple(event.id for event in v.events)) for v in visits},
        )

    # -- keeping house ----------------------------------------------------------------------------------------------

    def forget(self, shopper: str) -> int:
        """See `Store`. The file is then written anew: pages that were split keep old rows in their gaps."""
        with self._write() as db:
            events = self._events(db, shopper)
            taken_back = [(-n, table, field) for (table, field), n in sums(events, self.rules.changes).items()]
            db.executemany("UPDATE numbers SET n = n + ? WHERE tab = ? AND field = ?", taken_back)
            db.executemany("DELETE FROM numbers WHERE n = 0 AND tab = ? AND field = ?", [one[1:] for one in taken_back])
            db.execute("DELETE FROM log WHERE shopper = ?", (shopper,))
            _drop(db, RECORD + shopper)
        with self._lock:
            try:
                self._writer.execute("VACUUM")
                busy, *_ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError:
                busy = True
        if busy:
            raise LiveError(
                f"sqlite: {shopper!r} is out of the log and the state, but somebody is reading {self.path},"
                f" which still holds old pages; forget them again later"
            )
        return len(events)

    def expire(self, now_ms: int) -> int:
        """See `Store`."""
        with self._write() as db:
            return self._sweep(db, now_ms, -1)

    def _sweep(self, db: sqlite3.Connection, now_ms: int, most: int) -> int:
        gone = db.execute("SELECT tab FROM alive WHERE until < ? ORDER BY until LIMIT ?", (now_ms, most)).fetchall()
        for (name,) in gone:
            _drop(db, name)
        return len(gone)

    def rebuild(self) -> None:
        """See `Store`."""
        with self._write() as db:
            fresh = MemoryStore(self.rules, _latest(db))
            for (line,) in db.execute("SELECT line FROM log ORDER BY arrival"):
                event = from_json(line)
                fresh.take(event, self.rules.changes(event))
            db.execute("DELETE FROM numbers")
            db.execute("DELETE FROM alive")
            tables, until = fresh.held()
            rows = [(name, field, n) for name, table in tables.items() for field, n in table.items()]
            db.executemany(_PUT, rows)
            db.executemany("INSERT INTO alive VALUES (?, ?)", until.items())

    def close(self) -> None:
        """See `Store`."""
        with self._lock:
            for db in self._open:
                db.close()
            self._open.clear()


def _read_all(lines: Iterable[tuple[str]]) -> tuple[Event, ...]:
    return from_array(f"[{','.join([line for (line,) in lines])}]")


def _drop(db: sqlite3.Connection, name: str) -> None:
    db.execute("DELETE FROM numbers WHERE tab = ?", (name,))
    db.execute("DELETE FROM alive WHERE tab = ?", (name,))


def _latest(db: sqlite3.Connection) -> int:
    found: Any = db.execute("SELECT n FROM about WHERE name = 'latest'").fetchone()
    return int(found[0])


def _table(db: sqlite3.Connection, name: str) -> Table:
    return dict(db.execute("SELECT field, n FROM numbers WHERE tab = ?", (name,)).fetchall())
