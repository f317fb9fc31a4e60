"""Seasons: which earlier windows a window is compared with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from window_data import HOUR_S, make_window, pane

from penstock.monitor.seasons import DAYS, WEEKS, same_hour, same_weekday
from penstock.monitor.window import Window

PROFILE = pane(1, 0)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def at(begin: datetime, hours: float = 1.0) -> Window:
    return make_window(begin.timestamp(), begin.timestamp() + hours * HOUR_S, PROFILE)


def year() -> list[Window]:
    return [at(NOON - timedelta(hours=back)) for back in range(24 * 200, 0, -1)]


def begins(windows: list[Window]) -> list[datetime]:
    return [datetime.fromtimestamp(window.begin_s, UTC) for window in windows]


def test_the_same_hour_of_earlier_days() -> None:
    found = begins(same_hour(at(NOON), year()))
    assert found == [NOON - timedelta(days=day) for day in range(DAYS, 0, -1)]


def test_the_same_hour_of_the_weekday() -> None:
    found = begins(same_weekday(at(NOON), year()))
    assert found == [NOON - timedelta(weeks=week) for week in range(WEEKS, 0, -1)]
    assert {day.weekday() for day in found} == {NOON.weekday()}


def test_short_windows_are_compared_with_the_whole_hour() -> None:
    past = [at(NOON - timedelta(days=1) + timedelta(minutes=5 * i), 1 / 12) for i in range(-6, 18)]
    found = begins(same_hour(at(NOON + timedelta(minutes=35), 1 / 12), past))
    assert found == [NOON - timedelta(days=1) + timedelta(minutes=5 * i) for i in range(12)]


def test_a_window_over_two_hours_is_compared_with_both() -> None:
    found = begins(same_hour(at(NOON + timedelta(minutes=30)), [*year()[-48:], at(NOON)]))
    wanted = [NOON - timedelta(days=2), NOON - timedelta(hours=47), NOON - timedelta(days=1)]
    assert found == [*wanted, NOON - timedelta(hours=23)]


def test_windows_of_days_are_compared_with_days() -> None:
    days = [at(NOON - timedelta(days=back), 24) for back in range(40, 0, -1)]
    assert begins(same_hour(at(NOON, 24), days)) == begins(days[-DAYS:])
    assert begins(same_weekday(at(NOON, 24), days)) == [NOON - timedelta(weeks=w) for w in range(5, 0, -1)]


def test_neither_itself_nor_what_overlaps_or_comes_later() -> None:
    window = at(NOON)
    others = [window, at(NOON), at(NOON - timedelta(days=1), 24.5), at(NOON + timedelta(days=1))]
    assert same_hour(window, others) == []


@pytest.mark.parametrize("minutes", [0, 1, 29])
def test_a_window_that_began_late_is_of_its_hour(minutes: int) -> None:
    late = at(NOON - timedelta(days=3) + timedelta(minutes=minutes), 1 - minutes / 60)
    assert same_hour(at(NOON), [late]) == [late]
