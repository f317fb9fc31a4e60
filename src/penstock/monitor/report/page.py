"""The report as one HTML file that needs nothing beside it, and no network."""

from __future__ import annotations

import html
import json
import math
from typing import TYPE_CHECKING, Final

from penstock.monitor.report.detail import detail, share
from penstock.monitor.report.picture import Picture, picture
from penstock.monitor.report.sections import data_over_time, sections
from penstock.monitor.report.table import probability
from penstock.monitor.report.template import TEMPLATE

if TYPE_CHECKING:
    from penstock.monitor.report.report import DriftReport, FeatureDrift

__all__ = ["page"]

_WIDTH: Final = 120
_HEIGHT: Final = 26


def page(report: DriftReport) -> str:
    """Return the page; about 4 kB a feature, and 4 more with 200 windows.

    The table stands in the page itself; histograms are drawn by a short script when a row is opened.
    """
    pictures = [picture(feature.reference, feature.current) for feature in report.features]
    rows = "".join(
        _row(index, feature, drawn, report.windows is not None)
        for index, (feature, drawn) in enumerate(zip(report.features, pictures, strict=True))
    )
    details = [detail(feature, drawn) for feature, drawn in zip(report.features, pictures, strict=True)]
    text, rest = [], TEMPLATE
    for name, value in {  # in the order of the template: no text of the data is searched
        "@STATE@": "moved" if report.alarming else "quiet",
        "@HEADLINE@": html.escape(_headline(report)),
        "@FACTS@": _facts(report),
        "@NOTES@": "".join(f"<p class=note>{html.escape(note)}</p>" for note in report.notes),
        "@SECTIONS@": sections(report),
        "@TIMEHEAD@": "" if report.windows is None else "<th scope=col>PSI over time</th>\n",
        "@ROWS@": rows,
        # Nothing in a text can end the script element.
        "@DATA@": json.dumps(details, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c"),
        "@TIME@": data_over_time(report),
    }.items():
        head, rest = rest.split(name, 1)
        text += [head, value]
    return "".join([*text, rest]).encode("utf-8", "replace").decode()


def _headline(report: DriftReport) -> str:
    alarms = len(report.alarms)
    if not alarms and report.alarming:
        return f"Something moved, but none of {len(report)} features by itself"
    if not alarms:
        return f"Nothing moved: no alarm in {len(report)} features"
    return f"{alarms} of {len(report)} features moved"


def _facts(report: DriftReport) -> str:
    if report.thresholds:
        rule = ", ".join(f"{name} ≥ {limit:g}" for name, limit in report.thresholds.items())
        promise = ("fixed thresholds", rule)
    else:
        promise = ("chance of any false alarm", f"{report.false_alarms:g}")
    facts = [
        ("reference rows", f"{report.n_reference:,}"),
        ("current rows", f"{report.n_current:,}"),
        promise,
    ]
    if report.min_effect:
        facts.append(("smallest effect that alarms", f"{report.min_effect:g}"))
    return "".join(f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts)


def _row(index: int, feature: FeatureDrift, drawn: Picture | None, over_time: bool) -> str:
    name = html.escape(feature.name)
    role = "" if feature.role == "feature" else f" <small>{feature.role}</small>"
    rank = ("none", "low", "medium", "high").index(feature.severity)
    psi = feature.statistics.get("psi", math.nan)
    cells = [
        f'<th scope=row data-v="{name}"><button aria-expanded=false aria-controls=d{index}>{name}</button>'
        f"{role}</th>",
        f'<td data-v={rank}><span class="tag {feature.severity}">'
        f"{feature.severity if feature.alarm else 'no alarm'}</span></td>",
        f"<td data-v={_sortable(feature.effect)} class=n>{share(feature.effect)}</td>",
        f"<td data-v={_sortable(feature.p_value)} class=n>{html.escape(probability(feature.p_value))}</td>",
        f"<td data-v={_sortable(psi)} class=n>{_fixed(psi)}</td>",
        f"<td>{_spark(drawn)}</td>" + ("<td class=t></td>" if over_time else ""),
        f"<td class=why>{html.escape(feature.reason)}</td>",
    ]
    marks = f"data-i={index} data-alarm={int(feature.alarm)} data-kind={feature.kind}"
    return f"<tr class=f {marks}>{''.join(cells)}</tr>\n"


def _spark(drawn: Picture | None) -> str:
    """Draw both samples small: the reference as an area, the current as a line."""
    if drawn is None:
        return ""
    shown = slice(0, -1 if drawn.others else None)
    top = max((*drawn.before[shown], *drawn.after[shown], 1e-12))
    before, after = (_steps(shares[shown], top) for shares in (drawn.before, drawn.after))
    return (
        f'<svg class=spark width={_WIDTH} height={_HEIGHT} viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden=true>'
        f'<path class=r d="M0 {_HEIGHT}{before}V{_HEIGHT}Z"/><path class=c d="M0 {_HEIGHT}{after}"/></svg>'
    )


def _steps(shares: tuple[float, ...], top: float) -> str:
    width = _WIDTH / len(shares)
    heights = (_HEIGHT - 1 - (_HEIGHT - 3) * share / top for share in shares)
    return "".join(f"V{height:.3g}H{(i + 1) * width:.4g}" for i, height in enumerate(heights))


def _sortable(value: float) -> str:
    return "9" if math.isnan(value) else f"{value:.6g}"


def _fixed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
