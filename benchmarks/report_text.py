"""What the parts of BENCHMARKS.md share: the stored files, and how numbers are written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys_lab.evaluation import Interval, Scoreboard

ROOT = Path(__file__).resolve().parent.parent
BOARDS = ("home", "next", "basket", "ab", "owned", "clickstream", "retail_any", "retail_novel", "retail_owned")
Row = dict[str, Any]


class Files:
    """The stored files: boards as scoreboards, the rest as JSON; None where one is missing."""

    def __init__(self, folder: Path = ROOT / "benchmarks") -> None:
        self.folder = folder

    def json(self, name: str) -> Any:
        """A file under benchmarks/ by its path without ".json"."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def boards(self) -> dict[str, Scoreboard]:
        """The scoreboards by name, in the order of the README."""
        paths = {name: self.folder / "results" / f"{name}.json" for name in BOARDS}
        return {name: Scoreboard.load(path) for name, path in paths.items() if path.exists()}


def span(value: Interval | Mapping[str, float], digits: int = 3, sign: bool = False) -> str:
    """A mean with its interval: 0.127 [0.120, 0.133]."""
    held = value if isinstance(value, Interval) else Interval(value["mean"], value["low"], value["high"])
    digits = 1 if abs(held.mean) >= 10 else digits
    mean, low, high = (f"{number:{'+' if sign else ''}.{digits}f}" for number in (held.mean, held.low, held.high))
    return f"{mean} [{low}, {high}]"


def times(ratio: float) -> str:
    """A ratio with two digits that count, and no more: 0.013×, 4.5×, 38×, 1,200×."""
    if ratio >= 100:
        return f"{float(f'{ratio:.2g}'):,.0f}×"
    return f"{ratio:.0f}×" if ratio >= 10 else f"{float(f'{ratio:.2g}'):g}×"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    cells = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(row) + " |" for row in cells]


def link(path: str) -> str:
    """A stored file, by its path under benchmarks/."""
    return f"[{path}](benchmarks/{path})"


def missing(what: str, command: str) -> list[str]:
    """A line for what has not been measured yet."""
    return [f"Not measured yet: {what} (`{command}`).", ""]


def bounds(text: str) -> Interval:
    """An interval as the files write it: 0.2654 [0.2524, 0.2787].

    >>> bounds("0.2654 [0.2524, 0.2787]").high
    0.2787
    """
    mean, _, rest = text.partition(" [")
    low, high = rest.rstrip("]").split(", ")
    return Interval(float(mean), float(low), float(high))
