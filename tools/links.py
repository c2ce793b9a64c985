"""The links of the course: python -m tools.links [--check | --write].

Without an argument it lists every outside link with what it is for and where it stands, as docs/links.toml has it.
`--write` brings that list up to date with the files: it adds what is new, without a purpose, which somebody has to say,
and removes what is gone. `--check` asks the network whether each is still there. Links inside the course need no
network: `inside` and `missing` are for the test (tests/unit/test_links.py).
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from tools import prose

LIST = prose.ROOT / "docs" / "links.toml"
HEAD = """# Every outside link of the course: where it leads, what it is for, and the files in which it stands.
# `python -m tools.links --write` keeps the files up to date, `python -m tools.links --check` asks the network.
"""
WHERE = ("*.md", "*.py", "*.toml", "*.cff", "*.yml", "*.yaml", "*.js", "*.css", "*.html", "*.rst")
ALSO = ("Makefile", "Dockerfile", "requirements.txt", "requirements-dev.txt")
_ADDRESS = re.compile(r"\bhttps?://[^\s<>\"'`|\\\]]+")
_DOI = re.compile(r"(?<![\w./])10\.\d{4,9}/[\w.;()/:-]+")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\]\([^)]*\))*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_INNER = re.compile(r"!\[[^\]]*\]\(\s*<?([^)\s>]+)")
_DEFINED = re.compile(r"^ {0,3}\[([^\]^]+)\]: +<?(\S+?)>?(?: +[\"'(].*)?$", re.MULTILINE)
_HTML = re.compile(r"<(?:a|img|source)\b[^>]*?\b(?:href|src)=[\"']([^\"']+)")
NO_LINK = (
    "http://www.w3.org/",  # names of kinds of XML: nobody is sent there
    "http://schemas.openxmlformats.org/",
    "https://vega.github.io/schema/",
)
PERHAPS = {401, 403, 405, 406, 429, 503}
"""Answers of servers that turn programs away: the page may well be there, and somebody has to look."""


@dataclass(frozen=True)
class Link:
    """An outside link."""

    url: str
    purpose: str
    files: tuple[str, ...]


# -- outside links


def outside() -> dict[str, tuple[str, ...]]:
    """Every outside link of the files, with the files in which it stands; a DOI is the link to it.

    Left out are tests and doctests of this module (what they name need not exist), notebooks (their sources say the
    same), this computer, names that stand for somebody else's (`example.org`), and the course's own address, which
    pyproject.toml has.
    """
    found: dict[str, set[str]] = {}
    for path in [*prose.files(*WHERE), *(prose.ROOT / name for name in ALSO if (prose.ROOT / name).exists())]:
        name = path.relative_to(prose.ROOT).as_posix()
        if name.startswith("tests/") or path in (LIST, Path(__file__).resolve()) or "/test_" in name:
            continue
        for url in addresses(_text(path)):
            found.setdefault(url, set()).add(name)
    return {url: tuple(sorted(names)) for url, names in sorted(found.items())}


def _text(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


def addresses(text: str) -> Iterator[str]:
    """The outside addresses in a text, without what closes the sentence around them.

    >>> list(addresses("see (https://pypi.org/project/altair/), http://127.0.0.1:8000 and doi 10.24432/C5QK7X."))
    ['https://pypi.org/project/altair/', 'https://doi.org/10.24432/C5QK7X']
    """
    for found in _ADDRESS.findall(text):
        url = _trimmed(found)
        if _is_outside(url):
            yield url
    for doi in _DOI.findall(text):
        yield f"https://doi.org/{_trimmed(doi)}"


def _trimmed(url: str) -> str:
    while url and (url[-1] in ".,;:!?*_" or (url[-1] == ")" and url.count("(") < url.count(")"))):
        url = url[:-1]
    return url


def _is_outside(url: str) -> bool:
    if url.startswith(NO_LINK) or "{" in url or "OWNER/" in url:
        return False
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # half an address: a pattern, or the beginning of one
        return False
    reserved = host.endswith((".example", ".invalid", ".test", ".local", "localhost")) or re.search(
        r"\bexample\.", host
    )
    return bool(re.fullmatch(r"[\w-]+(\.[\w-]+)*\.[a-z]{2,}", host)) and not reserved and f"/{repository()}" not in url


def repository() -> str:
    """The course's own address: OWNER/name, as pyproject.toml says."""
    said = tomllib.loads((prose.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(said["tool"]["recsys-lab"]["repository"])


def known() -> list[Link]:
    """What docs/links.toml says."""
    said = tomllib.loads(LIST.read_text(encoding="utf-8")) if LIST.exists() else {}
    return [Link(link["url"], link["for"], tuple(link["files"])) for link in said.get("link", [])]


def listed(found: Mapping[str, tuple[str, ...]], purposes: Mapping[str, str]) -> str:
    """The text of docs/links.toml for these links."""
    parts = [HEAD]
    for url, files in found.items():
        quoted = [json.dumps(name) for name in files]
        lines = ["[", *(f"    {name}," for name in quoted), "]"] if len(quoted) > 2 else [f"[{', '.join(quoted)}]"]
        told = json.dumps(purposes.get(url, ""), ensure_ascii=False)
        parts.append(f"[[link]]\nurl = {json.dumps(url)}\nfor = {told}\nfiles = {chr(10).join(lines)}\n")
    return "\n".join(parts)


def answer(url: str, seconds: float = 20) -> tuple[int, str]:
    """What the network says of an address: the status (0 when nobody answers), and a word for it."""
    headers = {"User-Agent": "recsys-lab link check (python-requests)"}
    try:
        with requests.get(url, headers=headers, timeout=seconds, stream=True) as response:
            status = response.status_code
    except requests.RequestException as why:
        return 0, f"dead: {type(why).__name__}"
    return status, "there" if status < 400 else "look yourself" if status in PERHAPS else "dead"


# -- links inside the course


def inside(text: str) -> list[str]:
    """The targets of the links and pictures of a page that lead to other files or to its own headings.

    >>> inside("[![a badge](b.svg)](c.ipynb) [x](https://pypi.org) `[no](d)` [y](e.md#f)\\n\\n[z]: g.md\\n")
    ['c.ipynb', 'b.svg', 'e.md#f', 'g.md']
    """
    said = re.sub(r"``.*?``|`[^`\n]*`", "", prose.unfenced(text), flags=re.DOTALL)
    found = []
    for link in _LINK.finditer(said):
        found += [link[1], *_INNER.findall(link[0][: link.start(1) - link.start(0)])]
    found += [target for _, target in _DEFINED.findall(said)] + _HTML.findall(said)
    return [target for target in found if not re.match(r"[a-z][a-z0-9+.-]*:", target, re.IGNORECASE)]


def missing(page: Path, target: str) -> str:
    """What is wrong with a link from a page; '' when it leads somewhere."""
    name, _, anchor = unquote(target).partition("#")
    path = page if not name else (page.parent / name)
    if re.fullmatch(r"\.\./\.\./(issues|pulls|discussions|releases|actions)(/.*)?", name) and page.parent == prose.ROOT:
        return ""  # the repository's own pages on GitHub, as seen from a file at its root
    if name.startswith("/") or not path.resolve().is_relative_to(prose.ROOT):
        return f"{target}: leads out of the course"
    if not _there(path):
        return f"{target}: there is no {name}"
    if anchor and path.suffix in (".md", ".ipynb") and anchor not in anchors(_text(path)):
        return f"{target}: {name or 'the page'} has no heading #{anchor}"
    return ""


def _there(path: Path) -> bool:
    """Whether a path exists with these very letters: capitals may make no difference here, and do on the web."""
    path = path.resolve()
    while path != prose.ROOT and path.is_relative_to(prose.ROOT):
        if not path.exists() or path.name not in {one.name for one in path.parent.iterdir()}:
            return False
        path = path.parent
    return True


def anchors(markdown: str) -> set[str]:
    """The anchors of a page's headings as GitHub makes them (and as Jupyter does), and those written as HTML.

    >>> sorted(anchors("# Two words\\n## `Two` words?\\n## Two words"))
    ['Two-words', 'Two-words?', 'two-words', 'two-words-1', 'two-words-2']
    """
    made: set[str] = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", markdown))
    made |= set(re.findall(r"^\(([\w-]+)\)=$", markdown, re.MULTILINE))
    counts: dict[str, int] = {}
    for words in re.findall(r"^#{1,6} +(.+?) *#*$", prose.unfenced(markdown), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", words).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        made |= {slug if slug not in counts else f"{slug}-{counts[slug]}", plain.replace(" ", "-")}
        counts[slug] = counts.get(slug, 0) + 1
    return made


def main(arguments: list[str]) -> int:
    """List the outside links, write the list anew, or ask the network for each."""
    if arguments not in ([], ["--check"], ["--write"]):
        print("python -m tools.links [--check | --write]", file=sys.stderr)
        return 2
    if arguments == ["--write"]:
        LIST.write_text(listed(outside(), {link.url: link.purpose for link in known()}), encoding="utf-8")
    dead = []
    for link in known():
        if arguments == ["--check"]:
            status, word = answer(link.url)
            print(f"{word:14} {status:3} {link.url}", flush=True)
            dead += [link] if word.startswith("dead") else []
        else:
            print(
                f"{link.url}\n    {link.purpose or 'for what? docs/links.toml does not say'}: {', '.join(link.files)}"
            )
    for link in dead:
        print(f"dead: {link.url}, in {', '.join(link.files)}", file=sys.stderr)
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
