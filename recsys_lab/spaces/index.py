"""A product index of many aspects, weighted when asked: one stored row a product, one inner product a question."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from recsys_lab.filters import Filter, FilterError
from recsys_lab.recommender import Floats, Recommendations
from recsys_lab.spaces.space import BEST, NumberSpace, Space, SpaceError

_MARGIN = 1e-4  # float32 sums differ by less than this; who comes this near is scored again, exactly


@dataclass(frozen=True)
class Term:
    """One thing that is asked: a question part of a space, with its weight. `name` is what explanations call it."""

    name: str
    space: str
    part: Floats
    weight: float


@dataclass(frozen=True)
class Question:
    """What is asked of an index. score = Σ w·⟨q, x⟩ / (‖w‖₂·√k), sums over the k terms."""

    terms: tuple[Term, ...]

    @property
    def scale(self) -> float:
        """‖w‖₂·√k: with equal positive weights the score is the mean of the similarities."""
        return math.sqrt(sum(term.weight**2 for term in self.terms) * len(self.terms))


class SpaceIndex:
    """Products as one float32 matrix, a stretch of columns for each space. Weights are given when asking.

    `spaces` maps a name to a `Space`; `id` names the column of labels; `popularity` a column by which ties fall (higher
    first; then by id). Adding, replacing and removing products changes the next answer; nothing is built anew.

    >>> from recsys_lab.spaces import CategorySpace, NumberSpace
    >>> goods = pd.DataFrame({"sku": ["a", "b", "c"], "kind": ["boots", "boots", "hats"], "price": [90.0, 40.0, 10.0]})
    >>> spaces = {"kind": CategorySpace("kind"), "price": NumberSpace("price", 0, 100, mode="minimum")}
    >>> index = SpaceIndex(spaces, id="sku").add(goods)
    >>> index.search({"kind": "boots", "price": BEST}).explain().round(2)
      item_id  score  kind  price
    0       b   0.90   0.5   0.40
    1       a   0.58   0.5   0.08
    2       c   0.49   0.0   0.49
    """

    def __init__(self, spaces: Mapping[str, Space], id: str = "item_id", popularity: str | None = None) -> None:
        if not spaces:
            raise SpaceError("spaces: none are given; name at least one, for example {'price': NumberSpace(...)}")
        # Spaces that events move stand first: a shopper's vector is then one stretch of columns.
        self.spaces = dict(sorted(spaces.items(), key=lambda named: not named[1].moves))
        self.id = id
        self.popularity = popularity
        self._columns: dict[str, slice] = {}
        self._rows: dict[str, int] = {}
        self._ids: list[str] = []
        self._kept: dict[str, list[Any]] = {}  # what filters, ties and recency read, a list a column
        self._series: dict[str, Any] = {}  # the same as pandas columns, made when a filter asks
        self._matrix = np.zeros((0, 0), dtype=np.float32)
        self._now: int | None = None
        self.changes = 0  # how often products were added, taken out or brought to another time
        self._noise = 0.0  # scores nearer than this are equal; rows of a database may have lost their last digit

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, item: object) -> bool:
        return item in self._rows

    @property
    def ids(self) -> tuple[str, ...]:
        """The labels, in the order of the rows of `matrix`."""
        return tuple(self._ids)

    @property
    def matrix(self) -> Floats:
        """One row a product, [products, components], float32; recency as of the last question."""
        return self._matrix[: len(self._ids)]

    @property
    def columns(self) -> Mapping[str, slice]:
        """Which columns of `matrix` belong to which space.

        Raises `SpaceError` while a space has yet to learn its length from products.
        """
        if not self._columns:
            self._lay_out()
        return self._columns

    @property
    def dim(self) -> int:
        """The number of components of a row."""
        return int(max(columns.stop for columns in self.columns.values()))

    @property
    def products(self) -> pd.DataFrame:
        """The products as they were added, in the order of the rows of `matrix`."""
        return pd.DataFrame({name: pd.Series(kept, dtype=object) for name, kept in self._kept.items()})

    # -- products ---------------------------------------------------------------------------------------------------

    def add(self, products: pd.DataFrame) -> Self:
        """Add products, or replace those that are there. All are checked before the first is stored.

        Every column of `products` is kept for filters. Raises `SpaceError` for a column that a space needs and the
        table lacks, a label given twice, or a value that a space cannot take.
        """
        labels = self.labels(products)
        given = [str(name) for name in products.columns]
        if self._ids and set(given) != set(self._kept):
            raise SpaceError(f"the products have {', '.join(given)}, but the index has {', '.join(self._kept)}")
        if products.empty:
            return self
        made = self._make_rows(products, self._now or 0)
        if not self._columns:
            self._lay_out()
        where = self._rows_for(labels)
        self._matrix[where] = made
        self.changes += 1
        for name in products.columns:
            kept = self._kept.setdefault(str(name), [])
            kept.extend([None] * (len(self._ids) - len(kept)))
            for row, value in zip(where, products[name].tolist(), strict=True):
                kept[row] = value
        self._series.clear()
        return self

    def remove(self, items: str | Collection[str]) -> None:
        """Take products out. Raises `KeyError` for one that is not there, before any is taken out."""
        gone = [items] if isinstance(items, str) else list(dict.fromkeys(items))
        for item in gone:
            self.row(item)
        for item in gone:  # the last row moves into the gap
            row, last = self._rows.pop(item), len(self._ids) - 1
            if row != last:
                self._ids[row] = self._ids[last]
                self._rows[self._ids[row]] = row
                self._matrix[row] = self._matrix[last]
            self._ids.pop()
            for kept in self._kept.values():
                kept[row] = kept[last]
                kept.pop()
        self.changes += 1
        self._series.clear()

    def labels(self, products: pd.DataFrame) -> list[str]:
        """The labels of a table of products. Raises `SpaceError` as `add` does."""
        for name, column in [("id", self.id), *((name, space.field) for name, space in self.spaces.items())]:
            if column not in products.columns:
                raise SpaceError(
                    f"{name}: the products have no column {column!r}; they have {', '.join(map(str, products.columns))}"
                )
        labels = [str(label) for label in products[self.id]]
        if products[self.id].isna().any() or len(set(labels)) < len(labels):
            raise SpaceError(f"{self.id}: a label is missing or given twice; each product needs its own")
        return labels

    def rows_of(self, products: pd.DataFrame, now_ms: int | None = None) -> Floats:
        """What `add` would store of these products, [products, components] float32; none is kept.

        `now_ms` is the time that recency is counted from. Raises `SpaceError` as `add` does.
        """
        self.labels(products)
        if not self._columns:
            self._lay_out()
        return self._make_rows(products, now_ms)

    def holding(self, ids: Sequence[str], rows: Floats, popularity: Sequence[float], noise: float = 0.0) -> SpaceIndex:
        """An index of the same spaces over rows that are kept elsewhere, [ids, components] float32, for `answer`.

        `popularity` settles ties as it does here; scores that differ by `noise` or less are equal.
        """
        made = SpaceIndex(self.spaces, self.id, self.popularity)
        made._columns = dict(self.columns)
        made._ids, made._rows = list(ids), {label: row for row, label in enumerate(ids)}
        made._matrix = np.asarray(rows, dtype=np.float32).reshape(len(made._ids), self.dim)
        made._kept = {self.popularity: list(popularity)} if self.popularity else {}
        made._noise = noise
        return made

    def _make_rows(self, products: pd.DataFrame, now_ms: int | None) -> Floats:
        made = []
        for name, space in self.spaces.items():
            values = products[space.field].tolist()
            try:
                if not self._ids:
                    space.learn(values)
                made.append(space.parts(values, now_ms))
            except SpaceError as error:
                raise SpaceError(f"space {name!r}: {error}") from None
        return np.hstack(made)

    def _lay_out(self) -> None:
        """Give each space its stretch of columns."""
        columns, at = {}, 0
        for name, space in self.spaces.items():
            try:
                columns[name] = slice(at, at + space.dim)
            except SpaceError as error:
                raise SpaceError(f"space {name!r}: {error}") from None
            at = columns[name].stop
        self._columns = columns
        self._matrix = np.zeros((0, at), dtype=np.float32)

    def _rows_for(self, labels: Sequence[str]) -> list[int]:
        for label in labels:
            if label not in self._rows:
                self._rows[label] = len(self._ids)
                self._ids.append(label)
        if len(self._ids) > len(self._matrix):  # twice the room each time: a product costs the same on average
            grown = np.zeros((max(len(self._ids), 2 * len(self._matrix)), self._matrix.shape[1]), dtype=np.float32)
            grown[: len(self._matrix)] = self._matrix
            self._matrix = grown
        return [self._rows[label] for label in labels]

    def row(self, item: str) -> int:
        """The row of a product in `matrix`. Raises `KeyError` for one that is not there."""
        if item not in self._rows:
            raise KeyError(f"there is no product {item!r} in the index; add it first")
        return self._rows[item]

    def part(self, item: str, space: str) -> Floats:
        """What a space knows about a product, [components] float64."""
        return np.asarray(self._matrix[self.row(item), self._columns[self._known(space)]], dtype=np.float64)

    # -- questions --------------------------------------------------------------------------------------------------

    def question(
        self,
        ask: Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | None = None,
        like: str | Sequence[str] = (),
        shopper: Mapping[str, Floats] | None = None,
    ) -> Question:
        """What `search` asks, as terms.

        `ask` maps a space to what is asked of it: a text, a category or a list of them, a number, a vector, or "best"
        for number and recency spaces. `like` asks for what resembles a product (or the mean of several) in the spaces
        that events move. `shopper` maps spaces to a shopper's vectors. `weights` are by space, or by the name of a term
        ("kind", "kind: like", "kind: shopper"); 1 where none is given, and a weight on a number or recency space alone
        asks for its best end. A weight of 0, and a part of zeros, leave the term out. Below 0 asks for the opposite.
        """
        weights = {} if weights is None else {name: _weight(name, weight) for name, weight in weights.items()}
        asked = {self._known(space): what for space, what in (ask or {}).items()}
        for name in weights:
            aspect = self.spaces[self._known(name.partition(":")[0])]
            if not aspect.moves and not (isinstance(aspect, NumberSpace) and aspect.mode == "similar"):
                asked.setdefault(name, BEST)
        terms = [(space, "", self._asked(space, what)) for space, what in asked.items() if weights.get(space) != 0]
        liked = [like] if isinstance(like, str) else list(like)
        if liked:
            terms += [(space, ": like", self._alike(space, liked)) for space in self.moving]
        for space, vector in (shopper or {}).items():
            terms.append((self._known(space), ": shopper", np.asarray(vector, dtype=np.float64)))
        made = []
        for space, kind, part in terms:
            weight = weights.get(space + kind, weights.get(space, 1.0))
            if weight != 0 and part.any():
                made.append(Term(space + kind, space, part, weight))
        if not made:
            raise SpaceError("nothing is asked: no space has both a question and a weight other than 0")
        return Question(tuple(made))

    def search(
        self,
        ask: Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | None = None,
        *,
        like: str | Sequence[str] = (),
        shopper: Mapping[str, Floats] | None = None,
        k: int = 10,
        where: Filter | None = None,
        radius: float | None = None,
        exclude: Collection[str] = (),
        now_ms: int | None = None,
    ) -> Recommendations:
        """The `k` products with the highest scores, each with the terms that add up to its score. See `question`.

        `where` is a filter, `exclude` holds labels; `radius` r keeps scores of 1 − r and more. `now_ms` is the time
        that recency is counted from. Ties fall to the more popular, then by label.
        """
        check_length(k)
        if radius is not None and not 0 <= radius <= 2:
            raise SpaceError(f"radius: {radius} is not between 0 (a perfect score) and 2 (any score)")
        question = self.question(ask, weights, like, shopper)
        if self.asks_recency(question):
            self.renew(now_ms)
        return self.answer(question, k, where, radius, exclude)

    def answer(
        self,
        question: Question,
        k: int = 10,
        where: Filter | None = None,
        radius: float | None = None,
        exclude: Collection[str] = (),
    ) -> Recommendations:
        """As `search`, of a question that is made already; recency is as of the last `renew`."""
        rough = self.matrix @ self.query_row(question)
        self._forbid(rough, where, exclude)
        if radius is not None:
            rough[rough < 1 - radius - _MARGIN] = -np.inf
        return self._best(question, rough, k, radius)

    def query_row(self, question: Question) -> Floats:
        """The question as one float32 row: its inner product with a product's row is the score."""
        row = np.zeros(self.dim, dtype=np.float32)
        for term in question.terms:
            row[self.columns[term.space]] += (term.weight / question.scale) * term.part
        return row

    def _best(self, question: Question, rough: Floats, k: int, radius: float | None) -> Recommendations:
        """Whoever may be among the `k`, by the float32 scores, is scored again in float64 by term, and put in order."""
        kept = min(k, len(rough))
        floor = np.partition(rough, len(rough) - kept)[len(rough) - kept] if kept else 0.0
        near = np.flatnonzero((rough >= floor - _MARGIN) & np.isfinite(rough))
        values = {
            term.name: (self._matrix[near, self._columns[term.space]].astype(np.float64) @ term.part)
            * (term.weight / question.scale)
            for term in question.terms
        }
        scores = np.round(np.sum(list(values.values()), axis=0), 9)  # sums in another order are not another score
        if self._noise:
            scores = levelled(scores, self._noise)
        order = self._in_order(near, scores)[:k]
        if radius is not None:
            order = order[scores[order] >= 1 - radius - 1e-9]
        return Recommendations(
            tuple(self._ids[row] for row in near[order]),
            tuple(scores[order].tolist()),
            {name: tuple(value[order].tolist()) for name, value in values.items()},
        )

    def _in_order(self, rows: Any, scores: Floats) -> Any:
        popular = self._kept[self.popularity] if self.popularity and len(rows) else None
        key = [(-scores[at], -popular[row] if popular else 0, self._ids[row]) for at, row in enumerate(rows.tolist())]
        return np.array(sorted(range(len(key)), key=key.__getitem__), dtype=np.int64)

    def _forbid(self, scores: Floats, where: Filter | None, exclude: Collection[str]) -> None:
        if isinstance(exclude, str):
            raise SpaceError(f"exclude: {exclude!r} is a text; put it in a list")
        out = [self._rows[item] for item in exclude if item in self._rows]
        scores[out] = -np.inf
        if where is None or not self._ids:
            return
        fields = list(dict.fromkeys(where.fields()))
        for name in fields:
            if name not in self._kept:
                raise FilterError(
                    f"filter on {name!r}: there is no such field; the fields are: {', '.join(self._kept)}"
                )
            if name not in self._series:
                self._series[name] = pd.Series(self._kept[name])
        scores[~where.mask(pd.DataFrame({name: self._series[name] for name in fields}))] = -np.inf

    def asks_recency(self, question: Question) -> bool:
        """Whether the answer depends on the time of the question."""
        return any(self.spaces[term.space].tells_time for term in question.terms)

    def renew(self, now_ms: int | None) -> None:
        """Bring the recency columns to this time. Raises `SpaceError` where there are some and no time is given."""
        timed = self.timed
        if timed and now_ms is None:
            raise SpaceError(f"space {timed[0]!r} needs the time of the question: give now_ms")
        if timed and now_ms is not None and now_ms != self._now:
            self._now = int(now_ms)
            self.changes += 1
            for name in timed:
                space = self.spaces[name]
                self.matrix[:, self.columns[name]] = space.parts(self._kept.get(space.field, []), self._now)

    @property
    def timed(self) -> tuple[str, ...]:
        """The names of the spaces whose parts depend on the time of the question."""
        return tuple(name for name, space in self.spaces.items() if space.tells_time)

    @property
    def moving(self) -> tuple[str, ...]:
        """The names of the spaces in which events move a shopper; their columns stand first."""
        return tuple(name for name, space in self.spaces.items() if space.moves)

    def _asked(self, space: str, what: Any) -> Floats:
        try:
            return self.spaces[space].question(what)
        except SpaceError as error:
            raise SpaceError(f"space {space!r}: {error}") from None

    def _alike(self, space: str, items: Sequence[str]) -> Floats:
        return self.spaces[space].alike(np.mean([self.part(item, space) for item in items], axis=0))

    def _known(self, space: str) -> str:
        if space not in self.spaces:
            raise SpaceError(f"there is no space {space!r}; the spaces are {', '.join(self.spaces)}")
        return space


def _weight(name: str, weight: Any) -> float:
    number = float(weight) if isinstance(weight, int | float | np.integer | np.floating) else math.nan
    if not math.isfinite(number):
        raise SpaceError(f"weight of {name!r}: {weight!r} is no finite number")
    return number


def check_length(k: Any) -> None:
    """Raise `SpaceError` for what is no length of a list."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise SpaceError(f"k: {k!r} is no length of a list; ask for at least 1")


def levelled(scores: Floats, noise: float) -> Floats:
    """The scores, where those that follow each other within `noise` are all as high as the highest of them.

    >>> levelled(np.array([0.5, 0.9, 0.49999999]), 1e-6).tolist()
    [0.5, 0.9, 0.5]
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    first = np.append(True, -np.diff(falling) > noise)[: len(scores)]  # of each run of equals
    made = np.empty_like(scores)
    made[order] = falling[np.flatnonzero(first)[np.cumsum(first) - 1]]
    return made
