"""The words of `sentence.toml` as patterns, and what a sentence's reader needs to know of spelling."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

SHOP: Mapping[str, Any] = tomllib.loads((files("recsys_lab.spaces") / "sentence.toml").read_text(encoding="utf-8"))


def plain_text(text: str) -> str:
    """Small letters, one kind of apostrophe and of hyphen."""
    text = unicodedata.normalize("NFKC", text).casefold().strip()
    return re.sub("[‐‑‒–—−]", "-", re.sub("[‘’ʼ`´]", "'", text))


def key(phrase: str) -> str:
    """One spelling of a phrase: single spaces, none of its hyphens."""
    return re.sub(r"[\s-]+", " ", phrase).strip()


def any_of(phrases: Iterable[str]) -> str:
    """A pattern for any of the phrases, the longest first; one that fits nothing where there is none."""
    ordered = sorted(set(phrases), key=lambda phrase: (-len(phrase), phrase))
    patterns = (r"[\s-]+".join(map(re.escape, key(phrase).split(" "))) for phrase in ordered)
    return f"(?:{'|'.join(patterns)})" if ordered else "(?!)"


def forms_of(word: str) -> set[str]:
    """The word in singular and plural, by its ending."""
    if word in SHOP["words"]["only_plural"]:
        return {word}
    for one, many in (("y", "ies"), ("f", "ves"), ("ss", "sses"), ("ch", "ches"), ("sh", "shes")):
        for ending, other in ((many, one), (one, many)):
            if word.endswith(ending):
                return {word, word.removesuffix(ending) + other, word[:-1] if ending == many else word + "s"}
    return {word, word[:-1]} if word.endswith("s") else {word, word + "s"}


def _inverse(table: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Phrase → the names of the lists that it stands in."""
    found: dict[str, list[str]] = {}
    for name, phrases in table.items():
        for phrase in phrases:
            found.setdefault(key(phrase), []).append(name)
    return found


def amount(name: str) -> str:
    """A pattern for a number with its unit: groups sign_, number_ and unit_ with the name behind."""
    number = rf"\d{{1,3}}(?:,\d{{3}})+|\d+(?:[.,]\d{{1,2}})?|{any_of(SHOP['numbers'])}"
    unit = rf"(?:\s?(?P<unit_{name}>{any_of(UNITS)})(?!\w))?"
    return rf"(?:(?P<sign_{name}>[€$£¥])\s?)?(?P<number_{name}>{number})(?![.,]?\d){unit}"


def number_in(text: str) -> float:
    """The number that an amount's pattern has found: 1,000 is a thousand, 9,50 is 9.5."""
    if text[0].isdigit():
        text = text.replace(",", "" if re.fullmatch(r"\d{1,3}(,\d{3})+", text) else ".")
        return float(text) if "." in text else int(text)
    return int(SHOP["numbers"][key(text)])


BEFORE, AFTER, UNITS = _inverse(SHOP["bounds"]), _inverse(SHOP["bounds_after"]), _inverse(SHOP["units"])
ASPECT_WORDS, YES, NO = _inverse(SHOP["aspects"]), _inverse(SHOP["flags"]), _inverse(SHOP["flags_no"])
