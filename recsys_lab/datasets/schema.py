"""What a shop's three tables must hold, as pandera schemas, and one readable error when they do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from recsys_lab.datasets.events import EVENT_TYPES, DataError

PRODUCT_COLUMNS: Mapping[str, str] = {
    "name": "text",
    "brand": "text",
    "department": "text",
    "category": "text",
    "description": "text",
    "colour": "text",
    "material": "text",
    "style": "text",
    "picture": "text",
    "price": "number",
    "review_count": "number",
    "review_rating": "rating",
    "in_stock": "flag",
    "on_sale": "flag",
    "launched_at": "time",
}
"""The optional columns of `products`; other columns are kept as they are."""

SHOPPER_COLUMNS: Mapping[str, str] = {
    "age_band": "text",
    "region": "text",
    "device": "text",
    "registered_at": "time",
    "registration_choice": "text",
}
"""The optional columns of `shoppers`."""

EVENT_COLUMNS: Mapping[str, str] = {
    "position": "number",
    "surface": "text",
    "list_id": "text",
    "device": "text",
    "dwell_ms": "number",
    "price": "number",
    "quantity": "number",
    "propensity": "share",
}
"""The optional columns of `events`: the attributes that the course knows."""

_RULES = {
    "text": "texts",
    "number": "numbers from 0 up, none infinite",
    "rating": "numbers from 0 to 5",
    "share": "numbers above 0, at most 1",
    "flag": "True or False (from 0 and 1: .astype(bool))",
    "time": "whole milliseconds since 1970",
    "label": "labels: texts that are not empty",
    "event type": "one of " + ", ".join(EVENT_TYPES),
    "unique": "labels: texts that are not empty, each different from all others",
}

_EXACT = 2**53
"""From here on a float no longer holds every whole number."""


def table(name: str, frame: Any) -> pd.DataFrame:
    """The frame with its rows numbered from 0, so that messages can name them. Raises `DataError` if it is no table."""
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{name}: {type(frame).__name__} is no table; give a pandas DataFrame")
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"{name}: the column {twice[0]!r} is there more than once; keep one of them")
    return frame.reset_index(drop=True)


def labels(table: str, frame: pd.DataFrame, column: str) -> pd.Series[str]:
    """The ids of a column as texts. Whole numbers become their digits; a float that is no whole number is an error."""
    if column not in frame.columns:
        raise DataError(
            f"{table}: the column {column!r} is missing; it has {', '.join(map(str, frame.columns)) or 'no columns'};"
            f" rename yours with .rename(columns={{...}})"
        )
    name, values = f"{table}.{column}", frame[column]
    if values.isna().any():
        raise DataError(f"{name}: row {_first(values.isna())} has no value; each row needs an id: drop or mend it")
    held = values.tolist()
    kinds = set(map(type, held))
    if kinds in ({str}, {int}):
        return values.astype(str)
    texts = [_label(name, row, value) for row, value in enumerate(held)]
    written = {text for text, value in zip(texts, held, strict=True) if isinstance(value, str)}
    for row, (text, value) in enumerate(zip(texts, held, strict=True)):
        if not isinstance(value, str) and text in written:
            raise DataError(
                f"{name}: row {row} has {shown(value)}, and another row has {text!r}: both would become {text!r};"
                f" if they are one thing, convert with .astype(str), else rename one of them"
            )
    return pd.Series(texts, index=values.index, name=column, dtype=object).astype(str)


def _label(name: str, row: int, value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if isinstance(value, float | np.floating):
        whole = float(value).is_integer() and abs(float(value)) < _EXACT
    if whole:
        return str(int(value))
    raise DataError(
        f"{name}: row {row} has {shown(value)}, which is no label; ids are texts or whole numbers: convert or drop it"
    )


def timestamps(table: str, values: pd.Series[Any]) -> pd.Series[int]:
    """Times as int64 milliseconds since 1970, from whole numbers or from datetimes (UTC where they name no zone)."""
    name, given = f"{table}.{values.name}", values
    if values.isna().any():
        raise DataError(f"{name}: row {_first(values.isna())} has no time; each row needs one: drop or mend it")
    if values.empty:
        return values.astype(object).astype("int64")
    values = values.infer_objects()
    if pd.api.types.is_datetime64_any_dtype(values):
        if getattr(values.dtype, "tz", None) is not None:
            values = values.dt.tz_convert("UTC").dt.tz_localize(None)
        values = values.astype("datetime64[ms]").astype("int64")
    if not pd.api.types.is_integer_dtype(values):
        wrong = values.map(lambda value: isinstance(value, bool) or not isinstance(value, int | np.integer))
        row = _first(wrong)
        raise DataError(f"{name}: row {row} has {shown(given.iloc[row])}; give {_RULES['time']} as int64, or datetimes")
    if values.min() < 0:
        row = _first(values < 0)
        raise DataError(f"{name}: row {row} has {shown(given.iloc[row])}, which is before 1970; mend or drop it")
    # Taken for milliseconds, the seconds of the years 1973 to 5138 all lie in 1970: no log of a shop does.
    # Microseconds and nanoseconds lie beyond the year 5138.
    if values.min() >= 10**8 and values.max() < 10**11:
        raise DataError(f"{name}: row 0 has {shown(given.iloc[0])}: these look like seconds; multiply by 1000")
    if values.max() >= 10**14:
        row = _first(values >= 10**14)
        raise DataError(
            f"{name}: row {row} has {shown(given.iloc[row])}, which is beyond the year 5138; divide microseconds by"
            f" 1000, nanoseconds by 1_000_000, or give the datetimes themselves"
        )
    return values.astype("int64")


def shown(value: Any) -> str:
    """A value as a message shows it: short, and 1.5 rather than np.float64(1.5)."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "no value"
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 80 else text[:79] + "…"


def _first(wrong: pd.Series[Any]) -> int:
    return int(np.flatnonzero(wrong.to_numpy(dtype=bool))[0])


def validate(table: str, frame: pd.DataFrame, required: Mapping[str, str], optional: Mapping[str, str]) -> pd.DataFrame:
    """`frame` with its columns in the kinds that the rules name. Raises `DataError` on the first broken rule."""
    import pandera.errors
    import pandera.pandas as pa

    kinds = {**optional, **required}
    times = [name for name, kind in kinds.items() if kind == "time" and name in frame.columns]
    frame = frame.assign(**{name: timestamps(table, frame[name]) for name in times})
    columns = {name: _column(kind, required=name in required) for name, kind in kinds.items()}
    try:
        frame = pa.DataFrameSchema(columns, strict=False).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        raise DataError(_message(table, errors.failure_cases, kinds)) from None
    flags = [name for name, kind in kinds.items() if kind == "flag" and name in frame.columns]
    return frame.astype(dict.fromkeys(flags, bool))


def _column(kind: str, required: bool) -> Any:
    import pandera.pandas as pa

    check = pa.Check
    as_flag = check(lambda values: _are(values, bool | np.bool_), error="flag")
    as_text = check(lambda values: _are(values, str), error="text")
    checks: dict[str, tuple[Any, list[Any]]] = {
        "text": (None, [as_text]),
        "label": (None, [as_text, check.str_length(min_value=1)]),
        "unique": (None, [as_text, check.str_length(min_value=1)]),
        "event type": (None, [check.isin(EVENT_TYPES)]),
        "number": (float, [check.in_range(0, np.inf, include_max=False)]),
        "rating": (float, [check.in_range(0, 5)]),
        "share": (float, [check.in_range(0, 1, include_min=False)]),
        "flag": (None, [as_flag]),
        "time": (None, []),
    }
    dtype, rules = checks[kind]
    nullable = kind in ("text", "number", "rating", "share")
    return pa.Column(
        dtype,
        rules,
        nullable=nullable,
        required=required,
        coerce=dtype is not None,
        unique=kind == "unique",
    )


def _are(values: pd.Series[Any], kind: Any) -> pd.Series[bool]:
    # Not values.map: a categorical column would answer with categories.
    return pd.Series([isinstance(value, kind) for value in values], index=values.index, dtype=bool)


def _message(table: str, failures: pd.DataFrame, kinds: Mapping[str, str]) -> str:
    """The first failure as one sentence: which input, which rule, which value, and how many more there are."""
    failures = failures.sort_values("index", kind="stable")
    first = failures.iloc[0]
    column = first["column"] if isinstance(first["column"], str) else str(first["failure_case"])
    if first["check"] == "column_in_dataframe":
        return f"{table}: the column {first['failure_case']!r} is missing; it has to hold {_RULES[kinds[column]]}"
    rows = failures.loc[failures["column"] == column, "index"].nunique()
    where = f"row {int(first['index'])}" if pd.notna(first["index"]) else "the column"
    more = f" ({rows} rows break this rule)" if rows > 1 else ""
    return (
        f"{table}.{column}: {where} has {shown(first['failure_case'])}, but the values have to be"
        f" {_RULES[kinds[column]]}{more}; mend or drop them"
    )
