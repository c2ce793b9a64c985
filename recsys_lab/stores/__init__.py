"""Vector databases behind one protocol: the same code asks memory, Qdrant, PostgreSQL or Redis; only the address
changes.

>>> from recsys_lab.filters import field
>>> with open_store("memory://") as store:
...     shoes = store.collection("shoes", dim=2, metric="cosine")
...     shoes.upsert(["a", "b", "c"], [[1, 0], [3, 4], [0, 2]], [{"price": 20}, {"price": 95}, {"price": 40}])
...     shoes.search([1, 1], k=2, where=field("price") < 90).to_frame()
  item_id     score
0       a  0.707107
1       c  0.707107

Importing this imports no database client; the error for a missing one is the exact pip line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from recsys_lab.stores.aspects import StoredIndex
from recsys_lab.stores.base import Alias, BaseCollection, BaseStore
from recsys_lab.stores.checks import StoreError
from recsys_lab.stores.protocol import About, Gone, Point, VectorStore
from recsys_lab.stores.refresh import Refreshed, refresh, rollback, versions

__all__ = [
    "About",
    "Alias",
    "BaseCollection",
    "BaseStore",
    "Gone",
    "Point",
    "Refreshed",
    "StoreError",
    "StoredIndex",
    "VectorStore",
    "open_store",
    "refresh",
    "register",
    "rollback",
    "versions",
]


_OURS = (
    "memory", "qdrant", "qdrant+http", "qdrant+https", "postgresql", "postgres", "postgresql+embedded", "redis",
    "rediss", "unix",
)  # fmt: skip
_openers: dict[str, Callable[[str], BaseStore]] = {}


def register(scheme: str, opener: Callable[[str], BaseStore], *, replace: bool = False) -> None:
    """Let `open_store("scheme://...")` open a store of your own: `opener` gets the whole address.

    What the opener raises is what who opens the store sees. Raises `StoreError` for a scheme that is none, that is one
    of the course's own, or that is registered already, unless `replace` says that yours takes its place.

    >>> from recsys_lab.stores.memory import MemoryStore
    >>> register("scratch", lambda url: MemoryStore())
    >>> open_store("scratch://anything").collections()
    []
    """
    if not isinstance(scheme, str) or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        raise StoreError(
            f"register: {scheme!r} is no scheme; give what stands before :// in the address, in small letters,"
            f" for example 'lancedb'"
        )
    if not callable(opener):
        raise StoreError(f"register: {opener!r} cannot open {scheme}://; give a function of the address")
    if scheme in _OURS:
        raise StoreError(f"register: {scheme}:// is one of the course's own stores; use another scheme")
    if scheme in _openers and not replace:
        raise StoreError(f"register: {scheme}:// is registered already; replace=True puts yours in its place")
    _openers[scheme] = opener


def open_store(url: str) -> BaseStore:
    """Open a database by its address.

    - `memory://`: numpy in this process, exact, gone when it is closed
    - `qdrant://`: Qdrant in this process, for up to 20,000 points; `qdrant:///folder` keeps them;
      `qdrant://host:6333` and `qdrant+https://:key@host:6333` are servers
    - `postgresql://user:password@host/database`: a server that has pgvector; `postgresql+embedded:///folder` starts one
    - `redis://host:6379/0`: Redis 8 or newer, with its vector sets
    - whatever `register` was told about

    Raises `StoreError` for another address or a server that does not answer, `ModuleNotFoundError` with the pip line
    for a client that is not installed.
    """
    scheme, _, rest = url.partition("://") if isinstance(url, str) and "://" in url else ("", "", "")
    if scheme == "memory":
        if rest:
            raise StoreError(
                f"open_store: {url!r}: memory:// is kept nowhere, so nothing stands behind it; for a folder write"
                f" qdrant:///{rest.lstrip('/')}"
            )
        from recsys_lab.stores.memory import MemoryStore

        return MemoryStore()
    if scheme in ("qdrant", "qdrant+http", "qdrant+https"):
        from recsys_lab.stores.qdrant import QdrantStore

        return QdrantStore(urlsplit(url))
    if scheme in ("postgresql", "postgres", "postgresql+embedded"):
        from recsys_lab.stores.postgres import PostgresStore

        return PostgresStore(urlsplit(url))
    if scheme in ("redis", "rediss", "unix"):
        from recsys_lab.stores.redis import RedisStore

        return RedisStore(url)
    if scheme in _openers:
        store = _openers[scheme](url)
        if not isinstance(store, BaseStore):
            raise StoreError(
                f"open_store: what is registered for {scheme}:// returned {store!r}, which is no BaseStore"
            )
        return store
    raise StoreError(
        f"open_store: {url!r} is no address of a store; use memory://, qdrant://, qdrant:///folder, qdrant://host:6333,"
        f" postgresql://user@host/database, postgresql+embedded:///folder or redis://host:6379"
    )
