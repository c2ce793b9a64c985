"""What is true of the simulated shop and in no log: tastes, appeals, trends. Kept in a file of its own.

Only `recsys_lab.evaluation` and the tests may read it: a recommender that knows it is the ceiling, not a competitor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_lab.simulate import catalogue as words
from recsys_lab.simulate.dice import Dice, Floats

DAYS = 90
HIDDEN = 6  # dimensions of taste that no column of the catalogue tells
FOCUS_DAYS = 15  # how long a shopper stays interested in one category
STYLES, COLOURS, OCCASIONS = tuple(words.STYLES), tuple(words.COLOURS), tuple(words.OCCASIONS)
DEPARTMENTS, BRANDS = tuple(words.DEPARTMENTS), tuple(words.BRANDS)
AGE_BANDS = ("16-24", "25-34", "35-49", "50-64", "65+")
REGIONS = ("north", "east", "south", "west", "abroad")
DEVICES = ("phone", "desktop", "tablet")

Floats32 = NDArray[np.float32]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """Arrays over products [m, ...] and shoppers [n, ...], in the order of the shop's own tables.

    Utilities are in logits: a product with one more unit of utility is clicked e times as often beside the same others.
    """

    appeal: Floats32  # [m] how much everybody likes it
    quality: Floats32  # [m] what reviews are about, standard normal
    hidden: Floats32  # [m, HIDDEN] its look, beyond all columns
    occasion: Codes  # [m] index into OCCASIONS; said in the description alone
    shelf: Codes  # [m] its place on its category's page
    trend: Floats32  # [m, 3] height, day of the peak, width in days of its moment of fame
    editor: Floats32  # [m] what the shop's own team would put on the home page
    department: Floats32  # [n, departments] share of visits
    category: Floats32  # [n, categories] taste
    style: Floats32  # [n, STYLES] taste
    colour: Floats32  # [n, COLOURS] taste
    brand: Floats32  # [n, BRANDS] taste
    occasions: Floats32  # [n, OCCASIONS] taste
    look: Floats32  # [n, HIDDEN] taste for the hidden look
    thrift: Floats32  # [n] how much a high price puts off
    buyer: Floats32  # [n] how readily a full cart is paid for
    focus: Codes  # [n, periods] index into categories: what is looked for now
    activity: Floats32  # [n] visits a day once registered

    def save(self, path: Path) -> None:
        """Write all arrays as a compressed .npz, no pickle."""
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def categories(products: pd.DataFrame) -> tuple[str, ...]:
    """The categories of a catalogue, in alphabetical order: the meaning of every category code."""
    return tuple(sorted(products["category"].unique()))


def product_truth(dice: Dice, products: pd.DataFrame) -> dict[str, Any]:
    """The hidden side of each product; `products` is the drawn catalogue with its `occasion`."""
    count = len(products)
    style = code(products["style"], STYLES)
    brand = code(products["brand"], BRANDS)
    style_look, brand_look = dice.normal((len(STYLES), HIDDEN)), dice.normal((len(BRANDS), HIDDEN))
    hidden = 0.4 * style_look[style] + 0.4 * brand_look[brand] + 0.8 * dice.normal((count, HIDDEN))
    appeal = 0.6 * dice.normal(count)
    has_moment = dice.uniform(count) < 0.15
    trend = np.stack(
        [has_moment * (0.8 + 0.8 * dice.uniform(count)), DAYS * dice.uniform(count), 4 + 8 * dice.uniform(count)],
        axis=1,
    )
    editor = 0.6 * appeal + 0.8 * dice.normal(count)
    return {
        "appeal": _f32(appeal),
        "quality": _f32(dice.normal(count)),
        "hidden": _f32(hidden),
        "occasion": code(products["occasion"], OCCASIONS),
        "shelf": _shelf(products, editor),
        "trend": _f32(trend),
        "editor": _f32(editor),
    }


def shopper_truth(dice: Dice, shoppers: pd.DataFrame, products: pd.DataFrame) -> dict[str, Any]:
    """The tastes of each shopper. Age band and region tilt them, so that demographics say something, but not much."""
    count, kinds = len(shoppers), len(categories(products))
    age, region = code(shoppers["age_band"], AGE_BANDS), code(shoppers["region"], REGIONS)
    home = dice.pick(np.tile([0.5, 0.36, 0.14], (count, 1)))
    department = 0.06 + 0.12 * dice.uniform((count, len(DEPARTMENTS)))
    department[np.arange(count), home] += 1.0
    return {
        "department": _f32(department / department.sum(axis=1, keepdims=True)),
        "category": _f32(0.7 * dice.normal((count, kinds))),
        "style": _f32(
            0.6 * dice.normal((count, len(STYLES)))
            + 0.5 * dice.normal((len(AGE_BANDS), len(STYLES)))[age]
            + 0.9 * _loved(dice, count, len(STYLES), 2)
        ),
        "colour": _f32(
            0.5 * dice.normal((count, len(COLOURS)))
            + 0.3 * dice.normal((len(REGIONS), len(COLOURS)))[region]
            + 0.9 * _loved(dice, count, len(COLOURS), 2)
        ),
        "brand": _f32(0.4 * dice.normal((count, len(BRANDS))) + 1.2 * _loved(dice, count, len(BRANDS), 3)),
        "occasions": _f32(0.4 * dice.normal((count, len(OCCASIONS))) + 1.0 * _loved(dice, count, len(OCCASIONS), 1)),
        "look": _f32(dice.normal((count, HIDDEN)) / np.sqrt(HIDDEN)),
        "thrift": _f32(0.6 * dice.uniform(count)),
        "buyer": _f32(0.5 * dice.normal(count)),
        "focus": dice.picks(np.ones(kinds), count * (DAYS // FOCUS_DAYS + 1)).reshape(count, -1),
        "activity": _f32(np.where(dice.uniform(count) < 0.06, 0.0, 0.095 * np.exp(0.9 * dice.normal(count)))),
    }


def code(values: pd.Series[Any], known: tuple[str, ...]) -> Codes:
    """The place of each value in `known`; shape [len(values)]. Raises `KeyError` for a value that is not there."""
    place: Mapping[str, int] = {name: at for at, name in enumerate(known)}
    return np.array([place[value] for value in values], dtype=np.int64)


def _loved(dice: Dice, count: int, options: int, each: int) -> NDArray[np.float64]:
    """1 for `each` options of every shopper that are loved, 0 for the others; shape [count, options]."""
    ranks = np.argsort(np.argsort(dice.uniform((count, options)), axis=1), axis=1)
    return (ranks < each).astype(np.float64)


def _shelf(products: pd.DataFrame, editor: NDArray[np.float64]) -> Codes:
    """Places on the page of each department's category: the team's favourites first."""
    order = pd.Series(-editor).groupby([products["department"], products["category"]]).rank(method="first")
    return order.to_numpy().astype(np.int64) - 1


def _f32(values: Floats) -> Floats32:
    return np.round(values, 5).astype(np.float32)
