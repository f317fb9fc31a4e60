"""From a record batch to its scores: gather the inputs, run the pipeline, put columns together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from penstock.bundle.bundle import Bundle
from penstock.bundle.manifest import GRAPH, MANIFEST
from penstock.bundle.repository import Repository, parse_version
from penstock.bundle.signature import Signature, TensorSpec, format_shape, quoted
from penstock.engine.arrow import arrow_array, is_number
from penstock.engine.columns import to_inputs
from penstock.engine.pipeline import Pipeline
from penstock.engine.session import Arrays
from penstock.errors import ConfigError, ModelNotFoundError, SignatureError
from penstock.score.outputs import choose_outputs
from penstock.transform.spec import Column, Output, Spec
from penstock.transform.transform import Transform

__all__ = ["Binding", "Scorer", "default_batch_rows", "default_run_rows", "open_model"]

_BATCH_BYTES: Final = 2**20
_RUN_BYTES: Final = 2**18
_LEAST_ROWS: Final = 256
_MOST_ROWS: Final = 8192
_GATHERED: Final = ("float32", "float64")
_TEXT: Final = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
)


def open_model(model: str | Path, version: int | None = None) -> Bundle:
    """Open a bundle: a version's directory, or the highest or given version of a model's directory.

    Raises
    ------
    ConfigError
        When the directory holds neither, or is of another version than the one asked for.
    ModelNotFoundError
        When the model has not that version.
    BundleError
        When the bundle is damaged.
    """
    path = Path(model)
    if not path.is_dir():
        raise ConfigError(f"{path}: expected the directory of a model or of one of its versions")
    if (path / GRAPH).is_file() or (path / MANIFEST).is_file():
        found = parse_version(path.resolve().name)
        if version is not None and version != found:
            raise ConfigError(f"{path}: expected version {version}, got the directory of version {found}")
        return Bundle.open(path.resolve())
    path = path.resolve()
    repository = Repository(path.parent)
    try:
        return Bundle.open(repository.path(path.name, version or repository.latest(path.name)))
    except ModelNotFoundError:
        if version is not None:
            raise
        raise ConfigError(
            f"{path}: expected the directory of a model or of one of its versions, got one without {GRAPH}"
        ) from None


def default_batch_rows(signature: Signature) -> int:
    """Return the rows of a batch whose inputs stay within a megabyte, so that they stay in a cache.

    Examples
    --------
    >>> x, y = TensorSpec("x", "FP32", (-1, 30)), TensorSpec("p", "FP32", (-1, 2))
    >>> default_batch_rows(Signature((x,), (y,), batched=True))
    8192
    """
    return _rows_within(signature, _BATCH_BYTES)


def default_run_rows(signature: Signature) -> int:
    """Return the rows that the model takes at once: what it computes on the way stays in a core's cache.

    Notes
    -----
    A dense model of 256 and 128 units took 0.65 µs a row with 512 to 2,048 rows, 0.86 with 8,192 and 1.1
    with 16,384; 100 trees 3.8 with 2,048 and 4.1 with 8,192. A model with outputs of open size runs a batch
    as a whole, since what it gives for parts of it need not fit together.

    Examples
    --------
    >>> x, y = TensorSpec("x", "FP32", (-1, 30)), TensorSpec("p", "FP32", (-1, 2))
    >>> default_run_rows(Signature((x,), (y,), batched=True))
    2048
    """
    if any(-1 in spec.shape[1:] for spec in signature.outputs):
        return default_batch_rows(signature)
    return _rows_within(signature, _RUN_BYTES)


def _rows_within(signature: Signature, most_bytes: int) -> int:
    row_bytes = 0
    for spec in signature.inputs:
        values = int(np.prod([max(size, 1) for size in spec.shape[1:]]))
        row_bytes += values * (spec.element_bytes or 32)
    rows = _MOST_ROWS
    while rows > _LEAST_ROWS and rows * row_bytes > most_bytes:
        rows //= 2
    return rows


class Scorer:
    """A pipeline with the choice of columns to read, keep and write.

    Parameters
    ----------
    pipeline : Pipeline
        Batched.
    keep : sequence of str
        Input columns that are written unchanged.
    columns : mapping of str to sequence of str
        For inputs of the model that are filled from columns of other names.
    outputs : sequence of str or mapping, optional
        See :func:`~penstock.score.outputs.choose_outputs`.

    Raises
    ------
    ConfigError
        When the choice does not fit the model.

    Notes
    -----
    Any thread may use a scorer.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        keep: Sequence[str] = (),
        columns: Mapping[str, Sequence[str]] | None = None,
        outputs: Sequence[str] | Mapping[str, str] | None = None,
    ) -> None:
        signature = pipeline.signature
        if not signature.batched:
            raise ConfigError(f'model "{pipeline.name}" takes no rows: it cannot score files')
        self.pipeline = pipeline
        self.keep = _names("keep", keep)
        self.columns = {name: _names(f'columns["{name}"]', names) for name, names in (columns or {}).items()}
        self.outputs = choose_outputs(signature, outputs)
        known = [spec.name for spec in signature.inputs]
        for name in self.columns:
            if name not in known:
                raise ConfigError(f'columns: unknown input "{name}"; expected inputs: {quoted(known)}')
        if self.columns and pipeline.transform is not None:
            raise ConfigError(
                "columns: the transform of the bundle says which columns it takes; leave it out"
            )
        for name in self.keep:
            if name in [output.name for output in self.outputs]:
                raise ConfigError(
                    f'column "{name}" is kept and is an output; call the output otherwise: "{name}=OTHER"'
                )

    def csv_types(self) -> dict[str, pa.DataType]:
        """Return the types that columns of CSV files must be read as."""
        transform = self.pipeline.transform
        if transform is not None:
            return {column.name: _csv_type(column.type) for column in transform.columns}
        types = {}
        for spec in self.pipeline.signature.inputs:
            kind = pa.string() if spec.datatype == "BYTES" else pa.from_numpy_dtype(spec.dtype)
            if pa.types.is_float16(kind):
                kind = pa.float32()
            types.update(dict.fromkeys(self.columns.get(spec.name, (spec.name,)), kind))
        return types

    def bind(self, schema: pa.Schema) -> Binding:
        """Fit the scorer to the columns of a file.

        Raises
        ------
        SignatureError
            When a column is missing, there twice or of a type that does not fit.
        """
        return Binding(self, schema)


class Binding:
    """A scorer that knows the columns that come.

    Attributes
    ----------
    columns : list of str
        To read, in this order.
    schema : pyarrow.Schema
        Of what is written: kept columns with their metadata, then the outputs.
    """

    def __init__(self, scorer: Scorer, schema: pa.Schema) -> None:
        self._scorer, self._pipeline = scorer, scorer.pipeline
        self._staged = self._pipeline.transform is None
        needed = [*scorer.keep]
        self._fills: list[Fill] = []
        if self._staged:
            fillings = [_filling(scorer, spec, schema) for spec in self._pipeline.signature.inputs]
            needed += [name for _, names in fillings for name in names]
        else:
            needed += [column.name for column in self._pipeline.transform.columns]  # type: ignore[union-attr]
        self.columns = list(dict.fromkeys(needed))
        for name in self.columns:
            _check_unique(schema, name)
        if self._staged:
            self._fills = [Fill(spec, names, schema) for spec, names in fillings]
        self._outputs = scorer.outputs
        kept = [schema.field(name) for name in scorer.keep]
        written = [pa.field(output.name, output.type) for output in self._outputs]
        self.schema = pa.schema([*kept, *written], metadata=schema.metadata if kept else None)

    def prepare(self, batch: pa.RecordBatch) -> Any:
        """Return what :meth:`infer` takes.

        Raises
        ------
        SignatureError
            When a value does not fit, such as a null in an integer column.
        """
        if not self._staged:
            return batch
        return {fill.spec.name: fill.array(batch) for fill in self._fills}

    def kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the columns of a batch that are kept: all that :meth:`assemble` needs."""
        return batch.select(self._scorer.keep)

    def infer(self, prepared: Any) -> Arrays:
        """Run the pipeline; raises InferenceError."""
        if self._staged:
            return self._pipeline.run(prepared)
        return self._pipeline.score(prepared)

    def assemble(self, kept: pa.RecordBatch, answer: Arrays) -> pa.RecordBatch:
        """Return the rows to write: kept columns as they came, then the outputs."""
        written = [output.column(answer[output.tensor]) for output in self._outputs]
        return pa.RecordBatch.from_arrays([*kept.columns, *written], schema=self.schema)

    def score(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Do the three steps in turn."""
        if not len(batch):
            return _empty(self.schema)
        return self.assemble(self.kept(batch), self.infer(self.prepare(batch)))


class Fill:
    """How one input is filled from columns.

    Raises
    ------
    SignatureError
        When a column is of a type that cannot fill it.
    """

    def __init__(self, spec: TensorSpec, names: Sequence[str], schema: pa.Schema) -> None:
        self.spec, self.names = spec, list(names)
        self._signature = Signature((spec,), (spec,), batched=True)
        types = [schema.field(name).type for name in self.names]
        wide = len(names) > 1 or (len(spec.shape) == 2 and spec.shape[1] == 1)
        matrix = wide and not pa.types.is_nested(types[0])
        for name, kind in zip(self.names, types, strict=True):
            if not _fills(kind, spec, nested=not matrix):
                what = "text" if spec.datatype == "BYTES" else f"a type that {spec.datatype} holds"
                raise SignatureError(f'column "{name}": expected {what} for input "{spec.name}", got {kind}')
        if len(names) > 1 and (len(spec.shape) != 2 or spec.shape[1] not in (-1, len(names))):
            raise SignatureError(
                f'input "{spec.name}": expected one column, or as many as its shape '
                f"{format_shape(spec.shape)} has, got {len(names)}"
            )
        self._gather = _gather(spec, self.names) if matrix and spec.dtype.name in _GATHERED else None

    def array(self, batch: pa.RecordBatch) -> np.ndarray[Any, Any]:
        """Return the input for a batch; raises SignatureError on values that do not fit."""
        if self._gather is not None:
            matrix: np.ndarray[Any, Any] = self._gather.transform(batch, threads=1)
            return matrix
        columns = [arrow_array(name, batch.column(name)) for name in self.names]
        array = columns[0] if len(columns) == 1 else np.stack(columns, axis=1)
        if array.dtype.kind != "O":
            array = array.astype(self.spec.dtype, copy=False)
        return to_inputs({self.spec.name: array}, self._signature)[0][self.spec.name]


def _gather(spec: TensorSpec, names: Sequence[str]) -> Transform:
    """Return the transform that puts numeric columns side by side: a null is NaN, every value cast once."""
    return Transform(
        Spec(
            columns=tuple(Column(name=name, type="number") for name in names),
            operations=(),
            outputs=(Output(name=spec.name, dtype=spec.dtype.name, values=tuple(names)),),
            arrays={},
        )
    )


def _names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ConfigError(f"{what}: expected a list of column names, got the text {names!r}")
    for name in names:
        if list(names).count(name) > 1:
            raise ConfigError(f'{what}: column "{name}" is named more than once')
    return tuple(names)


def _check_unique(schema: pa.Schema, name: str) -> None:
    found = schema.names.count(name)
    if found == 0:
        shown = quoted(schema.names[:20]) + (", …" if len(schema.names) > 20 else "")
        raise SignatureError(f'missing column "{name}"; the file has the columns {shown}')
    if found > 1:
        raise SignatureError(f'the file has {found} columns called "{name}"')


def _filling(scorer: Scorer, spec: TensorSpec, schema: pa.Schema) -> tuple[TensorSpec, tuple[str, ...]]:
    """Return the columns that fill an input: those given, the one of its name, or all that are numbers."""
    given = scorer.columns.get(spec.name)
    if given is not None:
        for name in given:
            _check_unique(schema, name)
        return spec, given
    signature = scorer.pipeline.signature
    alone = len(signature.inputs) == 1 and len(spec.shape) == 2 and spec.dtype.kind == "f"
    if spec.name in schema.names or not alone:
        _check_unique(schema, spec.name)
        return spec, (spec.name,)
    numeric = tuple(field.name for field in schema if is_number(field.type) and field.name not in scorer.keep)
    if spec.shape[1] in (-1, len(numeric)) and numeric:
        return spec, numeric
    raise SignatureError(
        f'input "{spec.name}" of shape {format_shape(spec.shape)}: expected a column of that name or '
        f"{spec.shape[1]} numeric columns besides those that are kept, got {len(numeric)}; "
        f"say which with --columns {spec.name}=A,B,…"
    )


def _fills(kind: pa.DataType, spec: TensorSpec, nested: bool) -> bool:
    while nested and pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    if spec.datatype == "BYTES":
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        return any(is_text(kind) for is_text in _TEXT)
    return is_number(kind) and bool(np.can_cast(kind.to_pandas_dtype(), spec.dtype, casting="same_kind"))


def _csv_type(name: str) -> pa.DataType:
    return pa.float64() if name == "number" else pa.type_for_alias(name)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
