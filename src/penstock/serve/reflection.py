"""gRPC server reflection of what the server offers, as ``v1`` and as ``v1alpha``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from penstock import protos
from penstock.serve.call import Call, until
from penstock.serve.codec import parse

__all__ = ["SERVICES", "ReflectionService"]

_ALPHA = reflection_pb2.DESCRIPTOR


def _stable() -> Any:
    """Return the file of version 1: that of 1alpha under another name, the messages are the same."""
    proto = descriptor_pb2.FileDescriptorProto()
    _ALPHA.CopyToProto(proto)
    text = text_format.MessageToString(proto).replace("v1alpha", "v1")
    return text_format.Parse(text, descriptor_pb2.FileDescriptorProto())


def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    config = protos.POOL.FindFileByName("inference/model_config.proto")
    for file in (config, protos.SERVICE.file, protos.MONITORING.file):
        pool.AddSerializedFile(file.serialized_pb)
    for file in (health_pb2.DESCRIPTOR, _ALPHA):
        pool.AddSerializedFile(file.serialized_pb)
    pool.AddSerializedFile(_stable().SerializeToString())
    return pool


SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""Names under which :class:`ReflectionService` is registered."""


class ReflectionService:
    """Answers which services there are, and their descriptors.

    Parameters
    ----------
    names : list of str
        Full names of the other services of the server.
    """

    def __init__(self, names: list[str]) -> None:
        self._servicer = reflection.aio.ReflectionServicer([*names, *SERVICES], pool=_pool())

    async def info(self, requests: AsyncIterator[bytes], call: Call, draining: asyncio.Event) -> None:
        """Answer requests one by one, until the client ends the stream or the server drains."""
        parsed = (
            parse(reflection_pb2.ServerReflectionRequest, data) async for data in until(draining, requests)
        )
        async for response in self._servicer.ServerReflectionInfo(parsed, None):
            await call.write(response)
