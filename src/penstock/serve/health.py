"""``grpc.health.v1.Health``: the server under ``""``, each model under its name.

The names of the offered services answer as the server does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from grpc_health.v1 import health_pb2

from penstock.errors import ModelNotFoundError
from penstock.serve.call import Call, ShutdownError

__all__ = ["HealthService"]

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class HealthService:
    """What is serving. Everything here runs on the event loop."""

    SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"]

    def __init__(self) -> None:
        self._serving: dict[str, bool] = {"": False}
        self._changed = asyncio.Event()
        self._draining = False

    def update(self, serving: Mapping[str, bool]) -> None:
        """Replace the state of every name, and tell who watches."""
        self._serving = dict(serving)
        self._notify()

    def drain(self) -> None:
        """Report every name as not serving from now on, and end the watches."""
        self._draining = True
        self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _status(self, name: str) -> int:
        serving = self._serving.get(name)
        if serving is None:
            return int(_UNKNOWN)
        return int(_SERVING if serving and not self._draining else _NOT_SERVING)

    async def check(self, request: Any, call: Call) -> Any:
        """Answer the state of one name; NOT_FOUND for one that is not known."""
        status = self._status(request.service)
        if status == _UNKNOWN:
            raise ModelNotFoundError(f'service "{request.service}" is not known')
        return health_pb2.HealthCheckResponse(status=status)

    async def watch(self, request: Any, call: Call) -> None:
        """Send the state of one name, and again whenever it changes.

        A client that is slow sees the latest state, not each one between.
        """
        sent = None
        while True:
            changed = self._changed
            status = self._status(request.service)
            if status != sent:
                await call.write(health_pb2.HealthCheckResponse(status=status))
                sent = status
            if self._draining:
                raise ShutdownError
            await changed.wait()
