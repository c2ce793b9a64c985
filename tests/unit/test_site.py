"""The course's site: what its pages are made of. That Sphinx builds them is seen in tests/browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed (requirements-dev.txt)")
pytest.importorskip("myst_nb", reason="myst-nb is not installed (requirements-dev.txt)")

import nbformat

from tools.chapters.project import Project
from tools.site import pages, reference
from tools.site.extension import plain_to_rst
from tools.site.gather import SECTIONS, page_files
from tools.site.links import Links
from tools.site.notebooks import Charts, description, page

ROOT = Path(__file__).resolve().parents[2]
NAMES = Project(ROOT).names()


def test_every_chapter_has_a_page_and_a_line_on_the_start_page() -> None:
    assert page_files(ROOT)["notebooks/README.md"] == [f"notebooks/{name}.ipynb" for name in NAMES]
    start = pages.start(ROOT)
    assert re.findall(r"\(notebooks/(\w+)\.ipynb\)", start) == NAMES
    assert "<!--" not in start


def test_every_public_module_has_an_entry_on_one_page() -> None:
    made = reference.pages(ROOT)
    entries = [name for text in made.values() for name in re.findall(r"^\.\. automodule:: (\S+)$", text, re.MULTILINE)]
    assert sorted(entries) == [name for name in reference.modules(ROOT) if name != "recsys_lab"]
    listed = re.findall(r"^   (\w+)$", made["api/index.rst"], re.MULTILINE)
    assert sorted(f"api/{module}.rst" for module in listed) == sorted(set(made) - {"api/index.rst"})


def test_reference_follows_the_order_of_the_course() -> None:
    design = (ROOT / "docs" / "DESIGN.md").read_text(encoding="utf-8")
    named = [row.module for row in reference.rows(ROOT)]
    stairs = [one for one in re.findall(r"^\| `(\w+)` \|", design, re.MULTILINE) if one in named]
    assert len(stairs) > 15
    assert named[: len(stairs)] == stairs


def test_terms_are_unique_and_in_alphabetical_order() -> None:
    terms = pages.terms(ROOT)
    assert len(terms) >= 60
    # A Greek letter stands where its name would.
    order = [term.casefold().replace("ε", "epsilon") for term in terms]
    assert order == sorted(set(order))


def test_each_term_is_explained_in_three_sentences_at_most_and_names_its_chapter() -> None:
    text = (ROOT / "site" / "glossary.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^(\S.*)\n  (.+)$", text.partition("{glossary}\n")[2], re.MULTILINE))
    assert list(told) == pages.terms(ROOT)
    numbers = {name[:2] for name in NAMES}
    for term, words in told.items():
        found = re.fullmatch(r"(.+[.?!\"]) \((\d\d)\)", words)
        assert found, f"{term}: an entry ends with a full stop and its chapter, as (03)"
        assert found[2] in numbers, term
        assert 1 <= len(re.findall(r"[.?!]\"?(?= [A-Z0-9]|$)", found[1])) <= 3, term
    assert not re.search(r"\(\d\d\)$", pages.glossary(ROOT), re.MULTILINE)


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Charts:
    """Charts whose pictures are taken as drawn: drawing them all takes longer than these tests."""

    class Drawn(Charts):
        def picture(self, spec: dict[str, object], up: str) -> str:
            told = description(spec)
            assert told
            return f'<div class="chart" data-told="{len(told)}">'

    return Drawn(tmp_path_factory.mktemp("charts"))


@pytest.mark.parametrize("name", NAMES)
def test_every_solution_of_a_chapter_is_folded(name: str, charts: Charts) -> None:
    links = Links(ROOT, {"notebooks/README.md", *(f"notebooks/{other}.ipynb" for other in NAMES)})
    book = nbformat.reads(page(ROOT / "notebooks" / f"{name}.ipynb", name, links, charts), as_version=4)
    assert links.dead == []
    solutions = json.loads(Project(ROOT).solutions(name).read_text(encoding="utf-8"))
    folds = {cell.id: cell.source for cell in book.cells if cell.id.startswith(("solution-", "answer-"))}
    assert {f"solution-{number}" for number in solutions} <= set(folds)
    for number, text in solutions.items():
        assert folds[f"solution-{number}"].startswith('<details class="fold"><summary>')  # closed: no "open"
        assert folds[f"solution-{number}"].rstrip().endswith("</details>")
        assert text in folds[f"solution-{number}"]
        shown = [cell.source for cell in book.cells if cell.id not in folds]
        assert not any(text in source for source in shown)
    assert any(number.startswith("answer-") for number in folds)
    ids = [cell.id for cell in book.cells]
    for number in solutions:
        assert ids.index(f"exercise-{number}") < ids.index(f"solution-{number}") <= ids.index(f"exercise-{number}") + 2


def test_no_output_needs_a_script_or_another_host(charts: Charts) -> None:
    for name in NAMES:
        book = nbformat.reads(page(ROOT / "notebooks" / f"{name}.ipynb", name, Links(ROOT, ()), charts), as_version=4)
        for output in (output for cell in book.cells for output in cell.get("outputs", [])):
            data = output.get("data", {})
            assert not any("vega" in kind or "javascript" in kind or "widget" in kind for kind in data), name
            assert not re.search(r"<script|(src|href)=.?https?://", str(data.get("text/html", ""))), name


def test_a_chart_is_drawn_once_and_says_what_it_shows(tmp_path: Path) -> None:
    spec = {"data": {"values": [{"a": 1}]}, "mark": "point", "encoding": {"x": {"field": "a"}}, "description": 'A "1"'}
    charts = Charts(tmp_path)
    made = charts.picture(spec, up="../")
    (drawn,) = tmp_path.iterdir()
    assert 'alt="A &quot;1&quot;"' in made
    assert f'src="../_static/charts/{drawn.name}"' in made
    assert re.search(r'width="\d+" height="\d+"', made)
    drawn.write_text("<svg/>")
    charts.picture(spec, up="")
    assert drawn.read_text() == "<svg/>"


def test_links_stay_on_the_site_or_lead_to_the_repository(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.recsys-lab]\nrepository = "me/shop"\nbranch = "next"\n')
    for file in ("docs/a.md", "docs/b.md", "docs/p.svg", "src/x.py", "more/README.md"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("")
    links = Links(tmp_path, {"docs/a.md", "docs/b.md", "more/README.md"})
    text = "[b](b.md#c) ![p](p.svg) [x](../src/x.py) [s](../src) [m](../more) [o](https://o.org) [h](#here)"
    text += " [i](../../issues/new) `[no](code.md)`\n```\n[no](fence.md)\n```\n[gone](gone.md)"
    at = "https://github.com/me/shop"
    rewritten = f"[b](b.md#c) ![p](p.svg) [x]({at}/blob/next/src/x.py) [s]({at}/tree/next/src) [m](../more/README.md)"
    rewritten += " [o](https://o.org) [h](#here) [i](../../issues/new) `[no](code.md)`\n```\n[no](fence.md)\n```\n"
    assert links.rewrite(text, "docs/a.md") == rewritten + "[gone](gone.md)"
    assert links.dead == [
        "docs/a.md: the link to ../../issues/new leads to nothing", "docs/a.md: the link to gone.md leads to nothing",
    ]  # fmt: skip
    assert links.pictures == {"docs/p.svg"}
    assert links.resolve("../../issues/new", "CONTRIBUTING.md") == f"{at}/issues/new"


def test_every_page_leads_somewhere() -> None:
    """Links of all pages that are there, beside the chapters: none is dead."""
    below = page_files(ROOT)
    stated = {section.front for section in SECTIONS if (ROOT / section.front).exists()}
    texts = [file for file in {*stated, *(file for files in below.values() for file in files)} if file.endswith(".md")]
    links = Links(ROOT, {*stated, *(file for files in below.values() for file in files)})
    for file in texts:
        links.rewrite((ROOT / file).read_text(encoding="utf-8"), file)
    assert links.dead == []


def test_docstrings_keep_their_words_lists_and_examples() -> None:
    given = ["Learned state ends in `_`; 2*k.", "- one `part`s", "- two", ">>> 2 * 3", "6", "", "    a = |b|", "    c"]
    assert plain_to_rst(given) == [
        "Learned state ends in ``_``; 2\\*k.", "", "- one ``part``\\ s", "- two", "", ">>> 2 * 3", "6", "",
        ".. code-block:: text", "", "    a = |b|", "    c",
    ]  # fmt: skip


def test_the_scoreboard_page_has_every_stored_row(charts: Charts) -> None:
    text = pages.scoreboard(ROOT, charts)
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        section = re.search(rf"^## {path.stem}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        assert section, path.stem
        methods = [row["method"] for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
        assert [method for method in methods if f"\n| {method} |" not in section[1]] == []
