"""A uniform sample of the rows of a stream, in memory that does not grow. Read next: row_sample.py."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import ConfigError
from penstock.imports import imported
from penstock.monitor.multivariate.row_sample import RowSample
from penstock.monitor.profile import FeatureProfile, Profile
from penstock.transform._columns import Binder, Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.places import Place

__all__ = ["Reservoir", "sampled"]


def sampled(layout: Profile) -> tuple[FeatureProfile, ...]:
    """Return the features that rows are sampled of: all but outputs and labels."""
    return tuple(feature for feature in layout if feature.role == "feature")


class Reservoir:
    """Holds rows drawn from all that came, each as likely as any other.

    Parameters
    ----------
    layout : Profile
        Whose features are sampled, and whose categories give texts their numbers.
    rows : int
        To hold, at least 1.
    seed : int, default 0
    names : sequence of str, optional
        Sample these features only.
    places : mapping of str to Place, optional
        Where the features are among tensors, for :meth:`follow`; by default each is the tensor of its name.

    Notes
    -----
    Vitter's algorithm L draws how many rows to skip: once it is full, a batch of n rows after N others costs
    as much as the ``n * rows / N`` rows that are drawn from it, and one without any some comparisons. Memory
    is ``4 * rows * n_features`` bytes, whatever the texts. Any thread may call anything.

    References
    ----------
    K.-H. Li, "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))", ACM Transactions on
    Mathematical Software 20 (1994), algorithm L. J. S. Vitter, "Random sampling with a reservoir", ACM
    Transactions on Mathematical Software 11 (1985).

    Examples
    --------
    >>> from penstock.monitor import Baseline
    >>> baseline = Baseline.fit({"age": [31.0, 44.0], "state": ["MA", "NY"]})
    >>> reservoir = Reservoir(baseline.profile, rows=100)
    >>> reservoir.update({"age": [30.0, None], "state": ["NY", "TX"]})
    >>> reservoir.sample().values.tolist()
    [[30.0, 1.0], [nan, 2.0]]
    """

    def __init__(
        self,
        layout: Profile,
        rows: int,
        seed: int = 0,
        *,
        names: Sequence[str] | None = None,
        places: Mapping[str, Place] | None = None,
    ) -> None:
        if rows < 1:
            raise ConfigError(f"rows: expected at least 1, got {rows}")
        features = sampled(layout)
        if names is not None:
            missing = [name for name in names if name not in {feature.name for feature in features}]
            if missing:
                raise ConfigError(f'names: expected features of the layout, got "{missing[0]}"')
            features = tuple(feature for feature in features if feature.name in set(names))
        self._features = features
        self._codes = {
            feature.name: {text: code for code, text in enumerate(feature.categories)}
            for feature in features
            if feature.kind == "categorical"
        }
        self._binder = Binder(
            list(self.names), ["string" if name in self._codes else "number" for name in self.names]
        )
        self._places = dict(places or {})
        self._rows = rows
        self._random = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._empty()

    @property
    def names(self) -> tuple[str, ...]:
        """Features, in order."""
        return tuple(feature.name for feature in self._features)

    def _empty(self) -> None:
        self._values = np.empty((self._rows, len(self._features)), np.float32)
        self._seen = 0
        self._next = 0
        self._largest = 1.0

    def update(self, data: Any) -> None:
        """Sample the rows of some data.

        Parameters
        ----------
        data : dict, data frame, Arrow record batch, table or reader, matrix, or Columns of its features
            Other columns may be there.

        Raises
        ------
        SignatureError
            Where a column is missing, or holds text instead of numbers or the reverse; only found where a
            row is drawn.
        """
        with self._lock:
            for rows, columns in self._chunks(data):
                for row, slot in self._drawn(rows).items():
                    self._values[slot] = self._row(columns(), row)

    def follow(
        self, columns: Any, outputs: Mapping[str, NDArray[Any]], rows: int, ids: object = None
    ) -> None:
        """Sample the rows of a batch that was answered.

        Parameters
        ----------
        columns : mapping of str to ndarray or PrefixedText, or what :meth:`update` takes
        outputs : mapping of str to ndarray
            Not looked at.
        rows : int
        ids : object, optional
            Not looked at.
        """
        with self._lock:
            drawn = self._drawn(rows)
            if not drawn:
                return
            (bound,) = self._binder.bind(self._tensors(columns) if isinstance(columns, dict) else columns)
            for row, slot in drawn.items():
                self._values[slot] = self._row(bound, row)

    def sample(self, *, reset: bool = False) -> RowSample:
        """Return what is held; with ``reset`` sampling starts anew."""
        with self._lock:
            kept = self._values[: min(self._seen, self._rows)].copy()
            found = RowSample(names=self.names, values=kept, seen=self._seen, capacity=self._rows)
            if reset:
                self._empty()
            return found

    def _chunks(self, data: Any) -> Iterator[tuple[int, Any]]:
        """Yield pieces of data: their rows, and a call that binds their columns."""
        arrow = imported("pyarrow")
        if isinstance(data, Columns):
            yield data.rows, lambda: data
        elif arrow is not None and isinstance(data, arrow.RecordBatchReader | arrow.Table):
            for batch in data if isinstance(data, arrow.RecordBatchReader) else data.to_batches():
                yield from self._chunks(batch)
        elif arrow is not None and isinstance(data, arrow.RecordBatch):
            bound: list[Columns] = []

            def bind() -> Columns:
                if not bound:
                    bound.extend(self._binder.bind(data))
                return bound[0]

            yield data.num_rows, bind
        else:
            for columns in self._binder.bind(data):
                yield columns.rows, lambda columns=columns: columns

    def _tensors(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for name in self.names:
            place = self._places.get(name)
            tensor = columns[name if place is None else place.tensor]
            matrix = place is not None and isinstance(tensor, np.ndarray) and tensor.ndim == 2
            found[name] = tensor[:, place.column] if place is not None and matrix else tensor
        return found

    def _drawn(self, rows: int) -> dict[int, int]:
        """Return which rows of a batch are drawn, and where each goes."""
        slots: dict[int, int] = {}
        begin, self._seen = self._seen, self._seen + rows
        while self._next < self._seen:
            place = self._next
            slots[place if place < self._rows else int(self._random.integers(self._rows))] = place - begin
            self._next += 1 if place + 1 < self._rows else self._skip()
        return {row: slot for slot, row in slots.items()}

    def _skip(self) -> int:
        self._largest *= math.exp(math.log1p(-self._random.random()) / self._rows)
        if self._largest >= 1:
            return 1
        return 1 + int(math.log1p(-self._random.random()) / math.log1p(-self._largest))

    def _row(self, columns: Columns, row: int) -> NDArray[Any]:
        values = [self._number(columns.value(i, row), feature) for i, feature in enumerate(self._features)]
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            return np.array(values, np.float64).astype(np.float32)

    def _number(self, value: Any, feature: FeatureProfile) -> float:
        if value is None:
            return math.nan
        if feature.kind == "categorical":
            return self._codes[feature.name].get(value, len(feature.categories))
        return float(value)
