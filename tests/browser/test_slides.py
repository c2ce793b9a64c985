"""Every deck in a browser: nothing is fetched from elsewhere, nothing runs over a slide's edge, notes are there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.chapters.project import Project

ROOT = Path(__file__).parents[2]
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
NAMES = Project(ROOT).names()

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium or Chrome on the PATH")
for package in ("playwright", "sphinx_revealjs", "latex2mathml", "vl_convert"):
    pytest.importorskip(package)

# All slides of a deck one after the other; what is found is told by the slide's number.
WALK = """() => {
  const told = { slides: 0, over: [], small: [], notes: 0, titles: 0, empty: [], broken: [] };
  for (const slide of Reveal.getSlides()) {
    const { h, v } = Reveal.getIndices(slide);
    Reveal.slide(h, v);
    told.slides += 1;
    const at = `${told.slides} ${slide.querySelector("h1, h2").textContent}`;
    const box = slide.getBoundingClientRect();
    if (Reveal.getCurrentSlide() !== slide || Math.abs(box.width - 1280) > 1 || Math.abs(box.height - 720) > 1)
      told.broken.push(`${at}: ${box.width} x ${box.height}`);
    if (slide.scrollWidth > 1280 || slide.scrollHeight > 720)
      told.over.push(`${at}: ${slide.scrollWidth} x ${slide.scrollHeight}`);
    for (const one of slide.querySelectorAll("*")) {
      const place = one.getBoundingClientRect();
      if (one.closest("aside") || !place.width || !place.height) continue;
      if (place.left < box.left || place.right > box.right || place.top < box.top || place.bottom > box.bottom - 16)
        told.over.push(`${at}: ${one.tagName} ends at ${place.right} x ${place.bottom}`);
      const drawn = one.closest("svg, math");
      if (!drawn && one.clientWidth && one.scrollWidth > one.clientWidth + 1 && !one.matches(".kicker"))
        told.over.push(`${at}: ${one.tagName} is ${one.scrollWidth} wide in ${one.clientWidth}`);
      if (!drawn && one.textContent.trim() && parseFloat(getComputedStyle(one).fontSize) < 18)
        told.small.push(`${at}: ${one.tagName} ${getComputedStyle(one).fontSize}`);
      const image = one.tagName === "IMG" ? one : null;
      if (image && !(image.complete && image.naturalWidth && image.alt)) told.broken.push(`${at}: ${image.src}`);
    }
    told.notes += (slide.querySelector("aside.notes")?.textContent.trim().length ?? 0) > 20;
    told.titles += slide.querySelector("h1, h2").textContent.trim().length > 0;
    if (!slide.querySelector("p:not(.kicker), li, pre, table, img, figure, math, dl") && !slide.matches(".statement"))
      told.empty.push(at);
  }
  return told;
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All decks, built."""
    from tools.slides.__main__ import main

    out = tmp_path_factory.mktemp("slides")
    assert main(["--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


class Presenter:
    """A browser with a deck, and what went wrong in it."""

    def __init__(self, browser: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 720})
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.outside: list[str] = []
        self.context.on("page", self._listen)
        self._listen(self.page)
        self.context.on("request", self._asked)

    def _listen(self, page: Any) -> None:
        page.on("console", lambda line: line.type in {"error", "warning"} and self.complaints.append(line.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("file://", "data:", "blob:", "about:")):
            self.outside.append(request.url)

    def open(self, path: Path, query: str = "") -> Any:
        self.page.goto(f"{path.as_uri()}{query}")
        self.page.wait_for_function("window.Reveal && Reveal.isReady()")
        return self.page


@pytest.fixture
def presenter(browser: Any) -> Iterator[Presenter]:
    made = Presenter(browser)
    yield made
    made.context.close()
    assert made.complaints == []
    assert made.outside == []


@pytest.mark.parametrize("name", NAMES)
def test_every_slide_holds_what_is_on_it(name: str, folder: Path, presenter: Presenter) -> None:
    page = presenter.open(folder / f"{name}.html")
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    told = page.evaluate(WALK)
    assert told["slides"] > 20
    assert told["over"] == []
    assert told["small"] == []
    assert told["broken"] == []
    assert told["empty"] == []
    assert told["notes"] == told["titles"] == told["slides"]


def test_keys_go_through_a_deck(folder: Path, presenter: Presenter) -> None:
    page = presenter.open(folder / f"{NAMES[0]}.html")
    seen = []
    for key in ("Space", "Space", "ArrowRight", "ArrowLeft", "ArrowDown", "Shift+Space", "Home"):
        page.keyboard.press(key)
        seen.append(tuple(page.evaluate("(({ h, v }) => [h, v])(Reveal.getIndices())")))
    assert seen[0] == (1, 0)
    assert seen[-1] == (0, 0)
    assert len(set(seen)) >= 4
    page.keyboard.press("Escape")
    assert page.evaluate("Reveal.isOverview()")


def test_speakers_view_works_without_a_network(folder: Path, presenter: Presenter) -> None:
    page = presenter.open(folder / f"{NAMES[0]}.html")
    page.keyboard.press("Space")
    with presenter.context.expect_page() as opened:
        page.keyboard.press("s")
    view = opened.value
    view.locator(".speaker-controls-notes .value", has_text="The obvious try").wait_for(timeout=20_000)
    assert " min; this slide " in view.locator(".speaker-controls-notes .value").inner_text()
    view.locator(".speaker-controls-time .pacing").wait_for()
    before = page.evaluate("JSON.stringify(Reveal.getIndices())")
    view.keyboard.press("Space")
    page.wait_for_function("(before) => JSON.stringify(Reveal.getIndices()) !== before", arg=before)


def test_prints_one_page_for_each_slide(folder: Path, presenter: Presenter) -> None:
    page = presenter.open(folder / f"{NAMES[0]}.html", "?print-pdf")
    page.wait_for_selector(".pdf-page")
    slides = page.evaluate("Reveal.getTotalSlides()")
    assert page.locator(".pdf-page").count() == slides
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == slides


def test_list_of_decks_leads_to_each(folder: Path, presenter: Presenter) -> None:
    presenter.page.goto((folder / "index.html").as_uri())
    links = presenter.page.locator("tbody a")
    assert links.evaluate_all("all => all.map((one) => one.getAttribute('href'))") == [f"{name}.html" for name in NAMES]
    links.first.click()
    presenter.page.wait_for_function("window.Reveal && Reveal.isReady()")
