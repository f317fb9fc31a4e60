"""Compare a window with the baseline and with the past. Read next: drift.py, seasons.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from typing import TYPE_CHECKING, Final, Literal

from penstock.monitor.drift import drift
from penstock.monitor.layout import same_bins
from penstock.monitor.profile import FeatureProfile, Profile
from penstock.monitor.seasons import same_hour, same_weekday

if TYPE_CHECKING:
    from penstock.monitor.baseline import Baseline
    from penstock.monitor.report.report import DriftReport
    from penstock.monitor.window import Window

__all__ = ["Comparison", "Counterpart", "compare", "compare_with", "counterparts"]

Comparison = Literal["baseline", "previous", "hour", "weekday"]

_LEAST_LEVEL: Final = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Counterpart:
    """What a window is compared with.

    Attributes
    ----------
    profile : Profile
        Only of features that both have in the same bins.
    span : tuple of (float, float) or None
        First begin and last end of the windows that it is made of, seconds since the epoch; None of a
        baseline.
    windows : int
        How many; 0 of a baseline.
    """

    profile: Profile
    span: tuple[float, float] | None = None
    windows: int = 0


def counterparts(
    window: Window,
    baseline: Baseline | None,
    past: Sequence[Window],
    *,
    compare: Sequence[Comparison] = ("baseline",),
    slide: int = 1,
) -> dict[str, Counterpart]:
    """Return what a window can be compared with, by name; what does not exist is left out.

    Parameters
    ----------
    window : Window
    baseline : Baseline, optional
    past : sequence of Window
        Closed windows of the model, of any version, oldest first. Those that overlap the window, itself
        included, are left out.
    compare : sequence of {"baseline", "previous", "hour", "weekday"}
    slide : int, default 1
        How many windows the one before reaches back over.

    Notes
    -----
    Windows of other versions count for raw columns that are still counted in the same bins, and not for
    outputs: a new version is expected to answer differently.
    """
    before = [other for other in past if other is not window and other.end_s <= window.begin_s]
    found: dict[str, Counterpart | None] = {}
    for name in compare:
        if name == "baseline":
            found[name] = None if baseline is None else _of_baseline(window, baseline.profile)
        elif name == "previous":
            found[name] = _of_windows(window, before[-slide:])
        else:
            found[name] = _of_windows(window, (same_hour if name == "hour" else same_weekday)(window, before))
    return {name: one for name, one in found.items() if one is not None}


def compare_with(
    window: Window,
    found: Mapping[str, Counterpart],
    *,
    level: float,
    min_effect: float = 0.0,
    thresholds: Mapping[str, float] | None = None,
) -> dict[str, DriftReport]:
    """Compare a window with counterparts, each at a level of its own; see :func:`compare`.

    Parameters
    ----------
    window : Window
    found : mapping of str to Counterpart
        As :func:`counterparts` returns them.
    level : float
        The chance of a false alarm in each comparison.
    min_effect, thresholds
        As in :func:`penstock.drift`.
    """
    reports = {}
    for name, counterpart in found.items():
        report = drift(
            counterpart.profile,
            window.profile,
            false_alarms=max(level, _LEAST_LEVEL),
            min_effect=min_effect,
            thresholds=thresholds,
        )
        reports[name] = replace(report, notes=(*_note(counterpart), *report.notes))
    return reports


def compare(
    window: Window,
    baseline: Baseline | None,
    past: Sequence[Window],
    *,
    compare: Sequence[Comparison] = ("baseline",),
    level: float,
    min_effect: float = 0.0,
    thresholds: Mapping[str, float] | None = None,
    slide: int = 1,
) -> dict[str, DriftReport]:
    """Compare a window with everything that it is to be compared with.

    Parameters
    ----------
    window, baseline, past, compare, slide
        As in :func:`counterparts`.
    level : float
        The chance of any false alarm of this window when nothing moved. Every comparison in ``compare`` has
        the same share of it, whether or not its counterpart exists.
    min_effect, thresholds
        As in :func:`penstock.drift`.

    Returns
    -------
    dict of str to DriftReport
        By the names in ``compare``, only those whose counterpart exists.

    Notes
    -----
    A comparison with other windows takes their rows as drawn alike: where days differ from each other by more
    than chance, those of one hour differ too, and that is found.
    """
    found = counterparts(window, baseline, past, compare=compare, slide=slide)
    share = level / max(len(compare), 1)
    return compare_with(window, found, level=share, min_effect=min_effect, thresholds=thresholds)


def _of_baseline(window: Window, baseline: Profile) -> Counterpart | None:
    features = tuple(f for f in baseline if f.name in window.profile and same_bins(f, window.profile[f.name]))
    return Counterpart(profile=Profile(features, baseline.rows)) if features else None


def _of_windows(window: Window, chosen: Sequence[Window]) -> Counterpart | None:
    features = [merged for one in window.profile if (merged := _merged(one, window, chosen)) is not None]
    if not features:
        return None
    return Counterpart(
        profile=Profile(tuple(features), sum(one.rows for one in chosen)),
        span=(min(one.begin_s for one in chosen), max(one.end_s for one in chosen)),
        windows=len(chosen),
    )


def _merged(feature: FeatureProfile, window: Window, chosen: Sequence[Window]) -> FeatureProfile | None:
    parts = [
        other.profile[feature.name]
        for other in chosen
        if feature.name in other.profile
        and (feature.role == "feature" or other.version == window.version)
        and same_bins(feature, other.profile[feature.name])
    ]
    return reduce(FeatureProfile.merge, parts) if parts else None


def _note(counterpart: Counterpart) -> tuple[str, ...]:
    if counterpart.span is None:
        return ()
    begin, end = (f"{datetime.fromtimestamp(s, UTC):%Y-%m-%d %H:%M}" for s in counterpart.span)
    count = "1 window" if counterpart.windows == 1 else f"{counterpart.windows} windows"
    return (f"compared with {count} from {begin} to {end} UTC",)
