"""Charts, pictures, headings, links, tables, colours: that they say the same to who cannot see them, or sees otherwise.

The shop's page in a browser (axe, the keyboard alone) is tests/browser/test_shop_page.py; here is what can be computed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed (requirements-dev.txt)")

from recsys_lab import charts
from tools import prose

WHITE, DARK = "#ffffff", "#111111"
TEXT, MARK = 4.5, 3.0
"""The least contrasts of WCAG 2.2, level AA: of text (1.4.3), and of lines and marks that have to be seen (1.4.11)."""

Rows = tuple[tuple[float, float, float], ...]
BLIND: dict[str, Rows] = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
"""How linear red, green, blue are seen without one kind of cone: Machado, Oliveira and Fernandes (2009), severity 1."""


# -- colours by formula


def linear(colour: str) -> np.ndarray:
    """Linear red, green and blue of '#rgb' or '#rrggbb', 0 to 1 (the sRGB curve)."""
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    parts = np.array([int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted(float(linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear sRGB under daylight (D65): distances in it are about as large as they look."""
    to_xyz = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
    share = np.array(to_xyz) @ np.clip(rgb, 0, 1) / (0.95047, 1.0, 1.08883)
    x, y, z = np.where(share > (6 / 29) ** 3, np.cbrt(share), share / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def difference(one: str, other: str, seen: Rows | None = None) -> float:
    """How different two colours look (CIE76), as they are or as somebody sees them."""
    eyes = np.eye(3) if seen is None else np.array(seen)
    return float(np.linalg.norm(lab(eyes @ linear(one)) - lab(eyes @ linear(other))))


def test_the_formulas_give_published_values() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)  # the lightest grey that AA allows for text
    assert lab(linear("#ff0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert all(np.allclose(np.sum(rows, axis=1), 1, atol=1e-5) for rows in BLIND.values())  # grey stays grey
    red, green = "#d55e00", "#009e73"
    assert difference(red, green, BLIND["deuteranopia"]) < 0.6 * difference(red, green)


def test_marks_and_text_of_charts_stand_out() -> None:
    weak = [
        (colour, ground) for colour in charts.PALETTE for ground in (WHITE, DARK) if contrast(colour, ground) < MARK
    ]
    assert weak == []
    assert contrast(charts.INK, WHITE) >= TEXT
    assert contrast(charts.INK, DARK) >= 4  # between white and black there is no grey that has 4.5 on both


@pytest.mark.parametrize("eyes", [None, *BLIND])
def test_colours_of_charts_are_told_apart(eyes: str | None) -> None:
    seen = BLIND[eyes] if eyes else None
    gaps = {pair: difference(*pair, seen) for pair in combinations(charts.PALETTE, 2)}
    assert min(gaps.values()) > 18, min(gaps, key=gaps.__getitem__)
    neighbours = pairwise(charts.PALETTE)  # what stands side by side in a legend
    assert min(gaps[pair] for pair in neighbours) > 21


# -- charts of the executed notebooks


@dataclass(frozen=True)
class Chart:
    """A chart that a notebook shows: where, its specification, and the alt text of its picture."""

    where: str
    spec: dict[str, Any]
    alt: str


@cache
def shown() -> tuple[Chart, ...]:
    """All charts of the chapters as they were run."""
    made = []
    for path in sorted((prose.ROOT / "notebooks").glob("*.ipynb")):
        for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], 1):
            for output in cell.get("outputs", []):
                for kind, spec in output.get("data", {}).items():
                    if kind.startswith("application/vnd.vega"):
                        alt = output["metadata"].get("image/png", {}).get("alt", "")
                        made.append(Chart(f"{path.name}, cell {number}", spec, alt))
    return tuple(made)


def told(said: Any) -> str:
    """A title as one text."""
    said = said.get("text", "") if isinstance(said, dict) else said or ""
    return " ".join(said) if isinstance(said, list) else str(said)


def wrong_words(chart: Chart) -> str:
    """What the words of a chart lack; '' for nothing."""
    title, description = told(chart.spec.get("title")), str(chart.spec.get("description", ""))
    if len(title.split()) < 5 or re.search(r"^(chart|plot|graph|figure|comparison|distribution) of\b", title, re.I):
        return f"the title is no finding: {title!r}"
    if description.startswith("[") or "['" in description:
        return f"the description is a list of Python: {description!r}"
    kinds = {
        "a",
        "an",
        "the",
        "chart",
        "bar",
        "bars",
        "line",
        "lines",
        "plot",
        "graph",
        "of",
        "showing",
        "with",
        "point",
    }
    if len([word for word in description.split() if word.lower().strip(".,:") not in kinds]) < 6:
        return f"the description says no more than what kind of chart it is: {description!r}"
    return "" if chart.alt == description else f"the picture says {chart.alt!r}, the chart {description!r}"


def test_each_chart_has_its_finding_as_title_and_in_words() -> None:
    assert len(shown()) > 40
    assert [f"{chart.where}: {wrong}" for chart in shown() if (wrong := wrong_words(chart))] == []


@pytest.mark.parametrize(
    ("title", "description", "alt", "wrong"),
    [
        ("What they bought is worth 2.3 times what is popular", "It is worth 2.3 times what is popular.", None, ""),
        ("Clicks by hour", "Clicks are most in the evening, fewest at night.", None, "no finding"),
        ("Distribution of clicks over the hours of the day", "Clicks are most in the evening.", None, "no finding"),
        ("Clicks are most in the evening, at eight", "A bar chart showing bars with a line.", None, "kind of chart"),
        (["Clicks are most", "in the evening"], "['Clicks are most', 'in the evening'] so it is", None, "Python"),
        ("Clicks are most in the evening", "Clicks are most in the evening, at eight", "chart", "the picture says"),
    ],
)
def test_words_that_lack_something_are_found(title: str, description: str, alt: str | None, wrong: str) -> None:
    chart = Chart("here", {"title": title, "description": description}, description if alt is None else alt)
    assert wrong in wrong_words(chart) and bool(wrong) == bool(wrong_words(chart))


PARTS = ("layer", "concat", "hconcat", "vconcat")
BY_COLOUR_ALSO = ("shape", "strokeDash", "x", "y", "xOffset", "yOffset", "row", "column", "facet", "text")


def groups(spec: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """The views of a chart; what lies one upon the other is one group, and knows the facets around it."""
    if "layer" in spec:
        around = {"encoding": spec.get("encoding", {})}
        yield [around, *(unit for part in spec["layer"] for group in groups(part) for unit in group)]
    elif "facet" in spec:
        for group in groups(spec["spec"]):
            yield [{"encoding": {"facet": spec["facet"], **spec["facet"]}}, *group]
    elif any(kind in spec for kind in PARTS):
        for kind in PARTS:
            for part in spec.get(kind, []):
                yield from groups(part)
    else:
        yield [spec]


def by_colour_alone(spec: dict[str, Any]) -> list[str]:
    """The fields that a chart tells by colour and by nothing else.

    A colour without a legend only repeats what is written elsewhere. The segments of a bar have no shape: they have to
    be divided by a stroke, and to lie in an order.
    """
    found = []
    for group in groups(spec):
        channels = [
            (name, how) for unit in group for name, how in unit.get("encoding", {}).items() if isinstance(how, dict)
        ]
        also = {how.get("field") for name, how in channels if name in BY_COLOUR_ALSO}
        for unit in group:
            colour = unit.get("encoding", {}).get("color", {})
            field = colour.get("field")
            if not field or colour.get("type") not in ("nominal", "ordinal") or field in also:
                continue
            mark = unit.get("mark", {})
            divided = (
                isinstance(mark, dict)
                and mark.get("type") == "bar"
                and "stroke" in mark
                and "order" in unit["encoding"]
            )
            if not divided and not ("legend" in colour and colour["legend"] is None):
                found.append(field)
    return found


def test_no_chart_speaks_by_colour_alone() -> None:
    assert [(chart.where, alone) for chart in shown() if (alone := by_colour_alone(chart.spec))] == []


def test_colour_alone_is_found_and_colour_with_a_shape_is_none() -> None:
    colour = {"field": "method", "type": "nominal"}
    line = {"mark": {"type": "line"}, "encoding": {"color": colour, "x": {"field": "day"}}}
    assert by_colour_alone(line) == ["method"]
    assert by_colour_alone({"layer": [line, {"mark": "point", "encoding": {"shape": {"field": "method"}}}]}) == []
    assert by_colour_alone({"hconcat": [line, {"mark": "bar", "encoding": {}}]}) == ["method"]
    assert by_colour_alone({"facet": {"column": {"field": "method"}}, "spec": line}) == []
    assert by_colour_alone({**line, "encoding": {"color": {**colour, "type": "quantitative"}}}) == []
    bars = {"mark": {"type": "bar", "stroke": "white"}, "encoding": {"color": colour, "order": {"field": "rank"}}}
    assert by_colour_alone(bars) == []
    assert by_colour_alone({**bars, "mark": {"type": "bar"}}) == ["method"]
    assert (
        by_colour_alone(charts.intervals(_spans(), "method", "NDCG@10", "The truth is far ahead of all").to_dict())
        == []
    )


def test_series_are_told_apart_by_two_signs_in_one_legend() -> None:
    import altair as alt

    for dash in (False, True):
        signs = charts.apart("method", ["popular", "truth"], title="by", dash=dash)
        spec = alt.Chart(_spans()).mark_line(point=not dash).encode(x="mean:Q", y="low:Q", **signs).to_dict()
        said = [spec["encoding"][name] for name in ("color", "strokeDash" if dash else "shape")]
        assert by_colour_alone(spec) == []
        assert said[0] == said[1] == {
            "field": "method", "type": "nominal", "title": "by", "scale": {"domain": ["popular", "truth"]}
        }  # fmt: skip


def test_the_words_of_a_layer_are_the_words_of_its_chart() -> None:
    """Vega-Lite draws a title that stands in a layer, and passes over the description there."""
    import altair as alt

    line = alt.Chart(_spans(), title=["The truth", "is far ahead"]).mark_line().encode(x="low:Q", y="mean:Q")
    bundle, _ = charts._bundle(alt.layer(line, line).to_dict())
    assert bundle["text/plain"] == "The truth is far ahead"
    assert bundle["application/vnd.vegalite.v5+json"]["description"] == "The truth is far ahead"
    two = charts.intervals(_spans(), "method", "NDCG@10", ["The truth", "is far ahead"]).to_dict()
    assert two["description"] == "The truth is far ahead. NDCG@10: popular 0.1; truth 0.2."


def _spans() -> Any:
    import pandas as pd

    return pd.DataFrame({"method": ["popular", "truth"], "mean": [0.1, 0.2], "low": [0.1, 0.2], "high": [0.1, 0.2]})


def faint(spec: dict[str, Any]) -> list[str]:
    """Colours that a chart names and that do not stand out on white: of text less than 4.5, of marks less than 3."""
    found = []
    for mark in (unit["mark"] for group in groups(spec) for unit in group if isinstance(unit.get("mark"), dict)):
        least = TEXT if mark["type"] == "text" else MARK
        named = [
            mark[key] for key in ("color", "fill", "stroke") if key in mark and mark[key] != "white"
        ]  # white divides
        found += [f"{mark['type']} {colour}" for colour in named if not stands_out(colour, least)]
    ranges = re.findall(r"'range': (\[[^\]]*\])", str(spec))
    return found + [colour for colour in re.findall(r"#\w{6}", " ".join(ranges)) if contrast(colour, WHITE) < MARK]


def stands_out(colour: str, least: float) -> bool:
    """Whether a colour has this contrast on white; one that is no #rrggbb cannot be judged, and so does not."""
    return bool(re.fullmatch(r"#\w{6}", colour)) and contrast(colour, WHITE) >= least


def test_all_that_charts_draw_stands_out() -> None:
    assert [(chart.where, weak) for chart in shown() if (weak := faint(chart.spec))] == []


def test_faint_colours_are_found() -> None:
    assert faint({"mark": {"type": "text", "color": "#00A050"}, "encoding": {}}) == ["text #00A050"]
    assert faint({"mark": {"type": "rule", "color": "#00A050"}, "encoding": {}}) == []
    assert faint({"mark": {"type": "bar", "color": "gray"}, "encoding": {}}) == ["bar gray"]
    assert faint({"mark": {"type": "bar"}, "encoding": {"color": {"scale": {"range": ["#E69F00"]}}}}) == ["#E69F00"]


# -- pictures and tables in the outputs


def test_drawings_and_tables_in_outputs_have_words() -> None:
    wrong = []
    for path in sorted((prose.ROOT / "notebooks").glob("*.ipynb")):
        for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], 1):
            for output in cell.get("outputs", []):
                html = "".join(output.get("data", {}).get("text/html", ""))
                wrong += [f"{path.name}, cell {number}: {what}" for what in mute(html)]
    assert wrong == []


def mute(html: str) -> list[str]:
    """What in a piece of HTML says nothing to whoever only hears it."""
    found = [tag[:60] for tag in re.findall(r"<img\b[^>]*>", html) if not re.search(r"\balt=", tag)]
    for svg in re.findall(r"<svg\b.*?</svg>", html, re.DOTALL):
        named = re.search(r"aria-label=|<title>\s*\S", svg)
        if "aria-hidden" not in svg and not (named and 'role="img"' in svg):
            found.append(svg[:60])
    return found + ["a table without headers" for table in re.split(r"<table\b", html)[1:] if "<th" not in table]


def test_what_says_nothing_is_found() -> None:
    assert mute("<img src=a.png>") and mute("<svg><path/></svg>") and mute("<table><tr><td>1</td></tr></table>")
    assert not mute('<img alt="" src=a.png><svg role="img"><title>A coat</title></svg><table><th>price</th></table>')


# -- pages: headings, pictures, links, tables

SAYS_NOTHING = {
    "here",
    "this",
    "click here",
    "link",
    "this link",
    "more",
    "read more",
    "page",
    "this page",
    "see",
    "it",
}


@cache
def pages() -> tuple[prose.Text, ...]:
    """Every Markdown page and every notebook, as its reader meets it."""
    return (*prose.pages(), *prose.notebooks())


def headings(text: str) -> list[tuple[int, str]]:
    """Level and words of each heading."""
    found = re.findall(r"^(#{1,6}) +(.+?) *#*$", prose.unfenced(text), re.MULTILINE)
    return [(len(signs), words) for signs, words in found]


def disorder(levels: Sequence[int]) -> str:
    """What is wrong with the levels of a page's headings: one of the first level, at the top, and none left out."""
    if levels[:1] != [1] or list(levels).count(1) != 1:
        return (
            f"{list(levels).count(1)} headings of level 1, and the first is of level {levels[0] if levels else 'none'}"
        )
    jumps = [f"{one} to {two}" for one, two in pairwise(levels) if two > one + 1]
    return f"headings jump from {jumps[0]}" if jumps else ""


def test_headings_are_in_order() -> None:
    held = [page for page in pages() if ".github" not in page.file.parts]  # GitHub puts a title above those itself
    found = [(str(page), disorder([level for level, _ in headings(page.words)])) for page in held]
    assert [(page, wrong) for page, wrong in found if wrong] == []
    assert [disorder(levels) == "" for levels in ([1, 2, 3, 2], [2, 3], [1, 3], [1, 2, 1], [])] == [True] + 4 * [False]


def test_no_two_chapters_of_a_page_have_the_same_heading_above_them() -> None:
    """Who goes from heading to heading hears nothing else; under different parents the same word may stand again."""
    wrong = []
    for page in pages():
        parents: list[str] = []
        paths = []
        for level, words in headings(page.words):
            parents = [*parents[: level - 1], words]
            paths.append(" / ".join(parents))
        wrong += [(str(page), path) for path in sorted({path for path in paths if paths.count(path) > 1})]
    assert wrong == []


def wrong_pictures(text: str) -> list[str]:
    """Pictures of a page whose words say nothing: those that are a link say where it leads, the others what is seen."""
    found = []
    for link, alt, target in re.findall(r"(\[)?!\[([^\]]*)\]\(([^)\s]+)[^)]*\)", text):
        if len(alt.split()) < (3 if link else 8):
            found.append(target)
    for tag in re.findall(r"<img\b[^>]*>", text):
        alt = re.search(r"alt=\"([^\"]*)\"", tag)
        if alt is None or (alt[1] and len(alt[1].split()) < 3):
            found.append(tag)
    for block in re.findall(r"^(?:```|:::)\{(?:image|figure)\}.*?^(?:```|:::)", text, re.DOTALL | re.MULTILINE):
        if not re.search(r"^:alt: +(\S+ +){7}", block, re.MULTILINE):
            found.append(block.splitlines()[0])
    return found


def test_pictures_have_words_that_say_what_is_seen() -> None:
    assert [(str(page), wrong) for page in pages() if (wrong := wrong_pictures(page.words))] == []
    assert wrong_pictures("![](a.png)") and wrong_pictures("![A chart](a.png)") and wrong_pictures("<img src=a>")
    assert wrong_pictures("```{figure} a.png\n:width: 3\n```") and not wrong_pictures("[![Open in Colab](a.svg)](b)")


def wrong_links(text: str) -> list[str]:
    """Links that do not say where they lead, and addresses that stand bare in the text."""
    said = re.sub(r"!\[[^\]]*\]\([^)]*\)", "picture of some words", prose.unfenced(text))
    said = re.sub(r"``.*?``|`[^`]*`", "code", said, flags=re.DOTALL)
    links = re.findall(r"(?<!!)\[([^\]]+)\]\([^)]+\)", said)
    wrong = [words for words in links if words.lower().strip(" .") in SAYS_NOTHING or "://" in words]
    return wrong + re.findall(r"(?<![\](\w\"'=/])<?https?://[^\s)>]+", re.sub(r"\]\([^)]*\)", "]", said))


def test_links_say_where_they_lead() -> None:
    assert [(str(page), wrong) for page in pages() if (wrong := wrong_links(page.words))] == []
    assert wrong_links("click [here](a.md)") and wrong_links("see https://example.org") and wrong_links("<http://a.b>")
    assert not wrong_links("[the data sheet](data/DATASHEET.md) and `http://127.0.0.1`")


def wrong_tables(text: str) -> list[str]:
    """Tables of a page with a column that has no heading; the corner above the headings of rows may be empty."""
    rows = re.findall(r"^(\|.*\|) *\n\|[-: |]+\| *$", prose.unfenced(text), re.MULTILINE)
    return [row for row in rows if any(not cell.strip() for cell in row.strip("|").split("|")[1:])]


def test_tables_have_a_heading_for_each_column() -> None:
    assert [(str(page), wrong) for page in pages() if (wrong := wrong_tables(page.words))] == []
    assert wrong_tables("| a | |\n|---|---|\n| 1 | 2 |") and not wrong_tables("| | b |\n|---|---|\n| 1 | 2 |")


# -- the shop's page, in its light and in its dark dress

STYLES = (prose.ROOT / "recsys_lab" / "shop" / "page" / "shop.css").read_text(encoding="utf-8")
COLOURS = {
    name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\);", STYLES)
}
ON_THEM = ("paper", "card")
"""What the page's text lies on where no rule gives it a ground of its own."""


def rules() -> list[tuple[str, dict[str, str]]]:
    """Each rule of the page's styles: selector and what it declares."""
    found = re.findall(r"([^{};]+)\{([^{}]*)\}", re.sub(r"/\*.*?\*/", "", STYLES, flags=re.DOTALL))
    return [(who.strip(), dict(re.findall(r"([\w-]+): *([^;]+)", what))) for who, what in found]


def pairs() -> Iterator[tuple[str, str, str, float]]:
    """Selector, colour, ground and the least contrast, for all that the styles colour by name."""
    for who, what in rules():
        ink = re.findall(r"var\(--([\w-]+)\)", what.get("color", ""))
        ground = re.findall(r"var\(--([\w-]+)\)", what.get("background", what.get("background-color", "")))
        if ink and "disabled" not in who:  # WCAG asks nothing of what cannot be used
            yield from ((who, ink[0], below, TEXT) for below in (ground or ON_THEM))
        elif ground and ground[0] not in ("accent", "warn", "ink"):
            yield who, "ink", ground[0], TEXT  # a ground without a colour of its own has the page's ink on it
    for edge, below in [
        ("edge", "card"),
        ("accent", "paper"),
        ("accent", "card"),
        ("accent", "track"),
        ("warn", "track"),
    ]:
        yield "borders of fields, focus, bars", edge, below, MARK


def test_text_and_edges_of_the_shop_stand_out() -> None:
    assert len(COLOURS) > 15 and len(list(pairs())) > 40
    weak = {
        f"{who}: {ink} on {ground}, {dress}": round(contrast(COLOURS[ink][at], COLOURS[ground][at]), 2)
        for who, ink, ground, least in pairs()
        for at, dress in enumerate(("light", "dark"))
        if contrast(COLOURS[ink][at], COLOURS[ground][at]) < least
    }
    assert weak == {}


def test_colours_of_the_shop_have_names() -> None:
    """A colour written into a rule would not be seen by the test above."""
    below = STYLES[STYLES.index("--serif") :]
    assert re.findall(r"(?<![\w-])(?:color|background): *#\w+", below) == []


# -- widgets in notebooks


def test_buttons_of_a_notebook_name_their_product_and_keep_the_focus(shop: Any) -> None:
    """ipywidgets' buttons are the browser's own, so Tab, Enter and Space reach them; what they say and keep is ours."""
    from recsys_lab.realtime import Live, standard
    from recsys_lab.widgets import Page

    widgets: Any = pytest.importorskip("ipywidgets")
    now = int(shop.events["timestamp"].max())
    page = Page(Live(shop=shop, accumulators=[*standard(), standard(shop)[-1]]), shop, now_ms=now, k=3)
    names = shop.products.set_index("item_id")["name"]
    shown = page.widget(widgets)
    buttons = [control for control in controls(shown) if isinstance(control, widgets.Button)]
    assert all(isinstance(control, widgets.Button) for control in controls(shown))
    for _ in range(2):
        told = [button.tooltip for button in buttons if button.description in ("look", "cart")]
        assert told == [f"{verb}: {names[item]}" for item in page.items for verb in ("look", "cart")]
        buttons[0].click()
        assert [control.model_id for control in controls(shown)] == [
            button.model_id for button in buttons
        ]  # none redrawn


def controls(widget: Any) -> list[Any]:
    """What can be operated in a widget: all but boxes and what only shows something."""
    inner = [control for child in getattr(widget, "children", ()) for control in controls(child)]
    return inner if hasattr(widget, "children") or type(widget).__name__ in ("HTML", "Output", "Label") else [widget]


def test_sliders_of_the_chapters_have_names() -> None:
    kinds = r"widgets\.\w*(?:Slider|Dropdown|Text|Checkbox)\(.*"
    paths = (prose.ROOT / "notebooks" / "src").glob("*.py")
    made = [(path.name, call) for path in paths for call in re.findall(kinds, path.read_text(encoding="utf-8"))]
    assert made and [(path, call) for path, call in made if "description=" not in call] == []


def test_widgets_leave_colours_to_the_notebook() -> None:
    """Text of a notebook's dress on a ground of ours, or the other way round, fails in one of the two dresses."""
    for name in ("widgets.py", "shop/widget.py"):
        source = Path(charts.__file__).with_name("charts.py").parent.joinpath(name).read_text(encoding="utf-8")
        assert re.findall(r"(?<![\w-])(?:color|background)\s*[:=]\s*['\"]?#?\w+", source) == [], name
