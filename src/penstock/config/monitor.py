"""What an operator can set of monitoring: `[monitor]` and `[models.NAME.monitor]`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from penstock.config.settings import NonNegative, NonNegativeReal, Positive, PositiveReal, Settings, Share

__all__ = [
    "FeedbackConfig",
    "LogConfig",
    "ModelMonitorConfig",
    "MonitorConfig",
    "RuleConfig",
    "SinkConfig",
]


class SinkConfig(Settings, frozen=True, kw_only=True):
    """One place that alerts go to."""

    kind: Literal["log", "webhook", "alertmanager", "command"]
    url: str = ""
    """Of a webhook, or of Alertmanager without its path."""
    secret_file: str = ""
    """File whose content signs the body of a webhook (HMAC-SHA256)."""
    command: tuple[str, ...] = ()
    """Program and arguments; the alert is JSON on its standard input."""
    min_severity: Literal["low", "medium", "high"] = "low"
    timeout_s: PositiveReal = 10.0
    """Of one attempt."""
    retry_for_s: PositiveReal = 86_400.0
    """An alert that could not be delivered for this long is dropped, and counted."""
    buffer_alerts: Positive = 1000
    """Alerts that wait for a sink that is down; beyond them the oldest are dropped, and counted."""

    def __repr__(self) -> str:
        """Leave out what may be secret: the URL, the arguments of a command."""
        url, rest = ("…" if given else "" for given in (self.url, self.command[1:]))
        command = (*self.command[:1], rest) if rest else self.command
        shown = msgspec.structs.replace(self, url=url, command=command)
        return super(SinkConfig, shown).__repr__()


class RuleConfig(Settings, frozen=True, kw_only=True):
    """What the values of one column must be, as its owner knows."""

    min: float | None = None
    max: float | None = None
    allowed: tuple[str, ...] | None = None
    """Categories."""
    max_length: Positive | None = None
    """Bytes of a text."""
    required: bool = False
    """No value may be missing."""
    refuse: bool = False
    """Answer a request that breaks the rule with INVALID_ARGUMENT instead of counting it only."""


class LogConfig(Settings, frozen=True, kw_only=True):
    """The prediction log: rows as they were answered, in Parquet files."""

    directory: str
    sample: Share = 1.0
    """Share of requests that are logged, chosen by a hash of their id."""
    sample_uncertain: Share = 0.0
    """Of the others, share of those logged whose largest probability is below `uncertain_below`."""
    uncertain_below: Share = 0.6
    features: bool = True
    """Log raw columns, not only outputs."""
    buffer_rows: Positive = 262_144
    """Rows that wait to be written; beyond them rows are dropped, and counted."""
    file_rows: Positive = 500_000
    file_s: PositiveReal = 300.0
    """A file is closed after so many rows or seconds."""
    keep_bytes: Positive = 10 * 2**30
    """Beyond it the oldest files are deleted."""


class FeedbackConfig(Settings, frozen=True, kw_only=True):
    """Labels that come late, and what is measured with them."""

    task: Literal["auto", "binary", "multiclass", "regression"] = "auto"
    prediction: str = ""
    """Output that was to predict the label, such as `probabilities[1]`; the baseline's where left out."""
    threshold: Share | None = None
    """Probability from which on a binary prediction is positive; the baseline's where left out, or 0.5."""
    directory: str = ""
    """Files with columns `id` and `label` that appear here are read once."""
    keep_rows: Positive = 1_000_000
    """Answered rows that can still be joined with a label; older ones are unknown."""
    slices: tuple[str, ...] = ()
    """Categorical columns by whose values every metric is measured too."""
    groups: tuple[str, ...] = ()
    """Columns between whose values metrics and selection rates are compared."""


class ModelMonitorConfig(Settings, frozen=True, kw_only=True):
    """How one model is monitored."""

    enabled: bool = True
    window_s: PositiveReal = 3600.0
    window_rows: Positive | None = None
    """Close a window after so many rows too."""
    slide: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    """Windows that are compared together, each with those before it; 1 compares each alone."""
    keep_windows: Positive = 1000
    """Closed windows that stay in memory."""
    baseline_rows: NonNegative = 0
    """Where the bundle has no baseline, the first so many live rows become it; 0 leaves it without."""
    compare: tuple[Literal["baseline", "previous", "hour", "weekday"], ...] = ("baseline",)
    """What a window is compared with: the window before, the same hour of earlier days, of earlier weeks."""
    false_alarms_per_week: PositiveReal = 1.0
    """Accepted for the whole model, when nothing moves."""
    watch: bool = True
    """Look between the ends of windows too, by tests that are valid at any time."""
    min_effect: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """The smallest change in the share of rows that alarms."""
    thresholds: dict[str, float] = msgspec.field(default_factory=dict)
    """Fixed thresholds by statistic; they then decide alone."""
    alarm_windows: Positive = 1
    of_windows: Positive = 1
    """Something alarms when it did so in `alarm_windows` of the last `of_windows` windows."""
    cooldown_s: NonNegativeReal = 3600.0
    """A subject that alarmed says nothing new for this time, unless it grows more severe."""
    reservoir_rows: NonNegative = 0
    """Rows of each window kept as a sample, for tests of all features together; 0 leaves them out."""
    rules: dict[str, RuleConfig] = msgspec.field(default_factory=dict)
    log: LogConfig | None = None
    feedback: FeedbackConfig | None = None
    """Labels are joined where there is this table, which may be empty."""


class MonitorConfig(Settings, frozen=True, kw_only=True):
    """Monitoring of the whole process."""

    directory: str = ""
    """Where windows, comparisons, alarms and undelivered alerts outlive the process; none keeps nothing."""
    interval_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 1.0
    """Counts are looked at this often, and saved where there is a directory."""
    sinks: dict[str, SinkConfig] = msgspec.field(default_factory=dict)
    """Alerts are logged where there is none."""
