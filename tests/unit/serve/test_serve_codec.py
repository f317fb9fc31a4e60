"""ModelInfer messages: what passes, and word for word what each refusal says."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import InferInput, InferResult, service_pb2
from tritonclient.utils import triton_to_np_dtype

from penstock.bundle.signature import DATATYPES, Signature, TensorSpec
from penstock.errors import InferenceError, ModelNotFoundError, ModelNotReadyError, SignatureError
from penstock.serve.codec import ModelInferRequest, ModelInferResponse, decode, encode, parse

FIELDS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def signature(*inputs: TensorSpec, batched: bool = True) -> Signature:
    outputs = (TensorSpec("p", "FP32", (-1,)), TensorSpec("q", "FP32", (-1, 2)))
    return Signature(inputs, outputs, batched)


SIGNATURES = {
    "m": signature(TensorSpec("a", "FP32", (-1, 3)), TensorSpec("b", "INT64", (-1,))),
    "text": signature(TensorSpec("a", "BYTES", (-1, 1))),
    "flag": signature(TensorSpec("a", "BOOL", (-1,))),
    "half": signature(TensorSpec("a", "FP16", (-1, -1))),
    "small": signature(TensorSpec("a", "INT8", (-1,))),
    "fixed": signature(TensorSpec("a", "FP32", (2, -1)), batched=False),
    "scalar": signature(TensorSpec("a", "FP32", ()), batched=False),
} | {name: signature(TensorSpec("a", name, (-1, 2))) for name in DATATYPES}


class Catalog:
    """Models with version 3 active, version 4 known."""

    def signature(self, model: str, version: int | None = None) -> Signature:
        if model == "loading":
            raise ModelNotReadyError('model "loading" is not ready: not loaded')
        if model not in SIGNATURES:
            raise ModelNotFoundError(f'model "{model}" is not in the repository')
        if version == 4:
            raise ModelNotReadyError(f'model "{model}" version 4 is not ready: not loaded')
        if version not in (None, 3):
            raise ModelNotFoundError(f'model "{model}" has no version "{version}"')
        return SIGNATURES[model]


CATALOG = Catalog()


def good(model: str = "m", rows: int = 2) -> Any:
    request = ModelInferRequest(model_name=model, id="7")
    request.inputs.add(name="a", datatype="FP32", shape=[rows, 3])
    request.inputs.add(name="b", datatype="INT64", shape=[rows])
    request.raw_input_contents.append(np.arange(rows * 3, dtype="<f4").tobytes())
    request.raw_input_contents.append(np.arange(rows, dtype="<i8").tobytes())
    return request


def single(model: str, datatype: str, shape: list[int], raw: bytes | None = None, **contents: Any) -> Any:
    request = ModelInferRequest(model_name=model)
    tensor = request.inputs.add(name="a", datatype=datatype, shape=shape)
    if raw is not None:
        request.raw_input_contents.append(raw)
    for field, values in contents.items():
        getattr(tensor.contents, field).extend(values)
    return request


def refusal(request: Any, error: type[Exception] = SignatureError) -> str:
    with pytest.raises(error) as caught:
        decode(request, CATALOG)
    return str(caught.value)


def text(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


# Parsing


@pytest.mark.parametrize(
    "data",
    [b"\x0a", b"\x0a\x05ab", b"\xff" * 12, b"\x07\x01", b"\x0b", b"\x0a\x01\xff", b"\x22\x03\x0a\x01\xff"],
    ids=["no length", "cut", "varint", "wire type", "open group", "name not UTF-8", "key not UTF-8"],
)
def test_bytes_that_are_no_message(data: bytes) -> None:
    with pytest.raises(SignatureError, match=r"^malformed ModelInferRequest: not a valid protobuf message$"):
        parse(ModelInferRequest, data)


def test_unknown_fields_are_passed_over() -> None:
    data = good().SerializeToString() + b"\xf8\x07\x01"
    assert decode(parse(ModelInferRequest, data), CATALOG).model == "m"


# What passes


def test_raw_inputs() -> None:
    call = decode(good(), CATALOG)
    assert (call.model, call.version, call.id, call.priority, call.timeout_s) == ("m", None, "7", 0, None)
    assert call.outputs == ()
    np.testing.assert_array_equal(call.inputs["a"], np.arange(6, dtype=np.float32).reshape(2, 3))
    np.testing.assert_array_equal(call.inputs["b"], np.arange(2))
    assert call.inputs["a"].dtype == np.float32


def test_inputs_in_any_order() -> None:
    request = good()
    request.inputs.reverse()
    request.raw_input_contents.reverse()
    assert decode(request, CATALOG).inputs["b"].tolist() == [0, 1]


def test_the_version_that_is_named() -> None:
    request = good()
    request.model_version = "3"
    assert decode(request, CATALOG).version == 3


@pytest.mark.parametrize("field", ["int64_param", "uint64_param"])
def test_parameters(field: str) -> None:
    request = good()
    setattr(request.parameters["priority"], field, 2)
    setattr(request.parameters["timeout"], field, 1500)
    request.parameters["other"].string_param = "ignored"
    call = decode(request, CATALOG)
    assert (call.priority, call.timeout_s) == (2, 0.0015)


def test_a_timeout_of_zero_is_none() -> None:
    request = good()
    request.parameters["timeout"].int64_param = 0
    assert decode(request, CATALOG).timeout_s is None


def test_the_last_of_a_repeated_parameter_counts() -> None:
    first, second = good(), ModelInferRequest()
    first.parameters["priority"].int64_param = 99
    second.parameters["priority"].int64_param = 1
    data = first.SerializeToString() + second.SerializeToString()
    assert decode(parse(ModelInferRequest, data), CATALOG).priority == 1


def test_outputs_in_the_order_asked_for() -> None:
    request = good()
    request.outputs.add(name="q").parameters["binary_data"].bool_param = True
    request.outputs.add(name="p")
    assert decode(request, CATALOG).outputs == ("q", "p")


def test_bool_bytes_are_normalised() -> None:
    array = decode(single("flag", "BOOL", [3], b"\x00\x01\x80"), CATALOG).inputs["a"]
    assert array.dtype == np.bool_
    assert array.tobytes() == b"\x00\x01\x01"


def test_text() -> None:
    raw = decode(single("text", "BYTES", [2, 1], text("é".encode(), b"")), CATALOG)
    typed = decode(single("text", "BYTES", [2, 1], bytes_contents=["é".encode(), b""]), CATALOG)
    assert raw.inputs["a"].tolist() == typed.inputs["a"].tolist() == [["é"], [""]]


def test_no_elements_where_a_dimension_may_be_empty() -> None:
    assert decode(single("half", "FP16", [4, 0], b""), CATALOG).inputs["a"].shape == (4, 0)
    assert decode(single("fixed", "FP32", [2, 0]), CATALOG).inputs["a"].shape == (2, 0)


def test_a_scalar() -> None:
    assert decode(single("scalar", "FP32", [], struct.pack("<f", 1.5)), CATALOG).inputs["a"] == 1.5


@pytest.mark.parametrize("datatype", FIELDS)
@given(data=st.data())
def test_raw_and_typed_give_the_same_array(datatype: str, data: st.DataObject) -> None:
    dtype = DATATYPES[datatype]
    elements = data.draw(st.lists(ELEMENTS[dtype.kind](dtype), min_size=2, max_size=2))
    array = np.array(elements, dtype).reshape(1, 2)
    tensor = InferInput("a", [1, 2], datatype)
    tensor.set_data_from_numpy(array)
    raw = single(datatype, datatype, [1, 2], tensor._get_content())
    sent = [element.encode() for element in elements] if datatype == "BYTES" else array.ravel().tolist()
    typed = single(datatype, datatype, [1, 2], **{FIELDS[datatype]: sent})
    for request in (raw, typed):
        got = decode(request, CATALOG).inputs["a"]
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, array)


def integers(dtype: np.dtype[Any]) -> st.SearchStrategy[int]:
    return st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


ELEMENTS: dict[str, Callable[[np.dtype[Any]], st.SearchStrategy[Any]]] = {
    "b": lambda _: st.booleans(),
    "i": integers,
    "u": integers,
    "f": lambda dtype: st.floats(width=dtype.itemsize * 8),  # type: ignore[arg-type]
    "O": lambda _: st.text(st.characters(exclude_categories=["Cs"])),
}


# What is refused


@pytest.mark.parametrize(
    ("model", "version", "error", "message"),
    [
        ("x", "", ModelNotFoundError, 'model "x" is not in the repository'),
        ("", "", ModelNotFoundError, 'model "" is not in the repository'),
        ("x", "zero", ModelNotFoundError, 'model "x" is not in the repository'),
        ("m", "7", ModelNotFoundError, 'model "m" has no version "7"'),
        ("m", "0", ModelNotFoundError, 'model "m" has no version "0"'),
        ("m", "03", ModelNotFoundError, 'model "m" has no version "03"'),
        ("m", "-3", ModelNotFoundError, 'model "m" has no version "-3"'),
        ("m", "3\n", ModelNotFoundError, 'model "m" has no version "3\n"'),
        ("m", "٣", ModelNotFoundError, 'model "m" has no version "٣"'),
        ("m", "9999999999", ModelNotFoundError, 'model "m" has no version "9999999999"'),
        ("m", "4", ModelNotReadyError, 'model "m" version 4 is not ready: not loaded'),
        ("loading", "", ModelNotReadyError, 'model "loading" is not ready: not loaded'),
        ("loading", "x", ModelNotFoundError, 'model "loading" has no version "x"'),
    ],
)
def test_models_and_versions(model: str, version: str, error: type[Exception], message: str) -> None:
    request = good(model)
    request.model_version = version
    assert refusal(request, error) == message


@pytest.mark.parametrize(
    ("name", "field", "value", "message"),
    [
        ("priority", "int64_param", 3, 'parameter "priority": expected an integer from 0 to 2'),
        ("priority", "int64_param", -1, 'parameter "priority": expected an integer from 0 to 2'),
        ("priority", "uint64_param", 2**64 - 1, 'parameter "priority": expected an integer from 0 to 2'),
        ("priority", "string_param", "1", 'parameter "priority": expected an integer from 0 to 2'),
        ("priority", "bool_param", True, 'parameter "priority": expected an integer from 0 to 2'),
        (
            "timeout",
            "int64_param",
            -1,
            'parameter "timeout": expected microseconds as a non-negative integer',
        ),
        (
            "timeout",
            "double_param",
            1.0,
            'parameter "timeout": expected microseconds as a non-negative integer',
        ),
    ],
)
def test_parameters_out_of_range(name: str, field: str, value: Any, message: str) -> None:
    request = good()
    setattr(request.parameters[name], field, value)
    assert refusal(request) == message


def test_a_parameter_without_a_value() -> None:
    request = good()
    request.parameters["priority"].SetInParent()
    assert refusal(request) == 'parameter "priority": expected an integer from 0 to 2'


def test_raw_and_typed_mixed() -> None:
    request = good()
    request.inputs[1].contents.int64_contents.append(1)
    assert refusal(request) == "raw_input_contents and typed contents must not be mixed"


def test_empty_contents_beside_raw_are_no_mixture() -> None:
    request = good()
    request.inputs[1].contents.SetInParent()
    decode(request, CATALOG)


@pytest.mark.parametrize("buffers", [1, 3])
def test_buffers_that_are_not_one_for_each_input(buffers: int) -> None:
    request = good()
    request.raw_input_contents[:] = [b""] * buffers
    assert refusal(request) == f"raw_input_contents holds {buffers} buffers; expected 2, one for each input"


def test_unknown_input() -> None:
    request = good()
    request.inputs[0].name = "z"
    assert refusal(request) == 'unknown input "z"; expected inputs: "a", "b"'


def test_repeated_input() -> None:
    request = good()
    request.inputs[1].CopyFrom(request.inputs[0])
    request.raw_input_contents[1] = request.raw_input_contents[0]
    assert refusal(request) == 'input "a" is given more than once'


def test_missing_input() -> None:
    request = good()
    del request.inputs[1], request.raw_input_contents[1]
    assert refusal(request) == 'missing input "b"'
    assert refusal(ModelInferRequest(model_name="m")) == 'missing input "a"'


def test_shared_memory_input() -> None:
    request = good()
    request.inputs[0].parameters["shared_memory_region"].string_param = "r"
    assert refusal(request) == 'input "a": shared memory is not supported; send the tensor in the message'


@pytest.mark.parametrize("datatype", ["INT64", "fp32", "", "BF16"])
def test_datatype(datatype: str) -> None:
    request = good()
    request.inputs[0].datatype = datatype
    assert refusal(request) == f'input "a": expected datatype FP32, got "{datatype}"'


@pytest.mark.parametrize(
    "shape", [[], [2], [2, 4], [2, 3, 1], [0, 3], [-1, 3], [2, -1], [2**40, 3], [2**62, 3], [2**63 - 1, 3]]
)
def test_shape(shape: list[int]) -> None:
    request = good()
    request.inputs[0].shape[:] = shape
    got = ",".join(map(str, shape))
    assert refusal(request) == f'input "a": expected shape [-1,3], got [{got}]'


@pytest.mark.parametrize("shape", [[2**62, 0], [0, 2**62], [65_537, 0], [1, 2**62]])
def test_an_empty_dimension_does_not_make_up_for_a_huge_one(shape: list[int]) -> None:
    request = single("half", "FP16", shape)
    assert refusal(request) == f'input "a": expected shape [-1,-1], got [{shape[0]},{shape[1]}]'


def test_rows_may_be_empty() -> None:
    assert (
        refusal(single("half", "FP16", [65_536, 0])) == 'input "a": FP16 must be sent in raw_input_contents'
    )


def test_byte_count() -> None:
    request = good()
    request.raw_input_contents[0] = b"123456789012"
    assert refusal(request) == 'input "a": expected 24 bytes for shape [2,3], got 12'


@pytest.mark.parametrize(
    "raw",
    [
        text(b"a"),
        text(b"a", b"b", b"c"),
        text(b"a", b"b") + b"\0",
        text(b"a", b"b")[:-1],
        text(b"a") + b"\0\0",
        struct.pack("<I", 2**32 - 1),
        b"",
    ],
    ids=["one", "three", "more", "cut", "cut length", "huge length", "empty"],
)
def test_bytes_elements(raw: bytes) -> None:
    assert refusal(single("text", "BYTES", [2, 1], raw)) == (
        'input "a": BYTES tensor of shape [2,1] does not hold exactly 2 length-prefixed elements'
    )


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
def test_bytes_elements_that_are_not_text(bad: bytes) -> None:
    message = 'input "a": element 1 is not valid UTF-8'
    assert refusal(single("text", "BYTES", [2, 1], text(b"ok", bad))) == message
    assert refusal(single("text", "BYTES", [2, 1], bytes_contents=[b"ok", bad])) == message


@pytest.mark.parametrize("datatype", FIELDS)
def test_typed_count(datatype: str) -> None:
    field = FIELDS[datatype]
    one = b"x" if datatype == "BYTES" else 1
    message = f'input "a": expected 4 elements in {field} for shape [2,2]'
    assert refusal(single(datatype, datatype, [2, 2])) == message
    assert refusal(single(datatype, datatype, [2, 2], **{field: [one] * 3})) == message
    other = "fp64_contents" if field != "fp64_contents" else "fp32_contents"
    assert refusal(single(datatype, datatype, [2, 2], **{other: [1.0] * 4})) == message
    assert refusal(single(datatype, datatype, [2, 2], **{field: [one] * 4, other: [1.0]})) == message


def test_typed_half() -> None:
    message = 'input "a": FP16 must be sent in raw_input_contents'
    assert refusal(single("half", "FP16", [1, 1], fp32_contents=[1.0])) == message
    assert refusal(single("half", "FP16", [1, 1])) == message


@pytest.mark.parametrize(
    ("datatype", "field", "bad"),
    [
        ("INT8", "int_contents", -129),
        ("INT8", "int_contents", 128),
        ("INT16", "int_contents", 2**15),
        ("UINT8", "uint_contents", 256),
        ("UINT16", "uint_contents", 2**16),
    ],
)
def test_typed_range(datatype: str, field: str, bad: int) -> None:
    request = single(datatype, datatype, [2, 2], **{field: [0, 1, 2, bad]})
    assert refusal(request) == f'input "a": element 3 is out of range for {datatype}'


def test_row_counts() -> None:
    request = good()
    request.inputs[1].shape[:] = [3]
    request.raw_input_contents[1] = bytes(24)
    assert refusal(request) == 'input "b" has 3 rows; input "a" has 2'
    request.inputs.reverse()
    request.raw_input_contents.reverse()
    assert refusal(request) == 'input "a" has 2 rows; input "b" has 3'


def test_unknown_output() -> None:
    request = good()
    request.outputs.add(name="z")
    assert refusal(request) == 'unknown output "z"; expected outputs: "p", "q"'


def test_repeated_output() -> None:
    request = good()
    request.outputs.add(name="p")
    request.outputs.add(name="p")
    assert refusal(request) == 'output "p" is requested more than once'


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("classification", 'output "p": the classification extension is not supported'),
        ("shared_memory_region", 'output "p": shared memory is not supported'),
    ],
)
def test_output_parameters(parameter: str, message: str) -> None:
    request = good()
    request.outputs.add(name="p").parameters[parameter].int64_param = 1
    assert refusal(request) == message


def test_the_first_fault_in_the_order_of_the_checks_answers() -> None:
    request = good("x")
    request.model_version = "0"
    request.parameters["priority"].int64_param = 9
    request.raw_input_contents.append(b"")
    request.inputs[0].name = "z"
    request.outputs.add(name="z")
    faults = [refusal(request, ModelNotFoundError)]
    request.model_name = "m"
    faults.append(refusal(request, ModelNotFoundError))
    request.model_version = ""
    faults.append(refusal(request))
    request.parameters["priority"].int64_param = 0
    faults.append(refusal(request))
    del request.raw_input_contents[2]
    faults.append(refusal(request))
    request.inputs[0].name = "a"
    faults.append(refusal(request))
    assert [fault.split(" ")[0] for fault in faults] == [
        "model",
        "model",
        "parameter",
        "raw_input_contents",
        "unknown",
        "unknown",
    ]


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_decoded(data: bytes) -> None:
    with contextlib.suppress(SignatureError, ModelNotFoundError, ModelNotReadyError):
        decode(parse(ModelInferRequest, data), CATALOG)


@given(st.data())
def test_mutations_are_refused_or_decoded(data: st.DataObject) -> None:
    wire = bytearray(good().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(SignatureError, ModelNotFoundError, ModelNotReadyError):
        decode(parse(ModelInferRequest, bytes(wire)), CATALOG)


# Responses


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name != "BYTES"])
def test_responses_read_as_the_client_reads_them(datatype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(triton_to_np_dtype(datatype))
    wire = encode(decode(good(), CATALOG), 3, {"p": array}).SerializeToString()
    response = service_pb2.ModelInferResponse.FromString(wire)
    assert (response.model_name, response.model_version, response.id) == ("m", "3", "7")
    assert not response.parameters
    assert not response.outputs[0].HasField("contents")
    got = InferResult(response).as_numpy("p")
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


def test_text_in_a_response() -> None:
    array = np.array([["é"], [b"\xc3\xa9"], [""]], object)
    response = encode(decode(good(), CATALOG), 3, {"p": array})
    assert response.outputs[0].datatype == "BYTES"
    assert list(response.raw_output_contents) == [text("é".encode(), "é".encode(), b"")]


def test_an_array_of_strings_in_a_response() -> None:
    response = encode(decode(good(), CATALOG), 3, {"p": np.array(["a", "bc"])})
    assert list(response.raw_output_contents) == [text(b"a", b"bc")]


def test_outputs_as_requested_else_as_given() -> None:
    results = {"p": np.zeros(2, np.float32), "q": np.ones((2, 2), np.float32)}
    request = good()
    assert [output.name for output in encode(decode(request, CATALOG), 3, results).outputs] == ["p", "q"]
    request.outputs.add(name="q")
    response = encode(decode(request, CATALOG), 3, results)
    assert [output.name for output in response.outputs] == ["q"]
    assert list(response.outputs[0].shape) == [2, 2]


def test_a_strided_array_is_sent_row_major() -> None:
    array = np.arange(6, dtype=np.float32).reshape(3, 2).T
    response = encode(decode(good(), CATALOG), 3, {"p": array})
    assert response.raw_output_contents[0] == np.ascontiguousarray(array).tobytes()


def test_a_dtype_without_a_datatype_is_our_failure() -> None:
    with pytest.raises(InferenceError, match="complex64"):
        encode(decode(good(), CATALOG), 3, {"p": np.zeros(2, np.complex64)})


def test_a_response_without_an_id_has_none() -> None:
    request = good()
    request.id = ""
    response = encode(decode(request, CATALOG), 3, {})
    assert (
        response.SerializeToString()
        == ModelInferResponse(model_name="m", model_version="3").SerializeToString()
    )
