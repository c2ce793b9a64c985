"""Hashes of code, so that what was made from it (stored results, notebooks) is seen to be stale when code has changed.

Files are read and never imported, so this is quick, and it works for modules whose own imports are not installed.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def fingerprint(modules: Iterable[str]) -> str:
    """A hash of the modules and all that they import from their own packages; comments and docstrings do not count."""
    digest = hashlib.sha256()
    for name in sorted(closure(modules)):
        digest.update(f"{name}\n{bare_source(name)}".encode())
    return digest.hexdigest()[:16]


def closure(modules: Iterable[str]) -> set[str]:
    """The modules and everything of their own packages that they import, near or far."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(name)
    return found


def modules_in(source: str, packages: Iterable[str]) -> tuple[str, ...]:
    """The modules inside `packages` that a piece of code imports; a package's own `__init__` does not count.

    >>> modules_in("import os, recsys_lab.filters", ["recsys_lab"])
    ('recsys_lab.filters',)
    """
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    starts = tuple(f"{package}." for package in packages)
    return tuple(name for name in names if name.startswith(starts) and _path(name) is not None)


@cache
def bare_source(module: str) -> str:
    """The module's code without comment lines, docstrings and blank lines; empty when there is no such module."""
    source = _source(module)
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = [line.rstrip() for number, line in enumerate(source.splitlines(), 1) if number not in left_out]
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def forget() -> None:
    """Read every file anew; for a process that lives on while its modules are edited."""
    for remembered in (bare_source, _imports, _path):
        remembered.cache_clear()


@cache
def _imports(module: str) -> tuple[str, ...]:
    return modules_in(_source(module), [module.partition(".")[0]])


def _source(module: str) -> str:
    path = _path(module)
    return "" if path is None else path.read_text(encoding="utf-8")


@cache
def _path(module: str) -> Path | None:
    """The module's file, found by its name alone: to ask Python would import the packages that it lies in."""
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    if not inner:
        return Path(spec.origin)
    stem = Path(spec.origin).parent.joinpath(*inner)
    candidates = (stem / "__init__.py", stem.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)
