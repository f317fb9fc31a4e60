"""A loaded bundle: verified, warmed, compared with its golden rows, immutable from then on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.bundle.bundle import Bundle
from penstock.bundle.golden import Golden, compare
from penstock.bundle.signature import Signature, format_shape, matches, quoted
from penstock.engine.columns import to_inputs
from penstock.engine.session import Arrays, Session, open_session
from penstock.engine.warmup import warm_up
from penstock.errors import BundleError, InferenceError, SignatureError

if TYPE_CHECKING:
    from penstock.batching import Batch, Runner
    from penstock.engine.feed import Feed
    from penstock.transform import Transform

__all__ = ["Pipeline"]

_DEFAULT_MAX_BATCH_ROWS: Final = 256


class Pipeline:
    """What answers requests for one version of a model.

    Attributes
    ----------
    name : str
    version : int
    signature : Signature
        What clients see: raw columns where the bundle has a transform.
    digest : str
        Of the bundle.
    transform : Transform or None
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
        "_feed",
        "_first",
        "_session",
        "_text",
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
        feed: Feed | None = None,
    ) -> None:
        self.name = bundle.name
        self.version = bundle.version
        self.digest = bundle.digest
        self.device = session.device
        self.signature = signature
        self.max_batch_rows = max_batch_rows
        self.warm_costs = list(warm_costs)
        self._session = session
        self._feed = feed
        self._first = signature.inputs[0].name
        self._text = feed.text if feed else None

    @classmethod
    def load(
        cls,
        bundle: Bundle,
        device: str = "auto",
        max_batch_rows: int = _DEFAULT_MAX_BATCH_ROWS,
        intra_op_threads: int = 0,
        warm_rows: Sequence[int] | None = None,
        compile_trees: bool = True,
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
            See :func:`~penstock.engine.session.open_session`.
        warm_rows : sequence of int, optional
            Batch sizes to warm; 1, 2, 4, … max_batch_rows where left out.
        compile_trees : bool
            See :func:`~penstock.engine.session.open_session`.

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
        session = open_session(bundle.graph_path, device, intra_op_threads, compile_trees)
        try:
            feed = _feed(bundle, session)
            signature = _agreed(bundle, session, feed)
            known = None
            if golden:
                _check_golden(golden, signature)
                known = feed.run_golden(golden.inputs) if feed else golden.inputs
            warmth = warm_up(
                session,
                Signature(session.signature.inputs, signature.outputs, signature.batched)
                if feed
                else signature,
                golden=known,
                max_batch_rows=max_batch_rows,
                sizes=warm_rows,
            )
            settled = feed.signature(warmth.signature) if feed else warmth.signature
            pipeline = cls(bundle, session, settled, max_batch_rows, warmth.costs, feed)
            if golden:
                pipeline._compare(golden)
        except BaseException:
            session.close()
            raise
        return pipeline

    @property
    def transform(self) -> Transform | None:
        """From raw columns to the inputs of the graph, where the bundle has one."""
        return self._feed.transform if self._feed else None

    @property
    def runner(self) -> Runner | None:
        """What answers requests without Python, where everything from the raw columns on is compiled."""
        forest = self._session.forest
        if forest is None or not self.signature.batched:
            return None
        runner = forest.runner([spec.name for spec in self.signature.outputs])
        return runner if self._feed is None else self._feed.runner(runner)

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
        SignatureError
            When the transform refuses a value.
        InferenceError
            When the graph fails, or a batched output does not hold one row for each of the inputs.
        """
        if not self.signature.batched:
            return self._session.run(inputs)
        rows = len(inputs[self._first])
        return self._run_rows(self._feed.run(inputs, rows) if self._feed else inputs, rows)

    def inputs_of(self, batch: Batch) -> Arrays:
        """Return the columns of a batch from the queue as :meth:`run` takes them, over its own memory."""
        return batch.inputs(self.signature, self._text)

    def score(self, columns: Any) -> Arrays:
        """Score columns as a caller has them.

        Parameters
        ----------
        columns : mapping of str to array, pyarrow.RecordBatch, pyarrow.Table, data frame or ndarray
            What :meth:`penstock.Transform.transform` takes where the bundle has a transform, else what
            :func:`penstock.engine.columns.to_inputs` does.

        Raises
        ------
        SignatureError
            Naming the column, what was expected and what came.
        InferenceError
            As :meth:`run`.
        """
        if self._feed is None:
            return self.run(to_inputs(columns, self.signature)[0])
        return self._run_rows(*self._feed.transform_columns(columns))

    def to_inputs(self, columns: Any) -> tuple[Arrays, int]:
        """Return columns as a caller has them as :meth:`run` takes them, and the rows.

        Raises
        ------
        SignatureError
            Naming the column, what was expected and what came.
        """
        if self._feed is None:
            return to_inputs(columns, self.signature)
        return self._feed.to_inputs(columns)

    def close(self) -> None:
        """Free the memory of the graph once the runs under way have ended. May be called again."""
        self._session.close()

    def _run_rows(self, inputs: Arrays, rows: int) -> Arrays:
        """Run the graph over its inputs, in slices where the rows are many."""
        if rows <= self.max_batch_rows:
            return self._run_slice(inputs, rows)
        slices = []
        for begin in range(0, rows, self.max_batch_rows):
            end = min(begin + self.max_batch_rows, rows)
            part = {name: array[begin:end] for name, array in inputs.items()}
            slices.append(self._run_slice(part, end - begin))
        try:
            return {name: np.concatenate([part[name] for part in slices]) for name in slices[0]}
        except ValueError:
            raise InferenceError(
                f"{self.name} version {self.version}: the outputs of a request of {rows} rows, "
                f"run {self.max_batch_rows} at a time, differ in shape"
            ) from None

    def _run_slice(self, inputs: Arrays, rows: int) -> Arrays:
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
        except (InferenceError, SignatureError) as error:
            raise BundleError(f"the golden rows cannot be run: {error}") from None
        compare(golden.outputs, got, golden.rtol, golden.atol)


def _check_golden(golden: Golden, signature: Signature) -> None:
    try:
        to_inputs(golden.inputs, signature)
    except SignatureError as error:
        raise BundleError(f"the golden rows do not match the signature: {error}") from None


def _feed(bundle: Bundle, session: Session) -> Feed | None:
    """Return the transform of a bundle, where it has one, joined to the graph."""
    transform = bundle.transform()
    if transform is None:
        return None
    # Most models have none: they start without the compiled transforms.
    from penstock.engine.feed import Feed

    try:
        return Feed(transform, session.signature.inputs)
    except BundleError as error:
        raise BundleError(f"{bundle.path}: {error}") from None


def _agreed(bundle: Bundle, session: Session, feed: Feed | None) -> Signature:
    """Return the signature of the manifest where there is one and transform and graph bear it out."""
    if bundle.manifest is None:
        return session.signature
    stated = bundle.manifest.signature
    inputs, source = (feed.inputs, "transform") if feed else (session.declared.inputs, "graph")
    for side, ours, theirs, where in (
        ("inputs", stated.inputs, inputs, source),
        ("outputs", stated.outputs, session.declared.outputs, "graph"),
    ):
        if [spec.name for spec in ours] != [spec.name for spec in theirs]:
            raise BundleError(
                f"{bundle.path}: expected the {side} of bundle.json, {quoted(s.name for s in ours)}, "
                f"got {quoted(s.name for s in theirs)} in the {where}"
            )
        for want, got in zip(ours, theirs, strict=True):
            fits = side == "outputs" or matches(want.shape, got.shape)
            if want.datatype != got.datatype or not fits:
                raise BundleError(
                    f'{bundle.path}: tensor "{want.name}" is {want.datatype} {format_shape(want.shape)} in '
                    f"bundle.json, {got.datatype} {format_shape(got.shape)} in the {where}"
                )
    if stated.batched and not session.signature.batched:
        raise BundleError(f"{bundle.path}: bundle.json says that rows batch; the graph fixes their number")
    return stated
