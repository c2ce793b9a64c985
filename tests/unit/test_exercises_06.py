"""The checkers of chapter 06: right answers of other kinds are right, known mistakes hear what is wrong."""

from __future__ import annotations

from functools import partial

import pytest

from recsys_lab.exercises import chapter
from tests import learner

verdict = partial(learner.verdict, "06")


ROWS = "def rows_of(products):\n"
FADE = "def clicked(count, at, t, half_life):\n"
RATES = "def rates_by_rank(clicks, shown):\n"
SUMMARY = "def summary(stream):\n"
OWN = (
    "from recsys_lab.realtime import Accumulator, Add\nclass TakenOut(Accumulator):\n    name = 'taken_out'\n"
    "    events = ['put_to_cart', 'removed_from_cart']\n"
)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, ROWS + "    return [products[:at].count(product) for at, product in enumerate(products)]"),
        (1, ROWS + "    return pd.Series(products).groupby(products).cumcount()"),
        (1, ROWS + "    clicks, rows = {}, np.zeros(len(products))\n    for at, product in enumerate(products):\n"
            "        rows[at] = clicks.get(product, 0)\n        clicks[product] = rows[at] + 1\n    return rows"),
        (2, FADE + "    return count * 2 ** (-(t - at) / half_life) + 1, t"),  # right for the click's time, late or not
        (2, FADE + "    if t >= at:\n        return np.array([count * 0.5 ** ((t - at) / half_life) + 1, t])\n"
            "    return [round(count + 0.5 ** ((at - t) / half_life), 12), at]"),
        (2, FADE + "    gone = np.log(2) * abs(t - at) / half_life\n"
            "    return (1 + count * np.exp(-gone), t) if t > at else (count + np.exp(-gone), at)"),
        (3, RATES + "    raw = (np.asarray(clicks) + 1) / (np.asarray(shown) + 2)\n    n = len(raw)\n"
            "    return [.5 * raw[0] + .3 * raw[1] + .2 * raw[2]] + [(raw[i - 1] + 2 * raw[i] + raw[i + 1]) / 4"
            " for i in range(1, n - 1)] + [.5 * raw[n - 1] + .3 * raw[n - 2] + .2 * raw[n - 3]]"),
        (3, RATES + "    raw = pd.Series((clicks + 1) / (shown + 2))\n"
            "    mixed = raw.rolling(3, center=True).apply(lambda three: three @ [.25, .5, .25], raw=True)\n"
            "    mixed.iloc[0], mixed.iloc[-1] = raw[:3] @ [.5, .3, .2], raw[::-1][:3] @ [.5, .3, .2]\n"
            "    return mixed.round(5)"),
        (4, SUMMARY + "    rows = pd.DataFrame([vars(one) for one in stream]).drop_duplicates('id')\n"
            "    rows = rows.sort_values(['timestamp', 'id']).groupby('user_id')['item_id'].agg(['size', 'last'])\n"
            "    return {user: [row['size'], row['last']] for user, row in rows.iterrows()}"),
        (4, SUMMARY + "    seen, clicks, newest = set(), {}, {}\n    for one in stream:\n"
            "        clicks[one.user_id] = clicks.get(one.user_id, 0) + (one.id not in seen)\n"
            "        seen.add(one.id)\n        key = (one.timestamp, one.id, one.item_id)\n"
            "        newest[one.user_id] = max(newest.get(one.user_id, key), key)\n"
            "    return pd.Series({user: (clicks[user], newest[user][2]) for user in clicks})"),
        (5, OWN + "    def update(self, event, facts):\n"
            "        return [Add('out' if event.event_type.startswith('removed') else 'in', event.item_id, 1)]\n"
            "    def wants(self, asked):\n        return {'in': asked.items, 'out': list(asked.items)}\n"
            "    def features(self, asked):\n"
            "        return {'taken_out': (asked.column('out') + 1.0) / (2 + asked.column('in'))}"),
        (5, OWN + "    def update(self, event, facts):\n"
            "        yield Add('change', event.item_id + ('+' if event.event_type == 'put_to_cart' else '-'))\n"
            "    def wants(self, asked):\n"
            "        return {'change': [item + sign for item in asked.items for sign in '+-']}\n"
            "    def features(self, asked):\n"
            "        put, out = (asked.column('change', [item + sign for item in asked.items]) for sign in '+-')\n"
            "        return {'taken_out': list((out + 1) / (put + 2))}"),
        (5, OWN + "    def update(self, event, facts):\n        yield Add(event.event_type, event.item_id)\n"
            "    def wants(self, asked):\n        return {kind: asked.items for kind in self.events}\n"
            "    def features(self, asked):\n        put, out = (asked.column(kind) for kind in self.events)\n"
            "        return {'taken_out': pd.Series((out + 1) / (put + 2), index=asked.items)}"),
    ],
)  # fmt: skip
def test_other_right_ways(number: int, code: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "right", message


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (1, ROWS + "    return 3", "a number for each click"),
        (1, ROWS + "    return []", "a number for each click"),
        (1, ROWS + "    return {product: 0 for product in products}", "a number for each click"),
        (2, FADE + "    return count * 0.5 + 1", "two numbers"),
        (2, FADE + "    return float('nan'), t", "should make"),
        (2, FADE + "    return 10.0 ** 300, -(10 ** 12)", "should make"),
        (2, FADE + "    return (count + 1) * 0.5 ** ((t - at) / half_life), max(at, t)", "should make"),
        (3, RATES + "    return (clicks.sum() + 1) / (shown.sum() + 2)", "a rate for each rank"),
        (3, RATES + "    return clicks / 0", "should be"),
        (3, RATES + "    return (clicks + 1) / (shown + 1)", "should be"),
        (1, ROWS + "    return [0] * (len(products) - 1) + [2]", "it is [0, 0, 0, 0, 0, 2]"),
        (1, ROWS + "    return [None for product in products]", "it is [None, None, None, None, None, None]"),
        (3, RATES + "    raw = clicks + 1 / shown + 2\n    mixed = raw.copy()\n"
            "    mixed[1:-1] = (raw[:-2] + 2 * raw[1:-1] + raw[2:]) / 4\n"
            "    mixed[0], mixed[-1] = raw[:3] @ [.5, .3, .2], raw[:-4:-1] @ [.5, .3, .2]\n    return mixed",
            "brackets"),
        (4, SUMMARY + "    return {}", "a dictionary"),
        (4, SUMMARY + "    return {one.user_id: one.item_id for one in stream}", "a dictionary"),
        (4, SUMMARY + "    return {'zoe': (1, 'boot')}", "should say"),
        (5, "TakenOut = 0.5", "a class"),
        (5, OWN + "    def update(self, event, facts):\n        yield Add(event.event_type, event.item_id)\n"
            "    def features(self, asked):\n        put, out = (asked.column(kind) for kind in self.events)\n"
            "        return {'taken_out': (out + 1) / (put + 2)}", "wants asks for none"),
        (5, OWN + "    def update(self, event, facts):\n        yield Add(event.event_type, event.item_id)\n"
            "    def wants(self, asked):\n        return {kind: asked.items for kind in self.events}\n"
            "    def features(self, asked):\n        return {'taken_out': 0.5}", "is one number, 0.5"),
        (5, "class TakenOut:\n    pass", "inherit from Accumulator"),
        (5, OWN + "    def update(self, event, facts):\n        yield event.item_id", "stopped with"),
        (5, OWN + "    kept = {}\n    def update(self, event, facts):\n"
            "        mine = self.kept.setdefault(event.item_id, [0, 0])\n"
            "        mine[event.event_type != 'put_to_cart'] += 1\n        return []\n"
            "    def features(self, asked):\n"
            "        held = np.array([self.kept.get(item, [0, 0]) for item in asked.items], dtype=float)\n"
            "        return {'taken_out': (held[:, 1] + 1) / (held[:, 0] + 2)}", "kept in the accumulator itself"),
    ],
)  # fmt: skip
def test_other_wrong_answers(number: int, code: str, says: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "not yet"
    assert says in message, message


def test_a_class_with_a_blank_is_not_attempted() -> None:
    for line in ("        yield ____\n", "        yield Add(____, event.item_id)\n"):
        code = f"from recsys_lab.exercises import ____\n{OWN}    def update(self, event, facts):\n{line}"
        assert verdict(5, code)[0] == "not attempted"


def test_the_questions_have_one_right_answer_each() -> None:
    rights = []
    for question in chapter("06").question:
        assert [choice.right for choice in question.choices].count(True) == 1
        longest = max(question.choices, key=lambda choice: len(choice.text))
        assert len(longest.text) < 160
        rights.append(longest.right)
    assert not all(rights), "the longest is always right"
