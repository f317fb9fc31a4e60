"""Laws to draw columns of, and profiles of them: what alarms are tested on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from drift_profiles import categories_of, current_of, reference_of

from penstock.monitor.profile import FeatureProfile, Profile

Draw = Callable[[np.random.Generator, int], np.ndarray]

NAMES = np.array([f"c{index:04}" for index in range(5000)])
RANKS = 1 / np.arange(1, 501)

LAWS: dict[str, Draw] = {
    "normal": lambda random, rows: random.normal(size=rows),
    "heavy_tailed": lambda random, rows: random.standard_cauchy(rows),
    "discrete": lambda random, rows: random.poisson(3, rows).astype(float),
    "many_zeros": lambda random, rows: np.where(random.random(rows) < 0.7, 0.0, random.normal(size=rows)),
    "missing": lambda random, rows: np.where(random.random(rows) < 0.1, math.nan, random.normal(size=rows)),
    "three_categories": lambda random, rows: random.choice(NAMES[:3], rows, p=[0.7, 0.25, 0.05]),
    "500_categories": lambda random, rows: NAMES[random.integers(0, 500, rows)],
    "500_of_zipf": lambda random, rows: random.choice(NAMES[:500], rows, p=RANKS / RANKS.sum()),
}


def correlated(random: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    """Six columns with a correlation of 0.8, normal and not."""
    shared = random.normal(size=(rows, 1))
    columns = math.sqrt(0.8) * shared + math.sqrt(0.2) * random.normal(size=(rows, 6))
    columns[:, 2] = np.exp(columns[:, 2])
    columns[:, 3] = np.round(columns[:, 3])
    found: dict[str, np.ndarray] = {f"x{index}": columns[:, index] for index in range(5)}
    found["state"] = NAMES[np.clip(np.round(columns[:, 5] * 2) + 5, 0, 10).astype(int)]
    return found


def reference_profile(values: np.ndarray, name: str = "x", kept: int = 1000) -> FeatureProfile:
    """Profile a column as a baseline has it."""
    if values.dtype.kind == "f":
        return reference_of(values, bins=min(128, len(values)), name=name)
    return categories_of(values.tolist(), name=name, kept=kept)


def current_profile(values: np.ndarray, reference: FeatureProfile) -> FeatureProfile:
    """Profile a column on the bins of a baseline."""
    if reference.kind == "numeric":
        return current_of(values, reference)
    texts, rows = np.unique(values, return_counts=True)
    counted = dict(zip(texts.tolist(), rows.tolist(), strict=True))
    counts = np.array([counted.get(name, 0) for name in reference.categories], np.int64)
    new = sorted(
        ((n, k) for n, k in counted.items() if n not in set(reference.categories)), key=lambda x: -x[1]
    )
    return replace(
        reference,
        rows=len(values),
        missing=0,
        counts=counts,
        unseen=len(values) - int(counts.sum()),
        unseen_top=tuple(new[:64]),
    )


def profiles(columns: dict[str, np.ndarray], reference: Profile | None = None) -> Profile:
    """Profile columns of the same rows."""
    rows = len(next(iter(columns.values())))
    if reference is None:
        return Profile(tuple(reference_profile(values, name) for name, values in columns.items()), rows)
    return Profile(tuple(current_profile(columns[f.name], f) for f in reference), rows)
