"""The part of BENCHMARKS.md about other people's code and numbers: who is better, by how much, and who is faster."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.report_text import Files, Row, bounds, link, missing, span, table, times

COUNTED = ("popular", "recent")
"""Rows that whatever is worth asking beats."""
FASTER = 0.7
"""A ratio of times below which a rival is called faster: less is noise where others work."""


def published(files: Files) -> list[str]:
    """The purchase log's rows beside the published numbers of its protocol."""
    rows = files.json("retail_rows")
    if rows is None:
        return missing("the purchase log beside published numbers", "python benchmarks/retail_rows.py")
    by_board: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_board.setdefault(row["board"], {})[row["method"]] = row
    names = list(by_board)
    lines = []
    for method in by_board[names[0]]:
        cells = [method]
        for name in names:
            row = by_board[name].get(method)
            cells += (
                ["", ""] if row is None else [row["NDCG@10"], f"{row['published']:.3f} ({row['minus published']:+.3f})"]
            )
        lines.append(cells)
    head = ["method", *(cell for name in names for cell in (f"{name}: ours", "published (ours minus it)"))]
    told = (
        "NDCG@10 on UCI 352 by the same protocol. A published number above our interval is named under *Where others"
        " win*. Again: `python benchmarks/retail_rows.py`."
    )
    return ["### The purchase log beside published numbers", "", *table(head, lines), "", told, ""]


def holds(row: Row) -> bool:
    """Whether a published number lies in the interval of ours."""
    ours = bounds(row["NDCG@10"])
    return bool(ours.low <= row["published"] <= ours.high)


THEIRS = "**theirs**"


def verdict(difference: Mapping[str, float]) -> str:
    """Who is better, of theirs minus ours."""
    if difference["low"] > 0:
        return THEIRS
    return "ours" if difference["high"] < 0 else "level"


def peers(files: Files) -> list[str]:
    """Public frameworks on the same questions."""
    report = files.json("peers/results")
    if report is None:
        return missing("public frameworks", "python -m benchmarks.peers")
    rows = []
    for board, held in report["boards"].items():
        metric = held["metric"]
        best = best_of_ours(held)
        for name, row in held["rivals"].items():
            like = row["minus ours"][row["like"]][metric]
            top = row["minus ours"][best][metric]
            cost = row["cost"]
            rows.append([
                board, name, span(row["quality"][metric]), f"{row['like']}: {span(like, sign=True)}", verdict(like),
                f"{best}: {verdict(top)}", times(cost["fit_to_ours"]), times(cost["list_to_ours"]), memory(cost),
            ])  # fmt: skip
    versions: dict[str, str] = {}
    for held in report["boards"].values():
        for row in held["rivals"].values():
            versions |= row["versions"]
    loads = [row["load"] for held in report["boards"].values() for row in held["rivals"].values()]
    head = (
        "board",
        "theirs",
        "quality",
        "minus ours of its kind",
        "better",
        "beside our best",
        "fit",
        "list",
        "memory",
    )
    parts = [f"{ours} by {theirs}" for ours, theirs in report["the library is part of ours"].items()]
    return [
        "### Public frameworks on the same questions",
        "",
        *table(head, rows),
        "",
        f"{', '.join(f'{name} {one}' for name, one in versions.items())}; {report['machine']}. Theirs were tuned on the"
        " days before the test by a small grid, ours on such days for the boards; all lists are judged by the course's"
        " evaluation. *Fit*, *list* and *memory* are theirs to those of ours of that kind, measured next to each other"
        f" (under a load of {min(loads):.0f} to {max(loads):.0f}: where that is above the number of cores, orders of"
        " size and no more). Ours answer equal questions once. Memory is what a process held at its most beyond the"
        " data it had read. *Our best* is of our rows in this run; the rankers were not in it: see the boards."
        " The grids are small: SASRec was still gaining with rounds, and LensKit's regularization was left as it comes."
        f" Grids and chosen settings: {link('peers/results.json')}; again:"
        " `PEERS_PYTHON=… python -m benchmarks.peers`.",
        "",
        f"Where a library trains our method it is no rival: {'; '.join(parts)}. Not measured:"
        f" {'; '.join(f'{name} ({why})' for name, why in report.get('left out', {}).items()) or 'none'}.",
        "",
    ]


def memory(cost: Row) -> str:
    """Megabytes beyond the data, theirs to ours; a dash where they were not measured, or too few to divide by."""
    if cost.get("MB_ours", 0.0) < 1.0:
        return "–"
    return times(cost["MB_over_data"] / cost["MB_ours"])


def best_of_ours(held: Row) -> str:
    """The best of our rows that were measured beside the rivals of a board."""
    return str(max(held["ours"], key=lambda method: held["ours"][method][held["metric"]]["mean"]))


def superlinked(files: Files) -> list[str]:
    """The index beside superlinked."""
    rows = (files.json("spaces/results") or {}).get("peer", [])
    if not rows:
        return missing("the index beside superlinked", "SUPERLINKED_PYTHON=… python -m benchmarks.spaces")
    cells = [
        [
            f"{row['products']:,}", row["same_top_10"], times(row["times_slower_question"]),
            times(row["times_slower_event"]), times(row["times_slower_ingest"]),
        ]
        for row in rows
    ]  # fmt: skip
    head = ("products", "same top ten", "their question to ours", "their event", "their ingest")
    return [
        f"### The index beside superlinked {rows[0]['superlinked']}",
        "",
        *table(head, cells),
        "",
        "Same vectors, weights and questions, both in memory; superlinked loses on speed and on nothing else that is"
        f" measured here: the answers are the same. {link('spaces/results.json')};"
        " again: `SUPERLINKED_PYTHON=… python -m benchmarks.spaces`.",
        "",
    ]


def others_win(files: Files) -> list[str]:
    """Rows of other people's that are better than ours."""
    found = []
    report = files.json("peers/results") or {"boards": {}}
    for board, held in report["boards"].items():
        for name, row in held["rivals"].items():
            pairs = {ours: one[held["metric"]] for ours, one in row["minus ours"].items() if ours not in COUNTED}
            won = [f"our {ours} by {span(one)}" for ours, one in pairs.items() if one["low"] > 0]
            if won:
                found.append(f"- {board}: {name} beats {', '.join(won)} ({held['metric']}).")
    for row in files.json("retail_rows") or []:
        ours = bounds(row["NDCG@10"])
        if row["published"] > ours.high:
            found.append(
                f"- {row['board']}: the published {row['method']} reaches {row['published']:.3f} NDCG@10, ours"
                f" {row['NDCG@10']}."
            )
    for board, held in report["boards"].items():
        for name, row in held["rivals"].items():
            if row["cost"]["fit_to_ours"] < FASTER:
                found.append(
                    f"- {board}: {name} fits in {times(row['cost']['fit_to_ours'])} the time of our {row['like']}."
                )
    return ["## Where others win", "", *(found or ["Nowhere that was measured, which says little: see what was."]), ""]
