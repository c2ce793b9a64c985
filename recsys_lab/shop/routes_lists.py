"""The lists: for you, similar, also bought, lookalikes, complete the look, buy again, popular, search."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, FastAPI, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from recsys_lab.shop import bodies
from recsys_lab.shop.problems import Problem
from recsys_lab.shop.routes_base import BODY, TOKEN, Desk, answers, as_json, listed

Id = Annotated[str, Path(description="The id of a product.", examples=["P0001"])]
_LIST = answers(bodies.Listed, 422)
_OF_A_PRODUCT = answers(bodies.Listed, 404, 422)


def add(app: FastAPI, desk: Desk) -> None:
    """The routes, the most asked for first."""
    engine = desk.engine

    @app.get("/for-you", responses=_LIST, tags=["lists"])
    async def for_you(request: Request, asked: Annotated[bodies.ForYouAsked, Query()]) -> Response:
        """What is like the shopper's recent events and appeals to everybody."""
        if asked.by is not None and asked.by not in engine.settings.switch:
            raise Problem(422, f"by: {asked.by!r} is not on the switch; it has {', '.join(engine.settings.switch)}")
        shopper = request.scope["visitor"].shopper
        answer = await desk.ask(
            engine.for_you, shopper, asked.k, where=asked.where, weights=asked.by_space, by=asked.by
        )
        return listed(desk, "for-you", answer)

    @app.get("/similar/{item_id}", responses=_OF_A_PRODUCT, tags=["lists"])
    async def similar(request: Request, item_id: Id, asked: Annotated[bodies.Weighed, Query()]) -> Response:
        """What is like a product."""
        answer = await desk.ask(engine.similar, item_id, asked.k, where=asked.where, weights=asked.by_space)
        return listed(desk, "similar", answer)

    @app.get("/complete-the-look/{item_id}", responses=_OF_A_PRODUCT, tags=["lists"])
    async def complete_the_look(request: Request, item_id: Id, asked: Annotated[bodies.Many, Query()]) -> Response:
        """What is worn with a product, from the categories that are bought with its own."""
        return listed(desk, "complete-the-look", await desk.ask(engine.complete_the_look, item_id, asked.k))

    @app.post("/also-bought", responses=answers(bodies.Listed, *BODY), tags=["lists"])
    async def also_bought(
        request: Request,
        sent: Annotated[bodies.CartIn, Body()] = bodies.CartIn(cart=[], k=10),  # noqa: B008 - frozen
    ) -> Response:
        """What goes with these products; without any, with the shopper's own cart."""
        cart = sent.cart or await desk.ask(engine.cart, request.scope["visitor"].shopper)
        return listed(desk, "also-bought", await desk.ask(engine.also_bought, cart, sent.k))

    @app.get("/buy-again", responses=_LIST, tags=["lists"])
    async def buy_again(request: Request, asked: Annotated[bodies.Many, Query()]) -> Response:
        """What the shopper buys again and again."""
        return listed(desk, "buy-again", await desk.ask(engine.buy_again, request.scope["visitor"].shopper, asked.k))

    @app.get("/popular", responses=_LIST, tags=["lists"])
    async def popular(request: Request, asked: Annotated[bodies.ManyOfThese, Query()]) -> Response:
        """What most people click."""
        return listed(desk, "popular", await desk.ask(engine.popular, asked.k, where=asked.where))

    @app.get("/search", responses=_LIST, tags=["lists"])
    async def search(request: Request, asked: Annotated[bodies.SearchAsked, Query()]) -> Response:
        """What a sentence asks for; the notes say what was understood."""
        # Reading a sentence may take the encoder, which nobody else should wait for.
        try:
            answer = await run_in_threadpool(engine.search, asked.q, asked.k, where=asked.where)
        except ValueError as error:
            if str(error).startswith("read:"):
                raise Problem(422, str(error)) from None
            raise
        return listed(desk, "search", answer)

    @app.post(
        "/lookalikes", responses=answers(bodies.Shoppers, 401, 404, *BODY), dependencies=[TOKEN], tags=["keepers"]
    )
    async def lookalikes(request: Request, sent: Annotated[bodies.OneShopper | bodies.Group, Body()]) -> Response:
        """Stored shoppers who are like one, or like a group."""
        asked = sent.shopper if isinstance(sent, bodies.OneShopper) else sent.group
        answer = await desk.ask(engine.lookalikes, asked, sent.k)
        who = [
            {"shopper": name, "score": round(score, 6)}
            for name, score in zip(answer.item_ids, answer.scores, strict=True)
        ]
        told = {"surface": "lookalikes", "by": answer.by, "notes": answer.notes, "degraded": answer.degraded}
        return as_json({**told, "shoppers": who})
