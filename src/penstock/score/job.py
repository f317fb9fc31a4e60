"""A run over many files: what is to be done, what is done already, and what to say at the end.

The processes that score (flow.py here, Ray's actors in ray.py) take tasks from a
job and give entries back.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import msgspec
import pyarrow as pa

from penstock.engine.pipeline import Pipeline
from penstock.errors import ConfigError, PenstockError, ScoreError
from penstock.score.digests import Digests
from penstock.score.flow import Writing, reason
from penstock.score.folder import Folder
from penstock.score.location import Location, expand, locate
from penstock.score.manifest import (
    MANIFEST,
    SUCCESS,
    Failure,
    InputEntry,
    Manifest,
    ModelEntry,
    Run,
    UnitEntry,
    decoded,
    versions,
)
from penstock.score.progress import Progress, Tally
from penstock.score.report import Report
from penstock.score.scorer import Scorer, default_batch_rows, default_run_rows, open_model
from penstock.score.source import Source, identify, inspect
from penstock.score.unit import InputFile, Task
from penstock.score.writer import COMPRESSIONS

__all__ = ["Job", "Options", "cores", "load_scorer"]

_INSPECTORS: Final = 8
_DEFAULT_UNIT_ROWS: Final = 2**20
_RUN: Final = "_run/run.json"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller of :func:`penstock.score` asks for; the fields are described there."""

    keep: tuple[str, ...] = ()
    columns: dict[str, tuple[str, ...]] = {}
    outputs: tuple[str, ...] | dict[str, str] | None = None
    format: str = "parquet"
    compression: str = "zstd"
    batch_rows: int | None = None
    unit_rows: int = _DEFAULT_UNIT_ROWS
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.format not in COMPRESSIONS:
            raise ConfigError(f'format: expected "parquet" or "arrow", got "{self.format}"')
        if self.compression not in COMPRESSIONS[self.format]:
            raise ConfigError(
                f"compression: expected one of {', '.join(COMPRESSIONS[self.format])} for {self.format}, "
                f'got "{self.compression}"'
            )
        for name in ("batch_rows", "unit_rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name}: expected at least 1, got {value}")


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_scorer(model: str | Path, version: int | None, options: Options) -> Scorer:
    """Load a model to score files with; raises as :func:`open_model`, Pipeline.load and Scorer do."""
    bundle = open_model(model, version)
    rows = options.batch_rows or 2**16
    pipeline = Pipeline.load(bundle, options.device, max_batch_rows=rows, intra_op_threads=1, warm_rows=(1,))
    try:
        if options.batch_rows is None and pipeline.device == "cpu":
            pipeline.max_batch_rows = default_run_rows(pipeline.signature)
        return Scorer(pipeline, options.keep, options.columns, options.outputs)
    except BaseException:
        pipeline.close()
        raise


class Job:
    """One run: a context manager that holds the output directory.

    Parameters
    ----------
    model : str or Path
    inputs : sequence of str or Path
    out : str or Path
    options : Options
    version : int, optional
    digests : bool, optional
    filesystem : pyarrow.fs.FileSystem, optional

    Attributes
    ----------
    scorer : Scorer
    folder : Folder
    writing : Writing
    tasks : list of Task
        What is still to be done.
    failed : list of Failure
        The inputs that could not be opened, then what :meth:`fail` was told.

    Raises
    ------
    ConfigError
        When inputs or options are wrong, or the output belongs to another run.
    OutputError
        When the output cannot be written.
    """

    def __init__(
        self,
        model: str | Path,
        inputs: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
        out: str | os.PathLike[str],
        options: Options,
        version: int | None = None,
        digests: bool | None = None,
        filesystem: Any = None,
    ) -> None:
        self._began_s = time.monotonic()
        self.started = _now()
        self.options = options
        self.failed: list[Failure] = []
        self._entries: dict[str, UnitEntry] = {}
        self._digests: Digests | None = None
        if isinstance(inputs, str | os.PathLike):
            inputs = [inputs]
        self.folder = Folder(locate(out, filesystem))
        locations = expand(inputs, filesystem)
        for location in locations:
            if location.name.startswith(f"{self.folder}/"):
                raise ConfigError(f"{location.name}: expected inputs outside of the output {self.folder}")
        self.scorer = load_scorer(model, version, options)
        try:
            self._plan(locations, digests)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Job:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the model and the output go; what is done stays."""
        if self._digests is not None:
            self._digests.stop()
        self.folder.close()
        self.scorer.pipeline.close()

    def done(self, entry: UnitEntry) -> None:
        """Take note of a unit whose output is in place."""
        self._entries[entry.id] = entry
        self.tally.units += 1

    def fail(self, failure: Failure) -> None:
        """Take note of a unit that could not be scored."""
        self.failed.append(failure)
        self.tally.failed += 1

    def scored(self, rows: int) -> None:
        """Take note of rows that are on their way to a file."""
        self.tally.rows += rows

    def check(self) -> None:
        """Raise ScoreError, naming the file, where something has failed."""
        if self.failed:
            raise ScoreError(str(self.failed[0]))

    def finish(self, tick: Callable[[], None] = lambda: None) -> Report:
        """Write the manifest and, where nothing failed, ``_SUCCESS``; return what was done.

        Parameters
        ----------
        tick : callable
            Called a few times a second while digests are computed.

        Raises
        ------
        OutputError
        """
        if self._digests is not None:
            self._digests.hurry(cores())
            while self._digests.alive(0.2):
                tick()
        units = tuple(sorted(self._entries.values(), key=lambda entry: (entry.input, entry.unit.begin)))
        if self.tasks or not self._finished:
            self._write_manifest(units)
        return Report(
            out=str(self.folder),
            rows=sum(entry.rows for entry in units),
            units=len(units),
            rows_scored=sum(entry.rows for entry in units) - self.tally.rows_before,
            units_scored=self.tally.units,
            seconds=time.monotonic() - self._began_s,
            failed=tuple(self.failed),
        )

    def progress(self) -> Progress:
        """Return how far the run is."""
        return self.tally.progress()

    def _plan(self, locations: Sequence[Location], digests: bool | None) -> None:
        signature = self.scorer.pipeline.signature
        batch_rows = self.options.batch_rows or default_batch_rows(signature)
        unit_rows = -(-self.options.unit_rows // batch_rows) * batch_rows
        sources, files = self._inspect(locations, unit_rows)
        schema = self._schema(sources)
        pipeline = self.scorer.pipeline
        transform = pipeline.transform
        run = Run(
            model=ModelEntry(
                name=pipeline.name,
                version=pipeline.version,
                digest=pipeline.digest,
                transform=None if transform is None else transform.digest,
            ),
            options={
                "keep": list(self.options.keep),
                "columns": self.options.columns,
                "outputs": self.options.outputs,
                "format": self.options.format,
                "compression": self.options.compression,
                "batch_rows": batch_rows,
                "unit_rows": unit_rows,
            },
            inputs=tuple(files),
        )
        self.run = run
        kept = {} if schema is None else {name: schema.field(name).type for name in self.options.keep}
        self.writing = Writing(
            run=run.digest,
            format=self.options.format,
            compression=self.options.compression,
            batch_rows=batch_rows,
            unit_rows=unit_rows,
            schema=schema,
            csv_types={**{name: _csv_type(kind) for name, kind in kept.items()}, **self.scorer.csv_types()},
        )
        self.folder.open()
        self._join_run(run)
        done = self._find_done()
        self.tasks = [task for source in sources for task in self._tasks(source, done)]
        before = sum(entry.rows for entry in self._entries.values())
        rows = [source.rows for source in sources]
        in_all = None if None in rows else sum(row for row in rows if row is not None)
        self.tally = Tally(before, in_all)
        self.tally.failed = len(self.failed)
        self._finished = self.folder.read(SUCCESS) is not None
        if self.tasks and self._finished:
            self.folder.remove(SUCCESS)
            self.folder.remove(MANIFEST)
        self._inputs = files
        self._digests = Digests(
            self.folder,
            [
                (source.file, source.location)
                for source in sources
                if (source.location.local if digests is None else digests) and not self._finished
            ],
        )
        self._digests.start()

    def _inspect(self, locations: Sequence[Location], unit_rows: int) -> tuple[list[Source], list[InputFile]]:
        types = self.scorer.csv_types()

        def attempt(location: Location) -> Source | Failure:
            try:
                return inspect(location, unit_rows, types)
            except (PenstockError, pa.ArrowException, OSError, ValueError) as error:
                return Failure(input=location.name, unit=None, message=reason(error))

        sources: list[Source] = []
        files: list[InputFile] = []
        with ThreadPoolExecutor(_INSPECTORS) as pool:
            for location, found in zip(locations, pool.map(attempt, locations), strict=True):
                if isinstance(found, Source):
                    sources.append(found)
                    files.append(found.file)
                else:
                    self.failed.append(found)
                    files.append(_identity(location))
        return sources, files

    def _schema(self, sources: list[Source]) -> pa.Schema | None:
        """Return the schema of the output, that of the first file that fits; put those aside that do not."""
        schema: pa.Schema | None = None
        good = []
        for source in sources:
            try:
                bound = self.scorer.bind(source.schema).schema
            except PenstockError as error:
                self.failed.append(Failure(input=source.file.path, unit=None, message=str(error)))
                continue
            schema = schema or pa.schema([_settled(field, source.format) for field in bound])
            good.append(source)
        sources[:] = good
        return schema

    def _join_run(self, run: Run) -> None:
        data = self.folder.read(_RUN)
        before = decoded(data, Run)
        if before is not None:
            before.check_same(run, str(self.folder))
            return
        strangers = sorted(self.folder.sizes())
        if data is None and strangers:
            raise ConfigError(
                f'{self.folder}: expected an empty directory or the output of a run, found "{strangers[0]}"'
            )
        self.folder.write(_RUN, msgspec.json.encode(run), flush=True)

    def _find_done(self) -> dict[str, UnitEntry]:
        """Read the entries of units whose output file is whole."""
        sizes = self.folder.sizes()
        done = {}
        for name in self.folder.sizes("_run/units"):
            entry = decoded(self.folder.read(f"_run/units/{name}"), UnitEntry)
            if entry is not None and sizes.get(entry.file) == entry.size:
                done[entry.id] = entry
        return done

    def _tasks(self, source: Source, done: Mapping[str, UnitEntry]) -> Iterator[Task]:
        """Yield what is to be done of a file, and take note of what is done."""
        task = Task(
            file=source.file,
            filesystem=source.location.filesystem,
            path=source.location.path,
            format=source.format.value,
        )
        if source.units is not None:
            for unit in source.units:
                identity = unit.id(source.file, self.run.digest)
                if identity in done:
                    self._entries[identity] = done[identity]
                else:
                    yield msgspec.structs.replace(task, unit=unit)
            return
        found = {entry.unit.begin: entry for entry in done.values() if entry.input == source.file.path}
        self._entries.update((entry.id, entry) for entry in found.values())
        last = next((begin for begin, entry in found.items() if entry.last), None)
        size = self.writing.unit_rows
        if last is None or any(begin not in found for begin in range(0, last, size)):
            yield msgspec.structs.replace(task, done=frozenset(found))

    def _write_manifest(self, units: tuple[UnitEntry, ...]) -> None:
        rows: dict[str, int] = {}
        for entry in units:
            rows[entry.input] = rows.get(entry.input, 0) + entry.rows
        known = self._digests.known if self._digests else {}
        self.folder.flush()
        manifest = Manifest(
            complete=not self.failed,
            model=self.run.model,
            options=self.run.options,
            rows=sum(rows.values()),
            started=min([self.started, *(entry.started for entry in units)]),
            finished=_now(),
            seconds=round(time.monotonic() - self._began_s, 3),
            versions=versions(),
            inputs=tuple(
                InputEntry(
                    path=file.path,
                    size=file.size,
                    modified_ns=file.modified_ns,
                    etag=file.etag,
                    rows=rows.get(file.path, 0),
                    sha256=known.get(file.path),
                )
                for file in self._inputs
            ),
            units=units,
            failed=tuple(self.failed),
        )
        self.folder.write(MANIFEST, manifest.encode(), flush=True)
        if not self.failed:
            self.folder.flush()
            self.folder.write(SUCCESS, b"", flush=True)
        self.folder.flush()


def _settled(field: pa.Field, kind: str) -> pa.Field:
    """Return a field of the output; a CSV column without a value in its first megabyte is text."""
    return field.with_type(_csv_type(field.type)) if kind == "csv" else field


def _csv_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_null(kind) else kind


def _identity(location: Location) -> InputFile:
    with contextlib.suppress(OSError, pa.ArrowException):
        return identify(location)
    return InputFile(path=location.name, size=-1)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
