"""What a linear bandit has learned, as sums: they add up, so that several servers can learn and be merged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import numpy as np

from recsys_lab.recommender import Floats

_KIND, _VERSION = "recsys-lab linear bandit", 1


class BanditError(ValueError):
    """A bandit or an off-policy estimate was given something that it cannot use."""


class Sums:
    """Σ x·xᵀ, Σ r·x and the number of rewards: all that ridge regression needs of its data.

    The ridge itself is not in the sums, or it would be counted once for each part that is added.

    >>> one = Sums(2).add([1.0, 0.0], 1.0)
    >>> other = Sums(2).add([1.0, 2.0], 0.0)
    >>> both = one + other
    >>> both.xx.tolist(), both.xr.tolist(), both.count
    ([[2.0, 2.0], [2.0, 4.0]], [1.0, 0.0], 2)
    """

    __slots__ = ("count", "xr", "xx")

    def __init__(self, dim: int) -> None:
        self.xx = np.zeros((dim, dim))
        self.xr = np.zeros(dim)
        self.count = 0

    def add(self, x: Any, reward: float) -> Self:
        """One reward for features `x` [d]."""
        x = np.asarray(x, dtype=np.float64)
        self.xx += np.outer(x, x)
        self.xr += reward * x
        self.count += 1
        return self

    def __add__(self, other: Sums) -> Sums:
        """The sums of both logs together."""
        total = Sums(len(self.xr))
        total.xx, total.xr = self.xx + other.xx, self.xr + other.xr
        total.count = self.count + other.count
        return total

    def solve(self, ridge: float) -> tuple[Floats, Floats]:
        """θ = (Σ x·xᵀ + ridge·I)⁻¹ Σ r·x [d], and that inverse [d, d]."""
        inverse: Floats = np.linalg.inv(self.xx + ridge * np.eye(len(self.xr)))
        inverse = (inverse + inverse.T) / 2
        return inverse @ self.xr, inverse


class BanditState:
    """The sums of every arm, by label; arms that nothing is known of are not in it.

    `state + other` is what one bandit would know that had seen the rewards of both. `save` and `load` use JSON, which
    holds numbers and cannot run anything.
    """

    def __init__(self, dim: int) -> None:
        if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
            raise BanditError(f"dim: {dim!r} is no number of features; give at least 1")
        self.dim = dim
        self.arms: dict[str, Sums] = {}

    def add(self, arm: str, x: Any, reward: float) -> None:
        """One reward of an arm. Raises `BanditError` for features of another length, or anything not finite."""
        if not isinstance(arm, str) or not arm:
            raise BanditError(f"arm: {arm!r} is not a label; arms are texts that are not empty")
        x = np.asarray(x, dtype=np.float64)
        if x.shape != (self.dim,):
            raise BanditError(f"x: features of shape {x.shape} for arm {arm!r}; this bandit takes {self.dim} numbers")
        if not np.isfinite(x).all() or not np.isfinite(reward):
            raise BanditError(f"arm {arm!r}: a feature or the reward ({reward}) is not finite; leave that event out")
        self.arms.setdefault(arm, Sums(self.dim)).add(x, float(reward))

    def __add__(self, other: BanditState) -> BanditState:
        if other.dim != self.dim:
            raise BanditError(
                f"dim: states of {self.dim} and {other.dim} features cannot be added; they have to be of the same ones"
            )
        total = BanditState(self.dim)
        for arm in sorted({*self.arms, *other.arms}):
            total.arms[arm] = self.arms.get(arm, Sums(self.dim)) + other.arms.get(arm, Sums(self.dim))
        return total

    def to_json(self) -> str:
        """The state as one JSON text; read back it is the same to the last bit."""
        upper = np.triu_indices(self.dim)
        arms = {
            arm: {"count": sums.count, "xr": sums.xr.tolist(), "xx": sums.xx[upper].tolist()}
            for arm, sums in sorted(self.arms.items())
        }
        return json.dumps({"kind": _KIND, "version": _VERSION, "dim": self.dim, "arms": arms})

    @classmethod
    def from_json(cls, text: str | bytes) -> BanditState:
        """Read what `to_json` wrote. Raises `BanditError` for anything else, with the arm and the rule."""
        try:
            told = json.loads(text)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise BanditError(f"state: this is no JSON ({error}); give what BanditState.to_json wrote") from None
        if not isinstance(told, dict) or told.get("kind") != _KIND or told.get("version") != _VERSION:
            raise BanditError(f"state: this is no {_KIND} of version {_VERSION}; give what BanditState.to_json wrote")
        state = cls(told.get("dim"))  # type: ignore[arg-type]
        arms = told.get("arms")
        if not isinstance(arms, dict):
            raise BanditError("state: it names no arms; give what BanditState.to_json wrote")
        for arm, held in arms.items():
            state.arms[arm] = _read(arm, held, state.dim)
        return state

    def save(self, path: Path | str) -> None:
        """Write the state as JSON; the file that was there stays whole until the new one is complete."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        part.write_text(self.to_json(), encoding="utf-8")
        part.replace(path)

    @classmethod
    def load(cls, path: Path | str) -> BanditState:
        """Read what `save` wrote."""
        return cls.from_json(Path(path).read_bytes())


def _read(arm: str, held: Any, dim: int) -> Sums:
    """The sums of one arm out of JSON, checked."""
    sums, length = Sums(dim), dim * (dim + 1) // 2
    try:
        xr = np.array(held["xr"], dtype=np.float64)
        upper = np.array(held["xx"], dtype=np.float64)
        count = held["count"]
    except (KeyError, TypeError, ValueError):
        raise BanditError(f"state: arm {arm!r} lacks count, xr or xx as numbers; the file is damaged") from None
    if xr.shape != (dim,) or upper.shape != (length,) or isinstance(count, bool) or not isinstance(count, int):
        raise BanditError(f"state: arm {arm!r} does not hold {dim} features, {length} products and a count")
    if count < 0 or not np.isfinite(xr).all() or not np.isfinite(upper).all():
        raise BanditError(f"state: arm {arm!r} has a number that is not finite, or a count below 0")
    sums.xr, sums.count = xr, count
    sums.xx[np.triu_indices(dim)] = upper
    sums.xx = np.triu(sums.xx) + np.triu(sums.xx, 1).T
    lowest, highest = np.linalg.eigvalsh(sums.xx)[[0, -1]]
    if lowest < -1e-9 * max(1.0, highest):
        raise BanditError(f"state: arm {arm!r} holds no sum of squares (an eigenvalue is {lowest:.3g}); it is damaged")
    return sums
