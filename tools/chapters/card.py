"""What the toolchain adds to each chapter: the card with navigation and badge, the Colab cell, the list of chapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from recsys_lab import colab
from tools.chapters.project import Project
from tools.chapters.source import Chapter

CONTENTS = "notebooks/README.md"
BADGE = "notebooks/badges/open-in-colab.svg"
# A drawing of our own that lies beside the notebooks: a badge from another server would be a gap without a network.
BADGE_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" width="108" height="20" role="img" aria-label="Open in Colab">
<rect width="108" height="20" rx="3" fill="#4b5563"/>
<circle cx="13" cy="10" r="4" fill="none" stroke="#f9ab00" stroke-width="2.5"/>
<circle cx="21" cy="10" r="4" fill="none" stroke="#e8710a" stroke-width="2.5"/>
<text x="31" y="14" fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="10">Open in Colab</text>
</svg>
"""

COLAB_CELL = """\
# On Google Colab this cell fetches the course and installs what is missing there. Elsewhere it does nothing.
import os, subprocess, sys

if "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ:
    folder = os.path.join(os.environ.get("RECSYS_LAB_CONTENT", "/content"), "recsys-lab")
    other = os.environ.get("RECSYS_LAB_CLONE")
    source = [other] if other else ["--branch", "{branch}", "https://github.com/{repository}"]
    if not os.path.isdir(folder):
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", *source, folder], check=True)
    sys.path.insert(0, folder)
    from recsys_lab.colab import setup

    setup({chapter})"""


def colab_cell(project: Project, chapter: Chapter) -> str:
    """The code of the cell that makes a chapter run on Google Colab; it names those that need more than the others."""
    repository, branch = project.address()
    number = chapter.name[:2]
    return COLAB_CELL.format(
        repository=repository, branch=branch, chapter=f'"{number}"' if number in colab.MORE else ""
    )


def card(project: Project, chapter: Chapter, chapters: Sequence[Chapter], seconds: int, solved: bool) -> str:
    """The first cell: title, question, badge, navigation, how long it takes, what to know first."""
    said = chapter.card
    up = "../" if solved else ""
    title = f"{said.title} (solved)" if solved else said.title
    unsolved = (
        f"The chapter with its exercises solved; to learn, start with [the chapter itself](../{chapter.name}.ipynb)."
    )
    parts = [
        f"# {title}",
        f"**{said.question}**",
        *([unsolved] if solved else []),
        _badge(project, project.where(project.notebook(chapter.name, solved)), up),
        navigation(chapter, chapters, solved),
        f"- **Method:** {said.method}\n"
        f"- **Time:** {said.minutes} minutes to read, about {seconds} seconds to run\n"
        f"- **What to know first:** {said.needs}",
    ]
    return "\n\n".join(parts)


def navigation(chapter: Chapter, chapters: Sequence[Chapter], solved: bool) -> str:
    """Previous · contents · next; at the ends of the course there is no previous or no next."""
    at = [other.name for other in chapters].index(chapter.name)
    links = [f"[Contents]({'../' if solved else ''}{PurePosixPath(CONTENTS).name})"]
    if at > 0:
        links.insert(0, f"← [{chapters[at - 1].card.title}]({chapters[at - 1].name}.ipynb)")
    if at + 1 < len(chapters):
        links.append(f"[{chapters[at + 1].card.title}]({chapters[at + 1].name}.ipynb) →")
    return " · ".join(links)


def contents(project: Project, chapters: Sequence[Chapter], seconds: Mapping[str, int]) -> str:
    """The list of chapters, as the page that a visitor of the folder sees."""
    lines = [
        "# The chapters",
        "",
        "Made by `make notebooks` from `notebooks/src`. The solved chapters are in [solutions](solutions).",
        "",
        "| no. | chapter | the question | the method | to read | to run | on Colab |",
        "|---|---|---|---|---|---|---|",
    ]
    for chapter in chapters:
        said = chapter.card
        badge = _badge(project, project.where(project.notebook(chapter.name)), "")
        cells = (
            chapter.name[:2],
            f"[{said.title}]({chapter.name}.ipynb)",
            said.question.replace("|", "\\|"),
            said.method.replace("|", "\\|"),
            f"{said.minutes} min",
            f"{seconds[chapter.name]} s",
            badge,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def stated_seconds(measured: float, before: int | None) -> int:
    """The seconds that a card gives: rounded up to fives, and those it gave before as long as they still hold roughly.

    >>> stated_seconds(11.3, None), stated_seconds(15.8, 15), stated_seconds(4.0, 15)
    (15, 15, 5)
    """
    if before is not None and before - 10 < measured <= before + 2:
        return before
    return max(5, -int(-measured // 5) * 5)


def _badge(project: Project, notebook: str, up: str) -> str:
    repository, branch = project.address()
    address = f"https://colab.research.google.com/github/{repository}/blob/{branch}/{notebook}"
    return f"[![Open in Colab]({up}badges/{PurePosixPath(BADGE).name})]({address})"
