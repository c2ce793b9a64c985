"""Errors as `application/problem+json` (RFC 9457): one shape for all of them, with a sentence that says what to do."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from recsys_lab.datasets import DataError
from recsys_lab.filters import FilterError
from recsys_lab.shop.answers import Away, Busy
from recsys_lab.spaces import SpaceError

MEDIA_TYPE = "application/problem+json"
_SHOWN = 20  # errors of one request that are told
_log = logging.getLogger("recsys_lab.shop")


class Problem(Exception):
    """Why a request gets no answer; `errors` names what is wrong with each field.

    >>> Problem(409, "a refresh is under way").response().body.decode()
    '{"type":"about:blank","title":"Conflict","status":409,"detail":"a refresh is under way"}'
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers

    def response(self) -> Response:
        """The answer that says it. What came in is repeated only as far as it can be written as UTF-8."""
        told: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(self.status).phrase, "status": self.status}
        told["detail"] = self.detail
        if self.errors:
            told["errors"] = list(self.errors)
        body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        return Response(body, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def invalid(error: ValidationError, where: str) -> Problem:
    """What pydantic found, without the input: that may be large, or half a character."""
    errors = [
        {"field": _field(one["loc"]) or where, "rule": one["msg"][:300]}
        for one in error.errors(include_url=False, include_context=False, include_input=False)[:_SHOWN]
    ]
    first = errors[0]
    return Problem(422, f"{where}: {first['field']}: {first['rule']}; see /openapi.json for what is asked", errors)


def _field(place: Sequence[int | str]) -> str:
    """Where in the body; whether it holds one event or many is not part of that."""
    return ".".join(str(step) for step in place if step not in ("one", "many"))[:200]


def problem_of(error: Exception) -> Problem | None:
    """The problem for an error that the engine raises on purpose; None for a mistake of ours."""
    match error:
        case Problem():
            return error
        case KeyError():
            return Problem(404, str(error.args[0]) if error.args else "there is no such thing")
        case Away():
            return Problem(503, str(error), headers={"Retry-After": "1"})
        case Busy():
            return Problem(409, str(error))
        case DataError() | FilterError() | SpaceError():
            return Problem(422, str(error)[:1000])
    return None


def unexpected(error: Exception, route: str) -> Problem:
    """A mistake of ours: the log has the traceback, the answer says nothing of it."""
    _log.error("%s failed", route, exc_info=error)
    return Problem(500, "the shop made a mistake; its log says which")
