"""Units in, output files out: reading, gathering, inference and writing at the same time.

Readers decode record batches and gather inputs, workers run the model, writers put columns together and
into files in their order. What is under way is bounded, so memory is too. Read next: job.py.
"""

from __future__ import annotations

import datetime
import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

import msgspec
import pyarrow as pa

from penstock.engine.session import release_memory
from penstock.errors import OutputError, PenstockError, SignatureError
from penstock.score.folder import Draft, Folder
from penstock.score.location import Location
from penstock.score.manifest import Failure, UnitEntry
from penstock.score.scorer import Binding, Scorer
from penstock.score.source import Format, identify, opened
from penstock.score.unit import InputFile, Task, Unit
from penstock.score.writer import SUFFIXES, UnitWriter

__all__ = ["Flow", "Writing", "reason"]

_POLL_S: Final = 0.2
# What lies free between buffers is given back now and then, or the peak creeps up with the rows.
_TRIM_ROWS: Final = 2**22
_BAD_ROWS: Final = (PenstockError, pa.ArrowException, ValueError)
_BAD_INPUT: Final = (*_BAD_ROWS, OSError)

_T = TypeVar("_T")


class Writing(msgspec.Struct, frozen=True, kw_only=True):
    """How units are cut and written; the same for every process of a run.

    Attributes
    ----------
    run : str
        Digest of model, transform and options.
    format, compression : str
    batch_rows, unit_rows : int
        ``unit_rows`` is a multiple of ``batch_rows``.
    schema : pyarrow.Schema
        Of the output.
    csv_types : dict of str to pyarrow.DataType
    """

    run: str
    format: str
    compression: str
    batch_rows: int
    unit_rows: int
    schema: Any
    csv_types: dict[str, Any]


class _Stopped(Exception):  # noqa: N818 - a signal, not an error
    """The run ends early."""


class _Part:
    """A unit on its way; after the reader has made it, only its writer changes it, but for ``failed``."""

    def __init__(
        self, task: Task, unit: Unit | None, binding: Binding | None, events: queue.SimpleQueue[Any]
    ) -> None:
        self.task, self.events = task, events
        self.unit = unit  # None where the file failed before its units were known
        self.binding = binding
        self.started = _now()
        self.sent = 0  # batches handed to the workers; the reader counts
        self.failed = False
        self.total: int | None = None
        self.last = True
        self.written = 0
        self.waiting: dict[int, pa.RecordBatch] = {}
        self.draft: Draft | None = None
        self.writer: UnitWriter | None = None


class Flow:
    """Scores tasks with threads of this process.

    Parameters
    ----------
    scorer : Scorer
    folder : Folder
        Open.
    writing : Writing
    threads : int
        Runs of the model at the same time.
    stop_on_failure : bool
        Stop reading when a unit has failed; otherwise go on with the next.

    Notes
    -----
    A worker does nothing but run the model, so it keeps its core. Readers gather, while what they have
    decoded is in their core's cache, and only kept columns go on. At most ``2 · threads + 4`` batches are
    under way, beside one a reader.
    """

    def __init__(
        self, scorer: Scorer, folder: Folder, writing: Writing, threads: int, stop_on_failure: bool = True
    ) -> None:
        self._scorer, self._folder, self._writing = scorer, folder, writing
        self._threads = threads
        self._stop_on_failure = stop_on_failure
        self._stop = threading.Event()
        self._fatal: BaseException | None = None
        self._work: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._slots = threading.Semaphore(2 * threads + 4)
        self._finishing = threading.Lock()
        self._untrimmed_rows = 0
        self._writers: list[queue.SimpleQueue[Any]] = []

    def run(
        self,
        tasks: Iterable[Task],
        done: Callable[[UnitEntry], None],
        failed: Callable[[Failure], None],
        scored: Callable[[int], None] = lambda rows: None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """Score tasks; return when all their units are written or have failed, or the run has stopped.

        Parameters
        ----------
        tasks : iterable of Task
        done, failed, scored : callable
            Called by one thread at a time: for each unit in place, for each that failed, and with the
            rows of each batch.
        tick : callable
            Called by this thread a few times a second.

        Raises
        ------
        OutputError
            When the output cannot be written. Units in place stay.
        """
        self._done, self._failed, self._scored = done, failed, scored
        tasks = iter(tasks)
        guard = threading.Lock()
        pull = self._guarded(guard, tasks)
        self._writers = [queue.SimpleQueue() for _ in range(max(1, self._threads // 4))]
        rotation = itertools.cycle(self._writers)
        readers = [self._thread(self._read_all, pull, rotation) for _ in range(max(1, self._threads // 2))]
        workers = [self._thread(self._score_all) for _ in range(self._threads)]
        writers = [self._thread(self._write_all, events) for events in self._writers]
        stages: list[tuple[list[threading.Thread], list[queue.SimpleQueue[Any]]]] = [
            (readers, [self._work] * len(workers)),
            (workers, self._writers),
            (writers, []),
        ]
        try:
            self._finish(stages, tick)
        except BaseException:
            self._stop.set()
            self._finish(stages, lambda: None)
            raise
        if self._fatal is not None:
            raise self._fatal

    @staticmethod
    def _finish(
        stages: list[tuple[list[threading.Thread], list[queue.SimpleQueue[Any]]]], tick: Callable[[], None]
    ) -> None:
        """Wait for each stage in turn, then tell the next that nothing more comes."""
        while stages:
            threads, following = stages[0]
            for thread in threads:
                while thread.is_alive():
                    thread.join(_POLL_S)
                    tick()
            for events in following:
                events.put(None)
            stages.pop(0)

    def _thread(self, body: Callable[..., None], *arguments: Any) -> threading.Thread:
        def guarded() -> None:
            try:
                body(*arguments)
            except BaseException as error:
                self._fatal = self._fatal or error
                self._stop.set()

        thread = threading.Thread(target=guarded, name=f"penstock-score-{body.__name__.strip('_')}")
        thread.start()
        return thread

    @staticmethod
    def _guarded(guard: threading.Lock, items: Iterator[_T]) -> Callable[[], _T | None]:
        def pull() -> _T | None:
            with guard:
                return next(items, None)

        return pull

    # Readers

    def _read_all(self, pull: Callable[[], Task | None], rotation: Iterator[queue.SimpleQueue[Any]]) -> None:
        while not self._stop.is_set() and (task := pull()) is not None:
            try:
                self._read(task, rotation)
            except _Stopped:
                return

    def _read(self, task: Task, rotation: Iterator[queue.SimpleQueue[Any]]) -> None:
        location = Location(task.filesystem, task.path, task.file.path)
        part: _Part | None = None
        try:
            _check_unchanged(location, task.file)
            with opened(location, Format(task.format), self._writing.csv_types) as reader:
                binding = self._bind(reader.schema)
                batches = reader.batches(task.unit, binding.columns, self._writing.batch_rows)
                for unit, batch, last in self._rows(task, batches):
                    if part is None:
                        part = _Part(task, unit, binding, next(rotation))
                    if batch is not None:
                        self._send(part, batch)
                    if part.failed and task.unit is not None:
                        return
                    if last is not None:
                        _check_unchanged(location, task.file)
                        part.events.put(("end", part, part.sent, last))
                        part = None
        except _BAD_INPUT as error:
            part = part or _Part(task, task.unit, None, next(rotation))
            part.events.put(("fail", part, error))

    def _bind(self, schema: pa.Schema) -> Binding:
        binding = self._scorer.bind(schema)
        _check_schema(binding.schema, self._writing.schema)
        return binding

    def _rows(
        self, task: Task, batches: Iterator[pa.RecordBatch]
    ) -> Iterator[tuple[Unit, pa.RecordBatch | None, bool | None]]:
        """Yield the batches of units that are to be done.

        With the last batch of a unit, or without a batch, comes whether it is the last unit of the
        file; None with the others.
        """
        if task.unit is not None:
            for batch in batches:
                yield task.unit, batch, None
            yield task.unit, None, True
            return
        size, offset, batch = self._writing.unit_rows, 0, next(batches, None)
        while True:
            begin = offset // size * size
            unit = Unit(begin=begin, end=begin + size)
            offset += 0 if batch is None else len(batch)
            following = None if batch is None else next(batches, None)
            if begin not in task.done:
                ends = following is None or offset % size == 0
                yield unit, batch, following is None if ends else None
            if following is None:
                return
            batch = following

    def _send(self, part: _Part, batch: pa.RecordBatch) -> None:
        assert part.binding is not None
        if self._stop.is_set():
            raise _Stopped
        if part.failed:
            return
        try:
            inputs = part.binding.prepare(batch)
        except _BAD_ROWS as error:
            # It costs the unit: the reader goes on to the next one.
            part.events.put(("fail", part, error))
            return
        while not self._slots.acquire(timeout=_POLL_S):
            if self._stop.is_set():
                raise _Stopped
        self._work.put((part, part.sent, part.binding.kept(batch), inputs))
        part.sent += 1

    # Workers

    def _score_all(self) -> None:
        while (item := self._work.get()) is not None:
            part, number, kept, inputs = item
            if part.failed or self._stop.is_set():
                self._slots.release()
                continue
            try:
                answer = part.binding.infer(inputs)
            except _BAD_ROWS as error:
                self._slots.release()
                part.events.put(("fail", part, error))
            else:
                part.events.put(("rows", part, number, kept, answer))
            kept = inputs = answer = item = None

    # Writers

    def _write_all(self, events: queue.SimpleQueue[Any]) -> None:
        under_way: set[_Part] = set()
        try:
            while (event := events.get()) is not None:
                kind, part, *details = event
                under_way.add(part)
                if self._fatal is None and not part.failed:
                    self._take(kind, part, details)
                if kind == "rows" and (part.failed or self._fatal is not None):
                    self._slots.release()
                if part.failed or part.total == part.written:
                    under_way.discard(part)
        finally:
            for part in under_way:
                self._abandon(part)

    def _take(self, kind: str, part: _Part, details: list[Any]) -> None:
        try:
            if kind == "fail":
                self._fail(part, details[0])
                return
            if kind == "rows":
                assert part.binding is not None
                number, kept, answer = details
                part.waiting[number] = part.binding.assemble(kept, answer)
                while (rows := part.waiting.pop(part.written, None)) is not None:
                    self._write(part, rows)
            else:
                part.total, part.last = details
            if part.total == part.written:
                self._complete(part)
        except OutputError as error:
            self._fatal = self._fatal or error
            self._stop.set()
            self._abandon(part)
        except _BAD_ROWS as error:
            self._fail(part, error)

    def _fail(self, part: _Part, error: Exception) -> None:
        part.failed = True
        self._abandon(part)
        with self._finishing:
            self._failed(Failure(input=part.task.file.path, unit=part.unit, message=reason(error)))
        if self._stop_on_failure:
            self._stop.set()

    def _write(self, part: _Part, rows: pa.RecordBatch) -> None:
        writer = self._writer_of(part)
        with self._folder.errors():
            writer.write(rows)
        part.written += 1
        self._slots.release()
        with self._finishing:
            self._scored(len(rows))

    def _writer_of(self, part: _Part) -> UnitWriter:
        if part.writer is None:
            assert part.binding is not None
            part.draft = self._folder.draft(self._name(part))
            with self._folder.errors():
                part.writer = UnitWriter(
                    part.draft, part.binding.schema, self._writing.format, self._writing.compression
                )
        return part.writer

    def _complete(self, part: _Part) -> None:
        writer = self._writer_of(part)
        with self._folder.errors():
            sha256 = writer.finish()
        assert part.draft is not None
        assert part.unit is not None
        size = part.draft.commit()
        identity = part.unit.id(part.task.file, self._writing.run)
        entry = UnitEntry(
            id=identity,
            input=part.task.file.path,
            unit=msgspec.structs.replace(part.unit, rows=writer.rows),
            rows=writer.rows,
            file=self._name(part),
            size=size,
            sha256=sha256,
            started=part.started,
            finished=_now(),
            last=part.last,
        )
        self._folder.write(f"_run/units/{identity}.json", msgspec.json.encode(entry))
        with self._finishing:
            self._done(entry)
            self._untrimmed_rows += entry.rows
            trim = self._untrimmed_rows >= _TRIM_ROWS
            if trim:
                self._untrimmed_rows = 0
        if trim:
            release_memory()

    def _name(self, part: _Part) -> str:
        assert part.unit is not None
        identity = part.unit.id(part.task.file, self._writing.run)
        return f"part-{identity}{SUFFIXES[self._writing.format]}"

    def _abandon(self, part: _Part) -> None:
        for _ in part.waiting:
            self._slots.release()
        part.waiting.clear()
        if part.writer is not None:
            part.writer.abandon()
            part.writer = None
        if part.draft is not None:
            part.draft.discard()


def _check_schema(schema: pa.Schema, expected: pa.Schema) -> None:
    for got, want in zip(schema, expected, strict=True):
        if got.type != want.type:
            raise SignatureError(
                f'column "{got.name}": expected {want.type} as in the other files, got {got.type}'
            )


def _check_unchanged(location: Location, file: InputFile) -> None:
    now = identify(location, content=False)
    if (now.size, now.modified_ns) != (file.size, file.modified_ns):
        raise OSError("the file changed while the run went on")


def reason(error: Exception) -> str:
    """Return the first line of what went wrong, without what libraries add to it."""
    text = str(error).strip().partition("\n")[0]
    if isinstance(error, OSError) and error.strerror and not isinstance(error, PenstockError):
        text = error.strerror
    return text.partition(". Detail:")[0] or type(error).__name__


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
