"""The exercises of chapter 10: the unit of a time, a pseudonym, the stability index, the size of a test."""

from __future__ import annotations

from recsys_lab.exercises import checks_10
from recsys_lab.exercises.exercise import Exercise, Wrong
from recsys_lab.exercises.questions_10 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]

_TO = "def to_ms(time):\n    "
_SIZES = "return next(int(time * f) for f, top in zip((1000, 1, 1e-3, 1e-6), {}) if time < top)"

UNIT = Exercise(
    names=("to_ms",),
    difficulty=1,
    minutes=6,
    trains="the unit of a time, by what is possible",
    check=checks_10.unit,
    right="between 1990 and 2100 the units do not overlap, so the number itself says which one it is. What fits none is"
    " no time, and has to be seen.",
    hints=(
        "Try each unit: `time * factor`, as a whole number of milliseconds. The loop does the rest.",
        "At the end no unit has fitted: the answer is 0.",
    ),
    wrong=(
        Wrong(_TO + "return time * 1000", says="taken for seconds"),
        Wrong(_TO + "return time", says="January 1970"),
        Wrong(_TO + "return time * 1000 if time < 1e11 else time", says="a thousand times too large"),
        Wrong(
            _TO + "return time * 1000 if time < 1e11 else time if time < 1e14 else time // 1000", says="a million of"
        ),
        Wrong(_TO + "while time > 1e13:\n        time //= 1000\n    return time", says="times 1000"),
        Wrong(_TO + "while time > 1e10:\n        time //= 1000\n    return time", says="in seconds"),
        Wrong(_TO + _SIZES.format("(1e9, 1e12, 1e15, 1e99)"), says="9 September 2001"),
        Wrong(_TO + _SIZES.format("(1e12, 1e15, 1e18, 1e99)"), says="twelve digits"),
        Wrong(_TO + _SIZES.format("(1e11, 1e14, 1e17, 1e99)").replace("int", ""), says="a fraction of a millisecond"),
        Wrong(_TO + _SIZES.format("(1e11, 1e14, 1e17, 1e99)"), says="a wrong time is worse than none"),
        Wrong(_TO + "return 'ms'", says="one number"),
        Wrong(_TO + "return 12", says="should be"),
    ),
)

_NAME = "import hashlib, hmac\ndef pseudonym(shopper, key):\n    clean = shopper.strip().lower()\n    "
_HMAC = "return hmac.new(key, clean.encode(), hashlib.sha256).hexdigest()[:16]"

PSEUDONYM = Exercise(
    names=("pseudonym",),
    difficulty=1,
    minutes=8,
    trains="a keyed pseudonym of one spelling",
    check=checks_10.pseudonym,
    right="without the key nobody can make it, also not from a list of all addresses. Sixteen hexadecimal letters are"
    " 64 bits: two of a million shoppers share one with a chance of about one in forty million.",
    hints=(
        "First one spelling: .strip() takes blanks off both ends, .lower() makes small letters.",
        "hmac.new(key, clean.encode(), hashlib.sha256).hexdigest() has 64 letters; [:16] are the first sixteen.",
    ),
    wrong=(
        Wrong(_NAME + "return hashlib.sha256(clean.encode()).hexdigest()[:16]", says="a plain hash"),
        Wrong(_NAME + "return hashlib.sha256(shopper.encode()).hexdigest()[:16]", says="as it was typed"),
        Wrong(_NAME + "return hashlib.sha256(key + clean.encode()).hexdigest()[:16]", says="can be extended"),
        Wrong(_NAME + "return hashlib.sha256(clean.encode() + key).hexdigest()[:16]", says="behind the text"),
        Wrong(_NAME + _HMAC.replace("clean", "shopper"), says="two people"),
        Wrong(_NAME + _HMAC.replace("clean", "shopper.strip()"), says="capitals"),
        Wrong(_NAME + _HMAC.replace("clean", "shopper.lower()"), says="a blank at the end"),
        Wrong(_NAME + _HMAC.replace("[:16]", ""), says="all 64 letters"),
        Wrong(_NAME + _HMAC.replace("[:16]", "[-16:]"), says="the last sixteen"),
        Wrong(_NAME + _HMAC.replace("sha256", "md5"), says="md5"),
        Wrong(_NAME + _HMAC.replace("sha256", "sha512"), says="sha512"),
        Wrong(_NAME + _HMAC.replace("key, clean.encode()", "clean.encode(), key"), says="are swapped"),
        Wrong(_NAME + _HMAC.replace("hexdigest", "digest"), says="bytes"),
        Wrong(_NAME + _HMAC.replace("clean.encode()", "clean"), says=".encode() makes them of a text"),
        Wrong(_NAME + _HMAC.replace("key, ", ""), says="It wants three things"),
        Wrong(_NAME + "return clean", says="no pseudonym"),
        Wrong(_NAME + "return 'somebody'", says="the same pseudonym"),
        Wrong(_NAME + "return hashlib.md5(clean.encode()).hexdigest()", says="the key is not used"),
        Wrong(_NAME + "return hmac.new(key, clean.encode(), 'sha256').hexdigest()[:15]", says="should be"),
        Wrong(_NAME + "return 7", says="a text"),
    ),
)

_PSI = (
    "import numpy as np\ndef psi(before, now):\n    before, now = np.asarray(before) + 0.5, np.asarray(now) + 0.5\n"
    "    before, now = before / before.sum(), now / now.sum()\n    return "
)
_INDEX = "((now - before) * np.log(now / before)).sum()"

STABILITY = Exercise(
    names=("psi",),
    difficulty=1,
    minutes=8,
    trains="the population stability index of counts",
    check=checks_10.stability,
    right="it is the Kullback-Leibler divergence there and back: 0 when the shares are the same, large where a share"
    " is many times what it was. What counts as large is the next question.",
    hints=(
        "A share is a count divided by the sum of all counts: before / before.sum().",
        "(now − before) times np.log(now / before), and of that the sum over the categories.",
    ),
    wrong=(
        Wrong(_PSI.replace("before / before.sum(), now / now.sum()", "before, now") + _INDEX, says="not shares"),
        Wrong(_PSI.replace(" + 0.5", "") + _INDEX, says="Add 0.5"),
        Wrong(
            _PSI.replace(" + 0.5", "")
            .replace("before.sum()", "before.sum() + 0.5")
            .replace("now.sum()", "now.sum() + 0.5")
            + _INDEX,
            says="there it is huge",
        ),
        Wrong(_PSI + "(now * np.log(now / before)).sum()", says="Kullback-Leibler"),
        Wrong(_PSI + "(before * np.log(before / now)).sum()", says="Kullback-Leibler"),
        Wrong(_PSI + "(before * np.log(now / before)).sum()", says="weighted with `before`"),
        Wrong(_PSI + _INDEX.replace("now - before", "before - now"), says="never above zero"),
        Wrong(_PSI + _INDEX.replace("(now - before)", "np.abs(now - before)"), says="lost its sign"),
        Wrong(_PSI + _INDEX.replace("log", "log2"), says="base 2"),
        Wrong(_PSI + _INDEX.replace("log", "log10"), says="base 10"),
        Wrong(_PSI + _INDEX.replace("sum", "mean"), says="is their sum"),
        Wrong(_PSI + _INDEX.replace(".sum()", ""), says="one number"),
        Wrong(_PSI + "abs(now - before).sum()", says="should be"),
    ),
)

_TEST = (
    "import math\nfrom statistics import NormalDist\ndef visits_needed(p, uplift, power=0.8, alpha=0.05):\n"
    "    q = p * (1 + uplift)\n    middle = (p + q) / 2\n    z_alarm = NormalDist().inv_cdf(1 - alpha / 2)\n"
    "    z_power = NormalDist().inv_cdf(power)\n"
    "    same, apart = 2 * middle * (1 - middle), p * (1 - p) + q * (1 - q)\n"
    "    wide = z_alarm * math.sqrt(same) + z_power * math.sqrt(apart)\n    return "
)
_SIZE = "math.ceil((wide / (q - p)) ** 2)"

SIZE = Exercise(
    names=("visits_needed",),
    difficulty=2,
    minutes=12,
    trains="the size of an A/B test",
    check=checks_10.ab_size,
    right="half the uplift takes four times the visits. That is the whole trouble with small uplifts, and no"
    " dashboard changes it.",
    hints=(
        "q is the share with the uplift, p · (1 + uplift). The 1.96 is inv_cdf(1 − alpha / 2), 0.84 inv_cdf(power).",
        "n = (wide / (q − p))², and q − p is p · uplift. Round up with math.ceil.",
    ),
    wrong=(
        Wrong(_TEST + "(wide / (q - p)) ** 2", says="half a visit"),
        Wrong(_TEST + "int((wide / (q - p)) ** 2)", says="rounded down"),
        Wrong(_TEST + "round((wide / (q - p)) ** 2)", says="to the nearest"),
        Wrong(_TEST.replace("p * (1 + uplift)", "p + uplift") + _SIZE, says="is relative"),
        Wrong(_TEST.replace("alpha / 2", "alpha") + _SIZE, says="at one end"),
        Wrong(_TEST + "2 * " + _SIZE, says="both sides"),
        Wrong(_TEST + "math.ceil(2 * (wide / (q - p)) ** 2)", says="both sides"),
        Wrong(_TEST.replace("inv_cdf(power)", "inv_cdf(0.5)") + _SIZE, says="half of the time"),
        Wrong(_TEST.replace("inv_cdf(power)", "inv_cdf(1 - power)") + _SIZE, says="takes away"),
        Wrong(_TEST + "math.ceil(abs(wide / (q - p)))", says="the square is missing"),
        Wrong(_TEST.replace("sqrt(same)", "sqrt(apart)") + _SIZE, says="nothing has changed"),
        Wrong(_TEST.replace("power=0.8, alpha=0.05", "power=0.9, alpha=0.05") + _SIZE, says="without a word"),
        Wrong(
            _TEST.replace("NormalDist().inv_cdf(1 - alpha / 2)", "1.96").replace("NormalDist().inv_cdf(power)", "0.84")
            + _SIZE,
            says="Both are arguments",
        ),
        Wrong(_TEST + "'many'", says="one number"),
        Wrong(_TEST + "16 * p * (1 - p) / (q - p) ** 2", says="that takes"),
    ),
)

EXERCISES = (UNIT, PSEUDONYM, STABILITY, SIZE)
