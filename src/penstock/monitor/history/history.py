"""The history of one model: everything about its windows that outlives the process.

Read next: profile_table.py and drift_table.py for the columns, parquet_files.py, checkpoint.py.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import threading
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import BundleError, OutputError
from penstock.monitor.history.aside import ASIDE, explain, write_aside
from penstock.monitor.history.baselines import Baselines
from penstock.monitor.history.checkpoint import OpenWindow, decode, encode
from penstock.monitor.history.closed import ClosedWindow
from penstock.monitor.history.drift_table import DRIFT_READ, drift_schema, drift_table, reports_of
from penstock.monitor.history.parquet_files import ParquetFiles
from penstock.monitor.history.profile_table import PROFILE_READ, profile_schema, profile_table, windows_of
from penstock.monitor.window import Window

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.monitor.report.report import DriftReport

__all__ = ["History"]

_log = logging.getLogger(__name__)

_KEEP_S: Final = 90 * 86400.0


class History:
    """Closed windows, their comparisons, and the open window of one model, in a directory.

    Parameters
    ----------
    directory : Path
        Of all models; this one has ``directory/model``.
    model : str
    granularity : str
        How long a window is, in words, for the tables: :attr:`Windows.granularity`.
    keep_s : float, default 90 days
        Windows of days that ended this long before the newest one are removed.

    Notes
    -----
    Nothing is read, written or made before a method is called. The first method that writes, and
    :meth:`load_open`, take a lock that goes with the process, however it ends: two processes never write to
    the same place. Any thread may call anything.
    """

    def __init__(
        self, directory: Path, model: str, *, granularity: str = "", keep_s: float = _KEEP_S
    ) -> None:
        self._directory = Path(directory) / model
        self._model, self._granularity, self._keep_s = model, granularity, keep_s
        self._profiles = ParquetFiles(self._directory / "profile_metrics", profile_schema())
        self._drifts = ParquetFiles(self._directory / "drift_metrics", drift_schema())
        self._baselines = Baselines(self._directory / "baselines")
        self._lock: weakref.finalize[..., History] | None = None
        self._turn = threading.RLock()

    def append(
        self,
        window: Window,
        reports: Mapping[str, DriftReport],
        spans: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        """Write a closed window and its comparisons.

        Parameters
        ----------
        window : Window
        reports : mapping of str to DriftReport
            As :func:`penstock.monitor.comparisons.compare` returns them.
        spans : mapping of str to (float, float), optional
            Which time each comparison with other windows was with: ``span`` of the counterparts.

        Raises
        ------
        OutputError
            When the disk is full, read-only, or in use by another process. Nothing of this window is kept
            then, everything that was written before is still there, and a later call may succeed.

        Notes
        -----
        Waits for the disk. Once a day the files of the day before are put together.
        """
        window_id = secrets.token_hex(6)
        closed = ClosedWindow(window, dict(reports), dict(spans or {}))
        with self._turn:
            self._take_lock()
            table = profile_table(window, window_id, self._granularity)
            name = self._profiles.write(table, window.begin_s, window_id)
            try:
                if reports:
                    baseline = self._keep_baseline(reports.get("baseline"))
                    table = drift_table(closed, window_id, self._granularity, baseline)
                    self._drifts.write(table, window.begin_s, window_id)
            except OutputError:
                self._profiles.remove([name])
                raise
            self._tidy(window)

    def load(self, limit: int) -> list[ClosedWindow]:
        """Return the newest windows, oldest first.

        Parameters
        ----------
        limit : int
            At most so many.

        Notes
        -----
        Windows come back exactly as they were, and so do the reports. A file that is damaged, foreign or of
        another version of the tables is logged and left out. About 0.1 ms a feature and window, and as much
        again for each comparison.
        """
        found: list[ClosedWindow] = []
        with self._turn:
            for day in self._profiles.days():
                if len(found) >= limit:
                    break
                found += self._load_day(day, limit - len(found))
            self._baselines.forget()
        return sorted(found, key=lambda closed: (closed.window.begin_s, closed.window.end_s))

    def save_open(self, version: int, window: Window | None, extra: bytes = b"") -> None:
        """Save what is counted of a version but not closed yet, in place of what was saved of it before.

        Parameters
        ----------
        version : int
        window : Window or None
            :attr:`Windows.open`.
        extra : bytes
            Anything that must come back with it, such as the state of the alarms.

        Raises
        ------
        OutputError
            As :meth:`append`.

        Notes
        -----
        Does not wait for the disk: it outlives the process at once, a loss of power when the file system has
        written it, within half a minute as a rule.
        """
        with self._turn:
            self._take_lock()
            data = encode(self._model, OpenWindow(version=version, window=window, extra=extra))
            write_aside(self._open_path(version), data, flush=False)

    def load_open(self) -> list[OpenWindow]:
        """Return what was saved of every version; none while another process writes to the directory.

        What is damaged is logged and left out, and a window that was closed and appended since is None. A
        window goes on where it is of the version and layout that are counted now, see
        :meth:`Windows.resume`; all others are to be closed, appended and dropped.
        """
        found = []
        with self._turn:
            paths = sorted(self._directory.glob("open-*.window"))
            try:
                if paths:
                    self._take_lock()
            except OutputError as error:
                _log.warning("the open windows are left alone: %s", error)
                return []
            for path in paths:
                try:
                    saved = decode(self._model, path.read_bytes(), str(path))
                    found.append(replace(saved, window=None) if self._has(saved.window) else saved)
                except (OSError, BundleError) as error:
                    _log.warning("%s: the open window is lost: %s", path, error)
        return found

    def drop_open(self, version: int) -> None:
        """Forget what was saved of a version; raises OutputError."""
        with self._turn:
            path = self._open_path(version)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise explain(path, error) from None

    def close(self) -> None:
        """Let the lock go; may be called again, and so may everything else."""
        with self._turn:
            if self._lock is not None:
                self._lock()
                self._lock = None

    def _open_path(self, version: int) -> Path:
        return self._directory / f"open-{version}.window"

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        path = self._directory / ".lock"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise explain(self._directory, error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise OutputError(
                f"{self._directory}: another process writes its windows here; "
                "give every process a monitor.directory of its own"
            ) from None
        except OSError as error:
            os.close(lock)
            raise explain(path, error) from None
        self._lock = weakref.finalize(self, os.close, lock)
        for path in self._directory.glob(f".*{ASIDE}"):
            path.unlink(missing_ok=True)
        self._profiles.tidy()
        self._drifts.tidy()

    def _tidy(self, newest: Window) -> None:
        day = datetime.fromtimestamp(newest.begin_s, UTC).date().isoformat()
        for files in (self._profiles, self._drifts):
            files.prune(newest.end_s - self._keep_s)
            try:
                files.fold(day)
            except OutputError as error:
                _log.warning("files of windows stay apart: %s", error)

    def _has(self, window: Window | None) -> bool:
        """Tell whether a window was appended when it had closed."""
        if window is None:
            return False
        day = datetime.fromtimestamp(window.begin_s, UTC).date().isoformat()
        closed = (
            pair
            for _, table in self._profiles.read(day, ["version", "begin_s"])
            for pair in zip(*(table.column(i).to_pylist() for i in range(2)), strict=True)
        )
        return (window.version, window.begin_s) in closed

    def _keep_baseline(self, report: DriftReport | None) -> str:
        if report is None:
            return ""
        digest, new = self._baselines.keep(report)
        if new:
            days = self._drifts.days()
            tables = (table for day in days for _, table in self._drifts.read(day, ["baseline"]))
            used = {value for table in tables for value in table.column("baseline").unique().to_pylist()}
            self._baselines.prune({digest, *used})
        return digest

    def _load_day(self, day: str, limit: int) -> list[ClosedWindow]:
        begins: dict[str, float] = {}
        for _, table in self._profiles.read(day, ["window_id", "begin_s"]):
            begins |= zip(
                table.column("window_id").to_pylist(), table.column("begin_s").to_pylist(), strict=True
            )
        newest = set(sorted(begins, key=begins.__getitem__)[-limit:])
        shared: dict[Any, Any] = {}
        windows: dict[str, Window] = {}
        for path, table in self._profiles.read(day, PROFILE_READ):
            with self._skipping(self._profiles, path):
                windows |= windows_of(_chosen(table, newest), path, shared)
        found = {window_id: ClosedWindow(window) for window_id, window in windows.items()}
        for path, table in self._drifts.read(day, DRIFT_READ):
            with self._skipping(self._drifts, path):
                found |= reports_of(_chosen(table, newest), windows, self._baselines.load, path, shared)
        return list(found.values())

    @contextlib.contextmanager
    def _skipping(self, files: ParquetFiles, path: str) -> Iterator[None]:
        try:
            yield
        except BundleError as error:
            files.skip(path, error)
        except Exception as error:  # the columns are ours, the values may be anybody's
            files.skip(path, f"its values cannot be read: {error!r}")


def _chosen(table: pa.Table, window_ids: set[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return table.filter(pc.is_in(table.column("window_id"), value_set=pa.array(window_ids, pa.string())))
