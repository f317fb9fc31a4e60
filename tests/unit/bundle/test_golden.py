"""Golden rows: stored without pickle, read back exactly, compared by value."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from penstock.bundle.golden import Golden, compare
from penstock.bundle.signature import DATATYPES
from penstock.errors import BundleError

NUMERIC = [dtype for name, dtype in DATATYPES.items() if name != "BYTES"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ARRAYS = st.sampled_from(NUMERIC).flatmap(lambda dtype: hnp.arrays(dtype, SHAPES))
TEXT = hnp.arrays(object, SHAPES, elements=st.text(max_size=5), fill=st.nothing())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("golden") / "golden.npz"


@given(first=ARRAYS, second=TEXT, name=st.text(min_size=1, max_size=8))
def test_rows_are_read_back_exactly(file: Path, first: Any, second: Any, name: str) -> None:
    Golden({name: first}, {name: second, f"{name}/0": first}, 0.0, 0.0).save(file)
    written = file.read_bytes()
    back = Golden.load(file, 0.25, 0.5)
    assert (back.rtol, back.atol) == (0.25, 0.5)
    np.testing.assert_array_equal(back.inputs[name], first, strict=True)
    np.testing.assert_array_equal(back.outputs[name], second, strict=True)
    compare(back.outputs, {name: second, f"{name}/0": first}, 0.0, 0.0)
    back.save(file)
    assert file.read_bytes() == written


def test_damaged_files_are_refused(file: Path) -> None:
    Golden({"x": np.zeros((2, 2))}, {"y": np.array(["a", "b"], dtype=object)}, 0.0, 0.0).save(file)
    whole = file.read_bytes()
    pickled = file.with_name("pickled.npz")
    np.savez(pickled, index=np.array([{"evil": 1}], dtype=object))
    empty = file.with_name("empty.npz")
    np.savez(empty, other=np.zeros(1))
    for bad in (b"", b"garbage", whole[:100], whole[:-30], pickled.read_bytes(), empty.read_bytes()):
        path = file.with_name("bad.npz")
        path.write_bytes(bad)
        with pytest.raises(BundleError, match="expected golden rows"):
            Golden.load(path, 0.0, 0.0)
    with pytest.raises(BundleError, match="expected golden rows"):
        Golden.load(file.with_name("missing.npz"), 0.0, 0.0)


@given(st.data())
def test_any_flipped_byte_is_refused_or_reads_as_rows(file: Path, data: st.DataObject) -> None:
    Golden({"x": np.arange(4)}, {"y": np.array(["a", "é"], dtype=object)}, 0.0, 0.0).save(file)
    damaged = bytearray(file.read_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path = file.with_name("flipped.npz")
    path.write_bytes(damaged)
    with contextlib.suppress(BundleError):
        Golden.load(path, 0.0, 0.0)


@pytest.mark.parametrize(
    ("expected", "got", "message"),
    [
        ([1.0, 2.0], [1.0, 2.1], r'output "y", row 1: expected 2.0, got 2.1$'),
        ([[1.0, 2.0]], [[1.0, np.nan]], r'output "y", row 0, column \[1\]: expected 2.0, got nan$'),
        ([np.inf], [-np.inf], "expected inf, got -inf"),
        ([1, 2], [1, 3], "row 1: expected 2, got 3"),
        ([True], [False], "row 0: expected True, got False"),
        ([1.0], [1], r"expected FP64 \[1\], got INT64 \[1\]"),
        ([1.0], [1.0, 1.0], r"expected FP64 \[1\], got FP64 \[2\]"),
        (1.0, 2.0, "row 0: expected 1.0, got 2.0"),
    ],
)
def test_the_first_difference_is_named(expected: Any, got: Any, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        compare({"y": np.array(expected)}, {"y": np.array(got)}, 1e-4, 1e-5)


def test_text_is_compared_as_utf8_and_missing_outputs_are_named() -> None:
    text = np.array(["é", "b"], dtype=object)
    compare({"y": text}, {"y": np.array(["é".encode(), b"b"], dtype=object), "more": text}, 0.0, 0.0)
    with pytest.raises(BundleError, match="row 1: expected 'b', got 'c'"):
        compare({"y": text}, {"y": np.array(["é", "c"], dtype=object)}, 0.0, 0.0)
    with pytest.raises(BundleError, match='output "y" is missing'):
        compare({"y": text}, {}, 0.0, 0.0)


@given(st.floats(width=32), st.floats(0, 1), st.floats(0, 1))
def test_equal_floats_always_agree(value: float, rtol: float, atol: float) -> None:
    compare({"y": np.array([value], "f4")}, {"y": np.array([value], "f4")}, rtol, atol)


def test_half_floats_do_not_overflow_in_the_comparison() -> None:
    with pytest.raises(BundleError, match=r"expected 65504\.0, got -65504\.0"):
        compare({"y": np.array([65504], "f2")}, {"y": np.array([-65504], "f2")}, 1e-3, 1e-3)
