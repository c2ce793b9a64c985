"""Reads a cell's prose: what of it stands on a slide (its core), and all of it, for the speaker's notes."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

Kind = Literal["text", "item", "math", "code", "out", "table", "html", "chart"]

CORE = 230
"""How many characters of a cell's running text stand on a slide, about; it ends at the end of a sentence."""

LEAD = 450
"""The same for the beginning of a part, where the first sentences of every paragraph stand on the slide."""

TEXT_WIDTH, TEXT_LINE = 84, 38  # characters in a line of text, and the line's height in pixels
_END = re.compile(r"(?<=[.!?:])(?<!e\.g\.)(?<!i\.e\.)(?<!al\.)\s+(?=[*_`“\"(]*[A-Z0-9])")


@dataclass(frozen=True)
class Block:
    """Something that stands on a slide whole: its HTML, and how much of the slide's height, in pixels.

    `lines` counts lines of code, `start` is the number of an item of a numbered list, `title` a chart's finding.
    """

    kind: Kind
    html: str
    height: int
    lines: int = 0
    start: int = 0
    title: str = ""


@dataclass
class Part:
    """A heading (level 0: none) and what stands below it up to the next heading."""

    level: int
    heading: str
    tokens: list[list[Token]] = field(default_factory=list)


def _math(content: str, options: dict[str, Any]) -> str:
    """A formula as MathML, which browsers draw themselves."""
    try:
        from latex2mathml.converter import convert  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ModuleNotFoundError as why:
        raise ModuleNotFoundError("formulas on slides need a package: pip install 'latex2mathml>=3.78'") from why

    made: str = convert(content, display="block" if options.get("display_mode") else "inline")
    return made.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.use(dollarmath_plugin, renderer=_math, allow_digits=False)

    def link(self: Any, tokens: list[Token], at: int, options: Any, env: Any) -> str:
        if not str(tokens[at].attrs.get("href", "")).startswith("http"):
            tokens[at].attrs = {}  # a link from notebook to notebook leads nowhere from a slide
        rendered: str = self.renderToken(tokens, at, options, env)
        return rendered

    reader.add_render_rule("link_open", link)
    return reader


_READER = _reader()


def parts(markdown: str) -> list[Part]:
    """The text taken apart at its headings.

    >>> [(part.level, part.heading, len(part.tokens)) for part in parts("One.\\n\\n## Build it\\n\\nTwo.\\n\\nThree.")]
    [(0, '', 1), (2, 'Build it', 2)]
    """
    found = [Part(0, "")]
    for block in _blocks(_READER.parse(markdown)):
        if block[0].type == "heading_open":
            found.append(Part(int(block[0].tag[1]), block[1].content))
        else:
            found[-1].tokens.append(block)
    return [part for part in found if part.level or part.tokens]


def inline(markdown: str) -> str:
    """A line of text as HTML."""
    rendered: str = _READER.renderInline(markdown)
    return rendered


def plain(markdown: str) -> str:
    """A line of text without its marks.

    >>> plain("what **NDCG** counts, by `ndcg`")
    'what NDCG counts, by ndcg'
    """
    return html.unescape(re.sub(r"<[^>]+>", "", inline(markdown)))


def whole(part: Part) -> str:
    """All of a part's text, as HTML."""
    return "".join(_render(block) for block in part.tokens)


def sentences(text: str) -> list[str]:
    """A paragraph's sentences; none ends inside of code, brackets or emphasis.

    >>> sentences("We cut by time. The list (all of it. And more.) is `a. B`. Why? **So. It** is.")
    ['We cut by time.', 'The list (all of it. And more.) is `a. B`.', 'Why?', '**So. It** is.']
    """
    found = [""]
    for piece in _END.split(" ".join(text.split())):
        if found[-1] and _closed(found[-1]):
            found.append(piece)
        else:
            found[-1] = f"{found[-1]} {piece}".strip()
    return [one for one in found if one]


def first_sentences(text: str, most: int = CORE) -> str:
    """As many of the first sentences as fit, and always one."""
    every = sentences(text)
    kept = every[:1]
    for sentence in every[1:]:
        if len(plain(" ".join([*kept, sentence]))) > most:
            break
        kept.append(sentence)
    return " ".join(kept)


def claim(part: Part, longest: int = 84) -> tuple[str, Part]:
    """The first sentence, when it is short enough for a slide's title, and the part without it."""
    if part.tokens and part.tokens[0][0].type == "paragraph_open":
        text = part.tokens[0][1].content
        first, *rest = sentences(text)
        if len(plain(first)) <= longest and first[-1] in ".?!" and "$" not in first and first[:1].isupper():
            left = _paragraph(" ".join(rest)) if rest else []
            return first.rstrip("."), Part(0, "", [*([left] if left else []), *part.tokens[1:]])
    return "", part


def core(part: Part, full: bool = False, lead: bool = False) -> list[Block]:
    """What of a part stands on slides; with `full` all of it, with `lead` something of each paragraph."""
    made: list[Block] = []
    room = CORE
    paragraphs = sum(block[0].type == "paragraph_open" for block in part.tokens)
    for at, block in enumerate(part.tokens):
        kind = block[0].type
        if kind == "paragraph_open":
            text = " ".join(block[1].content.split())
            follows = part.tokens[at + 1][0].type if at + 1 < len(part.tokens) else "paragraph_open"
            if full:
                made.append(text_block(text))
            elif lead:
                made.append(text_block(first_sentences(text, LEAD // paragraphs), larger=1.25))
            elif room == CORE:
                said = first_sentences(text, room)
                made.append(text_block(said))
                room = 0
                last = sentences(text)[-1]  # what leads to a formula or a list has to be read before it
                if follows != "paragraph_open" and not said.endswith(last):
                    made.append(text_block(last))
            elif text.endswith(":") and follows != "paragraph_open":
                made.append(text_block(sentences(text)[-1]))
        elif kind in ("bullet_list_open", "ordered_list_open"):
            made += _items(block, full)
        elif kind == "math_block":
            made.append(Block("math", _render(block), 96))
        elif kind == "table_open":
            made.append(_table(block))
        elif kind in ("fence", "code_block"):
            lines = block[0].content.rstrip().splitlines()
            shown = "\n".join(html.escape(line) for line in lines[:12])
            made.append(Block("out", f"<pre>{shown}</pre>", 28 * len(lines[:12]) + 40))
    return made


def text_block(markdown: str, larger: float = 1.0) -> Block:
    """A paragraph, with its height by the number of its characters."""
    lines = -(-len(plain(markdown)) // int(TEXT_WIDTH / larger))
    return Block("text", f"<p>{inline(markdown)}</p>", int(TEXT_LINE * larger * lines) + 18)


def _items(block: list[Token], full: bool) -> list[Block]:
    made, number = [], int(block[0].attrs.get("start", 1)) if block[0].type == "ordered_list_open" else 0
    for item in _blocks(block[1:-1]):
        text = " ".join(token.content for token in item if token.type == "inline")
        said = " ".join(text.split()) if full else first_sentences(text, 150)
        lines = -(-len(plain(said)) // (TEXT_WIDTH - 4))
        made.append(Block("item", f"<li>{inline(said)}</li>", TEXT_LINE * lines + 10, start=number))
        number += bool(number)
    return made


def _table(block: list[Token]) -> Block:
    rows: list[list[str]] = []
    for token in block:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(plain(token.content))
    return Block("table", f'<div class="said">{_render(block)}</div>', sum(_row_height(row) for row in rows) + 24)


def _row_height(row: list[str]) -> int:
    """A row is as high as its fullest cell, when columns share the width about evenly."""
    width = 104 // max(len(row), 1)
    return 28 * max(-(-len(cell) // width) for cell in row) + 16


def _blocks(tokens: list[Token]) -> list[list[Token]]:
    """Tokens grouped by the outermost blocks."""
    found: list[list[Token]] = []
    depth = 0
    for token in tokens:
        if depth == 0:
            found.append([])
        found[-1].append(token)
        depth += token.nesting
    return found


def _render(tokens: list[Token]) -> str:
    rendered: str = _READER.renderer.render(tokens, _READER.options, {})
    return rendered


def _paragraph(text: str) -> list[Token]:
    return _blocks(_READER.parse(text))[0]


def _closed(text: str) -> bool:
    """Whether all code, emphasis and brackets that begin in a text end in it, too."""
    without = re.sub(r"`[^`]*`", "", text)
    marks = [text.count("`"), without.count("**"), without.replace("**", "").count("*"), without.count("$")]
    pairs = [without.count(a) - without.count(b) for a, b in ("()", "[]", "“”")]
    return not any(count % 2 for count in marks) and not any(pairs)
