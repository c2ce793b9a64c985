"""Candidates, features by replay, the two models and the ranker, on small shops with known answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_lab.baselines import ItemKNN, Markov, Popular, SequentialRules
from recsys_lab.datasets import Event, Shop, load_shop
from recsys_lab.evaluation.board import evaluate
from recsys_lab.evaluation.boards import home_board, next_board, session_board
from recsys_lab.ranking import (
    CandidateSources,
    Features,
    LambdaMART,
    ListwiseLogistic,
    Ranker,
    Source,
    Stage,
    cut_at,
    losses_on,
    replay,
)
from recsys_lab.ranking.sources import Backoff, KindMarkov, Seen
from recsys_lab.recommender import Context, NotFittedError

QUICK = {
    "popular": Source(Popular, "counts"),
    "markov": Source(Markov, "counts"),
    "item-knn": Source(ItemKNN),
    "seen": Source(Seen),
}


def clicks(*items: str, user: str = "me") -> tuple[Event, ...]:
    return tuple(Event(user, item, "clicked_on", 10**12 + at, "now") for at, item in enumerate(items))


def sessions(seed: int = 0, count: int = 400) -> list[list[str]]:
    """Walks on a ring of twelve products: mostly one on, sometimes three on."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        at = int(rng.integers(12))
        walk = []
        for _ in range(int(rng.integers(2, 7))):
            walk.append(f"p{at:02d}")
            at = (at + (1 if rng.random() < 0.7 else 3)) % 12
        made.append(walk)
    return made


@pytest.fixture(scope="module")
def ring() -> Shop:
    return Shop.from_sessions(sessions())


@pytest.fixture(scope="module")
def small_shop() -> Shop:
    """The simulated shop's last month, for four hundred of its shoppers."""
    shop = load_shop()
    kept = set(sorted(shop.events["user_id"].unique())[:400])
    events = shop.events[shop.events["user_id"].isin(kept)]
    shown = shop.impressions
    assert shown is not None
    return replace(
        shop,
        events=events.reset_index(drop=True),
        impressions=shown[shown["user_id"].isin(kept)].reset_index(drop=True),
    )


class TestCandidates:
    def test_a_pool_is_the_union_of_what_sources_nominate(self) -> None:
        shop = Shop.from_sessions([["a", "b"], ["a", "b"], ["a", "c"], ["d", "e"], ["d", "e"], ["d", "e"], ["d", "f"]])
        two = {"popular": Source(Popular, "counts"), "markov": Source(Markov, "counts")}
        (pool,) = CandidateSources(two, each=2).fit(shop).pools([Context(None, 10**12, clicks("a"))])
        # Popular: d (4 clicks), then a and e with 3, a first by its id. After a came b twice and c once.
        assert set(pool.ids(0)) == {"d", "a", "b", "c"}
        by = {name: {pool.ids(0)[at] for at in np.flatnonzero(own)} for name, own in pool.nominated.items()}
        assert by == {"popular": {"d", "a"}, "markov": {"b", "c"}}

    def test_what_may_not_be_listed_takes_no_place(self) -> None:
        shop = Shop.from_sessions([["a", "b"], ["a", "b"], ["a", "c"], ["d", "e"]])
        sources = CandidateSources({"popular": Source(Popular, "counts")}, each=2).fit(shop)
        (pool,) = sources.pools([Context(None, 10**12, viewed="a", cart=("b",))])
        assert set(pool.ids(0)) == {"c", "d"}

    def test_a_source_without_evidence_nominates_nothing(self) -> None:
        shop = Shop.from_sessions([["a", "b"], ["c", "d"]])
        sources = CandidateSources({"markov": Source(Markov, "counts")}, each=5).fit(shop)
        (pool,) = sources.pools([Context(None, 10**12, clicks("b"))])
        assert len(pool.column) == 0

    def test_counts_are_smoothed_shares(self) -> None:
        shop = Shop.from_sessions([["a", "b"]] * 3 + [["a", "c"]])
        (pool,) = (
            CandidateSources({"markov": Source(Markov, "counts")}, None)
            .fit(shop)
            .pools([Context(None, 10**12, clicks("a"))])
        )
        popular = {"a": 4.5 / 9.5, "b": 3.5 / 9.5, "c": 1.5 / 9.5}
        wanted = {"a": 0, "b": 3, "c": 1}
        for item, score in zip(pool.ids(0), pool.scores["markov"], strict=True):
            assert score == pytest.approx(np.log((wanted[item] + 5 * popular[item]) / (4 + 5)))

    def test_forced_products_are_added_and_bad_settings_refused(self, ring: Shop) -> None:
        sources = CandidateSources({"markov": Source(Markov, "counts")}, each=1).fit(ring)
        context = Context(None, 10**12, clicks("p00"))
        (pool,) = sources.pools([context], [["p07"]])
        assert "p07" in pool.ids(0) and "p01" in pool.ids(0)
        with pytest.raises(ValueError, match="each: 0 nominates nothing"):
            CandidateSources(QUICK, each=0).fit(ring)
        with pytest.raises(ValueError, match="sources: there is none"):
            CandidateSources({}).fit(ring)

    def test_fusion_lists_what_most_sources_rank_high(self, ring: Shop) -> None:
        sources = CandidateSources({"markov": Source(Markov, "counts"), "sr": Source(SequentialRules, "counts")}, 5)
        assert sources.fit(ring).recommend(Context(None, 10**12, clicks("p00")), k=1).item_ids == ("p01",)


class TestSources:
    def test_a_source_says_what_is_wrong_with_it(self) -> None:
        with pytest.raises(ValueError, match="scale: 'blah' is none of counts, votes, likeness"):
            Source(Popular, "blah")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"make: .* cannot be called; give the class"):
            Source(Popular())  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("sources", "error", "rule"),
        [
            ({"popular": Popular}, TypeError, "sources: 'popular' is .*no Source; wrap the class"),
            (["popular"], TypeError, r"sources: \['popular'\] maps no name to a source; give a dict"),
            ({}, ValueError, "sources: there is none; give one or more"),
        ],
    )
    def test_sources_that_are_none(self, ring: Shop, sources: Any, error: type[Exception], rule: str) -> None:
        for model in (Ranker("sessions", sources), CandidateSources(sources), Stage(sources)):
            with pytest.raises(error, match=rule):
                model.fit(ring)

    def test_backoff_is_interpolated_by_hand(self) -> None:
        shop = Shop.from_sessions([["a", "b", "c"], ["a", "b", "c"], ["x", "b", "d"]])
        model = Backoff(order=2, prior=1.0).fit(shop)
        scores = dict(zip(model.items_, model._score([Context(None, 0, clicks("a", "b"))])[0], strict=True))
        assert scores["c"] == pytest.approx((2 + 1.0 * 2 / 3) / 3)
        assert scores["d"] == pytest.approx((0 + 1.0 * 1 / 3) / 3)

    def test_kinds_say_something_of_products_that_nobody_clicked(self) -> None:
        events = Shop.from_sessions([["a1", "b1"]] * 5 + [["b1", "a1"]]).events
        kinds = {"a1": "a", "b1": "b", "b2": "b", "a2": "a"}
        products = pd.DataFrame({"item_id": list(kinds), "category": list(kinds.values())})
        model = KindMarkov(("category",)).fit(Shop.from_frames(products, events))
        scores = dict(zip(model.items_, model._score([Context(None, 10**12, clicks("a1"))])[0], strict=True))
        assert scores["b2"] == scores["b1"] > scores["a2"]

    def test_seen_is_the_latest_first(self, ring: Shop) -> None:
        model = Seen().fit(ring)
        context = Context("me", 10**13, clicks("p01", "p02", "p01"), history=clicks("p05"))
        assert model.recommend(context, k=3).item_ids == ("p01", "p02", "p05")


class TestReplay:
    def test_examples_are_the_boards_questions(self, small_shop: Shop) -> None:
        cut = cut_at(small_shop, 0.1)
        past, coming = small_shop.between(None, cut), small_shop.between(cut, None)
        assert replay(past, coming, "next").contexts == next_board(past, coming).contexts
        home = replay(past, coming, "home")
        assert all(home.gains)
        truth = home_board(past, coming).truth
        assert truth is not None and list(home.gains) == [gains for gains in truth if gains]

    def test_sessions_ask_for_any_next_click(self) -> None:
        shop = Shop.from_sessions([["a", "b"], ["a", "a", "b"]])
        cut = cut_at(shop, 0.5)
        asked = replay(shop.between(None, cut), shop.between(cut, None), "sessions")
        assert [gains for gains in asked.gains] == [{"a": 1.0}, {"b": 1.0}]
        assert [len(context.session) for context in asked.contexts] == [1, 2]

    def test_the_future_changes_no_feature(self, small_shop: Shop) -> None:
        """Everything from the cut on is shuffled: the questions that were asked up to there get the same features."""
        cut = cut_at(small_shop, 0.1)
        past, coming = small_shop.between(None, cut), small_shop.between(cut, None)
        rng = np.random.default_rng(0)
        other = coming.events.assign(
            item_id=rng.permutation(coming.events["item_id"].to_numpy()),
            event_type=rng.permutation(coming.events["event_type"].to_numpy()),
        )
        shuffled = coming.only(other)
        first = {}
        for name, shop in {"as it was": coming, "shuffled": shuffled}.items():
            whole = replace(past, events=pd.concat([past.events, shop.events], ignore_index=True))
            stage = Stage(QUICK, each=20).fit(whole.between(None, cut))
            asked = replay(past, shop, "home").contexts
            # The start of each shopper's first visit: nothing of the window is in its history yet.
            opening = {c.shopper_id: c for c in reversed(asked) if all(e.timestamp < cut for e in c.history or ())}
            first[name] = (stage, opening)
        both = sorted(set(first["as it was"][1]) & set(first["shuffled"][1]))
        assert len(both) > 20
        found = []
        for stage, opening in first.values():
            found.append(list(stage.tables([opening[user] for user in both])))
        for (pool, table), (other_pool, other_table) in zip(*found, strict=True):
            assert np.array_equal(pool.column, other_pool.column)
            assert np.array_equal(table, other_table)

    def test_inside_a_visit_features_read_the_prefix_alone(self, small_shop: Shop) -> None:
        cut = cut_at(small_shop, 0.1)
        past, coming = small_shop.between(None, cut), small_shop.between(cut, None)
        stage = Stage(QUICK, each=20).fit(past)
        asked = replay(past, coming, "next").contexts[:300]
        whole = {context.session[0].session_id: context for context in asked}  # the longest prefix of each visit
        for context in asked[::7]:
            later = whole[context.session[0].session_id].session[len(context.session) :]
            assert all(event.timestamp >= context.now_ms for event in later)
        tables = [table for _, table in stage.tables(asked)]
        alone = [table for context in asked for _, table in stage.tables([context])]
        assert np.array_equal(np.concatenate(tables), np.concatenate(alone))  # nobody else's question is in a feature

    def test_a_leak_would_be_seen(self, small_shop: Shop) -> None:
        """The check above is able to fail: sources that have learned the window as well give other features."""
        cut = cut_at(small_shop, 0.1)
        asked = replay(small_shop.between(None, cut), small_shop.between(cut, None), "next").contexts[:50]
        honest = Stage({"markov": Source(Markov, "counts")}, None).fit(small_shop.between(None, cut))
        leaky = Stage({"markov": Source(Markov, "counts")}, None).fit(small_shop)
        sums = [sum(float(pool.scores["markov"].max()) for pool, _ in stage.tables(asked)) for stage in (honest, leaky)]
        assert sums[0] != sums[1]

    def test_a_log_that_cannot_be_cut_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"share: 1\.5"):
            cut_at(Shop.from_sessions([["a", "b"]] * 3), 1.5)
        with pytest.raises(ValueError, match="no two visits"):
            cut_at(Shop.from_sessions([["a", "b"]]), 0.5)
        with pytest.raises(ValueError, match="task: 'tomorrow'"):
            Ranker("tomorrow", QUICK).fit(Shop.from_sessions([["a", "b"]] * 30))


class TestFeatures:
    def test_numbers_by_hand(self) -> None:
        products = pd.DataFrame({"item_id": ["a", "b", "c"], "category": ["x", "x", "y"], "price": [1.0, 1.0, 10.0]})
        events = pd.DataFrame(
            {"user_id": ["u", "u", "v"], "item_id": ["a", "c", "b"], "event_type": ["clicked_on", "buy", "clicked_on"],
             "timestamp": [0, 1, 2], "session_id": ["s", "t", "r"]}
        )  # fmt: skip
        shop = Shop.from_frames(products, events)
        sources = CandidateSources({"popular": Source(Popular, "counts")}, None).fit(shop)
        day = 86_400_000
        context = Context("u", day + 1, clicks("a", "b", "a"))
        (pool,) = sources.pools([context])
        features = Features().fit(shop, sources.items_.tolist())
        table = pd.DataFrame(features.table([context], pool), index=pool.ids(0), columns=list(features.names_))
        assert table.loc["a", "clicks in visit"] == pytest.approx(np.log(3))
        assert table["recency in visit"].to_dict() == pytest.approx({"a": 1.0, "b": 0.5, "c": 0.0})
        assert table["same category as the last"].to_dict() == {"a": 1.0, "b": 1.0, "c": 0.0}
        assert table["price gap to visit"].to_dict() == pytest.approx({"a": 0, "b": 0, "c": np.log(10)}, abs=1e-6)
        assert table["bought before"].to_dict() == pytest.approx({"a": 0.0, "b": 0.0, "c": np.log(2)}, abs=1e-6)
        assert table.loc["c", "bought: nearness in days"] == pytest.approx(0.5)

    def test_extra_features_come_by_name(self, ring: Shop) -> None:
        extra = {"is p03": lambda context, items: [float(item == "p03") for item in items]}
        model = Ranker("sessions", QUICK, extra=extra, share=0.4).fit(ring)
        assert model.names_[-1] == "is p03"
        terms = model.terms(Context(None, 10**12, clicks("p02")))
        assert "is p03" in terms.columns


class TestModels:
    def lists(self, seed: int = 0, count: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lists of five; who is wanted is drawn by exp(2·x_0 − x_1), x_2 is noise."""
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(count * 5, 3)).astype(np.float32)
        start = np.arange(0, count * 5 + 1, 5)
        gumbel = rng.gumbel(size=count * 5) + 2 * x[:, 0] - x[:, 1]
        gains = np.zeros(count * 5)
        gains[start[:-1] + gumbel.reshape(-1, 5).argmax(axis=1)] = 1.0
        return x, gains, start

    def test_logistic_finds_the_weights_that_drew_the_data(self) -> None:
        x, gains, start = self.lists(count=3000)
        model = ListwiseLogistic(l2=0.0).fit(x, gains, start)
        assert (model.weights_ / model.spread_) == pytest.approx([2.0, -1.0, 0.0], abs=0.15)

    def test_logistic_agrees_with_an_independent_minimum(self) -> None:
        from scipy.optimize import minimize

        x, gains, start = self.lists()
        model = ListwiseLogistic(l2=1.0).fit(x, gains, start)
        scaled = ((x - x.mean(axis=0)) / x.std(axis=0)).reshape(-1, 5, 3).astype(np.float64)
        wanted = gains.reshape(-1, 5)

        def loss(w: np.ndarray) -> float:
            score = scaled @ w
            return float((np.log(np.exp(score).sum(axis=1)) - (wanted * score).sum(axis=1)).sum() + w @ w)

        assert model.weights_ == pytest.approx(minimize(loss, np.zeros(3)).x, abs=2e-3)

    def test_what_is_the_same_for_a_list_has_no_say(self) -> None:
        x, gains, start = self.lists()
        x[:, 2] = np.repeat(np.arange(len(start) - 1), 5)
        assert ListwiseLogistic().fit(x, gains, start).weights_[2] == pytest.approx(0.0, abs=1e-6)

    def test_terms_add_up_from_the_mean(self) -> None:
        x, gains, start = self.lists()
        model = ListwiseLogistic().fit(x, gains, start)
        score = model.score(x[:5], start[:2])
        assert model.terms(x[:5]).sum(axis=1) == pytest.approx(score - score.mean())
        with pytest.raises(ValueError, match="l2, rounds, most"):
            ListwiseLogistic(l2=-1).fit(x, gains, start)

    @pytest.mark.parametrize("kind", [ListwiseLogistic, LambdaMART])
    def test_what_no_model_can_learn_from(self, kind: Any) -> None:
        x, gains, start = self.lists(count=4)
        unknown, infinite, nothing, less, one = x.copy(), x.copy(), gains.copy(), gains.copy(), gains.copy()
        unknown[7, 2], infinite[3, 0], less[4], one[4] = np.nan, np.inf, -1.0, np.nan
        nothing[5:10] = 0
        bad: list[tuple[Any, Any, Any, str]] = [
            (x, np.zeros(20), start, "gains: all are 0 in 4 of 4 lists"),
            (x, nothing, start, r"gains: all are 0 in 1 of 4 lists \(list 1, counted from 0"),
            (unknown, gains, start, "table: feature 2 of candidate 7 is nan"),
            (infinite, gains, start, "table: feature 0 of candidate 3 is inf"),
            (x[:, 0], gains, start, r"table: float32 of shape \(20,\); give numbers"),
            (x[:0], gains[:0], start, "table: float32 of shape"),
            (x, gains[:19], start, r"gains: shape \(19,\) for 20 candidates"),
            (x, less, start, "gains: candidate 4 .* has -1"),
            (x, one, start, "gains: candidate 4 .* has nan"),
            (x, gains, start[:-1], "start: .* for 20 candidates; give where each list begins"),
            (x, gains, start[1:], "start: .* for 20 candidates"),
            (x, gains, [0, 5, 5, 20], "start: .* each larger than the one before"),
            (x, gains, start.astype(float), "start: .* whole numbers"),
        ]
        for table, wanted, begins, rule in bad:
            with pytest.raises(ValueError, match=rule):
                kind().fit(table, wanted, begins)

    @pytest.mark.parametrize("kind", [ListwiseLogistic, LambdaMART])
    def test_a_model_that_has_not_learned_says_so(self, kind: Any) -> None:
        for ask in (lambda: kind().score(np.ones((2, 1)), np.array([0, 2])), lambda: kind().terms(np.ones((2, 1)))):
            with pytest.raises(NotFittedError, match=rf"{kind.__name__} has not learned .* call \.fit\(table, gains"):
                ask()

    def test_trees_learn_what_a_line_cannot(self) -> None:
        pytest.importorskip("lightgbm")
        rng = np.random.default_rng(0)
        x = rng.normal(size=(1000 * 10, 2)).astype(np.float32)
        start = np.arange(0, 10_001, 10)
        gains = np.zeros(10_000)
        gains[start[:-1] + np.abs(x[:, 0]).reshape(-1, 10).argmin(axis=1)] = 1.0  # wanted: nearest to 0
        model = LambdaMART(trees=30, least=20, threads=1, features=1.0).fit(x, gains, start)
        first = {}
        for name, scores in {"line": model.line_.score(x, start), "trees": model.score(x, start)}.items():
            first[name] = float(gains[start[:-1] + scores.reshape(-1, 10).argmax(axis=1)].mean())
        assert first["trees"] > 0.7
        assert first["line"] < 0.3
        again = LambdaMART(trees=30, least=20, threads=1, features=1.0).fit(x, gains, start)
        assert np.array_equal(again.score(x, start), model.score(x, start))
        terms, score = model.terms(x[:10]), model.score(x[:10], start[:2])
        assert terms.sum(axis=1) - terms.sum(axis=1).mean() == pytest.approx(score - score.mean(), abs=1e-5)


class TestRanker:
    @pytest.mark.parametrize("model", [ListwiseLogistic, "lambdamart", Markov()])
    def test_a_model_is_given_made(self, ring: Shop, model: Any) -> None:
        with pytest.raises(
            TypeError, match=r"model: .* give ListwiseLogistic\(\) or LambdaMART\(\), with the brackets"
        ):
            Ranker("sessions", QUICK, model).fit(ring)

    @pytest.mark.parametrize("task", ["next", "sessions", "clickstream"])
    def test_visits_of_one_click_ask_nothing(self, task: str) -> None:
        shop = Shop.from_sessions([["a"], ["b"], ["c"]] * 20)
        with pytest.raises(ValueError, match=r"shop: in the last 15% of its visits no visit .* no question to learn"):
            Ranker(task, QUICK).fit(shop)
        assert Ranker("home", QUICK).fit(shop).learned_from_["examples"] > 0  # but each of them was opened

    @pytest.mark.parametrize(
        "ask",
        [
            lambda ranker: ranker.serving(3),
            lambda ranker: ranker.candidates([Context(None, 0)]),
            lambda ranker: ranker.importance([Context(None, 0)]),
            lambda ranker: ranker.terms(Context(None, 0)),
            lambda ranker: ranker.recommend(Context(None, 0)),
        ],
    )
    def test_before_it_is_fitted(self, ask: Any) -> None:
        with pytest.raises(NotFittedError, match=r"Ranker has not learned anything yet: call \.fit\(shop\) first"):
            ask(Ranker("sessions", QUICK))

    def test_the_importance_of_nothing(self, ring: Shop) -> None:
        with pytest.raises(ValueError, match="contexts: there is none; give one or more"):
            Ranker("sessions", QUICK, share=0.4).fit(ring).importance([])

    def test_it_beats_its_sources_where_they_complement_each_other(self) -> None:
        train, test = sessions(0, 1500), sessions(1, 300)
        pairs = [(walk[:-1], walk[-1]) for walk in test]
        board = session_board(train, pairs, k=1)
        popular, ranker = evaluate(Popular(), board), evaluate(Ranker("sessions", QUICK), board)
        assert ranker.against(popular, "HR@1").low > 0.3
        again = evaluate(Ranker("sessions", QUICK), board)
        assert np.array_equal(again.cases["HR@1"], ranker.cases["HR@1"])

    def test_shuffled_labels_fall_to_chance(self) -> None:
        rng = np.random.default_rng(0)
        train = sessions(0, 600)
        flat = rng.permutation([item for walk in train for item in walk]).tolist()
        mixed = [[flat.pop() for _ in walk] for walk in train]
        pairs = [(walk[:-1], walk[-1]) for walk in sessions(1, 400)]
        found = evaluate(Ranker("sessions", QUICK), session_board(mixed, pairs, k=1)).cases["HR@1"].mean()
        assert found < 0.2

    def test_alone_and_together(self, small_shop: Shop) -> None:
        split = small_shop.split()
        board = next_board(split.before_test, split.test)
        some = list(range(0, len(board.contexts), 40))
        assert board.truth is not None
        board = replace(
            board,
            contexts=[board.contexts[at] for at in some],
            truth=[board.truth[at] for at in some],
            units=board.units[some],
            measures={name: measure for name, measure in board.measures.items() if " " not in name},
        )
        ranker = Ranker("next", QUICK, examples=800)
        result = evaluate(ranker, board)  # asks twenty of them alone again
        assert ranker.learned_from_["examples"] == 800
        found = losses_on(ranker, board)
        assert found.hit == pytest.approx(result.cases["HR@20"].mean())
        assert found.hit + found.lost_by_ranker + found.lost_by_candidates == pytest.approx(1.0)
        assert found.recall >= found.hit and found.sources["nominated"].between(0, 1).all()

    def test_a_list_explains_itself(self, ring: Shop) -> None:
        model = Ranker("sessions", QUICK, share=0.4).fit(ring)
        listed = model.recommend(Context(None, 10**12, clicks("p03")), k=3)
        told = listed.explain()
        assert told.drop(columns=["item_id", "score"]).sum(axis=1).to_numpy() == pytest.approx(listed.scores)
        importance = model.importance([Context(None, 10**12, clicks(f"p{at:02d}")) for at in range(12)])
        assert importance.index[0] in {"markov: score", "item-knn: score"}

    def test_what_nobody_nominates_stands_behind_by_popularity(self, ring: Shop) -> None:
        model = Ranker("sessions", {"markov": Source(Markov, "counts")}, each=1, share=0.4).fit(ring)
        listed = model.recommend(Context(None, 10**12, clicks("p03")), k=12)
        assert listed.item_ids[0] == "p04"
        rest = [item for item in ring.tie_order if item != "p04"]
        assert list(listed.item_ids[1:]) == rest

    def test_pools_of_another_size(self, ring: Shop) -> None:
        model = Ranker("sessions", {"markov": Source(Markov, "counts")}, each=2, share=0.4).fit(ring)
        context = Context(None, 10**12, clicks("p03"))
        sizes = [len(next(iter(model.serving(each).candidates([context]))).column) for each in (1, 2, None)]
        assert sizes == [1, 2, 12] and model.each == 2
        assert model.serving(None).recommend(context, k=2).item_ids == ("p04", "p06")

    def test_forced_targets_teach_what_serving_never_sees(self) -> None:
        """Most of what is wanted is out of the source's reach: forced, it teaches that no evidence is a good sign."""
        rng = np.random.default_rng(0)
        train = []
        for _ in range(1500):
            at = int(rng.integers(40))
            train.append(
                [f"q{at:02d}", f"q{(at + 1) % 40:02d}" if rng.random() < 0.15 else f"q{int(rng.integers(40)):02d}"]
            )
        pairs = [([f"q{at:02d}"], f"q{(at + 1) % 40:02d}") for at in range(40)]
        board = session_board(train, pairs, k=1)
        two = {"markov": Source(Markov, "counts")}
        honest = evaluate(Ranker("sessions", two, each=3, share=0.4), board).cases["HR@1"].mean()
        forced = evaluate(Ranker("sessions", two, each=3, share=0.4, force_targets=True), board).cases["HR@1"].mean()
        assert honest > forced + 0.3
