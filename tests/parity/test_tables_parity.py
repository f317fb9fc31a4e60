"""The same table in every container gives the same matrix; one row gives the bits it gives in a batch."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from against_sklearn import assert_same_bits, expected_from, quietly_fitted
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    KBinsDiscretizer,
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

from penstock.transform import Transform

ROWS = 300
NUMBERS = [f"n{i}" for i in range(15)]
BINNED = [f"b{i}" for i in range(5)]
TEXTS = [f"c{i}" for i in range(5)]
LEVELS = 50


def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(25)
    columns = {}
    for i, name in enumerate(NUMBERS):
        values = rng.lognormal(0, 1, ROWS) * 10.0**i
        values[rng.random(ROWS) < 0.05] = np.nan
        columns[name] = values.astype(np.float32 if i % 3 == 0 else np.float64)
    for name in BINNED:
        columns[name] = rng.normal(size=ROWS)
    for name in TEXTS:
        values = rng.choice([f"{name}-{j}-é" for j in range(LEVELS)], ROWS).astype(object)
        values[rng.random(ROWS) < 0.05] = None
        columns[name] = values
    return pd.DataFrame(columns)


FRAME = _frame()


def bench_pipeline() -> ColumnTransformer:
    """25 columns: 15 imputed and scaled, 5 binned, 5 one-hot of 50 levels."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    bins = KBinsDiscretizer(8, encode="ordinal", quantile_method="averaged_inverted_cdf")
    texts = OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer([("num", numbers, NUMBERS), ("bin", bins, BINNED), ("cat", texts, TEXTS)]).fit(
        FRAME
    )


def everything() -> ColumnTransformer:
    """Every kind of operation, side by side."""
    filled = make_union(
        StandardScaler(),
        RobustScaler(),
        KBinsDiscretizer(4, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
        PolynomialFeatures(2),
        PowerTransformer(),
        QuantileTransformer(n_quantiles=20, output_distribution="normal"),
        Normalizer(),
        PCA(3),
    )
    columns = ColumnTransformer(
        [
            ("filled", make_pipeline(SimpleImputer(add_indicator=True), filled), NUMBERS[:4]),
            ("hot", OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist"), TEXTS[:2]),
            ("codes", OrdinalEncoder(), TEXTS[2:4]),
            ("target", TargetEncoder(), TEXTS[4:]),
        ]
    )
    return quietly_fitted(columns, FRAME, FRAME["n1"].fillna(0))


@pytest.fixture(scope="module", params=[bench_pipeline, everything], ids=["bench", "everything"])
def fitted(request):
    return request.param()


def test_bench_pipeline_to_the_bit():
    fitted = bench_pipeline()
    for dtype in ("float64", "float32"):
        got = Transform.from_sklearn(fitted, dtype=dtype).transform(FRAME)
        assert_same_bits(got, expected_from(fitted, FRAME).astype(dtype))


def test_every_container(fitted):
    transform = Transform.from_sklearn(fitted, dtype="float64")
    expected = transform.transform(FRAME)
    arrow = pa.Table.from_pandas(FRAME, preserve_index=False)
    halves = pa.concat_tables([arrow[: ROWS // 2], arrow[ROWS // 2 :]])
    dictionary = pa.table(
        {name: c.combine_chunks().dictionary_encode() if name in TEXTS else c for name, c in _columns(arrow)}
    )
    containers = {
        "arrow table": arrow,
        "record batch": arrow.combine_chunks().to_batches()[0],
        "chunks": halves,
        "dictionary": dictionary,
        "polars": pl.from_arrow(arrow),
        "polars categorical": pl.from_arrow(arrow).with_columns(pl.col(TEXTS).cast(pl.Categorical)),
        "pandas objects": FRAME.astype(dict.fromkeys(TEXTS, object)),
        "pandas arrow": arrow.to_pandas(types_mapper=pd.ArrowDtype),
        "dict of arrays": {name: FRAME[name].to_numpy() for name in FRAME.columns},
        "lists": {name: FRAME[name].tolist() if name in TEXTS else FRAME[name] for name in FRAME.columns},
        "dict of arrow": dict(_columns(arrow)),
        "sliced": pa.concat_tables([arrow[:3], arrow])[3:],
    }
    for name, container in containers.items():
        got = transform.transform(container)
        assert np.array_equal(got, expected, equal_nan=True), name


def _columns(table: pa.Table):
    return zip(table.column_names, table.columns, strict=True)


def test_a_row_alone_gives_the_bits_of_the_batch(fitted):
    transform = Transform.from_sklearn(fitted, example=FRAME, dtype="float32")
    arrow = pa.Table.from_pandas(FRAME, preserve_index=False)
    batch = transform.transform(arrow)
    for size in (1, 7):
        parts = [transform.transform(arrow.slice(start, size)) for start in range(0, ROWS, size)]
        assert_same_bits(np.concatenate(parts), batch)
    rows = [transform.transform({n: [c[i].as_py()] for n, c in _columns(arrow)}) for i in range(0, ROWS, 50)]
    assert_same_bits(np.concatenate(rows), batch[::50])


def test_threads_give_the_bits_of_one(fitted):
    transform = Transform.from_sklearn(fitted, dtype="float32")
    large = pd.concat([FRAME] * 40, ignore_index=True)
    assert_same_bits(transform.transform(large, threads=4), transform.transform(large, threads=1))


def test_no_rows(fitted):
    transform = Transform.from_sklearn(fitted, dtype="float32")
    empty = transform.transform(FRAME[:0])
    assert empty.shape == (0, len(transform.names))


def test_saved_and_loaded(fitted, tmp_path):
    transform = Transform.from_sklearn(fitted, example=FRAME)
    transform.save(tmp_path / "transform")
    loaded = Transform.load(tmp_path / "transform")
    assert loaded == transform
    assert_same_bits(loaded.transform(FRAME), transform.transform(FRAME))
    assert Transform.from_sklearn(fitted, example=FRAME).digest == transform.digest


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u2", "?"])
def test_arrays_of_every_layout(dtype, order):
    data = np.asarray(np.arange(24).reshape(8, 3) % 5, dtype=dtype, order=order)
    scaler = StandardScaler().fit(data)
    transform = Transform.from_sklearn(scaler, dtype="float64")
    for view in (data, data[::-1], data[::2], np.repeat(data, 2, axis=1)[:, ::2]):
        assert_same_bits(transform.transform(view), expected_from(scaler, view).astype("f8"))
