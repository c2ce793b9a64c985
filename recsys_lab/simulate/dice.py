"""Random draws that fall the same on every supported Python and numpy.

Two habits make that so: uniform numbers come straight from the PCG64 bit stream, which numpy promises not to change,
and every probability is rounded before it is drawn from, so that the last bit of an `exp` never decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

_GRID = 10**9  # weights are drawn from as whole numbers of this many parts of the largest one


def cumulative(weights: Floats) -> Floats:
    """Row-wise cumulative weights as whole numbers in float64, each rounded to a billionth of its row's largest.

    >>> cumulative(np.array([[1.0, 0.0, 3.0]])).tolist()
    [[333333333.0, 333333333.0, 1333333333.0]]
    """
    top = weights.max(axis=-1, keepdims=True)
    if not (np.isfinite(top).all() and (top > 0).all()):
        raise ValueError("weights: each row must be finite and have a positive weight")
    steps: Floats = np.cumsum(np.round(weights * (_GRID / top)), axis=-1)
    return steps


class Dice:
    """A seeded source of draws; `Dice(seed, "name")` gives each part of the simulation a stream of its own.

    >>> Dice(7, "demo").uniform(3).round(3).tolist() == Dice(7, "demo").uniform(3).round(3).tolist()
    True
    """

    def __init__(self, seed: int, stream: str) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, *stream.encode()]))

    def uniform(self, size: int | tuple[int, ...]) -> Floats:
        """Uniform numbers in [0, 1), shape `size`."""
        count = int(np.prod(size))
        raw = np.asarray(self._bits.random_raw(count), dtype=np.uint64)
        numbers: Floats = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return numbers.reshape(size)

    def normal(self, size: int | tuple[int, ...]) -> Floats:
        """Standard normal numbers by Box and Muller, rounded to six decimals."""
        first, second = 1.0 - self.uniform(size), self.uniform(size)
        return np.asarray(np.round(np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second), 6))

    def pick(self, weights: Floats) -> Ints:
        """One column index for each row of `weights` [n, m], in proportion to the weights; shape [n]."""
        steps = cumulative(np.atleast_2d(weights))
        aim = np.floor(self.uniform(len(steps)) * steps[:, -1])
        return np.asarray((steps <= aim[:, None]).sum(axis=1), dtype=np.int64)

    def picks(self, weights: Floats, count: int) -> Ints:
        """`count` independent draws from one row of weights [m]; shape [count]."""
        steps = cumulative(weights)
        aim = np.floor(self.uniform(count) * steps[-1])
        return np.asarray(np.searchsorted(steps, aim, side="right"), dtype=np.int64)

    def one_of(self, options: Sequence[Any]) -> Any:
        """One of `options`, each as likely."""
        return options[int(self.uniform(1)[0] * len(options))]
