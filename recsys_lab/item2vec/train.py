"""Trains item2vec on any log in a file, and writes what came of it: sequences, vectors with their ids, settings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_lab.datasets import DataError, Shop, schema
from recsys_lab.item2vec.model import Item2Vec, sequences

SEQUENCES, SETTINGS = "sequences.jsonl", "settings.json"

_KINDS = {**schema.PRODUCT_COLUMNS, **schema.EVENT_COLUMNS}
_TEXTS = {"user_id", "item_id", "session_id", "id", "event_type", *(k for k, kind in _KINDS.items() if kind == "text")}


def read_shop(events: Path, products: Path | None = None) -> Shop:
    """A shop from tables in csv or parquet files. Raises `DataError` with the file and the rule it breaks.

    `events` has user_id, item_id, event_type, timestamp (ms since 1970, or ISO dates; UTC where they name no zone) and
    maybe session_id; without `products` (item_id, and more) the products are those of the events.
    """
    rows = _table(events)
    if rows.empty:
        raise DataError(f"{events}: there is no event in it")
    if "timestamp" in rows.columns:
        rows = rows.assign(timestamp=_times(events, rows["timestamp"]))
    try:
        items = schema.labels("events", rows, "item_id")
        listed = pd.DataFrame({"item_id": items.unique()}) if products is None else _table(products)
        return Shop.from_frames(listed, rows, name=events.stem)
    except DataError as error:
        raise DataError(f"{events if products is None else f'{events} with {products}'}: {error}") from None


def train(events: Path, out: Path, model: Item2Vec, products: Path | None = None, force: bool = False) -> list[Path]:
    """Fit `model` on the log in `events` and write the folder `out`; returns the paths of the files in it.

    The files: sequences.jsonl (a list of product ids a line), vectors.npy and out_vectors.npy (numbers) with
    vectors.json and out_vectors.json (their ids), and, last of all, settings.json. Raises `DataError` for a log that
    cannot be used, and for a folder that holds something already, unless `force` says to write over it.
    """
    check_folder(out, force)
    shop = read_shop(events, products)
    visits = sequences(shop, event_type=model.event_type)
    if not visits:
        kinds = ", ".join(sorted(shop.events["event_type"].unique())) or "none"
        raise DataError(
            f"{events}: no visit holds two {model.event_type!r} events of different products, so there is nothing to"
            f" learn from; the events are of the types: {kinds}"
        )
    model.fit(shop)
    if not len(model.vectors_):
        raise DataError(f"min_count: no product stands in the sequences {model.min_count} times; give a smaller one")
    out.mkdir(parents=True, exist_ok=True)
    (out / SETTINGS).unlink(missing_ok=True)  # written last: where it stands, the rest is complete
    lines = "".join(json.dumps(visit, ensure_ascii=False) + "\n" for visit in visits)
    (out / SEQUENCES).write_text(lines, encoding="utf-8")
    files = {"events": events} if products is None else {"events": events, "products": products}
    facts = {
        "input": {name: {"file": path.name, "sha256": _sha256(path)} for name, path in files.items()},
        "counts": {
            "events": len(shop.events),
            "products": len(shop.products),
            "shoppers": len(shop.shoppers),
            "sequences": len(visits),
            "clicks in sequences" if model.event_type == "clicked_on" else "events in sequences": sum(map(len, visits)),
            "products with a vector": len(model.vectors_),
        },
    }
    return [out / SEQUENCES, *model.save(out, facts)]


def check_folder(out: Path, force: bool) -> None:
    """Raises `DataError` where `out` is a file, or a folder that is not empty and may not be written over."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: it is a file; name a folder")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise DataError(f"{out}: the folder is not empty; name another one, or add --force to write over it")


def read_sequences(folder: Path) -> list[list[str]]:
    """The sequences that `train` wrote. Raises `DataError` for a file that is missing or damaged."""
    path = Path(folder) / SEQUENCES
    try:
        visits = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: it cannot be read as sequences ({error}); train again") from error
    wrong = [at for at, visit in enumerate(visits, 1) if not isinstance(visit, list)]
    if wrong:
        raise DataError(f"{path}: line {wrong[0]} is no list of product ids; train again")
    return visits


def _table(path: Path) -> pd.DataFrame:
    """The rows of a csv or parquet file; ids and words of a csv file as they are written, 007 and NA too."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        # A product may be called NA: only an empty field is missing.
        return pd.read_csv(
            path,
            dtype=dict.fromkeys(_TEXTS, str),
            keep_default_na=False,
            na_values=[""],
            low_memory=False,
            encoding="utf-8-sig",
        )
    except ValueError as error:  # pandas' and pyarrow's own are of this kind too
        first = str(error).strip().splitlines()[0]
        raise DataError(f"{path}: it cannot be read as {path.suffix[1:] or 'a csv'} file: {first}") from error


def _times(path: Path, values: pd.Series[Any]) -> pd.Series[Any]:
    """Times as they are, or read from texts such as 2024-05-01T12:00:00Z."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return values
    times = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
    wrong = (times.isna() & values.notna()).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{path}: timestamp: row {row} has {schema.shown(values.iloc[row])}; give whole milliseconds since 1970"
            f" or dates like 2024-05-01T12:00:00Z"
        )
    return times


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
