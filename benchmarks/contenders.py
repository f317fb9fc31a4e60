"""The servers of the comparison: how each is started, and why one cannot be here."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.model import NAME, build_dir, make_identity, make_model, publish
from benchmarks.process import StartError, python

__all__ = ["CONTENDERS", "Contender", "build_echo_cc", "penstock"]

ECHO_CC = Path(__file__).parent / "servers" / "echo.cc"


@dataclass(frozen=True, slots=True)
class Contender:
    """One server of the comparison."""

    key: str
    label: str
    command: Callable[[Path], list[str]]
    """Makes the command line, given a scratch directory; raises StartError where it cannot run here."""
    model: Callable[[], Path] | None = None
    """Makes the ONNX file that it serves; an empty server answers with the request."""


def penstock(
    front: str,
    repository: Path | None = None,
    model: Callable[[], Path] = make_model,
    compile_trees: bool = True,
    monitored: bool = True,
) -> Callable[[Path], list[str]]:
    """Return what makes the command line of a Penstock server; without a repository it serves `model`."""

    def command(scratch: Path) -> list[str]:
        key = f"{front}-{model.__name__}-{compile_trees}-{monitored}"
        models = repository or publish(scratch / key, model())
        config = scratch / f"{key}.toml"
        config.write_text(
            f'[server]\nrepository = "{models}"\ngrpc = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\n'
            f'front = "{front}"\nintra_op_threads = 1\nlog_level = "warning"\n'
            f"compile_trees = {str(compile_trees).lower()}\n\n[models.{NAME}]\n"
            f"monitor.enabled = {str(monitored).lower()}\n"
        )
        return python("-m", "penstock", "serve", "--config", str(config))

    return command


def _echo_aio(scratch: Path) -> list[str]:
    return python("-m", "benchmarks.servers.echo_aio")


def _echo_cc(kind: str) -> Callable[[Path], list[str]]:
    return lambda scratch: [str(build_echo_cc()), kind]


CONTENDERS = (
    Contender("native", "penstock, native front, the model", penstock("native"), make_model),
    Contender(
        "native-empty",
        "penstock, native front, identity",
        penstock("native", model=make_identity),
        make_identity,
    ),
    Contender(
        "native-onnxruntime",
        "penstock, native front, the model in ONNX Runtime",
        penstock("native", compile_trees=False),
        make_model,
    ),
    Contender("grpcio", "penstock, grpcio front, the model", penstock("grpcio"), make_model),
    Contender("aio", "grpc.aio + uvloop, empty echo", _echo_aio),
    Contender("cc", "gRPC C++ callback, empty generic echo", _echo_cc("generic")),
    Contender("cc-unary", "gRPC C++ callback, empty unary echo", _echo_cc("unary")),
)


def build_echo_cc() -> Path:
    """Compile the gRPC C++ echo where its library is installed; raise StartError where it is not."""
    binary = build_dir() / "echo"
    if binary.exists() and binary.stat().st_mtime >= ECHO_CC.stat().st_mtime:
        return binary
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None or shutil.which("pkg-config") is None:
        raise StartError("needs g++ and pkg-config")
    found = subprocess.run(["pkg-config", "--cflags", "--libs", "grpc++"], capture_output=True, text=True)
    if found.returncode != 0:
        raise StartError("libgrpc++-dev is not installed")
    command = [compiler, "-std=c++17", "-O2", "-o", str(binary), str(ECHO_CC), *shlex.split(found.stdout)]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode != 0:
        raise StartError(f"echo.cc does not compile: {(built.stderr.splitlines() or ['no reason given'])[0]}")
    return binary
