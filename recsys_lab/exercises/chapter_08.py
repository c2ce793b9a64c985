"""The exercises of chapter 08: the rules of a page, a signed cookie, group commit, how many processes."""

from __future__ import annotations

from recsys_lab.exercises import checks_08
from recsys_lab.exercises.exercise import Exercise, Wrong
from recsys_lab.exercises.questions_08 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]

_PAGE = "def page_of(ranking, out, kind_of, k, most):\n    page, counted = [], Counter()\n"
_LOOP = "    for item in ranking:\n"
_IF = "        if item not in out and counted[kind_of[item]] < most and len(page) < k:\n"
_ON = "            page.append(item)\n            counted[kind_of[item]] += 1\n"
_DONE = "    return page"

PAGE = Exercise(
    names=("page_of",),
    difficulty=1,
    minutes=10,
    trains="the rules of a page, before the cut",
    check=checks_08.page,
    right="the rules come first, the cut comes last. A search that fetches only k products and then applies rules shows"
    " half-empty pages on the days on which much is sold out.",
    hints=(
        "A product goes on the page when it is not in `out` and there is room for its kind: counted[kind] < most.",
        "Stop when the page has k products, or go on and do not add more.",
    ),
    wrong=(
        Wrong(_PAGE + "    for item in ranking[:k]:\n" + _IF + _ON + _DONE, says="has holes"),
        Wrong(_PAGE + _LOOP + _IF.replace("item not in out and ", "") + _ON + _DONE, says="products of `out`"),
        Wrong(_PAGE + _LOOP + _IF.replace("counted[kind_of[item]] < most and ", "") + _ON + _DONE, says="not applied"),
        Wrong(_PAGE + _LOOP + _IF.replace("< most", "<= most") + _ON + _DONE, says="one more of a kind"),
        Wrong(_PAGE + _LOOP + "        counted[kind_of[item]] += 1\n" + _IF.replace("< most", "<= most")
              + "            page.append(item)\n" + _DONE, says="take the place"),
        Wrong(_PAGE + _LOOP + _IF.replace(" and len(page) < k", "") + _ON + _DONE, says="too long"),
        Wrong(_PAGE + _LOOP + _IF.replace("< k", "<= k") + _ON + _DONE, says="`<= k`"),
        Wrong(_PAGE + _LOOP + "        counted[kind_of[item]] += 1\n" + _IF + "            page.append(item)\n" + _DONE,
              says="counted before"),
        Wrong(_PAGE + _LOOP + _IF.replace("out and", "out or") + _ON + _DONE, says="(`and`)"),
        Wrong(_PAGE + _LOOP + _IF + _ON + "        else:\n            break\n" + _DONE, says="not `break`"),
        Wrong(_PAGE + "    for item in [one for one in ranking if one not in out][:k]:\n" + _IF + _ON + _DONE,
              says="before the kinds are counted"),
        Wrong(_PAGE + _LOOP + _IF + _ON + "    return page[::-1]", says="upside down"),
        Wrong(_PAGE + _LOOP + _IF + _ON + "    return sorted(page)", says="should be"),
        Wrong(_PAGE + "    return len(ranking)", says="a list of products"),
    ),
)  # fmt: skip

_WHO = "import hashlib, hmac\ndef who(cookie, secret):\n    shopper, _, given = cookie.rpartition('.')\n"
_RIGHT = "    right = hmac.new(secret, shopper.encode(), hashlib.sha256).hexdigest()\n"
_IS = "    return shopper if hmac.compare_digest(given.encode(), right.encode()) else None"

WHO = Exercise(
    names=("who",),
    difficulty=2,
    minutes=12,
    trains="who is it: a signature, compared in constant time",
    check=checks_08.who,
    right="nobody can make this signature without the secret. And why is == not good enough? It stops at the first"
    " letter that differs: who measures the time of many tries learns how many letters were right, and guesses the"
    " signature letter by letter. compare_digest looks at all of them, wherever they differ.",
    hints=(
        "The right signature is the one that `signed` would make for this shopper.",
        "hmac.compare_digest(a, b) compares two byte strings, always in the same time: given.encode(), right.encode().",
    ),
    wrong=(
        Wrong(_WHO + "    return shopper", says="Compare the signatures"),
        Wrong(_WHO + _RIGHT + "    return shopper if given == right else None", says="stops at the first letter"),
        Wrong(_WHO + _RIGHT + "    return shopper if hmac.compare_digest(given, right) else None", says="ASCII alone"),
        Wrong(_WHO.replace("rpartition", "partition") + _RIGHT + _IS, says="rpartition"),
        Wrong(_WHO + _RIGHT.replace("shopper.encode", "cookie.encode") + _IS, says="shopper's id alone"),
        Wrong(_WHO + "    right = hashlib.sha256(shopper.encode()).hexdigest()\n" + _IS, says="a plain hash"),
        Wrong(_WHO + _RIGHT.replace("secret, shopper.encode()", "shopper.encode(), secret") + _IS, says="are swapped"),
        Wrong(_WHO + _RIGHT.replace("sha256", "md5") + _IS, says="made with md5"),
        Wrong(_WHO + _RIGHT + _IS.replace("None", "''"), says="Answer None"),
        Wrong(_WHO + _RIGHT + _IS.replace("given.", "given[:32].").replace("right.", "right[:32]."), says="first 32"),
        Wrong(_WHO + _RIGHT + _IS.replace("shopper if", "True if"), says="by name"),
        Wrong(_WHO + _RIGHT + "    return shopper if right.startswith(given) else None", says="cut short"),
        Wrong("import hashlib, hmac\ndef who(cookie, secret):\n    shopper, given = cookie.rsplit('.', 1)\n" + _RIGHT
              + _IS, says="error page"),
        Wrong(_WHO + _RIGHT + "    return given", says="for a cookie of the shopper"),
    ),
)  # fmt: skip

_COMMITS = "def commits(arrivals, lasting):\n    sizes, done, at = [], 0, 0\n    while at < len(arrivals):\n"
_BEGIN = "        begin = max(done, arrivals[at])\n"
_GROUP = "        group = [t for t in arrivals[at:] if t <= begin]\n"
_REST = "        sizes.append(len(group))\n        at += len(group)\n        done = begin + lasting\n    return sizes"

COMMITS = Exercise(
    names=("commits",),
    difficulty=2,
    minutes=10,
    trains="group commit: what comes while the disk is busy shares the next write",
    check=checks_08.commits,
    right="nobody waits for company: alone, an event is written at once. The slower the disk and the more that comes,"
    " the larger the groups become, by themselves.",
    hints=(
        "The disk is free at `done`, the first event that is left came at arrivals[at]: begin at the later of the two.",
        "The group is what has come by then: those of arrivals[at:] that are <= begin.",
    ),
    wrong=(
        Wrong("def commits(arrivals, lasting):\n    return [1] * len(arrivals)", says="commit of its own"),
        Wrong(_COMMITS + _BEGIN + "        group = arrivals[at:]\n" + _REST, says="first shopper would wait"),
        Wrong(_COMMITS + "        begin = arrivals[at]\n" + _GROUP + _REST, says="still under way"),
        Wrong(_COMMITS + _BEGIN + "        begin += lasting\n" + _GROUP + _REST, says="although the disk is idle"),
        Wrong(_COMMITS + _BEGIN + _GROUP.replace("begin]", "begin + lasting]") + _REST, says="come too late"),
        Wrong(_COMMITS + _BEGIN + "        group = [t for t in arrivals[at:] if t < begin] or [arrivals[at]]\n" + _REST,
              says="should be"),
        Wrong(_COMMITS + _BEGIN + _GROUP + _REST.replace("len(group)\n        d", "len(group) + 1\n        d"),
              says="may be lost"),
        Wrong(_COMMITS + _BEGIN + _GROUP.replace("<=", "<") + _REST, says="`<` for `<=`"),
        Wrong(_COMMITS + "        begin = done\n" + _GROUP + _REST, says="before anybody has come"),
        Wrong(_COMMITS + "        begin = arrivals[at] + lasting\n" + _GROUP + _REST, says="while the disk is idle"),
        Wrong("def commits(arrivals, lasting):\n    return len(arrivals) / lasting", says="a list"),
    ),
)  # fmt: skip

_SIZE = "import math\ndef processes(rate, ms, busy):\n    return "

PROCESSES = Exercise(
    names=("processes",),
    difficulty=2,
    minutes=6,
    trains="Little's law: how many processes",
    check=checks_08.processes,
    right="L = λ·W holds for every queue that does not grow, whatever comes when (Little 1961). How busy a process may"
    " be is up to you: at 90 % a queue is there most of the time.",
    hints=(
        "At work at once, on average: requests a second times seconds each. A second has 1,000 ms.",
        "Each process may be at work for a share `busy` of the time: divide by it, and round up (math.ceil).",
    ),
    wrong=(
        Wrong(_SIZE + "math.ceil(rate * ms / 1000)", says="busy all the time"),
        Wrong(_SIZE + "math.ceil(rate * ms / 1000 * busy)", says="the more of them it takes"),
        Wrong(_SIZE + "math.ceil(rate * ms / busy)", says="thousand times"),
        Wrong(_SIZE + "rate * ms / 1000 / busy", says="cannot be started"),
        Wrong(_SIZE + "int(rate * ms / 1000 / busy)", says="rounded down"),
        Wrong(_SIZE + "round(rate * ms / 1000 / busy)", says="to the nearest"),
        Wrong(_SIZE + "int(rate * ms / 1000 / busy) + 1", says="one too many"),
        Wrong(_SIZE + "math.ceil(math.ceil(rate * ms / 1000) / busy)", says="too early"),
        Wrong(_SIZE + "math.ceil(rate * ms / 1000 / (1 - busy))", says="1 - busy"),
        Wrong(_SIZE + "math.ceil(rate / ms / busy)", says="The longer a request takes"),
        Wrong(_SIZE + "7", says="that takes"),
        Wrong(_SIZE + "'many'", says="one number"),
    ),
)

EXERCISES = (PAGE, WHO, COMMITS, PROCESSES)
