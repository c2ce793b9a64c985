"""The live shop in a notebook: the page's own module as a widget, answered by an engine in the kernel.

No server runs. `show` puts the widget where somebody can click; `story` is its twin that stands still, for readers
without a kernel.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from recsys_lab.datasets import DataError
from recsys_lab.shop.answers import Answer, Away, Sent
from recsys_lab.shop.engine import Engine
from recsys_lab.widgets import can_click

try:
    import anywidget
    from pydantic import TypeAdapter, ValidationError

    from recsys_lab.shop import bodies
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"the shop's widget needs {error.name}: python -m pip install 'recsys-lab[shop]'", name=error.name
    ) from error

PAGE = Path(__file__).parent / "page"
_AFTER = {
    "impression": "after seeing",
    "clicked_on": "after a click on",
    "put_to_cart": "after putting into the cart:",
    "removed_from_cart": "after taking out of the cart:",
    "buy": "after buying",
}
_EVENTS: TypeAdapter[Any] = TypeAdapter(bodies.Events)
_log = logging.getLogger("recsys_lab.shop")


class Desk:
    """Answers what the page asks: the service's paths and its JSON, for one shopper, without HTTP.

    Pictures come as data URLs. What needs the service's token is refused.

    >>> from recsys_lab.datasets import load_shop
    >>> from recsys_lab.shop import Settings
    >>> with Engine(load_shop(impressions=False), Settings(switch=("live",))) as engine:
    ...     desk = Desk(engine)
    ...     first = desk.answer("GET", "/for-you?k=3")[1]["items"][0]["product"]["item_id"]
    ...     desk.answer("POST", "/events", {"event_type": "clicked_on", "item_id": first})[0]
    ...     desk.answer("GET", "/session")[1]["events"][0]["item_id"] == first, desk.answer("POST", "/refresh")[0]
    202
    (True, 403)
    """

    def __init__(self, engine: Engine, shopper: str | None = None) -> None:
        self.engine = engine
        self.shopper = secrets.token_hex(16) if shopper is None else shopper

    def answer(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON for a request of the page."""
        url = urlsplit(path)
        for verb, pattern, work in _ROUTES:
            found = re.fullmatch(pattern, url.path)
            if found and verb == method:
                given = [unquote(one) for one in found.groups()]
                asked = dict(parse_qsl(url.query))
                return self._answered(partial(work, self, *given, asked, body), f"{verb} {pattern}")
        if any(re.fullmatch(pattern, url.path) and method == verb for verb, pattern in _WITH_TOKEN):
            return _problem(
                403, f"{method} {url.path} needs the service and its token; a notebook has the engine itself"
            )
        return _problem(404, f"{method} {url.path} is nothing that the shop answers")

    def _answered(self, work: Callable[[], tuple[int, Any]], route: str) -> tuple[int, Any]:
        try:
            return work()
        except KeyError as error:
            return _problem(404, str(error.args[0]))
        except ValidationError as error:
            return _problem(422, "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()))
        except Away as error:
            return _problem(503, str(error))
        except ValueError as error:  # DataError, FilterError and SpaceError are of this kind
            return _problem(422, str(error))
        except Exception as error:
            _log.error("%s failed", route, exc_info=error)
            return _problem(500, f"the shop made a mistake ({type(error).__name__}); the log of the kernel says which")

    # -- what is answered ---------------------------------------------------------------------------------------------

    def config(self, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """What the page's panel offers."""
        cards = [json.loads(card) for card in self.engine.cards(self.engine.products(limit=1_000_000)[0])]
        told = {name: sorted({card[name] for card in cards} - {None}) for name in ("department", "category")}
        return 200, {
            "spaces": [{"name": name, "weight": weight} for name, weight in self.engine.spaces.items()],
            "recommenders": list(self.engine.settings.switch),
            "departments": told["department"],
            "categories": told["category"],
            "max_price": max((card["price"] for card in cards if card["price"] is not None), default=None),
        }

    def events(self, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """Take one event or several: each that cannot be taken is refused alone."""
        read = _EVENTS.validate_python(body)
        given = read if isinstance(read, list) else [read]
        sent = [Sent(self.shopper, e.event_type, e.item_id, e.event_attr, e.id or "", e.timestamp) for e in given]
        made = [_taken(one, event) for one, event in zip(self.engine.take_many(sent), given, strict=True)]
        if all("refused" in one for one in made):
            return _problem(422, made[0]["refused"])
        return 202, {"taken": made}

    def for_you(self, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """The list that follows each click."""
        q = bodies.ForYouAsked.model_validate(asked)
        if q.by is not None and q.by not in self.engine.settings.switch:
            return _problem(422, f"by: {q.by!r} is not on the switch; it has {', '.join(self.engine.settings.switch)}")
        answer = self.engine.for_you(self.shopper, q.k, where=q.where, weights=q.by_space, by=q.by)
        return 200, self.listed("for-you", answer)

    def similar(self, item: str, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """What is like a product."""
        q = bodies.Weighed.model_validate(asked)
        return 200, self.listed("similar", self.engine.similar(item, q.k, where=q.where, weights=q.by_space))

    def look(self, item: str, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """What completes a product."""
        k = bodies.Many.model_validate(asked).k
        return 200, self.listed("complete-the-look", self.engine.complete_the_look(item, k))

    def also_bought(self, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """What goes with a cart; with the shopper's own where none is given."""
        q = bodies.CartIn.model_validate(body or {})
        return 200, self.listed("also-bought", self.engine.also_bought(q.cart or self.engine.cart(self.shopper), q.k))

    def buy_again(self, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """What is bought again and again."""
        k = bodies.Many.model_validate(asked).k
        return 200, self.listed("buy-again", self.engine.buy_again(self.shopper, k))

    def popular(self, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """What most people click."""
        q = bodies.ManyOfThese.model_validate(asked)
        return 200, self.listed("popular", self.engine.popular(q.k, where=q.where))

    def search(self, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """Products for a sentence."""
        q = bodies.SearchAsked.model_validate(asked)
        return 200, self.listed("search", self.engine.search(q.q, q.k, where=q.where))

    def products(self, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """A part of the shelf."""
        q = bodies.ShelfAsked.model_validate(asked)
        items, total = self.engine.products(q.where, q.offset, q.limit)
        return 200, {"items": [self.card(item) for item in items], "total": total, "offset": q.offset}

    def product(self, item: str, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """All that is known of a product."""
        return 200, {**self.engine.product(item), **self.card(item)}

    def session(self, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """What the shop believes of the shopper."""
        return 200, self.engine.session(self.shopper)

    def forget(self, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """Delete all that is kept of the shopper."""
        gone = self.engine.forget(self.shopper)
        self.shopper = secrets.token_hex(16)
        return 200, {"forgotten": gone}

    def health(self, asked: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """Whether all that the shop stands on answers."""
        return 200, self.engine.health()

    # -- products and lists as JSON -----------------------------------------------------------------------------------

    def listed(self, surface: str, answer: Answer) -> dict[str, Any]:
        """A list as the service tells it."""
        items = [
            {
                "score": _six(score),
                "why": {n: _six(of[at]) for n, of in answer.parts.items()},
                "product": self.card(item),
            }
            for at, (item, score) in enumerate(zip(answer.item_ids, answer.scores, strict=True))
            if self.engine.cards([item])  # else it was deleted since
        ]
        head = {"surface": surface, "by": answer.by, "notes": answer.notes, "degraded": answer.degraded}
        return {**head, "items": items}

    def card(self, item: str) -> dict[str, Any]:
        """A product's card."""
        return {**json.loads(self.engine.card(item)), "picture": self.picture(item)}

    def picture(self, item: str) -> str:
        """A product's drawing as a data URL."""
        return _data_url(self.engine.picture(item))


_ROUTES: Sequence[tuple[str, str, Callable[..., tuple[int, Any]]]] = (
    ("GET", "/config", Desk.config),
    ("POST", "/events", Desk.events),
    ("GET", "/for-you", Desk.for_you),
    ("GET", "/similar/([^/]+)", Desk.similar),
    ("GET", "/complete-the-look/([^/]+)", Desk.look),
    ("POST", "/also-bought", Desk.also_bought),
    ("GET", "/buy-again", Desk.buy_again),
    ("GET", "/popular", Desk.popular),
    ("GET", "/search", Desk.search),
    ("GET", "/products", Desk.products),
    ("GET", "/products/([^/]+)", Desk.product),
    ("GET", "/session", Desk.session),
    ("DELETE", "/session", Desk.forget),
    ("GET", "/health", Desk.health),
)
_WITH_TOKEN = (("PUT", "/products/[^/]+"), ("DELETE", "/products/[^/]+"), ("POST", "/lookalikes"), ("POST", "/refresh"))


def _six(value: float) -> float:
    """Six digits, as the service sends them."""
    return float(f"{value:.6g}")


def _data_url(svg: str) -> str:
    # In an <img> a drawing runs no script, whoever drew it.
    return f"data:image/svg+xml,{quote(svg)}"


def _problem(status: int, detail: str) -> tuple[int, dict[str, Any]]:
    from http import HTTPStatus

    return status, {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}


def _taken(made: Mapping[str, Any] | Exception, event: bodies.EventIn) -> dict[str, Any]:
    if isinstance(made, DataError | TypeError):
        return {"id": event.id or "", "new": False, "waiting": False, "refused": str(made)}
    if isinstance(made, Exception):
        raise made
    return dict(made)


class ShopWidget(anywidget.AnyWidget):
    """The shop as a widget of one random shopper: the page's module and looks, and messages in place of requests.

    The page sends {n, method, path, body} and hears {n, status, headers, body}.
    """

    _esm = PAGE / "shop.js"
    _css = PAGE / "shop.css"

    def __init__(self, engine: Engine, shopper: str | None = None) -> None:
        super().__init__()
        self.desk = Desk(engine, shopper)
        self.on_msg(self._hear)

    def _hear(self, _: Any, asked: Mapping[str, Any], buffers: Any) -> None:
        status, body = self.desk.answer(asked["method"], asked["path"], asked.get("body"))
        self.send({"n": asked["n"], "status": status, "headers": {}, "body": body})


def show(engine: Engine) -> ShopWidget | None:
    """The widget, where somebody can click; elsewhere one line that says so."""
    if not can_click():
        print("Here stands a shop to click, once this notebook runs in JupyterLab, VS Code or on Colab.")
        return None
    return ShopWidget(engine)


def story(engine: Engine, clicks: Sequence[tuple[str, str]], k: int = 6) -> Any:
    """The For-you row at the door and after each of these (event type, product), one below the other; as HTML.

    It is told of a shopper of its own, who is forgotten at the end.
    """
    desk = Desk(engine)
    try:
        before: list[str] | None = None
        rows = []
        for event_type, item in (("", ""), *clicks):
            if event_type:
                engine.take(desk.shopper, event_type, item, {"surface": "story"})
            items = list(engine.for_you(desk.shopper, k).item_ids)
            title = f"{_AFTER[event_type]} {_name(engine, item)}" if event_type else "at the door"
            rows.append(_row(engine, title, items, before))
            before = items
    finally:
        engine.forget(desk.shopper)
    return import_module("IPython.display").HTML("".join(rows))


def _row(engine: Engine, title: str, items: Sequence[str], before: Sequence[str] | None) -> str:
    figures = "".join(_figure(engine, item, _moved(item, at, before)) for at, item in enumerate(items))
    box = "border-top:1px solid #999;padding:6px 0"
    return f'<div style="{box}"><b>{escape(title)}</b><div style="display:flex;flex-wrap:wrap">{figures}</div></div>'


def _moved(item: str, at: int, before: Sequence[str] | None) -> str:
    """What became of a product between two lists, in a word.

    >>> [_moved(item, at, ["a", "b"]) for at, item in enumerate(["b", "c"])], _moved("a", 0, ["a"])
    (['up 1', 'new'], '')
    """
    if before is None:
        return ""
    by = before.index(item) - at if item in before else None
    return "new" if by is None else f"up {by}" if by > 0 else f"down {-by}" if by else ""


def _figure(engine: Engine, item: str, moved: str) -> str:
    box = "display:inline-block;width:104px;margin:4px;vertical-align:top;font-size:11px;line-height:1.25"
    mark = f"<br><b>{moved}</b>" if moved else ""
    drawn = f'<img alt="" width="96" height="96" src="{_data_url(engine.picture(item))}">'
    return f'<figure style="{box}">{drawn}<figcaption>{escape(_name(engine, item))}{mark}</figcaption></figure>'


def _name(engine: Engine, item: str) -> str:
    return str(engine.product(item).get("name") or item)
