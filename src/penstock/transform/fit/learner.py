"""What a step that learns is while it learns: it takes in blocks of its values, then becomes operations.

A learner of single columns leaves missing values out and can be told afterwards what they were filled with;
so the filling and the step behind it learn in one pass. Read next: scalers.py, and the others in learn.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
import pyarrow as pa

from penstock.errors import TransformError
from penstock.transform.fit.apply import need
from penstock.transform.fit.draft import Draft, Value

__all__ = ["Learner", "NumberLearner", "Values"]


Values: TypeAlias = "np.ndarray | pa.Array"
"""One column of a block: doubles, NaN where missing, or texts, null where missing."""


class Learner:
    """What one step learns, over all values of its feature.

    Parameters
    ----------
    step : Step
    values : list of Value
        What comes in.
    """

    fills: ClassVar[bool] = True
    """Whether it can be told afterwards what missing values were filled with."""
    needs_target: ClassVar[bool] = False

    def __init__(self, step: Any, values: list[Value]) -> None:
        self.step = step
        self.values = values
        self.notes: list[str] = []
        """What the step learned that is not exact."""

    def update(self, columns: Sequence[Values], target: Values | None) -> None:
        """Take in a block."""
        raise NotImplementedError

    def fill(self, position: int, value: float | str, count: int) -> None:
        """Count the missing values of a column as this one."""
        raise NotImplementedError

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned over these values; return what comes out."""
        raise NotImplementedError

    @property
    def labels(self) -> list[str]:
        """What its values are called."""
        return [value.label for value in self.values]


class NumberLearner(Learner):
    """A statistic of each column of numbers."""

    statistic: Callable[[], Any]

    def __init__(self, step: Any, values: list[Value]) -> None:
        super().__init__(step, values)
        need(values, "number")
        self.statistics = [type(self).statistic() for _ in values]
        self.rows = 0

    def update(self, columns: Sequence[Values], target: Values | None) -> None:
        """Take in a block."""
        self.rows += len(columns[0])
        for value, statistic, column in zip(self.values, self.statistics, columns, strict=True):
            there = column[~np.isnan(column)]
            self._check(value, there)
            statistic.update(there)

    def fill(self, position: int, value: float | str, count: int) -> None:
        """Count the missing values of a column as this one."""
        assert not isinstance(value, str)
        if count:
            self._check(self.values[position], np.full(1, value))
        self.statistics[position].add(value, count)

    def _check(self, value: Value, there: np.ndarray) -> None:
        """Raise TransformError where a number is one that the step cannot learn from."""
        if not np.isfinite(there).all():
            raise TransformError(f'"{value.label}": {self.step.op} cannot learn from infinity')

    def _need_values(self) -> None:
        for value, statistic in zip(self.values, self.statistics, strict=True):
            if not statistic.count:
                raise TransformError(f'"{value.label}": no values to learn {self.step.op} from')
