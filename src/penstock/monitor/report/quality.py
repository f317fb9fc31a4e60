"""How good predictions are beside the reference: what a report says of labels and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.monitor.report.plain import check_to_dict

if TYPE_CHECKING:
    from penstock.monitor.calibration.check import Check
    from penstock.monitor.quality import Metric

__all__ = ["QualityReport"]


@dataclass(frozen=True, kw_only=True)
class QualityReport:
    """Quality of the reference and of the current rows.

    Attributes
    ----------
    label : str
    prediction : tuple of str
        Columns.
    task : {"binary", "multiclass", "regression"}
    reference : mapping of str to Metric
        By the labels of the reference.
    realised : mapping of str to Metric
        By those of the current rows; empty where these have none.
    estimated : mapping of str to Metric
        Of the current rows by the calibration of the reference; empty where the prediction is no binary
        probability.
    checks : tuple of Check
        Whether quality dropped, most evidence first; none without current labels.
    """

    label: str
    prediction: tuple[str, ...]
    task: str
    reference: Mapping[str, Metric]
    realised: Mapping[str, Metric]
    estimated: Mapping[str, Metric]
    checks: tuple[Check, ...] = ()

    @property
    def alarms(self) -> tuple[Check, ...]:
        """Checks that alarm."""
        return tuple(check for check in self.checks if check.alarm)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; None where a number is not defined."""
        parts = {"reference": self.reference, "realised": self.realised, "estimated": self.estimated}
        return {
            "label": self.label,
            "prediction": list(self.prediction),
            "task": self.task,
            **{
                name: {key: metric.to_dict() for key, metric in metrics.items()} or None
                for name, metrics in parts.items()
            },
            "checks": [check_to_dict(check) for check in self.checks],
        }
