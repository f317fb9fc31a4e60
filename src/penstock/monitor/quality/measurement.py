"""Measure the quality of a reference while it is counted: in one pass, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from penstock.monitor.profile import Profile
from penstock.monitor.quality.baseline import BaselineQuality
from penstock.monitor.quality.counts import QualityCounts
from penstock.monitor.quality.inference import infer_target, prediction_columns
from penstock.monitor.quality.target import Target

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Measurement", "predicted_columns"]


def predicted_columns(
    prediction: str | Iterable[str] | None, outputs: Sequence[str], columns: Sequence[str], label: str | None
) -> tuple[str, ...]:
    """Return the columns of a prediction; none where neither it nor outputs are known.

    Parameters
    ----------
    prediction : str or iterable of str, optional
        As :meth:`penstock.monitor.baseline.Baseline.fit` takes it.
    outputs, columns : sequence of str
        What the model answers, and all columns there are.
    label : str, optional
        Without one, a prediction is only looked for where it is named.

    Raises
    ------
    ConfigError
        Where the name is none of an output, or none is given and there is no single one.
    """
    if prediction is not None and not isinstance(prediction, str):
        return tuple(prediction)
    if prediction is None and (label is None or not outputs):
        return ()
    return prediction_columns(prediction or "", outputs or columns)


class Measurement:
    """Counts pairs of labels and predictions.

    Parameters
    ----------
    target : Target

    Attributes
    ----------
    counts : QualityCounts
        So far.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.counts = QualityCounts.empty(target)

    @classmethod
    def of(
        cls,
        held: pa.Table,
        label: str,
        prediction: Sequence[str],
        *,
        task: Literal["auto", "binary", "multiclass", "regression"],
        threshold: float,
    ) -> Measurement:
        """Find out from some rows what is predicted; see :func:`infer_target`."""
        columns = {name: held.column(name) for name in prediction}
        return cls(infer_target(label, held.column(label), columns, task=task, threshold=threshold))

    @property
    def cut(self) -> dict[str, float]:
        """The threshold by the name of the score, whose bins need an edge there."""
        target = self._target
        has_threshold = (target.task, target.form) == ("binary", "probability")
        return {target.prediction[0]: target.threshold} if has_threshold else {}

    def update(self, table: pa.Table) -> None:
        """Count the rows of a table."""
        if table.num_rows:
            columns = {name: table.column(name) for name in self._target.prediction}
            found = QualityCounts.of(self._target, table.column(self._target.label), columns)
            self.counts = self.counts.merge(found)

    def quality(self, some: pa.Table, profile: Profile) -> BaselineQuality:
        """Return what was counted, with the calibration that some of the rows show."""
        columns = {name: some.column(name) for name in self._target.prediction}
        return BaselineQuality.fit(self.counts, some.column(self._target.label), columns, profile)
