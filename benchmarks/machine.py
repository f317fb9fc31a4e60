"""A description of the machine and of the software that was measured, for the head of a report."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

__all__ = ["describe_machine"]

_PACKAGES = ("penstock", "grpcio", "onnxruntime", "numpy")


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown CPU"
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown CPU"
    )


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} (source tree)" if package == "penstock" else f"{package} missing"


def describe_machine() -> str:
    """Return one line: CPU, cores, memory, kernel, versions."""
    cores = len(os.sched_getaffinity(0))
    parts = [f"{_cpu_model()}, {cores} cores, {_memory_gib():.0f} GiB", f"Linux {platform.release()}"]
    parts += [f"Python {platform.python_version()}", *map(_version, _PACKAGES)]
    return "; ".join(parts)
