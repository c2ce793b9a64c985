"""The settings of a live shop, by hand or from `shop.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints
from urllib.parse import quote

from recsys_lab.ranking.sources import INTENT_WEIGHTS
from recsys_lab.spaces.aspects import APPEAL, LIKENESS

SURFACES: Mapping[str, str] = {
    "for-you": "live",
    "similar": "live",
    "also-bought": "patterns",
    "lookalikes": "patterns",
    "complete-the-look": "patterns",
    "buy-again": "patterns",
}
"""The surfaces that a recommender can be chosen for, and who serves them when nothing else is said."""
CHOSEN = ("for-you", "similar", "also-bought")
"""The surfaces that any recommender can serve; each of the others is a question of its own."""


class ConfigError(ValueError):
    """A setting that cannot be; the message names the file, the key and the rule."""


@dataclass(frozen=True)
class Settings:
    """What a shop is started with. `folder` holds what has to outlive it; without one, nothing does.

    - `state`: the address of the live state (`recsys_lab.realtime`); `load` makes it SQLite in the folder
    - `store`: the address of a vector store (`recsys_lab.stores`), or None for the one in memory
    - `surfaces`: who serves a surface: "live", "patterns", or the name of a recommender ("item-knn", "next markov")
    - `switch`: recommenders that can be asked for by name, fitted at the start
    - `weights`: of the spaces, at the door of a visit and for what is similar, where the question gives none
    - `visit_weights`: the same inside a visit, where the last click says more than everything before
    - `ranker`: a ranker's name ("ranker logistic"), to put the first products of the live list in order
    - `idle_minutes`: a visit ends after such a pause
    - `encoder`: whether searches may load the sentence encoder, where it is installed

    >>> Settings(surfaces={"for-you": "popular"}).surfaces["similar"]
    'live'
    """

    state: str = "memory://"
    store: str | None = None
    surfaces: Mapping[str, str] = field(default_factory=lambda: dict(SURFACES))
    switch: tuple[str, ...] = ("live", "popular", "item-knn", "event-weighted")
    weights: Mapping[str, float] = field(default_factory=lambda: {**LIKENESS, **APPEAL})
    visit_weights: Mapping[str, float] = field(default_factory=lambda: dict(INTENT_WEIGHTS))
    ranker: str | None = None
    idle_minutes: float = 30
    folder: Path | None = None
    encoder: bool = True

    def __post_init__(self) -> None:
        self._check()
        object.__setattr__(self, "surfaces", {**SURFACES, **self.surfaces})

    def _check(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            _check_kind(name, getattr(self, name), kind)
        for surface, by in self.surfaces.items():
            if surface not in SURFACES:
                raise ConfigError(f"surfaces: there is no surface {surface!r}; they are {', '.join(SURFACES)}")
            if surface not in CHOSEN and by != SURFACES[surface]:
                raise ConfigError(
                    f"surfaces: {surface} is a question of its own, which {by!r} cannot answer; it stays"
                    f" {SURFACES[surface]!r}"
                )
        if not self.switch:
            raise ConfigError("switch: names no recommender; give at least one, for example 'live'")
        if not 0 < self.idle_minutes < float("inf"):
            raise ConfigError(f"idle_minutes: {self.idle_minutes} is no pause; give more than 0")
        if self.folder is None and not self.state.startswith("memory:"):
            raise ConfigError(
                f"folder: none is given, but the state {self.state.partition(':')[0]}:// is to last; name a folder for"
                f" what has to wait while the state does not answer"
            )

    @classmethod
    def load(cls, path: Path | str | None = None, **given: Any) -> Settings:
        """The settings of a file, with those that are `given` (and not None) in place of the file's.

        Where none names a state, it is `live.db` in the folder. Raises `ConfigError` for a file that cannot be read, an
        unknown key and a value of the wrong kind.
        """
        told = {} if path is None else _read(Path(path))
        try:
            told |= {name: value for name, value in given.items() if value is not None}
            known = [one.name for one in fields(cls)]
            for name in told:
                if name not in known:
                    raise ConfigError(f"{name}: there is no such setting; they are {', '.join(known)}")
            if isinstance(told.get("folder"), str):
                told["folder"] = Path(told["folder"])
            if isinstance(told.get("switch"), list):
                told["switch"] = tuple(told["switch"])
            if "state" not in told and isinstance(told.get("folder"), Path):
                told["state"] = f"sqlite://{quote((told['folder'] / 'live.db').resolve().as_posix())}"
            return cls(**told)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}" if path is not None else str(error)) from None

    def with_folder(self, folder: Path) -> Settings:
        """The same settings with another folder."""
        return replace(self, folder=folder)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a file that is there") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is no TOML ({error}); mend that line") from None


def _check_kind(name: str, value: Any, kind: Any) -> None:
    """Whether a value is of its setting's kind. Raises `ConfigError`."""
    if isinstance(kind, UnionType):
        if value is None:
            return
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is tuple:
        right = isinstance(value, tuple) and all(isinstance(one, str) for one in value)
        wanted = "a list of texts"
    elif get_origin(kind) is not None:
        of = get_args(kind)[1]
        right = isinstance(value, Mapping) and all(isinstance(key, str) and _is(one, of) for key, one in value.items())
        wanted = f"a table of {_WORDS[of]}s by name"
    else:
        right, wanted = _is(value, kind), f"a {_WORDS[kind]}"
    if not right:
        raise ConfigError(f"{name}: {value!r} is not {wanted}")


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
    return isinstance(value, kind)


_WORDS: Mapping[type, str] = {str: "text", float: "number", bool: "true or false", Path: "folder"}
