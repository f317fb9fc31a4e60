"""Batch scoring beside bare ONNX Runtime and beside a plain script, and its memory.

``python -m benchmarks.bench_score [--quick] [--rounds N] [--only speed|memory]``. Bare ONNX Runtime has the
rows in memory already and the same number of threads, at the batch size that suits it best. Runs take turns;
the best of each counts, and so long that starting, which stands by itself, hardly does. CPU is that of the
whole process. Every score is compared with that of bare ONNX Runtime.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

import penstock as ps
from benchmarks.machine import describe_machine
from benchmarks.model import FEATURES, INPUT, make_mlp, make_model, make_rows
from benchmarks.process import ROOT

NAMES = [f"f{index}" for index in range(FEATURES)]
BATCHES = (1024, 2048, 8192, 65_536)
LIMIT = 0.9
FLAT = 0.10
ROW_GROUP = 131_072

_Rows = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Case:
    """A model, the threads that it runs on, and how its rows lie on the disk."""

    model: str
    threads: int
    copies: int
    file: str
    options: dict[str, Any]
    note: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run took, in seconds."""

    wall_s: float
    cpu_s: float


class Stopwatch:
    """Time on the clock and of the processor since it was made."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), _cpu_s()

    def read(self) -> Spent:
        return Spent(time.perf_counter() - self._wall_s, _cpu_s() - self._cpu_s)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def session_of(graph: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def run_bare(graph: Path, rows: _Rows, copies: int, threads: int, batch: int) -> tuple[Spent, _Rows]:
    """Run ONNX Runtime alone over the rows so many times, one session called from so many threads."""
    session = session_of(graph)
    session.run(None, {INPUT: rows[:batch]})
    starts = [*range(0, len(rows), batch)] * copies

    def run(start: int) -> Any:
        return session.run(None, {INPUT: rows[start : start + batch]})[0]

    watch = Stopwatch()
    if threads == 1:
        parts = [run(start) for start in starts]
    else:
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(run, starts))
    return watch.read(), np.concatenate(parts[: len(parts) // copies])


def run_score(
    model: Path, paths: Path | Sequence[Path], out: Path, threads: int | None, **options: Any
) -> Spent:
    """Score files, model loading and all writing included."""
    shutil.rmtree(out, ignore_errors=True)
    watch = Stopwatch()
    ps.score(model, paths, out, threads=threads, **options)
    return watch.read()


def scores_of(out: Path) -> _Rows:
    """Return the scores in the order of the ids."""
    table = pa.dataset.dataset(out).to_table().sort_by("id")
    column = table.column(1).combine_chunks()
    width = column.type.list_size if pa.types.is_fixed_size_list(column.type) else 1
    flat = column.flatten() if width > 1 else column
    return np.asarray(flat).reshape(-1, width)


def write_rows(path: Path, rows: _Rows, **options: Any) -> Path:
    columns: dict[str, Any] = {"id": np.arange(len(rows))}
    columns |= {name: rows[:, index] for index, name in enumerate(NAMES)}
    pq.write_table(pa.table(columns), path, row_group_size=ROW_GROUP, **options)
    return path


PLAIN = """
import pickle, sys, time
import onnxruntime, pandas
model, path, scaler, out, threads = sys.argv[1:]
began = time.perf_counter()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
frame = pandas.read_parquet(path)
with open(scaler, "rb") as file:
    scaled = pickle.load(file).transform(frame.drop(columns="id"))
scores = session.run(None, {"input": scaled.astype("float32")})[0]
result = frame[["id"]].copy()
for index in range(scores.shape[1]):
    result[f"score{index}"] = scores[:, index]
result.to_parquet(out)
print(time.perf_counter() - began)
"""

MEASURED = """
import contextlib, io, json, sys
sys.argv = ["penstock", "score", *sys.argv[1:], "--json"]
from penstock.cli.main import main
printed = io.StringIO()
with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
    main()
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
report = json.loads(printed.getvalue())
print(json.dumps({"rows": report["rows"], "peak_mb": peak / 1e3, "rate": report["rows_per_s"]}))
"""


def python(program: str, *arguments: str) -> str:
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def link(path: Path, copies: int) -> list[Path]:
    """Return so many names of a file."""
    paths = [path.with_name(f"{path.stem}-{number:02}.parquet") for number in range(copies)]
    for name in paths:
        if not name.exists():
            os.link(path, name)
    return paths


def measure_speed(folder: Path, quick: bool, rounds: int) -> Table:
    graphs = {"gbdt": make_model(), "mlp-256-128": make_mlp((256, 128)), "mlp-64-32": make_mlp()}
    for name, graph in graphs.items():
        bundle = folder / "models" / name / "1"
        bundle.mkdir(parents=True)
        shutil.copy(graph, bundle / "model.onnx")
    rows = make_rows(50_000 if quick else 1_000_000)
    files = {
        "default": write_rows(folder / "default.parquet", rows),
        "plain": write_rows(folder / "plain.parquet", rows, compression="none", use_dictionary=False),
    }
    cores = len(os.sched_getaffinity(0))
    packed, plain = "snappy, dictionaries", "not compressed, no dictionaries"
    cases = [
        Case("gbdt", 1, 1, "default", {}, packed),
        Case("gbdt", cores, 2, "default", {}, packed),
        Case("gbdt", cores, 2, "plain", {}, plain),
        Case("mlp-256-128", 1, 8, "default", {}, packed),
        Case("mlp-256-128", cores, 12, "default", {}, packed),
        Case("mlp-64-32", 1, 20, "default", {}, packed),
        Case("mlp-64-32", 1, 20, "plain", {}, plain),
        Case("mlp-64-32", 1, 20, "plain", {"digests": False}, f"{plain}, no digests"),
    ]
    table = Table(
        "model", "threads", "rows", "Parquet", "bare rows/s", "penstock rows/s", "share", "CPU µs/row", "",
        title="penstock score beside bare ONNX Runtime",
    )  # fmt: skip
    for case in cases:
        copies, out = 1 if quick else case.copies, folder / "out"
        paths = link(files[case.file], copies)
        bare: list[Spent] = []
        scored: list[Spent] = []
        best, best_s = BATCHES[0], float("inf")
        for batch in BATCHES:
            seconds = run_bare(graphs[case.model], rows[: len(rows) // 4], 1, case.threads, batch)[0].wall_s
            if seconds < best_s:
                best, best_s = batch, seconds
        for _ in range(rounds):
            spent, expected = run_bare(graphs[case.model], rows, copies, case.threads, best)
            bare.append(spent)
            scored.append(
                run_score(
                    folder / "models" / case.model, paths, out, case.threads, keep=["id"], **case.options
                )
            )
        np.testing.assert_allclose(scores_of(out), np.repeat(expected, copies, axis=0), rtol=1e-5, atol=1e-6)
        count = len(rows) * copies
        bare_s, score_s = (min(spent.wall_s for spent in runs) for runs in (bare, scored))
        bare_us, score_us = (min(spent.cpu_s for spent in runs) / count * 1e6 for runs in (bare, scored))
        share = bare_s / score_s
        table.add_row(
            case.model, str(case.threads), f"{count:,}", case.note, f"{count / bare_s:,.0f}",
            f"{count / score_s:,.0f}", f"{share:.2f}", f"{bare_us:.2f} → {score_us:.2f}",
            "met" if share >= LIMIT else "missed",
        )  # fmt: skip
    few = write_rows(folder / "few.parquet", rows[:100])
    start_s = min(
        run_score(folder / "models" / "gbdt", few, folder / "out", cores, keep=["id"]).wall_s
        for _ in range(3)
    )
    table.caption = f"100 rows of the trees take {start_s:.3f} s, imports left out"
    return table


def measure_script(folder: Path, quick: bool, rounds: int) -> Table:
    """A scaler and a model over a file: a plain script, and a bundle with the scaler as its transform."""
    import pickle

    from sklearn.preprocessing import StandardScaler

    path = write_rows(folder / "short.parquet", make_rows(25_000 if quick else 500_000))
    frame = pq.read_table(path).to_pandas().drop(columns="id")
    scaler = StandardScaler().fit(frame)
    (folder / "scaler.pickle").write_bytes(pickle.dumps(scaler))
    table = Table("model", "plain script rows/s", "penstock rows/s", "ratio", title="Scale and score a file")
    cores = len(os.sched_getaffinity(0))
    for name, graph in (("gbdt", make_model()), ("mlp", make_mlp())):
        transform = ps.Transform.from_sklearn(scaler, frame)
        ps.pack(f"scaled-{name}", graph, transform=transform, repository=folder / "models")
        plain_s = score_s = float("inf")
        for _ in range(rounds):
            arguments = [graph, path, folder / "scaler.pickle", folder / "plain.out.parquet", cores]
            plain_s = min(plain_s, float(python(PLAIN, *map(str, arguments))))
            spent = run_score(folder / "models" / f"scaled-{name}", path, folder / "out", cores, keep=["id"])
            score_s = min(score_s, spent.wall_s)
        rows = len(frame)
        table.add_row(name, f"{rows / plain_s:,.0f}", f"{rows / score_s:,.0f}", f"{plain_s / score_s:.1f}×")
    return table


def measure_memory(folder: Path, quick: bool) -> tuple[Table, bool]:
    """Peak resident memory of processes that score 1 and 50 files of a million rows, of the same content."""
    import json

    bundle = folder / "memory" / "mlp" / "1"
    bundle.mkdir(parents=True)
    shutil.copy(make_mlp(), bundle / "model.onnx")
    first = write_rows(folder / "million.parquet", make_rows(20_000 if quick else 1_000_000))
    table = Table("rows", "peak MB", "rows/s", "over the first", "verdict", title="Memory of penstock score")
    peaks: list[float] = []
    good = True
    for count in (1, 3 if quick else 50):
        inputs = folder / f"in{count}"
        inputs.mkdir()
        for number in range(count):
            os.link(first, inputs / f"{number:03}.parquet")
        options = ["-o", str(folder / f"out{count}"), "--keep", "id", "--threads", "2"]
        told = json.loads(python(MEASURED, str(bundle), str(inputs), *options))
        peaks.append(told["peak_mb"])
        growth = peaks[-1] / peaks[0] - 1
        good &= growth <= FLAT
        table.add_row(
            f"{told['rows']:,}", f"{peaks[-1]:.1f}", f"{told['rate']:,.0f}", f"{growth:+.1%}",
            "met" if growth <= FLAT else "missed",
        )  # fmt: skip
    # Few rows show that it works, not that memory is flat.
    return table, good or quick


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_score", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts: checks that it works")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["speed", "script", "memory"])
    parsed = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(describe_machine())
    rounds = 1 if parsed.quick else parsed.rounds
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if parsed.only in (None, "speed", "script"):
            if parsed.only != "script":
                console.print(measure_speed(folder, parsed.quick, rounds))
            console.print(measure_script(folder, parsed.quick, rounds))
        if parsed.only in (None, "memory"):
            table, met = measure_memory(folder, parsed.quick)
            console.print(table)
            good &= met
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
