"""Whatever the shop's OpenAPI allows, and much that it does not: no mistake of ours, and each answer as documented."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from recsys_lab.datasets import Shop
from recsys_lab.shop import Engine, Settings
from recsys_lab.shop.app import create_app

TOKEN, SECRET = "token-of-the-keepers", "secret-of-the-cookies"
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
KEEPER = {"Authorization": f"Bearer {TOKEN}"}
# The routes are there before there is an engine to ask.
OPERATIONS = sorted(
    (method.upper(), path)
    for path, methods in create_app(None, token=TOKEN, secret=SECRET).openapi()["paths"].items()  # type: ignore[arg-type]
    for method in methods
)
MODES = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


@pytest.fixture(scope="module")
def app(shop: Shop) -> Iterator[Any]:
    with Engine(shop, Settings(switch=("live", "popular"), encoder=False)) as engine:
        engine.refresh = lambda: {}  # type: ignore[method-assign] # trains for seconds; its way to a thread is the same
        yield create_app(engine, token=TOKEN, secret=SECRET)


@pytest.fixture(scope="module")
def api(app: Any) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize("mode", MODES, ids=("as documented", "otherwise"))
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_documented(api: Any, method: str, path: str, mode: schemathesis.GenerationMode) -> None:
    operation = api[path][method]
    if mode is schemathesis.GenerationMode.NEGATIVE and not (operation.query or operation.body):
        pytest.skip("it asks for nothing but a product's id, and any text may be one")
    statuses = set()

    @seed(8)
    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case: schemathesis.Case) -> None:
        statuses.add(case.call_and_validate(headers=KEEPER, checks=CHECKS).status_code)
        if operation.definition.raw.get("security"):
            assert case.call_and_validate(checks=CHECKS).status_code == 401
        if method == "GET" and "item_id" in case.path_parameters:  # few texts are the id of a product
            case.path_parameters["item_id"] = "P0007"  # not the example, which DELETE takes away
            statuses.add(case.call_and_validate(headers=KEEPER, checks=CHECKS).status_code)

    asked()
    assert statuses <= set(map(int, operation.definition.raw["responses"]))
    if method == "GET" and mode is schemathesis.GenerationMode.POSITIVE:
        assert 200 in statuses


def test_each_route_of_the_service_is_in_it(app: Any, api: Any) -> None:
    documented = {(method.upper(), path) for path, methods in api.raw_schema["paths"].items() for method in methods}
    served = {(m, route.path) for route in app.routes for m in route.methods - {"HEAD"}} - {("GET", "/openapi.json")}
    assert served == documented
    assert len(served) >= 22
