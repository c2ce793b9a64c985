"""What a shopper does and is: events, the session, and being forgotten. The cookie says who it is, nothing else can."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from recsys_lab.shop import bodies
from recsys_lab.shop.answers import Sent
from recsys_lab.shop.problems import Problem, problem_of
from recsys_lab.shop.routes_base import BODY, Desk, answers, as_json


def add(app: FastAPI, desk: Desk) -> None:
    """The routes of a shopper."""
    engine, metrics = desk.engine, desk.metrics

    @app.post("/events", status_code=202, responses=answers(bodies.TakenOut, *BODY, 503, status=202), tags=["shopper"])
    async def events(request: Request, sent: Annotated[bodies.Events, Body()]) -> Response:
        """Take an event, or up to 100: on the disk when this answers, and in the next list."""
        given = sent if isinstance(sent, list) else [sent]
        shopper = request.scope["visitor"].shopper
        told = await desk.commit.take(
            [Sent(shopper, one.event_type, one.item_id, one.event_attr, one.id or "", one.timestamp) for one in given]
        )
        made = [_taken(one, was) for one, was in zip(given, told, strict=True)]
        for one in made:
            metrics.took(one)
        if all("refused" in one for one in made):
            raise Problem(
                422, made[0]["refused"], [{"field": str(at), "rule": one["refused"]} for at, one in enumerate(made)]
            )
        return as_json({"taken": made}, 202)

    @app.get("/session", responses=answers(bodies.SessionOut, 422), tags=["shopper"])
    async def session(request: Request) -> Response:
        """What the shop believes of the shopper, and why."""
        return as_json(await desk.ask(engine.session, request.scope["visitor"].shopper))

    @app.delete("/session", responses=answers(bodies.ForgotOut, 422, 503), tags=["shopper"])
    async def forget(request: Request) -> Response:
        """Forget me: all that is kept of the shopper is deleted, and the cookie taken back."""
        visitor = request.scope["visitor"]
        gone = await run_in_threadpool(engine.forget, visitor.shopper)
        visitor.forget()
        return as_json({"forgotten": gone})


def _taken(event: bodies.EventIn, told: dict[str, Any] | Exception) -> dict[str, Any]:
    """What is said of one event. An error that is not about the event is raised."""
    if not isinstance(told, Exception):
        return told
    problem = problem_of(told)
    if problem is None or problem.status != 422:
        raise told
    return {"id": event.id or "", "new": False, "waiting": False, "refused": problem.detail}
