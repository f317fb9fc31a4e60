"""False alarms and delays of monitoring beside fixed thresholds; prints the tables of docs/alarms.md.

    python -m benchmarks.alarm_power [--weeks 20] [--repeats 20] [--rows 1000 10000]

20 features, 20,000 reference rows, windows of an hour, counts looked at every five minutes, a budget of one
false alarm a week. PSI (deciles of the reference) and KS are taken of every window: at the thresholds that
are in use, and at those that have one false alarm a week, which only a simulation of this very case knows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.drift_power import MOVES, REFERENCE_ROWS, Columns, Fixed, columns
from penstock.config.monitor import ModelMonitorConfig
from penstock.monitor.alerts import Alarms
from penstock.monitor.baseline import Baseline
from penstock.monitor.comparisons import compare
from penstock.monitor.profile import Profile
from penstock.monitor.window import Window

HOUR = 3600.0
PANES = 12
QUIET_HOURS = 24
LONGEST_HOURS = 168
START = 1_700_000_000.0 // HOUR * HOUR
HOURS_OF_A_WEEK = 168

Move = Callable[[np.random.Generator, Columns], None]


class Model:
    """A monitored model: windows of an hour, five minutes at a time."""

    def __init__(self, reference: Columns, settings: ModelMonitorConfig) -> None:
        self.baseline = Baseline.fit(reference)
        self.settings = settings
        self.alarms = Alarms("model", settings, self.baseline, now_s=START)
        self._profiler = self.baseline.profiler()
        self._take()
        self.alarms.step(self._take(), START)

    def _take(self) -> Profile:
        return self._profiler.profile(reset=True)

    def hour(self, live: Columns, hour: int, windows: bool = True) -> list[tuple[float, str]]:
        """Return what fires or grows in an hour: how far into it, and what is named."""
        rows = len(next(iter(live.values())))
        begin, merged, found = START + HOUR * hour, None, []
        for pane in range(PANES):
            low, high = rows * pane // PANES, rows * (pane + 1) // PANES
            self._profiler.update({name: values[low:high] for name, values in live.items()})
            delta = self._take()
            merged = delta if merged is None else merged.merge(delta)
            now = begin + HOUR * (pane + 1) / PANES
            for alert in self.alarms.step(delta, now):
                found += [((pane + 1) / PANES, name) for name in alert.subjects]
        if windows and merged is not None:
            window = Window(model="model", version=1, begin_s=begin, end_s=begin + HOUR, profile=merged)
            reports = compare(window, self.baseline, [], level=self.alarms.level(window))
            for alert in self.alarms.judge(window, reports, now_s=window.end_s):
                found += [(1.0, name) for name in alert.subjects if alert.state == "firing"]
        return found

    def firing(self) -> set[str]:
        return {alert.id for alert in self.alarms.active}


@dataclass(frozen=True)
class Limits:
    """Thresholds of PSI and KS: in use, and those of one false alarm a week."""

    psi: float
    ks: float
    ks_p: float


def limits(random: np.random.Generator, rows: int, windows: int) -> tuple[Limits, list[float]]:
    """Return thresholds, and how many false alarms a week those in use have: PSI 0.1, 0.2, KS p 0.05."""
    psi, ks = [], []
    for index in range(windows):
        if index % 50 == 0:  # references differ as well
            fixed = Fixed(columns(random, REFERENCE_ROWS))
        scores = fixed.scores(columns(random, rows))
        psi.append(max(scores[0].values()))
        ks.append(max(scores[1].values()))
    rate = 1 - 1 / HOURS_OF_A_WEEK
    ks_p = float(np.sqrt(-np.log(0.05 / 2) / 2 * (1 / rows + 1 / REFERENCE_ROWS)))
    found = Limits(float(np.quantile(psi, rate)), float(np.quantile(ks, rate)), ks_p)
    weekly = [
        float(np.mean(np.array(values) >= limit)) * HOURS_OF_A_WEEK
        for values, limit in ((psi, 0.1), (psi, 0.2), (ks, ks_p))
    ]
    return found, weekly


def false_alarms(random: np.random.Generator, rows: int, weeks: int) -> float:
    """Return the alerts that fire in a week when nothing moves; a reference of its own for each week."""
    fired = 0
    for _ in range(weeks):
        model = Model(columns(random, REFERENCE_ROWS), ModelMonitorConfig())
        seen: set[str] = set()
        for hour in range(HOURS_OF_A_WEEK):
            model.hour(columns(random, rows), hour)
            fired += len(model.firing() - seen)
            seen |= model.firing()
    return fired / weeks


def delays(random: np.random.Generator, rows: int, name: str, move: Move, found: Limits) -> list[float]:
    """Return after how many hours each method names the feature that moved; infinity where it does not."""
    reference = columns(random, REFERENCE_ROWS)
    both = Model(reference, ModelMonitorConfig())
    windows = Model(reference, ModelMonitorConfig(watch=False))
    watch = Model(reference, ModelMonitorConfig())
    fixed = Fixed(reference)
    for hour in range(QUIET_HOURS):
        live = columns(random, rows)
        both.hour(live, hour)
        watch.hour(live, hour, windows=False)
    first = [np.inf] * 7
    for hour in range(LONGEST_HOURS):
        live = columns(random, rows)
        move(random, live)
        at = QUIET_HOURS + hour
        for place, one in enumerate((both, windows, watch)):
            if first[place] == np.inf:
                for into, subject in one.hour(live, at, windows=one is not watch):
                    if subject == name:
                        first[place] = min(first[place], hour + into)
        psi, ks = fixed.scores({name: live[name]})
        reached = (
            psi[name] >= found.psi,
            psi[name] >= 0.1,
            ks.get(name, 0.0) >= found.ks,
            ks.get(name, 0.0) >= found.ks_p,
        )
        for place, is_reached in enumerate(reached, 3):
            if is_reached and first[place] == np.inf:
                first[place] = hour + 1.0
        if max(first) < np.inf or (hour >= 48 and max(first[:3]) < np.inf):
            break
    return first


def shown(values: list[float], longest: float) -> str:
    middle = float(np.median(values))
    if np.isinf(middle):
        share = float(np.mean(np.isfinite(values)))
        return (
            f"> {longest:.0f} h"
            if share == 0
            else f"> {longest:.0f} h ({share:.0%} found)".replace("%", " %")
        )
    return f"{middle * 60:.0f} min" if middle < 1 else f"{middle:.1f} h" if middle < 10 else f"{middle:.0f} h"


HEAD = (
    "windows and watch",
    "windows",
    "watch",
    "PSI, same rate",
    "PSI ≥ 0.1",
    "KS, same rate",
    "KS p ≤ 0.05",
)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--weeks", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--rows", type=int, nargs="*", default=[200, 1000, 10_000])
    asked = parser.parse_args()
    print("| rows an hour | what moves | " + " | ".join(HEAD) + " |")
    print("|---" * (len(HEAD) + 2) + "|")
    for rows in asked.rows:
        random = np.random.default_rng(rows)
        found, weekly = limits(random, rows, windows=1008 if rows >= 10_000 else 2016)
        quiet = false_alarms(random, rows, asked.weeks)
        cells = [f"{quiet:.2g}", "", "", "1", f"{weekly[0]:.2g}", "1", f"{weekly[2]:.2g}"]
        print(f"| {rows:,} | nothing: false alarms a week | " + " | ".join(cells) + " |", flush=True)
        for what, (name, move) in MOVES.items():
            every = [delays(random, rows, name, move, found) for _ in range(asked.repeats)]
            columns_of = zip(*every, strict=True)
            cells = [
                shown(list(values), LONGEST_HOURS if i < 3 else 48) for i, values in enumerate(columns_of)
            ]
            print(f"| {rows:,} | {what} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
