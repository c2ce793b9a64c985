"""How the engine's lists are made: the live index, the patterns, a fitted recommender, or what is popular."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from recsys_lab.datasets import Event
from recsys_lab.filters import Filter, field
from recsys_lab.ranking.sources import INTENT, TASTE
from recsys_lab.realtime.state import Visit
from recsys_lab.recommender import Context
from recsys_lab.shop.answers import Answer, Away
from recsys_lab.shop.backend import Backend, Now
from recsys_lab.shop.catalogue import listed
from recsys_lab.shop.config import Settings
from recsys_lab.shop.memo import Known
from recsys_lab.shop.shelf import Plan, barrier
from recsys_lab.shop.trained import makes
from recsys_lab.spaces import SpaceError

_DEEP = 50  # how much of the live list a ranker puts in order
_BY, _SAME = ("style", "colour"), "department"
Out = Sequence[str] | AbstractSet[str]


class Lists:
    """Lists for one question each, always of products that may be listed now."""

    def __init__(self, backend: Backend, settings: Settings, clock: Callable[[], int], failures: Counter[str]) -> None:
        self.backend, self.settings, self.clock, self.failures = backend, settings, clock, failures
        self._plans: dict[bool, Plan] = {}

    def unseen(self, now: Now, visit: Visit) -> tuple[Event, ...]:
        """The events that no training has seen."""
        return tuple(event for event in visit.events if event.timestamp > now.trained.until_ms)

    def weights(
        self, now: Now, given: Mapping[str, float] | None, likeness: bool = False, visit: bool = False
    ) -> dict[str, float]:
        """The weights of the settings (those of a visit?), with those given in their place. Raises `SpaceError`."""
        index = now.catalogue.index
        spaces: Mapping[str, Any] = {} if index is None else index.spaces
        for name, weight in (given or {}).items():
            if name.partition(":")[0] not in spaces:
                raise SpaceError(f"weights: there is no space {name!r}; the spaces are {', '.join(spaces)}")
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
                raise SpaceError(f"weights: {name!r} has {weight!r}; give a finite number")
        usual = {
            name: weight
            for name, weight in (self.settings.visit_weights if visit else self.settings.weights).items()
            if name in spaces and (spaces[name].moves or not likeness)
        }
        return {**usual, **(given or {})}

    def live(
        self,
        now: Now,
        known: Known,
        k: int,
        where: Filter | None,
        weights: Mapping[str, float] | None,
        out: Out,
        time: int,
        visiting: bool,
    ) -> Answer:
        """One search: what is like the shopper, and what appeals to everybody. `visiting`: inside a visit."""
        shelf, visit, ranking = now.catalogue.shelf, known.visit, self.backend.ranking
        usual = weights is None and not self.backend.remote
        asked = {} if usual else self.weights(now, weights, visit=visiting)
        if shelf is None or not shelf.moving:
            return self.without_spaces(now, visit, k, where, out, time)
        deep = max(k, _DEEP) if ranking.ready else k
        try:
            if usual:
                row = known.row(self.plan(now, visiting))
                found = Answer.of(shelf.best(row, now.catalogue.barrier(where, time), deep, out), "live")
            else:
                profile = self.plan(now, visiting).profiles.of(visit.events)
                found = self.backend.searched(now, asked, deep, where, out, time, profile)
        except SpaceError:  # all that counts is likeness, and nothing is known yet
            return self.plain(
                now, k, where, None, out, "nothing is known yet that these weights count: what is popular"
            )
        except Away as error:
            return self.plain(now, k, where, error, out)
        if not ranking.ready:
            return found
        return ranking.ordered(found, now.catalogue, Context(visit.shopper, time, self.unseen(now, visit)), k)

    def plan(self, now: Now, visiting: bool) -> Plan:
        """The questions by the weights of the settings: inside a visit its intent counts, at the door the taste."""
        held, shelf = self._plans.get(visiting), now.catalogue.shelf
        assert shelf is not None
        if held is None or held.shelf is not shelf:
            rules = INTENT if visiting else TASTE
            held = self._plans[visiting] = Plan(shelf, rules, self.weights(now, None, visit=visiting))
        return held

    def without_spaces(self, now: Now, visit: Visit, k: int, where: Filter | None, out: Out, time: int) -> Answer:
        """In a shop of ids alone, the factors know who is like whom."""
        factors, events = now.trained.factors, self.unseen(now, visit)
        if factors is None or not (events or visit.shopper in now.trained.shoppers):
            return self.plain(now, k, where, None, out)
        vector = factors.shopper_vector(Context(visit.shopper, time, events))
        if not vector.any():
            return self.plain(now, k, where, None, out)
        return self.patterns(now, k, where, out, lambda ask, n: ask.for_you(vector, n))

    def plain(
        self,
        now: Now,
        k: int,
        where: Filter | None,
        error: Away | None = None,
        out: Out = (),
        notes: str = "",
    ) -> Answer:
        """What is popular: for everybody, and for when nothing else can be said."""
        catalogue = now.catalogue
        allowed = catalogue.allowed(where, self.clock(), out)
        rows = [row for row in catalogue.ordered("popular") if allowed[row]][:k]
        if error is not None:
            self.failures["degraded"] += 1
            notes = notes or f"the {error.what} does not answer: what is popular"
        scores = tuple(catalogue.counts[rows].astype(float).tolist())
        ids = tuple(catalogue.ids[row] for row in rows)
        return Answer(ids, scores, {"popularity": scores}, "popular", notes, None if error is None else error.what)

    def patterns(self, now: Now, k: int, where: Filter | None, out: Out, ask: Any) -> Answer:
        """A pattern's list, of products that may be listed now; popular ones where it knows nothing of the question."""
        allowed = now.catalogue.allowed(where, self.clock(), out)
        if now.trained.factors is None:
            return self.plain(now, k, where, None, out, "nobody has clicked or bought yet: what is popular")
        try:
            found = listed(lambda n: self.backend.asked(now, lambda p: ask(p, n)), now.catalogue, allowed, k)
        except KeyError:
            return self.plain(now, k, where, None, out, "nothing is known of this yet: what is popular")
        except Away as error:
            return self.plain(now, k, where, error, out)
        return Answer.of(found, "patterns")

    def by(
        self,
        name: str,
        surface: str,
        now: Now,
        context: Context,
        k: int,
        where: Filter | None,
        out: Out,
    ) -> Answer:
        """A fitted recommender's list. Raises `ValueError` for one that is not."""
        make = makes(name, surface)
        recommender = now.trained.recommenders.get(make)
        if recommender is None:
            raise ValueError(f"by: {name!r} was not fitted; the switch has {', '.join(self.settings.switch)}")
        allowed = now.catalogue.allowed(where, context.now_ms, out)
        return Answer.of(listed(lambda n: recommender.recommend(context, n), now.catalogue, allowed, k), name)

    def look(self, now: Now, item: str, k: int) -> Answer:
        """`Patterns.complete_the_look`; in memory, by masks of the catalogue, which takes a fiftieth of the time."""
        catalogue, shelf = now.catalogue, now.catalogue.shelf
        if self.backend.remote or shelf is None or catalogue.index is None:
            return self.patterns(now, k, None, [item], lambda ask, n: ask.complete_the_look(item, n))
        allowed, row = catalogue.allowed(None, self.clock(), [item]), catalogue.row(item)
        if row.get(_SAME) is not None:
            allowed &= catalogue.mask(field(_SAME) == row[_SAME])
        weights = {space: float(space in _BY) for space in catalogue.index.moving}
        question = shelf.row(catalogue.index.question(weights=weights, like=item))
        found = []
        for category, lift in now.trained.complements.get(str(row.get("category")), ()):
            near = shelf.best(question, barrier(allowed & catalogue.mask(field("category") == category)), 1)
            found += [(round(lift * score, 6), near.item_ids[0]) for score in near.scores]
        found.sort(key=lambda one: (-one[0], catalogue.place_of(one[1])))
        return Answer(tuple(one for _, one in found[:k]), tuple(score for score, _ in found[:k]), {}, "patterns")
