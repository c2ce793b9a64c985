"""Several scores made one: a logistic regression that learns, from the last days of the log, whom to believe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_lab.datasets import DAY_MS, Shop
from recsys_lab.factors.model import Factors
from recsys_lab.recommender import Context, Floats, Rows, ScoringRecommender

INSTALL = 'python -m pip install "scikit-learn>=1.6,<2"'
"""The line that installs what a blend needs."""


class Purchases(ScoringRecommender):
    """Base of what is asked from the purchases of a shopper."""

    def _learn(self, shop: Shop) -> None:
        rows = shop.events[shop.events["event_type"] == "buy"]
        cells = pd.DataFrame({"column": self.columns(rows["item_id"].tolist()), "time": rows["timestamp"].to_numpy()})
        by_user = cells.groupby(rows["user_id"].to_numpy(dtype=object))
        self._mine: dict[str, tuple[Rows, Rows]] = {
            str(user): (mine["column"].to_numpy(), mine["time"].to_numpy()) for user, mine in by_user
        }

    @property
    def known(self) -> list[str]:
        """Who bought something."""
        return list(self._mine)

    def bought(self, context: Context) -> tuple[Rows, Rows]:
        """Column and time of each purchase, oldest first; those of the visit under way too."""
        none = np.zeros(0, dtype=np.int64)
        columns, times = none, none
        if context.history is None:
            columns, times = self._mine.get(context.shopper_id or "", (none, none))
        told = (*(context.history or ()), *context.session)
        buys = [event for event in told if event.event_type == "buy" and event.item_id in self._column]
        fresh = np.array([event.timestamp for event in buys], dtype=np.int64)
        return np.append(columns, self.columns([event.item_id for event in buys])), np.append(times, fresh)

    def counts(self, contexts: Sequence[Context]) -> Any:
        """How often each shopper bought each product; sparse, [contexts, items_]."""
        columns = [self.bought(context)[0] for context in contexts]
        rows = np.repeat(np.arange(len(columns)), [len(mine) for mine in columns])
        cells = (rows, np.concatenate([np.zeros(0, dtype=np.int64), *columns]))
        return sparse.csr_matrix((np.ones(len(rows)), cells), shape=(len(columns), len(self.items_)))


class BM25(Purchases):
    """Item-kNN with BM25 (Robertson and Walker 1994): a product is a text, and the shoppers who bought it its words.

    Shopper u in product i weighs idf(u)·(k1 + 1) / (k1·(1 − b + b·n_i/mean n) + 1) with n_i the buyers of i and
    idf(u) = log(products) − log(1 + products of u): who bought nearly everything says little of any two. Products are
    alike by the inner product of these rows, themselves too; asked from all that the shopper bought, by their counts.
    """

    def __init__(self, k1: float = 0.5, b: float = 0.75) -> None:
        self.k1 = k1
        self.b = b

    def _learn(self, shop: Shop) -> None:
        if self.k1 < 0 or not 0 <= self.b <= 1:
            raise ValueError(f"k1, b: {self.k1} and {self.b}; give 0 or more for k1, and 0 to 1 for b")
        super()._learn(shop)
        held = self.counts([Context(user, 0) for user in self.known]).tocoo()
        buyers, products = np.bincount(held.col, minlength=len(self.items_)), np.bincount(held.row)
        length = 1 - self.b + self.b * buyers / max(buyers.mean(), 1e-12)
        rarity = np.log(len(self.items_)) - np.log1p(products)
        weights = rarity[held.row] * (self.k1 + 1) / (self.k1 * length[held.col] + 1)
        weighted = sparse.csr_matrix((weights, (held.row, held.col)), shape=held.shape)
        self.alike_ = sparse.csr_matrix(weighted.T @ weighted)

    def _score(self, contexts: Sequence[Context]) -> Floats:
        return np.asarray(np.round((self.counts(contexts) @ self.alike_).toarray(), 9))


Makes = Mapping[str, Callable[[], ScoringRecommender]]

SOURCES: Makes = {
    "als": partial(Factors, 256, regularization=10.0, base=0.0, log_counts=True),
    "bm25": BM25,
}
"""The models that a blend asks when it is told no others."""


class Signals(Purchases):
    """What is known of each product for each shopper, as named numbers: scores of models, what sells now, habits.

    For each model the rank (as log(1 + rank)) and the score (in standard deviations of this shopper's scores); how many
    baskets held the product in its last 7, 14, 30, 90 and all days (their differences are its trend) and how long it
    has been on sale; how often and how long ago the shopper bought it, in how many baskets with how many products.
    Counts and days as log(1 + x). Give it logs of purchases: what is no purchase does not count here.
    """

    def __init__(self, sources: Makes) -> None:
        self.sources = sources

    def _learn(self, shop: Shop) -> None:
        super()._learn(shop)
        self._models = {name: make().fit(shop) for name, make in self.sources.items()}
        baskets = shop.events.loc[shop.events["event_type"] == "buy"]
        column, age = (
            self.columns(baskets["item_id"].tolist()),
            _days(self.fitted_until_, baskets["timestamp"].to_numpy()),
        )
        self.sold_ = {
            f"sold in {days} days": np.log1p(np.bincount(column[age < days], minlength=len(self.items_)))
            for days in (7, 14, 30, 90)
        }
        self.sold_["sold"] = np.log1p(np.bincount(column, minlength=len(self.items_)))
        self.on_sale_ = self.sold_["sold"] > 0
        self.sold_["days on sale"] = np.zeros(len(self.items_))
        np.maximum.at(self.sold_["days on sale"], column, np.log1p(age))

    def of(self, contexts: Sequence[Context]) -> Iterator[tuple[str, Floats]]:
        """Each signal with its values [contexts, items_], one after the other: all at once would fill the memory."""
        for name, model in self._models.items():
            scores = model._score(contexts)
            order = np.argsort(-scores, axis=1, kind="stable")
            rank = np.empty_like(scores)
            np.put_along_axis(rank, order, np.log1p(np.arange(scores.shape[1], dtype=np.float64))[None, :], axis=1)
            yield f"{name}: rank", rank
            spread = scores.std(axis=1, keepdims=True)
            yield f"{name}: score", (scores - scores.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
        for name, values in self.sold_.items():
            yield name, np.broadcast_to(values, (len(contexts), len(values)))
        counts = self.counts(contexts)
        yield "own purchases", np.log1p(counts.toarray())
        last = np.zeros(counts.shape)
        visits = np.zeros((len(contexts), 2))
        for row, context in enumerate(contexts):
            columns, times = self.bought(context)
            last[row, columns] = np.log1p(_days(context.now_ms, times))  # oldest first: the last stays
            visits[row] = np.log1p([len(np.unique(times)), len(np.unique(columns))])
        yield "days since own", last
        yield "own baskets", np.broadcast_to(visits[:, [0]], counts.shape)
        yield "own products", np.broadcast_to(visits[:, [1]], counts.shape)


def _days(now_ms: int, times: Rows) -> Floats:
    return np.maximum(now_ms - times, 0) / DAY_MS


class Blend(ScoringRecommender):
    """A logistic regression over `Signals`, taught by the last `days` of the log with everything learned before them.

    Two questions, and so two regressions: will they buy it *again*, for products that the shopper owns, and will they
    *try* it, for all others on sale. Of what was not tried, a share `sampled` is looked at, each standing for
    1/`sampled`. Then the signals learn the whole log, and the regressions stay. Only shoppers known before the window
    teach; `c` is scikit-learn's inverse strength of regularisation.

    Learned: `weights_`, for each question the weight of each signal in standard deviations; `signals_`. Raises
    `ValueError` when nobody of the window bought before it, or the window has only one kind of answer.
    """

    weights_: pd.DataFrame
    signals_: Signals

    def __init__(
        self,
        sources: Makes | None = None,
        days: int = 30,
        sampled: float = 0.05,
        c: float = 1.0,
        random_state: int = 0,
    ) -> None:
        self.sources = sources
        self.days = days
        self.sampled = sampled
        self.c = c
        self.random_state = random_state

    def _learn(self, shop: Shop) -> None:
        if self.days < 1 or not 0 < self.sampled <= 1:
            raise ValueError(f"days, sampled: {self.days} and {self.sampled}; give 1 day or more, and a share up to 1")
        cut = self.fitted_until_ - self.days * DAY_MS + 1
        signals = Signals(SOURCES if self.sources is None else self.sources).fit(shop.between(None, cut))
        self._teach(signals, shop.between(cut, None), cut)
        self.signals_ = signals.fit(shop)

    def _teach(self, signals: Signals, window: Shop, cut: int) -> None:
        """Learn both regressions: what was known at the cut against what was then bought."""
        buys = window.events[window.events["event_type"] == "buy"]
        buys = buys[buys["user_id"].isin(signals.known)]
        wanted = {str(user): items.unique().tolist() for user, items in buys.groupby("user_id")["item_id"]}
        contexts = [Context(user, cut) for user in wanted]
        bought = np.zeros((len(contexts), len(signals.items_)), dtype=bool)
        for row, items in enumerate(wanted.values()):
            bought[row, signals.columns(items)] = True
        owned = signals.counts(contexts).toarray() > 0
        drawn = np.random.default_rng(self.random_state).random(bought.shape) < self.sampled
        cells = {"again": owned, "try": ~owned & signals.on_sale_ & (bought | drawn)}
        stands_for = {"again": 1.0, "try": 1 / self.sampled}
        found: dict[str, dict[str, Floats]] = {question: {} for question in cells}
        for name, values in signals.of(contexts):
            for question, mask in cells.items():
                found[question][name] = values[mask]
        self._line: dict[str, tuple[Floats, float]] = {}
        self.weights_ = pd.DataFrame(index=list(found["try"]))
        for question, mask in cells.items():
            table, answer = np.column_stack(list(found[question].values())), bought[mask]
            self._regress(question, table, answer, np.where(answer, 1.0, stands_for[question]))

    def _regress(self, question: str, table: Floats, answer: Any, weight: Floats) -> None:
        """Keep a logistic regression as a line over the signals themselves: they need not be scaled to be asked."""
        try:
            from sklearn.linear_model import LogisticRegression
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"a blend needs scikit-learn: {INSTALL}", name=error.name) from error
        if len(np.unique(answer)) < 2:
            raise ValueError(
                f"days: the last {self.days} days have nothing to tell what shoppers {question} from what they do not;"
                f" give other days, or a longer log"
            )
        mean, spread = table.mean(axis=0), table.std(axis=0)
        spread[spread == 0] = 1.0
        fitted = LogisticRegression(C=self.c, max_iter=1000).fit((table - mean) / spread, answer, sample_weight=weight)
        self.weights_[question] = fitted.coef_[0]
        line = fitted.coef_[0] / spread
        self._line[question] = line, float(fitted.intercept_[0] - mean @ line)

    def _score(self, contexts: Sequence[Context]) -> Floats:
        owned = self.signals_.counts(contexts).toarray() > 0
        (again, start_again), (new, start_new) = self._line["again"], self._line["try"]
        scores = np.where(owned, start_again, start_new)
        for at, (_, values) in enumerate(self.signals_.of(contexts)):
            scores += values * np.where(owned, again[at], new[at])
        return np.round(scores, 9)
