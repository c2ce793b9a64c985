"""The exercises of chapter 06: rows before the update, a fading counter, rates by rank, late events, an accumulator."""

from __future__ import annotations

from recsys_lab.exercises import checks_06, checks_06_own
from recsys_lab.exercises.exercise import Exercise, Wrong
from recsys_lab.exercises.questions_06 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]

_ROWS = "from collections import Counter\ndef rows_of(products):\n    clicks, rows = Counter(), []\n"
_LOOP = "    for product in products:\n"
_READ, _ADD = "        rows.append(clicks[product])\n", "        clicks[product] += 1\n"
_GIVE = "    return rows"

BEFORE = Exercise(
    names=("rows_of",),
    difficulty=1,
    minutes=5,
    trains="features are read before the event updates them",
    check=checks_06.before,
    right="the row of a product's first click says 0, and so it has to: that is all that anybody could know when the"
    " list was made.",
    hints=(
        "Two things happen for each click: its row is written, and the counter is raised. Which one comes first?",
        "A product's first click has to get the row 0, and a Counter says 0 for what it has not counted.",
        "rows.append(…) writes the row, from the counter as it is before this click.",
    ),
    wrong=(
        Wrong(_ROWS + _LOOP + _ADD + _READ + _GIVE, says="knows its own label"),
        Wrong(_ROWS + "    clicks.update(products)\n    return [clicks[product] for product in products]",
              says="the whole log"),
        Wrong(_ROWS + "    clicks.update(products)\n    return [clicks[product] - 1 for product in products]",
              says="come after it"),
        Wrong(_ROWS + "    return list(range(len(products)))", says="of all products"),
        Wrong(_ROWS + _LOOP + _READ + _GIVE, says="never raised"),
        Wrong(_ROWS + _LOOP + _READ + _ADD + "    return clicks", says="a list"),
        Wrong(_ROWS + _LOOP + "        rows.append(min(clicks[product], 1))\n" + _ADD + _GIVE, says="should be"),
    ),
)  # fmt: skip

_FADE = "def clicked(count, at, t, half_life):\n    now = max(at, t)\n"
_OLD = "    old = count * 0.5 ** ((now - at) / half_life)\n"
_NEW = "    new = 0.5 ** ((now - t) / half_life)\n"
_SUM = "    return old + new, now"

FADING = Exercise(
    names=("clicked",),
    difficulty=2,
    minutes=10,
    trains="a counter that fades, right also for a click that comes late",
    check=checks_06.fading,
    right="two numbers say all there is to know of any number of clicks, and a late one comes in at what it is still"
    " worth. But only nearly: see the next cell.",
    hints=(
        "What was worth `count` at the time `at` is worth half of it a half-life later, a quarter after two:"
        " 0.5 ** (time / half_life).",
        "`old` fades from `at` until `now`; `new` is one click, which fades from t until now. Only one of the two has"
        " to fade: for the other the time is 0.",
        "old = count * 0.5 ** ((now - at) / half_life)",
    ),
    wrong=(
        Wrong(_FADE + "    old = count\n" + _NEW + _SUM, says="does not fade"),
        Wrong(_FADE + _OLD + "    new = 1\n" + _SUM, says="late click"),
        Wrong(_FADE + _OLD + "    new = 1 if t >= at else 0\n" + _SUM, says="thrown away"),
        Wrong(_FADE + "    old = count * np.exp(-(now - at) / half_life)\n    new = np.exp(-(now - t) / half_life)\n"
              + _SUM, says="37 %"),
        Wrong(_FADE + _OLD + _NEW + "    return old + new, t", says="goes back"),
        Wrong(_FADE + _OLD.replace("at)", "t)") + _NEW.replace("t)", "at)") + _SUM, says="wrong way round"),
        Wrong(_FADE + _OLD + _NEW + "    return old + new", says="two numbers"),
        Wrong(_FADE + _OLD.replace("0.5", "2") + _NEW.replace("0.5", "2") + _SUM, says="grows"),
        Wrong(_FADE + _OLD.replace(") / half", ") // half") + _NEW.replace(") / half", ") // half") + _SUM,
              says="only whole half-lives"),
        Wrong(_FADE + _OLD.replace(") / half", ") // half") + _NEW + _SUM, says="only whole half-lives"),
        Wrong(_FADE + _OLD + _NEW.replace(") / half", ") // half") + _SUM, says="only whole half-lives"),
        Wrong(_FADE + _OLD.replace("((now - at) / half_life)", "(now - at) / half_life") + _NEW + _SUM,
              says="in brackets"),
        Wrong(_FADE + (_OLD + _NEW).replace("((", "(").replace("life)", "life") + _SUM, says="in brackets"),
        Wrong(_FADE + _OLD.replace("(now - at)", "(t - at)") + _NEW + _SUM, says="t - at is below 0"),
        Wrong(_FADE + "    return count / 2 + 1, now", says="should make"),
    ),
)  # fmt: skip

_RATES = "def rates_by_rank(clicks, shown):\n    raw = (clicks + 1) / (shown + 2)\n    mixed = raw.copy()\n"
_INSIDE = "    mixed[1:-1] = 0.25 * raw[:-2] + 0.5 * raw[1:-1] + 0.25 * raw[2:]\n"
_FIRST = "    mixed[0] = 0.5 * raw[0] + 0.3 * raw[1] + 0.2 * raw[2]\n"
_LAST = "    mixed[-1] = 0.5 * raw[-1] + 0.3 * raw[-2] + 0.2 * raw[-3]\n"

RATES = Exercise(
    names=("rates_by_rank",),
    difficulty=2,
    minutes=12,
    trains="rates of few clicks: smoothed, and mixed with their neighbours",
    check=checks_06.rates,
    right="the smoothing says something even of a rank that was never shown, and the neighbours lend what a rank does"
    " not have. recsys_lab.realtime.rates is the same.",
    hints=(
        "raw = (clicks + 1) / (shown + 2), for all ranks at once.",
        "Inside: raw[:-2] are the ranks before, raw[2:] those after raw[1:-1].",
        "At the last rank count inwards: 0.5 * raw[-1] + 0.3 * raw[-2] + 0.2 * raw[-3].",
    ),
    wrong=(
        Wrong(_RATES.replace("(clicks + 1) / (shown + 2)", "clicks / shown") + _INSIDE + _FIRST + _LAST
              + "    return mixed", says="not smoothed"),
        Wrong(_RATES.replace("shown + 2", "shown + 1") + _INSIDE + _FIRST + _LAST + "    return mixed",
              says="shown + 2"),
        Wrong(_RATES + "    return raw", says="not mixed"),
        Wrong(_RATES + _INSIDE + "    return mixed", says="both ends are left"),
        Wrong(_RATES + "    return np.convolve(raw, [0.25, 0.5, 0.25], mode='same')", says="beyond the end"),
        Wrong(_RATES + _INSIDE + _FIRST + "    mixed[-1] = 0.5 * raw[-3] + 0.3 * raw[-2] + 0.2 * raw[-1]\n"
              + "    return mixed", says="backwards"),
        Wrong(_RATES + "    for at in range(1, len(raw) - 1):\n"
              "        mixed[at] = 0.25 * mixed[at - 1] + 0.5 * mixed[at] + 0.25 * mixed[at + 1]\n" + _FIRST + _LAST
              + "    return mixed", says="mixed already"),
        Wrong(_RATES + _INSIDE + _FIRST + "    return mixed", says="the last rank is left"),
        Wrong(_RATES + _INSIDE + _LAST + "    return mixed", says="the first rank is left"),
        Wrong(_RATES + _FIRST + _LAST + "    return mixed", says="ranks inside are left"),
        Wrong(_RATES + _INSIDE + (_FIRST + _LAST).replace("raw", "mixed") + "    return mixed", says="mixed already"),
        Wrong(_RATES + _INSIDE + (_LAST + _FIRST).replace("raw", "mixed") + "    return mixed", says="mixed already"),
        Wrong(_RATES.replace("(shown + 2)", "shown + 2") + _INSIDE + _FIRST + _LAST + "    return mixed",
              says="need brackets"),
        Wrong(_RATES.replace("(clicks + 1)", "clicks + 1") + _INSIDE + _FIRST + _LAST + "    return mixed",
              says="need brackets"),
        Wrong(_RATES + "    return raw.mean() + 0 * raw", says="should be"),
        Wrong(_RATES + _INSIDE + _FIRST + _LAST + "    return mixed[1:-1]", says="a rate for each rank"),
    ),
)  # fmt: skip

_SUMMARY = "from collections import Counter\ndef summary(stream):\n"
_ONCE = "    once = {event.id: event for event in stream}\n"
_ORDER = "    ordered = sorted(once.values(), key=lambda event: (event.timestamp, event.id))\n"
_COUNT = (
    "    clicks, last = Counter(), {}\n    for event in ordered:\n        clicks[event.user_id] += 1\n"
    "        last[event.user_id] = event.item_id\n    return {user: (clicks[user], last[user]) for user in last}"
)

LATE = Exercise(
    names=("summary",),
    difficulty=2,
    minutes=10,
    trains="events that come late and twice: known by id, ordered by their own time",
    check=checks_06.late,
    right="whatever way the events took, the answer is the same. That is what makes a replay possible, and two"
    " machines that may both be asked.",
    hints=(
        "An event that was sent twice has the same id both times. In a dictionary by id it stands once.",
        "sorted(once.values(), key=lambda event: …) puts them in the order in which they happened, not came.",
        "Two events of the same millisecond: the key is (event.timestamp, event.id).",
    ),
    wrong=(
        Wrong(_SUMMARY + "    once = dict(enumerate(stream))\n" + _ORDER + _COUNT, says="counted as often"),
        Wrong(_SUMMARY + _ONCE + "    ordered = list(once.values())\n" + _COUNT, says="came last"),
        Wrong(_SUMMARY + "    ordered = stream\n" + _COUNT, says="Both are missing"),
        Wrong(_SUMMARY + "    once = {(event.user_id, event.item_id): event for event in stream}\n" + _ORDER + _COUNT,
              says="second click on the same product"),
        Wrong(_SUMMARY + _ONCE + "    ordered = sorted(once.values(), key=lambda event: event.timestamp)\n" + _COUNT,
              says="same millisecond"),
        Wrong(_SUMMARY + _ONCE + _ORDER.replace("(event.timestamp, event.id)", "event.id") + _COUNT,
              says="settles ties only"),
        Wrong(_SUMMARY + _ONCE + _ORDER.replace("(event.timestamp, event.id)", "(event.id, event.timestamp)") + _COUNT,
              says="settles ties only"),
        Wrong(_SUMMARY + _ONCE + _ORDER.replace("))\n", "), reverse=True)\n") + _COUNT, says="first product"),
        Wrong(_SUMMARY + "    once, newest = {}, {}\n    for event in stream:\n"
              "        if event.timestamp >= newest.get(event.user_id, 0):\n"
              "            once[event.id] = event\n            newest[event.user_id] = event.timestamp\n"
              + _ORDER + _COUNT, says="thrown away"),
        Wrong(_SUMMARY + _ONCE + _ORDER + "    return [event.item_id for event in ordered]", says="a dictionary"),
        Wrong(_SUMMARY + _ONCE + "    return {event.user_id: (1, event.item_id) for event in stream}",
              says="should say"),
    ),
)  # fmt: skip

_OWN = (
    "from recsys_lab.realtime import Accumulator, Add\nclass TakenOut(Accumulator):\n    name = 'taken_out'\n"
    "    events = ('put_to_cart', 'removed_from_cart')\n    def update(self, event, facts):\n"
)
_YIELD = "        yield Add(f'taken_out/{event.event_type}', event.item_id)\n"
_WANTS = (
    "    def wants(self, asked):\n        return {f'taken_out/{kind}': asked.items for kind in self.events}\n"
    "    def features(self, asked):\n        put = asked.column('taken_out/put_to_cart')\n"
    "        out = asked.column('taken_out/removed_from_cart')\n"
)
_SHARE = "        return {'taken_out': (out + 1) / (put + 2)}"

OWN = Exercise(
    names=("TakenOut",),
    difficulty=3,
    minutes=15,
    trains="an accumulator for the package's contract: sums that do not care for order",
    check=checks_06_own.own,
    right="in every store, in any order of the events, in a replay, and when somebody is forgotten it comes out the"
    " same, and you wrote nothing for that: sums of whole numbers cannot do otherwise.",
    hints=(
        "The kind of the event says which of the two tables grows: f\"taken_out/{event.event_type}\".",
        'yield Add(table, event.item_id) adds one to the product\'s field of the table.',
        "(out + 1) / (put + 2), with the columns as they are: arrays, a number for each product that was asked.",
    ),
    wrong=(
        Wrong(_OWN + "        yield Add('taken_out/put_to_cart', event.item_id)\n" + _WANTS + _SHARE,
              says="never grows"),
        Wrong(_OWN + _YIELD + _WANTS + "        return {'taken_out': out / put}", says="0 / 0"),
        Wrong(_OWN + _YIELD + _WANTS + "        return {'taken_out': (put + 1) / (out + 2)}", says="upside down"),
        Wrong(_OWN + _YIELD + _WANTS + "        return {'taken_out': (out + 1) / (put + out + 2)}",
              says="already among"),
        Wrong(_OWN + _YIELD.replace("event.item_id", "event.user_id") + _WANTS + _SHARE, says="not under products"),
        Wrong(_OWN + _YIELD + _WANTS.replace("column('taken_out/", "column('") + _SHARE, says="one name in update"),
        Wrong(_OWN + _YIELD + _WANTS.replace("column('taken_out/removed", "column('removed") + _SHARE,
              says="one name in update"),
        Wrong(_OWN + _YIELD.replace("taken_out/", "") + _WANTS + _SHARE, says="one name in update"),
        Wrong(_OWN + _YIELD + _WANTS + "        return {'taken_out': ((out + 1) / (put + 2)).mean()}",
              says="one number"),
        Wrong(_OWN + _YIELD + _WANTS + "        return {'taken_out': (out + 1).sum() / (put + 2).sum()}",
              says="one number"),
        Wrong("import pandas as pd\n" + _OWN + _YIELD + _WANTS
              + "        return {'taken_out': pd.Series((out + 1) / (put + 2))}", says="Give an array"),
        Wrong(_OWN + "        self.out = getattr(self, 'out', 0) + 1\n        return []\n" + _WANTS + _SHARE,
              says="nothing is counted"),
        Wrong(_OWN + _YIELD.replace("item_id)", "item_id, 2)") + _WANTS + _SHARE, says="should have"),
        Wrong(_OWN + _YIELD + _WANTS + "        return (out + 1) / (put + 2)", says="columns by name"),
        Wrong(_OWN.replace("'put_to_cart', 'removed_from_cart'", "'put_to_cart',") + _YIELD + _WANTS + _SHARE,
              says="one name in update"),
        Wrong(_OWN + "        if event.event_type == 'put_to_cart':\n    " + _YIELD + _WANTS + _SHARE,
              says="never grows"),
    ),
)  # fmt: skip

EXERCISES = (BEFORE, FADING, RATES, LATE, OWN)
