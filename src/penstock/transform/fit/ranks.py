"""Steps that learn quantiles of each column, or what takes all of its values."""

from __future__ import annotations

import numpy as np

from penstock.errors import TransformError
from penstock.transform.fit.apply import add_bins
from penstock.transform.fit.clusters import centres
from penstock.transform.fit.draft import Draft, Value
from penstock.transform.fit.extremes import Extremes
from penstock.transform.fit.learner import NumberLearner
from penstock.transform.fit.power import box_cox_lambda, yeo_johnson_lambda
from penstock.transform.fit.quantiles import Quantiles
from penstock.transform.fit.scalers import not_zero
from penstock.transform.steps import Bin

__all__ = [
    "BinLearner",
    "BoxCoxLearner",
    "QuantileLearner",
    "RobustScaleLearner",
    "WinsorizeLearner",
    "YeoJohnsonLearner",
]


_NARROW = 1e-8
"""Bins of no more than this width are left out, as scikit-learn does."""


class _QuantileLearner(NumberLearner):
    """Quantiles of each column."""

    statistic = Quantiles

    def _check(self, value: Value, there: np.ndarray) -> None:
        """Quantiles take infinity as any other value."""

    def _quantiles(self, *shares: float) -> np.ndarray:
        """Return an array (shares, columns)."""
        self._need_values()
        self._tell_error()
        return np.column_stack([one.at(np.array(shares)) for one in self.statistics])

    def _tell_error(self) -> None:
        for value, statistic in zip(self.values, self.statistics, strict=True):
            if not statistic.is_exact:
                self.notes.append(
                    f'"{value.label}": {self.step.op} from a summary of {statistic.count} values; '
                    f"ranks are off by at most {statistic.rank_error:.4%}"
                )


class RobustScaleLearner(_QuantileLearner):
    """Median and a range between quantiles."""

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        low, middle, high = self._quantiles(self.step.low, 0.5, self.step.high)
        arrays = {}
        if self.step.center:
            arrays["center"] = middle
        if self.step.scale:
            arrays["scale"] = not_zero(high - low)
        return draft.add("robust_scale", values, self.labels, arrays=arrays) if arrays else values


class WinsorizeLearner(_QuantileLearner):
    """Two quantiles."""

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        low, high = self._quantiles(self.step.low, self.step.high)
        return draft.add("clip", values, self.labels, arrays={"low": low, "high": high})


class QuantileLearner(_QuantileLearner):
    """Many quantiles, evenly spaced."""

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        count = max(1, min(self.step.quantiles, self.rows))
        references = np.linspace(0, 1, count)
        # As scikit-learn computes them, by percent.
        found = self._quantiles(*(references * 100 / 100))
        arrays = {
            "references": references,
            "quantiles": np.maximum.accumulate(found, axis=0).T.ravel(),
        }
        parameters = {"distribution": self.step.distribution}
        return draft.add("quantile", values, self.labels, parameters=parameters, arrays=arrays)


class BinLearner(_QuantileLearner):
    """Edges of bins."""

    def __init__(self, step: Bin, values: list[Value]) -> None:
        super().__init__(step, values)
        if step.strategy == "uniform":
            self.statistics = [Extremes() for _ in values]

    def _check(self, value: Value, there: np.ndarray) -> None:
        NumberLearner._check(self, value, there)

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        self._need_values()
        if self.step.strategy != "uniform":
            self._tell_error()
        return add_bins(draft, values, [self._edges(one) for one in self.statistics], self.step.output)

    def _edges(self, statistic: Quantiles) -> np.ndarray:
        low, high = statistic.low, statistic.high
        if low == high:
            return np.array([-np.inf, np.inf])
        count = self.step.bins
        if self.step.strategy == "uniform":
            return np.linspace(low, high, count + 1)
        if self.step.strategy == "quantile":
            edges = statistic.at(np.linspace(0, 100, count + 1) / 100, "averaged_inverted_cdf")
        else:
            found = centres(*statistic.points(), count)
            edges = np.concatenate([[low], (found[1:] + found[:-1]) * 0.5, [high]])
        kept = edges[np.ediff1d(edges, to_begin=np.inf) > _NARROW]
        return kept if len(kept) > 1 else np.array([-np.inf, np.inf])


class BoxCoxLearner(_QuantileLearner):
    """The exponent that makes values above 0 most nearly normal."""

    def _check(self, value: Value, there: np.ndarray) -> None:
        NumberLearner._check(self, value, there)
        if len(there) and there.min() <= 0:
            raise TransformError(
                f'"{value.label}": box_cox needs values above 0, got {there.min()}; yeo_johnson takes any'
            )

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        self._need_values()
        self._tell_error()
        for value, one in zip(self.values, self.statistics, strict=True):
            if one.low == one.high:
                raise TransformError(f'"{value.label}": box_cox cannot learn from a constant column')
        lambdas = np.array([box_cox_lambda(*one.points()) for one in self.statistics])
        return draft.add("box_cox", values, self.labels, arrays={"lambdas": lambdas})


class YeoJohnsonLearner(_QuantileLearner):
    """The exponent that makes values of either sign most nearly normal."""

    def _check(self, value: Value, there: np.ndarray) -> None:
        NumberLearner._check(self, value, there)

    def finish(self, values: list[Value], draft: Draft) -> list[Value]:
        """Append what was learned; return what comes out."""
        self._need_values()
        self._tell_error()
        lambdas = np.array(
            [1.0 if one.low == one.high else yeo_johnson_lambda(*one.points()) for one in self.statistics]
        )
        return draft.add("yeo_johnson", values, self.labels, arrays={"lambdas": lambdas})
