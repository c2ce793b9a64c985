"""GET /recently-viewed for the live shop. Your half: README.md says what each function owes."""

from __future__ import annotations

from typing import Annotated  # noqa: F401 - for the query: asked: Annotated[bodies.Many, Query()]

from fastapi import FastAPI, Query, Request  # noqa: F401
from starlette.responses import Response  # noqa: F401

from recsys_lab.shop import Engine, bodies  # noqa: F401
from recsys_lab.shop.answers import Answer
from recsys_lab.shop.routes_base import answers, listed  # noqa: F401


def recently_viewed(engine: Engine, shopper: str, k: int = 10) -> Answer:
    """What a shopper opened last, the latest first, each product once; not what is in the cart or was deleted.

    Made by "viewed". While the state is away: what waits on this computer, else what is popular (made by "popular"),
    with `degraded` and a note that says so.
    """
    raise NotImplementedError("recently_viewed: engine.session has events (newest first), the cart, and degraded")


def add(app: FastAPI) -> None:
    """GET /recently-viewed?k=… in an app that `create_app` made; its desk is `app.state.desk`."""
    raise NotImplementedError("add: an endpoint like those of routes_lists.py; the shopper is the cookie's")
