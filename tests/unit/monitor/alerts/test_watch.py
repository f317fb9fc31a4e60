"""The watch: finds what moved, says since when, goes on after a restart."""

from __future__ import annotations

import numpy as np
import pytest
from alarm_streams import NAMES, profiles
from drift_profiles import profile_of

from penstock.config.monitor import ModelMonitorConfig
from penstock.errors import BundleError
from penstock.monitor.alerts import Alarms
from penstock.monitor.alerts.watch import Watch
from penstock.monitor.baseline import Baseline
from penstock.monitor.profile import Profile

HOUR = 3600.0
START = 1_700_000_000.0
SHARES = np.arange(1, 11) / 55


def columns(random: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    found = {f"x{index}": random.normal(size=rows) for index in range(4)}
    found["gaps"] = np.where(random.random(rows) < 0.02, np.nan, random.normal(size=rows))
    found["state"] = NAMES[random.choice(10, rows, p=SHARES)]
    return found


@pytest.fixture(scope="module")
def baseline() -> Profile:
    return profiles(columns(np.random.default_rng(0), 20_000))


def watch_of(baseline: Profile, **more: float) -> Watch:
    return Watch(baseline, **{"false_alarms_per_week": 0.5, "again_s": HOUR, **more})


def play(watch, baseline, move, *, steps, rows=200, seed=1, begin=0, took=60.0):
    """Step until something is found; return what and after how many rows."""
    random = np.random.default_rng(seed)
    for step in range(begin, begin + steps):
        live = columns(random, rows)
        move(random, live)
        found = watch.step(profiles(live, baseline), START + took * step)
        if found:
            return found, (step - begin + 1) * rows
    return [], steps * rows


def nothing_of(baseline: Profile) -> Profile:
    return profiles({name: x[:0] for name, x in columns(np.random.default_rng(1), 1).items()}, baseline)


def nothing(random, live):
    pass


def shift(by):
    def move(random, live):
        live["x1"] = live["x1"] + by

    return move


def recode(random, live):
    live["state"] = np.where(live["state"] == "c0005", "5.0", live["state"])


def rare(random, live):
    live["state"] = np.where(live["state"] == "c0002", "c0001", live["state"])


def lose(random, live):
    live["gaps"] = np.where(random.random(len(live["gaps"])) < 0.05, np.nan, live["gaps"])


def spread(random, live):
    live["x2"] = live["x2"] * 1.3


def beyond(random, live):
    live["x3"] = np.where(random.random(len(live["x3"])) < 0.01, 50.0, live["x3"])


def infinite(random, live):
    live["x0"] = np.where(random.random(len(live["x0"])) < 0.02, np.inf, live["x0"])


CASES = {
    "shift of 0.25": (shift(0.25), "x1", {"mean_rank"}, 3500),
    "shift of -0.5": (shift(-0.5), "x1", {"mean_rank"}, 1200),
    "recoded": (recode, "state", {"unseen", "category"}, 800),
    "rare recoded": (rare, "state", {"category"}, 2500),
    "missing": (lose, "gaps", {"missing"}, 2000),
    "spread": (spread, "x2", {"spread_rank", "interval"}, 4000),
    "beyond": (beyond, "x3", {"out_of_range"}, 2500),
    "infinite": (infinite, "x0", {"infinite"}, 1500),
}


@pytest.mark.parametrize("case", CASES)
def test_what_moves_is_found_and_named_alone(case: str, baseline: Profile) -> None:
    move, name, checks, within = CASES[case]
    watch = watch_of(baseline)
    assert play(watch, baseline, nothing, steps=20)[0] == []
    found, rows = play(watch, baseline, move, steps=60, begin=20, seed=2)
    assert [crossing.feature for crossing in found] == [name]
    assert found[0].check in checks
    assert rows <= within
    assert 0 < found[0].evidence < 0.01
    began = (found[0].since_s - START) / 60.0
    assert 10 <= began <= 20 + rows / 200
    assert found[0].current.rows >= 200


def test_since_when_is_near_the_change(baseline: Profile) -> None:
    apart = []
    for seed in range(6):
        watch = watch_of(baseline)
        play(watch, baseline, nothing, steps=60, seed=seed)
        found, _ = play(watch, baseline, shift(0.3), steps=60, begin=60, seed=50 + seed)
        apart.append((found[0].since_s - START) / 60.0 - 59)
    assert abs(float(np.median(apart))) <= 2
    assert max(map(abs, apart)) <= 8


def test_two_that_move_at_once_are_both_found(baseline: Profile) -> None:
    def both(random, live):
        shift(0.5)(random, live)
        recode(random, live)

    watch = watch_of(baseline)
    random = np.random.default_rng(5)
    names: set[str] = set()
    for step in range(20):
        live = columns(random, 200)
        both(random, live)
        names |= {c.feature for c in watch.step(profiles(live, baseline), START + 60.0 * step)}
    assert names == {"x1", "state"}


def test_small_effects_are_nothing_where_they_do_not_matter(baseline: Profile) -> None:
    assert play(watch_of(baseline), baseline, shift(0.1), steps=40, rows=1000)[0]
    loose = watch_of(baseline, min_effect=0.06)  # a shift by 0.1 σ moves 4 % of the rows past the median
    assert not play(loose, baseline, shift(0.1), steps=60, rows=2000)[0]
    assert play(loose, baseline, shift(0.5), steps=10, rows=1000)[0]


def test_time_without_rows_is_no_evidence(baseline: Profile) -> None:
    watch = watch_of(baseline)
    empty = nothing_of(baseline)
    assert watch.step(empty, START) == []
    live = profiles(columns(np.random.default_rng(2), 50), baseline)
    for year in range(3):
        assert watch.step(empty, START + year * 3e7) == []
        assert watch.step(live, START + year * 3e7 + 1) == []
    assert watch.step(live, START - 1e9) == []  # a clock that was set back
    assert max(watch.evidence.values()) < 0.5


def test_a_restart_goes_on_from_the_same_evidence(baseline: Profile) -> None:
    first, second = watch_of(baseline), watch_of(baseline)
    random = np.random.default_rng(3)
    panes = [profiles({**(c := columns(random, 100)), "x1": c["x1"] + 0.4}, baseline) for _ in range(8)]
    for step, pane in enumerate(panes[:4]):
        assert first.step(pane, START + step) == []
    second.restore(first.state())
    assert second.evidence == first.evidence
    second.step(nothing_of(baseline), START + 3)
    for step, pane in enumerate(panes[4:]):
        one, two = first.step(pane, START + 4 + step), second.step(pane, START + 4 + step)
        assert [c.feature for c in one] == [c.feature for c in two]
        assert second.evidence == pytest.approx(first.evidence)
    with pytest.raises(BundleError, match="does not fit"):
        watch_of(profile_of(baseline["x1"])).restore(first.state())


def test_how_rows_are_cut_into_steps_matters_little(baseline: Profile) -> None:
    """The same rows in steps of one time: once bets began, they are multiplied by the same rows."""
    random = np.random.default_rng(4)
    live = {name: np.concatenate([x, x]) for name, x in columns(random, 1000).items()}
    live["x1"] = live["x1"] + 0.2
    evidence = []
    for rows in (20, 100, 500):
        watch = watch_of(baseline)
        watch.step(profiles({name: x[:20] for name, x in live.items()}, baseline), START)
        for at in range(0, 1500, rows):
            pane = {name: x[at : at + rows] for name, x in live.items()}
            watch.step(profiles(pane, baseline), START + at + rows)
        evidence.append(np.log(watch.evidence["x1"]))
    assert np.ptp(evidence) < 1.5


def test_many_features_are_stepped_over_quickly_enough_to_keep_tables_small() -> None:
    random = np.random.default_rng(6)
    wide = {f"x{index}": random.normal(size=500) for index in range(200)}
    reference = profiles(wide)
    watch = watch_of(reference)
    assert watch.detectors.won.nbytes < 2e6
    for step in range(200):
        watch.step(reference, START + step)
        watch.detectors.reset(list(range(200)))
    assert len(watch._recent._kept) <= 40


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308, -1e308, 5e-324, 0.0, np.nan])
@pytest.mark.parametrize("of", ["baseline", "tiny", "huge", "constant", "infinite"])
def test_no_number_is_an_exception(value: float, of: str) -> None:
    random = np.random.default_rng(8)
    reference = {
        "baseline": random.normal(size=400),
        "tiny": random.normal(size=400) * 1e-310,
        "huge": random.normal(size=400) * 1e307,
        "constant": np.ones(400),
        "infinite": np.where(random.random(400) < 0.9, np.inf, random.normal(size=400)),
    }[of]
    fitted = Baseline.fit({"x": reference})
    alarms = Alarms("m", ModelMonitorConfig(), fitted)
    profiler = fitted.profiler()
    said = []
    for step in range(4):
        profiler.update({"x": np.append(random.choice(reference, 50), np.full(100 * (step > 1), value))})
        said += alarms.step(profiler.profile(reset=True), START + 60 * step)
    assert all(alert.to_dict() for alert in said)
    assert np.isfinite(list(alarms.watch.evidence.values())).all()
