"""The exercises of chapter 01: a number as an angle, the score, a filter beside weights, a range that fits."""

from __future__ import annotations

from recsys_lab.exercises import checks_01
from recsys_lab.exercises.exercise import Exercise, Wrong
from recsys_lab.exercises.questions_01 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]

_ENDS = "def much(value, low, high):\n    bottom, top = np.log10(1 + low), np.log10(1 + high)\n"
_LOG = _ENDS + "    place = (np.log10(1 + value) - bottom) / (top - bottom)\n"

MUCH = Exercise(
    names=("much",),
    difficulty=1,
    minutes=8,
    trains="a number as an angle: similarity on a log scale",
    check=checks_01.much,
    right="the place on the log scale becomes an angle, and its sine is 0 at the low end and 1 at the high end. Ten"
    " reviews more count for a lot where there are few, and for little where there are many.",
    hints=(
        "The place in the range is (value - low) / (high - low), only that all three are taken by log10(1 + v).",
        "bottom and top are there already: what stands in place of value?",
        "Clip the place to 0 to 1, make it an angle (times np.pi / 2), and take the sine.",
    ),
    wrong=(
        Wrong(
            "def much(value, low, high):\n    place = np.clip((value - low) / (high - low), 0, 1)\n"
            "    return np.sin(place * np.pi / 2)",
            says="the straight scale",
        ),
        Wrong(_LOG + "    return np.cos(np.clip(place, 0, 1) * np.pi / 2)", says="less is better"),
        Wrong(_LOG + "    return np.sin(place * np.pi / 2)", says="Clip the place"),
        Wrong(_LOG + "    return np.sin(np.clip(place, 0, 1))", says="becomes an angle first"),
        Wrong(_LOG + "    return np.sin(np.clip(place, 0, 1) * np.pi)", says="A quarter of a circle"),
        Wrong(_LOG + "    return np.sin(np.clip(place, 0, 1) * 90)", says="radians"),
        Wrong(_LOG + "    return np.clip(place, 0, 1)", says="and then a sine"),
        Wrong(
            "def much(value, low, high):\n    place = np.log10(value / low) / np.log10(high / low)\n"
            "    return np.sin(np.clip(place, 0, 1) * np.pi / 2)",
            says="log10(1 + v)",
        ),
        Wrong(
            "def much(value, low, high):\n    return np.sin(np.log10(1 + value) / np.log10(1 + high) * np.pi / 2)",
            says="leaves the low end out",
        ),
        Wrong(_LOG + "    return np.sin(np.clip(place, 0, 1) * np.pi / 2).mean()", says="one similarity a value"),
        Wrong(_LOG + "    return np.sin(np.clip(place, 0, 1) * np.pi / 2) ** 2", says="should be"),
    ),
)


_START = "def score(similarities, weights):\n"
_LENGTH = "np.linalg.norm(weights)"

SCORE = Exercise(
    names=("score",),
    difficulty=2,
    minutes=10,
    trains="the weighted score of several similarities",
    check=checks_01.score,
    right="the weighted sum, divided by the length of the weights and by √k. Equal weights give the mean, and an"
    " aspect that is not asked changes nothing.",
    hints=(
        "k counts the weights that are not 0.",
        "similarities @ weights is the weighted sum, one number a product.",
        "The length of the weights is np.linalg.norm(weights). Divide by that times np.sqrt(k).",
    ),
    wrong=(
        Wrong(_START + "    return similarities @ weights", says="this is the sum"),
        Wrong(_START + f"    return similarities @ weights / {_LENGTH}", says="√k is missing"),
        Wrong(
            _START + f"    return similarities @ weights / ({_LENGTH} * np.sqrt(len(weights)))", says="all aspects in k"
        ),
        Wrong(
            _START + f"    return similarities @ weights / ({_LENGTH} * np.sqrt((weights > 0).sum()))",
            says="asks for the opposite",
        ),
        Wrong(_START + f"    return similarities @ weights / ({_LENGTH} * (weights != 0).sum())", says="the root of k"),
        Wrong(_START + "    return similarities @ weights / weights.sum()", says="the sum of the weights"),
        Wrong(
            _START + "    return similarities @ weights / ((weights**2).sum() * np.sqrt((weights != 0).sum()))",
            says="sum of the squares",
        ),
        Wrong(
            _START + f"    return similarities @ weights**2 / ({_LENGTH} * np.sqrt((weights != 0).sum()))",
            says="are squared",
        ),
        Wrong(_START + "    return similarities.mean(axis=1)", says="Where do the weights come in"),
        Wrong(_START + "    return (similarities @ weights).sum()", says="one score for each"),
        Wrong(
            _START + f"    return similarities @ weights / {_LENGTH} * np.sqrt((weights != 0).sum())",
            says="brackets",
        ),
        Wrong(_START + "    return similarities @ weights / np.abs(weights).sum()", says="is not the length"),
        Wrong(
            _START + "    return similarities @ weights / (np.abs(weights).sum() * np.sqrt((weights != 0).sum()))",
            says="is not the length",
        ),
        Wrong(_START + "    return weights @ similarities", says="A product is a row"),
        Wrong(_START + "    return similarities @ weights / 7", says="should score"),
    ),
)


_GIFT = "def gift(index):\n    return index.search("

GIFT = Exercise(
    names=("gift",),
    difficulty=2,
    minutes=8,
    trains="weights say what is better, a filter what may be there at all",
    check=checks_01.gift,
    right="weights say what is better, and the filter says what may be there at all. No weight could have kept the"
    " socks out for certain.",
    hints=(
        "What must not be there is a filter: field(\"category\") compared with \"socks\".",
        "A weight on a number space asks for its good end: weights={\"price\": 1, \"rating\": 1}.",
        "search takes the filter as where=, and the length of the list as k=.",
    ),
    wrong=(
        Wrong(_GIFT + "weights={'price': 1, 'rating': 1}, k=5)", says="at place 1 there is a pair of socks"),
        Wrong(
            _GIFT + "{'category': 'socks'}, {'price': 1, 'rating': 1, 'category': -0.2}, k=5)", says="forbids nothing"
        ),
        Wrong(
            _GIFT + "weights={'price': 1, 'rating': 1}, where=field('category') == 'socks', k=3)",
            says="nothing but socks",
        ),
        Wrong(_GIFT + "weights={'price': 1, 'rating': 1}, where=field('category') != 'socks')", says="should be 5"),
        Wrong(_GIFT + "weights={'price': 1}, where=field('category') != 'socks', k=5)", says="only price counts"),
        Wrong(_GIFT + "weights={'rating': 1}, where=field('category') != 'socks', k=5)", says="only rating counts"),
        Wrong(
            _GIFT + "weights={'price': 1, 'rating': 9}, where=field('category') != 'socks', k=5)",
            says="weigh the same",
        ),
        Wrong(
            _GIFT + "weights={'price': 1, 'rating': 1}, where=field('category') != 'sock', k=5)",
            says="is the filter's value exactly",
        ),
        Wrong(_GIFT + "weights={'price': 1, 'rating': 1}, where=\"category != 'socks'\", k=5)", says="not a text"),
        Wrong(_GIFT + "weights={'price': 1, 'rating': 1}, exclude=field('category') != 'socks', k=5)",
              says="handed over as where="),
        Wrong("def gift(index):\n    return field('category') != 'socks'", says="what index.search returns"),
    ),
)  # fmt: skip


_SPACE = "def price_space(products):\n    return NumberSpace("

PRICE_SPACE = Exercise(
    names=("price_space",),
    difficulty=2,
    minutes=6,
    trains="a range that comes from the data and not from a feeling",
    check=checks_01.price_space,
    right="both ends come from the products, so none lies beyond the bad end, in this shop or another one. In a shop"
    " with a few very dear products the log scale would leave more room for the others.",
    hints=(
        "The range should come from the products that the function is given, not from a feeling.",
        "products[\"price\"].min() and .max().",
    ),
    wrong=(
        Wrong(_SPACE + "'price', 25, 100, mode='minimum')", says="beyond the bad end"),
        Wrong(
            _SPACE + "'price', products['price'].min(), products['price'].quantile(0.9), mode='minimum')",
            says="beyond the bad end",
        ),
        Wrong(_SPACE + "'price', 0, 1_000_000, mode='minimum')", says="hardly tells them apart"),
        Wrong(
            _SPACE + "'price', products['price'].median(), products['price'].max(), mode='minimum')",
            says="different prices score the same",
        ),
        Wrong(
            _SPACE + "'price', products['price'].min(), products['price'].max(), mode='maximum')",
            says="less is better",
        ),
        Wrong(
            _SPACE + "'price', products['price'].min(), products['price'].max(), mode='minimum', scale='log')",
            says="the straight scale is asked for",
        ),
        Wrong("def price_space(products):\n    return products['price'].min(), products['price'].max()",
              says="a NumberSpace is wanted"),
    ),
)  # fmt: skip

EXERCISES = (MUCH, SCORE, GIFT, PRICE_SPACE)
