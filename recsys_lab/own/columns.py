"""Which column of a shop's tables is which of ours: by what the owner says, else by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recsys_lab.datasets import EVENT_TYPES, DataError

_USER = (
    "visitorid visitor userid user customerid customer customerno customernumber clientid client shopperid shopper"
    " memberid member accountid buyerid buyer personid householdid fullvisitorid userpseudoid uid kundennummer kunde"
)
_ITEM = (
    "itemid item productid product sku skuid articleid article articleno stockcode productcode itemcode itemno"
    " variantid parentasin asin gtin ean artikelnummer artikel"
)
_PRODUCTS: Mapping[str, str] = {
    "name": "name title productname itemname producttitle producttext bezeichnung",
    "brand": "brand brandname manufacturer vendor marke",
    "department": "department departmentname section",
    "category": "category categorycode categoryname categoryid producttype maincategory warengruppe type",
    "description": "description productdescription longdescription detaildesc details text beschreibung",
    "colour": "colour color colourgroupname farbe",
    "material": "material fabric",
    "style": "style",
    "price": "price unitprice itemprice listprice saleprice preis",
    "review_count": "reviewcount reviews numreviews ratingcount numberofreviews",
    "review_rating": "reviewrating rating averagerating avgrating stars",
    "in_stock": "instock available availability",
    "on_sale": "onsale sale discounted",
    "launched_at": "launchedat launchdate launched publishedat createdat releasedate firstavailable",
}
_SHOPPERS: Mapping[str, str] = {
    "age_band": "ageband agegroup age",
    "region": "region country countrycode state city land",
    "device": "device devicetype platform",
    "registered_at": "registeredat registrationdate signupdate createdat joined",
    "registration_choice": "registrationchoice",
}


def _of(words: str) -> tuple[str, ...]:
    return tuple(words.split())


VISIT_WORDS = _of("sessionid session visitid visit usersession gasessionid")
ORDER_WORDS = _of(
    "invoiceno invoice invoiceid orderid orderno ordernumber order transactionid transaction basketid basket receiptid"
)
"""Names of a purchase: it stands for the visit in a log of purchases alone."""

WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "events": {
        "user_id": _of(_USER),
        "item_id": _of(_ITEM),
        "event_type": _of("eventtype event eventname action actiontype behavior behaviour behaviortype activity type"),
        "timestamp": _of(
            "timestamp ts time datetime eventtime eventtimestamp eventdate date createdat occurredat unixtime"
            " invoicedate orderdate purchasedate transactiondate tdat datum"
        ),
        "session_id": (*VISIT_WORDS, *ORDER_WORDS),
        "id": ("eventid",),
        "quantity": _of("quantity qty units pieces menge anzahl"),
        "position": ("position", "rank"),
        "surface": ("surface", "placement", "pagetype"),
        "list_id": ("listid",),
        "dwell_ms": ("dwellms",),
        "propensity": ("propensity",),
        "device": _of(_SHOPPERS["device"]),
        "price": _of(_PRODUCTS["price"]),
        # A name, a title or a text in a log of events may be a person's.
        "name": ("productname", "itemname", "producttitle"),
        "description": ("description", "productdescription"),
        **{name: _of(_PRODUCTS[name])[:4] for name in ("brand", "department", "category", "colour")},
        **{name: _of(words) for name, words in _SHOPPERS.items() if name in ("age_band", "region")},
    },
    "products": {
        "item_id": (*_of(_ITEM), "id"),
        **{name: _of(words) for name, words in _PRODUCTS.items()},
    },
    "shoppers": {
        "user_id": (*_of(_USER), "id"),
        **{name: _of(words) for name, words in _SHOPPERS.items()},
    },
}
"""table → column of ours → names it goes by, best first: small letters, and nothing between them."""

_EVENTS: Mapping[str, str] = {
    "impression": "impression impressions shown displayed",
    "clicked_on": "clickedon click clicks clicked view views viewed viewitem viewproduct productview pageview pv detail"
    " productclick selectitem",
    "put_to_cart": "puttocart addtocart addedtocart cart cartadd atc addtobasket basket addtobag",
    "removed_from_cart": "removedfromcart removefromcart cartremove removefrombasket",
    "buy": "buy bought purchase purchases purchased order ordered transaction sale sold checkout conversion",
}
EVENT_WORDS = {word: ours for ours, words in _EVENTS.items() for word in words.split()}
RETURN_WORDS = frozenset(_of("return returned returns refund refunded cancel cancelled canceled cancellation storno"))
ALL = "all"
"""`--event-map all=buy`: every row is a purchase."""


@dataclass(frozen=True)
class Named:
    """The columns of one table that are ours: our name → theirs, how that is known, and the others."""

    ours: Mapping[str, str]
    how: Mapping[str, str]
    others: tuple[str, ...]


def bare(name: str) -> str:
    """A name as it is compared.

    >>> bare("Visitor_ID ")
    'visitorid'
    """
    return re.sub(r"[\W_]", "", name.lower())


def name_columns(table: str, columns: Iterable[str], given: Mapping[str, str]) -> Named:
    """Ours for theirs: first what `given` says (their name → ours), then equal names, then the words of `WORDS`.

    >>> name_columns("events", ["visitorid", "itemid", "price"], {}).ours
    {'user_id': 'visitorid', 'item_id': 'itemid', 'price': 'price'}
    """
    columns = list(columns)
    ours: dict[str, str] = {}
    how: dict[str, str] = {}
    for theirs, name in given.items():
        if name not in WORDS[table]:
            raise DataError(f"--map {theirs}={name}: {table} has no {name!r}; use one of {', '.join(WORDS[table])}")
        if name in ours:
            raise DataError(f"--map: both {ours[name]!r} and {theirs!r} are to be {name!r}; choose one")
        ours[name], how[name] = theirs, "you said so"
    free = [column for column in columns if column not in ours.values()]
    for name, words in WORDS[table].items():
        if name in ours:
            continue
        wanted = words if (table, name) == ("events", "name") else (bare(name), *words)
        found = sorted((wanted.index(bare(c)), at, c) for at, c in enumerate(free) if bare(c) in wanted)
        if found:
            ours[name] = found[0][2]
            how[name] = "the same name" if ours[name] == name else "guessed from its name"
            free.remove(ours[name])
    ours = {name: ours[name] for name in WORDS[table] if name in ours}
    return Named(ours, how, tuple(free))


def share_out(given: Mapping[str, str], tables: Mapping[str, Iterable[str]]) -> dict[str, dict[str, str]]:
    """Which table each `--map theirs=ours` is for: `events.sku=item_id`, or all that have such a column."""
    shared: dict[str, dict[str, str]] = {table: {} for table in tables}
    for theirs, name in given.items():
        table, _, column = theirs.partition(".")
        wanted = {table: column} if table in tables and column else dict.fromkeys(tables, theirs)
        found = [(table, column) for table, column in wanted.items() if column in tables[table]]
        fits = [(table, column) for table, column in found if name in WORDS[table]] or found
        if not found:
            known = "; ".join(f"{table}: {', '.join(columns)}" for table, columns in tables.items())
            raise DataError(f"--map {theirs}={name}: there is no column {theirs!r}; there are {known}")
        for table, column in fits:
            shared[table][column] = name
    return shared


def event_types(given: Mapping[str, str]) -> dict[str, str]:
    """The words for events, with those of the owner. Raises `DataError` for a type that the course does not know."""
    for theirs, name in given.items():
        if name not in EVENT_TYPES:
            raise DataError(f"--event-map {theirs}={name}: there is no {name!r}; use one of {', '.join(EVENT_TYPES)}")
    return {**EVENT_WORDS, **{bare(theirs): name for theirs, name in given.items()}}
