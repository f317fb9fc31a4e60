"""Streams: scores from 0 to 1 of every row, which the counts of a profile give. Read next: sequential.py.

Of a number: its rank in the baseline, how far that is from the middle, whether it is in an interval, missing,
infinite, out of range. Of a text: whether it is in a category, missing, unseen.
"""

from __future__ import annotations

import itertools
import operator
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor.calibration import LEAST_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile, Profile

__all__ = ["Stream", "Streams"]

CATEGORIES: Final = 32
"""Categories with a stream of their own, the most frequent ones."""

GROUPS: Final = 8
"""Streams for all categories together, where there are more: each has an eighth of them, by their names."""

CELLS: Final = 32
"""Cells that ranks are taken of."""

INTERVALS: Final = 10
"""Intervals of a numeric feature with a stream of their own."""

_HEAD: Final = ("rows", "missing", "infinite", "below", "above", "unseen")
_ROWS, _MISSING, _INFINITE, _BELOW, _ABOVE, _UNSEEN = range(len(_HEAD))
_read_head: Final = operator.attrgetter(*_HEAD)

_UP_ONLY: Final = frozenset({"out_of_range", "unseen"})


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One scalar that is watched.

    Attributes
    ----------
    feature : int
        Index among the features that are watched.
    check : str
        ``mean_rank``, ``spread_rank``, ``interval``, ``category``, ``categories``, ``missing``, ``infinite``,
        ``out_of_range`` or ``unseen``.
    weight : float
        Its share of the evidence of the feature.
    error : float
        Its share of the error that limits on the baseline may have.
    chosen : bool
        Whether it was chosen for its counts in the baseline: then all such streams share one error.
    """

    feature: int
    check: str
    weight: float
    error: float
    chosen: bool = False

    @property
    def both_sides(self) -> bool:
        """Whether less of it is of interest too."""
        return self.check not in _UP_ONLY


class Streams:
    """The streams of a baseline, and how to read them off counts.

    Parameters
    ----------
    baseline : Profile

    Attributes
    ----------
    features : tuple of FeatureProfile
        Of the baseline: those that are watched, which labels and features of fewer than
        :data:`~penstock.monitor.calibration.checks.LEAST_ROWS` values are not.
    shares : tuple of Stream
        Whether a row is something: counted as hits among rows.
    ranks : tuple of Stream
        Scores by cell: of each numeric feature the mean rank, then of each the spread.
    scores : ndarray of float64, shape (n_ranks, CELLS)
    reference : ndarray of int64
        The counts of the baseline, as :meth:`counts` returns them.
    width : int
        How many counts.
    """

    def __init__(self, baseline: Profile) -> None:
        self.features = tuple(f for f in baseline if f.role != "label" and f.present >= LEAST_ROWS)
        self._numeric = [i for i, f in enumerate(self.features) if f.kind == "numeric"]
        self._categorical = [i for i, f in enumerate(self.features) if f.kind == "categorical"]
        self._sizes = [len(f.histogram) + len(f.counts) for f in self.features]
        self._starts = self._place()
        cells = [_cells(np.asarray(self.features[i].histogram), 1 / CELLS) for i in self._numeric]
        shares: list[Stream] = []
        hits: list[NDArray[np.intp]] = []
        of: list[int] = []
        for index, feature in enumerate(self.features):
            for stream, places, over_all in self._shares_of(index, feature):
                shares.append(stream)
                hits.append(places)
                of.append(-1 if over_all else 1)
        self.shares = tuple(shares)
        self._hits = np.concatenate(hits) if hits else np.zeros(0, np.intp)
        self._hit_starts = np.cumsum([0, *map(len, hits)])[:-1].astype(np.intp)
        heads = np.array([stream.feature for stream in shares], np.intp) * len(_HEAD)
        self._share_rows = heads + _ROWS
        self._share_missing = heads + _MISSING
        self._share_present = np.array(of) > 0
        self.reference = self._flat(self.features)
        self._read_cells(cells)

    def _place(self) -> list[int]:
        """Return where the bins or categories of each feature begin in the counts: numbers first."""
        starts = [0] * len(self.features)
        at = len(_HEAD) * len(self.features)
        for index in [*self._numeric, *self._categorical]:
            starts[index] = at
            at += self._sizes[index]
        self.width = at
        return starts

    def _read_cells(self, cells: list[NDArray[np.intp]]) -> None:
        """Prepare the ranks: every bin of a number is in one cell, cells are in order."""
        starts = [self._starts[index] + begins for index, begins in zip(self._numeric, cells, strict=True)]
        first = len(_HEAD) * len(self.features)
        self._bins = slice(first, first + sum(len(self.features[i].histogram) for i in self._numeric))
        self._cell_starts = (np.concatenate(starts) - first if starts else np.zeros(0)).astype(np.intp)
        places = [row * CELLS + np.arange(len(begins)) for row, begins in enumerate(cells)]
        self._cell_places = (np.concatenate(places) if places else np.zeros(0)).astype(np.intp)
        counts = self.cells(self.reference)
        total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        middle = (np.cumsum(counts, axis=1) - counts / 2) / total
        self.scores = np.concatenate((middle, np.abs(2 * middle - 1)))
        self.ranks = tuple(
            Stream(feature=index, check=check, weight=1 / 6, error=1 / 6)
            for check in ("mean_rank", "spread_rank")
            for index in self._numeric
        )

    def _shares_of(
        self, index: int, feature: FeatureProfile
    ) -> Iterator[tuple[Stream, NDArray[np.intp], bool]]:
        """Yield the streams of a feature, the counts that are hits, and whether missing rows count too."""
        head, start = index * len(_HEAD), self._starts[index]
        part = 1 / 6 if feature.kind == "numeric" else 1 / 3

        def stream(check: str, streams: int = 1) -> Stream:
            return Stream(feature=index, check=check, weight=part / streams, error=part / streams)

        yield stream("missing"), np.array([head + _MISSING]), True
        if feature.kind == "numeric":
            yield stream("infinite"), np.array([head + _INFINITE]), False
            yield stream("out_of_range", 2), np.array([head + _BELOW]), False
            yield stream("out_of_range", 2), np.array([head + _ABOVE]), False
            ends = [*_cells(np.asarray(feature.histogram), 1 / INTERVALS), len(feature.histogram)]
            if len(ends) > 3:  # one interval less than ends; of two, the mean rank says all
                for low, high in itertools.pairwise(ends):
                    yield stream("interval", len(ends) - 1), start + np.arange(low, high), False
            return
        yield stream("unseen"), np.array([head + _UNSEEN]), False
        counts = np.asarray(feature.counts)
        order = np.argsort(-counts, kind="stable")
        groups = GROUPS if len(counts) > CATEGORIES and not feature.unseen else 0
        kept = order[: CATEGORIES - groups]
        weight = part / max(len(kept) + groups, 1)
        error = part / 2 if groups else part
        for place in kept:
            one = Stream(feature=index, check="category", weight=weight, error=error, chosen=True)
            yield one, np.array([start + place]), False
        of_group = np.array([zlib.crc32(name.encode()) % GROUPS for name in feature.categories])
        for group in np.unique(of_group).tolist() if groups else ():
            several = Stream(feature=index, check="categories", weight=weight, error=error / groups)
            yield several, start + np.flatnonzero(of_group == group), False

    def counts(self, profile: Profile) -> NDArray[np.int64]:
        """Return all counts of a profile as one vector.

        Raises
        ------
        ConfigError
            Where it is not on the layout of the baseline.
        """
        try:
            features = [profile[feature.name] for feature in self.features]
        except KeyError as error:
            raise ConfigError(f'expected a profile with feature "{error.args[0]}", got one without') from None
        for feature, size in zip(features, self._sizes, strict=True):
            if len(feature.histogram) + len(feature.counts) != size:
                raise ConfigError(
                    f'feature "{feature.name}": expected the {size} bins or categories of the baseline, '
                    f"got {len(feature.histogram) + len(feature.counts)}"
                )
        return self._flat(features)

    def _flat(self, features: Sequence[FeatureProfile]) -> NDArray[np.int64]:
        parts = [np.array([_read_head(f) for f in features], np.int64).ravel()]
        parts += [features[index].histogram for index in self._numeric]
        parts += [features[index].counts for index in self._categorical]
        return np.concatenate(parts)

    def hits(self, counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return of each stream of ``shares`` the rows that are hits, and all that could be."""
        if not len(self._hit_starts):
            return np.zeros(0), np.zeros(0)
        hits = np.add.reduceat(counts[self._hits], self._hit_starts)
        rows = counts[self._share_rows] - np.where(self._share_present, counts[self._share_missing], 0)
        return hits.astype(np.float64), rows.astype(np.float64)

    def cells(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the rows of each numeric feature in its cells, shape (n_numeric, CELLS)."""
        cells = np.zeros((len(self._numeric), CELLS))
        if len(self._cell_starts):
            cells.flat[self._cell_places] = np.add.reduceat(counts[self._bins], self._cell_starts)
        return cells

    def split(self, counts: NDArray[np.int64], feature: int) -> dict[str, int | NDArray[np.int64]]:
        """Return the counts of one feature by the names of its profile."""
        at, start = feature * len(_HEAD), self._starts[feature]
        found: dict[str, int | NDArray[np.int64]] = {
            name: int(counts[at + place]) for place, name in enumerate(_HEAD)
        }
        layout = self.features[feature]
        name = "histogram" if layout.kind == "numeric" else "counts"
        found[name] = counts[start : start + len(getattr(layout, name))]
        return found


def _cells(histogram: NDArray[np.int64], share: float) -> NDArray[np.intp]:
    """Return the bins at which cells begin that each have at least a share of the rows."""
    rows = int(histogram.sum())
    begins, held = [0], 0
    for index, count in enumerate(histogram.tolist()[:-1]):
        held += count
        if held >= share * rows:
            begins.append(index + 1)
            held = 0
    if len(begins) > 1 and int(histogram[begins[-1] :].sum()) < share * rows:
        begins.pop()
    return np.array(begins, np.intp)
