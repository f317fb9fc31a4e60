"""Quality by the values of a column: user-named slices, and groups to compare."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np

from penstock.errors import SignatureError
from penstock.monitor.quality.counts import QualityCounts, decoded
from penstock.monitor.quality.target import Target
from penstock.monitor.quality.values import canonical, flat

__all__ = ["MISSING", "OTHER", "count_slices", "merge_slices"]

MISSING: Final = "(missing)"
OTHER: Final = "(other)"
"""All values beyond the most frequent ones."""


def count_slices(
    target: Target,
    labels: Any,
    predictions: Mapping[str, Any],
    values: Any,
    *,
    most: int = 50,
    keep: Collection[str] = (),
) -> dict[str, QualityCounts]:
    """Count pairs of labels and predictions, apart by the value of a column.

    Parameters
    ----------
    target : Target
    labels, predictions
        As :meth:`QualityCounts.of` takes them.
    values : Arrow array, array or list, n values
        Text or numbers; 1, 1.0 and "1" are one value.
    most : int, default 50
        Values that are told apart, the most frequent ones; the others together are :data:`OTHER`.
    keep : collection of str
        Values that are told apart before others: those of earlier batches.

    Returns
    -------
    dict of str to QualityCounts
        Missing values are :data:`MISSING`. Together they are the counts of all rows.

    Raises
    ------
    SignatureError
        Where columns are missing, of different lengths, or neither numbers nor text.

    Examples
    --------
    >>> from penstock.monitor.quality.inference import infer_target
    >>> labels, predictions = [0, 1, 1], {"p": [0.2, 0.9, 0.4]}
    >>> found = count_slices(infer_target("y", labels, predictions), labels, predictions, ["MA", "NY", "MA"])
    >>> {name: counts.rows for name, counts in found.items()}
    {'MA': 2, 'NY': 1}
    """
    truth, predicted = decoded(target, labels, predictions)
    distinct, index = flat(values).distinct()
    if len(index) != len(truth):
        raise SignatureError(f"slices: expected a value for each of {len(truth)} labels, got {len(index)}")
    names = [canonical(value) for value in distinct] + [MISSING]
    rows = np.bincount(index % len(names), minlength=len(names))
    apart = _apart(dict(zip(names, rows.tolist(), strict=True)), most, keep)
    slices = [*apart, OTHER, MISSING]
    places = {name: place for place, name in enumerate(slices)}
    of_row = np.array([places.get(name, len(apart)) for name in names])[index]
    order = np.argsort(of_row, kind="stable")
    found = {}
    for name, part in zip(slices, np.split(order, np.cumsum(np.bincount(of_row))), strict=False):
        if len(part):
            found[name] = QualityCounts.of_pairs(target, truth[part], predicted[part])
    return found


def _apart(rows: Mapping[str, int], most: int, keep: Collection[str]) -> list[str]:
    """Return the values to tell apart, most frequent first."""
    frequent = sorted(rows, key=lambda name: (name not in keep, -rows[name], name))
    chosen = [name for name in frequent if name != MISSING][:most]
    return sorted(chosen, key=lambda name: (-rows[name], name))


def merge_slices(
    first: Mapping[str, QualityCounts], second: Mapping[str, QualityCounts], most: int = 50
) -> dict[str, QualityCounts]:
    """Return the slices of both together; values beyond ``most`` join :data:`OTHER`."""
    merged = dict(first)
    for name, counts in second.items():
        full = name not in merged and len(set(merged) - {OTHER, MISSING}) >= most
        into = OTHER if full and name != MISSING else name
        merged[into] = merged[into].merge(counts) if into in merged else counts
    return merged
