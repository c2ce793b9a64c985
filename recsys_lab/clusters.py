"""Clusters of products by K-Means on item2vec vectors: groups that nobody has to curate, and lists from within them."""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
import zlib
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from recsys_lab.datasets import DataError, Shop
from recsys_lab.item2vec import Item2Vec, Vectors
from recsys_lab.recommender import Context, Floats, NotFittedError, ScoringRecommender

INSTALL = 'python -m pip install "scikit-learn>=1.6,<2"'
"""The line that installs what clusters need."""

_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
_SAMPLE = 5000  # products that a silhouette looks at: it compares each with every other one


class Clusters:
    """K-Means (Lloyd 1982) on vectors at length 1, so that the direction of a vector counts and not its length.

    The distance of two vectors at length 1 is √(2 − 2·cosine): near means the same as in `Vectors.nearest`. `starts`
    sets of first centres are tried (k-means++), and the best result stays.

    Learned: `members_` (for each cluster its products, nearest to the centre first), `labels_` (the cluster of each
    product, by item_id) and `centres_` [k, dim]. Clusters are numbered by size: 0 is the largest, equal ones by id.

    >>> vectors = Vectors(("a", "b", "c"), np.array([[1.0, 0.0], [0.0, 3.0], [0.1, 1.0]]))
    >>> clusters = Clusters(k=2).fit(vectors)
    >>> clusters.labels_.to_dict(), clusters.members(1)
    ({'b': 0, 'c': 0, 'a': 1}, ('a',))
    """

    members_: tuple[tuple[str, ...], ...]
    labels_: pd.Series[int]
    centres_: Floats

    def __init__(self, k: int = 12, random_state: int = 0, starts: int = 10) -> None:
        self.k = k
        self.random_state = random_state
        self.starts = starts

    def fit(self, vectors: Vectors) -> Self:
        """Cluster `vectors`. Raises `ValueError` for a `k` that they cannot fill, and for a vector of zeros."""
        rows = _unit(vectors)
        for name in ("k", "starts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is too small; give at least 1")
        different = len(np.unique(np.round(rows, 9), axis=0))
        if self.k > different:
            raise ValueError(f"k: {self.k} clusters of {different} different vectors; ask for {different} or fewer")
        kmeans, threads = _kmeans()
        with threads(1):  # the same sums, and so the same clusters, on every number of cores
            model = kmeans(self.k, n_init=self.starts, random_state=self.random_state).fit(rows)
        found = [np.flatnonzero(model.labels_ == cluster) for cluster in range(self.k)]
        centres = np.array([rows[own].mean(axis=0) for own in found])
        listed = []
        for own, centre in zip(found, centres, strict=True):
            far = _distances(rows[own], centre[None, :])[:, 0].tolist()
            listed.append(tuple(item for _, item in sorted(zip(far, (vectors.ids[row] for row in own), strict=True))))
        order = sorted(range(self.k), key=lambda cluster: (-len(listed[cluster]), min(listed[cluster])))
        return self._keep(tuple(listed[cluster] for cluster in order), centres[order])

    def _keep(self, members: tuple[tuple[str, ...], ...], centres: Floats) -> Self:
        self.members_, self.centres_ = members, centres
        number = {item: cluster for cluster, items in enumerate(members) for item in items}
        self.labels_ = pd.Series(number, name="cluster", dtype="int64").rename_axis("item_id")
        return self

    def members(self, cluster: int) -> tuple[str, ...]:
        """The products of a cluster, nearest to its centre first."""
        self._check_fitted()
        if cluster not in range(self.k):
            raise ValueError(f"cluster: there is no {cluster!r}; they are numbered from 0 to {self.k - 1}")
        return self.members_[cluster]

    def assign(self, vectors: Vectors) -> pd.Series[int]:
        """The cluster of each of `vectors`, by item_id: that of the nearest centre, as K-Means itself decides.

        This is for products that came later; nothing is learned. Raises `ValueError` for vectors of another length.
        """
        self._check_fitted()
        if vectors.dim != self.centres_.shape[1]:
            raise ValueError(
                f"vectors: they are {vectors.dim}-d and the centres {self.centres_.shape[1]}-d; give vectors of the"
                " model that was clustered"
            )
        nearest = _distances(_unit(vectors), self.centres_).argmin(axis=1)
        index = pd.Index(vectors.ids, name="item_id", dtype=object)
        return pd.Series(nearest, index=index, name="cluster", dtype="int64")

    def _check_fitted(self) -> None:
        if not hasattr(self, "members_"):
            raise NotFittedError("Clusters have not learned anything yet: call .fit(vectors) first")

    def save(self, folder: Path) -> list[Path]:
        """Write `folder`/centres.npy and clusters.json (settings, members, hash); returns the two paths."""
        self._check_fitted()
        numbers, words = Path(folder) / "centres.npy", Path(folder) / "clusters.json"
        numbers.parent.mkdir(parents=True, exist_ok=True)
        np.save(numbers, self.centres_, allow_pickle=False)
        settings = {"k": self.k, "random_state": self.random_state, "starts": self.starts}
        members = [list(items) for items in self.members_]
        held = {"settings": settings, "members": members, "hash": _hash(settings, members, self.centres_)}
        words.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
        return [numbers, words]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises `DataError` when a file is missing, damaged, or not of the other one."""
        try:
            held = json.loads((Path(folder) / "clusters.json").read_text(encoding="utf-8"))
            centres = np.load(Path(folder) / "centres.npy", allow_pickle=False)
            if _hash(held["settings"], held["members"], centres) != held["hash"]:
                raise ValueError("members, settings and centres do not belong together: their hash is another one")
            return cls(**held["settings"])._keep(tuple(tuple(items) for items in held["members"]), centres)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{folder}: centres.npy and clusters.json cannot be read as clusters"
                f" ({type(error).__name__}: {error}); save them again"
            ) from error


def choose_k(
    vectors: Vectors,
    ks: Sequence[int],
    seeds: Sequence[int] = (0, 1, 2),
    useful: Callable[[Clusters], float] | None = None,
    starts: int = 10,
) -> pd.DataFrame:
    """What speaks for each number of clusters; one row for each of `ks`.

    `silhouette` (Rousseeuw 1987) is the mean of (b − a)/max(a, b) over products, a = mean distance to its own cluster,
    b = to the nearest other one: 1 is far apart, 0 is touching. `stability` is the mean adjusted Rand index (Hubert &
    Arabie 1985) between the clusters of any two `seeds`: 1 is the same each time, 0 is chance. `useful` gives a number
    for `Clusters`, such as a metric on a board. `smallest` is the size of the smallest cluster, `loss` the mean squared
    distance to the centre (which falls with every cluster more), `seconds` what one fit costs. `silhouette`, `loss` and
    `useful` are means over the seeds. `starts` as in `Clusters`: with fewer, a fit is less stable.

    >>> vectors = Vectors(tuple("abcd"), np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]))
    >>> choose_k(vectors, [2], useful=lambda clusters: clusters.k).loc[2, ["stability", "useful", "smallest"]].tolist()
    [1.0, 2.0, 2.0]
    """
    if not len(ks) or min(ks) < 2 or max(ks) >= len(vectors):
        raise ValueError(f"ks: {list(ks)} for {len(vectors)} products; give numbers from 2 to {len(vectors) - 1}")
    if len(set(seeds)) < 2:
        raise ValueError(f"seeds: {list(seeds)}; stability compares two seeds or more, so give two or more")
    _kmeans()  # says what to install
    from sklearn.metrics import adjusted_rand_score, silhouette_score

    rows, size = _unit(vectors), min(len(vectors), _SAMPLE)
    table = []
    for k in ks:
        began = time.perf_counter()
        fits = [Clusters(k, seed, starts).fit(vectors) for seed in seeds]
        seconds = (time.perf_counter() - began) / len(fits)
        labels = [one.labels_.loc[list(vectors.ids)].to_numpy() for one in fits]
        row: dict[str, Any] = {
            "k": k,
            "silhouette": np.mean([silhouette_score(rows, own, sample_size=size, random_state=0) for own in labels]),
            "stability": np.mean([adjusted_rand_score(one, other) for one, other in combinations(labels, 2)]),
        }
        if useful is not None:
            row["useful"] = np.mean([useful(one) for one in fits])
        row["smallest"] = min(len(items) for one in fits for items in one.members_)
        square = [(rows - one.centres_[own]) ** 2 for one, own in zip(fits, labels, strict=True)]
        row["loss"] = np.mean([each.sum(axis=1).mean() for each in square])
        table.append({**row, "seconds": seconds})
    return pd.DataFrame(table).astype({"k": int, "smallest": int}).set_index("k")


def cards(
    clusters: Clusters,
    products: pd.DataFrame,
    columns: Sequence[str] = ("name",),
    words: int = 3,
    examples: int = 3,
) -> pd.DataFrame:
    """A card for each cluster: `name`, `products`, `price_low`, `price_middle`, `price_high`, `examples`, `pictures`.

    The name is made of the `words` that mark the cluster, from the texts in `columns`: those with the highest
    p·ln(p/q), where p is the share of the cluster's products with the word and q that of all products. (What is
    commonest everywhere marks nothing.) Where two clusters would get one name, the later one says its number.
    `examples` are the products nearest to the centre. Prices and pictures are there where the products have them.

    >>> clusters = Clusters(k=2).fit(Vectors(("a", "b", "c"), np.array([[1.0, 0.0], [0.0, 3.0], [0.1, 1.0]])))
    >>> products = pd.DataFrame({"item_id": list("abc"), "name": ["Red Hat", "Red Shoe", "Blue Shoe"]})
    >>> cards(clusters, products, words=1)["name"].tolist()
    ['shoe', 'hat']
    """
    missing = [name for name in ("item_id", *columns) if name not in products.columns]
    if missing or not columns:
        have = ", ".join(map(str, products.columns))
        raise ValueError(f"columns: products have no {missing[0] if missing else 'text to take'}; they have {have}")
    rows = products.drop_duplicates("item_id").set_index("item_id")
    texts = rows[list(columns)].astype("string").fillna("").agg(" ".join, axis=1)
    held = {str(item): set(_WORD.findall(str(text).lower())) for item, text in texts.items()}
    clustered = [held[item] for items in clusters.members_ for item in items if item in held]
    everywhere = Counter(word for own in clustered for word in own)
    made: list[dict[str, Any]] = []
    for cluster, items in enumerate(clusters.members_):
        known = [item for item in items if item in held]
        index = pd.Index(known, dtype=object)
        inside = Counter(word for item in known for word in held[item])
        title = _marked_by(inside, len(known), everywhere, len(clustered), words) or f"cluster {cluster}"
        title = f"{title} ({cluster})" if title in [card["name"] for card in made] else title
        card: dict[str, Any] = {"name": title, "products": len(items)}
        if "price" in rows.columns:
            prices = rows["price"].reindex(index)
            card |= {"price_low": prices.min(), "price_middle": prices.median(), "price_high": prices.max()}
        card["examples"] = tuple(items[:examples])
        if "picture" in rows.columns:
            card["pictures"] = tuple(rows["picture"].reindex(index[:examples]))
        made.append(card)
    return pd.DataFrame(made).rename_axis("cluster")


class ClusterRecommender(ScoringRecommender):
    """Products of the cluster that the last product is in, the nearest first, with seeded variety where it is wanted.

    score(i) = −distance(last product, i) + `variety` · g, with g from the standard Gumbel distribution: of the
    products that are left, each place goes to i with a probability proportional to exp(−distance/variety) (the
    Gumbel-max trick; Kool et al. 2019). 0 is pure distance; `math.inf` draws from the cluster as if all its products
    were alike. The draw depends on `random_state`, shopper, time and product: the same question, the same list.

    When the cluster runs out, products of the other clusters follow by distance, those without a vector last. Where
    the visit has no product with a vector: from the cart, then from the shopper's last events; else what is popular.

    `vectors` are what is clustered; None: those of `Item2Vec(**item2vec)`, trained in `fit`. Learned: `vectors_`,
    `clusters_`, `last_` (the last product by shopper).

    >>> shop = Shop.from_sessions([["a", "b", "c"], ["x", "y"]])
    >>> vectors = Vectors(tuple("abcxy"), np.array([[1, 0.0], [1, 0.2], [1, 0.1], [0, 1], [0.1, 1]]))
    >>> model = ClusterRecommender(k=2, vectors=vectors).fit(shop)
    >>> model.recommend(Context(None, 10**12, viewed="a", cart=("a",)), k=4).item_ids
    ('c', 'b', 'y', 'x')
    """

    def __init__(
        self,
        k: int = 12,
        variety: float = 0.0,
        vectors: Vectors | None = None,
        item2vec: Mapping[str, Any] | None = None,
        random_state: int = 0,
    ) -> None:
        self.k = k
        self.variety = variety
        self.vectors = vectors
        self.item2vec = item2vec
        self.random_state = random_state

    def _learn(self, shop: Shop) -> None:
        if not self.variety >= 0:
            raise ValueError(f"variety: {self.variety} is no spread; give 0 for none, or more")
        if self.vectors is not None and self.item2vec is not None:
            raise ValueError("item2vec: with vectors there is nothing to train; give one of the two")
        given = self.vectors
        self.vectors_ = Item2Vec(**(self.item2vec or {})).fit(shop).vectors_ if given is None else given
        self.clusters_ = Clusters(self.k, self.random_state).fit(self.vectors_)
        self.last_ = dict(zip(shop.events["user_id"], shop.events["item_id"], strict=True))  # the last one stays
        places = pd.Series(np.arange(len(self.vectors_)), index=pd.Index(self.vectors_.ids, dtype=object))
        row = places.reindex(pd.Index(self.items_, dtype=object), fill_value=-1).to_numpy()
        self._known = row >= 0
        self._unit = self.vectors_.unit[row]  # in the order of the columns of scores; what is not known is never read
        self._cluster = self.clusters_.labels_.reindex(pd.Index(self.items_), fill_value=-1).to_numpy()

    def asked_from(self, context: Context) -> str | None:
        """The product that this method is asked from; None where nothing with a vector is known."""
        visit = [event.item_id for event in context.session]
        earlier = [event.item_id for event in context.history or ()]
        if context.history is None and context.shopper_id in self.last_:
            earlier = [self.last_[context.shopper_id]]
        known = [item for item in (*earlier, *context.cart, *visit) if item in self._column and item in self.vectors_]
        return known[-1] if known else None

    def _question(self, context: Context) -> Hashable:
        item = self.asked_from(context)
        return (item, self._seed(context, item) if self.variety else 0)

    def _seed(self, context: Context, item: str | None) -> int:
        return zlib.crc32(f"{self.random_state}|{context.shopper_id}|{context.now_ms}|{item}".encode())

    def _score(self, contexts: Sequence[Context]) -> Floats:
        scores = np.zeros((len(contexts), len(self.items_)))
        for row, context in enumerate(contexts):
            item = self.asked_from(context)
            if item is None:
                continue
            column = self._column[item]
            square = np.maximum(2.0 - 2.0 * (self._unit @ self._unit[column]), 0.0)
            distance = np.where(self._known, np.round(np.sqrt(square), 6), 3.0)  # 3: farther than any known one
            own = self._cluster == self._cluster[column]
            drawn = -distance if math.isfinite(self.variety) else np.zeros(len(distance))
            if self.variety:
                noise = np.random.default_rng(self._seed(context, item)).gumbel(size=len(distance))
                drawn = drawn + noise * (self.variety if math.isfinite(self.variety) else 1.0)
            below = drawn[own].min() - 1.0  # however the draw fell, no outsider stands above a member
            scores[row] = np.round(np.where(own, drawn, below - distance), 9)
        return scores


def _unit(vectors: Vectors) -> Floats:
    """The rows at length 1. Raises `ValueError` for one that has no length."""
    none = np.flatnonzero(~vectors.matrix.any(axis=1))
    if len(none):
        raise ValueError(
            f"vectors: that of {vectors.ids[none[0]]!r} is all zeros, so it points nowhere; leave such products out"
        )
    return vectors.unit


def _distances(rows: Floats, centres: Floats) -> Floats:
    """Euclidean distances [rows, centres], rounded so that equal ones tie however the sums were made."""
    square = (rows**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)[None, :] - 2 * rows @ centres.T
    return np.asarray(np.round(np.sqrt(np.maximum(square, 0)), 6))


def _marked_by(inside: Counter[str], size: int, everywhere: Counter[str], total: int, words: int) -> str:
    """The words with the highest p·ln(p/q), joined; only words that are more common inside than elsewhere."""
    weight = {word: n / size * math.log(n / size * total / everywhere[word]) for word, n in inside.items()}
    best = sorted((word for word in weight if weight[word] > 1e-12), key=lambda word: (-weight[word], word))
    return ", ".join(best[:words])


def _hash(settings: Mapping[str, Any], members: Any, centres: Floats) -> str:
    digest = hashlib.sha256(json.dumps([settings, members, centres.shape], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(centres, dtype="<f8").tobytes())
    return digest.hexdigest()[:16]


def _kmeans() -> Any:
    try:
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"clusters need scikit-learn: {INSTALL}", name=error.name) from error
    return KMeans, threadpool_limits
