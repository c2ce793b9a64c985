"""A multi-aspect index in a vector database: the spaces turn a question into one row, the database finds the products.

score = Σ w·⟨q, x⟩ / (‖w‖₂·√k) is one inner product of two rows (see `recsys_lab.spaces`), so any store that knows
inner products can keep the products, and weights are still given when asking. The store finds who may be among the k;
their vectors are read back and scored again by term in float64. That gives the order, the ties and the explanation of
the index in memory. (Redis gives a vector back with its last digit off, so there, scores as near as that are a tie.)

Each stored product carries two fields of ours: `_layout`, a hash of the spaces that made its row (another fit's rows
are refused, not compared), and `_as_of`, the time that its recency is counted from.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd

from recsys_lab.filters import Filter
from recsys_lab.recommender import Floats, Recommendations
from recsys_lab.spaces import CategorySpace, CustomSpace, Question, RecencySpace, Space, SpaceError, SpaceIndex
from recsys_lab.spaces.index import check_length
from recsys_lab.stores.base import Alias, BaseCollection, BaseStore
from recsys_lab.stores.checks import Payload, StoreError, check_payloads, kinds_of
from recsys_lab.stores.protocol import Point
from recsys_lab.stores.refresh import refresh

T = TypeVar("T")

LAYOUT, AS_OF = "_layout", "_as_of"
_MARGIN = 1e-4  # a store's float32 scores lie nearer than this to those that are computed here
_SPARE = 10


class StoredIndex:
    """A `SpaceIndex` whose products are kept in a collection, or in whatever an alias stands for now.

    The spaces of `index` make the questions; the products of `index` itself are never asked, so it may have none.
    After a restart, open the collection with spaces of the same fit: `SpaceIndex(spaces, id, popularity)`, where
    `spaces` is what the exported index had (they can be pickled; `layout` shows all that they have learned, so that
    they can also be written down: `CategorySpace(field, categories=[...])`). Spaces of another layout are refused.
    Vectors of your own (`CustomSpace`) are known by their length alone: export anew whenever they are trained anew.

    `columns` are the product columns that are kept for filters; without them, all that a store can keep.

    The live shopper is one argument, and weights and filters are given with the question:

    >>> from recsys_lab.datasets import Event
    >>> from recsys_lab.filters import field
    >>> from recsys_lab.preferences import ShopperVectors
    >>> from recsys_lab.spaces import BEST, NumberSpace
    >>> from recsys_lab.stores import open_store
    >>> goods = pd.DataFrame({"sku": ["a", "b", "c"], "kind": ["boots", "boots", "hats"], "price": [90.0, 40.0, 10.0]})
    >>> spaces = {"kind": CategorySpace("kind"), "price": NumberSpace("price", 0, 100, mode="minimum")}
    >>> index = SpaceIndex(spaces, id="sku").add(goods)
    >>> shoppers = ShopperVectors(index)
    >>> shoppers.update(Event("ann", "a", "clicked_on", 1_700_000_000_000, "visit 1"))
    >>> with open_store("memory://") as store:
    ...     stored = StoredIndex.export(index, store, "products")
    ...     found = stored.search({"price": BEST}, {"kind": 2}, shopper=shoppers.profile("ann"), exclude=["a"])
    ...     cheap = stored.search(like="a", where=field("price") < 20)
    >>> found.explain().round(2)
      item_id  score  price  kind: shopper
    0       b   0.89   0.26           0.63
    1       c   0.31   0.31           0.00
    >>> cheap.item_ids
    ('c',)

    Raises `StoreError` for a collection that does not fit the spaces, `SpaceError` for spaces that have not learned
    their layout yet.
    """

    def __init__(
        self, index: SpaceIndex, collection: BaseCollection | Alias, *, columns: Sequence[str] | None = None
    ) -> None:
        self.index = index
        self.collection = collection
        self.columns = columns
        self.layout = layout_of(index)
        self._hash = _hash(self.layout)
        self._ask(self._stamp)

    @classmethod
    def export(
        cls,
        index: SpaceIndex,
        store: BaseStore,
        name: str,
        *,
        now_ms: int | None = None,
        columns: Sequence[str] | None = None,
        keep: int = 1,
        smallest: float = 0.5,
    ) -> Self:
        """Put the products of `index` into a new version of the alias `name`, check it, and switch the alias.

        `now_ms` is the time of recency, needed where a space tells time; `keep` and `smallest` are those of
        `stores.refresh`. Raises `SpaceError` or `StoreError`, and the version in use stays.
        """
        layout = layout_of(index)
        index.renew(now_ms)
        stamp = _stamp_of(index, layout, now_ms)
        payloads = _payloads(index.products, columns, index, stamp)

        def verify(new: BaseCollection) -> bool:
            some = index.ids[:: max(1, len(index) // 50)]
            rows = index.matrix[[index.row(item) for item in some]]
            kept = [point.vector for point in new.get(some).values()]
            return new.count() == len(index) and np.allclose(kept, rows, atol=1e-5)

        refresh(
            store,
            name,
            lambda new: new.upsert(index.ids, index.matrix, payloads),
            index.dim,
            "dot",
            max_norm=longest_row(index),
            verify=verify,
            smallest=smallest,
            keep=keep,
        )
        return cls(index, store.alias(name), columns=columns)

    # -- questions --------------------------------------------------------------------------------------------------

    def question_row(
        self,
        ask: Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | None = None,
        *,
        like: str | Sequence[str] = (),
        shopper: Mapping[str, Floats] | None = None,
    ) -> Floats:
        """What the database is asked with, [components] float32: for its own client, by inner product."""
        return self.index.query_row(self._ask(lambda now: self._question(now, ask, weights, like, shopper)))

    def search(
        self,
        ask: Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | None = None,
        *,
        like: str | Sequence[str] = (),
        shopper: Mapping[str, Floats] | None = None,
        k: int = 10,
        where: Filter | None = None,
        exclude: Collection[str] = (),
        now_ms: int | None = None,
    ) -> Recommendations:
        """The `k` products with the highest scores and their terms: the list of `SpaceIndex.search`.

        `like` asks for what resembles products of the store; `shopper` takes a `ShopperVectors.profile`. Where recency
        is asked, `now_ms` has to be the time of the export. The whole answer comes from one version of an alias.
        Raises `SpaceError`, `StoreError`, `FilterError`, and `KeyError` for a product that is not there.
        """
        check_length(k)
        if isinstance(exclude, str):
            raise SpaceError(f"exclude: {exclude!r} is a text; put it in a list")

        def answer(now: BaseCollection) -> Recommendations:
            question = self._question(now, ask, weights, like, shopper)
            timed = self.index.asks_recency(question)
            if timed and now_ms is None:
                raise SpaceError(f"space {self.index.timed[0]!r} needs the time of the question: give now_ms")
            return self._answer(now, question, k, where, exclude, now_ms if timed else None)

        return self._ask(answer)

    def _question(
        self,
        now: BaseCollection,
        ask: Mapping[str, Any] | None,
        weights: Mapping[str, float] | None,
        like: str | Sequence[str],
        shopper: Mapping[str, Floats] | None,
    ) -> Question:
        liked = [like] if isinstance(like, str) else list(like)
        held = self._held(now, now.get(dict.fromkeys(liked)))
        return held.question(ask, weights, liked, shopper)

    def _answer(
        self,
        now: BaseCollection,
        question: Question,
        k: int,
        where: Filter | None,
        exclude: Collection[str],
        now_ms: int | None,
    ) -> Recommendations:
        """Candidates from the store, scored again; more of them while one left out may still belong to the `k`."""
        row = self.index.query_row(question)
        want = int(k) + len(exclude) + _SPARE
        while True:
            found = now.search(row, want, where)
            best = self._held(now, now.get(found.item_ids), now_ms).answer(question, int(k), exclude=exclude)
            if len(found) < want or (len(best) == k and found.scores[-1] < best.scores[-1] - _MARGIN):
                return best
            want *= 4

    def _held(self, now: BaseCollection, points: Mapping[str, Point], now_ms: int | None = None) -> SpaceIndex:
        """An index over these points alone, to take parts from and to score; recency has to be as of `now_ms`."""
        for point in points.values():
            self._check_layout(now, point)
            if now_ms is not None and point.payload.get(AS_OF) != now_ms:
                raise SpaceError(
                    f"now_ms: recency was asked as of {now_ms}, but the store holds it as of"
                    f" {point.payload.get(AS_OF)}; ask with that time, or refresh it:"
                    f" StoredIndex.export(..., now_ms={now_ms})"
                )
        rows = np.array([point.vector for point in points.values()], dtype=np.float32)
        popularity = [point.payload.get(self.index.popularity or "", 0) for point in points.values()]
        return self.index.holding(list(points), rows, popularity, now.noise)

    # -- products ---------------------------------------------------------------------------------------------------

    def upsert(self, products: pd.DataFrame) -> None:
        """Add products, or replace those that are there: the next question finds them.

        Recency is counted from the same time as that of the others. An alias is followed to the version in use; the
        next export has what its own index has, so give new products to that as well. All are checked before the first
        is written. Raises `SpaceError` or `StoreError`.
        """
        now = self._current()
        stamp = self._stamp(now)
        as_of = None if stamp is None or AS_OF not in stamp else int(stamp[AS_OF])
        if self.index.timed and as_of is None:
            raise SpaceError("the store holds no product that tells the time of recency; call StoredIndex.export(...)")
        labels = self.index.labels(products)
        if labels:
            payloads = _payloads(products, self.columns, self.index, _stamp_of(self.index, self.layout, as_of))
            now.upsert(labels, self.index.rows_of(products, as_of), payloads)

    def delete(self, items: Iterable[str]) -> None:
        """Take products out: no later answer has them. One that is not there is no error."""
        self._current().delete(items)

    # -- what the store holds ---------------------------------------------------------------------------------------

    def _current(self) -> BaseCollection:
        return self.collection.collection() if isinstance(self.collection, Alias) else self.collection

    def _ask(self, ask: Callable[[BaseCollection], T]) -> T:
        return self.collection._asked(ask) if isinstance(self.collection, Alias) else ask(self.collection)

    def _stamp(self, now: BaseCollection) -> Payload | None:
        """The payload of some product, all of which have the same layout and time; None where there is no product."""
        if now.about.metric != "dot" or now.about.dim != self.index.dim:
            raise StoreError(
                f"collection {now.name!r} has {now.about.dim} components and the metric {now.about.metric!r}, but these"
                f" spaces make {self.index.dim} for 'dot'; use the spaces that it was made with, or export again"
            )
        for point in now.get(now.search(np.ones(self.index.dim), 1).item_ids).values():
            self._check_layout(now, point)
            return point.payload
        return None

    def _check_layout(self, now: BaseCollection, point: Point) -> None:
        if point.payload.get(LAYOUT) != self._hash:
            raise StoreError(
                f"collection {now.name!r}: the row of {point.id!r} was made by other spaces than these; use the spaces"
                f" that it was made with (see .layout), or export again"
            )


def layout_of(index: SpaceIndex) -> dict[str, dict[str, Any]]:
    """All that a row depends on beside the product: each space with what it was given and has learned, as plain JSON.

    Raises `SpaceError` where a space has yet to learn from products.

    >>> layout_of(SpaceIndex({"kind": CategorySpace("kind", ["boots", "hats"])}))["kind"]
    {'type': 'CategorySpace', 'dim': 2, 'field': 'kind', 'categories': ['boots', 'hats'], 'other': False}
    """
    made = {}
    for name, columns in index.columns.items():
        space = index.spaces[name]
        told = {key: value for key, value in vars(space).items() if not key.startswith("_")}
        if "encoder" in told:
            told["encoder"] = str(getattr(space.encoder, "name", type(space.encoder).__name__))  # type: ignore[attr-defined]
        if isinstance(space, RecencySpace):
            told["periods"] = [[period, weight] for period, weight in space.periods.items()]
        made[name] = {"type": type(space).__name__, "dim": columns.stop - columns.start, **told}
    return made


def longest_row(index: SpaceIndex) -> float:
    """The length that no row of these spaces exceeds, whatever product comes later: √(Σ bound²).

    | space | its part | bound |
    |---|---|---|
    | text, image, custom | a unit vector, or zeros | 1 |
    | number | (sin θ, cos θ), zeros, or (0, 0, 1) beyond a bad end | 1 |
    | category | ones, at most one for each of n slots | √n |
    | recency | n cosines from 0 to 1 | √n |
    """
    return math.sqrt(sum(_longest(space) ** 2 for space in index.spaces.values())) * (1 + 1e-5)  # float32 rounds


def _longest(space: Space) -> float:
    return math.sqrt(space.dim) if isinstance(space, CategorySpace | RecencySpace) else 1.0


def _hash(layout: Mapping[str, Any]) -> str:
    try:
        told = json.dumps(layout)
    except TypeError:
        raise SpaceError(f"spaces: {layout} holds what JSON cannot keep; give such a space plain attributes") from None
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _stamp_of(index: SpaceIndex, layout: Mapping[str, Any], now_ms: int | None) -> Payload:
    return {LAYOUT: _hash(layout)} | ({AS_OF: int(now_ms)} if index.timed and now_ms is not None else {})


def _payloads(
    products: pd.DataFrame, columns: Sequence[str] | None, index: SpaceIndex, stamp: Payload
) -> list[Payload]:
    """The columns that are kept of each product, its popularity among them, with the stamp."""
    asked = list(products.columns) if columns is None else [columns] if isinstance(columns, str) else list(columns)
    needed = [index.popularity] if index.popularity else []
    for name in [*asked, *needed]:
        if name not in products.columns:
            raise SpaceError(f"the products have no column {name!r}; they have {', '.join(map(str, products.columns))}")
    if clash := {LAYOUT, AS_OF} & set(asked):
        raise SpaceError(f"the column {clash.pop()!r} has a name that the store needs for itself; rename it")
    if columns is None:
        vectors = {space.field for space in index.spaces.values() if isinstance(space, CustomSpace)}
        asked = [name for name in asked if name not in vectors and _can_be_kept(products[name].tolist())]
    names = [str(name) for name in dict.fromkeys([*asked, *needed])]
    rows = zip(*(products[name].tolist() for name in names), strict=True) if names else [()] * len(products)
    return [dict(zip(names, row, strict=True)) | stamp for row in rows]


def _can_be_kept(values: Sequence[Any]) -> bool:
    """Whether a column is of one kind of texts, numbers, True or False, or lists of these."""
    try:
        kinds_of(check_payloads([{"value": value} for value in values], [str(row) for row in range(len(values))]))
    except StoreError:
        return False
    return True
