"""From what a database finds to the list of a shop: no excluded product, ties by popularity, not ten of one kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from recsys_lab.recommender import Recommendations
from recsys_lab.stores import Alias, BaseCollection
from recsys_lab.stores.checks import Payload

MostPer = tuple[str, int]
Ranking = Callable[[int], Recommendations]
"""Given n, the n best by score; fewer only where there are no more."""


def choose(
    ranking: Ranking,
    collection: BaseCollection,
    k: int,
    exclude: Collection[str] = (),
    most_per: MostPer | None = None,
    look: Callable[[Mapping[str, Payload]], None] = lambda payloads: None,
) -> Recommendations:
    """The first `k` of a ranking that may be listed; ties fall to the more popular, then by id.

    More is fetched while too much of it may not be listed, or the cut goes through a tie: a list is short only when
    nothing more is there. `look` sees the payloads of what was fetched.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k: {k!r} is not a length of a list; ask for a whole number, at least 1")
    k = int(k)
    out, want = set(exclude), k + len(exclude) + 1
    while True:
        found = ranking(want)
        payloads = {label: point.payload for label, point in collection.get(found.item_ids).items()}
        look(payloads)
        ranked = list(zip(found.item_ids, found.scores, strict=True))
        if len(found) == want:  # what ties with the last may go on behind it
            ranked = [(label, score) for label, score in ranked if score > found.scores[-1]]
        kept = [(label, score) for label, score in ranked if label in payloads and label not in out]
        kept.sort(key=lambda one: (-one[1], -payloads[one[0]].get("popularity", 0), one[0]))
        kept = _spread(kept, payloads, most_per)[:k]
        if len(kept) == k or len(found) < want:
            return Recommendations(tuple(label for label, _ in kept), tuple(score for _, score in kept))
        # Nothing but ties (a question that favours nobody) is settled by looking at everything.
        want = collection.count() + 1 if found.scores[0] == found.scores[-1] else 3 * want


def _spread(
    ranked: Sequence[tuple[str, float]], payloads: Mapping[str, Payload], most_per: MostPer | None
) -> list[tuple[str, float]]:
    """At most so many of one kind; what tells no kind is not counted."""
    if most_per is None:
        return list(ranked)
    name, most = most_per
    seen: Counter[object] = Counter()
    kept = []
    for label, score in ranked:
        kind = payloads[label].get(name)
        seen[kind] += 1
        if kind is None or seen[kind] <= most:
            kept.append((label, score))
    return kept


def both(exclude: Collection[str], others: Collection[str]) -> set[str]:
    """What the question leaves out, and what the pattern leaves out by itself."""
    if isinstance(exclude, str):
        raise TypeError(f"exclude: {exclude!r} is a text; put it in a list")
    return {*exclude, *others}


def by_score(scores: Mapping[str, float]) -> Ranking:
    """Scores that are known already, as a ranking; rounded as a store rounds them, so that equal sums tie."""
    ranked = sorted((-round(score, 6), label) for label, score in scores.items())
    ids, values = tuple(label for _, label in ranked), tuple(0.0 - score for score, _ in ranked)
    return lambda n: Recommendations(ids[:n], values[:n])


def current(collection: BaseCollection | Alias) -> BaseCollection:
    """What an alias stands for now."""
    return collection.collection() if isinstance(collection, Alias) else collection
