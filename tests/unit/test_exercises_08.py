"""The checkers of chapter 08: right answers of other kinds are right, known mistakes hear what is wrong."""

from __future__ import annotations

from functools import partial

import pytest

from recsys_lab.exercises import chapter
from tests import learner

verdict = partial(learner.verdict, "08")

PAGE = "def page_of(ranking, out, kind_of, k, most):\n"
WHO = "import hashlib, hmac\ndef who(cookie, secret):\n"
SIGN = "    shopper, _, given = cookie.rpartition('.')\n"
SIGN += "    right = hmac.new(secret, shopper.encode(), 'sha256').hexdigest()\n"
SAME = "    return shopper if hmac.compare_digest(given.encode(), right.encode()) else None"
TWICE = """    import os
    key = os.urandom(32)
    first, second = (hmac.digest(key, one.encode(), 'sha256') for one in (given, right))
    return shopper if first == second else None"""
XOR = """    differ = len(given) ^ len(right)
    for mine, theirs in zip(given.encode(), right.encode()):
        differ |= mine ^ theirs
    return None if differ else shopper"""
LOOP = "    page = []\n    count = lambda item: [kind_of[one] for one in page].count(kind_of[item])\n"
LOOP += "    for item in ranking:\n"
FULL = "        if count(item) >= most:\n"
TAKE = "        page.append(item)\n    return page[:k]"
COMMITS = "def commits(arrivals, lasting):\n"
QUEUE = (
    COMMITS
    + """    sizes, done, at = [], 0, 0
    while at < len(arrivals):
        begin = max(done, arrivals[at])
        group = [t for t in arrivals[at:] if t <= begin]
        sizes.append(len(group))
        at += len(group)
        done = begin + lasting
    return sizes"""
)
SIZE = "def processes(rate, ms, busy):\n"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, PAGE + "    rows = pd.DataFrame({'item': [i for i in ranking if i not in out]})\n"
            "    rows['kind'] = rows['item'].map(kind_of)\n"
            "    return rows[rows.groupby('kind').cumcount() < most]['item'].head(k)"),
        (1, PAGE + "    page = ()\n    for item in ranking:\n        if len(page) == k:\n            break\n"
            "        if item in out or [kind_of[one] for one in page].count(kind_of[item]) >= most:\n"
            "            continue\n        page += (item,)\n    return page"),
        (2, WHO + SIGN + "    if hmac.compare_digest(right.encode(), given.encode()):\n        return shopper"),
        (2, WHO + "    if '.' not in cookie:\n        return None\n    shopper, given = cookie.rsplit('.', 1)\n"
            "    right = hmac.digest(secret, shopper.encode(), 'sha256')\n    try:\n"
            "        return shopper if hmac.compare_digest(bytes.fromhex(given), right) else False\n"
            "    except ValueError:\n        return None"),
        (2, "from secrets import compare_digest as same\n" + WHO + SIGN
            + "    return [None, shopper][same(given.encode(), right.encode())]"),
        (2, "def alike(a, b):\n    return hmac.compare_digest(a.encode(), b.encode())\n" + WHO + SIGN
            + "    return shopper if alike(given, right) else None"),
        (3, COMMITS + "    free, made = -1, []\n    for t in arrivals:\n        if made and t <= made[-1][0]:\n"
            "            made[-1][1] += 1\n        else:\n            begin = max(t, free)\n"
            "            made.append([begin, 1])\n            free = begin + lasting\n    return [n for _, n in made]"),
        (3, COMMITS + "    t, sizes = np.asarray(arrivals), []\n    done = at = 0\n    while at < len(t):\n"
            "        begin = max(done, t[at])\n        end = np.searchsorted(t, begin, side='right')\n"
            "        sizes.append(end - at)\n        at, done = end, begin + lasting\n    return np.array(sizes)"),
        (3, COMMITS + "    groups, done, left = [], 0, list(arrivals)\n    while left:\n"
            "        begin = max(done, left[0])\n        groups.append([t for t in left if t <= begin])\n"
            "        left, done = left[len(groups[-1]):], begin + lasting\n    return groups"),
        (4, SIZE + "    return np.ceil(rate * (ms / 1000) / busy)"),
        (4, SIZE + "    return -int(-(rate * ms / busy) // 1000)"),
    ],
)  # fmt: skip
def test_other_right_ways(number: int, code: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "right", message


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (1, PAGE + "    return 'abc'", "a list of products"),
        (1, PAGE + "    return {'a': 1}", "a list of products"),
        (1, PAGE + "    mine = [i for i in ranking if i not in out]\n"
            "    kinds = list(dict.fromkeys(map(kind_of.get, mine)))\n"
            "    return [i for kind in kinds for i in [j for j in mine if kind_of[j] == kind][:most]][:k]",
            "kinds stand together"),
        (1, PAGE + "    return [ranking[99]]", "IndexError"),
        (2, WHO + "    return None", "signed rightly is refused"),
        (1, PAGE + "    page, counted = [], {}\n    for item in ranking:\n"
            "        if item in out:\n            continue\n        kind = kind_of[item]\n"
            "        counted[kind] = counted.get(kind, 0) + 1\n"
            "        if counted[kind] < most and len(page) < k:\n            page.append(item)\n    return page",
            "counted before"),
        (1, PAGE + LOOP + "        if item in out:\n            break\n" + FULL + "            continue\n" + TAKE,
            "`continue`, not `break`"),
        (1, PAGE + LOOP + "        if item in out:\n            continue\n" + FULL + "            break\n" + TAKE,
            "`continue`, not `break`"),
        (1, PAGE + LOOP + "        if item in out:\n            continue\n" + FULL + "            continue\n"
            + TAKE.replace("[:k]", "[:k - 1]"), "one product short"),
        *((1, PAGE + LOOP + f"        if {rule}:\n            page += [item]\n    return page", "(`and`)") for rule in (
            "item not in out or count(item) < most and len(page) < k",
            "item not in out and (count(item) < most or len(page) < k)",
            "(item not in out or count(item) < most) and len(page) < k",
            "item not in out and count(item) < most or len(page) < k",
            "item not in out or count(item) < most or len(page) < k")),
        (2, WHO + SIGN + "    return shopper if right == given else None", "compares with =="),
        (2, WHO + SIGN + "    return None if given != right else shopper", "compares with =="),
        (2, WHO + SIGN + "    return shopper if cookie == f'{shopper}.{right}' else None", "compares with =="),
        (2, WHO + SIGN + "    return shopper if given.encode() == right.encode() else None", "compares with =="),
        (2, WHO + SIGN + "    hmac.compare_digest(b'a', b'a')\n    return shopper if given == right else None",
            "compares with =="),
        (2, WHO + SIGN + TWICE, "I see no compare_digest"),
        (2, WHO + SIGN + XOR, "I see no compare_digest"),
        (2, WHO + SIGN + SAME.replace("None", "''"), "answers ''. Answer None"),
        (2, WHO + SIGN + SAME.replace("None", "'None'"), "answers 'None'. Answer None"),
        (2, WHO + SIGN + SAME.replace("given.encode()", "given[:32].encode()").replace("right.", "right[:32]."),
            "first 32 letters are right"),
        (2, WHO + SIGN + SAME.replace("given.encode()", "given.encode('ascii', 'ignore')"), "an é before"),
        (2, WHO + SIGN.replace("shopper.encode()", "shopper.encode('ascii', 'ignore')") + SAME, "the name has an é"),
        (2, WHO + SIGN.replace("sha256", "md5") + SAME, "made with md5"),
        (2, WHO + SIGN.replace("sha256", "sha512") + SAME, "made with sha512"),
        (2, WHO + SIGN.replace("secret, shopper.encode()", "shopper.encode(), secret") + SAME, "comes first"),
        (2, WHO + SIGN.replace("hexdigest", "digest") + SAME.replace("right.encode()", "right"), "as .hexdigest()"),
        (2, WHO + SIGN + SAME.replace("shopper if", "None if").replace("else None", "else shopper"), "are swapped"),
        (2, WHO + SIGN + "    return shopper if len(right) == len(given) else None", "another name"),
        (2, WHO + SIGN + "    return 'ada' if hmac.compare_digest(given.encode(), right.encode()) else None",
            "it answers 'ada'"),
        (2, "who = 3", "A function is needed"),
        (3, COMMITS + "    return [len(arrivals)]", "first shopper would wait"),
        (3, COMMITS + "    return sum(arrivals)", "a list"),
        (3, COMMITS + "    return [2] * (len(arrivals) // 2)", "may be lost"),
        (3, COMMITS + "    sizes, done, at = [], 0, 0\n    while at < len(arrivals):\n"
            "        begin = max(done, arrivals[at])\n"
            "        group = [t for t in arrivals[at:] if t < begin + lasting]\n"
            "        sizes.append(len(group))\n"
            "        at += len(group)\n        done = begin + lasting\n    return sizes", "too late"),
        (4, SIZE + "    return rate * ms / busy / 1000", "half a process"),
        (4, SIZE + "    return [1, 2]", "one number"),
        (3, QUEUE.replace("<=", "<"), "`<` for `<=`"),
        (3, QUEUE.replace("max(done, arrivals[at])", "done"), "before anybody has come"),
        (3, QUEUE.replace("max(done, arrivals[at])", "arrivals[at] + lasting"), "while the disk is idle"),
        (4, SIZE + "    return 0", "that takes"),
        (4, SIZE + "    return np.ceil(rate * ms / 1000) / busy", "too early"),
        (4, SIZE + "    return np.ceil(np.ceil(rate * ms / 1000) / busy)", "too early"),
        (4, SIZE + "    return np.ceil(rate * ms / 1000 / (1 - busy))", "idle"),
    ],
)  # fmt: skip
def test_other_wrong_answers(number: int, code: str, says: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "not yet"
    assert says in message, message


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, "from recsys_lab.exercises import ____\n" + PAGE + "    return ____"),
        (2, "from recsys_lab.exercises import ____\n" + WHO + SIGN + "    return ____"),
        (3, "from recsys_lab.exercises import ____\n" + COMMITS + "    return ____"),
        (4, "from recsys_lab.exercises import ____\n" + SIZE + "    return ____"),
    ],
)
def test_a_blank_is_not_attempted(number: int, code: str) -> None:
    assert verdict(number, code)[0] == "not attempted"


def test_the_questions_have_one_right_answer_each() -> None:
    rights = []
    for question in chapter("08").question:
        assert [choice.right for choice in question.choices].count(True) == 1
        longest = max(question.choices, key=lambda choice: len(choice.text))
        rights.append((next(at for at, choice in enumerate(question.choices) if choice.right), longest.right))
    assert len({place for place, _ in rights}) > 1 and not all(longest for _, longest in rights)


def test_the_mistakes_of_the_tests_are_made_in_right_code() -> None:
    assert verdict(2, WHO + SIGN + SAME)[0] == verdict(3, QUEUE)[0] == "right"
    skips = PAGE + LOOP + "        if item in out:\n            continue\n" + FULL + "            continue\n" + TAKE
    assert verdict(1, skips)[0] == "right"


def test_looking_at_the_parts_of_a_cookie_is_no_comparison_with_the_signature() -> None:
    careful = WHO + SIGN + "    if cookie == '' or given == '' or len(given) != 64 or shopper != shopper.strip():\n"
    kind, message = verdict(2, careful + "        return None\n" + SAME)
    assert kind == "right", message


def test_a_number_is_said_as_it_was_returned() -> None:
    assert verdict(4, SIZE + "    return 2")[1].endswith("that takes 4, and processes says 2.")


def test_a_right_answer_says_why_equals_is_not_good_enough() -> None:
    assert "why is == not good enough? It stops at the first letter that differs" in verdict(2, WHO + SIGN + SAME)[1]


def test_the_group_commit_is_not_called_as_fast_as_no_disk() -> None:
    right = next(choice.why for choice in chapter("08").question[2].choices if choice.right)
    assert "does not queue under load" in right and "as fast" not in right
