from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from penstock.demo.census import AGE, CATEGORIES, find_data, fit_transform, read_census, read_year
from penstock.demo.traffic import SIZES, _parts
from penstock.errors import ConfigError


def people(codes: list[str], ages: list[float]) -> pa.Table:
    columns = dict.fromkeys(CATEGORIES, codes) | {AGE: pa.array(ages, pa.float32())}
    return pa.table(columns | {"employed": pa.array([0, 1] * (len(codes) // 2), pa.int8())})


def test_the_transform_numbers_what_it_learned_and_marks_what_it_did_not() -> None:
    transform = fit_transform(people(["1", "2"], [30, 40]))
    year = read_year(people(["2", "7"], [50, 60]), transform)
    assert year.rows.dtype == np.float32
    assert year.rows.flags.c_contiguous
    assert year.rows.tolist() == [[50.0, *[1.0] * 15], [60.0, *[-1.0] * 15]]
    assert year.labels.tolist() == [0, 1]
    assert year.tensors["SCHL"].tolist() == [b"\x01\x00\x00\x002", b"\x01\x00\x00\x007"]


def test_the_data_that_is_shipped() -> None:
    path = find_data()
    assert path.stat().st_size <= 1_200_000
    tables = read_census(path, step=100)
    assert sorted(tables) == [2015, 2016, 2017, 2018]
    assert sum(map(len, tables.values())) == pytest.approx(2_777, abs=4)


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.parquet"
    file.write_text("no")
    with pytest.raises(ConfigError, match="expected the census data"):
        read_census(file)


def test_requests_cover_every_row_once() -> None:
    parts = list(_parts(10_000, seed=3))
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    assert (parts[0].start, parts[-1].stop) == (0, 10_000)
    assert {part.stop - part.start for part in parts[:-1]} <= set(SIZES.tolist())
