"""The first picture of README.md: the live shop after three clicks, photographed in a browser: make picture

What is said of it in words, for those who do not see it, is counted from the page.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from recsys_lab.datasets import load_shop
from tools.readme import filled

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "live_shop.png"
CATEGORY = "jackets"


def photograph(address: str) -> str:
    """Click three jackets, open the presenter's panel, take the picture; what it shows, in words."""
    from playwright.sync_api import sync_playwright

    browser_path = next(found for name in ("chromium", "google-chrome") if (found := shutil.which(name)))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 820}, reduced_motion="reduce")
        page.goto(address)
        page.wait_for_selector(".for-you .card")
        before = _share(page)
        page.get_by_role("searchbox").fill(f"men's {CATEGORY}")
        page.get_by_role("button", name="Search").click()
        page.get_by_role("heading", name="Found for").wait_for()
        for number in range(3):
            said = page.locator(".for-you .moved").inner_text()
            page.locator(".grid .card .open").nth(number).click()
            page.wait_for_function("(said) => document.querySelector('.for-you .moved').innerText !== said", arg=said)
            page.locator(".product > .close").click()
            page.locator(".grid .card .open").nth(number).wait_for()
        page.get_by_role("button", name="Presenter").click()
        page.wait_for_selector(".panel .slider")
        page.evaluate("window.scrollTo(0, 0)")
        page.wait_for_timeout(1_500)  # messages at the foot of the page go away by themselves
        after = _share(page)
        taken = page.screenshot()
        browser.close()
    _save(taken)
    return (
        f"The live shop in a browser: after clicks on three {CATEGORY} the row For you holds {after} {CATEGORY} of ten"
        f" ({before} before), and what moved is marked as new, up or down; beside it a panel with the recommenders to"
        f" switch between, and with what the shop believes about the shopper: category, department, style and colour."
    )


def _share(page: Any) -> int:
    products = load_shop(impressions=False).products.set_index("item_id")
    items = page.locator(".for-you .card").evaluate_all("cards => cards.map((card) => card.dataset.item)")
    return int((products["category"].reindex(items) == CATEGORY).sum())


def _save(taken: bytes) -> None:
    """As a PNG of 128 colours: the page has few, and the file is a third."""
    from PIL import Image

    Image.open(io.BytesIO(taken)).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(PICTURE, optimize=True)


def main() -> int:
    """Open a shop in a folder of its own, photograph it, and put the picture into README.md."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "recsys_lab", "shop", "--folder", folder, "--port", "0"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as shop:
            assert shop.stdout is not None
            try:
                address = next(found[0] for line in shop.stdout if (found := re.search(r"http://[\d.:]+", line)))
                words = photograph(address)
            finally:
                shop.terminate()
    readme = ROOT / "README.md"
    text = filled(readme.read_text(encoding="utf-8"), {"shop": f"![{words}]({PICTURE.relative_to(ROOT).as_posix()})"})
    readme.write_text(text, encoding="utf-8")
    print(words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
