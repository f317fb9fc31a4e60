"""What all detectors have in common: arrays, restarts, bytes, and values that nobody expects."""

from __future__ import annotations

import copy
import hashlib
import itertools
import pickle
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import BundleError, ConfigError, SignatureError
from penstock.monitor.detectors import (
    ADWIN,
    CUSUM,
    DDM,
    DETECTORS,
    EDDM,
    HDDM_A,
    HDDM_W,
    KSWIN,
    Detector,
    PageHinkley,
    WarningDetector,
    encoding,
)

SENSITIVE: dict[str, Callable[[], Detector]] = {
    "ADWIN": lambda: ADWIN(delta=0.05, clock=8),
    "ADWIN that goes on": lambda: ADWIN(delta=0.05, clock=8, restart=False),
    "CUSUM": lambda: CUSUM(warm_start=30),
    "CUSUM of a target": lambda: CUSUM(mean=0.3, standard_deviation=0.5),
    "DDM": lambda: DDM(warning_threshold=1.0, drift_threshold=2.0),
    "EDDM": EDDM,
    "HDDM_A": lambda: HDDM_A(two_sided=True),
    "HDDM_W": lambda: HDDM_W(two_sided=True),
    "KSWIN": lambda: KSWIN(alpha=0.05, window_size=60, stat_size=20, seed=3),
    "KSWIN of a long window": lambda: KSWIN(alpha=0.05, window_size=300, stat_size=20, seed=2**50),
    "PageHinkley": lambda: PageHinkley(threshold=5.0),
}

each = pytest.mark.parametrize("make", SENSITIVE.values(), ids=SENSITIVE.keys())

hostile = st.one_of(
    st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 1e100, -1e100, 5e-324, -0.0]),
    st.floats(width=64),
    st.floats(0, 1),
)


def errors(seed: int = 0, n: int = 500) -> np.ndarray:
    """Return errors whose rate jumps."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.random(n) < rate for rate in (0.1, 0.4, 0.2, 0.8, 0.1)]).astype(float)


def one_by_one(detector: Detector, values: Any) -> list[int]:
    return [i for i, x in enumerate(values) if detector.update(x)]


def state(detector: Detector) -> tuple[object, ...]:
    return detector.drift, detector.n, detector.ignored, detector.detections, detector.estimates()


@each
def test_an_array_gives_what_its_values_give_one_by_one(make: Callable[[], Detector]) -> None:
    values = errors()
    whole, single = make(), make()
    found = whole.update(values)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.int64
    assert len(found) > 0
    assert found.tolist() == one_by_one(single, values.tolist())
    assert state(whole) == state(single)
    assert whole.n == len(values)
    assert whole.detections == len(found)


@each
def test_pieces_of_any_length_give_what_the_whole_gives(make: Callable[[], Detector]) -> None:
    values = errors(1)
    rng = np.random.default_rng(1)
    cuts = [0, *sorted(rng.integers(0, len(values), 40).tolist()), len(values)]
    whole, pieces = make(), make()
    found = [
        start + index
        for start, stop in itertools.pairwise(cuts)
        for index in pieces.update(values[start:stop]).tolist()
    ]
    assert found == whole.update(values).tolist()
    assert state(whole) == state(pieces)


@each
def test_reset_makes_it_what_it_was_when_constructed(make: Callable[[], Detector]) -> None:
    detector, fresh = make(), make()
    values = errors(2)
    detector.update(values)
    detector.update(np.nan)
    detector.reset()
    assert state(detector) == state(fresh)
    assert detector.update(values).tolist() == fresh.update(values).tolist()


@each
@pytest.mark.parametrize("cut", [0, 1, 17, 250, 501, 503, 1333, 2500])
def test_it_goes_on_from_bytes_where_it_was(make: Callable[[], Detector], cut: int) -> None:
    values = errors(3)
    detector = make()
    detector.update(values[:cut])
    detector.update(np.inf)
    restored = type(detector).from_bytes(detector.to_bytes())
    assert type(restored) is type(detector)
    assert restored.parameters == detector.parameters
    assert state(restored) == state(detector)
    assert restored.to_bytes() == detector.to_bytes()
    assert restored.update(values[cut:]).tolist() == detector.update(values[cut:]).tolist()
    assert state(restored) == state(detector)


@each
def test_it_goes_on_from_bytes_right_after_drift(make: Callable[[], Detector]) -> None:
    values = errors(4)
    detector = make()
    first = next(i for i, x in enumerate(values) if detector.update(x))
    restored = Detector.from_bytes(detector.to_bytes())
    assert restored.drift
    assert restored.update(values[first + 1 :]).tolist() == detector.update(values[first + 1 :]).tolist()


@each
def test_copies_go_on_by_themselves(make: Callable[[], Detector]) -> None:
    detector = make()
    detector.update(errors(5)[:700])
    for other in (copy.copy(detector), copy.deepcopy(detector), pickle.loads(pickle.dumps(detector))):
        before = state(detector)
        assert state(other) == before
        other.update(errors(6))
        assert state(detector) == before


@each
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308, -1.1e100])
def test_a_value_that_does_not_count_changes_only_its_count(
    make: Callable[[], Detector], value: float
) -> None:
    values = errors(7)
    clean, dirty = make(), make()
    places = np.arange(0, len(values), 7)
    found = dirty.update(np.insert(values, places, value))
    shifts = np.searchsorted(places, np.arange(len(values)), side="right")
    expected = clean.update(values)
    assert found.tolist() == (expected + shifts[expected]).tolist()
    assert dirty.ignored == len(places)
    assert dirty.n == len(values)
    assert dirty.estimates() == clean.estimates()
    assert dirty.update(value) is False


@pytest.mark.parametrize("kind", [DDM, EDDM, HDDM_A, HDDM_W])
def test_errors_lie_between_0_and_1(kind: type[Detector]) -> None:
    detector = kind()
    detector.update([0, 1, 0.5, -0.1, 1.1, 2])
    assert (detector.n, detector.ignored) == (3, 3)
    assert isinstance(detector, WarningDetector)
    assert detector.warning is False


@each
@given(values=st.lists(hostile, max_size=300))
@settings(deadline=None, max_examples=60)
def test_no_value_raises_or_leaves_an_estimate_that_is_not_finite(
    make: Callable[[], Detector], values: list[float]
) -> None:
    detector = make()
    array = np.array(values * 3)
    found = detector.update(array)
    assert detector.n + detector.ignored == len(array)
    assert all(np.isfinite(value) for value in detector.estimates().values())
    assert found.tolist() == one_by_one(make(), array.tolist())
    restored = Detector.from_bytes(detector.to_bytes())
    assert state(restored) == state(detector)


@each
def test_dtypes_strides_and_read_only_arrays(make: Callable[[], Detector]) -> None:
    values = errors(8)
    expected = make().update(values).tolist()
    frozen = values.copy()
    frozen.flags.writeable = False
    spread = np.zeros((len(values), 3))
    spread[:, 1] = values
    for same in (
        *(values.astype(dtype) for dtype in (np.float32, np.int8, np.uint64, np.bool_, ">f8")),
        frozen,
        spread[:, 1],
        values[::-1].copy()[::-1],
        values.tolist(),
        tuple(values),
    ):
        assert make().update(same).tolist() == expected


@each
def test_one_value_may_be_any_number(make: Callable[[], Detector]) -> None:
    detector = make()
    for one in (0, 1, True, 0.5, np.float32(0.5), np.int64(1), np.bool_(True), np.array(0.5)):
        assert detector.update(one) is False
    assert detector.n == 8


@each
def test_no_values_change_nothing(make: Callable[[], Detector]) -> None:
    detector = make()
    before = state(detector)
    assert detector.update([]).tolist() == []
    assert state(detector) == before


def test_other_shapes_are_refused() -> None:
    with pytest.raises(
        SignatureError, match=r"expected one value or an array of shape \(n,\), got shape \(2, 3\)"
    ):
        ADWIN().update(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        (ADWIN, {"delta": 0}, "delta: expected a finite number above 0 and at most 1, got 0"),
        (ADWIN, {"delta": np.nan}, "delta: expected .* got nan"),
        (ADWIN, {"clock": 0}, "clock: expected an integer from 1 to 2147483647, got 0"),
        (ADWIN, {"max_buckets": 1}, "max_buckets: expected an integer from 2 to 4096, got 1"),
        (ADWIN, {"clock": 3.5}, r"clock: expected an integer .* got 3\.5"),
        (ADWIN, {"min_window_length": True}, "min_window_length: expected an integer .* got True"),
        (ADWIN, {"grace_period": -1}, "grace_period: expected an integer from 0 .* got -1"),
        (ADWIN, {"restart": 1}, "restart: expected True or False, got 1"),
        (CUSUM, {"mean": 1.0}, "expected mean and standard_deviation together or neither"),
        (CUSUM, {"mean": 1.0, "standard_deviation": 0}, "standard_deviation: expected .* above 0"),
        (CUSUM, {"warm_start": 1}, "warm_start: expected an integer from 2"),
        (CUSUM, {"threshold": 0.0}, "threshold: expected a finite number above 0, got 0.0"),
        (CUSUM, {"mode": "sideways"}, "mode: expected one of up, down, both; got 'sideways'"),
        (DDM, {"drift_threshold": 1.0}, "drift_threshold: expected at least the warning's, 2, got 1"),
        (DDM, {"warm_start": -1}, "warm_start: expected an integer from 0"),
        (EDDM, {"beta": 0.96}, "beta: expected at most alpha, 0.95, got 0.96"),
        (HDDM_A, {"warning_confidence": 1e-4}, "warning_confidence: expected at least that of drift, 0.001"),
        (HDDM_W, {"weight": 1.5}, "weight: expected .* at most 1, got 1.5"),
        (HDDM_W, {"drift_confidence": "low"}, "drift_confidence: expected a finite number .* got 'low'"),
        (KSWIN, {"window_size": 59}, "window_size: expected an integer from 60 to 1000000, got 59"),
        (KSWIN, {"stat_size": 10_001}, "stat_size: expected an integer from 1 to 10000, got 10001"),
        (KSWIN, {"seed": -1}, "seed: expected an integer from 0"),
        (KSWIN, {"alpha": 1.1}, "alpha: expected .* got 1.1"),
        (PageHinkley, {"alpha": 0}, "alpha: expected a finite number above 0 and at most 1, got 0"),
        (PageHinkley, {"delta": -1}, "delta: expected a finite number at least 0, got -1"),
        (PageHinkley, {"mode": None}, "mode: expected one of up, down, both; got None"),
    ],
)
def test_bad_parameters_are_refused(kind: Any, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(**parameters)


@each
def test_repr_makes_it_again(make: Callable[[], Detector]) -> None:
    detector = make()
    again = eval(repr(detector), dict(DETECTORS))
    assert type(again) is type(detector)
    assert again.parameters == detector.parameters
    with pytest.raises(TypeError):
        detector.parameters["seed"] = 1  # type: ignore[index]


def test_a_seed_that_was_not_given_is_kept() -> None:
    first, second = KSWIN(), KSWIN()
    assert first.parameters["seed"] != second.parameters["seed"]
    again = KSWIN(**first.parameters)
    values = errors(9)
    assert again.update(values).tolist() == first.update(values).tolist()


@each
def test_damaged_bytes_are_refused(make: Callable[[], Detector]) -> None:
    detector = make()
    detector.update(errors(10)[:300])
    data = detector.to_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(data), 30):
        broken = bytearray(data)
        broken[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(BundleError):
            Detector.from_bytes(bytes(broken))
    for length in (0, 1, 17, 50, 51, len(data) - 1):
        with pytest.raises(BundleError):
            Detector.from_bytes(data[:length])
    with pytest.raises(BundleError):
        Detector.from_bytes(data + b"\0")


def test_bytes_of_another_detector_or_format_are_refused() -> None:
    data = DDM().to_bytes()
    with pytest.raises(BundleError, match="expected the bytes of ADWIN, got those of DDM"):
        ADWIN.from_bytes(data)
    newer = data[:17] + (2).to_bytes(2, "little") + data[19:]
    with pytest.raises(BundleError, match="expected a detector of format 1, got 2; a newer version"):
        DDM.from_bytes(newer)


def forge(name: str, parameters: dict[str, Any], words: bytes) -> bytes:
    """Return bytes whose digest is right, whatever else they are."""
    body = msgspec.msgpack.encode([name, parameters, words])
    return encoding._HEADER.pack(encoding._MARK, encoding.FORMAT, hashlib.sha256(body).digest()) + body


@each
@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_a_forged_state_is_refused_or_harmless(make: Callable[[], Detector], data: st.DataObject) -> None:
    detector = make()
    detector.update(errors(11)[:200])
    words = np.frombuffer(detector._save(), "<i8").copy()
    values = st.one_of(st.integers(-3, 70), st.integers(-(2**63), 2**63 - 1), st.just(0x7FF8 << 48))
    for _ in range(data.draw(st.integers(1, 3))):
        words[data.draw(st.integers(0, len(words) - 1))] = data.draw(values)
    kept = data.draw(st.integers(0, len(words)) | st.just(len(words)))
    forged = forge(type(detector).__name__, dict(detector.parameters), words[:kept].tobytes())
    try:
        restored = Detector.from_bytes(forged)
    except BundleError:
        return
    restored.update(errors(12))
    restored.estimates()


def test_parameters_of_forged_bytes_are_checked() -> None:
    for parameters in ({"delta": 7}, {"depth": 1}, {"max_buckets": 10**9}):
        with pytest.raises(BundleError, match="the parameters of the ADWIN are not sound"):
            Detector.from_bytes(forge("ADWIN", parameters, b""))
    with pytest.raises(BundleError, match="got those of Oracle"):
        Detector.from_bytes(forge("Oracle", {}, b""))


@each
def test_threads_may_share_one(make: Callable[[], Detector]) -> None:
    detector = make()
    values = np.tile(errors(13), 4)

    def work() -> None:
        for _ in range(5):
            detector.update(values)
            detector.update(0.5)
            detector.estimates()
            Detector.from_bytes(detector.to_bytes())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert detector.n == 4 * 5 * (len(values) + 1)


def test_memory_is_bounded() -> None:
    adwin, kswin = ADWIN(), KSWIN(seed=1)
    values = np.random.default_rng(0).normal(size=200_000)
    sizes = []
    for _ in range(4):
        adwin.update(values)
        kswin.update(values[:20_000])
        sizes.append(len(adwin.to_bytes()))
    assert max(sizes) < 3_000
    assert len(kswin.to_bytes()) < 6_000
