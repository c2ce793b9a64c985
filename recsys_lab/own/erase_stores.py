"""Vector stores without a shopper: their point in every generation of the shoppers' collections, and its bytes.

A database that has deleted a point keeps its bytes until something is written over them. What can be done about it is
done here, each database in its own way; what cannot is said.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from recsys_lab.filters import field
from recsys_lab.patterns.nightly import SHOPPERS
from recsys_lab.stores import BaseCollection, BaseStore, StoreError

_OF_SHOPPERS = re.compile(rf"(?:.+_)?{SHOPPERS}(?:__\d{{6}})?")
_DEAD = re.compile(r"(\d+) (?:dead row versions cannot be removed yet|are dead but not yet removable)")


def of_shoppers(store: BaseStore, named: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """The names of the collections of shoppers, of today and of all generations before, and those of all others.

    They are called "shoppers" or "…_shoppers", as `refresh_shop` calls them; `named` are more, or aliases of more.
    Raises `StoreError` for a name that the store does not have.
    """
    there = store.collections()
    mine = {name for name in there if _OF_SHOPPERS.fullmatch(name)}
    for name in named:
        versions = {one for one in there if one == name or re.fullmatch(rf"{re.escape(name)}__\d{{6}}", one)}
        target = store.alias(name).target
        versions |= set() if target is None else {target}
        if not versions:
            raise StoreError(f"collections: the store has no {name!r}; it has {', '.join(there) or 'none'}")
        mine |= versions
    return sorted(mine), [name for name in there if name not in mine]


def points(store: BaseStore, names: Collection[str], shopper: str) -> dict[str, int]:
    """Whether each collection holds a point of this id: 1 or 0."""
    return {name: len(store._reopen(name).get([shopper])) for name in names}


def forget(store: BaseStore, names: Collection[str], shopper: str) -> list[str]:
    """Delete a shopper's point from collections, and its bytes as far as that can be done; what remains, and why.

    Bytes are looked after even where there is no point any more: whoever deleted it may have stopped there.
    """
    opened = [store._reopen(name) for name in names]
    held = [one.get([shopper]) for one in opened]
    for one in opened:
        one.delete([shopper])
    kind = type(store).__name__
    if kind == "QdrantStore":
        return _qdrant(store, names)
    if kind == "PostgresStore":
        return _postgres(store, opened)
    if kind == "RedisStore":
        for one, mine in zip(opened, held, strict=True):
            _texts(store, one, [point.payload for point in mine.values()])
        return redis_files(store.client, shopper)  # type: ignore[attr-defined]
    if kind == "MemoryStore":
        return []
    return [f"{kind}: the point is deleted; what this store keeps of deleted points on its disk is not known here"]


def _qdrant(store: Any, names: Collection[str]) -> list[str]:
    """In a folder each collection is an SQLite file, which keeps deleted rows in its gaps: it is written anew."""
    if not store.in_process:
        return [
            "Qdrant server: the point is deleted; its bytes stay in segments until the optimizer has merged them, and"
            " in snapshots"
        ]
    folder = store.client._client.location
    for name in names if folder != ":memory:" else ():
        with closing(sqlite3.connect(Path(folder) / "collection" / name / "storage.sqlite", timeout=60)) as db:
            db.execute("PRAGMA secure_delete=ON")
            db.execute("VACUUM")
    return []


def _postgres(store: Any, opened: list[BaseCollection]) -> list[str]:
    """Tables and their statistics are written anew: a deleted row stays in its page until a vacuum, and after it too.

    A row that an older transaction may still see cannot go before that one ends.
    """
    dead, remains = 0, []

    def notice(told: Any) -> None:
        nonlocal dead
        dead += sum(int(count) for count in _DEAD.findall(f"{told.message_primary} {told.message_detail or ''}"))

    with store.guard() as connection:
        connection.add_notice_handler(notice)
        try:
            for one in opened:
                connection.execute(f"VACUUM (FULL, ANALYZE, VERBOSE) {one._table}")  # type: ignore[attr-defined]
        finally:
            connection.remove_notice_handler(notice)
        if store.server is not None:  # an embedded one is ours alone
            _own_postgres(connection)
    if dead:
        remains.append(
            f"PostgreSQL: a transaction that began before still sees {dead} deleted rows, so their bytes stay; end it,"
            " and erase again"
        )
    if store.server is None:
        remains.append(
            "PostgreSQL: the tables are written anew; the write-ahead log holds the row until its files are used again"
            " or archived away, and replicas, base backups and statistics (pg_statistic) are its keeper's"
        )
    return remains


def _own_postgres(connection: Any) -> None:
    """The embedded server's statistics, and its write-ahead log: files from before are deleted, and not used again."""
    connection.execute("VACUUM FULL pg_catalog.pg_statistic")
    try:
        connection.execute("ALTER SYSTEM SET wal_recycle = off")
        connection.execute("SELECT pg_reload_conf()")
        for _ in range(2):
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("CHECKPOINT")
    finally:
        connection.execute("ALTER SYSTEM RESET wal_recycle")
        connection.execute("SELECT pg_reload_conf()")


def _texts(store: Any, collection: BaseCollection, payloads: list[dict[str, Any]]) -> None:
    """Redis keeps all texts of a field beside the points: those that nobody else has go too."""
    from recsys_lab.stores.redis import _texts_key
    from recsys_lab.stores.redis_filter import key_of

    anything = np.eye(1, collection.about.dim)[0]
    for name, text in {(n, v) for one in payloads for n, v in one.items() if isinstance(v, str)}:
        if not collection.count() or not collection.search(anything, 1, field(name) == text).item_ids:
            with store.guard() as client:
                client.srem(_texts_key(collection.name, key_of(name)), text.encode().hex())


def redis_files(client: Any, shopper: str) -> list[str]:
    """Let a Redis server write its files anew, without what was deleted, and wait for it; what remains, and why."""
    import redis

    try:
        told = client.info("persistence")
        if told["aof_enabled"]:
            _alone(client, "aof_rewrite_in_progress", client.bgrewriteaof)
        if client.config_get("save").get("save") or told.get("rdb_saves"):
            _alone(client, "rdb_bgsave_in_progress", client.bgsave)
        if any(shopper.encode() in one["command"] for one in client.slowlog_get(1000)):
            client.slowlog_reset()
    except redis.ResponseError as error:
        return [f"Redis does not let its files be written anew ({error}): they hold old values until it does"]
    return []


def _alone(client: Any, running: str, begin: Any) -> None:
    """Begin a writing of the server's file once none is under way, and wait until it is done."""
    names = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")

    def busy(*which: str) -> bool:
        told = client.info("persistence")
        return any(told.get(name) for name in which)

    while busy(*names):
        time.sleep(0.02)
    begin()
    while busy(running, "aof_rewrite_scheduled"):
        time.sleep(0.02)
