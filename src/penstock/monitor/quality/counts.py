"""What was counted of predictions and their labels: a value that merges. Read next: metrics.py, target.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from penstock.errors import ConfigError, SignatureError
from penstock.monitor.quality import scores
from penstock.monitor.quality.moments import Moments
from penstock.monitor.quality.target import INVALID, Target
from penstock.monitor.quality.values import numbers

__all__ = ["RELIABILITY_BINS", "QualityCounts", "decoded", "shapes"]

Array = np.ndarray[Any, Any]

RELIABILITY_BINS: Final = 15
"""Of equal width, for the calibration error."""

_LEAST_PROBABILITY: Final = 2.0**-23
"""Of a class, in the log loss: a float32 probability may round to 0 or 1."""

_LARGEST_ERROR: Final = 1e70
"""Of a regression: larger ones count as this, so that the fourth power is finite."""

_NONE: Final = Moments()


@dataclass(frozen=True, kw_only=True, eq=False)
class QualityCounts:
    """What was counted of predictions and labels.

    Attributes
    ----------
    target : Target
    rows : int
        Pairs that are counted.
    invalid : int
        Pairs that are not: a label or prediction that is missing, no number, or of no known class.
    confusion : ndarray of int64, shape (n_classes, n_classes)
        Rows by label, columns by predicted class.
    scores : ndarray of int64, shape (1 or n_classes, 2, 1024)
        Probabilities by bin (see :mod:`penstock.monitor.quality.scores`), of the rows that are not of the
        class, and that are; of a binary task those of the positive class only.
    confident : ndarray of int64, shape (2, 15)
        Rows by probability, of the positive class or of the predicted one, in bins of equal width; and how
        many of them are of that class.
    confidence : ndarray of float64, shape (15,)
        Sum of those probabilities.
    log_loss, brier : Moments
        Brier's is the squared difference of the probability; of many classes the sum over them.
    residual : Moments
        Binary: label less probability.
    error, absolute_error, squared_error : Moments
        Regression: prediction less label.

    Notes
    -----
    Counts merge exactly in any order, means within a few roundings. At most 64 classes: 1 MiB.
    """

    target: Target
    rows: int
    invalid: int
    confusion: Array
    scores: Array
    confident: Array
    confidence: Array
    log_loss: Moments = _NONE
    brier: Moments = _NONE
    residual: Moments = _NONE
    error: Moments = _NONE
    absolute_error: Moments = _NONE
    squared_error: Moments = _NONE

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(cls, target: Target, labels: Any, predictions: Mapping[str, Any]) -> QualityCounts:
        """Count pairs.

        Parameters
        ----------
        target : Target
        labels : Arrow array, array or list, n values
        predictions : mapping of str to Arrow array, array or list
            Columns of the prediction, n values each; others may be there.

        Raises
        ------
        SignatureError
            Where a column is missing or of another length, or holds neither numbers nor text.

        Examples
        --------
        >>> from penstock.monitor.quality.inference import infer_target
        >>> labels, predictions = [0, 1, 1], {"p": [0.2, 0.9, 0.4]}
        >>> counts = QualityCounts.of(infer_target("y", labels, predictions), labels, predictions)
        >>> counts.confusion.tolist()
        [[1, 0], [1, 1]]
        """
        return cls.of_pairs(target, *decoded(target, labels, predictions))

    @classmethod
    def of_pairs(cls, target: Target, truth: Array, predicted: Array) -> QualityCounts:
        """Count pairs as :func:`decoded` gives them."""
        valid = np.isfinite(truth) if target.task == "regression" else truth != INVALID
        valid = valid & ~np.isnan(predicted if predicted.ndim == 1 else predicted[:, 0])
        rows = int(np.count_nonzero(valid))
        found = _MEASURES[target.form](target, truth[valid], predicted[valid])
        return cls(target=target, rows=rows, invalid=len(valid) - rows, **{**_empty(target), **found})

    @classmethod
    def empty(cls, target: Target) -> QualityCounts:
        """Return the counts of no pair."""
        return cls(target=target, rows=0, invalid=0, **_empty(target))

    def merge(self, other: QualityCounts) -> QualityCounts:
        """Return the counts of both together.

        Raises
        ------
        ConfigError
            Where they are not of the same task, classes and threshold.
        """
        if not self.target.same_layout(other.target):
            raise ConfigError(
                f"expected counts of the same task, classes and threshold as {self.target}, "
                f"got those of {other.target}"
            )
        together = {
            part.name: _added(getattr(self, part.name), getattr(other, part.name))
            for part in fields(self)
            if part.name != "target"
        }
        return QualityCounts(target=self.target, **together)

    def with_threshold(self, threshold: float) -> QualityCounts:
        """Return the counts of a binary probability for another threshold.

        Exact where it is an edge of the 1,024 bins; otherwise all of its bin counts as selected.
        """
        first = int(np.searchsorted(scores.EDGES, threshold, side="right"))
        unselected = self.scores[0, :, :first].sum(axis=1)
        confusion = np.stack([unselected, self.scores[0].sum(axis=1) - unselected], axis=1)
        return replace(self, target=replace(self.target, threshold=threshold), confusion=confusion)

    def to_bytes(self) -> bytes:
        """Return the counts as bytes, versioned and with a digest; no pickle."""
        from penstock.monitor.quality.encoding import encode_counts

        return encode_counts(self)

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "quality") -> QualityCounts:
        """Read counts from bytes.

        Raises
        ------
        BundleError
            Where they are damaged, truncated, or of a newer format.
        """
        from penstock.monitor.quality.encoding import decode_counts

        return decode_counts(data, source)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QualityCounts):
            return NotImplemented
        return all(_same(getattr(self, part.name), getattr(other, part.name)) for part in fields(self))


def decoded(target: Target, labels: Any, predictions: Mapping[str, Any]) -> tuple[Array, Array]:
    """Return labels as codes or numbers, and predictions as :meth:`Target.predicted` gives them.

    Raises
    ------
    SignatureError
        Where a column is missing or of another length, or holds neither numbers nor text.
    """
    predicted = target.predicted(predictions)
    truth = numbers(labels) if target.task == "regression" else target.codes(labels)
    if len(truth) != len(predicted):
        raise SignatureError(
            f"quality: expected a label for each of {len(predicted)} predictions, got {len(truth)} labels"
        )
    return truth, predicted


def _added(first: Any, second: Any) -> Any:
    return first.merge(second) if isinstance(first, Moments) else first + second


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, Moments):
        return np.array_equal(
            [first.rows, first.mean, first.m2], [second.rows, second.mean, second.m2], equal_nan=True
        )
    return bool(np.array_equal(first, second) if isinstance(first, np.ndarray) else first == second)


def shapes(target: Target) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays that counts of a target have."""
    classes = len(target.classes)
    has_scores = target.form == "probability"
    curves = (1 if target.task == "binary" else classes) if has_scores else 0
    bins = RELIABILITY_BINS if has_scores else 0
    return {
        "confusion": (classes, classes),
        "scores": (curves, 2, scores.BINS),
        "confident": (2, bins),
        "confidence": (bins,),
    }


def _empty(target: Target) -> dict[str, Any]:
    return {
        name: np.zeros(shape, np.float64 if name == "confidence" else np.int64)
        for name, shape in shapes(target).items()
    }


def _confusion(target: Target, truth: Array, guess: Array) -> Array:
    classes = len(target.classes)
    return np.bincount(truth * classes + guess, minlength=classes**2).reshape(classes, classes)


def _of_probabilities(target: Target, truth: Array, predicted: Array) -> dict[str, Any]:
    if target.task == "binary":
        positive = truth == 1
        of_truth = np.where(positive, predicted, 1 - predicted)
        guess = (predicted >= target.threshold).astype(np.int64)
        curves = scores.binned(predicted, positive)[None]
        found = {"residual": Moments.of(positive - predicted), "brier": Moments.of((1 - of_truth) ** 2)}
        confidence, hit = predicted, positive
    else:
        rows = np.arange(len(truth))
        of_truth = predicted[rows, truth]
        guess = predicted.argmax(axis=1) if len(truth) else truth
        curves = np.stack([scores.binned(predicted[:, c], truth == c) for c in range(len(target.classes))])
        found = {"brier": Moments.of((predicted**2).sum(axis=1) - of_truth**2 + (1 - of_truth) ** 2)}
        confidence, hit = predicted[rows, guess], guess == truth
    bins = np.minimum((confidence * RELIABILITY_BINS).astype(np.int64), RELIABILITY_BINS - 1)
    return {
        **found,
        "confusion": _confusion(target, truth, guess),
        "scores": curves,
        "confident": np.stack(
            [np.bincount(bins[kept], minlength=RELIABILITY_BINS) for kept in (slice(None), hit)]
        ),
        "confidence": np.bincount(bins, weights=confidence, minlength=RELIABILITY_BINS),
        "log_loss": Moments.of(-np.log(np.clip(of_truth, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY))),
    }


def _of_classes(target: Target, truth: Array, predicted: Array) -> dict[str, Any]:
    return {"confusion": _confusion(target, truth, predicted.astype(np.int64))}


def _of_numbers(target: Target, truth: Array, predicted: Array) -> dict[str, Any]:
    with np.errstate(over="ignore"):
        error = np.clip(predicted - truth, -_LARGEST_ERROR, _LARGEST_ERROR)
    return {
        "error": Moments.of(error),
        "absolute_error": Moments.of(np.abs(error)),
        "squared_error": Moments.of(error * error),
    }


_MEASURES: Final = {"probability": _of_probabilities, "class": _of_classes, "number": _of_numbers}
