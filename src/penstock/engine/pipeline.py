"""A loaded bundle: verified, warmed, compared with its golden rows, immutable from then on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from penstock.bundle.bundle import Bundle
from penstock.bundle.golden import Golden, compare
from penstock.bundle.signature import Signature, format_shape, matches, quoted
from penstock.engine.columns import to_inputs
from penstock.engine.session import Arrays, Session, open_session
from penstock.engine.warmup import warm_up
from penstock.errors import BundleError, InferenceError, SignatureError

__all__ = ["Pipeline"]

_DEFAULT_MAX_BATCH_ROWS: Final = 256


class Pipeline:
    """What answers requests for one version of a model.

    Attributes
    ----------
    name : str
    version : int
    signature : Signature
    digest : str
        Of the bundle.
    device : str
        ``cpu`` or ``cuda``.
    max_batch_rows : int
    warm_costs : list of (int, float)
        Rows and seconds of one run, measured while warming; may be empty.

    Notes
    -----
    Any thread may call :meth:`run`; nothing but :meth:`close` changes a pipeline.
    """

    __slots__ = (
        "_first",
        "_session",
        "device",
        "digest",
        "max_batch_rows",
        "name",
        "signature",
        "version",
        "warm_costs",
    )

    def __init__(
        self,
        bundle: Bundle,
        session: Session,
        signature: Signature,
        max_batch_rows: int,
        warm_costs: Sequence[tuple[int, float]] = (),
    ) -> None:
        self.name = bundle.name
        self.version = bundle.version
        self.digest = bundle.digest
        self.device = session.device
        self.signature = signature
        self.max_batch_rows = max_batch_rows
        self.warm_costs = list(warm_costs)
        self._session = session
        self._first = signature.inputs[0].name

    @classmethod
    def load(
        cls,
        bundle: Bundle,
        device: str = "auto",
        max_batch_rows: int = _DEFAULT_MAX_BATCH_ROWS,
        intra_op_threads: int = 0,
        warm_rows: Sequence[int] | None = None,
    ) -> Pipeline:
        """Make a bundle ready to serve; blocking, in any thread.

        Parameters
        ----------
        bundle : Bundle
            Verified here unless it was when it was opened.
        device : str
            ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        max_batch_rows : int
            The largest batch that runs at once; more rows run in slices.
        intra_op_threads : int
            See :func:`~penstock.engine.session.configure_runtime`.
        warm_rows : sequence of int, optional
            Batch sizes to warm; 1, 2, 4, … max_batch_rows where left out.

        Raises
        ------
        BundleError
            When a file is damaged, the graph does not load or does not fit the manifest, or the
            golden rows fail or disagree.
        UnsupportedError
            When the device is not there.
        """
        if max_batch_rows < 1:
            raise ValueError(f"expected max_batch_rows of at least 1, got {max_batch_rows}")
        bundle.verify()
        golden = bundle.golden()
        session = open_session(bundle.graph_path, device, intra_op_threads)
        try:
            signature = _agreed(bundle, session)
            if golden:
                _check_golden(golden, signature)
            warmth = warm_up(
                session,
                signature,
                golden=golden.inputs if golden else None,
                max_batch_rows=max_batch_rows,
                sizes=warm_rows,
            )
            pipeline = cls(bundle, session, warmth.signature, max_batch_rows, warmth.costs)
            if golden:
                pipeline._compare(golden)
        except BaseException:
            session.close()
            raise
        return pipeline

    def run(self, inputs: Arrays) -> Arrays:
        """Score inputs that match the signature.

        Parameters
        ----------
        inputs : dict of str to ndarray
            One array an input; equal numbers of rows where the model is batched.

        Returns
        -------
        dict of str to ndarray
            Every output, in the order of the signature.

        Raises
        ------
        InferenceError
            When the graph fails, or a batched output does not hold one row for each of the inputs.
        """
        if not self.signature.batched:
            return self._session.run(inputs)
        rows = len(inputs[self._first])
        if rows <= self.max_batch_rows:
            return self._run_batch(inputs, rows)
        slices = []
        for begin in range(0, rows, self.max_batch_rows):
            end = min(begin + self.max_batch_rows, rows)
            part = {name: array[begin:end] for name, array in inputs.items()}
            slices.append(self._run_batch(part, end - begin))
        try:
            return {name: np.concatenate([part[name] for part in slices]) for name in slices[0]}
        except ValueError:
            raise InferenceError(
                f"{self.name} version {self.version}: the outputs of a request of {rows} rows, "
                f"run {self.max_batch_rows} at a time, differ in shape"
            ) from None

    def close(self) -> None:
        """Free the memory of the graph once the runs under way have ended. May be called again."""
        self._session.close()

    def _run_batch(self, inputs: Arrays, rows: int) -> Arrays:
        answer = self._session.run(inputs)
        for name, array in answer.items():
            if array.shape[:1] != (rows,):
                raise InferenceError(
                    f'{self.name} version {self.version}: expected {rows} rows in output "{name}", '
                    f"got shape {format_shape(array.shape)}"
                )
        return answer

    def _compare(self, golden: Golden) -> None:
        try:
            got = self.run(golden.inputs)
        except InferenceError as error:
            raise BundleError(f"the golden rows cannot be run: {error}") from None
        compare(golden.outputs, got, golden.rtol, golden.atol)


def _check_golden(golden: Golden, signature: Signature) -> None:
    try:
        to_inputs(golden.inputs, signature)
    except SignatureError as error:
        raise BundleError(f"the golden rows do not match the signature: {error}") from None


def _agreed(bundle: Bundle, session: Session) -> Signature:
    """Return the signature of the manifest where there is one and the graph bears it out."""
    if bundle.manifest is None:
        return session.signature
    stated = bundle.manifest.signature
    for side, ours, theirs in (
        ("inputs", stated.inputs, session.declared.inputs),
        ("outputs", stated.outputs, session.declared.outputs),
    ):
        if [spec.name for spec in ours] != [spec.name for spec in theirs]:
            raise BundleError(
                f"{bundle.path}: expected the {side} of bundle.json, {quoted(s.name for s in ours)}, "
                f"got {quoted(s.name for s in theirs)} in the graph"
            )
        for want, got in zip(ours, theirs, strict=True):
            fits = side == "outputs" or matches(want.shape, got.shape)
            if want.datatype != got.datatype or not fits:
                raise BundleError(
                    f'{bundle.path}: tensor "{want.name}" is {want.datatype} {format_shape(want.shape)} in '
                    f"bundle.json, {got.datatype} {format_shape(got.shape)} in the graph"
                )
    if stated.batched and not session.signature.batched:
        raise BundleError(f"{bundle.path}: bundle.json says that rows batch; the graph fixes their number")
    return stated
