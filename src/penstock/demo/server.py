"""``penstock serve`` as a process of its own, started and always stopped."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import PenstockError

__all__ = ["Metrics", "Server", "serving"]

Metrics = dict[tuple[str, str], float]
"""Prometheus samples by name and label text."""

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
_READY = re.compile(r"penstock ready grpc=(\S+) http=(\S+)")


@dataclass(frozen=True, slots=True)
class Server:
    """Where a running server answers."""

    grpc: str
    http: str

    async def metrics(self) -> Metrics:
        """Return what the server counted."""
        text = await self.page("/metrics")
        samples: Metrics = {}
        for line in text.decode().splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match:
                samples[match[1], match[2] or ""] = float(match[3])
        return samples

    async def page(self, path: str) -> bytes:
        """GET a path of the HTTP port."""
        url = f"http://{self.http}{path}"
        return await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=30).read())


@contextlib.asynccontextmanager
async def serving(repository: Path, log: Path, front: str, config: Path) -> AsyncIterator[Server]:
    """Run a server on free ports of this machine while the block runs.

    Parameters
    ----------
    repository : Path
    log : Path
        What the server logs is written there.
    front : {"auto", "native", "grpcio"}
    config : Path
        The rest of the configuration.

    Raises
    ------
    PenstockError
        When the server does not start; the message holds the end of its log.
    """
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "penstock", "serve", str(repository), "--config", str(config)),
            *("--front", front),
            *("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-format", "json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    try:
        yield await _ready(process, log)
    finally:
        await _stop(process)


async def _ready(process: asyncio.subprocess.Process, log: Path) -> Server:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
    except TimeoutError:
        line = b""
    match = _READY.search(line.decode(errors="replace"))
    if match is None:
        end = log.read_text(errors="replace")[-2000:].strip()
        raise PenstockError(f"the server did not start: {end or 'it wrote no log'}")
    return Server(*match.groups())


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
