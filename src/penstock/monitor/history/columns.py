"""What both tables write alike: spans of time, numbers that may be missing, features as bytes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penstock.monitor.profile import FeatureProfile, Profile

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["feature_bytes", "feature_of", "plain", "span", "span_type"]


def span_type() -> pa.DataType:
    """Return the type of a span of time."""
    import pyarrow as pa

    moment = pa.timestamp("us", "UTC")
    return pa.struct([("start", moment), ("end", moment)])


def span(begin_s: float, end_s: float) -> dict[str, int]:
    """Return a span of time, given in seconds since the epoch, as a value of :func:`span_type`."""
    return {"start": round(begin_s * 1e6), "end": round(end_s * 1e6)}


def plain(value: float) -> float | None:
    """Return None for NaN."""
    return None if math.isnan(value) else float(value)


def feature_bytes(feature: FeatureProfile) -> bytes:
    """Return one feature as bytes: a profile of it alone."""
    return Profile((feature,), feature.rows).to_bytes()


def feature_of(data: bytes, source: str, shared: dict[Any, Any]) -> FeatureProfile:
    """Read what :func:`feature_bytes` wrote.

    Parameters
    ----------
    data : bytes
    source : str
        Named in errors.
    shared : dict
        Edges and categories that were read before, so that features in the same bins hold them once.

    Raises
    ------
    BundleError
        When the bytes are damaged.
    """
    (feature,) = Profile.from_bytes(data, source).features
    return replace(
        feature,
        name=shared.setdefault(feature.name, feature.name),
        edges=shared.setdefault(feature.edges.tobytes(), feature.edges),
        categories=shared.setdefault(feature.categories, feature.categories),
    )
