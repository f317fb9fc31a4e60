"""Parts of the page beside the features: all of them together, quality, windows."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from penstock.monitor.report.detail import share
from penstock.monitor.report.table import probability

if TYPE_CHECKING:
    from penstock.monitor.calibration.check import Check
    from penstock.monitor.quality import Metric
    from penstock.monitor.report.quality import QualityReport
    from penstock.monitor.report.report import DriftReport
    from penstock.monitor.timeline import Point, Timeline

__all__ = ["data_over_time", "sections"]

_RANKS: Final = ("none", "low", "medium", "high")
_DRAWN: Final = ("accuracy", "auc", "brier", "mae", "rmse")
_WORDS: Final = {
    "pca_reconstruction": "principal components: do rows hang together as before",
    "domain_classifier": "classifier: can rows be told from the reference",
}


def sections(report: DriftReport) -> str:
    """Return the markup of what the report has."""
    parts = []
    if report.joint:
        parts.append(_checks("All features together", report.joint))
    if report.quality is not None:
        parts.append(_quality(report.quality))
        if report.quality.checks:
            parts.append(_checks("Did quality drop", report.quality.checks))
    if report.windows is not None and report.windows.spans:
        parts.append(_windows(report.windows))
    return "".join(parts)


def _checks(title: str, checks: Sequence[Check]) -> str:
    lines = [
        [
            html.escape(_WORDS.get(check.name, check.name)),
            html.escape(check.reason),
            share(check.effect),
            html.escape(probability(check.adjusted)),
        ]
        for check in checks
    ]
    marks = [check.alarm for check in checks]
    return _section(title, ["check", "what moved", "effect", "p, corrected"], lines, marks)


def _quality(quality: QualityReport) -> str:
    parts: Sequence[Mapping[str, Metric]] = (quality.reference, quality.estimated, quality.realised)
    names = dict.fromkeys(name for metrics in parts for name in metrics)
    lines = [[html.escape(name), *(_metric(metrics.get(name)) for metrics in parts)] for name in names]
    title = f"Quality: {quality.label} by {', '.join(quality.prediction)}"
    found = _section(title, ["metric", "reference", "estimated", "realised"], lines, [False] * len(lines))
    return found.replace("</section>", "<div id=quality></div></section>")


def _section(title: str, head: Sequence[str], lines: Sequence[Sequence[str]], marks: Sequence[bool]) -> str:
    heads = "".join(f"<th scope=col{_number(place, name)}>{name}</th>" for place, name in enumerate(head))
    rows = "".join(
        f"<tr{' class=up' if mark else ''}>"
        + "".join(f"<td{_number(place, head[place])}>{cell}</td>" for place, cell in enumerate(line))
        + "</tr>"
        for line, mark in zip(lines, marks, strict=True)
    )
    return (
        f"<section class=block><h2>{html.escape(title)}</h2><div class=scroll><table class=small>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _number(place: int, name: str) -> str:
    return " class=n" if place and name != "what moved" else ""


def _metric(metric: Metric | None) -> str:
    if metric is None or math.isnan(metric.value):
        return "–"
    if math.isnan(metric.low) or metric.low == metric.high:
        return f"{metric.value:.4g}"
    return f"{metric.value:.4g} <small>{metric.low:.4g} to {metric.high:.4g}</small>"


def _windows(windows: Timeline) -> str:
    alarming = sum(bool(span.alarms) for span in windows.spans)
    by = f" of {html.escape(windows.by)}" if windows.by else ""
    return (
        f"<section class=block><h2>{alarming} of {len(windows)} windows{by} alarm, each compared with the "
        "reference</h2><div class=heat id=heat tabindex=0><canvas role=img aria-label="
        f'"Alarms of {len(windows)} windows by feature"></canvas></div>'
        "<p class=tip id=tip role=status>Point at a cell; higher is a larger effect.</p></section>"
    )


def data_over_time(report: DriftReport) -> str:
    """Return what the script draws over time, as JSON: short keys and few digits.

    ``w`` labels of windows, ``n`` their rows, ``f`` a feature in the order of the report: ``h`` severities
    as digits, ``e`` effect in thousandths, ``s`` PSI, ``m`` missing and ``o`` outside in thousandths, ``a``
    mean; ``q`` a metric: realised ``r`` with ``l`` and ``u``, estimated ``e``.
    """
    if report.windows is None:
        return "null"
    spans = report.windows.spans
    features = [
        _line([span.points.get(feature.name) for span in spans], feature.kind) for feature in report.features
    ]
    found = {
        "w": [span.label for span in spans],
        "n": [span.rows for span in spans],
        "f": features,
        "q": _metrics(report.windows),
    }
    # Nothing in a text can end the script element.
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _line(points: Sequence[Point | None], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "h": "".join("-" if point is None else str(_RANKS.index(point.severity)) for point in points),
        "e": [None if point is None else _thousandths(point.effect) for point in points],
        "s": [None if point is None else _digits(point.psi, 3) for point in points],
    }
    # Lines that are 0 all along are left out: the page stays small.
    for key, name in (("m", "missing"), ("o", "outside")):
        values = [None if point is None else _thousandths(getattr(point, name)) for point in points]
        if any(values):
            found[key] = values
    if kind == "numeric":
        found["a"] = [None if point is None else _digits(point.mean, 4) for point in points]
    return found


def _metrics(windows: Timeline) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _DRAWN:
        realised = [span.realised.get(name) for span in windows.spans]
        estimated = [span.estimated.get(name) for span in windows.spans]
        if any(realised) or any(estimated):
            found[name] = {
                "r": [_part(metric, "value") for metric in realised],
                "l": [_part(metric, "low") for metric in realised],
                "u": [_part(metric, "high") for metric in realised],
                "e": [_part(metric, "value") for metric in estimated],
            }
    return found


def _part(metric: Metric | None, name: str) -> float | None:
    return None if metric is None else _digits(getattr(metric, name), 4)


def _thousandths(value: float) -> int | None:
    return round(1000 * value) if math.isfinite(value) else None


def _digits(value: float, digits: int) -> float | None:
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
