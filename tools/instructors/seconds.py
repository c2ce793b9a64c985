"""Measure how the time of a chapter's run is shared out over its parts, in a run of the solved chapter."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from nbclient import NotebookClient

from tools.chapters.build import ONE_THREAD, TIMEOUT
from tools.chapters.project import Project
from tools.chapters.render import Facts, render
from tools.chapters.source import Chapter, load
from tools.instructors.parts import SECONDS, split, titles_by_cell


def measure(project: Project, numbers: Sequence[str]) -> None:
    """Run the chapters (all without `numbers`) and keep the share of each part. Nothing else is written."""
    chapters = load(project)
    kept = json.loads(SECONDS.read_text(encoding="utf-8")) if SECONDS.is_file() else {}
    for chapter in chapters:
        if not numbers or chapter.name[:2] in numbers:
            kept[chapter.name] = shares(project, chapter, chapters)
            SECONDS.write_text(
                json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
            )
            print(f"ran {chapter.name}", flush=True)


def shares(project: Project, chapter: Chapter, chapters: Sequence[Chapter]) -> dict[str, float]:
    """The share of each part in the seconds that the cells of a run took, by the part's title."""
    notebook = render(project, chapter, chapters, Facts("measured"), solved=True)
    with tempfile.TemporaryDirectory() as home:
        paths = [str(project.root), *filter(None, [os.environ.get("PYTHONPATH")])]
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT,
            kernel_name="python3",
            record_timing=True,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(project.root / "notebooks")}},
        )
        client.execute(env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "IPYTHONDIR": home, **ONE_THREAD})
    under = titles_by_cell(notebook)
    seconds = {part.title: 0.0 for part in split(chapter)}
    for cell in notebook.cells:
        title = under[cell.id]
        if cell.cell_type == "code" and title in seconds:  # the cell for Colab stands above the first heading
            seconds[title] += _took(cell)
    total = sum(seconds.values())
    return {title: round(took / total, 3) for title, took in seconds.items()}


def _took(cell: Any) -> float:
    timing = cell.metadata["execution"]
    start, end = (
        datetime.fromisoformat(timing[key].replace("Z", "+00:00")) for key in ("iopub.status.busy", "iopub.status.idle")
    )
    return (end - start).total_seconds()
