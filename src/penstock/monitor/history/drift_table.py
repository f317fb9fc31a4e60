"""Comparisons of closed windows as rows of the table ``drift_metrics``, a row a feature, and back.

Names are those of the metric tables of Databricks where the meaning is the same; docs/windows.md lists them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from penstock.monitor.calibration import Check
from penstock.monitor.calibration.kolmogorov import kolmogorov_tail
from penstock.monitor.history.closed import ClosedWindow
from penstock.monitor.history.columns import feature_bytes, feature_of, plain, span, span_type
from penstock.monitor.report.report import DriftReport, FeatureDrift

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from penstock.monitor.profile import FeatureProfile, Profile
    from penstock.monitor.window import Window

__all__ = ["DRIFT_READ", "drift_schema", "drift_table", "reports_of"]

DRIFT_READ: Final = [
    "window_id",
    "compared_with",
    "column_name",
    "n_reference",
    "n_current",
    "alarm",
    "reason",
    "statistics",
    "checks",
    "false_alarms",
    "level",
    "min_effect",
    "thresholds",
    "notes",
    "begin_cmp_s",
    "end_cmp_s",
    "position",
    "baseline",
    "reference_state",
    "current_state",
]
"""The columns that reports come back from; the others are for readers."""

_TYPES: Final = {"baseline": "BASELINE", "previous": "CONSECUTIVE", "hour": "HOUR", "weekday": "WEEKDAY"}
_DISTANCES: Final = {
    "l_infinity_distance": "l_infinity",
    "js_distance": "js_distance",
    "wasserstein_distance": "wasserstein",
    "population_stability_index": "psi",
}


@cache
def drift_schema() -> pa.Schema:
    """Return the columns of the table."""
    import pyarrow as pa

    text, number, count = pa.string(), pa.float64(), pa.int64()
    test = pa.struct([("statistic", number), ("pvalue", number)])
    named = [("name", text), ("value", number)]
    check = [*named, ("p_value", number), ("adjusted", number), ("effect", number), ("alarm", pa.bool_())]
    return pa.schema(
        [
            ("window_id", text),
            ("window", span_type()),
            ("granularity", text),
            ("window_cmp", span_type()),
            ("drift_type", text),
            ("compared_with", text),
            ("model", text),
            ("version", count),
            ("slice_key", text),
            ("slice_value", text),
            ("column_name", text),
            ("column_role", text),
            ("data_type", text),
            ("n_reference", count),
            ("n_current", count),
            ("count_delta", count),
            ("avg_delta", number),
            ("percent_null_delta", number),
            ("percent_distinct_delta", number),
            ("chi_squared_test", test),
            ("ks_test", test),
            *((name, number) for name in _DISTANCES),
            ("alarm", pa.bool_()),
            ("severity", text),
            ("p_value", number),
            ("effect", number),
            ("reason", text),
            ("statistics", pa.list_(pa.struct(named))),
            ("checks", pa.list_(pa.struct([*check, ("reason", text)]))),
            ("false_alarms", number),
            ("level", number),
            ("min_effect", number),
            ("thresholds", pa.list_(pa.struct(named))),
            ("notes", pa.list_(text)),
            ("begin_cmp_s", number),
            ("end_cmp_s", number),
            ("position", pa.int32()),
            ("baseline", text),
            ("reference_state", pa.binary()),
            ("current_state", pa.binary()),
        ]
    )


def drift_table(closed: ClosedWindow, window_id: str, granularity: str, baseline: str) -> pa.Table:
    """Return the rows of the comparisons of one window.

    Parameters
    ----------
    closed : ClosedWindow
    window_id, granularity : str
        As in ``profile_metrics``.
    baseline : str
        The digest under which the reference of the comparison with the baseline is kept.
    """
    import pyarrow as pa

    rows = [
        row
        for name, report in closed.reports.items()
        for row in _rows(closed, name, report, {"window_id": window_id, "granularity": granularity}, baseline)
    ]
    return pa.Table.from_pylist(rows, schema=drift_schema())


def reports_of(
    table: pa.Table,
    windows: Mapping[str, Window],
    baseline: Callable[[str], Profile | None],
    source: str,
    shared: dict[Any, Any],
) -> dict[str, ClosedWindow]:
    """Return windows with their reports by their ids.

    Parameters
    ----------
    table : pyarrow.Table
        Of the columns in :data:`DRIFT_READ`.
    windows : mapping of str to Window
        Those to read; rows of others are passed over.
    baseline : callable
        Gives the reference that is kept under a digest, or None: the report is left out then.
    source : str
        Named in errors.
    shared : dict
        As in :func:`~penstock.monitor.history.columns.feature_of`.

    Raises
    ------
    BundleError
        When a state is damaged.
    """
    by_report: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        if row["window_id"] in windows:
            by_report.setdefault((row["window_id"], row["compared_with"]), []).append(row)
    found: dict[str, ClosedWindow] = {}
    for (window_id, name), rows in by_report.items():
        window = windows[window_id]
        rows.sort(key=lambda row: row["position"])
        digest = rows[0]["baseline"]
        report = _report(rows, window, None if digest is None else baseline(digest), source, shared)
        if report is None:
            continue
        before = found.get(window_id, ClosedWindow(window))
        spans = dict(before.spans)
        if rows[0]["begin_cmp_s"] is not None:
            spans[name] = (rows[0]["begin_cmp_s"], rows[0]["end_cmp_s"])
        found[window_id] = ClosedWindow(window, {**before.reports, name: report}, spans)
    return found


def _rows(
    closed: ClosedWindow, name: str, report: DriftReport, shared: dict[str, Any], baseline: str
) -> Iterator[dict[str, Any]]:
    window, compared = closed.window, closed.spans.get(name)
    shared = {
        **shared,
        "window": span(window.begin_s, window.end_s),
        "window_cmp": None if compared is None else span(*compared),
        "begin_cmp_s": None if compared is None else compared[0],
        "end_cmp_s": None if compared is None else compared[1],
        "drift_type": _TYPES.get(name, name.upper()),
        "compared_with": name,
        "model": window.model,
        "version": window.version,
        "n_reference": report.n_reference,
        "n_current": report.n_current,
        "false_alarms": report.false_alarms,
        "min_effect": report.min_effect,
        "thresholds": _named(report.thresholds),
        "notes": list(report.notes),
        "baseline": baseline if name == "baseline" else None,
    }
    for position, feature in enumerate(report):
        own = feature.name in window.profile and window.profile[feature.name] == feature.current
        yield {
            **shared,
            "position": position,
            **_row(feature),
            "reference_state": None if name == "baseline" else feature_bytes(feature.reference),
            "current_state": None if own else feature_bytes(feature.current),
        }


def _row(feature: FeatureDrift) -> dict[str, Any]:
    before, after, values = feature.reference, feature.current, feature.statistics
    row = {
        "column_name": feature.name,
        "column_role": feature.role,
        "data_type": before.type,
        "count_delta": after.present - before.present,
        "percent_null_delta": plain(100 * (after.missing_share - before.missing_share)),
        "percent_distinct_delta": plain(_percent_distinct(after) - _percent_distinct(before)),
        "alarm": feature.alarm,
        "severity": feature.severity,
        "p_value": plain(feature.p_value),
        "effect": plain(feature.effect),
        "reason": feature.reason,
        "level": feature.level,
        "statistics": _named(values),
        "checks": [_checked(check) for check in feature.checks],
    }
    row |= {column: plain(values.get(name, math.nan)) for column, name in _DISTANCES.items()}
    chi2 = next((check for check in feature.checks if check.name == "chi2"), None)
    if chi2 is not None:
        row["chi_squared_test"] = {"statistic": chi2.value, "pvalue": chi2.p_value}
    if feature.kind == "numeric":
        row["avg_delta"] = plain(after.mean - before.mean)
        gap = values.get("ks", math.nan)
        if before.present and after.present and math.isfinite(gap):
            chance = kolmogorov_tail(gap, before.present, after.present)
            row["ks_test"] = {"statistic": gap, "pvalue": chance}
    return row


def _percent_distinct(feature: FeatureProfile) -> float:
    return 100 * feature.distinct / feature.present if feature.present else math.nan


def _named(values: Any) -> list[dict[str, Any]]:
    return [{"name": name, "value": float(value)} for name, value in values.items()]


def _checked(check: Check) -> dict[str, Any]:
    names = ("name", "value", "p_value", "adjusted", "effect", "alarm", "reason")
    return {name: getattr(check, name) for name in names}


def _report(
    rows: list[dict[str, Any]],
    window: Window,
    baseline: Profile | None,
    source: str,
    shared: dict[Any, Any],
) -> DriftReport | None:
    features = []
    for row in rows:
        name, state = row["column_name"], row["reference_state"]
        if state is not None:
            reference = feature_of(state, source, shared)
        elif baseline is not None and name in baseline:
            reference = baseline[name]
        else:
            return None
        state = row["current_state"]
        features.append(
            FeatureDrift(
                name=name,
                kind=reference.kind,
                role=reference.role,
                reference=reference,
                current=window.profile[name] if state is None else feature_of(state, source, shared),
                statistics={one["name"]: one["value"] for one in row["statistics"]},
                checks=tuple(Check(**one) for one in row["checks"]),
                alarm=row["alarm"],
                reason=row["reason"],
                level=row["level"],
            )
        )
    first = rows[0]
    return DriftReport(
        n_reference=first["n_reference"],
        n_current=first["n_current"],
        features=tuple(features),
        false_alarms=first["false_alarms"],
        min_effect=first["min_effect"],
        thresholds={one["name"]: one["value"] for one in first["thresholds"]},
        notes=tuple(first["notes"]),
    )
