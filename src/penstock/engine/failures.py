"""From the status codes of the compiled core to exceptions: the one translator."""

from __future__ import annotations

from typing import Final

from penstock.errors import (
    CancelledError,
    DeadlineExceededError,
    InferenceError,
    ModelNotFoundError,
    ModelNotReadyError,
    OverloadedError,
    PenstockError,
    SignatureError,
)

__all__ = ["CODE_NAMES", "INTERNAL", "INVALID_ARGUMENT", "error_of"]

CODE_NAMES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""Names of the gRPC status codes, by number."""

INTERNAL: Final = CODE_NAMES.index("INTERNAL")
INVALID_ARGUMENT: Final = CODE_NAMES.index("INVALID_ARGUMENT")

_ERRORS: Final[dict[str, type[PenstockError]]] = {
    "CANCELLED": CancelledError,
    "INVALID_ARGUMENT": SignatureError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "NOT_FOUND": ModelNotFoundError,
    "RESOURCE_EXHAUSTED": OverloadedError,
    "UNAVAILABLE": ModelNotReadyError,
}


def error_of(code: int, message: str, detail: str = "") -> PenstockError:
    """Return the exception for a status code; `detail` is only for callers in this process."""
    kind = _ERRORS.get(CODE_NAMES[code], InferenceError)
    return kind(detail if kind is InferenceError and detail else message)
