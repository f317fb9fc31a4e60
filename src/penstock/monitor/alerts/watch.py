"""The watch: looks at the counts of every moment, and alarms no more often however often it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from penstock.errors import BundleError
from penstock.monitor.alerts.budget import WEEK_S
from penstock.monitor.alerts.recent import Recent
from penstock.monitor.alerts.sequential import Detectors
from penstock.monitor.alerts.streams import Streams

if TYPE_CHECKING:
    from penstock.monitor.profile import FeatureProfile, Profile

__all__ = ["Crossing", "Watch"]

_FOR_LIMITS: Final = 0.1
"""Share of the budget for limits on the baseline that are wrong."""

_MOST_ERROR: Final = 1e-3
_LEAST_ERROR: Final = 1e-9

_NAMED: Final = 0.9
"""Share of the threshold that the features named by an alarm have won together."""

_LONGEST_STEP: Final = 0.01
"""A step counts for at most this share of the threshold, so that time alone is no evidence."""


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A feature that the watch found.

    Attributes
    ----------
    feature : str
    check : str
        The stream that won most; see :class:`~penstock.monitor.alerts.streams.Stream`.
    rose : bool
        Whether its mean rose.
    since_s : float
    evidence : float
        Elapsed weeks over what its bets have won in weeks: one over an e-value.
    reference, current : FeatureProfile
        Of the baseline, and of what came since about then.
    """

    feature: str
    check: str
    rose: bool
    since_s: float
    evidence: float
    reference: FeatureProfile
    current: FeatureProfile


class Watch:
    """Watches the counts of one version against a baseline.

    Parameters
    ----------
    baseline : Profile
    false_alarms_per_week : float
        Expected, when nothing moves: at most so many.
    again_s : float
        An alarm about the same thing counts as another one after this time.
    min_effect : float, default 0
        Changes of a share of rows up to this size are nothing.

    Notes
    -----
    One thread at a time. A step costs about 0.2 ms for 30 features and 1 ms for 200; memory is bounded by the
    baseline. Rows are taken as independent of each other.

    A tenth of the budget pays for the chance that a limit on the baseline is wrong, in which case alarms may
    come as often as every ``again_s``. The rest is for the bets: they alarm when together they have won
    ``1 / (0.9 rate)`` weeks, and the features that are named have won nine tenths of that.
    """

    def __init__(
        self, baseline: Profile, *, false_alarms_per_week: float, again_s: float, min_effect: float = 0.0
    ) -> None:
        often = WEEK_S / max(again_s, 1.0)
        error = _FOR_LIMITS * false_alarms_per_week / often
        self.streams = Streams(baseline)
        self.detectors = Detectors(
            self.streams, float(np.clip(error, _LEAST_ERROR, _MOST_ERROR)), slack=min_effect
        )
        self.threshold = 1 / ((1 - _FOR_LIMITS) * _NAMED * false_alarms_per_week)
        self._recent = Recent(self.streams)
        self._origin_s: float | None = None
        self._last_s: float | None = None
        self._elapsed = 0.0

    @property
    def evidence(self) -> dict[str, float]:
        """How near each feature is to an alarm: 1 alarms."""
        won = self.detectors.evidence() / self.threshold
        return {f.name: float(x) for f, x in zip(self.streams.features, won, strict=True)}

    def step(self, delta: Profile, now_s: float) -> list[Crossing]:
        """Look at what was counted since the step before; return what alarms, most evidence first.

        Raises
        ------
        ConfigError
            Where the profile is not on the layout of the baseline.
        """
        if not self.streams.features:
            return []
        counts = self.streams.counts(delta)
        if self._last_s is None:
            self._last_s = now_s
        if self._origin_s is None:
            self._origin_s = now_s
        if not delta.rows:
            return []  # the time counts for the next rows
        begin_s, self._last_s = self._last_s, max(now_s, self._last_s)
        weeks = min((self._last_s - begin_s) / WEEK_S, _LONGEST_STEP * self.threshold)
        self._elapsed += weeks
        self._recent.add(delta, counts, begin_s)
        self.detectors.update(counts, weeks, (begin_s - self._origin_s) / WEEK_S)
        return self._crossings()

    def _crossings(self) -> list[Crossing]:
        won = self.detectors.evidence()
        total = float(won.sum())
        if total < self.threshold:
            return []
        named: list[int] = []
        sum_named = 0.0
        order = np.argsort(-won)
        left = np.cumsum(won[order][::-1])[::-1]  # from the small end: nothing is lost beside the large
        for index, rest in zip(order.tolist(), left.tolist(), strict=True):
            if sum_named >= _NAMED * self.threshold and rest < self.threshold:
                break
            named.append(index)
            sum_named = float(won[named].sum())
        found = [self._crossing(index, float(won[index])) for index in named]
        self.detectors.reset(named)
        return found

    def _crossing(self, index: int, won: float) -> Crossing:
        stream, side, began = self.detectors.winner(index)
        since_s = (self._origin_s or 0.0) + began * WEEK_S
        return Crossing(
            feature=self.streams.features[index].name,
            check=stream.check,
            rose=side > 0,
            since_s=since_s,
            evidence=min(1.0, self._elapsed / won) if won > 0 else 1.0,
            reference=self.streams.features[index],
            current=self._recent.since(index, since_s),
        )

    def state(self) -> tuple[float | None, float, bytes, bytes]:
        """Return what :meth:`restore` needs to go on."""
        won, began = (x.astype("<f8").tobytes() for x in (self.detectors.won, self.detectors.began))
        return self._origin_s, self._elapsed, won, began

    def restore(self, state: tuple[float | None, float, bytes, bytes]) -> None:
        """Go on from the state of a watch on the same baseline with the same settings.

        What came before is evidence still; by how much something moved is told of what comes from now on. The
        time between is not counted.

        Raises
        ------
        BundleError
            Where it does not fit.
        """
        self._origin_s, self._elapsed, won, began = state
        shape = self.detectors.won.shape
        if len(won) != len(began) or len(won) != 8 * shape[0] * shape[1]:
            raise BundleError("the state of the watch does not fit its baseline")
        self.detectors.won = np.frombuffer(won, "<f8").astype(np.float64).reshape(shape)
        self.detectors.began = np.frombuffer(began, "<f8").astype(np.float64).reshape(shape)
