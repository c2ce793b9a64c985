"""Language: spelled right, one spelling throughout (British, -ise), and no word that sells or talks down.

Read are the pages, the text of the chapters, docstrings, comments, messages, the exercises' texts, and the shop's page.
A word that is right and unknown goes into tools/words.txt.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed (requirements-dev.txt)")

from tools import prose

WORDS = prose.ROOT / "tools" / "words.txt"
NOT_SPOKEN = {"columns.py"}  # names that columns have in the exports of shops, in several languages

TWINS = """
    analyze/analyse analyzed/analysed analyzes/analyses analyzing/analysing armor/armour artifact/artefact
    behavior/behaviour behavioral/behavioural behaviors/behaviours canceled/cancelled canceling/cancelling
    catalog/catalogue catalogs/catalogues center/centre centered/centred centers/centres color/colour colored/coloured
    colorful/colourful coloring/colouring colors/colours defense/defence dialog/dialogue endeavor/endeavour
    favor/favour favorable/favourable favored/favoured favorite/favourite favorites/favourites favors/favours
    fiber/fibre flavor/flavour flavors/flavours fulfill/fulfil fulfills/fulfils gray/grey grays/greys honor/honour
    humor/humour jewelry/jewellery judgment/judgement labeled/labelled labeling/labelling labor/labour license/licence
    meager/meagre modeled/modelled modeling/modelling neighbor/neighbour neighborhood/neighbourhood
    neighboring/neighbouring neighbors/neighbours offense/offence rumor/rumour signaled/signalled skeptical/sceptical
    theater/theatre traveled/travelled traveler/traveller traveling/travelling vapor/vapour
"""
BRITISH = dict(pair.split("/") for pair in TWINS.split())
"""American and British spellings. Those in -ize and -ization are found by their ending."""
IZE = re.compile(r"[a-z]{3,}i[z](?:e|es|ed|er|ers|ing|ation|ations)$")
WITH_Z = {"size", "sizes", "sized", "resize", "resized", "downsized", "oversized", "prize", "prizes", "seize", "seized"}
OTHERS_WORDS = {
    "": {
        "authorization",  # a header of HTTP
        "regularization",  # a parameter of implicit's models, which ours takes by the same name
        "optimizer",  # a part of Qdrant
    },
    "clickstream.py": {"gray", "colors"},  # as the log's own description writes them
    "page.py": {"center"},  # a setting of reveal.js
}
"""What others have called so, anywhere or in one file."""

SELLS = r"""
    blazing\w* | lightning[ -]fast | cutting[ -]edge | state[ -]of[ -]the[ -]art | powerful | revolution(?:ary|i[sz]\w+)
    | seamless\w* | effortless\w* | amazing\w* | awesome | incredibl\w+ | world[ -]class | best[ -]in[ -]class
    | next[ -]gen\w* | game[ -]chang\w+ | supercharge\w* | unleash\w* | leverag\w+ | delve\w* | unlock\w* | turbo\w*
"""
TALKS_DOWN = r"""
    simply | obviously | trivial(?:ly)? | merely | basically | needless\ to\ say | as\ (?:everyone|everybody)\ knows
    | (?:it|this|that)\ is\ easy | easy\ to\ (?:see|show|prove) | easily | you\ (?:only|just)\ (?:have|need)\ to
    | just\ (?:a|an|add|call|click|copy|do|import|install|need|press|put|run|set|take|type|use|write)
    | guys | dummy | sanity\ check | insane\w* | crazy | blacklist\w* | whitelist\w*
"""
TONE = re.compile(rf"\b(?:{SELLS}|{TALKS_DOWN})\b", re.VERBOSE | re.IGNORECASE)


RIGHT = ("als", "notin", "iif", "discreet", "eto", "womens", "childrens", "whats")
"""What codespell would change and is meant: ALS, words of SQL and of hasty shoppers, initials, discreet coats."""


@cache
def texts() -> tuple[tuple[prose.Text, str], ...]:
    """Everything that the course says, and the words of it that are read aloud."""
    read = [*prose.pages(), *prose.cells(), *prose.code_of_chapters(), *prose.code(), *prose.page_of_the_shop()]
    return tuple((text, prose.spoken(text.words)) for text in read if text.file.name not in NOT_SPOKEN)


def words(text: str) -> Iterator[str]:
    """The words of a text in small letters: no names (a capital inside a sentence), and no pieces of code.

    >>> list(words("Ada's cat sees Bob. It isn't in x_1, a.b or f(x); NDCG neither"))
    ['ada', 'cat', 'sees', 'it', "isn't", 'in', 'or', 'neither']
    """
    inside = r"(?<![\w.\-/@{%\\'’])[a-z]{2,}(?:['’][a-z]+)?"
    first = r"(?:(?<=^)|(?<=[.!?:]\s)|(?<=\n))[A-Z][a-z]+(?:['’][a-z]+)?"
    for found in re.finditer(rf"(?:{inside}|{first})(?![\w(=/{{\\]|\.\w)", text):
        yield re.sub(r"'s$", "", found[0].lower().replace("’", "'"))


def own_words() -> list[str]:
    """The words of tools/words.txt, without its remarks."""
    lines = WORDS.read_text(encoding="utf-8").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]


# -- spelling


@cache
def dictionary() -> frozenset[str]:
    """The words of English that pyspellchecker brings along, read as they lie there: nothing is fetched or guessed."""
    found = find_spec("spellchecker")
    if found is None or found.origin is None:
        pytest.skip("pyspellchecker is not installed; it is in requirements-dev.txt")
    with gzip.open(Path(found.origin).parent / "resources" / "en.json.gz", "rt", encoding="utf-8") as file:
        return frozenset(json.load(file))


def test_each_word_is_known() -> None:
    known = dictionary() | set(own_words()) | set(BRITISH.values())
    unknown: dict[str, str] = {}
    for text, said in texts():
        for word in words(said):
            if word not in known:
                unknown.setdefault(word, str(text))
    assert unknown == {}, "mend the word, or add it to tools/words.txt when it is right"


def test_the_list_of_words_is_tidy() -> None:
    assert [word for word in set(own_words()) if own_words().count(word) > 1] == []
    assert [word for word in own_words() if not re.fullmatch(r"[a-z']{2,}", word)] == []
    assert [word for word in own_words() if word in BRITISH or word in BRITISH.values()] == []
    assert [word for word in own_words() if word in dictionary()] == []


def test_misspelled_words_are_found() -> None:
    known = dictionary() | set(own_words())
    said = "The recomender has recieved an event, and teh shoper is shown a differnt list"
    assert [word for word in words(said) if word not in known] == [
        "recomender",
        "recieved",
        "teh",
        "shoper",
        "differnt",
    ]


def test_common_slips_are_not_there() -> None:
    """codespell knows which wrong words people write, also where each is a word of another kind (rare, clear)."""
    if shutil.which("codespell") is None and find_spec("codespell_lib") is None:
        pytest.skip("codespell is not installed; it is in requirements-dev.txt")
    places = [
        "README.md",
        "BENCHMARKS.md",
        "docs",
        "data/DATASHEET.md",
        "notebooks/README.md",
        "notebooks/src",
        "recsys_lab",
    ]
    places += [*(path.name for path in prose.ROOT.glob("*.md")), "projects", "tools", "benchmarks", "site", ".github"]
    places = sorted({place for place in places if (prose.ROOT / place).exists()})
    told = ["--builtin=clear,rare", "--skip=*.json,*.svg,*.png,*.npz,*.txt,test_language.py", f"--ignore-words={WORDS}"]
    command = [sys.executable, "-m", "codespell_lib", *told, f"--ignore-words-list={','.join(RIGHT)}", *places]
    run = subprocess.run(command, cwd=prose.ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr


# -- one spelling


def american(text: str, file: str = "") -> list[str]:
    """The American spellings in a text; what stands in capitals, as SQL's ANALYZE, or is a part of markup, is none."""
    found = re.findall(r"(?<![\w.@/\-:])(?<!=\")([A-Z]?[a-z]+)(?![\w(=]|\.\w)", text)
    allowed = OTHERS_WORDS[""] | OTHERS_WORDS.get(file, set()) | WITH_Z
    return [word for word in map(str.lower, found) if word not in allowed and (word in BRITISH or IZE.match(word))]


def test_spelling_is_british() -> None:
    assert [(str(text), found) for text, said in texts() if (found := american(said, text.file.name))] == []
    assert american("The Neighbor normalized its colors, and the size") == ["neighbor", "normalized", "colors"]
    assert american("A neighbour of that size; alt.Color(x), organise, ANALYZE items") == []


# -- tone


def test_nothing_sells_or_talks_down() -> None:
    found = [(str(text), hit[0]) for text, said in texts() for hit in TONE.finditer(said)]
    assert found == []
    assert (
        TONE.search("You simply call it") and TONE.search("Just add a line") and TONE.search("a state-of-the-art model")
    )
    assert not TONE.search("A shopper has just clicked, and the obvious try is the list of best-sellers")
