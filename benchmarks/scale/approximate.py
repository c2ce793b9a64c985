"""Exact and approximate search beside each other: time, memory, and the share of the ten nearest that was found.

The library is faiss: of the well-kept ones it alone has, from Python, the same graph over float32, float16 and int8,
exact scans over the same three, and filters that run in the search without a call into Python for each product.
(usearch takes no filter from Python; hnswlib knows float32 alone and calls a Python function for each product it
meets.)

Asked one question at a time on one thread, as a shop does; built on all cores. Which products pass a filter is known
before the clock starts, as row numbers or as a bit a row: a shop keeps such lists. faiss filters *during* the search
so: a graph's beam of `ef` walks over all products, and those that pass are kept.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.scale import shops
from benchmarks.scale.memory import high_water_mb, resident_mb
from recsys_lab.evaluation.bootstrap import interval

K = 10
FILTERS = (1.0, 0.05, 0.005)
PRECISIONS = ("float32", "float16", "int8")
M, EF_BUILD = 16, 64
EF = (16, 32, 64, 128, 256)
EF_FILTERED = (64, 256, 1024, 4096)
OVER_FETCH = (1, 2, 4)
SHARES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
GOOD = 0.95
"""The recall that both have to reach where the crossover is looked for."""
INSTALL = 'python -m pip install "faiss-cpu>=1.12,<2"'
SAME = 1e-6  # as good as the tenth

Row = dict[str, Any]
Found = NDArray[np.int64]
Ask = Callable[[NDArray[np.float32]], Found]


@dataclass
class Material:
    """Unit vectors [n, dim] and questions [q, dim]; for each filter's share, which rows pass."""

    vectors: NDArray[np.float32]
    questions: NDArray[np.float32]
    masks: dict[float, NDArray[np.bool_]] = field(default_factory=dict)
    _tenth: dict[float, NDArray[np.float32]] = field(default_factory=dict)

    def mask(self, share: float) -> NDArray[np.bool_]:
        """A filter that knows nothing of the vectors and lets this share pass (at least K rows)."""
        if share not in self.masks:
            n = len(self.vectors)
            made = np.zeros(n, dtype=bool)
            passing = min(n, max(K, round(share * n)))
            made[np.random.default_rng([11, int(1e6 * share)]).choice(n, passing, replace=False)] = True
            self.masks[share] = made
        return self.masks[share]

    def tenth(self, share: float) -> NDArray[np.float32]:
        """The score of the K-th of those that pass, by an exact scan in float32; [questions]."""
        if share not in self._tenth:
            rows = np.flatnonzero(self.mask(share))
            held = self.vectors if share == 1 else self.vectors[rows]
            made = np.empty(len(self.questions), dtype=np.float32)
            for first in range(0, len(made), 20):
                scores = self.questions[first : first + 20] @ held.T
                made[first : first + 20] = np.partition(scores, scores.shape[1] - K, axis=1)[:, -K]
            self._tenth[share] = made
        return self._tenth[share]

    def recall(self, share: float, at: int, found: Found) -> float:
        """The share of the K nearest among `found`; raises where something was found twice or does not pass."""
        found = found[found >= 0]
        if len(np.unique(found)) < len(found) or not self.mask(share)[found].all():
            raise AssertionError(f"filter {share}: something was found twice, or though it does not pass")
        scores = self.vectors[found] @ self.questions[at]
        return float((scores >= self.tenth(share)[at] - SAME).sum() / K)


def made_up(n: int, count: int = 400) -> Material:
    """Latent vectors of a made-up catalogue."""
    made = shops.catalogue(n)
    return Material(made.vectors, shops.questions(made, count))


def of_the_shop(count: int = 400) -> Material:
    """item2vec's vectors of the course's own simulated shop, asked from vectors of its products, a little moved."""
    from recsys_lab.datasets import load_shop
    from recsys_lab.item2vec import Item2Vec

    held = Item2Vec(shops.DIM, epochs=5, negative=5).fit(load_shop(impressions=False)).vectors_.matrix
    rng = np.random.default_rng(3)
    near = held[rng.integers(len(held), size=count)]
    noise = 0.4 * rng.standard_normal(near.shape) / shops.DIM**0.5 * np.linalg.norm(near, axis=1, keepdims=True)
    return Material(_unit(held), _unit(near + noise))


def _unit(rows: Any) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def shape_of(vectors: NDArray[np.float32]) -> dict[str, float]:
    """What kind of vectors these are: in how many directions they spread, and how near neighbours are."""
    rng = np.random.default_rng(0)
    some = vectors[rng.choice(len(vectors), min(len(vectors), 20_000), replace=False)]
    wide = np.linalg.eigvalsh(np.cov(some.T.astype(np.float64)))
    scores = np.partition(some[:100] @ vectors.T, [len(vectors) - K - 1, len(vectors) - 2], axis=1)
    return {
        "effective dimensions": float(wide.sum() ** 2 / (wide**2).sum()),  # the participation ratio
        "cosine of the nearest": float(np.median(scores[:, -2])),
        "cosine of the tenth": float(np.median(scores[:, -K - 1])),
    }


def library() -> Any:
    """faiss."""
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"approximate search needs faiss: {INSTALL}", name=error.name) from error
    return faiss


# -- ways to search ---------------------------------------------------------------------------------------------------


def build(kind: str, vectors: NDArray[np.float32]) -> tuple[Any, float, float]:
    """An index ("exact int8", "hnsw float16", "ivf float32"), the seconds that it took, and its MB."""
    faiss = library()
    family, precision = kind.split()
    dim, metric = vectors.shape[1], faiss.METRIC_INNER_PRODUCT
    code = {"float16": faiss.ScalarQuantizer.QT_fp16, "int8": faiss.ScalarQuantizer.QT_8bit}.get(precision)
    if family == "ivf":
        lists = max(8, round(len(vectors) ** 0.5))
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, lists, metric)
    elif family == "hnsw":
        index = faiss.IndexHNSWFlat(dim, M, metric) if code is None else faiss.IndexHNSWSQ(dim, code, M, metric)
        index.hnsw.efConstruction = EF_BUILD
    else:
        index = faiss.IndexFlatIP(dim) if code is None else faiss.IndexScalarQuantizer(dim, code, metric)
    sample = vectors if len(vectors) <= 100_000 else vectors[:: len(vectors) // 50_000]
    gc.collect()
    before = resident_mb()
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    began = time.perf_counter()
    index.train(sample)
    index.add(vectors)
    took = time.perf_counter() - began
    faiss.omp_set_num_threads(1)
    return index, took, resident_mb() - before


def scans(index: Any, material: Material, share: float, exact32: bool) -> Iterator[tuple[str, Ask]]:
    """An exact index asked with a filter: a bit a row, or (float32 alone has it) the numbers of the rows that pass."""
    faiss = library()
    if share == 1:
        yield "every row", lambda question: index.search(question[None], K)[1][0]
        return
    bits = faiss.IDSelectorBitmap(np.packbits(material.mask(share), bitorder="little"))
    by_bit = faiss.SearchParameters(sel=bits)
    yield "a bit a row", lambda question: index.search(question[None], K, params=by_bit)[1][0]
    if exact32:
        rows = faiss.IDSelectorArray(np.flatnonzero(material.mask(share)))
        by_row = faiss.SearchParameters(sel=rows)
        yield "the rows that pass", lambda question: index.search(question[None], K, params=by_row)[1][0]


def walks(index: Any, material: Material, share: float) -> Iterator[tuple[str, int, Ask]]:
    """A graph asked: without a filter; filtered during the search; filtered behind it, with more fetched than asked."""
    if share == 1:
        for ef in EF:
            yield "no filter", ef, walk(index, ef)
        return
    n = len(material.vectors)
    for ef in EF_FILTERED:
        if ef <= n:
            yield "filtered during the search", ef, walk(index, ef, material.mask(share))
    for times in OVER_FETCH:
        fetch = round(times * K / share)
        if fetch <= min(n, EF_FILTERED[-1]):
            yield "filtered after the search", fetch, _after(index, fetch, material.mask(share))


def walk(index: Any, ef: int, mask: NDArray[np.bool_] | None = None) -> Ask:
    """The K nearest by the graph with a beam of `ef`, of all or of those that pass."""
    faiss = library()
    asked = faiss.SearchParametersHNSW(efSearch=ef)  # bounded_queue=False would leave the filter out without a word
    if mask is not None:
        asked.sel = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
    return lambda question: index.search(question[None], K, params=asked)[1][0]


def _after(index: Any, fetch: int, mask: NDArray[np.bool_]) -> Ask:
    asked = library().SearchParametersHNSW(efSearch=fetch)

    def ask(question: NDArray[np.float32]) -> Found:
        found = index.search(question[None], fetch, params=asked)[1][0]
        found = found[found >= 0]
        return found[mask[found]][:K]

    return ask


def cells(index: Any, material: Material, share: float) -> Iterator[tuple[str, int, Ask]]:
    """An inverted file asked: so many of its lists, all rows of them or those that pass."""
    faiss = library()
    sel = None
    if share < 1:
        sel = faiss.IDSelectorBitmap(np.packbits(material.mask(share), bitorder="little"))
    for probes in (1, 4, 16, 64):
        if probes <= index.nlist:
            asked = faiss.SearchParametersIVF(nprobe=probes, sel=sel)
            yield ("no filter" if sel is None else "filtered during the search"), probes, _probed(index, asked)


def _probed(index: Any, asked: Any) -> Ask:
    return lambda question: index.search(question[None], K, params=asked)[1][0]


# -- measuring --------------------------------------------------------------------------------------------------------


def timed(ask: Ask, questions: NDArray[np.float32]) -> tuple[list[float], list[Found]]:
    """Milliseconds and answers; the first question is asked once before."""
    ask(questions[0])
    took, answers = [], []
    for question in questions:
        began = time.perf_counter()
        found = ask(question)
        took.append(1e3 * (time.perf_counter() - began))
        answers.append(found)
    return took, answers


def least(took: Sequence[float]) -> float:
    """The least median of four stretches of calls: what disturbs a timing only adds to it, so ratios are of these.

    >>> least([1.0, 1.0, 9.0, 9.0])
    1.0
    """
    return min(float(np.median(part)) for part in np.array_split(np.asarray(took), 4) if len(part))


def row_of(material: Material, share: float, ask: Ask, count: int | None = None) -> Row:
    """p50, p99 (and `least_ms`, see `least`) and recall of a way to ask the first `count` questions."""
    took, answers = timed(ask, material.questions[:count])
    recalls = np.array([material.recall(share, at, found) for at, found in enumerate(answers)])
    spread = interval(recalls, np.arange(len(recalls)))
    return {
        "p50_ms": float(np.median(took)), "p99_ms": float(np.quantile(took, 0.99)), "least_ms": least(took),
        "recall": spread.mean, "recall_interval": [spread.low, spread.high],
        "found": float(np.mean([(found >= 0).sum() for found in answers])), "questions": len(took),
    }  # fmt: skip


def exact_ms(flat: Any, material: Material, share: float, count: int) -> float:
    """What the exact float32 scan takes, by the quicker of its two ways."""
    ways = scans(flat, material, share, True)
    return min(least(timed(ask, material.questions[:count])[0]) for _, ask in ways)


def measure(kind: str, material: Material) -> dict[str, Any]:
    """All rows of one kind of index; for the float32 graph the crossover too. See `build` for `kind`."""
    n, dim = material.vectors.shape
    index, seconds, size = build(kind, material.vectors)
    count = 100 if n > 300_000 else 200  # of an exact scan, each takes as long as the other
    about = {"n": n, "dim": dim, "index": kind, "build_s": seconds, "MB": size}
    flat = index if kind == "exact float32" else build("exact float32", material.vectors)[0]
    rows: list[Row] = []
    for share in FILTERS:
        if share * n < K:
            continue
        before = exact_ms(flat, material, share, count)
        made = list(_rows(kind, index, material, share, count))
        exact = min(before, exact_ms(flat, material, share, count))
        rows += [{**about, "filter": share, **row, "to_exact": row["least_ms"] / exact} for row in made]
    told: dict[str, Any] = {"rows": rows}
    if kind == "hnsw float32":
        told["crossover"] = crossover(index, flat, material)
        told["together"] = together(index, material)
        told["vectors"] = shape_of(material.vectors)
    for row in rows:
        row["peak_MB"] = high_water_mb()  # of the whole process: vectors, a second copy for the exact scan, index
    return told


def _rows(kind: str, index: Any, material: Material, share: float, count: int) -> Iterator[Row]:
    family = kind.split(maxsplit=1)[0]
    if family == "exact":
        for way, ask in scans(index, material, share, kind == "exact float32"):
            yield {"parameters": way, "way": way, **row_of(material, share, ask, count)}
        return
    ways = walks(index, material, share) if family == "hnsw" else cells(index, material, share)
    fixed = (
        f"M {M}, efConstruction {EF_BUILD}, ef" if family == "hnsw" else f"{getattr(index, 'nlist', 0)} lists, asked"
    )
    for way, wide, ask in ways:
        few = 200 if wide >= 1024 else None
        told = {"parameters": f"{fixed} {wide}, {way}", "way": way, "ef" if family == "hnsw" else "lists": wide}
        yield {**told, **row_of(material, share, ask, few)}


def crossover(index: Any, flat: Any, material: Material, count: int = 100) -> Row:
    """For falling shares of products that pass: the exact scan of them, and the graph with the least `ef` that finds
    `GOOD` of the ten (None: not even with the largest). Below `share` the exact scan is quicker: see `crossing`."""
    n = len(material.vectors)
    some = Material(material.vectors, material.questions[:count])
    made: list[Row] = []
    for share in SHARES:
        if share * n < K:
            break
        exact = exact_ms(flat, some, share, count)
        row: Row = {"share": share, "exact_ms": exact, "hnsw_ms": None, "ef": None, "recall": None}
        for ef in (16, 32, 64, 128, 256, 512, 1024, 2048, 4096):
            tried = row_of(some, share, walk(index, ef, None if share == 1 else some.mask(share)))
            if tried["recall"] >= GOOD:
                row |= {"hnsw_ms": tried["least_ms"], "ef": ef, "recall": tried["recall"]}
                break
        made.append(row)
    share = crossing(
        [one["share"] for one in made], [one["exact_ms"] for one in made], [one["hnsw_ms"] for one in made]
    )
    return {"n": n, "recall_at_least": GOOD, "share": share, "rows": None if share is None else share * n, "at": made}


def crossing(shares: Sequence[float], exact: Sequence[float], graph: Sequence[float | None]) -> float | None:
    """The share at which both take the same time, between the two neighbours (on logarithms) where the sign changes.

    Shares fall. A graph that does not get there (None) takes forever. The largest share where the exact scan is quicker
    at all of them; None where it is not even at the smallest.

    >>> round(crossing([0.1, 0.01], [2.0, 0.5], [1.0, 1.0]), 4)
    0.0316
    """
    lead = [np.inf if slow is None else np.log(slow / fast) for fast, slow in zip(exact, graph, strict=True)]
    slower = [at for at, ahead in enumerate(lead) if ahead < 0]
    if not slower:
        return float(shares[0])
    at = slower[-1] + 1  # from here on down the exact scan is quicker
    if at == len(lead):
        return None
    if np.isinf(lead[at]):
        return float(shares[at])
    part = -lead[at - 1] / (lead[at] - lead[at - 1])
    return float(np.exp((1 - part) * np.log(shares[at - 1]) + part * np.log(shares[at])))


def together(index: Any, material: Material, share: float = 0.05) -> list[Row]:
    """A filter that goes with the vectors, as a category does: what lies nearest to one product. Asked from products
    that pass, and from elsewhere, where the walk is among products that do not."""
    rng = np.random.default_rng(13)
    n = len(material.vectors)
    near = material.vectors @ material.vectors[rng.integers(n)]
    edge = np.partition(near, n - round(share * n))[n - round(share * n)]
    mask = near >= edge
    moved = material.vectors[rng.choice(np.flatnonzero(mask), 100)]
    inside = _unit(moved + 0.4 * rng.standard_normal(moved.shape) / moved.shape[1] ** 0.5)
    centre = material.vectors[np.argmax(near)]
    outside = material.questions[np.argsort(material.questions @ centre, kind="stable")[:100]]
    made: list[Row] = []
    for asked, questions in (("from inside", inside), ("from elsewhere", outside)):
        part = Material(material.vectors, questions, {share: mask})
        for ef in EF_FILTERED:
            if ef <= n:
                row = row_of(part, share, walk(index, ef, mask))
                made.append({"n": n, "filter": float(mask.mean()), "asked": asked, "ef": ef, **row})
    return made
