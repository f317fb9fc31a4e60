"""Message classes and service descriptors: the Open Inference Protocol, and ours.

They come from ``descriptors.binpb``, compiled from ``protos/`` when the package is built,
and live in a descriptor pool of their own: client libraries register the same names in
the default pool, and both must work in one process.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["MONITORING", "POOL", "SERVICE", "message_class"]


def _load_pool() -> Any:
    try:
        data = resources.files(__package__).joinpath("descriptors.binpb").read_bytes()
    except FileNotFoundError:
        raise ImportError(
            "penstock/descriptors.binpb is missing: the package was not built. "
            "Install it (pip install .), or build it in place (pip install -e .)."
        ) from None
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


POOL = _load_pool()
"""The private descriptor pool."""

SERVICE = POOL.FindServiceByName("inference.GRPCInferenceService")
"""Descriptor of the inference service; its methods are what a server offers."""


MONITORING = POOL.FindServiceByName("penstock.v1.Monitoring")
"""Descriptor of the monitoring service."""


def message_class(name: str, package: str = "inference") -> Any:
    """Return the class of a message.

    Examples
    --------
    >>> message_class("ModelReadyRequest")(name="employment").name
    'employment'
    """
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"{package}.{name}"))
