"""What every method of the course is: a `Recommender` that answers a `Context` with `Recommendations`."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.datasets import Event, Shop
from recsys_lab.filters import Filter

Floats = NDArray[np.floating[Any]]
Rows = NDArray[np.int64]
Labels = NDArray[np.object_]

NOTHING = ""
"""Stands in a table of lists where a list is shorter than asked for; its score is -inf."""

_CHUNK_CELLS = 8_000_000  # scores held at once by recommend_many: 64 MB


class NotFittedError(RuntimeError):
    """A recommender was asked before it was fitted."""


@dataclass(frozen=True)
class Context:
    """What is known when we recommend."""

    shopper_id: str | None
    now_ms: int
    session: tuple[Event, ...] = ()
    """This visit so far, oldest first."""
    history: tuple[Event, ...] | None = None
    """Earlier visits, oldest first; None = what `fit` saw."""
    cart: tuple[str, ...] = ()
    viewed: str | None = None
    """The product that is open; no list holds it, nor what is in the cart."""
    where: Filter | None = None

    def __post_init__(self) -> None:
        if isinstance(self.now_ms, bool) or not isinstance(self.now_ms, int | np.integer):
            raise TypeError(f"now_ms: {self.now_ms!r} is not a whole number of milliseconds since 1970")
        for name in ("session", "history", "cart"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise TypeError(f"{name}: {value!r} is a text; give a tuple, for one product ({value!r},)")
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
        for name in ("session", "history"):
            if any(not isinstance(event, Event) for event in (getattr(self, name) or ())[:1]):
                raise TypeError(f"{name}: {getattr(self, name)[0]!r} is no Event; see recsys_lab.datasets.as_events")
        if self.where is not None and not isinstance(self.where, Filter):
            raise TypeError(f'where: {self.where!r} is no filter; write field("price") <= 20')


@dataclass(frozen=True)
class Recommendations:
    """A list of products with their scores, best first.

    `parts`, where the method can say so, splits each score into named terms that add up to it.

    >>> Recommendations(("a", "b"), (2.0, 0.5), parts={"price": (1.5, 0.5), "text": (0.5, 0.0)}).explain()
      item_id  score  price  text
    0       a    2.0    1.5   0.5
    1       b    0.5    0.5   0.0
    """

    item_ids: tuple[str, ...]
    scores: tuple[float, ...]
    parts: dict[str, tuple[float, ...]] | None = None

    def __len__(self) -> int:
        return len(self.item_ids)

    def to_frame(self, products: pd.DataFrame | None = None) -> pd.DataFrame:
        """One row a product with `item_id` and `score`, and the columns of `products` beside them."""
        frame = pd.DataFrame({"item_id": list(self.item_ids), "score": list(self.scores)})
        return frame if products is None else frame.merge(products, on="item_id", how="left", suffixes=("", "_product"))

    def explain(self) -> pd.DataFrame:
        """The list with the terms of each score. Raises `ValueError` where the method has no terms to show."""
        if self.parts is None:
            raise ValueError("this method does not split its scores, so there is nothing to explain; use .to_frame()")
        return self.to_frame().assign(**{name: list(values) for name, values in self.parts.items()})


@runtime_checkable
class Recommender(Protocol):
    """Learns from a shop and recommends. Learned state ends in `_`; nothing is computed in `__init__`."""

    def fit(self, shop: Shop) -> Self:
        """Learn from all events of `shop`."""
        ...

    def recommend(self, context: Context, k: int = 10, exclude: Collection[str] = ()) -> Recommendations:
        """At most `k` products for one context, none of `exclude` among them."""
        ...

    def recommend_many(
        self, contexts: Sequence[Context], k: int = 10, exclude: Sequence[Collection[str]] | None = None
    ) -> tuple[Labels, Floats]:
        """Ids [n, k] and scores [n, k], best first; `exclude` holds a collection for each context, or is None."""
        ...


def top_k(scores: Floats, k: int) -> tuple[Rows, Floats]:
    """Columns and scores of the `k` highest in each row; shape [n, k] each.

    **Ties fall to the column that stands first.** Put the columns in `Shop.tie_order` (popularity, then id) and
    every method settles its ties alike. -inf is never chosen: rows that run out end in column -1, score -inf.

    >>> columns, best = top_k(np.array([[1.0, 3.0, 3.0, -np.inf]]), k=4)
    >>> columns.tolist(), best.tolist()
    ([[1, 2, 0, -1]], [[3.0, 3.0, 1.0, -inf]])
    """
    if k < 1:
        raise ValueError(f"k: {k} is not a length of a list; ask for at least 1")
    if np.isnan(scores).any():
        raise ValueError("scores: a score is NaN; a recommender has to score every product or give it -inf")
    n, width = scores.shape
    if width == 0:
        return np.full((n, k), -1), np.full((n, k), -np.inf)
    kept = min(k, width)
    floor = np.partition(scores, width - kept, axis=1)[:, width - kept, None]
    above = scores > floor
    level = scores == floor
    level &= np.cumsum(level, axis=1) <= kept - above.sum(axis=1, keepdims=True)
    columns = np.nonzero(above | level)[1].reshape(n, kept)
    best = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    columns, best = np.take_along_axis(columns, order, axis=1), np.take_along_axis(best, order, axis=1)
    columns[np.isneginf(best)] = -1
    if kept < k:
        columns = np.pad(columns, ((0, 0), (0, k - kept)), constant_values=-1)
        best = np.pad(best, ((0, 0), (0, k - kept)), constant_values=-np.inf)
    return columns, best


class ScoringRecommender:
    """Base of recommenders that give every product a score: they write `_learn` and `_score`, this does the rest.

    The rest is: labels in and out, ties, what may not be listed (the open product, the cart, `exclude`, products
    that fail the context's filter or are launched later), and answering equal questions once.

    Learned: `items_` (ids in tie order; columns of every score), `fitted_until_` (time of the last event seen, ms).
    """

    items_: Labels
    fitted_until_: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Whoever scores in another way asks other questions: an inherited `_question` would mix up the answers."""
        super().__init_subclass__(**kwargs)
        if "_score" in vars(cls) and "_question" not in vars(cls):
            cls._question = ScoringRecommender._question  # type: ignore[method-assign]

    def fit(self, shop: Shop) -> Self:
        """Learn from all events of `shop`."""
        self.items_ = shop.tie_order
        self._column: dict[str, int] = {item: column for column, item in enumerate(self.items_)}
        self.fitted_until_ = int(shop.events["timestamp"].max()) if len(shop.events) else -1
        self._products = shop.products.set_index("item_id", drop=False).loc[self.items_.tolist()]
        self._launched = None
        if "launched_at" in self._products.columns:
            self._launched = self._products["launched_at"].to_numpy(dtype=np.int64)
        self._learn(shop)
        return self

    def _learn(self, shop: Shop) -> None:
        raise NotImplementedError

    def _score(self, contexts: Sequence[Context]) -> Floats:
        """Scores [contexts, items_]; higher is better, -inf never."""
        raise NotImplementedError

    def _question(self, context: Context) -> Hashable:
        """What the scores depend on, so that equal questions are answered once; None = never the same."""
        return None

    def columns(self, items: Sequence[str]) -> Rows:
        """Columns of products by label; -1 for a product that `fit` did not see."""
        return np.array([self._column.get(item, -1) for item in items], dtype=np.int64)

    def recommend(self, context: Context, k: int = 10, exclude: Collection[str] = ()) -> Recommendations:
        """At most `k` products for one context."""
        ids, scores = self.recommend_many([context], k, [exclude])
        kept = ids[0] != NOTHING
        return Recommendations(tuple(ids[0][kept].tolist()), tuple(scores[0][kept].tolist()))

    def recommend_many(
        self, contexts: Sequence[Context], k: int = 10, exclude: Sequence[Collection[str]] | None = None
    ) -> tuple[Labels, Floats]:
        """Ids [n, k] and scores [n, k], best first."""
        if not hasattr(self, "items_"):
            raise NotFittedError(f"{type(self).__name__} has not learned anything yet: call .fit(shop) first")
        if exclude is not None and any(isinstance(one, str) for one in exclude):
            raise TypeError("exclude: a text is no collection of products; put it in a list")
        if exclude is not None and len(exclude) != len(contexts):
            raise ValueError(f"exclude: {len(exclude)} collections for {len(contexts)} contexts; give one for each")
        asked, place = self._distinct(contexts, exclude)
        rows, scores = np.empty((len(asked), k), dtype=np.int64), np.empty((len(asked), k))
        step = max(1, _CHUNK_CELLS // max(1, len(self.items_)))
        for start in range(0, len(asked), step):
            numbers = asked[start : start + step]
            chunk = [contexts[number] for number in numbers]
            values = np.array(self._score(chunk), dtype=np.float64)
            if values.shape != (len(chunk), len(self.items_)):
                raise ValueError(
                    f"{type(self).__name__}._score gave shape {values.shape}; it has to be {len(chunk)} contexts by"
                    f" {len(self.items_)} products, columns in the order of self.items_"
                )
            self._forbid(values, chunk, None if exclude is None else [exclude[number] for number in numbers])
            rows[start : start + step], scores[start : start + step] = top_k(values, k)
        labels = np.append(self.items_, NOTHING)  # -1 is the last
        return labels[rows[place]], scores[place]

    def _distinct(
        self, contexts: Sequence[Context], exclude: Sequence[Collection[str]] | None
    ) -> tuple[list[int], Rows]:
        """Numbers of the contexts that have to be answered, and for every context the place of its answer."""
        asked: list[int] = []
        known: dict[Hashable, int] = {}
        place = np.empty(len(contexts), dtype=np.int64)
        launches = None if self._launched is None else np.sort(self._launched)
        for number, context in enumerate(contexts):
            question = self._question(context)
            if question is None or context.where is not None or (exclude is not None and exclude[number]):
                place[number] = len(asked)
                asked.append(number)
                continue
            shelf = 0 if launches is None else int(np.searchsorted(launches, context.now_ms, side="right"))
            key = (question, shelf, context.viewed, context.cart)
            if key not in known:
                known[key] = len(asked)
                asked.append(number)
            place[number] = known[key]
        return asked, place

    def _forbid(self, scores: Floats, contexts: Sequence[Context], exclude: Sequence[Collection[str]] | None) -> None:
        """Give -inf to what may not be listed, in place."""
        if self._launched is not None:
            now = np.array([context.now_ms for context in contexts], dtype=np.int64)
            scores[self._launched[None, :] > now[:, None]] = -np.inf
        for row, context in enumerate(contexts):
            out = {*context.cart, *(() if context.viewed is None else (context.viewed,))}
            if exclude is not None:
                out.update(exclude[row])
            if out:
                columns = self.columns(sorted(out))
                scores[row, columns[columns >= 0]] = -np.inf
            if context.where is not None:
                scores[row, ~context.where.mask(self._products)] = -np.inf


def name_of(recommender: Any) -> tuple[str, dict[str, Any]]:
    """The class name of a recommender and its parameters: what `__init__` was given, nothing learned."""
    public = {name: value for name, value in vars(recommender).items() if not name.startswith("_")}
    return type(recommender).__name__, {name: value for name, value in public.items() if not name.endswith("_")}
