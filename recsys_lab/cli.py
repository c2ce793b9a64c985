"""`python -m recsys_lab`: the scoreboard, the health check, and the simulator."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


class BoardName(enum.StrEnum):
    """The boards of the simulated shop."""

    home = "home"
    next = "next"
    basket = "basket"
    ab = "ab"


class LogName(enum.StrEnum):
    """The logs that the course measures on."""

    shop = "shop"
    clickstream = "clickstream"
    retail = "retail"


@app.callback()
def _about() -> None:
    """recsys-lab: a hands-on course on e-commerce recommenders."""


@app.command()
def scoreboard(
    board: Annotated[BoardName | None, typer.Option(help="One board of the shop; all of them when left out.")] = None,
    log: Annotated[LogName, typer.Option(help="The simulated shop, or a real log.")] = LogName.shop,
    sessions: Annotated[
        Path | None, typer.Option(help="JSON file: a list of sessions, each a list of product ids.")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="JSON file: a list of [prefix, target] pairs.")] = None,
    methods: Annotated[str | None, typer.Option(help="Only these rows, separated by commas.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure every method on the boards of the shop, of a real log, or of your own sessions."""
    from recsys_lab import measure

    wanted = None if methods is None else [name.strip() for name in methods.split(",") if name.strip()]
    with _one_line_errors():
        measure.check_methods(wanted)
        if (sessions is None) != (test is None):
            raise typer.BadParameter("--sessions and --test go together: give both files or neither")
        if sessions is not None and test is not None:
            if board is not None or log is not LogName.shop:
                raise typer.BadParameter("--sessions has a board of its own: leave --board and --log out")
            boards = measure.of_sessions(sessions, test)
        else:
            if board is not None and log is not LogName.shop:
                raise typer.BadParameter(f"--board is for the shop; {log.value} has its own: leave --board out")
            boards = measure.of_log(log.value, None if board is None else board.value)
        measured = []
        for scores in measure.run(boards, wanted, tell=lambda line: print(line, file=sys.stderr, flush=True)):
            measured.append(json.loads(scores.to_json()))
            if not as_json:
                print(measure.as_text(scores), end="\n\n", flush=True)
        if not measured:
            raise typer.BadParameter(f"--methods: no board asked for has a row {', '.join(wanted or ())}")
        if as_json:
            print(json.dumps(measured, indent=2))


@app.command()
def doctor() -> None:
    """Say what works here, what does not, and the line that mends it."""
    from recsys_lab import doctor as health

    findings = health.run()
    print(health.report(findings))
    if not health.healthy(findings):
        raise typer.Exit(1)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("data/shop"),
    seed: Annotated[int | None, typer.Option(help="Another shop; the course's own when left out.")] = None,
) -> None:
    """Make the simulated shop again: products, shoppers, ninety days of events, and their truth."""
    from recsys_lab.simulate import SEED, write

    with _one_line_errors():
        manifest: Mapping[str, Any] = write(out, SEED if seed is None else seed)
        rows = ", ".join(f"{count:,} {name}" for name, count in manifest["rows"].items())
        print(f"wrote {out}: {rows}")


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Errors that a user can mend are one line, without a traceback; mistakes of ours keep theirs."""
    from recsys_lab.datasets import DataError, DataUnavailable
    from recsys_lab.evaluation import JudgementError, LeakageError

    try:
        yield
    except (DataError, DataUnavailable, JudgementError, LeakageError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def main() -> None:
    """The entry point of the command line."""
    app(prog_name="python -m recsys_lab")
