"""The course's site in a browser: built offline, served from here alone, searched, read in light and in dark."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
PAGES = {
    "start": "index.html",
    "chapter": "notebooks/00_start_here.html",
    "reference": "api/factors.html",
    "scoreboard": "scoreboard.html",
    "glossary": "glossary.html",
}
FORMULAS = "notebooks/03_item2vec.html"
"""A chapter with formulas and charts."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium or Chrome on the PATH")
for package in ("myst_nb", "pydata_sphinx_theme", "playwright", "axe_playwright_python"):
    pytest.importorskip(package)


@pytest.fixture(scope="session")
def site() -> Path:
    """The site, built where `make site` builds it: pages that have not changed since are not made again."""
    out = ROOT / "build" / "site"
    command = [sys.executable, "-m", "tools.site", "--out", out]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The address of a server on the site's folder, on this computer only."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *said: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


Open = Callable[..., Any]


@pytest.fixture
def visit(browser: Any, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens an address in a window of its own. In the end nothing may have been complained of, or asked of others."""
    wrong: list[str] = []
    contexts = []

    def left(asked: Any) -> bool:  # a page that is left no longer waits for its icon
        return bool(asked.url.endswith("favicon.svg") and asked.failure == "net::ERR_ABORTED")

    def made(to: str, scheme: str = "light", width: int = 1280) -> Any:
        own = (to.partition("/")[0] + "//" + to.split("/")[2], "data:", "blob:")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("requestfailed", lambda asked: None if left(asked) else wrong.append(f"not answered: {asked.url}"))
        page.on("request", lambda asked: None if asked.url.startswith(own) else wrong.append(f"asked {asked.url}"))
        page.goto(to)
        return page

    yield made
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.mark.parametrize(
    ("words", "where", "heading"),
    [("item2vec", "notebooks/03_item2vec.html", "item2vec: products"), ("propensity", "glossary.html", "Glossary")],
)
@pytest.mark.parametrize("opened", ["served", "as a file"])
def test_search_finds_and_leads_there(
    words: str, where: str, heading: str, opened: str, site: Path, address: str, visit: Open
) -> None:
    base = address if opened == "served" else f"file://{site}"
    page = visit(f"{base}/index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    page.wait_for_function("() => /found|matched/i.test(document.querySelector('#search-results')?.innerText ?? '')")
    found = page.locator(f"#search-results li a[href*='{where}']").first
    found.wait_for()
    if opened == "served":  # a file may not read its neighbours, so there are titles alone
        page.wait_for_selector("#search-results li p.context")
    found.click()
    page.wait_for_url(f"**/{where}*")
    assert page.locator("h1").inner_text().startswith(heading)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(name: str, scheme: str, address: str, visit: Open) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = visit(f"{address}/{PAGES[name]}", scheme)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    serious = [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:5]]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]
    assert serious == []


def test_light_and_dark_differ_and_can_be_switched(address: str, visit: Open) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = visit(f"{address}/index.html", "light").evaluate(ground)
    page = visit(f"{address}/index.html", "dark")
    assert page.evaluate(ground) != light
    page.locator(".theme-switch-container button, button.theme-switch-button").first.click()
    page.get_by_role("button", name="Light").or_(page.locator("[data-bs-theme-value=light]")).first.click()
    page.wait_for_function("() => document.documentElement.dataset.theme === 'light'")
    page.wait_for_function(f"() => {ground} === '{light}'")
    page.goto(f"{address}/glossary.html")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_solutions_are_folded_until_they_are_clicked(address: str, visit: Open) -> None:
    page = visit(f"{address}/{PAGES['chapter']}")
    folds = page.locator("details.fold")
    assert folds.count() > 3
    assert page.locator("details.fold[open]").count() == 0
    inside = folds.first.locator("pre")
    assert not inside.is_visible()
    folds.first.locator("summary").focus()
    page.keyboard.press("Enter")
    assert inside.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn_on_a_light_card(scheme: str, address: str, visit: Open) -> None:
    page = visit(f"{address}/{FORMULAS}", scheme)
    charts = page.locator(".chart img")
    assert charts.count() >= 5
    for at in range(charts.count()):
        charts.nth(at).scroll_into_view_if_needed()
    page.wait_for_function("() => [...document.querySelectorAll('.chart img')].every((one) => one.naturalWidth > 0)")
    assert all(charts.evaluate_all("all => all.map((one) => one.alt)"))
    card = page.locator(".chart").first
    assert card.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(255, 255, 255)"
    assert charts.first.evaluate("one => getComputedStyle(one).filter") == "none"
    assert page.locator("math").count() >= 5  # formulas, which the browser draws itself


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_need_not_scroll_sideways(name: str, address: str, visit: Open) -> None:
    page = visit(f"{address}/{PAGES[name]}", width=400)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_no_page_is_missing_and_no_link_inside_the_site_is_dead(site: Path) -> None:
    import re
    from urllib.parse import unquote

    pages = [page for page in sorted(site.rglob("*.html")) if "_static" not in page.parts]
    assert len(pages) > 50
    dead = []
    for page in pages:
        for to in set(re.findall(r'(?:href|src)="([^"#?]+)[^"]*"', page.read_text(encoding="utf-8"))):
            if not re.match(r"[a-z]+:|//", to) and not (page.parent / unquote(to)).exists():
                dead.append(f"{page.relative_to(site)}: {to}")
    assert dead == []
