"""Vectors kept by content, so that nothing is encoded twice.

A vector is looked up in memory, then among those shipped with the course (`data/vectors`), then in a file on this
computer. Its key is a hash of the model and the content: a changed text or another model has another key, so that
what is found is never out of date.
"""

from __future__ import annotations

import hashlib
import sqlite3
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys_lab.datasets.download import cache_folder
from recsys_lab.datasets.events import DataError

Vectors = NDArray[np.float32]

_HERE = Path(__file__).resolve()
VECTOR_FOLDERS = (_HERE.parents[2] / "data" / "vectors", _HERE.parents[1] / "_data" / "vectors")
"""Where shipped vectors may lie: in a clone of the repository, or inside an installed package."""

KEY_BYTES = 16
BATCH = 64
"""So many contents are encoded and stored at a time; with more than these to do, a progress bar is drawn."""

_ASKED_AT_ONCE = 500  # SQLite takes a limited number of values in one question


def shipped_file(name: str) -> Path | None:
    """A file of shipped vectors; None where there is none of that name."""
    return next((folder / name for folder in VECTOR_FOLDERS if (folder / name).is_file()), None)


def content_key(identity: str, content: bytes) -> bytes:
    """The key of a content's vector under the model of this identity.

    >>> content_key("model 1", b"a dress").hex() == content_key("model 2", b"a dress").hex()
    False
    """
    return hashlib.sha256(identity.encode() + b"\0" + content).digest()[:KEY_BYTES]


def as_units(vectors: NDArray[np.floating]) -> Vectors:
    """The rows at length 1, as float32; a row of zeros stays one.

    >>> as_units(np.array([[3.0, 4.0], [0.0, 0.0]])).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows = vectors.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


class VectorCache:
    """The vectors of one model: in memory, in a shipped file, and in a SQLite file on this computer.

    `identity` is everything that a vector depends on beside the content. `cache` says where vectors of one's own are
    kept: True is the course's folder (`RECSYS_LAB_CACHE`, else the system's place for caches), a path is a folder,
    False keeps them in memory alone. `kind` begins the name of the file there.
    """

    def __init__(self, identity: str, kind: str, shipped: Path | None = None, cache: bool | Path = True) -> None:
        self.identity, self.shipped = identity, shipped
        self.file: Path | None = None
        if cache is not False:
            folder = cache_folder() / "vectors" if cache is True else Path(cache).expanduser()
            self.file = folder / f"{kind}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.sqlite"
        self._memory: dict[bytes, Vectors] = {}

    def absent(self, contents: Sequence[bytes]) -> list[int]:
        """The rows of what has to be made, each content once."""
        keys = [content_key(self.identity, content) for content in contents]
        self._recall(keys)
        first: dict[bytes, int] = {}
        for row, key in enumerate(keys):
            if key not in self._memory:
                first.setdefault(key, row)
        return list(first.values())

    def encode(self, contents: Sequence[bytes], make: Callable[[list[int]], Vectors], unit: str) -> Vectors:
        """The vectors [len(contents), dim] of at least one content; `make` gives those of the rows that are absent.

        What is made is kept batch by batch, so an interrupted run goes on where it stopped. `unit` is what the progress
        bar counts. Raises `DataError` when a file of vectors is damaged.
        """
        from tqdm import tqdm

        absent = sorted(self.absent(contents), key=lambda row: len(contents[row]))  # texts of a length need no padding
        with tqdm(total=len(absent), unit=unit, leave=False, disable=len(absent) <= BATCH) as bar:
            for start in range(0, len(absent), BATCH):
                rows = absent[start : start + BATCH]
                self._keep([content_key(self.identity, contents[row]) for row in rows], make(rows))
                bar.update(len(rows))
        return np.stack([self._memory[content_key(self.identity, content)] for content in contents])

    def _recall(self, keys: Sequence[bytes]) -> None:
        """Bring into memory what is shipped or stored."""
        if self.shipped is not None:
            shipped = read_shipped(self.shipped)
            self._memory |= {key: shipped[key] for key in keys if key in shipped and key not in self._memory}
        wanted = list({key for key in keys if key not in self._memory})
        if wanted and self.file is not None and self.file.exists():
            self._memory |= read_file(self.file, wanted)

    def _keep(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        made = dict(zip(keys, vectors, strict=True))
        self._memory |= made
        if self.file is None:
            return
        try:
            write_file(self.file, made)
        except (OSError, sqlite3.OperationalError) as error:  # a folder that is read only, a full disk
            warnings.warn(
                f"{self.file}: vectors cannot be kept there ({error}), so a next start makes them again; "
                "RECSYS_LAB_CACHE names another folder",
                stacklevel=4,
            )
            self.file = None


def read_shipped(path: Path) -> Mapping[bytes, Vectors]:
    """The vectors of a shipped file by their key, at length 1. Raises `DataError` when the file is not whole."""
    return _read_shipped(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read_shipped(path: Path, changed: int) -> Mapping[bytes, Vectors]:
    keys, vectors = read_arrays(path)
    return dict(zip(keys, as_units(vectors), strict=True))


def read_arrays(path: Path) -> tuple[list[bytes], NDArray[np.float16]]:
    """Keys and vectors of a shipped file, as they are stored."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            keys, vectors = stored["keys"], stored["vectors"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path}: this is no whole file of vectors ({error}); fetch it again (or: make vectors)"
        ) from error
    if keys.shape != (len(vectors), KEY_BYTES) or vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise DataError(f"{path}: keys and vectors do not fit each other; fetch it again (or: make vectors)")
    return [key.tobytes() for key in keys.astype(np.uint8)], vectors


def write_arrays(path: Path, vectors: Mapping[bytes, NDArray[np.floating]]) -> None:
    """Write a shipped file: sorted by key, in 16 bits a number. The same vectors make the same bytes."""
    keys = sorted(vectors)
    np.savez(
        path,
        keys=np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY_BYTES),
        vectors=np.stack([vectors[key] for key in keys]).astype(np.float16),
    )


def read_file(path: Path, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
    """Those of the vectors that the SQLite file holds. Raises `DataError` when it is damaged."""
    found: dict[bytes, Vectors] = {}
    with _open(path) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'vectors'").fetchone():
            return found  # another process has just begun it
        for start in range(0, len(keys), _ASKED_AT_ONCE):
            asked = keys[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(asked))
            for key, check, vector in connection.execute(
                f"SELECT key, checksum, vector FROM vectors WHERE key IN ({marks})", asked
            ):
                # SQLite itself does not see a changed byte in a value
                if not isinstance(vector, bytes) or zlib.crc32(key + vector) != check:
                    raise sqlite3.DatabaseError("a vector in it has changed")
                found[key] = np.frombuffer(vector, dtype="<f4")
    return found


def write_file(path: Path, vectors: Mapping[bytes, Vectors]) -> None:
    """Add vectors to the SQLite file, all or none; what it holds already stays. Another process may do so as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blobs = {key: vector.astype("<f4").tobytes() for key, vector in vectors.items()}
    with _open(path, writing=True) as connection:
        connection.execute("BEGIN IMMEDIATE")  # one writer at a time; the others wait
        connection.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, checksum INTEGER, vector BLOB)")
        connection.executemany(
            "INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)",
            [(key, zlib.crc32(key + blob), blob) for key, blob in blobs.items()],
        )
        connection.execute("COMMIT")


@contextmanager
def _open(path: Path, writing: bool = False) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
            yield connection
    except sqlite3.Error as error:
        if writing and isinstance(error, sqlite3.OperationalError):
            raise  # it cannot be written now, which is no damage
        raise DataError(
            f"{path}: the vectors kept there cannot be read ({error}); delete this file, it will be made anew"
        ) from error
