"""``penstock.score(...)``: files in, scored files out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.errors import ConfigError
from penstock.score.flow import Flow
from penstock.score.job import Job, Options, cores
from penstock.score.memory import settle_allocator
from penstock.score.progress import Progress
from penstock.score.report import Report

__all__ = ["make_options", "score"]

_PATHS = str | os.PathLike[str]


def make_options(
    keep: Sequence[str] = (),
    columns: Mapping[str, Sequence[str]] | None = None,
    outputs: Sequence[str] | Mapping[str, str] | None = None,
    **others: Any,
) -> Options:
    """Return options with their collections made immutable; raises ConfigError."""
    for what, value in (("keep", keep), *(columns or {}).items()):
        if isinstance(value, str):
            raise ConfigError(f"{what}: expected a list of column names, got the text {value!r}")
    if isinstance(outputs, str):
        raise ConfigError(f"outputs: expected a list of names, got the text {outputs!r}")
    return Options(
        keep=tuple(keep),
        columns={name: tuple(names) for name, names in (columns or {}).items()},
        outputs=dict(outputs) if isinstance(outputs, Mapping) else tuple(outputs) if outputs else None,
        **{name: value for name, value in others.items() if value is not None},
    )


def score(
    model: str | Path,
    inputs: Sequence[_PATHS] | _PATHS,
    out: _PATHS,
    *,
    keep: Sequence[str] = (),
    columns: Mapping[str, Sequence[str]] | None = None,
    outputs: Sequence[str] | Mapping[str, str] | None = None,
    on_error: str = "stop",
    format: str = "parquet",
    compression: str | None = None,
    batch_rows: int | None = None,
    unit_rows: int | None = None,
    threads: int | None = None,
    version: int | None = None,
    device: str = "auto",
    digests: bool | None = None,
    filesystem: Any = None,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Score files with a model; run it again to go on where it was stopped.

    Parameters
    ----------
    model : str or Path
        Directory of a bundle, or of a model with its versions.
    inputs : sequence of str or Path
        Parquet, Arrow (file or stream) and CSV files: paths, globs, directories, and URIs of any
        file system that pyarrow.fs knows.
    out : str or Path
        Directory or URI. It holds the output of one run: the same model, inputs and options.
    keep : sequence of str
        Columns to carry along, unchanged.
    columns : mapping of str to sequence of str, optional
        Columns that fill an input of the model, where they are not called as it is. Without it, a
        model with one float matrix ``[-1,k]`` takes the k numeric columns that are not kept.
    outputs : sequence of str or mapping of str to str, optional
        ``"NAME"``, ``"NAME[i]"``, either with ``"=COLUMN"``; or from column name to either. All
        outputs where left out.
    on_error : str
        ``stop`` at the first input that cannot be scored, or ``skip`` it and say so at the end.
    format : str
        ``parquet`` or ``arrow``.
    compression : str, optional
        ``zstd`` where left out.
    batch_rows : int, optional
        Rows that are handled together, in one run of the model. Where left out, as many as keep its inputs
        within 1 MiB, run in slices that keep them within 256 KiB.
    unit_rows : int, optional
        Rows of one output file, 2**20 where left out; a row group is never split.
    threads : int, optional
        Runs of the model at the same time, each on one core; one a core where left out.
    version : int, optional
        The highest where left out.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    digests : bool, optional
        Compute the SHA-256 of every input for the manifest; where left out, of local files.
    filesystem : pyarrow.fs.FileSystem, optional
        Of ``inputs`` and ``out``, which are then paths on it.
    progress : callable, optional
        Called with a :class:`~penstock.score.progress.Progress` a few times a second.

    Returns
    -------
    Report

    Raises
    ------
    ConfigError
        When the call is wrong: no such file, unknown columns or outputs, an output directory of
        another run, an input that has changed since.
    ScoreError
        With ``on_error="stop"``, naming the file that cannot be scored.
    OutputError
        When the output cannot be written.
    BundleError, ModelNotFoundError
        When the model cannot be loaded.

    Notes
    -----
    Memory does not grow with the number of rows. Units that are done stay done, whatever ends the
    run; ``_SUCCESS`` is written when all are. The allocator of this process is set for it
    (:func:`~penstock.score.memory.settle_allocator`).
    """
    if on_error not in ("stop", "skip"):
        raise ConfigError(f'on_error: expected "stop" or "skip", got "{on_error}"')
    if threads is not None and threads < 1:
        raise ConfigError(f"threads: expected at least 1, got {threads}")
    options = make_options(
        keep, columns, outputs,
        format=format, compression=compression, batch_rows=batch_rows, unit_rows=unit_rows, device=device,
    )  # fmt: skip
    stop = on_error == "stop"
    settle_allocator()
    with Job(model, inputs, out, options, version, digests, filesystem) as job:

        def tick() -> None:
            if progress is not None:
                progress(job.progress())

        if stop:
            job.check()
        flow = Flow(job.scorer, job.folder, job.writing, threads or cores(), stop)
        flow.run(job.tasks, job.done, job.fail, job.scored, tick)
        if stop:
            job.check()
        return job.finish(tick)
