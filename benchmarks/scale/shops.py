"""Made-up shops of any size, drawn in whole columns: products with latent vectors, and visits that follow them.

Products belong to kinds, kinds to categories, categories to departments; a product's latent vector is the sum of
what all four add, so near vectors are of one kind, as item vectors are. Popularity within the shop falls as
rank ** -0.8 (Zipf). A visit starts where its shopper is at home and stays in a kind for most of its clicks. Events are
in proportion: `EVENTS` a product, a shopper for every two products. The same `n` and `seed` give the same shop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.datasets import Shop
from recsys_lab.datasets.shop import DAY_MS

DIM = 64
EVENTS = 10
"""Events a product."""
START_MS = 1_750_000_000_000
DAYS = 60
DEPARTMENTS = 8

Rows = NDArray[np.int64]
_CHUNK = 200_000  # rows made at once: the noise of a million rows in float64 would be the peak of everything
_PARTS = {"department": 0.45, "category": 0.55, "kind": 0.60, "own": 0.45}  # lengths of what each level adds
_CART, _BUY = 0.12, 0.4  # of clicks, and of carts
_STAY = (0.65, 0.85, 0.95)  # up to here: the kind, the category, the department of the visit; beyond: anywhere


@dataclass(frozen=True)
class Catalogue:
    """Products by row, in the order of their kinds: `kind`, `category`, `department` [n] and `weight` [n] (sums to 1).

    `vectors` [n, DIM] are latent vectors of length 1.
    """

    kind: Rows
    category: Rows
    department: Rows
    weight: NDArray[np.float64]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.kind)


def catalogue(n: int, seed: int = 0) -> Catalogue:
    """Draw `n` products.

    >>> made = catalogue(500)
    >>> made.vectors.shape, round(float(made.weight.sum()), 6), bool((made.vectors == catalogue(500).vectors).all())
    ((500, 64), 1.0, True)
    """
    if n < 100:
        raise ValueError(f"n: {n} products are too few for kinds and categories; give 100 or more")
    rng = np.random.default_rng([seed, n])
    kinds = max(DEPARTMENTS * 2, n // 40)
    categories = max(DEPARTMENTS, min(round(4 * n**0.4), kinds // 4) // DEPARTMENTS * DEPARTMENTS)
    share = 1 / np.arange(1, kinds + 1) ** 0.5  # some kinds are large, most are small
    kind = np.sort(rng.choice(kinds, n, p=rng.permutation(share) / share.sum()))
    category_of = np.arange(kinds) * categories // kinds
    department_of = np.arange(categories) * DEPARTMENTS // categories
    category = category_of[kind]
    department = department_of[category]
    weight = 1 / (1.0 + rng.permutation(n)) ** 0.8
    spread = np.arange(1, DIM + 1) ** -0.35  # not all directions are equally wide, in trained vectors either
    levels = {
        "department": (department, _directions(DEPARTMENTS, spread, rng)),
        "category": (category, _directions(categories, spread, rng)),
        "kind": (kind, _directions(kinds, spread, rng)),
    }
    vectors = np.empty((n, DIM), dtype=np.float32)
    for first in range(0, n, _CHUNK):
        part = slice(first, first + _CHUNK)
        rows = _PARTS["own"] * _directions(len(kind[part]), spread, rng)
        for name, (of, centres) in levels.items():
            rows += _PARTS[name] * centres[of[part]]
        vectors[part] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return Catalogue(kind, category, department, weight / weight.sum(), vectors)


def _directions(rows: int, spread: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Vectors of length 1 on the average, wider where `spread` is."""
    scale = (spread / np.linalg.norm(spread)).astype(np.float32)
    return rng.standard_normal((rows, len(spread)), dtype=np.float32) * scale


def questions(made: Catalogue, count: int, seed: int = 1) -> NDArray[np.float32]:
    """Vectors [count, DIM] to ask with: near products, as a shopper's or a session's are; popular ones more often."""
    rng = np.random.default_rng([seed, len(made)])
    near = made.vectors[np.searchsorted(np.cumsum(made.weight), rng.random(count)).clip(max=len(made) - 1)]
    rows = near + 0.4 * _directions(count, np.ones(DIM), rng)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def payloads(n: int, seed: int = 2) -> tuple[list[str], list[dict[str, Any]]]:
    """Labels and payloads [n]: one of 20 branches (5 % each), a price, whether it is in stock."""
    rng = np.random.default_rng([seed, n])
    branch = rng.integers(20, size=n).tolist()
    price = np.round(np.exp(rng.normal(3.5, 0.6, n)), 2).tolist()
    stock = (rng.random(n) < 0.9).tolist()
    rows = zip(branch, price, stock, strict=True)
    return labels("p", n), [{"branch": f"b{b:02d}", "price": p, "in_stock": s} for b, p, s in rows]


def labels(letter: str, n: int) -> list[str]:
    """Ids.

    >>> labels("p", 2)
    ['p0000000', 'p0000001']
    """
    return [f"{letter}{at:07d}" for at in range(n)]


def products(made: Catalogue, seed: int = 3) -> pd.DataFrame:
    """The table of products: kinds and price."""
    rng = np.random.default_rng([seed, len(made)])
    price = np.round(np.exp(3.5 + 0.1 * made.department + rng.normal(0, 0.5, len(made))), 2)
    return pd.DataFrame(
        {
            "item_id": labels("p", len(made)),
            "department": np.array(labels("d", DEPARTMENTS), dtype=object)[made.department],
            "category": np.array(labels("c", int(made.category.max()) + 1), dtype=object)[made.category],
            "price": price,
        }
    )


def shop(n: int, seed: int = 0, made: Catalogue | None = None) -> Shop:
    """A shop of `n` products with about `EVENTS` events each, put together without the checks of `Shop.from_frames`.

    Those look at every label; a unit test runs them on a small shop of this generator.
    """
    made = catalogue(n, seed) if made is None else made
    events, shoppers = _events(made, seed)
    return Shop(f"made up, {n:,}", products(made), shoppers, events)


def _events(made: Catalogue, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    n = len(made)
    rng = np.random.default_rng([seed, n, 7])
    wanted = int(n * EVENTS / (1 + _CART * (1 + _BUY)))
    length = 1 + rng.geometric(0.22, size=wanted // 5)  # clicks of a visit: 2 and more
    length = length[: int(np.searchsorted(np.cumsum(length), wanted)) + 1]
    visits, users = len(length), max(1, n // 2)
    shopper = rng.integers(users, size=visits)
    item = _clicks(made, rng, shopper, length, rng.integers(n, size=users))
    visit = np.repeat(np.arange(visits), length)
    step = np.arange(len(item)) - np.repeat(np.cumsum(length) - length, length)
    start = START_MS + rng.integers(DAYS * DAY_MS, size=visits)
    time = start[visit] + step * 30_000
    cart = np.flatnonzero(rng.random(len(item)) < _CART)
    buy = cart[rng.random(len(cart)) < _BUY]
    rows = np.concatenate([np.arange(len(item)), cart, buy])
    kind = np.repeat([0, 1, 2], [len(item), len(cart), len(buy)])
    time = time[rows] + 10_000 * kind
    order = np.argsort(time, kind="stable")
    rows, kind, time = rows[order], kind[order], time[order]
    frame = pd.DataFrame(
        {
            "user_id": _texts("u", users, shopper[visit[rows]]),
            "item_id": _texts("p", n, item[rows]),
            "event_type": np.array(["clicked_on", "put_to_cart", "buy"], dtype=object)[kind],
            "timestamp": time,
            "session_id": _texts("s", visits, visit[rows]),
        }
    )
    return frame, pd.DataFrame({"user_id": labels("u", users)})


def _clicks(made: Catalogue, rng: np.random.Generator, shopper: Rows, length: Rows, home: Rows) -> Rows:
    """The products clicked, visit after visit. As kinds, categories and departments are stretches of rows, all that a
    draw needs is a stretch of the running sum of popularity."""
    total = np.concatenate([[0.0], np.cumsum(made.weight)])
    begins = _drawn(total, rng, *_stretch(made.category, home[shopper]))  # in the shopper's own category
    away = rng.random(len(begins)) < 0.3
    begins[away] = _drawn(total, rng, np.zeros(away.sum(), dtype=np.int64), np.full(away.sum(), len(made)))
    centre = np.repeat(begins, length)
    how = np.searchsorted(_STAY, rng.random(len(centre)))
    low, high = np.zeros(len(centre), dtype=np.int64), np.full(len(centre), len(made))
    for level, of in enumerate((made.kind, made.category, made.department)):
        mine = how == level
        low[mine], high[mine] = _stretch(of, centre[mine])
    item = _drawn(total, rng, low, high)
    item[np.cumsum(length) - length] = begins
    return item


def _stretch(of: Rows, rows: Rows) -> tuple[Rows, Rows]:
    """The first row of the group of each row, and the one behind its last."""
    edges = np.concatenate([[0], np.cumsum(np.bincount(of))])
    return edges[of[rows]], edges[of[rows] + 1]


def _drawn(total: NDArray[np.float64], rng: np.random.Generator, low: Rows, high: Rows) -> Rows:
    """A row from each stretch, by popularity."""
    place = total[low] + rng.random(len(low)) * (total[high] - total[low])
    return np.clip(np.searchsorted(total, place, side="right") - 1, low, high - 1)


def _texts(letter: str, n: int, codes: Rows) -> Any:
    return np.array(labels(letter, n), dtype=object)[codes]
