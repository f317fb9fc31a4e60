"""Profiles: values that merge in any order and travel as bytes."""

from __future__ import annotations

import itertools
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from penstock.errors import BundleError, ConfigError
from penstock.monitor.baseline import Baseline
from penstock.monitor.profile import FeatureProfile, Profile
from penstock.monitor.profiler import Profiler

COUNTS = (
    "rows",
    "missing",
    "infinite",
    "below",
    "above",
    "unseen",
    "minimum",
    "maximum",
    "distinct",
    "registers",
)


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    rng = np.random.default_rng(0)
    return Baseline.fit({"x": rng.normal(size=2000), "t": rng.choice(["a", "b", "c"], 2000)})


def parts(baseline: Baseline, count: int = 4) -> list[Profile]:
    rng = np.random.default_rng(1)
    found = []
    for i in range(count):
        profiler = baseline.profiler()
        x = rng.normal(i, 3, 500)
        x[:i] = np.nan
        x[-i - 1] = np.inf
        profiler.update({"x": x, "t": rng.choice(["a", "d", "e", None], 500)})
        found.append(profiler.profile())
    return found


def test_any_order_and_grouping_merges_to_the_same(baseline: Baseline) -> None:
    profiles = parts(baseline)
    wanted = profiles[0].merge(profiles[1]).merge(profiles[2]).merge(profiles[3])
    for a, b, c, d in itertools.permutations(profiles):
        for merged in (
            a.merge(b).merge(c).merge(d),
            a.merge(b).merge(c.merge(d)),
            a.merge(b.merge(c.merge(d))),
        ):
            assert merged.rows == 2000
            for feature in wanted:
                other = merged[feature.name]
                for name in COUNTS:
                    assert np.array_equal(
                        getattr(other, name),
                        getattr(feature, name),
                        equal_nan=name != "registers" and feature.kind == "categorical",
                    )
                assert other.histogram.tolist() == feature.histogram.tolist()
                assert other.counts.tolist() == feature.counts.tolist()
                assert other.unseen_top == feature.unseen_top
            assert merged["x"].mean == pytest.approx(wanted["x"].mean, rel=1e-14)
            assert merged["x"].m2 == pytest.approx(wanted["x"].m2, rel=1e-13)


def test_merging_with_nothing_changes_nothing(baseline: Baseline) -> None:
    (profile,) = parts(baseline, 1)
    empty = Profiler(baseline).profile()
    assert profile.merge(empty) == profile
    assert empty.merge(profile) == profile
    assert empty.merge(empty) == empty


def test_bytes_are_the_profile(baseline: Baseline) -> None:
    for profile in (baseline.profile, *parts(baseline), Profiler(baseline).profile(), Profile((), 0)):
        data = profile.to_bytes()
        assert Profile.from_bytes(data) == profile
        assert Profile.from_bytes(data).to_bytes() == data


def test_profiles_merge_across_processes(baseline: Baseline) -> None:
    program = """
import sys
from penstock.monitor.profile import Profile
data = sys.stdin.buffer.read()
half = int.from_bytes(data[:8], "little")
a, b = Profile.from_bytes(data[8:8 + half]), Profile.from_bytes(data[8 + half:])
sys.stdout.buffer.write(a.merge(b).to_bytes())
"""
    first, second = parts(baseline, 2)
    a, b = first.to_bytes(), second.to_bytes()
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=len(a).to_bytes(8, "little") + a + b,
        capture_output=True,
        check=True,
    )
    assert Profile.from_bytes(done.stdout) == first.merge(second)


def test_altered_bytes_are_refused(baseline: Baseline) -> None:
    data = parts(baseline, 1)[0].to_bytes()
    for place in range(0, len(data), 7):
        altered = bytearray(data)
        altered[place] ^= 0x10
        with pytest.raises(BundleError, match="p\\.profile: "):
            Profile.from_bytes(bytes(altered), "p.profile")
    for size in (0, 1, 15, 16, 20, 49, 50, 51, len(data) - 1):
        with pytest.raises(BundleError, match=r"expected a profile|truncated"):
            Profile.from_bytes(data[:size])
    with pytest.raises(BundleError, match="truncated"):
        Profile.from_bytes(data + b"\0")


def test_a_newer_format_is_named(baseline: Baseline) -> None:
    data = bytearray(baseline.to_bytes())
    with pytest.raises(BundleError, match=r"expected a profile, got a baseline; read it with Baseline"):
        Profile.from_bytes(bytes(data))
    struct.pack_into("<H", data, 16, 3)
    for read in (Profile.from_bytes, Baseline.from_bytes):
        with pytest.raises(BundleError, match="expected format 1 or 2, got 3; a newer version of Penstock"):
            read(bytes(data))


def test_inconsistent_parts_are_refused(baseline: Baseline) -> None:
    x = baseline.profile["x"]
    for wrong in (
        replace(x, histogram=x.histogram[1:]),
        replace(x, registers=b"12"),
        replace(baseline.profile["t"], counts=np.zeros(1, np.int64)),
    ):
        with pytest.raises(BundleError, match="not well formed"):
            Profile.from_bytes(Profile((wrong,), 1).to_bytes())


def test_other_layouts_do_not_merge(baseline: Baseline) -> None:
    profile = baseline.profile
    others = [
        replace(profile["x"], edges=profile["x"].edges + 1),
        replace(profile["x"], name="y"),
        replace(profile["x"], role="output"),
    ]
    for other in others:
        with pytest.raises(ConfigError, match='"x": expected a profile with the same'):
            profile["x"].merge(other)
    with pytest.raises(ConfigError, match="same 2 features"):
        profile.merge(Profile((profile["x"],), 2000))


def test_what_is_derived() -> None:
    feature = FeatureProfile(
        name="x", kind="numeric", rows=10, missing=2, infinite=1, m2=24.0, below=1, above=2
    )
    assert (feature.present, feature.finite, feature.variance, feature.standard_deviation) == (8, 7, 4.0, 2.0)
    assert (feature.missing_share, feature.out_of_range_share, feature.unseen_share) == (0.2, 0.3, 0.0)
    empty = FeatureProfile(name="x", kind="numeric")
    assert np.isnan([empty.variance, empty.missing_share]).all()
