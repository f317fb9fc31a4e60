"""Numeric operations, lowered and run, against scikit-learn and NumPy."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from transform_specs import assert_same, frame, names, numbers, op, run, spec

DTYPES = ("float32", "float64", "int32", "int8", "bool")
FITTED_ON = ("float32", "float64")
K = 3


def sample(dtype, rows=60, missing=False, seed=5):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, K)) * [1, 30, 0.01] + [0, 7, 100]
    if dtype == "bool":
        return matrix > np.median(matrix)
    if dtype.startswith("float"):
        matrix[:4] = [[0, -0.0, 1e-38], [np.inf, -np.inf, 0], [1e30, -1e-30, 5], [3, 3, 3]]
        if missing:
            matrix[rng.random(matrix.shape) < 0.2] = np.nan
    with np.errstate(over="ignore"):
        return matrix.astype(dtype)


def finite(dtype, missing=False):
    matrix = sample(dtype, missing=missing)
    return np.where(np.isinf(matrix), 1, matrix).astype(dtype) if dtype.startswith("float") else matrix


def outputs_of(operations, matrix, ulps=0, dtype=None):
    """The values y0, y1, … of operations over columns x0, x1, …, in scikit-learn's type for them."""
    last = operations[-1][2]
    single = "float32" if matrix.dtype == np.float32 else "float64"
    (result,) = run(spec(numbers(K), operations, last, dtype or single), frame(matrix), ulps)
    return result


def scale(name, **arrays):
    return [
        op(name, names("x", K), names("y", K), **{key: one for key, one in arrays.items() if one is not None})
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fitted_on", FITTED_ON)
class TestScales:
    def test_standard(self, dtype, fitted_on):
        model = StandardScaler().fit(finite(fitted_on, missing=True))
        matrix = finite(dtype, missing=True)
        got = outputs_of(scale("standard_scale", mean=model.mean_, scale=model.scale_), matrix)
        assert_same(got, model.transform(matrix))

    def test_min_max(self, dtype, fitted_on):
        model = MinMaxScaler(feature_range=(-1, 0.7)).fit(finite(fitted_on, missing=True))
        matrix = finite(dtype, missing=True)
        got = outputs_of(scale("min_max_scale", scale=model.scale_, min=model.min_), matrix)
        assert_same(got, model.transform(matrix))

    def test_min_max_with_clip(self, dtype, fitted_on):
        model = MinMaxScaler(feature_range=(-1, 0.7), clip=True).fit(finite(fitted_on)[10:])
        matrix = finite(dtype, missing=True)
        made = op(
            *("min_max_scale", names("x", K), names("y", K)),
            clip=True,
            low=-1,
            high=0.7,
            scale=model.scale_,
            min=model.min_,
        )
        assert_same(outputs_of([made], matrix), model.transform(matrix))

    def test_max_abs(self, dtype, fitted_on):
        model = MaxAbsScaler().fit(finite(fitted_on))
        matrix = finite(dtype, missing=True)
        got = outputs_of(scale("max_abs_scale", scale=model.scale_), matrix)
        assert_same(got, model.transform(matrix))

    def test_max_abs_with_clip(self, dtype, fitted_on):
        model = MaxAbsScaler(clip=True).fit(finite(fitted_on)[10:])
        matrix = finite(dtype, missing=True)
        made = op("max_abs_scale", names("x", K), names("y", K), clip=True, scale=model.scale_)
        assert_same(outputs_of([made], matrix), model.transform(matrix))

    @pytest.mark.parametrize("parts", [(True, True), (True, False), (False, True)])
    def test_robust(self, dtype, fitted_on, parts):
        model = RobustScaler(with_centering=parts[0], with_scaling=parts[1]).fit(finite(fitted_on))
        matrix = finite(dtype, missing=True)
        got = outputs_of(scale("robust_scale", center=model.center_, scale=model.scale_), matrix)
        assert_same(got, model.transform(matrix))

    def test_impute(self, dtype, fitted_on):
        if dtype == "bool":
            pytest.skip("SimpleImputer takes no booleans")
        model = SimpleImputer().fit(finite(fitted_on, missing=True))
        matrix = finite(dtype, missing=True)
        made = op(
            "impute",
            names("x", K),
            names("y", K),
            missing="nan",
            fill=model.statistics_.astype(model._fill_dtype),
        )
        assert_same(outputs_of([made], matrix), model.transform(matrix))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
class TestFunctions:
    def test_impute_number(self, dtype):
        matrix = np.round(finite(dtype)).astype(dtype)
        model = SimpleImputer(missing_values=7, strategy="mean").fit(np.round(finite("float64")))
        made = op(
            "impute",
            names("x", K),
            names("y", K),
            missing=7,
            fill=model.statistics_.astype(model._fill_dtype),
        )
        assert_same(outputs_of([made], matrix), model.transform(matrix))

    @pytest.mark.parametrize("norm", ["l1", "l2", "max"])
    def test_normalize(self, dtype, norm):
        matrix = np.where(abs(finite(dtype)) > 1e20, 1, finite(dtype)).astype(dtype)
        matrix[5] = 0
        made = op("normalize", names("x", K), names("y", K), norm=norm)
        assert_same(outputs_of([made], matrix, ulps=2), Normalizer(norm).transform(matrix), ulps=2)

    @pytest.mark.parametrize(
        "name",
        ["abs", "sign", "square", "reciprocal", "negative", "floor", "ceil", "rint", "sqrt", "identity"],
    )
    def test_exact_functions(self, dtype, name):
        matrix = sample(dtype, missing=dtype != "int32")
        got = outputs_of([op("function", names("x", K), names("y", K), name=name)], matrix)
        with np.errstate(all="ignore"):
            floating = matrix.astype(got.dtype)
            assert_same(got, floating if name == "identity" else getattr(np, name)(floating))

    @pytest.mark.parametrize(
        "name", ["log", "log1p", "log10", "exp", "expm1", "cbrt", "sin", "arctan", "tanh"]
    )
    def test_rounded_functions(self, dtype, name):
        matrix = sample(dtype, missing=dtype != "int32")
        if name == "sin":
            matrix = np.where(abs(matrix) < 1e6, matrix, 1).astype(dtype)
        got = outputs_of([op("function", names("x", K), names("y", K), name=name)], matrix, ulps=4)
        with np.errstate(all="ignore"):
            assert_same(got, getattr(np, name)(matrix.astype(got.dtype)), ulps=4)

    def test_clip(self, dtype):
        matrix = sample(dtype, missing=dtype != "int32")
        low, high = np.array([-1.5, -np.inf, -np.inf]), np.array([2.5, 7.1, np.inf])
        got = outputs_of([op("clip", names("x", K), names("y", K), low=low, high=high)], matrix)
        assert_same(got, np.clip(matrix.astype(got.dtype), low.astype(got.dtype), high.astype(got.dtype)))

    @pytest.mark.parametrize("fitted_on", FITTED_ON)
    def test_powers(self, dtype, fitted_on):
        matrix = np.clip(np.abs(finite(dtype)), 0.01, 50).astype(dtype) + (dtype == "int32")
        sane = np.clip(np.abs(finite(fitted_on)), 0.01, 50)
        for method, name in (("box-cox", "box_cox"), ("yeo-johnson", "yeo_johnson")):
            model = PowerTransformer(method=method, standardize=False).fit(sane)
            signed = matrix if method == "box-cox" else matrix * np.array([1, -1, 1], matrix.dtype)
            made = op(name, names("x", K), names("y", K), lambdas=model.lambdas_)
            expected = model.transform(signed)
            got = outputs_of([made], signed, ulps=64)
            # SciPy subtracts a lambda of float32 from 2 in float32, whatever the data.
            single = "float32" in (got.dtype, fitted_on)
            np.testing.assert_allclose(got, expected, rtol=2e-5 if single else 1e-11)

    @pytest.mark.parametrize("distribution", ["uniform", "normal"])
    @pytest.mark.parametrize("fitted_on", FITTED_ON)
    def test_quantile(self, dtype, fitted_on, distribution):
        fitted = np.round(np.clip(sample(fitted_on), -50, 50), 1)
        model = QuantileTransformer(n_quantiles=9, output_distribution=distribution).fit(fitted)
        matrix = np.round(np.clip(sample(dtype, missing=dtype != "int32", seed=9), -60, 60), 1).astype(dtype)
        made = op(
            *("quantile", names("x", K), names("y", K)),
            distribution=distribution,
            references=model.references_,
            quantiles=model.quantiles_.T.ravel(),
        )
        ulps = 0 if distribution == "uniform" else 4
        assert_same(outputs_of([made], matrix, ulps), model.transform(matrix), ulps)

    @pytest.mark.parametrize("fitted_on", FITTED_ON)
    @pytest.mark.parametrize("encode", ["ordinal", "onehot-dense"])
    def test_bin(self, dtype, fitted_on, encode):
        fitted = np.clip(sample(fitted_on), -50, 150)
        model = KBinsDiscretizer(5, encode=encode, strategy="uniform").fit(fitted)
        matrix = np.clip(sample(dtype, seed=9), -60, 160).astype(dtype)
        counts = np.array([len(edges) for edges in model.bin_edges_], np.int32)
        edges = np.concatenate(model.bin_edges_)
        width = K if encode == "ordinal" else int(model.n_bins_.sum())
        name = "bin" if encode == "ordinal" else "bin_one_hot"
        made = op(name, names("x", K), names("y", width), counts=counts, edges=edges)
        assert_same(outputs_of([made], matrix), model.transform(matrix))

    def test_polynomial(self, dtype):
        matrix = np.where(abs(finite(dtype)) > 1e6, 1, finite(dtype)).astype(dtype)
        model = PolynomialFeatures(degree=3).fit(matrix)
        # scikit-learn multiplies the first factor last.
        terms = [np.repeat(np.arange(K), row)[::-1] for row in model.powers_]
        made = op(
            *("polynomial", names("x", K), names("y", len(terms))),
            terms=np.concatenate(terms).astype(np.int32),
            counts=np.array([len(term) for term in terms], np.int32),
        )
        assert_same(outputs_of([made], matrix), model.transform(matrix))

    @pytest.mark.parametrize("fitted_on", FITTED_ON)
    @pytest.mark.parametrize("whiten", [False, True])
    def test_project(self, dtype, fitted_on, whiten):
        sane = np.clip(finite(fitted_on), -50, 150)
        matrix = np.clip(finite(dtype), -50, 150).astype(dtype)
        model = PCA(2, whiten=whiten).fit(sane)
        arrays = {
            "matrix": model.components_.ravel(),
            "subtract": (model.mean_.reshape(1, -1) @ model.components_.T)[0],
        }
        if whiten:
            arrays["divide"] = np.sqrt(model.explained_variance_)
        expected = model.transform(matrix)
        got = outputs_of([op("project", names("x", K), "y0 y1", **arrays)], matrix, 2, str(expected.dtype))
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3 if fitted_on == "float32" else 1e-5)


def test_types_of_several_columns_are_those_of_one_matrix():
    columns = {
        "a": pa.array([1.1, 2.2], pa.float32()),
        "b": pa.array([1.1, 2.2]),
        "c": pa.array([1, 2], pa.int8()),
    }
    fill = np.array([0.1, 0.1])
    made = spec(
        dict.fromkeys("abc", "number"),
        [
            op("impute", "a c", "a1 c1", fill=fill),
            op("impute", "a b", "a2 b2", fill=fill),
            op("standard_scale", "a1 c1", "a3 c3", scale=fill),
            op("standard_scale", "a2", "a4", scale=fill[:1]),
        ],
        "a3 a4",
    )
    (got,) = run(made, columns)
    single = np.float32([1.1, 2.2])
    assert_same(got[:, 0], (single / np.float32(0.1)).astype(np.float64))
    assert_same(got[:, 1], single.astype(np.float64) / 0.1)


def test_what_is_missing_is_indicated():
    columns = {
        "a": pa.array([1, None, 3], pa.int16()),
        "b": pa.array([np.nan, 7.0, 1.0], pa.float32()),
        "t": pa.array([None, 1, -(2**62)], pa.timestamp("us")),
        "s": pa.array(["", None, "?"]),
    }
    made = spec(
        {"a": "number", "b": "number", "t": "timestamp[us]", "s": ("string", ["?"])},
        [
            op("missing_indicator", "a b t s", "m0 m1 m2 m3"),
            op("missing_indicator", "b", "seven", missing=7),
            op("missing_indicator", "s", "empty", missing=""),
        ],
        "m0 m1 m2 m3 seven empty",
    )
    (got,) = run(made, columns)
    assert got.tolist() == [[0, 1, 1, 0, 0, 1], [1, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0]]


@pytest.mark.parametrize("unit", ["date32", "s", "ms", "us", "ns"])
def test_parts_of_times(unit):
    days = np.array([0, -1, 19782, 11016, 19723, -719162, 40000])
    if unit == "date32":
        array = pa.array([*days.tolist(), None], pa.int32()).cast(pa.date32())
    else:
        if unit == "ns":
            days = np.clip(days, -100000, 100000)
        times = (days * 86400 + 3661) * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit] + (unit != "s")
        array = pa.array([*times.tolist(), None], pa.timestamp(unit))
    parts = [
        "year",
        "quarter",
        "month",
        "day",
        "day_of_week",
        "day_of_year",
        "week",
        "hour",
        "minute",
        "second",
        "is_weekend",
        "epoch_seconds",
    ]
    kind = unit if unit == "date32" else f"timestamp[{unit}]"
    operations = [op("date_part", "t", part, part=part) for part in [*parts, "epoch_days"]]
    (got,) = run(spec({"t": kind}, operations, [*parts, "epoch_days", "year"]), {"t": array})
    assert np.isnan(got[-1]).all()
    assert got[0, :6].tolist() == [1970, 1, 1, 1, 3, 1]


def test_cycles():
    hours = np.array([0, 6, 12.5, -3, np.nan, 1e6])
    made = spec({"h": "number"}, [op("cyclic", "h", "s c", period=24, origin=1)], "s c")
    (got,) = run(made, {"h": pa.array(hours.astype(np.float32))}, ulps=4)
    angle = 2 * np.pi * (hours - 1) / 24
    np.testing.assert_allclose(got, np.stack([np.sin(angle), np.cos(angle)], 1), rtol=1e-9, atol=1e-9)


def test_casts_and_constants():
    columns = {"a": pa.array([1.9, -1.9, np.nan, 0.1]), "b": pa.array([2**60 + 1, -3, None, 0])}
    made = spec(
        {"a": "number", "b": "number"},
        [
            op("cast", "a b", "ai bi", dtype="int64"),
            op("cast", "a", "af", dtype="float32"),
            op("constant", "", "one", value=1.5, dtype="float32"),
            op("constant", "", "none", value="nan"),
            op("standard_scale", "ai", "as", scale=np.array([2.0])),
        ],
        {"whole": ("ai bi", "int64"), "x": ("af one none as", "float64")},
    )
    whole, got = run(made, columns)
    none = np.iinfo(np.int64).min
    assert whole.tolist() == [[1, 2**60 + 1], [-1, -3], [none, none], [0, 0]]
    assert_same(got[:, 0], np.float32([1.9, -1.9, np.nan, 0.1]).astype(np.float64))
    assert_same(got[:, 1:], np.array([[1.5, np.nan, x] for x in (0.5, -0.5, np.nan, 0)]))
