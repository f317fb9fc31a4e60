"""What was counted since a moment: against profiles that are merged."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from alarm_streams import NAMES, profiles

from penstock.monitor.alerts.recent import Recent
from penstock.monitor.alerts.streams import Streams
from penstock.monitor.profile import Profile


def columns(random: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    values = random.normal(1e6, 3.0, size=rows)
    values[::7] = np.nan
    return {"x": values, "c": random.choice(NAMES[:9], rows, p=[0.199] * 5 + [0.00125] * 4)}


def test_counts_and_moments_are_those_of_the_panes_since() -> None:
    random = np.random.default_rng(0)
    reference = profiles(columns(random, 60))
    streams = Streams(reference)
    recent = Recent(streams)
    panes = [profiles(columns(random, 30), reference) for _ in range(35)]
    for step, pane in enumerate(panes):
        recent.add(pane, streams.counts(pane), 10.0 * step)
    for since in (0, 7, 34):
        merged = reduce(Profile.merge, panes[since:])
        for index, name in enumerate(("x", "c")):
            found, wanted = recent.since(index, 10.0 * since + 1), merged[name]
            assert (found.rows, found.missing, found.below, found.above) == (
                wanted.rows,
                wanted.missing,
                wanted.below,
                wanted.above,
            )
            assert found.histogram.tolist() == wanted.histogram.tolist()
            assert found.counts.tolist() == wanted.counts.tolist()
            assert dict(found.unseen_top) == dict(wanted.unseen_top)
            assert found.unseen == wanted.unseen
            assert found.mean == pytest.approx(wanted.mean, rel=1e-12, nan_ok=True)
            assert found.m2 == pytest.approx(wanted.m2, rel=1e-6, nan_ok=True)


def test_moments_are_kept_denser_the_nearer_they_are() -> None:
    random = np.random.default_rng(1)
    reference = profiles(columns(random, 500))
    streams = Streams(reference)
    recent = Recent(streams)
    pane = profiles(columns(random, 30), reference)
    for step in range(3000):
        recent.add(pane, streams.counts(pane), float(step))
    times = np.array([kept.begin_s for kept in recent._kept])
    assert len(times) == 40
    assert times[0] == 0
    for ago in (1, 5, 20, 100, 500, 2000):
        found = recent.since(0, 2999.0 - ago)
        assert found.rows / 30 == pytest.approx(ago + 1, rel=0.35)
        assert found.mean == pytest.approx(pane["x"].mean)
        assert found.m2 == pytest.approx(pane["x"].m2 * found.rows / 30, rel=1e-6)


def test_one_row_beyond_all_sums_spoils_its_own_time_only() -> None:
    random = np.random.default_rng(2)
    reference = profiles(columns(random, 500))
    streams = Streams(reference)
    recent = Recent(streams)
    for step in range(10):
        live = columns(random, 30)
        if step == 2:
            live["x"][1] = 1e308
        pane = profiles(live, reference)
        recent.add(pane, streams.counts(pane), float(step))
    assert recent.since(0, 5.0).mean == pytest.approx(1e6, abs=3)
    assert not np.isfinite(recent.since(0, 0.0).m2)
