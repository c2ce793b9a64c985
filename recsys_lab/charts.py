"""The course's charts: one theme, a finding as the title, and a display that works without a network."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import altair as alt
import pandas as pd

PALETTE = ("#0072B2", "#C88200", "#00A050", "#BE78AA", "#8C6EFA", "#AA4614", "#6E6E6E")
"""Blue, ochre, green, pink, violet, rust, grey, in the manner of Okabe and Ito (2008): told apart also by who lacks one
kind of cone, and each with a contrast of 3 or more on white and on dark grey, as WCAG 2 asks of lines and marks."""

INK = "#757575"  # text and axes: readable on white and on dark grey


def _theme() -> Any:
    text: dict[str, Any] = {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 12}
    lines = {"gridColor": INK, "gridOpacity": 0.2, "domainColor": INK, "tickColor": INK}
    return {
        "config": {
            "background": "transparent",
            "view": {"stroke": None, "continuousWidth": 460, "continuousHeight": 260},
            "title": {"anchor": "start", "fontSize": 14, "color": INK, "offset": 10},
            # The first and last label stay under their ticks: pushed inwards, they run into the next.
            "axis": {**text, **lines, "titleFontWeight": "normal", "labelFlush": False},
            "legend": text,
            "range": {"category": list(PALETTE)},
            "mark": {"color": PALETTE[0]},
            "point": {"size": 55},  # large enough for its shape to be seen
        }
    }


def enable() -> None:
    """Use the course's theme, and show charts without a network: the chart's specification beside a picture of it.

    The picture needs `vl-convert-python` (in requirements.txt); without it only the specification is shown.
    """
    alt.theme.register("recsys_lab", enable=True)(_theme)
    alt.renderers.register("recsys_lab", _bundle)
    alt.renderers.enable("recsys_lab")


def _bundle(spec: dict[str, Any], **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """JupyterLab draws the specification itself, other viewers show the picture, a terminal the words."""
    words = _first(spec, "description") or _first(spec, "title") or "chart"
    spec = {**spec, "description": words}
    bundle: dict[str, Any] = {"application/vnd.vegalite.v5+json": spec, "text/plain": words}
    try:
        import vl_convert
    except ModuleNotFoundError:
        return bundle, {}
    bundle["image/png"] = _packed(vl_convert.vegalite_to_png(spec, scale=1.5))
    return bundle, {"image/png": {"alt": words}}


def _packed(png: bytes) -> bytes:
    """The same picture in a fifth of the bytes: its own writer is made for speed, and notebooks are kept for long."""
    parts, at = [], 8
    while at < len(png):
        size = int.from_bytes(png[at : at + 4])
        parts.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + size]))
        at += 12 + size
    pixels = zlib.decompress(b"".join(content for name, content in parts if name == b"IDAT"))
    kept = [(name, content) for name, content in parts if name in (b"IHDR", b"pHYs")]
    packed = png[:8]
    for name, content in [*kept, (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]:
        packed += len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)
    return packed


def _first(spec: dict[str, Any], key: str) -> str:
    """The words of a title or description: the chart's own, or else those of the first of its layers that has some."""
    said = spec.get(key, "")
    said = said.get("text", "") if isinstance(said, dict) else said
    if said:
        return " ".join(said) if isinstance(said, list) else str(said)
    parts = (part for kind in ("layer", "concat", "hconcat", "vconcat") for part in spec.get(kind, []))
    return next((words for part in parts if (words := _first(part, key))), "")


def apart(field: str, names: Iterable[str], *, dash: bool = False, **given: Any) -> dict[str, Any]:
    """Encodings that tell the series of a chart apart by colour and by shape, for whoever does not see the colours.

    `names` are the values of `field`, in the order of the legend. `dash` is for lines without points: they differ by
    their dashes. What else is `given` (title, legend) holds for both encodings, so that there is one legend.

    >>> sorted(apart("method", ["popular", "markov"])), sorted(apart("method", ["popular"], title=None, dash=True))
    (['color', 'shape'], ['color', 'strokeDash'])
    """
    second = {"strokeDash": alt.StrokeDash} if dash else {"shape": alt.Shape}
    channels: dict[str, Any] = {"color": alt.Color, **second}
    scale = alt.Scale(domain=list(names))  # without it, Vega draws two legends
    return {name: channel(f"{field}:N", scale=scale, **given) for name, channel in channels.items()}


def intervals(spans: pd.DataFrame, label: str, metric: str, title: str | list[str]) -> Any:
    """A point on its interval for each row of `spans` (columns `label`, mean, low, high), in the order given."""
    words = "; ".join(f"{row[label]} {row['mean']:.3g}" for _, row in spans.iterrows())
    finding = title if isinstance(title, str) else " ".join(title)
    base = alt.Chart(spans).encode(y=alt.Y(f"{label}:N", sort=None, title=None))
    tooltip = [label, *[alt.Tooltip(name, format=".4g") for name in ("mean", "low", "high")]]
    lines = base.mark_rule(strokeWidth=2, color=PALETTE[0]).encode(
        x=alt.X("low:Q", title=f"{metric}, with 95 % interval", axis=alt.Axis(tickCount=6)), x2="high:Q"
    )
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x="mean:Q", tooltip=tooltip)
    chart = alt.layer(lines, points, title=title, description=f"{finding}. {metric}: {words}.")
    sized: Any = chart.properties(width=460, height=alt.Step(26))
    return sized
