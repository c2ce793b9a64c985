"""The products of the simulated shop: what they are, what they cost, and how the shop describes them.

A product's occasion is not among the columns that learners see. It can be found only in the words of its description,
so those words are varied and say "the dance floor" more often than "party".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_lab.simulate import words
from recsys_lab.simulate.dice import Dice
from recsys_lab.simulate.words import MATERIALS, Kind

DEPARTMENTS = ("women", "men", "kids")
STYLES = ("casual", "classic", "sporty", "boho", "minimal", "vintage", "street", "elegant")
PATTERNS = ("plain", "striped", "dotted", "checked", "floral")
OCCASIONS = ("everyday", "office", "party", "travel", "sport", "home")
COLOURS: dict[str, str] = {  # name -> hex
    "black": "#33353b", "white": "#f6f4ee", "grey": "#9aa0a8", "beige": "#dcc7a1", "brown": "#8a5a3b",
    "navy": "#2b3a67", "blue": "#4f8fd0", "green": "#5d9460", "red": "#c9423f", "pink": "#e99ab1",
    "yellow": "#eec34d", "purple": "#8763ae",
}  # fmt: skip
COLUMNS = ("item_id", "name", "brand", "department", "category", "description", "colour", "material", "style",
           "pattern", "occasion", "price")  # fmt: skip


@dataclass(frozen=True)
class Brand:
    """A brand: its price level (1 is the shop's middle), favourite styles and departments."""

    level: float
    styles: tuple[str, ...]
    departments: tuple[str, ...]


def _brand(level: float, styles: str, departments: str) -> Brand:
    return Brand(level, tuple(styles.split()), tuple(departments.split()))


BRANDS: dict[str, Brand] = {
    "Halden": _brand(1.10, "classic casual", "men women"),
    "Morvane": _brand(1.60, "elegant minimal", "women"),
    "Quillmoor": _brand(1.25, "vintage classic", "women men"),
    "Sabrelle": _brand(1.45, "elegant boho", "women"),
    "Tindrum": _brand(0.80, "casual sporty", "kids men"),
    "Ostrelle": _brand(0.95, "boho vintage", "women kids"),
    "Varnholt": _brand(1.50, "minimal classic elegant", "men women"),
    "Peppercroft": _brand(0.85, "casual vintage", "kids women"),
    "Kestwick": _brand(1.30, "classic elegant", "men"),
    "Noorvann": _brand(1.20, "minimal casual", "women men kids"),
    "Fenwright": _brand(1.15, "vintage casual", "men"),
    "Solmarra": _brand(0.90, "boho casual", "women"),
    "Brackenby": _brand(1.05, "classic casual sporty", "men women kids"),
    "Junivelle": _brand(0.75, "casual boho street", "women"),
    "Almerra": _brand(1.00, "boho elegant", "women"),
    "Cobbleskip": _brand(0.70, "casual street", "kids"),
    "Pipkinette": _brand(0.95, "vintage classic boho", "kids"),
    "Riddlebee": _brand(0.80, "minimal casual", "kids"),
    "Stradovel": _brand(1.00, "street sporty", "men women"),
    "Kovanto": _brand(0.70, "street casual", "women men kids"),
    "Bloktoro": _brand(0.90, "street vintage", "men"),
    "Wrenfolde": _brand(1.05, "minimal vintage", "women"),
    "Marlowick": _brand(1.35, "classic vintage", "men"),
    "Tarnbeck": _brand(1.10, "sporty minimal", "men women"),
    "Ilvane": _brand(1.70, "minimal elegant", "women men"),
    "Corvessa": _brand(1.40, "elegant street", "women"),
    "Zipplund": _brand(0.85, "sporty street", "kids men"),
    "Nimbrava": _brand(0.95, "sporty casual", "women men"),
    "Elmsgate": _brand(0.65, "casual classic", "women men kids"),
    "Orsolane": _brand(1.25, "elegant vintage classic", "women"),
}

# (department, category) -> share of the catalogue, in parts
ASSORTMENT: dict[tuple[str, str], float] = {
    ("women", category): share for category, share in (
        ("dresses", 8), ("skirts", 4), ("blouses", 5), ("t-shirts", 5), ("knitwear", 5), ("jackets", 4), ("coats", 3),
        ("trousers", 5), ("jeans", 4), ("boots", 4), ("sneakers", 4), ("bags", 5), ("scarves", 2.5), ("socks", 2),
        ("pyjamas", 2.5))
} | {
    ("men", category): share for category, share in (
        ("shirts", 6), ("t-shirts", 5), ("knitwear", 4), ("jackets", 4), ("coats", 2), ("trousers", 4), ("jeans", 3),
        ("shorts", 2.5), ("boots", 3), ("sneakers", 4), ("bags", 2), ("socks", 2), ("underwear", 2.5))
} | {
    ("kids", category): share for category, share in (
        ("t-shirts", 3), ("knitwear", 2), ("jackets", 2), ("trousers", 2.5), ("shorts", 1.5), ("sneakers", 2),
        ("socks", 1.5), ("pyjamas", 1.5))
}  # fmt: skip
CATEGORIES = tuple(words.KINDS)
COMPLEMENTS: dict[str, tuple[str, ...]] = {  # what completes the look, the nearest first
    "dresses": ("boots", "bags", "jackets", "scarves"), "skirts": ("blouses", "boots", "knitwear"),
    "blouses": ("skirts", "trousers", "jackets"), "shirts": ("trousers", "jeans", "knitwear", "jackets"),
    "t-shirts": ("jeans", "shorts", "sneakers", "jackets"), "knitwear": ("jeans", "skirts", "scarves", "shirts"),
    "jackets": ("t-shirts", "jeans", "dresses", "bags"), "coats": ("scarves", "boots", "knitwear"),
    "trousers": ("shirts", "blouses", "sneakers", "knitwear"), "jeans": ("t-shirts", "knitwear", "sneakers", "boots"),
    "shorts": ("t-shirts", "sneakers", "socks"), "boots": ("socks", "jeans", "coats", "dresses"),
    "sneakers": ("socks", "jeans", "shorts"), "bags": ("scarves", "coats", "dresses"),
    "scarves": ("coats", "knitwear", "bags"), "socks": ("sneakers", "boots", "underwear"),
    "underwear": ("socks", "t-shirts"), "pyjamas": ("socks", "underwear"),
}  # fmt: skip
CONSUMABLE: frozenset[str] = frozenset({"socks", "t-shirts", "underwear"})  # what people buy again
SEASON: dict[str, float] = {  # -1 sells in cold weather, +1 in warm weather
    "dresses": 0.6, "skirts": 0.4, "blouses": 0.2, "shirts": 0.1, "t-shirts": 0.6, "knitwear": -0.8, "jackets": -0.3,
    "coats": -1.0, "trousers": 0.0, "jeans": 0.0, "shorts": 1.0, "boots": -0.8, "sneakers": 0.3, "bags": 0.0,
    "scarves": -0.9, "socks": -0.2, "underwear": 0.0, "pyjamas": -0.2,
}  # fmt: skip

_LEVEL = {  # middle price of a category, for a brand of level 1
    "dresses": 58, "skirts": 40, "blouses": 42, "shirts": 44, "t-shirts": 18, "knitwear": 54, "jackets": 84,
    "coats": 122, "trousers": 50, "jeans": 66, "shorts": 32, "boots": 80, "sneakers": 64, "bags": 58, "scarves": 26,
    "socks": 9, "underwear": 15, "pyjamas": 36,
}  # fmt: skip
_CHEAPEST, _DEAREST = 4.0, 419.0
_KIDS_PRICE = 0.65
_STYLE_OCCASION = {  # how well a style (row) and an occasion (OCCASIONS) go together
    "casual": (3, 1, 1, 2, 2.4, 3.2), "classic": (2, 3, 1.5, 2, 0.5, 1.6), "sporty": (2, 0.3, 0.3, 2, 6.4, 1.6),
    "boho": (2, 0.6, 2, 2.5, 0.8, 2.4), "minimal": (2, 3, 1.5, 2, 1.6, 1.6), "vintage": (2, 1, 2, 2, 0.6, 1.9),
    "street": (3, 0.4, 2.5, 2, 1.6, 1.6), "elegant": (1, 3, 4, 1, 0, 1),
}  # fmt: skip
_STYLE_MATERIALS = {
    "casual": "cotton jersey canvas denim linen", "classic": "wool cotton cashmere leather silk",
    "sporty": "polyester nylon mesh jersey merino", "boho": "linen suede viscose cotton",
    "minimal": "merino cotton leather linen", "vintage": "corduroy denim flannel velvet suede",
    "street": "nylon denim canvas jersey leather", "elegant": "silk satin cashmere velvet leather wool",
}  # fmt: skip
_STYLE_COLOURS = {
    "casual": "blue grey green white", "classic": "navy white beige grey", "sporty": "black blue red yellow",
    "boho": "brown beige yellow purple", "minimal": "black white grey beige", "vintage": "brown green yellow red",
    "street": "black grey red purple", "elegant": "black navy purple pink",
}  # fmt: skip
_MATERIAL_COLOURS = {  # the only colours of a material; the others take every colour
    "denim": "blue navy black grey white", "leather": "black brown beige white red navy",
    "suede": "brown beige black grey green navy",
}  # fmt: skip
_STYLE_PATTERNS = {  # weights in the order of PATTERNS
    "casual": (5, 2, 0.7, 1.5, 0.8), "classic": (5, 2, 0.8, 2, 0.5), "sporty": (5, 2.5, 0.3, 0.3, 0.1),
    "boho": (3, 0.8, 0.6, 0.5, 4), "minimal": (9, 1.2, 0.3, 0.4, 0.1), "vintage": (3, 1, 2, 2, 2.2),
    "street": (5, 1, 0.4, 1.2, 0.4), "elegant": (6, 0.6, 1.2, 0.4, 1),
}  # fmt: skip
_PLAIN_ONLY = ("leather", "suede", "denim", "mesh", "corduroy")
_NO_FLOWERS_OR_DOTS = ("coats", "jackets", "knitwear", "boots", "jeans")
_NOT_FOR_KIDS = ("silk", "satin", "cashmere", "velvet")
_SHADES = {
    "black": ("deep black", "inky black"), "white": ("chalk white", "ivory white"), "grey": ("stone grey", "dove grey"),
    "beige": ("warm beige", "sandy beige"), "brown": ("chestnut brown", "cocoa brown"),
    "navy": ("deep navy", "midnight navy"), "blue": ("sky blue", "clear blue"), "green": ("moss green", "leaf green"),
    "red": ("brick red", "poppy red"), "pink": ("rose pink", "blossom pink"),
    "yellow": ("mustard yellow", "sunny yellow"),
    "purple": ("plum purple", "lilac purple"),
}  # fmt: skip

# Some openings name the occasion ({occ}), the others leave it to a later sentence; {touch} is the material's.
_OPENINGS: tuple[str, ...] = (
    "{A_thing} in {stuff}, with {detail}.",
    "Made from {stuff} that {touch}, {this_thing} {has} {detail}.",
    "{This_thing} come{s} in {stuff} and {has} {detail}.",
    "We made {this_thing} from {stuff} and added {detail}.",
    "{Detail} and {stuff} that {touch} make {this_thing} easy to love.",
    "Here is {a_thing} in {stuff} that {touch}, finished with {detail}.",
    "With {detail} and {stuff} that {touch}, {this_thing} soon earn{s} a place among your favourites.",
    "{A_thing} with {detail}, made from {stuff} that {touch}.",
    "We chose {stuff} for {this_thing} because it {touch}; look out for {detail}.",
    "{Stuff} is what you notice first about {this_thing}, then {detail}.",
    "In {shade}, {this_thing} {is} made from {stuff} and finished with {detail}.",
    "{A_thing} in {shade}, made from {stuff} that {touch}.",
    "You will know {this_thing} by {detail} and by {stuff} that {touch}.",
)
_OCCASION_OPENINGS: tuple[str, ...] = (
    "For {occ}: {a_thing} in {stuff}, with {detail}.",
    "{This_thing} {was} made with {occ} in mind, from {stuff} that {touch}.",
    "Ready for {occ}, {this_thing} combine{s} {stuff} with {detail}.",
    "{A_thing} for {occ}, made from {stuff} that {touch}.",
    "If you need something for {occ}, try {a_thing} in {stuff}, with {detail}.",
    "We had {occ} in mind when we made {this_thing} from {stuff} that {touch}.",
    "In {shade} and {stuff}, {this_thing} {is} our answer to {occ}.",
)
_MOOD_AND_OCCASION: tuple[str, ...] = (
    "{It} bring{s} {mood} to {occ}.",
    "Expect {mood}, and count on {them} for {occ}.",
    "{It} {has} {mood} and {is} just right for {occ}.",
    "With {mood}, {it} suit{s} {occ}.",
    "There is {mood} about {them}, which makes sense for {occ}.",
    "The result is {mood}, ideal for {occ}.",
)
_OCCASION_TAILS: tuple[str, ...] = (
    "Good for {occ}.", "Just the thing for {occ}.", "We like {them} for {occ}.",
    "A natural choice for {occ}.",
)  # fmt: skip

Choice = tuple[Kind, str, str]  # kind, style, occasion


def _favoured(options: tuple[str, ...], favourites: str, factor: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([factor if option in favourites.split() else 1.0 for option in options])


def _materials(kind: Kind, department: str, occasion: str) -> tuple[str, ...]:
    """The materials that suit the kind, the department and the occasion together."""
    barred = _NOT_FOR_KIDS if department == "kids" else ()
    fits = (m for m in kind.materials.split() if occasion[0] in MATERIALS[m].occasions and m not in barred)
    return tuple(fits)


def _choices(department: str, category: str) -> tuple[list[Choice], list[float]]:
    """All (kind, style, occasion) that make sense for a department's category, and how usual each is."""
    choices, weights = [], []
    for kind in words.KINDS[category]:
        if department[0] not in kind.departments:
            continue
        for style in STYLES:
            if style in kind.never.split() or (style, department) == ("elegant", "kids"):
                continue
            for occasion, fit in zip(OCCASIONS, _STYLE_OCCASION[style], strict=True):
                barred = department == "kids" and occasion == "office"
                if not barred and _materials(kind, department, occasion):
                    choices.append((kind, style, occasion))
                    weights.append(fit * kind.occasions.count(occasion[0]) / len(kind.occasions))
    return choices, weights


def _pattern(dice: Dice, category: str, department: str, style: str, material: str) -> str:
    weights = np.array(_STYLE_PATTERNS[style])
    flowers_or_dots = np.array([p in ("floral", "dotted") for p in PATTERNS])
    if category in _NO_FLOWERS_OR_DOTS:
        weights[flowers_or_dots] = 0.0
    if department == "men":
        weights[flowers_or_dots] *= 0.3
    if material == "flannel":
        weights[PATTERNS.index("checked")] *= 4
    if material in _PLAIN_ONLY or category == "boots":
        weights[1:] = 0.0
    return PATTERNS[int(dice.picks(weights, 1)[0])]


def _colour(dice: Dice, style: str, material: str) -> str:
    weights = _favoured(tuple(COLOURS), _STYLE_COLOURS[style], 3.0)
    if material in _MATERIAL_COLOURS:
        weights *= _favoured(tuple(COLOURS), _MATERIAL_COLOURS[material], 2.0) - 1.0
    return tuple(COLOURS)[int(dice.picks(weights, 1)[0])]


def _price(dice: Dice, department: str, category: str, brand: Brand, material: str) -> float:
    """A price in the shop's currency, log-normal around the level of category, brand and material."""
    level = _LEVEL[category] * brand.level * MATERIALS[material].cost * (_KIDS_PRICE if department == "kids" else 1.0)
    raw = round(level * math.exp(0.18 * float(dice.normal(1)[0])), 6)
    ending = (0.90, 0.95, 0.0)[int(dice.picks(np.array([5.0, 3.0, 2.0]), 1)[0])]
    whole = math.floor(min(max(raw, _CHEAPEST), _DEAREST))
    return round(whole + ending, 2) if ending else float(whole + 1)


def _name(dice: Dice, brand: str, row: dict[str, str], noun: str, taken: set[str]) -> str:
    """A name that is not in `taken`: as short as possible, then with the colour, then with a word for the style."""
    material = row["material"]
    said = row["category"] == "jeans" or material in noun.lower()
    pattern = [] if row["pattern"] == "plain" else [row["pattern"].title()]
    base = [*pattern, *([] if said else [material.title()]), noun]
    colour, mood = row["colour"].title(), str(dice.one_of(words.ADJECTIVES[row["style"]])).title()
    for extra in ([], [colour], [mood], [mood, colour]):
        name = " ".join([brand, *extra, *base])
        if name not in taken:
            return name
    return next(f"{name} No. {n}" for n in range(2, 10_000) if f"{name} No. {n}" not in taken)


def _article(phrase: str) -> str:
    return ("an " if phrase[0].lower() in "aeiou" else "a ") + phrase


def _spoken(noun: str) -> str:
    """A kind's noun within a sentence.

    >>> _spoken("Long-Sleeved T-Shirt"), _spoken("Chelsea Boots")
    ('long-sleeved T-shirt', 'Chelsea boots')
    """
    kept = {"T-Shirt": "T-shirt", "A-Line": "A-line", "V-Neck": "V-neck", "Chelsea": "Chelsea", "Oxford": "Oxford"}
    return " ".join(kept.get(word, word.lower()) for word in noun.split())


def is_plural(noun: str) -> bool:
    """Whether a kind's noun takes plural verbs: trousers do, a dress does not.

    >>> is_plural("Chelsea Boots"), is_plural("Slip Dress")
    (True, False)
    """
    return noun.endswith("s") and not noun.endswith("ss")


def _agreement(noun: str) -> dict[str, str]:
    """The forms that agree with a product, for the tokens of `words`."""
    singular = ("it", "it", "its", "is", "was", "has", "does", "carries", "s", "this")
    plural = ("they", "them", "their", "are", "were", "have", "do", "carry", "", "these")
    keys = ("it", "them", "its", "is", "was", "has", "does", "carries", "s", "this")
    return dict(zip(keys, plural if is_plural(noun) else singular, strict=True))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _group(department: str, category: str) -> str:
    """Which of the phrases for an occasion fit a product."""
    if category == "pyjamas":
        return "kidsnight" if department == "kids" else "night"
    if department == "kids":
        return "kids"
    return {"bags": "bag", "socks": "under", "underwear": "under"}.get(category, "wear")


def _tokens(dice: Dice, row: dict[str, str], noun: str) -> dict[str, str]:
    """What every token of a description's sentences stands for, drawn for one product."""
    material = MATERIALS[row["material"]]
    adjective = str(dice.one_of(words.ADJECTIVES[row["style"]]))
    thing = " ".join([adjective, *([] if row["pattern"] == "plain" else [row["pattern"]]), _spoken(noun)])
    tokens = _agreement(noun)
    tokens |= {
        "a_thing": "a pair of " + thing if is_plural(noun) else _article(thing),
        "this_thing": f"{tokens['this']} {thing}",
        "stuff": dice.one_of(material.stuff),
        "touch": dice.one_of(material.touch),
        "detail": dice.one_of(words.KIND_DETAILS.get(noun, words.DETAILS[row["category"]])),
        "mood": dice.one_of(words.MOODS[row["style"]]),
        "occ": dice.one_of(words.FOR[_group(row["department"], row["category"])][row["occasion"]]),
        "shade": dice.one_of(_SHADES[row["colour"]]),
    }
    return tokens | {_capital(key): _capital(text) for key, text in tokens.items()}


def _draft(dice: Dice, row: dict[str, str], noun: str) -> str:
    """Two or three sentences: an opening, then mood and occasion in one of several arrangements."""
    mood = dice.one_of(words.MOOD_SENTENCES[row["style"]])
    sentences = words.SENTENCES[_group(row["department"], row["category"])][row["occasion"]]
    occasion = dice.one_of((*sentences, dice.one_of(_OCCASION_TAILS)))
    care = dice.one_of(MATERIALS[row["material"]].care)
    opening = dice.one_of(_OPENINGS)
    plan = dice.one_of((
        (dice.one_of(_OCCASION_OPENINGS), mood),
        (dice.one_of(_OCCASION_OPENINGS), mood, care),
        (opening, dice.one_of(_MOOD_AND_OCCASION)),
        (opening, dice.one_of(_MOOD_AND_OCCASION), care),
        (opening, mood, occasion),
        (opening, occasion, mood),
    ))  # fmt: skip
    return " ".join(plan).format(**_tokens(dice, row, noun))


def _describe(dice: Dice, row: dict[str, str], noun: str, taken: set[str]) -> str:
    """A description of 25 to 40 words that no other product has."""
    for _ in range(1000):
        text = _draft(dice, row, noun)
        said_twice = any(text.lower().count(adjective) > 1 for adjective in words.ADJECTIVES[row["style"]])
        if 25 <= len(text.split()) <= 40 and not said_twice and text not in taken:
            return text
    raise RuntimeError(f"no new description of 25 to 40 words found for {noun}: add phrases to words.toml")


def make_catalogue(dice: Dice, n_products: int = 1200) -> pd.DataFrame:
    """Draw the catalogue: one row per product, columns as in `COLUMNS`.

    Each row is drawn without regard to the ones before, so the order of the item ids says nothing of the category.

    >>> make_catalogue(Dice(7, "catalogue"), 3)["item_id"].tolist()
    ['P0001', 'P0002', 'P0003']
    """
    pairs = tuple(ASSORTMENT)
    choices = {pair: _choices(*pair) for pair in pairs}
    names: set[str] = set()
    descriptions: set[str] = set()
    rows = []
    for number, index in enumerate(dice.picks(np.array(list(ASSORTMENT.values()), dtype=float), n_products), start=1):
        department, category = pairs[index]
        brand = str(dice.one_of([b for b, about in BRANDS.items() if department in about.departments]))
        options, usual = choices[department, category]
        liked = np.array([6.0 if style in BRANDS[brand].styles else 1.0 for _, style, _ in options])
        kind, style, occasion = options[int(dice.picks(np.array(usual) * liked, 1)[0])]
        fitting = _materials(kind, department, occasion)
        material = fitting[int(dice.picks(_favoured(fitting, _STYLE_MATERIALS[style], 3.0), 1)[0])]
        row = {"department": department, "category": category, "style": style, "occasion": occasion,
               "material": material}  # fmt: skip
        row["pattern"] = _pattern(dice, category, department, style, material)
        row["colour"] = _colour(dice, style, material)
        name = _name(dice, brand, row, kind.noun, names)
        description = _describe(dice, row, kind.noun, descriptions)
        names.add(name)
        descriptions.add(description)
        price = _price(dice, department, category, BRANDS[brand], material)
        rows.append({"item_id": f"P{number:04d}", "name": name, "brand": brand, "description": description,
                     "price": price, **row})  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))
