"""The boards of the comparison, and what of them an outside framework is given: training events, who asks, and what is
known of who asks. What was wanted stays here.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import Event, Shop, load_clickstream, load_retail, load_shop
from recsys_lab.evaluation import Board, Result, home_board, judge, next_board, retail_boards
from recsys_lab.evaluation.board import guard_lists
from recsys_lab.evaluation.metrics import coverage, novelty
from recsys_lab.recommender import NOTHING, Labels

BOARDS = ("home", "next", "clickstream", "retail any", "retail novel")
VISITS = ("next", "clickstream")
"""Boards on which a visit is what is learned from, and what is asked with."""
RETAIL_TUNE_DAYS = 30


@cache
def _log(name: str) -> Shop:
    return {"home": load_shop, "next": load_shop, "clickstream": load_clickstream}.get(name, load_retail)()


@cache
def board_of(name: str, tuning: bool) -> Board:
    """A board by name: of the test weeks, or the same of the days before them, on which settings are chosen."""
    if name not in BOARDS:
        raise ValueError(f"board: {name!r} is none of {', '.join(BOARDS)}; use one of these")
    shop = _log(name)
    if name.startswith("retail"):
        if tuning:
            shop = shop.between(None, min(context.now_ms for context in board_of(name, False).contexts))
        return retail_boards(shop, RETAIL_TUNE_DAYS)[name == "retail novel"]
    split = shop.split()
    past, future = (split.train, split.tune) if tuning else (split.before_test, split.test)
    if name == "home":
        return home_board(past, future)
    return next_board(past, future, min_length=2 if name == "clickstream" else 1, name=name)


def first(board: Board, cases: int) -> Board:
    """The same board with the first questions alone; its metrics have to be such that need nothing else."""
    cut: dict[str, Any] = {name: getattr(board, name)[:cases] for name in ("contexts", "units")}
    cut["truth"] = None if board.truth is None else board.truth[:cases]
    cut["exclude"] = None if board.exclude is None else board.exclude[:cases]
    return replace(board, **cut)


def write(board: Board, folder: Path) -> None:
    """The three tables, as parquet: events, asked (question, shopper_id), known (question, item_id, event_type).

    Beside them, for a process of ours, training shop and questions as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    train = replace(board.train)  # a copy without what the shop has worked out already
    held = {"train": train, "contexts": board.contexts, "k": board.k, "exclude": board.exclude}
    (folder / "board.pkl").write_bytes(pickle.dumps(held, protocol=5))
    columns = ["user_id", "item_id", "event_type", "timestamp", "session_id"]
    board.train.events[columns].to_parquet(folder / "events.parquet")
    shoppers = [context.shopper_id or "" for context in board.contexts]
    pd.DataFrame({"question": np.arange(len(shoppers)), "shopper_id": shoppers}).to_parquet(folder / "asked.parquet")
    mine = {user: rows for user, rows in board.train.events[columns[:3]].groupby("user_id", sort=False)}
    parts = []
    for number, context in enumerate(board.contexts):
        if board.name in VISITS:
            parts.append(_rows(number, context.session))
        elif context.history is None:
            rows = mine.get(context.shopper_id)
            parts.append([] if rows is None else [(number, *row) for row in rows[columns[1:3]].to_numpy().tolist()])
        else:
            parts.append(_rows(number, context.history))
    table = pd.DataFrame([row for part in parts for row in part], columns=["question", "item_id", "event_type"])
    table.astype({"question": np.int64}).to_parquet(folder / "known.parquet")


def _rows(number: int, events: Iterable[Event]) -> list[tuple[int, str, str]]:
    return [(number, event.item_id, event.event_type) for event in events]


def longest(board: Board) -> int:
    """How long the lists that are asked for have to be, so that `k` are left without the product that is open."""
    return board.k + (board.name in VISITS)


def filled(board: Board, lists: Labels) -> Labels:
    """Lists [n, longest] as the board wants them [n, k]: without what is barred, filled up with what is popular.

    Ours fall back on what is popular as well, where nothing is known about who asks.
    """
    popular = board.train.tie_order.tolist()
    table = np.full((len(board.contexts), board.k), NOTHING, dtype=object)
    for number, (context, found) in enumerate(zip(board.contexts, lists.tolist(), strict=True)):
        out = {NOTHING, context.viewed, *context.cart, *(() if board.exclude is None else board.exclude[number])}
        kept = [item for item in found if item not in out][: board.k]
        if len(kept) < board.k:
            rest = (item for item in popular if item not in out and item not in kept)
            kept += [item for item, _ in zip(rest, range(board.k - len(kept)), strict=False)]
        table[number, : len(kept)] = kept
    return table


def scored(board: Board, ids: Labels, method: str, fit_s: float = 0.0, ms_per_list: float = 0.0) -> Result:
    """Lists judged as `evaluate` judges: the same guards, the same metrics, case by case."""
    guard_lists(ids, board)
    judged = judge(ids, board.truth, board.train.products["item_id"])
    popularity = {str(item): int(count) for item, count in board.train.popularity.items()}
    return Result(
        board=board.name,
        method=method,
        params={},
        cases={name: measure(judged) for name, measure in board.measures.items()},
        units=board.units,
        lists={"coverage": coverage(ids, popularity), "novelty": float(np.nanmean(novelty(ids, popularity)))},
        fit_seconds=fit_s,
        ms_per_list=ms_per_list,
        megabytes=float("nan"),
    )
