"""Redis 8 and its vector sets. What they cannot do is done beside them:

- **No types and no quoting in FILTER**, which is one string: texts are kept as the hex of their UTF-8, so nothing that
  a shopper types can end the string. Names of fields are hex too.
- **A missing field makes the whole FILTER false**, also behind `not` and `or`: each point has every field of its
  collection, with a stand-in where it has no value, and a list `has` of the fields that it really has.
- **No order and no search in texts**: the set of all texts of a field is kept beside, matched here, and asked as a
  list.
- **The score is (1 + cos) / 2**: it is mapped back. Vectors are kept as they are (NOQUANT), and TRUTH looks at every
  point.
- **No inner product**: with `max_norm` = M, points get one more component √(M² − ‖x‖²) and questions a 0. All points
  then have length M, and the cosine times M‖q‖ is the inner product.
- **A changed point is not logged** (Redis 8.0): VADD of an id that is there never reaches the append-only file, and is
  gone after a restart. A point is therefore taken out and put in again, in one script.
- **No alias**: a pointer key, read in the same script as the question, so that both are of one moment.

Keys begin with `recsys:`; the scripts compute some of them, so this is for one server and not for a cluster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from recsys_lab.filters import Filter
from recsys_lab.stores.base import Alias, BaseCollection, BaseStore, check_dropped, missing_package
from recsys_lab.stores.checks import Payload, StoreError, Vectors, check_name
from recsys_lab.stores.protocol import About, Gone, Point
from recsys_lab.stores.redis_filter import decoded, encoded, filter_of, from_hex, key_of, stand_in
from recsys_lab.stores.redis_scripts import COUNT, DROP, FILL, LEARN, MAKE, READ, READY, REMOVE, SEARCH, SWITCH, WRITE

T = TypeVar("T")

_PENDING = "?"  # before the kind of a field that the points do not all have yet
_PAGE = 500


class RedisStore(BaseStore):
    """`redis://host:6379/0`; `rediss://` for TLS. What survives a crash is decided by the server's `appendonly`."""

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ModuleNotFoundError:
            raise missing_package("redis", "'redis>=6,<8'") from None
        self._redis = redis
        self.client: Any = redis.Redis.from_url(url, socket_connect_timeout=10)
        self._scripts: dict[str, Callable[..., Any]] = {}
        self._answered = False
        try:
            with self.guard() as client:
                client.execute_command("VCARD", "recsys:no_such_key")
            self._answered = True
        except StoreError as error:
            self.close()
            if "unknown command" in str(error):
                raise StoreError(f"the server at {url!r} has no vector sets; Redis 8 or newer is needed") from None
            raise

    @contextmanager
    def guard(self) -> Iterator[Any]:
        """The client; its errors are made one class."""
        try:
            yield self.client
        except (self._redis.ConnectionError, self._redis.TimeoutError) as error:
            advice = "is the server running, and the address right?"
            if self._answered:
                advice = "each point of a write that was under way is old or new: repeat it once the server runs"
            raise StoreError(f"Redis does not answer ({error}); {advice}") from error
        except self._redis.RedisError as error:
            raise StoreError(f"Redis refused: {error}") from error

    def run(self, script: str, keys: Sequence[str], *arguments: Any) -> Any:
        """Run a script: in Redis it is one step, and nobody sees half of it."""
        with self.guard() as client:
            if script not in self._scripts:
                self._scripts[script] = client.register_script(script)
            return self._scripts[script](keys=list(keys), args=list(arguments))

    def alias(self, name: str) -> Alias:
        """A name that can be switched from one collection to another."""
        return RedisAlias(self, name)

    def collections(self) -> list[str]:
        """The names of all collections, in order."""
        with self.guard() as client:
            return sorted(name.decode() for name in client.smembers("recsys:collections"))

    def drop(self, name: str) -> None:
        """Take a collection out with all its points."""
        alias = self.run(DROP, ["recsys:collections", "recsys:aliases", *_keys(check_name(name, "collection"))], name)
        check_dropped(self, name, [alias.decode()] if isinstance(alias, bytes) else [])

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _make(self, about: About) -> BaseCollection:
        if about.metric == "dot" and about.max_norm is None:
            raise StoreError(
                f"collection {about.name!r}: Redis knows the cosine alone; for metric='dot' also give max_norm, the"
                f" length of the longest vector that will ever come"
            )
        self.run(
            MAKE,
            ["recsys:collections", _keys(about.name)[0]],
            about.name,
            about.dim,
            about.metric,
            about.max_norm or "",
        )
        return self._reopen(about.name)

    def _reopen(self, name: str) -> RedisCollection:
        with self.guard() as client:
            made = {key.decode(): value.decode() for key, value in client.hgetall(_keys(name)[0]).items()}
        if not made:
            raise Gone(f"collection {name!r} is not there any more")
        max_norm = float(made["max_norm"]) if made["max_norm"] else None
        return RedisCollection(self, About(name, int(made["dim"]), made["metric"], max_norm))

    def _target(self, alias: str) -> str | None:
        with self.guard() as client:
            target = client.hget("recsys:aliases", alias)
        return None if target is None else str(target.decode())

    def _switch(self, alias: str, name: str | None) -> None:
        if name is None:
            with self.guard() as client:
                client.hdel("recsys:aliases", alias)
        elif self.run(SWITCH, ["recsys:aliases", _keys(name)[0]], alias, name) is None:
            raise Gone(f"collection {name!r} is not there any more")


class RedisAlias(Alias):
    """Remembers the collection; each question tells the server which one that is, and is refused after a switch."""

    _known: RedisCollection | None = None

    def __init__(self, store: RedisStore, name: str) -> None:
        super().__init__(store, name)
        self._redis = store

    def _current(self) -> BaseCollection:
        known = self._known
        if known is None or known.outdated:
            known = self._redis._reopen(super().collection().name)
            known.asked_by = self.name
            self._known = known
        return known

    def _asked(self, ask: Callable[[BaseCollection], T]) -> T:
        try:
            return super()._asked(ask)
        except ValueError:  # what does not fit the remembered collection may fit the one that is asked for now
            known = self._known
            if known is None or known.name == self.target:
                raise
            known.outdated = True
            return super()._asked(ask)


class RedisCollection(BaseCollection):
    """A vector set, a hash that says how it was made and which fields it has, and a set of texts for each text
    field."""

    batch = 100  # a batch is one script, and Redis answers nobody else meanwhile
    noise = 3e-7  # Redis keeps a vector as a direction and a length, in 32 bits each; scores are at most about 1

    def __init__(self, store: RedisStore, about: About) -> None:
        super().__init__(about)
        self._store = store
        self._all: dict[str, str] = {}  # with the fields that are pending
        self.asked_by = ""
        self.outdated = False

    def _run(self, script: str, *arguments: Any) -> Any:
        """Run a script on this collection, if it is there and the alias that asks still stands for it."""
        answer = self._store.run(script, [*_keys(self.name), "recsys:aliases"], self.asked_by, self.name, *arguments)
        if answer is None:
            self.outdated = True
            raise Gone(f"collection {self.name!r} is not there any more, or its alias was switched")
        return answer

    def _write(self, ids: list[str], vectors: Vectors, payloads: list[Payload]) -> None:
        longer = self._longer(vectors)
        while True:
            texts = {(key_of(n), v.encode().hex()) for one in payloads for n, v in one.items() if isinstance(v, str)}
            packed: list[Any] = []
            for label, vector, payload in zip(ids, longer, payloads, strict=True):
                packed += [label, vector.tobytes(), json.dumps(encoded(payload, self._all))]
            for field, text in sorted(texts):
                packed += [_texts_key(self.name, field), text]
            if self._run(WRITE, len(self._all), len(ids), *packed) == 1:
                return
            self._fields = self._load_fields()  # somebody has added a field: every point has to have it

    def _longer(self, vectors: Vectors) -> Vectors:
        """The vectors with the component that gives all of them the same length, for the inner product."""
        if self.about.metric == "cosine":
            return vectors
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
        more = np.sqrt(np.maximum(0.0, float(self.about.max_norm or 0.0) ** 2 - lengths**2))
        return np.column_stack([vectors, more]).astype(np.float32)

    def _remove(self, ids: list[str]) -> None:
        self._run(REMOVE, *ids)

    def _read(self, ids: list[str]) -> Iterable[Point]:
        for start in range(0, len(ids), _PAGE):
            part = ids[start : start + _PAGE]
            for label, found in zip(part, self._run(READ, *part), strict=True):
                if found:
                    attributes, (_, blob, length, *_rest) = found
                    vector = np.frombuffer(blob, dtype="<f4") * float(length)
                    yield Point(label, vector[: self.about.dim].astype(np.float32), decoded(attributes))

    def _nearest(self, query: Vectors, n: int, where: Filter | None, exact: bool | None) -> Sequence[tuple[str, float]]:
        length = float(np.linalg.norm(query.astype(np.float64)))
        if length == 0:  # an inner product with nothing is 0 for everybody; the direction does not matter
            query = np.ones_like(query)
        asked = query if self.about.metric == "cosine" else np.append(query, np.float32(0))
        condition = "" if where is None else filter_of(where, self._fields, self._texts)
        way = "TRUTH" if exact is not False else ""
        flat = self._run(SEARCH, asked.astype("<f4").tobytes(), n, condition, way, str(max(200, 2 * n)))
        scale = 1.0 if self.about.metric == "cosine" else float(self.about.max_norm or 0.0) * length
        scores = [(2 * float(score) - 1) * scale for score in flat[1::2]]
        return [(label.decode(), score) for label, score in zip(flat[::2], scores, strict=True)]

    def _texts(self, name: str) -> list[str]:
        with self._store.guard() as client:
            return [from_hex(text) for text in client.sscan_iter(_texts_key(self.name, key_of(name)), count=_PAGE)]

    def _count(self) -> int:
        return int(self._run(COUNT))

    def _load_fields(self) -> dict[str, str]:
        with self._store.guard() as client:
            made = client.hgetall(_keys(self.name)[0])
        kinds = {key.decode()[1:]: kind.decode() for key, kind in made.items() if key.startswith(b"f")}
        self._all = {from_hex(key.encode()): kind.removeprefix(_PENDING) for key, kind in kinds.items()}
        return {from_hex(key.encode()): kind for key, kind in kinds.items() if not kind.startswith(_PENDING)}

    def _learn(self, given: dict[str, str]) -> dict[str, str]:
        """First all writers are told, then the points that are there get the stand-in, then filters may ask for it."""
        self._run(LEARN, *(part for name, kind in given.items() for part in (key_of(name), _PENDING + kind)))
        ready = self._load_fields()
        pending = {key_of(name): kind for name, kind in self._all.items() if name not in ready}
        if not pending:
            return ready
        if count := self._count():
            with self._store.guard() as client:
                members = client.execute_command("VRANDMEMBER", _keys(self.name)[1], count)
            stand_ins = [json.dumps({key: stand_in(kind)})[1:-1] for key, kind in pending.items()]
            for start in range(0, len(members), _PAGE):
                self._run(FILL, len(stand_ins), *stand_ins, *members[start : start + _PAGE])
        self._run(READY, *(part for one in pending.items() for part in one))
        return self._load_fields()


def _keys(name: str) -> list[str]:
    return [f"recsys:made:{name}", f"recsys:points:{name}"]


def _texts_key(name: str, field: str) -> str:
    return f"recsys:texts:{name}:{field}"
