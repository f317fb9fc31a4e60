"""Steps that learn moments or extremes of each column."""

from __future__ import annotations

import numpy as np

from penstock.transform.fit.draft import Draft, Value
from penstock.transform.fit.extremes import Extremes
from penstock.transform.fit.learner import NumberLearner
from penstock.transform.fit.moments import Moments

__all__ = ["MaxAbsScaleLearner", "MinMaxScaleLearner", "StandardScaleLearner", "not_zero"]


class StandardScaleLearner(NumberLearner):
    """Mean and standard deviation."""

    statistic = Moments

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        self._need_values()
        arrays = {}
        if self.step.center:
            arrays["mean"] = np.array([one.mean for one in self.statistics])
        if self.step.scale:
            arrays["scale"] = np.array(
                [1.0 if one.is_constant else np.sqrt(one.variance) for one in self.statistics]
            )
        return draft.add("standard_scale", values, self.labels, arrays=arrays) if arrays else values


class MinMaxScaleLearner(NumberLearner):
    """Least and greatest value."""

    statistic = Extremes

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        self._need_values()
        low = np.array([one.low for one in self.statistics])
        high = np.array([one.high for one in self.statistics])
        scale = (self.step.high - self.step.low) / not_zero(high - low)
        arrays = {"scale": scale, "min": self.step.low - low * scale}
        parameters: dict[str, object] = {"clip": self.step.clip}
        if self.step.clip:
            parameters |= {"low": float(self.step.low), "high": float(self.step.high)}
        return draft.add("min_max_scale", values, self.labels, parameters=parameters, arrays=arrays)


class MaxAbsScaleLearner(NumberLearner):
    """Greatest magnitude."""

    statistic = Extremes

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        self._need_values()
        scale = not_zero(np.array([max(abs(one.low), abs(one.high)) for one in self.statistics]))
        return draft.add("max_abs_scale", values, self.labels, arrays={"scale": scale})


def not_zero(scale: np.ndarray) -> np.ndarray:
    """Return a scale with 1 in place of what is 0 but for rounding."""
    return np.where(scale < 10 * np.finfo(np.float64).eps, 1.0, scale)
