"""The shelf, and changes to it: seen by the next list, and kept over a restart."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, FastAPI, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from recsys_lab.shop import bodies
from recsys_lab.shop.problems import Problem
from recsys_lab.shop.routes_base import BODY, JSON, TOKEN, Desk, answers, as_json
from recsys_lab.shop.routes_lists import Id
from recsys_lab.shop.security import PICTURE_CSP

_KEEPERS = answers(bodies.PutOut, 401, *BODY, 503)


def add(app: FastAPI, desk: Desk) -> None:
    """The routes of products."""
    engine = desk.engine

    @app.get("/products", responses=answers(bodies.Shelf, 422), tags=["products"])
    async def products(request: Request, asked: Annotated[bodies.ShelfAsked, Query()]) -> Response:
        """A part of the shelf, the popular first."""
        ids, total = await desk.ask(engine.products, asked.where, asked.offset, asked.limit)
        cards = b",".join(engine.cards(ids))
        return Response(b'{"total":%d,"offset":%d,"items":[%b]}' % (total, asked.offset, cards), media_type=JSON)

    @app.get("/products/{item_id}", responses=answers(bodies.Product, 404, 422), tags=["products"])
    async def product(request: Request, item_id: Id) -> Response:
        """All that is told of a product."""
        return as_json(await desk.ask(_product, desk, item_id))

    @app.put(
        "/products/{item_id}", responses=_KEEPERS | {201: {"model": bodies.PutOut, "description": "It is new."}},
        dependencies=[TOKEN], tags=["keepers"],
    )  # fmt: skip
    async def put_product(request: Request, item_id: Id, sent: Annotated[bodies.ProductIn, Body()]) -> Response:
        """Add a product, or change some of its fields."""
        if not 0 < len(item_id) <= 200 or not item_id.isprintable():
            raise Problem(422, "item_id: an id has 1 to 200 printable characters")
        given = sent.model_dump(exclude_unset=True)
        created = await run_in_threadpool(engine.put_product, item_id, given)
        return as_json({"item_id": item_id, "created": created}, 201 if created else 200)

    @app.delete(
        "/products/{item_id}", status_code=204, responses=answers(None, 401, 404, 422, 503, status=204),
        dependencies=[TOKEN], tags=["keepers"], response_class=Response,
    )  # fmt: skip
    async def delete_product(request: Request, item_id: Id) -> Response:
        """Take a product out of the shop."""
        await run_in_threadpool(engine.delete_product, item_id)
        return Response(status_code=204)

    @app.get(
        "/pictures/{item_id}.svg", responses=answers(None, 404, 422, kind="image/svg+xml"), response_class=Response,
        tags=["page"],
    )  # fmt: skip
    async def picture(request: Request, item_id: Id) -> Response:
        """A product's drawing."""
        drawn = await desk.ask(engine.picture, item_id)
        headers = {"Cache-Control": "private, max-age=300", "Content-Security-Policy": PICTURE_CSP}
        return Response(drawn.encode("utf-8", "replace"), headers=headers, media_type="image/svg+xml")


def _product(desk: Desk, item: str) -> dict[str, object]:
    """A product's fields as the page wants them: the picture by its address."""
    import json

    told = {name: value for name, value in desk.engine.product(item).items() if name != "picture"}
    return {**told, **json.loads(desk.engine.card(item))}
