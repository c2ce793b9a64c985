"""Reads everything that the course says to people: pages, cells, docstrings, comments, messages, the shop's own words.

Links, headings and language are checked on what stands here (tests/unit/test_links.py, test_accessibility.py,
test_language.py), so that a new page or chapter is checked without being named anywhere.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from tools.chapters import markers
from tools.chapters.project import Project
from tools.chapters.source import Chapter, load

ROOT = Path(__file__).resolve().parent.parent
NOT_OURS = {"build", "dist", "node_modules", "__pycache__", "site-packages"}
"""Folders that hold what was built or installed; those with a dot in front are passed by too, but for .github."""
_FENCED = re.compile(r"^(\s*)(```+|~~~+).*?^\s*\2\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Text:
    """A piece of text and where it stands: its file, and a place in it for whoever has to mend it."""

    file: Path
    place: str
    words: str

    def __str__(self) -> str:
        name = self.file.relative_to(ROOT).as_posix() if self.file.is_relative_to(ROOT) else self.file.name
        return f"{name}, {self.place}" if self.place else name


def files(*patterns: str) -> list[Path]:
    """The project's files of these patterns (`*.md`), in order, without what was built or installed."""
    found = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if _ours(name)]  # an environment has more files than the course: not entered
        fitting = [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
        found += [Path(folder, name) for name in fitting]
    return sorted(found)


def _ours(folder: str) -> bool:
    return folder not in NOT_OURS and (folder == ".github" or not folder.startswith("."))


def pages() -> list[Text]:
    """All Markdown files."""
    return [Text(path, "", path.read_text(encoding="utf-8")) for path in files("*.md")]


def notebooks() -> list[Text]:
    """The Markdown of each notebook, cells joined, as a reader of the file meets it."""
    made = []
    for path in files("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        told = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        made.append(Text(path, "", "\n\n".join(told)))
    return made


def cells() -> list[Text]:
    """The Markdown cells of the chapters' sources, the card left out."""
    return [
        Text(_source(chapter), f"cell {number}", cell.solved)
        for chapter in _chapters(ROOT)
        for number, cell in enumerate(chapter.cells, 2)
        if cell.kind == "markdown"
    ]


def code_of_chapters() -> list[Text]:
    """Comments and sentences in the code cells, and what the cards say."""
    made = []
    for chapter in _chapters(ROOT):
        path = _source(chapter)
        card = chapter.card
        made.append(Text(path, "card", "\n".join((card.title, card.question, card.method, card.needs))))
        for number, cell in enumerate(chapter.cells, 2):
            if cell.kind == "code":
                text = "\n".join(in_python(markers.python_only(cell.solved)))
                made.append(Text(path, f"cell {number}", text))
    return made


@cache
def _chapters(root: Path) -> list[Chapter]:
    return load(Project(root))


def _source(chapter: Chapter) -> Path:
    return Project(ROOT).sources / f"{chapter.name}.py"


def code() -> list[Text]:
    """Docstrings, comments and sentences of the package, the tools and the projects."""
    made = []
    for path in files("*.py"):
        if path.relative_to(ROOT).parts[0] not in ("recsys_lab", "tools", "projects"):
            continue
        made.append(Text(path, "", "\n".join(in_python(path.read_text(encoding="utf-8")))))
    return made


def page_of_the_shop() -> list[Text]:
    """What the shop's page says: the sentences of its module, its markup, the comments of its styles."""
    folder = ROOT / "recsys_lab" / "shop" / "page"
    script = (folder / "shop.js").read_text(encoding="utf-8")
    said = re.findall(r'"([^"\n]*)"', script) + re.findall(r"`([^`]*)`", script) + re.findall(r"//[^\n]*", script)
    sentences = [re.sub(r"\$\{[^}]*\}", " ", text) for text in said if " " in text]
    markup = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", (folder / "index.html").read_text(encoding="utf-8"))
    return [Text(folder / "shop.js", "", "\n".join(sentences)), Text(folder / "index.html", "", markup)]


def in_python(source: str) -> Iterator[str]:
    """The comments of some Python, and its strings of three words or more; doctests are code and left out.

    >>> list(in_python('x = "a"  # a comment' + chr(10) + 'raise ValueError(f"no {x} can be read")'))
    ['a comment', 'no ', ' can be read']
    """
    yield from re.findall(r"(?:^|  )# (?!type:|noqa|%%|fmt:)(.+)", source, re.MULTILINE)  # as ruff lays out comments
    tree = ast.parse(source)
    pieces = (
        set()
    )  # constants that are no sentence of their own: parts of an f-string, and lists written as "a b c".split()
    for node in ast.walk(tree):  # what stands around comes before what stands in it
        if isinstance(node, ast.Attribute) and node.attr == "split":
            pieces.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            parts = [part for part in node.values if isinstance(part, ast.Constant)]
            pieces |= {id(part) for part in parts}
            if len(" ".join(str(part.value) for part in parts).split()) >= 3:
                yield from (str(part.value) for part in parts)
        elif id(node) in pieces:
            continue
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value.split()) >= 3:
            yield re.sub(r"^\s*>>> .*?(\n\s*\n|\Z)", "\n", node.value, flags=re.MULTILINE | re.DOTALL)


def spoken(markdown: str) -> str:
    """Markdown without what is not read aloud as words: code, formulas, addresses, comments, tags.

    >>> spoken("See `x_1` and [the shop](docs/shop.md), $a^2$ <b>now</b>").split()
    ['See', 'and', 'the', 'shop', ',', 'now']
    """
    text = unfenced(markdown)
    text = re.sub(r"<!--.*?-->", " ", text, flags=re.DOTALL)
    text = re.sub(r"``.*?``|`[^`]*`", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)\s]*\)", "] ", text)
    text = re.sub(r"\b\w+://\S+|<[^>\n]*>", " ", text)
    return text.replace("[", " ").replace("]", " ")


def unfenced(markdown: str) -> str:
    """Markdown with its fenced code blanked out; lines keep their numbers.

    >>> unfenced("a\\n```\\n# no heading\\n```\\nb")
    'a\\n\\n\\n\\nb'
    """
    return _FENCED.sub(lambda block: "\n" * block[0].count("\n"), markdown)
