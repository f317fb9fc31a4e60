"""E-detectors: sums of bets against "nothing moved", which no peeking makes alarm more often.

What is bet on: streams.py. What is done with an alarm: watch.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from penstock.monitor.alerts.bounds import mean_limit, share_limits, unseen_limit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.alerts.streams import Stream, Streams

    Floats = NDArray[np.float64]

__all__ = ["BETS", "Detectors"]

BETS: Final = 8
"""Bets on each side of a stream, from a small shift to the largest that can be."""

_LEAST_SHIFT: Final = 0.02
"""The smallest shift that is bet on, in standard deviations."""

_MOST_BET: Final = 0.9
"""Of what a row can lose: below 1, so that no row ends a bet."""

_LARGEST_LOG: Final = 230.0
_LARGEST: Final = 1e200
"""Far beyond any threshold; a step of the largest gain from here does not overflow."""


@dataclass(frozen=True)
class _Nulls:
    """Of each stream and side: how large the mean may be when nothing moved."""

    limit: Floats
    margin: Floats
    variance: Floats


class Detectors:
    r"""Bets on every stream of a baseline, and what they have won.

    Parameters
    ----------
    streams : Streams
    error : float
        The chance that any limit on what the baseline was sampled from is wrong.
    slack : float, default 0
        Changes of a share of rows up to this size count as nothing.

    Attributes
    ----------
    won : ndarray of float64, shape (n_streams, 2 * BETS)
        In weeks: see Notes. First the bets that the mean rose, then those that it fell.
    began : ndarray of float64, shape (n_streams, 2 * BETS)
        When, in weeks: the mean of all beginnings of a bet, each weighted by what it has won since.
    weights : ndarray of float64, shape (n_streams, 2 * BETS)
        Sum to 1; 0 where a bet cannot be won.
    of_feature : ndarray of intp, shape (n_streams,)

    Notes
    -----
    One row with score x in [0, 1] multiplies a bet on a mean above b by ``1 + lambda (x - b)``, which is
    never negative, and at most 1 on average while the mean is at most b. The rows of a step together multiply
    it by L. Bets begin all the time, so that it does not matter when a change comes (the form of Shiryaev and
    Roberts): after a step that took w weeks, ``won = L (won + w)``. While nothing moves, ``won`` grows by no
    more than the weeks that pass, on average, whatever was looked at before; so does any fixed mixture of
    bets. Where reaching c is an alarm, and what won it begins at 0 again, there is at most one alarm in c
    weeks on average.

    The true mean is not known. In its place b is the upper limit that the baseline leaves it, so that a
    baseline of few rows makes bets timid and not wrong.

    References
    ----------
    J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
    New England Journal of Statistics in Data Science 2 (2024). I. Waudby-Smith, A. Ramdas, "Estimating means
    of bounded random variables by betting", Journal of the Royal Statistical Society B 86 (2024). S. W.
    Roberts, "A comparison of some control chart procedures", Technometrics 8 (1966).
    """

    def __init__(self, streams: Streams, error: float, slack: float = 0.0) -> None:
        self.streams = streams
        self.all: tuple[Stream, ...] = (*streams.shares, *streams.ranks)
        self.of_feature = np.array([stream.feature for stream in self.all], np.intp)
        self._n_shares = len(streams.shares)
        reference = streams.reference
        hits, rows = streams.hits(reference)
        cells = streams.cells(reference)
        errors = self._errors(error)
        shares = _share_nulls(streams, hits, rows, errors[: self._n_shares])
        ranks = _rank_nulls(streams, cells, errors[self._n_shares :])
        nulls = _Nulls(
            limit=np.concatenate((shares.limit, ranks.limit)),
            margin=np.concatenate((shares.margin, ranks.margin)),
            variance=np.concatenate((shares.variance, ranks.variance)),
        )
        self.limits = np.minimum(nulls.limit + _slack_of(self.all, slack)[:, None], 1.0)
        bets = _bets(nulls, self.limits, self._n_shares)
        self._won_by_hit = np.log1p(bets * (1 - self.limits[..., None]))
        self._lost = np.log1p(-bets * self.limits[..., None])
        n_ranks = len(streams.ranks)
        of_rank = bets[self._n_shares :, :, None, :], self.limits[self._n_shares :, :, None, None]
        sides = np.stack((streams.scores, 1 - streams.scores), axis=1)[..., None]
        table = np.log1p(of_rank[0] * (sides - of_rank[1]))
        self._of_cells = table.transpose(0, 2, 1, 3).reshape(n_ranks, table.shape[2], 2 * BETS)
        self.weights = self._weigh(bets)
        self.won = np.zeros_like(self.weights)
        self.began = np.zeros_like(self.weights)
        self._gains, self._spare = np.zeros((2, *bets.shape))

    def _errors(self, error: float) -> Floats:
        features = max(len(self.streams.features), 1)
        return np.array([error * stream.error / 2 / features for stream in self.all])

    def _weigh(self, bets: Floats) -> Floats:
        """Share the evidence: alike among features, their checks, the sides of each, and bets."""
        possible = bets.reshape(len(self.all), 2 * BETS) > 0
        part = np.array([stream.weight for stream in self.all])
        weights = possible * (part / np.maximum(possible.sum(axis=1), 1))[:, None]
        of_feature = np.bincount(self.of_feature, weights.sum(axis=1), len(self.streams.features))
        weights /= np.maximum(of_feature[self.of_feature], 1e-300)[:, None]
        return np.asarray(weights / max(np.count_nonzero(of_feature), 1))

    def update(self, counts: NDArray[np.int64], weeks: float, at: float) -> None:
        """Bet on the rows of a step.

        Parameters
        ----------
        counts : ndarray of int64
            As :meth:`Streams.counts` returns them.
        weeks : float
            That the step took.
        at : float
            When it began, in weeks since any moment.
        """
        hits, rows = self.streams.hits(counts)
        misses = rows - hits
        # A bet that the mean fell is one that the mean of misses rose.
        gains, spare, half = self._gains, self._spare, self._n_shares
        sides = np.stack((hits, misses), axis=1)[..., None]
        np.multiply(sides, self._won_by_hit[:half], out=gains[:half])
        gains[:half] += np.multiply(sides[:, ::-1], self._lost[:half], out=spare[:half])
        cells = np.concatenate((cells := self.streams.cells(counts), cells))[:, None, :]
        gains[half:] = (cells @ self._of_cells).reshape(len(cells), 2, BETS)
        np.minimum(np.maximum(gains, -_LARGEST_LOG, out=gains), _LARGEST_LOG, out=gains)
        factors, spare = np.exp(gains, out=gains).reshape(self.won.shape), spare.reshape(self.won.shape)
        self.won += weeks
        if weeks > 0:
            np.subtract(at, self.began, out=spare)
            spare *= weeks
            self.began += np.divide(spare, self.won, out=spare)
        self.won *= factors
        np.minimum(self.won, _LARGEST, out=self.won)

    def evidence(self) -> Floats:
        """Return what the bets on each feature have won, in weeks; their sum is the evidence of the model."""
        mixed = np.einsum("ij,ij->i", self.weights, self.won)
        return np.asarray(np.bincount(self.of_feature, mixed, len(self.streams.features)), np.float64)

    def winner(self, feature: int) -> tuple[Stream, int, float]:
        """Return the stream of a feature that won most, 1 where its mean rose or -1, and since when.

        Since when, in weeks, is the mean over the bets: with every moment as likely as any other before the
        data, the expected moment of the change given them.
        """
        own = np.flatnonzero(self.of_feature == feature)
        mixed = self.weights[own] * self.won[own]
        stream, bet = np.unravel_index(int(np.argmax(mixed)), mixed.shape)
        began = float((mixed * self.began[own]).sum() / mixed.sum())
        return self.all[own[stream]], 1 if bet < BETS else -1, began

    def reset(self, features: list[int]) -> None:
        """Let the bets on some features begin anew."""
        chosen = np.isin(self.of_feature, features)
        self.won[chosen] = 0.0


def _slack_of(streams: tuple[Stream, ...], slack: float) -> Floats:
    """Return how far a mean can move where no share of rows changes by more than the slack."""
    return np.array([2 * slack if stream.check == "spread_rank" else slack for stream in streams])


def _share_nulls(streams: Streams, hits: Floats, rows: Floats, errors: Floats) -> _Nulls:
    hits, rows = hits.copy(), rows.copy()
    for index, stream in enumerate(streams.shares):
        if stream.check == "out_of_range":  # infinities of the baseline are out of range on an unknown side
            hits[index] = streams.features[stream.feature].infinite
    chosen = np.array([stream.chosen for stream in streams.shares], np.bool_)
    least, rose = share_limits(hits, rows, errors, chosen)
    share = hits / rows
    unseen: dict[int, float] = {}
    for index, stream in enumerate(streams.shares):
        if stream.check == "unseen":
            feature = streams.features[stream.feature]
            counts = np.asarray(feature.counts)
            share[index], rose[index] = unseen_limit(counts, feature.unseen, float(errors[index]))
            unseen[stream.feature] = float(rose[index])
        if stream.check == "categories":  # those of the group that the baseline does not have are unseen
            least[index] = max(least[index] - unseen[stream.feature], 0.0)
        if not stream.both_sides:
            least[index] = 0.0
    fell = 1 - least
    margins = np.stack((rose - share, fell - (1 - share)), axis=1)
    limit = np.stack((rose, fell), axis=1)
    return _Nulls(limit=limit, margin=margins, variance=limit * (1 - limit))


def _rank_nulls(streams: Streams, cells: Floats, errors: Floats) -> _Nulls:
    cells, scores = np.concatenate((cells, cells)), streams.scores
    rows = cells.sum(axis=1)
    shares = cells / np.maximum(rows, 1)[:, None]
    mean = (shares * scores).sum(axis=1)
    variance = np.maximum((shares * scores**2).sum(axis=1) - mean**2, 0.0)
    rose = mean_limit(shares, scores, rows, errors)
    fell = mean_limit(shares, 1 - scores, rows, errors)
    limit = np.where(variance[:, None] > 0, np.stack((rose, fell), axis=1), 1.0)
    margins = np.stack((rose - mean, fell - (1 - mean)), axis=1)
    return _Nulls(limit=limit, margin=margins, variance=np.stack((variance, variance), axis=1))


def _bets(nulls: _Nulls, limits: Floats, n_shares: int) -> Floats:
    """Return the stakes, shape (n_streams, 2, BETS): each the best one against a mean above the limit."""
    room = 1 - limits
    most = _MOST_BET * room
    least = np.minimum(np.maximum(nulls.margin, _LEAST_SHIFT * np.sqrt(nulls.variance)), most)
    usable = (room > 1e-6) & (limits > 0) & (most > 0) & (least > 0)
    least, most = np.where(usable, least, 1.0), np.where(usable, most, 1.0)
    steps = np.linspace(0, 1, BETS)
    shifts = least[..., None] * (most / least)[..., None] ** steps
    of_shares = limits * (1 - limits)
    spread = np.where(np.arange(len(limits))[:, None] < n_shares, of_shares, nulls.variance)[..., None]
    squared = shifts * shifts
    squared[:n_shares] = 0.0  # of hits and misses the best stake is exact
    with np.errstate(divide="ignore", invalid="ignore"):
        stakes = shifts / (spread + squared)
        stakes = np.minimum(stakes, _MOST_BET / limits[..., None])
    return np.asarray(np.where(usable[..., None], stakes, 0.0))
