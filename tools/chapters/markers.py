"""The markers at the ends of a cell's lines, and the two texts that come of them: the solved and the learner's."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass

LOOKS_LIKE = re.compile(r"#\s+=|#=|#\s*-\s*$")


@dataclass(frozen=True)
class Split:
    """A cell as the solution has it, as the learner gets it, and the lines that only the solution has."""

    solved: str
    learner: str
    removed: tuple[str, ...]


class MarkerError(ValueError):
    """A marker that cannot be understood; the words say which and why."""


def comments(source: str) -> dict[int, tuple[int, str]]:
    """The comment of each line that has one: where it starts, and its text. A # inside a string is no comment."""
    tokens = tokenize.generate_tokens(io.StringIO(python_only(source)).readline)
    try:
        return {token.start[0]: (token.start[1], token.string) for token in tokens if token.type == tokenize.COMMENT}
    except (tokenize.TokenError, SyntaxError) as why:
        raise MarkerError(f"it cannot be read as Python: {why.args[0]}") from None


def python_only(source: str) -> str:
    """The code without what only IPython understands: %magic, !command, and cells that are another language's."""
    return "" if source.startswith("%%") else re.sub(r"(?m)^([ \t]*)[%!].*$", r"\1pass", source)


def is_marker(comment: str) -> bool:
    """Whether a comment is one of the two markers."""
    return comment.startswith("#=") or comment.rstrip() == "#-"


def split(source: str) -> Split:
    """Take a cell apart; without markers, both texts are the source itself."""
    found = comments(source)
    solved: list[str] = []
    learner: list[str] = []
    removed: list[str] = []
    for number, line in enumerate(source.splitlines(), 1):
        column, comment = found.get(number, (len(line), ""))
        if not is_marker(comment):
            if LOOKS_LIKE.match(comment):
                raise MarkerError(f"'{comment}' is nearly a marker: write '#= CODE' or '#-'")
            solved.append(line)
            learner.append(line)
            continue
        code, replaced = line[:column].rstrip(), _replacement(comment)
        if not code:
            raise MarkerError(f"'{comment}' stands alone: a marker belongs behind the solved line")
        solved.append(code)
        removed.append(code.strip())
        if replaced:
            learner.append(code[: len(code) - len(code.lstrip())] + replaced)
    return Split("\n".join(solved), "\n".join(learner), tuple(removed))


def _replacement(comment: str) -> str:
    """The learner's line; empty where the line is left out."""
    if comment.rstrip() == "#-":
        return ""
    code = comment[2:].strip()
    if not code:
        raise MarkerError("'#=' without code behind it: write the learner's line, or '#-' to leave the line out")
    if "#=" in code or code.endswith("#-"):
        raise MarkerError(f"'{comment}' holds two markers")
    return code
