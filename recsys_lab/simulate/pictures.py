"""A small drawing of each product: its category's silhouette, in its colour and pattern.

The drawings are the only pictures in the shop. Each is a self-contained SVG that reads well at 60 to 240 pixels, on
light pages and on dark ones.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from recsys_lab.simulate.catalogue import COLOURS, PATTERNS

# category -> (closed outline, which is filled; lines drawn on top). Coordinates are those of the 120 by 120 view box.
SHAPES: dict[str, tuple[str, str]] = {
    "dresses": (
        "M46 12C47 22 53 27 60 27S73 22 74 12L82 14 84 36 74 52 92 104C72 112 48 112 28 104L46 52 36 36 38 14Z",
        "M46 52C55 56 65 56 74 52M52 70 46 100M68 70 74 100",
    ),
    "skirts": (
        "M42 22H78L81 34 98 98C74 107 46 107 22 98L39 34Z",
        "M39 34H81M50 34 42 101M60 34V104M70 34 78 101",
    ),
    "blouses": (
        "M46 18 60 30 74 18C86 20 92 26 95 36L106 72 92 80 83 58"
        "C82 74 84 88 88 101 70 107 50 107 32 101 36 88 38 74 37 58"
        "L28 80 14 72 25 36C28 26 34 20 46 18Z",
        "M60 30 52 50 60 44 68 50ZM60 44V102M92 73 104 67M28 73 16 67",
    ),
    "shirts": (
        "M46 16 60 22 74 16 90 23C94 25 96 28 97 32L107 84 94 88 85 52V104H35V52L26 88 13 84 23 32C24 28 26 25 30 23Z",
        "M46 16 44 27 54 34 60 25 66 34 76 27 74 16M60 25V104M68 46H79V58H68ZM92 80 105 76M28 80 15 76M56 48H57"
        "M56 64H57"
        "M56 80H57",
    ),
    "t-shirts": (
        "M44 18C48 28 72 28 76 18L92 24 110 48 95 60 86 51V104H34V51L25 60 10 48 28 24Z",
        "M40 20C46 34 74 34 80 20M34 51V42M86 51V42",
    ),
    "knitwear": (
        "M46 18C50 25 70 25 74 18L90 24C94 26 96 29 97 33L106 90 93 93 85 56V102H35V56L27 93 14 90 23 33"
        "C24 29 26 26 30 24Z",
        "M41 20C46 33 74 33 79 20M35 93H85M43 93V102M52 93V102M60 93V102M68 93V102M77 93V102M92 86 105 83M28 86 15 83",
    ),
    "jackets": (
        "M47 16H73L90 23C94 25 96 28 97 32L106 82 92 86 86 54V98H34V54L28 86 14 82 23 32C24 28 26 25 30 23Z",
        "M47 16 42 28 60 42 78 28 73 16M60 42V98M34 90H86M42 62 52 66M78 62 68 66M92 78 105 75M28 78 15 75",
    ),
    "coats": (
        "M47 8H73L87 14C91 16 93 19 94 23L105 82 93 85 84 46 90 112H30L36 46 27 85 15 82 26 23C27 19 29 16 33 14Z",
        "M47 8 41 22 58 46 79 22 73 8M58 46V112M34 62H86M33 69H87M40 80H51V85H40ZM69 80H80V85H69ZM65 52H66"
        "M65 92H66M91 78 104 75"
        "M29 78 16 75",
    ),
    "trousers": (
        "M39 12H81L83 24 88 110H66L60 46 54 110H32L37 24Z",
        "M37 22H83M60 22V46M41 22 38 40M79 22 82 40M46 46 43 108M74 46 77 108",
    ),
    "jeans": (
        "M38 12H82L84 24 90 102 91 110H64L60 48 56 110H29L30 102 36 24Z",
        "M37 22H83M60 22V48M66 22C66 33 65 38 60 40M38 34C46 34 50 30 51 22M82 34C74 34 70 30 69 22M30 102H57M63 102H90"
        "M45 12V22M75 12V22",
    ),
    "shorts": (
        "M34 26H86L88 38 99 92H66L60 66 54 92H21L32 38Z",
        "M32 36H88M60 36V66M37 36 31 56M83 36 89 56M23 84H56M64 84H97M57 31 54 48M63 31 66 46",
    ),
    "boots": (
        "M38 10H72L70 58C72 68 82 72 93 76 102 79 107 85 107 93V99H66L62 110H36V99C34 84 38 70 38 58Z",
        "M36 99H66M48 10V46C48 53 62 53 62 46V10M74 67C66 72 63 80 63 86M38 58C46 62 52 62 58 58",
    ),
    "sneakers": (
        "M14 48C22 54 34 52 40 42L52 40C58 52 70 60 88 64 100 66 108 74 108 84V90C108 93 106 95 103 95H18"
        "C14 95 12 92 12 88"
        "V58Z",
        "M12 84H108M52 52 61 46M59 59 67 52M67 65 74 58M88 64C82 70 80 78 80 84M14 62C22 66 28 72 30 84",
    ),
    "bags": (
        "M24 48H41C41 8 79 8 79 48H96L104 104H16ZM48 48H72C72 18 48 18 48 48Z",
        "M41 48V60M79 48V60M48 48V56M72 48V56M54 78H66V86H54Z",
    ),
    "scarves": (
        "M60 12C80 12 94 20 94 32 94 42 86 48 76 51L88 100 68 105 59 66 52 96 32 91 44 51"
        "C34 48 26 42 26 32 26 20 40 12 60 12Z"
        "M60 20C48 20 40 24 40 29S48 38 60 38 80 34 80 29 72 20 60 20Z",
        "M44 51C54 56 66 56 76 51M59 66 62 55M70 104 72 112M76 103 78 111M82 101 84 109M87 100 89 108"
        "M34 91 32 99M40 93 38 101"
        "M46 94 44 102M51 96 49 104",
    ),
    "socks": (
        "M46 10H78V58C78 66 75 72 69 77L45 99C38 106 26 106 20 99 14 92 15 83 22 77L46 56Z",
        "M46 22H78M53 12V20M62 12V20M71 12V20M78 58C70 58 62 64 62 74M22 77C32 78 38 86 37 103",
    ),
    "underwear": (
        "M22 34H98L101 88H69L60 74 51 88H19Z",
        "M22 44H98M51 44C51 58 54 68 60 74 66 68 69 58 69 44M60 44V74M20 80H50M70 80H100",
    ),
    "pyjamas": (
        "M46 8 60 16 74 8 86 12C90 14 92 17 93 20L102 56 90 59 83 36V64H37V36L30 59 18 56 27 20C28 17 30 14 34 12Z"
        "M38 69H82L88 113H66L60 84 54 113H32Z",
        "M46 8 52 26 60 16 68 26 74 8M60 16V64M67 38H76V47H67ZM37 57H83M56 32H57M56 46H57M38 75H82M33 106H56"
        "M65 106H87M88 52 100 49"
        "M32 52 20 49",
    ),
}  # fmt: skip


def _mixed(colour: str, other: str, share: float) -> str:
    """The hex colour that lies `share` of the way from one hex colour to another.

    >>> _mixed("#000000", "#ffffff", 0.2)
    '#333333'
    """
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _is_dark(colour: str) -> bool:
    red, green, blue = bytes.fromhex(colour[1:])
    return 0.299 * red + 0.587 * green + 0.114 * blue < 100


def _ink(colour: str) -> str:
    """The colour of a pattern's marks: plum on pale products, a paler tone of the product's own on the others."""
    if colour in ("white", "beige", "yellow"):
        return _mixed(COLOURS[colour], "#3a2a4a", 0.45)
    return _mixed(COLOURS[colour], "#ffffff", 0.65)


def _tile(pattern: str, ink: str) -> tuple[int, str]:
    """The side of one repeat of a pattern, and what is drawn on it."""
    if pattern == "striped":
        return 10, f'<path d="M0 3H10" stroke="{ink}" stroke-width="4"/>'
    if pattern == "dotted":
        return 14, f'<g fill="{ink}"><circle cx="4" cy="4" r="2.4"/><circle cx="11" cy="11" r="2.4"/></g>'
    if pattern == "checked":
        return 16, f'<path d="M0 5H16M5 0V16" stroke="{ink}" stroke-width="6" stroke-opacity=".55"/>'
    petals = "".join(f'<circle cx="{x}" cy="{y}" r="2.6"/>' for x, y in ((9, 5), (13, 9), (9, 13), (5, 9)))
    return 20, f'<g fill="{ink}">{petals}</g><circle cx="9" cy="9" r="2" fill="#f2b632"/>'


def _known(what: str, value: str, options: tuple[str, ...]) -> None:
    if value not in options:
        raise ValueError(f"unknown {what} {value!r}; known are: {', '.join(options)}")


def draw(category: str, colour: str, pattern: str) -> str:
    """An SVG of a product, about 1 KB, for a page or a data URI.

    Definitions are named by colour and pattern, so two drawings on one page that share a name share its look.

    >>> draw("socks", "red", "striped")[:52]
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0'
    """
    _known("category", category, tuple(SHAPES))
    _known("colour", colour, tuple(COLOURS))
    _known("pattern", pattern, PATTERNS)
    base = COLOURS[colour]
    # A dark product gets a lighter outline: a darker one would vanish with it on a dark page.
    outline = _mixed(base, "#ffffff", 0.45) if _is_dark(base) else _mixed(base, "#000000", 0.45)
    fill, defs = base, ""
    if pattern != "plain":
        name = f"{colour}-{pattern}"
        side, marks = _tile(pattern, _ink(colour))
        fill = f"url(#{name})"
        defs = (f'<defs><pattern id="{name}" width="{side}" height="{side}" patternUnits="userSpaceOnUse">'
                f'<rect width="{side}" height="{side}" fill="{base}"/>{marks}</pattern></defs>')  # fmt: skip
    shape, lines = SHAPES[category]
    title = escape(f"{category}, {colour}, {pattern}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 120" role="img"><title>{title}</title>{defs}'
        f'<g stroke="{outline}" stroke-linejoin="round" stroke-linecap="round">'
        f'<path d="{shape}" fill="{fill}" fill-rule="evenodd" stroke-width="3"/>'
        f'<path d="{lines}" fill="none" stroke-width="2"/></g></svg>'
    )
