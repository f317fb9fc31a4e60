"""Counts of quality: against scikit-learn, from any container, merged in any order, as bytes."""

from __future__ import annotations

import itertools
import math
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality_cases import BINARY, CASES, MULTICLASS, REGRESSION, SHARES, counted, drawn
from sklearn import metrics as sk

from penstock.errors import BundleError, ConfigError, SignatureError
from penstock.monitor.quality import QualityCounts, Target, metrics
from penstock.monitor.quality.scores import BINS, EDGES, area, binned

CLASSES = Target(task="multiclass", label="y", prediction=("p",), form="class", classes=("a", "b", "c"))


def values(counts: QualityCounts) -> dict[str, float]:
    return {name: metric.value for name, metric in metrics(counts).items()}


@pytest.mark.parametrize("case", ["even", "rare", "sharp", "overconfident"])
@pytest.mark.parametrize("rows", [40, 5000])
def test_binary_metrics_are_those_of_scikit_learn(case: str, rows: int) -> None:
    label, columns = drawn(case, rows, np.random.default_rng(3))
    score, guess = columns["p"], columns["p"] >= 0.5
    found = values(QualityCounts.of(BINARY, label, columns))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(label, guess))
    assert found["recall"] == pytest.approx(sk.recall_score(label, guess))
    if guess.any():
        assert found["precision"] == pytest.approx(sk.precision_score(label, guess))
        assert found["f1"] == pytest.approx(sk.f1_score(label, guess))
    assert found["selection_rate"] == guess.mean()
    assert found["brier"] == pytest.approx(sk.brier_score_loss(label, score))
    assert found["log_loss"] == pytest.approx(sk.log_loss(label, np.clip(score, 2**-23, 1 - 2**-23)))
    exact = sk.roc_auc_score(label, score)
    curve = area(QualityCounts.of(BINARY, label, columns).scores[0])
    assert abs(curve.value - exact) <= curve.bin_error + 1e-12
    if rows > 1000:
        assert curve.value == pytest.approx(exact, abs=2e-4)


def test_the_calibration_error_is_that_of_bins_of_equal_width() -> None:
    label, columns = drawn("overconfident", 3000, np.random.default_rng(0))
    at = np.minimum((columns["p"] * 15).astype(int), 14)
    gaps = [abs((columns["p"] - label)[at == b].sum()) / 3000 for b in range(15)]
    assert values(counted("overconfident", 3000))["ece"] == pytest.approx(sum(gaps))


def test_metrics_of_many_classes_are_those_of_scikit_learn() -> None:
    label, columns = drawn("classes", 4000, np.random.default_rng(4))
    shares = np.stack([columns[name] for name in SHARES], axis=1)
    guess = shares.argmax(axis=1)
    found = values(QualityCounts.of(MULTICLASS, label, columns))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(label, guess))
    for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
        assert found[name] == pytest.approx(score(label, guess, average="macro", zero_division=0)), name
    assert found["auc"] == pytest.approx(sk.roc_auc_score(label, shares, multi_class="ovr"), abs=1e-4)
    assert found["log_loss"] == pytest.approx(sk.log_loss(label, shares))
    truth = np.eye(4)[label]
    assert found["brier"] == pytest.approx(((shares - truth) ** 2).sum(axis=1).mean())


def test_predicted_classes_are_text_or_numbers() -> None:
    random = np.random.default_rng(5)
    label, guess = random.choice(["a", "b", "c"], 500), random.choice(["a", "b", "c"], 500)
    found = values(QualityCounts.of(CLASSES, label, {"p": guess}))
    assert set(found) == {"accuracy", "precision", "recall", "f1"}
    assert found["f1"] == pytest.approx(sk.f1_score(label, guess, average="macro"))


@pytest.mark.parametrize("case", ["normal", "heavy", "skewed"])
def test_errors_of_a_regression_are_those_of_scikit_learn(case: str) -> None:
    label, columns = drawn(case, 2000, np.random.default_rng(6))
    found = values(QualityCounts.of(REGRESSION, label, columns))
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(label, columns["p"]))
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(label, columns["p"]))
    assert found["bias"] == pytest.approx((columns["p"] - label).mean())


@pytest.mark.parametrize("case", CASES)
def test_any_order_and_grouping_merges_to_the_same(case: str) -> None:
    label, columns = drawn(case, 700, np.random.default_rng(7))
    cuts = [0, 1, 250, 251, 700]
    parts = [
        QualityCounts.of(CASES[case], label[a:b], {name: column[a:b] for name, column in columns.items()})
        for a, b in itertools.pairwise(cuts)
    ]
    whole = QualityCounts.of(CASES[case], label, columns)
    for a, b, c, d in itertools.permutations(parts):
        for merged in (
            a.merge(b).merge(c).merge(d),
            a.merge(b.merge(c.merge(d))),
            a.merge(b).merge(c.merge(d)),
        ):
            assert merged.rows == whole.rows
            for name in ("confusion", "scores", "confident"):
                assert np.array_equal(getattr(merged, name), getattr(whole, name)), name
            assert values(merged) == pytest.approx(values(whole), rel=1e-9, nan_ok=True)
    assert whole.merge(QualityCounts.empty(CASES[case])) == whole
    assert QualityCounts.empty(CASES[case]).merge(whole) == whole


def test_counts_of_another_layout_do_not_merge() -> None:
    for other in (replace(BINARY, threshold=0.4), replace(BINARY, classes=("no", "yes")), REGRESSION):
        with pytest.raises(ConfigError, match="expected counts of the same task, classes and threshold"):
            counted("even", 50).merge(QualityCounts.empty(other))
    assert counted("even", 50).merge(QualityCounts.empty(replace(BINARY, label="z"))).rows == 50


@pytest.mark.parametrize("case", CASES)
def test_bytes_give_the_same_back(case: str) -> None:
    counts = counted(case, 300)
    data = counts.to_bytes()
    assert QualityCounts.from_bytes(data) == counts
    assert QualityCounts.from_bytes(data).to_bytes() == data
    empty = QualityCounts.empty(CASES[case])
    assert QualityCounts.from_bytes(empty.to_bytes()) == empty
    for at in (0, 20, 60, len(data) - 1):
        altered = bytearray(data)
        altered[at] ^= 1
        with pytest.raises(BundleError, match=r"window\.bin"):
            QualityCounts.from_bytes(bytes(altered), "window.bin")
    for size in (0, 10, 40, len(data) - 1):
        with pytest.raises(BundleError):
            QualityCounts.from_bytes(data[:size])
    newer = bytearray(data)
    struct.pack_into("<H", newer, 16, 2)
    with pytest.raises(BundleError, match="expected quality of format 1, got 2; a newer version of Penstock"):
        QualityCounts.from_bytes(bytes(newer))


@pytest.mark.parametrize(
    "wrap",
    [
        list,
        pa.array,
        lambda items: pa.chunked_array([items[:1], items[1:]]),
        lambda items: pd.Series(items),
        lambda items: pa.array(items).dictionary_encode(),
    ],
)
@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 1, None, 1],
        [0.0, 1.0, 1.0, math.nan, 1.0],
        [False, True, True, None, True],
        ["0", "1", "1.0", None, "1"],
        ["0", "1", "1", "maybe", "1"],
    ],
)
def test_any_container_of_labels(wrap: Any, labels: list[Any]) -> None:
    if labels[0] is False and wrap is not list:
        labels = [None if value is None else bool(value) for value in labels]
    predictions = {"p": wrap([0.2, 0.6, 0.4, 0.9, 0.7])}
    counts = QualityCounts.of(BINARY, wrap(labels), predictions)
    assert (counts.rows, counts.invalid) == (4, 1)
    assert counts.confusion.tolist() == [[1, 0], [1, 2]]


@given(
    labels=st.lists(st.sampled_from([0.0, 1.0, 2.0, -1.0, math.nan, math.inf, 0.5]), min_size=1, max_size=30),
    seed=st.integers(0, 99),
)
def test_what_cannot_be_counted_is_counted_as_such(labels: list[float], seed: int) -> None:
    pool = np.array([0.0, 0.5, 1.0, 1.000001, -1e-7, 1.5, -0.1, math.nan, math.inf, -math.inf, 1e308, 5e-324])
    score = np.random.default_rng(seed).choice(pool, len(labels))
    counts = QualityCounts.of(BINARY, labels, {"p": score})
    good = np.isin(labels, (0.0, 1.0)) & (score > -1e-5) & (score < 1 + 1e-5)
    assert (counts.rows, counts.invalid) == (good.sum(), (~good).sum())
    assert counts.scores.sum() == counts.confusion.sum() == counts.confident[0].sum() == counts.rows
    for metric in metrics(counts).values():
        assert math.isnan(metric.value) or metric.low <= metric.value <= metric.high


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=30))
def test_no_number_breaks_a_regression(pairs: list[tuple[float, float]]) -> None:
    label, guess = (np.array([pair[side] for pair in pairs], np.float64) for side in (0, 1))
    counts = QualityCounts.of(REGRESSION, label, {"p": guess})
    assert counts.rows == (np.isfinite(label) & np.isfinite(guess)).sum()
    for metric in metrics(counts).values():
        assert metric.rows == 0 or math.isfinite(metric.value)


def test_texts_that_are_numbers_are_labels_of_a_regression() -> None:
    counts = QualityCounts.of(REGRESSION, ["1.5", "x", None, "2"], {"p": [1, 1, 1, 1]})
    assert (counts.rows, counts.invalid, counts.error.mean) == (2, 2, -0.75)


def test_codes_with_leading_zeros_stay_apart() -> None:
    target = Target(task="multiclass", label="y", prediction=("p",), form="class", classes=("01", "1", "nan"))
    assert target.codes(["01", "1", "1.0", "nan", "001", " 1"]).tolist() == [0, 1, 1, 2, -1, -1]


def test_columns_that_do_not_fit_are_named() -> None:
    with pytest.raises(SignatureError, match=r'expected a column "p", got \["q"\]|got \[\'q\'\]'):
        QualityCounts.of(BINARY, [1], {"q": [0.5]})
    with pytest.raises(SignatureError, match="expected a label for each of 2 predictions, got 1 labels"):
        QualityCounts.of(BINARY, [1], {"p": [0.5, 0.5]})
    with pytest.raises(SignatureError, match="expected numbers or text"):
        QualityCounts.of(BINARY, pa.array([[1]]), {"p": [0.5]})


def test_bins_are_finer_towards_the_ends() -> None:
    assert BINS == 1024
    assert (np.diff(EDGES) > 0).all()
    assert 0.5 in EDGES
    assert np.allclose(EDGES, 1 - EDGES[::-1], atol=0)
    below = EDGES[EDGES < 0.5]
    assert (np.diff(below) <= below[:-1] / 32 * (1 + 1e-12)).all()
    assert binned(np.array([0.0, 1.0, 0.5]), np.array([False, True, True])).sum() == 3


def test_another_threshold_is_counted_from_the_bins() -> None:
    label, columns = drawn("even", 4000, np.random.default_rng(8))
    counts = QualityCounts.of(BINARY, label, columns)
    for threshold in (0.0, 0.25, 0.375, 0.5, 0.75, 1.0):
        wanted = QualityCounts.of(replace(BINARY, threshold=threshold), label, columns)
        found = counts.with_threshold(threshold)
        if threshold < 1:
            assert np.array_equal(found.confusion, wanted.confusion), threshold
        assert found.target.threshold == threshold
    near = (
        counts.with_threshold(0.3).confusion
        - QualityCounts.of(replace(BINARY, threshold=0.3), label, columns).confusion
    )
    assert abs(near).max() <= 0.01 * 4000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prediction": ("p", "q")}, "expected 1 columns"),
        ({"threshold": 1.5}, "expected a probability from 0 to 1"),
        ({"classes": ("1",)}, "expected two classes or more"),
        ({"task": "regression"}, "expected two classes or more"),
    ],
)
def test_targets_that_make_no_sense(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(BINARY, **change)
