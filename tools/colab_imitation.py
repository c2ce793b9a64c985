"""The nearest thing to Colab: run notebooks as a Colab user does, with Colab's own Python and package versions.

    python tools/colab_imitation.py [NOTEBOOK …]        all of notebooks/*.ipynb when none is named

It needs COLAB_PACKAGES, a file of Colab's package versions as pip constraints, and a Python 3.13. It makes an
environment with those of Colab's packages that the notebooks can meet, at Colab's versions; then, for each notebook, an
empty folder, the notebook alone in it, and a run from top to bottom. The notebook's first cell clones the repository
(this clone, not the public address) and installs what is missing. It fails when a cell does, when a version that Colab
ships was changed, when something came at another version than Colab's, or when pip complained.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What Colab ships and a notebook of the course may import, directly or not.
SHIPPED = [
    "altair",
    "ipykernel",
    "ipywidgets",
    "jupyter_client",
    "nbclient",
    "nbformat",
    "notebook",
    "numpy",
    "pandas",
    "pillow",
    "pooch",
    "pyarrow",
    "pydantic",
    "requests",
    "scikit-learn",
    "scipy",
    "smart_open",
    "tqdm",
    "typer",
    "wrapt",
    "anywidget",
    "matplotlib",
]
COMPLAINTS = re.compile(r"ERROR|incompatible|conflict|dependency resolver", re.IGNORECASE)

RUN = """
import json, sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}})
client.execute()
set_up = [cell for cell in notebook.cells if "colab" in cell.metadata.get("tags", [])]  # others may speak of errors
outputs = [out for cell in set_up for out in cell.outputs]
print(json.dumps([out.get("text", "") for out in outputs if out.output_type == "stream"]))
"""


class Unlike(Exception):
    """Something happened that a Colab user must not meet; the text says what."""


def main(names: list[str]) -> int:
    """Run the notebooks; 0 when all went as it should."""
    constraints = os.environ.get("COLAB_PACKAGES")
    if not constraints:
        print("COLAB_PACKAGES does not name a list of Colab's packages: the imitation is left out")
        return 0
    notebooks = [Path(name).resolve() for name in names] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    home = Path(tempfile.mkdtemp(prefix="colab-"))
    try:
        python = make_environment(home / "env", Path(constraints).resolve())
        for notebook in notebooks:
            start = time.monotonic()
            run(python, notebook, home / notebook.stem, Path(constraints))
            print(f"{notebook.name}: runs as on Colab ({time.monotonic() - start:.0f} s with its set-up)", flush=True)
    except Unlike as problem:
        print(f"not as on Colab: {problem}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 0


def make_environment(folder: Path, constraints: Path) -> Path:
    """A Python 3.13 with Colab's versions of what it ships; returns its interpreter."""
    subprocess.run([python313(), "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    call = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-c", str(constraints), *SHIPPED]
    subprocess.run(call, check=True)
    return python


def python313() -> str:
    """A Python 3.13, from the PATH or from pyenv. Raises `Unlike` where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in ("python3.13", *map(str, sorted(pyenv.glob("3.13*/bin/python")))):
        try:
            if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
                return candidate
        except FileNotFoundError:
            continue
    raise Unlike("there is no Python 3.13 here, which is Colab's")


def run(python: Path, notebook: Path, content: Path, constraints: Path) -> None:
    """One notebook, alone in an empty folder, from its first cell to its last."""
    content.mkdir()
    before = versions(python)
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {
        "COLAB_RELEASE_TAG": "imitation",
        "RECSYS_LAB_CLONE": ROOT.as_uri(),
        "RECSYS_LAB_CONTENT": str(content),
    }
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment['PATH']}"
    alone = shutil.copy(notebook, content / notebook.name)
    call = [str(python), "-c", RUN, str(alone), str(content)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment, cwd=content)
    if done.returncode:
        raise Unlike(f"{notebook.name} stopped:\n{done.stderr[-3000:]}")
    said = "\n".join(json.loads(done.stdout.strip().splitlines()[-1]))
    complaint = COMPLAINTS.search(said)
    if complaint:
        raise Unlike(f"{notebook.name}: an installation complained ({complaint.group(0)}):\n{said[:3000]}")
    compare(notebook.name, before, versions(python), constraints)
    check = subprocess.run([str(python), "-m", "pip", "check"], capture_output=True, text=True, check=False)
    if check.returncode:
        raise Unlike(f"{notebook.name}: pip check says: {check.stdout.strip()}")


def versions(python: Path) -> dict[str, str]:
    """Every installed package and its version."""
    code = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return {normal(name): version for name, version in json.loads(done.stdout).items()}


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def compare(name: str, before: dict[str, str], after: dict[str, str], constraints: Path) -> None:
    """Nothing that was there may have changed, and nothing that is new may differ from Colab's version of it."""
    lines = [line.split("#")[0].strip() for line in constraints.read_text(encoding="utf-8").splitlines()]
    listed = {normal(package): version for package, _, version in (line.partition("==") for line in lines) if version}
    changed = {package for package, version in before.items() if after.get(package) != version}
    fights = {
        package for package in after.keys() - before.keys() if listed.get(package, after[package]) != after[package]
    }
    if changed or fights:
        raise Unlike(f"{name}: changed {sorted(changed)}, at another version than Colab's {sorted(fights)}")
    print(f"{name}: installed {', '.join(sorted(after.keys() - before.keys())) or 'nothing'}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
