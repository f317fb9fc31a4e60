"""The step that learns how columns go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from penstock.errors import TransformError
from penstock.transform.fit.apply import need
from penstock.transform.fit.covariance import Covariance
from penstock.transform.fit.draft import Draft, Value
from penstock.transform.fit.learner import Learner, Values
from penstock.transform.steps import Pca

__all__ = ["PcaLearner"]


class PcaLearner(Learner):
    """Principal components."""

    fills: ClassVar[bool] = False

    def __init__(self, step: Pca, values: list[Value]) -> None:
        super().__init__(step, values)
        need(values, "number")
        if isinstance(step.components, int) and step.components > len(values):
            raise TransformError(f"pca: {step.components} components of {len(values)} values")
        self._covariance = Covariance(len(values))

    def update(self, columns: Sequence[Values], target: Values | None) -> None:
        """Take in a block."""
        rows = np.column_stack(columns)
        finite = np.isfinite(rows).all(axis=0)
        if not finite.all():
            label = self.labels[int(np.argmin(finite))]
            raise TransformError(f'"{label}": pca cannot learn from missing values or infinity; impute first')
        self._covariance.update(rows)

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        if self._covariance.count < 2:
            raise TransformError(f"pca: expected two rows or more, got {self._covariance.count}")
        components, variances = self._covariance.components()
        count = self._count(variances)
        components, variances = components[:count], variances[:count]
        arrays = {"matrix": components.ravel(), "subtract": self._covariance.mean @ components.T}
        if self.step.whiten:
            arrays["divide"] = np.maximum(np.sqrt(variances), np.finfo(np.float64).eps)
        return draft.add("project", values, [f"pca{i}" for i in range(count)], arrays=arrays, dtype="float64")

    def _count(self, variances: np.ndarray) -> int:
        most = min(len(variances), self._covariance.count)
        wanted = self.step.components
        if wanted is None or variances.sum() == 0:
            return most
        if isinstance(wanted, int):
            return min(wanted, most)
        shares = np.cumsum(variances / variances.sum())
        return min(int(np.searchsorted(shares, wanted, side="right")) + 1, most)
