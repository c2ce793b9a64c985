"""How the answers to the exercises of chapter 08 are checked: what is wrong with one, in words; None: nothing."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

import numpy as np

from recsys_lab.exercises.answers import as_list, as_number
from recsys_lab.exercises.exercise import Stopped, ask, shown

# -- what goes on a page ----------------------------------------------------------------------------------------------

_KIND = {"a": "coats", "b": "coats", "c": "coats", "d": "hats", "e": "socks", "f": "coats", "g": "hats", "h": "socks"}
_Page = tuple[list[str], set[str], dict[str, str], int, int]
_PAGES: tuple[_Page, ...] = (
    (list("abcdefgh"), {"b"}, _KIND, 4, 2),
    (list("hgfedcba"), {"h", "a"}, _KIND, 5, 1),
    (list("abcf"), {"a"}, _KIND, 2, 2),
    (list("cabfdegh"), {"c", "e"}, _KIND, 6, 3),
    (list("abcfdgeh"), set(), _KIND, 7, 2),
)
"""A ranking, what may not be shown, the kind of each product, the length of a page, the most of one kind."""


def _all(allowed: bool, room: bool, short: bool) -> bool:
    return allowed and room and short


def _page(
    case: _Page,
    cut_first: bool = False,
    barred: bool = True,
    most: int = 0,
    counts_all: bool = False,
    longer: int = 0,
    rule: Callable[[bool, bool, bool], bool] = _all,
) -> list[str]:
    """The page; each switch is a mistake."""
    ranking, out, kind_of, k, at_most = case
    counted: dict[str, int] = {}
    page: list[str] = []
    for item in ranking[:k] if cut_first else ranking:
        before = counted.get(kind_of[item], 0)
        goes = rule(not (barred and item in out), before < at_most + most, len(page) < k + longer)
        if goes:
            page.append(item)
        if goes or counts_all:
            counted[kind_of[item]] = before + 1
    return page


def _allowed(case: _Page) -> _Page:
    """The same question, without the products that may not be shown."""
    return ([item for item in case[0] if item not in case[1]], *case[1:])


def _sorted_by_kind(case: _Page) -> list[str]:
    ranking, out, kind_of, k, most = case
    mine = [item for item in ranking if item not in out]
    kinds = list(dict.fromkeys(kind_of[item] for item in mine))
    return [item for kind in kinds for item in [one for one in mine if kind_of[one] == kind][:most]][:k]


_ONE_TOO_LONG = "the page is one product too long: where it has k already, `<= k` lets one more in. Ask for `< k`."
_COUNTED_FIRST = (
    "there is one fewer of a kind than may be: the product is counted before the question whether there is room for it."
    " Count it when it is on the page."
)
_OR = (
    "one rule is enough for a product to go on the page (`or`). It takes all of them (`and`): not in `out`, room for"
    " its kind, and room on the page."
)

_WRONG_PAGES: tuple[tuple[Callable[[_Page], list[str]], str], ...] = (
    (
        lambda case: _page(_allowed(case), cut_first=True),
        "what may not be shown is taken out, and then the ranking is cut to k before the kinds are counted: the page"
        " has holes where a kind is full. Apply both rules first and stop when the page is full.",
    ),
    (
        lambda case: _page(case, cut_first=True),
        "the ranking is cut to k before the rules are applied, so the page has holes: the best k, less what may not be"
        " shown. Apply the rules first and stop when the page is full.",
    ),
    (lambda case: _page(case, barred=False), "products of `out` are on the page: sold out, or in the cart already."),
    (
        lambda case: _page(case, most=10**6),
        "the rule of at most `most` of one kind is not applied.",
    ),
    (
        lambda case: _page(case, most=1),
        "there is one more of a kind than may be: ask whether there is room before the product is put on the page.",
    ),
    (
        lambda case: _page(case, counts_all=True),
        "products that are not shown are counted for their kind, and take the place of those that could be. Count what"
        " is on the page.",
    ),
    (
        lambda case: _page(case, longer=10**6),
        "the page is too long: stop at k.",
    ),
    (lambda case: _page(case, longer=1), _ONE_TOO_LONG),
    (lambda case: _page(case, longer=-1), "the page is one product short: with k - 1 there is room for one more."),
    (lambda case: _page(case, most=-1), _COUNTED_FIRST),
    (lambda case: _page(case, most=-1, counts_all=True), _COUNTED_FIRST),
    (lambda case: _page(case, rule=lambda allowed, room, short: (allowed or room) and short), _OR),
    (lambda case: _page(case, rule=lambda allowed, room, short: allowed or (room and short)), _OR),
    (lambda case: _page(case, rule=lambda allowed, room, short: (allowed and room) or short), _OR),
    (lambda case: _page(case, rule=lambda allowed, room, short: allowed and (room or short)), _OR),
    (lambda case: _page(case, rule=lambda allowed, room, short: allowed or room or short), _OR),
    (_sorted_by_kind, "the products are right, and no longer in the order of the ranking: kinds stand together."),
    (lambda case: _page(case)[::-1], "the page is upside down: the best goes first."),
)


def page(function: Any) -> str | None:
    """A page after the rules of the shop."""
    answers: list[list[Any]] = []
    for case in _PAGES:
        given = ask(function, *case)
        answer = as_list(given)
        if answer is None:
            return f"page_of should answer with a list of products, and it answers {shown(given)}."
        answers.append(answer)
    wanted = [_page(case) for case in _PAGES]
    if answers == wanted:
        return None
    for formula, diagnosis in _WRONG_PAGES:
        if answers == [formula(case) for case in _PAGES]:
            return diagnosis
    if all(answer == right[: len(answer)] for answer, right in zip(answers, wanted, strict=True)):
        return (
            "the page begins right and ends too early. A product that may not be shown is skipped, and the loop goes on"
            " to the next (`continue`, not `break`)."
        )
    at = next(at for at, right in enumerate(wanted) if answers[at] != right)
    ranking, out, _, k, most = _PAGES[at]
    return (
        f"page_of({shown(ranking)}, {shown(sorted(out))}, …, k={k}, most={most}) should be {wanted[at]}, and it is"
        f" {shown(answers[at])}."
    )


# -- who is it? -------------------------------------------------------------------------------------------------------

_SECRET = b"a secret of this test, long enough"


def _signature(shopper: str) -> str:
    return hmac.new(_SECRET, shopper.encode(), hashlib.sha256).hexdigest()


def _signed(shopper: str) -> str:
    return f"{shopper}.{_signature(shopper)}"


_TRUE = ("ada", "m7.x-2_")
_BOB = "bob." + _signature("ada")
_FORGED = (
    (_BOB, "the cookie has bob's name and ada's signature: somebody wrote another name into their"
     " own cookie"),
    ("ada." + hmac.new(b"another secret", b"ada", hashlib.sha256).hexdigest(), "it was signed with another secret"),
    ("ada." + hashlib.sha256(b"ada").hexdigest(), "the signature is a plain hash, which everybody can compute"),
    ("ada." + _signature("ada")[:8], "the signature is cut short"),
    ("ada." + _signature("ada")[:32] + 32 * "0", "the first 32 letters are right and the others are made up"),
    ("ada.", "the signature is empty"),
    ("ada", "there is no signature"),
    ("", "the cookie is empty"),
)  # fmt: skip
_LETTERS = (
    ("ada.é" + _signature("ada"), "there is an é before ada's signature"),
    ("adaé." + _signature("ada"), "the name has an é that ada's has not, and the signature is ada's"),
)
_OTHER_SIGNATURES = (
    (hashlib.sha256(b"ada").hexdigest(), "the signature is a plain hash, which everybody can compute. Make it with the"
     " secret, by hmac.new"),
    (hmac.new(b"ada", _SECRET, hashlib.sha256).hexdigest(), "the secret and the shopper's id are swapped: the secret"
     " comes first"),
    *((hmac.new(_SECRET, b"ada", name).hexdigest(), f"the signature is made with {name}: take hashlib.sha256")
      for name in ("md5", "sha1", "sha224", "sha384", "sha512")),
)  # fmt: skip
"""Signatures of ada by mistake: who takes one for right makes the same mistake."""


def who(function: Any) -> str | None:
    """The shopper of a cookie, None for a forged one."""
    for judge in (_knows_its_own, _knows_the_forged):
        diagnosis = judge(function)
        if diagnosis is not None:
            return diagnosis
    if _Watch().meets(function):
        return (
            "it knows right from forged, but compares with ==, which stops at the first letter that differs. Who"
            " measures the time of many tries learns how many letters were right, and finds the signature letter by"
            " letter. hmac.compare_digest takes as long for any of the same length."
        )
    if not _has_compare_digest(function):
        return (
            "it knows right from forged, but I see no compare_digest in it, and from outside I cannot tell how long"
            " another comparison takes. If it stops at the first letter that differs, who measures the time finds the"
            " signature letter by letter; if it does not, it may be as good. hmac.compare_digest is made for this."
        )
    return None


def _knows_its_own(function: Any) -> str | None:
    """What is wrong with the answers to cookies that are right."""
    for shopper in _TRUE:
        given = _asked(function, _signed(shopper))
        if given is True:
            return "it answers True: the shopper is wanted, by name."
        if given not in (None, False, shopper):
            return f"for a cookie of the shopper {shopper!r} it answers {shown(given)}."
        if given != shopper and "." in shopper:
            return (
                f"the cookie {_signed(shopper)[:14]}… is right, and is refused. The shopper's id may have dots in it:"
                f" the signature begins at the last one (rpartition)."
            )
        if given != shopper:
            return "a cookie that is signed rightly is refused" + _why_refused(function)
    return None


def _why_refused(function: Any) -> str:
    """Which mistake refuses the right cookie of ada."""
    if _asked(function, _BOB) == "bob":
        return ", and one with another's signature is believed: the two answers are swapped."
    for signature, mistake in _OTHER_SIGNATURES:
        if _asked(function, f"ada.{signature}") == "ada":
            return f": {mistake}."
    return (
        ". Compare with the signature that `signed` makes: hmac.new with the secret first, over the shopper's id alone,"
        " SHA-256, as .hexdigest(). And answer with the shopper when they are the same."
    )


def _knows_the_forged(function: Any) -> str | None:
    """What is wrong with the answers to cookies that somebody made up."""
    for cookie, what in _FORGED:
        try:
            given = _asked(function, cookie)
        except Stopped as stopped:
            return f"{stopped}. Whoever sends such a cookie would see an error page. Answer None."
        if given is not None and given is not False:
            return _believed(cookie, given, what)
    for cookie, what in _LETTERS:
        try:
            given = _asked(function, cookie)
        except Stopped as stopped:
            return (
                f"right so far, but anybody can send letters like é: {stopped}. compare_digest takes texts of ASCII"
                f" alone, or bytes of any kind: .encode() both sides."
            )
        if given is not None and given is not False:
            return _believed(cookie, given, what)
    return None


def _believed(cookie: str, given: Any, what: str) -> str:
    """What to say of an answer to a forged cookie that is not None."""
    if isinstance(given, str) and given and given in (cookie.rpartition(".")[0], cookie.partition(".")[0]):
        return f"it believes {shown(cookie)} and answers {shown(given)}: {what}. Compare the signatures as a whole."
    return (
        f"the cookie {shown(cookie)} is forged, and it answers {shown(given)}. Answer None: anything else may be taken"
        f" for a shopper by those who ask."
    )


def _asked(function: Any, cookie: str) -> Any:
    """The answer; None is an answer here."""
    try:
        return ask(function, cookie, _SECRET)
    except Stopped as stopped:
        if "answers None" in str(stopped):
            return None
        raise


_STEADY = ("compare_digest", "unsign", "verify")


class _Watch:
    """Asks with a cookie that notes whether a part of it meets the right signature in an `==`."""

    _parts = ("__getitem__", "encode", "decode", "split", "rsplit", "partition", "rpartition", "strip", "lower")

    def __init__(self) -> None:
        self.met = False
        self.text, self.bytes = self._kind(str), self._kind(bytes)

    def meets(self, function: Any) -> bool:
        """Whether `function` compares a part of a right cookie with the right signature by `==`."""
        _asked(function, self.text(_signed("ada")))
        return self.met

    def _kind(self, base: Any) -> Any:
        """A kind of text or bytes whose parts are watched too."""

        def through(name: str) -> Callable[..., Any]:
            return lambda mine, *args, **options: self._watched(getattr(base, name)(mine, *args, **options))

        members: dict[str, Any] = {name: through(name) for name in self._parts if hasattr(base, name)}
        members |= {"__eq__": lambda mine, other: self._note(other, base.__eq__(mine, other))}
        members |= {"__ne__": lambda mine, other: self._note(other, base.__ne__(mine, other))}
        members |= {"__hash__": base.__hash__, "__deepcopy__": lambda mine, _: mine}
        return type(base.__name__, (base,), members)

    def _watched(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(self._watched(one) for one in value)
        return self.text(value) if isinstance(value, str) else self.bytes(value) if isinstance(value, bytes) else value

    def _note(self, other: Any, answer: Any) -> Any:
        right = _signature("ada")
        self.met |= (isinstance(other, str) and right in other) or (
            isinstance(other, bytes) and right.encode() in other
        )
        return answer


def _has_compare_digest(function: Any) -> bool:
    """Whether a comparison in constant time is in the function, or in one of the notebook's that it calls."""
    code, known = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    if not isinstance(code, CodeType):
        return True  # no plain function: nothing can be said
    seen: set[str] = set()
    todo = [code]
    while todo:
        code = todo.pop()
        todo += [one for one in code.co_consts if isinstance(one, CodeType)]
        for name in code.co_names:
            held = known.get(name)
            if name in _STEADY or held is hmac.compare_digest:
                return True
            inner = getattr(held, "__code__", None)
            if name not in seen and isinstance(inner, CodeType):
                seen.add(name)
                todo.append(inner)
    return False


# -- group commit -----------------------------------------------------------------------------------------------------

_Queue = tuple[list[int], int]
_QUEUES: tuple[_Queue, ...] = (
    ([0, 1, 2, 3, 11, 12, 30], 10),
    ([5, 5, 5, 6, 40, 41, 42, 43, 60], 8),
    ([0, 10, 20, 30], 10),
    ([3], 5),
    ([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22], 7),
)
"""When events arrive, in order, and how long a commit lasts."""


def _commits(case: _Queue, busy: bool = True, wait: int = 0, late: bool = False, strict: bool = False) -> list[int]:
    """The sizes of the commits; each switch is a mistake."""
    arrivals, lasting = case
    sizes, done, at = [], 0, 0
    while at < len(arrivals):
        begin = max(done, arrivals[at]) if busy else arrivals[at]
        begin += wait * lasting
        until = begin + lasting if late else begin
        group = [t for t in arrivals[at:] if (t < until if strict and until > arrivals[at] else t <= until)]
        sizes.append(len(group))
        at += len(group)
        done = begin + lasting
    return sizes


_LATE = (
    "a commit holds what comes up to `lasting` after its first event. If it has begun by then, they come too late: its"
    " bytes are on their way to the disk, and they are acknowledged with a commit that does not have them. If it waits"
    " for them, the first waits while the disk is idle. Begin at once, with those who are there."
)
# Both mistakes give the same sizes, always: a commit that takes in those who come while it is under way ends, and one
# that begins at the first arrival + lasting begins, at the same moment.

_WRONG_COMMITS: tuple[tuple[Callable[[_Queue], list[int]], str], ...] = (
    (
        lambda case: [1] * len(case[0]),
        "each event gets a commit of its own. What arrived while the disk was busy goes together in the next.",
    ),
    (
        lambda case: [len(case[0])],
        "all events go into one commit, also those that have not come yet: the first shopper would wait for the last.",
    ),
    (
        lambda case: _commits(case, busy=False),
        "a commit begins while the one before it is still under way. There is one disk: begin when it is free,"
        " max(done, the first arrival).",
    ),
    (
        lambda case: _commits(case, wait=1),
        "it waits for more events although the disk is idle. Whoever comes first then waits for nothing: begin at once,"
        " and the group makes itself while the disk is busy.",
    ),
    (
        lambda case: _commits(case, late=True),
        _LATE,
    ),
    (
        lambda case: _commits(case, late=True, strict=True),
        _LATE,
    ),
    (
        lambda case: _commits(case, strict=True),
        "an event that arrives just when a commit begins is left for the next: <= instead of <.",
    ),
)


def commits(function: Any) -> str | None:
    """How many events go to the disk together, commit by commit."""
    answers: list[list[Any]] = []
    for case in _QUEUES:
        given = ask(function, *case)
        answer = as_list(given)
        if answer is None:
            return f"commits should answer with a list, how many events are in each commit; it answers {shown(given)}."
        answers.append([len(one) if isinstance(one, list | tuple) else one for one in answer])
    wanted = [_commits(case) for case in _QUEUES]
    if answers == wanted:
        return None
    for (arrivals, lasting), answer in zip(_QUEUES, answers, strict=True):
        if any(isinstance(one, int) and one == 0 for one in answer):
            return (
                f"a commit of nothing: commits({arrivals}, {lasting}) answers {shown(answer)}. It begins before anybody"
                f" has come (it takes the later of `done` and arrivals[at]), or it leaves out who comes just when it"
                f" begins (`<` for `<=`)."
            )
    for formula, diagnosis in _WRONG_COMMITS:
        if answers == [formula(case) for case in _QUEUES]:
            return diagnosis
    at = next(at for at, right in enumerate(wanted) if answers[at] != right)
    arrivals, lasting = _QUEUES[at]
    if all(isinstance(one, int) for one in answers[at]) and sum(answers[at]) != len(arrivals):
        return f"of {len(arrivals)} events {sum(answers[at])} are in a commit: none may be lost, and none twice."
    return f"commits({arrivals}, {lasting}) should be {wanted[at]}, and it is {shown(answers[at])}."


# -- Little's law -----------------------------------------------------------------------------------------------------

_Load = tuple[float, float, float]
_LOADS: tuple[_Load, ...] = (
    (1000.0, 2.0, 0.5),
    (50.0, 4.0, 0.5),
    (900.0, 1.5, 0.5),
    (2000.0, 1.5, 0.7),
    (100.0, 100.0, 0.75),
    (1001.0, 1.0, 0.5),
)
"""Requests a second, milliseconds of work for each, how busy a process may be."""


def _exact(case: _Load) -> float:
    rate, ms, busy = case
    return rate * ms / 1000 / busy


_WRONG_SIZES: tuple[tuple[Callable[[_Load], float], str], ...] = (
    (
        lambda case: math.ceil(case[0] * case[1] / 1000),
        "processes that are busy all the time: any two requests that come at once make a queue, and the queue never"
        " gets shorter. Divide by `busy`.",
    ),
    (
        lambda case: math.ceil(case[0] * case[1] / 1000 * case[2]),
        "`busy` is multiplied. The less busy a process may be, the more of them it takes: divide.",
    ),
    (
        lambda case: math.ceil(case[0] * case[1] / case[2]),
        "milliseconds times requests a *second*: that is a thousand times too much.",
    ),
    *(
        (formula, "rounded up too early: round the processes, not what is at work at once. Divide by `busy`, and then"
         " math.ceil.")
        for formula in (lambda case: math.ceil(case[0] * case[1] / 1000) / case[2],
                        lambda case: math.ceil(math.ceil(case[0] * case[1] / 1000) / case[2]))
    ),
    (
        lambda case: math.ceil(case[0] * case[1] / 1000 / (1 - case[2])),
        "divided by 1 - busy, the share in which a process is idle. It is at work for a share `busy`: divide by that.",
    ),
    (_exact, "half a process cannot be started: round up (math.ceil)."),
    (lambda case: math.floor(_exact(case)), "rounded down, and then they are busier than they may be: math.ceil."),
    (lambda case: round(_exact(case)), "rounded to the nearest. Where that is down they are busier than they may be:"
     " math.ceil."),
    (lambda case: math.floor(_exact(case)) + 1, "one too many where it comes out even: math.ceil."),
    (
        lambda case: math.ceil(case[0] / case[1] / case[2]),
        "the rate is divided by the time. The longer a request takes, the more of them are there at once: multiply.",
    ),
)  # fmt: skip


def processes(function: Any) -> str | None:
    """How many processes a load takes."""
    answers: list[float] = []
    as_given: list[Any] = []
    for case in _LOADS:
        given = ask(function, *case)
        as_given.append(given)
        answer = as_number(given)
        if answer is None:
            return f"processes should answer with one number, and it answers {shown(given)}."
        answers.append(answer)
    wanted = [float(math.ceil(round(_exact(case), 9))) for case in _LOADS]
    if answers == wanted:
        return None
    for formula, diagnosis in _WRONG_SIZES:
        if _alike(answers, [formula(case) for case in _LOADS]):
            return diagnosis
    at = next(at for at, right in enumerate(wanted) if answers[at] != right)
    rate, ms, busy = _LOADS[at]
    return (
        f"{rate:g} requests a second of {ms:g} ms each, processes busy {busy:.0%} of the time: that takes"
        f" {wanted[at]:g}, and processes says {shown(as_given[at])}."
    )


def _alike(answers: Sequence[float], wanted: Sequence[float]) -> bool:
    return bool(np.allclose(answers, wanted, atol=1e-6))
