"""The exercises of chapter 02: the recursion, its normalised form, an influence for those who click, the last visit."""

from __future__ import annotations

from recsys_lab.exercises import checks_02
from recsys_lab.exercises.exercise import Exercise, Wrong
from recsys_lab.exercises.questions_02 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]

_PULL = (
    "def pull(weights, vectors, temperature):\n"
    "    t, e = temperature, weights[0] * vectors[0]\n"
    "    for n, (w, v) in enumerate(zip(weights, vectors), start=1):\n"
    "        if n == 1:\n"
    "            continue\n"
)
_PAST = "        s = (n - 1) * (1 - t)\n"
_STEP = "        e = (t * w * v + s * e) / (t + s)\n"

PULL = Exercise(
    names=("pull",),
    difficulty=1,
    minutes=8,
    trains="the recursion with a temperature: the new event against the past",
    check=checks_02.pull,
    right="the first event is taken whole, each later one by t against the s of what came before. At t = 0.5 that is"
    " the running mean of all w·v, at t = 1 the last event alone.",
    hints=(
        "Both lines stand in the text above: s first, then the new e from the old one.",
        "s counts the events before this one, n - 1 of them, each by 1 - t.",
        "e = (t * w * v + s * e) / (t + s)",
    ),
    wrong=(
        Wrong(_PULL + "        s = n * (1 - t)\n" + _STEP + "    return e", says="n - 1 events before"),
        Wrong(_PULL + "        s = n - 1 * (1 - t)\n" + _STEP + "    return e", says="The brackets are"),
        Wrong(_PULL + "        s = (n - 1) * t\n" + _STEP + "    return e", says="by 1 - t"),
        Wrong(_PULL + "        s = 1 - t\n" + _STEP + "    return e", says="as one event"),
        Wrong(_PULL + _PAST + "        e = t * w * v + s * e\n    return e", says="not divided"),
        Wrong(_PULL + _PAST + "        e = (t * v + s * e) / (t + s)\n    return e", says="w is missing"),
        Wrong(_PULL + _PAST + "        e = (t * w * v + s * e) / (t * w + s)\n    return e", says="divided by t + s"),
        Wrong(_PULL + _PAST + "        e = (s * w * v + t * e) / (t + s)\n    return e", says="other way round"),
        Wrong(
            "def pull(weights, vectors, temperature):\n"
            "    return sum(w * v for w, v in zip(weights, vectors)) / len(weights)",
            says="whatever the temperature",
        ),
        Wrong(
            "def pull(weights, vectors, temperature):\n    return sum(w * v for w, v in zip(weights, vectors))",
            says="the sum of all",
        ),
        Wrong("def pull(weights, vectors, temperature):\n    return 0.5", says="a vector of 2 numbers"),
    ),
)

_SUM = "    e = sum(share * w * v for share, w, v in zip(shares, weights, vectors))\n"

NORMALISED = Exercise(
    names=("normalised",),
    difficulty=2,
    minutes=8,
    trains="a mean that is as loud for clicks as for purchases",
    check=checks_02.normalised,
    right="who only clicks and who only buys now have an e of the same length if their events agree alike: the weights"
    " say how events count against each other, and no longer how loud the shopper is.",
    hints=(
        "e is the sum of share · weight · vector over the events.",
        "d is the same sum with |w| in the place of w · v: one number.",
        "np.sum(shares * np.abs(weights)) is d.",
    ),
    wrong=(
        Wrong("def normalised(shares, weights, vectors):\n" + _SUM + "    return e", says="not divided"),
        Wrong(
            "def normalised(shares, weights, vectors):\n" + _SUM + "    return e / np.sum(shares * weights)",
            says="|w|",
        ),
        Wrong(
            "def normalised(shares, weights, vectors):\n" + _SUM + "    return e / np.sum(np.abs(weights))",
            says="without their shares",
        ),
        Wrong(
            "def normalised(shares, weights, vectors):\n" + _SUM + "    return e / np.linalg.norm(e)",
            says="length 1",
        ),
        Wrong("def normalised(shares, weights, vectors):\n" + _SUM + "    return e / len(weights)", says="number of"),
        Wrong(
            "def normalised(shares, weights, vectors):\n"
            "    return (shares[:, None] * vectors).sum(axis=0)",
            says="weights are not in it",
        ),
        Wrong(
            "def normalised(shares, weights, vectors):\n"
            "    return weights @ vectors / np.sum(np.abs(weights))",
            says="shares are not in it",
        ),
    ),
)  # fmt: skip

_INFLUENCE = "def influence_for(weight, similarity):\n    r = np.sqrt(1 / similarity**2 - 1)\n"

INFLUENCE = Exercise(
    names=("influence_for",),
    difficulty=2,
    minutes=12,
    trains="what an influence means beside a weight: solve for it",
    check=checks_02.influence_for,
    right="a single click (weight 0.2) needs an influence of 0.91 to get a similarity of 0.9; a purchase (weight 1)"
    " needs 0.67. An influence means nothing without the weights beside it.",
    hints=(
        "The shopper's part is influence · weight in the direction of the event, 1 - influence in that of the base.",
        "similarity = i·w / sqrt((i·w)² + (1 - i)²). Divide above and below by i·w: the ratio r = (1 - i) / (i·w) is"
        " left, and similarity = 1 / sqrt(1 + r²).",
        "So r = sqrt(1 / similarity² - 1), and 1 - i = i·w·r. Solve for i.",
    ),
    wrong=(
        Wrong("def influence_for(weight, similarity):\n    return similarity", says="the influence itself"),
        Wrong("def influence_for(weight, similarity):\n    return similarity / weight", says="more than 1"),
        Wrong(_INFLUENCE + "    return 1 / (1 + r)", says="whatever the weight"),
        Wrong(_INFLUENCE + "    return weight * r / (1 + weight * r)", says="of the base"),
        Wrong(_INFLUENCE + "    return 1 / (1 + r / weight)", says="needs more influence"),
        Wrong(
            "def influence_for(weight, similarity):\n    r = 1 / similarity - 1\n    return 1 / (1 + weight * r)",
            says="without the lengths",
        ),
        Wrong(
            "def influence_for(weight, similarity):\n    return round(1 / (1 + weight * similarity), 2)",
            says="should be",
        ),
    ),
)

_VISIT = "def last_visit(rules, times, length_ms):\n    share = rules.shares(times)\n"

LAST_VISIT = Exercise(
    names=("last_visit",),
    difficulty=2,
    minutes=8,
    trains="how much of a vector is from the last visit: shares by time",
    check=checks_02.last_visit,
    right="the shares of all events add up to 1, so this is the part of the vector that the last visit holds: the"
    " rules' memory in one number, and the first thing to look at when lists are stale or jumpy.",
    hints=(
        "rules.shares(times) says how much of each event is left.",
        "The visit began at times[-1] - length_ms. Events from then on count, that one included.",
        "share[times >= times[-1] - length_ms] keeps the shares of these events. What do they add up to?",
    ),
    wrong=(
        Wrong(
            "def last_visit(rules, times, length_ms):\n    return (times >= times[-1] - length_ms).mean()",
            says="counts the events",
        ),
        Wrong(_VISIT + "    return share[times > times[-1] - length_ms].sum()", says="at the very moment"),
        Wrong(_VISIT + "    return share[times <= times[-1] - length_ms].sum()", says="before the last visit"),
        Wrong(_VISIT + "    return share[times <= times[0] + length_ms].sum()", says="first visit"),
        Wrong(_VISIT + "    return share[times >= times[-1] - length_ms].mean()", says="add them up"),
        Wrong(_VISIT + "    return share[-1]", says="last event alone"),
        Wrong(_VISIT + "    return share[times >= times[-1] - length_ms]", says="one number"),
        Wrong(
            "def last_visit(rules, times, length_ms):\n"
            "    visit = times[times >= times[-1] - length_ms]\n"
            "    return rules.shares(visit).sum()",
            says="as if nothing had been before",
        ),
        Wrong(_VISIT + "    return share[times >= length_ms].sum()", says="1 for all rules"),
    ),
)

EXERCISES = (PULL, NORMALISED, INFLUENCE, LAST_VISIT)
