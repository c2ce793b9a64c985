"""Where a stored result came from: hashes of data and code, so that a row that no longer fits is seen."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from recsys_lab.evaluation.board import Board
from recsys_lab.fingerprint import fingerprint

ALWAYS = ("recsys_lab.evaluation.board", "recsys_lab.evaluation.boards", "recsys_lab.evaluation.metrics")
"""Modules whose code every result depends on."""


def data_hash(board: Board) -> str:
    """A hash of the training data, the questions, the answers and the lengths of the lists."""
    digest = hashlib.sha256(f"{board.name}|{board.k}|{board.train.fingerprint}".encode())
    for number, context in enumerate(board.contexts):
        question = [context.shopper_id, context.now_ms, context.viewed, len(context.session), context.cart]
        wanted = [] if board.truth is None else sorted(board.truth[number].items())
        digest.update(json.dumps([question, wanted]).encode())
    return digest.hexdigest()[:16]


def code_hash(recommender: Any) -> str:
    """A hash of the module that defines a recommender, of all that it imports from this package, and of the evaluation.

    Comments, docstrings and blank lines do not count.
    """
    modules = (type(recommender).__module__, *ALWAYS)
    return fingerprint(name for name in modules if name.startswith("recsys_lab."))  # a notebook's own class has no file
