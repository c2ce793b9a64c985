"""Where candidates come from: models of the earlier chapters, and two that only a ranker needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_lab import baselines as base
from recsys_lab.clusters import ClusterRecommender
from recsys_lab.datasets import DAY_MS, Shop
from recsys_lab.factors import Factors
from recsys_lab.factors.settings import SALES
from recsys_lab.item2vec import Item2Vec
from recsys_lab.item2vec.behaviour import WithBehaviour
from recsys_lab.preferences import EventRules, EventWeighted
from recsys_lab.recommender import Context, Floats, ScoringRecommender
from recsys_lab.spaces.aspects import APPEAL, LIKENESS, ColdStart


@dataclass(frozen=True)
class Source:
    """A model that nominates products. `make` makes it, unfitted.

    `scale` says what its scores are, so that they can be compared between shoppers and between logs of other sizes:
    "counts" of what happened, "votes" that add up (both: 0 = no evidence, and nothing is nominated for it), or
    "likeness", which any two products have.

    Raises `TypeError` for a `make` that cannot be called, `ValueError` for another `scale`.
    """

    make: Callable[[], ScoringRecommender]
    scale: Literal["counts", "votes", "likeness"] = "votes"

    def __post_init__(self) -> None:
        if not callable(self.make):
            raise TypeError(
                f"make: {self.make!r} cannot be called; give the class of the model, or partial(class, setting)"
            )
        if self.scale not in ("counts", "votes", "likeness"):
            raise ValueError(f"scale: {self.scale!r} is none of counts, votes, likeness; say what the scores are")


Sources = Mapping[str, Source]


def check_sources(sources: Any) -> None:
    """Raise `TypeError` for what is no mapping of names to `Source`, `ValueError` for an empty one."""
    example = 'as {"popular": Source(Popular, "counts")}'
    if not isinstance(sources, Mapping):
        raise TypeError(f"sources: {sources!r} maps no name to a source; give a dict, {example}")
    if not sources:
        raise ValueError(f"sources: there is none; give one or more, {example}")
    for name, source in sources.items():
        if not isinstance(source, Source):
            raise TypeError(
                f"sources: {name!r} is {source!r}, which is no Source; wrap the class of the model, {example}"
            )


class Seen(ScoringRecommender):
    """What this shopper had before, the latest first: in this visit and in earlier ones. Score = 1 / steps back."""

    def _learn(self, shop: Shop) -> None:
        self._log = {
            str(user): tuple(items.unique()[-_REMEMBERED:])
            for user, items in shop.events.groupby("user_id", sort=False)["item_id"]
        }

    def _score(self, contexts: Sequence[Context]) -> Floats:
        scores = np.zeros((len(contexts), len(self.items_)))
        for row, context in enumerate(contexts):
            earlier: Sequence[str] = self._log.get(context.shopper_id or "", ())
            if context.history is not None:
                earlier = [event.item_id for event in context.history]
            told = [*earlier, *(event.item_id for event in context.session)]
            latest = list(dict.fromkeys(reversed(told)))[:_REMEMBERED]
            columns = self.columns(latest)
            scores[row, columns[columns >= 0]] = 1.0 / np.arange(1, len(latest) + 1)[columns >= 0]
        return scores


_REMEMBERED = 100


class KindMarkov(ScoringRecommender):
    """What kind of product came next after the kind of the last one, by all `columns` of products at once.

    score(j | i) = visits from kind(i) to kind(j) / clicks on kind(j): how much likelier than by chance. It knows
    something of products that nobody has clicked yet, and it learns how the pages of a shop are laid out.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns_used = columns

    def _learn(self, shop: Shop) -> None:
        have = [name for name in self.columns_used if name in self._products.columns]
        texts = (
            self._products[have].astype(str).agg("\x1f".join, axis=1) if have else pd.Series("", self._products.index)
        )
        self._kind, kinds = pd.factorize(texts.to_numpy(dtype=object))
        clicks = shop.sequences(min_length=1)
        kind = self._kind[self.columns(clicks["item_id"].tolist())]
        session = pd.factorize(clicks["session_id"])[0]
        same = session[1:] == session[:-1]
        counts = np.zeros((len(kinds), len(kinds)))
        np.add.at(counts, (kind[:-1][same], kind[1:][same]), 1.0)
        chance = (counts.sum(axis=0) + 1.0) / (counts.sum() + len(kinds))
        shares = (counts + 5.0 * chance) / (counts.sum(axis=1, keepdims=True) + 5.0)
        self._lift = np.vstack([np.log(shares / chance), np.zeros(len(kinds))])  # the last: nothing is known
        self._last = dict(zip(shop.events["user_id"], shop.events["item_id"], strict=True))

    def _question(self, context: Context) -> int:
        item = context.session[-1].item_id if context.session else None
        if item is None and context.history is None:
            item = self._last.get(context.shopper_id or "")
        if item is None and context.history:
            item = context.history[-1].item_id
        column = self._column.get(item or "", -1)
        return int(self._kind[column]) if column >= 0 else -1

    def _score(self, contexts: Sequence[Context]) -> Floats:
        return np.round(self._lift[[self._question(context) for context in contexts]][:, self._kind], 9)


class Backoff(ScoringRecommender):
    """What came next after the last `order` products together, backed off to what came after fewer of them.

        P_m(j | last m) = (n(last m, j) + prior·P_(m-1)(j)) / (n(last m) + prior),   P_1(j) = n(last, j) / n(last)

    That is prediction by partial matching with the interpolation of Witten and Bell (1991), at a constant prior.
    """

    def __init__(self, order: int = 4, prior: float = 20.0) -> None:
        self.order = order
        self.prior = prior

    def _learn(self, shop: Shop) -> None:
        if self.order < 1 or self.prior <= 0:
            raise ValueError(f"order, prior: {self.order} and {self.prior}; give 1 or more, and more than 0")
        clicks = shop.sequences(min_length=2)
        item, session = self.columns(clicks["item_id"].tolist()), pd.factorize(clicks["session_id"])[0]
        self._states: list[dict[tuple[int, ...], int]] = []
        self._counts: list[Any] = []
        for order in range(1, self.order + 1):
            same = session[order:] == session[:-order]
            path = np.column_stack([item[back : len(item) - order + back] for back in range(order)])[same]
            states, state = np.unique(path, axis=0, return_inverse=True)
            cells = (np.ones(len(path)), (state.ravel(), item[order:][same]))
            self._counts.append(sparse.csr_matrix(cells, shape=(len(states), len(self.items_))))
            self._states.append({tuple(one): row for row, one in enumerate(states.tolist())})

    def _question(self, context: Context) -> tuple[int, ...]:
        told = [event.item_id for event in context.session if event.event_type == "clicked_on"]
        path = self.columns([item for item, _ in groupby(told)][-self.order :])
        return tuple(path[path >= 0].tolist())

    def _score(self, contexts: Sequence[Context]) -> Floats:
        scores = np.zeros((len(contexts), len(self.items_)))
        paths = [self._question(context) for context in contexts]
        for order in range(1, self.order + 1):
            known = [(row, self._states[order - 1].get(path[-order:])) for row, path in enumerate(paths)]
            found = [(row, state) for row, state in known if state is not None and len(paths[row]) >= order]
            if found:
                rows, states = map(list, zip(*found, strict=True))
                counts = self._counts[order - 1][states]
                prior = self.prior if order > 1 else 0.0
                total = np.asarray(counts.sum(axis=1)) + prior
                scores[rows] = (counts.toarray() + prior * scores[rows]) / total
        return scores


# Chosen on the tuning week: at the door a taste is long, inside a visit an intent is short.
TASTE = EventRules(influence=0.99)
INTENT = EventRules(temperature=0.8, influence=0.95, floor=0.0, max_age_ms=DAY_MS)
INTENT_WEIGHTS = {
    "department": 6.0, "category": 3.0, "style": 0.2, "colour": 0.05, "brand": 0.3, "material": 0.1, "description": 0.3,
    "review_count": 0.4, "review_rating": 0.3, "popularity": 1.0,
}  # fmt: skip
_CBOW: dict[str, Any] = {"window": 5, "shrink_windows": True, "skip_gram": False, "negative": 5, "epochs": 5}
_SKIP_GRAM: dict[str, Any] = {"window": 3, "shrink_windows": True, "ns_exponent": -0.5, "ask": "next"}

_COUNTED: Sources = {
    "popular": Source(base.Popular, "counts"),
    "markov": Source(base.Markov, "counts"),
    "sr": Source(base.SequentialRules, "counts"),
    "backoff": Source(Backoff),
    "sr decayed": Source(partial(base.SequentialRules, decay=0.8), "counts"),
    "item-knn": Source(base.ItemKNN),
}
_NEIGHBOURS: Sources = {
    "stan": Source(partial(base.STAN, 1500, 5000, visit_clicks=0.25, age_days=80.0, match_clicks=1.02)),
    "v-sknn": Source(
        partial(base.VSKNN, 500, 5000, weighting="log", match_weighting="log", idf_weight=5.0, remind=False)
    ),
}
SOURCES: Mapping[str, Sources] = {
    "home": {
        "popular": Source(base.Popular, "counts"),
        "trending": Source(base.Recent, "counts"),
        "seen": Source(Seen),
        "repeat": Source(base.RepeatPurchase, "counts"),
        "als": Source(partial(Factors, 256, regularization=10.0, base=0.0, weights=SALES), "likeness"),
        "event-weighted": Source(partial(EventWeighted, TASTE), "likeness"),
        "behaviour": Source(
            partial(WithBehaviour, TASTE, {**LIKENESS, **APPEAL, "behaviour": 0.5}, **_CBOW), "likeness"
        ),
        "content": Source(ColdStart, "likeness"),
        "item-knn": Source(partial(base.ItemKNN, within="shopper")),
    },
    "next": {
        **_COUNTED,
        **_NEIGHBOURS,
        "trending": Source(base.Recent, "counts"),
        "seen": Source(Seen),
        "item2vec": Source(partial(Item2Vec, epochs=10, negative=5, **_SKIP_GRAM), "likeness"),
        "als": Source(partial(Factors, 64, regularization=10.0, base=0.0, weights=SALES), "likeness"),
        "event-weighted": Source(partial(EventWeighted, INTENT, INTENT_WEIGHTS), "likeness"),
        "cluster": Source(partial(ClusterRecommender, 35, item2vec={**_CBOW, "dim": 32}), "likeness"),
    },
    "clickstream": {
        **_COUNTED,
        **_NEIGHBOURS,
        "trending": Source(base.Recent, "counts"),
        "item2vec": Source(partial(Item2Vec, epochs=40, **_SKIP_GRAM), "likeness"),
        "layout": Source(partial(KindMarkov, ("category", "page", "location")), "likeness"),
    },
    "sessions": {
        **_COUNTED,
        **_NEIGHBOURS,
        "seen": Source(Seen),
        "item2vec": Source(partial(Item2Vec, epochs=10, **_SKIP_GRAM), "likeness"),
    },
}
"""task → sources, for the boards of the same names."""
