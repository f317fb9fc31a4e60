"""Samples of Arrow tables: uniform over all of them, as they are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats

from penstock.errors import ConfigError
from penstock.monitor import Baseline
from penstock.monitor.multivariate import TableSample


@pytest.mark.parametrize("sizes", [[200], [1, 0, 99, 100], [10] * 20])
def test_every_row_is_as_likely(sizes: list[int]) -> None:
    drawn = np.zeros(200)
    for seed in range(500):
        sample, begin = TableSample(20, seed), 0
        for size in sizes:
            sample.add(pa.table({"x": np.arange(begin, begin + size)}))
            begin += size
        rows = sample.table().column("x").to_numpy()
        assert len(np.unique(rows)) == 20
        drawn[rows] += 1
    assert scipy.stats.chisquare(drawn.reshape(20, 10).sum(axis=1)).pvalue > 1e-4


def test_few_rows_are_all_held_in_order() -> None:
    sample = TableSample(10)
    sample.add(pa.record_batch({"x": [3, 1, 2]}))
    assert sample.table().column("x").to_pylist() == [3, 1, 2]


def test_tables_of_another_schema_are_counted() -> None:
    sample = TableSample(10)
    sample.add(pa.table({"x": [1]}))
    sample.add(pa.table({"x": ["a", "b"]}))
    assert (sample.seen, sample.skipped) == (1, 2)


def test_without_rows_there_is_no_table() -> None:
    with pytest.raises(ConfigError, match="at least one row"):
        TableSample(10).table()
    with pytest.raises(ConfigError, match="rows: expected at least 1"):
        TableSample(0)


def test_a_baseline_samples_all_of_its_batches() -> None:
    batches = ({"x": np.arange(i * 40_000.0, (i + 1) * 40_000.0)} for i in range(5))
    baseline = Baseline.fit(batches, multivariate=True)
    assert baseline.multivariate is not None
    assert baseline.multivariate.sample.values.max() > 190_000
    again = Baseline.from_bytes(baseline.to_bytes())
    assert again.multivariate is not None
    np.testing.assert_array_equal(again.multivariate.sample.values, baseline.multivariate.sample.values)
