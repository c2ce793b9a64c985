"""The blank of the exercises."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from typing import Any

import numpy as np
import pandas as pd

_COMPARISONS = {np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal}


class Placeholder:
    """What stands in an exercise until somebody fills it in; it lets the rest of the notebook run all the same.

    Whatever is done with it gives the blank again: arithmetic, comparison, a call, an attribute, an index, a function
    of numpy. It prints as `____` in any format, is False in an `if`, has no elements, and is NaN as a number.

    >>> share = ____
    >>> print(f"{share * 2:.3f}", ____(1, 2).mean()[0], np.round(____), np.ones(2) + ____)
    ____ ____ ____ ____
    >>> bool(____ < 3), len(____), list(____), float(____), np.asarray(____).item()
    (False, 0, [], nan, nan)

    Compared with an array or a column it is False for each element: such flags no longer show that they were a blank.
    What no stand-in survives, so that no exercise may ask for it: an `assert`, unpacking (`a, b = ____`), and an
    argument that has to name or count something that is there (`prices[____]`, `frame[____]`, `frame.head(____)`).
    Make the whole right side the blank instead.
    """

    # pandas takes what has no dimensions for one value: a column can be set to a blank, though it can be iterated over.
    ndim = 0
    shape: tuple[int, ...] = ()
    dtype = np.dtype(object)
    __pandas_priority__ = 10_000  # a column leaves arithmetic and comparison with a blank to the blank

    def _same(self, *_: object, **__: object) -> Placeholder:
        return self

    __call__ = __getitem__ = __enter__ = _same
    __add__ = __sub__ = __mul__ = __matmul__ = __truediv__ = __floordiv__ = __mod__ = __pow__ = __divmod__ = _same
    __radd__ = __rsub__ = __rmul__ = __rmatmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __rpow__ = _same
    __and__ = __or__ = __xor__ = __lshift__ = __rshift__ = __rand__ = __ror__ = __rxor__ = _same
    __neg__ = __pos__ = __abs__ = __invert__ = __round__ = __floor__ = __ceil__ = __trunc__ = _same
    __array_function__ = __copy__ = __deepcopy__ = _same

    def _holds(self, other: object) -> Any:
        """A comparison: the blank again, which is False; for each element, where `frame[prices < ____]` needs flags."""
        if isinstance(other, pd.Series | pd.DataFrame):
            return other.isna() & False
        return np.zeros(other.shape, dtype=bool) if isinstance(other, np.ndarray) and other.ndim else self

    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _holds

    def __getattr__(self, name: str) -> Placeholder:
        # Who looks for a protocol (`_repr_html_`, `__array_interface__`) has to find nothing.
        if name.startswith("_"):
            raise AttributeError(f"the blank ____ has no {name}")
        return self

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **_: Any) -> Any:
        if function not in _COMPARISONS:
            return self
        return self._holds(next((part for part in inputs if part is not self), self))

    def __setattr__(self, name: str, value: object) -> None: ...
    def __setitem__(self, key: object, value: object) -> None: ...
    def __delitem__(self, key: object) -> None: ...
    def __exit__(self, *error: object) -> None: ...

    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __contains__(self, value: object) -> bool:
        return False

    def __float__(self) -> float:
        return float("nan")

    def __int__(self) -> int:
        return 0

    __index__ = __int__

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        has_nan = dtype is None or np.dtype(dtype).kind in "fcOmM"
        return np.array(np.nan if has_nan else 0).astype(dtype or float)

    def __hash__(self) -> int:
        return hash(Placeholder)

    def __repr__(self) -> str:
        return "____"

    def __format__(self, spec: str) -> str:
        return "____"

    def __reduce__(self) -> str:
        return "____"  # there is one blank: pickle stores its name


____ = Placeholder()


def is_blank(value: Any) -> bool:
    """Whether a value, or a function's code, still has a blank in it.

    >>> def share(clicks, shown):
    ...     return ____
    >>> is_blank(share), is_blank([1, ____]), is_blank(0)
    (True, True, False)
    """
    if isinstance(value, Placeholder):
        return True
    if isinstance(value, dict):
        return any(is_blank(part) for part in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return any(is_blank(part) for part in value)
    if getattr(getattr(value, "dtype", None), "kind", "") == "O":  # arrays and columns that were computed with a blank
        return any(isinstance(part, Placeholder) for part in np.asarray(value, dtype=object).ravel())
    code = getattr(value, "__code__", None)
    return isinstance(code, CodeType) and _mentions_blank(code)


def _mentions_blank(code: CodeType) -> bool:
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return "____" in (*code.co_names, *code.co_freevars) or any(_mentions_blank(part) for part in inner)
