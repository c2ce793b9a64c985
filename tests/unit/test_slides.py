"""Slides cut from the chapters: nothing of a solution, every heading, nothing from elsewhere, type that can be read."""

from __future__ import annotations

import ast
import html
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed (requirements-dev.txt)")
pytest.importorskip("sphinx_revealjs", reason="sphinx_revealjs is not installed (requirements-dev.txt)")
pytest.importorskip("latex2mathml", reason="latex2mathml is not installed (requirements-dev.txt)")
pytest.importorskip("vl_convert", reason="vl_convert is not installed (requirements-dev.txt)")

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools.chapters import markers
from tools.chapters.project import Project
from tools.chapters.source import Chapter, headings, load, parse
from tools.slides import code, outputs, page, pictures, prose
from tools.slides.__main__ import main
from tools.slides.deck import Deck, Slide, deck

ROOT = Path(__file__).parents[2]
PROJECT = Project(ROOT)
CHAPTERS = load(PROJECT)
NAMES = [chapter.name for chapter in CHAPTERS]

CARD = '# %% [markdown] tags=["card"]\n# title: T\n# question: Q?\n# method: M\n# minutes: 10\n# needs: N\n\n'


@pytest.fixture(scope="session")
def decks() -> dict[str, Deck]:
    """The decks of all chapters."""
    made = {}
    for chapter, following in zip(CHAPTERS, [*CHAPTERS[1:], None], strict=True):
        notebook = nbformat.read(PROJECT.notebook(chapter.name), as_version=4)
        made[chapter.name] = deck(chapter, notebook, following)
    return made


def small(source: str, **shown: list[Any]) -> Deck:
    """The deck of a short chapter; outputs are given by the first letters of a cell's code."""
    chapter = parse("90_small", CARD + source)
    notebook = new_notebook()
    for cell in chapter.cells:
        if cell.kind == "code":
            found = next((out for start, out in shown.items() if cell.learner.startswith(start)), [])
            notebook.cells.append(new_code_cell(cell.learner, id=cell.id, outputs=found))
    return deck(chapter, notebook)


def words(slide: Slide) -> str:
    """What can be read on a slide, without the notes."""
    text = re.sub(r"<annotation.*?</annotation>", "", slide.title + "\n" + "\n".join(one.html for one in slide.blocks))
    return html.unescape(re.sub(r"<[^>]+>", "", text))


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


# Code ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_code_are_short_and_lose_no_line(name: str) -> None:
    for text in (code.shown(cell.learner) for cell in _chapter(name).cells if cell.kind == "code"):
        lines, pieces = text.splitlines(), code.cut(text)
        kept = [line for piece in pieces for line in lines[piece.start : piece.stop] if line.strip()]
        assert kept == [line for line in lines if line.strip()]
        for piece in pieces:
            assert sum(code.height(line) for line in lines[piece.start : piece.stop]) <= code.LINES
            assert lines[piece.start].strip()
            assert lines[piece.stop - 1].strip()
            assert piece.size >= pictures.SMALLEST


def test_code_is_cut_between_statements() -> None:
    text = "\n".join([*(f"a{n} = {n}" for n in range(10)), "def f(x):", *(f"    x += {n}" for n in range(8))])
    first, second = code.cut(text)
    assert (first.stop, second.start) == (10, 10)


def test_a_long_function_is_cut_inside_and_a_comment_stays_with_its_line() -> None:
    body = [f"    x += {n}" for n in range(12)]
    text = "\n".join(["def f(x):", *body, "    # why", "    x -= 1", *body])
    first = code.cut(text)[0]
    assert text.splitlines()[first.stop - 1] != "    # why"
    assert first.stop >= 10


def test_a_string_of_many_lines_is_cut_somewhere() -> None:
    text = 'x = """\n' + "\n".join(f"line {n}" for n in range(30)) + '\n"""'
    assert [piece.stop - piece.start for piece in code.cut(text)] == [14, 14, 4]


def test_a_line_that_is_too_long_counts_as_several() -> None:
    assert code.height("x" * 300) == 3
    assert len(code.cut("\n".join(["x = " + "'" + "y" * 250 + "'"] * 5))) == 2


def test_what_is_for_tests_and_exercises_is_not_shown() -> None:
    text = "# needs: price\nfrom recsys_lab.exercises import ____, chapter\n\nx = 1\nclaim(\n    x > 0, 'yes'\n)\n"
    assert code.shown(text) == "x = 1"
    assert code.shown('exercise = chapter("00")') == ""
    assert code.shown("exercise[1].check()") == ""
    assert code.shown("%%bash\nls") == "%%bash\nls"


def test_code_of_a_chart_is_what_it_computes() -> None:
    drawing = "title = 'x'\nalt.Chart(c, title=title)"
    assert code.before_chart(f"import altair as alt\n\na = 1\nb = 2\nc = a + b\n{drawing}") == "a = 1\nb = 2\nc = a + b"
    assert code.before_chart(f"c = 1\n{drawing}") == ""


# Prose ---------------------------------------------------------------------------------------------------------------


def test_the_core_is_the_first_sentences() -> None:
    text = "One is first. Two is second. " + "Three is long. " * 30 + "\n\nAnother paragraph."
    (block,) = prose.core(prose.parts(text)[0])
    assert block.html.startswith("<p>One is first. Two is second.")
    assert "Another" not in block.html
    assert len(block.html) < prose.CORE + 10


def test_lists_formulas_and_tables_stay() -> None:
    text = "Intro.\n\nThree things:\n\n- a\n- b\n\n$$x^2$$\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    blocks = prose.core(prose.parts(text)[0])
    assert [block.kind for block in blocks] == ["text", "text", "item", "item", "math", "table"]
    assert "<math" in blocks[4].html


def test_a_short_first_sentence_is_a_title() -> None:
    part = prose.parts("Most prices are low. A few are high.")[0]
    claim, rest = prose.claim(part)
    assert claim == "Most prices are low"
    assert [block.html for block in prose.core(rest)] == ["<p>A few are high.</p>"]
    assert prose.claim(prose.parts("For one list:")[0])[0] == ""


def test_links_between_notebooks_become_text() -> None:
    assert prose.inline("[here](other.ipynb) and [there](https://example.org)").count("href") == 1


# Outputs -------------------------------------------------------------------------------------------------------------


def test_many_printed_lines_are_cut() -> None:
    block = outputs.printed("\n".join(f"line {n}" for n in range(40)))
    assert block.html.count("line") == outputs.PRINTED
    assert outputs.MORE in block.html


def test_a_large_table_is_cut_to_what_fits() -> None:
    import pandas as pd

    frame = pd.DataFrame({f"column {n} <b>": range(30) for n in range(12)})
    (block,) = outputs.blocks([new_output("display_data", {"text/html": frame._repr_html_()})])
    assert not isinstance(block, dict)
    assert block.html.count("<tr>") == outputs.ROWS + 1
    assert outputs.MORE in block.html
    assert "<b>" not in block.html


# Decks ---------------------------------------------------------------------------------------------------------------


def test_an_exercise_shows_its_task_and_the_learners_code() -> None:
    made = small(
        "# %% [markdown]\n# ## Build it\n#\n# ### Exercise 1: add\n#\n# Add two numbers. "
        + "Do it well. " * 30
        + "End of task.\n\n"
        '# %% tags=["exercise-1"]\ndef add(a, b):\n    total = a + b  #= total = ____\n    return total\n\n'
        "# %%\nexercise[1].check()\n\n# %% [markdown]\n# Then it goes on and on.\n\n# %%\nx = add(1, 2)\n"
    )
    task = [slide for slide in made.slides if slide.kind == "exercise"]
    text = "\n".join(words(slide) for slide in task)
    assert "End of task." in text
    assert "total = ____" in text
    assert "a + b" not in page.page(made)
    after = next(slide for slide in made.slides if "x = add(1, 2)" in words(slide))
    assert (after.kind, after.kicker) == ("step", "Build it")


def test_tags_leave_out_a_cell_its_code_its_outputs() -> None:
    source = "# %% [markdown]\n# ## Build it\n\n"
    source += '# %% tags=["skip"]\nskipped = 1\n\n# %% tags=["hide-input"]\nhidden = 2\n\n'
    source += '# %% tags=["hide-output"]\nquiet = 3\n\n# %% [markdown] tags=["notes"]\n# For the speaker alone.\n'
    said = {name: [new_output("stream", name="stdout", text=f"said by {name}\n")] for name in ("hidden", "quiet")}
    made = small(source, **said)
    text = "\n".join(words(slide) for slide in made.slides)
    assert "skipped" not in text
    assert "hidden = 2" not in text
    assert "said by hidden" in text
    assert "quiet = 3" in text
    assert "said by quiet" not in text
    assert "For the speaker alone." not in text
    assert any("For the speaker alone." in note for slide in made.slides for note in slide.notes)


def test_a_chart_is_a_vector_picture_with_its_finding_and_description() -> None:
    spec = {"mark": "bar", "title": ["Half are", "low"], "description": "Half & more", "data": {"values": [{"a": 1}]}}
    spec["encoding"] = {"x": {"field": "a", "type": "quantitative"}}
    made = small("# %% [markdown]\n# ## See it\n\n# %%\nalt.Chart(x)\n", alt=[_shows(spec)])
    (slide,) = (slide for slide in made.slides if slide.kind == "chart")
    assert slide.title == "Half are low"
    assert 'alt="Half &amp; more"' in slide.blocks[0].html
    (picture,) = made.charts.values()
    assert "Half are" not in picture.svg
    assert picture.svg.startswith("<svg")


@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_a_solution_is_in_a_deck(name: str, decks: dict[str, Deck]) -> None:
    text = squeezed(html.unescape(re.sub(r"<[^>]+>", "", page.page(decks[name]))))
    removed = {line for cell in _chapter(name).cells for line in cell.removed}
    assert removed
    assert [line for line in removed if len(line) >= 12 and squeezed(line) in text] == []
    assert "#=" not in text
    answers = re.findall(r"\.answer\(\"", text)
    assert answers == []


@pytest.mark.parametrize("name", NAMES)
def test_every_heading_is_in_the_deck(name: str, decks: dict[str, Deck]) -> None:
    titles = {squeezed(html.unescape(re.sub(r"<[^>]+>", "", slide.title))) for slide in decks[name].slides}
    texts = [cell.learner for cell in _chapter(name).cells if cell.kind == "markdown" and cell.stands_in(False)]
    wanted = [prose.plain(line.lstrip("# ")) for text in texts for line in headings(text)]
    assert len(wanted) > 5
    assert [line for line in wanted if squeezed(line) not in titles] == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_comes_from_elsewhere(name: str, decks: dict[str, Deck]) -> None:
    text = page.page(decks[name])
    loaded = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=\"([^\"]+)\"", text)
    assert len(loaded) > 6
    assert [address for address in loaded if re.match(r"(https?:)?//", address)] == []
    assert re.findall(r"(?:src|xlink:href)=\"https?:", text) == []
    drawn = "\n".join(picture.svg for picture in decks[name].charts.values())
    assert re.findall(r"(?:href|src)=\"https?:|url\(https?:|@import", drawn) == []


def test_style_loads_nothing_and_has_no_small_type() -> None:
    style = page.STYLE.read_text(encoding="utf-8")
    assert re.findall(r"url\(|@import|https?:", style) == []
    sizes = [
        float(size) for size in re.findall(r"font-size: ([\d.]+)px", style.replace(".controls { font-size: 6px", ""))
    ]
    assert min(sizes) >= pictures.SMALLEST


@pytest.mark.parametrize("name", NAMES)
def test_type_in_charts_can_be_read(name: str, decks: dict[str, Deck]) -> None:
    for file, picture in decks[name].charts.items():
        assert pictures.smallest_type(picture) >= pictures.SMALLEST - 1, file
        assert picture.width <= pictures.ROOM[0]
        assert picture.height <= pictures.ROOM[1]
        assert picture.alt, file


@pytest.mark.parametrize("name", NAMES)
def test_minutes_add_up_to_the_cards(name: str, decks: dict[str, Deck]) -> None:
    made = decks[name]
    assert sum(slide.seconds for slide in made.slides) == made.chapter.card.minutes * 60
    assert sum(made.parts().values()) == made.chapter.card.minutes * 60
    assert all(slide.notes for slide in made.slides)


@pytest.mark.parametrize("name", NAMES)
def test_all_prose_is_in_the_notes(name: str, decks: dict[str, Deck]) -> None:
    said = squeezed("".join(note for slide in decks[name].slides for note in slide.notes))
    texts = [cell for cell in _chapter(name).cells if cell.kind == "markdown" and cell.stands_in(False)]
    for cell in texts:
        for part in prose.parts(cell.learner):
            assert squeezed(prose.whole(part)) in said


@pytest.mark.parametrize("name", NAMES)
def test_questions_and_the_end_are_there(name: str, decks: dict[str, Deck]) -> None:
    kinds = [slide.kind for slide in decks[name].slides]
    assert kinds[0] == "title"
    assert kinds.count("exercise") >= len(_chapter(name).exercises())
    assert "know" in kinds
    assert (kinds[-1] == "next") == (name != NAMES[-1])
    for slide in decks[name].slides:
        if slide.kind == "question" and slide.title:
            assert len(slide.blocks) >= 2


def test_command_writes_a_folder_that_holds_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["00", "--out", str(tmp_path)]) == 0
    assert "00_start_here" in capsys.readouterr().out
    text = (tmp_path / "00_start_here.html").read_text(encoding="utf-8")
    for address in re.findall(r"(?:src|href)=\"([^\"#:]+)\"", text):
        assert (tmp_path / address).is_file(), address
    assert main(["77", "--out", str(tmp_path)]) == 1
    assert "there is no chapter 77" in capsys.readouterr().err


def _chapter(name: str) -> Chapter:
    return next(chapter for chapter in CHAPTERS if chapter.name == name)


def _shows(spec: dict[str, Any]) -> Any:
    return new_output("execute_result", {outputs.CHART: spec, "text/plain": "a chart"}, execution_count=1)


def test_what_is_shown_of_code_is_python() -> None:
    for chapter in CHAPTERS:
        for cell in chapter.cells:
            if cell.kind == "code":
                ast.parse(markers.python_only(code.shown(cell.learner)))
                ast.parse(code.before_chart(markers.python_only(code.shown(cell.learner))))


def test_headings_of_several_levels_become_one_row() -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {("ms", "few"): [1.0, 2.0], ("ms", "none"): [3.0, 4.0]}, index=pd.Index(["a", "b"], name="store")
    )
    (block,) = outputs.blocks([new_output("display_data", {"text/html": frame._repr_html_()})])
    assert not isinstance(block, dict)
    assert re.findall(r"<th scope=\"col\"[^>]*>([^<]*)", block.html) == ["store", "ms few", "ms none"]
    several = frame.set_index(pd.MultiIndex.from_tuples([("x", "a"), ("x", "b")], names=["p", "q"]))
    (block,) = outputs.blocks([new_output("display_data", {"text/html": several._repr_html_()})])
    assert not isinstance(block, dict)
    assert block.html.count("<td") + block.html.count("<th") == 3 * 4


def test_long_code_leaves_out_imports_from_outside_the_course() -> None:
    text = "import os\nfrom recsys_lab import charts\n\n\n" + "\n".join(f"a{n} = {n}" for n in range(14))
    assert code.compact(text).startswith("from recsys_lab import charts\n\na0 = 0")
    assert code.compact("import os\n\n\n\na = 1") == "import os\n\na = 1"
