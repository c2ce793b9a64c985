"""The shop in a notebook: the desk answers as the service does, the widget hears the page, the story stands still."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from recsys_lab.datasets import load_shop

for package in ("anywidget", "pydantic"):
    pytest.importorskip(package)

from recsys_lab.shop import Engine, Settings  # noqa: E402 - after the check that they can be imported
from recsys_lab.shop.widget import PAGE, Desk, ShopWidget, show, story  # noqa: E402

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(load_shop(impressions=False), Settings(switch=("live", "popular"))) as made:
        made.put_product("EVIL", {"name": EVIL, "department": "women", "category": "jackets", "price": 20.0})
        yield made


def without_pictures(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: without_pictures(value) for name, value in told.items() if name != "picture"}
    return [without_pictures(one) for one in told] if isinstance(told, list) else told


def test_answers_as_the_service_does(engine: Engine) -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from recsys_lab.shop.app import create_app

    with TestClient(create_app(engine, token="t" * 16, secret="s" * 16)) as client:
        client.get("/session")
        desk = Desk(engine, client.cookies["shopper"].strip('"').rpartition(".")[0])
        first = client.get("/for-you").json()["items"][0]["product"]["item_id"]
        asked = [
            ("POST", "/events", {"event_type": "clicked_on", "item_id": first, "id": "one"}),
            ("POST", "/events", [{"event_type": "put_to_cart", "item_id": "EVIL", "id": "two"}]),
            ("GET", "/config", None),
            ("GET", "/session", None),
            ("GET", "/for-you?k=7&department=women&max_price=80&weights=price%3A2", None),
            ("GET", "/for-you?by=popular", None),
            ("GET", f"/similar/{first}?k=5", None),
            ("GET", f"/complete-the-look/{first}", None),
            ("POST", "/also-bought", {"cart": [first], "k": 4}),
            ("POST", "/also-bought", {}),
            ("GET", "/buy-again?k=3", None),
            ("GET", "/popular?category=coats", None),
            ("GET", "/search?q=red+coats+under+90&k=6", None),
            ("GET", "/products?category=coats&offset=2&limit=4", None),
            ("GET", "/products/EVIL", None),
            ("GET", "/products/nothing", None),
            ("GET", "/for-you?by=nobody", None),
            ("GET", "/for-you?weights=nothing%3A1", None),
            ("POST", "/events", {"event_type": "clicked_on", "item_id": "nothing"}),
        ]
        for method, path, body in asked:
            theirs = client.request(method, path, **({} if body is None else {"json": body}))
            status, told = desk.answer(method, path, body)
            assert status == theirs.status_code, (path, told, theirs.text)
            if path == "/events" and status == 202:  # what one of them has taken, the other has
                assert [one.pop("new") for one in (*theirs.json()["taken"], *told["taken"])] == [True, False]
                assert [one["id"] for one in told["taken"]] == [one["id"] for one in theirs.json()["taken"]]
            elif status >= 400:
                assert told == {name: value for name, value in theirs.json().items() if name != "errors"}
            else:
                assert without_pictures(told) == without_pictures(theirs.json()), path


def test_pictures_come_along(engine: Engine) -> None:
    desk = Desk(engine)
    for path in ("/for-you?k=3", "/products?limit=3"):
        items = desk.answer("GET", path)[1]["items"]
        assert all(one.get("product", one)["picture"].startswith("data:image/svg+xml,%3Csvg") for one in items)
    assert desk.answer("GET", "/products/P0001")[1]["picture"].startswith("data:image/svg+xml,%3Csvg")


def test_what_needs_the_token_is_refused(engine: Engine) -> None:
    desk = Desk(engine)
    for method, path in (
        ("PUT", "/products/P0001"), ("DELETE", "/products/P0001"), ("POST", "/refresh"), ("POST", "/lookalikes"),
    ):  # fmt: skip
        status, told = desk.answer(method, path, {})
        assert (status, told["status"]) == (403, 403)
        assert "token" in told["detail"]
    assert engine.product("P0001")
    assert desk.answer("GET", "/../secrets")[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/for-you?k=101", None),
        ("GET", "/for-you?surprise=1", None),
        ("GET", "/search?q=+", None),
        ("POST", "/events", {"event_type": "clicked_on", "item_id": "P0001", "user_id": "somebody else"}),
        ("POST", "/events", {"event_type": "stared_at", "item_id": "P0001"}),
        ("POST", "/events", []),
        ("POST", "/events", [{"event_type": "clicked_on", "item_id": "P0001"}] * 101),
        ("POST", "/events", "nothing"),
        ("POST", "/also-bought", {"cart": ["P0001"] * 101}),
    ],
)
def test_bad_questions_get_a_sentence(engine: Engine, method: str, path: str, body: Any) -> None:
    desk = Desk(engine)
    status, told = desk.answer(method, path, body)
    assert status == 422
    assert told["detail"]
    assert desk.answer("GET", "/session")[1]["events"] == []


def test_a_mistake_of_ours_is_logged_and_answered(engine: Engine, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr(engine, "popular", lambda *_, **__: 1 / 0)
    status, told = Desk(engine).answer("GET", "/popular")
    assert status == 500
    assert "ZeroDivisionError" in told["detail"]
    assert "ZeroDivisionError" in caplog.text


def test_widget_hears_and_answers(engine: Engine, monkeypatch: Any) -> None:
    widget, other = ShopWidget(engine), ShopWidget(engine)
    assert widget.desk.shopper != other.desk.shopper
    assert str(widget._esm) == (PAGE / "shop.js").read_text(encoding="utf-8")
    assert str(widget._css) == (PAGE / "shop.css").read_text(encoding="utf-8")
    said: list[Any] = []
    monkeypatch.setattr(widget, "send", said.append)
    asks = [("GET", "/for-you?k=2", None), ("POST", "/events", {"event_type": "clicked_on", "item_id": "EVIL"})]
    for n, (method, path, body) in enumerate([*asks, ("GET", "/session", None)]):
        widget._handle_custom_msg({"n": n, "method": method, "path": path, "body": body}, [])
    assert [(one["n"], one["status"]) for one in said] == [(0, 200), (1, 202), (2, 200)]
    assert [event["item_id"] for event in said[2]["body"]["events"]] == ["EVIL"]
    assert other.desk.answer("GET", "/session")[1]["events"] == []


def test_forgotten_means_somebody_new(engine: Engine) -> None:
    desk = Desk(engine)
    desk.answer("POST", "/events", {"event_type": "clicked_on", "item_id": "P0001"})
    was = desk.shopper
    assert desk.answer("DELETE", "/session") == (200, {"forgotten": 1})
    assert desk.shopper != was
    assert engine.session(was)["events"] == []


def test_story_stands_still_and_leaves_nothing(engine: Engine) -> None:
    pytest.importorskip("IPython")
    jackets = engine.products(limit=1000)[0][:2]
    before = len(list(engine._backend.inbox.state.ask(lambda live: list(live.log()))))
    told = story(engine, [("clicked_on", "EVIL"), *(("clicked_on", item) for item in jackets)]).data
    assert told.count("<figure") == 4 * 6
    assert "after a click on &lt;img src=x onerror=alert(1)&gt;" in told
    assert EVIL not in told
    assert "<script" not in told
    assert "<b>new</b>" in told
    assert len(list(engine._backend.inbox.state.ask(lambda live: list(live.log())))) == before


def test_where_nobody_can_click_a_line_says_so(engine: Engine, capsys: Any) -> None:
    pytest.importorskip("IPython")
    assert show(engine) is None
    assert "a shop to click" in capsys.readouterr().out


def test_the_shop_needs_no_widget_and_the_widget_says_what_it_needs() -> None:
    light = "import sys, recsys_lab.shop; assert not {'anywidget', 'ipywidgets', 'fastapi'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", light], check=True)
    lacking = "import sys; sys.modules['anywidget'] = None; import recsys_lab.shop.widget"
    told = subprocess.run([sys.executable, "-c", lacking], check=False, capture_output=True, text=True).stderr
    assert "the shop's widget needs anywidget: python -m pip install 'recsys-lab[shop]'" in told
