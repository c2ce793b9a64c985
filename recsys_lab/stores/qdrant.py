"""Qdrant: in process for up to 20,000 points, in a folder, or on a server (version 1.20 or newer) by its address.

Qdrant's own ids are numbers or UUIDs, so a point's id is the UUID made of its label, and the label is kept in the
payload. Fields are kept under keys made of their names in hex: a dot or a quote in a name would be read as a path.
Values are bound, never written into a query. Texts cannot be put in order by Qdrant; such a filter reads all values
of the field first.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote

import numpy as np

from recsys_lab.filters import Filter
from recsys_lab.stores.base import BaseCollection, BaseStore, check_dropped, missing_package
from recsys_lab.stores.checks import Payload, StoreError, Vectors, check_name
from recsys_lab.stores.protocol import About, Gone, Point
from recsys_lab.stores.translate import Dialect, translate

T = TypeVar("T")

IN_PROCESS = 20_000
"""Qdrant in process looks at every point in Python; beyond this many its makers advise a server."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "points.recsys-lab")
_LABEL = "label"  # no field's key: those begin with "f_"
_PAGE = 1000


def key_of(name: str) -> str:
    """The payload key of a field.

    >>> key_of("price")
    'f_7072696365'
    """
    return "f_" + name.encode().hex()


def uuid_of(label: str) -> str:
    """Qdrant's id of a label."""
    return str(uuid.uuid5(_NAMESPACE, label))


class QdrantStore(BaseStore):
    """`qdrant://` is in process, `qdrant:///folder` in a folder, `qdrant://host:6333` a server.

    `qdrant+https://:key@host:6333` is a server behind TLS with an API key. A folder is open to one process at a time.
    """

    def __init__(self, url: SplitResult) -> None:
        try:
            import qdrant_client
        except ModuleNotFoundError:
            raise missing_package("qdrant-client", "'qdrant-client>=1.20,<2'") from None
        if url.hostname and url.path not in ("", "/"):
            raise StoreError(
                f"open_store: {url.hostname!r} is taken for a server, which has no {url.path!r}; for a folder write"
                f" qdrant:///{url.hostname}{url.path}, for the server qdrant://{url.hostname}:6333"
            )
        if not url.hostname and url.scheme != "qdrant":
            raise StoreError(f"open_store: {url.scheme}:// names no server; write {url.scheme}://host:6333")
        self._closed = False
        self._lock = threading.RLock()  # in process, Qdrant is no more than Python objects: one thread at a time
        self.in_process = not url.hostname
        try:
            if url.hostname:
                scheme = "https" if url.scheme.endswith("https") else "http"
                self.client = qdrant_client.QdrantClient(
                    url=f"{scheme}://{url.hostname}:{url.port or 6333}",
                    api_key=url.password or None,
                    timeout=60,
                    check_compatibility=False,  # it only warns, also where nobody answers
                )
                with self.guard() as client:
                    client.get_collections()  # is anybody there?
            elif unquote(url.path) in ("", "/"):
                self.client = qdrant_client.QdrantClient(":memory:")
            else:
                self.client = qdrant_client.QdrantClient(path=unquote(url.path), force_disable_check_same_thread=True)
        except StoreError:
            self.close()
            raise
        except Exception as error:  # the client has no error class of its own for this
            raise StoreError(f"Qdrant at {url.hostname or url.path!r} cannot be opened: {error}") from error

    @contextmanager
    def guard(self) -> Iterator[Any]:
        """The client: for one thread at a time where it is in process; its errors are made one class."""
        from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

        if self._closed:
            raise StoreError("Qdrant: this store is closed; open it again with open_store")
        if self.in_process:
            self._lock.acquire()
        try:
            yield self.client
        except UnexpectedResponse as error:
            if error.status_code == 404:
                raise Gone(f"Qdrant: the collection is not there any more: {error}") from error
            raise StoreError(f"Qdrant refused: {error}") from error
        except ResponseHandlingException as error:
            raise StoreError(f"Qdrant does not answer ({error}); is the server running?") from error
        except ValueError as error:
            if not isinstance(error, StoreError) and "not found" in str(error):
                raise Gone(f"Qdrant: {error}") from error
            raise
        finally:
            if self.in_process:
                self._lock.release()

    def collections(self) -> list[str]:
        """The names of all collections, in order."""
        with self.guard() as client:
            return sorted(one.name for one in client.get_collections().collections)

    def drop(self, name: str) -> None:
        """Take a collection out with all its points."""
        with self.guard() as client:
            aliases = [one.alias_name for one in client.get_aliases().aliases if one.collection_name == name]
            check_dropped(self, name, aliases)
            client.delete_collection(check_name(name, "collection"))

    def close(self) -> None:
        """Close the client; a folder can then be opened by another process."""
        if not self._closed:
            with self.guard() as client:
                client.close()
            self._closed = True

    def _make(self, about: About) -> BaseCollection:
        from qdrant_client import models

        with self.guard() as client:
            if not client.collection_exists(about.name):
                distance = models.Distance.COSINE if about.metric == "cosine" else models.Distance.DOT
                client.create_collection(
                    about.name,
                    vectors_config=models.VectorParams(size=about.dim, distance=distance),
                    metadata={"dim": about.dim, "metric": about.metric, "max_norm": about.max_norm},
                )
            return self._reopen(about.name)

    def _reopen(self, name: str) -> BaseCollection:
        with self.guard() as client:
            if not client.collection_exists(name):
                raise Gone(f"collection {name!r} is not there any more")
            made = client.get_collection(name).config.metadata or {}
        if "dim" not in made:
            raise StoreError(f"collection {name!r} was not made by this package; use another name")
        return QdrantCollection(self, About(name, made["dim"], made["metric"], made.get("max_norm")))

    def _target(self, alias: str) -> str | None:
        with self.guard() as client:
            return next((one.collection_name for one in client.get_aliases().aliases if one.alias_name == alias), None)

    def _switch(self, alias: str, name: str | None) -> None:
        from qdrant_client import models

        change: Any = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        if name is not None:  # replaces the old one in one step
            make = models.CreateAlias(collection_name=name, alias_name=alias)
            change = models.CreateAliasOperation(create_alias=make)
        with self.guard() as client:
            client.update_collection_aliases(change_aliases_operations=[change])


class QdrantCollection(BaseCollection):
    """A Qdrant collection of one unnamed vector."""

    def __init__(self, store: QdrantStore, about: About) -> None:
        super().__init__(about)
        self._store = store
        self.most_points = IN_PROCESS if store.in_process else None  # type: ignore[misc]

    def _write(self, ids: list[str], vectors: Vectors, payloads: list[Payload]) -> None:
        from qdrant_client import models

        kept = [
            {_LABEL: label} | {key_of(name): value for name, value in payload.items()}
            for label, payload in zip(ids, payloads, strict=True)
        ]
        batch = models.Batch(ids=[uuid_of(label) for label in ids], vectors=vectors.tolist(), payloads=kept)
        with self._store.guard() as client:
            client.upsert(self.name, batch, wait=True)

    def _remove(self, ids: list[str]) -> None:
        from qdrant_client import models

        with self._store.guard() as client:
            client.delete(self.name, models.PointIdsList(points=[uuid_of(label) for label in ids]), wait=True)

    def _read(self, ids: list[str]) -> Iterable[Point]:
        with self._store.guard() as client:
            held = client.retrieve(self.name, [uuid_of(label) for label in ids], with_payload=True, with_vectors=True)
        for point in held:
            payload = {bytes.fromhex(key[2:]).decode(): value for key, value in point.payload.items() if key != _LABEL}
            yield Point(point.payload[_LABEL], np.asarray(point.vector, dtype=np.float32), payload)

    def _nearest(self, query: Vectors, n: int, where: Filter | None, exact: bool | None) -> Sequence[tuple[str, float]]:
        """Scores are computed anew in float64: in process they depend in the last digits on where a point lies."""
        from qdrant_client import models

        condition = None if where is None else translate(where, self._fields, _QdrantDialect(self._texts))
        with self._store.guard() as client:
            found = client.query_points(
                self.name,
                query=query.tolist(),
                query_filter=condition,
                limit=n,
                with_payload=[_LABEL],
                with_vectors=True,
                # in process it is always exact, and says so when told
                search_params=None if self._store.in_process else models.SearchParams(exact=exact is not False),
            ).points
        if not found:
            return []
        scores = np.array([point.vector for point in found], dtype=np.float64) @ query.astype(np.float64)
        best = np.argsort(-scores, kind="stable").tolist()
        return [(found[at].payload[_LABEL], float(scores[at])) for at in best]

    def _texts(self, name: str) -> set[str]:
        """All values of a text field, page by page."""
        held: set[str] = set()
        page = None
        while True:
            with self._store.guard() as client:
                points, page = client.scroll(self.name, limit=_PAGE, offset=page, with_payload=[key_of(name)])
            held.update(point.payload[key_of(name)] for point in points if key_of(name) in point.payload)
            if page is None:
                return held

    def _count(self) -> int:
        with self._store.guard() as client:
            return int(client.count(self.name, exact=True).count)

    def _load_fields(self) -> dict[str, str]:
        with self._store.guard() as client:
            metadata = client.get_collection(self.name).config.metadata or {}
        return {bytes.fromhex(key[2:]).decode(): kind for key, kind in metadata.items() if key.startswith("f_")}

    def _learn(self, given: dict[str, str]) -> dict[str, str]:
        with self._store.guard() as client:
            known = self._load_fields()
            new = {key_of(name): kind for name, kind in given.items() if name not in known}
            if new:
                client.update_collection(self.name, metadata=new)  # is merged with what is there
            return given | known


class _QdrantDialect(Dialect[Any]):
    """`must_not` is plain negation, and no condition holds of a value that is missing: nothing needs special care."""

    def __init__(self, texts: Callable[[str], Iterable[str]]) -> None:
        from qdrant_client import models

        self.models = models
        self._texts = texts

    def texts(self, name: str) -> Iterable[str]:
        return self._texts(name)

    def nothing(self) -> Any:
        return self.models.Filter(must=[self.models.HasIdCondition(has_id=[])])

    def present(self, name: str) -> Any:
        empty = self.models.IsEmptyCondition(is_empty=self.models.PayloadField(key=key_of(name)))
        return self.models.Filter(must_not=[empty])

    def among(self, name: str, kind: str, values: Sequence[Any]) -> Any:
        if all(isinstance(value, str) for value in values):
            return self._field(name, match=self.models.MatchAny(any=list(values)))
        return self.either([self.holds(name, value) for value in values])

    def ordered(self, name: str, op: str, value: float) -> Any:
        bound = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}[op]
        return self._field(name, range=self.models.Range(**{bound: float(value)}))

    def holds(self, name: str, value: Any) -> Any:
        if isinstance(value, str | bool):
            return self._field(name, match=self.models.MatchValue(value=value))
        # Qdrant matches whole numbers alone; a range from a number to itself matches any
        return self._field(name, range=self.models.Range(gte=float(value), lte=float(value)))

    def part(self, name: str, value: str) -> Any:
        return self._field(name, match=self.models.MatchSubstring(substring=value))

    def both(self, parts: Sequence[Any]) -> Any:
        return self.models.Filter(must=list(parts))

    def either(self, parts: Sequence[Any]) -> Any:
        return self.models.Filter(should=list(parts))

    def negate(self, part: Any) -> Any:
        return self.models.Filter(must_not=[part])

    def _field(self, name: str, **condition: Any) -> Any:
        return self.models.Filter(must=[self.models.FieldCondition(key=key_of(name), **condition)])
