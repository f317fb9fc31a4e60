"""Rates, latencies and batch sizes of one model over a span, for the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.engine.failures import CODE_NAMES
from penstock.serve.dashboard.samples import SPANS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.serve.dashboard.samples import Layout, Samples, Spell

__all__ = ["now", "quantile", "traffic"]

_NOW_STEPS: Final = 5
_RECENT_STEPS: Final = 60
_QUANTILES: Final = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99}


def traffic(samples: Samples, model: str, span_s: int) -> dict[str, Any]:
    """Return what a model did over a span, step by step and in total.

    Parameters
    ----------
    samples : Samples
    model : str
    span_s : int
        A key of :data:`~penstock.serve.dashboard.samples.SPANS`.

    Returns
    -------
    dict
        Rates are per second; latencies and rows a batch are None where nothing was answered.
    """
    spell = samples.spell(model, span_s)
    answer: dict[str, Any] = {"model": model, "span_s": span_s, "step_s": SPANS[span_s], "steps": None}
    if spell is None or not spell.counts.size:
        return answer
    parts, total = spell.layout.unpack(spell.counts), spell.layout.unpack(spell.counts.sum(axis=0))
    answer["steps"] = {"at_s": [round(at_s, 1) for at_s in spell.at_s.tolist()], **_steps(spell, parts)}
    answer["total"] = {
        "codes": {name: int(n) for name, n in zip(CODE_NAMES, total["codes"], strict=True) if n},
        "limits": dict(zip(spell.layout.limits, total["limits"].tolist(), strict=True)),
        "batch_rows": {"bounds": spell.layout.batch_bounds, "counts": total["batch_rows"].tolist()},
        "rows_by_version": {str(version): rows for version, rows in spell.rows_by_version.items()},
        **_latencies(spell.layout, total["request_s"]),
    }
    return answer


def now(samples: Samples, model: str) -> dict[str, Any]:
    """Return the rates of a model in the last seconds, and its requests per second a little further back."""
    spell = samples.spell(model, min(SPANS), _RECENT_STEPS)
    if spell is None or not spell.counts.size:
        return {}
    recent = spell.layout.unpack(spell.counts[-_NOW_STEPS:].sum(axis=0))
    seconds = float(spell.seconds[-_NOW_STEPS:].sum())
    ok, ended = int(recent["codes"][0]), int(recent["codes"].sum())
    batches = int(recent["batches"][0])
    codes = spell.layout.unpack(spell.counts)["codes"]
    return {
        "requests_per_s": _short(ended / seconds),
        "failures_per_s": _short((ended - ok) / seconds),
        "rows_per_s": _short(int(recent["rows"][0]) / seconds),
        "batch_rows": _short(int(recent["rows"][0]) / batches) if batches else None,
        "queue_rows": int(spell.queue_rows[-1]),
        **_latencies(spell.layout, recent["request_s"]),
        "recent": [_short(rate) for rate in (codes.sum(axis=1) / spell.seconds).tolist()],
    }


def quantile(bounds: tuple[float, ...], counts: NDArray[Any], share: float) -> NDArray[np.float64]:
    """Return the value below which a share of what histograms counted lies.

    Parameters
    ----------
    bounds : tuple of float, length n
        Upper bounds of the buckets; the last bucket has none.
    counts : ndarray, shape (..., n + 1)
    share : float

    Returns
    -------
    ndarray, shape (...)
        Spread evenly on a logarithmic scale within a bucket; the largest bound for what lies beyond all;
        NaN of no counts.

    Examples
    --------
    >>> import numpy as np
    >>> quantile((1.0, 10.0, 100.0), np.array([[0, 4, 0, 0], [0, 0, 0, 1]]), 0.5).round(3)
    array([  3.162, 100.   ])
    """
    edges = np.array([bounds[0] ** 2 / bounds[1], *bounds, bounds[-1]])
    sums = np.cumsum(counts, axis=-1).astype(np.float64)
    total = sums[..., -1:]
    bucket = np.argmax(sums >= np.maximum(share * total, 1e-12), axis=-1)
    inside = np.take_along_axis(counts, bucket[..., None], -1)[..., 0]
    after = np.take_along_axis(sums, bucket[..., None], -1)[..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = (share * total[..., 0] - (after - inside)) / inside
    low, high = np.log(edges[bucket]), np.log(edges[bucket + 1])
    found: NDArray[np.float64] = np.where(total[..., 0] > 0, np.exp(low + part * (high - low)), np.nan)
    return found


def _steps(spell: Spell, parts: dict[str, NDArray[Any]]) -> dict[str, list[float | int | None]]:
    ok, ended = parts["codes"][:, 0], parts["codes"].sum(axis=1)
    rows, batches = parts["rows"][:, 0], parts["batches"][:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(batches > 0, rows / batches, np.nan)
    columns = {
        "requests_per_s": ended / spell.seconds,
        "failures_per_s": (ended - ok) / spell.seconds,
        "rows_per_s": rows / spell.seconds,
        "batch_rows": mean,
        "queue_rows": spell.queue_rows,
    }
    for name, share in _QUANTILES.items():
        columns[name] = quantile(spell.layout.request_bounds, parts["request_s"], share)
    return {name: [_short(value) for value in column.tolist()] for name, column in columns.items()}


def _latencies(layout: Layout, counts: NDArray[Any]) -> dict[str, float | None]:
    return {
        name: _short(float(quantile(layout.request_bounds, counts, share)))
        for name, share in _QUANTILES.items()
    }


def _short(value: float) -> float | None:
    """Round to four digits; None where it is not a number."""
    return None if value != value else float(f"{value:.4g}")
