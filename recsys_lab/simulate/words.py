"""The words that products of the simulated shop are named and described with, from `words.toml` beside this file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

Phrases = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Kind:
    """A kind of product within a category, and what it may be."""

    noun: str  # as in the name; ending in one "s" means plural
    departments: str  # letters
    occasions: str  # letters
    materials: str  # words
    never: str  # styles that would contradict it


@dataclass(frozen=True)
class Material:
    """What a material is good for, what it costs beside cotton, and how a shop speaks of it."""

    occasions: str  # letters
    cost: float  # factor on the price
    stuff: tuple[str, ...]  # noun phrases
    touch: tuple[str, ...]  # what it does: follows "that"
    care: tuple[str, ...]


def _phrases(table: Mapping[str, Sequence[str]]) -> Phrases:
    return {key: tuple(texts) for key, texts in table.items()}


def _material(held: Mapping[str, Any]) -> Material:
    texts = {name: tuple(held[name]) for name in ("stuff", "touch", "care")}
    return Material(held["occasions"], held["cost"], **texts)


_HELD: Mapping[str, Any] = tomllib.loads((files("recsys_lab.simulate") / "words.toml").read_text(encoding="utf-8"))

MATERIALS: dict[str, Material] = {name: _material(held) for name, held in _HELD["materials"].items()}
KINDS: dict[str, tuple[Kind, ...]] = {name: tuple(Kind(*row) for row in rows) for name, rows in _HELD["kinds"].items()}
DETAILS, KIND_DETAILS = _phrases(_HELD["details"]), _phrases(_HELD["kind_details"])
ADJECTIVES, MOODS, MOOD_SENTENCES = (_phrases(_HELD[name]) for name in ("adjectives", "moods", "mood_sentences"))
FOR: dict[str, Phrases] = {group: _phrases(table) for group, table in _HELD["for"].items()}
SENTENCES: dict[str, Phrases] = {group: _phrases(table) for group, table in _HELD["sentences"].items()}
