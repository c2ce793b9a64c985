"""The exercises of chapter 00: a rate, a metric, and the simplest recommender."""

from __future__ import annotations

from recsys_lab.exercises import checks_00
from recsys_lab.exercises.exercise import Exercise, Wrong
from recsys_lab.exercises.questions_00 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]

CLICK_RATE = Exercise(
    names=("click_rate",),
    difficulty=1,
    minutes=5,
    trains="a rate: what happened, over how often it could have happened",
    given=("shop",),
    check=checks_00.click_rate,
    right="{click_rate:.1%} of the products that the home page shows are clicked. It counts the clicks that began"
    " there, and divides by each product shown.",
    hints=(
        "A rate is what happened, divided by how often it could have happened.",
        "home_clicks is what happened. It could have happened once for each row of shop.impressions.",
        "len(shop.impressions) is the number of rows.",
    ),
    wrong=(
        Wrong("click_rate = len(shop.impressions) / home_clicks", says="upside down"),
        Wrong(
            "click_rate = (shop.events['event_type'] == 'clicked_on').sum() / len(shop.impressions)",
            says="the clicks of the whole shop",
        ),
        Wrong("click_rate = (shop.events['surface'] == 'home').sum() / len(shop.impressions)", says="purchases too"),
        Wrong("click_rate = home_clicks / shop.impressions['list_id'].nunique()", says="per list of ten"),
        Wrong("click_rate = 100 * home_clicks / len(shop.impressions)", says="in percent"),
        Wrong("click_rate = home_clicks / len(shop.events)", says="divided by all events"),
        Wrong("click_rate = round(home_clicks / len(shop.impressions), 3)", says="rounded"),
        Wrong("click_rate = shop.impressions['item_id'].value_counts()", says="one number"),
    ),
)


_START = "def ndcg(gains, ideal):\n    if not ideal.any():\n        return np.nan\n"
_LOG = "    discount = 1 / np.log2(np.arange(2, len(gains) + 2))\n"
_RATIO = "    return (gains * discount).sum() / (ideal * discount).sum()"

NDCG = Exercise(
    names=("ndcg",),
    difficulty=2,
    minutes=12,
    trains="a metric with a discount for each place, divided by the best that was possible",
    check=checks_00.ndcg,
    right="each place counts by 1 / log2(place + 1), and the sum is divided by that of the best possible list, so"
    " that a perfect list earns 1 in every visit.",
    hints=(
        "A discount for each place, as an array as long as gains: 1 for the first place, then less and less.",
        "Places count from 1, so place + 1 runs from 2 to len(gains) + 1: np.arange leaves its end out.",
        "(gains * discount).sum() is what this list earns. What does the best possible list earn?",
    ),
    wrong=(
        Wrong(_START + "    discount = 1 / np.log2(np.arange(1, len(gains) + 1))\n" + _RATIO, says="log2(1) = 0"),
        Wrong(_START + _LOG + "    return (gains * discount).sum()", says="not yet NDCG"),
        Wrong(
            _START + _LOG + "    return (gains * discount).sum() / (np.sort(gains)[::-1] * discount).sum()",
            says="the list's own gains",
        ),
        Wrong(
            _START + _LOG + "    return ((2**gains - 1) * discount).sum() / ((2**ideal - 1) * discount).sum()",
            says="2**gain - 1",
        ),
        Wrong(_START + "    return gains.sum() / ideal.sum()", says="the discount is missing"),
        Wrong(_START + "    discount = 1 / np.arange(1, len(gains) + 1)\n" + _RATIO, says="falls too fast"),
        Wrong(_START + "    discount = np.log2(np.arange(2, len(gains) + 2))\n" + _RATIO, says="Divide by it"),
        Wrong(_START + "    discount = 1 / np.log2(np.arange(3, len(gains) + 3))\n" + _RATIO, says="should be 0.6224"),
        Wrong(_START.replace("np.nan", "0.0") + _LOG + _RATIO, says="nothing to find"),
        Wrong(_START + _LOG + "    return gains * discount / (ideal * discount).sum()", says="a .sum() missing"),
    ),
)


_CLICKED = "def popular_ids(events, k):\n    clicked = events[events['event_type'] == 'clicked_on']\n"
_COUNTS = "    counts = clicked['item_id'].value_counts().sort_index()\n"
_ORDER = "    counts = counts.sort_values(ascending=False, kind='stable')\n"

POPULAR_IDS = Exercise(
    names=("popular_ids",),
    difficulty=2,
    minutes=10,
    trains="a list that everybody gets alike: ties settled by a rule",
    check=checks_00.popular_ids,
    right="it counts the clicks of the events that it is given and of nothing else, and equal counts fall by id, so"
    " that everybody gets the same list.",
    hints=(
        "value_counts() counts, but leaves equal counts in the order in which it met them. What could be sorted first?",
        "A stable sort keeps the order of equal ones: sort by id first, then by count with kind='stable'.",
        "counts.sort_values(ascending=False, kind='stable'), then head(k); the ids are its index.",
    ),
    wrong=(
        Wrong(_CLICKED.replace("[events['event_type'] == 'clicked_on']", "") + _COUNTS + _ORDER
              + "    return counts.head(k).index.tolist()", says="all types"),
        Wrong(_CLICKED + "    return clicked['item_id'].value_counts().head(k).index.tolist()", says="order of ties"),
        Wrong(_CLICKED + _COUNTS + "    return counts.sort_values(ascending=False).head(k).index.tolist()",
              says="order of ties"),
        Wrong(_CLICKED + _COUNTS + "    return counts.sort_values(kind='stable').head(k).index.tolist()",
              says="least clicked"),
        Wrong(_CLICKED + _COUNTS + "    return counts.head(k).index.tolist()", says="at place 1 stands bag"),
        Wrong(_CLICKED + _COUNTS + _ORDER + "    return counts.head(k).tolist()", says="these are counts"),
        Wrong(_CLICKED + _COUNTS + _ORDER + "    return counts.head(k)", says="these are counts"),
        Wrong(_CLICKED + _COUNTS + _ORDER + "    return counts.head(k).index", says="of the type Index"),
        Wrong(_CLICKED + _COUNTS + _ORDER + "    return counts.head(k + 1).index.tolist()", says="there should be 3"),
        Wrong(_CLICKED + _COUNTS + _ORDER + "    return counts.head(k - 1).index.tolist()", says="there should be 3"),
        Wrong("def popular_ids(events, k):\n    return ['P0001', 'P0002', 'P0003', 'P0004'][:k]", says="from outside"),
    ),
)  # fmt: skip

EXERCISES = (CLICK_RATE, NDCG, POPULAR_IDS)
