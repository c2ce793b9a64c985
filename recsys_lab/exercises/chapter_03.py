"""The exercises of chapter 03: pairs from a window, what training makes small, a vector for a new product."""

from __future__ import annotations

from recsys_lab.exercises import checks_03
from recsys_lab.exercises.exercise import Exercise, Wrong
from recsys_lab.exercises.questions_03 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]

_PAIRS = "def pairs(visit, window):\n    return [(visit[a], visit[b]) for a in range(len(visit)) for b in "

PAIRS = Exercise(
    names=("pairs",),
    difficulty=1,
    minutes=10,
    trains="training pairs from a window",
    check=checks_03.pairs,
    right="every product is paired with what stands at most `window` steps before or after it. A product that comes"
    " twice in a visit may be its own neighbour; its own place never is.",
    hints=(
        "Walk over the places of the visit, and for each of them over all places again.",
        "Which places `there` belong to the window of the place `here`? From here - window to here + window.",
        "Leave out here == there; the pair is (visit[here], visit[there]).",
    ),
    wrong=(
        Wrong(_PAIRS + "range(len(visit)) if abs(a - b) <= window]", says="its own place"),
        Wrong(_PAIRS + "range(len(visit)) if 0 < b - a <= window]", says="come later"),
        Wrong(_PAIRS + "range(len(visit)) if 0 < a - b <= window]", says="came earlier"),
        Wrong(_PAIRS + "range(len(visit)) if a != b]", says="no window"),
        Wrong(_PAIRS + "range(len(visit)) if 0 < abs(a - b) < window]", says="a step too early"),
        Wrong(_PAIRS + "range(len(visit)) if 0 < abs(a - b) <= window + 1]", says="a step too far"),
        Wrong(_PAIRS + "range(len(visit)) if 0 < abs(a - b) <= window and visit[a] != visit[b]]", says="missing"),
        Wrong(_PAIRS + "range(len(visit)) if abs(a - b) == window]", says="missing"),
        Wrong(_PAIRS.replace("(visit[a], visit[b])", "(a, b)") + "range(len(visit)) if a != b]", says="places"),
        Wrong("def pairs(visit, window):\n    return visit[:window]", says="should be a pair"),
        Wrong("def pairs(visit, window):\n    return {(a, b) for a in visit for b in visit}", says="a list of pairs"),
    ),
)


_LOSS = "def pair_loss(u, v, negatives):\n    sigmoid = lambda x: 1 / (1 + np.exp(-x))\n    return "

PAIR_LOSS = Exercise(
    names=("pair_loss",),
    difficulty=2,
    minutes=12,
    trains="the loss of skip-gram with negative sampling",
    check=checks_03.pair_loss,
    right="the loss is small where u·v is large for what was seen together, and small or negative for what was"
    " only drawn. It is the training step's goal, for one pair.",
    hints=(
        "Two terms, and both are a -log(sigmoid(…)). The first one is about u and v.",
        "negatives @ u is u·n for all the drawn products at once, and they should be small: a minus inside sigmoid.",
        "-np.log(sigmoid(u @ v)) - np.log(sigmoid(-negatives @ u)).sum()",
    ),
    wrong=(
        Wrong(_LOSS + "np.log(sigmoid(u @ v)) + np.log(sigmoid(-negatives @ u)).sum()", says="the objective"),
        Wrong(_LOSS + "-np.log(sigmoid(u @ v)) - np.log(sigmoid(negatives @ u)).sum()", says="one minus inside"),
        Wrong(_LOSS + "-np.log(sigmoid(u @ v))", says="do not count yet"),
        Wrong(_LOSS + "-np.log(sigmoid(-negatives @ u)).sum()", says="the pair that was seen"),
        Wrong(_LOSS + "-np.log(sigmoid(u @ v)) + np.log(sigmoid(-negatives @ u)).sum()", says="subtracted"),
        Wrong(_LOSS + "-np.log(sigmoid(u @ v)) - np.log(sigmoid(-negatives @ u)).mean()", says="take the sum"),
        Wrong(_LOSS + "-np.log(sigmoid(u @ v)) - np.log(sigmoid(-(negatives @ u).sum()))", says="inside the log"),
        Wrong(_LOSS + "-np.log(sigmoid(u @ v)) - np.log(sigmoid(-negatives @ u))", says="a .sum() missing"),
        Wrong(_LOSS + "-np.log(sigmoid(u @ v)) - np.log(sigmoid(-u @ negatives)).sum()", says="so it stands first"),
        Wrong(_LOSS + "-sigmoid(u @ v) - sigmoid(-negatives @ u).sum()", says="the logs are missing"),
        Wrong(_LOSS + "-np.log(sigmoid(u @ v)) - np.log(1 - sigmoid(-negatives @ u)).sum()", says="cancel"),
        Wrong(_LOSS + "-np.log2(sigmoid(u @ v)) - np.log2(sigmoid(-negatives @ u)).sum()", says="3 · log 2"),
    ),
)


_START = "def cold_vector(likeness, behaviour, k):\n    near = np.argsort(-likeness)[:k]\n    mean = "
_UNIT = "behaviour[near].mean(axis=0)\n    return mean / np.linalg.norm(mean)"

COLD_VECTOR = Exercise(
    names=("cold_vector",),
    difficulty=2,
    minutes=8,
    trains="a vector for a product without a click, from those that it is like",
    check=checks_03.cold_vector,
    right="a product that nobody has clicked stands where those stand that are most like it, and at length 1 it"
    " competes on equal terms.",
    hints=(
        "np.argsort(-likeness) lists the rows, the most alike first.",
        "The mean over those rows: behaviour[rows].mean(axis=0).",
        "Divide the mean by np.linalg.norm(mean).",
    ),
    wrong=(
        Wrong(_START + "behaviour[near].mean(axis=0)\n    return mean", says="shorter than 1"),
        Wrong(_START + "behaviour[near].sum(axis=0)\n    return mean", says="the sum"),
        Wrong(_START.replace("-likeness", "likeness") + _UNIT, says="*least* like"),
        Wrong(_START + _UNIT.replace("[near]", ""), says="all products"),
        Wrong(_START + _UNIT.replace("[near]", "[:k]"), says="first k rows"),
        Wrong(_START + _UNIT.replace("[near]", "[near[:1]]"), says="the nearest product alone"),
        Wrong(_START.replace("np.argsort(-likeness)", "sorted(likeness)") + _UNIT, says="rows are needed"),
        Wrong(_START + "behaviour[near].mean(axis=1)\n    return mean", says="axis=0"),
        Wrong(_START.replace("[:k]", "[: k + 1]") + _UNIT, says="another one"),
        Wrong(_START + "behaviour[near].mean(axis=0)\n    return mean / np.abs(mean).sum()", says="the length 1"),
    ),
)

EXERCISES = (PAIRS, PAIR_LOSS, COLD_VECTOR)
