"""The scoreboard: every method's result on one board, as a table, as JSON and as a chart, with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_lab.evaluation.board import Board, Result, above_ceiling
from recsys_lab.evaluation.bootstrap import Interval

Row = dict[str, Any]
FLOOR, REFERENCE, CEILING = "random", "popular", "truth"
"""The rows that a board is read by: chance, what every method is compared with, and what could be known at best."""


@dataclass
class Scoreboard:
    """Rows of one board, in the order they were added.

    Add results with `add`, or read stored rows with `load`. Rows that were measured together are compared in pairs with
    the row `popular`.
    """

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    _results: dict[str, Result] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, board: Board) -> Scoreboard:
        """An empty scoreboard for a board."""
        return cls(board.name, {name: value for name, value in board.facts.items()})

    def add(self, result: Result, key: Mapping[str, str] | None = None) -> Row:
        """Add a result as a row; `key` says where it came from (see `provenance`)."""
        if result.board != self.name:
            raise ValueError(f"a result of board {result.board!r} cannot stand on board {self.name!r}")
        if result.method in {row["method"] for row in self.rows}:
            raise ValueError(f"board {self.name!r} has a row {result.method!r} already; give each result its own name")
        row: Row = {
            "method": result.method,
            "params": json.loads(json.dumps(dict(result.params), default=_as_json)),
            "metrics": {name: asdict(span) for name, span in result.summary().items()},
            **dict(result.lists),
            "fit_seconds": round(result.fit_seconds, 3),
            "ms_per_list": round(result.ms_per_list, 4),
            "megabytes": round(result.megabytes, 2),
            "cases": len(result.units),
        }
        if key is not None:
            row["key"] = dict(key)
        self.rows.append(row)
        self._results[result.method] = result
        self._compare()
        return row

    def _compare(self) -> None:
        """Give every row measured here its difference to `popular`, once that is there."""
        reference = self._results.get(REFERENCE)
        for row in self.rows:
            mine = self._results.get(row["method"])
            if reference is not None and mine not in (None, reference) and "against_popular" not in row:
                assert mine is not None
                row["against_popular"] = {name: asdict(mine.against(reference, name)) for name in mine.cases}

    def too_good(self) -> list[str]:
        """Methods that are better than the truth itself, beyond chance: they must have read the future."""
        ceiling = self._results.get(CEILING)
        if ceiling is None:
            return []
        main = next(iter(ceiling.cases))
        others = [result for method, result in self._results.items() if method != CEILING]
        return [result.method for result in others if above_ceiling(result, ceiling, main)]

    def metric(self, method: str, name: str | None = None) -> Interval:
        """One number of the board: of the main metric, or of the one named."""
        for row in self.rows:
            if row["method"] == method:
                return Interval(**row["metrics"][name or next(iter(row["metrics"]))])
        raise KeyError(f"board {self.name!r} has no row {method!r}; it has {', '.join(r['method'] for r in self.rows)}")

    def room(self) -> str | None:
        """Where popularity stands between chance and the ceiling, in words; None where one of the three is missing."""
        methods = {row["method"] for row in self.rows}
        if not {FLOOR, REFERENCE, CEILING} <= methods:
            return None
        low, here, high = (self.metric(method).mean for method in (FLOOR, REFERENCE, CEILING))
        return (
            f"From random ({low:.4g}) to the ceiling of the truth ({high:.4g}), popular ({here:.4g}) has come"
            f" {(here - low) / (high - low):.0%} of the way."
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a method, numbers as numbers: each metric with `low` and `high`, and the costs."""
        table = []
        for row in self.rows:
            flat: Row = {"method": row["method"]}
            for name, span in row["metrics"].items():
                flat |= {name: span["mean"], f"{name} low": span["low"], f"{name} high": span["high"]}
            for name, span in row.get("against_popular", {}).items():
                flat |= {f"{name} - popular": span["mean"]}
            costs = ("coverage", "novelty", "fit_seconds", "ms_per_list", "megabytes", "cases")
            table.append(flat | {name: row[name] for name in costs})
        return pd.DataFrame(table)

    def to_table(self) -> pd.DataFrame:
        """The same for reading: metrics with their intervals in brackets, and the difference to `popular`."""
        table = []
        largest = max((row["metrics"][name]["mean"] for row in self.rows for name in row["metrics"]), default=0.0)
        digits = 1 if largest >= 10 else 4
        for row in self.rows:
            main = next(iter(row["metrics"]))
            line = {"method": row["method"]}
            for name, span in row["metrics"].items():
                wide = name == main or len(row["metrics"]) <= 2
                line[name] = _with_interval(span, digits) if wide else _number(span["mean"], digits)
            difference = row.get("against_popular", {}).get(main)
            line[f"{main} − popular"] = "" if difference is None else _with_interval(difference, digits, sign=True)
            line |= {"coverage": f"{row['coverage']:.2f}", "novelty": f"{row['novelty']:.1f}"}
            line |= {"fit s": f"{row['fit_seconds']:.2f}", "µs/list": f"{1000 * row['ms_per_list']:,.0f}"}
            table.append(line | {"MB": f"{row['megabytes']:.1f}"})
        return pd.DataFrame(table).set_index("method")

    def to_json(self) -> str:
        """The whole board as JSON."""
        return json.dumps({"board": self.name, "facts": dict(self.facts), "rows": self.rows}, indent=2) + "\n"

    def save(self, folder: Path) -> Path:
        """Write `folder`/<board>.json and return its path."""
        path = folder / f"{self.name.replace(' ', '_')}.json"
        path.write_text(self.to_json(), encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> Scoreboard:
        """Read what `save` wrote."""
        held = json.loads(path.read_text(encoding="utf-8"))
        return cls(held["board"], held["facts"], held["rows"])

    def stale(self, keys: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Methods whose stored key is not the one in `keys` (by method): their numbers belong to other data or code."""
        return [row["method"] for row in self.rows if row.get("key") != dict(keys.get(row["method"], {}))]

    def chart(self, metric: str | None = None, title: str | None = None) -> Any:
        """Each method's mean as a point on its interval; `title` should say what the chart shows."""
        from recsys_lab.charts import intervals

        name = metric or next(iter(self.rows[0]["metrics"]))
        spans = pd.DataFrame([{"method": row["method"], **row["metrics"][name]} for row in self.rows])
        return intervals(spans, label="method", metric=name, title=title or f"{self.name}: {name} by method")


def _as_json(value: Any) -> Any:
    """Parameters that are no JSON: settings by their fields, anything else (vectors, say) as it prints itself."""
    settings = is_dataclass(value) and not isinstance(value, type) and not hasattr(value, "__len__")
    return asdict(value) if settings else repr(value)


def boards_in(folder: Path) -> Iterable[Path]:
    """The stored boards of a folder, by name."""
    return sorted(folder.glob("*.json"))


def _number(value: float, digits: int, sign: bool = False) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:{'+' if sign else ''}.{digits}f}"


def _with_interval(span: Mapping[str, float], digits: int, sign: bool = False) -> str:
    mean, low, high = (_number(span[name], digits, sign) for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"
