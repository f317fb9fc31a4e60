"""Profiles counted by numpy, slowly and plainly: what the statistics are tested on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.monitor.profile import FeatureProfile, Profile


def reference_of(values: Any, bins: int = 128, name: str = "x", **more: Any) -> FeatureProfile:
    """Profile numbers on the edges that their own quantiles give."""
    values = np.asarray(values, dtype=np.float64)
    finite = np.unique(values[np.isfinite(values)])
    if len(finite) <= 20:
        edges = (finite[:-1] + finite[1:]) / 2
    else:
        edges = np.unique(np.quantile(values[np.isfinite(values)], np.arange(1, bins) / bins))
    return _numeric(name, values, edges, None, **more)


def current_of(values: Any, reference: FeatureProfile, **more: Any) -> FeatureProfile:
    """Profile numbers on the bins of a reference."""
    return _numeric(reference.name, np.asarray(values, np.float64), reference.edges, reference, **more)


def _numeric(
    name: str, values: np.ndarray, edges: np.ndarray, reference: FeatureProfile | None, **more: Any
) -> FeatureProfile:
    present = values[~np.isnan(values)]
    finite = present[np.isfinite(present)]
    some = len(finite) > 0
    with np.errstate(over="ignore"):
        mean = float(finite.mean()) if some else math.nan
        squares = float(((finite - mean) ** 2).sum()) if some else math.nan
    return FeatureProfile(
        name=name,
        kind="numeric",
        rows=len(values),
        missing=len(values) - len(present),
        infinite=len(present) - len(finite),
        mean=mean,
        m2=squares,
        minimum=float(finite.min()) if some else math.nan,
        maximum=float(finite.max()) if some else math.nan,
        edges=edges,
        histogram=np.bincount(np.searchsorted(edges, present, side="right"), minlength=len(edges) + 1),
        distinct=float(len(np.unique(finite))),
        below=0 if reference is None else int((present < reference.minimum).sum()),
        above=0 if reference is None else int((present > reference.maximum).sum()),
        **more,
    )


def categories_of(
    values: Sequence[Any], reference: FeatureProfile | None = None, name: str = "c", kept: int = 1000
) -> FeatureProfile:
    """Profile texts; those of a reference on its own categories, the most frequent first."""
    counted = Counter(value for value in values if value is not None)
    if reference is None:
        categories = tuple(category for category, _ in counted.most_common(kept))
    else:
        name, categories = reference.name, reference.categories
    counts = np.array([counted[category] for category in categories], dtype=np.int64)
    unseen = {category: rows for category, rows in counted.items() if category not in set(categories)}
    return FeatureProfile(
        name=name,
        kind="categorical",
        type="string",
        rows=len(values),
        missing=len(values) - sum(counted.values()),
        categories=categories,
        counts=counts,
        unseen=sum(unseen.values()),
        unseen_top=tuple(Counter(unseen).most_common(64)),
        distinct=float(len(counted)),
    )


def profile_of(*features: FeatureProfile) -> Profile:
    """Put features of the same rows together."""
    return Profile(features=features, rows=features[0].rows)
