"""Puts the methods to the boards: what the scoreboard command, the notebooks and the stored results have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recsys_lab.datasets import DataError, Shop, load_clickstream, load_retail, load_shop
from recsys_lab.evaluation import Board, Result, Scoreboard, evaluate
from recsys_lab.evaluation.boards import basket_board, home_board, next_board, retail_boards, session_board
from recsys_lab.evaluation.owned import owned_board, retail_owned_board
from recsys_lab.evaluation.provenance import code_hash, data_hash
from recsys_lab.evaluation.scoreboard import CEILING, REFERENCE, boards_in
from recsys_lab.evaluation.truth import ab_board, load_truth
from recsys_lab.methods import BEST_SOURCE, BY_NAME, ROWS, Make, ceiling
from recsys_lab.ranking import Ranker, losses


@dataclass(frozen=True, eq=False)
class Contest:
    """A board and the methods that stand on it."""

    board: Board
    rows: Mapping[str, Make]


def of_log(log: str, board: str | None = None) -> Iterator[Contest]:
    """The contests of a log: "shop" (all its boards, or one), "clickstream" or "retail"."""
    if log == "shop":
        shop = load_shop()
        names = [board] if board else ["home", "next", "basket", "ab", "owned"]
        yield from (shop_contest(shop, name) for name in names)
    elif log == "clickstream":
        yield clickstream_contest(load_clickstream())
    elif log == "retail":
        yield from retail_contests(load_retail())
    else:
        raise DataError(f"log: {log!r} is none of shop, clickstream, retail; use one of these")


def shop_contest(shop: Shop, name: str) -> Contest:
    """One board of the simulated shop, with the truth's own recommender as the ceiling (which "owned" does without)."""
    split = shop.split()
    past, future = split.before_test, split.test
    if name == "owned":
        return Contest(owned_board(past, future), ROWS[name])
    world = load_truth(shop)
    make: dict[str, Callable[[], Board]] = {
        "home": lambda: home_board(past, future),
        "next": lambda: next_board(past, future),
        "basket": lambda: basket_board(past, future),
        "ab": lambda: ab_board(past, future, world),
    }
    board = make[name]()
    return Contest(board, {**ROWS[name], CEILING: ceiling(name, world)})


def retail_contests(log: Shop) -> list[Contest]:
    """What known customers buy in the last thirty days of a purchase log: any product, new ones, owned ones again."""
    boards = [*retail_boards(log), retail_owned_board(log)]
    return [Contest(board, ROWS[board.name]) for board in boards]


def clickstream_contest(log: Shop) -> Contest:
    """The next click on the real clickstream: learned from sessions of two clicks or more, tested on two weeks."""
    split = log.split()
    board = next_board(split.before_test, split.test, min_length=2, name="clickstream")
    return Contest(board, ROWS["clickstream"])


def of_sessions(train: Path, test: Path) -> Iterator[Contest]:
    """The contest of two session files. Raises `DataError` for a file that does not hold what it should."""
    sessions = [_labels(train, number, session) for number, session in enumerate(_entries(train, "sessions"))]
    pairs = []
    for number, pair in enumerate(_entries(test, "[prefix, target] pairs")):
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], list):
            raise DataError(f"{test}: entry {number} is {_short(pair)}; each has to be a pair [[product, …], product]")
        prefix = _labels(test, number, pair[0]) if pair[0] else []  # an empty one asks at the start of a visit
        pairs.append((prefix, _labels(test, number, [pair[1]])[0]))
    yield Contest(session_board(sessions, pairs), ROWS["sessions"])


def run(
    contests: Iterator[Contest],
    methods: Sequence[str] | None = None,
    tell: Callable[[str], None] = lambda line: None,
    kept: Mapping[str, Scoreboard] | None = None,
) -> Iterator[Scoreboard]:
    """Measure and yield one scoreboard a contest. `methods` keeps these rows; `tell` hears what is being done.

    Rows of `kept` (by board) whose key still fits are taken from there, but for the reference of all differences.
    """
    for contest in contests:
        if methods is not None and not set(methods) & set(contest.rows):
            continue
        scores = Scoreboard.of(contest.board)
        held = (kept or {}).get(contest.board.name, scores)
        fresh = {row["method"]: row for row in held.rows}
        asked = data_hash(contest.board)
        for name, make in contest.rows.items():
            if methods is not None and name not in methods:
                continue
            recommender = make()
            key = {"data": asked, "code": code_hash(recommender, contest.board)}
            if name != REFERENCE and name in fresh and fresh[name]["key"] == key:
                scores.rows.append(fresh[name])
                continue
            tell(f"{contest.board.name}: {name} …")
            row = scores.add(result := evaluate(recommender, contest.board, name), key)
            if isinstance(recommender, Ranker) and contest.board.truth is not None:
                row |= _of_ranker(recommender, result, contest)
        yield scores


def _of_ranker(ranker: Ranker, result: Result, contest: Contest) -> dict[str, Any]:
    """Where its hits are lost (of some questions), and its differences to the best single source, case by case."""
    board = contest.board
    assert board.truth is not None
    some = np.sort(np.random.default_rng(0).permutation(len(board.contexts))[:2_000])
    some = np.array([at for at in some.tolist() if board.truth[at]])
    lost = losses(ranker, [board.contexts[at] for at in some], [board.truth[at] for at in some], board.k)
    told = ("recall", "hit", "lost_by_ranker", "lost_by_candidates", "pool")
    row: dict[str, Any] = {"losses": {"questions": len(some), **{name: round(getattr(lost, name), 4) for name in told}}}
    if board.name in BEST_SOURCE:
        best = BEST_SOURCE[board.name]
        rival = evaluate(contest.rows[best](), board, best)
        row["against_best"] = {"method": best, **{name: asdict(result.against(rival, name)) for name in result.cases}}
    return row


def without_the_slow(methods: Sequence[str] | None) -> list[str]:
    """The rows to measure: those that are named, or all that do not take minutes to fit."""
    every = dict.fromkeys(name for rows in ROWS.values() for name in [*rows, CEILING])
    return [name for name in every if name not in BY_NAME] if methods is None else list(methods)


def check_methods(methods: Sequence[str] | None) -> None:
    """Raises `DataError` for a method that no board has, and for none at all; said before anything is loaded."""
    known = list(dict.fromkeys(name for rows in ROWS.values() for name in [*rows, CEILING]))
    unknown = [name for name in methods or () if name not in known]
    if unknown or methods == []:
        named = f"there is no {', '.join(unknown)}" if unknown else "none is named"
        raise DataError(f"methods: {named}; the boards have {', '.join(known)}")


def keys(contest: Contest) -> dict[str, dict[str, str]]:
    """What each row of a contest would be keyed by now, without measuring it."""
    asked = data_hash(contest.board)
    return {name: {"data": asked, "code": code_hash(make(), contest.board)} for name, make in contest.rows.items()}


def stored() -> dict[str, Scoreboard]:
    """The scoreboards that are kept in benchmarks/results, by name; made by `make scoreboards`."""
    folder = Path(__file__).resolve().parent.parent / "benchmarks" / "results"
    return {path.stem: Scoreboard.load(path) for path in boards_in(folder)}


def as_text(scores: Scoreboard) -> str:
    """A scoreboard for the terminal: counts, table, and what to read off it."""
    facts = ", ".join(f"{value:,} {name}" for name, value in scores.facts.items())
    lines = [f"{scores.name}: {facts}", scores.to_table().to_string()]
    room = scores.room()
    lines += [room] if room else []
    lines += [f"{method} is better than the truth's own: look for a leak." for method in scores.too_good()]
    notes = "[low, high]: 95 % interval, bootstrap over shoppers or sessions. novelty: bits. MB: as a pickle."
    return "\n".join([*lines, notes])


def _entries(path: Path, what: str) -> list[Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: it is a folder; name a JSON file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: not JSON: {error.msg} in line {error.lineno}; it has to be a list of {what}"
        ) from None
    if not isinstance(held, list) or not held:
        raise DataError(f"{path}: it holds {_short(held)}; it has to be a list of {what} that is not empty")
    return held


def _labels(path: Path, number: int, products: Any) -> list[str]:
    """Product ids as texts; whole numbers become their digits."""
    if not isinstance(products, list) or not products:
        raise DataError(f"{path}: entry {number} is {_short(products)}; it has to be a list of product ids, not empty")
    for product in products:
        if isinstance(product, bool) or not isinstance(product, str | int) or product == "":
            raise DataError(f"{path}: entry {number} holds {_short(product)}; product ids are texts or whole numbers")
    return [str(product) for product in products]


def _short(thing: Any) -> str:
    text = json.dumps(thing, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
