"""First runs of a session: touch every batch size, time it, and learn what the graph does not declare."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np

from penstock.bundle.signature import Signature, TensorSpec
from penstock.engine.session import Arrays, Session
from penstock.errors import BundleError, InferenceError

__all__ = ["Warmup", "batch_sizes", "tiled", "warm_up", "zeros"]

_log = logging.getLogger(__name__)

_BUDGET_S: Final = 10.0
_REPEAT_BELOW_S: Final = 0.05


class Warmup(msgspec.Struct, frozen=True):
    """What warming a session showed.

    Attributes
    ----------
    signature : Signature
        With the row dimension and the output shapes that the runs proved.
    costs : tuple of (int, float)
        Rows and seconds of one run, by rows; empty where the graph refused invented inputs.
    """

    signature: Signature
    costs: tuple[tuple[int, float], ...]


def batch_sizes(max_batch_rows: int) -> tuple[int, ...]:
    """Return 1, 2, 4, … up to and with the largest batch.

    Examples
    --------
    >>> batch_sizes(6)
    (1, 2, 4, 6)
    """
    powers = itertools.takewhile(lambda rows: rows < max_batch_rows, (2**n for n in itertools.count()))
    return (*powers, max_batch_rows)


def zeros(signature: Signature, rows: int) -> Arrays:
    """Return inputs of zeros and empty strings; variable dimensions but the row dimension are 1."""
    inputs: Arrays = {}
    for spec in signature.inputs:
        shape = [1 if size < 0 else size for size in spec.shape]
        if signature.batched:
            shape[0] = rows
        inputs[spec.name] = np.full(shape, "" if spec.datatype == "BYTES" else 0, dtype=spec.dtype)
    return inputs


def tiled(inputs: Arrays, rows: int) -> Arrays:
    """Return the rows of batched inputs, repeated or cut to a number of rows."""
    return {name: array[np.arange(rows) % len(array)] for name, array in inputs.items()}


def warm_up(
    session: Session,
    signature: Signature,
    *,
    golden: Arrays | None = None,
    max_batch_rows: int = 256,
    sizes: Sequence[int] | None = None,
) -> Warmup:
    """Run a session at the batch sizes that it will see.

    Parameters
    ----------
    session : Session
    signature : Signature
        Of the session, or of the manifest of its bundle.
    golden : dict of str to ndarray, optional
        Inputs known to be good; zeros and empty strings where left out.
    max_batch_rows : int
    sizes : sequence of int, optional
        Batch sizes to run; those of :func:`batch_sizes` where left out. A batched model is always
        run with 1 and with 2 rows, to see whether its outputs follow its inputs.

    Raises
    ------
    BundleError
        When the golden inputs fail. Invented inputs may be out of the model's domain: their failure
        is logged, and the model starts cold.

    Notes
    -----
    Sizes that would take the whole beyond about ten seconds are left out.
    """
    asked = [rows for rows in (sizes or batch_sizes(max_batch_rows)) if rows <= max_batch_rows]
    plan = sorted({1, 2, *asked}) if signature.batched else [1]
    costs: list[tuple[int, float]] = []
    seen: list[tuple[int, dict[str, tuple[int, ...]]]] = []
    started = time.perf_counter()
    try:
        for rows in plan:
            if costs and time.perf_counter() - started + 2 * costs[-1][1] > _BUDGET_S:
                _log.warning("%s: warm-up stops at %d rows: it takes too long", session.path, costs[-1][0])
                break
            inputs = _sample(signature, golden, rows)
            answer, cost = _timed(session, inputs)
            seen.append((rows, {name: array.shape for name, array in answer.items()}))
            costs.append((rows, cost))
    except InferenceError as error:
        if golden is not None:
            raise BundleError(f"the golden rows cannot be run: {error}") from None
        _log.warning("warm-up with zeros failed, so the model starts cold: %s", error)
    settled = _settled(session, signature, seen)
    last = max_batch_rows if settled.batched else 1
    return Warmup(settled, tuple(cost for cost in costs if cost[0] <= last))


def _sample(signature: Signature, golden: Arrays | None, rows: int) -> Arrays:
    if golden is None:
        return zeros(signature, rows)
    return tiled(golden, rows) if signature.batched else golden


def _timed(session: Session, inputs: Arrays) -> tuple[Arrays, float]:
    """Return the answer and the seconds of a run, those of a second one where the first is quick."""
    begin = time.perf_counter()
    answer = session.run(inputs)
    cost = time.perf_counter() - begin
    if cost < _REPEAT_BELOW_S:
        begin = time.perf_counter()
        answer = session.run(inputs)
        cost = min(cost, time.perf_counter() - begin)
    return answer, cost


def _settled(
    session: Session, signature: Signature, seen: Sequence[tuple[int, dict[str, tuple[int, ...]]]]
) -> Signature:
    """Return the signature that the runs bear out."""
    batched = signature.batched
    if batched and not seen and not session.proven:
        _log.warning("%s: requests are not batched: the outputs do not declare a row dimension", session.path)
        batched = False
    for rows, shapes in seen if batched else ():
        strays = [name for name, shape in shapes.items() if shape[:1] != (rows,)]
        if strays:
            _log.warning(
                "%s: requests are not batched: %d rows give output %s of shape %s",
                session.path,
                rows,
                strays[0],
                list(shapes[strays[0]]),
            )
            batched = False
            break
    if signature.batched and not batched:
        signature = session.declared
    free_inputs = any(-1 in spec.shape[1 if batched else 0 :] for spec in signature.inputs)
    outputs = tuple(
        _observed(spec, [shapes[spec.name] for _, shapes in seen], free_inputs, spec.name in session.zipmaps)
        for spec in signature.outputs
    )
    return Signature(inputs=signature.inputs, outputs=outputs, batched=batched)


def _observed(
    spec: TensorSpec, shapes: Sequence[tuple[int, ...]], free_inputs: bool, zipmap: bool
) -> TensorSpec:
    """Return an output with the shape that the runs showed where the graph declares none or a wrong one."""
    if not shapes:
        return spec
    common = _common(shapes)
    if zipmap:
        return TensorSpec(spec.name, spec.datatype, (spec.shape[0], *common[1:]))
    if len(common) != len(spec.shape):
        free = tuple(-1 for _ in common) if free_inputs else common
        return TensorSpec(spec.name, spec.datatype, (*spec.shape[:1], *free[1:]) if spec.shape else free)
    shape = tuple(want if got == want else -1 for want, got in zip(spec.shape, common, strict=True))
    return TensorSpec(spec.name, spec.datatype, shape)


def _common(shapes: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the sizes that all shapes have in common, -1 where they differ."""
    return tuple(sizes[0] if len(set(sizes)) == 1 else -1 for sizes in zip(*shapes, strict=True))
