"""One of our methods in a process of its own, as its rivals have one.

python -m benchmarks.peers.ours BOARD METHOD FOLDER OUT.npz

FOLDER has the training shop and the questions (`tables.write`), and nothing of what was wanted.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.peers.inside import megabytes
from recsys_lab.methods import ROWS


def main(name: str, method: str, folder: Path, out: Path) -> None:
    """Fit, ask, write: what `inside.py` does for the others."""
    with (folder / "board.pkl").open("rb") as held:  # written by the run that started this process
        board = pickle.load(held)
    model = ROWS[name][method]()
    before, began = megabytes(forget=True), time.perf_counter()
    model.fit(board["train"])
    fitted = time.perf_counter()
    lists, _ = model.recommend_many(board["contexts"], board["k"], board["exclude"])
    done = time.perf_counter()
    np.savez_compressed(out, lists=lists.astype(str))
    told = {"fit_s": fitted - began, "ms_per_list": 1000 * (done - fitted) / len(board["contexts"])}
    told |= {"peak_MB": megabytes(), "MB_over_data": megabytes() - before}
    out.with_suffix(".json").write_text(json.dumps([told]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3], *(Path(argument) for argument in sys.argv[3:5]))
