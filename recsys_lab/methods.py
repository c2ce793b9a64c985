"""Which rows each board has. A chapter that adds a method adds a line here; the scoreboard command finds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from recsys_lab import baselines as base
from recsys_lab.clusters import ClusterRecommender
from recsys_lab.factors import BM25, Blend, Ease, Factors
from recsys_lab.item2vec import Item2Vec
from recsys_lab.item2vec.behaviour import WithBehaviour
from recsys_lab.patterns import AlsoBought, BuyAgain, ForYou, LastBought, TheyBought
from recsys_lab.patterns.nightly import sales_factors
from recsys_lab.preferences import EventWeighted
from recsys_lab.ranking import LambdaMART, Ranker
from recsys_lab.ranking.sources import INTENT, INTENT_WEIGHTS, TASTE
from recsys_lab.recommender import Recommender
from recsys_lab.spaces.aspects import APPEAL, LIKENESS, ColdStart

if TYPE_CHECKING:
    from recsys_lab.simulate import World

Make = Callable[[], Recommender]

# Trained in seconds; its vectors serve as one aspect among others, and for clusters.
_CBOW: dict[str, Any] = {"window": 5, "shrink_windows": True, "skip_gram": False, "negative": 5, "epochs": 5}
_BEHAVIOUR: dict[str, Any] = {"skip_gram": False, "window": 5, "negative": 5}

_AT_THE_DOOR: dict[str, Make] = {
    "random": base.Random,
    "popular": base.Popular,
    "recent": base.Recent,
    "repeat": base.RepeatPurchase,
    "item-knn": base.ItemKNN,
}
_BY_CONTENT: dict[str, Make] = {
    "cold start": ColdStart,
    "event-weighted": lambda: EventWeighted(TASTE),
    "event-weighted tastes": lambda: EventWeighted(TASTE, topics="category"),
    "with behaviour": lambda: WithBehaviour(TASTE, {**LIKENESS, **APPEAL, "behaviour": 0.5}, **_BEHAVIOUR),
}
_FACTORS: dict[str, Make] = {
    "als": Factors,
    "als tuned": sales_factors,
    "bpr": lambda: Factors(model="bpr"),
}

# The training of both takes minutes; `each` was chosen on the tuning week.
_AT_THE_DOOR_RANKED: dict[str, Make] = {
    "ranker logistic": lambda: Ranker("home", each=60),
    "ranker": lambda: Ranker("home", model=LambdaMART(trees=120), each=60),
}

# Asked of a vector store, the one in memory.
_FROM_A_STORE: dict[str, Make] = {"for you": ForYou, "they bought": TheyBought}
_OWNED: dict[str, Make] = {
    "random": base.Random,
    "popular": base.Popular,
    "most recent": LastBought,
    "most frequent": base.RepeatPurchase,
    "buy again": BuyAgain,
}
_IN_A_VISIT: dict[str, Make] = {
    "random": base.Random,
    "popular": base.Popular,
    "item-knn": base.ItemKNN,
    "ar": base.AssociationRules,
    "sr": base.SequentialRules,
    "sr decayed": lambda: base.SequentialRules(decay=0.8),
    "markov": base.Markov,
    # Settings with the highest HR@20 of those tried on the tuning week of the clickstream.
    "s-knn": lambda: base.SessionKNN(k=500, sample_size=5000, remind=False),
    "v-sknn": lambda: base.VSKNN(500, 5000, weighting="log", match_weighting="log", idf_weight=5.0, remind=False),
    "stan": lambda: base.STAN(1500, 5000, visit_clicks=0.25, age_days=80.0, match_clicks=1.02),
    "item2vec": lambda: Item2Vec(window=3, shrink_windows=True, epochs=40, ns_exponent=-0.5, ask="next"),
}
_LIKE: dict[str, Make] = {
    "item2vec like": lambda: Item2Vec(window=3, shrink_windows=True, epochs=40, ns_exponent=-0.5),
}
_BY_CUSTOMER: dict[str, Make] = {
    "random": base.Random,
    "popular": base.Popular,
    "recent": lambda: base.Recent(days=30),
    "repeat": base.RepeatPurchase,
    "item-knn bm25": BM25,
    "als": lambda: Factors(100, base=0.0),  # the settings of implicit itself
    "als tuned": lambda: Factors(256, regularization=10.0, base=0.0, log_counts=True),
    "bpr": lambda: Factors(100, model="bpr"),
    "ease": Ease,
    "ease of counts": lambda: Ease(50.0, log_counts=True),
    "blend": Blend,
}

ROWS: Mapping[str, Mapping[str, Make]] = {
    "home": {**_AT_THE_DOOR, **_BY_CONTENT, **_FACTORS, **_FROM_A_STORE, **_AT_THE_DOOR_RANKED},
    "next": {
        **_IN_A_VISIT,
        **_LIKE,
        "cluster": lambda: ClusterRecommender(35, item2vec={**_CBOW, "dim": 32}),
        "cold start": ColdStart,
        "event-weighted": lambda: EventWeighted(INTENT, INTENT_WEIGHTS),
        "with behaviour": lambda: WithBehaviour(INTENT, {**INTENT_WEIGHTS, "behaviour": 0.5}, **_BEHAVIOUR),
        "ranker logistic": lambda: Ranker("next", each=40),
        "ranker": lambda: Ranker("next", model=LambdaMART(trees=120), each=40),
    },
    "basket": {
        **_AT_THE_DOOR,
        "item-knn bought": lambda: base.ItemKNN(event_type="buy"),
        **_FACTORS,
        **_FROM_A_STORE,
        "also bought": AlsoBought,
    },
    "ab": {**_AT_THE_DOOR, **_BY_CONTENT, **_FACTORS, **_FROM_A_STORE, **_AT_THE_DOOR_RANKED},
    "owned": _OWNED,
    "clickstream": {
        **_IN_A_VISIT,
        **_LIKE,
        "item2vec wide": lambda: Item2Vec(ask="next"),
        "item2vec wide like": Item2Vec,
        "cluster": lambda: ClusterRecommender(10, item2vec={**_CBOW, "dim": 10, "random_state": 1}),
        # Every product is a candidate: there are few.
        "ranker logistic": lambda: Ranker("clickstream", each=None, share=0.2),
        "ranker": lambda: Ranker("clickstream", model=LambdaMART(trees=120), each=None, share=0.2),
    },
    "sessions": {
        **_IN_A_VISIT,
        # Fewer rounds: a log of a million clicks has to be through in minutes.
        "item2vec": lambda: Item2Vec(window=3, shrink_windows=True, epochs=10, ns_exponent=-0.5, ask="next"),
        "item2vec like": lambda: Item2Vec(window=3, shrink_windows=True, epochs=10, ns_exponent=-0.5),
        "ranker": lambda: Ranker("sessions", model=LambdaMART(trees=120), each=100),
    },
    "retail any": _BY_CUSTOMER,
    "retail novel": {name: make for name, make in _BY_CUSTOMER.items() if name != "repeat"},
    "retail owned": _OWNED,
}
"""board → method → how to make it, in the order of the table; all are compared with `popular`."""

BY_NAME = ("ranker", "ranker logistic")
"""Rows that the scoreboard command measures only when they are asked for by name: they take minutes."""

BEST_SOURCE: Mapping[str, str] = {"home": "als tuned", "next": "stan", "clickstream": "markov"}
"""The best single source among what the rankers of a board put in order: each is compared with it in pairs."""


def ceiling(board: str, world: World) -> Make:
    """The recommender that knows the truth, for a board of the simulated shop."""
    from recsys_lab.evaluation import truth

    kind = {
        "home": truth.TruthForHome,
        "next": truth.TruthForNext,
        "basket": truth.TruthForBasket,
        "ab": truth.TruthForSales,
    }[board]
    return lambda: kind(world)
