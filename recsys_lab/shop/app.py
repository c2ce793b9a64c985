"""The shop as a web service: `create_app(engine, token=…, secret=…)` makes it, `recsys_lab.shop.serve` runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

try:
    from fastapi import FastAPI, Request
    from starlette.exceptions import HTTPException
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from recsys_lab.shop import bodies, routes_house, routes_lists, routes_products, routes_shopper
    from recsys_lab.shop.routes_base import Desk, ShopRoute
    from recsys_lab.shop.routes_commit import GroupCommit
    from recsys_lab.shop.security import Cookies, Guard, Keepers
    from recsys_lab.shop.telemetry import Measured, Metrics
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"the shop's service needs {error.name}: python -m pip install 'recsys-lab[shop]'", name=error.name
    ) from error

from recsys_lab.shop.engine import Engine
from recsys_lab.shop.problems import Problem

_FIRST = ("/empty", "/for-you", "/similar/{item_id}", "/events")
"""Routes are tried in turn: what is measured and what is most asked for come first."""


def create_app(engine: Engine, *, token: str, secret: str) -> FastAPI:
    """The service around an engine, which stays the caller's to close.

    `token` is what the shop's keepers show, `secret` signs the shoppers' cookies; both have 16 characters or more.
    """
    for name, value in (("token", token), ("secret", secret)):
        if len(value) < 16:
            raise ValueError(f"{name}: has {len(value)} characters; give 16 or more that nobody can guess")
    desk = Desk(engine, Keepers(token), Metrics(), GroupCommit(engine))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await desk.commit.finish()

    # Its interactive pages fetch scripts from elsewhere; /openapi.json can be opened with any tool.
    app = Shop(title="The live shop of recsys-lab", version="1", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.desk = desk
    app.router.redirect_slashes = False
    routes_house.add_empty(app)
    app.router.route_class = ShopRoute
    for routes in (routes_lists, routes_shopper, routes_products, routes_house):
        routes.add(app, desk)
    app.router.routes.sort(key=_turn)
    app.add_exception_handler(HTTPException, _as_problem)
    # The last that is added is the first that a request meets.
    app.add_middleware(Guard, cookies=Cookies(secret))
    app.add_middleware(Measured, metrics=desk.metrics)
    return app


def _turn(route: BaseRoute) -> int:
    path = getattr(route, "path", "")
    return _FIRST.index(path) if path in _FIRST else len(_FIRST)


class Shop(FastAPI):
    """FastAPI, with the shape of problems in its documentation."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI of the shop."""
        if self.openapi_schema is None:
            made = super().openapi()
            made["components"]["schemas"]["Problem"] = bodies.Problem.model_json_schema()
        return super().openapi()


async def _as_problem(request: Request, error: Exception) -> Response:
    """What the framework refuses: no such path, no such method."""
    assert isinstance(error, HTTPException)
    detail = {404: "there is nothing at this address; /openapi.json names what there is"}
    detail[405] = "this address has no such method; /openapi.json names those it has"
    return Problem(error.status_code, detail.get(error.status_code, error.detail), headers=error.headers).response()
