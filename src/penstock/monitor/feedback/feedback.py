"""Labels that come late, joined by id with what was answered. Read next: answers.py, files.py."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from penstock.config import FeedbackConfig
from penstock.monitor.feedback.answers import Answers, join
from penstock.monitor.feedback.files import LabelFiles
from penstock.monitor.feedback.labels import Classes, Labels, id_array
from penstock.monitor.feedback.rebuild import logged_segments
from penstock.monitor.feedback.result import JoinResult
from penstock.monitor.feedback.segment import Segment
from penstock.monitor.log.buffer import Ids, RowBuffer
from penstock.monitor.log.layout import Slot, named_slots, slots_of

__all__ = ["Feedback", "FeedbackFollower", "FeedbackStatus"]

_log = logging.getLogger(__name__)

_LEAST_BUFFER_ROWS: Final = 65_536
_SEAL_S: Final = 0.2
_EARLY_S: Final = 600.0
_EARLY_LABELS: Final = 100_000
_FILE_LABELS: Final = 262_144
_FATES: Final = tuple(item.name for item in fields(JoinResult) if item.name not in ("joined", "waiting"))


@dataclass(frozen=True, kw_only=True)
class FeedbackStatus:
    """How labels fared since the process began.

    Attributes
    ----------
    rows : int
        Answered rows that can be joined.
    size_bytes : int
        That they take.
    dropped_rows : int
        That could not be kept.
    joined, waiting, unknown, late, duplicate, contradictory, invalid : int
        Labels; see :class:`JoinResult`.
    problems : dict of str to str
        Files of labels that could not be read, and why.
    """

    rows: int
    size_bytes: int
    dropped_rows: int
    joined: int
    waiting: int
    unknown: int
    late: int
    duplicate: int
    contradictory: int
    invalid: int
    problems: dict[str, str] = field(default_factory=dict)


class Feedback:
    """Keeps the newest answers of one model, and joins labels with them.

    Parameters
    ----------
    config : FeedbackConfig
    outputs : sequence of str, optional
        To keep, such as ``p`` or ``p[1]``; all of at most 256 columns where left out.
    state : Path, optional
        File that remembers which files of labels were read.

    Notes
    -----
    Any thread may call anything but :meth:`tick`, which is one thread's. An id names a row of a request of
    one, ``id/3`` the fourth row of a request of several; an id that was answered more than once names its
    newest answer. Answers without an id cannot be joined. The first label of a row stays, so that every row
    counts once. A label that comes before its answer waits for ten minutes; of such labels 100,000 wait.
    """

    def __init__(
        self, config: FeedbackConfig, *, outputs: Sequence[str] | None = None, state: Path | None = None
    ) -> None:
        self._config, self._outputs = config, outputs
        self._kept = tuple(dict.fromkeys((*config.slices, *config.groups)))
        # Rows wait here until they are looked for, in chunks that are indexed as a whole.
        most_rows = max(config.keep_rows, _LEAST_BUFFER_ROWS)
        self._buffer = RowBuffer(self._layout, most_rows=most_rows, named=True)
        self._lost_rows = 0
        self._told_of_rows = False
        self._files = LabelFiles(Path(config.directory), state) if config.directory else None
        self._lock = threading.Lock()  # guards what follows
        self._answers = Answers(config.keep_rows)
        self._classes = Classes()
        self._early: list[Labels] = []  # one, but for those that came since the last look
        self._found_early: list[JoinResult] = []
        self._sealed_s = -np.inf
        self._counts = dict.fromkeys(("joined", *_FATES), 0)

    def follower(self, version: int) -> FeedbackFollower:
        """Return what takes in the rows of one version."""
        return FeedbackFollower(self, version)

    def remember(
        self,
        version: int,
        time_s: float,
        columns: Any,
        outputs: Mapping[str, Any],
        rows: int,
        ids: Ids | None,
    ) -> None:
        """Copy what is needed of the rows of a batch; never waits, never raises.

        Parameters
        ----------
        version : int
        time_s : float
            Of the answer, since the epoch.
        columns, outputs : mapping of str to array
        rows : int
        ids : (sequence of str, sequence of int), optional
            What clients call the requests, and the rows of each. Nothing is kept where left out.
        """
        if ids is None or rows == 0:
            return
        try:
            self._buffer.add(version, time_s, columns if self._kept else {}, outputs, rows, ids)
        except Exception:
            with self._buffer.lock:
                self._lost_rows += rows
                told, self._told_of_rows = self._told_of_rows, True
            if not told:
                _log.exception("answers could not be kept for their labels; serving goes on")

    def join(
        self, ids: Any, labels: Any, times_s: Any | None = None, *, now_s: float | None = None
    ) -> JoinResult:
        """Join labels with the rows that they are of.

        Parameters
        ----------
        ids : sequence of str, or Arrow array
        labels : sequence of numbers, booleans or str, array, or Arrow array
        times_s : array of float, optional
            When each label became known, seconds since the epoch; now where left out or NaN.
        now_s : float, optional
            Seconds since the epoch.

        Returns
        -------
        JoinResult
            Labels of answers of the last 0.2 seconds may wait until :meth:`tick`.

        Raises
        ------
        ValueError
            Where there are not as many labels and times as ids.
        """
        now_s = time.time() if now_s is None else now_s
        with self._lock:
            self._settle(now_s)
            return self._join(ids, labels, times_s, now_s)

    def tick(self, now_s: float | None = None) -> JoinResult:
        """Join labels that came before their answer, and those of new files; to be called every second or so.

        Notes
        -----
        Reads at most about 262,144 labels, and goes on with the rest of a file the next time.
        """
        now_s = time.time() if now_s is None else now_s
        with self._lock:
            self._settle(now_s)
            results = [*self._found_early, self._expire(now_s)]
            self._found_early = []
        left = _FILE_LABELS if self._files is not None else 0
        while left > 0 and self._files is not None:
            part = self._files.next(now_s)
            if part is None:
                break
            left -= max(1, len(part[0]))
            with self._lock:
                results.append(self._join(*part, now_s))
        if self._files is not None:
            self._files.save()
        return JoinResult.merged(results)

    def rebuild(self, log: Path) -> int:
        """Take in what a prediction log holds, after a restart; return the rows.

        Parameters
        ----------
        log : Path
            Directory of the log of this model.

        Notes
        -----
        The newest ``keep_rows`` rows. Which of them had a label is not known: one that comes again counts
        again. A file that cannot be read is skipped.
        """
        wanted = None if self._outputs is None else set(self._outputs)
        found = logged_segments(log, self._config.keep_rows, wanted, self._kept)
        with self._lock:
            self._answers.add_older(found)
        return sum(map(len, found))

    def status(self) -> FeedbackStatus:
        """Return how labels fared."""
        with self._lock:
            return FeedbackStatus(
                rows=len(self._answers) + self._buffer.rows,
                size_bytes=self._answers.size_bytes,
                dropped_rows=self._buffer.dropped_rows + self._lost_rows,
                waiting=sum(map(len, self._early)),
                problems=self._files.problems if self._files else {},
                **self._counts,
            )

    def _layout(self, columns: Mapping[str, Any], outputs: Mapping[str, Any]) -> tuple[Slot, ...]:
        found: list[Slot] = []
        for name in outputs if self._outputs is None else self._outputs:
            whole = {name: outputs[name]} if name in outputs else {}
            found += slots_of({}, whole) if whole else named_slots([name], {}, outputs)
        taken = {name for slot in found for name in slot.names}
        kept = named_slots([name for name in self._kept if name not in taken], columns, {})
        return (*(slot for slot in found if len(slot.names) == slot.items), *kept)

    # -- with the lock held ----------------------------------------------------------------------

    def _settle(self, now_s: float) -> None:
        """Index the answers that came since the last time, if that is a while ago."""
        if 0 <= now_s - self._sealed_s < _SEAL_S:
            return
        self._sealed_s = now_s
        with self._buffer.lock:
            self._buffer.seal()
        while self._buffer.full:
            chunk = self._buffer.full[0]
            segment = Segment.of_chunk(chunk)
            with self._buffer.lock:
                self._buffer.release(chunk)
            if self._early:
                results, left = join(Labels.merged(self._early), self._classes, [segment])
                self._early = [left] if len(left) else []
                self._found_early += map(self._counted, results)
            self._answers.add(segment)

    def _join(self, ids: Any, labels: Any, times_s: Any, now_s: float) -> JoinResult:
        found, invalid = self._labels_of(ids, labels, times_s, now_s)
        results, left = self._answers.join(found, self._classes)
        late = self._answers.were_held(left)
        early = left.only(~late)
        if len(early):
            self._early.append(early)
            if sum(map(len, self._early)) > 2 * _EARLY_LABELS:
                self._found_early.append(self._expire(now_s))
        rest = JoinResult.of_none(invalid=invalid, late=len(left) - len(early), waiting=len(early))
        return self._counted(JoinResult.merged([*results, rest]))

    def _labels_of(self, ids: Any, labels: Any, times_s: Any, now_s: float) -> tuple[Labels, int]:
        """Return labels that can be looked for, and how many cannot."""
        names = id_array(ids)
        numbers = self._classes.numbers(labels)
        times = np.full(len(names), now_s) if times_s is None else np.asarray(times_s, np.float64)
        if not len(names) == len(numbers) == len(times):
            raise ValueError(
                f"expected a label and a time for each of {len(names)} ids, "
                f"got {len(numbers)} labels and {len(times)} times"
            )
        known = np.isfinite(times) & (np.abs(times) < 1e11)
        times_us = (np.where(known, times, now_s) * 1e6).astype(np.int64)
        names = names.fill_null("")
        valid = np.array(names.to_numpy(zero_copy_only=False) != "", bool) & ~np.isnan(numbers)
        found = Labels(names, numbers, times_us, np.full(len(names), now_s)).only(valid)
        return found, len(names) - len(found)

    def _expire(self, now_s: float) -> JoinResult:
        """Give labels up that have waited too long, or that are too many."""
        unknown = 0
        if self._early:
            labels = Labels.merged(self._early)
            waits = now_s - labels.since_s < _EARLY_S
            waits[: max(0, len(labels) - _EARLY_LABELS)] = False
            unknown = len(labels) - int(np.count_nonzero(waits))
            left = labels.only(waits)
            self._early = [left] if len(left) else []
        return self._counted(JoinResult.of_none(unknown=unknown))

    def _counted(self, result: JoinResult) -> JoinResult:
        self._counts["joined"] += result.rows
        for name in _FATES:
            self._counts[name] += getattr(result, name)
        return result


class FeedbackFollower:
    """Takes in the rows of one version: a :class:`penstock.monitor.observer.Follower`."""

    def __init__(self, feedback: Feedback, version: int) -> None:
        self._feedback, self._version = feedback, version

    def follow(self, columns: Any, outputs: Mapping[str, Any], rows: int, ids: Ids | None) -> None:
        """Remember rows that were answered just now."""
        self._feedback.remember(self._version, time.time(), columns, outputs, rows, ids)
