"""A board: a training shop, questions, what was wanted, and how answers are measured; `evaluate` asks a recommender."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_lab.datasets import Shop
from recsys_lab.evaluation.bootstrap import Interval, interval, paired
from recsys_lab.evaluation.metrics import Judged, JudgementError, Truth, coverage, judge, novelty
from recsys_lab.recommender import Context, Floats, Recommender, name_of

Measure = Callable[[Judged], Floats]


class LeakageError(RuntimeError):
    """A recommender, or the training data, knows something from the time it is asked about."""


@dataclass(frozen=True, eq=False)
class Board:
    """Questions with answers. `contexts`, `truth` and `units` go together, one for each case (`truth` may be None).

    `units` says whose cases belong together when intervals are drawn: shopper or session labels. `measures` are named
    metrics on the judged lists; the first is the main one. `facts` are counts that are printed above the board.
    """

    name: str
    k: int
    train: Shop
    contexts: Sequence[Context]
    truth: Sequence[Truth] | None
    units: NDArray[Any]
    measures: Mapping[str, Measure]
    exclude: Sequence[Collection[str]] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        truths = len(self.contexts) if self.truth is None else len(self.truth)
        if not len(self.contexts) == truths == len(self.units):
            raise ValueError(
                f"board {self.name}: {len(self.contexts)} contexts, {truths} truths and {len(self.units)} units;"
                f" give one of each for every case"
            )
        if not self.contexts:
            raise ValueError(f"board {self.name}: there is no case to measure; check the split and the event types")
        guard_time(self)

    @property
    def main(self) -> str:
        """The name of the main metric."""
        return next(iter(self.measures))


@dataclass(frozen=True, eq=False)
class Result:
    """What one recommender earned on one board: `cases` holds each metric as one value per case, [n] each."""

    board: str
    method: str
    params: Mapping[str, Any]
    cases: Mapping[str, Floats]
    units: NDArray[Any]
    lists: Mapping[str, float]
    fit_seconds: float
    ms_per_list: float
    megabytes: float

    def summary(self) -> dict[str, Interval]:
        """Each metric with its interval."""
        return {name: interval(values, self.units) for name, values in self.cases.items()}

    def against(self, other: Result, metric: str) -> Interval:
        """This result minus another on the same board, case by case."""
        if not np.array_equal(self.units, other.units):
            raise ValueError(
                f"{self.board} and {other.board} do not have the same cases: they cannot be compared in pairs"
            )
        return paired(self.cases[metric], other.cases[metric], self.units)


def evaluate(recommender: Recommender, board: Board, method: str | None = None) -> Result:
    """Fit on the board's training shop, ask every question, measure.

    Raises `LeakageError` when what was learned reaches into the time of the questions, `JudgementError` for lists that
    cannot be judged.
    """
    label, params = name_of(recommender)
    # A copy: what one recommender does to its data must not reach the next.
    train = replace(board.train, products=board.train.products.copy(), events=board.train.events.copy())
    began = time.perf_counter()
    recommender.fit(train)
    fitted = time.perf_counter()
    ids, _ = recommender.recommend_many(board.contexts, board.k, board.exclude)
    done = time.perf_counter()
    guard_fit(recommender, board)
    guard_lists(ids, board)
    guard_alone(recommender, ids, board)
    judged = judge(ids, board.truth, board.train.products["item_id"])
    popularity = {str(item): int(count) for item, count in board.train.popularity.items()}
    return Result(
        board=board.name,
        method=method or label,
        params=params,
        cases={name: measure(judged) for name, measure in board.measures.items()},
        units=board.units,
        lists={"coverage": coverage(ids, popularity), "novelty": float(np.nanmean(novelty(ids, popularity)))},
        fit_seconds=fitted - began,
        ms_per_list=1000 * (done - fitted) / len(board.contexts),
        megabytes=_megabytes(recommender),
    )


def _megabytes(recommender: Recommender) -> float:
    """The size of a recommender as a pickle; NaN for one that cannot be pickled."""
    try:
        return len(pickle.dumps(recommender, protocol=5)) / 1e6
    except (pickle.PicklingError, AttributeError, TypeError):
        return float("nan")


def guard_lists(ids: Any, board: Board) -> None:
    """One list of `k` labels for each question, without the open product, the cart, and what is excluded."""
    shape = getattr(ids, "shape", None)
    if shape != (len(board.contexts), board.k):
        raise JudgementError(
            f"board {board.name}: recommend_many gave lists of shape {shape}, but {len(board.contexts)} questions for"
            f" {board.k} products each were asked; fill short lists up with the empty label"
        )
    for row, (context, listed) in enumerate(zip(board.contexts, ids, strict=True)):
        barred = {*context.cart, *(() if context.viewed is None else (context.viewed,))}
        if board.exclude is not None:
            barred.update(board.exclude[row])
        wrong = barred.intersection(listed)
        if wrong:
            raise JudgementError(
                f"list {row} holds {min(wrong)!r}, which may not be listed there: it is open, in the cart, or excluded"
            )


def guard_alone(recommender: Recommender, ids: Any, board: Board, asked: int = 20) -> None:
    """The answer to a question does not depend on which others are asked: later questions hold earlier answers."""
    some = np.random.default_rng(0).permutation(len(board.contexts))[:asked]
    for row in some.tolist():
        alone, _ = recommender.recommend_many(
            [board.contexts[row]], board.k, None if board.exclude is None else [board.exclude[row]]
        )
        if not np.array_equal(alone[0], ids[row]):
            raise LeakageError(
                f"{type(recommender).__name__} answers question {row} of board {board.name} in another way when it is"
                f" asked alone; an answer may use its own context only, since later questions tell how earlier ones end"
            )


def guard_time(board: Board) -> None:
    """Every training event is older than every question; else the split was not by time."""
    first = min(context.now_ms for context in board.contexts)
    last = int(board.train.events["timestamp"].max()) if len(board.train.events) else -1
    if last >= first:
        raise LeakageError(
            f"board {board.name}: the training data goes on until {last} ms, but the first question is asked at"
            f" {first} ms; split by time (Shop.split), never at random"
        )


def guard_fit(recommender: Recommender, board: Board) -> None:
    """What was learned is not younger than the training data, as far as the recommender says (`fitted_until_`)."""
    until = getattr(recommender, "fitted_until_", None)
    last = int(board.train.events["timestamp"].max()) if len(board.train.events) else -1
    if until is not None and until > last:
        raise LeakageError(
            f"{type(recommender).__name__} has learned from events until {until} ms, but the training data of"
            f" board {board.name} ends at {last} ms; fit it on the training shop alone"
        )


def above_ceiling(result: Result, ceiling: Result, metric: str) -> bool:
    """Whether a result is better than the truth's own, beyond chance: then it must have read the future."""
    return result.against(ceiling, metric).low > 0
