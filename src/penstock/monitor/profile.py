"""Profiles: what was counted of data, feature by feature. Values: they merge, and travel as bytes.

Made by a :class:`~penstock.monitor.profiler.Profiler`. Read next: baseline.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor import distinct as distinct_values
from penstock.monitor import frequent

__all__ = ["FeatureProfile", "Kind", "Profile", "Role"]

Kind = Literal["numeric", "categorical"]
Role = Literal["feature", "output", "label"]

_COUNTS = ("rows", "missing", "infinite", "below", "above", "unseen")


def _no_counts() -> np.ndarray[Any, Any]:
    return np.zeros(0, np.int64)


def _no_edges() -> np.ndarray[Any, Any]:
    return np.zeros(0, np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureProfile:
    """What was counted of one raw column or output.

    Attributes
    ----------
    name : str
    kind : {"numeric", "categorical"}
    type : str
        One of :data:`penstock.transform.spec.TYPES`: what came, in the reference.
    role : {"feature", "output", "label"}
    rows : int
    missing : int
        Null, or for a number NaN.
    infinite : int
        Counted in the end bins and not in the moments.
    mean, m2, minimum, maximum : float
        Of finite values; ``m2`` is the sum of squared differences from the mean. NaN where there are none.
    edges : ndarray of float64, shape (n_bins - 1,)
        Strictly increasing.
    histogram : ndarray of int64, shape (n_bins,)
        By ``numpy.searchsorted(edges, x, side="right")``; everything but NaN is in it.
    below, above : int
        Outside the smallest and the largest finite value of the reference; 0 in the reference itself.
    categories : tuple of str
    counts : ndarray of int64, shape (n_categories,)
    unseen : int
        Texts that are not among the categories.
    unseen_top : tuple of (str, int)
        At most :data:`penstock.monitor.frequent.KEPT` of them, most frequent first; counts are lower
        bounds. Long texts are cut and end in a digest of the whole; bytes that are not UTF-8 are escaped.
    distinct : float
        Estimate; of a categorical feature, the categories that came are counted exactly.
    registers : bytes
        The state behind ``distinct``: see :mod:`penstock.monitor.distinct`.
    """

    name: str
    kind: Kind
    type: str = "number"
    role: Role = "feature"
    rows: int = 0
    missing: int = 0
    infinite: int = 0
    mean: float = math.nan
    m2: float = math.nan
    minimum: float = math.nan
    maximum: float = math.nan
    edges: np.ndarray[Any, Any] = field(default_factory=_no_edges)
    histogram: np.ndarray[Any, Any] = field(default_factory=_no_counts)
    below: int = 0
    above: int = 0
    categories: tuple[str, ...] = ()
    counts: np.ndarray[Any, Any] = field(default_factory=_no_counts)
    unseen: int = 0
    unseen_top: tuple[tuple[str, int], ...] = ()
    distinct: float = 0.0
    registers: bytes = field(default=b"", repr=False)

    @property
    def present(self) -> int:
        """Values that are not missing."""
        return self.rows - self.missing

    @property
    def finite(self) -> int:
        """Values that the moments are of."""
        return self.rows - self.missing - self.infinite

    @property
    def variance(self) -> float:
        """Of the finite values, with n - 1; NaN of fewer than two."""
        return self.m2 / (self.finite - 1) if self.finite > 1 else math.nan

    @property
    def standard_deviation(self) -> float:
        """Square root of the variance."""
        return math.sqrt(self.variance)

    @property
    def missing_share(self) -> float:
        """Missing values a row; NaN of no rows."""
        return self._share(self.missing)

    @property
    def unseen_share(self) -> float:
        """Unseen texts a row; NaN of no rows."""
        return self._share(self.unseen)

    @property
    def out_of_range_share(self) -> float:
        """Values below or above the range of the reference, a row; NaN of no rows."""
        return self._share(self.below + self.above)

    def _share(self, count: int) -> float:
        return count / self.rows if self.rows else math.nan

    def merge(self, other: FeatureProfile) -> FeatureProfile:
        """Return the profile of both together.

        Parameters
        ----------
        other : FeatureProfile
            Of the same layout: name, kind, edges and categories.

        Raises
        ------
        ConfigError
            Where the layouts differ.

        Notes
        -----
        Counts, extremes and registers are exact, whatever the order. Mean and m2 are merged as Chan, Golub
        and LeVeque do (1983): within a few roundings of the whole, whatever the order.
        """
        self._check_layout(other)
        moments: dict[str, Any] = _merge_moments(self, other) if self.kind == "numeric" else {}
        registers = distinct_values.join(self.registers, other.registers)
        counts = self.counts + other.counts
        distinct = float(np.count_nonzero(counts)) + distinct_values.estimate(registers)
        if not (registers or self.kind == "categorical"):
            distinct = max(self.distinct, other.distinct)
        return replace(
            self,
            **{name: getattr(self, name) + getattr(other, name) for name in _COUNTS},
            **moments,
            histogram=self.histogram + other.histogram,
            counts=counts,
            unseen_top=frequent.join(self.unseen_top, other.unseen_top),
            distinct=distinct,
            registers=registers,
        )

    def _check_layout(self, other: FeatureProfile) -> None:
        for what in ("name", "kind", "role", "categories"):
            if getattr(self, what) != getattr(other, what):
                raise ConfigError(
                    f'feature "{self.name}": expected a profile with the same {what}, got "{other.name}" '
                    "with another; merge profiles of one baseline"
                )
        if not np.array_equal(self.edges, other.edges):
            raise ConfigError(f'feature "{self.name}": expected a profile with the same edges, got others')

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FeatureProfile):
            return NotImplemented
        return all(_same(getattr(self, part.name), getattr(other, part.name)) for part in fields(self))

    __hash__ = None  # type: ignore[assignment]


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, np.ndarray | float):
        return bool(np.array_equal(first, second, equal_nan=True))
    return bool(first == second)


def _merge_moments(first: FeatureProfile, second: FeatureProfile) -> dict[str, float]:
    if not first.finite or not second.finite:
        only = first if first.finite else second
        return {"mean": only.mean, "m2": only.m2, "minimum": only.minimum, "maximum": only.maximum}
    rows = first.finite + second.finite
    share = second.finite / rows
    apart = second.mean - first.mean
    if math.isfinite(apart):
        mean = first.mean + apart * share
    else:
        mean = first.mean * (first.finite / rows) + second.mean * share
    return {
        "mean": mean,
        "m2": first.m2 + second.m2 + (apart * apart) * (first.finite * share),
        "minimum": min(first.minimum, second.minimum),
        "maximum": max(first.maximum, second.maximum),
    }


@dataclass(frozen=True)
class Profile:
    """What was counted of all columns of some rows.

    Attributes
    ----------
    features : tuple of FeatureProfile
    rows : int
    """

    features: tuple[FeatureProfile, ...]
    rows: int

    @cached_property
    def _by_name(self) -> dict[str, FeatureProfile]:
        return {feature.name: feature for feature in self.features}

    def __getitem__(self, name: str) -> FeatureProfile:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[FeatureProfile]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    __hash__ = None  # type: ignore[assignment]

    def merge(self, other: Profile) -> Profile:
        """Return the profile of both together; see :meth:`FeatureProfile.merge`."""
        names, others = [f.name for f in self.features], [f.name for f in other.features]
        if names != others:
            raise ConfigError(f"expected a profile of the same {len(names)} features, got one of {others}")
        pairs = zip(self.features, other.features, strict=True)
        return Profile(tuple(first.merge(second) for first, second in pairs), self.rows + other.rows)

    def to_bytes(self) -> bytes:
        """Return the profile as bytes, versioned and with a digest; no pickle."""
        from penstock.monitor.encoding import encode

        return encode(self)

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "profile") -> Profile:
        """Read a profile from bytes.

        Raises
        ------
        BundleError
            Naming the source, where the bytes are damaged, truncated, or of a newer format.
        """
        from penstock.monitor.encoding import decode

        return decode(data, source)
