"""Cuts a chapter into slides: what stands on each, what the speaker says, and how long it may take."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers.python import PythonLexer

from tools.chapters.source import Cell, Chapter
from tools.slides import code, outputs, pictures, prose
from tools.slides.prose import Block, Part

Kind = Literal["title", "section", "step", "statement", "chart", "exercise", "break", "question", "know", "next"]

WIDTH, HEIGHT = 1280, 720
ROOM = HEIGHT - 92
"""What is left of the height between the margins above and below."""

TITLE_WIDTH, TITLE_LINE = 54, 44
PIECES = 2
"""How many pieces of one cell's code are shown; what is longer is read in the notebook."""

KNOW = "What you now know"
_QUESTION = re.compile(r"exercise\.question\[(\d+)\]\.show\(\)")


@dataclass
class Slide:
    """One slide. `part` is the heading of level 2 that it stands below; slides of one part are below each
    other. `heading`: its title is a heading of the chapter, and no finding or first sentence."""

    kind: Kind
    title: str
    kicker: str
    part: str
    blocks: list[Block] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    weight: float = 0.0
    seconds: int = 0
    heading: bool = False


@dataclass
class Deck:
    """A chapter's slides, its charts by the name of their file, and the cells whose outputs were not to be had."""

    chapter: Chapter
    slides: list[Slide]
    charts: dict[str, pictures.Picture]
    without_output: list[str]

    def parts(self) -> dict[str, int]:
        """The seconds of each part of the chapter, in order."""
        found: dict[str, int] = {}
        for slide in self.slides:
            found[slide.part] = found.get(slide.part, 0) + slide.seconds
        return found


@dataclass
class _Group:
    """What belongs together: a text, and the code and outputs that follow it. It becomes one slide, or some."""

    title: str
    kicker: str
    kind: Kind
    heading: bool
    part: Part | None = None
    blocks: list[Block | dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    weight: float = 0.0


def deck(chapter: Chapter, notebook: Any, following: Chapter | None = None) -> Deck:
    """The slides of a chapter with the outputs of its executed notebook; `following` is the next chapter."""
    cutter = _Cutter(chapter, notebook)
    slides = [_first(chapter, notebook), *cutter.slides(), *_last(following)]
    _share_minutes(slides, chapter.card.minutes)
    made = Deck(chapter, slides, cutter.charts, cutter.without_output)
    _say_minutes(made)
    return made


class _Cutter:
    """Goes through a chapter's cells, as a learner has them, and collects slides."""

    def __init__(self, chapter: Chapter, notebook: Any) -> None:
        self.chapter = chapter
        self.outputs = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
        self.charts: dict[str, pictures.Picture] = {}
        self.without_output: list[str] = []
        self._part = self._heading = self._before = ""
        self._kind: Kind = "step"
        self._group: _Group | None = None
        self._done: list[Slide] = []

    def slides(self) -> list[Slide]:
        for cell in self.chapter.cells:
            if not cell.stands_in(solved=False) or "skip" in cell.tags:
                continue
            if cell.kind == "markdown":
                self._text(cell)
            else:
                self._code(cell)
        self._close()
        return [_with_contents(slide, self._done) for slide in self._done]

    def _text(self, cell: Cell) -> None:
        for part in prose.parts(cell.learner):
            if "notes" in cell.tags:
                self._open().notes.append(prose.whole(part))
                continue
            self._close()
            if part.level == 2:
                self._section(part)
            elif part.level > 2:
                self._heading = prose.inline(part.heading)
                self._kind = self._kind_of(part.heading)
                if self._kind != "exercise":
                    self._before = self._heading
                blocks = prose.core(part, full=self._kind == "exercise")
                self._begin(self._heading, blocks, part, heading=True)
            else:
                claim, rest = prose.claim(part)
                self._begin(prose.inline(claim) or self._heading, prose.core(rest), part, heading=False)

    def _section(self, part: Part) -> None:
        self._part = prose.plain(part.heading)
        self._heading = self._before = prose.inline(part.heading)
        know = self._part == KNOW
        self._kind = "break" if self._part.startswith("Break it") else "step"
        blocks = prose.core(part, full=know, lead=not know)
        if know:
            blocks = [block for block in blocks if block.kind == "item"] or blocks
        made = Slide("know" if know else "section", self._heading, self.chapter.card.title, self._part)
        made.notes.append(prose.whole(part))
        made.weight = _letters(part)
        self._done += _packed(made, blocks)

    def _kind_of(self, heading: str) -> Kind:
        if heading.startswith("Exercise"):
            return "exercise"
        return "break" if self._part.startswith("Break it") else "step"

    def _code(self, cell: Cell) -> None:
        if found := _QUESTION.search(cell.learner):
            self._close()
            if shown := self._output(cell):
                self._done.append(_question(found[1], shown, self._part))
            return
        exercise = any(tag.startswith("exercise-") for tag in cell.tags)
        text = code.shown(cell.learner)
        blocks = [] if exercise else list(outputs.blocks(self._output(cell)))
        if not text or "hide-output" in cell.tags:
            blocks = []
        drawn = any(isinstance(one, dict) for one in blocks) or "alt.Chart(" in text
        if re.search(r"exercise\[\d+\]\.check\(", cell.learner):  # what follows is no longer the exercise
            self._close()
            self._heading, self._kind = self._before, self._kind_of("")
        if not blocks and _only_imports(text):
            return
        group = self._open()
        group.weight += len(text)
        visible = "" if "hide-input" in cell.tags else code.before_chart(text) if drawn else text
        if drawn and visible != text:
            group.notes.append("<p>The code of the chart is in the notebook.</p>")
        group.blocks += _pieces(visible, group.notes)
        group.blocks += blocks

    def _output(self, cell: Cell) -> list[Any]:
        """What the notebook holds for a cell; a source that was edited since may be ahead of it."""
        if cell.id not in self.outputs:
            self.without_output.append(cell.id)
        return list(self.outputs.get(cell.id, []))

    def _chart(self, spec: dict[str, Any], above: int) -> Block:
        lines = -(-len(pictures.finding(spec)) // TITLE_WIDTH)
        width, high = pictures.ROOM
        picture = pictures.draw(spec, (width, high - TITLE_LINE * max(0, lines - 2) - above))
        name = f"{self.chapter.name[:2]}-{len(self.charts) + 1}.svg"
        self.charts[name] = picture
        size = f'width="{picture.width}" height="{picture.height}"'
        image = f'<img src="charts/{name}" {size} alt="{html.escape(picture.alt, quote=True)}">'
        return Block("chart", image, picture.height, title=html.escape(picture.finding))

    def _open(self) -> _Group:
        """The group that is being filled, or a new one below the same heading."""
        if self._group is None:
            self._begin(self._heading, [], None, heading=False)
        assert self._group is not None
        return self._group

    def _begin(self, title: str, blocks: list[Block], part: Part | None, heading: bool) -> None:
        kicker = "Your turn" if self._kind == "exercise" else self._part
        self._group = _Group(title, kicker, self._kind, heading, part, [*blocks])
        if part is not None:
            self._group.notes.append(prose.whole(part))
            self._group.weight = _letters(part)

    def _close(self) -> None:
        group, self._group = self._group, None
        if group is None:
            return
        first = Slide(group.kind, group.title, group.kicker, self._part, notes=group.notes, weight=group.weight)
        first.heading = group.heading
        blocks = self._drawn(group)
        only_text = all(block.kind == "text" for block in blocks)
        if only_text and not group.heading and first.kind != "exercise":
            self._say(first, blocks)
        else:
            self._done += _packed(first, blocks)

    def _drawn(self, group: _Group) -> list[Block]:
        """The group's blocks with its charts drawn; a text right before a chart stands above it."""
        said: list[Block] = []
        at = next((at for at, block in enumerate(group.blocks) if isinstance(block, dict)), 0)
        texts = all(isinstance(block, Block) and block.kind == "text" for block in group.blocks[:at])
        if at and texts and not group.heading and group.part is not None:
            tokens = group.part.tokens[0]
            said = [prose.text_block(prose.first_sentences(tokens[1].content, 2 * prose.TEXT_WIDTH - 8))]
            group.blocks = group.blocks[at:]
        made: list[Block] = []
        for number, block in enumerate(group.blocks):
            above = said if number == 0 else []
            if isinstance(block, dict):
                chart = self._chart(block, sum(one.height for one in above))
                text = "".join(one.html for one in above)
                made.append(replace(chart, html=text + chart.html, height=chart.height + 100))
            else:
                made.append(block)
        return made

    def _say(self, slide: Slide, blocks: list[Block]) -> None:
        """A text with nothing to show: a slide of its own, in large letters."""
        slide.kind = "statement"
        slide.blocks = blocks
        self._done.append(slide)


def _with_contents(slide: Slide, slides: list[Slide]) -> Slide:
    """A part without a text of its own begins with what it holds."""
    if slide.kind == "section" and not slide.blocks:
        titles = [one.title for one in slides if one.part == slide.part and one.heading]
        slide.blocks = [Block("item", f'<li class="plain">{title}</li>', 60) for title in dict.fromkeys(titles)][:8]
    return slide


def _packed(first: Slide, blocks: list[Block]) -> list[Slide]:
    """Blocks laid on slides, as many as it takes; a chart has a slide of its own."""
    room = ROOM - _head(first.title, first.kind)
    if first.kind in ("section", "know"):  # items are set larger there
        blocks = [replace(one, height=one.height * 6 // 5 + 6) if one.kind == "item" else one for one in blocks]
    laid: list[list[Block]] = [[]]
    for block in blocks:
        now = laid[-1]
        full = sum(one.height for one in now) + block.height > room
        too_long = sum(one.lines for one in now) + block.lines > code.LINES
        if now and (full or too_long or block.kind == "chart" or now[-1].kind == "chart"):
            laid.append(now := [])
        now.append(block)
    total = sum(block.height for block in blocks) or 1
    weight = first.weight
    made = []
    for at, some in enumerate(laid):
        slide = first if at == 0 else Slide(first.kind, first.title, first.kicker, first.part)
        slide.blocks = some
        slide.weight = weight * (sum(block.height for block in some) / total if blocks else 1)
        if some and some[0].kind == "chart":
            slide.kind, slide.title = "chart", some[0].title or first.title
            slide.kicker = first.part
            slide.notes.append(f"<p>What the chart shows: {_alt(some[0])}</p>")
        if at > 0 and not slide.notes:
            slide.notes.append("<p>Goes on from the slide before.</p>")
        made.append(slide)
    return made


def _head(title: str, kind: Kind) -> int:
    """The height of a slide's heading, with the line above it."""
    letters = len(html.unescape(re.sub(r"<[^>]+>", "", title)))
    return 34 + TITLE_LINE * max(1, -(-letters // TITLE_WIDTH)) + 18 + 16 * (kind in ("section", "know"))


def _alt(block: Block) -> str:
    found = re.search(r'alt="([^"]*)"', block.html)
    return found[1] if found else ""


def _pieces(text: str, notes: list[str]) -> list[Block]:
    """A cell's code in blocks of a slide each; notes say when there is more of it."""
    whole, text = text, code.compact(text)
    if len(re.findall(r"(?m)^(?:import|from) ", text)) < len(re.findall(r"(?m)^(?:import|from) ", whole)):
        notes.append("<p>The notebook's cell has more imports.</p>")
    lines = text.splitlines()
    coloured = highlight(text, PythonLexer(stripnl=False, ensurenl=False), HtmlFormatter(nowrap=True)).split("\n")
    made = []
    pieces = code.cut(text)
    for at, piece in enumerate(pieces[:PIECES]):
        rows = [_line(lines[row], coloured[row]) for row in range(piece.start, piece.stop)]
        seen = sum(code.height(line) for line in lines[piece.start : piece.stop])
        more = at + 1 == PIECES < len(pieces)
        if more:
            rows.append(f'<span class="line more">{outputs.MORE}</span>')
            notes.append(f"<p>The cell has {len(lines)} lines; all of them are in the notebook.</p>")
        made.append(
            Block(
                "code",
                f'<pre class="code s{piece.size}"><code>{"".join(rows)}</code></pre>',
                int((seen + more) * piece.size * 1.36) + 40,
                lines=seen,
            )
        )
    return made


def _line(line: str, coloured: str) -> str:
    """A line that, when it is too long, goes on below, four characters further in than it began."""
    indent = len(line) - len(line.lstrip()) + 4
    return f'<span class="line" style="padding-left:{indent}ch;text-indent:-{indent}ch">{coloured or " "}\n</span>'


def _only_imports(text: str) -> bool:
    return all(re.match(r"(from|import) |\s+\w+[\w, ]*,?$|\)$|#|$", line) for line in text.splitlines())


def _letters(part: Part) -> int:
    return len(part.heading) + sum(len(token.content) for block in part.tokens for token in block)


def _question(number: str, shown: list[Any], part: str) -> Slide:
    text = "".join("".join(one.get("text", "")) for one in shown)
    asked, *options = re.split(r"\n  (?=[a-z]\. )", text.rstrip())
    slide = Slide("question", prose.inline(" ".join(asked.split())), f"Question {number}", part, weight=300)
    for option in options:
        words = " ".join(option.split())
        letter, said = words.split(". ", 1)
        lines = -(-len(said) // (prose.TEXT_WIDTH - 6))
        item = f'<li><b class="letter">{letter}</b><span>{prose.inline(said)}</span></li>'
        slide.blocks.append(Block("item", item, prose.TEXT_LINE * lines + 18))
    slide.notes.append("<p>Let everybody choose a letter first. The notebook says what is right, and why.</p>")
    return slide


def _first(chapter: Chapter, notebook: Any) -> Slide:
    card, number = chapter.card, int(chapter.name[:2])
    took = notebook.metadata.get("recsys_lab", {}).get("seconds", 0)
    facts = {"Time": f"{card.minutes} minutes to read", "Method": card.method, "What to know first": card.needs}
    if took:
        facts["Time"] += f", about {max(5, 5 * round(took / 5))} seconds to run"
    rows = "".join(f"<dt>{name}</dt><dd>{prose.inline(said)}</dd>" for name, said in facts.items())
    blocks = [
        Block("text", f'<p class="question">{prose.inline(card.question)}</p>', 150),
        Block("html", f"<dl>{rows}</dl>", 260),
    ]
    slide = Slide("title", prose.inline(card.title), f"Chapter {number:02d}", "", blocks, weight=200)
    if took:
        slide.notes.append(f"<p>All code of the chapter took {took:.0f} seconds when its notebook was made.</p>")
    return slide


def _last(following: Chapter | None) -> Iterator[Slide]:
    if following is None:
        return
    card = following.card
    blocks = [
        Block("text", f'<p class="question">{prose.inline(card.question)}</p>', 150),
        Block("html", f"<dl><dt>Time</dt><dd>{card.minutes} minutes to read</dd></dl>", 60),
    ]
    title = prose.inline(card.title)
    yield Slide("next", title, f"Next: chapter {following.name[:2]}", KNOW, blocks, ["<p>What comes next.</p>"], 80)


def _share_minutes(slides: Sequence[Slide], minutes: int) -> None:
    """The card's minutes shared out by length, in whole seconds whose sum is the card's."""
    total = sum(slide.weight for slide in slides)
    spent, passed = 0.0, 0
    for slide in slides:
        spent += slide.weight / total * minutes * 60
        slide.seconds = round(spent) - passed
        passed = round(spent)


def _say_minutes(made: Deck) -> None:
    """Put the clock into the notes: on the first slide of every part, and the time that has passed on each slide."""
    minutes, parts = made.chapter.card.minutes, made.parts()
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{_clock(parts[name])}</td></tr>" for name in parts if name)
    plan = f"<p>The minutes of the card, shared out by length:</p><table>{rows}</table>"
    passed, part = 0, ""
    for at, slide in enumerate(made.slides):
        said = f"{_clock(passed)} of {minutes} min; this slide {_clock(slide.seconds)}"
        if slide.part != part:
            part = slide.part
            said += f"; this part {_clock(parts[part])}"
        slide.notes.insert(0, f'<p class="clock">{said}</p>')
        if at == 0:
            slide.notes.append(plan)
        passed += slide.seconds


def _clock(seconds: int) -> str:
    """Minutes and seconds.

    >>> _clock(75)
    '1:15'
    """
    return f"{seconds // 60}:{seconds % 60:02d}"


Read = Callable[[str], Any]
"""Gives a chapter's executed notebook by the chapter's name."""


def decks(chapters: Sequence[Chapter], read: Read, wanted: Mapping[str, bool] | None = None) -> Iterator[Deck]:
    """The decks of all chapters, or of those that are wanted."""
    for at, chapter in enumerate(chapters):
        if wanted is None or wanted.get(chapter.name):
            following = chapters[at + 1] if at + 1 < len(chapters) else None
            yield deck(chapter, read(chapter.name), following)
