"""Fill the generated parts of README.md: python -m tools.readme [--check].

The scoreboard comes from benchmarks/results, the chapters from their sources, the picture from the stored home board.
What stands between `<!-- name -->` and `<!-- /name -->` is replaced; all else is written by hand.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from recsys_lab import charts
from recsys_lab.evaluation import Scoreboard

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PICTURE = ROOT / "docs" / "home_board.svg"
BOARDS = {
    "home": "ten products at the start of a visit",
    "next": "the next click inside a visit",
    "basket": "the product missing from a basket",
    "ab": "what a list of ten would sell, by the truth",
    "owned": "which of the products that they own they buy again",
    "clickstream": "the next click, on a real log (UCI 553)",
    "retail_any": "what a customer buys next, on a real log (UCI 352)",
    "retail_novel": "which new product a customer buys, on the same log",
    "retail_owned": "what a customer buys again, on the same log",
}


def scoreboard() -> str:
    """A table of the boards: chance, popularity, the best method so far, and the ceiling where it is known."""
    lines = [
        "| board | question | metric | random | popular | best so far | ceiling |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, question in BOARDS.items():
        board = Scoreboard.load(RESULTS / f"{name}.json")
        metric = next(iter(board.rows[0]["metrics"]))
        means = {row["method"]: board.metric(row["method"]).mean for row in board.rows}
        best = max((method for method in means if method != "truth"), key=means.__getitem__)
        shown = {method: f"{value:.1f}" if value >= 10 else f"{value:.3f}" for method, value in means.items()}
        ceiling = shown.get("truth", "unknown")
        cells = [name, question, metric, shown["random"], shown["popular"], f"{shown[best]} ({best})", ceiling]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def chapters() -> str:
    """The table of the chapters as notebooks/README.md has it, with links that hold from here."""
    page = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    table = [line for line in page.splitlines() if line.startswith("|")]
    return re.sub(r"\]\((?!https?:)", "](notebooks/", "\n".join(table))


def picture() -> str:
    """The home board as a vector picture, with the finding in words for those who do not see it."""
    import vl_convert

    board = Scoreboard.load(RESULTS / "home.json")
    times = board.metric("truth").mean / board.metric("repeat").mean
    title = f"The best possible home page would score {times:.1f} times as high as the best simple one"
    charts.enable()
    spec = board.chart(title=title).to_dict()
    PICTURE.write_text(vl_convert.vegalite_to_svg(spec), encoding="utf-8")
    return f"![{spec['description']}]({PICTURE.relative_to(ROOT).as_posix()})"


def filled(text: str, parts: dict[str, str]) -> str:
    """`text` with each named part replaced. Raises `ValueError` for a part that has no place."""
    for name, content in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"README.md has no place <!-- {name} --> … <!-- /{name} -->")
        text = pattern.sub(lambda match, new=content: f"{match.group(1)}{new}\n{match.group(2)}", text)
    return text


def main(check: bool) -> int:
    """Write README.md and its picture, or with `check` only say whether the tables are those of the results."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    parts = {"scoreboard": scoreboard(), "chapters": chapters()}
    if not check:
        parts["picture"] = picture()
    new = filled(text, parts)
    if check and new != text:
        print("README.md: the tables are not those of the results now: make readme", file=sys.stderr)
        return 1
    path.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
