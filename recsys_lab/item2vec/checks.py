"""Looking at product vectors: do neighbours share a category, does a plain SVD do as well, what is where on a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse import linalg

from recsys_lab.item2vec.vectors import Vectors

INSTALL = 'python -m pip install "scikit-learn>=1.6,<2"'
"""The line that installs what the map needs."""


def category_consistency(
    vectors: Vectors,
    products: pd.DataFrame,
    popularity: pd.Series[Any],
    column: str = "category",
    neighbours: int = 8,
    bands: int = 4,
) -> pd.DataFrame:
    """How well the nearest neighbours tell a product's category, by popularity; the check of the item2vec paper.

    Products with a vector and a category stand in `bands` groups of equal size, 1 the most popular (`popularity` by
    item_id, such as `Shop.popularity`). `majority` is the share of products whose `neighbours` nearest (by cosine,
    among all of these products) are mostly of the product's own category, a tie going to the category that comes
    nearer; `share` is the share of neighbours of the same category, and `chance` what drawn neighbours would share.
    The last row is over all. Raises `ValueError` where there are too few products, or no such column.

    >>> vectors = Vectors(tuple("abcd"), np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.2, 1.0]]))
    >>> products = pd.DataFrame({"item_id": list("abcd"), "category": ["hat", "hat", "shoe", "shoe"]})
    >>> clicks = pd.Series([4, 3, 2, 1], index=list("abcd"))
    >>> category_consistency(vectors, products, clicks, neighbours=1, bands=2)["majority"].to_dict()
    {'1': 1.0, '2': 1.0, 'all': 1.0}
    """
    if column not in products.columns:
        raise ValueError(f"column: products have no {column!r}; they have {', '.join(map(str, products.columns))}")
    if bands < 1 or neighbours < 1:
        raise ValueError(f"bands: {bands}, neighbours: {neighbours}; give at least 1 of each")
    kinds = products.set_index("item_id")[column].dropna()
    held = [item for item in vectors.ids if item in kinds.index]
    if len(held) < max(bands, neighbours + 1):
        raise ValueError(
            f"vectors: {len(held)} products have a vector and a {column}, too few for {bands} bands and {neighbours}"
            f" neighbours; ask for fewer"
        )
    code = pd.factorize(kinds.loc[held])[0]
    near = Vectors(tuple(held), np.array([vectors[item] for item in held])).neighbours(neighbours)
    votes = code[near]  # [n, neighbours]
    agreeing = (votes[:, :, None] == votes[:, None, :]).sum(axis=2)
    winner = votes[np.arange(len(held)), agreeing.argmax(axis=1)]  # argmax: of equal ones the nearest
    table = pd.DataFrame(
        {
            "majority": winner == code,
            "share": (votes == code[:, None]).mean(axis=1),
            "chance": (np.bincount(code)[code] - 1) / (len(held) - 1),
        }
    )
    clicks = popularity.reindex(held).fillna(0).to_numpy()
    order = np.lexsort((np.array(held), -clicks))
    groups = [*np.array_split(order, bands), order]
    means = pd.DataFrame([table.iloc[rows].mean() for rows in groups])
    means.insert(0, "products", [len(rows) for rows in groups])
    means.index = pd.Index([*(str(band) for band in range(1, bands + 1)), "all"], name="band")
    return means.astype({"products": int, "majority": float})


def svd_vectors(sequences: Sequence[Sequence[str]], dim: int = 64, random_state: int = 0) -> Vectors:
    """Vectors without a neural network: the SVD that the item2vec paper compares itself with.

    Counts how often two places of one sequence hold products i and j, divides by √(row sum · column sum), and takes
    the rows of U√S for the `dim` largest singular values. Products that share no sequence with another have no vector.

    >>> vectors = svd_vectors([["a", "b", "c"], ["c", "b"], ["d", "e", "f"]], dim=2)
    >>> sorted(vectors.nearest("a", k=2).item_ids)
    ['b', 'c']
    """
    rows = np.repeat(np.arange(len(sequences)), [len(sequence) for sequence in sequences])
    code, ids = pd.factorize(np.array([item for sequence in sequences for item in sequence], dtype=object))
    held = sparse.csr_matrix((np.ones(len(rows)), (rows, code)), shape=(len(sequences), len(ids)))
    pairs = (held.T @ held - sparse.diags(np.asarray(held.sum(axis=0)).ravel())).tocsr()  # a place is not its own pair
    total = np.asarray(pairs.sum(axis=1)).ravel()
    kept = np.flatnonzero(total > 0)
    if not 1 <= dim < len(kept):
        raise ValueError(f"dim: {dim} for {len(kept)} products that share a sequence; give 1 or more, and fewer")
    scale = sparse.diags(1 / np.sqrt(total[kept]))
    start = np.random.default_rng(random_state).random(len(kept))  # else it is drawn anew each time
    u, s, _ = linalg.svds(scale @ pairs[kept][:, kept] @ scale, k=dim, v0=start)
    order = np.argsort(-s, kind="stable")
    matrix = u[:, order] * np.sqrt(np.maximum(s[order], 0))
    matrix *= np.where(matrix[np.abs(matrix).argmax(axis=0), np.arange(dim)] < 0, -1, 1)  # a sign is free: fix it
    return Vectors(tuple(str(ids[row]) for row in kept), matrix)


def product_map(vectors: Vectors, random_state: int = 0) -> pd.DataFrame:
    """The products on a plane by t-SNE (van der Maaten & Hinton 2008), near ones near: `item_id`, `x`, `y`.

    Distances between far groups, and the sizes of groups, mean nothing. Needs scikit-learn.
    """
    if len(vectors) < 4:
        raise ValueError(f"vectors: {len(vectors)} products make no map; give at least 4")
    try:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"the map of products needs scikit-learn: {INSTALL}", name=error.name) from error
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    with threadpool_limits(1):  # the same sums, and so the same map, on every number of cores
        plane = TSNE(2, perplexity=perplexity, init="pca", random_state=random_state).fit_transform(vectors.unit)
    return pd.DataFrame({"item_id": list(vectors.ids), "x": plane[:, 0], "y": plane[:, 1]})
