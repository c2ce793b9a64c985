"""The evening before: does every chapter run on this computer without a network, and is all at hand?"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import socket
import tempfile
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from recsys_lab import doctor
from recsys_lab.doctor import Finding, State
from recsys_lab.room import NOTEBOOKS, RoomError, find_chapters, free, offline, size
from recsys_lab.room.start import is_delivered, read, stated_seconds

NEEDED_DISK = 1_000_000_000
BESIDE_A_CHAPTER = 800_000_000  # JupyterLab, a browser, and the presenter's slides
SLOW = 2.0  # so many times the card's seconds are worth a word
HERE = "127.0.0.1"


@dataclass(frozen=True)
class Trial:
    """One notebook's run beside what its card says; `card` is in seconds, None where the card says nothing."""

    run: offline.Run
    solved: bool
    card: int | None
    delivered: bool = True

    def name(self) -> str:
        """How the table calls it."""
        return f"{self.run.name} (solved)" if self.solved else self.run.name


def checks() -> list[Finding]:
    """Everything but the runs themselves, in the order in which it should be mended."""
    packages = doctor.run()
    bad = [finding for finding in packages if finding.area == "packages" and finding.state != "ok" and finding.needed]
    count = sum(finding.area == "packages" and finding.state == "ok" for finding in packages)
    well = Finding("packages", "all needed", "ok", f"{count} as the course has them")
    rest = [finding for finding in packages if finding.area not in ("packages", "servers", "browser")]
    python, *others = rest
    return [
        python,
        *(bad or [well]),
        *others,
        *(check_hash() if not any(finding.state == "broken" for finding in others) else []),
        check_browser(),
        check_disk(NOTEBOOKS),
        check_disk(Path(tempfile.gettempdir())),
        check_memory(),
        check_port(8000, "the live shop", "stop what listens there, or: make shop ARGS=--port=8080"),
        check_port(
            8888, "JupyterLab", "nothing to do: JupyterLab takes the next free port and says which", needed=False
        ),
        *check_built(),
    ]


def check_hash() -> list[Finding]:
    """Whether the tables of the shop have the content that their manifest says."""
    folders = doctor.data_places()["simulated shop"]
    folder = next((place for place in folders if (place / "manifest.json").is_file()), None)
    mend = "python -m recsys_lab simulate --out data/shop, or take data/shop from the course anew"
    if folder is None:
        return [Finding("data", "content", "missing", "the shop has no manifest.json to compare with", mend)]
    try:
        import pandas as pd

        from recsys_lab.datasets.shop import frame_hash
    except ImportError as error:
        return [Finding("data", "content", "broken", f"cannot be compared: {error}", "mend the packages first")]
    content: dict[str, str] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["content"]
    other = [
        name for name, known in content.items() if frame_hash(pd.read_parquet(folder / f"{name}.parquet")) != known
    ]
    if other:
        return [Finding("data", "content", "broken", f"not what the manifest says: {', '.join(other)}", mend)]
    return [Finding("data", "content", "ok", f"{len(content)} tables as their manifest says")]


def check_browser() -> Finding:
    """A browser for JupyterLab and the shop's page: the one that this computer opens, or one on the PATH."""
    found = doctor.check_browser()
    if found.state == "ok":
        return replace(found, name="browser")
    try:
        webbrowser.get()
    except webbrowser.Error:
        mend = "install one; or open the address that is printed in a browser of another computer"
        return Finding("browser", "browser", "missing", "none was found", mend, needed=False)
    return Finding("browser", "browser", "ok", "this computer's own")


def check_disk(folder: Path) -> Finding:
    """Room on the disk where a folder lies."""
    left = free(folder)
    state: State = "ok" if left >= NEEDED_DISK else "broken"
    detail = f"{size(left)} free" + ("" if state == "ok" else f"; {size(NEEDED_DISK)} are needed")
    return Finding("disk", folder.name or str(folder), state, detail, "make room on this disk")


def check_memory() -> Finding:
    """Free memory against what the largest chapter took when it was built, with JupyterLab and a browser beside it."""
    needed = _largest() * 1_000_000 + BESIDE_A_CHAPTER
    if importlib.util.find_spec("psutil") is None:
        return Finding(
            "memory", "free", "missing", f"not known; {size(needed)} are needed", "pip install psutil", False
        )
    left: int = importlib.import_module("psutil").virtual_memory().available
    if left >= needed:
        return Finding("memory", "free", "ok", f"{size(left)} free; {size(needed)} are needed")
    mend = "close other programs; between two chapters: Kernel, Shut Down All Kernels"
    return Finding("memory", "free", "broken", f"{size(left)} free; {size(needed)} are needed", mend)


def check_port(port: int, whose: str, mend: str, needed: bool = True) -> Finding:
    """Whether a port of this computer is free; a live shop that answers on it is as good."""
    with socket.socket() as asked:
        asked.settimeout(1)
        if asked.connect_ex((HERE, port)) != 0:
            return Finding("ports", str(port), "ok", f"free, for {whose}", needed=needed)
    if shop_answers(port):
        return Finding("ports", str(port), "ok", "a live shop answers here")
    return Finding("ports", str(port), "broken", f"taken; {whose} wants it", mend, needed)


def shop_answers(port: int) -> bool:
    """Whether a live shop of this course answers on a port of this computer."""
    from http.client import HTTPConnection, HTTPException

    asked = HTTPConnection(HERE, port, timeout=2)
    try:
        asked.request("GET", "/health")
        told = json.loads(asked.getresponse().read())
    except (OSError, HTTPException, ValueError):
        return False  # something else listens there, or nothing
    finally:
        asked.close()
    return isinstance(told, dict) and "products" in told and "waiting" in told


def check_built() -> list[Finding]:
    """Whether the slides and the site are built: under build/, or beside the course on a stick."""
    findings = []
    for name, what in {"slides": "make slides", "site": "make site"}.items():
        places = (doctor.REPOSITORY / "build" / name, doctor.REPOSITORY.parent / name)
        pages = next((pages for place in places if (pages := sorted(place.rglob("*.html")))), [])
        detail = f"{len(pages)} pages in {pages[0].parent}" if pages else "not built"
        findings.append(Finding("built", name, "ok" if pages else "missing", detail, what, needed=False))
    return findings


def trials(
    chapters: Sequence[str] = (), solved: bool = False, notebooks: Path = NOTEBOOKS
) -> Iterator[Callable[[], Trial]]:
    """A run to come for each chapter, one after the other; with `solved`, its solved notebook as well."""
    found = find_chapters(chapters, notebooks)
    for path in found:
        for one, is_solved in ((path, False), *([(path.parent / "solutions" / path.name, True)] if solved else [])):
            if not one.is_file():
                where = one.relative_to(notebooks.parent).as_posix()
                mend = (
                    "take it from the course anew"
                    if is_solved
                    else f"python -m recsys_lab reset --chapter {path.name[:2]}"
                )
                raise RoomError(f"{where} is missing: {mend}")
            yield _trial(one, is_solved)


def _trial(path: Path, solved: bool) -> Callable[[], Trial]:
    def run() -> Trial:
        notebook = read(path.read_bytes())
        if notebook is None:
            return Trial(offline.Run(path.stem, 0, error="no notebook can be read from the file"), solved, None)
        return Trial(offline.run(path), solved, stated_seconds(notebook), solved or is_delivered(notebook))

    run.__name__ = f"{path.stem} (solved)" if solved else path.stem
    return run


def problems(findings: Sequence[Finding], done: Sequence[Trial]) -> list[str]:
    """One line for each thing that has to be mended before the course: what it is, and what to do."""
    lines = [
        f"{finding.area}, {finding.name}: {finding.detail}. To do: {finding.mend}"
        for finding in findings
        if finding.state != "ok" and finding.needed
    ]
    for trial in done:
        if trial.run.error:
            do = "open it and run it; python -m recsys_lab doctor says what is not well here"
            if not trial.solved:
                do += f"; python -m recsys_lab reset --chapter {trial.run.name[:2]} takes back what was changed in it"
            lines.append(f"{trial.name()}: {trial.run.error}. To do: {do}")
    return lines


def notes(findings: Sequence[Finding], done: Sequence[Trial]) -> list[str]:
    """What a presenter should know and need not mend."""
    lines = [
        f"{finding.area}, {finding.name}: {finding.detail} ({finding.mend})"
        for finding in findings
        if finding.state != "ok" and not finding.needed
    ]
    if limit := os.environ.get("NOTEBOOK_TEST_ROW_LIMIT"):
        lines.append(f"the seconds are those of a part of the data (NOTEBOOK_TEST_ROW_LIMIT={limit})")
    for trial in done:
        if not trial.delivered:
            lines.append(
                f"{trial.name()}: somebody has run it or written in it (python -m recsys_lab reset takes it back)"
            )
        if trial.card and not trial.run.error and trial.run.seconds > SLOW * trial.card:
            lines.append(f"{trial.name()}: {trial.run.seconds / trial.card:.1f} times as long as its card says")
    lines += [f"{trial.name()}: {_short(said)}" for trial in done for said in trial.run.skipped]
    return lines


def header() -> str:
    """The heading of the table of runs."""
    return f"{'chapter':<34}  {'runs':<4}  {'here':>6}  {'card':>6}  {'memory':>8}"


def line(trial: Trial) -> str:
    """A run as a line of the table; the error of one that failed stands under it."""
    run = trial.run
    card = f"{trial.card} s" if trial.card is not None else "-"
    memory = f"{run.memory_mb:,} MB" if run.memory_mb else "-"
    row = f"{trial.name():<34}  {'no' if run.error else 'yes':<4}  {run.seconds:>4.0f} s  {card:>6}  {memory:>8}"
    return f"{row}\n  {run.error}" if run.error else row


def as_json(findings: Sequence[Finding], done: Sequence[Trial]) -> dict[str, Any]:
    """All of it for a program."""
    runs = [{**asdict(trial.run), "solved": trial.solved, "card_seconds": trial.card} for trial in done]
    wrong = problems(findings, done)
    return {
        "ok": not wrong,
        "checks": [asdict(finding) for finding in findings],
        "chapters": runs,
        "problems": wrong,
        "notes": notes(findings, done),
    }


def _short(said: str) -> str:
    return said if len(said) <= 110 else f"{said[:109]}…"


def _largest() -> int:
    """The most memory, in MB, that a chapter took when it was built."""
    found = [read(path.read_bytes()) for path in NOTEBOOKS.glob("*.ipynb")]
    kept = [notebook.metadata.get("recsys_lab", {}).get("memory_mb", 0) for notebook in found if notebook is not None]
    return max(kept, default=1500) or 1500
