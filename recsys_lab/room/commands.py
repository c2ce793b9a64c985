"""The three commands for who teaches: `python -m recsys_lab preflight`, `reset`, `pack`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer


def preflight(
    chapters: Annotated[str | None, typer.Option(help="Only these, as 00,05, in this order.")] = None,
    solved: Annotated[bool, typer.Option("--solved", help="Run the solved notebooks as well.")] = False,
    checks: Annotated[bool, typer.Option("--checks-only", help="Run no chapter; some seconds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """The evening before: run every chapter without a network, and check this computer; changes no notebook."""
    from recsys_lab import doctor
    from recsys_lab.room import parts
    from recsys_lab.room import preflight as before

    with _one_line_errors():
        wanted = [] if checks else list(before.trials(parts(chapters), solved))
        findings = before.checks()
        if not as_json:
            print(doctor.report(findings).rpartition("\n\n")[0], end="\n\n", flush=True)
            if wanted:
                print(before.header(), flush=True)
        done = []
        for run in wanted:
            if sys.stderr.isatty():
                print(f"{run.__name__} …", end="\r", file=sys.stderr, flush=True)
            done.append(run())
            if not as_json:
                print(before.line(done[-1]), flush=True)
        wrong = before.problems(findings, done)
        if as_json:
            print(json.dumps(before.as_json(findings, done), indent=2))
        else:
            print(*(f"\nnote: {note}" for note in before.notes(findings, done)), sep="", end="\n\n")
            print(*(f"problem: {one}" for one in wrong), sep="\n", end="\n" if wrong else "")
            ran = f"Ran without a network: {len(done)}. " if done and not any(one.run.error for one in done) else ""
            print(f"{len(wrong)} to mend before the course." if wrong else f"{ran}Nothing to mend.")
        if wrong:
            raise typer.Exit(1)


def reset(
    chapter: Annotated[str | None, typer.Option(help="Only these, as 05 or 00,05; all when left out.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only say what would be done.")] = False,
    shop: Annotated[
        bool, typer.Option("--shop", help="The live shop's .shop here; the notebooks too only with --chapter.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Only copy notebooks that are as delivered, for a reset without git.")
    ] = False,
) -> None:
    """Put the notebooks back to the start; what was written in them is kept in a dated folder."""
    from recsys_lab.room import parts
    from recsys_lab.room import reset as back

    with _one_line_errors():
        if keep:
            if chapter is not None or shop or yes:
                raise typer.BadParameter("--keep goes alone: it copies every notebook that is as delivered")
            back.keep_copies()
            return
        plans = [] if shop and chapter is None else back.plan(parts(chapter))
        for one in plans:
            print(one.line())
        folder = Path(".shop")
        to_do = any(one.start is not None for one in plans)
        if shop:
            to_do |= _shop_plan(folder)
        if not to_do:
            print("Nothing to do.")
        elif not yes:
            print("This was a dry run: add --yes to do it. In JupyterLab, save and close the notebooks first.")
        else:
            kept = back.reset(plans)
            if kept is not None:
                print(
                    f"What was in them is in {_near(kept)}. Still open in JupyterLab? File, Reload Notebook from Disk."
                )
            if shop and folder.is_dir():
                print(f"The shop begins anew; what it knew is in {_near(back.reset_shop(folder))}.")


def pack(
    out: Annotated[Path | None, typer.Option(help="The folder to write: new, or empty.")] = None,
    platform: Annotated[
        str | None,
        typer.Option(help="For which computers: manylinux_x86_64, macosx_arm64, win_amd64, …; this one when left out."),
    ] = None,
    python: Annotated[str | None, typer.Option(help="For which Python, as 3.11 or 3.11,3.12; this one's.")] = None,
    with_encoder: Annotated[bool, typer.Option("--with-encoder", help="Take the text encoder (torch) along.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look up the wheels of other computers.")] = False,
    verify: Annotated[Path | None, typer.Option(help="Compare the files of a pack with their checksums.")] = None,
) -> None:
    """Put the course into a folder for a stick: wheels, data, notebooks, slides; it installs without a network."""
    from recsys_lab.room import install, parts
    from recsys_lab.room import pack as stick

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    if (out is None) == (verify is None):
        raise typer.BadParameter("--out: name the folder to write; or --verify FOLDER, to look at one that is there")
    with _one_line_errors():
        if verify is not None:
            print(install.verify(verify))
            return
        assert out is not None
        wanted = stick.plan(parts(platform), parts(python), out, with_encoder)
        if dry_run:
            print(*stick.Packed(others=stick.others(wanted, tell)).lines(), sep="\n")
            return
        done = stick.make(wanted, tell)
        print(*done.lines(), sep="\n")
        if large := stick.too_large(out.rglob("*")):
            print(f"A stick with FAT32 cannot hold {', '.join(path.name for path in large)}: format it as exFAT.")
        print(f"Packed into {out}. Copy it, and check the copy: python install.py --verify")


def _shop_plan(folder: Path) -> bool:
    """Say what becomes of the live shop's folder; whether there is one."""
    from recsys_lab.room import RoomError
    from recsys_lab.room.preflight import shop_answers

    if not folder.is_dir():
        print(f"{folder}: the live shop has kept nothing here")
        return False
    if shop_answers(8000):
        raise RoomError("a live shop answers on port 8000: stop it (Ctrl+C in its terminal), then reset it")
    print(f"{folder}: moved aside; the next shop begins without events")
    return True


def _near(path: Path) -> str:
    """A path as short as it can be said from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    from recsys_lab.room import RoomError
    from recsys_lab.room.install import Problem

    try:
        yield
    except (RoomError, Problem, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except ModuleNotFoundError as error:
        print(
            f"error: {error.name} is not installed: python -m recsys_lab doctor says what else lacks", file=sys.stderr
        )
        raise typer.Exit(1) from None
