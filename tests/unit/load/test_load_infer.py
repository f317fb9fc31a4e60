"""Requests that are made for a model fit its signature."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.signature import DATATYPES, Signature, TensorSpec
from penstock.load.infer import encode_request, random_inputs, signature_of, slices
from penstock.protos import message_class

Y = TensorSpec("y", "FP32", (-1,))


@pytest.mark.parametrize("datatype", DATATYPES)
def test_random_inputs_have_the_declared_type_and_shape(datatype: str) -> None:
    signature = Signature((TensorSpec("x", datatype, (-1, 3, -1)),), (Y,), batched=True)
    array = random_inputs(signature, rows=5)["x"]
    assert (array.shape, array.dtype) == ((5, 3, 1), DATATYPES[datatype])
    assert array.tolist() == random_inputs(signature, rows=5)["x"].tolist(), "the seed fixes the rows"
    request = message_class("ModelInferRequest").FromString(encode_request("m", 3, signature, {"x": array}))
    assert (request.model_name, request.model_version) == ("m", "3")
    assert (request.inputs[0].datatype, list(request.inputs[0].shape)) == (datatype, [5, 3, 1])
    if datatype != "BYTES":
        assert request.raw_input_contents[0] == array.tobytes()


def test_text_is_length_prefixed() -> None:
    signature = Signature((TensorSpec("x", "BYTES", (-1,)),), (Y,), batched=True)
    body = encode_request("m", None, signature, {"x": np.array(["é", b"ab", ""], dtype=object)})
    request = message_class("ModelInferRequest").FromString(body)
    assert request.model_version == ""
    assert request.raw_input_contents[0] == b"\2\0\0\0\xc3\xa9\2\0\0\0ab\0\0\0\0"


def test_a_model_without_a_batch_dimension_gets_whole_inputs() -> None:
    signature = Signature((TensorSpec("x", "INT8", (2, 2)),), (Y,), batched=False)
    assert random_inputs(signature, rows=9)["x"].shape == (2, 2)


def test_slices_leave_the_incomplete_one_out() -> None:
    parts = list(slices({"x": np.arange(7)}, rows=7, step=3))
    assert [part["x"].tolist() for part in parts] == [[0, 1, 2], [3, 4, 5]]


def test_signature_from_metadata() -> None:
    metadata = message_class("ModelMetadataResponse")(name="m")
    metadata.inputs.add(name="x", datatype="FP32", shape=[-1, 2])
    metadata.outputs.add(name="y", datatype="INT64", shape=[-1])
    signature = signature_of(metadata)
    assert signature.batched
    assert signature.inputs == (TensorSpec("x", "FP32", (-1, 2)),)
    metadata.outputs[0].shape[0] = 1
    assert not signature_of(metadata).batched
