"""How good predictions are: measured with labels, estimated without, compared in time and by group."""

from penstock.monitor.quality.baseline import BaselineQuality
from penstock.monitor.quality.bias import GroupComparison, compare_groups
from penstock.monitor.quality.calibration import Calibration
from penstock.monitor.quality.comparison import compare_quality
from penstock.monitor.quality.counts import QualityCounts
from penstock.monitor.quality.estimation import estimate_rows
from penstock.monitor.quality.inference import infer_target, prediction_columns
from penstock.monitor.quality.live import live_target
from penstock.monitor.quality.metric import Metric
from penstock.monitor.quality.metrics import metrics
from penstock.monitor.quality.sliced_counts import SlicedCounts
from penstock.monitor.quality.slices import count_slices, merge_slices
from penstock.monitor.quality.target import Target

__all__ = [
    "BaselineQuality",
    "Calibration",
    "GroupComparison",
    "Metric",
    "QualityCounts",
    "SlicedCounts",
    "Target",
    "compare_groups",
    "compare_quality",
    "count_slices",
    "estimate_rows",
    "infer_target",
    "live_target",
    "merge_slices",
    "metrics",
    "prediction_columns",
]
