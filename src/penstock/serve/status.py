"""What a caller is told when something fails: exception → gRPC status → HTTP status.

This table is the only one; the gRPC services and the HTTP application both read it.
"""

from __future__ import annotations

import dataclasses

import grpc

from penstock.errors import (
    BundleError,
    CancelledError,
    ConfigError,
    DeadlineExceededError,
    InferenceError,
    ModelNotFoundError,
    ModelNotReadyError,
    OutputError,
    OverloadedError,
    PenstockError,
    ScoreError,
    SignatureError,
    TransformError,
    UnsupportedError,
)

__all__ = ["MESSAGE_BYTES", "STATUS", "Status", "clip", "describe", "status_of"]

MESSAGE_BYTES = 1024
"""Longest status message, in bytes of UTF-8: a client's name of a tensor may be of any length."""


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """How one kind of failure is told to a client."""

    grpc: grpc.StatusCode
    http: int
    hidden: bool = False
    """The client gets an id instead of the message, which is only in the log."""


STATUS: dict[type[Exception], Status] = {
    SignatureError: Status(grpc.StatusCode.INVALID_ARGUMENT, 400),
    ModelNotFoundError: Status(grpc.StatusCode.NOT_FOUND, 404),
    ModelNotReadyError: Status(grpc.StatusCode.UNAVAILABLE, 503),
    OverloadedError: Status(grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    DeadlineExceededError: Status(grpc.StatusCode.DEADLINE_EXCEEDED, 504),
    CancelledError: Status(grpc.StatusCode.CANCELLED, 499),
    UnsupportedError: Status(grpc.StatusCode.UNIMPLEMENTED, 501),
    BundleError: Status(grpc.StatusCode.FAILED_PRECONDITION, 409),
    TransformError: Status(grpc.StatusCode.FAILED_PRECONDITION, 409),
    ConfigError: Status(grpc.StatusCode.FAILED_PRECONDITION, 409),
    InferenceError: Status(grpc.StatusCode.INTERNAL, 500, hidden=True),
    ScoreError: Status(grpc.StatusCode.INTERNAL, 500, hidden=True),
    OutputError: Status(grpc.StatusCode.INTERNAL, 500, hidden=True),
    PenstockError: Status(grpc.StatusCode.INTERNAL, 500, hidden=True),
    Exception: Status(grpc.StatusCode.INTERNAL, 500, hidden=True),
}
"""By class; a subclass that is not listed has the status of its nearest listed base."""

_TRITON_UNAVAILABLE = (OverloadedError, DeadlineExceededError)


def status_of(error: Exception, *, triton_status_codes: bool = False) -> Status:
    """Return the status of an exception.

    Parameters
    ----------
    error : Exception
    triton_status_codes : bool
        A full queue and a passed deadline are UNAVAILABLE, which some clients retry on.

    Examples
    --------
    >>> status_of(OverloadedError("full")).grpc.name
    'RESOURCE_EXHAUSTED'
    """
    if triton_status_codes and isinstance(error, _TRITON_UNAVAILABLE):
        return Status(grpc.StatusCode.UNAVAILABLE, 503)
    return next(STATUS[base] for base in type(error).__mro__ if base in STATUS)


def describe(error: Exception, request_id: str, status: Status) -> str:
    """Return the message that a client gets: no stack trace, no path, bounded length."""
    if not status.hidden:
        return clip(str(error))
    what = "inference failed" if isinstance(error, InferenceError) else "internal error"
    return f"{what}; request id {request_id}"


def clip(message: str) -> str:
    """Cut a message to :data:`MESSAGE_BYTES`, at a character."""
    data = message.encode("utf-8", "replace")
    if len(data) <= MESSAGE_BYTES:
        return message
    return data[:MESSAGE_BYTES].decode("utf-8", "ignore")
