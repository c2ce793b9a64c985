"""Cuts code into pieces that fit a slide, at places where a reader would cut it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from tools.chapters import markers

LINES = 14
"""The most lines of code on a slide, as they are seen: a long one counts as several."""

SIZES = ((24, 77), (22, 84), (20, 93), (18, 103))
"""Sizes of type in pixels, and how many characters of it fit a slide's width; the first that fits is taken."""

_MACHINERY = re.compile(
    r"(\w+ = )?exercise(\[\d+\]\.(check|hint|solution)\(|\.question\[\d+\]\.|\s*= chapter\()|"
    r"from recsys_lab\.exercises import|charts\.enable\(\)"
)


@dataclass(frozen=True)
class Piece:
    """Some lines of a cell: from `start` up to, not including, `stop`."""

    start: int
    stop: int
    size: int


def shown(code: str) -> str:
    """A cell's code without what is there for tests and exercises only.

    >>> shown("# needs: price\\nx = 1\\nclaim(x > 0, 'x is positive')")
    'x = 1'
    """
    code = re.sub(r"\A# needs: .*\n?", "", code)
    lines = code.splitlines()
    for node in reversed(_statements(code)):
        text = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        if _MACHINERY.match(text) or re.match(r"claim\(", text):
            del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines).strip("\n").rstrip()


def compact(code: str, lines: int = LINES) -> str:
    """No two blank lines on end; and when it is too long for a slide all the same, no imports from outside the course.

    >>> compact("a = 1\\n\\n\\nb = 2")
    'a = 1\\n\\nb = 2'
    """
    text = re.sub(r"\n{3,}", "\n\n", code)
    if sum(height(line) for line in text.splitlines()) <= lines:
        return text
    kept = text.splitlines()
    for node in reversed(_statements(text)):
        if _imports(node) and "recsys_lab" not in ast.unparse(node):
            del kept[node.lineno - 1 : node.end_lineno]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip("\n")


def before_chart(code: str) -> str:
    """What a cell computes before it draws; nothing when that is hardly more than imports.

    >>> before_chart("a = 1\\nb = 2\\nc = a + b\\ntitle = 'three'\\nalt.Chart(c)")
    'a = 1\\nb = 2\\nc = a + b'
    """
    lines = code.splitlines()
    statements = [node for node in _statements(code) if not _imports(node)]
    drawing = r"title\b|alt\.|charts\.|\w+\.chart\("
    first = next((node for node in statements if re.search(drawing, ast.unparse(node))), None)
    computed = statements if first is None else statements[: statements.index(first)]
    if len(computed) < 3:
        return ""
    kept = "\n".join(lines[: first.lineno - 1 if first else None])
    return re.sub(r"(?m)^import altair as alt\n+", "", f"{kept}\n").strip("\n").rstrip()


def type_size(code: str) -> int:
    """The largest size at which no line is broken; the smallest when some have to be."""
    longest = max((len(line) for line in code.splitlines()), default=0)
    return next((size for size, width in SIZES if longest <= width), SIZES[-1][0])


def height(line: str, width: int = SIZES[-1][1]) -> int:
    """How many lines a line takes when what is too long goes on below, four characters in.

    >>> height("x" * 103), height("x" * 104)
    (1, 2)
    """
    indent = len(line) - len(line.lstrip()) + 4
    return 1 if len(line) <= width else 1 - int(-(len(line) - width) // max(width - indent, 20))


def cut(code: str, lines: int = LINES) -> list[Piece]:
    """All of the code in pieces of at most `lines` lines, blank ones at their ends left out."""
    text, size = code.splitlines(), type_size(code)
    ends = _ends(code)
    pieces, start = [], 0
    while start < len(text):
        if not text[start].strip():
            start += 1
            continue
        stop = _stop(text, start, ends, lines)
        last = stop
        while not text[last - 1].strip():
            last -= 1
        pieces.append(Piece(start, last, size))
        start = stop
    return pieces


def _stop(text: list[str], start: int, ends: list[set[int]], lines: int) -> int:
    """Where the piece that begins at `start` ends: as late as it can at the best kind of place."""
    room, most = lines, start
    while most < len(text) and room >= height(text[most]):
        room -= height(text[most])
        most += 1
    most = max(most, start + 1)
    if most == len(text):
        return most
    for kind in ends:  # a good place counts when it leaves no stump
        if found := [at for at in kind if start + lines // 3 <= at <= most]:
            return max(found)
    return most


def _ends(code: str) -> list[set[int]]:
    """Places to cut, best first: between statements, at a blank line, between statements further in."""
    text = code.splitlines()
    outer = {_first(node) - 1 for node in _statements(code)}
    blank = {at for at, line in enumerate(text) if not line.strip()}
    inner = {_first(node) - 1 for top in _statements(code) for node in ast.walk(top) if isinstance(node, ast.stmt)}
    return [{_above_comments(text, at) for at in kind} for kind in (outer, blank, inner)]


def _above_comments(text: list[str], at: int) -> int:
    """A comment stays with the line that it is about."""
    while at > 0 and text[at - 1].lstrip().startswith("#"):
        at -= 1
    return at


def _first(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def _imports(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _statements(code: str) -> list[ast.stmt]:
    """The statements of a cell; none where it is another language's."""
    return ast.parse(markers.python_only(code)).body
