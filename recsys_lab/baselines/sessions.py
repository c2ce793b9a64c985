"""From one visit to others like it: the nearest sessions of the past vote for what they held."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from recsys_lab.datasets import DAY_MS, Event, Shop
from recsys_lab.recommender import Context, Floats, Rows, ScoringRecommender, top_k

Wholes = NDArray[np.integer[Any]]

_CELLS = 1_000_000  # candidates or scores held at once while neighbours are looked up

WEIGHTINGS: dict[str, Callable[[Any, Any], Any]] = {
    "same": lambda place, length: np.ones(len(place)),
    "linear": lambda place, length: np.maximum(0.0, 1.0 - (length - place) / 10.0),
    "div": lambda place, length: place / length,
    "quadratic": lambda place, length: (place / length) ** 2,
    "log": lambda place, length: 1.0 / np.log10(length - place + 1.7),
}
"""What the product at `place` (from 1) of a session of `length` clicks counts; the last click counts most."""


class SessionKNN(ScoringRecommender):
    """S-KNN (Jannach and Ludewig 2017): what the sessions most like this one held.

    Candidates are the `sample_size` most recent sessions that share a product with this visit s; the `k` most similar
    of them are its neighbours N. As sets of products:

        sim(s, n) = |s ∩ n| / √(|s|·|n|)        score(i) = Σ over n in N with i of sim(s, n)

    A session is as recent as its last click; ties of similarity fall to the more recent. Sessions are those of
    `Shop.sequences`. The visit is what was clicked in `Context.session`; before its first click the cart, else the
    shopper's last visit. `remind=False` leaves all products of the visit at 0, not the open one alone.

    >>> past = Shop.from_sessions([["a", "b"], ["a", "b", "c"], ["a", "d", "e", "f"]])
    >>> listed = SessionKNN(k=2).fit(past).recommend(Context(None, 10**12, cart=("a", "b")), k=2)
    >>> listed.item_ids, [round(score, 3) for score in listed.scores]
    (('c', 'd'), [0.816, 0.0])
    """

    def __init__(self, k: int = 500, sample_size: int = 1000, remind: bool = True) -> None:
        self.k = k
        self.sample_size = sample_size
        self.remind = remind

    def _learn(self, shop: Shop) -> None:
        self._check()
        clicks = shop.sequences(min_length=1)
        session = pd.factorize(clicks["session_id"])[0]
        length = np.bincount(session)
        end = np.cumsum(length)
        self._trail = clicks["item_id"].to_numpy(dtype=object)
        ended = clicks["timestamp"].to_numpy(dtype=np.int64)[end - 1]
        oldest_first = np.argsort(ended, kind="stable")
        spans = zip((end - length)[oldest_first].tolist(), end[oldest_first].tolist(), strict=True)
        users = clicks["user_id"].to_numpy(dtype=object)[end - 1][oldest_first]
        self._last_visit = dict(zip(users.tolist(), spans, strict=True))  # the last one stays

        newest = oldest_first[::-1]
        newest = newest[length[newest] > 1]  # one product has no other to vote for
        row = np.full(len(length), -1)
        row[newest] = np.arange(len(newest))
        place = np.arange(len(session)) - np.repeat(end - length, length) + 1
        seen = pd.DataFrame({"row": row[session], "column": self.columns(self._trail.tolist()), "place": place})
        seen = seen[seen["row"] >= 0].drop_duplicates(["row", "column"], keep="last")
        shape = (len(newest), len(self.items_))
        self.ended_ = ended[newest]
        self.places_ = sparse.csr_matrix((seen["place"], (seen["row"], seen["column"])), shape=shape)
        """Sessions, the most recent first, by products: the place of the last click on the product, from 1."""
        self._held = self.places_.astype(bool).astype(np.float64)
        self._size = np.diff(self.places_.indptr).astype(np.int64)
        self._holders = self._latest_holders()

    def _check(self) -> None:
        for name in ("k", "sample_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} leaves no session to learn from; give at least 1")

    def _latest_holders(self) -> Any:
        """Products by sessions: 1 for the `sample_size` most recent sessions with the product.

        No more are needed: a session among the latest of several products is among the latest of each one it holds.
        """
        by_product = self._held.T.tocsr()
        count = np.diff(by_product.indptr)
        kept = np.arange(by_product.nnz) - np.repeat(by_product.indptr[:-1], count) < self.sample_size
        where = np.repeat(np.arange(len(count)), count)[kept], by_product.indices[kept]
        return sparse.csr_matrix((by_product.data[kept], where), shape=by_product.shape)

    def visit(self, context: Context) -> tuple[str, ...]:
        """The products that this method is asked from, oldest first, consecutive repeats removed."""
        now = _clicked(context.session)
        if now or context.cart:
            return now or context.cart
        if context.history is None:
            start, stop = self._last_visit.get(context.shopper_id or "", (0, 0))
            return tuple(self._trail[start:stop])
        earlier = [event for event in context.history if event.event_type == "clicked_on"]
        return _clicked(event for event in earlier if event.session_id == earlier[-1].session_id)

    def _question(self, context: Context) -> Hashable:
        return self.visit(context)

    def _score(self, contexts: Sequence[Context]) -> Floats:
        sample = min(self.sample_size, len(self.ended_))
        step = max(1, _CELLS // max(1, sample, len(self.items_)))
        parts: list[Floats] = [np.zeros((0, len(self.items_)))]
        for start in range(0, len(contexts), step):
            places, length = self._asked(contexts[start : start + step])
            votes = self._votes(places, length, *self._neighbours(places, length))
            if not self.remind:
                votes[places.nonzero()] = 0.0
            parts.append(votes)
        return np.concatenate(parts)

    def _asked(self, contexts: Sequence[Context]) -> tuple[Any, Rows]:
        """The visits by products, as in `places_`, shape [contexts, products], and their lengths, shape [contexts]."""
        visits = [self.visit(context) for context in contexts]
        last = [{item: place for place, item in enumerate(visit, 1) if item in self._column} for visit in visits]
        column = self.columns([item for places in last for item in places])
        place = np.array([place for places in last for place in places.values()], dtype=np.int64)
        first = np.cumsum([0, *(len(places) for places in last)])
        shape = (len(contexts), len(self.items_))
        length = np.array([len(visit) for visit in visits], dtype=np.int64)
        return sparse.csr_matrix((place, column, first), shape=shape), length

    def _neighbours(self, places: Any, length: Rows) -> tuple[Rows, Rows, Floats]:
        """Rows of the visits, rows of their neighbours and similarities, of all pairs; shape [pairs] each."""
        size = np.diff(places.indptr)
        weights = self._weights(places.data, np.repeat(length, size))
        query = sparse.csr_matrix((weights, places.indices, places.indptr), shape=places.shape, copy=True)
        query.eliminate_zeros()  # what counts nothing draws no session; in place, hence the copy
        shared = query @ self._holders
        shared.sort_indices()  # the most recent first
        count = np.diff(shared.indptr)
        question = np.repeat(np.arange(len(count)), count)
        rank = np.arange(shared.nnz) - shared.indptr[question]
        width = min(self.sample_size, int(count.max(initial=0)))
        kept = rank < width
        question, rank, session = question[kept], rank[kept], shared.indices[kept]
        likeness = np.full((len(count), width), -np.inf)
        who = np.zeros((len(count), width), dtype=np.int64)
        likeness[question, rank] = shared.data[kept] * self._match(size[question], session)
        who[question, rank] = session
        columns, best = top_k(likeness, min(self.k, max(1, width)))
        question, at = np.nonzero(columns >= 0)
        return question, who[question, columns[question, at]], best[question, at]

    def _weights(self, place: Rows, length: Rows) -> Floats:
        """What a product of the visit counts, by its place and the length of the visit; shape as `place`."""
        return np.ones(len(place))

    def _match(self, size: Rows, session: Rows) -> Floats:
        """The similarity of each pair for each unit of weight that it shares; `size` = products of the visit."""
        return np.asarray(1.0 / np.sqrt(size * self._size[session]))

    def _votes(self, places: Any, length: Rows, question: Rows, neighbour: Rows, similarity: Floats) -> Floats:
        """Scores [visits, products] of the pairs that `_neighbours` found."""
        votes = sparse.csr_matrix((similarity, (question, neighbour)), shape=(len(length), self._held.shape[0]))
        return np.asarray((votes @ self._held).toarray())

    def _held_by(self, places: Any, question: Rows, neighbour: Rows) -> tuple[Wholes, Wholes, Wholes, Wholes, Wholes]:
        """What the neighbours hold: pair, product's column and place, a row for each product of each pair.

        And for each pair the last product of the visit that it shares: its place in the visit and in the neighbour.
        """
        size = self._size[neighbour]
        pair = np.repeat(np.arange(len(size)), size)
        at = np.arange(len(pair)) + np.repeat(self.places_.indptr[neighbour] - np.cumsum(size) + size, size)
        column, place = self.places_.indices[at], self.places_.data[at]
        in_visit = places.toarray()[question[pair], column]  # 0: not there
        last = np.zeros(len(size), dtype=np.int64)
        np.maximum.at(last, pair, in_visit)
        return pair, column, place, last, place[in_visit == last[pair]]


def _clicked(events: Iterable[Event]) -> tuple[str, ...]:
    """The products that were clicked, in order, consecutive repeats removed."""
    return tuple(item for item, _ in groupby(event.item_id for event in events if event.event_type == "clicked_on"))


class VSKNN(SessionKNN):
    """V-SKNN (Ludewig and Jannach 2018): `SessionKNN` in which the latest clicks of this visit count most.

    With w(p, L) the weight of the product at place p of L clicks, by `weighting` (`WEIGHTINGS`; a product that was
    clicked twice counts at its last place), and x the place of the last product that n shares with the visit:

        sim(s, n) = Σ over i in s ∩ n of w(p_i, L)
        score(i) = Σ over n in N with i of sim(s, n)·v(x, L)·(1 + idf_weight·idf_i)

    idf_i = ln(sessions / sessions with i); v is 1 unless `match_weighting` names another one: "div" is the factor of
    S-SKNN in the same paper.

    >>> past = Shop.from_sessions([["a", "c"], ["b", "d"]])
    >>> listed = VSKNN().fit(past).recommend(Context(None, 10**12, cart=("a", "b")), k=2)
    >>> listed.item_ids, listed.scores
    (('d', 'c'), (1.0, 0.5))
    """

    def __init__(
        self,
        k: int = 500,
        sample_size: int = 1000,
        weighting: str = "div",
        match_weighting: str = "same",
        idf_weight: float = 0.0,
        remind: bool = True,
    ) -> None:
        super().__init__(k, sample_size, remind)
        self.weighting = weighting
        self.match_weighting = match_weighting
        self.idf_weight = idf_weight

    def _check(self) -> None:
        super()._check()
        for name in ("weighting", "match_weighting"):
            if getattr(self, name) not in WEIGHTINGS:
                known = ", ".join(WEIGHTINGS)
                raise ValueError(f"{name}: {getattr(self, name)!r} is none of {known}; use one of these")
        if not 0 <= self.idf_weight < np.inf:
            raise ValueError(f"idf_weight: {self.idf_weight} is no factor; give a number of 0 or more")

    def _weights(self, place: Rows, length: Rows) -> Floats:
        return np.asarray(WEIGHTINGS[self.weighting](place, length))

    def _match(self, size: Rows, session: Rows) -> Floats:
        return np.ones(len(session))

    def _votes(self, places: Any, length: Rows, question: Rows, neighbour: Rows, similarity: Floats) -> Floats:
        if self.match_weighting != "same":
            last = self._held_by(places, question, neighbour)[3]
            similarity = similarity * WEIGHTINGS[self.match_weighting](last, length[question])
        scores = super()._votes(places, length, question, neighbour, similarity)
        sessions, with_it = self._held.shape[0], np.asarray(self._held.sum(axis=0)).ravel()
        return np.asarray(scores * (1.0 + self.idf_weight * np.log(np.maximum(1, sessions) / np.maximum(1, with_it))))


class STAN(SessionKNN):
    """STAN (Garg et al. 2019): `SessionKNN` with three fades: in this visit, with a session's age, around the match.

    p_i is the place of product i in this visit s of L clicks, q_i its place in the neighbour n (the last one each), q*
    the place in n of the last product of the visit that n shares, t_n the time of n's last click:

        sim(s, n) = Σ over i in s ∩ n of exp((p_i − L)/λ1) / √(|s|·|n|) · exp(−(t − t_n)/λ2)
        score(i) = Σ over n in N with i of sim(s, n)·exp(−|q_i − q*|/λ3)

    λ1 = `visit_clicks` and λ3 = `match_clicks` are in clicks, λ2 = `age_days` in days; math.inf switches a fade off.
    t is the end of the training data: to count from now would multiply all scores of a question by one number.

    >>> past = Shop.from_sessions([["c", "a", "b", "d", "e"]])
    >>> model = STAN(age_days=float("inf")).fit(past)
    >>> model.recommend(Context(None, 10**12, cart=("a", "b")), k=3).item_ids
    ('d', 'c', 'e')
    """

    def __init__(
        self,
        k: int = 500,
        sample_size: int = 5000,
        visit_clicks: float = 1.02,
        age_days: float = 5.0,
        match_clicks: float = 2.05,
        remind: bool = True,
    ) -> None:
        super().__init__(k, sample_size, remind)
        self.visit_clicks = visit_clicks
        self.age_days = age_days
        self.match_clicks = match_clicks

    def _check(self) -> None:
        super()._check()
        for name in ("visit_clicks", "age_days", "match_clicks"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: {getattr(self, name)} is no span to fade over; give more than 0")

    def _weights(self, place: Rows, length: Rows) -> Floats:
        return np.asarray(np.exp((place - length) / self.visit_clicks))

    def _match(self, size: Rows, session: Rows) -> Floats:
        age = (self.fitted_until_ - self.ended_[session]) / DAY_MS
        return super()._match(size, session) * np.exp(-age / self.age_days)

    def _votes(self, places: Any, length: Rows, question: Rows, neighbour: Rows, similarity: Floats) -> Floats:
        pair, column, place, _, match = self._held_by(places, question, neighbour)
        votes = similarity[pair] * np.exp(-np.abs(place - match[pair]) / self.match_clicks)
        cells = question[pair] * len(self.items_) + column
        scores = np.bincount(cells, votes, minlength=len(length) * len(self.items_)).astype(np.float64)
        return scores.reshape(len(length), len(self.items_))
