"""The part of BENCHMARKS.md about cost: time, memory and growth, beside what they cannot be cheaper than."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.report_text import Files, Row, link, missing, table, times

ENOUGH = 0.95
"""The recall that a setting of an index has to reach to be named by its time."""
WIDE = 1.0
"""An exponent whose interval is wider than this tells nothing, and is left out."""


def numpy_range(stores: Row, name: str) -> str:
    """From the least to the most of a store's ratios to numpy."""
    ratios = [row["to_numpy"] for row in stores["stores"] if row["store"] == name]
    return f"{times(min(ratios))} to {times(max(ratios))}"


def costs(files: Files) -> list[str]:
    """What each part costs beside what it cannot be cheaper than."""
    rows: list[Sequence[str]] = []
    spaces, live, shop = (files.json(f"{name}/results") for name in ("spaces", "realtime", "shop"))
    stores = files.json("stores/results")
    if spaces is not None:
        for size in spaces["sizes"]:
            what = f"a question of the index, {size['products']:,} products"
            rows.append([what, "one bare numpy product", times(size["question_to_bare"]), "spaces"])
        texts = spaces["texts"]
        rows.append(["filling an index with texts", "the encoder alone", times(texts["ingest_to_encoder"]), "spaces"])
        rows.append(
            ["the same again, from the cache", "the encoder alone", times(texts["second_start_to_encoder"]), "spaces"]
        )
    for place in ("sqlite", "redis"):
        if live is not None and place in live:
            one = live[place]
            ratio = f"{times(one['event_to_list_to_append_median'])}, p99 {times(one['event_to_list_to_append_p99'])}"
            rows.append([f"event to fresh top ten, {place}", "a durable append of the event", ratio, "realtime"])
    if live is not None and "memory" in live:
        memory = live["memory"]
        bounded = f"{times(memory['bounded_to_all'])}"
        rows.append(
            [f"state of {memory['shoppers']:,} shoppers, a tenth alive", "all of them kept", bounded, "realtime"]
        )
    if shop is not None:
        for path in ("/for-you", "/similar", "mix"):
            one = shop[path]
            ratio = f"{one['throughput']:.2f} of its throughput, p99 {times(one['p99'])}"
            rows.append([f"the live shop: {path}", "its own empty endpoint", ratio, "shop"])
    if stores is not None:
        ratio = times(stores["training"]["to_implicit"])
        rows.append(["training ALS, weights and all", "bare implicit on the same events", ratio, "stores"])
        for name in dict.fromkeys(row["store"] for row in stores["stores"]):
            rows.append([f"the ten nearest: {name}", "plain numpy", numpy_range(stores, name), "stores"])
    cells = [[what, beside, ratio, link(f"{where}/results.json")] for what, beside, ratio, where in rows]
    lines = [
        "## Cost: beside what it cannot be cheaper than",
        "",
        *table(("what", "beside", "ratio", "file"), cells),
        "",
    ]
    return [*lines, *trap(stores), *scale(files)]


def trap(stores: Row | None) -> list[str]:
    """The filter that makes an index forget."""
    if stores is None:
        return missing("the databases", "python -m benchmarks.stores")
    few = [row for row in stores["pgvector"] if row["filter"] == "few"]
    ways = {}
    for row in few:
        ways.setdefault(row["store"], []).append(row["recall"])
    cells = [[way, ", ".join(f"{share:.3f}" for share in found)] for way, found in ways.items()]
    materials = "; ".join(dict.fromkeys(row["material"] for row in few))
    return [
        "**A finding, and nobody's win.** pgvector with an HNSW index, a filter that one in twenty passes, and the"
        " planner's own choice: most of the ten nearest are missing, without an error. Share found, on"
        f" {materials}:",
        "",
        *table(("way", "share of the ten"), cells),
        "",
    ]


def scale(files: Files) -> list[str]:
    """What grows with a shop, and what approximate search gives back."""
    report = files.json("scale/results")
    if report is None or not report.get("growth"):
        return missing("growth with the size of a shop", "python -m benchmarks.scale")
    rows = []
    for what, one in report["growth"].items():
        ends = one.get("interval")
        if not ends or ends[1] - ends[0] > WIDE:  # of two sizes there is none: no exponent that could be wrong
            continue
        grown = times(one["values"][-1] / one["values"][0])
        between = f"{one['sizes'][0]:,} to {one['sizes'][-1]:,}"
        rows.append([what, between, grown, f"{one['exponent']:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]"])
    head = ("what", "products", "grows", "exponent")
    lines = ["### Growth with the shop", ""]
    lines += (
        [
            *table(head, rows),
            "",
            "An exponent of 1 grows as the shop does; those whose interval is wider than 1 are left out.",
            "",
        ]
        if rows
        else []
    )
    lines += approximate([one for one in report.get("approximate", []) if one.get("recall") is not None])
    quiet = "a quiet machine" if report.get("quiet") else "a machine on which others worked, so the times are rough"
    return [*lines, f"On {quiet}. {link('scale/results.json')}; again: `python -m benchmarks.scale`.", ""]


def approximate(found: list[Row]) -> list[str]:
    """Each index at the largest size, with the fastest of its settings that finds enough, or what finds most."""
    if not found:
        return []
    kinds: dict[int, set[str]] = {}
    for one in found:
        kinds.setdefault(one["n"], set()).add(one["index"])
    most = max(n for n in kinds if len(kinds[n]) == max(len(every) for every in kinds.values()))
    there = [one for one in found if one["n"] == most]
    exact = next((one for one in there if one["index"] == "exact float32"), None)
    if exact is None:
        return []
    cells = []
    for share in sorted({one["filter"] for one in there}, reverse=True):
        for index in dict.fromkeys(one["index"] for one in there if one["filter"] == share):
            tried = [one for one in there if one["index"] == index and one["filter"] == share]
            good = [one for one in tried if one["recall"] >= ENOUGH]
            one = min(good, key=lambda row: row["p50_ms"]) if good else max(tried, key=lambda row: row["recall"])
            low, high = one["recall_interval"]
            recall = f"{one['recall']:.3f} [{low:.3f}, {high:.3f}]"
            ratios = [times(one["to_exact"]), times(one["MB"] / exact["MB"])]
            cells.append([f"{share:.1%}", index, one["parameters"], recall, *ratios])
    head = ("pass the filter", "index", "setting", "recall@10", "time to exact", "memory to exact")
    told = f"The fastest setting tried that finds {ENOUGH:.0%} of the ten nearest, or what finds most"
    return [f"{told}, at {most:,} products:", "", *table(head, cells), ""]
