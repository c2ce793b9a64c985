"""The patterns as recommenders, so that boards can judge them: trained, exported, and asked of a store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np

from recsys_lab.datasets import Shop
from recsys_lab.factors import Factors
from recsys_lab.filters import Filter, field
from recsys_lab.patterns.export import Points, item_points, shopper_points
from recsys_lab.patterns.nightly import sales_factors
from recsys_lab.patterns.patterns import Patterns
from recsys_lab.recommender import NOTHING, Context, Floats, Labels, NotFittedError, Recommendations
from recsys_lab.stores import BaseStore, open_store, refresh


class OverStore:
    """Base of recommenders over a store: they write `_ask` for one context, this does the rest.

    `url` is the address of the store, `settings` are parameters of `Factors`. What the context tells (this visit, its
    cart, earlier visits) is folded into the shopper's vector; who did nothing gets what is popular. Pickled without its
    store: whoever loads it opens the address again, and writes what was learned.

    Learned: `model_`, `points_` (what is in the store, by collection), `fitted_until_`.
    """

    model_: Factors
    points_: dict[str, Points]
    fitted_until_: int
    _patterns: Patterns | None = None
    _store: BaseStore | None = None

    def __init__(self, url: str = "memory://", settings: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self.settings = settings

    def fit(self, shop: Shop) -> Self:
        """Train on all events of `shop`; the next question writes the collections."""
        self.close()
        self.model_ = (self._usual() if self.settings is None else Factors(**self.settings)).fit(shop)
        self.fitted_until_ = self.model_.fitted_until_
        items = item_points(self.model_, shop)
        self._newest = max((payload.get("launched_at", 0) for payload in items.payloads), default=0)
        self.points_ = {"items": items, **self._more(shop)}
        return self

    def _usual(self) -> Factors:
        return sales_factors()

    def _more(self, shop: Shop) -> dict[str, Points]:
        return {}

    def _ask(self, ask: Patterns, context: Context, k: int, where: Filter | None, out: set[str]) -> Recommendations:
        raise NotImplementedError

    def recommend(self, context: Context, k: int = 10, exclude: Collection[str] = ()) -> Recommendations:
        """At most `k` products for one context."""
        ids, scores = self.recommend_many([context], k, [exclude])
        kept = ids[0] != NOTHING
        return Recommendations(tuple(ids[0][kept].tolist()), tuple(scores[0][kept].tolist()))

    def recommend_many(
        self, contexts: Sequence[Context], k: int = 10, exclude: Sequence[Collection[str]] | None = None
    ) -> tuple[Labels, Floats]:
        """Ids [n, k] and scores [n, k], best first; one question after the other, as a shop would ask."""
        if not hasattr(self, "model_"):
            raise NotFittedError(f"{type(self).__name__} has not learned anything yet: call .fit(shop) first")
        if exclude is not None and len(exclude) != len(contexts):
            raise ValueError(f"exclude: {len(exclude)} collections for {len(contexts)} contexts; give one for each")
        from threadpoolctl import threadpool_limits  # implicit, which trained the model, cannot do without it either

        ids, scores = np.full((len(contexts), k), NOTHING, dtype=object), np.full((len(contexts), k), -np.inf)
        with threadpool_limits(1, "blas"):  # folding in solves small equations: threads would wait for each other
            for row, context in enumerate(contexts):
                found = self._answer(context, k, () if exclude is None else exclude[row])
                ids[row, : len(found)], scores[row, : len(found)] = found.item_ids, found.scores
        return ids, scores

    def _answer(self, context: Context, k: int, exclude: Collection[str]) -> Recommendations:
        if isinstance(exclude, str):
            raise TypeError(f"exclude: {exclude!r} is a text; put it in a list")
        where = context.where
        if context.now_ms < self._newest:
            launched = field("launched_at") <= int(context.now_ms)
            where = launched if where is None else launched & where
        out = {*context.cart, *exclude, *(() if context.viewed is None else (context.viewed,))}
        return self._ask(self._opened(), context, k, where, out)

    def _opened(self) -> Patterns:
        """The patterns over the store, which is opened and written at the first question."""
        if self._patterns is None:
            self._store = open_store(self.url)
            made = {}
            for what, points in self.points_.items():
                name, metric = f"{type(self).__name__.lower()}_{what}", "dot" if what == "items" else "cosine"
                longest, dim = points.longest * (1 + 1e-5), points.vectors.shape[1]
                refresh(self._store, name, points.write, dim, metric, max_norm=longest or 1.0, smallest=0.0, keep=0)  # type: ignore[arg-type]
                made[what] = self._store.alias(name).collection()
            self._patterns = Patterns(made["items"], made.get("shoppers"))
        return self._patterns

    def close(self) -> None:
        """Let go of the store; the next question opens it again."""
        if self._store is not None:
            self._store.close()
        self._store = self._patterns = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_store", "_patterns")}


class ForYou(OverStore):
    """`Patterns.for_you`: the products nearest to the shopper's vector, what they own among them.

    The list of `Factors` with the same settings, from a database.
    """

    def _ask(self, ask: Patterns, context: Context, k: int, where: Filter | None, out: set[str]) -> Recommendations:
        return ask.for_you(self.model_.shopper_vector(context), k, where, out)


class AlsoBought(OverStore):
    """`Patterns.also_bought`: what goes with the cart, whoever asks; without a cart, what is for them.

    Trained with all that shoppers click (the weights of chapter 02, where a click is the fifth of a purchase), since
    what one looks at together is what one buys together. (Tuning week: HR@10 for a hidden product of the basket.)
    """

    def _usual(self) -> Factors:
        return Factors(256, regularization=10.0)

    def _ask(self, ask: Patterns, context: Context, k: int, where: Filter | None, out: set[str]) -> Recommendations:
        known = [item for item in dict.fromkeys(context.cart) if item in self.model_.item_vectors_]
        if known:
            return ask.also_bought(known, k, where, out)
        return ask.for_you(self.model_.shopper_vector(context), k, where, out)


class TheyBought(OverStore):
    """`Patterns.they_bought`: what the `neighbours` nearest shoppers bought, themselves left out.

    `owned=False` leaves out what the shopper bought, as a surface for discoveries does.
    """

    def __init__(
        self,
        url: str = "memory://",
        settings: Mapping[str, Any] | None = None,
        neighbours: int = 200,
        owned: bool = True,
    ) -> None:
        super().__init__(url, settings)
        self.neighbours = neighbours
        self.owned = owned

    def _more(self, shop: Shop) -> dict[str, Points]:
        people = shopper_points(self.model_, shop)
        self._owned = {user: payload["owned"] for user, payload in zip(people.ids, people.payloads, strict=True)}
        return {"shoppers": people}

    def _ask(self, ask: Patterns, context: Context, k: int, where: Filter | None, out: set[str]) -> Recommendations:
        vector, shopper = self.model_.shopper_vector(context), context.shopper_id
        if not self.owned:
            out |= self._bought(context)
        if not vector.any():
            return ask.for_you(vector, k, where, out)
        near = ask.lookalikes(vector, self.neighbours, exclude=[] if shopper is None else [shopper])
        return ask.bought_by(near, k, where, out)

    def _bought(self, context: Context) -> set[str]:
        told = {event.item_id for event in (*(context.history or ()), *context.session) if event.event_type == "buy"}
        if context.history is None:
            told.update(self._owned.get(context.shopper_id or "", ()))
        return told
