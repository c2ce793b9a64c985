"""The checkers of chapter 10: right answers of other kinds are right, known mistakes hear what is wrong."""

from __future__ import annotations

from functools import partial

import pytest

from recsys_lab.exercises import chapter
from recsys_lab.own.power import sample_size
from tests import learner

verdict = partial(learner.verdict, "10")

TO = "def to_ms(time):\n"
NAME = "import hashlib, hmac\ndef pseudonym(shopper, key):\n"
PSI = "def psi(before, now):\n"
TEST = "import math\nfrom statistics import NormalDist\ndef visits_needed(p, uplift, power=0.8, alpha=0.05):\n"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, TO + "    fits = [time * 1000, time, time // 1000, time // 10**6]\n"
            "    return max([0, *[ms for ms in fits if 631152000000 <= ms < 4102444800000]])"),
        (1, TO + "    for ms in (time * 1000, time, time / 1000, time / 1e6):\n"
            "        if 631152000000 <= np.floor(ms) < 4102444800000:\n"
            "            return np.floor(ms)\n    return 0.0"),
        (2, NAME + "    text = bytes(shopper.lower().strip(), 'utf-8')\n"
            "    return hmac.digest(key, text, 'sha256').hex()[:16]"),
        (2, NAME + "    return hmac.new(key, shopper.casefold().strip().encode(), 'sha256').digest()[:8].hex()"),
        (3, PSI + "    p, q = pd.Series(before) + 0.5, pd.Series(now) + 0.5\n    p, q = p / p.sum(), q / q.sum()\n"
            "    return float(((q - p) * (np.log(q) - np.log(p))).sum())"),
        (3, "from scipy.stats import entropy\n" + PSI
            + "    p, q = np.array(before) + 0.5, np.array(now) + 0.5\n    return entropy(p, q) + entropy(q, p)"),
        (4, TEST + "    from recsys_lab.own.power import sample_size\n    return sample_size(p, uplift, power, alpha)"),
        (4, "from scipy.stats import norm\n" + TEST + "    q = p + p * uplift\n    m = (p + q) / 2\n"
            "    w = norm.isf(alpha / 2) * (2 * m * (1 - m)) ** 0.5\n"
            "    w += norm.ppf(power) * (p - p * p + q - q * q) ** 0.5\n"
            "    return np.ceil(w * w / (p - q) ** 2)"),
    ],
)  # fmt: skip
def test_other_right_ways(number: int, code: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "right", message


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (1, TO + "    return [time]", "everything is taken for milliseconds"),
        (1, TO + "    return [time, time]", "one number"),
        (1, TO + "    return int(time * 1000) if time < 1e11 else None", "answers None"),
        (1, TO + "    return time // 0", "ZeroDivisionError"),
        (2, NAME + "    return hash(shopper.strip().lower())", "a text"),
        (2, NAME + "    return hmac.new(key, shopper, hashlib.sha256).hexdigest()[:16]", "TypeError"),
        (3, PSI + "    return np.log(now / before)", "one number"),
        (3, PSI + "    return 0.12", "should be"),
        (4, TEST + "    return [1, 2]", "one number"),
        (4, TEST + "    return math.nan", "that takes"),
    ],
)  # fmt: skip
def test_other_wrong_answers(number: int, code: str, says: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "not yet"
    assert says in message, message


@pytest.mark.parametrize(("number", "start"), [(1, TO), (2, NAME), (3, PSI), (4, TEST)])
def test_a_blank_is_not_attempted(number: int, start: str) -> None:
    assert verdict(number, "from recsys_lab.exercises import ____\n" + start + "    return ____")[0] == "not attempted"


def test_the_questions_have_one_right_answer_each() -> None:
    rights = []
    for question in chapter("10").question:
        assert [choice.right for choice in question.choices].count(True) == 1
        longest = max(question.choices, key=lambda choice: len(choice.text))
        rights.append((next(at for at, choice in enumerate(question.choices) if choice.right), longest.right))
    assert len({place for place, _ in rights}) > 1 and not all(longest for _, longest in rights)


def test_what_is_said_of_pseudonyms_and_of_half_the_uplift_is_so() -> None:
    shoppers, letters = 1_000_000, 16
    chance = shoppers**2 / 2 / 16**letters
    assert 30e6 < 1 / chance < 50e6
    assert sample_size(0.05, 0.05) / sample_size(0.05, 0.1) == pytest.approx(4, rel=0.06)
