"""Write BENCHMARKS.md from the stored files of the benchmarks: python -m benchmarks.report [--check]

Nothing is measured here, and no number is written by hand: each comes from a json file under benchmarks/. A file that
is not there yet is said to be missing. With --check, only say whether the page is the one that the files give.
"""

from __future__ import annotations

import sys

from benchmarks.report_costs import costs, numpy_range
from benchmarks.report_peers import THEIRS, holds, others_win, peers, published, superlinked, verdict
from benchmarks.report_text import ROOT, Files, bounds, link, span, table, times
from recsys_lab.evaluation import Scoreboard

PAGE = ROOT / "BENCHMARKS.md"
SIMPLE = (
    "random",
    "popular",
    "recent",
    "repeat",
    "most recent",
    "most frequent",
    "item-knn",
    "markov",
    "item-knn bm25",
)
"""Rows that need no more than counting."""


def main_of(board: Scoreboard) -> str:
    """The name of a board's main metric."""
    return next(iter(board.rows[0]["metrics"]))


def means(board: Scoreboard) -> dict[str, float]:
    """Method → mean of the main metric, without the ceiling."""
    return {row["method"]: board.metric(row["method"]).mean for row in board.rows if row["method"] != "truth"}


# ---- the claims


def claims(files: Files) -> list[str]:
    """The project's claims on one screen: each with its evidence and the command that makes it again."""
    rows: list[tuple[str, str, str]] = []
    boards = files.boards()
    for name, board in boards.items():
        for row in board.rows:
            if row["method"] == "ranker" and "against_best" in row:
                one = row["against_best"]
                gain = f"{span(one[main_of(board)], sign=True)} {main_of(board)} against {one['method']}"
                rows.append((f"One ranker over many sources beats the best of them ({name})", gain, "make scoreboards"))
    published_rows = files.json("retail_rows")
    if published_rows is not None:
        held = [one for one in published_rows if holds(one)]
        told = f"{len(held)} of {len(published_rows)} rows have the published number in their interval"
        rows.append(("A published protocol comes out as published", told, "python benchmarks/retail_rows.py"))
    report = files.json("peers/results")
    if report is not None:
        said = [
            verdict(row["minus ours"][row["like"]][part["metric"]])
            for part in report["boards"].values()
            for row in part["rivals"].values()
        ]
        told = f"of {len(said)} comparisons ours is better in {said.count('ours')}, level in {said.count('level')},"
        told += f" worse in {said.count(THEIRS)}"
        rows.append(("Ours stand beside public frameworks, tuned alike", told, "python -m benchmarks.peers"))
    return [*table(("claim", "evidence", "again"), [[*row[:2], f"`{row[2]}`"] for row in [*rows, *fast(files)]]), ""]


def fast(files: Files) -> list[tuple[str, str, str]]:
    """The claims of speed."""
    rows: list[tuple[str, str, str]] = []
    spaces, live, shop, stores = (files.json(f"{name}/results") for name in ("spaces", "realtime", "shop", "stores"))
    if spaces is not None:
        last = spaces["sizes"][-1]
        told = f"{times(last['question_to_bare'])} at {last['products']:,} products"
        rows.append(("A question of the index costs one product of its matrix", told, "python -m benchmarks.spaces"))
    if spaces is not None and spaces.get("peer"):
        slower = [row["times_slower_question"] for row in spaces["peer"]]
        told = f"same top ten in {spaces['peer'][-1]['same_top_10']}; its question takes {times(min(slower))} to"
        told += f" {times(max(slower))} ours"
        rows.append(("It answers as superlinked does, and sooner", told, "python -m benchmarks.spaces"))
    if live is not None and "sqlite" in live:
        one = live["sqlite"]
        median, p99 = (times(one[f"event_to_list_to_append_{what}"]) for what in ("median", "p99"))
        told = f"{median} a durable append, p99 {p99}"
        rows.append(("From a click to a fresh list in a few appends", told, "python -m benchmarks.realtime"))
    if shop is not None:
        told = f"{shop['/for-you']['throughput']:.0%} of the requests that its empty endpoint serves"
        rows.append(("The live shop serves lists, not overhead", told, "python -m benchmarks.shop"))
    if stores is not None:
        ratio = times(stores["training"]["to_implicit"])
        rows.append(
            ("Weights and labels cost training nothing", f"ALS {ratio} bare implicit", "python -m benchmarks.stores")
        )
    return rows


# ---- quality


def quality(files: Files) -> list[str]:
    """Each board's best row beside the best that only counts, and the way from chance to the ceiling."""
    lines = ["## Quality: our methods among themselves", ""]
    rows = []
    for name, board in files.boards().items():
        mean = means(board)
        best = max(mean, key=mean.__getitem__)
        simple = max((one for one in SIMPLE if one in mean), key=mean.__getitem__)
        way, ceiling = "unknown", "unknown"
        if any(row["method"] == "truth" for row in board.rows):
            top = board.metric("truth")
            ceiling = span(top)
            way = f"{(mean[best] - mean['random']) / (top.mean - mean['random']):.0%}"
        there = [f"{best} {span(board.metric(best))}", f"{simple} {span(board.metric(simple))}"]
        rows.append([name, main_of(board), *there, f"{mean['random']:.3g}", ceiling, way])
    lines += table(("board", "metric", "best", "best by counting alone", "chance", "ceiling", "way there"), rows)
    lines += [
        "",
        "*Ceiling*: a recommender that knows the truth of the simulated shop; *way there*: how much of the distance"
        f" from chance to it. Every row with its cost: {link('results')}. Again: `make scoreboards`.",
        "",
    ]
    return lines


# ---- what does not go our way


LOSSES = (
    ("home", "event-weighted", "repeat", "Weighted events do not beat the list of what somebody bought before"),
    ("home", "als", "repeat", "ALS with default weights falls behind the same list"),
    ("home", "item-knn", "popular", "At the door of a visit neighbours of clicked products fall behind best-sellers"),
    ("next", "item2vec", "stan", "Vectors of products do not beat counting inside a visit"),
    ("clickstream", "item2vec", "markov", "On real clicks they do not either"),
    ("clickstream", "stan", "markov", "Nor does the best of the neighbours of visits"),
    ("next", "s-knn", "markov", "Neighbouring visits fall behind the last click"),
    (
        "clickstream",
        "item2vec wide",
        "item-knn",
        "item2vec as its paper has it (all pairs of a visit) falls far behind",
    ),
    ("basket", "als tuned", "item-knn", "For what is missing from a basket, factors fall behind neighbours"),
    (
        "owned",
        "most recent",
        "popular",
        "What was bought last is no better guess of what is bought again than best-sellers",
    ),
)
"""board, the cleverer row, the simpler one that it does not beat, and what it means. Kept only while it is so."""


def own_losses(files: Files) -> list[str]:
    """Where a cleverer method of ours does not beat a simpler one."""
    lines = ["## Where our own methods lose", ""]
    boards = files.boards()
    rows = []
    for name, clever, simple, told in LOSSES:
        board = boards[name]
        ours, other = board.metric(clever), board.metric(simple)
        if ours.mean < other.mean:
            apart = "overlap" if ours.high >= other.low else "apart"
            rows.append([told, name, f"{clever} {span(ours)}", f"{simple} {span(other)}", apart])
    lines += [*table(("what", "board", "the cleverer", "the simpler", "intervals"), rows), ""]
    beaten = [row for row in files.json("retail_rows") or [] if bounds(row.get("minus repeat", "0 [0, 0]")).high < 0]
    single = [f"{row['method']} {row['minus repeat']}" for row in beaten if row["method"] not in ("popular", "recent")]
    if single:
        lines.append(
            "- On the purchase log no single model reaches *repeat*, what a customer bought most; NDCG@10 minus its,"
            f" case by case: {'; '.join(single)}. The blend does."
        )
    bandit = files.json("bandit_trials")
    if bandit is not None:
        dear = bandit["more regret than LinUCB"]["LinUCB, logged ε .1"]
        lines.append(
            f"- Exploring with a known share of chance, which makes logs worth reading later, costs a bandit"
            f" {span(dict(zip(('mean', 'low', 'high'), dear, strict=True)))} more regret than LinUCB alone in"
            f" {bandit['visits']:,} visits."
        )
    stores = files.json("stores/results")
    if stores is not None:
        best = min((row for row in stores["stores"] if row["store"] != "memory"), key=lambda row: row["to_numpy"])
        lines.append(
            f"- No database answers as fast as plain numpy: the nearest is {best['store']} with"
            f" {times(best['to_numpy'])} its time ({best['material']}, filter {best['filter']}); our own store in"
            f" memory takes {numpy_range(stores, 'memory')}."
        )
    return [*lines, *OUTSIDE, ""]


OUTSIDE = (
    "- Two more are measured where they are taught, in chapter 09, and have no file of their own: Spark is slower than"
    " one process on one machine, and Word2Vec with hierarchical softmax does better than our negative sampling when"
    " both are asked by cosine.",
)


# ---- the page


def machines(files: Files) -> list[str]:
    """Where each file was measured."""
    rows = []
    for name in ("spaces", "stores", "realtime", "shop", "scale", "peers"):
        held = files.json(f"{name}/results")
        if held is None:
            continue
        one = held.get("sqlite", held)
        versions = ", ".join(f"{package} {number}" for package, number in one["versions"].items())
        rows.append([f"`python -m benchmarks.{name}`", link(f"{name}/results.json"), one["machine"], versions])
    for command, name in (
        ("python -m benchmarks.bandit_trials", "bandit_trials"),
        ("python benchmarks/retail_rows.py", "retail_rows"),
    ):
        if files.json(name) is not None:
            rows.append([f"`{command}`", link(f"{name}.json"), "", ""])
    rows.append(["`make scoreboards`", link("results"), "", ""])
    told = (
        "`make bench` runs the costs and writes this page; `python -m benchmarks.report` writes the page alone. Redis"
        " is measured where REDIS_SERVER names a redis-server, superlinked where SUPERLINKED_PYTHON, RecTools and"
        " LensKit where PEERS_PYTHON name a Python that has them; the real logs come from the UCI, or from the folder"
        " that RECSYS_LAB_DATA names."
    )
    return ["## Run it again", "", *table(("command", "file", "machine", "versions"), rows), "", told, ""]


INTRO = """# Benchmarks

What the project claims of quality and speed, with its evidence, and how to run it again. `python -m benchmarks.report`
makes this page from the stored files; a test compares the two.

Numbers in brackets are 95 % intervals (bootstrap over shoppers or sessions). Differences are case by case, on the same
questions. Speed is a ratio to something that ran in the same run, since seconds say more about the machine than about
the code: 2× took twice as long.
"""


def page(files: Files | None = None) -> str:
    """The whole page."""
    files = files or Files()
    parts = [
        claims(files),
        quality(files),
        ["## Beside other people's code", ""],
        peers(files),
        superlinked(files),
        published(files),
    ]
    parts += [others_win(files), own_losses(files), costs(files), machines(files)]
    return INTRO + "\n" + "\n".join(line for part in parts for line in part).rstrip() + "\n"


def main(check: bool) -> int:
    """Write the page, or with `check` say whether it is the one that the files give."""
    made = page()
    if not check:
        PAGE.write_text(made, encoding="utf-8")
        print(f"wrote {PAGE.name}")
        return 0
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
        print(f"{PAGE.name} is not what the stored files give: python -m benchmarks.report", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
