"""Measure every board anew and write benchmarks/results/<board>.json: python benchmarks/scoreboards.py [LOG …]

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


def main(logs: list[str]) -> None:
    """Measure the boards of `logs`, or of all."""
    for log in logs or LOGS:
        try:
            for scores in measure.run(measure.of_log(log), tell=print):
                print(f"wrote {scores.save(RESULTS)}")
        except DataUnavailable as error:
            print(f"{log}: left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
