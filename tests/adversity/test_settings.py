"""Settings that do not work stop the server before it listens, in words that help."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import publish_models
from serving import ServerProcess, StartError

Start = Callable[..., ServerProcess]

FAULTS = {
    "[server]\ngrcp = '127.0.0.1:0'": 'unknown key "grcp" in [server]; did you mean "grpc"?',
    "[server.limits]\nstall = 1": 'unknown key "stall" in [server.limits]; did you mean "stall_s"?',
    "[models.adder]\nmax_batch = 1": 'unknown key "max_batch" in [models.*]; did you mean "max_batch_rows"?',
    "[sever]": 'unknown key "sever" in the top level; did you mean "server"?',
    "[server]\nfront = 'fast'": "front",
    "[server]\nfront_threads = 0": "front_threads",
    "[server.tls]\ncertificate = 'x'": "key",
    "[server": "not valid TOML",
    "\xff": "not valid TOML",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_configuration_that_does_not_work(repository: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "penstock.toml"
    path.write_bytes(text.encode("latin-1"))
    command = [sys.executable, "-m", "penstock", "serve", str(repository), "--config", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = " ".join(ran.stderr.split())
    assert ran.returncode != 0
    assert FAULTS[text] in said
    assert "Traceback" not in said


@pytest.mark.parametrize("key", ["grpc", "http"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_port_that_is_taken(repository: Path, server: Start, key: str, threads: int) -> None:
    publish_models(repository)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartError, match=f"{key} address {address} is already in use"):
            server(**{key: address}, front_threads=threads)


def test_a_port_that_threads_of_another_server_share(repository: Path, server: Start) -> None:
    publish_models(repository)
    first = server(front_threads=2)
    with pytest.raises(StartError, match="is already in use"):
        server(grpc=first.grpc, front_threads=2)
    assert first.get("/healthz").status_code == 200
