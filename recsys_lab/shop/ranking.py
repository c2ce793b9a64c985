"""A ranker behind the live list: it learns beside what serves, and then puts the first products in its order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from recsys_lab.datasets import Shop
from recsys_lab.ranking.ranker import LEVEL
from recsys_lab.recommender import Context, Recommender
from recsys_lab.shop.answers import Answer
from recsys_lab.shop.catalogue import Catalogue
from recsys_lab.shop.trained import makes
from recsys_lab.shop.unlearn import copied, without

_log = logging.getLogger("recsys_lab.shop")


class Ranking:
    """The ranker of this name, or none. `ready` once it has learned, which takes minutes."""

    def __init__(self, name: str | None, failed: Callable[[str], None]) -> None:
        self._make = None if name is None else makes(name)
        self._name, self._failed = name, failed
        self._held: Recommender | None = None
        self._learning: threading.Thread | None = None
        self._forgotten: set[str] = set()  # while it learns: it may have seen them
        self._lock = threading.Lock()

    @property
    def ready(self) -> bool:
        """Whether it can put a list in order."""
        return self._held is not None

    def learn(self, shop: Shop | None) -> None:
        """Learn beside what serves; the last one serves until this is done. Nothing if it is learning already."""
        make = self._make
        if make is None or shop is None or (self._learning is not None and self._learning.is_alive()):
            return

        self._forgotten = set()

        def learn() -> None:
            try:
                made = make().fit(shop)
                with self._lock:
                    for shopper in self._forgotten:
                        without(made, shopper)
                    self._held = made
            except ValueError as error:  # too short a log
                self._failed("ranker")
                _log.warning("the ranker learned nothing, the list stays as it is: %s", error)

        self._learning = threading.Thread(target=learn, name="recsys-lab-ranker", daemon=True)
        self._learning.start()

    def forget(self, shopper: str) -> None:
        """Take a shopper out of it, and out of what is being learned."""
        with self._lock:
            self._forgotten.add(shopper)
            if self._held is not None:
                made = copied(self._held)  # the old one may be asked meanwhile
                without(made, shopper)
                self._held = made

    def wait(self) -> bool:
        """Wait until it has learned; whether it is ready."""
        if self._learning is not None:
            self._learning.join()
        return self.ready

    def ordered(self, found: Answer, catalogue: Catalogue, context: Context, k: int) -> Answer:
        """The first `k` of a list in the ranker's order; what it does not know yet stands at the end."""
        if self._held is None or not found.item_ids:
            return found
        others = catalogue.row_of.keys() - set(found.item_ids)
        made = self._held.recommend(context, len(found), exclude=others)
        at = {item: row for row, item in enumerate(made.item_ids)}
        ids = [
            *(item for item in made.item_ids if item in catalogue),
            *(one for one in found.item_ids if one not in at),
        ]
        low = min(made.scores, default=0.0)
        scores = tuple(made.scores[at[item]] if item in at else low for item in ids[:k])
        parts = {
            name: tuple(values[at[item]] if item in at else low * (name == LEVEL) for item in ids[:k])
            for name, values in (made.parts or {}).items()
        }
        return Answer(tuple(ids[:k]), scores, parts, f"{found.by}, {self._name}", found.notes)
