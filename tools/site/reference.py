"""The reference: a page for each module of the package, in the order of the course, made from docstrings."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path

from tools.site.links import Links

PACKAGE = "recsys_lab"
INTERNAL = re.compile(r"\.(_|__main__$|exercises\.(chapter|checks|questions)_\d)")
"""Not for readers: private modules, and the checks of single exercises, which give away what is asked there."""


@dataclass(frozen=True)
class Row:
    """A line of the table in docs/DESIGN.md."""

    module: str
    chapter: str
    holds: str


def rows(root: Path) -> list[Row]:
    """The modules below the package as docs/DESIGN.md orders them, with its words; those beside the stairs last."""
    text = (root / "docs" / "DESIGN.md").read_text(encoding="utf-8").partition("## The order of the modules")[2]
    table = re.findall(r"^\| (.+?) \| (.+?) \| (.+) \|$", text.partition("\n## ")[0], flags=re.MULTILINE)
    found = [Row(name.strip("`"), chapter, holds) for name, chapter, holds in table if name.startswith("`")]
    named = {row.module for row in found}
    beside = sorted({name.split(".")[1] for name in modules(root) if "." in name} - named)
    return [*found, *(Row(name, "–", "") for name in beside)]


def modules(root: Path) -> list[str]:
    """The dotted names of all public modules."""
    names = []
    for path in (root / PACKAGE).rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return sorted(name for name in names if not INTERNAL.search(name))


def pages(root: Path) -> dict[str, str]:
    """File → text (reStructuredText) of the overview and of each module's page."""
    every = modules(root)
    listed = rows(root)
    texts = {}
    for row in listed:
        inside = [name for name in every if name.startswith(f"{PACKAGE}.{row.module}.")]
        texts[f"api/{row.module}.rst"] = _page(root, row, inside)
    texts["api/index.rst"] = _index(listed)
    return texts


def _index(listed: list[Row]) -> str:
    lines = [
        *_title("Reference", "="),
        "The package in the order of the course, and below it what stands beside it.",
        "",
    ]
    lines += [".. list-table::", "   :header-rows: 1", "", "   * - module", "     - chapter", "     - holds"]
    for row in listed:
        holds = _rst(row.holds) or _first_line(row.module)
        lines += [f"   * - :doc:`{row.module}`", f"     - {row.chapter}", f"     - {holds}"]
    lines += ["", ".. toctree::", "   :hidden:", "", *(f"   {row.module}" for row in listed), ""]
    return "\n".join(lines)


def _first_line(module: str) -> str:
    from tools.site.extension import plain_to_rst

    told = importlib.import_module(f"{PACKAGE}.{module}").__doc__ or ""
    return plain_to_rst([" ".join(told.strip().split("\n\n")[0].split())])[0]


def _page(root: Path, row: Row, inside: list[str]) -> str:
    name = f"{PACKAGE}.{row.module}"
    lines = [*_title(row.module, "="), *_source(root, name), f".. automodule:: {name}"]
    lines += ["   :no-members:" if inside else "   :members:", ""]
    offered = getattr(importlib.import_module(name), "__all__", ()) if inside else ()
    if offered:
        joined = ", ".join(f":py:obj:`{one} <{_home(name, one)}>`" for one in offered)
        lines += [f"To be imported from ``{name}``: {joined}.", ""]
    for module in inside:
        lines += [*_title(module.removeprefix(f"{PACKAGE}."), "-"), *_source(root, module)]
        lines += [f".. automodule:: {module}", "   :members:", ""]
    return "\n".join(lines)


def _home(module: str, name: str) -> str:
    """Where something that a package offers is defined, and thus described."""
    thing = getattr(importlib.import_module(module), name)
    return f"{getattr(thing, '__module__', module)}.{getattr(thing, '__qualname__', name)}"


def _source(root: Path, module: str) -> list[str]:
    path = module.replace(".", "/")
    file = f"{path}/__init__.py" if (root / path).is_dir() else f"{path}.py"
    return [f"`{file} <{Links(root, ()).repository(file)}>`__", ""]


def _title(text: str, mark: str) -> list[str]:
    return [text, mark * len(text), ""]


def _rst(markdown: str) -> str:
    from tools.site.extension import plain_to_rst

    return plain_to_rst([markdown])[0]
