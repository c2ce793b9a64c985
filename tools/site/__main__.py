"""Build the course's site: python -m tools.site [--out build/site]

Sources are gathered into a folder beside it (build/site_sources), where Sphinx also keeps what it has read: the second
time only pages that have changed are made. A warning is an error. Nothing is fetched, and no notebook is run.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import time
from importlib.metadata import version
from pathlib import Path

from tools.site.gather import SiteError, gather
from tools.site.links import ROOT


def build(out: Path) -> int:
    """Gather the sources and run Sphinx on them; Sphinx's exit code."""
    from sphinx.cmd.build import main as sphinx

    began = time.perf_counter()
    work = out.parent / f"{out.name}_sources"
    pages = gather(ROOT, work / "pages")
    _forget_if_made_otherwise(work)
    gathered = time.perf_counter() - began
    arguments = ["-q", "-W", "--keep-going", "-b", "html", "-c", str(ROOT / "site"), "-d", str(work / "doctrees")]
    code = sphinx([*arguments, str(work / "pages"), str(out)])
    took = time.perf_counter() - began
    print(f"{out}: {len(pages)} pages in {took:.0f} s ({gathered:.0f} s of it to gather them)")
    return int(code)


def _forget_if_made_otherwise(work: Path) -> None:
    """Remove what Sphinx has kept when it was made by other code or settings: it would not notice by itself."""
    packages = ("sphinx", "myst-nb", "myst-parser", "docutils", "pydata-sphinx-theme")
    digest = hashlib.sha256(" ".join(version(name) for name in packages).encode())
    for path in [*sorted(Path(__file__).parent.glob("*.py")), ROOT / "site" / "conf.py"]:
        digest.update(path.read_bytes())
    note = work / "made_by"
    if not note.exists() or note.read_text(encoding="utf-8") != digest.hexdigest():
        shutil.rmtree(work / "doctrees", ignore_errors=True)
        note.write_text(digest.hexdigest(), encoding="utf-8")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="the folder of the site")
    try:
        return build(parser.parse_args().out.resolve())
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
