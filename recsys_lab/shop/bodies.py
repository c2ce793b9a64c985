"""What requests may hold and what answers hold, as pydantic models: they check what comes in and write the OpenAPI.

Strict where JSON has a type of its own (a "5" is no number), lenient only for texts of a query. Unknown fields are
refused: a misspelled filter that is silently left out would be a wrong answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, reduce
from operator import and_
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from recsys_lab.filters import Filter, field

MOST = 100
"""The most products of a list, of a cart, and the most events of one request."""
_YEAR_3000 = 32_503_680_000_000
_SAFE = 2**53 - 1  # the largest whole number that every JSON reader keeps

Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]
Whole = Annotated[int, Field(ge=-_SAFE, le=_SAFE)]
Text = Annotated[str, Field(max_length=200)]
_PAIR = r"[^:,\x00]{1,100}:-?[0-9]{1,4}(\.[0-9]{1,6})?"
Weights = Annotated[str, Field(max_length=1000, pattern=rf"^{_PAIR}(,{_PAIR})*$")]
K = Annotated[int, Field(ge=1, le=MOST, description="How many products at most.")]


class Strict(BaseModel):
    """A body."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Asked(BaseModel):
    """A query; its values come as texts."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# -- what comes in -----------------------------------------------------------------------------------------------------


class EventIn(Strict):
    """One thing that the shopper of the cookie did."""

    event_type: Literal["impression", "clicked_on", "put_to_cart", "removed_from_cart", "buy"]
    item_id: Label
    id: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$")] | None = Field(
        None, description="Yours, so that an event that is sent twice counts once."
    )
    timestamp: Annotated[int, Field(ge=0, lt=_YEAR_3000)] | None = Field(
        None, description="Milliseconds since 1970; now when left out."
    )
    event_attr: dict[Annotated[str, Field(min_length=1, max_length=64)], Text | bool | Whole | Number] = Field(
        default_factory=dict, max_length=20, description="position, surface, list_id, …"
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"event_type": "clicked_on", "item_id": "P0001", "event_attr": {"position": 1}}]
        }
    )


def _how_many(given: Any) -> str:
    """Which of the two was meant, so that an error speaks of that one."""
    return "many" if isinstance(given, list) else "one"


Events = Annotated[
    Annotated[EventIn, Tag("one")] | Annotated[list[EventIn], Field(min_length=1, max_length=MOST), Tag("many")],
    Discriminator(_how_many),
]


class CartIn(Strict):
    """Products that go together; without them, what is in the shopper's own cart."""

    cart: list[Label] = Field(default_factory=list, max_length=MOST)
    k: K = 10

    model_config = ConfigDict(json_schema_extra={"examples": [{"cart": ["P0001"], "k": 6}]})


class OneShopper(Strict):
    """Whom others should be like: one shopper."""

    shopper: Label
    k: K = 10


class Group(Strict):
    """Whom others should be like: a group."""

    group: list[Label] = Field(min_length=1, max_length=MOST)
    k: K = 10


class ProductIn(Strict):
    """A product's fields; what is left out of a product that is there stays as it is."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    brand: Text | None = None
    department: Text | None = None
    category: Text | None = None
    description: Annotated[str, Field(max_length=2000)] | None = None
    colour: Text | None = None
    material: Text | None = None
    style: Text | None = None
    price: Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e9)] | None = None
    review_count: Annotated[int, Field(ge=0, le=10**9)] | None = None
    review_rating: Annotated[float, Field(allow_inf_nan=False, ge=0, le=5)] | None = None
    in_stock: bool | None = None
    on_sale: bool | None = None
    launched_at: Annotated[int, Field(ge=0, lt=_YEAR_3000)] | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"price": 39.0, "in_stock": True}]})


class Filters(Asked):
    """Which products may be listed."""

    department: Text | None = None
    category: Text | None = None
    max_price: Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e9)] | None = None

    @cached_property
    def where(self) -> Filter | None:
        """The filter that says so; None for all products."""
        parts: list[Filter] = [] if self.department is None else [field("department") == self.department]
        if self.category is not None:
            parts.append(field("category") == self.category)
        if self.max_price is not None:
            parts.append(field("price") <= self.max_price)
        return reduce(and_, parts) if parts else None


class Many(Asked):
    """How many."""

    k: K = 10


class Weighed(Filters):
    """Which, how many, and how much each space counts."""

    k: K = 10
    weights: Weights | None = Field(None, description="In place of the shop's own weights: style:2,price:0.5")

    @cached_property
    def by_space(self) -> Mapping[str, float] | None:
        """The weights as numbers; None for the shop's own."""
        if self.weights is None:
            return None
        return {name: float(weight) for name, _, weight in (one.rpartition(":") for one in self.weights.split(","))}


class ForYouAsked(Weighed):
    """Which, how many, how weighed, and who makes the list."""

    by: Text | None = Field(None, description="A recommender of the switch that GET /config names.")


class ManyOfThese(Filters):
    """Which, and how many."""

    k: K = 10


class SearchAsked(Filters):
    """A sentence."""

    q: Annotated[str, Field(min_length=1, max_length=300, pattern=r"\S")]
    k: K = 20


class ShelfAsked(Filters):
    """Which part of the shelf."""

    offset: Annotated[int, Field(ge=0, le=10**9)] = 0
    limit: K = 60


# -- what goes out -----------------------------------------------------------------------------------------------------


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] = []


class Card(BaseModel):
    """A product as the page shows it."""

    item_id: str
    name: str
    department: str | None
    category: str | None
    price: float | None
    colour: str | None
    in_stock: bool
    on_sale: bool
    picture: str


class Item(BaseModel):
    """A product of a list: the terms of `why` add up to the score; {} where the method cannot say."""

    score: float
    why: dict[str, float]
    product: Card


class Listed(BaseModel):
    """A list, best first: who made it, and "state" or "store" where that does not answer."""

    surface: str
    by: str
    notes: str
    degraded: Literal["state", "store"] | None
    items: list[Item]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "surface": "for-you", "by": "live", "notes": "", "degraded": None,
                    "items": [
                        {
                            "score": 0.42, "why": {"style: shopper": 0.11, "popularity": 0.31},
                            "product": {
                                "item_id": "P0001", "name": "Linen Wrap Skirt", "department": "women",
                                "category": "skirts", "price": 54.0, "colour": "white", "in_stock": True,
                                "on_sale": False, "picture": "/pictures/P0001.svg",
                            },
                        }
                    ],
                }
            ]
        }
    )  # fmt: skip


class Shoppers(BaseModel):
    """Stored shoppers, the most alike first."""

    surface: str
    by: str
    notes: str
    degraded: Literal["state", "store"] | None
    shoppers: list[dict[str, str | float]]


class One(BaseModel):
    """What became of an event: taken (new, or known already; waiting for the live state), or refused, and why."""

    id: str
    new: bool
    waiting: bool
    refused: str | None = None


class TakenOut(BaseModel):
    """What became of the events, in their order. What is not refused is on the disk."""

    taken: list[One]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"taken": [{"id": "e1", "new": True, "waiting": False}]}]}
    )


class Shelf(BaseModel):
    """A part of the shelf, and how much there is."""

    items: list[Card]
    total: int
    offset: int


class Product(Card):
    """All that is told of a product."""

    model_config = ConfigDict(extra="allow")


class Started(BaseModel):
    """That a refresh has begun."""

    started: bool


class Taste(BaseModel):
    """What the shopper's events say in one space: values with their share, the strongest first."""

    space: str
    says: list[tuple[str, float]]


class SessionOut(BaseModel):
    """What the shop believes of a shopper, and why."""

    shopper: str
    events: list[dict[str, str | int]]
    cart: list[str]
    taste: list[Taste]
    counts: dict[str, int]
    because: list[str]


class ForgotOut(BaseModel):
    """How many events were deleted."""

    forgotten: int


class PutOut(BaseModel):
    """Whether the product is new."""

    item_id: str
    created: bool


class HealthOut(BaseModel):
    """Whether all that the shop stands on answers, and how many events wait for it."""

    status: Literal["ok", "degraded"]
    state: str
    store: str
    waiting: int
    models: dict[str, Any]


class Space(BaseModel):
    """A space and how much it counts."""

    name: str
    weight: float


class ConfigOut(BaseModel):
    """What the page's panel offers."""

    spaces: list[Space]
    recommenders: list[str]
    departments: list[str]
    categories: list[str]
    max_price: float | None
