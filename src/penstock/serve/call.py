"""One gRPC call as the services see it: its id, its deadline, and how it fails."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn, TypeVar

from penstock.errors import ModelNotReadyError
from penstock.serve.status import Status, describe, status_of

__all__ = ["Call", "ShutdownError", "log_failure", "request_id", "until"]

Item = TypeVar("Item")

_log = logging.getLogger(__name__)
_REQUEST_ID = re.compile(r"[\x20-\x7e]{1,64}")
_LEVELS = {
    "FAILED_PRECONDITION": logging.WARNING,
    "INTERNAL": logging.ERROR,
    "RESOURCE_EXHAUSTED": logging.WARNING,
    "UNAVAILABLE": logging.WARNING,
}


def log_failure(fields: Mapping[str, str], exception: Exception | None = None) -> None:
    """Write the log line of a failed request.

    Parameters
    ----------
    fields : mapping
        ``request_id``, ``method``, ``model``, ``code`` (a gRPC code name), ``error`` and ``peer``.
    exception : Exception, optional
        Logged with its trace.
    """
    level = _LEVELS.get(fields["code"], logging.INFO)
    _log.log(level, "request failed", extra=dict(fields), exc_info=exception)


def request_id(metadata: Any) -> str:
    """Return the id that the client sent as ``x-request-id`` where it is usable, else a new one."""
    for key, value in metadata or ():
        if key == "x-request-id" and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return secrets.token_hex(8)


class ShutdownError(ModelNotReadyError):
    """A stream ended because the server does; nothing that it asked for failed."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down")


class Call:
    """One call of a method.

    Parameters
    ----------
    method : str
        Its name without the service, for the log.
    context : grpc.aio.ServicerContext
    triton_status_codes : bool
        See :func:`penstock.serve.status.status_of`.
    """

    def __init__(self, method: str, context: Any, *, triton_status_codes: bool) -> None:
        self.method = method
        self.request_id = request_id(context.invocation_metadata())
        self._context = context
        self._triton_status_codes = triton_status_codes

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline, None without one."""
        remaining: float | None = self._context.time_remaining()
        return remaining

    async def write(self, message: Any) -> None:
        """Send one message of a stream; waits while the client does not read."""
        await self._context.write(message.SerializeToString())

    def explain(
        self, error: Exception, *, request_id: str | None = None, model: str = ""
    ) -> tuple[Status, str]:
        """Log a failure and return its status and the message for the client."""
        identity = request_id or self.request_id
        status = status_of(error, triton_status_codes=self._triton_status_codes)
        message = describe(error, identity, status)
        if isinstance(error, ShutdownError):
            return status, message
        log_failure(
            {
                "request_id": identity,
                "method": self.method,
                "model": model,
                "code": status.grpc.name,
                "error": str(error) or type(error).__name__,
                "peer": self._context.peer(),
            },
            error if status.hidden else None,
        )
        return status, message

    async def fail(self, error: Exception, *, model: str = "") -> NoReturn:
        """Log a failure and end the call with it."""
        status, message = self.explain(error, model=model)
        await self._context.abort(
            status.grpc, message, trailing_metadata=(("x-request-id", self.request_id),)
        )
        raise AssertionError("abort returned")


async def until(event: asyncio.Event, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
    """Iterate until the items end or the event is set, whichever comes first."""
    stop = asyncio.ensure_future(event.wait())
    item: asyncio.Future[Item] | None = None
    try:
        while not event.is_set():
            item = asyncio.ensure_future(anext(items))
            item.add_done_callback(_retrieve)
            await asyncio.wait((item, stop), return_when=asyncio.FIRST_COMPLETED)
            if not item.done():
                return
            try:
                yield item.result()
            except StopAsyncIteration:
                return
    finally:
        stop.cancel()
        if item is not None:
            item.cancel()


def _retrieve(item: asyncio.Future[Any]) -> None:
    """Take the exception of an item that nobody waits for any more."""
    if not item.cancelled():
        item.exception()
