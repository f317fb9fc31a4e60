"""A sample of rows, all features together. A value: it merges, and travels as bytes. Made by reservoir.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from penstock.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RowSample"]

_EXACT_BELOW = 10**9


class _Parts(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    format: int
    names: tuple[str, ...]
    seen: int
    capacity: int
    values: bytes


_FORMAT = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class RowSample:
    """Rows drawn from all rows seen, each as likely as any other.

    Attributes
    ----------
    names : tuple of str
        Features, in the order of the columns.
    values : ndarray of float32, shape (n_rows, n_features)
        Numbers as they are, NaN where missing. A category is its place among those of the layout; the next
        number after the last stands for every other text.
    seen : int
        Rows that it was drawn from.
    capacity : int
        Rows that it holds at most.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    seen: int
    capacity: int

    def __len__(self) -> int:
        return len(self.values)

    def merge(self, other: RowSample, seed: int = 0) -> RowSample:
        """Return a sample of the rows of both.

        Parameters
        ----------
        other : RowSample
            Of the same features, and of other rows.
        seed : int, default 0

        Raises
        ------
        ConfigError
            Where the features differ.

        Notes
        -----
        The law of the result does not depend on the order; which rows are drawn does.
        """
        if self.names != other.names:
            raise ConfigError(
                f"expected a sample of the same {len(self.names)} features, got one of {list(other.names)}"
            )
        random = np.random.default_rng((seed, self.seen, other.seen))
        capacity = min(self.capacity, other.capacity)
        seen = self.seen + other.seen
        wanted = min(capacity, len(self) + len(other))
        first = _share(random, self.seen, other.seen, wanted)
        first = min(max(first, wanted - len(other)), len(self))
        rows = [
            sample.values[random.permutation(len(sample))[:count]]
            for sample, count in ((self, first), (other, wanted - first))
        ]
        return RowSample(names=self.names, values=np.concatenate(rows), seen=seen, capacity=capacity)

    def to_bytes(self) -> bytes:
        """Return the sample as bytes, versioned; no pickle."""
        values = np.ascontiguousarray(self.values, "<f4").tobytes()
        return msgspec.msgpack.encode(_Parts(_FORMAT, self.names, self.seen, self.capacity, values))

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "sample") -> RowSample:
        """Read a sample from bytes.

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
            raise BundleError(f"{source}: expected a sample of rows of format {_FORMAT}, got {parts.format}")
        return cls(
            names=parts.names,
            values=matrix(parts.values, len(parts.names), source),
            seen=parts.seen,
            capacity=parts.capacity,
        )


def matrix(data: bytes, columns: int, source: str) -> NDArray[np.float32]:
    """Return the matrix that lies in bytes; BundleError where they are no whole number of rows."""
    if len(data) % max(4 * columns, 1):
        raise BundleError(f"{source}: the sample of rows is truncated")
    values: NDArray[Any] = np.frombuffer(data, "<f4").astype(np.float32)
    return values.reshape(-1, columns) if columns else values.reshape(0, 0)


def _share(random: np.random.Generator, first: int, second: int, wanted: int) -> int:
    """Draw how many of ``wanted`` rows come from the first of two sets."""
    if not first + second:
        return 0
    if first + second < _EXACT_BELOW:
        return int(random.hypergeometric(first, second, wanted))
    return int(random.binomial(wanted, first / (first + second)))  # beyond 1e9 rows they do not differ
