"""Our methods beside public frameworks: python -m benchmarks.peers [BOARD …] [--only NAME …] [--fresh]

Each model runs in a process of its own: implicit in this environment, RecTools and LensKit in the one that PEERS_PYTHON
names (without it they are left out with a line, and what is stored of them stays). Install it with

    python3.11 -m venv PEERS
    PEERS/bin/pip install torch==2.13.0 rectools==0.19.0 pytorch-lightning==2.6.6 lenskit==2025.8.1 "pyarrow>=20,<21"

- A rival gets the training events and what is known of who asks; it returns lists of products, and the evaluation of
  the course judges its lists and ours: same questions, same metric, differences case by case.
- Its settings are those of its small grid (rivals.py) that were best on the tuning days before the test; ours are those
  of the stored boards, chosen on such days as well.
- Lists shorter than asked for are filled up with what is popular, as ours are.
- Times and memory are ratios to that of our methods which does the same kind of work, run in the same minute.

`--fresh` measures parts anew that are stored already. Writes benchmarks/peers/results.json after each part.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import inside
from benchmarks.peers.rivals import LEFT_OUT, OURS, OWN_CODE, RIVALS, Rival, Setting
from benchmarks.peers.tables import BOARDS, VISITS, board_of, filled, longest, scored, write
from recsys_lab.datasets import DataUnavailable
from recsys_lab.evaluation import Board, Result, evaluate
from recsys_lab.methods import ROWS

OUT = Path(__file__).parent / "results.json"
ROOT = Path(__file__).resolve().parents[2]
TRAINED_IN = 1800  # seconds that a process may take, with all settings of a grid
Row = dict[str, Any]


class PeerError(RuntimeError):
    """A rival's process failed; the message ends with what it said."""


def python_of(framework: str) -> str | None:
    """The Python that has a framework; None where PEERS_PYTHON names none."""
    return sys.executable if framework in {"implicit", "none"} else os.environ.get("PEERS_PYTHON")


def ask(board: Board, folder: Path, rival: Rival, settings: Sequence[Setting], method: str) -> list[tuple[Result, Row]]:
    """Let a rival fit and answer in a process of its own with each of the settings, and judge its lists."""
    job = {"framework": rival.framework, "model": rival.model, "settings": list(settings), "k": longest(board)}
    job |= {"visits": board.name in VISITS, "drop_known": board.exclude is not None}
    given, out = folder / "job.json", folder / "lists.npz"
    given.write_text(json.dumps(job), encoding="utf-8")
    python = python_of(rival.framework)
    if python is None:
        raise PeerError(f"{rival.name}: PEERS_PYTHON names no Python; see python -m benchmarks.peers --help")
    told = _run([python, inside.__file__, str(folder), str(given), str(out)], out)
    with np.load(out) as held:
        lists = [filled(board, held[f"lists {at}"].astype(object)) for at in range(len(told))]
    return [
        (scored(board, found, method, one["fit_s"], one["ms_per_list"]), one)
        for found, one in zip(lists, told, strict=True)
    ]


def ask_ours(board: Board, folder: Path, method: str) -> tuple[Result, Row]:
    """The same for one of ours."""
    out = folder / "ours.npz"
    (told,) = _run([sys.executable, "-m", "benchmarks.peers.ours", board.name, method, str(folder), str(out)], out)
    with np.load(out) as held:
        lists = held["lists"].astype(object)
    return scored(board, lists, method, told["fit_s"], told["ms_per_list"]), told


def _run(command: list[str], out: Path) -> list[Row]:
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # what implicit asks for; it has threads of its own
    done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, timeout=TRAINED_IN, check=False)
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-4:])
        raise PeerError(f"{' '.join(command[1:3])} ended with {done.returncode}: {said}")
    told: list[Row] = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    return told


def choose(rival: Rival, name: str, folder: Path) -> tuple[Setting, list[Row]]:
    """The setting of the grid with the highest main metric on the tuning days, and what each got there."""
    if len(rival.settings) == 1:
        return rival.settings[0], []
    board = board_of(name, tuning=True)
    write(board, folder)
    tried: list[Row] = []
    for setting, (result, told) in zip(
        rival.settings, ask(board, folder, rival, rival.settings, rival.name), strict=True
    ):
        value = float(result.summary()[board.main].mean)
        tried.append({"settings": setting, board.main: value, "fit_s": round(told["fit_s"], 2)})
        print(f"  tuning {name}: {rival.name} {setting}: {value:.4f}", flush=True)
    best = max(range(len(tried)), key=lambda at: tried[at][board.main])  # the first of equals
    return rival.settings[best], tried


@cache
def of_ours(name: str, method: str) -> Result:
    """The lists of one of ours, once in a run; of those whose time counts, there are more runs."""
    return evaluate(ROWS[name][method](), board_of(name, tuning=False), method)


def measure(rival: Rival, name: str) -> Row:
    """A rival on the test questions, each of ours beside it in pairs, and its cost beside that of the like of it."""
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        setting, tried = choose(rival, name, folder / "tuning")
        board = board_of(name, tuning=False)
        write(board, folder)
        mine, cost = ask_ours(board, folder, rival.like)
        ((result, told),) = ask(board, folder, rival, [setting], rival.name)
    against = {}
    for method in OURS[name]:
        other = mine if method == rival.like else of_ours(name, method)
        against[method] = {metric: asdict(result.against(other, metric)) for metric in list(result.cases)[:2]}
    return {
        "framework": rival.framework,
        "versions": told["versions"],
        "python": told["python"],
        "settings": setting,
        "grid": tried,
        "quality": {metric: asdict(span) for metric, span in result.summary().items()},
        "minus ours": against,
        "like": rival.like,
        "cost": {
            "fit_s": told["fit_s"],
            "ms_per_list": told["ms_per_list"],
            "MB_over_data": told["MB_over_data"],
            "fit_to_ours": told["fit_s"] / cost["fit_s"],
            "list_to_ours": told["ms_per_list"] / cost["ms_per_list"],
            "MB_ours": cost["MB_over_data"],
        },
        "load": round(os.getloadavg()[0], 1),
    }


def of_board(name: str) -> Row:
    """What is said of a board once: our rows on it, as they were measured beside the rivals."""
    board = board_of(name, tuning=False)
    tuning = board_of(name, tuning=True)
    ours = {}
    for method in OURS[name]:
        result = of_ours(name, method)
        ours[method] = {metric: asdict(span) for metric, span in result.summary().items()}
    return {"metric": board.main, "cases": len(board.contexts), "tuning cases": len(tuning.contexts), "ours": ours}


def parts(boards: list[str], only: list[str] | None) -> list[tuple[str, Rival]]:
    """The rivals that are asked for, board by board; raises `ValueError` for a name that there is not."""
    known = sorted({rival.name for rivals in RIVALS.values() for rival in rivals})
    strange = [name for name in only or () if name not in known] + [name for name in boards if name not in BOARDS]
    if strange:
        raise ValueError(f"{strange[0]!r} is no board and no rival; boards: {', '.join(BOARDS)}; rivals: {known}")
    return [(name, rival) for name in boards or BOARDS for rival in RIVALS[name] if not only or rival.name in only]


def main(arguments: list[str]) -> int:
    """Measure the parts that are not stored, or those that are named; how many failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="*", metavar="BOARD")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--fresh", action="store_true")
    asked = parser.parse_args(arguments)
    report: Row = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {"boards": {}}
    report["machine"] = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    report["versions"] = {name: version(name) for name in ("numpy", "scipy", "pandas", "implicit", "gensim")}
    report |= {"the library is part of ours": OWN_CODE, "left out": LEFT_OUT}
    failed = 0
    for name, rival in parts(asked.boards, asked.only):
        held = report["boards"].get(name, {}).get("rivals", {})
        if rival.name in held and not asked.fresh:
            continue
        if python_of(rival.framework) is None:
            print(f"{name}: {rival.name} left out: PEERS_PYTHON names no Python that has {rival.framework}")
            continue
        began = time.perf_counter()
        try:
            row = measure(rival, name)
        except (DataUnavailable, PeerError) as error:
            print(f"{name}: {rival.name} left out: {error}", file=sys.stderr)
            failed += isinstance(error, PeerError)
            continue
        held[rival.name] = row
        report["boards"][name] = {**of_board(name), "rivals": held}
        OUT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        main_metric = report["boards"][name]["metric"]
        difference = row["minus ours"][rival.like][main_metric]
        print(
            f"{name}: {rival.name} {row['quality'][main_metric]['mean']:.4f}, minus our {rival.like}"
            f" {difference['mean']:+.4f} [{difference['low']:+.4f}, {difference['high']:+.4f}];"
            f" {time.perf_counter() - began:.0f} s",
            flush=True,
        )
    return failed


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
