"""Closed windows as rows of the table ``profile_metrics``, a row a feature, and back.

Names are those of the metric tables of Databricks where the meaning is the same; docs/windows.md lists them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.monitor.history.columns import feature_bytes, feature_of, plain, span, span_type
from penstock.monitor.history.quantiles import quantiles
from penstock.monitor.profile import FeatureProfile, Profile
from penstock.monitor.window import Window

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PROFILE_READ", "profile_schema", "profile_table", "windows_of"]

PROFILE_READ: Final = [
    "window_id",
    "begin_s",
    "end_s",
    "model",
    "version",
    "complete",
    "num_rows",
    "position",
    "state",
]
"""The columns that windows come back from; the others are for readers."""

_PROBABILITIES: Final = np.linspace(0, 1, 21)
_FREQUENT: Final = 100


@cache
def profile_schema() -> pa.Schema:
    """Return the columns of the table."""
    import pyarrow as pa

    text, number, count = pa.string(), pa.float64(), pa.int64()
    return pa.schema(
        [
            ("window_id", text),
            ("window", span_type()),
            ("granularity", text),
            ("model", text),
            ("version", count),
            ("slice_key", text),
            ("slice_value", text),
            ("column_name", text),
            ("column_role", text),
            ("data_type", text),
            ("complete", pa.bool_()),
            ("num_rows", count),
            ("count", count),
            ("num_nulls", count),
            ("percent_null", number),
            ("num_infinite", count),
            ("num_below_range", count),
            ("num_above_range", count),
            ("num_unseen", count),
            ("avg", number),
            ("stddev", number),
            ("min", number),
            ("max", number),
            ("median", number),
            ("quantiles", pa.list_(number)),
            ("distinct_count", number),
            ("percent_distinct", number),
            ("frequent_items", pa.list_(pa.struct([("item", text), ("count", count)]))),
            ("bin_edges", pa.list_(number)),
            ("bin_counts", pa.list_(count)),
            ("begin_s", number),
            ("end_s", number),
            ("position", pa.int32()),
            ("state", pa.binary()),
        ]
    )


def profile_table(window: Window, window_id: str, granularity: str) -> pa.Table:
    """Return the rows of one window."""
    import pyarrow as pa

    shared = {
        "window_id": window_id,
        "window": span(window.begin_s, window.end_s),
        "granularity": granularity,
        "model": window.model,
        "version": window.version,
        "complete": window.complete,
        "begin_s": float(window.begin_s),
        "end_s": float(window.end_s),
        "num_rows": window.rows,
    }
    rows = [{**shared, "position": i, **_row(feature)} for i, feature in enumerate(window.profile)]
    return pa.Table.from_pylist(rows, schema=profile_schema())


def windows_of(table: pa.Table, source: str, shared: dict[Any, Any]) -> dict[str, Window]:
    """Return the windows of a table by their ids.

    Parameters
    ----------
    table : pyarrow.Table
        Of the columns in :data:`PROFILE_READ`.
    source : str
        Named in errors.
    shared : dict
        As in :func:`~penstock.monitor.history.columns.feature_of`.

    Raises
    ------
    BundleError
        When a state is damaged.
    """
    by_id: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        by_id.setdefault(row["window_id"], []).append(row)
    return {window_id: _window(rows, source, shared) for window_id, rows in by_id.items()}


def _window(rows: list[dict[str, Any]], source: str, shared: dict[Any, Any]) -> Window:
    rows.sort(key=lambda row: row["position"])
    first = rows[0]
    features = tuple(feature_of(row["state"], source, shared) for row in rows)
    return Window(
        model=first["model"],
        version=first["version"],
        begin_s=first["begin_s"],
        end_s=first["end_s"],
        profile=Profile(features, first["num_rows"]),
        complete=first["complete"],
    )


def _row(feature: FeatureProfile) -> dict[str, Any]:
    row = {
        "column_name": feature.name,
        "column_role": feature.role,
        "data_type": feature.type,
        "count": feature.present,
        "num_nulls": feature.missing,
        "percent_null": plain(100 * feature.missing_share),
        "distinct_count": feature.distinct,
        "percent_distinct": 100 * feature.distinct / feature.present if feature.present else None,
        "state": feature_bytes(feature),
    }
    return row | (_of_numbers(feature) if feature.kind == "numeric" else _of_categories(feature))


def _of_numbers(feature: FeatureProfile) -> dict[str, Any]:
    found = quantiles(feature, _PROBABILITIES)
    return {
        "num_infinite": feature.infinite,
        "num_below_range": feature.below,
        "num_above_range": feature.above,
        "avg": plain(feature.mean),
        "stddev": plain(feature.standard_deviation),
        "min": plain(feature.minimum),
        "max": plain(feature.maximum),
        "median": found[len(found) // 2] if found else None,
        "quantiles": found or None,
        "bin_edges": feature.edges,
        "bin_counts": feature.histogram,
    }


def _of_categories(feature: FeatureProfile) -> dict[str, Any]:
    most = np.argsort(-feature.counts, kind="stable")[:_FREQUENT]
    known = [(feature.categories[i], int(feature.counts[i])) for i in most if feature.counts[i]]
    ranked = sorted([*known, *feature.unseen_top], key=lambda item: -item[1])[:_FREQUENT]
    return {
        "num_unseen": feature.unseen,
        "frequent_items": [{"item": text, "count": count} for text, count in ranked],
    }
