"""Server processes under measurement: start, ready line, CPU and memory of the whole tree, stop."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

__all__ = ["ROOT", "Server", "StartError", "running"]

ROOT = Path(__file__).parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class StartError(RuntimeError):
    """A server did not come up; the message says why in one line."""


class Server:
    """A running process that printed a ready line, ``… ready grpc=HOST:PORT [http=HOST:PORT]``."""

    def __init__(self, process: subprocess.Popen[str], addresses: Mapping[str, str]) -> None:
        self.process = process
        self.grpc = addresses["grpc"]
        self.http = addresses.get("http")

    def members(self) -> dict[int, tuple[int, int]]:
        """Return user-plus-system ticks and resident pages of the process and its descendants, by pid."""
        found: dict[int, tuple[int, int, int]] = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    fields = Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()
                    found[int(entry)] = (int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[21]))
        tree, grew = {self.process.pid}, True
        while grew:
            more = {pid for pid, (parent, _, _) in found.items() if parent in tree} - tree
            tree |= more
            grew = bool(more)
        return {pid: found[pid][1:] for pid in tree if pid in found}

    def cpu_s(self) -> float:
        """Return the CPU seconds that the tree has used; resolution is one tick, usually 10 ms."""
        return sum(ticks for ticks, _ in self.members().values()) / _TICKS

    def resident_bytes(self) -> int:
        """Return the resident memory of the tree; pages shared between its processes count once each."""
        return sum(pages for _, pages in self.members().values()) * _PAGE_BYTES

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> int:
        """Ask for a drain, wait, and kill what does not end; return the exit code."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _ready_line(process: subprocess.Popen[str], timeout_s: float) -> dict[str, str]:
    assert process.stdout is not None
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left)[0]:
            break
        line = process.stdout.readline()
        if not line:
            raise StartError(f"exited with {process.wait()} before it was ready")
        if " ready " in line and "grpc=" in line:
            return dict(word.split("=", 1) for word in line.split() if "=" in word)
    raise StartError(f"not ready after {timeout_s:.0f} s")


@contextlib.contextmanager
def running(
    command: Sequence[str], timeout_s: float = 60, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run a server until the block ends.

    Raises
    ------
    StartError
        When it prints no ready line in time; the last line of its standard error is in the message.
    """
    source = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    variables = {**os.environ, "PYTHONPATH": source, "PYTHONUNBUFFERED": "1", **(environment or {})}
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        try:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=variables, cwd=ROOT
            )
        except OSError as error:
            raise StartError(f"{command[0]}: {error.strerror}") from None
        with process:
            try:
                server = Server(process, _ready_line(process, timeout_s))
            except StartError as error:
                process.kill()
                process.wait()
                log.seek(0)
                last = next((line.strip() for line in reversed(log.readlines()) if line.strip()), "")
                raise StartError(f"{error}: {last}" if last else str(error)) from None
            try:
                yield server
            finally:
                server.stop()


def python(*arguments: str) -> list[str]:
    """Return the command line of this Python with arguments."""
    return [sys.executable, *arguments]
