"""The catalogue of the simulated shop and the drawings of its products."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import product

import pandas as pd
import pytest

from recsys_lab.simulate import catalogue, pictures, words
from recsys_lab.simulate.catalogue import make_catalogue
from recsys_lab.simulate.dice import Dice

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def shop() -> pd.DataFrame:
    return make_catalogue(Dice(11, "catalogue"))


def test_columns_and_rows(shop: pd.DataFrame) -> None:
    assert tuple(shop.columns) == catalogue.COLUMNS
    assert len(shop) == 1200
    assert shop["item_id"].is_unique
    assert shop["item_id"].iloc[[0, -1]].tolist() == ["P0001", "P1200"]
    assert not shop.isna().any().any()


@pytest.mark.parametrize(
    ("column", "known"),
    [
        ("brand", tuple(catalogue.BRANDS)),
        ("department", catalogue.DEPARTMENTS),
        ("category", catalogue.CATEGORIES),
        ("colour", tuple(catalogue.COLOURS)),
        ("style", catalogue.STYLES),
        ("pattern", catalogue.PATTERNS),
        ("occasion", catalogue.OCCASIONS),
    ],
)
def test_every_known_value_occurs_and_no_other(shop: pd.DataFrame, column: str, known: tuple[str, ...]) -> None:
    assert sorted(shop[column].unique()) == sorted(known)


def test_materials_are_known_and_nearly_all_used(shop: pd.DataFrame) -> None:
    used = set(shop["material"])
    assert used <= set(words.MATERIALS)
    assert len(used) >= 18


def test_departments_and_categories(shop: pd.DataFrame) -> None:
    sizes = shop.groupby(["department", "category"]).size()
    assert 32 <= len(catalogue.ASSORTMENT) <= 36
    assert set(sizes.index) == set(catalogue.ASSORTMENT)
    assert sizes.max() > 3 * sizes.min()


def test_brands_stay_in_their_departments_and_mostly_in_their_styles(shop: pd.DataFrame) -> None:
    brands = [catalogue.BRANDS[brand] for brand in shop["brand"]]
    assert all(d in b.departments for d, b in zip(shop["department"], brands, strict=True))
    liked = [s in b.styles for s, b in zip(shop["style"], brands, strict=True)]
    assert 0.55 < sum(liked) / len(liked) < 0.9


def test_ids_say_nothing_of_the_category(shop: pd.DataFrame) -> None:
    place = pd.Series(range(len(shop)), index=shop.index).groupby(shop["department"]).mean()
    assert place.between(520, 680).all()
    same_as_next = (shop["category"] == shop["category"].shift()).mean()
    assert same_as_next < 0.12


def test_names(shop: pd.DataFrame) -> None:
    assert shop["name"].is_unique
    assert all(name.startswith(brand + " ") for name, brand in zip(shop["name"], shop["brand"], strict=True))


def test_prices(shop: pd.DataFrame) -> None:
    assert shop["price"].between(4, 421).all()
    assert (shop["price"] == shop["price"].round(2)).all()
    assert set((shop["price"] * 100).round().astype(int) % 100) == {0, 90, 95}
    middle = shop.groupby("category")["price"].median()
    assert middle["socks"] < 15
    assert middle["coats"] > 110


def test_descriptions_are_distinct_and_of_25_to_40_words(shop: pd.DataFrame) -> None:
    assert shop["description"].is_unique
    assert all(25 <= len(text.split()) <= 40 for text in shop["description"])
    assert (shop["description"].str.count(r"[.!?](?:\s|$)") <= 3).all()
    openings = shop["description"].str.split().str[:3].str.join(" ")
    assert openings.value_counts().iloc[0] < 0.1 * len(shop)


def test_descriptions_hide_price_brand_and_id_and_name_the_material(shop: pd.DataFrame) -> None:
    for row in shop.to_dict("records"):
        text = row["description"]
        assert row["brand"].lower() not in text.lower()
        assert not re.search(r"\d", text)
        assert row["material"] in text.lower()


def test_descriptions_read_as_english(shop: pd.DataFrame) -> None:
    text = " ".join(shop["description"])
    assert not re.search(r"[{}]", text)
    for wrong in (r"a [aeiou]\w+", r"an [^aeiou\s]\w*", r"this \w+ (?:jeans|boots|socks)", r"they (?:is|has|was)"):
        assert re.findall(rf"\b{wrong}\b", text, flags=re.IGNORECASE) == []
    assert not re.search(r"\b(\w+) \1\b", text, flags=re.IGNORECASE)
    assert not re.search(r"\b(?:about|of|for|in|around) they\b", text)


def test_singular_and_plural_agree(shop: pd.DataFrame) -> None:
    trousers = shop.loc[shop["category"].isin(["trousers", "jeans", "boots", "shorts"]), "description"]
    dresses = shop.loc[shop["category"].isin(["dresses", "coats"]), "description"]
    assert not trousers.str.contains(r"\bIt \w+s\b").any()
    assert not dresses.str.contains(r"\b(?:They|These|a pair of)\b").any()


def test_occasion_is_rarely_named_but_told_by_the_words(shop: pd.DataFrame) -> None:
    named = pd.DataFrame({o: shop["description"].str.contains(rf"\b{o}\b", case=False) for o in catalogue.OCCASIONS})
    own = pd.get_dummies(shop["occasion"])[list(catalogue.OCCASIONS)].astype(bool)
    assert 0.03 < (named & own).any(axis=1).mean() < 0.25
    assert not (named & ~own).any(axis=1).any()


def test_other_columns_do_not_give_the_occasion_away(shop: pd.DataFrame) -> None:
    best = shop.groupby(["category", "style"])["occasion"].agg(lambda known: known.value_counts().iloc[0]).sum()
    assert best / len(shop) < 0.6


def test_every_phrase_tells_of_one_occasion_only() -> None:
    for group, phrases in words.FOR.items():
        told = [phrase for by_occasion in phrases.values() for phrase in by_occasion]
        assert len(told) == len(dict.fromkeys(told)), group
        assert list(phrases) == list(words.SENTENCES[group])


def test_what_would_be_nonsense_does_not_occur(shop: pd.DataFrame) -> None:
    kids = shop["department"] == "kids"
    assert not (kids & (shop["occasion"] == "office")).any()
    assert not (kids & (shop["style"] == "elegant")).any()
    assert not (kids & shop["name"].str.contains("Heel|Silk|Satin|Cashmere|Velvet")).any()
    delicate = shop["material"].isin(["silk", "satin", "suede", "velvet", "wool"])
    assert not ((shop["occasion"] == "sport") & delicate).any()
    assert (shop.loc[shop["material"].isin(["leather", "suede", "denim"]), "pattern"] == "plain").all()
    assert set(shop.loc[shop["category"] == "pyjamas", "occasion"]) <= {"home", "travel"}


def test_same_seed_same_catalogue() -> None:
    first, again = make_catalogue(Dice(5, "catalogue"), 150), make_catalogue(Dice(5, "catalogue"), 150)
    pd.testing.assert_frame_equal(first, again)
    assert not first["name"].equals(make_catalogue(Dice(6, "catalogue"), 150)["name"])


def test_constants_speak_of_known_categories() -> None:
    known = set(catalogue.CATEGORIES)
    assert 14 <= len(known) <= 18
    assert set(catalogue.COMPLEMENTS) == known == set(catalogue.SEASON)
    for category, others in catalogue.COMPLEMENTS.items():
        assert 2 <= len(others) <= 4
        assert set(others) <= known - {category}
    assert known > catalogue.CONSUMABLE
    assert all(-1 <= season <= 1 for season in catalogue.SEASON.values())
    assert len(catalogue.COLOURS) == 12
    assert all(re.fullmatch(r"#[0-9a-f]{6}", code) for code in catalogue.COLOURS.values())


def test_every_category_has_a_shape() -> None:
    assert set(pictures.SHAPES) == set(catalogue.CATEGORIES)
    assert len({shape for shape, _ in pictures.SHAPES.values()}) == len(pictures.SHAPES)


def test_drawings_are_small_safe_and_well_formed() -> None:
    sizes = []
    for category, colour, pattern in product(pictures.SHAPES, catalogue.COLOURS, catalogue.PATTERNS):
        svg = pictures.draw(category, colour, pattern)
        root = ET.fromstring(svg)
        assert (root.tag, root.get("viewBox"), root.get("role")) == (f"{SVG}svg", "0 0 120 120", "img")
        assert root.findtext(f"{SVG}title") == f"{category}, {colour}, {pattern}"
        assert not re.search(r"<script|<text|<image|href|url\(http|font", svg)
        sizes.append(len(svg.encode()))
    assert max(sizes) < 1300


def test_drawings_on_one_page_share_an_id_only_with_the_same_look() -> None:
    looks: dict[str, str] = {}
    for category, colour, pattern in product(pictures.SHAPES, catalogue.COLOURS, catalogue.PATTERNS):
        svg = pictures.draw(category, colour, pattern)
        for node in ET.fromstring(svg).iter(f"{SVG}pattern"):
            look = ET.tostring(node, encoding="unicode")
            assert looks.setdefault(str(node.get("id")), look) == look
            assert f"url(#{node.get('id')})" in svg
    assert len(looks) == len(catalogue.COLOURS) * (len(catalogue.PATTERNS) - 1)


@pytest.mark.parametrize("wrong", [("hats", "red", "plain"), ("socks", "teal", "plain"), ("socks", "red", "zigzag")])
def test_unknown_words_are_named_with_the_known_ones(wrong: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match=r"unknown \w+ '(hats|teal|zigzag)'; known are: \w+"):
        pictures.draw(*wrong)
