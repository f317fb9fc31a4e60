"""The census data: found, read by year, and turned into numbers by a transform."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.transform import Transform

__all__ = [
    "AGE",
    "CATEGORIES",
    "RECODED",
    "Year",
    "altered",
    "find_data",
    "fit_transform",
    "read_census",
    "read_year",
]

FILE = "census_employment_ma.parquet"
AGE = "AGEP"
CATEGORIES = (
    "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM",
    "SEX", "RAC1P",
)  # fmt: skip
LABEL = "employed"
RECODED = "SEX"
"""Column that comes with other codes in the last act."""
YEARS_OLDER = 15
UNSEEN = -1
"""Code of a category that was not there to learn."""


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
    """Return the people of each year, in an order that says nothing of them.

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
            year: people.take(np.random.default_rng(year).permutation(len(people))[::step])
            for year in sorted(table["year"].unique().to_pylist())
            for people in [table.filter(pc.equal(table["year"], year))]
        }
    except (OSError, KeyError, pa.ArrowException) as error:
        raise ConfigError(f"{path}: expected the census data: {error}") from None


@dataclass(frozen=True, slots=True)
class Year:
    """People as they come, as a model takes them, and as clients send them.

    Attributes
    ----------
    people : pyarrow.Table
        The raw columns: age and categories.
    rows : ndarray of float32, shape (n, 16)
        What the transform makes of them.
    labels : ndarray of int8, shape (n,)
    tensors : dict of str to ndarray
        The raw columns for requests: ages as float32, categories as elements of a BYTES tensor, each
        with its length in front.
    """

    people: pa.Table
    rows: np.ndarray[Any, np.dtype[np.float32]]
    labels: np.ndarray[Any, np.dtype[np.int8]]
    tensors: dict[str, np.ndarray[Any, Any]]

    def __len__(self) -> int:
        return len(self.rows)


def fit_transform(table: pa.Table) -> Transform:
    """Learn from one year how people become numbers: the age as it is, a code for each category."""
    from penstock.transform import Feature, Ordinal, Transform

    features = [
        Feature(columns=(AGE,)),
        Feature(columns=CATEGORIES, steps=(Ordinal(unknown=UNSEEN, missing=UNSEEN),)),
    ]
    return Transform.fit(features, table)


def read_year(table: pa.Table, transform: Transform) -> Year:
    """Return one year of people in all the forms in which the demo needs them."""
    people = table.select([AGE, *CATEGORIES])
    tensors = {AGE: table[AGE].to_numpy()} | {name: _elements(table[name]) for name in CATEGORIES}
    return Year(people, transform.transform(people), table[LABEL].to_numpy().astype(np.int8), tensors)


def altered(table: pa.Table) -> pa.Table:
    """Return people as a careless change upstream would send them: sex in other codes, 15 years older."""
    import pyarrow as pa
    import pyarrow.compute as pc

    letters = pc.if_else(pc.equal(table[RECODED].cast(pa.string()), "1"), "M", "F")
    older = pc.add(table[AGE], pa.scalar(YEARS_OLDER, table[AGE].type))
    for name, column in ((RECODED, letters), (AGE, older)):
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def _elements(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    coded = column.combine_chunks().dictionary_encode()
    texts = [text.encode() for text in coded.dictionary.to_pylist()]
    elements = np.array([len(text).to_bytes(4, "little") + text for text in texts], dtype=object)
    return np.asarray(elements[coded.indices.to_numpy()])
