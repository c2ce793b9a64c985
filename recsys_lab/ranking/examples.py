"""Training examples by replay: the questions that the log itself asked, with what was known when it asked them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from recsys_lab.datasets import Shop
from recsys_lab.evaluation.boards import home_board, next_board, visits
from recsys_lab.evaluation.metrics import Truth
from recsys_lab.recommender import Context

TASKS = ("home", "next", "clickstream", "sessions")


@dataclass(frozen=True, eq=False)
class Examples:
    """Questions and what then happened: each context with the gains of the products that were wanted."""

    contexts: Sequence[Context]
    gains: Sequence[Truth]

    def sample(self, most: int, random_state: int = 0) -> Examples:
        """At most this many of them, drawn by seed, in the same order."""
        if len(self.contexts) <= most:
            return self
        drawn = np.sort(np.random.default_rng(random_state).permutation(len(self.contexts))[:most])
        return Examples([self.contexts[at] for at in drawn], [self.gains[at] for at in drawn])


def cut_at(shop: Shop, share: float) -> int:
    """The time (ms) after which the last `share` of a log's visits begin."""
    if not 0 < share < 1:
        raise ValueError(f"share: {share} leaves nothing to learn from, before or after; give more than 0, less than 1")
    begun = np.sort(shop.events.groupby("session_id")["timestamp"].min().to_numpy())
    if len(begun) < 2 or begun[0] == begun[-1]:
        raise ValueError("share: the log has no two visits that begin at different times; take a longer log")
    return max(int(begun[int(len(begun) * (1 - share))]), int(begun[0]) + 1)


def replay(past: Shop, coming: Shop, task: str) -> Examples:
    """The questions of the visits of `coming`, as the boards ask them; nothing in them is from later.

    "home": one at the start of each visit that had something of worth, with its gains. "next" and "clickstream": the
    next click, other than the open product. "sessions": the next click, whichever it is. Visits that ask nothing give
    no examples.
    """
    if task == "home":
        board = home_board(past, coming)
        kept = [at for at, gains in enumerate(board.truth or ()) if gains]
        return Examples([board.contexts[at] for at in kept], [(board.truth or ())[at] for at in kept])
    if task == "sessions":
        return _next_of_any(past, coming)
    if task in TASKS:
        clicks = coming.events[coming.events["event_type"] == "clicked_on"]
        if not (clicks.groupby("session_id")["item_id"].nunique() > 1).any():
            return Examples([], [])  # a board refuses to be without questions; a log may be
        board = next_board(past, coming)
        return Examples(board.contexts, board.truth or ())
    raise ValueError(f"task: {task!r} is none of {', '.join(TASKS)}; use one of these")


def _next_of_any(past: Shop, coming: Shop) -> Examples:
    contexts, gains = [], []
    for visit in visits(past, coming):
        clicks = [at for at, event in enumerate(visit.events) if event.event_type == "clicked_on"]
        for here, there in pairwise(clicks):
            so_far = visit.events[: here + 1]
            contexts.append(Context(visit.shopper_id, so_far[-1].timestamp, so_far, visit.history))
            gains.append({visit.events[there].item_id: 1.0})
    return Examples(contexts, gains)
