"""A real server in a process of its own, for tests that talk to it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0

_PROGRAM = """
import json, sys
from penstock.config import parse_config
from penstock.errors import PenstockError
from penstock.serve.server import serve
try:
    code = serve(parse_config(json.loads(sys.argv[1])))
except PenstockError as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    code = 2
sys.exit(code)
"""
_READY = re.compile(r"penstock ready grpc=(\S+) http=(\S+)")


class StartError(Exception):
    """The server ended before it was ready; the message is what it wrote on standard error."""


def wait_until(condition: Any, timeout_s: float = 20.0, what: str = "the condition") -> Any:
    """Poll until a callable returns something true; return that."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {timeout_s} s")
        time.sleep(0.01)


class ServerProcess:
    """``penstock serve`` on loopback ports that it picked.

    Attributes
    ----------
    grpc, http : str
        ``host:port`` of each.
    process : subprocess.Popen
    """

    def __init__(self, repository: Path, front: str, **settings: Any) -> None:
        """Start and wait until ready.

        ``settings`` are keys of ``[server]``, but ``models`` holds ``[models.*]`` and ``monitor`` that.
        """
        models, monitor = settings.pop("models", {}), settings.pop("monitor", {})
        server = {"repository": str(repository), "front": front, "grpc": "127.0.0.1:0", "http": "127.0.0.1:0"}
        config = {"server": server | settings, "monitor": monitor, "models": models}
        self._stdout = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error::ResourceWarning", "-c", _PROGRAM, json.dumps(config)],
            stdout=self._stdout,
            stderr=self._stderr,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self.grpc = self.http = ""
        try:
            wait_until(self._ready, START_TIMEOUT_S, "the ready line")
        except BaseException:
            self.close()
            raise

    def _ready(self) -> bool:
        match = _READY.search(self._read(self._stdout))
        if match:
            self.grpc, self.http = match.groups()
            return True
        if self.process.poll() is not None:
            raise StartError(self.stderr())
        return False

    @staticmethod
    def _read(file: Any) -> str:
        return os.pread(file.fileno(), 2**24, 0).decode("utf-8", "replace")

    def stdout(self) -> str:
        return self._read(self._stdout)

    def stderr(self) -> str:
        return self._read(self._stderr)

    def logs(self) -> list[dict[str, Any]]:
        """Return the log records so far."""
        return [json.loads(line) for line in self.stderr().splitlines() if line.startswith("{")]

    def wait_for_log(self, **fields: Any) -> dict[str, Any]:
        """Return the first log record that has these fields, once it is there."""

        def find() -> dict[str, Any] | None:
            return next((record for record in self.logs() if fields.items() <= record.items()), None)

        return wait_until(find, what=f"a log record with {fields}")

    def get(self, path: str) -> httpx.Response:
        """GET a path of the HTTP port."""
        return httpx.get(f"http://{self.http}{path}", timeout=20)

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value, 0 where it has none yet."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        for line in self.get("/metrics").text.splitlines():
            match = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if match and wanted <= set((match[1] or "").split(",")):
                return float(match[2])
        return 0.0

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait for the process to end; return its exit code."""
        return self.process.wait(timeout_s)

    def stop(self) -> int:
        """Drain; return the exit code."""
        self.signal()
        return self.wait()

    def close(self) -> None:
        """End the process whatever its state."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._stdout.close()
        self._stderr.close()
