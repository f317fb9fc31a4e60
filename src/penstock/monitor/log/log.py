"""The prediction log of one model: what it was asked and what it answered, row by row, in Parquet files."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from penstock.config import LogConfig
from penstock.monitor.log._log import Chunk
from penstock.monitor.log.buffer import Ids, RowBuffer
from penstock.monitor.log.confidence import largest_probability
from penstock.monitor.log.folder import LogFolder
from penstock.monitor.log.layout import slots_of
from penstock.monitor.log.table import table_of
from penstock.monitor.log.writer import LogWriter

__all__ = ["LogFollower", "LogStatus", "PredictionLog"]

_log = logging.getLogger(__name__)

_PAUSE_S: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class LogStatus:
    """How a log fares.

    Attributes
    ----------
    written_rows : int
        In files that can be read, since the process began.
    dropped_rows : int
        That were to be logged and are lost: no room in the buffer, or a file could not be finished.
    waiting_rows : int
        In memory, or in files that are not finished.
    files, size_bytes : int
        On the disk, as of the last file.
    last_error : str
        Why rows could not be copied or written the last time; empty since they were.
    """

    written_rows: int
    dropped_rows: int
    waiting_rows: int
    files: int
    size_bytes: int
    last_error: str


class PredictionLog:
    """Keeps rows as they were answered.

    Parameters
    ----------
    config : LogConfig
    model : str
    prediction : str
        The output whose probabilities say how sure an answer is; see :func:`largest_probability`.
    names : mapping of str to sequence of str, optional
        Of the columns of inputs that are matrices.
    pause_s : float
        After rows could not be written, until the next attempt.

    Notes
    -----
    Any thread may call anything. :meth:`append` copies and returns: it neither waits for a disk nor raises.
    One thread writes. In memory wait at most ``buffer_rows`` rows and 256 MiB.
    """

    def __init__(
        self,
        config: LogConfig,
        model: str,
        *,
        prediction: str = "",
        names: Mapping[str, Sequence[str]] | None = None,
        pause_s: float = _PAUSE_S,
    ) -> None:
        self._config, self._model, self._prediction, self._pause_s = config, model, prediction, pause_s
        self._looks = config.sample < 1 and config.sample_uncertain > 0
        self._run = secrets.token_hex(8)
        folder = LogFolder(Path(config.directory) / model, self._run)
        self._writer = LogWriter(folder, config.file_rows, config.keep_bytes)
        self._buffer = RowBuffer(
            lambda columns, outputs: slots_of(columns, outputs, names),
            most_rows=config.buffer_rows,
            share=config.sample,
            doubtful_share=config.sample_uncertain,
            on_full=self._notify,
        )
        self._wake = threading.Condition(self._buffer.lock)
        self._done = threading.Condition(self._buffer.lock)
        # Changed with the lock of the buffer held.
        self._lost_rows = 0
        self._error = ""
        self._told_of_rows = False
        self._closed = False
        self._flushes = self._flushed = 0
        self._thread = threading.Thread(target=self._work, name=f"penstock-log-{model}", daemon=True)
        self._thread.start()

    def follower(self, version: int) -> LogFollower:
        """Return what takes in the rows of one version."""
        return LogFollower(self, version)

    def append(
        self,
        version: int,
        time_s: float,
        columns: Any,
        outputs: Mapping[str, Any],
        rows: int,
        ids: Ids | None = None,
    ) -> None:
        """Copy the rows of a batch that are to be logged; never waits, never raises.

        Parameters
        ----------
        version : int
        time_s : float
            Of the answer, since the epoch.
        columns : mapping of str to array, or whatever a caller of ``predict`` has
            Arrays of numbers (n,) or (n, k), objects that are str, :class:`~penstock.transform.PrefixedText`.
        outputs : mapping of str to ndarray
        rows : int
        ids : (sequence of str, sequence of int), optional
            What clients call the requests, empty where they do not, and the rows of each. One request without
            an id where left out.
        """
        if self._closed or rows == 0 or (self._config.sample == 0 and not self._looks):
            return
        try:
            doubtful = self._doubtful(outputs) if self._looks else None
            inputs = columns if self._config.features else {}
            self._buffer.add(version, time_s, inputs, outputs, rows, ids, doubtful)
        except Exception as error:
            with self._buffer.lock:
                self._lost_rows += rows
                self._error = f"{type(error).__name__}: {error}"
                told, self._told_of_rows = self._told_of_rows, True
            if not told:
                _log.exception("rows of %s could not be logged; serving goes on", self._model)

    def status(self) -> LogStatus:
        """Return how the log fares."""
        with self._buffer.lock:
            return LogStatus(
                written_rows=self._writer.written_rows,
                dropped_rows=self._buffer.dropped_rows + self._lost_rows + self._writer.lost_rows,
                waiting_rows=self._buffer.rows + self._writer.open_rows,
                files=self._writer.files,
                size_bytes=self._writer.size_bytes,
                last_error=self._error,
            )

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Finish the files under way; return whether no row waits."""
        with self._buffer.lock:
            self._flushes += 1
            wanted = self._flushes
            self._wake.notify()
            self._done.wait_for(lambda: self._flushed >= wanted, timeout_s if self._thread.is_alive() else 0)
            return self._buffer.rows + self._writer.open_rows == 0

    def close(self, timeout_s: float = 30.0) -> None:
        """Write what waits and end; what cannot be written in one attempt is dropped, and counted."""
        with self._buffer.lock:
            self._closed = True
            self._wake.notify()
        self._thread.join(timeout_s)

    def _notify(self) -> None:
        self._wake.notify()

    def _doubtful(self, outputs: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
        probability = largest_probability(outputs, self._prediction)
        if probability is None:
            return None
        return (~(probability >= self._config.uncertain_below)).view(np.uint8)

    # -- on the thread that writes -------------------------------------------------------------

    def _work(self) -> None:
        due, resume = time.monotonic() + self._config.file_s, 0.0
        while True:
            with self._buffer.lock:
                self._wait(due, resume)
                asked = self._closed or self._flushes > self._flushed
                closed, flushes = self._closed, self._flushes
            rotate = asked or time.monotonic() >= due
            if asked or time.monotonic() >= resume:
                went_well = self._write_all(rotate)
                resume = 0.0 if went_well else time.monotonic() + self._pause_s
            if rotate:
                due = time.monotonic() + self._config.file_s
            with self._buffer.lock:
                if closed:
                    self._drop_all()
                self._flushed = flushes
                self._done.notify_all()
                if closed:
                    return

    def _wait(self, due: float, resume: float) -> None:
        """Wait until something is to be written, or asked for."""

        def is_asked() -> bool:
            return self._closed or self._flushes > self._flushed

        now = time.monotonic()
        if resume > now:
            self._wake.wait_for(is_asked, resume - now)
        elif resume == 0:
            self._wake.wait_for(lambda: is_asked() or bool(self._buffer.full), max(0.0, due - now))

    def _write_all(self, rotate: bool) -> bool:
        """Write full chunks, and with ``rotate`` all, and finish the files; return whether that went well."""
        if rotate:
            with self._buffer.lock:
                self._buffer.seal()
        full = self._buffer.full
        try:
            while full:
                self._write(full[0])
            if rotate:
                self._writer.close()
        except OSError as error:
            self._tell(str(error))
            return False
        except Exception as error:
            _log.exception("the log of %s failed; serving goes on", self._model)
            self._tell(f"{type(error).__name__}: {error}")
            with self._buffer.lock:
                if full:  # whatever is wrong with it will be wrong again
                    self._lost_rows += len(full[0])
                    self._buffer.release(full[0])
            return False
        self._tell("")
        return True

    def _write(self, chunk: Chunk) -> None:
        table = table_of(chunk, self._model, f"{self._run}-")
        self._writer.write(table, table.column("time")[0].value)
        del table
        with self._buffer.lock:
            self._buffer.release(chunk)

    def _tell(self, error: str) -> None:
        with self._buffer.lock:
            before, self._error = self._error, error
        if error and not before:
            _log.error("the log of %s cannot be written; serving goes on: %s", self._model, error)
        elif before and not error:
            _log.info("the log of %s is written again", self._model)

    def _drop_all(self) -> None:
        self._writer.abandon()
        self._buffer.seal()
        while self._buffer.full:
            self._lost_rows += len(self._buffer.full[0])
            self._buffer.release(self._buffer.full[0])


class LogFollower:
    """Takes in the rows of one version: a :class:`penstock.monitor.observer.Follower`."""

    def __init__(self, log: PredictionLog, version: int) -> None:
        self._log, self._version = log, version

    def follow(self, columns: Any, outputs: Mapping[str, Any], rows: int, ids: Ids | None) -> None:
        """Log rows that were answered just now."""
        self._log.append(self._version, time.time(), columns, outputs, rows, ids)
