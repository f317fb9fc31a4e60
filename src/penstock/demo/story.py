"""The demo from beginning to end: train, pack, serve, score, swap under load, notice what moved, report."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import penstock
from penstock.demo.census import AGE, RECODED, Year, altered, fit_transform, read_census, read_year
from penstock.demo.display import Display
from penstock.demo.server import Metrics, Server, serving
from penstock.demo.traffic import INFER, Client, Job, Tally, encode_request
from penstock.demo.training import Classifier

if TYPE_CHECKING:
    from penstock.load import LoadReport

__all__ = ["COMPILED", "MODEL", "Options", "Outcome", "run"]

MODEL = "employment"
FIRST_YEAR = 2015
"""The first version is trained on it; the years after are scored."""
GOLDEN_ROWS = 16
DISTINCT, CONNECTIONS, STREAMS = 4096, 16, 32
"""Different requests of the compiled client, its connections, and its requests in flight on each."""
SWAP, COMPILED, ALTERED = "train + swap", "compiled client", "altered"
AFTER_SWAP_S = 1.0
"""Time for which the background load goes on after the swap."""
ALERT_TIMEOUT_S = 20.0
_CONFIG = """
[monitor]
interval_s = 0.2

[models.{model}.monitor]
window_rows = {rows}
min_effect = 0.1  # years differ by a few per cent; what is asked for here is a change beyond that
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may choose.

    Attributes
    ----------
    data : Path
    repository : Path, optional
        Kept; a temporary one is used and removed otherwise.
    front : {"auto", "native", "grpcio"}
    report : Path
        Where the drift report is written.
    quick : bool
        Few people and trees.
    """

    data: Path
    repository: Path | None = None
    front: str = "auto"
    report: Path = Path("penstock-drift.html")
    quick: bool = False

    @property
    def window_rows(self) -> int:
        """Rows of a window of the monitor."""
        return 500 if self.quick else 20_000

    @property
    def step(self) -> int:
        """Every so manieth person is used."""
        return 25 if self.quick else 1

    @property
    def trees(self) -> int:
        """Trees of each version."""
        return 20 if self.quick else 100


@dataclass(frozen=True, slots=True)
class Served:
    """What the server counted for one version over a phase.

    Attributes
    ----------
    batches : dict of float to int
        Batches by the upper bound of the class of their rows.
    mean_rows : float
        Of a batch.
    mean_ms : float
        From the arrival of a request to its answer.
    """

    batches: dict[float, int]
    mean_rows: float
    mean_ms: float


@dataclass(slots=True)
class Outcome:
    """What a run showed.

    Attributes
    ----------
    versions : list of int
        The two versions, in the order in which they served.
    accuracy : dict of int to dict of int to float
        Share of right answers by year and version.
    people : dict of int to int
        Rows scored by year.
    phases : dict of str to Tally
        Traffic by phase, in order.
    served : dict of str to Served
        What the server itself counted, by phase.
    native : bool
        The native front answered.
    capacity : LoadReport, optional
        Of the compiled load generator; None where it is not built.
    alarms : list of list of str
        What alerts named: while the years were as they are, and after two columns were altered.
    alert : str
        What the alert said, and what to do.
    report : Path, optional
        The drift report.
    """

    versions: list[int] = field(default_factory=list)
    accuracy: dict[int, dict[int, float]] = field(default_factory=dict)
    people: dict[int, int] = field(default_factory=dict)
    phases: dict[str, Tally] = field(default_factory=dict)
    served: dict[str, Served] = field(default_factory=dict)
    native: bool = False
    capacity: LoadReport | None = None
    alarms: list[list[str]] = field(default_factory=list)
    alert: str = ""
    report: Path | None = None

    @property
    def problems(self) -> list[str]:
        """Say what went wrong; empty after a good run."""
        found = [
            f"{phase}: {count:,} requests: {reason}"
            for phase, tally in self.phases.items()
            for reason, count in tally.errors.most_common(3)
        ]
        if self.capacity is not None and self.capacity.failed:
            found.append(
                f"load generator: {self.capacity.failed:,} requests failed: {self.capacity.messages}"
            )
        if self.alarms != [[], sorted((AGE, RECODED))]:
            found.append(f"alerts: expected none, then one of {AGE} and {RECODED}; got {self.alarms}")
        answered = sorted(self.phases[SWAP].versions)
        if answered != sorted(self.versions):
            found.append(f"{SWAP}: expected answers from versions {self.versions}, got {answered}")
        return found


class _Data:
    """Every year, the transform that was fitted on the first, and right answers."""

    def __init__(self, options: Options) -> None:
        tables = read_census(options.data, options.step)
        self.transform = fit_transform(tables[FIRST_YEAR])
        self.years: dict[int, Year] = {
            year: read_year(table, self.transform) for year, table in tables.items()
        }
        self.scored = [year for year in self.years if year > FIRST_YEAR]
        self.altered = read_year(altered(tables[self.scored[-1]]), self.transform)
        self.expected: dict[int, dict[int, Any]] = {year: {} for year in self.scored}

    def learn(self, version: int, model: Classifier) -> None:
        """Keep a version's own answers, to compare with those of the server."""
        for year in self.scored:
            self.expected[year][version] = model.predict(self.years[year].rows)
        self.altered_answers = {version: model.predict(self.altered.rows)}

    def job(self, year: int) -> Job:
        return Job(self.years[year], self.expected[year])


async def run(options: Options, display: Display) -> Outcome:
    """Run the demo.

    Raises
    ------
    PenstockError
        When a model does not pack, or the server does not start.

    Notes
    -----
    The server is stopped and temporary directories are removed however it ends; SIGTERM ends it
    as Ctrl-C does.
    """
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel_current())
    outcome = Outcome()
    display.title("Penstock: who is employed? Massachusetts, US census microdata 2015–2018")
    data = await asyncio.to_thread(_Data, options)
    people = sum(map(len, data.years.values()))
    columns = len(data.transform.columns)
    display.step("data", f"{people:,} people, {columns} raw columns: {options.data.name}")
    display.step(
        "fit", f"a transform on {FIRST_YEAR}, the same in training and serving: {data.transform.digest[:12]}"
    )
    with tempfile.TemporaryDirectory(prefix="penstock-demo-") as scratch:
        repository = options.repository or Path(scratch, "models")
        publisher = _Publisher(options, data, repository, Path(scratch), display)
        outcome.versions.append(await publisher.publish([FIRST_YEAR]))
        log, config = Path(scratch, "server.log"), Path(scratch, "penstock.toml")
        config.write_text(_CONFIG.format(model=MODEL, rows=options.window_rows))
        async with (
            serving(repository, log, options.front, config) as server,
            Client(server.grpc, MODEL) as client,
        ):
            outcome.native = any(name.startswith("penstock_front_") for name, _ in await server.metrics())
            front = "native" if outcome.native else "grpcio"
            display.step("serve", f"penstock serve, {front} front: grpc={server.grpc} http={server.http}")
            await _score_all(client, server, data, outcome, display)
            await _swap(client, data, outcome, publisher, display)
            await _score_all(client, server, data, outcome, display)
            await _drive(server, data, outcome, options, display)
            await _alter(client, server, data, outcome, options, display)
        display.step("stop", "the server has drained and ended")
    return outcome


def _cancel_current() -> Any:
    task = asyncio.current_task()
    assert task is not None
    return task.cancel


class _Publisher:
    """Trains and packs the versions."""

    def __init__(
        self, options: Options, data: _Data, repository: Path, scratch: Path, display: Display
    ) -> None:
        self._options = options
        self._data = data
        self._repository = repository
        self._graph = scratch / "model.onnx"
        self._display = display

    async def publish(self, years: list[int]) -> int:
        """Train on these years, export and pack; return the version."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        model = await asyncio.to_thread(
            Classifier, [self._data.years[year] for year in years], self._options.trees
        )
        names, took_s = " and ".join(map(str, years)), loop.time() - began_s
        self._display.step(
            "train",
            f"on {names}: {model.trained_rows:,} people, {self._options.trees} trees, {took_s:.1f} s",
        )
        version = await asyncio.to_thread(self._pack, model, years)
        self._display.step(
            "pack", f"version {version}, with its transform, {GOLDEN_ROWS} golden rows and a baseline"
        )
        return version

    def _pack(self, model: Classifier, years: list[int]) -> int:
        model.export(self._graph)
        version = penstock.pack(
            MODEL,
            self._graph,
            repository=self._repository,
            transform=self._data.transform,
            reference=self._data.years[FIRST_YEAR].people,
            metadata={"trained_on": years},
        )
        self._data.learn(version, model)
        return version


async def _score_all(client: Client, server: Server, data: _Data, outcome: Outcome, display: Display) -> None:
    """Score every year with the version that serves now."""
    version = outcome.versions[-1]
    phase = outcome.phases.setdefault(f"version {version}", Tally())
    for year in data.scored:
        with display.progress(f"score {year}", len(data.years[year])) as advance:
            tally, answers = await client.score(data.job(year), year, advance)
        phase.update(tally)
        accuracy = float(np.mean((answers > 0.5) == data.years[year].labels))
        outcome.accuracy.setdefault(year, {})[version] = accuracy
        outcome.people[year] = len(answers)
        display.step(
            f"score {year}",
            f"version {version}: {tally.rows:,} rows in {tally.requests:,} requests, "
            f"{tally.failures:,} failed, {tally.rows / tally.elapsed_s:,.0f} rows/s, accuracy {accuracy:.3f}",
        )
    outcome.served[f"version {version}"] = _served({}, await server.metrics(), version)


async def _swap(
    client: Client, data: _Data, outcome: Outcome, publisher: _Publisher, display: Display
) -> None:
    """Train, pack and load the second version while clients keep scoring."""
    display.step("load", "clients keep scoring from here on")
    async with _background(client, data) as tally:
        outcome.phases[SWAP] = tally
        outcome.versions.append(await publisher.publish([FIRST_YEAR, *data.scored[:1]]))
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await client.load()
        display.step("swap", f"version {outcome.versions[-1]} serves after {loop.time() - began_s:.2f} s")
        await asyncio.sleep(AFTER_SWAP_S)
    answered = ", ".join(
        f"{count:,} by version {version}" for version, count in sorted(tally.versions.items())
    )
    display.step("", f"{tally.requests:,} requests meanwhile: {answered}; {tally.failures:,} failed")


@contextlib.asynccontextmanager
async def _background(client: Client, data: _Data) -> AsyncIterator[Tally]:
    """Score the years over and over while the block runs."""
    stopped = asyncio.Event()
    tally = Tally()

    async def work() -> None:
        while not stopped.is_set():
            for year in data.scored:
                part, _ = await client.score(data.job(year), year, stopped=stopped.is_set)
                tally.update(part)

    task = asyncio.create_task(work())
    try:
        yield tally
    finally:
        stopped.set()
        await task


def _served(before: Metrics, after: Metrics, version: int) -> Served:
    """Return what a version did between two looks at the metrics; its counters begin when it is loaded."""

    def values(name: str) -> dict[str, float]:
        wanted = f'version="{version}"'
        return {
            labels: value - before.get((found, labels), 0)
            for (found, labels), value in after.items()
            if found == name and wanted in labels
        }

    def total(name: str) -> float:
        return sum(values(name).values())

    below, batches = 0.0, {}
    for labels, count in values("penstock_batch_rows_bucket").items():
        bound = float(re.sub(r'.*le="([^"]+)".*', r"\1", labels))
        batches[bound], below = int(count - below), count
    return Served(
        batches={bound: count for bound, count in batches.items() if count},
        mean_rows=total("penstock_batch_rows_sum") / max(below, 1),
        mean_ms=1e3 * total("penstock_request_seconds_sum") / max(total("penstock_request_seconds_count"), 1),
    )


async def _drive(server: Server, data: _Data, outcome: Outcome, options: Options, display: Display) -> None:
    """Load the server from compiled code, one row a request, to see what it can do."""
    try:
        from penstock.load import run_load
    except ImportError:
        return
    year = data.years[data.scored[-1]]
    before = await server.metrics()
    report = await asyncio.to_thread(
        run_load,
        server.grpc,
        INFER,
        [encode_request(MODEL, year, slice(row, row + 1)) for row in range(min(DISTINCT, len(year)))],
        connections=CONNECTIONS,
        streams=STREAMS,
        seconds=0.5 if options.quick else 4.0,
    )
    outcome.capacity = report
    outcome.served[COMPILED] = _served(before, await server.metrics(), outcome.versions[-1])
    display.step(
        "bench",
        f"compiled client, {CONNECTIONS} connections × {STREAMS}, one raw row a request: "
        f"{report.throughput:,.0f} requests/s, {report.failed:,} failed",
    )


async def _alter(
    client: Client, server: Server, data: _Data, outcome: Outcome, options: Options, display: Display
) -> None:
    """Send the last year with one column recoded and all ages shifted, and see what the monitor says."""
    before = await client.report()
    outcome.alarms.append(_named(before))
    year = data.scored[-1]
    display.step(
        "alter", f"{year} again, {RECODED} with other codes and everybody older; so far no alert is firing"
    )
    tally = outcome.phases[ALTERED] = Tally()
    loop = asyncio.get_running_loop()
    until_s = loop.time() + ALERT_TIMEOUT_S
    report = before
    while len(_named(report)) < 2 and loop.time() < until_s:
        part, _ = await client.score(Job(data.altered, data.altered_answers), year)
        tally.update(part)
        await asyncio.sleep(0.3)  # the monitor looks five times a second
        report = await client.report()
    outcome.alarms.append(_named(report))
    for alert in report.firing:
        outcome.alert = alert.title
        display.step("alert", f"{alert.severity}: {alert.title}")
        for step in alert.next_steps[:3]:
            display.step("", f"→ {step}")
    options.report.write_bytes(await server.page(f"/api/models/{MODEL}/report.html?windows=1"))
    outcome.report = options.report.resolve()
    display.step("report", str(outcome.report))


def _named(report: Any) -> list[str]:
    """Return the columns that firing alerts name."""
    return sorted({finding.subject for alert in report.firing for finding in alert.findings})
