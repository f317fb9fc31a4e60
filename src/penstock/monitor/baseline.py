"""Baselines: what the training data looked like, and the bins and categories that live data are counted in.

Read next: profiler.py, edges.py, drift.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import BundleError, ConfigError
from penstock.imports import imported
from penstock.monitor.categories import CategoryCounter
from penstock.monitor.edges import choose_edges
from penstock.monitor.encoding import digest_of
from penstock.monitor.profile import FeatureProfile, Profile, Role
from penstock.monitor.profiler import Profiler

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Baseline"]

HELD_ROWS = 131_072
"""Rows that the edges are chosen from."""

_MOST_BINS = 4096


@dataclass(frozen=True)
class Baseline:
    """Reference statistics. A value: fitted once, kept beside the model.

    Attributes
    ----------
    profile : Profile
        Of the reference; numeric features have their bins, categorical ones their categories.

    Examples
    --------
    >>> baseline = Baseline.fit({"age": [31, 44, 44, None], "state": ["MA", "NY", "MA", "MA"]})
    >>> baseline.profile["state"].categories, baseline.profile["age"].missing
    (('MA', 'NY'), 1)
    >>> profiler = baseline.profiler()
    >>> profiler.update({"age": [44.0, 99.0], "state": ["MA", "TX"]})
    >>> live = profiler.profile()
    >>> live["age"].above, live["state"].unseen_top
    (1, (('TX', 1),))
    """

    profile: Profile

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def fit(
        cls,
        reference: Any,
        *,
        bins: int = 128,
        categories: int = 1000,
        types: Mapping[str, str] | None = None,
        label: str | None = None,
        prediction: str | Iterable[str] | None = None,
    ) -> Baseline:
        """Count a reference in one pass.

        Parameters
        ----------
        reference : Arrow table, record batch or reader, data frame, dict, or iterable of them
            Of named columns. Numbers and booleans are numeric, text is categorical.
        bins : int, default 128
            Of a numeric feature, at most.
        categories : int, default 1000
            Of a categorical feature, at most; the rest, the less frequent ones, is unseen.
        types : mapping of str to str, optional
            Columns to count, and the types of :data:`penstock.transform.spec.TYPES` to note. By default all
            columns that the first batch has, as they come.
        label, prediction : str or iterable of str, optional
            Columns that are what was to be predicted, and what was. Live data have no label: it is in the
            profile, and profilers leave it out.

        Raises
        ------
        ConfigError
            Where a column is neither numbers nor text, naming it; where there is no row.
        SignatureError
            Where a later batch has other columns.

        Notes
        -----
        Edges are chosen from 131,072 rows; counts are of all. Of a table they are rows here and there, always
        the same; of batches the first ones, which are held meanwhile: shuffle batches that are sorted.
        """
        _check_number("bins", bins, 1, _MOST_BINS)
        _check_number("categories", categories, 0, 1_000_000)
        tables = _tables(reference)
        held, tables = _hold(tables)
        outputs = (prediction,) if isinstance(prediction, str) else tuple(prediction or ())
        roles: dict[str, Role] = {**dict.fromkeys(outputs, "output")}
        if label is not None:
            roles[label] = "label"
        layout = _layout(held, types, roles)
        numeric = [_choose(feature, held, bins) for feature in layout if feature.kind == "numeric"]
        counters = {f.name: CategoryCounter(f.name, categories) for f in layout if f.kind == "categorical"}
        names = [feature.name for feature in numeric]
        profiler = Profiler(Profile(tuple(numeric), 0), names=names)
        rows = 0
        for table in itertools.chain([held], tables):
            rows += table.num_rows
            if numeric:
                profiler.update(table)
            for name, counter in counters.items():
                counter.update(_text(table, name))
        counted = profiler.profile()
        features = tuple(
            counted[f.name] if f.kind == "numeric" else counters[f.name].profile(f.type, role=f.role)
            for f in layout
        )
        return cls(Profile(features, rows))

    def profiler(self) -> Profiler:
        """Return a profiler that counts on the bins and categories of this baseline."""
        return Profiler(self.profile)

    @cached_property
    def _bytes(self) -> bytes:
        return self.profile.to_bytes()

    @property
    def digest(self) -> str:
        """SHA-256 of everything in the baseline, in hexadecimal."""
        return digest_of(self._bytes)

    def to_bytes(self) -> bytes:
        """Return the baseline as bytes; see :meth:`Profile.to_bytes`."""
        return self._bytes

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "baseline") -> Baseline:
        """Read a baseline from bytes.

        Raises
        ------
        BundleError
            Where they are damaged, truncated, or of a newer format.
        """
        return cls(Profile.from_bytes(data, source))

    def save(self, path: str | Path) -> None:
        """Write the baseline to a file."""
        Path(path).write_bytes(self._bytes)

    @classmethod
    def load(cls, path: str | Path) -> Baseline:
        """Read a baseline from a file; see :meth:`from_bytes`."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise BundleError(f"{path}: the baseline cannot be read: {error.strerror}") from None
        return cls.from_bytes(data, str(path))


def _check_number(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{name}: expected {least} to {most}, got {value}")


def _tables(reference: Any) -> Iterator[pa.Table]:
    """Yield a reference table by table."""
    import pyarrow as pa

    if isinstance(reference, pa.RecordBatchReader):
        for batch in reference:
            yield pa.Table.from_batches([batch])
    elif isinstance(reference, Mapping):
        yield _from_mapping(reference)
    elif hasattr(reference, "__arrow_c_stream__") or hasattr(reference, "__arrow_c_array__"):
        yield _from_arrow(reference)
    elif isinstance(reference, Iterable) and not isinstance(reference, str | bytes | np.ndarray):
        for part in reference:
            yield from _tables(part)
    else:
        raise ConfigError(
            f"reference: expected named columns: a table, a data frame, a dict or batches of them, "
            f"got {type(reference).__name__}"
        )


def _from_mapping(columns: Mapping[str, Any]) -> pa.Table:
    import pyarrow as pa

    arrays = {}
    for name, values in columns.items():
        try:
            is_arrow = hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__")
            arrays[name] = values if is_arrow else pa.array(values, from_pandas=True)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise ConfigError(f'column "{name}": expected numbers or text: {error}') from None
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ConfigError(f"reference: expected columns of one length, got {lengths}")
    return pa.table(arrays)


def _from_arrow(data: Any) -> pa.Table:
    import pyarrow as pa

    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    pandas = imported("pandas")
    try:
        if pandas is not None and isinstance(data, pandas.DataFrame):
            return pa.Table.from_pandas(data, preserve_index=False)
        return pa.table(data)
    except pa.ArrowException as error:
        raise ConfigError(f"reference: expected columns of numbers and text: {error}") from None


def _hold(tables: Iterator[pa.Table]) -> tuple[pa.Table, Iterator[pa.Table]]:
    """Return the first rows as one table, and what comes after them."""
    import pyarrow as pa

    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += table.num_rows
        if rows >= HELD_ROWS:
            break
    if rows == 0:
        raise ConfigError("reference: expected at least one row, got none")
    first = next(table for table in held if table.num_rows)
    same = [table for table in held if table.schema.equals(first.schema)]
    # Batches of other types than the first are counted, and choose nothing.
    return pa.concat_tables(same), itertools.chain([t for t in held if not any(t is s for s in same)], tables)


def _layout(
    held: pa.Table, types: Mapping[str, str] | None, roles: Mapping[str, Role]
) -> list[FeatureProfile]:
    names = list(held.schema.names) if types is None else [*types, *(n for n in roles if n not in types)]
    for name in names:
        if held.schema.names.count(name) != 1:
            raise ConfigError(f'reference: expected one column "{name}", got columns {held.schema.names}')
    for name in roles:
        if name not in names:
            raise ConfigError(f'reference: expected a column "{name}", got columns {held.schema.names}')
    features = []
    for name in names:
        kind, type_name = _kind(name, held.schema.field(name).type)
        stated = (types or {}).get(name, "number")
        features.append(
            FeatureProfile(
                name=name,
                kind=kind,
                type=type_name if stated == "number" else stated,
                role=roles.get(name, "feature"),
            )
        )
    return features


def _kind(name: str, kind: pa.DataType) -> tuple[Any, str]:
    import pyarrow as pa

    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_boolean(value):
        return "numeric", "bool"
    if pa.types.is_integer(value):
        return "numeric", str(value)
    if pa.types.is_float16(value) or pa.types.is_float32(value):
        return "numeric", "float32"
    if pa.types.is_float64(value) or pa.types.is_null(value):
        return "numeric", "float64"
    texts = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary())
    if value in texts:
        return "categorical", "string"
    hint = "; leave it out, or give its parts as numbers" if pa.types.is_temporal(value) else ""
    raise ConfigError(f'column "{name}": expected numbers, booleans or text, got {kind}{hint}')


def _choose(feature: FeatureProfile, held: pa.Table, bins: int) -> FeatureProfile:
    import pyarrow as pa

    column = held.column(feature.name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    column = column.drop_null()
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values = column.to_numpy()
    if len(values) > HELD_ROWS:
        values = values[np.random.default_rng(0).choice(len(values), HELD_ROWS, replace=False)]
    edges = choose_edges(values.astype(np.float64), bins)
    return replace(feature, edges=edges, histogram=np.zeros(len(edges) + 1, np.int64))


def _text(table: pa.Table, name: str) -> pa.ChunkedArray:
    import pyarrow as pa

    column = table.column(name)
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column
