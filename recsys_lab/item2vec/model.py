"""item2vec: the words of word2vec are products, its sentences are visits (Barkan & Koenigstein 2016)."""

from __future__ import annotations

import json
import platform
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_lab.datasets import DataError, Event, Shop
from recsys_lab.item2vec.vectors import Vectors, fill_cold, unit_rows
from recsys_lab.recommender import Context, Floats, NotFittedError, ScoringRecommender

INSTALL = 'python -m pip install "gensim>=4.4,<5"'
"""The line that installs what training needs."""

_LONGEST = 10_000  # gensim reads no further into a sentence, and does not say so

Pairs = tuple[tuple[str, float], ...]


def sequences(shop: Shop, min_length: int = 2, event_type: str = "clicked_on") -> list[list[str]]:
    """The visits as lists of product ids, in the order of their start.

    Consecutive repeats of a product are removed *before* visits that are too short are dropped.

    >>> sequences(Shop.from_sessions([["a", "a", "b"], ["c", "c"]]))
    [['a', 'b']]
    """
    rows = shop.sequences(event_type, min_length=min_length)
    pairs = zip(rows["session_id"].tolist(), rows["item_id"].tolist(), strict=True)
    return [[item for _, item in visit] for _, visit in groupby(pairs, key=lambda pair: pair[0])]


class Item2Vec(ScoringRecommender):
    """Skip-gram with negative sampling on visits (Barkan & Koenigstein, arXiv 1603.04259), trained by gensim.

    Training: each pair of products within `window` steps of a visit is a positive; `window=None` takes all pairs of a
    visit, as the paper does. `shrink_windows=True` draws each window from 1 to `window` (gensim's own default), so
    that near products count more. `negative` products are drawn as negatives, in proportion to count ** `ns_exponent`;
    `sample` leaves out a part of the frequent ones (0: none). `skip_gram=False` is CBOW. `side` names a column of
    products: its value becomes a token after each product, so that rare products learn from their kind. (The tokens
    take up room in the window: 3 products to each side need `window=6` then.)

    Asking: `ask="cosine"` compares the vectors of products: what is *like* this. `ask="next"` multiplies them with the
    output vectors: what stands *beside* this. It is asked from the "last" product of the visit, or from the "mean" or
    "decayed" mean of all of them (each step back counts `decay` times as much). Where the visit has no product with a
    vector: from the cart, then from the last earlier visit; then what is popular comes first.

    A product without a vector is never listed, except where nothing is known about the shopper. With `content`
    (vectors of all products by what they are) it gets a vector from its `neighbours` nearest there: see `fill_cold`.

    Learned: `vectors_` and `out_vectors_` (products with events alone), `last_visits_` (products by shopper). One
    worker and one `random_state` give the same vectors each time; more workers are faster and do not.

    >>> shop = Shop.from_sessions([["a", "b", "c"], ["d", "e", "f"]] * 100)
    >>> model = Item2Vec(dim=8, negative=2, sample=0).fit(shop)
    >>> sorted(model.vectors_.nearest("a", k=2).item_ids), len(model.vectors_)
    (['b', 'c'], 6)
    """

    def __init__(
        self,
        dim: int = 64,
        window: int | None = None,
        epochs: int = 20,
        negative: int = 15,
        ns_exponent: float = 0.75,
        sample: float = 1e-3,
        min_count: int = 1,
        shrink_windows: bool = False,
        skip_gram: bool = True,
        ask: Literal["cosine", "next"] = "cosine",
        session: Literal["last", "mean", "decayed"] = "last",
        decay: float = 0.7,
        side: str | None = None,
        content: Vectors | None = None,
        neighbours: int = 5,
        event_type: str = "clicked_on",
        random_state: int = 0,
        workers: int = 1,
    ) -> None:
        self.dim = dim
        self.window = window
        self.epochs = epochs
        self.negative = negative
        self.ns_exponent = ns_exponent
        self.sample = sample
        self.min_count = min_count
        self.shrink_windows = shrink_windows
        self.skip_gram = skip_gram
        self.ask = ask
        self.session = session
        self.decay = decay
        self.side = side
        self.content = content
        self.neighbours = neighbours
        self.event_type = event_type
        self.random_state = random_state
        self.workers = workers

    def _learn(self, shop: Shop) -> None:
        self._check()
        loaded: tuple[Vectors, Vectors] | None = self.__dict__.pop("_loaded", None)
        self.vectors_, self.out_vectors_ = loaded or self._train(shop)
        self.last_visits_ = _last_visits(shop)
        inputs, outputs = self.vectors_, self.out_vectors_
        if self.content is not None:
            inputs = fill_cold(inputs, self.content, self.neighbours)
            outputs = fill_cold(outputs, self.content, self.neighbours, scaled=False)  # their length counts
        cosine = self.ask == "cosine"
        self._known = np.array([item in inputs for item in self.items_], dtype=bool)
        self._asked_from = self._in_columns(inputs, unit=cosine)
        self._listed = self._asked_from if cosine else self._in_columns(outputs, unit=False)

    def _check(self) -> None:
        for name in ("dim", "epochs", "negative", "min_count", "neighbours", "workers", "window"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: {value} is too small; give at least 1")
        for name, known in {"ask": ("cosine", "next"), "session": ("last", "mean", "decayed")}.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: {getattr(self, name)!r} is none of {', '.join(known)}; use one of these")
        if self.window is None and self.shrink_windows:
            raise ValueError("shrink_windows: the whole visit is no window to shrink; give a window, or False")
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay: {self.decay} is no share that is kept at each step back; give 0 < decay <= 1")
        if self.sample < 0:
            raise ValueError(f"sample: {self.sample} is below 0; give 0 to keep every click, or gensim's 1e-3")
        if not 0 <= self.random_state < 2**32:
            raise ValueError(f"random_state: {self.random_state} is no seed; give a whole number from 0 to 2**32 - 1")

    def _train(self, shop: Shop) -> tuple[Vectors, Vectors]:
        """Vectors of products and their output vectors, rows labelled by gensim's own list of words."""
        mark = _mark(shop)
        sentences = list(self._sentences(shop, mark))
        counts = pd.Series([token for sentence in sentences for token in sentence], dtype=object).value_counts()
        if not (counts >= self.min_count).any():
            none = Vectors((), np.zeros((0, self.dim), dtype=np.float32))
            return none, none
        trained = _word2vec()(
            sentences,
            vector_size=self.dim,
            window=self.window or max(map(len, sentences)),
            shrink_windows=self.shrink_windows,
            sg=int(self.skip_gram),
            negative=self.negative,
            ns_exponent=self.ns_exponent,
            sample=self.sample,
            min_count=self.min_count,
            epochs=self.epochs,
            seed=self.random_state,
            workers=self.workers,
        )
        words: list[str] = trained.wv.index_to_key  # the one list whose order is that of the rows
        rows = [row for row, word in enumerate(words) if not word.startswith(mark)]
        ids = tuple(words[row] for row in rows)
        return Vectors(ids, trained.wv.vectors[rows]), Vectors(ids, trained.syn1neg[rows])

    def _sentences(self, shop: Shop, mark: str) -> Iterator[list[str]]:
        """The visits, with a token of its kind after each product where `side` asks for it."""
        tokens: dict[str, str] = {}
        if self.side is not None:
            if self.side not in shop.products.columns:
                known = ", ".join(map(str, shop.products.columns))
                raise DataError(f"side: products have no column {self.side!r}; they have {known}")
            kinds = shop.products.set_index("item_id")[self.side].dropna()
            tokens = {str(item): f"{mark}{kind}" for item, kind in kinds.items()}
        for visit in sequences(shop, event_type=self.event_type):
            words = [word for item in visit for word in (item, tokens.get(item)) if word is not None]
            for start in range(0, len(words), _LONGEST):
                yield words[start : start + _LONGEST]

    def _in_columns(self, vectors: Vectors, unit: bool) -> Floats:
        """The vectors [items_, dim] in the order of the columns of scores; zeros where there is none."""
        rows: Floats = np.zeros((len(self.items_), vectors.dim))
        for at, vector in enumerate(vectors.column(self.items_)):
            if vector is not None:
                rows[at] = vector
        return unit_rows(rows) if unit else rows

    def asked_from(self, context: Context) -> Pairs:
        """The products that this method is asked from, each with its weight; only products with a vector."""
        visit = self._with_vectors(event.item_id for event in context.session)
        if not visit and context.cart:
            return tuple((item, 1.0) for item in self._with_vectors(context.cart))
        if not visit:
            earlier = context.history
            last = self.last_visits_.get(context.shopper_id or "", ()) if earlier is None else _last_visit(earlier)
            visit = self._with_vectors(last)
        if self.session == "last":
            return tuple((item, 1.0) for item in visit[-1:])
        decay = self.decay if self.session == "decayed" else 1.0
        return tuple((item, decay ** (len(visit) - 1 - at)) for at, item in enumerate(visit))

    def _with_vectors(self, items: Any) -> list[str]:
        """The items that have a vector, without consecutive repeats."""
        fresh = [item for item, _ in groupby(items)]
        return [item for item in fresh if self._column.get(item, -1) >= 0 and self._known[self._column[item]]]

    def _question(self, context: Context) -> Hashable:
        return self.asked_from(context)

    def _score(self, contexts: Sequence[Context]) -> Floats:
        asked = [self.asked_from(context) for context in contexts]
        rows = np.repeat(np.arange(len(asked)), [len(pairs) for pairs in asked])
        columns = self.columns([item for pairs in asked for item, _ in pairs])
        shares = [weight / sum(w for _, w in pairs) for pairs in asked for _, weight in pairs]
        weights = sparse.csr_matrix((shares, (rows, columns)), shape=(len(asked), len(self.items_)))
        query: Floats = np.asarray(weights @ self._asked_from)
        query = unit_rows(query) if self.ask == "cosine" else query
        scores = np.round(query @ self._listed.T, 9)  # the same however many are asked at once
        some = np.array([bool(pairs) for pairs in asked], dtype=bool)
        scores[np.ix_(some, ~self._known)] = -np.inf
        return np.asarray(scores)

    def save(self, folder: Path, facts: Mapping[str, Any] | None = None) -> list[Path]:
        """Write the vectors (npy and json) and settings.json into `folder`; returns the paths.

        The settings hold all parameters but `content`, the versions, and `facts`: what else should be known of it.
        """
        if not hasattr(self, "vectors_"):
            raise NotFittedError("Item2Vec has not learned anything yet: call .fit(shop) first")
        paths = [*self.vectors_.save(Path(folder)), *self.out_vectors_.save(Path(folder), "out_vectors")]
        names = [name for name in vars(self) if not name.startswith("_") and not name.endswith("_")]
        held = {
            "method": "Item2Vec",
            "parameters": {name: getattr(self, name) for name in names if name != "content"},
            "fitted_until": self.fitted_until_,
            "versions": versions(),
            **(facts or {}),
        }
        paths.append(Path(folder) / "settings.json")
        paths[-1].write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")
        return paths

    @classmethod
    def load(cls, folder: Path, shop: Shop, content: Vectors | None = None) -> Self:
        """What `save` wrote, ready to recommend the products of `shop`, whose events say what people did last.

        Nothing is trained, and gensim is not needed. Raises `DataError` for files that are missing or damaged.
        """
        vectors, outputs = Vectors.load(folder), Vectors.load(folder, "out_vectors")
        try:
            held = json.loads((Path(folder) / "settings.json").read_text(encoding="utf-8"))
            model, until = cls(**held["parameters"], content=content), int(held["fitted_until"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{folder}: settings.json cannot be read ({type(error).__name__}: {error}); save the model again"
            ) from error
        if vectors.ids != outputs.ids or vectors.dim != model.dim or outputs.dim != model.dim:
            raise DataError(f"{folder}: vectors, out_vectors and settings.json are not of one model; save it again")
        model._loaded = (vectors, outputs)  # type: ignore[attr-defined]
        model.fit(shop)
        model.fitted_until_ = max(until, model.fitted_until_)
        return model


def versions() -> dict[str, str]:
    """The versions that trained vectors depend on."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("numpy", "gensim", "recsys-lab"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a checkout that runs without being installed, or vectors saved without gensim
            found[name] = "not installed"
    return found


def _word2vec() -> Any:
    try:
        from gensim.models import Word2Vec
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"training item2vec needs gensim: {INSTALL}", name=error.name) from error
    return Word2Vec


def _mark(shop: Shop) -> str:
    """What side tokens begin with, and no product id does."""
    mark = "\0"
    while any(item.startswith(mark) for item in shop.products["item_id"]):
        mark += "\0"
    return mark


def _last_visit(events: Sequence[Event]) -> list[str]:
    """The products of the last visit among events in order of time."""
    session = events[-1].session_id if events else None
    return [event.item_id for event in events if event.session_id == session]


def _last_visits(shop: Shop) -> dict[str, tuple[str, ...]]:
    """The products of each shopper's last visit, in order."""
    events = shop.events
    last = events.drop_duplicates("user_id", keep="last")["session_id"]
    rows = events[events["session_id"].isin(last)]
    return {str(user): tuple(items) for user, items in rows.groupby("user_id", sort=False)["item_id"]}
