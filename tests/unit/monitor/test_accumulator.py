"""The compiled accumulators against numpy, over dtypes, layouts, instruction sets, cuts and threads."""

from __future__ import annotations

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from penstock.errors import ConfigError, SignatureError, UnsupportedError
from penstock.monitor import distinct
from penstock.monitor._accumulator import Accumulator
from penstock.monitor.profile import FeatureProfile, Profile
from penstock.monitor.profiler import Profiler


def _vectors() -> list[str]:
    found = []
    for name in ("avx512", "avx2", "none"):
        try:
            Accumulator([], vectors=name)
        except UnsupportedError:
            continue
        found.append(name)
    return found


VECTORS = _vectors()
NUMBERS = (
    "float32",
    "float64",
    "float16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint32",
    "uint64",
    "bool",
)

edge_lists = st.lists(
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5).map(float), max_size=40, unique=True
).map(sorted)
columns = st.sampled_from(("float32", "float64")).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        st.integers(0, 80),
        elements=st.floats(width=32 if dtype == "float32" else 64) | st.integers(-5, 5).map(float),
    )
)


def numeric(
    edges: Any = (), low: float = math.nan, high: float = math.nan, name: str = "x"
) -> FeatureProfile:
    return FeatureProfile(name=name, kind="numeric", edges=np.array(edges, float), minimum=low, maximum=high)


def profile_of(layout: FeatureProfile, *parts: Any, vectors: str | None = None) -> FeatureProfile:
    profiler = Profiler(Profile((layout,), 0), vectors=vectors)
    for part in parts:
        profiler.update({layout.name: part})
    return profiler.profile()[layout.name]


def expect(profile: FeatureProfile, layout: FeatureProfile, column: np.ndarray[Any, Any]) -> None:
    """Compare everything that is exact with numpy, and the moments with exact sums."""
    values = column.astype(np.float64)
    there = values[~np.isnan(values)]
    finite = there[np.isfinite(there)]
    bins = np.searchsorted(layout.edges, there, side="right")
    assert profile.rows == len(values)
    assert profile.missing == len(values) - len(there)
    assert profile.infinite == len(there) - len(finite)
    assert profile.finite == len(finite)
    assert profile.histogram.tolist() == np.bincount(bins, minlength=len(layout.edges) + 1).tolist()
    assert profile.below == np.count_nonzero(there < layout.minimum)
    assert profile.above == np.count_nonzero(there > layout.maximum)
    if not len(finite):
        assert math.isnan(profile.mean)
        assert math.isnan(profile.minimum)
        return
    assert profile.minimum == finite.min()
    assert profile.maximum == finite.max()
    expect_moments(profile, finite)


def expect_moments(profile: FeatureProfile, finite: np.ndarray[Any, Any]) -> None:
    largest = float(np.abs(finite).max())
    scaled = finite / 2**16  # so that sums do not overflow
    mean = math.fsum(scaled.tolist()) / len(finite) * 2**16
    assert abs(profile.mean - mean) <= (len(finite) / 16 + 40) * 2**-52 * largest + 1e-318
    if largest < 1e150:
        squares = math.fsum(((finite - mean) ** 2).tolist())
        assert math.isclose(
            profile.m2, squares, rel_tol=1e-12, abs_tol=1e-26 * len(finite) * largest**2 + 1e-300
        )
    else:
        assert profile.m2 >= 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_distinct_values_are_noted_alike_by_all_instructions(dtype: str) -> None:
    # Enough that every register is high, and few values matter any more; NaN among them.
    column = np.random.default_rng(5).normal(size=200_000).astype(dtype)
    column[::97] = np.nan
    parts = [column[at : at + 4096] for at in range(0, len(column), 4096)]
    found = [profile_of(numeric([0.0]), *parts, vectors=name) for name in VECTORS]
    assert min(found[0].registers) >= 3
    assert len({one.registers for one in found}) == 1
    assert found[0].distinct == pytest.approx(len(np.unique(column)) - 1, rel=0.1)


@pytest.mark.parametrize("vectors", VECTORS)
@given(column=columns, edges=edge_lists, bounds=st.tuples(st.floats(), st.floats()))
def test_counts_are_those_of_numpy(
    vectors: str, column: np.ndarray[Any, Any], edges: list[float], bounds: tuple[float, float]
) -> None:
    layout = numeric(edges, *bounds)
    expect(profile_of(layout, column, vectors=vectors), layout, column)


@pytest.mark.parametrize("vectors", VECTORS)
@pytest.mark.parametrize("count", [0, 1, 15, 31, 32, 63, 64, 127, 128, 255, 300, 1023])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_edges_of_any_number_agree_with_searchsorted(vectors: str, count: int, dtype: str) -> None:
    rng = np.random.default_rng(count)
    edges = np.unique(rng.normal(size=count))
    near = np.concatenate([edges, np.nextafter(edges, -9), np.nextafter(edges, 9), rng.normal(size=3000)])
    column = np.concatenate([near.astype(dtype), np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], dtype)])
    layout = numeric(edges, -1.1, 1.1)
    expect(profile_of(layout, column, vectors=vectors), layout, column)


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("step", [1, 3, -1, 0])
def test_types_and_strides(dtype: str, step: int) -> None:
    rng = np.random.default_rng(3)
    whole = rng.integers(0, 2 if dtype == "bool" else 100, 3000).astype(dtype)
    column = np.broadcast_to(whole[:1], 900) if step == 0 else whole[::step]
    column.flags.writeable = False
    layout = numeric([0.5, 1.0, 40.0], 3, 90)
    expect(profile_of(layout, column), layout, column)


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, 1e-310, 1e308, -1e308, 1 / 3, np.inf, np.nan])
@pytest.mark.parametrize("rows", [0, 1, 2, 511, 512, 513, 5000])
def test_constant_columns(value: float, rows: int) -> None:
    layout = numeric([0.0], 0, 1)
    column = np.full(rows, value)
    profile = profile_of(layout, column)
    expect(profile, layout, column)
    if math.isfinite(value) and rows:
        assert math.isclose(profile.mean, value, rel_tol=1e-15)
        assert profile.m2 <= 1e-28 * rows * min(value * value, 1e300)
        assert math.copysign(1, profile.minimum) == (-1 if value < 0 else 1)


def test_values_whose_sum_overflows_keep_their_mean() -> None:
    column = np.array([1e308, 1.5e308, np.nan] * 1000)
    profile = profile_of(numeric(), column[:1500], column[1500:])
    assert math.isclose(profile.mean, 1.25e308, rel_tol=1e-12)
    assert profile.m2 == math.inf
    opposite = profile_of(numeric(), np.full(600, 1.7e308), np.full(600, -1.7e308))
    assert abs(opposite.mean) < 1e295


@given(column=columns, cuts=st.lists(st.integers(0, 80), max_size=6), order=st.randoms(use_true_random=False))
def test_cuts_and_order_do_not_matter(column: np.ndarray[Any, Any], cuts: list[int], order: Any) -> None:
    layout = numeric([-1.0, 0.0, 2.5], -2, 2)
    whole = profile_of(layout, column)
    parts = np.split(column, sorted(min(cut, len(column)) for cut in cuts))
    order.shuffle(parts)
    one_by_one = profile_of(layout, *parts)
    merged = profile_of(layout)
    for part in parts:
        merged = merged.merge(profile_of(layout, part))
    for other in (one_by_one, merged):
        for name in ("rows", "missing", "infinite", "below", "above", "registers", "distinct"):
            assert getattr(other, name) == getattr(whole, name)
        assert other.histogram.tolist() == whole.histogram.tolist()
        assert [other.minimum, other.maximum] == pytest.approx(
            [whole.minimum, whole.maximum], rel=0, nan_ok=True
        )
        finite = column[np.isfinite(column)].astype(np.float64)
        if len(finite):
            expect_moments(other, finite)


@given(column=columns)
def test_every_instruction_set_gives_the_same_bits(column: np.ndarray[Any, Any]) -> None:
    profiles = [profile_of(numeric([0.0, 1.0]), column, vectors=name) for name in VECTORS]
    assert all(profile == profiles[0] for profile in profiles)


@pytest.mark.parametrize("rows", [0, 1, 7, 64, 255, 257, 1023, 1024, 1025, 4096])
@pytest.mark.parametrize("width", [1, 2, 15, 16, 17, 30, 33])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_matrices(rows: int, width: int, order: Any, dtype: str) -> None:
    rng = np.random.default_rng(rows)
    matrix = np.asarray(rng.normal(size=(rows, width)), dtype=dtype, order=order)
    matrix[rng.random(matrix.shape) < 0.01] = np.nan
    layouts = tuple(numeric([-0.5, 0.0, 0.5], -2, 2, f"x{i}") for i in range(width))
    profiler, by_column = Profiler(Profile(layouts, 0)), Profiler(Profile(layouts, 0))
    profiler.update(matrix)
    by_column.update({f"x{i}": np.ascontiguousarray(matrix[:, i]) for i in range(width)})
    profile = profiler.profile()
    assert profile == by_column.profile()
    for i, layout in enumerate(layouts):
        expect(profile[layout.name], layout, matrix[:, i])


def test_part_of_a_matrix_and_other_matrices() -> None:
    layouts = tuple(numeric([0.0], name=f"x{i}") for i in range(3))
    whole = np.arange(60, dtype=np.float64).reshape(10, 6)
    for matrix in (whole[::-2, ::2], whole[:, :3].astype(">f8"), whole[:, 1:4].astype(np.int16)):
        profiler = Profiler(Profile(layouts, 0))
        profiler.update(matrix)
        assert [f.mean for f in profiler.profile()] == pytest.approx(matrix.mean(axis=0))
    with pytest.raises(SignatureError, match="expected"):
        Profiler(Profile(layouts, 0)).update(whole)


def test_nulls_are_missing() -> None:
    column = pa.array([1.0, None, float("nan"), 3.0] * 400)[3:]
    for dtype in (pa.float32(), pa.float64()):
        profile = profile_of(numeric([2.0]), column.cast(dtype))
        assert (profile.rows, profile.missing, profile.histogram.tolist()) == (1597, 798, [399, 400])
    assert profile_of(numeric([2.0]), pa.array([1, None, 3], pa.int32())).missing == 1
    assert profile_of(numeric([2.0]), pa.nulls(5)).missing == 5


@pytest.mark.parametrize("count", [1, 30, 1000, 50_000])
def test_distinct_numbers(count: int) -> None:
    column = np.random.default_rng(count).permutation(np.repeat(np.arange(count) * 0.37, 3))
    found = profile_of(numeric(), column).distinct
    assert abs(found - count) <= max(1.5, 0.13 * count)
    assert distinct.estimate(profile_of(numeric(), column.astype(np.float32)).registers) > 0


def test_equal_numbers_are_one_whatever_their_type() -> None:
    values = np.arange(200)
    found = {
        profile_of(numeric(), values.astype(t)).registers for t in ("float32", "float64", "int16", "uint64")
    }
    assert len(found) == 1
    assert profile_of(numeric(), np.array([0.0, -0.0])).registers == profile_of(numeric(), [0.0]).registers


# Texts.

TEXTS = st.lists(
    st.sampled_from(["a", "b", "", "a rather long category of a feature", "é", None]) | st.text(max_size=3)
)


def categorical(*categories: str) -> FeatureProfile:
    return FeatureProfile(
        name="x", kind="categorical", categories=categories, counts=np.zeros(len(categories), np.int64)
    )


def text_layouts(texts: list[str | None]) -> list[Any]:
    plain = pa.array(texts, pa.string())
    return [
        plain,
        plain.cast(pa.large_string()),
        plain.cast(pa.string_view()),
        plain.dictionary_encode(),
        pa.array([None, *texts], pa.string())[1:],
        np.array(texts, dtype=object),
    ]


@given(texts=TEXTS)
def test_categories_are_counted_whatever_the_layout(texts: list[str | None]) -> None:
    layout = categorical("a", "a rather long category of a feature", "")
    truth = Counter(texts)
    for column in text_layouts(texts):
        profile = profile_of(layout, column)
        unseen = {text: n for text, n in truth.items() if text is not None and text not in layout.categories}
        assert profile.rows == len(texts)
        assert profile.missing == truth[None]
        assert profile.counts.tolist() == [truth[text] for text in layout.categories]
        assert profile.unseen == sum(unseen.values())
        if len(unseen) <= 64:
            assert dict(profile.unseen_top) == unseen


def test_dictionaries_with_nulls_and_longer_than_the_batch() -> None:
    layout = categorical("a", "b")
    dictionary = pa.array(["b", None, "a", *map(str, range(5000))])
    codes = pa.array([0, 1, None, 2, 2, 7], pa.int16())
    profile = profile_of(layout, pa.DictionaryArray.from_arrays(codes, dictionary))
    assert (profile.missing, profile.counts.tolist(), profile.unseen) == (2, [2, 1], 1)
    short = pa.DictionaryArray.from_arrays(codes.slice(0, 5), dictionary[:3])
    assert profile_of(layout, short).counts.tolist() == [2, 1]


def test_hostile_texts_are_counted_in_bounded_memory() -> None:
    layout = categorical("a")
    long = ["x" * 1_000_000, "x" * 999_999 + "y", "é" * 500]
    invalid = pa.array([b"\xff\xfe", b"a", b"\xff\xfe"], pa.binary())
    profile = profile_of(layout, long, long, invalid, ["\x00", "a\x00"])
    assert profile.unseen == 10
    assert profile.counts.tolist() == [1]
    top = dict(profile.unseen_top)
    assert top["\\xff\\xfe"] == 2
    assert len(top) == 6
    assert max(map(len, top)) < 200
    assert Profile.from_bytes(Profile((profile,), profile.rows).to_bytes())["x"] == profile


def test_a_million_distinct_categories() -> None:
    profiler = Profiler(Profile((categorical("a"),), 0))
    for first in range(0, 1_000_000, 100_000):
        texts = [f"id-{i}" if i % 10 else "often" for i in range(first, first + 100_000)]
        profiler.update({"x": pa.array(texts)})
    profile = profiler.profile()["x"]
    assert profile.unseen == 1_000_000
    assert 0.87 < profile.distinct / 900_001 < 1.13
    text, count = profile.unseen_top[0]
    assert text == "often"
    assert 100_000 - 1_000_000 / 65 <= count <= 100_000
    assert len(profile.unseen_top) <= 64
    assert len(Profile((profile,), profile.rows).to_bytes()) < 10_000


@given(texts=st.lists(st.sampled_from([str(i) for i in range(200)]), min_size=1), cut=st.integers(0, 50))
def test_frequent_texts_are_lower_bounds(texts: list[str], cut: int) -> None:
    layout = categorical()
    truth = Counter(texts)
    for profile in (
        profile_of(layout, texts),
        profile_of(layout, texts[:cut]).merge(profile_of(layout, texts[cut:])),
    ):
        kept = dict(profile.unseen_top)
        for text, count in truth.items():
            assert count - len(texts) / 65 <= kept.get(text, 0) <= count


# The whole.


def test_threads_lose_nothing() -> None:
    layouts = (
        numeric([0.0], name="x"),
        FeatureProfile(name="t", kind="categorical", categories=("a",), counts=np.zeros(1, np.int64)),
    )
    profiler = Profiler(Profile(layouts, 0))
    batch = pa.record_batch({"x": np.linspace(-1, 1, 100), "t": ["a", "b"] * 50})
    taken: list[Profile] = []

    def work(i: int) -> None:
        profiler.update(batch)
        if i % 10 == 0:
            taken.append(profiler.profile(reset=True))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(400)))
    total = profiler.profile()
    for part in taken:
        total = total.merge(part)
    assert total.rows == 40_000
    assert total["x"].histogram.tolist() == [20_000, 20_000]
    assert (total["t"].counts.tolist(), total["t"].unseen) == ([20_000], 20_000)
    assert total["x"].mean == pytest.approx(0, abs=1e-12)


def test_a_reader_is_a_table() -> None:
    table = pa.table({"x": np.arange(1000.0), "other": np.arange(1000)})
    whole, read = (Profiler(Profile((numeric([10.0]),), 0)) for _ in range(2))
    whole.update(table)
    read.update(table.to_reader(max_chunksize=512))
    assert whole.profile() == read.profile()


def test_reset() -> None:
    profiler = Profiler(Profile((numeric([0.0]),), 0))
    empty = profiler.profile()
    profiler.update({"x": [1.0]})
    profiler.reset()
    assert profiler.profile() == empty


def test_refused_layouts_and_columns() -> None:
    with pytest.raises(ConfigError, match='"x": expected at most 65535 edges that increase strictly'):
        Accumulator([numeric([1.0, 1.0])])
    with pytest.raises(ConfigError, match="repeats"):
        Accumulator([categorical("a", "a")])
    with pytest.raises(UnsupportedError, match="'mmx'"):
        Accumulator([], vectors="mmx")
    profiler = Profiler(Profile((numeric(),), 0))
    with pytest.raises(SignatureError, match=r'"x".*: expected a number, got str'):
        profiler.update({"x": ["a"]})
    with pytest.raises(SignatureError, match='missing column "x"'):
        profiler.update({"y": [1.0]})
    assert profiler.profile().rows == 0
    with pytest.raises(ConfigError, match='"z"'):
        Profiler(Profile((numeric(),), 0), names=["z"])
