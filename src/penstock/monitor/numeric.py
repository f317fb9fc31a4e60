"""Numeric features of a reference: their edges chosen, and their values counted. Texts: categories.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.monitor.edges import choose_edges
from penstock.monitor.pool import helpers
from penstock.monitor.profile import FeatureProfile, Profile
from penstock.monitor.profiler import Profiler

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["HELD_ROWS", "all_are_held", "counted_numbers", "some_rows"]

HELD_ROWS: Final = 131_072
"""Rows that the edges are chosen from."""


def all_are_held(reference: Any) -> bool:
    """Tell whether edges are chosen from all rows of a reference, as far as its length says."""
    return hasattr(reference, "__len__") and len(reference) <= HELD_ROWS


def some_rows(rows: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return which of more than :data:`HELD_ROWS` rows edges are chosen from, in order."""
    return np.sort(np.random.default_rng(0).choice(rows, HELD_ROWS, replace=False))


def counted_numbers(
    features: Sequence[FeatureProfile], held: pa.Table, *, bins: int, cut: Mapping[str, float], threads: int
) -> Profiler:
    """Return a profiler on edges that were chosen from a table, with the table counted.

    Parameters
    ----------
    features : sequence of FeatureProfile
        Numeric ones.
    held : pyarrow.Table
        With at least one row. Edges are chosen from :data:`HELD_ROWS` of them.
    bins : int
        Of a feature, at most.
    cut : mapping of str to float
        Values that are to be an edge, by the name of the feature.
    threads : int
    """
    names = [feature.name for feature in features]
    if held.num_rows <= HELD_ROWS and not any(name in cut for name in names):
        profiler = Profiler(Profile(tuple(features), 0), names=names, threads=threads)
        if profiler.fit(held, bins):
            return profiler
    choose = partial(_choose, held=held, bins=bins, cut=cut, some=cache(some_rows))
    chosen = tuple(helpers().map(choose, features) if threads > 1 else map(choose, features))
    profiler = Profiler(Profile(chosen, 0), names=names, threads=threads)
    profiler.update(held)
    return profiler


def _choose(
    feature: FeatureProfile,
    held: pa.Table,
    bins: int,
    cut: Mapping[str, float],
    some: Callable[[int], np.ndarray[Any, np.dtype[np.int64]]],
) -> FeatureProfile:
    """Return a feature with its edges; the value in ``cut`` is one of them where it is given."""
    import pyarrow as pa

    column = held.column(feature.name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    column = column.drop_null()
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values = column.to_numpy()
    if len(values) > HELD_ROWS:
        values = values[some(len(values))]
    edges = choose_edges(values.astype(np.float64, copy=False), bins)
    if feature.name in cut:
        edges = np.union1d(edges, [cut[feature.name]])
    return replace(feature, edges=edges, histogram=np.zeros(len(edges) + 1, np.int64))
