"""Refresh without downtime: build the next version beside the one in use, check it, then switch the alias in one
step."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from recsys_lab.stores.base import BaseCollection, BaseStore
from recsys_lab.stores.checks import StoreError, check_name
from recsys_lab.stores.protocol import Metric

_VERSION = re.compile(r"(.+)__(\d{6})")


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did: the collection that the alias stands for now, the one before, and those that were dropped."""

    collection: str
    previous: str | None
    dropped: tuple[str, ...]


def refresh(
    store: BaseStore,
    alias: str,
    build: Callable[[BaseCollection], object],
    dim: int,
    metric: Metric = "cosine",
    *,
    max_norm: float | None = None,
    verify: Callable[[BaseCollection], object] | None = None,
    smallest: float = 0.5,
    keep: int = 1,
) -> Refreshed:
    """Build a new version with `build`, check it, let `alias` stand for it, and keep the last `keep` for `rollback`.

    A version is refused, and the old one stays in use, when `build` or `verify` raise or `verify` returns False, when
    it is empty, or when it has fewer than `smallest` times the points of the old one. One refresh of an alias at a
    time.

    >>> from recsys_lab.stores import open_store
    >>> with open_store("memory://") as store:
    ...     done = refresh(store, "shoes", lambda new: new.upsert(["a", "b"], [[1, 0], [0, 1]]), dim=2)
    ...     done.collection, store.alias("shoes").search([2, 1], k=1).item_ids
    ('shoes__000001', ('a',))
    """
    check_name(f"{alias}__000000", "alias")  # the versions' names have to fit too
    there = versions(store, alias)
    number = 1 + max((int(name[-6:]) for name in there), default=0)
    current = store.alias(alias).target
    new = store.collection(f"{alias}__{number:06d}", dim, metric, max_norm=max_norm)
    try:
        build(new)
        _check(store, new, current, smallest)
        if verify is not None and verify(new) is False:
            raise StoreError(f"refresh of {alias!r}: verify said no to {new.name!r}; the old version stays in use")
        store.alias(alias).switch_to(new)
    except BaseException:
        store.drop(new.name)
        raise
    older = [name for name in versions(store, alias) if name not in (new.name, current)]
    room = max(0, keep - (current is not None))
    dropped = older[: len(older) - room]
    if keep == 0 and current is not None:
        dropped.append(current)
    for name in dropped:
        store.drop(name)
    return Refreshed(new.name, current if keep else None, tuple(dropped))


def rollback(store: BaseStore, alias: str) -> str:
    """Let `alias` stand for the version before the one in use; returns its name. Raises `StoreError` without one."""
    older = version_before(store, alias)
    store.alias(alias).switch_to(older)
    return older


def version_before(store: BaseStore, alias: str) -> str:
    """The version that `rollback` would go back to; raises `StoreError` where there is none."""
    current, there = store.alias(alias).target, versions(store, alias)
    if current is None:
        raise StoreError(f"rollback of {alias!r}: nothing was refreshed here yet; refresh first")
    if there == [current]:
        raise StoreError(
            f"rollback of {alias!r}: there is no version before {current!r}, the only one so far; refresh once more"
            f" first, with keep=1 or more"
        )
    older = [name for name in there if name < current]
    if not older:
        raise StoreError(
            f"rollback of {alias!r}: there is no version before {current!r}, the oldest that was kept; next time"
            f" refresh with a larger keep"
        )
    return older[-1]


def versions(store: BaseStore, alias: str) -> list[str]:
    """The collections that `refresh` has made for an alias and that are still there, oldest first."""
    return [name for name in store.collections() if (made := _VERSION.fullmatch(name)) is not None and made[1] == alias]


def _check(store: BaseStore, new: BaseCollection, current: str | None, smallest: float) -> None:
    count = new.count()
    before = store._reopen(current).count() if current is not None else 0
    if count == 0 or count < smallest * before:
        raise StoreError(
            f"refresh: the new version {new.name!r} has {count} points, the one in use {before}; fewer than"
            f" {smallest:g} of that is taken for a mistake. The old version stays in use; smallest= says otherwise"
        )
