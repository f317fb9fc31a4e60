"""The census data: found, read by year, and turned into numbers."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["AGE", "CATEGORIES", "CodeBook", "Year", "find_data", "read_census"]

FILE = "census_employment_ma.parquet"
AGE = "AGEP"
CATEGORIES = (
    "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM",
    "SEX", "RAC1P",
)  # fmt: skip
LABEL = "employed"
UNSEEN = -1.0
"""Code of a category that the code book does not have."""


def find_data() -> Path:
    """Return the path of the data: in the source tree, or where the package was installed.

    Raises
    ------
    ConfigError
        When it is in neither.
    """
    source = Path(__file__).resolve().parents[3] / "examples" / "census" / FILE
    if source.is_file():
        return source
    for file in importlib.metadata.files("penstock") or ():
        if file.name == FILE:
            return Path(str(file.locate())).resolve()
    raise ConfigError(f"{FILE} was not installed with this package; name a copy: penstock demo --data FILE")


def read_census(path: Path, step: int = 1) -> dict[int, pa.Table]:
    """Return the people of each year.

    Parameters
    ----------
    path : Path
        Parquet file with the columns of examples/census/README.md.
    step : int
        Keep every so manieth person.

    Raises
    ------
    ConfigError
        When the file cannot be read or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=[AGE, *CATEGORIES, LABEL, "year"])
        return {
            year: people.take(list(range(0, len(people), step)))
            for year in sorted(table["year"].unique().to_pylist())
            for people in [table.filter(pc.equal(table["year"], year))]
        }
    except (OSError, KeyError, pa.ArrowException) as error:
        raise ConfigError(f"{path}: expected the census data: {error}") from None


@dataclass(frozen=True, slots=True)
class Year:
    """People as a model takes them.

    Attributes
    ----------
    rows : ndarray of float32, shape (n, 16)
        Age, then the codes of the categories.
    labels : ndarray of int8, shape (n,)
    """

    rows: np.ndarray[Any, np.dtype[np.float32]]
    labels: np.ndarray[Any, np.dtype[np.int8]]

    def __len__(self) -> int:
        return len(self.rows)


class CodeBook:
    """Numbers for the categories, learned from one table and used for all.

    Parameters
    ----------
    codes : mapping of str to sequence of str
        The categories of each column; the position is the number.
    """

    def __init__(self, codes: Mapping[str, list[str]]) -> None:
        self.codes = dict(codes)

    @classmethod
    def fit(cls, table: pa.Table) -> CodeBook:
        """Learn the categories of a table; those that look like numbers keep their order."""
        return cls({name: sorted(table[name].unique().to_pylist(), key=_order) for name in CATEGORIES})

    def transform(self, table: pa.Table) -> Year:
        """Return a table as numbers; a category that was not there to learn becomes -1."""
        import pyarrow as pa
        import pyarrow.compute as pc

        columns = [table[AGE].to_numpy()]
        for name, categories in self.codes.items():
            found = pc.index_in(table[name], value_set=pa.array(categories, pa.string()))
            columns.append(pc.fill_null(found.cast(pa.float32()), UNSEEN).to_numpy())
        rows = np.column_stack(columns).astype(np.float32, copy=False)
        return Year(np.ascontiguousarray(rows), table[LABEL].to_numpy().astype(np.int8))


def _order(category: str) -> tuple[float, str]:
    return (float(category) if category.isdecimal() else float("inf"), category)
