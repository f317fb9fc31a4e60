"""Loads, lookups, dates and hashes against oracles in Python and NumPy."""

import datetime
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from programs import KIND_OF, PIECE, TEXTS, Built, apply, assert_same, columns

from penstock.errors import TransformError
from penstock.transform.instructions import DATE_PARTS, REFUSE, TIME_UNITS, Instruction, Table


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


ARROW_TEXTS = {
    "string": lambda values: pa.array(values, pa.string()),
    "large_string": lambda values: pa.array(values, pa.large_string()),
    "string_view": lambda values: pa.array(values, pa.string_view()),
    "dictionary": lambda values: pa.array(values, pa.string()).dictionary_encode(),
    "sliced": lambda values: pa.array(["skip", None, "skipped", *values, "after"], pa.string()).slice(
        3, len(values)
    ),
    "objects": lambda values: np.array([*values, None], dtype=object)[:-1],
    "list": list,
}


def lookup(categories, codes, missing, unknown, type_="string", op="lookup"):
    """A program that is one lookup."""
    kind = {"string": "text", "float64": "double", "float32": "float", "int64": "double", "bool": "double"}[
        type_
    ]
    find = {"text": "find_text", "double": "find_number", "float": "find_number"}[kind]
    begin = (
        [Instruction("lookup", dst=1, integers=[0], table=0)]
        if op == "lookup"
        else [Instruction("load", dst=0, integers=[0]), Instruction(find, dst=1, src=[0], table=0)]
    )
    return Built(
        [kind, "code"],
        [*begin, Instruction("store", src=[1], integers=[0, 0])],
        [type_],
        [("int32", 1)],
        tables=[Table(categories, np.asarray(codes, dtype=np.int32), missing, unknown)],
    )


class TestLookup:
    @pytest.mark.parametrize("layout", ARROW_TEXTS)
    @pytest.mark.parametrize("op", ["lookup", "find"])
    @given(
        categories=st.lists(TEXTS, unique=True, max_size=30), values=st.lists(TEXTS | st.none(), max_size=60)
    )
    @settings(max_examples=50)
    def test_texts(self, layout, op, categories, values):
        values = values + categories
        codes = {text: 3 * i - 1 for i, text in enumerate(categories)}
        built = lookup(categories, list(codes.values()), 1000, 2000, op=op)
        expected = [1000 if v is None else codes.get(v, 2000) for v in values]
        assert built.run(ARROW_TEXTS[layout](values))[0][:, 0].tolist() == expected
        unknown = sum(v is not None and v not in codes for v in values)
        assert sum(built.program.unknown_counts()) == unknown

    @pytest.mark.parametrize("type_", ["float64", "float32"])
    @pytest.mark.parametrize("op", ["lookup", "find"])
    @given(categories=st.lists(st.floats(allow_nan=False, width=32), unique=True, max_size=30), x=columns())
    @settings(max_examples=50)
    def test_numbers(self, type_, op, categories, x):
        x = np.concatenate([x, categories]).astype(type_)
        codes = {number + 0.0: i for i, number in enumerate(categories)}
        built = lookup(np.array(categories, dtype=np.float64), range(len(categories)), 1000, 2000, type_, op)
        expected = [1000 if math.isnan(v) else codes.get(float(v) + 0.0, 2000) for v in x]
        assert built.run(x)[0][:, 0].tolist() == expected

    @pytest.mark.parametrize("type_", ["int64", "bool"])
    def test_other_numbers(self, type_):
        x = pa.array([0, 1, None, 1, 0], pa.int64()).cast(pa.int64() if type_ == "int64" else pa.bool_())
        built = lookup(np.array([1.0, 0.0]), [5, 6], 7, 8, type_)
        assert built.run(x)[0][:, 0].tolist() == [6, 5, 7, 5, 6]

    @pytest.mark.parametrize("rows", [1, 3, 300])
    def test_dictionaries_larger_and_smaller_than_the_batch(self, rows):
        dictionary = pa.array(["c", None, "b", "a", "zz"])
        codes = np.arange(rows) % 6
        x = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8(), mask=codes == 5), dictionary)
        built = lookup(["a", "b", "c"], [0, 1, 2], 7, 8)
        of_code = [2, 7, 1, 0, 8, 7]
        assert built.run(x)[0][:, 0].tolist() == [of_code[c] for c in codes]

    def test_a_refused_category(self):
        built = lookup(["a", "b"], [0, REFUSE], 1, 1)
        assert built.run(pa.array(["a", "c", None]))[0][:, 0].tolist() == [0, 1, 1]
        assert built.run(pa.array(["a", "c", "b"])) == (2, 0)

    @pytest.mark.parametrize("threads", [1, 2, 4])
    @pytest.mark.parametrize("rows", [10, 300, 3 * PIECE + 5])
    def test_the_lowest_refusal(self, rows, threads):
        built = Built(
            ["code", "code"],
            [
                Instruction("lookup", dst=0, integers=[0], table=0),
                Instruction("lookup", dst=1, integers=[1], table=0),
                Instruction("store", src=[0, 1], integers=[0, 0]),
            ],
            ["string", "string"],
            [("int32", 2)],
            tables=[Table(["a"], np.zeros(1, np.int32))],
        )
        good = ["a"] * rows
        rng = np.random.default_rng(rows)
        for _ in range(5):
            at = np.sort(rng.integers(0, rows, 3))
            left, right = list(good), list(good)
            right[at[0]] = None
            left[at[1]] = left[at[2]] = "b"
            expected = (at[0], 0 if at[1] == at[0] else 1)
            assert built.run(pa.array(left), pa.array(right), threads=threads) == expected
        assert isinstance(built.run(pa.array(good), pa.array(good), threads=threads), list)
        assert built.program.unknown_counts() == [0, 0, 0]


RAW = {
    "bool": [True, False, None],
    "int8": [-128, 127, None],
    "int16": [-32768, 32767, None],
    "int32": [-(2**31), 2**31 - 1, None],
    "int64": [-(2**63) + 1, 2**63 - 1, 2**53 + 1, None],
    "uint8": [0, 255, None],
    "uint16": [0, 65535, None],
    "uint32": [0, 2**32 - 1, None],
    "uint64": [0, 2**64 - 1, 2**53 + 1, None],
    "float16": [0.0, -0.0, 1.5, 65504.0, 6e-8, 6.2e-5, math.inf, -math.inf, math.nan, None],
    "float32": [0.1, math.nan, None],
    "float64": [0.1, 1e300, math.nan, None],
}


class TestLoad:
    @pytest.mark.parametrize("name", RAW)
    @pytest.mark.parametrize("to", ["float", "double"])
    def test_numbers(self, name, to):
        type_ = pa.bool_() if name == "bool" else pa.type_for_alias(name)
        values = [None if v is None else np.float16(v) for v in RAW[name]] if name == "float16" else RAW[name]
        x = pa.array(values * 50, type_)
        dtype = {"float": np.float32, "double": np.float64}[to]
        plain = np.array([0 if v is None else v for v in values * 50], dtype=name)
        with np.errstate(all="ignore"):
            expected = plain.astype(dtype)
        expected[np.array([v is None for v in values * 50])] = np.nan
        built = Built(
            [to],
            [Instruction("load", dst=0, integers=[0]), Instruction("store", src=[0], integers=[0, 0])],
            ["number"],
            [(np.dtype(dtype).name, 1)],
        )
        for first in (0, 1, 7, 8, 9, 63, 64, 65):
            assert_same(built.run(x.slice(first))[0][:, 0], expected[first:])

    def test_every_half(self):
        x = np.arange(65536, dtype=np.uint16).view(np.float16)
        built = Built(
            ["float"],
            [Instruction("load", dst=0, integers=[0]), Instruction("store", src=[0], integers=[0, 0])],
            ["number"],
            [("float32", 1)],
        )
        assert_same(built.run(x)[0][:, 0], x.astype(np.float32))

    def test_the_wrong_kind(self):
        built = Built(
            ["double"],
            [Instruction("load", dst=0, integers=[0]), Instruction("store", src=[0], integers=[0, 0])],
            ["string"],
            [("float64", 1)],
        )
        with pytest.raises(
            TransformError, match=r"instruction 0 \(load\): column 0 holds text, expected numbers"
        ):
            built.run(pa.array(["a"]))


class TestDates:
    @staticmethod
    def expected(when, part):
        of_date = {
            "year": when.year,
            "quarter": (when.month + 2) // 3,
            "month": when.month,
            "day": when.day,
            "day_of_week": when.weekday(),
            "day_of_year": when.timetuple().tm_yday,
            "week": when.isocalendar().week,
            "hour": when.hour,
            "minute": when.minute,
            "second": when.second,
            "is_weekend": when.weekday() >= 5,
            "epoch_seconds": (when - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1),
            "epoch_days": (when - datetime.datetime(1970, 1, 1)) // datetime.timedelta(days=1),
        }
        return of_date[part]

    @pytest.mark.parametrize("part", DATE_PARTS)
    @given(when=st.lists(st.datetimes(), min_size=1, max_size=20), unit=st.sampled_from(TIME_UNITS))
    @settings(max_examples=50)
    def test_parts(self, part, when, unit):
        x = np.array(when, dtype=f"datetime64[{unit}]")
        if unit == "ns":
            x = x[
                (x.astype("datetime64[Y]") > np.datetime64("1700"))
                & (x.astype("datetime64[Y]") < np.datetime64("2200"))
            ]
        when = x.astype("datetime64[us]").astype(object)
        stamps = np.append(x.astype(np.int64), np.iinfo(np.int64).min)
        integers = [DATE_PARTS.index(part), TIME_UNITS.index(unit)]
        got = apply("date_part", stamps, dst="double", integers=integers)
        assert got[:-1].tolist() == [self.expected(w, part) for w in when]
        assert np.isnan(got[-1])

    def test_every_day_of_some_centuries(self):
        days = np.arange("1580-01-01", "2420-01-01", dtype="datetime64[D]")
        week = [d.isocalendar().week for d in days.astype(object)]
        of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) + 1
        got = {
            part: apply("date_part", days.astype(np.int64), dst="int", integers=[DATE_PARTS.index(part), 0])
            for part in ("week", "day_of_year", "year", "month")
        }
        assert got["week"].tolist() == week
        assert got["day_of_year"].tolist() == of_year.tolist()
        assert got["year"].tolist() == (days.astype("datetime64[Y]").astype(int) + 1970).tolist()
        assert got["month"].tolist() == (days.astype("datetime64[M]").astype(int) % 12 + 1).tolist()

    def test_far_away(self):
        far = np.array([2**63 - 1, -(2**63) + 1, 10**15, -(10**15)])
        got = apply("date_part", far, dst="double", integers=[DATE_PARTS.index("epoch_seconds"), 0])
        assert np.isnan(got).all()
        assert np.isfinite(apply("date_part", far, dst="double", integers=[0, 1])).all()


def xxh64(data, seed=0):
    """XXH64, slowly."""
    p1, p2, p3, p4, p5 = (
        11400714785074694791,
        14029467366897019727,
        1609587929392839161,
        9650029242287828579,
        2870177450012600261,
    )
    mask = 2**64 - 1

    def rotate(x, bits):
        return (x << bits | x >> (64 - bits)) & mask

    def step(lane, word):
        return rotate((lane + word * p2) & mask, 31) * p1 & mask

    at, n = 0, len(data)
    if n >= 32:
        lanes = [(seed + p1 + p2) & mask, (seed + p2) & mask, seed, (seed - p1) & mask]
        while n - at >= 32:
            for i in range(4):
                lanes[i] = step(lanes[i], int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "little"))
            at += 32
        h = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & mask
        for lane in lanes:
            h = ((h ^ step(0, lane)) * p1 + p4) & mask
    else:
        h = (seed + p5) & mask
    h = (h + n) & mask
    while n - at >= 8:
        h = (rotate(h ^ step(0, int.from_bytes(data[at : at + 8], "little")), 27) * p1 + p4) & mask
        at += 8
    if n - at >= 4:
        h = (rotate(h ^ int.from_bytes(data[at : at + 4], "little") * p1 & mask, 23) * p2 + p3) & mask
        at += 4
    for byte in data[at:]:
        h = rotate(h ^ byte * p5 & mask, 11) * p1 & mask
    h = (h ^ h >> 33) * p2 & mask
    h = (h ^ h >> 29) * p3 & mask
    return h ^ h >> 32


class TestHash:
    def test_the_oracle(self):
        assert xxh64(b"") == 0xEF46DB3751D8E999
        assert xxh64(b"a") == 0xD24EC4F1A98C6E5B
        assert xxh64(b"abc") == 0x44BC2CF5AD770999

    @staticmethod
    def bytes_of(value):
        if value is None or value != value:
            return b"\xff"
        if isinstance(value, str):
            return value.encode()
        value = float(value) if isinstance(value, np.floating) else value
        if isinstance(value, float) and not (value.is_integer() and -(2**63) <= value < 2**63):
            return np.float64(value).tobytes()
        return (int(value) % 2**64).to_bytes(8, "little")

    @staticmethod
    def program(kinds, types, buckets, seed):
        k = len(kinds)
        return Built(
            [*kinds, "code", "float", "double"],
            [
                *[Instruction("load", dst=j, integers=[j]) for j in range(k)],
                Instruction("hash", dst=k, src=list(range(k)), integers=[buckets, seed]),
                Instruction("hash_sign", dst=k + 1, src=list(range(k)), integers=[buckets, seed]),
                Instruction("hash_sign", dst=k + 2, src=list(range(k)), integers=[buckets, seed]),
                Instruction("store", src=[k, k + 1, k + 2], integers=[0, 0]),
            ],
            types,
            [("int64", 3)],
        )

    def check(self, built, columns_, values, buckets, seed):
        expected = []
        for row in zip(*values, strict=True):
            h = seed % 2**64
            for value in row:
                h = xxh64(self.bytes_of(value), h)
            sign = -1 if h >> 63 else 1
            expected.append([h % buckets, sign, sign])
        assert built.run(*columns_)[0].tolist() == expected

    @given(
        values=st.lists(TEXTS | st.none() | st.text(min_size=28, max_size=80), min_size=1, max_size=20),
        buckets=st.integers(1, 2**31 - 1),
        seed=st.integers(-(2**63), 2**63 - 1),
    )
    def test_texts(self, values, buckets, seed):
        self.check(
            self.program(["text"], ["string"], buckets, seed),
            [pa.array(values, pa.string())],
            [values],
            buckets,
            seed,
        )

    @given(x=columns(), buckets=st.integers(1, 1000))
    def test_floats(self, x, buckets):
        if x.size:
            built = self.program([KIND_OF[str(x.dtype)]], [str(x.dtype)], buckets, 0)
            self.check(built, [x], [list(x)], buckets, 0)

    @given(x=hnp.arrays(np.int64, st.integers(1, 20), elements=st.integers(-(2**63) + 1, 2**63 - 1)))
    def test_integers(self, x):
        self.check(self.program(["int"], ["int64"], 97, 5), [x], [x.tolist()], 97, 5)

    def test_numbers_hash_by_value(self):
        of_ints = self.program(["int"], ["int64"], 1000, 0).run(np.array([3, -7, 0]))[0]
        of_floats = self.program(["double"], ["float64"], 1000, 0).run(np.array([3.0, -7.0, -0.0]))[0]
        np.testing.assert_array_equal(of_ints, of_floats)

    def test_crossed(self):
        texts, integers, floats = ["a", None, "b", ""], [1, 2, 1, 2], [0.5, math.nan, 3.0, -0.0]
        built = self.program(["text", "int", "double"], ["string", "int64", "float64"], 64, 1)
        self.check(
            built, [pa.array(texts), np.array(integers), np.array(floats)], [texts, integers, floats], 64, 1
        )
