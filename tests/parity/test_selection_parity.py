"""Feature selection: columns are left out, and the rest is what it was."""

import numpy as np
import pytest
from against_sklearn import check, quietly_fitted
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import (
    RFE,
    GenericUnivariateSelect,
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SELECTORS = [
    VarianceThreshold(0.5),
    SelectKBest(k=2),
    SelectPercentile(percentile=60),
    GenericUnivariateSelect(mode="k_best", param=3),
    SelectFromModel(RandomForestClassifier(5, random_state=0)),
    RFE(LogisticRegression(), n_features_to_select=2),
    SequentialFeatureSelector(LinearRegression(), n_features_to_select=2, cv=2),
]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("selector", SELECTORS, ids=lambda selector: type(selector).__name__)
def test_selectors(selector, dtype):
    rng = np.random.default_rng(2)
    data = (rng.normal(size=(60, 5)) * [1, 0.1, 2, 3, 1]).astype(dtype)
    target = (data[:, 0] + data[:, 3] > 0).astype(int)
    fitted = quietly_fitted(
        make_pipeline(StandardScaler(with_std=False), selector, StandardScaler()), data, target
    )
    check(fitted, data)


def test_none_selected():
    data = np.ones((4, 3))
    data[:, 0] = [0, 1, 2, 3]
    fitted = quietly_fitted(VarianceThreshold(0.5), data)
    fitted.threshold = 100.0
    check(fitted, data)
