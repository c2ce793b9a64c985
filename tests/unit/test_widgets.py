"""The page that follows the click: what it shows, its twin that stands still, and its buttons."""

from __future__ import annotations

from typing import Any

import pytest

from recsys_lab import widgets
from recsys_lab.datasets import Shop
from recsys_lab.realtime import Live, standard
from recsys_lab.widgets import Page


@pytest.fixture
def page(shop: Shop) -> Page:
    now = int(shop.events["timestamp"].max())
    return Page(Live(shop=shop, accumulators=[*standard(), standard(shop)[-1]]), shop, now_ms=now, k=4)


def test_every_click_makes_another_page(page: Page) -> None:
    door, seen = page.items, [page.items]
    assert page.state() == {"events": 0, "last products": [], "by category": {}}
    for number in range(1, 4):
        opened = page.items[number]
        page.do("clicked_on", opened)
        assert opened not in page.items
        assert page.items not in seen
        assert page.state()["events"] == number
        assert page.state()["last products"][0] == opened
        assert page.features().index.tolist() == page.items
        seen.append(page.items)
    clicks = list(page.live.log())
    assert [event.event_attr["position"] for event in clicks] == [2, 3, 4]
    page.restart()
    assert page.items == door
    assert page.state()["events"] == 0


def test_the_story_stands_still_and_says_the_same(page: Page, shop: Shop) -> None:
    pytest.importorskip("IPython")
    first, second = page.items[:2]
    told = page.story([("clicked_on", first), ("put_to_cart", second)]).data
    named = shop.products.set_index("item_id")["name"]
    assert told.count("<table>") == 3
    assert f"put_to_cart: {named[second]}" in told
    assert all(named[item] in told for item in [first, *page.items])
    assert "<script" not in told


def test_buttons_do_what_the_page_does(page: Page) -> None:
    ipywidgets: Any = pytest.importorskip("ipywidgets")
    shown = page.widget(ipywidgets)
    (shelf, features), (state, again) = (part.children for part in shown.children)
    picture, (look, cart) = shelf.children[2].children[0], shelf.children[2].children[1].children
    before = (picture.value, features.value, state.value)
    look.click()
    assert [event.event_type for event in page.live.log()] == ["clicked_on"]
    assert all(now != then for now, then in zip((picture.value, features.value, state.value), before, strict=True))
    cart.click()
    assert [event.event_type for event in page.live.log()] == ["clicked_on", "put_to_cart"]
    again.click()
    assert page.state()["events"] == 0
    assert "visitor 2" in state.value


def test_where_nobody_can_click_a_line_says_so(
    page: Page, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ipywidgets")
    assert not widgets.can_click()
    assert page.show() is None
    assert "JupyterLab" in capsys.readouterr().out
    monkeypatch.setattr(widgets, "can_click", lambda: True)
    assert page.show() is not None
    monkeypatch.setitem(__import__("sys").modules, "ipywidgets", None)
    assert page.show() is None
    assert "pip install" in capsys.readouterr().out
