"""The page and its files, what the page's panel offers, and keeping house: refresh, health, metrics."""

from __future__ import annotations

import asyncio
import json
import logging
from importlib.resources import files

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from recsys_lab.shop import bodies
from recsys_lab.shop.answers import Busy
from recsys_lab.shop.engine import Engine
from recsys_lab.shop.routes_base import TOKEN, Desk, answers, as_json

_log = logging.getLogger("recsys_lab.shop")
_PLAIN = "text/plain; version=0.0.4; charset=utf-8"


def add_empty(app: FastAPI) -> None:
    """The route that does nothing, as FastAPI itself makes one: before the shop's own kind of route is set."""

    @app.get("/empty", tags=["house"])
    async def empty() -> dict[str, str]:
        """Nothing: what measurements are held against.

        An ordinary endpoint of this very app, behind the same middleware: FastAPI reads its (empty) signature and makes
        the answer from what it returns. The shop's other routes are of a leaner kind, `ShopRoute`.
        """
        return {}


def add(app: FastAPI, desk: Desk) -> None:
    """The routes that are left."""
    engine, metrics = desk.engine, desk.metrics

    @app.get("/health", responses=answers(bodies.HealthOut, 422), tags=["house"])
    async def health(request: Request) -> Response:
        """Whether all that the shop stands on answers."""
        return as_json(await run_in_threadpool(engine.health))

    @app.get("/metrics", responses=answers(None, 422, kind=_PLAIN), response_class=Response, tags=["house"])
    async def read_metrics(request: Request) -> Response:
        """The shop's numbers, for Prometheus."""
        health = await run_in_threadpool(engine.health)
        metrics.waiting.set(health["waiting"])
        metrics.products.set(health["products"])
        return Response(metrics.text(), media_type=_PLAIN)

    @app.get("/config", responses=answers(bodies.ConfigOut, 422), tags=["page"])
    async def config(request: Request) -> Response:
        """What the page's panel offers."""
        return as_json(await run_in_threadpool(offered, engine))

    @app.post(
        "/refresh", status_code=202, responses=answers(bodies.Started, 401, 409, 422, status=202), dependencies=[TOKEN],
        tags=["keepers"],
    )  # fmt: skip
    async def refresh(request: Request) -> Response:
        """Train anew with what has happened, while the shop goes on; GET /health tells when it is done."""
        if desk.background:
            raise Busy("a refresh is under way; GET /health tells when it is done")
        task = asyncio.create_task(_refreshed(engine))
        desk.background.add(task)
        task.add_done_callback(desk.background.discard)
        return as_json({"started": True}, 202)

    for path, name, kind in (
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/shop.js", "shop.js", "text/javascript; charset=utf-8"),
        ("/shop.css", "shop.css", "text/css; charset=utf-8"),
    ):
        _add_file(app, path, name, kind)


def _add_file(app: FastAPI, path: str, name: str, kind: str) -> None:
    async def page(request: Request) -> Response:
        if path == "/":
            _ = request.scope["visitor"].shopper  # the cookie comes with the page, not with each of its first questions
        content = files("recsys_lab.shop").joinpath("page", name).read_bytes()
        return Response(content, headers={"Cache-Control": "no-cache"}, media_type=kind)

    page.__doc__ = f"The page's {name}."
    page.__name__ = name.replace(".", "_")
    app.get(path, responses=answers(None, 422, kind=kind), response_class=Response, tags=["page"])(page)


async def _refreshed(engine: Engine) -> None:
    """Train in a thread; what goes wrong is in the log, the shop goes on with what it had."""
    try:
        await run_in_threadpool(engine.refresh)
    except Exception:
        engine.failures["refresh"] += 1
        _log.exception("the refresh failed; the shop goes on with what it had")


def offered(engine: Engine) -> dict[str, object]:
    """Spaces with their weights, recommenders, and what products can be filtered by."""
    ids, _ = engine.products(limit=1_000_000)
    cards = [json.loads(card) for card in engine.cards(ids)]
    departments, categories = (
        sorted({card[name] for card in cards if card[name] is not None}) for name in ("department", "category")
    )
    return {
        "spaces": [{"name": name, "weight": weight} for name, weight in engine.spaces.items()],
        "recommenders": list(engine.settings.switch),
        "departments": departments,
        "categories": categories,
        "max_price": max((card["price"] for card in cards if card["price"] is not None), default=None),
    }
