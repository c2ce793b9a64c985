"""Files without a shopper: the tables of a shop's folder, the report of its import, and saved factors.

A folder is made anew beside its place and then takes it in one step, so that whoever opens it, or kills this, finds the
old folder or the new one.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from recsys_lab.datasets import DataError
from recsys_lab.own.chapters import Chapter
from recsys_lab.own.importing import REPORT
from recsys_lab.own.report import MARK, Finding, Report, short

GONE = "(erased)"
"""Stands in the report of an import where a shopper stood."""
REPORT_FILES = (REPORT, "report.md", "dropped.csv")
_TRUTH = "truth.npz"

Write = Callable[[Path], None]


def find(folder: Path, shopper: str) -> tuple[dict[str, int], dict[str, Write]]:
    """What a folder holds of a shopper, by file, and how each of these files is written without them.

    Raises `DataError` for a folder that is no shop, that is the simulated one, or that a database lies open in.
    """
    _check(folder)
    found: dict[str, int] = {}
    made: dict[str, Write] = {}
    names = {shopper}
    for path in sorted(folder.glob("*.parquet")):
        rows, visits = rows_of(path, shopper)
        if rows is None:
            continue  # a table of products
        found[path.name] = rows
        names |= visits
        if rows:
            made[path.name] = lambda to, path=path: write_without(path, to, shopper)  # type: ignore[misc]
    report = read_report(folder)
    if report is not None:
        clean, found[REPORT] = scrubbed(report, names)
        if found[REPORT]:
            pages = (clean.to_json, clean.to_markdown, clean.to_csv)
            for name, page in zip(REPORT_FILES, pages, strict=True):
                made[name] = lambda to, page=page: _write_text(to, page())  # type: ignore[misc]
    return found, made


def _check(folder: Path) -> None:
    if not (folder / "events.parquet").is_file():
        raise DataError(
            f"{folder}: this is no folder of a shop, there is no events.parquet in it; name one that has it"
        )
    if (folder / _TRUTH).exists():
        raise DataError(
            f"{folder}: this is the simulated shop with its truth, whose shoppers are nobody; copy its parquet files to"
            " a folder of your own first"
        )
    if open_ := sorted(path.name for path in folder.glob("*-wal")):
        raise DataError(f"{folder}: a database is open in this folder ({open_[0]}); close what uses it, and try again")


def unread(folder: Path) -> list[str]:
    """The names of what lies in a shop's folder and is no table: nobody has looked for a shopper in it."""
    known = {*REPORT_FILES, "manifest.json"}
    if read_report(folder) is None:
        known -= set(REPORT_FILES)
    return sorted(one.name for one in folder.iterdir() if one.suffix != ".parquet" and one.name not in known)


def sources(folder: Path) -> list[str]:
    """The names of the files that a folder was imported from."""
    report = read_report(folder)
    return [] if report is None else [str(one["file"]) for one in report.read]


# -- tables -----------------------------------------------------------------------------------------------------------


def rows_of(path: Path, shopper: str) -> tuple[int | None, set[str]]:
    """How many rows of a parquet file are a shopper's (None: it has no shoppers), and the ids of their visits."""
    import pyarrow.parquet as pq

    count, visits = 0, set[str]()
    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in ("user_id", "session_id") if name in file.schema_arrow.names]
            if "user_id" not in names:
                return None, visits
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns=names)
                mine = rows.filter(_is(rows, shopper))
                count += mine.num_rows
                if "session_id" in names:
                    visits.update(str(one) for one in mine["session_id"].unique().to_pylist() if one is not None)
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these kinds
        raise DataError(f"{path}: this table cannot be read ({error}); mend or remove it, and erase again") from error
    return count, visits


def write_without(path: Path, to: Path, shopper: str) -> None:
    """The same parquet file, types, order and compression, without the rows of a shopper."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        groups = file.metadata.num_row_groups
        packed = file.metadata.row_group(0).column(0).compression.lower() if groups else "snappy"
        packed = "none" if packed == "uncompressed" else packed
        with pq.ParquetWriter(to, file.schema_arrow, compression=packed) as writer:
            for group in range(groups):
                rows = file.read_row_group(group)
                writer.write_table(_forgetting(rows.filter(pc.invert(_is(rows, shopper)))))


def _is(rows: Any, shopper: str) -> Any:
    """Which rows are the shopper's; ids may be texts, whole numbers, or categories of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = rows["user_id"]
    if pa.types.is_dictionary(ids.type):
        ids = ids.cast(ids.type.value_type)
    return pc.fill_null(pc.equal(ids.cast(pa.string()), shopper), False)


def _forgetting(rows: Any) -> Any:
    """Categories are made anew: a filtered column keeps the names of those that are in none of its rows."""
    import pyarrow as pa

    for at, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type):
            fresh = rows[at].cast(field.type.value_type).dictionary_encode().combine_chunks()
            chunks = fresh.chunks if isinstance(fresh, pa.ChunkedArray) else [fresh]
            made = [
                pa.DictionaryArray.from_arrays(
                    one.indices.cast(field.type.index_type), one.dictionary, ordered=field.type.ordered
                )
                for one in chunks
            ]
            rows = rows.set_column(at, field, pa.chunked_array(made, type=field.type))
    return rows


# -- the report of an import ------------------------------------------------------------------------------------------


def read_report(folder: Path) -> Report | None:
    """The report that an import has left in a folder; None where there is none."""
    try:
        held = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        if held.pop(MARK) != 1:
            return None
        for name in ("dropped", "changed"):
            held[name] = [
                Finding(**{**one, "examples": tuple(tuple(pair) for pair in one["examples"])}) for one in held[name]
            ]
        return Report(**{**held, "chapters": [Chapter(*one) for one in held["chapters"]]})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # `unread` then names it


def scrubbed(report: Report, names: Collection[str]) -> tuple[Report, int]:
    """A report without a shopper's id and those of their visits, and how many of its lines were changed.

    An example that names one of them goes whole, since it may show a row of theirs; of a sentence, the name alone.
    """
    shown = sorted({short(name) for name in names} | set(names), key=len, reverse=True)
    named = re.compile(r"(?<![\w.,-])(?:" + "|".join(map(re.escape, shown)) + r")(?![\w-]|[.,]\w)")
    count = 0

    def said(text: str) -> str:
        nonlocal count
        clean = named.sub(GONE, text)
        count += clean != text
        return clean

    def shows(pair: tuple[str, str]) -> tuple[str, str]:
        nonlocal count
        there = named.search(pair[1]) is not None
        count += there
        return (pair[0], GONE) if there else pair

    def found(one: Finding) -> Finding:
        return Finding(one.table, said(one.what), one.rows, tuple(map(shows, one.examples)), said(one.advice))

    clean = Report(
        **{**vars(report), "assumed": list(map(said, report.assumed)), "noticed": list(map(said, report.noticed))}
    )
    clean.dropped, clean.changed = list(map(found, report.dropped)), list(map(found, report.changed))
    return clean, count


def _write_text(to: Path, text: str) -> None:
    to.write_text(text, encoding="utf-8")


# -- saved factors ----------------------------------------------------------------------------------------------------


def saved_factors(folder: Path, shopper: str) -> dict[str, Write]:
    """The files of a folder that `Factors.save` wrote, as they are without a shopper's vector; none where it has none.

    Raises `DataError` for a folder that is no saved model.
    """
    from recsys_lab.item2vec import Vectors
    from recsys_lab.shop.unlearn import vectors_without

    if not (folder / "settings.json").is_file():
        raise DataError(f"{folder}: this is no saved model, there is no settings.json in it; give what save() wrote")
    if not (folder / "user_vectors.json").is_file():
        return {}
    users = Vectors.load(folder, "user_vectors")
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    if shopper not in users:
        return {}
    kept = vectors_without(users, shopper)
    settings["vectors"][0] = kept.fingerprint
    return {
        "user_vectors.npy": lambda to: _save(kept, to),
        "user_vectors.json": lambda to: _save(kept, to),
        "settings.json": lambda to: _write_text(to, json.dumps(settings, indent=2) + "\n"),
    }


def _save(vectors: Any, to: Path) -> None:
    vectors.save(to.parent, to.stem)


# -- a folder in the place of another ---------------------------------------------------------------------------------


def replace(folder: Path, changed: Mapping[str, Write]) -> None:
    """Write some files of a folder anew: all of them or none, whatever happens meanwhile. One at a time.

    Raises `DataError` where the folder cannot be renamed; nothing has changed then.
    """
    new = _beside(folder, "erasing")
    try:
        shutil.copytree(folder, new, copy_function=_link, ignore=lambda at, _: changed if Path(at) == folder else ())
        for name, write in changed.items():
            write(new / name)
        for path in [*new.iterdir(), new]:
            _to_disk(path)
        _swap(new, folder)
        _to_disk(folder.parent)
    except OSError as error:
        raise DataError(
            f"{folder}: it cannot be replaced ({error}), so nothing was erased here; it has to be a folder that may be"
            " renamed, and no place where a disk is mounted"
        ) from error
    finally:
        tidy(folder)


def tidy(folder: Path) -> None:
    """Put away what `replace` has left beside a folder when it was killed; it may hold who is to be erased."""
    old = _beside(folder, "erased")
    if not folder.exists() and old.is_dir():
        old.rename(folder)  # killed between two renames
    for left in (_beside(folder, "erasing"), old):
        shutil.rmtree(left, ignore_errors=True)


def leftovers(folder: Path) -> list[Path]:
    """Folders that an import has left beside this one when it was killed: older or half versions of the same shop."""
    return sorted(folder.parent.glob(f".{folder.name}.*.old")) + sorted(folder.parent.glob(f".{folder.name}.*.new"))


def _beside(folder: Path, word: str) -> Path:
    return folder.with_name(f".{folder.name}.{word}")


def _link(source: str, to: str) -> None:
    """What does not change is the same file in both folders, where the disk can do that."""
    try:
        os.link(source, to)
    except OSError:
        shutil.copy2(source, to)


def _swap(new: Path, folder: Path) -> None:
    """The two change names in one step, where the system can (Linux); else by two renames, which `tidy` completes."""
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    swap = getattr(ctypes.CDLL(None), "renameat2", None) if os.name == "posix" else None
    if swap is not None and swap(here, os.fsencode(new), here, os.fsencode(folder), exchange) == 0:
        return
    old = _beside(folder, "erased")
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise


def _to_disk(path: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
