"""Where a stored result came from: hashes of data and code, so that a row that no longer fits is seen."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

from recsys_lab.evaluation.board import Board

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
    names = sorted(_closure((type(recommender).__module__, *ALWAYS)))
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\n{_bare_source(name)}".encode())
    return digest.hexdigest()[:16]


def _closure(modules: tuple[str, ...]) -> set[str]:
    """The modules and everything of this package that they import, near or far."""
    found: set[str] = set()
    waiting = [name for name in modules if name.startswith("recsys_lab")]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(name)
    return found


@cache
def _imports(module: str) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(ast.parse(_source(module))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(name for name in names if name.startswith("recsys_lab.") and _path(name) is not None)


@cache
def _bare_source(module: str) -> str:
    source = _source(module)
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = [line.rstrip() for number, line in enumerate(source.splitlines(), 1) if number not in left_out]
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _source(module: str) -> str:
    path = _path(module)
    return "" if path is None else path.read_text(encoding="utf-8")


@cache
def _path(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # a name inside a module is no module
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None
