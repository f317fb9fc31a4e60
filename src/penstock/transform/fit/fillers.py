"""The step that learns what missing values are filled with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.errors import TransformError
from penstock.transform.fit.apply import impute_numbers, impute_texts, missing_name, need
from penstock.transform.fit.categories import Categories
from penstock.transform.fit.draft import Draft, Value
from penstock.transform.fit.learner import Learner, Values
from penstock.transform.fit.moments import Moments
from penstock.transform.fit.quantiles import Quantiles
from penstock.transform.steps import Impute

__all__ = ["ImputeLearner"]


class ImputeLearner(Learner):
    """What fills the missing values of each column, and how many there are."""

    def __init__(self, step: Impute, values: list[Value]) -> None:
        super().__init__(step, values)
        self.texts = all(value.kind == "text" for value in values)
        need(values, "text" if self.texts else "number")
        if self.texts and step.strategy in ("mean", "median"):
            raise TransformError(f'"{values[0].label}": texts have no {step.strategy}; use "most_frequent"')
        if step.strategy == "constant" and isinstance(step.value, str) != self.texts:
            word = "a text" if self.texts else "a number"
            raise TransformError(f'"{values[0].label}": expected {word} to fill with, got {step.value!r}')
        self.missing = [0] * len(values)
        self._statistics: list[Any] = []
        made: dict[str, Callable[[Value], Any]] = {
            "mean": lambda value: Moments(),
            "median": lambda value: Quantiles(),
            "most_frequent": lambda value: Categories(value.label, 1_000_000),
        }
        if step.strategy in made:
            self._statistics = [made[step.strategy](value) for value in values]

    def update(self, columns: Sequence[Values], target: Values | None) -> None:
        """Take in a block."""
        for i, column in enumerate(columns):
            there = self._there(i, column)
            if not self._statistics:
                continue
            if self.step.strategy == "mean" and not np.isfinite(there).all():
                raise TransformError(f'"{self.labels[i]}": no mean of infinity and missing values')
            self._statistics[i].update(there)

    def fills_of(self) -> list[Any]:
        """Return what fills each column, rounded to the type that the column is computed on in."""
        if self.step.strategy == "constant":
            return [self.step.value] * len(self.values)
        found: list[Any] = []
        for value, statistic in zip(self.values, self._statistics, strict=True):
            if self.step.strategy == "most_frequent":
                fill = statistic.most_frequent
            elif not statistic.count:
                fill = None
            else:
                fill = (
                    statistic.mean
                    if self.step.strategy == "mean"
                    else float(statistic.at(np.array([0.5]))[0])
                )
            if fill is None:
                raise TransformError(f'"{value.label}": every value is missing; use strategy = "constant"')
            if isinstance(statistic, Quantiles) and not statistic.is_exact:
                self.notes.append(
                    f'"{value.label}": median from a summary of {statistic.count} values; '
                    f"its rank is off by at most {statistic.rank_error:.4%}"
                )
            found.append(fill)
        return found

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        return self.fill_in(values, self.fills_of(), draft)

    def fill_in(self, values: list[Value], fills: Sequence[float | str], draft: Draft) -> list[Value]:
        """Append the filling alone."""
        if self.texts:
            return impute_texts(draft, values, [str(fill) for fill in fills])
        return impute_numbers(draft, values, np.array(fills, dtype=np.float64), self.step.missing)

    def indicators(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append 1 where a value was missing, for the columns that had any."""
        had = [value for value, count in zip(values, self.missing, strict=True) if count]
        if not self.step.indicator or not had:
            return []
        parameters = {"missing": None if self.texts else missing_name(self.step.missing), "dtype": "float32"}
        labels = [f"{value.label}_missing" for value in had]
        return draft.add("missing_indicator", had, labels, parameters=parameters, dtype="float32")

    def _there(self, position: int, column: Values) -> Values:
        """Count what is missing in a column; return the rest."""
        if isinstance(column, pa.Array):
            self.missing[position] += column.null_count
            return column.drop_null()
        absent = np.isnan(column)
        gone = absent if np.isnan(self.step.missing) else column == self.step.missing
        self.missing[position] += int(gone.sum())
        return column[~(gone | absent)]
