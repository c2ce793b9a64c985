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

from urllib.parse import urlsplit

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
    "VectorStore",
    "open_store",
    "refresh",
    "rollback",
    "versions",
]


def open_store(url: str) -> BaseStore:
    """Open a database by its address.

    - `memory://`: numpy in this process, exact, gone when it is closed
    - `qdrant://`: Qdrant in this process, for up to 20,000 points; `qdrant:///folder` keeps them;
      `qdrant://host:6333` and `qdrant+https://:key@host:6333` are servers
    - `postgresql://user:password@host/database`: a server that has pgvector; `postgresql+embedded:///folder` starts one
    - `redis://host:6379/0`: Redis 8 or newer, with its vector sets

    Raises `StoreError` for another address or a server that does not answer, `ModuleNotFoundError` with the pip line
    for a client that is not installed.
    """
    scheme = url.partition(":")[0] if isinstance(url, str) else ""
    if scheme == "memory":
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
    raise StoreError(
        f"open_store: {url!r} is no address of a store; use memory://, qdrant://, qdrant://host:6333,"
        f" postgresql://user@host/database, postgresql+embedded:///folder or redis://host:6379"
    )
