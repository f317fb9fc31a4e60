"""The server process: engine, front, control plane and HTTP, assembled.

:class:`Server` runs them on one event loop; :func:`serve` is that in a process of its own,
with logs and signals. Read next: control.py, http.py, front.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from penstock.config import Config
from penstock.engine.engine import Engine
from penstock.engine.session import release_memory
from penstock.errors import ConfigError
from penstock.serve.address import format_address, listen, parse_address, resolve
from penstock.serve.call import log_failure
from penstock.serve.control import ControlPlane
from penstock.serve.dashboard import Dashboard
from penstock.serve.front import Front, choose_front
from penstock.serve.http import HttpServer, make_app
from penstock.serve.logs import configure_logging
from penstock.serve.metrics import EngineCollector, make_registry
from penstock.serve.tls import check_tls, server_credentials

__all__ = ["Server", "serve"]

_log = logging.getLogger(__name__)

FAILURES_INTERVAL_S = 0.5
CONTROL_GRACE_S = 1.0
CLOSE_TIMEOUT_S = 5.0
_SOCKET_PATH_MAX = 100
# How long an executor waits at most for the GIL while another thread computes: windows, loads, metrics.
_SWITCH_INTERVAL_S = 0.0005


class Server:
    """Everything that one process serves.

    Parameters
    ----------
    config : Config
    on_ready : callable
        Called with the gRPC and the HTTP address when both answer.

    Notes
    -----
    Life: ports are taken first, so that a conflict shows before models load; then the engine
    loads, while HTTP already reports it; then gRPC opens. :meth:`stop` drains, called again it
    stops at once.
    """

    def __init__(self, config: Config, on_ready: Callable[[str, str], None] | None = None) -> None:
        self._config = config
        self._on_ready = on_ready
        self._engine: Engine | None = None
        self._control: ControlPlane | None = None
        self._front: Front | None = None
        self._dashboard = Dashboard(lambda: self._engine, self._unready)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._aborting = asyncio.Event()
        self.abandoned = False
        """Work was left behind in threads; the process should end without waiting for it."""

    def stop(self) -> None:
        """Drain and end; called again, end at once. Any thread may call."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        (self._aborting if self._stopping.is_set() else self._stopping).set()

    async def run(self) -> int:
        """Serve until stopped; return the exit code: 0 after a drain, 1 when it was cut short.

        Raises
        ------
        ConfigError
            When an address cannot be listened on, or a setting does not work here.
        """
        self._loop = asyncio.get_running_loop()
        server = self._config.server
        native = choose_front(server)
        if server.tls is not None:
            check_tls(server.tls)
        listener = listen("http", server.http)
        try:
            target = resolve("grpc", server.grpc)
        except ConfigError:
            listener.close()
            raise
        http_address = format_address(*listener.getsockname()[:2])
        async with contextlib.AsyncExitStack() as stack:
            await self._start_http(listener, stack)
            if not await self._load(stack):
                return 0
            grpc_address = await self._start_grpc(native, target, stack)
            self._start_background(stack)
            # Starting leaves some 7 MB behind that serving does not need.
            gc.collect()
            release_memory()
            _log.info("ready", extra={"grpc": grpc_address, "http": http_address})
            if self._on_ready is not None:
                self._on_ready(grpc_address, http_address)
            await self._stopping.wait()
            await self._drain()
        return int(self._aborting.is_set())

    # Start

    async def _start_http(self, listener: Any, stack: contextlib.AsyncExitStack) -> None:
        collector = EngineCollector(lambda: self._engine, self._calls, self._front_statistics)
        shown = self._dashboard.routes if self._config.server.dashboard else ()
        http = HttpServer(make_app(make_registry(collector), self._unready, shown), listener)
        task = asyncio.create_task(http.run_until_stopped())

        async def finish() -> None:
            http.stop()
            await task

        stack.push_async_callback(finish)
        while not http.started and not task.done():
            await asyncio.sleep(0.01)

    async def _load(self, stack: contextlib.AsyncExitStack) -> bool:
        """Make the engine; False when a stop came first."""
        loading = asyncio.create_task(
            asyncio.to_thread(Engine, self._config.server.repository, config=self._config)
        )
        if not await _first(loading, self._stopping):
            self.abandoned = True
            return False
        self._engine = loading.result()
        stack.push_async_callback(self._close_engine)
        return True

    async def _close_engine(self) -> None:
        assert self._engine is not None
        closing = asyncio.create_task(asyncio.to_thread(self._engine.close))
        late = asyncio.Event()
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, late.set)
        if not await _first(closing, late, self._aborting):
            _log.warning("a model still runs; the process ends without it")
            self.abandoned = True

    async def _start_grpc(
        self, native: type[Any] | None, target: tuple[str, int], stack: contextlib.AsyncExitStack
    ) -> str:
        assert self._engine is not None
        server = self._config.server
        self._control = ControlPlane(self._engine, self._config, public=native is None)
        stack.push_async_callback(self._control.stop, 0)
        if native is None:
            if server.front == "auto":
                _log.info("the native front is not built here; grpcio serves, which is slower")
            credentials = None if server.tls is None else server_credentials(server.tls)
            port = self._control.bind(format_address(*target), credentials)
            await self._control.start()
            return format_address(parse_address("grpc", server.grpc)[0], port)
        path = _socket_directory(stack) / "control.sock"
        self._control.bind(f"unix:{path}")
        await self._control.start()
        front: Front = native(
            self._engine.routes,
            address=target,
            control_socket=str(path),
            limits=server.limits,
            tls=server.tls,
            threads=server.front_threads,
            busy_poll_us=server.busy_poll_us,
            triton_status_codes=server.triton_status_codes,
        )
        try:
            front.start()
        except OSError as error:
            raise ConfigError(f"grpc address {server.grpc} cannot be listened on: {error.strerror}") from None
        self._front = front
        stack.push_async_callback(asyncio.to_thread, front.stop)
        return format_address(*front.address)

    def _start_background(self, stack: contextlib.AsyncExitStack) -> None:
        server = self._config.server
        if server.watch:
            _background(stack, self._refresh(server.watch_interval_s))
        if server.dashboard:
            _background(stack, self._dashboard.run())
        if self._front is not None:
            stack.callback(self._log_failures)
            _background(stack, self._log_failures_forever())

    # While it serves

    async def _refresh(self, interval_s: float) -> None:
        assert self._engine is not None
        reported = ""
        while True:
            await asyncio.sleep(interval_s)
            try:
                await asyncio.to_thread(self._engine.refresh)
                reported = ""
            except Exception as error:
                if repr(error) != reported:
                    _log.exception("the repository could not be scanned")
                reported = repr(error)

    async def _log_failures_forever(self) -> None:
        while True:
            await asyncio.sleep(FAILURES_INTERVAL_S)
            self._log_failures()

    def _log_failures(self) -> None:
        assert self._front is not None
        for failure in self._front.failures():
            if not failure["code"]:
                _log.warning("%s", failure["message"])
                continue
            log_failure(
                {
                    "request_id": failure["request_id"],
                    "method": "ModelInfer",
                    "model": failure["model"],
                    "code": failure["code"],
                    "error": failure["detail"] or failure["message"],
                    "peer": failure["peer"],
                }
            )

    def _calls(self) -> dict[tuple[str, str], int]:
        return {} if self._control is None else self._control.calls()

    def _front_statistics(self) -> dict[str, Any]:
        return {} if self._front is None else self._front.statistics()

    def _unready(self) -> list[dict[str, Any]]:
        if self._stopping.is_set():
            return [{"reason": "the server is shutting down"}]
        if self._engine is None:
            return [{"reason": "models are loading"}]
        if self._engine.ready():
            return []
        states = self._engine.models()
        serving = {state.name for state in states if state.active and state.state == "READY"}
        reasons: list[dict[str, Any]] = [
            {"model": state.name, "version": state.version, "state": state.state, "reason": state.reason}
            for state in states
            if state.name not in serving
        ]
        return reasons or [{"reason": "a model that should be served is not in the repository"}]

    # End

    async def _drain(self) -> None:
        assert self._control is not None
        _log.info("draining", extra={"timeout_s": self._config.server.drain_timeout_s})
        self._control.drain()
        if not await _first(asyncio.create_task(self._finish()), self._aborting):
            _log.warning("stopped at once; requests in flight were dropped")

    async def _finish(self) -> None:
        assert self._control is not None
        timeout_s = self._config.server.drain_timeout_s
        if self._front is None:
            await self._control.stop(timeout_s)
            return
        await asyncio.to_thread(self._front.drain, timeout_s)
        await self._control.stop(CONTROL_GRACE_S)


async def _first(task: asyncio.Task[Any], *events: asyncio.Event) -> bool:
    """Wait for a task or an event; tell whether the task was first. Its error is raised."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait((task, *waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiting:
            waiter.cancel()
    if not task.done():
        task.cancel()
        return False
    task.result()
    return True


def _background(stack: contextlib.AsyncExitStack, coroutine: Coroutine[Any, Any, None]) -> None:
    stack.callback(asyncio.create_task(coroutine).cancel)


def _socket_directory(stack: contextlib.AsyncExitStack) -> Path:
    """Make a directory that only this user can enter; it goes with the stack."""
    path = Path(tempfile.mkdtemp(prefix="penstock-"))
    if len(str(path)) > _SOCKET_PATH_MAX - len("/control.sock"):
        path.rmdir()
        path = Path(tempfile.mkdtemp(prefix="penstock-", dir="/tmp"))
    stack.callback(shutil.rmtree, path, ignore_errors=True)
    return path


def serve(config: Config) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    Parameters
    ----------
    config : Config

    Returns
    -------
    int
        0 after a drain, 1 when a second signal cut it short.

    Raises
    ------
    PenstockError
        When the server cannot start.

    Notes
    -----
    Prints ``penstock ready grpc=HOST:PORT http=HOST:PORT`` on standard output when both answer.
    Call it in the main thread.
    """
    configure_logging(config.server.log_level, config.server.log_format)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        server = Server(config, _print_ready)
        code = runner.run(_run_with_signals(server))
        if server.abandoned:
            logging.shutdown()
            sys.stdout.flush()
            os._exit(code)
    return code


async def _run_with_signals(server: Server) -> int:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    try:
        return await server.run()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _print_ready(grpc_address: str, http_address: str) -> None:
    print(f"penstock ready grpc={grpc_address} http={http_address}", flush=True)
