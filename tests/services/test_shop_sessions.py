"""Nobody can be somebody else: not by a forged cookie, nor by a name in a body, path or query. No secret is logged."""

from __future__ import annotations

import inspect
import logging
import secrets
from collections.abc import Iterator
from typing import Any

import itsdangerous
import pytest
from itsdangerous import Signer
from starlette.testclient import TestClient

from recsys_lab.datasets import Shop
from recsys_lab.shop import Engine, Settings, security
from recsys_lab.shop.app import create_app
from recsys_lab.shop.security import Cookies, Keepers

TOKEN, SECRET = "token-of-the-keepers", "secret-of-the-cookies"
VICTIM = "victim"


@pytest.fixture(scope="module")
def engine(shop: Shop) -> Iterator[Engine]:
    with Engine(shop, Settings(switch=("live", "popular"), encoder=False)) as made:
        yield made


@pytest.fixture(scope="module")
def app(engine: Engine) -> Any:
    return create_app(engine, token=TOKEN, secret=SECRET)


@pytest.fixture
def victim(engine: Engine) -> Iterator[dict[str, Any]]:
    """A shopper with a history, and what is theirs."""
    engine.forget(VICTIM)
    for item in ("P0001", "P0002", "P0003"):
        engine.take(VICTIM, "clicked_on", item)
    engine.take(VICTIM, "put_to_cart", "P0004")
    engine.take(VICTIM, "buy", "P0005")
    yield theirs(engine)


def theirs(engine: Engine) -> dict[str, Any]:
    return engine.session(VICTIM) | {"again": engine.buy_again(VICTIM).item_ids}


def forged() -> dict[str, str]:
    """Cookies that want to be the victim's."""
    right = Cookies(SECRET).signed(VICTIM)
    signature = right.rpartition(".")[2]
    turned = ("A" if signature[0] != "A" else "B") + signature[1:]
    return {
        "no signature": VICTIM,
        "an empty signature": f"{VICTIM}.",
        "another secret": Cookies("another-secret-of-cookies").signed(VICTIM),
        "another salt": Signer(SECRET, salt="another", key_derivation="hmac").sign(VICTIM).decode(),
        "no salt": Signer(SECRET).sign(VICTIM).decode(),
        "somebody else's signature": f"{VICTIM}.{Cookies(SECRET).signed('thief').rpartition('.')[2]}",
        "a changed signature": f"{VICTIM}.{turned}",
        "half a signature": right[:-4],
        "more behind it": right + "x",
        "upper case": right.upper(),
        "the token": f"{VICTIM}.{TOKEN}",
        "two of them": f"{VICTIM}.x; shopper={VICTIM}.y",
    }


# Each endpoint that knows whose it is: how it is asked, and where a shopper could try to be named.
PERSONAL: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/for-you", None),
    ("GET", "/buy-again", None),
    ("GET", "/session", None),
    ("DELETE", "/session", None),
    ("POST", "/also-bought", {}),
    ("POST", "/events", {"event_type": "removed_from_cart", "item_id": "P0004"}),
)


def all_of(app: Any) -> set[tuple[str, str]]:
    return {(method, route.path) for route in app.routes for method in route.methods - {"HEAD"}}


def test_the_list_of_personal_endpoints_is_whole(app: Any) -> None:
    """An endpoint that asks who it is stands in the list above (the page gives a cookie, and tells nothing)."""
    asking = {
        (method, route.path)
        for route in app.routes
        for method in route.methods - {"HEAD"}
        if "visitor" in inspect.getsource(route.endpoint) and route.path not in ("/", "/shop.js", "/shop.css")
    }
    assert asking == {(method, path) for method, path, _ in PERSONAL}


@pytest.mark.parametrize("how", forged())
@pytest.mark.parametrize(("method", "path", "body"), PERSONAL)
def test_a_forged_cookie_is_somebody_new(
    app: Any, engine: Engine, victim: dict[str, Any], method: str, path: str, body: Any, how: str
) -> None:
    client = TestClient(app)
    answer = client.request(method, path, json=body, headers={"Cookie": f"shopper={forged()[how]}"})
    assert answer.status_code in (200, 202), answer.text
    if method != "DELETE":  # which takes the cookie back
        given = answer.cookies["shopper"]
        assert not given.startswith(VICTIM)
    assert_a_strangers(answer, app, method, path)
    assert theirs(engine) == victim


def assert_a_strangers(answer: Any, app: Any, method: str, path: str) -> None:
    """The answer is what somebody new gets."""
    if path == "/events":
        return
    fresh = TestClient(app).request(method, path, json={} if method == "POST" else None)
    mine, new = answer.json(), fresh.json()
    if path == "/session" and method == "GET":
        assert mine.pop("shopper") != VICTIM
        assert mine["events"] == []
        new.pop("shopper")
    assert mine == new


def test_the_right_cookie_is_the_victim(app: Any, engine: Engine, victim: dict[str, Any]) -> None:
    """Else the tests above would hold for a service that knows nobody."""
    told = TestClient(app).get("/session", headers={"Cookie": f"shopper={Cookies(SECRET).signed(VICTIM)}"}).json()
    assert told["events"] == victim["events"]
    assert told["cart"] == ["P0004"]


@pytest.mark.parametrize("name", ["user_id", "shopper", "shopper_id", "session_id"])
@pytest.mark.parametrize(("method", "path", "body"), PERSONAL)
def test_a_name_in_the_query_or_the_body_is_refused(
    app: Any, engine: Engine, victim: dict[str, Any], method: str, path: str, body: Any, name: str
) -> None:
    client = TestClient(app)
    asked = client.request(method, path, params={name: VICTIM}, json=body)
    assert asked.status_code == 422, asked.text
    assert name in asked.json()["detail"]
    if body is not None:
        sent = client.request(method, path, json={**body, name: VICTIM})
        assert sent.status_code == 422, sent.text
        if path == "/events":
            assert client.post(path, json=[{**body, name: VICTIM}]).status_code == 422
    assert theirs(engine) == victim


def test_a_name_in_the_path_is_nothing(app: Any, engine: Engine, victim: dict[str, Any]) -> None:
    client = TestClient(app)
    for method, path, body in PERSONAL:
        for tried in (f"{path}/{VICTIM}", f"{path}//{VICTIM}", f"{path};{VICTIM}", f"{path}/..%2f{VICTIM}"):
            assert client.request(method, tried, json=body).status_code in (404, 405), tried
    assert theirs(engine) == victim


def test_headers_of_a_proxy_name_nobody(app: Any, victim: dict[str, Any]) -> None:
    headers = {
        "X-User-Id": VICTIM,
        "X-Forwarded-User": VICTIM,
        "Remote-User": VICTIM,
        "Authorization": f"Bearer {TOKEN}",
    }
    assert TestClient(app).get("/session", headers=headers).json()["events"] == []


def test_the_id_of_an_event_is_its_senders_own(app: Any, engine: Engine, victim: dict[str, Any]) -> None:
    """Who guesses an id neither learns that it is there nor keeps its owner from using it."""
    client, other = TestClient(app), TestClient(app)
    event = {"event_type": "clicked_on", "item_id": "P0009", "id": "order 17"}
    assert [one.post("/events", json=event).json()["taken"][0]["new"] for one in (client, other, client)] == (
        [True, True, False]
    )


def test_keepers_routes_need_the_token(app: Any, engine: Engine) -> None:
    guarded = {
        ("POST", "/lookalikes"),
        ("PUT", "/products/{item_id}"),
        ("DELETE", "/products/{item_id}"),
        ("POST", "/refresh"),
    }
    assert {(m, r.path) for r in app.routes for m in r.methods if getattr(r, "dependencies", None)} == guarded
    wrong = [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer \xff",
    ]
    for method, path in sorted(guarded):
        for given in wrong:
            headers = [(b"authorization", given.encode("latin-1"))] if given else []
            answer = TestClient(app).request(method, path.replace("{item_id}", "P0001"), headers=headers, json={})
            assert answer.status_code == 401, (path, given)
            assert answer.headers["www-authenticate"] == "Bearer"
    assert engine.product("P0001")


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = secrets.compare_digest

    def compare(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(security.secrets, "compare_digest", compare)
    Keepers(TOKEN).check({"headers": [(b"authorization", f"Bearer {TOKEN}".encode())]})
    assert len(compared) == 1
    assert len(compared[0][0]) == len(compared[0][1])  # digests: not even the length is told
    assert "==" not in inspect.getsource(Keepers.check).replace("!=", "").replace('name == b"authorization"', "")
    assert "compare_digest" in inspect.getsource(itsdangerous.signer)


def test_no_secret_is_in_any_log(
    engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (None, *logging.root.manager.loggerDict):
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("recsys_lab.shop").setLevel(logging.DEBUG)
    app = create_app(engine, token=TOKEN, secret=SECRET)
    client = TestClient(app, raise_server_exceptions=False)
    client.get("/")
    values = {TOKEN, SECRET, client.cookies["shopper"], client.cookies["shopper"].partition(".")[0]}
    keeper = {"Authorization": f"Bearer {TOKEN}"}
    for method, path, body in PERSONAL:
        client.request(method, path, json=body)
        values |= {client.cookies.get("shopper", TOKEN)}
        client.request(method, f"{path}?user_id=x", json={"user_id": "x"}, headers=keeper)
    client.put("/products/hat", json={"price": -1}, headers=keeper)
    monkeypatch.setattr(engine, "for_you", lambda *_, **__: 1 // 0)
    assert client.get("/for-you").status_code == 500
    assert "ZeroDivisionError" in caplog.text  # else nothing was heard
    for value in values:
        assert value not in caplog.text
    for record in caplog.records:
        assert not values & {str(one) for one in (record.args or ())}
