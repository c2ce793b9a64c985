"""The purchase log's rows beside the published protocol's numbers: python benchmarks/retail_rows.py

Every row is computed here, with its interval and its difference from the reference of its board: what the customer
bought most ("repeat") on any product, what sold most in 30 days ("recent") on novel ones.
Writes benchmarks/retail_rows.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from recsys_lab import baselines
from recsys_lab.datasets import DataUnavailable, load_retail
from recsys_lab.evaluation import evaluate
from recsys_lab.evaluation.boards import retail_boards
from recsys_lab.factors import BM25, Blend, Ease, Factors
from recsys_lab.factors.blend import SOURCES
from recsys_lab.recommender import Recommender

FILE = Path(__file__).parent / "retail_rows.json"


ROWS: dict[str, tuple[Callable[[], Recommender], tuple[float, float]]] = {
    "popular": (baselines.Popular, (0.081, 0.034)),
    "recent": (partial(baselines.Recent, days=30), (0.143, 0.080)),
    "repeat": (baselines.RepeatPurchase, (0.340, 0.034)),
    "item-knn bm25": (BM25, (0.313, 0.090)),
    "als": (partial(Factors, 100, base=0.0), (0.284, 0.093)),
    "als tuned": (SOURCES["als"], (0.316, 0.098)),
    "bpr": (partial(Factors, 100, model="bpr"), (0.205, 0.064)),
    "ease": (Ease, (0.306, 0.100)),
    "ease of counts": (partial(Ease, 50.0, log_counts=True), (0.306, 0.100)),
    "blend": (Blend, (0.388, 0.153)),
    "blend of all": (
        partial(Blend, {**SOURCES, "bpr": partial(Factors, 100, model="bpr"), "ease": Ease}),
        (0.388, 0.153),
    ),
}
"""row → how to make it, and the protocol's NDCG@10 on any and on novel products."""


def main(names: Sequence[str]) -> None:
    """Measure the rows that are named, or all; the file is written when all are measured."""
    try:
        boards = retail_boards(load_retail())
    except DataUnavailable as error:
        sys.exit(f"the purchase log cannot be had: {error}")
    table = []
    for board, reference, at in zip(boards, ("repeat", "recent"), (0, 1), strict=True):
        against = evaluate(ROWS[reference][0](), board)
        for name in names or ROWS:
            make, published = ROWS[name]
            result = evaluate(make(), board, name)
            ndcg, hits = (result.summary()[metric] for metric in ("NDCG@10", "HR@10"))
            row = {"board": board.name, "method": name, "NDCG@10": str(ndcg), "HR@10": round(hits.mean, 4)}
            row |= {"published": published[at], "minus published": round(ndcg.mean - published[at], 4)}
            row |= {f"minus {reference}": str(result.against(against, "NDCG@10"))}
            row |= {"fit seconds": round(result.fit_seconds, 1), "ms a list": round(result.ms_per_list, 2)}
            table.append(row)
            print(*(f"{key}: {value}" for key, value in row.items()), sep=" | ", flush=True)
    if not names:
        FILE.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
        print(pd.DataFrame(table).to_string())


if __name__ == "__main__":
    main(sys.argv[1:])
