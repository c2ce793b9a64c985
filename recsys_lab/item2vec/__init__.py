"""item2vec: products that share visits get vectors that lie close together."""

from recsys_lab.item2vec.checks import category_consistency, product_map, svd_vectors
from recsys_lab.item2vec.model import Item2Vec, sequences
from recsys_lab.item2vec.vectors import Vectors, fill_cold

__all__ = [
    "Item2Vec",
    "Vectors",
    "category_consistency",
    "fill_cold",
    "product_map",
    "sequences",
    "svd_vectors",
]
