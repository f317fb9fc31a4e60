"""The methods of ``inference.GRPCInferenceService``, over an Engine.

Each takes a parsed message and a :class:`~penstock.serve.call.Call`, returns a message, and
raises what ``penstock.serve.status`` maps. Read next: control.py, which registers them.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from penstock import __version__
from penstock.bundle.repository import parse_version
from penstock.config import Config
from penstock.errors import (
    BundleError,
    CancelledError,
    DeadlineExceededError,
    ModelNotFoundError,
    ModelNotReadyError,
    SignatureError,
    UnsupportedError,
)
from penstock.protos import message_class
from penstock.serve import codec, logs
from penstock.serve.call import Call, ShutdownError, until
from penstock.serve.metadata import model_config, model_metadata, model_statistics

if TYPE_CHECKING:
    from penstock.engine.engine import Engine

__all__ = ["EXTENSIONS", "REFUSED", "InferenceService"]

EXTENSIONS = (
    "logging",
    "model_configuration",
    "model_repository",
    "schedule_policy",
    "statistics",
)
"""What ServerMetadata advertises."""

_SHARED_MEMORY = "shared memory is not offered; send tensors in the message"
REFUSED = {
    **{
        f"{kind}SharedMemory{verb}": _SHARED_MEMORY
        for kind in ("System", "Cuda")
        for verb in ("Status", "Register", "Unregister")
    },
    "TraceSetting": "request traces are not offered",
}
"""Methods of the protocol that this server answers UNIMPLEMENTED, and why."""

STREAM_IN_FLIGHT = 64
"""Requests of one stream that are read ahead of the oldest unanswered one."""

T = TypeVar("T")


class InferenceService:
    """The inference methods. Everything here runs on the event loop; what blocks goes to threads.

    Parameters
    ----------
    engine : Engine
    config : Config
    """

    def __init__(self, engine: Engine, config: Config) -> None:
        self._engine = engine
        self._config = config
        self._loader = ThreadPoolExecutor(4, thread_name_prefix="penstock-load")
        self.draining = asyncio.Event()

    def close(self) -> None:
        """Refuse further blocking work; what runs is not waited for."""
        self._loader.shutdown(wait=False, cancel_futures=True)

    async def _blocking(self, function: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._loader, functools.partial(function, *arguments))

    def _version(self, request: Any) -> int | None:
        return codec.requested_version(request.name, request.version, self._engine)

    # Server and model state

    async def server_live(self, request: Any, call: Call) -> Any:
        """Answer that the process is alive."""
        return message_class("ServerLiveResponse")(live=True)

    async def server_ready(self, request: Any, call: Call) -> Any:
        """Answer whether every model that should be served is."""
        ready = self._engine.ready() and not self.draining.is_set()
        return message_class("ServerReadyResponse")(ready=ready)

    async def model_ready(self, request: Any, call: Call) -> Any:
        """Answer whether a model can answer; an unknown one cannot."""
        try:
            self._engine.active_version(request.name, self._version(request))
        except (ModelNotFoundError, ModelNotReadyError):
            return message_class("ModelReadyResponse")(ready=False)
        return message_class("ModelReadyResponse")(ready=True)

    async def server_metadata(self, request: Any, call: Call) -> Any:
        """Answer name, version and extensions."""
        return message_class("ServerMetadataResponse")(
            name="penstock", version=__version__, extensions=EXTENSIONS
        )

    async def model_metadata(self, request: Any, call: Call) -> Any:
        """Answer a model's signature."""
        version = self._version(request)
        signature = self._engine.signature(request.name, version)
        states = await self._blocking(self._engine.models)
        ready = [state.version for state in states if state.name == request.name and state.state == "READY"]
        return model_metadata(request.name, sorted(ready) if version is None else [version], signature)

    async def model_config(self, request: Any, call: Call) -> Any:
        """Answer how a model is served."""
        signature = self._engine.signature(request.name, self._version(request))
        return model_config(request.name, signature, self._config.model(request.name))

    async def model_statistics(self, request: Any, call: Call) -> Any:
        """Answer the counters of one model, or of all."""
        pipelines = self._engine.statistics()
        if not request.name:
            if request.version:
                raise SignatureError("a version needs the name of its model")
            return model_statistics(pipelines)
        version = self._version(request)
        self._engine.active_version(request.name, version)
        return model_statistics(
            pipeline
            for pipeline in pipelines
            if pipeline.model == request.name and version in (None, pipeline.version)
        )

    # Inference

    async def model_infer(self, request: Any, call: Call) -> Any:
        """Run one request through the queue."""
        try:
            infer = codec.decode(request, self._engine)
        except SignatureError as error:
            version = codec.requested_version(request.model_name, request.model_version, self._engine)
            self._engine.count_refusal(request.model_name, version, error)
            raise
        timeout_s = min(
            (limit for limit in (infer.timeout_s, call.time_remaining()) if limit is not None), default=None
        )
        if timeout_s is not None and timeout_s <= 0:
            raise DeadlineExceededError("deadline exceeded before the request ran")
        future = self._engine.submit(
            infer.model,
            infer.inputs,
            version=infer.version,
            outputs=infer.outputs or None,
            timeout_s=timeout_s,
            priority=infer.priority,
            request_id=request.id,
        )
        try:
            results = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise CancelledError("the request was withdrawn") from None
        return codec.encode(infer, future.version, results)

    async def model_stream_infer(self, requests: AsyncIterator[bytes], call: Call) -> None:
        """Run the requests of a stream at once, and answer them in their order."""
        answers: asyncio.Queue[asyncio.Task[Any] | None] = asyncio.Queue()
        room = asyncio.Semaphore(STREAM_IN_FLIGHT)
        running: set[asyncio.Task[Any]] = set()

        async def read() -> None:
            number = 0
            try:
                await room.acquire()
                async for data in until(self.draining, requests):
                    number += 1
                    task = asyncio.create_task(self._stream_infer(data, call, f"{call.request_id}/{number}"))
                    running.add(task)
                    task.add_done_callback(running.discard)
                    answers.put_nowait(task)
                    await room.acquire()
            finally:
                answers.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (answer := await answers.get()) is not None:
                await call.write(await answer)
                room.release()
            await reader
        finally:
            for task in (reader, *running):
                task.cancel()
        if self.draining.is_set():
            raise ShutdownError

    async def _stream_infer(self, data: bytes, call: Call, request_id: str) -> Any:
        response = message_class("ModelStreamInferResponse")()
        model = ""
        try:
            request = codec.parse(codec.ModelInferRequest, data)
            response.infer_response.id = request.id
            model = request.model_name
            response.infer_response.CopyFrom(await self.model_infer(request, call))
        except Exception as error:
            _, response.error_message = call.explain(error, request_id=request_id, model=model)
        return response

    # Repository

    async def repository_index(self, request: Any, call: Call) -> Any:
        """Answer every version and its state."""
        _check_repository(request)
        states = await self._blocking(self._engine.models)
        return message_class("RepositoryIndexResponse")(
            models=[
                {
                    "name": state.name,
                    "version": str(state.version),
                    "state": state.state,
                    "reason": state.reason,
                }
                for state in states
                if state.state == "READY" or not request.ready
            ]
        )

    async def repository_model_load(self, request: Any, call: Call) -> Any:
        """Load a version and swap it in."""
        _check_repository(request)
        version = _version_parameter(request.model_name, request.parameters)
        try:
            await self._blocking(self._engine.load, request.model_name, version)
        except BundleError as error:
            root = str(Path(self._config.server.repository))
            raise BundleError(str(error).replace(f"{root}/", "")) from None
        return message_class("RepositoryModelLoadResponse")()

    async def repository_model_unload(self, request: Any, call: Call) -> Any:
        """Drain a model and free it."""
        _check_repository(request)
        _check_known(request.parameters, ("unload_dependents",))
        await self._blocking(self._engine.unload, request.model_name)
        return message_class("RepositoryModelUnloadResponse")()

    # Process

    async def log_settings(self, request: Any, call: Call) -> Any:
        """Change the log level where settings are given; answer what holds."""
        values = {
            name: getattr(value, value.WhichOneof("parameter_choice"))
            for name, value in request.settings.items()
            if value.WhichOneof("parameter_choice")
        }
        logs.change_settings(values)
        response = message_class("LogSettingsResponse")()
        for name, value in logs.settings().items():
            setattr(response.settings[name], _SETTING_FIELDS[type(value)], value)
        return response


_SETTING_FIELDS = {bool: "bool_param", int: "uint32_param", str: "string_param"}


def _check_repository(request: Any) -> None:
    if request.repository_name:
        raise UnsupportedError("repository_name is not supported; there is one repository, leave it empty")


def _check_known(parameters: Iterable[str], known: tuple[str, ...]) -> None:
    for name in sorted(parameters):
        if name == "config" or name.startswith("file:"):
            raise UnsupportedError(
                f'parameter "{name}" is not supported; publish the version in the repository and load it'
            )
        if name not in known:
            raise SignatureError(f'unknown parameter "{name}"; expected "{known[0]}"')


def _version_parameter(model: str, parameters: Any) -> int | None:
    _check_known(parameters, ("version",))
    if "version" not in parameters:
        return None
    value = parameters["version"]
    choice = value.WhichOneof("parameter_choice")
    text = str(getattr(value, choice)) if choice in ("int64_param", "string_param") else ""
    version = parse_version(text)
    if version is None:
        raise SignatureError('parameter "version": expected a positive integer')
    return version
