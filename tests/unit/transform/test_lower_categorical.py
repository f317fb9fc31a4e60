"""Categories, bins and buckets, lowered and run, against scikit-learn and the definition of the hash."""

import warnings

import numpy as np
import pyarrow as pa
import pytest
import transform_interpreter
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder
from transform_specs import Compiled, assert_same, names, op, run, spec, types_of

from penstock.transform.instructions import NO_CODE, REFUSE

CITIES = ["Bonn", "Kyiv", "Zürich", "東京", "", "a" * 40]


def int32(*values):
    return np.array(values, np.int32)


def texts(*values):
    return pa.array(values, pa.string())


def one_hot(inputs, outputs, categories, unknown="error", missing="error", columns=None, width=None, **given):
    """``one_hot`` of one input."""
    columns = list(range(len(categories))) if columns is None else columns
    return op(
        *("one_hot", inputs, outputs),
        widths=[max(columns, default=-1) + 1 if width is None else width],
        unknown=[unknown],
        missing=[missing],
        categories0=categories,
        columns0=int32(*columns),
        **given,
    )


def encode(inputs, outputs, categories, values, unknown="error", missing="error", **given):
    """``encode`` of one input, a row of ``values`` for each category."""
    return op(
        *("encode", inputs, outputs),
        kind="ordinal",
        unknown=[unknown],
        missing=[missing],
        categories0=categories,
        codes0=int32(*range(len(categories))),
        values0=np.array(values, np.float64).ravel(),
        **given,
    )


def refused(made, columns):
    """Row and instruction that both the program and the interpreter refuse."""
    compiled = Compiled(made, types_of(columns))
    got = compiled.run(columns)
    with pytest.raises(transform_interpreter.RefusedError) as error:
        transform_interpreter.run(compiled.lowered, columns)
    assert got == (error.value.row, error.value.instruction)
    assert got[1] in compiled.lowered.refusal_of
    return got[0], compiled.lowered.refusal_of[got[1]]


class TestOneHot:
    def test_known_categories(self):
        data = texts(*CITIES, "Bonn")
        made = spec({"c": "string"}, [one_hot("c", names("h", 6), texts(*CITIES))], names("h", 6))
        (got,) = run(made, {"c": data})
        encoder = OneHotEncoder(sparse_output=False, categories=[np.array(CITIES, object)])
        matrix = np.array(data.to_pylist(), object).reshape(-1, 1)
        assert_same(got, encoder.fit(matrix).transform(matrix))

    def test_unknown_and_missing_are_refused_by_name(self):
        made = spec({"c": "string"}, [one_hot("c", "h0 h1", texts("a", "b"))], "h0 h1")
        for bad in ("z", None):
            row, lookup = refused(made, {"c": texts("a", "b", bad, "y")})
            assert row == 2
            assert lookup.column == "c"
            assert list(lookup.categories) == ["a", "b"]

    def test_unknown_ignored(self):
        made = spec(
            {"c": "string"},
            [one_hot("c", "h0 h1", texts("a", "b"), unknown=-1, missing=1)],
            "h0 h1",
            "float32",
        )
        compiled = Compiled(made, {})
        (got,) = compiled.run({"c": texts("b", "z", None, "a")})
        assert got.tolist() == [[0, 1], [0, 0], [0, 1], [1, 0]]
        assert sum(compiled.program.unknown_counts()) == 1

    @pytest.mark.parametrize("drop", [None, "first", [10.0]])
    def test_infrequent_and_dropped_numbers(self, drop):
        rng = np.random.default_rng(3)
        data = rng.choice([1.0, 2.5, 10.0, 11.0, 12.0, np.nan], 200, p=[0.3, 0.3, 0.3, 0.04, 0.03, 0.03])
        encoder = OneHotEncoder(
            sparse_output=False, min_frequency=0.1, handle_unknown="infrequent_if_exist", drop=drop
        ).fit(data.reshape(-1, 1))
        seen = np.array([1.0, 2.5, 10.0, 11.0, 12.0, np.nan, 99.0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = encoder.transform(seen.reshape(-1, 1))
        # What scikit-learn does with one value of each category is the whole coding.
        columns = [int(row.argmax()) if row.any() else -1 for row in expected]
        width = expected.shape[1]
        made = spec(
            {"x": "number"},
            [
                one_hot(
                    *("x", names("h", width), seen[:5]),
                    columns=columns[:5],
                    missing=columns[5],
                    unknown=columns[6],
                    width=width,
                )
            ],
            names("h", width),
        )
        (got,) = run(made, {"x": pa.array(seen)})
        assert_same(got, expected)

    @pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint16(), pa.bool_(), pa.float32()])
    def test_numbers_of_any_type(self, kind):
        data = pa.array([1, 0, None, 1]).cast(kind)
        made = spec(
            {"x": "number"}, [one_hot("x", "h0 h1", np.array([0.0, 1.0]), missing=-1)], "h0 h1", "int32"
        )
        (got,) = run(made, {"x": data})
        assert got.tolist() == [[0, 1], [1, 0], [0, 0], [0, 1]]

    def test_a_selection_is_one_lookup(self):
        made = spec(
            {"c": "string"},
            [one_hot("c", names("h", 6), texts(*CITIES), unknown="error", missing=5)],
            "h4 h1 h5",
        )
        compiled = Compiled(made, {})
        assert [one.op for one in compiled.lowered.instructions] == ["lookup", "store_one_hot"]
        (got,) = run(made, {"c": texts(*CITIES, None)})
        assert_same(got, np.eye(6)[[0, 1, 2, 3, 4, 5, 5]][:, [4, 1, 5]])
        row, _ = refused(made, {"c": texts("Kyiv", "Oslo")})
        assert row == 1

    def test_scattered_columns_compare_one_code(self):
        made = spec(
            {"c": "string", "x": "number"},
            [one_hot("c", names("h", 4), texts("a", "b", "c", "d"), unknown=-1)],
            "h3 x h0 x h2 x h3 h3",
        )
        lowered = Compiled(made, {"x": "float64"}).lowered
        assert [one.op for one in lowered.instructions].count("lookup") == 1
        (got,) = run(made, {"c": texts("d", "z", "c"), "x": pa.array([1.0, 2.0, 3.0])})
        assert got.tolist() == [[1, 1, 0, 1, 0, 1, 1, 1], [0, 2, 0, 2, 0, 2, 0, 0], [0, 3, 0, 3, 1, 3, 0, 0]]

    def test_in_registers(self):
        made = spec(
            {"c": "string"},
            [
                one_hot("c", "h0 h1", texts("a", "b"), unknown=-1, dtype="float32"),
                op("standard_scale", "h0 h1", "s0 s1", mean=np.array([0.3, 0.4]), scale=np.array([0.1, 0.2])),
                op("project", "s0 s1", "p", matrix=np.array([1.0, 2.0], np.float32)),
            ],
            "s0 s1 h0 h1 p",
            "float32",
        )
        (got,) = run(made, {"c": texts("a", "b", "z")})
        hot = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
        scaled = (hot - np.float32([0.3, 0.4])) / np.float32([0.1, 0.2])
        assert_same(got[:, :2], scaled)
        assert_same(got[:, 2:4], hot)
        assert_same(got[:, 4], (scaled.astype(np.float64) @ [1, 2]).astype(np.float32))

    def test_without_columns(self):
        made = spec(
            {"c": "string", "x": "number"},
            [one_hot("c", "", texts("a"), columns=[-1], width=0)],
            "x",
            "float32",
        )
        (got,) = run(made, {"c": texts("z"), "x": pa.array([2])})
        assert got.tolist() == [[2]]

    def test_warning_is_carried(self):
        made = spec({"c": "string"}, [one_hot("c", "h0", texts("a"), unknown=-1, warn=True)], "h0")
        (lookup,) = Compiled(made, {}).lowered.lookups.values()
        assert lookup.warns
        assert lookup.refuses  # what is missing


class TestImputedText:
    COLUMNS = texts("a", None, "b", "?", "-", "z", "fill")

    @pytest.mark.parametrize(
        ("fills", "expected"),
        [
            ([(None, "a")], ["a", "a", "b", None, None, None, None]),
            ([("?", "b")], ["a", "M", "b", "b", "M", None, None]),
            ([(None, "new")], ["a", None, "b", None, None, None, None]),
            ([("a", "b"), (None, "a")], ["b", "a", "b", None, "a", None, None]),
            ([(None, "?"), ("?", "b")], ["a", "b", "b", "b", "b", None, None]),
        ],
    )
    def test_is_folded_into_the_lookup(self, fills, expected):
        missing = ["-"] if "M" in expected or len(fills) > 1 else []
        operations, last = [], "c"
        for i, (match, fill) in enumerate(fills):
            operations.append(op("impute_text", last, f"c{i}", missing=match, fill=texts(fill)))
            last = f"c{i}"
        operations.append(encode(last, "e", texts("a", "b"), [1, 2, 3, 4], unknown=2, missing=3))
        operations[-1][4]["codes0"] = int32(0, 1)
        made = spec({"c": ("string", missing)}, operations, "e")
        lowered = Compiled(made, {}).lowered
        assert [one.op for one in lowered.instructions] == ["lookup", "gather", "store"]
        (got,) = run(made, {"c": self.COLUMNS})
        assert got[:, 0].tolist() == [{"a": 1, "b": 2, None: 3, "M": 4}[one] for one in expected]

    def test_missing_texts_may_be_refused(self):
        made = spec(
            {"c": ("string", ["?", "a"])}, [one_hot("c", "h0 h1", texts("a", "b"), unknown=-1)], "h0 h1"
        )
        assert refused(made, {"c": texts("b", "z", "?")})[0] == 2
        assert refused(made, {"c": texts("b", "a", "?")})[0] == 1

    def test_a_filled_text_may_be_refused(self):
        operations = [
            op("impute_text", "c", "c1", fill=texts("new")),
            one_hot("c1", "h0", texts("a"), missing=-1),
        ]
        assert refused(spec({"c": "string"}, operations, "h0"), {"c": texts("a", None)})[0] == 1

    def test_imputed_numbers_are_folded_too(self):
        operations = [
            op("impute", "x", "y", fill=np.array([2.0])),
            op("impute", "y", "z", missing=1, fill=np.array([0.1])),
            one_hot("z", "h0 h1", np.array([np.float64(np.float32(0.1)), 2.0]), unknown=-1),
        ]
        made = spec({"x": "number"}, operations, "h0 h1 z", "float32")
        (got,) = run(made, {"x": pa.array([1, None, 2, 3], pa.float32())})
        assert_same(got, np.float32([[1, 0, 0.1], [0, 1, 2], [0, 1, 2], [0, 0, 3]]))


class TestEncode:
    def test_ordinal(self):
        data = np.array([["b", 3], ["a", 1], ["c", 3], ["z", 7]], object)
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(data[:3])
        made = spec(
            {"c": "string", "n": "number"},
            [
                op(
                    *("encode", "c n", "e f"),
                    kind="ordinal",
                    unknown=[3, 0],
                    missing=["error", -1],
                    categories0=texts("a", "b", "c"),
                    codes0=int32(0, 1, 2),
                    values0=np.array([0.0, 1, 2, -1]),
                    categories1=np.array([1.0, 3.0]),
                    codes1=int32(1, 2),
                    values1=np.array([-1.0, 0, 1]),
                )
            ],
            "e f",
        )
        (got,) = run(made, {"c": pa.array(data[:, 0]), "n": pa.array(data[:, 1].astype(int))})
        assert_same(got, encoder.transform(data))

    def test_several_targets(self):
        rng = np.random.default_rng(8)
        data = rng.choice(np.array(["a", "b", "c"], object), (80, 2))
        target = rng.choice(3, 80)
        encoder = TargetEncoder(target_type="multiclass").fit(data, target)
        values = [np.stack(encoder.encodings_[3 * i : 3 * i + 3], axis=1) for i in range(2)]
        given = {}
        for i in range(2):
            given[f"categories{i}"] = texts("a", "b", "c")
            given[f"codes{i}"] = int32(0, 1, 2)
            given[f"values{i}"] = np.vstack([values[i], encoder.target_mean_]).ravel()
        made = spec(
            {"c": "string", "d": "string"},
            [
                op(
                    "encode",
                    "c d",
                    names("e", 6),
                    kind="target",
                    width=3,
                    unknown=[3, 3],
                    missing=[3, 3],
                    **given,
                )
            ],
            names("e", 6),
        )
        seen = np.array([["a", "b"], ["c", "z"], ["b", "a"]], object)
        (got,) = run(made, {"c": pa.array(seen[:, 0]), "d": pa.array(seen[:, 1])})
        assert_same(got, encoder.transform(seen))

    def test_of_a_computed_number(self):
        operations = [
            op("bin", "x", "b", counts=int32(4), edges=np.array([0.0, 1, 2, 3])),
            one_hot("b", "h0 h1 h2", np.array([0.0, 1, 2]), missing=-1),
            encode("b", "e", np.array([0.0, 2]), [10, 20, 30], unknown=2, missing=-1),
            op("standard_scale", "e", "s", mean=np.array([10.0])),
        ]
        made = spec({"x": "number"}, operations, "h0 h1 h2 e s b")
        (got,) = run(made, {"x": pa.array([0.5, 1.5, 9, np.nan])})
        nan = np.nan
        expected = [[1, 0, 0, 10, 0, 0], [0, 1, 0, 30, 20, 1], [0, 0, 1, 20, 10, 2], [0, 0, 0, nan, nan, nan]]
        assert_same(got, np.array(expected, float))
        lowered = Compiled(made, {"x": "float64"}).lowered
        assert {one.column for one in lowered.lookups.values()} == {"b"}

    def test_no_categories(self):
        made = spec({"c": "string"}, [encode("c", "e", texts(), [], unknown=-1, missing=-1)], "e")
        (got,) = run(made, {"c": texts("a", None)})
        assert np.isnan(got).all()


class TestHash:
    COLUMNS = {"c": texts(*CITIES, None), "n": pa.array([1, -5, None, 2**62, 0, 3, 4])} | {
        "f": pa.array([1.0, -0.0, np.nan, 0.1, np.inf, 3, 1e300], pa.float32()),
        "t": pa.array([0, 1] * 3 + [None], pa.date32()),
    }
    TYPES = {"c": ("string", [""]), "n": "number", "f": "number", "t": "date32"}  # noqa: RUF012

    @pytest.mark.parametrize("inputs", ["c", "n", "f", "t", "c n f t"])
    def test_every_output(self, inputs):
        operations = [
            op("hash", inputs, "i", buckets=11, seed=3),
            op("hash", inputs, names("h", 11), buckets=11, seed=3, output="one_hot", dtype="float32"),
            op("hash", inputs, names("s", 11), buckets=11, seed=3, output="signed"),
        ]
        made = spec(self.TYPES, operations, f"i {names('h', 11)} {names('s', 11)}")
        (got,) = run(made, self.COLUMNS)
        hot, signed = got[:, 1:12], got[:, 12:]
        assert_same(hot, np.eye(11)[got[:, 0].astype(int)])
        assert_same(np.abs(signed), hot)
        assert not np.signbit(signed[signed == 0]).any()
        assert set(signed.ravel()) <= {-1.0, 0.0, 1.0}

    def test_whole_numbers_hash_alike_whatever_their_type(self):
        made = spec({"n": "number"}, [op("hash", "n", "i", buckets=2**31 - 1)], "i")
        whole = [0, 1, -7, 123456]
        results = [
            run(made, {"n": pa.array(whole, kind)})[0].tolist()
            for kind in (pa.int32(), pa.float64(), pa.int64())
        ]
        assert results[0] == results[1] == results[2]

    def test_published_hashes(self):
        assert transform_interpreter.xxh64(b"", 0) == 0xEF46DB3751D8E999
        assert transform_interpreter.xxh64(b"a", 0) == 0xD24EC4F1A98C6E5B
        assert (
            transform_interpreter.xxh64(b"Nobody inspects the spammish repetition", 0) == 0xFBCEA83C8A378BF1
        )


def test_codes_of_tables_are_what_instructions_name():
    made = spec({"c": "string"}, [one_hot("c", "h0 h1", texts("a", "b"), columns=[1, -1], width=2)], "h0 h1")
    (table,) = Compiled(made, {}).lowered.tables
    assert table.codes.tolist() == [1, NO_CODE]
    assert (table.missing, table.unknown) == (REFUSE, REFUSE)


def test_imputed_text_in_registers():
    operations = [
        op("impute_text", "c", "c1", missing="?", fill=texts("a")),
        op("impute_text", "c1", "c2", fill=texts("b")),
        op("missing_indicator", "c1", "m"),
        op("missing_indicator", "c1", "is_a", missing="a"),
        op("hash", "c1", "i", buckets=1000),
        op("hash", "c2", "j", buckets=1000),
        op("hash", "c", "k", buckets=1000),
    ]
    (got,) = run(
        spec({"c": ("string", ["-"])}, operations, "m is_a i j k"), {"c": texts("?", None, "-", "a", "b")}
    )
    assert got[:, :2].tolist() == [[0, 1], [1, 0], [1, 0], [0, 1], [0, 0]]
    a, b, missing = got[3, 4], got[4, 4], got[1, 4]
    assert got[:, 2].tolist() == [a, missing, missing, a, b]
    assert got[:, 3].tolist() == [a, b, b, a, b]
