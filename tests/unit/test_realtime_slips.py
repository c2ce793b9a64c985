"""What somebody writes by mistake is refused in words, and never answered with numbers that look right."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.datasets import DataError, Event, Shop
from recsys_lab.realtime import (
    Accumulator,
    Add,
    CoClick,
    Live,
    LiveError,
    OnlineItemKNN,
    Own,
    Pairs,
    Popularity,
    Question,
    Trending,
    by_key,
    standard,
)
from tests.realtime_streams import SHOP

T = 1_700_000_000_000


def click(item: str = "a", at: int = T, shopper: str = "u", **attr: str | int) -> Event:
    return Event(shopper, item, "clicked_on", at, f"{shopper}/1", attr)


@pytest.fixture
def shop() -> Iterator[Live]:
    with Live(shop=SHOP) as made:
        made.take_many([click("a"), click("b", T + 1)])
        yield made


# -- times ------------------------------------------------------------------------------------------------------------


def test_an_event_in_seconds_is_refused(shop: Live) -> None:
    for time in (10**8, T // 1000, 10**11 - 1):
        with pytest.raises(DataError, match=f"timestamp: {time}: these look like seconds; multiply by 1000"):
            shop.take(click(at=time))
        with pytest.raises(DataError, match="seconds"):
            shop.take_many([click(at=T + 5), click(at=time)])
    assert len(list(shop.log())) == 2
    assert all(one.new for one in shop.take_many([click(at=10**8 - 1), click(at=10**11)]))


ASKED: dict[str, Callable[[Live, Any], Any]] = {
    "visit": lambda live, now: live.visit("u", now),
    "features": lambda live, now: live.features("u", ["a"], now),
    "best": lambda live, now: live.best("popularity", "u", ["a"], now),
    "top": lambda live, now: live.top("u", 3, now_ms=now),
    "expire": lambda live, now: live.expire(now),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=list(ASKED))
def test_a_question_of_another_time_is_refused(shop: Live, ask: Callable[[Live, Any], Any]) -> None:
    for time, said in (
        (T // 1000, "seconds; multiply by 1000"),
        (T * 1000, "after the year 3000"),
        (-1, "before 1970"),
    ):
        with pytest.raises(DataError, match=f"now_ms: {time}.*{said}"):
            ask(shop, time)
    for wrong in ("now", pd.Timestamp(T, unit="ms"), T / 1, None, True):
        with pytest.raises(TypeError, match=r"now_ms: .* is no whole number of milliseconds since 1970; make one: int"):
            ask(shop, wrong)
    ask(shop, np.int64(T + 5))
    assert len(shop.visit("u", T + 5).events) == 2


# -- the contract of accumulators -------------------------------------------------------------------------------------


class Mine(Accumulator):
    """What its update gives is `gives`."""

    name = "mine"

    def __init__(self, gives: Any) -> None:
        self.gives = gives

    def update(self, event: Event, facts: object) -> Any:
        return self.gives

    def features(self, asked: Question) -> Mapping[str, Any]:
        return {"mine": np.zeros(len(asked.items))}


@pytest.mark.parametrize(
    "change",
    [
        ("taken_out/buy", "a"), None, "text", 5, Add("t", "a", 0.5), Add("t", "a", True), Add("t", "a", np.int64(1)),  # type: ignore[arg-type]
        Add("t", 5), Add(None, "a"), Add("t", "a", 1, 0.5), Pairs("t", 0.5), Pairs(None, 5), Own("f", 0.5),  # type: ignore[arg-type]
        Own(5), Own("f", 1, "frist"),  # type: ignore[arg-type]
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("keyed", [False, True])
def test_what_is_no_change_is_refused(change: Any, keyed: bool) -> None:
    mine = Mine([Add("t", "a"), change])
    with Live(accumulators=[by_key(mine, "device") if keyed else mine]) as live:
        with pytest.raises(TypeError, match=r"^mine: update gives .* which is no change; yield Add\(table, field, n\)"):
            live.take(click())
        assert list(live.log()) == []
        assert live.state().tables == {}


@pytest.mark.parametrize("told", [None, 5, Add("t", "a"), Own("f")], ids=repr)
@pytest.mark.parametrize("keyed", [False, True])
def test_a_forgotten_yield_is_named(told: Any, keyed: bool) -> None:
    with Live(accumulators=[by_key(Mine(told), "device") if keyed else Mine(told)]) as live:
        with pytest.raises(TypeError, match=r"^mine: update answers with .*: yield each \(yield Add"):
            live.take(click())
        assert list(live.log()) == []


def test_changes_of_every_kind_are_kept() -> None:
    changes = [Add("t", "a"), Add("t", "a", -3, T + 5), Own("f", 0, "last"), Own("g", 5, "first"), Pairs("p", 10)]
    with Live(accumulators=[Mine(changes), Mine2(iter(()))]) as live:
        live.take(click())
        assert live.table("t") == {"a": -2}
        assert live.visit("u", T).own["g"] == 5


class Mine2(Mine):
    name = "mine2"


@pytest.mark.parametrize("events", [("click",), ["clicked_on", "bought"], "clicked_on", ""])
def test_events_that_never_come_are_refused(events: Any) -> None:
    class Deaf(Popularity):
        pass

    Deaf.events = events
    if events == "":
        Live(accumulators=[Deaf()]).close()  # of no events, as for those that keep nothing
        return
    with pytest.raises(ValueError, match=r"accumulators: events of popularity are .*impression, clicked_on"):
        Live(accumulators=[Deaf()])


def test_a_table_that_nobody_wanted_is_no_column_of_zeros(shop: Live) -> None:
    class Wanting(Popularity):
        name = "wanting"

        def wants(self, asked: Question) -> Mapping[str, Sequence[str]]:
            return {"popularity": asked.items, "empty": asked.items}

        def features(self, asked: Question) -> Mapping[str, Any]:
            return {"wanting": asked.column("popularity") + asked.column("empty"), "no": asked.column("populariti")}

    with Live(accumulators=[Wanting()]) as live:
        live.take(click())
        for ask in (
            lambda: live.features("u", ["a"], T),
            lambda: live.best("no", "u", ["a"], T),
            live.training_rows,
        ):
            with pytest.raises(
                ValueError, match=r"column\('populariti'\): wants asks for 'popularity', 'empty', and not"
            ):
                ask()
    many = {str(number): {} for number in range(30)}
    with pytest.raises(ValueError, match=r"'9', …, and not for this table"):
        Question(shop.visit("u", T), ["a"], T, shop.facts, many).column("x")
    with pytest.raises(ValueError, match="wants asks for none"):
        Question(shop.visit("u", T), ["a"], T, shop.facts).column("x")


def test_tables_that_are_wanted_and_empty_are_zeros(tmp_path: Path) -> None:
    everything = [*standard(), by_key(Trending(), "device"), by_key(Popularity(), "region")]
    for url in ("memory://", f"sqlite://{tmp_path}/live.db"):
        with Live(url, SHOP, everything) as live:
            told = live.features("nobody", ["a", "b"], T)
            assert told[["popularity", "trending", "co_click", "item_knn", "trending_by_device"]].to_numpy().sum() == 0
            for name in told.columns:
                assert len(live.best(name, "nobody", ["a"], T)) <= 1
    with Live(accumulators=[OnlineItemKNN()]) as alone:  # reads what others keep, who are not there
        alone.take(click())
        assert alone.features("u", ["a", "b"], T)["item_knn"].tolist() == [0, 0]


# -- what is given in the wrong place ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Live(accumulators=[Popularity]), r"Popularity is a class; make an accumulator of it: Popularity\(\)"),  # type: ignore[list-item]
        (lambda: Live(accumulators=Popularity()), r"no list of them; give one: \[Popularity\(\)\]"),  # type: ignore[arg-type]
        (lambda: Live(accumulators=Popularity), "no list of them"),  # type: ignore[arg-type]
        (lambda: Live(accumulators=5), "accumulators: 5 is no list of them"),  # type: ignore[arg-type]
        (lambda: Live(accumulators=["popularity"]), "str is no accumulator; inherit from"),  # type: ignore[list-item]
        (lambda: Live(SHOP), r"url: Shop is no address; .*Live\(shop=shop\)"),  # type: ignore[arg-type]
        (lambda: Live(Path("live.db")), "url: .*Path is no address"),  # type: ignore[arg-type]
        (lambda: Live("memory://", SHOP.products), r"shop: DataFrame is no Shop; Live\('memory://', shop\)"),  # type: ignore[arg-type]
        (lambda: Live("memory://", [Popularity()]), "shop: list is no Shop"),  # type: ignore[arg-type]
    ],
)
def test_what_a_live_is_made_of(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        call()


def test_an_accumulator_has_a_name() -> None:
    class Nameless(Accumulator):
        pass

    with pytest.raises(ValueError, match="Nameless has no name; give it one: name = 'mine'"):
        Live(accumulators=[Nameless()])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda live: live.take_many(click()), r"one Event; take\(event\), or take_many\(\[event\]\)"),
        (lambda live: live.take_many(SHOP.events), r"DataFrame holds no Events; .*as_events\(frame\)"),
        (lambda live: live.take_many(SHOP), "Shop holds no Events"),
        (lambda live: live.take_many(None), "NoneType holds no Events"),
        (lambda live: live.take_many(["a"]), "str is no Event"),
        (lambda live: live.features(5, ["a"], T), "shopper: 5 is no label; labels are texts: '5'"),
        (lambda live: live.visit(None, T), "shopper: None is no label"),
        (lambda live: live.best("popularity", 5, ["a"], T), "shopper: 5"),
        (lambda live: live.top(5, now_ms=T), "shopper: 5"),
        (lambda live: live.forget(5), "shopper: 5"),
        (
            lambda live: live.features("u", "abc", T),
            r"items: 'abc' is a text, .*letter by letter; give a list: \['abc'\]",
        ),
        (lambda live: live.best("popularity", "u", "abc", T), "letter by letter"),
        (lambda live: live.top("u", now_ms=T, exclude="abc"), "exclude: 'abc' is a text"),
        (lambda live: live.features("u", None, T), "items: None is no list of products"),
        (lambda live: live.features("u", [5], T), "items: 5 is no label of a product; labels are texts: '5'"),
    ],
)
def test_what_a_live_is_given(shop: Live, call: Callable[[Live], Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        call(shop)
    assert len(list(shop.log())) == 2


def test_products_and_event_types_that_are_not_there(shop: Live) -> None:
    for call in (lambda: shop.features("u", ["a", "boot"], T), lambda: shop.best("popularity", "u", ["boot"], T)):
        with pytest.raises(DataError, match="items: 'boot' is not among the shop's products"):
            call()
    with Live(accumulators=[Popularity()]) as anything:  # without a shop nobody knows which there are
        assert anything.features("u", ["boot"], T)["popularity"].tolist() == [0]
    for wrong, said in ((["click"], "'click' is no event type"), ("buy", "'buy' is a text"), (["buy", "Buy"], "'Buy'")):
        with pytest.raises(ValueError, match=f"event_types: {said}.*; give a list of some of impression, clicked_on"):
            shop.training_rows(wrong)
    assert len(shop.training_rows(["clicked_on"])) == 2
    with pytest.raises(ValueError, match="k: 0 is no length"):
        shop.best("popularity", "u", ["a"], T, k=0)


def test_products_may_come_in_any_collection(shop: Live) -> None:
    wanted = shop.features("u", ["a", "b"], T + 5)
    for items in (("a", "b"), np.array(["a", "b"]), pd.Series(["a", "b"]), (item for item in "ab")):
        pd.testing.assert_frame_equal(shop.features("u", items, T + 5), wanted)


# -- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_of_no_accumulator_is_refused(tmp_path: Path) -> None:
    accumulators = [Popularity(), Trending(), CoClick(), by_key(Popularity(), "device")]
    for url in ("memory://", f"sqlite://{tmp_path}/live.db"):
        with Live(url, SHOP, accumulators) as live:
            for none_yet in ("popularity", "co_click/a", "trending/1", "device=phone/popularity", "device/popularity"):
                assert live.table(none_yet) == {}
            with pytest.raises(
                ValueError, match=r"no table is called 'populariti'; there are .*popularity, trending/…"
            ):
                live.table("populariti")
            live.take_many([click("a", device="phone"), click("b", T + 1)])
            assert live.table("device=phone/popularity") == {"a": 1}
            assert live.table("co_click/c") == {}
            for wrong in (
                "populariti",
                "co_clicks/a",
                "co_click",
                "trending",
                "popularity ",
                "",
                "devise=phone/popularity",
            ):
                with pytest.raises(
                    ValueError, match=r"no table is called .*; there are co_click/…, device.*popularity"
                ):
                    live.table(wrong)


def test_a_table_that_is_there_is_given_whatever_its_name() -> None:
    with Live(accumulators=[Mine([Add("other", "a"), Add("deep/x", "a")])]) as live:
        live.take(click())
        assert live.table("other") == live.table("deep/x") == {"a": 1}
        assert live.table("deep/y") == live.table("mine") == live.table("mine/z") == {}
        with pytest.raises(ValueError, match=r"there are deep/…, other$"):
            live.table("another")


# -- closed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_what_is_closed_says_so(kind: str, tmp_path: Path) -> None:
    url = "memory://" if kind == "memory" else f"sqlite://{tmp_path}/live.db"
    live = Live(url, SHOP)
    live.take(click())
    live.close()
    live.close()
    calls: list[Callable[[], Any]] = [
        lambda: live.take(click("b")), lambda: live.take_many([click("b")]), lambda: live.visit("u", T),
        lambda: live.features("u", ["a"], T), lambda: live.top("u", now_ms=T), lambda: live.table("popularity"),
        live.log, live.replay, live.training_rows, lambda: live.forget("u"),
        lambda: live.expire(T), live.state,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(LiveError, match="closed; open it again"):
            call()


def test_a_thread_that_is_under_way_when_it_is_closed_hears_the_same(tmp_path: Path) -> None:
    live = Live(f"sqlite://{tmp_path}/live.db", SHOP)
    store: Any = live._store
    live.visit("u", T)  # this thread has a connection of its own
    waits, heard = threading.Event(), []

    def write() -> None:
        waits.set()
        try:
            store.take(click(), [])
        except LiveError as error:
            heard.append(str(error))

    with store._lock:
        thread = threading.Thread(target=write)
        thread.start()
        waits.wait()
        live.close()
    thread.join()
    with pytest.raises(LiveError, match="closed"):
        store.visit("u", T)
    assert heard == [f"sqlite: {tmp_path}/live.db is closed; open it again"]


def test_the_shop_itself_is_asked_as_before(shop: Live) -> None:
    assert isinstance(SHOP, Shop)
    assert shop.features("u", ["a", "b"], T + 5)["popularity"].tolist() == [1, 1]


def test_an_error_of_an_accumulators_own_stays_what_it_is() -> None:
    class Broken(Popularity):
        def update(self, event: Event, facts: object) -> Iterator[Add]:
            yield Add("popularity", event.item_id + event.timestamp)  # type: ignore[operator]

    with Live(accumulators=[Broken()]) as live, pytest.raises(TypeError, match="can only concatenate str"):
        live.take(click())
