"""The products that were changed by hand: one SQLite file, so that a restart finds them."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_lab.datasets import schema
from recsys_lab.shop.cards import plain


class Changes:
    """What was put and what was deleted, by product. `path` None keeps it in memory.

    >>> changes = Changes(None)
    >>> changes.put("c", {"item_id": "c", "price": 5.0}), changes.delete("a")
    (None, None)
    >>> changes.applied_to(pd.DataFrame({"item_id": ["a", "b"], "price": [1.0, 2.0]}))["item_id"].tolist()
    ['b', 'c']
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path or ":memory:", timeout=5, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS products (item_id TEXT PRIMARY KEY, line TEXT)")

    def put(self, item: str, row: Mapping[str, Any]) -> None:
        """Keep a product; on the disk when this returns."""
        self._write(item, json.dumps({name: plain(value) for name, value in row.items()}, ensure_ascii=False))

    def delete(self, item: str) -> None:
        """Keep that a product is gone."""
        self._write(item, None)

    def _write(self, item: str, line: str | None) -> None:
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO products VALUES (?, ?)", (item, line))

    def applied_to(self, products: pd.DataFrame) -> pd.DataFrame:
        """A shop's table of products as it is after all changes."""
        with self._lock:
            held = dict(self._db.execute("SELECT item_id, line FROM products ORDER BY rowid").fetchall())
        if not held:
            return products
        rows = [json.loads(line) for line in held.values() if line is not None]
        kept = products[~products["item_id"].isin(list(held))]
        if not rows:
            return kept.reset_index(drop=True)
        added = pd.DataFrame([{name: row.get(name) for name in products.columns} for row in rows])
        made = pd.concat([kept, added.astype(products.dtypes.to_dict())], ignore_index=True)
        return schema.validate("products", made, {"item_id": "unique"}, schema.PRODUCT_COLUMNS)

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()
