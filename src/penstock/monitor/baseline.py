"""Baselines: what the training data looked like, and the bins and categories that live data are counted in.

Read next: numeric.py, categories.py, drift.py.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from penstock.errors import BundleError, ConfigError, SignatureError
from penstock.monitor import numeric
from penstock.monitor.categories import CategoryCounter
from penstock.monitor.encoding import decode_parts, digest_of, encode_parts
from penstock.monitor.profile import FeatureProfile, Profile, Role
from penstock.monitor.profiler import Profiler
from penstock.monitor.quality.measurement import Measurement, predicted_columns
from penstock.monitor.split import threads_of
from penstock.monitor.tables import kind_of, tables_of

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.monitor.multivariate import MultivariateBaseline, TableSample
    from penstock.monitor.quality.baseline import BaselineQuality

__all__ = ["Baseline"]

_PARTS: Final = {
    "quality": ("penstock.monitor.quality.baseline", "BaselineQuality"),
    "multivariate": ("penstock.monitor.multivariate", "MultivariateBaseline"),
}
"""Optional parts of a baseline, fields of the same name: classes with ``to_bytes`` and ``from_bytes``."""

_MOST_BINS = 4096


@dataclass(frozen=True)
class Baseline:
    """Reference statistics. A value: fitted once, kept beside the model.

    Attributes
    ----------
    profile : Profile
        Of the reference; numeric features have their bins, categorical ones their categories.
    quality : BaselineQuality, optional
        How good the predictions of the reference are, where it has labels.
    multivariate : MultivariateBaseline, optional
        All features together: a sample of rows and what is tested with it.

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
    quality: BaselineQuality | None = None
    multivariate: MultivariateBaseline | None = None

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
        outputs: Iterable[str] = (),
        task: Literal["auto", "binary", "multiclass", "regression"] = "auto",
        threshold: float = 0.5,
        multivariate: bool = False,
        threads: int | None = None,
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
        label : str, optional
            Column of what was to be predicted. Live data have none: it is in the profile, and profilers
            leave it out. With a prediction, :attr:`quality` is measured.
        prediction : str or iterable of str, optional
            What was predicted: a column; the name of columns ``name[0]``, ``name[1]`` …; or columns, one a
            class. By default, of the outputs, the one of several columns, or the only one.
        outputs : iterable of str, default ()
            Further columns that the model answers.
        task, threshold
            Of the prediction: see :func:`penstock.monitor.quality.infer_target`.
        multivariate : bool, default False
            Keep a sample of rows for tests of all features together.
        threads : int, optional
            That count numbers; by default one for each core. No result depends on it.

        Raises
        ------
        ConfigError
            Where a column is neither numbers nor text, naming it; where there is no row; where label and
            prediction do not fit together.
        SignatureError
            Where a later batch has other columns.

        Notes
        -----
        Edges are chosen from 131,072 rows; counts are of all. Of a table they are rows here and there, always
        the same; of batches the first ones, which are held meanwhile: shuffle batches that are sorted.
        """
        _check_number("bins", bins, 1, _MOST_BINS)
        _check_number("categories", categories, 0, 1_000_000)
        threads = threads_of(threads)
        counted_only = label is None and not multivariate
        tables = tables_of(reference, nan=counted_only and numeric.all_are_held(reference))
        held, tables = _hold(tables)
        outputs = tuple(outputs)
        predicted = predicted_columns(prediction, outputs, held.schema.names, label)
        roles: dict[str, Role] = {**dict.fromkeys((*outputs, *predicted), "output")}
        if label is not None:
            roles[label] = "label"
        layout = _layout(held, types, roles)
        measured = None
        if label is not None and predicted:
            measured = Measurement.of(held, label, predicted, task=task, threshold=threshold)
        cut = {} if measured is None else measured.cut
        numbers = [feature for feature in layout if feature.kind == "numeric"]
        profiler = None
        if numbers:
            profiler = numeric.counted_numbers(numbers, held, bins=bins, cut=cut, threads=threads)
        counters = {f.name: CategoryCounter(f.name, categories) for f in layout if f.kind == "categorical"}
        sample = _sample(layout) if multivariate else None
        rows = 0
        for table in itertools.chain([held], tables):
            rows += table.num_rows
            if profiler is not None and table is not held:
                profiler.update(table)
            for name, counter in counters.items():
                counter.update(_text(table, name))
            if measured is not None:
                measured.update(table)
            if sample is not None:
                sample.add(table)
        counted = None if profiler is None else profiler.profile()
        features = tuple(
            counted[f.name]
            if counted is not None and f.kind == "numeric"
            else counters[f.name].profile(f.type, role=f.role)
            for f in layout
        )
        profile = Profile(features, rows)
        return cls(
            profile,
            quality=None if measured is None else measured.quality(_part_of(held), profile),
            multivariate=None if sample is None else _multivariate(sample.table(), profile),
        )

    def profiler(self) -> Profiler:
        """Return a profiler that counts on the bins and categories of this baseline."""
        return Profiler(self.profile)

    @cached_property
    def _bytes(self) -> bytes:
        parts = {name: part.to_bytes() for name in _PARTS if (part := getattr(self, name)) is not None}
        return encode_parts({"profile": self.profile.to_bytes(), **parts})

    @property
    def digest(self) -> str:
        """SHA-256 of everything in the baseline, in hexadecimal."""
        return digest_of(self._bytes)

    def to_bytes(self) -> bytes:
        """Return the baseline as bytes: named parts, versioned and with a digest; no pickle."""
        return self._bytes

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "baseline") -> Baseline:
        """Read a baseline from bytes.

        Raises
        ------
        BundleError
            Where they are damaged, truncated, of a newer format, or have a part that is not known.
        """
        parts = decode_parts(data, source)
        unknown = sorted(set(parts) - {"profile", *_PARTS})
        if unknown or "profile" not in parts:
            found = f'the unknown part "{unknown[0]}"' if unknown else "none"
            raise BundleError(
                f"{source}: expected a baseline with a profile and perhaps {', '.join(sorted(_PARTS))}, "
                f"got {found}; a newer version of Penstock may have written it"
            )
        optional = {name: _part(name, parts[name], source) for name in _PARTS if name in parts}
        return cls(Profile.from_bytes(parts["profile"], source), **optional)

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


def _part(name: str, data: bytes, source: str) -> Any:
    module, kind = _PARTS[name]
    return getattr(importlib.import_module(module), kind).from_bytes(data, source)


def _part_of(held: pa.Table) -> pa.Table:
    return held if held.num_rows <= numeric.HELD_ROWS else held.take(numeric.some_rows(held.num_rows))


def _sample(layout: Sequence[FeatureProfile]) -> TableSample:
    from penstock.monitor.multivariate import TableSample, reference_rows

    return TableSample(reference_rows(sum(feature.role == "feature" for feature in layout)))


def _multivariate(rows: pa.Table, profile: Profile) -> MultivariateBaseline:
    from penstock.monitor.multivariate import MultivariateBaseline

    return MultivariateBaseline.fit(rows, profile)


def _check_number(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{name}: expected {least} to {most}, got {value}")


def _hold(tables: Iterator[pa.Table]) -> tuple[pa.Table, Iterator[pa.Table]]:
    """Return the first rows as one table, and what comes after them."""
    import pyarrow as pa

    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += table.num_rows
        if rows >= numeric.HELD_ROWS:
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
        kind, type_name = kind_of(name, held.schema.field(name).type)
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


def _text(table: pa.Table, name: str) -> pa.ChunkedArray:
    import pyarrow as pa

    if name not in table.schema.names:
        raise SignatureError(
            f'reference: expected a column "{name}" in every batch, got {table.schema.names}'
        )
    column = table.column(name)
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column
