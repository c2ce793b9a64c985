"""What a filtered question costs in each store and what it misses: python -m benchmarks.stores [OUT.json] [--quick]

- The ten nearest of about 4,000 and of 100,000 vectors of 64 numbers, without a filter, with one that half of them pass
  and with one that 5 % pass: latency beside plain numpy in the same run, and the share of the ten best that was found.
- pgvector in five ways, each with what EXPLAIN says it did. One of them is the trap: with an HNSW index and the
  planner's own choice most of the ten are missing, without any error.
- Training factors beside bare `implicit` on the same events.

Stores: memory, Qdrant in process (up to 20,000 points) and on a server where QDRANT_URL names one, PostgreSQL of pip's,
Redis where REDIS_SERVER names a redis-server, LanceDB (the solution of projects/05_lancedb) where it is installed.
Absolute times are there for orientation; ratios are of one run. Run it on a quiet machine. With `--restate` it measures
nothing, and computes the ratios of a stored file anew from its times.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks.stores import servers
from benchmarks.stores.materials import DIM, K, Material, made_up, shoppers
from recsys_lab.datasets import Shop, load_shop
from recsys_lab.factors import Factors
from recsys_lab.filters import Filter
from recsys_lab.preferences import WEIGHTS
from recsys_lab.stores import BaseCollection, open_store
from recsys_lab.stores.postgres import PostgresCollection
from recsys_lab.stores.qdrant import IN_PROCESS

OUT = Path(__file__).parent / "results.json"
Row = dict[str, Any]
INDEXED = ("Redis", "Qdrant server", "LanceDB")
"""Stores that have an index as well, asked with `exact=False`."""

Ask = Callable[[Any, Filter | None], list[str]]


@dataclass(frozen=True)
class Way:
    """One way to ask pgvector: what it is, by which of the adapter's ways (or by hand), under which settings."""

    told: str
    kind: Literal["exact", "planner", "iterative", "by hand"] = "planner"
    settings: Mapping[str, str] = field(default_factory=dict)


WAYS = {
    "exact": Way(
        "every point that passes, though there is an index: what the store does where there is a filter", "exact"
    ),
    "index, planner's choice": Way("an HNSW index is there, and all is left as it is (hnsw.ef_search 40)"),
    "plain columns, planner's choice": Way(
        "the same points in a table by hand: the filter's fields in analysed columns of their own, so that the planner"
        " knows how many pass",
        "by hand",
    ),
    "index, ef_search 200": Way("the same with hnsw.ef_search 200", settings={"hnsw.ef_search": "200"}),
    "index, ef_search 200, forced": Way(
        "the same with enable_seqscan off", settings={"hnsw.ef_search": "200", "enable_seqscan": "off"}
    ),
    "index, iterative scan": Way(
        "hnsw.iterative_scan strict_order, ef_search 100, forced: the scan goes on until ten have passed", "iterative"
    ),
}


def main(
    out: Path,
    sizes: tuple[int, ...] = (4_000, 100_000),
    questions: int = 200,
    runs: int = 9,
    only: Collection[str] | None = None,
) -> Row:
    """Measure everything, or `only` some stores, write it down and return it."""
    shop = load_shop(impressions=False)
    report: Row = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "versions": servers.versions(),
        "questions": questions,
        "k": K,
        "materials": [],
        "stores": [],
        "pgvector": [],
        "pgvector_ways": {name: way.told for name, way in WAYS.items()},
        "skipped": {},
        "training": training(shop, runs),
    }
    with ExitStack() as stack:
        urls, report["skipped"] = servers.start(stack, only)
        for material in (shoppers(shop, questions), *(made_up(n, questions) for n in sizes)):
            count = len(material.ids)
            passed = {name: float(mask.mean()) for name, mask in material.masks.items()}
            report["materials"].append(
                {"name": material.name, "points": count, "told": material.told, "passes": passed,
                 "filters": {name: str(where) for name, where in material.filters.items()}}
            )  # fmt: skip
            numpy = {name: numpy_ms(material, name) for name in material.filters}
            for store, url in urls.items():
                if store == "Qdrant in process" and count > IN_PROCESS:
                    continue
                with filled(url, material) as things:
                    report["stores"] += [
                        row(material, store, name, by_search(things), numpy[name]) for name in material.filters
                    ]
                    if isinstance(things, PostgresCollection):
                        report["pgvector"] += pgvector(things, material, numpy)
                    elif store in INDEXED:
                        if store == "LanceDB":
                            things.create_index()  # type: ignore[attr-defined]
                        ask = by_search(things, exact=False)
                        report["stores"] += [
                            row(material, f"{store}, index", one, ask, numpy[one]) for one in material.filters
                        ]
    return write(out, restated(report))


def write(out: Path, report: Row) -> Row:
    """Write a report down and return it."""
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{out} written")
    return report


def restated(report: Row) -> Row:
    """The report with each `to_numpy` computed from its own times, all of a material and a filter by one divisor.

    The divisor is the quietest `numpy_ms` among these rows. A run of today has one number in all of them. In older runs
    each row timed numpy by itself, on all cores and beside a server, and the same product of the same matrix came out
    many times slower: what disturbs a timing only adds to it, so the least is nearest to numpy's own time,
    and a median of them would be that of the disturbance.
    """
    rows = [*report["stores"], *report["pgvector"]]
    least: dict[tuple[str, str], float] = {}
    for one in rows:
        key = one["material"], one["filter"]
        least[key] = min(one["numpy_ms"], least.get(key, np.inf))
    for one in rows:
        one["to_numpy"] = one["median_ms"] / least[one["material"], one["filter"]]
    return report


def numpy_ms(material: Material, name: str, rounds: int = 7) -> float:
    """Milliseconds of plain numpy for one question: the median of `rounds` medians over the questions.

    On one BLAS thread: several of them wait for each other as soon as anybody else uses a core.
    """
    medians = []
    with threadpool_limits(1, "blas"):
        for _ in range(rounds):
            took = []
            for at in range(len(material.questions)):
                began = time.perf_counter()
                material.bare(name, at)
                took.append(time.perf_counter() - began)
            medians.append(float(np.median(took)))
    return 1e3 * float(np.median(medians))


@contextmanager
def filled(url: str, material: Material) -> Iterator[BaseCollection]:
    """A collection with the material's points, dropped at the end."""
    with open_store(url) as store:
        things = store.collection("benchmark", DIM, "cosine")
        try:
            things.upsert(material.ids, material.vectors, material.payloads)
            yield things
        finally:
            store.drop("benchmark")


def by_search(things: BaseCollection, exact: bool | None = None) -> Ask:
    """The protocol's own way."""
    return lambda question, where: list(things.search(question, K, where, exact=exact).item_ids)


def row(material: Material, store: str, name: str, ask: Ask, numpy: float) -> Row:
    """Latency and recall of one store with one filter, beside numpy's milliseconds for the same questions."""
    where = material.filters[name]
    ask(material.questions[0], where)  # connections, plans, and columns that are made when first asked for
    took: list[float] = []
    recalls, found = [], []
    for at, question in enumerate(material.questions):
        began = time.perf_counter()
        labels = ask(question, where)
        took.append(time.perf_counter() - began)
        recalls.append(material.recall(name, at, labels))
        found.append(len(labels))
    median = 1e3 * float(np.median(took))
    made = {
        "material": material.name, "store": store, "filter": name, "median_ms": median,
        "p99_ms": 1e3 * float(np.quantile(took, 0.99)), "recall": float(np.mean(recalls)),
        "found": float(np.mean(found)), "numpy_ms": numpy, "to_numpy": median / numpy,
    }  # fmt: skip
    print(f"{material.name:>16}  {store:<32} {name:<5} {median:8.2f} ms  recall {made['recall']:.3f}", flush=True)
    return made


def pgvector(things: PostgresCollection, material: Material, numpy: Mapping[str, float]) -> list[Row]:
    """The ways that pgvector has, each with the lines of EXPLAIN that say what it did."""
    rows = []
    with things._store.guard() as connection, servers.plain_columns(connection, things, material) as plain:
        things.create_index()
        for label, way in WAYS.items():
            for setting, value in way.settings.items():
                connection.execute("SELECT set_config(%s, %s, false)", [setting, value])
            ask, explain = (plain.ask, plain.explain) if way.kind == "by hand" else _adapters(things, way.kind)
            for name, where in material.filters.items():
                plans = [decisive(explain(question, where)) for question in material.questions[::20]]
                ran = {what for what, _ in plans}
                if len(ran) > 1:
                    raise AssertionError(f"{material.name}, {label}, {name}: the plan differs between questions")
                made = row(material, f"pgvector: {label}", name, ask, numpy[name])
                rows.append({**made, "store": label, "ran": ran.pop(), "explain": plans[0][1]})
            for setting in way.settings:
                connection.execute(f"RESET {setting}")
    return rows


def _adapters(things: PostgresCollection, kind: Any) -> tuple[Ask, Callable[[Any, Filter | None], str]]:
    """How the adapter asks in one of its ways, and how it explains itself."""
    return (
        lambda question, where: things.search_by(kind, question, K, where),
        lambda question, where: things.explain(question, K, where, kind),
    )


def decisive(plan: str) -> tuple[str, list[str]]:
    """Whether the HNSW index ran ("index") or every row was looked at ("rows"), and the lines that say so."""
    lines = [line.strip().removeprefix("->").strip() for line in plan.splitlines()]
    scans = [line for line in lines if "Scan" in line]
    if len(scans) != 1:
        raise AssertionError(f"a plan with other than one scan:\n{plan}")
    removed = [line for line in lines if line.startswith("Rows Removed by Filter")]
    if "Index Scan using" in scans[0] and "_hnsw" in scans[0]:
        return "index", [*scans, *removed]
    if scans[0].removeprefix("Parallel ").startswith("Seq Scan on"):  # one process, or several that share the rows
        return "rows", [*scans, *removed]
    raise AssertionError(f"neither the HNSW index nor all rows:\n{plan}")


def training(shop: Shop, runs: int) -> Row:
    """Seconds of one core to train factors, ours and bare `implicit`'s, by turns, from the same events."""
    ours, theirs = [], []
    for _ in range(runs):
        began = time.process_time()
        Factors(DIM, base=0.0, threads=1).fit(shop)
        ours.append(time.process_time() - began)
        began = time.process_time()
        bare_implicit(shop)
        theirs.append(time.process_time() - began)
    ratio = float(np.median(ours) / np.median(theirs))
    print(f"training: {ratio:.3f} of bare implicit's time", flush=True)
    return {
        "events": len(shop.events), "runs": runs, "ours_s": float(np.median(ours)),
        "implicit_s": float(np.median(theirs)), "to_implicit": ratio,
    }  # fmt: skip


def bare_implicit(shop: Shop) -> Any:
    """The same by hand: labels to positions, weights summed up, and the library's own fit."""
    from implicit.cpu.als import AlternatingLeastSquares

    rows, users = pd.factorize(shop.events["user_id"], sort=True)
    columns, items = pd.factorize(shop.events["item_id"])
    worth = shop.events["event_type"].map(WEIGHTS).fillna(0.0).to_numpy(dtype=np.float32)
    matrix = sparse.csr_matrix((worth, (rows, columns)), shape=(len(users), len(items)))
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AlternatingLeastSquares(factors=DIM, random_state=0, num_threads=1)
        model.fit(matrix, show_progress=False)
    return model


if __name__ == "__main__":
    given = [argument for argument in sys.argv[1:] if argument not in ("--quick", "--restate")]
    target = Path(given[0]) if given else OUT
    if "--restate" in sys.argv:
        write(target, restated(json.loads(target.read_text(encoding="utf-8"))))
    elif "--quick" in sys.argv:
        main(target if given else Path(tempfile.gettempdir()) / "stores_quick.json", (1_000, 5_000), 40, 3)
    else:
        main(target)
