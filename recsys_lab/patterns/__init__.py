"""The questions of a shop to its vector database: for you, similar, also bought, lookalikes, buy again, complete the
look, and popular for whoever is new."""

from recsys_lab.factors.settings import SALES
from recsys_lab.patterns.again import BuyAgain, LastBought
from recsys_lab.patterns.complements import complements
from recsys_lab.patterns.export import export_items, export_shoppers, take_purchases
from recsys_lab.patterns.nightly import refresh_shop, rollback_shop, sales_factors
from recsys_lab.patterns.patterns import Patterns
from recsys_lab.patterns.recommenders import AlsoBought, ForYou, TheyBought

__all__ = [
    "SALES",
    "AlsoBought",
    "BuyAgain",
    "ForYou",
    "LastBought",
    "Patterns",
    "TheyBought",
    "complements",
    "export_items",
    "export_shoppers",
    "refresh_shop",
    "rollback_shop",
    "sales_factors",
    "take_purchases",
]
