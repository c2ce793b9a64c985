"""From one product to the next: what came after it, what it shares sessions with."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from recsys_lab.datasets import Shop
from recsys_lab.recommender import Context, Floats, Rows, ScoringRecommender


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

    def shares(self, anchors: Sequence[str]) -> Floats:
        """How much each of the `anchors` counts."""
        return np.ones(len(anchors))

    def _question(self, context: Context) -> Hashable:
        return self.anchors(context)

    def _score(self, contexts: Sequence[Context]) -> Floats:
        asked = [self.anchors(context) for context in contexts]
        columns = self.columns([item for anchors in asked for item in anchors])
        values = np.concatenate([np.zeros(0), *(self.shares(anchors) for anchors in asked)])
        rows = np.repeat(np.arange(len(asked)), [len(anchors) for anchors in asked])
        known = columns >= 0
        shape = (len(contexts), len(self.items_))
        query = sparse.csr_matrix((values[known], (rows[known], columns[known])), shape=shape)
        return np.asarray((query @ self.weights_).toarray(), dtype=np.float64)

    def _weights(self, rows: NDArray[Any], columns: NDArray[Any], values: Floats | float = 1.0) -> Any:
        """Sum of `values` by (row, column); shape [products, products]."""
        data = np.broadcast_to(np.asarray(values, dtype=np.float64), rows.shape)
        size = len(self.items_)
        return sparse.csr_matrix((data, (rows, columns)), shape=(size, size))

    def _held(self, groups: pd.Series[str], items: pd.Series[str]) -> Any:
        """How often each group (a session, a shopper) has each product; shape [groups, products]."""
        group = pd.factorize(groups)[0]
        shape = (int(group.max(initial=-1)) + 1, len(self.items_))
        return sparse.csr_matrix((np.ones(len(group)), (group, self.columns(items.tolist()))), shape=shape)


class SequentialRules(FromProducts):
    """SR (Kamehkhosh et al. 2017): each product counts what came after it in a session, 1/gap for what is `gap` on.

    `max_gap=1` is the Markov chain: what came next. With `power=2` it is 1/gap². It is asked from the last product of
    the visit; with `decay` from all of them, each step back counting `decay` times as much, which helps where people
    return to products.

    >>> ring = Shop.from_sessions([["a", "b", "c"], ["b", "c", "a"]])
    >>> model = SequentialRules().fit(ring)
    >>> model.recommend(Context(None, 10**12, session=_clicks("b")), k=2).item_ids
    ('c', 'a')
    """

    def __init__(self, max_gap: int | None = None, power: float = 1.0, decay: float = 0.0) -> None:
        self.max_gap = max_gap
        self.power = power
        self.decay = decay

    def anchors(self, context: Context) -> tuple[str, ...]:
        """The last product; with `decay` all products of the visit, in order."""
        if self.decay and context.session:
            return tuple(event.item_id for event in context.session)
        return super().anchors(context)

    def shares(self, anchors: Sequence[str]) -> Floats:
        """1 for the last, `decay` for the one before it, and so on; where nothing decays, 1 for each."""
        steps_back = np.arange(len(anchors))[::-1]
        return self.decay**steps_back if self.decay else np.ones(len(anchors))

    def _learn(self, shop: Shop) -> None:
        if not 0 <= self.decay <= 1:
            raise ValueError(f"decay: {self.decay} is not from 0 (the last product alone) to 1 (all alike)")
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


class AssociationRules(FromProducts):
    """AR (Ludewig and Jannach 2018): each product counts the clicks on others in the sessions that it is in.

    weight(i, j) = Σ over sessions of n_i·n_j, with n_i the clicks on i in the session: every pair of clicks counts one,
    whichever came first. That is co-occurrence; what `SequentialRules` adds to it is order and distance.

    >>> ring = Shop.from_sessions([["a", "b", "c"], ["b", "c", "a"], ["c", "b"]])
    >>> model = AssociationRules().fit(ring)
    >>> listed = model.recommend(Context(None, 10**12, session=_clicks("b"), viewed="b"), k=2)
    >>> listed.item_ids, listed.scores
    (('c', 'a'), (3.0, 2.0))
    """

    def _learn(self, shop: Shop) -> None:
        clicks = shop.events.loc[shop.events["event_type"] == "clicked_on", ["session_id", "item_id"]]
        held = self._held(clicks["session_id"], clicks["item_id"])
        shared = (held.T @ held).tocoo()
        values = np.where(shared.row == shared.col, 0.0, shared.data)
        self.weights_ = self._weights(shared.row, shared.col, values)


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
        held = self._held(rows[key], rows["item_id"])
        shared = (held.T @ held).tocoo()
        count = np.asarray(held.sum(axis=0)).ravel() + self.shrink
        values = shared.data / np.sqrt(count[shared.row] * count[shared.col])
        values[shared.row == shared.col] = 0.0
        self.weights_ = self._weights(shared.row, shared.col, values)


def _clicks(*items: str) -> tuple[Any, ...]:
    """Clicks of one visit, for examples and tests."""
    from recsys_lab.datasets import Event

    return tuple(Event("u", item, "clicked_on", at, "s") for at, item in enumerate(items))
