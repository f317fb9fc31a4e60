"""Fitting: features and data in, a spec out, in as few passes over the data as the steps allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import SignatureError, TransformError
from penstock.transform.fit.chain import Chain, columns_needed, passes_needed
from penstock.transform.fit.draft import Draft, Value
from penstock.transform.fit.source import Source, numbers_of, texts_of
from penstock.transform.spec import Output, Spec
from penstock.transform.steps import Feature, Target

__all__ = ["Fitted", "fit", "fit_with_report"]

Dtype = Literal["float32", "float64", "int32", "int64"]
Progress = Callable[[int, int, int], None]
"""Called with the number of the pass, of all passes, and of the rows read in it."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A spec, and how it came about.

    Attributes
    ----------
    spec : Spec
    rows : int
        Of the data; 0 where none had to be read.
    passes : int
        How often the data were read.
    notes : tuple of str
        What was learned from a summary in place of all values, and the error of that.
    features : tuple of (Feature, tuple of str)
        Each feature, and what its values are called.
    """

    spec: Spec
    rows: int
    passes: int
    notes: tuple[str, ...]
    features: tuple[tuple[Feature, tuple[str, ...]], ...]


def fit(
    features: Sequence[Feature],
    data: Any,
    dtype: Dtype | Mapping[str, Dtype] = "float32",
    target: str | None = None,
) -> Spec:
    """Fit features to data.

    Parameters
    ----------
    features : sequence of Feature
        In the order of their values in the output.
    data : table, frame, dict, dataset or batches
        An Arrow table or record batch, a pandas or Polars frame, a dict of arrays, a pyarrow dataset or
        scanner; or record batches (or any of the former) one after another: an iterable, an iterator, or a
        function that returns a new iterator each time it is called. An iterator can be read once only.
    dtype : str or mapping of output to str, default "float32"
        What the outputs hold: float32, float64, int32 or int64.
    target : str, optional
        The column that :class:`~penstock.transform.steps.Target` learns the mean of.

    Returns
    -------
    Spec

    Raises
    ------
    TransformError
        Where a step cannot learn from its values, or the data would have to be read more than once and
        cannot be.
    SignatureError
        Where the data lack a column, or it holds what no transform takes.

    Notes
    -----
    Memory: one block of rows, and what the steps keep: a few numbers a column for most; up to 8 MiB a column
    for medians, quantiles, bins and exponents; the categories. The same rows in the same order give the same
    spec, whatever batches they come in.
    """
    return fit_with_report(features, data, dtype, target).spec


def fit_with_report(
    features: Sequence[Feature],
    data: Any,
    dtype: Dtype | Mapping[str, Dtype] = "float32",
    target: str | None = None,
    *,
    progress: Progress | None = None,
) -> Fitted:
    """Fit features to data as :func:`fit` does, and say how it went."""
    if isinstance(features, Feature):
        features = (features,)
    if not features:
        raise TransformError("expected one feature or more")
    _check_target(features, target)
    dtypes = _dtypes(features, dtype)
    needed = dict.fromkeys(column for feature in features for column in columns_needed(feature))
    source = Source(data, [*needed, *([target] if target is not None and target not in needed else [])])
    passes = _passes(features, source)
    types = source.types()
    draft = Draft({name: types[name] for name in needed})
    chains = [Chain(feature, types, draft) for feature in features]
    rows = 0
    for number in range(1, passes + 1):
        read = _run_pass(
            [chain for chain in chains if not chain.is_done], draft, source, target, number, passes, progress
        )
        if number > 1 and read != rows:
            raise TransformError(f"the data changed: {rows} rows in the first pass, {read} in pass {number}")
        rows = read
    outputs = _outputs(chains, dtypes)
    return Fitted(
        spec=draft.spec(outputs),
        rows=rows,
        passes=passes,
        notes=tuple(note for chain in chains for note in chain.notes),
        features=tuple((chain.feature, tuple(value.label for value in chain.outputs())) for chain in chains),
    )


def _check_target(features: Sequence[Feature], target: str | None) -> None:
    for feature in features:
        if target is None and any(isinstance(step, Target) for step in feature.steps):
            raise TransformError(f"feature {feature.label!r}: target needs the name of the target column")
        if target is not None and target in columns_needed(feature):
            raise TransformError(f"feature {feature.label!r}: reads {target!r}, which is the target")


def _dtypes(features: Sequence[Feature], dtype: Dtype | Mapping[str, Dtype]) -> dict[str, str]:
    names = dict.fromkeys(feature.output for feature in features)
    if isinstance(dtype, Mapping):
        for name in dtype:
            if name not in names:
                raise TransformError(
                    f"dtype of {name!r}: no feature goes to that output; there are: {', '.join(names)}"
                )
        return {name: dtype.get(name, "float32") for name in names}
    return dict.fromkeys(names, dtype)


def _passes(features: Sequence[Feature], source: Source) -> int:
    most = max(features, key=passes_needed)
    passes = passes_needed(most)
    if passes > 1 and not source.repeatable:
        raise TransformError(
            f"feature {most.label!r}: its steps learn one after another, in {passes} passes over the data, "
            "and an iterator can be read once; give a table, a dataset or a function that returns an iterator"
        )
    return passes


def _run_pass(
    chains: list[Chain],
    draft: Draft,
    source: Source,
    target: str | None,
    number: int,
    passes: int,
    progress: Progress | None,
) -> int:
    values = {value.name: value for chain in chains for value in chain.values}
    reader = _Reader(draft, list(values.values()))
    needs_target = any(chain.needs_target for chain in chains)
    rows = 0
    for table in source.blocks():
        columns = reader.read(table)
        goal = _target(table, target) if needs_target and target is not None else None
        for chain in chains:
            chain.update([columns[value.name] for value in chain.values], goal)
        rows += table.num_rows
        if progress is not None:
            progress(number, passes, rows)
    for chain in chains:
        chain.finish()
    return rows


class _Reader:
    """Reads values out of blocks: raw ones as they are, others through the steps that are fitted."""

    def __init__(self, draft: Draft, values: list[Value]) -> None:
        raw = {column.name for column in draft.columns}
        self._values = values
        self._computed = [value for value in values if value.name not in raw and value.kind == "number"]
        self._transform: Any = None
        if self._computed:
            from penstock.transform.transform import Transform

            names = tuple(value.name for value in self._computed)
            output = Output(name="values", dtype="float64", values=names, names=names)
            self._transform = Transform(draft.spec([output]))

    def read(self, table: pa.Table) -> dict[str, np.ndarray | pa.Array]:
        """Return the values of a block, by name."""
        columns: dict[str, np.ndarray | pa.Array] = {}
        if self._transform is not None:
            matrix = self._transform.transform(table)
            columns = {value.name: matrix[:, i] for i, value in enumerate(self._computed)}
        for value in self._values:
            if value.kind == "text":
                texts = texts_of(table.column(value.text_of))
                columns[value.name] = texts if value.fill is None else pc.fill_null(texts, value.fill)
            elif value.name not in columns:
                columns[value.name] = numbers_of(table.column(value.name))
        return columns


def _target(table: pa.Table, name: str) -> np.ndarray | pa.Array:
    column = table.column(name)
    if pa.types.is_large_string(column.type):
        if column.null_count:
            raise SignatureError(f'target "{name}": {column.null_count} values are missing')
        return texts_of(column)
    numbers = numbers_of(column)
    if not np.isfinite(numbers).all():
        raise SignatureError(f'target "{name}": a value is missing or infinite')
    return numbers


def _outputs(chains: list[Chain], dtypes: dict[str, str]) -> list[Output]:
    outputs = []
    for name, dtype in dtypes.items():
        values = [value for chain in chains if chain.feature.output == name for value in chain.outputs()]
        labels = [value.label for value in values]
        for label in labels:
            if labels.count(label) > 1:
                raise TransformError(f"two values of {name!r} are called {label!r}; give one feature a name")
        outputs.append(
            Output(name=name, dtype=dtype, values=tuple(value.name for value in values), names=tuple(labels))
        )
    return outputs
