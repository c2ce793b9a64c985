"""What `make test-all` came to, as a page for the repository: benchmarks/test_all.md, made from pytest's own reports.

    python -m tools.trials FOLDER NAME …        FOLDER/NAME.xml is the report of each part, in this order

A part without a report, or whose report is empty, is said to have not run. The exit code is 0 when all of them ran and
nothing failed. Paths of this computer and its name are left out.
"""

from __future__ import annotations

import platform
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "benchmarks" / "test_all.md"
SLOWEST = 15
PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "gensim", "implicit", "torch", "pytest")
PATH = re.compile(r"(?<![\w./])(?:/[\w.+@-]+){2,}/?|[A-Za-z]:\\\S+")


@dataclass(frozen=True)
class Case:
    """One test: its name, how it ended (passed, failed, skipped), its seconds, and why it was skipped."""

    name: str
    ended: str
    seconds: float
    why: str = ""


def read(path: Path) -> list[Case] | None:
    """The tests of a report, or None where there is no whole report."""
    try:
        found = ElementTree.parse(path).getroot().iter("testcase")
    except (FileNotFoundError, ElementTree.ParseError):
        return None
    return [_case(element) for element in found]


def page(parts: dict[str, list[Case] | None], versions: Sequence[str], date: str) -> str:
    """The page, in markdown."""
    lines = ["# The last `make test-all`", "", f"{date}; {', '.join(versions)}.", ""]
    lines += ["| part | passed | failed | skipped | seconds |", "|---|---|---|---|---|"]
    for name, cases in parts.items():
        count = Counter(case.ended for case in cases or ())
        seconds = f"{sum(case.seconds for case in cases):.0f}" if cases else "did not run"
        lines.append(f"| {name} | {count['passed']} | {count['failed']} | {count['skipped']} | {seconds} |")
    every = [case for cases in parts.values() for case in cases or ()]
    lines += _section("Failed", [f"`{case.name}`" for case in every if case.ended == "failed"])
    reasons = Counter(case.why for case in every if case.ended == "skipped")
    lines += _section("Skipped", [f"{count} × {why}" for why, count in sorted(reasons.items())])
    slowest = sorted(every, key=lambda case: (-case.seconds, case.name))[:SLOWEST]
    lines += _section("The slowest", [f"{case.seconds:.1f} s `{case.name}`" for case in slowest])
    return "\n".join(lines) + "\n"


def went_well(parts: dict[str, list[Case] | None]) -> bool:
    """Whether each part ran, and nothing failed in any."""
    return all(cases and all(case.ended != "failed" for case in cases) for cases in parts.values())


def main(arguments: Sequence[str]) -> int:
    """Write the page; 0 when all went well."""
    folder, *names = arguments
    parts = {name: read(Path(folder) / f"{name}.xml") for name in names}
    PAGE.write_text(page(parts, _versions(), f"{datetime.now(UTC):%Y-%m-%d}"), encoding="utf-8", newline="\n")
    print(PAGE.read_text(encoding="utf-8"))
    return 0 if went_well(parts) else 1


def _case(element: ElementTree.Element) -> Case:
    name = "::".join(filter(None, (element.get("classname"), element.get("name"))))
    ended, why = "passed", ""
    for child in element:
        if child.tag in ("failure", "error"):
            ended = "failed"
        elif child.tag == "skipped" and ended != "failed":
            ended, why = "skipped", child.get("message") or "no reason given"
    return Case(_public(name), ended, float(element.get("time") or 0), _public(why))


def _public(text: str) -> str:
    """A text on one line, without paths of this computer."""
    return PATH.sub("…", " ".join(text.split()))


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {line}" for line in lines or ["none"])]


def _versions() -> list[str]:
    found = [f"Python {platform.python_version()} on {platform.system()} ({platform.machine()})"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"no {name}")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
