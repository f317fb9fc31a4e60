from collections.abc import Iterable, Sequence
from typing import Any, final

import numpy as np

from penstock.batching import BatchObserver
from penstock.monitor.profile import FeatureProfile
from penstock.transform._columns import Columns

def choose_edges(values: np.ndarray[Any, np.dtype[np.float64]], bins: int) -> np.ndarray[Any, Any]:
    """Choose edges as :func:`penstock.monitor.edges.choose_edges` says, without the GIL."""

@final
class Accumulator:
    """Counts of the columns of one layout: csrc/monitor/accumulator.h.

    Parameters
    ----------
    features : iterable of FeatureProfile
        How each column is counted: kind, edges, range and categories; their counts are not looked at.
    vectors : {"avx512", "avx2", "none"}, optional
        Instructions to use instead of the best that this processor has. No result depends on it.

    Raises
    ------
    ConfigError
        Where edges do not increase or categories repeat.
    UnsupportedError
        Where the processor does not have the instructions.

    Notes
    -----
    Any thread may call anything. Memory does not grow with what is counted.
    """

    vectors: str
    def __init__(self, features: Iterable[FeatureProfile], *, vectors: str | None = None) -> None: ...
    def fit(self, columns: Columns, bins: int) -> list[np.ndarray[Any, Any]]:
        """Choose the edges of all numeric features from bound columns, and count those, without the GIL.

        In place of the edges of the layout, and before anything else is counted. Returns them; none of texts.
        """
    def update(self, columns: Columns) -> None:
        """Count all rows of bound columns, without the GIL: numbers or text, one for each feature.

        Raises
        ------
        SignatureError
            Where the columns are not of the layout. Values are never refused.
        """
    def fit_parts(
        self,
        parts: list[Any],
        part: np.ndarray[Any, np.dtype[np.int32]],
        column: np.ndarray[Any, np.dtype[np.int64]],
        rows: int,
        bins: int,
    ) -> list[np.ndarray[Any, Any]]: ...
    def update_parts(
        self,
        parts: list[Any],
        part: np.ndarray[Any, np.dtype[np.int32]],
        column: np.ndarray[Any, np.dtype[np.int64]],
        rows: int,
    ) -> None: ...
    def update_matrix(self, matrix: np.ndarray[Any, Any]) -> None:
        """Count all rows of a float32 or float64 matrix (n_rows, n_features), whatever its strides."""
    def counts(self, *, reset: bool = False) -> tuple[int, list[dict[str, Any]]]:
        """Return the rows, and of each feature the fields of its profile that were counted.

        With ``reset`` counting starts anew, and no batch is counted in both or in neither.
        """
    def reset(self) -> None: ...

@final
class BatchCounter(BatchObserver):
    """Counts what was answered without Python: csrc/monitor/batch_counter.h. Any thread may call anything."""

    def count(
        self,
        accumulator: Accumulator,
        places: Sequence[tuple[bool, int, int, int, np.dtype[Any] | None]],
        full_rows: int | None = None,
    ) -> None:
        """Count from here on.

        Parameters
        ----------
        accumulator : Accumulator
        places : sequence of (bool, int, int, int, dtype or None)
            For each of its features: whether it is an output, the tensor in the signature, the column of how
            many, the dtype; None for text.
        full_rows : int, optional
            An executor is told when so many rows were seen.
        """
    def hand_on(self, others: bool) -> None:
        """Leave everything to executors, who show it to others too."""
    def take_rows(self) -> int:
        """Return how many rows were seen since the last call; never more than were counted."""
