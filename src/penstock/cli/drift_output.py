"""What ``penstock drift`` prints in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from penstock.monitor.calibration.words import printable
from penstock.monitor.report.table import probability

if TYPE_CHECKING:
    from penstock.monitor.calibration import Check
    from penstock.monitor.quality import Metric
    from penstock.monitor.report import DriftReport
    from penstock.monitor.report.quality import QualityReport
    from penstock.monitor.timeline import Timeline

__all__ = ["printed"]

_LONGEST: Final = 60
_SPANS: Final = 5
_WIDTH: Final = 140


def printed(report: DriftReport, verdicts: Mapping[str, Any] | None = None) -> None:
    """Print a report, and the verdicts of another library where there are some."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    console.print(report.to_table())
    console.print(
        f"{len(report.alarms)} of {len(report)} features moved; {report.n_reference:,} reference rows, "
        f"{report.n_current:,} current",
        highlight=False,
    )
    for check in report.joint:
        _line(console, f"all together: {_check(check)}", check.alarm)
    if report.quality is not None:
        _print_quality(console, report.quality)
    if report.windows is not None:
        _print_windows(console, report.windows)
    for note in report.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    if verdicts is not None:
        console.print(_of_library(verdicts))


def _line(console: Console, text: str, alarm: bool) -> None:
    console.print(Text(text, style="" if alarm else "dim"))


def _check(check: Check) -> str:
    state = "alarm" if check.alarm else "no alarm"
    return f"{check.name}: {state}, p {probability(check.adjusted)}; {check.reason}"


def _print_quality(console: Console, quality: QualityReport) -> None:
    found = Table(box=None, header_style="bold", pad_edge=False, title_justify="left")
    found.add_column(f"{quality.label} by {', '.join(quality.prediction)}", overflow="fold")
    for name in ("reference", "estimated", "realised"):
        found.add_column(name, justify="right", no_wrap=True)
    parts = (quality.reference, quality.estimated, quality.realised)
    for name in dict.fromkeys(key for metrics in parts for key in metrics):
        found.add_row(name, *(_metric(metrics.get(name)) for metrics in parts))
    console.print(found)
    for check in quality.checks:
        if check.alarm:
            _line(console, f"quality: {_check(check)}", True)


def _metric(metric: Metric | None) -> str:
    if metric is None or metric.value != metric.value:
        return "–"
    if metric.low != metric.low or metric.low == metric.high:
        return f"{metric.value:.4g}"
    return f"{metric.value:.4g} ({metric.low:.4g} – {metric.high:.4g})"


def _print_windows(console: Console, windows: Timeline) -> None:
    alarming = [span for span in windows.spans if span.alarms]
    console.print(
        f"{len(alarming)} of {len(windows)} windows alarm"
        + (f", first {alarming[0].label}" if alarming else ""),
        highlight=False,
    )
    for span in alarming[:_SPANS]:
        names = ", ".join(printable(name, _LONGEST) for name in span.alarms[:_SPANS])
        more = f" and {len(span.alarms) - _SPANS} more" if len(span.alarms) > _SPANS else ""
        _line(console, f"  {span.label}: {span.rows:,} rows: {names}{more}", True)
    if len(alarming) > _SPANS:
        _line(console, f"  … and {len(alarming) - _SPANS} more", False)


def _of_library(verdicts: Mapping[str, Any]) -> Table:
    """Return a line a column and test: chunks are summed up."""
    found = Table(box=None, header_style="bold", pad_edge=False)
    found.add_column(str(verdicts["library"]), overflow="fold")
    for name in ("drift", "score", "threshold"):
        found.add_column(name, justify="right", no_wrap=True)
    found.add_column("test", overflow="fold", ratio=1)
    for name, columns in ({**verdicts["columns"], **verdicts.get("together", {})}).items():
        for test in dict.fromkeys(one["test"] for one in columns):
            chunks = [one for one in columns if one["test"] == test]
            drifted = sum(one["drift"] for one in chunks)
            state = f"{drifted} of {len(chunks)}" if len(chunks) > 1 else ("yes" if drifted else "no")
            worst = max(chunks, key=lambda one: (one["drift"], one["score"] or 0.0))
            found.add_row(
                Text(printable(name, _LONGEST)),
                state,
                _number(worst["score"]),
                _number(worst["threshold"]),
                test,
            )
    if "drift" in verdicts:
        found.add_row(
            Text("the data set"),
            "yes" if verdicts["drift"] else "no",
            _number(verdicts["share"]),
            _number(verdicts["drift_share"]),
            "share of columns that drift",
        )
    for name, reason in verdicts["left_out"].items():
        found.add_row(Text(printable(name, _LONGEST)), "–", "–", "–", reason)
    return found


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
