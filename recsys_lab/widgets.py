"""The page that follows the click: a fresh list, and beside it what the live state knows; to click, or as a picture.

`Page.show` makes buttons of ipywidgets where somebody can press them. `Page.story` is its static twin: the same page
after each of a few clicks, as HTML that stands still.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import pandas as pd

from recsys_lab.datasets import Event, Shop
from recsys_lab.realtime import Live

FEATURES = ("session_vector", "mine_category", "last_products", "co_click")
"""What is shown of the features of each product, as far as the live state has them."""
_CAPTION = "font-size:10px;line-height:1.2;font-weight:normal;text-align:left;white-space:normal"
_PAUSE_MS = 20_000  # between two clicks of the page's shopper


class Page:
    """A page of `k` products for one shopper, made anew after each click.

    `live` needs a shop and a `SessionVector`; the page's clicks go into it, so give it one of its own. `shop` has the
    names and pictures. Time begins at `now_ms` and goes on by some seconds with each click.

    >>> from recsys_lab.datasets import load_shop
    >>> shop = load_shop(impressions=False)
    >>> page = Page(Live(shop=shop), shop, now_ms=1_778_000_000_000, k=3)
    >>> first = page.items
    >>> page.do("clicked_on", first[2])
    >>> len(page.items), page.items != first, list(page.state()["last products"]) == [first[2]]
    (3, True, True)
    """

    def __init__(self, live: Live, shop: Shop, *, now_ms: int, k: int = 8, tastes: int = 3) -> None:
        self.live, self.now_ms, self.k, self.tastes = live, now_ms, k, tastes
        self._products = shop.products.set_index("item_id")
        self._visits = 0
        self.restart()

    def restart(self) -> None:
        """Begin with a shopper of whom nothing is known."""
        self._visits += 1
        self.shopper = f"visitor {self._visits}"
        self._renew()

    def do(self, event_type: str, item_id: str) -> None:
        """Let the shopper do something with a product: an event is taken, and the page is made anew."""
        self.now_ms += _PAUSE_MS
        place = self.items.index(item_id) + 1 if item_id in self.items else 0
        attr: dict[str, str | int] = {"position": place, "surface": "page"} if place else {"surface": "page"}
        self.live.take(Event(self.shopper, item_id, event_type, self.now_ms, f"{self.shopper}'s visit", attr))
        self._renew()

    def _renew(self) -> None:
        visit = self.live.visit(self.shopper, self.now_ms)
        open_now = [visit.events[-1].item_id] if visit.events else []
        made = self.live.top(self.shopper, self.k, now_ms=self.now_ms, exclude=open_now, tastes=self.tastes)
        self.items = list(made.item_ids)

    # -- what there is to see -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What the live state holds of the shopper: events, the last products, clicks by category."""
        visit = self.live.visit(self.shopper, self.now_ms)
        counts = {name.removeprefix("category/"): n for name, n in visit.own.items() if name.startswith("category/")}
        last = list(dict.fromkeys(event.item_id for event in reversed(visit.events)))[:3]
        return {"events": len(visit.events), "last products": last, "by category": counts}

    def features(self) -> pd.DataFrame:
        """The features of the products on the page, one row each."""
        held = self.live.features(self.shopper, self.items, self.now_ms)
        return held[[name for name in FEATURES if name in held.columns]]

    def story(self, clicks: Sequence[tuple[str, str]]) -> Any:
        """The page at the door and after each of these (event type, product), one below the other; as HTML."""
        rows = [self._step("at the door")]
        for event_type, item in clicks:
            self.do(event_type, item)
            rows.append(self._step(f"{event_type}: {self._name(item)}", item))
        return _display().HTML("".join(rows))

    def _step(self, title: str, item: str | None = None) -> str:
        picture = "" if item is None else self._figure(item, 72)
        left = f'<div style="width:200px;flex:none"><b>{escape(title)}</b><br>{picture}{self._state_html()}</div>'
        row = "display:flex;gap:12px;border-top:1px solid #999;padding:6px 0"
        return f'<div style="{row}">{left}<div>{self._features_html(pictures=True)}</div></div>'

    def _figure(self, item: str, width: int) -> str:
        box = f"display:inline-block;width:{width}px;margin:3px;vertical-align:top;{_CAPTION}"
        drawn = self._products["picture"].get(item, "") if "picture" in self._products.columns else ""
        return f'<figure style="{box}">{drawn}<figcaption>{escape(self._name(item))}</figcaption></figure>'

    def _name(self, item: str) -> str:
        return str(self._products["name"].get(item, item)) if "name" in self._products.columns else item

    def _state_html(self) -> str:
        state = self.state()
        state["last products"] = ", ".join(self._name(item) for item in state["last products"]) or "none"
        state["by category"] = ", ".join(f"{name} {n}" for name, n in state["by category"].items()) or "none"
        lines = "".join(f"<li>{escape(name)}: {escape(str(value))}</li>" for name, value in state.items())
        return f'<ul style="font-size:11px;margin:4px 0;padding-left:16px">{lines}</ul>'

    def _features_html(self, pictures: bool = False) -> str:
        """A column for each product of the page, headed by its picture or its place."""
        cell = 'style="font-size:11px;text-align:right;padding:1px 6px;vertical-align:top"'
        heads = [self._figure(item, 72) if pictures else str(at) for at, item in enumerate(self.items, start=1)]
        rows = [f"<th {cell}></th>" + "".join(f'<th scope="col" {cell}>{head}</th>' for head in heads)]
        for name, values in self.features().items():
            numbers = "".join(f"<td {cell}>{value:.2f}</td>" for value in values)
            rows.append(f'<th scope="row" {cell}>{escape(str(name))}</th>{numbers}')
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"

    # -- to click -----------------------------------------------------------------------------------------------------

    def show(self) -> Any:
        """The page with buttons, where somebody can press them; elsewhere one line that says so, and nothing else."""
        try:
            widgets: Any = importlib.import_module("ipywidgets")
        except ModuleNotFoundError:
            print("Skipped: the page to click needs one more package: python -m pip install 'ipywidgets>=7.7,<9'")
            return None
        if not can_click():
            print("Here stands a page to click, once this notebook runs in JupyterLab, VS Code or on Colab.")
            return None
        return self.widget(widgets)

    def widget(self, widgets: Any) -> Any:
        """The buttons and what they change; `widgets` is ipywidgets, 7.7 or 8."""
        pictures = [widgets.HTML() for _ in range(self.k)]
        state, features = widgets.HTML(), widgets.HTML()
        cells: list[Any] = []
        pressed: list[Any] = []

        def draw() -> None:
            for picture, buttons, item in zip(pictures, pressed, self.items, strict=False):
                picture.value = self._figure(item, 110)
                for button in buttons:
                    button.tooltip = f"{button.description}: {self._name(item)}"
            state.value = f"<b>{self.shopper}</b>{self._state_html()}"
            features.value = self._features_html()

        for at, picture in enumerate(pictures):
            look, cart = (widgets.Button(description=word, layout=widgets.Layout(width="60px")) for word in _BUTTONS)
            for button, event_type in zip((look, cart), _BUTTONS.values(), strict=True):
                button.on_click(self._pressed(event_type, at, draw))
            pressed.append((look, cart))
            cells.append(widgets.VBox([picture, widgets.HBox([look, cart])], layout=widgets.Layout(width="136px")))
        again = widgets.Button(description="another shopper")

        def begin(_: Any) -> None:
            self.restart()
            draw()

        again.on_click(begin)
        draw()
        shelf = widgets.HBox(cells, layout=widgets.Layout(flex_flow="row wrap", width="600px"))
        return widgets.HBox([widgets.VBox([shelf, features]), widgets.VBox([state, again])])

    def _pressed(self, event_type: str, at: int, then: Callable[[], None]) -> Callable[[Any], None]:
        def pressed(_: Any) -> None:
            self.do(event_type, self.items[at])
            then()

        return pressed


_BUTTONS = {"look": "clicked_on", "cart": "put_to_cart"}


def can_click() -> bool:
    """Whether somebody sits before this notebook: JupyterLab names the cell that runs, Colab and VS Code themselves."""
    if "google.colab" in sys.modules:
        return True
    shell: Any = importlib.import_module("IPython").get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return False
    return "cellId" in kernel.get_parent().get("metadata", {}) or "__vsc_ipynb_file__" in shell.user_ns


def _display() -> Any:
    return importlib.import_module("IPython.display")
