"""What rows of the reference look like, all features together: a sample of them, and what was learned of it.

Read next: checks.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from penstock.errors import BundleError, ConfigError
from penstock.monitor.multivariate.encoder import Encoder
from penstock.monitor.multivariate.principal_components import PrincipalComponents
from penstock.monitor.multivariate.reservoir import Reservoir, sampled
from penstock.monitor.multivariate.row_sample import RowSample

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from penstock.monitor.profile import Profile

__all__ = ["VARIANCE", "MultivariateBaseline", "reference_rows"]

VARIANCE: Final = 0.65
"""Share of the variance that the principal components hold."""

_MOST_ROWS: Final = 5000
_MOST_VALUES: Final = 2**19
_LEAST_ROWS: Final = 1000
_FORMAT: Final = 1


class _Parts(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    format: int
    sample: bytes
    categories: dict[int, int]


def reference_rows(features: int) -> int:
    """Return how many rows of a reference are kept: 5,000, fewer of more than 104 features, at least 1,000.

    >>> reference_rows(30), reference_rows(200)
    (5000, 2621)
    """
    return max(_LEAST_ROWS, min(_MOST_ROWS, _MOST_VALUES // max(features, 1)))


@dataclass(frozen=True, eq=False)
class MultivariateBaseline:
    """A sample of the rows of a reference.

    Attributes
    ----------
    sample : RowSample
    categories : mapping of int to int
        By the place of a categorical feature: how many categories the layout has of it. That number is what
        the sample has for every other text.

    Notes
    -----
    One half of the rows teaches principal components, the other half says how large their errors are for
    rows that they were not learned from. All of it is computed when first asked for, in milliseconds.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from penstock.monitor import Baseline
    >>> table = pa.table({"x": np.arange(500.0), "y": np.arange(500.0) % 7})
    >>> baseline = MultivariateBaseline.fit(table, Baseline.fit(table).profile)
    >>> baseline.names, len(baseline.sample)
    (('x', 'y'), 500)
    """

    sample: RowSample
    categories: Mapping[int, int]

    @classmethod
    def fit(cls, reference: Any, layout: Profile, seed: int = 0) -> MultivariateBaseline:
        """Draw the sample.

        Parameters
        ----------
        reference : Arrow table or record batch, dict, data frame, or RowSample
            Rows of the reference, or a uniform sample of them: see :class:`TableSample`.
        layout : Profile
            Of the whole reference: its features and their categories.
        seed : int, default 0

        Raises
        ------
        ConfigError
            Where the layout has no feature.
        """
        features = sampled(layout)
        if not features:
            raise ConfigError("expected a layout with features, got one of outputs and labels only")
        if isinstance(reference, RowSample):
            sample = reference
        else:
            reservoir = Reservoir(layout, reference_rows(len(features)), seed)
            reservoir.update(reference)
            sample = reservoir.sample()
        # Rows are in the order they came where few came: halves must not be halves of the time.
        order = np.random.default_rng(seed).permutation(len(sample))
        sample = replace(sample, values=sample.values[order])
        return cls(
            sample,
            {
                place: len(feature.categories)
                for place, feature in enumerate(features)
                if feature.kind == "categorical"
            },
        )

    def restricted(self, names: Collection[str]) -> MultivariateBaseline:
        """Return the baseline of some of the features, in the order that they have here.

        Raises
        ------
        ConfigError
            Where none of them is a feature.
        """
        places = [place for place, name in enumerate(self.names) if name in names]
        if not places:
            raise ConfigError(f"expected features among {', '.join(self.names[:8])}, got none of them")
        sample = replace(
            self.sample,
            names=tuple(self.names[place] for place in places),
            values=np.ascontiguousarray(self.sample.values[:, places]),
        )
        kept = {new: self.categories[old] for new, old in enumerate(places) if old in self.categories}
        return MultivariateBaseline(sample, kept)

    @property
    def names(self) -> tuple[str, ...]:
        """Features, in the order of the columns."""
        return self.sample.names

    @property
    def halves(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The rows that are learned from, and those that are not."""
        half = len(self.sample) // 2
        return self.sample.values[:half], self.sample.values[half:]

    @cached_property
    def encoder(self) -> Encoder:
        """Turns rows into points; learned from the first half."""
        return Encoder.fit(self.halves[0], self.categories)

    @cached_property
    def components(self) -> PrincipalComponents:
        """Principal components of the first half."""
        return PrincipalComponents.fit(self.encoder.encode(self.halves[0]), VARIANCE)

    @cached_property
    def errors(self) -> NDArray[Any]:
        """Reconstruction errors of the second half."""
        return self.components.errors(self.encoder.encode(self.halves[1]))

    def to_bytes(self) -> bytes:
        """Return the baseline as bytes, versioned; no pickle. About 4 bytes a value of the sample."""
        return msgspec.msgpack.encode(_Parts(_FORMAT, self.sample.to_bytes(), dict(self.categories)))

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "baseline") -> MultivariateBaseline:
        """Read a baseline from bytes.

        Raises
        ------
        BundleError
            Naming the source, where the bytes are damaged, truncated, or of a newer format.
        """
        try:
            parts = msgspec.msgpack.decode(data, type=_Parts)
        except msgspec.MsgspecError as error:
            raise BundleError(f"{source}: the sample of rows is not well formed: {error}") from None
        if parts.format != _FORMAT:
            raise BundleError(f"{source}: expected a sample of format {_FORMAT}, got {parts.format}")
        sample = RowSample.from_bytes(parts.sample, source)
        if any(not 0 <= place < len(sample.names) for place in parts.categories):
            raise BundleError(f"{source}: the sample of rows has categories of a feature that it lacks")
        return cls(sample, parts.categories)
