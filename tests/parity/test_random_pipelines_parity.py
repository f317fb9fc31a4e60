"""Pipelines that nobody would write by hand, of the steps whose results are exact."""

import warnings

import numpy as np
import pandas as pd
import pytest
from against_sklearn import check, expected_from
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

ROWS = 24
TYPES = ("f4", "f8", "i1", "i8", "u2", "text")
ATTEMPTS = 24

SCALERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    MinMaxScaler(clip=True),
    MaxAbsScaler(),
    RobustScaler(with_centering=False),
    "passthrough",
    FunctionTransformer(np.abs),
    FunctionTransformer(np.floor, validate=True),
]
FILLED = [
    SimpleImputer(),
    SimpleImputer(strategy="most_frequent"),
    SimpleImputer(strategy="median", add_indicator=True),
]
SPREAD = [
    KBinsDiscretizer(3, encode="ordinal", quantile_method="averaged_inverted_cdf"),
    KBinsDiscretizer(3, encode="onehot", strategy="uniform"),
    OneHotEncoder(handle_unknown="ignore", max_categories=4),
    OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.int8),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32),
    VarianceThreshold(),
]
TEXTUAL = [
    OneHotEncoder(handle_unknown="ignore"),
    OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32, min_frequency=3),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
]


def pick(rng, choices):
    chosen = choices[rng.integers(len(choices))]
    return chosen if isinstance(chosen, str) else clone(chosen)


def numeric(rng):
    shape = rng.integers(6)
    filled = pick(rng, FILLED)
    if shape == 0:
        return pick(rng, SCALERS)
    if shape == 1:
        return filled
    if shape == 2:
        return make_pipeline(filled, pick(rng, SCALERS))
    if shape == 3:
        return make_pipeline(filled, pick(rng, SPREAD))
    if shape == 4:
        return make_pipeline(filled, pick(rng, SPREAD), pick(rng, SCALERS))
    return FeatureUnion([("a", filled), ("b", pick(rng, SCALERS))])


def column_transformer(rng, textual):
    """Parts over some columns each, texts and numbers apart; `textual` says which columns are texts."""
    parts = []
    for kind in (True, False):
        own = np.flatnonzero(np.array(textual) == kind)
        for _ in range(rng.integers(1, 3) if len(own) else 0):
            chosen = rng.permutation(own)[: rng.integers(1, 5)].tolist()
            parts.append((f"p{len(parts)}", pick(rng, TEXTUAL) if kind else numeric(rng), chosen))
    return ColumnTransformer(parts, sparse_threshold=rng.choice([0.0, 0.3, 1.0]))


def frame(rng, types, levels):
    return pd.DataFrame({f"{kind}_{i}": column(rng, kind, levels) for i, kind in enumerate(types)})


def column(rng, kind, levels):
    if kind == "text":
        values = np.array([*(f"level {i}" for i in range(levels)), np.nan], dtype=object)
        return pd.Series(rng.choice(values, ROWS), dtype=object)
    values = rng.integers(0, levels, ROWS) if rng.random() < 0.5 else rng.normal(0, 20, ROWS).round(3)
    if kind.startswith("f"):
        return np.where(rng.random(ROWS) < 0.1, np.nan, values).astype(kind)
    return np.abs(values).astype(kind)


def pipeline(rng, types, fit):
    """Up to three steps, as scikit-learn takes them one after the other."""
    steps = [column_transformer(rng, [kind == "text" for kind in types])]
    for _ in range(rng.integers(0, 3)):
        width = make_pipeline(*steps).fit_transform(fit).shape[1]
        steps.append(column_transformer(rng, [False] * width) if rng.random() < 0.5 else pick(rng, SCALERS))
    made = make_pipeline(*steps)
    return made.set_output(transform="pandas") if rng.random() < 0.2 else made


@pytest.mark.parametrize("seed", range(8))
def test_random_pipelines(seed):
    rng = np.random.default_rng(seed)
    converted = 0
    for _ in range(ATTEMPTS):
        types = rng.choice(TYPES, rng.integers(2, 7)).tolist()
        fit, new = frame(rng, types, 4), frame(rng, types, 6)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                fitted = pipeline(rng, types, fit).fit(fit)
            expected_from(fitted, new)
        except (ValueError, TypeError, IndexError):
            continue  # no step of scikit-learn takes what the one before gives
        check(fitted, new, given=new, example=fit)
        if not any(kind in ("i1", "u2") for kind in types):
            check(fitted, new, given=new)
        converted += 1
    assert converted > ATTEMPTS // 8
