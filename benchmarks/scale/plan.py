"""Memory planned on paper: what so many products take, from what one was measured to take.

bytes of a product = dim × bytes a number + links of the graph + payload and label + popularity
machines = replicas × ⌈products × bytes / (memory of a machine × (1 − head room))⌉

Head room is what a machine keeps free: for the system, for questions under way, and for the next index, which is built
while this one serves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

GIB = 2**30
NUMBER_BYTES = {"float32": 4, "float16": 2, "int8": 1}
POPULARITY_BYTES = 8  # a count of int64


def vector_bytes(dim: int, precision: str) -> int:
    """Bytes of a vector.

    >>> [vector_bytes(64, precision) for precision in ("float32", "float16", "int8")]
    [256, 128, 64]
    """
    if precision not in NUMBER_BYTES:
        raise ValueError(f"precision: {precision!r} is none of {', '.join(NUMBER_BYTES)}; use one of these")
    if dim < 1:
        raise ValueError(f"dim: {dim} numbers are no vector; give 1 or more")
    return dim * NUMBER_BYTES[precision]


def link_bytes(m: int) -> float:
    """Bytes of a product's place in an HNSW graph as faiss lays it out.

    2M links at the bottom and M on each level above, 4 bytes each, and 12 of its level and where its links begin.

    A product reaches level l with probability M^-l, so it stands on 1/(M − 1) levels above the bottom on the average.

    >>> round(link_bytes(16), 1)
    144.3
    """
    if m < 2:
        raise ValueError(f"m: {m} links make no graph; give 2 or more")
    return 4 * (2 * m + m / (m - 1)) + 12


def product_bytes(precision: str, payload: float, dim: int = 64, m: int | None = 16) -> float:
    """Bytes of a product in memory; `m=None` is an exact scan, which has no links.

    >>> product_bytes("int8", 100, dim=64, m=None)
    172
    """
    if payload < 0:
        raise ValueError(f"payload: {payload} bytes; give 0 or more")
    return vector_bytes(dim, precision) + (0 if m is None else link_bytes(m)) + payload + POPULARITY_BYTES


def shards(products: int, bytes_each: float, machine_gb: float, head_room: float) -> int:
    """How many machines one copy needs.

    >>> shards(100_000_000, 1000, machine_gb=64, head_room=0.5)
    3
    """
    if products < 1 or bytes_each <= 0 or machine_gb <= 0:
        raise ValueError(f"products, bytes_each, machine_gb: {products}, {bytes_each}, {machine_gb}; all above 0")
    if not 0 <= head_room < 1:
        raise ValueError(f"head_room: {head_room} is no share that stays free; give 0 <= head_room < 1")
    return math.ceil(products * bytes_each / (machine_gb * GIB * (1 - head_room)))


def machines(
    products: int, bytes_each: float, machine_gb: float = 64, replicas: int = 2, head_room: float = 0.4
) -> dict[str, float]:
    """GB of one copy, GB of all copies, shards of a copy, and machines in all.

    >>> machines(100_000_000, 1000, 64, replicas=2, head_room=0.5)["machines"]
    6
    """
    if replicas < 1:
        raise ValueError(f"replicas: {replicas} copies; give 1 or more")
    parts = shards(products, bytes_each, machine_gb, head_room)
    size = products * bytes_each / GIB
    return {"GB": size, "GB of all replicas": replicas * size, "shards": parts, "machines": replicas * parts}


def plan(pieces: Mapping[str, float], dim: int = 64, m: int = 16) -> dict[str, Any]:
    """The plan at 10,000 to 100 million products, for each precision, with a graph and without.

    `pieces` are measured bytes per product; it has to hold "payload".
    """
    made: dict[str, Any] = {}
    for power in range(4, 9):
        products = 10**power
        made[f"1e{power}"] = {
            f"{family} {precision}": machines(
                products, product_bytes(precision, pieces["payload"], dim, m if family == "hnsw" else None)
            )
            for family in ("exact", "hnsw")
            for precision in NUMBER_BYTES
        }
    return {
        "bytes per product": dict(pieces),
        "formula": {
            "vector": {precision: vector_bytes(dim, precision) for precision in NUMBER_BYTES},
            "links": link_bytes(m), "popularity": POPULARITY_BYTES,
        },
        "machine_GB": 64, "replicas": 2, "head_room": 0.4, "at": made,
    }  # fmt: skip


def pieces(report: Mapping[str, Any]) -> dict[str, float]:
    """Bytes per product of each piece, from a report's largest measured sizes."""
    made: dict[str, float] = {}
    for name in ("memory", "redis", "postgres"):
        held = report["growth"].get(f"{name} store held MB")
        if held:
            made[f"{name} store, all"] = held["values"][-1] * 2**20 / held["sizes"][-1]
    built = {row["index"]: row for row in sorted(report["approximate"], key=lambda row: row["n"])}
    for kind, row in built.items():
        made[kind] = row["MB"] * 2**20 / row["n"]
    if "memory store, all" in made:
        # A dict of three fields, its label and its row number, as Python holds them; the vector is 256 bytes of it.
        made["payload"] = made["memory store, all"] - vector_bytes(64, "float32")
    if "hnsw float32" in made:
        made["links"] = made["hnsw float32"] - vector_bytes(64, "float32")
    made["popularity"] = POPULARITY_BYTES
    return made
