"""Arithmetic, missing values, functions and codes against oracles in NumPy, SciPy and scikit-learn."""

import math

import numpy as np
import pyarrow as pa
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import KIND_OF, Built, apply, assert_same, assert_within, columns, numbers
from sklearn.preprocessing import QuantileTransformer

from penstock.transform.instructions import (
    NO_CODE,
    UNARIES,
    Instruction,
    Table,
)


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


FUNCTIONS = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide}


class TestArithmetic:
    @pytest.mark.parametrize("op", FUNCTIONS)
    @given(x=columns(), number=numbers(None))
    def test_in_the_type_of_the_column(self, op, x, number):
        with np.errstate(all="ignore"):
            assert_same(apply(op, x, numbers=[number]), FUNCTIONS[op](x, x.dtype.type(number)))

    @pytest.mark.parametrize("op", FUNCTIONS)
    @given(x=columns(), number=numbers(None))
    def test_wide(self, op, x, number):
        with np.errstate(all="ignore"):
            expected = FUNCTIONS[op](x.astype(np.float64), number).astype(x.dtype)
        assert_same(apply(op, x, numbers=[number], wide=True), expected)

    @given(x=columns(), bounds=st.tuples(numbers(None), numbers(None)), wide=st.booleans())
    def test_clip(self, x, bounds, wide):
        with np.errstate(all="ignore"):
            low, high = sorted(0.0 if math.isnan(b) else b for b in bounds)
            edges = (low, high) if wide else (x.dtype.type(low), x.dtype.type(high))
            expected = np.clip(x, *edges).astype(x.dtype)
        got = apply("clip", x, numbers=[low, high], wide=wide)
        np.testing.assert_array_equal(got, expected)  # the sign of a zero bound is either's

    def test_clip_open(self):
        x = np.array([-1e300, 0, 1e300, np.nan, np.inf, -np.inf])
        assert_same(apply("clip", x, numbers=[-math.inf, math.inf]), x)
        assert_same(apply("clip", x, numbers=[-math.inf, 1]), np.minimum(x, 1.0))

    @given(x=columns(), y=st.data())
    def test_multiply_by(self, x, y):
        other = np.roll(x, 1)
        built = Built(
            [KIND_OF[str(x.dtype)]] * 2,
            [
                Instruction("load", dst=0, integers=[0]),
                Instruction("load", dst=1, integers=[1]),
                Instruction("multiply_by", dst=0, src=[0, 1]),
                Instruction("store", src=[0], integers=[0, 0]),
            ],
            [str(x.dtype)] * 2,
            [(str(x.dtype), 1)],
        )
        with np.errstate(all="ignore"):
            assert_same(built.run(x, other)[0][:, 0], x * other)


class TestMissing:
    @given(x=columns(), number=numbers(None))
    def test_fill_missing(self, x, number):
        with np.errstate(all="ignore"):
            expected = np.where(np.isnan(x), x.dtype.type(number), x)
        assert_same(apply("fill_missing", x, numbers=[number]), expected)

    @given(x=columns(), number=st.one_of(st.just(math.nan), st.just(0.0), st.just(1.0), st.just(math.inf)))
    def test_fill_equal(self, x, number):
        where = np.isnan(x) if math.isnan(number) else x == x.dtype.type(number)
        assert_same(apply("fill_equal", x, numbers=[number, 7.5]), np.where(where, x.dtype.type(7.5), x))

    @given(x=columns(), dst=st.sampled_from(("float", "double")))
    def test_flags(self, x, dst):
        dtype = {"float": np.float32, "double": np.float64}[dst]
        assert_same(apply("is_missing", x, dst=dst), np.isnan(x).astype(dtype))
        assert_same(apply("is_equal", x, dst=dst, numbers=[1.0]), (x == 1).astype(dtype))

    def test_of_texts(self):
        built = Built(
            ["text", "float", "float", "text", "code", "text", "code"],
            [
                Instruction("load", dst=0, integers=[0]),
                Instruction("is_missing", dst=1, src=[0]),
                Instruction("is_equal", dst=2, src=[0], integers=[0]),
                Instruction("fill_text", dst=3, src=[0], integers=[0]),
                Instruction("find_text", dst=4, src=[3], table=0),
                Instruction("fill_text", dst=5, src=[0], integers=[0, 1]),
                Instruction("find_text", dst=6, src=[5], table=0),
                Instruction("store", src=[1, 2, 4, 6], integers=[0, 0]),
            ],
            ["string"],
            [("float64", 4)],
            tables=[Table(["a", "?", ""], np.arange(3, dtype=np.int32), 9, 8)],
            texts=["a", "?"],
        )
        got = built.run(pa.array(["a", None, "?", "", "other"]))[0]
        np.testing.assert_array_equal(
            got, [[0, 1, 0, 0], [1, 0, 0, 9], [0, 0, 1, 0], [0, 0, 2, 2], [0, 0, 8, 8]]
        )

    def test_a_load_may_take_texts_as_missing(self):
        built = Built(
            ["text", "double"],
            [
                Instruction("load", dst=0, integers=[0], table=0),
                Instruction("is_missing", dst=1, src=[0]),
                Instruction("store", src=[1], integers=[0, 0]),
            ],
            ["string"],
            [("float64", 1)],
            tables=[Table(["?", ""], np.zeros(2, np.int32), NO_CODE, NO_CODE)],
        )
        assert built.run(pa.array(["a", None, "?", ""]))[0][:, 0].tolist() == [0, 1, 1, 1]


EXACT = {
    "sqrt",
    "abs",
    "sign",
    "square",
    "reciprocal",
    "negative",
    "floor",
    "ceil",
    "rint",
    "identity",
    "deg2rad",
    "rad2deg",
}


class TestFunctions:
    @pytest.mark.parametrize("name", UNARIES)
    @given(x=columns())
    def test_unary(self, name, x):
        got = apply("unary", x, integers=[UNARIES.index(name)])
        function = np.positive if name == "identity" else getattr(np, name)
        with np.errstate(all="ignore"):
            if name in EXACT:
                assert_same(got, function(x))
            else:
                assert_within(got, function(x.astype(np.float64)).astype(x.dtype), 8)

    @given(x=columns(), number=st.one_of(st.sampled_from((0.0, 1.0, 1e-20, -0.5, 2.0)), st.floats(-5, 5)))
    def test_box_cox(self, x, number):
        with np.errstate(all="ignore"):
            got = apply("box_cox", x, numbers=[number])
            assert_same(got, scipy.special.boxcox(x, x.dtype.type(number)))
            wide = apply("box_cox", x, numbers=[number], wide=True)
            assert_same(wide, scipy.special.boxcox(x.astype(np.float64), number).astype(x.dtype))

    @given(x=columns(), number=st.one_of(st.sampled_from((0.0, 1.0, 1e-20, 2.0, -0.5)), st.floats(-5, 5)))
    def test_yeo_johnson(self, x, number):
        with np.errstate(all="ignore"):
            got = apply("yeo_johnson", x, numbers=[number])
            expected = scipy.stats.yeojohnson(x, x.dtype.type(number)) if x.size else x
            # An error of a logarithm grows by the exponential after it.
            rtol = 1e-4 if x.dtype == np.float32 else 1e-12
            np.testing.assert_allclose(got, expected, rtol=rtol, atol=np.finfo(x.dtype).tiny)

    @given(x=columns(dtypes=("float32",)), number=st.floats(-5, 5))
    def test_yeo_johnson_wide(self, x, number):
        with np.errstate(all="ignore"):
            got = apply("yeo_johnson", x, numbers=[number], wide=True)
            expected = scipy.stats.yeojohnson(x, np.float64(number)).astype(np.float32) if x.size else x
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=np.finfo(x.dtype).tiny)

    @given(x=columns(), period=st.floats(0.1, 1000), origin=st.floats(-10, 10))
    def test_cyclic(self, x, period, origin):
        with np.errstate(all="ignore"):
            angle = 2 * np.pi * (x.astype(np.float64) - origin) / period
            assert_within(apply("cyclic_sin", x, numbers=[period, origin]), np.sin(angle).astype(x.dtype), 4)
            assert_within(apply("cyclic_cos", x, numbers=[period, origin]), np.cos(angle).astype(x.dtype), 4)

    @pytest.mark.parametrize("distribution", ["uniform", "normal"])
    @pytest.mark.parametrize("fitted", ["float32", "float64", "few values"])
    @given(x=columns(), seed=st.integers(0, 20))
    @settings(max_examples=40)
    def test_quantile(self, distribution, fitted, x, seed):
        rng = np.random.default_rng(seed)
        data = rng.normal(size=(60, 1))
        if fitted == "few values":
            data = rng.integers(0, 4, size=(60, 1)).astype(np.float64)
        if fitted == "float32":
            data = data.astype(np.float32)
        x = np.where(np.isinf(x), x.dtype.type(3), x)
        oracle = QuantileTransformer(n_quantiles=20, output_distribution=distribution).fit(data)
        quantiles = oracle.quantiles_[:, 0].astype(np.float64)
        got = apply(
            "quantile",
            x,
            numbers=[*quantiles, *oracle.references_],
            integers=[len(quantiles), int(distribution == "normal")],
        )
        if x.size:
            with np.errstate(all="ignore"):
                assert_same(got, oracle.transform(np.array(x)[:, None])[:, 0])

    def test_quantile_of_everything_normal(self):
        p = np.concatenate(
            [np.linspace(0, 1, 100_001), np.logspace(-7, -1, 1000), 1 - np.logspace(-7, -1, 1000)]
        )
        got = apply("quantile", p, numbers=[0, 1, 0, 1], integers=[2, 1])
        inside = (p > 2e-7) & (p < 1 - 2e-7)
        uniform = 0.5 * (np.interp(p, [0, 1], [0, 1]) - np.interp(-p, [-1, 0], [-1, 0]))
        assert_within(got[inside], scipy.special.ndtri(uniform[inside]), 1)


class TestCodes:
    @given(
        x=columns(), edges=st.lists(st.floats(-10, 10) | st.just(math.inf) | st.just(-math.inf), max_size=80)
    )
    def test_bin(self, x, edges):
        edges = sorted(edges)
        expected = np.searchsorted(edges, x.astype(np.float64), side="right").astype(np.int32)
        expected[np.isnan(x)] = NO_CODE
        assert_same(apply("bin", x, dst="code", numbers=edges), expected)

    @pytest.mark.parametrize("n", [0, 1, 2, 31, 32, 33, 34, 63, 64, 65, 100])
    def test_bin_on_the_edges(self, n):
        edges = np.repeat(np.arange((n + 1) // 2, dtype=np.float64), 2)[:n]
        x = np.concatenate([edges, edges + 0.5, edges - 0.5, [np.inf, -np.inf, -0.0]])
        expected = np.searchsorted(edges, x, side="right").astype(np.int32)
        assert_same(apply("bin", x, dst="code", numbers=edges), expected)

    def test_gather_and_equals(self):
        built = Built(
            ["double", "code", "float", "double", "float", "int", "code"],
            [
                Instruction("load", dst=0, integers=[0]),
                Instruction("cast", dst=1, src=[0]),
                Instruction("gather", dst=2, src=[1], numbers=[0.1, math.nan]),
                Instruction("gather", dst=3, src=[1], numbers=[0.1, math.nan]),
                Instruction("equals_code", dst=4, src=[1], integers=[1]),
                Instruction("gather", dst=5, src=[1], numbers=[10, 20]),
                Instruction("gather", dst=6, src=[1], numbers=[5, -1]),
                Instruction("store", src=[2, 3, 4, 5, 6], integers=[0, 0]),
            ],
            ["float64"],
            [("float64", 5)],
        )
        nan = np.nan
        assert_same(
            built.run(np.array([0, 1, 2, nan, -5, 1e300]))[0],
            np.array(
                [[np.float64(np.float32(0.1)), 0.1, 0, 10, 5], [nan, nan, 1, 20, nan]]
                + [[nan, nan, 0, nan, nan]] * 4
            ),
        )

    def test_cast(self):
        x = np.array([0, -0.5, 3.9, -3.9, np.nan, np.inf, 2.0**31, 2.0**63, -(2.0**63)])
        lowest = np.iinfo(np.int64).min
        assert apply("cast", x, dst="int").tolist() == [0, 0, 3, -3, lowest, lowest, 2**31, lowest, lowest]
        assert apply("cast", x, dst="code").tolist() == [0, 0, 3, -1, -1, -1, -1, -1, -1]
        assert_same(apply("cast", x, dst="float"), x.astype(np.float32))
        integers = np.array([0, 5, -5, 2**53 + 1, lowest])
        assert_same(apply("cast", integers, dst="double"), np.array([0, 5, -5, 2**53, np.nan]))

    def test_constants(self):
        built = Built(
            ["float", "double", "int", "code", "text", "code"],
            [
                Instruction("constant", dst=0, numbers=[0.1]),
                Instruction("constant", dst=1, numbers=[0.1]),
                Instruction("constant", dst=2, numbers=[7]),
                Instruction("constant", dst=3, numbers=[math.nan]),
                Instruction("constant", dst=4, integers=[0]),
                Instruction("find_text", dst=5, src=[4], table=0),
                Instruction("store", src=[0, 1, 2, 3, 5], integers=[0, 0]),
            ],
            ["float32"],
            [("float64", 5)],
            tables=[Table(["a"], np.array([3], np.int32))],
            texts=["a"],
        )
        expected = np.array([[np.float64(np.float32(0.1)), 0.1, 7, np.nan, 3]] * 3)
        assert_same(built.run(np.zeros(3, np.float32))[0], expected)
