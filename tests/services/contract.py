"""What a vector store has to do, whichever database stands behind it. For a store of your own:

    from contract import StoreContract

    class TestMine(StoreContract):
        persistent = True            # does a new store on the same address find everything again?

        @pytest.fixture
        def url(self, tmp_path):
            return f"mine://{tmp_path}"

The store in memory is the oracle: the same points, the same question, the same list.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from recsys_lab.filters import Filter, FilterError, field
from recsys_lab.stores import BaseStore, StoreError, open_store, refresh, rollback, versions

DIM = 16
COUNT = 240
EVIL = [
    "Crème brûlée 🍮",
    'it\'s "quoted" \\ back',
    "'; DROP TABLE recsys_collections; --",
    '" or 1 == 1 or "',
    "%s {x} $1 :name ?",
    "line\nbreak\ttab",
    "0123456789abcdef0123456789abcdef",  # looks like a UUID
    "[1]",
    "null",
    " ",
    "",
    "ẞß İi ñ n\u0303",
]
price, name, colour, tags, sale = field("price"), field("name"), field("colour"), field("tags"), field("on_sale")
odd = field('a "b".c[0] é')

FILTERS: list[Filter] = [
    price == 20,
    price != 20,
    price < 20.5,
    price <= 20.5,
    price > 20.5,
    price >= 20.5,
    price > -1.5e-7,
    price <= 1e22,
    price < float("inf"),
    ~(price > float("-inf")),
    price.isin([3, 4.5, 20.0, -0.0]),
    price.notin([3, 20]),
    price.isin([]),
    price.notin([]),
    ~(price <= 20.5),
    ~(price != 20),
    colour == "red",
    colour != "red",
    ~(colour == "red"),
    colour.isin(["red", "blue"]),
    colour.notin(["red", "blue"]),
    colour < "green",
    colour >= "green",
    ~(colour > "blue"),
    colour == "Red",
    name.contains("e"),
    name.contains(""),
    ~name.contains("e"),
    name.contains("DROP TABLE"),
    name.contains("é"),
    name < "ñ",
    sale == True,  # noqa: E712
    sale != True,  # noqa: E712
    ~(sale == False),  # noqa: E712
    tags.contains("summer"),
    tags.contains(3),
    tags.contains(3.0),
    tags.contains(True),
    ~tags.contains("summer"),
    odd >= 5,
    ~(odd >= 5),
    (price < 50) & (colour == "red") & ~tags.contains("summer"),
    (price < 10) | (colour == "blue") | (odd == 3),
    ~((price < 10) | ~(colour != "blue")),
    ~~(price < 10),
    *(name == text for text in EVIL),
    *(name.contains(text) for text in EVIL),
]


def points(seed: int = 0) -> tuple[list[str], Any, list[dict[str, Any]]]:
    """Points with every kind of value, some of them missing."""
    rng = np.random.default_rng(seed)
    ids = [f"p{number:03d}" for number in range(COUNT - len(EVIL) + 1)] + [text for text in EVIL if text]
    payloads: list[dict[str, Any]] = []
    for number in range(COUNT):
        full = {
            "price": [20, 20.5, 3, 4.5, -1, 1e22, 0, -1e-7][number % 8] if number % 3 else float(number),
            "name": EVIL[number % len(EVIL)],
            "colour": ["red", "green", "blue", "Red"][number % 4],
            "tags": [[], ["summer"], ["winter", 3], [3.0, True], ["summer", "winter"]][number % 5],
            "on_sale": bool(number % 2),
            'a "b".c[0] é': number % 9,
        }
        gone = {key for key in full if rng.random() < 0.2}
        payloads.append(
            {key: None if key in gone and number % 2 else full[key] for key in full if key not in gone or number % 2}
        )
    return ids, rng.normal(size=(COUNT, DIM)) * rng.uniform(0.2, 3, size=(COUNT, 1)), payloads


def random_filter(rng: np.random.Generator, depth: int = 3) -> Filter:
    if depth == 0 or rng.random() < 0.2:
        return FILTERS[int(rng.integers(len(FILTERS)))]
    left, right = random_filter(rng, depth - 1), random_filter(rng, depth - 1)
    return [left & right, left | right, ~left][int(rng.integers(3))]


def same(found: Any, wanted: Any) -> None:
    """The same scores to 1e-5 and the same ids, where no two scores come nearer than that."""
    assert len(found) == len(wanted)
    assert np.allclose(found.scores, wanted.scores, atol=1e-5, rtol=0)
    scores = np.array(wanted.scores)
    clear = np.ones(len(scores), dtype=bool)
    clear[1:] &= -np.diff(scores) > 1e-5
    clear[:-1] &= -np.diff(scores) > 1e-5
    assert [one for one, ok in zip(found.item_ids, clear, strict=True) if ok] == [
        one for one, ok in zip(wanted.item_ids, clear, strict=True) if ok
    ]
    assert len(clear) < 5 or clear.mean() > 0.8


class StoreContract:
    persistent = False
    most_points = 100_000
    """As many points as the store says that it is for; at most 100,000 are tried."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError("a contract test names the address of its store")

    @pytest.fixture
    def restart(self) -> Callable[[], None]:
        """What has to happen between closing a store and opening it again; servers are started anew."""
        return lambda: None

    @pytest.fixture
    def store(self, url: str) -> Iterator[BaseStore]:
        with open_store(url) as store:
            yield store

    @pytest.fixture
    def new(self) -> str:
        """A name that no other test has used: servers outlive a test."""
        return "t" + uuid.uuid4().hex[:20]

    @pytest.fixture
    def small(self, store: BaseStore, new: str) -> Any:
        things = store.collection(new, 2)
        things.upsert(["a", "b", "c"], [[1, 0], [3, 4], [0, 2]], [{"price": 20}, {"price": 95, "name": "x"}, None])
        return things

    # -- answers ----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("metric", ["cosine", "dot"])
    def test_the_same_answers_as_in_memory(self, store: BaseStore, new: str, metric: Any) -> None:
        ids, vectors, payloads = points()
        longest = float(np.linalg.norm(vectors, axis=1).max()) + 0.1
        rng = np.random.default_rng(1)
        filters: list[Filter | None] = [None, *FILTERS, *(random_filter(rng) for _ in range(60))]
        with open_store("memory://") as memory:
            oracle = memory.collection("oracle", DIM, metric, max_norm=longest)
            things = store.collection(new, DIM, metric, max_norm=longest)
            for one in (oracle, things):
                one.upsert(ids, vectors, payloads)
            passed = 0
            for where in filters:
                question = rng.normal(size=DIM)
                found, wanted = (one.search(question, 12, where, exact=True) for one in (things, oracle))
                try:
                    same(found, wanted)
                except AssertionError as error:
                    raise AssertionError(f"{where}: {found} instead of {wanted}") from error
                passed += len(wanted) > 0
            assert passed > 0.7 * len(filters)
            assert things.count() == oracle.count() == COUNT

    def test_scores_are_what_the_formula_says(self, small: Any) -> None:
        found = small.search([1, 1], k=3)
        assert found.item_ids == ("b", "a", "c")
        assert np.allclose(found.scores, [7 / 50**0.5, 1 / 2**0.5, 1 / 2**0.5], atol=1e-5)

    def test_an_inner_product_with_nothing_is_zero(self, store: BaseStore, new: str) -> None:
        things = store.collection(new, 2, "dot", max_norm=10)
        things.upsert(["b", "a"], [[1, 2], [3, 4]])
        assert things.search([0, 0]).item_ids == ("a", "b")
        assert things.search([0, 0]).scores == (0.0, 0.0)

    def test_ties_fall_by_id(self, store: BaseStore, new: str) -> None:
        things = store.collection(new, 3)
        ids = [f"{number:02d}é" for number in np.random.default_rng(0).permutation(90)]
        things.upsert([*ids, "best"], [*([[1, 2, 3]] * 90), [1, 0, 0]])
        assert things.search([1, 0, 0], k=6).item_ids == ("best", *sorted(ids)[:5])

    def test_more_asked_than_there_are(self, small: Any) -> None:
        assert len(small.search([1, 1], k=500)) == 3

    def test_the_index_too_finds_the_best(self, store: BaseStore, new: str) -> None:
        rng = np.random.default_rng(3)
        things, vectors = store.collection(new, DIM), rng.normal(size=(200, DIM))
        things.upsert([str(number) for number in range(200)], vectors, [{"n": number} for number in range(200)])
        late = field("n") >= 100
        hits = [things.search(vectors[at], 1, late, exact=False).item_ids == (str(at),) for at in range(190, 200)]
        assert sum(hits) >= 9

    # -- nothing there ----------------------------------------------------------------------------------------------

    def test_an_empty_collection(self, store: BaseStore, new: str) -> None:
        things = store.collection(new, 2)
        assert things.count() == 0
        assert len(things.search([1, 0])) == 0
        assert len(things.search([1, 0], where=field("price") < 3)) == 0
        assert things.get(["a"]) == {}
        things.delete(["a"])
        things.upsert([], [])
        assert new in store.collections()

    def test_nothing_passes(self, small: Any) -> None:
        found = small.search([1, 1], where=price > 1000)
        assert (found.item_ids, found.scores) == ((), ())

    def test_unknown_ids(self, small: Any) -> None:
        assert list(small.get(["c", "nobody", "a"])) == ["c", "a"]
        small.delete(["nobody", "a"])
        assert small.count() == 2
        assert "a" not in small.search([1, 0], k=5).item_ids
        small.delete(["b", "c"])
        assert small.count() == 0
        assert len(small.search([1, 0])) == 0

    # -- what is kept -----------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("metric", ["cosine", "dot"])
    def test_points_come_back_as_they_were(self, store: BaseStore, new: str, metric: Any) -> None:
        ids, vectors, payloads = points()
        things = store.collection(new, DIM, metric, max_norm=100)
        things.upsert(ids, vectors, payloads)
        found = things.get(ids)
        assert list(found) == ids
        kept = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if metric == "cosine" else vectors
        assert np.allclose([found[one].vector for one in ids], kept, atol=1e-5)
        assert [found[one].payload for one in ids] == [
            {key: value for key, value in payload.items() if value is not None} for payload in payloads
        ]

    def test_an_upsert_replaces_the_whole_point(self, small: Any) -> None:
        small.upsert(["b", "d"], [[1, -1], [1, 1]], [{"price": 5}, {"price": 1}])
        assert small.count() == 4
        assert small.get(["b"])["b"].payload == {"price": 5}
        assert small.search([1, 1], k=1).item_ids == ("d",)
        assert small.search([1, -1], 1, price == 5).item_ids == ("b",)
        assert len(small.search([1, 1], where=name == "x")) == 0

    def test_a_field_may_come_later(self, small: Any) -> None:
        small.upsert(["d"], [[1, 1]], [{"price": 7, "fresh": 0, "kind": "new", "many": ["x"], "yes": False}])
        assert small.search([1, 1], where=field("fresh") >= 0).item_ids == ("d",)
        assert set(small.search([1, 1], where=~(field("fresh") >= 0)).item_ids) == {"a", "b", "c"}
        assert set(small.search([1, 1], where=(field("fresh") == 0) | (price >= 20)).item_ids) == {"a", "b", "d"}
        assert set(small.search([1, 1], where=~(field("kind") == "new")).item_ids) == {"a", "b", "c"}
        assert small.search([1, 1], where=field("kind") != "old").item_ids == ("d",)
        assert set(small.search([1, 1], where=~field("many").contains("x")).item_ids) == {"a", "b", "c"}
        assert small.search([1, 1], where=field("yes") != True).item_ids == ("d",)  # noqa: E712
        assert set(small.get(["a"])["a"].payload) == {"price"}

    def test_batches_and_progress(self, store: BaseStore, new: str, capsys: pytest.CaptureFixture[str]) -> None:
        count = 330
        things = store.collection(new, 4)
        things.batch = 100  # type: ignore[misc]
        vectors = np.random.default_rng(0).normal(size=(count, 4))
        things.upsert([f"p{number}" for number in range(count)], vectors, progress=True)
        assert things.count() == count
        told = capsys.readouterr().err
        assert "330/330" in told and "100%" in told
        things.delete([f"p{number}" for number in range(0, count, 2)])
        assert things.count() == count // 2

    @pytest.mark.slow
    def test_as_many_points_as_it_is_for(self, store: BaseStore, new: str) -> None:
        count = min(self.most_points, 100_000)
        things = store.collection(new, 32)
        vectors = np.random.default_rng(0).normal(size=(count, 32))
        ids = [f"p{number}" for number in range(count)]
        things.upsert(ids, vectors, [{"n": number} for number in range(count)], progress=True)
        assert things.count() == count
        for at in (0, count // 2, count - 1):
            assert things.search(vectors[at], 1).item_ids == (ids[at],)
            assert things.search(vectors[at], 1, field("n") > at).item_ids != (ids[at],)
        if things.most_points == count:
            with pytest.raises(StoreError, match="at most"):
                things.upsert(["one more"], vectors[:1])
            things.upsert(ids[:1], vectors[:1])  # replaces one
        store.drop(new)

    def test_a_restart_keeps_everything(self, url: str, new: str, restart: Callable[[], None]) -> None:
        if not self.persistent:
            with open_store(url) as store:
                store.collection(new, 2)
            with open_store(url) as store:
                assert new not in store.collections()
            return
        ids, vectors, payloads = points()
        question = np.random.default_rng(5).normal(size=DIM)
        with open_store(url) as store:
            things = store.collection(new, DIM)
            things.upsert(ids, vectors, payloads)
            things.delete(["p001"])
            things.upsert(ids[20:40], vectors[:20], payloads[:20])  # a changed point has to last as well
            store.alias(f"{new}_now").switch_to(things)
            before = [things.search(question, 20, where) for where in (None, *FILTERS)]
            kept = things.get(ids)
        restart()
        with open_store(url) as store:
            things = store.collection(new, DIM)
            assert [things.search(question, 20, where) for where in (None, *FILTERS)] == before
            assert {one: point.payload for one, point in things.get(ids).items()} == {
                one: point.payload for one, point in kept.items()
            }
            assert store.alias(f"{new}_now").search(question, 20) == before[0]

    # -- what is refused --------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("ids", "vectors", "payloads", "message"),
        [
            (["d", "e"], [[1, 0], [float("nan"), 0]], None, "'e' has a NaN"),
            (["d"], [[float("inf"), 0]], None, "NaN or infinite"),
            (["d"], [[1e300, 0]], None, "NaN or infinite"),
            (["d"], [[0, 0]], None, "all zeros"),
            (["d"], [[1, 0, 0]], None, "dim=2"),
            (["d"], [1, 0], None, "one row for each id"),
            (["d"], [["x", "y"]], None, "no table of numbers"),
            (["d", "d"], [[1, 0], [0, 1]], None, "given twice"),
            (["d", 7], [[1, 0], [0, 1]], None, "no label"),
            ([""], [[1, 0]], None, "no label"),
            (["a\0b"], [[1, 0]], None, "zero byte"),
            (["\ud800"], [[1, 0]], None, "half of a character"),
            ("d", [[1, 0]], None, "put it in a list"),
            (["d"], [[1, 0]], {"price": 1}, "one dict"),
            (["d"], [[1, 0]], [{"price": "dear"}], "holds numbers"),
            (["d", "e"], [[1, 0], [1, 0]], [{"x": 1}, {"x": True}], "holds numbers"),
            (["d"], [[1, 0]], [{"price": float("inf")}], "keep it as a text"),
            (["d"], [[1, 0]], [{"price": 2**60}], "keep it as a text"),
            (["d"], [[1, 0]], [{"price": {"now": 3}}], "no value to filter by"),
            (["d"], [[1, 0]], [{"name": "a\0"}], "zero byte"),
            (["d"], [[1, 0]], [{"": 1}], "1 to 100 characters"),
            (["d"], [[1, 0]], [{"many": [None]}], "no missing values"),
        ],
    )
    def test_a_bad_point_is_refused_and_nothing_written(
        self, small: Any, ids: Any, vectors: Any, payloads: Any, message: str
    ) -> None:
        with pytest.raises(StoreError, match=message):
            small.upsert(ids, vectors, payloads)
        assert small.count() == 3
        assert small.get(["a"])["a"].payload == {"price": 20}

    @pytest.mark.parametrize(
        ("vector", "message"),
        [
            ([1, 0, 0], "dim=2"),
            ([[1, 0]], "one row"),
            ([float("nan"), 0], "the question"),
            ([0, 0], "no direction"),
            (None, "one row"),
        ],
    )
    def test_a_bad_question_is_refused(self, small: Any, vector: Any, message: str) -> None:
        with pytest.raises(StoreError, match=message):
            small.search(vector)

    def test_a_bad_filter_is_refused(self, small: Any) -> None:
        for where, message in [
            (field("prize") < 3, "no such field; the fields are: name, price"),
            (price == "20", "holds numbers"),
            (name == 3, "holds text"),
            (price.contains(3), "contains works on text and on lists"),
            ((price < 3) | (field("prize") < 3), "no such field"),
        ]:
            for _ in range(2):  # also when asked again
                with pytest.raises(FilterError, match=message):
                    small.search([1, 1], where=where)
        with pytest.raises(StoreError, match="is no filter"):
            small.search([1, 1], where="price < 3")
        for k in (0, -1, True, 2.5):
            with pytest.raises(StoreError, match="k: "):
                small.search([1, 1], k=k)

    @pytest.mark.parametrize("bad", ["", "A", "1a", "a-b", "a b", "a;drop", "x" * 41, "é", None, *EVIL[:6]])
    def test_a_bad_name_is_refused(self, store: BaseStore, bad: Any) -> None:
        with pytest.raises(StoreError, match="a name has 1 to 40"):
            store.collection(bad, 2)
        with pytest.raises(StoreError, match="a name has 1 to 40"):
            store.alias(bad)
        with pytest.raises(StoreError, match="a name has 1 to 40"):
            store.drop(bad)

    def test_a_collection_stays_as_it_was_made(self, store: BaseStore, new: str) -> None:
        store.collection(new, 2)
        assert store.collection(new, 2).about == store.collection(new, 2).about
        with pytest.raises(StoreError, match="is there with"):
            store.collection(new, 3)
        with pytest.raises(StoreError, match="is there with"):
            store.collection(new, 2, "dot", max_norm=1)
        for dim, metric, max_norm, message in [
            (0, "cosine", None, "dim"),
            (2.5, "cosine", None, "dim"),
            (2, "euclid", None, "'cosine' or 'dot'"),
            (2, "dot", -1, "max_norm"),
        ]:
            with pytest.raises(StoreError, match=message):
                store.collection(f"{new}_x", dim, metric, max_norm=max_norm)  # type: ignore[arg-type]

    def test_a_vector_longer_than_promised_is_refused(self, store: BaseStore, new: str) -> None:
        things = store.collection(new, 2, "dot", max_norm=5)
        things.upsert(["a"], [[3, 4]])
        with pytest.raises(StoreError, match="above max_norm=5"):
            things.upsert(["b"], [[3, 4.1]])
        assert things.search([2, 0]).scores == (6.0,)

    # -- two hands --------------------------------------------------------------------------------------------------

    def test_who_opened_it_earlier_sees_what_others_write(self, store: BaseStore, new: str) -> None:
        first, second = store.collection(new, 2), store.collection(new, 2)
        first.upsert(["a"], [[1, 0]], [{"price": 1}])
        second.upsert(["b"], [[1, 0]], [{"price": 2, "colour": "red"}])
        assert first.search([1, 0], where=colour == "red").item_ids == ("b",)
        first.upsert(["c"], [[1, 0]], [{"price": 3}])
        assert second.search([1, 0], where=~(colour == "red")).item_ids == ("a", "c")
        with pytest.raises(StoreError, match="holds text"):
            first.upsert(["d"], [[1, 0]], [{"colour": 3}])

    # -- aliases and refresh ----------------------------------------------------------------------------------------

    def test_an_alias_stands_for_one_collection_at_a_time(self, store: BaseStore, new: str) -> None:
        old, fresh = store.collection(f"{new}_a", 2), store.collection(f"{new}_b", 3)
        old.upsert(["old"], [[1, 0]], [{"price": 1}])
        fresh.upsert(["new"], [[1, 0, 0]], [{"cost": "high"}])
        alias = store.alias(new)
        assert alias.target is None
        with pytest.raises(StoreError, match="stands for nothing yet"):
            alias.search([1, 0])
        with pytest.raises(StoreError, match="there is no collection 'nowhere'"):
            alias.switch_to("nowhere")
        alias.switch_to(old)
        assert alias.search([1, 0], where=price == 1).item_ids == ("old",)
        alias.switch_to(f"{new}_b")
        assert alias.target == f"{new}_b"
        assert alias.search([1, 0, 0], where=field("cost") == "high").item_ids == ("new",)
        assert list(alias.get(["new", "old"])) == ["new"]
        assert alias.count() == 1
        with pytest.raises(StoreError, match="stands for it"):
            store.drop(f"{new}_b")
        with pytest.raises(StoreError, match="an alias has that name"):
            store.collection(new, 2)
        with pytest.raises(StoreError, match="a collection has that name"):
            store.alias(f"{new}_a").switch_to(fresh)
        alias.remove()
        assert alias.target is None
        store.drop(f"{new}_b")
        store.drop(f"{new}_b")
        assert f"{new}_b" not in store.collections()

    def test_refresh_and_rollback(self, store: BaseStore, new: str) -> None:
        new = new[:12]
        alias = store.alias(new)

        def build(label: str, count: int = 4) -> Callable[[Any], None]:
            return lambda made: made.upsert([f"{label}{at}" for at in range(count)], [[1, at] for at in range(count)])

        first = refresh(store, new, build("a"), 2)
        assert (first.previous, first.dropped) == (None, ())
        second = refresh(store, new, build("b"), 2, verify=lambda made: made.count() == 4)
        assert (second.previous, second.dropped) == (first.collection, ())
        assert alias.search([1, 0], k=1).item_ids == ("b0",)
        for mistake in (
            {"build": build("c", 1)},
            {"build": lambda made: None},
            {"build": build("c"), "verify": lambda made: False},
            {"build": lambda made: made.upsert(["x"], [[0, 0]])},
        ):
            with pytest.raises(StoreError):
                refresh(store, new, dim=2, **mistake)  # type: ignore[arg-type]
            assert versions(store, new) == [first.collection, second.collection]
            assert alias.search([1, 0], k=1).item_ids == ("b0",)
        assert rollback(store, new) == first.collection
        assert alias.search([1, 0], k=1).item_ids == ("a0",)
        with pytest.raises(StoreError, match="no version before"):
            rollback(store, new)
        third = refresh(store, new, build("d", 2), 2)
        assert third.collection > second.collection
        assert alias.search([1, 0], k=1).item_ids == ("d0",)
        assert versions(store, new) == [first.collection, third.collection]
        fourth = refresh(store, new, build("e"), 2, keep=0)
        assert versions(store, new) == [fourth.collection]
