"""One feature while it is fitted: the values that it has come to, and the steps that wait for data.

Read next: fit.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from penstock.errors import TransformError
from penstock.transform.expression.grammar import columns_of, parse
from penstock.transform.fit.apply import apply, learns, need
from penstock.transform.fit.draft import Draft, Value
from penstock.transform.fit.fillers import ImputeLearner
from penstock.transform.fit.learn import LEARNERS
from penstock.transform.fit.learner import Learner
from penstock.transform.steps import Expression, Feature, Impute, Step
from penstock.transform.types import matrix_type, type_class

__all__ = ["Chain", "columns_needed", "passes_needed"]


def columns_needed(feature: Feature) -> tuple[str, ...]:
    """Return the raw columns that a feature reads."""
    first = feature.steps[0] if feature.steps else None
    if not feature.columns and isinstance(first, Expression):
        return columns_of(parse(first.text))
    return feature.columns


def passes_needed(feature: Feature) -> int:
    """Return how often the data must be read to fit a feature."""
    steps, passes = feature.steps, 0
    while steps:
        count = _together(steps)
        passes += count > 0
        steps = steps[max(count, 1) :]
    return passes


def _together(steps: Sequence[Step]) -> int:
    """Return how many steps from the first on learn in one pass: two where the first fills for the second."""
    if not learns(steps[0]):
        return 0
    if isinstance(steps[0], Impute) and np.isnan(steps[0].missing) and len(steps) > 1 and learns(steps[1]):
        learner = LEARNERS[type(steps[1])]
        return 2 if learner.fills and not isinstance(steps[1], Impute) else 1
    return 1


class Chain:
    """A feature, its values so far, and what learns next.

    Attributes
    ----------
    feature : Feature
    values : list of Value
        What the steps that are done give.
    notes : list of str
        What was learned that is not exact.
    """

    def __init__(self, feature: Feature, types: dict[str, str], draft: Draft) -> None:
        self.feature = feature
        self.notes: list[str] = []
        self._draft = draft
        self._steps = feature.steps
        self._aside: list[Value] = []
        """Indicators, which pass by the steps that follow."""
        self._impute: ImputeLearner | None = None
        self._learner: Learner | None = None
        self.values = [
            Value(name, name, types[name], name if type_class(types[name]) == "text" else "")
            for name in columns_needed(feature)
        ]
        self._advance()

    @property
    def is_done(self) -> bool:
        """Whether nothing waits for data any more."""
        return self._impute is None and self._learner is None

    @property
    def needs_target(self) -> bool:
        """Whether what waits for data also waits for the target."""
        return self._learner is not None and self._learner.needs_target

    def update(self, columns: Sequence[np.ndarray | pa.Array], target: np.ndarray | pa.Array | None) -> None:
        """Take in a block: a column for each value."""
        with self._named():
            for learner in (self._impute, self._learner):
                if learner is not None:
                    learner.update(columns, target)

    def finish(self) -> None:
        """End a pass: what waited becomes operations, and so do the steps behind it that need no data."""
        with self._named():
            if self._impute is not None:
                self._finish_impute(self._impute)
            if self._learner is not None:
                self.values = self._learner.finish(self.values, self._draft)
                self.notes += self._learner.notes
        self._impute = self._learner = None
        self._advance()

    def outputs(self) -> list[Value]:
        """Return what comes out, under the names of the feature."""
        values = [*self.values, *self._aside]
        with self._named():
            need(values, "number")
        name = self.feature.name
        if name is None:
            return values
        if len(values) == 1:
            return [values[0].called(name)]
        return [value.called(f"{name}__{value.label}") for value in values]

    def _finish_impute(self, impute: ImputeLearner) -> None:
        fills = impute.fills_of()
        self._aside += impute.indicators(self.values, self._draft)
        if self._learner is not None:
            narrow = not impute.texts and matrix_type(value.type for value in self.values) == "float32"
            for i, fill in enumerate(fills):
                used = float(np.float32(fill)) if narrow and not isinstance(fill, str) else fill
                self._learner.fill(i, used, impute.missing[i])
        self.values = impute.fill_in(self.values, fills, self._draft)
        self.notes += impute.notes

    def _advance(self) -> None:
        with self._named():
            while self._steps and not learns(self._steps[0]):
                self.values = apply(self._steps[0], self.values, self._draft)
                self._steps = self._steps[1:]
            if not self._steps:
                return
            count = _together(self._steps)
            waiting, self._steps = self._steps[:count], self._steps[count:]
            learners = [LEARNERS[type(step)](step, self.values) for step in waiting]
        if isinstance(learners[0], ImputeLearner):
            self._impute, learners = learners[0], learners[1:]
        self._learner = learners[0] if learners else None

    def _named(self) -> _Named:
        return _Named(self.feature.label)


class _Named:
    """Names the feature in what is refused."""

    def __init__(self, label: str) -> None:
        self._label = label

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TransformError):
            raise TransformError(f"feature {self._label!r}: {error}") from None
