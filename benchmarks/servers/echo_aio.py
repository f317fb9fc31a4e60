"""The empty grpc.aio server on uvloop: the least that a Python gRPC handler costs.

``python -m benchmarks.servers.echo_aio [HOST:PORT]`` prints ``echo ready grpc=HOST:PORT`` when it listens.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import grpc
import grpc.aio
import uvloop


class Echo(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """Answers every unary method with the request's bytes, without a serializer."""

    def __init__(self) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(self._echo)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return self._handler

    @staticmethod
    async def _echo(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return request


async def serve(address: str) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port(address)
    await server.start()
    print(f"echo ready grpc={address.rpartition(':')[0]}:{port}", flush=True)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await server.stop(1)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:0"))
