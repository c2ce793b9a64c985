"""Which chapter pays on a shop: the best row of each, against the best-sellers and against the chapters before it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from recsys_lab.evaluation import Scoreboard
from recsys_lab.evaluation.scoreboard import REFERENCE

CHAPTER_OF: Mapping[str, str] = {
    name: chapter
    for chapter, names in {
        "00": ("random", "popular", "recent", "repeat", "most recent", "most frequent"),
        "01": ("cold start",),
        "02": ("event-weighted", "event-weighted tastes"),
        "03": (
            "item-knn", "item-knn bought", "ar", "sr", "sr decayed", "markov", "s-knn", "v-sknn", "stan", "item2vec",
            "item2vec like", "with behaviour",
        ),
        "04": ("cluster",),
        "05": ("als", "als tuned", "bpr", "for you", "they bought", "also bought", "buy again"),
        "07": ("ranker logistic", "ranker"),
    }.items()
    for name in names
}  # fmt: skip
"""method → the chapter that builds it."""


def pays(scores: Scoreboard) -> pd.DataFrame:
    """For each chapter that has a row here its best one, the highest first; of the main metric, case by case.

    Columns: chapter, method, mean; `more`, `more low`, `more high`: the row minus *popular*; `adds`, `adds low`, `adds
    high`: the row minus the best row of the chapters before it (NaN for the first), all with 95 % intervals. The best
    of several rows is chosen on the cases that it is measured on, so it is flattered a little.
    Raises `ValueError` for a board without the row *popular*, or whose rows were not measured together.
    """
    results = scores._results  # read here alone: the cases of each row, which the stored rows do not have
    if REFERENCE not in results:
        raise ValueError(f"board {scores.name}: there is no row {REFERENCE!r} measured with the others; measure it too")
    main = next(iter(results[REFERENCE].cases))
    found: dict[str, tuple[float, str]] = {}
    for method in results:
        chapter, mean = CHAPTER_OF.get(method), scores.metric(method, main).mean
        if chapter is not None and (chapter not in found or mean > found[chapter][0]):
            found[chapter] = (mean, method)
    rows, leader = [], None
    for chapter, (mean, method) in sorted(found.items()):
        row = {"chapter": chapter, "method": method, "mean": mean}
        for name, other in (("more", REFERENCE), ("adds", leader)):
            span = None if other is None or other == method else results[method].against(results[other], main)
            row |= {name: float("nan") if span is None else span.mean}
            row |= {f"{name} {end}": float("nan") if span is None else getattr(span, end) for end in ("low", "high")}
        rows.append(row)
        leader = method if leader is None or mean > found[CHAPTER_OF[leader]][0] else leader
    return pd.DataFrame(rows).sort_values(["mean", "chapter"], ascending=[False, True], ignore_index=True)
