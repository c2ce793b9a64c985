"""The simulated A/B test, and the recommenders that know the truth: the ceiling of each board of the simulated shop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys_lab.datasets import DataError, Shop
from recsys_lab.datasets.simulated import shop_folder
from recsys_lab.evaluation.board import Board
from recsys_lab.evaluation.boards import visits
from recsys_lab.evaluation.metrics import Judged
from recsys_lab.recommender import NOTHING, Context, Floats, Rows, ScoringRecommender
from recsys_lab.simulate import START_MS, Truth, World
from recsys_lab.simulate.world import look_at


def load_truth(shop: Shop, path: Path | None = None) -> World:
    """The world behind the whole simulated `shop`, from its truth file (the shipped one); for evaluation and tests.

    A recommender that is built on it knows what nobody can know, and is no competitor but the ceiling. Raises
    `DataError` for another shop.
    """
    truth = Truth.load(path or shop_folder() / "truth.npz")
    known, held = (len(truth.appeal), len(truth.thrift)), (len(shop.products), len(shop.shoppers))
    if known != held:
        raise DataError(
            f"truth: it is known of {known[0]:,} products and {known[1]:,} shoppers, and {shop.name} has {held[0]:,}"
            f" and {held[1]:,}; only the"
            f" whole simulated shop has a truth: unset RECSYS_LAB_SHOP, or leave this part out"
        )
    buys = shop.events.loc[shop.events["event_type"] == "buy", ["user_id", "item_id", "timestamp"]]
    return World(shop.products, shop.shoppers, truth, buys, START_MS)


def ab_board(past: Shop, future: Shop, world: World, k: int = 10, name: str = "ab") -> Board:
    """Show each test visit (that had an event) a home row and count what it would sell, by the truth, per 1,000 visits.

    The expected number, summed over all that may happen (`World.expected_purchases`): no luck of a draw is in it.
    """
    contexts, units = [], []
    for visit in visits(past, future):
        contexts.append(Context(visit.shopper_id, visit.events[0].timestamp, history=visit.history))
        units.append(visit.shopper_id)
    looks = look_at(k)
    chance: dict[int, Floats] = {}

    def purchases(judged: Judged) -> Floats:
        sold = np.zeros(len(contexts))
        for row, context in enumerate(contexts):
            if row not in chance:
                chance[row] = world.purchase_probability(str(context.shopper_id), context.now_ms).astype(np.float32)
            listed = judged.ids[row] != NOTHING
            sold[row] = (looks[listed] * chance[row][world.item_rows(judged.ids[row][listed])]).sum()
        return 1000 * sold

    measures = {"purchases per 1,000 visits": purchases}
    facts = {"visits": len(units), "shoppers": len(set(units))}
    return Board(name, k, past, contexts, None, np.array(units), measures, facts=facts)


class _Knowing(ScoringRecommender):
    """Base of the ceilings: a recommender with the world in its hand."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _learn(self, shop: Shop) -> None:
        self._rows = self._world.item_rows(self.items_)


class TruthForSales(_Knowing):
    """The list that sells most: products by their true chance to be bought from the home row. No list does better."""

    def _score(self, contexts: Sequence[Context]) -> Floats:
        chances = [self._world.purchase_probability(str(c.shopper_id), c.now_ms)[self._rows] for c in contexts]
        return np.array(chances)


class TruthForHome(_Knowing):
    """The list that the visit will prove right: products by the gain that the visit will give them, on average.

    A click and a purchase are counted as the board does; a product's expected clicks are those of its page in a visit
    of its pair, in each mood. Near to the best possible, not exactly it: the order within a visit is averaged out.
    """

    def _score(self, contexts: Sequence[Context]) -> Floats:
        world, scores = self._world, np.empty((len(contexts), len(self.items_)))
        everything = np.arange(len(self.items_))[None, :]
        for row, context in enumerate(contexts):
            user, day = world.user_rows([context.shopper_id]), world.day([context.now_ms])
            pairs, again = world.intents(int(user[0]), context.now_ms)
            owned = world.owned_flags(int(user[0]), context.now_ms)
            value = world.utility(user, everything, day)
            liked = np.exp(value + world.habit(owned, everything))[0]
            moods = world.mood_probabilities(user)[0]
            clicks = np.zeros(len(liked))
            for style, chance in enumerate(moods):
                weight = liked * np.exp(world.rates.mood * (world.style == style))
                page = np.bincount(world.pair, weights=weight, minlength=len(pairs))
                clicks += chance * weight / np.maximum(page, 1e-12)[world.pair]
            clicks = 1 - np.exp(-PER_PAGE * clicks)
            paid = world.paid(user, value, everything, owned)[0]
            scores[row] = ((pairs[world.pair] * clicks + again) * (0.2 + 0.8 * paid))[self._rows]
        return scores


PER_PAGE = 0.5
"""What the page is worth beside the product that a visit comes to buy again: of .5 to 8, the value that lifts the
ceiling highest. (A ceiling may be fitted to what it bounds: the higher, the less it flatters the methods below it.)"""


class TruthForNext(_Knowing):
    """The next click by the world's own rules: the page's softmax in the likely mood, steps back, and steps to a look.

    The mood is not known, but every click of the visit says something of it (Bayes' rule over the styles).
    """

    def _score(self, contexts: Sequence[Context]) -> Floats:
        self._so_far: dict[str, tuple[Rows, Floats, NDArray[np.bool_]]] = {}
        return np.array([self._one(context) for context in contexts])

    def _one(self, context: Context) -> Floats:
        world, rates = self._world, self._world.rates
        clicks = [event for event in context.session if event.event_type == "clicked_on"]
        rows = world.item_rows([event.item_id for event in clicks])
        user, start = int(world.user_rows([context.shopper_id])[0]), clicks[0].timestamp
        owned = world.owned_flags(user, start)[0]
        mood, seen = self._mood(clicks[0].session_id, user, rows, owned, start)
        here = int(rows[-1])
        in_cart = context.session[-1].event_type == "put_to_cart"
        onward = rates.switch_after_cart if in_cart else rates.switch_share
        looks = world.complements(int(world.pair[here]))
        back = rates.back_share if len(rows) > 1 else 0.0
        score = np.zeros(len(self.items_))
        pages = [(int(world.pair[here]), 1 - onward), *[(page, onward / len(looks)) for page in looks]]
        for page, share in pages:
            items = world.pages[page]
            chances = self._steps(user, here, page, start, owned, seen)
            kept = items >= 0
            score[items[kept]] += (1 - back) * share * (mood @ chances)[kept]
        earlier = rows[:-1]
        np.add.at(score, earlier, back / max(1, len(earlier)))
        return score[self._rows]

    def _mood(
        self, session: str, user: int, rows: Rows, owned: NDArray[np.bool_], start: int
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Probability of each style as the visit's mood after its clicks, and which products it has seen.

        Questions of one visit follow each other, so each goes on from where the one before it stopped.
        """
        world = self._world
        known, mood, seen = self._so_far.get(session, (rows[:0], None, np.zeros(len(self.items_), dtype=bool)))
        if mood is None or not np.array_equal(known, rows[: len(known)]):
            known, seen = rows[:0], np.zeros(len(self.items_), dtype=bool)
            mood = world.mood_probabilities(np.array([user]))[0]
        for at in range(len(known), len(rows)):
            before, item = (int(rows[at - 1]) if at else -1), int(rows[at])
            if not seen[item]:
                chances = self._steps(user, before, int(world.pair[item]), start, owned, seen)
                mood = mood * np.maximum(chances[:, world.truth.shelf[item]], 1e-9)
                mood = mood / mood.sum()
            seen[item] = True
        self._so_far[session] = (rows, mood, seen)
        return mood, seen

    def _steps(
        self, user: int, here: int, page: int, start: int, owned: NDArray[np.bool_], seen: NDArray[np.bool_]
    ) -> Floats:
        """The world's step for each mood; shape [styles, longest page]."""
        world, items = self._world, self._world.pages[[page]]
        attraction = world.on_page(
            np.array([user]), np.array([here]), np.array([page]), world.day([start]), owned[items], seen[items]
        )
        moods = np.arange(world.truth.style.shape[1])
        return world.step(attraction, np.array([page]), moods)


class TruthForBasket(_Knowing):
    """What completes the basket: products by the true chance to be bought, on the pages of the cart and of its looks.

    A good guess more than a ceiling: which page comes next is known, in which order the basket was filled is not.
    """

    def _score(self, contexts: Sequence[Context]) -> Floats:
        world, scores = self._world, np.zeros((len(contexts), len(self.items_)))
        everything = np.arange(len(self.items_))[None, :]
        for row, context in enumerate(contexts):
            user, day = world.user_rows([context.shopper_id]), world.day([context.now_ms])
            owned = world.owned_flags(int(user[0]), context.now_ms)
            value = world.utility(user, everything, day)
            moods = world.mood_probabilities(user)[0]
            cart = world.item_rows(context.cart)
            for item in cart:
                moods[world.style[item]] *= np.exp(world.rates.mood)
            moods /= moods.sum()
            liked = np.exp(value + world.habit(owned, everything))[0] * (moods[world.style] * 2 + 1)
            share = liked / np.maximum(np.bincount(world.pair, weights=liked)[world.pair], 1e-12)
            reach = np.zeros(len(world.pages))
            for item in cart:
                page = int(world.pair[item])
                reach[page] += 1 - world.rates.switch_after_cart
                looks = world.complements(page)
                reach[looks] += world.rates.switch_after_cart / len(looks)
            paid = world.paid(user, value, everything, owned)[0]
            scores[row] = (reach[world.pair] * share * paid)[self._rows]
        return scores
