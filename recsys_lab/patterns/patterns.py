"""The questions of a shop to its vector database. Each is a vector, a search, and what must not be listed."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Concatenate, ParamSpec

import numpy as np

from recsys_lab.datasets import DAY_MS
from recsys_lab.filters import Filter, field
from recsys_lab.item2vec.vectors import unit_rows
from recsys_lab.patterns.again import HALF_LIFE_DAYS, habit
from recsys_lab.patterns.complements import Complements
from recsys_lab.patterns.lists import MostPer, both, by_score, choose, current
from recsys_lab.recommender import Floats, Recommendations
from recsys_lab.stores import Alias, BaseCollection, Gone, Point, StoreError
from recsys_lab.stores.aspects import StoredIndex
from recsys_lab.stores.checks import Payload

Where = BaseCollection | Alias
Shopper = str | Floats
P = ParamSpec("P")

_TRIES, _PAUSE = 100, 0.02  # a refresh switches its aliases one after the other: far within two seconds


class _Mixed(Gone):
    """The shopper's vector and the products' are of two trainings: a refresh is between its switches."""


Pattern = Callable[Concatenate["Patterns", P], Recommendations]


def _whole(pattern: Pattern[P]) -> Pattern[P]:
    """Ask again where a refresh went by in the middle of a question: every answer is of one training."""

    @functools.wraps(pattern)
    def asked(self: Patterns, /, *args: P.args, **kwargs: P.kwargs) -> Recommendations:
        for _ in range(_TRIES):
            try:
                return pattern(self, *args, **kwargs)
            except Gone as error:
                last = error
                time.sleep(_PAUSE)
        raise StoreError(f"{pattern.__name__}: {last}; refresh the shop's collections together (refresh_shop)")

    return asked


class Patterns:
    """The questions of a shop to its vector database. `items` and `shoppers` are collections or aliases of any store.

    - `items`: product vectors, asked by inner product; `likeness`: the same by cosine (default: `items`)
    - `shoppers`: shopper vectors by cosine, with what they own; see `recsys_lab.patterns.export`
    - `looks`: the index of aspects, and `complements`: which categories complete each other; both for the look alone
    - `most_per`: ("category", 2) lists at most two products of a category

    Everywhere: `where` is a filter on the products' payloads, `exclude` holds ids, ties fall to the more popular and
    then by id, and a list is short only when nothing more may be listed. An id that is not there is a `KeyError`.
    Who is new has no vector in the store: `for_you(model.shopper_vector(context))` asks with one, and `popular()` with
    none.

    >>> from recsys_lab.stores import open_store
    >>> with open_store("memory://") as store:
    ...     items, people = store.collection("items", 2, "dot"), store.collection("people", 2)
    ...     items.upsert(["tent", "stove", "opera"], [[2, 0], [1, 0.5], [0, 1]])
    ...     people.upsert(["ann", "bob"], [[3, 1], [2, 1]], [{"owned": ["tent"]}, {"owned": ["tent", "stove"]}])
    ...     ask = Patterns(items, people)
    ...     ask.for_you("ann", k=2).item_ids, ask.for_you("ann", k=2, owned=False).item_ids
    ...     ask.similar("tent", k=1).item_ids, ask.also_bought(["tent", "stove"]).item_ids
    ...     ask.lookalikes("ann").item_ids, ask.they_bought("ann").item_ids
    ...     ask.popular(k=2).item_ids
    (('tent', 'stove'), ('stove', 'opera'))
    (('stove',), ('opera',))
    (('bob',), ('stove',))
    ('opera', 'stove')
    """

    def __init__(
        self,
        items: Where,
        shoppers: Where | None = None,
        *,
        likeness: Where | None = None,
        looks: StoredIndex | None = None,
        complements: Complements | None = None,
        most_per: MostPer | None = None,
    ) -> None:
        if most_per is not None and most_per[1] < 1:
            raise ValueError(f"most_per: {most_per} lists nothing; give at least 1, as in ('category', 2)")
        for name, given in (("items", items), ("shoppers", shoppers), ("likeness", likeness)):
            if given is not None and not isinstance(given, BaseCollection | Alias):
                raise TypeError(f"{name}: {given!r} is no collection; give store.alias({name!r}), or a collection")
        self.items = items
        self.shoppers = shoppers
        self.likeness = items if likeness is None else likeness
        self.looks = looks
        self.complements = complements
        self.most_per = most_per

    # -- by product -------------------------------------------------------------------------------------------------

    @_whole
    def for_you(
        self,
        shopper: Shopper,
        k: int = 10,
        where: Filter | None = None,
        exclude: Collection[str] = (),
        owned: bool = True,
    ) -> Recommendations:
        """The products nearest to the shopper's vector; `owned=False` leaves out what they own.

        `shopper` is an id, or a vector [dim] of somebody who is not stored (`Factors.shopper_vector` folds them in).
        """
        items = current(self.items)
        vector, payload = self._shopper(shopper)
        if not owned and not isinstance(shopper, str):
            raise ValueError("owned: who comes as a vector owns nothing we know of; give these products as exclude")
        out = both(exclude, () if owned else payload.get("owned", ()))
        return self._nearest(items, vector, k, where, out, payload.get("model"))

    @_whole
    def similar(
        self, item: str, k: int = 10, where: Filter | None = None, exclude: Collection[str] = ()
    ) -> Recommendations:
        """The products nearest to a product's vector, without itself."""
        likeness = current(self.likeness)
        point = _points(likeness, [item], "product")[0]
        return self._nearest(likeness, point.vector, k, where, both(exclude, [item]))

    @_whole
    def also_bought(
        self, cart: Sequence[str], k: int = 10, where: Filter | None = None, exclude: Collection[str] = ()
    ) -> Recommendations:
        """What goes with a cart: the mean of its products' vectors at length 1, asked of `items`, without the cart.

        Products of the cart that have no vector are passed over; a `KeyError` where none has one.
        """
        items = current(self.items)
        points = _points(items, cart, "product", least=1)
        return self._nearest(items, _mean(points), k, where, both(exclude, cart))

    @_whole
    def popular(self, k: int = 10, where: Filter | None = None, exclude: Collection[str] = ()) -> Recommendations:
        """The products with the highest `popularity`, which is their score: for an empty cart, or somebody new.

        It looks at every product that passes `where`.
        """
        items = current(self.items)
        passes = items.search(_anything(items), items.count() + 1, where).item_ids
        counts = {label: float(point.payload.get("popularity", 0)) for label, point in items.get(passes).items()}
        return choose(by_score(counts), items, k, both(exclude, ()), self.most_per)

    # -- by shopper -------------------------------------------------------------------------------------------------

    @_whole
    def lookalikes(
        self,
        shopper: Shopper | Sequence[str],
        k: int = 10,
        where: Filter | None = None,
        exclude: Collection[str] = (),
    ) -> Recommendations:
        """The shoppers nearest to one, or to a group (the mean of its vectors at length 1), without themselves.

        `where` is a filter on the shoppers' payloads: `field("n_events") >= 5`.
        """
        people = current(self._people)
        if not isinstance(shopper, str | np.ndarray | Sequence):
            raise TypeError(_NOBODY.format(shopper))
        members = [] if isinstance(shopper, np.ndarray) else [shopper] if isinstance(shopper, str) else list(shopper)
        vector = shopper if isinstance(shopper, np.ndarray) else _mean(_points(people, members, "shopper"))
        return choose(lambda n: people.search(vector, n, where), people, k, both(exclude, members))

    def they_bought(
        self,
        shopper: str | Sequence[str],
        k: int = 10,
        neighbours: int = 50,
        where: Filter | None = None,
        exclude: Collection[str] = (),
    ) -> Recommendations:
        """What lookalikes bought and the one (or anybody of the group) did not: Σ similarity over who bought it."""
        group = [shopper] if isinstance(shopper, str) else list(shopper)
        near = self.lookalikes(group, k=neighbours)
        points = _points(current(self._people), group, "shopper")
        theirs = {item for point in points for item in point.payload.get("owned", ())}
        return self.bought_by(near, k, where, both(exclude, theirs))

    @_whole
    def bought_by(
        self, shoppers: Recommendations, k: int = 10, where: Filter | None = None, exclude: Collection[str] = ()
    ) -> Recommendations:
        """What these shoppers bought, each of them counting with their score (0 or less: not at all)."""
        people = current(self._people).get(shoppers.item_ids)
        scores: dict[str, float] = {}
        for label, likeness in zip(shoppers.item_ids, shoppers.scores, strict=True):
            for item in people[label].payload.get("owned", ()) if likeness > 0 and label in people else ():
                scores[item] = scores.get(item, 0.0) + likeness
        return self._scored(scores, k, where, exclude)

    @_whole
    def buy_again(
        self,
        shopper: str,
        now_ms: int,
        k: int = 10,
        half_life_days: float = HALF_LIFE_DAYS,
        where: Filter | None = None,
        exclude: Collection[str] = (),
    ) -> Recommendations:
        """The shopper's own products, by habit and by how often others buy them again: `recsys_lab.patterns.again`.

        `now_ms` counts from 1970; more than a day before their newest purchase is a `ValueError`. Products that are no
        longer in `items` are left out.
        """
        mine = _points(current(self._people), [shopper], "shopper")[0].payload
        if now_ms < (newest := max(mine.get("last_ms", ()), default=now_ms)) - DAY_MS:  # clocks differ a little
            raise ValueError(
                f"now_ms: {now_ms} is before {shopper!r} bought something ({newest}); give milliseconds since 1970,"
                f" of now: int(time.time() * 1000)"
            )
        owned = list(mine.get("owned", ()))
        worth = habit(np.array(mine.get("times", ())), np.array(mine.get("last_ms", ())), now_ms, half_life_days)
        products = current(self.items).get(owned)
        scores = {
            item: value * products[item].payload.get("again", 1.0)
            for item, value in zip(owned, worth.tolist(), strict=True)
            if item in products
        }
        return self._scored(scores, k, where, exclude)

    # -- by look ----------------------------------------------------------------------------------------------------

    @_whole
    def complete_the_look(
        self,
        item: str,
        k: int = 10,
        per_category: int = 1,
        where: Filter | None = None,
        exclude: Collection[str] = (),
        by: Sequence[str] = ("style", "colour"),
        same: str | None = "department",
    ) -> Recommendations:
        """From each category that completes the item's, what is nearest to it `by` style and colour.

        A score is the categories' lift times the likeness. Products have to have the `same` department (where the item
        tells one). Needs `looks` and `complements`.
        """
        if self.looks is None or self.complements is None:
            raise ValueError(
                "complete_the_look: give Patterns(..., looks=StoredIndex(...), complements=complements(shop))"
            )
        payload = _points(current(self.looks.collection), [item], "product")[0].payload
        out = both(exclude, [item])
        weights = {space: float(space in by) for space in self.looks.index.moving}
        found: dict[str, float] = {}
        for category, lift in self.complements.get(str(payload.get("category")), ()):
            wanted = field("category") == category
            if where is not None:
                wanted = wanted & where
            if same is not None and same in payload:
                wanted = wanted & (field(same) == payload[same])
            near = self.looks.search(weights=weights, like=item, k=per_category, where=wanted, exclude=out)
            found |= {label: lift * score for label, score in zip(near.item_ids, near.scores, strict=True)}
        return choose(by_score(found), current(self.looks.collection), k)

    # -- what they share --------------------------------------------------------------------------------------------

    @property
    def _people(self) -> Where:
        if self.shoppers is None:
            raise ValueError("shoppers: this pattern asks for people; give Patterns(items, shoppers)")
        return self.shoppers

    def _shopper(self, shopper: Shopper) -> tuple[Floats, Payload]:
        if not isinstance(shopper, str):
            vector = np.asarray(shopper)
            if vector.ndim != 1 or vector.dtype.kind not in "fiu":
                raise TypeError(_NOBODY.format(shopper))
            return vector, {}
        point = _points(current(self._people), [shopper], "shopper")[0]
        return point.vector, point.payload

    def _nearest(
        self,
        products: BaseCollection,
        vector: Floats,
        k: int,
        where: Filter | None,
        exclude: Collection[str],
        model: str | None = None,
    ) -> Recommendations:
        look = functools.partial(_of_one_training, model)
        return choose(lambda n: products.search(vector, n, where), products, k, exclude, self.most_per, look)

    def _scored(
        self, scores: Mapping[str, float], k: int, where: Filter | None, exclude: Collection[str]
    ) -> Recommendations:
        """A list by scores that are known already; the store says which of them pass `where`."""
        now = current(self.items)
        if where is not None and scores:
            passes = now.search(_anything(now), len(scores), where & field("item_id").isin(list(scores))).item_ids
            scores = {item: scores[item] for item in passes}
        return choose(by_score(scores), now, k, both(exclude, ()), self.most_per)


_NOBODY = "shopper: {0!r} is nobody; give an id (a text: str(id)), or a vector [dim] (Factors.shopper_vector)"
_NEW = {
    "product": "a new one has no vector before somebody did something with it: train with `content`",
    "shopper": "for a new one ask with a vector, for_you(model.shopper_vector(context)), where model is what the store"
    " was refreshed with (from recsys_lab.patterns import sales_factors; model = sales_factors().fit(shop);"
    " refresh_shop(store, shop, model)); take_purchases(model, shoppers, events), from there too, stores them;"
    " popular() needs no vector",
}
_EMPTY = {"product": "ask popular() instead", "shopper": "give one or more ids, or ask popular() for products"}


def _points(collection: BaseCollection, ids: Sequence[str], what: str, least: int | None = None) -> list[Point]:
    """The points of all `ids`, each of which has to be there; with `least`, of so many at least."""
    if isinstance(ids, str):
        raise TypeError(f"{ids!r} is a text; put it in a list")
    if not len(ids):
        raise ValueError(f"there is no {what} to start from: the list is empty; {_EMPTY[what]}")
    found = collection.get(dict.fromkeys(ids))
    for label in ids if least is None or len(found) < least else ():
        if label not in found:
            raise KeyError(f"there is no {what} {label!r} in {collection.name!r}; {_NEW[what]}")
    return [found[label] for label in ids if label in found]


def _anything(collection: BaseCollection) -> Floats:
    """A vector to ask with where the question is who passes a filter, and not who is near."""
    anything: Floats = np.eye(1, collection.about.dim)[0]
    return anything


def _mean(points: Sequence[Point]) -> Floats:
    """The mean of the vectors at length 1: each counts the same, popular or not."""
    mean: Floats = unit_rows(np.array([point.vector for point in points])).mean(axis=0)
    return mean


def _of_one_training(model: str | None, payloads: Mapping[str, Payload]) -> None:
    """Products of another training than the shopper's: their inner product says nothing."""
    others = {payload["model"] for payload in payloads.values() if "model" in payload} - {model}
    if model is not None and others:
        raise _Mixed("shoppers and products are of two trainings")
