"""A made-up catalogue for two implementations of one search: python benchmarks/spaces/catalogue.py FOLDER N [SEED]

Numpy alone, so that an environment that holds only the other library can read it. What is drawn is a benchmark's
material and nothing else: it says nothing about how well a recommendation fits.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TEXTS = ("name", "description", "style")
NUMBERS = {"price": ("minimum", 5.0, 200.0), "review_count": ("maximum", 0.0, 1000.0), "rating": ("maximum", 1.0, 5.0)}
"""Each number's mode and range. Some products lie beyond either end, so that clipping is compared too."""
SPACES = (*TEXTS, *NUMBERS)

EVENT_WEIGHTS = {"clicked_on": 0.2, "put_to_cart": 0.5, "buy": 1.0}
TEMPERATURE = 0.5
INFLUENCE = 0.5

DIM = 384
QUESTIONS = 200
EVENTS = 2_000
START_MS = 1_700_000_000_000

_FILE = "catalogue.npz"


@dataclass(frozen=True)
class Catalogue:
    """Products, questions, and shoppers with what they did.

    With n products, q questions, s shoppers and e events. Text parts have length 1, or 0 where there is none.
    """

    item_ids: NDArray[np.str_]  # [n]
    texts: NDArray[np.float32]  # [n, TEXTS, DIM]
    numbers: NDArray[np.float64]  # [n, NUMBERS]
    question_texts: NDArray[np.float32]  # [q, TEXTS, DIM]
    question_weights: NDArray[np.float64]  # [q, SPACES]
    shopper_ids: NDArray[np.str_]  # [s]
    bases: NDArray[np.float32]  # [s, TEXTS, DIM], the registration choice; zero for every fifth shopper
    shopper_weights: NDArray[np.float64]  # [s, SPACES], for the question that a shopper's own vector asks
    event_ids: NDArray[np.str_]  # [e], events in the order of (time, id)
    event_shoppers: NDArray[np.str_]  # [e], labels out of shopper_ids
    event_items: NDArray[np.str_]  # [e], labels out of item_ids
    event_types: NDArray[np.str_]  # [e], names out of EVENT_WEIGHTS
    event_times: NDArray[np.int64]  # [e], ms since 1970

    def save(self, folder: Path) -> Path:
        """Write the catalogue into `folder`, which is made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(
            folder / _FILE, allow_pickle=False, **{field.name: getattr(self, field.name) for field in fields(self)}
        )
        return folder / _FILE


def load(folder: Path) -> Catalogue:
    """Read what `Catalogue.save` wrote."""
    path = folder / _FILE
    if not path.is_file():
        make_it = f"python benchmarks/spaces/catalogue.py {folder} 1000"
        raise FileNotFoundError(f"{path}: there is no catalogue here; make one: {make_it}")
    with np.load(path) as stored:
        return Catalogue(**{field.name: stored[field.name] for field in fields(Catalogue)})


def make(n: int, seed: int = 0) -> Catalogue:
    """Draw a catalogue of `n` products; the same one for the same `n` and `seed`.

    >>> small = make(50, seed=1)
    >>> small.texts.shape, bool(np.allclose(np.linalg.norm(small.texts, axis=2), 1))
    ((50, 3, 384), True)
    """
    if n < 1:
        raise ValueError(f"n: {n} is no number of products; give 1 or more")
    rng = np.random.default_rng(seed)
    item_ids = np.array([f"P{i:06d}" for i in range(n)])
    kinds = rng.integers(max(5, n // 25), size=n)  # one kind for all three texts of a product, as in a real shop
    centres = _unit(rng.standard_normal((kinds.max() + 1, len(TEXTS), DIM)))
    texts = _near(centres[kinds], rng)
    shoppers = QUESTIONS
    bases = texts[rng.integers(n, size=shoppers)].copy()
    bases[::5] = 0
    return Catalogue(
        item_ids,
        texts,
        _numbers(n, rng),
        _question_texts(texts, rng),
        _weights(QUESTIONS, rng),
        np.array([f"U{i:04d}" for i in range(shoppers)]),
        bases,
        _weights(shoppers, rng),
        *_events(item_ids, shoppers, rng),
    )


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def _near(vectors: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Unit vectors around `vectors`: near enough to be neighbours, apart enough that no two tie."""
    return _unit(vectors + 0.8 / np.sqrt(DIM) * rng.standard_normal(vectors.shape))


def _numbers(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    price = np.round(rng.lognormal(3.5, 0.9, n), 2)
    reviews = np.floor(rng.lognormal(4.0, 1.5, n))
    rating = np.where(reviews > 0, np.round(np.clip(rng.normal(3.9, 0.7, n), 1, 5), 2), 0.0)
    return np.column_stack([price, reviews, rating])


def _question_texts(texts: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Near a product each; every tenth says nothing about one of the texts."""
    asked = _near(texts[rng.integers(len(texts), size=QUESTIONS)], rng)
    asked[::10, 1] = 0
    return asked


def _weights(rows: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Weights per space: mostly positive, a tenth zero, a tenth negative; the first text always counts."""
    weights = np.round(rng.uniform(0.2, 2.0, (rows, len(SPACES))), 2)
    draw = rng.random(weights.shape)
    draw[:, 0] = 1
    weights[draw < 0.2] *= -1
    weights[draw < 0.1] = 0
    return weights


def _events(item_ids: NDArray[np.str_], shoppers: int, rng: np.random.Generator) -> tuple[NDArray[np.generic], ...]:
    """Two events for each shopper and the rest for the busier ones, except that a few with a base do nothing."""
    idle = np.arange(1, shoppers, 20)
    active = np.setdiff1d(np.arange(shoppers), idle)
    who = np.concatenate([active, active, rng.choice(active[: len(active) // 2], EVENTS - 2 * len(active))])
    who = rng.permutation(who)
    types = rng.choice(list(EVENT_WEIGHTS), size=EVENTS, p=[0.7, 0.2, 0.1])
    times = START_MS + np.cumsum(rng.integers(1_000, 60_000, size=EVENTS))
    return (
        np.array([f"E{i:05d}" for i in range(EVENTS)]),
        np.array([f"U{i:04d}" for i in who]),
        rng.choice(item_ids, size=EVENTS),
        types,
        times,
    )


if __name__ == "__main__":
    if len(sys.argv) not in {3, 4}:
        sys.exit("usage: python benchmarks/spaces/catalogue.py FOLDER N [SEED]")
    print(make(int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0).save(Path(sys.argv[1])))
