"""Settings chosen as they will be used: learned before a day, judged on the days after it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from recsys_lab.datasets import DAY_MS, Shop
from recsys_lab.evaluation import Board, evaluate
from recsys_lab.evaluation.boards import home_board, retail_boards
from recsys_lab.factors.model import Factors
from recsys_lab.recommender import Recommender

Grid = Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]]


def tune(
    shop: Shop,
    grid: Grid,
    days: int = 7,
    make: Callable[..., Recommender] = Factors,
    board: Callable[[Shop, Shop], Board] | None = None,
) -> pd.DataFrame:
    """Try settings: each learns what was before the last `days` of `shop`, and is judged on these days.

    Give the training part of a log, never the test weeks. `grid` names values for each parameter of `make` (all
    combinations are tried), or lists whole settings. `board` makes the board from the shop before and the shop after;
    without it, it is the home board, or for a log of purchases alone what each known customer buys.

    Returns a row a setting, best first: its parameters, the board's main metric, `low` and `high` (95 %), and the
    seconds it took to fit. Settings of equal worth keep the order in which they were tried.
    Raises `ValueError` for an empty grid and for days that leave nothing to learn from.

    >>> shop = Shop.from_sessions([["a", "b"], ["c", "d"]] * 4)  # a click a second, so days cannot be told apart
    >>> tune(shop, {"factors": [4, 8]}, days=1)
    Traceback (most recent call last):
    ValueError: days: nothing is left to learn from before the last 1 days of 'sessions'; give fewer, or a longer log
    """
    settings = _settings(grid)
    end = int(shop.events["timestamp"].max()) + 1 if len(shop.events) else 0
    past, future = shop.between(None, end - days * DAY_MS), shop.between(end - days * DAY_MS, None)
    if days <= 0 or past.events.empty:
        raise ValueError(
            f"days: nothing is left to learn from before the last {days} days of {shop.name!r}; give fewer, or a longer"
            f" log"
        )
    if board is not None:
        judge = board(past, future)
    elif (shop.events["event_type"] == "buy").all():
        judge = retail_boards(shop, days)[0]
    else:
        judge = home_board(past, future)
    rows = []
    for setting in settings:
        result = evaluate(make(**setting), judge)
        main = result.summary()[judge.main]
        numbers = {judge.main: main.mean, "low": main.low, "high": main.high, "fit seconds": result.fit_seconds}
        rows.append({**setting, **numbers})
    return pd.DataFrame(rows).sort_values(judge.main, ascending=False, kind="stable", ignore_index=True)


def _settings(grid: Grid) -> list[dict[str, Any]]:
    if isinstance(grid, Mapping):
        single = [name for name, values in grid.items() if isinstance(values, str) or not isinstance(values, Iterable)]
        if single:
            raise ValueError(f"grid: {single[0]!r} is {grid[single[0]]!r}; give a list of values to try")
        settings = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    else:
        settings = [dict(setting) for setting in grid]
    if not settings or not all(settings):
        raise ValueError("grid: there is no setting to try; give values for at least one parameter")
    return settings
