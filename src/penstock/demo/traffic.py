"""A gRPC client with many requests in flight, which checks every answer."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import numpy as np

from penstock.demo.census import Year
from penstock.demo.training import OUTPUT
from penstock.errors import BundleError
from penstock.protos import message_class

__all__ = ["INFER", "Client", "Job", "Tally", "encode_request"]

INFER = "/inference.GRPCInferenceService/ModelInfer"
REPORT = "/penstock.v1.Monitoring/Report"
LOAD = "/inference.GRPCInferenceService/RepositoryModelLoad"
REQUEST_TIMEOUT_S = 20.0
LOAD_TIMEOUT_S = 60.0
SIZES = np.array((1, 4, 16, 64, 300))
"""Rows of a request; the largest is more than the server puts into one batch."""
SHARES = np.array((0.6, 0.2, 0.15, 0.045, 0.005))
TOLERANCE = 1e-4
"""How far an answer may be from LightGBM's own, which sums in double precision."""

Probabilities = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Job:
    """People to score, with the right answers.

    Attributes
    ----------
    year : Year
    expected : mapping of int to ndarray of float32, shape (n,)
        Right probability of each row by model version.
    """

    year: Year
    expected: Mapping[int, Probabilities]


@dataclass(slots=True)
class Tally:
    """What became of requests."""

    requests: int = 0
    rows: int = 0
    elapsed_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    versions: Counter[int] = field(default_factory=Counter)
    """Requests by the version that answered."""
    errors: Counter[str] = field(default_factory=Counter)
    """Requests that failed or were answered wrongly, by reason."""

    @property
    def failures(self) -> int:
        """Requests that failed or were answered wrongly."""
        return self.errors.total()

    def update(self, other: Tally) -> None:
        """Add another tally that ran after this one."""
        self.requests += other.requests
        self.rows += other.rows
        self.elapsed_s += other.elapsed_s
        self.latencies_s += other.latencies_s
        self.versions += other.versions
        self.errors += other.errors

    def latency_ms(self, percent: float) -> float:
        """Return a percentile of the latency that the client saw, 0 without answers."""
        return float(1e3 * np.percentile(self.latencies_s, percent)) if self.latencies_s else 0.0


class Client:
    """Scores rows with one model of one server. An async context manager.

    Parameters
    ----------
    address : str
        ``host:port`` of the server.
    model : str
    connections, in_flight : int
        Connections, and requests under way at once over all of them.
    """

    def __init__(self, address: str, model: str, connections: int = 4, in_flight: int = 32) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(connections)]
        self._calls = [channel.unary_unary(INFER) for channel in self._channels]
        self._model = model
        self._in_flight = in_flight

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *error: object) -> None:
        for channel in self._channels:
            await channel.close()

    async def load(self) -> None:
        """Have the server load the highest version and swap it in.

        Raises
        ------
        BundleError
            When it does not load.
        """
        request = message_class("RepositoryModelLoadRequest")(model_name=self._model)
        try:
            await self._channels[0].unary_unary(LOAD)(request.SerializeToString(), timeout=LOAD_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise BundleError(f"{self._model} was not loaded: {error.details()}") from None

    async def report(self) -> Any:
        """Return what the server's monitor says of the model: a ReportResponse, with the alerts that fire."""
        request = message_class("ReportRequest", "penstock.v1")(model=self._model, windows=1)
        answer = await self._channels[0].unary_unary(REPORT)(request.SerializeToString(), timeout=20)
        return message_class("ReportResponse", "penstock.v1").FromString(answer)

    async def score(
        self,
        job: Job,
        seed: int,
        on_answer: Callable[[int], None] = lambda rows: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> tuple[Tally, Probabilities]:
        """Score every row once, in requests of mixed sizes.

        Parameters
        ----------
        job : Job
        seed : int
            Of the sizes.
        on_answer : callable
            Called with the rows of each answer.
        stopped : callable
            Checked before each request; true ends early.

        Returns
        -------
        Tally
        ndarray of float32, shape (n,)
            The probabilities that came back, NaN where none did.
        """
        tally, answers = Tally(), np.full(len(job.year), np.nan, dtype=np.float32)
        parts = _parts(len(job.year), seed)
        began_s = time.perf_counter()

        async def work(call: Any) -> None:
            for part in parts:
                if stopped():
                    return
                await self._ask(call, job, part, tally, answers)
                on_answer(part.stop - part.start)

        calls = (self._calls[number % len(self._calls)] for number in range(self._in_flight))
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(work(call))
        tally.elapsed_s = time.perf_counter() - began_s
        return tally, answers

    async def _ask(self, call: Any, job: Job, part: slice, tally: Tally, answers: Probabilities) -> None:
        rows = part.stop - part.start
        tally.requests += 1
        sent_s = time.perf_counter()
        try:
            reply = await call(encode_request(self._model, job.year, part), timeout=REQUEST_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            tally.errors[f"{error.code().name}: {error.details()}"] += 1
            return
        tally.latencies_s.append(time.perf_counter() - sent_s)
        response = message_class("ModelInferResponse").FromString(reply)
        version = int(response.model_version)
        tally.versions[version] += 1
        got = np.frombuffer(response.raw_output_contents[0], dtype="<f4").reshape(-1, 2)[:, 1]
        if len(got) != rows or np.abs(got - job.expected[version][part]).max() > TOLERANCE:
            tally.errors[f"wrong answer from version {version}"] += 1
            return
        tally.rows += rows
        answers[part] = got


def encode_request(model: str, year: Year, part: slice) -> bytes:
    """Serialize a ModelInferRequest for the probabilities of these people, raw columns as they are."""
    request = message_class("ModelInferRequest")(model_name=model)
    for name, tensor in year.tensors.items():
        column = tensor[part]
        text = column.dtype.kind == "O"
        request.inputs.add(name=name, datatype="BYTES" if text else "FP32", shape=column.shape)
        request.raw_input_contents.append(b"".join(column) if text else column.astype("<f4").tobytes())
    request.outputs.add(name=OUTPUT)
    return bytes(request.SerializeToString())


def _parts(count: int, seed: int) -> Iterator[slice]:
    """Cut rows into requests of mixed sizes, one after another."""
    random, start = np.random.default_rng(seed), 0
    while start < count:
        for size in random.choice(SIZES, 256, p=SHARES).tolist():
            stop = min(start + size, count)
            yield slice(start, stop)
            start = stop
            if start == count:
                return
