"""Compare data with a baseline: :func:`drift`.

What is tested: calibration/checks.py. What comes back: report/report.py.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor.calibration import LEAST_ROWS, Check, begin_checks, holm
from penstock.monitor.profile import FeatureProfile, Profile
from penstock.monitor.report.report import DriftReport, FeatureDrift
from penstock.monitor.split import threads_of
from penstock.monitor.statistics import STATISTICS, statistics_of_each

if TYPE_CHECKING:
    from penstock.monitor.baseline import Baseline

__all__ = ["drift"]


def drift(
    baseline: Baseline | Profile | Any,
    current: Any,
    *,
    false_alarms: float = 0.01,
    min_effect: float = 0.0,
    thresholds: Mapping[str, float] | None = None,
    columns: Sequence[str] | None = None,
    threads: int | None = None,
) -> DriftReport:
    """Compare data with a baseline.

    Parameters
    ----------
    baseline : Baseline, Profile or data
        Of data a baseline is fitted first.
    current : data or Profile
        A table, frame, dict, matrix or Arrow stream; or an iterable of them, in memory one at a time; or a
        profile on the bins of the baseline.
    false_alarms : float, default 0.01
        The chance that anything alarms in this comparison when nothing moved: over all features and all
        checks of them together.
    min_effect : float, default 0
        The smallest change in the share of rows that may alarm, from 0 to 1. With many rows even a change
        that does not matter is certain.
    thresholds : mapping of str to float, optional
        Fixed thresholds, by the name of the statistic: a feature alarms where any is reached, in either
        direction, and nothing else alarms. How often that is a false alarm depends on the number of rows.
    columns : sequence of str, optional
        Compare these only; all by default.
    threads : int, optional
        That count and compare; by default one for each core. No result depends on it.

    Returns
    -------
    DriftReport

    Raises
    ------
    ConfigError
        When a parameter is out of range, or the profiles are not on the same bins.
    SignatureError
        When the data lack a column or hold something else in it.

    Notes
    -----
    Rows are taken as independent of each other. One pass over the data; memory does not grow with the rows.
    With fewer than 20 rows on a side nothing is tested.

    Examples
    --------
    >>> import numpy as np
    >>> import penstock as ps
    >>> random = np.random.default_rng(0)
    >>> before = {"age": random.normal(40, 10, 5000), "height": random.normal(170, 9, 5000)}
    >>> after = {"age": random.normal(42, 10, 1000), "height": random.normal(170, 9, 1000)}
    >>> [feature.name for feature in ps.drift(before, after).alarms]
    ['age']
    """
    _check_share("false_alarms", false_alarms, zero=False)
    _check_share("min_effect", min_effect, zero=True)
    fixed = dict(thresholds or {})
    for name in fixed:
        _check_statistic(name)
    threads = threads_of(threads)
    reference = _restricted(_reference(baseline, threads), columns)
    found = _profiled(reference, current, columns, threads)
    pairs = [
        (feature, _counterpart(feature, found))
        for feature in reference.features
        if feature.role != "label" or feature.name in found
    ]
    features = _compared(pairs, false_alarms, min_effect, fixed, threads)
    return DriftReport(
        n_reference=reference.rows,
        n_current=found.rows,
        features=tuple(sorted(features, key=_evidence)),
        false_alarms=false_alarms,
        min_effect=min_effect,
        thresholds=fixed,
        notes=_notes(reference, found, fixed),
    )


def _check_share(name: str, value: float, zero: bool) -> None:
    if not (0 < value < 1 or (zero and value == 0)):
        raise ConfigError(
            f"{name}: expected a number {'from 0' if zero else 'above 0'} to below 1, got {value}"
        )


def _check_statistic(name: str) -> None:
    known = sorted(set().union(*STATISTICS.values()))
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise ConfigError(f'thresholds: no statistic "{name}"{hint} There are: {", ".join(known)}')


def _reference(baseline: Any, threads: int) -> Profile:
    if isinstance(baseline, Profile):
        return baseline
    from penstock.monitor.baseline import Baseline

    fitted = isinstance(baseline, Baseline)
    return (baseline if fitted else Baseline.fit(baseline, threads=threads)).profile


def _restricted(profile: Profile, columns: Sequence[str] | None) -> Profile:
    if columns is None:
        return profile
    for name in columns:
        if name not in profile:
            have = ", ".join(feature.name for feature in profile.features)
            raise ConfigError(f'columns: "{name}" is not in the baseline, which has: {have}')
    kept = tuple(feature for feature in profile.features if feature.name in set(columns))
    return Profile(features=kept, rows=profile.rows)


def _profiled(reference: Profile, current: Any, columns: Sequence[str] | None, threads: int) -> Profile:
    if isinstance(current, Profile):
        return current
    from penstock.monitor.profiler import Profiler

    profiler = Profiler(reference, names=columns, threads=threads)
    for batch in _batches(current):
        profiler.update(batch)
    return profiler.profile()


def _batches(data: Any) -> Iterator[Any]:
    """Yield data as pieces that a profiler takes."""
    import pyarrow as pa

    if hasattr(data, "to_batches") and not isinstance(data, pa.Table):  # a dataset or a scanner
        yield from data.to_batches()
    elif isinstance(data, pa.RecordBatchReader | Iterator) or (
        isinstance(data, Iterable)
        and not isinstance(data, Mapping | np.ndarray | str | bytes)
        and not hasattr(data, "__arrow_c_stream__")
        and not hasattr(data, "__arrow_c_array__")
    ):
        yield from data
    else:
        yield data


def _counterpart(feature: FeatureProfile, current: Profile) -> FeatureProfile:
    if feature.name not in current:
        raise ConfigError(f'the current profile has no feature "{feature.name}"')
    return current[feature.name]


def _compared(
    pairs: Sequence[tuple[FeatureProfile, FeatureProfile]],
    false_alarms: float,
    min_effect: float,
    thresholds: Mapping[str, float],
    threads: int,
) -> list[FeatureDrift]:
    finish = begin_checks(pairs, threads=threads)
    measured = statistics_of_each(pairs)
    raw = finish()
    count = sum(map(len, raw))
    adjusted = iter(holm([check.p_value for found in raw for check in found]))
    features = []
    for (reference, current), statistics, found in zip(pairs, measured, raw, strict=True):
        judged = [_judged(check, next(adjusted), false_alarms, min_effect, thresholds) for check in found]
        judged.sort(key=lambda check: (check.p_value, -check.effect))
        reached = _reached(statistics, thresholds)
        features.append(
            FeatureDrift(
                name=reference.name,
                kind=reference.kind,
                role=reference.role,
                reference=reference,
                current=current,
                statistics=statistics,
                checks=tuple(judged),
                alarm=bool(reached) or any(check.alarm for check in judged),
                reason=_reason(judged, reached),
                level=false_alarms / max(count, 1),
            )
        )
    return features


def _judged(
    check: Check, adjusted: float, false_alarms: float, min_effect: float, thresholds: Mapping[str, float]
) -> Check:
    return Check(
        name=check.name,
        value=check.value,
        p_value=check.p_value,
        effect=check.effect,
        reason=check.reason,
        adjusted=adjusted,
        alarm=not thresholds and adjusted <= false_alarms and check.effect >= min_effect,
    )


def _reached(statistics: Mapping[str, float], thresholds: Mapping[str, float]) -> list[str]:
    return [
        f"{name} {statistics[name]:.3g} (threshold {limit:g})"
        for name, limit in thresholds.items()
        if abs(statistics.get(name, math.nan)) >= limit
    ]


def _reason(judged: Sequence[Check], reached: Sequence[str]) -> str:
    alarming = [check.reason for check in judged if check.alarm]
    words = list(dict.fromkeys([*reached, *(alarming or [check.reason for check in judged[:1]])]))
    return "; ".join(words) or f"fewer than {LEAST_ROWS} values: not tested"


def _evidence(feature: FeatureDrift) -> tuple[bool, float, float, float]:
    if not feature.checks:
        return not feature.alarm, math.inf, math.inf, 0.0
    return not feature.alarm, feature.p_value, feature.checks[0].p_value, -feature.effect


def _notes(reference: Profile, current: Profile, thresholds: Mapping[str, float]) -> tuple[str, ...]:
    notes = []
    if min(reference.rows, current.rows) < LEAST_ROWS:
        notes.append(
            f"{reference.rows:,} reference and {current.rows:,} current rows: with fewer than {LEAST_ROWS} "
            "on a side nothing is tested, and only fixed thresholds alarm"
        )
    if thresholds:
        notes.append("fixed thresholds decide: the chance of a false alarm is not controlled")
    return tuple(notes)
