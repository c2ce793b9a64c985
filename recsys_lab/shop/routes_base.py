"""What all routes share: how a request is read, what they ask, and how a list is written.

FastAPI reads the signature of an endpoint for the documentation. The values come a shorter way: a query is checked once
for each text and remembered, a body is checked in one pass over its bytes.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ParamSpec, TypeVar, get_args, get_type_hints
from urllib.parse import parse_qsl

from fastapi import Depends
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from recsys_lab.shop.answers import Answer
from recsys_lab.shop.engine import Engine
from recsys_lab.shop.problems import MEDIA_TYPE, Problem, invalid, problem_of
from recsys_lab.shop.routes_commit import GroupCommit
from recsys_lab.shop.security import LARGEST, Keepers
from recsys_lab.shop.telemetry import Metrics

P = ParamSpec("P")
R = TypeVar("R")
JSON = "application/json"
TOKEN = Depends(HTTPBearer(auto_error=False, description="The shop's token."))
"""Marks a route as one for the shop's keepers: in the documentation, and to `ShopRoute`."""
_QUERIES, _LONG = 2048, 300


@dataclass(frozen=True)
class Desk:
    """What every endpoint needs."""

    engine: Engine
    keepers: Keepers
    metrics: Metrics
    commit: GroupCommit
    background: set[Any] = field(default_factory=set)

    async def ask(self, question: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
        """An answer of the engine: at once where it waits for nobody, else from a thread."""
        if self.engine.local:
            return question(*given, **named)
        return await run_in_threadpool(question, *given, **named)


class ShopRoute(APIRoute):
    """A route whose endpoint takes the request, path parameters by name, a query as `asked` and a body as `sent`."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The way from a request to the endpoint."""
        endpoint, guarded = self.endpoint, bool(self.dependencies)
        hints = get_type_hints(endpoint, include_extras=True)
        query = get_args(hints["asked"])[0] if "asked" in hints else None
        body = _Body(hints["sent"], inspect.signature(endpoint).parameters["sent"].default) if "sent" in hints else None

        async def handle(request: Request) -> Response:
            scope = request.scope
            try:
                if guarded:
                    scope["app"].state.desk.keepers.check(scope)
                given = dict(scope["path_params"])
                if query is not None:
                    given["asked"] = _asked(query, scope["query_string"])
                elif scope["query_string"]:
                    _asked(BaseModel, scope["query_string"])
                if body is not None:
                    given["sent"] = await body.read(request)
                return await endpoint(request, **given)  # type: ignore[no-any-return]
            except Exception as error:
                problem = problem_of(error)
                if problem is None:
                    raise
                return problem.response()

        return handle


def _asked(model: type[BaseModel], text: bytes) -> BaseModel:
    """The query's values, checked."""
    return _parsed(model, text) if len(text) <= _LONG else _parsed.__wrapped__(model, text)


@lru_cache(_QUERIES)
def _parsed(model: type[BaseModel], text: bytes) -> BaseModel:
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError:  # no UTF-8 behind the percent signs, or far too many fields
        raise Problem(422, "the query cannot be read; it is name=value&…, UTF-8 with percent signs") from None
    given = dict(pairs)
    if len(given) < len(pairs):
        raise Problem(422, "the query names a field twice; give each once")
    if unknown := given.keys() - model.model_fields.keys():
        known = ", ".join(model.model_fields) or "none"
        raise Problem(422, f"the query has {sorted(unknown)[0][:80]!r}, which is none of its fields; they are: {known}")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid(error, "the query") from None


class _Body:
    """Reads and checks a body; `default` stands for an empty one, where there may be none."""

    def __init__(self, annotation: Any, default: Any) -> None:
        self.adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        self.default = default

    async def read(self, request: Request) -> Any:
        """The body's value. Raises a `Problem`."""
        raw = await _bytes_of(request)
        if not raw and self.default is not inspect.Parameter.empty:
            return self.default
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON:
            raise Problem(415, f"the body is not said to be {JSON}; send it as JSON, with that Content-Type")
        try:
            return self.adapter.validate_json(raw)
        except ValidationError as error:
            raise _in_words(error) from None


def _in_words(error: ValidationError) -> Problem:
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        if one["type"] == "extra_forbidden" and one["loc"][-1] in ("user_id", "shopper", "session_id"):
            return Problem(
                422, f"the body has a {one['loc'][-1]}, but whose event it is, the cookie says; leave the field out"
            )
    return invalid(error, "the body")


async def _bytes_of(request: Request) -> bytes:
    """The body. Raises a `Problem` as soon as it is known to be too large."""
    too_large = Problem(
        413, f"the body is larger than {LARGEST} bytes; send less at once", headers={"Connection": "close"}
    )
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length[:20]) > LARGEST:
        raise too_large
    held = bytearray()
    try:
        async for chunk in request.stream():
            held += chunk
            if len(held) > LARGEST:
                raise too_large
    except ClientDisconnect:
        raise Problem(400, "the body ended before it was whole; send it again") from None
    return bytes(held)


# -- answers -----------------------------------------------------------------------------------------------------------


def listed(desk: Desk, surface: str, answer: Answer) -> Response:
    """A list as it is sent: the cards are JSON already, so nothing is encoded twice."""
    why = _why(tuple(answer.parts))
    cards = desk.engine.cards_of(answer.item_ids)
    told = zip(answer.scores, *answer.parts.values(), cards, strict=True)
    items = [why % one for one in told if one[-1]]  # without what was deleted since the list was made
    headers = None
    if answer.degraded is not None:
        desk.metrics.degraded(answer.degraded)
        headers = {"Recsys-Degraded": answer.degraded}
    head = _head(surface, answer.by, answer.notes, answer.degraded)
    return Response(head + b",".join(items) + b"]}", headers=headers, media_type=JSON)


@lru_cache(64)
def _why(names: tuple[str, ...]) -> bytes:
    """The pattern of an item whose terms have these names."""
    terms = ",".join(f"{json.dumps(name)}:".replace("%", "%%") + "%.6g" for name in names)
    return b'{"score":%%.6g,"why":{%s},"product":%%b}' % terms.encode()


@lru_cache(256)
def _head(surface: str, by: str, notes: str, degraded: str | None) -> bytes:
    told = json.dumps({"surface": surface, "by": by, "notes": notes, "degraded": degraded}, ensure_ascii=False)
    return told[:-1].encode("utf-8", "replace") + b',"items":['


def as_json(told: Any, status: int = 200) -> Response:
    """Anything else."""
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Response(text.encode("utf-8", "replace"), status, media_type=JSON)


_WHEN: Mapping[int, str] = {
    400: "The body ended before it was whole.",
    401: "The token is missing or is another one.",
    404: "There is no such product, or nobody of that name.",
    409: "A refresh is under way.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "Something in the request is not as it is asked for.",
    503: "What this needs does not answer now, and nothing can stand in for it.",
}


def answers(model: Any, *statuses: int, status: int = 200, kind: str | None = None) -> dict[int | str, dict[str, Any]]:
    """What a route may answer, for the documentation: a model (or a media type without one), and problems."""
    problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    good: dict[str, Any] = {"model": model} if model is not None else {}
    if kind is not None:
        good["content"] = {kind: {"schema": {"type": "string"}}}
    return {status: good, **{code: {"description": _WHEN[code], **problem} for code in statuses}}


BODY = (400, 413, 415, 422)
"""What can be wrong with a body."""
