"""`python -m recsys_lab`: the scoreboard, the health check, the simulator, the import of your own data, erasing a
shopper, training on a log of your own, the nightly refresh of a store, the live shop, and what a presenter needs."""

from __future__ import annotations

import enum
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from recsys_lab.room import commands as room

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
training = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Train a method on any log.")
app.add_typer(training, name="train")


class BoardName(enum.StrEnum):
    """The boards of the simulated shop."""

    home = "home"
    next = "next"
    basket = "basket"
    ab = "ab"
    owned = "owned"


class LogName(enum.StrEnum):
    """The logs that the course measures on."""

    shop = "shop"
    clickstream = "clickstream"
    retail = "retail"


class Units(enum.StrEnum):
    """The units of times that are numbers."""

    auto = "auto"
    s = "s"
    ms = "ms"
    us = "us"
    ns = "ns"


class Dates(enum.StrEnum):
    """How 01/02/2024 is read."""

    auto = "auto"
    day_first = "day-first"
    month_first = "month-first"


class Ask(enum.StrEnum):
    """The two ways to ask item2vec."""

    cosine = "cosine"
    next = "next"


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
    methods: Annotated[
        str | None, typer.Option(help="Only these rows, separated by commas; ranker takes minutes.")
    ] = None,
    shop: Annotated[
        Path | None, typer.Option(help="The folder of an imported shop; RECSYS_LAB_SHOP when left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure every method on the boards of the shop, of a real log, of your own shop, or of your own sessions."""
    from recsys_lab import measure

    wanted = None if methods is None else [name.strip() for name in methods.split(",") if name.strip()]
    own = os.environ.get("RECSYS_LAB_SHOP", "").strip()
    if shop is None and own and sessions is None and test is None and log is LogName.shop:
        shop = Path(own)
    with _one_line_errors():
        measure.check_methods(wanted)
        if shop is not None:
            if sessions is not None or test is not None or log is not LogName.shop:
                raise typer.BadParameter("--shop goes with --board and --methods alone: leave the others out")
            _own_scoreboard(shop, None if board is None else board.value, wanted, as_json)
            return
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
        names = measure.without_the_slow(wanted)
        for scores in measure.run(boards, names, tell=lambda line: print(line, file=sys.stderr, flush=True)):
            measured.append(json.loads(scores.to_json()))
            if not as_json:
                print(measure.as_text(scores), end="\n\n", flush=True)
        if not measured:
            raise typer.BadParameter(f"--methods: no board asked for has a row {', '.join(wanted or ())}")
        if as_json:
            print(json.dumps(measured, indent=2))


def _own_scoreboard(folder: Path, board: str | None, methods: list[str] | None, as_json: bool) -> None:
    from recsys_lab.own import open_shop, scoreboard
    from recsys_lab.own.boards import as_text

    if board == "ab":
        raise typer.BadParameter("--board ab needs the truth, which only the simulated shop has; choose another board")
    measured = []
    names = None if board is None else [board]
    shop = open_shop(folder, impressions=False)
    for one in scoreboard(shop, names, methods, tell=lambda line: print(line, file=sys.stderr, flush=True)):
        measured.append(one.as_dict())
        if not as_json:
            print(as_text(one), end="\n\n", flush=True)
    if as_json:
        print(json.dumps(measured, indent=2))


@app.command(name="import")
def import_(
    events: Annotated[Path, typer.Option(help="What shoppers did: csv, JSON lines, parquet or xlsx.")],
    out: Annotated[Path | None, typer.Option(help="The folder to write; may be left out with --dry-run.")] = None,
    products: Annotated[Path | None, typer.Option(help="The products; those of the events when left out.")] = None,
    shoppers: Annotated[Path | None, typer.Option(help="The shoppers; those of the events when left out.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--map", help="YOURS=OURS for a column, as in --map sku=item_id; again for more."),
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(
            "--event-map", help="YOURS=OURS for a type of event, as in view=clicked_on; all=buy for each row."
        ),
    ] = None,
    units: Annotated[Units, typer.Option(help="The unit of times that are numbers.")] = Units.auto,
    dates: Annotated[Dates, typer.Option(help="How 01/02/2024 is read.")] = Dates.auto,
    drop_bots: Annotated[bool, typer.Option("--drop-bots", help="Leave out who does too much in a day.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a folder that an import wrote.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Read your own shop's data, say what is in it and what the course can do with it, and write it to a folder."""
    from recsys_lab.own import import_shop

    if out is None and not dry_run:
        raise typer.BadParameter("--out: name the folder to write, or look first with --dry-run")
    given = {"--map": _pairs("--map", column or []), "--event-map": _pairs("--event-map", event or [])}
    with _one_line_errors():
        _, report = import_shop(
            events, None if dry_run else out, products, shoppers, given["--map"], given["--event-map"], units.value,
            dates.value, drop_bots, force,
        )  # fmt: skip
        print(report.to_json() if as_json else report.to_text(), end="")


def _pairs(option: str, given: list[str]) -> dict[str, str]:
    """YOURS=OURS as a dict; the last = is the one that parts them."""
    pairs = [one.rpartition("=") for one in given]
    for whole, (theirs, equals, ours) in zip(given, pairs, strict=True):
        if not (theirs.strip() and equals and ours.strip()):
            raise typer.BadParameter(f"{option} {whole}: write YOURS=OURS, as in {option} sku=item_id")
    return {theirs.strip(): ours.strip() for theirs, _, ours in pairs}


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


@app.command()
def refresh(
    store: Annotated[str, typer.Option(help="The address of a store: qdrant:///folder, postgresql://…, redis://….")],
    keep: Annotated[int, typer.Option(min=0, help="Older versions that stay for --rollback.")] = 1,
    rollback: Annotated[bool, typer.Option("--rollback", help="Go back to the version before; train nothing.")] = False,
) -> None:
    """Train the factors of the shop, put products and shoppers into a store, and switch to them in one go."""
    from recsys_lab.datasets import load_shop
    from recsys_lab.patterns import refresh_shop, rollback_shop
    from recsys_lab.stores import open_store

    with _one_line_errors():
        if store.startswith("memory:") or store in ("qdrant:", "qdrant://"):
            raise typer.BadParameter(f"--store {store} is gone when the command ends; use qdrant:///folder or a server")
        with open_store(store) as opened:
            if rollback:
                for alias, version in rollback_shop(opened).items():
                    print(f"{alias}: back to {version}")
                return
            done = refresh_shop(opened, load_shop(), keep=keep, tell=lambda line: print(line, file=sys.stderr))
            for alias, made in done.items():
                dropped = f", dropped {', '.join(made.dropped)}" if made.dropped else ""
                print(f"{alias}: {made.collection} (before: {made.previous or 'none'}{dropped})")


@app.command()
def erase(
    shopper: Annotated[str, typer.Option(help="The id of the shopper, as it is in your data.")],
    shop: Annotated[Path | None, typer.Option(help="The folder of an imported shop.")] = None,
    live: Annotated[str | None, typer.Option(help="Log and state: sqlite:///folder/live.db, redis://….")] = None,
    waiting: Annotated[
        Path | None, typer.Option(help="The live shop's waiting.db; beside an SQLite state it is found.")
    ] = None,
    store: Annotated[str | None, typer.Option(help="A vector store, as for refresh.")] = None,
    collection: Annotated[
        list[str] | None, typer.Option(help="Another collection of shoppers in the store; again for more.")
    ] = None,
    model: Annotated[list[Path] | None, typer.Option(help="The folder of saved factors; again for more.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only say what would be removed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Remove every trace of a shopper from the places you name; without --yes, say what would be removed."""
    from recsys_lab.own import erase as erase_from

    if not shopper:
        raise typer.BadParameter("--shopper: it is empty; give the id of the shopper")
    if shop is None and live is None and waiting is None and store is None and not model:
        raise typer.BadParameter("name at least one place: --shop, --live, --waiting, --store or --model")
    if collection and store is None:
        raise typer.BadParameter("--collection is one of a store: name that with --store")
    with _one_line_errors():
        done = erase_from(
            shopper, folder=shop, live=live, store=store, models=model or (), waiting=waiting,
            collections=collection or (), dry_run=not yes,
        )  # fmt: skip
        print(json.dumps(done.as_dict(), indent=2) if as_json else done.to_text(), end="\n" if as_json else "")
        if not yes:
            print("this was a dry run: add --yes to do it", file=sys.stderr)


@app.command()
def shop(
    config: Annotated[Path | None, typer.Option(help="Settings: a TOML file.")] = None,
    folder: Annotated[Path | None, typer.Option(help="What has to outlive the shop; .shop when left out.")] = None,
    state: Annotated[str | None, typer.Option(help="The live state: sqlite:///folder/live.db, redis://….")] = None,
    store: Annotated[str | None, typer.Option(help="A vector store in place of the memory, as for refresh.")] = None,
    host: Annotated[str, typer.Option(help="Where to listen; this computer only when left out.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
) -> None:
    """Open the simulated shop as a web page that follows each click."""
    # One request is one small product of a matrix and a vector: more threads would only wait for each other. Has to be
    # said before numpy is there.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from recsys_lab.datasets import load_shop
    from recsys_lab.shop.config import Settings

    with _one_line_errors():
        from recsys_lab.shop.serve import serve

        written = Settings.load(config, state="memory://")
        kept = folder or written.folder or Path(".shop")
        settings = Settings.load(config, folder=kept, state=state, store=store)
        serve(load_shop(impressions=False), settings, host=host, port=port)


@training.command()
def item2vec(
    events: Annotated[
        Path, typer.Option(help="csv or parquet: user_id, item_id, event_type, timestamp[, session_id].")
    ],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    products: Annotated[Path | None, typer.Option(help="csv or parquet: item_id, and what --side names.")] = None,
    dim: Annotated[int, typer.Option(min=1, help="The length of a vector.")] = 64,
    window: Annotated[
        int | None, typer.Option(min=1, help="Steps to each side; the whole visit when left out.")
    ] = None,
    shrink_windows: Annotated[
        bool, typer.Option("--shrink-windows", help="Draw each window from 1 to WINDOW.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the log.")] = 20,
    negative: Annotated[int, typer.Option(min=1, help="Products drawn as negatives, for each positive.")] = 15,
    ns_exponent: Annotated[float, typer.Option(help="Negatives are drawn by count to this power.")] = 0.75,
    sample: Annotated[
        float, typer.Option(min=0, help="Leave out a part of the frequent ones; 0 leaves out none.")
    ] = 1e-3,
    min_count: Annotated[int, typer.Option(min=1, help="Products with fewer events get no vector.")] = 1,
    cbow: Annotated[bool, typer.Option("--cbow", help="CBOW in place of skip-gram.")] = False,
    ask: Annotated[
        Ask, typer.Option(help="How the saved model is asked; both sets of vectors are written.")
    ] = Ask.cosine,
    side: Annotated[str | None, typer.Option(help="A column of products to interleave, such as category.")] = None,
    event_type: Annotated[str, typer.Option(help="The events that make sequences.")] = "clicked_on",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same seed gives the same vectors.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")] = False,
) -> None:
    """Train item2vec on any log; write the sequences, the vectors with their ids, and the settings."""
    from recsys_lab.item2vec import Item2Vec
    from recsys_lab.item2vec.train import SETTINGS, train

    if shrink_windows and window is None:
        raise typer.BadParameter("--shrink-windows needs --window: the whole visit is no window to shrink")
    model = Item2Vec(
        dim=dim, window=window, epochs=epochs, negative=negative, ns_exponent=ns_exponent, sample=sample,
        min_count=min_count, shrink_windows=shrink_windows, skip_gram=not cbow, ask=ask.value, side=side,
        event_type=event_type, random_state=seed,
    )  # fmt: skip
    with _one_line_errors():
        paths = train(events, out, model, products, force)
        counts = json.loads((out / SETTINGS).read_text(encoding="utf-8"))["counts"]
        print(f"learned from {events}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))
        for path in paths:
            print(f"wrote {path} ({path.stat().st_size:,} bytes)")


for for_presenters in (room.preflight, room.reset, room.pack):
    app.command()(for_presenters)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Errors that a user can mend are one line, without a traceback; mistakes of ours keep theirs."""
    from recsys_lab.datasets import DataError, DataUnavailable
    from recsys_lab.evaluation import JudgementError, LeakageError
    from recsys_lab.realtime import LiveError
    from recsys_lab.shop.config import ConfigError
    from recsys_lab.stores import StoreError

    try:
        yield
    except (
        DataError,
        DataUnavailable,
        JudgementError,
        LeakageError,
        LiveError,
        ConfigError,
        StoreError,
        OSError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except ModuleNotFoundError as error:
        if "pip install" not in str(error):  # whoever needs an extra says how to get it
            raise
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def main() -> None:
    """The entry point of the command line."""
    app(prog_name="python -m recsys_lab")
