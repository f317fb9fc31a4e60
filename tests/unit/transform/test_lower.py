"""Whole transforms, lowered: chains, fusions, registers, and random programs against the interpreter."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler
from transform_specs import Compiled, assert_same, names, numbers, op, run, spec, types_of

from penstock.errors import TransformError
from penstock.transform.lower import lower

TEXTS = pa.array(["a", "b", "c"])
CODES = np.arange(3, dtype=np.int32)
ANY = {"unknown": [-1], "missing": [-1], "categories0": TEXTS, "columns0": CODES, "widths": [3]}
ENCODED = {"kind": "target", "unknown": [3], "missing": [3], "categories0": TEXTS, "codes0": CODES}


def ops_of(lowered):
    return [one.op for one in lowered.instructions]


class TestChains:
    def test_polynomial_and_expression_over_scaled_and_encoded_values(self):
        made = spec(
            {"x": "number", "c": "string"},
            [
                op("standard_scale", "x", "s", mean=np.array([1.5]), scale=np.array([0.5])),
                op("encode", "c", "e", values0=np.array([0.1, 0.2, 0.3, 0.7]), **ENCODED),
                op(
                    "polynomial",
                    "s e",
                    "p0 p1 p2",
                    terms=np.array([0, 0, 1], np.int32),
                    counts=np.array([0, 2, 1], np.int32),
                ),
                op("expression", "e s", "f", text="log1p(encoded) / (s + 10)", names=["encoded", "s"]),
            ],
            {"x": ("p0 p1 p2 f s e x", "float64"), "y": ("f p1", "float32")},
        )
        columns = {"x": pa.array([1.0, 2.0, np.nan]), "c": pa.array(["a", None, "c"])}
        got, again = run(made, columns, ulps=2)
        s, e = (np.array([1.0, 2.0, np.nan]) - 1.5) / 0.5, np.array([0.1, 0.7, 0.3])
        assert_same(
            got[:, [0, 1, 2, 4, 5, 6]], np.stack([np.ones(3), s * s, e, s, e, np.array([1.0, 2, np.nan])], 1)
        )
        np.testing.assert_allclose(got[:, 3], np.log1p(e) / (s + 10))
        assert_same(again, got[:, [3, 1]].astype(np.float32))

    def test_one_column_as_number_and_as_category(self):
        made = spec(
            {"n": "number"},
            [
                op(
                    "one_hot",
                    "n",
                    "h0 h1",
                    **{**ANY, "categories0": np.array([3.0, 7]), "columns0": CODES[:2], "widths": [2]},
                ),
                op("max_abs_scale", "n", "m", scale=np.array([7.0])),
                op("hash", "n", "i", buckets=5),
            ],
            {"x": ("h0 h1 m n i", "float32"), "whole": ("n h1", "int64")},
        )
        whole = pa.array([3, 7, -1], pa.int16())
        got, ints = run(made, {"n": whole})
        assert_same(got[:, :4], np.float32([[1, 0, 3 / 7, 3], [0, 1, 1, 7], [0, 0, -1 / 7, -1]]))
        assert ints.tolist() == [[3, 0], [7, 1], [-1, 0]]

    def test_bins_feed_one_hot_and_arithmetic(self):
        edges = {"edges": np.array([0.0, 1, 2, 3]), "counts": np.array([4], np.int32)}
        made = spec(
            {"x": "float32"},
            [
                op("bin_one_hot", "x", "h0 h1 h2", **edges),
                op("bin", "x", "b", **edges),
                op("one_hot", "b", "g0 g1 g2", **{**ANY, "categories0": np.array([0.0, 1, 2])}),
                op("standard_scale", "h0 h1 b", "s0 s1 s2", mean=np.array([1.0, 2, 3])),
            ],
            "h0 h1 h2 g0 g1 g2 s0 s1 s2 h1",
            "float32",
        )
        (got,) = run(made, {"x": pa.array([-5, 1, 1.5, 99, np.nan], pa.float32())})
        hot = np.float32([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
        assert_same(got[:, :3], hot)
        assert_same(got[:, 3:6], hot)
        assert_same(got[:, 6:8], hot[:, :2] - np.float32([1, 2]))
        assert_same(got[:, 8], np.float32([-3, -2, -2, -1, np.nan]))
        assert_same(got[:, 9], hot[:, 1])

    def test_normal_rows_are_used_on(self):
        made = spec(
            numbers(3),
            [
                op("normalize", "x0 x1 x2", "n0 n1 n2", norm="l1"),
                op("normalize", "n2 x0", "m0 m1", norm="max"),
            ],
            "m1 n0 m0 n2",
        )
        data = np.array([[1.0, 2, 5], [0, 0, 0], [-4, 3, 1]])
        (got,) = run(made, {f"x{i}": pa.array(data[:, i]) for i in range(3)})
        assert_same(got[0], np.array([1, 1 / 8, 5 / 8, 5 / 8]))


@pytest.mark.parametrize(
    "kind",
    [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "halffloat",
        "float",
        "double",
    ],
)
def test_raw_columns_as_outputs(kind):
    array = pa.array([1, 0, None, 1]).cast(pa.type_for_alias(kind))
    outputs = {dtype: ("x x", dtype) for dtype in ("float32", "float64", "int32", "int64")}
    results = run(spec({"x": "number"}, [], outputs), {"x": array})
    for result in results:
        missing = np.nan if result.dtype.kind == "f" else np.iinfo(result.dtype).min
        assert_same(result, np.array([[1, 1], [0, 0], [missing] * 2, [1, 1]], result.dtype))


def test_a_column_of_nothing():
    made = spec({"x": "number"}, [op("impute", "x", "y", fill=np.array([2.5]))], "x y")
    (got,) = Compiled(made, {"x": "null"}).run({"x": pa.nulls(2)})
    assert_same(got, np.array([[np.nan, 2.5]] * 2))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_texts_and_times_are_no_outputs(dtype):
    for kind, name in (("string", "text"), ("timestamp[s]", "time")):
        with pytest.raises(TransformError, match="expected a number"):
            lower(spec({name: kind}, [], name, dtype), {})


class TestFusions:
    def test_what_no_output_needs_is_dropped(self):
        made = spec(
            {"x": "number", "c": "string"},
            [
                op("one_hot", "c", "h0 h1 h2", **ANY),
                op("function", "x", "l", name="log"),
                op("function", "l", "l2", name="exp"),
                op("expression", "x", "broken", text="this is no expression"),
                op("impute", "x", "y", fill=np.array([0.0])),
            ],
            "y",
        )
        assert ops_of(lower(made, {"x": "float64"})) == ["load", "fill_missing", "store"]

    def test_what_is_asked_for_twice_is_there_once(self):
        fill = np.array([0.0])
        made = spec(
            {"x": "number", "c": "string"},
            [op("impute", "x", f"y{i}", fill=fill) for i in range(3)]
            + [op("impute", "x", "z", fill=-fill)]
            + [op("one_hot", "c", names(f"h{i}", 3), **ANY) for i in range(2)]
            + [op("encode", "c", f"e{i}", values0=np.arange(4.0) + i, **ENCODED) for i in range(2)],
            ["y0", "y1", "z", "y2", *names("h0", 3).split(), *names("h1", 3).split(), "e0", "e1"],
        )
        ops = ops_of(lower(made, {"x": "float32"}))
        # 0 and -0 fill differently; one-hot codes and rows of values are different tables.
        assert [ops.count(one) for one in ("load", "fill_missing", "lookup", "gather")] == [1, 2, 2, 2]

    def test_registers_are_used_again(self):
        made = spec(
            numbers(100),
            [
                op("impute", names("x", 100), names("y", 100), fill=np.zeros(100)),
                op(
                    "standard_scale",
                    names("y", 100),
                    names("z", 100),
                    mean=np.ones(100),
                    scale=np.full(100, 2.0),
                ),
            ],
            names("z", 100),
        )
        lowered = lower(made, dict.fromkeys(names("x", 100).split(), "float32"))
        assert ops_of(lowered).count("store") == 4
        assert len(lowered.registers) == 32

    def test_one_register_for_a_chain(self):
        steps = [op("function", f"x{i}", f"x{i + 1}", name="sqrt") for i in range(2000)]
        lowered = lower(spec({"x0": "number"}, steps, "x2000"), {"x0": "float64"})
        assert lowered.registers == ["double"]

    def test_a_register_lives_as_long_as_somebody_reads_it(self):
        made = spec(
            {"x": "number"},
            [
                op("function", "x", "a", name="negative"),
                op("function", "a", "b", name="square"),
                op(
                    "polynomial",
                    "a b x",
                    "p",
                    terms=np.array([0, 1, 2, 0], np.int32),
                    counts=np.array([4], np.int32),
                ),
            ],
            "b p a x",
        )
        (got,) = run(made, {"x": pa.array([2.0, -3.0])})
        assert got.tolist() == [[4, 16 * 2, -2, 2], [9, -243, 3, -3]]


def test_the_transform_of_the_benchmark():
    """15 numbers imputed and scaled, 5 binned, 5 one-hot of 50 levels: bit for bit scikit-learn's."""
    rng = np.random.default_rng(1)
    pandas = pytest.importorskip("pandas")
    columns = {f"n{i}": np.where(rng.random(400) < 0.1, np.nan, rng.normal(size=400)) for i in range(15)}
    columns |= {f"b{i}": rng.normal(size=400) for i in range(5)}
    levels = np.array([f"level {i}" for i in range(50)], object)
    columns |= {f"c{i}": rng.permutation(np.resize(levels, 400)) for i in range(5)}
    data = pandas.DataFrame(columns)
    n, b, c = ([f"{one}{i}" for i in range(size)] for one, size in (("n", 15), ("b", 5), ("c", 5)))
    model = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(), StandardScaler()), n),
            ("b", KBinsDiscretizer(8, encode="onehot-dense", strategy="uniform"), b),
            ("c", OneHotEncoder(handle_unknown="ignore", sparse_output=False), c),
        ]
    ).fit(data)
    imputer, scaler = (step for _, step in model.named_transformers_["n"].steps)
    bins, encoder = model.named_transformers_["b"], model.named_transformers_["c"]
    given = {f"categories{i}": pa.array(encoder.categories_[i], pa.string()) for i in range(5)}
    given |= {f"columns{i}": np.arange(50, dtype=np.int32) for i in range(5)}
    outputs = [names("s", 15), names("h", 40), names("o", 250)]
    made = spec(
        dict.fromkeys(n + b, "number") | dict.fromkeys(c, "string"),
        [
            op("impute", n, names("y", 15), fill=imputer.statistics_),
            op("standard_scale", names("y", 15), outputs[0], mean=scaler.mean_, scale=scaler.scale_),
            op(
                *("bin_one_hot", b, outputs[1]),
                counts=np.full(5, 9, np.int32),
                edges=np.concatenate(bins.bin_edges_),
            ),
            op("one_hot", c, outputs[2], widths=[50] * 5, unknown=[-1] * 5, missing=[-1] * 5, **given),
        ],
        " ".join(outputs),
    )
    batch = data.assign(c1="never seen")
    arrays = {name: pa.array(batch[name], from_pandas=False) for name in n + b}
    arrays |= {name: pa.array(batch[name], pa.string()) for name in c}
    arrays["c2"] = arrays["c2"].dictionary_encode()
    compiled = Compiled(made, types_of({name: arrays[name] for name in n + b}))
    ops = ops_of(compiled.lowered)
    assert [ops.count(one) for one in ("lookup", "store_one_hot", "store", "equals_code", "cast")] == [
        5,
        10,
        1,
        0,
        0,
    ]
    for threads in (1, 3):
        (got,) = compiled.run(arrays, threads)
        assert_same(got, model.transform(batch))


ELEMENTWISE = (
    lambda x, y: op("impute", [x], [y], fill=np.array([0.1])),
    lambda x, y: op("impute", [x], [y], fill=np.array([-0.0]), missing=1),
    lambda x, y: op("standard_scale", [x], [y], mean=np.array([0.3]), scale=np.array([0.7])),
    lambda x, y: op("min_max_scale", [x], [y], scale=np.array([3.3]), min=np.array([0.1], np.float32)),
    lambda x, y: op("robust_scale", [x], [y], center=np.array([0.1])),
    lambda x, y: op("clip", [x], [y], low=np.array([-2.0]), high=np.array([np.inf])),
    lambda x, y: op("function", [x], [y], name="abs"),
    lambda x, y: op("missing_indicator", [x], [y], dtype="int8"),
    lambda x, y: op("bin", [x], [y], edges=np.array([0.0, 0.5, 1, 2, 4]), counts=np.array([5], np.int32)),
    lambda x, y: op("cast", [x], [y], dtype="float32"),
    lambda x, y: op("cast", [x], [y], dtype="int64"),
    lambda x, y: op(
        *("encode", [x], [y]),
        **{**ENCODED, "categories0": np.array([0.0, 1, 2]), "values0": np.array([5.0, 0.1, 1, 0.5])},
        dtype="float32",
    ),
    lambda x, y: op("hash", [x], [y], buckets=7),
)
TOGETHER = (
    lambda x, y: op("normalize", x, y, norm="max"),
    lambda x, y: op("project", x, y, matrix=np.linspace(-1, 1, len(x) ** 2), subtract=np.ones(len(x))),
    lambda x, y: op("standard_scale", x, y, mean=np.linspace(0, 1, len(x))),
    lambda x, y: op(
        *("polynomial", x, y),
        terms=np.zeros(2 * len(x), np.int32),
        counts=np.full(len(x), 2, np.int32),
    ),
)


@st.composite
def programs(draw):
    """Specs of random operations over random earlier values, some of them outputs."""
    values, operations = ["i", "f", "d"], []

    def some():
        return draw(st.lists(st.sampled_from(values), min_size=1, max_size=4))

    for step in range(draw(st.integers(0, 8))):
        kind = draw(st.integers(0, 2))
        if kind == 0:
            made = [f"v{step}"]
            operations.append(draw(st.sampled_from(ELEMENTWISE))(draw(st.sampled_from(values)), made[0]))
        elif kind == 1:
            inputs = some()
            made = [f"v{step}.{i}" for i in range(len(inputs))]
            operations.append(draw(st.sampled_from(TOGETHER))(inputs, made))
        else:
            made = [f"v{step}.{i}" for i in range(3)]
            source = draw(st.sampled_from(["c", "c", *values]))
            categories = TEXTS if source == "c" else np.array([0.0, 1, 2])
            dtype = draw(st.sampled_from(["float32", "float64", "uint8"]))
            operations.append(
                op("one_hot", [source], made, **{**ANY, "categories0": categories, "dtype": dtype})
            )
        values += made
    outputs = {
        f"out{i}": (draw(st.lists(st.sampled_from(values), min_size=1, max_size=8)), dtype)
        for i, dtype in enumerate(
            draw(st.lists(st.sampled_from(["float32", "float64", "int64"]), min_size=1, max_size=3))
        )
    }
    if draw(st.booleans()):
        outputs["all"] = (values, "float64")
    return spec({"i": "number", "f": "number", "d": "number", "c": ("string", ["?"])}, operations, outputs)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    programs(),
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-3, 3), st.integers(-(2**31), 2**31 - 1)),
            st.one_of(st.none(), st.sampled_from([0.0, 1.0, 2.0, np.nan, np.inf]), st.floats(width=32)),
            st.one_of(st.none(), st.sampled_from([-0.0, 1.0, 2.0, -np.inf]), st.floats()),
            st.one_of(st.none(), st.sampled_from(["a", "b", "z", "?", ""]), st.text(max_size=20)),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_random_programs(made, rows):
    i, f, d, c = zip(*rows, strict=True)
    run(
        made,
        {
            "i": pa.array(i, pa.int32()),
            "f": pa.array(f, pa.float32()),
            "d": pa.array(d, pa.float64()),
            "c": pa.array([one and one.encode("utf-8", "replace").decode() for one in c], pa.string()),
        },
    )
