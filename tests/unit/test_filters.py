"""The filter language: what passes, what is missing, and which mistakes are refused rather than quietly answered."""

from __future__ import annotations

import operator
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_lab.filters import Compare, Filter, FilterError, field

x = field("x")


def passed(where: Filter, values: Any, dtype: Any = None) -> list[bool]:
    mask = where.mask(pd.DataFrame({"x": pd.Series(values, dtype=dtype)}))
    assert mask.dtype == np.bool_
    return mask.tolist()


# -- operators, kinds of columns, missing values

OPERATORS = [
    # on a, b and a missing value; and the same on 1, 2 and a missing value
    (operator.eq, [True, False, False]),
    (operator.ne, [False, True, False]),
    (operator.lt, [False, False, False]),
    (operator.le, [True, False, False]),
    (operator.gt, [False, True, False]),
    (operator.ge, [True, True, False]),
]
TEXTS = [None, object, "string", "category"]
NUMBERS = ["float64", object, "Int64", "Float64", "category"]


@pytest.mark.parametrize("dtype", TEXTS)
@pytest.mark.parametrize(("compare", "wanted"), OPERATORS)
def test_operators_on_text(compare: Any, wanted: list[bool], dtype: Any) -> None:
    assert passed(compare(x, "a"), ["a", "b", None], dtype) == wanted


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize(("compare", "wanted"), OPERATORS)
def test_operators_on_numbers(compare: Any, wanted: list[bool], dtype: Any) -> None:
    assert passed(compare(x, 1), [1, 2, None], dtype) == wanted
    assert passed(compare(x, 1.0), [1, 2, None], dtype) == wanted


@pytest.mark.parametrize(
    ("value", "dtype"), [("a", "str"), ("a", "string"), ("a", "category"), (1, "Int64"), (1, None)]
)
def test_among(value: Any, dtype: Any) -> None:
    other = "b" if value == "a" else 2
    held = [value, other, None]
    assert passed(x.isin([value, "c" if value == "a" else 3]), held, dtype) == [True, False, False]
    assert passed(x.notin([value]), held, dtype) == [False, True, False]
    assert passed(x.isin([]), held, dtype) == [False, False, False]
    assert passed(x.notin([]), held, dtype) == [True, True, False]  # without a value it is not even "none of these"


@pytest.mark.parametrize("dtype", ["bool", "boolean", object])
def test_flags(dtype: Any) -> None:
    assert passed(x == True, [True, False], dtype) == [True, False]  # noqa: E712
    assert passed(x != True, [True, False], dtype) == [False, True]  # noqa: E712
    assert passed(x.isin([np.True_]), [True, False], dtype) == [True, False]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
@pytest.mark.parametrize("where", [x == "a", x != "a", x < "b", x.isin(["a"]), x.notin(["b"]), x.contains("a")])
def test_a_missing_value_satisfies_nothing_and_its_negation_everything(missing: Any, where: Filter) -> None:
    assert passed(where, ["aa", missing], object)[1] is False
    assert passed(~where, ["aa", missing], object)[1] is True
    assert not where.matches({"x": missing})
    assert not where.matches({})
    assert (~where).matches({"x": missing})


def test_contains_on_text() -> None:
    assert passed(x.contains("Lin"), ["Linen", "linen", "", None], "str") == [True, False, False, False]
    assert passed(x.contains(""), ["a", None], "str") == [True, False]
    assert passed(x.contains("a"), ["ab", "b"], "category") == [True, False]


@pytest.mark.parametrize("make", [list, tuple, set, frozenset, np.array])
def test_contains_on_lists(make: Any) -> None:
    held = pd.Series([make(["red", "blue"]), make(["reddish"]), make([]), None], dtype=object)
    assert passed(x.contains("red"), held) == [True, False, False, False]
    assert x.contains("red").matches({"x": make(["red"])})
    assert passed(x.contains(2), pd.Series([make([1, 2]), make([3])], dtype=object)) == [True, False]
    assert passed(x.contains(True), pd.Series([make([1, 2])], dtype=object)) == [False]


def test_and_or_not_and_nesting() -> None:
    products = pd.DataFrame({"x": [1, 2, 3, 4], "y": ["a", "a", "b", None]})
    y = field("y")
    assert ((x > 1) & (y == "a")).mask(products).tolist() == [False, True, False, False]
    assert ((x == 1) | (y == "b")).mask(products).tolist() == [True, False, True, False]
    assert (~((x > 1) & ~(y == "b")) | (x == 4)).mask(products).tolist() == [True, False, True, True]
    assert list((~((x > 1) & (y == "a")) | (x == 4)).fields()) == ["x", "y", "x"]
    assert (~~(x == 1)).mask(products).tolist() == (x == 1).mask(products).tolist()


def test_an_empty_frame_has_no_rows_that_pass() -> None:
    for dtype in ("float64", "str", object, "category"):
        assert passed((x == "a") & ~x.contains("b") | (x < 1), [], dtype) == []


def test_all_missing_is_no_kind_at_all() -> None:
    assert passed(x < 1, [None, None], object) == [False, False]
    assert passed(x < "a", [None, None], object) == [False, False]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "bool"])
def test_a_number_too_big_for_the_column_is_no_accident(dtype: str) -> None:
    if dtype == "bool":
        with pytest.raises(FilterError, match="True or False"):
            passed(x < 2**70, [True], dtype)
    else:
        assert passed(x < 300, [1, 100], dtype) == [True, True]
        assert passed(x == 300, [44, 100], dtype) == [False, False]  # 300 is 44 in eight bits
        assert passed(x.isin([-1, 2**70]), [1, 100], dtype) == [False, False]


def test_big_whole_numbers_are_compared_exactly() -> None:
    assert passed(x == 2**60 + 1, [2**60, 2**60 + 1]) == [False, True]
    assert passed(x <= float("inf"), [1, 2]) == [True, True]


def test_unicode_and_quotes() -> None:
    held = ["Größe “M”", "O'Neil", '5" heel', "日本", ""]
    for value in held:
        assert passed(x == value, held) == [value == other for other in held]
    assert field("preis €").isin(["ü"]).mask(pd.DataFrame({"preis €": ["ü", "u"]})).tolist() == [True, False]


# -- one product and a table of them agree

SCALARS = st.one_of(
    st.lists(st.sampled_from(["a", "b", "ab", "ä", ""]), min_size=1, max_size=4),
    st.lists(st.integers(-3, 3), min_size=1, max_size=4),
    st.lists(st.sampled_from([-1.5, 0.0, 0.5, 2.0]), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=1, max_size=4),
)


@st.composite
def tables_and_filters(draw: st.DrawFn) -> tuple[pd.DataFrame, Filter]:
    columns = {}
    leaves = []
    rows = draw(st.integers(1, 4))
    for name in ("one", "two"):
        pool = draw(SCALARS)
        columns[name] = pd.Series(
            draw(st.lists(st.sampled_from([*pool, None]), min_size=rows, max_size=rows)), dtype=object
        )
        value = draw(st.sampled_from(pool))
        there = field(name)
        leaves += [there == value, there != value, there.isin(pool), there.notin([value])]
        if not isinstance(value, bool):
            leaves += [there < value, there <= value, there > value, there >= value]
        if isinstance(value, str):
            leaves.append(there.contains(value))
    where = draw(
        st.recursive(
            st.sampled_from(leaves),
            lambda inner: st.one_of(
                inner.map(operator.invert),
                st.tuples(inner, inner).map(lambda two: two[0] & two[1]),
                st.tuples(inner, inner).map(lambda two: two[0] | two[1]),
            ),
            max_leaves=4,
        )
    )
    frame = pd.DataFrame(columns)
    return (frame.infer_objects() if draw(st.booleans()) else frame), where


@given(tables_and_filters())
def test_matches_is_mask_of_one_row(both: tuple[pd.DataFrame, Filter]) -> None:
    frame, where = both
    one_by_one = [where.matches(row) for row in frame.to_dict("records")]
    assert where.mask(frame).tolist() == one_by_one
    assert (~where).mask(frame).tolist() == [not passes for passes in one_by_one]


@given(tables_and_filters())
def test_a_filter_survives_pickling_and_ignores_the_index(both: tuple[pd.DataFrame, Filter]) -> None:
    frame, where = both
    again = pickle.loads(pickle.dumps(where))
    assert again == where and str(again) == str(where)
    shuffled = frame.set_axis(range(len(frame), 0, -1))
    assert again.mask(shuffled).tolist() == where.mask(frame).tolist()


# -- mistakes


def test_unknown_field_names_the_known_ones() -> None:
    with pytest.raises(FilterError, match=r"'colr'.*no such field.*colour, price"):
        (field("colr") == "red").mask(pd.DataFrame({"colour": ["red"], "price": [1.0]}))


@pytest.mark.parametrize(
    ("held", "where", "message"),
    [
        (["a", "b"], x == 1, r"'x'.*holds text.*compared with 1; give text in quotes"),
        (["a", "b"], x.isin(["a", 1]), r"'x'.*holds text.*compared with 1"),
        (["a", "b"], x == True, r"'x'.*holds text.*True"),  # noqa: E712
        ([1.0, 2.0], x == "a", r"'x'.*holds numbers.*'a'; give a number"),
        ([1, 2], x == True, r"'x'.*holds numbers.*True"),  # noqa: E712
        ([True, False], x == 1, r"'x'.*holds True or False.*compared with 1; give True or False"),
        ([True, False], x < 2, r"'x'.*holds True or False"),
        ([["a"], ["b"]], x == "a", r"'x'.*holds lists.*use \.contains"),
        ([["a"], ["b"]], x < 2, r"'x'.*holds lists"),
        ([1, "a"], x == 1, r"'x'.*mixes numbers and text"),
        (["a", 1], x < "b", r"'x'.*mixes numbers and text"),
        ([1, True], x == 1, r"'x'.*mixes True or False and numbers"),
        (pd.to_datetime(["2026-01-01", "2026-01-02"]), x < 2, r"'x'.*Timestamp.*2"),
        (pd.to_datetime(["2026-01-01", "2026-01-02"]), x == 2, r"'x'.*Timestamp.*2"),
        ([1, 2], x.contains(1), r"'x'.*contains works on text and on lists"),
        (["a", "b"], x.contains(1), r"'x'.*cannot contain 1"),
    ],
)
def test_kinds_are_not_compared_with_each_other(held: Any, where: Filter, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        passed(where, held if isinstance(held, pd.DatetimeIndex) else pd.Series(held))


@pytest.mark.parametrize("compare", [operator.eq, operator.ne, operator.lt, operator.ge])
@pytest.mark.parametrize("value", [None, [1], {"a": 1}, pd.Timestamp("2026-01-01"), np.datetime64("2026-01-01"), pd.NA])
def test_what_is_no_value(compare: Any, value: Any) -> None:
    with pytest.raises(FilterError, match=r"'x'.*no value to compare with"):
        compare(x, value)


@pytest.mark.parametrize("value", [float("nan"), np.nan, np.float32("nan")])
def test_nan_equals_nothing(value: Any) -> None:
    for build in (lambda: x == value, lambda: x.isin([1, value]), lambda: x.contains(value)):
        with pytest.raises(FilterError, match=r"'x'.*NaN equals nothing"):
            build()


@pytest.mark.parametrize("values", ["text", b"text", 5, (number for number in [1])])
def test_in_takes_a_list(values: Any) -> None:
    with pytest.raises(FilterError, match=r"'x'.*in takes a list"):
        x.isin(values)
    with pytest.raises(FilterError, match=r"'x'.*not in takes a list"):
        x.notin(values)


def test_in_takes_any_collection() -> None:
    for values in ([1, 2], (1, 2), {1, 2}, range(1, 3), np.array([1, 2]), pd.Series([1, 2]), {1: "a", 2: "b"}):
        assert x.isin(values) == Compare("x", "in", (1, 2))
    # A set's order changes from run to run; the filter, and what it prints, must not.
    assert str(x.isin({"c", "a", "b"})) == "x in ['a', 'b', 'c']"


def test_flags_have_no_order() -> None:
    for build in (lambda: x < True, lambda: x >= np.False_):
        with pytest.raises(FilterError, match=r"'x'.*no order"):
            build()


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: (x > 1) and (x < 3),
        lambda: (x > 1) or (x < 3),
        lambda: not (x > 1),
        lambda: 1 < x < 3,
        lambda: bool(x == 1),
    ],
)
def test_python_words_between_filters(mistake: Any) -> None:
    with pytest.raises(FilterError, match=r"filter x .*truth value.*& \| ~"):
        mistake()


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: x and (x < 3),
        lambda: x == 1 & x == 2,
        lambda: x & (x == 1),
        lambda: x | (x == 1),
        lambda: ~x,
        lambda: not x,
    ],
)
def test_a_field_alone(mistake: Any) -> None:
    with pytest.raises(FilterError, match=r"'x': a field alone"):
        mistake()


def test_other_things_beside_and_and_or() -> None:
    for build in (
        lambda: (x == 1) & True,
        lambda: True & (x == 1),
        lambda: (x == 1) | "a",
        lambda: x == 1 | (x == 2),
    ):
        with pytest.raises(FilterError, match="is not a filter"):
            build()


@pytest.mark.parametrize("name", ["", None, 5])
def test_a_field_has_a_name(name: Any) -> None:
    with pytest.raises(FilterError, match="name of a field"):
        field(name)


# -- how it reads


def test_text_of_a_filter() -> None:
    where = ((x == "O'Neil") | (field("preis €") > 1.5)) & ~x.isin(["ü", '"'])
    assert str(where) == """((x == "O'Neil" or preis € > 1.5) and not x in ['ü', '"'])"""
    assert str(x.contains("a") | (x != np.int64(3))) == "(x contains 'a' or x != 3)"
    assert str(x.notin([True])) == "x not in [True]"


def test_numpy_values_become_pythons() -> None:
    for value, kind in ((np.int64(3), int), (np.float32(0.5), float), (np.str_("a"), str), (np.True_, bool)):
        made = x == value
        assert isinstance(made, Compare) and type(made.value) is kind
    assert hash(x == np.int64(3)) == hash(x == 3)
