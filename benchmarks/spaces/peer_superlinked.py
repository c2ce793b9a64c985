"""The same search in superlinked, in memory: python benchmarks/spaces/peer_superlinked.py FOLDER OUT.json

It runs in an environment of its own, which needs only superlinked (with a Pillow that it can import):

    python3.11 -m venv PEER && PEER/bin/pip install superlinked==37.5.2 "pillow<13"

FOLDER comes from catalogue.py. OUT.json holds what superlinked answered (ids, scores), how long it took (seconds) and
the versions. How its settings match ours: the given text vectors enter by a `CustomSpace`, which normalises them; price
is a `NumberSpace` in mode MINIMUM, reviews and rating in mode MAXIMUM, scale linear, negative_filter 0; weights are
given as `space_weights` when asked. Its memory store compares by inner product in float32.

Superlinked reads the annotations of its schemas as types: this file must not postpone them (PEP 563).
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import catalogue as shared
import numpy as np

os.environ.setdefault("SUPERLINKED_LOG_LEVEL", "ERROR")  # read when superlinked is imported

_IMPORT_START = time.perf_counter()
from superlinked import framework as sl  # noqa: E402

IMPORT_SECONDS = time.perf_counter() - _IMPORT_START

K = 10
WARM_UP = 5  # questions asked before the clock starts


class Product(sl.Schema):
    """A product: three given text vectors and three numbers."""

    id: sl.IdField
    name: sl.FloatList
    description: sl.FloatList
    style: sl.FloatList
    price: sl.Float
    review_count: sl.Float
    rating: sl.Float


class Shopper(sl.Schema):
    """A shopper, with the vectors of the product chosen when registering."""

    id: sl.IdField
    name: sl.FloatList
    description: sl.FloatList
    style: sl.FloatList


class Event(sl.EventSchema):
    """What a shopper did with a product."""

    id: sl.IdField
    shopper: sl.SchemaReference[Shopper]
    product: sl.SchemaReference[Product]
    event_type: sl.String
    created_at: sl.CreatedAtField


class Peer:
    """The running superlinked application: `put` what it should know, then `ask`."""

    def __init__(self, now_ms: int) -> None:
        product, shopper, event = Product(), Shopper(), Event()
        spaces = _spaces(product, shopper)
        index = sl.Index(
            list(spaces.values()),
            effects=_effects(spaces, event),
            temperature=shared.TEMPERATURE,
            event_influence=shared.INFLUENCE,
        )
        self.products, self.shoppers, self.events = (sl.InMemorySource(schema) for schema in (product, shopper, event))
        executor = sl.InMemoryExecutor(
            sources=[self.products, self.shoppers, self.events],
            indices=[index],
            context_data={sl.CONTEXT_COMMON: {sl.CONTEXT_COMMON_NOW: now_ms // 1000}},
        )
        weighted = sl.Query(index, {space: sl.Param(f"{name}_weight") for name, space in spaces.items()}).find(product)
        self.by_text = weighted
        for name in shared.TEXTS:
            self.by_text = self.by_text.similar(spaces[name].vector, sl.Param(name))
        self.by_text = self.by_text.limit(K)
        self.by_shopper = weighted.with_vector(shopper, sl.Param("shopper")).limit(K)
        self.app = executor.run()

    def ask(self, query: Any, weights: Iterable[float], **params: Any) -> tuple[list[str], list[float]]:
        """The K best products and their scores."""
        named = {f"{name}_weight": float(weight) for name, weight in zip(shared.SPACES, weights, strict=True)}
        entries = self.app.query(query, **named, **params).entries
        return [entry.id for entry in entries], [float(entry.metadata.score) for entry in entries]


def _spaces(product: Product, shopper: Shopper) -> dict[str, Any]:
    spaces: dict[str, Any] = {
        name: sl.CustomSpace([getattr(product, name), getattr(shopper, name)], length=shared.DIM)
        for name in shared.TEXTS
    }
    for name, (mode, low, high) in shared.NUMBERS.items():
        spaces[name] = sl.NumberSpace(getattr(product, name), min_value=low, max_value=high, mode=sl.Mode(mode))
    return spaces


def _effects(spaces: dict[str, Any], event: Event) -> list[sl.Effect]:
    return [
        sl.Effect(spaces[name], event.shopper, weight * event.product, event.event_type == event_type)
        for name in shared.TEXTS
        for event_type, weight in shared.EVENT_WEIGHTS.items()
    ]


def product_rows(cat: shared.Catalogue) -> list[dict[str, Any]]:
    """What superlinked ingests for the products."""
    return [
        {"id": str(item), **_texts(texts), **dict(zip(shared.NUMBERS, numbers.tolist(), strict=True))}
        for item, texts, numbers in zip(cat.item_ids, cat.texts, cat.numbers, strict=True)
    ]


def shopper_rows(cat: shared.Catalogue) -> list[dict[str, Any]]:
    """What superlinked ingests for the shoppers."""
    return [{"id": str(who), **_texts(base)} for who, base in zip(cat.shopper_ids, cat.bases, strict=True)]


def event_rows(cat: shared.Catalogue) -> list[dict[str, Any]]:
    """What superlinked ingests for the events; its times are whole seconds."""
    columns = (cat.event_ids, cat.event_shoppers, cat.event_items, cat.event_types, cat.event_times // 1000)
    names = ("id", "shopper", "product", "event_type", "created_at")
    return [dict(zip(names, row, strict=True)) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _texts(parts: np.ndarray) -> dict[str, list[float]]:
    return dict(zip(shared.TEXTS, parts.tolist(), strict=True))


class Timed(NamedTuple):
    """An answer with the seconds it took, by the clock on the wall and of this process's processor time.

    The second hardly changes when something else keeps the machine busy.
    """

    answer: Any
    wall: float
    cpu: float


def timed(call: Callable[[], Any]) -> Timed:
    """Call it and look at both clocks."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = call()
    return Timed(answer, time.perf_counter() - wall, time.process_time() - cpu)


def run(cat: shared.Catalogue) -> dict[str, Any]:
    """Ingest, ask the questions, apply the events one by one, ask for each shopper."""
    peer = Peer(now_ms=int(cat.event_times[-1]) + 1000)
    rows = product_rows(cat)
    ingest = timed(lambda: peer.products.put(rows))

    asked = [_texts(texts) for texts in cat.question_texts]
    questions = list(zip(asked, cat.question_weights.tolist(), strict=True))
    for texts, weights in questions[:WARM_UP]:
        peer.ask(peer.by_text, weights, **texts)
    answers = [timed(lambda t=texts, w=weights: peer.ask(peer.by_text, w, **t)) for texts, weights in questions]

    peer.shoppers.put(shopper_rows(cat))
    events = [timed(lambda e=event: peer.events.put([e])) for event in event_rows(cat)]

    shoppers = list(zip(cat.shopper_ids.tolist(), cat.shopper_weights.tolist(), strict=True))
    moved = [timed(lambda s=who, w=weights: peer.ask(peer.by_shopper, w, shopper=s)) for who, weights in shoppers]
    steps = {"ingest": [ingest], "question": answers, "event": events, "shopper_question": moved}
    return {
        "products": len(cat.item_ids),
        "questions": _lists(answers),
        "shoppers": {"shopper_ids": cat.shopper_ids.tolist(), **_lists(moved)},
        "wall_seconds": {name: [call.wall for call in calls] for name, calls in steps.items()},
        "cpu_seconds": {name: [call.cpu for call in calls] for name, calls in steps.items()},
        "import_seconds": IMPORT_SECONDS,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("superlinked", "numpy", "torch", "beartype")},
        "threads": {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")},
    }


def _lists(calls: list[Timed]) -> dict[str, list[Any]]:
    return {"ids": [call.answer[0] for call in calls], "scores": [call.answer[1] for call in calls]}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python benchmarks/spaces/peer_superlinked.py FOLDER OUT.json")
    Path(sys.argv[2]).write_text(json.dumps(run(shared.load(Path(sys.argv[1])))) + "\n", encoding="utf-8")
