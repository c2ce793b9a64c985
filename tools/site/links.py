"""Links of Markdown texts: to pages of the site they stay, to other files they lead to the repository."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from tools.chapters.project import Project

ROOT = Path(__file__).resolve().parents[2]
PICTURES = {".svg", ".png", ".jpg", ".jpeg", ".gif", ".webp"}
_CODE = r"(?P<code>^(?P<fence>```+|~~~+).*?^(?P=fence)\s*$|(?P<tick>`+)(?!`).+?(?P=tick))"
_CODE_OR_LINK = re.compile(rf"{_CODE}|\]\((?P<to>[^)\s]+)\)", re.DOTALL | re.MULTILINE)


class SiteError(Exception):
    """What keeps the site from being gathered, one line for each problem."""


@dataclass
class Links:
    """The files that are pages (paths from the root, with /), and what the links of the texts come to.

    `pictures` collects the files that texts show; `dead` the links that lead nowhere.
    """

    root: Path
    pages: Collection[str]
    pictures: set[str] = field(default_factory=set)
    dead: list[str] = field(default_factory=list)

    def rewrite(self, text: str, source: str) -> str:
        """A text with links that hold on the site; `source` is the file that it comes from."""

        def one(match: re.Match[str]) -> str:
            return match[0] if match["code"] else f"]({self.resolve(match['to'], source)})"

        return _CODE_OR_LINK.sub(one, text)

    def resolve(self, to: str, source: str) -> str:  # noqa: PLR0911 - one return for each kind of target
        """Where one link of a file has to lead on the site."""
        if re.match(r"[a-z][a-z+.-]*:|#|//", to):
            return to
        path, mark, fragment = to.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if target in self.pages:
            return to
        if beside := re.fullmatch(r"\.\./\.\./((issues|pulls|discussions|security)\b.*)", target):
            return f"https://github.com/{Project(self.root).address()[0]}/{beside[1]}{mark}{fragment}"
        if f"{target}/README.md" in self.pages:
            return f"{path.rstrip('/')}/README.md{mark}{fragment}"
        if target.startswith("..") or not (self.root / target).exists():
            self.dead.append(f"{source}: the link to {to} leads to nothing")
            return to
        if posixpath.splitext(target)[1] in PICTURES:
            self.pictures.add(target)
            return to
        return self.repository(target) + mark + fragment

    def repository(self, path: str) -> str:
        """The public address of a file or folder of the repository."""
        name, branch = Project(self.root).address()
        kind = "tree" if (self.root / path).is_dir() else "blob"
        return f"https://github.com/{name}/{kind}/{branch}/{path}"
