"""What is predicted, and by which columns: how labels and predictions are read. Read next: inference.py."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from penstock.errors import ConfigError, SignatureError
from penstock.monitor.quality.values import canonical, flat, numbers

__all__ = ["INVALID", "Form", "Target", "Task"]

Array = np.ndarray[Any, Any]
Task = Literal["binary", "multiclass", "regression"]
Form = Literal["probability", "class", "number"]

INVALID = -1
"""Code of a label or prediction that is missing or of no known class."""

_ROUNDING = 1e-5


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is predicted, and how.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression"}
    label : str
        Column of what was true.
    prediction : tuple of str
        Columns of what was predicted: one; or the probability of each class, in the order of ``classes``.
    form : {"probability", "class", "number"}
        What the prediction is. One binary probability is that of the second class.
    classes : tuple of str
        As text, the positive one of a binary task last; empty for a regression.
    threshold : float
        Probability from which on a binary prediction is positive.
    """

    task: Task
    label: str
    prediction: tuple[str, ...]
    form: Form
    classes: tuple[str, ...] = ()
    threshold: float = 0.5

    def __post_init__(self) -> None:
        wanted = len(self.classes) if self.task == "multiclass" and self.form == "probability" else 1
        if len(self.prediction) != wanted:
            raise ConfigError(f"prediction: expected {wanted} columns for this task, got {self.prediction}")
        if not (0 <= self.threshold <= 1):
            raise ConfigError(f"threshold: expected a probability from 0 to 1, got {self.threshold}")
        if (self.task == "regression") != (self.form == "number") or (
            len(self.classes) < 2 and self.task != "regression"
        ):
            raise ConfigError(f"{self.task}: expected two classes or more, got {self.classes}")

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.classes)}

    @property
    def columns(self) -> tuple[str, ...]:
        """The label, then the prediction."""
        return (self.label, *self.prediction)

    def same_layout(self, other: Target) -> bool:
        """Whether counts of both can be added; names of columns do not matter."""
        return (self.task, self.form, self.classes, self.threshold) == (
            other.task,
            other.form,
            other.classes,
            other.threshold,
        )

    def codes(self, values: Any) -> Array:
        """Return which class each value is, or :data:`INVALID`.

        Parameters
        ----------
        values : Arrow array, array or list
            Text, numbers or booleans: ``1``, ``1.0``, ``True`` and ``"1"`` are the same class.
        """
        array = flat(values)
        distinct, inverse = array.distinct()
        codes = np.array([self._codes.get(canonical(value), INVALID) for value in distinct], np.int64)
        return np.append(codes, INVALID)[inverse]

    def predicted(self, columns: Mapping[str, Any]) -> Array:
        """Return predictions as numbers, NaN where one is missing or cannot be.

        Parameters
        ----------
        columns : mapping of str to Arrow array, array or list

        Returns
        -------
        ndarray of float64
            Of probabilities shape (n, n_classes) or, of a binary task, (n,); of classes their codes, as
            :meth:`codes` gives them; of a regression the numbers.

        Raises
        ------
        SignatureError
            Where a column is missing.
        """
        for name in self.prediction:
            if name not in columns:
                raise SignatureError(f'quality: expected a column "{name}", got {sorted(columns)}')
        if self.form == "class":
            codes = self.codes(columns[self.prediction[0]]).astype(np.float64)
            return np.where(codes == INVALID, math.nan, codes)
        found = [numbers(columns[name]) for name in self.prediction]
        if self.form == "number":
            return np.where(np.isfinite(found[0]), found[0], math.nan)
        scores = np.stack(found, axis=1)
        inside: Array = np.all((scores >= -_ROUNDING) & (scores <= 1 + _ROUNDING), axis=1)
        scores = np.where(inside[:, None], np.clip(scores, 0.0, 1.0), math.nan)
        return scores[:, 0] if self.task == "binary" else scores
