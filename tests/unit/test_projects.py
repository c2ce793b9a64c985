"""The projects: each has its parts and its rubric, its starter fails helpfully, its solution keeps the contract."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2] / "projects"
FOLDERS = sorted(path for path in ROOT.iterdir() if re.match(r"\d\d_", path.name))
CHECKED = [folder for folder in FOLDERS if (folder / "contract.py").is_file()]
CRITERIA = ("honest measurement", "correctness", "clarity", "what breaks it", "use")
SECTIONS = ("What is given", "Milestones", "Ways to go wrong", "Rubric")


def _loaded(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


check = _loaded(ROOT / "check.py", "projects_check")


def solution_of(folder: Path) -> Path:
    return folder / "solution" / f"project_{folder.name[:2]}.py"


def told(folder: Path, file: Path) -> Iterator[object]:
    number = folder.name[:2]
    contract = check.load(folder / "contract.py", f"contract_{number}")
    yield from check.ask(contract, check.load(file, f"mine_{number}"))


def public(path: Path) -> dict[str, list[str]]:
    """Functions and classes of a file that others use, with their parameters; methods as Class.method."""
    made: dict[str, list[str]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) else []
        for one, before in [(node, ""), *((part, f"{node.name}.") for part in inside)]:
            if isinstance(one, ast.ClassDef):
                made[one.name] = []
            elif isinstance(one, ast.FunctionDef) and (not one.name.startswith("_") or one.name == "__init__"):
                made[before + one.name] = [arg.arg for arg in one.args.args]
    return made


def test_there_is_one_for_each_chapter() -> None:
    chapters = sorted(path.name[:2] for path in (ROOT.parent / "notebooks" / "src").glob("[0-9][0-9]_*.py"))
    assert [folder.name[:2] for folder in FOLDERS] == chapters
    assert [folder.name[:2] for folder in FOLDERS if folder not in CHECKED] == ["05"]  # tests/services has its own


def test_the_index_names_each() -> None:
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert sorted(links) == [f"{folder.name}/README.md" for folder in FOLDERS]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_rubric_is_whole(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    table = text.split("## Rubric\n\n", 1)[1].split("\n\n", 1)[0].splitlines()
    assert table[0] == "| criterion | not yet | done | excellent |"
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table[2:]]
    assert [row[0] for row in rows] == list(CRITERIA)
    assert all(len(row) == 4 and all(row) for row in rows)
    assert re.search(r"Plan \w+ to \w+ hours", text)


@pytest.mark.parametrize("folder", CHECKED, ids=lambda folder: folder.name)
def test_the_readme_says_what_to_do(folder: Path) -> None:
    text, number = (folder / "README.md").read_text(encoding="utf-8"), folder.name[:2]
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS)
    assert f"(chapter {number})\n" in text
    for command in (f"python projects/check.py {number}\n", f"python projects/check.py {number} --measure\n"):
        assert command in text
    assert f"solution/project_{number}.py" in text
    functions = {name.rpartition(".")[2] for name in public(folder / "starter.py")}
    missing = [name for name in functions - {"__init__", "learn", "dim"} if f"`{name}" not in text and name not in text]
    assert len(missing) <= len(functions) // 2, missing
    measured = re.search(r"\d\.\d|\d ?%", text.replace(f"{number}_", ""))  # such numbers are printed by --measure
    assert measured is None, text[measured.start() - 40 : measured.end() + 40] if measured else ""


@pytest.mark.parametrize("folder", CHECKED, ids=lambda folder: folder.name)
def test_starter_and_solution_have_the_same_parts(folder: Path) -> None:
    given, solved = public(folder / "starter.py"), public(solution_of(folder))
    assert given.items() <= solved.items()
    lines = solution_of(folder).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 130
    assert not any("NotImplementedError" in line for line in lines)


@pytest.mark.parametrize("folder", CHECKED, ids=lambda folder: folder.name)
def test_the_starter_fails_in_a_helpful_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([folder.name[:2]]) == 1
    out = capsys.readouterr().out
    assert "error" not in {line.split()[0] for line in out.splitlines() if line.strip()}  # no traceback of ours
    for todo in re.findall(
        r'NotImplementedError\("((?:[^"\\]|\\.)+)"', (folder / "starter.py").read_text(encoding="utf-8")
    ):
        assert re.match(r"[\w.]+: \S.{15,}", todo), todo  # what is missing, and what to do
    assert "to write" in out
    assert "README.md" in out


@pytest.mark.parametrize("folder", CHECKED, ids=lambda folder: folder.name)
def test_the_solution_keeps_the_contract(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = check.main([folder.name[:2], "--solution"])
    assert code == 0, capsys.readouterr().out


# One step of each solution, and a mistake that people make there.
MISTAKES = {
    "products counted once a list": ("00", "held.setdefault(unit, set()).update(listed)", "held[unit] = set(listed)"),
    "the empty place is a product": ("00", "frozenset(held[unit] - {NOTHING})", "frozenset(held[unit])"),
    "halves with replacement": ("00", "rng.permutation(len(shown))[:half]", "rng.integers(len(shown), size=half)"),
    "intervals of quarters": ("00", "half, rng = len(shown) // 2", "half, rng = len(shown) // 4"),
    "a half circle": ("01", "2 * np.pi * np.mod", "np.pi * np.mod"),
    "missing is January": ("01", "made[there] = self._place(given[there])", "made = self._place(np.nan_to_num(given))"),
    "no period": ("01", "and period > 0", ""),
    "half-life twice": ("02", "0.5 ** (age / half_life_days)", "0.5 ** (2 * age / half_life_days)"),
    "the future counts": ("02", " and event.timestamp <= now_ms]", "]"),
    "slope upside down": ("02", "chance @ x - x[chosen]", "x[chosen] - chance @ x"),
    "exp of a large score": ("02", "np.exp(score - score.max())", "np.exp(score)"),
    "steps backwards": ("03", "(known[:-1], known[1:])", "(known[1:], known[:-1])"),
    "new products have none": ("03", "dtype=np.float64) + 1)", "dtype=np.float64))"),
    "scaled over the batch": ("03", "votes.max(axis=1, keepdims=True)", "votes.max()"),
    "the first click leads": ("03", "visit[-1]", "visit[0]"),
    "weak pairs stand in the way": ("04", "if share >= least:", "if share > 0:"),
    "numbers come back": ("04", "max([-1, *pages, *retired]) + 1", "max([-1, *pages]) + 1"),
    "shares of one side": ("04", "(before[page] + after[cluster] - n)", "before[page]"),
    "True is a time": ("06", "isinstance(told, bool | str)", "isinstance(told, str)"),
    "no longest look": ("06", "int(min(told // 1000, self.longest_s))", "int(told // 1000)"),
    "a mean without a prior": ("06", "/ (looks + self.prior)", "/ np.maximum(looks, 1)"),
    "rows are dealt out": ("07", "len(names)) < len(names) // 2)[place]", "len(units)) < len(units) // 2)"),
    "the choosers judge": ("07", "snips(other, targets[best][~choosing])", "snips(one, targets[best][choosing])"),
    "the last of equal ones": ("07", "for name in sorted(targets)", "for name in sorted(targets, reverse=True)"),
    "the oldest first": ("08", "dict.fromkeys(opened)", "dict.fromkeys(reversed(opened))"),
    "the cart is listed": ("08", " if item not in told[\"cart\"] and _in_shop", " if _in_shop"),
    "degraded in silence": ("08", "notes=notes, degraded=away)", "notes=notes)"),
    "best-sellers for nobody": ("08", "if away is not None and not items:", "if not items:"),
    "centres by length alone": ("09", "- 2 * cut @ book.T", "- cut @ book.T"),
    "the worst first": ("09", "argsort(-self.scores(", "argsort(self.scores("),
    "books for nothing": ("09", "(codes.nbytes + self.centres_.nbytes)", "codes.nbytes"),
    "microseconds": ("10", "_microseconds(event) // 1000", "_microseconds(event)"),
    "sessions of strangers": ("10", 'f"{user}/{parameter', 'f"{parameter'),
    "reloads count": ("10", ", number) != number:", ", number) < 0:"),
    "a receipt's second line": ("10", ", number) != number:", ", -1) != number:"),
    "0 is missing": ("10", "if value is not None), None)", "if value), None)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_the_contract_sees_mistakes(name: str, tmp_path: Path) -> None:
    number, right, wrong = MISTAKES[name]
    folder = check.folder_of(number)
    text = solution_of(folder).read_text(encoding="utf-8")
    assert text.count(right) == 1, f"{right!r} stands {text.count(right)} times in {solution_of(folder).name}"
    mine = tmp_path / "mine.py"
    mine.write_text(text.replace(right, wrong), encoding="utf-8")
    assert any(one.state != "holds" for one in told(folder, mine))  # type: ignore[attr-defined]


def test_each_contract_is_tried() -> None:
    assert {number for number, _, _ in MISTAKES.values()} == {folder.name[:2] for folder in CHECKED}


def test_a_mistake_of_a_learner_is_told_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.py"
    text = solution_of(check.folder_of("04")).read_text(encoding="utf-8")
    mine.write_text(text.replace("both = old.keys() & new.keys()", "both = 1 // 0", 1), encoding="utf-8")
    assert check.main(["04", "--file", str(mine)]) == 1
    assert "ZeroDivisionError" in (out := capsys.readouterr().out)
    assert "mine.py:" in out


@pytest.mark.parametrize("given", ["05", "99"])
def test_a_project_that_is_not_there(given: str) -> None:
    with pytest.raises(SystemExit, match="there is no contract"):
        check.main([given])


@pytest.mark.slow
@pytest.mark.parametrize("folder", CHECKED, ids=lambda folder: folder.name)
def test_the_simulated_shop_answers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([folder.name[:2], "--solution", "--measure"]) == 0
    measured = capsys.readouterr().out.split("parts of the contract hold.\n", 1)[1]
    assert re.search(r"\d", measured)
    assert "nan" not in measured
