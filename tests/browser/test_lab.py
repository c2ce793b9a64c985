"""`make lab`, as a learner meets it: JupyterLab on the first notebook, all cells run, charts drawn, nothing fetched."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium or Chrome on the PATH")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address that `make lab` prints, with its token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("lab") / "lab.log"
    command = ["make", "lab", f"ARGS=--no-browser --port={port} --ServerApp.port_retries=0"]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        for _ in range(240):
            address = re.search(rf"http://127\.0\.0\.1:{port}/\S*token=\w+", log.read_text())
            if address or process.poll() is not None:
                break
            time.sleep(0.5)
        assert address, log.read_text()
        until_answered(port, process, log)
        yield address.group(0)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def until_answered(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """The address is printed a moment before somebody listens there."""
    for _ in range(240):
        with socket.socket() as door:
            door.settimeout(1)
            if door.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        time.sleep(0.5)
    raise AssertionError(f"JupyterLab printed its address and nobody listens at port {port}:\n{log.read_text()}")


def test_answers_with_its_token_only_and_on_this_computer_only(lab: str) -> None:
    base, token = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/.*token=(\w+)", lab).groups()  # type: ignore[union-attr]
    with urllib.request.urlopen(f"{base}/api/contents?token={token}") as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{base}/api/contents")
    port = int(base.rsplit(":", 1)[1])
    assert listening_on(port) <= {"0100007F"}


def listening_on(port: int) -> set[str]:
    """The addresses on which somebody listens at a port, as the kernel writes them; none where there is no /proc."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            _, local, _, state, *_ = line.split()
            if state == "0A" and local.endswith(f":{port:04X}"):
                found.add(local.split(":")[0])
    return found


def test_start_notebook_runs_and_draws(lab: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    outside, complaints = [], []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1300, "height": 1600})
        own = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")
        page.on("request", lambda request: outside.append(request.url) if not request.url.startswith(own) else None)
        page.on(
            "console", lambda line: complaints.append(f"{line.text} {line.location}") if line.type == "error" else None
        )
        page.goto(lab)
        page.wait_for_selector(".jp-Notebook", timeout=60_000)
        # The status bar names the kernel once it is there; cells that are run before that ask which one to take.
        says = "document.body.innerText.includes('(ipykernel) | {}')"
        page.wait_for_function(says.format("Idle"), timeout=60_000)
        assert page.locator(".jp-Dialog").all_inner_texts() == []
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_function(says.format("Busy"), timeout=60_000)
        quiet = 0  # the kernel rests for a moment between cells: all are done when it rests for six seconds
        for _ in range(150):
            page.wait_for_timeout(1000)
            quiet = quiet + 1 if page.evaluate(says.format("Idle")) else 0
            if quiet == 6:
                break
        assert quiet == 6
        assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count() == 0
        assert page.locator(".jp-OutputArea .vega-embed").count() >= 2
        assert page.locator(".jp-Dialog").all_inner_texts() == []
        page.screenshot(path=tmp_path / "lab.png")
        browser.close()
    assert outside == []
    # JupyterLab asks for a picture of a text cell by its bare path once, before it looks beside the notebook.
    assert [line for line in complaints if "badges/open-in-colab.svg" not in line] == []
