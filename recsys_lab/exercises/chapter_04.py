"""The exercises of chapter 04: a new product's cluster, agreement of two groupings, similar products."""

from __future__ import annotations

from recsys_lab.exercises import checks_04
from recsys_lab.exercises.exercise import Exercise, Wrong
from recsys_lab.exercises.questions_04 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]

_PAGE = "def page_of(new, centres):\n"
_UNIT = "    unit = new / np.linalg.norm(new, axis=1, keepdims=True)\n"
_FAR = "    distance = np.linalg.norm(unit[:, None, :] - centres, axis=2)\n"

PAGE_OF = Exercise(
    names=("page_of",),
    difficulty=1,
    minutes=8,
    trains="to put a new vector with the nearest centre, at length 1",
    check=checks_04.page_of,
    right="each new vector is brought to length 1, as those were that made the centres, and goes to the centre at the"
    " smallest distance. Clusters.assign does the same.",
    hints=(
        "The centres live among vectors of length 1. The rows' lengths: np.linalg.norm(new, axis=1, keepdims=True).",
        "distance has a row for each product and a column for each centre. In which column is the smallest number?",
        "argmin(axis=1) answers with the number of the column, min(axis=1) with the distance.",
    ),
    wrong=(
        Wrong(_PAGE + "    unit = new\n" + _FAR + "    return distance.argmin(axis=1)", says="as they come"),
        Wrong(_PAGE + _UNIT + _FAR + "    return distance.argmax(axis=1)", says="farthest"),
        Wrong(_PAGE + _UNIT + _FAR + "    return distance.min(axis=1)", says="Its number is wanted"),
        Wrong(_PAGE + _UNIT + _FAR + "    return distance.argmin(axis=0)", says="for each centre"),
        Wrong(_PAGE + _UNIT + _FAR + "    return distance.argmin()", says="one number for each row"),
        Wrong(_PAGE + _UNIT + "    return (unit @ centres.T).argmax(axis=1)", says="inner product"),
        Wrong(_PAGE + _UNIT + "    centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)\n"
              + "    return (unit @ centres.T).argmax(axis=1)", says="smallest angle"),
        Wrong(_PAGE + "    unit = new / np.linalg.norm(new, axis=0)\n" + _FAR + "    return distance.argmin(axis=1)",
              says="each column"),
        Wrong(_PAGE + "    unit = new / np.linalg.norm(new)\n" + _FAR + "    return distance.argmin(axis=1)",
              says="one number"),
        Wrong(_PAGE + _UNIT.replace(", keepdims=True", "") + _FAR + "    return distance.argmin(axis=1)",
              says="divides row by row"),
        Wrong(_PAGE + _UNIT + _FAR + "    return 1 + distance.argmin(axis=1)", says="should be [1, 0, 0]"),
    ),
)  # fmt: skip

_RAND = "def rand_index(one, other):\n    together = one[:, None] == one[None, :]\n"
_AGAIN = "    again = other[:, None] == other[None, :]\n    pairs = np.triu_indices(len(one), 1)\n"

RAND_INDEX = Exercise(
    names=("rand_index",),
    difficulty=2,
    minutes=10,
    trains="agreement of two groupings, whatever their clusters are called",
    check=checks_04.rand_index,
    right="it never looks at a cluster's number, only at who is together with whom, so renamed clusters agree fully.",
    hints=(
        "together says for each pair of products whether the first run put them together. The other needs the same.",
        "The runs treat a pair alike where both say together, or both say apart: where together == together_again.",
        "Take the entries at `pairs`, and of these the mean.",
    ),
    wrong=(
        Wrong("def rand_index(one, other):\n    return (one == other).mean()", says="they are names"),
        Wrong(_RAND + _AGAIN + "    return (together == again).mean()", says="with itself"),
        Wrong(_RAND + _AGAIN + "    return (together & again)[pairs].mean()", says="together in both"),
        Wrong(_RAND + _AGAIN + "    return (together & again)[pairs].sum() / (together | again)[pairs].sum()",
              says="apart in both"),
        Wrong(_RAND + _AGAIN + "    return (together != again)[pairs].mean()", says="differently"),
        Wrong(_RAND + _AGAIN + "    return (together == again)[pairs].sum()", says="number of pairs"),
        Wrong(_RAND + _AGAIN + "    return (together == again)[pairs].sum() / len(pairs)", says="len(pairs) is 2"),
        Wrong(_RAND + _AGAIN + "    return (together == again)[pairs]", says="one number"),
        Wrong(_RAND + _AGAIN + "    return round((together == again)[pairs].mean())", says="should be"),
    ),
)  # fmt: skip

_SIMILAR = "def similar(item, unit, labels, k):\n    own = labels.index[labels == labels[item]].drop(item)\n"
_COSINE = "    cosine = unit.loc[own] @ unit.loc[item]\n"
_SORTED = "    return cosine.sort_values(ascending=False).head(k).index.tolist()"

SIMILAR = Exercise(
    names=("similar",),
    difficulty=2,
    minutes=10,
    trains="the nearest by cosine inside a group, without the product itself",
    check=checks_04.similar,
    right="it stays inside the cluster, leaves the product itself out, and puts the nearest first: the same five each"
    " time, and the five that belong there.",
    hints=(
        "labels == labels[item] marks the products of the same cluster, item among them; labels.index has the ids.",
        ".drop(item) takes one id out of an index.",
        "cosine is a series with the ids as its index: sort it, the largest first, take head(k), then the index.",
    ),
    wrong=(
        Wrong(_SIMILAR.replace(".drop(item)", "") + _COSINE + _SORTED, says="the product itself"),
        Wrong(_SIMILAR.replace("[labels == labels[item]]", "") + _COSINE + _SORTED, says="nearest of all products"),
        Wrong(
            _SIMILAR.replace("[labels == labels[item]].drop(item)", "") + _COSINE + _SORTED, says="itself among them"
        ),
        Wrong(_SIMILAR + _COSINE + _SORTED.replace("False", "True"), says="farthest"),
        Wrong(_SIMILAR + _COSINE + _SORTED.replace(".index", ""), says="these are cosines"),
        Wrong(_SIMILAR + _COSINE + _SORTED.replace("head(k)", "head(k + 1)"), says="should list 2 products"),
        Wrong(_SIMILAR + _COSINE + "    return cosine.head(k).index.tolist()", says="in another order"),
        Wrong(_SIMILAR + _COSINE + "    return sorted(cosine.nlargest(k).index)", says="in another order"),
        Wrong(_SIMILAR + _COSINE + "    return cosine.idxmax()", says="a list of product ids"),
        Wrong(_SIMILAR.replace("labels.index[", "labels[") + _COSINE + _SORTED, says="numbers of clusters"),
    ),
)

EXERCISES = (PAGE_OF, RAND_INDEX, SIMILAR)
