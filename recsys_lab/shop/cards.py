"""A product as the page shows it: a card, as JSON that is made once, and its picture."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

FIELDS = ("name", "department", "category", "price", "colour", "in_stock", "on_sale")
"""What a card tells beside the id and the address of the picture."""
_PLAIN = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 120" role="img"><title>no picture</title>'
    '<rect x="20" y="20" width="80" height="80" rx="8" fill="none" stroke="#888" stroke-width="3"/></svg>'
)


def card(row: Mapping[str, Any]) -> bytes:
    """The card of a product, as JSON; null for what the shop does not tell, and the id for a name.

    >>> card({"item_id": "a b", "price": 20.0})
    b'{"item_id":"a b","name":"a b","department":null,"category":null,"price":20.0,"colour":null,"in_stock":true,\
"on_sale":false,"picture":"/pictures/a%20b.svg"}'
    """
    item = row["item_id"]
    told = {"name": item, "in_stock": True, "on_sale": False} | {
        name: value for name in FIELDS if (value := plain(row.get(name))) is not None
    }
    made = {"item_id": item, **{name: told.get(name) for name in FIELDS}, "picture": f"/pictures/{quote(item, '')}.svg"}
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


def picture(row: Mapping[str, Any]) -> str:
    """A product's SVG: its own, else one drawn from category and colour, else an empty frame."""
    from recsys_lab.simulate.catalogue import COLOURS
    from recsys_lab.simulate.pictures import SHAPES, draw

    own = row.get("picture")
    if isinstance(own, str) and own.startswith("<svg"):
        return own
    category, colour = row.get("category"), row.get("colour")
    return draw(str(category), str(colour), "plain") if category in SHAPES and colour in COLOURS else _PLAIN


def plain(value: Any) -> Any:
    """A value as JSON knows it: numpy's own become Python's, and NaN becomes None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
