"""``python -m benchmarks [--quick]``: every benchmark in turn; the exit code is 1 when one failed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from benchmarks import (
    bench_detectors,
    bench_drift,
    bench_memory,
    bench_monitor,
    bench_monitored_serving,
    bench_score,
    bench_serving,
    bench_transform,
    simulator,
)
from benchmarks.process import ROOT


def _micro(quick: bool) -> int:
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "python_files=bench_*.py",
        "-o",
        "python_functions=bench_*",
    ]
    options += (
        ["--benchmark-disable"] if quick else ["--benchmark-columns=median,iqr,ops", "--benchmark-sort=name"]
    )
    return int(pytest.main([*options, str(Path(__file__).parent)]))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts: checks that everything works")
    quick = ["--quick"] if parser.parse_args(arguments).quick else []
    codes = [
        _micro(bool(quick)),
        simulator.main(quick),
        bench_serving.main(quick),
        bench_memory.main(quick),
        bench_transform.main(quick),
        bench_score.main(quick),
        bench_monitor.main(quick),
        bench_monitored_serving.main(quick),
        bench_detectors.main(quick),
        bench_drift.main(quick),
    ]
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
