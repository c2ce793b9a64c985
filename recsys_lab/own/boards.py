"""The scoreboard of a shop of your own: the boards that it allows, without the truth that only a simulated shop has."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import DAY_MS, DataError, Shop
from recsys_lab.datasets.shop import BRIEF_DAYS, days_to_test
from recsys_lab.evaluation import Board, Result, Scoreboard, evaluate
from recsys_lab.evaluation.boards import basket_board, home_board, next_board
from recsys_lab.evaluation.metrics import JudgementError
from recsys_lab.evaluation.owned import owned_board
from recsys_lab.evaluation.scoreboard import FLOOR, REFERENCE
from recsys_lab.methods import BY_NAME, ROWS
from recsys_lab.own.clean import BOT
from recsys_lab.spaces.encoder import EncoderUnavailable

BOARDS: Mapping[str, Callable[[Shop, Shop], Board]] = {
    "home": home_board,
    "next": next_board,
    "basket": basket_board,
    "owned": owned_board,
}
ASKED = {
    "home": "a visit with a click or a purchase",
    "next": "a visit with two clicks",
    "basket": "a visit with two products bought",
    "owned": "a shopper who buys again what they own",
}
"""What each board asks about: without one in the days of the test there is no board."""
FEWEST = 20
"""With fewer questions than this a board says nothing."""


@dataclass
class OwnBoard:
    """One board of a shop: its rows, what was left out and why, and which method pays most."""

    name: str
    scores: Scoreboard | None
    left_out: dict[str, str] = field(default_factory=dict)
    """method → why it cannot stand here; the board's own name where the shop does not allow it."""
    told: list[str] = field(default_factory=list)

    def verdict(self) -> str:
        """Which method pays most, with its interval against popular, in words."""
        if self.scores is None:
            return f"{self.name}: not for this shop: {self.left_out[self.name]}"
        rows = [row for row in self.scores.rows if row["method"] not in (FLOOR, REFERENCE) and "against_popular" in row]
        if not rows:
            return f"{self.name}: no method but popular was measured"
        main = next(iter(rows[0]["metrics"]))
        best = max(rows, key=lambda row: row["metrics"][main]["mean"])
        value, more = best["metrics"][main], best["against_popular"][main]
        by = f"{more['mean']:+.4f} [{more['low']:+.4f}, {more['high']:+.4f}] against popular"
        if more["low"] > 0:
            return f"{self.name}: {best['method']} pays most: {main} {value['mean']:.4f}, {by}"
        high = f"{best['method']}: {main} {value['mean']:.4f}, {by}"
        return f"{self.name}: no method is seen to beat popular; the highest is {high}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = None if self.scores is None else self.scores.rows
        facts = {} if self.scores is None else dict(self.scores.facts)
        return {
            "board": self.name, "facts": facts, "rows": rows, "left_out": self.left_out, "told": self.told,
            "verdict": self.verdict(),
        }  # fmt: skip


def scoreboard(
    shop: Shop,
    boards: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    most_visits: int = 10_000,
    most_products: int = 20_000,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[OwnBoard]:
    """Measure the methods of the course on a shop: learned from the past, tested on its last days (brief log: hours).

    All boards but "ab", which needs the truth; all methods but those that take minutes (name them in `methods`). At
    most about `most_visits` visits are asked about, of shoppers chosen by their label alone, and the `most_products`
    most popular products can be recommended; both are told. Raises `DataError` for a log of one moment.
    """
    unknown = [name for name in boards or () if name not in BOARDS]
    if unknown:
        raise DataError(f"board: {unknown[0]!r} is none of {', '.join(BOARDS)}; use one of these")
    told: list[str] = []
    past, future = _cut(_without_giants(shop, told), told)
    past, future = _fewer_products(past, future, most_products, told)
    future = _fewer_visits(future, most_visits, told)
    for name in boards or BOARDS:
        yield _measured(name, past, future, methods, told, tell)


def _measured(
    name: str, past: Shop, future: Shop, methods: Sequence[str] | None, told: list[str], tell: Callable[[str], None]
) -> OwnBoard:
    try:
        board = BOARDS[name](past, future)
    except ValueError:  # what a board raises when it has no question
        return OwnBoard(name, None, {name: f"there is not one {ASKED[name][2:]} in the days of the test"}, told)
    if len(board.contexts) < FEWEST:
        few = f"there are {len(board.contexts)} questions in the days of the test, and {FEWEST} are the fewest"
        return OwnBoard(name, None, {name: few}, told)
    mine = OwnBoard(name, Scoreboard.of(board), {}, told)
    assert mine.scores is not None
    popular: Result | None = None
    for method, make in ROWS[name].items():
        asked = method not in BY_NAME if methods is None else method in (*methods, REFERENCE)
        if not asked:
            continue
        tell(f"{name}: {method} …")
        try:
            result = evaluate(make(), board, method)
        except JudgementError:
            raise  # a list that breaks the rules is a mistake of ours
        except (ValueError, EncoderUnavailable, ModuleNotFoundError) as error:
            mine.left_out[method] = _why(error)
            continue
        if popular is not None and _alike(result, popular):
            mine.left_out[method] = (
                "its lists earn what popular's do, case by case: it finds nothing to learn from here"
            )
            continue
        popular = result if method == REFERENCE else popular
        mine.scores.add(result)
    return mine


def _alike(one: Result, other: Result) -> bool:
    """Whether two results are the same in each case and in what was listed."""
    same = all(np.array_equal(one.cases[name], other.cases[name], equal_nan=True) for name in one.cases)
    return same and one.lists == other.lists


def _why(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _cut(shop: Shop, told: list[str]) -> tuple[Shop, Shop]:
    times = shop.events["timestamp"]
    if times.empty:
        raise DataError("the shop has no events; there is nothing to learn from or to test on")
    days = int(times.max()) // DAY_MS - int(times.min()) // DAY_MS + 1
    hours = (int(times.max()) - int(times.min())) / 4 * 24 / DAY_MS
    last = f"{days_to_test(days)[0]} days" if days >= BRIEF_DAYS else f"{hours:.1f} hours"
    split = shop.split()
    told.append(f"tested on the last {last}, learned from all before them")
    return split.before_test, split.test


def _without_giants(shop: Shop, told: list[str]) -> Shop:
    size = shop.events.groupby("session_id")["item_id"].transform("size")
    giant = size > BOT
    if not giant.any():
        return shop
    told.append(f"{shop.events.loc[giant, 'session_id'].nunique():,} visits of more than {BOT:,} events were left out")
    return shop.only(shop.events[~giant])


def _fewer_products(past: Shop, future: Shop, most: int, told: list[str]) -> tuple[Shop, Shop]:
    if len(past.products) <= most:
        return past, future
    kept = set(past.tie_order[:most].tolist())
    share = past.events["item_id"].isin(kept).mean()
    told.append(f"only the {most:,} most popular of {len(past.products):,} products, with {share:.0%} of the events")
    return _of_products(past, kept), _of_products(future, kept)


def _of_products(shop: Shop, kept: set[str]) -> Shop:
    products = shop.products[shop.products["item_id"].isin(kept)].reset_index(drop=True)
    return replace(shop.only(shop.events[shop.events["item_id"].isin(kept)]), products=products, impressions=None)


def _fewer_visits(future: Shop, most: int, told: list[str]) -> Shop:
    visits: pd.Series[int] = future.events.groupby("user_id")["session_id"].nunique()
    if int(visits.sum()) <= most:
        return future
    users = sorted(visits.index, key=lambda user: (zlib.crc32(str(user).encode()), str(user)))
    taken = np.array(users, dtype=object)[np.cumsum(visits.loc[users].to_numpy()) <= most]
    told.append(f"asked about the visits of {len(taken):,} of the {len(visits):,} shoppers of these days")
    return future.only(future.events[future.events["user_id"].isin(set(taken.tolist()))])


def as_text(board: OwnBoard) -> str:
    """One board for the terminal: what it is, the table, what was left out, and the verdict."""
    lines = []
    if board.scores is not None:
        facts = ", ".join(f"{value:,} {name}" for name, value in board.scores.facts.items())
        lines += [f"{board.name}: {facts}; {'; '.join(board.told)}", board.scores.to_table().to_string()]
        lines += [f"left out: {method}: {why}" for method, why in board.left_out.items()]
    return "\n".join([*lines, board.verdict()])
