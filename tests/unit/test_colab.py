"""What makes a chapter run on Colab: its first cell, the set-up, and which chapters the imitation of Colab runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed (requirements-dev.txt)")
pytest.importorskip("nbclient", reason="nbclient is not installed (requirements-dev.txt)")

from recsys_lab import colab, fingerprint
from tools import colab_imitation
from tools.chapters.build import dump
from tools.chapters.card import COLAB_CELL, colab_cell
from tools.chapters.project import Project
from tools.chapters.render import Facts, render
from tools.chapters.source import load, parse

ROOT = Path(__file__).resolve().parents[2]

SOURCE = """\
# %% [markdown] tags=["card"]
# title: A toy
# question: What is twice as much?
# method: doubling
# minutes: 5
# needs: nothing

# %%
from toy_shop.maths import double

double(1)
"""

# -- the set-up


def test_what_colab_lacks_is_said_as_in_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = {*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)}
    lacking = {line for chapter in ("", *colab.MORE) for line in colab.needs(chapter)}
    assert lacking <= known
    listed = colab_imitation.plain(colab_imitation.listed().read_text(encoding="utf-8"))
    theirs = {line.partition("==")[0].lower() for line in listed.splitlines()}
    needed = [line for line in project["dependencies"] if colab._name(line).lower() not in theirs]
    assert set(needed) <= set(colab.LACKING)
    assert not {colab._name(line) for line in lacking} & theirs


def test_colab_set_up_installs_only_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed: list[list[str]] = []
    monkeypatch.setattr(colab, "_install", installed.append)
    monkeypatch.setattr(colab, "LACKING", ("numpy>=1", "no-such-package>=2,<3"))
    monkeypatch.setattr(colab, "MORE", {"05": ("no-such-store[binary]>=1", "pandas>=1"), "06": ("no-such-third",)})
    monkeypatch.setattr(colab, "REPOSITORY", tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    colab.setup()
    assert (installed, Path.cwd(), capsys.readouterr().out) == ([], tmp_path, "")
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    colab.setup()
    colab.setup()
    assert installed == [["no-such-package>=2,<3"]] * 2
    colab.setup("05")
    assert installed[2:] == [["no-such-package>=2,<3", "no-such-store[binary]>=1"]]
    assert "Installing no-such-package, no-such-store …" in capsys.readouterr().out
    assert Path.cwd() == tmp_path / "notebooks"
    assert sys.path.count(str(tmp_path)) == 1
    assert os.environ["PYTHONPATH"] == str(tmp_path)


def test_colab_install_holds_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def pip(call: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.extend(call)
        asked.append(Path(call[call.index("--constraint") + 1]).read_text(encoding="utf-8"))
        return subprocess.CompletedProcess(call, 1, "", "ERROR: no network")

    monkeypatch.setattr(colab.subprocess, "run", pip)
    with pytest.raises(RuntimeError, match="pip could not install thing: ERROR: no network"):
        colab._install(["thing"])
    assert f"numpy=={metadata.version('numpy')}\n" in asked[-1]


def test_colab_cell_clones_and_sets_up(tmp_path: Path) -> None:
    """The cell's code in a Python of its own, with a repository that holds the set-up alone."""
    origin = tmp_path / "origin"
    (origin / "recsys_lab").mkdir(parents=True)
    (origin / "notebooks").mkdir()
    (origin / "notebooks" / "x").write_text("")
    (origin / "recsys_lab" / "__init__.py").write_text("")
    (origin / "recsys_lab" / "colab.py").write_text((ROOT / "recsys_lab" / "colab.py").read_text(encoding="utf-8"))
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", str(origin)]
    for call in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *call], check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull})
    cell = COLAB_CELL.format(branch="main", repository="a/b", chapter="")
    assert len(cell.splitlines()) < 15
    environment = {key: value for key, value in os.environ.items() if key != "COLAB_RELEASE_TAG"}
    names = {"RECSYS_LAB_CLONE": origin.as_uri(), "RECSYS_LAB_CONTENT": str(tmp_path / "content")}
    script = f"{cell}\nimport os\nprint(os.getcwd())"
    for name, where in (
        ("NOTHING", tmp_path),
        ("COLAB_RELEASE_TAG", tmp_path / "content" / "recsys-lab" / "notebooks"),
    ):
        run = subprocess.run(
            [sys.executable, "-I", "-c", script],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={**environment, **names, name: "x"},
        )
        assert run.stdout.splitlines()[-1] == str(where)


OPENED = ["00_start_here", "05_vector_databases"]
"""One chapter that installs what all need, and one that needs more."""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with what a chapter's first cells need, as it is here, committed or not."""
    origin = tmp_path_factory.mktemp("course")
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("recsys_lab", "data/shop"):
        shutil.copytree(ROOT / folder, origin / folder, ignore=ignored)
    write(origin / "notebooks" / "README.md", "the folder that the set-up goes to")
    commit(origin)
    return origin


@pytest.mark.parametrize("chapter", OPENED)
def test_a_copy_under_another_name_sets_itself_up(chapter: str, course: Path, tmp_path: Path) -> None:
    """File > Save a copy in Drive: the notebook under another name, and nothing of the course beside it.

    Its first cells run in a kernel, up to the one that imports what the chapter needs; what the course asks for is
    installed here, so that this needs no network. Whole copies run with `make test-all`.
    """
    if lacking := colab.missing(chapter[:2]):
        pytest.skip(f"not installed here: {', '.join(lacking)}")
    import nbformat
    from nbclient import NotebookClient

    content = tmp_path / "content"
    content.mkdir()
    copy = content / f"Copy of {chapter}.ipynb"
    shutil.copy(ROOT / "notebooks" / f"{chapter}.ipynb", copy)
    notebook = nbformat.read(copy, as_version=4)
    code = [place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    assert "colab" in notebook.cells[code[0]].metadata["tags"]
    notebook.cells = notebook.cells[: code[1] + 1]
    assert "recsys_lab" in notebook.cells[-1].source
    asked = "import json, os, recsys_lab\nprint(json.dumps([recsys_lab.__file__, os.getcwd()]))"
    notebook.cells.append(nbformat.v4.new_code_cell(asked))
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RECSYS_LAB_SHOP")}
    own |= {"COLAB_RELEASE_TAG": "x", "RECSYS_LAB_CLONE": course.as_uri(), "RECSYS_LAB_CONTENT": str(content)}
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(content)}}
    ).execute(env=own)
    assert "The course is ready." in notebook.cells[code[0]].outputs[0].text
    package, folder = json.loads(notebook.cells[-1].outputs[-1].text)
    assert Path(package).is_relative_to(content / "recsys-lab" / "recsys_lab")
    assert Path(folder) == content / "recsys-lab" / "notebooks"


def test_only_chapters_that_need_more_name_themselves_in_the_first_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colab, "MORE", {"05": ("thing",)})
    first, fifth = (colab_cell(Project(ROOT), parse(name, SOURCE)) for name in ("00_toy", "05_toy"))
    assert first.endswith("\n    setup()")
    assert fifth == first.replace("setup()", 'setup("05")')


# -- which chapters the imitation runs


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Three chapters with notebooks that were not run, the first two on one module, in a repository of their own."""
    project = Project(tmp_path / "toy", package="toy_shop")
    files = {
        "pyproject.toml": '[tool.recsys-lab]\nrepository = "OWNER/toy"\nbranch = "main"\n',
        "toy_shop/__init__.py": "",
        "toy_shop/maths.py": "def double(x):\n    return 2 * x\n",
        "recsys_lab/other.py": "",
        "notebooks/src/00_toy.py": SOURCE,
        "notebooks/src/01_toy.py": SOURCE,
        "notebooks/src/02_toy.py": SOURCE.replace("from toy_shop.maths import double", "double = abs"),
    }
    for name, text in files.items():
        write(project.root / name, text)
    monkeypatch.syspath_prepend(str(project.root))
    fingerprint.forget()
    chapters = load(project)
    for chapter in chapters:
        write(project.notebook(chapter.name), dump(render(project, chapter, chapters, Facts(""), solved=False)))
    listed = tmp_path / "packages.txt"
    listed.write_text("numpy==2.0\n", encoding="utf-8")
    monkeypatch.setenv("COLAB_PACKAGES", str(listed))
    monkeypatch.setattr(colab_imitation, "RECORD", tmp_path / "colab.json")
    commit(project.root)
    return project


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    fingerprint.forget()


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    write(path, text.replace(old, new))


def commit(root: Path) -> None:
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", str(root)]
    for call in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *call], check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull})


def keys(project: Project) -> dict[str, str]:
    listed = colab_imitation.plain(Path(os.environ["COLAB_PACKAGES"]).read_text(encoding="utf-8"))
    return {chapter.name: colab_imitation.key(project, chapter, listed) for chapter in load(project)}


def rows(project: Project) -> dict[str, colab_imitation.Ran]:
    return {name: colab_imitation.Ran(now, 9.0, 30) for name, now in keys(project).items()}


def touched(project: Project, before: dict[str, str]) -> set[str]:
    return {name[:2] for name, now in keys(project).items() if before[name] != now}


@pytest.mark.parametrize(
    ("file", "old", "new", "chapters"),
    [
        ("notebooks/src/01_toy.py", "double(1)", "double(2)", {"01"}),
        ("notebooks/01_toy.ipynb", "double(1)", "double(2)", {"01"}),
        ("toy_shop/maths.py", "2 * x", "x + x", {"00", "01"}),
        ("toy_shop/maths.py", "    return", "    # twice\n    return", set()),
        ("notebooks/02_toy.ipynb", "5 minutes to read", "6 minutes to read", set()),
        ("../packages.txt", "2.0", "2.1", {"00", "01", "02"}),
        ("../packages.txt", "numpy", "# of this month\nnumpy", set()),
    ],
)
def test_what_a_key_depends_on(toy: Project, file: str, old: str, new: str, chapters: set[str]) -> None:
    before = keys(toy)
    assert keys(toy) == before
    replace(toy.root / file, old, new)
    assert touched(toy, before) == chapters


def test_keys_depend_on_what_is_installed(toy: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(toy)
    monkeypatch.setattr(colab, "MORE", {"02": ("thing",)})
    assert touched(toy, before) == {"02"}
    monkeypatch.setattr(colab_imitation, "SHIPPED", ["numpy"])
    assert touched(toy, before) == {"00", "01", "02"}


Imitate = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def imitate(toy: Project, monkeypatch: pytest.MonkeyPatch) -> Imitate:
    """The command without an environment and without running anything: its exit code, and what it would have run."""
    ran: list[str] = []

    def run(_: Path, notebook: Path, *__: Path) -> colab_imitation.Seconds:
        if "stop" in notebook.read_text(encoding="utf-8"):
            raise colab_imitation.Unlike(f"{notebook.name} stopped")
        ran.append(notebook.stem[:2])
        return colab_imitation.Seconds(9.04, 30)

    def call(*arguments: str) -> tuple[int, list[str]]:
        ran.clear()
        return colab_imitation.main(arguments, toy), list(ran)

    monkeypatch.setattr(colab_imitation, "make_environment", lambda folder, *_: folder)
    monkeypatch.setattr(colab_imitation, "run", run)
    return call


def test_the_imitation_runs_what_has_changed_and_the_first(
    toy: Project, imitate: Imitate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imitate() == (0, ["00", "01", "02"])
    assert colab_imitation.read_record() == rows(toy)
    assert "00_toy: runs as on Colab (9 s of set-up, 30 s of cells)" in capsys.readouterr().out
    assert imitate() == (0, ["00"])
    assert "unchanged since they ran as on Colab: 01_toy, 02_toy" in capsys.readouterr().out
    assert imitate("--all") == (0, ["00", "01", "02"])
    assert imitate("02", "notebooks/01_toy.ipynb") == (0, ["02", "01"])
    replace(toy.notebook("02_toy"), "double(1)", "double(3)")
    commit(toy.root)
    assert imitate() == (0, ["00", "02"])


def test_a_chapter_that_failed_is_run_again(toy: Project, imitate: Imitate, capsys: pytest.CaptureFixture[str]) -> None:
    replace(toy.notebook("01_toy"), "double(1)", "stop(1)")
    commit(toy.root)
    assert imitate() == (1, ["00"])
    assert "not as on Colab: 01_toy.ipynb stopped" in capsys.readouterr().err
    assert set(colab_imitation.read_record()) == {"00_toy"}
    replace(toy.notebook("01_toy"), "stop(1)", "double(1)")
    commit(toy.root)
    assert imitate() == (0, ["00", "01", "02"])


@pytest.mark.parametrize("file", ["recsys_lab/other.py", "recsys_lab/new.py", "notebooks/00_toy.ipynb"])
def test_what_is_not_committed_is_not_recorded(
    toy: Project, imitate: Imitate, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with (toy.root / file).open("a", encoding="utf-8") as more:
        more.write("\n")
    assert imitate()[0] == 0
    assert "changes without a commit" in capsys.readouterr().out
    assert colab_imitation.read_record() == {}


def test_the_record_forgets_chapters_that_are_gone(toy: Project, imitate: Imitate) -> None:
    row = colab_imitation.Ran("x", 9, 30)
    colab_imitation.write_record({"00_toy": row, "07_gone": row}, ["00_toy", "07_gone"])
    assert imitate() == (0, ["00", "01", "02"])
    assert colab_imitation.read_record() == rows(toy)


def test_a_row_without_seconds_is_measured_again(toy: Project, imitate: Imitate) -> None:
    colab_imitation.RECORD.write_text(json.dumps(keys(toy)), encoding="utf-8")
    assert imitate() == (0, ["00", "01", "02"])
    assert colab_imitation.read_record() == rows(toy)


# -- Colab's list, and the seconds that are kept


def test_without_another_list_the_newest_copy_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("packages-2026-09.txt", "packages-2026-11.txt", "packages-2025-12.txt", "packages-new.txt"):
        (tmp_path / name).touch()
    assert colab_imitation.newest(tmp_path).name == "packages-2026-11.txt"
    monkeypatch.delenv("COLAB_PACKAGES", raising=False)
    assert colab_imitation.listed() == colab_imitation.newest()
    monkeypatch.setenv("COLAB_PACKAGES", str(tmp_path / "packages-new.txt"))
    assert colab_imitation.listed() == tmp_path / "packages-new.txt"
    with pytest.raises(FileNotFoundError, match="holds no copy"):
        colab_imitation.newest(tmp_path / "empty")


def test_a_list_that_is_not_there_is_no_success(
    imitate: Imitate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLAB_PACKAGES", "nowhere.txt")
    assert imitate() == (1, [])
    assert "COLAB_PACKAGES names no file: nowhere.txt" in capsys.readouterr().err


def test_a_set_up_of_a_minute_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    took = [colab_imitation.Seconds(59.9, 400), colab_imitation.Seconds(60, 1)]
    monkeypatch.setattr(colab_imitation, "_run", lambda *_: took.pop(0))
    monkeypatch.setattr(colab_imitation, "versions", lambda _: {"numpy": "2.0"})
    done = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(colab_imitation.subprocess, "run", lambda *_, **__: done)
    notebook, listed = tmp_path / "00.ipynb", tmp_path / "listed.txt"
    notebook.touch()
    listed.touch()
    assert colab_imitation.run(Path("python"), notebook, tmp_path / "a", listed).run == 400
    with pytest.raises(colab_imitation.Unlike, match="its set-up took 60 s; less than 60 s are allowed"):
        colab_imitation.run(Path("python"), notebook, tmp_path / "b", listed)


def test_a_run_is_timed_in_two_parts(tmp_path: Path) -> None:
    """The code that runs a notebook in Colab's Python, here in this one: the cell that sets up, and the others."""
    import nbformat

    cells = [nbformat.v4.new_code_cell("import time; time.sleep(0.6); print('ready')", metadata={"tags": ["colab"]})]
    cells.append(nbformat.v4.new_code_cell("time.sleep(0.2)"))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "Copy of a.ipynb")
    call = [sys.executable, "-c", colab_imitation.RUN, str(tmp_path / "Copy of a.ipynb"), str(tmp_path)]
    told = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    assert told["said"] == ["ready\n"]
    assert told["set_up"] >= 0.6
    assert told["run"] >= 0.2


def test_every_chapter_that_ran_was_set_up_within_a_minute() -> None:
    record = colab_imitation.read_record()
    if not record:
        pytest.skip("no seconds are kept yet: make colab ARGS=--all")
    assert set(record) <= {chapter.name for chapter in load(Project(ROOT))}
    assert {name: row for name, row in record.items() if not 0 < row.set_up_seconds < 60} == {}
    assert all(row.run_seconds > 0 for row in record.values())
