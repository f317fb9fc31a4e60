"""Transforms beside scikit-learn's, in one run: 1, 1,000 and 100,000 rows; and raw columns served.

``python -m benchmarks.bench_transform [--quick] [--markdown FILE]``. Both sides get the same fitted
ColumnTransformer and the same rows, scikit-learn as the pandas frame that it was fitted on; results are
compared bit for bit before anything is timed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

import penstock
from benchmarks.bench_serving import Options, markdown, measure
from benchmarks.contenders import penstock as serving
from benchmarks.features import TEXT, make_frame, make_pipeline
from benchmarks.machine import describe_machine
from benchmarks.model import NAME, OUTPUT, make_model
from benchmarks.process import running
from benchmarks.traffic import INFER, Traffic, expect_answers, oracle
from penstock.protos import message_class

SIZES = ((1, 500.0), (1_000, 50.0), (100_000, 10.0))
"""Rows, and how many times faster than scikit-learn the transform is to be on one thread."""
RAW_LIMIT = 2.0
SHAPE = (16, 32)


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians of one size, in seconds: a record batch, a dict of arrays (text as objects), a frame."""

    rows: int
    sklearn_s: float
    columns_s: float
    record_batch_s: float
    frame_s: float
    limit: float

    def faster(self, seconds: float) -> str:
        """Say how many times faster than scikit-learn."""
        return f"{self.sklearn_s / seconds:,.0f}×"

    @property
    def met(self) -> bool:
        """Whether columns in Arrow are transformed as fast as promised."""
        return self.sklearn_s >= self.limit * self.record_batch_s


def median_s(work: Callable[[], object], budget_s: float, repeats: int = 5) -> float:
    """Return the median time of a call; short calls are timed many at once."""
    began = time.perf_counter()
    work()
    once = max(time.perf_counter() - began, 1e-7)
    inner = max(1, int(budget_s / repeats / once))
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in range(inner):
            work()
        times.append((time.perf_counter() - began) / inner)
    return statistics.median(times)


def time_sizes(quick: bool) -> tuple[list[Timing], float, float]:
    """Time every size; also return the gigabytes a second of the transform at the largest, and of a copy."""
    largest = 2_000 if quick else SIZES[-1][0]
    frame = make_frame(largest)
    fitted = make_pipeline(frame)
    transform = penstock.Transform.from_sklearn(fitted)
    budget_s = 0.05 if quick else 1.0
    timings = []
    for rows, limit in SIZES:
        part = frame.iloc[: min(rows, largest)]
        columns = {name: part[name].to_numpy() for name in part.columns}
        batch = pa.RecordBatch.from_pandas(part, preserve_index=False)
        wanted = np.asarray(fitted.transform(part)).astype(np.float32)
        for data in (columns, batch, part):
            if transform.transform(data, threads=1).tobytes() != wanted.tobytes():
                raise AssertionError(f"{rows} rows of {type(data).__name__}: not what scikit-learn gives")
        timings.append(
            Timing(
                rows=rows,
                sklearn_s=median_s(lambda part=part: fitted.transform(part), budget_s, repeats=3),
                columns_s=median_s(lambda data=columns: transform.transform(data, threads=1), budget_s),
                record_batch_s=median_s(lambda data=batch: transform.transform(data, threads=1), budget_s),
                frame_s=median_s(lambda data=part: transform.transform(data, threads=1), budget_s),
                limit=limit,
            )
        )
    moved = batch.nbytes + wanted.nbytes
    source = np.ones(moved // 2, dtype=np.uint8)
    copy_s = median_s(lambda: source.copy(), budget_s)
    return timings, moved / timings[-1].record_batch_s / 1e9, moved / copy_s / 1e9


def serve_raw(quick: bool, scratch: Path) -> tuple[float, float]:
    """Return the server's CPU microseconds a request: for a ready matrix of 30 columns, and for raw ones.

    Both servers run the benchmark's model, one row a request, and neither is monitored. The raw columns are
    the 25 of the transform with text of 2 levels, which make 30.
    """
    distinct = 512 if quick else 4096
    options = Options(
        rounds=1 if quick else 3, seconds=0.5 if quick else 3.0, warm_s=0.5, distinct=distinct, only=[]
    )
    frame = make_frame(distinct, levels=2)
    transform = penstock.Transform.from_sklearn(make_pipeline(frame))
    raw = scratch / "raw"
    penstock.pack(
        NAME, make_model(), repository=raw, transform=transform, reference=pa.Table.from_pandas(frame)
    )
    matrix_samples, raw_samples = [], []
    with (
        running(serving("native")(scratch)) as matrix_server,
        running(serving("native", repository=raw, monitored=False)(scratch)) as raw_server,
    ):
        matrix_traffic = expect_answers(matrix_server.grpc, make_model(), distinct)
        raw_traffic = expect_raw(raw_server.grpc, frame, transform)
        for _ in range(options.rounds):
            matrix_samples.append(measure(matrix_server, matrix_traffic, SHAPE, options))
            raw_samples.append(measure(raw_server, raw_traffic, SHAPE, options))
    if any(sample.failed for sample in matrix_samples + raw_samples):
        raise AssertionError("requests failed")
    return (
        statistics.median(sample.cpu_us for sample in matrix_samples),
        statistics.median(sample.cpu_us for sample in raw_samples),
    )


def expect_raw(address: str, frame: Any, transform: penstock.Transform) -> Traffic:
    """Return one request a row, with the answers, compared bit for bit with what onnxruntime computes."""
    wanted = oracle(make_model(), transform.transform(frame))
    request_class, response_class = message_class("ModelInferRequest"), message_class("ModelInferResponse")
    bodies = []
    for row in frame.itertuples(index=False):
        request = request_class(model_name=NAME)
        for name, value in row._asdict().items():
            text = name in TEXT
            request.inputs.add(name=name, datatype="BYTES" if text else "FP64", shape=[1])
            content = (
                len(value).to_bytes(4, "little") + value.encode() if text else np.float64(value).tobytes()
            )
            request.raw_input_contents.append(content)
        request.outputs.add(name=OUTPUT)
        bodies.append(request.SerializeToString())
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(INFER)
        expected = [call(body, timeout=60) for body in bodies]
    for index, answer in enumerate(expected):
        if list(response_class.FromString(answer).raw_output_contents) != [wanted[index].tobytes()]:
            raise AssertionError(f"row {index}: the served answer is not what training would compute")
    return Traffic(bodies, expected)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_transform", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows: checks that it works")
    parser.add_argument("--markdown", type=Path, help="write the tables here")
    parsed = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    timings, transform_gb, copy_gb = time_sizes(parsed.quick)
    with tempfile.TemporaryDirectory() as scratch:
        matrix_us, raw_us = serve_raw(parsed.quick, Path(scratch))
    header = ["rows", "scikit-learn ms", "Arrow ms", "dict ms", "pandas ms", "Arrow", "dict", "pandas", ""]
    cells = [
        [
            f"{timing.rows:,}",
            f"{1e3 * timing.sklearn_s:,.2f}",
            f"{1e3 * timing.record_batch_s:,.4f}",
            f"{1e3 * timing.columns_s:,.4f}",
            f"{1e3 * timing.frame_s:,.4f}",
            timing.faster(timing.record_batch_s),
            timing.faster(timing.columns_s),
            timing.faster(timing.frame_s),
            f"Arrow ≥ {timing.limit:,.0f}×: {'met' if timing.met else 'missed'}",
        ]
        for timing in timings
    ]
    table = Table(*header, title="25 columns to 270, one thread")
    for row in cells:
        table.add_row(*row)
    per_core = timings[-1].rows / timings[-1].record_batch_s
    share = 100 * transform_gb / copy_gb
    verdict = "met" if raw_us <= RAW_LIMIT * matrix_us else "missed"
    notes = [
        f"{timings[-1].rows:,} rows from Arrow: {per_core:,.0f} rows/s a core; {transform_gb:.2f} GB/s read "
        f"and written, {share:.0f} % of a copy of as many bytes ({copy_gb:.2f} GB/s)",
        f"serving, 16×32, one row a request: ready matrix {matrix_us:.1f} µs CPU a request, 25 raw columns "
        f"{raw_us:.1f} µs: {raw_us / matrix_us:.2f}×, at most {RAW_LIMIT:.0f}×: {verdict}",
    ]
    console.print(describe_machine(), table)
    for note in notes:
        console.print(note)
    if parsed.markdown:
        parsed.markdown.write_text("\n\n".join([describe_machine(), markdown(header, cells), *notes]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
