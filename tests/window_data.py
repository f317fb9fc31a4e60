"""Data, profiles and windows for the tests of windows and of the history."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from penstock.monitor.baseline import Baseline
from penstock.monitor.profile import FeatureProfile, Profile
from penstock.monitor.report.report import DriftReport
from penstock.monitor.window import Window

HOUR_S = 3600.0
MODEL = "people"


def columns(rows: int, seed: int, shift: float = 0.0, unseen: float = 0.01) -> dict[str, Any]:
    """Numbers with missing and infinite values, texts with missing and new ones, an output."""
    random = np.random.default_rng(seed)
    height = random.normal(170 + shift, 9, rows)
    height[random.random(rows) < 0.02] = np.nan
    height[random.random(rows) < 0.01] = np.inf
    state = random.choice(np.array(["MA", "NY", "TX", "VT"], object), rows, p=[0.5, 0.3, 0.15, 0.05])
    state[random.random(rows) < 0.03] = None
    state[random.random(rows) < unseen] = "new\U0001f600"
    return {
        "height": height,
        "age": np.floor(random.uniform(0, 90, rows)).astype(np.float32),
        "state": state,
        "score": random.beta(2, 5, rows),
    }


def make_baseline(seed: int = 0) -> Baseline:
    return Baseline.fit(columns(4000, seed, unseen=0.0), prediction="score")


BASELINE = make_baseline()
OTHER_BASELINE = make_baseline(1)


def counted(data: dict[str, Any], baseline: Baseline = BASELINE) -> Profile:
    profiler = baseline.profiler()
    profiler.update(data)
    return profiler.profile()


def pane(rows: int, seed: int, baseline: Baseline = BASELINE, **options: float) -> Profile:
    return counted(columns(rows, seed, **options), baseline)


def make_window(begin_s: float, end_s: float, profile: Profile, version: int = 1, **others: Any) -> Window:
    return Window(model=MODEL, version=version, begin_s=begin_s, end_s=end_s, profile=profile, **others)


def hours(count: int, length: int = 1, rows: int = 60) -> list[Window]:
    """Return windows of so many hours each that follow each other."""
    step_s = length * HOUR_S
    return [make_window(i * step_s, (i + 1) * step_s, pane(rows, i)) for i in range(count)]


def exact(profile: Profile) -> list[FeatureProfile]:
    """Return the features without the moments, which are the same within roundings only."""
    return [replace(feature, mean=0.0, m2=0.0) for feature in profile]


def same_reports(first: DriftReport, second: DriftReport) -> bool:
    """Tell whether two reports are equal in every part."""
    if [f.name for f in first] != [f.name for f in second]:
        return False
    whole = first.to_dict() == second.to_dict()
    parts = all(
        a.reference == b.reference and a.current == b.current and a.checks == b.checks and a.level == b.level
        for a, b in zip(first, second, strict=True)
    )
    return whole and parts
