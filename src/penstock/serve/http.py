"""The HTTP port: Prometheus metrics, health for orchestrators, and the dashboard.

``/metrics``, ``/healthz`` (the process answers), ``/readyz`` (503 with the reasons while
some model that should be served is not); see dashboard/ for the rest.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ["HttpServer", "make_app"]

KEEP_ALIVE_S = 30
MAX_CONNECTIONS = 512


def make_app(
    registry: CollectorRegistry, unready: Callable[[], list[dict[str, Any]]], more: Sequence[Route] = ()
) -> Starlette:
    """Return the ASGI application.

    Parameters
    ----------
    registry : CollectorRegistry
        What ``/metrics`` shows.
    unready : callable
        Returns why the server is not ready, one JSON object a reason; empty when it is.
    more : sequence of Route
        Of the dashboard.
    """

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(await run_in_threadpool(encode, registry), headers={"content-type": content_type})

    async def healthz(request: Request) -> Response:
        return JSONResponse({"live": True})

    async def readyz(request: Request) -> Response:
        reasons = await run_in_threadpool(unready)
        body = {"ready": not reasons, "reasons": reasons}
        return JSONResponse(body, 503 if reasons else 200)

    own = [Route("/metrics", metrics), Route("/healthz", healthz), Route("/readyz", readyz)]
    return Starlette(routes=[*own, *more])


class HttpServer(uvicorn.Server):
    """A uvicorn server on a socket that is bound already, on the running loop, without signal handlers.

    Parameters
    ----------
    app : Starlette
    listener : socket
        Bound; the server owns it from here on.
    """

    def __init__(self, app: Starlette, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,
                http="h11",
                lifespan="off",
                limit_concurrency=MAX_CONNECTIONS,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=5,
                timeout_keep_alive=KEEP_ALIVE_S,
                ws="none",
            )
        )
        self._listener = listener

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield

    async def run_until_stopped(self) -> None:
        """Serve until :meth:`stop`."""
        await self.serve(sockets=[self._listener])

    def stop(self) -> None:
        """Take no new connections, finish the requests in flight, and end."""
        self.should_exit = True
