"""The nightly job: train, build every collection beside the one in use, then switch them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recsys_lab.datasets import Shop
from recsys_lab.factors import Factors
from recsys_lab.factors.settings import SALES
from recsys_lab.patterns.export import LONG, Points, is_time, item_points, shopper_points
from recsys_lab.spaces import SpaceIndex
from recsys_lab.spaces.aspects import POPULARITY, aspects_of
from recsys_lab.stores import BaseCollection, BaseStore, Refreshed, StoreError, refresh, rollback, versions
from recsys_lab.stores.aspects import StoredIndex
from recsys_lab.stores.protocol import Metric
from recsys_lab.stores.refresh import version_before

ITEMS, LIKENESS, SHOPPERS, PRODUCTS = "items", "likeness", "shoppers", "products"
ALIASES = (ITEMS, LIKENESS, SHOPPERS, PRODUCTS)

Job = tuple[str, Points, Metric]


def sales_factors() -> Factors:
    """The model that a shop with clicks and purchases is refreshed with when it gives none; not trained yet."""
    return Factors(256, regularization=10.0, base=0.0, weights=SALES)


def refresh_shop(
    store: BaseStore,
    shop: Shop,
    model: Factors | None = None,
    now_ms: int | None = None,
    keep: int = 1,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Refreshed]:
    """Train `model` (a trained one is taken as it is), and refresh what `Patterns` asks; what was done, by alias.

    "items" are products by inner product, "likeness" the same by cosine, "shoppers" by cosine, "products" the index of
    aspects, its recency as of `now_ms` (when left out, the time of the shop's last event). All are built and checked
    before the first is switched: where one fails, nothing changes. A shop of ids alone has no "products".
    `keep` older versions stay for `rollback_shop`. Keep the model where new shoppers are to be folded in:
    `model = sales_factors().fit(shop)`, and then `Patterns.for_you(model.shopper_vector(context))`.
    """
    if model is None:
        model = sales_factors()
    if not hasattr(model, "item_vectors_"):
        tell(f"training {model.factors} factors on {len(shop.events):,} events")
        model.fit(shop)
    items, shoppers = item_points(model, shop), shopper_points(model, shop)
    jobs: list[Job] = [(ITEMS, items, "dot"), (LIKENESS, items, "cosine"), (SHOPPERS, shoppers, "cosine")]
    popularity = shop.products["item_id"].map(shop.popularity)
    products = shop.products.assign(**{POPULARITY: popularity.astype("int64")})
    spaces = aspects_of(products)
    index = SpaceIndex(spaces, popularity=POPULARITY).add(products) if spaces else None
    now = int(shop.events["timestamp"].max()) if now_ms is None else now_ms

    def last() -> dict[str, Refreshed]:
        if index is None:
            tell(f"{PRODUCTS}: left out, since no column tells the products apart")
            return {}
        tell(f"{PRODUCTS}: {len(index):,} points")
        before, there = store.alias(PRODUCTS).target, versions(store, PRODUCTS)
        kept = [name for name in products.columns if name not in LONG and not is_time(products[name])]
        StoredIndex.export(index, store, PRODUCTS, now_ms=now, columns=kept, keep=keep)
        left = versions(store, PRODUCTS)
        dropped = tuple(name for name in there if name not in left)
        return {PRODUCTS: Refreshed(left[-1], before if before in left else None, dropped)}

    return _refresh_all(store, jobs, last, keep, tell)


def _refresh_all(
    store: BaseStore,
    jobs: Sequence[Job],
    last: Callable[[], dict[str, Refreshed]],
    keep: int,
    tell: Callable[[str], None],
) -> dict[str, Refreshed]:
    """Build the first, and let its check be that all others are built: so the first switch waits for the last build."""
    if not jobs:
        return last()
    (name, points, metric), others = jobs[0], jobs[1:]
    inner: dict[str, Refreshed] = {}

    def build(new: BaseCollection) -> None:
        tell(f"{name}: {len(points.ids):,} points")
        points.write(new)

    def verify(new: BaseCollection) -> None:
        if new.count() != len(points.ids):
            raise StoreError(f"refresh of {name!r}: {new.count()} of {len(points.ids)} points arrived; run it again")
        inner.update(_refresh_all(store, others, last, keep, tell))

    longest = 2 * points.longest if metric == "dot" else None  # room for products that come in during the day
    done = refresh(store, name, build, points.vectors.shape[1], metric, max_norm=longest, verify=verify, keep=keep)
    return {name: done, **inner}


def rollback_shop(store: BaseStore) -> dict[str, str]:
    """Let every alias stand for its version before the one in use; which, by alias.

    Raises `StoreError` where one of them has no version before, and then none is changed.
    """
    there = [name for name in ALIASES if store.alias(name).target is not None] or [ITEMS]
    for name in there:
        version_before(store, name)  # says so where there is none
    return {name: rollback(store, name) for name in there}
