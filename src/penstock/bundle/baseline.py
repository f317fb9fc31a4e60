"""The baseline of a bundle: its reference, and what the model answers to it, counted.

What a baseline is: penstock.monitor.baseline.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.bundle.reference import Measured, Reference, inputs_of
from penstock.bundle.signature import Signature
from penstock.engine.arrow import is_number
from penstock.engine.columns import to_inputs
from penstock.engine.session import Arrays, Session
from penstock.errors import BundleError, ConfigError, InferenceError, SignatureError
from penstock.monitor.baseline import Baseline

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.engine.feed import Feed

__all__ = ["fit_baseline", "output_columns"]

_log = logging.getLogger(__name__)
_MOST_COLUMNS: Final = 64


def fit_baseline(
    session: Session, feed: Feed | None, signature: Signature, reference: Reference, measured: Measured
) -> Baseline | None:
    """Run a model over its reference and count both.

    Parameters
    ----------
    session : Session
    feed : Feed, optional
    signature : Signature
        Of the graph, as warming settled it.
    reference : Reference
    measured : Measured

    Returns
    -------
    Baseline or None
        Of every raw column of numbers or text, and every output; None, with the reason in the log, where
        the reference does not fill the inputs.

    Raises
    ------
    BundleError
        When there is to be a label, and the reference cannot be scored or the outputs do not predict it.
    """
    import pyarrow as pa

    label = measured.label
    inputs = measured.inputs(reference)
    try:
        head = next(inputs.batches(), None)
        if head is None or not signature.batched:
            raise ConfigError("the reference has no columns of rows, or the model takes none")
        features = _features(head, feed, signature)
        outputs = list(_output_columns_of(session, feed, signature, head.slice(0, 1)))
        names = [*features, *outputs, *_as_list(label)]
        clash = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if clash:
            raise ConfigError(
                f'expected other names for the outputs and the label than for columns, got "{clash[0]}" twice'
            )

        def counted() -> Iterator[pa.Table]:
            for table in filter(len, reference.batches()):
                given = table if label is None else table.drop_columns([label])
                part = table.select([*features, *_as_list(label)])
                for name, values in _output_columns_of(session, feed, signature, given).items():
                    part = part.append_column(name, pa.array(values))
                yield part

        return Baseline.fit(
            counted(),
            label=label,
            prediction=measured.prediction or None,
            outputs=outputs,
            threshold=measured.threshold,
            multivariate=measured.multivariate,
        )
    except (ConfigError, SignatureError, InferenceError, KeyError, pa.ArrowException) as error:
        if label is not None:
            raise BundleError(f'no quality of predictions of "{label}": {error}') from None
        _log.warning("no baseline: the reference cannot be scored: %s", error)
        return None


def _as_list(label: str | None) -> list[str]:
    return [] if label is None else [label]


def _features(table: pa.Table, feed: Feed | None, signature: Signature) -> list[str]:
    """Return the columns that a baseline has: numbers and text that the model reads."""
    import pyarrow as pa

    if feed is not None:
        return [
            column.name for column in feed.transform.columns if not column.type.startswith(("date", "time"))
        ]
    named = [spec.name for spec in signature.inputs if spec.name in table.schema.names]
    if named:
        return [name for name in named if not pa.types.is_nested(table.schema.field(name).type)]
    return [field.name for field in table.schema if is_number(field.type)]


def _output_columns_of(session: Session, feed: Feed | None, signature: Signature, table: pa.Table) -> Arrays:
    if feed is not None:
        return output_columns(session.run(feed.transform_columns(table)[0]))
    return output_columns(session.run(to_inputs(inputs_of(table, signature), signature)[0]))


def output_columns(outputs: Arrays) -> Arrays:
    """Return outputs as columns: ``name``, or ``name[i]`` for each column of a matrix.

    Outputs of higher rank, and matrices of more than 64 columns, are left aside.

    Examples
    --------
    >>> sorted(output_columns({"p": np.zeros((1, 2)), "label": np.zeros(1)}))
    ['label', 'p[0]', 'p[1]']
    """
    columns: dict[str, np.ndarray[Any, Any]] = {}
    for name, array in outputs.items():
        if array.ndim == 1:
            columns[name] = array
        elif array.ndim == 2 and array.shape[1] == 1:
            columns[name] = array[:, 0]
        elif array.ndim == 2 and array.shape[1] <= _MOST_COLUMNS:
            columns |= {f"{name}[{index}]": array[:, index] for index in range(array.shape[1])}
    return columns
