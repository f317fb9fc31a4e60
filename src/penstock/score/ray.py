"""The same run on a Ray cluster: units go to a pool of actors, one model each.

Needs ray (the extra ``ray``). Model, inputs and output must be at the same place on
every node. What an actor writes is what a local run writes, so either goes on with
what the other began.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from penstock.errors import ConfigError, OutputError
from penstock.score.flow import Flow, Writing
from penstock.score.folder import Folder
from penstock.score.job import Job, Options, load_scorer
from penstock.score.manifest import Failure, UnitEntry
from penstock.score.memory import settle_allocator
from penstock.score.progress import Progress
from penstock.score.report import Report
from penstock.score.score import make_options
from penstock.score.unit import Task

__all__ = ["score"]

_MOST_BLOCKS = 10_000


class _Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What an actor needs to know."""

    model: str
    version: int
    digest: str
    options: Options
    writing: Writing
    out: Any
    threads: int


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a task came to."""

    entries: tuple[UnitEntry, ...]
    failed: tuple[Failure, ...]
    fatal: str


class _Actor:
    """Holds a model and scores the tasks whose numbers it is given."""

    def __init__(self, setting: _Setting, tasks: Any) -> None:
        import ray

        settle_allocator()
        self._tasks: Sequence[Task] = ray.get(tasks)
        self._setting = setting
        self._scorer = load_scorer(setting.model, setting.version, setting.options)
        if self._scorer.pipeline.digest != setting.digest:
            raise ConfigError(f"{setting.model}: on this node is another bundle than where the run began")
        self._folder = Folder(setting.out)
        self._folder.join()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        outcomes = [self._score(self._tasks[number]) for number in batch["number"]]
        return {"outcome": [msgspec.json.encode(outcome) for outcome in outcomes]}

    def _score(self, task: Task) -> _Outcome:
        entries: list[UnitEntry] = []
        failed: list[Failure] = []
        setting, fatal = self._setting, ""
        flow = Flow(self._scorer, self._folder, setting.writing, setting.threads, stop_on_failure=False)
        try:
            flow.run([task], entries.append, failed.append)
        except OutputError as error:
            # A value, not an exception: Ray would try again, on every node in turn.
            fatal = str(error)
        return _Outcome(entries=tuple(entries), failed=tuple(failed), fatal=fatal)


def score(
    model: str | Path,
    inputs: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    actors: int | None = None,
    threads: int = 1,
    keep: Sequence[str] = (),
    columns: Mapping[str, Sequence[str]] | None = None,
    outputs: Sequence[str] | Mapping[str, str] | None = None,
    on_error: str = "stop",
    format: str = "parquet",
    compression: str | None = None,
    batch_rows: int | None = None,
    unit_rows: int | None = None,
    version: int | None = None,
    device: str = "auto",
    digests: bool | None = None,
    filesystem: Any = None,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Score files with a pool of Ray actors.

    Parameters
    ----------
    actors : int, optional
        As many as the CPUs of the cluster allow where left out.
    threads : int
        Runs of the model at the same time in each actor, and the CPUs that it reserves.
    model, inputs, out, keep, columns, outputs, on_error, format, compression, batch_rows, unit_rows, \
version, device, digests, filesystem, progress
        As of :func:`penstock.score`. ``progress`` is called as tasks come back.

    Returns
    -------
    Report

    Raises
    ------
    ConfigError, ScoreError, OutputError, BundleError, ModelNotFoundError
        As :func:`penstock.score`.

    Notes
    -----
    A task whose actor dies is run again by another one. Units of the same data have the same names and
    appear whole or not at all, so doing one twice changes nothing.
    """
    if on_error not in ("stop", "skip"):
        raise ConfigError(f'on_error: expected "stop" or "skip", got "{on_error}"')
    options = make_options(
        keep, columns, outputs,
        format=format, compression=compression, batch_rows=batch_rows, unit_rows=unit_rows, device=device,
    )  # fmt: skip
    import ray

    stop = on_error == "stop"
    with Job(model, inputs, out, options, version, digests, filesystem) as job:
        if stop:
            job.check()
        if job.tasks:
            if not ray.is_initialized():
                ray.init()
            _run(job, str(model), actors, threads, stop, progress)
        if stop:
            job.check()
        return job.finish()


def _run(
    job: Job,
    model: str,
    actors: int | None,
    threads: int,
    stop: bool,
    progress: Callable[[Progress], None] | None,
) -> None:
    import ray

    pipeline = job.scorer.pipeline
    setting = _Setting(
        model=os.path.abspath(model),
        version=pipeline.version,
        digest=pipeline.digest,
        options=job.options,
        writing=job.writing,
        out=job.folder.location,
        threads=threads,
    )
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    pool = actors or max(1, int(resources.get("CPU", 1)) // threads)
    pool = min(pool, len(job.tasks))
    numbers = [{"number": number} for number in range(len(job.tasks))]
    dataset = ray.data.from_items(numbers, override_num_blocks=min(len(numbers), _MOST_BLOCKS)).map_batches(
        _Actor,
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=pool),
        num_cpus=threads,
        fn_constructor_kwargs={"setting": setting, "tasks": ray.put(job.tasks)},
    )
    for row in dataset.iter_rows():
        outcome = msgspec.json.decode(row["outcome"], type=_Outcome)
        for entry in outcome.entries:
            job.done(entry)
            job.scored(entry.rows)
        for failure in outcome.failed:
            job.fail(failure)
        if outcome.fatal:
            raise OutputError(outcome.fatal)
        if progress is not None:
            progress(job.progress())
        if stop and job.failed:
            return
