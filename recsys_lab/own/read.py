"""Tables out of files as shops have them: csv in any common dress, JSON lines, parquet, sheets. No value is judged."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_lab.datasets import DataError
from recsys_lab.datasets.schema import shown

SEPARATORS = (",", ";", "\t", "|")
LARGEST_SHEET = 2_000_000_000
"""The most bytes that a sheet may hold once it is unpacked."""

_BLOCK = 1 << 26  # a row has to fit into it: a cell of ten million characters does
_CHUNK = 1 << 20
_MOST_LINES = 1_000  # in one cell: beyond, a quote was opened and never closed


@dataclass(frozen=True)
class Table:
    """What a file held. `frame` has one row a row; a csv's cells are texts, or None where they are empty."""

    frame: pd.DataFrame
    file: str
    format: str
    told: tuple[str, ...] = ()
    """How it was read, as far as that was a decision."""
    ragged: tuple[tuple[int, str], ...] = ()
    """Rows of csv or JSON lines that could not be taken apart: line (0: not known), and what is wrong with it."""
    headless: bool = False
    """Whether the first row looks like data, and not like the names of columns."""


def read_table(path: Path) -> Table:
    """The table in a file, by what the file holds (not by its name). Raises `DataError` in one line that names it."""
    if path.is_dir():
        raise DataError(f"{path}: it is a folder; name a file")
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    with path.open("rb") as file:
        start = file.read(_CHUNK)
    if not start.strip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"):
        raise DataError(f"{path}: the file is empty; export the table again")
    if start[:4] == b"PAR1":
        table = _parquet(path)
    elif start[:4] == b"PK\x03\x04" or start[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        table = _sheet(path)
    else:
        encoding, told = _encoding(path)
        text = start.decode(encoding, "replace").lstrip("\ufeff").lstrip()
        table = _json(path, encoding, told) if text[:1] in ("{", "[") else _csv(path, encoding, told)
    if table.frame.empty:
        bad = f" that can be read ({table.ragged[0][1]})" if table.ragged else ""
        raise DataError(f"{path}: there are names of columns, but there is no row below them{bad}; export it again")
    return table


def _encoding(path: Path) -> tuple[str, tuple[str, ...]]:
    """How the bytes of a file become letters. Raises `DataError` for a file that is no text."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16", ("its letters are in UTF-16",)
        even, odd = start[::2].count(0), start[1::2].count(0)
        if max(even, odd) > len(start) / 8 > 16 * min(even, odd):  # every second byte of western letters is 0
            wide = "utf-16-le" if odd > even else "utf-16-be"
            letters = start.decode(wide, "replace")
            if sum(letter.isprintable() or letter.isspace() for letter in letters) > 0.95 * len(letters):
                return wide, ("its letters are taken for UTF-16",)
        strange = sum(start.count(byte) for byte in range(32) if byte not in (9, 10, 11, 12, 13, 26))
        if strange > len(start) / 200:
            raise DataError(f"{path}: this is no text and no table; give csv, JSON lines, parquet or xlsx")
        file.seek(0)
        decoder, western = codecs.getincrementaldecoder("utf-8")(), True
        try:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
            return "utf-8", ()
        except UnicodeDecodeError:
            file.seek(0)
            while chunk := file.read(_CHUNK):
                western &= not any(byte in chunk for byte in b"\x81\x8d\x8f\x90\x9d")
    name = "cp1252" if western else "latin-1"
    return name, (f"it is not UTF-8; its letters are taken for western European ({name}): look at names with accents",)


def _csv(path: Path, encoding: str, told: tuple[str, ...]) -> Table:
    import pyarrow as pa
    from pyarrow import csv as arrow

    with path.open("r", encoding=encoding, errors="replace", newline="") as file:
        head = file.read(1 << 18).lstrip("\ufeff")
    skipped = re.match(r"sep=(.)\r?\n", head)  # Excel's own first line
    separator = skipped[1] if skipped else _separator(head)
    header = next(csv.reader(io.StringIO(head[skipped.end() :] if skipped else head), delimiter=separator), [])
    names = _names(header)
    ragged: list[tuple[int, str]] = []

    def note(row: Any) -> str:
        ragged.append((row.number or 0, f"it has {row.actual_columns} fields, and the header has {len(names)}"))
        return "skip"

    try:
        rows = arrow.read_csv(
            path,
            arrow.ReadOptions(
                use_threads=False, block_size=_BLOCK, column_names=names, encoding=encoding,
                skip_rows=1 if skipped else 0, skip_rows_after_names=1,
            ),
            arrow.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=note),
            arrow.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""],
                quoted_strings_can_be_null=True,
            ),
        )  # fmt: skip
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise DataError(f"{path}: it cannot be read as csv: {_first_line(error)}") from error
    _refuse_open_quotes(path, rows)
    called = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}.get(separator, repr(separator))
    told = (*told, f"{called} stands between its columns")
    digits = sum(re.fullmatch(r"-?\d+([.,]\d+)?", name.strip()) is not None for name in header)
    return Table(rows.to_pandas(), path.name, "csv", told, tuple(ragged), headless=2 * digits >= len(header) > 0)


def _separator(head: str) -> str:
    """What stands between the columns of the first row that is not empty, outside of quotes."""
    line = re.sub(r'"[^"]*"', "", head.lstrip("\r\n").partition("\n")[0])
    return max(SEPARATORS, key=line.count)


def _names(header: list[str]) -> list[str]:
    """The names of columns, each different and none empty."""
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        name = cell.strip() or f"column {number}"
        names.append(name if name not in names else f"{name} ({number})")
    return names


def _refuse_open_quotes(path: Path, rows: Any) -> None:
    """A quote that is opened and never closed swallows the rows below it, and nothing else would show it."""
    import pyarrow.compute as pc

    for name in rows.column_names:
        lines = pc.count_substring(rows[name], "\n")
        if (pc.max(lines).as_py() or 0) > _MOST_LINES:
            row = pc.index(pc.greater(lines, _MOST_LINES), True).as_py() + 1
            raise DataError(
                f"{path}: column {name!r}, row {row}: this cell has more than {_MOST_LINES:,} lines, so a quote is"
                ' opened and not closed there; write a quote inside a cell twice ("")'
            )


def _json(path: Path, encoding: str, told: tuple[str, ...]) -> Table:
    rows: list[dict[str, Any]] = []
    ragged: list[tuple[int, str]] = []
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    with path.open("r", encoding=encoding) as file:
        if file.read(1) == "[":
            file.seek(0)
            try:
                held = json.load(file)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}: it cannot be read as JSON: {_first_line(error)}") from error
            entries = list(enumerate(held, 1))
        else:
            file.seek(0)
            entries = []
            for number, line in enumerate(file, 1):
                try:
                    entries += [(number, json.loads(line))] if line.strip() else []
                except (ValueError, RecursionError) as error:
                    ragged.append((number, f"it is no JSON ({_first_line(error)})"))
    for number, entry in entries:
        if isinstance(entry, dict):
            rows.append({str(name): _flat(value) for name, value in entry.items()})
        else:
            ragged.append((number, f"it is no object {{…}}, but {shown(entry)}"))
    if not rows:
        raise DataError(f'{path}: there is no row in it; each line has to be an object such as {{"user_id": "a", …}}')
    columns = dict.fromkeys(name for row in rows for name in row)
    # Columns of objects: pandas would make floats of whole numbers where one is missing.
    frame = pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in columns})
    return Table(frame, path.name, "JSON", told, tuple(ragged))


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _parquet(path: Path) -> Table:
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path}: it cannot be read as parquet: {_first_line(error)}") from error
    frame = frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
    return Table(_renamed(frame), path.name, "parquet")


def _sheet(path: Path) -> Table:
    from python_calamine import CalamineError

    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as held:
                if "[Content_Types].xml" not in held.namelist():
                    raise DataError(f"{path}: this is a zip file; unpack it and name the table in it")
                if sum(member.file_size for member in held.infolist()) > LARGEST_SHEET:
                    raise DataError(f"{path}: unpacked, it has more than {LARGEST_SHEET:,} bytes; save it as csv")
        frames = pd.read_excel(
            path, sheet_name=None, engine="calamine", dtype=object, keep_default_na=False, na_values=[""]
        )
    except (CalamineError, OSError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: it cannot be read as a sheet: {_first_line(error)}") from error
    name, frame = next(((name, frame) for name, frame in frames.items() if not frame.empty), next(iter(frames.items())))
    told = (f"of its {len(frames)} sheets, {str(name)!r} was read",) if len(frames) > 1 else ()
    frame = frame[~frame.isna().all(axis=1)].reset_index(drop=True)
    return Table(_renamed(frame), path.name, "sheet", told)


def _renamed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(_names([str(name) for name in frame.columns]), axis=1)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
