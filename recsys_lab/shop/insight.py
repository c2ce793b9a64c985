"""What the shop believes of a shopper, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recsys_lab.realtime.state import Visit
from recsys_lab.recommender import Floats
from recsys_lab.shop.catalogue import Catalogue
from recsys_lab.spaces import CategorySpace, SpaceIndex

_TOP = 3
_DID = {"clicked_on": "opened", "put_to_cart": "put into the cart", "buy": "bought", "removed_from_cart": "took out"}


def taste_of(index: SpaceIndex | None, profile: Mapping[str, Floats]) -> list[dict[str, Any]]:
    """The profile's vectors read back as words: for each category space its strongest three, with their strength."""
    made = []
    for name, vector in profile.items():
        space = index.spaces[name] if index is not None else None
        if not isinstance(space, CategorySpace) or space.categories is None:
            continue
        order = np.argsort(-vector, kind="stable")[:_TOP].tolist()
        says = [[space.categories[at], round(float(vector[at]), 2)] for at in order if vector[at] > 0]
        if says:
            made.append({"space": name, "says": says})
    return made


def because(catalogue: Catalogue, visit: Visit, taste: Sequence[Mapping[str, Any]], cart: Sequence[str]) -> list[str]:
    """Sentences on where the list comes from."""
    if not visit.events:
        return ["Nothing is known of you yet: the list is what appeals to everybody."]
    counts = Counter(event.event_type for event in visit.events)
    did = [f"{_DID[kind]} {_many(n, 'product')}" for kind, n in counts.items() if kind in _DID]
    made = [f"You {_listed(did)}."]
    for one in taste:
        if one["space"] in ("category", "style", "colour"):
            made.append(f"Your {one['space']} seems to be {_listed([word for word, _ in one['says']])}.")
    last = visit.events[-1].item_id
    if last in catalogue:
        row = catalogue.row(last)
        made.append(f"The last was {row.get('name') or last}.")
    if cart:
        made.append(f"{_many(len(cart), 'product')} in the cart are not listed again.")
    return made


def _many(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
