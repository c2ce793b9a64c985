"""Methods that every other one has to beat: chance, what sells, what came next, what similar sessions held."""

from recsys_lab.baselines.products import AssociationRules, FromProducts, ItemKNN, Markov, SequentialRules
from recsys_lab.baselines.sessions import STAN, VSKNN, SessionKNN
from recsys_lab.baselines.simple import Popular, Random, Recent, RepeatPurchase

__all__ = [
    "STAN",
    "VSKNN",
    "AssociationRules",
    "FromProducts",
    "ItemKNN",
    "Markov",
    "Popular",
    "Random",
    "Recent",
    "RepeatPurchase",
    "SequentialRules",
    "SessionKNN",
]
