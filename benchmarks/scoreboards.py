"""Measure the boards and write benchmarks/results/<board>.json: python benchmarks/scoreboards.py [LOG …] [--stale]

The README, the notebooks and the site read their tables from these files. A log that cannot be had is left out with a
line, and its stored boards stay as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path

from recsys_lab import measure
from recsys_lab.datasets import DataUnavailable

RESULTS = Path(__file__).parent / "results"
LOGS = ("shop", "clickstream", "retail")


def main(arguments: list[str]) -> None:
    """Measure the boards of the logs that are named, or of all; with --stale the rows alone whose key fits no more."""
    kept = {board.name: board for board in measure.stored().values()} if "--stale" in arguments else None
    for log in [name for name in arguments if name != "--stale"] or LOGS:
        try:
            for scores in measure.run(measure.of_log(log), tell=print, kept=kept):
                print(f"wrote {scores.save(RESULTS)}")
        except DataUnavailable as error:
            print(f"{log}: left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
