"""What the site's Sphinx does differently: formulas without a script, docstrings in the course's own plain dress."""

from __future__ import annotations

import ast
import re
import textwrap
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
    app.connect("config-inited", _gathered_charts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _gathered_charts(app: Any, config: Any) -> None:
    config.html_static_path.append(str(app.srcdir / "_static"))


def _inline(translator: Any, node: Any) -> None:
    translator.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def _block(translator: Any, node: Any) -> None:
    translator.body.append(f'<div class="formula" tabindex="0">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def _docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = plain_to_rst(lines)


def _signature(app: Any, what: str, name: str, obj: Any, options: Any, given: str | None, back: str | None) -> Any:
    """A default that is no Python, as a dataclass's <factory>, would keep Sphinx from reading the signature."""
    return re.sub(r"=\s*<[^<>]+>", "=...", given) if given else given, back


def plain_to_rst(lines: list[str]) -> list[str]:
    """A docstring of ours as reStructuredText: code in backticks, lists, examples, indented code, else text.

    >>> plain_to_rst(["Learned state ends in `_`; 2*k, never **."])
    ['Learned state ends in ``_``; 2\\\\*k, never \\\\*\\\\*.']
    """
    out: list[str] = []
    example = literal = False
    for at, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        before = next((said for said in reversed(out) if said.strip()), "")
        if not line.strip():
            example = False
            out.append("")
            continue
        if line.lstrip().startswith(">>>") and not literal:
            if not example and out and out[-1].strip():
                out.append("")
            example = True
        if literal and indent == 0:
            literal = False
        if not (example or literal) and indent >= 4 and (not out or not out[-1].strip()) and not _item(before):
            literal = True
            out += [f".. code-block:: {'python' if _is_python(lines, at) else 'text'}", ""]
        starts = _item(line) and not (example or literal) and out and out[-1].strip() and not _in_list(out)
        if starts:
            out.append("")
        out.append(line if example or literal else _escaped(line))
    return out


def _is_python(lines: list[str], at: int) -> bool:
    """Whether the indented lines that start at `at` are code, and no formula."""
    block = []
    for line in lines[at:]:
        if line.strip() and not line.startswith("    "):
            break
        block.append(line)
    try:
        ast.parse(textwrap.dedent("\n".join(block)))
    except SyntaxError:
        return False
    return True


def _item(line: str) -> bool:
    return bool(re.match(r"\s*(- |\d+\. )", line))


def _in_list(out: list[str]) -> bool:
    """Whether the paragraph that is being written is part of a list."""
    for line in reversed(out):
        if not line.strip():
            return False
        if _item(line):
            return True
    return False


def _escaped(line: str) -> str:
    """A line with its code marked, and all other marks taken as they are."""
    parts = re.split(r"(`+[^`]+`+)", line)
    for at, part in enumerate(parts):
        if at % 2 == 0:
            parts[at] = re.sub(r"([\\*|_])", r"\\\1", part)
        else:  # behind code there has to be a gap, which may be an invisible one
            parts[at] = f"``{part.strip('`').strip()}``" + ("\\ " if re.match(r"\w", parts[at + 1]) else "")
    return "".join(parts)
