"""The exercises of chapter 09: recall, eight bits, the answers of shards, how many machines, when a cluster pays."""

from __future__ import annotations

from recsys_lab.exercises import checks_09
from recsys_lab.exercises.exercise import Exercise, Wrong
from recsys_lab.exercises.questions_09 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]

_RECALL = (
    "def recall(found, exact):\n    shares = []\n    for mine, right in zip(found, exact):\n        shares.append("
)
_MEAN = ")\n    return sum(shares) / len(shares)"
_BOTH = "len(set(mine) & set(right))"

RECALL = Exercise(
    names=("recall",),
    difficulty=1,
    minutes=6,
    trains="recall of an approximate search, list by list",
    check=checks_09.recall,
    right="a search that may miss is judged against one that does not. The exact search is slow, but it is needed for"
    " a few hundred questions only, and once for each version of the index.",
    hints=(
        "How many products do the two lists have in common? len(set(mine) & set(right)).",
        "Divide by what could be found: the length of the exact list.",
    ),
    wrong=(
        Wrong(_RECALL + "sum(a == b for a, b in zip(mine, right)) / len(right)" + _MEAN, says="at the same place"),
        Wrong(_RECALL + "bool(set(mine) & set(right))" + _MEAN, says="hit rate"),
        Wrong(_RECALL + "set(mine) == set(right)" + _MEAN, says="nine of ten"),
        Wrong(_RECALL + _BOTH + " / len(mine)" + _MEAN, says="list that was found"),
        Wrong(_RECALL + _BOTH + " / len(set(mine) | set(right))" + _MEAN, says="Jaccard"),
        Wrong(_RECALL + _BOTH + " / max(len(mine), len(right))" + _MEAN, says="longer of the two"),
        Wrong(_RECALL + _BOTH + " / 10" + _MEAN, says="divides by 10"),
        Wrong(_RECALL + _BOTH + _MEAN, says="number of products in common"),
        Wrong(_RECALL + "100 * " + _BOTH + " / len(right)" + _MEAN, says="percent"),
        Wrong(_RECALL + "1 - " + _BOTH + " / len(right)" + _MEAN, says="missed"),
        Wrong("def recall(found, exact):\n    both = sum(len(set(a) & set(b)) for a, b in zip(found, exact))\n"
              "    return both / sum(map(len, exact))", says="one sum"),
        Wrong("def recall(found, exact):\n    for mine, right in zip(found, exact):\n        return " + _BOTH
              + " / len(right)", says="first question alone"),
        Wrong("def recall(found, exact):\n    for mine, right in zip(found, exact):\n        share = " + _BOTH
              + " / len(right)\n    return share", says="last question alone"),
        Wrong("def recall(found, exact):\n    return [1.0, 0.5]", says="one number"),
        Wrong("def recall(found, exact):\n    return 0.77", says="the recall is"),
    ),
)  # fmt: skip

_QUANTISE = "def quantise(rows):\n    largest = np.abs(rows).max(axis=1, keepdims=True)\n"
_STEPS = "    steps = np.maximum(largest, 1e-12) / 127\n"
_CODES = "    codes = np.round(rows / steps).astype(np.int8)\n"
_TWO = "    return codes, steps"

QUANTISE = Exercise(
    names=("quantise",),
    difficulty=2,
    minutes=12,
    trains="symmetric quantisation to eight bits",
    check=checks_09.quantise,
    right="a quarter of the bytes. No number is further off than half a step, and the scores are sums of many numbers,"
    " in which such errors mostly cancel out.",
    hints=(
        "int8 holds -128 to 127. Let the largest size of a row (np.abs) be 127: its step is largest / 127.",
        "A code is the number divided by the step, rounded (np.round), and then .astype(np.int8).",
    ),
    wrong=(
        Wrong(_QUANTISE + _STEPS.replace("127", "128") + _CODES + _TWO, says="comes round at the other end"),
        Wrong(_QUANTISE.replace("np.abs(rows)", "rows") + _STEPS + _CODES + _TWO, says="not the largest number"),
        Wrong(_QUANTISE + _STEPS + _CODES.replace("np.round(rows / steps)", "(rows / steps)") + _TWO, says="cut off"),
        Wrong(_QUANTISE + _STEPS + _CODES.replace("np.round", "np.floor") + _TWO, says="rounded down"),
        Wrong(_QUANTISE.replace("axis=1, keepdims=True", "") + _STEPS + _CODES + _TWO, says="one step for the whole"),
        Wrong(_QUANTISE.replace("axis=1", "axis=0") + _STEPS + _CODES + _TWO, says="for each column"),
        Wrong(_QUANTISE + _STEPS + _CODES + "    return codes, 1 / steps", says="the other way round"),
        Wrong(_QUANTISE + _STEPS + _CODES + "    return codes, largest", says="Divide by 127"),
        Wrong(_QUANTISE + _STEPS + _CODES.replace(".astype(np.int8)", "") + _TWO, says="8 bytes each"),
        Wrong(_QUANTISE + _STEPS + _CODES.replace("int8", "uint8") + _TWO, says="unsigned"),
        Wrong(_QUANTISE + _STEPS + _CODES + "    return codes", says="two things"),
        Wrong(_QUANTISE + _STEPS + _CODES + "    return steps, codes", says="Codes come first"),
        Wrong(_QUANTISE + "    steps = largest / 127\n" + _CODES + _TWO, says="one of zeros"),
        Wrong(_QUANTISE + _STEPS.replace("127", "126") + _CODES + _TWO, says="Let it be 127"),
        Wrong(_QUANTISE + _STEPS.replace("127", "100") + _CODES.replace("rows", "0.9 * rows") + _TWO, says="half a"),
    ),
)  # fmt: skip

_MERGE = "def merge(answers, k):\n    rows = [row for answer in answers for row in answer]\n"
_SORT = "    rows = sorted(rows, key=lambda row: (-row[1], row[0]))\n"
_CUT = "    return [item for item, score in rows[:k]]"
_EACH = "    rows = [row for answer in answers for row in answer[:each]]\n"

MERGE = Exercise(
    names=("merge",),
    difficulty=2,
    minutes=8,
    trains="to merge the answers of shards, ties and all",
    check=checks_09.merge,
    right="each shard's own first k hold all of the shop's first k that lie on it. So nothing can be missing, however"
    " the products are spread, and the list is the same as that of one machine.",
    hints=(
        "All answers go into one list of (id, score). Then sort it, then cut it.",
        "sorted(rows, key=lambda row: (-row[1], row[0])): the higher score first, and where two are equal, by id.",
    ),
    wrong=(
        Wrong(_MERGE + _CUT, says="first shard wins"),
        Wrong("def merge(answers, k):\n    each = -(-k // len(answers))\n" + _EACH + _SORT + _CUT, says="its share"),
        Wrong("def merge(answers, k):\n    each = k // len(answers)\n" + _EACH + _SORT + _CUT, says="its share"),
        Wrong("def merge(answers, k):\n    from itertools import chain, zip_longest\n"
              "    rows = [row for row in chain(*zip_longest(*answers)) if row]\n" + _CUT, says="take turns"),
        Wrong(_MERGE + _SORT.replace("-row[1]", "row[1]") + _CUT, says="upside down"),
        Wrong(_MERGE + _SORT.replace("-row[1]", "-abs(row[1])") + _CUT, says="without its sign"),
        Wrong(_MERGE + _SORT.replace("(-row[1], row[0])", "-row[1]") + _CUT, says="happens to come first"),
        Wrong(_MERGE + _SORT.replace("(-row[1], row[0])", "(row[1], row[0]), reverse=True") + _CUT, says="turns both"),
        Wrong(_MERGE + _SORT.replace("(-row[1], row[0])", "row[0]") + _CUT, says="goes by product id"),
        Wrong(_MERGE + _SORT + _CUT.replace("[:k]", ""), says="not cut"),
        Wrong(_MERGE + _SORT + _CUT.replace("[:k]", "[:k - 1]"), says="short of k"),
        Wrong(_MERGE.replace("in answer]", "in answer[:1]]") + _SORT + _CUT, says="only the best product"),
        Wrong(_MERGE + "    return len(rows)", says="a list of product ids"),
        Wrong(_MERGE + "    return ['d']", says="merge says"),
    ),
)  # fmt: skip

_PAYS = "import math\ndef pays_from(fixed, here, there, machines):\n    gain = here - there / machines\n"
_OR_NEVER = "    return fixed / gain if gain > 0 else math.inf"

PAYS = Exercise(
    names=("pays_from",),
    difficulty=3,
    minutes=12,
    trains="from which size on a cluster pays: set up the equation",
    check=checks_09.pays_from,
    right="what it saves for each thousand events has to earn back what it costs to begin. Where one of its machines is"
    " ten times slower than yours, it takes more than ten of them to save anything at all.",
    hints=(
        "At the size that is asked for both take the same time: here·n = fixed + there·n / machines.",
        "The gain for a thousand events is here - there / machines. Where it is 0 or less, answer math.inf.",
    ),
    wrong=(
        Wrong(_PAYS.replace(" / machines", "") + _OR_NEVER, says="one machine of the cluster"),
        Wrong(_PAYS.replace(" / machines", "") + "    return fixed / gain", says="one machine of the cluster"),
        Wrong(_PAYS + "    return fixed / here", says="only begun"),
        Wrong(_PAYS.replace("here - ", "here + ") + _OR_NEVER, says="are added"),
        Wrong(_PAYS.replace("/ machines", "* machines") + "    return fixed / gain", says="share the work"),
        Wrong(_PAYS + _OR_NEVER.replace("fixed /", "fixed / machines /"), says="more machines do not"),
        Wrong(_PAYS + "    return fixed * gain", says="multiplies"),
        Wrong(_PAYS + _OR_NEVER.replace("math.inf", "0"), says="0 says that it always pays"),
        Wrong(_PAYS + "    return fixed / gain if gain else math.inf", says="below 0"),
        Wrong(_PAYS + _OR_NEVER.replace("math.inf", "10**6"), says="take it for a size"),
        Wrong(_PAYS + "    return 'soon'", says="one number"),
        Wrong(_PAYS + "    return 17", says="equal from"),
    ),
)

_PLAN = "import math\ndef machines(products, bytes_each, machine_gb, replicas, head_room):\n"
_ROOM = "    room = machine_gb * 2**30 * (1 - head_room)\n"
_CEIL = "    return math.ceil(products * bytes_each / room) * replicas"

MACHINES = Exercise(
    names=("machines",),
    difficulty=2,
    minutes=8,
    trains="machines for an index: a plan on paper",
    check=checks_09.machines,
    right="a plan on paper takes a minute, and shows what to work on: bytes for each product can be halved by a line of"
    " settings, a machine cannot.",
    hints=(
        "Of a machine, machine_gb * 2**30 * (1 - head_room) bytes may be filled. How many of those do all products"
        " take?",
        "Round up to whole shards (math.ceil), and then each shard stands `replicas` times.",
    ),
    wrong=(
        Wrong(_PLAN + _ROOM + _CEIL.replace(" * replicas", ""), says="replicas are missing"),
        Wrong(_PLAN + _ROOM + "    return math.ceil(products * bytes_each * replicas / room)", says="after the"),
        Wrong(_PLAN + _ROOM + "    return products * bytes_each / room * replicas", says="part of a machine"),
        Wrong(_PLAN + _ROOM + _CEIL.replace("math.ceil", "int"), says="rounded down"),
        Wrong(_PLAN + _ROOM + _CEIL.replace("math.ceil", "round"), says="to the nearest"),
        Wrong(_PLAN + _ROOM + "    return (int(products * bytes_each / room) + 1) * replicas", says="too many"),
        Wrong(_PLAN + _ROOM.replace(" * (1 - head_room)", "") + _CEIL, says="all of the memory"),
        Wrong(_PLAN + _ROOM.replace("* (1 - head_room)", "/ (1 - head_room)") + _CEIL, says="wrong side"),
        Wrong(_PLAN + _ROOM.replace("(1 - head_room)", "head_room") + _CEIL, says="what stays free"),
        Wrong(_PLAN + _ROOM.replace(" * 2**30", "") + _CEIL, says="thousand million"),
        Wrong(_PLAN + _ROOM.replace("2**30", "10**9") + _CEIL, says="about 7 % more"),
        Wrong(_PLAN + _ROOM + _CEIL.replace("* replicas", "+ replicas"), says="are added"),
        Wrong(_PLAN + _ROOM + "    return math.ceil(products / replicas * bytes_each / room) * replicas",
              says="shared out"),
        Wrong(_PLAN + "    return 'some'", says="one number"),
        Wrong(_PLAN + "    return 3", says="that takes"),
    ),
)  # fmt: skip

EXERCISES = (RECALL, QUANTISE, MERGE, MACHINES, PAYS)
