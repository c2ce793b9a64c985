"""From a chapter's source to its notebooks: markers, card, a real run, staleness, and what check refuses."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed (requirements-dev.txt)")
pytest.importorskip("nbclient", reason="nbclient is not installed (requirements-dev.txt)")
pytest.importorskip("ipykernel", reason="ipykernel is not installed (requirements.txt)")

import nbformat

from recsys_lab import fingerprint
from tools.chapters.__main__ import TEMPLATE, main
from tools.chapters.build import build, dump
from tools.chapters.card import stated_seconds
from tools.chapters.check import check
from tools.chapters.project import ChapterError, Project
from tools.chapters.render import read, seal
from tools.chapters.source import KNOWN, load, parse

ROOT = Path(__file__).resolve().parents[2]

CARD = """\
# %% [markdown] tags=["card"]
# title: {title}
# question: What share of what was shown
#   was clicked?
# method: division
# minutes: 5
# needs: nothing
"""

FIRST = (
    CARD.format(title="A toy")
    + """
# %% [markdown]
# ## Build it
#
# Some prose.
#
# ### In detail

# %%
from toy_lab.maths import double
from toy_lab.blank import ____

# %% tags=["exercise-1"]
def rate(clicks, shown):
    clicks = double(clicks)  #-
    if shown:
        return clicks / shown  #= return ____
    return "#= not a marker"

# %%
print("rate", rate(1, 2))
rate(1, 2)

# %% tags=["solved-only"]
assert rate(1, 2) == 1

# %% tags=["learner-only", "slide"]
print("over to you")

# %%
rate  #= ____

# %% tags=["fragment"]
from IPython.display import display

display(
    {"application/vnd.vegalite.v5+json": {"mark": "bar"}, "image/png": b"picture", "text/plain": "a chart"},
    raw=True,
    metadata={"image/png": {"alt": "a chart that rises"}},
)
"""
)
SECOND = CARD.format(title="Another") + '\n# %%\nprint("second")\n'

Edit = Callable[[str], str]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two chapters and a package of their own, not built yet."""
    files = {
        "pyproject.toml": '[tool.other]\nbranch = "x"\n\n[tool.recsys-lab]\n# where\nrepository = "OWNER/recsys-lab"\n'
        'branch = "main"\n\n[tool.last]\nrepository = "y"\n',
        "toy_lab/__init__.py": "",
        "toy_lab/blank.py": "____ = None\n",
        "toy_lab/maths.py": "from toy_lab.deep import TWO\n\ndef double(x):\n    return TWO * x\n",
        "toy_lab/deep.py": "TWO = 2\n",
        "notebooks/src/00_toy.py": FIRST,
        "notebooks/src/01_other.py": SECOND,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    fingerprint.forget()
    return Project(tmp_path, package="toy_lab")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of the two chapters, built once for all tests that start from a fresh build."""
    kept: dict[str, str] = {}
    return kept


@pytest.fixture
def built(toy: Project, fresh: dict[str, str]) -> Project:
    """The two chapters, built."""
    if not fresh:
        build(toy)
        for path in toy.root.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                fresh[toy.where(path)] = path.read_text(encoding="utf-8")
    for name, text in fresh.items():
        (toy.root / name).parent.mkdir(parents=True, exist_ok=True)
        (toy.root / name).write_text(text, encoding="utf-8")
    return toy


def code(project: Project, solved: bool = False) -> list[str]:
    return [cell.source for cell in read(project.notebook("00_toy", solved)).cells if cell.cell_type == "code"]


def change(path: Path, edit: Edit) -> None:
    before = path.read_text(encoding="utf-8")
    path.write_text(edit(before), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != before
    fingerprint.forget()


def rework(project: Project, edit: Callable[[Any], object]) -> list[str]:
    """Change the first notebook as a person would, also with a seal that fits, and hear what check says."""
    path = project.notebook("00_toy")
    notebook = read(path)
    edit(notebook)
    path.write_text(dump(seal(notebook)), encoding="utf-8")
    return [str(problem) for problem in check(project)]


# -- what is made


def test_learner_and_solution_part_at_the_marked_lines(built: Project) -> None:
    learner = 'def rate(clicks, shown):\n    if shown:\n        return ____\n    return "#= not a marker"'
    solution = (
        "def rate(clicks, shown):\n    clicks = double(clicks)\n    if shown:\n"
        '        return clicks / shown\n    return "#= not a marker"'
    )
    assert learner in code(built)
    assert solution in code(built, solved=True)
    assert json.loads(built.solutions("00_toy").read_text(encoding="utf-8")) == {"1": solution}
    assert json.loads(built.solutions("01_other").read_text(encoding="utf-8")) == {}
    assert "____" in code(built)
    assert "rate" in code(built, solved=True)


def test_no_line_of_a_solution_reaches_the_learner(built: Project) -> None:
    text = built.notebook("00_toy").read_text(encoding="utf-8")
    assert "clicks / shown" not in text
    assert "double(clicks)" not in text


def test_cells_for_one_notebook_only(built: Project) -> None:
    assert 'print("over to you")' in code(built)
    assert 'print("over to you")' not in code(built, solved=True)
    assert "assert rate(1, 2) == 1" in code(built, solved=True)
    assert "assert rate(1, 2) == 1" not in code(built)


def test_outputs_come_from_one_run(built: Project) -> None:
    notebook = read(built.notebook("00_toy"))
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert _outputs(notebook)[0].text == "rate None\n"
    assert all("execution" not in cell.metadata for cell in cells)
    kept = notebook.metadata["recsys_lab"]
    assert 0 < kept["seconds"] < 60
    assert 20 < kept["memory_mb"] < 1000
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    solved = read(built.notebook("00_toy", solved=True))
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in solved.cells)
    nbformat.validate(notebook)
    nbformat.validate(solved)


def test_tags_ids_and_first_cells(built: Project) -> None:
    cells = read(built.notebook("00_toy")).cells
    assert [cell.id for cell in cells[:2]] == ["card", "colab"]
    assert cells[-1].id == "navigation"
    tags = {cell.id: cell.metadata["tags"] for cell in cells if "tags" in cell.metadata}
    assert tags["card"] == ["card"]
    assert tags["colab"] == ["colab"]
    assert tags["exercise-1"] == ["exercise-1"]
    assert ["learner-only", "slide"] in tags.values()
    assert ["fragment"] in tags.values()
    later = parse("00_toy", FIRST.replace("# Some prose.", "# Other prose."))
    assert (
        len({cell.id for cell in later.cells} - {cell.id for cell in cells}) == 2
    )  # that one, and the solved-only one


def test_card_navigation_and_badge(built: Project) -> None:
    first, second = (read(built.notebook(name)).cells[0].source for name in built.names())
    assert first.startswith("# A toy\n\n**What share of what was shown was clicked?**\n")
    assert "[Contents](README.md) · [Another](01_other.ipynb) →" in first
    assert "← [A toy](00_toy.ipynb) · [Contents](README.md)" in second
    assert "→" not in second
    assert "github/OWNER/recsys-lab/blob/main/notebooks/00_toy.ipynb)" in first
    assert re.search(r"5 minutes to read, about \d+ seconds to run", first)
    solved = read(built.notebook("00_toy", solved=True)).cells[0].source
    assert "blob/main/notebooks/solutions/00_toy.ipynb)" in solved
    assert "(../00_toy.ipynb)" in solved
    for notebook in (built.notebook("00_toy"), built.notebook("01_other", solved=True)):
        for link in re.findall(r"\]\(([^):]+)\)", "".join(cell.source for cell in read(notebook).cells)):
            assert (notebook.parent / link).is_file(), link


def test_list_of_chapters(built: Project) -> None:
    text = (built.root / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert "| 00 | [A toy](00_toy.ipynb) | What share of what was shown was clicked? | division | 5 min | " in text
    assert "[Another](01_other.ipynb)" in text


def test_stated_seconds_do_not_waver() -> None:
    assert stated_seconds(14.9, None) == stated_seconds(15.9, 15) == stated_seconds(11, 15) == 15
    assert stated_seconds(17.5, 15) == 20
    assert stated_seconds(3, 15) == 5


# -- staleness


def test_a_fresh_build_is_in_order_and_nothing_is_done_twice(built: Project) -> None:
    assert check(built) == []
    assert build(built).lines() == ["All notebooks are fresh."]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("notebooks/src/00_toy.py", 'print("rate"', 'print("the rate"'),
        ("toy_lab/maths.py", "TWO * x", "x * TWO"),
        ("toy_lab/deep.py", "TWO = 2", "TWO = 3"),
    ],
)
def test_a_changed_source_or_module_makes_stale_and_building_mends(
    built: Project, file: str, old: str, new: str
) -> None:
    other = built.notebook("01_other").read_bytes()
    change(built.root / file, lambda text: text.replace(old, new))
    said = [str(problem) for problem in check(built)]
    assert any(line.startswith("notebooks/00_toy.ipynb: is stale") for line in said)
    assert all("01_other" not in line for line in said)
    assert all(line.endswith("(make notebooks)") for line in said)
    assert set(build(built).ran) == {"00_toy"}
    assert check(built) == []
    assert built.notebook("01_other").read_bytes() == other


def test_comments_in_a_module_make_nothing_stale(built: Project) -> None:
    change(built.root / "toy_lab/deep.py", lambda text: f"# in pairs\n\n{text}")
    assert check(built) == []


def test_files_that_the_card_names(built: Project) -> None:
    change(built.sources / "01_other.py", lambda text: text.replace("# needs:", "# reads: stored/*.json\n# needs:"))
    assert "names no file" in str(check(built)[0])
    (built.root / "stored").mkdir()
    (built.root / "stored" / "row.json").write_text("1")
    assert set(build(built).ran) == {"01_other"}
    assert check(built) == []
    (built.root / "stored" / "row.json").write_text("2")
    assert "01_other.ipynb: is stale" in str(check(built)[0])


def test_a_new_neighbour_changes_cards_and_runs_only_itself(built: Project) -> None:
    (built.sources / "02_third.py").write_text(SECOND.replace("Another", "The third"), encoding="utf-8")
    said = [str(problem) for problem in check(built)]
    assert "notebooks/02_third.ipynb: is missing or is no notebook (make notebooks)" in said
    assert any(line.startswith("notebooks/01_other.ipynb: cell 1 (card)") for line in said)
    assert set(build(built).ran) == {"02_third"}
    assert check(built) == []
    assert "[The third](02_third.ipynb) →" in read(built.notebook("01_other")).cells[0].source


def test_another_address_everywhere_without_a_run(built: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["address", "shop-school/course", "v1.0"], built) == 0
    assert "ran " not in capsys.readouterr().out
    made = [path for path in (built.root / "notebooks").rglob("*") if path.suffix in (".ipynb", ".md")]
    assert len(made) == 5
    for path in made:
        text = path.read_text(encoding="utf-8")
        assert "OWNER" not in text
        assert "github/shop-school/course/blob/v1.0/" in text
    assert '\\"v1.0\\", \\"https://github.com/shop-school/course\\"' in built.notebook("00_toy").read_text()
    said = tomllib.loads((built.root / "pyproject.toml").read_text())["tool"]
    assert said["recsys-lab"] == {"repository": "shop-school/course", "branch": "v1.0"}
    assert (said["other"], said["last"]) == ({"branch": "x"}, {"repository": "y"})
    assert main(["address", "no address"], built) == 1
    assert "has to be owner/name" in capsys.readouterr().err


# -- what check refuses


def _outputs(notebook: Any) -> list[Any]:
    return next(cell for cell in notebook.cells if cell.source.startswith('print("rate"')).outputs


def _chart(notebook: Any) -> Any:
    return next(cell for cell in notebook.cells if "vegalite" in cell.source).outputs[0]


def _clear(notebook: Any) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def _swap(notebook: Any) -> None:
    first, second = [cell for cell in notebook.cells if cell.cell_type == "code"][1:3]
    first.execution_count, second.execution_count = second.execution_count, first.execution_count


def _fail(notebook: Any) -> None:
    _outputs(notebook).append(nbformat.v4.new_output("error", ename="KeyError", evalue="'x'", traceback=["at home"]))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_clear, "has no outputs"),
        (_swap, "was not run once from top to bottom"),
        (_fail, "ends with KeyError"),
        (lambda book: _outputs(book)[0].update(text="Traceback (most recent call last)"), "shows the word Traceback"),
        (lambda book: _outputs(book)[0].update(text=f"{Path.home()}/x"), "shows a path of this computer"),
        (lambda book: _outputs(book)[0].update(text="x" * 1_000_000), "bytes; less than 1,000,000"),
        (lambda book: _outputs(book)[0].update(text="return clicks / shown"), "a line of a solution"),
        (lambda book: _chart(book).data.pop("image/png"), "a chart without a picture"),
        (lambda book: _chart(book).metadata.clear(), "a chart without words"),
        (lambda book: book.cells.pop(1), "does not begin with the card and the Colab cell"),
        (lambda book: book.cells.pop(), "has other cells than its source"),
        (lambda book: book.cells[4].update(source="1 + 1"), "is not what the source and pyproject.toml say"),
        (lambda book: book.metadata.pop("recsys_lab"), "was not made by the toolchain"),
        (lambda book: book.metadata["recsys_lab"].update(source_hash="0"), "is stale"),
        (lambda book: book.metadata["recsys_lab"].update(seconds=61), "61 s and"),
        (lambda book: book.metadata.pop("kernelspec"), "names another kernel"),
    ],
)
def test_refused(built: Project, edit: Callable[[Any], object], said: str) -> None:
    try:
        heard = rework(built, edit)
    except KeyError:  # without its metadata it cannot be sealed
        path = built.notebook("00_toy")
        notebook = read(path)
        edit(notebook)
        path.write_text(dump(notebook), encoding="utf-8")
        heard = [str(problem) for problem in check(built)]
    assert any(said in line for line in heard), heard


def test_work_in_a_notebook_is_seen_and_kept(built: Project) -> None:
    path = built.notebook("00_toy")
    change(path, lambda text: text.replace("rate None", "rate 0.5"))
    assert any("was changed or run by hand" in str(problem) for problem in check(built))
    done = build(built)
    assert set(done.ran) == {"00_toy"}
    assert done.kept == ["replaced/00_toy-1.ipynb"]
    assert "rate 0.5" in (built.root / "replaced/00_toy-1.ipynb").read_text(encoding="utf-8")
    assert check(built) == []


def test_what_else_is_made_is_looked_at(built: Project) -> None:
    built.solutions("00_toy").write_text("{}")
    (built.root / "notebooks" / "README.md").unlink()
    change(built.notebook("01_other", solved=True), lambda text: text.replace("second", "third"))
    (built.root / "notebooks" / "07_gone.ipynb").write_text("{}")
    (built.root / "notebooks" / "00_toy-Copy1.ipynb").write_text("{}")
    files = {problem.file for problem in check(built)}
    assert files == {
        "toy_lab/exercises/solutions/00.json",
        "notebooks/README.md",
        "notebooks/solutions/01_other.ipynb",
        "notebooks/07_gone.ipynb",
    }


def test_a_chapter_that_fails_names_the_cell_and_leaves_the_old_notebook(
    built: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = built.notebook("01_other").read_bytes()
    change(built.sources / "01_other.py", lambda text: text + "\n# %%\nprint(missing)\n")
    assert main(["build"], built) == 1
    said = capsys.readouterr().err
    assert said == (
        "error: notebooks/src/01_other.py: cell 4 (print(missing)) stops the run: "
        "NameError: name 'missing' is not defined\n"
    )
    assert built.notebook("01_other").read_bytes() == before


# -- wrong sources


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ('# %% tags=["exercise1"]\nx = 1', "cell 2: nobody knows the tag 'exercise1'; known are: card, exercise-1"),
        ('# %% tags=["card"]\nx = 1', "cell 2: 'card' is for the first cell"),
        ('# %% tags="slide"\nx = 1', "tags are a list of words"),
        ('# %% tag=["slide"]\nx = 1', "behind # %% stands more than"),
        ('# %% tags=["slide"\nx = 1', "behind # %% stands more than"),
        ('# %% [markdown] tags=["exercise-1"]\n# x', "'exercise-1' is for a code cell"),
        ('# %% tags=["exercise-1"]\nx = 1', "an exercise without a marked line"),
        ('# %% tags=["exercise-2"]\nx = 1  #-', "exercises count 1, 2, 3 … in one cell each; here they are 2"),
        ('# %% tags=["exercise-1"]\nx = 1  #-\n\n# %% tags=["exercise-1"]\nx = 1  #-', "here they are 1, 1"),
        ('# %% tags=["learner-only", "solved-only"]\nx = 1', "do not go together"),
        ("# %%\nx = 1  #=", "'#=' without code behind it"),
        ("# %%\nx = 1  #= x = 2 #= x = 3", "holds two markers"),
        ("# %%\nx = 1  # = x = ____", "is nearly a marker"),
        ("# %%\nx = 1\n#= x = ____", "stands alone"),
        ("# %%\nx = 1  #= x = (", "is no Python for the learner"),
        ("# %%\nx = (", "cannot be read as Python"),
        ("# %%\n", "the cell is empty"),
        ("# %% [markdown]\n# ### Deep", "cell 2: the heading '### Deep' follows one of level 1"),
        ("# %% [markdown]\n# # Another title", "levels do not jump"),
        ("# %% [raw]\n# x", "a raw cell; there can be code and markdown"),
        (
            "# %%\nshare = clicks / shown  #= share = ____\n\n# %% [markdown]\n# So: share = clicks / shown",
            "the learner sees",
        ),
    ],
)
def test_wrong_markup_is_named(cells: str, said: str) -> None:
    with pytest.raises(ChapterError) as caught:
        parse("00_toy", f"{CARD.format(title='Toy')}\n{cells}\n", "notebooks/src/00_toy.py")
    assert said in str(caught.value)
    assert all(line.startswith("notebooks/src/00_toy.py") for line in caught.value.problems)


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("# %%\nx = 1\n", "the first cell has to be the card"),
        ("", "the first cell has to be the card"),
        (CARD.replace("# method: division\n", ""), "the card has no method"),
        (CARD.replace("minutes: 5", "minutes: five"), "minutes that are no whole number"),
        (CARD.replace("method:", "metod:"), "the card has no method and has an unknown metod"),
        (CARD.replace("# method: division", "# division"), "the card's line 'division' is not 'key: value'"),
    ],
)
def test_wrong_cards_are_named(card: str, said: str) -> None:
    with pytest.raises(ChapterError, match=re.escape(said)):
        parse("00_toy", card)


def test_ipython_lines_and_known_tags() -> None:
    cells = "# %%\n# %matplotlib inline\n!ls 'x\n\n# %%\n# %%time\n1\n\n" + "".join(
        f'# %% tags=["{tag}"]\n{number}\n\n' for number, tag in enumerate(KNOWN[4:])
    )
    assert len(parse("00_toy", CARD.format(title="Toy") + cells).cells) == 2 + len(KNOWN[4:])


def test_names_and_numbers_of_chapters(toy: Project) -> None:
    with pytest.raises(ChapterError, match="two digits"):
        parse("toy", FIRST)
    (toy.sources / "00_twin.py").write_text(SECOND, encoding="utf-8")
    with pytest.raises(ChapterError, match="several chapters have the number 00"):
        load(toy)


# -- the commands


def test_a_new_chapter_is_a_valid_source(toy: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "02_next_click"], toy) == 0
    chapter = load(toy)[-1]
    assert chapter.card.title == "Next click"
    assert set(chapter.exercises()) == {"1"}
    assert 'chapter("02")' in chapter.source
    headings = re.findall(r"(?m)^# ## (.*)", TEMPLATE.read_text(encoding="utf-8"))
    assert headings[1:7] == ["Build it", "Measure it", "See it", "Break it", "Reality check", "Exercises"]
    assert main(["new", "02_again"], toy) == 1
    assert "the number 02 is taken by 02_next_click" in capsys.readouterr().err
    assert main(["new", "Next click"], toy) == 1


def test_clean_copy_has_headings_and_code_only(toy: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean-copy", "00"], toy) == 0
    copy = read(toy.root / "build" / "clean" / "00_toy.ipynb")
    assert [cell.source for cell in copy.cells if cell.cell_type == "markdown"] == [
        "# A toy",
        "## Build it\n\n### In detail",
    ]
    assert any("return ____" in cell.source for cell in copy.cells)
    assert not any(cell.get("outputs") for cell in copy.cells)
    assert "clicks / shown" not in dump(copy)
    assert main(["clean-copy", "09"], toy) == 1
    assert "there is no chapter 09; there are: 00_toy, 01_other" in capsys.readouterr().err


# -- the course itself


def test_the_course_is_fresh() -> None:
    fingerprint.forget()
    project = Project(ROOT)
    if not project.names():
        pytest.skip("notebooks/src has no chapter yet")
    problems = check(project)
    assert not problems, "\n".join(["run make notebooks:", *map(str, problems)])
