"""Links: those inside the course lead somewhere; those that leave it stand in docs/links.toml with their purpose."""

from __future__ import annotations

import doctest
import re
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed (requirements-dev.txt)")

from tools import links, prose
from tools.chapters.project import Project


@cache
def pages() -> tuple[prose.Text, ...]:
    return (*prose.pages(), *prose.notebooks())


def test_links_inside_the_course_lead_somewhere() -> None:
    here = [
        page for page in pages() if "site" not in page.file.relative_to(prose.ROOT).parts
    ]  # gathered, and checked, when built
    targets = [(page, target) for page in here for target in links.inside(page.words)]
    assert len(targets) > 100
    assert [f"{page}: {wrong}" for page, target in targets if (wrong := links.missing(page.file, target))] == []


def test_badges_lead_to_notebooks_that_are_there() -> None:
    repository, branch = Project(prose.ROOT).address()
    wrong, count = [], 0
    for page in pages():
        for where, path in re.findall(
            r"https://colab\.research\.google\.com/github/(.+?)/blob/([^\s)\"]+)", page.words
        ):
            count += 1
            if where != repository or not (prose.ROOT / path.removeprefix(f"{branch}/")).is_file():
                wrong.append((str(page), where, path))
    assert count > 20 and wrong == []


def test_named_links_are_defined() -> None:
    """[words][name] without its [name]: stands on the page as brackets."""
    wrong = []
    for page in prose.pages():
        said = re.sub(r"``.*?``|`[^`]*`", "", prose.unfenced(page.words), flags=re.DOTALL)
        defined = {name.lower() for name in re.findall(r"^ {0,3}\[([^\]^]+)\]: ", said, re.MULTILINE)}
        wrong += [(str(page), name) for name in re.findall(r"\]\[([^\]]+)\]", said) if name.lower() not in defined]
    assert wrong == []


def test_outside_links_are_listed_with_their_purpose() -> None:
    listed = {link.url: link.files for link in links.known()}
    assert listed == links.outside(), (
        "python -m tools.links --write, and say in docs/links.toml what the new ones are for"
    )
    assert [link.url for link in links.known() if len(link.purpose.split()) < 3] == []
    purposes = {link.url: link.purpose for link in links.known()}
    assert links.LIST.read_text(encoding="utf-8") == links.listed(links.outside(), purposes)


def test_outside_links_are_safe_ones() -> None:
    assert [link.url for link in links.known() if not link.url.startswith("https://")] == []


# -- that the checks find what they are for


def test_examples_in_the_tools_hold() -> None:
    assert [doctest.testmod(module).failed for module in (links, prose)] == [0, 0]


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small course with a page and a notebook."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# The course\n\n## How to begin\n\n## How to begin\n", encoding="utf-8")
    (tmp_path / "docs" / "page.md").write_text("# A page\n", encoding="utf-8")
    cell = '{"cells": [{"cell_type": "markdown", "source": ["## See it: what comes"]}]}'
    (tmp_path / "one.ipynb").write_text(cell, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[tool.recsys-lab]\nrepository = "school/course"\n', encoding="utf-8")
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    monkeypatch.setattr(links, "LIST", tmp_path / "docs" / "links.toml")
    return tmp_path


@pytest.mark.parametrize(
    ("target", "wrong"),
    [
        ("docs/page.md", ""),
        ("docs", ""),
        ("#how-to-begin-1", ""),
        ("docs/page.md#a-page", ""),
        ("one.ipynb#See-it:-what-comes", ""),
        ("docs/Page.md", "there is no"),
        ("docs/other.md", "there is no"),
        ("#how-to-begin-2", "no heading"),
        ("docs/page.md#nothing", "no heading"),
        ("one.ipynb#nothing", "no heading"),
        ("../elsewhere.md", "leads out"),
        ("../../issues/new/choose", ""),
        ("/docs/page.md", "leads out"),
    ],
)
def test_dead_links_are_found(course: Path, target: str, wrong: str) -> None:
    said = links.missing(course / "README.md", target)
    assert wrong in said and bool(wrong) == bool(said)


def test_all_ways_to_write_a_link_are_read() -> None:
    text = (
        '[a](a.md) [b](<b.md> "a title") [![c](c.svg)](d.md) [e][f] <img src="g.png">\n\n```\n[no](code.md)\n```\n'
        '`[no](code.md)` [out](https://pypi.org) [mail](mailto:a@example.org)\n\n[f]: h.md\n<a href="i.md#j">i</a>\n'
    )
    assert links.inside(text) == ["a.md", "b.md", "d.md", "c.svg", "h.md", "g.png", "i.md#j"]


def test_addresses_end_where_the_sentence_goes_on() -> None:
    text = "(https://a.org/b_(c)), https://d.org/e?f=1#g. <https://h.org> doi:10.1145/3298689.33; 10.5 and 10.24432/C5"
    wanted = ["a.org/b_(c)", "d.org/e?f=1#g", "h.org", "doi.org/10.1145/3298689.33", "doi.org/10.24432/C5"]
    assert [url.removeprefix("https://") for url in links.addresses(text)] == wanted


def test_what_is_no_outside_link() -> None:
    text = (
        "http://127.0.0.1:8000/ http://localhost:6333 https://shop.example https://{host}/x https://github.com/OWNER/x"
    )
    assert list(links.addresses(text)) == []


def test_the_list_is_written_and_keeps_its_purposes(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (course / "docs" / "page.md").write_text("[a](https://a.org) https://github.com/school/course\n", encoding="utf-8")
    assert links.main(["--write"]) == 0
    assert [(link.url, link.purpose, link.files) for link in links.known()] == [
        ("https://a.org", "", ("docs/page.md",))
    ]
    text = links.LIST.read_text(encoding="utf-8")
    links.LIST.write_text(text.replace('for = ""', 'for = "the “first” letter"'), encoding="utf-8")
    (course / "README.md").write_text("[b](https://b.org) [a](https://a.org)", encoding="utf-8")
    assert links.main(["--write"]) == 0
    assert {link.url: link.purpose for link in links.known()} == {
        "https://a.org": "the “first” letter",
        "https://b.org": "",
    }
    assert "https://b.org" in capsys.readouterr().out
    assert links.main(["--wrong"]) == 2


@pytest.fixture
def web() -> Iterator[str]:
    """A server that answers /200, /403, /404 with these."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(self.path[1:]))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_check_asks_the_network(web: str, course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {f"{web}/{status}": ("README.md",) for status in (200, 403)}
    links.LIST.write_text(links.listed(found, {}), encoding="utf-8")
    assert links.main(["--check"]) == 0
    assert re.findall(r"(there|look yourself) +(\d+)", capsys.readouterr().out) == [
        ("there", "200"),
        ("look yourself", "403"),
    ]
    found |= {f"{web}/404": ("README.md",), "http://127.0.0.1:9/": ("docs/page.md",)}
    links.LIST.write_text(links.listed(found, {}), encoding="utf-8")
    assert links.main(["--check"]) == 1
    assert re.findall(r"dead: \S+, in (\S+)", capsys.readouterr().err) == ["README.md", "docs/page.md"]
