"""Simple methods that every other one has to beat: chance, what sells, what sells now, what you had, what came next."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Sequence
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from recsys_lab.datasets import DAY_MS, Shop
from recsys_lab.recommender import Context, Floats, Rows, ScoringRecommender


class Random(ScoringRecommender):
    """Every product as likely: the floor. The same shopper at the same time gets the same list."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def _learn(self, shop: Shop) -> None:
        pass

    def _score(self, contexts: Sequence[Context]) -> Floats:
        seeds = [
            zlib.crc32(f"{context.shopper_id}|{context.now_ms}|{self.random_state}".encode()) for context in contexts
        ]
        cells = _mix(np.array(seeds, dtype=np.uint64))[:, None] + np.arange(len(self.items_), dtype=np.uint64)
        return _mix(cells).astype(np.float64) / 2.0**64


def _mix(x: NDArray[Any]) -> NDArray[Any]:
    """Scramble 64-bit numbers (the finaliser of splitmix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


class Popular(ScoringRecommender):
    """What most people click (in a shop without clicks: what most customers bought). See `Shop.popularity`."""

    def _learn(self, shop: Shop) -> None:
        self.counts_ = shop.popularity.reindex(pd.Index(self.items_)).to_numpy(dtype=np.float64)

    def _question(self, context: Context) -> Hashable:
        return ()

    def _score(self, contexts: Sequence[Context]) -> Floats:
        return np.tile(self.counts_, (len(contexts), 1))


class Recent(ScoringRecommender):
    """What was clicked (or, in a shop without clicks, bought) most in the last `days` of the training data."""

    def __init__(self, days: float = 7) -> None:
        self.days = days

    def _learn(self, shop: Shop) -> None:
        if self.days <= 0:
            raise ValueError(f"days: {self.days} is no span of time; give more than 0")
        rows = shop.events[shop.events["timestamp"] > self.fitted_until_ - self.days * DAY_MS]
        clicked = (shop.events["event_type"] == "clicked_on").any()
        rows = rows[rows["event_type"] == ("clicked_on" if clicked else "buy")]
        self.counts_ = np.bincount(self.columns(rows["item_id"].tolist()), minlength=len(self.items_)).astype(
            np.float64
        )

    def _question(self, context: Context) -> Hashable:
        return ()

    def _score(self, contexts: Sequence[Context]) -> Floats:
        return np.tile(self.counts_, (len(contexts), 1))


class RepeatPurchase(ScoringRecommender):
    """What this shopper did most often: purchases, or another `event_type`. Who did nothing gets what is popular."""

    def __init__(self, event_type: str = "buy") -> None:
        self.event_type = event_type

    def _learn(self, shop: Shop) -> None:
        rows = shop.events[shop.events["event_type"] == self.event_type]
        users = pd.Index(rows["user_id"].unique())
        self._users: dict[str, int] = {str(user): row for row, user in enumerate(users)}
        where = (users.get_indexer(pd.Index(rows["user_id"])), self.columns(rows["item_id"].tolist()))
        self.counts_ = sparse.csr_matrix((np.ones(len(rows)), where), shape=(len(users), len(self.items_)))

    def _score(self, contexts: Sequence[Context]) -> Floats:
        scores = np.zeros((len(contexts), len(self.items_)))
        for row, context in enumerate(contexts):
            if context.history is not None:
                mine = [event.item_id for event in context.history if event.event_type == self.event_type]
                columns = self.columns(mine)
                np.add.at(scores[row], columns[columns >= 0], 1.0)
            elif context.shopper_id in self._users:
                scores[row] = self.counts_[[self._users[context.shopper_id]]].toarray()[0]
        return scores


class FromProducts(ScoringRecommender):
    """Base of methods that know, for each product, which others go with it: a sparse matrix `weights_` [from, to].

    Asked from the last product of the visit; at its start, from the cart; else from the last product of earlier visits.
    """

    weights_: Any  # scipy.sparse.csr_matrix [products, products]

    def fit(self, shop: Shop) -> Self:
        """Learn from all events of `shop`."""
        self.last_ = dict(zip(shop.events["user_id"], shop.events["item_id"], strict=True))  # the last one stays
        return super().fit(shop)

    def anchors(self, context: Context) -> tuple[str, ...]:
        """The products that this method is asked from."""
        if context.session:
            return (context.session[-1].item_id,)
        if context.cart:
            return context.cart
        if context.history is None:
            return (self.last_[context.shopper_id],) if context.shopper_id in self.last_ else ()
        return (context.history[-1].item_id,) if context.history else ()

    def _question(self, context: Context) -> Hashable:
        return self.anchors(context)

    def _score(self, contexts: Sequence[Context]) -> Floats:
        asked = [self.columns(self.anchors(context)) for context in contexts]
        asked = [columns[columns >= 0] for columns in asked]
        rows = np.repeat(np.arange(len(asked)), [len(columns) for columns in asked])
        columns = np.concatenate(asked) if asked else np.zeros(0, dtype=np.int64)
        shape = (len(contexts), len(self.items_))
        query = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
        return np.asarray((query @ self.weights_).toarray(), dtype=np.float64)

    def _weights(self, rows: NDArray[Any], columns: NDArray[Any], values: Floats | float = 1.0) -> Any:
        """Sum of `values` by (row, column); shape [products, products]."""
        data = np.broadcast_to(np.asarray(values, dtype=np.float64), rows.shape)
        size = len(self.items_)
        return sparse.csr_matrix((data, (rows, columns)), shape=(size, size))


class SequentialRules(FromProducts):
    """SR (Kamehkhosh et al. 2017): each product counts what came after it in a session, 1/gap for what is `gap` on.

    `max_gap=1` is the Markov chain: what came next. With `power=2` it is 1/gap².

    >>> ring = Shop.from_sessions([["a", "b", "c"], ["b", "c", "a"]])
    >>> model = SequentialRules().fit(ring)
    >>> model.recommend(Context(None, 10**12, session=_clicks("b")), k=2).item_ids
    ('c', 'a')
    """

    def __init__(self, max_gap: int | None = None, power: float = 1.0) -> None:
        self.max_gap = max_gap
        self.power = power

    def _learn(self, shop: Shop) -> None:
        if self.max_gap is not None and self.max_gap < 1:
            raise ValueError(f"max_gap: {self.max_gap} leaves no pair; give at least 1, or None for all gaps")
        item, session = self._sequence(shop)
        longest = int(np.bincount(session).max(initial=0))
        rows, columns, values = [], [], []
        for gap in range(1, min(longest, (self.max_gap or longest) + 1)):
            same = session[gap:] == session[:-gap]
            rows.append(item[:-gap][same])
            columns.append(item[gap:][same])
            values.append(np.full(int(same.sum()), gap**-self.power))
        none = np.zeros(0, dtype=np.int64)
        self.weights_ = self._weights(
            np.concatenate([none, *rows]),
            np.concatenate([none, *columns]),
            np.concatenate([none.astype(float), *values]),
        )

    def _sequence(self, shop: Shop) -> tuple[Rows, Rows]:
        """Columns and session numbers of all clicks, sessions together, each in order."""
        clicks = shop.sequences(collapse=False, min_length=1)
        return self.columns(clicks["item_id"].tolist()), pd.factorize(clicks["session_id"])[0]


class Markov(SequentialRules):
    """What most often came next after the product that is open: `SequentialRules` with gaps of one."""

    def __init__(self) -> None:
        super().__init__(max_gap=1)


class ItemKNN(FromProducts):
    """Products that share sessions: co(i, j) / √((n_i + λ)(n_j + λ)), n = sessions with the product, λ = `shrink`.

    `within` says what has to be shared: a "session", or all that one "shopper" did. `event_type` says by which events.
    """

    def __init__(
        self, shrink: float = 20.0, event_type: str = "clicked_on", within: Literal["session", "shopper"] = "session"
    ) -> None:
        self.shrink = shrink
        self.event_type = event_type
        self.within = within

    def _learn(self, shop: Shop) -> None:
        if self.shrink < 0:
            raise ValueError(f"shrink: {self.shrink} is below 0; give 0 or more")
        key = {"session": "session_id", "shopper": "user_id"}[self.within]
        rows = shop.events.loc[shop.events["event_type"] == self.event_type, [key, "item_id"]].drop_duplicates()
        group = pd.factorize(rows[key])[0]
        shape = (int(group.max(initial=-1)) + 1, len(self.items_))
        held = sparse.csr_matrix((np.ones(len(rows)), (group, self.columns(rows["item_id"].tolist()))), shape=shape)
        shared = (held.T @ held).tocoo()
        count = np.asarray(held.sum(axis=0)).ravel() + self.shrink
        values = shared.data / np.sqrt(count[shared.row] * count[shared.col])
        values[shared.row == shared.col] = 0.0
        self.weights_ = self._weights(shared.row, shared.col, values)


def _clicks(*items: str) -> tuple[Any, ...]:
    """Clicks of one visit, for examples and tests."""
    from recsys_lab.datasets import Event

    return tuple(Event("u", item, "clicked_on", at, "s") for at, item in enumerate(items))
