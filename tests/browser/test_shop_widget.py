"""The shop as a widget in JupyterLab: three clicks move the row, and no server of the shop runs anywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys_lab.datasets import load_shop

ROOT = Path(__file__).parents[2]
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
CELL = """from recsys_lab.datasets import load_shop
from recsys_lab.shop import Engine, Settings
from recsys_lab.shop.widget import ShopWidget

ShopWidget(Engine(load_shop(impressions=False), Settings(switch=("live", "popular"))))"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium or Chrome on the PATH")
for package in ("anywidget", "jupyterlab", "playwright"):
    pytest.importorskip(package)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab on a folder with one small notebook, with its token."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [
        {"cell_type": "code", "id": "shop", "execution_count": None, "metadata": {}, "outputs": [], "source": CELL}
    ]
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = {"cells": cells, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "shop.ipynb").write_text(json.dumps(book))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.root_dir={folder}"]
    command += ["--ServerApp.ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", "--allow-root"]
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_PATH": str(ROOT / "tools" / "jupyter"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"), "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
    }  # fmt: skip
    log = folder / "lab.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        for _ in range(240):
            address = re.search(rf"http://127\.0\.0\.1:{port}/\S*token=\w+", log.read_text())
            if address or process.poll() is not None:
                break
            time.sleep(0.5)
        assert address, log.read_text()
        yield address.group(0).replace("/lab?", "/lab/tree/shop.ipynb?")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def test_three_clicks_without_a_server(lab: str, tmp_path: Path) -> None:  # noqa: PLR0915 - one visit, step by step
    from playwright.sync_api import sync_playwright

    products = load_shop(impressions=False).products.set_index("item_id")
    category, name = products["category"], products["name"]
    asked: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1300, "height": 1400})
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda line: complaints.append(f"{line.text} {line.location}") if line.type == "error" else None
        )
        page.goto(lab)
        page.wait_for_selector(".jp-Notebook", timeout=60_000)
        page.wait_for_function("() => document.body.innerText.includes('(ipykernel) | Idle')", timeout=60_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_selector(".rl-shop .for-you .card", timeout=180_000)

        def row() -> list[str]:
            return list(page.locator(".for-you .card").evaluate_all("all => all.map((card) => card.dataset.item)"))

        def wait_until(words: str) -> None:
            page.wait_for_function(
                "(words) => document.querySelector('.for-you .moved').textContent.includes(words)", arg=words
            )

        cells = page.locator(".jp-Notebook .jp-Cell").count()
        search = page.locator(".rl-shop input[type=search]")
        search.click()
        page.keyboard.type("jackets a b dd", delay=20)  # a, b and d d are keys of the notebook's own
        assert search.input_value() == "jackets a b dd"
        assert page.locator(".jp-Notebook .jp-Cell").count() == cells
        search.fill("jackets")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Found for").wait_for()
        found = page.locator(".grid .card").evaluate_all("all => all.map((card) => card.dataset.item)")
        jackets = [item for item in found if category.get(item) == "jackets"][:3]
        assert len(jackets) == 3
        door = before = row()
        for item in jackets:
            page.locator(f'.grid .card[data-item="{item}"] .open').click()
            wait_until(f"You looked at {name[item]}: ")
            assert row() != before
            before = row()
            page.get_by_role("heading", name=name[item]).wait_for()
            page.locator(".product > .close").click()
        shares = [sum(category.get(item) == "jackets" for item in items) for items in (door, before)]
        assert shares[1] > shares[0]
        drawn = page.locator(".for-you img").first
        assert drawn.get_attribute("src").startswith("data:image/svg+xml,")
        assert drawn.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") > 0
        page.locator(".for-you .why").first.click()
        assert page.locator("dialog[open] .bar").count() > 3
        page.keyboard.press("Escape")
        page.locator(".for-you .add").first.click()
        page.wait_for_function("() => document.querySelector('.cart-button .count').textContent === '1'")
        page.locator(".rl-shop").scroll_into_view_if_needed()
        page.screenshot(path=Path(os.environ.get("SHOP_PICTURES", tmp_path)) / "widget.png")
        assert page.evaluate("location.hash") == ""  # the address is the notebook's
        browser.close()
    ours = re.compile(r"/(config|events|for-you|session|products|pictures|similar|search)([/?]|$)")
    assert [url for url in asked if ours.search(url) and "/api/" not in url and "/lab/" not in url] == []
    # The widget fetches nothing, so what could not be loaded is JupyterLab's own affair.
    assert [line for line in complaints if not line.startswith("Failed to load resource")] == []
