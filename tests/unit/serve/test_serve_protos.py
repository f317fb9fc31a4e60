"""Our protocol definition against the one that clients are built from."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pool
from tritonclient.grpc import model_config_pb2, service_pb2

from penstock import protos
from penstock.serve.inference import REFUSED

PUBLISHED = service_pb2.DESCRIPTOR.pool
FILES = [protos.SERVICE.file, protos.POOL.FindFileByName("inference/model_config.proto")]


def nested(message: Any) -> list[Any]:
    return [message] + [inner for child in message.nested_types for inner in nested(child)]


MESSAGES = [
    inner for file in FILES for message in file.message_types_by_name.values() for inner in nested(message)
]
ENUMS = [enum for file in FILES for enum in file.enum_types_by_name.values()]
ENUMS += [enum for message in MESSAGES for enum in message.enum_types]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.full_name)
def test_fields_have_the_published_numbers_and_types(message: Any) -> None:
    published = PUBLISHED.FindMessageTypeByName(message.full_name).fields_by_name
    for field in message.fields:
        other = published[field.name]
        assert (field.number, field.type, field.is_repeated) == (other.number, other.type, other.is_repeated)
        for kind in ("message_type", "enum_type", "containing_oneof"):
            ours, theirs = getattr(field, kind), getattr(other, kind)
            assert (ours and ours.full_name) == (theirs and theirs.full_name)


@pytest.mark.parametrize(
    "message",
    [message for message in MESSAGES if message.file is protos.SERVICE.file],
    ids=lambda message: message.full_name,
)
def test_messages_of_the_service_are_complete(message: Any) -> None:
    published = PUBLISHED.FindMessageTypeByName(message.full_name).fields_by_name
    assert sorted(published) == sorted(message.fields_by_name)


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.full_name)
def test_enums_have_the_published_numbers(enum: Any) -> None:
    published = PUBLISHED.FindEnumTypeByName(enum.full_name).values_by_name
    assert {value.name: value.number for value in enum.values} == {
        name: value.number for name, value in published.items()
    }


def test_methods_have_the_published_messages() -> None:
    published = PUBLISHED.FindServiceByName("inference.GRPCInferenceService").methods_by_name
    for method in protos.SERVICE.methods:
        other = published[method.name]
        assert method.input_type.full_name == other.input_type.full_name
        assert method.output_type.full_name == other.output_type.full_name
        assert method.client_streaming == other.client_streaming
        assert method.server_streaming == other.server_streaming


def test_every_published_method_is_offered_or_refused() -> None:
    published = PUBLISHED.FindServiceByName("inference.GRPCInferenceService").methods_by_name
    assert set(published) == set(protos.SERVICE.methods_by_name) | set(REFUSED)
    assert not set(protos.SERVICE.methods_by_name) & set(REFUSED)


def test_classes_stay_out_of_the_default_pool() -> None:
    ours = protos.message_class("ModelConfig")
    assert ours.DESCRIPTOR.file.pool is protos.POOL
    assert model_config_pb2.ModelConfig.DESCRIPTOR.file.pool is descriptor_pool.Default()
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindFileByName("inference/grpc_service.proto")


def test_messages_pass_between_the_two() -> None:
    ours = protos.message_class("ModelInferRequest")(model_name="m", raw_input_contents=[b"\0\1"])
    ours.parameters["priority"].uint64_param = 2
    theirs = service_pb2.ModelInferRequest.FromString(ours.SerializeToString())
    assert theirs.model_name == "m"
    assert theirs.parameters["priority"].uint64_param == 2
    assert list(theirs.raw_input_contents) == [b"\0\1"]
