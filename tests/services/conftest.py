"""Database servers of the tests' own: each in a temporary folder, on a free port or a socket, and gone at the end."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("contract")

WITHOUT_REDIS = "REDIS_SERVER does not name a redis-server that has vector sets (Redis 8 or newer)"


class RedisServer:
    """A Redis that has every write on the disk before it says so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        import redis

        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "save": "", "appendonly": "yes"}
        command = [os.environ["REDIS_SERVER"]]
        for name, value in (options | {"appendfsync": "always"}).items():
            command += [f"--{name}", str(value)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        client = redis.Redis(port=self.port)
        for _ in range(200):
            with contextlib.suppress(redis.RedisError):
                client.ping()
                client.close()
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)
        raise AssertionError("Redis does not answer")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def restart(self) -> None:
        self.stop()
        self.start()


class PostgresServer:
    """The embedded PostgreSQL, asked by its address like any other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start()

    def start(self) -> None:
        from recsys_lab.stores.embedded import EmbeddedServer

        self.server = EmbeddedServer(str(self.folder))
        self.url = self.server.dsn

    def kill(self) -> None:
        import psutil

        processes = [psutil.Process(self.server.pid)]
        processes += processes[0].children(recursive=True)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=10)
        self.server.release()

    def stop(self) -> None:
        self.server.release()

    def restart(self) -> None:
        self.stop()
        self.start()


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A short path (a socket's name has to fit), and the temporary folder of all that pgserver leaves behind."""
    folder = Path(tempfile.mkdtemp(prefix="stores-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # pgserver makes its lock anew when Python ends
    before = {name: os.environ.get(name) for name in ("TMPDIR", "XDG_RUNTIME_DIR")}
    remembered = tempfile.tempdir
    (folder / "run").mkdir(mode=0o700)
    os.environ.update(TMPDIR=str(folder), XDG_RUNTIME_DIR=str(folder / "run"))
    tempfile.tempdir = None
    yield folder
    tempfile.tempdir = remembered
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server(server_folder: Path) -> Iterator[RedisServer]:
    if not os.environ.get("REDIS_SERVER"):
        pytest.skip(WITHOUT_REDIS)
    folder = server_folder / "redis"
    folder.mkdir()
    server = RedisServer(folder)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(server_folder / "postgres")
    yield server
    server.stop()


@pytest.fixture
def crashing_server(request: pytest.FixtureRequest, server_folder: Path) -> Iterator[Any]:
    """A server of one test, to be killed; `request.param` names it."""
    folder = Path(tempfile.mkdtemp(dir=server_folder))
    if request.param == "redis" and not os.environ.get("REDIS_SERVER"):
        pytest.skip(WITHOUT_REDIS)
    server = RedisServer(folder) if request.param == "redis" else PostgresServer(folder / "data")
    yield server
    server.stop()
