"""The control plane: a grpc.aio server with inference, health and reflection.

Behind the native front it answers everything but unary ModelInfer, over a Unix socket;
without that front it takes the public port and answers everything.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from penstock import protos
from penstock.config import Config, LimitsConfig
from penstock.errors import ConfigError, UnsupportedError
from penstock.serve import reflection
from penstock.serve.call import Call
from penstock.serve.codec import parse
from penstock.serve.health import HealthService
from penstock.serve.inference import REFUSED, InferenceService
from penstock.serve.monitoring import MonitoringService
from penstock.serve.status import status_of

if TYPE_CHECKING:
    from penstock.engine.engine import Engine

__all__ = ["ControlPlane"]

_log = logging.getLogger(__name__)

Unary = Callable[[Any, Call], Awaitable[Any]]
Stream = Callable[[Any, Call], Awaitable[None]]


class ControlPlane(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no annotations
    """Services over an Engine. Use on one event loop, in this order: bind, start, drain, stop.

    Parameters
    ----------
    engine : Engine
    config : Config
    public : bool
        Clients connect to it themselves, so it keeps the limits of the configuration.
    """

    def __init__(self, engine: Engine, config: Config, *, public: bool) -> None:
        self._engine = engine
        self._config = config
        self._calls: collections.Counter[tuple[str, str]] = collections.Counter()
        self._inference = InferenceService(engine, config)
        self._health = HealthService()
        self._monitoring = MonitoringService(engine)
        self._reflection = reflection.ReflectionService(
            [protos.SERVICE.full_name, protos.MONITORING.full_name, HealthService.SERVICE.full_name]
        )
        self._changed = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="penstock-health")
        self._handlers = self._register()
        self._server = grpc.aio.server(handlers=(self,), options=_options(config.server.limits, public))

    def bind(self, address: str, credentials: Any = None) -> int:
        """Listen on an address, with TLS where credentials are given; return the port.

        Raises
        ------
        ConfigError
            When the address cannot be listened on.
        """
        try:
            if credentials is None:
                return int(self._server.add_insecure_port(address))
            return int(self._server.add_secure_port(address, credentials))
        except RuntimeError:
            raise ConfigError(f"grpc address {address} cannot be listened on; is it in use?") from None

    async def start(self) -> None:
        """Answer calls, and follow the engine's state in the health service."""
        loop = asyncio.get_running_loop()
        self._unsubscribe = self._engine.subscribe(functools.partial(_notify, loop, self._changed))
        await self._publish()
        self._follower = asyncio.create_task(self._follow())
        await self._server.start()

    def calls(self) -> dict[tuple[str, str], int]:
        """Return how many calls ended, by method and code name. Any thread may ask."""
        return dict(list(self._calls.items()))

    def drain(self) -> None:
        """Report not serving, and let streams end after what they have read."""
        self._health.drain()
        self._inference.draining.set()
        self._monitoring.drain()

    async def stop(self, grace_s: float) -> None:
        """Take no new calls, wait for those in flight, then cancel what is left."""
        self._unsubscribe()
        self._unsubscribe = lambda: None
        if self._follower is not None:
            self._follower.cancel()
        await self._server.stop(grace_s)
        self._inference.close()
        self._monitoring.close()
        self._executor.shutdown(wait=False, cancel_futures=True)

    # Health

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._publish()
            except Exception:
                _log.exception("the health service could not read the engine's state")

    async def _publish(self) -> None:
        loop = asyncio.get_running_loop()
        states = await loop.run_in_executor(self._executor, self._engine.models)
        serving = dict.fromkeys((state.name for state in states), False)
        serving |= {state.name: True for state in states if state.active and state.state == "READY"}
        services = ("", protos.SERVICE.full_name)
        self._health.update(serving | dict.fromkeys(services, self._engine.ready()))

    # Handlers

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a method path; grpc calls this."""
        return self._handlers.get(handler_call_details.method)

    def _register(self) -> dict[str, Any]:
        service = protos.SERVICE.full_name
        handlers = {f"/{service}/{name}": self._refused(name, why) for name, why in REFUSED.items()}
        for method in protos.SERVICE.methods:
            implementation = getattr(self._inference, _snake(method.name))
            if method.server_streaming:
                handler = grpc.stream_stream_rpc_method_handler(self._stream(method.name, implementation))
            else:
                request = protos.message_class(method.input_type.name)
                handler = self._unary(method.name, request, implementation)
            handlers[f"/{service}/{method.name}"] = handler
        monitoring = protos.MONITORING.full_name
        for method in protos.MONITORING.methods:
            request = protos.message_class(method.input_type.name, "penstock.v1")
            implementation = getattr(self._monitoring, _snake(method.name))
            if method.server_streaming:
                stream = self._stream(method.name, functools.partial(_parsed, request, implementation))
                handlers[f"/{monitoring}/{method.name}"] = grpc.unary_stream_rpc_method_handler(stream)
            else:
                handlers[f"/{monitoring}/{method.name}"] = self._unary(method.name, request, implementation)
        for name in reflection.SERVICES:
            info = self._stream("ServerReflectionInfo", self._info)
            handlers[f"/{name}/ServerReflectionInfo"] = grpc.stream_stream_rpc_method_handler(info)
        health = HealthService.SERVICE.full_name
        asked = health_pb2.HealthCheckRequest
        watch = self._stream("Watch", functools.partial(_parsed, asked, self._health.watch))
        handlers[f"/{health}/Check"] = self._unary("Check", asked, self._health.check)
        handlers[f"/{health}/Watch"] = grpc.unary_stream_rpc_method_handler(watch)
        return handlers

    async def _info(self, requests: AsyncIterator[bytes], call: Call) -> None:
        await self._reflection.info(requests, call, self._inference.draining)

    def _call(self, method: str, context: Any) -> Call:
        return Call(method, context, triton_status_codes=self._config.server.triton_status_codes)

    def _unary(self, method: str, request_class: Any, implementation: Unary) -> Any:
        async def handle(data: bytes, context: Any) -> bytes:
            call = self._call(method, context)
            model = ""
            try:
                request = parse(request_class, data)
                model = _model(request)
                response: bytes = (await implementation(request, call)).SerializeToString()
            except Exception as error:
                self._count(method, error)
                await call.fail(error, model=model)
            self._calls[method, "OK"] += 1
            return response

        return grpc.unary_unary_rpc_method_handler(handle)

    def _stream(self, method: str, implementation: Stream) -> Any:
        async def handle(requests: Any, context: Any) -> None:
            call = self._call(method, context)
            try:
                await implementation(requests, call)
            except Exception as error:
                self._count(method, error)
                await call.fail(error)
            self._calls[method, "OK"] += 1

        return handle

    def _refused(self, method: str, why: str) -> Any:
        async def handle(data: bytes, context: Any) -> bytes:
            error = UnsupportedError(why)
            self._count(method, error)
            await self._call(method, context).fail(error)

        return grpc.unary_unary_rpc_method_handler(handle)

    def _count(self, method: str, error: Exception) -> None:
        status = status_of(error, triton_status_codes=self._config.server.triton_status_codes)
        self._calls[method, status.grpc.name] += 1


async def _parsed(request_class: Any, implementation: Stream, data: bytes, call: Call) -> None:
    await implementation(parse(request_class, data), call)


def _notify(loop: asyncio.AbstractEventLoop, changed: asyncio.Event, model: str) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(changed.set)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _model(request: Any) -> str:
    names = (getattr(request, field, "") for field in ("model_name", "name", "model"))
    return str(next(filter(None, names), ""))


def _options(limits: LimitsConfig, public: bool) -> list[tuple[str, int]]:
    """Return channel arguments; behind the front only its own limits on messages are repeated."""
    options = [
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
    ]
    if not public:
        return [*options, ("grpc.max_metadata_size", 2 * limits.header_bytes)]
    stall_ms = _milliseconds(limits.stall_s)
    options += [
        ("grpc.max_concurrent_streams", limits.streams_per_connection),
        ("grpc.max_metadata_size", limits.header_bytes),
        ("grpc.absolute_max_metadata_size", limits.header_bytes),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.server_handshake_timeout_ms", _milliseconds(limits.handshake_s)),
        ("grpc.keepalive_time_ms", stall_ms),
        ("grpc.keepalive_timeout_ms", stall_ms),
    ]
    if limits.idle_s:
        options.append(("grpc.max_connection_idle_ms", _milliseconds(limits.idle_s)))
    return options


def _milliseconds(seconds: float) -> int:
    return min(round(seconds * 1e3), 2**31 - 1)
