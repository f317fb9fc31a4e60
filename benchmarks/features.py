"""The benchmark's features: 25 raw columns, and scikit-learn's ColumnTransformer over them.

15 numeric columns are imputed and scaled, 5 are cut into bins, 5 are one-hot encoded from text.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["BINNED", "NUMERIC", "TEXT", "make_frame", "make_pipeline"]

NUMERIC = tuple(f"number_{index}" for index in range(15))
BINNED = tuple(f"binned_{index}" for index in range(5))
TEXT = tuple(f"text_{index}" for index in range(5))
MISSING = 0.05


def make_frame(count: int, levels: int = 50, seed: int = 1) -> Any:
    """Return a pandas frame of the 25 columns; one numeric value in twenty is missing."""
    import pandas as pd

    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for name in NUMERIC:
        values = random.normal(loc=10, scale=3, size=count)
        values[random.random(count) < MISSING] = np.nan
        columns[name] = values
    for name in BINNED:
        columns[name] = random.exponential(size=count)
    for name in TEXT:
        names = np.array([f"level-{index:03d}" for index in range(levels)], dtype=object)
        columns[name] = names[random.integers(0, levels, count)]
    return pd.DataFrame(columns)


def make_pipeline(frame: Any) -> Any:
    """Return the fitted ColumnTransformer; its output is 20 + 5 × levels columns wide."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline as chain
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

    bins = KBinsDiscretizer(
        n_bins=8,
        encode="ordinal",
        strategy="quantile",
        quantile_method="averaged_inverted_cdf",
        subsample=None,
    )
    return ColumnTransformer(
        [
            ("number", chain(SimpleImputer(strategy="median"), StandardScaler()), list(NUMERIC)),
            ("bin", bins, list(BINNED)),
            ("text", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(TEXT)),
        ]
    ).fit(frame)
