"""Writes decks as pages: one HTML file for each, and beside them reveal.js, the style and the charts."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

from tools.slides.deck import HEIGHT, WIDTH, Deck, Slide
from tools.slides.prose import Block

STYLE = Path(__file__).with_name("style.css")
REVEAL = (
    "LICENSE",
    "dist/reset.css",
    "dist/reveal.css",
    "dist/reveal.js",
    "plugin/notes/notes.js",
    "plugin/search/search.js",
    "plugin/zoom/zoom.js",
)
"""The files of reveal.js that a deck needs, as the package sphinx-revealjs brings them."""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="reveal/dist/reset.css">
<link rel="stylesheet" href="reveal/dist/reveal.css">
<link rel="stylesheet" href="reveal/style.css">
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script src="reveal/dist/reveal.js"></script>
<script src="reveal/plugin/notes/notes.js"></script>
<script src="reveal/plugin/search/search.js"></script>
<script src="reveal/plugin/zoom/zoom.js"></script>
<script>
Reveal.initialize({{
  width: {width}, height: {height}, margin: 0, minScale: 0.2, maxScale: 4, center: false, hash: true,
  slideNumber: "c/t", transition: "none", backgroundTransition: "none", pdfMaxPagesPerSlide: 1, defaultTiming: 30,
  plugins: [RevealNotes, RevealSearch, RevealZoom],
}});
</script>
</body>
</html>
"""

_INDEX = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slides of the course</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="reveal/style.css">
</head>
<body class="index">
<main>
<h1>Slides of the course</h1>
<p>A deck for each chapter. In a deck: <kbd>Space</kbd> goes on, <kbd>→</kbd> jumps to the next part, <kbd>S</kbd> opens
the speaker's view with notes and clock, <kbd>Esc</kbd> shows all slides, <kbd>?</kbd> lists all keys. To print, add
<code>?print-pdf</code> to the address and print to PDF;
<code>?print-pdf&amp;showNotes=separate-page</code> prints the notes as well.</p>
<table>
<thead><tr><th scope="col">Chapter</th><th scope="col">The question</th><th scope="col">Slides</th>
<th scope="col">Minutes</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</main>
</body>
</html>
"""


def write(decks: Iterable[Deck], folder: Path) -> list[Deck]:
    """Write decks into a folder with all that they need, and the list of those that were given."""
    _shared(folder)
    charts = folder / "charts"
    charts.mkdir(exist_ok=True)
    made = []
    for deck in decks:
        number = deck.chapter.name[:2]
        for old in charts.glob(f"{number}-*.svg"):
            old.unlink()
        for name, picture in deck.charts.items():
            (charts / name).write_text(picture.svg, encoding="utf-8", newline="\n")
        (folder / f"{deck.chapter.name}.html").write_text(page(deck), encoding="utf-8", newline="\n")
        made.append(deck)
    return made


def write_index(decks: Sequence[Deck], folder: Path) -> None:
    """The page that lists the decks."""
    rows = []
    for deck in decks:
        card, name = deck.chapter.card, deck.chapter.name
        link = f'<a href="{name}.html">{name[:2]} {html.escape(card.title)}</a>'
        rows.append(
            f"<tr><td>{link}</td><td>{html.escape(card.question)}</td>"
            f"<td>{len(deck.slides)}</td><td>{card.minutes}</td></tr>"
        )
    (folder / "index.html").write_text(_INDEX.format(rows="\n".join(rows)), encoding="utf-8", newline="\n")


def page(deck: Deck) -> str:
    """A deck as HTML: the slides of a part stand below each other, the parts side by side."""
    stacks = []
    for _, slides in groupby(deck.slides, key=lambda slide: slide.part):
        made = "\n".join(_slide(slide) for slide in slides)
        stacks.append(f"<section>\n{made}\n</section>")
    title = html.escape(f"{deck.chapter.name[:2]} {deck.chapter.card.title}")
    return _PAGE.format(title=title, slides="\n".join(stacks), width=WIDTH, height=HEIGHT)


def _slide(slide: Slide) -> str:
    level = "h1" if slide.kind == "title" else "h2"
    parts = [
        f'<p class="kicker">{html.escape(slide.kicker)}</p>',
        f"<{level}>{slide.title}</{level}>",
        _body(slide.blocks),
        f'<aside class="notes">{"".join(slide.notes)}</aside>',
    ]
    kind = f"{slide.kind} break" if slide.part.startswith("Break it") and slide.kind == "section" else slide.kind
    return f'<section class="{kind}" data-timing="{max(slide.seconds, 1)}">\n' + "\n".join(parts) + "\n</section>"


def _body(blocks: Sequence[Block]) -> str:
    made = []
    for items, some in groupby(blocks, key=lambda block: block.kind == "item"):
        group = list(some)
        text = "\n".join(block.html for block in group)
        if items:
            letters = ' class="letters"' if 'class="letter"' in text else ""
            number = group[0].start
            text = f'<ol start="{number}">\n{text}\n</ol>' if number else f"<ul{letters}>\n{text}\n</ul>"
        made.append(text)
    return "\n".join(made)


def _shared(folder: Path) -> None:
    """Copy what all decks share from the installed package."""
    found = find_spec("sphinx_revealjs")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("slides take reveal.js from a package: pip install 'sphinx-revealjs>=3.2,<4'")
    package = Path(found.origin).parent / "_static" / "revealjs"
    for name in REVEAL:
        target = folder / "reveal" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".js":  # without the address of a map for debuggers, which is not copied
            text = (package / name).read_text(encoding="utf-8")
            target.write_text(re.sub(r"(?m)^//# sourceMappingURL=.*$", "", text), encoding="utf-8", newline="\n")
        else:
            shutil.copyfile(package / name, target)
    shutil.copyfile(STYLE, folder / "reveal" / "style.css")
