"""The checkers of chapter 09: right answers of other kinds are right, known mistakes hear what is wrong."""

from __future__ import annotations

from functools import partial

import pytest

from recsys_lab.exercises import chapter
from tests import learner

verdict = partial(learner.verdict, "09")

RECALL = "def recall(found, exact):\n"
QUANTISE = "def quantise(rows):\n"
MERGE = "def merge(answers, k):\n"
PLAN = "import math\ndef machines(products, bytes_each, machine_gb, replicas, head_room):\n"
PAYS = "import math\ndef pays_from(fixed, here, there, machines):\n"
LARGEST = "    largest = np.abs(rows).max(axis=1, keepdims=True)\n"
STEPS = "    steps = np.where(largest > 0, largest, 127) / 127\n"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, RECALL + "    return np.mean([np.isin(right, mine).mean() for mine, right in zip(found, exact)])"),
        (1, RECALL + "    share = lambda a, b: len(set(b).intersection(a)) / len(b)\n"
            "    return np.array([round(float(np.mean(list(map(share, found, exact)))), 4)])"),
        (1, RECALL + "    return pd.Series([sum(one in mine for one in right) / len(right)\n"
            "                      for mine, right in zip(found, exact)]).mean()"),
        (2, QUANTISE + "    steps = np.abs(rows).max(axis=1) / 127\n    steps[steps == 0] = 1\n"
            "    return (rows / steps[:, None]).round().astype('int8'), steps"),
        (2, QUANTISE + LARGEST + "    codes = np.rint(127 * rows / np.maximum(largest, 1e-30))\n"
            "    return codes.clip(-127, 127).astype(np.int8), np.maximum(largest, 1e-30) / 127"),
        (2, QUANTISE + LARGEST + STEPS + "    return [pd.DataFrame(np.round(rows / steps)).astype('int8'),\n"
            "            pd.Series(steps[:, 0])]"),
        (2, QUANTISE + LARGEST + "    steps = largest / 127\n"
            "    codes = np.divide(rows, steps, out=np.zeros_like(rows), where=steps > 0)\n"
            "    return np.round(codes).astype(np.int8), steps"),
        (3, MERGE + "    import heapq\n    rows = [(-score, item) for answer in answers for item, score in answer]\n"
            "    return [item for _, item in heapq.nsmallest(k, rows)]"),
        (3, MERGE + "    rows = pd.DataFrame([row for answer in answers for row in answer], columns=['id', 'score'])\n"
            "    return rows.sort_values(['score', 'id'], ascending=[False, True])['id'].head(k)"),
        (3, MERGE + "    rows = sorted(sum(answers, []))\n    rows.sort(key=lambda row: row[1], reverse=True)\n"
            "    return rows[:k]"),
        (4, PLAN + "    return -(-products * bytes_each // (machine_gb * 1024**3 * (1 - head_room))) * replicas"),
        (4, PLAN + "    gb = products * bytes_each / 2**30\n"
            "    return replicas * np.ceil(gb / (machine_gb - head_room * machine_gb))"),
        (5, PAYS + "    if here <= there / machines + 1e-12:\n        return float('inf')\n"
            "    return round(fixed * machines / (here * machines - there), 1)"),
        (5, PAYS + "    gain = here - there / machines\n    return [np.inf if gain <= 0 else fixed / gain]"),
    ],
)  # fmt: skip
def test_other_right_ways(number: int, code: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "right", message


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (1, RECALL + "    return [1.0] * len(found)", "one number"),
        (1, RECALL + "    return len(found[0]) / 0", "ZeroDivisionError"),
        (1, "recall = .9", "A function is needed"),
        (1, RECALL + "    hits = [len(set(a) & set(b)) for a, b in zip(found, exact)]\n"
            "    return sum(hits) / sum(len(b) for b in exact)", "one sum"),
        (1, RECALL + "    return np.nan", "the recall is"),
        (2, QUANTISE + LARGEST + STEPS + "    return {'codes': 1}", "two things"),
        (2, QUANTISE + LARGEST + STEPS + "    return np.round(rows / steps).astype('int16'), steps", "2 bytes each"),
        (2, QUANTISE + LARGEST + STEPS + "    return np.round(rows / steps).astype(np.int8), steps[0]", "the whole"),
        (2, QUANTISE + "    largest = rows.max(axis=1, keepdims=True)\n" + STEPS
            + "    return np.clip(np.round(rows / steps), -128, 127).astype(np.int8), steps", "off than half a step"),
        (2, QUANTISE + "    return rows[:1], rows[:1]", "should have the shape"),
        (2, QUANTISE + LARGEST + STEPS + "    return np.ceil(rows / steps).astype(np.int8), steps", "half a step"),
        (3, MERGE + "    return {'a': 1}", "a list of product ids"),
        (3, MERGE + "    return sorted((i for a in answers for i, _ in a))[:k]", "goes by product id"),
        (3, MERGE + "    best = [max(a, key=lambda row: row[1]) for a in answers if a]\n"
            "    return [i for i, s in sorted(best, key=lambda row: (-row[1], row[0]))][:k]", "only the best"),
        (3, MERGE + "    return answers[0][0][9]", "IndexError"),
        (4, PLAN + "    return math.ceil(products * bytes_each / (machine_gb * 2**30 * (1 - head_room)))",
            "replicas are missing"),
        (4, PLAN + "    return math.ceil(8 * products * bytes_each / machine_gb / 2**30 / (1 - head_room)) * replicas",
            "that takes"),
        (4, PLAN + "    return [1, 2]", "one number"),
        (5, PAYS + "    gain = here - there / machines\n    return max(0, fixed / gain) if gain else 0",
            "0 says that it always pays"),
        (5, PAYS + "    return fixed / (here - there / machines)", "ZeroDivisionError"),
        (5, PAYS + "    return None", "answers None"),
        (5, PAYS + "    return -1", "equal from"),
    ],
)  # fmt: skip
def test_other_wrong_answers(number: int, code: str, says: str) -> None:
    kind, message = verdict(number, code)
    assert kind == "not yet"
    assert says in message, message


@pytest.mark.parametrize(("number", "head"), list(enumerate((RECALL, QUANTISE, MERGE, PLAN, PAYS), start=1)))
def test_a_blank_is_not_attempted(number: int, head: str) -> None:
    assert verdict(number, "from recsys_lab.exercises import ____\n" + head + "    return ____")[0] == "not attempted"


def test_a_row_of_zeros_is_asked_for_last() -> None:
    kind, message = verdict(2, QUANTISE + LARGEST + "    steps = largest / 127\n"
                            "    return np.round(rows / steps).astype(np.int8), steps")  # fmt: skip
    assert kind == "not yet" and message.startswith("Not yet: right for all rows but one of zeros"), message


def test_each_mistake_has_words_of_its_own() -> None:
    for task in chapter("09"):
        said = [wrong.says for wrong in task.exercise.wrong]
        assert len(set(said)) >= 8, said


def test_the_plan_of_the_exercise_is_that_of_the_benchmark() -> None:
    from benchmarks.scale.plan import machines

    solved = learner.ran(PLAN + "    room = machine_gb * 2**30 * (1 - head_room)\n"
                         "    return math.ceil(products * bytes_each / room) * replicas")["machines"]  # fmt: skip
    for case in ((10**8, 320.0, 64.0, 2, 0.4), (10**6, 700.5, 8.0, 3, 0.5), (2**27, 120.0, 20.0, 3, 0.25)):
        assert solved(*case) == machines(*case[:3], replicas=case[3], head_room=case[4])["machines"]


def test_the_questions_have_one_right_answer_each() -> None:
    rights = []
    for question in chapter("09").question:
        assert [choice.right for choice in question.choices].count(True) == 1
        longest = max(question.choices, key=lambda choice: len(choice.text))
        rights.append((next(at for at, choice in enumerate(question.choices) if choice.right), longest.right))
    assert len({place for place, _ in rights}) > 1 and not all(longest for _, longest in rights)


def test_the_hour_of_the_first_question_is_amdahls() -> None:
    minutes = [round(60 * (0.4 + 0.6 / machines)) for machines in (100, 1000)]
    assert minutes == [24, 24]
    right = next(choice.text for choice in chapter("09").question[0 + 1].choices if choice.right)
    assert "24 minutes" in right
