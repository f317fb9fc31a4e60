"""Files of labels that appear in a directory: each is read once."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from penstock.errors import ScoreError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LabelFiles"]

_log = logging.getLogger(__name__)

_SETTLED_S: Final = 2.0
_BATCH_ROWS: Final = 65_536
_SUFFIXES: Final = (".parquet", ".csv", ".arrow", ".arrows")

Part = tuple[Any, Any, Any]


class _Seen(msgspec.Struct):
    """One file: what it was, and how far it was read."""

    size: int
    mtime_ns: int
    labels: int = 0
    done: bool = False
    problem: str = ""


class LabelFiles:
    """Reads Parquet, CSV and Arrow files with columns ``id``, ``label`` and perhaps ``time``.

    Parameters
    ----------
    directory : Path
        Subdirectories, names that begin with ``.`` or ``_``, and other suffixes are not looked at.
    state : Path, optional
        File that remembers what was read. Without one every file is read again after a restart.

    Notes
    -----
    A file is read when it has not changed for two seconds. What was read is not read again, also when it
    changes. One that cannot be read is reported once, and tried again when it has changed. One thread at a
    time.
    """

    def __init__(self, directory: Path, state: Path | None = None) -> None:
        self._directory, self._state = directory, state
        self._seen = self._load()
        self._changed = self._told = False
        self._reading: tuple[str, Iterator[Part]] | None = None

    @property
    def problems(self) -> dict[str, str]:
        """Files that could not be read, and why."""
        return {name: seen.problem for name, seen in list(self._seen.items()) if seen.problem}

    def next(self, now_s: float) -> Part | None:
        """Return ids, labels and times of some rows, and None where there is nothing new."""
        while True:
            if self._reading is None:
                name = self._find(now_s)
                if name is None:
                    return None
                self._reading = (name, self._parts(name))
            name, parts = self._reading
            seen = self._seen[name]
            self._changed = True
            try:
                part = next(parts, None)
            except Exception as error:
                # Whatever is wrong with a file of somebody else's.
                seen.problem = _short(error)
                _log.error("labels of %s cannot be read: %s", self._directory / name, seen.problem)
                self._reading = None
                continue
            if part is not None:
                seen.labels += len(part[0])
                return part
            seen.done = True
            self._reading = None

    def save(self) -> None:
        """Remember what was read; a failure is logged once."""
        if self._state is None or not self._changed:
            return
        aside = self._state.with_name(f"{self._state.name}.{os.getpid()}")
        try:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(msgspec.json.encode(self._seen))
            os.replace(aside, self._state)
            self._changed = self._told = False
        except OSError as error:
            if not self._told:
                _log.warning("which labels were read cannot be remembered: %s", error)
            self._told = True
            with contextlib.suppress(OSError):
                aside.unlink()

    def _load(self) -> dict[str, _Seen]:
        try:
            data = self._state.read_bytes() if self._state is not None else b"{}"
            return msgspec.json.decode(data, type=dict[str, _Seen])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("which labels were read is not known; all files are read again: %s", error)
            return {}

    def _find(self, now_s: float) -> str | None:
        """Return the oldest file that is to be read."""
        try:
            present = {entry.name: entry.stat() for entry in os.scandir(self._directory) if entry.is_file()}
        except OSError:
            return None
        for name in set(self._seen) - set(present):
            del self._seen[name]
            self._changed = True
        fresh = []
        for name, stat in present.items():
            if name.startswith((".", "_")) or not name.endswith(_SUFFIXES):
                continue
            seen = self._seen.get(name)
            changed = seen is None or (seen.size, seen.mtime_ns) != (stat.st_size, stat.st_mtime_ns)
            if seen is not None and (seen.done or (seen.problem and not changed)):
                continue
            if 0 <= now_s - stat.st_mtime < _SETTLED_S:
                continue
            fresh.append((stat.st_mtime_ns, name, stat.st_size))
        if not fresh:
            return None
        mtime_ns, name, size = min(fresh)
        before = self._seen.get(name)
        same = before is not None and (before.size, before.mtime_ns) == (size, mtime_ns)
        self._seen[name] = _Seen(size, mtime_ns, before.labels if before is not None and same else 0)
        return name

    def _parts(self, name: str) -> Iterator[Part]:
        """Yield the rows of a file, without those that were read before a restart."""
        import pyarrow as pa

        skip = self._seen[name].labels
        path = self._directory / name
        for batch in _batches(path):
            missing = [column for column in ("id", "label") if column not in batch.schema.names]
            if missing:
                raise ScoreError(f'expected columns "id" and "label", got {", ".join(batch.schema.names)}')
            if skip >= len(batch):
                skip -= len(batch)
                continue
            part = batch.slice(skip)
            skip = 0
            times = _seconds(part.column("time"), pa) if "time" in part.schema.names else None
            yield part.column("id"), part.column("label"), times


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import csv, ipc
    from pyarrow import parquet as pq

    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            wanted = [name for name in ("id", "label", "time") if name in file.schema_arrow.names]
            yield from file.iter_batches(_BATCH_ROWS, columns=wanted or None)
    elif path.suffix == ".csv":
        options = csv.ConvertOptions(column_types={"id": pa.string()}, strings_can_be_null=True)
        with csv.open_csv(path, convert_options=options) as reader:
            yield from reader
    elif path.suffix == ".arrows":
        with ipc.open_stream(path) as stream:
            yield from stream
    else:
        with ipc.open_file(path) as arrow:
            for number in range(arrow.num_record_batches):
                yield arrow.get_batch(number)


def _seconds(column: pa.Array, pa: Any) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Return times in seconds since the epoch; None where the column does not hold times."""
    if pa.types.is_timestamp(column.type):
        numbers = column.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64())
        return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64) / 1e6
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    return None


def _short(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}…"
