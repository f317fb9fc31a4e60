"""What is predicted is found out from labels and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from penstock.config import FeedbackConfig
from penstock.errors import ConfigError
from penstock.monitor.baseline import Baseline
from penstock.monitor.feedback import JoinResult
from penstock.monitor.quality import infer_target, live_target, prediction_columns

THREE = {f"p[{index}]": [0.3] * 3 for index in range(3)}


@pytest.mark.parametrize(
    ("labels", "predictions", "expected"),
    [
        ([0, 1], {"p": [0.2, 0.7]}, ("binary", "probability", ("0", "1"))),
        ([True, False], {"p": [0.2, 0.7]}, ("binary", "probability", ("0", "1"))),
        ([1, 1], {"p": [0.2, 0.7]}, ("binary", "probability", ("0", "1"))),
        ([0, 1], {"p": [0, 1]}, ("binary", "class", ("0", "1"))),
        (["no", "yes"], {"p": [0.2, 0.7]}, ("binary", "probability", ("no", "yes"))),
        (["no", "yes"], {"p": ["yes", "yes"]}, ("binary", "class", ("no", "yes"))),
        ([0, 1], {"p[0]": [0.8, 0.3], "p[1]": [0.2, 0.7]}, ("binary", "probability", ("0", "1"))),
        ([2, 1, 1], THREE, ("multiclass", "probability", ("0", "1", "2"))),
        (["c", "b", "a"], THREE, ("multiclass", "probability", tuple("abc"))),
        ([10, 9, 100], THREE, ("multiclass", "probability", ("9", "10", "100"))),
        ([3, 1, 2], {"p": [1, 2, 1]}, ("multiclass", "class", ("1", "2", "3"))),
        (["a", "b", "c"], {"p": ["a", "d", "a"]}, ("multiclass", "class", tuple("abcd"))),
        ([0.5, 2.5, 3.0], {"p": [1.0, 2.0, 1.0]}, ("regression", "number", ())),
        ([3, 1, 2], {"p": [1.5, 2.0, 1.0]}, ("regression", "number", ())),
    ],
)  # fmt: skip
def test_the_task_follows_from_the_values(
    labels: list[Any], predictions: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    target = infer_target("y", labels, predictions)
    assert (target.task, target.form, target.classes) == expected
    assert target.prediction == (
        ("p[1]",) if expected[0] == "binary" and len(predictions) == 2 else (*predictions,)
    )


@pytest.mark.parametrize(
    ("labels", "predictions", "task", "message"),
    [
        ([0, 1], {"p": [-3.2, 1.5]}, "auto", r'"p": expected probabilities from 0 to 1, got -3.2 to 1.5'),
        (["a", "b", "c"], {"p": [0.1, 0.5, 0.2]}, "auto", "got 0.1, 0.2, 0.5 for a, b, c"),
        (["a", "b"], THREE, "auto", "expected 3 classes, one for each column"),
        (["a", "b"], {"p": [1.0, 2.0]}, "regression", "expected numbers for a regression, got text"),
        ([1, 2, 3], {"p": [1, 2, 3]}, "binary", "expected probabilities from 0 to 1, got 1 to 3"),
        ([0.5], {"p": [0.5]}, "multiclass", "expected 2 to 64 classes, got 1"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(
    labels: list[Any], predictions: dict[str, Any], task: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        infer_target("y", labels, predictions, task=task)


def test_the_prediction_is_found_among_the_outputs() -> None:
    outputs = ["label", "p[0]", "p[1]", "p[10]", "p[2]"]
    assert prediction_columns("", outputs) == ("p[0]", "p[1]", "p[2]", "p[10]")
    assert prediction_columns("p", outputs) == ("p[0]", "p[1]", "p[2]", "p[10]")
    assert prediction_columns("label", outputs) == ("label",)
    assert prediction_columns("p[1]", outputs) == ("p[1]",)
    assert prediction_columns("", ["only"]) == ("only",)
    with pytest.raises(ConfigError, match="prediction: expected one of the outputs a, b, got none"):
        prediction_columns("", ["a", "b"])
    with pytest.raises(ConfigError, match='got "q"'):
        prediction_columns("q", outputs)


def joined(labels: Any, **outputs: Any) -> JoinResult:
    return JoinResult(joined=pa.table({"label": labels, **outputs}))


def test_the_baseline_says_what_live_predictions_are() -> None:
    random = np.random.default_rng(0)
    score = random.random(300)
    baseline = Baseline.fit(
        {"a": 1 - score, "b": score, "y": random.random(300) < score}, label="y", prediction=["a", "b"]
    )
    outputs = ["a", "b", "c"]
    quality = baseline.quality
    assert quality is not None
    target = live_target(FeedbackConfig(), quality, outputs, joined([]))
    assert target == quality.target
    assert live_target(FeedbackConfig(threshold=0.25), quality, outputs, joined([])).threshold == 0.25
    other = live_target(FeedbackConfig(prediction="c"), quality, outputs, joined([0.5, 7.0], c=[1.0, 2.0]))
    assert (other.task, other.prediction) == ("regression", ("c",))


def test_labels_say_it_where_there_is_no_baseline() -> None:
    result = joined([0.0, 1.0], p=[0.5, 0.9], **{"output.label": [0, 1]})
    target = live_target(FeedbackConfig(prediction="p"), None, ["label", "p"], result)
    assert (target.task, target.threshold) == ("binary", 0.5)
    named = live_target(FeedbackConfig(prediction="label"), None, ["label", "p"], result)
    assert named.form == "class"
    with pytest.raises(ConfigError, match="expected labelled rows"):
        live_target(FeedbackConfig(prediction="p"), None, ["label", "p"], joined([]))
