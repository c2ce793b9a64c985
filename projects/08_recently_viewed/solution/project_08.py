"""GET /recently-viewed for the live shop. One way to write it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from recsys_lab.shop import Engine, bodies
from recsys_lab.shop.answers import Answer
from recsys_lab.shop.routes_base import Desk, answers, listed


def recently_viewed(engine: Engine, shopper: str, k: int = 10) -> Answer:
    """What a shopper opened last, the latest first, each product once; not what is in the cart or was deleted.

    Scores are 1/place: the order is all that they say. While the state is away: what waits on this computer, else what
    is popular, with `degraded` and a note that says so.
    """
    told = engine.session(shopper)
    opened = [event["item_id"] for event in told["events"] if event["event_type"] == "clicked_on"]
    items = [item for item in dict.fromkeys(opened) if item not in told["cart"] and _in_shop(engine, item)][:k]
    away = told["degraded"]
    if away is not None and not items:
        notes = "what you viewed cannot be looked up now; this is what most people look at"
        return replace(engine.popular(k), by="popular", notes=notes, degraded=away)
    notes = "" if items else "nothing has been viewed yet"
    if away is not None:
        notes = "only what you viewed in the last moments can be looked up now"
    scores = tuple(1.0 / place for place in range(1, len(items) + 1))
    return Answer(tuple(items), scores, {}, "viewed", notes, away)


def _in_shop(engine: Engine, item: str) -> bool:
    try:
        engine.product(item)
    except KeyError:  # deleted since
        return False
    return True


def add(app: FastAPI) -> None:
    """GET /recently-viewed?k=… in an app that `create_app` made."""
    desk: Desk = app.state.desk

    @app.get("/recently-viewed", responses=answers(bodies.Listed, 422), tags=["lists"])
    async def viewed(request: Request, asked: Annotated[bodies.Many, Query()]) -> Response:
        """What the shopper opened last."""
        shopper = request.scope["visitor"].shopper
        return listed(desk, "recently-viewed", await desk.ask(recently_viewed, desk.engine, shopper, asked.k))
