"""One version of a model while it is monitored: its observer, its baseline, its open window."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from penstock.bundle.signature import Signature
from penstock.config.monitor import ModelMonitorConfig
from penstock.errors import ConfigError
from penstock.monitor.alerts import Finding
from penstock.monitor.alerts.wording import severity_of
from penstock.monitor.baseline import Baseline
from penstock.monitor.calibration import holm
from penstock.monitor.learner import Learner
from penstock.monitor.live_data import LiveData
from penstock.monitor.multivariate import Reservoir, joint_checks
from penstock.monitor.observer import Follower, Observer
from penstock.monitor.places import places
from penstock.monitor.profile import Profile
from penstock.monitor.rules import DoorCounts, Rules, broken_in
from penstock.monitor.snapshot import Snapshot
from penstock.monitor.window import Window
from penstock.monitor.windows import Windows

if TYPE_CHECKING:
    from penstock.engine.statistics import PipelineStatistics

__all__ = ["Track"]


class Track:
    """What is counted of one version, from its first answer to its last.

    Parameters
    ----------
    model : str
    version : int
    signature : Signature
    baseline : Baseline, optional
        None while the first live rows become one.
    settings : ModelMonitorConfig
    followers : mapping of str to Follower
        What else gets the rows, by part.
    wants_ids : bool
    statistics : callable
        Returns the counters of the version.
    wake : callable
        Called when a window has all its rows.
    now_s : float

    Raises
    ------
    SignatureError
        When nothing of the baseline is among the inputs and outputs of the model.
    ConfigError
        When a rule does not fit the model.

    Notes
    -----
    The owner serialises everything; only :attr:`observer` is used by other threads.
    """

    def __init__(
        self,
        model: str,
        version: int,
        signature: Signature,
        baseline: Baseline | None,
        settings: ModelMonitorConfig,
        *,
        followers: Mapping[str, Follower],
        wants_ids: bool,
        statistics: Callable[[], PipelineStatistics | None],
        wake: Callable[[], None],
        now_s: float,
    ) -> None:
        self.model = model
        self.version = version
        self.released = False
        self.judged_s = now_s
        self.rows = 0
        self.baseline = baseline
        self.windows = Windows(
            model,
            version,
            window_s=settings.window_s,
            window_rows=settings.window_rows,
            slide=settings.slide,
            begin_s=now_s,
        )
        self.learner: Learner | None = None
        self._settings = settings
        self._reservoir: Reservoir | None = None
        self._unsent: Profile | None = None
        self._unsent_since_s = 0.0
        parts = dict(followers)
        rules = None
        if settings.rules:
            features = () if baseline is None else baseline.profile.features
            rules = parts["rules"] = Rules(settings.rules, signature, features)
        expected = None
        if baseline is not None and rules is not None:
            expected = broken_in(baseline.profile, settings.rules)
        self._data = LiveData(rules, expected, statistics)
        if baseline is None and settings.baseline_rows:
            self.learner = parts["baseline"] = Learner(settings.baseline_rows, wake)
        if baseline is not None and baseline.multivariate is not None and settings.reservoir_rows:
            self._reservoir = parts["sample"] = Reservoir(
                baseline.profile,
                settings.reservoir_rows,
                names=baseline.multivariate.names,
                places=places(baseline.profile.features, signature.inputs, signature.outputs),
            )
        self.observer = Observer(
            f"model {model} version {version}",
            signature,
            None if baseline is None else baseline.profile,
            followers=parts,
            check=rules.check if rules is not None and rules.refuses else None,
            wants_ids=wants_ids,
            full_rows=settings.window_rows,
            on_full=wake,
        )

    @property
    def layout(self) -> Profile | None:
        """What the windows are compared with: the features of the baseline that are counted."""
        if self.baseline is None:
            return None
        placed = set(self.observer.placed)
        kept = tuple(feature for feature in self.baseline.profile if feature.name in placed)
        return Profile(kept, self.baseline.profile.rows)

    def learn(self) -> bool:
        """Take the first rows as the baseline once there are enough; tell whether that was now."""
        if self.learner is None or self.learner.missing_rows:
            return False
        learner, self.learner = self.learner, None
        followers = self.observer.followers
        self.observer.followers = {part: one for part, one in followers.items() if one is not learner}
        baseline = learner.baseline()
        self.observer.start(baseline.profile)
        self.baseline = baseline
        return True

    def joint_findings(self, window: Window, level: float) -> list[Finding]:
        """Return what all features together tell of a window, from the sample of its rows."""
        if self._reservoir is None or self.baseline is None or self.baseline.multivariate is None:
            return []
        found = joint_checks(self.baseline.multivariate, self._reservoir.sample(reset=True))
        adjusted = holm([check.p_value for check in found])
        return [
            Finding(
                subject="all features",
                check=check.name,
                compared_with="baseline",
                reason=check.reason,
                effect=check.effect,
                evidence=p_value,
                since_s=window.begin_s,
                severity=severity_of(check.effect),
            )
            for check, p_value in zip(found, adjusted, strict=True)
            if p_value <= level and check.effect >= self._settings.min_effect
        ]

    def broken_rules(self) -> Mapping[tuple[str, str], int]:
        """Return how many rows broke which rule since the version was loaded, by column and rule."""
        return self._data.broken()

    def data_findings(self, window: Window, before: deque[DoorCounts], level: float) -> list[Finding]:
        """Return what is wrong with what came in a window, and keep its counts with those before."""
        self.judged_s = window.end_s
        found = None if self.released else self._data.close(window)  # its counters may be another's
        if found is None:
            return []
        findings = self._data.judge(before, found, level, self._settings.min_effect)
        before.append(found)
        return findings

    def take(self, now_s: float) -> Profile | None:
        """Return what was counted since the last call, which may be no row; None where nothing is counted."""
        delta = self.observer.take()
        if delta is None or not delta.rows:
            return delta
        self.rows += delta.rows
        if self._unsent is None:
            self._unsent, self._unsent_since_s = delta, now_s
        else:
            self._unsent = self._unsent.merge(delta)
        return delta

    def snapshot(self, now_s: float) -> Snapshot | None:
        """Return what was taken since the last snapshot; None where that is nothing."""
        if self._unsent is None or self.baseline is None:
            return None
        window = Window(
            model=self.model,
            version=self.version,
            begin_s=self._unsent_since_s,
            end_s=now_s,
            profile=self._unsent,
        )
        self._unsent = None
        return Snapshot(id=secrets.token_hex(16), window=window, layout=self.baseline.digest)

    def check(self, snapshot: Snapshot) -> None:
        """Raise ConfigError where a snapshot is on the bins of another baseline."""
        if self.baseline is None or snapshot.layout != self.baseline.digest:
            raise ConfigError(
                f"{self.model} version {self.version}: expected a snapshot on the baseline of this version, "
                "got one on another; serve the same bundle in all replicas"
            )
