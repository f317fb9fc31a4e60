"""Write a bundle: aside, tried out, then moved into place in one step."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import platform
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from penstock import __version__
from penstock.bundle.bundle import Bundle, sha256_of
from penstock.bundle.external_data import external_files
from penstock.bundle.golden import Golden
from penstock.bundle.manifest import (
    BASELINE,
    GRAPH,
    MANIFEST,
    TRANSFORM,
    BaselineFile,
    GoldenFile,
    Manifest,
    TransformFile,
    check_path,
)
from penstock.bundle.reference import (
    Measured,
    Reference,
    inputs_from_reference,
    raw_from_reference,
    raw_types,
)
from penstock.bundle.repository import is_model_name, parse_version
from penstock.bundle.signature import Signature
from penstock.engine.columns import to_inputs
from penstock.engine.pipeline import Pipeline
from penstock.engine.session import RUNTIME_VERSION, Arrays, Session, open_session
from penstock.engine.warmup import warm_up
from penstock.errors import BundleError, InferenceError

if TYPE_CHECKING:
    from penstock.engine.feed import Feed
    from penstock.monitor.baseline import Baseline
    from penstock.transform import Transform

__all__ = ["pack"]

_GOLDEN: Final = "golden.npz"
_TRIAL_ROWS: Final = (1, 2, 4)


def pack(
    name: str,
    model: str | Path,
    *,
    repository: str | Path,
    version: int | None = None,
    transform: Transform | str | Path | None = None,
    golden: Mapping[str, Any] | None = None,
    reference: Any = None,
    label: str | None = None,
    prediction: str = "",
    threshold: float = 0.5,
    multivariate: bool = False,
    metadata: Mapping[str, Any] | None = None,
    rtol: float = 1e-4,
    atol: float = 1e-5,
) -> int:
    """Publish a model as a new version.

    Parameters
    ----------
    name : str
        Letters, digits, ``_``, ``.`` and ``-``, not starting with ``.`` or ``-``; at most 255.
    model : str or Path
        ONNX graph. Files beside it that hold its tensors are copied too.
    repository : str or Path
        Root directory; made where it is not there.
    version : int, optional
        One above the highest where left out.
    transform : Transform, str or Path, optional
        What turns raw columns into the inputs of the graph, or its file. Clients then send the raw
        columns. Columns that it leaves open take their types from ``reference``, from ``golden``, or are
        float64.
    golden : mapping of str to array, optional
        Inputs whose outputs every later load must reproduce; raw columns where there is a transform.
    reference : pyarrow.Table, pyarrow.RecordBatch, data frame, mapping of str to array, or callable, optional
        Data like that which the model will see; or what gives it as record batches, anew each time it
        is called, where it does not fit in memory. Its statistics, and those of the answers to it, become
        the baseline that ``penstock.drift`` compares live data with. Without ``golden``, its first 16
        rows become the golden rows where its columns fill the inputs; other columns are left aside.
    label : str, optional
        Column of the reference that the model predicts; it is no input. How good the answers are is
        measured, and kept with the baseline, as is the calibration that estimates it without labels.
    prediction : str, optional
        Output that predicts the label, such as ``probabilities``; the only one of several columns, or the
        only one, where left out.
    threshold : float, default 0.5
        Probability from which on a binary prediction is positive.
    multivariate : bool, default False
        Keep a sample of rows of the reference, for tests of all features together.
    metadata : mapping, optional
        JSON values, kept as they are.
    rtol, atol : float
        How far apart golden floats may be.

    Returns
    -------
    int
        The version, which is on disk and complete.

    Raises
    ------
    BundleError
        When the graph does not load or run, the name or version is not possible or is taken, or the
        metadata is not JSON; when there is a label that the reference lacks or the outputs do not predict.
        Nothing is published then.
    SignatureError
        When the golden inputs do not match the signature.
    TransformError
        When the file of the transform cannot be read.
    """
    if not is_model_name(name):
        raise BundleError(
            f"expected a model name of letters, digits, _, . and -, not starting with . or -, got {name!r}"
        )
    if version is not None and parse_version(str(version)) is None:
        raise BundleError(f"expected a version from 1 to 999999999, got {version}")
    _check_metadata(metadata)
    if reference is None and label is not None:
        raise BundleError(f'label: expected a reference with a column "{label}", got no reference')
    sample = None if reference is None else Reference.of(reference)
    measured = Measured(label=label, prediction=prediction, threshold=threshold, multivariate=multivariate)
    if sample is not None and label is not None:
        sample.without(label)  # now, before anything is written
    source = Path(model)
    if not source.is_file():
        raise BundleError(f"{source}: expected an ONNX file, got nothing that can be read")
    parent = Path(repository) / name
    parent.mkdir(parents=True, exist_ok=True)
    aside = parent / f".pack-{secrets.token_hex(8)}"
    aside.mkdir()
    try:
        _copy_graph(source, aside)
        bound = _bound(transform, golden, None if sample is None else measured.inputs(sample))
        if bound is not None:
            bound.save(aside / TRANSFORM)
        trial = _try_out(aside / GRAPH, bound, golden, sample, measured, rtol, atol)
        if trial.golden is not None:
            trial.golden.save(aside / _GOLDEN)
        if trial.baseline is not None:
            trial.baseline.save(aside / BASELINE)
        manifest = Manifest(
            name=name,
            version=1,
            signature=trial.signature,
            files={file.relative_to(aside).as_posix(): sha256_of(file) for file in _files(aside)},
            transform=TransformFile(file=TRANSFORM, digest=bound.digest) if bound is not None else None,
            baseline=BaselineFile(file=BASELINE, digest=trial.baseline.digest) if trial.baseline else None,
            golden=GoldenFile(file=_GOLDEN, rtol=rtol, atol=atol) if trial.golden else None,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            producer=_producer(),
            metadata=dict(metadata or {}),
        )
        return _publish(aside, parent, manifest, version)
    except BundleError as error:
        # Name the file that the caller gave, not its copy, which is gone by now.
        raise BundleError(str(error).replace(str(aside / GRAPH), str(source))) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        with contextlib.suppress(OSError):
            parent.rmdir()  # only succeeds where this call made it and published nothing


def _check_metadata(metadata: Mapping[str, Any] | None) -> None:
    try:
        msgspec.json.encode(dict(metadata or {}))
    except (TypeError, ValueError, RecursionError) as error:
        raise BundleError(f"metadata: expected JSON values: {error}") from None


def _copy_graph(source: Path, aside: Path) -> None:
    shutil.copyfile(source, aside / GRAPH)
    for file in external_files(source):
        check_path(file, str(source))
        origin = source.parent / file
        if file in (GRAPH, TRANSFORM, BASELINE, _GOLDEN) or not origin.is_file():
            raise BundleError(f"{source}: its tensors are in {file!r}, which cannot be packed")
        (aside / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin, aside / file)


def _bound(
    transform: Transform | str | Path | None, golden: Mapping[str, Any] | None, reference: Reference | None
) -> Transform | None:
    """Return the transform with a concrete type for every column."""
    if transform is None:
        return None
    if isinstance(transform, str | Path):
        from penstock.transform import Transform

        transform = Transform.load(transform)
    known = raw_types(golden if reference is None else reference.head)
    types = {column.name: known.get(column.name, "float64") for column in transform.columns}
    return transform.bind(
        {column.name: types[column.name] for column in transform.columns if column.type == "number"}
    )


class _Trial(msgspec.Struct, frozen=True):
    """What running a graph showed: what clients see of it, its golden rows, its baseline."""

    signature: Signature
    golden: Golden | None
    baseline: Baseline | None


def _try_out(
    graph: Path,
    transform: Transform | None,
    golden: Mapping[str, Any] | None,
    reference: Reference | None,
    measured: Measured,
    rtol: float,
    atol: float,
) -> _Trial:
    """Run the graph."""
    # As it will be served: a baseline of outputs that are rounded otherwise would see them move.
    session = open_session(graph, "cpu", compile_trees=True)
    try:
        feed = _joined(transform, session)
        inputs = _golden_inputs(
            session, feed, golden, None if reference is None else measured.inputs(reference).head
        )
        fed = feed.run_golden(inputs) if feed and inputs else inputs
        graph_signature = warm_up(
            session, session.signature, golden=fed, max_batch_rows=max(_TRIAL_ROWS), sizes=_TRIAL_ROWS
        ).signature
        signature = feed.signature(graph_signature) if feed else graph_signature
        baseline = None
        if reference is not None:
            # Most bundles that are opened need none of what counts.
            from penstock.bundle.baseline import fit_baseline

            baseline = fit_baseline(session, feed, graph_signature, reference, measured)
        if inputs is None or fed is None:
            return _Trial(signature, None, baseline)
        try:
            outputs = session.run(fed)
        except InferenceError as error:
            raise BundleError(f"the golden rows cannot be run: {error}") from None
        return _Trial(signature, Golden(inputs=inputs, outputs=outputs, rtol=rtol, atol=atol), baseline)
    finally:
        session.close()


def _joined(transform: Transform | None, session: Session) -> Feed | None:
    if transform is None:
        return None
    from penstock.engine.feed import Feed

    return Feed(transform, session.signature.inputs)


def _golden_inputs(
    session: Session, feed: Feed | None, golden: Mapping[str, Any] | None, reference: Any
) -> Arrays | None:
    if golden is not None:
        return feed.to_inputs(golden)[0] if feed else to_inputs(golden, session.signature)[0]
    if reference is None:
        return None
    return (
        raw_from_reference(reference, feed) if feed else inputs_from_reference(reference, session.signature)
    )


def _publish(aside: Path, parent: Path, manifest: Manifest, version: int | None) -> int:
    """Move a finished directory to its version, the next free one where none is asked for."""
    number = version or _next_version(parent)
    _write_manifest(aside, manifest, number)
    bundle = Bundle.open(aside, name=manifest.name, version=number)
    Pipeline.load(bundle, "cpu", max_batch_rows=max(_TRIAL_ROWS), warm_rows=(1,)).close()
    while True:
        _sync(aside)
        try:
            aside.rename(parent / str(number))
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            if version is not None:
                raise BundleError(
                    f'model "{manifest.name}" has a version {version} already; versions never change'
                ) from None
            number = max(number + 1, _next_version(parent))
            _write_manifest(aside, manifest, number)
            continue
        _sync_one(parent)
        return number


def _next_version(parent: Path) -> int:
    return 1 + max((parse_version(entry.name) or 0 for entry in parent.iterdir()), default=0)


def _write_manifest(aside: Path, manifest: Manifest, version: int) -> None:
    (aside / MANIFEST).write_bytes(msgspec.structs.replace(manifest, version=version).encode())


def _producer() -> dict[str, str]:
    return {
        "penstock": __version__,
        "onnxruntime": RUNTIME_VERSION,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _sync(root: Path) -> None:
    """Flush files and directories to the disk, the deepest first."""
    for path in sorted(root.rglob("*"), reverse=True):
        _sync_one(path)
    _sync_one(root)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
