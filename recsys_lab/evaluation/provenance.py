"""Where a stored result came from: hashes of data and code, so that a row that no longer fits is seen."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from recsys_lab.evaluation.board import Board
from recsys_lab.fingerprint import fingerprint
from recsys_lab.recommender import name_of

ALWAYS = ("recsys_lab.evaluation.board", "recsys_lab.evaluation.boards", "recsys_lab.evaluation.metrics")
"""Modules whose code every result depends on."""


def data_hash(board: Board) -> str:
    """A hash of the training data, the questions, the answers and the lengths of the lists."""
    digest = hashlib.sha256(f"{board.name}|{board.k}|{board.train.fingerprint}".encode())
    for number, context in enumerate(board.contexts):
        session = [event.id for event in context.session]
        history = None if context.history is None else [event.id for event in context.history[-5:]]
        question = [context.shopper_id, context.now_ms, context.viewed, context.cart, str(context.where)]
        wanted = [] if board.truth is None else sorted(board.truth[number].items())
        barred = [] if board.exclude is None else sorted(board.exclude[number])
        digest.update(json.dumps([question, session, history, str(board.units[number]), wanted, barred]).encode())
    return digest.hexdigest()[:16]


def code_hash(recommender: Any, board: Board) -> str:
    """A hash of the module that defines a recommender, of all that it imports from this package, and of the evaluation.

    Its parameters count, and the modules of the board's measures; comments, docstrings and blank lines do not.
    """
    measures = {getattr(measure, "__module__", "") for measure in board.measures.values()}
    modules = (type(recommender).__module__, *ALWAYS, *sorted(measures))
    code = fingerprint(name for name in modules if name.startswith("recsys_lab."))  # a notebook's own class has no file
    params = json.dumps(name_of(recommender)[1], sort_keys=True, default=repr)
    return hashlib.sha256(f"{code}|{params}".encode()).hexdigest()[:16]
