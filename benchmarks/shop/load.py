"""A small HTTP/1.1 client for measurements: on each connection the next request goes out when the answer is in.

Hand-written, because a comfortable client costs more than the server that is to be measured. It understands what the
shop answers (a Content-Length and no chunks) and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast


@dataclass
class Load:
    """What came back within a round: seconds from request to answer, by answer, and how often each status."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """The latency that this share of the answers stayed within, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Connection(asyncio.Protocol):
    """One connection, one request at a time; `requests` gives the next one's bytes."""

    def __init__(self, requests: Iterator[bytes], load: Load, until: float, count: int | None = None) -> None:
        self.requests, self.load, self.until, self.left = requests, load, until, count
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._send()

    def _send(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        """Once the answer is whole: count it, and send the next."""
        self.received = self.received + data if self.received else data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self.received.find(b"content-length: ", 0, end)
        length = int(self.received[at + 16 : self.received.find(b"\r", at + 16)])
        if len(self.received) < end + 4 + length:
            return
        now = time.perf_counter()
        self.load.latencies.append(now - self.began)
        status = int(self.received[9:12])
        self.load.statuses[status] = self.load.statuses.get(status, 0) + 1
        self.received = b""
        if self.left is not None:
            self.left -= 1
        if now < self.until and self.left != 0:
            self._send()
        else:
            self.done.set_result(None)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The round is over, or the server has hung up."""
        if self.done.done():
            return
        if exc is None and time.perf_counter() >= self.until:
            self.done.set_result(None)
        else:
            self.done.set_exception(
                exc or ConnectionError("the server closed the connection before the round was over")
            )


async def drive(port: int, makers: list[Iterator[bytes]], seconds: float = 60.0, count: int | None = None) -> Load:
    """One round: as many connections as there are makers of requests, for so long or for so many requests each."""
    load = Load()
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    connections = []
    for requests in makers:
        made = Connection(requests, load, began + seconds, count)
        await loop.create_connection(lambda made=made: made, "127.0.0.1", port)  # type: ignore[misc]
        connections.append(made)
    await asyncio.gather(*(one.done for one in connections))
    load.seconds = time.perf_counter() - began
    return load


def request(method: str, path: str, cookie: str = "", body: object = None) -> bytes:
    """A request's bytes.

    >>> request("GET", "/empty")
    b'GET /empty HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n'
    """
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if cookie:
        head.append(f"Cookie: {cookie}")
    sent = b""
    if body is not None:
        sent = json.dumps(body).encode()
        head += ["Content-Type: application/json", f"Content-Length: {len(sent)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + sent
