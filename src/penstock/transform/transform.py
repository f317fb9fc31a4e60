"""Transforms: raw columns in, the matrices that a model takes out.

What a transform computes: spec.py. How columns are bound: _columns.pyi; how they
are computed on: _program.pyi.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from penstock.errors import SignatureError
from penstock.transform._columns import Binder, Columns, types_of
from penstock.transform._program import Program
from penstock.transform.lower import Lookup, lower
from penstock.transform.spec import TYPES, Column, Output, Spec

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.batching import Runner
    from penstock.transform.fit.fit import Dtype
    from penstock.transform.steps import Feature

__all__ = ["Transform"]

_Array = npt.NDArray[Any]

_THREADED_ROWS = 50_000
_PROGRAMS_AT_MOST = 64
_FRESH_ROWS = 10_000
_SHOWN = 5
_SHOWN_LENGTH = 60


class Transform:
    """A fitted feature transform.

    Parameters
    ----------
    spec : Spec

    Attributes
    ----------
    spec : Spec

    Notes
    -----
    Immutable but for its statistics; any number of threads may use one. Equal transforms have equal
    digests. The first data of each combination of column types compile a program; later ones reuse it.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from penstock.transform import Column, Operation, Output, Spec
    >>> scale = Operation(
    ...     op="standard_scale", inputs=("age",), outputs=("z",), arrays={"mean": "mean", "scale": "scale"}
    ... )
    >>> spec = Spec(
    ...     columns=(Column(name="age", type="number"),),
    ...     operations=(scale,),
    ...     outputs=(Output(name="features", dtype="float32", values=("z",)),),
    ...     arrays={"mean": pa.array([40.0]), "scale": pa.array([10.0])},
    ... )
    >>> Transform(spec).transform({"age": [45, 30]}).tolist()
    [[0.5], [-1.0]]
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        names = [column.name for column in spec.columns]
        types = [column.type for column in spec.columns]
        self._binder = Binder(names, types)
        self._tensors = Binder(names, types, tensors=True)
        self._outputs = [(output.name, output.dtype, len(output.values)) for output in spec.outputs]
        self._compiling = threading.Lock()
        self._counting = threading.Lock()
        self._programs: dict[bytes, _Compiled] = {}
        self._rows = 0
        self._extra = 0
        self._unknown: dict[str, int] = {}

    @classmethod
    def from_sklearn(cls, fitted: Any, example: Any = None, *, dtype: str = "float32") -> Transform:
        """Convert a fitted scikit-learn transformer: it gives the same values, without scikit-learn.

        Parameters
        ----------
        fitted : estimator
            A transformer, a ColumnTransformer, a FeatureUnion or a Pipeline of them.
        example : data frame, array, Arrow table or schema, optional
            Fixes the types of columns, which are else open.
        dtype : {"float32", "float64"}, default "float32"
            Of the output.

        Raises
        ------
        TransformError
            Naming the step that has no counterpart here, and why.
        """
        from penstock.transform.sklearn import convert

        return cls(convert(fitted, example, dtype))

    @classmethod
    def fit(
        cls,
        features: Sequence[Feature],
        data: Any,
        *,
        dtype: Dtype | Mapping[str, Dtype] = "float32",
        target: str | None = None,
    ) -> Transform:
        """Fit a transform to data, in one or few passes over batches of them.

        Parameters
        ----------
        features : sequence of Feature
        data : table, frame, dict, dataset or batches
            As :func:`penstock.transform.fit.fit` takes them.
        dtype : str or mapping of output to str, default "float32"
            What the outputs hold: float32, float64, int32 or int64.
        target : str, optional
            The column that a step learns the mean of.

        Raises
        ------
        TransformError
            Naming the feature and the step that cannot be fitted.
        SignatureError
            Where the data lack a column, or it holds what no transform takes.
        """
        from penstock.transform.fit import fit

        return cls(fit(features, data, dtype, target))

    @classmethod
    def from_bytes(cls, data: bytes) -> Transform:
        """Read what :meth:`to_bytes` gave; raises TransformError."""
        return cls(Spec.from_bytes(data))

    def to_bytes(self) -> bytes:
        """Return the transform as the content of a file."""
        return self.spec.to_bytes()

    @classmethod
    def load(cls, path: str | Path) -> Transform:
        """Read the file of a transform.

        Raises
        ------
        TransformError
            When it is none, is damaged, or a newer version of Penstock wrote it.
        OSError
        """
        return cls(Spec.from_bytes(Path(path).read_bytes(), str(path)))

    def save(self, path: str | Path) -> None:
        """Write the transform to a file; equal transforms give the same bytes."""
        path = Path(path)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            partial.write_bytes(self.to_bytes())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the definition and the fitted parameters, in hexadecimal."""
        return self.spec.digest

    @property
    def columns(self) -> tuple[Column, ...]:
        """Raw columns that it reads."""
        return self.spec.columns

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Matrices that it gives."""
        return self.spec.outputs

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the output; of one output after the other where there are several."""
        return tuple(name for output in self.outputs for name in output.names or output.values)

    @property
    def width(self) -> int:
        """How many columns the outputs have together."""
        return sum(len(output.values) for output in self.outputs)

    def __eq__(self, other: object) -> bool:
        return self.spec == other.spec if isinstance(other, Transform) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.spec)

    def __repr__(self) -> str:
        outputs = ", ".join(f"{name} {dtype} [-1,{width}]" for name, dtype, width in self._outputs)
        return f"Transform({len(self.columns)} columns -> {outputs}; {self.digest[:12]})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Transform.from_bytes, (self.to_bytes(),)

    def bind(self, types: Mapping[str, str] | pa.Schema) -> Transform:
        """Return the transform with a concrete type for every column that is open.

        Parameters
        ----------
        types : mapping of str to str, or pyarrow.Schema
            Types by column, of :data:`penstock.transform.spec.TYPES`. Other columns are left aside.

        Raises
        ------
        SignatureError
            When the type of an open column is missing, or it is no number.
        """
        if not isinstance(types, Mapping):
            types = dict(
                zip(self._binder.names, self._binder.bind(types.empty_table())[0].types, strict=True)
            )
        columns = []
        for column in self.columns:
            if column.type != "number":
                columns.append(column)
                continue
            if column.name not in types:
                raise SignatureError(f'column "{column.name}": expected a type, got none')
            got = "float32" if types[column.name] == "float16" else types[column.name]
            if got not in TYPES[1:12]:
                raise SignatureError(f'column "{column.name}": expected a type of number, got {got}')
            columns.append(msgspec.structs.replace(column, type=got))
        return Transform(msgspec.structs.replace(self.spec, columns=tuple(columns)))

    def with_missing(self, texts: Mapping[str, Sequence[str]]) -> Transform:
        """Return the transform with texts that count as missing, beside null: a tensor has no other way.

        Parameters
        ----------
        texts : mapping of str to sequence of str
            By column, of those that hold text. Other columns stay as they are.

        Raises
        ------
        SignatureError
            When a column is not there, or holds no text.

        Examples
        --------
        ::

            transform.with_missing({"city": ["", "unknown"]})
        """
        types = {column.name: column.type for column in self.columns}
        for name in texts:
            if types.get(name) != "string":
                got = f"{types[name]}" if name in types else "no such column"
                raise SignatureError(f'column "{name}": expected a column of text, got {got}')
        columns = tuple(
            msgspec.structs.replace(column, missing=tuple(texts.get(column.name, column.missing)))
            for column in self.columns
        )
        return Transform(msgspec.structs.replace(self.spec, columns=columns))

    def transform(self, data: Any, *, threads: int | None = None) -> Any:
        """Transform data.

        Parameters
        ----------
        data : dict of columns, data frame, Arrow record batch, table or stream, or ndarray
            Columns are arrays (NumPy, Arrow, pandas, Polars) or lists. The columns of a
            two-dimensional array are those of the transform, in order. Columns that the transform
            does not read are ignored. A null, None, NaN or ``pandas.NA`` is a missing value.
        threads : int, optional
            By default 1 for less than 50,000 rows and one for each core else. No value depends on it.

        Returns
        -------
        ndarray (n_rows, width), or dict of str to ndarray
            One matrix for each output; a dict where there are several.

        Raises
        ------
        SignatureError
            Naming the column, what was expected and what came, and the row where there is one.
        """
        chunks = self._binder.bind(data)
        outputs = self._run_all(chunks, threads)
        if len(outputs) == 1:
            return outputs[0]
        return {name: array for (name, _, _), array in zip(self._outputs, outputs, strict=True)}

    def run(self, columns: Mapping[str, Any], rows: int, *, threads: int = 1) -> dict[str, _Array]:
        """Transform columns as they lie in the tensors of a request.

        Parameters
        ----------
        columns : dict of str to ndarray or PrefixedText
            Dates are int32 days and timestamps int64 units since 1970.
        rows : int
            How many every column has.
        threads : int, default 1

        Returns
        -------
        dict of str to ndarray
            Every output by its name.

        Raises
        ------
        SignatureError
            As :meth:`transform`.
        """
        bound = self._tensors.bind_mapping(columns if type(columns) is dict else dict(columns))
        if bound.rows != rows:
            raise SignatureError(f'column "{self._binder.names[0]}" has {bound.rows} rows, expected {rows}')
        outputs = self._run_all([bound], threads)
        return {name: array for (name, _, _), array in zip(self._outputs, outputs, strict=True)}

    def tensors(self, data: Any, dtypes: Mapping[str, np.dtype[Any]]) -> dict[str, _Array]:
        """Return data as the tensors of a request: what :meth:`run` takes.

        Parameters
        ----------
        data : dict of columns, data frame, Arrow record batch, table or stream, or ndarray
            As :meth:`transform` takes them; dates and timestamps may be counts already.
        dtypes : mapping of str to dtype
            Of the tensor of each column: object for texts, int32 for dates, int64 for timestamps.

        Returns
        -------
        dict of str to ndarray
            Copies. Texts are UTF-8 bytes; a missing one is the first that the column lists as such.

        Raises
        ------
        SignatureError
            As :meth:`transform`, and where a missing value has no place in its tensor.
        """
        chunks = self._tensors.bind(data)
        arrays = {}
        for place, column in enumerate(self.columns):
            missing = column.missing[0].encode() if column.missing else None
            parts = [self._tensors.tensor(chunk, place, dtypes[column.name], missing) for chunk in chunks]
            arrays[column.name] = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return arrays

    @property
    def statistics(self) -> dict[str, Any]:
        """What the transform has seen: ``rows``, ``extra_columns`` ignored, ``unknown`` values by column."""
        with self._counting:
            unknown = dict(self._unknown)
            rows = self._rows
            for compiled in self._programs.values():
                _add(unknown, compiled.unknown())
                rows += compiled.program.rows
            return {"rows": rows, "extra_columns": self._extra, "unknown": unknown}

    def runner(
        self, dtypes: Mapping[str, np.dtype[Any]], fills: Mapping[str, int], model: Runner
    ) -> Runner | None:
        """Return what transforms the tensors of requests and runs a model over the result, without Python.

        Parameters
        ----------
        dtypes : mapping of str to dtype
            Of the tensor of each column: object for texts.
        fills : mapping of str to int
            The input of the model that each output fills, as a matrix.
        model : Runner

        Returns
        -------
        Runner or None
            None where Python is needed: for a warning of unknown categories, or an expression.
        """
        empty = self._tensors.bind_mapping({name: np.empty(0, dtype) for name, dtype in dtypes.items()})
        compiled = self._programs.get(empty.key) or self._compile(empty.key)
        if compiled.warns or compiled.holds:
            return None
        layouts = [None if one.type == "string" else dtypes[one.name] for one in self.columns]
        return compiled.program.runner(layouts, [fills[output.name] for output in self.outputs], model)

    def _run_all(self, chunks: list[Columns], threads: int | None) -> list[_Array]:
        rows = chunks[0].rows if len(chunks) == 1 else sum(chunk.rows for chunk in chunks)
        if threads is None:
            threads = 1 if rows < _THREADED_ROWS else _core_count()
        # Much memory comes zeroed from the operating system: a program need not write zeros again.
        zeroed = rows >= _FRESH_ROWS
        make = np.zeros if zeroed else np.empty
        outputs = [make((rows, width), dtype) for _, dtype, width in self._outputs]
        first = 0
        for chunk in chunks:
            compiled = self._programs.get(chunk.key) or self._compile(chunk.key)
            if not chunk.rows:
                continue
            parts = outputs
            if len(chunks) > 1:
                parts = [array[first : first + chunk.rows] for array in outputs]
            before = compiled.warned() if compiled.warns else 0
            refused = compiled.program.run(chunk, parts, threads, zeroed=zeroed)
            if refused is not None:
                raise self._refusal(chunk, compiled, first, *refused)
            if compiled.warns and compiled.warned() != before:
                names = ", ".join(f'"{name}"' for name in compiled.warns)
                warnings.warn(
                    f"unknown categories in one or more of columns {names}; they are encoded as none",
                    UserWarning,
                    stacklevel=3,
                )
            first += chunk.rows
        with self._counting:
            for chunk in chunks:
                self._extra += chunk.extra
        return outputs

    def _compile(self, key: bytes) -> _Compiled:
        # Compiling may take seconds; what is compiled already goes on meanwhile.
        with self._compiling:
            known = self._programs.get(key)
            if known is not None:
                return known
            compiled = _Compiled(self.spec, dict(zip(self._binder.names, types_of(key), strict=True)))
            with self._counting:
                if len(self._programs) >= _PROGRAMS_AT_MOST:
                    oldest = self._programs.pop(next(iter(self._programs)))
                    _add(self._unknown, oldest.unknown())
                    self._rows += oldest.program.rows
                self._programs[key] = compiled
            return compiled

    def _refusal(
        self, chunk: Columns, compiled: _Compiled, first: int, row: int, instruction: int
    ) -> SignatureError:
        lookup = compiled.lookups[instruction]
        known = _listed(lookup.categories)
        if lookup.column not in self._binder.names:
            return SignatureError(
                f'value "{lookup.column}", row {first + row}: unknown category; expected {known}'
            )
        value = chunk.value(self._binder.names.index(lookup.column), row)
        got = "missing value" if value is None else f"unknown category {_shown(value)}"
        return SignatureError(
            f'column "{lookup.column}", row {first + row}: {got}; expected {known}', name=lookup.column
        )


class _Compiled:
    """A program and what to say of its lookups."""

    __slots__ = ("holds", "lookups", "program", "warns")

    def __init__(self, spec: Spec, types: Mapping[str, str]) -> None:
        lowered = lower(spec, types)
        self.program = Program(
            lowered.registers,
            lowered.instructions,
            lowered.tables,
            lowered.texts,
            len(lowered.columns),
            lowered.outputs,
        )
        self.lookups: dict[int, Lookup] = lowered.lookups
        self.warns = sorted({lookup.column for lookup in lowered.lookups.values() if lookup.warns})
        self.holds = lowered.holds

    def unknown(self) -> dict[str, int]:
        """Count unknown values by column; a column that is looked up twice counts them once."""
        counts = self.program.unknown_counts()
        found: dict[str, int] = {}
        for position, lookup in self.lookups.items():
            if counts[position]:
                found[lookup.column] = max(found.get(lookup.column, 0), counts[position])
        return found

    def warned(self) -> int:
        """Count unknown values that deserve a warning."""
        counts = self.program.unknown_counts()
        return sum(counts[position] for position, lookup in self.lookups.items() if lookup.warns)


def _add(totals: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        totals[name] = totals.get(name, 0) + count


def _listed(categories: Sequence[str] | Sequence[float]) -> str:
    if not len(categories):
        return "no category: none was seen in fitting"
    shown = ", ".join(_shown(one) for one in categories[:_SHOWN])
    return f"one of {shown}" + (f", … ({len(categories)})" if len(categories) > _SHOWN else "")


def _shown(value: str | float) -> str:
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= _SHOWN_LENGTH else f'"{value[:_SHOWN_LENGTH]}…"'
    return f"{value:g}"


def _core_count() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
