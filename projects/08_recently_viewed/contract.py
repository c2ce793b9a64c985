"""What project 08 has to keep, and the measurement on the simulated shop."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from recsys_lab.datasets import DAY_MS, Shop, load_shop
from recsys_lab.shop import Away, Engine, Settings
from recsys_lab.shop.app import create_app

PATH = "/recently-viewed"
_KEYS = {"token": "token-of-the-keepers", "secret": "secret-of-the-cookies"}


@lru_cache(1)
def _small() -> Shop:
    shop = load_shop(impressions=False)
    start = int(shop.events["timestamp"].min())
    return shop.between(start, start + 3 * DAY_MS)


@lru_cache(1)
def _engine() -> Engine:
    """One for the whole contract: each part has shoppers of its own."""
    made = Engine(_small(), Settings(switch=("popular",), encoder=False))
    atexit.register(made.close)
    return made


@contextmanager
def _client(mine: Any, engine: Engine) -> Iterator[TestClient]:
    """Somebody new at the running service."""
    app = create_app(engine, **_KEYS)
    mine.add(app)
    with TestClient(app, raise_server_exceptions=False) as made:
        yield made


@contextmanager
def _away(engine: Engine) -> Iterator[None]:
    """The state does not answer for a while."""

    def away(shopper: str) -> None:
        raise Away("state", "it was taken away")

    answers, engine._inbox.visit = engine._inbox.visit, away  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        engine._inbox.visit = answers  # type: ignore[method-assign]


def _click(client: TestClient, item: str, kind: str = "clicked_on") -> None:
    told = client.post("/events", json={"event_type": kind, "item_id": item})
    assert told.status_code == 202, f"the contract's own event was refused: {told.text}"


def _ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, f"{PATH} answers {answer.status_code}: {answer.text[:200]}"
    return [one["product"]["item_id"] for one in answer.json()["items"]]


def check_order_and_once(mine: Any) -> None:
    """recently_viewed has the latest first and each product once, at its latest place."""
    engine = _engine()
    for item in ("P0001", "P0002", "P0003", "P0001"):
        engine.take("ada", "clicked_on", item)
    got = mine.recently_viewed(engine, "ada", 10)
    assert got.item_ids == ("P0001", "P0003", "P0002"), f"opened 1, 2, 3, 1: 1, 3, 2 is due, not {got.item_ids}"
    assert (got.by, got.degraded) == ("viewed", None), f'by "viewed", not degraded; yours: {got.by}, {got.degraded}'
    assert len(got.scores) == 3, f"three products, three scores; yours has {len(got.scores)}"
    assert list(got.scores) == sorted(got.scores, reverse=True), "scores fall from the first to the last"
    assert mine.recently_viewed(engine, "ada", 2).item_ids == ("P0001", "P0003"), "k=2: two products"


def check_only_what_was_opened(mine: Any) -> None:
    """what is in the cart is left out; a purchase or a cart is no view."""
    engine = _engine()
    for item in ("P0001", "P0002"):
        engine.take("bea", "clicked_on", item)
    engine.take("bea", "put_to_cart", "P0002")
    engine.take("bea", "buy", "P0005")
    got = mine.recently_viewed(engine, "bea").item_ids
    assert got == ("P0001",), f"P0002 is in the cart, P0005 was bought and never opened; yours: {got}"
    engine.take("bea", "removed_from_cart", "P0002")
    got = mine.recently_viewed(engine, "bea").item_ids
    assert set(got) == {"P0001", "P0002"}, f"P0002 was taken out of the cart, and was viewed; yours: {got}"


def check_nothing_viewed(mine: Any) -> None:
    """somebody new gets an empty list with a note, and no best-sellers under a false name."""
    engine = _engine()
    got = mine.recently_viewed(engine, "nobody")
    assert got.item_ids == (), f"nothing was viewed; yours: {got.item_ids}"
    assert got.notes, "a note has to say why the list is empty"


def check_deleted_products(mine: Any) -> None:
    """a product that is not in the shop any more is not listed."""
    engine = _engine()
    for item in ("P0001", "P0009"):
        engine.take("cleo", "clicked_on", item)
    engine.delete_product("P0009")
    got = mine.recently_viewed(engine, "cleo").item_ids
    assert got == ("P0001",), f"P0009 was deleted; yours: {got}"


def check_the_state_is_away(mine: Any) -> None:
    """while the state is away the list is what is popular, and says so."""
    engine = _engine()
    engine.take("dora", "clicked_on", "P0001")
    with _away(engine):
        got, plain = mine.recently_viewed(engine, "dora", 5), engine.popular(5).item_ids
    assert got.item_ids == plain, f"nothing waits here: what is popular is due, {plain}; yours: {got.item_ids}"
    assert (got.by, got.degraded) == ("popular", "state"), f'by "popular", degraded "state": {got.by}, {got.degraded}'
    assert got.notes, "a note has to say that this is not what was viewed"


def check_a_mistake_is_not_hidden(mine: Any) -> None:
    """only `Away` means away: another error is not turned into a plainer list."""
    engine = _engine()
    engine.session = lambda shopper: 1 // 0  # type: ignore[assignment, method-assign, return-value]
    try:
        mine.recently_viewed(engine, "eve")
    except ZeroDivisionError:
        return
    finally:
        del engine.session  # the class's own stands behind it
    raise AssertionError("a mistake of ours became a list; nobody would ever see it")


def check_the_address(mine: Any) -> None:
    """GET /recently-viewed shows what the cookie's shopper opened, and nobody else's."""
    engine = _engine()
    with _client(mine, engine) as ada, _client(mine, engine) as eve:
        for item in ("P0001", "P0002"):
            _click(ada, item)
        assert _ids(ada.get(f"{PATH}?k=5")) == ["P0002", "P0001"], "two clicks, the latest first"
        assert ada.get(PATH).json()["surface"] == "recently-viewed", 'the surface is "recently-viewed"'
        assert _ids(eve.get(PATH)) == [], "somebody else sees what ada opened"
        sneaky = eve.get(f"{PATH}?shopper=ada")
        assert sneaky.status_code == 422, f"?shopper= is no field: 422 is due, not {sneaky.status_code}"


def check_nonsense(mine: Any) -> None:
    """a k that cannot be gets one clear sentence, as everywhere in the shop."""
    with _client(mine, _engine()) as client:
        for k in ("0", "-1", "ten", "100000"):
            got = client.get(f"{PATH}?k={k}")
            assert got.status_code == 422, f"k={k}: 422 is due, not {got.status_code}"
            assert got.headers["content-type"] == "application/problem+json", f"k={k}: no problem+json"


def check_the_header(mine: Any) -> None:
    """an answer while the state is away says so in its header, and the metrics count it."""
    engine = _engine()
    with _client(mine, engine) as client, _away(engine):
        got = client.get(f"{PATH}?k=3")
        assert len(_ids(got)) == 3, "the page must not have a hole"
        assert got.headers.get("recsys-degraded") == "state", "the header Recsys-Degraded has to say state"
        assert 'shop_degraded_total{what="state"} 1.0' in client.get("/metrics").text, "the metrics have to count it"


def measure(mine: Any) -> None:
    """How often does the next click go back to something that the shopper viewed before?"""
    from recsys_lab.evaluation import interval, next_board

    split = load_shop(impressions=False).split()
    board = next_board(split.before_test, split.test)
    back, depth = [], []
    for context, truth in zip(board.contexts, board.truth or (), strict=True):
        seen = [
            event.item_id for event in (*(context.history or ()), *context.session) if event.event_type == "clicked_on"
        ]
        latest = [item for item in dict.fromkeys(reversed(seen)) if item != context.viewed][:10]
        back.append(float(next(iter(truth)) in latest))
        depth.append(len(set(seen)))
    went, many = np.array(back), np.array(depth)
    print(f"\nthe next click goes back to one of the ten viewed last: {interval(went, board.units)}")
    for low, high in ((1, 3), (4, 10), (11, 10**9)):
        kept = (many >= low) & (many <= high)
        name = f"{low} to {high}" if high < 10**9 else f"{low} or more"
        print(f"  {name:>10} products viewed so far ({kept.sum():,}): {interval(went[kept], board.units[kept])}")
