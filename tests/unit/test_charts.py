"""Charts: readable by everybody, on light and on dark, with a network and without, in pictures and in words."""

from __future__ import annotations

import struct
from itertools import combinations

import altair as alt
import pandas as pd
import pytest

from recsys_lab import charts

SPANS = pd.DataFrame({"method": ["popular", "truth"], "mean": [0.04, 0.16], "low": [0.03, 0.15], "high": [0.05, 0.17]})


def light(colour: str) -> float:
    """Relative luminance, 0 to 1 (WCAG 2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def seen_without_green(colour: str) -> tuple[float, ...]:
    """A colour as somebody without green receptors sees it (Viénot, Brettel and Mollon 1999), linear RGB."""
    parts = [(int(colour[at : at + 2], 16) / 255) ** 2.2 for at in (1, 3, 5)]
    red = 0.29275 * parts[0] + 0.70725 * parts[1]
    blue = -0.02234 * parts[0] + 0.02234 * parts[1] + parts[2]
    return red, red, blue


def test_text_is_readable_on_light_and_dark() -> None:
    assert contrast(charts.INK, "#ffffff") >= 4.5
    assert contrast(charts.INK, "#111111") >= 4


def test_marks_stand_out_on_light_and_dark() -> None:
    for colour in charts.PALETTE:
        assert contrast(colour, "#ffffff") >= 2
        assert contrast(colour, "#111111") >= 2


def test_colours_are_told_apart_without_green() -> None:
    for one, other in combinations(charts.PALETTE[:6], 2):
        distance = sum((a - b) ** 2 for a, b in zip(seen_without_green(one), seen_without_green(other), strict=True))
        assert distance**0.5 > 0.06, (one, other)


def test_intervals_chart_says_its_finding() -> None:
    spec = charts.intervals(SPANS, label="method", metric="NDCG@10", title="The truth is far ahead").to_dict()
    assert spec["title"] == "The truth is far ahead"
    assert "popular 0.04; truth 0.16" in spec["description"]


@pytest.fixture
def enabled() -> None:
    charts.enable()
    yield
    alt.renderers.enable("default")
    alt.theme.enable("default")


@pytest.mark.usefixtures("enabled")
def test_shown_as_specification_words_and_picture() -> None:
    pytest.importorskip("vl_convert", reason="vl-convert-python draws the pictures; it is in requirements.txt")
    chart = charts.intervals(SPANS, label="method", metric="NDCG@10", title="The truth is far ahead")
    bundle, metadata = chart._repr_mimebundle_()
    assert bundle["application/vnd.vegalite.v5+json"]["config"]["title"]["color"] == charts.INK
    assert bundle["text/plain"].startswith("The truth is far ahead")
    assert metadata["image/png"]["alt"] == bundle["text/plain"]
    picture = bundle["image/png"]
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    assert 400 < width < 1400 and 60 < height < 900
    assert len(picture) < 40_000


@pytest.mark.usefixtures("enabled")
def test_a_chart_without_a_description_is_described_by_its_title() -> None:
    chart = alt.Chart(SPANS, title=alt.Title(["Two", "lines"])).mark_bar().encode(x="mean:Q", y="method:N")
    bundle, _ = chart._repr_mimebundle_()
    assert bundle["text/plain"] == "Two lines"
