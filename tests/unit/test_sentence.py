"""A sentence as a query: sixty sentences with what they mean, and the borders of the reader."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from recsys_lab.datasets import load_shop
from recsys_lab.filters import And, Compare, Filter, field
from recsys_lab.spaces.sentence import MAX_LENGTH, SentenceReader, Understood

SENTENCES = tomllib.loads((Path(__file__).parent / "sentences.toml").read_text(encoding="utf-8"))
SLOTS = ("filters", "wishes", "weights", "text", "unknown")


@pytest.fixture(scope="module")
def reader() -> SentenceReader:
    return SentenceReader(load_shop().products)


def parts(where: Filter | None) -> tuple[Any, ...]:
    return () if where is None else where.parts if isinstance(where, And) else (where,)


def as_filter(name: str, op: str, value: Any) -> tuple[str, str, Any]:
    return name, op, tuple(sorted(value)) if isinstance(value, list | tuple) else value


def wanted(row: Mapping[str, Any]) -> dict[str, set[Any]]:
    return {
        "filters": {as_filter(*part) for part in row.get("where", [])},
        "wishes": {(name, value) for name, values in row.get("wishes", {}).items() for value in values},
        "weights": set(row.get("weights", [])),
        "text": set(row.get("text", [])),
        "unknown": set(row.get("unknown", [])),
    }


def read(understood: Understood) -> dict[str, set[Any]]:
    return {
        "filters": {as_filter(part.field, part.op, part.value) for part in parts(understood.where)},
        "wishes": {(name, value) for name, values in understood.wishes.items() for value in values},
        "weights": set(understood.weights),
        "text": set(understood.text.split()),
        "unknown": set(understood.unknown),
    }


def right(row: Mapping[str, Any], understood: Understood) -> bool:
    """Every slot, the nearest words, and whether a contradiction is said."""
    said = any(note.startswith("no product has") for note in understood.notes)
    nearest = {word: understood.suggestions.get(word) for word in row.get("suggests", {})}
    return (
        read(understood) == wanted(row) and said == row.get("impossible", False) and nearest == row.get("suggests", {})
    )


def measure(reader: SentenceReader, rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float], float]:
    """Precision and recall of each slot over all sentences that are to be read, and the share entirely right."""
    found = {row["say"]: reader.read(row["say"]) for row in rows if not row.get("error")}
    rows = [row for row in rows if not row.get("error")]
    shares = {}
    for slot in SLOTS:
        pairs = [(read(found[row["say"]])[slot], wanted(row)[slot]) for row in rows]
        both = sum(len(got & want) for got, want in pairs)
        given, asked = sum(len(got) for got, _ in pairs), sum(len(want) for _, want in pairs)
        shares[f"{slot} precision"] = both / given if given else 1.0
        shares[f"{slot} recall"] = both / asked if asked else 1.0
    wrong = [row["say"] for row in rows if not right(row, found[row["say"]])]
    for say in wrong:
        print(f"not as expected: {say}\n{found[say]}\n")
    return shares, 1 - len(wrong) / len(rows)


@pytest.mark.parametrize("name", ["sentence", "fresh"])
def test_sentences(reader: SentenceReader, name: str) -> None:
    rows = SENTENCES[name]
    shares, whole = measure(reader, rows)
    print(f"{name}: {len(rows)} sentences, {whole:.1%} entirely right")
    print("\n".join(f"  {what}: {share:.3f}" for what, share in shares.items()))
    assert len(rows) == {"sentence": 40, "fresh": 20}[name]
    assert min(shares.values()) >= 0.95
    assert whole >= 0.95


def test_the_measure_sees_mistakes() -> None:
    """A reader of a shop without columns understands nothing, and the numbers say so."""
    shares, whole = measure(SentenceReader(pd.DataFrame({"item_id": ["a"]})), SENTENCES["sentence"])
    assert whole <= 0.05
    assert shares["filters recall"] == shares["weights recall"] == shares["text recall"] == 0
    assert shares["unknown precision"] < 0.3


def test_the_example(reader: SentenceReader) -> None:
    understood = reader.read("a women's jacket under 90 with good reviews")
    where = (field("department") == "women") & (field("category") == "jackets") & (field("price") < 90)
    products = reader.products
    assert understood.where is not None
    assert understood.where.mask(products).tolist() == where.mask(products).tolist()
    assert where.mask(products).any()
    assert understood.weights == {"rating": 1.0, "reviews": 1.0}
    assert str(understood) == (
        "women's → department == 'women'\n"
        "jacket → category == 'jackets'\n"
        "under 90 → price < 90\n"
        "good reviews → counts: a good rating and many reviews"
    )


# -- what is said


def test_a_misspelled_word_is_said_and_not_applied(reader: SentenceReader) -> None:
    understood = reader.read("blue jaket")
    assert (understood.unknown, understood.suggestions) == (("jaket",), {"jaket": "jackets"})
    assert parts(understood.where) == (Compare("colour", "==", "blue"),)
    assert "jaket → not understood; nearest known: jackets" in str(understood)


def test_contradictions_are_said(reader: SentenceReader) -> None:
    assert reader.read("over 90 and under 50").notes == ("no product has (price > 90 and price < 50)",)
    assert reader.read("red but not red").notes == ("no product has (colour == 'red' and colour != 'red')",)
    assert reader.read("men's dresses").notes == ("no product passes all of this together: department, category",)
    assert reader.read("men's trousers").notes == ()


def test_a_wish_that_no_passing_product_meets_is_said() -> None:
    products = pd.DataFrame({"category": ["bags", "coats"], "colour": ["red", "blue"]})
    understood = SentenceReader(products).read("a coat, preferably red")
    assert understood.notes == ("of the products that pass, none has colour red",)
    assert understood.where is not None
    assert understood.where.mask(products).tolist() == [False, True]


def test_nothing_asked(reader: SentenceReader) -> None:
    understood = reader.read("I'm looking for something, please")
    assert understood == Understood()
    assert str(understood) == "nothing was asked for"


@pytest.mark.parametrize(
    ("sentence", "where", "unknown"),
    [
        ("no leather, suede or wool", ["material not in ['leather', 'suede', 'wool']"], ()),
        ("not red, blue trousers", ["colour == 'blue'", "colour != 'red'", "category == 'trousers'"], ()),
        ("no leather and red", ["material != 'leather'", "colour == 'red'"], ()),
        ("coats without pockets or frills", ["category == 'coats'"], ("without pockets", "frills")),
        ("preferably not red", [], ("preferably not red",)),
        ("no, thanks", [], ("no",)),
        ("not cheap", [], ("not cheap",)),
        ("not between 30 and 50", [], ("not between 30 and 50",)),
        ("not under 50", ["price >= 50"], ()),
        ("red-brown", [], ("red-brown",)),
        ("I'm not a fan of leather", ["material != 'leather'"], ()),
        ("a coat, doesn't have to be wool", ["category == 'coats'"], ("doesn't have to be wool",)),
        ("not only black or grey, size M", [], ("not only black", "grey", "size m")),
    ],
)  # fmt: skip
def test_negation(reader: SentenceReader, sentence: str, where: list[str], unknown: tuple[str, ...]) -> None:
    understood = reader.read(sentence)
    assert sorted(map(str, parts(understood.where))) == sorted(where)
    assert understood.unknown == unknown


@pytest.mark.parametrize(
    ("sentence", "wishes", "where"),
    [
        ("a coat, blue or green would be nice", {"colour": ("blue", "green")}, ["category == 'coats'"]),
        ("a coat, blue if possible, under 90", {"colour": ("blue",)}, ["category == 'coats'", "price < 90"]),
        ("a grey or preferably black coat", {"colour": ("black",)},
         ["colour in ['grey', 'black']", "category == 'coats'"]),
    ],
)  # fmt: skip
def test_wishes(reader: SentenceReader, sentence: str, wishes: dict[str, Any], where: list[str]) -> None:
    understood = reader.read(sentence)
    assert understood.wishes == wishes
    assert sorted(map(str, parts(understood.where))) == sorted(where)


@pytest.mark.parametrize(
    ("sentence", "where"),
    [
        ("under 1,000", ["price < 1000"]),
        ("under 9,50 euros", ["price < 9.5"]),
        ("up to forty", ["price <= 40"]),
        ("max. 100 EUR", ["price <= 100"]),
        ("UNDER 50EUR", ["price < 50"]),
        ("between 50 and 30", ["price >= 30", "price <= 50"]),
        ("€20–€40", ["price >= 20", "price <= 40"]),
        ("80 or less", ["price <= 80"]),
        ("rated at least 4", ["review_rating >= 4"]),
        ("3 to 4 stars", ["review_rating >= 3", "review_rating <= 4"]),
        ("4 or more stars", ["review_rating >= 4"]),
        ("over 50 reviews", ["review_count > 50"]),
    ],
)
def test_numbers(reader: SentenceReader, sentence: str, where: list[str]) -> None:
    understood = reader.read(sentence)
    assert (list(map(str, parts(understood.where))), understood.unknown) == (where, ())


@pytest.mark.parametrize(
    "sentence", ["under 5 cm", "under 1.200", "for 30 euros", "4 stars", "from 3€ to 4 stars", "501s", "under £50"]
)
def test_numbers_that_are_no_bound_are_unknown(reader: SentenceReader, sentence: str) -> None:
    understood = reader.read(sentence)
    assert understood.where is None
    assert understood.unknown


# -- other shops


def test_the_currency_is_the_shops() -> None:
    reader = SentenceReader(pd.DataFrame({"price": [10.0, 60.0]}), currency="USD")
    assert parts(reader.read("under $50").where) == (Compare("price", "<", 50),)
    assert reader.read("under 50 euros").unknown == ("under 50 euros",)


def test_rules_are_off_without_their_columns() -> None:
    reader = SentenceReader(pd.DataFrame({"item_id": ["a"], "colour": ["Rose"]}))
    understood = reader.read("new rose coats under 50, on sale, with good reviews")
    assert parts(understood.where) == (Compare("colour", "==", "Rose"),)
    assert understood.unknown == ("new", "coats", "under 50", "on sale", "good reviews")
    assert (understood.weights, understood.text) == ({}, "")


def test_singular_and_plural_of_any_shop() -> None:
    reader = SentenceReader(
        pd.DataFrame({"category": ["scarf", "dress", "body", "Wrist-watches", "shorts", None, " "]})
    )
    understood = reader.read("scarves, dresses, bodies, a wristwatch")
    assert parts(understood.where) == (Compare("category", "in", ("scarf", "dress", "body", "Wrist-watches")),)
    assert reader.read("short").unknown == ("short",)


def test_a_word_of_two_fields_is_said() -> None:
    reader = SentenceReader(pd.DataFrame({"style": ["denim"], "material": ["denim"]}))
    understood = reader.read("denim")
    assert parts(understood.where) == (Compare("material", "==", "denim"),)
    assert understood.notes == ("denim is a material and a style; it was taken for the material",)


# -- the encoder


class TinyEncoder:
    """Two dimensions: what is worn on the head or neck, and the rest."""

    dim = 2

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        self.asked += texts
        rows = [{"hats": (1.0, 0.0), "scarves": (0.8, 0.6), "qwx": (-1.0, 0.0)}.get(text, (0.0, 1.0)) for text in texts]
        return np.array(rows, dtype=np.float32)


def test_the_encoder_only_suggests() -> None:
    encoder = TinyEncoder()
    products = pd.DataFrame({"category": ["scarves", "boots"], "brand": ["Halden", "Halden"]})
    reader = SentenceReader(products, encoder)
    understood = reader.read("hats")
    assert (understood.where, understood.unknown, understood.suggestions) == (None, ("hats",), {"hats": "scarves"})
    assert "Halden" not in encoder.asked
    assert reader.read("qwx").suggestions == {}
    assert reader.read("bots").suggestions == {"bots": "boots"}
    assert "bots" not in encoder.asked  # spelling goes first
    assert SentenceReader(products).read("hats").suggestions == {}


# -- errors


@pytest.mark.parametrize("sentence", ["", "  \n ", "a" * (MAX_LENGTH + 1)])
def test_empty_or_too_long(reader: SentenceReader, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"give a text of 1 to {MAX_LENGTH} characters"):
        reader.read(sentence)


@pytest.mark.parametrize("sentence", [None, 7, b"coat", ["coat"]])
def test_not_a_text(reader: SentenceReader, sentence: Any) -> None:
    with pytest.raises(TypeError, match="give a text"):
        reader.read(sentence)


def test_what_a_reader_takes() -> None:
    with pytest.raises(TypeError, match=r"give the table shop\.products"):
        SentenceReader([])  # type: ignore[arg-type]
    for currency in ("euro", "other", "review_count"):
        with pytest.raises(ValueError, match=f"currency '{currency}' is not known; use one of CHF, EUR"):
            SentenceReader(pd.DataFrame({"price": [1.0]}), currency=currency)


WORDS = ["not", "not only", "red", "or", "blue", ",", "preferably", "for", "the", "my", "bag", "under", "50", "€", "-",
         "no", "+", "would be nice", "jacket", "if possible", "stars", "xyz", "warm", "on sale", "new", "'s", "between",
         "and"]  # fmt: skip


@settings(max_examples=150, deadline=None)
@drawn(st.one_of(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join), st.text(max_size=60)))
def test_any_sentence_is_read(reader: SentenceReader, sentence: str) -> None:
    if not sentence.strip():
        return
    understood = reader.read(sentence)
    assert understood == reader.read(sentence)
    if understood.where is not None:
        assert len(understood.where.mask(reader.products)) == len(reader.products)
    assert all(any(unknown == words for words, _ in understood.steps) for unknown in understood.unknown)
    fields = ["department", "category", "colour", "material", "style", "brand"]
    assert set(understood.suggestions.values()) <= {value for name in fields for value in reader.products[name]}
