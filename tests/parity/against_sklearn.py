"""Compares a converted transform with the scikit-learn transformer it came from, bit by bit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from penstock.errors import TransformError
from penstock.transform import Transform

Array = np.ndarray[Any, Any]

ORDERED = {"f4": (np.int32, np.int32(2**31 - 1)), "f8": (np.int64, np.int64(2**63 - 1))}


def expected_from(fitted: Any, data: Any) -> Array:
    """What scikit-learn gives, dense and in float64 or float32."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        given = fitted.transform(data)
    given = given.toarray() if hasattr(given, "toarray") else np.asarray(given)
    return given if given.dtype in (np.float32, np.float64) else given.astype(np.float64)


def quietly_fitted(transformer: Any, *data: Any) -> Any:
    """Fitted; an example that scikit-learn itself cannot be fitted to is none."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return transformer.fit(*data)
        except (ValueError, IndexError):
            reject()


def check(fitted: Any, data: Any, *, given: Any = None, example: Any = None, ulps: int = 0) -> None:
    """The transform of `data` (or of `given`, the same in another container) is scikit-learn's.

    In float64, and in float32: what scikit-learn gives, rounded once. Within `ulps` units in the last place
    of the type that scikit-learn gives.
    """
    expected = expected_from(fitted, data)
    given = table(data) if given is None else given
    if not expected.shape[1]:
        with pytest.raises(TransformError, match="no column"):
            Transform.from_sklearn(fitted, example)
        return
    for dtype in ("float64", "float32"):
        transform = Transform.from_sklearn(fitted, example, dtype=dtype)
        got = transform.transform(given)
        assert got.dtype == dtype
        assert got.shape == expected.shape
        assert len(transform.names) == got.shape[1]
        if ulps and dtype == "float64":
            assert_close(got, expected, ulps)
        elif ulps:
            with np.errstate(over="ignore"):
                assert_close(got, expected.astype(np.float32), ulps)
        else:
            with np.errstate(over="ignore"):
                assert_same_bits(got, expected.astype(dtype))


def assert_same_bits(got: Array, expected: Array) -> None:
    """Equal to the bit, signs of zeros too; any NaN is as good as another."""
    assert got.dtype == expected.dtype
    unsigned = f"u{got.dtype.itemsize}"
    same = (got.view(unsigned) == np.ascontiguousarray(expected).view(unsigned)) | (
        np.isnan(got) & np.isnan(expected)
    )
    if not same.all():
        row, column = np.argwhere(~same)[0]
        raise AssertionError(
            f"{(~same).sum()} of {same.size} differ, first in row {row}, column {column}: "
            f"got {got[row, column]!r}, expected {expected[row, column]!r}"
        )


def assert_close(got: Array, expected: Array, ulps: int) -> None:
    """NaN where expected is NaN; else not further than so many representable numbers away.

    Where expected is float32 in a float64 array, representable numbers are those of float32.
    """
    assert (np.isnan(got) == np.isnan(expected)).all()
    if expected.dtype == np.float32:
        got = got.astype(np.float32)
    there = ~np.isnan(expected)
    distance = np.abs(_ordered(got[there]) - _ordered(expected[there]))
    if len(distance) and distance.max() > ulps:
        worst = int(distance.argmax())
        pair = f"got {got[there][worst]!r}, expected {expected[there][worst]!r}"
        raise AssertionError(f"{int(distance.max())} ulps apart: {pair}")


def _ordered(values: Array) -> Array:
    """Integers that differ by one where the values are neighbours; Python's, which never overflow."""
    bits, mask = ORDERED[values.dtype.str[1:]]
    as_ints = values.view(bits)
    return np.where(as_ints < 0, -(as_ints & mask).astype(object), as_ints.astype(object))


def table(data: Any) -> Any:
    """The same data as a transform takes them: an array of objects as Arrow columns, the rest as it is."""
    if isinstance(data, np.ndarray) and data.dtype == object:
        return pa.table({f"x{i}": pa.array(list(data[:, i]), from_pandas=True) for i in range(data.shape[1])})
    return data


# Data.


def floats(
    dtype: Any, *, nan: bool = True, infinity: bool = False, largest: float | None = None
) -> st.SearchStrategy[float]:
    """Numbers of a type: with NaN, zeros of both signs, and where asked infinities."""
    width = np.dtype(dtype).itemsize * 8
    bound = None if largest is None else float(np.dtype(dtype).type(largest))
    low = None if bound is None else -bound
    bounded = st.floats(low, bound, width=width, allow_nan=False, allow_infinity=False)
    special = [0.0, -0.0, 1.0, -1.0] + [float("nan")] * nan + [float("inf"), float("-inf")] * infinity
    return st.one_of(bounded, st.sampled_from(special))


@st.composite
def matrices(
    draw: Any,
    columns: int | None = None,
    *,
    rows: tuple[int, int] = (1, 12),
    dtypes: tuple[str, ...] = ("f4", "f8"),
    nan: bool = True,
    infinity: bool = False,
    largest: float | None = None,
) -> Array:
    """A matrix of floats or integers."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = (draw(st.integers(*rows)), draw(st.integers(1, 4)) if columns is None else columns)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        low, high = max(limits.min, -(2**53)), min(limits.max, 2**53)
        return draw(arrays(dtype, shape, elements=st.one_of(st.integers(low, high), st.integers(0, 3))))
    return draw(arrays(dtype, shape, elements=floats(dtype, nan=nan, infinity=infinity, largest=largest)))


def texts() -> st.SearchStrategy[str]:
    """Texts of every plane of Unicode, empty ones, with NULs; no lone surrogates, which are no text."""
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def text_matrices(draw: Any, columns: int = 2, *, missing: tuple[object, ...] = (None, float("nan"))) -> Any:
    """Two matrices of texts, to fit on and to transform: the second has texts that the first does not have.

    One kind of missing value, or none.
    """
    absent = draw(st.sampled_from([*missing, "none at all"]))
    pool = draw(st.lists(texts(), min_size=1, max_size=6, unique=True))
    more = draw(st.lists(texts(), min_size=1, max_size=3))
    own = [absent] if absent != "none at all" else []

    def matrix(choices: list[object], least: int) -> Array:
        count = draw(st.integers(least, 12))
        picked = draw(st.lists(st.sampled_from(choices), min_size=count * columns, max_size=count * columns))
        made = np.empty(count * columns, dtype=object)
        made[:] = picked
        return made.reshape(count, columns)

    return matrix([*pool, *own], 1), matrix([*pool, *more, *own], 1)
