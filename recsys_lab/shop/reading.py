"""A search in the shopper's own words: what is understood becomes filters and weights, the rest is looked up."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_lab.filters import Filter
from recsys_lab.recommender import Floats
from recsys_lab.shop.catalogue import Catalogue, Mask
from recsys_lab.spaces import BEST, CategorySpace, EncoderUnavailable, SentenceReader, Understood
from recsys_lab.spaces.aspects import POPULARITY
from recsys_lab.spaces.encoder import run_model

_SPACES = {"price": "price", "rating": "review_rating", "reviews": "review_count"}
_TOLD = ("name", "description", "category", "department", "colour", "material", "style", "brand")
_KEPT = 200  # texts whose vectors are remembered


class Reading:
    """Reads sentences about one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.reader = SentenceReader(catalogue.products)
        self._words: dict[str, list[int]] | None = None

    def scored(self, q: str, model: Model) -> tuple[dict[str, Floats], Mask, Filter | None, str]:
        """Terms [products] that add up to the scores, which products may be listed, the filter, and what to say.

        Raises `ValueError` for an empty sentence or one that is too long.
        """
        understood = self.reader.read(q)
        terms = self._asked(understood)
        passing = self.catalogue.mask(understood.where)
        notes = str(understood).splitlines()
        if understood.text:
            vector = model.vector(understood.text) if self._reads_texts else None
            if vector is not None:
                terms["description"] = self._likeness("description", vector)
            else:
                terms["words"] = self._by_words(understood.text)
                passing = passing & (terms["words"] > 0)
                notes.append(f"{understood.text!r}: matched by its words")
        if "new" in understood.weights:
            terms["new"] = self._newness()
        if not terms:
            terms[POPULARITY] = self.catalogue.counts.astype(np.float64)
        return terms, passing, understood.where, "; ".join(notes)

    @property
    def _reads_texts(self) -> bool:
        index = self.catalogue.index
        return index is not None and "description" in index.spaces

    def _asked(self, understood: Understood) -> dict[str, Floats]:
        """What the index says to wishes and weights."""
        index = self.catalogue.index
        if index is None:
            return {}
        ask: dict[str, Any] = {_SPACES[name]: BEST for name in understood.weights if _SPACES.get(name) in index.spaces}
        for name, values in understood.wishes.items():
            if isinstance(index.spaces.get(name), CategorySpace):
                ask[name] = list(values)
        if not ask:
            return {}
        question = index.question(ask)
        return {
            term.name: index.matrix[:, index.columns[term.space]].astype(np.float64) @ term.part / question.scale
            for term in question.terms
        }

    def _likeness(self, space: str, vector: Floats) -> Floats:
        index = self.catalogue.index
        assert index is not None
        likeness: Floats = index.matrix[:, index.columns[space]].astype(np.float64) @ vector
        return likeness

    def _newness(self) -> Floats:
        """1 for the newest product, 0 for the oldest, by place."""
        order = self.catalogue.ordered("new")
        made = np.zeros(len(order))
        made[list(order)] = np.linspace(1, 0, len(order))
        return made

    def _by_words(self, text: str) -> Floats:
        """The share of the words that a product's texts have; rare words weigh more."""
        found = [self._rows(word) for word in dict.fromkeys(_words_of(text))]
        count = len(self.catalogue)
        weight = [np.log1p(count / len(rows)) if rows else 0.0 for rows in found]
        made = np.zeros(count)
        for rows, w in zip(found, weight, strict=True):
            made[rows] += w
        return made / (sum(weight) or 1.0)

    def _rows(self, word: str) -> list[int]:
        if self._words is None:
            self._words = _inverted(self.catalogue)
        return self._words.get(_stem(word), [])


def _inverted(catalogue: Catalogue) -> dict[str, list[int]]:
    """Word → the rows of the products whose texts have it."""
    products = catalogue.products
    texts = [products[name].tolist() for name in _TOLD if name in products.columns]
    made: dict[str, list[int]] = {}
    for row, told in enumerate(zip(*texts, strict=True)):
        words = {_stem(word) for text in told if isinstance(text, str) for word in _words_of(text)}
        for word in words:
            made.setdefault(word, []).append(row)
    return made


def _words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _stem(word: str) -> str:
    """Singular and plural alike, in the plainest way."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


class Model:
    """The sentence encoder for searches. The first text that needs it has it loaded beside, which takes seconds.

    What shoppers type is kept in memory alone, and only the last texts of it.
    """

    def __init__(self, allowed: bool = True) -> None:
        self._allowed = allowed
        self._lock = threading.Lock()
        self._held: dict[str, Floats] = {}
        self._ready = False
        self._loading: threading.Thread | None = None

    def vector(self, text: str) -> Floats | None:
        """The text's unit vector; None where there is no encoder, or none yet."""
        held = self._held.get(text)
        if held is not None or not self._allowed:
            return held
        if self._ready:
            return self._made(text)
        with self._lock:
            if self._loading is None:
                self._loading = threading.Thread(target=self._load, args=(text,), daemon=True)
                self._loading.start()
        return None

    def wait(self) -> bool:
        """Wait until the encoder is loaded, if it is being loaded; whether it is."""
        if self._loading is not None:
            self._loading.join()
        return self._ready

    def _load(self, text: str) -> None:
        try:
            self._made(text)
            self._ready = True
        except EncoderUnavailable:
            self._allowed = False  # words are matched from now on; each answer says so

    def _made(self, text: str) -> Floats:
        vector: Floats = run_model(None, "cpu", [text], "a search")[0].astype(np.float64)
        with self._lock:
            if len(self._held) >= _KEPT:
                self._held.pop(next(iter(self._held)))
            self._held[text] = vector
        return vector


def best(
    terms: Mapping[str, Floats], allowed: Mask, place: NDArray[np.int64], k: int
) -> tuple[list[int], dict[str, Any]]:
    """Rows of the `k` highest sums of terms, and their terms; ties by place."""
    scores = np.round(np.sum(list(terms.values()), axis=0), 9)
    rows = np.flatnonzero(allowed)
    order = rows[np.lexsort((place[rows], -scores[rows]))][:k]
    return order.tolist(), {name: tuple(values[order].tolist()) for name, values in terms.items()}
