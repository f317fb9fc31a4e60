"""Steps that learn the categories of each column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from penstock.errors import TransformError
from penstock.transform.fit.apply import need
from penstock.transform.fit.categories import Categories
from penstock.transform.fit.draft import Draft, Value
from penstock.transform.fit.learner import Learner, Values
from penstock.transform.fit.targets import ClassTargets, NumberTargets
from penstock.transform.steps import Target

__all__ = ["CountLearner", "FrequencyLearner", "OneHotLearner", "OrdinalLearner", "TargetLearner"]


class _CategoryLearner(Learner):
    """Counts of the categories of each column."""

    def __init__(self, step: Any, values: list[Value]) -> None:
        super().__init__(step, values)
        need(values, "number", "text")
        self.counts = [Categories(value.label, step.max_categories) for value in values]
        self.rows = 0

    def update(self, columns: Sequence[Values], target: Values | None) -> None:
        """Take in a block."""
        self.rows += len(columns[0])
        for counts, column in zip(self.counts, columns, strict=True):
            counts.update(column)

    def fill(self, position: int, value: float | str, count: int) -> None:
        """Count the missing values of a column as this one."""
        self.counts[position].fill(value)

    def _categories(self, position: int) -> pa.Array:
        return _category_array(self.values[position], self.counts[position].ordered()[0])


def _category_array(value: Value, categories: Sequence[object]) -> pa.Array:
    return pa.array(categories, pa.string() if value.kind == "text" else pa.float64())


class OneHotLearner(_CategoryLearner):
    """A column for each category, or group of them."""

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        labels: list[str] = []
        parameters: dict[str, list[Any]] = {"widths": [], "unknown": [], "missing": []}
        arrays: dict[str, Any] = {}
        for i, (value, counts) in enumerate(zip(self.values, self.counts, strict=True)):
            columns, names, infrequent = self._columns(counts)
            seen_missing = counts.missing > 0 and self.step.missing == "category"
            unknown: int | str = "error"
            if self.step.unknown != "error":
                unknown = infrequent if self.step.unknown == "infrequent" else -1
            missing = {"category": unknown, "ignore": -1, "error": "error"}[self.step.missing]
            parameters["widths"].append(len(names))
            parameters["unknown"].append(unknown)
            parameters["missing"].append(int(columns[-1]) if seen_missing else missing)
            arrays[f"categories{i}"] = self._categories(i)
            arrays[f"columns{i}"] = columns[:-1] if seen_missing else columns
            labels += [f"{value.label}_{name}" for name in names]
        return draft.add(
            "one_hot",
            values,
            labels,
            parameters={**parameters, "dtype": "float32"},
            arrays=arrays,
            dtype="float32",
        )

    def _columns(self, counts: Categories) -> tuple[np.ndarray, list[str], int]:
        """Return the column of each category, a missing one last; their names; that of infrequent ones."""
        categories, numbers = counts.ordered()
        names = [_name(category) for category in categories]
        if counts.missing and self.step.missing == "category":
            names.append("missing")
            numbers = [*numbers, counts.missing]
        rare = self._rare(np.array(numbers, dtype=np.int64))
        columns = np.cumsum(~rare) - 1
        kept = [name for name, gone in zip(names, rare, strict=True) if not gone]
        if rare.any():
            columns[rare] = len(kept)
            kept.append("infrequent")
        infrequent = len(kept) - 1 if rare.any() else -1
        if self.step.drop == "first" or (self.step.drop == "if_binary" and len(kept) == 2):
            # The column that goes becomes -1, none.
            columns, kept, infrequent = columns - 1, kept[1:], max(infrequent - 1, -1)
        return columns.astype(np.int32), kept, infrequent

    def _rare(self, numbers: np.ndarray) -> np.ndarray:
        least = self.step.min_count or 0
        if self.step.min_share is not None:
            least = self.step.min_share * self.rows
        rare = np.asarray(numbers < least)
        most = self.step.max_outputs
        if most is not None and most < len(numbers) - rare.sum() + 1:
            order = np.argsort(numbers, kind="stable")
            rare[order[: len(order) - (most - 1)]] = True
        return rare


def _name(category: str | float) -> str:
    return (
        category if isinstance(category, str) else repr(int(category) if category.is_integer() else category)
    )


class OrdinalLearner(_CategoryLearner):
    """The number of each category."""

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        parameters: dict[str, list[Any]] = {"unknown": [], "missing": []}
        arrays: dict[str, Any] = {}
        for i in range(len(values)):
            categories = self._categories(i)
            count = len(categories)
            codes = [*range(count), self.step.missing]
            parameters["missing"].append(count)
            if self.step.unknown is None:
                parameters["unknown"].append("error")
            else:
                parameters["unknown"].append(count + 1)
                codes.append(self.step.unknown)
            arrays |= _codes(i, categories, np.array(codes, dtype=np.float64))
        return _encode("ordinal", values, self.labels, parameters, arrays, draft)


class CountLearner(_CategoryLearner):
    """How often each category is there."""

    kind = "count"

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        parameters: dict[str, list[Any]] = {"unknown": [], "missing": []}
        arrays: dict[str, Any] = {}
        for i, counts in enumerate(self.counts):
            numbers = np.array([*counts.ordered()[1], counts.missing, 0], dtype=np.float64)
            parameters["missing"].append(len(numbers) - 2)
            parameters["unknown"].append(len(numbers) - 1)
            arrays |= _codes(i, self._categories(i), self._scaled(numbers))
        return _encode(self.kind, values, self.labels, parameters, arrays, draft)

    def _scaled(self, numbers: np.ndarray) -> np.ndarray:
        return numbers


class FrequencyLearner(CountLearner):
    """Which share of the rows has each category."""

    kind = "frequency"

    def _scaled(self, numbers: np.ndarray) -> np.ndarray:
        return numbers / max(self.rows, 1)


def _codes(position: int, categories: pa.Array, values: np.ndarray) -> dict[str, Any]:
    return {
        f"categories{position}": categories,
        f"codes{position}": np.arange(len(categories), dtype=np.int32),
        f"values{position}": values.ravel(),
    }


def _encode(
    kind: str,
    values: list[Value],
    labels: list[str],
    parameters: dict[str, Any],
    arrays: dict[str, Any],
    draft: Draft,
    width: int = 1,
) -> list[Value]:
    all_parameters = {**parameters, "kind": kind, "width": width, "dtype": "float64"}
    return draft.add("encode", values, labels, parameters=all_parameters, arrays=arrays, dtype="float64")


class TargetLearner(Learner):
    """What the target is like within each category."""

    needs_target: ClassVar[bool] = True

    def __init__(self, step: Target, values: list[Value]) -> None:
        super().__init__(step, values)
        need(values, "number", "text")
        self._targets: list[Any] = []

    def update(self, columns: Sequence[Values], target: Values | None) -> None:
        """Take in a block."""
        assert target is not None
        if not self._targets:
            by_class = self.step.kind == "classes" or (
                self.step.kind == "auto" and isinstance(target, pa.Array)
            )
            if isinstance(target, pa.Array) and not by_class:
                raise TransformError('target: kind = "number" with a target of texts')
            made: Any = ClassTargets if by_class else NumberTargets
            self._targets = [made(label, self.step.max_categories) for label in self.labels]
        for statistic, column in zip(self._targets, columns, strict=True):
            statistic.update(column, target)

    def fill(self, position: int, value: float | str, count: int) -> None:
        """Count the missing values of a column as this one."""
        if self._targets:
            self._targets[position].fill(value)

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        if not self._targets:
            raise TransformError(f'"{self.labels[0]}": no values to learn target from')
        parameters: dict[str, list[Any]] = {"unknown": [], "missing": []}
        arrays: dict[str, Any] = {}
        labels: list[str] = []
        width = 1
        for i, statistic in enumerate(self._targets):
            found, table, others = statistic.encodings(self.step.smooth)
            width = table.shape[1]
            categories = _category_array(self.values[i], [one for one in found if one is not None])
            unknown = len(found)
            parameters["unknown"].append(unknown)
            parameters["missing"].append(unknown - 1 if None in found else unknown)
            arrays |= _codes(i, categories, np.concatenate([table, others[None]]))
            labels += [self.labels[i]] if width == 1 else [f"{self.labels[i]}_{j}" for j in range(width)]
        return _encode("target", values, labels, parameters, arrays, draft, width)
