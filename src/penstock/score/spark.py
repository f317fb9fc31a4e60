"""Scoring in Spark: a function for ``DataFrame.mapInArrow`` and the schema of what it gives.

Needs pyspark (the extra ``spark``) for the schema only; the model must be at the
same path on every executor.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from penstock.errors import SignatureError
from penstock.score.job import Options, load_scorer
from penstock.score.score import make_options
from penstock.score.scorer import Scorer, default_batch_rows
from penstock.score.source import rebatched

__all__ = ["output_schema", "score_function"]

_loading: Final = threading.Lock()
_loaded: dict[Any, Scorer] = {}


def score_function(
    model: str | Path,
    *,
    keep: Sequence[str] = (),
    columns: Mapping[str, Sequence[str]] | None = None,
    outputs: Sequence[str] | Mapping[str, str] | None = None,
    version: int | None = None,
    batch_rows: int | None = None,
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return a function that scores the record batches of a partition.

    Parameters
    ----------
    model, keep, columns, outputs, version, batch_rows
        As of :func:`penstock.score`.

    Returns
    -------
    callable
        For ``DataFrame.mapInArrow``. The model is loaded once in each Python worker, with the first
        batch; a partition runs on one core.

    Examples
    --------
    ::

        scores = frame.mapInArrow(score_function("models/m", keep=["id"]),
                                  output_schema("models/m", frame.schema, keep=["id"]))
    """
    options = make_options(keep, columns, outputs, batch_rows=batch_rows)
    model = str(model)

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        scorer = _scorer(model, version, options)
        rows = options.batch_rows or default_batch_rows(scorer.pipeline.signature)
        binding = None
        for batch in rebatched(batches, rows):
            binding = binding or scorer.bind(batch.schema)
            yield _plain(binding.score(batch))

    return score


def output_schema(
    model: str | Path,
    schema: Any,
    *,
    keep: Sequence[str] = (),
    columns: Mapping[str, Sequence[str]] | None = None,
    outputs: Sequence[str] | Mapping[str, str] | None = None,
    version: int | None = None,
) -> Any:
    """Return the schema that ``mapInArrow`` asks for.

    Parameters
    ----------
    schema : pyspark.sql.types.StructType
        Of the frame that is scored.
    model, keep, columns, outputs, version
        As of :func:`score_function`.

    Returns
    -------
    pyspark.sql.types.StructType
        Kept columns, then the outputs; a matrix is an array column.

    Raises
    ------
    SignatureError
        When the frame has not the columns that are kept.
    """
    from pyspark.sql.pandas.types import from_arrow_type
    from pyspark.sql.types import StructField, StructType

    scorer = _scorer(str(model), version, make_options(keep, columns, outputs))
    for name in scorer.keep:
        if schema.names.count(name) != 1:
            raise SignatureError(f'expected one column "{name}" to keep, got {schema.names.count(name)}')
    kept = [schema[name] for name in scorer.keep]
    written = [
        StructField(output.name, from_arrow_type(_plain_type(output.type))) for output in scorer.outputs
    ]
    return StructType([*kept, *written])


def _scorer(model: str, version: int | None, options: Options) -> Scorer:
    """Return the scorer that this process has loaded, or load it."""
    key = (model, version, repr(options))
    with _loading:
        if key not in _loaded:
            _loaded[key] = load_scorer(model, version, options)
        return _loaded[key]


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with lists in the place of lists of a fixed size, which Spark does not take."""
    schema = _plain_schema(batch.schema)
    if schema.equals(batch.schema):
        return batch
    columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_type(_plain_type(field.type)) for field in schema])


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return pa.list_(_plain_type(kind.value_type)) if pa.types.is_fixed_size_list(kind) else kind
