"""A chapter's executed notebook as a page: charts as vector pictures, solutions folded, tables that can be scrolled."""

from __future__ import annotations

import hashlib
import html
import importlib
import json
import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_markdown_cell, new_output

from tools.site.links import Links

CHARTS = "charts"
"""The folder of the charts, from the root of the site's sources."""
VEGA = "application/vnd.vegalite.v"
NOT_ATTEMPTED = "Not attempted"
"""How the verdict on a blank begins; a page has nobody who could attempt."""


class Charts:
    """Makes vector pictures of stored charts, each under a name from its content, so that it is drawn once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.used: set[str] = set()

    def picture(self, spec: dict[str, Any], up: str) -> str:
        """The picture of a chart as HTML, with its finding in words; `up` leads from the page to the sources' root."""
        import vl_convert

        text = json.dumps(spec, sort_keys=True)
        name = f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.svg"
        self.used.add(name)
        path = self.folder / name
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(vl_convert.vegalite_to_svg(text), encoding="utf-8")
        size = re.search(r'<svg[^>]*?width="([\d.]+)"[^>]*?height="([\d.]+)"', path.read_text(encoding="utf-8")[:2000])
        measures = f' width="{float(size[1]):.0f}" height="{float(size[2]):.0f}"' if size else ""
        told = html.escape(description(spec), quote=True)
        return f'<div class="chart"><img src="{up}_static/{CHARTS}/{name}" alt="{told}"{measures} loading="lazy"></div>'


def description(spec: dict[str, Any]) -> str:
    """What a chart says of itself: its description, or else its title, or those of its parts."""
    title = spec.get("title", "")
    said = spec.get("description") or (title.get("text", "") if isinstance(title, dict) else title)
    if isinstance(said, list):
        said = " ".join(said)
    parts = [part for kind in ("layer", "hconcat", "vconcat", "concat") for part in spec.get(kind, ())]
    return str(said) or ". ".join(told for told in map(description, parts) if told)


def page(path: Path, name: str, links: Links, charts: Charts) -> str:
    """The text of the notebook that the site shows for a chapter."""
    book = nbformat.read(path, as_version=4)
    root = links.root
    number = name[:2]
    file = root / "recsys_lab" / "exercises" / "solutions" / f"{number}.json"
    solutions = json.loads(file.read_text(encoding="utf-8"))
    questions = importlib.import_module(f"recsys_lab.exercises.questions_{number}").QUESTIONS
    cells: list[Any] = []
    waiting: list[Any] = []  # folds that stand behind the cell that comes next: the one that checks
    for cell in book.cells:
        if cell.id in {"navigation"} or "colab" in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "markdown":
            text = _card(cell.source, name, links) if cell.id == "card" else cell.source
            cells.append(new_markdown_cell(links.rewrite(text, f"notebooks/{name}.ipynb"), id=cell.id))
            continue
        cells += [*waiting] if waiting and ".check()" not in cell.source else []
        waiting = waiting if ".check()" in cell.source else []
        cell.outputs = [kept for output in cell.outputs for kept in _shown(output, charts)]
        cells += [cell, *waiting]
        waiting = []
        if cell.id.startswith("exercise-"):
            count = cell.id.removeprefix("exercise-")
            waiting = [_fold(f"solution-{count}", f"Solution of exercise {count}", _code(solutions[count]))]
        elif asked := re.fullmatch(r"exercise\.question\[(\d+)\]\.answer\(____\)", cell.source.strip()):
            told = _answer(questions[int(asked[1]) - 1])
            cells.append(_fold(f"answer-{asked[1]}", f"Answer to question {asked[1]}", told))
    cells += waiting
    book.cells = cells
    book.metadata = {
        "kernelspec": dict(book.metadata["kernelspec"]),
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
    }
    return nbformat.writes(book)


def _card(source: str, name: str, links: Links) -> str:
    """The first cell without the line of neighbours (the site has its own), and with the way to the notebooks."""
    parts = [part for part in source.split("\n\n") if not re.search(r"\[Contents\]\(\S+\)", part)]
    plain, solved = (links.repository(f"notebooks/{where}{name}.ipynb") for where in ("", "solutions/"))
    return "\n\n".join(parts) + f"\n- **The notebook:** [to work in]({plain}), [solved]({solved})"


def _fold(id: str, title: str, inside: str) -> Any:
    text = f'<details class="fold"><summary>{title}</summary>\n\n{inside}\n\n</details>'
    return new_markdown_cell(text, id=id)


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _answer(question: Any) -> str:
    """The right choice of a question, and why it is right, as Markdown without markup of its own."""
    right = next(choice for choice in question.choices if choice.right)
    return f"**{_plain(right.text)}**\n\n{_plain(right.why)}"


def _plain(text: str) -> str:
    return re.sub(r"([\\*_\[\]<>$|#])", r"\\\1", text)


def _shown(output: Any, charts: Charts) -> list[Any]:
    """An output as the site shows it; none for the verdict on a blank."""
    if output.output_type == "stream":
        return [] if output.text.lstrip().startswith(NOT_ATTEMPTED) else [output]
    data = output.get("data", {})
    spec = next((held for kind, held in data.items() if kind.startswith(VEGA)), None)
    if spec is not None:
        made = charts.picture(spec, up="../")
    elif "text/html" in data:
        made = _scrollable(data["text/html"])
    else:
        return [output]
    return [new_output("display_data", {"text/html": made})]


def _scrollable(text: str) -> str:
    """A table without a style of its own, in a box that can be scrolled with the keyboard too."""
    text = re.sub(r"<style scoped>.*?</style>", "", text, flags=re.DOTALL)
    if "<table" not in text:
        return text
    text = text.replace('<table border="1" class="dataframe">', '<table class="dataframe">')
    return f'<div class="scrolled" tabindex="0" role="group" aria-label="Table of results">{text}</div>'
