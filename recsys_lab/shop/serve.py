"""Runs the shop: `python -m recsys_lab shop`."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from recsys_lab.datasets import Shop
from recsys_lab.shop.config import Settings

try:
    import uvicorn
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "serving the shop needs uvicorn: python -m pip install 'recsys-lab[shop]'", name="uvicorn"
    ) from None


def serve(shop: Shop, settings: Settings, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Train what the settings name, and serve until it is told to stop. Prints one line when it answers.

    `settings.folder` has the secrets, unless the environment names them (RECSYS_LAB_TOKEN, RECSYS_LAB_SECRET). With
    `port` 0, the system chooses one. Raises `OSError` for an address that cannot be had.
    """
    from recsys_lab.shop.app import create_app
    from recsys_lab.shop.engine import Engine
    from recsys_lab.shop.security import kept_secret

    folder = settings.folder or Path(".shop")
    if not is_loopback(host) and not os.environ.get("RECSYS_LAB_TOKEN"):
        print(
            f"warning: {host} can be reached from other computers; the token in {folder} lets them change the shop."
            " Choose one yourself with RECSYS_LAB_TOKEN, and put a server with TLS before the shop",
            file=sys.stderr,
        )
    token, secret = kept_secret("token", folder), kept_secret("secret", folder)
    if threading.current_thread() is threading.main_thread():
        # A supervisor's stop is a Ctrl+C: also while the models train, and where this is a container's first process.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), _listening(host, port) as listener, Engine(shop, settings) as engine:
        app = create_app(engine, token=token, secret=secret)
        config = uvicorn.Config(app, access_log=False, log_level="warning", server_header=False, workers=1)
        Announcing(config, _address(listener)).run(sockets=[listener])  # it raises again once all is answered


class Announcing(uvicorn.Server):
    """Says where the shop is, once it answers."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        if self.started:
            print(f"The shop is open: {self._address}  (Ctrl+C closes it)", flush=True)


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    """The socket, taken before anything is trained: an address in use is told at once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise OSError(f"{host}:{port}: {error.strerror}; choose another with --port") from None
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
