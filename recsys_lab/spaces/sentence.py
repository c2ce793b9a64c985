"""A sentence as a query, offline: "a women's jacket under 90 with good reviews" becomes filters, weights and a text.

Rules, no model: the values of the shop's own columns, a table of patterns (`_rules`) and a list of shop words
(`sentence.toml`). Whatever none of them knows is either a word of the catalogue's texts, and goes to the text query, or
it is said to be unknown. Nothing is guessed; an encoder only helps to suggest.

Values of one field that are said plainly are alternatives ("red or blue"), different fields have to hold together: the
reader knows no brackets, so "red dresses and blue skirts" lets a red skirt pass.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd

from recsys_lab.filters import And, Compare, Filter, Op
from recsys_lab.spaces import sentence_words as lexicon
from recsys_lab.spaces.encoder import Encoder

MAX_LENGTH = 300
"""The longest sentence that is read, in characters."""

_VALUE_FIELDS = ("department", "category", "colour", "material", "style", "brand")
_ASPECTS = {"price": "price", "rating": "review_rating", "reviews": "review_count", "new": "launched_at"}
_SAYS = {"price": "a low price", "rating": "a good rating", "reviews": "many reviews", "new": "new products"}
_OPPOSITE: dict[str, Op] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_SOFT_BOUNDS = {("price", "<"): "price", ("review_rating", ">"): "rating", ("review_count", ">"): "reviews"}
_NEAR_SPELLING, _NEAR_MEANING = 0.8, 0.5  # below these a suggestion is more often silly than useful
_END = r"(?!\w|[-']\w)"  # a phrase does not end inside a word: "red" is not in "red-brown"


@dataclass(frozen=True)
class Understood:
    """What a sentence was taken for; print it to see it line by line.

    `where` has to hold, `wishes` (field → values) are preferred and leave nothing out, `weights` has 1.0 for each
    aspect asked for: "price" (less is better), "rating", "reviews", "new". `text` goes to the text space. `unknown` was
    not understood and not used, `suggestions` (unknown word → nearest value of the shop) are not applied. `steps` are
    words and what they were taken for, in the order of the sentence; `notes` what else has to be said, such as filters
    that no product can pass.
    """

    where: Filter | None = None
    wishes: Mapping[str, tuple[str, ...]] = attribute(default_factory=dict)
    weights: Mapping[str, float] = attribute(default_factory=dict)
    text: str = ""
    unknown: tuple[str, ...] = ()
    suggestions: Mapping[str, str] = attribute(default_factory=dict)
    steps: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{words} → {taken}" for words, taken in self.steps] or ["nothing was asked for"]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


class SentenceReader:
    """Reads a shopper's sentence in the words of one shop.

    `products` is the shop's table; rules whose columns it lacks are off, and what would need them is unknown. `encoder`
    is only asked for suggestions. `currency` is that of the prices: an amount in another is unknown, not converted.

    >>> products = pd.DataFrame({"department": ["women", "men"], "category": ["jackets", "coats"], "price": [80., 95.]})
    >>> print(SentenceReader(products).read("a women's jaket under 90"))
    women's → department == 'women'
    jaket → not understood; nearest known: jackets
    under 90 → price < 90
    """

    def __init__(self, products: pd.DataFrame, encoder: Encoder | None = None, currency: str = "EUR") -> None:
        if not isinstance(products, pd.DataFrame):
            raise TypeError(f"SentenceReader: products is a {type(products).__name__}; give the table shop.products")
        known = sorted(unit for unit in lexicon.SHOP["units"] if unit.isupper())
        if currency not in known:
            raise ValueError(f"SentenceReader: currency {currency!r} is not known; use one of {', '.join(known)}")
        self.products, self.encoder, self.currency = products, encoder, currency

    def read(self, sentence: str) -> Understood:
        """What `sentence` asks for. Raises TypeError for no text, ValueError for an empty or too long one."""
        if not isinstance(sentence, str):
            raise TypeError(f"read: the sentence is a {type(sentence).__name__}; give a text")
        plain = lexicon.plain_text(sentence)
        if not plain or len(plain) > MAX_LENGTH:
            problem = "is empty" if not plain else f"has {len(plain)} characters"
            raise ValueError(f"read: the sentence {problem}; give a text of 1 to {MAX_LENGTH} characters")
        items = list(self._items(plain))
        found = _Found(self)
        for item, (mode, start) in zip(items, _modes(items), strict=True):
            found.take(item, mode, plain[start : item.end])
        return found.understood()

    def _items(self, plain: str) -> Iterator[_Item]:
        """The sentence cut into what the rules find, from left to right; the first rule that fits wins."""
        at = 0
        while at < len(plain):
            for kind, pattern in self._rules:
                match = pattern.match(plain, at)
                if match:
                    yield _Item(kind, match.group().strip(), at, match.end(), self._held(kind, match))
                    at = match.end()
                    break
            else:
                if not plain[at].isspace():
                    yield _Item("break", plain[at], at, at + 1)
                at += 1
        yield _Item("break", "", at, at)

    @cached_property
    def _rules(self) -> list[tuple[str, re.Pattern[str]]]:
        """The table of patterns: what kind of thing it is → how it looks. Earlier rows go before later ones."""
        words, before, after = lexicon.SHOP["words"], lexicon.any_of(lexicon.BEFORE), lexicon.any_of(lexicon.AFTER)
        a, b, units = lexicon.amount("a"), lexicon.amount("b"), lexicon.any_of(lexicon.UNITS)
        values = lexicon.any_of(self._values)
        table = [
            ("range", rf"(?:between\s+)?(?:from\s+)?{a}\s*(?:-|\bto\b)\s*{b}"),
            ("range", rf"between\s+{a}\s+and\s+{b}"),
            ("bound", rf"(?P<rated>rat(?:ed|ing)\s+)?(?P<before>{before})\.?\s*{a}"),
            ("bound", rf"(?P<rated>rated\s+)?{a}\s*(?P<after>{after})(?:\s?(?P<unit_b>{units}))?"),
            (
                "odd",
                rf"(?:{before}|(?:{before}\s+)?(?:around|about|roughly))\s+\S*\d[^\s,;]*(?:\s?{units})?|sizes?\s+[^\s,;]+",
            ),
            ("odd", a),
            ("aspect", lexicon.any_of(lexicon.ASPECT_WORDS)),
            ("flag", lexicon.any_of({**lexicon.YES, **lexicon.NO})),
            ("not value", rf"non-(?P<a>{values})|(?P<b>{values})[\s-]free"),
            ("value", rf"(?P<a>{values})(?:'s|')?"),
            *((kind, lexicon.any_of(words[kind])) for kind in ("open", "not", "soft", "wished", "or", "my")),
            ("for", "for"),
            ("filler", lexicon.any_of(words["filler"])),
            ("word", r"\w+(?:[-']\w+)*'?"),
        ]
        return [(kind, re.compile(f"(?:{pattern}){_END}")) for kind, pattern in table]

    def _held(self, kind: str, match: re.Match[str]) -> Any:
        """What an item carries: comparisons, aspects or values by field; empty if this shop has no column for it."""
        found, phrase, columns = match.groupdict(), lexicon.key(match.group()), self.products.columns
        if kind in ("value", "not value"):
            return self._values[lexicon.key(found["a"] or found["b"])]
        if kind == "aspect":
            return [name for name in lexicon.ASPECT_WORDS[phrase] if _ASPECTS[name] in columns]
        if kind == "flag":
            names = [*lexicon.YES.get(phrase, ()), *lexicon.NO.get(phrase, ())]
            return [Compare(name, "==", phrase in lexicon.YES) for name in names if name in columns]
        return self._bounds(kind, found) if kind in ("bound", "range") else None

    def _bounds(self, kind: str, found: Mapping[str, str | None]) -> list[Compare]:
        """The comparisons of a number or a range; none where its unit is none that this shop knows."""
        said = [text for group, text in found.items() if text and group.startswith(("sign", "unit"))]
        units = {lexicon.UNITS[text][0] for text in said}
        units |= {"review_rating"} if found.get("rated") else set()
        name = "price" if units <= {self.currency} else units.pop() if len(units) == 1 else ""
        if name not in ("price", "review_rating", "review_count") or name not in self.products.columns:
            return []
        numbers = sorted(
            lexicon.number_in(text) for group, text in found.items() if text and group.startswith("number")
        )
        if kind == "range":
            return [Compare(name, ">=", numbers[0]), Compare(name, "<=", numbers[1])]
        phrase = lexicon.key(found.get("before") or found.get("after") or "+")
        ops = (lexicon.BEFORE if found.get("before") else lexicon.AFTER)[phrase]
        return [Compare(name, cast(Op, ops[0]), numbers[0])]

    @cached_property
    def _values(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Phrase → field → values, with synonyms, and with singular and plural of what can be counted."""
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for name in (name for name in _VALUE_FIELDS if name in self.products.columns):
            held = {text for text in self.products[name].dropna() if isinstance(text, str) and lexicon.key(text)}
            for value in sorted(held):
                plain, synonyms = lexicon.plain_text(value), lexicon.SHOP["synonyms"].get(name, {})
                forms = lexicon.forms_of(plain) if name in ("department", "category") else {plain}
                for phrase in forms | {form.replace("-", "") for form in forms} | set(synonyms.get(plain, ())):
                    fields = found.setdefault(lexicon.key(phrase), {})
                    fields[name] = (*fields.get(name, ()), value)
        return found

    @cached_property
    def _catalogue(self) -> set[str]:
        """The words of the catalogue's texts."""
        columns = [self.products[name].dropna() for name in ("name", "description") if name in self.products.columns]
        texts = (lexicon.plain_text(str(text)) for column in columns for text in column)
        return {word for text in texts for word in re.findall(r"\w+(?:[-']\w+)*", text)}

    def in_catalogue(self, word: str) -> bool:
        """Whether the catalogue's texts have this word, in singular or plural."""
        return not self._catalogue.isdisjoint(lexicon.forms_of(word.removesuffix("'s").rstrip("'")))

    def nearest(self, word: str) -> str | None:
        """The value nearest to `word` by spelling, else by meaning where there is an encoder; None if none is near."""
        close = difflib.get_close_matches(word, sorted(self._values), 1, _NEAR_SPELLING)
        if close:
            return next(iter(self._values[close[0]].values()))[0]
        fields = [item for fields in self._values.values() for item in fields.items()]
        # Brands are left out: their names are no words that an encoder knows.
        values = sorted({value for name, held in fields if name != "brand" for value in held})
        if self.encoder is None or not values:
            return None
        vectors = self.encoder.encode([*values, word])
        likeness = vectors[:-1] @ vectors[-1]
        return values[int(likeness.argmax())] if likeness.max() >= _NEAR_MEANING else None


class _Item(NamedTuple):
    """A piece of the sentence: what kind it is, its words, where it stands, and what it carries."""

    kind: str
    words: str
    start: int
    end: int
    held: Any = None

    @property
    def topic(self) -> str:
        """What two items share that can stand in one list: "no leather or suede"."""
        return next(iter(self.held)) if self.kind in ("value", "not value") else self.kind


_MEANT = ("value", "not value", "bound", "range", "flag", "aspect", "word", "odd")


def _modes(items: Sequence[_Item]) -> list[tuple[str, int]]:
    """For each item how it is meant ("", "not", "soft", "text", "odd", "used"), and where its phrase starts.

    "not" and "preferably" count for the next thing that means something, and on through a list of its kind.
    """
    modes = [("", item.start) for item in items]
    for at, item in enumerate(items):
        if item.kind == "for":
            for target in _occasion(items, at):
                modes[target] = modes[target] if modes[target][0] else ("text", items[target].start)
        if item.kind not in ("open", "not", "soft", "wished"):
            continue
        target = _next(items, at, "filler", "my", "for" if item.kind == "not" else "")
        kind = items[target].kind if item.kind != "wished" else ""
        if kind in (*_MEANT, "not"):
            # "preferably not red": the wish passes to the "not", which makes it one that cannot be kept.
            mode, start = "odd" if modes[at][0] or item.kind == "open" else item.kind, modes[at][1]
            modes[at], modes[target] = ("used", start), (mode, start)
            while (following := _in_list(items, target)) >= 0:
                target = following
                modes[target] = (mode, items[target].start)
        elif item.kind in ("soft", "wished") and at and items[at - 1].kind in _MEANT:  # "blue if possible, ..."
            modes[at], target = ("used", item.start), at - 1
            modes[target] = ("soft", items[target].start)
            while target > 1 and _in_list(items, target - 2) == target:
                target -= 2
                modes[target] = ("soft", items[target].start)
    return modes


def _next(items: Sequence[_Item], at: int, *skipped: str) -> int:
    """The next item that is not of a kind to skip; -1 (the end, a break) if there is none."""
    return next((i for i in range(at + 1, len(items)) if items[i].kind not in skipped), -1)


def _in_list(items: Sequence[_Item], at: int) -> int:
    """The next item of the list that an item stands in, or -1. After a comma only if the list goes on to an "or"."""
    join, target = items[at + 1], _next(items, at + 1, "filler", "my")
    alike = join.kind in ("or", "break") and items[target].kind in ("value", "word")
    if not alike or items[target].topic != items[at].topic:
        return -1
    return target if join.kind == "or" or _in_list(items, target) >= 0 else -1


def _occasion(items: Sequence[_Item], at: int) -> Iterator[int]:
    """What stands behind "for" and is no product: "for the gym bag", "for client meetings", "for my leather bag"."""
    first = _next(items, at, "filler", "my")
    owned = any(item.kind == "my" for item in items[at:first])
    if items[first].kind == "word" or (owned and items[first].kind == "value"):
        while items[first].kind in ("word", "value") and items[first].topic != "department":
            yield first
            first += 1


class _Found:
    """Collects what the items of one sentence say."""

    def __init__(self, reader: SentenceReader) -> None:
        self.reader = reader
        self.values: dict[tuple[str, bool], list[str]] = {}  # (field, whether wanted) → values
        self.bounds: list[Compare] = []
        self.wishes: dict[str, list[str]] = {}
        self.weights: dict[str, float] = {}
        self.text: list[str] = []
        self.unknown: list[str] = []
        self.suggestions: dict[str, str] = {}
        self.steps: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def take(self, item: _Item, mode: str, phrase: str) -> None:
        """One item, as it is meant; `phrase` begins at the "not" or "preferably" before it."""
        if item.kind in ("open", "not", "soft", "wished"):
            if mode != "used":
                self._unknown(item.words, item.words)
        elif item.kind == "odd" or (item.kind in _MEANT and (mode == "odd" or item.held in ([], {}))):
            self._unknown(phrase, item.words)
        elif item.kind == "word" or mode == "text":
            self._word(item, mode, phrase)
        elif item.kind in ("value", "not value"):
            self._value(item, "not" if item.kind == "not value" else mode, phrase)
        elif item.kind == "aspect":
            self._weigh(item.held, mode, phrase)
        elif item.kind in ("bound", "range", "flag"):
            self._bound(item, mode, phrase)

    def _word(self, item: _Item, mode: str, phrase: str) -> None:
        if mode == "not" or not self.reader.in_catalogue(item.words):
            self._unknown(phrase, item.words)
        else:
            self.text.append(item.words)
            self.steps.append((item.words, "text query"))

    def _value(self, item: _Item, mode: str, phrase: str) -> None:
        name, values = next(iter(item.held.items()))
        if len(item.held) > 1:
            self.notes.append(f"{item.words} is a {' and a '.join(item.held)}; it was taken for the {name}")
        kept = self.values.setdefault((name, mode != "not"), [])
        if mode == "soft":
            self.wishes[name] = list(dict.fromkeys((*self.wishes.get(name, ()), *values)))
            self.steps.append((phrase, f"preferred: {name} {' or '.join(values)}"))
        else:
            self.steps.append((phrase, str(_among(name, mode != "not", values))))
        if mode != "soft" or kept:  # "grey or preferably black": black is wished for, and one of the two has to be
            kept += [value for value in values if value not in kept]

    def _weigh(self, names: Sequence[str], mode: str, phrase: str) -> None:
        if mode == "not":
            self._unknown(phrase, "")
            return
        self.weights |= dict.fromkeys(names, 1.0)
        self.steps.append((phrase, "counts: " + " and ".join(_SAYS[name] for name in names)))

    def _bound(self, item: _Item, mode: str, phrase: str) -> None:
        held: list[Compare] = item.held
        aspect = _SOFT_BOUNDS.get((held[0].field, held[0].op[0])) if item.kind == "bound" else None
        if mode == "soft" and aspect:
            self._weigh([aspect], "", phrase)
        elif mode == "soft" or (mode == "not" and item.kind == "range"):
            self._unknown(phrase, "")
        else:
            kept = [_opposite(part) for part in held] if mode == "not" else held
            self.bounds += kept
            self.steps.append((phrase, " and ".join(map(str, kept))))

    def _unknown(self, phrase: str, word: str) -> None:
        self.unknown.append(phrase)
        near = self.reader.nearest(word) if re.fullmatch(r"[^\W\d]+(?:[-'][^\W\d]+)*'?", word) else None
        if near:
            self.suggestions[word] = near
        self.steps.append((phrase, "not understood" + (f"; nearest known: {near}" if near else "")))

    def understood(self) -> Understood:
        """Everything together, with a note where nothing can pass."""
        parts = [_among(name, wanted, values) for (name, wanted), values in self.values.items() if values]
        parts += self.bounds
        where = None if not parts else parts[0] if len(parts) == 1 else And(tuple(parts))
        return Understood(
            where=where, wishes={name: tuple(values) for name, values in self.wishes.items()}, weights=self.weights,
            text=" ".join(self.text), unknown=tuple(self.unknown), suggestions=self.suggestions,
            steps=tuple(self.steps), notes=(*self.notes, *self._impossible(parts)),
        )  # fmt: skip

    def _impossible(self, parts: Sequence[Compare]) -> Iterator[str]:
        """What no product of this shop can satisfy: one field alone, all together, or a wish on top."""
        products, passing = self.reader.products, np.ones(len(self.reader.products), dtype=bool)
        by_field: dict[str, list[Compare]] = {}
        for part in parts:
            by_field.setdefault(part.field, []).append(part)
            passing &= part.mask(products)
        alone = [own for own in map(And, map(tuple, by_field.values())) if not own.mask(products).any()]
        if alone:
            yield from (f"no product has {own}" for own in alone)
        elif not passing.any():
            yield f"no product passes all of this together: {', '.join(by_field)}"
        else:
            for name, values in self.wishes.items():
                if not products.loc[passing, name].isin(values).any():
                    yield f"of the products that pass, none has {name} {' or '.join(values)}"


def _among(name: str, wanted: bool, values: Sequence[str]) -> Compare:
    """A field is (or is not) one of the values."""
    if len(values) == 1:
        return Compare(name, "==" if wanted else "!=", values[0])
    return Compare(name, "in" if wanted else "not in", tuple(values))


def _opposite(part: Compare) -> Compare:
    return Compare(part.field, "==", not part.value) if part.op == "==" else replace(part, op=_OPPOSITE[part.op])
