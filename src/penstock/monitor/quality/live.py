"""What live predictions are measured as: as the baseline says, or as the first labels show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.errors import ConfigError
from penstock.monitor.quality.inference import infer_target, prediction_columns
from penstock.monitor.quality.target import Target

if TYPE_CHECKING:
    from penstock.config import FeedbackConfig
    from penstock.monitor.feedback.result import JoinResult
    from penstock.monitor.quality.baseline import BaselineQuality

__all__ = ["live_target"]


def live_target(
    settings: FeedbackConfig, known: BaselineQuality | None, outputs: Sequence[str], result: JoinResult
) -> Target:
    """Return what is predicted.

    Parameters
    ----------
    settings : FeedbackConfig
    known : BaselineQuality, optional
        Of the version; it decides where the settings name no other task or output.
    outputs : sequence of str
        Columns that the model answers, such as ``label`` and ``p[1]``.
    result : JoinResult
        Some labelled rows: without a baseline they show the task and the classes.

    Raises
    ------
    ConfigError
        Where labels and outputs do not fit together, saying why.
    """
    if known is not None and settings.task in ("auto", known.target.task):
        target = known.target
        named = prediction_columns(settings.prediction, outputs) if settings.prediction else target.prediction
        if named[-1:] == target.prediction[-1:]:
            has_threshold = (target.task, target.form) == ("binary", "probability")
            if settings.threshold is None or not has_threshold:
                return target
            return replace(target, threshold=settings.threshold)
    if not result.rows:
        raise ConfigError("quality: expected labelled rows, which show what is predicted, got none")
    columns = prediction_columns(settings.prediction, outputs)
    return infer_target(
        "label",
        result.joined.column("label"),
        {name: result.output(name) for name in columns},
        task=settings.task,
        threshold=0.5 if settings.threshold is None else settings.threshold,
    )
