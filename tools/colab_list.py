"""Keeps Colab's list of packages up to date: what a newer one changes, and what of that the course feels.

    python -m tools.colab_list newest                    # the path of the newest copy: tools/colab/packages-YYYY-MM.txt
    python -m tools.colab_list compare NEW.txt           # what NEW.txt changes against it
    python -m tools.colab_list compare NEW.txt --adopt   # and keep it as this month's copy

NEW.txt is what `pip freeze` prints on Colab, or the file pip-freeze.txt that Colab publishes on GitHub in
googlecolab/backend-info. Told are: packages that came, went or changed; of those the course names, whether the ranges
in pyproject.toml still allow them; and whether pip finds what a chapter installs on top (`recsys_lab.colab`) with every
package of Colab's held at its version. For the last of these pip resolves and installs nothing; it asks its index, and
where that does not answer, or with --offline, this is said not to have been tried. It ends with 1 when something would
not work on Colab.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from packaging.requirements import Requirement

from recsys_lab import colab
from tools.colab_imitation import COPIES, ROOT, SHIPPED, SHIPPED_FOR, Unlike, newest, normal, python313

EXTRAS = ("text", "pictures", "models", "vectors", "rank", "live", "shop", "spark")
"""The extras that notebooks meet. The others are for a laptop (lab), for tests, benchmarks and projects."""
PYTHON = "3.13"


@dataclass(frozen=True)
class Listing:
    """What a list says: versions by name, and the names that stand there with an address in place of a version."""

    versions: dict[str, str]
    addressed: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The list as constraints for pip, in order."""
        return "".join(f"{name}=={version}\n" for name, version in sorted(self.versions.items()))


@dataclass(frozen=True)
class Change:
    """A package in the old list and in the new one; "" where it is not there."""

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        if not self.old:
            return f"{self.name} {self.new} came"
        return f"{self.name} {self.old} -> {self.new}" if self.new else f"{self.name} {self.old} went"


@dataclass(frozen=True)
class Resolved:
    """What pip says of what some chapters install: what it would add, or why it cannot. Without an index: not tried."""

    chapters: str
    added: list[str] = field(default_factory=list)
    problem: str = ""
    tried: bool = True


def parse(text: str, where: str = "the list") -> Listing:
    """Read what `pip freeze` prints. Raises ValueError where that is no such list.

    >>> parse("# head\\nNumPy==2.1.3\\ntorch @ https://somewhere/torch-2.9.whl\\n")
    Listing(versions={'numpy': '2.1.3'}, addressed=['torch'])
    """
    versions, addressed = {}, []
    for line in text.splitlines():
        if found := re.match(r"([A-Za-z0-9][\w.-]*)(?:==([^\s;#]+)| @ )", line):
            if found[2]:
                versions[normal(found[1])] = found[2]
            else:
                addressed.append(normal(found[1]))
    if not versions:
        raise ValueError(f"{where}: no line is name==version; it has to be what pip freeze prints")
    return Listing(versions, addressed)


def changes(old: Listing, new: Listing) -> list[Change]:
    """What came, went or changed, by name; what either list names with an address cannot be told.

    >>> [str(one) for one in changes(parse("a==1\\nb==1"), parse("a==2\\nc==1"))]
    ['a 1 -> 2', 'b 1 went', 'c 1 came']
    """
    names = sorted((old.versions.keys() | new.versions.keys()) - {*old.addressed, *new.addressed})
    pairs = (Change(name, old.versions.get(name, ""), new.versions.get(name, "")) for name in names)
    return [one for one in pairs if one.old != one.new]


def requirements(root: Path = ROOT) -> dict[str, list[Requirement]]:
    """What pyproject.toml asks for that a notebook can meet, by package."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for name in EXTRAS for line in project["optional-dependencies"][name])]
    found: dict[str, list[Requirement]] = {}
    for line in lines:
        found.setdefault(normal(Requirement(line).name), []).append(Requirement(line))
    return found


def touched() -> set[str]:
    """The packages that the course names: its own dependencies, and what the imitation of Colab installs at first."""
    shipped = [*SHIPPED, *(name for names in SHIPPED_FOR.values() for name in names)]
    return {*requirements(), *map(normal, shipped)}


def problems(new: Listing, root: Path = ROOT) -> Iterator[str]:
    """What would not work on a Colab with these packages, without asking pip."""
    asked = requirements(root)
    for name, several in sorted(asked.items()):
        for one in several:
            version = new.versions.get(name)
            if version and not one.specifier.contains(version, prereleases=True):
                yield f"{name} {version}: pyproject.toml asks for {one.specifier}"
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    always = {normal(Requirement(line).name) for line in project["dependencies"]}
    lacking = {normal(Requirement(line).name) for line in colab.LACKING}
    for name in sorted(always - lacking - new.versions.keys() - set(new.addressed)):
        yield f"{name} is not there any more: recsys_lab.colab.LACKING has to name it"
    for name in sorted({*SHIPPED, *(one for names in SHIPPED_FOR.values() for one in names)}):
        if normal(name) not in {*new.versions, *new.addressed}:
            yield f"{name} is not there any more: tools.colab_imitation.SHIPPED must not name it"


def advice(new: Listing) -> Iterator[str]:
    """What is no problem, and could be simpler now."""
    every = dict.fromkeys(line for chapter in ("", *colab.MORE) for line in colab.needs(chapter))
    for line in every:
        name = normal(Requirement(line).name)
        if name in new.versions:
            yield f"{name} is shipped now ({new.versions[name]}): recsys_lab.colab need not name it"


def resolve(constraints: Path, needs: Sequence[str], chapters: str) -> Resolved:
    """Ask pip, dry, for what these chapters install, with all that is listed held at its version."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(
            [*_pip(folder), "--dry-run", "--report", str(report), "--constraint", str(constraints), *needs],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return _refused(chapters, done.stderr)
        found = [one["metadata"] for one in json.loads(report.read_text(encoding="utf-8"))["install"]]
    theirs = parse(constraints.read_text(encoding="utf-8")).versions
    here = {normal(one["name"]): one["version"] for one in found}
    if other := sorted(name for name, version in here.items() if theirs.get(name, version) != version):
        return Resolved(chapters, problem=f"would change {', '.join(other)}")
    return Resolved(chapters, sorted(f"{name} {version}" for name, version in here.items() if name not in theirs))


def _pip(folder: str) -> list[str]:
    """Pip of Colab's Python; with none here, that of this one, which then reads markers as its own version does."""
    call = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--ignore-installed",
        "--only-binary=:all:",
    ]
    try:
        return [python313(), *call]
    except Unlike:
        return [sys.executable, *call, "--python-version", PYTHON, "--target", folder]


def _refused(chapters: str, said: str) -> Resolved:
    """Why pip found nothing: versions that fight, or no index that answers."""
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    first = errors[0] if errors else (said.strip().splitlines() or ["no reason given"])[-1]
    unreachable = "from versions: none" in said or "NewConnectionError" in said or not errors
    return Resolved(chapters, problem=first, tried=not unreachable)


def resolutions(constraints: Path) -> Iterator[Resolved]:
    """The same for every chapter; chapters with the same needs are asked for once."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for chapter in ("", *colab.MORE):
        groups.setdefault(colab.needs(chapter), []).append(chapter or "all others")
    for needs, chapters in groups.items():
        yield resolve(constraints, needs, f"chapters {', '.join(chapters)}")


def adopt(new: Listing, origin: str, today: date, folder: Path = COPIES) -> Path:
    """Write this month's copy, with a head that says what it is."""
    path = folder / f"packages-{today:%Y-%m}.txt"
    left = f"# Named there with an address in place of a version, and left out here: {', '.join(new.addressed)}.\n"
    head = (
        f"# What Google Colab's CPU runtime ships, as constraints for pip: pip install -c tools/colab/{path.name} ...\n"
        f"# Runtime: Python {PYTHON}.\n"
        f"# Copied on {today:%Y-%m-%d} from {origin}.\n"
        f"{left if new.addressed else ''}"
        "# A newer list: python -m tools.colab_list compare NEW.txt, and then the same with --adopt.\n"
    )
    path.write_text(head + new.text(), encoding="utf-8", newline="\n")
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was asked for; 1 when something would not work."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "newest":
            print(newest().relative_to(ROOT).as_posix())
            return 0
        return _compare(given)
    except (OSError, ValueError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1


def _compare(given: argparse.Namespace) -> int:
    copy = newest()
    old, new = (parse(path.read_text(encoding="utf-8"), path.name) for path in (copy, given.new))
    all_changes, named = changes(old, new), touched()
    ours = [one for one in all_changes if one.name in named]
    count = (
        f"{len(all_changes)} of {len(old.versions)} packages came, went or changed, {len(ours)} that the course names"
    )
    print(f"{given.new.name} against {copy.name}: {count}")
    for one in all_changes if given.all else ours:
        print(f"  {one}")
    if new.addressed:
        print(f"named with an address, so not compared: {', '.join(new.addressed)}")
    for line in advice(new):
        print(f"note: {line}")
    wrong = [*problems(new), *_ask_pip(new, given.offline)]
    print("\n".join(f"WRONG: {line}" for line in wrong) or "Nothing in it stops the course.")
    if given.adopt:
        path = adopt(new, given.origin, datetime.now(UTC).date())
        print(f"wrote {path.relative_to(ROOT).as_posix()}; now: make colab ARGS=--all")
    return 1 if wrong else 0


def _ask_pip(new: Listing, offline: bool) -> list[str]:
    if offline:
        print("what a chapter installs on top: not tried (--offline)")
        return []
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text(new.text(), encoding="utf-8")
        for one in resolutions(constraints):
            if not one.tried:
                print(f"{one.chapters}: not tried, pip found nothing at all: is there a network? ({one.problem})")
            elif one.problem:
                wrong.append(f"{one.chapters}: {one.problem}")
            else:
                print(f"{one.chapters}: nothing of Colab's changes; added: {', '.join(one.added)}")
    return wrong


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.colab_list", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("newest", help="the path of the newest copy")
    compare = commands.add_parser("compare", help="what another list changes")
    compare.add_argument("new", type=Path, help="what pip freeze prints on Colab")
    compare.add_argument("--all", action="store_true", help="show also what the course does not name")
    compare.add_argument("--offline", action="store_true", help="do not ask pip what it would install on top")
    compare.add_argument("--adopt", action="store_true", help="keep it as this month's copy")
    compare.add_argument("--origin", default="a list that was given", help="for the head of the copy: where it is from")
    return parser


if __name__ == "__main__":
    sys.exit(main())
