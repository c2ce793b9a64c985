"""Gathers the sources of the site: what is a page, what each text becomes, and in which section it stands."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.site import notebooks, pages, reference
from tools.site.links import Links, SiteError
from tools.site.notebooks import CHARTS, Charts

__all__ = ["SECTIONS", "Section", "SiteError", "gather", "page_files"]


@dataclass(frozen=True)
class Section:
    """An entry of the site's head line: its front page, and files (globs from the root) that stand below it.

    Where there is no such front page, a list with this title stands in.
    """

    front: str
    title: str
    below: tuple[str, ...] = ()


SECTIONS = (
    Section("notebooks/README.md", "Chapters", ("notebooks/[0-9][0-9]_*.ipynb",)),
    Section("docs/exercises.md", "Exercises", ("projects/*/README.md",)),
    Section("scoreboard.md", "Scoreboard", ("BENCHMARKS.md",)),
    Section("api/index.rst", "Reference"),
    Section("glossary.md", "Glossary"),
    Section("INSTRUCTORS.md", "Teaching", ("docs/instructors/[0-9][0-9].md",)),
    Section(
        "about.md",
        "Behind it",
        (
            "docs/DESIGN.md", "data/DATASHEET.md", "docs/privacy.md", "docs/production.md", "docs/containers.md",
            "CONTRIBUTING.md", "CHANGELOG.md",
        ),
    ),
)  # fmt: skip
MADE = ("scoreboard.md", "glossary.md", "about.md", "api/index.rst")
"""Pages that are no files of the repository."""


def page_files(root: Path) -> dict[str, list[str]]:
    """For each section's front page, the files below it that are there, from the root and in order."""
    return {
        section.front: [
            path.relative_to(root).as_posix() for pattern in section.below for path in sorted(root.glob(pattern))
        ]
        for section in SECTIONS
    }


def gather(root: Path, out: Path) -> list[str]:
    """Write the sources of all pages into `out` and return their paths; files that have not changed are not touched.

    Raises `SiteError` for links that lead to nothing.
    """
    files = page_files(root)
    stated = [section.front for section in SECTIONS if (root / section.front).exists()]
    links = Links(root, {*stated, *(file for below in files.values() for file in below), *MADE, "index.md"})
    charts = Charts(out / "_static" / CHARTS)
    texts: dict[str, str] = {}
    heads = {section.front: section.title for section in SECTIONS}
    numbered = {f"notebooks/{one['file']}": f"{one['number']} {one['title']}" for one in pages.chapters(root)}
    for section in SECTIONS:
        make = _MAKERS.get(section.front)
        if section.front == "api/index.rst":
            texts |= reference.pages(root)
            continue
        text = make(root, charts) if make else _read(root, section)
        below = files[section.front]
        texts[section.front] = links.rewrite(text, section.front) + _tree(below, numbered)
        for file in below:
            texts[file] = _page(root, file, links, charts)
    start = pages.start(root) + _tree(list(heads), heads)
    texts["index.md"] = links.rewrite(start, "index.md")
    if links.dead:
        raise SiteError("\n".join(links.dead))
    for file, text in texts.items():
        _write(out / file, text)
    for picture in sorted(links.pictures):
        (out / picture).parent.mkdir(parents=True, exist_ok=True)
        if not (out / picture).exists() or (out / picture).read_bytes() != (root / picture).read_bytes():
            shutil.copyfile(root / picture, out / picture)
    _clean(out, {*texts, *links.pictures, *(f"_static/{CHARTS}/{name}" for name in charts.used)})
    return sorted(texts)


_MAKERS: dict[str, Callable[[Path, Charts], str]] = {
    "scoreboard.md": pages.scoreboard,
    "glossary.md": lambda root, charts: pages.glossary(root),
    "about.md": lambda root, charts: pages.about(root),
}


def _read(root: Path, section: Section) -> str:
    path = root / section.front
    return path.read_text(encoding="utf-8") if path.exists() else f"# {section.title}\n"


def _page(root: Path, file: str, links: Links, charts: Charts) -> str:
    path = root / file
    if path.suffix == ".ipynb":
        return notebooks.page(path, path.stem, links, charts)
    return links.rewrite(path.read_text(encoding="utf-8"), file)


def _tree(files: list[str], titles: Mapping[str, str]) -> str:
    """The toctree of the pages below one, hidden: the theme's own navigation shows it. Paths are from the root."""
    documents = {file: "/" + file.rpartition(".")[0] for file in files}
    entries = [f"{titles[file]} <{named}>" if file in titles else named for file, named in documents.items()]
    return "\n\n```{toctree}\n:hidden:\n\n" + "\n".join(entries) + "\n```\n" if entries else ""


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _clean(out: Path, wanted: set[str]) -> None:
    """Remove what an earlier run has left and no page needs any more."""
    for path in out.rglob("*"):
        if path.is_file() and path.relative_to(out).as_posix() not in wanted:
            path.unlink()
