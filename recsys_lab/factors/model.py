"""Matrix factorisation for implicit feedback: shoppers and products as vectors whose product says who wants what."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_lab.datasets import EVENT_TYPES, DataError, Event, Shop
from recsys_lab.item2vec import Vectors
from recsys_lab.item2vec.vectors import fill_cold, unit_rows
from recsys_lab.preferences import WEIGHTS
from recsys_lab.recommender import Context, Floats, NotFittedError, Rows, ScoringRecommender

INSTALL = 'python -m pip install "implicit>=0.7.3,<0.8"'
"""The line that installs what training needs."""

_NONE: tuple[Rows, Floats] = (np.zeros(0, dtype=np.int64), np.zeros(0))


class Factors(ScoringRecommender):
    """ALS (Hu, Koren, Volinsky 2008) or BPR (Rendle et al. 2009), trained by the library `implicit`.

    What a shopper did with a product is worth r: the sum of `weights` (event type → weight; without it those of
    chapter 02: click .2, cart .5, purchase 1, removal −.5), or with `log_counts` the logarithm of 1 + r.

    **ALS** looks for vectors x (shopper) and y (product) that make Σ c·(p − x·y)² + λ(Σ‖x‖² + Σ‖y‖²) small. Of what a
    shopper did, p = 1 and c = `base` + α·r; of all the rest, p = 0 and c = 1. Where r is below 0 (taken out of the cart
    and not bought), p = 0 with c = base + α·|r|: known not to be wanted, which says more than never seen. With base=1
    c is the paper's 1 + α·r. With base=0 it is what `implicit` itself makes of its `alpha`: there a click of r = .2
    counts *less* than a product never seen, unless α is large enough.

    **BPR** looks for vectors that put each product with r > 0 before one drawn at random from the others; how large r
    is plays no part, and neither do products with r ≤ 0. One thread, so that the same seed gives the same vectors.

    Asking: products are scored with the shopper's vector, by "dot" product (which favours popular products: their
    vectors are long) or by "cosine". A shopper with earlier visits in the context, a visit under way or a cart (each
    product in it counts as put there once) is **folded in**: the same equation is solved for their row alone. Who did
    nothing that counts gets what is popular. Products without a vector stand behind all others; with `content`
    (vectors of products by what they are) they get the mean of their `neighbours` nearest there: see `fill_cold`.

    Learned: `user_vectors_` and `item_vectors_`, labels kept with rows.

    >>> shop = Shop.from_sessions([["a", "b", "c"], ["d", "e", "f"]] * 20)
    >>> model = Factors(factors=4).fit(shop)
    >>> visit = (Event("new", "a", "clicked_on", 10**12, "v"), Event("new", "b", "clicked_on", 10**12, "v"))
    >>> sorted(model.recommend(Context("new", 10**12, session=visit), k=3).item_ids)
    ['a', 'b', 'c']
    """

    user_vectors_: Vectors
    item_vectors_: Vectors

    def __init__(
        self,
        factors: int = 64,
        regularization: float = 0.01,
        alpha: float = 1.0,
        base: float = 1.0,
        iterations: int | None = None,
        model: Literal["als", "bpr"] = "als",
        learning_rate: float = 0.01,
        weights: Mapping[str, float] | None = None,
        log_counts: bool = False,
        similarity: Literal["dot", "cosine"] = "dot",
        content: Vectors | None = None,
        neighbours: int = 5,
        random_state: int = 0,
        threads: int = 0,
    ) -> None:
        self.factors = factors
        self.regularization = regularization
        self.alpha = alpha
        self.base = base
        self.iterations = iterations  # None: 15 for ALS and 100 for BPR, as in implicit
        self.model = model
        self.learning_rate = learning_rate  # of BPR alone
        self.weights = weights
        self.log_counts = log_counts
        self.similarity = similarity
        self.content = content
        self.neighbours = neighbours
        self.random_state = random_state
        self.threads = threads  # of ALS; 0: all cores, and the same vectors on any number of them

    def _check(self) -> None:
        for name, least in {"factors": 1, "neighbours": 1, "iterations": 1, "threads": 0, "random_state": 0}.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name}: {value} is too small; give at least {least}")
        for name in ("regularization", "base", "alpha", "learning_rate"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name}: {getattr(self, name)} is not a number of 0 or more")
        if self.alpha == 0 and self.base == 0:
            raise ValueError("alpha: 0 with base=0 trusts nothing that a shopper did; give one of them more than 0")
        for name, known in {"model": ("als", "bpr"), "similarity": ("dot", "cosine")}.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: {getattr(self, name)!r} is none of {', '.join(known)}; use one of these")
        for kind, weight in (self.weights or {}).items():
            if kind not in EVENT_TYPES or not np.isfinite(weight):
                raise ValueError(
                    f"weights: {kind!r}: {weight} is no event type with a finite number; the types are"
                    f" {', '.join(EVENT_TYPES)}"
                )

    def _learn(self, shop: Shop) -> None:
        self._check()
        self._weights = dict(WEIGHTS if self.weights is None else self.weights)
        # Codes first: a label is looked up once, however many events it has.
        rows, users = pd.factorize(shop.events["user_id"], sort=True)
        item, items = pd.factorize(shop.events["item_id"])
        kind, kinds = pd.factorize(shop.events["event_type"])
        cells = (rows, self.columns(list(items))[item])
        worth = np.array([self._weights.get(str(one), 0.0) for one in kinds])[kind]
        self._sums = sparse.csr_matrix((worth, cells), shape=(len(users), len(self.items_)))
        self._row: dict[str, int] = {user: row for row, user in enumerate(users)}
        loaded = self.__dict__.pop("_loaded", None)
        self.user_vectors_, self.item_vectors_, until = loaded or (
            *self._train(np.array(users, dtype=object)),
            self.fitted_until_,
        )
        later = shop.events.loc[shop.events["timestamp"] > until, "user_id"]
        self._moved = frozenset(later.tolist())  # a loaded model folds in who did something since it was trained
        self._place_items()

    def _train(self, users: Any) -> tuple[Vectors, Vectors]:
        """Vectors of the shoppers and of the products that have an r (for BPR: one above 0)."""
        worth = self._sums.copy()  # its own arrays: what is dropped below stays in the sums
        worth.data = self._r(worth.data)
        if self.model == "bpr":
            worth.data = np.maximum(worth.data, 0.0)
        worth.eliminate_zeros()
        rows, columns = np.flatnonzero(np.diff(worth.indptr)), np.unique(worth.indices)
        ids = tuple(users[rows].tolist()), tuple(self.items_[columns].tolist())
        if not len(rows):
            none = Vectors((), np.zeros((0, self._width), dtype=np.float32))
            return none, none
        matrix = sparse.csr_matrix(worth[rows][:, columns])
        matrix.sort_indices()
        matrix.data = np.sign(matrix.data) * self._confidence(matrix.data)
        trained, threadpool_limits = self._implicit()
        with threadpool_limits(1, "blas"):  # beside implicit's own threads, more of them only get in its way
            trained.fit(matrix.astype(np.float32), show_progress=False)
        return Vectors(ids[0], trained.user_factors), Vectors(ids[1], trained.item_factors)

    def _implicit(self) -> tuple[Any, Any]:
        """implicit's own model, not yet fitted, and what holds numpy's threads back."""
        try:
            from implicit.cpu.als import AlternatingLeastSquares
            from implicit.cpu.bpr import BayesianPersonalizedRanking
            from threadpoolctl import threadpool_limits
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"training factors needs implicit: {INSTALL}", name=error.name) from error
        shared = {"factors": self.factors, "regularization": self.regularization, "random_state": self.random_state}
        with threadpool_limits(1, "blas"):  # implicit warns when it finds more
            if self.model == "bpr":
                rate, rounds = self.learning_rate, self.iterations or 100
                model = BayesianPersonalizedRanking(learning_rate=rate, iterations=rounds, num_threads=1, **shared)
            else:  # its alpha stays 1: α is in the matrix already
                model = AlternatingLeastSquares(iterations=self.iterations or 15, num_threads=self.threads, **shared)
        return model, threadpool_limits

    @property
    def _width(self) -> int:
        return self.factors + (self.model == "bpr")  # BPR's last number is the product's own appeal, the shopper's is 1

    def _r(self, sums: Floats) -> Floats:
        """What sums of weights are worth."""
        exact = np.round(sums, 9)  # .2 + .3 − .5 is nothing, and has to be exactly that
        return np.sign(exact) * np.log1p(np.abs(exact)) if self.log_counts else exact

    def _confidence(self, r: Floats) -> Floats:
        return self.base + self.alpha * np.abs(r)

    def _place_items(self) -> None:
        """The products' vectors in the order of the columns of scores, and the part of the equation they all share."""
        filled = self.item_vectors_
        if self.content is not None and len(filled):
            filled = fill_cold(filled, self.content, self.neighbours, scaled=False)  # their length counts
        self._known = np.array([item in filled for item in self.items_], dtype=bool)
        self._items: Floats = np.zeros((len(self.items_), self._width))
        for at, vector in enumerate(filled.column(self.items_)):
            if vector is not None:
                self._items[at] = vector
        self._shared = self._items.T @ self._items + self.regularization * np.eye(self._width)

    def shopper_vector(self, context: Context) -> Floats:
        """The vector of who asks; shape [factors] (BPR: one more). Zeros when nothing they did counts."""
        key = self._question(context)
        if isinstance(key, str):
            return np.asarray(self.user_vectors_[key], dtype=np.float64)
        columns, r = self._done(context)
        if not len(columns):
            return np.zeros(self._width)
        return self._follow(columns, r) if self.model == "bpr" else self._solve(self._shared, self._items[columns], r)

    def _question(self, context: Context) -> Hashable:
        """The shopper's id where the trained vector holds, else all that they did."""
        fresh = context.history is not None or context.session or context.cart or context.shopper_id in self._moved
        if not fresh and context.shopper_id in self.user_vectors_:
            return context.shopper_id
        columns, r = self._done(context)
        return (*columns.tolist(), *r.tolist())

    def _done(self, context: Context) -> tuple[Rows, Floats]:
        """The columns of the products that count, and r of each."""
        sums: dict[int, float] = {}
        row = self._row.get(context.shopper_id or "")
        if context.history is None and row is not None:
            mine = self._sums[[row]]
            sums = dict(zip(mine.indices.tolist(), mine.data.tolist(), strict=True))
        in_cart = {event.item_id for event in context.session if event.event_type == "put_to_cart"}
        happened = [(event.item_id, event.event_type) for event in (*(context.history or ()), *context.session)]
        happened += [(item, "put_to_cart") for item in context.cart if item not in in_cart]
        for item, kind in happened:
            column = self._column.get(item, -1)
            if column >= 0 and self._known[column]:
                sums[column] = sums.get(column, 0.0) + self._weights.get(kind, 0.0)
        if not sums:
            return _NONE
        columns = np.array(sorted(sums), dtype=np.int64)
        r = self._r(np.array([sums[column] for column in columns.tolist()]))
        counts = (r > 0 if self.model == "bpr" else r != 0) & self._known[columns]
        return columns[counts], r[counts]

    def _solve(self, shared: Floats, rows: Floats, r: Floats) -> Floats:
        """The ALS equation for one row: (YᵀY + λI + Σ(c − 1)·y·yᵀ)·x = Σ c·p·y over what was done; shape [factors]."""
        confidence = self._confidence(r)
        left = shared + (rows * (confidence - 1)[:, None]).T @ rows
        return np.asarray(np.linalg.solve(left, rows.T @ np.where(r > 0, confidence, 0.0)))

    def _follow(self, columns: Rows, r: Floats) -> Floats:
        """BPR for one shopper, products held still: each round, each product against one drawn from the others."""
        rng = np.random.default_rng(self.random_state)
        others = np.setdiff1d(np.flatnonzero(self._known), columns)
        x = np.append(np.zeros(self.factors), 1.0)
        for _ in range((self.iterations or 100) if len(others) else 0):
            ahead = self._items[columns] - self._items[others[rng.integers(len(others), size=len(columns))]]
            pull = ahead.T @ (1 / (1 + np.exp(ahead @ x))) - self.regularization * len(columns) * x
            x[:-1] += self.learning_rate * pull[:-1]
        return x

    def product_vectors(self, events: Sequence[Event]) -> Vectors:
        """Fold in products: their vectors by ALS from a few `events` of shoppers with a vector, all others held still.

        Products for which no event of such a shopper counts are left out. Give them to `take_in` to recommend them.
        Raises `ValueError` for BPR, which has no such equation: use `content` there.
        """
        self._fitted()
        if self.model != "als":
            raise ValueError("product_vectors: BPR has no equation for one product; give `content`, or train again")
        sums: dict[str, dict[str, float]] = {}
        for event in events:
            mine = sums.setdefault(event.item_id, {})
            mine[event.user_id] = mine.get(event.user_id, 0.0) + self._weights.get(event.event_type, 0.0)
        users = np.asarray(self.user_vectors_.matrix, dtype=np.float64)
        shared = users.T @ users + self.regularization * np.eye(self._width)
        made: dict[str, Floats] = {}
        for item, by_user in sums.items():
            known = [user for user in by_user if user in self.user_vectors_]
            r = self._r(np.array([by_user[user] for user in known]))
            if r.any():
                rows = np.array([self.user_vectors_[user] for user in known], dtype=np.float64)
                made[item] = self._solve(shared, rows[r != 0], r[r != 0])
        matrix = np.array(list(made.values()), dtype=np.float32).reshape(len(made), self._width)
        return Vectors(tuple(made), matrix)

    def take_in(self, vectors: Vectors) -> Self:
        """Put `vectors` of products in the place of those learned, and recommend by them from now on.

        Raises `ValueError` for vectors of another length and for products that the shop did not have in `fit`.
        """
        self._fitted()
        strange = [item for item in vectors.ids if item not in self._column]
        if strange:
            raise ValueError(f"vectors: the shop had no {strange[0]!r} when fit saw it; fit or load with a newer shop")
        if len(vectors) and vectors.dim != self._width:
            raise ValueError(
                f"vectors: they have {vectors.dim} numbers and this model {self._width}; fold them in again"
            )
        matrix = self.item_vectors_.matrix.copy()
        place = {item: row for row, item in enumerate(self.item_vectors_.ids)}
        for item in vectors.ids:
            if item in place:
                matrix[place[item]] = vectors[item]
        new = [item for item in vectors.ids if item not in place]
        more = np.array([vectors[item] for item in new], dtype=matrix.dtype).reshape(len(new), self._width)
        self.item_vectors_ = Vectors((*self.item_vectors_.ids, *new), np.concatenate([matrix, more]))
        self._place_items()
        return self

    def _score(self, contexts: Sequence[Context]) -> Floats:
        asked = np.array([self.shopper_vector(context) for context in contexts]).reshape(len(contexts), self._width)
        cosine = self.similarity == "cosine"
        listed = unit_rows(self._items) if cosine else self._items
        scores = np.round((unit_rows(asked) if cosine else asked) @ listed.T, 9)  # the same however many are asked
        if self._known.any() and not self._known.all():
            some = asked.any(axis=1)
            scores[np.ix_(some, ~self._known)] = scores[np.ix_(some, self._known)].min(axis=1, keepdims=True)
        return np.asarray(scores)

    def _fitted(self) -> None:
        if not hasattr(self, "user_vectors_"):
            raise NotFittedError("Factors has not learned anything yet: call .fit(shop) first")

    def save(self, folder: Path) -> list[Path]:
        """Write user_vectors and item_vectors (npy and json each), then settings.json; returns the paths. No pickle."""
        self._fitted()
        paths = [*self.user_vectors_.save(Path(folder), "user_vectors")]
        paths += self.item_vectors_.save(Path(folder), "item_vectors")
        names = [name for name in vars(self) if not name.startswith("_") and not name.endswith("_")]
        parameters = {name: getattr(self, name) for name in names if name != "content"}
        if self.weights is not None:
            parameters["weights"] = dict(self.weights)
        held = {"method": "Factors", "parameters": parameters, "fitted_until": self.fitted_until_}
        held["vectors"] = [self.user_vectors_.fingerprint, self.item_vectors_.fingerprint]
        paths.append(Path(folder) / "settings.json")
        paths[-1].write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")
        return paths

    @classmethod
    def load(cls, folder: Path, shop: Shop, content: Vectors | None = None) -> Self:
        """What `save` wrote, ready to recommend the products of `shop`; nothing is trained, implicit is not needed.

        Shoppers of `shop` whom the model does not know, or who did something since, are folded in when they ask.
        Raises `DataError` for files that are missing, damaged, or not of one model.
        """
        users, items = Vectors.load(folder, "user_vectors"), Vectors.load(folder, "item_vectors")
        try:
            held = json.loads((Path(folder) / "settings.json").read_text(encoding="utf-8"))
            model, until = cls(**held["parameters"], content=content), int(held["fitted_until"])
            together = held["vectors"] == [users.fingerprint, items.fingerprint]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{folder}: settings.json cannot be read ({type(error).__name__}: {error}); save the model again"
            ) from error
        if not together:
            raise DataError(
                f"{folder}: user_vectors, item_vectors and settings.json are not of one model; save it again"
            )
        model._loaded = (users, items, until)  # type: ignore[attr-defined]
        model.fit(shop)
        model.fitted_until_ = max(until, model.fitted_until_)
        return model
