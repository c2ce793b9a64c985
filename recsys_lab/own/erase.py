"""Erase a shopper from everything that this package keeps: a shop's folder, log and live state, stores, models.

`erase` says what it removed, place by place, and what it cannot reach. It may be called again at any time: what is gone
counts 0, and what a killed call has left undone is done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from recsys_lab.datasets import DataError
from recsys_lab.own import erase_files as files
from recsys_lab.own.importing import REPORT

if TYPE_CHECKING:
    from recsys_lab.realtime import Live
    from recsys_lab.shop.waiting import Waiting
    from recsys_lab.stores import BaseStore

_ROUNDS = 5  # events that another process hands on meanwhile are looked for so often


@dataclass(frozen=True)
class Erased:
    """What was removed of a shopper, by place; what remains, and why. With `dry`, what would be."""

    shopper: str
    removed: dict[str, int] = field(default_factory=dict)
    remains: tuple[str, ...] = ()
    dry: bool = False

    @property
    def total(self) -> int:
        """Rows, events, records, points and vectors together."""
        return sum(self.removed.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "remains": list(self.remains), "total": self.total}

    def to_text(self) -> str:
        """For the terminal."""
        done = "would be removed (nothing was)" if self.dry else "removed"
        lines = [f"shopper {self.shopper!r}: {self.total:,} entries {done}"]
        lines += [f"  {count:>9,}  {place}" for place, count in self.removed.items()]
        lines += ["what remains, and why:", *(f"  - {one}" for one in self.remains)] if self.remains else []
        return "\n".join(lines) + "\n"


def erase(
    shopper: str,
    *,
    folder: Path | str | None = None,
    live: Live | str | None = None,
    store: BaseStore | str | None = None,
    models: Iterable[Any] = (),
    waiting: Waiting | Path | str | None = None,
    collections: Collection[str] = (),
    dry_run: bool = False,
) -> Erased:
    """Remove every trace of a shopper from the places that are given; what was removed and what remains.

    `folder`: of a shop's parquet tables. `live`: the log and state, opened or by address. `waiting`: the shop's
    `waiting.db` (beside an SQLite state it is found). `store`: a vector store, opened or by address, in it all
    generations of the shoppers' collections, and `collections` of other names. `models`: fitted recommenders, and
    folders of saved ones. Everything is opened before anything is removed. Who is unknown counts 0 everywhere.

    Raises `DataError`, `LiveError` or `StoreError` for a place that cannot be opened or written, `ValueError` when none
    is given. What was removed before stays removed: call it again.

    >>> from recsys_lab.datasets import Event
    >>> from recsys_lab.realtime import Live
    >>> with Live() as live:
    ...     _ = live.take_many([Event(user, "boot", "clicked_on", 5, user) for user in ("ada", "bob")])
    ...     erase("ada", live=live).removed, [event.user_id for event in live.log()], live.table("popularity")
    ({'log: events': 1, 'live state: records': 1}, ['bob'], {'boot': 1})
    """
    if not isinstance(shopper, str) or not shopper:
        raise ValueError(f"shopper: {shopper!r} is no id; ids are texts that are not empty")
    models = list(models)
    if folder is None and live is None and store is None and waiting is None and not models:
        raise ValueError("erase: no place is given; name a folder, live, store, models or waiting")
    with ExitStack() as opened:
        steps: list[_Step] = []
        if live is not None or waiting is not None:
            steps.append(_events(shopper, live, waiting, opened))
        if folder is not None:
            steps.append(_folder(shopper, Path(folder)))
        steps += [_model(shopper, model) for model in models]
        if store is not None:
            steps.append(_store(shopper, store, collections, opened))
        removed: dict[str, int] = {}
        remains: list[str] = []
        for step in steps:
            counts, left = step(dry_run)
            removed |= {place: removed.get(place, 0) + count for place, count in counts.items()}
            remains += left
    remains.append("backups, copies and notebooks that were made before")
    return Erased(shopper, removed, tuple(dict.fromkeys(remains)), dry_run)


_Told = tuple[dict[str, int], list[str]]
_Step = Callable[[bool], _Told]


# -- log, state, and what waits ---------------------------------------------------------------------------------------


def _events(shopper: str, live: Live | str | None, waiting: Waiting | Path | str | None, opened: ExitStack) -> _Step:
    if isinstance(live, str) and waiting is None:
        waiting = _beside(live)
    queue = None if waiting is None else _waiting(waiting, opened)
    state = _live(live, opened) if isinstance(live, str) else live

    def run(dry: bool) -> _Told:
        counts: dict[str, int] = {}
        remains: list[str] = []
        for turn in range(_ROUNDS):
            if queue is not None:
                gone = len(queue.of(shopper)) if dry else queue.forget(shopper)
                counts["waiting: events"] = counts.get("waiting: events", 0) + gone
            if state is not None:
                known = bool(state.visit(shopper, 0).own)
                if dry or known or not turn:  # the first time in any case: a killed call may have left bytes
                    log = sum(event.user_id == shopper for event in state.log()) if dry else state.forget(shopper)
                    counts["log: events"] = counts.get("log: events", 0) + log
                    counts["live state: records"] = counts.get("live state: records", 0) + known
            if dry or not _back(shopper, queue, state):
                break
        else:
            remains.append("events of the shopper keep coming in: stop what sends them, and erase again")
        return counts, remains if dry or state is None else [*remains, *_bytes_of(state, shopper)]

    return run


def _back(shopper: str, queue: Waiting | None, state: Live | None) -> bool:
    """Whether a running shop has handed on an event while this was at it."""
    there = state is not None and bool(state.visit(shopper, 0).own)
    return there or (queue is not None and bool(queue.of(shopper)))


def _bytes_of(live: Live, shopper: str) -> list[str]:
    """SQLite's file is clean when `forget` returns; a Redis server has still to be waited for."""
    client = getattr(live._store, "_redis", None)
    if client is None:
        return []
    from recsys_lab.own.erase_stores import redis_files

    return redis_files(client, shopper)


def _beside(url: str) -> Path | None:
    """The shop's waiting events lie beside its SQLite state."""
    path = Path(unquote(urlsplit(url).path)).expanduser().parent / "waiting.db"
    return path if url.startswith("sqlite:") and path.is_file() else None


def _waiting(given: Waiting | Path | str, opened: ExitStack) -> Waiting:
    from recsys_lab.shop.waiting import Waiting

    if isinstance(given, Waiting):
        return given
    path = Path(given).expanduser()
    path = path / "waiting.db" if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"{path}: there are no waiting events here; name the waiting.db in the live shop's folder")
    return opened.enter_context(closing(Waiting(path)))


def _live(url: str, opened: ExitStack) -> Live:
    """Log and state by their address, with the accumulators that made them: the live shop's, or the course's own."""
    from recsys_lab.realtime import Live, LiveError, standard
    from recsys_lab.shop.backend import READ
    from recsys_lab.shop.memo import IDLE_MS, RECENT

    ways: list[dict[str, Any]] = [
        {"accumulators": [*READ], "idle_ms": IDLE_MS, "recent": RECENT},
        {"accumulators": standard()},
    ]
    held = _made_with(url)
    for way in ways:
        with Live("memory://", **way) as like:
            fits = like._store.made_with() == held
        if fits:
            return opened.enter_context(Live(url, durable=False, **way))
    raise LiveError(
        f"{_shown(url)}: the state was made with accumulators of your own ({held}), which are needed to take back what"
        " they counted; open it with them, and give that: erase(shopper, live=Live(url, shop, accumulators))"
    )


def _made_with(url: str) -> str:
    """What a state was made with, read without changing anything. Raises `LiveError` where there is none."""
    from recsys_lab.realtime import LiveError

    parts, held = urlsplit(url), None
    nothing = f"{_shown(url)}: there is no log and state here; give the address that the shop was started with"
    if parts.scheme == "sqlite":
        path = Path(unquote(parts.path)).expanduser()
        if not path.is_file():
            raise LiveError(nothing)
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=60)) as db:
                held = db.execute("SELECT n FROM about WHERE name = 'made with'").fetchone()
        except sqlite3.Error as error:
            raise LiveError(f"{nothing} ({error})") from error
        held = None if held is None else held[0]
    elif parts.scheme in ("redis", "rediss", "unix"):
        held = _of_redis(url)
    else:
        raise LiveError(f"{_shown(url)}: give sqlite:///folder/live.db or redis://host:6379/0, or an opened Live")
    if held is None:
        raise LiveError(nothing)
    return str(held)


def _of_redis(url: str) -> str | None:
    from recsys_lab.realtime import LiveError

    try:
        import redis
    except ModuleNotFoundError:
        raise ModuleNotFoundError("redis is not installed: python -m pip install 'redis>=6,<8'") from None
    try:
        with closing(redis.Redis.from_url(url, socket_connect_timeout=10)) as client:
            held: Any = client.get("live:shop:made with")
    except redis.RedisError as error:
        raise LiveError(f"Redis at {_shown(url)} does not answer ({error})") from error
    return None if held is None else str(held.decode())


def _shown(url: str) -> str:
    """An address without its password."""
    parts = urlsplit(url)
    return url.replace(parts.netloc, f"***@{parts.netloc.rpartition('@')[2]}") if parts.password else url


# -- the shop's folder ------------------------------------------------------------------------------------------------


def _folder(shopper: str, given: Path) -> _Step:
    folder = given.expanduser().resolve()

    def run(dry: bool) -> _Told:
        if not dry:
            files.tidy(folder)
        found, made = files.find(folder, shopper)
        if made and not dry:
            files.replace(folder, made)
        what = {REPORT: "lines of the import's report"}
        counts = {f"folder: {what.get(name, f'rows of {name}')}": count for name, count in found.items()}
        return counts, _left_in(folder)

    if not (folder.is_dir() or (folder.parent / f".{folder.name}.erased").is_dir()):
        raise DataError(f"{given}: there is no such folder; name the one that load_shop opens")
    return run


def _left_in(folder: Path) -> list[str]:
    left = []
    if read := files.sources(folder):
        left.append(
            f"the files that were imported ({', '.join(read)}) are yours: take the shopper out of them too, or the next"
            " import brings them back"
        )
        left.append("counts of rows and shoppers in the report of the import, which name nobody")
    if unread := files.unread(folder):
        left.append(f"{', '.join(unread)} in the folder: no table, so nobody has looked into it")
    left += [f"{path}: left by an import that was killed; delete it" for path in files.leftovers(folder)]
    return left


# -- models and stores ------------------------------------------------------------------------------------------------


def _model(shopper: str, model: Any) -> _Step:
    from recsys_lab.shop.unlearn import is_ours, names, without

    if isinstance(model, str | Path):
        return _saved(shopper, Path(model))
    name = type(model).__name__

    def run(dry: bool) -> _Told:
        from recsys_lab.shop.unlearn import copied

        gone = without(copied(model) if dry else model, shopper)
        left = [f"{name}: what it learned from many shoppers together, which names nobody; fit it again to renew it"]
        if not is_ours(model) and names(model, shopper):
            left = [f"{name} is no model of this package, and keeps the shopper; fit it again on the shop without them"]
        return {f"model {name}: entries": gone}, left

    return run


def _saved(shopper: str, folder: Path) -> _Step:
    folder = folder.expanduser().resolve()

    def run(dry: bool) -> _Told:
        if not dry:
            files.tidy(folder)
        made = files.saved_factors(folder, shopper)
        if made and not dry:
            files.replace(folder, made)
        left = [f"{folder.name}: what was learned from many shoppers together, which names nobody; train again"]
        return {f"saved model {folder.name}: vectors": int(bool(made))}, left

    if not folder.is_dir() and not (folder.parent / f".{folder.name}.erased").is_dir():
        raise DataError(f"{folder}: there is no such folder; give the one that a model's save() wrote")
    return run


def _store(shopper: str, given: BaseStore | str, named: Collection[str], opened: ExitStack) -> _Step:
    from recsys_lab.own import erase_stores as stores
    from recsys_lab.stores import open_store

    if isinstance(given, str):
        _check_store(given)
    store = opened.enter_context(open_store(given)) if isinstance(given, str) else given
    stores.of_shoppers(store, named)  # says so now, where a name is not there

    def run(dry: bool) -> _Told:
        mine, others = stores.of_shoppers(store, named)
        counts = stores.points(store, mine, shopper)
        left = [
            f"collection {name!r} has a point of this id too: a product's, or name it in `collections`"
            for name, count in stores.points(store, others, shopper).items()
            if count
        ]
        left += [] if dry else stores.forget(store, mine, shopper)
        if counts:
            left.append("vectors of products in the store were learned with the shopper, until its next refresh")
        return {f"store: points of {name}": count for name, count in counts.items()}, left

    return run


def _check_store(url: str) -> None:
    """An address that nothing is kept at would be opened, empty: a slip of the pen would look like success."""
    from recsys_lab.stores import StoreError

    parts = urlsplit(url)
    path = Path(unquote(parts.netloc + parts.path) if parts.scheme.endswith("+embedded") else unquote(parts.path))
    if url.startswith("memory:") or url in ("qdrant:", "qdrant://", "qdrant:///"):
        raise StoreError(f"store: {url!r} is kept nowhere, so there is nothing to erase in it; give the opened store")
    local = parts.scheme.endswith("+embedded") or (parts.scheme == "qdrant" and not parts.hostname)
    if local and not path.expanduser().is_dir():
        raise StoreError(f"store: {_shown(url)}: there is no such folder; give the address that refresh was given")
