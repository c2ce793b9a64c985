"""Time and memory of the course's own methods at growing sizes, and the exponents by which they grow.

Each function measures one method on a shop of `n` products in a process of its own, and returns numbers by name; the
name ends with its unit. Memory is the peak above what was there when the input was ready.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.scale import shops
from benchmarks.scale.memory import Peak, resident_mb
from recsys_lab.datasets import Event
from recsys_lab.filters import field
from recsys_lab.recommender import Context

Measured = dict[str, float]
NOW = shops.START_MS + (shops.DAYS + 1) * 86_400_000
BRANCH = field("branch") == "b07"  # 5 % pass


def exponent(sizes: Sequence[float], values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """b of value ≈ a·size^b, by least squares on the logarithms, with its 95 % interval from 4 points on.

    >>> exponent([10, 100, 1000], [5.0, 50.0, 500.0])[0].__round__(6)
    1.0
    """
    if len(sizes) != len(values) or len(sizes) < 2:
        raise ValueError(f"sizes, values: {len(sizes)} and {len(values)}; give two or more of each, and as many")
    if min(sizes) <= 0 or min(values) <= 0 or len(set(sizes)) < 2:
        raise ValueError("sizes, values: a logarithm needs numbers above 0, and a line two sizes")
    line = stats.linregress(np.log(sizes), np.log(values))
    slope = float(line.slope)
    if len(sizes) < 4:
        return slope, None
    wide = float(line.stderr) * float(stats.t.ppf(0.975, len(sizes) - 2))
    return slope, (slope - wide, slope + wide)


def grown(measured: Mapping[str, Mapping[str, float]], to: Sequence[int] = (1_000_000,)) -> dict[str, Any]:
    """What was measured, by name and size, as growth: sizes, values, the exponent, and what was not measured.

    A value at a size of `to` that lies beyond the largest measured one is `extrapolated` from that by the exponent.
    """
    made: dict[str, Any] = {}
    for name, by_size in measured.items():
        sizes = sorted(int(size) for size in by_size)
        values = [by_size[str(size)] for size in sizes]
        row: dict[str, Any] = {"unit": name.rsplit(" ", 1)[1], "sizes": sizes, "values": values}
        row |= {"exponent": None, "interval": None}
        # A process's memory moves in steps of pages: what is next to nothing says nothing about growth.
        kept = [(size, value) for size, value in zip(sizes, values, strict=True) if value > 0]
        if len(kept) >= 2:
            slope, around = exponent(*zip(*kept, strict=True))
            row |= {"exponent": slope, "interval": None if around is None else list(around)}
            row["extrapolated"] = {str(n): values[-1] * (n / sizes[-1]) ** slope for n in to if n > sizes[-1]}
        made[name] = row
    return made


def _asked(ask: Callable[[int], Any], times: int = 28) -> float:
    """Milliseconds: the least median of four stretches of calls, as what disturbs a timing only adds to it."""
    ask(0)
    took = []
    for at in range(times):
        began = time.perf_counter()
        ask(at)
        took.append(time.perf_counter() - began)
    return 1e3 * min(float(np.median(part)) for part in np.array_split(took, 4))


def _made(do: Callable[[], Any]) -> tuple[Any, float, float]:
    """What was made, the seconds, and the peak in MB."""
    peak = Peak()
    began = time.perf_counter()
    made = do()
    took = time.perf_counter() - began
    return made, took, peak.mb()


def spaces(n: int) -> Measured:
    """An index of three spaces (a vector of 64, the department, the price), filled and asked."""
    from recsys_lab.spaces import CategorySpace, CustomSpace, NumberSpace, SpaceIndex

    made = shops.catalogue(n)
    frame = shops.products(made)
    frame["vector"] = list(made.vectors)
    kinds = sorted(set(frame["department"]))
    top = float(frame["price"].max())

    def fill() -> SpaceIndex:
        spaces = {
            "vector": CustomSpace("vector", shops.DIM),
            "department": CategorySpace("department", kinds),
            "price": NumberSpace("price", 0, top, "minimum"),
        }
        return SpaceIndex(spaces).add(frame[["item_id", "department", "price", "vector"]])

    index, seconds, peak = _made(fill)
    asked = shops.questions(made, 30)
    ask = _asked(lambda at: index.search({"vector": asked[at]}, {"vector": 1.0, "price": 0.2}))
    return {"spaces build s": seconds, "spaces build MB": peak, "spaces query ms": ask}


def item2vec(n: int) -> Measured:
    """One epoch of skip-gram on one thread: times and not quality (20 epochs take about 20 times as long)."""
    from recsys_lab.item2vec import Item2Vec

    shop, small = shops.shop(n), shops.shop(200)
    Item2Vec(64, window=3, epochs=1, negative=5).fit(small)  # what is imported when first needed is not growth
    model, seconds, peak = _made(lambda: Item2Vec(64, window=3, epochs=1, negative=5).fit(shop))
    shown = Context(None, NOW, viewed="p0000001")
    ask = _asked(lambda _: model.recommend(shown), 12)
    return {"item2vec fit s": seconds, "item2vec fit MB": peak, "item2vec query ms": ask}


def als(n: int) -> Measured:
    """Three rounds of ALS with 64 factors on one thread (15 rounds take about five times as long)."""
    from recsys_lab.factors import Factors

    shop, small = shops.shop(n), shops.shop(200)
    Factors(64, iterations=3, threads=1).fit(small)
    model, seconds, peak = _made(lambda: Factors(64, iterations=3, threads=1).fit(shop))
    users = [str(user) for user in model.user_vectors_.ids[:30]]
    ask = _asked(lambda at: model.recommend(Context(users[at], NOW)), 12)
    return {"als fit s": seconds, "als fit MB": peak, "als query ms": ask}


def ranker(n: int) -> Measured:
    """Three sources and a line over their features, on at most 3,000 examples."""
    from recsys_lab.baselines import Markov, Popular
    from recsys_lab.factors import Factors
    from recsys_lab.ranking import Ranker, Source

    shop, small = shops.shop(n), shops.shop(200)
    sources = {
        "popular": Source(Popular, "counts"),
        "markov": Source(Markov, "counts"),
        "als": Source(lambda: Factors(32, iterations=3, threads=1), "likeness"),
    }
    Ranker("next", sources, examples=100).fit(small)
    model, seconds, peak = _made(lambda: Ranker("next", sources, examples=3_000).fit(shop))
    visit = shop.sequences(min_length=4).head(3)["item_id"].tolist()
    session = tuple(Event("new", item, "clicked_on", NOW + at, "now") for at, item in enumerate(visit))
    shown = Context(None, NOW + 10, session=session, viewed=visit[-1])
    ask = _asked(lambda _: model.recommend(shown), 12)
    return {"ranker fit s": seconds, "ranker fit MB": peak, "ranker query ms": ask}


def memory(n: int) -> Measured:
    """The store in memory: filled in one go, asked with and without a filter."""
    return _store(n, "memory", "memory://", measured_here=True)


def qdrant(n: int) -> Measured:
    """Qdrant in process, which is meant for few points."""
    return _store(n, "qdrant", "qdrant://", measured_here=True)


def postgres(n: int) -> Measured:
    """PostgreSQL with pgvector, on this machine: exact, and by its own HNSW index."""
    return _server(n, "postgres", "PostgreSQL")


def redis(n: int) -> Measured:
    """Redis 8's vector sets, on this machine: exact, and by the graph that they always are."""
    return _server(n, "redis", "Redis")


def _server(n: int, name: str, store: str) -> Measured:
    from benchmarks.stores import servers

    with ExitStack() as stack:
        urls, _ = servers.start(stack, [store])
        if store not in urls:
            raise LookupError(f"{store}: it is not there; see benchmarks/stores for how to have it")
        return _store(n, name, urls[store], measured_here=False)


def _store(n: int, name: str, url: str, measured_here: bool) -> Measured:
    """Seconds to fill a store, its memory where it is this process's or the server tells, and questions."""
    from recsys_lab.stores import open_store

    made = shops.catalogue(n)
    asked = shops.questions(made, 30)
    with open_store(url) as store:
        things = store.collection("scale", shops.DIM, "cosine")
        before = resident_mb()
        seconds, peak = _filled(things, made)
        told = {f"{name} store upsert s": seconds}
        if measured_here:
            told |= {f"{name} store upsert MB": peak, f"{name} store held MB": resident_mb() - before}
        elif name == "redis":
            told["redis store held MB"] = _redis_mb(url)
        else:
            began = time.perf_counter()
            things.create_index()  # type: ignore[attr-defined]
            told["postgres index build s"] = time.perf_counter() - began
            told["postgres store held MB"] = _postgres_mb(things)
        told[f"{name} store query ms"] = _asked(lambda at: things.search(asked[at], 10, exact=True))
        told[f"{name} store filtered query ms"] = _asked(lambda at: things.search(asked[at], 10, BRANCH, exact=True))
        if not measured_here:
            told[f"{name} index query ms"] = _asked(lambda at: things.search(asked[at], 10, exact=False))
        store.drop("scale")
    return told


def _filled(things: Any, made: shops.Catalogue) -> tuple[float, float]:
    """The seconds and the peak in MB of an upsert; labels and payloads are let go of, but for what the store holds."""
    ids, payloads = shops.payloads(len(made))
    return _made(lambda: things.upsert(ids, made.vectors, payloads))[1:]


def _redis_mb(url: str) -> float:
    import redis as client

    with client.Redis.from_url(url) as connection:
        return float(connection.info("memory")["used_memory"]) / 2**20


def _postgres_mb(things: Any) -> float:
    """Table and indexes on the disk."""
    with things._store.guard() as connection:
        ((size,),) = connection.execute(f"SELECT pg_total_relation_size('{things._table}')").fetchall()
    return float(size) / 2**20


PARTS: dict[str, tuple[Callable[[int], Measured], tuple[int, ...]]] = {
    "spaces": (spaces, (10_000, 30_000, 100_000, 300_000, 1_000_000)),
    "memory": (memory, (10_000, 30_000, 100_000, 300_000, 1_000_000)),
    "als": (als, (10_000, 30_000, 100_000, 300_000, 1_000_000)),
    "item2vec": (item2vec, (10_000, 30_000, 100_000, 300_000)),
    "ranker": (ranker, (3_000, 10_000, 30_000, 100_000)),
    "qdrant": (qdrant, (1_000, 3_000, 10_000)),
    "postgres": (postgres, (3_000, 10_000, 30_000, 100_000)),
    "redis": (redis, (3_000, 10_000, 30_000, 100_000)),
}
"""What is measured, and at which sizes: what would take longer is extrapolated."""


def one(name: str, n: int) -> Measured:
    """Measure one part at one size, on one BLAS thread."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a store in process is meant for fewer points is what is measured
        told = PARTS[name][0](n)
    wrong = [key for key, value in told.items() if not math.isfinite(value)]
    if wrong:
        raise AssertionError(f"{name} at {n}: {', '.join(wrong)} came out as no number")
    return told
