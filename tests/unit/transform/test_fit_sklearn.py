"""What is learned, against scikit-learn: the same steps fitted to the same data give the same values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from penstock.transform import (
    Bin,
    BoxCox,
    Count,
    Feature,
    Frequency,
    Impute,
    MaxAbsScale,
    MinMaxScale,
    Normalize,
    OneHot,
    Ordinal,
    Pca,
    Polynomial,
    Quantile,
    RobustScale,
    StandardScale,
    Target,
    Transform,
    Winsorize,
    YeoJohnson,
)
from penstock.transform.fit import fit

ROWS = 2000
RNG = np.random.default_rng(0)
NUMBERS = np.column_stack(
    [
        RNG.normal(40, 10, ROWS),
        RNG.lognormal(3, 1, ROWS),
        RNG.normal(0, 1, ROWS) ** 3,
        RNG.integers(0, 9, ROWS),
    ]
)
HOLES = np.where(RNG.random(NUMBERS.shape) < 0.1, np.nan, NUMBERS)
CODES = RNG.integers(0, 8, (ROWS, 2)).astype(float) ** 2
CODES[::9, 0] = np.nan
TEXTS = np.array(["ä", "b", "", "Z", "😀", "a b"], dtype=object)[RNG.integers(0, 6, (ROWS, 2))]
TEXTS[::7, 1] = None


def columns_of(data: np.ndarray) -> dict[str, pa.Array]:
    kind = pa.string() if data.dtype == object else None
    return {f"x{i}": pa.array(data[:, i].copy(), kind) for i in range(data.shape[1])}


def fitted(steps: Any, data: np.ndarray, target: np.ndarray | None = None) -> np.ndarray:
    columns = columns_of(data)
    table = pa.table(columns if target is None else {**columns, "y": pa.array(target)})
    features = [Feature(columns=tuple(columns), steps=steps)]
    spec = fit(features, table, dtype="float64", target=None if target is None else "y")
    return np.asarray(Transform(spec).transform(table))


def expected(transformer: Any, data: np.ndarray, target: np.ndarray | None = None) -> np.ndarray:
    result = transformer.fit(data, target).transform(data)
    return np.asarray(result.toarray() if hasattr(result, "toarray") else result)


def bins(strategy: str, encode: str) -> KBinsDiscretizer:
    return KBinsDiscretizer(
        strategy=strategy, encode=encode, quantile_method="averaged_inverted_cdf", subsample=None
    )


@pytest.mark.parametrize(
    ("steps", "transformer", "data"),
    [
        (MinMaxScale(), MinMaxScaler(), HOLES),
        (MinMaxScale(low=-1, high=3, clip=True), MinMaxScaler((-1, 3), clip=True), HOLES),
        (MaxAbsScale(), MaxAbsScaler(), HOLES),
        (RobustScale(), RobustScaler(), HOLES),
        (RobustScale(center=False), RobustScaler(with_centering=False), HOLES),
        (RobustScale(low=0.1, high=0.8), RobustScaler(quantile_range=(10, 80)), HOLES),
        (Quantile(), QuantileTransformer(subsample=None), HOLES),
        (Quantile(quantiles=50), QuantileTransformer(n_quantiles=50, subsample=None), HOLES),
        (Normalize(norm="l1"), Normalizer("l1"), NUMBERS),
        (Bin(), bins("quantile", "ordinal"), NUMBERS),
        (Bin(strategy="uniform"), bins("uniform", "ordinal"), NUMBERS),
        (Bin(strategy="kmeans"), bins("kmeans", "ordinal"), NUMBERS),
        (Bin(output="one_hot"), bins("quantile", "onehot-dense"), NUMBERS),
        (Impute(strategy="median"), SimpleImputer(strategy="median"), HOLES),
        (Impute(strategy="most_frequent"), SimpleImputer(strategy="most_frequent"), HOLES),
        (
            Impute(strategy="median", indicator=True),
            SimpleImputer(strategy="median", add_indicator=True),
            HOLES,
        ),
        (
            (Impute(strategy="median"), RobustScale()),
            make_pipeline(SimpleImputer(strategy="median"), RobustScaler()),
            HOLES,
        ),
        (
            (Impute(strategy="median"), MinMaxScale()),
            make_pipeline(SimpleImputer(strategy="median"), MinMaxScaler()),
            HOLES,
        ),
        (
            (Impute(strategy="most_frequent"), Quantile()),
            make_pipeline(SimpleImputer(strategy="most_frequent"), QuantileTransformer(subsample=None)),
            HOLES,
        ),
        (
            (Impute(strategy="constant", value=-1.0), Bin()),
            make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.0), bins("quantile", "ordinal")),
            HOLES,
        ),
        (
            (Impute(strategy="median", indicator=True), MaxAbsScale()),
            make_union(make_pipeline(SimpleImputer(strategy="median"), MaxAbsScaler()), MissingIndicator()),
            HOLES,
        ),
        (OneHot(), OneHotEncoder(), CODES),
        (OneHot(), OneHotEncoder(), TEXTS),
        (OneHot(min_count=300), OneHotEncoder(min_frequency=300), CODES),
        (OneHot(min_share=0.12, drop="first"), OneHotEncoder(min_frequency=0.12, drop="first"), CODES),
        (OneHot(max_outputs=4), OneHotEncoder(max_categories=4), TEXTS),
        (OneHot(max_outputs=1), OneHotEncoder(max_categories=1), TEXTS),
        (OneHot(max_outputs=2, drop="if_binary"), OneHotEncoder(max_categories=2, drop="if_binary"), TEXTS),
        (OneHot(min_count=9999), OneHotEncoder(min_frequency=9999), TEXTS),
        (Ordinal(), OrdinalEncoder(), CODES),
        (Ordinal(missing=-2), OrdinalEncoder(encoded_missing_value=-2), CODES),
        (
            (Impute(strategy="most_frequent"), OneHot()),
            make_pipeline(SimpleImputer(strategy="most_frequent", missing_values=None), OneHotEncoder()),
            TEXTS,
        ),
        (
            (Impute(strategy="constant", value="?"), Ordinal()),
            make_pipeline(
                SimpleImputer(strategy="constant", fill_value="?", missing_values=None), OrdinalEncoder()
            ),
            TEXTS,
        ),
    ],
    ids=str,
)  # fmt: skip
def test_exactly(steps: Any, transformer: Any, data: np.ndarray) -> None:
    np.testing.assert_array_equal(fitted(steps, data), expected(transformer, data))


@pytest.mark.parametrize(
    ("steps", "transformer", "data", "rtol"),
    [
        (StandardScale(), StandardScaler(), HOLES, 1e-12),
        (StandardScale(center=False), StandardScaler(with_mean=False), HOLES, 1e-12),
        (StandardScale(scale=False), StandardScaler(with_std=False), HOLES, 1e-12),
        (Impute(), SimpleImputer(), HOLES, 1e-12),
        ((Impute(), StandardScale()), make_pipeline(SimpleImputer(), StandardScaler()), HOLES, 1e-12),
        (
            (Impute(strategy="median"), StandardScale()),
            make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
            HOLES,
            1e-12,
        ),
        (
            Quantile(distribution="normal"),
            QuantileTransformer(subsample=None, output_distribution="normal"),
            HOLES,
            1e-12,
        ),
        (Polynomial(degree=3, bias=True), PolynomialFeatures(3), NUMBERS, 1e-14),
        (
            Polynomial(interaction_only=True),
            PolynomialFeatures(2, interaction_only=True, include_bias=False),
            NUMBERS,
            1e-14,
        ),
        (BoxCox(), PowerTransformer(method="box-cox", standardize=False), NUMBERS[:, :2], 1e-6),
        (YeoJohnson(), PowerTransformer(standardize=False), HOLES, 1e-6),
        ((YeoJohnson(), StandardScale()), PowerTransformer(), HOLES, 1e-6),
        (Pca(), PCA(), NUMBERS, 1e-9),
        (Pca(components=2, whiten=True), PCA(2, whiten=True), NUMBERS, 1e-9),
        (Pca(components=0.9), PCA(0.9), NUMBERS, 1e-9),
        (
            (Impute(), StandardScale(), Pca(components=3)),
            make_pipeline(SimpleImputer(), StandardScaler(), PCA(3)),
            HOLES,
            1e-9,
        ),
    ],
    ids=str,
)  # fmt: skip
def test_closely(steps: Any, transformer: Any, data: np.ndarray, rtol: float) -> None:
    want = expected(transformer, data)
    scale = np.nanmax(np.abs(want), axis=0)
    np.testing.assert_allclose(fitted(steps, data) / scale, want / scale, rtol=rtol, atol=rtol)


NOISE = RNG.normal(size=ROWS) + np.nan_to_num(CODES[:, 1]) / 10
THREE = np.array(["u", "v", "w"])[(NOISE > 1).astype(int) + (NOISE > 3)]


@pytest.mark.parametrize("data", [CODES, TEXTS], ids=["numbers", "texts"])
@pytest.mark.parametrize(
    ("step", "encoder", "target"),
    [
        (Target(), TargetEncoder(target_type="continuous"), NOISE),
        (Target(smooth=30), TargetEncoder(target_type="continuous", smooth=30.0), NOISE),
        (Target(smooth=0), TargetEncoder(target_type="continuous", smooth=0.0), NOISE),
        (Target(), TargetEncoder(target_type="binary"), (NOISE > 2).astype(int)),
        (Target(), TargetEncoder(target_type="binary"), NOISE > 2),
        (Target(), TargetEncoder(), np.array(["no", "yes"])[(NOISE > 2).astype(int)]),
        (Target(), TargetEncoder(), THREE),
        (Target(kind="classes"), TargetEncoder(), (NOISE > 1).astype(int) + (NOISE > 3)),
        (Target(smooth=5), TargetEncoder(smooth=5.0), THREE),
    ],
    ids=str,
)  # fmt: skip
def test_targets(step: Target, encoder: TargetEncoder, target: np.ndarray, data: np.ndarray) -> None:
    np.testing.assert_allclose(fitted(step, data, target), expected(encoder, data, target), rtol=1e-11)


def test_a_constant_column() -> None:
    data = np.full((10, 1), 0.1)
    np.testing.assert_array_equal(fitted(StandardScale(), data), expected(StandardScaler(), data))
    np.testing.assert_array_equal(fitted(MinMaxScale(), data), expected(MinMaxScaler(), data))
    np.testing.assert_array_equal(fitted(RobustScale(), data), expected(RobustScaler(), data))
    np.testing.assert_array_equal(fitted(YeoJohnson(), data), data)
    np.testing.assert_array_equal(fitted(Bin(), data), np.zeros((10, 1)))


def test_winsorize_stops_at_quantiles() -> None:
    low, high = np.nanquantile(HOLES, [0.05, 0.9], axis=0)
    np.testing.assert_allclose(
        fitted(Winsorize(low=0.05, high=0.9), HOLES), np.clip(HOLES, low, high), rtol=1e-14
    )


def test_counts_and_frequencies() -> None:
    values, inverse, counts = np.unique(CODES[:, 0], return_inverse=True, return_counts=True, equal_nan=True)
    assert len(values) == 9
    np.testing.assert_array_equal(fitted(Count(), CODES)[:, 0], counts[inverse])
    np.testing.assert_array_equal(fitted(Frequency(), CODES)[:, 0], counts[inverse] / ROWS)


@pytest.mark.parametrize("kind", ["float32", "int16", "bool"])
def test_types_of_columns_decide_the_arithmetic(kind: str) -> None:
    data = (NUMBERS[:, :2] > 40) if kind == "bool" else NUMBERS[:, :2].astype(kind)
    table = pa.table({"a": data[:, 0].copy(), "b": data[:, 1].copy()})
    spec = fit([Feature(columns=("a", "b"), steps=(StandardScale(),))], table)
    assert [column.type for column in spec.columns] == [kind, kind]
    want = StandardScaler().fit_transform(data)
    np.testing.assert_allclose(Transform(spec).transform(table), want, rtol=1e-5, atol=1e-6)
