"""What a space index costs, beside what it cannot be cheaper than: python -m benchmarks.spaces [OUT.json]

- A question and an event beside a bare numpy product of the same matrix with one vector, in the same run.
- Filling an index with texts beside the encoder alone; filling it again from the cache.
- The same products, questions and events in superlinked, where SUPERLINKED_PYTHON names a Python that has it
  (peer_superlinked.py says how to install it): same answers, and how many times slower.

Ratios within one run; each time is the least median of four stretches of calls, ours and theirs alike, and is there for
orientation. Run it on a quiet machine: threads that wait for each other would be measured, and not the work.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets import Event, load_shop
from recsys_lab.preferences import EventRules, ShopperVectors
from recsys_lab.spaces import CustomSpace, NumberSpace, SpaceIndex, TextSpace

sys.path.insert(
    0, str(Path(__file__).parent)
)  # catalogue.py is read by the peer's environment too, which has no package
import catalogue as shared

SIZES = (1_000, 10_000, 100_000)
PEER_SIZES = (1_000, 5_000, 20_000)
OUT = Path(__file__).parent / "results.json"
Row = dict[str, Any]


def main(out: Path) -> None:
    """Measure everything and write it down."""
    peer = os.environ.get("SUPERLINKED_PYTHON")
    report: Row = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS", "not set"),
        "versions": {name: version(name) for name in ("numpy", "pandas", "scipy")},
        "sizes": [_size(n) for n in SIZES],
        "texts": _texts(),
    }
    if peer:
        report["peer"] = [_against(peer, n) for n in PEER_SIZES]
    else:
        print("superlinked: skipped, SUPERLINKED_PYTHON is not set")
        if out.exists():
            report["peer"] = json.loads(out.read_text(encoding="utf-8")).get("peer", [])
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{out} written")


def index_of(made: shared.Catalogue) -> tuple[SpaceIndex, pd.DataFrame]:
    """An empty index for a catalogue, and its products."""
    products = pd.DataFrame({"item_id": made.item_ids.astype(object)})
    products = products.assign(**{name: list(made.texts[:, at]) for at, name in enumerate(shared.TEXTS)})
    products = products.assign(**{name: made.numbers[:, at] for at, name in enumerate(shared.NUMBERS)})
    spaces: dict[str, Any] = {name: CustomSpace(name, dim=shared.DIM) for name in shared.TEXTS}
    spaces |= {name: NumberSpace(name, low, high, mode) for name, (mode, low, high) in shared.NUMBERS.items()}  # type: ignore[arg-type]
    return SpaceIndex(spaces), products


def ask(index: SpaceIndex, made: shared.Catalogue, at: int) -> Any:
    """The top ten of a question."""
    texts = {name: made.question_texts[at, column] for column, name in enumerate(shared.TEXTS)}
    weights = dict(zip(shared.SPACES, made.question_weights[at].tolist(), strict=True))
    return index.search({name: vector for name, vector in texts.items() if vector.any()}, weights)


def rules() -> EventRules:
    """How events move a shopper in this benchmark."""
    return EventRules(weights=shared.EVENT_WEIGHTS, temperature=shared.TEMPERATURE, influence=shared.INFLUENCE)


def events_of(made: shared.Catalogue) -> list[Event]:
    """The catalogue's events."""
    rows = zip(made.event_shoppers, made.event_items, made.event_types, made.event_times, made.event_ids, strict=True)
    return [Event(str(user), str(item), str(kind), int(at), "s", id=str(key)) for user, item, kind, at, key in rows]


def shoppers_of(index: SpaceIndex, made: shared.Catalogue) -> ShopperVectors:
    """The shoppers with their bases."""
    vectors = ShopperVectors(index, rules())
    for user, base in zip(made.shopper_ids, made.bases, strict=True):
        vectors.register(str(user), dict(zip(shared.TEXTS, base, strict=True)))
    return vectors


def seconds(do: Callable[[int], Any], times: int) -> list[float]:
    """What `times` calls took, in seconds; the call gets its number."""
    do(0)
    took = []
    for number in range(times):
        start = time.perf_counter()
        do(number)
        took.append(time.perf_counter() - start)
    return took


def quiet(took: list[float]) -> float:
    """The least median of four stretches of the calls: what a call takes when nothing else runs."""
    return min(float(np.median(part)) for part in np.array_split(np.array(took), 4) if len(part))


def _filled(made: shared.Catalogue) -> tuple[SpaceIndex, float]:
    index, products = index_of(made)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some products are meant to lie beyond the ranges
        index.add(products)
    return index, time.perf_counter() - start


def _size(n: int) -> Row:
    made = shared.make(n)
    index, ingest = _filled(made)
    query = index.query_row(index.question({shared.TEXTS[0]: made.question_texts[1, 0]}))
    matrix = np.ascontiguousarray(index.matrix)
    times = 200 if n < 50_000 else 30
    bare, asked = [], []
    for _ in range(4):  # by turns: a slow moment hits both
        bare += seconds(lambda _: matrix @ query, times // 4)
        asked += seconds(lambda at: ask(index, made, at % 200), times // 4)
    events = events_of(made)
    vectors = shoppers_of(index, made)
    one, mine, moved = quiet(bare), quiet(asked), quiet(_applied(vectors, events))
    row = {
        "products": n, "components": matrix.shape[1], "bare_product_ms": 1e3 * one, "question_ms": 1e3 * mine,
        "event_ms": 1e3 * moved, "ingest_s": ingest, "question_to_bare": mine / one,
        "event_to_bare": moved / one, "ingest_a_product_to_bare": ingest / n / one,
    }  # fmt: skip
    print(f"{n:,} products: a question is {mine / one:.2f} bare products, an event {moved / one:.3f}", flush=True)
    return row


def _applied(vectors: ShopperVectors, events: list[Event]) -> list[float]:
    """What each event took, in seconds."""
    took = []
    for event in events:
        start = time.perf_counter()
        vectors.update(event)
        took.append(time.perf_counter() - start)
    return took


def _texts(n: int = 400) -> Row:
    """Filling an index with texts that nobody has encoded yet, beside the encoder alone; then again."""
    from sentence_transformers import SentenceTransformer

    from recsys_lab.spaces.encoder import SentenceEncoder, model_folder

    said = load_shop(impressions=False).products["description"].tolist()
    words = [f"{said[at]} {said[-at - 1]}" for at in range(n)]  # none of them is shipped
    products = pd.DataFrame({"item_id": [f"P{at}" for at in range(n)], "text": words})
    model = SentenceTransformer(str(model_folder(None)), device="cpu")
    model.encode(words[:8])
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        for run in range(3):
            fresh = SentenceEncoder(cache=Path(name) / str(run))
            fresh.encode(["a first text, so that the model is loaded"])
            start = time.perf_counter()
            model.encode(words, normalize_embeddings=True, show_progress_bar=False)
            alone = time.perf_counter() - start
            start = time.perf_counter()
            SpaceIndex({"text": TextSpace("text", fresh)}).add(products)
            ratios.append((time.perf_counter() - start) / alone)
        again = SentenceEncoder(cache=Path(name) / "0")
        start = time.perf_counter()
        SpaceIndex({"text": TextSpace("text", again)}).add(products)
        second = (time.perf_counter() - start) / alone
    print(f"texts: filling an index takes {min(ratios):.3f} of the encoder's own time, a second start {second:.4f}")
    return {
        "texts": n, "ingest_to_encoder": min(ratios), "second_start_to_encoder": second,
        "encoded_at_the_second_start": again.encoded_,
    }  # fmt: skip


def _against(python: str, n: int) -> Row:
    """Ours and superlinked on the same folder."""
    made = shared.make(n)
    with tempfile.TemporaryDirectory() as name:
        made.save(Path(name))
        call = [python, str(Path(__file__).parent / "peer_superlinked.py"), name, f"{name}/out.json"]
        subprocess.run(call, check=True, capture_output=True)
        theirs = json.loads(Path(name, "out.json").read_text(encoding="utf-8"))
    index, ingest = _filled(made)
    question = quiet(seconds(lambda at: ask(index, made, at % 200), 200))
    vectors = shoppers_of(index, made)
    event_seconds = quiet(_applied(vectors, events_of(made)))
    lists = [ask(index, made, at) for at in range(shared.QUESTIONS)]
    same, apart = _compare([found.item_ids for found in lists], [found.scores for found in lists], theirs["questions"])
    known = theirs["shoppers"]["shopper_ids"]
    row_of = {str(user): at for at, user in enumerate(made.shopper_ids)}
    lists = [
        index.search(
            weights=dict(zip(shared.SPACES, made.shopper_weights[row_of[user]].tolist(), strict=True)),
            shopper=vectors.profile(user),
        )
        for user in known
    ]
    moved, moved_apart = _compare(
        [found.item_ids for found in lists], [found.scores for found in lists], theirs["shoppers"]
    )
    wall = {name: quiet(took) for name, took in theirs["wall_seconds"].items()}
    row = {
        "products": n, "superlinked": theirs["versions"]["superlinked"],
        "same_top_10": f"{same} of {len(theirs['questions']['ids'])}", "largest_difference": apart,
        "same_top_10_of_shoppers": f"{moved} of {len(known)}", "largest_difference_of_shoppers": moved_apart,
        "question_ms": 1e3 * question, "their_question_ms": 1e3 * wall["question"],
        "event_ms": 1e3 * event_seconds, "their_event_ms": 1e3 * wall["event"],
        "times_slower_question": wall["question"] / question, "times_slower_event": wall["event"] / event_seconds,
        "times_slower_ingest": wall["ingest"] / ingest,
    }  # fmt: skip
    print(json.dumps(row), flush=True)
    return row


def _compare(ids: list[Any], scores: list[Any], theirs: Row) -> tuple[int, float]:
    """How many lists hold the same products in the same order, and the largest difference of a score."""
    same = sum(list(mine) == their for mine, their in zip(ids, theirs["ids"], strict=True))
    apart = max(
        float(np.abs(np.array(mine) - np.array(their)).max())
        for mine, their in zip(scores, theirs["scores"], strict=True)
        if len(mine) == len(their)
    )
    return same, apart


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
