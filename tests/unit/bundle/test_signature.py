"""Signatures: what is accepted, what is refused, and how shapes are compared."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.bundle.signature import DATATYPES, Signature, TensorSpec, datatype_of, format_shape, matches
from penstock.errors import SignatureError

X = TensorSpec("x", "FP32", (-1, 3))
Y = TensorSpec("y", "FP32", (-1,))
Z = TensorSpec("z", "INT64", (-1,))


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_maps_both_ways(datatype: str) -> None:
    assert datatype_of(DATATYPES[datatype]) == datatype
    assert datatype_of(DATATYPES[datatype].newbyteorder(">")) == datatype


@pytest.mark.parametrize(
    ("dtype", "expected"), [("U4", "BYTES"), ("S4", "BYTES"), ("c8", None), ("M8[s]", None)]
)
def test_other_dtypes(dtype: str, expected: str | None) -> None:
    assert datatype_of(np.dtype(dtype)) == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("", "FP32", (1,)), "tensor name"),
        (("x", "BF16", (1,)), 'got "BF16"'),
        (("x", "FP32", (-2,)), r"\[-2\]"),
        (("x", "FP32", (1,) * 65), "64 dimensions"),
    ],
)
def test_bad_tensors_are_refused(fields: tuple[str, str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TensorSpec(*fields)


def test_bad_signatures_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one input"):
        Signature((), (Y,), batched=True)
    with pytest.raises(ValueError, match="unique output names"):
        Signature((X,), (Y, Y), batched=True)
    with pytest.raises(ValueError, match="dimension 0 to be -1"):
        Signature((X,), (TensorSpec("y", "FP32", (1,)),), batched=True)
    with pytest.raises(msgspec.ValidationError, match="BF16"):
        msgspec.convert({"name": "x", "datatype": "BF16", "shape": [1]}, TensorSpec)


def test_outputs_are_checked() -> None:
    signature = Signature((X,), (Y, Z), batched=True)
    assert signature.check_outputs(None) == ("y", "z")
    assert signature.check_outputs([]) == ("y", "z")
    assert signature.check_outputs(["z", "y"]) == ("z", "y")
    with pytest.raises(SignatureError, match=r'^unknown output "q"; expected outputs: "y", "z"$'):
        signature.check_outputs(["y", "q"])
    with pytest.raises(SignatureError, match=r'^output "y" is requested more than once$'):
        signature.check_outputs(["y", "y"])


@given(st.lists(st.integers(0, 2**62), max_size=6), st.data())
def test_a_shape_matches_itself_with_any_dimension_left_open(shape: list[int], data: st.DataObject) -> None:
    opened = [-1 if data.draw(st.booleans()) else size for size in shape]
    assert matches(shape, opened)
    assert not matches([*shape, 1], opened)
    if shape and opened[0] != -1:
        assert not matches([shape[0] + 1, *shape[1:]], opened)


def test_signatures_survive_json() -> None:
    signature = Signature((X,), (Y, Z), batched=True)
    assert msgspec.json.decode(msgspec.json.encode(signature), type=Signature) == signature
    assert format_shape(()) == "[]"
    assert (X.dtype, X.element_bytes, TensorSpec("s", "BYTES", ()).element_bytes) == (np.float32, 4, 0)
