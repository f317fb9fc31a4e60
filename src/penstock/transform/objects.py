"""Python objects as a column: each is looked at, since any may be of any type.

Text is bound without this module, in _columns.pyx.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from penstock.errors import SignatureError
from penstock.imports import imported

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["is_missing_object", "typed_array"]


def is_missing_object(item: object) -> bool:
    """Tell whether an object stands for a missing value: None, NaN, NaT, ``pandas.NA``."""
    if item is None:
        return True
    if isinstance(item, float | np.floating):
        return bool(item != item)
    if isinstance(item, np.datetime64):
        return bool(np.isnat(item))
    pandas = imported("pandas")
    return pandas is not None and (item is pandas.NA or item is pandas.NaT)


def typed_array(name: str, want: str, array: npt.NDArray[np.object_], *, rounds: bool) -> pa.Array:
    """Make an Arrow array of a column of numbers, bools or times.

    Parameters
    ----------
    name : str
        Of the column, for errors.
    want : str
        One of :data:`penstock.transform.spec.TYPES`, not ``string``.
    array : ndarray of object
    rounds : bool
        Whether numbers may be rounded to float32, as for a Python list, which carries no type.

    Raises
    ------
    SignatureError
        Naming the column, the row, what was expected and what came.

    Examples
    --------
    >>> typed_array("age", "number", np.array([41, None], dtype=object), rounds=True).to_pylist()
    [41.0, None]
    """
    import pyarrow as pa

    is_time = want == "date32" or want.startswith("timestamp")
    values = [None if is_missing_object(item) else item for item in array]
    for row, item in enumerate(values):
        if item is not None and not isinstance(item, _TIMES if is_time else _NUMBERS):
            raise _refused(name, row, want, type(item).__name__)
    if is_time:
        return _converted(name, want, values, pa.date32() if want == "date32" else pa.timestamp(want[10:-1]))
    values = [item.item() if isinstance(item, np.generic) else item for item in values]
    kinds = {type(item) for item in values if item is not None}
    if not kinds:
        return pa.nulls(len(values))
    if want == "number":
        want = _common_type(kinds, has_missing=None in values)
    else:
        for row, item in enumerate(values):
            if item is not None and not _fits(item, want, rounds):
                raise _refused(name, row, want, type(item).__name__)
    if want in ("float32", "float64"):
        values = [None if item is None else float(item) for item in values]
    return _converted(name, want, values, pa.bool_() if want == "bool" else getattr(pa, want)())


_NUMBERS = (bool, int, float, np.integer, np.floating, np.bool_)
_TIMES = (datetime.date, np.datetime64)


def _common_type(kinds: set[type], *, has_missing: bool) -> str:
    if kinds == {bool} and not has_missing:
        return "bool"
    return "int64" if kinds == {int} and not has_missing else "float64"


def _fits(item: object, want: str, rounds: bool) -> bool:
    if isinstance(item, bool) or want == "bool":
        return isinstance(item, bool) and want == "bool"
    if isinstance(item, float):
        return want == "float64" or (want == "float32" and rounds)
    return want != "float32" or rounds


def _converted(name: str, want: str, values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values, type=kind, from_pandas=True)
    except (pa.ArrowException, OverflowError, ValueError, TypeError) as error:
        raise SignatureError(f'column "{name}": expected {want} values; {error}') from None


def _refused(name: str, row: int, want: str, got: str) -> SignatureError:
    expected = "a number" if want == "number" else want
    return SignatureError(
        f'column "{name}", row {row}: expected {expected}, got {got}', name=name, reason="datatype"
    )
