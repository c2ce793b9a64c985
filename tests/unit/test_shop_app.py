"""The shop's service: what each address answers, each error with its sentence, and each limit."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from recsys_lab.datasets import Shop
from recsys_lab.shop import Away, Engine, Settings
from recsys_lab.shop.app import create_app
from recsys_lab.shop.security import LARGEST, Cookies, Visitor, kept_secret
from recsys_lab.shop.serve import is_loopback

TOKEN, SECRET = "token-of-the-keepers", "secret-of-the-cookies"
KEEPER = {"Authorization": f"Bearer {TOKEN}"}
HUGE = "x" * (LARGEST + 1)


@pytest.fixture(scope="module")
def engine(shop: Shop) -> Iterator[Engine]:
    with Engine(shop, Settings(switch=("live", "popular"), encoder=False)) as made:
        yield made


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """Somebody new."""
    with TestClient(create_app(engine, token=TOKEN, secret=SECRET), raise_server_exceptions=False) as made:
        yield made


def click(client: TestClient, item: str = "P0001", **more: Any) -> Any:
    return client.post("/events", json={"event_type": "clicked_on", "item_id": item, **more})


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["product"]["item_id"] for item in answer.json()["items"]]


def problem(answer: Any, status: int, *words: str) -> dict[str, Any]:
    """It is a problem of this status, whose sentence has these words."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == status
    assert told["title"]
    assert told["type"] == "about:blank"
    for word in words:
        assert word in told["detail"], told
    return told


# -- lists -----------------------------------------------------------------------------------------------------------


def test_a_click_is_in_the_next_list(client: TestClient) -> None:
    before = client.get("/for-you?k=10")
    taken = click(client, ids(before)[3])
    assert taken.status_code == 202
    (told,) = taken.json()["taken"]
    assert told["new"]
    assert not told["waiting"]
    after = client.get("/for-you?k=10")
    assert ids(after) != ids(before)
    assert ids(before)[3] not in ids(after)


def test_terms_add_up_to_the_score_and_cards_are_whole(client: TestClient, engine: Engine) -> None:
    click(client)
    answer = client.get("/for-you?k=5").json()
    assert (answer["surface"], answer["by"], answer["degraded"]) == ("for-you", "live", None)
    for item in answer["items"]:
        assert sum(item["why"].values()) == pytest.approx(item["score"], abs=1e-4)
        assert item["product"] == json.loads(engine.card(item["product"]["item_id"]))
        assert set(item["product"]) >= {"item_id", "name", "price", "picture", "in_stock", "on_sale"}


@pytest.mark.parametrize(
    ("path", "surface", "k"),
    [
        ("/similar/P0001?k=4", "similar", 4),
        ("/complete-the-look/P0001?k=3", "complete-the-look", 3),
        ("/popular?k=7", "popular", 7),
        ("/search?q=red%20dress&k=4", "search", 4),
        ("/for-you?k=6&by=popular", "for-you", 6),
    ],
)
def test_each_list_has_its_length_and_name(client: TestClient, path: str, surface: str, k: int) -> None:
    answer = client.get(path)
    assert len(ids(answer)) == k
    assert answer.json()["surface"] == surface


def test_filters_hold(client: TestClient) -> None:
    for path in ("/for-you", "/popular", "/products", "/search"):
        query = {"department": "women", "category": "dresses", "max_price": "60", "limit": "9", "k": "9", "q": "red"}
        wanted = {"/products": ("limit",), "/search": ("k", "q")}.get(path, ("k",))
        asked = {name: query[name] for name in ("department", "category", "max_price", *wanted)}
        answer = client.get(path, params=asked)
        cards = [item.get("product", item) for item in answer.json()["items"]]
        assert cards, path
        for card in cards:
            assert (card["department"], card["category"]) == ("women", "dresses")
            assert card["price"] <= 60


def test_weights_change_the_list(client: TestClient) -> None:
    click(client)
    usual, cheap = client.get("/for-you?k=20"), client.get("/for-you?k=20&weights=price:9,popularity:0")
    mean = [sum(item["product"]["price"] for item in one.json()["items"]) / 20 for one in (usual, cheap)]
    assert mean[1] < mean[0]
    assert ids(client.get("/similar/P0001?weights=price:3")) != ids(client.get("/similar/P0001"))


def test_also_bought_goes_with_the_cart_that_is_sent_or_the_sessions_own(client: TestClient) -> None:
    sent = ids(client.post("/also-bought", json={"cart": ["P0001"], "k": 5}))
    assert len(sent) == 5
    assert "P0001" not in sent
    client.post("/events", json={"event_type": "put_to_cart", "item_id": "P0001"})
    assert client.get("/session").json()["cart"] == ["P0001"]
    assert ids(client.post("/also-bought", json={"k": 5})) == sent
    assert ids(client.post("/also-bought"))[:5] == sent


def test_purchases_come_again(client: TestClient) -> None:
    assert ids(client.get("/buy-again")) == []
    client.post("/events", json={"event_type": "buy", "item_id": "P0010"})
    assert ids(client.get("/buy-again")) == ["P0010"]


def test_lookalikes_need_the_token(client: TestClient, shop: Shop) -> None:
    someone, other = shop.shoppers["user_id"].iloc[:2]
    problem(client.post("/lookalikes", json={"shopper": someone}), 401, "token")
    answer = client.post("/lookalikes", json={"shopper": someone, "k": 3}, headers=KEEPER)
    assert answer.status_code == 200
    names = [one["shopper"] for one in answer.json()["shoppers"]]
    assert len(names) == 3
    assert someone not in names
    assert client.post("/lookalikes", json={"group": [someone, other]}, headers=KEEPER).status_code == 200
    problem(client.post("/lookalikes", json={"shopper": "nobody"}, headers=KEEPER), 404, "nobody")
    problem(client.post("/lookalikes", json={"group": []}, headers=KEEPER), 422)


# -- events and the session --------------------------------------------------------------------------------------------


def test_an_id_counts_once(client: TestClient) -> None:
    first, again = click(client, id="once").json()["taken"][0], click(client, id="once").json()["taken"][0]
    assert (first["id"], first["new"]) == ("once", True)
    assert (again["id"], again["new"]) == ("once", False)
    assert len(client.get("/session").json()["events"]) == 1


def test_many_events_in_one_request(client: TestClient) -> None:
    many = [{"event_type": "clicked_on", "item_id": f"P{n:04d}", "timestamp": n} for n in range(1, 101)]
    assert len(client.post("/events", json=many).json()["taken"]) == 100
    problem(client.post("/events", json=[*many, many[0]]), 422, "100 items")
    problem(client.post("/events", json=[]), 422, "1 item")


def test_one_that_is_refused_does_not_keep_the_others(client: TestClient) -> None:
    good, bad = ({"event_type": "clicked_on", "item_id": item} for item in ("P0001", "P9999"))
    told = client.post("/events", json=[good, bad, good]).json()["taken"]
    assert [one["new"] for one in told] == [True, False, True]
    assert "P9999" in told[1]["refused"]
    problem(client.post("/events", json=bad), 422, "P9999")
    problem(client.post("/events", json=[bad, bad]), 422, "P9999")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"item_id": "P0001"}, ["event_type"]),
        ({"event_type": "bought", "item_id": "P0001"}, ["event_type"]),
        ({"event_type": "buy", "item_id": 5}, ["item_id"]),
        ({"event_type": "buy", "item_id": "P0001", "user_id": "U1"}, ["user_id", "cookie"]),
        ({"event_type": "buy", "item_id": "P0001", "shopper": "U1"}, ["shopper", "cookie"]),
        ({"event_type": "buy", "item_id": "P0001", "quantity": 1}, ["quantity"]),
        ({"event_type": "buy", "item_id": "P0001", "timestamp": 1.5}, ["timestamp"]),
        ({"event_type": "buy", "item_id": "P0001", "timestamp": -1}, ["timestamp"]),
        ({"event_type": "buy", "item_id": "P0001", "timestamp": 10**13}, ["timestamp", "clock"]),
        ({"event_type": "buy", "item_id": "P0001", "id": "i" * 101}, ["id"]),
        ({"event_type": "buy", "item_id": "P0001", "event_attr": {"price": None}}, ["event_attr"]),
        ({"event_type": "buy", "item_id": "P0001", "event_attr": {"a": [1]}}, ["event_attr"]),
        ({"event_type": "buy", "item_id": "P0001", "event_attr": {str(n): n for n in range(21)}}, ["event_attr"]),
    ],
)
def test_an_event_that_is_none(client: TestClient, event: dict[str, Any], words: list[str]) -> None:
    problem(client.post("/events", json=event), 422, *words)
    assert client.get("/session").json()["events"] == []


def test_a_session_and_being_forgotten(client: TestClient) -> None:
    assert client.get("/session").json()["events"] == []
    before = client.cookies["shopper"]
    click(client, "P0001")
    click(client, "P0002")
    told = client.get("/session").json()
    assert [event["item_id"] for event in told["events"]] == ["P0002", "P0001"]
    assert told["taste"]
    assert told["because"]
    assert before.startswith(told["shopper"])
    assert len(told["shopper"]) <= 8
    assert client.delete("/session").json() == {"forgotten": 2}
    assert "shopper" not in client.cookies
    assert client.get("/session").json()["events"] == []
    assert client.cookies["shopper"] != before


# -- products ----------------------------------------------------------------------------------------------------------


def test_a_product_comes_changes_and_goes(client: TestClient) -> None:
    new = {"name": "Paper Hat", "category": "scarves", "department": "kids", "price": 1.5, "style": "casual"}
    problem(client.put("/products/hat", json=new), 401)
    problem(client.get("/products/hat"), 404, "hat")
    made = client.put("/products/hat", json=new, headers=KEEPER)
    assert (made.status_code, made.json()) == (201, {"item_id": "hat", "created": True})
    assert client.get("/products/hat").json()["price"] == 1.5
    assert "hat" in ids(client.get("/for-you?category=scarves&department=kids&k=100"))
    assert client.put("/products/hat", json={"price": 2.5}, headers=KEEPER).json()["created"] is False
    kept = client.get("/products/hat").json()
    assert (kept["name"], kept["price"]) == ("Paper Hat", 2.5)
    problem(client.delete("/products/hat"), 401)
    assert client.delete("/products/hat", headers=KEEPER).status_code == 204
    problem(client.delete("/products/hat", headers=KEEPER), 404)
    assert "hat" not in ids(client.get("/for-you?category=scarves&department=kids&k=100"))
    problem(click(client, "hat"), 422, "hat")


@pytest.mark.parametrize(
    "fields",
    [{"price": -1}, {"price": "cheap"}, {"price": True}, {"in_stock": "no"}, {"wings": 2}, {"review_rating": 6}, []],
)
def test_a_product_that_is_none(client: TestClient, fields: Any) -> None:
    problem(client.put("/products/P0001", json=fields, headers=KEEPER), 422)


def test_the_shelf_in_parts(client: TestClient) -> None:
    first = client.get("/products?limit=50").json()
    second = client.get("/products?limit=50&offset=50").json()
    assert first["total"] == second["total"] == 1200
    assert not {card["item_id"] for card in first["items"]} & {card["item_id"] for card in second["items"]}
    assert client.get("/products?offset=99999").json()["items"] == []


def test_pictures(client: TestClient) -> None:
    answer = client.get("/pictures/P0001.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.text.startswith("<svg")
    assert "sandbox" in answer.headers["content-security-policy"]
    problem(client.get("/pictures/P9999.svg"), 404)


# -- the house ---------------------------------------------------------------------------------------------------------


def test_the_page_and_its_files(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert client.cookies["shopper"]
    assert "<script" in page.text
    assert client.get("/shop.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/shop.css").headers["content-type"].startswith("text/css")


def test_what_the_panel_offers(client: TestClient, engine: Engine) -> None:
    told = client.get("/config").json()
    assert told["recommenders"] == ["live", "popular"]
    assert {one["name"]: one["weight"] for one in told["spaces"]} == engine.spaces
    assert told["departments"] == ["kids", "men", "women"]
    assert len(told["categories"]) == 18
    assert told["max_price"] > 0


def test_health_metrics_and_nothing(client: TestClient) -> None:
    assert client.get("/health").json()["status"] == "ok"
    assert client.get("/empty").json() == {}
    click(client)
    click(client, "P9999")
    client.get("/nowhere/at/all")
    text = client.get("/metrics").text
    for line in (
        'shop_requests_total{route="/empty",status="200"} 1.0',
        'shop_requests_total{route="/events",status="202"} 1.0',
        'shop_requests_total{route="/events",status="422"} 1.0',
        'shop_requests_total{route="(none)",status="404"} 1.0',
        'shop_events_total{result="new"} 1.0',
        'shop_events_total{result="refused"} 1.0',
        'shop_request_seconds_count{route="/empty"} 1.0',
        "shop_products 1200.0",
    ):
        assert line in text, text


def test_a_refresh_runs_beside_and_once(client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    begun, go = threading.Event(), threading.Event()

    def refresh() -> dict[str, Any]:
        begun.set()
        assert go.wait(20)
        return {}

    monkeypatch.setattr(engine, "refresh", refresh)
    problem(client.post("/refresh"), 401)
    assert client.post("/refresh", headers=KEEPER).status_code == 202
    assert begun.wait(20)
    problem(client.post("/refresh", headers=KEEPER), 409, "under way")
    assert client.get("/popular").status_code == 200
    go.set()
    for _ in range(200):
        if not client.app.state.desk.background:  # type: ignore[attr-defined]
            break
        client.get("/empty")
    assert client.post("/refresh", headers=KEEPER).status_code == 202


# -- what goes wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/for-you?k=0", ["k"]),
        ("/for-you?k=101", ["k"]),
        ("/for-you?k=ten", ["k"]),
        ("/for-you?k=1&k=2", ["twice"]),
        ("/for-you?dept=women", ["dept", "department"]),
        ("/for-you?user_id=U1", ["user_id"]),
        ("/for-you?max_price=nan", ["max_price"]),
        ("/for-you?max_price=-1", ["max_price"]),
        ("/for-you?by=magic", ["magic", "popular"]),
        ("/for-you?weights=style", ["weights"]),
        ("/for-you?weights=magic:1", ["magic"]),
        ("/for-you?category=%FF", ["query"]),
        ("/session?shopper=U1", ["shopper"]),
        ("/search", ["q"]),
        ("/search?q=", ["q"]),
        ("/search?q=%20%20", ["q"]),
        ("/search?q=" + "w" * 301, ["q"]),
        ("/products?limit=101", ["limit"]),
        ("/products?offset=-1", ["offset"]),
    ],
)
def test_a_query_that_is_none(client: TestClient, path: str, words: list[str]) -> None:
    problem(client.get(path), 422, *words)


def test_products_and_addresses_that_are_not_there(client: TestClient) -> None:
    for path in ("/similar/P9999", "/complete-the-look/P9999", "/products/P9999"):
        problem(client.get(path), 404, "P9999")
    problem(client.get("/nowhere"), 404, "openapi.json")
    answer = client.delete("/for-you")
    problem(answer, 405, "method")
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/events", "/also-bought", "/lookalikes"])
def test_bodies_that_are_none(client: TestClient, path: str) -> None:
    kind = {"Content-Type": "application/json", **KEEPER}
    for raw in (b"{", b"\xff", b'"\\ud800"', b"NaN", b"[" * 50_000, b'{"a":' * 10_000, b"null"):
        problem(client.post(path, content=raw, headers=kind), 422)
    problem(client.post(path, content=b"{}", headers={"Content-Type": "text/plain", **KEEPER}), 415, "application/json")
    problem(client.post(path, content=json.dumps(HUGE), headers=kind), 413, str(LARGEST))
    chunks = (b"x" * 1000 for _ in range(100))
    problem(client.post(path, content=chunks, headers=kind), 413)


def test_a_cart_has_its_limit(client: TestClient) -> None:
    problem(client.post("/also-bought", json={"cart": ["P0001"] * 101}), 422, "cart")
    problem(client.post("/also-bought", json={"cart": ["P0001"], "k": 101}), 422, "k")


def test_a_plain_list_says_so(client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(shopper: str) -> None:
        raise Away("state", "it was taken away")

    monkeypatch.setattr(engine._inbox, "visit", away)
    answer = client.get("/for-you?k=3")
    assert answer.headers["recsys-degraded"] == "state"
    assert answer.json()["degraded"] == "state"
    assert ids(answer) == ids(client.get("/popular?k=3"))
    assert 'shop_degraded_total{what="state"} 1.0' in client.get("/metrics").text
    assert client.get("/session").json()["degraded"] == "state"


def test_what_cannot_be_had_now_is_503(client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise Away("state", "it was taken away")

    monkeypatch.setattr(engine, "take_many", away)
    monkeypatch.setattr(engine, "forget", away)
    for answer in (click(client), client.delete("/session")):
        problem(answer, 503, "try again")
        assert answer.headers["retry-after"] == "1"


def test_a_mistake_of_ours_is_500_without_its_traceback(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine, "popular", lambda *_, **__: 1 // 0)
    answer = client.get("/popular")
    told = problem(answer, 500)
    assert "division" not in json.dumps(told)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "ZeroDivisionError" in caplog.text


def test_every_answer_has_the_headers(client: TestClient) -> None:
    for path in ("/", "/for-you", "/nowhere", "/pictures/P0001.svg", "/metrics", "/openapi.json"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"]
    assert "unsafe-inline" not in client.get("/").headers["content-security-policy"]


def test_the_cookie(client: TestClient) -> None:
    (line,) = client.get("/for-you").headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
    assert "Secure" not in line
    assert "set-cookie" not in client.get("/for-you").headers
    visitor = Visitor({"headers": [], "scheme": "https"}, Cookies(SECRET))
    assert visitor.shopper
    assert (visitor.to_set or "").endswith("; Secure")


def test_cookies_that_are_remembered_are_bounded() -> None:
    cookies = Cookies(SECRET)
    for n in range(9000):
        header = f"shopper={cookies.signed(f's{n}')}".encode()
        assert cookies.shopper(header) == cookies.shopper(header) == f"s{n}"
        assert cookies.shopper(header[:-1]) is None
    assert len(cookies._known) <= 8192
    long = f"other={'x' * 5000}; shopper={cookies.signed('long')}".encode()
    assert cookies.shopper(long) == "long"
    assert long not in cookies._known


def test_openapi_is_typed_and_has_examples(client: TestClient) -> None:
    told = client.get("/openapi.json").json()
    assert len(told["paths"]) >= 20
    listed = told["paths"]["/for-you"]["get"]
    assert {one["name"] for one in listed["parameters"]} == {
        "k",
        "department",
        "category",
        "max_price",
        "by",
        "weights",
    }
    assert listed["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Listed")
    assert told["components"]["schemas"]["Listed"]["examples"]
    assert told["components"]["schemas"]["EventIn"]["examples"]
    assert told["paths"]["/refresh"]["post"]["security"]
    assert "Problem" in told["components"]["schemas"]
    assert "HTTPValidationError" not in json.dumps(told["paths"])


# -- starting ----------------------------------------------------------------------------------------------------------


def test_secrets_are_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECSYS_LAB_TOKEN", raising=False)
    made = kept_secret("token", tmp_path / "new")
    assert kept_secret("token", tmp_path / "new") == made
    assert len(made) >= 32
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "new" / "token").stat().st_mode) == 0o600
    monkeypatch.setenv("RECSYS_LAB_TOKEN", "of-the-environment")
    assert kept_secret("token", tmp_path / "new") == "of-the-environment"
    monkeypatch.setenv("RECSYS_LAB_TOKEN", "short")
    with pytest.raises(ValueError, match="RECSYS_LAB_TOKEN: a token has 16"):
        kept_secret("token", tmp_path)


def test_a_short_token_makes_no_service(engine: Engine) -> None:
    with pytest.raises(ValueError, match="token"):
        create_app(engine, token="", secret=SECRET)
    with pytest.raises(ValueError, match="secret"):
        create_app(engine, token=TOKEN, secret="short")


def test_addresses_of_this_computer() -> None:
    assert [is_loopback(host) for host in ("::1", "127.0.0.9", "localhost", "::", "192.168.0.1", "example.org")] == (
        [True, True, True, False, False, False]
    )


def test_the_engine_alone_needs_no_web() -> None:
    code = (
        "import sys, recsys_lab.shop, recsys_lab.cli\n"
        "found = {'fastapi', 'starlette', 'uvicorn', 'pydantic', 'anywidget', 'torch'} & set(sys.modules)\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_missing_is_one_line() -> None:
    for package in ("fastapi", "itsdangerous", "uvicorn"):
        code = (
            f"import sys; sys.modules[{package!r}] = None\n"
            "from typer.testing import CliRunner\n"
            "from recsys_lab.cli import app\n"
            "print(CliRunner().invoke(app, ['shop', '--folder', sys.argv[1]]).output)"
        )
        done = subprocess.run([sys.executable, "-c", code, "unused"], check=True, capture_output=True, text=True)
        assert f"needs {package}: python -m pip install 'recsys-lab[shop]'" in done.stdout, done
        assert "Traceback" not in done.stdout
