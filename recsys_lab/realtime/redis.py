"""Log and live state in Redis: one call of a server-side function for each event, whatever it changes.

The function (redis_function.py) is one step for everybody else, so writers need no lock. What is acknowledged is on the
disk if the server runs with `appendonly yes` and `appendfsync always`; that is checked. Memory holds all of it, the log
too: this is for one server and not for a cluster.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recsys_lab.datasets import Event
from recsys_lab.realtime.memory import MemoryStore, only_numbers
from recsys_lab.realtime.redis_function import CODE
from recsys_lab.realtime.state import (
    LAST,
    RECORD,
    START,
    Add,
    Change,
    LiveError,
    Pairs,
    Rules,
    State,
    Table,
    Taken,
    Visit,
    from_array,
    from_json,
    record,
    sums,
    to_json,
)

_SUFFIX = "_" + hashlib.sha256(CODE.encode()).hexdigest()[:8]
"""Ends the functions' names, so that two versions of this package can use one server."""
_PAGE = 1000


class RedisStore:
    """`redis://host:6379/0`, `rediss://…` for TLS; `name` begins all keys: one server can hold several shops."""

    def __init__(self, url: str, rules: Rules, name: str, durable: bool = True) -> None:
        try:
            import redis
        except ModuleNotFoundError:
            raise ModuleNotFoundError("redis is not installed: python -m pip install 'redis>=6,<8'") from None
        self.rules = rules
        self._durable = durable
        self._errors: Any = redis
        self._prefix = f"live:{name}:"
        self._redis: Any = redis.Redis.from_url(url, socket_connect_timeout=10)
        self._load()
        if durable:
            self._check_durable(url)
        self._mend_torn()

    def _load(self) -> None:
        name = f"recsys_live{_SUFFIX}"
        code = f"#!lua name={name}\nlocal SUFFIX = '{_SUFFIX}'\n{CODE}"
        try:
            if not self._redis.function_list(library=name):
                self._redis.function_load(code, replace=True)
        except self._errors.RedisError as error:
            raise LiveError(
                f"Redis does not answer or has no functions ({error}); Redis 7 or newer is needed"
            ) from error

    def _check_durable(self, url: str) -> None:
        try:
            held = self._redis.config_get("append*")
        except self._errors.ResponseError as error:
            raise LiveError(
                f"{url!r} does not tell its settings ({error}); if they are right, durable=False"
            ) from error
        if held.get("appendonly") != "yes" or held.get("appendfsync") != "always":
            raise LiveError(
                f"{url!r} would lose acknowledged events: its appendonly is {held.get('appendonly')}, appendfsync"
                f" {held.get('appendfsync')}; start it with --appendonly yes --appendfsync always, or give"
                f" durable=False if nothing has to last"
            )

    def _call(self, function: str, *arguments: Any) -> Any:
        return self._do(lambda: self._redis.fcall(function + _SUFFIX, 1, self._prefix, *arguments))

    def _ask(self, function: str, *arguments: Any) -> Any:
        return self._do(lambda: self._redis.fcall_ro(function + _SUFFIX, 1, self._prefix, *arguments))

    def _do(self, call: Any) -> Any:
        """Make a call; once more where the server has lost the functions, as after FUNCTION FLUSH."""
        try:
            try:
                return call()
            except self._errors.ResponseError as error:
                if "Function not found" not in str(error):
                    raise
                self._load()
                return call()
        except (self._errors.ConnectionError, self._errors.TimeoutError) as error:
            raise LiveError(
                f"Redis does not answer ({error}); what was under way is done or not at all: send it again, an event"
                f" counts once"
            ) from error
        except self._errors.RedisError as error:
            raise LiveError(f"Redis refused: {error}") from error

    # -- events in --------------------------------------------------------------------------------------------------

    def take(self, event: Event, changes: Sequence[Change]) -> Taken:
        """See `Store`."""
        return self._taken(event, self._call("take", self._told(event, changes)))

    def take_many(self, events: Sequence[Event]) -> list[Taken]:
        """See `Store`; in pages of one round trip each."""
        made: list[Taken] = []
        for start in range(0, len(events), _PAGE):
            page = events[start : start + _PAGE]
            answers = self._do(lambda page=page: self._send(page))
            for shopper in {event.user_id for event, (_, _, torn) in zip(page, answers, strict=True) if torn}:
                self._mend(shopper)
            made += [Taken(bool(new), bool(late)) for new, late, _ in answers]
        return made

    def _send(self, events: Sequence[Event]) -> Any:
        with self._redis.pipeline(transaction=False) as pipe:
            for event in events:
                pipe.fcall("take" + _SUFFIX, 1, self._prefix, self._told(event, self.rules.changes(event)))
            return pipe.execute()

    def _taken(self, event: Event, answer: Any) -> Taken:
        new, late, torn = answer
        if torn:
            self._mend(event.user_id)
        return Taken(bool(new), bool(late))

    def _told(self, event: Event, changes: Sequence[Change]) -> str:
        """What the function `take` reads: one text, as each argument costs as much as a word of JSON many times."""
        made: list[Any] = [event.id, event.timestamp, event.user_id, event.item_id, event.event_type, event.session_id]
        made += [to_json(event), self.rules.idle_ms, self.rules.recent]
        made += ["=", "", START, event.timestamp, "first", "=", "", LAST, event.timestamp, "last"]
        for change in changes:
            if isinstance(change, Add):
                made += ["+", change.table, change.field, change.n, "" if change.until_ms is None else change.until_ms]
            elif isinstance(change, Pairs):
                made += ["*", change.name, "", change.within_ms, ""]
            else:
                made += ["=", "", change.field, change.n, change.how]
        return json.dumps([str(word) for word in made], ensure_ascii=False, separators=(",", ":"))

    def _mend(self, shopper: str) -> tuple[Table, Sequence[Event]]:
        """Make a shopper's record anew from the log; again while more events of theirs come."""
        while True:
            events = self._events(shopper)
            own, recent = record(events, self.rules)
            words = [word for one in own.items() for word in one]
            until = own.get(LAST, 0) + self.rules.idle_ms
            lines = [to_json(event) for event in recent]
            if self._call("mend", shopper, len(events), until, len(own), *words, *lines):
                return own, recent

    def _mend_torn(self) -> None:
        """Finish what a writer that was killed has left undone."""
        for shopper in self._do(lambda: self._redis.smembers(self._prefix + "torn")):
            self._mend(shopper.decode())

    def _events(self, shopper: str) -> list[Event]:
        return [from_json(line) for line in self._ask("events", shopper)]

    # -- questions --------------------------------------------------------------------------------------------------

    def visit(self, shopper: str, now_ms: int) -> Visit:
        """See `Store`."""
        last, held, lines = self._ask("visit", shopper)
        if last is None or int(float(last)) + self.rules.idle_ms < now_ms:
            return Visit(shopper)
        if held:
            flat = json.loads(held)
            own = dict(zip(flat[::2], map(int, flat[1::2]), strict=True))
            return Visit(shopper, from_array(lines), own)
        own, recent = record(self._events(shopper), self.rules)
        return Visit(shopper, tuple(recent), own)

    def numbers(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, Table]:
        """See `Store`; one round trip."""
        asked = {name: list(fields) for name, fields in wanted.items() if fields}
        pipe = self._redis.pipeline(transaction=False)
        for name, fields in asked.items():
            pipe.hmget(self._key(name), fields)
        answers = zip(asked.items(), self._do(pipe.execute), strict=True)
        found: dict[str, Table] = {name: {} for name in wanted}
        for (name, fields), values in answers:
            found[name] = {field: int(n) for field, n in zip(fields, values, strict=True) if n is not None}
        return found

    def table(self, name: str) -> Table:
        """See `Store`."""
        held = self._do(lambda: self._redis.hgetall(self._key(name)))
        return {field.decode(): int(n) for field, n in held.items()}

    def _key(self, table: str) -> str:
        return f"{self._prefix}n:{table}"

    def log(self) -> Iterator[Event]:
        """See `Store`; read in pages."""
        start = "-"
        while page := self._page(start):
            for place, entry in page:
                start = "(" + place.decode()
                yield from_json(entry[b"e"])

    def _page(self, start: str) -> Any:
        return self._do(lambda: self._redis.xrange(self._prefix + "log", min=start, count=_PAGE))

    def made_with(self) -> str | None:
        """See `Store`."""
        held = self._do(lambda: self._redis.get(self._prefix + "made with"))
        return None if held is None else str(held.decode())

    def mark(self, made_with: str) -> None:
        """See `Store`."""
        self._do(lambda: self._redis.set(self._prefix + "made with", made_with))

    def latest_ms(self) -> int:
        """See `Store`."""
        return int(self._do(lambda: self._redis.get(self._prefix + "latest")) or 0)

    def state(self) -> State:
        """See `Store`; for tests and for small shops: it reads everything."""
        self._mend_torn()
        latest = self.latest_ms()
        until = dict(self._do(lambda: self._redis.zrange(self._prefix + "alive", 0, -1, withscores=True)))
        tables, shoppers = {}, {}
        start = self._key("")
        for key in self._do(lambda: list(self._redis.scan_iter(_plain(start) + "*", count=_PAGE))):
            name = key.decode().removeprefix(start)
            if until.get(name.encode(), latest) < latest:
                continue
            if name.startswith(RECORD):
                visit = self.visit(name.removeprefix(RECORD), latest)
                shoppers[visit.shopper] = (dict(visit.own), tuple(event.id for event in visit.events))
            else:
                tables[name] = self.table(name)
        return State(only_numbers(tables), shoppers)

    # -- keeping house ----------------------------------------------------------------------------------------------

    def forget(self, shopper: str) -> int:
        """See `Store`. The stream is written anew, and the server's append-only file after it."""
        while True:
            events = self._events(shopper)
            back = sums(events, self.rules.changes)
            words = [word for (table, field), n in back.items() for word in (table, field, n)]
            if self._call("forget", shopper, len(events), *words):
                break
        if self._durable:
            while self._do(lambda: self._redis.info("persistence"))["aof_rewrite_in_progress"]:
                time.sleep(0.05)  # that one may have begun before
            self._do(self._redis.bgrewriteaof)
        return len(events)

    def expire(self, now_ms: int) -> int:
        """See `Store`; a page at a time, so that nobody waits for long."""
        gone = 0
        while page := int(self._call("expire", now_ms, _PAGE)):
            gone += page
        return gone

    def rebuild(self) -> None:
        """See `Store`; begins again where an event comes meanwhile."""
        while True:
            with self._redis.pipeline() as pipe:
                self._do(lambda pipe=pipe: pipe.watch(self._prefix + "log"))
                fresh = MemoryStore(self.rules, self.latest_ms())
                fresh.take_many(list(self.log()))
                fresh.expire(fresh.latest_ms())
                try:
                    self._do(lambda pipe=pipe, fresh=fresh: self._replace(pipe, fresh))
                    return
                except LiveError as error:
                    if not isinstance(error.__cause__, self._errors.WatchError):
                        raise

    def _replace(self, pipe: Any, fresh: MemoryStore) -> None:
        """Put the tables of another store in the place of these, in one step."""
        for start in (self._key(""), self._prefix + "recent:"):
            old = list(self._redis.scan_iter(_plain(start) + "*", count=_PAGE))
            pipe.multi() if not pipe.explicit_transaction else None
            for key in old:
                pipe.delete(key)
        pipe.delete(self._prefix + "alive", self._prefix + "torn")
        tables, until = fresh.held()
        for name, table in tables.items():
            if table:
                pipe.hset(self._key(name), mapping=table)
            if name.startswith(RECORD):
                shopper = name.removeprefix(RECORD)
                for event in fresh.visit(shopper, fresh.latest_ms()).events:
                    pipe.rpush(f"{self._prefix}recent:{shopper}", to_json(event))
        if until:
            pipe.zadd(self._prefix + "alive", until)
        pipe.execute()

    def close(self) -> None:
        """See `Store`."""
        self._redis.close()


def _plain(text: str) -> str:
    """A text in which no letter means anything to Redis's search for keys."""
    return "".join("\\" + letter if letter in "*?[]^\\-" else letter for letter in text)
