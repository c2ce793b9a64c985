"""The exercises of chapter 07: where a product was lost, the listwise loss, LinUCB's bound, Thompson, off-policy."""

from __future__ import annotations

from recsys_lab.exercises import checks_07
from recsys_lab.exercises.exercise import Exercise, Wrong
from recsys_lab.exercises.questions_07 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]

_LOST = (
    "def where_lost(lists, pools, wanted):\n"
    "    shown = np.array([item in ids for item, ids in zip(wanted, lists)])\n"
    "    nominated = np.array([item in ids for item, ids in zip(wanted, pools)])\n"
    "    return "
)

WHERE_LOST = Exercise(
    names=("where_lost",),
    difficulty=1,
    minutes=8,
    trains="lost by the ranker, or by the candidates: two losses, looked at apart",
    check=checks_07.where_lost,
    right="the three add up to 1, and they are mended in different ways: the second by a better ranker, the third by"
    " more or other candidates. `losses` does the same for a ranker and its questions.",
    hints=(
        "`nominated` is made as `shown` is, from the pools: for each question True or False.",
        "Lost by the ranker: nominated and not shown. With arrays of True and False that is nominated & ~shown.",
        "The mean of an array of True and False is the share of True.",
    ),
    wrong=(
        Wrong(_LOST + "shown.mean(), (~shown).mean(), (~nominated).mean()", says="blamed for everything"),
        Wrong(_LOST + "shown.mean(), nominated.mean(), (~nominated).mean()", says="candidate recall"),
        Wrong(
            _LOST + "shown.mean(), (nominated & ~shown).mean(), nominated.mean()", says="third number is the candidate"
        ),
        Wrong(
            _LOST + "shown.mean(), (nominated & ~shown).mean(), (~shown).mean()", says="everything that was not shown"
        ),
        Wrong(_LOST + "shown.mean(), (~nominated).mean(), (nominated & ~shown).mean()", says="wrong way round"),
        Wrong(_LOST + "shown.mean(), 1 - shown[nominated].mean(), (~nominated).mean()", says="add up to 1"),
        Wrong(_LOST + "shown.sum(), (nominated & ~shown).sum(), (~nominated).sum()", says="Shares are wanted"),
        Wrong(
            _LOST + "100 * shown.mean(), 100 * (nominated & ~shown).mean(), 100 * (~nominated).mean()", says="per cent"
        ),
        Wrong(_LOST + "shown.mean(), (nominated - shown).mean(), (~nominated).mean()", says="`and` is written &"),
        Wrong(_LOST + "shown.mean(), (nominated and not shown).mean(), (~nominated).mean()", says="`not` is written ~"),
        Wrong(_LOST + "0.5, 0.25, 0.25", says="should be"),
        Wrong(_LOST + "shown.mean()", says="three numbers"),
    ),
)

_LISTWISE = "def listwise(x, gains, w):\n    score = x @ w\n"
_EXP = "    chance = np.exp(score - score.max())\n"
_SHARE = "    chance = chance / chance.sum()\n"
_WANTED = "    wanted = gains / gains.sum()\n"
_LOSS = "    return -(wanted @ np.log(chance)), "

LISTWISE = Exercise(
    names=("listwise",),
    difficulty=2,
    minutes=12,
    trains="the listwise loss and its slope",
    check=checks_07.listwise,
    right="where the model gives what was wanted, the slope is 0 and there is nothing left to learn. All candidates of"
    " a list pull at each other, which a loss of single candidates does not know.",
    hints=(
        "The shares of a list add up to 1: divide by the sum. The same for the gains.",
        "The slope has a number for each feature: (chance − wanted) @ x adds up the candidates' rows.",
    ),
    wrong=(
        Wrong(_LISTWISE + _EXP + _SHARE + "    wanted = gains\n" + _LOSS + "(chance - wanted) @ x",
              says="Divide the gains by their sum"),
        Wrong(_LISTWISE + _EXP + _SHARE + _WANTED + _LOSS + "(wanted - chance) @ x", says="uphill"),
        Wrong(_LISTWISE + _EXP + _WANTED + _LOSS + "(chance - wanted) @ x", says="do not add up to 1"),
        Wrong(_LISTWISE + "    chance = 1 / (1 + np.exp(-score))\n" + _WANTED + _LOSS + "(chance - wanted) @ x",
              says="judged alone"),
        Wrong(_LISTWISE + _EXP + _SHARE + _WANTED + _LOSS + "(chance - wanted) @ x / len(x)", says="mean over"),
        Wrong(_LISTWISE + _EXP + _SHARE + _WANTED + _LOSS + "-wanted @ x", says="would push for ever"),
        Wrong(_LISTWISE + _EXP + _SHARE + _WANTED + _LOSS + "chance @ x", says="does not know what was wanted"),
        Wrong(_LISTWISE + _EXP + _SHARE + "    wanted = gains\n" + _LOSS + "(wanted - chance) @ x",
              says="and the slope points uphill"),
        Wrong(_LISTWISE + _EXP + _SHARE + _WANTED + "    return wanted @ np.log(chance), (chance - wanted) @ x",
              says="loss is the wrong way round"),
        Wrong(_LISTWISE + "    chance = np.exp(score)\n" + _SHARE + _WANTED + _LOSS + "(chance - wanted) @ x",
              says="overflows"),
        Wrong(_LISTWISE + _EXP + _SHARE + _WANTED + _LOSS + "chance - wanted", says="loss and the slope"),
        Wrong(_LISTWISE + _EXP + _SHARE + _WANTED + _LOSS + "(chance - wanted) * x", says="@ weighs the rows"),
        Wrong(_LISTWISE + _EXP + _SHARE + _WANTED + _LOSS + "2 * (chance - wanted) @ x", says="should be"),
    ),
)  # fmt: skip

_BOUND = "def upper_bound(X, r, x, alpha, ridge):\n    A = ridge * np.eye(len(x)) + X.T @ X\n"
_SOLVED = "    inverse = np.linalg.inv(A)\n    theta = inverse @ X.T @ r\n    return "

UPPER_BOUND = Exercise(
    names=("upper_bound",),
    difficulty=2,
    minutes=12,
    trains="LinUCB's upper confidence bound",
    check=checks_07.upper_bound,
    right="the bonus is large for a visit unlike those in which the arm was shown, and shrinks with each that is like"
    " it. An arm that was never shown has its bonus alone.",
    hints=(
        "A has a row and a column for each feature: np.eye(len(x)) times ridge, plus X.T @ X, the sum of x xᵀ.",
        "θ = A⁻¹ Σ r x, and Σ r x is X.T @ r.",
        "The bonus is alpha * np.sqrt(x @ np.linalg.inv(A) @ x).",
    ),
    wrong=(
        Wrong(_BOUND + _SOLVED + "theta @ x + alpha * np.sqrt(x @ A @ x)", says="A and not its inverse, so"),
        Wrong(_BOUND + _SOLVED + "theta @ x + alpha * (x @ inverse @ x)", says="the root is missing: xᵀ"),
        Wrong(_BOUND + _SOLVED + "theta @ x + alpha * (x @ A @ x)", says="and the root is missing"),
        Wrong(_BOUND + _SOLVED + "theta @ x - alpha * np.sqrt(x @ inverse @ x)", says="lower bound"),
        Wrong(_BOUND + _SOLVED + "theta @ x + np.sqrt(x @ inverse @ x)", says="alpha is not used"),
        Wrong(_BOUND + _SOLVED + "theta @ x", says="no bonus"),
        Wrong(_BOUND.replace("ridge * np", "np") + _SOLVED + "theta @ x + alpha * np.sqrt(x @ inverse @ x)",
              says="taken to be 1"),
        Wrong(_BOUND.replace("ridge * np.eye(len(x)) + ", "") + _SOLVED.replace("linalg.inv", "linalg.pinv")
              + "theta @ x + alpha * np.sqrt(x @ inverse @ x)", says="λ is missing"),
        Wrong(_BOUND.replace("ridge * np.eye(len(x)) + ", "") + _SOLVED
              + "theta @ x + alpha * np.sqrt(x @ inverse @ x)", says="λ is missing"),
        Wrong(_BOUND + _SOLVED + "theta @ x + np.sqrt(alpha * x @ inverse @ x)", says="inside the root"),
        Wrong(_BOUND + _SOLVED + "alpha * np.sqrt(x @ inverse @ x)", says="should be"),
        Wrong(_BOUND + _SOLVED + "theta", says="one number"),
        Wrong(_BOUND + _SOLVED.replace("X.T @ r", "r") + "theta @ x", says="Σ r x is X.T @ r"),
    ),
)  # fmt: skip

_THOMPSON = "def thompson(theta, inverse, x, scale, rng):\n"
_DRAWN = "    drawn = rng.multivariate_normal(theta, scale**2 * inverse)\n"

THOMPSON = Exercise(
    names=("thompson",),
    difficulty=2,
    minutes=8,
    trains="Thompson sampling: draw what might be true, show the best of that",
    check=checks_07.thompson,
    right="an arm is shown as often as it may be the best, as far as anybody knows. Who is certain stops exploring by"
    " itself. The price: nobody has computed the probability of what was shown.",
    hints=(
        "rng.multivariate_normal(theta, covariance) draws one vector as long as theta; the covariance is scale² times"
        " the inverse.",
        "x @ drawn is what each arm is worth by the draw; np.argmax says in which row the largest stands.",
    ),
    wrong=(
        Wrong(_THOMPSON + "    return int(np.argmax(x @ theta))", says="always shows the same arm"),
        Wrong(_THOMPSON + _DRAWN.replace("**2", "") + "    return int(np.argmax(x @ drawn))", says="in squares"),
        Wrong(_THOMPSON + _DRAWN.replace("scale**2 * ", "") + "    return int(np.argmax(x @ drawn))",
              says="scale is not used"),
        Wrong(_THOMPSON + _DRAWN.replace("scale**2 * inverse", "scale**2 * np.eye(len(theta))")
              + "    return int(np.argmax(x @ drawn))", says="A⁻¹ is missing"),
        Wrong(_THOMPSON + "    return int(np.argmax(x @ rng.normal(theta, scale)))", says="A⁻¹ is missing"),
        Wrong(_THOMPSON + _DRAWN.replace("**2", "**0.5") + "    return int(np.argmax(x @ drawn))",
              says="root of the scale"),
        Wrong(_THOMPSON + _DRAWN + "    return int(np.argmax(np.abs(x @ drawn)))", says="furthest from 0"),
        Wrong(_THOMPSON + _DRAWN.replace("scale**2 * inverse", "np.linalg.matrix_power(scale**2 * inverse, 2)")
              + "    return int(np.argmax(x @ drawn))", says="should be shown"),
        Wrong(_THOMPSON + _DRAWN.replace("inverse", "np.linalg.inv(inverse)") + "    return int(np.argmax(x @ drawn))",
              says="where most is known"),
        Wrong(_THOMPSON + "    spread = np.sqrt(((x @ inverse) * x).sum(axis=1))\n"
              "    return int(np.argmax(x @ theta + scale * spread * rng.normal(size=len(x))))",
              says="draw of its own"),
        Wrong(_THOMPSON + _DRAWN + "    return int(np.argmin(x @ drawn))", says="worst"),
        Wrong(_THOMPSON + _DRAWN.replace("theta", "0 * theta") + "    return int(np.argmax(x @ drawn))",
              says="What was learned".lower()),
        Wrong(_THOMPSON + "    return int(rng.integers(len(x)))", says="should be shown"),
        Wrong(_THOMPSON + _DRAWN + "    return max(x @ drawn)", says="row of an arm"),
    ),
)  # fmt: skip

_OFF = "def off_policy(target, logged, rewards):\n    w = "
_BOTH = "\n    return (w * rewards).mean(), (w * rewards).sum() / w.sum()"

OFF_POLICY = Exercise(
    names=("off_policy",),
    difficulty=1,
    minutes=8,
    trains="what another policy would have earned: IPS and SNIPS",
    check=checks_07.off_policy,
    right="IPS is right on average when the propensities are. SNIPS gives up a little of that, and is steadier: it"
    " stays between the smallest and the largest reward.",
    hints=(
        "weights = target / logged: what the old policy showed seldom, and the new one would show often, counts most.",
        "IPS is the mean of weights * rewards; SNIPS divides the sum of it by the sum of the weights.",
    ),
    wrong=(
        Wrong(_OFF + "target" + _BOTH, says="propensities are not used"),
        Wrong(_OFF + "1 / logged" + _BOTH, says="new policy is not used"),
        Wrong(_OFF + "logged / target" + _BOTH, says="upside down"),
        Wrong(_OFF + "0\n    return rewards.mean(), rewards.mean()", says="mean reward of the old policy"),
        Wrong(_OFF + "target / logged\n    return (w * rewards).sum() / w.sum(), (w * rewards).mean()",
              says="wrong way round"),
        Wrong(_OFF + "target / logged\n    return (w * rewards).mean(), (w * rewards).mean()", says="the same as IPS"),
        Wrong(_OFF + "target / logged\n    return [(w * rewards).sum() / w.sum()] * 2", says="the same as SNIPS"),
        Wrong(_OFF + "target / logged\n    return (w * rewards).sum(), (w * rewards).sum() / w.sum()",
              says="divide by the number of rows"),
        Wrong(_OFF + "target / logged\n    return (w * rewards).mean(), (target * rewards).sum() / target.sum()",
              says="IPS is right"),
        Wrong(_OFF + "target * logged" + _BOTH, says="should be"),
        Wrong(_OFF + "target / logged\n    return (w * rewards).mean()", says="two numbers"),
    ),
)  # fmt: skip

EXERCISES = (WHERE_LOST, LISTWISE, UPPER_BOUND, THOMPSON, OFF_POLICY)
