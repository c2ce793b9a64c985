"""Where hits are lost: what no source nominated, and what the ranker put too far down. Told apart, mended apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_lab.evaluation.board import Board
from recsys_lab.evaluation.metrics import Truth
from recsys_lab.ranking.ranker import Ranker
from recsys_lab.recommender import Context


@dataclass(frozen=True, eq=False)
class Losses:
    """Shares of questions: `hit` + `lost_by_ranker` + `lost_by_candidates` = 1; `recall` = `hit` + `lost_by_ranker`.

    `sources`: for each source the share of wanted products that it nominated, and that it alone nominated.
    """

    recall: float
    hit: float
    lost_by_ranker: float
    lost_by_candidates: float
    pool: float
    """Candidates a question, on average."""
    sources: pd.DataFrame


def losses(ranker: Ranker, contexts: Sequence[Context], wanted: Sequence[Truth], k: int = 20) -> Losses:
    """Ask a fitted ranker, and say of each question whether something wanted was listed, only nominated, or neither.

    Questions with nothing wanted are left out.
    """
    kept = [at for at, gains in enumerate(wanted) if gains]
    if not kept:
        raise ValueError("wanted: no question has anything to find; give the truth of the questions")
    asked, gains = [contexts[at] for at in kept], [wanted[at] for at in kept]
    listed, _ = ranker.recommend_many(asked, k)
    hits = np.array([any(item in want for item in row) for row, want in zip(listed, gains, strict=True)])
    found, by, sizes, first = [], [], 0, 0
    for pool in ranker.candidates(asked):
        lists = len(pool.start) - 1
        worth = ranker.stage_.gains(pool, gains[first : first + lists]) > 0
        first += lists
        sizes += len(pool.column)
        found.append(np.bincount(pool.context, worth, minlength=lists) > 0)
        by.append(pd.DataFrame({name: own[worth] for name, own in pool.nominated.items()}))
    inside = np.concatenate(found)
    nominated = pd.concat(by, ignore_index=True)
    alone = nominated[nominated.sum(axis=1) == 1]
    total = sum(len(want) for want in gains)
    sources = pd.DataFrame({"nominated": nominated.sum() / total, "alone": alone.sum() / total})
    return Losses(
        recall=float(inside.mean()),
        hit=float(hits.mean()),
        lost_by_ranker=float(inside.mean() - hits.mean()),
        lost_by_candidates=float(1 - inside.mean()),
        pool=sizes / len(asked),
        sources=sources.sort_values("nominated", ascending=False, kind="stable"),
    )


def losses_on(ranker: Ranker, board: Board) -> Losses:
    """The same for the questions of a board, with its length of list."""
    if board.truth is None:
        raise ValueError(f"board {board.name}: it has no truth to compare with; take home, next or basket")
    return losses(ranker, board.contexts, board.truth, board.k)
