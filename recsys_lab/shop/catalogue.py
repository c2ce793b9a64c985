"""The products of the shop at one moment: rows, cards, filters and the index. A change makes the next moment."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.datasets import DataError, schema
from recsys_lab.filters import Filter, field
from recsys_lab.patterns.export import LONG, is_time
from recsys_lab.recommender import Recommendations
from recsys_lab.shop import cards
from recsys_lab.shop.answers import Answer
from recsys_lab.shop.shelf import Barrier, Shelf, barrier
from recsys_lab.spaces import ClippedWarning, EncoderUnavailable, SentenceEncoder, SpaceError, SpaceIndex
from recsys_lab.spaces.aspects import POPULARITY, aspects_of

_LONGEST = 200  # characters of an id
_SPARE = 10
_MASKS = 256  # filters whose mask is kept
Mask = NDArray[np.bool_]
_log = logging.getLogger("recsys_lab.shop")


class Catalogue:
    """Products, and what is made of them once. Never changed: `with_product` and `without` make another.

    `products` is a shop's checked table, `popularity` counts by product. Descriptions that the encoder
    does not know, and cannot read without its model, are left out of the index.

    >>> shelf = Catalogue(pd.DataFrame({"item_id": ["a", "b"], "price": [9.0, 5.0]}), {"b": 3})
    >>> shelf.popular, shelf.with_product({"item_id": "c", "price": 1.0}).ids, shelf.without("a").ids
    (('b', 'a'), ('a', 'b', 'c'), ('b',))
    """

    def __init__(
        self,
        products: pd.DataFrame,
        popularity: Mapping[str, int],
        index: SpaceIndex | None = None,
    ) -> None:
        self.products = products.reset_index(drop=True)
        self.popularity = popularity
        self.ids: tuple[str, ...] = tuple(self.products["item_id"].tolist())
        self.row_of = {item: row for row, item in enumerate(self.ids)}
        self.counts = np.array([popularity.get(item, 0) for item in self.ids], dtype=np.int64)
        self._by_popularity = sorted(range(len(self.ids)), key=lambda row: (-self.counts[row], self.ids[row]))
        self.popular: tuple[str, ...] = tuple(self.ids[row] for row in self._by_popularity)
        self.in_stock = self._flags("in_stock")
        self._launched = np.zeros(len(self.ids), dtype=np.int64)
        if "launched_at" in self.products.columns:
            self._launched = self.products["launched_at"].to_numpy(dtype=np.int64)
        self.newest = int(self._launched.max(initial=0))
        self.similar: dict[tuple[str, int], Answer] = {}
        """Lists of similar products by product and length: they stay the same for as long as the catalogue does."""
        self._cards: dict[str, bytes] = {}
        self._masks: dict[Filter, Mask] = {}
        self._barriers: dict[Filter | None, Barrier] = {}
        self._lock = threading.Lock()
        self.index = index if index is not None else self._indexed()
        self.shelf = None if self.index is None else Shelf(self.index, self.place)

    def _flags(self, name: str) -> Mask:
        if name not in self.products.columns:
            return np.ones(len(self.ids), dtype=bool)
        return self.products[name].to_numpy(dtype=bool)

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Where each row stands among equals: the more popular first, then by id."""
        place = np.empty(len(self.ids), dtype=np.int64)
        place[self._by_popularity] = np.arange(len(self.ids))
        return place

    def __contains__(self, item: object) -> bool:
        return item in self.row_of

    def __len__(self) -> int:
        return len(self.ids)

    def told(self, products: pd.DataFrame) -> pd.DataFrame:
        """Products as the index takes them: with their popularity, and without texts that nobody here can read."""
        counts = [float(self.popularity.get(item, 0)) for item in products["item_id"]]
        return readable(products).assign(**{POPULARITY: counts})

    def _indexed(self) -> SpaceIndex | None:
        """The index of all products; None where no column tells them apart."""
        told = self.told(self.products)
        spaces = aspects_of(told)
        return SpaceIndex(spaces, popularity=POPULARITY).add(told) if spaces else None

    # -- what is asked ------------------------------------------------------------------------------------------------

    @property
    def kept(self) -> list[str]:
        """The columns that a store keeps of a product, as `refresh_shop` does."""
        products = self.products
        return [name for name in products.columns if name not in LONG and not is_time(products[name])] + [POPULARITY]

    def row(self, item: str) -> dict[str, Any]:
        """A product's fields. Raises `KeyError` for one that is not there."""
        found = self.products.iloc[self.row_of_known(item)]
        return {str(name): cards.plain(value) for name, value in found.items()}

    def row_of_known(self, item: str) -> int:
        """A product's row. Raises `KeyError` for one that is not there."""
        if item not in self.row_of:
            raise KeyError(f"there is no product {item!r} in the shop")
        return self.row_of[item]

    def place_of(self, item: str) -> int:
        """Where a product stands among equals."""
        return int(self.place[self.row_of[item]])

    def card(self, item: str) -> bytes:
        """A product's card, as JSON."""
        made = self._cards.get(item)
        if made is None:
            made = self._cards[item] = cards.card(self.row(item))
        return made

    def cards_of(self, items: Sequence[str]) -> list[bytes]:
        """The card of each of these, in their order; an empty one for what is not there."""
        held = self._cards
        return [held.get(item) or (self.card(item) if item in self.row_of else b"") for item in items]

    @cached_property
    def _columns(self) -> pd.DataFrame:
        return self.products.assign(**{POPULARITY: self.counts})

    def mask(self, where: Filter | None) -> Mask:
        """Which products pass a filter, [products]; kept, so that the same filter is asked of them once."""
        if where is None:
            return np.ones(len(self.ids), dtype=bool)
        held = self._masks.get(where)
        if held is None:
            held = where.mask(self._columns)
            with self._lock:
                if len(self._masks) >= _MASKS:
                    self._masks.clear()
                self._masks[where] = held
        return held

    def allowed(self, where: Filter | None, now_ms: int, exclude: Iterable[str] = ()) -> Mask:
        """What may be recommended: in stock, launched, passing the filter and not left out."""
        mask = self.in_stock.copy() if where is None else self.in_stock & self.mask(where)
        if now_ms < self.newest:
            mask &= self._launched <= now_ms
        for item in exclude:
            row = self.row_of.get(item)
            if row is not None:
                mask[row] = False
        return mask

    def barrier(self, where: Filter | None, now_ms: int) -> Barrier:
        """`allowed` as a search of the shelf takes it; not to be changed. Kept, once everything is launched."""
        if now_ms < self.newest:
            return barrier(self.allowed(where, now_ms))
        held = self._barriers.get(where)
        if held is None:
            held = barrier(self.allowed(where, now_ms))
            with self._lock:
                if len(self._barriers) >= _MASKS:
                    self._barriers.clear()
                self._barriers[where] = held
        return held

    def ordered(self, order: str) -> Sequence[int]:
        """All rows by popularity, by price (cheap first) or by launch ("new" first); equals by popularity."""
        if order == "popular":
            return self._by_popularity
        column = {"price": "price", "new": "launched_at"}.get(order)
        if column is None or column not in self.products.columns:
            raise ValueError(f"order: {order!r} is none of popular, price, new that this shop can tell")
        values = self.products[column].to_numpy(dtype=np.float64)[self._by_popularity]
        best = np.argsort(-values if order == "new" else values, kind="stable")  # NaN goes last
        return np.array(self._by_popularity)[best].tolist()  # type: ignore[no-any-return]

    # -- what is changed ----------------------------------------------------------------------------------------------

    def check(self, item: str, fields: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
        """A product's row from what is given, in the shop's columns; the rest stays as it is. Raises `DataError`."""
        if not item or len(item) > _LONGEST or not item.isprintable():
            raise DataError(f"item_id: {item!r:.80} is no label of 1 to {_LONGEST} printable characters")
        known = [name for name in self.products.columns if name not in ("item_id", "picture")]
        for name in fields:
            if name not in known:
                more = " (a picture is drawn from category and colour)" if name == "picture" else ""
                raise DataError(f"{name}: products of this shop have no such field{more}; they are {', '.join(known)}")
        usual: dict[str, Any] = {"in_stock": True, "on_sale": False, "launched_at": now_ms}
        if item in self:
            usual = self.row(item)
        row = {"item_id": item, **{name: fields.get(name, usual.get(name)) for name in known}}
        schema.validate("product", pd.DataFrame([row]), {"item_id": "unique"}, schema.PRODUCT_COLUMNS)
        return row

    def with_product(self, row: Mapping[str, Any]) -> Catalogue:
        """The catalogue with a checked product added, or in place of the one of its id."""
        one = self.frame(row)
        products = pd.concat([self._others(row["item_id"]), one], ignore_index=True)
        return Catalogue(products, self.popularity, self._index_with(one))

    def without(self, item: str) -> Catalogue:
        """The catalogue without a product."""
        return Catalogue(self._others(item), self.popularity, self._index_of(item))

    def _others(self, item: str) -> pd.DataFrame:
        return self.products[self.products["item_id"] != item]

    def frame(self, row: Mapping[str, Any]) -> pd.DataFrame:
        """A row as a table of the same columns and kinds."""
        one = pd.DataFrame([{name: row.get(name) for name in self.products.columns}])
        return one.astype(self.products.dtypes.to_dict())

    def index_of_all(self) -> SpaceIndex:
        """The index with all columns of its products at hand, for an export."""
        assert self.index is not None
        return SpaceIndex(self.index.spaces, popularity=POPULARITY).add(self.told(self.products))

    def _index_with(self, one: pd.DataFrame) -> SpaceIndex | None:
        """The index with one more row; None where its spaces have no place for it and all have to be made anew."""
        if self.index is None:
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", ClippedWarning)
                made = self.index.rows_of(self.told(one))
        except (SpaceError, ClippedWarning):
            return None  # a new brand, or a price beyond the range: the spaces learn it
        item = one["item_id"].iloc[0]
        return self._held([other for other in self.ids if other != item], [item], made)

    def _index_of(self, gone: str) -> SpaceIndex | None:
        return None if self.index is None else self._held([other for other in self.ids if other != gone])

    def _held(self, old: Sequence[str], new: Sequence[str] = (), rows: Any = None) -> SpaceIndex:
        assert self.index is not None
        kept = self.index.matrix[[self.row_of[item] for item in old]]
        ids = [*old, *new]
        return self.index.holding(
            ids, kept if rows is None else np.vstack([kept, rows]), [self.popularity.get(item, 0) for item in ids]
        )


def readable(products: pd.DataFrame) -> pd.DataFrame:
    """The products with the descriptions that an encoder knows, or can read here; the others have none."""
    if "description" not in products.columns:
        return products
    encoder = SentenceEncoder()
    there = [isinstance(text, str) and bool(text.strip()) for text in products["description"]]
    texts = products["description"][there]
    absent = encoder.absent(texts.tolist())
    if not absent:
        return products
    try:
        encoder.encode(absent)
    except EncoderUnavailable:
        _log.warning("%d descriptions are left out of the index: no encoder is here that could read them", len(absent))
        known = ~products["description"].isin(absent)
        return products.assign(description=products["description"].where(known, None))
    return products


def may_be_listed(catalogue: Catalogue, where: Filter | None, now_ms: int) -> Filter | None:
    """The filter that a store is asked with: in stock, launched, and what the question says."""
    parts = [] if where is None else [where]
    if "in_stock" in catalogue.products.columns:
        parts.append(field("in_stock") == True)  # noqa: E712
    if "launched_at" in catalogue.products.columns:
        parts.append(field("launched_at") <= now_ms)
    made = None
    for part in parts:
        made = part if made is None else made & part
    return made


def listed(ask: Callable[[int], Recommendations], catalogue: Catalogue, allowed: Mask, k: int) -> Recommendations:
    """The first `k` of a ranking that may be listed; more of it is fetched while too much may not."""
    row_of, want = catalogue.row_of, k + _SPARE
    while True:
        found = ask(want)
        kept = [at for at, item in enumerate(found.item_ids) if (row := row_of.get(item)) is not None and allowed[row]]
        if len(kept) >= k or len(found) < want:
            break
        want *= 4
    kept = kept[:k]
    parts = {name: tuple(values[at] for at in kept) for name, values in (found.parts or {}).items()}
    return replace(
        found,
        item_ids=tuple(found.item_ids[at] for at in kept),
        scores=tuple(found.scores[at] for at in kept),
        parts=parts,
    )
