"""What happens in the shop, as numbers for Prometheus: GET /metrics.

Labels are resolved once and kept; a request costs one count and one observation.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Seconds; a list is made in less than the first few."""


class Metrics:
    """The shop's counters. Each has a registry of its own, so that several shops in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        held: dict[str, Any] = {"registry": self.registry}
        self._requests = Counter("shop_requests", "Answers, by route and status.", ["route", "status"], **held)
        self._seconds = Histogram("shop_request_seconds", "Time to answer.", ["route"], buckets=BUCKETS, **held)
        self._events = Counter("shop_events", "Events: new, again, waiting or refused.", ["result"], **held)
        self._degraded = Counter("shop_degraded", "Plain lists, by what did not answer.", ["what"], **held)
        self.waiting = Gauge("shop_events_waiting", "Events that wait for the live state.", **held)
        self.products = Gauge("shop_products", "Products on the shelf.", **held)
        self._counts: dict[tuple[str, int], Any] = {}
        self._times: dict[str, Any] = {}
        self._new, self._again, self._waits, self._refused = (
            self._events.labels(result) for result in ("new", "again", "waiting", "refused")
        )
        self._away = {what: self._degraded.labels(what) for what in ("state", "store")}

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer. `route` is one of the shop's own templates, so there are few."""
        count = self._counts.get((route, status))
        if count is None:
            count = self._counts[route, status] = self._requests.labels(route, str(status))
            self._times[route] = self._seconds.labels(route)
        count.inc()
        self._times[route].observe(seconds)

    def took(self, event: Mapping[str, Any]) -> None:
        """Count an event by what became of it."""
        if "refused" in event:
            self._refused.inc()
        elif event["waiting"]:
            self._waits.inc()
        else:
            (self._new if event["new"] else self._again).inc()

    def degraded(self, what: str) -> None:
        """Count a plain list."""
        self._away[what].inc()

    def text(self) -> bytes:
        """All of it in Prometheus' format."""
        return generate_latest(self.registry)


class Measured:
    """Around every request, pure ASGI: how long it took and what came of it, by route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            route = scope.get("route")
            self.metrics.answered(getattr(route, "path", "(none)"), status, time.perf_counter() - began)
