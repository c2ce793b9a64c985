"""Where things lie, the public address, and the one kind of error that the toolchain raises."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

NAME = re.compile(r"\d\d_[a-z0-9_]+")
"""A chapter's name: two digits and words in small letters."""


class ChapterError(Exception):
    """What is wrong with chapters, one line for each problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Project:
    """A repository with chapters. `package` is the package whose changes make a chapter stale."""

    root: Path
    package: str = "recsys_lab"

    @property
    def sources(self) -> Path:
        """The folder of the chapters' sources."""
        return self.root / "notebooks" / "src"

    def names(self) -> list[str]:
        """The names of the chapters, in the course's order."""
        return sorted(path.stem for path in self.sources.glob("*.py"))

    def find(self, name: str) -> str:
        """The chapter that is meant by its name, its number, or the path of one of its files."""
        stem = Path(name).stem
        found = [known for known in self.names() if stem in (known, known[:2])]
        if len(found) != 1:
            raise ChapterError([f"there is no chapter {name}; there are: {', '.join(self.names()) or 'none yet'}"])
        return found[0]

    def notebook(self, name: str, solved: bool = False) -> Path:
        """The learner's notebook of a chapter, or the solved one."""
        return self.root / "notebooks" / ("solutions" if solved else "") / f"{name}.ipynb"

    def solutions(self, name: str) -> Path:
        """The file with the text of the solutions of a chapter."""
        return self.root / self.package / "exercises" / "solutions" / f"{name[:2]}.json"

    def where(self, path: Path) -> str:
        """A path as a message names it: from the root, with / on every system."""
        return path.relative_to(self.root).as_posix()

    def address(self) -> tuple[str, str]:
        """Owner and name of the public repository, and its branch or tag."""
        table = tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8")).get("tool", {})
        try:
            return table["recsys-lab"]["repository"], table["recsys-lab"]["branch"]
        except KeyError:
            raise ChapterError(["pyproject.toml: [tool.recsys-lab] needs the keys repository and branch"]) from None

    def set_address(self, repository: str, branch: str) -> None:
        """Write another address into pyproject.toml; the rest of the file stays as it is."""
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
            raise ChapterError([f"{repository!r} is no address: it has to be owner/name"])
        if not re.fullmatch(r"[\w.][\w./-]*", branch):
            raise ChapterError([f"{branch!r} is no name of a branch or tag"])
        self.address()  # complains when the section is not there
        path = self.root / "pyproject.toml"
        before, heading, after = path.read_text(encoding="utf-8").partition("[tool.recsys-lab]\n")
        section, bracket, rest = after.partition("\n[")
        for key, value in (("repository", repository), ("branch", branch)):
            section = re.sub(rf'(?m)^{key}\s*=\s*"[^"]*"', f'{key} = "{value}"', section)
        path.write_text(before + heading + section + bracket + rest, encoding="utf-8", newline="\n")
