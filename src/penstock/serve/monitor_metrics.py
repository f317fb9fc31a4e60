"""Prometheus metrics of the monitors: drift by feature and statistic, alerts, sinks, quality.

Of drift the last closed window of each model is shown, compared with its baseline.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from penstock.engine.engine import Engine
    from penstock.monitor.monitor import Monitor
    from penstock.monitor.report.report import FeatureDrift

__all__ = ["monitor_metrics"]

_MOST_FEATURES: Final = 1000
"""Features of one model that are shown, those with most evidence: labels stay bounded."""

_DRIFT = ("model", "version", "feature", "statistic")


def monitor_metrics(engine: Engine) -> Iterator[Metric]:
    """Yield every family of every monitor."""
    monitors = engine.monitors()
    yield from _rows(monitors)
    yield from _drift(monitors)
    yield from _alerts(monitors)
    yield from _quality(monitors)
    yield from _logs(monitors)
    yield from _sinks(engine)


def _rows(monitors: dict[str, Monitor]) -> Iterator[Metric]:
    rows = CounterMetricFamily(
        "penstock_monitored_rows", "Rows that were counted.", labels=("model", "version")
    )
    failures = CounterMetricFamily(
        "penstock_monitor_failures", "What failed in the monitoring, by part.", labels=("model", "part")
    )
    broken = CounterMetricFamily(
        "penstock_rule_broken_rows",
        "Rows that were answered and break a rule.",
        labels=("model", "version", "column", "rule"),
    )
    for model, monitor in sorted(monitors.items()):
        status = monitor.status()
        for version, cells in sorted(monitor.broken_rules().items()):
            for (column, rule), count in sorted(cells.items()):
                broken.add_metric((model, str(version), column, rule), count)
        for version, count in sorted(status.rows.items()):
            rows.add_metric((model, str(version)), count)
        for part, count in sorted(status.failures.items()):
            failures.add_metric((model, part), count)
    yield from (rows, failures, broken)


def _drift(monitors: dict[str, Monitor]) -> Iterator[Metric]:
    window_rows = GaugeMetricFamily(
        "penstock_window_rows", "Rows of the last closed window.", labels=("model", "version")
    )
    score = GaugeMetricFamily(
        "penstock_drift_score", "Value of a statistic in the last closed window.", labels=_DRIFT
    )
    threshold = GaugeMetricFamily(
        "penstock_drift_threshold",
        "What the statistic exceeds by chance alone as often as the budget of false alarms allows.",
        labels=_DRIFT,
    )
    rows = GaugeMetricFamily(
        "penstock_drift_rows", "Rows that the statistic is of, in the window.", labels=_DRIFT
    )
    state = GaugeMetricFamily("penstock_drift_state", "1 where the feature alarms.", labels=_DRIFT)
    for model, monitor in sorted(monitors.items()):
        for closed in monitor.windows(1):
            version = str(closed.window.version)
            window_rows.add_metric((model, version), closed.window.rows)
            report = closed.reports.get("baseline")
            for feature in () if report is None else report.features[:_MOST_FEATURES]:
                for statistic, value, limit in _scores(feature):
                    labels = (model, version, feature.name, statistic)
                    score.add_metric(labels, value)
                    threshold.add_metric(labels, limit)
                    rows.add_metric(labels, feature.current.rows)
                    state.add_metric(labels, feature.alarm)
    yield from (window_rows, score, threshold, rows, state)


def _scores(feature: FeatureDrift) -> Iterator[tuple[str, float, float]]:
    """Yield statistic, value and threshold, where both are defined."""
    for statistic, limit in feature.noise.items():
        value = feature.statistics.get(statistic, math.nan)
        if math.isfinite(value) and math.isfinite(limit):
            yield statistic, value, limit


def _alerts(monitors: dict[str, Monitor]) -> Iterator[Metric]:
    firing = GaugeMetricFamily(
        "penstock_alerts_firing", "Alerts that are not resolved.", labels=("model", "kind", "severity")
    )
    total = CounterMetricFamily("penstock_alerts", "Alerts that fired.", labels=("model", "kind"))
    for model, monitor in sorted(monitors.items()):
        now = collections.Counter((alert.kind, alert.severity) for alert in monitor.firing())
        for (sort, severity), count in sorted(now.items()):
            firing.add_metric((model, sort, severity), count)
        for kind, count in sorted(monitor.alert_counts().items()):
            total.add_metric((model, kind), count)
    yield from (firing, total)


def _quality(monitors: dict[str, Monitor]) -> Iterator[Metric]:
    quality = GaugeMetricFamily(
        "penstock_quality",
        "Metrics of the answers: of the baseline, estimated without labels, realised with them.",
        labels=("model", "version", "metric", "kind"),
    )
    labels = CounterMetricFamily(
        "penstock_labels", "Labels that came, by what became of them.", labels=("model", "result")
    )
    for model, monitor in sorted(monitors.items()):
        report = monitor.quality()
        if report is not None:
            for kind in ("baseline", "estimated", "realised"):
                for name, metric in getattr(report, kind).items():
                    if math.isfinite(metric.value):
                        quality.add_metric((model, str(report.version), name, kind), metric.value)
        status = monitor.feedback_status()
        if status is not None:
            for result in ("joined", "unknown", "late", "duplicate", "contradictory", "invalid"):
                labels.add_metric((model, result), getattr(status, result))
    yield from (quality, labels)


def _logs(monitors: dict[str, Monitor]) -> Iterator[Metric]:
    rows = CounterMetricFamily(
        "penstock_prediction_log_rows",
        "Rows of the prediction log, by what became of them.",
        labels=("model", "result"),
    )
    for model, monitor in sorted(monitors.items()):
        status = monitor.log_status()
        if status is not None:
            rows.add_metric((model, "written"), status.written_rows)
            rows.add_metric((model, "dropped"), status.dropped_rows)
    yield rows


def _sinks(engine: Engine) -> Iterator[Metric]:
    sent = CounterMetricFamily("penstock_sink_sent", "Alerts delivered.", labels=("sink",))
    dropped = CounterMetricFamily(
        "penstock_sink_dropped", "Alerts given up: too many waited, or for too long.", labels=("sink",)
    )
    waiting = GaugeMetricFamily("penstock_sink_waiting", "Alerts that wait.", labels=("sink",))
    found = engine.monitoring.dispatcher.status() if engine.monitors() else {}
    for name, status in sorted(found.items()):
        sent.add_metric((name,), status.sent)
        dropped.add_metric((name,), status.dropped)
        waiting.add_metric((name,), status.waiting)
    yield from (sent, dropped, waiting)
