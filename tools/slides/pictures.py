"""Draws a notebook's charts anew for a slide: vectors, dark ink, and type that is read from the last row."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

ROOM = (1150, 490)
"""Width and height in pixels that a chart has on a slide."""

SMALLEST = 18
"""The smallest type on a slide, in pixels."""

INK = "#222222"
_CHARTS_INK = "#757575"  # recsys_lab.charts: a grey for light and dark pages; a slide is light


@dataclass(frozen=True)
class Picture:
    """A chart as SVG, its finding and its description, and the size in which it is shown."""

    svg: str
    finding: str
    alt: str
    width: int
    height: int

    @property
    def scale(self) -> float:
        """How much larger the picture is shown than it was drawn."""
        return self.width / _size(self.svg)[0]


def finding(spec: dict[str, Any]) -> str:
    """A chart's title, as a line of text."""
    return _words(spec.get("title", ""))


def draw(spec: dict[str, Any], room: tuple[int, int] = ROOM) -> Picture:
    """A stored chart as a picture for a slide; its title is the finding, and stands on the slide as text."""
    try:
        import vl_convert
    except ModuleNotFoundError as why:
        raise ModuleNotFoundError("charts on slides need a package: pip install 'vl-convert-python>=1.7'") from why
    spec = _inked(copy.deepcopy(spec))
    title = _words(spec.pop("title", ""))
    alt = str(spec.get("description") or title)
    size = 13.0
    for _ in range(6):  # larger type needs more room, so the picture is drawn again until it fits its type
        svg = _widened(vl_convert.vegalite_to_svg(_typed(spec, size)))
        width, height = _size(svg)
        scale = min(room[0] / width, room[1] / height, 2.2)
        if size * scale >= SMALLEST:
            break
        size = SMALLEST / scale + 0.5
    return Picture(svg, title, alt, int(width * scale), int(height * scale))


def smallest_type(picture: Picture) -> float:
    """The size in pixels of the smallest type of a picture, as it is shown."""
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)(?:px)?"', picture.svg)]
    return min(sizes, default=100.0) * picture.scale


def _typed(spec: dict[str, Any], size: float) -> dict[str, Any]:
    """The same chart in another size of type."""
    made: dict[str, Any] = _without_sizes(copy.deepcopy(spec))
    config = made.setdefault("config", {})
    text = {"labelFontSize": size, "titleFontSize": size, "labelLimit": 420, "titleLimit": 900}
    for part in ("axis", "legend", "header"):
        config.setdefault(part, {}).update(text)
    config.setdefault("title", {}).update({"fontSize": size * 1.1})
    config.setdefault("text", {}).update({"fontSize": size})
    config["legend"].update({"symbolSize": 9 * size, "columnPadding": size, "rowPadding": size / 3})
    config["font"] = "Arial, Helvetica, 'Liberation Sans', sans-serif"
    return made


def _widened(svg: str) -> str:
    """Room at the sides: a browser's font may be wider than the one that the picture was measured with."""
    width, height = _size(svg)
    texts = re.findall(r'<text[^>]*text-anchor="(start|end)"[^>]*font-size="([\d.]+)px"[^>]*>([^<]*)', svg)
    wide = [(anchor, 0.11 * float(size) * len(text)) for anchor, size, text in texts]
    left, right = (max((more for anchor, more in wide if anchor == side), default=0.0) for side in ("end", "start"))
    box = f'viewBox="{-left:.1f} 0 {width + left + right:.1f} {height:g}"'
    widened: str = re.sub(r'viewBox="[^"]*"', box, svg, count=1)
    return re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", widened, count=1)


def _without_sizes(node: Any) -> Any:
    """Sizes of type that a chart sets itself were meant for a page."""
    if isinstance(node, dict):
        own = ("fontSize", "labelFontSize", "titleFontSize", "subtitleFontSize", "labelLimit")
        return {key: _without_sizes(value) for key, value in node.items() if key not in own}
    return [_without_sizes(value) for value in node] if isinstance(node, list) else node


def _inked(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: value if key in ("datasets", "data") else _inked(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_inked(value) for value in node]
    return INK if node == _CHARTS_INK else node


def _words(title: Any) -> str:
    if isinstance(title, dict):
        return " ".join(_words(title[key]) for key in ("text", "subtitle") if key in title)
    return " ".join(title) if isinstance(title, list) else str(title)


def _size(svg: str) -> tuple[float, float]:
    found = re.search(r'<svg[^>]* viewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"', svg)
    if not found:
        raise ValueError("a drawn chart has to say its size in a viewBox")
    return float(found[1]), float(found[2])
