"""Windows compared with the baseline and with the past."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
from window_data import BASELINE, HOUR_S, OTHER_BASELINE, hours, make_window, pane, same_reports

import penstock as ps
from penstock.monitor.comparisons import compare, compare_with, counterparts
from penstock.monitor.profile import Profile
from penstock.monitor.window import Window

ALL = ("baseline", "previous", "hour", "weekday")
DAY = 24
PAST = hours(8 * DAY)
NOW = make_window(8 * DAY * HOUR_S, (8 * DAY + 1) * HOUR_S, pane(500, 7777))


def merged(windows: list[Window]) -> Profile:
    return reduce(Profile.merge, [window.profile for window in windows])


def test_each_comparison_is_a_drift_report_against_its_counterpart() -> None:
    reports = compare(NOW, BASELINE, PAST, compare=ALL, level=0.04)
    assert list(reports) == list(ALL)
    wanted = {
        "baseline": BASELINE.profile,
        "previous": PAST[-1].profile,
        "hour": merged(PAST[::DAY]),
        "weekday": PAST[DAY].profile,
    }
    for name, reference in wanted.items():
        report = ps.drift(reference, NOW.profile, false_alarms=0.01)
        assert same_reports(replace(reports[name], notes=()), report)
    assert reports["hour"].notes == ("compared with 8 windows from 1970-01-01 00:00 to 1970-01-08 01:00 UTC",)
    assert reports["previous"].notes[0].startswith("compared with 1 window from 1970-01-08 23:00")


def test_only_what_exists_and_the_level_is_shared_among_all_the_same() -> None:
    reports = compare(NOW, None, PAST[-2:], compare=ALL, level=0.04)
    assert list(reports) == ["previous"]
    assert reports["previous"].false_alarms == 0.01
    assert compare(NOW, None, [], compare=ALL, level=0.04) == {}
    assert compare(NOW, BASELINE, [], compare=(), level=0.04) == {}
    (report,) = compare(NOW, BASELINE, PAST, level=0.04).values()
    assert report.false_alarms == 0.04


def test_spans_and_counts_of_counterparts() -> None:
    found = counterparts(NOW, BASELINE, PAST, compare=ALL, slide=3)
    assert (found["baseline"].span, found["baseline"].windows) == (None, 0)
    assert found["previous"].windows == 3
    assert found["previous"].span == (PAST[-3].begin_s, PAST[-1].end_s)
    assert found["previous"].profile.rows == 180
    assert found["weekday"].span == (PAST[DAY].begin_s, PAST[DAY].end_s)
    alone = compare_with(NOW, {"hour": found["hour"]}, level=0.01)
    assert same_reports(alone["hour"], compare(NOW, BASELINE, PAST, compare=("hour",), level=0.01)["hour"])


def test_a_sliding_window_is_compared_with_those_before_it() -> None:
    sliding = reduce(Window.merge, PAST[-4:])
    found = counterparts(sliding, None, PAST, compare=("previous",), slide=4)
    assert found["previous"].span == (PAST[-8].begin_s, PAST[-5].end_s)


def test_the_window_itself_is_no_counterpart() -> None:
    found = counterparts(PAST[-1], None, PAST, compare=("previous",))
    assert found["previous"].profile == PAST[-2].profile


def test_windows_of_another_version_count_for_raw_columns_only() -> None:
    old = [replace(window, version=3) for window in PAST[:-1]]
    found = counterparts(NOW, None, [*old, PAST[-1]], compare=("previous", "hour"), slide=2)
    assert [feature.name for feature in found["hour"].profile] == ["height", "age", "state"]
    assert found["previous"].profile["age"].rows == 120
    assert found["previous"].profile["score"].rows == 60
    report = compare(NOW, None, old, compare=("hour",), level=0.01)["hour"]
    assert sorted(feature.name for feature in report) == ["age", "height", "state"]


def test_features_in_other_bins_are_not_compared() -> None:
    other = [make_window(0.0, HOUR_S, pane(200, 3, baseline=OTHER_BASELINE))]
    found = counterparts(NOW, OTHER_BASELINE, other, compare=("baseline", "previous"))
    same = {"age", "state"} & {
        feature.name
        for feature in NOW.profile
        if np.array_equal(feature.edges, OTHER_BASELINE.profile[feature.name].edges)
    }
    for counterpart in found.values():
        assert {feature.name for feature in counterpart.profile} == same
    for name in found:
        assert compare(NOW, OTHER_BASELINE, other, compare=(name,), level=0.01)[name].n_current == 500  # type: ignore[arg-type]


def test_drift_is_found_in_the_comparison_that_sees_it() -> None:
    shifted = [replace(window, profile=pane(400, i, shift=9.0)) for i, window in enumerate(PAST[-30:])]
    moved = make_window(NOW.begin_s, NOW.end_s, pane(400, 99, shift=9.0))
    reports = compare(moved, BASELINE, shifted, compare=("baseline", "previous", "hour"), level=0.01)
    assert [feature.name for feature in reports["baseline"].alarms] == ["height"]
    assert reports["previous"].alarms == ()
    assert reports["hour"].alarms == ()


def test_fixed_thresholds_and_least_effect_are_handed_on() -> None:
    moved = make_window(NOW.begin_s, NOW.end_s, pane(400, 99, shift=9.0))
    assert compare(moved, BASELINE, [], level=0.01, min_effect=0.9)["baseline"].alarms == ()
    fixed = compare(moved, BASELINE, [], level=0.01, thresholds={"psi": 100.0})["baseline"]
    assert fixed.alarms == ()
    assert fixed.thresholds == {"psi": 100.0}


@pytest.mark.parametrize("level", [0.0, 1e-300])
def test_a_level_of_nothing_never_alarms_by_chance(level: float) -> None:
    assert compare(NOW, BASELINE, PAST, compare=ALL, level=level)["hour"].alarms == ()


def test_few_rows_are_not_tested() -> None:
    few = make_window(NOW.begin_s, NOW.end_s, pane(5, 1))
    report = compare(few, BASELINE, PAST, compare=("previous",), level=0.01)["previous"]
    assert all(not feature.checks for feature in report)
    assert len(report.notes) == 2


def test_rate_of_false_alarms_is_that_asked_for() -> None:
    """Any alarm of any comparison of a window, over independent days of the same law."""
    rounds, alarmed = 150, 0
    for turn in range(rounds):
        before = [
            make_window(
                -24 * HOUR_S * day, HOUR_S - 24 * HOUR_S * day, pane(200, 10**6 + 3 * turn + day, unseen=0)
            )
            for day in (3, 2, 1)
        ]
        window = make_window(0.0, HOUR_S, pane(300, 2 * 10**6 + turn, unseen=0))
        reports = compare(window, BASELINE, before, compare=("baseline", "hour"), level=0.2)
        assert len(reports) == 2
        alarmed += any(report.alarms for report in reports.values())
    assert alarmed <= rounds * 0.2 + 3 * (rounds * 0.2 * 0.8) ** 0.5
