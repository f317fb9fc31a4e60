"""The promise: when nothing moves, alarms come no more often than was asked for. Simulated, seeded."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from alarm_streams import LAWS, correlated, current_profile, profiles, reference_profile
from drift_profiles import profile_of
from scipy import stats

from penstock.config.monitor import ModelMonitorConfig
from penstock.monitor.alerts import Alarms
from penstock.monitor.alerts.budget import WEEK_S
from penstock.monitor.alerts.sequential import Detectors
from penstock.monitor.alerts.streams import Streams
from penstock.monitor.alerts.watch import Watch
from penstock.monitor.baseline import Baseline
from penstock.monitor.comparisons import compare
from penstock.monitor.profile import FeatureProfile, Profile
from penstock.monitor.window import Window

# PENSTOCK_THOROUGH=1: half an hour.
THOROUGH = os.environ.get("PENSTOCK_THOROUGH") == "1"
pytestmark = pytest.mark.timeout(1800 if THOROUGH else 120)
START = 1_700_000_000.0


def known(cells: int, missing: float) -> tuple[FeatureProfile, np.ndarray]:
    """A baseline of so many rows that it is the truth: cells of equal shares, and what is missing."""
    rows = 4_000_000_000
    lost = round(rows * missing)
    histogram = np.full(cells, (rows - lost) // cells)
    feature = FeatureProfile(
        name="x",
        kind="numeric",
        rows=int(histogram.sum()) + lost,
        missing=lost,
        mean=0.0,
        m2=float(rows),
        minimum=0.0,
        maximum=float(cells),
        edges=np.arange(1.0, cells),
        histogram=histogram,
        distinct=float(rows),
    )
    return feature, np.append(histogram / feature.rows, lost / feature.rows)


def live(feature: FeatureProfile, shares: np.ndarray, random: np.random.Generator, rows: int) -> Profile:
    counts = random.multinomial(rows, shares)
    return profile_of(replace(feature, rows=rows, missing=int(counts[-1]), histogram=counts[:-1]))


@pytest.mark.parametrize("rows", [1, 30, 2000])
def test_the_bets_keep_the_rate_and_use_it(rows: int) -> None:
    """With the truth known, alarms come at most once in the promised time, and not ten times less often."""
    feature, shares = known(16, missing=0.1)
    streams = Streams(profile_of(feature))
    detectors = Detectors(streams, error=1e-3)
    random = np.random.default_rng(rows)
    steps, threshold, alarms = (200_000 if THOROUGH else 8_000), 100.0, 0
    for step in range(steps):
        detectors.update(streams.counts(live(feature, shares, random, rows)), 1.0, float(step))
        if detectors.evidence().sum() >= threshold:
            alarms += 1
            detectors.reset([0])
    assert alarms <= stats.poisson.isf(1e-4, steps / threshold)
    assert alarms >= steps / threshold / 10


@pytest.mark.parametrize("law", LAWS)
def test_the_watch_keeps_its_rate_whatever_the_law_and_the_rows(law: str) -> None:
    """A baseline of its own for each run: the promise includes that baselines are off by chance."""
    random = np.random.default_rng(11)
    runs, steps = (150, 400) if THOROUGH else (8, 120)
    per_week = WEEK_S / (200 * 60.0)  # one alarm in 200 steps of a minute
    alarms = 0
    for run in range(runs):
        n, m = [(50, 20), (2000, 50), (500, 300), (5000, 5)][run % 4]
        if THOROUGH and run % 10 == 9:
            n, m = 50_000, 2000
        baseline = profile_of(reference_profile(LAWS[law](random, n)))
        watch = Watch(baseline, false_alarms_per_week=per_week, again_s=200 * 60.0)
        for step in range(steps):
            pane = profile_of(current_profile(LAWS[law](random, m), baseline.features[0]))
            alarms += bool(watch.step(pane, START + 60.0 * step))
    assert alarms <= stats.poisson.isf(1e-4, runs * steps / 200)


@pytest.mark.parametrize("rows", [20, 400])
def test_a_model_keeps_its_budget(rows: int) -> None:
    """Windows and the watch together, columns that depend on each other, looked at six times a window."""
    random = np.random.default_rng(rows)
    budget, panes = 60.0, 6  # a week, so that there is something to count
    baselines, windows = (100, 168) if THOROUGH else (4, 30)
    settings = ModelMonitorConfig(false_alarms_per_week=budget, cooldown_s=0.0)
    fired = 0
    for _ in range(baselines):
        baseline = Baseline(profiles(correlated(random, 2000)))
        fired += play(random, settings, baseline, windows, panes, rows)
    assert fired <= stats.poisson.isf(1e-4, baselines * windows * budget / 168)


def play(
    random: np.random.Generator,
    settings: ModelMonitorConfig,
    baseline: Baseline,
    windows: int,
    panes: int,
    rows: int,
) -> int:
    """Count the alerts that fire."""
    alarms = Alarms("m", settings, baseline, now_s=START)
    took, fired = settings.window_s / panes, 0
    for index in range(windows):
        begin = START + index * settings.window_s
        merged: Profile | None = None
        for pane in range(panes):
            now = begin + (pane + 1) * took
            delta = profiles(correlated(random, rows), baseline.profile)
            merged = delta if merged is None else merged.merge(delta)
            fired += sum(alert.sequence == 1 for alert in alarms.step(delta, now))
        assert merged is not None
        window = Window(model="m", version=1, begin_s=begin, end_s=begin + settings.window_s, profile=merged)
        reports = compare(window, baseline, [], level=alarms.level(window))
        fired += sum(alert.sequence == 1 for alert in alarms.judge(window, reports, now_s=window.end_s))
    return fired
