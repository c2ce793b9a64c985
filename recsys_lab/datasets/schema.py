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
    "flag": "True or False",
    "time": "whole milliseconds since 1970",
    "label": "labels: texts that are not empty",
    "event type": "one of " + ", ".join(EVENT_TYPES),
    "unique": "different from each other",
}


def labels(table: str, frame: pd.DataFrame, column: str) -> pd.Series[str]:
    """The ids of a column as texts. Whole numbers become their digits; a float that is no whole number is an error."""
    if column not in frame.columns:
        raise DataError(
            f"{table}: the column {column!r} is missing; it has {', '.join(map(str, frame.columns)) or 'no columns'};"
            f" rename yours with .rename(columns={{...}})"
        )
    values = frame[column]
    if values.isna().any():
        at = int(np.flatnonzero(values.isna().to_numpy())[0])
        raise DataError(f"{table}.{column}: row {at} has no value; each row needs an id: drop or mend it")
    if pd.api.types.is_float_dtype(values):
        if (values % 1 != 0).any():
            raise DataError(
                f"{table}.{column}: {values[values % 1 != 0].iloc[0]!r} is no label; ids are texts or whole numbers"
            )
        values = values.astype("int64")
    return values.astype(str)


def timestamps(table: str, values: pd.Series[Any]) -> pd.Series[int]:
    """Times as int64 milliseconds since 1970, from whole numbers or from pandas' own datetimes."""
    name = f"{table}.{values.name}"
    if values.isna().any():
        at = int(np.flatnonzero(values.isna().to_numpy())[0])
        raise DataError(f"{name}: row {at} has no time; each event needs one: drop the row")
    if pd.api.types.is_datetime64_any_dtype(values):
        if getattr(values.dtype, "tz", None) is not None:
            values = values.dt.tz_convert("UTC").dt.tz_localize(None)
        return values.astype("datetime64[ms]").astype("int64")
    if not pd.api.types.is_integer_dtype(values):
        raise DataError(f"{name}: {values.iloc[0]!r} is not {_RULES['time']}; give int64 or datetime64")
    if len(values) and (values.min() < 0):
        raise DataError(f"{name}: {values.min()} is before 1970; times are {_RULES['time']}")
    # Seconds of the years 1973 to 5138 read as milliseconds lie in 1970: no log of a shop does.
    if len(values) and values.min() >= 10**8 and values.max() < 10**11:
        raise DataError(f"{name}: {values.iloc[0]} looks like seconds; multiply by 1000 to get milliseconds")
    return values.astype("int64")


def validate(table: str, frame: pd.DataFrame, required: Mapping[str, str], optional: Mapping[str, str]) -> pd.DataFrame:
    """`frame` checked against its rules, with columns in the kinds that the rules name. Raises `DataError` on the first."""
    import pandera.errors
    import pandera.pandas as pa

    columns = {name: _column(kind, required=True) for name, kind in required.items()}
    columns |= {name: _column(kind, required=False) for name, kind in optional.items()}
    try:
        return pa.DataFrameSchema(columns, strict=False).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        raise DataError(_message(table, errors.failure_cases, {**optional, **required})) from None


def _column(kind: str, required: bool) -> Any:
    import pandera.pandas as pa

    check = pa.Check
    as_text = check(lambda values: values.map(lambda value: isinstance(value, str)), error="text")
    checks: dict[str, tuple[Any, list[Any]]] = {
        "text": (None, [as_text]),
        "label": (None, [as_text, check.str_length(min_value=1)]),
        "unique": (None, [as_text, check.str_length(min_value=1)]),
        "event type": (None, [check.isin(EVENT_TYPES)]),
        "number": (float, [check.in_range(0, np.inf, include_max=False)]),
        "rating": (float, [check.in_range(0, 5)]),
        "share": (float, [check.in_range(0, 1, include_min=False)]),
        "flag": (bool, []),
        "time": ("int64", [check.ge(0)]),
    }
    dtype, rules = checks[kind]
    nullable = kind in ("text", "number", "rating", "share")
    return pa.Column(
        dtype,
        rules,
        nullable=nullable,
        required=required,
        coerce=dtype is not None and kind != "flag",
        unique=kind == "unique",
    )


def _message(table: str, failures: pd.DataFrame, kinds: Mapping[str, str]) -> str:
    """The first failure as one sentence: which input, which rule, which value, and how many more there are."""
    failures = failures.sort_values("index", kind="stable")
    first = failures.iloc[0]
    column = first["column"] if isinstance(first["column"], str) else str(first["failure_case"])
    if first["check"] == "column_in_dataframe":
        return f"{table}: the column {first['failure_case']!r} is missing; it has to hold {_RULES[kinds[column]]}"
    same = failures[failures["column"] == column]
    rule = "different from each other" if first["check"] == "field_uniqueness" else _RULES[kinds[column]]
    where = f"row {int(first['index'])}" if pd.notna(first["index"]) else "the column"
    more = f" ({len(same)} rows break this rule)" if len(same) > 1 else ""
    value = first["failure_case"]
    return f"{table}.{column}: {where} has {value!r}, but the values have to be {rule}{more}; mend or drop them"
