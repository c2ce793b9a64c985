"""The live shop's page in a browser, on the real service: clicks move the row, and it says what the engine says."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from recsys_lab.datasets import load_shop

ROOT = Path(__file__).parents[2]
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
TOKEN = "a-token-of-the-tests-alone"
EVIL = "<img src=x onerror=alert(1)>"
SIZES = {"light": (1280, 900, "light"), "dark": (1280, 900, "dark"), "phone": (360, 740, "light")}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium or Chrome on the PATH")
for package in ("fastapi", "uvicorn", "playwright", "axe_playwright_python"):
    pytest.importorskip(package)


@pytest.fixture(scope="module")
def shop_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a shop that runs as a process of its own, with an evil product in it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("shop")
    command = [sys.executable, "-m", "recsys_lab", "shop", "--folder", str(folder / "kept"), "--port", str(port)]
    log = folder / "shop.log"
    environment = {**os.environ, "RECSYS_LAB_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"}
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(480):
            if address in log.read_text() or process.poll() is not None:
                break
            time.sleep(0.25)
        assert process.poll() is None, log.read_text()
        assert address in log.read_text(), log.read_text()
        fields = {"name": EVIL, "department": "women", "category": "jackets", "colour": "red", "price": 20.0}
        sent = urllib.request.Request(f"{address}/products/EVIL", json.dumps(fields).encode(), method="PUT")
        sent.add_header("Authorization", f"Bearer {TOKEN}")
        sent.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(sent) as answer:
            assert answer.status in {200, 201}
        yield address
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


class Visitor:
    """One shopper's browser window, and what went wrong in it."""

    def __init__(self, browser: Any, address: str, look: str = "light") -> None:
        width, height, scheme = SIZES[look]
        self.address = address
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.outside: list[str] = []
        self.page.on("console", lambda line: line.type in {"error", "warning"} and self.complaints.append(line.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("a dialog of the browser"), dialog.dismiss()))
        self.context.on("request", self._asked)
        self.page.goto(address)
        self.page.wait_for_selector(".for-you .card")
        self.page.wait_for_selector(".grid .card")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((f"{self.address}/", "data:")):
            self.outside.append(request.url)

    def ask(self, path: str, **given: Any) -> Any:
        """What the service says to this shopper, beside the page."""
        answer = self.context.request.get(f"{self.address}{path}?{urlencode(given)}")
        assert answer.status == 200, answer.text()
        return answer.json()

    def for_you(self) -> list[str]:
        return self.page.locator(".for-you .card").evaluate_all("cards => cards.map((card) => card.dataset.item)")

    def says(self) -> str:
        return str(self.page.locator(".for-you .moved").inner_text())

    def wait_until(self, words: str) -> None:
        """Until the line beside the row says so: then the row is the one that followed."""
        self.page.wait_for_function(
            "(words) => document.querySelector('.for-you .moved').textContent.includes(words)", arg=words
        )

    def panel(self) -> None:
        self.page.get_by_role("button", name="Presenter").click()
        self.page.wait_for_selector(".panel .slider")


@pytest.fixture
def visitor(browser: Any, shop_address: str) -> Iterator[Visitor]:
    made = Visitor(browser, shop_address)
    yield made
    made.context.close()
    assert made.complaints == []
    assert made.outside == []


def test_three_jackets_move_the_row_without_a_reload(visitor: Visitor) -> None:
    products = load_shop(impressions=False).products.set_index("item_id")
    category, name = products["category"], products["name"]
    page = visitor.page
    page.evaluate("window.mark = 'the same page'")
    door = visitor.for_you()
    assert len(door) == 10
    page.get_by_role("searchbox").fill("jackets")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("heading", name="Found for").wait_for()
    found = page.locator(".grid .card").evaluate_all("cards => cards.map((card) => card.dataset.item)")
    jackets = [item for item in found if category.get(item) == "jackets"][:3]
    assert len(jackets) == 3
    before = door
    for item in jackets:
        page.locator(f'.grid .card[data-item="{item}"] .open').click()
        visitor.wait_until(f"You looked at {name[item]}: ")
        now = visitor.for_you()
        assert now != before
        told = sum(int(part.split()[0]) for part in visitor.says().rsplit(": ", 1)[1].rstrip(".").split(", "))
        moved = [at for at, one in enumerate(now) if one not in before or before.index(one) != at]
        assert told == len(moved) == page.locator(".for-you .move").count()
        before = now
        page.get_by_role("heading", name=name[item]).wait_for()
        page.locator(".product > .close").click()
        page.locator(f'.grid .card[data-item="{item}"] .open').wait_for()
    shares = [sum(category.get(item) == "jackets" for item in items) for items in (door, before)]
    assert shares[1] > shares[0]
    assert page.evaluate("window.mark") == "the same page"


def test_product_view_has_its_lists_and_its_address(visitor: Visitor) -> None:
    page = visitor.page
    item = visitor.for_you()[0]
    page.locator(f'.for-you .card[data-item="{item}"] .open').click()
    page.locator('.product [data-list="similar"] .card').first.wait_for()
    assert page.url.endswith(f"#/product/{item}")
    for surface in ("similar", "complete-the-look", "also-bought"):
        assert page.locator(f'.product [data-list="{surface}"] .card').count() > 0, surface
    page.go_back()
    page.locator(".grid .card").first.wait_for()
    assert page.locator(".product").is_hidden()
    visitor.wait_until("You looked at")
    assert [event["event_type"] for event in visitor.ask("/session")["events"]] == ["clicked_on"]


def test_cart_takes_and_gives_back(visitor: Visitor) -> None:
    page = visitor.page
    item = visitor.for_you()[1]
    page.locator(f'.for-you .card[data-item="{item}"] .add').click()
    page.wait_for_function("() => document.querySelector('.cart-button .count').textContent === '1'")
    visitor.wait_until("is in the cart")
    assert visitor.ask("/session")["cart"] == [item]
    assert item not in visitor.for_you()
    page.locator(".cart-button").click()
    page.locator(f'dialog [data-line="{item}"]').get_by_role("button", name="Remove").click()
    page.get_by_text("Nothing yet").wait_for()
    assert visitor.ask("/session")["cart"] == []
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    page.locator(f'.grid .card:not([data-item="{item}"]) .add:enabled').first.click()
    page.wait_for_function("() => document.querySelector('.cart-button .count').textContent === '1'")
    page.locator(".cart-button").click()
    page.get_by_role("button", name="Buy", exact=True).click()
    page.wait_for_function("() => document.querySelector('.cart-button .count').textContent === '0'")
    assert visitor.ask("/session")["events"][0]["event_type"] == "buy"


def test_why_this_is_what_the_engine_says(visitor: Visitor) -> None:
    page = visitor.page
    item = visitor.for_you()[3]
    page.locator(f'.for-you .card[data-item="{item}"] .open').click()
    visitor.wait_until("You looked at")
    said = visitor.ask("/for-you", k=10)["items"]
    assert [one["product"]["item_id"] for one in said] == visitor.for_you()
    for at in (0, 4, 9):
        page.locator(".for-you .card .why").nth(at).click()
        bars = page.locator("dialog[open] .bar")
        shown = bars.evaluate_all("rows => rows.map((row) => [row.dataset.term, Number(row.dataset.value)])")
        numbers = bars.locator(".number").all_inner_texts()
        assert dict(shown) == said[at]["why"]
        assert [float(text) for text in numbers] == pytest.approx([value for _, value in shown], abs=0.0006)
        score = page.locator("dialog[open] [data-score]")
        assert float(score.get_attribute("data-score")) == said[at]["score"]
        assert sum(value for _, value in shown) == pytest.approx(said[at]["score"], abs=1e-5)  # six digits are sent
        page.keyboard.press("Escape")


def test_order_after_a_slider_moves_is_the_engines(visitor: Visitor) -> None:
    page = visitor.page
    item = visitor.for_you()[2]
    page.locator(f'.for-you .card[data-item="{item}"] .open').click()
    visitor.wait_until("You looked at")
    visitor.panel()
    before = visitor.for_you()
    heaviest = max(one["weight"] for one in visitor.ask("/config")["spaces"])
    slider = page.locator('.slider input[data-space="price"]')
    slider.focus()
    page.keyboard.press("End")
    visitor.wait_until(f"With price at {heaviest:.2f}")
    weights = page.locator(".slider input").evaluate_all("all => all.map((one) => [one.dataset.space, one.value])")
    said = visitor.ask("/for-you", k=10, weights=",".join(f"{space}:{value}" for space, value in weights))
    assert visitor.for_you() == [one["product"]["item_id"] for one in said["items"]]
    assert visitor.for_you() != before
    page.get_by_role("button", name="Back to the shop's own").click()
    visitor.wait_until("With the shop's own weights")
    assert visitor.for_you() == before


def test_switch_of_recommenders_is_the_engines(visitor: Visitor) -> None:
    visitor.panel()
    for name in visitor.page.locator(".pick input").evaluate_all("all => all.map((one) => one.value)")[1:]:
        visitor.page.get_by_role("radio", name=name, exact=True).check()
        visitor.wait_until(f"With the list of “{name}”")
        said = visitor.ask("/for-you", k=10, by=name)
        assert visitor.for_you() == [one["product"]["item_id"] for one in said["items"]], name


def test_sliders_stay_open_when_popular_stands_in(visitor: Visitor) -> None:
    page = visitor.page

    def stands_in(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "by": "popular", "notes": "what is popular"})

    visitor.panel()
    own = page.locator(".slider input").evaluate_all("all => all.map((one) => [Number(one.value), Number(one.max)])")
    offered = [one["weight"] for one in visitor.ask("/config")["spaces"]]
    assert [value for value, _ in own] == pytest.approx(offered)
    heaviest = max(offered)
    assert all(most >= max(2, 2 * value, heaviest) for value, most in own)
    page.route("**/for-you*", stands_in)
    page.locator('.slider input[data-space="price"]').focus()
    page.keyboard.press("End")
    visitor.wait_until(f"With price at {heaviest:.2f}")
    assert page.locator(".slider input:enabled").count() == len(offered)
    page.unroute("**/for-you*")
    page.get_by_role("radio", name="popular", exact=True).check()
    visitor.wait_until("With the list of “popular”")
    assert page.locator(".slider input:enabled").count() == 0
    page.get_by_role("button", name="Back to the shop's own").click()
    visitor.wait_until("With the shop's own weights")


def test_why_of_the_popular_is_a_count(visitor: Visitor) -> None:
    visitor.panel()
    visitor.page.get_by_role("radio", name="popular", exact=True).check()
    visitor.wait_until("With the list of “popular”")
    visitor.page.locator(".for-you .card .why").first.click()
    count = int(visitor.ask("/for-you", k=1, by="popular")["items"][0]["score"])
    said = visitor.page.locator("dialog[open]").inner_text()
    assert f"clicked {count:,} times" in said
    assert "Together" not in said


def test_panel_is_remembered_and_the_row_comes_into_sight(visitor: Visitor) -> None:
    page = visitor.page
    visitor.panel()
    parts = page.locator(".panel .part h3").all_inner_texts()
    assert parts.index("What the shop believes") < parts.index("Events") < parts.index("Weights")
    page.reload()
    page.wait_for_selector(".panel .slider")
    page.set_viewport_size({"width": 1280, "height": 640})
    page.locator(".grid .open").nth(9).dblclick()
    visitor.wait_until("You looked at")
    page.locator('.product [data-list="similar"] .card').first.wait_for()
    page.wait_for_function(
        "() => { const top = document.querySelector('.for-you h2').getBoundingClientRect().top;"
        " return top >= 0 && top < 200; }"
    )
    assert [event["event_type"] for event in visitor.ask("/session")["events"]] == ["clicked_on"]


def test_search_says_what_it_understood_in_words(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("searchbox").fill("jackets under 120, not black")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("category: jackets; price below 120; colour: not black", exact=True).wait_for()
    page.get_by_role("form", name="Filters").get_by_label("Category").select_option("coats")
    page.get_by_text("Nothing is like that.").wait_for()
    assert "Filters: category: coats." in page.locator(".shelf .moved").inner_text()


def test_address_of_no_product_is_told_calmly(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.address}/#/product/%")
    visitor.page.wait_for_function("() => document.querySelector('.toast.shown')")
    assert "URI" not in visitor.page.locator(".toast").inner_text()
    assert visitor.page.locator(".grid .card").first.is_visible()
    assert all("404" in line for line in visitor.complaints)  # the browser's own word on a product that is not there
    visitor.complaints.clear()


def test_filters_hold_for_row_and_shelf(visitor: Visitor) -> None:
    page = visitor.page
    filters = page.get_by_role("form", name="Filters")
    filters.get_by_label("Department").select_option("men")
    visitor.wait_until("With these filters")
    filters.get_by_label("Price").focus()
    page.keyboard.press("Home")
    page.get_by_text("up to €10").wait_for()
    page.wait_for_function("() => document.querySelector('.shelf .moved').textContent.match(/of (1?\\d?\\d) products/)")
    products = load_shop(impressions=False).products.set_index("item_id")
    shelf = page.locator(".grid .card").evaluate_all("cards => cards.map((card) => card.dataset.item)")
    for item in (*shelf, *visitor.for_you()):
        assert products.loc[item, "department"] == "men"
        assert products.loc[item, "price"] <= 10


def test_reload_keeps_the_session(visitor: Visitor) -> None:
    page = visitor.page
    first, second = visitor.for_you()[:2]
    page.locator(f'.for-you .card[data-item="{first}"] .open').click()
    visitor.wait_until("You looked at")
    page.locator(".product > .close").click()
    page.locator(f'.grid .card[data-item="{second}"] .add, .for-you .card[data-item="{second}"] .add').first.click()
    page.wait_for_function("() => document.querySelector('.cart-button .count').textContent === '1'")
    visitor.wait_until("is in the cart")
    row, session = visitor.for_you(), visitor.ask("/session")
    page.reload()
    page.wait_for_selector(".for-you .card")
    page.wait_for_function("() => document.querySelector('.cart-button .count').textContent === '1'")
    assert visitor.for_you() == row
    again = visitor.ask("/session")
    assert (again["shopper"], again["events"], again["cart"]) == (session["shopper"], session["events"], [second])


def test_evil_name_stays_text(visitor: Visitor) -> None:
    page = visitor.page
    page.goto(f"{visitor.address}/#/product/EVIL")
    page.locator(".product h2").wait_for()
    assert page.locator(".product h2").inner_text() == EVIL
    assert page.title().startswith(EVIL)
    page.locator(".product .add").first.click()
    page.wait_for_function("() => document.querySelector('.cart-button .count').textContent === '1'")
    visitor.wait_until(f"{EVIL} is in the cart")
    page.locator(".cart-button").click()
    assert EVIL in page.locator('dialog [data-line="EVIL"]').inner_text()
    assert page.locator('img[src="x"]').count() == 0


def test_keyboard_alone(visitor: Visitor) -> None:
    page = visitor.page

    def focused() -> dict[str, str]:
        return dict(
            page.evaluate("({text: document.activeElement.textContent, kind: document.activeElement.className,"
                          " tag: document.activeElement.tagName})")
        )  # fmt: skip

    def tab_to(wanted: str, kind: str = "") -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            now = focused()
            if now["text"].startswith(wanted) and (not kind or kind in now["kind"].split(" ")):
                return
        raise AssertionError(f"{wanted!r} is not reached by Tab")

    page.keyboard.press("Tab")
    assert focused()["text"] == "Skip to the products"
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"
    page.keyboard.press("Enter")
    assert focused()["tag"] == "MAIN"
    item = visitor.for_you()[0]
    name = page.locator(f'.for-you .card[data-item="{item}"] .name').inner_text()
    tab_to(name)
    page.keyboard.press("Enter")
    page.locator(".product h2").wait_for()
    page.wait_for_function("() => document.activeElement.tagName === 'H2'")
    assert focused()["text"] == name
    tab_to("Add to cart")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('.cart-button .count').textContent === '1'")
    assert focused()["text"] == "Remove from cart"
    page.keyboard.press("Escape")
    assert page.locator(".product").is_hidden()
    assert focused()["tag"] in {"BUTTON", "H2"}
    tab_to("Why this?", "why")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    assert focused()["text"].startswith("Why this?")


def test_says_when_the_shop_is_away_and_sends_the_event_later(visitor: Visitor) -> None:
    page = visitor.page
    tried: list[str] = []
    page.on("request", lambda asked: asked.url.endswith("/events") and tried.append(asked.post_data_json[0]["id"]))
    item = visitor.for_you()[1]
    page.route("**/events", lambda route: route.abort())
    page.locator(f'.for-you .card[data-item="{item}"] .add').click()
    page.get_by_text("The shop cannot be reached. 1 event is kept and will be sent.").wait_for()
    page.reload()
    page.get_by_text("1 event is kept").wait_for()
    page.unroute("**/events")
    page.get_by_role("button", name="Try now").click()
    page.wait_for_function("() => document.querySelector('.cart-button .count').textContent === '1'")
    page.wait_for_function("() => document.querySelector('.state').textContent === ''")
    assert len(tried) >= 3
    assert len(set(tried)) == 1
    assert [event["item_id"] for event in visitor.ask("/session")["events"]] == [item]
    assert all("ERR_FAILED" in line for line in visitor.complaints)  # the browser's own word on the requests cut off
    visitor.complaints.clear()


def test_says_calmly_when_the_list_is_not_personal(visitor: Visitor) -> None:
    page = visitor.page

    def degraded(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "degraded": "state"})

    page.route("**/for-you*", degraded)
    page.locator(".grid .open").first.click()
    page.get_by_text("Showing what is popular for now").wait_for()
    page.unroute("**/for-you*")
    page.wait_for_function("() => document.querySelector('.state').textContent === ''")  # it asks again by itself


@pytest.mark.parametrize("look", SIZES)
def test_nothing_stands_in_anybodys_way(browser: Any, shop_address: str, look: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    visitor = Visitor(browser, shop_address, look)
    page = visitor.page

    def audit(where: str) -> None:
        page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished.catch(() => null)))")
        found = Axe().run(page).response["violations"]
        worst = [(one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"]) for one in found]
        grave = [told for told, one in zip(worst, found, strict=True) if one["impact"] in {"serious", "critical"}]
        assert grave == [], where
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where

    audit("at the door")
    page.locator(".for-you .open").nth(2).click()
    page.locator('.product [data-list="similar"] .card').first.wait_for()
    visitor.wait_until("You looked at")
    audit("product")
    visitor.panel()
    page.locator(".panel .bar").first.wait_for()
    audit("panel")
    page.locator(".for-you .why").first.click()
    audit("why this")
    page.keyboard.press("Escape")
    page.locator(".for-you .add").first.click()
    page.wait_for_function("() => document.querySelector('.cart-button .count').textContent === '1'")
    page.locator(".cart-button").click()
    page.locator("dialog .lines li").wait_for()
    audit("cart")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Dark").click()
    audit("the other colours")
    if folder := os.environ.get("SHOP_PICTURES"):
        page.screenshot(path=Path(folder) / f"{look}-last.png")
    visitor.context.close()
    assert visitor.complaints == []
    assert visitor.outside == []
