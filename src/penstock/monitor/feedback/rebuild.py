"""Answered rows from a prediction log, after a restart."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.monitor.feedback.labels import text_buffers
from penstock.monitor.feedback.segment import Segment, free_name
from penstock.monitor.log._log import Index
from penstock.monitor.log.table import ROLE

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["logged_segments"]

_log = logging.getLogger(__name__)


def logged_segments(
    log: Path, most_rows: int, outputs: set[str] | None, kept: Iterable[str]
) -> list[Segment]:
    """Return the newest rows of a log, oldest first.

    Parameters
    ----------
    log : Path
        Directory with a directory a day.
    most_rows : int
        Files are read until there are so many.
    outputs : set of str, optional
        ``p`` or ``p[1]``; all where left out.
    kept : iterable of str
        Other columns.
    """
    import pyarrow as pa

    found: list[Segment] = []
    rows = 0
    for path in sorted(log.glob("[0-9]*/*.parquet"), reverse=True):
        if rows >= most_rows:
            break
        try:
            segments = _read(path, outputs, set(kept))
        except (OSError, KeyError, pa.ArrowException) as error:
            _log.warning("%s is no file of a prediction log; it is skipped: %s", path, error)
            continue
        rows += sum(map(len, segments))
        found[:0] = segments
    return found


def _read(path: Path, outputs: set[str] | None, kept: set[str]) -> list[Segment]:
    import pyarrow.parquet as pq

    segments = []
    with pq.ParquetFile(path) as file:
        wanted = [field.name for field in file.schema_arrow if _is_wanted(field, outputs, kept)]
        for batch in file.iter_batches(65_536, columns=["id", "version", "time", *wanted]):
            segments.append(_segment(batch, wanted))
    return segments


def _is_wanted(field: Any, outputs: set[str] | None, kept: set[str]) -> bool:
    role = (field.metadata or {}).get(ROLE)
    if role == b"output":
        name = field.name.removeprefix("output.")
        return outputs is None or name in outputs or name.rpartition("[")[0] in outputs
    return role == b"feature" and field.name.removeprefix("input.") in kept


def _segment(batch: pa.RecordBatch, wanted: list[str]) -> Segment:
    import pyarrow as pa

    times_us = batch.column("time").cast(pa.int64()).to_numpy(zero_copy_only=False)
    versions = batch.column("version").cast(pa.int32()).to_numpy(zero_copy_only=False)
    ids = batch.column("id").cast(pa.string()).fill_null("")
    offsets, data = text_buffers(ids)
    index = Index.of_rows(offsets, data, np.ascontiguousarray(times_us), np.ascontiguousarray(versions))
    fields = [batch.schema.field(name) for name in wanted]
    names = [free_name(each.name, each.metadata[ROLE] == b"output") for each in fields]
    columns = [batch.column(name) for name in wanted]
    return Segment(index, pa.table(dict(zip(names, columns, strict=True))))
